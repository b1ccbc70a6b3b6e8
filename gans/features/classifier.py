"""A small classifier of pictures: what conditional GANs, InfoGAN and stacked MNIST are judged by.

The layers of Keras' example mnist_cnn, by which PacGAN (Lin et al. 2018, arXiv:1712.04086, section
4.2) counts the 1,000 modes of stacked MNIST: convolutions of 32 and 64 filters, pooling, 128 dense
units, dropout. Differences: batch normalisation, a pooling after each convolution and a rate that
falls to 0, with which three passes over MNIST are enough for 99 %; a larger picture has more
convolutions, until the map is 8 wide or less.

    classifier = train(images, labels, names, held_out=(images, labels), dataset="mnist")
    classifier.save("runs/classifier_mnist")
    load("runs/classifier_mnist").predict(images)

The folder holds `classifier.weights.h5` and `classifier.json`. The network is built from code and
filled with numbers, after these agree with the sha256 beside them. TensorFlow is imported by what
computes, not by this module.
"""

import dataclasses
import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gans.metrics.conditional import conditional_accuracy

FACTS, WEIGHTS = "classifier.json", "classifier.weights.h5"
SMALLEST = 28
DENSE = 128
CHUNK = 250  # Pictures that are looked at in one call.
BATCH, LEARNING_RATE = 128, 2e-3
# Three passes over MNIST; of few pictures as many passes as make as many steps, within a limit.
STEPS, LEAST_EPOCHS, MOST_EPOCHS = 1400, 3, 20


class ClassifierError(Exception):
    """A classifier cannot be trained or read; the message is one line."""


@dataclass(frozen=True)
class Facts:
    """What is known about a classifier: `classifier.json`.

    Attributes:
        classes: names, in the order of the probabilities.
        exclusive: whether a picture has one of them (softmax) or any number (sigmoid for each).
        image_size, image_channels: of the pictures.
        accuracy: on held-out pictures, by `conditional_accuracy`.
        images: how many it was trained on.
        epochs: passes over them.
        seed: of weights, order and dropout.
        dataset: name of what it was trained on.
        labels: which of its labels, where there is a choice.
    """

    classes: tuple[str, ...]
    exclusive: bool
    image_size: int
    image_channels: int
    accuracy: float
    images: int
    epochs: int
    seed: int
    dataset: str
    labels: tuple[str, ...] | None = None


