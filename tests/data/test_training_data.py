"""From settings to single images: which source is taken, and what the settings get from it."""

import dataclasses
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from gans.data import labelled, prepared, sources
from gans.data.arrays import ArrayImages
from gans.data.data_settings import DataSettings, Preparation
from gans.data.images import DataError
from gans.data.training_data import open_data


def images(**settings) -> DataSettings:
    return DataSettings(kind="images", **settings)


def prepared_as(data, size=32, channels=3, batch_size=4) -> Preparation:
    return Preparation(
        image_size=size,
        channels=(channels,),
        batch_size=batch_size,
        load_size=data.load_size,
        flip=bool(data.flip),
        seed=7,
    )


def opened(data: DataSettings, size=32, channels=3, batch_size=4, **options):
    return open_data(data, prepared_as(data, size, channels, batch_size), **options)


def refusal(data: DataSettings, *arguments, **options) -> str:
    with pytest.raises(DataError) as error:
        opened(data, *arguments, **options)
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


def test_toy_fashion_with_hues(toy_bags):
    of = images(dataset="toy_fashion", data_dir=str(toy_bags), labelled=True)
    data = opened(of)
    assert (data.steps_per_epoch, data.images_per_step) == (3, 4)
    assert len(data.settings.label_names) == 12
    assert data.settings.label_names[:2] == ("red", "amber")
    assert data.settings.flip is True
    found, labels = data.preview
    assert (found.shape, labels.shape) == ((4, 32, 32, 3), (4, 12))
    files, held_out = labelled.find_images(toy_bags, labelled=True)
    assert np.array_equal(labels, held_out.labels)
    assert data.fingerprint == files.fingerprint() | {"labels": zlib.crc32(files.labels.tobytes())}
    how = prepared_as(data.settings)
    expected = labelled.labelled_batches(files, how, labelled=True, start_step=2)
    assert content(data.batches(2), 3) == content(expected, 3)
    # Nothing else of the settings is decided by the data.
    decided = {"flip": None, "label_names": None}
    assert dataclasses.replace(data.settings, **decided) == of


def test_without_labels_the_settings_get_none(toy_bags):
    of = images(data_dir=str(toy_bags), flip=False, load_size=40, labelled=False)
    data = opened(of)
    assert data.settings == of
    (found,) = data.preview
    assert found.shape == (4, 32, 32, 3)
    assert "labels" not in data.fingerprint
    files, _ = labelled.find_images(toy_bags)
    expected = labelled.labelled_batches(files, prepared_as(of))
    assert content(data.batches(0), 3) == content(expected, 3)


def test_factors_that_are_named(toy_bags):
    data = opened(images(data_dir=str(toy_bags), labels=("kind",), labelled=True))
    kinds = {"backpack", "bucket", "clutch", "hobo", "satchel", "tote"}
    assert set(data.settings.label_names) <= kinds


def test_an_array_of_grey_images_is_not_mirrored(digits):
    data = opened(images(data_dir=digits, labelled=True), 4, 1)
    assert (data.settings.flip, data.settings.label_names) == (False, ("0", "1"))
    found, labels = data.preview
    assert (found.shape, labels.tolist()) == ((3, 4, 4, 1), [[1, 0], [0, 1], [1, 0]])
    found, labels = next(data.batches(0).as_numpy_iterator())
    numbers = np.rint((found[:, 0, 0, 0] + 1) * 127.5 / 20).astype(int)
    assert np.array_equal(labels.argmax(axis=1), numbers % 2)


def test_other_labels_are_other_data(digits):
    of = images(data_dir=digits, labelled=True)
    before = opened(of, 4, 1).fingerprint
    with np.load(digits) as file:
        arrays = dict(file)
    np.savez(digits, **arrays | {"y_train": arrays["y_train"][::-1]})
    after = opened(of, 4, 1).fingerprint
    assert {name for name in before if before[name] != after[name]} == {"labels"}


def test_images_are_found_and_read_once_for_both_parts(digits, toy_bags, monkeypatch):
    calls = []
    for module, name in ((sources.arrays, "read_npz"), (labelled, "find_images")):
        read = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *a, read=read, **k: calls.append(a) or read(*a, **k)
        )
    opened(images(data_dir=digits), 4, 1)
    opened(images(data_dir=str(toy_bags)))
    assert len(calls) == 2


