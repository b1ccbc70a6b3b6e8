"""Single images, with labels where a GAN takes them, from files to batches.

    DIR/train/**.jpg, DIR/val or DIR/test   images at any depth, with images held out
    DIR/**.jpg                              all images below DIR, none held out
    DIR/trainB/*.jpg                        as in two domains: the photos

Of combined images, all of them twice as wide as high, the photo is taken, the right half; of others
the largest square in the middle. NumPy files, `*.npy` of uint8 `(height, width, channels)`, stand
for images of any number of channels. Labels, of these the first that is there:

    DIR/factors.csv                         what toy fashion was drawn from
    DIR/tags.csv or DIR/labels.csv          lines `16,blonde hair blue eyes` for .../16.jpg
    DIR/train/CLASS/*.jpg or DIR/CLASS/*    a folder per class
"""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf

from gans.data import labels as words
from gans.data.data_settings import Preparation
from gans.data.files import ImageFiles, has_split, held_out_split, open_folder
from gans.data.images import DataError
from gans.data.stream import Source, augmented, load, untuned


def find_images(
    data_dir: str | Path,
    *,
    labelled: bool = False,
    factors: tuple[str, ...] | None = None,
    tags_csv: str | Path | None = None,
    use_unlabelled: bool = False,
) -> tuple[ImageFiles, ImageFiles]:
    """The training and the held-out images of a folder; the same twice where it holds none out.

    Args:
        data_dir: laid out as this module says.
        labelled: labels are needed. Without, none are read.
        factors: columns of `factors.csv` that are the labels; by default `hue`.
        tags_csv: file of tags, in place of those of the folder.
        use_unlabelled: training images without labels are kept, with rows of zeros; by default they
            are left out. None are held out.

    Raises `DataError`, one line, for a folder without images, for files that are no upright 8-bit
    images or arrays, and where labels are needed and there are none.
    """
    root = Path(data_dir)
    train, held_out = root, None
    if has_split(root, "train", ("", "B")):
        train, split = _split_folder(root, "train"), held_out_split(root)
        held_out = None if split == "train" else _split_folder(root, split)
    files = _found(train)
    held_out_files = _found(held_out) if held_out else files
    if not labelled:
        return files, held_out_files
    folders = [(files, train)] + [(held_out_files, held_out)] * bool(held_out)
    labelling = _labelling(root, folders, factors, tags_csv)
    with_labels = _labelled(files, train, root, labelling, use_unlabelled)
    return with_labels, _labelled(held_out_files, held_out or train, root, labelling, False)


def _split_folder(root: Path, split: str) -> Path:
    photos = root / f"{split}B"
    return photos if photos.is_dir() else root / split


def _found(folder: Path) -> ImageFiles:
    files, sizes = open_folder(folder)
    combined = all(width == 2 * height for width, height in sizes)
    return dataclasses.replace(files, part="right" if combined else "whole", square=True)


def _labelling(root, folders, factors, tags_csv) -> words.Labelling:
    """Labels by the path relative to `root`."""
    images = [name for files, folder in folders for name in _below(root, files, folder)]
    if tags_csv:
        return words.read_tags(Path(tags_csv), images)
    if factors or (root / words.FACTORS).is_file():
        return words.read_factors(root, factors or ("hue",))
    for name in words.TAG_FILES:
        if (root / name).is_file():
            return words.read_tags(root / name, images)
    files, folder = folders[0]
    labelling = words.class_folders(files.names)
    if labelling is None:
        raise DataError(
            f"expected labels of the images in {root}: a file {' or '.join(words.TAG_FILES)}, "
            "--tags_csv, or a folder for each of two classes or more. Received: "
            f"{len(files)} images without"
        )
    of = {}
    for files, folder in folders:
        found = {name: name.partition("/")[0] for name in files.names if "/" in name}
        strange = set(found.values()) - set(labelling.names)
        if strange:
            raise DataError(
                f"expected in {folder} the classes of {folders[0][1]}. Received: {min(strange)}"
            )
        paths = zip(_below(root, files, folder), files.names, strict=True)
        of |= {path: (found[name],) for path, name in paths if name in found}
    return words.Labelling(labelling.names, of)


