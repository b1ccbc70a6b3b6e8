"""Pairs: which folders are accepted, and that the stream is a function of (seed, step) alone."""

import hashlib
import os
import pickle
import resource
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.data import pairs
from gans.data import stream as pixel_stream
from gans.data.data_settings import Preparation
from gans.data.images import DataError

COUNT, BATCH = 12, 2
STEPS = COUNT // (2 * BATCH)  # Of an epoch.
LOAD, CROP = 40, 32


def save(path: Path, pixels: np.ndarray | None = None, size=(16, 8), **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size) if pixels is None else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory) -> pairs.PairFiles:
    """Pairs of 40x40 whose pixels are (y, x, number of the pair) in A, and that + 100 in B."""
    folder = tmp_path_factory.mktemp("numbered")
    y, x = np.mgrid[:LOAD, :LOAD]
    for index in range(COUNT):
        image_a = np.stack([y, x, np.full_like(y, index)], axis=-1).astype(np.uint8)
        save(folder / "train" / f"{index:02}.png", np.hstack([image_a, image_a + 100]))
    return pairs.find_pairs(folder)


def batches(files: pairs.PairFiles, draws=2, start_step=0, **options) -> tf.data.Dataset:
    options = {"batch_size": BATCH, "image_size": LOAD, "cache": "none", "flip": True, **options}
    preparation = Preparation(**{"channels": (3, 3), **options})
    return pairs.pair_batches(files, preparation, draws=draws, start_step=start_step)


def stream(files: pairs.PairFiles, steps: int, **options) -> list:
    """The first steps of `pair_batches`, as arrays."""
    return list(batches(files, **options).take(steps).as_numpy_iterator())


def content(steps: list) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in tf.nest.flatten(steps))


def pixels(images: np.ndarray) -> np.ndarray:
    return np.rint((images + 1.0) * 127.5).astype(int)


def in_order(steps: list) -> tuple[np.ndarray, np.ndarray]:
    """All A and all B of a stream as grey levels, `(n, height, width, channels)`, in its order."""
    draws = [draw for step in steps for draw in step]
    return tuple(pixels(np.concatenate(images)) for images in zip(*draws, strict=True))


def order(files: pairs.PairFiles, epochs: int, **options) -> np.ndarray:
    """Numbers of the pairs, `(epochs, COUNT)`."""
    images_a, _ = in_order(stream(files, epochs * STEPS, **options))
    return images_a[:, 0, 0, 2].reshape(epochs, COUNT)


def refusal(data_dir: Path, split: str = "train") -> str:
    with pytest.raises(DataError) as error:
        pairs.find_pairs(data_dir, split)
    return str(error.value)


# Finding: what is accepted.


def test_combined_images_are_sorted_by_their_path_and_measured_by_their_half(tmp_path):
    for name in ("b.png", "a/2.jpg", "a/1.png"):
        save(tmp_path / "train" / name)
    files = pairs.find_pairs(str(tmp_path))
    names = ("a/1.png", "a/2.jpg", "b.png")
    paths = tuple(str(tmp_path / "train" / name) for name in names)
    assert files == pairs.PairFiles(names, paths, (), (8, 8))
    assert len(files) == 3


def test_separate_images_are_paired_by_relative_path_whatever_the_extension(tmp_path):
    for name in ("trainA/x/1.png", "trainA/y/1.png", "trainB/x/1.jpg", "trainB/y/1.png"):
        save(tmp_path / name)
    files = pairs.find_pairs(tmp_path)
    paths_a = tuple(str(tmp_path / "trainA" / name) for name in ("x/1.png", "y/1.png"))
    paths_b = tuple(str(tmp_path / "trainB" / name) for name in ("x/1.jpg", "y/1.png"))
    assert files == pairs.PairFiles(("x/1", "y/1"), paths_a, paths_b, (16, 8))


def test_separate_folders_go_before_a_combined_one(tmp_path):
    for name in ("train/combined.png", "trainA/1.png", "trainB/1.png"):
        save(tmp_path / name)
    assert pairs.find_pairs(tmp_path).names == ("1",)


@pytest.mark.parametrize("suffixes", [("",), ("A", "B")])
def test_held_out_pairs_are_those_of_val_else_of_test_else_of_train(tmp_path, suffixes):
    for split in ("train", "test", "val"):
        for suffix in suffixes:
            save(tmp_path / f"{split}{suffix}" / f"{split}.png")
        assert Path(pairs.find_validation(tmp_path).names[0]).stem == split


