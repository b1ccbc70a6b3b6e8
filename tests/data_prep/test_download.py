import errno
import gzip
import hashlib
import http.server
import io
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from data_prep import download
from gans.training import cli

SCRIPT = Path(download.__file__)
MIB = 1 << 20


# A server that lies.


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
def site(monkeypatch):
    server = Server(("127.0.0.1", 0), Handler)
    server.site = Site(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(
        download.Dataset,
        "urls",
        property(lambda dataset: server.site.mirrors(dataset.file)),
    )
    yield server.site
    server.site.resume_stalled.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch):
    """A connection to anywhere else is an error, and no proxy of the machine is asked."""
    connect = socket.socket.connect

    def guarded(self, address):
        assert address[0] == "127.0.0.1", address
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "_BACKOFF_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    """Notes the calls that make a folder durable; the real sync waits for the whole machine."""
    calls = []
    rename = os.rename
    monkeypatch.setattr(os, "sync", lambda: calls.append("sync"))
    monkeypatch.setattr(os, "rename", lambda *names: (calls.append("rename"), rename(*names)))
    return calls


# Archives.


def tar_gz(members):
    """Packs (TarInfo or name, bytes) pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, data in members:
            if isinstance(info, str):
                info = tarfile.TarInfo(info)
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in members:
            archive.writestr(info, data)
    return buffer.getvalue()


PHOTOS = {name: os.urandom(60_000) for name in ("train/1.jpg", "train/2.jpg", "val/1.jpg")}
ZEBRAS = {f"{folder}/1.jpg": os.urandom(5_000) for folder in ("trainA", "trainB", "testA", "testB")}


@pytest.fixture
def bags(monkeypatch):
    """The paired set "bags", of unknown sha256: returns its archive."""
    body = tar_gz((f"bags/{name}", data) for name, data in PHOTOS.items())
    dataset = download.Dataset("bags.tar.gz", len(body), "", None, ("train",))
    monkeypatch.setitem(download.DATASETS, "bags", dataset)
    return body


@pytest.fixture
def zebras(monkeypatch):
    """The unpaired set "zebras", of published sha256: returns its archive."""
    body = zipped((f"zebras/{name}", data) for name, data in ZEBRAS.items())
    digest = hashlib.sha256(body).hexdigest()
    dataset = download.Dataset("zebras.zip", len(body), "", digest, ("trainA", "trainB"))
    monkeypatch.setitem(download.DATASETS, "zebras", dataset)
    return body


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != download.MARKER
    }


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# The whole way.


def test_pairs_arrive_as_train_and_val(site, bags, tmp_path, capsys):
    site.serve("bags.tar.gz", bags)
    folder = download.download("bags", tmp_path)
    assert folder == tmp_path / "bags"
    assert contents(folder) == PHOTOS
    digest = hashlib.sha256(bags).hexdigest()
    assert names(tmp_path) == ["bags", "bags.tar.gz.sha256"]
    assert (tmp_path / "bags.tar.gz.sha256").read_text() == f"{digest}  bags.tar.gz\n"
    marker = json.loads((folder / download.MARKER).read_text())
    assert marker == {"name": "bags", "sha256": digest, "files": {"train": 2, "val": 1}}
    output = capsys.readouterr()
    assert f"Next: python scripts/train_bicyclegan.py --data_dir {folder}\n" in output.out
    assert re.search(r"^  train +2$", output.out, re.M)
    assert "No sha256 of bags is published" in output.out
    assert "\r" not in output.err and "bags.tar.gz: 100%" in output.err
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((folder / "train").stat().st_mode)


def test_unpaired_sets_arrive_as_four_folders(site, zebras, tmp_path, capsys):
    site.serve("zebras.zip", zebras)
    folder = download.download("zebras", tmp_path)
    assert contents(folder) == ZEBRAS
    assert names(tmp_path) == ["zebras"]  # a published sha256 needs no note of our own
    assert (
        f"Next: python scripts/train_cyclegan.py --data_dir {folder}\n" in capsys.readouterr().out
    )


