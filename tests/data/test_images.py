"""Image files: which are accepted, in which words others are refused, and what is written."""

import io
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from gans.data import images
from gans.data.images import DataError

REFUSED = "expected 8-bit grey or RGB images. Received "


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def save(path: Path, image: Image.Image | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or Image.fromarray(noise(8, 16))).save(path, **options)
    return path


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims this size, 8-bit RGB, and holds next to nothing."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def refusal(*paths: Path) -> str:
    with pytest.raises(DataError) as error:
        images.check_images(list(paths))
    return str(error.value)


# Finding.


def test_images_are_found_in_all_folders_in_one_order_whatever_the_case_of_the_extension(tmp_path):
    for name in ("b/2.PNG", "a.jpg", "b/c/1.JPeG", "B.jpeg", "10.jpg", "9.jpg"):
        save(tmp_path / name, format="PNG")
    for name in ("notes.txt", "b/4.gif", "png", "5.jpg.tmp"):
        (tmp_path / name).touch()
    expected = ["10.jpg", "9.jpg", "B.jpeg", "a.jpg", "b/2.PNG", "b/c/1.JPeG"]
    assert images.list_images(tmp_path) == expected


def test_a_missing_folder_holds_no_images(tmp_path):
    assert images.list_images(tmp_path / "nowhere") == []


def test_what_there_is_in_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "a.jpg").touch()
    assert images.no_folder(tmp_path / "nowhere") == "no such folder"
    assert images.no_folder(tmp_path / "a.jpg") == f"the file {tmp_path}/a.jpg"
    assert images.no_folder(tmp_path / "a.jpg" / "train") == f"the file {tmp_path}/a.jpg"


# Checking.


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_sizes_are_width_and_height_in_the_order_of_the_paths(tmp_path, mode, format):
    sizes = [(16, 8), (3, 5), (1, 1)]
    paths = [
        save(tmp_path / f"{i}.png", Image.new(mode, size), format=format)
        for i, size in enumerate(sizes)
    ]
    assert images.check_images(paths) == sizes


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16"])
def test_a_png_of_another_colour_mode_is_refused_by_name(tmp_path, mode):
    path = save(tmp_path / "x.png", Image.new(mode, (4, 4)))
    assert refusal(path) == f"{REFUSED}1 of 1 that are not: {path} (colour mode {mode})"


def test_a_cmyk_jpeg_is_refused_by_name(tmp_path):
    path = save(tmp_path / "x.jpg", Image.new("CMYK", (4, 4)))
    assert refusal(path) == f"{REFUSED}1 of 1 that are not: {path} (colour mode CMYK)"


@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_an_image_that_viewers_rotate_is_refused_and_an_upright_one_is_not(tmp_path, extension):
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = save(tmp_path / f"lying.{extension}", exif=exif)
    exif[0x0112] = 1
    upright = save(tmp_path / f"upright.{extension}", exif=exif)
    told = f"{lying} (to be rotated by its EXIF tag)"
    assert refusal(lying, upright) == f"{REFUSED}1 of 2 that are not: {told}"


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_another_format_is_refused_under_whatever_name(tmp_path, format):
    path = save(tmp_path / "x.png", format=format)
    with pytest.raises(OSError):
        images.open_image(path)
    assert refusal(path) == f"{REFUSED}1 of 1 that are not: {path} (no JPEG or PNG image)"


def test_text_nothing_and_no_file_are_no_images(tmp_path):
    text, empty, missing = (tmp_path / f"{name}.jpg" for name in ("text", "empty", "missing"))
    text.write_text("<html>404</html>")
    empty.touch()
    told = ", ".join(f"{path} (no JPEG or PNG image)" for path in (text, empty, missing))
    assert refusal(text, empty, missing) == f"{REFUSED}3 of 3 that are not: {told}"


