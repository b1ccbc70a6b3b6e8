"""Downloads the public image-to-image data sets by name and unpacks them safely.

    python data_prep/download.py --list
    python data_prep/download.py edges2handbags --out data
    python data_prep/download.py facades --archive facades.tar.gz      a copy at hand, no network

The pairs of pix2pix arrive as data/NAME/{train,val}, one image with input and output side by side;
the unpaired sets of CycleGAN as data/NAME/{trainA,trainB,testA,testB}. The command given again
resumes a download that was cut off and says so when there is nothing left to do. It takes as long
as the line needs for the size that --list shows, then minutes at most for unpacking.

Nothing is trusted that comes over the line. The sha256 is compared with the published one, or,
where none is known, with the one that the first download left in NAME.tar.gz.sha256 (which
`sha256sum -c` reads too). Links, devices, names that lead out of the folder or fall together on
another file system, and bombs are refused, and a folder appears under its name only when whole.

Sources:
- names and addresses: datasets/download_*_dataset.sh of junyanz/pytorch-CycleGAN-and-pix2pix,
  junyanz/BicycleGAN and taesungp/contrastive-unpaired-translation. The older addresses below
  people.eecs.berkeley.edu answer 404 (tensorflow/datasets#5134, eriklindernoren/PyTorch-GAN#192 and
  #202), so they are no mirrors;
- sha256 and size of the zips: tensorflow_datasets/url_checksums/cycle_gan.txt of
  tensorflow/datasets. No sha256 of the pix2pix archives is published; their sizes are the server's
  listing and Content-Length, quoted in public notebooks;
- Cityscapes: withheld by the authors of both projects "due to license issue" (the same scripts).
"""

import contextlib
import difflib
import errno
import gzip
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import ssl
import struct
import sys
import tarfile
import tempfile
import time
import unicodedata
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tqdm import tqdm

from gans.training import cli

try:
    import fcntl
except ImportError:  # Windows has no flock: two runs at once are not told from one another there.
    fcntl = None

_HOST = "efrosgans.eecs.berkeley.edu"
_CITYSCAPES = (
    "the authors may not pass Cityscapes on (licence): get gtFine_trainvaltest.zip and "
    "leftImg8bit_trainvaltest.zip from https://www.cityscapes-dataset.com, or give --archive"
)


@dataclass(frozen=True)
class Dataset:
    """One published archive.

    Attributes:
        file: Path of the archive below the server's root.
        size: Bytes of the archive, exact where `sha256` is known; 0 if withheld.
        about: What the images are.
        sha256: Published checksum, 64 hex digits, or None.
        folders: Folders that the unpacked set must hold, each with at least one file.
        withheld: Why the set cannot be downloaded, or None.
    """

    file: str
    size: int
    about: str
    sha256: str | None
    folders: tuple[str, ...]
    withheld: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses in the order in which they are tried."""
        return tuple(f"{scheme}://{_HOST}/{self.file}" for scheme in ("https", "http"))

    @property
    def suffix(self) -> str:
        """Ending of the archive's name: `.tar.gz` or `.zip`."""
        return ".zip" if self.file.endswith(".zip") else ".tar.gz"


# Of the zips, as tensorflow/datasets publishes them.
_SHA256 = {
    "apple2orange": "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    "cezanne2photo": "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
    "facades": "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
    "horse2zebra": "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
    "iphone2dslr_flower": "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113",
    "maps": "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
    "monet2photo": "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
    "summer2winter_yosemite": "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
    "ukiyoe2photo": "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
    "vangogh2photo": "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
}


def _pairs(name: str, size: int, about: str, **options: Any) -> Dataset:
    return Dataset(f"pix2pix/datasets/{name}.tar.gz", size, about, None, ("train",), **options)


def _unpaired(name: str, size: int, about: str, **options: Any) -> Dataset:
    options = {"folders": ("trainA", "trainB"), **options}
    return Dataset(f"cyclegan/datasets/{name}.zip", size, about, _SHA256.get(name), **options)


