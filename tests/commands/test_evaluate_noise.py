"""The evaluation of GANs that start from noise: its numbers are those of the table, of the data and
networks of the run.

The networks are narrow and untrained: the numbers must be right, not good.
"""

import json
import shutil
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from data_prep import toy_fashion
from gans.commands.evaluate import evaluate as command
from gans.data.data_settings import DataSettings
from gans.data.images import to_float
from gans.evaluation import table
from gans.evaluation.generated import Generated
from gans.evaluation.options import Options
from gans.features import classifier as classifiers
from gans.training.run_folder import RunFolder

NARROW = {"generator_filters": 2, "discriminator_filters": 2}
DIGITS = {**NARROW, "image_size": 28, "image_channels": 1}
NAMES = tuple("0123456789")
OPTIONS = Options(extractor="off")
RING = {"dataset": "ring8", "mixture": {"centres": [[0.0, 0.0], [0.1, 0.0]], "sigma": 0.01}}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A `.npz` of 60 training and 20 test pictures of ten kinds, by their brightness."""
    random, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 60), ("test", 20)):
        classes = np.arange(count) % 10
        noise = random.integers(0, 10, (count, 28, 28, 1))
        arrays[f"x_{split}"] = (noise + 24 * classes[:, None, None, None]).astype(np.uint8)
        arrays[f"y_{split}"] = classes
    path = tmp_path_factory.mktemp("digits") / "greys.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def points(begin_run, tmp_path_factory):
    """A run of points and its GAN; not to be changed."""
    folder = tmp_path_factory.mktemp("points") / "run"
    return folder, begin_run(folder, "dcgan", RING, data="points", latent_dim=2, **NARROW)


@pytest.fixture(scope="module")
def conditional(begin_run, digits, tmp_path_factory):
    """A run of labelled digits, its GAN and data; only its neighbours may change."""
    data = {"data_dir": str(digits), "labelled": True, "label_names": NAMES}
    folder = tmp_path_factory.mktemp("conditional") / "run"
    return folder, begin_run(folder, "cgan", data, label_dim=10, **DIGITS)


@pytest.fixture
def evaluate(run_command, capsys, tmp_path):
    """Evaluates without features; lines by metric."""

    def run(folder, *flags):
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        capsys.readouterr()
        flags = (f"--run_dir={folder}", f"--output={out}", "--extractor=off", *flags)
        with warnings.catch_warnings():
            # Keras hands its variables to NumPy in a way that NumPy will not take for ever.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            assert run_command(command, *flags) == 0
        run.out, run.err = capsys.readouterr()
        lines = map(json.loads, (out / "evaluation.jsonl").read_text().splitlines())
        found = {line["metric"]: line for line in lines}
        assert all(line.pop("versions") for line in found.values())
        return found

    return run


class Given:
    """Finds the given classifier."""

    def __init__(self, classifier, options):
        self.classifier, self.options = classifier, options

    def find_classifier(self, images):
        return self.classifier


def expected(folder, gan, classifier=None, **options):
    """Values by name of the same samples, past everything that the command does."""
    run = RunFolder(folder).read_settings()
    given = Given(classifier, OPTIONS)
    outputs = Generated(gan, run, given, **options)
    metrics = [metric for metric in table.METRICS if "noise" in metric.of]
    metrics = [metric for metric in metrics if table.lacking(metric, outputs) is None]
    return {metric.name: metric.value(outputs) for metric in metrics}


def values(found):
    return {name: line["value"] for name, line in found.items()}


def held_out(digits):
    with np.load(digits) as arrays:
        return to_float(arrays["x_test"])


def test_points(points, evaluate):
    folder, gan = points
    found = evaluate(folder, "--num_fake=200", "--seed=4")
    assert values(found) == pytest.approx(expected(folder, gan, samples=200, seed=4))
    assert list(found) == ["modes", "high_quality", "reverse_kl"]
    assert found["high_quality"] == {
        "metric": "high_quality",
        "value": found["high_quality"]["value"],
        "reference": pytest.approx(1 - np.exp(-4.5)),
        "reference_is": "real",
        "step": 8,
        "samples": 200,
        "seed": 4,
    }
    assert evaluate.out.startswith(
        f"modes            {found['modes']['value']:9.3f}  (all 2.000)\n"
    )
    assert evaluate(folder, "--metrics=modes")["modes"]["samples"] == 2500


def test_a_classifier_is_trained_and_kept_for_labels(conditional, evaluate, digits):
    folder, gan = conditional
    found = evaluate(folder, "--num_fake=100")
    kept = folder.parent / "classifier_greys"
    assert f"kept in {kept}\n" in evaluate.err
    classifier = classifiers.load(kept)
    assert classifier.facts.classes == NAMES and classifier.facts.images == 60
    same = expected(folder, gan, classifier, samples=100, real=held_out(digits))
    assert values(found) == pytest.approx(same)
    assert list(found) == ["label_accuracy", "sharpness", "realism", "diversity"]
    assert found["label_accuracy"]["reference"] == classifier.facts.accuracy

    before = (kept / "classifier.weights.h5").stat().st_mtime_ns
    again = evaluate(folder, "--num_fake=100", "--metrics=label_accuracy")
    assert again["label_accuracy"] == found["label_accuracy"]
    assert evaluate.err == f"classifier: {kept}\n"
    assert (kept / "classifier.weights.h5").stat().st_mtime_ns == before


def test_a_classifier_of_pictures_of_another_size_is_left_alone(
    begin_run, evaluate, digits, tmp_path
):
    data = {"data_dir": str(digits), "labelled": True, "label_names": NAMES}
    begin_run(tmp_path / "run", "cgan", data, label_dim=10, **DIGITS)
    facts = {"classes": ["a"], "exclusive": True, "image_size": 64, "image_channels": 1}
    facts |= {"accuracy": 1.0, "images": 1, "epochs": 1, "seed": 0, "dataset": "greys"}
    other = tmp_path / "classifier_greys"
    other.mkdir()
    (other / "classifier.json").write_text(json.dumps(facts | {"labels": None, "sha256": "0"}))
    before = (other / "classifier.json").read_bytes()
    evaluate(tmp_path / "run", "--num_fake=10", "--metrics=label_accuracy")
    own = other.with_name("classifier_greys_28x28x1")
    assert f"kept in {own}\n" in evaluate.err
    assert classifiers.load(own).facts.image_size == 28
    assert (other / "classifier.json").read_bytes() == before
    evaluate(tmp_path / "run", "--num_fake=10", "--metrics=label_accuracy")
    assert evaluate.err == f"classifier: {own}\n"


def test_codes_by_a_named_classifier(begin_run, evaluate, digits, tmp_path):
    settings = {**DIGITS, "dense_units": 8}
    gan = begin_run(tmp_path / "run", "infogan", {"data_dir": str(digits)}, **settings)
    facts = {"classes": NAMES, "exclusive": True, "image_size": 28, "image_channels": 1}
    facts |= {"accuracy": 0.5, "images": 1, "epochs": 1, "seed": 0, "dataset": "by hand"}
    facts = classifiers.Facts(**facts)
    classifier = classifiers.Classifier(classifiers.Classifier.build(facts, seed=1), facts)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        classifier.save(tmp_path / "named")
    found = evaluate(tmp_path / "run", "--num_fake=100", f"--classifier={tmp_path / 'named'}")
    same = expected(tmp_path / "run", gan, classifier, samples=100, real=held_out(digits))
    assert values(found) == pytest.approx(same)
    assert {"code_purity", "code_classes", "code_slant", "code_thickness"} <= found.keys()
    assert not (tmp_path / "classifier_greys").exists() and evaluate.err == ""


def test_colours_of_toy_fashion_need_no_classifier(begin_run, evaluate, toy_bags, tmp_path):
    names = (*toy_fashion.HUES, *toy_fashion.NEUTRALS)
    data = {"dataset": "toy_fashion", "data_dir": str(toy_bags), "label_names": names}
    settings = {**NARROW, "label_dim": 12, "image_size": 32, "image_channels": 3}
    gan = begin_run(tmp_path / "run", "cgan", {**data, "labelled": True}, **settings)
    found = evaluate(tmp_path / "run", "--num_fake=48")
    same = expected(tmp_path / "run", gan, samples=48)
    assert found["colour_accuracy"]["value"] == pytest.approx(same["colour_accuracy"])
    assert "colour_accuracy  " in evaluate.out and "(chance 0.083)" in evaluate.out
    assert evaluate.err == "" and not list(tmp_path.glob("classifier*"))


def test_data_without_labels_leaves_out_what_needs_a_classifier(
    begin_run, evaluate, failure, run_command, capsys, tmp_path
):
    np.savez(tmp_path / "plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    data = {"data_dir": str(tmp_path / "plain.npz")}
    begin_run(tmp_path / "run", "infogan", data, dense_units=8, **DIGITS)
    found = evaluate(tmp_path / "run", "--num_fake=20")
    assert not {"code_purity", "code_classes"} & found.keys() and "code_slant" in found
    assert "no classifier: " in evaluate.err
    assert evaluate.err.endswith(": code_purity, code_classes\n")
    flags = (f"--run_dir={tmp_path / 'run'}", "--metrics=code_purity")
    assert run_command(command, *flags) == 2
    assert "code_purity cannot be measured" in capsys.readouterr().err


def test_where_nothing_is_held_out_real_images_have_no_reference(tmp_path):
    images = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 28, 28, 1), np.uint8)
    outputs = {}
    for name, arrays in (
        ("flat", {"images": images}),
        ("split", {"x_train": images, "x_test": 100 + images[:5]}),
        ("few", {"x_train": images[:3], "x_test": 100 + images[:5]}),
    ):
        np.savez(tmp_path / f"{name}.npz", **arrays)
        outputs[name] = loaded(tmp_path / f"{name}.npz")
    assert levels(outputs["flat"].real) == list(range(8)) and outputs["flat"].others is None
    assert levels(outputs["split"].real) == [100, 101, 102, 103, 104]
    # As many, at even distances.
    assert levels(outputs["split"].others) == [0, 1, 3, 4, 6]
    assert outputs["few"].others is None


def loaded(path):
    settings = SimpleNamespace(image_size=28, image_channels=1, seed=0)
    run = SimpleNamespace(settings=settings, data=DataSettings(kind="images", data_dir=str(path)))
    (outputs,) = Generated.load(SimpleNamespace(label_dim=0), run, Given(None, OPTIONS), step=1)
    return outputs


def levels(images):
    return np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--sketches=3"], ["--sketches", "Received: 3", "DCGAN"]),
        (["--samples=3"], ["--samples", "Received: 3", "DCGAN"]),
        (["--direction=a_to_b"], ["--direction", "Received: a_to_b", "DCGAN"]),
        (["--data_dir_b=x"], ["--data_dir_b", "Received: x", "DCGAN"]),
        (["--num_fake=0"], ["--num_fake", "Received: 0"]),
        (["--metrics=hue_kept"], ["--metrics", "modes", "Received: hue_kept"]),
        (["--metrics=realism"], ["--metrics", "realism"]),
        (["--metrics=code_purity"], ["--metrics", "code_purity"]),
        (["--metrics=fd"], ["--metrics", "fd"]),
        (["--classifier=nowhere"], ["Received: nowhere"]),
    ],
)
def test_a_wrong_line_is_one_line(points, failure, flags, words):
    folder, _ = points
    error = failure(command, f"--run_dir={folder}", *flags)
    assert all(word in error for word in words)
    assert not (folder / "evaluation.jsonl").exists()
