"""Sets of images: the right ones, in 8 bits, the same at each reading."""

import numpy as np
import pytest
from PIL import Image

from gans.data.data_settings import DataSettings
from gans.data.images import DataError
from gans.evaluation import image_sets


def all_of(found):
    return [image for batch in found.batches() for image in batch]


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def mixed(tmp_path):
    """Images of three kinds in a folder, by name."""
    random = np.random.default_rng(0)
    arrays = {
        "a.png": random.integers(0, 256, (5, 6, 3), np.uint8),
        "b/c.png": random.integers(0, 256, (5, 6), np.uint8),
        "d.png": random.integers(0, 256, (7, 6, 4), np.uint8),
    }
    for name, pixels in arrays.items():
        save(tmp_path / "mixed" / name, pixels)
    np.save(tmp_path / "mixed" / "e.npy", arrays["a.png"])
    return tmp_path / "mixed", arrays


def test_a_folder_gives_all_its_images_by_name(mixed):
    folder, arrays = mixed
    found = image_sets.of_folder(folder)
    assert found.count == 4
    a, grey, transparent, array = all_of(found)
    np.testing.assert_array_equal(a, arrays["a.png"])
    np.testing.assert_array_equal(grey[..., 0], arrays["b/c.png"])
    np.testing.assert_array_equal(transparent, arrays["d.png"][..., :3])
    np.testing.assert_array_equal(array, arrays["a.png"])
    np.testing.assert_array_equal(image_sets.of_folder(folder, 2).take([1, 0])[1], a)


def test_folders_that_are_none_or_hold_too_little_are_refused(tmp_path, mixed):
    with pytest.raises(DataError, match="Received: no such folder$"):
        image_sets.of_folder(tmp_path / "none")
    with pytest.raises(DataError, match="Received: the file .*d.png$"):
        image_sets.of_folder(mixed[0] / "d.png")
    with pytest.raises(DataError, match="^expected 2 images or more in .* Received: 1$"):
        image_sets.of_folder(mixed[0] / "b")


def test_a_damaged_image_is_named(mixed):
    path = mixed[0] / "a.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="^expected an image that decodes. Received: .*a.png"):
        all_of(image_sets.of_folder(mixed[0]))


def greys(found):
    return [int(image[0, 0, 0]) for image in all_of(found)]


@pytest.fixture
def data(tmp_path):
    """A folder of 6 training and 3 held-out images, all of one grey each."""
    for split, count in (("train", 6), ("val", 3)):
        for n in range(count):
            grey = 10 * n + (100 if split == "val" else 0)
            save(tmp_path / "data" / split / f"{n}.png", np.full((8, 8, 3), grey, np.uint8))
    return DataSettings(kind="images", data_dir=str(tmp_path / "data"))


def test_single_images_are_of_the_split_at_even_distances_or_the_first(data):
    def images(split, channels=3, *limit, **options):
        (found,) = image_sets.real_images(data, split, 8, (channels,), *limit, **options)
        return found

    assert greys(images("train")) == [0, 10, 20, 30, 40, 50]
    assert greys(images("val")) == [100, 110, 120]
    some = images("train", 3, 3)
    assert (greys(some), some.count, some.split) == ([0, 20, 40], 3, "train")
    assert some.names == ("0.png", "2.png", "4.png")
    assert greys(images("train", 3, 3, first=True)) == [0, 10, 20]
    grey = images("val", 1)
    assert grey.array().shape == (3, 8, 8, 1) and greys(grey) == [100, 110, 120]
    assert image_sets.holds_out(data)


def test_where_nothing_is_held_out_the_held_out_images_are_all(tmp_path):
    for n in range(3):
        save(tmp_path / "flat" / f"{n}.png", np.full((8, 8, 3), n, np.uint8))
    flat = DataSettings(kind="images", data_dir=str(tmp_path / "flat"))
    assert not image_sets.holds_out(flat)
    (found,) = image_sets.real_images(flat, "val", 8, (3,))
    assert greys(found) == [0, 1, 2]


def halves(folder):
    """A and B of the pairs of a folder, uint8."""
    files = sorted(folder.glob("*.png"))
    return np.split(np.stack([np.asarray(Image.open(path).convert("RGB")) for path in files]), 2, 2)


@pytest.mark.parametrize("kind", ["pairs", "domains"])
def test_of_two_domains_the_first_images_are_by_pairs(toy_bags, kind):
    data = DataSettings(kind=kind, data_dir=str(toy_bags))
    found = image_sets.real_images(data, "val", 32, (3, 3), 3, first=True)
    for images, expected in zip(found, halves(toy_bags / "val"), strict=True):
        np.testing.assert_array_equal(images.array(), expected[:3])


@pytest.mark.parametrize("kind", ["pairs", "domains"])
def test_the_first_of_two_domains_are_as_many_as_the_smaller_has(toy_bags, kind, tmp_path):
    data = DataSettings(kind=kind, data_dir=str(toy_bags))
    sets = image_sets.real_images(data, "val", 32, (1, 3), 99, first=True)
    assert [images.array().shape for images in sets] == [(4, 32, 32, 1), (4, 32, 32, 3)]


def test_disjoint_halves_are_whole_again(toy_bags):
    data = DataSettings(kind="domains", data_dir=str(toy_bags), disjoint=True)
    assert [images.count for images in image_sets.real_images(data, "train", 32, (3, 3))] == [
        12
    ] * 2