def test_complete_download_is_said_and_asks_nobody(site, bags, tmp_path, capsys):
    site.serve("bags.tar.gz", bags)
    download.download("bags", tmp_path)
    asked = len(site.requests)
    download.download("bags", tmp_path)
    assert len(site.requests) == asked == 1
    assert f"{tmp_path / 'bags'} is complete: 3 files" in capsys.readouterr().out
    with pytest.raises(cli.UsageError, match="has sha256 .* Received: --sha256 0000"):
        download.download("bags", tmp_path, sha256="0" * 64)
    (tmp_path / "bags/train/1.jpg").unlink()
    with pytest.raises(cli.UsageError, match=r"'train': 2.*Received: \{'train': 1"):
        download.download("bags", tmp_path)


@pytest.mark.parametrize("kind", ["empty folder", "folder", "file", "dangling link"])
def test_what_the_user_has_under_the_name_is_left_alone(site, bags, tmp_path, kind):
    site.serve("bags.tar.gz", bags)
    there = tmp_path / "bags"
    if kind == "file":
        there.write_bytes(b"mine")
    elif kind == "dangling link":
        there.symlink_to("nowhere")
    else:
        there.mkdir()
        if kind == "folder":
            (there / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(cli.UsageError, match="left alone"):
        download.download("bags", tmp_path)
    assert site.requests == [] and names(tmp_path) == ["bags"]
    if kind == "folder":
        assert contents(there) == {"mine.jpg": b"mine"}
    assert there.is_symlink() == (kind == "dangling link")


# The line.


def test_resumes_by_range_within_a_run(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"cut": 100_000})
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert [wanted for _, wanted in site.requests] == [None, "bytes=100000-"]
    assert site.conditions == [None, '"v1"']
    assert site.sent == len(bags)


def test_resumes_by_range_in_a_later_run(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"cut": 70_000})
    site.act("/second/bags.tar.gz", {"status": 404})
    with pytest.raises(cli.Failure, match=r"ended after 70,000 of .* bytes; .*HTTP 404"):
        download.download("bags", tmp_path, retries=0)
    assert (tmp_path / "bags.tar.gz.part").read_bytes() == bags[:70_000]
    assert not (tmp_path / "bags").exists()
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.requests[-1] == ("/first/bags.tar.gz", "bytes=70000-")
    assert site.sent == len(bags) + len(b"<html>sorry</html>")


def test_killed_run_is_resumed_and_its_litter_removed(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"cut": 90_000, "stall": True})
    code = (
        "import sys; from data_prep import download as d; "
        f"d.DATASETS['bags'] = d.Dataset('bags.tar.gz', 1, '', None, ('train',)); "
        f"d.download('bags', sys.argv[1], url={site.mirrors('bags.tar.gz')[0]!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=-1
    )
    part = tmp_path / "bags.tar.gz.part"
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size == 90_000):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(cli.Failure, match="another run is downloading"):
        download.download("bags", tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (tmp_path / ".bags-1234.unpacking/content/train").mkdir(parents=True)
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.requests[-1] == ("/first/bags.tar.gz", "bytes=90000-")
    assert names(tmp_path) == ["bags", "bags.tar.gz.sha256"]


def test_server_that_ignores_range_sends_all_again(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"cut": 100_000}, {"ignore_range": True})
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.sent == len(bags) + 100_000


def test_server_without_validator_is_not_asked_for_a_range(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags, etag='W/"weak"')
    site.act("/first/bags.tar.gz", {"cut": 100_000})
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert [wanted for _, wanted in site.requests] == [None, None]


@pytest.mark.parametrize("act", [{}, {"ignore_if_range": True}, {"etag": '"old"'}])
def test_old_bytes_are_not_mixed_with_those_of_a_new_file(site, bags, tmp_path, act):
    site.serve("bags.tar.gz", b"\x1f\x8b" + os.urandom(len(bags)), etag='"old"')
    site.act("/first/bags.tar.gz", {"cut": 100_000})
    site.act("/second/bags.tar.gz", {"status": 404})
    with pytest.raises(cli.Failure):
        download.download("bags", tmp_path, retries=0)
    site.serve("bags.tar.gz", bags, etag='"new"')
    site.act("/first/bags.tar.gz", act)
    assert contents(download.download("bags", tmp_path)) == PHOTOS


def test_wrong_part_is_not_taken(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"cut": 100_000}, {"shift": 1})
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    first = "/first/bags.tar.gz"
    assert site.requests == [(first, None), (first, "bytes=100000-"), (first, None)]


