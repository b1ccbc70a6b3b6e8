"""What GANs that translate make: the right images to the right measures, with translators whose
numbers are known.
"""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion, toy_labels
from gans.data.data_settings import DataSettings
from gans.data.images import to_float
from gans.evaluation import table
from gans.evaluation.image_sets import ImageSet, real_images
from gans.evaluation.networks import LabelledImages, Networks, Parts
from gans.evaluation.options import Options
from gans.evaluation.translated import Translated
from gans.features import segmentation
from gans.metrics.hues import dominant_hues

PARTS = Parts(toy_labels.CLASSES, toy_labels.read_labels)


def run_of(varies_by, data_dir, data_dir_b=None, **settings):
    """What `Translated` reads of the settings of a run."""
    kind = "domains" if varies_by == "direction" else "pairs"
    second = {"data_dir_b": data_dir_b and str(data_dir_b)}
    sizes = {"image_size": 32, "image_channels": 3, "photo_channels": 3, "latent_dim": 2}
    return SimpleNamespace(
        gan_file=SimpleNamespace(can=SimpleNamespace(varies_by=varies_by)),
        data=DataSettings(kind=kind, data_dir=str(data_dir), **second),
        settings=SimpleNamespace(**sizes | settings),
    )


def outputs_of(gan, run, **options):
    """Of each direction, with all held-out images."""
    networks = Networks(Options(extractor="off", **options), PARTS)
    return Translated.load(gan, run, networks, step=7)


def values_of(gan, run, *names, **options):
    return {
        (name, outputs.direction): table.measure(table.find(name, outputs.kind), outputs)
        for outputs in outputs_of(gan, run, **options)
        for name in names
    }


def halves(folder):
    """A and B of the images of a folder, in [-1, 1]."""
    pairs = np.stack([np.asarray(Image.open(path), np.uint8) for path in sorted(folder.iterdir())])
    return np.split(to_float(pairs), 2, axis=2)


class Translator:
    """Gives what a table says, in both directions."""

    generator_ba = object()

    def __init__(self, images_a, images_b):
        self.images = images_a, images_b

    def translate(self, images, direction):
        sources, targets = self.images if direction == "a_to_b" else self.images[::-1]
        places = [np.abs(sources - image).sum(axis=(1, 2, 3)).argmin() for image in images]
        return targets[places]


def test_a_perfect_translator_keeps_the_outline_and_comes_back(toy_bags):
    gan, run = Translator(*halves(toy_bags / "val")), run_of("direction", toy_bags)
    found = values_of(gan, run, "outline_iou", "realism", "cycle_error", "sharpness")
    for direction in ("a_to_b", "b_to_a"):
        assert found["outline_iou", direction]["value"] == 1.0
        assert 0.8 < found["outline_iou", direction]["reference"] < 1
        assert found["realism", direction]["value"] == 0.0
        assert found["realism", direction]["reference"] > 0
        assert found["cycle_error", direction]["value"] == 0.0
        assert found["sharpness", direction]["value"] == 1.0
        line = found["cycle_error", direction]
        assert (line["direction"], line["step"], line["sketches"]) == (direction, 7, 4)


def test_a_translator_that_makes_one_bag_is_seen(toy_bags):
    images_a, images_b = halves(toy_bags / "val")
    gan = Translator(images_a, np.repeat(images_b[:1], 4, axis=0))
    found = values_of(gan, run_of("direction", toy_bags), "outline_iou", "realism", "cycle_error")
    assert found["outline_iou", "a_to_b"]["value"] < 0.9
    assert found["realism", "a_to_b"]["value"] > 0
    assert found["cycle_error", "a_to_b"]["value"] > 0


@pytest.fixture(scope="module")
def bags_and_shoes(tmp_path_factory):
    """12 held-out pairs of each, 16 for training."""
    root = tmp_path_factory.mktemp("two")
    for domain in ("bags", "shoes"):
        sizes = {"size": 32, "train": 16, "val": 12}
        toy_fashion.generate(root / domain, **sizes, domain=domain, workers=1, progress=False)
    return root / "bags", root / "shoes"


