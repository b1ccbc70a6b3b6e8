import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep import download, transfer, unpack
from gans.command_line.errors import Failure, UsageError

SCRIPT = Path(download.__file__)
PHOTOS = {name: os.urandom(60_000) for name in ("train/1.jpg", "train/2.jpg", "val/1.jpg")}
ZEBRAS = {f"{folder}/1.jpg": os.urandom(5_000) for folder in ("trainA", "trainB", "testA", "testB")}

pytestmark = pytest.mark.usefixtures("loopback_only", "calls")


def publish(monkeypatch, site, name, file, body, folders, sha256=None):
    """Adds a file to the table; the site serves it at both addresses."""
    entry = download.Published(site.mirrors(file), len(body), "", sha256, folders)
    table = download.WEIGHTS if folders is None else download.DATASETS
    monkeypatch.setitem(table, name, entry)
    site.serve(file, body)


@pytest.fixture
def bags(monkeypatch, site, pack):
    """The paired set "bags", of unknown sha256: returns its archive."""
    body = pack("tar", [(f"bags/{name}", data) for name, data in PHOTOS.items()])
    publish(monkeypatch, site, "bags", "bags.tar.gz", body, ("train",))
    return body


@pytest.fixture
def zebras(monkeypatch, site, pack):
    """The unpaired set "zebras", of published sha256: returns its archive."""
    body = pack("zip", [(f"zebras/{name}", data) for name, data in ZEBRAS.items()])
    digest = hashlib.sha256(body).hexdigest()
    publish(monkeypatch, site, "zebras", "zebras.zip", body, ("trainA", "trainB"), digest)
    return body


# The whole way.


def test_pairs_arrive_as_train_and_val(site, bags, tmp_path, capsys, contents):
    folder = download.download("bags", tmp_path)
    assert folder == tmp_path / "bags"
    assert contents(folder) == PHOTOS
    digest = hashlib.sha256(bags).hexdigest()
    assert sorted(os.listdir(tmp_path)) == ["bags", "bags.tar.gz.sha256"]
    assert (tmp_path / "bags.tar.gz.sha256").read_text() == f"{digest}  bags.tar.gz\n"
    marker = json.loads((folder / unpack.MARKER).read_text())
    assert marker == {"name": "bags", "sha256": digest, "files": {"train": 2, "val": 1}}
    output = capsys.readouterr()
    assert f"Next: python scripts/train_bicyclegan.py --data_dir {folder}\n" in output.out
    assert re.search(r"^  train +2$", output.out, re.M)
    assert "No sha256 of bags.tar.gz is published" in output.out
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE((folder / "train").stat().st_mode)


def test_unpaired_sets_arrive_as_four_folders(site, zebras, tmp_path, capsys, contents):
    folder = download.download("zebras", tmp_path)
    assert contents(folder) == ZEBRAS
    assert sorted(os.listdir(tmp_path)) == ["zebras"]  # a published sha256 needs no note of our own
    assert (
        f"Next: python scripts/train_cyclegan.py --data_dir {folder}\n" in capsys.readouterr().out
    )


def test_complete_download_is_said_and_asks_nobody(site, bags, tmp_path, capsys):
    download.download("bags", tmp_path)
    asked = len(site.requests)
    download.download("bags", tmp_path)
    assert len(site.requests) == asked == 1
    assert f"{tmp_path / 'bags'} is complete: 3 files" in capsys.readouterr().out
    with pytest.raises(UsageError, match="--sha256 .* Received: 0000"):
        download.download("bags", tmp_path, sha256="0" * 64)
    (tmp_path / "bags/train/1.jpg").unlink()
    with pytest.raises(UsageError, match=r"'train': 2.*Received: \{'train': 1"):
        download.download("bags", tmp_path)


@pytest.mark.parametrize("kind", ["empty folder", "folder", "file", "dangling link"])
def test_what_the_user_has_under_the_name_is_left_alone(site, bags, tmp_path, kind, contents):
    there = tmp_path / "bags"
    if kind == "file":
        there.write_bytes(b"mine")
    elif kind == "dangling link":
        there.symlink_to("nowhere")
    else:
        there.mkdir()
        if kind == "folder":
            (there / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match="left alone"):
        download.download("bags", tmp_path)
    assert site.requests == [] and sorted(os.listdir(tmp_path)) == ["bags"]
    if kind == "folder":
        assert contents(there) == {"mine.jpg": b"mine"}
    assert there.is_symlink() == (kind == "dangling link")


