import gzip
import os
import stat
import tarfile
import tracemalloc
import zipfile

import pytest

from data_prep import unpack
from gans.command_line.errors import Failure

MIB = 1 << 20

pytestmark = pytest.mark.usefixtures("calls")


# Members of hostile archives: (TarInfo or name, bytes).


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def special(name, kind):
    info = tarfile.TarInfo(name)
    info.type = kind
    return info, b""


GOOD = ("set/train/1.jpg", b"image")
HOSTILE = {
    "parent": [("set/../../x", b"")],
    "absolute": [("/tmp/x", b"")],
    "drive": [("C:x.jpg", b"")],
    "backslash": [("set\\..\\x.jpg", b"")],
    "twice": [GOOD],
    "twice by detour": [("./set//train/./1.jpg", b"")],
    "case": [("set/TRAIN/2.jpg", b"")],
    "sharp s": [("set/ß.jpg", b""), ("set/SS.jpg", b"")],
    "unicode form": [("set/\u00e9.jpg", b""), ("set/e\u0301.jpg", b"")],
    "file as folder": [("set/train/1.jpg/x", b"")],
    "folder as file": [("set/train", b"")],
    "control character": [("set/a\nb.jpg", b"")],
    "right to left": [("set/gpj\u202e.exe", b"")],
    "long part": [("set/" + "a" * 256, b"")],
    "long path": [("set/" + "ab/" * 400 + "x", b"")],
    "zeros": [("set/zeros", bytes(20 * MIB))],
    "large": [("set/large", os.urandom(2000))],
    "many": [(f"set/{i}", b"") for i in range(59)],
}
HOSTILE_TARS = {
    "bytes": [("set/\udcff.jpg", b"")],
    "link": [link("set/train/l", "/tmp")],
    "inner link": [link("set/l.jpg", "train/1.jpg")],
    "hard link": [link("set/h", "/etc/passwd", tarfile.LNKTYPE)],
    "device": [special("set/null", tarfile.CHRTYPE)],
    "sparse": [special("set/holes.jpg", tarfile.GNUTYPE_SPARSE)],
    "pipe": [special("set/pipe", tarfile.FIFOTYPE)],
    "no name": [("./", b"")],
}


def in_zip(name, mode=0):
    info = zipfile.ZipInfo("name")
    info.filename, info.create_system, info.external_attr = name, 3, mode << 16
    return info


HOSTILE_ZIPS = {
    "link": [(in_zip("set/link", stat.S_IFLNK | 0o777), "/etc/passwd")],
    "zero byte": [(in_zip("set/a.jpg\0.exe"), b"")],
}
LIMITS = {"many": ("MEMBERS", 59), "large": ("FILE_BYTES", 1000)}


def assert_refused(archive, kind=Failure):
    folder = archive.parent
    before = sorted(folder.rglob("*"))
    with pytest.raises(kind) as refusal:
        unpack.extract(archive, folder / "out")
    assert str(archive) in str(refusal.value) and "\n" not in str(refusal.value)
    assert sorted(folder.rglob("*")) == before  # Neither the folder, nor anything beside it.
    return str(refusal.value)


