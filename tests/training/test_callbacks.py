"""The callbacks: what is written at which step, and which status a run ends with."""

import json
import math
import os
import re
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.command_line.errors import Failure
from gans.pictures.image_grid import image_grid
from gans.training import callbacks
from gans.training.callbacks import Log, Profile, Samples, Save, StopOnNonFinite, StopOnSignal
from gans.training.run_folder import RunFolder

LOSSES = {"d_loss": 0.5, "g_loss": 2.0}


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path)
    folder.samples.mkdir()
    return folder


@pytest.fixture
def writer(run):
    return tf.summary.create_file_writer(str(run.logs))


def pass_steps(callback, steps, model=None, losses=LOSSES, per_call=1):
    """What `fit` does to a callback in an epoch, of which `per_call` steps are one call."""
    callback.set_model(model)
    callback.on_epoch_begin(0)
    for batch in range(0, steps, per_call):
        callback.on_train_batch_begin(batch)
        logs = {name: tf.constant(value) for name, value in losses.items()}
        callback.on_train_batch_end(batch + per_call - 1, logs)


def read_events(run):
    """Every event but the file's first: (step, tag, value); the writer is still open, so what is
    not there a kill would take.
    """
    events = []
    for path in sorted(run.logs.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            events += [(event.step, v.tag, tf.make_ndarray(v.tensor)) for v in event.summary.value]
    return events


class Recorder:
    def __init__(self):
        self.steps = []

    def save(self, step):
        self.steps.append(step)


# Steps.


def test_steps_count_over_the_whole_run_and_over_calls_of_fit():
    class Steps(callbacks.StepCallback):
        seen = []

        def on_step(self, step, losses):
            self.seen.append((step, losses))

    callback = Steps(start_step=5)
    pass_steps(callback, 2)
    pass_steps(callback, 1, losses={"d_loss": 0.25})
    assert callback.seen == [(6, LOSSES), (7, LOSSES), (8, {"d_loss": 0.25})]


def test_of_several_steps_in_one_call_the_last_is_counted():
    class Steps(callbacks.StepCallback):
        seen = []

        def on_step(self, step, losses):
            self.seen.append((step, [every for every in (1, 2, 3, 4, 6) if self.is_due(every)]))

    callback = Steps(start_step=3)
    pass_steps(callback, 6, per_call=3)
    pass_steps(callback, 2)
    # A multiple of `every` may be in the middle of a call; it is due once.
    assert callback.seen == [
        (6, [1, 2, 3, 4, 6]),
        (9, [1, 2, 3, 4]),
        (10, [1, 2]),
        (11, [1]),
    ]


def test_whatever_is_due_in_a_call_is_done_once_after_it(run, writer, tiny):
    recorder = Recorder()
    pass_steps(Save(0, recorder, every=2, last_step=20), 20, per_call=5)
    assert recorder.steps == [5, 10, 15, 20]
    pass_steps(Log(0, run, writer, every=8, images_per_step=1), 20, tiny(), per_call=5)
    rows = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20]
    callback = Samples(0, run, writer, every=15, last_step=20, batch=(IMAGE,))
    pass_steps(callback, 20, Painter(), per_call=5)
    assert sorted(os.listdir(run.samples)) == ["step-00000015.png", "step-00000020.png"]


def test_a_signal_within_a_call_ends_the_run_after_it():
    recorder = Recorder()
    with StopOnSignal(0, recorder.save, 20) as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Failure, match="after step 10 of 20, saved"):
            pass_steps(stop, 20, per_call=10)
    assert recorder.steps == [10]


# Losses that are not finite.


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_loss_that_is_not_finite_ends_with_status_3_and_a_report(run, value):
    callback = StopOnNonFinite(7, run)
    with pytest.raises(
        Failure,
        match=re.escape(
            "d_loss not finite at step 8; the last checkpoint is from before, see "
            f"{run.path}/nan_report.json. A lower --learning_rate is the usual cure"
        ),
    ) as failure:
        pass_steps(callback, 1, losses={"d_loss": value, "g_loss": 2.0})
    assert failure.value.exit_code == 3
    assert json.loads((run.path / "nan_report.json").read_text()) == {
        "step": 8,
        "not_finite": ["d_loss"],
        "losses": {"d_loss": repr(value), "g_loss": "2.0"},
    }


