"""Networks applied to many images, a few at a time."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

# Pixels at a time: less memory than a train step takes.
PIXELS = 2**17


def in_chunks(function: Callable[..., tf.Tensor], *values, image_size: int) -> np.ndarray:
    """`function(*values)` along the first axis, in parts.

    Args:
        function: of tensors `(m, ...)`, one per value; gives a tensor `(m, ...)`.
        values: arrays `(n, ...)`.
        image_size: side of the images in pixels; decides how many go at a time.
    """
    size = max(1, PIXELS // image_size**2)
    return np.concatenate(
        [
            function(*(tf.convert_to_tensor(value[i : i + size]) for value in values))
            for i in range(0, len(values[0]), size)
        ]
    )
