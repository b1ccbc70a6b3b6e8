"""The command translate: which images it reads, which files it writes, and what it refuses.

The expected pictures are those of the GAN whose untrained, narrow networks the run holds.
"""

import functools
import shutil

import numpy as np
import pytest
from PIL import Image

from gans.command_line import gan_files
from gans.commands.translate import read_image, translate
from gans.data.images import to_float, to_uint8
from gans.pictures.image_grid import image_grid
from gans.results import translation

NARROW = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
STYLES = {"encoder_filters": 2}


@pytest.fixture(scope="session")
def run_of(tmp_path_factory, begin_run):
    """Makes a run, not to be changed; returns its folder and its GAN."""

    @functools.cache
    def make(name, **settings):
        folder = tmp_path_factory.mktemp("runs") / "run"
        return folder, begin_run(folder, name, **{**NARROW, **settings})

    return make


@pytest.fixture
def shared(run_of):
    """The folder and the GAN of a run of BicycleGAN, not to be changed."""
    return run_of("bicyclegan", **STYLES)


@pytest.fixture
def begun(run_of, tmp_path):
    """Makes the run `tmp_path/run`, not to be changed; returns its GAN."""

    def begin(name, **settings):
        folder, gan = run_of(name, **settings)
        (tmp_path / "run").symlink_to(folder)
        return gan

    return begin


def line(source, tmp_path, *flags, run=None, output=None):
    """Of the command: on an image, with the run `tmp_path/run` into the folder `out`."""
    run, output = run or tmp_path / "run", output or tmp_path / "out"
    return translate, f"--run_dir={run}", f"--input={source}", f"--output={output}", *flags


@pytest.fixture
def translated(run_command, tmp_path):
    """Translates into the folder `out`, and returns it."""

    def run(source, *flags, **options):
        assert run_command(*line(source, tmp_path, *flags, **options)) == 0
        return options.get("output", tmp_path / "out")

    return run


@pytest.fixture
def refused(failure, tmp_path):
    """The one line of what is refused, after which there is nothing new."""

    def run(source, *flags, **options):
        return failure(*line(source, tmp_path, *flags, **options))

    return run


