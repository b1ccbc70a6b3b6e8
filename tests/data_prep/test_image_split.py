"""Splitting combined images: exact halves, bad input, and nothing of the user's lost."""

import hashlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import image_split, split_images, split_outputs
from gans.command_line import cli

SCRIPT = Path(image_split.__file__)
needs_turbojpeg = pytest.mark.skipif(
    split_images.load_turbojpeg() is None, reason="needs PyTurboJPEG and libjpeg-turbo"
)


def run(capsys, path, *flags, split="train", status=0):
    """Runs the command line; returns its stdout and stderr."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(image_split.main, [f"--path={path}", f"--_dir_={split}", *flags])
    captured = capsys.readouterr()
    assert exit_.value.code == status, captured.err
    return captured.out, captured.err


def pixels(half=64, height=None, seed=0, margin=0):
    """Two different random halves; a white margin around each keeps them apart."""
    height = height or half
    image = np.full((height, 2 * half, 3), 255, np.uint8)
    inner = slice(margin, height - margin)
    random = np.random.default_rng(seed)
    for left in (0, half):
        size = (height - 2 * margin, half - 2 * margin, 3)
        image[inner, left + margin : left + half - margin] = random.integers(0, 256, size)
    return image


def encode(image, format="JPEG", **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def decode(source):
    source = io.BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(source) as image:
        return np.asarray(image.convert("RGB"))


def put(folder, name, data):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def tree(folder):
    """Relative path to content of all files below a folder."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def images(folder):
    """The same without manifest and report."""
    return {name: data for name, data in tree(folder).items() if "image_split" not in name}


def joined(pair):
    return np.hstack([decode(pair.a), decode(pair.b)])


def png_header(width, height, depth=8, colour=2):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + struct.pack(">I", zlib.crc32(chunk))


def png_body(rows):
    chunks = ((b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def turned(image, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(image, exif=exif, quality=90)


@pytest.fixture
def dataset(tmp_path):
    """Six images in `train`, one of them in a sub-folder."""
    for index in range(5):
        put(
            tmp_path / "data/train",
            f"{index}_AB.jpg",
            encode(pixels(32, seed=index), subsampling="4:4:4"),
        )
    put(tmp_path / "data/train", "more/5_AB.png", encode(pixels(32, seed=5), "PNG"))
    return tmp_path / "data"


# The halves.


@pytest.mark.parametrize("format", ["auto", "png"])
@pytest.mark.parametrize("margin", [0, 20])
@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:0"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0", "progressive": True},
        {"subsampling": "4:2:0", "restart_marker_rows": 1},
        {"keep_rgb": True},
    ],
    ids=str,
)
def test_halves_of_a_jpeg_decode_to_the_source(options, margin, format):
    data = encode(pixels(margin=margin), quality=90, **options)
    pair = split_images.cut(data, format)
    np.testing.assert_array_equal(joined(pair), decode(data))
    assert (pair.width, pair.height) == (64, 64)
    for half in (pair.a, pair.b):
        with Image.open(io.BytesIO(half)) as image:
            assert image.format == ("JPEG" if pair.suffix == ".jpg" else "PNG")
    if format == "png" or split_images.load_turbojpeg() is None:
        assert pair.suffix == ".png"
    else:
        # Only interpolation across the cut keeps a JPEG from being cut as one.
        mixed = margin == 0 and options.get("subsampling", "4:4:4") != "4:4:4"
        assert pair.suffix == (".png" if mixed else ".jpg")


@needs_turbojpeg
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2"])
def test_jpeg_differs_from_the_source_only_beside_the_cut(subsampling):
    data = encode(pixels(), quality=90, subsampling=subsampling)
    pair = split_images.cut(data, "jpeg")
    assert pair.suffix == ".jpg"
    differing = np.flatnonzero((joined(pair) != decode(data)).any((0, 2)))
    assert differing.tolist() == [63, 64]


