"""Gets an archive over the line: resumed where it was cut off, tried again, checked by sha256.

Nothing is trusted that comes over it: not the announced length, nor that the rest of a file belongs
to its beginning, nor that an answer is the archive and no web page. What was received so far is in
NAME.part, and in NAME.part.json what the server said of the whole.

The command is data_prep/download.py; the helpers at the top serve data_prep/unpack.py too.
"""

import contextlib
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from gans.command_line.errors import Failure, UsageError

try:
    import fcntl
except ImportError:  # Windows has no flock: two runs at once are not told from one another there.
    fcntl = None

_CHUNK = 1 << 18
_PROGRESS_BYTES = 1 << 20  # what counts as progress: an attempt that brings it is not held against
_BACKOFF_SECONDS = 1.0  # the server; doubles with each failure in a row, to 30 at most
_RETRIED_STATUS = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Form:
    """What a file is that comes over the line.

    Attributes:
        name: For messages.
        starts: First bytes by which it is told from the page of an error or a login.
        unpacked_per_byte: Bytes of what it holds, each of which will be a file.
    """

    name: str
    starts: tuple[bytes, ...]
    unpacked_per_byte: float = 0.0


UNPACKED_PER_BYTE = 1.25  # JPEGs hardly shrink, and a file fills up its last disk block
ARCHIVE = Form(".tar.gz or .zip", (b"\x1f\x8b", b"PK"), UNPACKED_PER_BYTE)


# What unpacking needs too.


def archive_kind(start: bytes) -> str | None:
    """Tells "tar" (gzipped) and "zip" by the first bytes of a file; None for anything else."""
    return {b"\x1f\x8b": "tar", b"PK": "zip"}.get(start[:2])


class _Lines:
    """Gives a log file whole lines in place of a bar that is redrawn."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def progress(label: str, total: int | None, initial: int = 0, unit: str = "B") -> tqdm:
    """Returns a bar on stderr; where that is no terminal, it writes a line every ten seconds."""
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


def reason(error: Exception) -> str:
    """Returns what an exception says, in one line."""
    text = str(getattr(error, "reason", None) or error)
    return " ".join(text.split()) or type(error).__name__


def lock(descriptor: int) -> bool:
    """Locks an open file or folder until it is closed; False if somebody else holds it."""
    if fcntl:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def require_space(folder: Path, file_bytes: int, present: int, form: Form = ARCHIVE) -> None:
    """Raises Failure unless the disk has room for the rest of a file and for its contents.

    Args:
        folder: Existing folder on that disk.
        file_bytes: Size of the whole file, 0 if unknown.
        present: Bytes of the file that are there already.
        form: What the file is.
    """
    needed = int(file_bytes * (1 + form.unpacked_per_byte)) - present
    available = shutil.disk_usage(folder).free
    if needed > available:
        raise Failure(
            f"{folder}: about {needed:,} bytes are needed to download"
            f"{' and unpack' * (form.unpacked_per_byte > 0)}. "
            f"Received: {available:,} bytes available"
        )


# What is kept.


class Partial:
    """The bytes received so far, and what the server said of the whole; see `open_partial`.

    Attributes:
        path: Where the bytes are.
        form: What they are the beginning of.
        total: Bytes of the whole archive as the server has it, None if unknown.
        validator: Strong ETag, else Last-Modified, of the file the bytes are from, or None.
    """

    def __init__(self, path: Path, file: io.FileIO, form: Form) -> None:
        self.path, self._file, self.form = path, file, form
        self._notes = path.with_name(path.name + ".json")
        self.total: int | None = None
        self.validator: str | None = None
        try:
            notes = json.loads(self._notes.read_text(encoding="utf-8"))
            self.validator, self.total = notes["validator"], notes["total"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            if self.size:
                raise UsageError(
                    f"{path} is no download that this command can resume: move it away"
                ) from None

    @property
    def size(self) -> int:
        """Bytes received."""
        return os.fstat(self._file.fileno()).st_size

    def note(self, validator: str | None, total: int | None) -> None:
        """Keeps what is known of the whole for this run and later ones."""
        if (validator, total) != (self.validator, self.total) or not self._notes.exists():
            self.validator, self.total = validator, total
            self._notes.write_text(json.dumps({"validator": validator, "total": total}))

    def append(self, chunk: bytes) -> None:
        """Raises Failure if the disk is full; what fitted in is kept."""
        view = memoryview(chunk)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise Failure(
                f"{self.path}: {error.strerror}; {self.size:,} of {self.total or 0:,} bytes are "
                "kept: make room and give the command again"
            ) from error

    def sync(self) -> None:
        """Returns when the bytes are on the disk."""
        os.fsync(self._file.fileno())

    def rename(self, destination: Path) -> None:
        """Makes a whole file of the bytes, which are on the disk."""
        os.rename(self.path, destination)
        self._notes.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forgets everything."""
        # Empty first: notes of the new file beside bytes of the old one would mix the two.
        self._file.truncate(0)
        self._notes.unlink(missing_ok=True)
        self.validator = self.total = None


