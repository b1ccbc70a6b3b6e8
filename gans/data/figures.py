"""Pictures of results: blocks of images under names, points over a field, animations, curves."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gans.data.images import grid, open_image

LARGEST_FONT, SMALLEST_FONT = 20, 8
HEADER = 32  # Pixels above the images.
GAP = 8  # Pixels between blocks.

POINT_PICTURE = 384  # Pixels on a side.
# A field from what is judged fake to what is judged real, by way of its median.
FIELD_COLOURS = np.array([(95, 150, 210), (247, 247, 247), (236, 148, 96)], np.float64)
DENSITY_COLOUR, SAMPLE_COLOUR, OUTSIDE_COLOUR = (0, 160, 80), (24, 20, 36), (200, 0, 120)
DENSITY_OPACITY, SAMPLE_OPACITY = 0.9, 0.5
DOT_RADIUS = 1.3  # Pixels, of a sample.
SMALLEST_STEP = 4  # Pixels between the circles of 1, 2 and 3 sigma; closer, only the last is drawn.

MOST_FRAMES = 200

PLOT_WIDTH = 640
PLOT_BOX = (76, 36, 620, 336)  # Left, top, right and bottom of the axes.
PLOT_FOOT, LEGEND_ROW = 46, 20  # Pixels below the axes, then of each row of the legend.
LINE_COLOURS = (
    (31, 98, 176),
    (214, 92, 36),
    (20, 140, 90),
    (150, 70, 160),
    (90, 90, 90),
    (190, 150, 20),
)


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


class Line(NamedTuple):
    """A curve of `line_plot`: its name in the legend, x and y `(n,)`, and whether it is dashed.

    Points that are not finite, and on a logarithmic axis those that are not positive, are gaps.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    dashed: bool = False


