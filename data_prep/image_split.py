"""Splits combined `A|B` images (pix2pix: edges left, photo right) into the folders of two domains.

    python data_prep/image_split.py --path data/edges2handbags --_dir_ train

reads data/edges2handbags/train and writes .../trainA/<name> and .../trainB/<name>: both halves of
a pair have the same path below their folder, so A and B pair by relative path. Sub-folders are
kept. The only change to a name is the suffix, `.jpg` or `.png` by what the halves are.

Nothing is lost: a half decodes to exactly the pixels of its source, converted to RGB uint8.

- A JPEG is cut by moving its coefficients, if the cut is on the border of a minimum coded unit.
  Where chroma has half the width (4:2:0 and 4:2:2; edges2handbags has it) decoders interpolate it
  across the cut, and the columns on either side of it may decode differently. That is checked, and
  the pair becomes PNG if a pixel differs: a fifth of edges2handbags, half of edges2shoes. With
  `--format=jpeg` those stay JPEG too, and these two columns differ, by up to 18 of 255.
- All else becomes PNG: grey, palette, opaque RGBA, EXIF-turned (the turn is carried out).
- Rejected by name, on the screen and in <_dir_>.image_split_bad.txt: what is damaged, not twice as
  wide as high, CMYK, 16 bits deep, transparent, over 64 megapixels, neither JPEG nor PNG, or whose
  halves would have the names of another's. The others are done; the exit status is 1.
- Metadata (EXIF, ICC profile, comments) is not carried over.

The command given again goes on where it was interrupted, in whatever way: all that is there is
verified by its SHA-256 in <_dir_>.image_split.jsonl, and kept. If there are files that this tool
did not write, or that were changed since, it refuses to start. It never deletes them.

PyTurboJPEG with the system's libjpeg-turbo cuts a JPEG in 0.3 ms, and isal compresses PNGs four
times as fast as zlib (`pip install 'gans[split]'`); without the former all becomes PNG. The other
libraries: jpeglib takes 4 ms, the wheel turbojpeg contains a beta of libjpeg-turbo, simplejpeg does
not crop. One thread of a Zen 5 core on edges2handbags, images/s (benchmarks/image_split.py): 2,200
with `--format=jpeg`, 1,250 with auto and with png; the article's loop, which decodes and encodes,
1,300 with Pillow and 900 with imageio, off by up to 52 of 255. Threads scale like processes (1.7 on
two cores) and die with a kill. The 138,567 images of edges2handbags take about two minutes.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import struct
import sys
import time
import unicodedata
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from gans.training import cli

try:
    from isal import isal_zlib as deflate
except ImportError:
    import zlib as deflate
try:
    from turbojpeg import TJPF_RGB, TurboJPEG, tjMCUWidth
except ImportError:
    TurboJPEG = None
try:
    import fcntl
except ImportError:  # Windows: two runs into one folder at the same time are not noticed there.
    fcntl = None

Item, Result = TypeVar("Item"), TypeVar("Result")

MAX_PIXELS = 64_000_000
TEMPORARY = ".image_split.tmp"
PROGRESS_EVERY = 10_000  # Images, where stderr is no terminal; as in the article.
_BATCH = 16  # Images that a thread takes at a time: a future for each would cost a tenth.
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


def main(
    path: str,
    _dir_: str = "train",
    output: str | None = None,
    overwrite: bool = False,
    format: Literal["auto", "jpeg", "png"] = "auto",
    any_aspect: bool = False,
    workers: int | None = None,
) -> None:
    """Splits the combined A|B images of a folder into the folders of two domains.

    Args:
        path: Folder of the data set.
        _dir_: Its sub-folder to split, such as train or val.
        output: Folder to hold <_dir_>A and <_dir_>B; none is path.
        overwrite: Replace what an earlier run made from a source that has changed since, or with
            another format. Files that this tool did not write are never touched.
        format: auto writes JPEG where it decodes to the source's very pixels, PNG elsewhere; jpeg
            keeps the source's coefficients, may decode differently beside the cut, and refuses
            what cannot be cut so; png writes PNG.
        any_aspect: Accept images that are not twice as wide as high.
        workers: Number of threads; none is one for each core.
    """
    started = time.monotonic()
    if workers is not None and workers < 1:
        raise cli.UsageError(f"--workers expects 1 or more. Received: {workers}")
    if format == "jpeg" and load_turbojpeg() is None:
        raise cli.UsageError(
            "--format=jpeg expects PyTurboJPEG (pip install 'gans[split]') and the system's "
            "libjpeg-turbo (Debian libturbojpeg0, Ubuntu libturbojpeg, Homebrew jpeg-turbo). "
            "Received: at least one of them is missing"
        )
    workers = workers or cores()
    folder = _source_folder(path, _dir_)
    root = Path(path if output is None else output).expanduser()
    if folder in (root, *root.parents):
        raise cli.UsageError(f"--output expects a folder outside of {folder}. Received: {root}")
    sources, bad, ignored = find_sources(folder)
    total = len(sources) + len(bad)

    with open_outputs(root, PurePosixPath(_dir_).as_posix()) as outputs:
        unfinished = outputs.unfinished(folder, sources, format, overwrite, workers)
        print(f"Images to process: {total}")
        if ignored:
            print(f"Ignored, not images by their names: {len(ignored)}, such as {ignored[0]!r}")
        if format == "auto" and load_turbojpeg() is None:
            print("PyTurboJPEG or libjpeg-turbo is missing: every half becomes a PNG")

        def cut_file(key: str) -> tuple[str, Pair | BadImage]:
            return _cut_file(folder / sources[key], format, any_aspect)

        suffixes: Counter[str] = Counter()
        with hostile_input(), tqdm(total=len(unfinished), unit=" images", disable=None) as bar:
            for number, (digest, result) in enumerate(in_order(cut_file, unfinished, workers), 1):
                key = unfinished[number - 1]
                if isinstance(result, BadImage):
                    bad[sources[key]] = str(result)
                else:
                    outputs.write(key, sources[key], digest, format, result)
                    suffixes[result.suffix] += 1
                bar.update()
                if bar.disable and number % PROGRESS_EVERY == 0:
                    print(f"the number of input images processed : {number}", file=sys.stderr)

        there = len(sources) - len(unfinished)
        for half_folder in outputs.folders:
            print(f"No of images written to {half_folder} is {there + suffixes.total()}")
        print(
            f"{suffixes['.jpg']} pairs as JPEG, {suffixes['.png']} as PNG, {there} were there "
            f"already; {time.monotonic() - started:.1f} s"
        )
        if gone := len(outputs.history.keys() - sources.keys()):
            print(f"{gone} pairs of earlier runs were left in place; their sources are gone or bad")
        _report(outputs.report, bad, total)


# Which images there are, and what came of them.


def find_sources(folder: Path) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Finds the images of a folder and of its sub-folders.

    Returns:
        Sources: key (relative path without suffix, `/` between the parts) to relative path. Bad
        ones: relative path to the reason, here two names of which one file system would make one.
        Ignored: relative paths of hidden files, and of those whose suffix is no image format's.

    Raises:
        UsageError: There is no image.
    """
    known = Image.registered_extensions()
    same: dict[str, dict[str, str]] = {}
    ignored = []
    for name in _files(folder):
        path = PurePosixPath(name)
        if path.suffix.lower() in known and not any(part.startswith(".") for part in path.parts):
            key = path.with_suffix("").as_posix()
            same.setdefault(unicodedata.normalize("NFC", key).casefold(), {})[name] = key
        else:
            ignored.append(name)
    if not same:
        raise cli.UsageError(
            f"expected combined A|B images (.jpg, .png) in {folder}. "
            f"Received: {len(ignored)} files, none of them an image by its name"
        )
    sources, bad = {}, {}
    for names in same.values():
        for name, key in names.items():
            others = [other for other in names if other != name]
            if others:
                bad[name] = f"halves of {', '.join(map(repr, others))} would have the same name"
            else:
                sources[key] = name
    return sources, bad, ignored


