"""Image files as sources: which folders of a data set there are, checked, and their pixels.

    DIR/train/*.jpg                    single images, or combined ones: A in the left half, B in
                                       the right
    DIR/trainA/*.jpg DIR/trainB/*.jpg  one folder per domain

The same of `val` or `test` is held out. NumPy files, `*.npy` of uint8 `(height, width, channels)`,
stand for images of any number of channels.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from gans.data.images import (
    DataError,
    check_files,
    damaged_images,
    is_array,
    list_images,
    no_folder,
    open_array,
)
from gans.data.stream import central_square, decode_image, naming_damage, resize, untuned


def held_out_split(data_dir: str | Path) -> str:
    """`"val"`, or `"test"`, or where there are neither, `"train"`."""
    return next((split for split in ("val", "test") if has_split(data_dir, split)), "train")


def has_split(data_dir: str | Path, split: str, domains: tuple[str, ...] = ("", "A", "B")) -> bool:
    """Whether a folder has a split in any layout; or in those where a domain ends its name."""
    return any((Path(data_dir) / f"{split}{domain}").is_dir() for domain in domains)


class Files:
    """What the sources that are image files have in common; they add `paths` and `decode`."""

    random_access = True

    def __len__(self) -> int:
        return len(self.names)

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes by name: tells whether a run goes on with the data it began with."""
        return {name: os.path.getsize(p) for name, p in zip(self.names, self.paths, strict=True)}

    def times(self) -> list[int]:
        """An image that was edited may have as many bytes as before."""
        return [os.stat(path).st_mtime_ns for path in self.paths]

    def decoded(self, indices: Iterable[int], size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Chosen elements, each with its index."""
        with naming_damage(self):
            yield from decoded_by_index(self, indices, size)

    def damage_report(self) -> DataError | None:
        """The error that names every file that does not decode, or None where all do."""
        bad = damaged_images([Path(path) for path in self.paths])
        names = ", ".join(str(path) for path in bad[:10])
        if not bad:
            return None
        return DataError(f"expected images that decode. Received {len(bad)} damaged: {names}")


def decoded_by_index(source, indices, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Chosen elements of a source with a method `decode`, each with its index."""
    elements = tf.data.Dataset.from_tensor_slices(np.array(list(indices), np.int64)).map(
        lambda index: (index, source.decode(index, size)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    yield from untuned(elements).as_numpy_iterator()


@dataclass(frozen=True)
class ImageFiles(Files):
    """Files with one image each, checked.

    Attributes:
        names: relative path of each image, sorted.
        paths: file of each.
        depth: channels of the files.
        part: what of the file is the image: all of it, or one half.
        square: whether only the largest square in its middle is taken.
        labels: float32 `(n, k)`, or None.
        label_names: k names.
        without: images of the folder that have no labels, here or left out.
        left_out: whether they are.
    """

    names: tuple[str, ...]
    paths: tuple[str, ...]
    depth: int = 3
    part: Literal["whole", "left", "right"] = "whole"
    square: bool = False
    labels: np.ndarray | None = field(default=None, compare=False)
    label_names: tuple[str, ...] = ()
    without: int = 0
    left_out: bool = False

    @property
    def channels(self) -> tuple[int]:
        """Of an image."""
        return (self.depth,)

    @property
    def luma(self) -> tuple[bool]:
        """Whether it is RGB that may be asked for as grey."""
        return (not is_array(self.paths[0]),)

    def identity(self) -> list:
        """What tells two caches apart, beside the size of the images."""
        return ["images", self.fingerprint(), self.times(), self.part, self.square]

    def decode(self, index, size: int) -> tf.Tensor:
        """The image at `index`, an int or a scalar tensor, as uint8 `(size, size, channels)`."""
        image = read_pixels(self.paths, index, self.depth)
        if self.part != "whole":
            middle = tf.shape(image)[1] // 2
            image = image[:, :middle] if self.part == "left" else image[:, middle:]
        return resize(central_square(image) if self.square else image, size)


def open_folder(
    folder: Path, expected: str | None = None
) -> tuple[ImageFiles, list[tuple[int, int]]]:
    """All images below a folder, and the (width, height) of each.

    Args:
        expected: where an error says that images were looked for. Default: the folder.

    Raises `DataError`, one line, for a folder without images, and for files that are no upright
    8-bit images or arrays.
    """
    names = list_images(folder, arrays=True)
    if not names:
        raise DataError(
            f"expected images in {expected or folder}. "
            f"Received: {'an empty folder' if folder.is_dir() else no_folder(folder)}"
        )
    paths = [folder / name for name in names]
    sizes, depth = check_files(paths)
    return ImageFiles(tuple(names), tuple(map(str, paths)), depth), sizes


def read_pixels(paths: tuple[str, ...], index, channels: int) -> tf.Tensor:
    """The image file at `index`, an int or scalar tensor: uint8 `(height, width, channels)`."""
    path = tf.gather(tf.constant(paths), index)
    if is_array(paths[0]):
        image = tf.numpy_function(
            lambda path: np.ascontiguousarray(open_array(path.decode())),
            [path],
            tf.uint8,
            stateful=False,
        )
    else:
        image = decode_image(tf.io.read_file(path), channels)
    return tf.ensure_shape(image, (None, None, channels))
