"""From the flags of a training script to a trained run: all that is the same for every GAN."""

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from gans.command_line import command
from gans.command_line.errors import UsageError, usage_errors
from gans.command_line.flags import Flags
from gans.command_line.signatures import ClassDescription
from gans.data.datasets import TOY_FASHION
from gans.training.run_folder import RunFolder


class Data(Protocol):
    """What a run takes its images from; `gans/data/training_data.py` makes them.

    Attributes:
        steps_per_epoch: steps that use each image once.
        images_per_step: real images that a step takes.
        fingerprint: size in bytes by name of every training file.
        preview: the batch that sample pictures are made of.
        draw: makes a picture of what the GAN's `preview` returns.
        animate: whether the pictures become a film at the end.
    """

    steps_per_epoch: int
    images_per_step: int
    fingerprint: dict[str, int]
    preview: tuple
    draw: Callable[[list], Any]
    animate: bool

    def batches(self, start_step: int):
        """The endless `tf.data.Dataset` of batches from a step on."""

    def naming_damage(self) -> contextlib.AbstractContextManager:
        """Names the damaged file where an image does not decode."""


def train(
    description: ClassDescription,
    flags: Flags,
    constructor: dict[str, Any],
    data_settings: dict[str, Any],
    open_data: Callable[[dict[str, Any], Path], Data],
    networks: tuple[str, ...],
    progress: Callable[[], Any] | None = None,
    preset: str | None = None,
    implied: Mapping[str, Any] | None = None,
    measure: Callable[[Any, dict, tuple], dict[str, float]] | None = None,
    watch: Callable[[RunFolder, dict, str, Any], Callable[[Any, int], dict[str, float]]]
    | None = None,
):
    """Trains a GAN, and goes on where the run folder's last checkpoint is.

    Args:
        description: of the GAN's class, from `cli.describe_class`.
        flags: of the command.
        constructor: the constructor's arguments that were given.
        data_settings: what was given of the script's own settings; None leaves it to the preset's
            `TRAINING`, or to what is there already.
        open_data: finds the data of the settings, which it may complete; gets a folder for its
            cache. Its `DataError` is the user's.
        networks: attributes of the GAN that are written as `NAME.weights.h5` at the end; None where
            a setting does without one.
        progress: makes a Keras callback that reports instead of `fit`'s own line.
        preset: whose numbers are taken where no flag names one. Default: as `resolve` says.
        implied: arguments of the constructor that the data implies: over those of the preset, under
            those that were given.
        measure: of the GAN, the settings and the preview batch numbers by name, shown in
            TensorBoard with each picture.
        watch: what `--evaluate_every` calls, see `gans.evaluation.monitor.watch`.
    """
    flags.check()
    settings = resolve(description, flags, constructor, data_settings, preset, implied or {})
    run = RunFolder(flags.run_dir or default_run_dir(settings))
    if flags.dry_run:
        command.show({"run_dir": str(run.path), **settings})
        return

    # TensorFlow takes 3 s to import: not before the flags are known to be right.
    command.import_tensorflow(flags.debug)
    import keras

    from gans.data.images import DataError
    from gans.training import loop

    keras.config.set_dtype_policy("mixed_bfloat16" if flags.precision == "bfloat16" else "float32")
    loop.make_deterministic(flags.seed)
    # The data may say what networks are to be built: how many labels there are.
    with usage_errors(DataError):
        data = open_data(settings, run.path / "cache")
    with usage_errors():
        gan = command.load_class(description.module, description.name)(**settings["constructor"])
    steps = settings["steps_per_epoch"] = flags.steps_per_epoch or data.steps_per_epoch
    with usage_errors():
        gan.compile(settings["epochs"], steps)
    gan.steps_per_execution = settings["steps_per_call"] = steps_per_call(
        settings["steps_per_call"], flags.steps_per_call, steps
    )
    # A constant rate does not know how long the run will be: it may be made longer.
    constant = isinstance(gan.optimizer.get_config()["learning_rate"], float)
    settings["constant_rate"] = constant
    run.check(settings, command.FREE | ({"epochs"} if constant else set()))
    evaluate = None
    if flags.evaluate_every:
        with usage_errors(DataError), data.naming_damage():
            evaluate = watch(run, settings, flags.extractor or "own", gan)
    with run.locked(), usage_errors(DataError), data.naming_damage():
        run.begin(settings)
        run.check_data(data.fingerprint)
        picture = loop.train(
            gan,
            data.batches,
            run,
            settings=settings,
            epochs=settings["epochs"],
            steps_per_epoch=settings["steps_per_epoch"],
            images_per_step=data.images_per_step,
            preview_batch=data.preview,
            log_every=flags.log_every,
            sample_every=flags.sample_every,
            checkpoint_every=flags.checkpoint_every,
            keep_checkpoints=flags.keep_checkpoints,
            profile=flags.profile,
            progress=progress and progress(),
            draw=data.draw,
            measure=measure and (lambda gan: measure(gan, settings, data.preview)),
            evaluate=evaluate,
            evaluate_every=flags.evaluate_every or 1,
        )
        finished = {name: getattr(gan, name) for name in networks}
        loop.save_networks(run, **{name: net for name, net in finished.items() if net is not None})
        if data.animate:
            picture = film(run)
    print(f"samples: {picture}")