def test_killed_run_is_resumed_and_its_litter_removed(site, bags, tmp_path, contents):
    site.act("/first/bags.tar.gz", {"cut": 90_000, "stall": True})
    code = (
        "import sys; from data_prep import download as d; "
        f"urls = {site.mirrors('bags.tar.gz')!r}; "
        "d.DATASETS['bags'] = d.Published(urls, 1, '', None, ('train',)); "
        "d.download('bags', sys.argv[1])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=-1
    )
    part = tmp_path / "bags.tar.gz.part"
    while not (part.exists() and part.stat().st_size == 90_000):
        assert process.poll() is None
        time.sleep(0.01)
    with pytest.raises(Failure, match=r"bags\.lock"):
        download.download("bags", tmp_path)
    process.kill()
    process.communicate()
    (tmp_path / ".bags.unpacking/train").mkdir(parents=True)
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.requests[-1] == ("/first/bags.tar.gz", "bytes=90000-")
    assert sorted(os.listdir(tmp_path)) == ["bags", "bags.tar.gz.sha256"]


def test_too_short_an_announcement_leaves_a_part_that_resumes(site, bags, tmp_path, contents):
    site.act("/first/bags.tar.gz", {"announce": 100_000})
    with pytest.raises(Failure, match="damaged or cut off: .*give the command again"):
        download.download("bags", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["bags.tar.gz.part", "bags.tar.gz.part.json"]
    assert (tmp_path / "bags.tar.gz.part").read_bytes() == bags[:100_000]
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.requests[-1][1] == "bytes=100000-"


def test_later_download_that_differs_is_refused(site, bags, tmp_path, pack, contents):
    (download.download("bags", tmp_path)).rename(tmp_path / "away")
    other = pack("tar", [("bags/train/1.jpg", b"other")])
    site.serve("bags.tar.gz", other, etag='"v2"')
    with pytest.raises(Failure, match=r"noted in .*bags\.tar\.gz\.sha256; --sha256 accepts"):
        download.download("bags", tmp_path)
    assert not (tmp_path / "bags").exists()
    folder = download.download("bags", tmp_path, sha256=hashlib.sha256(other).hexdigest().upper())
    assert contents(folder) == {"train/1.jpg": b"other"}


def test_damaged_archive_is_not_noted_as_the_right_one(site, bags, tmp_path):
    site.serve("bags.tar.gz", bags[:-30_000])
    with pytest.raises(Failure, match="damaged or cut off"):
        download.download("bags", tmp_path)
    assert not (tmp_path / "bags.tar.gz.sha256").exists()


# A copy at hand.


def test_archive_needs_no_network_and_is_only_read(site, bags, tmp_path, contents):
    copy = tmp_path / "copy of bags"
    copy.write_bytes(bags)
    copy.chmod(0o444)
    out = tmp_path / "new" / "data"
    assert contents(download.download("bags", out, archive=str(copy))) == PHOTOS
    assert site.requests == [] and copy.read_bytes() == bags
    assert sorted(os.listdir(out)) == ["bags", "bags.tar.gz.sha256"]


def test_archive_is_compared_with_the_sha256(zebras, tmp_path):
    copy = tmp_path / "zebras.zip"
    copy.write_bytes(zebras + b"\0")
    with pytest.raises(Failure, match=r"zebras.zip: expected sha256 .* \(published"):
        download.download("zebras", tmp_path, archive=str(copy))
    assert sorted(os.listdir(tmp_path)) == ["zebras.zip"]


# The disk.


def test_space_is_looked_for_before_anything_is_sent(site, bags, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage)
    needed = int(len(bags) * 2.25)
    message = f"about {needed:,} bytes are needed. Received: 1,000 available"
    with pytest.raises(Failure, match=message):
        download.download("bags", tmp_path)
    assert site.requests == []
    # The size of a mirror's archive is known from its answer only.
    with pytest.raises(Failure, match=message):
        download.download("bags", tmp_path, url=site.mirrors("bags.tar.gz")[0])
    assert sorted(os.listdir(tmp_path)) == []
    copy = tmp_path / "copy.tar.gz"
    copy.write_bytes(bags)
    with pytest.raises(Failure, match=f"about {int(len(bags) * 1.25):,} bytes are needed"):
        download.download("bags", tmp_path, archive=str(copy))


def test_disk_full_while_unpacking_costs_no_second_download(
    site, bags, tmp_path, monkeypatch, contents, full_disk
):
    copy = unpack.shutil.copyfileobj
    written = []

    def full_at_the_second_file(source, target):
        written.append(target.name)
        copy(source, full_disk(target, 60_000 if len(written) < 2 else 100))

    with monkeypatch.context() as patch:
        patch.setattr(unpack.shutil, "copyfileobj", full_at_the_second_file)
        message = r"No space left on device while unpacking .*bags.tar.gz.part"
        with pytest.raises(Failure, match=message):
            download.download("bags", tmp_path)
    assert len(written) == 2
    assert sorted(os.listdir(tmp_path)) == ["bags.tar.gz.part", "bags.tar.gz.part.json"]
    assert contents(download.download("bags", tmp_path)) == PHOTOS
    assert site.sent == len(bags)


def test_hostile_download_keeps_only_the_part(site, bags, tmp_path, pack):
    site.serve("bags.tar.gz", pack("tar", [("train/1.jpg", b"a"), ("../x", b"")]))
    with pytest.raises(Failure, match="bags.tar.gz.part: refused.* '../x'"):
        download.download("bags", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["bags.tar.gz.part", "bags.tar.gz.part.json"]


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
        ("facades", {"retries": -1}, "--retries .* Received: -1"),
        ("facades", {"timeout": float("nan")}, "--timeout .* Received: nan"),
        ("cityscapes", {}, "cannot be downloaded: .*licence.*cityscapes-dataset.com"),
        ("cityscapes_unpaired", {}, "cannot be downloaded: .*licence"),
    ],
)
def test_usage_errors_come_before_any_work(tmp_path, monkeypatch, name, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        download.download(name, "data", **options)
    assert sorted(os.listdir(tmp_path)) == []


def test_foreign_part_and_file_in_place_of_the_folder(site, bags, tmp_path):
    (tmp_path / "bags.tar.gz.part").write_bytes(b"mine")
    with pytest.raises(UsageError, match="no download that this command can resume"):
        download.download("bags", tmp_path)
    with pytest.raises(UsageError, match="--out expects a folder"):
        download.download("bags", tmp_path / "bags.tar.gz.part")
    assert (tmp_path / "bags.tar.gz.part").read_bytes() == b"mine"


def test_withheld_set_can_be_unpacked_from_a_copy(tmp_path, pack, contents):
    copy = tmp_path / "cityscapes.tar.gz"
    copy.write_bytes(pack("tar", [("cityscapes/train/1.jpg", b"a")]))
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


def test_command(site, bags, tmp_path, contents):

    def run(*words):
        command = [sys.executable, str(SCRIPT), *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)

    listed = run("--list")
    assert listed.returncode == 0 and listed.stderr == ""
    shown = {line.split()[0] for line in listed.stdout.splitlines()}
    assert shown == (set(download.DATASETS) | set(download.WEIGHTS)) - {"bags"}
    nothing = run()
    assert (nothing.returncode, nothing.stderr) == (
        2,
        "error: expected the name of a set, see --list. Received: nothing\n",
    )
    done = run("facades", "--out", "my data", "--url", site.mirrors("bags.tar.gz")[0])
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "my data/facades") == PHOTOS
    other = run("maps", f"--url={site.root}/none.zip", "--retries=0")
    assert other.returncode == 1
    assert other.stderr == f"error: download failed: {site.root}/none.zip: HTTP 404 Not Found\n"


