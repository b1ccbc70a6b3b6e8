"""What a row of an evaluation is: a number, what it needs, and what to hold it against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A number, what it needs, and what to hold it against.

    Attributes:
        value: from the evidence.
        needs: facts about the run, all of which must be there.
        compared_with: what `reference` is, in a word or two.
        reference: the value of real photos, of chance, or the best one; NaN where there is none.
    """

    value: Callable[[Any], float]
    needs: tuple[str, ...]
    compared_with: str
    reference: Callable[[Any], float]


def missing(metrics: Mapping[str, Metric], facts: Mapping[str, bool]) -> dict[str, str | None]:
    """By name, the first fact that a metric needs and that is not there, or None: it can be
    measured.
    """
    return {
        name: next((fact for fact in metric.needs if not facts[fact]), None)
        for name, metric in metrics.items()
    }
