"""Flags of the data of GANs from noise: what of them is kept, and which contradict each other."""

import os

import pytest

from gans.command_line.errors import UsageError
from gans.command_line.flags import SetFlags


def refusal(**flags) -> str:
    with pytest.raises(UsageError) as error:
        SetFlags(**flags).check()
    return str(error.value)


def test_the_settings_are_what_decides_the_result():
    assert SetFlags(cache="disk", parallel_calls=2).settings() == {
        "dataset": "toy_fashion",
        "data_dir": None,
        "tfds_dir": None,
        "labels": None,
        "tags_csv": None,
        "load_size": None,
        "flip": None,
    }
    flags = SetFlags(data_dir="faces", tags_csv="tags.csv", load_size=70, flip=False)
    assert flags.settings() == {
        "dataset": None,
        "data_dir": os.path.abspath("faces"),
        "tfds_dir": None,
        "labels": None,
        "tags_csv": os.path.abspath("tags.csv"),
        "load_size": 70,
        "flip": False,
    }
    assert SetFlags(labels=("hue", "kind")).settings()["labels"] == ["hue", "kind"]


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"labels": ("hue", "kind")},
        {"data_dir": "a", "labels": ("hue",)},
        {"data_dir": "a", "tags_csv": "b.csv"},
        {"data_dir": "a.npz", "flip": True, "load_size": 70},
        {"dataset": "mnist", "tfds_dir": "a"},
        {"dataset": "kmnist:3.0.1", "tfds_dir": "a"},
        {"dataset": "ring8", "flip": False},
    ],
)
def test_what_fits_together_passes(flags):
    SetFlags(**flags).check()


@pytest.mark.parametrize(
    "flags, told",
    [
        (
            {"dataset": "mnist", "data_dir": "a"},
            "expected --data_dir or --dataset. Received: --data_dir=a --dataset=mnist",
        ),
        (
            {"data_dir": "a", "tfds_dir": "b"},
            "--tfds_dir expects the --dataset of a prepared data set. Received: --data_dir=a",
        ),
        (
            {"dataset": "grid25", "tfds_dir": "b"},
            "--tfds_dir expects the --dataset of a prepared data set. Received: --dataset=grid25",
        ),
        (
            {"tfds_dir": "b"},
            "--tfds_dir expects the --dataset of a prepared data set. "
            "Received: --dataset=toy_fashion",
        ),
        (
            {"tags_csv": "b"},
            "--tags_csv expects the --data_dir of a folder of images. Received: no --data_dir",
        ),
        (
            {"data_dir": "a.npz", "tags_csv": "b"},
            "--tags_csv expects the --data_dir of a folder of images. Received: --data_dir=a.npz",
        ),
        (
            {"dataset": "mnist", "labels": ("hue",)},
            "--labels expects toy fashion, or a --data_dir with a factors.csv. "
            "Received: --dataset=mnist",
        ),
        (
            {"data_dir": "a.npz", "labels": ("hue",)},
            "--labels expects toy fashion, or a --data_dir with a factors.csv. Received: a.npz",
        ),
        (
            {"data_dir": "a", "labels": ("hue", "kind"), "tags_csv": "b"},
            "expected --labels or --tags_csv. Received: --labels=hue,kind --tags_csv=b",
        ),
        (
            {"labels": ("hue", "hue")},
            "--labels expects columns each once. Received: hue,hue",
        ),
        (
            {"dataset": "ring8", "flip": True},
            "--flip expects images. Received: --dataset=ring8",
        ),
        (
            {"dataset": "ring8", "load_size": 64},
            "--load_size expects images. Received: --dataset=ring8",
        ),
        ({"load_size": 0}, "--load_size expects at least 1. Received: 0"),
        ({"parallel_calls": 0}, "--parallel_calls expects at least 1. Received: 0"),
    ],
)
def test_contradictions_are_refused_in_one_line(flags, told):
    assert refusal(**flags) == told


def test_what_can_be_no_name_of_a_data_set_is_refused():
    told = refusal(dataset="../mnist")
    assert told.startswith("expected one of toy_fashion, mnist, ")
    assert told.endswith("Received: '../mnist'")
