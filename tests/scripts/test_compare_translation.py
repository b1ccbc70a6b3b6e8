"""The comparison: its numbers are those of the saved networks, and nothing is done twice.

Of the family bicyclegan two variants, narrow, two steps long; the training commands are the real
ones.
"""

import csv
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion
from gans.bicyclegan import BicycleGAN
from gans.command_line import cli, command
from gans.command_line.errors import Failure
from gans.command_line.jobs import run_jobs
from gans.metrics.hues import dominant_hues
from gans.pix2pix import Pix2Pix

NARROW = {
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 2,
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
}
NAMES = ["pix2pix+noise-seed-0", "BicycleGAN-seed-0"]


@pytest.fixture(scope="session")
def script(load_script):
    """The script with a narrow family."""
    module = load_script("compare_translation")
    module.FAMILIES = module.FAMILIES | {"bicyclegan": NARROW}
    return module


@pytest.fixture(scope="session")
def call(script):
    """Runs the command and returns its status."""

    def run(*flags):
        with pytest.raises(SystemExit) as exit_, warnings.catch_warnings():
            # Keras hands its variables to NumPy in a way that NumPy will not take for ever.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            cli.run(script.compare, list(map(str, flags)), prog="compare_translation.py")
        return exit_.value.code

    return run


@pytest.fixture(scope="session")
def finished(call, toy_bags, tmp_path_factory):
    """A finished comparison of one seed; not to be changed."""
    out = tmp_path_factory.mktemp("compare") / "out"
    assert call(f"--data_dir={toy_bags}", f"--out={out}", "--seeds=1", "--workers=2") == 0
    return out