def test_the_fingerprint_is_the_size_in_bytes_of_every_file(tmp_path):
    for name in ("train/1.png", "valA/1.png", "valB/1.png"):
        save(tmp_path / name, noise(8, 16))
    size = (tmp_path / "train/1.png").stat().st_size
    assert size > 300
    assert pairs.find_pairs(tmp_path).fingerprint() == {"1.png": size}
    assert pairs.find_pairs(tmp_path, "val").fingerprint() == {"A/1": size, "B/1": size}


# Finding: what is refused, in which words.


def test_no_folder_and_an_empty_one_are_told_apart(tmp_path):
    expected = (
        f"expected images in {tmp_path}/train (A and B side by side) or in {tmp_path}/trainA and "
        f"{tmp_path}/trainB. Received: "
    )
    assert refusal(tmp_path) == expected + "no such folder"
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "notes.txt").touch()
    assert refusal(tmp_path) == expected + "an empty folder"
    file = tmp_path / "train" / "notes.txt"
    assert refusal(file).endswith(f"{file}/trainB. Received: the file {file}")


def test_a_validation_folder_that_is_empty_is_an_error_and_not_a_reason_to_take_another(tmp_path):
    save(tmp_path / "train" / "1.png")
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="an empty folder$"):
        pairs.find_validation(tmp_path)


def test_images_without_a_partner_are_counted_and_five_are_named(tmp_path):
    for index in range(4):
        save(tmp_path / "trainA" / f"{index}.png")
    for index in range(2, 9):
        save(tmp_path / "trainB" / f"{index}.png")
    assert refusal(tmp_path) == (
        f"expected the same names in {tmp_path}/trainA and {tmp_path}/trainB. Received: 4 in A, "
        "7 in B, 2 in both; without a partner: 0, 1, 4, 5, 6"
    )


@pytest.mark.parametrize("domain", ["A", "B"])
def test_one_domain_without_the_other_is_refused(tmp_path, domain):
    save(tmp_path / f"train{domain}" / "1.png")
    counts = {"A": "1 in A, 0 in B", "B": "0 in A, 1 in B"}[domain]
    assert refusal(tmp_path) == (
        f"expected the same names in {tmp_path}/trainA and {tmp_path}/trainB. "
        f"Received: {counts}, 0 in both; without a partner: 1"
    )


def test_two_empty_domains_are_refused(tmp_path):
    (tmp_path / "trainA").mkdir()
    (tmp_path / "trainB").mkdir()
    assert refusal(tmp_path).endswith("Received: 0 in A, 0 in B, 0 in both")


def test_two_images_of_one_name_in_a_domain_are_refused(tmp_path):
    for name in ("trainA/1.png", "trainA/1.jpg", "trainA/2.jpg", "trainB/1.png", "trainB/2.png"):
        save(tmp_path / name)
    assert refusal(tmp_path) == (
        f"expected one image per name in {tmp_path}/trainA. Received: 3 files of 2 names"
    )


def test_combined_images_of_several_sizes_are_refused(tmp_path):
    for index, size in enumerate([(16, 8), (20, 8), (20, 8)]):
        save(tmp_path / "train" / f"{index}.png", size=size)
    assert refusal(tmp_path) == (
        f"expected combined images of one size, twice as wide as high, in {tmp_path}/train "
        "(for others use trainA and trainB). "
        "Received: 2 of 20x8, 1 of 16x8"
    )


def test_a_combined_image_of_odd_width_is_refused(tmp_path):
    save(tmp_path / "train" / "1.png", size=(511, 256))
    assert refusal(tmp_path) == (
        f"expected combined images of one size, twice as wide as high, in {tmp_path}/train "
        "(for others use trainA and trainB). "
        "Received: 1 of 511x256"
    )


def test_a_photo_that_nobody_combined_is_refused(tmp_path):
    save(tmp_path / "train" / "1.png", size=(256, 256))
    assert refusal(tmp_path).endswith("Received: 1 of 256x256")


def test_separate_images_of_several_sizes_are_refused(tmp_path):
    save(tmp_path / "trainA" / "1.png", size=(8, 8))
    save(tmp_path / "trainB" / "1.png", size=(8, 9))
    assert refusal(tmp_path) == (
        f"expected images of one size in {tmp_path}/trainA and {tmp_path}/trainB. "
        "Received: 1 of 8x8 in A, 1 of 8x9 in B"
    )


@pytest.mark.parametrize("folder", ["train", "trainA", "trainB"])
def test_files_that_are_no_8_bit_images_are_refused_by_path(tmp_path, folder):
    for domain in ("trainA", "trainB") if folder != "train" else ("train",):
        save(tmp_path / domain / "1.jpg")
        save(tmp_path / domain / "2.jpg")
    (tmp_path / folder / "2.jpg").write_text("no image")
    assert refusal(tmp_path) == (
        "expected 8-bit grey or RGB images. Received 1 of 2 that are not: "
        f"{tmp_path}/{folder}/2.jpg (no JPEG or PNG image)"
    )


