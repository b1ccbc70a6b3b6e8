"""Image files: found, checked and named before any training, decoded and written.

JPEG and PNG, of 1 or 3 channels; images of any other number of channels come as NumPy files.
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from gans.command_line.files import replacing

EXTENSIONS = (".jpg", ".jpeg", ".png")
ARRAY_EXTENSION = ".npy"

# What a file header may claim before it counts as a decompression bomb (Pillow's own limit is 89
# MP); up to twice as much Pillow would only warn.
Image.MAX_IMAGE_PIXELS = 64_000_000
warnings.simplefilter("error", Image.DecompressionBombWarning)


class DataError(Exception):
    """The data cannot be used; the message is one line that says what was expected and received."""


def list_images(folder: Path, arrays: bool = False) -> list[str]:
    """Image files below `folder`, as sorted relative paths with forward slashes.

    With `arrays`, NumPy files too.
    """
    extensions = (*EXTENSIONS, ARRAY_EXTENSION) if arrays else EXTENSIONS
    found = []
    for directory, _, names in os.walk(folder):
        relative = Path(directory).relative_to(folder)
        found += [
            (relative / name).as_posix() for name in names if name.lower().endswith(extensions)
        ]
    return sorted(found)


def no_folder(path: str | Path) -> str:
    """What there is in place of a folder, for an error: `no such folder`, or `the file X` where the
    path, or one that it would be below, is that of a file.
    """
    file = next((place for place in (Path(path), *Path(path).parents) if place.is_file()), None)
    return f"the file {file}" if file else "no such folder"


def open_image(path: Path) -> Image.Image:
    """Opens a JPEG or PNG; nothing else, and nothing larger than 64 megapixels, is ever decoded.

    Raises `OSError`, `SyntaxError` or `ValueError`.
    """
    try:
        return Image.open(path, formats=["JPEG", "PNG"])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError("more than 64 megapixels") from None


def is_array(path: str | Path) -> bool:
    """Whether a file is a NumPy file, by its name."""
    return str(path).lower().endswith(ARRAY_EXTENSION)


def open_array(path: str | Path) -> np.ndarray:
    """Maps a uint8 image `(height, width, channels)`, or `(height, width)` for one channel.

    Nothing is unpickled. Raises `OSError` or `ValueError`, also where the file ends early.
    """
    # Not `np.load`, which opens archives and pickles of this name too.
    array = np.lib.format.open_memmap(path, mode="r")
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or not array.size:
        raise ValueError(f"{array.dtype} of shape {array.shape}")
    return array if array.ndim == 3 else array[..., np.newaxis]


def check_files(paths: list[Path]) -> tuple[list[tuple[int, int]], int]:
    """(width, height) of every file, and the channels they all have: 3 for JPEG and PNG.

    Raises `DataError` naming what is no image, and where arrays are mixed with images or differ in
    their channels.
    """
    arrays = [path for path in paths if is_array(path)]
    if not arrays:
        return check_images(paths), 3
    if len(arrays) < len(paths):
        raise DataError(
            f"expected only JPEG and PNG images or only .npy arrays in {arrays[0].parent}. "
            f"Received: {len(paths) - len(arrays)} images and {len(arrays)} arrays"
        )

    def check(path):
        try:
            return open_array(path).shape
        except (OSError, ValueError) as error:
            return f"{path} ({error})"

    shapes = _check_all(paths, check, "uint8 arrays (height, width, channels)")
    channels = Counter(shape[2] for shape in shapes).most_common()
    if len(channels) > 1:
        counts = ", ".join(f"{count} of {number}" for number, count in channels[:5])
        raise DataError(
            f"expected arrays of one number of channels in {arrays[0].parent}. Received: {counts}"
        )
    return [(width, height) for height, width, _ in shapes], channels[0][0]


def check_images(paths: list[Path]) -> list[tuple[int, int]]:
    """(width, height) of every file, read from its header.

    Raises `DataError` naming every file that is no 8-bit grey or RGB image, upright as stored.
    """

    def check(path):
        try:
            with open_image(path) as image:
                if image.mode not in ("L", "RGB"):
                    return f"{path} (colour mode {image.mode})"
                # Not `image.getexif`: a PNG's decodes all of it, in search of a tag at its end.
                if Image.Image.getexif(image).get(0x0112, 1) != 1:
                    return f"{path} (to be rotated by its EXIF tag)"
                return image.size
        except (OSError, SyntaxError):
            return f"{path} (no JPEG or PNG image)"
        except ValueError as error:
            return f"{path} ({error})"

    return _check_all(paths, check, "8-bit grey or RGB images")


def _check_all(paths: list[Path], check: Callable, expected: str) -> list:
    """What `check` says of every file; it gives a text where a file is not as expected."""
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(check, paths))
    bad = [result for result in results if isinstance(result, str)]
    if bad:
        more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
        raise DataError(
            f"expected {expected}. "
            f"Received {len(bad)} of {len(results)} that are not: {', '.join(bad[:10])}{more}"
        )
    return results


def describe_sizes(sizes: list[tuple[int, int]]) -> str:
    """`480 of 512x256, 20 of 300x200`: most frequent first."""
    counts = Counter(sizes).most_common(5)
    return ", ".join(f"{count} of {width}x{height}" for (width, height), count in counts)


def damaged_images(paths: list[Path]) -> list[Path]:
    """Those of `paths` that do not decode to their last pixel."""

    def is_damaged(path):
        try:
            if is_array(path):
                open_array(path)
                return False
            with open_image(path) as image:
                image.load()
        except (OSError, ValueError, SyntaxError):
            return True
        return False

    with ThreadPoolExecutor() as pool:
        return [path for path, bad in zip(paths, pool.map(is_damaged, paths), strict=True) if bad]


def to_uint8(images) -> np.ndarray:
    """Images in [-1, 1], any float type, to uint8 in [0, 255], rounded to the nearest."""
    scaled = (np.asarray(images, dtype=np.float32) + 1.0) * 127.5
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def to_float(images: np.ndarray) -> np.ndarray:
    """float32 images in [-1, 1], from uint8 or from float images in [-1, 1]."""
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 127.5 - 1.0
    return np.asarray(images, np.float32)


def save_png(path: Path, image: np.ndarray):
    """Writes an image `(height, width, 1 or 3)` in [-1, 1] or uint8, whole or not at all."""
    pixels = image if image.dtype == np.uint8 else to_uint8(image)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    with replacing(path) as temporary:
        picture.save(temporary, "PNG")


def save_array(path: Path, array: np.ndarray):
    """Writes a NumPy file `.npy`, whole or not at all."""
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)
