"""Inception Score, and the two entropies that it is made of.

Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 4:

    IS = exp(E_x KL(p(y|x) || p(y))) = exp(H(y) - E_x H(y|x))

H(y), of the mean of all distributions, is high where all classes are drawn: diversity. E_x H(y|x)
is low where each picture is of one class beyond doubt: quality. The score alone cannot tell which
of the two is missing, so both are given, in nats. 1 is the worst, the number of classes the best.

It looks at the fakes only, and sees neither whether they look like the real pictures nor whether
all those of a class are the same one. Of the 1,008 classes of the Inception network, without the
bias of its last layer, it is "IS"; of another classifier it has another name.

The score is the mean over 10 parts of the shuffled fakes, as openai/improved-gan has it; the order
and the parts are those of torch-fidelity (metric_isc.py), so that both agree on the same logits.
Few fakes have too low a score: a part of n pictures cannot have more than n classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gans.metrics.rows import check

SPLITS = 10
SEED = 2020  # torch-fidelity's.
TOLERANCE = 1e-3  # By which the sum of probabilities may differ from 1: bfloat16 does.


@dataclass(frozen=True)
class InceptionScore:
    """The score and all that decides it.

    Attributes:
        mean, deviation: of the scores of the parts; the deviation divides by their number, as
            `np.std` does in the references.
        marginal_entropy: H(y) of all fakes together, nats, 0 to log(classes): diversity.
        conditional_entropy: mean H(y|x), nats, 0 to `marginal_entropy`: 0 is no doubt at all.
        splits: number of parts.
        seed: of the shuffle; None where there was none.
    """

    mean: float
    deviation: float
    marginal_entropy: float
    conditional_entropy: float
    splits: int
    seed: int | None


def inception_score(
    logits: np.ndarray, splits: int = SPLITS, seed: int | None = SEED
) -> InceptionScore:
    """The score of a classifier's logits.

    Args:
        logits: float `(n, classes)`, before the softmax, which is taken in float64.
        splits: parts, of n // splits pictures or one more.
        seed: of the shuffle before the cut; None keeps the order, as the first implementation did:
            then fakes that come sorted by class are scored too low.

    Raises `ValueError` for fewer pictures than parts.
    """
    return _score(check(logits, "logits"), _softmax, splits, seed)


def score_of_probabilities(
    probabilities: np.ndarray, splits: int = SPLITS, seed: int | None = SEED
) -> InceptionScore:
    """The same of probabilities `(n, classes)`, each row 1 in all; zeros are allowed.

    Raises `ValueError` for rows that are no distributions: labels that do not exclude each other
    have no Inception Score.
    """
    rows = check(probabilities, "probabilities")
    off = np.abs(rows.sum(axis=1, dtype=np.float64) - 1).max(initial=0)
    lowest = rows.min(initial=0)
    if lowest < 0 or off > TOLERANCE:
        raise ValueError(
            "expected probabilities that are 0 or more and 1 in all. "
            f"Received: {lowest:.3g} at the least, and sums that are off by up to {off:.3g}"
        )
    return _score(rows, _normalised, splits, seed)


def _score(
    rows: np.ndarray, distributions: Callable, splits: int, seed: int | None
) -> InceptionScore:
    count = len(rows)
    if splits < 1 or count < splits:
        raise ValueError(f"expected as many pictures as parts or more. Received: {count}, {splits}")
    # NumPy's old generator has the order of torch-fidelity, and is promised never to change.
    order = np.arange(count) if seed is None else np.random.RandomState(seed).permutation(count)
    scores, total, doubt = [], np.zeros(rows.shape[1]), 0.0
    for i in range(splits):
        p = distributions(rows[order[i * count // splits : (i + 1) * count // splits]])
        entropies = _entropy(p)
        scores.append(np.exp(max(0.0, _entropy(p.mean(axis=0)) - entropies.mean())))
        total += p.sum(axis=0)
        doubt += entropies.sum()
    return InceptionScore(
        mean=float(np.mean(scores)),
        deviation=float(np.std(scores)),
        marginal_entropy=float(_entropy(total / count)),
        conditional_entropy=float(doubt / count),
        splits=splits,
        seed=seed,
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    return _normalised(np.exp(shifted, out=shifted))


def _normalised(weights: np.ndarray) -> np.ndarray:
    weights = weights.astype(np.float64)
    return weights / weights.sum(axis=1, keepdims=True)


def _entropy(p: np.ndarray) -> np.ndarray:
    """Nats, over the last axis. Of what never happens the logarithm is not asked: 0 log 0 = 0."""
    return -np.sum(p * np.log(p, where=p > 0, out=np.zeros_like(p)), axis=-1)