@pytest.fixture
def copied(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture
def here(script, run_script, monkeypatch):
    """Has the training commands run in this process, and notes them; `here.limit` many at most."""

    class Jobs:
        names, limit = [], 99

        def run(self, jobs, workers):
            for job in jobs[: self.limit]:
                self.names.append(job.name)
                _, path, *flags = job.command
                assert run_script(Path(path).stem, *flags) == 0
            if len(jobs) > self.limit:
                raise Failure("stopped by Ctrl-C", exit_code=130)

    jobs = Jobs()
    jobs.names = []
    monkeypatch.setattr(script, "run_jobs", jobs.run)
    return jobs


@pytest.fixture
def no_work(script, monkeypatch):
    """Fails where anything would be trained, drawn or measured."""
    monkeypatch.setattr(script, "run_jobs", lambda jobs, workers: run_jobs(jobs and 0 / 0, workers))
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
    monkeypatch.setattr(toy_fashion, "generate", lambda *args, **kwargs: pytest.fail("drawn"))


def record(run):
    return json.loads((run / "comparison.json").read_text())


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def halves(folder, count=None):
    """A and B of the images of a folder, in [-1, 1]."""
    files = sorted(folder.iterdir())[:count]
    pairs = np.stack([np.asarray(Image.open(path), np.float32) for path in files]) / 127.5 - 1
    return np.split(pairs, 2, axis=2)


def rebuilt(kind, run, *networks):
    gan = kind(**json.loads((run / "config.json").read_text())["settings"]["constructor"])
    for name in networks:
        getattr(gan, name).load_weights(run / f"{name}.weights.h5")
    return gan


# A finished comparison.


def test_what_a_comparison_leaves(finished):
    names = ["compare.json", "picture.png", "table.csv", "table.md"]
    names += [name for run in NAMES for name in (run, f"{run}.log")]
    assert sorted(path.name for path in finished.iterdir()) == sorted(names)
    for run in NAMES:
        assert (finished / f"{run}.log").read_text().startswith("$ ")
        assert (finished / run / "checkpoints" / "step-00000002").is_dir()


def test_every_variant_has_the_same_seed_and_length(finished):
    settings = [
        json.loads((finished / run / "config.json").read_text())["settings"] for run in NAMES
    ]
    names = ("epochs", "steps_per_epoch", "batch_size", "data_dir", "flip", "load_size")
    assert len({tuple(one[name] for name in names) for one in settings}) == 1
    names = ("seed", "image_size", "generator_filters", "discriminator_filters", "latent_dim")
    assert len({tuple(one["constructor"][name] for name in names) for one in settings}) == 1


def test_the_numbers_of_pix2pix_are_those_of_its_network(finished, toy_bags):
    gan = rebuilt(Pix2Pix, finished / NAMES[0], "generator")
    images_a, images_b = halves(toy_bags / "val")
    painted = np.stack([gan.translate(images_a, seed=draw) for draw in range(20)], axis=1)
    values = record(finished / NAMES[0])["values"]
    assert "reconstruction" not in values
    error = np.abs(painted[:, 0] - images_b).mean()
    assert values["photo error"] == pytest.approx(error, rel=1e-4)
    distance = np.abs(painted[:, 1:] - painted[:, :-1]).mean()
    assert values["diversity"] == pytest.approx(distance, rel=1e-4)
    assert values["seconds"] > 0


def test_the_numbers_of_bicyclegan_are_those_of_its_networks(finished, toy_bags):
    gan = rebuilt(BicycleGAN, finished / NAMES[1], "generator", "encoder")
    images_a, images_b = halves(toy_bags / "val")
    zeros = np.zeros((4, 4), np.float32)
    styles = gan.encoder([images_b, zeros], training=False)[1].numpy()
    again = gan.generator([images_a, styles], training=False).numpy()
    values = record(finished / NAMES[1])["values"]
    error = np.abs(again - images_b).mean()
    assert values["reconstruction"] == pytest.approx(error, rel=1e-4)
    z = np.stack([np.random.default_rng(draw).standard_normal((4, 4)) for draw in range(20)])
    painted = [gan.generator([images_a, one.astype(np.float32)], training=False) for one in z]
    distance = np.mean([np.abs(a - b).mean() for a, b in zip(painted, painted[1:], strict=False)])
    assert values["diversity"] == pytest.approx(distance, rel=1e-4)


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


def test_the_picture_has_the_inputs_and_the_samples_of_each_variant(finished, script, toy_bags):
    picture = np.asarray(Image.open(finished / "picture.png")).astype(np.float32) / 127.5 - 1
    cell, gap = 2 * (32 + 2), 8
    images_a, images_b = halves(toy_bags / "val")
    assert picture.shape == (32 + 4 * cell + 4, 2 * (cell + 4) + 2 * (4 * cell + 4) + 3 * gap, 3)
    for left, images in ((4, images_a), (4 + cell + 4 + gap, images_b)):
        for row in range(4):
            top = 32 + 4 + row * cell
            found = picture[top : top + 64 : 2, left : left + 64 : 2]
            np.testing.assert_allclose(found, images[row], atol=1e-5)
    gan = rebuilt(Pix2Pix, finished / NAMES[0], "generator")
    left = 2 * (cell + 4 + gap) + 4
    for draw in range(4):
        found = picture[36 : 36 + 64 : 2, left + draw * cell : left + draw * cell + 64 : 2]
        expected = gan.translate(images_a[:1], seed=draw)[0]
        np.testing.assert_allclose(found, expected, atol=0.01)


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
        assert row["measure"] in ("seconds", "hues") or first != second


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
    load_script, run_script, tmp_path, capsys, family, differing
):
    module = load_script("compare_translation")
    runs = module.plan(tmp_path, module.resolve(family, str(tmp_path), None), seeds=1)
    assert len({run.folder for run in runs}) == len(module.FAMILIES[family]["variants"])
    lengths, constructors = set(), {}
    for run in runs:
        _, path, *flags = run.words
        assert run_script(Path(path).stem, *flags, "--dry_run") == 0
        settings = json.loads(capsys.readouterr().out)
        constructor = settings["constructor"]
        constructors.setdefault(settings["module"], []).append(constructor)
        half = constructor.get("decay_epochs", constructor.get("epoch_step"))
        assert half == settings["epochs"] // 2 > 0
        names = ("epochs", "steps_per_epoch", "batch_size", "data_dir")
        lengths.add((*(settings[name] for name in names), settings.get("data_dir_b")))
    assert len(lengths) == 1
    found = {
        name
        for first, *others in constructors.values()
        for other in others
        for name in first
        if other[name] != first[name]
    }
    assert found == differing


