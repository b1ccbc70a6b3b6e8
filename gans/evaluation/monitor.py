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
    metrics = [metric for metric in table.METRICS if metric.name not in table.FEATURES]
    return {
        metric.name: float(metric.value(outputs))
        for metric in metrics
        if "noise" in metric.of and table.missing(metric, outputs) is None
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
    from_noise = run.gan_file.can.starts_from == "noise"
    options = Options(run_dir=str(folder.path), extractor=extractor, num_real=MOST_REAL)
    networks, reference = Networks(options), None

    def outputs(gan: Any, step: int) -> Generated | Translated:
        if from_noise:
            made = Generated.load(gan, run, networks, step, samples=FEATURE_SAMPLES)
        else:
            made = Translated.load(gan, run, networks, step, count=1)[0]
        if reference:
            # Real images are looked at once.
            made.reference = reference
        return made

    if run.data.kind == "points":
        raise UsageError("--evaluate_every expects images. Received: points")
    with usage_errors(*ERRORS):
        reference = outputs(gan, 0).reference
        if reference is None:
            raise UsageError(
                "--evaluate_every: no classifier can be trained on this data; --extractor expects "
                f"inception or the folder of a classifier. Received: {extractor}"
            )
        reference.features  # noqa: B018  Before the training, which takes longer.

    def evaluate(gan: Any, step: int) -> dict[str, float]:
        made = outputs(gan, step)
        metrics = [table.find(name, made.kind) for name in table.FEATURES]
        metrics = [metric for metric in metrics if table.missing(metric, made) is None]
        lines = [table.measure(metric, made) for metric in metrics]
        report.add(folder.path, lines)
        return {line["metric"]: line["value"] for line in lines}

    return evaluate
