import keras
import numpy as np
import pytest
from drawn import SIDES, halves

from gans.features.classifier import Classifier, Facts
from gans.metrics.codes import conditional_accuracy

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def build(size, channels, classes, exclusive, seed=0):
    facts = Facts(
        classes=tuple(map(str, range(classes))),
        exclusive=exclusive,
        image_size=size,
        image_channels=channels,
        images=0,
        epochs=0,
        seed=seed,
        dataset="",
    )
    return Classifier.build(facts, seed)


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


def test_it_is_right_and_knows_how_often(classifier):
    images, labels = halves(64, 1)
    found = classifier.predict(images)
    assert classifier.facts.accuracy == conditional_accuracy(labels, found) >= 0.95
    assert classifier.facts.exclusive and classifier.facts.images == 256


def test_probabilities_are_those_of_the_features(classifier):
    images = halves(4, 4)[0]
    kernel, bias = classifier.model.get_layer("probabilities").get_weights()
    features = classifier.look(images)[1]
    assert features.shape == (4, 128)
    logits = features @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict(images), expected, atol=1e-5)


def test_tags_have_a_probability_each():
    # The left half is bright by chance, and so is the right one.
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (124, 2)).astype(np.float32)
    images = random.integers(0, 100, (124, 28, 28, 1)).astype(np.uint8)
    images[:, :, :14] += (100 * labels[:, 0]).astype(np.uint8)[:, None, None, None]
    images[:, :, 14:] += (100 * labels[:, 1]).astype(np.uint8)[:, None, None, None]
    held_out = images[64:], labels[64:]
    tags = Classifier.train(images[:64], labels[:64], SIDES, held_out, "halves", epochs=50)
    assert not tags.facts.exclusive
    assert ((tags.predict(held_out[0]) > 0.5) == (held_out[1] > 0.5)).mean() > 0.95


def test_mirrored_pictures_teach_that_sides_do_not_matter():
    flipped = Classifier.train(*halves(256, 0), SIDES, halves(64, 1), "halves", epochs=3, flip=True)
    assert flipped.facts.accuracy < 0.8
