"""Trains BicycleGAN: from one sketch to many different photos.

    python scripts/train_bicyclegan.py
    python scripts/train_bicyclegan.py --data_dir=data/edges2handbags --preset=paper

The first needs nothing: it draws toy fashion and ends after about 4 minutes on 2 cores with a
picture of sketches in rows; columns the sketch, the photo, its reconstruction, and eight samples
that differ. The same command given again goes on where the run stopped.
"""

from pathlib import Path
from typing import Literal

from gans.training import cli, command
from gans.training.run_folder import RunFolder

SKETCHES = 8


def train(
    data_dir: str | None = None,
    run_dir: str = "runs/bicyclegan",
    preset: Literal["toy", "article", "paper"] | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    batch_size: int | None = None,
    load_size: int | None = None,
    flip: bool = True,
    seed: int = 0,
    precision: Literal["float32", "bfloat16"] = "float32",
    cache: Literal["auto", "memory", "disk", "none"] = "auto",
    parallel_calls: int | None = None,
    log_every: int = 10,
    sample_every: int | None = None,
    checkpoint_every: int | None = None,
    keep_checkpoints: int = 3,
    profile: tuple[int, int] | None = None,
    dry_run: bool = False,
    debug: bool = False,
    constructor: dict | None = None,
) -> None:
    """Trains BicycleGAN on pairs of images, and goes on where the run folder's last checkpoint is.

    Args:
        data_dir: Folder with train/ and val/ (A and B side by side) or trainA/, trainB/, valA/,
            valB/. Default: toy fashion, drawn into data/ at the first use.
        run_dir: Folder of the run: settings, checkpoints, logs, samples, weights.
        preset: toy (minutes on 2 cores), article (its numbers) or paper (the official code's).
            Default: toy without --data_dir, article with it.
        epochs: Passes over the data. Default: the preset's.
        steps_per_epoch: Default: as many as the training pairs give, each used once.
        batch_size: Pairs of each of the two flows; a step takes twice as many. Default: the
            preset's.
        load_size: Side in pixels that images are resized to before the random crop. Default: the
            preset's, or image_size, which leaves nothing to crop.
        flip: Mirror half of the pairs.
        seed: Of initial weights, order, crops and every random draw; the same seed gives the same
            bytes.
        precision: bfloat16 computes the layers in half the bits; weights and losses stay float32.
        cache: Where decoded images are kept; auto takes memory if they fit into a quarter of what
            is free.
        parallel_calls: Threads that prepare images; changes nothing but the speed. Default:
            automatic.
        log_every: Steps between two points of the loss curves.
        sample_every: Steps between two sample pictures. Default: an epoch.
        checkpoint_every: Steps between two checkpoints. Default: an epoch.
        keep_checkpoints: Checkpoints that are left; the oldest go first.
        profile: First and last step of this process that TensorFlow's profiler records, e.g. 20,30.
        dry_run: Print the resolved settings and stop.
        debug: Show the traceback of an error.
    """
    preset = preset or ("article" if data_dir else "toy")
    command.check_at_least(
        1,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=batch_size,
        load_size=load_size,
        parallel_calls=parallel_calls,
        log_every=log_every,
        sample_every=sample_every,
        checkpoint_every=checkpoint_every,
        keep_checkpoints=keep_checkpoints,
    )
    command.check_at_least(0, seed=seed)
    if profile and not 1 <= profile[0] <= profile[1]:
        raise cli.UsageError(f"--profile expects first,last from 1 on. Received: {profile}")

    import keras

    from data_prep import toy_fashion
    from gans.bicyclegan import PRESETS, TRAINING, BicycleGAN
    from gans.data.images import DataError
    from gans.data.pairs import check_enough, find_pairs, load_pairs, pair_batches
    from gans.training import loop

    model_settings = command.resolve(preset, DESCRIPTION.defaults, PRESETS, constructor or {})
    model_settings["seed"] = seed
    training = command.resolve(
        preset,
        {"load_size": model_settings["image_size"]},
        TRAINING,
        {"epochs": epochs, "batch_size": batch_size, "load_size": load_size},
    )
    if training["load_size"] < model_settings["image_size"]:
        raise cli.UsageError(
            f"--load_size expects at least the image size of {model_settings['image_size']}. "
            f"Received: {training['load_size']}"
        )
