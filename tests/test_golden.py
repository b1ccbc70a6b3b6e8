"""The golden checkpoints in tests/golden: runs that an earlier commit wrote are opened, show the
same and can go on.
"""

import zipfile

import numpy as np
import pytest
from golden import make

from gans.command_line import gan_files
from gans.training.checkpoints import Checkpoints
from gans.training.restore import open_run

# One grey level: another processor may round otherwise.
MOST = 1


def test_every_gan_has_one():
    assert {path.stem for path in make.FOLDER.glob("*.zip")} == set(gan_files.names())


@pytest.mark.parametrize("name", gan_files.names())
def test_it_loads_shows_the_same_and_can_go_on(tmp_path, name):
    with zipfile.ZipFile(make.FOLDER / f"{name}.zip") as archive:
        archive.extractall(tmp_path)
    _, run, gan, step = open_run(tmp_path)
    assert (run, step) == (make.settings_of(name), make.STEP)
    expected = np.load(tmp_path / "samples.npy").astype(int)
    shown = make.show(gan).astype(int)
    assert shown.shape == expected.shape and np.ptp(expected) > 100
    assert np.abs(shown - expected).max() <= MOST
    # No two samples are alike: labels, styles and directions decide what is shown.
    assert len(np.unique(expected.reshape(len(expected), -1), axis=0)) == len(expected)
    # Its optimizers, too.
    gan.compile(run.epochs, run.steps_per_epoch)
    assert Checkpoints(tmp_path / "checkpoints", gan).restore() == make.STEP
    assert int(gan.step) == make.STEP