def test_too_long_an_announcement_is_found_out(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"announce": len(bags) + 999})
    # The second request asks for what is behind the end: 416, and so all is there.
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.sent == len(bags)


def test_too_short_an_announcement_leaves_a_part_that_resumes(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"announce": 100_000})
    with pytest.raises(cli.Failure, match="damaged or cut off: .*give the command again"):
        download.download("bags", tmp_path)
    assert names(tmp_path) == ["bags.tar.gz.part", "bags.tar.gz.part.json"]
    assert (tmp_path / "bags.tar.gz.part").read_bytes() == bags[:100_000]
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.requests[-1][1] == "bytes=100000-"


def test_unknown_length_is_read_to_the_end(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"no_length": True})
    assert contents(download.download("bags", tmp_path)) == PHOTOS


def test_web_page_is_no_archive_and_costs_no_old_bytes(site, bags, tmp_path, capsys):
    site.serve("bags.tar.gz", bags)
    page = b"<!DOCTYPE html><title>Moved</title>" * 100
    site.act("/first/bags.tar.gz", {"cut": 100_000}, {"page": page})
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert "expected a .tar.gz or .zip. Received: text/html, b'<!DO'" in capsys.readouterr().out
    assert site.requests[-1] == ("/second/bags.tar.gz", "bytes=100000-")


@pytest.mark.parametrize(
    ("act", "requests", "message"),
    [
        ({"status": 404}, 1, "HTTP 404"),
        ({"status": 403}, 1, "HTTP 403"),
        ({"status": 500}, 3, "gave up after 3 attempts: HTTP 500"),
        ({"status": 503}, 3, "gave up after 3 attempts: HTTP 503"),
        ({"redirect": "/first/bags.tar.gz"}, None, "infinite loop"),
        ({"redirect": "ftp://127.0.0.1/x"}, 1, "unsafe address ftp://"),
        ({"redirect": "file:///etc/passwd"}, 1, "HTTP 302 .*not allowed|unsafe address"),
        ({"cut": 0}, 3, "gave up after 3 attempts"),
    ],
)
def test_address_that_fails_gives_way_to_the_next(site, bags, tmp_path, act, requests, message):
    site.serve("bags.tar.gz", bags, mirrors=["first"])
    site.act("/first/bags.tar.gz", *[act] * 50)
    with pytest.raises(cli.Failure, match=f"first/bags.tar.gz: .*({message}).*second/bags.*404"):
        download.download("bags", tmp_path, retries=2)
    asked = [path for path, _ in site.requests].count("/first/bags.tar.gz")
    assert requests in (None, asked) and asked < 20
    assert not (tmp_path / "bags").exists()
    site.serve("bags.tar.gz", bags, mirrors=["second"])
    assert contents(download.download("bags", tmp_path, retries=2)) == PHOTOS


def test_encrypted_line_is_not_given_up_by_a_redirect():
    request = urllib.request.Request("https://127.0.0.1/x.zip")
    with pytest.raises(urllib.error.HTTPError, match="unsafe address http://127.0.0.1/x.zip"):
        download._Redirects().redirect_request(
            request, io.BytesIO(), 302, "Found", {}, "http://127.0.0.1/x.zip"
        )