def test_pix2pix_with_noise_has_bicyclegans_networks(load_script, run_script, capsys):
    module = load_script("compare_translation")
    constructors = []
    for run in module.plan(Path("out"), module.resolve("bicyclegan", None, None), seeds=1):
        _, path, *flags = run.words
        run_script(Path(path).stem, *flags, "--dry_run")
        constructors.append(json.loads(capsys.readouterr().out)["constructor"])
    own, pix2pix, *_, bicyclegan = constructors
    shared = pix2pix.keys() & bicyclegan.keys()
    assert {name for name in shared if pix2pix[name] != bicyclegan[name]} == set()
    assert {"latent_injection", "generator_filters", "norm", "upsample", "dropout"} <= shared
    assert pix2pix["lambda_l1"] == bicyclegan["lambda_image"]
    assert (own["lambda_l1"], own["loss"], own["gan_loss"]) == (100.0, "l1+cgan", "cross_entropy")
    assert pix2pix["patch"] == 70


def test_bags_and_shoes_are_two_folders_of_the_data(load_script):
    module = load_script("compare_translation")
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


# The measures of the unpaired GANs, with translators whose numbers are known.


class Translator:
    """Paints what a table says."""

    discriminator_a = object()

    def __init__(self, *pairs):
        self.pairs = pairs

    def translate(self, images, direction):
        sources, targets = self.pairs if direction == "a_to_b" else self.pairs[::-1]
        places = [np.abs(sources - image).sum(axis=(1, 2, 3)).argmin() for image in images]
        return targets[places]


@pytest.fixture(scope="session")
def palette():
    return list(map(float, toy_fashion.HUES.values()))


def test_a_perfect_translator_keeps_the_outline_and_comes_back(script, toy_bags, palette):
    pairs = tuple(halves(toy_bags / "val"))
    trained = [tuple(halves(toy_bags / "train", 4))]
    values, cells = script.measure_cycle(Translator(*pairs), [pairs], palette, 1)
    assert values == {
        "sketch->photo IoU": 1.0,
        "photo->sketch IoU": 1.0,
        "photo realism": 0.0,
        "sketch realism": 0.0,
        "sketch cycle": 0.0,
        "photo cycle": 0.0,
    }
    np.testing.assert_array_equal(cells["variant to photo"][:, 0], pairs[1])
    np.testing.assert_array_equal(cells["variant to sketch"][:, 0], pairs[0])
    reference = script.refer_cycle([pairs], trained, palette)
    assert 0.8 < reference["sketch->photo IoU"] < 1
    assert reference["photo realism"] > 0


def test_a_translator_that_paints_one_bag_is_seen(script, toy_bags, palette):
    images_a, images_b = halves(toy_bags / "val")
    collapsed = Translator(images_a, np.repeat(images_b[:1], 4, axis=0))
    values, _ = script.measure_cycle(collapsed, [(images_a, images_b)], palette, 1)
    assert values["sketch->photo IoU"] < 0.9
    assert values["photo realism"] > 0
    assert values["sketch cycle"] > 0


def test_the_hue_carried_is_measured_both_ways(script, tmp_path, palette):
    for domain in ("bags", "shoes"):
        folder = tmp_path / domain
        toy_fashion.generate(folder, 32, train=12, val=12, domain=domain, workers=1, progress=False)
    bags, shoes = (tuple(halves(tmp_path / name / "val")) for name in ("bags", "shoes"))
    coloured = dominant_hues(bags[1], palette) >= 0
    assert coloured.sum() > 4
    # Painted as they are, bags have their own hue.
    values, cells = script.measure_domains(Translator(bags[1], bags[1]), [bags, bags], palette, 1)
    for way in ("bag->shoe", "shoe->bag"):
        assert values[f"{way} same hue"] == values[f"{way} near hue"] == 1.0
        assert values[f"{way} hues"] > 3
    assert list(cells) == ["bag", "variant to shoe", "shoe", "variant to bag"]
    # One shoe for all: one hue, and realism is lost.
    index = int(np.flatnonzero(dominant_hues(shoes[1], palette) >= 0)[0])
    one = Translator(bags[1], np.repeat(shoes[1][index : index + 1], 12, axis=0))
    one.discriminator_a = None
    values, cells = script.measure_domains(one, [bags, shoes], palette, 1)
    assert values["bag->shoe hues"] == 1.0
    assert values["shoe realism"] > 0
    assert list(cells) == ["bag", "variant to shoe"]
    reference = script.refer_domains([bags, shoes], [bags, shoes], palette)
    assert reference["bag->shoe same hue"] == 1 / 8
    assert reference["shoe->bag near hue"] == 3 / 8
    assert reference["bag realism"] == 0.0


