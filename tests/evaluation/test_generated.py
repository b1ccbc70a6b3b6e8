"""A GAN whose samples are known, so that every number is."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from gans.metrics.generation import Generated, measure, measure_while_training
from gans.metrics.metric import missing

from gans.data.data_settings import DataSettings
from gans.evaluation import monitor, table
from gans.evaluation.generated import Generated
from gans.evaluation.image_sets import BATCH
from gans.evaluation.options import Options
from gans.features.classifier import Classifier, ClassifierError, Facts
from gans.metrics.diversity import random_pair_distance
from gans.metrics.pixels import gradient_energy
from gans.metrics.realism import sliced_wasserstein

HUES = {"red": 0, "lime": 90, "cyan": 180, "violet": 270}
NEUTRALS = ["black", "grey"]
RGB = {
    "red": (0.8, 0.0, 0.0),
    "lime": (0.4, 0.8, 0.0),
    "cyan": (0.0, 0.8, 0.8),
    "violet": (0.4, 0.0, 0.8),
    "black": (0.1, 0.1, 0.1),
    "grey": (0.5, 0.5, 0.5),
}


class Fake:
    """Sample i is what `make(z, labels)` says of z[i], which is i."""

    def __init__(self, make, data="images", size=32, channels=3, labels=0):
        self.make, self.data, self.label_dim = make, data, labels
        self.image_size, self.image_channels = size, channels
        self.seeds, self.largest = [], 0

    def draw_latents(self, count, seed):
        self.seeds.append(seed)
        return np.arange(count, dtype=np.float32)[:, np.newaxis]

    def generate(self, z, labels=None):
        assert (labels is not None) == bool(self.label_dim)
        self.largest = max(self.largest, len(z))
        return self.make(z[:, 0].astype(int), labels)


class FakeInfo(Fake):
    """`categories(z)` are the classes that the codes are of, `continuous(z)` the two others."""

    supervised = False

    def __init__(self, make, categories, continuous, **options):
        super().__init__(make, **options)
        self.categories, self.continuous = categories, continuous

    def split_codes(self, z):
        index = z[:, 0].astype(int)
        return z, np.eye(10, dtype=np.float32)[self.categories(index)], self.continuous(index)


class FakeClassifier:
    """Sees the class as the brightness of the first pixel: class c of k is 2 c / (k - 1) - 1."""

    def __init__(self, classes, size=32, channels=3, accuracy=0.995):
        self.facts = Facts(
            classes=tuple(classes),
            exclusive=True,
            image_size=size,
            image_channels=channels,
            accuracy=accuracy,
            images=100,
            epochs=1,
            seed=0,
            dataset="fake",
        )

    def predict(self, images):
        count = len(self.facts.classes)
        level = (images[:, 0, 0, :].mean(axis=-1) + 1) / 2 * (count - 1)
        return np.eye(count, dtype=np.float32)[np.rint(level).astype(int)]


class FakeNetworks:
    """Finds this classifier, or none, and no extractor."""

    options = Options(extractor="off")

    def __init__(self, classifier):
        self.classifier = classifier

    def find_classifier(self, images):
        return self.classifier


def run_of(gan, data):
    """What `Generated` reads of the settings of a run."""
    names = ("image_size", "image_channels", "supervised")
    settings = {name: getattr(gan, name, None) for name in names}
    return SimpleNamespace(
        settings=SimpleNamespace(**settings), data=DataSettings(kind=gan.data, **data)
    )


def outputs_of(gan, data, samples=None, classifier=None, **options):
    return Generated(gan, run_of(gan, data), FakeNetworks(classifier), samples=samples, **options)


def measure(*args, **options):
    """All that can be measured, by name."""
    outputs = outputs_of(*args, **options)
    metrics = [metric for metric in table.METRICS if "noise" in metric.of]
    metrics = [metric for metric in metrics if table.lacking(metric, outputs) is None]
    return {metric.name: float(metric.value(outputs)) for metric in metrics}


def levels(classes, count, size=32, channels=3):
    """Images that the fake classifier knows."""
    values = 2 * np.asarray(classes, np.float32) / (count - 1) - 1
    return np.broadcast_to(values[:, None, None, None], (len(values), size, size, channels))


def items(colours, side=16):
    """Squares on white."""
    images = np.ones((len(colours), 32, 32, 3), np.float32)
    for image, colour in zip(images, colours, strict=True):
        image[4 : 4 + side, 4 : 4 + side] = 2 * np.float32(RGB[colour]) - 1
    return images


@pytest.fixture
def toy(tmp_path):
    """Settings of a run on toy fashion with hues as labels."""
    (tmp_path / "palette.json").write_text(json.dumps({"hues": HUES, "neutrals": NEUTRALS}))
    return {
        "dataset": "toy_fashion",
        "data_dir": str(tmp_path),
        "label_names": [*HUES, *NEUTRALS],
    }


RING = {
    "dataset": "ring8",
    "mixture": {"centres": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], "sigma": 0.1},
}


def test_points_of_a_mixture():
    # Three of four on the first mode, every eighth on the second, every eighth in none.
    def make(z, labels):
        spots = np.array([[0, 0], [0, 0.29], [0.29, 0], [0, 0], [0, 0], [0, 0], [1, 0], [0.5, 0.5]])
        return spots[z % 8]

    gan = Fake(make, "points")
    found = measure(gan, RING, samples=800, seed=7)
    entropy = -(6 / 7) * np.log(6 / 7) - (1 / 7) * np.log(1 / 7)
    assert found == {
        "modes": 2.0,
        "high_quality": 7 / 8,
        "reverse_kl": pytest.approx(np.log(4) - entropy),
    }
    assert gan.seeds == [7]


def test_points_of_a_known_mode():
    # Each at the mode asked for, but those of the last, every other of which is in none.
    def make(z, labels):
        points = np.array(RING["mixture"]["centres"])[labels.argmax(axis=1)]
        points[(labels[:, 3] == 1) & (z % 8 == 3)] += 0.4
        return points

    gan = Fake(make, "points", labels=4)
    found = measure(gan, RING | {"label_names": [f"mode {i}" for i in range(4)]}, samples=800)
    assert found["label_accuracy"] == 7 / 8
    assert set(found) == {"modes", "high_quality", "reverse_kl", "label_accuracy"}


def test_of_a_spiral_nothing_is_known():
    assert measure(Fake(None, "points"), {"dataset": "swissroll"}, samples=10) == {}


@pytest.mark.parametrize(
    ("data", "dataset", "count"),
    [("points", "ring8", 2500), ("images", "stacked_mnist", 26000), ("images", "mnist", 10000)],
)
def test_as_many_samples_as_the_protocol_has(data, dataset, count):
    gan = Fake(None, data)
    assert len(outputs_of(gan, {"dataset": dataset}).z) == count


def test_the_colour_asked_for(toy):
    names = toy["label_names"]

    def make(z, labels):
        drawn = [names[index] for index in labels.argmax(axis=1)]
        # Wrong: lime is drawn cyan, and one of the two greys coloured. Black for grey is neutral.
        swap = {"lime": "cyan", "grey": "black"}
        colours = [swap.get(name, name) for name in drawn]
        return items(
            [
                "red" if name == "grey" and index % 12 == 5 else colour
                for index, name, colour in zip(z, drawn, colours, strict=True)
            ]
        )

    found = measure(Fake(make, labels=6), toy, samples=600)
    # Of 12: lime 2 and grey 1 wrong.
    assert found == {"colour_accuracy": 9 / 12, "colour_far": 9 / 12}


def test_other_labels_are_for_a_classifier_and_colours_are_not(toy):
    kinds = ["tote", "hobo"]
    # The order of the classifier's classes is not that of the labels.
    names = [*toy["label_names"], *kinds]
    asked = np.zeros((4, 8), np.float32)
    asked[[0, 1, 2, 3], [0, 2, 4, 3]] = 1  # red, cyan, black, violet
    asked[[0, 1, 2, 3], [6, 7, 7, 6]] = 1  # tote, hobo, hobo, tote

    def make(z, labels):
        images = items([names[row[:6].argmax()] for row in labels])
        # The first is drawn as a hobo, the others as they should be.
        hobo = (labels[:, 7] == 1) | (z % 4 == 0)
        images[:, 0, 0] = np.where(hobo, -1.0, 1.0)[:, None]
        return images

    gan = Fake(make, labels=8)
    settings = toy | {"label_names": names}
    classifier = FakeClassifier(["hobo", "tote"])
    found = measure(gan, settings, 400, classifier, labels=asked)
    assert found == {"colour_accuracy": 1.0, "colour_far": 1.0, "label_accuracy": 3 / 4}
    found = measure(gan, settings, 400, labels=asked)
    assert found == {"colour_accuracy": 1.0, "colour_far": 1.0}


def test_a_colour_that_two_factors_have_is_named_with_its_own(toy):
    names = ["red", "lime", "cyan", "violet", "hue black", "grey", "trim black", "trim gold"]
    generated = outputs_of(Fake(None, labels=8), toy | {"label_names": names})
    assert generated.colour_columns == [0, 1, 2, 3, 4, 5]
    assert generated.other_columns == [6, 7]
    # Trims alone are no hues, whatever their names.
    trims = toy | {"label_names": ["black", "gold", "silver", "white"]}
    assert outputs_of(Fake(None, labels=4), trims).colour_columns == []


def test_digits_asked_for():
    def make(z, labels):
        digit = labels.argmax(axis=1)
        digit[(digit == 9) & (z % 20 == 9)] = 4
        return levels(digit, 10, 28, 1)

    gan = Fake(make, size=28, channels=1, labels=10)
    names = [str(digit) for digit in range(10)]
    classifier = FakeClassifier(names, 28, 1)
    settings = {"dataset": "mnist", "label_names": names}
    assert measure(gan, settings, 1000, classifier) == {"label_accuracy": 0.95}
    assert measure(gan, settings, 1000) == {}
    assert gan.largest == BATCH


def test_stacked_digits_are_read_channel_by_channel():
    # 10 of the 1,000 modes, each as often: 000, 011, 022, ...
    def make(z, labels):
        return np.stack([levels(digit, 10, 28, 1)[..., 0] for digit in (0 * z, z % 10, z % 10)], -1)

    gan = Fake(make, size=28)
    classifier = FakeClassifier([str(digit) for digit in range(10)], 28, 1)
    found = measure(gan, {"dataset": "stacked_mnist"}, 300, classifier)
    assert found == {"modes": 10.0, "reverse_kl": pytest.approx(np.log(100))}
    # The first digit is the red one: 12 and 21 are two modes, not one.
    swapped = Fake(
        lambda z, labels: np.stack(
            [levels(digit, 10, 28, 1)[..., 0] for digit in (0 * z, 1 + z % 2, 2 - z % 2)], axis=-1
        ),
        size=28,
    )
    assert measure(swapped, {"dataset": "stacked_mnist"}, 300, classifier)["modes"] == 2.0
    # 120 and 210 as well.
    turned = Fake(lambda z, labels: np.roll(swapped.make(z, labels), -1, axis=-1), size=28)
    assert measure(turned, {"dataset": "stacked_mnist"}, 300, classifier)["modes"] == 2.0


def info(make, **options):
    return FakeInfo(
        make, lambda z: z % 10, lambda z: np.stack([z % 7, z * 0], 1).astype(float), **options
    )


def test_what_codes_stand_for_by_a_classifier():
    # Codes 0 to 7 are the digits 7 to 0; codes 8 and 9 both are the digit 8.
    def make(z, labels):
        return levels(np.where(z % 10 < 8, 7 - z % 10, 8), 10, 28, 1)

    gan = info(make, size=28, channels=1)
    classifier = FakeClassifier([str(digit) for digit in range(10)], 28, 1)
    found = measure(gan, {"dataset": "mnist"}, 1000, classifier)
    assert (found["code_purity"], found["code_classes"]) == (1.0, 0.9)
    assert set(found) == {"code_purity", "code_classes", "code_slant", "code_thickness"}
    gan.supervised = True
    # By its own name only, where the codes were shown labels: digits 7 - c of c, none alike, and 8.
    assert measure(gan, {"dataset": "mnist"}, 1000, classifier)["label_accuracy"] == 0.1


def test_what_codes_stand_for_by_the_palette(toy):
    colours = [*HUES, "black"]
    gan = info(lambda z, labels: items([colours[i % 5] for i in z]))
    found = measure(gan, toy, 200)
    assert (found["code_purity"], found["code_classes"]) == (1.0, 0.5)


def test_codes_of_points():
    centres = np.array(RING["mixture"]["centres"])
    gan = info(
        lambda z, labels: centres[z % 2] + np.where(z % 10 == 9, 9, 0)[:, None], data="points"
    )
    found = measure(gan, RING, 100)
    # Code 9 is in no mode, which is a class too; five codes have the first, four the second.
    assert (found["code_purity"], found["code_classes"]) == (1.0, 0.3)


def test_codes_and_the_stroke():
    y, x = np.mgrid[:28, :28]

    def make(z, labels):
        lean = (z % 7 - 3)[:, None, None] / 8
        bar = np.abs(x - 13.5 - lean * (13.5 - y)) < 2
        return np.where(bar & (np.abs(y - 13.5) < 9), 1.0, -1.0)[..., None]

    found = measure(info(make, size=28, channels=1), {"dataset": "mnist"}, 140)
    assert found["code_slant"] == pytest.approx(1.0)
    assert found["code_thickness"] < 0.5


def test_codes_and_the_item(toy):
    def make(z, labels):
        return np.concatenate([items(["red"], side=8 + 2 * (index % 7)) for index in z])

    found = measure(info(make), toy, 140)
    assert found["code_size"] == pytest.approx(1.0)
    # All have one brightness and one hue, but for rounding.
    assert found["code_brightness"] < 0.99 and found["code_hue"] < 0.99


def test_pictures_are_compared_with_as_many_real_ones():
    random = np.random.default_rng(0)
    real = random.uniform(-1, 1, (12, 32, 32, 3)).astype(np.float32)
    others = random.uniform(-1, 1, (12, 32, 32, 3)).astype(np.float32)
    fakes = np.rint((random.uniform(-0.5, 0.5, (40, 32, 32, 3)) + 1) * 127.5)
    fakes = (fakes / 127.5 - 1).astype(np.float32)
    gan = Fake(lambda z, labels: fakes[z])
    generated = outputs_of(gan, {}, 40, real=real, others=others, seed=3)
    shown = fakes[:12]
    expected = {
        "realism": (
            sliced_wasserstein(real, shown, 3)["mean"],
            sliced_wasserstein(real, others, 3)["mean"],
        ),
        "sharpness": (gradient_energy(shown) / gradient_energy(real), 1.0),
        "diversity": (random_pair_distance(shown, 3) / random_pair_distance(real, 3), 1.0),
    }
    for name, (value, reference) in expected.items():
        assert table.find(name, "noise").value(generated) == pytest.approx(value, rel=1e-6)
        assert table.find(name, "noise").reference(generated) == pytest.approx(reference, rel=1e-6)
    assert set(measure(gan, {}, 40, real=real, others=others)) == set(expected)
    none = outputs_of(gan, {}, 40, real=real, seed=3)
    assert np.isnan(table.find("realism", "noise").reference(none))


def test_flat_pictures_are_no_measure():
    gan = Fake(lambda z, labels: np.zeros((len(z), 32, 32, 3)))
    found = measure(gan, {}, 4, real=np.zeros((2, 32, 32, 3), np.float32))
    assert np.isnan(found["sharpness"]) and np.isnan(found["diversity"])


def test_pictures_are_measured_in_8_bits():
    gan = Fake(lambda z, labels: np.full((len(z), 32, 32, 3), 1.2 - z[0] * 0 - 0.7))
    made = outputs_of(gan, {}, 2).made
    assert made.dtype == np.uint8 and set(made.ravel()) == {191}  # (0.5 + 1) 127.5 = 191.25.
    bright = outputs_of(Fake(lambda z, labels: np.full((len(z), 32, 32, 3), 1.01)), {}, 2).made
    assert set(bright.ravel()) == {255}


@pytest.mark.parametrize(
    ("classifier", "message"),
    [
        (FakeClassifier("ab", 28), "32 pixels and 3 channels. Received: one of 28 pixels and 3"),
        (FakeClassifier("ab", 32, 1), "Received: one of 32 pixels and 1 channels"),
        (FakeClassifier("ab"), "classifier of the run's labels. .* does not know 'c'"),
    ],
)
def test_a_classifier_of_other_pictures_or_labels_is_refused(classifier, message):
    gan = Fake(None, labels=3)
    with pytest.raises(ClassifierError, match=message):
        measure(gan, {"label_names": ["a", "b", "c"]}, 10, classifier)


def test_a_classifier_of_digits_is_needed_for_stacked_ones(monkeypatch):
    gan = Fake(None, size=28)
    with pytest.raises(ClassifierError, match="10 digits. Received: one of 3"):
        measure(gan, {"dataset": "stacked_mnist"}, 10, FakeClassifier("abc", 28, 1))
    with pytest.raises(ClassifierError, match="28 pixels and 1 channels. Received: "):
        measure(gan, {"dataset": "stacked_mnist"}, 10, FakeClassifier("0123456789", 28, 3))
    with pytest.raises(ClassifierError, match="makes, points"):
        monkeypatch.setattr(Classifier, "load", lambda folder: FakeClassifier("ab"))
        monkeypatch.setattr(FakeNetworks, "options", Options(classifier="given"))
        gan = Fake(None, "points")
        Generated.load(gan, run_of(gan, RING), FakeNetworks(None), 3)


def test_a_mode_is_known_within_3_sigma():
    def make(z, labels):
        points = np.array(RING["mixture"]["centres"])[labels.argmax(axis=1)]
        # 2.9 and 3.1 sigma beside it.
        return points + np.where(z % 2, 0.29, 0.31)[:, np.newaxis] * [1.0, 0.0]

    found = measure(Fake(make, "points", labels=4), RING, samples=800)
    assert found["label_accuracy"] == found["high_quality"] == 0.5


def test_the_best_of_the_continuous_codes_counts():
    y, x = np.mgrid[:28, :28]

    def make(z, labels):
        lean = (z % 7 - 3)[:, np.newaxis, np.newaxis] / 8
        bar = np.abs(x - 13.5 - lean * (13.5 - y)) < 2
        return np.where(bar & (np.abs(y - 13.5) < 9), 1.0, -1.0)[..., np.newaxis]

    # The second of them is the lean.
    codes = {"categories": lambda z: z % 10, "continuous": lambda z: np.stack([0.0 * z, z % 7], 1)}
    gan = FakeInfo(make, **codes, size=28, channels=1)
    assert measure(gan, {"dataset": "mnist"}, 140)["code_slant"] == pytest.approx(1.0)


def test_one_hot_labels_are_asked_for_equally_often_and_others_as_in_the_data():
    rows = np.eye(3)[[0, 0, 0, 1]]
    wanted = outputs_of(Fake(None, labels=3), {}, 30, labels=rows).wanted
    assert wanted.sum(axis=0).tolist() == [10, 10, 10]
    several = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]])
    wanted = outputs_of(Fake(None, labels=3), {}, 30, labels=several).wanted
    assert wanted.sum(axis=0).tolist() == [20, 30, 10]


def test_references_of_the_protocol():
    stacked = outputs_of(Fake(None, size=28), {"dataset": "stacked_mnist"}, 5)
    assert table.find("modes", "noise").reference(stacked) == 1000
    ring = outputs_of(Fake(None, "points", labels=4), RING, 5)
    # Of a Gaussian of two dimensions, what lies within 3 sigma.
    assert table.find("label_accuracy", "noise").reference(ring) == pytest.approx(1 - np.exp(-4.5))


def test_while_training_few_samples_do(toy):
    names = toy["label_names"]
    gan = Fake(lambda z, y: items([names[row.argmax()] for row in y]), labels=6)
    real = items(["red", "cyan", "black", "red"])
    # Most held-out items are red; all colours are asked for as often.
    counts, draw = [], gan.draw_latents
    gan.draw_latents = lambda count, seed: counts.append(count) or draw(count, seed)
    labels = np.eye(6, dtype=np.float32)[[0, 2, 4, 0]]
    found = monitor.measure(gan, run_of(gan, toy), (real, labels))
    assert counts == [500]
    names = {"colour_accuracy", "colour_far", "realism", "sharpness", "diversity"}
    assert set(found) == names
    assert found["colour_accuracy"] == 1.0
    asked = []
    several = Fake(lambda z, y: asked.append(y) or items(["red"] * len(y)), labels=6)
    rows = np.eye(6, dtype=np.float32)[[0, 1]] + np.eye(6, dtype=np.float32)[[4, 5]]
    monitor.measure(several, run_of(several, toy), (real, rows))
    assert {tuple(row) for part in asked for row in part} == set(map(tuple, rows))


def test_while_training_on_points_all_is_measured():
    spots = np.array(RING["mixture"]["centres"])
    gan = Fake(lambda z, y: spots[z % 4], "points")
    found = monitor.measure(gan, run_of(gan, RING), None)
    assert found == {"modes": 4.0, "high_quality": 1.0, "reverse_kl": 0.0}