DATASETS = {
    "edges2handbags": _pairs("edges2handbags", 8_600_000_000, "137K edges | handbag photos"),
    "edges2shoes": _pairs("edges2shoes", 2_200_000_000, "50K edges | shoe photos"),
    "facades": _pairs("facades", 30_168_306, "400 building photos | labels"),
    "maps": _pairs("maps", 250_242_400, "1096 aerial photos | maps"),
    "night2day": _pairs("night2day", 2_100_000_000, "20K scenes by night and by day"),
    "cityscapes": _pairs("cityscapes", 0, "2975 street photos | labels", withheld=_CITYSCAPES),
    "apple2orange": _unpaired("apple2orange", 78_456_409, "996 apples, 1020 oranges"),
    "summer2winter_yosemite": _unpaired(
        "summer2winter_yosemite", 132_640_856, "1273 summer, 854 winter photos of Yosemite"
    ),
    "horse2zebra": _unpaired("horse2zebra", 116_867_962, "939 horses, 1177 zebras"),
    "monet2photo": _unpaired("monet2photo", 305_231_073, "1074 Monets, 6853 photos"),
    "cezanne2photo": _unpaired("cezanne2photo", 279_885_071, "584 Cezannes, 6853 photos"),
    "ukiyoe2photo": _unpaired("ukiyoe2photo", 292_946_532, "1433 ukiyo-e prints, 6853 photos"),
    "vangogh2photo": _unpaired("vangogh2photo", 306_590_349, "401 Van Goghs, 6853 photos"),
    "iphone2dslr_flower": _unpaired(
        "iphone2dslr_flower", 339_964_458, "1813 iPhone, 3316 DSLR photos of flowers"
    ),
    "grumpifycat": _unpaired("grumpifycat", 20_000_000, "Russian Blue cats, Grumpy Cat"),
    # No trainA and trainB in it (tensorflow/datasets, image_classification/cycle_gan.py).
    "ae_photos": _unpaired("ae_photos", 10_500_000, "photos, not for training", folders=()),
    # The unpaired editions of three pix2pix sets; the server has them under the same names.
    "facades_unpaired": _unpaired("facades", 35_135_868, "400 building photos, 400 labels"),
    "maps_unpaired": _unpaired("maps", 1_476_754_427, "1096 aerial photos, 1096 maps"),
    "cityscapes_unpaired": _unpaired(
        "cityscapes", 0, "2975 street photos, 2975 labels", withheld=_CITYSCAPES
    ),
}


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


MARKER = ".download.json"
_CHUNK = 1 << 18
_PROGRESS_BYTES = 1 << 20  # what counts as progress: an attempt that brings it is not held against
_BACKOFF_SECONDS = 1.0  # the server; doubles with each failure in a row, to 30 at most
_RETRIED_STATUS = {408, 425, 429, 500, 502, 503, 504}
_UNPACKED_PER_BYTE = 1.25  # JPEGs hardly shrink, and a file fills up its last disk block
_HEADER_BYTES = 1 << 20  # of one tar member: block, long name, PAX records
_DIRECTORY_BYTES = 1 << 24  # of a zip: 16 MiB list some 150,000 files
_SPLITS = {"train", "val", "test", "trainA", "trainB", "testA", "testB", "valA", "valB"}
_WINDOWS = os.name == "nt"


# The line.


class _Interrupted(Exception):
    """The transfer stopped, and another attempt may go on."""


class _Unusable(Exception):
    """This address will not give the archive; another may."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        allowed = {"https"} if req.full_url.startswith("https:") else {"https", "http"}
        if urlsplit(newurl).scheme not in allowed:
            message = f"redirect to the unsafe address {newurl}"
            raise urllib.error.HTTPError(newurl, code, message, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)


class _Lines:
    """Gives a log file whole lines in place of a bar that is redrawn."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def _progress(label: str, total: int | None, initial: int = 0, unit: str = "B") -> tqdm:
    terminal = sys.stderr.isatty()
    return tqdm(
        desc=label,
        total=total,
        initial=initial,
        unit=unit,
        unit_scale=True,
        unit_divisor=1000,
        file=sys.stderr if terminal else _Lines(),
        mininterval=0.1 if terminal else 10,
    )


