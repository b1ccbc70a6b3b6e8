"""What can be measured of a picture without a network: the outline, size, brightness and hue of an
item on white, the slant and thickness of a stroke on black.

Continuous codes of InfoGAN are compared with these. Images are `(n, height, width, channels)` in
[-1, 1]; a value that a picture does not have is NaN.
"""

import numpy as np

from gans.metrics.hues import ITEM_BRIGHTNESS, hue_votes
from gans.metrics.pixels import LUMA

FAINT = 1e-3  # Mean ink below which there is no stroke.


def item_mask(images: np.ndarray) -> np.ndarray:
    """True inside the outline of the item: bool `(n, height, width)`.

    Made for items on white, as toy fashion's and edges2handbags': a pixel belongs to the ground if
    it is bright and a path of bright pixels leads from it to the border. So the mask of a sketch is
    all that its lines enclose, and can be compared with that of a photo; holes within the outline,
    like that below a handle, count as inside for both. Paths go along rows and columns only, so
    that a line of pixels that touch at their corners has no gap. A gap of one pixel in a sketch's
    outline lets the ground in.

    Args:
        images: `(n, height, width, channels)` in [-1, 1].
    """
    from scipy import ndimage

    dark = (np.asarray(images, np.float32).min(axis=-1) + 1) / 2 < ITEM_BRIGHTNESS
    return np.stack([ndimage.binary_fill_holes(item) for item in dark])


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


def slant(images: np.ndarray) -> np.ndarray:
    """Columns by which a bright stroke on black goes to the right for each row that it rises: 0 is
    upright, 1 leans 45 degrees; `(n,)`.

    From the second central moments of the ink: the shear that makes x and y uncorrelated, as MNIST
    digits are straightened ("deslanting").
    """
    ink = _ink(images)
    height, width = ink.shape[1:]
    y, x = np.mgrid[:height, :width]
    total = ink.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        centre_x = (ink * x).sum(axis=(1, 2)) / total
        centre_y = (ink * y).sum(axis=(1, 2)) / total
        dx, dy = x - centre_x[:, None, None], y - centre_y[:, None, None]
        sheared = -(ink * dx * dy).sum(axis=(1, 2)) / (ink * dy * dy).sum(axis=(1, 2))
    return np.where((total > FAINT * height * width) & np.isfinite(sheared), sheared, np.nan)


def thickness(images: np.ndarray) -> np.ndarray:
    """Mean width in pixels of a bright stroke on black, `(n,)`: twice the ink by what its edges
    amount to.

    A stroke of length l and width w has an ink of l w, and two edges that amount to l each. An edge
    is the magnitude of Roberts' cross (1963), which is right for edges along rows and columns and
    for diagonal ones, down to a width of 1.
    """
    ink = np.pad(_ink(images), ((0, 0), (1, 1), (1, 1)))
    falling, rising = ink[:, 1:, 1:] - ink[:, :-1, :-1], ink[:, 1:, :-1] - ink[:, :-1, 1:]
    edges = np.hypot(falling, rising).sum(axis=(1, 2)) / np.sqrt(2)
    total = ink.sum(axis=(1, 2))
    present = total > FAINT * ink[0].size
    return np.where(present, 2 * total / np.maximum(edges, 1e-6), np.nan)


def item_size(images: np.ndarray) -> np.ndarray:
    """Share of the picture within the outline of an item on white, `(n,)`."""
    return item_mask(images).mean(axis=(1, 2))


def item_brightness(images: np.ndarray) -> np.ndarray:
    """Mean luma in [0, 1] of an item on white, `(n,)`."""
    pixels = (np.asarray(images, np.float32) + 1) / 2
    item = pixels.min(axis=-1) < ITEM_BRIGHTNESS
    luma = pixels @ np.float32(LUMA) if pixels.shape[-1] == 3 else pixels.mean(axis=-1)
    count = item.sum(axis=(1, 2))
    mean = np.where(item, luma, 0).sum(axis=(1, 2)) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan)


def item_hue(images: np.ndarray) -> np.ndarray:
    """Mean hue in degrees of HSV, [0, 360), by saturation, of a coloured item on white, `(n,)`.

    Args:
        images: `(n, height, width, 3)`.
    """
    degrees, weights, coloured = hue_votes(images)
    radians = np.radians(degrees)
    y = (weights * np.sin(radians)).sum(axis=(1, 2))
    x = (weights * np.cos(radians)).sum(axis=(1, 2))
    return np.where(coloured, np.degrees(np.arctan2(y, x)) % 360.0, np.nan)


def _ink(images: np.ndarray) -> np.ndarray:
    """Brightness in [0, 1], float64 `(n, height, width)`."""
    return (np.asarray(images, np.float64).mean(axis=-1) + 1) / 2
