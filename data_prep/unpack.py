"""Unpacks an image archive from strangers: everything that is in it, or nothing.

Links, devices, names that lead out of the folder or fall together on another file system, and bombs
are refused. The destination appears under its name only when whole and on the disk.

The command is data_prep/download.py; what the transfer needs as well is in data_prep/transfer.py.
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
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from data_prep import transfer
from gans.command_line.errors import Failure

MARKER = ".download.json"
_CHUNK = 1 << 18
_HEADER_BYTES = 1 << 20  # of one tar member: block, long name, PAX records
_DIRECTORY_BYTES = 1 << 24  # of a zip: 16 MiB list some 150,000 files
_SPLITS = {"train", "val", "test", "trainA", "trainB", "testA", "testB", "valA", "valB"}
_WINDOWS = os.name == "nt"
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    ValueError,
    OverflowError,
    NotImplementedError,
)


class Damaged(Failure):
    """The archive is cut off or its checksums do not fit."""


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to; far above the largest set here, far below what hurts.

    Attributes:
        members: Number of members, folders included.
        file_bytes: Bytes of one file.
        total_bytes: Bytes of all files.
        ratio: Bytes unpacked per byte of archive (images hardly shrink), beyond the first 16 MiB.
    """

    members: int = 500_000
    file_bytes: int = 256 << 20
    total_bytes: int = 64 << 30
    ratio: int = 20


# Reading an archive.


@dataclass(frozen=True)
class _Member:
    name: str
    kind: str  # "file", "folder", or what else it is
    size: int
    open: Callable[[], IO[bytes]]


class _TarStream:
    """The unpacked tar, read forwards, with a bound on what one member's headers may take.

    Without it a long name or a PAX record of gigabytes would be read into memory in one piece.
    """

    def __init__(self, stream: gzip.GzipFile) -> None:
        self.stream, self.position = stream, 0
        self.allowance, self.last = _HEADER_BYTES, b""

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        while self.position < position:
            skipped = len(self.stream.read(min(position - self.position, _CHUNK)))
            if not skipped:
                return
            self.position += skipped

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.allowance:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self.last = self.stream.read(size)
        self.position += len(self.last)
        self.allowance -= len(self.last)
        return self.last


def _tar_members(path: Path) -> Iterator[_Member]:
    with gzip.open(path) as unpacked:
        stream = _TarStream(unpacked)
        tar = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")
        while member := tar.next():
            tar.members.clear()  # it keeps them all: a few hundred megabytes for a large set
            kind = f"an entry of type {member.type!r}"
            if member.issym() or member.islnk():
                kind = f"a link to {member.linkname[:80]!r}"
            elif member.isdev():
                kind = "a device"
            elif member.isdir():
                kind = "folder"
            elif member.isreg() and not member.issparse():
                kind = "file"
            stream.allowance = member.size
            yield _Member(member.name, kind, member.size, lambda m=member: tar.extractfile(m))
            stream.allowance = _HEADER_BYTES
        # tarfile takes a broken header for the end of the archive; the true end is zeros. Reading
        # on to the end also makes gzip compare its checksum.
        rest = unpacked.read(_HEADER_BYTES + 1)
        if len(rest) > _HEADER_BYTES or (stream.last + rest).strip(b"\0"):
            raise tarfile.ReadError("broken header, or data after the end")