def test_fewer_pairs_than_a_step_takes_are_refused_before_any_is_read(tmp_path):
    for index in range(3):
        save(tmp_path / "train" / f"{index}.png")
    files = pairs.find_pairs(tmp_path)
    with pytest.raises(DataError) as error:
        batches(files, batch_size=2, image_size=8, cache="disk", cache_dir=tmp_path)
    assert "at least 4 pairs" in str(error.value) and "Received: 3;" in str(error.value)
    with pytest.raises(DataError) as error:
        batches(files, batch_size=4, image_size=8, draws=1)
    assert "at least 4 pairs" in str(error.value) and "--batch_size" in str(error.value)
    assert list(tmp_path.glob("*.npy")) == []
    assert len(stream(files, 1, batch_size=3, image_size=8, draws=1)) == 1
    assert len(stream(files, 1, batch_size=1, image_size=8)) == 1


def test_options_that_fit_no_stream_are_refused(numbered):
    def message(**options):
        with pytest.raises(ValueError) as error:
            stream(numbered, 1, **options)
        return str(error.value)

    caches = '`cache` must be "auto", "memory", "none", or "disk" with a folder. Received: '
    assert message(cache="ram") == caches + "'ram'"
    assert message(cache="disk") == caches + "'disk'"
    sizes = "`load_size` must be at least `image_size`, 40. Received: 36"
    assert message(load_size=36) == sizes


def test_channels_that_the_images_do_not_have_are_refused(numbered):
    def message(load, *arguments, **options):
        with pytest.raises(DataError) as error:
            load(numbered, *arguments, **options)
        return str(error.value)

    expected = (
        "expected images of 2 channels, as --photo_channels says. "
        "Received: images of 3 channels, which can be taken as 3 or 1"
    )
    assert message(stream, 1, channels=(3, 2)) == expected
    assert message(pairs.load_pairs, [0], LOAD, photo_channels=2) == expected
    assert "4 channels, as --image_channels" in message(stream, 1, channels=(4, 3))


# Arrays: images of any number of channels.


