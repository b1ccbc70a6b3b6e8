"""A linear classifier on the features of a discriminator (Radford et al. 2016, section 5.1).

It is compared with one on the features of an untrained discriminator and one on pixels.
"""

import dataclasses
from collections.abc import Iterator

import keras
import numpy as np

from gans.data.images import to_float
from gans.metrics import probe

# Of more features, the classifier takes fewer images, since it has to hold them all.
MANY_FEATURES, FEW_IMAGES = 8192, 10_000


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """How well one kind of features tells the classes apart.

    Attributes:
        features: their name: discriminator, untrained or pixels.
        accuracy: share of the held-out images that are put into their class.
        numbers: how many features an image has.
        strength: of the regularisation, as chosen.
        train_count, held_out_count: of the images.
    """

    features: str
    accuracy: float
    numbers: int
    strength: float
    train_count: int
    held_out_count: int


def untrained(gan):
    """A GAN of the same settings with the weights that its run began with."""
    keras.utils.set_random_seed(gan.settings.seed)
    return type(gan)(**dataclasses.asdict(gan.settings))


def compare(
    gan,
    training: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
    count: int | None = None,
) -> Iterator[Accuracy]:
    """Fits a classifier to each kind of features in turn.

    Args:
        gan: has a method `features`.
        training, held_out: images `(n, size, size, channels)`, uint8 or in [-1, 1], and their
            labels `(n, k)`, one-hot.
        count: the most training images that are taken. Default: all, or 10,000 of many features.

    Raises `ValueError` for fewer than 10 training images.
    """
    kinds = {
        "discriminator": gan.features,
        "untrained": untrained(gan).features,
        "pixels": lambda images: images.reshape(len(images), -1),
    }
    (images, labels), (test_images, test_labels) = (
        (images, rows.argmax(axis=1)) for images, rows in (training, held_out)
    )
    width = gan.features(to_float(images[:1])).shape[1]
    count = min(count or (FEW_IMAGES if width > MANY_FEATURES else len(images)), len(images))
    # At even distances, since folders come class by class.
    chosen = np.arange(count) * len(images) // count
    images, labels = images[chosen], labels[chosen]
    for kind, features in kinds.items():

        def values(pixels, features=features):
            return features(to_float(pixels))

        fitted = probe.fit(values, images, labels, training[1].shape[1])
        accuracy = fitted.accuracy(values, test_images, test_labels)
        numbers = len(fitted.weights)
        yield Accuracy(kind, accuracy, numbers, fitted.strength, count, len(test_images))
