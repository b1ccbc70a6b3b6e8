"""Unpacks an archive of images from strangers: everything that is in it, or nothing.

Only regular files and folders are written, under names that all file systems can tell apart, into a
fresh folder, which becomes the destination once it is whole and on the disk.
"""

import contextlib
import errno
import gzip
import io
import json
import os
import re
import shutil
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from gans.command_line.errors import Failure
from gans.command_line.files import sync

MARKER = ".download.json"
# What an archive may unpack to: far above the largest set here, far below what hurts.
MEMBERS, FILE_BYTES, TOTAL_BYTES = 500_000, 256 << 20, 64 << 30
RATIO = 20  # Bytes per byte of the archive, beyond the first 16 MiB; images hardly shrink.
HEADER_BYTES, DIRECTORY_BYTES = 1 << 20, 1 << 24  # Of one member of a tar; of the list of a zip.
_LITTER = {"__MACOSX", ".DS_Store", "Thumbs.db"}  # And ._1.jpg, which is no image.

# What the readers raise for bytes that are not as they expect.
_DAMAGE = (OSError, EOFError, ValueError, LookupError, ArithmeticError, RuntimeError, struct.error)
_DAMAGE += (tarfile.TarError, zipfile.BadZipFile, zlib.error)

# Name, "file" or "folder" or what else it is, size, and the content of a file.
Member = tuple[str, str, int, IO[bytes] | None]


class Damaged(Failure):
    """The archive is cut off, or its checksums do not fit."""


class _Tar(gzip.GzipFile):
    """The tar in the file, with a bound on the headers that tarfile reads at a time."""

    allowance, last = HEADER_BYTES, b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self.allowance:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self.allowance -= size
        self.last = super().read(size)
        return self.last


class _Zip(io.FileIO):
    """The file, with a bound on the list of members, which zipfile reads in one piece."""

    def read(self, size: int = -1) -> bytes:
        if size > DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"a list of members of {size:,} bytes")
        return super().read(DIRECTORY_BYTES if size < 0 else size)


def _tar_members(path: Path) -> Iterator[Member]:
    with _Tar(path) as unpacked, tarfile.TarFile(fileobj=unpacked, encoding="utf-8") as tar:
        while member := tar.next():
            tar.members.clear()  # It keeps them all: hundreds of megabytes for a large set.
            unpacked.allowance = member.size
            if member.isreg() and not member.issparse():
                yield member.name, "file", member.size, tar.extractfile(member)
            else:
                link = f"an entry of type {member.type!r} {member.linkname[:80]!r}"
                yield member.name, "folder" if member.isdir() else link, 0, None
            unpacked.allowance = HEADER_BYTES
        # tarfile takes a broken header for the end, which is zeros. At its end gzip verifies all.
        rest = gzip.GzipFile.read(unpacked, HEADER_BYTES + 1)
        if len(rest) > HEADER_BYTES or (unpacked.last + rest).strip(b"\0"):
            raise tarfile.ReadError("a broken header, or data after the end")


def _zip_members(path: Path) -> Iterator[Member]:
    with _Zip(path) as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            # orig_filename: zipfile cuts the other one off at a zero byte.
            name, mode = info.orig_filename, info.external_attr >> 16
            if mode >> 12 not in (0, 0o10, 0o04):  # Unknown, a file, a folder.
                yield name, f"a link or device (mode {mode:o})", 0, None
            elif info.is_dir():
                yield name, "folder", 0, None
            elif info.flag_bits & 1 or info.compress_type not in (0, 8):
                yield name, "encrypted or compressed in an unusual way", 0, None
            else:
                with archive.open(info) as content:
                    yield name, "file", info.file_size, content


def _check_name(name: str, is_file: bool, spelt: dict[str, str]) -> PurePosixPath:
    """Returns the path of a member; raises `ValueError` unless it is safe on every file system.

    `spelt` holds the paths so far, by what a file system makes of them that knows neither case nor
    Unicode forms; those of folders end in a slash.
    """
    path = PurePosixPath(name)
    bad = not name.isprintable() or "\\" in name or name[1:2] == ":" or path.is_absolute()
    bad = bad or ".." in path.parts or (is_file and not path.parts) or len(name) > 1024
    if bad or any(len(part.encode()) > 255 for part in path.parts):
        raise ValueError("has a name that leads elsewhere, is too long or cannot be printed")
    for place in (path, *path.parents)[: len(path.parts)]:
        leaf = is_file and place == path
        folded = unicodedata.normalize("NFC", str(place).casefold())
        written = str(place) if leaf else f"{place}/"
        if spelt.get(folded, written) != written or (leaf and folded in spelt):
            raise ValueError(f"falls together with {spelt[folded]!r}")
        spelt[folded] = written
    return path


