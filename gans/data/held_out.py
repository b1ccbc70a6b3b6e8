"""What a finished run is measured against: images that it was not trained on, and such of its
training set, without augmentation.

Where they are is in the run's settings, or in flags that go over these.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gans.data.images import DataError, to_uint8

# Numbers that the images of a classifier may amount to: 1 GB as float32, all of MNIST.
MOST_NUMBERS = 2**28


@dataclass(frozen=True)
class HeldOut:
    """Where the images of a run are, and what is known about them.

    Attributes:
        settings: of the run, with `data_dir` and `data_dir_b` as the flags have them.
    """

    settings: dict[str, Any]

    @classmethod
    def of(
        cls, settings: dict[str, Any], data_dir: str | None, data_dir_b: str | None
    ) -> "HeldOut":
        """Of the images that the run was trained on, or of other folders.

        Raises `DataError` where the folders that are given do not fit the run.
        """
        second = settings.get("data_dir_b") or settings.get("tfds_b")
        if data_dir and settings.get("tfds_b") and not data_dir_b:
            raise DataError("--data_dir of this run expects --data_dir_b. Received: none")
        if data_dir_b and not second:
            raise DataError(
                f"--data_dir_b is for a run of two folders. Received: {data_dir_b} with a run of "
                f"{settings.get('data_dir') or settings.get('tfds')}"
            )
        settings = dict(settings)
        if data_dir:
            settings |= {"data_dir": data_dir, "tfds": None, "tfds_b": None}
        if data_dir_b:
            settings |= {"data_dir_b": data_dir_b}
        return cls(settings)

    @property
    def folders(self) -> list[Path]:
        """Of the images, one or two; none of a prepared set."""
        folders = (self.settings.get("data_dir"), self.settings.get("data_dir_b"))
        return [Path(folder) for folder in folders if folder]

    @property
    def second(self) -> str | None:
        """Where the second domain's photos are, or None: A and B are in one place."""
        return self.settings.get("data_dir_b") or self.settings.get("tfds_b")

    @property
    def paints_photos(self) -> bool:
        """Whether B is a photo: not so where photos are made into sketches."""
        return bool(self.second) or self.settings.get("direction") != "b_to_a"

    def load(self, gan, two_ways: bool, count: int) -> dict[str, tuple[np.ndarray, ...]]:
        """By direction: at most `count` sources, the targets, and as many training images of the
        target domain, or none where there are fewer.

        Raises `DataError` for data that cannot be used.
        """
        from gans.data.pairs import load_pairs
        from gans.data.unpaired import load_unpaired

        find = self.find_domains if two_ways else self.find_pairs
        held_out, training = find("held_out"), find("train")
        options = (gan.image_size, gan.image_channels, gan.photo_channels)
        if two_ways:
            images_a, images_b = load_unpaired(*held_out, count, *options)
            enough = min(map(len, training)) >= len(images_a)
            others = load_unpaired(*training, len(images_a), *options) if enough else ((), ())
        else:
            indices = list(range(min(count, len(held_out))))
            images_a, images_b = load_pairs(held_out, indices, *options)
            enough = len(training) >= len(indices)
            others = load_pairs(training, indices, *options) if enough else ((), ())
        return {
            "a_to_b": (images_a, images_b, others[1]),
            "b_to_a": (images_b, images_a, others[0]),
        }

    def find_pairs(self, split: Literal["train", "held_out"]):
        """The source of pairs of a split."""
        from gans.data import pairs, prepared

        where, direction = self.settings, self.settings.get("direction") or "a_to_b"
        if where.get("tfds"):
            return prepared.prepared_pairs(where["tfds"], where["tfds_dir"], split, direction)
        if split == "train":
            return pairs.find_pairs(where["data_dir"], split, direction)
        return pairs.find_validation(where["data_dir"], direction)

    def find_domains(self, split: Literal["train", "held_out"]):
        """The sources of both domains of a split."""
        from gans.data import prepared, unpaired

        where, direction = self.settings, self.settings.get("direction") or "a_to_b"
        if where.get("tfds"):
            names = (where["tfds"], where["tfds_dir"], where["tfds_b"])
            return prepared.prepared_domains(*names, split, direction)
        folders = (where["data_dir"], where["data_dir_b"])
        if split == "train":
            return unpaired.find_domains(*folders, split, direction)
        return unpaired.find_validation(*folders, direction)


def load_singles(
    settings: dict[str, Any], count: int, labelled: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """At most `count` held-out single images, as many of the training set, and labels.

    Images are float32 `(n, size, size, channels)` in [-1, 1], taken at even distances: the first
    ones of a set may be of one kind. Of the training set there are none
    where there are fewer, or where nothing was held out. Labels are all rows of the held-out
    images, float32 `(m, k)`, or None.

    Args:
        settings: of the run, with `data_dir` as the flags have it.
        count: of the images.
        labelled: whether there are labels.

    Raises `DataError` for data that cannot be used.
    """
    from gans.data.stream import load
    from gans.data.training_data import single_sources

    training, held_out = single_sources(settings, labelled)
    size, channels = (settings["constructor"][f"image_{name}"] for name in ("size", "channels"))

    def spread(source, count):
        indices = np.arange(count) * len(source) // count
        return load(source, indices.tolist(), size, {"image_channels": channels})[0]

    real = spread(held_out, min(count, len(held_out)))
    apart = training.identity() != held_out.identity() and len(training) >= len(real)
    others = spread(training, len(real)) if apart else real[:0]
    return real, others, held_out.labels if labelled else None


def classifier_images(settings: dict[str, Any], size: int, channels: int) -> tuple:
    """What a classifier learns from: `(images, labels)`, the same of held-out images, and names.

    Images are uint8 `(n, size, size, channels)`, labels float32 `(n, k)`; of very many images some
    at even distances. Where nothing is held out, every tenth image is.

    Args:
        settings: as `gans.data.training_data.single_sources` takes them.
        size, channels: of the images.

    Raises `DataError` for data that cannot be used, or that has no labels.
    """
    from gans.data.stream import check_channels, naming_damage
    from gans.data.training_data import single_sources

    training, held_out = single_sources(settings, labelled=True)
    check_channels(training, {"image_channels": channels})
    check_channels(held_out, {"image_channels": channels})
    sets = []
    with naming_damage(training, held_out):
        for source in (training, held_out):
            most = max(1, MOST_NUMBERS // (size * size * channels))
            indices = np.arange(0, len(source), -(-len(source) // most))
            sets.append((_pixels(source, indices, size, channels), source.labels[indices]))
    if training.identity() == held_out.identity():
        images, labels = sets[0]
        tenth = np.arange(len(images)) % 10 == 0
        sets = [(images[~tenth], labels[~tenth]), (images[tenth], labels[tenth])]
    if not len(sets[0][0]):
        raise DataError("expected at least 2 images with labels. Received: 1")
    return (*sets, tuple(training.label_names))


def _pixels(source, indices: np.ndarray, size: int, channels: int) -> np.ndarray:
    from gans.data.stream import normalize

    elements = np.empty((len(indices), size, size, source.channels[0]), np.uint8)
    place_of = {int(index): place for place, index in enumerate(indices)}
    for index, element in source.decoded(list(place_of), size):
        elements[place_of[int(index)]] = element
    if channels == elements.shape[-1]:
        return elements
    grey = np.empty((*elements.shape[:-1], channels), np.uint8)
    for start in range(0, len(grey), 1000):
        part = slice(start, start + 1000)
        grey[part] = to_uint8(normalize(elements[part], channels))
    return grey
