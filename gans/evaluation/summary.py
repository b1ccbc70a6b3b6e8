"""What the numbers of an evaluation say, in words: quality and diversity apart.

One distance, FID for one, falls with either and tells neither (Sajjadi et al. 2018,
arXiv:1806.00035). So precision and density are read as quality, recall and coverage as diversity,
each next to what other real images get by the same measure, which is less than 1. Diversity is
lost in two ways, and each has its own trace:

    mode drop      whole kinds of real images have no sample near them: coverage falls, and the
                   samples of the other kinds may be as varied as real ones
    mode collapse  samples repeat each other: they lie closer together than real images do

Coverage falls, too, where samples are so bad that they are near nothing: where quality is poor, the
two cannot be told apart. The limits are ours, as parts of what real images get.
"""

import math
from collections.abc import Mapping

GOOD, FAIR = 0.9, 0.6
# Below this part of what real images get something is lost.
COVERED, SPACED = 0.8, 0.6


def describe(values: Mapping[str, float], real: Mapping[str, float]) -> list[str]:
    """Sentences for a person; those whose numbers are not there are left out.

    Args:
        values: of the samples: precision, density, recall, coverage and spacing, as
            `gans.evaluation.feature_comparison` measures them, and the entropies of the classes in
            nats, class_entropy of all samples together and sample_entropy of each.
        real: the same of other real images, against the same ones.
    """

    def part(name):
        """Of what other real images get, or of 1 where that is not known."""
        whole = real.get(name, 1.0)
        return values[name] / whole if whole else math.nan

    def shown(name, form=".0%", function=float):
        beside = f" (real: {function(real[name]):{form}})" if name in real else ""
        return f"{function(values[name]):{form}}{beside}"

    def graded(*names):
        """By the lower of the two: each is blind to something."""
        least = min(map(part, names))
        return "good" if least >= GOOD else "fair" if least >= FAIR else "poor"

    def classes(name):
        return shown(name, ".1f", math.exp)

    sentences = []
    if {"precision", "density"} <= values.keys():
        sentences.append(
            f"Quality: {shown('precision')} of the samples lie where real images do (precision), "
            f"with a density of {shown('density', '.2f')}: {graded('precision', 'density')}."
        )
    if {"recall", "coverage"} <= values.keys():
        sentences.append(
            f"Diversity: {shown('recall')} of the real images lie where samples do (recall), "
            f"{shown('coverage')} have a sample near by (coverage): "
            f"{graded('recall', 'coverage')}."
        )
    if {"coverage", "spacing"} <= values.keys():
        quality = [part(name) for name in ("precision", "density") if name in values]
        sentences.append(
            _losses(part("coverage"), part("spacing"), any(share < FAIR for share in quality))
        )
    if {"class_entropy", "sample_entropy"} <= values.keys():
        sentences.append(
            f"Classes: the samples spread over {classes('class_entropy')} classes (diversity), and "
            f"each could be one of {classes('sample_entropy')} (quality)."
        )
    return sentences


def _losses(coverage: float, spacing: float, is_poor: bool) -> str:
    """What is lost of diversity, by parts of what real images get."""
    missed, repeats = coverage < COVERED, spacing < SPACED
    drop = f"{1 - min(coverage, 1):.0%} of what other real images are near is near no sample"
    collapse = f"samples lie {spacing:.2f} times as far from each other as real images"
    if missed and is_poor:
        also = f" Mode collapse: {collapse}." if repeats else ""
        return f"Mode drop cannot be told from poor quality here: {drop}.{also}"
    if missed and repeats:
        return f"Mode drop and mode collapse: {drop}, and {collapse}."
    if missed:
        return f"Mode drop: {drop}; the samples do not repeat each other."
    if repeats:
        return f"Mode collapse: {collapse}; yet all kinds have samples."
    return "Neither mode drop nor mode collapse shows."