def save_array(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


def levels(height: int, width: int, *channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)


def test_arrays_have_the_channels_they_have_beside_images_and_in_two_dimensions_one(tmp_path):
    spectrum, depth, photo = levels(8, 8, 5), levels(8, 8, seed=1), noise(8, 8)
    save_array(tmp_path / "trainA" / "1.npy", spectrum)
    save_array(tmp_path / "trainB" / "1.npy", depth)
    files = pairs.find_pairs(tmp_path)
    assert (files.channels, files.luma) == ((5, 1), (False, False))
    images_a, images_b = pairs.load_pairs(files, [0], 8, 5, 1)
    assert np.array_equal(pixels(images_a[0]), spectrum)
    assert np.array_equal(pixels(images_b[0, ..., 0]), depth)
    (tmp_path / "trainB" / "1.npy").unlink()
    save(tmp_path / "trainB" / "1.png", photo)
    files = pairs.find_pairs(tmp_path, direction="b_to_a")
    assert (files.channels, files.luma) == ((3, 5), (True, False))
    images_a, images_b = pairs.load_pairs(files, [0], 8, 3, 5)
    assert np.array_equal(pixels(images_a[0]), photo)
    assert np.array_equal(pixels(images_b[0]), spectrum)
    assert pairs.load_pairs(files, [0], 8, 1, 5)[0].shape == (1, 8, 8, 1)


def test_combined_arrays_are_cut_in_two_whatever_their_order_in_memory(tmp_path):
    array = levels(8, 16, 2)
    save_array(tmp_path / "train" / "1.npy", np.asfortranarray(array))
    images = pairs.load_pairs(pairs.find_pairs(tmp_path), [0], 8, 2, 2)
    assert np.array_equal(np.concatenate([pixels(image[0]) for image in images], axis=1), array)


@pytest.mark.parametrize("cache", ["none", "memory", "disk"])
def test_a_and_b_of_other_channels_are_cropped_and_mirrored_as_one(tmp_path, cache):
    y, x = np.mgrid[:LOAD, :LOAD].astype(np.uint8)
    for index in range(4):
        number = np.full_like(y, index)
        save_array(tmp_path / "trainA" / f"{index}.npy", np.stack([y, x, number, x + y], -1))
        save_array(tmp_path / "trainB" / f"{index}.npy", x + 1)
    options = {"cache": cache, "cache_dir": tmp_path / "cache", "draws": 1, "image_size": CROP}
    files = pairs.find_pairs(tmp_path)
    steps = stream(files, 4, load_size=LOAD, channels=(4, 1), **options)
    images_a, images_b = (pixels(np.concatenate(images)) for images in zip(*steps, strict=True))
    assert images_a.shape == (8, CROP, CROP, 4)
    assert len({tuple(image[0, 0, :2]) for image in images_a}) > 3  # Crops differ.
    assert np.array_equal(images_b[..., 0], images_a[..., 1] + 1)
    assert np.array_equal(images_a[..., 3], images_a[..., 0] + images_a[..., 1])


@pytest.mark.parametrize(("found", "asked"), [(4, 3), (3, 1), (1, 3), (2, 4)])
def test_arrays_are_never_converted(tmp_path, found, asked):
    for domain in ("trainA", "trainB"):
        save_array(tmp_path / domain / "1.npy", levels(8, 8, found))
    with pytest.raises(DataError) as error:
        stream(pairs.find_pairs(tmp_path), 1, draws=1, batch_size=1, channels=(asked, 3))
    assert str(error.value) == (
        f"expected images of {asked} channels, as --image_channels says. "
        f"Received: images of {found} channels"
    )


def test_arrays_among_images_and_of_several_depths_are_refused(tmp_path):
    folder = tmp_path / "train"
    save_array(folder / "1.npy", levels(8, 16, 4))
    save(folder / "2.png")
    assert refusal(tmp_path) == (
        f"expected only JPEG and PNG images or only .npy arrays in {folder}. "
        "Received: 1 images and 1 arrays"
    )
    (folder / "2.png").unlink()
    for index in (2, 3):
        save_array(folder / f"{index}.npy", levels(8, 16, 5))
    assert refusal(tmp_path) == (
        f"expected arrays of one number of channels in {folder}. Received: 2 of 5, 1 of 4"
    )


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (levels(8, 16, 3).astype(np.float32), "float32 of shape (8, 16, 3)"),
        (levels(8, 16, 3, 1), "uint8 of shape (8, 16, 3, 1)"),
        (np.zeros(8, np.uint8), "uint8 of shape (8,)"),
        (np.zeros((8, 0, 3), np.uint8), None),
        (np.array([[{}]]), None),
    ],
)
def test_arrays_that_are_no_8_bit_images_are_refused_by_path(tmp_path, array, told):
    path = save_array(tmp_path / "train" / "1.npy", array)
    expected = (
        f"expected uint8 arrays (height, width, channels). Received 1 of 1 that are not: {path} ("
    )
    assert refusal(tmp_path).startswith(expected + (f"{told})" if told else ""))


def test_a_pickle_is_not_opened_whatever_its_name(tmp_path):
    path = save_array(tmp_path / "train" / "1.npy", levels(8, 16))
    path.write_bytes(pickle.dumps(Explosive()))
    assert "1 of 1 that are not" in refusal(tmp_path)


class Explosive:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (1,)


def test_an_array_that_ends_early_is_refused_before_training_and_named_in_it(tmp_path):
    paths = [save_array(tmp_path / "train" / f"{i}.npy", levels(8, 16, 2)) for i in range(2)]
    files = pairs.find_pairs(tmp_path)
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    assert f"Received 1 of 2 that are not: {paths[1]} (" in refusal(tmp_path)
    with pytest.raises(DataError) as error:
        pairs.load_pairs(files, [0, 1], 8, 2, 2)
    assert str(error.value) == f"expected images that decode. Received 1 damaged: {paths[1]}"


# Damage.


@pytest.fixture(params=["jpg", "png"])
def damaged(request, tmp_path) -> pairs.PairFiles:
    """4 pairs with sound headers; 1 and 3 end early."""
    paths = [tmp_path / "train" / f"{index}.{request.param}" for index in range(4)]
    for index, path in enumerate(paths):
        save(path, noise(32, 64, seed=index))
    for path in (paths[1], paths[3]):
        path.write_bytes(path.read_bytes()[:-1000])
    return pairs.find_pairs(tmp_path)


def damage(files: pairs.PairFiles) -> str:
    _, first, _, second = files.paths_a
    return f"expected images that decode. Received 2 damaged: {first}, {second}"


@pytest.mark.parametrize("cache", ["memory", "disk"])
def test_a_cache_names_every_damaged_file_and_leaves_none_of_its_own(damaged, tmp_path, cache):
    with pytest.raises(DataError) as error:
        stream(damaged, 1, batch_size=1, image_size=32, cache=cache, cache_dir=tmp_path / "cache")
    assert str(error.value) == damage(damaged)
    assert list(tmp_path.glob("cache/*")) == []


