"""From settings to single images: which source is taken, and what the settings get from it."""

import json
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from gans.data import labelled
from gans.data.arrays import ArrayImages
from gans.data.images import DataError
from gans.data.training_data import complete_labels, singles
from gans.pictures.image_grid import image_grid


def settings(size: int = 32, channels: int = 3, batch_size: int = 4, **others) -> dict:
    constructor = {"image_size": size, "image_channels": channels, "seed": 7}
    return {"batch_size": batch_size, "constructor": constructor, **others}


def opened(of: dict, tmp_path: Path, labelled: bool = False):
    return singles(of, tmp_path, "auto", None, labelled)


def refusal(of: dict, tmp_path: Path, labelled: bool = False) -> str:
    with pytest.raises(DataError) as error:
        opened(of, tmp_path, labelled)
    assert "\n" not in str(error.value)
    return str(error.value)


def content(dataset: tf.data.Dataset, steps: int) -> bytes:
    taken = dataset.take(steps).as_numpy_iterator()
    return b"".join(np.ascontiguousarray(array).tobytes() for array in tf.nest.flatten(list(taken)))


def sample(name: str) -> str:
    root = os.environ.get("GANS_SAMPLE_DATA", "")
    if not root or not (Path(root) / name).exists():
        pytest.skip("needs GANS_SAMPLE_DATA")
    return str(Path(root) / name)


@pytest.fixture
def digits(tmp_path) -> str:
    """Grey 4x4 images 0 to 9 of one level each, whose class is whether they are even."""
    images = np.stack([np.full((4, 4), 20 * n, np.uint8) for n in range(10)])
    path = tmp_path / "digits.npz"
    np.savez(path, x_train=images, y_train=np.arange(10) % 2, x_test=images[:3], y_test=[0, 1, 0])
    return str(path)


def test_toy_fashion_with_hues(toy_bags, tmp_path):
    of = settings(dataset="toy_fashion", data_dir=str(toy_bags))
    data = opened(of, tmp_path, labelled=True)
    assert (data.steps_per_epoch, data.images_per_step) == (3, 4)
    assert of["constructor"]["label_dim"] == 12
    assert of["label_names"][:2] == ["red", "amber"]
    assert of["flip"] is True
    images, labels = data.preview
    assert (images.shape, labels.shape) == ((4, 32, 32, 3), (4, 12))
    files, held_out = labelled.find_images(toy_bags, labelled=True)
    assert np.array_equal(labels, held_out.labels)
    assert data.fingerprint == files.fingerprint() | {"labels": zlib.crc32(files.labels.tobytes())}
    expected = labelled.labelled_batches(
        files, batch_size=4, image_size=32, seed=7, labelled=True, start_step=2
    )
    assert content(data.batches(2), 3) == content(expected, 3)
    assert (data.draw, data.animate) == (image_grid, False)
    # What a run keeps of its settings.
    json.dumps(of)


def test_without_labels_the_settings_get_none(toy_bags, tmp_path):
    of = settings(data_dir=str(toy_bags), flip=False, load_size=40)
    data = opened(of, tmp_path)
    assert of.keys() == settings(data_dir=0, flip=0, load_size=0).keys()
    assert "label_dim" not in of["constructor"]
    (images,) = data.preview
    assert images.shape == (4, 32, 32, 3)
    assert "labels" not in data.fingerprint
    files, _ = labelled.find_images(toy_bags)
    expected = labelled.labelled_batches(
        files, batch_size=4, image_size=32, load_size=40, flip=False, seed=7
    )
    assert content(data.batches(0), 3) == content(expected, 3)


def test_factors_that_are_asked_for(toy_bags, tmp_path):
    of = settings(data_dir=str(toy_bags), labels=["kind"])
    opened(of, tmp_path, labelled=True)
    assert set(of["label_names"]) <= {"backpack", "bucket", "clutch", "hobo", "satchel", "tote"}


@pytest.mark.parametrize("asked", [None, 0, 2])
def test_an_array_of_grey_images_is_not_mirrored(digits, tmp_path, asked):
    of = settings(4, 1, data_dir=digits)
    of["constructor"]["label_dim"] = asked
    data = opened(of, tmp_path, labelled=True)
    assert (of["flip"], of["label_names"], of["constructor"]["label_dim"]) == (False, ["0", "1"], 2)
    images, labels = data.preview
    assert (images.shape, labels.tolist()) == ((3, 4, 4, 1), [[1, 0], [0, 1], [1, 0]])
    images, labels = next(data.batches(0).as_numpy_iterator())
    numbers = np.rint((images[:, 0, 0, 0] + 1) * 127.5 / 20).astype(int)
    assert np.array_equal(labels.argmax(axis=1), numbers % 2)


def test_a_label_dim_that_the_data_does_not_have_is_refused(digits, tmp_path):
    of = settings(4, 1, data_dir=digits)
    of["constructor"]["label_dim"] = 3
    assert refusal(of, tmp_path, labelled=True) == (
        "expected --label_dim=2, which the data has labels for, or none. Received: 3"
    )
    complete_labels(of | {"constructor": {}}, ("a", "b", "c"))


def test_other_labels_are_other_data(digits, tmp_path):
    before = opened(settings(4, 1, data_dir=digits), tmp_path, labelled=True).fingerprint
    with np.load(digits) as file:
        arrays = dict(file)
    np.savez(digits, **arrays | {"y_train": arrays["y_train"][::-1]})
    after = opened(settings(4, 1, data_dir=digits), tmp_path, labelled=True).fingerprint
    assert {name for name in before if before[name] != after[name]} == {"labels"}


