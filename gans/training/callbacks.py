"""Keras callbacks that make `fit` a run: logs, pictures, checkpoints, and the ways to stop.

All count steps of the whole run, not of one call of `fit`, and act at the end of a step. Where
several steps are one call of the graph (`steps_per_execution`), they act after the last of them.
"""

import json
import math
import signal
import sys
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from gans.command_line.errors import Failure
from gans.command_line.files import write_text
from gans.data.images import save_png
from gans.pictures.image_grid import image_grid
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder


class StepCallback(keras.callbacks.Callback):
    """Calls `on_step(step, losses)` after each step; `step` counts from 1 over the whole run.

    Args:
        start_step: steps done before this process began.
    """

    def __init__(self, start_step: int):
        super().__init__()
        self.step = self.previous_step = self.epoch_start = start_step

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_start = self.step

    def on_train_batch_end(self, batch, logs=None):
        # Keras counts from 0 in each epoch, and gives the last of several steps in one call.
        self.previous_step, self.step = self.step, self.epoch_start + batch + 1
        self.on_step(self.step, {name: float(value) for name, value in (logs or {}).items()})

    def is_due(self, every: int) -> bool:
        """Whether a multiple of `every` was reached since the last call."""
        return self.step // every > self.previous_step // every

    def on_step(self, step: int, losses: dict[str, float]):
        raise NotImplementedError


class StopOnNonFinite(StepCallback):
    """Ends the run with status 3 at the first loss that is NaN or infinite, and writes
    `nan_report.json`.

    `keras.callbacks.TerminateOnNaN` looks at a log named `loss` only, which a GAN has not.
    """

    def __init__(self, start_step: int, run: RunFolder):
        super().__init__(start_step)
        self.run = run

    def on_step(self, step, losses):
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if not bad:
            return
        report = {
            "step": step,
            "not_finite": bad,
            "losses": {k: repr(v) for k, v in losses.items()},
        }
        path = self.run.path / "nan_report.json"
        write_text(path, json.dumps(report, indent=2) + "\n")
        raise Failure(
            f"{', '.join(bad)} not finite at step {step}; the last checkpoint is from before, see "
            f"{path}. A lower --learning_rate is the usual cure",
            exit_code=3,
        )


class Log(StepCallback):
    """Losses to TensorBoard and `metrics.jsonl` every `every` steps, speed to TensorBoard.

    Args:
        writer: of the run's `logs/`.
        images_per_step: real images that a step takes.
    """

    def __init__(
        self,
        start_step: int,
        run: RunFolder,
        writer: tf.summary.SummaryWriter,
        every: int,
        images_per_step: int,
    ):
        super().__init__(start_step)
        self.run, self.writer, self.every = run, writer, every
        self.images_per_step = images_per_step
        self.last = None

    def on_step(self, step, losses):
        if not self.is_due(self.every):
            return
        with open(self.run.metrics_file, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **losses}) + "\n")
        with self.writer.as_default(step):
            for name, value in losses.items():
                tf.summary.scalar(f"loss/{name}", value)
            for optimizer in learning_rates(self.model):
                tf.summary.scalar(f"learning_rate/{optimizer[0]}", optimizer[1])
            now = time.perf_counter()
            if self.last is not None:
                rate = (step - self.last[0]) * self.images_per_step / (now - self.last[1])
                tf.summary.scalar("speed/images_per_second", rate)
            self.last = (step, now)


def learning_rates(model: keras.Model) -> list[tuple[str, float]]:
    """(attribute name, current rate) of every optimizer of the model."""
    return [
        (name, float(value.learning_rate))
        for name, value in sorted(vars(model).items())
        if isinstance(value, keras.optimizers.Optimizer) and name.startswith("optimizer_")
    ]


