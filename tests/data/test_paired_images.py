"""The builder of TensorFlow Datasets: what it makes of folders of pairs, by its own test case."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

tfds = pytest.importorskip("tensorflow_datasets")

from data_prep import download  # noqa: E402
from gans.data import paired_images  # noqa: E402
from gans.data.images import DataError  # noqa: E402
from gans.data.paired_images import PairedImages  # noqa: E402


def save(path: Path, seed: int, width: int = 16):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def dummy_data(tmp_path_factory) -> Path:
    """A folder for `custom`, and in it one for each other configuration."""
    root = tmp_path_factory.mktemp("dummy_data")
    for folder in (root, root / "edges2shoes"):
        for index, name in enumerate(("train/a/1.jpg", "train/2.png", "val/1.png")):
            save(folder / name, index)
    for name in ("trainA/1.png", "trainB/1.jpg", "testA/2.png", "testB/2.png"):
        save(root / "facades" / name, len(name), width=8)
    return root


class CombinedTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = PairedImages
    BUILDER_CONFIG_NAMES_TO_TEST = ["custom", "edges2shoes"]
    SPLITS = {"train": 2, "val": 1}
    SKIP_CHECKSUMS = True  # None are published of these archives.

    @pytest.fixture(autouse=True)
    def make_dummy_data(self, dummy_data):
        type(self).EXAMPLE_DIR = str(dummy_data)


class SeparateTest(CombinedTest):
    BUILDER_CONFIG_NAMES_TO_TEST = ["facades"]
    SPLITS = {"train": 1, "test": 1}


def prepare(config: str, data_dir: Path, manual_dir: Path | None) -> PairedImages:
    builder = PairedImages(config=config, data_dir=data_dir)
    options = tfds.download.DownloadConfig(manual_dir=manual_dir)
    builder.download_and_prepare(download_config=options)
    return builder


def test_examples_are_the_pixels_under_their_relative_path(dummy_data, tmp_path):
    builder = prepare("custom", tmp_path, dummy_data)
    examples = list(builder.as_dataset(split="train").as_numpy_iterator())
    assert {example["name"].decode() for example in examples} == {"a/1.jpg", "2.png"}
    for example in examples:
        with Image.open(dummy_data / "train" / example["name"].decode()) as image:
            expected = np.asarray(image)
        assert np.array_equal(np.hstack([example["image_a"], example["image_b"]]), expected)


def test_separate_folders_make_the_same_features(dummy_data, tmp_path):
    builder = prepare("facades", tmp_path, dummy_data)
    (example,) = builder.as_dataset(split="train").as_numpy_iterator()
    assert example["name"] == b"1"
    for feature, name in (("image_a", "trainA/1.png"), ("image_b", "trainB/1.jpg")):
        with Image.open(dummy_data / "facades" / name) as image:
            assert np.array_equal(example[feature], np.asarray(image))


def test_a_set_that_is_not_in_manual_dir_is_downloaded_from_the_servers_address(
    dummy_data, tmp_path, monkeypatch
):
    asked = []

    def answer(manager, url):
        asked.append(url)
        return dummy_data

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", answer)
    builder = prepare("edges2shoes", tmp_path, None)
    assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
        "train": 2,
        "val": 1,
    }
    host = "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
    assert asked == [f"{host}/edges2shoes.tar.gz"]


def test_the_addresses_and_names_are_those_of_the_download_command():
    sets = {
        name: dataset
        for name, dataset in download.DATASETS.items()
        if "/pix2pix/" in dataset.urls[0]
    }
    assert set(paired_images.SETS) == set(sets)
    assert all(
        paired_images.URL.format(name=name) == dataset.urls[0] for name, dataset in sets.items()
    )
    withheld = {name for name, dataset in sets.items() if dataset.withheld}
    assert set(paired_images.WITHHELD) == withheld


@pytest.mark.parametrize(("given", "told"), [(False, "no --manual_dir"), (True, "no such folder")])
def test_cityscapes_is_never_downloaded(dummy_data, tmp_path, given, told):
    with pytest.raises(DataError) as error:
        prepare("cityscapes", tmp_path, dummy_data if given else None)
    assert str(error.value) == (
        "the authors may not pass cityscapes on: expected --manual_dir with a folder cityscapes. "
        f"Received: {told}"
    )


def test_arrays_are_refused(tmp_path):
    for domain in "AB":
        (tmp_path / "data" / f"train{domain}").mkdir(parents=True)
        np.save(tmp_path / "data" / f"train{domain}" / "1.npy", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"^expected JPEG and PNG images. Received: .npy arrays$"):
        prepare("custom", tmp_path / "tfds", tmp_path / "data")
