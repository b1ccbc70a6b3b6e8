"""Labels each pixel of a photo with the part it shows: the network behind pix2pix's FCN-score.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
arXiv:1611.07004, section 4.1: if painted photos are realistic, a network that was trained on real
ones will label them correctly. Theirs is FCN-8s (Long et al. 2015, arXiv:1411.4038), trained on
Cityscapes. Here is a small one of the same build, which learns the parts of toy fashion (ground,
body, contrast, trim, lining: data_prep/toy_labels.py) in a minute on 2 cores, and the scores are
those of `gans.metrics.label_scores`. They say nothing beside scores of Cityscapes, nor beside those
of another segmenter. What real held-out photos get is the most that can be expected: it is kept
with the segmenter and belongs beside every score, as "ground truth" does in the paper's tables.

    segmenter = train(photos, labels, names, held_out=(photos, labels), dataset="toy_fashion")
    segmenter.save("runs/segmenter_toy")
    load("runs/segmenter_toy").scores(painted, labels)

The folder holds `segmenter.weights.h5` and `segmenter.json`. The network is built from code and
filled with numbers, after these agree with the sha256 beside them. TensorFlow is imported by what
computes, not by this module.
"""

import dataclasses
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gans.features.classifier import as_float, sha256
from gans.metrics.label_scores import label_scores

FACTS, WEIGHTS = "segmenter.json", "segmenter.weights.h5"
SMALLEST = 32
FILTERS = (16, 32, 64, 64)  # Of the levels, each half as wide as the one before it.
CHUNK_PIXELS = 2**18  # That are looked at in one call: 64 photos of 64x64.
BATCH, LEARNING_RATE = 32, 4e-3
# Fifteen passes over 1,000 photos; of others as many as make as many steps, within a limit.
STEPS, LEAST_EPOCHS, MOST_EPOCHS = 470, 2, 40


class SegmentationError(Exception):
    """A segmenter cannot be trained or read; the message is one line."""


@dataclass(frozen=True)
class Facts:
    """What is known about a segmenter: `segmenter.json`.

    Attributes:
        classes: names, in the order of their indices in a map of labels.
        image_size, image_channels: of the photos.
        pixel_accuracy, class_accuracy, class_iou: on held-out real photos, by `label_scores`; the
            row "ground truth" of a table.
        images: how many it was trained on.
        epochs: passes over them.
        seed: of weights and order.
        dataset: name of what it was trained on.
    """

    classes: tuple[str, ...]
    image_size: int
    image_channels: int
    pixel_accuracy: float
    class_accuracy: float
    class_iou: float
    images: int
    epochs: int
    seed: int
    dataset: str


class Segmenter:
    """A trained network and what is known about it.

    Args:
        model: from `build`, filled.
        facts: of its training.
    """

    def __init__(self, model: Any, facts: Facts):
        self.model, self.facts = model, facts

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The likeliest class of each pixel, uint8 `(n, size, size)`.

        Args:
            images: `(n, size, size, channels)`, uint8, or float in [-1, 1].

        Raises `ValueError` for images of another shape.
        """
        side, channels = self.facts.image_size, self.facts.image_channels
        if np.ndim(images) != 4 or np.shape(images)[1:] != (side, side, channels):
            raise ValueError(
                f"expected images (n, {side}, {side}, {channels}). Received: {np.shape(images)}"
            )
        chunk = max(1, CHUNK_PIXELS // side**2)
        found = np.zeros((len(images), side, side), np.uint8)
        # In calls of one shape, so that one graph does.
        padded = np.zeros((chunk, side, side, channels), np.float32)
        for start in range(0, len(images), chunk):
            part = as_float(images[start : start + chunk])
            padded[: len(part)] = part
            found[start : start + chunk] = np.asarray(self._likeliest(padded))[: len(part)]
        return found

    def scores(self, images: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """`label_scores` of images as in `predict`, against the labels `(n, size, size)` that they
        should show.
        """
        return label_scores(self.predict(images), truth, len(self.facts.classes))

    @property
    def _likeliest(self):
        if not hasattr(self, "_compiled"):
            import tensorflow as tf

            self._compiled = tf.function(
                lambda images: tf.argmax(self.model(images, training=False), -1, tf.int32)
            )
        return self._compiled

    def save(self, folder: str | Path):
        """Writes both files, each whole or not at all; `segmenter.json` last."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / ".segmenter.tmp.weights.h5"
        self.model.save_weights(temporary)
        facts = dataclasses.asdict(self.facts) | {"sha256": sha256(temporary)}
        os.replace(temporary, folder / WEIGHTS)
        temporary = folder / f".{FACTS}.tmp"
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, folder / FACTS)