def test_loading_pairs_names_every_damaged_file(damaged):
    with pytest.raises(DataError) as error:
        pairs.load_pairs(damaged, [0, 1], 32)
    assert str(error.value) == damage(damaged)


def test_without_a_cache_the_error_of_the_stream_can_be_made_to_name_the_files(damaged):
    with pytest.raises(DataError) as error, pixel_stream.naming_damage(damaged):
        stream(damaged, 4, batch_size=1, image_size=32)
    assert str(error.value) == damage(damaged)


def test_the_damage_report_knows_both_domains_and_names_ten(tmp_path):
    for index in range(6):
        for domain in "AB":
            path = save(tmp_path / f"train{domain}" / f"{index}.png", noise(32, 32))
            path.write_bytes(path.read_bytes()[:-1000])
    files = pairs.find_pairs(tmp_path)
    named = ", ".join([*files.paths_a, *files.paths_b[:4]])
    told = f"expected images that decode. Received 12 damaged: {named}"
    assert str(files.damage_report()) == told


def test_the_damage_report_of_sound_files_is_none(numbered):
    assert numbered.damage_report() is None


# Decoding: the pixels are Pillow's.


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    "options", [{"format": "PNG"}, *({"format": "JPEG", "subsampling": s} for s in (0, 1, 2))]
)
def test_files_decode_as_pillow_decodes_them(tmp_path, mode, options):
    path = tmp_path / "train" / "1.jpg"
    path.parent.mkdir()
    Image.fromarray(noise(40, 80)).convert(mode).save(path, **options)
    pair = pairs.find_pairs(tmp_path).decode(0, 40).numpy()
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(np.hstack(np.split(pair, 2, axis=-1)), expected)


def test_separate_files_become_a_and_b(tmp_path):
    image_a, image_b = noise(8, 8, seed=1), noise(8, 8, seed=2)
    save(tmp_path / "trainA" / "1.png", image_a)
    save(tmp_path / "trainB" / "1.png", image_b)
    pair = pairs.find_pairs(tmp_path).decode(0, 8).numpy()
    assert np.array_equal(pair, np.concatenate([image_a, image_b], axis=-1))


@pytest.mark.parametrize("size", [7, 24, 48, 60, 101])
def test_resizing_is_pillows_bicubic(size):
    # Black and white: where a filter overshoots most, and what sketches are made of.
    image = noise(60, 48) // 128 * 255
    expected = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    difference = np.abs(pixel_stream.resize(image, size).numpy() - np.asarray(expected, int))
    assert difference.max() <= 1
    assert difference.mean() < 0.05


def test_grey_is_the_luma_of_itu_r_601(numbered):
    ((images_a, images_b), _) = stream(numbered, 1)[0]
    ((grey_a, grey_b), _) = stream(numbered, 1, channels=(1, 1))[0]
    for colour, grey in ((images_a, grey_a), (images_b, grey_b)):
        luma = colour.astype(np.float64) @ [0.299, 0.587, 0.114]
        np.testing.assert_allclose(grey, luma[..., np.newaxis], rtol=0, atol=1e-6)


def test_grey_of_white_is_white():
    white = np.full((1, 1, 3), 255, np.uint8)
    assert abs(pixel_stream.normalize(white, 1).numpy().item() - 1.0) < 1e-6


def test_chosen_pairs_come_as_they_are_in_the_order_asked_for(numbered):
    images_a, images_b = pairs.load_pairs(numbered, [5, 2], LOAD, photo_channels=1)
    assert (images_a.dtype, images_b.dtype) == (np.float32, np.float32)
    assert (images_a.shape, images_b.shape) == ((2, LOAD, LOAD, 3), (2, LOAD, LOAD, 1))
    y, x = np.mgrid[:LOAD, :LOAD]
    for image, index in zip(pixels(images_a), (5, 2), strict=True):
        assert np.array_equal(image, np.stack([y, x, np.full_like(y, index)], axis=-1))


def test_a_real_pair_has_the_edges_left_and_the_photo_right():
    folder = os.environ.get("GANS_SAMPLE_DATA", "")
    if not Path(folder, "edges2handbags").is_dir():
        pytest.skip("needs the sample data")
    files = pairs.find_pairs(Path(folder, "edges2handbags"))
    assert (len(files), files.size) == (500, (256, 256))
    images_a, images_b = pairs.load_pairs(files, [0], 256, image_channels=1)
    with Image.open(files.paths_a[0]) as image:
        expected = np.asarray(image.convert("RGB"), np.float32)
    assert np.array_equal(pixels(images_b[0]), expected[:, 256:])
    luma = expected[:, :256] @ np.float32([0.299, 0.587, 0.114])
    np.testing.assert_allclose(images_a[0, ..., 0], luma / 127.5 - 1, rtol=0, atol=1e-5)


