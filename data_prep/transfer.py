"""Gets a file over the line: resumed where it was cut off, tried again, checked by its sha256.

Nothing is trusted that comes over it: not the announced length, nor that the rest of a file belongs
to its beginning, nor that an answer is the file and no web page. What was received so far is in
NAME.part, and what the server said of the whole in NAME.part.json.
"""

import hashlib
import http.client
import json
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tqdm import tqdm

from data_prep.running import say
from gans.command_line.errors import Failure, UsageError
from gans.command_line.files import sync, write_text

_CHUNK = 1 << 18
_PROGRESS_BYTES = 1 << 20  # An attempt that brings as much is not held against the server.
_BACKOFF_SECONDS = 1.0  # Doubles with each failure in a row, to 30 at most.
_RETRIED_STATUS = {408, 425, 429, 500, 502, 503, 504}


class Checksum(NamedTuple):
    """The sha256 that a file must have: 64 hex digits in lower case, or None if any will do, and
    where it is from, for the message.
    """

    expected: str | None
    origin: str = ""

    def verify(self, path: Path) -> str:
        """Returns the sha256 of a file; raises `Failure` if it is another than expected."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if self.expected not in (None, digest):
            raise Failure(
                f"{path}: expected sha256 {self.expected} ({self.origin}). Received: {digest}"
            )
        return digest


def require_space(folder: Path, needed: float) -> None:
    """Raises `Failure` unless so many bytes are free on the disk of a folder."""
    available = shutil.disk_usage(folder).free
    if needed > available:
        raise Failure(
            f"{folder}: about {int(needed):,} bytes are needed. Received: {available:,} available"
        )


class Partial:
    """The bytes received so far, in NAME.part, and what the server said of the whole.

    Args:
        path: NAME.part.
        room: Bytes of the disk that each byte of the whole file will take in the end.

    Attributes:
        total: Bytes of the whole file as the server has it, None if unknown.
        validator: Strong ETag, else Last-Modified, of the file that the bytes are from, or None.

    Raises:
        UsageError: There is a file of this name that is no download of this command.
    """

    def __init__(self, path: Path, room: float = 1.0) -> None:
        self.path, self.room = path, room
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
        return self.path.stat().st_size if self.path.exists() else 0

    def note(self, validator: str | None, total: int | None) -> None:
        """Keeps what is known of the whole for this run and later ones."""
        self.validator, self.total = validator, total
        write_text(self._notes, json.dumps({"validator": validator, "total": total}))

    def append(self, chunk: bytes) -> None:
        """Raises `Failure` if the disk is full; what fitted in is kept."""
        view = memoryview(chunk)
        try:
            with open(self.path, "ab", buffering=0) as file:
                while view:
                    view = view[file.write(view) :]
        except OSError as error:
            raise Failure(
                f"{self.path}: {error.strerror}; {self.size:,} of {self.total or 0:,} bytes are "
                "kept: make room and give the command again"
            ) from error

    def clear(self) -> None:
        """Forgets everything, the bytes first: they must not lie beside notes of another file."""
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self.validator = self.total = None

    def require_space(self, total: int) -> None:
        """Raises `Failure` unless the disk has room for the rest of `total` bytes."""
        require_space(self.path.parent, total * self.room - self.size)


class _Interrupted(Exception):
    """The transfer stopped, and another attempt may go on."""


class _Unusable(Exception):
    """This address will not give the file; another may."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):
        allowed = {"https"} if req.full_url.startswith("https:") else {"https", "http"}
        if urlsplit(newurl).scheme not in allowed:
            message = f"redirect to the unsafe address {newurl}"
            raise urllib.error.HTTPError(newurl, code, message, headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)


def _reason(error: Exception) -> str:
    text = str(getattr(error, "reason", None) or error)
    return " ".join(text.split()) or type(error).__name__


