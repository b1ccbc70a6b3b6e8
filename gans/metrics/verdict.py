"""What the numbers of an evaluation say, in words: quality and diversity apart.

One distance, FID for one, falls with either and tells neither (Sajjadi et al. 2018,
arXiv:1806.00035). So precision and density are read as quality, recall and coverage as diversity,
each beside what other real pictures get by the same measure, which is less than 1. Diversity is
lost in two ways, and each has its own trace:

    mode drop      whole kinds of real pictures have no sample near them: coverage falls, and the
                   samples of the other kinds may be as varied as real ones
    mode collapse  samples repeat each other: they lie closer together than real pictures do

Coverage falls, too, where samples are so bad that they are near nothing: where quality is poor, it
is said that this cannot be told from mode drop. The limits are ours, as parts of what real pictures
get.
"""

import math
from collections.abc import Mapping

GOOD, FAIR = 0.9, 0.6
# Below this part of what real pictures get it is said that something is lost.
COVERED, SPACED = 0.8, 0.6


def describe(values: Mapping[str, float], real: Mapping[str, float]) -> list[str]:
    """Sentences for a person; those whose numbers are not there are left out.

    Args:
        values: of the samples: precision, density, recall, coverage and spacing, as
            `gans.metrics.distribution` measures them, and the entropies of the classes in nats,
            class_entropy of all samples together and sample_entropy of each.
        real: the same of other real pictures, against the same ones.
    """
    sentences = []
    if {"precision", "density"} <= values.keys():
        sentences.append(
            f"Quality: {_share(values, real, 'precision')} of the samples lie where real pictures "
            f"do (precision), with a density of {_number(values, real, 'density')}: "
            f"{_grade(values, real, ('precision', 'density'))}."
        )
    if {"recall", "coverage"} <= values.keys():
        sentences.append(
            f"Diversity: {_share(values, real, 'recall')} of the real pictures lie where samples "
            f"do (recall), {_share(values, real, 'coverage')} have a sample near by (coverage): "
            f"{_grade(values, real, ('recall', 'coverage'))}."
        )
    if {"coverage", "spacing"} <= values.keys():
        sentences.append(_losses(values, real))
    if {"class_entropy", "sample_entropy"} <= values.keys():
        sentences.append(
            f"Classes: the samples spread over {_classes(values, real, 'class_entropy')} classes "
            f"(diversity), and each could be one of {_classes(values, real, 'sample_entropy')} "
            "(quality)."
        )
    return sentences


def _losses(values: Mapping[str, float], real: Mapping[str, float]) -> str:
    missed = _part(values, real, "coverage") < COVERED
    repeats = _part(values, real, "spacing") < SPACED
    drop = (
        f"{1 - min(_part(values, real, 'coverage'), 1):.0%} of what other real pictures meet is "
        "met by no sample"
    )
    collapse = (
        f"samples lie {_part(values, real, 'spacing'):.2f} times as far from each other as real "
        "pictures"
    )
    if missed and _is_poor(values, real):
        also = f" Mode collapse: {collapse}." if repeats else ""
        return f"Mode drop cannot be told from poor quality here: {drop}.{also}"
    if missed and repeats:
        return f"Mode drop and mode collapse: {drop}, and {collapse}."
    if missed:
        return f"Mode drop: {drop}; those that there are do not repeat each other."
    if repeats:
        return f"Mode collapse: {collapse}; yet all kinds are met."
    return "Neither mode drop nor mode collapse shows."


def _part(values: Mapping[str, float], real: Mapping[str, float], name: str) -> float:
    """Of what other real pictures get, or of 1 where that is not known."""
    whole = real.get(name, 1.0)
    return values[name] / whole if whole else math.nan


def _is_poor(values: Mapping[str, float], real: Mapping[str, float]) -> bool:
    """Whether the quality is, as far as it is known."""
    names = [name for name in ("precision", "density") if name in values]
    return any(_part(values, real, name) < FAIR for name in names)


def _grade(values: Mapping[str, float], real: Mapping[str, float], names: tuple[str, str]) -> str:
    """By the lower of the two: each is blind to something."""
    part = min(_part(values, real, name) for name in names)
    return "good" if part >= GOOD else "fair" if part >= FAIR else "poor"


def _share(values: Mapping[str, float], real: Mapping[str, float], name: str) -> str:
    beside = f" (real: {real[name]:.0%})" if name in real else ""
    return f"{values[name]:.0%}{beside}"


def _number(values: Mapping[str, float], real: Mapping[str, float], name: str) -> str:
    beside = f" (real: {real[name]:.2f})" if name in real else ""
    return f"{values[name]:.2f}{beside}"


def _classes(values: Mapping[str, float], real: Mapping[str, float], name: str) -> str:
    beside = f" (real: {math.exp(real[name]):.1f})" if name in real else ""
    return f"{math.exp(values[name]):.1f}{beside}"