def test_every_measure_has_its_meaning(script, toy_bags, palette):
    pairs = tuple(halves(toy_bags / "val"))
    names = set(script.measure_cycle(Translator(*pairs), [pairs], palette, 1)[0])
    names |= set(script.measure_domains(Translator(*pairs), [pairs, pairs], palette, 1)[0])
    assert names <= set(script.MEASURES)


def test_data_without_a_palette_has_no_hues(script, toy_bags, tmp_path, palette):
    pairs = tuple(halves(toy_bags / "val"))
    values, _ = script.measure_domains(Translator(pairs[1], pairs[1]), [pairs, pairs], None, 1)
    assert set(values) == {"shoe realism", "bag realism"}


# Bad input.


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--seeds=0", "--seeds expects at least 1. Received: 0"),
        ("--epochs=0", "--epochs expects at least 1. Received: 0"),
        ("--data_dir=gone", "--data_dir expects a folder. Received: gone\n"),
        ("--workers=0", "--workers expects at least 1. Received: 0"),
        ("--seed=1", "unknown flag --seed; did you mean --seeds?"),
        ("--family=cyclegan", "--family expects one of 'bicyclegan', 'pix2pix_losses', "),
    ],
)
def test_a_wrong_flag_is_one_line(call, tmp_path, no_work, capsys, flag, message):
    assert call(f"--out={tmp_path / 'out'}", flag) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_other_settings_are_refused(call, finished, toy_bags, no_work, capsys):
    before = contents(finished)
    assert call(f"--data_dir={toy_bags}", f"--out={finished}", "--epochs=3") == 2
    assert capsys.readouterr().err == (
        f"error: {finished} holds a comparison with other settings: pix2pix+noise epochs 1 -> 3, "
        "pix2pix+noise decay_epochs 0 -> 1, BicycleGAN epochs 1 -> 3 and 1 more; give the same "
        "ones, or another --out\n"
    )
    assert call("--family=patch_sizes", f"--out={finished}") == 2
    assert "family 'bicyclegan' -> 'patch_sizes'" in capsys.readouterr().err
    assert contents(finished) == before


def test_a_folder_with_other_files_is_refused(call, tmp_path, no_work, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert call(f"--out={tmp_path}") == 2
    assert capsys.readouterr().err == (
        f"error: --out expects a new folder or that of a comparison. Received: {tmp_path}, which "
        "holds other files\n"
    )
    assert call(f"--out={tmp_path / 'thesis.txt'}") == 2
    assert capsys.readouterr().err == (
        f"error: --out expects a folder. Received: the file {tmp_path / 'thesis.txt'}\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_dry_run_prints_what_is_left_and_does_nothing(
    call, copied, toy_bags, tmp_path, no_work, capsys
):
    flags = (f"--data_dir={toy_bags}", "--seeds=1", "--dry_run")
    assert call(*flags, f"--out={tmp_path / 'new'}") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "scripts/train_pix2pix.py --epochs=1 " in first
    assert f"--run_dir={tmp_path / 'new' / NAMES[1]} --seed=0" in second
    assert not (tmp_path / "new").exists()
    (copied / NAMES[0] / "comparison.json").unlink()
    before = contents(copied)
    assert call(*flags, f"--out={copied}") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "scripts/train_pix2pix.py " in line
    assert contents(copied) == before
