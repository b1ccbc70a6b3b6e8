"""From the settings of a run to what it trains on: pairs, two domains, single images or points."""

import contextlib
import dataclasses
import sys
import zlib
from collections.abc import Callable
from typing import Literal

import numpy as np
import tensorflow as tf

from gans.data import datasets, labelled, pairs, points, sources, unpaired
from gans.data.data_settings import DataSettings, Preparation
from gans.data.images import DataError
from gans.data.stream import check_enough, naming_damage

PREVIEWS = 8  # Rows of a sample grid.
SINGLE_PREVIEWS = 64


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What `gans.training.start.train` takes images from.

    Attributes:
        settings: of the data, complete: flips, names of labels and the mixture as the data has it.
        steps_per_epoch: steps that use each image once.
        images_per_step: real images of one domain that a step takes.
        fingerprint: size in bytes by name of every training file.
        preview: the batch that sample pictures are made of: images A and B `(n, size, size,
            channels)` in [-1, 1]; of single images one such array, and where they have labels those
            `(n, k)`.
        batches: the endless stream of batches from a given step on.
        naming_damage: context that names the damaged file where an image does not decode.
    """

    settings: DataSettings
    steps_per_epoch: int
    images_per_step: int
    fingerprint: dict[str, int]
    preview: tuple
    batches: Callable[[int], tf.data.Dataset]
    naming_damage: Callable[[], contextlib.AbstractContextManager]


def open_data(
    data: DataSettings,
    preparation: Preparation,
    *,
    draws: int = 1,
    epoch: Literal["larger", "smaller"] = "larger",
    one_label_each: bool = False,
    point_scale: float = 1.0,
) -> TrainingData:
    """Finds and checks the data, and completes its settings.

    Args:
        data: which data.
        preparation: how images become batches.
        draws: independent batches of pairs that a step takes.
        epoch: the domain of which an epoch takes each image once.
        one_label_each: whether the labels must be one-hot.
        point_scale: divisor of points.

    Raises `DataError` for data that cannot be used.
    """
    if data.kind == "pairs":
        return _pairs(data, preparation, draws)
    if data.kind == "domains":
        return _domains(data, preparation, epoch)
    if data.kind == "points":
        return _points(data, preparation, point_scale)
    return _images(data, preparation, one_label_each)


def _pairs(data: DataSettings, preparation: Preparation, draws: int) -> TrainingData:
    (files,), (held_out,) = sources.find_both(data)
    batch_size = preparation.batch_size
    check_enough(files, draws * batch_size, "pairs")
    indices = list(range(min(PREVIEWS, len(held_out))))
    return TrainingData(
        settings=data,
        steps_per_epoch=len(files) // (draws * batch_size),
        images_per_step=draws * batch_size,
        fingerprint=files.fingerprint(),
        preview=pairs.load_pairs(held_out, indices, preparation.image_size, *preparation.channels),
        batches=lambda start_step: pairs.pair_batches(
            files, preparation, draws=draws, start_step=start_step
        ),
        naming_damage=lambda: naming_damage(files),
    )


def _domains(data: DataSettings, preparation: Preparation, epoch: str) -> TrainingData:
    domains, held_out = sources.find_both(data)
    batch_size = preparation.batch_size
    for files in domains:
        check_enough(files, batch_size, "images of each domain")
    limit = max(data.images_per_epoch or max(map(len, domains)), batch_size)
    lengths = [min(len(files), limit) for files in domains]
    return TrainingData(
        settings=data,
        steps_per_epoch=(max if epoch == "larger" else min)(lengths) // batch_size,
        images_per_step=batch_size,
        fingerprint=unpaired.fingerprint(*domains),
        preview=unpaired.load_unpaired(
            *held_out, PREVIEWS, preparation.image_size, *preparation.channels
        ),
        batches=lambda start_step: unpaired.unpaired_batches(
            *domains, preparation, start_step=start_step
        ),
        naming_damage=lambda: naming_damage(*domains),
    )


def _images(data: DataSettings, preparation: Preparation, one_label_each: bool) -> TrainingData:
    (source,), (held_out,) = sources.find_both(data, preparation.seed)
    check_enough(source, preparation.batch_size)
    if data.flip is None:
        # As datasets.Dataset says of sets without a name here.
        implied = None if data.data_dir else datasets.resolve(data.dataset).flip
        flip = source.channels != (1,) if implied is None else implied
        data = dataclasses.replace(data, flip=flip)
        preparation = dataclasses.replace(preparation, flip=flip)
    fingerprint = dict(source.fingerprint())
    if data.labelled:
        if one_label_each:
            labelled.check_one_label_each(source)
        data = dataclasses.replace(data, label_names=tuple(source.label_names))
        fingerprint["labels"] = zlib.crc32(source.labels.tobytes())
        if warning := labelled.report_unlabelled(source):
            print(warning, file=sys.stderr)
    return TrainingData(
        settings=data,
        steps_per_epoch=len(source) // preparation.batch_size,
        images_per_step=preparation.batch_size,
        fingerprint=fingerprint,
        preview=labelled.load_images(
            held_out,
            SINGLE_PREVIEWS,
            preparation.image_size,
            *preparation.channels,
            bool(data.labelled),
        ),
        batches=lambda start_step: labelled.labelled_batches(
            source, preparation, start_step=start_step, labelled=bool(data.labelled)
        ),
        naming_damage=lambda: naming_damage(source),
    )


def _points(data: DataSettings, preparation: Preparation, scale: float) -> TrainingData:
    name, batch_size, seed = data.dataset, preparation.batch_size, preparation.seed
    known = points.mixture(name)
    if data.labelled and known is None:
        raise DataError(f"expected a data set with modes as labels. Received: {name}")
    if batch_size > points.COUNT:
        raise DataError(
            f"expected a batch of at most {points.COUNT} points, all of {name}. "
            f"Received: {batch_size}"
        )
    drawn, modes = points.draw_points(name, seed)
    if known:
        facts = {"centres": known.centres.tolist(), "sigma": known.sigma}
        data = dataclasses.replace(data, mixture=facts)
    labels = None
    if data.labelled:
        count = len(known.centres)
        names = tuple(f"mode {mode}" for mode in range(count))
        data = dataclasses.replace(data, label_names=names)
        labels = np.eye(count, dtype=np.float32)[modes]
    return TrainingData(
        settings=data,
        steps_per_epoch=points.COUNT // batch_size,
        images_per_step=batch_size,
        fingerprint={name: points.COUNT},
        preview=points.raster(name),
        batches=lambda start_step: points.point_batches(
            drawn / np.float32(scale), labels, batch_size, seed, start_step
        ),
        naming_damage=contextlib.nullcontext,
    )
