"""A server on loopback that lies on demand, and archives to serve."""

import errno
import http.server
import io
import os
import re
import socket
import tarfile
import threading
import zipfile

import pytest

from data_prep import transfer, unpack


class Site:
    """Serves `files` below each mirror; a request takes the next of `acts` for its path, if any."""

    def __init__(self, port):
        self.root = f"http://127.0.0.1:{port}"
        self.files = {}  # path: (body, ETag)
        self.acts = {}  # path: list of dicts
        self.requests = []  # (path, Range header)
        self.conditions = []  # If-Range headers
        self.sent = 0
        self.resume_stalled = threading.Event()

    def mirrors(self, file):
        return (f"{self.root}/first/{file}", f"{self.root}/second/{file}")

    def serve(self, file, body, etag='"v1"', mirrors=("first", "second")):
        for mirror in mirrors:
            self.files[f"/{mirror}/{file}"] = (body, etag)

    def act(self, path, *acts):
        self.acts[path] = list(acts)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server.site
        site.requests.append((self.path, self.headers.get("Range")))
        site.conditions.append(self.headers.get("If-Range"))
        acts = site.acts.get(self.path, [])
        act = acts.pop(0) if acts else {}
        body, etag = site.files.get(self.path, (None, None))
        if "page" in act:
            return self.answer(200, act["page"], {"Content-Type": "text/html"})
        if "redirect" in act:
            return self.answer(302, b"", {"Location": act["redirect"]})
        if "status" in act or body is None:
            return self.answer(act.get("status", 404), b"<html>sorry</html>")
        etag = act.get("etag", etag)
        headers = {"ETag": etag} if etag else {}
        start, status = 0, 200
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range") in (None, etag) or "ignore_if_range" in act
        if wanted and fresh and "ignore_range" not in act:
            start, status = int(wanted[1]) + act.get("shift", 0), 206
            if start >= len(body):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return self.answer(status, body[start:], headers, act)

    def answer(self, status, body, headers=(), act=()):
        act = dict(act)
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if "no_length" not in act:
            self.send_header("Content-Length", str(act.get("announce", len(body))))
        self.send_header("Connection", "close")
        self.end_headers()
        part = body[: act.get("cut", len(body))]
        self.wfile.write(part)
        self.wfile.flush()
        self.server.site.sent += len(part)
        if "stall" in act:
            self.server.site.resume_stalled.wait(20)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the client went away: several tests mean it to


@pytest.fixture
def site(loopback_only, monkeypatch):
    """A running `Site`; nobody waits between attempts."""
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 0.0)
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.site
    server.site.resume_stalled.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def loopback_only(monkeypatch):
    """A connection to anywhere else is an error, and no proxy of the machine is asked."""
    connect = socket.socket.connect

    def guarded(self, address):
        assert address[0] == "127.0.0.1", address
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def calls(monkeypatch):
    """Notes the calls that make a folder durable; the real sync waits for the whole machine."""
    calls = []
    rename = os.rename
    monkeypatch.setattr(os, "sync", lambda: calls.append("sync"))
    monkeypatch.setattr(os, "rename", lambda *names: (calls.append("rename"), rename(*names)))
    return calls


def _pack(kind, members):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for info, data in members:
                archive.writestr(info, data)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info, data in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def pack():
    """pack("tar" or "zip", pairs of a name, TarInfo or ZipInfo with bytes): an archive's bytes."""
    return _pack


def _contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != unpack.MARKER
    }


@pytest.fixture(scope="session")
def contents():
    """contents(folder): the bytes of each file below it by relative path, without the marker."""
    return _contents


class FullDisk:
    """A file that takes so many bytes, then reports a full disk."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        written = self.file.write(bytes(data)[: self.room])
        self.room -= written
        if written < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return written

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()


@pytest.fixture(scope="session")
def full_disk():
    """full_disk(file, room): the open file on a disk with room for so many more bytes."""
    return FullDisk