@needs_turbojpeg
def test_jpeg_keeps_quantisation_and_drops_metadata():
    exif = Image.Exif()
    exif[0x010E] = "a description"
    data = encode(pixels(), quality=83, exif=exif, comment=b"words", icc_profile=b"p" * 200)
    pair = split_images.cut(data, "jpeg")
    with Image.open(io.BytesIO(data)) as source:
        for half in (pair.a, pair.b):
            with Image.open(io.BytesIO(half)) as image:
                assert image.quantization == source.quantization
                assert not {"exif", "comment", "icc_profile"} & set(image.info)
    assert b"words" in data and b"words" not in pair.a + pair.b


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(Image.fromarray(pixels()), id="RGB"),
        pytest.param(Image.fromarray(pixels()).convert("L"), id="L"),
        pytest.param(Image.fromarray(pixels()).convert("1"), id="1"),
        pytest.param(Image.fromarray(pixels()).quantize(64), id="P"),
        pytest.param(Image.fromarray(pixels()).convert("RGBA"), id="RGBA opaque"),
        pytest.param(Image.fromarray(pixels()).convert("LA"), id="LA opaque"),
    ],
)
def test_halves_of_a_png_decode_to_the_source(source):
    pair = split_images.cut(encode(source, "PNG"))
    assert pair.suffix == ".png"
    np.testing.assert_array_equal(joined(pair), np.asarray(source.convert("RGB")))


def test_grey_jpeg():
    data = encode(Image.fromarray(pixels()).convert("L"))
    np.testing.assert_array_equal(joined(split_images.cut(data)), decode(data))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_carried_out(orientation):
    size = (128, 64) if orientation < 5 else (64, 128)
    data = turned(Image.fromarray(pixels()).resize(size), orientation)
    pair = split_images.cut(data)
    turn = {
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, -1),
        7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
        8: lambda image: np.rot90(image),
    }[orientation]
    assert pair.suffix == ".png"
    np.testing.assert_array_equal(joined(pair), turn(decode(data)))


def test_a_cut_between_two_units_gives_png(dataset, capsys):
    data = encode(pixels(20), subsampling="4:2:0")
    pair = split_images.cut(data)
    assert pair.suffix == ".png"
    np.testing.assert_array_equal(joined(pair), decode(data))


def test_encode_png_by_the_independent_decoder():
    image = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    np.testing.assert_array_equal(decode(split_images.encode_png(image)), image)


def test_encode_png_without_isal(monkeypatch):
    monkeypatch.setattr(split_images, "deflate", zlib)
    image = pixels(16)
    np.testing.assert_array_equal(decode(split_images.encode_png(image)), image)


@pytest.mark.parametrize("domain", ["edges2handbags", "edges2shoes"])
def test_real_images(domain, tmp_path, capsys):
    root = os.environ.get("GANS_SAMPLE_DATA", "")
    if not root or not Path(root, domain).is_dir():
        pytest.skip("needs GANS_SAMPLE_DATA")
    sources = sorted(Path(root, domain, "val").glob("*.jpg"))
    assert len(sources) == 50
    run(capsys, Path(root, domain), f"--output={tmp_path}", split="val")
    for source in sources:
        halves = []
        for side in "AB":
            (half,) = (tmp_path / f"val{side}").glob(f"{source.stem}.*")
            halves.append(decode(half))
        np.testing.assert_array_equal(np.hstack(halves), decode(source))
        assert halves[0].shape == (256, 256, 3)


# The command.


