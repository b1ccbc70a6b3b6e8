"""From a run's settings to the images that it trains on: pairs, or two domains."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from gans.data import pairs, prepared, unpaired
from gans.data.stream import naming_damage

PREVIEWS = 8  # Rows of a sample grid.


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What `gans.training.start.train` takes images from.

    Attributes:
        steps_per_epoch: steps that use each image once.
        images_per_step: real images of one domain that a step takes.
        fingerprint: size in bytes by name of every training file.
        preview: the batch that sample pictures are made of: images A and B `(n, size, size,
            channels)` in [-1, 1].
        batches: the endless stream of batches from a given step on.
        naming_damage: context that names the damaged file where an image does not decode.
    """

    steps_per_epoch: int
    images_per_step: int
    fingerprint: dict[str, int]
    preview: tuple
    batches: Callable[[int], tf.data.Dataset]
    naming_damage: Callable[[], contextlib.AbstractContextManager]


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


def image_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The arguments that `pair_batches` and `unpaired_batches` share, from a run's settings."""
    of_gan = ("image_size", "image_channels", "photo_channels", "seed")
    of_data = ("batch_size", "load_size", "flip")
    return {
        **{name: settings["constructor"][name] for name in of_gan},
        **{name: settings[name] for name in of_data},
    }
