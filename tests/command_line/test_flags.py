"""Flags of training: which data they name, what that implies, and which contradict each other."""

import os

import pytest

from gans.command_line.errors import UsageError
from gans.command_line.flags import DomainFlags, PairFlags, SetFlags, TagFlags, TrainingFlags
from gans.data.data_settings import DataSettings


def refusal(kind, **flags) -> str:
    with pytest.raises((UsageError, ValueError)) as error:
        kind(**flags)
    assert "\n" not in str(error.value)
    return str(error.value)


# What is named.


def test_sets_by_name_and_folders_are_kept_with_whole_paths():
    flags = SetFlags(cache="disk", parallel_calls=2)
    assert flags.data() == DataSettings(kind="images", dataset="toy_fashion")
    assert flags.implied.preset == "toy"
    flags = SetFlags(data_dir="faces", tags_csv="tags.csv", load_size=70, flip=False)
    assert flags.data() == DataSettings(
        kind="images",
        data_dir=os.path.abspath("faces"),
        tags_csv=os.path.abspath("tags.csv"),
        load_size=70,
        flip=False,
    )
    assert flags.implied.preset == "article" and not flags.implied.constructor
    flags = SetFlags(dataset="ring8")
    assert flags.data() == DataSettings(kind="points", dataset="ring8")
    assert (flags.implied.preset, flags.implied.constructor) == ("points", {"data": "points"})
    flags = TagFlags(labels=("hue", "kind"), use_unlabelled=True)
    data = flags.data()
    assert (data.labels, data.use_unlabelled) == (("hue", "kind"), True)


def test_pairs_and_domains_of_a_folder_a_prepared_set_or_toy_fashion():
    toy = DataSettings(kind="pairs", dataset="toy_fashion", flip=True)
    assert PairFlags().data() == toy and PairFlags().implied.preset == "toy"
    flags = PairFlags(tfds="a/b", tfds_dir="t", direction="b_to_a", flip=False)
    assert flags.data() == DataSettings(
        kind="pairs",
        dataset="a/b",
        tfds_dir=os.path.abspath("t"),
        direction="b_to_a",
        flip=False,
    )
    assert flags.implied.preset == "article"
    data = DomainFlags(data_dir="a", data_dir_b="b", load_size=3).data()
    assert data == DataSettings(
        kind="domains",
        data_dir=os.path.abspath("a"),
        data_dir_b=os.path.abspath("b"),
        load_size=3,
        flip=True,
    )
    data = DomainFlags(tfds="a", tfds_b="b").data()
    assert (data.dataset, data.dataset_b, data.disjoint) == ("a", "b", None)
    assert DomainFlags(disjoint=False).data().disjoint is False


# What fits together.


@pytest.mark.parametrize(
    "flags",
    [
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
    SetFlags(**flags)


@pytest.mark.parametrize(
    ("kind", "flags", "told"),
    [
        (SetFlags, {"dataset": "mnist", "data_dir": "a"}, ["--data_dir=a", "--dataset=mnist"]),
        (SetFlags, {"data_dir": "a", "tfds_dir": "b"}, ["--tfds_dir", "--data_dir=a"]),
        (SetFlags, {"dataset": "grid25", "tfds_dir": "b"}, ["--tfds_dir", "--dataset=grid25"]),
        (SetFlags, {"tfds_dir": "b"}, ["--tfds_dir", "--dataset=toy_fashion"]),
        (SetFlags, {"tags_csv": "b"}, ["--tags_csv", "no --data_dir"]),
        (SetFlags, {"data_dir": "a.npz", "tags_csv": "b"}, ["--tags_csv", "--data_dir=a.npz"]),
        (SetFlags, {"dataset": "mnist", "labels": ("hue",)}, ["--labels", "--dataset=mnist"]),
        (SetFlags, {"data_dir": "a.npz", "labels": ("hue",)}, ["--labels", "a.npz"]),
        (
            SetFlags,
            {"data_dir": "a", "labels": ("hue", "kind"), "tags_csv": "b"},
            ["--labels=hue,kind", "--tags_csv=b"],
        ),
        (SetFlags, {"labels": ("hue", "hue")}, ["--labels", "hue,hue"]),
        (SetFlags, {"dataset": "ring8", "flip": True}, ["--flip", "--dataset=ring8"]),
        (SetFlags, {"dataset": "ring8", "load_size": 64}, ["--load_size", "--dataset=ring8"]),
        (SetFlags, {"dataset": "../mnist"}, ["toy_fashion, mnist", "'../mnist'"]),
        (SetFlags, {"load_size": 0}, ["`load_size`", "0"]),
        (SetFlags, {"parallel_calls": 0}, ["`parallel_calls`", "0"]),
        (PairFlags, {"data_dir": "a", "tfds": "b"}, ["--data_dir=a", "--tfds=b"]),
        (PairFlags, {"tfds_dir": "a"}, ["--tfds_dir", "no --tfds"]),
        (DomainFlags, {"data_dir_b": "a"}, ["--data_dir_b", "no --data_dir"]),
        (DomainFlags, {"tfds_b": "a"}, ["--tfds_b", "no --tfds"]),
        (DomainFlags, {"data_dir": "a", "data_dir_b": "b", "disjoint": True}, ["--disjoint"]),
        (DomainFlags, {"domains": "bag2shoe", "data_dir": "a"}, ["--domains", "a"]),
        (TrainingFlags, {"seed": 2**24}, ["`seed`", "16777216"]),
        (TrainingFlags, {"seed": -1}, ["`seed`", "-1"]),
        (TrainingFlags, {"extractor": "own"}, ["--extractor=own", "--evaluate_every"]),
        (TrainingFlags, {"profile": (3, 2)}, ["--profile", "(3, 2)"]),
        (TrainingFlags, {"profile": (0, 2)}, ["--profile", "(0, 2)"]),
        *(
            (TrainingFlags, {name: 0}, [f"`{name}`", "0"])
            for name in (
                *("epochs", "steps_per_epoch", "steps_per_call", "batch_size", "log_every"),
                *("sample_every", "checkpoint_every", "keep_checkpoints", "evaluate_every"),
            )
        ),
    ],
)
def test_contradictions_and_numbers_out_of_range_are_refused_in_one_line(kind, flags, told):
    message = refusal(kind, **flags)
    assert all(part in message for part in told), message
