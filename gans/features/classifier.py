"""A small classifier of pictures, which measures conditional GANs, InfoGAN and stacked MNIST.

The layers of Keras' example mnist_cnn, by which PacGAN (Lin et al. 2018, arXiv:1712.04086, section
4.2) counts the 1,000 modes of stacked MNIST: convolutions of 32 and 64 filters, pooling, 128 dense
units, dropout. Differences: batch normalisation, a pooling after each convolution and a rate that
falls to 0, with which three passes over MNIST are enough for 99 %; a larger picture has more
convolutions, until the map is 8 wide or less.

    classifier = train(images, labels, names, held_out=(images, labels), dataset="mnist")
    classifier.save("runs/classifier_mnist")
    load("runs/classifier_mnist").predict(images)
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from gans.features import trained
from gans.features.trained import TrainedNetwork, draw_seeds, float32_layers
from gans.metrics.codes import conditional_accuracy

SMALLEST = 28
DENSE = 128
CHUNK = 250  # Pictures in one call of the network.


class ClassifierError(Exception):
    """A classifier cannot be trained or read; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Facts(trained.Facts):
    """What is known about a classifier: `classifier.json`; see `trained.Facts`.

    Attributes:
        exclusive: whether a picture has one of the classes (softmax) or any number (sigmoid for
            each).
        accuracy: on held-out pictures, by `conditional_accuracy`.
        labels: which labels of the data the classes are, where there is a choice.
    """

    exclusive: bool
    accuracy: float = 0.0
    labels: tuple[str, ...] | None = None


class Classifier(TrainedNetwork):
    """A trained classifier and what is known about it; see `TrainedNetwork`."""

    kind, facts_type, error = "classifier", Facts, ClassifierError
    batch_size, learning_rate = 128, 2e-3
    # Three passes over MNIST.
    steps, least_epochs, most_epochs = 1400, 3, 20

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probability of each class, float32 `(n, classes)`.

        Args:
            images: `(n, size, size, channels)`, uint8, or float in [-1, 1].

        Raises `ValueError` for images of another shape.
        """
        return self.look(images)[0]

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities of `predict`, and the layer before the last, float32 `(n, 128)`."""
        return tuple(self.call(self._both, images, CHUNK))

    @functools.cached_property
    def _both(self):
        import keras
        import tensorflow as tf

        ends = [self.model.get_layer(name).output for name in ("probabilities", "features")]
        both = keras.Model(self.model.input, ends)
        return tf.function(lambda images: both(images, training=False))

    @classmethod
    def train(cls, images, labels, /, *others: Any, **options: Any) -> "Classifier":
        """See `TrainedNetwork.train`. Labels are float32 `(n, classes)`, one-hot or multi-hot; the
        fact `labels` says which labels of the data these are.
        """
        exclusive = bool(np.all(np.sum(labels, axis=-1) == 1))
        return super().train(images, labels, *others, exclusive=exclusive, **options)

    @classmethod
    def build(cls, facts: Facts, seed: int = 0):
        """`keras.Model`: float32 `(n, size, size, channels)` in [-1, 1] to float32 `(n, classes)`,
        by a softmax over the classes or a sigmoid for each. The seed is of weights and dropout.
        """
        import keras
        from keras import layers

        cls.check_size(facts.image_size)
        seeds = draw_seeds(seed)

        def drawn():
            return {"kernel_initializer": keras.initializers.GlorotUniform(seed=next(seeds))}

        def normalized(x, name=None):
            return layers.ReLU(name=name)(layers.BatchNormalization(momentum=0.9)(x))

        with float32_layers():
            x = inputs = keras.Input((facts.image_size, facts.image_size, facts.image_channels))
            filters = 32
            # Two of them at 28 and 32 pixels, three at 64, four at 96 and 128.
            while x.shape[1] > 8:
                x = layers.Conv2D(filters, 3, padding="same", use_bias=False, **drawn())(x)
                x = normalized(layers.MaxPooling2D(2)(x))
                filters = min(2 * filters, 128)
            x = layers.Dense(DENSE, use_bias=False, **drawn())(layers.Flatten()(x))
            x = layers.Dropout(0.3, seed=next(seeds))(normalized(x, name="features"))
            kind = "softmax" if facts.exclusive else "sigmoid"
            last = layers.Dense(len(facts.classes), kind, name="probabilities", **drawn())
            return keras.Model(inputs, last(x), name="classifier")

    @classmethod
    def check_size(cls, image_size: int):
        """Raises `ClassifierError` for images of less than 28 pixels."""
        if image_size < SMALLEST:
            raise ClassifierError(f"expected images of {SMALLEST} or more. Received: {image_size}")

    @classmethod
    def check_labels(cls, labels: np.ndarray, images: np.ndarray, classes: int):
        """Raises `ClassifierError` unless labels are `(n, classes)`."""
        if np.shape(labels) != (len(images), classes):
            raise ClassifierError(
                f"expected labels {(len(images), classes)}. Received: {np.shape(labels)}"
            )

    def loss(self) -> str:
        """Cross-entropy of the classes, or of each."""
        return "categorical_crossentropy" if self.facts.exclusive else "binary_crossentropy"

    def measure(self, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """How often it is right."""
        return {"accuracy": conditional_accuracy(labels, self.predict(images))}


load, read_facts, existing = Classifier.load, Classifier.read_facts, Classifier.existing
train = Classifier.train
