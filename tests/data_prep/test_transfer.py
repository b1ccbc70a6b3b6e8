import hashlib
import io
import os
import urllib.error
import urllib.request

import pytest

from data_prep import transfer
from gans.command_line.errors import Failure, UsageError

MIB = 1 << 20
FILE = "set.tar.gz"
FIRST, SECOND = f"/first/{FILE}", f"/second/{FILE}"
BODY = b"\x1f\x8b" + os.urandom(180_000)
OTHER = b"\x1f\x8b" + os.urandom(180_000)


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def fetch(site, folder, expected=None, timeout=30.0, retries=5):
    """Returns the bytes fetched, which stay in `folder`."""
    partial = transfer.Partial(folder / f"{FILE}.part")
    checksum = transfer.Checksum(expected, "published")
    digest = transfer.fetch(site.mirrors(FILE), partial, checksum, timeout, retries)
    body = partial.path.read_bytes()
    assert digest == sha256(body)
    return body


def part(folder):
    return (folder / f"{FILE}.part").read_bytes()


# Resuming.


def test_resumes_by_range_within_a_run(site, tmp_path):
    site.serve(FILE, BODY)
    site.act(FIRST, {"cut": 100_000})
    assert fetch(site, tmp_path) == BODY
    assert site.requests == [(FIRST, None), (FIRST, "bytes=100000-")]
    assert site.conditions == [None, '"v1"']
    assert site.sent == len(BODY)


def test_resumes_by_range_in_a_later_run(site, tmp_path):
    site.serve(FILE, BODY)
    site.act(FIRST, {"cut": 70_000})
    site.act(SECOND, {"status": 404})
    with pytest.raises(Failure, match=r"ended after 70,000 of .* bytes; .*HTTP 404"):
        fetch(site, tmp_path, retries=0)
    assert part(tmp_path) == BODY[:70_000]
    assert fetch(site, tmp_path) == BODY
    assert site.requests[-1] == (FIRST, "bytes=70000-")
    assert site.sent == len(BODY) + len(b"<html>sorry</html>")


def test_whole_archive_is_not_asked_for_again(site, tmp_path):
    site.serve(FILE, BODY)
    assert fetch(site, tmp_path) == fetch(site, tmp_path) == BODY
    assert len(site.requests) == 1


def test_server_that_ignores_range_sends_all_again(site, tmp_path):
    site.serve(FILE, BODY)
    site.act(FIRST, {"cut": 100_000}, {"ignore_range": True})
    assert fetch(site, tmp_path) == BODY
    assert site.sent == len(BODY) + 100_000


def test_server_without_validator_is_not_asked_for_a_range(site, tmp_path):
    site.serve(FILE, BODY, etag='W/"weak"')
    site.act(FIRST, {"cut": 100_000})
    assert fetch(site, tmp_path) == BODY
    assert site.requests == [(FIRST, None), (FIRST, None)]


@pytest.mark.parametrize("act", [{}, {"ignore_if_range": True}, {"etag": '"old"'}])
def test_old_bytes_are_not_mixed_with_those_of_a_new_file(site, tmp_path, act):
    site.serve(FILE, OTHER + b"longer", etag='"old"')
    site.act(FIRST, {"cut": 100_000})
    site.act(SECOND, {"status": 404})
    with pytest.raises(Failure):
        fetch(site, tmp_path, retries=0)
    site.serve(FILE, BODY, etag='"new"')
    site.act(FIRST, act)
    assert fetch(site, tmp_path) == BODY


def test_wrong_part_is_not_taken(site, tmp_path):
    site.serve(FILE, BODY)
    site.act(FIRST, {"cut": 100_000}, {"shift": 1})
    assert fetch(site, tmp_path) == BODY
    assert site.requests == [(FIRST, None), (FIRST, "bytes=100000-"), (FIRST, None)]


def test_foreign_part_is_left_alone(tmp_path):
    (tmp_path / f"{FILE}.part").write_bytes(b"mine")
    with pytest.raises(UsageError, match="no download that this command can resume"):
        transfer.Partial(tmp_path / f"{FILE}.part")
    assert part(tmp_path) == b"mine"


# Announced lengths.


def test_too_long_an_announcement_is_found_out(site, tmp_path):
    site.serve(FILE, BODY)
    site.act(FIRST, {"announce": len(BODY) + 999})
    # The second request asks for what is behind the end: 416, and so all is there.
    assert fetch(site, tmp_path) == BODY
    assert site.sent == len(BODY)


def test_unknown_length_is_read_to_the_end(site, tmp_path):
    site.serve(FILE, BODY)
    site.act(FIRST, {"no_length": True})
    assert fetch(site, tmp_path) == BODY


# Mirrors and retries.


def test_web_page_is_no_archive_and_costs_no_old_bytes(site, tmp_path, capsys):
    site.serve(FILE, BODY)
    page = b"<!DOCTYPE html><title>Moved</title>" * 100
    site.act(FIRST, {"cut": 100_000}, {"page": page})
    assert fetch(site, tmp_path) == BODY
    assert "Received: text/html" in capsys.readouterr().out
    assert site.requests[-1] == (SECOND, "bytes=100000-")


