"""The command that trains a GAN: from the flags to a run."""

import dataclasses
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data_prep import toy_fashion
from gans.command_line import cli, gan_files
from gans.command_line.errors import UsageError, flag_errors
from gans.command_line.flags import DomainFlags, PairFlags, SetFlags, TagFlags, TrainingFlags
from gans.command_line.gan_files import GanFile
from gans.data.data_settings import DataSettings
from gans.data.datasets import TOY_FASHION
from gans.training import start
from gans.training.run_settings import RunSettings, resolve

# Flags that change no result, or say where something is on this machine.
UNRECORDED = {
    *("run_dir", "dry_run", "debug", "profile", "cache", "parallel_calls", "steps_per_call"),
    *("log_every", "sample_every", "checkpoint_every", "keep_checkpoints"),
    *("evaluate_every", "extractor"),
}
# What stands for a path in the recorded command.
PLACEHOLDERS = {
    "data_dir": "DATA",
    "data_dir_b": "DATA_B",
    "tfds_dir": "TFDS",
    "tags_csv": "TAGS.csv",
}


def command_of(name: str) -> Callable | dict[str | None, Callable]:
    """The training command of a GAN, for `cli.run`; of DiscoGAN also that of its article.

    Args:
        name: module of the GAN below `gans`.
    """
    file = gan_files.read(name)
    kind = {"pairs": PairFlags, "domains": DomainFlags}.get(file.can.starts_from)
    kind = kind or (TagFlags if file.can.labels == "many" else SetFlags)

    def train(flags: TrainingFlags, data: kind, given: dict) -> None:
        start_training(file, flags, data, given)

    train.__doc__ = (
        f"Trains {file.class_name}; the same command given again goes on where the run stopped."
    )
    if name != "discogan":
        return cli.compose(train, file)

    def process_main(
        dataset_dir: str, flags: TrainingFlags, data: DomainFlags, given: dict
    ) -> None:
        """The command of the article: trains on this folder, and prints its line for every step.

        Args:
            dataset_dir: Folder of the two domains, as --data_dir.
        """
        if data.data_dir or data.tfds:
            raise UsageError("expected the data as --dataset_dir. Received: --data_dir or --tfds")
        data = dataclasses.replace(data, data_dir=dataset_dir)
        start_training(file, flags, data, given, progress=article_progress)

    return {None: cli.compose(train, file), "process_main": cli.compose(process_main, file)}


def start_training(
    file: GanFile,
    flags: TrainingFlags,
    data: PairFlags | SetFlags,
    given: Mapping[str, Any],
    progress: Callable[[], Any] | None = None,
):
    """Resolves the settings, and trains.

    Args:
        file: of the GAN.
        flags, data, given: of the command line; `given` are settings of the GAN.
        progress: makes a Keras callback that reports instead of `fit`'s own line.
    """
    implied = data.implied
    chosen = data.data()
    if chosen.dataset == TOY_FASHION and chosen.labels is None and file.can.toy_labels:
        chosen = dataclasses.replace(chosen, labels=file.can.toy_labels)
    with flag_errors():
        run = resolve(
            file,
            given,
            chosen,
            preset=flags.preset or implied.preset,
            implied=implied.constructor,
            seed=flags.seed,
            precision=flags.precision,
            epochs=flags.epochs,
            steps_per_epoch=flags.steps_per_epoch,
            steps_per_call=flags.steps_per_call,
            batch_size=flags.batch_size,
        )

    def watch(*args):
        from gans.evaluation import monitor

        return monitor.watch(*args)

    def measure(gan, run: RunSettings, preview) -> dict[str, float]:
        from gans.evaluation import monitor

        return monitor.measure(gan, run, preview)

    def open_data(run: RunSettings, cache_dir: Path):
        from gans.data.training_data import open_data

        settings = run.data
        if settings.dataset == TOY_FASHION:
            domains = getattr(data, "domains", None) or file.can.toy_domains
            settings = draw_toy_fashion(settings, run.settings.image_size, domains)
        return open_data(
            settings,
            start.preparation(run, data.cache, cache_dir, data.parallel_calls),
            draws=file.can.draws,
            epoch=file.can.epoch,
            one_label_each=file.can.labels != "many",
            point_scale=getattr(run.settings, "point_scale", 1.0),
        )

    start.train(
        run,
        flags,
        open_data,
        command=recorded(file, flags, data, given),
        label_dim=given.get("label_dim"),
        progress=progress,
        measure=measure if file.can.starts_from == "noise" else None,
        watch=watch,
    )


def draw_toy_fashion(data: DataSettings, size: int, domains: str) -> DataSettings:
    """The settings with the folders of toy fashion, which is drawn unless it is there."""
    if data.kind != "domains":
        return dataclasses.replace(data, data_dir=toy_fashion.default_set(size))
    return dataclasses.replace(data, **toy_fashion.default_domains(size, domains))


def recorded(
    file: GanFile, flags: TrainingFlags, data: PairFlags | SetFlags, given: Mapping[str, Any]
) -> str:
    """The command that trains the same on another machine: paths are placeholders."""
    words = {}
    for group in (flags, data):
        for field in dataclasses.fields(group):
            value = getattr(group, field.name)
            if value != field.default and field.name not in UNRECORDED:
                words[field.name] = PLACEHOLDERS.get(field.name, value)
    line = [f"--{name}={_text(value)}" for name, value in {**words, **given}.items()]
    return " ".join(["python", f"scripts/train_{file.name}.py", *map(shlex.quote, line)])


def article_progress():
    """A callback that prints `Epoch: [ 0] [  12/ 156] time: 10.1256`, as the article's code."""
    import keras

    class Progress(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.begin = time.time()

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            seconds = time.time() - self.begin
            steps = self.params["steps"]
            print(f"Epoch: [{self.epoch:2d}] [{batch:4d}/{steps:4d}] time: {seconds:4.4f}")

    return Progress()


def _text(value: Any) -> str:
    """As the command line takes it."""
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