@contextlib.contextmanager
def open_partial(path: Path, form: Form = ARCHIVE) -> Iterator[Partial]:
    """Opens or begins the download at `path`, NAME.part; an empty one is removed when left.

    Raises:
        UsageError: There is a file that is none of this command's.
        Failure: Another run has it open.
    """
    with open(path, "a+b", buffering=0) as file:
        if not lock(file.fileno()):
            raise Failure(f"{path}: another run is downloading to it")
        partial = Partial(path, file, form)
        try:
            yield partial
        finally:
            if not partial.size:
                partial.clear()
                file.close()
                path.unlink()


@dataclass(frozen=True)
class Checksum:
    """The sha256 that an archive must have.

    Attributes:
        expected: 64 hex digits in lower case, or None if any will do.
        origin: Where it is from, for the message.
    """

    expected: str | None
    origin: str = ""

    def verify(self, path: Path) -> str:
        """Returns the sha256 of a file; raises Failure if it is another than expected."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if self.expected not in (None, digest):
            raise Failure(
                f"{path}: expected sha256 {self.expected} ({self.origin}). Received: {digest}"
            )
        return digest


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


def _open(url: str, partial: Partial, timeout: float) -> http.client.HTTPResponse | None:
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
            partial.clear()
            raise _Interrupted("the file on the server has changed") from error
        message = f"HTTP {error.code} {reason(error)}"
        raise (_Interrupted if error.code in _RETRIED_STATUS else _Unusable)(message) from error
    except (OSError, http.client.HTTPException) as error:
        certificate = isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)
        raise (_Unusable if certificate else _Interrupted)(reason(error)) from error


def _announced_rest(
    response: http.client.HTTPResponse, validator: str | None, partial: Partial
) -> int:
    """Returns the bytes of the whole, of which the answer is the part that is missing."""
    span = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", span)
    same = match and int(match[1]) == partial.size and validator == partial.validator
    if not same or partial.total not in (None, int(match[2])):
        partial.clear()
        raise _Interrupted(f"asked for the rest, received {span!r} of {validator}")
    return int(match[2])


def _announced_whole(
    response: http.client.HTTPResponse, partial: Partial
) -> tuple[bytes, int | None]:
    """Returns the first bytes of an answer from the beginning, and how many are announced."""
    start, length = response.read(4), response.headers.get("Content-Length", "")
    if len(start) < 4:
        raise _Interrupted(f"the connection ended after {len(start)} bytes")
    if not start.startswith(partial.form.starts):
        # An old download is not given up for the page of an error or a login.
        kind = response.headers.get_content_type()
        raise _Unusable(f"expected a {partial.form.name}. Received: {kind}, {start!r}")
    partial.clear()
    return start, int(length) if length.isdecimal() else None


def _receive(url: str, partial: Partial, timeout: float) -> None:
    """Makes one request and appends what it brings; returns when the archive is whole."""
    response = _open(url, partial, timeout)
    if response is None:
        return
    with response:
        try:
            etag = response.headers.get("ETag", "W/")  # a weak one does not promise equal bytes
            validator = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
            if response.status == 206:
                start, total = b"", _announced_rest(response, validator, partial)
            else:
                start, total = _announced_whole(response, partial)
            require_space(partial.path.parent, total or 0, partial.size, partial.form)
            partial.note(validator, total)
            partial.append(start)
            with progress(partial.path.stem, total, partial.size) as bar:
                while chunk := response.read1(_CHUNK):
                    partial.append(chunk)
                    bar.update(len(chunk))
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(reason(error)) from error
    received = partial.size
    if total is not None and received > total:
        partial.clear()
        raise _Interrupted(f"{received:,} bytes came where {total:,} were announced")
    if total is not None and received < total:
        raise _Interrupted(f"the connection ended after {received:,} of {total:,} bytes")
    partial.note(partial.validator, received)
    partial.sync()


def _fetch(url: str, partial: Partial, timeout: float, retries: int) -> None:
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


def fetch(
    urls: Iterable[str], partial: Partial, checksum: Checksum, timeout: float, retries: int
) -> str:
    """Receives an archive, whole and of the right sha256, from the first address that gives it.

    Args:
        urls: Addresses in the order in which they are tried.
        partial: Where the bytes go; those of an earlier run are not asked for again.
        checksum: What the archive must be.
        timeout: Seconds without an answer after which an attempt counts as failed.
        retries: Attempts in a row that may fail before the next address is tried.

    Returns:
        The sha256 of the archive.

    Raises:
        Failure: No address gave the archive, each with its reason, or the disk
            is full. What was received stays, except for a whole archive of a wrong sha256.
    """
    problems = []
    for url in urls:
        try:
            print(f"{url} -> {partial.path}", flush=True)
            if checksum.expected is None and url.startswith("http:"):
                print("The line is not encrypted, and no sha256 is known to compare with.")
            _fetch(url, partial, timeout, retries)
            try:
                return checksum.verify(partial.path)
            except Failure as error:
                partial.clear()  # more bytes do not mend wrong ones
                raise _Unusable(str(error)) from error
        except _Unusable as error:
            problems.append(f"{url}: {error}")
            print(problems[-1], flush=True)
    raise Failure("download failed: " + "; ".join(problems))
