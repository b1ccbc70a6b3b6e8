"""What is measured while a GAN trains.

`measure` is what TensorBoard shows with each sample picture: what needs no network, of few samples.
`watch` evaluates by features every few epochs, for `--evaluate_every`. Its numbers are those of the
command `evaluate` for the same counts, and so are their names; they go to TensorBoard and, with all
that decides them, to `evaluation.jsonl`. Nothing of the training depends on them: a run that is
watched ends with the bytes of one that is not.
"""

from collections.abc import Callable
from typing import Any

from gans.command_line.errors import UsageError, usage_errors
from gans.evaluation import report, table
from gans.evaluation.generated import Generated
from gans.evaluation.networks import ERRORS, Networks
from gans.evaluation.options import Options
from gans.evaluation.translated import Translated
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings

# Samples while training: seconds at the most, by features by a classifier.
SAMPLES, FEATURE_SAMPLES = 500, 1000
MOST_REAL = 10_000


def measure(gan: Any, run: RunSettings, preview: Any) -> dict[str, float]:
    """What can be measured of a GAN that starts from noise without any network: numbers by name.

    Args:
        gan: in training.
        run: settings of the run.
        preview: held-out images and, where there are some, their labels, as sample grids are made
            of; of points anything.
    """
    outputs = Generated(gan, run)
    if outputs.makes_images:
        real, labels = (*preview, None)[:2]
        outputs = Generated(gan, run, samples=SAMPLES, real=real, labels=labels)
    return {
        metric.name: float(metric.value(outputs))
        for metric in table.METRICS
        if "noise" in metric.of and table.lacking(metric, outputs) is None
    }


def watch(
    folder: RunFolder, run: RunSettings, extractor: str, gan: Any
) -> Callable[[Any, int], dict[str, float]]:
    """What measures the GAN at a step: numbers by name.

    Args:
        folder: of the run.
        run: its settings, complete.
        extractor: inception, own, or the folder of a classifier.
        gan: built.

    Raises `UsageError` for what cannot be watched.
    """
    if run.data.kind == "points":
        raise UsageError("--evaluate_every expects images. Received: points")
    from_noise = run.gan_file.can.starts_from == "noise"
    options = Options(
        run_dir=str(folder.path),
        extractor=extractor,
        num_real=MOST_REAL,
        num_fake=FEATURE_SAMPLES if from_noise else None,
    )
    with usage_errors(*ERRORS):
        kind = Generated if from_noise else Translated
        first, *_ = kind.load(gan, run, Networks(options), 0)
        if not first.is_known or first.reference is None:
            raise UsageError(
                "--evaluate_every: no classifier can be trained on this data; --extractor expects "
                f"inception or the folder of a classifier. Received: {extractor}"
            )

    def evaluate(gan: Any, step: int) -> dict[str, float]:
        outputs = first.again(step)
        metrics = (table.find(name, outputs.kind) for name in table.FEATURES)
        lines = [
            table.measure(metric, outputs)
            for metric in metrics
            if table.lacking(metric, outputs) is None
        ]
        report.add(folder.path, lines)
        return {line["metric"]: line["value"] for line in lines}

    return evaluate
