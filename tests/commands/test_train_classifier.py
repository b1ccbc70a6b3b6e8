"""The command of the classifier, on a few images of two kinds."""

import json

import numpy as np
import pytest

from gans.commands.train_classifier import train as command
from gans.data.images import to_float
from gans.features import classifier as classifiers
from gans.features.torch_weights import sha256


@pytest.fixture
def lamps(tmp_path):
    """A `.npz` of pictures that are dark or bright, 40 to learn from and 10 held out."""
    random, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 40), ("test", 10)):
        classes = np.arange(count) % 2
        noise = random.integers(0, 100, (count, 28, 28, 1))
        arrays[f"x_{split}"] = (noise + 150 * classes[:, None, None, None]).astype(np.uint8)
        arrays[f"y_{split}"] = classes
    np.savez(tmp_path / "lamps.npz", **arrays, classes=np.array(["off", "on"]))
    return tmp_path / "lamps.npz"


def test_it_is_trained_once(run_command, capsys, lamps, tmp_path):
    out = tmp_path / "out"
    given = (f"--out={out}", f"--data_dir={lamps}", "--image_size=28", "--image_channels=1")
    given += ("--epochs=20", "--seed=3")
    assert run_command(command, *given) == 0
    assert capsys.readouterr().out == f"{out}: right for 100.00% of 10 held-out images\n"
    assert json.loads((out / "classifier.json").read_text()) == {
        "classes": ["off", "on"],
        "exclusive": True,
        "image_size": 28,
        "image_channels": 1,
        "accuracy": 1.0,
        "images": 40,
        "epochs": 20,
        "seed": 3,
        "dataset": "lamps",
        "labels": None,
        "sha256": sha256(out / "classifier.weights.h5"),
    }
    with np.load(lamps) as file:
        images, classes = file["x_test"], file["y_test"]
    found = classifiers.load(out).predict(to_float(images))
    np.testing.assert_array_equal(found.argmax(axis=1), classes)

    before = (out / "classifier.weights.h5").stat()
    lamps.unlink()
    assert run_command(command, *given) == 0
    assert f"{out} is complete" in capsys.readouterr().out
    after = (out / "classifier.weights.h5").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)

    assert (
        run_command(command, *given[:2], "--image_size=32", "--image_channels=1", "--seed=4") == 2
    )
    error = capsys.readouterr().err
    assert "image_size 28 -> 32" in error and "seed 3 -> 4" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--image_size=27"], ["--image_size", "28", "Received: 27"]),
        (["--epochs=0"], ["--epochs", "Received: 0"]),
        (["--seed=-1"], ["--seed", "Received: -1"]),
        (["--data_dir=nowhere"], ["nowhere"]),
        (["--image_channels=3"], ["--image_channels"]),
        (["--dataset=ring8"], ["--dataset", "Received: ring8"]),
        (["--dataset=stacked_mnist"], ["--dataset", "Received: stacked_mnist"]),
        (["--dataset=Mnist!"], ["toy_fashion", "'Mnist!'"]),
        (["--dataset=mnist", "--labels=kind"], ["--labels", "--dataset=mnist"]),
        (["--dataset=mnist", "--data_dir=x"], ["--data_dir=x", "--dataset=mnist"]),
        (["--cache=disk"], ["--cache"]),
        (["--out={lamps}"], ["the file {lamps}"]),
    ],
)
def test_what_is_wrong_is_one_line(failure, lamps, tmp_path, flags, words):
    flags = [flag.format(lamps=lamps) for flag in flags]
    named = [] if "data" in str(flags) else [f"--data_dir={lamps}"]
    named += [] if "--out" in str(flags) else [f"--out={tmp_path / 'out'}"]
    error = failure(command, *named, *flags)
    assert all(word.format(lamps=lamps) in error for word in words)


def test_unlabelled_images_are_refused(failure, tmp_path):
    np.savez(tmp_path / "plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    flags = [f"--data_dir={tmp_path / 'plain.npz'}", f"--out={tmp_path / 'out'}"]
    assert "labels" in failure(command, *flags, "--image_channels=1")
