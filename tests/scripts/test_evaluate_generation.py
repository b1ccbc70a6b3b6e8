"""The evaluation of GANs that begin with noise: its numbers are those of `gans.metrics.generation`.

Runs are of untrained narrow networks: the numbers must be right, not good.
"""

import json
import warnings

import numpy as np
import pytest
from gans.data.held_out import load_singles

from data_prep import toy_fashion
from gans.cgan import CGAN
from gans.dcgan import DCGAN
from gans.features import classifier as classifiers
from gans.infogan import InfoGAN
from gans.metrics import generation
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder

NARROW = {"generator_filters": 2, "discriminator_filters": 2}
MIXTURE = {"centres": [[0.0, 0.0], [0.1, 0.0]], "sigma": 0.01}


@pytest.fixture
def begun(tmp_path):
    """Saves a new GAN as a run of 3 steps; returns the folder, the GAN and the settings."""

    def begin(kind, settings, **constructor):
        constructor = NARROW | constructor
        gan = kind(**constructor)
        settings = {
            "model": kind.__name__,
            "module": kind.__module__,
            **settings,
            "constructor": gan_arguments(gan, constructor),
        }
        run = RunFolder(tmp_path / "runs" / "run")
        with run.locked():
            run.begin(settings)
            Checkpoints(run.checkpoints, gan).save(3)
        return run.path, gan, settings

    def gan_arguments(gan, constructor):
        images = {name: getattr(gan, name) for name in ("image_size", "image_channels")}
        return images | {"seed": 0} | constructor

    return begin


