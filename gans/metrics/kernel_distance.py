"""Kernel distance between two sets of features: KID, of whatever features.

Binkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401, section 4: the squared maximum
mean discrepancy with the kernel

    k(x, y) = (x . y / d + 1)^3

by its unbiased estimate: of two samples of one distribution it is 0 on average, whatever their
number, and may be negative. That is what it has before FID where pictures are few. As the reference
(mbinkowski/MMD-GAN, compute_scores.py) and torch-fidelity (metric_kid.py) have it, it is the mean
over 100 subsets of 1,000 pictures of each set; the draws are torch-fidelity's, so that both agree
on the same features, up to the float32 in which it computes. It is "KID" only for the features of
the Inception network.
"""

from dataclasses import dataclass

import numpy as np

from gans.metrics.feature_sets import check_pair

SUBSETS, SUBSET_SIZE = 100, 1000
SEED = 2020  # torch-fidelity's.


@dataclass(frozen=True)
class KernelDistance:
    """The distance and all that decides it.

    Attributes:
        mean: of the subsets' squared MMDs.
        deviation: of these, divided by their number. Subsets of the same pictures: it says how much
            a subset tells, and is not the error of the mean.
        subsets: how many there were.
        subset_size: pictures of each set in one.
    """

    mean: float
    deviation: float
    subsets: int
    subset_size: int


def kernel_distance(
    real: np.ndarray,
    fake: np.ndarray,
    subsets: int = SUBSETS,
    subset_size: int | None = None,
    seed: int = SEED,
) -> KernelDistance:
    """Mean and deviation of the squared MMD over random subsets, drawn without replacement.

    Args:
        real, fake: float `(n, d)` and `(m, d)`; float64 in what follows.
        subsets: how many.
        subset_size: pictures of each set in one, at least 2. Default: 1,000, or all of the smaller
            set where it has fewer. Where one subset is all there is on both sides, one is taken.
        seed: of the draws.

    Raises `ValueError` for a subset that is larger than a set, which the references refuse too.
    """
    real, fake = check_pair(real, fake)
    smaller = min(len(real), len(fake))
    size = min(SUBSET_SIZE, smaller) if subset_size is None else subset_size
    if not 2 <= size <= smaller or subsets < 1:
        raise ValueError(
            f"expected 1 subset or more of 2 to {smaller} pictures. Received: {subsets} of {size}"
        )
    if size == len(real) == len(fake):
        # The others would hold the same pictures in another order.
        subsets = 1
    random = np.random.RandomState(seed)
    found = []
    for _ in range(subsets):
        chosen = [rows[random.choice(len(rows), size, replace=False)] for rows in (real, fake)]
        found.append(squared_mmd(*chosen))
    return KernelDistance(float(np.mean(found)), float(np.std(found)), subsets, size)


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased estimate, the paper's equation 4: the mean kernel of two different rows of x, and of
    y, less twice that of a row of each. Float `(n, d)` and `(m, d)`, n and m at least 2.
    """
    x, y = (np.asarray(rows, np.float64) for rows in (x, y))
    within = sum(
        (kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1))
        for rows, kernel in ((rows, polynomial_kernel(rows, rows)) for rows in (x, y))
    )
    return float(within - 2 * polynomial_kernel(x, y).mean())


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x . y / d + 1)^3 of all pairs, float64 `(n, m)`, of float64 `(n, d)` and `(m, d)`."""
    kernel = x @ y.T
    kernel /= x.shape[1]
    kernel += 1
    # A general power takes several times as long.
    cube = kernel * kernel
    cube *= kernel
    return cube