def test_the_articles_command_line(dataset):
    command = [sys.executable, str(SCRIPT), "--path", f"{dataset}/", "--_dir_", "train"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Images to process: 6"
    assert f"No of images written to {dataset}/trainA is 6" in lines
    assert f"No of images written to {dataset}/trainB is 6" in lines
    names = {side: set(tree(dataset / f"train{side}")) for side in "AB"}
    assert names["A"] == names["B"]
    assert {name.rpartition(".")[0] for name in names["A"]} == {
        *(f"{index}_AB" for index in range(5)),
        "more/5_AB",
    }
    for name in names["A"]:
        a, b = dataset / "trainA" / name, dataset / "trainB" / name
        assert hashlib.sha256(a.read_bytes()).digest() != hashlib.sha256(b.read_bytes()).digest()
        (source,) = (dataset / "train").glob(f"{name.rpartition('.')[0]}.*")
        np.testing.assert_array_equal(decode(a), decode(source)[:, :32])
        np.testing.assert_array_equal(decode(b), decode(source)[:, 32:])


def test_other_split_and_output(dataset, tmp_path, capsys):
    put(dataset, "val/one.png", encode(pixels(16), "PNG"))
    run(capsys, dataset, f"--output={tmp_path}/a/b", split="val/")
    assert set(images(tmp_path / "a/b")) == {"valA/one.png", "valB/one.png"}
    assert not (dataset / "valA").exists()


def test_manifest(dataset, capsys):
    run(capsys, dataset)
    lines = (dataset / "train.image_split.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["source"] for record in records] == [
        *(f"{index}_AB.jpg" for index in range(5)),
        "more/5_AB.png",
    ]
    for record in records:
        for side in "ab":
            data = (dataset / f"train{side.upper()}" / record["name"]).read_bytes()
            assert record[f"sha256_{side}"] == hashlib.sha256(data).hexdigest()
            assert record[f"size_{side}"] == len(data)
        source = (dataset / "train" / record["source"]).read_bytes()
        assert record["source_sha256"] == hashlib.sha256(source).hexdigest()
        assert (record["width"], record["height"]) == (32, 32)


def test_workers_change_no_byte(tmp_path, capsys):
    for index in range(70):
        put(tmp_path / "data/train", f"{index}.jpg", encode(pixels(16, seed=index)))
    put(tmp_path / "data/train", "bad.jpg", b"text")
    for workers in (1, 2, 5):
        flags = f"--output={tmp_path}/{workers}", f"--workers={workers}"
        run(capsys, tmp_path / "data", *flags, status=1)
    one = tree(tmp_path / "1")
    assert len(one) == 2 * 70 + 2
    assert tree(tmp_path / "2") == one
    assert tree(tmp_path / "5") == one


def test_without_the_library_all_becomes_png(dataset, capsys, monkeypatch):
    monkeypatch.setattr(split_images, "load_turbojpeg", lambda: None)
    _, error = run(capsys, dataset, "--format=jpeg", status=2)
    assert "pip install 'gans[split]'" in error and error.count("\n") == 1
    assert set(tree(dataset)) == {f"train/{name}" for name in tree(dataset / "train")}
    out, _ = run(capsys, dataset)
    assert "PyTurboJPEG or libjpeg-turbo is missing: every half becomes a PNG" in out
    for index in range(5):
        halves = [decode(dataset / f"train{side}/{index}_AB.png") for side in "AB"]
        source = decode(dataset / f"train/{index}_AB.jpg")
        np.testing.assert_array_equal(np.hstack(halves), source)


def test_plain_progress_lines(dataset, capsys, monkeypatch):
    monkeypatch.setattr(image_split, "PROGRESS_EVERY", 4)
    _, error = run(capsys, dataset)
    assert error == "the number of input images processed : 4\n"


# Bad input.

WHOLE = encode(pixels(32), quality=90)
BAD = {
    "empty.jpg": (b"", "is empty"),
    "text.jpg": (b"hello, I am no image", "is no JPEG and no PNG image"),
    "image.gif": (encode(pixels(32), "GIF"), "is no JPEG and no PNG image"),
    "cut.jpg": (WHOLE[: len(WHOLE) // 2], None),
    "no_end.jpg": (WHOLE[:-2], None),
    "cut.png": (encode(pixels(32), "PNG")[:-3000], None),
    "header.png": (png_header(64, 32), None),
    "odd.png": (encode(pixels(32)[:, 1:], "PNG"), "expected a width of twice the height. "),
    "square.jpg": (encode(pixels(32)[:, :32]), "twice the height. Received: 32x32"),
    "cmyk.jpg": (encode(Image.fromarray(pixels(32)).convert("CMYK")), "Received: mode CMYK"),
    "grey16.png": (
        encode(Image.fromarray(np.zeros((32, 64), np.uint16)), "PNG"),
        "8 bits. Received: mode I;16",
    ),
    "colour16.png": (
        png_header(64, 32, depth=16) + png_body(bytes(32 * (1 + 64 * 6))),
        "expected 8 bits a channel. Received: 16",
    ),
    "transparent.png": (
        encode(Image.new("RGBA", (64, 32), (255, 0, 0, 254)), "PNG"),
        "Received: transparent pixels",
    ),
    "moving.png": (
        encode(
            Image.fromarray(pixels(32)),
            "PNG",
            save_all=True,
            append_images=[Image.fromarray(pixels(32, seed=1))],
        ),
        "Received: 2 in one file",
    ),
    "turned.jpg": (turned(pixels(32), 6), "twice the height. Received: 32x64"),
    "bomb.png": (png_header(50_000, 50_000) + png_body(b""), "DecompressionBomb"),
    "small_bomb.png": (png_header(12_000, 6_000) + png_body(b""), "DecompressionBombWarning"),
}


@pytest.mark.parametrize("workers", [1, 2])
def test_every_bad_image_is_named_and_the_others_are_done(dataset, capsys, workers):
    before = tree(dataset / "train")
    for name, (data, _) in BAD.items():
        put(dataset / "train", name, data)
    (dataset / "train/folder.jpg").mkdir()
    (dataset / "train/lost.jpg").symlink_to("nowhere")
    out, error = run(capsys, dataset, f"--workers={workers}", status=1)
    *lines, last = error.splitlines()
    assert [line.partition(": ")[0] for line in lines] == sorted([*BAD, "lost.jpg"])
    reasons = dict(line.split(": ", 1) for line in lines)
    for name, (_, reason) in BAD.items():
        assert reason is None or reason in reasons[name]
    assert reasons["lost.jpg"] == "is no regular file"
    assert last.startswith(f"error: {len(BAD) + 1} of {len(BAD) + 7} images could not be split")
    report = (dataset / "train.image_split_bad.txt").read_text().splitlines()
    assert report[0] == f"{len(BAD) + 1} of {len(BAD) + 7} images could not be split"
    assert report[1:] == lines
    assert f"No of images written to {dataset}/trainA is 6" in out
    written = {name.rpartition(".")[0] for name in tree(dataset / "trainB")}
    assert written == {name.rpartition(".")[0] for name in before}


def test_the_report_is_renewed(dataset, capsys):
    bad = put(dataset / "train", "bad.jpg", b"text")
    run(capsys, dataset, status=1)
    bad.write_bytes(encode(pixels(32)))
    run(capsys, dataset)
    report = (dataset / "train.image_split_bad.txt").read_text()
    assert report == "0 of 7 images could not be split\n"


@pytest.mark.skipif(sys.platform != "linux", reason="unit of ru_maxrss")
def test_a_bomb_takes_no_memory(tmp_path):
    put(tmp_path / "train", "a.png", png_header(50_000, 50_000) + png_body(b""))
    jpeg = bytearray(encode(pixels(32)))
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start : start + 4] = struct.pack(">HH", 32_000, 64_000)
    put(tmp_path / "train", "b.jpg", bytes(jpeg))
    # Here, not only under pytest's filters, the warning of a missing end must be an error.
    put(tmp_path / "train", "c.jpg", WHOLE[:-2])
    # Not rusage: it counts the memory of the process that forked, before the script began.
    program = (
        "import atexit, re, runpy, sys\n"
        "status = lambda: open('/proc/self/status').read()\n"
        "atexit.register(lambda: print(re.search(r'VmHWM:\\s+(\\d+)', status())[1]))\n"
        f"sys.argv = ['image_split.py', '--path={tmp_path}']\n"
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert [line.split(":")[1] for line in lines[:2]] == [" DecompressionBombError"] * 2
    kilobytes = int(done.stdout.split()[-1])
    assert 1_000 < kilobytes < 300_000


def test_limits_are_put_back(dataset, capsys, monkeypatch):
    limit = 2 * split_images.MAX_PIXELS
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    run(capsys, dataset)
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.jpg", "a.png"),
        ("a.jpg", "A.jpg"),
        ("Bags/1.jpg", "bags/1.jpg"),
        (unicodedata.normalize("NFC", "é.jpg"), unicodedata.normalize("NFD", "é.jpg")),
        ("Straße.jpg", "STRASSE.jpg"),
    ],
)
def test_names_that_would_fall_together(dataset, capsys, first, second):
    put(dataset / "train", first, encode(pixels(32)))
    put(dataset / "train", second, encode(pixels(32)))
    if len(tree(dataset / "train")) != 8:
        pytest.skip("this file system makes one name of both")
    out, error = run(capsys, dataset, status=1)
    assert f"{first}: halves of {second!r} would have the same name\n" in error
    assert f"{second}: halves of {first!r} would have the same name\n" in error
    assert f"No of images written to {dataset}/trainA is 6" in out


def test_any_aspect(dataset, capsys):
    put(dataset / "train", "wide.png", encode(pixels(40, height=16), "PNG"))
    put(dataset / "train", "odd.png", encode(pixels(32)[:, 1:], "PNG"))
    _, error = run(capsys, dataset, "--any_aspect", status=1)
    assert error.splitlines()[0] == "odd.png: expected an even width. Received: 63x32"
    assert decode(dataset / "trainB/wide.png").shape == (16, 40, 3)


def test_files_that_are_no_images_are_ignored_and_counted(dataset, capsys):
    for name in ("notes.txt", ".hidden.jpg", ".cache/1.jpg", "Thumbs.db"):
        put(dataset / "train", name, b"x")
    out, _ = run(capsys, dataset)
    assert "Ignored, not images by their names: 4, such as '.cache/1.jpg'\n" in out


@needs_turbojpeg
def test_format_jpeg_refuses_by_name_what_has_no_coefficients(dataset, capsys):
    put(dataset / "train", "between.jpg", encode(pixels(20), subsampling="4:2:0"))
    put(dataset / "train", "turned.jpg", turned(pixels(32), 3))
    _, error = run(capsys, dataset, "--format=jpeg", status=1)
    assert [line.partition(": ")[0] for line in error.splitlines()[:-1]] == [
        "between.jpg",
        "more/5_AB.png",
        "turned.jpg",
    ]
    assert {Path(name).suffix for name in images(dataset / "trainA")} == {".jpg"}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--workers=0"], "--workers expects 1 or more. Received: 0"),
        (["--format=gif"], "--format expects one of 'auto', 'jpeg', 'png'. Received: 'gif'"),
        (["--output={data}/train/out"], "--output expects a folder outside of {data}/train."),
    ],
)
def test_wrong_flags(dataset, capsys, flags, expected):
    before = tree(dataset)
    _, error = run(capsys, dataset, *(flag.format(data=dataset) for flag in flags), status=2)
    assert error.startswith(f"error: {expected.format(data=dataset)}")
    assert error.count("\n") == 1
    assert tree(dataset) == before


