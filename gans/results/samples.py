"""Samples of a GAN that starts from noise, and the picture that shows them with their numbers."""

from collections.abc import Sequence

import numpy as np

from gans.pictures.image_grid import image_grid

COLUMNS = 8


def of_label(gan, z: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """What `gan.generate` makes of noise, `(n, ...)`.

    Args:
        z: `(n, latent_dim)`.
        labels: one label for all `(k,)`, one for each `(n, k)`, or None for a GAN without labels.
            InfoGAN takes categories.
    """
    if labels is None:
        return gan.generate(z)
    return gan.generate(z, np.broadcast_to(labels, (len(z), labels.shape[-1])).astype(np.float32))


def in_turn(labels: np.ndarray | None, count: int) -> np.ndarray | None:
    """Labels `(k, n)` one after the other, over and over: `(count, n)`."""
    return None if labels is None else labels[np.arange(count) % len(labels)]


def rows(gan, count: int, labels: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """A row of samples for each label, all of the same noise: `(rows, count, ...)`.

    A sample of a number is the same one whatever the count.

    Args:
        count: samples of a row.
        labels: `(rows, k)`, or None for a single row of a GAN without labels.
        seed: of the noise.
    """
    z = gan.draw_latents(count, seed)
    return np.stack([of_label(gan, z, label) for label in ([None] if labels is None else labels)])


def picture(images: np.ndarray, names: Sequence[str] = ()) -> np.ndarray:
    """The picture of `rows` with the numbers of the samples, uint8.

    There is a row for each name; where there are no names, `COLUMNS` samples are in a row.
    """
    numbers = [str(number) for number in range(images.shape[1])]
    if names:
        return image_grid(images, names, numbers)
    parts = [slice(i, i + COLUMNS) for i in range(0, len(numbers), COLUMNS)]
    captions = [numbers[part] for part in parts]
    return image_grid([images[0][part] for part in parts], captions=captions)