@pytest.mark.parametrize(
    ("kind", "case"),
    [*(("tar", c) for c in HOSTILE | HOSTILE_TARS), *(("zip", c) for c in HOSTILE | HOSTILE_ZIPS)],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_archive_is_refused_whole(tmp_path, monkeypatch, kind, case, pack):
    members = (HOSTILE | (HOSTILE_TARS if kind == "tar" else HOSTILE_ZIPS))[case]
    if case in LIMITS:
        monkeypatch.setattr(unpack, *LIMITS[case])
    archive = tmp_path / "archive"
    archive.write_bytes(pack(kind, [GOOD, *members]))
    name = getattr(members[-1][0], "name", None) or getattr(members[-1][0], "filename", None)
    message = assert_refused(archive)
    assert f"member {(name or members[-1][0])[:80]!r} " in message


def test_limits_are_those_that_are_named(tmp_path, monkeypatch, pack):
    archive = tmp_path / "archive"
    archive.write_bytes(pack("tar", [GOOD, ("set/large", os.urandom(1000))]))
    monkeypatch.setattr(unpack, "MEMBERS", 2)
    monkeypatch.setattr(unpack, "FILE_BYTES", 1000)
    monkeypatch.setattr(unpack, "TOTAL_BYTES", 1005)
    assert unpack.extract(archive, tmp_path / "out") == {"train": 1}


def test_zip_of_an_unusual_compression_is_refused(tmp_path, pack):
    archive = tmp_path / "archive"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("set/2.jpg", b"image")
    assert "'set/2.jpg' is encrypted or compressed" in assert_refused(archive)


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
    assert_refused(archive)


@pytest.mark.parametrize("size", [32 * MIB, -1024])
@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_header_bomb_takes_no_memory(tmp_path, kind, size):
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(gzip.compress(raw_header(size, kind) + bytes(32 * MIB)))
    tracemalloc.start()
    assert f"a header of {size:,} bytes" in assert_refused(archive, unpack.Damaged)
    assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_archive_cut_anywhere_or_with_a_byte_changed_is_refused(tmp_path, pack, kind):
    body = pack(kind, [GOOD, ("set/train/2.jpg", os.urandom(3000))])
    archive = tmp_path / "archive"
    for cut in (30, len(body) // 2, len(body) - 8, len(body) - 1):
        archive.write_bytes(body[:cut])
        assert_refused(archive, unpack.Damaged)
    middle = len(body) // 2
    archive.write_bytes(body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :])
    assert_refused(archive, unpack.Damaged)


def test_zip_that_claims_more_than_it_holds_is_refused(tmp_path, pack):
    body = bytearray(pack("zip", [GOOD]))
    size = body.index(b"PK\1\2") + 24  # in the list of members, where zipfile takes it from
    assert body[size] == len(GOOD[1])
    body[size] += 1
    archive = tmp_path / "set.zip"
    archive.write_bytes(body)
    assert "'set/train/1.jpg' ends after 5 bytes" in assert_refused(archive, unpack.Damaged)


@pytest.mark.parametrize(("field", "value"), [(16, b"\0\0\0\x7f"), (12, b"\xff\xff\0\0")])
def test_zip_with_offsets_before_its_start_is_refused(tmp_path, field, value, pack):
    body = bytearray(pack("zip", [GOOD]))
    end = body.rindex(b"PK\5\6") + field  # offset and size of the list of members
    body[end : end + 4] = value
    archive = tmp_path / "set.zip"
    archive.write_bytes(body)
    assert_refused(archive, unpack.Damaged)


def test_zip_without_names_is_refused(tmp_path, pack):
    body = bytearray(pack("zip", [GOOD]))
    length = body.index(b"PK\1\2") + 28
    body[length], body[length + 4] = 0, body[length]  # the name becomes a comment
    archive = tmp_path / "set.zip"
    archive.write_bytes(body)
    assert_refused(archive)


def test_zip_with_an_endless_list_of_members_is_refused(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(unpack, "DIRECTORY_BYTES", 4096)
    archive = tmp_path / "set.zip"
    archive.write_bytes(pack("zip", [(f"set/{i}", b"") for i in range(100)]))
    assert "a list of members of" in assert_refused(archive, unpack.Damaged)


def test_folder_gets_its_name_when_all_is_on_the_disk(tmp_path, calls, pack):
    archive = tmp_path / "set"
    archive.write_bytes(pack("zip", [GOOD]))
    unpack.extract(archive, tmp_path / "out")
    assert calls == ["sync", "rename"]


def test_litter_of_systems_is_left_out_and_the_top_folder_may_miss(tmp_path, pack, contents):
    litter = ["__MACOSX/train/._1.jpg", "train/._1.jpg", "train/.DS_Store", "train/Thumbs.db"]
    kept = {"train/1.jpg": b"a", "train/2013-11-08 16:45:24.jpg": b"b", "notes/é.txt": b"c"}
    archive = tmp_path / "set"
    archive.write_bytes(pack("zip", [*kept.items(), *((name, b"?") for name in litter)]))
    counts = unpack.extract(archive, tmp_path / "out", ("train",))
    assert contents(tmp_path / "out") == kept
    assert counts == {"train": 2, "notes": 1}


def test_top_folder_of_any_name_becomes_the_set(tmp_path, pack, contents):
    top = tarfile.TarInfo("./other name/")
    top.type = tarfile.DIRTYPE
    archive = tmp_path / "set"
    archive.write_bytes(pack("tar", [(top, b""), ("./other name/train/1.jpg", b"a")]))
    assert unpack.extract(archive, tmp_path / "out", ("train",)) == {"train": 1}
    assert contents(tmp_path / "out") == {"train/1.jpg": b"a"}


def test_a_split_alone_is_no_top_folder(tmp_path, pack, contents):
    archive = tmp_path / "set"
    archive.write_bytes(pack("zip", [("testA/1.jpg", b"a")]))
    assert unpack.extract(archive, tmp_path / "out") == {"testA": 1}
    assert contents(tmp_path / "out") == {"testA/1.jpg": b"a"}


def test_archive_of_something_else_is_refused(tmp_path, pack):
    archive = tmp_path / "set"
    archive.write_bytes(pack("tar", [("set/trainA/1.jpg", b"a")]))
    before = sorted(os.listdir(tmp_path))
    message = r"expected files in trainB. Received: \{'trainA': 1\}"
    with pytest.raises(Failure, match=message):
        unpack.extract(archive, tmp_path / "out", ("trainA", "trainB"))
    archive.write_bytes(b"BM bitmap")
    with pytest.raises(Failure, match="expected a .tar.gz or .zip archive"):
        unpack.extract(archive, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == before
