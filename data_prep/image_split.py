"""Splits combined `A|B` images (pix2pix: edges left, photo right) into the folders of two domains.

    python data_prep/image_split.py --path data/edges2handbags --_dir_ train

reads data/edges2handbags/train and writes .../trainA/NAME.png and .../trainB/NAME.png: both halves
of an image have the same path below their folder, sub-folders included. A half has exactly the
pixels of its image, whatever that is: JPEG or PNG, in colours, grey or with a palette.
`--format=jpeg` keeps JPEGs what they are: libjpeg-turbo moves their coefficients without decoding
them (`pip install 'gans[split]'`). Only beside the cut, where decoders interpolate chroma across
it, may two columns then differ. PNGs take three times the CPU time of the article's loop, which
encodes JPEGs anew, and JPEGs two thirds of it (benchmarks/image_split.py).

What cannot be split is named on stderr, all others are done, and the exit status is 1. The command
given again goes on where it was interrupted. Nothing that is there is deleted or overwritten.
"""

import functools
import io
import json
import os
import sys
import unicodedata
import warnings
from collections import defaultdict
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from typing import Literal

from PIL import Image, ImageOps
from tqdm import tqdm

from data_prep.running import only_run, say
from gans.command_line import cli
from gans.command_line.errors import Failure, UsageError, check_at_least, usage_errors
from gans.command_line.files import check_folder, write_text
from gans.command_line.jobs import count_cores

try:
    from turbojpeg import TurboJPEG
except ImportError:
    TurboJPEG = None

Format = Literal["png", "jpeg"]
MAX_PIXELS = 64_000_000


class BadImage(Exception):
    """An image that cannot be split; the message says why."""


@functools.cache
def load_turbojpeg() -> "TurboJPEG | None":
    """Returns the binding of libjpeg-turbo, or None if it or the library is missing."""
    try:
        return TurboJPEG() if TurboJPEG else None
    except (RuntimeError, OSError):
        return None


def cut(data: bytes, format: Format = "png", any_aspect: bool = False) -> tuple[bytes, bytes]:
    """Returns the files of the two halves of a combined image, a JPEG or PNG, cut in the middle.

    Raises `BadImage` if the bytes, which may be anything, are no such image, or it cannot be cut.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        kind = image.format
        if image.width * image.height > MAX_PIXELS:
            raise BadImage(f"expected at most {MAX_PIXELS:,} pixels. Received: {image.size}")
        if getattr(image, "n_frames", 1) > 1:
            raise BadImage(f"expected one image. Received: {image.n_frames} in one file")
        # Pillow cuts colours of 16 bits, a depth that IHDR tells, down to 8 without a word.
        deep = kind == "PNG" and data[24] == 16 and not image.mode.startswith("I")
        if deep or image.mode == "CMYK":
            raise BadImage(f"expected RGB or grey of 8 bits. Received: {image.mode}, deep={deep}")
        turned = image.getexif().get(0x0112, 1) != 1
        if turned:
            image = ImageOps.exif_transpose(image)
        width, height = image.size
        if width % 2 or not (any_aspect or width == 2 * height):
            expected = "an even width" if any_aspect else "a width of twice the height"
            raise BadImage(f"expected {expected}. Received: {width}x{height}")
        half = width // 2
        if format == "jpeg":
            if kind != "JPEG" or turned:
                raise BadImage(f"expected an upright JPEG. Received: {kind}, turned={turned}")
            boxes = [(0, 0, half, height), (half, 0, half, height)]
            return tuple(load_turbojpeg().crop_multiple(data, boxes, copynone=True))
        files = io.BytesIO(), io.BytesIO()
        for file, left in zip(files, (0, half), strict=True):
            image.crop((left, 0, left + half, height)).save(file, "PNG", compress_level=1)
        return files[0].getvalue(), files[1].getvalue()
    except BadImage:
        raise
    except Exception as error:
        raise BadImage(" ".join(f"{type(error).__name__}: {error}".split())) from error


def find_sources(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Finds the images of a folder and of its sub-folders, hidden ones left out.

    Returns:
        Sources: name of the halves, a relative path without suffix, to file. Bad ones: relative
        path to the reason, here that a file system may take the names of the halves for one.
    """
    same = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if file.suffix.lower() in Image.registered_extensions() and not hidden | file.is_dir():
            half = name.removesuffix(file.suffix)
            same[unicodedata.normalize("NFC", half).casefold()].append((half, name))
    if not same:
        raise UsageError(f"expected combined A|B images (.jpg, .png) in {folder}. Received: none")
    sources = {half: folder / name for (half, name), *others in same.values() if not others}
    bad = {}
    for (_, first), *others in same.values():
        for _, other in others:
            bad[first] = f"the halves of {other!r} would have the same name"
            bad[other] = f"the halves of {first!r} would have the same name"
    return sources, bad


