"""Inception Score, and the two entropies that it is made of.

Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 4:

    IS = exp(E_x KL(p(y|x) || p(y))) = exp(H(y) - E_x H(y|x))

H(y), of the mean of all distributions, is high where all classes are drawn: diversity. E_x H(y|x)
is low where each picture is of one class beyond doubt: quality. The score alone cannot tell which
of the two is missing, so both are given, in nats. 1 is the worst, the number of classes the best.

It sees the fakes only, and knows neither whether they look like the real pictures nor whether
all those of a class are the same one. Of the 1,008 classes of the Inception network, without the
bias of its last layer, it is "IS"; of another classifier it has another name.

The score is the mean over 10 parts of the shuffled fakes, as openai/improved-gan has it; the order
and the parts are those of torch-fidelity (metric_isc.py), so that both agree on the same logits.
Few fakes have too low a score: a part of n pictures cannot have more than n classes.
"""

from dataclasses import dataclass

import numpy as np

from gans.metrics.feature_sets import check

SPLITS = 10
SEED = 2020  # torch-fidelity's.


@dataclass(frozen=True)
class InceptionScore:
    """The score and all that decides it.

    Attributes:
        mean, deviation: of the scores of the parts; the deviation divides by their number, as
            `np.std` does in the references.
        marginal_entropy: H(y) of all fakes together, nats, 0 to log(classes): diversity.
        conditional_entropy: mean H(y|x), nats, 0 to `marginal_entropy`: 0 is no doubt at all.
        splits: number of parts.
    """

    mean: float
    deviation: float
    marginal_entropy: float
    conditional_entropy: float
    splits: int


def inception_score(logits: np.ndarray, splits: int = SPLITS, seed: int = SEED) -> InceptionScore:
    """The score of a classifier's logits.

    Args:
        logits: float `(n, classes)`, before the softmax, which is taken in float64.
        splits: parts, of n // splits pictures or one more.
        seed: of the shuffle before the cut, without which fakes that come sorted by class would be
            scored too low.

    Raises `ValueError` for fewer pictures than parts.
    """
    from scipy.special import entr, softmax

    rows, count = check(logits, "logits"), len(logits)
    if splits < 1 or count < splits:
        raise ValueError(f"expected as many pictures as parts or more. Received: {count}, {splits}")
    # NumPy's old generator has the order of torch-fidelity, and is promised never to change.
    order = np.random.RandomState(seed).permutation(count)
    scores, total, doubt = [], np.zeros(rows.shape[1]), 0.0
    for i in range(splits):
        part = rows[order[i * count // splits : (i + 1) * count // splits]]
        p = softmax(part.astype(np.float64), axis=1)
        entropies = entr(p).sum(axis=1)
        scores.append(np.exp(max(0.0, entr(p.mean(axis=0)).sum() - entropies.mean())))
        total += p.sum(axis=0)
        doubt += entropies.sum()
    return InceptionScore(
        mean=float(np.mean(scores)),
        deviation=float(np.std(scores)),
        marginal_entropy=float(entr(total / count).sum()),
        conditional_entropy=float(doubt / count),
        splits=splits,
    )
