"""Splitting combined images: exact halves, bad input, and nothing of the user's lost."""

import io
import os
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

from data_prep import image_split
from data_prep.image_split import cut
from data_prep.running import only_run
from gans.command_line import cli

SCRIPT = Path(image_split.__file__)
needs_turbojpeg = pytest.mark.skipif(
    image_split.load_turbojpeg() is None, reason="needs PyTurboJPEG and libjpeg-turbo"
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


def decode(source, mode="RGB"):
    source = io.BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(source) as image:
        return np.asarray(image.convert(mode))


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
    """The same without the note of what the folders are made of."""
    return {name: data for name, data in tree(folder).items() if "image_split" not in name}


def joined(halves, mode="RGB"):
    return np.hstack([decode(half, mode) for half in halves])


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


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:0"},
        {"subsampling": "4:2:0", "progressive": True},
        {"keep_rgb": True},
    ],
    ids=str,
)
def test_halves_of_a_jpeg_decode_to_the_source(options):
    data = encode(pixels(20), quality=90, **options)
    np.testing.assert_array_equal(joined(cut(data)), decode(data))


@needs_turbojpeg
@pytest.mark.parametrize(
    ("subsampling", "margin", "differing"),
    [("4:4:4", 0, []), ("4:2:0", 20, []), ("4:2:0", 0, [63, 64]), ("4:2:2", 0, [63, 64])],
)
def test_jpeg_differs_from_the_source_only_beside_the_cut(subsampling, margin, differing):
    data = encode(pixels(margin=margin), quality=90, subsampling=subsampling)
    halves = joined(cut(data, "jpeg"))
    assert np.flatnonzero((halves != decode(data)).any((0, 2))).tolist() == differing


@needs_turbojpeg
def test_jpeg_keeps_quantisation_and_drops_metadata():
    exif = Image.Exif()
    exif[0x010E] = "a description"
    data = encode(pixels(), quality=83, exif=exif, comment=b"words", icc_profile=b"p" * 200)
    halves = cut(data, "jpeg")
    with Image.open(io.BytesIO(data)) as source:
        for half in halves:
            with Image.open(io.BytesIO(half)) as image:
                assert image.format == "JPEG" and image.quantization == source.quantization
                assert not {"exif", "comment", "icc_profile"} & set(image.info)
    assert b"words" in data and b"words" not in b"".join(halves)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA", "I;16"])
def test_halves_of_a_png_are_its_pixels_in_its_own_mode(mode):
    source = Image.fromarray(pixels())
    if mode == "I;16":
        source = Image.fromarray(np.arange(64 * 128, dtype=np.uint16).reshape(64, 128) * 8)
    elif mode in ("RGBA", "LA"):
        source.putalpha(Image.fromarray(pixels(seed=1)[..., 0]))
    elif mode == "P":
        source = source.quantize(64)
    source = source if source.mode == mode else source.convert(mode)
    data = encode(source, "PNG")
    for half, left in zip(cut(data), (0, 64), strict=True):
        with Image.open(io.BytesIO(half)) as image:
            assert (image.mode, image.size) == (mode, (64, 64))
            expected = source.crop((left, 0, left + 64, 64))
            np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    if mode != "I;16":
        np.testing.assert_array_equal(joined(cut(data)), np.asarray(source.convert("RGB")))


def test_a_transparent_colour_of_a_palette_stays_transparent():
    data = encode(Image.fromarray(pixels()).quantize(8), "PNG", transparency=3)
    seen = decode(data, "RGBA")
    assert {0, 255} == set(np.unique(seen[..., 3]))
    np.testing.assert_array_equal(joined(cut(data), "RGBA"), seen)


def test_grey_jpeg():
    data = encode(Image.fromarray(pixels()).convert("L"))
    np.testing.assert_array_equal(joined(cut(data)), decode(data))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_carried_out(orientation):
    size = (128, 64) if orientation < 5 else (64, 128)
    data = turned(Image.fromarray(pixels()).resize(size), orientation)
    turn = {
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, -1),
        7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
        8: lambda image: np.rot90(image),
    }[orientation]
    np.testing.assert_array_equal(joined(cut(data)), turn(decode(data)))


