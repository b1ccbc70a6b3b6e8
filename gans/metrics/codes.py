"""Codes and labels: whether a picture shows those it was made from, and what they stand for.

What is found in a picture comes from elsewhere: an encoder, a classifier, a palette, or moments of
the image. SciPy is imported by what computes, since it takes most of a second.
"""

import numpy as np

# Mean |N(0, 1)|: what the best blind guess, zero, is off by.
NO_INFORMATION = float(np.sqrt(2.0 / np.pi))


def recovery_error(z: np.ndarray, recovered: np.ndarray) -> float:
    """Mean |recovered - z|, over codes `(n, latent_dim)` drawn from N(0, 1).

    0 is a perfect reading; `NO_INFORMATION`, 0.80, is what a reader reaches that knows nothing.
    """
    return float(np.mean(np.abs(np.asarray(recovered) - np.asarray(z))))


def conditional_accuracy(wanted: np.ndarray, found: np.ndarray) -> float:
    """Share of the wanted labels that are found in the pictures.

    Of a picture with m wanted tags the m most probable ones count as found, so that for one-hot
    labels it is the classifier's accuracy, and a picture that shows every tag gains nothing
    ("R-precision" of retrieval). Where two tags are equally probable, the one that is not wanted
    comes first. The mean over all pictures with any tag; NaN where none has.

    Args:
        wanted: `(n, k)` of 0 and 1, one-hot or multi-hot.
        found: `(n, k)`, probabilities, or 0 and 1.
    """
    wanted, found = np.asarray(wanted) > 0.5, np.asarray(found)
    if wanted.shape != found.shape or wanted.ndim != 2:
        raise ValueError(
            f"expected wanted and found (n, k) of one shape. Received: {wanted.shape} and "
            f"{found.shape}"
        )
    places = np.argsort(np.lexsort((wanted, -found), axis=1), axis=1)
    count = wanted.sum(axis=1)
    hits = (wanted & (places < count[:, np.newaxis])).sum(axis=1)
    some = count > 0
    return float(np.mean(hits[some] / count[some])) if some.any() else float("nan")


def code_purity(codes: np.ndarray, classes: np.ndarray, one_to_one: bool = False) -> float:
    """Share of the samples that are of the class that their code stands for.

    Each code stands for the class that is most frequent among its samples, so that two codes may
    stand for one class ("purity" of a clustering); with `one_to_one` no two may, and the assignment
    is the best of all. With as many codes as classes the second is the accuracy that an InfoGAN has
    as a classifier without labels (Chen et al. 2016, section 7.2). By chance it is a little above
    the share of the most frequent class.

    Args:
        codes: of each sample, integers `(n,)` from 0 on.
        classes: found in each sample, likewise.
    """
    from scipy.optimize import linear_sum_assignment

    codes, classes = np.asarray(codes), np.asarray(classes)
    if codes.shape != classes.shape or codes.ndim != 1 or not len(codes):
        raise ValueError(
            f"expected codes and classes (n,), n at least 1. Received: {codes.shape} and "
            f"{classes.shape}"
        )
    counts = np.zeros((codes.max() + 1, classes.max() + 1), np.int64)
    np.add.at(counts, (codes, classes), 1)
    if not one_to_one:
        return float(counts.max(axis=1).sum() / len(codes))
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(codes))


def code_correlation(codes: np.ndarray, factors: np.ndarray, ranks: bool = True) -> np.ndarray:
    """|correlation| of each code with each factor, float64 `(k, m)`; 1 is a code that decides the
    factor, 0 no connection.

    Args:
        codes: continuous ones, `(n, k)`.
        factors: measured, `(n, m)`; rows with a value that is not finite are left out.
        ranks: Spearman's, of the ranks, which is 1 for any monotone relation; otherwise Pearson's,
            which is 1 for a linear one only.

    What does not vary correlates with nothing: 0.
    """
    from scipy.stats import rankdata

    codes, factors = _finite_rows(codes, factors)
    if ranks:
        codes, factors = (rankdata(x, axis=0) for x in (codes, factors))
    return np.abs(_correlation(codes, factors))


def angle_correlation(codes: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Correlation of each code with an angle, float64 `(k,)`, in [0, 1].

    An angle has no order, so it is the multiple correlation of the code with its cosine and sine
    (Mardia and Jupp 2000, "Directional Statistics", section 11.2): R^2 = (a^2 + b^2 - 2 a b c) /
    (1 - c^2), with a and b the code's correlations with both and c theirs.

    Args:
        codes: `(n, k)`.
        degrees: `(n,)`; what is not finite is left out.
    """
    codes, degrees = _finite_rows(codes, np.asarray(degrees)[:, np.newaxis])
    radians = np.radians(degrees[:, 0])
    waves = np.stack([np.cos(radians), np.sin(radians)], axis=1)
    a, b = _correlation(codes, waves).T
    c = _correlation(waves[:, :1], waves[:, 1:])[0, 0]
    if c * c > 1 - 1e-12:  # One of them says all.
        return np.maximum(np.abs(a), np.abs(b))
    return np.sqrt(np.clip((a * a + b * b - 2 * a * b * c) / (1 - c * c), 0.0, 1.0))


def _finite_rows(codes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors, np.float64)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise ValueError(
            f"expected codes (n, k) and factors (n, m). Received: {codes.shape} and {factors.shape}"
        )
    finite = np.isfinite(codes).all(axis=1) & np.isfinite(factors).all(axis=1)
    return codes[finite], factors[finite]


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson's of all columns of x with all of y."""
    if not len(x):
        return np.zeros((x.shape[1], y.shape[1]))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    scale = np.sqrt(np.outer((x**2).sum(axis=0), (y**2).sum(axis=0)))
    return np.divide(x.T @ y, scale, out=np.zeros_like(scale), where=scale > 1e-12)
