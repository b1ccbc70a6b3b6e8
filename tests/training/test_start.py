"""From flags to settings: which of several sources decides, and how many steps make a call."""

import json

import numpy as np
import pytest
from PIL import Image

from gans.command_line import cli
from gans.command_line.errors import Failure, UsageError
from gans.command_line.flags import Flags
from gans.training import loop, start
from gans.training.run_folder import RunFolder

DESCRIPTION = cli.describe_class("gans.cgan", "CGAN")
DEFAULTS = {parameter.name: parameter.default for parameter in DESCRIPTION.parameters}


def resolve(flags=None, constructor=None, data_settings=None, **options):
    arguments = (flags or Flags(), constructor or {}, data_settings or {})
    return start.resolve(DESCRIPTION, *arguments, **options)


# Settings.


@pytest.mark.parametrize(
    ("flags", "data_settings", "preset", "taken"),
    [
        (Flags(), {}, None, "toy"),
        (Flags(), {"data_dir": None, "tfds": None}, None, "toy"),
        (Flags(), {"data_dir": "/data"}, None, "article"),
        (Flags(), {"tfds": "mnist"}, None, "article"),
        (Flags(), {}, "points", "points"),
        (Flags(), {"data_dir": "/data"}, "mnist", "mnist"),
        (Flags(preset="paper"), {}, None, "paper"),
        (Flags(preset="paper"), {"data_dir": "/data"}, "mnist", "paper"),
    ],
)
def test_the_preset_is_that_of_the_flag_then_of_the_data(flags, data_settings, preset, taken):
    implied = {"data": "points"} if taken == "points" else {}
    settings = resolve(flags, data_settings=data_settings, preset=preset, implied=implied)
    assert settings["preset"] == taken
    assert settings["constructor"] == DEFAULTS | DESCRIPTION.presets[taken]


def test_what_the_data_implies_is_over_the_preset_and_under_the_flags():
    implied = {"image_size": 32, "image_channels": 3}
    settings = resolve(preset="mnist", implied=implied)
    constructor = settings["constructor"]
    assert DEFAULTS["image_size"] == 28 and DEFAULTS["image_channels"] == 1
    assert (constructor["image_size"], constructor["image_channels"]) == (32, 3)
    assert (settings["load_size"], constructor["network"]) == (32, "convolutional")

    constructor = resolve(constructor={"image_size": 64}, preset="toy", implied=implied)[
        "constructor"
    ]
    assert (constructor["image_size"], constructor["image_channels"]) == (64, 3)
    assert implied == {"image_size": 32, "image_channels": 3}


def test_the_seed_is_the_commands_own():
    assert resolve(Flags(seed=7), implied={"seed": 3})["constructor"]["seed"] == 7


@pytest.mark.parametrize(("given", "taken"), [(None, False), (True, True), (False, False)])
def test_what_is_given_of_the_data_is_over_the_presets_training(given, taken):
    discogan = cli.describe_class("gans.discogan", "DiscoGAN")
    for settings in ({"disjoint": given}, {"disjoint": given, "flip": None}):
        resolved = start.resolve(discogan, Flags(), {}, settings)
        assert resolved["disjoint"] is taken
        assert resolved.get("flip") is None


@pytest.mark.parametrize(
    ("flags", "preset", "steps"),
    [
        (Flags(), "toy", 1),
        (Flags(), "points", 100),
        (Flags(steps_per_call=4), "toy", 4),
        (Flags(steps_per_call=4), "points", 4),
    ],
)
def test_steps_of_a_call_are_those_of_the_flag_or_the_preset_or_one(flags, preset, steps):
    implied = {"data": "points"} if preset == "points" else {}
    assert resolve(flags, preset=preset, implied=implied)["steps_per_call"] == steps


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
