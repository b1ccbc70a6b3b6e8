"""Unpaired images, from files to batches: two domains without correspondence.

    DIR/trainA/*.jpg DIR/trainB/*.jpg  one folder per domain, of any number, names and sizes
    DIR/train/*.jpg                    combined images: A are the left halves, B the right ones

and, of two folders, the photos of both, such as bags and shoes: `trainB`, the right halves of
combined images in `train`, or the images of a `train` that holds single ones. NumPy files, `*.npy`
of uint8 `(height, width, channels)`, stand for images of any number of channels.
"""

import dataclasses
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from gans.data.data_settings import Preparation
from gans.data.images import (
    DataError,
    check_files,
    describe_sizes,
    is_array,
    list_images,
    no_folder,
)
from gans.data.pairs import Direction, held_out_split
from gans.data.stream import (
    Files,
    Source,
    augmented,
    load,
    naming_damage,
    read_pixels,
    resize,
    untuned,
)

__all__ = [
    "DomainFiles",
    "check_enough",
    "find_domains",
    "find_validation",
    "fingerprint",
    "load_unpaired",
    "naming_damage",
    "steps_per_epoch",
    "unpaired_batches",
]


@dataclass(frozen=True)
class DomainFiles(Files):
    """The files of one domain, checked.

    Attributes:
        names: relative path of each image, sorted.
        paths: file of each.
        part: what of the file is the image: all of it, or one half.
        depth: channels of the files.
    """

    names: tuple[str, ...]
    paths: tuple[str, ...]
    part: Literal["whole", "left", "right"] = "whole"
    depth: int = 3

    @property
    def channels(self) -> tuple[int]:
        """Of an image."""
        return (self.depth,)

    @property
    def luma(self) -> tuple[bool]:
        """Whether it is RGB that may be asked for as grey."""
        return (not is_array(self.paths[0]),)

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes by name: tells whether a run goes on with the data it began with."""
        return {name: os.path.getsize(p) for name, p in zip(self.names, self.paths, strict=True)}

    def identity(self) -> list:
        """What tells two caches apart, beside the size of the images."""
        return ["domain", self.fingerprint(), self.times(), self.part]

    def decode(self, index, size: int) -> tf.Tensor:
        """The image at `index`, an int or a scalar tensor, as uint8 `(size, size, channels)`."""
        image = read_pixels(self.paths, index, self.depth)
        if self.part != "whole":
            middle = tf.shape(image)[1] // 2
            image = image[:, :middle] if self.part == "left" else image[:, middle:]
        return resize(image, size)


def find_domains(
    data_dir: str | Path,
    data_dir_b: str | Path | None = None,
    split: str = "train",
    direction: Direction = "a_to_b",
    disjoint: bool = False,
) -> tuple[DomainFiles, DomainFiles]:
    """The two domains of one split.

    Args:
        data_dir: folder of both, or with `data_dir_b` the folder whose photos are A.
        data_dir_b: folder whose photos are B.
        split: `"train"`, `"val"` or `"test"`.
        direction: `"b_to_a"` exchanges the two.
        disjoint: of pairs, A is taken from the first half and B from the second (sorted by name),
            as DiscoGAN's paper does, so that no image has its partner in the data. Domains of
            other names than each other's have no pairs and stay whole.

    Raises `DataError`, one line, for a folder without images, for combined images among others and
    for files that are no upright 8-bit images or arrays.
    """
    if data_dir_b is not None:
        domains = _photos(Path(data_dir), split), _photos(Path(data_dir_b), split)
    else:
        domains = _both(Path(data_dir), split)
        stems = [[os.path.splitext(name)[0] for name in files.names] for files in domains]
        if disjoint and stems[0] == stems[1]:
            half = len(stems[0]) // 2
            if not half:
                raise DataError(
                    f"expected at least 2 pairs in {data_dir} for halves that share none. "
                    "Received: 1"
                )
            domains = _cut(domains[0], slice(half)), _cut(domains[1], slice(half, None))
    return domains if direction == "a_to_b" else domains[::-1]


def find_validation(
    data_dir: str | Path,
    data_dir_b: str | Path | None = None,
    direction: Direction = "a_to_b",
) -> tuple[DomainFiles, DomainFiles]:
    """The held-out domains: of `val`, or `test`, or where a folder has neither, its `train`.

    Those of combined images come in the order of the pairs: index i of A is the partner of B's.
    """
    if data_dir_b is None:
        return find_domains(data_dir, None, held_out_split(data_dir), direction)
    domains = tuple(
        _photos(Path(folder), held_out_split(folder)) for folder in (data_dir, data_dir_b)
    )
    return domains if direction == "a_to_b" else domains[::-1]


def fingerprint(files_a: Source, files_b: Source) -> dict[str, int]:
    """Size in bytes by name, of both domains."""
    return {
        f"{domain}/{name}": size
        for domain, files in (("A", files_a), ("B", files_b))
        for name, size in files.fingerprint().items()
    }


def _cut(files: DomainFiles, part: slice) -> DomainFiles:
    return replace(files, names=files.names[part], paths=files.paths[part])


def _both(root: Path, split: str) -> tuple[DomainFiles, DomainFiles]:
    folders = root / f"{split}A", root / f"{split}B"
    if any(folder.is_dir() for folder in folders):
        return tuple(_whole(folder) for folder in folders)
    combined = root / split
    files, is_combined = _single(
        combined, f"{combined} (A and B side by side) or in {folders[0]} and {folders[1]}"
    )
    if not is_combined:
        raise DataError(
            f"expected combined images, twice as wide as high, in {combined} (for others use "
            f"{split}A and {split}B). Received: {len(files)} single images"
        )
    return replace(files, part="left"), replace(files, part="right")


def _photos(root: Path, split: str) -> DomainFiles:
    folder_b = root / f"{split}B"
    if folder_b.is_dir():
        return _whole(folder_b)
    files, is_combined = _single(root / split, f"{root / split} or in {folder_b}")
    return replace(files, part="right") if is_combined else files


def _whole(folder: Path) -> DomainFiles:
    names, paths = _listed(folder, str(folder))
    return DomainFiles(names, paths, depth=check_files([Path(path) for path in paths])[1])


def _single(folder: Path, expected: str) -> tuple[DomainFiles, bool]:
    """The images of a folder, and whether they are combined: all or none, by their shape."""
    names, paths = _listed(folder, expected)
    sizes, depth = check_files([Path(path) for path in paths])
    combined = sum(width == 2 * height for width, height in sizes)
    if 0 < combined < len(sizes):
        raise DataError(
            f"expected in {folder} combined images, twice as wide as high, or none (for others "
            f"use {folder}A and {folder}B). Received: {describe_sizes(sizes)}"
        )
    return DomainFiles(names, paths, depth=depth), combined > 0


def _listed(folder: Path, expected: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = list_images(folder, arrays=True)
    if not names:
        raise DataError(
            f"expected images in {expected}. "
            f"Received: {'an empty folder' if folder.is_dir() else no_folder(folder)}"
        )
    return tuple(names), tuple(str(folder / name) for name in names)


def unpaired_batches(
    files_a: Source, files_b: Source, preparation: Preparation, *, start_step: int = 0
) -> tf.data.Dataset:
    """The endless stream of `(images_a, images_b)`, from step `start_step` on.

    Float32 `(batch_size, image_size, image_size, channels)` in [-1, 1]. Each domain goes through
    passes of its own, every pass a new permutation, with crops and flips of its own.

    Args:
        files_a, files_b: from `gans.data.sources.find`.
        preparation: with the channels of A and B, as in `gans.data.pairs.pair_batches`.
        start_step: steps to leave out at the start; costs nothing.

    Raises `DataError` where a domain has fewer images than a batch, where the images have other
    channels, or where a file is damaged.
    """
    batch_size = preparation.batch_size
    check_enough(files_a, files_b, batch_size)
    names = ("image_channels", "photo_channels")
    streams = []
    for domain, files in enumerate((files_a, files_b)):
        # Domains of one length would come in one order, and combined images as pairs.
        words = np.random.SeedSequence([preparation.seed, domain]).generate_state(1, np.uint64)
        images = augmented(
            files,
            dataclasses.replace(preparation, seed=int(words[0] >> 1)),
            {names[domain]: preparation.channels[domain]},
            first=start_step * batch_size,
        )
        streams.append(images.map(lambda image: image).batch(batch_size, drop_remainder=True))
    return untuned(tf.data.Dataset.zip(*streams).prefetch(2))


def steps_per_epoch(
    len_a: int, len_b: int, batch_size: int, epoch: Literal["larger", "smaller"] = "larger"
) -> int:
    """Steps in which every image of the larger, or of the smaller, domain is used once."""
    if epoch not in ("larger", "smaller"):
        raise ValueError(f'`epoch` must be "larger" or "smaller". Received: {epoch!r}')
    return (max if epoch == "larger" else min)(len_a, len_b) // batch_size


def check_enough(files_a: Source, files_b: Source, batch_size: int):
    """Raises `DataError` unless each domain fills a batch."""
    if min(len(files_a), len(files_b)) < batch_size:
        raise DataError(
            f"expected at least {batch_size} images of each domain, the batch size. "
            f"Received: {len(files_a)} in A, {len(files_b)} in B; lower --batch_size"
        )


def load_unpaired(
    files_a: Source,
    files_b: Source,
    count: int,
    size: int,
    image_channels: int = 3,
    photo_channels: int = 3,
) -> tuple[np.ndarray, np.ndarray]:
    """The first images of each domain without augmentation: `(n, size, size, channels)` in [-1, 1].

    n is `count`, or as many as the smaller domain has. Raises `DataError` where the images have
    other channels or a file is damaged.
    """
    indices = list(range(min(count, len(files_a), len(files_b))))
    (images_a,) = load(files_a, indices, size, {"image_channels": image_channels})
    (images_b,) = load(files_b, indices, size, {"photo_channels": photo_channels})
    return images_a, images_b
