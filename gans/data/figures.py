"""Pictures of results: blocks of images under names, points over a field, animations."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gans.data.images import grid, open_image

LARGEST_FONT, SMALLEST_FONT = 20, 8
HEADER = 32  # Pixels above the images.
GAP = 8  # Pixels between blocks.

POINT_PICTURE = 384  # Pixels on a side.
# A field from what is judged fake to what is judged real, by way of its median.
FIELD_COLOURS = np.array([(95, 150, 210), (247, 247, 247), (236, 148, 96)], np.float64)
DENSITY_COLOUR, SAMPLE_COLOUR, OUTSIDE_COLOUR = (0, 120, 60), (24, 20, 36), (200, 0, 120)
DENSITY_OPACITY, SAMPLE_OPACITY = 0.8, 0.55
DOT_RADIUS = 1.5  # Pixels, of a sample.
SMALLEST_STEP = 4  # Pixels between the circles of 1, 2 and 3 sigma; closer, only the last is drawn.

MOST_FRAMES = 200


def labelled_blocks(blocks: list[tuple[str, np.ndarray]], zoom: int = 1) -> np.ndarray:
    """One uint8 RGB picture with a block of columns for each label, which is written above it.

    Args:
        blocks: label, and images `(rows, columns, height, width, 1 or 3)` in [-1, 1]; as many rows
            in each.
        zoom: pixels of the picture, on a side, for a pixel of an image.
    """
    pictures = [grid([list(row) for row in images]) for _, images in blocks]
    pictures = [picture.repeat(zoom, axis=0).repeat(zoom, axis=1) for picture in pictures]
    height = HEADER + max(len(picture) for picture in pictures)
    width = sum(picture.shape[1] + GAP for picture in pictures) - GAP
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for (label, _), picture in zip(blocks, pictures, strict=True):
        canvas.paste(Image.fromarray(picture), (left, HEADER))
        centre = (left + picture.shape[1] / 2, HEADER / 2)
        draw.text(centre, label, "black", _fitting_font(label, picture.shape[1]), anchor="mm")
        left += picture.shape[1] + GAP
    return np.asarray(canvas)


def _fitting_font(text: str, width: int) -> ImageFont.FreeTypeFont:
    """The largest font of `LARGEST_FONT` or less in which a text is no wider than `width`."""
    for size in range(LARGEST_FONT, SMALLEST_FONT - 1, -1):
        font = ImageFont.load_default(size)
        if font.getlength(text) <= width:
            break
    return font


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
    told), or light green dots under the samples, the real points. Samples beyond the raster are pink dots at the edge.

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
        opacity = _dots(to_pixels(real), DOT_RADIUS, DENSITY_OPACITY / 4)
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


def save_gif(
    paths: Sequence[Path], out: Path, frame_milliseconds: int = 100, hold_milliseconds: int = 2000
):
    """Writes an endless animation of pictures, whole or not at all.

    Of more than `MOST_FRAMES` pictures it takes as many at equal distances, the first and the last
    among them. All frames have one palette of 256 colours, without dithering, which would flicker.

    Args:
        paths: PNG files of one size, in their order.
        out: the GIF.
        frame_milliseconds: how long each picture is shown.
        hold_milliseconds: how long the last is.

    Raises `ValueError` for no pictures and for pictures of different sizes.
    """
    if not paths:
        raise ValueError("expected at least 1 picture. Received: 0")
    chosen = np.rint(np.linspace(0, len(paths) - 1, min(len(paths), MOST_FRAMES))).astype(int)
    frames = [_read_rgb(paths[index]) for index in chosen]
    sizes = {frame.size for frame in frames}
    if len(sizes) > 1:
        shown = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise ValueError(f"expected pictures of one size. Received: {shown}")
    for_palette = frames[:: -(-len(frames) // 16)] + frames[-1:]
    palette = Image.fromarray(np.concatenate([np.asarray(f)[::2] for f in for_palette])).quantize(
        256, Image.Quantize.MEDIANCUT
    )
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    temporary = out.with_name(f".{out.name}.tmp")
    frames[0].save(
        temporary,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[frame_milliseconds] * (len(frames) - 1) + [hold_milliseconds],
        loop=0,
    )
    os.replace(temporary, out)


def _read_rgb(path: Path) -> Image.Image:
    with open_image(path) as image:
        return image.convert("RGB")