# The stream: form.


def test_a_step_is_two_draws_of_a_and_b_as_float_images_in_minus_one_to_one(numbered):
    dataset = batches(numbered, batch_size=3, image_size=CROP, load_size=LOAD, channels=(1, 3))
    image_a = tf.TensorSpec((3, CROP, CROP, 1), tf.float32)
    image_b = tf.TensorSpec((3, CROP, CROP, 3), tf.float32)
    assert dataset.element_spec == ((image_a, image_b), (image_a, image_b))
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY


def test_the_range_is_reached_on_both_sides_and_not_left(tmp_path):
    black_and_white = np.hstack([np.full((8, 8, 3), level, np.uint8) for level in (0, 255)])
    for index in range(2):
        save(tmp_path / "train" / f"{index}.png", black_and_white)
    (step,) = stream(pairs.find_pairs(tmp_path), 1, batch_size=1, image_size=8)
    for images_a, images_b in step:
        assert np.all(images_a == -1.0)
        assert np.all(images_b == 1.0)


def test_without_flip_and_crop_the_pixels_are_those_of_the_files(numbered):
    images_a, images_b = in_order(stream(numbered, STEPS, flip=False))
    y, x = np.mgrid[:LOAD, :LOAD]
    assert np.array_equal(images_a[..., :2], np.tile(np.stack([y, x], -1), (COUNT, 1, 1, 1)))
    assert np.array_equal(images_b, images_a + 100)


def test_fit_takes_the_stream(numbered):
    seen = []

    class Recorder(keras.Model):
        def train_step(self, data):
            (_, _), (images_a_2, images_b_2) = data
            seen.append((images_a_2.shape, images_b_2.shape))
            return {"loss": 0.0}

    model = Recorder()
    model.compile(run_eagerly=True)
    model.fit(batches(numbered), steps_per_epoch=2, shuffle=False, verbose=0)
    assert seen == [((BATCH, LOAD, LOAD, 3),) * 2] * 2


def test_with_one_draw_a_step_is_a_plain_batch_and_the_pairs_are_the_same(numbered):
    options = {"image_size": CROP, "load_size": LOAD, "seed": 3}
    two = in_order(stream(numbered, 4, **options))
    steps = stream(numbered, 8, draws=1, **options)
    assert [len(step) for step in steps] == [2] * 8
    one = tuple(pixels(np.concatenate(images)) for images in zip(*steps, strict=True))
    assert np.array_equal(one, two)
    later = stream(numbered, 3, draws=1, start_step=5, **options)
    assert content(later) == content(steps[5:])


@pytest.mark.parametrize("cache", ["none", "disk"])
def test_the_other_direction_is_the_same_stream_with_a_and_b_exchanged(numbered, tmp_path, cache):
    folder = Path(numbered.paths_a[0]).parents[1]
    exchanged = pairs.find_pairs(folder, direction="b_to_a")
    assert (exchanged.names, exchanged.paths_a) == (numbered.names, numbered.paths_a)
    assert exchanged.fingerprint() == numbered.fingerprint()
    options = {"image_size": CROP, "load_size": LOAD, "cache": cache, "cache_dir": tmp_path}
    there, back = (
        in_order(stream(files, 4, channels=channels, **options))
        for files, channels in ((numbered, (3, 1)), (exchanged, (1, 3)))
    )
    assert np.array_equal(there[0], back[1]) and np.array_equal(there[1], back[0])


def test_separate_folders_and_held_out_pairs_are_exchanged_too(tmp_path):
    image_a, image_b = noise(8, 8, seed=1), noise(8, 8, seed=2)
    save(tmp_path / "valA" / "1.png", image_a)
    save(tmp_path / "valB" / "1.png", image_b)
    files = pairs.find_validation(tmp_path, "b_to_a")
    first, second = pairs.load_pairs(files, [0], 8)
    assert np.array_equal(pixels(first[0]), image_b)
    assert np.array_equal(pixels(second[0]), image_a)


def test_the_bytes_of_the_stream_are_those_of_every_version(numbered):
    # Runs of an earlier version go on with the batches they would have had.
    steps = stream(numbered, 8, image_size=CROP, load_size=LOAD, seed=3, start_step=5)
    assert hashlib.sha256(content(steps)).hexdigest()[:16] == "f24730b09e29a7a1"


