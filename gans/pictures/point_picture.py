"""Points over the field of a discriminator or a critic."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

POINT_PICTURE = 384  # Pixels on a side.
# A field from what is judged fake to what is judged real, by way of its median.
FIELD_COLOURS = np.array([(95, 150, 210), (247, 247, 247), (236, 148, 96)], np.float64)
DENSITY_COLOUR, SAMPLE_COLOUR, OUTSIDE_COLOUR = (0, 160, 80), (24, 20, 36), (200, 0, 120)
DENSITY_OPACITY, SAMPLE_OPACITY = 0.9, 0.5
DOT_RADIUS = 1.3  # Pixels, of a sample.
SMALLEST_STEP = 4  # Pixels between the circles of 1, 2 and 3 sigma; closer, only the last is drawn.


def point_picture(
    samples: np.ndarray,
    judged: np.ndarray,
    raster: np.ndarray,
    centres: np.ndarray | None = None,
    sigma: float | None = None,
    real: np.ndarray | None = None,
) -> np.ndarray:
    """Samples as dots, the true density and, behind both, a field: uint8 `(384, 384, 3)`.

    The field is white at its median, the more orange the higher it is above that and the more blue
    the lower; full colour is what 2 % of the raster exceed. The true density is a green circle at
    3 sigma of each centre, over the samples (and at 1 and 2, where they are wide enough apart to be
    told), or light green dots under the samples, the real points. Samples beyond the raster are
    pink dots at its edge.

    Args:
        samples: generated points `(n, 2)`; those that are not finite are left out.
        judged: logit, or critic's value, of each point of the raster, `(side * side,)`.
        raster: middles of the cells of a square grid, row by row from the top down,
            `(side * side, 2)`.
        centres, sigma: of a mixture of Gaussians.
        real: real points `(m, 2)`.
    """
    side = round(len(raster) ** 0.5)
    if side < 2 or raster.shape != (side * side, 2) or np.shape(judged) != (side * side,):
        raise ValueError(
            "expected a square raster (side * side, 2) with a value of each point. "
            f"Received: {raster.shape} with {np.shape(judged)}"
        )
    raster = np.asarray(raster, np.float64)
    scale = POINT_PICTURE / side / (raster[1, 0] - raster[0, 0])
    # Pixel 0 is the square from 0 to 1, its middle 0.5.
    corner = raster[0] + np.array([-0.5, 0.5]) * POINT_PICTURE / side / scale

    def to_pixels(points):
        return (np.asarray(points, np.float64) - corner) * (scale, -scale)

    picture = _field(np.asarray(judged, np.float64).reshape(side, side))
    if real is not None:
        opacity = _dots(to_pixels(real), DOT_RADIUS, DENSITY_OPACITY / 3)
        picture = _blend(picture, DENSITY_COLOUR, opacity)
    pixels = to_pixels(samples)
    pixels = pixels[np.isfinite(pixels).all(axis=1)]
    outside = ((pixels < 0) | (pixels > POINT_PICTURE)).any(axis=1)
    edge = np.clip(pixels[outside], DOT_RADIUS, POINT_PICTURE - DOT_RADIUS)
    for points, colour in ((pixels[~outside], SAMPLE_COLOUR), (edge, OUTSIDE_COLOUR)):
        picture = _blend(picture, colour, _dots(points, DOT_RADIUS, SAMPLE_OPACITY))
    if centres is not None:
        radii = [k * sigma * scale for k in (1, 2, 3) if k == 3 or sigma * scale >= SMALLEST_STEP]
        opacity = DENSITY_OPACITY * _circles(to_pixels(centres), radii)
        picture = _blend(picture, DENSITY_COLOUR, opacity)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _field(values: np.ndarray) -> np.ndarray:
    """Colours `(384, 384, 3)`, float, of a field `(side, side)`."""
    values = np.nan_to_num(values - np.median(values), nan=0.0, posinf=0.0, neginf=0.0)
    reach = np.quantile(np.abs(values), 0.98)
    # A field that is flat but for a few cells has no 98th percentile to speak of.
    reach = reach or np.abs(values).max() or 1.0
    shares = np.clip(values / reach, -1, 1).astype(np.float32)
    size = (POINT_PICTURE, POINT_PICTURE)
    fine = np.asarray(Image.fromarray(shares).resize(size, Image.Resampling.BILINEAR), np.float64)
    low, middle, high = FIELD_COLOURS
    towards = np.where(fine[..., np.newaxis] < 0, low, high)
    return middle + np.abs(fine)[..., np.newaxis] * (towards - middle)


def _blend(picture: np.ndarray, colour: Sequence[int], opacity: np.ndarray) -> np.ndarray:
    return picture + opacity[..., np.newaxis] * (np.array(colour, np.float64) - picture)


def _dots(points: np.ndarray, radius: float, opacity: float) -> np.ndarray:
    """Opacity `(384, 384)` of filled circles, in pixels; where dots overlap it adds up to 1."""
    reach = int(np.ceil(radius + 0.5))
    near = np.arange(-reach, reach + 1)
    # One row and column more on each side, for what reaches over the edge.
    through = np.zeros((POINT_PICTURE + 2 * reach + 1,) * 2)
    first = np.floor(points).astype(int)
    for dy in near:
        for dx in near:
            pixel = first + (dx, dy)
            distance = np.linalg.norm(pixel + 0.5 - points, axis=1)
            covered = opacity * np.clip(radius + 0.5 - distance, 0, 1)
            x, y = (pixel + reach).T
            np.add.at(through, (y, x), np.log1p(-covered))
    inside = slice(reach, reach + POINT_PICTURE)
    return -np.expm1(through[inside, inside])


def _circles(centres: np.ndarray, radii: Sequence[float]) -> np.ndarray:
    """Coverage `(384, 384)` of circles one pixel wide."""
    middles = np.arange(POINT_PICTURE) + 0.5
    covered = np.zeros((POINT_PICTURE, POINT_PICTURE))
    for x, y in centres:
        distance = np.hypot(middles - x, middles[:, np.newaxis] - y)
        for radius in radii:
            covered = np.maximum(covered, np.clip(1 - np.abs(distance - radius), 0, 1))
    return covered
