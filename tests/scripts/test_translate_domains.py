"""The translation with the other GANs: noise, two directions, a bottleneck, any channels.

The expected pictures are those of the GAN whose untrained, narrow networks the run holds.
"""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.bicyclegan import BicycleGAN
from gans.command_line import command
from gans.cyclegan import CycleGAN
from gans.data.images import to_uint8
from gans.discogan import DiscoGAN
from gans.pictures.image_grid import image_grid
from gans.pix2pix import Pix2Pix
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder

NARROW = {
    "image_size": 32,
    "image_channels": 3,
    "photo_channels": 3,
    "generator_filters": 2,
    "discriminator_filters": 2,
}


@pytest.fixture
def begun(tmp_path):
    """Saves a new GAN as a run, `tmp_path/run`; returns the GAN."""

    def begin(kind, **constructor):
        constructor = NARROW | constructor
        gan = kind(**constructor)
        for index, variable in enumerate(gan.variables):
            if variable.path.endswith("kernel"):  # Pictures that differ by more than a grey level.
                drawn = np.random.default_rng(index).normal(0, 0.3, variable.shape)
                variable.assign(drawn.astype(np.float32))
        run = RunFolder(tmp_path / "run")
        with run.locked():
            run.begin(
                {"model": kind.__name__, "module": kind.__module__, "constructor": constructor}
            )
            Checkpoints(run.checkpoints, gan).save(1)
        return gan

    return begin


@pytest.fixture
def translate(run_script, tmp_path):
    """Translates `source` into the folder `out`; returns the status."""

    def run(source, *flags):
        line = (
            f"--run_dir={tmp_path / 'run'}",
            f"--input={source}",
            f"--output={tmp_path / 'out'}",
        )
        return run_script("translate", *line, *flags)

    return run


@pytest.fixture
def failure(translate, capsys, tmp_path):
    """The one line of what is refused, after which there is no output."""

    def run(*arguments):
        capsys.readouterr()
        assert translate(*arguments) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
        assert not (tmp_path / "out").exists()
        return err[7:-1]

    return run


def photo(height=32, width=32, channels=3):
    """Noise that is alike in neighbouring pixels, uint8 `(height, width, channels)`."""
    values = np.random.default_rng(height * width).integers(0, 256, (height, width, channels))
    return ((values + np.roll(values, 1, axis=0)) // 2).astype(np.uint8)


@pytest.fixture
def image(tmp_path):
    return save(tmp_path / "photo.png", photo())


def save(path, pixels):
    if path.suffix == ".npy":
        np.save(path, pixels)
    else:
        Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)
    return path


def read(path):
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    with Image.open(path) as image:
        return np.asarray(image)


def scaled(pixels):
    return pixels[np.newaxis].astype(np.float32) / 127.5 - 1.0


def names(folder):
    return {path.name for path in folder.iterdir()}


# pix2pix.


def test_pix2pix_paints_one_picture(begun, translate, image, tmp_path, capsys):
    gan = begun(Pix2Pix)
    assert translate(image) == 0
    out = tmp_path / "out"
    assert names(out) == {"photo_1.png", "photo_all.png"}
    assert capsys.readouterr().out == f"{out}/photo_all.png\n"
    (expected,) = gan.translate(scaled(photo()))
    np.testing.assert_array_equal(read(out / "photo_1.png"), to_uint8(expected))
    together = image_grid([[scaled(photo())[0], expected]])
    np.testing.assert_array_equal(read(out / "photo_all.png"), together)


@pytest.mark.parametrize("constructor", [{}, {"dropout": 0.0, "latent_dim": 3}])
def test_the_samples_of_pix2pix_differ_in_their_noise(
    begun, translate, image, tmp_path, constructor
):
    gan = begun(Pix2Pix, **constructor)
    assert translate(image, "--samples=3", "--seed=5") == 0
    expected = to_uint8(gan.translate(np.repeat(scaled(photo()), 3, axis=0), 5))
    received = [read(tmp_path / "out" / f"photo_{number}.png") for number in (1, 2, 3)]
    np.testing.assert_array_equal(received, expected)
    assert (expected[0] != expected[1]).any() and (expected[1] != expected[2]).any()
    assert (expected != to_uint8(gan.translate(np.repeat(scaled(photo()), 3, axis=0), 0))).any()


def test_without_noise_one_picture_is_all_there_is(begun, failure, translate, image):
    begun(Pix2Pix, dropout_at_test=False)
    assert failure(image, "--samples=2") == (
        "--samples expects 1: this run has no noise at test. Received: 2"
    )
    assert translate(image, "--samples=1") == 0