@pytest.mark.parametrize("split", [".", "..", "a/../../b", "/tmp"])
def test_dir_is_a_folder_in_path(dataset, capsys, split):
    _, error = run(capsys, dataset, split=split, status=2)
    assert error.startswith("error: --_dir_ expects the name of a folder in --path")


def test_dir_is_not_empty(dataset, capsys):
    _, error = run(capsys, dataset, split="", status=2)
    assert error == "error: --_dir_ expects a string. Received: ''\n"


def test_missing_and_empty_folders(dataset, capsys):
    _, error = run(capsys, dataset, split="test", status=2)
    assert error == (
        f"error: expected combined A|B images in {dataset}/test. "
        f"Received: {dataset} holds 'train'\n"
    )
    _, error = run(capsys, dataset / "nowhere", status=2)
    assert error.endswith(f"Received: {dataset}/nowhere is no folder\n")
    put(dataset, "empty/notes.txt", b"")
    _, error = run(capsys, dataset, split="empty", status=2)
    assert error.endswith("Received: 1 files, none of them an image by its name\n")
    assert set(tree(dataset)) - {f"train/{name}" for name in tree(dataset / "train")} == {
        "empty/notes.txt"
    }


def test_an_output_that_cannot_be_written(dataset, tmp_path, capsys, monkeypatch):
    file = put(tmp_path, "file", b"mine")
    _, error = run(capsys, dataset, f"--output={file}", status=2)
    assert error.startswith(f"error: expected to write to {file}. Received: ")
    assert file.read_bytes() == b"mine"

    def read_only(self, *args, **kwargs):
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    _, error = run(capsys, dataset, f"--output={tmp_path}/x", status=2)
    assert "Received: [Errno 30] Read-only file system" in error
    assert not (tmp_path / "x").exists()


