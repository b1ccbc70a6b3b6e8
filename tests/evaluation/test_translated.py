"""Diversity by a learned distance, and labels of painted parts: the right pictures to the right
measures.
"""

import numpy as np
import pytest
from gans.data.held_out import HeldOut

from data_prep import toy_labels
from gans.evaluation import of_paintings, pictures
from gans.features import segmentation

MAPS = of_paintings.LabelMaps(toy_labels.CLASSES, toy_labels.read_labels)


class Brightness:
    """Squared difference of the mean brightness in 8 bits."""

    name = "brightness"

    def __call__(self, a, b):
        assert a.dtype == b.dtype == np.uint8
        a, b = (images.mean(axis=(1, 2, 3), dtype=np.float64) for images in (a, b))
        return (a - b) ** 2

    def facts(self):
        return {"distance": self.name, "of": "grey"}


def flat(values):
    values = np.asarray(values, np.float32)
    return (values / 127.5 - 1)[..., None, None, None] * np.ones((2, 2, 3), np.float32)


def test_diversity_is_that_of_consecutive_samples_beside_random_photos():
    # By sketch 1, 4 and 9, 0: the mean is 3.5. Photos 0, 2, 4 in a circle: 4, 4, 16.
    painted, photos = flat([[10, 11, 13], [20, 23, 23]]), flat([0, 2, 4])
    own, part = of_paintings.perceptual(painted, photos, Brightness(), 0, {"step": 7})
    assert own == {
        "metric": "diversity_brightness",
        "value": pytest.approx(3.5),
        "reference": pytest.approx(8),
        "reference_is": "random photos",
        "pairs": 4,
        "distance": "brightness",
        "of": "grey",
        "step": 7,
    }
    assert (part["metric"], part["reference"]) == ("ratio_brightness", 1.0)
    assert part["value"] == pytest.approx(3.5 / 8)


@pytest.fixture(scope="module")
def photos(toy_bags):
    """Makes real photos of a split."""

    class Gan:
        image_size, image_channels, photo_channels = 32, 3, 3

    data = HeldOut({"data_dir": str(toy_bags), "data_dir_b": None})
    return lambda split: pictures.real_domains(data, Gan(), None, split)[1]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "segmenter"


@pytest.fixture(scope="module")
def segmenter(photos, toy_bags, kept):
    with pytest.warns(DeprecationWarning, match="__array__ implementation"):
        return of_paintings.find_segmenter(kept, MAPS, str(toy_bags), "toy_fashion", photos, 32)


def test_a_segmenter_learns_from_the_photos_with_their_maps(
    segmenter, photos, toy_bags, kept, capsys
):
    facts = segmenter.facts
    assert (facts.classes, facts.image_size, facts.images) == (toy_labels.CLASSES, 32, 12)
    images = np.concatenate(list(photos("val").batches()))
    truth = toy_labels.read_labels(toy_bags, "val", 32, list(photos("val").names))
    scores = segmenter.scores(images, truth)
    assert scores["pixel_accuracy"] == pytest.approx(facts.pixel_accuracy)
    # Maps in another order would be those of other photos.
    assert scores["pixel_accuracy"] > segmenter.scores(images, truth[::-1])["pixel_accuracy"]

    again = of_paintings.find_segmenter(kept, MAPS, str(toy_bags), "toy_fashion", photos, 32)
    assert capsys.readouterr().err == f"segmenter: {kept}\n"
    np.testing.assert_array_equal(again.predict(images), segmenter.predict(images))
    with pytest.raises(segmentation.SegmentationError, match="other settings: image_size 32 -> 64"):
        of_paintings.find_segmenter(kept, MAPS, str(toy_bags), "toy_fashion", photos, 64)


def test_real_photos_get_what_the_reference_says(segmenter, photos, toy_bags):
    real = photos("val")
    truth = toy_labels.read_labels(toy_bags, "val", 32, list(real.names))
    lines = of_paintings.label_scores(segmenter, real, truth, {"step": 7})
    assert [line["metric"] for line in lines] == [
        "seg_pixel_accuracy",
        "seg_class_accuracy",
        "seg_class_iou",
    ]
    for line in lines:
        assert line["value"] == pytest.approx(line["reference"])
        assert (line["n_fake"], line["segmenter"], line["step"]) == (4, "toy_fashion", 7)