class _Partial:
    """The bytes received so far, `NAME.part`, and what the server said of the whole, in `.json`.

    The open file is locked: a second run of the same download ends with a clear line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes = path.with_name(path.name + ".json")
        self.validator: str | None = None  # strong ETag, else Last-Modified
        self.total: int | None = None
        self.file = open(path, "a+b", buffering=0)  # noqa: SIM115

    def __enter__(self) -> "_Partial":
        try:
            if not _lock(self.file.fileno()):
                raise cli.Failure(f"{self.path}: another run is downloading to it")
            try:
                notes = json.loads(self.notes.read_text(encoding="utf-8"))
                self.validator, self.total = notes["validator"], notes["total"]
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                if self.size:
                    raise cli.UsageError(
                        f"{self.path} is no download that this command can resume: move it away"
                    ) from None
        except BaseException:
            self.file.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if not self.file.closed and not self.size:
            self.remove()
        self.file.close()

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size

    def note(self, validator: str | None, total: int | None) -> None:
        if (validator, total) != (self.validator, self.total) or not self.notes.exists():
            self.validator, self.total = validator, total
            self.notes.write_text(json.dumps({"validator": validator, "total": total}))

    def restart(self) -> None:
        # Empty first: notes of the new file beside bytes of the old one would mix the two.
        self.file.truncate(0)
        self.notes.unlink(missing_ok=True)
        self.validator = self.total = None

    def append(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        try:
            while view:
                view = view[self.file.write(view) :]
        except OSError as error:
            raise cli.Failure(
                f"{self.path}: {error.strerror}; {self.size:,} of {self.total or 0:,} bytes are "
                "kept: make room and give the command again"
            ) from error

    def remove(self) -> None:
        self.file.close()
        self.path.unlink()
        self.notes.unlink(missing_ok=True)


def _lock(descriptor: int) -> bool:
    """Locks an open file or folder until it is closed; False if somebody else holds it."""
    if fcntl:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@dataclass(frozen=True)
class _Checksum:
    expected: str | None
    origin: str

    def compare(self, path: Path) -> tuple[str, str | None]:
        """Returns the sha256 of a file, and what is wrong with it, or None."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if self.expected in (None, digest):
            return digest, None
        return digest, f"expected sha256 {self.expected} ({self.origin}). Received: {digest}"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__


def _open(url: str, partial: _Partial, timeout: float) -> http.client.HTTPResponse | None:
    """Asks for what is missing; None if nothing is."""
    size = partial.size
    headers = {"User-Agent": "gans-download", "Accept-Encoding": "identity"}
    if size and partial.validator:
        headers |= {"Range": f"bytes={size}-", "If-Range": partial.validator}
    try:
        return _OPENER.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            whole = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if error.code == 416 and "Range" in headers:
            if whole and int(whole[1]) == size:
                partial.note(partial.validator, size)
                return None
            partial.restart()
            raise _Interrupted("the file on the server has changed") from error
        message = f"HTTP {error.code} {_reason(error)}"
        raise (_Interrupted if error.code in _RETRIED_STATUS else _Unusable)(message) from error
    except (OSError, http.client.HTTPException) as error:
        certificate = isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)
        raise (_Unusable if certificate else _Interrupted)(_reason(error)) from error


