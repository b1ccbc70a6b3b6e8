"""`--evaluate_every`: a run that is watched ends with the bytes of one that is not, and its numbers
are those of the evaluation afterwards.
"""

import json
import warnings

import numpy as np
import pytest
import tensorflow as tf

from gans.features import classifier as classifiers
from gans.metrics import distribution

NARROW = ("--generator_filters=2", "--discriminator_filters=2", "--batch_size=4", "--log_every=1")


def save_judge(folder, size, channels, dataset, exclusive):
    facts = classifiers.Facts(
        classes=("a", "b", "c"),
        exclusive=exclusive,
        image_size=size,
        image_channels=channels,
        accuracy=0.5,
        images=60,
        epochs=1,
        seed=0,
        dataset=dataset,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model = classifiers.Classifier.build(facts)
        classifiers.Classifier(model, facts).save(folder)
    return folder


@pytest.fixture
def greys(tmp_path):
    random = np.random.default_rng(0)
    images = {
        f"x_{split}": random.integers(0, 256, (count, 28, 28, 1), np.uint8)
        for split, count in (("train", 12), ("test", 8))
    }
    classes = {f"y_{split}": np.arange(count) % 2 for split, count in (("train", 12), ("test", 8))}
    np.savez(tmp_path / "greys.npz", **images, **classes)
    return tmp_path / "greys.npz"


def results(run):
    patterns = ("checkpoints/*/*", "samples/*", "*.weights.h5", "metrics.jsonl")
    paths = [path for pattern in patterns for path in run.glob(pattern)]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def lines_of(run):
    return [json.loads(line) for line in (run / "evaluation.jsonl").read_text().splitlines()]


def scalars(run, tag):
    found = {}
    for path in (run / "logs").iterdir():
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag == tag:
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_a_watched_run_ends_with_the_same_bytes_and_the_numbers_of_the_evaluation(
    run_script, greys, tmp_path
):
    judge = save_judge(tmp_path / "judge", 28, 1, "mnist", True)
    given = ("--preset=mnist", f"--data_dir={greys}", "--epochs=3", "--steps_per_epoch=2", *NARROW)
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    assert run_script("train_dcgan", f"--run_dir={plain}", *given) == 0
    watch = ("--evaluate_every=2", f"--extractor={judge}")
    assert run_script("train_dcgan", f"--run_dir={watched}", *given, *watch) == 0
    assert results(watched) == results(plain)

    lines = lines_of(watched)
    names = [f"{name}_mnist" for name in distribution.NAMES]
    assert [(line["step"], line["metric"]) for line in lines] == [
        (step, name) for step in (4, 6) for name in names
    ]
    shown = scalars(watched, "evaluation/fd_mnist")
    assert shown == pytest.approx({4: lines[0]["value"], 6: lines[8]["value"]})

    flags = (f"--extractor={judge}", "--num_fake=1000", "--metrics=fd,kd,is,prdc,spacing")
    assert run_script("evaluate", f"--run_dir={watched}", *flags) == 0
    for line, again in zip(lines[8:], lines_of(watched)[16:], strict=True):
        assert again["metric"] == line["metric"]
        assert again["value"] == pytest.approx(line["value"], rel=1e-5)
        for fact in ("n_real", "n_fake", "split", "extractor_sha256", "real_sha256", "seeds"):
            assert again[fact] == line[fact]


def test_the_classifier_is_trained_where_there_is_none(run_script, greys, tmp_path, capsys):
    given = ("--preset=mnist", f"--data_dir={greys}", "--epochs=1", "--steps_per_epoch=1", *NARROW)
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    assert run_script("train_dcgan", f"--run_dir={plain}", *given) == 0
    assert run_script("train_dcgan", f"--run_dir={watched}", *given, "--evaluate_every=1") == 0
    assert f"kept in {tmp_path / 'classifier_greys'}\n" in capsys.readouterr().err
    assert results(watched) == results(plain)
    assert {line["metric"] for line in lines_of(watched)} >= {"fd_greys", "is_greys"}


def test_what_a_gan_that_translates_paints_is_watched(run_script, toy_bags, tmp_path):
    judge = save_judge(tmp_path / "judge", 32, 3, "toy_fashion", False)
    run = tmp_path / "run"
    given = ("--preset=toy", f"--data_dir={toy_bags}", "--image_size=32", "--epochs=1", *NARROW)
    watch = ("--evaluate_every=1", f"--extractor={judge}")
    assert run_script("train_pix2pix", f"--run_dir={run}", *given, *watch) == 0
    lines = lines_of(run)
    # Of four held-out pairs; too few for five neighbours, and classes that come together.
    assert [line["metric"] for line in lines] == ["fd_toy", "kd_toy", "spacing_toy"]
    assert {(line["n_real"], line["n_fake"], line["split"]) for line in lines} == {(4, 4, "val")}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--evaluate_every=0"], "--evaluate_every expects at least 1. Received: 0"),
        (
            ["--evaluate_every=1", "--dataset=ring8"],
            "--evaluate_every expects images. Received: points",
        ),
        (
            ["--evaluate_every=1", "--data_dir=plain.npz", "--preset=mnist"],
            "--evaluate_every: no classifier can be trained on this data; --extractor expects",
        ),
        (
            ["--evaluate_every=1", "--data_dir=plain.npz", "--preset=mnist", "--extractor=none.d"],
            "Received: none.d without classifier.json",
        ),
        (
            ["--evaluate_every=1", "--data_dir=plain.npz", "--preset=mnist"]
            + ["--extractor=inception"],
            "data_prep/download.py inception",
        ),
    ],
)
def test_what_cannot_be_watched_is_refused(
    run_script, tmp_path, monkeypatch, capsys, flags, message
):
    monkeypatch.chdir(tmp_path)
    np.savez("plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    narrow = ("--generator_filters=2", "--discriminator_filters=2", "--batch_size=2", "--epochs=1")
    assert run_script("train_dcgan", "--run_dir=run", *narrow, *flags) == 2
    err = capsys.readouterr().err
    assert message in err.splitlines()[-1]
    assert not list((tmp_path / "run").glob("checkpoints/*"))