class Classifier:
    """A trained network and what is known about it.

    Args:
        model: from `build`, filled.
        facts: of its training.
    """

    def __init__(self, model: Any, facts: Facts):
        self.model, self.facts = model, facts

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probability of each class, float32 `(n, classes)`.

        Args:
            images: `(n, size, size, channels)` in [-1, 1].
        """
        return self.look(images)[0]

    def features(self, images: np.ndarray) -> np.ndarray:
        """The layer before the last, float32 `(n, 128)`; images as in `predict`."""
        return self.look(images)[1]

    def look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What `predict` and `features` give, in one go."""
        side, channels = self.facts.image_size, self.facts.image_channels
        if np.ndim(images) != 4 or np.shape(images)[1:] != (side, side, channels):
            raise ValueError(
                f"expected images (n, {side}, {side}, {channels}). Received: {np.shape(images)}"
            )
        parts = [
            [np.asarray(part) for part in self._forward(images[start : start + CHUNK])]
            for start in range(0, len(images), CHUNK)
        ]
        if not parts:
            widths = (len(self.facts.classes), DENSE)
            return tuple(np.zeros((0, width), np.float32) for width in widths)
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    def _forward(self, images: np.ndarray):
        """In calls of one shape, so that one graph does."""
        count = len(images)
        padded = np.zeros((CHUNK, *images.shape[1:]), np.float32)
        padded[:count] = images
        return [part[:count] for part in self._extractor(padded)]

    @property
    def _extractor(self):
        if not hasattr(self, "_compiled"):
            import keras
            import tensorflow as tf

            ends = [self.model.get_layer(name).output for name in ("probabilities", "features")]
            both = keras.Model(self.model.input, ends)
            self._compiled = tf.function(lambda images: both(images, training=False))
        return self._compiled

    def save(self, folder: str | Path):
        """Writes both files, each whole or not at all; `classifier.json` last."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / ".classifier.tmp.weights.h5"
        self.model.save_weights(temporary)
        facts = dataclasses.asdict(self.facts) | {"sha256": sha256(temporary)}
        os.replace(temporary, folder / WEIGHTS)
        temporary = folder / f".{FACTS}.tmp"
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, folder / FACTS)


def build(image_size: int, image_channels: int, classes: int, exclusive: bool, seed: int = 0):
    """`keras.Model`: float32 `(n, size, size, channels)` in [-1, 1] to float32 `(n, classes)`.

    Args:
        image_size: 28 or more.
        image_channels: of the pictures.
        classes: their number.
        exclusive: softmax over the classes; otherwise a sigmoid for each.
        seed: of weights and dropout.
    """
    import keras
    from keras import layers

    if image_size < SMALLEST:
        raise ClassifierError(f"expected images of {SMALLEST} or more. Received: {image_size}")
    if keras.config.dtype_policy().name != "float32":
        # A run in bfloat16 is judged as any other.
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float32")
        try:
            return build(image_size, image_channels, classes, exclusive, seed)
        finally:
            keras.config.set_dtype_policy(policy)
    seeds = iter(np.random.SeedSequence(seed).generate_state(64))

    def drawn():
        return keras.initializers.GlorotUniform(seed=int(next(seeds)))

    def normalized(x, name=None):
        return layers.ReLU(name=name)(layers.BatchNormalization(momentum=0.9)(x))

    x = inputs = keras.Input((image_size, image_size, image_channels))
    filters = 32
    # Two of them at 28 and 32 pixels, three at 64, four at 96 and 128.
    while x.shape[1] > 8:
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=drawn())(x)
        x = normalized(layers.MaxPooling2D(2)(x))
        filters = min(2 * filters, 128)
    x = layers.Dense(DENSE, use_bias=False, kernel_initializer=drawn())(layers.Flatten()(x))
    x = normalized(x, name="features")
    x = layers.Dropout(0.3, seed=int(next(seeds)))(x)
    activation = "softmax" if exclusive else "sigmoid"
    outputs = layers.Dense(
        classes, activation=activation, kernel_initializer=drawn(), name="probabilities"
    )(x)
    return keras.Model(inputs, outputs, name="classifier")


def train(
    images: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    held_out: tuple[np.ndarray, np.ndarray],
    dataset: str,
    chosen: tuple[str, ...] | None = None,
    epochs: int | None = None,
    flip: bool = False,
    seed: int = 0,
    verbose: int = 0,
) -> Classifier:
    """Trains a classifier by Adam with a rate that falls to 0, and measures it.

    The same seed gives the same classifier, up to the rounding of the machine's kernels.

    Args:
        images: `(n, size, size, channels)`, uint8, or float32 in [-1, 1].
        labels: float32 `(n, classes)`, one-hot or multi-hot.
        names: of the classes.
        held_out: images and labels of the same form that are not trained on.
        dataset, chosen: name of the data and of the labels taken of it, kept with the classifier.
        epochs: passes over the images. Default: `default_epochs`.
        flip: mirror half of the pictures, where a mirrored one means the same.
        verbose: of Keras' `fit`.

    Raises `ClassifierError` for data that it cannot be trained on.
    """
    import keras
    import tensorflow as tf

    _check(images, labels, names)
    _check(*held_out, names)
    exclusive = bool(np.all(labels.sum(axis=1) == 1))
    size, channels = images.shape[1], images.shape[3]
    model = build(size, channels, len(names), exclusive, seed)
    epochs = epochs or default_epochs(len(images))
    steps = -(-len(images) // BATCH)
    kind = "categorical" if exclusive else "binary"
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * steps)
        ),
        loss=f"{kind}_crossentropy",
        jit_compile=False,
    )
    # Not `shuffle`, whose order depends on TensorFlow's global seed too.
    orders = np.stack(
        [np.random.default_rng([seed, epoch]).permutation(len(images)) for epoch in range(epochs)]
    )
    batches = tf.data.Dataset.from_tensor_slices(orders).flat_map(
        lambda order: tf.data.Dataset.from_tensor_slices(order).batch(BATCH)
    )

    def gather(rows):
        batch = as_float(images[rows])
        if flip:
            mirrored = np.random.default_rng([seed, *rows[:2]]).random(len(rows)) < 0.5
            batch[mirrored] = batch[mirrored, :, ::-1]
        return batch, labels[rows].astype(np.float32)

    def load_batch(rows):
        batch, asked = tf.numpy_function(gather, [rows], [tf.float32, tf.float32])
        return tf.ensure_shape(batch, (None, size, size, channels)), tf.ensure_shape(
            asked, (None, len(names))
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
        exclusive=exclusive,
        image_size=size,
        image_channels=channels,
        accuracy=0.0,
        images=len(images),
        epochs=epochs,
        seed=seed,
        dataset=dataset,
        labels=chosen and tuple(chosen),
    )
    classifier = Classifier(model, facts)
    found = classifier.predict(as_float(held_out[0]))
    accuracy = conditional_accuracy(held_out[1], found)
    classifier.facts = dataclasses.replace(facts, accuracy=accuracy)
    return classifier


def default_epochs(images: int) -> int:
    """How often so many images are looked at."""
    return min(max(round(STEPS * BATCH / images), LEAST_EPOCHS), MOST_EPOCHS)


def load(folder: str | Path) -> Classifier:
    """The classifier that `save` wrote. Raises `ClassifierError` where there is none, or damage."""
    folder = Path(folder)
    facts, digest = read_facts(folder)
    try:
        found = sha256(folder / WEIGHTS)
    except OSError as error:
        raise ClassifierError(f"expected {folder / WEIGHTS}. Received: {error.strerror}") from None
    if found != digest:
        raise ClassifierError(
            f"expected {folder / WEIGHTS} with the sha256 that {FACTS} names. Received: {found}"
        )
    model = build(facts.image_size, facts.image_channels, len(facts.classes), facts.exclusive)
    try:
        with warnings.catch_warnings():
            # Of other weights Keras warns in pages before it raises.
            warnings.simplefilter("ignore")
            model.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ClassifierError(f"expected weights of {folder / FACTS}. Received: {reason}") from None
    return Classifier(model, facts)


def read_facts(folder: str | Path) -> tuple[Facts, str]:
    """What `classifier.json` says, and the sha256 of the weights; TensorFlow is not imported.

    Raises `ClassifierError` where there is no readable one.
    """
    path = Path(folder) / FACTS
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        digest = record.pop("sha256")
        labels = record.get("labels")
        record["labels"] = labels and tuple(map(str, labels))
        facts = Facts(**record | {"classes": tuple(map(str, record["classes"]))})
        if not (facts.classes and int(facts.image_size) >= SMALLEST and facts.image_channels >= 1):
            raise ValueError
    except FileNotFoundError:
        raise ClassifierError(
            f"expected the folder of a classifier. Received: {folder} without {FACTS}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ClassifierError(f"expected facts of a classifier. Received: {path}") from None
    return facts, digest


def existing(folder: str | Path, **wanted: Any) -> Facts | None:
    """The facts of the classifier in a folder, or None where there is none yet.

    Args:
        wanted: facts that it must have, by name.

    Raises `ClassifierError` for a classifier with other facts, and for a folder of other files.
    """
    folder = Path(folder)
    if not (folder / FACTS).exists():
        if folder.exists() and not folder.is_dir():
            raise ClassifierError(
                f"expected a folder for a classifier. Received: the file {folder}"
            )
        # What a process leaves that was killed before it had written all.
        strange = [p.name for p in folder.glob("*") if not p.name.lstrip(".").startswith("classif")]
        if strange:
            raise ClassifierError(
                f"expected a new folder or that of a classifier. Received: {folder}, which holds "
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
        raise ClassifierError(
            f"{folder} holds a classifier with other settings: {', '.join(differing)}; give the "
            "same ones, or another folder"
        )
    return facts


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def as_float(images: np.ndarray) -> np.ndarray:
    """float32 in [-1, 1], from uint8 or from such."""
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 127.5 - 1.0
    return np.asarray(images, np.float32)


def _check(images: np.ndarray, labels: np.ndarray, names: tuple[str, ...]):
    if np.ndim(images) != 4 or images.shape[1] != images.shape[2] or not len(images):
        raise ClassifierError(
            f"expected square images (n, size, size, channels). Received: {np.shape(images)}"
        )
    if np.shape(labels) != (len(images), len(names)):
        raise ClassifierError(
            f"expected labels {(len(images), len(names))}. Received: {np.shape(labels)}"
        )