# Two directions.


@pytest.mark.parametrize("kind", [CycleGAN, DiscoGAN])
@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_each_direction_has_its_own_generator(begun, translate, image, tmp_path, kind, direction):
    gan = begun(kind)
    assert translate(image, f"--direction={direction}") == 0
    back = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}[direction]
    expected, other = (gan.translate(scaled(photo()), way)[0] for way in (direction, back))
    out = tmp_path / "out"
    assert names(out) == {"photo_1.png", "photo_all.png"}
    received = read(out / "photo_1.png")
    np.testing.assert_array_equal(received, to_uint8(expected))
    assert (received != to_uint8(other)).any()
    together = image_grid([[scaled(photo())[0], expected]])
    np.testing.assert_array_equal(read(out / "photo_all.png"), together)


def test_a_to_b_is_the_direction_where_none_is_named(begun, translate, image, tmp_path):
    gan = begun(CycleGAN)
    assert translate(image) == 0
    (expected,) = gan.translate(scaled(photo()))
    np.testing.assert_array_equal(read(tmp_path / "out" / "photo_1.png"), to_uint8(expected))


def test_the_reconstruction_is_shown_and_not_a_file_of_its_own(begun, translate, image, tmp_path):
    gan = begun(CycleGAN, image_channels=1, lambda_identity=0.0)
    assert translate(image, "--direction=b_to_a", "--reconstruct") == 0
    fake = gan.translate(scaled(photo()), "b_to_a")
    cycled = gan.translate(fake, "a_to_b")
    out = tmp_path / "out"
    assert names(out) == {"photo_1.png", "photo_all.png"}
    np.testing.assert_array_equal(read(out / "photo_1.png"), to_uint8(fake[0, ..., 0]))
    together = image_grid([[scaled(photo())[0], fake[0], cycled[0]]])
    np.testing.assert_array_equal(read(out / "photo_all.png"), together)


def test_without_a_way_back_there_is_one_direction(begun, failure, translate, image):
    begun(DiscoGAN, objective="gan")
    for flag in ("--direction=b_to_a", "--reconstruct"):
        assert failure(image, flag) == (
            f"{flag} expects a run with a generator of the way back. Received: none"
        )
    assert translate(image) == 0


# Sizes.