def _unpack(archive: Path, folder: Path) -> None:
    with open(archive, "rb") as file:
        members = {b"\x1f\x8b": _tar_members, b"PK": _zip_members}.get(file.read(2))
    if members is None:
        raise Failure(f"{archive}: expected a .tar.gz or .zip archive")
    allowed = min(TOTAL_BYTES, (16 << 20) + RATIO * archive.stat().st_size)
    spelt: dict[str, str] = {}
    bar = tqdm(desc=f"unpacking {archive.name}", unit=" files", disable=None)
    with contextlib.closing(members(archive)) as found, bar:
        for count, (name, kind, size, content) in enumerate(found, 1):
            try:
                path = _check_name(name, kind == "file", spelt)
                if kind not in ("file", "folder"):
                    raise ValueError(f"is {kind}")
                if count > MEMBERS or not 0 <= size <= min(FILE_BYTES, allowed):
                    raise ValueError(
                        f"is number {count:,} and has {size:,} bytes; {MEMBERS:,} members, "
                        f"{FILE_BYTES:,} bytes each and {allowed:,} bytes more are allowed"
                    )
            except ValueError as error:
                message = f"{archive}: refused, nothing was kept; member {name[:80]!r} {error}"
                raise Failure(message) from None
            allowed -= size
            litter = any(part in _LITTER or part.startswith("._") for part in path.parts)
            # The photos of CycleGAN are named by time, 2013-11-08 16:45:24.jpg.
            target = folder / (str(path).replace(":", "_") if os.name == "nt" else path)
            if kind == "folder":
                target.mkdir(parents=True, exist_ok=True)
            elif not litter:
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(target, "xb") as file:
                    shutil.copyfileobj(content, file)
                    if file.tell() != size:
                        raise EOFError(f"{name[:80]!r} ends after {file.tell():,} bytes")
                bar.update()


def count_files(folder: Path) -> dict[str, int]:
    """Returns the number of files below each folder that `folder` holds directly, by name."""
    return {
        child.name: sum(len(files) for _, _, files in os.walk(child))
        for child in sorted(folder.iterdir())
        if child.is_dir()
    }


def extract(
    archive: Path, destination: Path, folders: tuple[str, ...] = (), marker: dict | None = None
) -> dict[str, int]:
    """Unpacks an archive, .tar.gz or .zip, to a folder that appears only when all is in it.

    A single folder at the top of the archive is taken for `destination` itself, which must hold
    `folders`, with a file each. What macOS and Windows leave behind is left out. `marker` is put
    into it as `.download.json`, with the number of files by folder, which is returned.

    Raises `Failure`, and makes nothing, where the archive is hostile, damaged (`Damaged`) or of
    something else, the destination exists, or the disk is full.
    """
    work = destination.with_name(f".{destination.name}.unpacking")
    shutil.rmtree(work, ignore_errors=True)  # Of a run that was killed.
    try:
        work.mkdir()
        _unpack(archive, work)
        top = list(work.iterdir())
        split = re.fullmatch("(train|val|test)[AB]?", top[0].name) if top else None
        root = top[0] if len(top) == 1 and top[0].is_dir() and not split else work
        counts = count_files(root)
        missing = [name for name in folders if not counts.get(name)]
        if missing or not sum(counts.values()):
            wanted = ", ".join(missing or ["folders"])
            raise Failure(f"{archive}: expected files in {wanted}. Received: {counts}")
        (root / MARKER).write_text(json.dumps({**(marker or {}), "files": counts}, indent=1))
        if hasattr(os, "sync"):
            os.sync()  # One call for all: to wait for each of 138,000 files would take an hour.
        if os.path.lexists(destination):
            raise Failure(f"{destination} has come into being meanwhile and is left alone")
        os.rename(root, destination)
        sync(destination.parent)
        return counts
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise Failure(f"{work}: {error.strerror} while unpacking {archive}") from error
        raise Damaged(f"{archive}: damaged or cut off: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