def test_the_first_ten_bad_files_are_named_and_all_are_counted(tmp_path):
    bad = [tmp_path / f"{index:02}.jpg" for index in range(12)]
    for path in bad:
        path.touch()
    good = save(tmp_path / "good.jpg")
    told = ", ".join(f"{path} (no JPEG or PNG image)" for path in bad[:10])
    assert refusal(good, *bad) == f"{REFUSED}12 of 13 that are not: {told} and 2 more"


# 72 megapixels are below twice the limit, where Pillow alone only warns.
@pytest.mark.parametrize("size", [(50_000, 50_000), (9_000, 8_000), (8_001, 8_000)])
def test_a_header_of_more_than_64_megapixels_is_refused_and_never_decoded(
    tmp_path, monkeypatch, size
):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(*size))
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image.size))
    assert refusal(path) == f"{REFUSED}1 of 1 that are not: {path} (more than 64 megapixels)"
    assert images.damaged_images([path]) == [path]
    assert decoded == []


def test_a_header_of_64_megapixels_is_accepted_without_decoding(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    path.write_bytes(png_header(8_000, 8_000))
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image.size))
    assert images.check_images([path]) == [(8_000, 8_000)]
    assert decoded == []


@pytest.mark.parametrize("extension", ["jpg", "png"])
def test_damaged_images_are_those_that_end_early(tmp_path, extension):
    paths = [save(tmp_path / f"{i}.{extension}", Image.fromarray(noise(64, 64))) for i in range(3)]
    paths[1].write_bytes(paths[1].read_bytes()[:-2000])
    images.check_images(paths)  # The header does not tell.
    assert images.damaged_images(paths) == [paths[1]]


def test_sizes_are_described_most_frequent_first_and_five_at_most():
    sizes = [(300, 200)] * 2 + [(512, 256)] * 3 + [(i, 1) for i in range(1, 6)]
    assert images.describe_sizes(sizes) == (
        "3 of 512x256, 2 of 300x200, 1 of 1x1, 1 of 2x1, 1 of 3x1"
    )


# Writing.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_grey_level_survives_the_way_to_floats_and_back(dtype):
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(images.to_uint8(levels.astype(dtype) / 127.5 - 1.0), levels)


def test_to_uint8_rounds_to_the_nearest_and_clips():
    values = np.array([-9.0, -1.0, 9.4 / 127.5 - 1, 9.6 / 127.5 - 1, 1.0, 9.0], np.float32)
    result = images.to_uint8(values)
    assert result.dtype == np.uint8
    assert result.tolist() == [0, 0, 9, 10, 255, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_saved_png_has_the_pixels_of_the_image_and_no_file_beside_it(tmp_path, channels):
    pixels = noise(5, 7, channels)
    images.save_png(tmp_path / "bytes.png", pixels)
    images.save_png(tmp_path / "floats.png", pixels / np.float32(127.5) - 1)
    for name in ("bytes.png", "floats.png"):
        with Image.open(tmp_path / name) as image:
            assert (image.format, image.mode) == ("PNG", {1: "L", 3: "RGB"}[channels])
            assert np.array_equal(np.asarray(image).reshape(pixels.shape), pixels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bytes.png", "floats.png"]


def test_a_saved_array_is_read_as_it_was(tmp_path):
    values = np.float32([[0.25, -1.5]])
    images.save_array(tmp_path / "a.npy", values)
    found = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("save", [images.save_png, images.save_array])
def test_what_cannot_be_written_whole_leaves_the_file_before_and_nothing_else(tmp_path, save):
    path = tmp_path / "sample"
    save(path, noise(8, 8))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError):
            save(path, noise(128, 128))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_open_image_leaves_the_pixels_to_pillow(tmp_path):
    pixels = noise(6, 4)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    path = tmp_path / "a.jpg"  # The content tells the format, not the name.
    path.write_bytes(stream.getvalue())
    with images.open_image(path) as image:
        assert np.array_equal(np.asarray(image), pixels)