def test_hues_that_are_carried_are_counted_both_ways(bags_and_shoes):
    bags, shoes = bags_and_shoes
    names = ("hue_carried_same", "hue_carried", "hues_used")
    photos = halves(bags / "val")[1]
    palette = list(map(float, toy_fashion.HUES.values()))
    hues = dominant_hues(photos, palette)
    assert (hues >= 0).sum() > 4
    # Bags that stay what they are have their own hue.
    found = values_of(Translator(photos, photos), run_of("direction", bags, bags), *names)
    for direction in ("a_to_b", "b_to_a"):
        same, near = found["hue_carried_same", direction], found["hue_carried", direction]
        assert (same["value"], same["reference"]) == (1.0, 1 / 8)
        assert (near["value"], near["reference"]) == (1.0, 3 / 8)
        assert found["hues_used", direction]["value"] > 3
    # One shoe for all: one hue. Without a generator from B to A there is one direction.
    shoe = halves(shoes / "val")[1]
    coloured = int(np.flatnonzero(dominant_hues(shoe, palette) >= 0)[0])
    one = Translator(photos, np.repeat(shoe[coloured : coloured + 1], 12, axis=0))
    one.generator_ba = None
    found = values_of(one, run_of("direction", bags, shoes), *names, "realism")
    assert {direction for _, direction in found} == {"a_to_b"}
    assert found["hues_used", "a_to_b"]["value"] == 1.0
    assert found["realism", "a_to_b"]["value"] > 0


class Painter:
    """Gives every image the grey of its z or of its seed, and notes what it was given."""

    varies_at_test = True

    def __init__(self):
        self.given = []

    def translate(self, images, how):
        self.given.append(how)
        if isinstance(how, str):
            return -images
        if np.ndim(how):
            return np.zeros_like(images) + np.asarray(how)[:, :1, None, None] / 10
        return np.zeros_like(images) + (how % 100) / 100