def test_finite_losses_leave_no_report(run):
    pass_steps(StopOnNonFinite(0, run), 3)
    assert not (run.path / "nan_report.json").exists()


# Curves.


def test_losses_are_logged_every_few_steps_of_the_run(run, writer, tiny):
    pass_steps(Log(3, run, writer, every=2, images_per_step=8), 5, tiny())
    rows = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert rows == [{"step": step, **LOSSES} for step in (4, 6, 8)]
    scalars = {(step, tag): value for step, tag, value in read_events(run) if "speed" not in tag}
    expected = {"loss/d_loss": 0.5, "loss/g_loss": 2.0}
    rates = {"learning_rate/optimizer_d": 0.02, "learning_rate/optimizer_g": 0.01}
    assert scalars == {
        (step, tag): np.float32(value)
        for step in (4, 6, 8)
        for tag, value in {**expected, **rates}.items()
    }


def test_speed_is_images_over_seconds_from_the_second_point_on(run, writer, tiny, monkeypatch):
    clock = iter([10.0, 14.0, 15.0])
    monkeypatch.setattr(callbacks.time, "perf_counter", lambda: next(clock))
    pass_steps(Log(0, run, writer, every=3, images_per_step=8), 9, tiny())
    speeds = [event for event in read_events(run) if "speed" in event[1]]
    assert speeds == [(6, "speed/images_per_second", 6.0), (9, "speed/images_per_second", 24.0)]


def test_a_learning_rate_schedule_is_logged_as_it_is_now():
    model = keras.Model()
    model.optimizer_e = keras.optimizers.SGD(
        keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.25])
    )
    assert callbacks.learning_rates(model) == [("optimizer_e", 0.5)]
    model.optimizer_e.iterations.assign(2)
    assert callbacks.learning_rates(model) == [("optimizer_e", 0.25)]


# Pictures.


IMAGE = np.linspace(-1, 1, 18, dtype=np.float32).reshape(2, 3, 3)


class Painter:
    """A model whose preview is the input, and which is worried."""

    def preview(self, batch):
        return [[batch[0]]]

    def diagnose(self, losses, rows):
        return [f"d_loss {losses['d_loss']}", f"images of {rows[0][0].shape[0]}"]


def samples(run, writer, steps, every):
    callback = Samples(4, run, writer, every=every, last_step=4 + steps, batch=(IMAGE,))
    pass_steps(callback, steps, Painter())


def test_pictures_are_made_every_few_steps_and_at_the_last(run, writer):
    samples(run, writer, steps=5, every=3)
    assert sorted(os.listdir(run.samples)) == ["step-00000006.png", "step-00000009.png"]


def test_the_last_step_is_pictured_whatever_the_rhythm(run, writer):
    samples(run, writer, steps=3, every=100)
    assert os.listdir(run.samples) == ["step-00000007.png"]


def test_a_picture_is_the_grid_of_the_preview_also_in_tensorboard(run, writer):
    samples(run, writer, steps=2, every=2)
    expected = image_grid([[IMAGE]])
    with Image.open(run.samples / "step-00000006.png") as image:
        np.testing.assert_array_equal(np.asarray(image), expected)
    (logged,) = [e for e in read_events(run) if e[1] == "samples/fixed_z"]
    assert logged[0] == 6
    width, height, png = logged[2]
    assert (int(width), int(height)) == expected.shape[1::-1]
    np.testing.assert_array_equal(tf.io.decode_png(png), expected)


def test_warnings_are_printed_and_kept_with_the_logs(run, writer, capsys):
    samples(run, writer, steps=2, every=2)
    assert capsys.readouterr().err == (
        "\nwarning at step 6: d_loss 0.5\n\nwarning at step 6: images of 2\n"
    )
    texts = [e for e in read_events(run) if e[1].startswith("warning")]
    assert texts == [(6, "warning/0", b"d_loss 0.5"), (6, "warning/1", b"images of 2")]


