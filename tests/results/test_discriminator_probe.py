"""The linear classifier on features: of the images that are chosen, for each kind of features."""

import keras
import numpy as np
import pytest

from gans.data.images import to_float
from gans.dcgan import DCGAN
from gans.metrics import probe as classifiers
from gans.results import probe


@pytest.fixture(scope="module")
def images():
    """30 training and 8 held-out images whose class is a channel's brightness, class by class."""
    random = np.random.default_rng(0)

    def draw(count):
        labels = np.sort(np.arange(count) % 2)
        pixels = random.integers(0, 200, (count, 8, 8, 3))
        pixels[labels == 1, ..., 0] += 30
        return pixels.astype(np.uint8), np.eye(2, dtype=np.float32)[labels]

    return draw(30), draw(8)


def test_each_kind_of_features_has_a_classifier(gan_of, images):
    gan, (training, held_out) = gan_of("dcgan"), images
    found = list(probe.compare(gan, training, held_out))
    assert [one.features for one in found] == ["discriminator", "untrained", "pixels"]
    kinds = {
        "discriminator": lambda pixels: gan.features(to_float(pixels)),
        "pixels": lambda pixels: to_float(pixels).reshape(len(pixels), -1),
    }
    for one in found:
        assert (one.train_count, one.held_out_count) == (30, 8)
        assert one.numbers == {"pixels": 8 * 8 * 3}.get(one.features, 16 * 2)
        if one.features in kinds:
            features = kinds[one.features]
            fitted = classifiers.fit(features, training[0], training[1].argmax(axis=1), 2)
            accuracy = fitted.accuracy(features, held_out[0], held_out[1].argmax(axis=1))
            assert (one.accuracy, one.strength) == (accuracy, fitted.strength)


def test_fewer_images_are_taken_at_even_distances(gan_of, images):
    training, held_out = images
    *_, found = probe.compare(gan_of("dcgan"), training, held_out, count=20)
    chosen = [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 22, 24, 25, 27, 28]
    again = (training[0][chosen], training[1][chosen])
    *_, expected = probe.compare(gan_of("dcgan"), again, held_out)
    assert found == expected
    assert found.train_count == 20


def test_untrained_is_what_the_run_began_with(randomised):
    settings = {"image_size": 8, "generator_filters": 2, "discriminator_filters": 2, "seed": 5}
    keras.utils.set_random_seed(5)
    begun = DCGAN(**settings)
    weights = begun.discriminator.get_weights()
    found = probe.untrained(randomised(begun)).discriminator.get_weights()
    for one, expected, now in zip(found, weights, begun.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(one, expected)
        assert one.std() == 0 or not np.array_equal(one, now)
