"""Pictures that compare: blocks of images side by side, each under its name."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gans.data.images import grid

LARGEST_FONT, SMALLEST_FONT = 20, 8
HEADER = 32  # Pixels above the images.
GAP = 8  # Pixels between blocks.


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