# The stream: order.


def test_every_epoch_takes_every_pair_once_and_keeps_a_with_its_b(numbered):
    images_a, images_b = in_order(stream(numbered, 5 * STEPS))
    epochs = images_a[:, 0, 0, 2].reshape(5, COUNT)
    assert np.array_equal(np.sort(epochs, axis=1), np.tile(np.arange(COUNT), (5, 1)))
    assert np.array_equal(images_b[..., 2], images_a[..., 2] + 100)


def test_orders_differ_between_epochs_and_between_seeds_and_are_not_sorted(numbered):
    # TensorFlow's index shuffle alone repeats its order every 256 epochs and every 256 seeds.
    seeds = [0, 1, 256, 65_536, 2**40]
    starts = [0, 1, 2, 256, 512, 65_536]
    orders = [tuple(order(numbered, 1, seed=seed)[0]) for seed in seeds]
    orders += [tuple(order(numbered, 1, start_step=epoch * STEPS)[0]) for epoch in starts[1:]]
    assert len({*orders, tuple(range(COUNT))}) == len(orders) + 1


def test_every_pair_is_equally_often_at_every_place(numbered):
    epochs = order(numbered, 120, image_size=1, load_size=1, flip=False, cache="memory")
    # Resized to a pixel, the number is still in the last channel.
    counts = np.stack([np.bincount(place, minlength=COUNT) for place in epochs.T])
    chi_squared = ((counts - 10) ** 2 / 10).sum() / (COUNT - 1) ** 2
    assert 0.6 < chi_squared < 1.4  # 121 degrees of freedom: 1 with a deviation of 0.13.


@pytest.mark.parametrize("start", [1, 2, STEPS, 2 * STEPS + 1])
def test_a_later_start_is_the_same_stream_without_its_first_steps(numbered, start):
    options = {"image_size": CROP, "load_size": LOAD, "seed": 3}
    whole = stream(numbered, start + 4, **options)
    assert content(stream(numbered, 4, start_step=start, **options)) == content(whole[start:])


def test_a_start_in_the_far_future_costs_nothing_and_is_well_defined(numbered):
    far = 10**12
    late = stream(numbered, 2, start_step=far, seed=1)
    assert content(late[1:]) == content(stream(numbered, 1, start_step=far + 1, seed=1))


def test_the_number_of_parallel_calls_changes_no_byte(numbered, monkeypatch):
    options = {"image_size": CROP, "load_size": LOAD, "seed": 5}
    decode = pairs.PairFiles.decode

    def wait(index):
        time.sleep(0.01 * (index % 3))
        return index

    def unequally_slow(files, index, size):
        index = tf.ensure_shape(tf.numpy_function(wait, [index], tf.int64), ())
        return decode(files, index, size)

    # Later pairs overtake earlier ones wherever they may.
    monkeypatch.setattr(pairs.PairFiles, "decode", unequally_slow)
    one, eight, automatic = (
        content(stream(numbered, 8, parallel_calls=calls, **options)) for calls in (1, 8, None)
    )
    assert one == eight == automatic


def test_the_cache_changes_no_byte(numbered, tmp_path):
    options = {"image_size": CROP, "load_size": 36, "seed": 7}  # 40 to 36: resized.
    kinds = ("none", "memory", "disk", "disk", "auto")
    contents = {content(stream(numbered, 4, cache=k, cache_dir=tmp_path, **options)) for k in kinds}
    assert len(contents) == 1


# The stream: crops and flips.


@pytest.fixture(scope="module")
def augmented(numbered) -> tuple[np.ndarray, np.ndarray]:
    """480 augmented pairs: all A and all B, as grey levels."""
    return in_order(stream(numbered, 120, image_size=CROP, load_size=LOAD, cache="memory"))


