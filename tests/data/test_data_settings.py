"""Which data a run trains on: types, what is known of it, and the same data elsewhere."""

import dataclasses
import json
from pathlib import Path

import pytest

from gans.data.data_settings import DataSettings


def test_json_gives_back_what_it_got():
    data = DataSettings(
        kind="images",
        data_dir="/data",
        labels=("hue", "kind"),
        label_names=("a", "b"),
        mixture={"centres": [[0.0, 1.0]], "sigma": 0.5},
    )
    assert DataSettings(**json.loads(json.dumps(dataclasses.asdict(data)))) == data


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "sounds"), ("direction", "b"), ("labels", "hue"), ("flip", 1), ("load_size", "9")],
)
def test_a_value_of_another_type_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {value!r}"):
        DataSettings(**{"kind": "images", name: value})


def test_folders_and_two_sources():
    assert DataSettings(kind="images", dataset="mnist").folders == []
    data = DataSettings(kind="domains", data_dir="/a", data_dir_b="/b")
    assert data.folders == [Path("/a"), Path("/b")] and data.two_sources
    assert DataSettings(kind="domains", dataset="a", dataset_b="b").two_sources
    assert not DataSettings(kind="domains", data_dir="/a").two_sources


def test_moved_data_is_the_users_and_no_set_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = DataSettings(kind="domains", dataset="a", dataset_b="b", direction="b_to_a")
    here = str(tmp_path / "here")
    assert data.moved() == data
    expected = dataclasses.replace(data, dataset=None, dataset_b=None, data_dir=here)
    assert data.moved("here") == expected
    assert data.moved("here", "here") == dataclasses.replace(expected, data_dir_b=here)