def _source_folder(path: str, split: str) -> Path:
    parts = PurePosixPath(split).parts
    if not parts or ".." in parts or PurePosixPath(split).is_absolute():
        raise cli.UsageError(
            f"--_dir_ expects the name of a folder in --path, such as train. Received: {split!r}"
        )
    root = Path(path).expanduser()
    if not (root / split).is_dir():
        found = f"{root} is no folder"
        if root.is_dir():
            names = sorted(entry.name for entry in root.iterdir())[:5]
            found = f"{root} holds {', '.join(map(repr, names)) or 'nothing'}"
        raise cli.UsageError(f"expected combined A|B images in {root / split}. Received: {found}")
    return root / split


def _files(folder: Path) -> list[str]:
    """Relative paths of all that is in a folder, `/` between the parts, sorted."""

    def refuse(error: OSError) -> None:
        raise cli.UsageError(f"expected a folder that can be read. Received: {error}")

    names = []
    for directory, folders, files in os.walk(folder, onerror=refuse):
        # Links to folders are not followed: they count as files.
        files += [name for name in folders if os.path.islink(os.path.join(directory, name))]
        relative = Path(directory).relative_to(folder).as_posix()
        names += files if relative == "." else [f"{relative}/{name}" for name in files]
    return sorted(names)


