"""The evaluation: its numbers are those of a computation from the saved networks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.bicyclegan import build_encoder, build_generator
from gans.metrics.hues import dominant_hues
from gans.training import command
from gans.training.run_folder import RunFolder

METRICS = ["hues_per_sketch", "hue_kept", "latent_error"]


@pytest.fixture
def copied(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def evaluate(run_script, copied, toy_bags, capsys):
    """Evaluates and returns (status, stdout, stderr)."""

    def run(*flags, data_dir=toy_bags):
        if data_dir:
            flags = (f"--data_dir={data_dir}", *flags)
        status = run_script("evaluate", f"--run_dir={copied}", *flags)
        return status, *capsys.readouterr()

    return run


def rows(run):
    return [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]


def computed(run, data, sketches, samples, seed):
    """The three metrics, written out, from the networks beside the config."""
    constructor = RunFolder(run).read_config()["constructor"]
    names = ("image_size", "latent_dim", "init_gain")
    shared = {name: constructor[name] for name in names}
    generator = build_generator(
        **shared,
        filters=constructor["generator_filters"],
        latent_injection=constructor["latent_injection"],
    )
    encoder = build_encoder(
        **shared, filters=constructor["encoder_filters"], network=constructor["encoder_network"]
    )
    generator.load_weights(run / "generator.weights.h5")
    encoder.load_weights(run / "encoder.weights.h5")
    hues = list(json.loads((data / "palette.json").read_text())["hues"].values())
    files = sorted((data / "val").iterdir())[:sketches]
    pairs = np.stack([np.asarray(Image.open(path), np.float32) for path in files]) / 127.5 - 1
    images_a, images_b = np.split(pairs, 2, axis=2)
    zeros = np.zeros((len(files), constructor["latent_dim"]), np.float32)
    counts, errors = np.zeros((len(files), len(hues)), bool), []
    for draw in range(samples):
        z = tf.random.stateless_normal(zeros.shape, [seed, draw]).numpy()
        painted = generator([images_a, z], training=False).numpy()
        for row, hue in enumerate(dominant_hues(painted, hues)):
            if hue >= 0:
                counts[row, hue] = True
        errors.append(np.abs(encoder([painted, zeros], training=False)[1].numpy() - z).mean())
    styles = encoder([images_b, zeros], training=False)[1].numpy()
    again = dominant_hues(generator([images_a, styles], training=False).numpy(), hues)
    wanted = dominant_hues(images_b, hues)
    kept = (again == wanted)[wanted >= 0].mean()
    return [counts.sum(axis=1).mean(), kept, np.mean(errors)]


def test_the_metrics_equal_a_direct_computation(evaluate, copied, toy_bags):
    status, out, _ = evaluate("--samples=5", "--seed=3")
    assert status == 0
    expected = computed(copied, toy_bags, sketches=4, samples=5, seed=3)
    assert [row["metric"] for row in rows(copied)] == METRICS
    assert [row["value"] for row in rows(copied)] == pytest.approx(expected, rel=1e-6)
    assert out == "".join(
        f"{name:16} {value:.3f}\n" for name, value in zip(METRICS, expected, strict=True)
    )


def test_each_evaluation_is_added_with_what_it_was_made_from(evaluate, copied):
    evaluate("--samples=1", "--sketches=2")
    evaluate("--samples=2", "--sketches=100", "--seed=1")
    made = [
        {key: row[key] for key in ("step", "sketches", "samples", "seed")} for row in rows(copied)
    ]
    first = {"step": 9, "sketches": 2, "samples": 1, "seed": 0}
    second = {"step": 9, "sketches": 4, "samples": 2, "seed": 1}  # All there are.
    assert made == [first] * 3 + [second] * 3


def test_the_same_seed_gives_the_same_lines(evaluate, copied):
    first, second, other = (evaluate("--samples=2", f"--seed={seed}")[1] for seed in (0, 0, 1))
    assert first == second != other


def test_the_newest_checkpoint_is_measured(evaluate, copied):
    for step in (8, 9):
        shutil.rmtree(copied / "checkpoints" / f"step-{step:08d}")
    evaluate("--samples=1")
    assert {row["step"] for row in rows(copied)} == {6}


def test_the_data_that_it_was_trained_on_is_taken_where_none_is_named(evaluate, copied, toy_bags):
    record = json.loads((copied / "config.json").read_text())
    record["settings"]["data_dir"] = str(toy_bags)
    (copied / "config.json").write_text(json.dumps(record))
    named, unnamed = evaluate("--samples=1"), evaluate("--samples=1", data_dir=None)
    assert named == unnamed


@pytest.fixture
def no_tensorflow(monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))


@pytest.mark.parametrize("palette", [None, "", "[1]", '{"neutrals": []}', '{"hues": []}'])
def test_data_without_a_palette_is_refused(evaluate, copied, tmp_path, no_tensorflow, palette):
    data = tmp_path / "photos"
    data.mkdir()
    if palette is not None:
        (data / "palette.json").write_text(palette)
    assert evaluate(data_dir=data) == (
        2,
        "",
        f"error: expected toy fashion, whose colours are known. Received: {data} without a "
        "readable palette.json\n",
    )
    assert not (copied / "evaluation.jsonl").exists()


def test_data_that_is_gone_is_refused(evaluate, trained, no_tensorflow):
    data = RunFolder(trained).read_config()["data_dir"]
    status, _, err = evaluate(data_dir=None)
    assert status == 2
    assert f"Received: {data} without a readable palette.json" in err


def test_a_run_without_a_checkpoint_is_refused(evaluate, copied):
    shutil.rmtree(copied / "checkpoints")
    assert evaluate() == (
        2,
        "",
        f"error: expected a run with a checkpoint. Received: {copied} without one\n",
    )
    assert not (copied / "evaluation.jsonl").exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--samples=0", "--samples expects at least 1. Received: 0"),
        ("--sketches=0", "--sketches expects at least 1. Received: 0"),
        ("--seed=-1", "--seed expects at least 0. Received: -1"),
        ("--sample=1", "unknown flag --sample; did you mean --samples?"),
    ],
)
def test_a_wrong_flag_is_one_line(evaluate, no_tensorflow, flag, message):
    assert evaluate(flag) == (2, "", f"error: {message}\n")


def test_a_folder_that_is_no_run_is_refused(run_script, tmp_path, capsys, no_tensorflow):
    assert run_script("evaluate", f"--run_dir={tmp_path}") == 2
    assert capsys.readouterr().err == (
        f"error: expected the folder of a run. Received: {tmp_path} (no readable config.json)\n"
    )