def default_run_dir(settings: dict[str, Any]) -> str:
    """Below runs/ the GAN's name, and where it does not train on toy fashion that of the data: of
    data/bags, digits.npz or cycle_gan/horse2zebra:3.0.0 it is bags, digits or horse2zebra.
    """
    folders = [settings.get(name) for name in ("data_dir", "data_dir_b")]
    names = [Path(folder).name.removesuffix(".npz") for folder in folders if folder]
    prepared = [settings.get(name) for name in ("tfds", "tfds_b", "dataset")]
    prepared = [name.partition(":")[0] for name in prepared if name not in (None, TOY_FASHION)]
    names += [name.rpartition("/")[2] for name in prepared]
    return f"runs/{'_'.join([settings['module'].removeprefix('gans.'), *names])}"


def steps_per_call(preset: int, given: int | None, steps: int) -> int:
    """Steps that one call of the graph makes: those given, or the most that divide an epoch and are
    not more than the preset's.
    """
    if given is None:
        return max(count for count in range(1, preset + 1) if steps % count == 0)
    if steps % given:
        raise UsageError(
            f"--steps_per_call expects a divisor of the {steps} steps of an epoch. "
            f"Received: {given}"
        )
    return given


def film(run: RunFolder) -> Path:
    """The sample pictures of a run as `samples.gif` in its folder."""
    from gans.pictures.animation import save_gif

    path = run.path / "samples.gif"
    save_gif(sorted(run.samples.glob("step-*.png")), path)
    return path


def resolve(
    description: ClassDescription,
    flags: Flags,
    constructor: dict[str, Any],
    data_settings: dict[str, Any],
    preset: str | None = None,
    implied: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every setting of the run: the one given, or the one that the data implies, or the preset's,
    or the default, in this order.

    The preset is by default `preset`, and without one `toy`, or `article` where the user names
    data.
    """
    named = data_settings.get("data_dir") or data_settings.get("tfds")
    name = flags.preset or preset or ("article" if named else "toy")
    defaults = {parameter.name: parameter.default for parameter in description.parameters}
    implied = implied or {}
    model = {
        **defaults,
        **description.presets[name],
        **implied,
        **constructor,
        "seed": flags.seed,
    }
    kind = implied.get("data", "images")
    if model.get("data", kind) != kind:
        received = f"--data={constructor['data']}" if "data" in constructor else f"--preset={name}"
        raise UsageError(f"expected a GAN of {kind}, which the data holds. Received: {received}")
    preset = command.read_literal(description.module, "TRAINING")[name]
    if flags.epochs and model.get("decay_epochs") and "decay_epochs" not in constructor:
        # A shorter or longer run decays over the same share of it.
        model["decay_epochs"] = model["decay_epochs"] * flags.epochs // preset["epochs"]
    training = {"load_size": model["image_size"], "steps_per_call": 1, **preset}
    if "load_size" in preset:
        # The share that a crop leaves, at whatever size.
        size = description.presets[name].get("image_size", defaults["image_size"])
        training["load_size"] = preset["load_size"] * model["image_size"] // size
    given = {
        "epochs": flags.epochs,
        "steps_per_epoch": flags.steps_per_epoch,
        "steps_per_call": flags.steps_per_call,
        "batch_size": flags.batch_size,
        "precision": flags.precision,
        **data_settings,
    }
    for setting, value in given.items():
        training[setting] = training.get(setting) if value is None else value
    if training["load_size"] < model["image_size"]:
        raise UsageError(
            f"--load_size expects at least the image size of {model['image_size']}. "
            f"Received: {training['load_size']}"
        )
    if model.get("decay_epochs") and model["decay_epochs"] > training["epochs"]:
        raise UsageError(
            f"--decay_epochs expects at most the {training['epochs']} epochs of the run. "
            f"Received: {model['decay_epochs']}"
        )
    return {
        "model": description.name,
        "module": description.module,
        "preset": name,
        **training,
        "constructor": model,
    }
