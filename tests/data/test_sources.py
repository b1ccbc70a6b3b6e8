"""From "which data, which part" to sources, and from these to what a run trains on."""

import dataclasses

import numpy as np
import pytest

from gans.data import pairs, prepared, sources, training_data, unpaired
from gans.data.data_settings import DataSettings, Preparation
from gans.data.images import DataError


def opened(data, batch_size=2, **options):
    how = Preparation(image_size=8, channels=(3, 1), batch_size=batch_size, seed=3)
    return training_data.open_data(data, how, **options)


@pytest.fixture
def bags(toy_bags) -> DataSettings:
    return DataSettings(kind="pairs", data_dir=str(toy_bags))


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_pairs_of_a_folder(bags, toy_bags, direction):
    data = dataclasses.replace(bags, direction=direction)
    assert sources.find(data, "train") == (pairs.find_pairs(toy_bags, "train", direction),)
    held_out = (pairs.find_validation(toy_bags, direction),)
    assert sources.find(data, "held_out") == held_out
    assert sources.find_both(data) == (sources.find(data, "train"), held_out)


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_domains_are_halved_for_training_alone(toy_bags, direction):
    data = DataSettings(kind="domains", data_dir=str(toy_bags), direction=direction, disjoint=True)
    training, held_out = sources.find_both(data)
    expected = unpaired.find_domains(toy_bags, None, "train", direction, disjoint=True)
    assert training == expected and set(training[0].names).isdisjoint(training[1].names)
    assert held_out == unpaired.find_validation(toy_bags, None, direction)
    assert held_out[0].names == held_out[1].names
    two = dataclasses.replace(data, data_dir_b=str(toy_bags), disjoint=None)
    assert sources.find(two, "train") == unpaired.find_domains(
        toy_bags, toy_bags, "train", direction
    )


def test_prepared_sets_are_found_by_their_name(monkeypatch):
    calls = []
    for name in ("prepared_pairs", "prepared_domains", "prepared_images"):
        monkeypatch.setattr(
            prepared, name, lambda *a, name=name: calls.append((name, *a)) or [name, a]
        )
    data = DataSettings(kind="pairs", dataset="a/b", tfds_dir="/t", direction="b_to_a")
    held_out = prepared.HELD_OUT
    sources.find_both(data)
    assert calls == [
        ("prepared_pairs", "a/b", "/t", "train", "b_to_a"),
        ("prepared_pairs", "a/b", "/t", held_out, "b_to_a"),
    ]
    calls.clear()
    data = dataclasses.replace(data, kind="domains", dataset_b="c", disjoint=True)
    sources.find_both(data)
    assert calls == [
        ("prepared_domains", "a/b", "/t", "c", "train", "b_to_a", True),
        ("prepared_domains", "a/b", "/t", "c", held_out, "b_to_a", False),
    ]
    calls.clear()
    data = DataSettings(kind="images", dataset="mnist", tfds_dir="/t", labelled=True)
    (found,) = sources.find(data, "held_out")
    assert found == ["prepared_images", ("mnist", "/t", held_out, True)]


# What a run trains on.


def test_a_run_on_pairs(bags, toy_bags):
    data = opened(bags, draws=2)
    files = pairs.find_pairs(toy_bags)
    assert (data.steps_per_epoch, data.images_per_step) == (3, 4)
    assert data.fingerprint == files.fingerprint() and data.settings == bags
    images_a, images_b = data.preview
    assert (images_a.shape, images_b.shape) == ((4, 8, 8, 3), (4, 8, 8, 1))
    held_out = pairs.find_validation(toy_bags)
    assert np.array_equal(images_a, pairs.load_pairs(held_out, [0, 1, 2, 3], 8, 3, 1)[0])
    (one, _), *_ = data.batches(5).take(1).as_numpy_iterator()
    assert one[0].shape == (2, 8, 8, 3)
    with pytest.raises(DataError, match="--batch_size"):
        opened(bags, batch_size=7, draws=2)
    assert opened(bags, batch_size=7).steps_per_epoch == 1


@pytest.mark.parametrize(
    ("most", "epoch", "steps"),
    [(None, "larger", 6), (None, "smaller", 2), (5, "larger", 2), (1, "larger", 1)],
)
def test_a_run_on_domains(toy_bags, tmp_path, most, epoch, steps):
    for domain, count in (("A", 12), ("B", 4)):
        for split in ("train", "val"):
            (tmp_path / f"{split}{domain}").mkdir()
            for path in sorted((toy_bags / "train").iterdir())[:count]:
                (tmp_path / f"{split}{domain}" / path.name).symlink_to(path)
    of = DataSettings(kind="domains", data_dir=str(tmp_path), images_per_epoch=most)
    data = opened(of, epoch=epoch)
    assert (data.steps_per_epoch, data.images_per_step) == (steps, 2)
    assert data.fingerprint == unpaired.fingerprint(*unpaired.find_domains(tmp_path))
    assert [images.shape for images in data.preview] == [(4, 8, 8, 3), (4, 8, 8, 1)]
    with pytest.raises(DataError, match="Received: 4; lower --batch_size"):
        opened(of, batch_size=5)