@pytest.mark.parametrize(
    ("act", "requests", "message"),
    [
        ({"status": 404}, 1, "HTTP 404"),
        ({"status": 403}, 1, "HTTP 403"),
        ({"status": 500}, 3, "gave up after 3 attempts: HTTP 500"),
        ({"status": 503}, 3, "gave up after 3 attempts: HTTP 503"),
        ({"redirect": FIRST}, None, "infinite loop"),
        ({"redirect": "ftp://127.0.0.1/x"}, 1, "unsafe address ftp://"),
        ({"redirect": "file:///etc/passwd"}, 1, "HTTP 302 .*not allowed|unsafe address"),
        ({"cut": 0}, 3, "gave up after 3 attempts"),
    ],
)
def test_address_that_fails_gives_way_to_the_next(site, tmp_path, act, requests, message):
    site.serve(FILE, BODY, mirrors=["first"])
    site.act(FIRST, *[act] * 50)
    with pytest.raises(Failure, match=f"{FIRST}: .*({message}).*{SECOND}: .*404"):
        fetch(site, tmp_path, retries=2)
    asked = [path for path, _ in site.requests].count(FIRST)
    assert requests in (None, asked) and asked < 20
    assert os.listdir(tmp_path) == []
    site.serve(FILE, BODY, mirrors=["second"])
    assert fetch(site, tmp_path, retries=2) == BODY


def test_encrypted_line_is_not_given_up_by_a_redirect():
    request = urllib.request.Request("https://127.0.0.1/x.zip")
    with pytest.raises(urllib.error.HTTPError, match="unsafe address http://127.0.0.1/x.zip"):
        transfer._Redirects().redirect_request(
            request, io.BytesIO(), 302, "Found", {}, "http://127.0.0.1/x.zip"
        )


def test_silence_counts_as_failure(site, tmp_path):
    site.serve(FILE, BODY)
    site.act(FIRST, {"cut": 50_000, "stall": True})
    assert fetch(site, tmp_path, timeout=0.2) == BODY
    assert site.requests[-1] == (FIRST, "bytes=50000-")


def test_progress_is_not_held_against_the_server(site, tmp_path):
    body = BODY + bytes(3 * MIB)
    site.serve(FILE, body)
    # Three interruptions, each after 1 MiB more, with no retry to spend.
    site.act(FIRST, *[{"cut": MIB}] * 3)
    assert fetch(site, tmp_path, retries=0) == body
    assert len(site.requests) == 4


def test_the_same_bytes_again_are_no_progress(site, tmp_path):
    site.serve(FILE, BODY + bytes(3 * MIB), etag=None)  # and so without ranges
    site.act(FIRST, *[{"cut": 2 * MIB}, {"cut": 4}] * 10)
    site.act(SECOND, {"status": 404})
    with pytest.raises(Failure, match="gave up after 3 attempts"):
        fetch(site, tmp_path, retries=2)
    assert len(site.requests) == 1 + 3 + 1  # progress, three without, the other address


def test_back_off_doubles_up_to_a_bound(site, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(transfer, "_BACKOFF_SECONDS", 1.0)
    monkeypatch.setattr(transfer.time, "sleep", waits.append)
    site.act(FIRST, *[{"status": 500}] * 9)
    with pytest.raises(Failure):
        fetch(site, tmp_path, retries=7)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


# Checksums.


def test_wrong_sha256_is_told_and_the_next_address_tried(site, tmp_path, capsys):
    site.serve(FILE, OTHER, mirrors=["first"], etag='"same"')
    site.serve(FILE, BODY, mirrors=["second"], etag='"same"')
    assert fetch(site, tmp_path, expected=sha256(BODY)) == BODY
    message = f"expected sha256 {sha256(BODY)} (published). Received: {sha256(OTHER)}"
    assert message in capsys.readouterr().out


def test_wrong_sha256_everywhere_leaves_nothing_to_mistake(site, tmp_path):
    site.serve(FILE, OTHER)
    with pytest.raises(Failure, match="download failed: .*expected sha256 .* Received: "):
        fetch(site, tmp_path, expected=sha256(BODY))
    assert os.listdir(tmp_path) == []
    site.serve(FILE, BODY)
    assert fetch(site, tmp_path, expected=sha256(BODY)) == BODY


# The disk.


def test_full_disk_keeps_what_came(site, tmp_path, monkeypatch, full_disk):
    site.serve(FILE, BODY)

    def with_little_room(*args, **options):
        file = open(*args, **options)  # noqa: SIM115, the caller closes it
        return full_disk(file, room=80_000 - os.fstat(file.fileno()).st_size)

    with monkeypatch.context() as patch:
        patch.setattr(transfer, "open", with_little_room, raising=False)
        message = f"No space left on device; 80,000 of {len(BODY):,} bytes are kept"
        with pytest.raises(Failure, match=message):
            fetch(site, tmp_path)
    assert part(tmp_path) == BODY[:80_000]
    assert fetch(site, tmp_path) == BODY
    assert site.requests[-1] == (FIRST, "bytes=80000-")
