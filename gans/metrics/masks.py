"""Where the item is: its filled outline, and how well two outlines agree.

Made for items on white, as toy fashion's and edges2handbags': a pixel belongs to the ground if it
is bright and a path of bright pixels leads from it to the border. So the mask of a sketch is all
that its lines enclose, and can be compared with that of a photo; holes within the outline, like
that below a handle, count as inside for both.
"""

import numpy as np

from gans.metrics.hues import ITEM_BRIGHTNESS


def item_mask(images: np.ndarray) -> np.ndarray:
    """True inside the outline of the item: bool `(n, height, width)`.

    Paths go along rows and columns only, so that a line of pixels that touch at their corners has
    no gap. A gap of one pixel in a sketch's outline lets the ground in.

    Args:
        images: `(n, height, width, channels)` in [-1, 1].
    """
    darkest = (np.asarray(images, dtype=np.float32).min(axis=-1) + 1.0) / 2.0
    # A frame of ground: an item may touch the border all around.
    bright = np.pad(darkest >= ITEM_BRIGHTNESS, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    ground = np.zeros_like(bright)
    ground[:, 0, 0] = True
    count = 0
    while (reached := np.count_nonzero(ground)) > count:
        count = reached
        # To the right and back, down and back: as far as each row and column lets it through.
        for axis in (2, 1):
            for sweep in (slice(None), slice(None, None, -1)):
                lines = np.moveaxis(ground, axis, 0)[sweep]
                passable = np.moveaxis(bright, axis, 0)[sweep]
                for previous, line, free in zip(lines, lines[1:], passable[1:], strict=False):
                    line |= previous & free
    return ~ground[:, 1:-1, 1:-1]


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over the images of intersection over union of their item's masks; 1 where both are
    empty.

    Args:
        a, b: images `(n, height, width, channels)` in [-1, 1], by pairs; channels may differ.
    """
    mask_a, mask_b = item_mask(a), item_mask(b)
    union = np.count_nonzero(mask_a | mask_b, axis=(1, 2))
    common = np.count_nonzero(mask_a & mask_b, axis=(1, 2))
    return float(np.mean(np.where(union > 0, common / np.maximum(union, 1), 1.0)))