def test_images_without_tags_are_reported_on_one_line(toy_bags, tmp_path, capsys):
    shutil.copytree(toy_bags / "train", tmp_path / "set")
    (tmp_path / "set" / "tags.csv").write_text(
        "".join(f"{index:05},red bag\n" for index in range(2, 12))
    )
    of = images(data_dir=str(tmp_path / "set"), labelled=True)
    data = opened(of)
    told = capsys.readouterr().err
    assert told.startswith("2 of 12 images") and told.count("\n") == 1
    assert "--use_unlabelled" in told
    assert (data.steps_per_epoch, len(data.preview[0])) == (2, 10)
    data = opened(dataclasses.replace(of, use_unlabelled=True))
    assert capsys.readouterr().err == ""
    assert (data.steps_per_epoch, len(data.preview[0])) == (3, 10)
    rows = np.concatenate([labels for _, labels in data.batches(0).take(3).as_numpy_iterator()])
    assert (rows.sum(), len(rows)) == (10, 12)
    opened(dataclasses.replace(of, labelled=False))
    assert capsys.readouterr().err == ""


def test_what_cannot_be_used_is_refused_before_the_training(toy_bags, digits):
    told = refusal(images(data_dir=str(toy_bags)), batch_size=13)
    assert "13" in told and "Received: 12" in told and "--batch_size" in told
    assert "--image_channels" in refusal(images(data_dir=digits), 4, 3)
    told = refusal(images(data_dir=str(toy_bags / "train"), labelled=True))
    assert f"{toy_bags}/train" in told and "tags.csv" in told
    told = refusal(
        images(data_dir=str(toy_bags), labels=("hue", "kind"), labelled=True), one_label_each=True
    )
    assert "train_matching_cgan" in told
    assert "stacked_mnist" in refusal(images(dataset="stacked_mnist", labelled=True), 28, 3)
    assert "'../x'" in refusal(images(dataset="../x"))
    with pytest.raises(ValueError, match="toy fashion"):
        opened(images(dataset="toy_fashion"))


def test_a_set_that_is_not_on_the_disk_is_told_with_what_prepares_it(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    for name, built in (("mnist", "mnist"), ("celeb_a", "celeb_a"), ("stacked_mnist", "mnist")):
        told = refusal(images(dataset=name, tfds_dir=str(tmp_path)))
        assert f"`tfds build {built} --data_dir={tmp_path}`" in told
        assert told.endswith("Received: no such folder")


# Real data.


def test_mnist():
    data = opened(images(dataset="mnist", tfds_dir=sample("tfds"), labelled=True), 28, 1, 64)
    assert (data.steps_per_epoch, data.settings.flip) == (937, False)
    assert data.settings.label_names == tuple("0123456789")
    found, labels = data.preview
    assert (found.shape, labels.shape) == ((64, 28, 28, 1), (64, 10))
    assert labels[:5].argmax(axis=1).tolist() == [2, 0, 4, 8, 7]


def test_stacked_mnist(monkeypatch):
    # What is read of the disk is tested with the prepared sets: here, the digits of the test.
    held = np.random.default_rng(0).integers(0, 256, (50, 28, 28, 1), np.uint8)
    source = ArrayImages(held, tuple(map(str, range(50))), Path(__file__))
    monkeypatch.setattr(prepared, "prepared_images", lambda *_: source)
    data = opened(images(dataset="stacked_mnist"), 28, 3, 64)
    assert (data.steps_per_epoch, data.settings.flip) == (2000, False)
    (found,) = data.preview
    assert found.shape == (50, 28, 28, 3)
    for batch in data.batches(3).take(2).as_numpy_iterator():
        channels = np.rint((np.moveaxis(batch, -1, 1).reshape(-1, 28, 28) + 1) * 127.5)
        known = {digit[..., 0].tobytes() for digit in held}
        assert all(channel.astype(np.uint8).tobytes() in known for channel in channels)


def test_cifar10_as_an_array():
    of = images(data_dir=sample("cifar10/cifar10_small.npz"), labelled=True)
    data = opened(of, 32, 3, 64)
    assert (data.steps_per_epoch, data.settings.flip) == (18, True)
    assert data.settings.label_names[:3] == ("airplane", "automobile", "bird")
    with np.load(of.data_dir) as file:
        expected, classes = file["x_test"][:64], file["y_test"][:64]
    found, labels = data.preview
    assert np.array_equal(np.rint((found + 1) * 127.5), expected)
    assert np.array_equal(labels.argmax(axis=1), classes)


def test_anime_faces(capsys):
    data = opened(images(data_dir=sample("anime_faces"), labelled=True), 96, 3, 64)
    assert (data.steps_per_epoch, len(data.settings.label_names)) == (15, 23)
    assert capsys.readouterr().err == ""
