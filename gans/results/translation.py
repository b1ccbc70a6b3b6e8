"""Translations of an image of any size: in several styles, with several draws of noise, or in one
of two directions.

A `Painter` makes pictures of an image whose size the networks admit; `at_own_size` and
`at_training_size` bring an image of another size to such a one, and the pictures back.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from gans.results.interpolation import spherical

# An image `(height, width, channels)` in [-1, 1] to pictures of the same size.
Painter = Callable[[np.ndarray], list[np.ndarray]]
Direction = Literal["a_to_b", "b_to_a"]

# What surrounds an image that is padded, as arguments of `np.pad`. A sketch goes on as white paper,
# a photo with the pixels of its border.
WHITE = {"mode": "constant", "constant_values": 1.0}
BORDER = {"mode": "edge"}
# A side that every network admits: all halve it a few times. Some padding needs 4 pixels inside.
SMALLEST = 32


def in_styles(gan, z: np.ndarray) -> Painter:
    """BicycleGAN's painter: a picture for each style z `(n, latent_dim)`."""
    generator_for = functools.lru_cache(maxsize=1)(gan.generator_for)

    def paint(image):
        generator = generator_for(*image.shape[:2])
        inputs = ([image[np.newaxis], style[np.newaxis]] for style in z)
        return [generator(pair, training=False)[0].numpy() for pair in inputs]

    return paint


def with_noise(gan, count: int, seed: int = 0) -> Painter:
    """The painter of pix2pix: pictures that differ in their noise."""
    return lambda image: list(gan.translate(np.stack([image] * count), seed))


def in_directions(gan, directions: Sequence[Direction]) -> Painter:
    """The painter of CycleGAN and DiscoGAN: the image translated in the first direction, then the
    result in the next one.
    """
    generator_for = functools.lru_cache(maxsize=2)(gan.generator_for)

    def paint(image):
        pictures = []
        for direction in directions:
            generator = generator_for(*image.shape[:2], direction)
            image = generator(image[np.newaxis], training=False)[0].numpy()
            pictures.append(image)
        return pictures

    return paint


def choose_styles(
    gan, photos: Sequence[np.ndarray], count: int, seed: int = 0, interpolate: bool = False
) -> np.ndarray:
    """Styles z of BicycleGAN, float32 `(n, latent_dim)`: those of photos, or `count` random ones.

    Args:
        photos: `(image_size, image_size, channels)` in [-1, 1], or none.
        seed: of the random ones.
        interpolate: instead, `count` styles along the arc between the first two, random ones taken
            where there are fewer photos.
    """
    z = np.random.default_rng(seed).standard_normal((count, gan.settings.latent_dim))
    if len(photos):
        encoded = gan.encode(np.stack(photos))
        z = np.concatenate([encoded, z]) if interpolate else encoded
    if interpolate:
        z = np.stack([spherical(z[0], z[1], share) for share in np.linspace(0.0, 1.0, count)])
    return z.astype(np.float32)


def at_own_size(gan, image: np.ndarray, paint: Painter, padding: dict) -> list[np.ndarray]:
    """Pictures of the size of the image `(height, width, channels)`.

    The generators are convolutional, but need sides that they can halve evenly. The image is padded
    to the next such size, painted by a generator of that size with the same weights, and cut back.

    Args:
        padding: `WHITE` or `BORDER`.
    """
    multiple = gan.size_multiple
    full = [max(SMALLEST, -(-side // multiple) * multiple) for side in image.shape[:2]]
    canvas, place = pad(image, *full, padding)
    return [picture[place] for picture in paint(canvas)]


def at_training_size(gan, image: np.ndarray, paint: Painter, padding: dict) -> list[np.ndarray]:
    """As `at_own_size`, but the image is padded to a square, resized to the size that the GAN was
    trained with, and the pictures back.
    """

    def resize(picture, size):
        resized = tf.image.resize(picture, (size, size), "bicubic", antialias=True)
        return np.clip(resized, -1.0, 1.0)

    side = max(image.shape[:2])
    canvas, place = pad(image, side, side, padding)
    small = resize(canvas, gan.settings.image_size)
    return [resize(picture, side)[place] for picture in paint(small)]


def pad(
    image: np.ndarray, height: int, width: int, padding: dict
) -> tuple[np.ndarray, tuple[slice, slice]]:
    """The image in the middle of a larger one, and the slices where it is."""
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    place = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
    bottom, right = height - place[0].stop, width - place[1].stop
    return np.pad(image, ((top, bottom), (left, right), (0, 0)), **padding), place