def _begin(response: http.client.HTTPResponse, partial: Partial) -> int | None:
    """Keeps what the head of an answer says, and its first bytes, if it is what was asked for.

    Returns:
        The announced size of the whole file, None if there is none.
    """
    etag = response.headers.get("ETag", "W/")  # A weak one does not promise equal bytes.
    validator = response.headers.get("Last-Modified") if etag.startswith("W/") else etag
    # The bytes of an earlier run are not given up for the page of an error or a login.
    if response.headers.get_content_type() == "text/html":
        raise _Unusable("expected a file. Received: text/html")
    first = response.read1(_CHUNK)
    if not first:
        raise _Interrupted("the connection ended before the first byte")
    if response.status == 206:
        span = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", span)
        same = match and int(match[1]) == partial.size and validator == partial.validator
        if not same or partial.total not in (None, int(match[2])):
            partial.clear()
            raise _Interrupted(f"expected the rest. Received: {span!r} of {validator}")
        total = int(match[2])
    else:
        partial.clear()
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
    partial.require_space(total or 0)
    partial.note(validator, total)
    partial.append(first)
    return total


def _receive(url: str, partial: Partial, timeout: float) -> None:
    """Makes one request and appends what it brings; returns when the file is whole."""
    size = partial.size
    headers = {"User-Agent": "gans-download", "Accept-Encoding": "identity"}
    if size and partial.validator:
        headers |= {"Range": f"bytes={size}-", "If-Range": partial.validator}
    try:
        request = urllib.request.Request(url, headers=headers)
        with _OPENER.open(request, timeout=timeout) as response:
            total = _begin(response, partial)
            style = {"unit": "B", "unit_scale": True, "disable": None}
            with tqdm(desc=partial.path.stem, total=total, initial=partial.size, **style) as bar:
                while chunk := response.read1(_CHUNK):
                    partial.append(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        with error:
            whole = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
        if error.code == 416 and "Range" in headers:
            if not whole or int(whole[1]) != size:
                partial.clear()
                raise _Interrupted("the file on the server has changed") from error
            total = size
        else:
            message = f"HTTP {error.code} {_reason(error)}"
            raise (_Interrupted if error.code in _RETRIED_STATUS else _Unusable)(message) from error
    except (OSError, http.client.HTTPException) as error:
        certificate = isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)
        raise (_Unusable if certificate else _Interrupted)(_reason(error)) from error
    received = partial.size
    if total is not None and received != total:
        if received > total:
            partial.clear()
        raise _Interrupted(f"the connection ended after {received:,} of {total:,} bytes")
    partial.note(partial.validator, received)
    sync(partial.path)


def _receive_all(url: str, partial: Partial, timeout: float, retries: int) -> None:
    """Receives the file from one address, in as many requests as it takes."""
    failures, best = 0, partial.size
    while partial.total is None or partial.size != partial.total:
        try:
            _receive(url, partial, timeout)
        except _Interrupted as error:
            # Counted from the most that ever came: a server that starts anew each time gains none.
            failures = 0 if partial.size >= best + _PROGRESS_BYTES else failures + 1
            best = max(best, partial.size)
            if failures > retries:
                raise _Unusable(f"gave up after {failures} attempts: {error}") from error
            delay = min(_BACKOFF_SECONDS * 2 ** max(failures - 1, 0), 30)
            say(f"{url}: {error}; next attempt in {delay:g} s")
            time.sleep(delay)


def fetch(
    urls: Iterable[str], partial: Partial, checksum: Checksum, timeout: float, retries: int
) -> str:
    """Receives a file, whole and of the right sha256, from the first address that gives it.

    An address is given up after `retries` attempts in a row that failed, or went without an answer
    for `timeout` seconds. Bytes of an earlier run are not asked for again.

    Returns the sha256. Raises `Failure` where no address gave the file, each with its reason, or
    the disk is full; what was received stays, except for a whole file of a wrong sha256.
    """
    problems = []
    for url in urls:
        say(f"{url} -> {partial.path}")
        if checksum.expected is None and url.startswith("http:"):
            say("The line is not encrypted, and no sha256 is known to compare with.")
        try:
            _receive_all(url, partial, timeout, retries)
            try:
                return checksum.verify(partial.path)
            except Failure as error:
                partial.clear()  # More bytes do not mend wrong ones.
                raise _Unusable(str(error)) from error
        except _Unusable as error:
            problems.append(f"{url}: {error}")
            say(problems[-1])
    raise Failure("download failed: " + "; ".join(problems))
