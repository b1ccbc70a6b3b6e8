"""The run folder: one run, one process, the same settings, the same data, or nothing at all."""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from gans.command_line.errors import UsageError
from gans.command_line.files import write_text
from gans.training.run_folder import RunFolder

COMMAND = "python scripts/train_gan.py --data_dir=DATA"


@pytest.fixture
def run(tmp_path, settings):
    """A run that was begun, by a process that has ended."""
    folder = RunFolder(tmp_path / "runs" / "first")
    with folder.locked():
        folder.begin(settings, COMMAND)
    return folder


@pytest.fixture
def read_only():
    """A folder in which this process, even root's, cannot write."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


@contextlib.contextmanager
def refused(*told):
    """A `UsageError` of one line that holds all of these, in this order."""
    with pytest.raises(UsageError) as error:
        yield
    rest = str(error.value)
    assert "\n" not in rest
    for part in map(str, told):
        _, found, rest = rest.partition(part)
        assert found, (part, str(error.value))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Records.


def test_begin_records_settings_command_and_versions_and_makes_the_folders(run, settings):
    record = json.loads(run.config_file.read_text())
    assert record["run"] == json.loads(json.dumps(settings.record()))
    assert record["command"] == COMMAND
    libraries = ("gans", "tensorflow", "keras", "numpy")
    assert record["versions"] == {name: importlib.metadata.version(name) for name in libraries}
    assert run.read_record() == record
    assert run.read_settings() == settings
    names = {"checkpoints", "logs", "samples", "config.json", "lock", "lock.pid"}
    assert {entry.name for entry in run.path.iterdir()} == names


def test_begin_again_records_more_epochs_and_the_command_that_gave_them(run, settings):
    before = contents(run.path)
    moved = dataclasses.replace(settings, data=settings.data.moved("/elsewhere"))
    run.begin(dataclasses.replace(moved, epochs=1), "another command")
    assert contents(run.path) == before
    run.begin(dataclasses.replace(moved, epochs=3), "a longer command")
    after = json.loads(before[run.config_file])
    after["run"]["epochs"], after["command"] = 3, "a longer command"
    assert json.loads(run.config_file.read_text()) == after


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        "[]",
        "7",
        '"settings"',
        '{"versions": {}}',
        "\xff",
        '{"run": []}',
        '{"run": {"settings": {}}}',
        '{"run": {"gan": 1}}',
    ],
)
def test_a_config_that_cannot_be_read_is_one_line(run, text):
    if text is None:
        run.config_file.unlink()
    else:
        run.config_file.write_text(text, encoding="latin-1")
    for read in (run.read_record, run.read_settings):
        with refused(f"{run.path} (no readable config.json)"):
            read()


def test_a_run_of_an_earlier_version_is_refused_before_any_work(run, settings):
    run.config_file.write_text('{"settings": {"model": "DCGAN", "constructor": {}}}')
    for use in (run.read_record, run.read_settings, lambda: run.check(settings)):
        with refused(run.path, "earlier version", "trained again"):
            use()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gan": "nothing"}, "'nothing'"),
        ({"gan": "../evil"}, "'../evil'"),
        ({"gan": "os"}, "'os'"),
        ({"gan": "nn"}, "'nn'"),
        ({"batch_size": "4"}, "`batch_size` must be an int. Received: '4'"),
        ({"sparkle": 1}, "sparkle"),
        ({"data": {"kind": "sounds"}}, "`kind` must be one of"),
        ({"data": {"kind": "images", "sparkle": 1}}, "sparkle"),
        ({"settings": {"image_size": 0}}, "`image_size` must be at least 1. Received: 0"),
        ({"settings": {"imagesize": 8}}, "image_size"),
        ({"settings": 3}, "config.json"),
    ],
)
def test_records_of_other_fields_or_values_are_one_line_and_nothing_is_imported(
    run, change, told, monkeypatch
):
    import importlib

    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"imported {name}"))
    record = json.loads(run.config_file.read_text())
    record["run"] |= change
    run.config_file.write_text(json.dumps(record))
    with refused(told):
        run.read_settings()


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    path = tmp_path / "missing"
    with refused(f"{path} (no such folder)"):
        RunFolder(path).read_settings()
    path.write_text("mine")
    with refused(f"{path} (a file)"):
        RunFolder(path).read_settings()


# What may be a run folder.


def test_check_accepts_the_same_settings_and_writes_nothing(run, settings):
    before = contents(run.path)
    run.check(settings)
    assert contents(run.path) == before
    assert run.find_begun("gan") == settings


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["missing", "empty"])
def test_check_accepts_a_new_folder_and_writes_nothing(tmp_path, settings, make):
    make(tmp_path / "new")
    RunFolder(tmp_path / "new").check(settings)
    assert contents(tmp_path) == {}


def test_check_refuses_a_file_and_a_folder_of_other_files(tmp_path, settings):
    path = tmp_path / "thesis.tex"
    path.write_text("mine")
    for folder in (path, tmp_path):
        with refused("--run_dir", folder):
            RunFolder(folder).check(settings)
    assert contents(tmp_path) == {path: b"mine"}


def test_check_names_every_changed_setting_old_and_new(run, settings):
    changed = dataclasses.replace(
        settings,
        epochs=3,
        settings=dataclasses.replace(settings.settings, generator_units=(5, 3)),
        data=dataclasses.replace(settings.data, flip=False, load_size=9),
    )
    with refused(
        run.path,
        "generator_units (3, 5) -> (5, 3), flip True -> False, epochs 2 -> 3, load_size None -> 9;",
        "--run_dir",
    ):
        run.check(changed)


def test_check_names_six_changed_settings_and_counts_the_rest(run, settings):
    others = {"latent_dim": 1, "dropout": 0.25, "seed": 9, "beta_1": 0.25}
    changed = dataclasses.replace(
        settings,
        settings=dataclasses.replace(settings.settings, **others),
        batch_size=8,
        preset="mnist",
        precision="bfloat16",
        steps_per_epoch=1,
    )
    with refused("preset 'toy' -> 'mnist'", "seed 0 -> 9", "and 2 more;"):
        run.check(changed)


def test_check_of_another_gan_names_nothing_else(run, settings):
    with refused("--run_dir", run.path, "a run of gan"):
        run.check(dataclasses.replace(settings, gan="dcgan", epochs=3))


@pytest.mark.parametrize("unwritten", ["replace", "fsync"])
def test_a_run_killed_before_its_settings_were_written_begins_again(
    tmp_path, settings, monkeypatch, unwritten
):
    run = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), run.locked():
        # As Ctrl-C does, also in a shell that started this in the background and so ignores it.
        patch.setattr(os, unwritten, mock.Mock(side_effect=KeyboardInterrupt))
        run.begin(settings, COMMAND)
    run.check(settings)
    with run.locked():
        run.begin(settings, COMMAND)
    assert run.read_settings() == settings


def test_a_folder_that_cannot_be_written_is_one_line(read_only):
    for path in (read_only, read_only / "a" / "b"):
        with refused("--run_dir", f"{path} (Permission denied)"):
            RunFolder(path).locked().__enter__()
    assert list(read_only.iterdir()) == []


def test_a_folder_below_a_file_is_one_line(tmp_path, settings):
    (tmp_path / "file").write_text("mine")
    run = RunFolder(tmp_path / "file" / "run")
    run.check(settings)
    with refused("--run_dir", f"{run.path} (Not a directory)"):
        run.locked().__enter__()


# One process at a time.


def test_a_second_process_is_refused_and_does_not_take_the_lock(run):
    with run.locked():
        for _ in range(2):
            with refused(run.path, f"process {os.getpid()}"), RunFolder(run.path).locked():
                raise AssertionError("both hold the folder")
    with run.locked():
        assert (run.path / "lock.pid").read_text() == str(os.getpid())


def test_the_lock_of_a_killed_process_is_taken_over(run):
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from gans.training.run_folder import RunFolder\n"
            "with RunFolder(sys.argv[1]).locked(): print('locked', flush=True); time.sleep(60)",
            str(run.path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "locked\n"
        with refused(run.path, f"process {child.pid}"):
            run.locked().__enter__()
    finally:
        child.kill()
        child.communicate()
    assert (run.path / "lock.pid").read_text() == str(child.pid)
    with run.locked():
        assert (run.path / "lock.pid").read_text() == str(os.getpid())


# The data.


def test_the_same_data_is_accepted_and_other_data_counted(run):
    data = {"a.png": 10, "b.png": 20, "c.png": 30}
    run.check_data(data)
    run.check_data(dict(reversed(data.items())))
    assert json.loads(run.data_file.read_text()) == data
    before = contents(run.path)
    with refused(run.path, "3 files added", "1 removed", "2 changed"):
        run.check_data({"b.png": 21, "c.png": 0, "d.png": 1, "e.png": 2, "f.png": 3})
    assert contents(run.path) == before


# The curves.


@pytest.mark.parametrize("last", ['{"step": 3, "loss": 3.1}\n', '{"step": 2, "lo'])
def test_metrics_of_steps_to_be_done_again_and_a_line_cut_off_are_dropped(run, last):
    run.drop_metrics_after(0)
    assert not run.metrics_file.exists()
    kept = '{"step": 1, "loss": 1.1}\n{"step": 2, "loss": 2.1}\n'
    run.metrics_file.write_text(kept + last)
    run.drop_metrics_after(2)
    assert run.metrics_file.read_text() == kept


# Small files.


def test_a_small_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", mock.Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == [path.name]
