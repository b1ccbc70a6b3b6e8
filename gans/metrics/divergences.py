"""The theory of the first GANs on densities that are known: Goodfellow et al. 2014 (1406.2661),
section 4, and Arjovsky and Bottou 2017 (1701.04862), section 2.

Densities are given by their values at the middles of cells of one width, as `cells` makes them, and
integrals are sums over cells: exact for densities that are constant on each, and for smooth ones
that are many cells wide as exact as float64. All logarithms are natural. p is real, q is generated.
"""

import numpy as np


def cells(low: float, high: float, count: int) -> tuple[np.ndarray, float]:
    """Middles `(count,)` of equal cells from `low` to `high`, and their width."""
    width = (high - low) / count
    return low + width * (np.arange(count) + 0.5), width


def gaussian(x: np.ndarray, mean: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """Density of a Gaussian at x."""
    return np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def box(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Density at x of the uniform distribution from `low` to `high`."""
    return np.where((low < x) & (x < high), 1 / (high - low), 0.0)


def optimal_discriminator(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """D* = p / (p + q), Goodfellow's proposition 1; 1/2 where both densities are 0."""
    total = p + q
    return np.divide(p, total, out=np.full(np.shape(total), 0.5), where=total > 0)


def value(p: np.ndarray, q: np.ndarray, discriminator: np.ndarray, width: float) -> float:
    """V(G, D) = E_p log D + E_q log(1 - D), equation 1, with D in [0, 1].

    With D* it is 2 JS(p, q) - log 4, theorem 1; -log 4 = -1.386294 where p = q.
    """
    return -_cross_entropy(p, discriminator, width) - _cross_entropy(q, 1 - discriminator, width)


def kl(p: np.ndarray, q: np.ndarray, width: float) -> float:
    """KL(p || q); infinite where p has a part outside the support of q."""
    ratio = np.divide(q, p, out=np.ones(np.shape(p)), where=p > 0)
    return _cross_entropy(p, ratio, width)


def jensen_shannon(p: np.ndarray, q: np.ndarray, width: float) -> float:
    """JS(p, q): 0 for equal densities, log 2 = 0.693147 for ones of disjoint supports."""
    middle = (p + q) / 2
    # Rounding may leave equal densities a little below 0.
    return max(0.0, (kl(p, middle, width) + kl(q, middle, width)) / 2)


def wasserstein(p: np.ndarray, q: np.ndarray, width: float) -> float:
    """W1(p, q) on the line: the area between the two distribution functions."""
    return float(np.abs(np.cumsum(p - q)).sum() * width**2)


def generator_gradients(logits: np.ndarray, slopes: np.ndarray) -> dict[str, np.ndarray]:
    """How a generated point x pulls at the generator: derivatives of its two losses by x.

    `minimax` is d log(1 - D) / dx = -D f', which vanishes where the discriminator is sure that x is
    fake; `non_saturating` is -d log D / dx = -(1 - D) f', which does not.

    For a generator that only moves, G(z) = z + t, the mean over q is the derivative by t. With D*
    and f = log p - log q the first is that of 2 JS(p, q), the second that of
    KL(q || p) - 2 JS(p, q): theorem 2.5 of Arjovsky and Bottou, and the survey's "absurd" goal,
    since it pushes the two densities apart with the second term.

    Args:
        logits: f(x), with D = sigmoid(f).
        slopes: f'(x).
    """
    # Of the smaller exponential, which cannot overflow.
    small = np.exp(-np.abs(logits))
    real = np.where(logits >= 0, 1.0, small) / (1 + small)
    fake = np.where(logits >= 0, small, 1.0) / (1 + small)
    return {"minimax": -real * slopes, "non_saturating": -fake * slopes}


def _cross_entropy(p: np.ndarray, likelihood: np.ndarray, width: float) -> float:
    """-E_p log(likelihood); what p does not have costs nothing."""
    inside = p > 0
    with np.errstate(divide="ignore"):
        return float(-np.sum(p[inside] * np.log(likelihood[inside])) * width)
