"""Ways through the space of noise: from one latent vector to another, and sums of them.

All is NumPy: what comes out goes to `generate`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np


def spherical(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """The vector at `share` of the way along the arc between two (Shoemake 1985).

    Normal noise is nearly all at one distance from 0; the straight line between two vectors would
    pass through lengths that no generator has seen.
    """
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    angle = np.arccos(np.clip(np.dot(start, end) / lengths, -1.0, 1.0)) if lengths else 0.0
    if np.sin(angle) < 1e-6:
        return (1.0 - share) * start + share * end
    return (np.sin((1.0 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


def walk(
    start: np.ndarray,
    end: np.ndarray,
    steps: int,
    latent: Literal["normal", "uniform"],
    noise_dim: int | None = None,
) -> np.ndarray:
    """`steps` vectors from `start` to `end`, both among them as they are, `(steps, n)` float32.

    Args:
        start, end: `(n,)`.
        steps: at least 2.
        latent: of normal noise along the arc, of uniform noise along the straight line.
        noise_dim: numbers at the front that are noise; those after it are codes, which go straight.
            Default: all.
    """
    noise = slice(0, noise_dim)
    between = [start]
    for share in np.arange(1, steps - 1) / (steps - 1):
        z = (1.0 - share) * start + share * end
        if latent == "normal":
            z[noise] = spherical(start[noise], end[noise], share)
        between.append(z)
    return np.stack([*between, end]).astype(np.float32)


def combine(z: np.ndarray, groups: Sequence[tuple[int, Sequence[int]]]) -> tuple:
    """Sums of means (Radford et al. 2016, section 6.3.2).

    Args:
        z: `(n, latent_dim)`.
        groups: of each its sign, 1 or -1, and rows of z.

    Returns the mean of each group, `(groups, latent_dim)`, and the sum of the means with their
    signs, `(latent_dim,)`; float32.
    """
    means = np.stack([z[list(rows)].mean(axis=0) for _, rows in groups])
    signs = np.array([sign for sign, _ in groups], z.dtype)
    return means, signs @ means


def around(z: np.ndarray, reach: float, seed: int) -> np.ndarray:
    """The 3x3 vectors of the paper's figure 7, `(9, n)` float32: z in the middle, the others with
    uniform noise in [-reach, reach].
    """
    noise = np.random.default_rng(seed).uniform(-reach, reach, (9, len(z)))
    noise[4] = 0.0
    return (z + noise).astype(np.float32)