def test_a_picture_is_what_draw_makes_of_the_preview(run, writer):
    drawn = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    previews = []

    def draw(rows):
        previews.append(rows)
        return drawn

    pass_steps(Samples(0, run, writer, 1, 1, (IMAGE,), draw=draw), 1, Painter())
    np.testing.assert_array_equal(previews, [[[IMAGE]]])
    with Image.open(run.samples / "step-00000001.png") as image:
        np.testing.assert_array_equal(np.asarray(image), drawn)
    (logged,) = [e for e in read_events(run) if e[1] == "samples/fixed_z"]
    np.testing.assert_array_equal(tf.io.decode_png(logged[2][2]), drawn)


def test_what_is_measured_of_the_model_is_shown_with_each_picture(run, writer):
    painter, measured = Painter(), []

    def measure(model):
        assert model is painter
        measured.append(model)
        return {"modes": float(len(measured)), "reverse_kl": 0.5}

    pass_steps(Samples(0, run, writer, 2, 5, (IMAGE,), measure=measure), 5, painter)
    shown = [event for event in read_events(run) if event[1].startswith("measured/")]
    assert shown == [
        (step, f"measured/{name}", value)
        for step, modes in ((2, 1), (4, 2), (5, 3))
        for name, value in (("modes", modes), ("reverse_kl", 0.5))
    ]


# Checkpoints.


def test_checkpoints_are_saved_every_few_steps_and_at_the_last():
    recorder = Recorder()
    pass_steps(Save(2, recorder, every=4, last_step=9), 7)
    assert recorder.steps == [4, 8, 9]


# Signals.


@pytest.mark.parametrize(
    ("number", "name", "status"), [(signal.SIGTERM, "SIGTERM", 143), (signal.SIGINT, "Ctrl-C", 130)]
)
def test_a_signal_saves_after_the_step_and_ends_with_its_status(capsys, number, name, status):
    recorder = Recorder()
    with StopOnSignal(5, recorder.save, 20) as stop:
        pass_steps(stop, 1)
        signal.raise_signal(number)
        assert recorder.steps == []
        with pytest.raises(
            Failure,
            match=rf"^stopped by {name} after step 7 of 20, saved; "
            "the same command goes on from here$",
        ) as failure:
            pass_steps(stop, 1)
    assert recorder.steps == [7]
    assert failure.value.exit_code == status
    assert capsys.readouterr().err == "\nstopping after this step; once more to stop at once\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_after_the_first_signal_either_one_ends_at_once(number):
    with StopOnSignal():
        signal.raise_signal(number)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_the_handlers_of_before_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    for raised in (False, True):
        with StopOnSignal():
            assert signal.getsignal(signal.SIGINT) != before[0]
            if raised:
                signal.raise_signal(signal.SIGINT)
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


# The profiler.


@pytest.fixture
def profiled(run, monkeypatch):
    """Profiles 6 steps after step 10: what was started and stopped, and before which step."""

    def profile(first, last, last_step=16, per_call=1):
        calls, model = [], keras.Model()
        model.steps_per_execution = per_call
        callback = Profile(10, run, first, last, last_step)
        profiler = tf.profiler.experimental
        monkeypatch.setattr(
            profiler, "start", lambda logs: calls.append(("start", callback.step + 1, logs))
        )
        monkeypatch.setattr(profiler, "stop", lambda: calls.append(("stop", callback.step)))
        pass_steps(callback, 6, model, per_call=per_call)
        return calls

    return profile


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 3), (2, 2), (3, 6)])
def test_the_profiler_covers_first_to_last_step_of_this_process(run, profiled, first, last):
    calls = profiled(first, last)
    assert calls == [("start", 10 + first, str(run.logs)), ("stop", 10 + last)]


def test_the_profiler_stops_where_the_run_ends_before_it(run, profiled):
    assert profiled(5, 9) == [("start", 15, str(run.logs)), ("stop", 16)]


def test_the_profiler_does_nothing_where_the_run_ends_before_its_first_step(profiled):
    assert profiled(7, 9) == []


@pytest.mark.parametrize(
    ("first", "last", "started", "stopped"), [(2, 2, 11, 13), (4, 6, 14, 16), (3, 4, 11, 16)]
)
def test_of_several_steps_in_one_call_whole_calls_are_profiled(
    run, profiled, first, last, started, stopped
):
    calls = profiled(first, last, per_call=3)
    assert calls == [("start", started, str(run.logs)), ("stop", stopped)]
