"""GAN files are read without TensorFlow: settings, presets, abilities, and nothing else is run."""

import dataclasses
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import gans
from gans.command_line import gan_files
from gans.command_line.errors import UsageError

SOURCE = """
from dataclasses import dataclass
from typing import Literal

import keras

from gans.nn.settings import AdamSettings, setting
from gans.nn import no_such_module

CAN = {"starts_from": "pairs", "networks": ("generator",), "draws": 2}
WIDTHS = (4, 8)
SHARED = open("written", "w")


@dataclass(frozen=True, kw_only=True)
class Settings(AdamSettings):
    width: Literal[WIDTHS] = setting(8, "Width of all layers.")
    beta_1: float = 0.25


raise_if_run = keras.nothing()


class ToyGAN(no_such_module.Base):
    pass


PRESETS = {"toy": {"width": 4}, "article": {}}
TRAINING = {"toy": {"batch_size": 1, "epochs": 2}, "article": {"batch_size": 1, "epochs": 9}}
"""


@pytest.fixture
def toy_gan(tmp_path, monkeypatch):
    """A GAN file whose module cannot be imported."""
    (tmp_path / "toy_gan.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gans, "__file__", str(tmp_path / "__init__.py"))
    gan_files.read.cache_clear()
    yield gan_files.read("toy_gan")
    gan_files.read.cache_clear()


def test_literals_and_settings_are_executed_and_nothing_else(toy_gan, tmp_path):
    assert (toy_gan.name, toy_gan.class_name) == ("toy_gan", "ToyGAN")
    assert toy_gan.presets == {"toy": {"width": 4}, "article": {}}
    assert toy_gan.training["article"]["epochs"] == 9
    assert toy_gan.can == gan_files.Abilities(starts_from="pairs", networks=("generator",), draws=2)
    assert toy_gan.can.labels == "none" and toy_gan.can.shows == ()
    assert toy_gan.settings(width=4).beta_1 == 0.25
    with pytest.raises(ValueError, match="`width` must be one of 4, 8. Received: 5"):
        toy_gan.settings(width=5)
    assert toy_gan.meanings["width"] == "Width of all layers." and "seed" in toy_gan.meanings
    assert [path.name for path in tmp_path.iterdir()] == ["toy_gan.py"]
    assert gan_files.names() == ["toy_gan"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("starts_from", "tags"), ("labels", "two"), ("networks", "generator"), ("shows", ("x",))],
)
def test_abilities_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}`"):
        gan_files.Abilities(**{"starts_from": "noise", name: value})


@pytest.mark.parametrize(
    "name", ["os", "nn", "command_line.cli", "__init__", "../evil", "dcgan\n", "", "gans.dcgan"]
)
def test_only_a_gan_of_this_library_is_read(name, monkeypatch):
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    with pytest.raises(UsageError) as error:
        gan_files.read(name)
    told = str(error.value)
    assert "\n" not in told and repr(name) in told and "wgan_gp" in told


@pytest.mark.parametrize("name", gan_files.names())
def test_what_is_read_is_what_the_module_has(name):
    """The two classes `Settings` are not one object; their fields and checks are."""
    file = gan_files.read(name)
    module = sys.modules.get(f"gans.{name}") or importlib.import_module(f"gans.{name}")
    assert file.load() is getattr(module, file.class_name)
    fields = {field.name: field.default for field in dataclasses.fields(file.settings)}
    assert fields == {f.name: f.default for f in dataclasses.fields(module.Settings)}
    assert inspect.getsource(module).count(f"class {file.class_name}(") == 1
    assert (file.presets, file.training) == (module.PRESETS, module.TRAINING)


def test_reading_every_gan_imports_no_tensorflow():
    code = (
        "import sys; from gans.command_line import gan_files\n"
        "files = [gan_files.read(name) for name in gan_files.names()]\n"
        "assert files and not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    root = Path(gans.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)