@pytest.mark.parametrize("domain", ["edges2handbags", "edges2shoes"])
def test_real_images(domain, tmp_path, capsys):
    root = os.environ.get("GANS_SAMPLE_DATA", "")
    if not root or not Path(root, domain).is_dir():
        pytest.skip("needs GANS_SAMPLE_DATA")
    sources = sorted(Path(root, domain, "val").glob("*.jpg"))
    assert len(sources) == 50
    run(capsys, Path(root, domain), f"--output={tmp_path}", split="val")
    for source in sources:
        halves = [tmp_path / f"val{side}/{source.stem}.png" for side in "AB"]
        np.testing.assert_array_equal(joined(halves), decode(source))
        assert decode(halves[0]).shape == (256, 256, 3)


# The command.


def test_the_articles_command_line(dataset):
    command = [sys.executable, str(SCRIPT), "--path", f"{dataset}/", "--_dir_", "train"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Images to process: 6"
    assert f"No of images written to {dataset}/trainA is 6" in lines
    assert f"No of images written to {dataset}/trainB is 6" in lines
    names = {*(f"{index}_AB.png" for index in range(5)), "more/5_AB.png"}
    assert set(tree(dataset / "trainA")) == set(tree(dataset / "trainB")) == names
    for name in names:
        (source,) = (dataset / "train").glob(f"{name.removesuffix('.png')}.*")
        np.testing.assert_array_equal(decode(dataset / "trainA" / name), decode(source)[:, :32])
        np.testing.assert_array_equal(decode(dataset / "trainB" / name), decode(source)[:, 32:])


def test_other_split_and_output(dataset, tmp_path, capsys):
    put(dataset, "val/one.png", encode(pixels(16), "PNG"))
    run(capsys, dataset, f"--output={tmp_path}/a/b", split="val/")
    assert set(images(tmp_path / "a/b")) == {"valA/one.png", "valB/one.png"}
    assert not (dataset / "valA").exists()


def test_workers_change_no_byte(tmp_path, capsys):
    for index in range(70):
        put(tmp_path / "data/train", f"{index}.jpg", encode(pixels(16, seed=index)))
    put(tmp_path / "data/train", "bad.jpg", b"text")
    for workers in (1, 2, 5):
        flags = f"--output={tmp_path}/{workers}", f"--workers={workers}"
        run(capsys, tmp_path / "data", *flags, status=1)
    one = tree(tmp_path / "1")
    assert len(one) == 2 * 70 + 1
    assert tree(tmp_path / "2") == one
    assert tree(tmp_path / "5") == one


def test_jpeg_needs_the_library(dataset, capsys, monkeypatch):
    monkeypatch.setattr(image_split, "load_turbojpeg", lambda: None)
    before = tree(dataset)
    _, error = run(capsys, dataset, "--format=jpeg", status=2)
    assert "--format=jpeg" in error and "gans[split]" in error and error.count("\n") == 1
    assert tree(dataset) == before


def test_a_reader_that_goes_away_does_not_end_the_work(dataset):
    command = [sys.executable, "-u", str(SCRIPT), f"--path={dataset}"]
    reader, writer = os.pipe()
    os.close(reader)
    subprocess.run(command, stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    assert len(images(dataset / "trainA")) == len(images(dataset / "trainB")) == 6


# Bad input.

WHOLE = encode(pixels(32), quality=90)
BAD = {
    "empty.jpg": (b"", "UnidentifiedImageError"),
    "text.jpg": (b"hello, I am no image", "UnidentifiedImageError"),
    "image.gif": (encode(pixels(32), "GIF"), "UnidentifiedImageError"),
    "cut.jpg": (WHOLE[: len(WHOLE) // 2], None),
    "no_end.jpg": (WHOLE[:-2], None),
    "cut.png": (encode(pixels(32), "PNG")[:-3000], None),
    "header.png": (png_header(64, 32), None),
    "odd.png": (encode(pixels(32)[:, 1:], "PNG"), "expected a width of twice the height. "),
    "square.jpg": (encode(pixels(32)[:, :32]), "twice the height. Received: 32x32"),
    "cmyk.jpg": (encode(Image.fromarray(pixels(32)).convert("CMYK")), "Received: CMYK"),
    "colour16.png": (
        png_header(64, 32, depth=16) + png_body(bytes(32 * (1 + 64 * 6))),
        "Received: RGB, deep=True",
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
    "small_bomb.png": (png_header(12_000, 6_000) + png_body(b""), None),
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
    assert f"No of images written to {dataset}/trainA is 6" in out
    written = {name.rpartition(".")[0] for name in tree(dataset / "trainB")}
    assert written == {name.rpartition(".")[0] for name in before}


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
    assert f"{first}: the halves of {second!r}" in error
    assert f"{second}: the halves of {first!r}" in error
    assert f"No of images written to {dataset}/trainA is 6" in out


def test_any_aspect(dataset, capsys):
    put(dataset / "train", "wide.png", encode(pixels(40, height=16), "PNG"))
    put(dataset / "train", "odd.png", encode(pixels(32)[:, 1:], "PNG"))
    _, error = run(capsys, dataset, "--any_aspect", status=1)
    assert error.splitlines()[0] == "odd.png: expected an even width. Received: 63x32"
    assert decode(dataset / "trainB/wide.png").shape == (16, 40, 3)


def test_files_that_are_no_images_are_left_out(dataset, capsys):
    for name in ("notes.txt", ".hidden.jpg", ".cache/1.jpg", "Thumbs.db"):
        put(dataset / "train", name, b"x")
    out, _ = run(capsys, dataset)
    assert out.startswith("Images to process: 6\n")


@needs_turbojpeg
def test_format_jpeg_refuses_by_name_what_cannot_be_cut_so(dataset, capsys):
    put(dataset / "train", "between.jpg", encode(pixels(20), subsampling="4:2:0"))
    put(dataset / "train", "turned.jpg", turned(pixels(32), 3))
    put(dataset / "train", "no_end.jpg", WHOLE[:-2])
    _, error = run(capsys, dataset, "--format=jpeg", status=1)
    bad = [line.partition(": ")[0] for line in error.splitlines()[:-1]]
    assert bad == ["between.jpg", "more/5_AB.png", "no_end.jpg", "turned.jpg"]
    assert set(images(dataset / "trainA")) == {f"{index}_AB.jpg" for index in range(5)}


@pytest.mark.parametrize(
    ("flags", "flag", "received"),
    [
        (["--workers=0"], "--workers", "0"),
        (["--format=gif"], "--format", "'gif'"),
        (["--output={data}/train/out"], "--output", "{data}/train/out"),
        (["--output={data}/train/0_AB.jpg"], "--output", "{data}/train/0_AB.jpg"),
        (["--_dir_=."], "--_dir_", "'.'"),
        (["--_dir_=a/../../b"], "--_dir_", "'a/../../b'"),
        (["--_dir_=/tmp"], "--_dir_", "'/tmp'"),
        (["--_dir_="], "--_dir_", "''"),
        (["--_dir_=test"], "--_dir_", "'test'"),
        (["--_dir_=empty"], "{data}/empty", "none"),
    ],
)
def test_wrong_flags(dataset, capsys, flags, flag, received):
    put(dataset, "empty/notes.txt", b"")
    before = tree(dataset)
    split = [] if "_dir_" in flags[0] else ["--_dir_=train"]
    with pytest.raises(SystemExit) as exit_:
        words = [f"--path={dataset}", *split, *(word.format(data=dataset) for word in flags)]
        cli.run(image_split.main, words)
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and error.count("\n") == 1
    assert flag.format(data=dataset) in error
    assert received.format(data=dataset) in error.partition("Received: ")[2]
    assert tree(dataset) == before


def test_an_output_that_cannot_be_written(dataset, tmp_path, capsys, monkeypatch):
    def read_only(self, *args, **kwargs):
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", read_only)
    _, error = run(capsys, dataset, f"--output={tmp_path}/x", status=2)
    assert "Read-only file system" in error and error.count("\n") == 1
    assert not (tmp_path / "x").exists()


# What is there is kept.


@pytest.mark.parametrize("name", ["trainA/mine.jpg", "trainB/0_AB.png", "trainB/deep/mine.txt"])
def test_files_of_others_stop_it_before_any_work(dataset, capsys, name):
    put(dataset, name, b"mine")
    before = tree(dataset)
    _, error = run(capsys, dataset, status=2)
    assert f"Received: {dataset / name.split('/')[0]}\n" in error
    assert tree(dataset) == before


def test_given_again_it_makes_only_what_is_missing(dataset, capsys):
    run(capsys, dataset)
    lost = dataset / "trainB/3_AB.png"
    content = lost.read_bytes()
    lost.unlink()
    retouched = put(dataset, "trainA/2_AB.png", b"retouched")
    (dataset / "train/0_AB.jpg").unlink()
    times = {file: file.stat().st_mtime_ns for file in dataset.glob("train?/**/*.png")}
    put(dataset / "train", "new.png", encode(pixels(16), "PNG"))
    run(capsys, dataset)
    assert lost.read_bytes() == content and retouched.read_bytes() == b"retouched"
    assert {file: file.stat().st_mtime_ns for file in times} == times
    assert len(list(dataset.glob("train?/**/*.png"))) == len(times) + 1 + 2


def test_a_source_that_was_changed_since_is_named(dataset, capsys):
    run(capsys, dataset)
    source = put(dataset / "train", "1_AB.jpg", encode(pixels(32, seed=9)))
    later = (dataset / "trainA/1_AB.png").stat().st_mtime + 10
    os.utime(source, (later, later))
    before = tree(dataset)
    _, error = run(capsys, dataset, status=1)
    assert error.startswith("1_AB.jpg: ") and f"{dataset}/trainA/1_AB.png" in error
    assert tree(dataset) == before
    for side in "AB":
        (dataset / f"train{side}/1_AB.png").unlink()
    run(capsys, dataset)
    halves = [dataset / f"train{side}/1_AB.png" for side in "AB"]
    np.testing.assert_array_equal(joined(halves), decode(source))


@pytest.mark.parametrize("other", ["source", "format"])
def test_folders_of_another_source_or_format_are_refused(dataset, tmp_path, capsys, other):
    output = f"--output={tmp_path}/out"
    run(capsys, dataset, output)
    if other == "source":
        put(tmp_path / "other/train", "0_AB.jpg", encode(pixels(32, seed=9)))
        dataset = tmp_path / "other"
    else:
        note = tmp_path / "out/train.image_split.json"
        note.write_text(note.read_text().replace('"png"', '"jpeg"'))
    before = tree(tmp_path / "out")
    _, error = run(capsys, dataset, output, status=2)
    assert "--output" in error and str(dataset) in error and error.count("\n") == 1
    assert tree(tmp_path / "out") == before


def test_killed_and_given_again(tmp_path, capsys):
    for index in range(60):
        put(tmp_path / "data/train", f"{index:03}.jpg", encode(pixels(128, seed=index)))
    run(capsys, tmp_path / "data", f"--output={tmp_path}/whole")
    output = tmp_path / "killed"
    command = [sys.executable, str(SCRIPT), f"--path={tmp_path}/data", f"--output={output}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(output.glob("trainB/[0-9]*"))) < 10:
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    halves, whole = images(output), images(tmp_path / "whole")
    halves = {name: data for name, data in halves.items() if name.endswith(".png")}
    assert 20 <= len(halves) < len(whole)
    assert halves.items() <= whole.items()
    put(output, "trainA/.059.png.part", b"hal")
    run(capsys, tmp_path / "data", f"--output={output}")
    assert images(output) == whole


def test_a_full_disk_leaves_whole_files(dataset, capsys, monkeypatch):
    write = Path.write_bytes

    def full(self, data):
        write(self, data[:100])
        raise OSError(28, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        _, error = run(capsys, dataset, "--workers=1", status=1)
    assert "No space left on device" in error
    assert not list(dataset.glob("train?/*.png"))
    run(capsys, dataset)
    assert {Path(name).suffix for name in images(dataset / "trainA")} == {".png"}


def test_two_runs_at_once(dataset, capsys):
    with only_run(dataset / "train.image_split.lock"):
        _, error = run(capsys, dataset, status=1)
    assert f"{dataset}/train.image_split.lock" in error
    run(capsys, dataset)
