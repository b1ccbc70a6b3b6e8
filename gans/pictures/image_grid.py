"""Grids of images with names and captions, drawn by Pillow."""

import functools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gans.data.images import to_uint8

SMALLEST_SIDE = 64
GAP = 2  # Pixels between images, and around all of them.
FONT_SIZE, SMALLEST_FONT_SIZE = 13, 8
WIDEST_ROW_NAME = 180
BLOCK_GAP = 8  # Pixels between the blocks of `image_blocks`.
# The font size of a picture of blocks is this share of its width: about 13 pixels high where a page
# shows the picture 640 pixels wide.
BLOCK_FONT_SHARE = 0.02


def image_grid(
    rows: Sequence[Sequence[np.ndarray | None]],
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    smallest_side: int = SMALLEST_SIDE,
) -> np.ndarray:
    """Rows of images as one RGB picture, uint8 `(height, width, 3)`, on a white ground.

    Args:
        rows: images `(height, width, channels)` in [-1, 1], or None for an empty place. Of more
            than 3 channels the first 3 are shown, of 2 the first. An image that is smaller than the
            largest one is at the top left of its place.
        row_names: names of the rows, at the left. A name that is too long is shortened.
        column_names: names of the columns, above them.
        captions: rows of texts, each below its image.
        smallest_side: images narrower than this are enlarged, by the smallest whole number that
            makes them as wide. In pixels.
    """
    images = [image for row in rows for image in row if image is not None]
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    zoom = max(1, math.ceil(smallest_side / width))
    height, width = zoom * height, zoom * width
    font, line = _font(FONT_SIZE), FONT_SIZE + 4
    row_names = [_shortened(name, font, WIDEST_ROW_NAME) for name in row_names]
    left = GAP + max((math.ceil(font.getlength(name)) + 2 * GAP for name in row_names), default=0)
    top = GAP + line * bool(column_names)
    step_x, step_y = width + GAP, height + GAP + line * bool(captions)
    size = (left + max(map(len, rows)) * step_x, top + len(rows) * step_y)
    canvas = Image.new("RGB", size, "white")
    write = functools.partial(ImageDraw.Draw(canvas).text, fill="black", font=font)

    for x, name in enumerate(column_names):
        text = _shortened(name, font, width)
        write((left + x * step_x + width / 2, GAP + line / 2), text, anchor="mm")
    for y, row in enumerate(rows):
        if row_names:
            write((left - 2 * GAP, top + y * step_y + height / 2), row_names[y], anchor="rm")
        for x, image in enumerate(row):
            place = (left + x * step_x, top + y * step_y)
            if image is not None:
                canvas.paste(_enlarged(image, zoom), place)
            if captions:
                middle = (place[0] + width / 2, place[1] + height + line / 2)
                write(middle, captions[y][x], anchor="mm")
    return np.asarray(canvas)


def square_grid(images: Sequence[np.ndarray], smallest_side: int = SMALLEST_SIDE) -> np.ndarray:
    """An `image_grid` of images, read row by row, with about as many rows as columns."""
    columns = -(-len(images) // max(1, round(len(images) ** 0.5)))
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    return image_grid(rows, smallest_side=smallest_side)


def image_blocks(
    blocks: Sequence[tuple[str, np.ndarray]], smallest_side: int = SMALLEST_SIDE
) -> np.ndarray:
    """Image grids side by side, each with its name above it: uint8 RGB `(height, width, 3)`.

    Args:
        blocks: name, and images `(rows, columns, height, width, channels)` in [-1, 1]; all blocks
            have the same number of rows.
        smallest_side: as for `image_grid`.
    """
    pictures = [image_grid(images, smallest_side=smallest_side) for _, images in blocks]
    width = sum(picture.shape[1] + BLOCK_GAP for picture in pictures) - BLOCK_GAP
    font_size = max(FONT_SIZE, round(BLOCK_FONT_SHARE * width))
    header = 2 * font_size
    height = header + max(len(picture) for picture in pictures)
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for (name, _), picture in zip(blocks, pictures, strict=True):
        canvas.paste(Image.fromarray(picture), (left, header))
        centre = (left + picture.shape[1] / 2, header / 2)
        font = _fitting_font(name, font_size, picture.shape[1])
        draw.text(centre, name, "black", font, anchor="mm")
        left += picture.shape[1] + BLOCK_GAP
    return np.asarray(canvas)


def full_contrast(values: np.ndarray) -> np.ndarray:
    """Each of `(n, height, width, channels)` divided by its largest magnitude, so that it fills
    [-1, 1]; 0 stays 0, which is shown as grey.
    """
    return values / np.maximum(np.abs(values).max(axis=(1, 2, 3), keepdims=True), 1e-12)


def _enlarged(image: np.ndarray, zoom: int) -> Image.Image:
    """The image as an RGB picture in which each pixel is a square of `zoom` pixels."""
    pixels = to_uint8(image[..., : 3 if image.shape[-1] >= 3 else 1])
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return Image.fromarray(pixels.repeat(zoom, axis=0).repeat(zoom, axis=1))


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _fitting_font(text: str, largest: int, width: int) -> ImageFont.FreeTypeFont:
    """The largest font in which a text is no wider than `width`, from `largest` downwards."""
    sizes = range(largest, SMALLEST_FONT_SIZE - 1, -1)
    return next(
        (_font(size) for size in sizes if _font(size).getlength(text) <= width),
        _font(SMALLEST_FONT_SIZE),
    )


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