def _report(file: Path, bad: dict[str, str], total: int) -> None:
    """Writes which images could not be split and why; raises Failure if there are any."""
    title = f"{len(bad)} of {total} images could not be split"
    lines = [
        f"{name if name.isprintable() else ascii(name)}: {reason}"
        for name, reason in sorted(bad.items())
    ]
    file.write_text("\n".join([title, *lines, ""]), encoding="utf-8")
    if bad:
        print("\n".join(lines), file=sys.stderr)
        raise cli.Failure(f"{title}, all others are done; their names are in {file}")


def in_order(
    function: Callable[[Item], Result], items: list[Item], workers: int
) -> Iterator[Result]:
    """Yields `function(item)` for every item, in order; threads run ahead by a few batches."""
    if workers == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[list[Result]]] = deque()
        try:
            for start in range(0, len(items), _BATCH):
                pending.append(pool.submit(list, map(function, items[start : start + _BATCH])))
                if len(pending) > 2 * workers:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


# One image.


@functools.cache
def load_turbojpeg() -> "TurboJPEG | None":
    """Returns the binding of libjpeg-turbo, or None if it or the library is missing."""
    try:
        return TurboJPEG() if TurboJPEG else None
    except (RuntimeError, OSError):
        return None


def cut(data: bytes, format: str = "auto", any_aspect: bool = False) -> Pair:
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


def _cut_file(file: Path, format: str, any_aspect: bool) -> tuple[str, Pair | BadImage]:
    """Returns the SHA-256 of a file, and its halves or what is wrong with it."""
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
    with contextlib.suppress(OSError):  # Not for libjpeg-turbo: Pillow has the last word.
        unit = tjMCUWidth[turbo.decode_header(data)[2]]
        if half % unit:
            return None
        boxes = [(0, 0, half, height), (half, 0, half, height)]
        # Where chroma has half the width a decoder interpolates across the cut, one sample far.
        # Whether that changed a pixel shows in one unit on either side of the cut.
        strips = [(half - unit, 0, 2 * unit, height)]
        strips += [(half - unit, 0, unit, height), (half, 0, unit, height)]
        a, b, *strips = turbo.crop_multiple(data, boxes + strips * exactly, copynone=True)
        if exactly:
            whole, left, right = map(turbo.decode, strips)
            if not np.array_equal(whole, np.hstack([left, right])):
                return None
        return a, b
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


# What was written.


@contextlib.contextmanager
def open_outputs(root: Path, split: str) -> Iterator["Outputs"]:
    """Opens the two folders of a split for writing, and keeps other runs out of them.

    Args:
        root: Folder that holds both; made if it is missing.
        split: Name of the folder that is split.

    Raises:
        UsageError: The folders cannot be written, or another run writes to them.
    """
    folders = (root / f"{split}A", root / f"{split}B")
    manifest = root / f"{split}.image_split.jsonl"
    with contextlib.ExitStack() as stack:
        try:
            manifest.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(manifest.open("a+b"))
            _lock(file)
            for folder in folders:
                folder.mkdir(exist_ok=True)
                (folder / TEMPORARY).write_bytes(b"")
                (folder / TEMPORARY).unlink()
        except OSError as error:
            raise cli.UsageError(f"expected to write to {root}. Received: {error}") from None
        yield Outputs(folders, file, root / f"{split}.image_split_bad.txt")


