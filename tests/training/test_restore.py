"""Opening a run: the GAN that config.json names, with the newest weights, and nothing else."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from gans.command_line import gan_files
from gans.command_line.errors import UsageError
from gans.gan import GAN
from gans.training.checkpoints import Checkpoints
from gans.training.restore import build, open_run
from gans.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def saved(tmp_path_factory, settings):
    """A run with checkpoints of two steps, and the GAN as it was at the last."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    gan = build(settings)
    with run.locked():
        run.begin(settings, "python scripts/train_gan.py")
        Checkpoints(run.checkpoints, gan).save(2)
        for variable in gan.variables:
            variable.assign_add(np.full(variable.shape, 0.125, variable.dtype))
        Checkpoints(run.checkpoints, gan).save(7)
    return run, gan


@pytest.fixture
def copied(saved, tmp_path):
    return RunFolder(shutil.copytree(saved[0].path, tmp_path / "run"))


def refusal(run):
    with pytest.raises(UsageError) as caught:
        open_run(run.path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_gan_comes_back_as_it_was_saved_last(saved, settings):
    run, expected = saved
    opened, found, gan, step = open_run(str(run.path))
    assert (opened.path, found, step) == (run.path, settings, 7)
    assert type(gan) is GAN
    assert dataclasses.asdict(gan.settings) == dataclasses.asdict(settings.settings)
    for variable, wanted in zip(gan.variables, expected.variables, strict=True):
        assert variable.numpy().tobytes() == wanted.numpy().tobytes()


def test_a_checkpoint_is_taken_by_its_step_or_the_newest_that_is_there(copied):
    assert open_run(copied.path, 2)[3] == 2
    shutil.rmtree(copied.checkpoints / "step-00000007")
    assert open_run(copied.path)[3] == 2


def test_a_run_without_a_checkpoint_is_refused(copied):
    shutil.rmtree(copied.checkpoints)
    assert f"{copied.path} without one" in refusal(copied)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    assert str(tmp_path) in refusal(RunFolder(tmp_path))


def test_settings_that_no_network_can_be_built_with_are_one_line(copied, monkeypatch):
    def fail(**_):
        raise ValueError("`image_size` must be a multiple of 32. Received: 33")

    monkeypatch.setattr(gan_files.GanFile, "load", lambda file: fail)
    told = refusal(copied)
    assert str(copied.config_file) in told and "`image_size`" in told and "33" in told


def test_settings_are_those_of_the_record_and_defaults_for_the_rest(copied, settings):
    record = json.loads(copied.config_file.read_text())
    record["run"]["settings"] = {"image_size": 8, "generator_units": [3, 5]}
    copied.config_file.write_text(json.dumps(record))
    assert open_run(copied.path)[1] == settings
    kept = dataclasses.asdict(settings.settings)
    assert kept | {"image_size": 8, "generator_units": (3, 5)} == kept