def drawing(height=32, width=32, channels=3):
    """Noise that is alike in neighbouring pixels, uint8 `(height, width, channels)`."""
    values = np.random.default_rng(height * width).integers(0, 256, (height, width, channels))
    return ((values + np.roll(values, 1, axis=0)) // 2).astype(np.uint8)


def save(path, pixels, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
        return path
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.convert(mode or image.mode).save(path, **options)
    return path


@pytest.fixture
def image(tmp_path):
    return save(tmp_path / "photo.png", drawing())


def read(path):
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    with Image.open(path) as image:
        return np.asarray(image)


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def painted(gan, pixels, z):
    """What BicycleGAN paints, uint8 `(n, height, width, 3)`."""
    paint = translation.in_styles(gan, z)
    return to_uint8(translation.at_own_size(gan, to_float(pixels), paint, translation.WHITE))


# Pictures of one image.


def test_an_image_in_random_styles(translated, shared, image, tmp_path, capsys):
    run, gan = shared
    out = translated(image, "--samples=3", "--seed=2", run=run)
    assert names(out) == {"photo_1.png", "photo_2.png", "photo_3.png", "photo_all.png"}
    expected = painted(gan, drawing(), translation.choose_styles(gan, [], 3, seed=2))
    found = [read(out / f"photo_{number}.png") for number in (1, 2, 3)]
    np.testing.assert_array_equal(found, expected)
    together = read(out / "photo_all.png")
    row = [to_float(pixels) for pixels in (drawing(), *expected)]
    np.testing.assert_array_equal(together, image_grid([row]))
    assert capsys.readouterr().out == f"{out}/photo_all.png\n"


def test_there_are_eight_styles_where_nothing_is_said(translated, shared, image):
    assert len(names(translated(image, run=shared[0]))) == 9


def test_photos_of_any_size_lend_their_styles(translated, shared, image, tmp_path):
    run, gan = shared
    photos = [save(tmp_path / "a.png", drawing()), save(tmp_path / "b.jpg", drawing(50, 40))]
    out = translated(image, f"--style={photos[0]},{photos[1]}", "--samples=5", run=run)
    assert names(out) == {"photo_1.png", "photo_2.png", "photo_all.png"}
    with Image.open(photos[1]) as opened:
        small = np.asarray(opened.resize((32, 32), Image.Resampling.BICUBIC))
    z = gan.encode(to_float(np.stack([drawing(), small])))
    found = [read(out / f"photo_{number}.png") for number in (1, 2)]
    np.testing.assert_array_equal(found, painted(gan, drawing(), z))
    assert not np.array_equal(*found)


def test_an_interpolation_is_an_animation_there_and_back(translated, shared, image, tmp_path):
    run, gan = shared
    style = save(tmp_path / "style.png", drawing(32, 32)[::-1])
    out = translated(image, "--interpolate", "--samples=4", f"--style={style}", run=run)
    z = translation.choose_styles(gan, [to_float(drawing()[::-1])], 4, interpolate=True)
    expected = painted(gan, drawing(), z)
    found = [read(out / f"photo_{number}.png") for number in (1, 2, 3, 4)]
    np.testing.assert_array_equal(found, expected)
    with Image.open(out / "photo.gif") as film:
        assert (film.n_frames, film.info["duration"], film.info["loop"]) == (6, 120, 0)
        for index, place in enumerate((0, 1, 2, 3, 2, 1)):
            film.seek(index)
            frame = np.asarray(film.convert("RGB")).astype(int)
            errors = [np.abs(frame - picture).mean() for picture in expected]
            assert np.argmin(errors) == place
            assert min(errors) < 10  # 256 colours for all frames, which are nearly noise.


@pytest.mark.parametrize("count", [1, 3])
def test_pictures_of_pix2pix_differ_in_their_noise(begun, translated, image, count):
    gan = begun("pix2pix")
    out = translated(image, *[f"--samples={count}", "--seed=5"] * (count > 1))
    parts = [*map(str, range(1, count + 1)), "all"]
    assert names(out) == {f"photo_{part}.png" for part in parts}
    images = np.stack([to_float(drawing())] * count)
    expected = to_uint8(gan.translate(images, 5 if count > 1 else 0))
    found = [read(out / f"photo_{number}.png") for number in range(1, count + 1)]
    np.testing.assert_array_equal(found, expected)


def test_without_noise_there_is_one_picture(begun, refused, translated, image):
    begun("pix2pix", dropout_at_test=False)
    assert refused(image, "--samples=2").startswith("--samples expects 1")
    translated(image, "--samples=1")


@pytest.mark.parametrize("flags", [[], ["--direction=b_to_a"], ["--direction=b_to_a", "--fit"]])
@pytest.mark.parametrize("name", ["cyclegan", "discogan"])
def test_each_direction_has_its_own_generator(begun, translated, tmp_path, name, flags):
    gan, pixels = begun(name), drawing(40, 56)
    out = translated(save(tmp_path / "odd.png", pixels), *flags)
    paint = translation.in_directions(gan, ["b_to_a" if flags else "a_to_b"])
    # A DiscoGAN with a bottleneck has one size.
    fit = name == "discogan" or "--fit" in flags
    of_size = translation.at_training_size if fit else translation.at_own_size
    (expected,) = of_size(gan, to_float(pixels), paint, translation.BORDER)
    assert names(out) == {"odd_1.png", "odd_all.png"}
    np.testing.assert_array_equal(read(out / "odd_1.png"), to_uint8(expected))


def test_a_sketch_is_fitted_on_white(translated, shared, tmp_path):
    run, gan = shared
    out = translated(save(tmp_path / "odd.png", drawing(37, 50)), "--samples=1", "--fit", run=run)
    paint = translation.in_styles(gan, translation.choose_styles(gan, [], 1))
    (expected,) = translation.at_training_size(
        gan, to_float(drawing(37, 50)), paint, translation.WHITE
    )
    np.testing.assert_array_equal(read(out / "odd_1.png"), to_uint8(expected))


def test_the_reconstruction_is_shown_and_not_a_file_of_its_own(begun, translated, image):
    gan = begun("cyclegan", image_channels=1, lambda_identity=0.0)
    out = translated(image, "--direction=b_to_a", "--reconstruct")
    paint = translation.in_directions(gan, ["b_to_a", "a_to_b"])
    fake, cycled = paint(to_float(drawing()))
    assert names(out) == {"photo_1.png", "photo_all.png"}
    np.testing.assert_array_equal(read(out / "photo_1.png"), to_uint8(fake[..., 0]))
    together = image_grid([[to_float(drawing()), fake, cycled]])
    np.testing.assert_array_equal(read(out / "photo_all.png"), together)


def test_without_a_generator_of_b_to_a_there_is_one_direction(begun, refused, translated, image):
    begun("discogan", objective="gan")
    for flag in ("--direction=b_to_a", "--reconstruct"):
        assert refused(image, flag).startswith(f"{flag} expects a run with a generator of B to A")
    translated(image)


# Kinds of images.


def as_transparent(path, pixels):
    alpha = 255 - pixels[..., :1]
    return save(path, np.concatenate([np.zeros_like(pixels), alpha], axis=-1), "RGBA")


def as_turned(path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6  # To be turned a quarter clockwise by whoever shows it.
    return save(path, np.ascontiguousarray(np.rot90(pixels)), exif=exif)


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
def test_every_kind_of_file_of_one_sketch_is_the_same_image(tmp_path, write):
    pixels = np.full((32, 64, 3), 255, np.uint8)
    pixels[8, 12:] = pixels[8:, 12] = 0
    found = read_image(write(tmp_path / "kind.png", pixels), 3)
    np.testing.assert_array_equal(found, to_float(pixels))


def test_a_jpeg_is_read_as_it_decodes(tmp_path):
    path = save(tmp_path / "lossy.jpg", drawing(), quality=80)
    np.testing.assert_array_equal(read_image(path, 3), to_float(read(path)))


def test_grey_photos_are_painted_grey(begun, translated, image):
    begun("bicyclegan", **STYLES, image_channels=1, photo_channels=1)
    out = translated(image, "--samples=2", "--interpolate")
    assert read(out / "photo_1.png").shape == read(out / "photo_2.png").shape == (32, 32)
    assert names(out) == {"photo_1.png", "photo_2.png", "photo_all.png", "photo.gif"}


def test_images_of_other_channels_come_and_go_as_arrays(begun, translated, tmp_path):
    gan = begun("pix2pix", image_channels=4, photo_channels=5)
    pixels = drawing(channels=4)
    save(tmp_path / "in" / "scan.npy", pixels)
    save(tmp_path / "in" / "other.png", drawing())
    out = translated(tmp_path / "in", "--samples=2")
    assert names(out) == {"scan_1.npy", "scan_2.npy"}
    expected = to_uint8(gan.translate(np.stack([to_float(pixels)] * 2)))
    for number, picture in enumerate(expected, start=1):
        found = read(out / f"scan_{number}.npy")
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, picture)


@pytest.mark.parametrize(
    ("flags", "name", "channels", "made"),
    [
        ([], "photo.npy", 4, ("photo_1.png", (32, 32, 3))),
        (["--direction=b_to_a"], "photo.png", 3, ("photo_1.npy", (32, 32, 4))),
    ],
)
def test_pictures_are_png_where_they_can_be(
    begun, translated, tmp_path, flags, name, channels, made
):
    begun("cyclegan", image_channels=4, lambda_identity=0.0)
    out = translated(save(tmp_path / name, drawing(channels=channels)), *flags)
    assert names(out) == {made[0]}
    assert read(out / made[0]).shape == made[1]


def test_a_style_may_have_other_channels(begun, translated, image, tmp_path):
    gan, style = begun("bicyclegan", **STYLES, photo_channels=4), drawing(channels=4)
    style_file = save(tmp_path / "style.npy", style)
    out = translated(image, f"--style={style_file}", "--interpolate", "--samples=2")
    assert names(out) == {"photo_1.npy", "photo_2.npy"}
    expected = gan.translate(to_float(drawing())[None], gan.encode(to_float(style)[None]))
    np.testing.assert_array_equal(read(out / "photo_1.npy"), to_uint8(expected[0]))


def test_images_of_a_folder_keep_their_relative_names(translated, shared, tmp_path):
    run, gan = shared
    sketches = {"a": drawing(), "b.c/d.e": drawing(32, 64), "b.c/a": drawing(64, 32)}
    for name, pixels in sketches.items():
        save(tmp_path / "in" / f"{name}.png", pixels)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    out = translated(tmp_path / "in", "--samples=1", run=run)
    assert names(out) == {f"{name}_{part}.png" for name in sketches for part in ("1", "all")}
    z = translation.choose_styles(gan, [], 1)
    for name, pixels in sketches.items():
        np.testing.assert_array_equal([read(out / f"{name}_1.png")], painted(gan, pixels, z))


# Nothing is overwritten.


def test_pictures_are_not_replaced_without_overwrite(translated, refused, shared, image, tmp_path):
    out = tmp_path / "out"
    save(out / "photo_2.png", drawing(8, 8))
    save(out / "other.png", drawing(8, 8))
    message = refused(image, "--samples=2", run=shared[0])
    assert "--output" in message and f"{out}/photo_2.png" in message and "--overwrite" in message
    translated(image, "--samples=2", "--overwrite", run=shared[0])
    assert read(out / "photo_2.png").shape == (32, 32, 3)
    np.testing.assert_array_equal(read(out / "other.png"), drawing(8, 8))


@pytest.mark.usefixtures("no_tensorflow")
def test_an_input_is_never_overwritten(refused, shared, tmp_path):
    folder = tmp_path / "in"
    for name in ("a.png", "a_1.png"):
        save(folder / name, drawing())
    message = refused(folder, "--samples=1", "--overwrite", run=shared[0], output=folder)
    assert f"--output holds 1 files of these names already, e.g. {folder}/a_1.png" in message
    assert "--overwrite" not in message


# What is refused.


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path, data: path.write_bytes(data[:-40]), "image file is truncated"),
        (lambda path, data: path.write_bytes(b""), "cannot identify image file"),
        (lambda path, data: Image.fromarray(drawing()).save(path, "GIF"), "cannot identify"),
        (lambda path, data: save(path, np.full((8, 8), 300, np.uint16)), "more than 8 bits"),
    ],
    ids=["truncated", "empty", "GIF", "16 bits"],
)
@pytest.mark.parametrize("role", ["folder", "style"])
def test_an_image_that_cannot_be_used_is_refused_before_the_first_picture(
    refused, shared, image, tmp_path, write, reason, role
):
    bad = tmp_path / "in" / "b.png"
    save(tmp_path / "in" / "a.png", drawing())
    write(bad, image.read_bytes())
    line = (bad.parent,) if role == "folder" else (image, f"--style={bad}")
    message = refused(*line, run=shared[0])
    assert message.startswith(f"expected a JPEG or PNG image. Received: {bad} (")
    assert reason in message


