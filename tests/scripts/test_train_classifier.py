"""The command of the classifier, on a few images of two kinds."""

import json

import numpy as np
import pytest

from gans.features import classifier as classifiers
from gans.features.torch_weights import sha256


@pytest.fixture
def digits(tmp_path):
    """A `.npz` of pictures that are dark or bright, 40 to learn from and 10 held out."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 40), ("test", 10)):
        classes = np.arange(count) % 2
        noise = random.integers(0, 100, (count, 28, 28, 1))
        arrays[f"x_{split}"] = (noise + 150 * classes[:, None, None, None]).astype(np.uint8)
        arrays[f"y_{split}"] = classes
    np.savez(tmp_path / "lamps.npz", **arrays, classes=np.array(["off", "on"]))
    return tmp_path / "lamps.npz"


@pytest.fixture
def train(run_script, digits, tmp_path, capsys):
    """Trains into `out`; returns (status, stdout, stderr)."""

    def run(*flags):
        named = [f"--data_dir={digits}", "--image_size=28", "--image_channels=1", "--epochs=20"]
        # What is given twice is an error: a test's own goes first.
        named = [flag for flag in named if flag.split("=")[0] not in str(flags)]
        capsys.readouterr()
        status = run_script("train_classifier", f"--out={tmp_path / 'out'}", *named, *flags)
        return status, *capsys.readouterr()

    return run


def test_it_is_trained_once(train, tmp_path, digits):
    status, out, _ = train("--seed=3")
    assert status == 0
    assert out == f"{tmp_path / 'out'}: right for 100.00% of 10 held-out images\n"
    record = json.loads((tmp_path / "out" / "classifier.json").read_text())
    assert record == {
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
        "sha256": sha256(tmp_path / "out" / "classifier.weights.h5"),
    }
    with np.load(digits) as file:
        images, classes = file["x_test"], file["y_test"]
    found = classifiers.load(tmp_path / "out").predict(images)
    np.testing.assert_array_equal(found.argmax(axis=1), classes)

    before = (tmp_path / "out" / "classifier.weights.h5").stat()
    digits.unlink()
    status, out, _ = train("--seed=3")
    assert status == 0
    assert out == f"{tmp_path / 'out'} is complete: right for 100.00% of the held-out images\n"
    after = (tmp_path / "out" / "classifier.weights.h5").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)

    status, _, err = train("--seed=4", "--image_size=32")
    assert status == 2
    assert err == (
        f"error: {tmp_path / 'out'} holds a classifier with other settings: image_size 28 -> 32, "
        "seed 3 -> 4; give the same ones, or another folder\n"
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--image_size=27"], "--image_size expects at least 28. Received: 27"),
        (["--epochs=0"], "--epochs expects at least 1. Received: 0"),
        (["--seed=-1"], "--seed expects at least 0. Received: -1"),
        (["--data_dir=nowhere"], "nowhere. Received: no such folder"),
        (["--image_channels=3"], "expected images of 3 channels, as --image_channels says"),
    ],
)
def test_what_is_wrong_is_one_line(train, tmp_path, flags, message):
    status, _, err = train(*flags)
    assert status == 2
    assert message in err.replace(f"{tmp_path}/", "") and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=ring8"], "--dataset expects images with labels. Received: ring8"),
        (["--dataset=stacked_mnist"], "expects images with labels. Received: stacked_mnist"),
        (["--dataset=Mnist!"], "expected one of toy_fashion, "),
        (["--dataset=mnist", "--labels=kind"], "--labels expects toy fashion"),
        (["--dataset=mnist", "--data_dir=x"], "expected --data_dir or --dataset"),
        (["--out={tmp}/file"], "expected a folder for a classifier. Received: the file"),
    ],
)
def test_data_without_labels_is_refused_at_once(run_script, tmp_path, capsys, flags, message):
    (tmp_path / "file").touch()
    flags = [flag.format(tmp=tmp_path) for flag in flags]
    assert run_script("train_classifier", *flags) == 2
    assert message in capsys.readouterr().err


def test_unlabelled_images_are_refused(run_script, tmp_path, capsys):
    np.savez(tmp_path / "plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    flags = [f"--data_dir={tmp_path / 'plain.npz'}", f"--out={tmp_path / 'out'}"]
    assert run_script("train_classifier", *flags, "--image_channels=1") == 2
    assert "expected labels, an array labels, in " in capsys.readouterr().err
