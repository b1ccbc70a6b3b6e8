"""Paired images, from files to batches: edges2handbags and every set of the same two layouts.

    DIR/train/*.jpg                    combined images, A in the left half and B in the right
    DIR/trainA/*.jpg DIR/trainB/*.jpg  one folder per domain, pairs by relative path

A folder may hold NumPy files instead, `*.npy` of uint8 `(height, width, channels)`: images of any
number of channels.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from gans.data.data_settings import Direction, Preparation
from gans.data.files import Files, held_out_split, open_folder, read_pixels
from gans.data.images import DataError, check_files, describe_sizes, is_array, list_images
from gans.data.stream import Source, augmented, check_enough, load, resize, untuned


@dataclass(frozen=True)
class PairFiles(Files):
    """The files of one split, checked.

    Attributes:
        names: relative path of each pair, sorted.
        paths_a: file of each A; of both where `paths_b` is empty and the images are combined.
        paths_b: file of each B, or empty.
        size: (width, height) of one image in pixels.
        channels_a, channels_b: of the files of A and of B.
        direction: `"b_to_a"` exchanges A and B in all that is read; the names above stay.
    """

    names: tuple[str, ...]
    paths_a: tuple[str, ...]
    paths_b: tuple[str, ...]
    size: tuple[int, int]
    channels_a: int = 3
    channels_b: int = 3
    direction: Direction = "a_to_b"

    @property
    def paths(self) -> tuple[str, ...]:
        """All files."""
        return (*self.paths_a, *self.paths_b)

    @property
    def channels(self) -> tuple[int, int]:
        """Of the first and the second image of a pair as it is read."""
        return self._in_direction(self.channels_a, self.channels_b)

    @property
    def luma(self) -> tuple[bool, bool]:
        """Whether they are RGB that may be asked for as grey."""
        paths_b = self.paths_b or self.paths_a
        return self._in_direction(not is_array(self.paths_a[0]), not is_array(paths_b[0]))

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes by name: tells whether a run goes on with the data it began with."""
        names = self.names
        if self.paths_b:
            names = [*(f"A/{name}" for name in names), *(f"B/{name}" for name in names)]
        return {name: os.path.getsize(path) for name, path in zip(names, self.paths, strict=True)}

    def identity(self) -> list:
        """What tells two caches apart, beside the size of the images."""
        return ["pairs", self.fingerprint(), self.times(), self.direction]

    def decode(self, index, size: int) -> tf.Tensor:
        """The pair at `index`, an int or a scalar tensor, as uint8 `(size, size, channels)`.

        The channels are those of the first image and then those of the second.
        """
        width, height = self.size
        if self.paths_b:
            images = [
                read_pixels(self.paths_a, index, self.channels_a),
                read_pixels(self.paths_b, index, self.channels_b),
            ]
        else:
            image = read_pixels(self.paths_a, index, self.channels_a)
            images = [image[:, :width], image[:, width:]]
        images = [
            resize(tf.ensure_shape(image, (height, width, None)), size)
            for image in self._in_direction(*images)
        ]
        return tf.concat(images, axis=-1)

    def _in_direction(self, a, b):
        return (a, b) if self.direction == "a_to_b" else (b, a)


def find_pairs(
    data_dir: str | Path, split: str = "train", direction: Direction = "a_to_b"
) -> PairFiles:
    """The pairs of one split; with the direction `"b_to_a"`, B is the first image of each.

    Raises `DataError`, one line, for a folder without images, for A without B, for sizes that
    differ and for files that are no upright 8-bit images or arrays.
    """
    root = Path(data_dir)
    combined, folder_a, folder_b = root / split, root / f"{split}A", root / f"{split}B"
    if folder_a.is_dir() or folder_b.is_dir():
        return _separate(folder_a, folder_b, direction)
    either = f"{combined} (A and B side by side) or in {folder_a} and {folder_b}"
    files, sizes = open_folder(combined, either)
    width, height = sizes[0]
    # Photos that nobody combined would be cut in two all the same.
    if len(set(sizes)) > 1 or width != 2 * height:
        raise DataError(
            f"expected combined images of one size, twice as wide as high, in {combined} (for "
            f"others use {split}A and {split}B). Received: {describe_sizes(sizes)}"
        )
    depth = files.depth
    return PairFiles(files.names, files.paths, (), (width // 2, height), depth, depth, direction)


def find_validation(data_dir: str | Path, direction: Direction = "a_to_b") -> PairFiles:
    """The held-out pairs: of `val`, or of `test`, or where there are neither, those of `train`."""
    return find_pairs(data_dir, held_out_split(data_dir), direction)


def _separate(folder_a: Path, folder_b: Path, direction: Direction) -> PairFiles:
    by_stem = []
    for folder in (folder_a, folder_b):
        names = list_images(folder, arrays=True)
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
    (sizes_a, channels_a), (sizes_b, channels_b) = check_files(paths_a), check_files(paths_b)
    if len(set(sizes_a + sizes_b)) > 1:
        raise DataError(
            f"expected images of one size in {folder_a} and {folder_b}. "
            f"Received: {describe_sizes(sizes_a)} in A, {describe_sizes(sizes_b)} in B"
        )
    return PairFiles(
        tuple(stems),
        tuple(map(str, paths_a)),
        tuple(map(str, paths_b)),
        sizes_a[0],
        channels_a,
        channels_b,
        direction,
    )


def pair_batches(
    files: Source, preparation: Preparation, *, draws: Literal[1, 2] = 2, start_step: int = 0
) -> tf.data.Dataset:
    """The endless stream of training batches, from step `start_step` on.

    Each element is `((images_a_1, images_b_1), (images_a_2, images_b_2))`: two independent draws of
    `batch_size` pairs, as BicycleGAN's article makes them; with one draw `(images_a, images_b)`.
    Images are float32 `(batch_size, image_size, image_size, channels)` in [-1, 1]. Every pass over
    the data is a new permutation. Both images of a pair are cropped and mirrored as one.

    Args:
        files: from `gans.data.sources.find`.
        preparation: with the channels of A and B: those of the files; of JPEG and PNG 3, or 1 for
            grey (ITU-R 601 luma).
        draws: of pairs per step.
        start_step: steps to leave out at the start; costs nothing.

    Raises `DataError` where there are fewer pairs than one step takes, and as `augmented`.
    """
    batch_size = preparation.batch_size
    check_enough(files, draws * batch_size, "pairs")
    names = ("image_channels", "photo_channels")
    channels = dict(zip(names, preparation.channels, strict=True))
    pairs = augmented(files, preparation, channels, first=start_step * draws * batch_size)
    batches = pairs.map(lambda images, _: images)
    if draws == 2:
        batches = batches.batch(2, drop_remainder=True).map(
            lambda a, b: ((a[0], b[0]), (a[1], b[1])), num_parallel_calls=1, deterministic=True
        )
    return untuned(batches.prefetch(2))


def load_pairs(
    files: Source,
    indices: list[int],
    image_size: int,
    image_channels: int = 3,
    photo_channels: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """Chosen pairs without augmentation: two `(n, image_size, image_size, channels)` in [-1, 1].

    Raises `DataError` where the images have other channels or a file of the split is damaged.
    """
    channels = {"image_channels": image_channels, "photo_channels": photo_channels}
    return load(files, indices, image_size, channels)
