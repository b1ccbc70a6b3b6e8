"""Data sets by name: what each implies, and which names are none."""

import pytest

from gans.data.datasets import DATASETS, POINT_SETS, Dataset, resolve
from gans.data.images import DataError


def test_what_each_name_implies():
    images = {
        name: (known.preset, *known.constructor.values(), known.flip)
        for name, known in DATASETS.items()
        if name not in POINT_SETS
    }
    assert images == {
        "toy_fashion": ("toy", True),
        "mnist": ("mnist", 28, 1, False),
        "fashion_mnist": ("mnist", 28, 1, False),
        "stacked_mnist": ("mnist", 28, 3, False),
        "cifar10": ("article", 32, 3, True),
        "celeb_a": ("article", 64, 3, True),
    }
    for name in ("mnist", "celeb_a"):
        assert list(resolve(name).constructor) == ["image_size", "image_channels"]
    for name in ("ring8", "swissroll"):
        assert resolve(name) == Dataset("points", {"data": "points"}, flip=False)
    # So that its outermost modes are at 1, as those of the ring.
    of_grid = {"data": "points", "point_scale": 4.0}
    assert resolve("grid25") == Dataset("points", of_grid, flip=False)


@pytest.mark.parametrize("name", ["kmnist", "cifar10_corrupted/fog_1", "a/b-c:1.0.0", "svhn:*"])
def test_other_names_are_prepared_sets_that_imply_nothing(name):
    assert resolve(name) == Dataset("article", {}, flip=None)


def test_a_version_changes_nothing_of_what_is_implied():
    assert resolve("mnist:3.0.1") == DATASETS["mnist"]


@pytest.mark.parametrize("name", ["", "../mnist", "/etc", "MNIST set", "mnist/", "a/../b", "a//b"])
def test_what_can_be_no_name_is_refused(name):
    with pytest.raises(DataError) as error:
        resolve(name)
    assert str(error.value) == (
        "expected one of toy_fashion, mnist, fashion_mnist, stacked_mnist, cifar10, celeb_a, "
        "ring8, grid25, swissroll, or the name of a prepared data set, NAME[/CONFIG][:VERSION]. "
        f"Received: {name!r}"
    )
