"""What is measured of the features of samples against those of real pictures.

    fd         Frechet distance: FID where the features are Inception's; 0 is best
    kd         kernel distance: KID where they are Inception's; 0 is best, less is chance
    is         Inception Score of whatever classes: quality and diversity in one number
    precision  share of the samples that lie where real pictures do: quality
    density    how closely real pictures lie about the samples: quality; of real ones it is 1
    recall     share of the real pictures that lie where samples do: diversity
    coverage   share of the real pictures that have a sample near by: diversity
    spacing    how far a sample lies from its nearest, as a part of the same of as many real
               pictures: far below 1 samples repeat

By Inception the names are fid, kid, inception_score, precision, ...; by a classifier of toy fashion
fd_toy, kd_toy, ... (`gans.features.extractors.metric_name`). Each depends on how many pictures
there are: only numbers of the same counts can be compared, so the counts go with them.

Mean and covariance are of all pictures; kernels and neighbours see at most `features.KEPT` of each,
and neighbours as many samples as real pictures: of unequal sets they mean little.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gans.metrics.feature_sets import Features, Moments
from gans.metrics.frechet import frechet_distance
from gans.metrics.inception_score import SPLITS, inception_score
from gans.metrics.kernel_distance import kernel_distance
from gans.metrics.neighbours import DENSITY_K, PRECISION_K, nearest, prdc

NAMES = ("fd", "kd", "is", "precision", "density", "recall", "coverage", "spacing")
# What one word asks for.
GROUPS = {"prdc": ("precision", "density", "recall", "coverage")}
# Of which more is better; of fd and kd less is.
HIGHER = ("is", "inception_score", "precision", "density", "recall", "coverage", "spacing")


@dataclass(frozen=True)
class Measured:
    """A number, and what of it is not known of the whole evaluation.

    Attributes:
        value: of the measure.
        deviation: between subsets (kd) or splits (is), or None.
        facts: what else decides it, by name.
        warning: one line, or None.
    """

    value: float
    deviation: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    warning: str | None = None


def measure(real: Features, fake: Features, names: Collection[str] = NAMES) -> dict[str, Measured]:
    """The measures of `names` that there are: without logits no `is`.

    Subsets of kd and splits of is are drawn with torch-fidelity's seed, always the same.

    Args:
        real, fake: by the same extractor; 2 pictures or more of each.
        names: some of `NAMES`.
    """
    found = {}
    if "fd" in names:
        warnings = [moments.warning() for moments in (real.moments, fake.moments)]
        warning = next(filter(None, warnings), None)
        value = frechet_distance(real.moments, fake.moments)
        found["fd"] = Measured(value, None, {"n_real": len(real), "n_fake": len(fake)}, warning)
    counts = {"n_real": len(real.kept), "n_fake": len(fake.kept)}
    if "kd" in names:
        kernel = kernel_distance(real.kept, fake.kept)
        facts = {"subsets": kernel.subsets, "subset_size": kernel.subset_size}
        found["kd"] = Measured(kernel.mean, kernel.deviation, counts | facts)
    if "is" in names and fake.logits is not None and len(fake.logits) >= SPLITS:
        score = inception_score(fake.logits)
        facts = {
            "splits": score.splits,
            "class_entropy": score.marginal_entropy,
            "sample_entropy": score.conditional_entropy,
        }
        found["is"] = Measured(score.mean, score.deviation, counts | facts)
    count = min(len(real.kept), len(fake.kept))
    a, b = (spread(features.kept, count) for features in (real, fake))
    counts = {"n_real": count, "n_fake": count}
    if any(name in names for name in GROUPS["prdc"]) and count > DENSITY_K:
        neighbours = dict.fromkeys(("precision", "recall"), PRECISION_K)
        found |= {
            name: Measured(value, None, counts | {"k": neighbours.get(name, DENSITY_K)})
            for name, value in prdc(a, b, DENSITY_K, PRECISION_K).items()
        }
    if "spacing" in names:
        found["spacing"] = Measured(spacing(a, b), None, counts)
    return {name: found[name] for name in NAMES if name in found and name in names}


def measure_real(real: Features, names: Collection[str] = NAMES) -> dict[str, float]:
    """What real pictures get by the same measures: one half of them against the other, and `is` of
    all. It is what the best samples would get, but for the smaller counts.

    Also the entropies of the classes, `class_entropy` and `sample_entropy`, where there are logits.
    """
    halves = [
        Features(
            Moments.of(real.kept[part::2]),
            real.kept[part::2],
            None,
            real.indices[part::2],
            f"{real.digest}/{part}",
        )
        for part in (0, 1)
    ]
    found = {}
    if len(real.kept) >= 4:
        without = [name for name in names if name != "is"]
        found = {name: part.value for name, part in measure(*halves, without).items()}
    if "is" in names:
        score = measure(real, real, ["is"])
        found |= {name: part.value for name, part in score.items()}
        found |= entropies(score)
    return found


def entropies(measured: dict[str, Measured]) -> dict[str, float]:
    """H(y) of all samples, `class_entropy`, and the mean H(y|x), `sample_entropy`, in nats, where
    `is` was measured.
    """
    facts = measured["is"].facts if "is" in measured else {}
    return {name: facts[name] for name in ("class_entropy", "sample_entropy") if name in facts}


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` of the rows, at even distances."""
    return rows[np.arange(count) * len(rows) // count]


def spacing(real: np.ndarray, fake: np.ndarray) -> float:
    """Median distance of a row of `fake` to its nearest other row, as a part of that of `real`.

    Both `(n, d)`. NaN where real rows repeat.
    """
    # The nearest of all is the row itself, or its double.
    distances = [np.median(nearest(rows, rows, 2)[1][:, 1]) for rows in (fake, real)]
    return float(distances[0] / distances[1]) if distances[1] else float("nan")
