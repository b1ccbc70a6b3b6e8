"""Unpaired images, from files to batches: two domains without correspondence.

    DIR/trainA/*.jpg DIR/trainB/*.jpg  one folder per domain, of any number, names and sizes
    DIR/train/*.jpg                    combined images: A are the left halves, B the right ones

and, of two folders, the photos of both, such as bags and shoes: `trainB`, the right halves of
combined images in `train`, or the images of a `train` that holds single ones. NumPy files, `*.npy`
of uint8 `(height, width, channels)`, stand for images of any number of channels.
"""

import dataclasses
import os
from pathlib import Path

import numpy as np
import tensorflow as tf

from gans.data.data_settings import Direction, Preparation
from gans.data.files import ImageFiles, held_out_split, open_folder
from gans.data.images import DataError, describe_sizes
from gans.data.stream import Source, augmented, load, untuned


def find_domains(
    data_dir: str | Path,
    data_dir_b: str | Path | None = None,
    split: str = "train",
    direction: Direction = "a_to_b",
    disjoint: bool = False,
) -> tuple[ImageFiles, ImageFiles]:
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
) -> tuple[ImageFiles, ImageFiles]:
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


def _cut(files: ImageFiles, part: slice) -> ImageFiles:
    return dataclasses.replace(files, names=files.names[part], paths=files.paths[part])


def _both(root: Path, split: str) -> tuple[ImageFiles, ImageFiles]:
    folders = root / f"{split}A", root / f"{split}B"
    if any(folder.is_dir() for folder in folders):
        return tuple(open_folder(folder)[0] for folder in folders)
    combined = root / split
    files, is_combined = _single(
        combined, f"{combined} (A and B side by side) or in {folders[0]} and {folders[1]}"
    )
    if not is_combined:
        raise DataError(
            f"expected combined images, twice as wide as high, in {combined} (for others use "
            f"{split}A and {split}B). Received: {len(files)} single images"
        )
    return tuple(dataclasses.replace(files, part=part) for part in ("left", "right"))


def _photos(root: Path, split: str) -> ImageFiles:
    folder_b = root / f"{split}B"
    if folder_b.is_dir():
        return open_folder(folder_b)[0]
    files, is_combined = _single(root / split, f"{root / split} or in {folder_b}")
    return dataclasses.replace(files, part="right") if is_combined else files


def _single(folder: Path, expected: str) -> tuple[ImageFiles, bool]:
    """The images of a folder, and whether they are combined: all or none, by their shape."""
    files, sizes = open_folder(folder, expected)
    combined = sum(width == 2 * height for width, height in sizes)
    if 0 < combined < len(sizes):
        raise DataError(
            f"expected in {folder} combined images, twice as wide as high, or none (for others "
            f"use {folder}A and {folder}B). Received: {describe_sizes(sizes)}"
        )
    return files, combined > 0


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

    Raises `DataError` as `augmented`.
    """
    streams = []
    for domain, (name, files) in enumerate(
        zip(("image_channels", "photo_channels"), (files_a, files_b), strict=True)
    ):
        # Domains of one length would come in one order, and combined images as pairs.
        words = np.random.SeedSequence([preparation.seed, domain]).generate_state(1, np.uint64)
        images = augmented(
            files,
            dataclasses.replace(preparation, seed=int(words[0] >> 1)),
            {name: preparation.channels[domain]},
            first=start_step * preparation.batch_size,
        )
        streams.append(images.map(lambda images, _: images[0]))
    return untuned(tf.data.Dataset.zip(*streams).prefetch(2))


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
