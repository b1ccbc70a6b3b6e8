"""`--evaluate_every`: a run that is watched ends with the bytes of one that is not, and its numbers
are those of the evaluation afterwards.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.commands.evaluate import evaluate
from gans.commands.train import command_of
from gans.evaluation import table

NARROW = ("--generator_filters=2", "--discriminator_filters=2", "--batch_size=4", "--log_every=1")


@pytest.fixture(autouse=True)
def other_tests_unchanged():
    """Undoes what training sets for the whole process, but the seeds."""
    from tensorflow.python.framework import config

    remapping = tf.config.optimizer.get_experimental_options().get("remapping", True)
    yield
    keras.config.set_dtype_policy("float32")
    config.disable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": remapping})


@pytest.fixture
def train(run_command):
    """Trains a GAN as if in a new process; returns the status."""

    def run(name, *flags):
        # Layers are numbered over the life of a process, and the numbers are saved.
        keras.backend.clear_session()
        return run_command(command_of(name), *flags)

    return run


@pytest.fixture
def greys(tmp_path):
    random, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 12), ("test", 8)):
        arrays[f"x_{split}"] = random.integers(0, 256, (count, 28, 28, 1), np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % 2
    np.savez(tmp_path / "greys.npz", **arrays)
    return tmp_path / "greys.npz"


def results(run):
    patterns = ("checkpoints/*/*", "samples/*", "*.weights.h5", "metrics.jsonl")
    paths = [path for pattern in patterns for path in run.glob(pattern)]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def lines_of(run):
    return [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]


def scalars(run):
    """What TensorBoard shows: values by tag and step."""
    found = {}
    for path in (run / "logs").iterdir():
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag.startswith(("evaluation/", "measured/")):
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(value.tag, {})[event.step] = number
    return found


def test_a_watched_run_ends_with_the_same_bytes_and_the_numbers_of_the_evaluation(
    run_command, train, save_classifier, greys, tmp_path
):
    known = save_classifier(tmp_path / "known", 28, 1, "mnist")
    given = ("--preset=mnist", f"--data_dir={greys}", "--epochs=3", "--steps_per_epoch=2", *NARROW)
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    assert train("dcgan", f"--run_dir={plain}", *given) == 0
    watch = ("--evaluate_every=2", f"--extractor={known}")
    assert train("dcgan", f"--run_dir={watched}", *given, *watch) == 0
    assert results(watched) == results(plain)

    lines = lines_of(watched)
    names = [f"{name}_mnist" for name in table.FEATURES]
    assert [(line["step"], line["metric"]) for line in lines] == [
        (step, name) for step in (4, 6) for name in names
    ]
    shown = scalars(watched)
    assert shown["evaluation/fd_mnist"] == pytest.approx(
        {4: lines[0]["value"], 6: lines[8]["value"]}
    )
    # What needs no network is measured with each picture, watched or not.
    tags = {tag.rpartition("/")[2] for tag in scalars(plain)}
    assert {"realism", "sharpness", "diversity"} <= tags

    flags = (f"--extractor={known}", "--num_fake=1000", "--metrics=fd,kd,is,prdc,spacing")
    assert run_command(evaluate, f"--run_dir={watched}", *flags) == 0
    for line, again in zip(lines[8:], lines_of(watched)[16:], strict=True):
        assert again["metric"] == line["metric"]
        assert again["value"] == pytest.approx(line["value"], rel=1e-5)
        for fact in ("n_real", "n_fake", "split", "extractor_sha256", "real_sha256", "seeds"):
            assert again[fact] == line[fact]


def test_the_classifier_is_trained_where_there_is_none(train, greys, tmp_path, capsys):
    given = ("--preset=mnist", f"--data_dir={greys}", "--epochs=1", "--steps_per_epoch=1", *NARROW)
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    assert train("dcgan", f"--run_dir={plain}", *given) == 0
    assert train("dcgan", f"--run_dir={watched}", *given, "--evaluate_every=1") == 0
    assert f"kept in {tmp_path / 'classifier_greys'}\n" in capsys.readouterr().err
    assert results(watched) == results(plain)
    assert {line["metric"] for line in lines_of(watched)} >= {"fd_greys", "is_greys"}


def test_what_a_gan_that_translates_makes_is_watched(train, save_classifier, toy_bags, tmp_path):
    known = save_classifier(tmp_path / "known", 32, 3, "toy_fashion", exclusive=False)
    run = tmp_path / "run"
    given = ("--preset=toy", f"--data_dir={toy_bags}", "--image_size=32", "--epochs=1", *NARROW)
    watch = ("--evaluate_every=1", f"--extractor={known}")
    assert train("pix2pix", f"--run_dir={run}", *given, *watch) == 0
    lines = lines_of(run)
    # Of four held-out pairs; too few for five neighbours, and classes that come together.
    assert [line["metric"] for line in lines] == ["fd_toy", "kd_toy", "spacing_toy"]
    assert {(line["n_real"], line["n_fake"], line["split"]) for line in lines} == {(4, 4, "val")}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--evaluate_every=0"], ["--evaluate_every", "Received: 0"]),
        (["--evaluate_every=1", "--dataset=ring8"], ["--evaluate_every", "points"]),
        (["--evaluate_every=1"], ["--evaluate_every", "Received: own"]),
        (["--evaluate_every=1", "--extractor=none.d"], ["Received: none.d"]),
        (["--evaluate_every=1", "--extractor=inception"], ["data_prep/download.py inception"]),
    ],
)
def test_what_cannot_be_watched_is_refused(train, tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(tmp_path)
    np.savez("plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    narrow = ("--generator_filters=2", "--discriminator_filters=2", "--batch_size=2", "--epochs=1")
    data = [] if "--dataset=ring8" in flags else ["--data_dir=plain.npz", "--preset=mnist"]
    assert train("dcgan", "--run_dir=run", *narrow, *data, *flags) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert all(word in error for word in words)
    assert not list((tmp_path / "run").glob("checkpoints/*"))