# Weights.


@pytest.fixture
def weights(monkeypatch, site):
    """The weights "net", of unknown sha256, and "known", of a published one: their bytes."""
    body = b"PK\3\4" + os.urandom(200_000)
    for name, digest in (("net", None), ("known", hashlib.sha256(body).hexdigest())):
        publish(monkeypatch, site, name, f"{name}.pth", body, None, digest)
    return body


def test_weights_stay_one_file(site, weights, tmp_path, capsys):
    path = download.download("known", tmp_path / "data")
    assert path == tmp_path / "data" / "known.pth" and path.read_bytes() == weights
    assert os.listdir(path.parent) == ["known.pth"]
    assert f"{path} is ready: 200,004 bytes" in capsys.readouterr().out
    asked = len(site.requests)
    assert download.download("known", tmp_path / "data") == path
    assert len(site.requests) == asked == 1
    assert f"{path} is complete" in capsys.readouterr().out


def test_weights_of_unknown_sha256_are_noted(site, weights, tmp_path, capsys):
    path = download.download("net", tmp_path)
    digest = hashlib.sha256(weights).hexdigest()
    assert (tmp_path / "net.pth.sha256").read_text() == f"{digest}  net.pth\n"
    assert f"No sha256 of net.pth is published: {digest} is noted" in capsys.readouterr().out
    download.download("net", tmp_path)
    path.write_bytes(weights[:-1])
    with pytest.raises(Failure, match=r"net\.pth: expected sha256 .* \(noted in .*Received: "):
        download.download("net", tmp_path)
    path.rename(tmp_path / "away")
    site.serve("net.pth", weights + b"\0", etag='"v2"')
    with pytest.raises(Failure, match=r"noted in .*net\.pth\.sha256; --sha256 accepts"):
        download.download("net", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["away", "net.pth.sha256"]


def test_weights_are_resumed(site, weights, tmp_path):
    site.act("/first/known.pth", {"cut": 90_000}, {"status": 404})
    site.act("/second/known.pth", {"status": 404})
    with pytest.raises(Failure, match="download failed: "):
        download.download("known", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["known.pth.part", "known.pth.part.json"]
    assert download.download("known", tmp_path).read_bytes() == weights
    assert site.requests[-1] == ("/first/known.pth", "bytes=90000-")
    assert os.listdir(tmp_path) == ["known.pth"]


def test_weights_come_from_the_next_address(site, weights, tmp_path):
    site.act("/first/known.pth", {"page": b"<html>log in</html>"})
    assert download.download("known", tmp_path).read_bytes() == weights
    site.serve("known.pth", weights[:-1] + b"?", mirrors=("first",))
    (tmp_path / "known.pth").unlink()
    assert download.download("known", tmp_path).read_bytes() == weights
    assert [path for path, _ in site.requests] == ["/first/known.pth", "/second/known.pth"] * 2


def test_a_page_is_no_checkpoint(site, weights, tmp_path):
    for mirror in ("first", "second"):
        site.act(f"/{mirror}/known.pth", {"page": b"<html>log in</html>"})
    with pytest.raises(Failure, match="Received: text/html"):
        download.download("known", tmp_path)
    assert os.listdir(tmp_path) == []


def test_weights_at_hand_need_no_network(site, weights, tmp_path):
    copy = tmp_path / "copy.pth"
    copy.write_bytes(weights)
    path = download.download("known", tmp_path / "data", archive=str(copy))
    assert path.read_bytes() == copy.read_bytes() == weights and site.requests == []
    assert os.listdir(path.parent) == ["known.pth"]
    copy.write_bytes(weights[1:])
    with pytest.raises(Failure, match=r"copy\.pth: expected sha256 .* \(published"):
        download.download("known", tmp_path / "other", archive=str(copy))
    assert os.listdir(tmp_path / "other") == []
    with pytest.raises(UsageError, match="--archive .* Received: 'none'"):
        download.download("known", tmp_path / "other", archive="none")


def test_what_lies_where_weights_would_go_is_left_alone(site, weights, tmp_path):
    (tmp_path / "net.pth").write_bytes(b"mine")
    (tmp_path / "known.pth").mkdir()
    for name in ("net", "known"):
        with pytest.raises(UsageError, match=f"{name}.pth exists, is no download of this"):
            download.download(name, tmp_path)
    assert site.requests == [] and (tmp_path / "net.pth").read_bytes() == b"mine"


def test_space_for_weights_is_what_they_weigh(site, weights, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": len(weights)})
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda folder: usage)
    download.download("known", tmp_path)
    usage.free -= 1
    message = r"about 200,004 bytes are needed\. Received: 200,003 available"
    with pytest.raises(Failure, match=message):
        download.download("net", tmp_path)


def test_table_of_weights():
    checkpoint, graph = download.WEIGHTS["inception"], download.WEIGHTS["inception_graph"]
    # The file's own name bears the first digits of its checksum, at both addresses.
    for url in checkpoint.urls:
        assert url.endswith(f"-{checkpoint.sha256[:8]}.pth")
    assert re.fullmatch("[0-9a-f]{64}", checkpoint.sha256) and graph.sha256 is None
    assert all(url.startswith("https://") for entry in (checkpoint, graph) for url in entry.urls)
    assert graph.urls[0].endswith(graph.file)
    with pytest.raises(UsageError, match=r"'inceptoin'; did you mean 'inception'\?"):
        download.download("inceptoin")


def test_weights_are_found_by_what_reads_them(weights):
    from gans.features import inception_weights as reader

    names = [download.WEIGHTS[name].file for name in ("inception", "inception_graph")]
    assert names == [reader.WEIGHTS, reader.GRAPH]
    assert f"inception --out {reader.FOLDER}" in reader.COMMAND