@pytest.mark.parametrize(
    ("channels", "name", "pixels", "reason"),
    [
        (4, "a.png", drawing(), ""),
        (4, "a.npy", drawing(8, 8, 3), "(3 channels)"),
        (3, "a.npy", drawing(8, 8, 4), "(4 channels)"),
        (4, "a.npy", np.zeros((8, 8, 4), np.uint16), "(uint16 of shape (8, 8, 4))"),
    ],
)
def test_what_would_have_to_be_converted_is_refused(
    begun, refused, tmp_path, channels, name, pixels, reason
):
    begun("pix2pix", image_channels=channels)
    path = save(tmp_path / name, pixels)
    message = refused(path)
    assert f".npy of uint8 with {channels} channels" in message
    assert message.endswith(f"{path} {reason}".strip())


@pytest.mark.parametrize(
    ("files", "reason"),
    [(None, "no such file"), (["notes.txt"], "no JPEG or PNG"), (["a.png", "a.jpg"], "1 names")],
)
@pytest.mark.usefixtures("no_tensorflow")
def test_an_input_without_images_or_with_two_of_one_name_is_refused(
    refused, shared, tmp_path, files, reason
):
    if files:
        (tmp_path / "in").mkdir()
    for name in files or ():
        (tmp_path / "in" / name).write_bytes(b"")
    message = refused(tmp_path / "in", run=shared[0])
    assert message.startswith("--input expects ") and f"{tmp_path}/in" in message
    assert reason in message


