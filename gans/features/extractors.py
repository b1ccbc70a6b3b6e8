"""What turns pictures into features, under a name that is part of the name of all that is measured.

Two kinds: the Inception network of 2015 (gans/features/inception.py), by which FID is defined, and
a classifier of our own (`gans/features/classifier.py`), which needs no download: it learns from
the data itself in a minute. A distance by the second is a number of another kind: it is called
`fd_toy` or `fd_mnist`, never FID, and can be compared with numbers by the same classifier only,
which its sha256 tells.
"""

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gans.features import classifier as classifiers
from gans.features.classifier import Classifier, ClassifierError

INCEPTION = "inception"
# The labels of toy fashion that a classifier learns, so that its features depend on all that shows.
TOY_LABELS = ("kind", "hue", "pattern")


class Extractor(Protocol):
    """What all measures of features need.

    Attributes:
        name: "inception", or what the classifier was trained on: "toy", "mnist", ...
        sha256: of the file of weights.
    """

    name: str
    sha256: str

    def extract(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Features float32 `(n, d)` and logits float32 `(n, classes)` of images uint8 `(n, height,
        width, channels)`. The logits are None where classes do not exclude each other.
        """

    def facts(self) -> dict[str, Any]:
        """All that decides a number: name, sha256, resize, dtype."""


class ClassifierFeatures:
    """The layer before the last of a classifier, 128 numbers.

    Args:
        classifier: trained.
        digest: sha256 of its weights.
    """

    def __init__(self, classifier: Classifier, digest: str):
        self.classifier, self.sha256 = classifier, digest
        self.name = short_name(classifier.facts.dataset)

    def extract(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Extractor`. Raises `ClassifierError` for images of another size."""
        facts = self.classifier.facts
        size, channels = facts.image_size, facts.image_channels
        if images.shape[1:] != (size, size, channels):
            height, width, depth = images.shape[1:]
            raise ClassifierError(
                f"expected images of {size}x{size} and {channels} channels, as the classifier of "
                f"{facts.dataset} takes them. Received: {height}x{width} and {depth}"
            )
        probabilities, features = self.classifier.look(images)
        if not facts.exclusive:
            return features, None
        # Of a softmax the logarithm is as good as the logits: they differ by a constant.
        return features, np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))

    def facts(self) -> dict[str, Any]:
        """See `Extractor`; also how often the classifier is right on held-out images."""
        return {
            "extractor": self.name,
            "extractor_sha256": self.sha256,
            "extractor_accuracy": self.classifier.facts.accuracy,
            "resize": "none",
            "dtype": "float32",
        }


def of_classifier(folder: str | Path) -> ClassifierFeatures:
    """The features of a classifier that was saved. Raises `ClassifierError` as `load` does."""
    return ClassifierFeatures(classifiers.load(folder), classifiers.read_facts(folder)[1])


def short_name(dataset: str) -> str:
    """Of a data set, for the names of metrics: "toy" of toy fashion, "mnist", "anime_faces"."""
    return dataset.replace("toy_fashion", "toy").replace("/", "_").lower()


def metric_name(name: str, extractor: Extractor) -> str:
    """The full name of what is measured: "fid" by Inception, "fd_toy" by a classifier.

    Args:
        name: fd, kd, is, precision, recall, density, coverage, ...
    """
    if extractor.name == INCEPTION:
        return {"fd": "fid", "kd": "kid", "is": "inception_score"}.get(name, name)
    return f"{name}_{extractor.name}"