def places(images_a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Top, left and whether it is mirrored, of each crop."""
    return (
        images_a[:, 0, 0, 0],
        images_a[..., 1].min(axis=(1, 2)),
        images_a[:, 0, 0, 1] > (images_a[:, 0, -1, 1]),
    )


def test_a_and_b_are_one_crop_of_their_pair_mirrored_alike(augmented):
    images_a, images_b = augmented
    assert np.array_equal(images_b, images_a + 100)
    steps = np.arange(CROP)
    for image, top, left, mirrored in zip(images_a, *places(images_a), strict=True):
        columns = left + (steps[::-1] if mirrored else steps)
        assert np.array_equal(image[..., 0], np.tile(top + steps[:, None], CROP))
        assert np.array_equal(image[..., 1], np.tile(columns, (CROP, 1)))


def test_crops_begin_at_every_place_equally_often(augmented):
    top, left, _ = places(augmented[0])
    expected = len(top) / (LOAD - CROP + 1)
    for corner in (top, left):
        counts = np.bincount(corner, minlength=LOAD - CROP + 1)
        assert len(counts) == LOAD - CROP + 1
        assert ((counts - expected) ** 2 / expected).sum() < 26.1  # 1 in 1000 with 8 degrees.


def test_top_left_and_flip_know_nothing_of_each_other(augmented):
    correlations = np.corrcoef(np.stack(places(augmented[0])))
    assert np.abs(correlations - np.eye(3)).max() < 4 / np.sqrt(len(augmented[0]))


def test_half_of_the_pairs_are_mirrored(augmented):
    mirrored = places(augmented[0])[2]
    assert abs(mirrored.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(mirrored))


def test_the_two_draws_of_a_step_have_other_pairs_other_crops_and_other_flips(augmented):
    images_a, _ = augmented
    first, second = np.moveaxis(images_a.reshape(-1, 2, BATCH, *images_a.shape[1:]), 1, 0)
    first, second = (draw.reshape(-1, *draw.shape[2:]) for draw in (first, second))
    assert np.all(first[:, 0, 0, 2] != second[:, 0, 0, 2])
    for one, other in zip(places(first), places(second), strict=True):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(one))


def test_a_pair_is_cropped_and_mirrored_otherwise_in_every_epoch(augmented):
    images_a, _ = augmented
    of_pair_0 = images_a[images_a[:, 0, 0, 2] == 0]
    assert len({tuple(place) for place in zip(*places(of_pair_0), strict=True)}) > 20  # Of 40.


def test_another_seed_crops_and_mirrors_otherwise(numbered, augmented):
    options = {"image_size": CROP, "load_size": LOAD, "seed": 1, "cache": "memory"}
    other, _ = in_order(stream(numbered, 20, **options))
    same = np.all(np.stack(places(other)) == np.stack(places(augmented[0]))[:, :80], axis=0)
    assert same.mean() < 0.1  # By chance 1 in 162.


# The cache on disk.


def disk_cache(files: pairs.PairFiles, folder: Path, size: int = LOAD) -> np.ndarray:
    return pixel_stream.cached(files, size, "disk", folder)


def test_the_disk_cache_holds_all_pairs_in_one_file_and_is_mapped(numbered, tmp_path):
    cached = disk_cache(numbered, tmp_path / "new" / "cache")
    (path,) = (tmp_path / "new" / "cache").iterdir()
    assert isinstance(cached, np.memmap) and not cached.flags.writeable
    expected = np.stack([numbered.decode(index, LOAD) for index in range(COUNT)])
    assert np.array_equal(cached, expected)
    assert path.stat().st_size == 128 + COUNT * 6 * LOAD**2


def test_the_disk_cache_is_made_once(numbered, tmp_path, monkeypatch):
    disk_cache(numbered, tmp_path)
    (path,) = tmp_path.iterdir()
    before = path.stat().st_mtime_ns, path.stat().st_ino
    monkeypatch.setattr(pairs.PairFiles, "decoded", None)  # Nothing is decoded again.
    disk_cache(numbered, tmp_path)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_another_size_or_another_image_has_another_disk_cache(tmp_path):
    # Uncompressed, so that another picture has as many bytes.
    path = save(tmp_path / "train" / "1.png", noise(8, 16), compress_level=0)
    files, cache = pairs.find_pairs(tmp_path), tmp_path / "cache"
    disk_cache(files, cache, 8)
    disk_cache(files, cache, 4)
    size = path.stat().st_size
    save(path, 255 - noise(8, 16), compress_level=0)
    assert path.stat().st_size == size
    cached = disk_cache(files, cache, 8)
    assert np.array_equal(np.hstack(np.split(cached[0], 2, axis=-1)), 255 - noise(8, 16))
    assert len(list(cache.iterdir())) == 3


def test_a_disk_cache_that_cannot_be_written_whole_leaves_nothing(numbered, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (COUNT * 3 * LOAD**2, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            disk_cache(numbered, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_memory_is_taken_only_where_the_pairs_fit_into_a_quarter_of_it(numbered, monkeypatch):
    needed = COUNT * 6 * LOAD**2
    monkeypatch.setattr(pixel_stream, "available_memory", lambda: 4 * needed)
    assert pixel_stream.cached(numbered, LOAD, "auto", None).nbytes == needed
    monkeypatch.setattr(pixel_stream, "available_memory", lambda: 4 * needed - 4)
    assert pixel_stream.cached(numbered, LOAD, "auto", None) is None
