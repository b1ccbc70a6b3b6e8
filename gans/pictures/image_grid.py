"""Sheets of pictures: rows with their names at the left, columns with theirs above, and numbers."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gans.data.images import to_uint8

# Smaller images are drawn larger, by a whole number.
SMALLEST_CELL = 64
GAP = 4  # Pixels between cells.
FONT = 13
WIDEST_NAME = 180

LARGEST_FONT, SMALLEST_FONT = 20, 8
BLOCK_HEADER = 32  # Pixels above the images.
BLOCK_GAP = 8  # Pixels between blocks.


def sheet(
    rows: Sequence[Sequence[np.ndarray | None]],
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
) -> np.ndarray:
    """One uint8 RGB picture `(height, width, 3)` of rows of images of one size.

    Args:
        rows: images `(height, width, 1 or 3)` in [-1, 1]; None leaves the place empty.
        row_names: a name per row, or none; shortened where it is long.
        column_names: of the columns, likewise.
        captions: a text below each image, by row, or none.
    """
    zoom = magnification(rows)
    height, width = next(image for row in rows for image in row if image is not None).shape[:2]
    height, width = zoom * height, zoom * width
    font = ImageFont.load_default(FONT)
    names = [_shortened(name, font, WIDEST_NAME) for name in row_names]
    columns = max(map(len, rows))
    left = GAP + max((math.ceil(font.getlength(name)) + GAP for name in names), default=0)
    line = FONT + GAP
    top = GAP + line * bool(column_names)
    below = line * bool(captions)
    step_x, step_y = width + GAP, height + below + GAP
    canvas = Image.new("RGB", (left + columns * step_x, top + len(rows) * step_y), "white")
    draw = ImageDraw.Draw(canvas)

    def write(x, y, text, anchor):
        draw.text((x, y), text, "black", font, anchor)

    for x, name in enumerate(column_names):
        text = _shortened(name, font, width)
        write(left + x * step_x + width / 2, top - GAP - FONT / 2, text, "mm")
    for y, row in enumerate(rows):
        if names:
            write(left - GAP, top + y * step_y + height / 2, names[y], "rm")
        for x, image in enumerate(row):
            if image is None:
                continue
            pixels = to_uint8(image).repeat(zoom, axis=0).repeat(zoom, axis=1)
            pixels = np.broadcast_to(pixels, (height, width, 3))
            canvas.paste(Image.fromarray(pixels), (left + x * step_x, top + y * step_y))
            if captions:
                middle = left + x * step_x + width / 2
                write(middle, top + y * step_y + height + line / 2, captions[y][x], "mm")
    return np.asarray(canvas)


def shown(images: np.ndarray) -> np.ndarray:
    """The channels of images that a picture has: 3, or of fewer the first."""
    return images[..., : 3 if images.shape[-1] >= 3 else 1]


def brightest(values: np.ndarray) -> np.ndarray:
    """Each of `(n, height, width, channels)` made as strong as [-1, 1] holds; 0 stays 0, grey."""
    return values / np.maximum(np.abs(values).max(axis=(1, 2, 3), keepdims=True), 1e-12)


def block(images: Sequence[np.ndarray]) -> np.ndarray:
    """A `sheet` of images in rows, about as many as columns."""
    width = -(-len(images) // max(1, round(len(images) ** 0.5)))
    return sheet([images[start : start + width] for start in range(0, len(images), width)])


def magnification(rows: Sequence[Sequence[np.ndarray | None]]) -> int:
    """Pixels of a sheet, on a side, for a pixel of its images."""
    width = next(image for row in rows for image in row if image is not None).shape[1]
    return max(1, math.ceil(SMALLEST_CELL / width))


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def labelled_blocks(blocks: list[tuple[str, np.ndarray]], zoom: int = 1) -> np.ndarray:
    """One uint8 RGB picture with a block of columns for each label, which is written above it.

    Args:
        blocks: label, and images `(rows, columns, height, width, 1 or 3)` in [-1, 1]; as many rows
            in each.
        zoom: pixels of the picture, on a side, for a pixel of an image.
    """
    pictures = [grid([list(row) for row in images]) for _, images in blocks]
    pictures = [picture.repeat(zoom, axis=0).repeat(zoom, axis=1) for picture in pictures]
    height = BLOCK_HEADER + max(len(picture) for picture in pictures)
    width = sum(picture.shape[1] + BLOCK_GAP for picture in pictures) - BLOCK_GAP
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for (label, _), picture in zip(blocks, pictures, strict=True):
        canvas.paste(Image.fromarray(picture), (left, BLOCK_HEADER))
        centre = (left + picture.shape[1] / 2, BLOCK_HEADER / 2)
        draw.text(centre, label, "black", _fitting_font(label, picture.shape[1]), anchor="mm")
        left += picture.shape[1] + BLOCK_GAP
    return np.asarray(canvas)


def _fitting_font(text: str, width: int) -> ImageFont.FreeTypeFont:
    """The largest font of `LARGEST_FONT` or less in which a text is no wider than `width`."""
    for size in range(LARGEST_FONT, SMALLEST_FONT - 1, -1):
        font = ImageFont.load_default(size)
        if font.getlength(text) <= width:
            break
    return font


def grid(rows: list[list[np.ndarray]], gap: int = 2) -> np.ndarray:
    """Rows of images `(height, width, channels)` in [-1, 1] to one uint8 RGB picture.

    Of more than 3 channels the first 3 are shown, of 2 the first.
    """
    cells = [
        [to_uint8(image[..., : 3 if image.shape[-1] >= 3 else 1]) for image in row] for row in rows
    ]
    height = max(image.shape[0] for row in cells for image in row)
    width = max(image.shape[1] for row in cells for image in row)
    columns = max(len(row) for row in cells)
    shape = (len(cells) * (height + gap) + gap, columns * (width + gap) + gap, 3)
    picture = np.full(shape, 255, np.uint8)
    for y, row in enumerate(cells):
        for x, image in enumerate(row):
            top, left = gap + y * (height + gap), gap + x * (width + gap)
            picture[top : top + image.shape[0], left : left + image.shape[1]] = image
    return picture