class Outputs:
    """The two folders of a split, and the manifest of what this tool wrote there.

    The manifest has a line of JSON for every pair, announced before the files are written: so
    whatever a kill leaves behind is known to be the tool's own.

    Args:
        folders: Those of A and B.
        manifest: Open for reading and appending.
        report: File for the names of bad images.
    """

    def __init__(self, folders: tuple[Path, Path], manifest: BinaryIO, report: Path) -> None:
        self.folders = folders
        self.report = report
        self.history: dict[str, list[dict[str, Any]]] = {}
        self._manifest = manifest
        manifest.seek(0)
        content = manifest.read()
        if content and not content.endswith(b"\n"):
            manifest.write(b"\n")  # A kill cut the last line; what it announced was not written.
        for line in content.splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                self.history.setdefault(record["key"], []).append(record)

    def unfinished(
        self, folder: Path, sources: dict[str, str], format: str, overwrite: bool, workers: int
    ) -> list[str]:
        """Finds what is to be done, by the SHA-256 of all that was written earlier.

        Args:
            folder: Folder of the sources.
            sources: Key to relative path, as `find_sources` returns them.
            format: Format asked for.
            overwrite: Count pairs as unfinished whose source or format has changed.
            workers: Number of threads.

        Returns:
            Keys of the pairs that are not there whole.

        Raises:
            UsageError: The folders hold files that this tool did not write, or that were changed
                since, or, without `overwrite`, pairs whose source or format has changed.
        """
        known = {record["name"] for records in self.history.values() for record in records}
        for half_folder in self.folders:
            files = _files(half_folder)
            stale = [name for name in files if PurePosixPath(name).name == TEMPORARY]
            foreign = sorted({*files} - known - {*stale})
            if foreign:
                raise cli.UsageError(
                    f"expected {half_folder} to hold only what this tool wrote. Received: "
                    f"{len(foreign)} other files, such as {foreign[0]!r}; give another --output"
                )
            for name in stale:
                (half_folder / name).unlink()

        keys = [key for key in sources if key in self.history]

        def state(key: str) -> str | Path:
            return self._state(key, folder / sources[key], format)

        states = dict(zip(keys, in_order(state, keys, workers), strict=True))
        changed = [state for state in states.values() if isinstance(state, Path)]
        if changed:
            raise cli.UsageError(
                f"expected the files as this tool wrote them. Received: {len(changed)} that were "
                f"changed since: {', '.join(map(str, changed[:5]))}; move them away"
            )
        outdated = [key for key, state in states.items() if state == "outdated"]
        if outdated and not overwrite:
            raise cli.UsageError(
                f"expected the sources and the --format of the earlier run. Received: "
                f"{len(outdated)} pairs in {self.folders[0]} and B that were made from other ones, "
                f"such as {outdated[0]!r}; --overwrite replaces them"
            )
        return [key for key in sources if states.get(key) != "done"]

    def _state(self, key: str, source: Path, format: str) -> str | Path:
        """Returns "done", "missing" or "outdated", or a file that is not as it was written."""
        history = self.history[key]
        written: dict[Path, set[str]] = {}
        for record in history:
            for folder, side in zip(self.folders, "ab", strict=True):
                written.setdefault(folder / record["name"], set()).add(record[f"sha256_{side}"])
        found = {file: _sha256(file) for file in written if file.exists()}
        for file, digest in found.items():
            if digest not in written[file]:
                return file
        last = history[-1]
        if found != {
            folder / last["name"]: last[f"sha256_{side}"]
            for folder, side in zip(self.folders, "ab", strict=True)
        }:
            return "missing"
        same = last["format"] == format and last["source_sha256"] == _sha256(source)
        return "done" if same else "outdated"

    def write(self, key: str, source: str, digest: str, format: str, pair: Pair) -> None:
        """Writes the files of a pair, and removes the earlier ones of another suffix."""
        name = key + pair.suffix
        record = {
            "key": key,
            "name": name,
            "sha256_a": hashlib.sha256(pair.a).hexdigest(),
            "sha256_b": hashlib.sha256(pair.b).hexdigest(),
            "size_a": len(pair.a),
            "size_b": len(pair.b),
            "width": pair.width,
            "height": pair.height,
            "format": format,
            "source": source,
            "source_sha256": digest,
        }
        self._manifest.write(json.dumps(record).encode() + b"\n")
        self._manifest.flush()
        earlier = {record["name"] for record in self.history.get(key, [])} - {name}
        for folder, data in zip(self.folders, (pair.a, pair.b), strict=True):
            if "/" in name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _replace(f"{folder}/{name}", data)
            for other in earlier:
                (folder / other).unlink(missing_ok=True)


def _lock(file: BinaryIO) -> None:
    """Locks a file until it is closed, where the file system knows locks."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise cli.UsageError(f"expected no other run that writes to {file.name}") from None
    except OSError:
        pass


def _replace(file: str, data: bytes) -> None:
    """Writes a file whole or not at all."""
    temporary = os.path.join(os.path.dirname(file), TEMPORARY)
    with open(temporary, "wb") as stream:
        stream.write(data)
    os.replace(temporary, file)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    cli.run(main)
