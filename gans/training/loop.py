"""From a model, a stream and a run folder to a trained run: `fit` with everything around it."""

import contextlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gans.command_line.files import replacing
from gans.data.stream import untuned
from gans.pictures.image_grid import image_grid
from gans.training.callbacks import (
    Evaluate,
    Log,
    Profile,
    Samples,
    Save,
    StopOnNonFinite,
    StopOnSignal,
)
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder


def make_deterministic(seed: int):
    """The same seed gives the same bytes: initial weights, and every operation of a step."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    # TensorFlow 2.21's remapper fails on residual blocks, with an error line for every graph.
    tf.config.optimizer.set_experimental_options({"remapping": False})


def train(
    model: keras.Model,
    make_batches: Callable[[int], tf.data.Dataset],
    run: RunFolder,
    *,
    settings: Mapping[str, Any],
    epochs: int,
    steps_per_epoch: int,
    images_per_step: int,
    preview_batch: tuple[np.ndarray, ...],
    log_every: int = 10,
    sample_every: int | None = None,
    checkpoint_every: int | None = None,
    keep_checkpoints: int = 3,
    profile: tuple[int, int] | None = None,
    progress: keras.callbacks.Callback | None = None,
    draw: Callable[[list], np.ndarray] = image_grid,
    measure: Callable[[keras.Model], dict[str, float]] | None = None,
    evaluate: Callable[[keras.Model, int], dict[str, float]] | None = None,
    evaluate_every: int = 1,
) -> Path:
    """Trains to the end of the last epoch, from the newest checkpoint if there is one.

    A run killed at any instant and started again ends with the bytes of one that was not killed,
    since the batches and the random draws of a step are functions of its number, and all else is in
    the checkpoint.

    Args:
        model: compiled; its `train_step` returns every loss by name, `preview` and `diagnose` as
            `Samples` says.
        make_batches: the endless stream of batches from a given step on.
        run: an open run folder.
        settings: of the run by name, shown in TensorBoard.
        epochs, steps_per_epoch: their product is the length of the run.
        images_per_step: real images that a step takes, for the speed.
        preview_batch: what `preview` gets.
        log_every, sample_every, checkpoint_every: steps between them; the last two default to an
            epoch.
        keep_checkpoints: older ones are deleted.
        profile: first and last step of this process to be profiled.
        progress: reports instead of Keras' own progress bar.
        draw, measure: as `Samples` says.
        evaluate, evaluate_every: as `Evaluate` says, but in epochs.

    Returns the last sample picture. Raises `Failure` where the run was stopped, with the
    status.
    """
    last_step = epochs * steps_per_epoch
    checkpoints = Checkpoints(run.checkpoints, model, keep_checkpoints)
    checkpoints.remove_strays()
    step = checkpoints.restore()
    picture = run.samples / f"step-{last_step:08d}.png"
    if step >= last_step:
        print(f"{run.path} is complete: {step} steps of {last_step}", file=sys.stderr)
        return picture
    if step:
        print(f"going on after step {step} of {last_step}", file=sys.stderr)
    run.drop_metrics_after(step)
    drop_events_after(run.logs, step)
    writer = tf.summary.create_file_writer(str(run.logs), filename_suffix=f".from-step-{step}")
    if step == 0:
        with writer.as_default(0):
            tf.summary.text("settings", settings_table(settings))

    with StopOnSignal(step, checkpoints.save, last_step) as stop, contextlib.closing(writer):
        callbacks = [
            StopOnNonFinite(step, run),
            Log(step, run, writer, log_every, images_per_step),
            Samples(
                step,
                run,
                writer,
                sample_every or steps_per_epoch,
                last_step,
                preview_batch,
                draw,
                measure,
            ),
            Save(step, checkpoints, checkpoint_every or steps_per_epoch, last_step),
            stop,
        ]
        if evaluate:
            # Before a checkpoint: what a killed process had not saved is evaluated again.
            every = evaluate_every * steps_per_epoch
            callbacks.insert(3, Evaluate(step, writer, every, last_step, evaluate))
        if profile:
            callbacks.append(Profile(step, run, *profile, last_step))
        verbose = 1 if sys.stdout.isatty() else 2
        if progress:
            callbacks.insert(0, progress)
            verbose = 0
        epoch, done = divmod(step, steps_per_epoch)
        options = {"callbacks": callbacks, "verbose": verbose, "shuffle": False}
        if done:
            # `fit` begins at the start of an epoch: the rest of this one is an epoch of its own.
            rest = steps_per_epoch - done
            per_call = model.steps_per_execution
            # Another number than that of before may not divide what is left.
            model.steps_per_execution = math.gcd(per_call, rest)
            model.fit(
                make_batches(step),
                initial_epoch=epoch,
                epochs=epoch + 1,
                steps_per_epoch=rest,
                **options,
            )
            epoch, step = epoch + 1, step + rest
            if model.steps_per_execution != per_call:
                model.steps_per_execution = per_call
                model.make_train_function(force=True)
        if step < last_step:
            model.fit(
                make_batches(step),
                initial_epoch=epoch,
                epochs=epochs,
                steps_per_epoch=steps_per_epoch,
                **options,
            )
    return picture


def save_networks(run: RunFolder, **networks: keras.Model):
    """Writes the finished networks as `NAME.weights.h5`, each whole or not at all."""
    for name, network in networks.items():
        with replacing(run.path / f"{name}.weights.h5") as temporary:
            network.save_weights(temporary)


def settings_table(settings: Mapping[str, Any]) -> str:
    """Every setting as a row of a Markdown table, for TensorBoard."""
    rows = [f"| {name} | {json.dumps(value)} |" for name, value in sorted(settings.items())]
    return "\n".join(["| setting | value |", "|---|---|", *rows])


def drop_events_after(folder: Path, step: int):
    """Removes TensorBoard's events of steps that will be done again, or curves would fold back."""
    for path in sorted(folder.glob("events.out.tfevents.*")):
        kept, dropped = [], 0
        try:
            for record in untuned(tf.data.TFRecordDataset(str(path))).as_numpy_iterator():
                if tf.compat.v1.Event.FromString(record).step <= step:
                    kept.append(record)
                else:
                    dropped += 1
        except tf.errors.DataLossError:
            dropped += 1  # The last record was cut off by a kill.
        if not dropped:
            continue
        with replacing(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
            for record in kept:
                writer.write(record)