def sources_of(count):
    images = np.arange(count, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    parts = [images[start : start + 4] for start in range(0, count, 4)]
    return ImageSet(count, lambda: iter(parts))


def all_of(images):
    return [image for batch in images.batches() for image in batch]


@pytest.fixture
def painted(toy_bags):
    """Makes outputs of a `Painter` that varies by something."""

    def make(varies_by):
        gan = Painter()
        gan.generator_ba = None
        return gan, outputs_of(gan, run_of(varies_by, toy_bags))[0]

    return make


def test_every_round_over_the_sources_has_noise_of_its_own(painted):
    gan, outputs = painted("style")
    found = outputs.translate(sources_of(6), 15, seed=1)
    first, again = all_of(found), all_of(found)
    assert len(first) == found.count == 15
    np.testing.assert_array_equal(first, again)
    drawn = np.concatenate(gan.given[: len(gan.given) // 2])
    assert drawn.shape == (15, 2)
    assert len(np.unique(drawn)) == 30
    assert not np.array_equal(first, all_of(outputs.translate(sources_of(6), 15, seed=2)))


def test_a_seed_or_a_direction_goes_to_those_that_take_it(painted):
    gan, outputs = painted("noise")
    all_of(outputs.translate(sources_of(6), 12, seed=1))
    assert len(set(gan.given)) == 4
    gan, outputs = painted("direction")
    made = all_of(outputs.translate(sources_of(6), 6, seed=1))
    # What is made is the source's opposite.
    assert [int(image[0, 0, 0]) for image in made] == [255, 254, 253, 252, 251, 250]
    assert set(gan.given) == {"a_to_b"}


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_real_images_are_those_of_the_other_domain(toy_bags, direction):
    run = run_of("direction", toy_bags)
    outputs = {
        made.direction: made for made in outputs_of(Translator(*halves(toy_bags / "val")), run)
    }
    sources, real = outputs[direction].domains("val")
    places = (0, 1) if direction == "a_to_b" else (1, 0)
    for images, place in zip((sources, real), places, strict=True):
        np.testing.assert_array_equal(to_float(images.array()), halves(toy_bags / "val")[place])


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
    """Images of one grey each."""
    return (np.asarray(values) / 127.5 - 1)[..., None, None, None] * np.ones((2, 2, 3), np.float32)


def test_diversity_is_that_of_consecutive_samples_next_to_random_photos(toy_bags):
    # By sketch 1, 4 and 9, 0: the mean is 3.5. Photos 0, 2, 4 in a circle: 4, 4, 16.
    run, record = run_of("style", toy_bags), {"step": 7}
    images = {"sources": flat([0, 0]), "targets": flat([0, 2, 4]), "samples": 3}
    outputs = Translated(Painter(), run, record=record, **images)
    outputs.made, outputs.distance = flat([[10, 11, 13], [20, 23, 23]]), Brightness()
    own, ratio = (
        table.measure(table.find(name, "pairs"), outputs) for name in table.GROUPS["perceptual"]
    )
    assert own == {
        "metric": "diversity_brightness",
        "value": pytest.approx(3.5),
        "reference": pytest.approx(8),
        "reference_is": "random photos",
        "pairs": 4,
        "distance": "brightness",
        "of": "grey",
        "sketches": 2,
        "samples": 3,
        "seed": 0,
        "step": 7,
    }
    assert (ratio["metric"], ratio["reference"]) == ("ratio_brightness", 1.0)
    assert ratio["value"] == pytest.approx(3.5 / 8)


@pytest.fixture(scope="module")
def segmented(toy_bags, tmp_path_factory):
    """Outputs that are the real photos, whose networks have trained a segmenter."""
    kept = tmp_path_factory.mktemp("kept")

    class Photos:
        varies_at_test = False

        def translate(self, images, seed):
            sketches, photos = halves(toy_bags / "val")
            return Translator(sketches, photos).translate(images, "a_to_b")

    (outputs,) = outputs_of(Photos(), run_of("noise", toy_bags), run_dir=str(kept / "run"))
    # Keras hands its variables to NumPy in a way that NumPy will not take for ever.
    with pytest.warns(DeprecationWarning, match="__array__ implementation"):
        outputs.label_score("class_iou")
    return outputs


def test_a_segmenter_learns_from_the_photos_with_their_maps(segmented, toy_bags, capsys):
    images = LabelledImages(segmented.run.data, 32, 3)
    (_, photos) = real_images(segmented.run.data, "val", 32, (3, 3))
    segmenter, digest = segmented.networks.find_segmenter(images, None)
    kept = segmented.options.networks_dir / "segmenter_bags"
    assert capsys.readouterr().err == f"segmenter: {kept}\n"
    assert digest == segmentation.read_facts(kept)[1]
    facts = segmenter.facts
    assert (facts.classes, facts.image_size, facts.images) == (toy_labels.CLASSES, 32, 12)
    truth = toy_labels.read_labels(toy_bags, "val", 32, list(photos.names))
    scores = segmenter.scores(photos.array(), truth)
    assert scores["pixel_accuracy"] == pytest.approx(facts.pixel_accuracy)
    # Maps in another order would be those of other photos.
    assert (
        scores["pixel_accuracy"] > segmenter.scores(photos.array(), truth[::-1])["pixel_accuracy"]
    )
    with pytest.raises(segmentation.SegmentationError, match="image_size 32 -> 64"):
        segmented.networks.find_segmenter(LabelledImages(segmented.run.data, 64, 3), None)


def test_real_photos_get_what_the_reference_says(segmented):
    for name in table.GROUPS["label_scores"]:
        line = table.measure(table.find(name, "pairs"), segmented)
        assert line["metric"] == name
        assert line["value"] == pytest.approx(line["reference"])
        assert (line["n_fake"], line["segmenter"], line["step"]) == (4, "bags", 7)


def test_no_classifier_knows_sketches(toy_bags):
    run = run_of("direction", toy_bags)
    gan = Translator(*halves(toy_bags / "val"))
    photos, sketches = outputs_of(gan, run)
    assert photos.labelled_images.data.data_dir == str(toy_bags)
    assert sketches.labelled_images is None
    exchanged = copy.copy(run)
    exchanged.data = DataSettings(kind="domains", data_dir=str(toy_bags), direction="b_to_a")
    sketches, photos = outputs_of(gan, exchanged)
    assert sketches.labelled_images is None and photos.labelled_images.name == toy_bags.name
    assert not sketches.has_colour
