"""Sums of samples: what some have in common, less what others have in common (Radford et al. 2016,
section 6.3.2 and figure 7).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gans.pictures.image_grid import image_grid
from gans.results.samples import of_label

AROUND = 0.25  # Reach of the noise around the result, as in figure 7.

# Sign, 1 or -1, and numbers of samples.
Group = tuple[int, Sequence[int]]


@dataclass(frozen=True)
class Arithmetic:
    """What a GAN makes of a sum.

    Attributes:
        groups: of each group its samples, and last what the mean of their noise makes.
        square: what the sum makes, in the middle of eight samples of noise close to it,
            `(3, 3, ...)`.
    """

    groups: list[np.ndarray]
    square: np.ndarray

    @property
    def result(self) -> np.ndarray:
        """What the sum itself makes."""
        return self.square[1, 1]


def combine(z: np.ndarray, groups: Sequence[Group]) -> tuple[np.ndarray, np.ndarray]:
    """Means, and their sum.

    Args:
        z: `(n, latent_dim)`.
        groups: signs, and rows of z.

    Returns the mean of each group, `(groups, latent_dim)`, and the sum of the means with their
    signs, `(latent_dim,)`; float32.
    """
    means = np.stack([z[list(rows)].mean(axis=0) for _, rows in groups])
    signs = np.array([sign for sign, _ in groups], z.dtype)
    return means, signs @ means


def around(z: np.ndarray, reach: float, seed: int) -> np.ndarray:
    """Nine vectors `(9, n)` float32: z in the middle, the others with uniform noise in
    [-reach, reach].
    """
    noise = np.random.default_rng(seed).uniform(-reach, reach, (9, len(z)))
    noise[4] = 0.0
    return (z + noise).astype(np.float32)


def calculate(
    gan, groups: Sequence[Group], labels: np.ndarray | None = None, seed: int = 0
) -> Arithmetic:
    """What a GAN makes of sums of noise.

    Args:
        groups: signs, and numbers of samples.
        labels: of each group `(groups, k)`, or one for all `(1, k)`, or None for a GAN without
            labels. The result has the label of the last group.
        seed: of the noise.
    """
    z = gan.draw_latents(1 + max(max(rows) for _, rows in groups), seed)
    means, total = combine(z, groups)
    label_of = (
        [None] * len(groups)
        if labels is None
        else np.resize(labels, (len(groups), labels.shape[1]))
    )
    terms = [
        of_label(gan, np.stack([*z[list(rows)], mean]), label)
        for (_, rows), mean, label in zip(groups, means, label_of, strict=True)
    ]
    square = of_label(gan, around(total, AROUND, seed), label_of[-1])
    return Arithmetic(terms, square.reshape(3, 3, *square.shape[1:]))


def picture(found: Arithmetic, groups: Sequence[Group], names: Sequence[str] = ()) -> np.ndarray:
    """The picture of a sum, uint8: a column for each group, with its mean below, then the square.

    Args:
        names: of the labels of the groups.
    """
    height = max(3, *map(len, found.groups))
    columns, captions, heads = [], [], []
    for place, ((sign, rows), images) in enumerate(zip(groups, found.groups, strict=True)):
        *samples, mean = images
        empty = height - len(images)
        columns.append([*samples, *[None] * empty, mean])
        captions.append([*map(str, rows), *[""] * empty, "mean"])
        name = names[place % len(names)] if names else ""
        heads.append(f"{'+' if sign > 0 else '-'} {name}".strip() if place else name)
    rest = [None] * (height - 3)
    columns += [[None] * height, *([*found.square[:, x], *rest] for x in range(3))]
    captions += [[""] * height] * 4
    return image_grid(
        list(zip(*columns, strict=True)),
        column_names=[*heads, "=", "", "result", ""],
        captions=list(zip(*captions, strict=True)),
    )
