"""What a finished run is measured against; pairs and two domains are in tests/scripts."""

import numpy as np
import pytest
from gans.data.held_out import classifier_images, load_singles

from data_prep import toy_fashion
from gans.data import held_out
from gans.data.images import DataError

CONSTRUCTOR = {"image_size": 32, "image_channels": 1, "seed": 0}


@pytest.fixture
def stored(tmp_path):
    """Writes a `.npz` of images whose grey is their number; returns the settings of a run on it."""

    def write(train, test=0, size=32, channels=1):
        arrays = {}
        for split, first, count in (("train", 0, train), ("test", 100, test)):
            if count:
                numbers = np.arange(first, first + count, dtype=np.uint8)
                shape = (count, size, size, channels)
                arrays[f"x_{split}"] = np.broadcast_to(numbers[:, None, None, None], shape)
                arrays[f"y_{split}"] = np.arange(count) % 2
        np.savez(tmp_path / "digits.npz", **arrays, classes=np.array(["even", "odd"]))
        return {"data_dir": str(tmp_path / "digits.npz"), "constructor": CONSTRUCTOR}

    return write


def greys(images):
    """The numbers of images in [-1, 1]."""
    flat = (np.asarray(images) + 1) * 127.5
    assert np.ptp(flat, axis=(1, 2, 3)).max(initial=0) < 1e-3
    return np.rint(flat[:, 0, 0, 0]).astype(int).tolist()


def test_images_at_even_distances_and_all_labels(stored):
    real, others, labels = load_singles(stored(40, 20), 5, labelled=True)
    assert greys(real) == [100, 104, 108, 112, 116]
    assert greys(others) == [0, 8, 16, 24, 32]
    np.testing.assert_array_equal(labels, np.eye(2)[np.arange(20) % 2])
    assert load_singles(stored(40, 20), 5, labelled=False)[2] is None


def test_all_are_taken_where_there_are_fewer(stored):
    real, others, _ = load_singles(stored(6, 4), 50, labelled=False)
    assert greys(real) == [100, 101, 102, 103]
    assert greys(others) == [0, 1, 3, 4]


def test_nothing_to_compare_with_where_there_are_fewer_or_none_held_out(stored):
    real, others, _ = load_singles(stored(3, 5), 50, labelled=False)
    assert len(real) == 5 and others.shape == (0, 32, 32, 1)
    real, others, _ = load_singles(stored(8), 4, labelled=False)
    assert greys(real) == [0, 2, 4, 6] and not len(others)


def test_what_a_classifier_learns_from(stored):
    (images, labels), (held, of_held), names = classifier_images(stored(8, 4), 32, 1)
    assert images.dtype == np.uint8 and images.shape == (8, 32, 32, 1)
    assert images[:, 0, 0, 0].tolist() == list(range(8))
    assert held[:, 5, 5, 0].tolist() == [100, 101, 102, 103]
    np.testing.assert_array_equal(labels, np.eye(2)[np.arange(8) % 2])
    np.testing.assert_array_equal(of_held, np.eye(2)[np.arange(4) % 2])
    assert names == ("even", "odd")


def test_every_tenth_is_held_out_where_nothing_is(stored):
    (images, labels), (held, of_held), _ = classifier_images(stored(25), 32, 1)
    assert held[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert images[:, 0, 0, 0].tolist() == [n for n in range(25) if n % 10]
    assert labels[:3].tolist() == [[0, 1], [1, 0], [0, 1]] and of_held[0].tolist() == [1, 0]
    with pytest.raises(DataError, match="expected at least 2 images with labels. Received: 1"):
        classifier_images(stored(1), 32, 1)


def test_of_very_many_images_some_at_even_distances(stored, monkeypatch):
    monkeypatch.setattr(held_out, "MOST_NUMBERS", 10 * 32 * 32)
    (images, labels), _, _ = classifier_images(stored(25, 4), 32, 1)
    # As few as leave at most 10.
    assert images[:, 0, 0, 0].tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 24]
    np.testing.assert_array_equal(labels, np.eye(2)[np.arange(0, 25, 3) % 2])


def test_colour_becomes_grey_and_grey_never_colour(stored):
    settings = stored(4, 4, channels=3)
    assert classifier_images(settings, 32, 1)[0][0][:, 0, 0].tolist() == [[0], [1], [2], [3]]
    assert classifier_images(settings, 32, 3)[0][0].shape == (4, 32, 32, 3)
    with pytest.raises(DataError, match="expected images of 3 channels"):
        classifier_images(stored(4, 4), 32, 3)


def test_the_labels_of_toy_fashion(tmp_path):
    folder = tmp_path / "bags"
    toy_fashion.generate(folder, size=32, train=12, val=4, workers=1, domain="bags", progress=False)
    settings = {"data_dir": str(folder), "labels": ["kind"], "constructor": CONSTRUCTOR}
    (images, labels), (held, of_held), names = classifier_images(settings, 32, 3)
    kinds = [toy_fashion.sample_factors("bags", 0, index).kind for index in range(12)]
    assert [names[column] for column in labels.argmax(axis=1)] == kinds
    kinds = [toy_fashion.sample_factors("bags", 0, index, "val").kind for index in range(4)]
    assert [names[column] for column in of_held.argmax(axis=1)] == kinds
    assert images.shape == (12, 32, 32, 3) and held.shape == (4, 32, 32, 3)
