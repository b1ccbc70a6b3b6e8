"""The translation: every picture is the generator's own, of the sketch's size and the asked style.

The expected pictures are made here, from the networks beside the config of the shared narrow run.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.bicyclegan import BicycleGAN, build_encoder, build_generator
from gans.command_line import command
from gans.data.images import to_uint8
from gans.pictures.image_grid import image_grid
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder

LATENT = 8


@pytest.fixture
def translate(run_script, trained, tmp_path):
    """Translates into the folder `out`; returns the status."""

    def run(source, *flags, run_dir=trained, output=tmp_path / "out"):
        line = (f"--run_dir={run_dir}", f"--input={source}", f"--output={output}", *flags)
        return run_script("translate", *line)

    return run


@pytest.fixture
def failure(translate, capsys, tmp_path):
    """The one line of an input that is refused, after which there is nothing new."""

    def run(*arguments, **options):
        before = contents(tmp_path)
        capsys.readouterr()
        assert translate(*arguments, **options) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
        assert contents(tmp_path) == before
        return err[7:-1]

    return run


@pytest.fixture
def no_tensorflow(monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))


@pytest.fixture
def sketch(tmp_path):
    """A sketch of 32x32."""
    return save(tmp_path / "sketch.png", drawing(32, 32))


def drawing(height, width):
    """Dark lines on white, uint8 `(height, width, 3)`, the same in no two directions."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    pixels[height // 4, width // 5 :] = 0
    pixels[height // 4 :, width // 5] = 0
    return pixels


def save(path, pixels, mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, **options)
    return path


def photo(path, seed, size=32):
    """A photo of a colour gradient of its own."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), np.uint8)
    image = Image.fromarray(corners).resize((size, size), Image.Resampling.BILINEAR)
    image.save(path)
    return path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def pictures(folder, name, count):
    return [read(folder / f"{name}_{number}.png") for number in range(1, count + 1)]


def random_styles(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, LATENT)).astype(np.float32)


def painted(run, sketch, styles):
    """What the generator of this very size paints: uint8 `(n, height, width, 3)`."""
    generator = build_generator(
        sketch.shape[:2], latent_dim=LATENT, filters=2, depth=5, init_gain=1.0
    )
    generator.load_weights(run / "generator.weights.h5")
    image = sketch[np.newaxis].astype(np.float32) / 127.5 - 1.0
    return [to_uint8(generator([image, z[np.newaxis]], training=False)[0]) for z in styles]


def style_of(run, pixels):
    encoder = build_encoder(32, latent_dim=LATENT, filters=2, init_gain=1.0)
    encoder.load_weights(run / "encoder.weights.h5")
    image = pixels[np.newaxis].astype(np.float32) / 127.5 - 1.0
    return encoder([image, np.zeros((1, LATENT), np.float32)], training=False)[1].numpy()[0]


def padded(pixels, height, width):
    """In the middle of a white canvas; and where it is there."""
    top, left = (height - pixels.shape[0]) // 2, (width - pixels.shape[1]) // 2
    canvas = np.full((height, width, 3), 255, np.uint8)
    place = np.s_[top : top + pixels.shape[0], left : left + pixels.shape[1]]
    canvas[place] = pixels
    return canvas, place


# One sketch.


def test_one_sketch_in_many_random_styles_from_the_run_folder_alone(
    translate, trained, sketch, tmp_path, capsys
):
    assert not Path(RunFolder(trained).read_config()["data_dir"]).exists()
    assert translate(sketch, "--samples=3") == 0
    out = tmp_path / "out"
    names = ["sketch_1.png", "sketch_2.png", "sketch_3.png", "sketch_all.png"]
    assert sorted(path.name for path in out.iterdir()) == names
    expected = painted(trained, drawing(32, 32), random_styles(3))
    np.testing.assert_array_equal(pictures(out, "sketch", 3), expected)
    assert np.any(expected[0] != expected[1]) and np.any(expected[1] != expected[2])
    row = [image / np.float32(127.5) - 1 for image in (drawing(32, 32), *expected)]
    np.testing.assert_array_equal(read(out / "sketch_all.png"), image_grid([row]))
    assert capsys.readouterr().out == f"{out}/sketch_all.png\n"


def test_there_are_eight_styles_where_nothing_is_said(translate, sketch, tmp_path):
    assert translate(sketch) == 0
    assert len(list((tmp_path / "out").iterdir())) == 9


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(translate, sketch, tmp_path):
    runs = {}
    for name, seed in (("one", 5), ("two", 5), ("three", 6)):
        assert translate(sketch, "--samples=1", f"--seed={seed}", output=tmp_path / name) == 0
        runs[name] = [path.read_bytes() for path in sorted((tmp_path / name).iterdir())]
    assert runs["one"] == runs["two"] != runs["three"]


def test_the_newest_checkpoint_paints(translate, trained, sketch, tmp_path):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    for step in (8, 9):
        shutil.rmtree(run / "checkpoints" / f"step-{step:08d}")
    assert translate(sketch, "--samples=1", run_dir=run) == 0
    (now,) = pictures(tmp_path / "out", "sketch", 1)
    assert np.any(now != painted(trained, drawing(32, 32), random_styles(1))[0])


# Sizes.


@pytest.mark.parametrize(
    ("size", "full"), [((37, 50), (64, 64)), ((32, 33), (32, 64)), ((1, 1), (32, 32))]
)
def test_an_odd_size_is_padded_with_white_and_cut_back(translate, trained, tmp_path, size, full):
    pixels = drawing(*size)
    assert translate(save(tmp_path / "odd.png", pixels), "--samples=1") == 0
    canvas, place = padded(pixels, *full)
    (expected,) = painted(trained, canvas, random_styles(1))
    (received,) = pictures(tmp_path / "out", "odd", 1)
    assert received.shape == (*size, 3)
    np.testing.assert_array_equal(received, expected[place])


def test_a_size_that_fits_is_painted_as_it_is(translate, trained, tmp_path):
    pixels = drawing(64, 96)
    assert translate(save(tmp_path / "large.png", pixels), "--samples=1") == 0
    expected = painted(trained, pixels, random_styles(1))
    np.testing.assert_array_equal(pictures(tmp_path / "out", "large", 1), expected)


def test_fitting_a_sketch_of_the_trained_size_changes_nothing(translate, sketch, tmp_path):
    assert translate(sketch, "--samples=2") == 0
    assert translate(sketch, "--samples=2", "--fit", output=tmp_path / "fit") == 0
    for name in ("sketch_1.png", "sketch_2.png", "sketch_all.png"):
        assert (tmp_path / "fit" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_fitting_paints_at_the_trained_size_and_resizes(translate, trained, tmp_path):
    pixels = drawing(37, 50)
    assert translate(save(tmp_path / "odd.png", pixels), "--samples=1", "--fit") == 0
    canvas, place = padded(pixels, 50, 50)

    def resized(image, size):
        resize = tf.image.resize(image, (size, size), "bicubic", antialias=True)
        return np.clip(resize, -1.0, 1.0)

    small = resized(canvas.astype(np.float32) / 127.5 - 1.0, 32)
    generator = build_generator(32, latent_dim=LATENT, filters=2, init_gain=1.0)
    generator.load_weights(trained / "generator.weights.h5")
    fake = generator([small[np.newaxis], random_styles(1)], training=False)[0]
    expected = to_uint8(resized(fake, 50))[place]
    np.testing.assert_array_equal(pictures(tmp_path / "out", "odd", 1), [expected])


# Kinds of files.


def as_transparent(path, pixels):
    alpha = 255 - pixels[..., :1]
    return save(path, np.concatenate([np.zeros_like(pixels), alpha], axis=-1), "RGBA")


def as_turned(path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned a quarter clockwise by whoever shows it.
    return save(path, np.rot90(pixels), exif=exif)


@pytest.mark.parametrize(
    "write",
    [
        lambda path, pixels: save(path, pixels, "L"),
        lambda path, pixels: save(path, pixels, "P"),
        lambda path, pixels: save(path, pixels, "1"),
        as_transparent,
        as_turned,
    ],
    ids=["grey", "palette", "black and white", "transparent", "EXIF"],
)
def test_every_kind_of_file_of_one_sketch_gives_the_same_picture(
    translate, trained, tmp_path, write
):
    pixels = drawing(32, 64)
    assert translate(write(tmp_path / "kind.png", pixels), "--samples=1") == 0
    expected = painted(trained, pixels, random_styles(1))
    np.testing.assert_array_equal(pictures(tmp_path / "out", "kind", 1), expected)


def test_a_jpeg_is_painted_as_it_decodes(translate, trained, tmp_path):
    path = save(tmp_path / "lossy.jpg", drawing(32, 32), quality=80)
    assert translate(path, "--samples=1") == 0
    expected = painted(trained, read(path), random_styles(1))
    np.testing.assert_array_equal(pictures(tmp_path / "out", "lossy", 1), expected)


def test_grey_photos_are_painted_grey(translate, sketch, tmp_path, narrow):
    names = ("image_size", "generator_filters", "encoder_filters", "discriminator_filters")
    constructor = {name: 32 if name == "image_size" else 2 for name in names}
    constructor |= {"image_channels": 1, "photo_channels": 1, "init_gain": 1.0}
    run = RunFolder(tmp_path / "grey")
    with run.locked():
        run.begin({"model": "BicycleGAN", "constructor": constructor})
        Checkpoints(run.checkpoints, BicycleGAN(**constructor)).save(1)
    assert translate(sketch, "--samples=2", "--interpolate", run_dir=run.path) == 0
    for picture in pictures(tmp_path / "out", "sketch", 2):
        assert picture.shape == (32, 32)
    assert read(tmp_path / "out" / "sketch_all.png").shape == (68, 200, 3)
    with Image.open(tmp_path / "out" / "sketch.gif") as image:
        assert image.n_frames == 2


# Folders.


def test_the_sketches_of_a_folder_keep_their_relative_names(translate, trained, tmp_path):
    inputs = tmp_path / "in"
    sketches = {"a": drawing(32, 32), "b.c/d.e": drawing(32, 64), "b.c/a": drawing(64, 32)}
    for name, pixels in sketches.items():
        save(inputs / f"{name}.png", pixels)
    (inputs / "notes.txt").write_text("no image")
    assert translate(inputs, "--samples=1") == 0
    out = tmp_path / "out"
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        f"{name}_{part}.png" for name in sketches for part in ("1", "all")
    }
    for name, pixels in sketches.items():
        expected = painted(trained, pixels, random_styles(1))
        np.testing.assert_array_equal(pictures(out, name, 1), expected)


# Styles.


def test_a_photo_lends_its_style(translate, trained, sketch, tmp_path):
    styles = [photo(tmp_path / f"style_{number}.png", number) for number in (1, 2)]
    assert translate(sketch, f"--style={styles[0]},{styles[1]}", "--samples=5") == 0
    assert len(list((tmp_path / "out").iterdir())) == 3
    codes = [style_of(trained, read(path)) for path in styles]
    expected = painted(trained, drawing(32, 32), codes)
    np.testing.assert_array_equal(pictures(tmp_path / "out", "sketch", 2), expected)
    assert np.any(expected[0] != expected[1])


def test_a_photo_of_another_size_is_resized_for_its_style(translate, trained, sketch, tmp_path):
    path = photo(tmp_path / "style.png", 3, size=50)
    assert translate(sketch, f"--style={path}") == 0
    with Image.open(path) as image:
        small = np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC))
    expected = painted(trained, drawing(32, 32), [style_of(trained, small)])
    np.testing.assert_array_equal(pictures(tmp_path / "out", "sketch", 1), expected)


def interpolated(translate, tmp_path, sketch, *flags):
    assert translate(sketch, "--interpolate", "--samples=4", *flags) == 0
    return pictures(tmp_path / "out", "sketch", 4)


def test_between_two_photos_it_goes_from_one_style_to_the_other(
    translate, trained, sketch, tmp_path
):
    styles = [photo(tmp_path / f"style_{number}.png", number) for number in (1, 2)]
    way = interpolated(translate, tmp_path, sketch, f"--style={styles[0]},{styles[1]}")
    ends = painted(trained, drawing(32, 32), [style_of(trained, read(path)) for path in styles])
    np.testing.assert_array_equal([way[0], way[-1]], ends)


def test_from_one_photo_it_goes_to_a_random_style(translate, trained, sketch, tmp_path):
    path = photo(tmp_path / "style.png", 1)
    way = interpolated(translate, tmp_path, sketch, f"--style={path}", "--seed=2")
    styles = [style_of(trained, read(path)), random_styles(1, seed=2)[0]]
    ends = painted(trained, drawing(32, 32), styles)
    np.testing.assert_array_equal([way[0], way[-1]], ends)


def test_without_a_photo_it_goes_between_the_first_two_random_styles(
    translate, trained, sketch, tmp_path, load_script
):
    way = interpolated(translate, tmp_path, sketch)
    start, end = np.random.default_rng(0).standard_normal((4, LATENT))[:2]
    arc = [load_script("translate").spherical(start, end, t) for t in (0, 1 / 3, 2 / 3, 1)]
    expected = painted(trained, drawing(32, 32), np.stack(arc).astype(np.float32))
    np.testing.assert_array_equal(way, expected)


def test_the_gif_goes_there_and_back(translate, sketch, tmp_path):
    way = interpolated(translate, tmp_path, sketch)
    frames = []
    with Image.open(tmp_path / "out" / "sketch.gif") as image:
        for index in range(image.n_frames):
            image.seek(index)
            assert image.info["duration"] == 120
            frames.append(np.asarray(image.convert("RGB")).astype(int))
        assert image.info["loop"] == 0
    assert len(frames) == 6
    for frame, original in zip(frames, [*way, way[2], way[1]], strict=True):
        errors = [np.abs(frame - picture).mean() for picture in way]
        assert np.abs(frame - original).mean() == min(errors) < 12  # 256 colours for all frames.


@pytest.mark.parametrize(
    ("start", "end", "share", "expected"),
    [
        ([1.0, 0.0], [0.0, 1.0], 0.5, [0.5**0.5, 0.5**0.5]),
        ([1.0, 0.0], [0.0, 1.0], 1 / 3, [0.75**0.5, 0.5]),
        ([3.0, 0.0], [0.0, 4.0], 0.0, [3.0, 0.0]),
        ([3.0, 0.0], [0.0, 4.0], 1.0, [0.0, 4.0]),
        ([1.0, 1.0], [2.0, 2.0], 0.5, [1.5, 1.5]),
        ([1.0, 0.0], [-1.0, 0.0], 0.25, [0.5, 0.0]),
    ],
)
def test_the_way_between_two_styles_is_an_arc(load_script, start, end, share, expected):
    spherical = load_script("translate").spherical
    way = spherical(np.array(start), np.array(end), share)
    np.testing.assert_allclose(way, expected, rtol=0, atol=1e-12)


# Nothing is overwritten.


def test_pictures_that_are_there_are_not_overwritten(translate, failure, sketch, tmp_path):
    out = tmp_path / "out"
    save(out / "sketch_2.png", drawing(8, 8))
    assert failure(sketch, "--samples=2") == (
        f"--output holds 1 files of these names already, e.g. {out}/sketch_2.png; "
        "name another folder, or give --overwrite"
    )


def test_pictures_that_are_there_are_replaced_if_asked_for(translate, sketch, trained, tmp_path):
    save(tmp_path / "out" / "sketch_1.png", drawing(8, 8))
    save(tmp_path / "out" / "other.png", drawing(8, 8))
    assert translate(sketch, "--samples=1", "--overwrite") == 0
    expected = painted(trained, drawing(32, 32), random_styles(1))
    np.testing.assert_array_equal(pictures(tmp_path / "out", "sketch", 1), expected)
    np.testing.assert_array_equal(read(tmp_path / "out" / "other.png"), drawing(8, 8))


def test_a_sketch_is_never_overwritten(failure, no_tensorflow, tmp_path):
    folder = tmp_path / "in"
    for name in ("a.png", "a_1.png"):
        save(folder / name, drawing(32, 32))
    assert failure(folder, "--samples=1", "--overwrite", output=folder) == (
        f"--output holds 1 files of these names already, e.g. {folder}/a_1.png; name another folder"
    )


# What is refused.


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path, data: path.write_bytes(data[:-40]), "image file is truncated"),
        (lambda path, data: path.write_bytes(b""), "cannot identify image file"),
        (lambda path, data: path.write_text("no image"), "cannot identify image file"),
        (
            lambda path, data: Image.fromarray(drawing(8, 8)).save(path, "GIF"),
            "cannot identify image file",
        ),
        (
            lambda path, data: Image.fromarray(np.full((8, 8), 300, np.uint16)).save(path),
            "colour mode I;16, more than 8 bits",
        ),
    ],
    ids=["truncated", "empty", "text", "GIF", "16 bits"],
)
@pytest.mark.parametrize("role", ["sketch", "style"])
def test_an_image_that_cannot_be_used_is_one_line(failure, sketch, tmp_path, write, reason, role):
    bad = tmp_path / "bad.png"
    write(bad, sketch.read_bytes())
    line = failure(bad) if role == "sketch" else failure(sketch, f"--style={bad}")
    assert line.startswith(f"expected a JPEG or PNG image. Received: {bad} ({reason}")


def test_one_bad_sketch_of_a_folder_stops_before_the_first_picture(failure, tmp_path):
    save(tmp_path / "in" / "a.png", drawing(32, 32))
    (tmp_path / "in" / "b.png").write_text("no image")
    assert f"Received: {tmp_path}/in/b.png" in failure(tmp_path / "in")


def test_a_style_that_is_not_there_is_one_line(failure, sketch, tmp_path):
    line = failure(sketch, f"--style={tmp_path}/missing.png")
    assert line.startswith(f"expected a JPEG or PNG image. Received: {tmp_path}/missing.png (")


def test_an_input_that_is_not_there_is_one_line(failure, tmp_path, no_tensorflow):
    assert failure(tmp_path / "missing") == (
        "--input expects an image or a folder of images. "
        f"Received: {tmp_path}/missing (no such file)"
    )


def test_a_folder_without_images_is_one_line(failure, tmp_path, no_tensorflow):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no image")
    assert failure(tmp_path / "in") == (
        "--input expects an image or a folder of images. "
        f"Received: {tmp_path}/in (no JPEG or PNG in it)"
    )


def test_two_sketches_of_one_name_are_one_line(failure, tmp_path, no_tensorflow):
    for name in ("a.png", "a.jpg"):
        save(tmp_path / "in" / name, drawing(8, 8))
    assert failure(tmp_path / "in") == (
        f"--input expects one image per name. Received: 2 files of 1 names in {tmp_path}/in"
    )


def test_an_output_that_is_a_file_is_one_line(failure, sketch, tmp_path, no_tensorflow):
    (tmp_path / "file").write_text("mine")
    assert failure(sketch, output=tmp_path / "file") == (
        f"--output expects a folder. Received: the file {tmp_path}/file"
    )


def test_a_run_that_is_not_there_is_one_line(failure, sketch, tmp_path, no_tensorflow):
    assert failure(sketch, run_dir=tmp_path / "missing") == (
        f"expected the folder of a run. Received: {tmp_path}/missing (no such folder)"
    )


def test_a_run_without_a_checkpoint_is_one_line(failure, trained, sketch, tmp_path):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    assert failure(sketch, run_dir=run) == (
        f"expected a run with a checkpoint. Received: {run} without one"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--samples=0"], "--samples expects at least 1. Received: 0"),
        (["--samples=1", "--interpolate"], "--samples expects at least 2. Received: 1"),
        (["--seed=-1"], "--seed expects at least 0. Received: -1"),
        (
            ["--interpolate", "--style=a.png,b.png,c.png"],
            "--interpolate expects at most 2 styles. Received: 3",
        ),
        (["--styles=a.png"], "unknown flag --styles; did you mean --style?"),
    ],
)
def test_a_wrong_flag_is_one_line(failure, sketch, no_tensorflow, flags, message):
    assert failure(sketch, *flags) == message
