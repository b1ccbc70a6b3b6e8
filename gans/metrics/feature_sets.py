"""The features of a set of pictures: what every distance between two sets is measured on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

BLOCK = 2048  # Rows that are multiplied at a time.


def check(features: np.ndarray, what: str = "features") -> np.ndarray:
    """The array itself, where it is one row of finite numbers for each picture, float `(n, d)`.

    Raises `ValueError` otherwise: of one row with NaN every distance would be NaN, and of one with
    infinity some distances would be numbers, and wrong.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1] or features.dtype.kind != "f":
        raise ValueError(
            f"expected {what}, float (n, d). Received: {features.dtype} {features.shape}"
        )
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"expected finite {what}. Received: NaN or infinity in {np.count_nonzero(~finite)} of "
            f"{len(features)} rows, the first of them row {np.argmin(finite)}"
        )
    return features


def check_pair(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of rows of one width, each as `check` has it."""
    real, fake = check(real, "features of real pictures"), check(fake, "features of fakes")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"expected features of one width. Received: {real.shape[1]} and {fake.shape[1]}"
        )
    return real, fake


@dataclass(frozen=True)
class Sums:
    """Of some rows: how many, their mean `(d,)`, the sum of (x - mean)(x - mean)^T `(d, d)`."""

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """float64 `(d, d)`, divided by n - 1 as by `np.cov`."""
        return self.scatter / (self.count - 1)


class Moments:
    """Mean and covariance of rows that come a few at a time, in memory that does not grow.

    float64 throughout. Rows are taken 2,048 at a time in the order in which they come, so the
    result has the same bytes however they were cut into batches. Each block is centred at its own
    mean, and blocks are joined by Chan, Golub and LeVeque 1983: a large mean costs no digits.
    """

    def __init__(self):
        self._settled: Sums | None = None
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

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._waits + (self._settled.count if self._settled else 0)

    @property
    def dimensions(self) -> int:
        """Width of a row, d; 0 before the first."""
        return 0 if self._waiting is None else self._waiting.shape[1]

    def sums(self) -> Sums:
        """Of all rows so far. Raises `ValueError` for fewer than 2."""
        if self.count < 2:
            raise ValueError(f"expected moments of at least 2 rows. Received: {self.count}")
        return self._total()

    def warning(self) -> str | None:
        """One line where there are too few rows for a covariance of full rank; else None."""
        needed = self.dimensions + 1  # The mean takes one.
        if self.count >= needed:
            return None
        return (
            f"{self.count} pictures are too few for {self.dimensions} features: their covariance "
            f"has not full rank, and the distance is too high; {needed} or more are needed"
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What `np.savez` can keep: `count` (), `mean` `(d,)`, `scatter` `(d, d)`, the covariance
        times n - 1. `from_arrays` makes of it moments with the same bytes.
        """
        sums = self.sums()
        return {"count": np.array(sums.count), "mean": sums.mean, "scatter": sums.scatter}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Moments":
        """The moments that `to_arrays` was called on. Raises `KeyError` for a missing array."""
        moments = cls()
        moments._settled = Sums(int(arrays["count"]), arrays["mean"], arrays["scatter"])
        moments._waiting = np.empty((BLOCK, len(arrays["mean"])))
        return moments

    def _total(self) -> Sums:
        """Of all rows, the waiting ones too, which go on waiting."""
        if not self._waits:
            return self._settled
        rows = self._waiting[: self._waits]
        mean = rows.mean(axis=0)
        rows = rows - mean
        scatter, before = rows.T @ rows, self._settled
        if not before:
            return Sums(len(rows), mean, scatter)
        # Chan, Golub and LeVeque 1983, equation 2.1.
        count, shift = len(rows) + before.count, before.mean - mean
        scatter += before.scatter
        shift_root = shift * np.sqrt(len(rows) * before.count / count)
        scatter += np.outer(shift_root, shift_root)
        return Sums(count, mean + shift * (before.count / count), scatter)


@dataclass(frozen=True)
class Features:
    """What is known of a set of pictures; `gans.features.features` collects it.

    Attributes:
        moments: of the features of all pictures.
        kept: features float32 `(m, d)` of some, in the order of the set.
        logits: float32 `(m, classes)` of the same, or None.
        indices: int64 `(m,)`, which pictures these are.
        digest: sha256 of the pictures.
    """

    moments: Moments
    kept: np.ndarray
    logits: np.ndarray | None
    indices: np.ndarray
    digest: str

    def __len__(self) -> int:
        return self.moments.count
