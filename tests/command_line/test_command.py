"""What scripts do between flags and work: quiet imports, checked numbers, one-line errors."""

import importlib
import json
import os
import sys

import pytest

from gans.command_line import command
from gans.command_line.errors import UsageError, check_at_least, usage_errors


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes a module of a source that must not be executed."""

    def make(source):
        (tmp_path / "described.py").write_text(source + "\nraise AssertionError('imported')\n")
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()
        return "described"

    return make


def test_a_literal_is_read_from_the_source_without_an_import(module):
    name = module('OTHER = 1\nTRAINING = {"toy": {"epochs": 2, "sizes": (1, 2)}, "paper": None}')
    expected = {"toy": {"epochs": 2, "sizes": (1, 2)}, "paper": None}
    assert command.read_literal(name, "TRAINING") == expected
    assert "described" not in sys.modules


def test_a_literal_that_is_not_there_is_an_error(module):
    message = "^expected a literal TRAINING in described. Received: none$"
    with pytest.raises(ValueError, match=message):
        command.read_literal(module("def f():\n    TRAINING = 1"), "TRAINING")


def test_a_value_that_is_computed_is_an_error(module):
    with pytest.raises(ValueError, match="malformed node"):
        command.read_literal(module("TRAINING = dict(a=1)"), "TRAINING")


def test_numbers_from_the_minimum_on_and_none_pass():
    check_at_least(1, epochs=1, batch_size=2, load_size=None)


def test_the_first_number_below_the_minimum_is_named():
    with pytest.raises(UsageError, match=r"^--epochs expects at least 1. Received: -1$"):
        check_at_least(1, batch_size=1, epochs=-1, log_every=0)


def test_errors_about_what_the_user_gave_are_usage_errors():
    with pytest.raises(UsageError, match="^too small$") as error, usage_errors():
        raise ValueError("too small")
    assert isinstance(error.value.__cause__, ValueError)


def test_other_errors_stay_what_they_are():
    with pytest.raises(ValueError, match="^mine$"), usage_errors(OSError):
        raise ValueError("mine")


def test_settings_are_shown_as_json(capsys):
    settings = {"epochs": 2, "data_dir": None, "constructor": {"norm": "none"}}
    command.show(settings)
    assert json.loads(capsys.readouterr().out) == settings


@pytest.fixture
def noisy(monkeypatch):
    """Has an import write to the stream below Python, as TensorFlow's C++ does."""

    def import_module(name):
        os.write(2, f"{name} says hello\n".encode())
        if name == "tensorflow":
            raise ImportError("no tensorflow")

    monkeypatch.setattr(command.importlib, "import_module", import_module)
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)


def test_imports_are_quiet_and_the_stream_comes_back_also_after_an_error(noisy, capfd):
    with pytest.raises(ImportError, match="no tensorflow"):
        command.import_tensorflow(debug=False)
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"


def test_with_debug_everything_is_heard(noisy, capfd):
    with pytest.raises(ImportError):
        command.import_tensorflow(debug=True)
    assert capfd.readouterr().err == "keras says hello\ntensorflow says hello\n"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_a_log_level_of_ones_own_is_kept(noisy, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    with pytest.raises(ImportError):
        command.import_tensorflow(debug=False)
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"


def test_no_descriptor_is_left_open(noisy):
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(ImportError):
            command.import_tensorflow(debug=False)
    assert len(os.listdir("/dev/fd")) == before
