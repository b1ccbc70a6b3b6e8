"""From the settings of a run to a trained GAN: all that is the same for every GAN."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gans.command_line.command import import_tensorflow
from gans.command_line.errors import UsageError, flag_errors, usage_errors
from gans.command_line.flags import TrainingFlags
from gans.data.data_settings import DataSettings, Preparation
from gans.data.images import DataError
from gans.training.loss_plot import write_losses
from gans.training.restore import build
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings, default_run_dir

SHOWN = 2000  # Real points in a picture of a set that is no mixture.


class Data(Protocol):
    """What a run takes its images from; `gans.data.training_data.open_data` makes it.

    Attributes:
        settings: complete: what was left open is as the data decides.
        steps_per_epoch: steps that use each image once.
        images_per_step: real images that a step takes.
        fingerprint: size in bytes by name of every training file.
        preview: the batch that sample pictures are made of.
    """

    settings: DataSettings
    steps_per_epoch: int
    images_per_step: int
    fingerprint: dict[str, int]
    preview: tuple

    def batches(self, start_step: int):
        """The endless `tf.data.Dataset` of batches from a step on."""

    def naming_damage(self) -> contextlib.AbstractContextManager:
        """Names the damaged file where an image does not decode."""


def train(
    run: RunSettings,
    flags: TrainingFlags,
    open_data: Callable[[RunSettings, Path], Data],
    *,
    command: str,
    label_dim: int | None = None,
    progress: Callable[[], Any] | None = None,
    measure: Callable[[Any, RunSettings, Any], dict[str, float]] | None = None,
    watch: Callable[[RunFolder, RunSettings, str, Any], Callable[[Any, int], dict[str, float]]],
):
    """Trains a GAN, and goes on where the run folder's last checkpoint is.

    Args:
        run: resolved settings.
        flags: of the command.
        open_data: finds the data of the settings; gets a folder for its cache. Its `DataError` is
            the user's.
        command: the command line, for the record.
        label_dim: number of labels that the user gave, which the data must have.
        progress: makes a Keras callback that reports instead of `fit`'s own line.
        measure: of the GAN, the settings and the preview batch numbers by name, shown in
            TensorBoard with each picture.
        watch: what `--evaluate_every` calls, see `gans.evaluation.monitor.watch`.
    """
    folder = RunFolder(flags.run_dir or default_run_dir(run))
    folder.find_begun(run.gan)
    if flags.dry_run:
        print(json.dumps({"run_dir": str(folder.path), **run.record()}, indent=2))
        return

    # TensorFlow takes 3 s to import: not before the flags are known to be right.
    import_tensorflow(flags.debug)
    import keras

    from gans.training import loop

    keras.config.set_dtype_policy("mixed_bfloat16" if run.precision == "bfloat16" else "float32")
    loop.make_deterministic(run.settings.seed)
    # The data may say what networks are to be built: how many labels there are.
    with usage_errors(DataError):
        data = open_data(run, folder.path / "cache")
    with flag_errors():
        run = complete(run, data, label_dim)
        gan = build(run)
        gan.compile(run.epochs, run.steps_per_epoch)
    steps = steps_per_call(run.steps_per_call, flags.steps_per_call, run.steps_per_epoch)
    gan.steps_per_execution = steps
    # A constant rate does not know how long the run will be: it may be made longer.
    constant = isinstance(gan.optimizer.get_config()["learning_rate"], float)
    run = dataclasses.replace(run, steps_per_call=steps, constant_rate=constant)
    folder.check(run)
    evaluate = None
    if flags.evaluate_every:
        with usage_errors(DataError), data.naming_damage():
            evaluate = watch(folder, run, flags.extractor or "own", gan)
    with folder.locked(), usage_errors(DataError), data.naming_damage():
        folder.begin(run, command)
        folder.check_data(data.fingerprint)
        picture = loop.train(
            gan,
            data.batches,
            folder,
            settings=run.flat(),
            epochs=run.epochs,
            steps_per_epoch=run.steps_per_epoch,
            images_per_step=data.images_per_step,
            preview_batch=data.preview,
            log_every=flags.log_every,
            sample_every=flags.sample_every,
            checkpoint_every=flags.checkpoint_every,
            keep_checkpoints=flags.keep_checkpoints,
            profile=flags.profile,
            progress=progress and progress(),
            draw=drawing(run),
            measure=measure and (lambda gan: measure(gan, run, data.preview)),
            evaluate=evaluate,
            evaluate_every=flags.evaluate_every or 1,
        )
        finished = {name: getattr(gan, name) for name in run.gan_file.can.networks}
        loop.save_networks(folder, **{k: network for k, network in finished.items() if network})
        if folder.read_metrics():
            write_losses(folder.path)
        if run.data.kind == "points":
            picture = film(folder)
    print(f"samples: {picture}")


def complete(run: RunSettings, data: Data, label_dim: int | None = None) -> RunSettings:
    """The settings with what the data decides: labels, flips, the length of an epoch.

    Raises `UsageError` where the user gave another number of labels, and `ValueError` where the
    settings of the GAN do not admit theirs.
    """
    names = data.settings.label_names
    settings = run.settings
    if names is not None:
        if label_dim not in (None, len(names)):
            raise UsageError(
                f"--label_dim expects {len(names)}, which the data has labels for, or nothing. "
                f"Received: {label_dim}"
            )
        settings = dataclasses.replace(settings, label_dim=len(names))
    return dataclasses.replace(
        run,
        settings=settings,
        data=data.settings,
        steps_per_epoch=run.steps_per_epoch or data.steps_per_epoch,
    )


def preparation(run: RunSettings, cache: str, cache_dir: Path, threads: int | None) -> Preparation:
    """How the images of a run become batches."""
    s = run.settings
    channels = (s.image_channels,)
    if run.data.kind in ("pairs", "domains"):
        channels = (s.image_channels, s.photo_channels)
    return Preparation(
        image_size=s.image_size,
        channels=channels,
        batch_size=run.batch_size,
        load_size=run.data.load_size,
        flip=bool(run.data.flip),
        seed=s.seed,
        cache=cache,
        cache_dir=cache_dir,
        parallel_calls=threads,
    )


def steps_per_call(preset: int, given: int | None, steps: int) -> int:
    """Steps that one call of the graph makes: those given, or the most that divide an epoch and are
    not more than the preset's.

    Raises `UsageError` where the given number does not divide an epoch.
    """
    if given is None:
        return max(count for count in range(1, preset + 1) if steps % count == 0)
    if steps % given:
        raise UsageError(
            f"--steps_per_call expects a divisor of the {steps} steps of an epoch. "
            f"Received: {given}"
        )
    return given


def drawing(run: RunSettings) -> Callable[[list], np.ndarray]:
    """What makes a picture, uint8 `(height, width, 3)`, of what the GAN's `preview` returns."""
    from gans.data import points
    from gans.pictures.image_grid import image_grid
    from gans.pictures.point_picture import point_picture

    if run.data.kind != "points":
        return image_grid
    raster, mixture = points.raster(run.data.dataset), run.data.mixture
    if mixture:
        density = {"centres": np.asarray(mixture["centres"]), "sigma": mixture["sigma"]}
    else:
        density = {"real": points.draw_points(run.data.dataset, run.settings.seed)[0][:SHOWN]}
    return lambda rows: point_picture(*rows, raster, **density)


def film(folder: RunFolder) -> Path:
    """The sample pictures of a run as `samples.gif` in its folder."""
    from gans.pictures.animation import save_gif

    path = folder.path / "samples.gif"
    save_gif(sorted(folder.samples.glob("step-*.png")), path)
    return path