def _split(source: Path, halves: list[Path], format: Format, any_aspect: bool) -> str | None:
    """Writes the halves of an image that are not there; returns what is wrong with it, or None."""
    there = [half for half in halves if half.exists()]
    try:
        if not source.is_file():
            raise BadImage("is no regular file")
        if any(half.stat().st_mtime < source.stat().st_mtime for half in there):
            raise BadImage(f"was changed after {there[0]} was made of it: move that away")
        if there == halves:
            return None
        data = cut(source.read_bytes(), format, any_aspect)
    except BadImage as error:
        return str(error)
    for half, content in zip(halves, data, strict=True):
        if half not in there:
            half.parent.mkdir(parents=True, exist_ok=True)
            # Not `replacing`: to wait for the disk each time would take longer than the work.
            temporary = half.with_name(f".{half.name}.part")
            temporary.write_bytes(content)
            os.replace(temporary, half)
    return None


def _expect_own(note: Path, folders: list[Path], made_of: dict[str, str]) -> None:
    """Notes what two folders are made of; raises `UsageError` if they exist and are of others."""
    if note.exists():
        found = json.loads(note.read_text(encoding="utf-8"))
        if found != made_of:
            raise UsageError(
                f"expected {found} for {folders[0]} and B, or another --output. Received: {made_of}"
            )
        return
    for folder in folders:
        if os.path.lexists(folder) and (not folder.is_dir() or os.listdir(folder)):
            raise UsageError(f"--output expects no files of others. Received: {folder}")
    write_text(note, json.dumps(made_of) + "\n")


def main(
    path: str,
    _dir_: str = "train",
    output: str | None = None,
    format: Format = "png",
    any_aspect: bool = False,
    workers: int | None = None,
) -> None:
    """Splits the combined A|B images of a folder into the folders of two domains.

    Args:
        path: Folder of the data set.
        _dir_: Its sub-folder to split, such as train or val.
        output: Folder to hold <_dir_>A and <_dir_>B; none is path.
        format: png, or jpeg for JPEGs that are cut without decoding them.
        any_aspect: Accept images that are not twice as wide as high.
        workers: Number of threads; none is one for each core.
    """
    check_at_least(1, workers=workers)
    if format == "jpeg" and load_turbojpeg() is None:
        raise UsageError(
            "--format=jpeg expects PyTurboJPEG (pip install 'gans[split]') and the system's "
            "libjpeg-turbo (Debian libturbojpeg0, Ubuntu libturbojpeg, Homebrew jpeg-turbo). "
            "Received: at least one of them is missing"
        )
    split = PurePosixPath(_dir_)
    folder = Path(path, split)
    if not split.parts or ".." in split.parts or split.is_absolute() or not folder.is_dir():
        raise UsageError(f"--_dir_ expects the name of a folder in {path}. Received: {_dir_!r}")
    root = check_folder("output", path if output is None else output)
    if folder in (root, *root.parents):
        raise UsageError(f"--output expects a folder outside of {folder}. Received: {root}")
    sources, bad = find_sources(folder)
    total = len(sources) + len(bad)
    say(f"Images to process: {total}")
    folders = [root / f"{split}{side}" for side in "AB"]
    note = root / f"{split}.image_split.json"
    made_of = {"source": str(split if output is None else folder.resolve()), "format": format}
    suffix = ".jpg" if format == "jpeg" else ".png"

    def split_one(name: str) -> str | None:
        halves = [folder / f"{name}{suffix}" for folder in folders]
        return _split(sources[name], halves, format, any_aspect)

    with usage_errors(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
    with (
        only_run(note.with_suffix(".lock")),
        warnings.catch_warnings(action="error", category=UserWarning),
        ThreadPool(workers or count_cores()) as pool,
    ):
        _expect_own(note, folders, made_of)
        results = pool.imap(split_one, sources, chunksize=16)
        bar = tqdm(results, total=len(sources), unit=" images", disable=None)
        for source, reason in zip(sources.values(), bar, strict=True):
            if reason:
                bad[source.relative_to(folder).as_posix()] = reason
    for half_folder in folders:
        say(f"No of images written to {half_folder} is {total - len(bad)}")
    for name, reason in sorted(bad.items()):
        print(f"{name if name.isprintable() else ascii(name)}: {reason}", file=sys.stderr)
    if bad:
        raise Failure(f"{len(bad)} of {total} images could not be split, all others are done")


if __name__ == "__main__":
    cli.run(main)
