"""From settings to a trained run: what the data completes, and how many steps make a call."""

import contextlib
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.command_line import gan_files
from gans.command_line.errors import Failure, UsageError
from gans.command_line.flags import TrainingFlags
from gans.data.data_settings import DataSettings
from gans.data.images import DataError
from gans.training import loop, start
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

INFOGAN = gan_files.read("infogan").settings
CGAN = gan_files.read("cgan").settings


@dataclasses.dataclass
class Data:
    """Points on a line, with one of two labels each."""

    settings: DataSettings
    steps_per_epoch = 2
    images_per_step = 4
    fingerprint = {"ring8": 1}
    preview = np.zeros((9216, 2), np.float32)
    naming_damage = contextlib.nullcontext

    def batches(self, start_step):
        steps = tf.data.Dataset.range(start_step, 100)
        return steps.map(lambda step: (tf.fill((4, 2), tf.cast(step, tf.float32)), tf.eye(4, 2)))


@pytest.fixture(scope="module")
def points():
    """Settings of a narrow conditional GAN on points, as `resolve` gives them."""
    return RunSettings(
        gan="cgan",
        preset="points",
        settings=CGAN(data="points", latent_dim=2, label_dim=3, generator_filters=2),
        data=DataSettings(kind="points", dataset="swissroll", labelled=True),
        batch_size=4,
        epochs=1,
        steps_per_call=100,
    )


@pytest.fixture
def other_tests_unchanged():
    """Undoes what training sets for the whole process, but the seeds."""
    from tensorflow.python.framework import config

    yield
    config.disable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": True})


def train(run, folder, flags=(), **options):
    def open_data(run, cache_dir):
        assert cache_dir == folder / "cache"
        return Data(dataclasses.replace(run.data, label_names=("left", "right")))

    flags = TrainingFlags(run_dir=str(folder), **dict(flags))
    usual = {"open_data": open_data, "command": "python", "watch": None}
    start.train(run, flags, **usual | options)


# A whole run.


def test_a_run_is_completed_by_its_data_trained_watched_and_kept(
    points, tmp_path, capsys, other_tests_unchanged
):
    measured, watched = [], []

    def measure(gan, run, preview):
        measured.append((type(gan).__name__, run.settings.label_dim, preview.shape))
        return {"modes": 1.0}

    def watch(folder, run, extractor, gan):
        assert not folder.config_file.exists()
        return lambda gan, step: watched.append((step, extractor)) or {}

    folder = tmp_path / "run"
    train(points, folder, {"evaluate_every": 1}.items(), measure=measure, watch=watch)
    assert capsys.readouterr().out.endswith(f"samples: {folder}/samples.gif\n")
    assert measured == [("CGAN", 2, (9216, 2))] and watched == [(2, "own")]
    run = RunFolder(folder).read_settings()
    assert run.settings == dataclasses.replace(points.settings, label_dim=2)
    assert run.data.label_names == ("left", "right")
    assert (run.steps_per_epoch, run.steps_per_call, run.constant_rate) == (2, 2, True)
    assert RunFolder(folder).read_record()["command"] == "python"
    weights = {path.name for path in folder.glob("*.h5")}
    assert weights == {"generator.weights.h5", "discriminator.weights.h5"}
    # The same command again does nothing; a longer one goes on.
    train(points, folder)
    assert capsys.readouterr().err == f"{folder} is complete: 2 steps of 2\n"
    train(dataclasses.replace(points, epochs=2), folder)
    assert RunFolder(folder).read_settings().epochs == 2
    with pytest.raises(UsageError, match="latent_dim 2 -> 3"):
        other = dataclasses.replace(points.settings, latent_dim=3)
        train(dataclasses.replace(points, settings=other, epochs=2), folder)


def test_a_dry_run_prints_the_settings_and_opens_no_data(points, tmp_path, capsys):
    train(points, tmp_path / "run", {"dry_run": True}.items(), open_data=None)
    shown = json.loads(capsys.readouterr().out)
    assert shown.pop("run_dir") == str(tmp_path / "run")
    assert RunSettings.of(shown) == points
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_used_and_data_that_cannot_are_told_before_any_work(
    points, tmp_path, other_tests_unchanged
):
    def no_data(run, cache_dir):
        raise DataError("expected a folder. Received: none")

    with pytest.raises(UsageError, match="Received: none"):
        train(points, tmp_path / "run", open_data=no_data)
    with pytest.raises(UsageError, match="--label_dim expects 2.*Received: 5"):
        train(points, tmp_path / "run", label_dim=5)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").touch()
    for flags in ({}, {"dry_run": True}):
        with pytest.raises(UsageError, match="--run_dir"):
            train(points, tmp_path, flags.items(), open_data=None)


# What the data decides.


def test_a_data_set_without_labels_leaves_the_settings_of_the_gan(points):
    data = Data(DataSettings(kind="points", dataset="swissroll", mixture={"sigma": 0.1}))
    run = start.complete(points, data)
    assert run.settings == points.settings and run.data.mixture == {"sigma": 0.1}
    given = dataclasses.replace(points, steps_per_epoch=7)
    assert (run.steps_per_epoch, start.complete(given, data).steps_per_epoch) == (2, 7)


def test_codes_that_are_to_be_classes_are_as_many(points):
    data = Data(DataSettings(kind="points", dataset="ring8", label_names=("left", "right")))
    codes = INFOGAN(data="points", supervised=True, categories=2)
    run = start.complete(dataclasses.replace(points, gan="infogan", settings=codes), data)
    assert run.settings.label_dim == run.settings.categories == 2
    for label_dim in (None, 2):
        assert start.complete(points, data, label_dim).settings.label_dim == 2
    codes = dataclasses.replace(codes, categories=3)
    with pytest.raises(ValueError, match="`categories` must be the 2 .*Received: 3"):
        start.complete(dataclasses.replace(points, settings=codes), data)