def _receive(url: str, partial: _Partial, timeout: float) -> None:
    """Makes one request and appends what it brings; returns when the archive is whole."""
    response = _open(url, partial, timeout)
    if response is None:
        return
    with response:
        try:
            etag = response.headers.get("ETag", "W/")  # a weak one does not promise equal bytes
            validator = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
            if response.status == 206:
                span = response.headers.get("Content-Range", "")
                match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", span)
                same = match and int(match[1]) == partial.size and validator == partial.validator
                if not same or partial.total not in (None, int(match[2])):
                    partial.restart()
                    raise _Interrupted(f"asked for the rest, received {span!r} of {validator}")
                start, total = b"", int(match[2])
            else:
                start, total = response.read(4), response.headers.get("Content-Length")
                if len(start) < 4:
                    raise _Interrupted(f"the connection ended after {len(start)} bytes")
                if not _archive_kind(start):
                    # An old download is not given up for the page of an error or a login.
                    kind = response.headers.get_content_type()
                    raise _Unusable(f"expected a .tar.gz or .zip. Received: {kind}, {start!r}")
                total = int(total) if total and total.isdigit() else None
                partial.restart()
            _require_space(partial.path.parent, total, partial.size)
            partial.note(validator, total)
            partial.append(start)
            with _progress(partial.path.stem, total, partial.size) as bar:
                while chunk := response.read1(_CHUNK):
                    partial.append(chunk)
                    bar.update(len(chunk))
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(_reason(error)) from error
    received = partial.size
    if total is not None and received > total:
        partial.restart()
        raise _Interrupted(f"{received:,} bytes came where {total:,} were announced")
    if total is not None and received < total:
        raise _Interrupted(f"the connection ended after {received:,} of {total:,} bytes")
    partial.note(partial.validator, received)
    os.fsync(partial.file.fileno())


def _fetch(url: str, partial: _Partial, timeout: float, retries: int) -> None:
    """Receives the archive from one address, in as many requests as it takes."""
    failures, best = 0, partial.size
    while partial.total is None or partial.size != partial.total:
        try:
            _receive(url, partial, timeout)
        except _Interrupted as error:
            # Counted from the most that ever came: a server that starts anew each time gains none.
            failures = 0 if partial.size >= best + _PROGRESS_BYTES else failures + 1
            best = max(best, partial.size)
            if failures > retries:
                times = f"{failures} attempt{'s' * (failures > 1)}"
                raise _Unusable(f"gave up after {times}: {error}") from error
            delay = min(_BACKOFF_SECONDS * 2 ** max(failures - 1, 0), 30)
            print(f"{url}: {error}; next attempt in {delay:g} s", flush=True)
            time.sleep(delay)


def _fetch_verified(
    urls: Iterable[str], partial: _Partial, timeout: float, retries: int, checksum: _Checksum
) -> str:
    """Tries the addresses in turn; returns the sha256 of the archive."""
    problems = []
    for url in urls:
        try:
            print(f"{url} -> {partial.path}", flush=True)
            if checksum.expected is None and url.startswith("http:"):
                print("The line is not encrypted, and no sha256 is known to compare with.")
            _fetch(url, partial, timeout, retries)
            digest, problem = checksum.compare(partial.path)
            if problem:
                partial.restart()  # more bytes do not mend wrong ones
                raise _Unusable(problem)
            return digest
        except _Unusable as error:
            problems.append(f"{url}: {error}")
            print(problems[-1], flush=True)
    raise cli.Failure("download failed: " + "; ".join(problems))


# The archive.


@dataclass(frozen=True)
class _Member:
    name: str
    kind: str  # "file", "folder", or what else it is
    size: int
    open: Callable[[], IO[bytes]]


class _Damaged(cli.Failure):
    """The archive is cut off or its checksums do not fit."""


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


def _archive_kind(start: bytes) -> str | None:
    return {b"\x1f\x8b": "tar", b"PK": "zip"}.get(start[:2])


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


def _safe_parts(name: str) -> tuple[str, ...]:
    """Splits the path of a member; raises ValueError with the reason if it is not safe to write."""
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


def _folded(path: str) -> str:
    """What a file system that knows neither case nor Unicode forms makes of a path."""
    return unicodedata.normalize("NFC", path.casefold())


def _is_litter(parts: tuple[str, ...]) -> bool:
    # What macOS and Windows leave in archives; ._1.jpg is no image, but ends like one.
    return any(
        part in ("__MACOSX", ".DS_Store", "Thumbs.db") or part.startswith("._") for part in parts
    )


