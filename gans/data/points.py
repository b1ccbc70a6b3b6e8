"""Two-dimensional data sets, drawn once: two mixtures of Gaussians and a spiral.

    ring8      8 Gaussians on a circle of radius 1, sigma 0.01        PacGAN (1712.04086), 4.1
    grid25     25 Gaussians at {-4, -2, 0, 2, 4}^2, sigma 0.05        the same
    swissroll  a spiral of Gaussian thickness, within [-2.1, 2.1]^2   WGAN-GP's `gan_toy.py`

Each has 100,000 points, a function of the name and a seed; a mixture has equally many of each mode.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gans.data.images import DataError
from gans.data.stream import shuffled, untuned

COUNT = 100_000
RASTER = 96  # Points on a side of the raster that a discriminator's field is drawn from.
# Points that are drawn in one go: a batch alone is too small to be worth a call.
BLOCK = 8192
NAMES = ("ring8", "grid25", "swissroll")
_LIMITS = {"ring8": 1.5, "grid25": 5.5, "swissroll": 2.5}


class Mixture(NamedTuple):
    """Isotropic Gaussians of equal weight: centres float64 `(modes, 2)`, and their sigma."""

    centres: np.ndarray
    sigma: float


def mixture(name: str) -> Mixture | None:
    """The mixture that a set is drawn from, or None for `swissroll`.

    Raises `DataError` for a name that is none of `NAMES`.
    """
    if name == "ring8":
        angles = 2 * np.pi * np.arange(8) / 8
        return Mixture(np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.01)
    if name == "grid25":
        axis = np.arange(-4.0, 5.0, 2.0)
        return Mixture(
            np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2), 0.05
        )
    if name == "swissroll":
        return None
    raise DataError(f"expected one of {', '.join(NAMES)}. Received: {name}")


def draw_points(name: str, seed: int, count: int = COUNT) -> tuple[np.ndarray, np.ndarray | None]:
    """A set: float32 `(count, 2)`, and the mode of each point, int64 `(count,)`, or None.

    Modes alternate, so that they are of one size, or differ by one point.
    """
    known = mixture(name)
    # The stream of a `RandomState`, and not that of a `Generator`, is the same in every NumPy.
    sequence = np.random.SeedSequence([seed, NAMES.index(name)])
    random = np.random.RandomState(np.random.MT19937(sequence))
    if known is None:
        # scikit-learn's `make_swiss_roll(noise=0.25)`, of which gan_toy takes x and z, over 7.5.
        angles = 1.5 * np.pi * (1 + 2 * random.random_sample(count))
        spiral = angles[:, np.newaxis] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return ((spiral + 0.25 * random.standard_normal((count, 2))) / 7.5).astype(np.float32), None
    modes = np.arange(count) % len(known.centres)
    points = known.centres[modes] + known.sigma * random.standard_normal((count, 2))
    return points.astype(np.float32), modes


def raster(name: str, side: int = RASTER) -> np.ndarray:
    """A square of points that covers a set, float32 `(side * side, 2)`: rows from the top down.

    They are the middles of the cells of a `side` x `side` grid over [-limit, limit]^2.
    """
    axis = (2 * np.arange(side) + 1 - side) / side * _LIMITS[name]
    x, y = np.meshgrid(axis, -axis)
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def point_batches(
    points: np.ndarray,
    labels: np.ndarray | None,
    batch_size: int,
    seed: int = 0,
    start_step: int = 0,
) -> tf.data.Dataset:
    """The endless stream of batches from step `start_step` on, every pass a new permutation.

    Float32 `(batch_size, 2)`, or with labels `(points, labels)`. The point at a position is a
    function of (seed, position), the same as of `gans.data.stream.augmented`.

    Args:
        points: `(n, 2)`.
        labels: `(n, k)` or None.
        batch_size: points of a batch, at most n.
        seed: of the order.
        start_step: steps to leave out at the start; costs nothing.
    """
    count = len(points)
    # A block no longer than a pass reaches into two of them at the most.
    steps = max(1, min(BLOCK, count) // batch_size)
    columns = tuple(
        tf.constant(column, tf.float32) for column in (points, labels) if column is not None
    )

    def prepare(step):
        positions = step * batch_size + tf.range(steps * batch_size, dtype=tf.int64)
        indices = shuffled(seed, positions, count)
        taken = tuple(
            tf.reshape(tf.gather(column, indices), (steps, batch_size, column.shape[1]))
            for column in columns
        )
        return taken if labels is not None else taken[0]

    blocks = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max // batch_size, steps)
    # Handing such a batch to another of many threads costs more than making it.
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    return untuned(blocks.map(prepare).prefetch(1).unbatch().with_options(options))
