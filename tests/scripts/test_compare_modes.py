"""The comparison of modes: its numbers are those of the saved networks, its table stands beside the
published one, and nothing is done twice. Two variants, narrow; the training commands are the real
ones.
"""

import csv
import json
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gans.metrics.modes import mode_coverage
from gans.training import cli, command
from gans.training.restore import open_run

NARROW = {"generator_filters": 4}
VARIANTS = {
    "PacGAN2": ("dcgan", {"packing": 2, "batch_size": 8, "discriminator_filters": 4, **NARROW}),
    "WGAN-GP": ("wgan_gp", {"batch_size": 8, "critic_filters": 4, **NARROW}),
}


@pytest.fixture(scope="session")
def script(load_script):
    """The script with narrow variants and epochs of 4 steps."""
    module = load_script("compare_modes")
    module.VARIANTS, module.STEPS_PER_EPOCH = VARIANTS, 4
    return module


@pytest.fixture(scope="session")
def call(script, run_script):
    """Runs the command, its trainings in this process, and returns its status and what was run."""

    def run(*flags):
        done = []

        def run_jobs(jobs, workers):
            for job in jobs:
                _, path, *flags = job.command
                assert run_script(Path(path).stem, *flags) == 0
                done.append(job.name)

        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(SystemExit) as exit_,
            warnings.catch_warnings(),
        ):
            # Keras hands its variables to NumPy in a way that NumPy will not take for ever.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            patch.setattr(script, "run_jobs", run_jobs)
            cli.run(script.compare, list(map(str, flags)), prog="compare_modes.py")
        return exit_.value.code, done

    return run


@pytest.fixture(scope="session")
def finished(call, tmp_path_factory):
    """A finished comparison of one seed on the ring, 2 epochs of 4 steps."""
    out = tmp_path_factory.mktemp("modes") / "out"
    status, done = call(f"--out={out}", "--seeds=1", "--epochs=2", "--sets=ring8")
    assert (status, done) == (0, ["ring8 PacGAN2, seed 0", "ring8 WGAN-GP, seed 0"])
    return out


def test_the_numbers_are_those_of_the_saved_networks(finished):
    for variant in VARIANTS:
        folder = finished / f"ring8-{variant}-seed-0"
        values = json.loads((folder / "comparison.json").read_text())["values"]
        _, settings, gan, step = open_run(folder)
        assert step == 8
        samples = gan.generate(gan.draw_latents(2500, 1))
        mixture = settings["mixture"]
        expected = mode_coverage(samples, np.asarray(mixture["centres"]), mixture["sigma"])
        assert values["modes"] == expected["modes"]
        assert values["high quality %"] == pytest.approx(100 * expected["high_quality"])
        assert values["reverse KL"] == pytest.approx(expected["reverse_kl"])


def test_the_table_stands_beside_the_published_one(finished):
    lines = (finished / "table.md").read_text().splitlines()
    assert "1 seed, 8 steps" in lines[0]
    header = next(line for line in lines if line.startswith("| ring8"))
    pac, wgan = lines[lines.index(header) + 2 :][:2]
    assert pac.startswith("| PacGAN2 |")
    assert pac.endswith("| 7.9 ± 0.1 | 95.6 ± 2.0 | 0.07 ± 0.03 |")
    assert wgan.endswith("| - | - | - |")
    values = json.loads((finished / "ring8-PacGAN2-seed-0/comparison.json").read_text())["values"]
    with open(finished / "table.csv", newline="") as file:
        rows = {(row["variant"], row["measure"]): row for row in csv.DictReader(file)}
    assert float(rows["ring8 PacGAN2", "modes"]["mean"]) == values["modes"]
    with Image.open(finished / "picture.png") as picture:
        # Two pictures of points with their frames, and the gap between.
        assert picture.width == 2 * (384 + 4) + 8


def test_what_is_measured_is_not_done_again(finished, call, script, monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
    before = (finished / "table.md").read_bytes()
    assert call(f"--out={finished}", "--seeds=1", "--epochs=2", "--sets=ring8") == (0, [])
    assert (finished / "table.md").read_bytes() == before


def test_other_settings_are_another_comparison(finished, call, capsys):
    assert call(f"--out={finished}", "--seeds=1", "--epochs=3", "--sets=ring8") == (2, [])
    error = capsys.readouterr().err
    assert "PacGAN2 epochs 2 -> 3" in error
    assert call("--sets=ring9")[0] == 2
    assert "--sets expects some of ring8, grid25. Received: ring9" in capsys.readouterr().err


def test_the_papers_runs_are_as_long_as_published(load_script, capsys, tmp_path):
    module = load_script("compare_modes")
    with pytest.raises(SystemExit) as exit_:
        cli.run(module.compare, ["--paper", "--dry_run", f"--out={tmp_path}"], prog="x")
    assert exit_.value.code == 0
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(commands) == 10 * 2 * 4
    for words in commands:
        assert {"--epochs=400", "--steps_per_epoch=1000", "--learning_rate=0.0001"} <= {*words}
        assert {"--decay_epochs=0", "--point_scale=1.0"} <= {*words}
        of_packs = any(word.startswith("--packing") for word in words)
        assert ("--discriminator_learning_rate=0.0001" in words) == of_packs
        assert ("--init_stddev=0.02" in words) == of_packs
    packings = {w for words in commands for w in words if w.startswith("--packing")}
    assert packings == {"--packing=1", "--packing=2", "--packing=4"}
    # 100 packs in a batch.
    for words in commands:
        packing = [int(w.split("=")[1]) for w in words if w.startswith("--packing=")]
        assert not packing or f"--batch_size={100 * packing[0]}" in words


def test_rates_of_short_runs_fall_to_zero(load_script):
    module = load_script("compare_modes")
    variants = module.resolve(epochs=30, paper=False)["variants"]
    names = ("learning_rate", "discriminator_learning_rate", "decay_epochs")
    found = {key: tuple(map(how.get, names)) for key, how in variants.items()}
    both = {"PacGAN2": (3e-4, 1e-3, 25), "PacGAN4": (3e-4, 1e-3, 25), "WGAN-GP": (1e-3, None, 15)}
    assert found == {
        "ring8 GAN": (1e-3, 1e-3, 15),
        "grid25 GAN": (3e-4, 3e-4, 15),
        **{f"{data} {name}": how for data in ("ring8", "grid25") for name, how in both.items()},
    }
    assert not any("share" in how for how in variants.values())
