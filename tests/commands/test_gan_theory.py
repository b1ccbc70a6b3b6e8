"""The documented command, with short training: what it writes, prints and refuses."""

import json
import math
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from gans.command_line import cli, command
from gans.commands import gan_theory

FIGURES = {
    "optimal_discriminator.png",
    "divergences.png",
    "gradient_by_distance.png",
    "gradient_by_training.png",
}


@pytest.fixture(scope="module")
def call():
    """Runs the command and returns its status."""

    def run(*flags):
        with pytest.raises(SystemExit) as exit_, warnings.catch_warnings():
            # Keras hands its variables to NumPy in a way that NumPy will not take for ever.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            cli.run(gan_theory.gan_theory, list(map(str, flags)), prog="gan_theory.py")
        return exit_.value.code

    return run


@pytest.fixture(scope="module")
def out(call, tmp_path_factory):
    """What 300 steps show."""
    folder = tmp_path_factory.mktemp("theory") / "out"
    assert call(f"--out={folder}", "--steps=300") == 0
    return folder


@pytest.fixture(scope="module")
def numbers(out):
    return json.loads((out / "numbers.json").read_text())


def test_it_writes_its_figures_and_numbers(out):
    assert {path.name for path in out.iterdir()} == FIGURES | {"numbers.json"}
    for name in FIGURES:
        with Image.open(out / name) as figure:
            assert figure.width == 640


def test_the_figures_hold_the_numbers():
    numbers, figure = gan_theory.show_divergences()
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_xydata().T for line in axes.lines}
    for label, name in (
        ("JS, uniform", "jensen_shannon"),
        ("JS, Gaussian", "jensen_shannon_gaussian"),
        ("Wasserstein, both", "wasserstein"),
    ):
        np.testing.assert_array_equal(lines[label], [numbers["shift"], numbers[name]])
    np.testing.assert_array_equal(lines["log 2"][1], np.log([2.0, 2.0]))
    numbers, figure = gan_theory.show_gradient_by_distance()
    (axes,) = figure.axes
    for line, name in zip(axes.lines, ("minimax", "non_saturating"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), numbers["distance"])
        np.testing.assert_array_equal(line.get_ydata(), np.abs(numbers[name]))
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")


def test_a_trained_discriminator_nears_the_optimal_one(numbers):
    found = numbers["optimal_discriminator"]
    assert found["value_optimal"] == pytest.approx(found["twice_js_minus_log_4"], abs=1e-9)
    assert found["value_optimal"] - 0.02 < found["value_trained"] < found["value_optimal"]
    assert found["mean_error"] < 0.05
    assert found["mean_error"] < found["max_error"] < 0.3


def test_the_divergences_end_at_log_2_and_the_distance_does_not(numbers):
    found = {name: np.array(values) for name, values in numbers["divergences"].items()}
    shift = found["shift"]
    expected = np.minimum(shift, 1) * math.log(2)
    np.testing.assert_allclose(found["jensen_shannon"], expected, atol=1e-9)
    np.testing.assert_allclose(found["value"], 2 * expected - math.log(4), atol=1e-9)
    np.testing.assert_allclose(found["wasserstein"], shift, atol=1e-9)
    assert found["jensen_shannon_gaussian"][-1] == pytest.approx(math.log(2), abs=1e-6)


def test_the_minimax_gradient_vanishes_with_the_distance(numbers):
    found = {name: np.array(values) for name, values in numbers["gradient_by_distance"].items()}
    far = found["distance"] >= 4
    # E_q[D* t], and D* is below sqrt(p / q) / 2, of which the mean over q is exp(-t^2 / 8) / 2.
    bound = np.exp(-(found["distance"] ** 2) / 8) / 2 * found["distance"]
    assert (found["minimax"] > 0).all()
    assert (found["minimax"] < bound).all()
    # KL(q || p) = t^2 / 2, whose derivative is t.
    np.testing.assert_allclose(
        found["non_saturating"] + found["minimax"], found["distance"], atol=1e-9
    )
    assert (found["non_saturating"][far] > 0.95 * found["distance"][far]).all()


def test_the_minimax_gradient_vanishes_with_training_and_the_other_grows(numbers):
    found = numbers["gradient_by_training"]
    assert found["step"][0] == 0
    assert found["step"][-1] == 300
    assert {len(values) for values in found.values()} == {len(found["step"])}
    assert found["discriminator_loss"][-1] < 0.01
    assert found["minimax"][-1] < 0.05 * found["minimax"][0]
    assert found["non_saturating"][-1] > found["non_saturating"][0]
    assert found["non_saturating_deviation"][-1] > 3 * found["non_saturating_deviation"][0]


def test_norm_and_deviation_by_hand():
    found = gan_theory.norm_and_deviation
    # Distances from the mean (2, 0): 1, 1, 2, 2, of which the mean square is 2.5.
    gradients = np.array([[1.0, 0.0], [3.0, 0.0], [2.0, 2.0], [2.0, -2.0]], np.float32)
    assert found(gradients) == pytest.approx((2.0, np.sqrt(2.5)))


def test_it_prints_what_it_writes_and_replaces_its_own_files(call, out, tmp_path, capfd):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    assert call(f"--out={tmp_path}", "--steps=2", "--seed=3") == 0
    changed = {
        name for name in FIGURES if (tmp_path / name).read_bytes() != (out / name).read_bytes()
    }
    assert changed == {"optimal_discriminator.png", "gradient_by_training.png"}
    text = capfd.readouterr().out
    found = json.loads((tmp_path / "numbers.json").read_text())
    assert f"{found['optimal_discriminator']['value_trained']:.6f}" in text
    assert f"{found['gradient_by_training']['minimax'][-1]:9.2e} +-" in text
    assert "0.693147   0.000000   2.500000" in text
    assert found["gradient_by_training"]["step"] == [0, 1, 2]
    again = tmp_path / "again"
    assert call(f"--out={again}", "--steps=2", "--seed=3", "--pdf") == 0
    pdfs = {name.replace(".png", ".pdf") for name in FIGURES}
    assert {path.name for path in again.iterdir()} == FIGURES | pdfs | {"numbers.json"}
    for name in FIGURES | {"numbers.json"}:
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--steps=0", "--steps expects at least 1. Received: 0"),
        ("--seed=-1", "--seed expects at least 0. Received: -1"),
        ("--step=3", "unknown flag --step; did you mean --steps?"),
    ],
)
def test_a_wrong_flag_is_one_line_and_nothing_is_begun(call, tmp_path, capfd, flag, message):
    assert call(f"--out={tmp_path / 'out'}", flag) == 2
    assert capfd.readouterr().err == f"error: {message}\n"
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_one_line(call, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
    (tmp_path / "out").write_text("mine")
    assert call(f"--out={tmp_path / 'out'}") == 2
    assert capfd.readouterr().err == (
        f"error: --out expects a folder. Received: the file {tmp_path / 'out'}\n"
    )


@pytest.mark.parametrize("name", ["numbers.json", "divergences.png", "divergences.pdf"])
@pytest.mark.parametrize("alone", [True, False])
def test_files_of_somebody_else_are_not_replaced(
    call, out, tmp_path, capfd, monkeypatch, name, alone
):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
    if not alone:  # Beside what the command itself has made.
        shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_text('{"mine": 1}')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert call(f"--out={tmp_path}", "--pdf") == 2
    error = capfd.readouterr().err
    assert error.startswith("error: --out ")
    assert error.endswith(f"Received: {tmp_path / name}\n")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