def test_silence_counts_as_failure(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    site.act("/first/bags.tar.gz", {"cut": 50_000, "stall": True})
    assert contents(download.download("bags", tmp_path, timeout=0.2)) == PHOTOS
    assert site.requests[-1] == ("/first/bags.tar.gz", "bytes=50000-")


def test_progress_is_not_held_against_the_server_and_its_lack_is(site, tmp_path, monkeypatch):
    body = tar_gz([("train/1.jpg", os.urandom(3 * MIB))])
    dataset = download.Dataset("big.tar.gz", len(body), "", None, ("train",))
    monkeypatch.setitem(download.DATASETS, "big", dataset)
    site.serve("big.tar.gz", body)
    # Three interruptions, each after 1 MiB more, with no retry to spend.
    site.act("/first/big.tar.gz", *[{"cut": MIB}] * 3)
    download.download("big", tmp_path, retries=0)
    assert len(site.requests) == 4
    # Without ranges the same 2 MiB come again and again, which is no progress from the second on.
    site.serve("big.tar.gz", body, etag=None)
    site.act("/first/big.tar.gz", *[{"cut": 2 * MIB}, {"cut": 4}] * 10)
    site.act("/second/big.tar.gz", {"status": 404})
    site.requests.clear()
    with pytest.raises(cli.Failure, match="gave up after 3 attempts"):
        download.download("big", tmp_path / "other", retries=2)
    assert len(site.requests) == 1 + 3 + 1  # progress, three without, the other address


def test_back_off_doubles_up_to_a_bound(site, bags, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(download, "_BACKOFF_SECONDS", 1.0)
    monkeypatch.setattr(download.time, "sleep", waits.append)
    with pytest.raises(cli.Failure):
        site.act("/first/bags.tar.gz", *[{"status": 500}] * 9)
        download.download("bags", tmp_path, retries=7)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


# Checksums.


def test_wrong_sha256_is_told_and_the_next_address_tried(site, zebras, tmp_path, capsys):
    wrong = zebras[:-1] + b"\1"
    site.serve("zebras.zip", wrong, mirrors=["first"], etag='"same"')
    site.serve("zebras.zip", zebras, mirrors=["second"], etag='"same"')
    assert contents(download.download("zebras", tmp_path)) == ZEBRAS
    digests = [hashlib.sha256(body).hexdigest() for body in (zebras, wrong)]
    message = f"expected sha256 {digests[0]} (published; --sha256 accepts another). Received: "
    assert message + digests[1] in capsys.readouterr().out


def test_wrong_sha256_everywhere_leaves_nothing_to_mistake(site, zebras, tmp_path):
    site.serve("zebras.zip", zebras[:-1] + b"\1")
    with pytest.raises(cli.Failure, match="download failed: .*expected sha256 .* Received: "):
        download.download("zebras", tmp_path)
    assert names(tmp_path) == []
    site.serve("zebras.zip", zebras)
    assert contents(download.download("zebras", tmp_path)) == ZEBRAS


def test_later_download_that_differs_is_refused(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)
    (download.download("bags", tmp_path)).rename(tmp_path / "away")
    other = tar_gz([("bags/train/1.jpg", b"other")])
    site.serve("bags.tar.gz", other, etag='"v2"')
    with pytest.raises(cli.Failure, match=r"noted in .*bags\.tar\.gz\.sha256; --sha256 accepts"):
        download.download("bags", tmp_path)
    assert not (tmp_path / "bags").exists()
    folder = download.download("bags", tmp_path, sha256=hashlib.sha256(other).hexdigest().upper())
    assert contents(folder) == {"train/1.jpg": b"other"}


def test_damaged_archive_is_not_noted_as_the_right_one(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags[:-30_000])
    with pytest.raises(cli.Failure, match="damaged or cut off"):
        download.download("bags", tmp_path)
    assert not (tmp_path / "bags.tar.gz.sha256").exists()


# A copy at hand.


def test_archive_needs_no_network_and_is_only_read(site, bags, tmp_path):
    copy = tmp_path / "copy of bags"
    copy.write_bytes(bags)
    copy.chmod(0o444)
    out = tmp_path / "new" / "data"
    assert contents(download.download("bags", out, archive=str(copy))) == PHOTOS
    assert site.requests == [] and copy.read_bytes() == bags
    assert names(out) == ["bags", "bags.tar.gz.sha256"]


def test_archive_is_compared_with_the_sha256(zebras, tmp_path):
    copy = tmp_path / "zebras.zip"
    copy.write_bytes(zebras + b"\0")
    with pytest.raises(cli.Failure, match=r"zebras.zip: expected sha256 .* \(published"):
        download.download("zebras", tmp_path, archive=str(copy))
    assert names(tmp_path) == ["zebras.zip"]


# The disk.


def test_space_is_looked_for_before_anything_is_sent(site, bags, tmp_path, monkeypatch):
    site.serve("bags.tar.gz", bags)
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    needed = int(len(bags) * 2.25)
    message = f"about {needed:,} bytes are needed .* Received: 1,000 bytes available"
    with pytest.raises(cli.Failure, match=message):
        download.download("bags", tmp_path)
    assert site.requests == []
    # The size of a mirror's archive is known from its answer only.
    with pytest.raises(cli.Failure, match=message):
        download.download("bags", tmp_path, url=site.mirrors("bags.tar.gz")[0])
    assert names(tmp_path) == []
    copy = tmp_path / "copy.tar.gz"
    copy.write_bytes(bags)
    with pytest.raises(cli.Failure, match=f"about {int(len(bags) * 1.25):,} bytes are needed"):
        download.download("bags", tmp_path, archive=str(copy))


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


def test_disk_full_while_receiving_keeps_what_came(site, bags, tmp_path, monkeypatch):
    site.serve("bags.tar.gz", bags)
    enter = download._Partial.__enter__

    def with_little_room(partial):
        partial.file = FullDisk(partial.file, 80_000)
        return enter(partial)

    with monkeypatch.context() as patch:
        patch.setattr(download._Partial, "__enter__", with_little_room)
        message = f"No space left on device; 80,000 of {len(bags):,} bytes are kept"
        with pytest.raises(cli.Failure, match=message):
            download.download("bags", tmp_path)
    assert (tmp_path / "bags.tar.gz.part").read_bytes() == bags[:80_000]
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.requests[-1][1] == "bytes=80000-"


def test_disk_full_while_unpacking_costs_no_second_download(site, bags, tmp_path, monkeypatch):
    site.serve("bags.tar.gz", bags)
    copy = download.shutil.copyfileobj
    written = []

    def full_at_the_second_file(source, target, length):
        written.append(target.name)
        copy(source, FullDisk(target, 60_000 if len(written) < 2 else 100), length)

    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "copyfileobj", full_at_the_second_file)
        message = r"No space left on device while unpacking .*bags.tar.gz.part; about [\d,]+ bytes"
        with pytest.raises(cli.Failure, match=message):
            download.download("bags", tmp_path)
    assert len(written) == 2
    assert names(tmp_path) == ["bags.tar.gz.part", "bags.tar.gz.part.json"]
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.sent == len(bags)


# Hostile archives. Each function makes (TarInfo or name, bytes) members.


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def special(name, kind):
    info = tarfile.TarInfo(name)
    info.type = kind
    return info, b""


GOOD = ("set/train/1.jpg", b"image")
HOSTILE_TARS = {
    "parent": ([("set/../../x", b"")], r"'set/../../x' leads out of its folder"),
    "absolute": ([("/tmp/x", b"")], "'/tmp/x' has an absolute path"),
    "drive": ([("C:x.jpg", b"")], "drive letter"),
    "backslash": ([("set\\..\\x.jpg", b"")], "backslash"),
    "control character": ([("set/a\nb.jpg", b"")], r"control characters"),
    "right to left": ([("set/gpj\u202e.exe", b"")], "control characters"),
    "bytes": ([("set/\udcff.jpg", b"")], "undecodable bytes"),
    "link": ([link("set/train/l", "/tmp"), ("set/train/l/x", b"")], "is a link to '/tmp'"),
    "inner link": ([link("set/l.jpg", "train/1.jpg")], "is a link to 'train/1.jpg'"),
    "hard link": ([link("set/h", "/etc/passwd", tarfile.LNKTYPE)], "is a link to '/etc/passwd'"),
    "device": ([special("set/null", tarfile.CHRTYPE)], "is a device"),
    "sparse": ([special("set/holes.jpg", tarfile.GNUTYPE_SPARSE)], "is an entry of type b'S'"),
    "pipe": ([special("set/pipe", tarfile.FIFOTYPE)], "is a device"),
    "long part": ([("set/" + "a" * 256, b"")], "too long a name"),
    "long path": ([("set/" + "ab/" * 400 + "x", b"")], "too long a name"),
    "twice": ([GOOD], "falls together with 'set/train/1.jpg'"),
    "twice by detour": ([("./set//train/./1.jpg", b"")], "falls together with"),
    "one letter twice": ([("x", b""), ("x", b"")], "'x' falls together with 'x'"),
    "case": ([("set/TRAIN/2.jpg", b"")], "'set/TRAIN/2.jpg' falls together with 'set/train/'"),
    "sharp s": ([("set/ß.jpg", b""), ("set/SS.jpg", b"")], "falls together with"),
    "unicode form": ([("set/\u00e9.jpg", b""), ("set/e\u0301.jpg", b"")], "falls together with"),
    "file as folder": ([("set/train/1.jpg/x", b"")], "falls together with 'set/train/1.jpg'"),
    "folder as file": ([("set/train", b"")], "falls together with 'set/train/'"),
    "no name": ([("./", b"")], "has no name"),
    "zeros": ([("set/zeros", bytes(20 * MIB))], "brings the total to 20,971,525 bytes"),
    "many": ([(f"set/{i}", b"") for i in range(60)], "is one more than the 50 allowed"),
    "large": ([("set/large", os.urandom(2000))], "has 2,000 bytes, 1,000 allowed"),
}


def symlink_in_zip():
    info = zipfile.ZipInfo("set/link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def with_zero_byte():
    info = zipfile.ZipInfo("set/a.jpg")
    info.filename = "set/a.jpg\0.exe"  # the constructor would cut it
    return info


BOTH = ["parent", "absolute", "drive", "backslash", "twice", "case", "zeros", "many", "large"]
HOSTILE_ZIPS = {case: HOSTILE_TARS[case] for case in BOTH} | {
    "link": ([(symlink_in_zip(), "/etc/passwd")], "is a link or device"),
    "zero byte": ([(with_zero_byte(), b"")], "control characters"),
    "lzma": ([], "compressed in an unusual way"),
}
LIMITS = {"many": download.Limits(members=50), "large": download.Limits(file_bytes=1000)}


def assert_refused(archive, tmp_path, message, limits):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(cli.Failure, match=message) as refusal:
        download.extract(archive, tmp_path / "out", limits=limits)
    assert str(archive) in str(refusal.value)
    assert sorted(tmp_path.rglob("*")) == before  # neither the folder, nor anything beside it


@pytest.mark.parametrize("case", HOSTILE_TARS)
def test_hostile_tar_is_refused_whole(tmp_path, case):
    members, message = HOSTILE_TARS[case]
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(tar_gz([GOOD, *members]))
    limits = LIMITS.get(case, download.Limits())
    assert_refused(archive, tmp_path, f"refused, nothing was kept; member .*{message}", limits)


@pytest.mark.parametrize("case", HOSTILE_ZIPS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_zip_is_refused_whole(tmp_path, case):
    members, message = HOSTILE_ZIPS[case]
    archive = tmp_path / "set.zip"
    archive.write_bytes(zipped([GOOD, *members]))
    if case == "lzma":
        with zipfile.ZipFile(archive, "a", zipfile.ZIP_LZMA) as file:
            file.writestr("set/2.jpg", b"image")
    limits = LIMITS.get(case, download.Limits())
    assert_refused(archive, tmp_path, f"refused, nothing was kept; member .*{message}", limits)


def raw_header(size, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo("set/train/2.jpg")
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


MEMBER = raw_header(5) + b"image".ljust(512, b"\0")
BROKEN_TARS = {
    "a long name of gigabytes": raw_header(1 << 33, tarfile.GNUTYPE_LONGNAME),
    "a record of gigabytes": raw_header(1 << 33, tarfile.XHDTYPE),
    "a record of negative size": raw_header(-1024, tarfile.XHDTYPE),
    "a member of negative size": raw_header(-1024),
    "a member of exabytes": raw_header(1 << 62),
    "a broken header": MEMBER + bytes([1]) * 512 + MEMBER + bytes(1024),
    "a broken last header": MEMBER + bytes([1]) * 512,
    "something after the end": MEMBER + bytes(1024) + MEMBER,
    "megabytes after the end": MEMBER + bytes(2 * MIB),
    "half a file": MEMBER[:514],
}


@pytest.mark.parametrize("case", BROKEN_TARS)
def test_broken_tar_is_refused(tmp_path, case):
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(gzip.compress(BROKEN_TARS[case]))
    assert_refused(archive, tmp_path, "damaged or cut off|refused", download.Limits())


@pytest.mark.parametrize("size", [32 * MIB, -1024])
@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_header_bomb_takes_no_memory(tmp_path, kind, size):
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(gzip.compress(raw_header(size, kind) + bytes(32 * MIB)))
    tracemalloc.start()
    assert_refused(archive, tmp_path, "a header of [-0-9,]+ bytes", download.Limits())
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize("make", [tar_gz, zipped])
def test_archive_cut_anywhere_or_with_a_byte_changed_is_refused(tmp_path, make):
    body = make([GOOD, ("set/train/2.jpg", os.urandom(3000))])
    archive = tmp_path / "archive"
    for cut in (30, len(body) // 2, len(body) - 8, len(body) - 1):
        archive.write_bytes(body[:cut])
        assert_refused(archive, tmp_path, "damaged or cut off", download.Limits())
    middle = len(body) // 2
    archive.write_bytes(body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :])
    assert_refused(archive, tmp_path, "damaged or cut off", download.Limits())


def test_zip_that_claims_more_than_it_holds_is_refused(tmp_path):
    body = bytearray(zipped([GOOD]))
    size = body.index(b"PK\1\2") + 24  # in the list of members, where zipfile takes it from
    assert body[size] == len(GOOD[1])
    body[size] += 1
    archive = tmp_path / "set.zip"
    archive.write_bytes(body)
    assert_refused(archive, tmp_path, "'set/train/1.jpg' ends after 5 bytes", download.Limits())


@pytest.mark.parametrize(("field", "value"), [(16, b"\0\0\0\x7f"), (12, b"\xff\xff\0\0")])
def test_zip_with_offsets_before_its_start_is_refused(tmp_path, field, value):
    body = bytearray(zipped([GOOD]))
    end = body.rindex(b"PK\5\6") + field  # offset and size of the list of members
    body[end : end + 4] = value
    archive = tmp_path / "set.zip"
    archive.write_bytes(body)
    assert_refused(archive, tmp_path, "damaged or cut off", download.Limits())


def test_zip_without_names_is_refused(tmp_path):
    body = bytearray(zipped([GOOD]))
    length = body.index(b"PK\1\2") + 28
    body[length], body[length + 4] = 0, body[length]  # the name becomes a comment
    archive = tmp_path / "set.zip"
    archive.write_bytes(body)
    assert_refused(archive, tmp_path, "damaged or cut off|has no name", download.Limits())


def test_zip_with_an_endless_list_of_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_DIRECTORY_BYTES", 4096)
    archive = tmp_path / "set.zip"
    archive.write_bytes(zipped((f"set/{i}", b"") for i in range(100)))
    assert_refused(archive, tmp_path, "a list of members of [0-9,]+ bytes", download.Limits())


def test_hostile_download_keeps_only_the_part(site, bags, tmp_path):
    site.serve("bags.tar.gz", tar_gz([GOOD, link("set/train/l", "/tmp"), ("set/train/l/x", b"")]))
    with pytest.raises(cli.Failure, match="bags.tar.gz.part: refused.* 'set/train/l' is a link"):
        download.download("bags", tmp_path)
    assert names(tmp_path) == ["bags.tar.gz.part", "bags.tar.gz.part.json"]


def test_folder_gets_its_name_when_all_is_on_the_disk(tmp_path, calls):
    archive = tmp_path / "set"
    archive.write_bytes(zipped([GOOD]))
    download.extract(archive, tmp_path / "out")
    assert calls == ["sync", "rename"]


def test_what_systems_leave_behind_is_left_out_and_the_top_folder_may_miss(tmp_path):
    litter = ["__MACOSX/train/._1.jpg", "train/._1.jpg", "train/.DS_Store", "train/Thumbs.db"]
    kept = {"train/1.jpg": b"a", "train/2013-11-08 16:45:24.jpg": b"b", "notes/é.txt": b"c"}
    archive = tmp_path / "set"
    archive.write_bytes(zipped([*kept.items(), *((name, b"?") for name in litter)]))
    counts = download.extract(archive, tmp_path / "out", ("train",))
    assert contents(tmp_path / "out") == kept
    assert counts == {"train": 2, "notes": 1}


def test_top_folder_of_any_name_becomes_the_set(tmp_path):
    top = tarfile.TarInfo("./other name/")
    top.type = tarfile.DIRTYPE
    archive = tmp_path / "set"
    archive.write_bytes(tar_gz([(top, b""), ("./other name/train/1.jpg", b"a")]))
    assert download.extract(archive, tmp_path / "out", ("train",)) == {"train": 1}
    assert contents(tmp_path / "out") == {"train/1.jpg": b"a"}


def test_archive_of_something_else_is_refused(tmp_path):
    archive = tmp_path / "set"
    archive.write_bytes(tar_gz([("set/trainA/1.jpg", b"a")]))
    before = names(tmp_path)
    message = r"expected files in trainB. Received: \{'trainA': 1\}"
    with pytest.raises(cli.Failure, match=message):
        download.extract(archive, tmp_path / "out", ("trainA", "trainB"))
    archive.write_bytes(b"BM bitmap")
    with pytest.raises(cli.Failure, match="expected a .tar.gz or .zip archive"):
        download.extract(archive, tmp_path / "out")
    assert names(tmp_path) == before


# The command and its table.


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("edges2handbag", {}, "Received: 'edges2handbag'; did you mean 'edges2handbags'?"),
        ("facades", {"sha256": "abc"}, "--sha256 expects 64 hex digits. Received: 'abc'"),
        ("facades", {"url": "ftp://127.0.0.1/x"}, "--url expects an http or https address"),
        ("facades", {"url": "http:///x"}, "--url expects an http or https address"),
        ("facades", {"archive": "none.zip"}, "--archive expects .* Received: 'none.zip'"),
        ("facades", {"archive": "a", "url": "http://b/c"}, "Received: both"),
        ("cityscapes", {}, "cannot be downloaded: .*licence.*cityscapes-dataset.com"),
        ("cityscapes_unpaired", {}, "cannot be downloaded: .*licence"),
    ],
)
def test_usage_errors_come_before_any_work(tmp_path, monkeypatch, name, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(cli.UsageError, match=message.replace("?", r"\?")):
        download.download(name, "data", **options)
    assert names(tmp_path) == []


def test_foreign_part_and_file_in_place_of_the_folder(site, bags, tmp_path):
    (tmp_path / "bags.tar.gz.part").write_bytes(b"mine")
    with pytest.raises(cli.UsageError, match="no download that this command can resume"):
        download.download("bags", tmp_path)
    with pytest.raises(cli.UsageError, match="--out expects a folder"):
        download.download("bags", tmp_path / "bags.tar.gz.part")
    assert (tmp_path / "bags.tar.gz.part").read_bytes() == b"mine"


def test_withheld_set_can_be_unpacked_from_a_copy(tmp_path):
    copy = tmp_path / "cityscapes.tar.gz"
    copy.write_bytes(tar_gz([("cityscapes/train/1.jpg", b"a")]))
    folder = download.download("cityscapes", tmp_path, archive=str(copy))
    assert contents(folder) == {"train/1.jpg": b"a"}


def test_table():
    for name, dataset in download.DATASETS.items():
        assert dataset.sha256 is None or re.fullmatch("[0-9a-f]{64}", dataset.sha256), name
        assert (dataset.size > 0) != bool(dataset.withheld), name
        assert [url.split(":")[0] for url in dataset.urls] == ["https", "http"]
        kind = "pix2pix" if dataset.folders == ("train",) else "cyclegan"
        assert f"/{kind}/datasets/{name.removesuffix('_unpaired')}" in dataset.urls[0]
    published = [dataset.sha256 for dataset in download.DATASETS.values() if dataset.sha256]
    assert len(published) == len(set(published)) == 10
    horses = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/horse2zebra.zip"
    assert download.DATASETS["horse2zebra"].urls[0] == horses


def test_command(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags)

    def run(*words):
        command = [sys.executable, str(SCRIPT), *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)

    listed = run("--list")
    assert listed.returncode == 0 and listed.stderr == ""
    shown = {line.split()[0] for line in listed.stdout.splitlines()}
    assert shown == set(download.DATASETS) - {"bags"}
    nothing = run()
    assert (nothing.returncode, nothing.stderr) == (
        2,
        "error: expected the name of a set, see --list. Received: nothing\n",
    )
    never = run("facades", "--retries=-1")
    assert (never.returncode, never.stderr) == (
        2,
        "error: expected --timeout above 0 and --retries of at least 0. Received: 30 and -1\n",
    )
    done = run("facades", "--out", "my data", "--url", site.mirrors("bags.tar.gz")[0])
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "my data/facades") == PHOTOS
    other = run("maps", f"--url={site.root}/none.zip", "--retries=0")
    assert other.returncode == 1
    assert other.stderr == f"error: download failed: {site.root}/none.zip: HTTP 404 Not Found\n"
