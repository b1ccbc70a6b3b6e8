"""Two domains without correspondence: which folders are accepted, and two independent orders."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.data import unpaired
from gans.data.data_settings import Preparation
from gans.data.files import ImageFiles
from gans.data.images import DataError
from gans.data.stream import naming_damage

LOAD, CROP, BATCH = 12, 8, 2
LENGTHS = 6, 10


def save(path: Path, pixels: np.ndarray | None = None, size=(16, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.new("RGB", size) if pixels is None else Image.fromarray(pixels)).save(path)
    return path


def numbered_image(number: int, side: int = LOAD) -> np.ndarray:
    """Pixels are (y, x, number)."""
    y, x = np.mgrid[:side, :side]
    return np.stack([y, x, np.full_like(y, number)], axis=-1).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """6 images in A and 10, from number 100 on, in B."""
    root = tmp_path_factory.mktemp("unpaired")
    for domain, length, first in zip("AB", LENGTHS, (0, 100), strict=True):
        for index in range(length):
            save(root / f"train{domain}" / f"{domain}{index}.png", numbered_image(first + index))
    return root


@pytest.fixture(scope="module")
def combined(tmp_path_factory) -> Path:
    """10 pairs: the same number in both halves, 100 more in B."""
    root = tmp_path_factory.mktemp("combined")
    for index in range(10):
        pair = np.hstack([numbered_image(index), numbered_image(100 + index)])
        save(root / "train" / f"{index}.png", pair)
    return root


def batches(domains, start_step=0, **options) -> tf.data.Dataset:
    options = {"batch_size": BATCH, "image_size": LOAD, "cache": "none", "flip": True, **options}
    preparation = Preparation(**{"channels": (3, 3), **options})
    return unpaired.unpaired_batches(*domains, preparation, start_step=start_step)


def stream(domains, steps: int, **options) -> list:
    return list(batches(domains, **options).take(steps).as_numpy_iterator())


def content(steps: list) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in tf.nest.flatten(steps))


def pixels(images: np.ndarray) -> np.ndarray:
    return np.rint((images + 1.0) * 127.5).astype(int)


def in_order(steps: list) -> tuple[np.ndarray, np.ndarray]:
    """All A and all B as grey levels, `(n, height, width, channels)`."""
    return tuple(pixels(np.concatenate(images)) for images in zip(*steps, strict=True))


def numbers(steps: list) -> tuple[np.ndarray, np.ndarray]:
    return tuple(images[:, 0, 0, 2] for images in in_order(steps))


def refusal(*arguments, **options) -> str:
    with pytest.raises(DataError) as error:
        unpaired.find_domains(*arguments, **options)
    return str(error.value)


# Finding.


def test_two_folders_may_differ_in_number_names_and_sizes(tmp_path):
    for name, size in (("A/b/2.png", (16, 8)), ("A/1.jpg", (5, 7)), ("B/x.png", (300, 200))):
        save(tmp_path / f"train{name}", size=size)
    files_a, files_b = unpaired.find_domains(str(tmp_path))
    paths_a = tuple(str(tmp_path / "trainA" / name) for name in ("1.jpg", "b/2.png"))
    assert files_a == ImageFiles(("1.jpg", "b/2.png"), paths_a)
    assert files_b.names == ("x.png",)
    (images_a, images_b) = unpaired.load_unpaired(files_a, files_b, 9, 8)
    assert images_a.shape == images_b.shape == (1, 8, 8, 3)


def test_combined_images_are_a_in_their_left_halves_and_b_in_their_right(tmp_path):
    left, right = numbered_image(1), numbered_image(2)
    save(tmp_path / "train" / "1.png", np.hstack([left, right]))
    save(tmp_path / "train" / "2.png", np.hstack([numbered_image(3, 20), numbered_image(4, 20)]))
    for direction, expected in (("a_to_b", (left, right)), ("b_to_a", (right, left))):
        domains = unpaired.find_domains(tmp_path, direction=direction)
        assert [len(files) for files in domains] == [2, 2]
        for files, image in zip(domains, expected, strict=True):
            assert np.array_equal(files.decode(0, LOAD), image)
            assert files.decode(1, LOAD).shape == (LOAD, LOAD, 3)


@pytest.mark.parametrize("layout_a", ["combined", "single", "trainB"])
@pytest.mark.parametrize("layout_b", ["combined", "single", "trainB"])
def test_of_two_folders_the_photos_are_taken(tmp_path, layout_a, layout_b):
    for name, layout, number in (("bags", layout_a, 10), ("shoes", layout_b, 20)):
        sketch, photo = numbered_image(number), numbered_image(number + 1)
        if layout == "combined":
            save(tmp_path / name / "train" / "1.png", np.hstack([sketch, photo]))
        elif layout == "single":
            save(tmp_path / name / "train" / "1.png", photo)
        else:
            save(tmp_path / name / "trainA" / "1.png", sketch)
            save(tmp_path / name / "trainB" / "1.png", photo)
    folders = tmp_path / "bags", tmp_path / "shoes"
    found = [files.decode(0, LOAD)[0, 0, 2] for files in unpaired.find_domains(*folders)]
    assert found == [11, 21]
    found = [
        f.decode(0, LOAD)[0, 0, 2] for f in unpaired.find_domains(*folders, direction="b_to_a")
    ]
    assert found == [21, 11]


def test_disjoint_halves_share_no_pair(combined):
    files_a, files_b = unpaired.find_domains(combined, disjoint=True)
    assert files_a.names == tuple(f"{index}.png" for index in range(5))
    assert files_b.names == tuple(f"{index}.png" for index in range(5, 10))
    assert (files_a.part, files_b.part) == ("left", "right")
    exchanged = unpaired.find_domains(combined, disjoint=True, direction="b_to_a")
    assert exchanged == (files_b, files_a)
    assert len(files_b.paths) == 5 and files_b.decode(0, LOAD)[0, 0, 2] == 105


def test_disjoint_halves_of_two_folders_are_for_pairs_alone(tmp_path, folder):
    for domain, ending in (("A", "png"), ("B", "jpg")):
        for index in range(3):
            save(tmp_path / f"train{domain}" / f"{index}.{ending}")
    files_a, files_b = unpaired.find_domains(tmp_path, disjoint=True)
    assert (files_a.names, files_b.names) == (("0.png",), ("1.jpg", "2.jpg"))
    assert unpaired.find_domains(folder, disjoint=True) == unpaired.find_domains(folder)


def test_one_pair_has_no_halves(tmp_path):
    save(tmp_path / "train" / "1.png")
    assert refusal(tmp_path, disjoint=True) == (
        f"expected at least 2 pairs in {tmp_path} for halves that share none. Received: 1"
    )


@pytest.mark.parametrize("layout", [("",), ("A", "B")])
def test_held_out_images_are_those_of_val_else_of_test_else_of_train(tmp_path, layout):
    for split in ("train", "test", "val"):
        for suffix in layout:
            save(tmp_path / f"{split}{suffix}" / f"{split}.png")
        files_a, files_b = unpaired.find_validation(tmp_path)
        assert files_a.names == files_b.names == (f"{split}.png",)


def test_each_of_two_folders_has_held_out_images_of_its_own(tmp_path):
    for name, split in (("bags", "train"), ("bags", "val"), ("shoes", "train"), ("shoes", "test")):
        save(tmp_path / name / split / f"{name}_{split}.png")
    for direction, expected in (
        ("a_to_b", ["bags_val.png", "shoes_test.png"]),
        ("b_to_a", ["shoes_test.png", "bags_val.png"]),
    ):
        domains = unpaired.find_validation(tmp_path / "bags", tmp_path / "shoes", direction)
        assert [files.names[0] for files in domains] == expected


def test_held_out_pairs_come_together(combined):
    images = unpaired.load_unpaired(*unpaired.find_validation(combined), 4, LOAD)
    found = [pixels(of_domain)[:, 0, 0, 2].tolist() for of_domain in images]
    assert found == [[0, 1, 2, 3], [100, 101, 102, 103]]


def test_the_fingerprint_tells_the_domains_apart(tmp_path):
    sizes = {}
    for name in ("A/1.png", "B/1.png", "B/2.png"):
        image = numbered_image(1, 4 + len(sizes))
        sizes[name] = save(tmp_path / f"train{name}", image).stat().st_size
    assert unpaired.fingerprint(*unpaired.find_domains(tmp_path)) == sizes


# Finding: what is refused, in which words.


def test_no_folder_and_an_empty_one_are_told_apart(tmp_path):
    assert refusal(tmp_path) == (
        f"expected images in {tmp_path}/train (A and B side by side) or in {tmp_path}/trainA and "
        f"{tmp_path}/trainB. Received: no such folder"
    )
    (tmp_path / "trainA").mkdir()
    assert refusal(tmp_path) == f"expected images in {tmp_path}/trainA. Received: an empty folder"
    assert refusal(tmp_path, tmp_path) == (
        f"expected images in {tmp_path}/train or in {tmp_path}/trainB. Received: no such folder"
    )
    (tmp_path / "photos").touch()
    assert refusal(tmp_path / "photos").endswith(f"Received: the file {tmp_path}/photos")


def test_single_images_are_no_two_domains(tmp_path):
    save(tmp_path / "train" / "1.png", size=(8, 8))
    assert refusal(tmp_path) == (
        f"expected combined images, twice as wide as high, in {tmp_path}/train (for others use "
        "trainA and trainB). Received: 1 single images"
    )


@pytest.mark.parametrize("folders", [1, 2])
def test_combined_images_among_others_are_refused(tmp_path, folders):
    for index, size in enumerate([(16, 8), (8, 8), (8, 8)]):
        save(tmp_path / "train" / f"{index}.png", size=size)
    assert refusal(*[tmp_path] * folders) == (
        f"expected in {tmp_path}/train combined images, twice as wide as high, or none (for others "
        f"use {tmp_path}/trainA and {tmp_path}/trainB). Received: 2 of 8x8, 1 of 16x8"
    )


@pytest.mark.parametrize("domain", ["A", "B"])
def test_files_that_are_no_images_are_refused_by_path(tmp_path, domain):
    for name in ("trainA/1.png", "trainB/1.png"):
        save(tmp_path / name)
    path = tmp_path / f"train{domain}" / "2.png"
    path.write_text("no image")
    assert refusal(tmp_path) == (
        "expected 8-bit grey or RGB images. "
        f"Received 1 of 2 that are not: {path} (no JPEG or PNG image)"
    )


def test_a_domain_smaller_than_a_batch_is_refused(folder):
    domains = unpaired.find_domains(folder)
    with pytest.raises(DataError) as error:
        stream(domains, 1, batch_size=7)
    assert "at least 7" in str(error.value) and "Received: 6;" in str(error.value)
    assert len(stream(domains, 1, batch_size=6)) == 1


def test_channels_that_a_domain_does_not_have_are_refused(folder, tmp_path):
    (tmp_path / "trainB").mkdir()
    save(tmp_path / "trainA" / "1.png", size=(8, 8))
    np.save(tmp_path / "trainB" / "1.npy", np.zeros((8, 8, 6), np.uint8))
    domains = unpaired.find_domains(tmp_path)
    ((images_a, images_b),) = stream(domains, 1, batch_size=1, channels=(3, 6))
    assert (images_a.shape[-1], images_b.shape[-1]) == (3, 6)
    with pytest.raises(DataError) as error:
        stream(domains, 1, batch_size=1, channels=(3, 3))
    assert str(error.value) == (
        "expected images of 3 channels, as --photo_channels says. Received: images of 6 channels"
    )
    with pytest.raises(DataError, match="as --image_channels says"):
        unpaired.load_unpaired(*domains, 1, 8, 6, 6)


def test_damaged_files_of_either_domain_are_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    paths = [save(tmp_path / f"train{domain}" / "1.png", noise) for domain in "AB"]
    paths[1].write_bytes(paths[1].read_bytes()[:-1000])
    domains = unpaired.find_domains(tmp_path)
    told = f"expected images that decode. Received 1 damaged: {paths[1]}"
    with pytest.raises(DataError) as error:
        unpaired.load_unpaired(*domains, 1, 32)
    assert str(error.value) == told
    with pytest.raises(DataError) as error, naming_damage(*domains):
        stream(domains, 1, batch_size=1)
    assert str(error.value) == told


# The stream.


def test_a_step_is_a_batch_of_each_domain(folder):
    options = {"batch_size": 3, "image_size": CROP, "load_size": LOAD, "channels": (3, 1)}
    dataset = batches(unpaired.find_domains(folder), **options)
    assert dataset.element_spec == (
        tf.TensorSpec((3, CROP, CROP, 3), tf.float32),
        tf.TensorSpec((3, CROP, CROP, 1), tf.float32),
    )
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY


def test_every_domain_goes_through_passes_of_its_own(folder):
    steps = stream(unpaired.find_domains(folder), 15)
    for found, length, first in zip(numbers(steps), LENGTHS, (0, 100), strict=True):
        passes = found.reshape(-1, length)
        expected = np.tile(np.arange(first, first + length), (len(passes), 1))
        assert np.array_equal(np.sort(passes, axis=1), expected)
        assert len({tuple(one) for one in passes}) == len(passes) > 2


def test_halves_of_combined_images_do_not_come_as_pairs(combined):
    found_a, found_b = numbers(stream(unpaired.find_domains(combined), 200))
    together = np.mean(found_a == found_b - 100)
    assert abs(together - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 400)
    assert abs(np.corrcoef(found_a, found_b)[0, 1]) < 4 / np.sqrt(400)


def test_no_domain_has_the_order_of_another_seeds_other_domain(combined):
    orders = [
        tuple(found[:10] % 100)
        for seed in (0, 1, 2, 256, 2**40)
        for found in numbers(stream(unpaired.find_domains(combined), 5, seed=seed))
    ]
    assert len(set(orders)) == 10


def test_crops_and_flips_of_a_and_b_know_nothing_of_each_other(combined):
    steps = stream(unpaired.find_domains(combined), 200, image_size=CROP, load_size=LOAD)
    places = []
    for images in in_order(steps):
        mirrored = images[:, 0, 0, 1] > images[:, 0, -1, 1]
        places += [images[:, 0, 0, 0], images[..., 1].min(axis=(1, 2)), mirrored]
        assert abs(mirrored.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(mirrored))
        # A crop of its image: rows and columns go on by one.
        assert np.all(np.diff(images[..., 0], axis=1) == 1)
        assert np.all(np.abs(np.diff(images[..., 1], axis=2)) == 1)
    assert set(places[0]) == set(places[4]) == set(range(LOAD - CROP + 1))
    assert np.abs(np.corrcoef(np.stack(places)) - np.eye(6)).max() < 4 / np.sqrt(400)


@pytest.mark.parametrize("start", [1, 3, 16])
def test_a_later_start_is_the_same_stream_without_its_first_steps(folder, start):
    domains = unpaired.find_domains(folder)
    options = {"image_size": CROP, "load_size": LOAD, "seed": 3}
    whole = stream(domains, start + 4, **options)
    assert content(stream(domains, 4, start_step=start, **options)) == content(whole[start:])


def test_the_cache_and_the_number_of_parallel_calls_change_no_byte(combined, tmp_path):
    domains = unpaired.find_domains(combined)
    options = {"image_size": CROP, "load_size": 10, "seed": 7, "cache_dir": tmp_path}
    contents = {
        content(stream(domains, 6, cache=cache, parallel_calls=calls, **options))
        for cache, calls in (("none", 1), ("none", 8), ("disk", 1), ("disk", None), ("auto", None))
    }
    assert len(contents) == 1
    assert len(list(tmp_path.iterdir())) == 2  # One per domain, though the files are the same.


def test_disjoint_halves_have_caches_of_their_own(combined, tmp_path):
    for disjoint in (False, True):
        domains = unpaired.find_domains(combined, disjoint=disjoint)
        stream(domains, 1, cache="disk", cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4
