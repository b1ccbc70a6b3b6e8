"""From a run's settings to what it trains on: pairs, two domains, single images or points."""

import contextlib
import dataclasses
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from gans.data import arrays, datasets, pairs, prepared, unpaired
from gans.data import labelled as single
from gans.data.images import DataError
from gans.data.stream import Source, naming_damage
from gans.pictures.image_grid import grid

PREVIEWS = 8  # Rows of a sample grid.
SINGLE_PREVIEWS = 64
# Of stacked digits, as many as PacGAN (arXiv 1712.04086, section 4.2) trains on.
STACKED_IMAGES = 128_000


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What `gans.training.start.train` takes images from.

    Attributes:
        steps_per_epoch: steps that use each image once.
        images_per_step: real images of one domain that a step takes.
        fingerprint: size in bytes by name of every training file.
        preview: the batch that sample pictures are made of: images A and B `(n, size, size,
            channels)` in [-1, 1]; of single images one such array, and where they have labels those
            `(n, k)`.
        batches: the endless stream of batches from a given step on.
        naming_damage: context that names the damaged file where an image does not decode.
        draw: makes of what the GAN's `preview` returns a picture, uint8 `(height, width, 3)`.
        animate: whether the pictures become a film at the end.
    """

    steps_per_epoch: int
    images_per_step: int
    fingerprint: dict[str, int]
    preview: tuple
    batches: Callable[[int], tf.data.Dataset]
    naming_damage: Callable[[], contextlib.AbstractContextManager]
    draw: Callable[[Any], np.ndarray] = grid
    animate: bool = False


def paired(
    settings: dict[str, Any], cache_dir: Path, cache: str, parallel_calls: int | None, draws: int
) -> TrainingData:
    """Pairs of the folder or prepared data set that the settings name.

    Args:
        settings: of the run: data_dir or tfds and tfds_dir, direction, batch_size, load_size, flip,
            and of the constructor image_size, image_channels, photo_channels, seed.
        cache_dir, cache, parallel_calls, draws: as in `gans.data.pairs.pair_batches`.

    Raises `DataError` for data that cannot be used.
    """
    images = image_settings(settings)
    if settings["tfds"]:
        files, held_out = (
            prepared.prepared_pairs(
                settings["tfds"], settings["tfds_dir"], split, settings["direction"]
            )
            for split in ("train", prepared.HELD_OUT)
        )
    else:
        files = pairs.find_pairs(settings["data_dir"], "train", settings["direction"])
        held_out = pairs.find_validation(settings["data_dir"], settings["direction"])
    pairs.check_enough(files, settings["batch_size"], draws)
    size, channels = images["image_size"], (images["image_channels"], images["photo_channels"])
    indices = list(range(min(PREVIEWS, len(held_out))))
    return TrainingData(
        steps_per_epoch=len(files) // (draws * settings["batch_size"]),
        images_per_step=draws * settings["batch_size"],
        fingerprint=files.fingerprint(),
        preview=pairs.load_pairs(held_out, indices, size, *channels),
        batches=lambda start_step: pairs.pair_batches(
            files,
            draws=draws,
            start_step=start_step,
            cache=cache,
            cache_dir=cache_dir,
            parallel_calls=parallel_calls,
            **images,
        ),
        naming_damage=lambda: naming_damage(files),
    )


def two_domains(
    settings: dict[str, Any],
    cache_dir: Path,
    cache: str,
    parallel_calls: int | None,
    epoch: Literal["larger", "smaller"] = "larger",
) -> TrainingData:
    """Two domains of the folder, the two folders or the prepared data set that the settings name.

    Args:
        settings: of the run: as in `paired`, and data_dir_b or tfds_b, disjoint, and where it is
            there images_per_epoch, the most that an epoch takes of a domain.
        cache_dir, cache, parallel_calls: as in `gans.data.unpaired.unpaired_batches`.
        epoch: the domain of which it takes each image once.

    Raises `DataError` for data that cannot be used.
    """
    images = image_settings(settings)
    if settings["tfds"]:
        names = settings["tfds"], settings["tfds_dir"], settings["tfds_b"]
        domains = prepared.prepared_domains(
            *names, "train", settings["direction"], settings["disjoint"]
        )
        held_out = prepared.prepared_domains(*names, prepared.HELD_OUT, settings["direction"])
    else:
        folders = settings["data_dir"], settings["data_dir_b"]
        domains = unpaired.find_domains(
            *folders, "train", settings["direction"], settings["disjoint"]
        )
        held_out = unpaired.find_validation(*folders, settings["direction"])
    batch_size = settings["batch_size"]
    unpaired.check_enough(*domains, batch_size)
    limit = max(settings.get("images_per_epoch") or max(map(len, domains)), batch_size)
    lengths = [min(len(files), limit) for files in domains]
    channels = images["image_channels"], images["photo_channels"]
    return TrainingData(
        steps_per_epoch=unpaired.steps_per_epoch(*lengths, batch_size, epoch),
        images_per_step=batch_size,
        fingerprint=unpaired.fingerprint(*domains),
        preview=unpaired.load_unpaired(*held_out, PREVIEWS, images["image_size"], *channels),
        batches=lambda start_step: unpaired.unpaired_batches(
            *domains,
            start_step=start_step,
            cache=cache,
            cache_dir=cache_dir,
            parallel_calls=parallel_calls,
            **images,
        ),
        naming_damage=lambda: naming_damage(*domains),
    )


def singles(
    settings: dict[str, Any],
    cache_dir: Path,
    cache: str,
    parallel_calls: int | None,
    labelled: bool,
    one_label_each: bool = False,
) -> TrainingData:
    """Single images, with labels or without, or points.

    What the data decides is completed in `settings`: flip where it is None, and with labels
    `label_names` and of the constructor label_dim.

    Args:
        settings: of the run: batch_size, of the constructor seed, and of images image_size and
            image_channels; and where they are there dataset, data_dir (before dataset), tfds_dir,
            labels, tags_csv, use_unlabelled, load_size, flip.
        cache_dir, cache, parallel_calls: as in `gans.data.labelled.labelled_batches`.
        labelled: whether batches and preview have labels.
        one_label_each: whether these must be one-hot.

    Raises `DataError` for data that cannot be used.
    """
    name = None if settings.get("data_dir") else settings.get("dataset")
    if name in datasets.POINT_SETS:
        from gans.data import points

        return points.point_data(settings, labelled)
    source, held_out = single_sources(settings, labelled)
    constructor, batch_size = settings["constructor"], settings["batch_size"]
    single.check_enough(source, batch_size)
    if settings.get("flip") is None:
        # As datasets.Dataset says of sets without a name here.
        implied = datasets.resolve(name).flip if name else None
        settings["flip"] = source.channels != (1,) if implied is None else implied
    fingerprint = dict(source.fingerprint())
    if labelled:
        if one_label_each:
            single.check_one_label_each(source)
        complete_labels(settings, source.label_names)
        fingerprint["labels"] = zlib.crc32(source.labels.tobytes())
        warning = single.report_unlabelled(source)
        if warning:
            print(warning, file=sys.stderr)
    size, channels = constructor["image_size"], constructor["image_channels"]
    return TrainingData(
        steps_per_epoch=len(source) // batch_size,
        images_per_step=batch_size,
        fingerprint=fingerprint,
        preview=single.load_images(held_out, SINGLE_PREVIEWS, size, channels, labelled),
        batches=lambda start_step: single.labelled_batches(
            source,
            batch_size=batch_size,
            image_size=size,
            load_size=settings.get("load_size"),
            image_channels=channels,
            flip=settings["flip"],
            seed=constructor["seed"],
            start_step=start_step,
            cache=cache,
            cache_dir=cache_dir,
            parallel_calls=parallel_calls,
            labelled=labelled,
        ),
        naming_damage=lambda: naming_damage(source),
    )


def single_sources(settings: dict[str, Any], labelled: bool) -> tuple[Source, Source]:
    """The training and the held-out images of a run's settings; the arguments are those of
    `singles`. Raises `DataError` likewise.
    """
    data_dir, tfds_dir = settings.get("data_dir"), settings.get("tfds_dir")
    name = None if data_dir else settings.get("dataset")
    if data_dir and Path(data_dir).suffix == ".npz":
        return arrays.read_npz(data_dir, labelled)
    if data_dir:
        return single.find_images(
            data_dir,
            labelled=labelled,
            factors=settings.get("labels"),
            tags_csv=settings.get("tags_csv"),
            use_unlabelled=bool(settings.get("use_unlabelled")),
        )
    if name in (None, datasets.TOY_FASHION):
        raise ValueError("expected settings with the folder of toy fashion. Received: no data_dir")
    datasets.resolve(name)
    splits = "train", prepared.HELD_OUT
    if name != datasets.STACKED_MNIST:
        return tuple(prepared.prepared_images(name, tfds_dir, split, labelled) for split in splits)
    if labelled:
        raise DataError(
            "expected data with labels. Received: stacked_mnist, whose 1,000 modes have none"
        )
    seed = settings["constructor"]["seed"]
    digits, held_out = (prepared.prepared_images("mnist", tfds_dir, split) for split in splits)
    return (
        arrays.stacked(digits, STACKED_IMAGES, seed),
        arrays.stacked(held_out, len(held_out), seed),
    )


def complete_labels(settings: dict[str, Any], names: tuple[str, ...]):
    """Writes the labels of the data into the settings of a run.

    Args:
        settings: gets `label_names` and, of the constructor, label_dim where it is None or 0.
        names: of the labels.

    Raises `DataError` where label_dim is another.
    """
    asked = settings["constructor"].get("label_dim")
    if asked and asked != len(names):
        raise DataError(
            f"expected --label_dim={len(names)}, which the data has labels for, or none. "
            f"Received: {asked}"
        )
    settings["constructor"]["label_dim"] = len(names)
    settings["label_names"] = list(names)


def image_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The arguments that `pair_batches` and `unpaired_batches` share, from a run's settings."""
    of_gan = ("image_size", "image_channels", "photo_channels", "seed")
    of_data = ("batch_size", "load_size", "flip")
    return {
        **{name: settings["constructor"][name] for name in of_gan},
        **{name: settings[name] for name in of_data},
    }
