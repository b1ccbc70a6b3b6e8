"""Curves with axes, ticks and a legend."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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