def _below(root: Path, files: ImageFiles, folder: Path) -> list[str]:
    return [(folder.relative_to(root) / name).as_posix() for name in files.names]


def _labelled(files, folder, root, labelling, use_unlabelled) -> ImageFiles:
    rows = labelling.rows(_below(root, files, folder))
    has = rows.any(axis=1)
    if not has.any():
        raise DataError(f"expected labels of the images in {folder}. Received: none has any")
    kept = np.arange(len(files)) if use_unlabelled else np.flatnonzero(has)
    return dataclasses.replace(
        files,
        names=tuple(files.names[i] for i in kept),
        paths=tuple(files.paths[i] for i in kept),
        labels=rows[kept],
        label_names=labelling.names,
        without=int(len(files) - has.sum()),
        left_out=not use_unlabelled,
    )


def report_unlabelled(files: Source) -> str | None:
    """One line about images without labels that are left out, or None."""
    without = getattr(files, "without", 0)
    if not without or not files.left_out:
        return None
    return (
        f"{without} of {len(files) + without} images have no tags, left out; "
        "train_matching_cgan.py --use_unlabelled uses them as unmatched reals"
    )


def check_one_label_each(source: Source):
    """Raises `DataError` for the first image that has several labels, or none."""
    others = np.flatnonzero(np.count_nonzero(source.labels, axis=1) != 1)
    if len(others):
        first = others[0]
        held = (source.label_names[label] for label in np.flatnonzero(source.labels[first]))
        raise DataError(
            "expected one label for each image; train_matching_cgan.py takes several. "
            f"Received: of {source.names[first]} {', '.join(held) or 'none'}"
        )


def labelled_batches(
    source: Source, preparation: Preparation, *, labelled: bool = False, start_step: int = 0
) -> tf.data.Dataset:
    """The endless stream of `images`, or of `(images, labels)`, from step `start_step` on.

    Images are float32 `(batch_size, image_size, image_size, channels)` in [-1, 1], labels float32
    `(batch_size, k)`. Every pass over the data is a new permutation; batch, crops and flips of a
    step are functions of (seed, step).

    Args:
        source: from `gans.data.sources.find`.
        preparation: with the channels of the images; of RGB 3, or 1 for grey (ITU-R 601 luma).
        labelled: whether batches have labels.
        start_step: steps to leave out at the start; costs nothing.

    Raises `DataError` as `augmented`.
    """
    batch_size, labels = preparation.batch_size, source.labels
    if labelled and labels is None:
        raise ValueError("expected a source with labels. Received: one without")
    (channels,) = preparation.channels
    first = start_step * batch_size
    batches = augmented(source, preparation, {"image_channels": channels}, first=first)

    def with_labels(images, indices):
        # Not a constant of the graph, which would hold a copy.
        of_batch = tf.numpy_function(lambda i: labels[i], [indices], tf.float32, stateful=False)
        return images[0], tf.ensure_shape(of_batch, (batch_size, labels.shape[1]))

    if labelled:
        batches = batches.map(with_labels, num_parallel_calls=1, deterministic=True)
    else:
        batches = batches.map(lambda images, _: images[0])
    return untuned(batches.prefetch(2))


def load_images(
    source: Source, count: int, size: int, image_channels: int, labelled: bool = False
) -> tuple[np.ndarray, ...]:
    """The first images without augmentation: `(images,)` or `(images, labels)`.

    Images are float32 `(n, size, size, channels)` in [-1, 1], labels float32 `(n, k)`; n is `count`
    or as many as there are. Raises `DataError` where the images have other channels or a file is
    damaged.
    """
    indices = list(range(min(count, len(source))))
    (images,) = load(source, indices, size, {"image_channels": image_channels})
    return (images, source.labels[indices]) if labelled else (images,)
