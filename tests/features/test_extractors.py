"""Names, digests and logits of what makes features of pictures."""

import dataclasses

import numpy as np
import pytest

from gans.features import extractors
from gans.features.classifier import Classifier, ClassifierError, Facts

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FACTS = Facts(
    classes=("a", "b", "c"),
    exclusive=True,
    image_size=28,
    image_channels=1,
    accuracy=0.5,
    images=10,
    epochs=1,
    seed=0,
    dataset="mnist",
)


@pytest.fixture(scope="module")
def classifier():
    return Classifier(Classifier.build(FACTS), FACTS)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)


def test_features_and_logits_are_those_of_the_classifier(classifier, pictures):
    features, logits = extractors.ClassifierFeatures(classifier, "0" * 64).extract(pictures)
    np.testing.assert_array_equal(features, classifier.look(pictures)[1])
    assert features.shape == (5, 128)
    exponentials = np.exp(logits.astype(np.float64))
    softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, classifier.predict(pictures), rtol=1e-6)


def test_a_probability_of_zero_has_a_finite_logit(classifier, pictures):
    class Certain:
        facts = FACTS

        def look(self, images):
            certain = np.eye(3, dtype=np.float32)[np.zeros(len(images), int)]
            return certain, np.zeros((len(images), 128), np.float32)

    _, logits = extractors.ClassifierFeatures(Certain(), "").extract(pictures)
    assert np.isfinite(logits).all()
    assert logits[0, 0] == 0
    assert logits[0, 1] < -80


def test_classes_that_may_come_together_have_no_logits(pictures):
    several = dataclasses.replace(FACTS, exclusive=False)
    classifier = Classifier(Classifier.build(several), several)
    features, logits = extractors.ClassifierFeatures(classifier, "").extract(pictures)
    assert features.shape == (5, 128)
    assert logits is None


def test_other_pictures_are_refused(classifier):
    extract = extractors.ClassifierFeatures(classifier, "").extract
    with pytest.raises(ClassifierError, match="28x28 and 1 .* Received: 32x30 and 3"):
        extract(np.zeros((2, 32, 30, 3), np.uint8))


def test_a_saved_classifier_is_told_by_the_digest_of_its_weights(tmp_path, classifier, pictures):
    classifier.save(tmp_path)
    extractor = extractors.of_classifier(tmp_path)
    assert extractor.sha256 == Classifier.read_facts(tmp_path)[1]
    assert extractor.facts() == {
        "extractor": "mnist",
        "extractor_sha256": extractor.sha256,
        "extractor_accuracy": 0.5,
        "resize": "none",
        "dtype": "float32",
    }
    ours = extractors.ClassifierFeatures(classifier, "").extract(pictures)[0]
    np.testing.assert_array_equal(extractor.extract(pictures)[0], ours)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("toy_fashion", "toy"),
        ("toy_fashion_shoes", "toy_shoes"),
        ("mnist", "mnist"),
        ("cycle_gan/Horse", "cycle_gan_horse"),
    ],
)
def test_short_names(dataset, name):
    assert extractors.short_name(dataset) == name


def test_only_inception_gives_fid_its_name(classifier):
    ours = extractors.ClassifierFeatures(classifier, "")
    names = ("fd", "kd", "is", "recall")
    assert [extractors.metric_name(name, ours) for name in names] == [
        "fd_mnist",
        "kd_mnist",
        "is_mnist",
        "recall_mnist",
    ]
    ours.name = extractors.INCEPTION
    assert [extractors.metric_name(name, ours) for name in names] == [
        "fid",
        "kid",
        "inception_score",
        "recall",
    ]
