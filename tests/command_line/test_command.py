"""What commands do between flags and work: TensorFlow is imported quietly."""

import os

import pytest

from gans.command_line import command


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
