"""Data sets prepared by TensorFlow Datasets: the same streams as from the files, byte for byte."""

import builtins
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

tfds = pytest.importorskip("tensorflow_datasets")

from gans.data import labelled, pairs, prepared, unpaired  # noqa: E402
from gans.data import stream as pixel_stream  # noqa: E402
from gans.data.data_settings import Preparation  # noqa: E402
from gans.data.images import DataError  # noqa: E402
from gans.data.paired_images import PairedImages  # noqa: E402

COUNT, SIZE = 7, 16
CUSTOM, HORSES = "paired_images/custom", "cycle_gan/horse2zebra"


def noise(seed: int, height: int = SIZE, width: int = 2 * SIZE) -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Combined images as JPEG and PNG, 7 for training and 3 for validation."""
    root = tmp_path_factory.mktemp("pairs")
    for split, count, first in (("train", COUNT, 0), ("val", 3, 50)):
        (root / split / "a").mkdir(parents=True)
        for index in range(count):
            name = f"{'a/' if index % 2 else ''}{index}.{'jpg' if index % 3 else 'png'}"
            noise(first + index).save(root / split / name)
    return root


@pytest.fixture(scope="module")
def horses(tmp_path_factory) -> Path:
    """Images of several sizes in trainA, trainB, testA and testB."""
    root = tmp_path_factory.mktemp("horses") / "horse2zebra"
    for split, count in (("trainA", 3), ("trainB", 5), ("testA", 2), ("testB", 2)):
        (root / split).mkdir(parents=True)
        for index in range(count):
            noise(index, SIZE + index, 2 * SIZE - index).save(root / split / f"{index}.jpg")
    return root


@pytest.fixture(scope="module")
def tfds_dir(tmp_path_factory, folder, horses) -> Path:
    """Both sets, prepared."""
    data_dir = tmp_path_factory.mktemp("tfds")
    options = tfds.download.DownloadConfig(manual_dir=folder)
    PairedImages(config="custom", data_dir=data_dir).download_and_prepare(download_config=options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tfds.download.DownloadManager, "download_and_extract", lambda *_: str(horses.parent)
        )
        tfds.builder(HORSES, data_dir=data_dir).download_and_prepare()
    return data_dir


def content(dataset: tf.data.Dataset, steps: int) -> bytes:
    taken = dataset.take(steps).as_numpy_iterator()
    return b"".join(np.ascontiguousarray(array).tobytes() for array in tf.nest.flatten(list(taken)))


def prepared_as(**options) -> Preparation:
    return Preparation(**{"image_size": 12, "channels": (3, 3), "batch_size": 2, **options})


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(DataError) as error:
        function(*arguments, **options)
    return str(error.value)


# Pairs.


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
@pytest.mark.parametrize("cache", ["memory", "disk", "auto"])
def test_the_stream_is_that_of_the_files(folder, tfds_dir, tmp_path, direction, cache):
    of_files = pairs.find_pairs(folder, direction=direction)
    of_tfds = prepared.prepared_pairs(CUSTOM, tfds_dir, direction=direction)
    assert of_tfds.names == of_files.names
    assert len(of_tfds) == COUNT
    options = {"load_size": 14, "channels": (1, 3), "seed": 3, "flip": True}
    how = prepared_as(cache="none", **options)
    expected = content(pairs.pair_batches(of_files, how, draws=1), 9)
    how = prepared_as(cache=cache, cache_dir=tmp_path, **options)
    assert content(pairs.pair_batches(of_tfds, how, draws=1), 9) == expected


def test_chosen_pairs_are_those_of_the_files_and_the_held_out_ones_those_of_val(folder, tfds_dir):
    of_files = pairs.find_validation(folder)
    of_tfds = prepared.prepared_pairs(CUSTOM, tfds_dir, split=prepared.HELD_OUT)
    assert (of_tfds.names, of_tfds.split) == (of_files.names, "val")
    for indices in ([2, 0], [1], [1, 1]):
        expected = pairs.load_pairs(of_files, indices, SIZE)
        assert np.array_equal(pairs.load_pairs(of_tfds, indices, SIZE), expected)


def test_the_disk_cache_is_made_once_and_per_direction(tfds_dir, tmp_path, monkeypatch):
    for direction in ("a_to_b", "b_to_a"):
        images = prepared.prepared_pairs(CUSTOM, tfds_dir, direction=direction)
        pixel_stream.cached(images, SIZE, "disk", tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr(prepared.PreparedImages, "decoded", None)  # Nothing is decoded again.
    cached = pixel_stream.cached(images, SIZE, "disk", tmp_path)
    assert isinstance(cached, np.memmap) and cached.shape == (COUNT, SIZE, SIZE, 6)


def test_the_order_is_by_name_whatever_the_order_in_the_records(folder, tfds_dir):
    images = prepared.prepared_pairs(CUSTOM, tfds_dir)
    stored = images._stored_names
    assert sorted(stored) == list(images.names) != stored
    cached = pixel_stream.cached(images, SIZE, "memory", None)
    of_files = pairs.find_pairs(folder)
    assert np.array_equal(cached, [of_files.decode(index, SIZE) for index in range(COUNT)])


def test_a_set_needs_a_cache(tfds_dir, tmp_path, monkeypatch):
    images = prepared.prepared_pairs(CUSTOM, tfds_dir)
    expected = '`cache` must be "auto", "memory", or "disk" with a folder. Received: '
    with pytest.raises(ValueError) as error:
        pixel_stream.cached(images, SIZE, "none", tmp_path)
    assert str(error.value) == expected + "'none'"
    monkeypatch.setattr(pixel_stream, "available_memory", lambda: 0)
    assert isinstance(pixel_stream.cached(images, SIZE, "auto", tmp_path), np.memmap)


def test_the_fingerprint_is_the_size_of_every_file_of_the_split(tfds_dir):
    images = prepared.prepared_pairs(CUSTOM, tfds_dir)
    (path,) = (tfds_dir / CUSTOM / "1.0.0").glob("*-train*")
    assert images.fingerprint() == {path.name: path.stat().st_size}
    json.dumps(images.identity())


# Domains.


def test_domains_of_a_set_of_pairs_are_those_of_the_files(folder, tfds_dir, tmp_path):
    options = {"load_size": 14, "seed": 3, "flip": True}
    for choice in (
        {},
        {"direction": "b_to_a"},
        {"disjoint": True},
        {"disjoint": True, "direction": "b_to_a"},
    ):
        of_files = unpaired.find_domains(folder, **choice)
        of_tfds = prepared.prepared_domains(CUSTOM, tfds_dir, **choice)
        assert [images.names for images in of_tfds] == [files.names for files in of_files]
        how = prepared_as(cache="none", **options)
        expected = content(unpaired.unpaired_batches(*of_files, how), 6)
        how = prepared_as(cache="disk", cache_dir=tmp_path, **options)
        assert content(unpaired.unpaired_batches(*of_tfds, how), 6) == expected
    assert len(list(tmp_path.iterdir())) == 4  # Whole and half, of A and of B.


def test_photos_of_two_sets_are_two_domains(folder, tfds_dir):
    domains = prepared.prepared_domains(CUSTOM, tfds_dir, name_b=CUSTOM, split=prepared.HELD_OUT)
    assert [images.features for images in domains] == [("image_b",)] * 2
    of_files = unpaired.find_validation(folder, folder)
    expected = unpaired.load_unpaired(*of_files, 3, SIZE)
    assert np.array_equal(unpaired.load_unpaired(*domains, 3, SIZE), expected)


def test_a_set_of_cycle_gan_has_two_domains_of_the_pixels_of_its_files(horses, tfds_dir):
    domains = prepared.prepared_domains(HORSES, tfds_dir)
    assert [len(images) for images in domains] == [3, 5]
    files = unpaired.find_domains(horses)
    for images, expected in zip(domains, files, strict=True):
        found = {pixels.tobytes() for _, pixels in images.decoded(range(len(images)), SIZE)}
        assert found == {
            pixels.tobytes() for _, pixels in expected.decoded(range(len(images)), SIZE)
        }
    dataset = unpaired.unpaired_batches(*domains, prepared_as(image_size=SIZE))
    assert dataset.element_spec == (tf.TensorSpec((2, SIZE, SIZE, 3), tf.float32),) * 2
    assert content(dataset, 4) == content(dataset, 4)


def test_the_domains_of_cycle_gan_are_exchanged_and_held_out(tfds_dir):
    domains = prepared.prepared_domains(HORSES, tfds_dir, direction="b_to_a")
    assert [images.split for images in domains] == ["trainB", "trainA"]
    domains = prepared.prepared_domains(HORSES, tfds_dir, split=prepared.HELD_OUT)
    assert [images.split for images in domains] == ["testA", "testB"]
    assert unpaired.fingerprint(*domains).keys() == {
        f"{domain}/cycle_gan-test{domain}.tfrecord-00000-of-00001" for domain in "AB"
    }


# Single images.


class Singles(tfds.core.GeneratorBasedBuilder):
    """9 images whose level is their number; the attributes are the bits of it, as is the class."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=name, version="1.0.0")
        for name in ("classes", "attributes", "neither", "secret")
    ]

    def _info(self):
        features = {"image": tfds.features.Image(shape=(None, None, 3))}
        if self.builder_config.name in ("classes", "secret"):
            features["label"] = tfds.features.ClassLabel(names=["cat", "dog", "bird"])
        if self.builder_config.name == "attributes":
            features["attributes"] = {"b1": np.bool_, "b0": np.bool_}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(9), "test": self._generate_examples(2)}

    def _generate_examples(self, count):
        secret = self.builder_config.name == "secret"
        for n in range(count):
            labels = {
                "label": -1 if secret else n % 3,
                "attributes": {"b0": n & 1, "b1": n & 2},
            }
            image = np.full((SIZE, SIZE + n, 3), 20 * n, np.uint8)
            image[:, : n // 2], image[:, n // 2 + SIZE :] = 255, 255
            yield n, {"image": image, **{k: labels[k] for k in self.info.features if k in labels}}


@pytest.fixture(scope="module")
def singles_dir(tmp_path_factory) -> Path:
    data_dir = tmp_path_factory.mktemp("singles")
    for config in Singles.BUILDER_CONFIGS:
        Singles(config=config.name, data_dir=data_dir).download_and_prepare()
    return data_dir


def numbers(images: np.ndarray) -> np.ndarray:
    """Of the images: each is of one level all over, or it was not cut in the middle."""
    levels = np.rint((images + 1) * 127.5).astype(int)
    assert (levels == levels[:, :1, :1, :1]).all()
    return levels[:, 0, 0, 0] // 20


def test_classes_are_one_hot_and_go_with_their_images(singles_dir):
    source = prepared.prepared_images("singles/classes", singles_dir, labelled=True)
    assert source.label_names == ("cat", "dog", "bird")
    assert (len(source), source.channels, source.labels.dtype) == (9, (3,), np.float32)
    how = prepared_as(batch_size=4, image_size=SIZE, channels=(3,), flip=True)
    batches = labelled.labelled_batches(source, how, labelled=True)
    for images, rows in batches.take(9).as_numpy_iterator():
        assert np.array_equal(rows, np.eye(3)[numbers(images) % 3])
    held_out = prepared.prepared_images("singles/classes", singles_dir, prepared.HELD_OUT, True)
    assert (held_out.split, len(held_out), len(held_out.labels)) == ("test", 2, 2)


def test_attributes_are_multi_hot_and_sorted(singles_dir):
    source = prepared.prepared_images("singles/attributes", singles_dir, labelled=True)
    assert source.label_names == ("b0", "b1")
    images, rows = labelled.load_images(source, 9, SIZE, 3, labelled=True)
    found = numbers(images)
    assert sorted(found) == list(range(9))
    assert np.array_equal(rows, np.stack([found & 1, found >> 1 & 1], axis=1))


def test_labels_that_a_set_does_not_have_are_refused_where_they_are_needed(singles_dir):
    source = prepared.prepared_images("singles/neither", singles_dir)
    assert source.labels is None and source.label_names == ()
    assert refusal(prepared.prepared_images, "singles/neither", singles_dir, labelled=True) == (
        "expected a class `label` or boolean `attributes` in singles/neither. Received: image"
    )
    source = prepared.prepared_images("singles/secret", singles_dir, "test", labelled=True)
    assert refusal(lambda: source.labels) == (
        "expected labels in the split test of singles/secret/1.0.0. Received: class -1"
    )
    assert refusal(prepared.prepared_images, "singles/neither", singles_dir, "val") == (
        "expected a split val in singles/neither. Received: test, train"
    )


def test_pairs_are_no_single_images(tfds_dir):
    told = refusal(prepared.prepared_images, CUSTOM, tfds_dir)
    assert told.startswith(f"expected 8-bit grey or RGB images image in {CUSTOM}. Received: ")


def test_records_that_are_damaged_are_named(singles_dir, tmp_path):
    shutil.copytree(singles_dir / "singles", tmp_path / "singles")
    (record,) = (tmp_path / "singles" / "classes").glob("*/*-train*")
    data = bytearray(record.read_bytes())
    data[len(data) // 2] ^= 255
    record.write_bytes(data)
    source = prepared.prepared_images("singles/classes", tmp_path, labelled=True)
    expected = f"expected records that are whole in {record.parent}. Received: "
    assert refusal(lambda: source.labels).startswith(expected)
    assert refusal(pixel_stream.cached, source, SIZE, "memory", None).startswith(expected)


def test_mnist_is_read_with_its_classes():
    root = Path(os.environ.get("GANS_SAMPLE_DATA", "")) / "tfds"
    if not os.environ.get("GANS_SAMPLE_DATA") or not root.exists():
        pytest.skip("needs GANS_SAMPLE_DATA")
    source = prepared.prepared_images("mnist", root, prepared.HELD_OUT, labelled=True)
    assert (source.split, len(source), source.channels) == ("test", 10_000, (1,))
    assert source.luma == (False,)
    assert source.labels.sum(axis=0).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
    images = pixel_stream.cached(source, 28, "memory", None)
    examples = tfds.load("mnist", split="test", data_dir=root, download=False).take(200)
    for index, example in enumerate(examples.as_numpy_iterator()):
        assert np.array_equal(images[index], example["image"])
        assert source.labels[index].argmax() == example["label"]


# What is refused, in which words.


def test_a_set_that_is_not_prepared_is_told_with_the_command_that_prepares_it(tmp_path, tfds_dir):
    assert refusal(prepared.prepared_pairs, "paired_images/maps", tmp_path) == (
        f"expected a prepared data set in {tmp_path}/paired_images/maps; `tfds build "
        f"gans/data/paired_images.py --config=maps --data_dir={tmp_path}` prepares it once. "
        "Received: no such folder"
    )
    assert refusal(prepared.prepared_domains, HORSES, tmp_path) == (
        f"expected a prepared data set in {tmp_path}/{HORSES}; `tfds build {HORSES} "
        f"--data_dir={tmp_path}` prepares it once. Received: no such folder"
    )
    told = refusal(prepared.prepared_pairs, f"{CUSTOM}:9.9.9", tfds_dir)
    assert told.endswith("prepares it once. Received: no version 9.9.9")
    (tmp_path / "paired_images" / "maps").mkdir(parents=True)
    told = refusal(prepared.prepared_pairs, "paired_images/maps", tmp_path)
    assert told.endswith("prepares it once. Received: no version")


def test_a_version_may_be_named_and_the_newest_is_the_default(tfds_dir, tmp_path):
    for version in ("1.0.0", "1.10.0", "1.9.0"):
        (tmp_path / CUSTOM / version).mkdir(parents=True)
        for path in (tfds_dir / CUSTOM / "1.0.0").iterdir():
            text = path.read_bytes().replace(b'"1.0.0"', f'"{version}"'.encode())
            (tmp_path / CUSTOM / version / path.name).write_bytes(text)
    found = [
        str(prepared.open_prepared(name, tmp_path).info.version)
        for name in (CUSTOM, f"{CUSTOM}:1.9.0")
    ]
    assert found == ["1.10.0", "1.9.0"]


def test_splits_and_features_that_a_set_does_not_have_are_told_with_those_it_has(tfds_dir):
    assert refusal(prepared.prepared_pairs, CUSTOM, tfds_dir, "test") == (
        f"expected a split test in {CUSTOM}. Received: train, val"
    )
    assert refusal(prepared.prepared_pairs, HORSES, tfds_dir) == (
        f"expected 8-bit grey or RGB images image_a and image_b in {HORSES}. "
        "Received: image (uint8 of shape (None, None, 3))"
    )
    assert refusal(prepared.prepared_domains, HORSES, tfds_dir, split="val") == (
        f"expected a split valA in {HORSES}. Received: testA, testB, trainA, trainB"
    )


def test_channels_and_numbers_are_checked_as_those_of_files_are(tfds_dir):
    images = prepared.prepared_pairs(CUSTOM, tfds_dir)
    told = refusal(pairs.pair_batches, images, prepared_as(channels=(3, 4)), draws=1)
    assert told.startswith("expected images of 4 channels, as --photo_channels says")
    assert "Received: 7;" in refusal(pairs.pair_batches, images, prepared_as(batch_size=4))


def test_without_tensorflow_datasets_the_error_says_how_to_get_it(monkeypatch, tfds_dir):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "tensorflow_datasets":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *arguments, **options)

    monkeypatch.delitem(sys.modules, "tensorflow_datasets")
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert refusal(prepared.prepared_pairs, CUSTOM, tfds_dir) == (
        "prepared data sets need TensorFlow Datasets: pip install gans[tfds]. "
        "Received: No module named 'tensorflow_datasets'"
    )
