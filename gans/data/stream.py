"""From the images of a source to one endless stream, each cropped and mirrored by chance.

Nothing here has a state. The element at position p of the stream, its crop and its flip are
functions of (seed, p) alone, so a stream starts anywhere at once, is the same whatever the number
of parallel calls, and nothing of it needs to be saved with a checkpoint.

A source is what `gans.data.sources` finds. Its element is one image or a pair that is cropped and
mirrored as one, held as uint8 `(size, size, channels)` with the channels of A before those of B.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from gans.command_line.files import replacing
from gans.data.data_settings import Preparation
from gans.data.images import DataError

# Share of the available memory that `cache="auto"` may fill with decoded images.
CACHE_SHARE = 0.25


class Source(Protocol):
    """Images in an order, checked.

    Attributes:
        names: one per element.
        channels: of each image of an element.
        luma: per image, whether it is RGB that may be asked for as grey.
        random_access: whether `decode` exists; otherwise the elements are read in one go.
    """

    names: tuple[str, ...]
    channels: tuple[int, ...]
    luma: tuple[bool, ...]
    random_access: bool

    def __len__(self) -> int: ...

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes by name: tells whether a run goes on with the data it began with."""

    def identity(self) -> list:
        """What tells two caches apart, beside the size of the images."""

    def decode(self, index, size: int) -> tf.Tensor:
        """The element at `index`, an int or a scalar tensor, as uint8 `(size, size, channels)`."""

    def decoded(self, indices: Iterable[int], size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Chosen elements, each with its index, in any order."""

    def damage_report(self) -> DataError | None:
        """The error that names every file that does not decode, or None where all do."""


@contextlib.contextmanager
def naming_damage(*sources: Source) -> Iterator[None]:
    """Turns TensorFlow's error about an image that does not decode into one that names the file."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        reports = filter(None, (source.damage_report() for source in sources))
        raise next(reports, error) from None


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same elements without tf.data's tuner, which makes nothing here faster.

    Its thread sleeps for up to a minute, and an iterator cannot be deleted before it wakes up
    (TensorFlow 2.21): now and then a finished run would hang.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def decode_image(data, channels: int) -> tf.Tensor:
    """The bytes of a JPEG or PNG as uint8 `(height, width, channels)`."""
    # Decodes PNG too. Accurate: the default method is up to 16 grey levels off.
    return tf.io.decode_jpeg(data, channels=channels, dct_method="INTEGER_ACCURATE")


def central_square(image) -> tf.Tensor:
    """The largest square in the middle of an image `(height, width, channels)`."""
    image = tf.convert_to_tensor(image)
    if image.shape[0] is not None and image.shape[0] == image.shape[1]:
        return image
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def resize(image, size: int) -> tf.Tensor:
    """Bicubic to `(size, size, channels)` uint8, low-passed when it shrinks, as Pillow's."""
    image = tf.convert_to_tensor(image)
    if image.shape[:2] == (size, size):
        return image
    # Pillow clips after each direction; at the lines of a sketch that makes 20 grey levels.
    for shape in ((tf.shape(image)[0], size), (size, size)):
        resized = tf.image.resize(image, shape, method="bicubic", antialias=True)
        image = tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
    return image


def normalize(image, channels: int) -> tf.Tensor:
    """uint8 to float32 in [-1, 1] with as many channels, or from RGB with 1: the luma."""
    found = image.shape[-1]
    image = tf.cast(image, tf.float32) / 127.5 - 1.0
    if channels == found:
        return image
    if (found, channels) != (3, 1):
        raise ValueError(f"expected images of {channels} channels. Received: {found}")
    # `tf.image.rgb_to_grayscale` has weights that sum to 0.9999.
    return tf.reduce_sum(image * (0.299, 0.587, 0.114), axis=-1, keepdims=True)


def check_enough(source: Source, count: int, kind: str = "images"):
    """Raises `DataError` unless a source has as many elements as a step takes of it."""
    if len(source) < count:
        raise DataError(
            f"expected at least {count} {kind}, which a step takes. Received: {len(source)}; "
            "lower --batch_size"
        )


def check_channels(source: Source, asked: Mapping[str, int]):
    """Raises `DataError` unless the images have the channels that are asked for.

    Args:
        source: the images.
        asked: channels by name, one of each image of an element.
    """
    for (name, channels), found, luma in zip(
        asked.items(), source.channels, source.luma, strict=True
    ):
        if channels != found and not (luma and channels == 1):
            raise DataError(
                f"expected images of {channels} channels, as --{name} says. Received: images of "
                f"{found} channels" + (", which can be taken as 3 or 1" if luma else "")
            )


def augmented(
    source: Source, preparation: Preparation, channels: Mapping[str, int], first: int
) -> tf.data.Dataset:
    """The endless stream of batches from the element at `first` on: `(images, indices)`.

    `images` is a tuple of as many float32 `(batch_size, image_size, image_size, channels)` in
    [-1, 1] as an element has images, `indices` int64 `(batch_size,)` those of the elements. Every
    pass is a new permutation. Where the decoded elements are held, a batch is prepared as one: at
    28x28 the same bytes come in a tenth of the time.

    Args:
        source: of the elements.
        preparation: how they are prepared; its `channels` are not looked at.
        channels: of each image, by the name of the setting that says so.
        first: position in the stream; costs nothing.

    Raises `DataError` where there are fewer elements than a batch takes, where the images have
    other channels, or, from the stream, where a file is damaged.
    """
    load_size, image_size = checked_load_size(preparation), preparation.image_size
    batch_size, flip, seed = preparation.batch_size, preparation.flip, preparation.seed
    check_enough(source, batch_size)
    check_channels(source, channels)
    stored = cached(source, load_size, preparation.cache, preparation.cache_dir)
    # The number of threads changes nothing but the speed.
    parallel_calls = preparation.parallel_calls or tf.data.AUTOTUNE
    calls = {"num_parallel_calls": parallel_calls, "deterministic": True}
    end = np.iinfo(np.int64).max
    if stored is None:
        prepare = _element(source, stored, preparation, channels)
        elements = tf.data.Dataset.range(first, end).map(prepare, **calls)
        return elements.batch(batch_size, drop_remainder=True)
    shape = (batch_size, image_size, image_size, sum(source.channels))

    def take(indices, draws, corners):
        # Indexed by an array: a copy.
        elements = np.asarray(stored[indices])
        if load_size > image_size:
            sides = [(slice(y, y + image_size), slice(x, x + image_size)) for y, x in corners]
            elements = np.stack([element[s] for element, s in zip(elements, sides, strict=True)])
        if flip:
            mirrored = draws[:, 2] < 0.5
            elements[mirrored] = elements[mirrored, :, ::-1]
        return elements

    def prepare_batch(start):
        positions = start + tf.range(batch_size, dtype=tf.int64)
        indices = shuffled(seed, positions, len(source))
        draws = tf.zeros((batch_size, 3))
        if flip or load_size > image_size:
            # One by one, for their seed is a scalar; as operations side by side they cost a quarter
            # of what a map costs.
            draws = tf.stack([_draws(seed, place) for place in tf.unstack(positions)])
        corners = tf.cast(draws[:, :2] * (load_size - image_size + 1), tf.int32)
        elements = tf.numpy_function(take, [indices, draws, corners], tf.uint8, stateful=False)
        return split(tf.ensure_shape(elements, shape), source.channels, channels), indices

    starts = tf.data.Dataset.range(first, end - batch_size, batch_size)
    return starts.map(prepare_batch, **calls)


def checked_load_size(preparation: Preparation) -> int:
    """The side that images are resized to; raises `ValueError` below `image_size`."""
    load_size = preparation.load_size or preparation.image_size
    if load_size < preparation.image_size:
        raise ValueError(
            f"`load_size` must be at least `image_size`, {preparation.image_size}. "
            f"Received: {load_size}"
        )
    return load_size


def shuffled(seed: int, positions, count: int) -> tf.Tensor:
    """Indices of the elements at positions of the stream, int64, a scalar or a vector.

    Of a vector the positions follow each other and reach into no third pass.
    """
    epochs, offsets = positions // count, positions % count
    vector = positions.shape.rank == 1

    # Hashed first: the operation itself looks at a few low bits of each word of its seed, so that
    # orders would repeat every 256 epochs and every 256 seeds.
    def order(epoch):
        words = tf.stack([tf.constant(seed, tf.int64), epoch])
        return tf.random.stateless_uniform([3], words, None, None, tf.int64)

    last = tf.constant(count - 1, tf.int64)
    if not vector:
        return tf.raw_ops.RandomIndexShuffle(index=offsets, seed=order(epochs), max_index=last)
    orders = tf.stack([order(epochs[0]), order(epochs[0] + 1)])
    return tf.raw_ops.RandomIndexShuffle(
        index=offsets, seed=tf.gather(orders, epochs - epochs[0]), max_index=last
    )


def _draws(seed: int, position) -> tf.Tensor:
    """What decides the crop (two) and the flip of the element at a position, in [0, 1)."""
    return tf.random.stateless_uniform([3], tf.stack([tf.constant(seed, tf.int64), position]))


def _element(source, stored, preparation: Preparation, channels: Mapping[str, int]):
    """The function from a position of the stream to `(images, index)` of its element."""
    load_size, image_size = checked_load_size(preparation), preparation.image_size
    flip, seed = preparation.flip, preparation.seed

    def read(index):
        if stored is None:
            return source.decode(index, load_size)
        # A view of the array by its index: nothing of it becomes a part of the graph.
        element = tf.numpy_function(lambda i: stored[i], [index], tf.uint8, stateful=False)
        return tf.ensure_shape(element, stored.shape[1:])

    def prepare(position):
        index = shuffled(seed, position, len(source))
        element = read(index)
        draws = _draws(seed, position)
        if load_size > image_size:
            corner = tf.cast(draws[:2] * (load_size - image_size + 1), tf.int32)
            element = element[corner[0] :, corner[1] :][:image_size, :image_size]
        if flip:
            element = tf.cond(draws[2] < 0.5, lambda: element[:, ::-1], lambda: element)
        element = tf.ensure_shape(element, (image_size, image_size, sum(source.channels)))
        return split(element, source.channels, channels), index

    return prepare


def split(element, found: tuple[int, ...], asked: Mapping[str, int]) -> tuple[tf.Tensor, ...]:
    """The images of an element, normalised."""
    images = tf.split(element, found, axis=-1)
    return tuple(
        normalize(image, channels) for image, channels in zip(images, asked.values(), strict=True)
    )


def load(
    source: Source, indices: list[int], size: int, channels: Mapping[str, int]
) -> tuple[np.ndarray, ...]:
    """Chosen elements without augmentation: per image `(n, size, size, channels)` in [-1, 1].

    Raises `DataError` where the channels are others or a file is damaged.
    """
    check_channels(source, channels)
    elements = dict(source.decoded(indices, size))
    images = [split(elements[index], source.channels, channels) for index in indices]
    return tuple(np.stack(of_one_domain) for of_one_domain in zip(*images, strict=True))


def cached(source: Source, size: int, cache: str, cache_dir: Path | None) -> np.ndarray | None:
    """All elements as uint8 `(n, size, size, channels)`, in memory or mapped from disk, or None.

    A source that holds its elements already has an attribute `held`, an array or what is indexed
    like one.
    """
    shape = (len(source), size, size, sum(source.channels))
    held = getattr(source, "held", None)
    if cache in ("auto", "memory") and held is not None and held.shape == shape:
        return held
    if cache == "auto":
        fits = math.prod(shape) <= CACHE_SHARE * available_memory()
        cache = "memory" if fits else "none" if source.random_access else "disk"
    if cache == "none" and source.random_access:
        return None
    if cache == "memory":
        elements = np.empty(shape, np.uint8)
        for index, element in source.decoded(range(len(source)), size):
            elements[index] = element
        return elements
    if cache != "disk" or cache_dir is None:
        choice = ['"auto"', '"memory"', *['"none"'] * source.random_access]
        raise ValueError(
            f'`cache` must be {", ".join(choice)}, or "disk" with a folder. Received: {cache!r}'
        )
    key = hashlib.sha256(json.dumps([source.identity(), shape]).encode()).hexdigest()[:16]
    path = cache_dir / f"images-{key}.npy"
    if not path.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        # Written, not mapped: a full disk kills a process that writes into a map.
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            start = file.tell()
            for index, element in source.decoded(range(len(source)), size):
                file.seek(start + index * element.nbytes)
                file.write(element.tobytes())
    return np.load(path, mmap_mode="r")


def available_memory() -> int:
    """Bytes that a process may still take, as the system says; half of nothing known is nothing."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0
