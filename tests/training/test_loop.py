"""A run stopped, killed or damaged, and begun again, ends with the bytes of one that was not.

2 epochs of 4 steps, a line of metrics every step, a checkpoint after steps 3, 6 and 8.
"""

import dataclasses
import errno
import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.command_line.errors import Failure
from gans.training import callbacks, checkpoints, loop
from gans.training.run_folder import RunFolder

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LAST = 8


class Killed(BaseException):
    """Ends a process at once: nothing of the code under test handles it."""


def kill():
    raise Killed


@pytest.fixture
def at_step(monkeypatch):
    """Has something happen once, after a step was logged, before its picture and checkpoint."""
    on_step, planned = callbacks.Log.on_step, {}

    def log_and_act(self, step, losses):
        on_step(self, step, losses)
        planned.pop(step, lambda: None)()

    def plan(step, action):
        planned[step] = action
        monkeypatch.setattr(callbacks.Log, "on_step", log_and_act)

    return plan


@pytest.fixture(scope="module")
def finished(train, variables, tmp_path_factory):
    """What a run that nothing happened to leaves."""
    path = tmp_path_factory.mktemp("finished") / "run"
    train(path)
    return results(path, variables)


@pytest.fixture
def ends_alike(train, variables, tmp_path, finished):
    """Gives the command again, and compares every byte of the results."""

    def check(**options):
        train(tmp_path, **options)
        assert results(tmp_path, variables) == finished

    return check


def results(path, variables):
    """Bytes of every weight, optimizer slot, line of metrics and picture."""
    run = RunFolder(path)
    return {
        **variables(run.checkpoints / f"step-{LAST:08d}"),
        "metrics.jsonl": run.metrics_file.read_bytes(),
        **{picture.name: picture.read_bytes() for picture in run.samples.iterdir()},
    }


def saved(path):
    return sorted(entry.name for entry in (path / "checkpoints").iterdir())


def names(*steps):
    return [f"step-{step:08d}" for step in steps]