def build(image_size: int, image_channels: int, classes: int, seed: int = 0):
    """`keras.Model`: float32 `(n, size, size, channels)` in [-1, 1] to logits float32 `(n, size,
    size, classes)`.

    Long et al.'s build, section 4.2: convolutions and poolings down to a map of 8 or less, scores
    of each level by a 1x1 convolution, and the coarser ones doubled in size and added to the finer.
    All levels are scored, the finest too: a strap of toy fashion is two pixels wide. The scores are
    of 16 channels, which a last convolution at full size makes classes of.

    Args:
        image_size: 32 or more, and such that it can be halved down to 8 or less.
        image_channels: of the photos.
        classes: their number.
        seed: of the weights.
    """
    import keras
    from keras import layers

    levels = _levels(image_size)
    seeds = iter(np.random.SeedSequence(seed).generate_state(64))

    def convolve(x, filters, kernel=3, use_bias=False):
        drawn = keras.initializers.HeNormal(seed=int(next(seeds)))
        return layers.Conv2D(
            filters,
            kernel,
            padding="same",
            use_bias=use_bias,
            kernel_initializer=drawn,
            dtype="float32",
        )(x)

    def normalized(x):
        x = layers.BatchNormalization(momentum=0.9, dtype="float32")(x)
        return layers.ReLU(dtype="float32")(x)

    x = inputs = keras.Input((image_size, image_size, image_channels), dtype="float32")
    maps = []
    for level in range(levels + 1):
        if level:
            x = layers.MaxPooling2D(2, dtype="float32")(x)
        x = normalized(convolve(x, FILTERS[min(level, len(FILTERS) - 1)]))
        if level == levels:
            # The coarsest map once more, so that a pixel sees more than half of the picture.
            x = normalized(convolve(x, FILTERS[-1]))
        maps.append(x)
    total = convolve(maps.pop(), FILTERS[0], 1)
    while maps:
        total = layers.UpSampling2D(2, interpolation="bilinear", dtype="float32")(total)
        total = layers.Add(dtype="float32")([total, convolve(maps.pop(), FILTERS[0], 1)])
    logits = convolve(normalized(total), classes, 3, use_bias=True)
    return keras.Model(inputs, logits, name="segmenter")


def train(
    images: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    held_out: tuple[np.ndarray, np.ndarray],
    dataset: str,
    epochs: int | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> Segmenter:
    """Trains a segmenter on real photos by Adam with a rate that falls to 0, and measures it.

    The same seed gives the same segmenter, up to the rounding of the machine's kernels.

    Args:
        images: `(n, size, size, channels)`, uint8, or float32 in [-1, 1].
        labels: integers `(n, size, size)`; 255 leaves a pixel out.
        names: of the classes.
        held_out: images and labels of the same form that are not trained on.
        dataset: name of the data, kept with the segmenter.
        epochs: passes over the images. Default: `default_epochs`.
        verbose: of Keras' `fit`.

    Raises `SegmentationError` for data that it cannot be trained on.
    """
    import keras
    import tensorflow as tf

    _check(images, labels, names)
    _check(*held_out, names)
    size, channels = images.shape[1], images.shape[3]
    model = build(size, channels, len(names), seed)
    epochs = epochs or default_epochs(len(images))
    steps = -(-len(images) // BATCH)
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * steps)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255),
        jit_compile=False,
    )
    # Not `shuffle`, whose order depends on TensorFlow's global seed too.
    orders = np.stack(
        [np.random.default_rng([seed, epoch]).permutation(len(images)) for epoch in range(epochs)]
    )
    batches = tf.data.Dataset.from_tensor_slices(orders).flat_map(
        lambda order: tf.data.Dataset.from_tensor_slices(order).batch(BATCH)
    )

    def load_batch(rows):
        batch, asked = tf.numpy_function(
            lambda rows: (as_float(images[rows]), labels[rows].astype(np.int32)),
            [rows],
            [tf.float32, tf.int32],
        )
        return (
            tf.ensure_shape(batch, (None, size, size, channels)),
            tf.ensure_shape(asked, (None, size, size)),
        )

    model.fit(
        batches.map(load_batch).prefetch(2),
        epochs=epochs,
        steps_per_epoch=steps,
        verbose=verbose,
        shuffle=False,
    )
    facts = Facts(
        classes=tuple(names),
        image_size=size,
        image_channels=channels,
        pixel_accuracy=0.0,
        class_accuracy=0.0,
        class_iou=0.0,
        images=len(images),
        epochs=epochs,
        seed=seed,
        dataset=dataset,
    )
    segmenter = Segmenter(model, facts)
    segmenter.facts = dataclasses.replace(facts, **segmenter.scores(*held_out))
    return segmenter