# What is there is kept.


@pytest.mark.parametrize("flag", ["--overwrite", "--nooverwrite"])
def test_files_of_others_stop_it_before_any_work(dataset, capsys, flag):
    mine = {
        "trainA/mine.jpg": b"one",
        "trainA/0_AB.jpg": b"two",
        "trainB/deep/mine.txt": b"three",
    }
    for name, data in mine.items():
        put(dataset, name, data)
    _, error = run(capsys, dataset, flag, status=2)
    assert error == (
        f"error: expected {dataset}/trainA to hold only what this tool wrote. Received: "
        "2 other files, such as '0_AB.jpg'; give another --output\n"
    )
    after = images(dataset)
    assert {name: after[name] for name in mine} == mine
    assert {name for name in after if not name.startswith("train/")} == set(mine)


def test_given_again_it_keeps_what_is_there(dataset, capsys):
    run(capsys, dataset)
    (lost,) = (dataset / "trainB").glob("3_AB.*")
    content = lost.read_bytes()
    lost.unlink()
    times = {file: file.stat().st_mtime_ns for file in dataset.glob("train?/**/*")}
    put(dataset / "train", "new.png", encode(pixels(16), "PNG"))
    out, _ = run(capsys, dataset)
    assert "5 were there already" in out
    assert f"No of images written to {dataset}/trainB is 7" in out
    assert lost.read_bytes() == content
    changed = {file for file, was in times.items() if file.stat().st_mtime_ns != was}
    assert {file.name for file in changed if file.is_file()} == {lost.name}