@pytest.fixture
def digits(tmp_path):
    """Settings of a run on a `.npz` of ten kinds of pictures, by their brightness."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 60), ("test", 20)):
        classes = np.arange(count) % 10
        noise = random.integers(0, 10, (count, 28, 28, 1))
        arrays[f"x_{split}"] = (noise + 24 * classes[:, None, None, None]).astype(np.uint8)
        arrays[f"y_{split}"] = classes
    np.savez(tmp_path / "greys.npz", **arrays)
    names = [str(digit) for digit in range(10)]
    return {"data_dir": str(tmp_path / "greys.npz"), "dataset": None, "label_names": names}


@pytest.fixture
def evaluate(run_script, capsys):
    """Returns (status, stdout, stderr) and by name what was added to evaluation.jsonl."""

    def run(folder, *flags):
        capsys.readouterr()
        # What is measured of features has tests of its own.
        status = run_script("evaluate", f"--run_dir={folder}", "--extractor=off", *flags)
        out, err = capsys.readouterr()
        if status:
            return status, out, err
        lines = (folder / "evaluation.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines[len(lines) - out.count("\n") :]]
        assert all(line.pop("versions") for line in found)
        return {line["metric"]: line for line in found}, out, err

    return run


def test_points(begun, evaluate):
    folder, gan, settings = begun(
        DCGAN, {"dataset": "ring8", "mixture": MIXTURE}, data="points", latent_dim=2
    )
    found, out, _ = evaluate(folder, "--num_fake=200", "--seed=4")
    expected = generation.measure(gan, settings, 200, seed=4)
    assert {name: line["value"] for name, line in found.items()} == pytest.approx(expected)
    assert list(found) == ["modes", "high_quality", "reverse_kl"]
    assert found["high_quality"] == {
        "metric": "high_quality",
        "value": pytest.approx(expected["high_quality"]),
        "reference": pytest.approx(1 - np.exp(-4.5)),
        "reference_is": "real",
        "step": 3,
        "samples": 200,
        "seed": 4,
    }
    modes = f"modes            {expected['modes']:9.3f}  (all 2.000)\n"
    assert out.startswith(modes)
    by_default, *_ = evaluate(folder, "--metrics=modes")
    assert by_default["modes"]["samples"] == 2500


def test_a_classifier_is_trained_and_kept_for_labels(begun, evaluate, digits, tmp_path):
    folder, gan, settings = begun(CGAN, digits, label_dim=10)
    found, _, err = evaluate(folder, "--num_fake=100")
    kept = tmp_path / "runs" / "classifier_greys"
    assert f"training a classifier of greys, kept in {kept}\n" in err
    classifier = classifiers.load(kept)
    assert classifier.facts.classes == tuple("0123456789") and classifier.facts.images == 60
    real, _, asked = load_singles(settings, 1000, labelled=True)
    expected = generation.measure(gan, settings, 100, classifier, asked=asked, real=real)
    assert {name: line["value"] for name, line in found.items()} == pytest.approx(expected)
    assert list(found) == ["label_accuracy", "realism", "sharpness", "diversity"]
    assert found["label_accuracy"]["reference"] == classifier.facts.accuracy

    before = (kept / "classifier.weights.h5").stat().st_mtime_ns
    again, _, err = evaluate(folder, "--num_fake=100", "--metrics=label_accuracy")
    assert again["label_accuracy"] == found["label_accuracy"]
    assert err == f"classifier: {kept}\n"
    assert (kept / "classifier.weights.h5").stat().st_mtime_ns == before


def test_codes_by_a_named_classifier(begun, evaluate, digits, tmp_path):
    del digits["label_names"]
    folder, gan, settings = begun(InfoGAN, digits, dense_units=8)
    random = np.random.default_rng(0).random((1, 28, 28, 1)).astype(np.float32)
    facts = classifiers.Facts(
        classes=tuple("0123456789"),
        exclusive=True,
        image_size=28,
        image_channels=1,
        accuracy=0.5,
        images=1,
        epochs=1,
        seed=0,
        dataset="by hand",
    )
    classifier = classifiers.Classifier(classifiers.Classifier.build(facts, seed=1), facts)
    assert classifier.predict(random).shape == (1, 10)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        classifier.save(tmp_path / "named")
    flags = ("--num_fake=100", f"--classifier={tmp_path / 'named'}")
    found, _, err = evaluate(folder, *flags)
    real, *_ = load_singles(settings, 1000, labelled=False)
    expected = generation.measure(gan, settings, 100, classifier, real=real)
    assert {name: line["value"] for name, line in found.items()} == pytest.approx(expected)
    assert {"code_purity", "code_classes", "code_slant", "code_thickness"} <= found.keys()
    assert not (tmp_path / "runs" / "classifier_greys").exists() and err == ""


def test_colours_of_toy_fashion_need_no_classifier(begun, evaluate, toy_bags, tmp_path):
    names = [*toy_fashion.HUES, *toy_fashion.NEUTRALS]
    settings = {"dataset": "toy_fashion", "data_dir": str(toy_bags), "label_names": names}
    folder, gan, settings = begun(CGAN, settings, label_dim=12, image_size=32, image_channels=3)
    found, out, err = evaluate(folder, "--num_fake=48")
    assert found["colour_accuracy"]["value"] == pytest.approx(
        generation.measure(gan, settings, 48)["colour_accuracy"]
    )
    assert "colour_accuracy  " in out and "(chance 0.083)" in out and err == ""
    assert not list((tmp_path / "runs").glob("classifier*"))


def test_data_without_labels_leaves_out_what_needs_a_classifier(begun, evaluate, tmp_path):
    np.savez(tmp_path / "plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    settings = {"data_dir": str(tmp_path / "plain.npz"), "dataset": None}
    folder, *_ = begun(InfoGAN, settings, dense_units=8)
    found, _, err = evaluate(folder, "--num_fake=20")
    assert not {"code_purity", "code_classes"} & found.keys() and "code_slant" in found
    assert "no classifier: expected labels, an array labels, in " in err
    assert (
        "left out, since there is no classifier of these pictures: code_purity, code_classes" in err
    )
    status, _, err = evaluate(folder, "--metrics=code_purity")
    assert status == 2
    assert "code_purity cannot be measured, since there is no classifier of these pictures" in err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sketches=3"], "--sketches is for a GAN that translates. Received: 3 with a run of D"),
        (["--samples=3"], "--samples is for a GAN that translates. Received: 3 with a run of D"),
        (["--direction=a_to_b"], "--direction is for a GAN that translates. Received: a_to_b with"),
        (["--data_dir_b=x"], "--data_dir_b is for a GAN that translates. Received: x with a run"),
        (["--num_fake=0"], "--num_fake expects at least 1. Received: 0"),
        (["--metrics=hue_kept"], "--metrics expects some of modes, high_quality, "),
        (["--metrics=realism"], "realism cannot be measured, since the GAN makes points"),
        (["--metrics=code_purity"], "code_purity cannot be measured, since the GAN has no codes"),
        (["--classifier=nowhere"], "Received: nowhere without classifier.json"),
    ],
)
def test_a_wrong_flag_is_one_line(begun, evaluate, flags, message):
    folder, *_ = begun(DCGAN, {"dataset": "ring8", "mixture": MIXTURE}, data="points", latent_dim=2)
    status, _, err = evaluate(folder, *flags)
    assert status == 2 and message in err and err.count("\n") == 1
    assert not (folder / "evaluation.jsonl").exists()


def test_a_gan_that_translates_takes_no_classifier(trained, evaluate):
    status, _, err = evaluate(trained, "--classifier=x")
    assert status == 2
    assert "--classifier is for a GAN that begins with noise. Received: " in err


def test_a_classifier_of_pictures_of_another_size_is_left_alone(begun, evaluate, digits, tmp_path):
    folder, *_ = begun(CGAN, digits, label_dim=10)
    facts = {"classes": ["a"], "exclusive": True, "image_size": 64, "image_channels": 1}
    facts |= {"accuracy": 1.0, "images": 1, "epochs": 1, "seed": 0, "dataset": "greys"}
    beside = tmp_path / "runs" / "classifier_greys"
    beside.mkdir()
    (beside / "classifier.json").write_text(json.dumps(facts | {"labels": None, "sha256": "0"}))
    before = (beside / "classifier.json").read_bytes()
    _, _, err = evaluate(folder, "--num_fake=10", "--metrics=label_accuracy")
    own = beside.with_name("classifier_greys_28x28x1")
    assert f"training a classifier of greys, kept in {own}\n" in err
    assert classifiers.load(own).facts.image_size == 28
    assert (beside / "classifier.json").read_bytes() == before
    assert (
        evaluate(folder, "--num_fake=10", "--metrics=label_accuracy")[2] == f"classifier: {own}\n"
    )
