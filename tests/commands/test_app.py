"""The console command: every command is a word of it, is listed at once, and needs no other."""

import configparser
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gans.command_line import gan_files
from gans.commands.app import COMMANDS

ROOT = Path(__file__).parents[2]


def listed(text):
    """Names and summaries of a list of commands, each of them in one line."""
    section = text.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    assert all(len(line) <= 80 for line in section)
    return dict(line.strip().split(maxsplit=1) for line in section)


@pytest.mark.parametrize("words", [[], ["--help"]])
def test_alone_it_lists_every_command_in_a_line(run_command, capsys, words):
    assert run_command(COMMANDS, *words) == 0
    found = listed(capsys.readouterr().out)
    assert found == {name: command.summary for name, command in COMMANDS.items()}
    scripts = {path.stem.replace("_", "-") for path in (ROOT / "scripts").glob("*.py")}
    trained = {f"train-{name.replace('_', '-')}" for name in gan_files.names()}
    assert scripts - trained <= found.keys()


def test_train_alone_lists_every_gan_with_what_it_is_trained_on(run_command, capsys):
    assert run_command(COMMANDS, "train") == 0
    found = listed(capsys.readouterr().out)
    assert list(found) == gan_files.names()
    assert found["pix2pix"] == "Pix2Pix, trained on pairs of images"
    assert found["cgan"] == "CGAN, trained on images with one label each"
    for name, summary in found.items():
        assert summary.startswith(f"{gan_files.read(name).class_name}, trained on ")


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["tranlate"], "translate"),
        (["train", "bicylegan"], "bicyclegan"),
        (["theory"], "gan-theory"),
        (["train", "dcgan", "--epoch=1"], "--epochs"),
    ],
)
def test_a_misspelt_word_names_the_nearest(failure, words, nearest):
    message = failure(COMMANDS, *words)
    assert words[-1].split("=")[0] in message
    assert nearest in message.partition("did you mean ")[2]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_every_command_explains_its_flags(run_command, capsys, name):
    assert run_command(COMMANDS, name, "--help") == 0
    assert capsys.readouterr().out.startswith(f"usage: gans {name} ")


def test_a_word_trains_as_its_script(run_command, capsys):
    flags = ["--dry_run", "--dataset=ring8", "--epochs=3"]
    assert run_command(COMMANDS, "train", "wgan-gp", *flags) == 0
    found = capsys.readouterr().out
    line = [sys.executable, str(ROOT / "scripts" / "train_wgan_gp.py"), *flags]
    script = subprocess.run(line, capture_output=True, text=True, check=True)
    assert json.loads(found)["epochs"] == 3
    assert script.stdout == found


def test_what_one_command_lacks_is_nothing_to_the_others(run_command, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gans.commands.gallery", None)
    assert run_command(COMMANDS) == 0
    assert run_command(COMMANDS, "generate", "--help") == 0
    capsys.readouterr()
    assert run_command(COMMANDS, "gallery") == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "gans.commands.gallery" in err


def test_nothing_of_tensorflow_is_imported_for_a_list_or_an_error():
    code = """
import sys
from gans.commands.app import main
for words in ([], ["train"], ["tranlate"], ["train", "dcgan", "--epoch=1"], ["generate"]):
    try:
        main(words)
    except SystemExit:
        pass
assert not {"tensorflow", "keras", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_the_package_installs_it():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    scripts = config["options.entry_points"]["console_scripts"].split("\n")
    assert "gans = gans.commands.app:main" in scripts
    line = [sys.executable, "-m", "gans", "train"]
    found = subprocess.run(line, capture_output=True, text=True, check=True)
    assert list(listed(found.stdout)) == gan_files.names()


def test_training_needs_nothing_that_only_posix_has(toy_bags, tmp_path):
    code = """
import os, sys
sys.modules |= dict.fromkeys(["fcntl", "grp", "pwd", "resource", "termios"])
for name in ("fork", "getuid", "sched_getaffinity", "sysconf"):
    delattr(os, name)
from gans.commands.app import main
main(["train", "gan", *sys.argv[1:]])
"""
    flags = ["--image_size=8", "--generator_units=4", "--discriminator_units=4", "--batch_size=2"]
    flags += ["--epochs=1", "--steps_per_epoch=1", f"--data_dir={toy_bags}", "--run_dir=run"]
    # filelock warns that it has neither the lock of POSIX nor that of Windows.
    line = [sys.executable, "-W", "ignore", "-c", code, *flags]
    subprocess.run(line, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "run" / "generator.weights.h5").is_file()