@pytest.mark.parametrize("flag", ["--overwrite", "--nooverwrite"])
def test_a_file_that_the_user_changed_is_refused_by_name(dataset, capsys, flag):
    run(capsys, dataset)
    (file,) = (dataset / "trainA").glob("2_AB.*")
    file.write_bytes(b"retouched")
    before = tree(dataset)
    _, error = run(capsys, dataset, flag, status=2)
    assert error == (
        "error: expected the files as this tool wrote them. Received: 1 that were changed since: "
        f"{file}; move them away\n"
    )
    assert tree(dataset) == before


def test_a_changed_source_needs_overwrite(dataset, capsys):
    run(capsys, dataset)
    before = images(dataset)
    source = put(dataset / "train", "1_AB.jpg", encode(pixels(32, seed=9), subsampling="4:4:4"))
    _, error = run(capsys, dataset, status=2)
    assert "1 pairs" in error and "'1_AB'; --overwrite replaces them" in error
    run(capsys, dataset, "--overwrite")
    after = images(dataset)
    assert {name for name in before if after.get(name) != before[name]} <= {
        "train/1_AB.jpg",
        *(f"train{side}/1_AB{suffix}" for side in "AB" for suffix in (".jpg", ".png")),
    }
    halves = [decode(*(dataset / f"train{side}").glob("1_AB.*")) for side in "AB"]
    np.testing.assert_array_equal(np.hstack(halves), decode(source))


