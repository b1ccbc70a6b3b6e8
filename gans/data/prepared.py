"""Data sets that TensorFlow Datasets has prepared, in place of folders of images.

Pairs of `gans.data.paired_images`, which has features `image_a` and `image_b`, unpaired ones of
`cycle_gan`, which has splits `trainA` and `trainB` with a feature `image`, and single ones, with
labels, of any set with a feature `image`, such as MNIST. Only what is on the disk is read; nothing
is downloaded. Needs `pip install gans[tfds]`.
"""

import contextlib
import difflib
import functools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gans.data import datasets
from gans.data.data_settings import Direction
from gans.data.images import DataError
from gans.data.labels import one_hot
from gans.data.stream import central_square, decode_image, resize, untuned

# Given as a split: the first that a set has of those after it.
HELD_OUT = "held_out"
HELD_OUT_SPLITS = ("validation", "val", "test", "train")


@dataclass(frozen=True, eq=False)
class PreparedImages:
    """Images or pairs of one split, in the order of their names.

    TensorFlow Datasets stores examples in an order of its own and gives no access by index: they
    are read in one go, into the cache.

    Attributes:
        builder: a `tfds.core.DatasetBuilder` whose data is on the disk.
        split: its split.
        features: those that are the images of an element, in this order.
        first, end: which of the elements, in the order of their names.
        square: whether only the largest square in the middle of an image is taken.
        labelled: whether there are labels: the classes of a feature `label`, or the booleans of a
            feature `attributes` that hold.
    """

    builder: Any
    split: str
    features: tuple[str, ...]
    first: int = 0
    end: int | None = None
    square: bool = False
    labelled: bool = False

    random_access = False

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """One per element: the feature `name`, or the place within the split."""
        return tuple(sorted(self._stored_names)[self.first : self.end])

    @functools.cached_property
    def _stored_names(self) -> list[str]:
        """Of the whole split, in the order in which it is stored."""
        if "name" not in self.builder.info.features:
            return [f"{self.split}/{place:08}" for place in range(self._info.num_examples)]
        names = self._read().map(lambda example: example["name"])
        with self._naming_records():
            return [name.decode() for name in untuned(names).as_numpy_iterator()]

    @property
    def _info(self):
        return self.builder.info.splits[self.split]

    @property
    def channels(self) -> tuple[int, ...]:
        """Of each image of an element."""
        return tuple(self.builder.info.features[name].shape[-1] for name in self.features)

    @property
    def luma(self) -> tuple[bool, ...]:
        """Whether they are RGB that may be asked for as grey."""
        return tuple(channels == 3 for channels in self.channels)

    def __len__(self) -> int:
        return len(range(self._info.num_examples)[self.first : self.end])

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes of the files of the split by name: tells whether the data is the same."""
        return {Path(path).name: os.path.getsize(path) for path in self._info.filepaths}

    def identity(self) -> list:
        """What tells two caches apart, beside the size of the images."""
        times = [os.stat(path).st_mtime_ns for path in self._info.filepaths]
        part = [self.features, self.first, self.end, self.square]
        return [self.builder.info.full_name, self.fingerprint(), times, part]

    def decoded(self, indices: Iterable[int], size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Chosen elements, each with its index: uint8 `(size, size, channels)`."""
        index_of = {name: index for index, name in enumerate(self.names)}
        wanted = set(indices)
        stored = np.array([index_of.get(name, -1) for name in self._stored_names])
        stored[~np.isin(stored, list(wanted))] = -1

        def decode(index, example):
            images = []
            for name in self.features:
                # Images of a known size that is the one asked for go through untouched.
                shape = self.builder.info.features[name].shape
                image = tf.ensure_shape(decode_image(example[name], shape[-1]), shape)
                images.append(resize(central_square(image) if self.square else image, size))
            return index, tf.concat(images, axis=-1)

        examples = tf.data.Dataset.zip(tf.data.Dataset.from_tensor_slices(stored), self._read())
        elements = examples.filter(lambda index, _: index >= 0).map(
            decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        with self._naming_records():
            for batch in untuned(elements.take(len(wanted)).batch(16)).as_numpy_iterator():
                yield from zip(*batch, strict=True)

    def damage_report(self) -> None:
        """No file of an image of its own could be named."""

    @contextlib.contextmanager
    def _naming_records(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.DataLossError as error:
            raise DataError(
                f"expected records that are whole in {self.builder.data_dir}. "
                f"Received: {' '.join(error.message.split())[:200]}"
            ) from None

    def _read(self) -> tf.data.Dataset:
        """All examples in the order in which they are stored, their images encoded."""
        tfds = import_tfds()
        images = (
            name
            for name, feature in self.builder.info.features.items()
            if isinstance(feature, tfds.features.Image)
        )
        return self.builder.as_dataset(
            split=self.split,
            shuffle_files=False,
            # One file after the other: the order is the same at each reading.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
            decoders={name: tfds.decode.SkipDecoding() for name in images},
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """Classes, in their order, or attributes, sorted."""
        if not self.labelled:
            return ()
        features = self.builder.info.features
        if "label" in features:
            return tuple(features["label"].names)
        return tuple(sorted(features["attributes"]))

    @functools.cached_property
    def labels(self) -> np.ndarray | None:
        """Float32 `(n, k)`, or None."""
        if not self.labelled:
            return None
        names = self.label_names
        if "label" in self.builder.info.features:
            examples = self._read().map(lambda example: example["label"])
        else:
            examples = self._read().map(
                lambda example: tf.stack([example["attributes"][name] for name in names])
            )
        with self._naming_records():
            stored = np.concatenate(list(untuned(examples.batch(1024)).as_numpy_iterator()))
        order = sorted(range(len(stored)), key=self._stored_names.__getitem__)
        stored = stored[order][self.first : self.end]
        if stored.ndim == 2:
            return stored.astype(np.float32)
        # A test set whose classes are kept secret has -1.
        if stored.min() < 0:
            raise DataError(
                f"expected labels in the split {self.split} of {self.builder.info.full_name}. "
                f"Received: class {stored.min()}"
            )
        return one_hot(stored, len(names))


def prepared_images(
    name: str, tfds_dir: str | Path | None = None, split: str = "train", labelled: bool = False
) -> PreparedImages:
    """The single images of one split, for `gans.data.labelled`.

    Args:
        name: of a set with a feature `image`; a version may follow after a colon.
        tfds_dir: folder that `tfds build` wrote to. Default: TensorFlow Datasets' own.
        split: of the set; `HELD_OUT` is its `validation`, `val` or `test`, or where there is none
            of them, `train`.
        labelled: labels are needed.

    Raises `DataError`, one line, where the set is not prepared or has no such split, images or
    labels.
    """
    builder = open_prepared(name, tfds_dir)
    features = _features(builder, name, "image")
    if labelled:
        _check_labels(builder, name)
    split = _find_split(builder, name, split)
    return PreparedImages(builder, split, features, square=True, labelled=labelled)


def _check_labels(builder, name: str):
    features, kinds = dict(builder.info.features.items()), import_tfds().features
    attributes = features.get("attributes")
    booleans = isinstance(attributes, kinds.FeaturesDict) and all(
        feature.np_dtype == np.bool_ and not feature.shape for feature in attributes.values()
    )
    if not isinstance(features.get("label"), kinds.ClassLabel) and not booleans:
        raise DataError(
            f"expected a class `label` or boolean `attributes` in {name}. "
            f"Received: {', '.join(sorted(features))}"
        )


def prepared_pairs(
    name: str,
    tfds_dir: str | Path | None = None,
    split: str = "train",
    direction: Direction = "a_to_b",
) -> PreparedImages:
    """The pairs of one split, for `gans.data.pairs`.

    Args:
        name: `paired_images/CONFIG`, or any set with features `image_a` and `image_b`.
        tfds_dir, split: as in `prepared_images`.
        direction: `"b_to_a"` exchanges the two.

    Raises `DataError` likewise.
    """
    builder = open_prepared(name, tfds_dir)
    features = _features(builder, name, "image_a", "image_b")
    split = _find_split(builder, name, split)
    return PreparedImages(builder, split, features if direction == "a_to_b" else features[::-1])


def prepared_domains(
    name: str,
    tfds_dir: str | Path | None = None,
    name_b: str | None = None,
    split: str = "train",
    direction: Direction = "a_to_b",
    disjoint: bool = False,
) -> tuple[PreparedImages, PreparedImages]:
    """The two domains of one split, for `gans.data.unpaired`.

    Args:
        name: a set with splits `trainA` and `trainB`, such as `cycle_gan/horse2zebra`, or a set of
            pairs.
        tfds_dir, split: as in `prepared_images`; the split without the letter of a domain.
        name_b: a second set of pairs: A are the photos (`image_b`) of the first and B those of the
            second.
        direction: `"b_to_a"` exchanges the two.
        disjoint: of pairs, A is taken from the first half and B from the second.

    Raises `DataError` likewise.
    """
    builder = open_prepared(name, tfds_dir)
    if name_b is not None:
        domains = tuple(
            PreparedImages(
                builder, _find_split(builder, name, split), _features(builder, name, "image_b")
            )
            for name, builder in ((name, builder), (name_b, open_prepared(name_b, tfds_dir)))
        )
    elif "trainA" in builder.info.splits:
        splits = [_find_split(builder, name, split, domain) for domain in "AB"]
        features = _features(builder, name, "image")
        domains = tuple(PreparedImages(builder, split, features) for split in splits)
    else:
        split = _find_split(builder, name, split)
        features = _features(builder, name, "image_a", "image_b")
        domains = tuple(PreparedImages(builder, split, (feature,)) for feature in features)
        if disjoint:
            half = len(domains[0]) // 2
            domains = replace(domains[0], end=half), replace(domains[1], first=half)
    return domains if direction == "a_to_b" else domains[::-1]


def open_prepared(name: str, tfds_dir: str | Path | None):
    """The `tfds.core.DatasetBuilder` of a set on the disk: `NAME[/CONFIG][:VERSION]`.

    Raises `DataError` where TensorFlow Datasets is not installed or the set is not prepared.
    """
    tfds = import_tfds()
    root = Path(tfds_dir or tfds.core.constants.DATA_DIR).expanduser()
    name, _, version = name.partition(":")
    folder = root / name
    versions = [
        path
        for path in folder.glob(version or "[0-9]*.[0-9]*.[0-9]*")
        if (path / "dataset_info.json").is_file()
    ]
    if not versions:
        source = "gans/data/paired_images.py" if name.startswith("paired_images") else name
        config = f" --config={name.split('/')[1]}" if "/" in name and source != name else ""
        received = f"no version {version}".rstrip() if folder.is_dir() else "no such folder"
        # Only now: emnist is no slip, and neither is cifar100.
        similar = difflib.get_close_matches(name, datasets.DATASETS, n=1, cutoff=0.75)
        if similar and similar[0] != name:
            received += f"; did you mean {similar[0]}?"
        raise DataError(
            f"expected a prepared data set in {folder}; `tfds build {source}{config} "
            f"--data_dir={root}` prepares it once. Received: {received}"
        )
    newest = max(versions, key=lambda path: tfds.core.Version(path.name))
    return tfds.builder_from_directory(newest)


def import_tfds():
    """The module `tensorflow_datasets`, or a `DataError` that says how to get it."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise DataError(
            "prepared data sets need TensorFlow Datasets: pip install gans[tfds]. "
            f"Received: {error}"
        ) from None
    return tensorflow_datasets


def _features(builder, name: str, *wanted: str) -> tuple[str, ...]:
    """`wanted`, checked to be images that can be read."""
    images = {
        feature: image
        for feature, image in builder.info.features.items()
        if isinstance(image, import_tfds().features.Image)
    }
    readable = [
        feature
        for feature, image in images.items()
        if image.np_dtype == np.uint8 and image.shape[-1] in (1, 3)
    ]
    if not set(wanted) <= set(readable):
        found = ", ".join(
            f"{feature} ({np.dtype(image.np_dtype)} of shape {image.shape})"
            for feature, image in images.items()
        )
        raise DataError(
            f"expected 8-bit grey or RGB images {' and '.join(wanted)} in {name}. "
            f"Received: {found or 'no images'}"
        )
    return wanted


def _find_split(builder, name: str, split: str, domain: str = "") -> str:
    choice = HELD_OUT_SPLITS if split == HELD_OUT else (split,)
    for candidate in choice:
        if candidate + domain in builder.info.splits:
            return candidate + domain
    found = ", ".join(sorted(builder.info.splits))
    raise DataError(f"expected a split {split}{domain} in {name}. Received: {found}")
