"""Animations of pictures, as GIF files."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gans.data.images import open_image, save_png

MOST_FRAMES = 200
GIF_MILLISECONDS = 120


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


def save_film(path: Path, frames: list[np.ndarray]):
    """Writes pictures uint8 `(height, width, 3)` as a GIF, there and back, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.png" for number in range(len(frames))]
        for frame, picture in zip(paths, frames, strict=True):
            save_png(frame, picture)
        there_and_back = [*paths, *paths[-2:0:-1]]
        save_gif(there_and_back, path, GIF_MILLISECONDS, GIF_MILLISECONDS)
