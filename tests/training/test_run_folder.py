"""The run folder: one run, one process, the same settings, the same data, or nothing at all."""

import contextlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from gans.command_line.errors import UsageError
from gans.command_line.files import write_text
from gans.training.run_folder import RunFolder

SETTINGS = {
    "model": "Tiny",
    "data_dir": "/data",
    "epochs": 2,
    "profile": (1, 2),
    "constructor": {"norm": "none", "filters": 4},
}


@pytest.fixture
def run(tmp_path):
    """A run that was begun, by a process that has ended."""
    folder = RunFolder(tmp_path / "runs" / "first")
    with folder.locked():
        folder.begin(SETTINGS)
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
def refused(message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        yield


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Settings.


def test_begin_records_the_settings_and_the_versions(run):
    record = json.loads(run.config_file.read_text())
    assert record["settings"] == json.loads(json.dumps(SETTINGS))
    libraries = ("gans", "tensorflow", "keras", "numpy")
    assert record["versions"] == {name: importlib.metadata.version(name) for name in libraries}
    assert run.read_config() == record["settings"]


def test_begin_makes_the_folders(run):
    names = {"checkpoints", "logs", "samples", "config.json", "lock", "lock.pid"}
    assert {entry.name for entry in run.path.iterdir()} == names


def test_begin_again_records_more_epochs_and_nothing_else(run):
    before = contents(run.path)
    run.begin({**SETTINGS, "epochs": 1, "data_dir": "/moved"})
    assert contents(run.path) == before
    run.begin({**SETTINGS, "epochs": 3, "data_dir": "/moved"})
    after = json.loads(before[run.config_file])
    after["settings"]["epochs"] = 3
    assert json.loads(run.config_file.read_text()) == after


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        "[]",
        '{"versions": {}}',
        "\xff",
        '{"settings": []}',
        '{"settings": {"model": "GAN"}}',
        '{"settings": {"model": "GAN", "constructor": []}}',
        '{"settings": {"model": 1, "constructor": {}}}',
    ],
)
def test_config_that_cannot_be_read_is_one_line(run, text):
    if text is None:
        run.config_file.unlink()
    else:
        run.config_file.write_text(text, encoding="latin-1")
    with refused(f"expected the folder of a run. Received: {run.path} (no readable config.json)"):
        run.read_config()


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    path = tmp_path / "missing"
    with refused(f"expected the folder of a run. Received: {path} (no such folder)"):
        RunFolder(path).read_config()
    path.write_text("mine")
    with refused(f"expected the folder of a run. Received: {path} (a file)"):
        RunFolder(path).read_config()


# What may be a run folder.


def test_check_accepts_the_same_settings_and_writes_nothing(run):
    before = contents(run.path)
    run.check(SETTINGS)
    assert contents(run.path) == before


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir], ids=["missing", "empty"])
def test_check_accepts_a_new_folder_and_writes_nothing(tmp_path, make):
    make(tmp_path / "new")
    RunFolder(tmp_path / "new").check(SETTINGS)
    assert contents(tmp_path) == {}


def test_check_refuses_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    with refused(f"--run_dir expects a folder. Received: the file {path}"):
        RunFolder(path).check(SETTINGS)
    assert contents(tmp_path) == {path: b"mine"}