@needs_turbojpeg
def test_another_format_replaces_its_own_files_only_with_overwrite(dataset, capsys):
    run(capsys, dataset)
    jpegs = images(dataset / "trainA")
    assert sum(name.endswith(".jpg") for name in jpegs) == 5
    _, error = run(capsys, dataset, "--format=png", status=2)
    assert "6 pairs" in error
    assert images(dataset / "trainA") == jpegs
    run(capsys, dataset, "--format=png", "--overwrite")
    for side in "AB":
        names = set(images(dataset / f"train{side}"))
        assert names == {*(f"{index}_AB.png" for index in range(5)), "more/5_AB.png"}
    run(capsys, dataset, "--format=png")


def test_images_of_vanished_sources_are_left(dataset, capsys):
    run(capsys, dataset)
    (dataset / "train/0_AB.jpg").unlink()
    out, _ = run(capsys, dataset)
    assert f"No of images written to {dataset}/trainA is 5" in out
    assert "1 pairs of earlier runs were left in place; their sources are gone or bad" in out
    assert len(list((dataset / "trainA").glob("0_AB.*"))) == 1


def test_killed_and_given_again(tmp_path, capsys):
    for index in range(120):
        put(tmp_path / "data/train", f"{index:03}.jpg", encode(pixels(128, seed=index)))
    run(capsys, tmp_path / "data", f"--output={tmp_path}/whole")
    output = tmp_path / "killed"
    command = [sys.executable, str(SCRIPT), f"--path={tmp_path}/data", f"--output={output}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while len(list(output.glob("trainB/[0-9]*"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    halves = images(output)
    whole = images(tmp_path / "whole")
    assert 20 <= len(halves) < len(whole)
    assert halves.items() <= whole.items()
    out, _ = run(capsys, tmp_path / "data", f"--output={output}")
    assert int(out.split(" were there")[0].split()[-1]) >= 9
    assert images(output) == whole


def test_what_a_kill_leaves_in_the_middle_of_a_write(dataset, capsys):
    run(capsys, dataset)
    whole = tree(dataset)
    manifest = dataset / "train.image_split.jsonl"
    content = manifest.read_bytes()
    (half,) = (dataset / "trainB").glob("4_AB.*")
    half.unlink()
    put(dataset / "trainB", split_outputs.TEMPORARY, b"hal")
    put(dataset / "trainA/more", split_outputs.TEMPORARY, b"hal")
    manifest.write_bytes(content + content[:30])
    run(capsys, dataset)
    after = tree(dataset)
    assert after.pop(manifest.name) == content + content[:30] + b"\n" + content.splitlines(True)[4]
    del whole[manifest.name]
    assert after == whole


def test_an_interrupted_overwrite_goes_on_without_the_flag(dataset, capsys, monkeypatch):
    run(capsys, dataset, "--format=png")
    whole = images(dataset)
    put(dataset / "train", "0_AB.jpg", encode(pixels(32, seed=7)))

    def full(file, data):
        raise OSError(28, "No space left on device", file)

    with monkeypatch.context() as patch:
        patch.setattr(split_outputs, "_replace", full)
        _, error = run(capsys, dataset, "--format=png", "--overwrite", status=1)
        assert error.startswith("error: OSError: [Errno 28] No space left on device")
    assert images(dataset / "trainA") == {
        name.removeprefix("trainA/"): data
        for name, data in whole.items()
        if name.startswith("trainA/")
    }
    run(capsys, dataset, "--format=png")
    halves = [decode(dataset / f"train{side}/0_AB.png") for side in "AB"]
    np.testing.assert_array_equal(np.hstack(halves), decode(dataset / "train/0_AB.jpg"))


@pytest.mark.skipif(split_outputs.fcntl is None, reason="no flock")
def test_two_runs_at_once(dataset, capsys):
    with split_outputs.open_outputs(dataset, "train"):
        _, error = run(capsys, dataset, status=2)
    assert error == (
        f"error: expected no other run that writes to {dataset}/train.image_split.jsonl\n"
    )
    run(capsys, dataset)
