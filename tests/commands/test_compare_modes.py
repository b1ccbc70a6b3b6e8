"""The comparison of modes: its numbers are those of the saved networks, its table stands next to
the published one, and nothing is done twice. Two variants, narrow; the training commands are the
real ones.
"""

import csv
import json
import shlex
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from gans.command_line import comparison, gan_files
from gans.command_line.comparison import Run
from gans.commands import compare_modes as module
from gans.commands.train import command_of
from gans.data.images import to_float
from gans.evaluation.generated import Generated
from gans.metrics.modes import mode_coverage
from gans.pictures.image_grid import image_blocks
from gans.training.restore import open_run

GANS = ("dcgan", "wgan_gp")
VARIANTS = {
    "PacGAN2": (
        "dcgan",
        {"packing": 2, "batch_size": 8, "discriminator_filters": 4, "generator_filters": 4},
    ),
    "WGAN-GP": ("wgan_gp", {"batch_size": 8, "critic_filters": 4, "generator_filters": 4}),
}


@pytest.fixture(scope="session")
def call(run_command):
    """Runs the command with narrow variants and epochs of 4 steps, its trainings in this process;
    returns its status and what was run.
    """

    def run(*flags):
        done = []

        def run_jobs(jobs, workers):
            for job in jobs:
                keras.backend.clear_session()
                _, _, _, _, name, *words = job.command
                assert run_command(command_of(name), *words) == 0
                done.append(job.name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "VARIANTS", VARIANTS)
            patch.setattr(module, "STEPS_PER_EPOCH", 4)
            patch.setattr(comparison, "run_jobs", run_jobs)
            return run_command(module.compare, *flags), done

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
        _, run, gan, step = open_run(folder)
        assert step == 8
        samples = gan.generate(gan.draw_latents(2500, 1))
        mixture = run.data.mixture
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
    blocks = []
    for variant in VARIANTS:
        path = max((finished / f"ring8-{variant}-seed-0" / "samples").glob("*.png"))
        with Image.open(path) as image:
            blocks.append((variant, to_float(np.asarray(image.convert("RGB")))[None, None]))
    with Image.open(finished / "picture.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), image_blocks(blocks))


def test_what_is_measured_is_not_done_again(finished, call, monkeypatch):
    monkeypatch.setattr(comparison, "import_tensorflow", lambda debug: pytest.fail("imported"))
    before = (finished / "table.md").read_bytes()
    assert call(f"--out={finished}", "--seeds=1", "--epochs=2", "--sets=ring8") == (0, [])
    assert (finished / "table.md").read_bytes() == before


def test_other_settings_are_another_comparison(finished, call, capsys):
    assert call(f"--out={finished}", "--seeds=1", "--epochs=3", "--sets=ring8") == (2, [])
    error = capsys.readouterr().err
    assert "PacGAN2 epochs 2 -> 3" in error
    assert call("--sets=ring9")[0] == 2
    error = capsys.readouterr().err
    assert "--sets" in error and "Received: ring9" in error


def test_the_papers_runs_are_as_long_as_published(run_command, capsys, tmp_path):
    assert run_command(module.compare, "--paper", "--dry_run", f"--out={tmp_path}") == 0
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


def test_published_numbers_are_those_of_table_1():
    # arXiv:1712.04086: modes, high quality in per cent, reverse KL.
    assert module.PUBLISHED == {
        "ring8": {
            "GAN": ((6.3, 0.5), (98.2, 0.2), (0.45, 0.09)),
            "PacGAN2": ((7.9, 0.1), (95.6, 2.0), (0.07, 0.03)),
            "PacGAN4": ((7.8, 0.1), (95.9, 1.4), (0.07, 0.02)),
        },
        "grid25": {
            "GAN": ((17.3, 0.8), (94.8, 0.7), (0.70, 0.07)),
            "PacGAN2": ((23.8, 0.7), (91.3, 0.8), (0.13, 0.04)),
            "PacGAN4": ((24.8, 0.2), (93.6, 0.6), (0.04, 0.01)),
        },
    }


def test_measures_are_in_the_units_of_the_table(monkeypatch, tmp_path):
    found = {"modes": 3.0, "high_quality": 0.25, "reverse_kl": 0.5}
    data = SimpleNamespace(
        kind="points", dataset="ring8", label_names=None, mixture=None, folders=[]
    )
    run = SimpleNamespace(data=data, settings=SimpleNamespace(image_channels=3))
    folder = SimpleNamespace(logs=tmp_path / "none")
    monkeypatch.setattr(module, "open_run", lambda path: (folder, run, None, 8))
    monkeypatch.setattr(Generated, "coverage", found)
    monkeypatch.setattr(module, "training_seconds", lambda logs, step: None)
    record = module.measure(Run("ring8 GAN", 0, tmp_path, ()))
    expected = {"modes": 3.0, "high quality %": 25.0, "reverse KL": 0.5}
    assert record["values"] == expected
    other = {"modes": 5.0, "high quality %": 75.0, "reverse KL": 0.5}
    row = module.compared("ring8", {"GAN": [expected, other]}).splitlines()[2]
    assert row.startswith("| GAN | 4.00 ± 1.41 | 50.0 ± 35.4 | 0.500 ± 0.000 | - | 6.3 ± 0.5 |")


def test_each_seed_is_a_run_of_its_own(tmp_path):
    settings = module.resolve(epochs=30, paper=False)
    runs = module.plan(tmp_path, settings, module.SETS, seeds=3)
    seeds = [word for run in runs for word in run.words if word.startswith("--seed=")]
    assert seeds == [f"--seed={seed}" for seed in range(3) for _ in range(8)]
    assert len({run.folder for run in runs}) == len(runs) == 24
    # A preset that was tuned meanwhile is another comparison.
    points = {gan: gan_files.read(gan).presets["points"] for gan in GANS}
    assert settings["presets"] == points


def test_rates_of_short_runs_fall_to_zero():
    variants = module.resolve(epochs=30, paper=False)["variants"]
    assert {key: how.get("init_stddev") for key, how in variants.items()} == {
        f"{data} {name}": value
        for data in ("ring8", "grid25")
        for name, value in (("GAN", 0.02), ("PacGAN2", 0.1), ("PacGAN4", 0.1), ("WGAN-GP", None))
    }
    names = ("learning_rate", "discriminator_learning_rate", "decay_epochs")
    found = {key: tuple(map(how.get, names)) for key, how in variants.items()}
    both = {"PacGAN2": (3e-4, 1e-3, 25), "PacGAN4": (3e-4, 1e-3, 25), "WGAN-GP": (1e-3, None, 15)}
    assert found == {
        "ring8 GAN": (1e-3, 1e-3, 15),
        "grid25 GAN": (3e-4, 3e-4, 15),
        **{f"{data} {name}": how for data in ("ring8", "grid25") for name, how in both.items()},
    }
    assert not any("share" in how for how in variants.values())
