"""Checkpoints: whole or not there, and the newest sound one is found whatever happened to it."""

import errno
import gc
import hashlib
import json
import logging
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.command_line.errors import Failure
from gans.training import checkpoints as module
from gans.training.checkpoints import Checkpoints, find_fault

DATA = "variables.data-00000-of-00001"


class Killed(BaseException):
    """Ends a process at once: nothing of the code under test handles it."""


@pytest.fixture
def model(tiny):
    return tiny()


@pytest.fixture
def folder(tmp_path, model):
    """Checkpoints of steps 1, 2 and 3; the generator's bias says which."""
    checkpoints = Checkpoints(tmp_path, model)
    for step in (1, 2, 3):
        mark(model, step)
        checkpoints.save(step)
    return tmp_path


def mark(model, value):
    model.generator.layers[-1].bias.assign([value] * 3)


def marked(model):
    return model.generator.layers[-1].bias.numpy().tolist()


def path_of(folder, step):
    return folder / f"step-{step:08d}"


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def raiser(error):
    def call(*_, **__):
        raise error

    return call


# Whole.


def test_everything_comes_back(tmp_path, tiny, model):
    points = tf.random.stateless_normal((4, 2), [0, 0])
    for _ in range(3):
        model.train_step(points)
    Checkpoints(tmp_path, model).save(3)
    other = tiny()
    parts = [
        [one.variables for one in (gan, gan.optimizer_g, gan.optimizer_d)] for gan in (model, other)
    ]
    trained, fresh = ([[v.numpy() for v in part] for part in half] for half in parts)
    assert Checkpoints(tmp_path, other).restore() == 3
    for part, before, after in zip(trained, fresh, parts[1], strict=True):
        assert any(np.any(one != two) for one, two in zip(part, before, strict=True))
        for one, two in zip(part, after, strict=True):
            assert one.tobytes() == two.numpy().tobytes()


def test_a_model_that_is_not_compiled_takes_the_networks(folder, tiny):
    other = tiny.kind()
    assert Checkpoints(folder, other).restore() == 3
    assert marked(other) == [3, 3, 3]


def test_optimizers_that_are_left_are_no_warning(folder, tiny, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tensorflow"), "propagate", True)
    Checkpoints(folder, tiny.kind()).restore()
    gc.collect()
    assert caplog.messages == []


def test_a_network_that_is_not_in_the_checkpoint_is_an_error(folder, tiny):
    other = tiny.kind()
    other.encoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(AssertionError, match="2 Python objects that were not bound"):
        Checkpoints(folder, other).restore()


def test_the_manifest_describes_every_file(folder):
    path = path_of(folder, 3)
    manifest = json.loads((path / "manifest.json").read_text())
    assert manifest["step"] == 3
    assert manifest["files"] == {
        name: {
            "bytes": (path / name).stat().st_size,
            "sha256": hashlib.sha256((path / name).read_bytes()).hexdigest(),
        }
        for name in (DATA, "variables.index")
    }
    assert {entry.name for entry in path.iterdir()} == {*manifest["files"], "manifest.json"}


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path, model, monkeypatch):
    order = []
    sync, rename = module.sync, Path.rename
    monkeypatch.setattr(module, "sync", lambda path: (order.append(path.name), sync(path)))
    monkeypatch.setattr(Path, "rename", lambda path, to: (order.append("rename"), rename(path, to)))
    Checkpoints(tmp_path / "checkpoints", model).save(1)
    assert sorted(order[:3]) == ["manifest.json", DATA, "variables.index"]
    assert order[3:] == ["tmp-1", "rename", "checkpoints"]


def test_nothing_saved_is_step_0(tmp_path, model):
    assert Checkpoints(tmp_path, model).restore() == 0


def test_other_names_are_no_checkpoints(folder, model):
    for name in ("step-", "step-last", "step-00000009.old", "my-step-00000009"):
        (folder / name).mkdir()
    assert Checkpoints(folder, model).steps() == [1, 2, 3]


@pytest.mark.parametrize("keep", [1, 2])
def test_the_newest_are_kept(tmp_path, model, keep):
    checkpoints = Checkpoints(tmp_path, model, keep)
    for step in (9, 10, 100):
        checkpoints.save(step)
    assert checkpoints.steps() == [9, 10, 100][-keep:]


def test_damaged_later_ones_push_nothing_sound_out(folder, model):
    for step in (2, 3):
        flip(path_of(folder, step) / DATA, 0)
    checkpoints = Checkpoints(folder, model, keep=1)
    assert checkpoints.restore() == 1
    mark(model, 1.5)
    checkpoints.save(1)
    assert checkpoints.restore() == 1
    assert marked(model) == [1.5, 1.5, 1.5]


def test_saving_a_step_again_replaces_it(folder, model):
    mark(model, 33)
    Checkpoints(folder, model).save(3)
    mark(model, 0)
    assert Checkpoints(folder, model).restore() == 3
    assert marked(model) == [33, 33, 33]
    assert {entry.name for entry in folder.iterdir()} == {
        f"step-0000000{step}" for step in (1, 2, 3)
    }


# Damaged.


