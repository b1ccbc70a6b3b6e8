"""Animations, as GIF files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gans.command_line.files import replacing
from gans.data.images import open_image

MOST_FRAMES = 200
PALETTE_PIXELS = 20_000  # At most, at even distances, of which the palette is made.
# How long each frame of an animation that goes there and back is shown.
INTERPOLATION_MILLISECONDS = 120


def save_gif(
    frames: Sequence[Path | np.ndarray],
    path: Path,
    frame_milliseconds: int = 100,
    hold_milliseconds: int = 2000,
):
    """Writes an endless animation, whole or not at all.

    Of more than `MOST_FRAMES` frames it takes as many at equal distances, the first and the last
    among them. All frames have one palette of 256 colours, without dithering, which would flicker.

    Args:
        frames: image files, or pictures uint8 `(height, width, 1 or 3)`, in their order and of one
            size.
        path: of the GIF.
        frame_milliseconds: how long each frame is shown.
        hold_milliseconds: how long the last one is shown.

    Raises `ValueError` for no frames and for frames of different sizes.
    """
    if not len(frames):
        raise ValueError("expected at least 1 frame. Received: 0")
    chosen = np.rint(np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES))).astype(int)
    images = [_read_rgb(frames[index]) for index in chosen]
    sizes = {image.size for image in images}
    if len(sizes) > 1:
        received = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        raise ValueError(f"expected frames of one size. Received: {received}")
    pixels = np.concatenate([np.asarray(image).reshape(1, -1, 3) for image in images], axis=1)
    pixels = np.ascontiguousarray(pixels[:, :: -(-pixels.shape[1] // PALETTE_PIXELS)])
    palette = Image.fromarray(pixels).quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    with replacing(path) as temporary:
        images[0].save(
            temporary,
            "GIF",
            save_all=True,
            append_images=images[1:],
            duration=[frame_milliseconds] * (len(images) - 1) + [hold_milliseconds],
            loop=0,
        )


def save_there_and_back(frames: Sequence[np.ndarray], path: Path):
    """Writes an animation from the first frame to the last and back again, as `save_gif` does."""
    save_gif(
        [*frames, *frames[-2:0:-1]], path, INTERPOLATION_MILLISECONDS, INTERPOLATION_MILLISECONDS
    )


def _read_rgb(frame: Path | np.ndarray) -> Image.Image:
    if isinstance(frame, np.ndarray):
        return Image.fromarray(np.broadcast_to(frame, (*frame.shape[:2], 3)))
    with open_image(frame) as image:
        return image.convert("RGB")