def _unpack(archive: Path, content: Path, limits: Limits) -> None:
    with open(archive, "rb") as file:
        kind = _archive_kind(file.read(4))
    if kind is None:
        raise cli.Failure(f"{archive}: expected a .tar.gz or .zip archive")
    members = _zip_members(archive) if kind == "zip" else _tar_members(archive)
    allowed = min(limits.total_bytes, (16 << 20) + limits.ratio * archive.stat().st_size)
    spelt: dict[str, str] = {}
    total = 0
    with _progress(f"unpacking {archive.name}", None, unit=" files") as bar:
        for count, member in enumerate(members, 1):
            try:
                if count > limits.members:
                    raise ValueError(f"is one more than the {limits.members:,} allowed")
                if member.kind not in ("file", "folder"):
                    raise ValueError(f"is {member.kind}")
                parts = _safe_parts(member.name)
                is_file = member.kind == "file"
                if is_file and not parts:
                    raise ValueError("has no name")
                for depth in range(1, len(parts) + 1):
                    leaf = is_file and depth == len(parts)
                    path = "/".join(parts[:depth])
                    folded, path = _folded(path), path if leaf else path + "/"
                    if spelt.get(folded, path) != path or (leaf and folded in spelt):
                        raise ValueError(f"falls together with {spelt[folded]!r}")
                    spelt[folded] = path
                if not is_file:
                    content.joinpath(*parts).mkdir(parents=True, exist_ok=True)
                    continue
                if not 0 <= member.size <= limits.file_bytes:
                    raise ValueError(f"has {member.size:,} bytes, {limits.file_bytes:,} allowed")
                total += member.size
                if total > allowed:
                    raise ValueError(f"brings the total to {total:,} bytes, {allowed:,} allowed")
            except ValueError as error:
                raise cli.Failure(
                    f"{archive}: refused, nothing was kept; member {member.name[:80]!r} {error}"
                ) from None
            if not _is_litter(parts):
                _write(member, content.joinpath(*parts))
                bar.update()


