"""What changes with each code of InfoGAN, and nothing else (Chen et al. 2016, figure 2)."""

import numpy as np

from gans.pictures.image_grid import image_grid
from gans.results.samples import of_label

CODE_LIMIT = 2.0  # As in figure 2; in training, continuous codes reach 1.


def categorical(gan, count: int, seed: int = 0) -> np.ndarray:
    """Samples of every category, `(count, categories, ...)`, of the same noise along each row."""
    z = gan.draw_latents(count, seed)
    categories = np.eye(gan.settings.categories, dtype=np.float32)
    return np.stack([of_label(gan, z, category) for category in categories], axis=1)


def values(steps: int) -> np.ndarray:
    """What a continuous code is set to, `(steps,)` float32."""
    return np.linspace(-CODE_LIMIT, CODE_LIMIT, steps, dtype=np.float32)


def continuous(gan, code: int, steps: int, seed: int = 0) -> np.ndarray:
    """Samples along one continuous code, `(categories, steps, ...)`, of one noise and with the
    other codes at 0, their middle.

    Args:
        code: its number, from 0 on.
    """
    s = gan.settings
    first = s.noise_dim + s.categories
    z = np.repeat(gan.draw_latents(1, seed), steps, axis=0)
    z[:, first:] = 0.0
    z[:, first + code] = values(steps)
    categories = np.eye(s.categories, dtype=np.float32)
    return np.stack([of_label(gan, z, category) for category in categories])


def categorical_picture(images: np.ndarray) -> np.ndarray:
    """The picture of `categorical`, uint8, a category in each column."""
    return image_grid(images, column_names=_numbers(images.shape[1]))


def continuous_picture(images: np.ndarray) -> np.ndarray:
    """The picture of `continuous`, uint8, a category in each row, a value in each column."""
    heads = [f"{value:.2f}" for value in values(images.shape[1])]
    return image_grid(images, _numbers(len(images)), heads)


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]
