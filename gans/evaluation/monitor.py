"""Evaluation by features while a GAN trains: `--evaluate_every`.

The numbers are those of `scripts/evaluate.py` for the same counts, and so are their names; they go
to TensorBoard and, with all that decides them, to `evaluation.jsonl`. Nothing of the training
depends on them: a run that is watched ends with the bytes of one that is not.
"""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gans.command_line.errors import UsageError, usage_errors
from gans.data.held_out import HeldOut, load_singles
from gans.data.images import DataError
from gans.evaluation import judges, pictures
from gans.evaluation.pictures import Pictures
from gans.features.classifier import ClassifierError
from gans.features.extractors import Extractor, metric_name
from gans.features.features import collect, reference
from gans.features.torch_weights import WeightsError
from gans.metrics import distribution, generation
from gans.training.restore import gan_module, generates, translate_takes
from gans.training.run_folder import RunFolder, versions

# Real images, and samples of a GAN that begins with noise: seconds by a classifier.
MOST_REAL, SAMPLES = 10_000, 1000
SEED = 0

Watch = Callable[[Any, int], dict[str, float]]


def watch(run: RunFolder, settings: dict[str, Any], extractor: str, gan: Any) -> Watch:
    """What measures the GAN at a step: numbers by name.

    Args:
        run: its folder.
        settings: of the run, complete.
        extractor: inception, own, or the folder of a classifier, as `judges.find_extractor` says.
        gan: built.

    Raises `UsageError` for what cannot be watched.
    """
    if getattr(gan, "data", "images") == "points":
        raise UsageError("--evaluate_every expects images. Received: points")
    beside = run.path.resolve().parent
    with contextlib.ExitStack() as stack:
        for kind in (WeightsError, ClassifierError, DataError):
            stack.enter_context(usage_errors(kind))
        find = of_noise if generates(gan_module(settings)) else of_translation
        judge, real, fakes = find(settings, extractor, beside, gan)
        known = reference(real.batches, real.count, judge, beside / "references")

    def measure(gan: Any, step: int) -> dict[str, float]:
        made = fakes(gan)
        features = collect(made.batches(), made.count, judge, describe="samples")
        found = distribution.measure(known, features)
        lines = [
            {
                "metric": metric_name(name, judge),
                "value": measured.value,
                "reference": None,
                "reference_is": "real",
                "step": step,
                **measured.facts,
                "split": real.split,
                **judge.facts(),
                "real_sha256": known.digest,
                "seeds": [SEED],
                "versions": versions(),
            }
            for name, measured in found.items()
        ]
        with open(run.path / "evaluation.jsonl", "a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        return {line["metric"]: line["value"] for line in lines}

    return measure


Found = tuple[Extractor, Pictures, Callable[[Any], Pictures]]


def of_noise(settings: dict[str, Any], extractor: str, beside: Path, gan: Any) -> Found:
    """The judge, the training images, and what makes samples."""
    judge = _judge(extractor, beside, settings)
    real = pictures.real_singles(settings, "train", MOST_REAL)
    *_, asked = load_singles(settings, 1, bool(gan.label_dim))

    def fakes(gan: Any) -> Pictures:
        generated = generation.Generated(gan, settings, SAMPLES, asked=asked, seed=SEED)
        return pictures.generated(generated.pictures, SAMPLES)

    return judge, real, fakes


def of_translation(settings: dict[str, Any], extractor: str, beside: Path, gan: Any) -> Found:
    """The judge, the held-out photos, and what translates the held-out images of the other domain,
    from A to B.
    """
    data = HeldOut(settings)
    judge = _judge(extractor, beside, judges.painted_photos(data, gan, "a_to_b"))
    takes = translate_takes(gan_module(settings))
    direction = "a_to_b" if takes == "direction" else None
    sources, real = pictures.real_domains(data, gan, direction, "val", MOST_REAL)

    def fakes(gan: Any) -> Pictures:
        return pictures.translated(gan, takes, "a_to_b", sources, sources.count, SEED)

    return judge, real, fakes


def _judge(extractor: str, beside: Path, settings: dict[str, Any] | None) -> Extractor:
    judge = settings and judges.find_extractor(extractor, beside, settings)
    if judge is None:
        raise UsageError(
            "--evaluate_every: no classifier can be trained on this data; --extractor expects "
            f"inception or the folder of a classifier. Received: {extractor}"
        )
    return judge
