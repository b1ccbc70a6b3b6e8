"""Labels each pixel of a photo with the part it shows: the network behind pix2pix's FCN-score.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
arXiv:1611.07004, section 4.1: if painted photos are realistic, a network that was trained on real
ones will label them correctly. Theirs is FCN-8s (Long et al. 2015, arXiv:1411.4038), trained on
Cityscapes. Here is a small one of the same build, which learns the parts of toy fashion (ground,
body, contrast, trim, lining: data_prep/toy_labels.py) in a minute on 2 cores, and the scores are
those of `gans.metrics.label_scores`. They cannot be compared with scores of Cityscapes, nor with
those of another segmenter. What real held-out photos get is the most that can be expected: it is
kept with the segmenter and is shown with every score, as "ground truth" is in the paper's tables.

    segmenter = train(photos, labels, names, held_out=(photos, labels), dataset="toy_fashion")
    segmenter.save("runs/segmenter_toy")
    load("runs/segmenter_toy").scores(painted, labels)
"""

import functools
from dataclasses import dataclass

import numpy as np

from gans.features import trained
from gans.features.trained import TrainedNetwork, draw_seeds, float32_layers
from gans.metrics.label_scores import label_scores

SMALLEST = 32
FILTERS = (16, 32, 64, 64)  # Of the levels, each half as wide as the one before it.
CHUNK_PIXELS = 2**18  # In one call of the network: 64 photos of 64x64.


class SegmentationError(Exception):
    """A segmenter cannot be trained or read; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Facts(trained.Facts):
    """What is known about a segmenter: `segmenter.json`; see `trained.Facts`.

    Attributes:
        pixel_accuracy, class_accuracy, class_iou: on held-out real photos, by `label_scores`; the
            row "ground truth" of a table.
    """

    pixel_accuracy: float = 0.0
    class_accuracy: float = 0.0
    class_iou: float = 0.0


class Segmenter(TrainedNetwork):
    """A trained segmenter and what is known about it; see `TrainedNetwork`."""

    kind, facts_type, error = "segmenter", Facts, SegmentationError
    batch_size, learning_rate = 32, 4e-3
    # Fifteen passes over 1,000 photos.
    steps, least_epochs, most_epochs = 470, 2, 40

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The likeliest class of each pixel, uint8 `(n, size, size)`.

        Args:
            images: `(n, size, size, channels)`, uint8, or float in [-1, 1].

        Raises `ValueError` for images of another shape.
        """
        count = max(1, CHUNK_PIXELS // self.facts.image_size**2)
        return self.call(self._likeliest, images, count)[0]

    def scores(self, images: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """`label_scores` of images as in `predict`, against the labels `(n, size, size)` that they
        should show.
        """
        return label_scores(self.predict(images), truth, len(self.facts.classes))

    @functools.cached_property
    def _likeliest(self):
        import tensorflow as tf

        return tf.function(
            lambda images: [tf.cast(tf.argmax(self.model(images, training=False), -1), tf.uint8)]
        )

    @classmethod
    def build(cls, facts: Facts, seed: int = 0):
        """`keras.Model`: float32 `(n, size, size, channels)` in [-1, 1] to logits float32 `(n,
        size, size, classes)`. The seed is of the weights.

        Long et al.'s build, section 4.2: convolutions and poolings down to a map of 8 or less,
        scores of each level by a 1x1 convolution, and the coarser ones doubled in size and added to
        the finer. All levels are scored, the finest too: a strap of toy fashion is two pixels wide.
        The scores are of 16 channels, which a last convolution at full size makes classes of.
        """
        import keras
        from keras import layers

        cls.check_size(facts.image_size)
        seeds = draw_seeds(seed)

        def convolve(x, filters, kernel=3, use_bias=False):
            drawn = keras.initializers.HeNormal(seed=next(seeds))
            return layers.Conv2D(
                filters, kernel, padding="same", use_bias=use_bias, kernel_initializer=drawn
            )(x)

        def normalized(x):
            return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

        with float32_layers():
            x = inputs = keras.Input((facts.image_size, facts.image_size, facts.image_channels))
            maps, coarsest = [], len(_sides(facts.image_size)) - 1
            for level in range(coarsest + 1):
                if level:
                    x = layers.MaxPooling2D(2)(x)
                x = normalized(convolve(x, FILTERS[min(level, len(FILTERS) - 1)]))
                if level == coarsest:
                    # Once more, so that a pixel sees more than half of the picture.
                    x = normalized(convolve(x, FILTERS[-1]))
                maps.append(x)
            total = convolve(maps.pop(), FILTERS[0], 1)
            while maps:
                total = layers.UpSampling2D(2, interpolation="bilinear")(total)
                total = layers.Add()([total, convolve(maps.pop(), FILTERS[0], 1)])
            logits = convolve(normalized(total), len(facts.classes), 3, use_bias=True)
            return keras.Model(inputs, logits, name="segmenter")

    @classmethod
    def check_size(cls, image_size: int):
        """Raises `SegmentationError` for sizes that cannot be halved down to 8 or less."""
        if image_size < SMALLEST or _sides(image_size)[-1] > 8:
            raise SegmentationError(
                f"expected images of {SMALLEST} or more that can be halved down to 8 or less. "
                f"Received: {image_size}"
            )

    @classmethod
    def check_labels(cls, labels: np.ndarray, images: np.ndarray, classes: int):
        """Raises `SegmentationError` unless labels are integers `(n, size, size)`, each a class or
        255, which leaves a pixel out.
        """
        labels = np.asarray(labels)
        if labels.shape != images.shape[:3] or labels.dtype.kind not in "iu":
            raise SegmentationError(
                f"expected labels, integers {images.shape[:3]}. "
                f"Received: {labels.dtype} {labels.shape}"
            )
        wrong = np.setdiff1d(labels, [*range(classes), 255])
        if len(wrong):
            raise SegmentationError(
                f"expected labels from 0 to {classes - 1}, or 255. Received: {wrong[0]}"
            )

    def loss(self):
        """Cross-entropy of the pixels that have a class."""
        import keras

        return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)

    def measure(self, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The three scores of `label_scores`."""
        return self.scores(images, labels)


load, read_facts, existing = Segmenter.load, Segmenter.read_facts, Segmenter.existing
train = Segmenter.train


def _sides(image_size: int) -> list[int]:
    """Sides of the maps of all levels, the picture's first."""
    sides = [image_size]
    while sides[-1] > 8 and sides[-1] % 2 == 0:
        sides.append(sides[-1] // 2)
    return sides