def truncate(path):
    os.truncate(path / DATA, (path / DATA).stat().st_size - 1)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (truncate, f"sha256 of {DATA} differs"),
        (lambda path: flip(path / DATA, 0), f"sha256 of {DATA} differs"),
        (lambda path: flip(path / DATA, -1), f"sha256 of {DATA} differs"),
        (lambda path: flip(path / "variables.index", 50), "sha256 of variables.index differs"),
        (lambda path: (path / DATA).unlink(), "FileNotFoundError in manifest"),
        (lambda path: (path / "manifest.json").unlink(), "FileNotFoundError in manifest"),
        *(
            (lambda path, text=text: (path / "manifest.json").write_text(text, "latin-1"), fault)
            for text, fault in [
                ("", "JSONDecodeError in manifest"),
                ("garbage", "JSONDecodeError in manifest"),
                ("\xff", "UnicodeDecodeError in manifest"),
                ("{}", "KeyError in manifest"),
                ("[]", "TypeError in manifest"),
                ('{"files": {}}', "no files in manifest"),
                ('{"files": ["variables.index"]}', "AttributeError in manifest"),
            ]
        ),
    ],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    folder, tiny, capsys, damage, fault
):
    damage(path_of(folder, 3))
    before = contents(folder)
    other = tiny()
    assert Checkpoints(folder, other).restore() == 2
    assert marked(other) == [2, 2, 2]
    message = f"checkpoint step-00000003 is damaged ({fault}), passed over\n"
    assert capsys.readouterr().err == message
    assert contents(folder) == before


def test_any_flipped_byte_is_found(folder):
    path = path_of(folder, 3)
    random = np.random.default_rng(0)
    for name in (DATA, "variables.index"):
        for position in random.integers((path / name).stat().st_size, size=20):
            flip(path / name, position)
            assert find_fault(path) == f"sha256 of {name} differs"
            flip(path / name, position)
    assert find_fault(path) is None


def test_where_all_are_damaged_it_refuses_and_deletes_nothing(folder, model):
    for step in (1, 2, 3):
        truncate(path_of(folder, step))
    before = contents(folder)
    with pytest.raises(
        Failure,
        match=f"^expected a sound checkpoint in {re.escape(str(folder))}. "
        "Received: 3, all damaged$",
    ) as failure:
        Checkpoints(folder, model).restore()
    assert failure.value.exit_code == 1
    assert contents(folder) == before


# Interrupted.


@pytest.mark.parametrize("calls", range(5))
def test_a_kill_while_saving_leaves_the_one_before(folder, tiny, monkeypatch, calls):
    """Between the parts: each file is on the disk, their folder is, it has its name."""
    sync, left = module.sync, iter(range(calls))

    def killed(path):
        sync(path)
        if next(left, None) is None:
            raise Killed

    monkeypatch.setattr(module, "sync", killed)
    model = tiny()
    mark(model, 4)
    with pytest.raises(Killed):
        Checkpoints(folder, model).save(4)
    other = tiny()
    checkpoints = Checkpoints(folder, other)
    newest = 4 if calls == 4 else 3
    assert checkpoints.restore() == newest
    assert marked(other) == [newest] * 3
    assert [path.name for path in folder.glob("tmp-*")] == ([] if calls == 4 else ["tmp-4"])
    checkpoints.remove_strays()
    assert sorted(os.listdir(folder)) == [f"step-0000000{step}" for step in range(1, newest + 1)]


def test_a_kill_while_replacing_leaves_the_one_before(folder, tiny, monkeypatch):
    rename = Path.rename

    def killed(path, to):
        if path.name == "tmp-3":
            raise Killed
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", killed)
    with pytest.raises(Killed):
        Checkpoints(folder, tiny()).save(3)
    checkpoints = Checkpoints(folder, tiny())
    assert checkpoints.restore() == 2
    checkpoints.remove_strays()
    assert sorted(os.listdir(folder)) == ["step-00000001", "step-00000002"]


def test_what_a_kill_left_under_the_same_name_is_no_obstacle(folder, model):
    (folder / "tmp-4").mkdir()
    (folder / "tmp-4" / "variables.index").write_text("half")
    Checkpoints(folder, model).save(4)
    assert find_fault(path_of(folder, 4)) is None


# No space.


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "No space left on device"),
    ],
    ids=["python", "tensorflow"],
)
def test_a_full_disk_ends_with_status_4_and_leaves_the_earlier_ones(
    folder, model, monkeypatch, error
):
    before = contents(folder)
    monkeypatch.setattr(module, "sync", raiser(error))
    with pytest.raises(
        Failure,
        match=rf"^no space for a checkpoint of 0 MB in {re.escape(str(folder))}; "
        "the earlier ones are untouched$",
    ) as failure:
        Checkpoints(folder, model).save(4)
    assert failure.value.exit_code == 4
    assert contents(folder) == before
    assert not list(folder.glob("tmp-*"))


def test_a_full_disk_is_told_the_size_with_that_of_the_optimizer(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(250_000)])
    model.compile(optimizer=keras.optimizers.Adam())
    model.optimizer.build(model.trainable_variables)
    monkeypatch.setattr(module, "sync", raiser(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(Failure, match="^no space for a checkpoint of 9 MB in "):
        Checkpoints(tmp_path, model).save(1)


def test_another_error_of_the_disk_is_raised_as_it_is(folder, model, monkeypatch):
    before = contents(folder)
    monkeypatch.setattr(module, "sync", raiser(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(OSError, match="Input/output error"):
        Checkpoints(folder, model).save(4)
    assert contents(folder) == before


# Not finite.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_weight_that_is_not_finite_is_never_saved(folder, model, network, value):
    before = contents(folder)
    bias = getattr(model, network).layers[-1].bias
    bias.assign([0.0, value, 0.0])
    with pytest.raises(
        Failure, match=rf"^{re.escape(bias.path)} is not finite at step 4; not saved$"
    ) as failure:
        Checkpoints(folder, model).save(4)
    assert failure.value.exit_code == 3
    assert contents(folder) == before