def test_a_folder_without_arrays_is_refused(begun, refused, tmp_path):
    begun("pix2pix", image_channels=4)
    save(tmp_path / "in" / "a.png", drawing())
    assert "no .npy in it" in refused(tmp_path / "in")


@pytest.mark.usefixtures("no_tensorflow")
def test_what_is_no_folder_is_refused(refused, shared, image, tmp_path):
    (tmp_path / "file").write_text("mine")
    message = refused(image, run=shared[0], output=tmp_path / "file")
    assert message.startswith("--output") and f"{tmp_path}/file" in message
    message = refused(image, run=tmp_path / "missing")
    assert f"folder of a run. Received: {tmp_path}/missing" in message


def test_a_run_without_a_checkpoint_is_refused(refused, shared, image, tmp_path):
    run = shutil.copytree(shared[0], tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    assert f"Received: {run} without one" in refused(image)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--samples=0"], "--samples expects at least 1. Received: 0"),
        (["--samples=1", "--interpolate"], "--samples expects at least 2. Received: 1"),
        (["--seed=-1"], "--seed expects at least 0. Received: -1"),
        (["--interpolate", "--style=a.png,b.png,c.png"], "--interpolate .* Received: 3"),
        (["--styles=a.png"], "--styles; did you mean --style?"),
    ],
)
@pytest.mark.usefixtures("no_tensorflow")
def test_a_wrong_flag_is_refused(refused, shared, image, flags, message):
    *parts, last = message.split(" .* ")
    found = refused(image, *flags, run=shared[0])
    assert all(part in found for part in (*parts, last))


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("cyclegan", ["style=a.png", "interpolate", "samples=2", "seed=1"]),
        ("discogan", ["style=a.png", "samples=1", "seed=0"]),
        ("pix2pix", ["style=a.png", "interpolate", "direction=a_to_b", "reconstruct"]),
        ("bicyclegan", ["direction=a_to_b", "reconstruct"]),
    ],
)
@pytest.mark.usefixtures("no_tensorflow")
def test_a_flag_of_another_gan_is_refused_and_not_ignored(begun, refused, image, name, flags):
    begun(name)
    class_name = gan_files.read(name).class_name
    for flag in flags:
        of_flag = flag.split("=")[0]
        assert refused(image, f"--{flag}") == (
            f"--{of_flag} is of no use to {class_name}. Received: --{of_flag}"
        )


@pytest.mark.usefixtures("no_tensorflow")
def test_a_gan_that_starts_from_noise_is_for_the_command_generate(begun, refused, image):
    begun("dcgan")
    message = refused(image)
    assert "generate" in message and message.endswith("Received: a run of DCGAN")
