"""From pictures to the lines of an evaluation: all that `gans.metrics.distribution` measures."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from gans.evaluation.pictures import Pictures
from gans.evaluation.report import neighbours_picture
from gans.evaluation.tables import mean_and_deviation
from gans.features.extractors import Extractor, metric_name
from gans.features.features import collect, reference
from gans.metrics import distribution, verdict
from gans.metrics.feature_sets import Features
from gans.metrics.neighbours import nearest

SHOWN, NEIGHBOURS = 8, 5


@dataclass(frozen=True)
class Findings:
    """What was measured.

    Attributes:
        lines: of `evaluation.jsonl`, one per measure.
        sentences: the same in words.
        real, fake: the features; of samples by the first seed.
    """

    lines: list[dict[str, Any]]
    sentences: list[str]
    real: Features
    fake: Features


def measure(
    extractor: Extractor,
    real: Pictures,
    fakes: Callable[[int], Pictures],
    names: Sequence[str],
    seeds: Sequence[int],
    cache_dir: Path,
    record: dict[str, Any],
) -> Findings:
    """Looks at the real pictures, or finds what is known of them, and at the samples of each seed.

    Args:
        extractor: see `gans.features.extractors`.
        real: at least 2.
        fakes: makes the samples of a seed; of a folder, the same ones.
        names: some of `distribution.NAMES`.
        seeds: of the samples; with several, the deviation is that between them.
        cache_dir: where features of real pictures are kept.
        record: what else each line is to hold.
    """
    known = reference(real.batches, real.count, extractor, cache_dir)
    of_real = distribution.measure_real(known, names)
    found, first = [], None
    for seed in seeds:
        samples = fakes(seed)
        features = collect(samples.batches(), samples.count, extractor, describe="samples")
        first = first or features
        found.append(distribution.measure(known, features, names))
    lines = []
    for name, measured in found[0].items():
        values = [of_seed[name].value for of_seed in found]
        value, deviation = mean_and_deviation(values)
        between = "seeds"
        if deviation is None:
            deviation = measured.deviation
            between = {"kd": "subsets", "is": "splits"}.get(name)
        if measured.warning:
            print(f"{metric_name(name, extractor)}: {measured.warning}", file=sys.stderr)
        lines.append(
            {
                "metric": metric_name(name, extractor),
                "value": value,
                "deviation": deviation,
                "deviation_between": between,
                "values": values,
                "reference": of_real.get(name),
                "reference_is": "real",
                **measured.facts,
                "reference_n": len(known.kept) // (1 if name == "is" else 2),
                "split": real.split,
                **extractor.facts(),
                "real_sha256": known.digest,
                "seeds": list(seeds),
                "warning": measured.warning,
                **record,
            }
        )
    values = {name: fmean(of_seed[name].value for of_seed in found) for name in found[0]}
    values |= distribution.entropies(found[0])
    return Findings(lines, verdict.describe(values, of_real), known, first)


def neighbours(findings: Findings, real: Pictures, fake: Pictures) -> np.ndarray | None:
    """A picture of samples beside the real ones nearest to them, which shows memorised ones; None
    where the pictures are of several shapes, or fewer than it takes.
    """
    count = min(SHOWN, len(findings.fake.kept))
    several = min(NEIGHBOURS, len(findings.real.kept))
    indices, _ = nearest(findings.fake.kept[:count], findings.real.kept, several)
    samples = fake.take(findings.fake.indices[:count])
    places = findings.real.indices[indices]
    order = sorted(set(places.ravel().tolist()))
    of = dict(zip(order, real.take(order), strict=True))
    rows = [[of[place] for place in row] for row in places.tolist()]
    shapes = {image.shape for image in samples}, {image.shape for image in of.values()}
    if any(len(set_) > 1 for set_ in shapes):
        return None
    return neighbours_picture(samples, rows)