@pytest.mark.parametrize(
    ("constructor", "size", "full"),
    [
        ({"generator": "unet"}, (37, 50), (64, 64)),
        ({"generator": "resnet", "blocks": 1}, (37, 50), (40, 52)),
        ({"generator": "resnet", "blocks": 1}, (5, 1), (32, 32)),
    ],
)
def test_around_a_photo_its_border_goes_on(begun, translate, tmp_path, constructor, size, full):
    gan = begun(CycleGAN, **constructor)
    pixels = photo(*size)
    assert translate(save(tmp_path / "odd.png", pixels)) == 0
    rows, columns = (
        np.clip(np.arange(large) - (large - small) // 2, 0, small - 1)
        for small, large in zip(size, full, strict=True)
    )
    canvas = scaled(pixels)[:, rows][:, :, columns]
    fake = gan.generator_for(*full, "a_to_b")(canvas, training=False).numpy()
    top, left = ((large - small) // 2 for small, large in zip(size, full, strict=True))
    expected = to_uint8(fake[0, top : top + size[0], left : left + size[1]])
    np.testing.assert_array_equal(read(tmp_path / "out" / "odd_1.png"), expected)


def test_pix2pix_paints_an_image_of_another_size(begun, translate, tmp_path):
    gan = begun(Pix2Pix)
    pixels = photo(64, 32)
    assert translate(save(tmp_path / "tall.png", pixels)) == 0
    (expected,) = gan.translate(scaled(pixels))
    np.testing.assert_array_equal(read(tmp_path / "out" / "tall_1.png"), to_uint8(expected))


@pytest.mark.parametrize("flags", [[], ["--fit"]])
def test_a_bottleneck_paints_at_the_size_of_training(begun, translate, tmp_path, flags):
    gan = begun(DiscoGAN)
    pixels = photo(40, 56)
    assert translate(save(tmp_path / "odd.png", pixels), *flags) == 0

    def resized(images, size):
        return np.clip(tf.image.resize(images, (size, size), "bicubic", antialias=True), -1.0, 1.0)

    canvas = scaled(pixels)[:, np.clip(np.arange(56) - 8, 0, 39)]
    expected = resized(gan.translate(resized(canvas, 32)), 56)[0, 8:48]
    np.testing.assert_array_equal(read(tmp_path / "out" / "odd_1.png"), to_uint8(expected))


# Channels.


def test_images_of_other_channels_come_and_go_as_arrays(begun, translate, tmp_path):
    gan = begun(Pix2Pix, image_channels=4, photo_channels=5)
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = photo(32, 32, 4)
    save(folder / "scan.npy", pixels)
    save(folder / "other.png", photo())
    assert translate(folder, "--samples=2") == 0
    assert names(tmp_path / "out") == {"scan_1.npy", "scan_2.npy"}
    expected = to_uint8(gan.translate(np.repeat(scaled(pixels), 2, axis=0)))
    for number, picture in enumerate(expected, start=1):
        received = read(tmp_path / "out" / f"scan_{number}.npy")
        assert received.dtype == np.uint8
        np.testing.assert_array_equal(received, picture)


def test_pictures_of_an_array_are_png_where_they_can_be(begun, translate, tmp_path):
    begun(CycleGAN, image_channels=4, lambda_identity=0.0)
    scan = save(tmp_path / "scan.npy", photo(32, 32, 4))
    assert translate(scan) == 0
    assert names(tmp_path / "out") == {"scan_1.png"}


def test_a_picture_of_four_channels_is_an_array(begun, translate, image, tmp_path):
    begun(CycleGAN, image_channels=4, lambda_identity=0.0)
    assert translate(image, "--direction=b_to_a") == 0
    assert read(tmp_path / "out" / "photo_1.npy").shape == (32, 32, 4)


def test_a_style_may_have_other_channels(begun, translate, image, tmp_path):
    gan = begun(BicycleGAN, encoder_filters=2, photo_channels=4)
    style = photo(32, 32, 4)
    assert translate(image, f"--style={save(tmp_path / 'style.npy', style)}", "--interpolate") == 0
    assert names(tmp_path / "out") == {f"photo_{number}.npy" for number in range(1, 9)}
    expected = gan.translate(scaled(photo()), gan.encode(scaled(style)))
    np.testing.assert_array_equal(read(tmp_path / "out" / "photo_1.npy"), to_uint8(expected[0]))


@pytest.mark.parametrize(
    ("channels", "name", "pixels", "message"),
    [
        (4, "a.png", photo(), "expected a .npy of uint8 with 4 channels. Received: {}"),
        (
            4,
            "a.npy",
            photo(8, 8, 3),
            "expected a .npy of uint8 with 4 channels. Received: {} (3 channels)",
        ),
        (
            3,
            "a.npy",
            photo(8, 8, 4),
            "expected a .npy of uint8 with 3 channels. Received: {} (4 channels)",
        ),
        (
            4,
            "a.npy",
            np.zeros((8, 8, 4), np.uint16),
            "expected a .npy of uint8 with 4 channels. Received: {} (uint16 of shape (8, 8, 4))",
        ),
        (3, "a.png", np.full((8, 8), 300, np.uint16), "Received: {} (colour mode I;16, more than"),
    ],
)
def test_what_would_have_to_be_converted_is_refused(
    begun, failure, tmp_path, channels, name, pixels, message
):
    begun(Pix2Pix, image_channels=channels)
    path = tmp_path / name
    if pixels.ndim == 2:
        Image.fromarray(pixels).save(path)
    else:
        save(path, pixels)
    assert message.format(path) in failure(path)


def test_a_folder_without_arrays_is_refused(begun, failure, image, tmp_path):
    begun(Pix2Pix, image_channels=4)
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / "a.png", photo())
    assert failure(tmp_path / "in").endswith("(no .npy in it)")


# What a GAN has no use for.


def test_a_gan_that_begins_with_noise_is_for_generate(failure, image, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
    run = RunFolder(tmp_path / "run")
    with run.locked():
        run.begin({"model": "DCGAN", "module": "gans.dcgan", "constructor": {"image_size": 32}})
    assert failure(image) == (
        "expected a GAN that translates; scripts/generate.py is for the others. "
        "Received: a run of DCGAN"
    )


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        (CycleGAN, ["style=a.png", "interpolate", "samples=2", "seed=1"]),
        (DiscoGAN, ["style=a.png", "samples=1", "seed=0"]),
        (Pix2Pix, ["style=a.png", "interpolate", "direction=a_to_b", "reconstruct"]),
        (BicycleGAN, ["direction=a_to_b", "reconstruct"]),
    ],
)
def test_a_flag_of_another_gan_is_refused_and_not_ignored(begun, failure, image, kind, flags):
    begun(kind)
    for flag in flags:
        name = flag.split("=")[0]
        assert failure(image, f"--{flag}") == (
            f"--{name} is of no use to {kind.__name__}. Received: --{name}"
        )
