"""`losses.png` of a run: what it holds, and what is refused."""

import json

import numpy as np
import pytest

from gans.command_line.errors import UsageError
from gans.pictures import plots
from gans.training import loss_plot
from gans.training.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a run of DCGAN that has logged nothing yet."""
    settings = type("Settings", (), {"name": "DCGAN"})
    monkeypatch.setattr(RunFolder, "read_settings", lambda self: settings)
    return tmp_path


def log(folder, *lines):
    (folder / "metrics.jsonl").write_text("\n".join(lines))


def test_every_logged_loss_is_drawn_over_its_steps(folder, monkeypatch):
    drawn = []
    losses = plots.losses

    def recorded(*args):
        drawn.append(args)
        return losses(*args)

    monkeypatch.setattr(plots, "losses", recorded)
    lines = [{"step": 10, "d_loss": 1.5}, {"step": 20, "d_loss": 1.0, "g_loss": 3.0}]
    # The last line is being written.
    log(folder, *map(json.dumps, lines), '{"step": 30, "d_lo')
    assert loss_plot.write_losses(folder) == folder / "losses.png"
    ((steps, values, title),) = drawn
    assert steps.tolist() == [10, 20]
    assert list(values) == ["d_loss", "g_loss"]
    np.testing.assert_array_equal(values["d_loss"], [1.5, 1.0])
    np.testing.assert_array_equal(values["g_loss"], [np.nan, 3.0])
    assert title == "Losses of DCGAN"
    assert {path.name for path in folder.iterdir()} == {"losses.png", "metrics.jsonl"}
    loss_plot.write_losses(folder, pdf=True)
    assert (folder / "losses.pdf").exists()


@pytest.mark.parametrize("content", [None, ""])
def test_a_run_that_has_logged_nothing_is_refused(folder, content):
    if content is not None:
        log(folder, content)
    with pytest.raises(UsageError, match=f"Received: {folder}"):
        loss_plot.write_losses(folder)
    assert not (folder / "losses.png").exists()


def test_a_folder_of_no_run_is_refused(tmp_path):
    log(tmp_path, '{"step": 1, "d_loss": 2.0}')
    with pytest.raises(UsageError, match=f"Received: {tmp_path}"):
        loss_plot.write_losses(tmp_path)
