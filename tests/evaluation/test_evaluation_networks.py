"""What classifiers and segmenters learn from, and where they are kept."""

import numpy as np
import pytest

from data_prep import toy_fashion
from gans.data.data_settings import DataSettings
from gans.data.images import DataError
from gans.evaluation import networks
from gans.evaluation.networks import LabelledImages, Networks
from gans.evaluation.options import Options


@pytest.fixture
def stored(tmp_path):
    """Writes a `.npz` of images whose grey is their number; returns settings of it."""

    def write(train, test=0, size=32, channels=1):
        arrays = {}
        for split, first, count in (("train", 0, train), ("test", 100, test)):
            if count:
                numbers = np.arange(first, first + count, dtype=np.uint8)
                shape = (count, size, size, channels)
                arrays[f"x_{split}"] = np.broadcast_to(numbers[:, None, None, None], shape)
                arrays[f"y_{split}"] = np.arange(count) % 2
        np.savez(tmp_path / "digits.npz", **arrays, classes=np.array(["even", "odd"]))
        return DataSettings(kind="images", data_dir=str(tmp_path / "digits.npz"))

    return write


def test_what_a_classifier_learns_from(stored):
    (images, labels), (held, of_held), names = LabelledImages(stored(8, 4), 32, 1).load()
    assert images.dtype == np.uint8 and images.shape == (8, 32, 32, 1)
    assert images[:, 0, 0, 0].tolist() == list(range(8))
    assert held[:, 5, 5, 0].tolist() == [100, 101, 102, 103]
    np.testing.assert_array_equal(labels, np.eye(2)[np.arange(8) % 2])
    np.testing.assert_array_equal(of_held, np.eye(2)[np.arange(4) % 2])
    assert names == ("even", "odd")


def test_every_tenth_is_held_out_where_nothing_is(stored):
    (images, labels), (held, of_held), _ = LabelledImages(stored(25), 32, 1).load()
    assert held[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert images[:, 0, 0, 0].tolist() == [n for n in range(25) if n % 10]
    assert labels[:3].tolist() == [[0, 1], [1, 0], [0, 1]] and of_held[0].tolist() == [1, 0]
    with pytest.raises(DataError, match="expected at least 2 images with labels. Received: 1"):
        LabelledImages(stored(1), 32, 1).load()


def test_of_very_many_images_some_at_even_distances(stored, monkeypatch):
    monkeypatch.setattr(networks, "MOST_NUMBERS", 10 * 32 * 32)
    (images, labels), _, _ = LabelledImages(stored(25, 4), 32, 1).load()
    # As few as leave at most 10.
    assert images[:, 0, 0, 0].tolist() == [0, 3, 6, 9, 12, 15, 18, 21, 24]
    np.testing.assert_array_equal(labels, np.eye(2)[np.arange(0, 25, 3) % 2])


def test_colour_becomes_grey_and_grey_never_colour(stored):
    settings = stored(4, 4, channels=3)
    assert LabelledImages(settings, 32, 1).load()[0][0][:, 0, 0].tolist() == [[0], [1], [2], [3]]
    assert LabelledImages(settings, 32, 3).load()[0][0].shape == (4, 32, 32, 3)
    with pytest.raises(DataError, match="expected images of 3 channels"):
        LabelledImages(stored(4, 4), 32, 3).load()


def test_the_labels_of_toy_fashion(tmp_path):
    folder = tmp_path / "bags"
    toy_fashion.generate(folder, size=32, train=12, val=4, workers=1, domain="bags", progress=False)
    settings = DataSettings(kind="pairs", data_dir=str(folder), labels=("kind",))
    (images, labels), (held, of_held), names = LabelledImages(settings, 32, 3).load()
    kinds = [toy_fashion.sample_factors("bags", 0, index).kind for index in range(12)]
    assert [names[column] for column in labels.argmax(axis=1)] == kinds
    kinds = [toy_fashion.sample_factors("bags", 0, index, "val").kind for index in range(4)]
    assert [names[column] for column in of_held.argmax(axis=1)] == kinds
    assert images.shape == (12, 32, 32, 3) and held.shape == (4, 32, 32, 3)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"dataset": "mnist"}, "mnist"),
        ({"dataset": "cycle_gan/horse2zebra:3.0.0"}, "cycle_gan/horse2zebra"),
        ({"dataset": "toy_fashion", "data_dir": "/x/toy_fashion_64"}, "toy_fashion"),
        ({"dataset": "toy_fashion", "data_dir": "/x/toy_fashion_shoes_64"}, "toy_fashion_shoes"),
        ({"data_dir": "/x/photos"}, "photos"),
        ({"data_dir": "/x/digits.npz"}, "digits"),
    ],
)
def test_images_are_named_by_their_data(data, name):
    images = LabelledImages(DataSettings(kind="images", **data), 64, 3)
    assert images.name == name
    toy = ("kind", "hue", "pattern") if name.startswith("toy") else None
    assert images.of_toy.data.labels == toy


def test_a_classifier_is_kept_next_to_the_run_by_its_data_and_labels(tmp_path):
    found = Networks(Options(run_dir=str(tmp_path / "run")))
    data = DataSettings(kind="images", dataset="a/b", labels=("hue", "kind"))
    folder = found.classifier_folder(LabelledImages(data, 64, 3))
    assert folder == tmp_path / "classifier_a_b_hue_kind"


def test_extractors_are_named_before_tensorflow_is_there():
    def names(extractor, *data):
        images = [LabelledImages(DataSettings(kind="images", **one), 64, 3) for one in data]
        return Networks(Options(extractor=extractor)).extractor_names(images)

    toy = [{"data_dir": "toy_fashion_64"}, {"data_dir": "toy_fashion_shoes_64"}]
    assert names("own", *toy) == ["toy", "toy_shoes"]
    assert names("inception", *toy) == ["inception"]
