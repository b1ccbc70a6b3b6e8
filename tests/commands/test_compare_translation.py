"""The comparison: its numbers are those of the table of metrics, and nothing is done twice.

Of the family bicyclegan two variants, narrow, two steps long; the training commands are the real
ones.
"""

import csv
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion
from gans.command_line import command, comparison
from gans.command_line.errors import Failure
from gans.command_line.jobs import run_jobs
from gans.commands import compare_translation as module
from gans.commands.train import command_of
from gans.data.images import to_float
from gans.evaluation import table
from gans.evaluation.networks import Networks
from gans.evaluation.options import Options
from gans.evaluation.translated import Translated
from gans.training.restore import open_run

NARROW = {
    "length": {"epochs": 1, "steps_per_epoch": 2, "batch_size": 2},
    "half": "decay_epochs",
    "shared": {
        "image_size": 32,
        "generator_filters": 2,
        "discriminator_filters": 2,
        "latent_dim": 4,
        "log_every": 1,
    },
    "variants": {
        "pix2pix+noise": ("pix2pix", {"loss": "l1+gan", "dropout": 0.0}),
        "BicycleGAN": ("bicyclegan", {"encoder_filters": 2}),
    },
    "metrics": module.OF_PAIRS,
    "samples": 3,
}
NAMES = ["pix2pix+noise-seed-0", "BicycleGAN-seed-0"]
FAMILIES = dict(module.FAMILIES)


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """The family bicyclegan, narrow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.FAMILIES, "bicyclegan", NARROW)
        yield


@pytest.fixture(scope="session")
def call(run_command):
    """Runs the command and returns its status."""
    return lambda *flags: run_command(module.compare, *flags)


@pytest.fixture(scope="session")
def train_here(run_command):
    """Has jobs train in this process."""

    def run(jobs, workers):
        for job in jobs:
            # Layers are numbered over the life of a process, and the numbers are saved.
            keras.backend.clear_session()
            _, _, _, _, name, *flags = job.command
            assert run_command(command_of(name), *flags) == 0

    return run


@pytest.fixture(scope="module")
def finished(call, toy_bags, tmp_path_factory):
    """A finished comparison of one seed, whose trainings were processes; not to be changed."""
    out = tmp_path_factory.mktemp("compare") / "out"
    assert call(f"--data_dir={toy_bags}", f"--out={out}", "--seeds=1", "--workers=2") == 0
    return out


@pytest.fixture
def copied(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture
def here(train_here, monkeypatch):
    """Has trainings run in this process, and notes them; `here.limit` many at most."""

    class Jobs:
        def __init__(self):
            self.names, self.limit = [], 99

        def run(self, jobs, workers):
            train_here(jobs[: self.limit], workers)
            self.names += [job.name for job in jobs[: self.limit]]
            if len(jobs) > self.limit:
                raise Failure("stopped by Ctrl-C", exit_code=130)

    jobs = Jobs()
    monkeypatch.setattr(comparison, "run_jobs", jobs.run)
    return jobs


@pytest.fixture
def no_work(monkeypatch):
    """Fails where anything would be trained, drawn or measured."""

    def run(jobs, workers):
        assert not jobs
        run_jobs(jobs, workers)

    monkeypatch.setattr(comparison, "run_jobs", run)
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
    monkeypatch.setattr(comparison, "import_tensorflow", lambda debug: pytest.fail("imported"))
    monkeypatch.setattr(toy_fashion, "generate", lambda *args, **kwargs: pytest.fail("drawn"))


def record(run):
    return json.loads((run / "comparison.json").read_text())


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def halves(folder):
    """A and B of the images of a folder, in [-1, 1]."""
    pairs = np.stack([np.asarray(Image.open(path), np.uint8) for path in sorted(folder.iterdir())])
    return np.split(to_float(pairs), 2, axis=2)


# A finished comparison.


def test_what_a_comparison_leaves(finished):
    names = ["compare.json", "picture.png", "table.csv", "table.md"]
    names += [name for run in NAMES for name in (run, f"{run}.log")]
    assert sorted(path.name for path in finished.iterdir()) == sorted(names)
    for run in NAMES:
        assert (finished / f"{run}.log").read_text().startswith("$ ")
        assert (finished / run / "checkpoints" / "step-00000002").is_dir()


def test_every_variant_has_the_same_seed_length_and_data(finished):
    runs = [open_run(finished / run)[1] for run in NAMES]
    names = ("epochs", "steps_per_epoch", "batch_size", "data")
    first, second = ([getattr(run, name) for name in names] for run in runs)
    assert first == second
    names = ("seed", "image_size", "generator_filters", "discriminator_filters", "latent_dim")
    first, second = ([getattr(run.settings, name) for name in names] for run in runs)
    assert first == second


@pytest.mark.parametrize("name", NAMES)
def test_the_numbers_are_those_of_the_table_of_metrics(finished, name):
    _, run, gan, step = open_run(finished / name)
    networks = Networks(Options(run_dir=str(finished / name), samples=3))
    (outputs,) = Translated.load(gan, run, networks, step, 100)
    found = record(finished / name)
    expected = {}
    for metric in map(table.find, module.OF_PAIRS, ["pairs"] * len(module.OF_PAIRS)):
        if table.lacking(metric, outputs) is None:
            line = table.measure(metric, outputs)
            expected[metric.name] = line["value"]
            assert found["reference"][metric.name] == pytest.approx(line["reference"])
    assert ("reconstruction" in expected) == ("Bicycle" in name)
    assert found["values"].pop("seconds") > 0
    assert found["values"] == pytest.approx(expected)


def test_the_tables_hold_the_numbers_of_the_runs(finished):
    with open(finished / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for variant, run in zip(NARROW["variants"], NAMES, strict=True):
        found = {row["measure"]: row for row in rows if row["variant"] == variant}
        values = record(finished / run)["values"]
        assert {name: float(row["mean"]) for name, row in found.items()} == values
        assert all(row["seed_0"] == row["mean"] and not row["deviation"] for row in found.values())
    lines = (finished / "table.md").read_text().splitlines()
    assert lines[0].startswith("`bicyclegan` on ")
    assert "1 seed, 2 steps of batch 2 each" in lines[0]
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")][3:] == [
        "| pix2pix+noise",
        "| BicycleGAN",
        "| *for reference*",
    ]


def test_the_picture_has_the_inputs_and_the_samples_of_each_variant(finished, toy_bags):
    images_a, images_b = halves(toy_bags / "val")
    first, second = (dict(np.load(finished / run / "comparison.npz")) for run in NAMES)
    for cells in (first, second):
        np.testing.assert_array_equal(cells["sketch"][:, 0], images_a)
        np.testing.assert_array_equal(cells["photo"][:, 0], images_b)
        assert cells["variant"].shape == (4, 3, 32, 32, 3)
    blocks = [("sketch", first["sketch"]), ("photo", first["photo"])]
    blocks += [("pix2pix+noise", first["variant"]), ("BicycleGAN", second["variant"])]
    expected = module.image_blocks(blocks, smallest_side=128)
    with Image.open(finished / "picture.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), expected)


# What is there already.


def test_a_second_call_only_writes_the_tables_again(call, copied, toy_bags, no_work):
    before = contents(copied)
    (copied / "table.md").unlink()
    (copied / "picture.png").unlink()
    assert call(f"--data_dir={toy_bags}", f"--out={copied}", "--seeds=1") == 0
    assert contents(copied) == before


def test_more_seeds_leave_the_measured_ones_as_they_are(call, copied, toy_bags, here):
    before = {name: contents(copied / name) for name in NAMES}
    assert call(f"--data_dir={toy_bags}", f"--out={copied}", "--seeds=2") == 0
    assert here.names == ["pix2pix+noise, seed 1", "BicycleGAN, seed 1"]
    assert {name: contents(copied / name) for name in NAMES} == before
    with open(copied / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        seeds = [record(copied / f"{row['variant']}-seed-{seed}") for seed in (0, 1)]
        first, second = (one["values"][row["measure"]] for one in seeds)
        assert float(row["mean"]) == pytest.approx((first + second) / 2)
        assert float(row["deviation"]) == pytest.approx(abs(first - second) / np.sqrt(2))
        assert row["measure"] in ("seconds", "hues_per_sketch") or first != second


def test_a_comparison_that_was_stopped_goes_on_and_leaves_finished_runs_alone(
    call, toy_bags, tmp_path, here
):
    flags = (f"--data_dir={toy_bags}", f"--out={tmp_path / 'out'}", "--seeds=1")
    here.limit = 1
    assert call(*flags) == 130
    done = tmp_path / "out" / NAMES[0]
    before = contents(done)
    assert not (tmp_path / "out" / "table.md").exists()
    here.limit = 2
    assert call(*flags) == 0
    assert here.names == ["pix2pix+noise, seed 0", "pix2pix+noise, seed 0", "BicycleGAN, seed 0"]
    after = contents(done)
    assert before.items() <= after.items()
    assert {path.name for path in after.keys() - before.keys()} == {
        "comparison.json",
        "comparison.npz",
    }
    assert (tmp_path / "out" / "table.md").exists()


def test_the_error_of_a_training_command_is_shown(call, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    out = tmp_path / "out"
    status = call(f"--data_dir={tmp_path / 'data'}", f"--out={out}", "--seeds=1", "--workers=1")
    *_, cause, error = capsys.readouterr().err.splitlines()
    assert status == 2
    assert cause.startswith("    error: ")
    assert str(tmp_path / "data") in cause
    log = out / f"{NAMES[0]}.log"
    assert error == f"error: pix2pix+noise, seed 0 ended with status 2; its output is in {log}"


# Every family.


@pytest.fixture
def dry(run_command, capsys):
    """The settings of a run, which is not trained."""

    def settings(run):
        _, _, _, _, name, *flags = run.words
        assert run_command(command_of(name), *flags, "--dry_run") == 0
        return json.loads(capsys.readouterr().out)

    return settings


@pytest.mark.parametrize(
    ("family", "differing"),
    [
        ("bicyclegan", {"objective", "loss", "gan_loss", "lambda_l1"}),
        ("pix2pix_losses", {"loss"}),
        ("patch_sizes", {"patch"}),
        ("cycle_ablation", {"cycle"}),
        ("discogan_ablation", {"objective", "lambda_identity"}),
    ],
)
def test_the_training_commands_of_a_family_are_right_and_differ_in_its_subject_only(
    dry, tmp_path, monkeypatch, family, differing
):
    monkeypatch.setattr(module, "FAMILIES", FAMILIES)
    runs = module.plan(tmp_path, module.resolve(family, str(tmp_path), None), seeds=1)
    assert len({run.folder for run in runs}) == len(module.FAMILIES[family]["variants"])
    lengths, constructors = set(), {}
    for run in runs:
        settings = dry(run)
        constructor = settings["settings"]
        constructors.setdefault(settings["gan"], []).append(constructor)
        half = constructor.get("decay_epochs", constructor.get("epoch_step"))
        assert half == settings["epochs"] // 2 > 0
        names = ("epochs", "steps_per_epoch", "batch_size")
        lengths.add((*(settings[name] for name in names), json.dumps(settings["data"])))
    assert len(lengths) == 1
    found = {
        name
        for first, *others in constructors.values()
        for other in others
        for name in first
        if other[name] != first[name]
    }
    assert found == differing


def test_pix2pix_with_noise_has_bicyclegans_networks(dry, monkeypatch):
    monkeypatch.setattr(module, "FAMILIES", FAMILIES)
    runs = module.plan(Path("out"), module.resolve("bicyclegan", None, None), seeds=1)
    constructors = [dry(run)["settings"] for run in runs]
    own, pix2pix, *_, bicyclegan = constructors
    shared = pix2pix.keys() & bicyclegan.keys()
    assert {name for name in shared if pix2pix[name] != bicyclegan[name]} == set()
    assert {"latent_injection", "generator_filters", "norm", "upsample", "dropout"} <= shared
    assert pix2pix["lambda_l1"] == bicyclegan["lambda_image"]
    assert (own["lambda_l1"], own["loss"], own["gan_loss"]) == (100.0, "l1+cgan", "cross_entropy")
    assert pix2pix["patch"] == 70


def test_bags_and_shoes_are_two_folders_of_the_data():
    run, *_ = module.plan(Path("out"), module.resolve("discogan_ablation", "/data", None), seeds=1)
    assert {"--data_dir=/data/bags", "--data_dir_b=/data/shoes"} <= set(run.words)


@pytest.mark.parametrize(
    ("family", "domains"), [("cycle_ablation", ["bags"]), ("discogan_ablation", ["bags", "shoes"])]
)
def test_toy_fashion_is_drawn_once_before_the_runs(
    call, tmp_path, here, monkeypatch, family, domains
):
    drawn = []
    monkeypatch.setattr(toy_fashion, "default_set", lambda size, domain: drawn.append(domain))
    here.limit = 0
    assert call(f"--family={family}", f"--out={tmp_path / 'out'}") == 130
    assert drawn == domains


# Bad input.


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--seeds=0", ["--seeds", "Received: 0"]),
        ("--epochs=0", ["--epochs", "Received: 0"]),
        ("--data_dir=gone", ["--data_dir", "Received: gone"]),
        ("--workers=0", ["--workers", "Received: 0"]),
        ("--seed=1", ["--seed;", "--seeds"]),
        ("--family=cyclegan", ["--family", "bicyclegan", "'cyclegan'"]),
    ],
)
def test_a_wrong_flag_is_one_line(failure, tmp_path, no_work, flag, words):
    error = failure(module.compare, f"--out={tmp_path / 'out'}", flag)
    assert all(word in error for word in words)


def test_other_settings_are_refused(call, finished, toy_bags, no_work, capsys):
    before = contents(finished)
    assert call(f"--data_dir={toy_bags}", f"--out={finished}", "--epochs=3") == 2
    error = capsys.readouterr().err
    assert f"{finished}" in error and "pix2pix+noise epochs 1 -> 3" in error
    assert call("--family=patch_sizes", f"--out={finished}") == 2
    assert "family 'bicyclegan' -> 'patch_sizes'" in capsys.readouterr().err
    assert contents(finished) == before


def test_a_folder_with_other_files_is_refused(failure, tmp_path, no_work):
    (tmp_path / "thesis.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "thesis.txt"):
        error = failure(module.compare, f"--out={path}")
        assert "--out" in error and f"{path}" in error


def test_a_dry_run_prints_what_is_left_and_does_nothing(
    call, copied, toy_bags, tmp_path, no_work, capsys
):
    flags = (f"--data_dir={toy_bags}", "--seeds=1", "--dry_run")
    assert call(*flags, f"--out={tmp_path / 'new'}") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "-m gans train pix2pix --epochs=1 " in first
    assert f"--run_dir={tmp_path / 'new' / NAMES[1]} --seed=0" in second
    assert not (tmp_path / "new").exists()
    (copied / NAMES[0] / "comparison.json").unlink()
    before = contents(copied)
    assert call(*flags, f"--out={copied}") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "-m gans train pix2pix " in line
    assert contents(copied) == before
