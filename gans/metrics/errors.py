"""How far pictures are from those that they should be, pixel by pixel."""

import numpy as np


def mean_absolute(a: np.ndarray, b: np.ndarray) -> float:
    """Mean |a - b| over images of one shape in [-1, 1]: 0 for equal ones, at most 2.

    Raises `ValueError` where the shapes differ: broadcast, the mean would be of something else.
    """
    if np.shape(a) != np.shape(b):
        raise ValueError(f"expected images of one shape. Received: {np.shape(a)} and {np.shape(b)}")
    return float(np.mean(np.abs(np.subtract(a, b, dtype=np.float32)), dtype=np.float64))
