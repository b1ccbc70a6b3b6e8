"""Trains BicycleGAN: from one sketch to many different photos.

    python scripts/train_bicyclegan.py
    python scripts/train_bicyclegan.py --data_dir=data/edges2handbags --preset=paper

The first needs nothing: it draws toy fashion and ends after about 3.5 minutes on 2 cores with a
picture of sketches in rows; columns the sketch, the photo, its reconstruction, and eight samples
that differ. The same command given again goes on where the run stopped.
"""

from pathlib import Path
from typing import Literal

from data_prep import toy_fashion
from gans.training import cli, command
from gans.training.run_folder import RunFolder

DESCRIPTION = cli.describe_class("gans.bicyclegan", "BicycleGAN")
SKETCHES = 8  # Rows of the sample grid.


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
        epochs: Passes over the data; a preset's decay_epochs grow and shrink with them. Default:
            the preset's.
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

    settings = resolve(
        preset,
        constructor or {},
        seed=seed,
        data_dir=data_dir,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        batch_size=batch_size,
        load_size=load_size,
        flip=flip,
        precision=precision,
    )
    if dry_run:
        command.show(settings)
        return
    run = RunFolder(run_dir)

    # TensorFlow takes 3 s to import: not before the flags are known to be right.
    command.import_tensorflow(debug)
    import keras

    from gans.bicyclegan import BicycleGAN
    from gans.data.images import DataError
    from gans.data.pairs import (
        check_enough,
        find_pairs,
        find_validation,
        load_pairs,
        naming_damage,
        pair_batches,
    )
    from gans.training import loop

    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    loop.make_deterministic(seed)
    with command.usage_errors():
        gan = BicycleGAN(**settings["constructor"])
    size = settings["constructor"]["image_size"]
    channels = {
        name: settings["constructor"][name] for name in ("image_channels", "photo_channels")
    }
    with command.usage_errors(DataError):
        data_dir = data_dir or toy_fashion_folder(size)
        files = find_pairs(data_dir, "train")
        check_enough(files, settings["batch_size"])
        held_out = find_validation(data_dir)
    settings["data_dir"] = str(Path(data_dir).resolve())
    settings["steps_per_epoch"] = steps_per_epoch or len(files) // (2 * settings["batch_size"])
    free = command.FREE | ({"epochs"} if not gan.decay_epochs else set())
    run.check(settings, free)
    with run.locked(), command.usage_errors(DataError), naming_damage(files):
        run.begin(settings)
        run.check_data(files.fingerprint())
        gan.compile(settings["epochs"], settings["steps_per_epoch"])

        def make_batches(start_step):
            return pair_batches(
                files,
                batch_size=settings["batch_size"],
                image_size=size,
                load_size=settings["load_size"],
                flip=flip,
                seed=seed,
                start_step=start_step,
                cache=cache,
                cache_dir=run.path / "cache",
                parallel_calls=parallel_calls,
                **channels,
            )

        picture = loop.train(
            gan,
            make_batches,
            run,
            settings=settings,
            epochs=settings["epochs"],
            steps_per_epoch=settings["steps_per_epoch"],
            images_per_step=2 * settings["batch_size"],
            preview_batch=load_pairs(
                held_out, list(range(min(SKETCHES, len(held_out)))), size, **channels
            ),
            log_every=log_every,
            sample_every=sample_every,
            checkpoint_every=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            profile=profile,
        )
        loop.save_networks(run, generator=gan.generator, encoder=gan.encoder)
    print(f"samples: {picture}")


def resolve(preset: str, constructor: dict, **given) -> dict:
    """Every setting of the run: the one given, or the preset's, or the default, in this order."""
    defaults = {parameter.name: parameter.default for parameter in DESCRIPTION.parameters}
    model = {**defaults, **DESCRIPTION.presets[preset], **constructor, "seed": given.pop("seed")}
    training = command.read_literal("gans.bicyclegan", "TRAINING")[preset]
    if given["epochs"] and "decay_epochs" not in constructor:
        # A shorter or longer run decays over the same share of it.
        model["decay_epochs"] = model["decay_epochs"] * given["epochs"] // training["epochs"]
    training = {"load_size": model["image_size"], **training}
    for name, value in given.items():
        training[name] = training.get(name) if value is None else value
    if training["load_size"] < model["image_size"]:
        raise cli.UsageError(
            f"--load_size expects at least the image size of {model['image_size']}. "
            f"Received: {training['load_size']}"
        )
    if model["decay_epochs"] >= training["epochs"] and model["decay_epochs"]:
        raise cli.UsageError(
            f"--decay_epochs expects less than the {training['epochs']} epochs of the run. "
            f"Received: {model['decay_epochs']}"
        )
    return {"model": DESCRIPTION.name, "preset": preset, **training, "constructor": model}


def toy_fashion_folder(size: int) -> str:
    """Toy fashion bags of this size, drawn unless they are there."""
    folder = Path("data") / f"toy_fashion_{size}"
    toy_fashion.generate(folder, size=size)
    return str(folder)


if __name__ == "__main__":
    cli.run(cli.compose(train, DESCRIPTION))