def line_plot(
    lines: Sequence[Line],
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
) -> np.ndarray:
    """Curves with axes, ticks and a legend below, uint8 `(height, 640, 3)`.

    The axes reach from the least to the greatest value of all lines. Lines take the colours of
    `LINE_COLOURS` in their order, of which there are 6; a dashed line takes that of the line before
    it.

    Args:
        lines: the curves.
        title, x_label, y_label: texts.
        log_x, log_y: a logarithmic axis, with a tick at powers of 10.
    """
    drawable = [_drawable(line, log_x, log_y) for line in lines]
    points = np.concatenate(drawable) if lines else np.empty((0, 2))
    if not np.isfinite(points).all(axis=1).any():
        raise ValueError("expected lines with at least 1 point that can be drawn. Received: none")
    # Each column for itself: an axis goes on where there is nothing to draw.
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    # An axis along which nothing changes has its value in the middle.
    low, high = np.where(low == high, low - 1, low), np.where(low == high, high + 1, high)
    margin = 0.04 * (high - low)[1]
    low, high = low - (0, margin), high + (0, margin)

    left, top, right, bottom = PLOT_BOX
    height = bottom + PLOT_FOOT + LEGEND_ROW * -(-len(lines) // 2)
    zoom = 2  # Drawn twice as large, then halved: smooth.
    canvas = Image.new("RGB", (zoom * PLOT_WIDTH, zoom * height), "white")
    draw = ImageDraw.Draw(canvas)
    small, large = (ImageFont.load_default(zoom * size) for size in (12, 15))

    def write(x, y, text, anchor, font=small):
        draw.text((zoom * x, zoom * y), text, (40, 40, 40), font, anchor)

    def stroke(corners, colour, width):
        flat = [(zoom * float(x), zoom * float(y)) for x, y in corners]
        draw.line(flat, colour, width, joint="curve")

    def place(values):
        shares = (values - low) / (high - low)
        return np.stack(
            [left + shares[:, 0] * (right - left), bottom - shares[:, 1] * (bottom - top)], axis=1
        )

    for at, text in _ticks(low[0], high[0], log_x):
        x = place(np.array([[at, low[1]]]))[0, 0]
        stroke([(x, top), (x, bottom)], (228, 228, 228), zoom)
        write(x, bottom + 6, text, "mt")
    for at, text in _ticks(low[1], high[1], log_y):
        y = place(np.array([[low[0], at]]))[0, 1]
        stroke([(left, y), (right, y)], (228, 228, 228), zoom)
        write(left - 6, y, text, "rm")
    frame = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    stroke(frame, (120, 120, 120), zoom)
    write((left + right) / 2, top / 2, title, "mm", large)
    write((left + right) / 2, bottom + 24, x_label, "mt")
    _write_upwards(canvas, y_label, small, (zoom * 14, zoom * (top + bottom) // 2))

    colour = -1
    for number, (line, values) in enumerate(zip(lines, drawable, strict=True)):
        colour += not line.dashed or colour < 0
        shade = LINE_COLOURS[colour % len(LINE_COLOURS)]
        for run in _runs(place(values)):
            for piece in _dashes(run) if line.dashed else [run]:
                stroke(piece, shade, 2 * zoom)
        x = left + number % 2 * (right - left) / 2
        y = bottom + PLOT_FOOT + (number // 2 + 0.4) * LEGEND_ROW
        sample = np.array([(x, y), (x + 28, y)])
        for piece in _dashes(sample) if line.dashed else [sample]:
            stroke(piece, shade, 2 * zoom)
        write(x + 36, y, line.name, "lm")
    return np.asarray(canvas.reduce(zoom))


def _drawable(line: Line, log_x: bool, log_y: bool) -> np.ndarray:
    """Points `(n, 2)` of a line, of a logarithmic axis the exponents; NaN is what has no place."""
    columns = []
    for values, log in ((line.x, log_x), (line.y, log_y)):
        values = np.asarray(values, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns.append(np.log10(values) if log else values)
    points = np.stack(columns, axis=1)
    return np.where(np.isfinite(points), points, np.nan)


def _ticks(low: float, high: float, log: bool) -> list[tuple[float, str]]:
    """Places on an axis, and what is written there: about 6 round numbers or powers of 10."""
    step = 10.0 ** np.floor(np.log10((high - low) / 5))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    step = max(1.0, np.ceil(step)) if log else step
    numbers = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    if not log:
        places = max(0, -int(np.floor(np.log10(step) + 1e-9)))
        return [(at, f"{at + 0.0:.{places}f}") for at in numbers]
    return [(at, f"{10.0**at:g}") for at in numbers]


def _runs(points: np.ndarray) -> list[np.ndarray]:
    """A curve cut at its gaps; a point that is alone becomes a short stroke."""
    good = np.isfinite(points).all(axis=1)
    edges = np.flatnonzero(np.diff(good)) + 1
    runs = [run for run in np.split(points, edges) if len(run) and np.isfinite(run[0]).all()]
    return [run if len(run) > 1 else run + np.array([(-1.0, 0.0), (1.0, 0.0)]) for run in runs]


def _dashes(points: np.ndarray, length: float = 6.0) -> list[np.ndarray]:
    """Every second piece of a curve, each `length` pixels long."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    pieces = []
    for start in np.arange(0, along[-1], 2 * length):
        end = min(start + length, along[-1])
        at = np.concatenate([[start], along[(along > start) & (along < end)], [end]])
        pieces.append(np.stack([np.interp(at, along, column) for column in points.T], axis=1))
    return pieces


def _write_upwards(
    canvas: Image.Image, text: str, font: ImageFont.FreeTypeFont, middle: tuple[int, int]
):
    left, top, right, bottom = (int(side) for side in font.getbbox(text))
    label = Image.new("RGB", (max(1, right - left), max(1, bottom - top)), "white")
    ImageDraw.Draw(label).text((-left, -top), text, (40, 40, 40), font)
    label = label.rotate(90, expand=True)
    canvas.paste(label, (middle[0] - label.width // 2, middle[1] - label.height // 2))
