"""Small sets of pictures that a network can learn in seconds."""

import numpy as np


def halves(count, seed, size=28, channels=1):
    """Noise whose left or right half is brighter, and which it is."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 100, (count, size, size, channels), np.uint8)
    sides = random.integers(0, 2, count)
    for image, side in zip(images, sides, strict=True):
        image[:, side * size // 2 :][:, : size // 2] += 100
    return images, np.eye(2, dtype=np.float32)[sides]


def scenes(count, seed, size=32):
    """A red block and a green bar of two pixels on noise, each anywhere, and the labels."""
    random = np.random.default_rng(seed)
    images = random.integers(150, 256, (count, size, size, 3), np.uint8)
    labels = np.zeros((count, size, size), np.uint8)
    for image, truth in zip(images, labels, strict=True):
        top, left = random.integers(0, size - 12, 2)
        row = random.integers(0, size - 2)
        truth[top : top + 12, left : left + 12] = 1
        truth[row : row + 2] = 2
        image[truth == 1] = (200, 20, 20)
        image[truth == 2] = (20, 160, 20)
    return images, labels


SIDES, PARTS = ("left", "right"), ("ground", "block", "bar")
