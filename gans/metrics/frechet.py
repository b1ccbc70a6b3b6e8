"""Frechet distance between two sets of features, taken as Gaussians: FID, of whatever features.

Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", arXiv:1706.08500, equation 6:

    d^2 = |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))

with the mean m and the unbiased covariance C of each set, as in fid.py of bioinf-jku/TTUR. It is
"FID" only for the 2,048 features of the Inception network of 2015; of others it has another name.

It is too high by chance, the more so the fewer pictures there are: compare only values of the same
counts. `Moments.warning` says where there are too few for a covariance of full rank.

Differences from the references, all of them of rounding: they take the covariance in one pass over
all features and the root by `scipy.linalg.sqrtm` (TTUR, pytorch-fid) or by the eigenvalues of C1 C2
(torch-fidelity). Where C1 C2 is singular that root is noise of about 1e-8 for each missing
dimension, or fails, and TTUR then adds 1e-6 to the diagonals. Here what cannot have rank has none.
"""

import contextlib

import numpy as np

from gans.metrics.feature_sets import Moments, Sums


def frechet_distance(a: Moments, b: Moments) -> float:
    """d^2 of the module's docstring, 0 or more; either way round the same up to rounding.

    Where C1 = R1 R1^T and C2 = R2 R2^T, the trace of (C1 C2)^(1/2) is the sum of the singular
    values of R1^T R2. These are exact to the last digits of the largest, where eigenvalues of C1 C2
    lose half their digits to the square root: some seconds for 2,048 features.

    Raises `ValueError` for fewer than 2 rows or different widths.
    """
    first, second = a.sums(), b.sums()
    if a.dimensions != b.dimensions:
        raise ValueError(
            f"expected moments of one width. Received: {a.dimensions} and {b.dimensions} features"
        )
    shift = first.mean - second.mean
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    overlap = np.linalg.svd(_root(first).T @ _root(second), compute_uv=False).sum()
    # Of equal sets rounding may leave a little less than nothing.
    return max(0.0, float(shift @ shift + traces - 2 * overlap))


def _root(sums: Sums) -> np.ndarray:
    """R `(d, rank)` with R R^T = covariance."""
    covariance = sums.covariance
    # Below this, against the largest, an eigenvalue is rounding, and the square root would make
    # 1e-8 of 1e-16.
    rounding = max(64, len(covariance)) * np.finfo(np.float64).eps
    if sums.count > len(covariance):
        # A fifth of the time of the eigenvectors.
        with contextlib.suppress(np.linalg.LinAlgError):
            root = np.linalg.cholesky(covariance)
            if np.diagonal(root).min() ** 2 > rounding * np.diagonal(covariance).max():
                return root
    values, vectors = np.linalg.eigh(covariance)
    known = values > rounding * values[-1]
    return vectors[:, known] * np.sqrt(values[known])