def events(path):
    """(step, tag) of every event in TensorBoard's order: by file, then as written."""
    found = []
    for file in sorted((path / "logs").glob("events*")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            found += [(event.step, value.tag) for value in event.summary.value]
    return found


def contents(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


# A run.


def test_a_run_leaves_checkpoints_pictures_metrics_and_curves(train, tmp_path):
    train(tmp_path)
    assert saved(tmp_path) == names(3, 6, 8)
    assert sorted(os.listdir(tmp_path / "samples")) == ["step-00000004.png", "step-00000008.png"]
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert {tuple(row) for row in rows} == {("step", "d_loss", "g_loss")}
    tags = ["d_loss", "g_loss"]
    scalars = [event for event in events(tmp_path) if event[1].startswith("loss")]
    assert scalars == [(step, f"loss/{tag}") for step in range(1, 9) for tag in tags]


def test_the_same_run_twice_gives_the_same_bytes(ends_alike):
    ends_alike()


def test_pictures_and_checkpoints_are_made_every_epoch_where_nothing_is_said(train, tmp_path):
    train(tmp_path, checkpoint_every=None, sample_every=None)
    assert saved(tmp_path) == names(4, 8)
    assert sorted(os.listdir(tmp_path / "samples")) == ["step-00000004.png", "step-00000008.png"]


def test_pictures_are_made_as_often_as_asked_for_and_at_the_end(train, tmp_path):
    train(tmp_path, sample_every=3)
    assert sorted(os.listdir(tmp_path / "samples")) == [f"{name}.png" for name in names(3, 6, 8)]


@pytest.mark.parametrize("keep", [1, 2])
def test_as_many_checkpoints_are_kept_as_asked_for(train, tmp_path, keep):
    train(tmp_path, keep_checkpoints=keep)
    assert saved(tmp_path) == names(3, 6, 8)[-keep:]


def test_a_step_is_traced_once_in_a_run_and_once_after_a_resume(train, tmp_path, at_step, tiny):
    class Traced(tiny.kind):
        traces = 0

        def train_step(self, points):
            self.traces += 1
            return super().train_step(points)

    model = train(tmp_path / "whole", tiny(Traced), epochs=3)
    assert model.traces == 1
    at_step(6, kill)
    with pytest.raises(Killed):
        train(tmp_path / "killed", epochs=3)
    # Goes on after step 3: the rest of an epoch, then whole ones.
    model = train(tmp_path / "killed", tiny(Traced), epochs=3)
    assert model.traces == 1


def test_the_settings_are_a_table_in_tensorboard_once(train, tmp_path, at_step):
    at_step(5, kill)
    with pytest.raises(Killed):
        train(tmp_path)
    train(tmp_path)
    assert [event for event in events(tmp_path) if event[1] == "settings"] == [(0, "settings")]


def test_the_table_has_a_row_for_each_setting(settings):
    head, line, *rows = loop.settings_table(settings.flat()).splitlines()
    assert (head, line) == ("| setting | value |", "|---|---|")
    cells = dict(row.strip("| ").split(" | ") for row in rows)
    of_gan = {f"settings {field.name}" for field in dataclasses.fields(settings.settings)}
    assert {"epochs", "batch_size", "data data_dir"} | of_gan <= cells.keys()
    # The word `data` is also a setting of a GAN.
    assert cells["settings data"] == '"images"' and cells["data kind"] == '"images"'
    assert cells["settings generator_units"] == "[3, 5]" and rows == sorted(rows)


def test_the_profile_of_the_steps_is_in_the_logs(train, tmp_path):
    train(tmp_path, profile=(1, 2))
    assert list((tmp_path / "logs" / "plugins" / "profile").rglob("*.xplane.pb"))


# Killed.


@pytest.mark.parametrize("step", [1, 3, 4, 5, 6, 7, 8])
def test_killed_at_any_step_it_ends_alike(train, tmp_path, at_step, ends_alike, step):
    at_step(step, kill)
    with pytest.raises(Killed):
        train(tmp_path)
    ends_alike()


def test_killed_again_and_again_it_ends_alike(train, tmp_path, at_step, ends_alike):
    for step in (2, 4, 5, 7):
        at_step(step, kill)
        with pytest.raises(Killed):
            train(tmp_path, checkpoint_every=2)
    ends_alike(checkpoint_every=2)


@pytest.mark.parametrize("calls", [0, 2, 3])
def test_killed_while_it_saves_it_ends_alike(train, tmp_path, monkeypatch, ends_alike, calls):
    sync, left = checkpoints.sync, iter(range(5 + calls))  # 5 for the checkpoint of step 3.

    def killed(path):
        if next(left, None) is None:
            raise Killed
        sync(path)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints, "sync", killed)
        train(tmp_path)
    assert saved(tmp_path) == [*names(3), "tmp-6"]
    ends_alike()
    assert saved(tmp_path) == names(3, 6, 8)


def test_what_a_killed_save_left_is_removed_at_the_start(train, tmp_path):
    train(tmp_path)
    (tmp_path / "checkpoints" / "tmp-6").mkdir()
    train(tmp_path)
    assert saved(tmp_path) == names(3, 6, 8)


def test_it_says_where_it_goes_on(train, tmp_path, at_step, capsys):
    at_step(5, kill)
    with pytest.raises(Killed):
        train(tmp_path)
    capsys.readouterr()
    train(tmp_path)
    assert capsys.readouterr().err == "going on after step 3 of 8\n"


def test_curves_do_not_fold_back_and_have_no_gap(train, tmp_path, at_step):
    for step in (5, 7):  # Steps 4 and 5, then 7, are done again.
        at_step(step, kill)
        with pytest.raises(Killed):
            train(tmp_path)
    train(tmp_path)
    for tag in ("loss/d_loss", "loss/g_loss", "learning_rate/optimizer_g"):
        assert [step for step, name in events(tmp_path) if name == tag] == list(range(1, 9))
    pictures = [step for step, name in events(tmp_path) if name == "samples/fixed_z"]
    assert pictures == [4, 8]


# Stopped.


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
@pytest.mark.parametrize("step", [2, 4, 6, 8], ids=["middle", "epoch", "checkpoint", "end"])
def test_stopped_it_saves_and_ends_alike(
    train, tmp_path, at_step, ends_alike, number, status, step
):
    at_step(step, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Failure, match=f"after step {step} of 8, saved") as stopped:
        train(tmp_path)
    assert stopped.value.exit_code == status
    assert saved(tmp_path)[-1:] == names(step)
    at_step(step, lambda: pytest.fail("the saved step was done again"))
    ends_alike()


def test_a_complete_run_says_so_and_changes_nothing(train, tmp_path, capsys):
    train(tmp_path)
    before = contents(tmp_path)
    capsys.readouterr()
    train(tmp_path, make_batches=lambda step: pytest.fail("it trains"))
    assert capsys.readouterr().err == f"{tmp_path} is complete: 8 steps of 8\n"
    assert contents(tmp_path) == before


def test_a_longer_run_goes_on_where_a_complete_one_ended(train, tmp_path, ends_alike):
    train(tmp_path, epochs=1)
    assert saved(tmp_path) == names(3, 4)
    ends_alike(epochs=2)


# Damaged.


def damage(path, step):
    file = path / "checkpoints" / f"step-{step:08d}" / "variables.data-00000-of-00001"
    os.truncate(file, file.stat().st_size - 1)


def test_a_damaged_checkpoint_is_named_and_it_ends_alike(train, tmp_path, ends_alike, capsys):
    train(tmp_path)
    damage(tmp_path, 8)
    capsys.readouterr()
    ends_alike()
    assert capsys.readouterr().err == (
        "checkpoint step-00000008 is damaged (sha256 of variables.data-00000-of-00001 differs), "
        "passed over\ngoing on after step 6 of 8\n"
    )


def test_where_every_checkpoint_is_damaged_it_does_not_begin_again(train, tmp_path):
    train(tmp_path)
    for step in (3, 6, 8):
        damage(tmp_path, step)
    before = contents(tmp_path)
    with pytest.raises(Failure, match="Received: 3, all damaged$") as failure:
        train(tmp_path)
    assert failure.value.exit_code == 1
    assert contents(tmp_path) == before


def test_a_full_disk_ends_with_status_4_and_it_ends_alike(train, tmp_path, monkeypatch, ends_alike):
    sync, left = checkpoints.sync, iter(range(6))  # 5 for the checkpoint of step 3.

    def full(path):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(path)

    with monkeypatch.context() as patch, pytest.raises(Failure) as failure:
        patch.setattr(checkpoints, "sync", full)
        train(tmp_path)
    assert failure.value.exit_code == 4
    assert saved(tmp_path) == names(3)
    ends_alike()


# Not finite.


def test_one_loss_that_is_nan_ends_with_status_3_before_a_checkpoint(train, tmp_path, tiny):
    class Diverging(tiny.kind):
        def train_step(self, points):
            losses = super().train_step(points)
            late = self.optimizer_g.iterations >= 6
            return {**losses, "d_loss": tf.where(late, np.nan, losses["d_loss"])}

    with pytest.raises(Failure, match="^d_loss not finite at step 6;") as failure:
        train(tmp_path, tiny(Diverging))
    assert failure.value.exit_code == 3
    report = json.loads((tmp_path / "nan_report.json").read_text())
    assert (report["step"], report["not_finite"]) == (6, ["d_loss"])
    assert saved(tmp_path) == names(3)


def test_a_batch_of_nan_is_caught_at_its_step(train, tmp_path, tiny):
    def poisoned(start_step):
        numbers = tf.data.Dataset.range(start_step, 100)
        nan_at_5 = numbers.map(lambda step: tf.where(step == 4, np.nan, 0.0))
        return tf.data.Dataset.zip(tiny.batches(start_step), nan_at_5).map(tf.add)

    with pytest.raises(Failure, match="^d_loss, g_loss not finite at step 5;"):
        train(tmp_path, make_batches=poisoned)
    assert saved(tmp_path) == names(3)


def test_a_weight_that_is_nan_is_not_saved_though_the_losses_are_finite(
    train, tmp_path, tiny, at_step
):
    model = tiny()
    at_step(6, lambda: model.generator.layers[-1].bias.assign([np.nan] * 3))
    with pytest.raises(Failure, match="bias is not finite at step 6; not saved$") as failure:
        train(tmp_path, model)
    assert failure.value.exit_code == 3
    assert saved(tmp_path) == names(3)


# TensorBoard's files.


def write_events(path, steps):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for step in steps:
            writer.write(tf.compat.v1.Event(step=step, wall_time=step).SerializeToString())


def read_steps(path):
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    return [tf.compat.v1.Event.FromString(record).step for record in records]


def test_events_of_steps_to_be_done_again_are_dropped(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    write_events(path, [0, 1, 2, 3])
    before = path.read_bytes()
    loop.drop_events_after(tmp_path, 2)
    assert read_steps(path) == [0, 1, 2]
    assert before.startswith(path.read_bytes())
    assert os.listdir(tmp_path) == [path.name]


def test_a_file_of_earlier_events_is_left_as_it_is(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    write_events(path, [0, 1, 2])
    before = path.stat()
    loop.drop_events_after(tmp_path, 2)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_an_event_cut_off_by_a_kill_is_dropped(tmp_path, cut):
    path = tmp_path / "events.out.tfevents.1"
    write_events(path, [0, 1, 2])
    os.truncate(path, path.stat().st_size - cut)
    loop.drop_events_after(tmp_path, 2)
    assert read_steps(path) == [0, 1]


def test_other_files_of_the_logs_are_left_alone(tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    loop.drop_events_after(tmp_path, 0)
    assert (tmp_path / "notes.txt").read_text() == "mine"


# The finished networks.


def test_the_saved_networks_are_the_trained_ones(train, tmp_path, tiny):
    model = train(tmp_path)
    run = RunFolder(tmp_path)
    loop.save_networks(run, generator=model.generator, discriminator=model.discriminator)
    other = tiny()
    for name in ("generator", "discriminator"):
        filled, network = getattr(other, name), getattr(model, name)
        filled.load_weights(tmp_path / f"{name}.weights.h5")
        for one, two in zip(filled.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    assert not list(tmp_path.glob(".*"))


def test_networks_that_cannot_be_saved_leave_the_old_file(tmp_path, tiny, monkeypatch):
    run, model = RunFolder(tmp_path), tiny()
    loop.save_networks(run, generator=model.generator)
    before = (tmp_path / "generator.weights.h5").read_bytes()
    save = keras.Model.save_weights

    def half(network, path):
        save(network, path)
        os.truncate(path, 100)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", half)
    with pytest.raises(OSError, match="No space"):
        loop.save_networks(run, generator=model.generator)
    assert (tmp_path / "generator.weights.h5").read_bytes() == before


# The same bytes.


@pytest.fixture
def other_tests_unchanged():
    """Undoes what `make_deterministic` sets for the whole process, but the seeds."""
    from tensorflow.python.framework import config

    options = tf.config.optimizer.get_experimental_options()
    yield
    config.disable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": True, **options})


def test_the_seed_decides_the_initial_weights(other_tests_unchanged):
    def kernel(seed):
        loop.make_deterministic(seed)
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)]).get_weights()[0]

    np.testing.assert_array_equal(kernel(1), kernel(1))
    assert np.all(kernel(1) != kernel(2))


def test_operations_are_deterministic(other_tests_unchanged):
    from tensorflow.python.framework import config

    loop.make_deterministic(0)
    assert config.is_op_determinism_enabled()