def _write(member: _Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, open(path, "xb") as target:
        shutil.copyfileobj(source, target, _CHUNK)
        if target.tell() != member.size:
            raise EOFError(f"{member.name[:80]!r} ends after {target.tell():,} bytes")


@contextlib.contextmanager
def _work_folder(destination: Path) -> Iterator[Path]:
    """A fresh folder beside the destination, gone afterwards; removes those of killed runs."""
    prefix, suffix = f".{destination.name}-", ".unpacking"
    if fcntl:
        for old in destination.parent.glob(f"{prefix}*{suffix}"):
            with _open_folder(old) as descriptor:
                if _lock(descriptor):
                    shutil.rmtree(old, ignore_errors=True)
    work = Path(tempfile.mkdtemp(suffix, prefix, destination.parent))
    try:
        with _open_folder(work) as descriptor:
            _lock(descriptor)
            yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY) if fcntl else -1
    try:
        yield descriptor
    finally:
        if fcntl:
            os.close(descriptor)


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
        gans.training.cli.Failure: The archive is hostile, damaged or holds something else, the
            destination exists, or the disk is full. The destination is not made.
    """
    size = archive.stat().st_size
    _require_space(destination.parent, size, present=size)
    with _work_folder(destination) as work:
        content = work / "content"
        content.mkdir()
        try:
            _unpack(archive, content, limits)
        except _DAMAGE as error:
            raise _Damaged(f"{archive}: damaged or cut off: {_reason(error)}") from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise cli.Failure(
                f"{destination.parent}: {error.strerror} while unpacking {archive}; about "
                f"{int(size * _UNPACKED_PER_BYTE):,} bytes are needed"
            ) from error
        top = list(content.iterdir())
        alone = len(top) == 1 and top[0].is_dir() and top[0].name not in _SPLITS
        root = top[0] if alone else content
        counts = count_files(root)
        missing = [name for name in folders if not counts.get(name)]
        if missing or not sum(counts.values()):
            raise cli.Failure(
                f"{archive}: expected files in {', '.join(missing or ['folders'])}. "
                f"Received: {counts}"
            )
        if marker is not None:
            with open(root / MARKER, "x", encoding="utf-8") as file:
                json.dump({**marker, "files": counts}, file, indent=1)
        if hasattr(os, "sync"):
            os.sync()  # one call for all: to wait for each of 138,000 files would take an hour
        if os.path.lexists(destination):
            raise cli.Failure(f"{destination} has come into being meanwhile and is left alone")
        os.rename(root, destination)
        with _open_folder(destination.parent) as descriptor:
            if fcntl:
                os.fsync(descriptor)
    return counts


# The command.


def _require_space(folder: Path, archive_bytes: int | None, present: int) -> None:
    needed = int((archive_bytes or 0) * (1 + _UNPACKED_PER_BYTE)) - present
    available = shutil.disk_usage(folder).free
    if needed > available:
        raise cli.Failure(
            f"{folder}: about {needed:,} bytes are needed to download and unpack. "
            f"Received: {available:,} bytes available"
        )


def _check_arguments(
    name: str, out: Path, archive: str | None, url: str | None, sha256: str | None
) -> Dataset:
    """Returns the set of that name, or raises UsageError."""
    if name not in DATASETS:
        close = difflib.get_close_matches(name, DATASETS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise cli.UsageError(f"expected a name that --list shows. Received: {name!r}{hint}")
    if archive and url:
        raise cli.UsageError("expected --archive or --url. Received: both")
    if archive and not Path(archive).is_file():
        raise cli.UsageError(f"--archive expects a .tar.gz or .zip file. Received: {archive!r}")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise cli.UsageError(f"--url expects an http or https address. Received: {url!r}")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise cli.UsageError(f"--sha256 expects 64 hex digits. Received: {sha256!r}")
    if out.exists() and not out.is_dir():
        raise cli.UsageError(f"--out expects a folder. Received: {str(out)!r}, which is a file")
    dataset = DATASETS[name]
    if dataset.withheld and not (archive or url):
        raise cli.UsageError(f"{name} cannot be downloaded: {dataset.withheld}")
    return dataset


def _existing(destination: Path, sha256: str | None) -> dict[str, int]:
    """Returns the counts of a complete download of ours, or raises UsageError."""
    try:
        marker = json.loads((destination / MARKER).read_text(encoding="utf-8"))
        counts, digest = marker["files"], marker["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise cli.UsageError(
            f"{destination} exists, is no download of this command and is left alone: "
            "move it away or give another --out"
        ) from None
    found = count_files(destination)
    if found != counts:
        raise cli.UsageError(
            f"{destination} was downloaded with the files {counts}. Received: {found}; move it "
            "away to download it again"
        )
    if sha256 not in (None, digest):
        raise cli.UsageError(f"{destination} has sha256 {digest}. Received: --sha256 {sha256}")
    return counts


def download(
    name: str,
    out: str | Path = "data",
    *,
    archive: str | None = None,
    url: str | None = None,
    sha256: str | None = None,
    timeout: float = 30.0,
    retries: int = 5,
) -> Path:
    """Downloads and unpacks one set, unless it is there; see `main` for the arguments.

    Returns:
        The folder of the set, `out/name`.

    Raises:
        gans.training.cli.UsageError: A wrong argument, or a folder in the way; nothing was done.
        gans.training.cli.Failure: No address gave the archive, its sha256 differs, it is damaged
            or hostile, or the disk is full. What was received stays in `out/NAME.part`.
    """
    out = Path(out)
    dataset = _check_arguments(name, out, archive, url, sha256)
    sha256 = sha256.lower() if sha256 else None
    destination = out / name
    if os.path.lexists(destination):
        _report(destination, _existing(destination, sha256), "is complete")
        return destination

    out.mkdir(parents=True, exist_ok=True)
    record = out / f"{name}{dataset.suffix}.sha256"
    if sha256:
        checksum = _Checksum(sha256, "--sha256")
    elif dataset.sha256:
        checksum = _Checksum(dataset.sha256, "published; --sha256 accepts another")
    elif record.exists():
        noted = record.read_text(encoding="utf-8").split()[:1]
        checksum = _Checksum("".join(noted), f"noted in {record}; --sha256 accepts another")
    else:
        checksum = _Checksum(None, "")

    def unpack(path: Path, digest: str) -> None:
        marker = {"name": name, "sha256": digest}
        counts = extract(path, destination, dataset.folders, marker)
        if checksum.expected is None:
            record.write_text(f"{digest}  {name}{dataset.suffix}\n", encoding="utf-8")
            print(
                f"No sha256 of {name} is published: {digest} is noted in {record}, and a later "
                "download that differs will be refused."
            )
        _report(destination, counts, "is ready")

    if archive:
        digest, problem = checksum.compare(Path(archive))
        if problem:
            raise cli.Failure(f"{archive}: {problem}")
        unpack(Path(archive), digest)
        return destination

    with _Partial(out / f"{name}{dataset.suffix}.part") as partial:
        if not url:
            _require_space(out, dataset.size, partial.size)
        urls = [url] if url else dataset.urls
        digest = _fetch_verified(urls, partial, timeout, retries, checksum)
        try:
            unpack(partial.path, digest)
        except _Damaged as error:
            # The server may have announced too few bytes: the next run asks for more.
            partial.note(partial.validator, None)
            raise cli.Failure(
                f"{error}; give the command again to ask for the rest, or delete {partial.path} "
                "to start anew"
            ) from error
        partial.remove()
    return destination


def _report(destination: Path, counts: dict[str, int], state: str) -> None:
    print(f"{destination} {state}: {sum(counts.values()):,} files")
    for folder, count in counts.items():
        print(f"  {folder:8} {count:9,}")
    gan = "bicyclegan" if "train" in counts else "cyclegan"
    if not {"train", "trainA"}.isdisjoint(counts):
        print(f"Next: python scripts/train_{gan}.py --data_dir {destination}")


def _print_list() -> None:
    for name, dataset in DATASETS.items():
        layout = "paired" if dataset.suffix == ".tar.gz" else "unpaired"
        size = "withheld" if dataset.withheld else tqdm.format_sizeof(dataset.size, "B")
        known = "sha256" if dataset.sha256 else "-"
        print(f"{name:24}{layout:10}{size:>9}  {known:8}{dataset.about}")


def main(
    name: str | None = None,
    out: str = "data",
    archive: str | None = None,
    url: str | None = None,
    sha256: str | None = None,
    timeout: float = 30.0,
    retries: int = 5,
    list: bool = False,
) -> None:
    """Downloads a public image-to-image data set by name and unpacks it safely.

    Args:
        name: Name of the set; --list shows them.
        out: Folder below which the set becomes a folder of its name.
        archive: Copy of the archive at hand, to unpack without network. It is only read.
        url: Address of a mirror of your own, in place of the authors' server.
        sha256: Checksum that the archive must have, 64 hex digits. Default: the published one, or
            that of the first download.
        timeout: Seconds without an answer after which an attempt counts as failed.
        retries: Attempts in a row that may fail before the next address is tried.
        list: Show the names, sizes, whether a sha256 is published, and contents; nothing else.
    """
    if list:
        _print_list()
        return
    if name is None:
        raise cli.UsageError("expected the name of a set, see --list. Received: nothing")
    if timeout <= 0 or retries < 0:
        raise cli.UsageError(
            f"expected --timeout above 0 and --retries of at least 0. Received: {timeout:g} and "
            f"{retries}"
        )
    download(name, out, archive=archive, url=url, sha256=sha256, timeout=timeout, retries=retries)


if __name__ == "__main__":
    cli.run(main)
