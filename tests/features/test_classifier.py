import json

import keras
import numpy as np
import pytest

from gans.features import classifier as classifiers
from gans.features.classifier import ClassifierError, build, default_epochs, existing, load, train
from gans.metrics.conditional import conditional_accuracy

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("left", "right")


def halves(count, seed, size=28, channels=1):
    """Noise whose left or right half is brighter, and which it is."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 100, (count, size, size, channels), np.uint8)
    sides = random.integers(0, 2, count)
    for image, side in zip(images, sides, strict=True):
        image[:, side * size // 2 :][:, : size // 2] += 100
    return images, np.eye(2, dtype=np.float32)[sides]


@pytest.fixture(scope="module")
def trained():
    return train(*halves(256, 0), NAMES, halves(64, 1), "halves", epochs=3, seed=5)


@pytest.fixture
def saved(trained, tmp_path):
    trained.save(tmp_path / "classifier")
    return tmp_path / "classifier"


def test_layers_of_mnist_cnn():
    model = build(28, 1, 10, exclusive=True)
    # Convolutions, their normalisations, the dense layer and its normalisation, the last layer.
    convolutions = 3 * 3 * 32 + 3 * 3 * 32 * 64
    normalised = 4 * (32 + 64 + 128)
    assert model.count_params() == convolutions + normalised + 7 * 7 * 64 * 128 + 128 * 10 + 10
    assert model.output_shape == (None, 10)


@pytest.mark.parametrize(
    ("size", "convolutions"), [(28, 2), (32, 2), (45, 3), (64, 3), (96, 4), (128, 4)]
)
def test_larger_pictures_have_more_convolutions(size, convolutions):
    model = build(size, 3, 5, exclusive=False)
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(found) == convolutions
    assert model.get_layer("features").output.shape == (None, 128)


def test_probabilities_of_one_class_or_of_each():
    images = np.random.default_rng(0).normal(size=(3, 28, 28, 1)).astype(np.float32)
    exclusive = build(28, 1, 4, exclusive=True, seed=1)(images).numpy()
    np.testing.assert_allclose(exclusive.sum(axis=1), 1.0, rtol=1e-5)
    several = build(28, 1, 4, exclusive=False, seed=1)(images).numpy()
    # The same logits.
    logits = np.log(several / (1 - several))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, exclusive, rtol=1e-4)


def test_it_is_right_and_knows_how_often(trained):
    images, labels = halves(64, 1)
    found = trained.predict(images / np.float32(127.5) - 1)
    assert trained.facts.accuracy == conditional_accuracy(labels, found) >= 0.95
    assert trained.facts.exclusive and trained.facts.images == 256


def test_the_same_seed_gives_the_same_classifier(trained):
    """Whatever other draws there were, which are left alone; and of 8 bits or of floats."""
    images, labels = halves(256, 0)
    keras.utils.set_random_seed(99)
    before = np.random.get_state()[1].copy()
    floats = images.astype(np.float32) / 127.5 - 1
    again = train(floats, labels, NAMES, halves(64, 1), "halves", epochs=3, seed=5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert again.facts == trained.facts
    np.testing.assert_allclose(again.predict(floats), trained.predict(floats), atol=1e-3)


def test_another_seed_gives_other_weights():
    networks = [build(28, 1, 2, exclusive=True, seed=seed) for seed in (0, 0, 1)]
    kernels = [
        [layer.kernel.numpy() for layer in network.layers if hasattr(layer, "kernel")]
        for network in networks
    ]
    assert len(kernels[0]) == 4
    for a, b, c in zip(*kernels, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 0.01


def test_tags_have_a_probability_each():
    # The left half is bright by chance, and so is the right one.
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (512, 2)).astype(np.float32)
    images = random.integers(0, 100, (512, 28, 28, 1)).astype(np.uint8)
    images[:, :, :14] += (100 * labels[:, 0]).astype(np.uint8)[:, None, None, None]
    images[:, :, 14:] += (100 * labels[:, 1]).astype(np.uint8)[:, None, None, None]
    held_out = images[400:], labels[400:]
    tags = train(images[:400], labels[:400], NAMES, held_out, "halves", epochs=15)
    assert not tags.facts.exclusive
    found = tags.predict(held_out[0] / np.float32(127.5) - 1)
    assert ((found > 0.5) == (held_out[1] > 0.5)).mean() > 0.95


def test_mirrored_pictures_teach_that_sides_do_not_matter():
    images, labels = halves(256, 0)
    flipped = train(images, labels, NAMES, halves(64, 1), "halves", epochs=3, flip=True)
    assert flipped.facts.accuracy < 0.8


def test_a_picture_does_not_depend_on_its_company(trained):
    images = halves(classifiers.CHUNK + 3, 3)[0] / np.float32(127.5) - 1
    together, features = trained.predict(images), trained.features(images)
    assert together.shape == (len(images), 2) and features.shape == (len(images), 128)
    np.testing.assert_allclose(trained.predict(images[-2:]), together[-2:], atol=1e-5)
    np.testing.assert_allclose(trained.features(images[-2:]), features[-2:], rtol=1e-3, atol=1e-4)
    assert trained.predict(images[:0]).shape == (0, 2)
    assert trained.features(images[:0]).shape == (0, 128)


def test_probabilities_are_those_of_the_features(trained):
    images = halves(4, 4)[0] / np.float32(127.5) - 1
    kernel, bias = trained.model.get_layer("probabilities").get_weights()
    logits = trained.features(images) @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(trained.predict(images), expected, atol=1e-5)


def test_it_is_float32_in_a_run_of_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(28, 1, 2, exclusive=True)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 32, 32, 1), (2, 28, 28, 3)])
def test_pictures_of_another_shape_are_refused(trained, shape):
    with pytest.raises(ValueError, match=r"expected images \(n, 28, 28, 1\). Received: \(2, "):
        trained.predict(np.zeros(shape, np.float32))


def test_what_cannot_be_trained_on(trained):
    images, labels = halves(8, 0)
    good = (images, labels)
    for bad, message in (
        ((images[:, :, :20], labels), r"expected square images .* Received: \(8, 28, 20, 1\)"),
        ((images[:0], labels[:0]), "expected square images"),
        ((images, labels[:4]), r"expected labels \(8, 2\). Received: \(4, 2\)"),
    ):
        with pytest.raises(ClassifierError, match=message):
            train(*bad, NAMES, good, "halves")
        with pytest.raises(ClassifierError, match=message):
            train(*good, NAMES, bad, "halves")
    with pytest.raises(ClassifierError, match="expected images of 28 or more. Received: 20"):
        train(*halves(8, 0, size=20), NAMES, halves(8, 0, size=20), "halves")


def test_back_from_the_folder(trained, saved):
    assert sorted(path.name for path in saved.iterdir()) == [
        "classifier.json",
        "classifier.weights.h5",
    ]
    again = load(saved)
    assert again.facts == trained.facts
    images = halves(4, 4)[0] / np.float32(127.5) - 1
    np.testing.assert_array_equal(again.predict(images), trained.predict(images))
    again.save(saved)
    assert load(saved).facts == trained.facts


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "classifier.json").unlink(), "classifier without classifier.json"),
        (lambda f: (f / "classifier.json").write_text("{}"), "expected facts of a classifier"),
        (lambda f: (f / "classifier.json").write_text("[1]"), "expected facts of a classifier"),
        (lambda f: (f / "classifier.json").write_bytes(b"\xff"), "expected facts of a classifier"),
        (lambda f: (f / "classifier.weights.h5").unlink(), "No such file or directory"),
        (
            lambda f: (f / "classifier.weights.h5").write_bytes(b"x"),
            "with the sha256 that classifier.json names. Received: 2d711642",
        ),
    ],
)
def test_damage_is_one_line(saved, damage, message):
    damage(saved)
    with pytest.raises(ClassifierError, match=message) as error:
        load(saved)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": []},
        {"image_size": 8},
        {"image_size": "x"},
        {"image_channels": 0},
        {"surprise": 1},
        {"classes": None},
    ],
)
def test_facts_that_make_no_sense_are_refused(saved, change):
    path = saved / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ClassifierError, match="expected facts of a classifier. Received: "):
        load(saved)


def test_weights_of_another_network_are_one_line(saved):
    path = saved / "classifier.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": ["a", "b", "c"]}))
    with pytest.raises(ClassifierError, match="expected weights of ") as error:
        load(saved)
    assert "\n" not in str(error.value)


def test_what_a_folder_holds(saved, tmp_path):
    assert existing(tmp_path / "new", seed=3) is None
    assert existing(saved, seed=5, dataset="halves", labels=None).accuracy > 0.9
    with pytest.raises(ClassifierError, match="other settings: seed 5 -> 3, image_size 28 -> 64;"):
        existing(saved, seed=3, image_size=64, dataset="halves")
    (tmp_path / "mine").mkdir()
    assert existing(tmp_path / "mine") is None
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(ClassifierError, match="mine, which holds photo.jpg"):
        existing(tmp_path / "mine")
    with pytest.raises(ClassifierError, match="Received: the file .*photo.jpg"):
        existing(tmp_path / "mine" / "photo.jpg")
    # What a process leaves that was killed while it saved.
    (saved / "classifier.json").unlink()
    (saved / ".classifier.tmp.weights.h5").touch()
    assert existing(saved) is None


def test_few_pictures_are_looked_at_more_often():
    assert [default_epochs(count) for count in (60_000, 20_000, 1000, 10, 10**7)] == [
        3,
        9,
        20,
        20,
        3,
    ]