class _ZipFile(io.FileIO):
    """A zip on disk with a bound on its list of members, which zipfile reads in one piece."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except OSError as error:
            raise zipfile.BadZipFile(f"an offset of {offset:,}") from error

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > _DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"a list of members of {size:,} bytes")
        return super().read(size)


def _zip_members(path: Path) -> Iterator[_Member]:
    with _ZipFile(path) as file, zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            kind = "folder" if info.is_dir() else "file"
            # 0: written by a system without Unix modes. 0o100000 and 0o040000: file and folder.
            if mode & 0o170000 not in (0, 0o100000, 0o040000):
                kind = f"a link or device (mode {mode:o})"
            elif info.flag_bits & 1 or info.compress_type not in (0, 8):
                kind = "encrypted or compressed in an unusual way"
            # orig_filename: zipfile cuts the other one off at a zero byte.
            yield _Member(info.orig_filename, kind, info.file_size, lambda i=info: archive.open(i))


# Judging a member. Each function raises ValueError with the reason for a refusal.


def _safe_parts(name: str) -> tuple[str, ...]:
    """Splits the path of a member that is safe to write."""
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in name):
        raise ValueError("has control characters or undecodable bytes in its name")
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name):
        raise ValueError("has an absolute path, a drive letter or a backslash")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise ValueError("leads out of its folder")
    if len(name) > 1024 or any(len(part.encode()) > 255 for part in parts):
        raise ValueError("has too long a name")
    if _WINDOWS:  # The photos of CycleGAN are named by time, 2013-11-08 16:45:24.jpg.
        parts = tuple(part.replace(":", "_") for part in parts)
    return parts


def _claim(parts: tuple[str, ...], is_file: bool, spelt: dict[str, str]) -> None:
    """Notes a path and its folders in `spelt`, by what a file system makes of them that knows
    neither case nor Unicode forms."""
    if is_file and not parts:
        raise ValueError("has no name")
    for depth in range(1, len(parts) + 1):
        leaf = is_file and depth == len(parts)
        path = "/".join(parts[:depth])
        folded = unicodedata.normalize("NFC", path.casefold())
        path = path if leaf else path + "/"
        if spelt.get(folded, path) != path or (leaf and folded in spelt):
            raise ValueError(f"falls together with {spelt[folded]!r}")
        spelt[folded] = path


def _is_litter(parts: tuple[str, ...]) -> bool:
    # What macOS and Windows leave in archives; ._1.jpg is no image, but ends like one.
    return any(
        part in ("__MACOSX", ".DS_Store", "Thumbs.db") or part.startswith("._") for part in parts
    )


# Writing.


def _write(member: _Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, open(path, "xb") as target:
        shutil.copyfileobj(source, target, _CHUNK)
        if target.tell() != member.size:
            raise EOFError(f"{member.name[:80]!r} ends after {target.tell():,} bytes")


def _unpack(archive: Path, content: Path, limits: Limits) -> None:
    with open(archive, "rb") as file:
        kind = transfer.archive_kind(file.read(4))
    if kind is None:
        raise Failure(f"{archive}: expected a .tar.gz or .zip archive")
    members = _zip_members(archive) if kind == "zip" else _tar_members(archive)
    allowed = min(limits.total_bytes, (16 << 20) + limits.ratio * archive.stat().st_size)
    spelt: dict[str, str] = {}
    total = 0
    bar = transfer.progress(f"unpacking {archive.name}", None, unit=" files")
    with contextlib.closing(members), bar:  # a refusal closes the archive too
        for count, member in enumerate(members, 1):
            is_file = member.kind == "file"
            try:
                if count > limits.members:
                    raise ValueError(f"is one more than the {limits.members:,} allowed")
                if member.kind not in ("file", "folder"):
                    raise ValueError(f"is {member.kind}")
                parts = _safe_parts(member.name)
                _claim(parts, is_file, spelt)
                if is_file and not 0 <= member.size <= limits.file_bytes:
                    raise ValueError(f"has {member.size:,} bytes, {limits.file_bytes:,} allowed")
                total += member.size if is_file else 0
                if total > allowed:
                    raise ValueError(f"brings the total to {total:,} bytes, {allowed:,} allowed")
            except ValueError as error:
                raise Failure(
                    f"{archive}: refused, nothing was kept; member {member.name[:80]!r} {error}"
                ) from None
            if not is_file:
                content.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            elif not _is_litter(parts):
                _write(member, content.joinpath(*parts))
                bar.update()


@contextlib.contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    descriptor = -1 if _WINDOWS else os.open(path, os.O_RDONLY)  # Windows opens no folders
    try:
        yield descriptor
    finally:
        if not _WINDOWS:
            os.close(descriptor)


@contextlib.contextmanager
def _work_folder(destination: Path) -> Iterator[Path]:
    """A fresh folder beside the destination, gone afterwards; removes those of killed runs."""
    prefix, suffix = f".{destination.name}-", ".unpacking"
    if not _WINDOWS:
        for old in destination.parent.glob(f"{prefix}*{suffix}"):
            with _open_folder(old) as descriptor:
                if transfer.lock(descriptor):
                    shutil.rmtree(old, ignore_errors=True)
    work = Path(tempfile.mkdtemp(suffix, prefix, destination.parent))
    try:
        with _open_folder(work) as descriptor:
            transfer.lock(descriptor)
            yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def count_files(folder: Path) -> dict[str, int]:
    """Returns the number of files below each folder that `folder` holds directly, by name."""
    return {
        child.name: sum(len(files) for _, _, files in os.walk(child))
        for child in sorted(folder.iterdir())
        if child.is_dir()
    }


def extract(
    archive: Path,
    destination: Path,
    folders: tuple[str, ...] = (),
    marker: dict | None = None,
    limits: Limits = Limits(),
) -> dict[str, int]:
    """Unpacks an image archive to a folder that appears only when everything is in it.

    All regular files are kept, save what macOS and Windows leave behind. A single folder at the
    top of the archive is taken for the destination itself.

    Args:
        archive: A .tar.gz or .zip file (told by its first bytes); it is only read.
        destination: Folder to make. It must not exist.
        folders: Names of folders that the destination must hold, with a file each.
        marker: Written with the counts as `.download.json` into the destination, if given.
        limits: What the archive may unpack to.

    Returns:
        Number of files by folder.

    Raises:
        Failure: The archive is hostile, damaged (`Damaged`) or holds something
            else, the destination exists, or the disk is full. The destination is not made.
    """
    size = archive.stat().st_size
    transfer.require_space(destination.parent, size, present=size)
    with _work_folder(destination) as work:
        content = work / "content"
        content.mkdir()
        try:
            _unpack(archive, content, limits)
        except _DAMAGE as error:
            raise Damaged(f"{archive}: damaged or cut off: {transfer.reason(error)}") from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise Failure(
                f"{destination.parent}: {error.strerror} while unpacking {archive}; about "
                f"{int(size * transfer.UNPACKED_PER_BYTE):,} bytes are needed"
            ) from error
        top = list(content.iterdir())
        alone = len(top) == 1 and top[0].is_dir() and top[0].name not in _SPLITS
        root = top[0] if alone else content
        counts = count_files(root)
        missing = [name for name in folders if not counts.get(name)]
        if missing or not sum(counts.values()):
            raise Failure(
                f"{archive}: expected files in {', '.join(missing or ['folders'])}. "
                f"Received: {counts}"
            )
        if marker is not None:
            with open(root / MARKER, "x", encoding="utf-8") as file:
                json.dump({**marker, "files": counts}, file, indent=1)
        if hasattr(os, "sync"):
            os.sync()  # one call for all: to wait for each of 138,000 files would take an hour
        if os.path.lexists(destination):
            raise Failure(f"{destination} has come into being meanwhile and is left alone")
        os.rename(root, destination)
        with _open_folder(destination.parent) as descriptor:
            if not _WINDOWS:
                os.fsync(descriptor)
    return counts
