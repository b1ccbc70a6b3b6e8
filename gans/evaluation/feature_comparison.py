"""What is measured of the features of samples against those of real images.

By Inception the names are fid, kid, inception_score, precision, ...; by a classifier of toy fashion
fd_toy, kd_toy, ... (`gans.features.extractors.metric_name`). Each depends on how many images there
are: only numbers of the same counts can be compared, so the counts go with them.

Mean and covariance are of all images; kernels and neighbours see at most `features.KEPT` of each,
and neighbours as many samples as real images: of unequal sets they mean little.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from gans.evaluation.image_sets import ImageSet
from gans.evaluation.tables import mean_and_deviation
from gans.features.extractors import Extractor
from gans.features.features import collect, reference
from gans.metrics.feature_sets import Features, Moments
from gans.metrics.frechet import frechet_distance
from gans.metrics.inception_score import SPLITS, inception_score
from gans.metrics.kernel_distance import kernel_distance
from gans.metrics.neighbours import DENSITY_K, PRECISION_K, nearest, prdc

PRDC = ("precision", "density", "recall", "coverage")
BETWEEN = {"kd": "subsets", "is": "splits"}  # What the deviation of one set of samples is between.
SHOWN, NEIGHBOURS = 8, 5


@dataclass(frozen=True)
class Measured:
    """A number with all that decides it and is not known of the whole evaluation.

    Attributes:
        value: of the metric.
        facts: what decides it, by name, as a line of `evaluation.jsonl` holds it.
        deviation: between subsets (kd) or splits (is), or None.
    """

    value: float
    facts: dict[str, Any] = field(default_factory=dict)
    deviation: float | None = None


@dataclass(frozen=True)
class FeaturePair:
    """Features of two sets of images by the same extractor, 2 images or more in each."""

    real: Features
    fake: Features

    def measure(self, name: str) -> Measured:
        """One of fd, kd, is, precision, density, recall, coverage and spacing.

        Subsets of kd and splits of is are drawn with torch-fidelity's seed, always the same.
        """
        counts = {"n_real": len(self.real.kept), "n_fake": len(self.fake.kept)}
        if name == "fd":
            warnings = (features.moments.warning() for features in (self.real, self.fake))
            facts = {"n_real": len(self.real), "n_fake": len(self.fake)}
            facts["warning"] = next(filter(None, warnings), None)
            return Measured(frechet_distance(self.real.moments, self.fake.moments), facts)
        if name == "kd":
            kernel = kernel_distance(self.real.kept, self.fake.kept)
            counts |= {"subsets": kernel.subsets, "subset_size": kernel.subset_size}
            return Measured(kernel.mean, counts, kernel.deviation)
        if name == "is":
            score = inception_score(self.fake.logits)
            counts |= {
                "splits": score.splits,
                "class_entropy": score.marginal_entropy,
                "sample_entropy": score.conditional_entropy,
            }
            return Measured(score.mean, counts, score.deviation)
        counts = dict.fromkeys(counts, len(self._even[0]))
        if name == "spacing":
            return Measured(spacing(*self._even), counts)
        counts["k"] = PRECISION_K if name in ("precision", "recall") else DENSITY_K
        return Measured(self._prdc[name], counts)

    def can_measure(self, name: str) -> bool:
        """Whether there are enough images; for `is` also whether classes exclude each other."""
        if name == "is":
            return self.fake.logits is not None and len(self.fake.logits) >= SPLITS
        return len(self._even[0]) > (DENSITY_K if name in PRDC else 1)

    @functools.cached_property
    def _even(self) -> tuple[np.ndarray, np.ndarray]:
        """As many rows of both, at even distances."""
        count = min(len(self.real.kept), len(self.fake.kept))
        return tuple(
            features.kept[np.arange(count) * len(features.kept) // count]
            for features in (self.real, self.fake)
        )

    @functools.cached_property
    def _prdc(self) -> dict[str, float]:
        return prdc(*self._even, DENSITY_K, PRECISION_K)


def spacing(real: np.ndarray, fake: np.ndarray) -> float:
    """Median distance of a row of `fake` to its nearest other row, as a part of that of `real`.

    Both `(n, d)`. NaN where real rows repeat.
    """
    # The nearest of all is the row itself, or its double.
    distances = [np.median(nearest(rows, rows, 2)[1][:, 1]) for rows in (fake, real)]
    return float(distances[0] / distances[1]) if distances[1] else float("nan")


class Reference:
    """Real images as an extractor sees them.

    Args:
        extractor: see `gans.features.extractors`.
        images: at least 2.
        features_dir: folder in which features of real images are kept.
    """

    def __init__(self, extractor: Extractor, images: ImageSet, features_dir: Path):
        self.extractor, self.split, self.take = extractor, images.split, images.take
        self.features = reference(images.batches, images.count, extractor, features_dir)

    def measure(self, name: str) -> Measured | None:
        """What real images get by a metric, which is what the best samples would get, but for the
        smaller counts: one half of them against the other, and `is` of all. None of too few.
        """
        pair = FeaturePair(self.features, self.features) if name == "is" else self._halves
        return pair.measure(name) if pair.can_measure(name) else None

    @functools.cached_property
    def _halves(self) -> FeaturePair:
        rows, places = self.features.kept, self.features.indices
        return FeaturePair(
            *(
                Features(Moments.of(rows[part::2]), rows[part::2], None, places[part::2], "")
                for part in (0, 1)
            )
        )


class Comparison:
    """Samples against real images, by the features of both.

    Args:
        real: the real images.
        make: makes the samples of a seed; of a folder, the same ones.
        seeds: of the samples; with several, the deviation is that between them.
    """

    def __init__(self, real: Reference, make: Callable[[int], ImageSet], seeds: Sequence[int]):
        self.real, self.make, self.seeds = real, make, list(seeds)

    @functools.cached_property
    def pairs(self) -> list[FeaturePair]:
        """Features of the real images and of the samples of each seed."""
        known, found = self.real.features, []
        for seed in self.seeds:
            made = self.make(seed)
            features = collect(made.batches(), made.count, self.real.extractor, describe="samples")
            found.append(FeaturePair(known, features))
        return found

    def can_measure(self, name: str) -> bool:
        """As `FeaturePair.can_measure`."""
        return self.pairs[0].can_measure(name)

    def measure(self, name: str) -> Measured:
        """As `FeaturePair.measure`, the mean over the seeds, with all facts of the line."""
        found = [pair.measure(name) for pair in self.pairs]
        values = [measured.value for measured in found]
        _, deviation = mean_and_deviation(values)
        between = "seeds" if deviation is not None else BETWEEN.get(name)
        facts = {
            "deviation": found[0].deviation if deviation is None else deviation,
            "deviation_between": between,
            "values": values,
            "reference_n": len(self.real.features.kept) // (1 if name == "is" else 2),
            "split": self.real.split,
            **self.real.extractor.facts(),
            "real_sha256": self.real.features.digest,
            "seeds": self.seeds,
            "warning": None,
            **found[0].facts,
        }
        return Measured(fmean(values), facts)

    def reference(self, name: str) -> float:
        """What real images get by the same metric, or NaN."""
        measured = self.real.measure(name)
        return measured.value if measured else float("nan")

    def summarised(self, lines: Mapping[str, Mapping[str, Any]]) -> list[dict[str, float]]:
        """Values and those of real images by name, for `summary.describe`.

        Args:
            lines: of `evaluation.jsonl`, by the metric's name.
        """
        values = {name: line["value"] for name, line in lines.items()}
        real = {name: line["reference"] for name, line in lines.items()}
        real = {name: value for name, value in real.items() if value is not None}
        if "is" in lines:
            of_real = self.real.measure("is")
            for name in ("class_entropy", "sample_entropy"):
                values[name] = lines["is"][name]
                real |= {name: of_real.facts[name]} if of_real else {}
        return [values, real]

    def neighbours(self) -> tuple[list[np.ndarray], list[list[np.ndarray]]] | None:
        """Some samples of the first seed, and of each the real images nearest to it, which shows
        memorised ones: images uint8 `(height, width, channels)`; None where their shapes differ.
        """
        real, fake = self.pairs[0].real, self.pairs[0].fake
        count, several = min(SHOWN, len(fake.kept)), min(NEIGHBOURS, len(real.kept))
        places = real.indices[nearest(fake.kept[:count], real.kept, several)[0]]
        samples = self.make(self.seeds[0]).take(fake.indices[:count])
        order = sorted(set(places.ravel().tolist()))
        found = dict(zip(order, self.real.take(order), strict=True))
        shapes = {image.shape for image in samples}, {image.shape for image in found.values()}
        if any(len(different) > 1 for different in shapes):
            return None
        return samples, [[found[place] for place in row] for row in places.tolist()]
