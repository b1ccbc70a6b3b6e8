"""Cuts one combined `A|B` image in the middle, without changing a pixel.

The command, and what becomes of which kind of image, is in data_prep/image_split.py.

PyTurboJPEG with the system's libjpeg-turbo cuts a JPEG in 0.3 ms by moving its coefficients; of the
other bindings jpeglib takes 4 ms, the wheel turbojpeg contains a beta of libjpeg-turbo, simplejpeg
does not crop. isal compresses PNGs four times as fast as zlib. Both are optional: without the
former every half becomes a PNG, without the latter the PNGs take longer.
"""

import contextlib
import functools
import hashlib
import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

try:
    from isal import isal_zlib as deflate
except ImportError:
    import zlib as deflate
try:
    from turbojpeg import TJPF_RGB, TurboJPEG, tjMCUWidth
except ImportError:
    TurboJPEG = None

Format = Literal["auto", "jpeg", "png"]

MAX_PIXELS = 64_000_000
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}  # Pillow's, that RGB uint8 holds exactly.
_ORIENTATION = 0x0112  # EXIF tag, 1 is upright.


class BadImage(Exception):
    """An image that cannot be split; the message says why."""


class Pair(NamedTuple):
    """The halves of one image, as the bytes of two files.

    Attributes:
        a, b: The left and the right half's file.
        suffix: `.jpg` or `.png`.
        width, height: Size of a half in pixels.
    """

    a: bytes
    b: bytes
    suffix: str
    width: int
    height: int


@functools.cache
def load_turbojpeg() -> "TurboJPEG | None":
    """Returns the binding of libjpeg-turbo, or None if it or the library is missing."""
    try:
        return TurboJPEG() if TurboJPEG else None
    except (RuntimeError, OSError):
        return None


@contextlib.contextmanager
def hostile_input() -> Iterator[None]:
    """Makes the image libraries refuse bombs, and raise where they would only warn."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def cut_file(file: Path, format: Format, any_aspect: bool) -> tuple[str, Pair | BadImage]:
    """Returns the SHA-256 of a file, and its halves or what is wrong with it; see `cut`."""
    digest = ""
    try:
        if not file.is_file():
            raise BadImage("is no regular file")
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        return digest, cut(data, format, any_aspect)
    except BadImage as error:
        return digest, error
    except OSError as error:
        return digest, BadImage(f"cannot be read: {error.strerror}")


def cut(data: bytes, format: Format = "auto", any_aspect: bool = False) -> Pair:
    """Cuts a combined image in the middle; bytes not to be trusted, within `hostile_input()`.

    Args:
        data: Bytes of a JPEG or PNG file.
        format: "auto", "jpeg" or "png", as on the command line.
        any_aspect: Accept images that are not twice as wide as high.

    Raises:
        BadImage: The bytes are no such image, or it cannot be cut so.
    """
    image, upright = _open(data)
    turbo = load_turbojpeg() if image.format == "JPEG" and upright else None
    pixels = None if upright else _decode(image, data, turbo)
    width, height = image.size if pixels is None else pixels.shape[1::-1]
    if width % 2 or not (any_aspect or width == 2 * height):
        expected = "an even width" if any_aspect else "a width of twice the height"
        raise BadImage(f"expected {expected}. Received: {width}x{height}")
    half = width // 2
    if turbo and format != "png":
        halves = _crop(turbo, data, half, height, exactly=format == "auto")
        if halves:
            return Pair(*halves, ".jpg", half, height)
    if format == "jpeg":
        raise BadImage(
            "expected an upright JPEG that can be cut in the middle without decoding. "
            f"Received: {width}x{height} {image.format}; --format=auto makes PNG of it"
        )
    pixels = _decode(image, data, turbo) if pixels is None else pixels
    a, b = encode_png(pixels[:, :half]), encode_png(pixels[:, half:])
    return Pair(a, b, ".png", half, height)


def encode_png(pixels: np.ndarray) -> bytes:
    """Encodes a PNG several times faster than Pillow, at the same size.

    One filter for all rows (each row less the one above) replaces the search for the best of five.

    Args:
        pixels: `(height, width, 3)`, uint8, RGB.
    """
    height, width, _ = pixels.shape
    values = pixels.reshape(height, width * 3)
    rows = np.empty((height, 1 + width * 3), np.uint8)
    rows[:, 0] = 2
    rows[0, 1:] = values[0]
    np.subtract(values[1:], values[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", deflate.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", deflate.crc32(kind + body))
        for kind, body in chunks
    )


@contextlib.contextmanager
def _refusal() -> Iterator[None]:
    """Turns whatever hostile bytes raise into BadImage."""
    try:
        yield
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage("is no JPEG and no PNG image") from None
    except Exception as error:
        raise BadImage(f"{type(error).__name__}: {error}") from None


@_refusal()
def _open(data: bytes) -> tuple[Image.Image, bool]:
    """Reads the header of an image; returns it, undecoded, and whether it stands upright."""
    if not data:
        raise BadImage("is empty")
    image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
    if image.mode not in _MODES:
        raise BadImage(f"expected RGB, grey or a palette, 8 bits. Received: mode {image.mode}")
    # Pillow cuts 16-bit colours down to 8 without a word. The byte is IHDR's depth.
    if image.format == "PNG" and data[24] == 16:
        raise BadImage("expected 8 bits a channel. Received: 16")
    if getattr(image, "n_frames", 1) > 1:
        raise BadImage(f"expected one image. Received: {image.n_frames} in one file")
    return image, image.getexif().get(_ORIENTATION, 1) == 1


@_refusal()
def _decode(image: Image.Image, data: bytes, turbo: "TurboJPEG | None") -> np.ndarray:
    """Decodes an image to upright RGB, `(height, width, 3)` uint8, without changing a colour."""
    if turbo:
        with contextlib.suppress(OSError):  # Not for libjpeg-turbo: Pillow has the last word.
            return turbo.decode(data, TJPF_RGB)  # Pillow's pixels in half of its time.
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:
            raise BadImage("expected an opaque image. Received: transparent pixels")
    return np.asarray(image.convert("RGB"))


@_refusal()
def _crop(
    turbo: "TurboJPEG", data: bytes, half: int, height: int, exactly: bool
) -> tuple[bytes, bytes] | None:
    """Cuts a JPEG by moving its coefficients.

    Returns:
        Both halves, or None if the cut is not on the border of a minimum coded unit, or if
        `exactly` is asked for and a half decodes differently from the source.
    """
    try:
        unit = tjMCUWidth[turbo.decode_header(data)[2]]
        if half % unit:
            return None
        boxes = [(0, 0, half, height), (half, 0, half, height)]
        if exactly:
            # Where chroma has half the width a decoder interpolates across the cut, one sample
            # far. Whether that changed a pixel shows in one unit on either side of the cut.
            boxes += [(half - unit, 0, 2 * unit, height)]
            boxes += [(half - unit, 0, unit, height), (half, 0, unit, height)]
        a, b, *strips = turbo.crop_multiple(data, boxes, copynone=True)
        if exactly:
            whole, left, right = map(turbo.decode, strips)
            if not np.array_equal(whole, np.hstack([left, right])):
                return None
    except OSError:  # Not for libjpeg-turbo: Pillow has the last word.
        return None
    return a, b
