"""What is measured of pixels alone: the error of pictures, and how sharp they are."""

import numpy as np

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601.


def mean_absolute(a: np.ndarray, b: np.ndarray) -> float:
    """Mean |a - b| over images of one shape in [-1, 1]: 0 for equal ones, at most 2.

    Raises `ValueError` where the shapes differ: broadcast, the mean would be of something else.
    """
    if np.shape(a) != np.shape(b):
        raise ValueError(f"expected images of one shape. Received: {np.shape(a)} and {np.shape(b)}")
    return float(np.mean(np.abs(np.subtract(a, b, dtype=np.float32)), dtype=np.float64))


def gradient_energy(images: np.ndarray) -> float:
    """Mean squared difference between neighbouring pixels: horizontal plus vertical, of the luma.

    An error measure rewards blur, since the mean of all plausible pictures is blurred; blur lowers
    this. Noise raises it: the value to reach is that of real photos, not the highest.

    Args:
        images: `(n, height, width, channels)` in [-1, 1]; of 3 channels the luma, else each on its
            own.
    """
    pixels = np.asarray(images, dtype=np.float32)
    if pixels.shape[-1] == 3:
        pixels = pixels @ np.float32(LUMA)
    return float(sum(np.mean(np.diff(pixels, axis=axis) ** 2) for axis in (1, 2)))
