"""Whether pictures look as real ones do, in texture and colour: sliced Wasserstein distance.

Karras et al. 2018, "Progressive Growing of GANs", arXiv:1710.10196, section 5 and appendix; code
sliced_wasserstein.py of tkarras/progressive_growing_of_gans. Small patches of both sets, at each
level of a Laplacian pyramid, are compared as distributions. It needs no learned network and no
download. It compares statistics of texture, edges and colour, not meaning: that a bag has two
handles on one side is beyond it. Of few images it is high by chance: compare only values of the
same count, and with that of real against real.

Difference from the code: it gives each set, channel by channel, mean 0 and deviation 1, so that
pictures of half the contrast, or all tinted, are at no distance. Here both sets are scaled as the
real one.
"""

import numpy as np

SMALLEST = 16  # Side of the coarsest level.
PATCH = 7
PATCHES = 128  # Of an image, at each level.
DIRECTIONS = 512
KERNEL = np.float32([1, 4, 6, 4, 1]) / 16  # Burt and Adelson 1983.


def sliced_wasserstein(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Distance x 1000 by level, named by its side ("64", "32", "16"), and their "mean".

    0 for equal sets. The same seed gives the same value.

    Args:
        real, fake: `(n, height, width, channels)` in [-1, 1], of one shape; height and width admit
            halving down to 16.
        seed: of the places of the patches and of the directions.
    """
    if real.shape != fake.shape:
        raise ValueError(f"expected sets of one shape. Received: {real.shape} and {fake.shape}")
    levels = zip(laplacian_pyramid(real), laplacian_pyramid(fake), strict=True)
    distances = {}
    for level_real, level_fake in levels:
        random = np.random.default_rng([seed, level_real.shape[1]])
        distances[str(level_real.shape[1])] = 1e3 * _distance(level_real, level_fake, random)
    return {**distances, "mean": float(np.mean(list(distances.values())))}


def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """What each halving loses, finest first, and the coarsest image itself, 16 pixels or more on
    its shorter side.
    """
    image, pyramid = np.asarray(images, dtype=np.float32), []
    while min(image.shape[1:3]) // 2 >= SMALLEST and not any(side % 2 for side in image.shape[1:3]):
        smaller = _blur(image, KERNEL)[:, ::2, ::2]
        interleaved = np.zeros_like(image)
        interleaved[:, ::2, ::2] = smaller
        pyramid.append(image - _blur(interleaved, 2 * KERNEL))
        image = smaller
    return [*pyramid, image]


def _blur(images: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution along columns and along rows, mirrored at the border."""
    for axis in (1, 2):
        width = [(0, 0)] * images.ndim
        width[axis] = (2, 2)
        padded = np.moveaxis(np.pad(images, width, mode="reflect"), axis, 0)
        size = images.shape[axis]
        blurred = sum(weight * padded[i : i + size] for i, weight in enumerate(kernel))
        images = np.moveaxis(blurred, 0, axis)
    return images


def _distance(real: np.ndarray, fake: np.ndarray, random: np.random.Generator) -> float:
    """Of one level: mean over directions of the Wasserstein distance of the projected patches."""
    count, height, width, channels = real.shape
    shape = (count, PATCHES)
    tops = random.integers(0, height - PATCH + 1, shape)
    lefts = random.integers(0, width - PATCH + 1, shape)
    directions = random.standard_normal((PATCH * PATCH * channels, DIRECTIONS), np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    # The same places in both: two equal sets have the same patches.
    patches_real, patches_fake = (_patches(level, tops, lefts) for level in (real, fake))
    mean = patches_real.mean(axis=(0, 2), keepdims=True)
    deviation = patches_real.std(axis=(0, 2), keepdims=True)
    deviation[deviation == 0] = 1.0  # Nothing to see in a flat channel.
    patches_real, patches_fake = (
        ((patches - mean) / deviation).reshape(len(patches), -1)
        for patches in (patches_real, patches_fake)
    )
    distances = []
    for part in np.split(directions, DIRECTIONS // 128, axis=1):
        sorted_real = np.sort(patches_real @ part, axis=0)
        sorted_fake = np.sort(patches_fake @ part, axis=0)
        distances.append(np.mean(np.abs(sorted_real - sorted_fake), dtype=np.float64))
    return float(np.mean(distances))


def _patches(level: np.ndarray, tops: np.ndarray, lefts: np.ndarray) -> np.ndarray:
    """`(n * PATCHES, channels, PATCH * PATCH)`: the patches at these places of each image."""
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
    patches = windows[np.arange(len(level))[:, np.newaxis], tops, lefts]
    return patches.reshape(-1, level.shape[-1], PATCH * PATCH)