def test_check_refuses_a_folder_of_other_files(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with refused(
        f"--run_dir expects a new folder or that of a run. Received: {tmp_path}, "
        "which holds other files"
    ):
        RunFolder(tmp_path).check(SETTINGS)
    assert contents(tmp_path) == {tmp_path / "thesis.tex": b"mine"}


def test_check_names_every_changed_setting_old_and_new(run):
    changed = {**SETTINGS, "epochs": 3, "constructor": {"norm": "batch", "filters": 4}}
    with refused(
        f"{run.path} holds a run with other settings: epochs 2 -> 3, norm 'none' -> 'batch'; "
        "give the same ones, or another --run_dir"
    ):
        run.check(changed)


def test_check_of_another_gan_names_nothing_else(run):
    with refused(f"{run.path} holds a run of Tiny. Received: Other; give another --run_dir"):
        run.check({**SETTINGS, "model": "Other", "epochs": 3})


def test_check_names_six_changed_settings_and_counts_the_rest(run):
    changed = {**SETTINGS, **{f"of_{place}": 1 for place in range(8)}}
    named = ", ".join(f"of_{place} None -> 1" for place in range(6))
    with refused(
        f"{run.path} holds a run with other settings: {named}, and 2 more; "
        "give the same ones, or another --run_dir"
    ):
        run.check(changed)


def test_check_names_settings_that_came_or_went(run):
    constructor = {"norm": "none", "depth": 5}
    with refused(
        f"{run.path} holds a run with other settings: filters 4 -> None, depth None -> 5; "
        "give the same ones, or another --run_dir"
    ):
        run.check({**SETTINGS, "constructor": constructor})


def test_check_lets_free_settings_differ(run):
    run.check({**SETTINGS, "epochs": 3}, free=frozenset({"epochs"}))


@pytest.mark.parametrize("unwritten", ["replace", "fsync"])
def test_a_run_killed_before_its_settings_were_written_begins_again(
    tmp_path, monkeypatch, unwritten
):
    run = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), run.locked():
        # As Ctrl-C does, also in a shell that started this in the background and so ignores it.
        patch.setattr(os, unwritten, mock.Mock(side_effect=KeyboardInterrupt))
        run.begin(SETTINGS)
    run.check(SETTINGS)
    with run.locked():
        run.begin(SETTINGS)
    assert run.read_config()["epochs"] == 2


def test_a_folder_that_cannot_be_written_is_one_line(read_only):
    with refused(
        f"--run_dir expects a folder that can be written. Received: {read_only} (Permission denied)"
    ):
        RunFolder(read_only).locked().__enter__()


def test_a_parent_that_cannot_be_written_is_one_line(read_only):
    path = read_only / "a" / "b"
    with refused(
        f"--run_dir expects a folder that can be written. Received: {path} (Permission denied)"
    ):
        RunFolder(path).locked().__enter__()
    assert list(read_only.iterdir()) == []


def test_a_folder_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "run"
    run = RunFolder(path)
    run.check(SETTINGS)
    with refused(
        f"--run_dir expects a folder that can be written. Received: {path} (Not a directory)"
    ):
        run.locked().__enter__()


# One process at a time.


def test_a_second_process_is_refused_and_told_the_first_ones_id(run):
    with (
        run.locked(),
        refused(f"{run.path} is in use by process {os.getpid()}"),
        RunFolder(run.path).locked(),
    ):
        raise AssertionError("both hold the folder")


def test_being_refused_does_not_take_the_lock_from_the_first(run):
    with run.locked():
        for _ in range(2):
            with pytest.raises(UsageError), RunFolder(run.path).locked():
                pass


def test_the_lock_is_free_after_the_end(run):
    with run.locked():
        pass
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
        with refused(f"{run.path} is in use by process {child.pid}"):
            run.locked().__enter__()
    finally:
        child.kill()
        child.communicate()
    assert (run.path / "lock.pid").read_text() == str(child.pid)
    with run.locked():
        assert (run.path / "lock.pid").read_text() == str(os.getpid())


# The data.


def test_the_same_data_is_accepted(run):
    data = {"a.png": 10, "b.png": 20}
    run.check_data(data)
    run.check_data(dict(reversed(data.items())))
    assert json.loads(run.data_file.read_text()) == data


def test_other_data_is_counted_as_added_removed_and_changed(run):
    run.check_data({"a.png": 10, "b.png": 20, "c.png": 30})
    before = contents(run.path)
    with refused(
        f"{run.path} was begun with other training data. Received: 3 files added, "
        "1 removed, 2 changed"
    ):
        run.check_data({"b.png": 21, "c.png": 0, "d.png": 1, "e.png": 2, "f.png": 3})
    assert contents(run.path) == before


# The curves.


def test_metrics_of_steps_to_be_done_again_are_dropped(run):
    lines = [f'{{"step": {step}, "loss": {step}.10}}\n' for step in (1, 2, 3)]
    run.metrics_file.write_text("".join(lines))
    run.drop_metrics_after(2)
    assert run.metrics_file.read_text() == "".join(lines[:2])


def test_a_metrics_line_cut_off_by_a_kill_is_dropped(run):
    run.metrics_file.write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "lo')
    run.drop_metrics_after(2)
    assert run.metrics_file.read_text() == '{"step": 1, "loss": 0.5}\n'


def test_a_run_without_metrics_gets_none(run):
    run.drop_metrics_after(0)
    assert not run.metrics_file.exists()


# Small files.


def test_a_small_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    write_text(path, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "new")
    assert path.read_text() == "old"