def default_epochs(images: int) -> int:
    """How often so many images are looked at."""
    return min(max(round(STEPS * BATCH / images), LEAST_EPOCHS), MOST_EPOCHS)


def load(folder: str | Path) -> Segmenter:
    """What `save` wrote. Raises `SegmentationError` where there is none, or damage."""
    folder = Path(folder)
    facts, digest = read_facts(folder)
    try:
        found = sha256(folder / WEIGHTS)
    except OSError as error:
        raise SegmentationError(
            f"expected {folder / WEIGHTS}. Received: {error.strerror}"
        ) from None
    if found != digest:
        raise SegmentationError(
            f"expected {folder / WEIGHTS} with the sha256 that {FACTS} names. Received: {found}"
        )
    model = build(facts.image_size, facts.image_channels, len(facts.classes))
    try:
        with warnings.catch_warnings():
            # Of other weights Keras warns in pages before it raises.
            warnings.simplefilter("ignore")
            model.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise SegmentationError(
            f"expected weights of {folder / FACTS}. Received: {reason}"
        ) from None
    return Segmenter(model, facts)


def read_facts(folder: str | Path) -> tuple[Facts, str]:
    """What `segmenter.json` says, and the sha256 of the weights; TensorFlow is not imported.

    Raises `SegmentationError` where there is no readable one.
    """
    path = Path(folder) / FACTS
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        digest = record.pop("sha256")
        facts = Facts(**record | {"classes": tuple(map(str, record["classes"]))})
        _levels(int(facts.image_size))
        if not (facts.classes and facts.image_channels >= 1):
            raise ValueError
    except FileNotFoundError:
        raise SegmentationError(
            f"expected the folder of a segmenter. Received: {folder} without {FACTS}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SegmentationError):
        raise SegmentationError(f"expected facts of a segmenter. Received: {path}") from None
    return facts, digest


def existing(folder: str | Path, **wanted: Any) -> Facts | None:
    """The facts of the segmenter in a folder, or None where there is none yet.

    Args:
        wanted: facts that it must have, by name.

    Raises `SegmentationError` for a segmenter with other facts, and for a folder of other files.
    """
    folder = Path(folder)
    if not (folder / FACTS).exists():
        if folder.exists() and not folder.is_dir():
            raise SegmentationError(
                f"expected a folder for a segmenter. Received: the file {folder}"
            )
        # What a process leaves that was killed before it had written all.
        strange = [p.name for p in folder.glob("*") if not p.name.lstrip(".").startswith("segment")]
        if strange:
            raise SegmentationError(
                f"expected a new folder or that of a segmenter. Received: {folder}, which holds "
                f"{min(strange)}"
            )
        return None
    facts, _ = read_facts(folder)
    found = dataclasses.asdict(facts)
    differing = [
        f"{name} {found[name]!r} -> {value!r}"
        for name, value in wanted.items()
        if found[name] != value
    ]
    if differing:
        raise SegmentationError(
            f"{folder} holds a segmenter with other settings: {', '.join(differing)}; give the "
            "same ones, or another folder"
        )
    return facts


def _levels(image_size: int) -> int:
    """How often a picture is halved. Raises `SegmentationError` for sizes that cannot be."""
    side, levels = image_size, 0
    while side > 8 and side % 2 == 0:
        side, levels = side // 2, levels + 1
    if side > 8 or image_size < SMALLEST:
        raise SegmentationError(
            f"expected images of {SMALLEST} or more that can be halved down to 8 or less. "
            f"Received: {image_size}"
        )
    return levels


def _check(images: np.ndarray, labels: np.ndarray, names: tuple[str, ...]):
    if np.ndim(images) != 4 or images.shape[1] != images.shape[2] or not len(images):
        raise SegmentationError(
            f"expected square images (n, size, size, channels). Received: {np.shape(images)}"
        )
    if np.shape(labels) != images.shape[:3] or np.asarray(labels).dtype.kind not in "iu":
        raise SegmentationError(
            f"expected labels, integers {images.shape[:3]}. "
            f"Received: {np.asarray(labels).dtype} {np.shape(labels)}"
        )
    wrong = np.setdiff1d(labels, [*range(len(names)), 255])
    if len(wrong):
        raise SegmentationError(
            f"expected labels from 0 to {len(names) - 1}, or 255. Received: {wrong[0]}"
        )