class Samples(StepCallback):
    """A picture of the same inputs and latents every `every` steps and at the last one.

    The model's `preview(batch)` makes the rows of images, its `diagnose(losses, rows)` the
    warnings, each a sentence, that are printed and kept with the logs. `draw(rows)` makes the
    picture, and `measure(model)`, if given, numbers by name that are shown with it.
    """

    def __init__(
        self,
        start_step: int,
        run: RunFolder,
        writer: tf.summary.SummaryWriter,
        every: int,
        last_step: int,
        batch: tuple[np.ndarray, ...],
        draw: Callable[[list], np.ndarray] = image_grid,
        measure: Callable[[keras.Model], dict[str, float]] | None = None,
    ):
        super().__init__(start_step)
        self.run, self.writer, self.batch = run, writer, batch
        self.every, self.last_step = every, last_step
        self.draw, self.measure = draw, measure

    def on_step(self, step, losses):
        if not self.is_due(self.every) and step != self.last_step:
            return
        rows = self.model.preview(self.batch)
        picture = self.draw(rows)
        save_png(self.run.samples / f"step-{step:08d}.png", picture)
        with self.writer.as_default(step):
            tf.summary.image("samples/fixed_z", picture[np.newaxis])
            for index, warning in enumerate(self.model.diagnose(losses, rows)):
                tf.summary.text(f"warning/{index}", warning)
                print(f"\nwarning at step {step}: {warning}", file=sys.stderr)
            for name, value in (self.measure(self.model) if self.measure else {}).items():
                tf.summary.scalar(f"measured/{name}", value)


class Evaluate(StepCallback):
    """Numbers by name, as `evaluation/...` in TensorBoard, every `every` steps and at the last one.

    Args:
        evaluate: of the model and the step.
    """

    def __init__(
        self,
        start_step: int,
        writer: tf.summary.SummaryWriter,
        every: int,
        last_step: int,
        evaluate: Callable[[keras.Model, int], dict[str, float]],
    ):
        super().__init__(start_step)
        self.writer, self.evaluate = writer, evaluate
        self.every, self.last_step = every, last_step

    def on_step(self, step, losses):
        if not self.is_due(self.every) and step != self.last_step:
            return
        with self.writer.as_default(step):
            for name, value in self.evaluate(self.model, step).items():
                tf.summary.scalar(f"evaluation/{name}", value)


class Save(StepCallback):
    """A checkpoint every `every` steps and at the last one."""

    def __init__(self, start_step: int, checkpoints: Checkpoints, every: int, last_step: int):
        super().__init__(start_step)
        self.checkpoints, self.every, self.last_step = checkpoints, every, last_step

    def on_step(self, step, losses):
        if self.is_due(self.every) or step == self.last_step:
            self.checkpoints.save(step)


class StopOnSignal(StepCallback):
    """At Ctrl-C or SIGTERM: ends the step, saves, says how to go on. A second signal ends at once.

    Use as a context manager around everything from the start of the process's work.
    """

    def __init__(
        self, start_step: int = 0, save: Callable[[int], None] | None = None, steps: int = 0
    ):
        super().__init__(start_step)
        self.save, self.steps = save, steps
        self.received: int | None = None

    def __enter__(self):
        self.previous = {
            number: signal.signal(number, self._receive)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _receive(self, number, _):
        self.received = number
        for either in self.previous:
            signal.signal(either, signal.SIG_DFL)
        print("\nstopping after this step; once more to stop at once", file=sys.stderr)

    def on_step(self, step, losses):
        if self.received is None:
            return
        self.save(step)
        name = "Ctrl-C" if self.received == signal.SIGINT else "SIGTERM"
        raise Failure(
            f"stopped by {name} after step {step} of {self.steps}, saved; "
            "the same command goes on from here",
            exit_code=128 + self.received,
        )


class Profile(StepCallback):
    """TensorFlow's profiler over steps `first` to `last` of this process, into `logs/`; to the end
    of the run where that comes before. Of several steps in one call, over the calls that hold them.
    """

    def __init__(self, start_step: int, run: RunFolder, first: int, last: int, last_step: int):
        super().__init__(start_step)
        self.run = run
        self.first, self.last = start_step + first, min(start_step + last, last_step)
        self.running = False

    def on_train_batch_begin(self, batch, logs=None):
        ahead = self.step + getattr(self.model, "steps_per_execution", 1)
        if self.step < self.last and self.first <= ahead and not self.running:
            tf.profiler.experimental.start(str(self.run.logs))
            self.running = True

    def on_step(self, step, losses):
        if self.running and step >= self.last:
            tf.profiler.experimental.stop()
            self.running = False
