"""A small network that is trained on a data set and kept in a folder: `classifier`, `segmentation`.

The folder of a classifier holds `classifier.weights.h5` and `classifier.json`, the facts about it
and the SHA-256 of the weights. The network is built from code and filled with numbers, after these
agree with the SHA-256. TensorFlow is imported by what computes, not by this module.
"""

import contextlib
import dataclasses
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from gans.command_line.files import replacing, write_text
from gans.data.images import to_float
from gans.features.torch_weights import sha256


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known about a network, of whatever kind.

    Attributes:
        classes: names, in the order of the network's outputs.
        image_size, image_channels: of the images.
        images: how many it was trained on.
        epochs: passes over them.
        seed: of weights, order and dropout.
        dataset: name of what it was trained on.
    """

    classes: tuple[str, ...]
    image_size: int
    image_channels: int
    images: int
    epochs: int
    seed: int
    dataset: str


class TrainedNetwork:
    """A trained network and what is known about it.

    Each kind of network is a subclass, which has also

    - `build(facts, seed=0)`, the `keras.Model` that facts describe, float32 `(n, size, size,
      channels)` in [-1, 1] to float32; the seed is of weights and dropout;
    - `check_size(image_size)` and `check_labels(labels, images, classes)`, which raise `error`;
    - `loss()`, the loss of Keras that it is trained by;
    - `measure(images, labels)`, the facts that are measured on held-out images.

    Attributes:
        kind: "classifier", for instance: the name of the files.
        facts_type: a subclass of `Facts`.
        error: raised where a network cannot be trained or read; the message is one line.
        batch_size, learning_rate: images in a step, and the rate of the first step.
        steps, least_epochs, most_epochs: as many epochs as make so many steps, within limits.

    Args:
        model: from `build`, filled.
        facts: of its training.
    """

    kind: ClassVar[str]
    facts_type: ClassVar[type[Facts]]
    error: ClassVar[type[Exception]]
    batch_size: ClassVar[int]
    learning_rate: ClassVar[float]
    steps: ClassVar[int]
    least_epochs: ClassVar[int]
    most_epochs: ClassVar[int]

    def __init__(self, model: Any, facts: Any):
        self.model, self.facts = model, facts

    @classmethod
    def train(
        cls,
        images: np.ndarray,
        labels: np.ndarray,
        names: tuple[str, ...],
        held_out: tuple[np.ndarray, np.ndarray],
        dataset: str,
        /,
        *,
        epochs: int | None = None,
        flip: bool = False,
        seed: int = 0,
        verbose: int = 0,
        **facts: Any,
    ) -> Self:
        """Trains a network by Adam with a rate that falls to 0, and measures it.

        The same seed gives the same network, up to the rounding of the machine's kernels.

        Args:
            images: `(n, size, size, channels)`, uint8, or float32 in [-1, 1].
            labels: as `check_labels` takes them.
            names: of the classes.
            held_out: images and labels of the same form that are not trained on.
            dataset: name of the data, kept with the network.
            epochs: passes over the images. Default: `default_epochs`.
            flip: mirror half of the images, and maps of labels with them.
            seed: of weights, dropout, order, and of what is mirrored.
            verbose: of Keras' `fit`.
            facts: others that are kept with the network.

        Raises `error` for data that it cannot be trained on.
        """
        for some, of_some in ((images, labels), held_out):
            if np.ndim(some) != 4 or some.shape[1] != some.shape[2] or not len(some):
                raise cls.error(
                    f"expected square images (n, size, size, channels). Received: {np.shape(some)}"
                )
            cls.check_labels(of_some, some, len(names))
        known = cls.facts_type(
            classes=tuple(names),
            image_size=images.shape[1],
            image_channels=images.shape[3],
            images=len(images),
            epochs=epochs or cls.default_epochs(len(images)),
            seed=seed,
            dataset=dataset,
            **facts,
        )
        network = cls(cls.build(known, seed), known)
        network._fit(images, labels, flip, verbose)
        network.facts = dataclasses.replace(known, **network.measure(*held_out))
        return network

    @classmethod
    def default_epochs(cls, images: int) -> int:
        """Passes over so many images, where nothing else is said."""
        epochs = round(cls.steps * cls.batch_size / images)
        return min(max(epochs, cls.least_epochs), cls.most_epochs)

    def _fit(self, images: np.ndarray, labels: np.ndarray, flip: bool, verbose: int):
        import keras
        import tensorflow as tf

        epochs, steps = self.facts.epochs, -(-len(images) // self.batch_size)
        rate = keras.optimizers.schedules.CosineDecay(self.learning_rate, epochs * steps)
        self.model.compile(keras.optimizers.Adam(rate), loss=self.loss(), jit_compile=False)
        arrays = (images, np.float32), (labels, np.float32 if labels.ndim == 2 else np.int32)
        batches = tf.data.Dataset.from_generator(
            lambda: self.batches(images, labels, flip),
            output_signature=tuple(
                tf.TensorSpec((None, *array.shape[1:]), dtype) for array, dtype in arrays
            ),
        )
        self.model.fit(
            batches.prefetch(2),
            epochs=epochs,
            steps_per_epoch=steps,
            verbose=verbose,
            shuffle=False,
        )

    def batches(
        self, images: np.ndarray, labels: np.ndarray, flip: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Float32 images in [-1, 1] and their labels in all steps of the training, by the seed."""
        seed = self.facts.seed
        for epoch in range(self.facts.epochs):
            order = np.random.default_rng([seed, epoch]).permutation(len(images))
            for start in range(0, len(order), self.batch_size):
                rows = order[start : start + self.batch_size]
                some, of_some = to_float(images[rows]), labels[rows]
                if flip:
                    mirrored = np.random.default_rng([seed, *rows[:2]]).random(len(rows)) < 0.5
                    some[mirrored] = some[mirrored, :, ::-1]
                    if of_some.ndim > 2:  # A map is mirrored with its image.
                        of_some[mirrored] = of_some[mirrored, :, ::-1]
                yield some, of_some

    def call(self, function: Callable, images: np.ndarray, count: int) -> list[np.ndarray]:
        """What `function`, which gives a list of arrays, makes of all images.

        Args:
            function: of float32 images in [-1, 1].
            images: `(n, size, size, channels)`, uint8, or float in [-1, 1].
            count: images in a call; all calls are of this size, so that one graph is enough.

        Raises `ValueError` for images of another shape.
        """
        side, channels = self.facts.image_size, self.facts.image_channels
        if np.ndim(images) != 4 or np.shape(images)[1:] != (side, side, channels):
            raise ValueError(
                f"expected images (n, {side}, {side}, {channels}). Received: {np.shape(images)}"
            )
        padded, parts = np.zeros((count, side, side, channels), np.float32), []
        for start in range(0, max(len(images), 1), count):
            part = to_float(images[start : start + count])
            padded[: len(part)] = part
            parts.append([np.array(found)[: len(part)] for found in function(padded)])
        return [np.concatenate(found) for found in zip(*parts, strict=True)]

    def save(self, folder: str | Path):
        """Writes both files, each whole or not at all; the facts last."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / f"{self.kind}.weights.h5") as temporary:
            self.model.save_weights(temporary)
            record = dataclasses.asdict(self.facts) | {"sha256": sha256(temporary)}
        write_text(folder / f"{self.kind}.json", json.dumps(record, indent=2) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """What `save` wrote. Raises `error` where there is none, or where it is damaged."""
        facts, digest = cls.read_facts(folder)
        weights = Path(folder) / f"{cls.kind}.weights.h5"
        try:
            found = sha256(weights)
        except OSError as error:
            raise cls.error(f"expected {weights}. Received: {error.strerror}") from None
        if found != digest:
            raise cls.error(f"expected {weights} of SHA-256 {digest}. Received: {found}")
        model = cls.build(facts)
        try:
            with warnings.catch_warnings():
                # Of other weights Keras warns in pages before it raises.
                warnings.simplefilter("ignore")
                model.load_weights(weights)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise cls.error(
                f"expected the weights that {cls.kind}.json describes in {weights}. "
                f"Received: {reason}"
            ) from None
        return cls(model, facts)

    @classmethod
    def read_facts(cls, folder: str | Path) -> tuple[Any, str]:
        """The facts, and the SHA-256 of the weights; TensorFlow is not imported.

        Raises `error` where there are no readable ones.
        """
        path = Path(folder) / f"{cls.kind}.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            digest = record.pop("sha256")
            for name, value in record.items():
                record[name] = tuple(map(str, value)) if isinstance(value, list) else value
            facts = cls.facts_type(**record)
            cls.check_size(int(facts.image_size))
            if not (type(facts.classes) is tuple and facts.classes and facts.image_channels >= 1):
                raise ValueError
        except FileNotFoundError:
            raise cls.error(
                f"expected the folder of a {cls.kind}. Received: {folder} without {path.name}"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, cls.error):
            raise cls.error(f"expected facts of a {cls.kind}. Received: {path}") from None
        return facts, digest

    @classmethod
    def existing(cls, folder: str | Path, **wanted: Any) -> Any | None:
        """The facts of the network in a folder, or None where there is none yet.

        Args:
            wanted: facts that it must have, by name.

        Raises `error` for a network with other facts, and for a folder of other files.
        """
        folder = Path(folder)
        if not (folder / f"{cls.kind}.json").exists():
            if folder.exists() and not folder.is_dir():
                raise cls.error(f"expected a folder for a {cls.kind}. Received: the file {folder}")
            # A process that was killed before it had written all leaves files of this kind.
            strange = [path.name for path in folder.glob("*") if cls.kind not in path.name]
            if strange:
                raise cls.error(
                    f"expected a new folder or that of a {cls.kind}. Received: {folder}, which "
                    f"holds {min(strange)}"
                )
            return None
        facts, _ = cls.read_facts(folder)
        found = dataclasses.asdict(facts)
        differing = [
            f"{name} {found[name]!r} -> {value!r}"
            for name, value in wanted.items()
            if found[name] != value
        ]
        if differing:
            raise cls.error(
                f"{folder} holds a {cls.kind} with other settings: {', '.join(differing)}; give "
                "the same ones, or another folder"
            )
        return facts


@contextlib.contextmanager
def float32_layers() -> Iterator[None]:
    """Layers that are made meanwhile compute in float32: a run in bfloat16 is measured as any."""
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)


def draw_seeds(seed: int) -> Iterator[int]:
    """Seeds for the layers of a network, 64 of them."""
    return map(int, np.random.SeedSequence(seed).generate_state(64))
