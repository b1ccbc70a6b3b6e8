"""Paired images, from files to batches: edges2handbags and every set of the same two layouts.

    DIR/train/*.jpg                    combined images, A in the left half and B in the right
    DIR/trainA/*.jpg DIR/trainB/*.jpg  one folder per domain, pairs by relative path

Nothing here has a state. The pair at position p of the endless stream, its crop and its flip are
functions of (seed, p) alone, so a stream starts at any step at once, is the same whatever the
number of parallel calls, and nothing of it needs to be saved with a checkpoint.
"""

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from gans.data.images import (
    DataError,
    check_images,
    damaged_images,
    describe_sizes,
    list_images,
)

# Share of the available memory that `cache="auto"` may fill with decoded images.
CACHE_SHARE = 0.25


@dataclass(frozen=True)
class PairFiles:
    """The files of one split, checked.

    Attributes:
        names: relative path of each pair, sorted.
        paths_a: file of each A; of both where `paths_b` is empty and the images are combined.
        paths_b: file of each B, or empty.
        size: (width, height) of one image in pixels.
    """

    names: tuple[str, ...]
    paths_a: tuple[str, ...]
    paths_b: tuple[str, ...]
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.names)

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes by name: tells whether a run goes on with the data it began with."""
        names = self.names
        if self.paths_b:
            names = [*(f"A/{name}" for name in names), *(f"B/{name}" for name in names)]
        paths = (*self.paths_a, *self.paths_b)
        return {name: os.path.getsize(path) for name, path in zip(names, paths, strict=True)}


def find_pairs(data_dir: str | Path, split: str = "train") -> PairFiles:
    """The pairs of one split.

    Raises `DataError`, one line, for a folder without images, for A without B, for sizes that
    differ and for files that are no upright 8-bit images.
    """
    root = Path(data_dir)
    combined, folder_a, folder_b = root / split, root / f"{split}A", root / f"{split}B"
    if folder_a.is_dir() or folder_b.is_dir():
        return _separate(folder_a, folder_b)
    names = list_images(combined)
    if not names:
        raise DataError(
            f"expected images in {combined} (A and B side by side) or in {folder_a} and "
            f"{folder_b}. "
            f"Received: {'an empty folder' if combined.is_dir() else 'no such folder'}"
        )
    paths = [combined / name for name in names]
    sizes = check_images(paths)
    width, height = sizes[0]
    # Photos that nobody combined would be cut in two all the same.
    if len(set(sizes)) > 1 or width != 2 * height:
        raise DataError(
            f"expected combined images of one size, twice as wide as high, in {combined} (for "
            f"others use {split}A and {split}B). Received: {describe_sizes(sizes)}"
        )
    return PairFiles(tuple(names), tuple(map(str, paths)), (), (width // 2, height))


def find_validation(data_dir: str | Path) -> PairFiles:
    """The held-out pairs: of `val`, or of `test`, or where there are neither, those of `train`."""
    for split in ("val", "test"):
        if any((Path(data_dir) / f"{split}{domain}").is_dir() for domain in ("", "A")):
            return find_pairs(data_dir, split)
    return find_pairs(data_dir, "train")


def _separate(folder_a: Path, folder_b: Path) -> PairFiles:
    by_stem = []
    for folder in (folder_a, folder_b):
        names = list_images(folder) if folder.is_dir() else []
        by_stem.append({os.path.splitext(name)[0]: name for name in names})
        if len(by_stem[-1]) != len(names):
            raise DataError(
                f"expected one image per name in {folder}. "
                f"Received: {len(names)} files of {len(by_stem[-1])} names"
            )
    stems_a, stems_b = map(set, by_stem)
    if stems_a != stems_b or not stems_a:
        lonely = sorted(stems_a ^ stems_b)
        raise DataError(
            f"expected the same names in {folder_a} and {folder_b}. Received: {len(stems_a)} in A, "
            f"{len(stems_b)} in B, {len(stems_a & stems_b)} in both"
            + (f"; without a partner: {', '.join(lonely[:5])}" if lonely else "")
        )
    stems = sorted(stems_a)
    paths_a = [folder_a / by_stem[0][stem] for stem in stems]
    paths_b = [folder_b / by_stem[1][stem] for stem in stems]
    sizes_a, sizes_b = check_images(paths_a), check_images(paths_b)
    if len(set(sizes_a + sizes_b)) > 1:
        raise DataError(
            f"expected images of one size in {folder_a} and {folder_b}. "
            f"Received: {describe_sizes(sizes_a)} in A, {describe_sizes(sizes_b)} in B"
        )
    return PairFiles(tuple(stems), tuple(map(str, paths_a)), tuple(map(str, paths_b)), sizes_a[0])


def pair_batches(
    files: PairFiles,
    *,
    batch_size: int,
    image_size: int,
    load_size: int | None = None,
    image_channels: int = 3,
    photo_channels: int = 3,
    flip: bool = True,
    seed: int = 0,
    start_step: int = 0,
    cache: str = "auto",
    cache_dir: Path | None = None,
    parallel_calls: int | None = None,
) -> tf.data.Dataset:
    """The endless stream of training batches, from step `start_step` on.

    Each element is `((images_a_1, images_b_1), (images_a_2, images_b_2))`: two independent draws of
    `batch_size` pairs, as BicycleGAN's article makes them; float32 `(batch_size, image_size,
    image_size, channels)` in [-1, 1]. Every pass over the data is a new permutation.

    Args:
        files: from `find_pairs`.
        batch_size: pairs per draw; a step takes twice as many.
        image_size: side of the images, in pixels.
        load_size: both images of a pair are resized to this side (bicubic), then cropped to
            `image_size` at one random place. Default `image_size`: no crop.
        image_channels, photo_channels: of A and B: 3, or 1 for grey (ITU-R 601 luma).
        flip: mirror both images of a pair, or none, with probability 1/2.
        seed: of order, crops and flips.
        start_step: steps to leave out at the start; costs nothing.
        cache: `"memory"` or `"disk"` holds the decoded and resized images, 6 `load_size ** 2` bytes
            a pair; `"none"` decodes each time; `"auto"` takes memory where they fit into a quarter
            of what is free.
        cache_dir: folder for `"disk"`.
        parallel_calls: of the preparation; changes nothing but the speed. Default: as TensorFlow
            finds best.

    Raises `DataError` where there are fewer pairs than one step takes, or where a file is damaged.
    """
    load_size = load_size or image_size
    if load_size < image_size:
        raise ValueError(
            f"`load_size` must be at least `image_size`, {image_size}. Received: {load_size}"
        )
    count = len(files)
    check_enough(files, batch_size)
    stored = cached_pairs(files, load_size, cache, cache_dir)

    def read(index):
        if stored is None:
            return decode_pair(files, index, load_size)
        # A view of the array by its index: nothing of it becomes a part of the graph.
        pair = tf.numpy_function(lambda i: stored[i], [index], tf.uint8, stateful=False)
        return tf.ensure_shape(pair, (2, load_size, load_size, 3))

    def prepare(position):
        epoch, offset = position // count, position % count
        # Hashed first: the operation itself looks at a few low bits of each word of its seed, so
        # that orders would repeat every 256 epochs and every 256 seeds.
        order = tf.random.stateless_uniform(
            [3], tf.stack([tf.constant(seed, tf.int64), epoch]), None, None, tf.int64
        )
        index = tf.raw_ops.RandomIndexShuffle(
            index=offset, seed=order, max_index=tf.constant(count - 1, tf.int64)
        )
        pair = read(index)
        draws = tf.random.stateless_uniform([3], tf.stack([tf.constant(seed, tf.int64), position]))
        if load_size > image_size:
            corner = tf.cast(draws[:2] * (load_size - image_size + 1), tf.int32)
            pair = pair[:, corner[0] :, corner[1] :][:, :image_size, :image_size]
        if flip:
            pair = tf.cond(draws[2] < 0.5, lambda: pair[:, :, ::-1], lambda: pair)
        pair = tf.ensure_shape(pair, (2, image_size, image_size, 3))
        return tuple(
            normalize(image, channels)
            for image, channels in zip(
                tf.unstack(pair), (image_channels, photo_channels), strict=True
            )
        )

    first = start_step * 2 * batch_size
    positions = tf.data.Dataset.range(first, np.iinfo(np.int64).max)
    pairs = positions.map(
        prepare, num_parallel_calls=parallel_calls or tf.data.AUTOTUNE, deterministic=True
    )
    draws = pairs.batch(batch_size, drop_remainder=True).batch(2, drop_remainder=True)
    return draws.map(
        lambda a, b: ((a[0], b[0]), (a[1], b[1])), num_parallel_calls=1, deterministic=True
    ).prefetch(tf.data.AUTOTUNE)


def check_enough(files: PairFiles, batch_size: int):
    """Raises `DataError` unless one step's two draws find that many pairs."""
    if len(files) < 2 * batch_size:
        raise DataError(
            f"expected at least {2 * batch_size} pairs, twice the batch size of {batch_size}. "
            f"Received: {len(files)} pairs; lower --batch_size"
        )


def load_pairs(
    files: PairFiles,
    indices: list[int],
    image_size: int,
    image_channels: int = 3,
    photo_channels: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """Chosen pairs without augmentation: two `(n, image_size, image_size, channels)` in [-1, 1].

    Raises `DataError` where a file of the split is damaged.
    """
    with naming_damage(files):
        pairs = [decode_pair(files, index, image_size) for index in indices]
    images_a = np.stack([normalize(pair[0], image_channels) for pair in pairs])
    images_b = np.stack([normalize(pair[1], photo_channels) for pair in pairs])
    return images_a, images_b


def decode_pair(files: PairFiles, index, size: int):
    """The pair at `index`, an int or a scalar tensor, as uint8 `(2, size, size, 3)`."""

    def decode(paths):
        data = tf.io.read_file(tf.gather(tf.constant(paths), index))
        # Decodes PNG too. Accurate: the default method is up to 16 grey levels off.
        return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")

    if files.paths_b:
        halves = [decode(files.paths_a), decode(files.paths_b)]
    else:
        width = files.size[0]
        image = decode(files.paths_a)
        halves = [image[:, :width], image[:, width:]]
    return tf.stack([resize(half, files.size, size) for half in halves])


def resize(image, image_size: tuple[int, int], size: int):
    """Bicubic to `(size, size, 3)` uint8, low-passed when it shrinks, as Pillow's."""
    width, height = image_size
    image = tf.ensure_shape(image, (height, width, 3))
    if image_size == (size, size):
        return image
    # Pillow clips after each direction; at the lines of a sketch that makes 20 grey levels.
    for shape in ((height, size), (size, size)):
        resized = tf.image.resize(image, shape, method="bicubic", antialias=True)
        image = tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
    return image


def normalize(image: tf.Tensor, channels: int) -> tf.Tensor:
    """uint8 RGB to float32 in [-1, 1] with 3 channels, or 1: the luma."""
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3. Received: {channels}")
    image = tf.cast(image, tf.float32) / 127.5 - 1.0
    if channels == 3:
        return image
    # `tf.image.rgb_to_grayscale` has weights that sum to 0.9999.
    return tf.reduce_sum(image * (0.299, 0.587, 0.114), axis=-1, keepdims=True)


def cached_pairs(
    files: PairFiles, size: int, cache: str, cache_dir: Path | None
) -> np.ndarray | None:
    """All pairs as uint8 `(n, 2, size, size, 3)`, in memory or mapped from disk, or None."""
    shape = (len(files), 2, size, size, 3)
    if cache == "auto":
        fits = math.prod(shape) <= CACHE_SHARE * available_memory()
        cache = "memory" if fits else "none"
    if cache == "none":
        return None
    if cache == "memory":
        pairs = np.empty(shape, np.uint8)
        for index, pair in enumerate(_decode_all(files, size)):
            pairs[index] = pair
        return pairs
    if cache != "disk" or cache_dir is None:
        raise ValueError(
            '`cache` must be "auto", "memory", "none", or "disk" with a folder. '
            f"Received: {cache!r}"
        )
    # An image that was edited may have as many bytes as before.
    times = [os.stat(path).st_mtime_ns for path in (*files.paths_a, *files.paths_b)]
    key = hashlib.sha256(json.dumps([files.fingerprint(), times, size]).encode()).hexdigest()[:16]
    path = cache_dir / f"pairs-{key}.npy"
    if not path.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        try:
            # Written, not mapped: a full disk kills a process that writes into a map.
            with open(temporary, "wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for pair in _decode_all(files, size):
                    file.write(pair.tobytes())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def _decode_all(files: PairFiles, size: int) -> Iterator[np.ndarray]:
    decoded = tf.data.Dataset.range(len(files)).map(
        lambda index: decode_pair(files, index, size),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    with naming_damage(files):
        yield from decoded.as_numpy_iterator()


@contextlib.contextmanager
def naming_damage(files: PairFiles) -> Iterator[None]:
    """Turns TensorFlow's error about an image that does not decode into one that names the file."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        raise damage_report(files) or error from None


def damage_report(files: PairFiles) -> DataError | None:
    """The error that names every file that does not decode, or None where all do."""
    bad = damaged_images([Path(path) for path in (*files.paths_a, *files.paths_b)])
    names = ", ".join(str(path) for path in bad[:10])
    if not bad:
        return None
    return DataError(f"expected images that decode. Received {len(bad)} damaged: {names}")


def available_memory() -> int:
    """Bytes that a process may still take, as the system says; half of nothing known is nothing."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0
