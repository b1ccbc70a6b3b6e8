"""The evaluation of a run of pairs: its numbers are those of a computation from the saved networks.

Runs of two domains are in test_evaluate_domains.py.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.bicyclegan import build_encoder, build_generator
from gans.command_line import command
from gans.metrics.diversity import random_pair_distance
from gans.metrics.hues import dominant_hues, read_palette
from gans.metrics.pixels import gradient_energy
from gans.metrics.realism import sliced_wasserstein
from gans.training.run_folder import RunFolder

OLDEST = ["hues_per_sketch", "hue_kept", "latent_error"]
NAMES = [
    "photo_error",
    "sharpness",
    "realism",
    "diversity",
    "diversity_ratio",
    *OLDEST,
]
OF_HUES = ["hues_per_sketch", "hue_kept"]


@pytest.fixture
def copied(trained, tmp_path):
    return Path(shutil.copytree(trained, tmp_path / "run"))


@pytest.fixture
def evaluate(run_script, copied, toy_bags, capsys):
    """Evaluates and returns (status, stdout, stderr)."""

    def run(*flags, data_dir=toy_bags):
        if data_dir:
            flags = (f"--data_dir={data_dir}", *flags)
        status = run_script("evaluate", f"--run_dir={copied}", "--extractor=off", *flags)
        return status, *capsys.readouterr()

    return run


def rows(run):
    lines = [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]
    assert all(line.pop("versions") for line in lines)
    return lines


def pairs(data, split):
    """All sketches and photos of a split, in [-1, 1]."""
    files = sorted((data / split).iterdir())
    images = np.stack([np.asarray(Image.open(path), np.float32) for path in files]) / 127.5 - 1
    return np.split(images, 2, axis=2)


def samples_of(run, data, samples, seed):
    """What the generator beside the config paints: `(n, samples, height, width, 3)`."""
    constructor = RunFolder(run).read_config()["constructor"]
    generator = build_generator(
        constructor["image_size"], filters=constructor["generator_filters"], init_gain=1.0
    )
    generator.load_weights(run / "generator.weights.h5")
    images_a = pairs(data, "val")[0]
    z = [
        tf.random.stateless_normal((len(images_a), constructor["latent_dim"]), [seed, draw]).numpy()
        for draw in range(samples)
    ]
    return np.stack([generator([images_a, each], training=False) for each in z], axis=1)


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
    status, out, _ = evaluate("--samples=5", "--seed=3", f"--metrics={','.join(OLDEST)}")
    assert status == 0
    expected = computed(copied, toy_bags, sketches=4, samples=5, seed=3)
    assert [row["metric"] for row in rows(copied)] == OLDEST
    assert [row["value"] for row in rows(copied)] == pytest.approx(expected, rel=1e-6)
    hues, kept, latent = expected
    assert out == (
        f"hues_per_sketch  {hues:9.3f}  (all 8.000)\n"
        f"hue_kept         {kept:9.3f}  (chance 0.125)\n"
        f"latent_error     {latent:9.3f}  (no information 0.798)\n"
    )


def test_the_pictures_are_measured_as_they_were_painted(evaluate, copied, toy_bags):
    assert evaluate("--samples=3", "--seed=2")[0] == 0
    assert [row["metric"] for row in rows(copied)] == NAMES
    found = {row["metric"]: row for row in rows(copied)}
    photos, painted = pairs(toy_bags, "val")[1], samples_of(copied, toy_bags, 3, seed=2)
    errors = [np.abs(picture - photos).mean() for picture in painted.swapaxes(0, 1)]
    between = np.abs(np.diff(painted, axis=1)).mean()
    others = random_pair_distance(photos, 2)
    first, trained = painted[:, 0], pairs(toy_bags, "train")[1][:4]
    expected = {
        "photo_error": (np.mean(errors), others),
        "sharpness": (gradient_energy(first) / gradient_energy(photos), 1.0),
        "realism": tuple(
            sliced_wasserstein(photos, images, seed=2)["mean"] for images in (first, trained)
        ),
        "diversity": (between, others),
        "diversity_ratio": (between / others, 1.0),
    }
    for name, (value, reference) in expected.items():
        assert found[name]["value"] == pytest.approx(value, rel=1e-4), name
        assert found[name]["reference"] == pytest.approx(reference, rel=1e-6), name


def test_each_evaluation_is_added_with_what_it_was_made_from(evaluate, copied):
    evaluate("--samples=1", "--sketches=2")
    evaluate("--samples=2", "--sketches=100", "--seed=1")
    made = [
        {key: row[key] for key in ("step", "sketches", "samples", "seed")} for row in rows(copied)
    ]
    first = {"step": 9, "sketches": 2, "samples": 1, "seed": 0}
    second = {"step": 9, "sketches": 4, "samples": 2, "seed": 1}  # All there are.
    assert {row["metric"] for row in rows(copied)[: len(made) - 8]} == set(NAMES) - {
        "diversity",
        "diversity_ratio",
    }
    assert made == [first] * 6 + [second] * 8


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


def test_without_a_palette_the_hues_are_left_out_and_the_rest_is_measured(
    evaluate, copied, toy_bags, tmp_path
):
    data = tmp_path / "photos"
    for split in ("train", "val"):
        shutil.copytree(toy_bags / split, data / split)
    status, _, err = evaluate("--samples=2", data_dir=data)
    assert status == 0
    assert (
        "left out, since the data has no readable palette.json: hues_per_sketch, hue_kept\n" in err
    )
    measured = [row["metric"] for row in rows(copied)]
    assert measured == [name for name in NAMES if name not in OF_HUES]
    assert evaluate("--metrics=latent_error,hue_kept", data_dir=data) == (
        2,
        "",
        "error: --metrics: hue_kept cannot be measured, since the data has no readable "
        "palette.json\n",
    )
    assert len(rows(copied)) == len(measured)


@pytest.mark.parametrize("text", [None, "", "[1]", '{"neutrals": []}', '{"hues": []}', "\xff"])
def test_a_palette_that_cannot_be_read_is_none(tmp_path, toy_bags, text):

    assert read_palette(toy_bags) == [0, 45, 90, 135, 180, 225, 270, 315]
    if text is not None:
        (tmp_path / "palette.json").write_text(text, encoding="latin-1")
    assert read_palette(tmp_path) == []


def test_photos_that_are_made_into_sketches_have_no_hues(evaluate, copied):
    record = json.loads((copied / "config.json").read_text())
    record["settings"]["direction"] = "b_to_a"
    (copied / "config.json").write_text(json.dumps(record))
    status, _, err = evaluate("--samples=2")
    assert status == 0
    assert f"what is painted are no colour photos: {', '.join(OF_HUES)}\n" in err
    assert [row["metric"] for row in rows(copied)] == [
        name for name in NAMES if name not in OF_HUES
    ]


def test_one_sample_and_one_sketch_leave_out_what_they_cannot_tell(evaluate, copied):
    status, _, err = evaluate("--samples=1", "--sketches=1")
    assert status == 0
    assert "--samples=1 leaves nothing to compare: diversity, diversity_ratio\n" in err
    assert "there is only one held-out image: photo_error\n" in err


def test_the_chosen_metrics_come_in_their_order_and_once(evaluate, copied):
    assert evaluate("--samples=1", "--metrics=sharpness,latent_error,sharpness")[0] == 0
    assert [row["metric"] for row in rows(copied)] == ["sharpness", "latent_error"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_too_few_training_images_leave_realism_without_a_reference(
    evaluate, copied, toy_bags, tmp_path, split
):
    data = tmp_path / "few"
    for folder in ("train", "val"):
        shutil.copytree(toy_bags / folder, data / folder)
    for path in sorted((data / split).iterdir())[2:]:
        path.unlink()
    status, out, _ = evaluate("--samples=1", "--metrics=realism", data_dir=data)
    (row,) = rows(copied)
    assert (status, row["reference"] is None) == (0, split == "train")
    assert ("real" in out.replace("realism", "")) == (split == "val")


def test_data_that_is_gone_is_refused(evaluate, trained, copied):
    data = RunFolder(trained).read_config()["data_dir"]
    status, out, err = evaluate(data_dir=None)
    assert (status, out) == (2, "")
    assert f"error: expected images in {data}/train" in err
    assert not (copied / "evaluation.jsonl").exists()


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
        (
            "--direction=b_to_a",
            "--direction is for a GAN that translates both ways. Received: b_to_a with a run of "
            "BicycleGAN",
        ),
    ],
)
def test_a_wrong_flag_is_one_line(evaluate, no_tensorflow, flag, message):
    assert evaluate(flag) == (2, "", f"error: {message}\n")


def test_a_metric_that_does_not_exist_is_one_line(evaluate, no_tensorflow):
    status, out, err = evaluate("--metrics=realism,beauty")
    assert (status, out) == (2, "")
    assert err.startswith("error: --metrics expects some of photo_error, ")
    assert err.endswith(". Received: beauty\n")


def test_a_metric_of_another_gan_is_one_line(evaluate):
    assert evaluate("--metrics=outline_iou") == (
        2,
        "",
        "error: --metrics: outline_iou cannot be measured, since the GAN is trained on pairs\n",
    )


def test_a_second_folder_is_refused_where_there_was_none(evaluate, no_tensorflow, tmp_path):
    status, _, err = evaluate(f"--data_dir_b={tmp_path}")
    assert status == 2
    assert err.startswith(f"error: --data_dir_b is for a run of two folders. Received: {tmp_path}")


def test_a_folder_that_is_no_run_is_refused(run_script, tmp_path, capsys, no_tensorflow):
    assert run_script("evaluate", f"--run_dir={tmp_path}") == 2
    assert capsys.readouterr().err == (
        f"error: expected the folder of a run. Received: {tmp_path} (no readable config.json)\n"
    )
