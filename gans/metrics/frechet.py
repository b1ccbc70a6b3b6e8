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
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gans.metrics.rows import check

BLOCK = 2048  # Rows that are multiplied at a time.


@dataclass(frozen=True)
class _Sums:
    """Of some rows: how many, their mean `(d,)`, the sum of (x - mean)(x - mean)^T `(d, d)`."""

    count: int
    mean: np.ndarray
    scatter: np.ndarray


class Moments:
    """Mean and covariance of rows that come a few at a time, in memory that does not grow.

    float64 throughout. Rows are taken 2,048 at a time in the order in which they come, so the
    result has the same bytes however they were cut into batches. Each block is centred at its own
    mean, and blocks are joined by Chan, Golub and LeVeque 1983: a large mean costs no digits.
    """

    def __init__(self):
        self._settled: _Sums | None = None
        self._waiting: np.ndarray | None = None
        self._waits = 0

    @classmethod
    def of(cls, features: np.ndarray) -> "Moments":
        """Of features that are all there, `(n, d)`."""
        moments = cls()
        moments.add(features)
        return moments

    def add(self, features: np.ndarray):
        """Takes in rows, float32 or float64 `(n, d)`, any n; they are copied.

        Raises `ValueError`, and takes none of them, for what is not finite or of another width.
        """
        features = check(features)
        if self._waiting is None:
            self._waiting = np.empty((BLOCK, features.shape[1]))
        elif features.shape[1] != self.dimensions:
            raise ValueError(
                f"expected features (n, {self.dimensions}). Received: {features.shape}"
            )
        while len(features):
            part, features = np.split(features, [BLOCK - self._waits])
            self._waiting[self._waits : self._waits + len(part)] = part
            self._waits += len(part)
            if self._waits == BLOCK:
                self._settled, self._waits = self._total(), 0

    def merge(self, other: "Moments"):
        """Takes in the rows of another, which stays as it is; equal to `add` up to rounding."""
        if not other.count:
            return
        if self.count and other.dimensions != self.dimensions:
            raise ValueError(
                f"expected moments of {self.dimensions} features. Received: {other.dimensions}"
            )
        theirs = other._total()
        if self.count:
            theirs = _joined(replace(theirs, scatter=theirs.scatter.copy()), self._total())
        self._settled = theirs
        self._waiting, self._waits = np.empty((BLOCK, other.dimensions)), 0

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._waits + (self._settled.count if self._settled else 0)

    @property
    def dimensions(self) -> int:
        """Width of a row, d; 0 before the first."""
        return 0 if self._waiting is None else self._waiting.shape[1]

    @property
    def mean(self) -> np.ndarray:
        """float64 `(d,)`."""
        return self._checked().mean

    @property
    def covariance(self) -> np.ndarray:
        """float64 `(d, d)`, divided by n - 1 as by `np.cov`."""
        sums = self._checked()
        return sums.scatter / (sums.count - 1)

    @property
    def full_rank_needs(self) -> int:
        """The fewest rows whose covariance can have full rank: d + 1, since the mean takes one."""
        return self.dimensions + 1

    def warning(self) -> str | None:
        """One line where there are too few rows for a covariance of full rank; else None."""
        if self.count >= self.full_rank_needs:
            return None
        return (
            f"{self.count} pictures are too few for {self.dimensions} features: their covariance "
            f"lacks rank, and the distance is too high; {self.full_rank_needs} or more are needed"
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What `np.savez` can keep: `count` (), `mean` `(d,)`, `scatter` `(d, d)`, the covariance
        times n - 1. `from_arrays` makes of it moments with the same bytes.
        """
        sums = self._checked()
        return {"count": np.array(sums.count), "mean": sums.mean, "scatter": sums.scatter}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Moments":
        """The moments that `to_arrays` was asked of.

        Raises `ValueError` where an array is missing or cannot be of moments.
        """
        names = ("count", "mean", "scatter")
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ValueError(f"expected arrays count, mean, scatter. Received: no {missing[0]}")
        count, mean, scatter = (np.asarray(arrays[name]) for name in names)
        if mean.ndim != 1 or not mean.size or scatter.shape != (mean.size, mean.size):
            raise ValueError(
                f"expected mean (d,), scatter (d, d). Received: {mean.shape} and {scatter.shape}"
            )
        if count.shape or count.dtype.kind not in "iu" or count < 2:
            raise ValueError(f"expected a count of at least 2. Received: {count}")
        if mean.dtype != np.float64 or scatter.dtype != np.float64:
            raise ValueError(f"expected float64. Received: {mean.dtype} and {scatter.dtype}")
        if not (np.isfinite(mean).all() and np.isfinite(scatter).all()):
            raise ValueError("expected finite moments. Received: NaN or infinity")
        if not np.array_equal(scatter, scatter.T) or np.diagonal(scatter).min() < 0:
            raise ValueError("expected a scatter as X^T X is. Received: one that cannot be")
        moments = cls()
        moments._settled = _Sums(int(count), mean, scatter)
        moments._waiting = np.empty((BLOCK, mean.size))
        return moments

    def _total(self) -> _Sums:
        """Of all rows, the waiting ones too, which go on waiting."""
        if not self._waits:
            return self._settled
        rows = self._waiting[: self._waits]
        mean = rows.mean(axis=0)
        rows = rows - mean
        sums = _Sums(len(rows), mean, rows.T @ rows)
        return _joined(sums, self._settled) if self._settled else sums

    def _checked(self) -> _Sums:
        if self.count < 2:
            raise ValueError(f"expected moments of at least 2 rows. Received: {self.count}")
        return self._total()


def frechet_distance(a: Moments, b: Moments) -> float:
    """d^2 of the module's docstring, 0 or more; either way round the same up to rounding.

    Where C1 = R1 R1^T and C2 = R2 R2^T, the trace of (C1 C2)^(1/2) is the sum of the singular
    values of R1^T R2. These are exact to the last digits of the largest, where eigenvalues of C1 C2
    lose half their digits to the square root: some seconds for 2,048 features.

    Raises `ValueError` for fewer than 2 rows or different widths.
    """
    first, second = a._checked(), b._checked()
    if a.dimensions != b.dimensions:
        raise ValueError(
            f"expected moments of one width. Received: {a.dimensions} and {b.dimensions} features"
        )
    shift = first.mean - second.mean
    traces = sum(np.trace(sums.scatter) / (sums.count - 1) for sums in (first, second))
    overlap = np.linalg.svd(_root(first).T @ _root(second), compute_uv=False).sum()
    # Of equal sets rounding may leave a little less than nothing.
    return max(0.0, float(shift @ shift + traces - 2 * overlap))


def _root(sums: _Sums) -> np.ndarray:
    """R `(d, rank)` with R R^T = covariance."""
    covariance = sums.scatter / (sums.count - 1)
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


def _joined(a: _Sums, b: _Sums) -> _Sums:
    """Of the rows of both; the scatter of `a` is used up. Chan, Golub and LeVeque 1983, eq. 2.1."""
    count = a.count + b.count
    shift = b.mean - a.mean
    scatter = a.scatter
    scatter += b.scatter
    shift_root = shift * np.sqrt(a.count * b.count / count)
    scatter += np.outer(shift_root, shift_root)
    return _Sums(count, a.mean + shift * (b.count / count), scatter)