def test_images_are_prepared_as_the_settings_say(settings, tmp_path):
    made = start.preparation(settings, "disk", tmp_path, 3)
    assert (made.image_size, made.channels, made.batch_size) == (8, (1,), 4)
    assert (made.flip, made.seed, made.load_size) == (True, 0, None)
    assert (made.cache, made.cache_dir, made.parallel_calls) == ("disk", tmp_path, 3)


# Several steps in one call.


@pytest.mark.parametrize(
    ("preset", "given", "steps", "taken"),
    [
        (1, None, 7, 1),
        (100, None, 1000, 100),
        (100, None, 390, 78),
        (100, None, 97, 97),
        (100, None, 101, 1),
        (100, None, 6, 6),
        (1, 5, 10, 5),
        (100, 1, 10, 1),
        (1, 10, 10, 10),
    ],
)
def test_steps_of_a_call_divide_an_epoch(preset, given, steps, taken):
    assert start.steps_per_call(preset, given, steps) == taken


@pytest.mark.parametrize(("given", "steps"), [(3, 10), (20, 10), (4, 6)])
def test_given_steps_that_do_not_divide_an_epoch_are_refused(given, steps):
    with pytest.raises(UsageError) as error:
        start.steps_per_call(1, given, steps)
    assert str(error.value) == (
        f"--steps_per_call expects a divisor of the {steps} steps of an epoch. Received: {given}"
    )


def test_several_steps_in_a_call_change_nothing_but_how_often_python_sees_them(
    train, tiny, tmp_path, variables, at_once
):
    runs = {}
    for per_call in (1, 2, 4):
        path = runs[per_call] = tmp_path / str(per_call)
        train(path, at_once(tiny(), per_call), checkpoint_every=4)
    ends = [variables(path / "checkpoints" / "step-00000008") for path in runs.values()]
    assert ends[0] == ends[1] == ends[2]
    metrics = {
        per_call: (path / "metrics.jsonl").read_text().splitlines()
        for per_call, path in runs.items()
    }
    assert [len(lines) for lines in metrics.values()] == [8, 4, 2]
    # The losses are those of the last step of a call.
    assert metrics[2] == metrics[1][1::2] and metrics[4] == metrics[1][3::4]


def test_stopped_between_two_calls_it_ends_alike(
    train, tiny, tmp_path, variables, at_once, monkeypatch
):
    train(tmp_path / "whole", at_once(tiny(), 2))
    on_step = loop.StopOnSignal.on_step

    def stop_at_6(callback, step, losses):
        callback.received = 15 if step == 6 else None
        on_step(callback, step, losses)

    with monkeypatch.context() as patch, pytest.raises(Failure, match="after step 6 of 8"):
        patch.setattr(loop.StopOnSignal, "on_step", stop_at_6)
        train(tmp_path / "stopped", at_once(tiny(), 2))
    train(tmp_path / "stopped", at_once(tiny(), 2))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert (stopped / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
    end = "checkpoints/step-00000008"
    assert variables(stopped / end) == variables(whole / end)


@pytest.mark.parametrize(("before", "stop", "after"), [(1, 3, 4), (2, 2, 4), (4, 4, 2)])
def test_a_run_may_go_on_with_another_number_of_steps_in_a_call(
    train, tiny, tmp_path, variables, at_once, monkeypatch, before, stop, after
):
    train(tmp_path / "whole", at_once(tiny(), 1))
    on_step = loop.StopOnSignal.on_step

    def stop_at(callback, step, losses):
        callback.received = 15 if step == stop else None
        on_step(callback, step, losses)

    with monkeypatch.context() as patch, pytest.raises(Failure, match=f"after step {stop}"):
        patch.setattr(loop.StopOnSignal, "on_step", stop_at)
        train(tmp_path / "run", at_once(tiny(), before))
    model = train(tmp_path / "run", at_once(tiny(), after))
    assert model.steps_per_execution == after
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    # The rest of an epoch is in calls that divide it, the next one as asked for.
    rest = range(stop + 1, 5) if stop % 2 else range(stop + 2, 5, 2)
    ends = [*range(before, stop + 1, before), *rest, *range(4 + after, 9, after)]
    assert [json.loads(line)["step"] for line in lines] == ends
    end = "checkpoints/step-00000008"
    assert variables(tmp_path / "run" / end) == variables(tmp_path / "whole" / end)


@pytest.fixture
def at_once():
    """Has a compiled model make several steps in one call of the graph."""

    def set_steps(model, steps):
        model.steps_per_execution = steps
        return model

    return set_steps


# The film.


def test_the_film_is_of_the_sample_pictures_in_the_order_of_their_steps(tmp_path):
    run = RunFolder(tmp_path)
    run.samples.mkdir()
    colours = {5: (250, 10, 20), 10: (10, 250, 20), 100: (10, 20, 250)}
    for step, colour in reversed(colours.items()):
        Image.new("RGB", (8, 6), colour).save(run.samples / f"step-{step:08d}.png")
    (run.samples / "notes.txt").write_text(json.dumps({}))
    path = start.film(run)
    assert path == tmp_path / "samples.gif"
    frames = []
    with Image.open(path) as film:
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("RGB"))[0, 0])
    assert film.size == (8, 6)
    np.testing.assert_allclose(frames, list(colours.values()), atol=8)
