"""Sets of pictures: the right ones, in 8 bits, the same at each reading."""

import numpy as np
import pytest
from gans.data.held_out import HeldOut
from PIL import Image

from gans.data.images import DataError
from gans.evaluation import pictures


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
    found = pictures.of_folder(folder)
    assert found.count == 4
    a, grey, transparent, array = all_of(found)
    np.testing.assert_array_equal(a, arrays["a.png"])
    np.testing.assert_array_equal(grey[..., 0], arrays["b/c.png"])
    np.testing.assert_array_equal(transparent, arrays["d.png"][..., :3])
    np.testing.assert_array_equal(array, arrays["a.png"])
    np.testing.assert_array_equal(pictures.of_folder(folder, 2).take([1, 0])[1], a)


def test_folders_that_are_none_or_hold_too_little_are_refused(tmp_path, mixed):
    with pytest.raises(DataError, match="Received: no such folder$"):
        pictures.of_folder(tmp_path / "none")
    with pytest.raises(DataError, match="Received: the file .*d.png$"):
        pictures.of_folder(mixed[0] / "d.png")
    with pytest.raises(DataError, match="^expected 2 images or more in .* Received: 1$"):
        pictures.of_folder(mixed[0] / "b")


def test_a_damaged_image_is_named(mixed):
    path = mixed[0] / "a.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="^expected an image that decodes. Received: .*a.png"):
        all_of(pictures.of_folder(mixed[0]))


@pytest.fixture
def settings(tmp_path):
    """A run on a folder of 6 training and 3 held-out images, all of one grey each."""
    for split, count in (("train", 6), ("val", 3)):
        for n in range(count):
            grey = 10 * n + (100 if split == "val" else 0)
            save(tmp_path / "data" / split / f"{n}.png", np.full((8, 8, 3), grey, np.uint8))
    return {
        "data_dir": str(tmp_path / "data"),
        "constructor": {"image_size": 8, "image_channels": 3, "seed": 0},
    }


def test_real_singles_are_of_the_split_at_even_distances(settings):
    def greys(found):
        return [int(image[0, 0, 0]) for image in all_of(found)]

    assert greys(pictures.real_singles(settings, "train")) == [0, 10, 20, 30, 40, 50]
    assert greys(pictures.real_singles(settings, "val")) == [100, 110, 120]
    some = pictures.real_singles(settings, "train", 3)
    assert (greys(some), some.count, some.split) == ([0, 20, 40], 3, "train")
    settings["constructor"]["image_channels"] = 1
    (first, *_) = all_of(pictures.real_singles(settings, "val"))
    assert first.shape == (8, 8, 1)
    assert int(first[0, 0, 0]) == 100


def test_where_nothing_is_held_out_there_is_no_val(tmp_path):
    for n in range(3):
        save(tmp_path / "flat" / f"{n}.png", np.zeros((8, 8, 3), np.uint8))
    settings = {
        "data_dir": str(tmp_path / "flat"),
        "constructor": {"image_size": 8, "image_channels": 3},
    }
    with pytest.raises(DataError, match="--split=train"):
        pictures.real_singles(settings, "val")
    assert pictures.real_singles(settings, "train").count == 3


class Painter:
    """Paints every picture in the grey of z, the seed, or the direction."""

    image_size, image_channels, photo_channels, latent_dim = 32, 3, 3, 2

    def __init__(self):
        self.asked = []

    def translate(self, images, how):
        self.asked.append(how)
        if isinstance(how, str):
            return -images if how == "a_to_b" else images
        if np.ndim(how):
            return np.zeros_like(images) + how[:, :1, None, None] / 10
        return np.zeros_like(images) + (how % 100) / 100


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_domains_are_sources_and_real_pictures_of_the_other(toy_bags, direction):
    data = HeldOut({"data_dir": str(toy_bags), "data_dir_b": None})
    sources, real = pictures.real_domains(data, Painter(), direction, "val")
    halves = [
        np.asarray(Image.open(path).convert("RGB"))[:, part]
        for part in (slice(0, 32), slice(32, 64))
        for path in sorted((toy_bags / "val").glob("*.png"))
    ]
    sketches, photos = halves[:4], halves[4:]
    first, second = (sketches, photos) if direction == "a_to_b" else (photos, sketches)
    assert sorted(map(bytes, all_of(sources))) == sorted(map(bytes, first))
    assert sorted(map(bytes, all_of(real))) == sorted(map(bytes, second))


def test_pairs_are_cut_into_sources_and_real_pictures(toy_bags):
    data = HeldOut({"data_dir": str(toy_bags), "data_dir_b": None})
    sources, real = pictures.real_domains(data, Painter(), None, "train", 5)
    assert (sources.count, real.count, real.split) == (5, 5, "train")
    for sketch, photo in zip(all_of(sources), all_of(real), strict=True):
        whole = np.concatenate([sketch, photo], axis=1)
        files = [
            np.asarray(Image.open(p).convert("RGB")) for p in (toy_bags / "train").glob("*.png")
        ]
        assert any(np.array_equal(whole, pixels) for pixels in files)


def sources_of(count):
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    parts = [images[start : start + 4] for start in range(0, count, 4)]
    return pictures.Pictures(count, lambda: iter(parts))


def test_every_round_over_the_sources_has_noise_of_its_own():
    painter = Painter()
    found = pictures.translated(painter, "z", "a_to_b", sources_of(6), 15, seed=1)
    first, again = all_of(found), all_of(found)
    assert len(first) == found.count == 15
    np.testing.assert_array_equal(first, again)
    drawn = np.concatenate(painter.asked[: len(painter.asked) // 2])
    assert drawn.shape == (15, 2)
    assert len(np.unique(drawn)) == 30
    other = all_of(pictures.translated(painter, "z", "a_to_b", sources_of(6), 15, seed=2))
    assert not np.array_equal(first, other)


def test_a_seed_or_a_direction_goes_to_those_that_take_it():
    painter = Painter()
    all_of(pictures.translated(painter, "seed", "a_to_b", sources_of(6), 12, seed=1))
    assert len(set(painter.asked)) == 4
    painter = Painter()
    made = all_of(pictures.translated(painter, "direction", "a_to_b", sources_of(6), 6, seed=1))
    # What is painted is the source's opposite.
    assert [int(image[0, 0, 0]) for image in made] == [255, 254, 253, 252, 251, 250]
    assert set(painter.asked) == {"a_to_b"}


def test_generated_pictures_come_in_parts_to_the_last():
    asked = []

    def make(part):
        asked.append((part.start, part.stop))
        return np.zeros((part.stop - part.start, 2, 2, 1), np.uint8)

    found = pictures.generated(make, 250)
    assert len(all_of(found)) == 250
    assert asked == [(0, 100), (100, 200), (200, 250)]
