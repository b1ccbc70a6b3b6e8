"""Opening a run: the GAN that config.json names, with the newest weights, and nothing else."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gans.bicyclegan import BicycleGAN
from gans.command_line import cli
from gans.command_line.errors import UsageError
from gans.training.checkpoints import Checkpoints
from gans.training.restore import gan_module, generates, open_run, read_settings, translate_takes
from gans.training.run_folder import RunFolder

CONSTRUCTOR = {
    "image_size": 32,
    "generator_filters": 2,
    "encoder_filters": 2,
    "discriminator_filters": 2,
}
SETTINGS = {"model": "BicycleGAN", "module": "gans.bicyclegan", "constructor": CONSTRUCTOR}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run with checkpoints of two steps, and the GAN as it was at the last."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    gan = BicycleGAN(**CONSTRUCTOR, seed=1)
    with run.locked():
        run.begin(SETTINGS)
        Checkpoints(run.checkpoints, gan).save(2)
        for variable in gan.variables:
            variable.assign_add(np.full(variable.shape, 0.125, variable.dtype))
        Checkpoints(run.checkpoints, gan).save(7)
    return run, gan


@pytest.fixture
def copied(saved, tmp_path):
    return RunFolder(shutil.copytree(saved[0].path, tmp_path / "run"))


def configure(run, **changes):
    record = json.loads(run.config_file.read_text())
    for name, value in changes.items():
        record["settings"][name] = value
        if value is None:
            del record["settings"][name]
    run.config_file.write_text(json.dumps(record))


def refusal(run):
    with pytest.raises(UsageError) as caught:
        open_run(run.path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_gan_comes_back_as_it_was_saved_last(saved):
    run, expected = saved
    opened, settings, gan, step = open_run(str(run.path))
    assert (opened.path, settings, step) == (run.path, SETTINGS, 7)
    assert type(gan) is BicycleGAN
    for variable, wanted in zip(gan.variables, expected.variables, strict=True):
        assert variable.numpy().tobytes() == wanted.numpy().tobytes()


def test_an_older_checkpoint_is_taken_where_the_newest_is_gone(copied):
    shutil.rmtree(copied.checkpoints / "step-00000007")
    assert open_run(copied.path)[3] == 2


def test_a_run_from_before_modules_were_recorded_is_found_by_its_class(copied):
    configure(copied, module=None)
    assert type(open_run(copied.path)[2]) is BicycleGAN


@pytest.mark.parametrize(
    "module",
    [
        "os",
        "gans",
        "gans.training",  # A folder.
        "gans.command_line.cli",
        "gans.nothing",
        "gans.bicyclegan.BicycleGAN",
        "gans..bicyclegan",
        "gans.__init__",
        "../evil",
        "gans.bicyclegan\n",
        "",
        7,
        ["gans.bicyclegan"],
    ],
)
def test_only_a_gan_of_this_library_can_be_named(copied, module, monkeypatch):
    import importlib

    configure(copied, module=module)
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    assert refusal(copied) == (
        f"expected the run of a GAN of this library. Received: {module!r}".replace("\n", "\\n")
    )


def test_settings_are_completed_by_what_the_class_has_for_the_rest(copied, monkeypatch):
    import importlib

    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    completed = read_settings(copied.path)
    parameters = cli.describe_class("gans.bicyclegan", "BicycleGAN").parameters
    defaults = {parameter.name: parameter.default for parameter in parameters}
    assert completed == SETTINGS | {"constructor": defaults | CONSTRUCTOR}
    assert completed["constructor"]["image_size"] == 32 != defaults["image_size"]
    configure(copied, model="CycleGAN")
    with pytest.raises(UsageError) as error:
        read_settings(copied.path)
    assert str(error.value) == (
        "expected the run of a GAN of gans.bicyclegan. Received: 'CycleGAN'"
    )


@pytest.mark.parametrize("lacking", ["model", "constructor"])
def test_a_run_that_names_no_gan_is_refused(copied, lacking):
    configure(copied, module=None, **{lacking: None})
    assert refusal(copied) == (
        f"expected the folder of a run. Received: {copied.path} (no readable config.json)"
    )


@pytest.mark.parametrize(
    ("constructor", "reason"),
    [
        (CONSTRUCTOR | {"sparkle": 1}, "sparkle"),
        (CONSTRUCTOR | {"image_size": 33}, "`image_size` must be a multiple of 32"),
    ],
)
def test_settings_that_cannot_be_built_are_one_line(copied, constructor, reason):
    configure(copied, constructor=constructor)
    message = refusal(copied)
    assert message.startswith(f"expected settings of gans.bicyclegan. Received: {copied.path}/")
    assert reason in message


def test_a_run_without_a_checkpoint_is_refused(copied):
    shutil.rmtree(copied.checkpoints)
    expected = f"expected a run with a checkpoint. Received: {copied.path} without one"
    assert refusal(copied) == expected


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    assert refusal(RunFolder(tmp_path)).startswith("expected the folder of a run. Received: ")


@pytest.mark.parametrize(
    ("module", "takes"),
    [
        ("gans.bicyclegan", "z"),
        ("gans.pix2pix", "seed"),
        ("gans.cyclegan", "direction"),
        ("gans.discogan", "direction"),
    ],
)
def test_what_can_be_asked_of_a_gan_is_read_from_its_source(module, takes, monkeypatch):
    import importlib

    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    assert gan_module({"module": module}) == module
    assert translate_takes(module) == takes


@pytest.mark.parametrize("module", ["bicyclegan", "pix2pix", "cyclegan", "discogan"])
def test_gans_that_translate_do_not_begin_with_noise(module):
    assert not generates(f"gans.{module}")


@pytest.mark.parametrize(
    "module", ["gan", "dcgan", "wgan", "wgan_gp", "cgan", "matching_cgan", "infogan"]
)
def test_a_gan_begins_with_noise_by_its_own_method_or_an_inherited_one(module):
    assert generates(f"gans.{module}")


def test_what_a_gan_begins_with_is_read_without_tensorflow():
    code = (
        "import sys\nfrom gans.training.restore import generates\nassert generates('gans.dcgan')\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