def test_images_without_tags_are_reported_on_one_line(toy_bags, tmp_path, capsys):
    shutil.copytree(toy_bags / "train", tmp_path / "set")
    (tmp_path / "set" / "tags.csv").write_text(
        "".join(f"{index:05},red bag\n" for index in range(2, 12))
    )
    of = settings(data_dir=str(tmp_path / "set"))
    data = opened(of, tmp_path, labelled=True)
    assert capsys.readouterr().err == (
        "2 of 12 images have no tags, left out; "
        "train_matching_cgan.py --use_unlabelled uses them as unmatched reals\n"
    )
    assert (data.steps_per_epoch, len(data.preview[0])) == (2, 10)
    data = opened(of | {"use_unlabelled": True}, tmp_path, labelled=True)
    assert capsys.readouterr().err == ""
    assert (data.steps_per_epoch, len(data.preview[0])) == (3, 10)
    rows = np.concatenate([labels for _, labels in data.batches(0).take(3).as_numpy_iterator()])
    assert (rows.sum(), len(rows)) == (10, 12)
    opened(of, tmp_path)
    assert capsys.readouterr().err == ""


def test_what_cannot_be_used_is_refused_before_the_training(toy_bags, digits, tmp_path):
    told = refusal(settings(data_dir=str(toy_bags), batch_size=13), tmp_path)
    assert told == "expected at least 13 images, the batch size. Received: 12; lower --batch_size"
    told = refusal(settings(4, 3, data_dir=digits), tmp_path)
    assert told.startswith("expected images of 3 channels, as --image_channels says. Received: ")
    told = refusal(settings(data_dir=str(toy_bags / "train")), tmp_path, labelled=True)
    assert told.startswith(f"expected labels of the images in {toy_bags}/train: a file tags.csv")
    assert refusal(settings(28, 3, dataset="stacked_mnist"), tmp_path, labelled=True) == (
        "expected data with labels. Received: stacked_mnist, whose 1,000 modes have none"
    )
    assert "or the name of a prepared data set" in refusal(settings(dataset="../x"), tmp_path)
    with pytest.raises(ValueError, match="expected settings with the folder of toy fashion"):
        opened(settings(dataset="toy_fashion"), tmp_path)


def test_a_set_that_is_not_on_the_disk_is_told_with_what_prepares_it(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    for name, built in (("mnist", "mnist"), ("celeb_a", "celeb_a"), ("stacked_mnist", "mnist")):
        assert refusal(settings(dataset=name, tfds_dir=str(tmp_path)), tmp_path) == (
            f"expected a prepared data set in {tmp_path}/{built}; `tfds build {built} "
            f"--data_dir={tmp_path}` prepares it once. Received: no such folder"
        )


# Real data.


def test_mnist(tmp_path):
    of = settings(28, 1, 64, dataset="mnist", tfds_dir=sample("tfds"))
    data = opened(of, tmp_path, labelled=True)
    assert (data.steps_per_epoch, of["flip"]) == (937, False)
    assert of["label_names"] == list("0123456789")
    images, labels = data.preview
    assert (images.shape, labels.shape) == ((64, 28, 28, 1), (64, 10))
    assert labels[:5].argmax(axis=1).tolist() == [2, 0, 4, 8, 7]


def test_stacked_mnist(tmp_path, monkeypatch):
    # What is read of the disk is tested with the prepared sets: here, the digits of the test.
    from gans.data import prepared

    held = np.random.default_rng(0).integers(0, 256, (50, 28, 28, 1), np.uint8)
    source = ArrayImages(held, tuple(map(str, range(50))), Path(__file__))
    monkeypatch.setattr(prepared, "prepared_images", lambda *_: source)
    of = settings(28, 3, 64, dataset="stacked_mnist")
    data = opened(of, tmp_path)
    assert (data.steps_per_epoch, of["flip"]) == (2000, False)
    (images,) = data.preview
    assert images.shape == (50, 28, 28, 3)
    for batch in data.batches(3).take(2).as_numpy_iterator():
        channels = np.rint((np.moveaxis(batch, -1, 1).reshape(-1, 28, 28) + 1) * 127.5)
        known = {digit[..., 0].tobytes() for digit in held}
        assert all(channel.astype(np.uint8).tobytes() in known for channel in channels)


def test_cifar10_as_an_array(tmp_path):
    of = settings(32, 3, 64, data_dir=sample("cifar10/cifar10_small.npz"))
    data = opened(of, tmp_path, labelled=True)
    assert (data.steps_per_epoch, of["flip"]) == (18, True)
    assert of["label_names"][:3] == ["airplane", "automobile", "bird"]
    with np.load(of["data_dir"]) as file:
        expected, classes = file["x_test"][:64], file["y_test"][:64]
    images, labels = data.preview
    assert np.array_equal(np.rint((images + 1) * 127.5), expected)
    assert np.array_equal(labels.argmax(axis=1), classes)


def test_anime_faces(tmp_path, capsys):
    of = settings(96, 3, 64, data_dir=sample("anime_faces"))
    data = opened(of, tmp_path, labelled=True)
    assert (data.steps_per_epoch, of["constructor"]["label_dim"]) == (15, 23)
    assert capsys.readouterr().err == ""
