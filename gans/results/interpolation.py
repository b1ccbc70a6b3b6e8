"""Between two samples: the path from one latent vector to another, and what lies on it."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from gans.pictures.image_grid import image_grid, square_grid
from gans.results.samples import of_label


def spherical(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """The vector at a share of the arc between two vectors (Shoemake 1985).

    Nearly all normal noise has the same distance from 0. The straight line between two vectors
    would pass through distances that no generator has seen.
    """
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    angle = np.arccos(np.clip(np.dot(start, end) / lengths, -1.0, 1.0)) if lengths else 0.0
    if np.sin(angle) < 1e-6:
        return (1.0 - share) * start + share * end
    return (np.sin((1.0 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


def path(
    start: np.ndarray,
    end: np.ndarray,
    steps: int,
    latent: Literal["normal", "uniform"],
    noise_dim: int | None = None,
) -> np.ndarray:
    """`steps` vectors from `start` to `end`, which are the first and the last of them, `(steps, n)`
    float32.

    Args:
        start, end: `(n,)`.
        steps: at least 2.
        latent: normal noise goes along the arc, uniform noise along the straight line.
        noise_dim: how many of the first numbers are noise; the others are codes, which always go
            along the straight line. Default: all.
    """
    noise = slice(0, noise_dim)
    between = [start]
    for share in np.arange(1, steps - 1) / (steps - 1):
        z = (1.0 - share) * start + share * end
        if latent == "normal":
            z[noise] = spherical(start[noise], end[noise], share)
        between.append(z)
    return np.stack([*between, end]).astype(np.float32)


def interpolate(
    gan,
    pairs: Sequence[tuple[int, int]],
    steps: int,
    labels: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """What a GAN makes from one sample to another (DCGAN, figure 4), `(pairs, steps, ...)`.

    Args:
        pairs: numbers of samples.
        steps: samples of a row, both ends among them.
        labels: `(m, k)`, which the pairs take in turn, or None for a GAN without labels.
        seed: of the noise.
    """
    z = gan.draw_latents(1 + max(map(max, pairs)), seed)
    s = gan.settings
    noise_dim = getattr(s, "noise_dim", None)
    found = []
    for place, (start, end) in enumerate(pairs):
        label = None if labels is None else labels[place % len(labels)]
        vectors = path(z[start], z[end], steps, s.latent, noise_dim)
        found.append(of_label(gan, vectors, label))
    return np.stack(found)


def picture(images: np.ndarray, pairs: Sequence[tuple[int, int]], names: Sequence[str] = ()):
    """The picture of `interpolate`, uint8, a named pair in each row.

    Args:
        names: of the labels, which the pairs took in turn.
    """
    titles = [f"{start} - {end}" for start, end in pairs]
    if names:
        titles = [f"{names[i % len(names)]}: {title}" for i, title in enumerate(titles)]
    return image_grid(images, titles)


def frames(images: np.ndarray) -> list[np.ndarray]:
    """Images `(rows, steps, ...)` as a picture for each step, uint8, with all rows in it."""
    return [square_grid(column) for column in images.swapaxes(0, 1)]
