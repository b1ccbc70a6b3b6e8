"""How many modules a reader follows from the command to a number."""

import sys

import numpy as np
import pytest

import gans
from gans.commands.evaluate import evaluate
from gans.evaluation import table

ROOT = gans.__path__[0]
# What turns a run into a number. How the run is opened and its images are read, what the networks
# of the GAN compute, and how a command line is read are the same for every command.
ROOMS = ("commands/", "evaluation/", "features/", "metrics/")
MOST = 15


@pytest.fixture(scope="module")
def run(begin_run, save_classifier, tmp_path_factory):
    """A run of DCGAN on a few digits, and a classifier that has learnt nothing."""
    folder = tmp_path_factory.mktemp("path")
    random = np.random.default_rng(0)
    images = {
        f"x_{part}": random.integers(0, 256, (12, 28, 28, 1), np.uint8)
        for part in ("train", "test")
    }
    np.savez(folder / "greys.npz", **images)
    small = {"generator_filters": 2, "discriminator_filters": 2, "image_size": 28}
    data = {"data_dir": str(folder / "greys.npz")}
    begin_run(folder / "run", "dcgan", data, image_channels=1, **small)
    return folder / "run", save_classifier(folder / "classifier", 28, 1, "mnist")


def modules_until_the_number(call, monkeypatch):
    """Modules of `ROOMS` whose functions run until `table.measure` returns a line."""
    found, measure = set(), table.measure

    def profile(frame, event, _):
        path = frame.f_code.co_filename
        # Bodies of modules and classes, which run where something is imported, are no functions.
        is_function = frame.f_code.co_flags & 1
        if event == "call" and is_function and path.startswith(ROOT):
            found.add(path[len(ROOT) + 1 :])

    def measured(*args):
        line = measure(*args)
        sys.setprofile(None)
        return line

    monkeypatch.setattr(table, "measure", measured)
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return {path for path in found if path.startswith(ROOMS)}


@pytest.mark.parametrize("metric", ["realism", "fd", "recall", "is"])
def test_few_modules_lie_between_the_command_and_a_number(
    run, run_command, monkeypatch, tmp_path, metric
):
    folder, classifier = run
    flags = [f"--run_dir={folder}", f"--extractor={classifier}", f"--metrics={metric}"]
    flags += ["--num_fake=12", f"--output={tmp_path}", f"--cache_dir={tmp_path / 'kept'}"]
    found = modules_until_the_number(lambda: run_command(evaluate, *flags), monkeypatch)
    assert {"commands/evaluate.py", "evaluation/table.py"} <= found
    assert len(found) <= MOST, sorted(found)
