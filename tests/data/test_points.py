"""Two-dimensional data: what is drawn, in which order it comes, and the pictures of it."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import tensorflow as tf

from gans.data import points
from gans.data.data_settings import DataSettings, Preparation
from gans.data.images import DataError
from gans.data.stream import augmented
from gans.data.training_data import open_data


def opened(dataset="ring8", labelled=False, batch_size=100, seed=0, scale=1.0):
    """What a run on a set of points trains on."""
    data = DataSettings(kind="points", dataset=dataset, labelled=labelled)
    how = Preparation(image_size=1, channels=(1,), batch_size=batch_size, seed=seed)
    return open_data(data, how, point_scale=scale)


def taken(dataset, count):
    return [tf.nest.map_structure(np.array, batch) for batch in dataset.take(count)]


PINNED_RING = (0.98168695, -0.00177354)
PINNED_ROLL = (0.80840456, 0.45249614)


# What is drawn.


def test_ring8_is_8_directions_45_degrees_apart_at_distance_1():
    centres, sigma = points.mixture("ring8")
    assert sigma == 0.01
    half = math.sqrt(0.5)
    expected = [(1, 0), (half, half), (0, 1), (-half, half)]
    np.testing.assert_allclose(centres[:4], expected, atol=1e-15)
    np.testing.assert_allclose(centres[4:], -centres[:4], atol=1e-15)


def test_grid25_is_every_pair_of_five_numbers():
    centres, sigma = points.mixture("grid25")
    assert sigma == 0.05
    assert set(map(tuple, centres)) == set(itertools.product([-4, -2, 0, 2, 4], repeat=2))
    assert len(centres) == 25


@pytest.mark.parametrize("name", ["ring8", "grid25"])
def test_a_mixture_has_equal_modes_of_the_right_place_and_width(name):
    drawn, modes = points.draw_points(name, 3)
    centres, sigma = points.mixture(name)
    assert drawn.dtype == np.float32
    assert drawn.shape == (100_000, 2)
    size = 100_000 // len(centres)
    np.testing.assert_array_equal(np.bincount(modes), [size] * len(centres))
    for mode, centre in enumerate(centres):
        away = (drawn[modes == mode] - centre) / sigma
        # Means and deviations within 5 of their own deviations.
        np.testing.assert_allclose(away.mean(axis=0), 0, atol=5 / math.sqrt(size))
        np.testing.assert_allclose(away.std(axis=0), 1, atol=5 / math.sqrt(2 * size))


def test_the_swissroll_is_a_spiral_with_gaussian_thickness():
    drawn, modes = points.draw_points("swissroll", 0, 4000)
    assert modes is None
    assert drawn.shape == (4000, 2)
    angles = np.linspace(1.5 * np.pi, 4.5 * np.pi, 20_001)
    spiral = angles[:, np.newaxis] * np.stack([np.cos(angles), np.sin(angles)], axis=1) / 7.5
    nearest = [int(np.argmin(np.sum((spiral - point) ** 2, axis=1))) for point in drawn]
    distance = np.linalg.norm(drawn - spiral[nearest], axis=1)
    inside = (np.array(nearest) > 200) & (np.array(nearest) < 19_800)
    thickness = math.sqrt(np.mean(distance[inside] ** 2))
    assert thickness == pytest.approx(0.25 / 7.5, rel=0.05)
    # The angle is uniform, so that the spiral is the thinner the farther out.
    share = np.mean(np.array(nearest) < 10_000)
    assert share == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(4000))
    assert np.abs(drawn).max() < 2.1


def test_a_set_is_a_function_of_its_name_and_seed_in_every_version():
    first, _ = points.draw_points("ring8", 0)
    np.testing.assert_array_equal(first, points.draw_points("ring8", 0)[0])
    assert not np.array_equal(first, points.draw_points("ring8", 1)[0])
    noise = (first[::8] - [1, 0]) / 0.01
    other = points.draw_points("grid25", 0)[0][::25]
    assert not np.allclose(noise[:100], (other[:100] + 4) / 0.05, atol=1e-2)
    # As they were drawn when runs began: numbers that a newer NumPy must draw again.
    np.testing.assert_allclose(first[0], PINNED_RING, rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        points.draw_points("swissroll", 0)[0][0], PINNED_ROLL, rtol=0, atol=1e-6
    )


# In which order it comes.


def batches(count=10, batch_size=3, seed=0, start_step=0, labels=None):
    numbered = np.stack([np.arange(count), -np.arange(count)], axis=1).astype(np.float32)
    return points.point_batches(numbered, labels, batch_size, seed, start_step)


class Numbered:
    """A source whose images are their own numbers, in base 256."""

    channels, luma, random_access = (3,), (False,), True

    def __init__(self, count):
        self.names = tuple(map(str, range(count)))

    def __len__(self):
        return len(self.names)

    def decode(self, index, size):
        index = tf.cast(index, tf.int64)
        digits = tf.stack([index // 65536, index // 256 % 256, index % 256])
        return tf.cast(tf.tile(digits[tf.newaxis, tf.newaxis], (size, size, 1)), tf.uint8)


@pytest.mark.parametrize(("count", "seed", "start"), [(10, 0, 0), (1000, 7, 3), (70_000, 5, 232)])
def test_the_order_is_that_of_images(count, seed, start):
    how = Preparation(
        image_size=1, channels=(3,), batch_size=1, seed=seed, cache="none", parallel_calls=1
    )
    stream = augmented(Numbered(count), how, {"image_channels": 3}, first=start * 300)
    images = np.stack([np.array(image)[0, 0, 0] for (image,), _ in stream.take(600)])
    expected = np.rint((images + 1) * 127.5) @ [65536, 256, 1]
    if count >= 300:
        found = np.concatenate(taken(batches(count, 300, seed, start), 2))
    else:
        found = np.concatenate(taken(batches(count, 10, seed, start), 60))
    np.testing.assert_array_equal(found[:, 0], expected)
    np.testing.assert_array_equal(found[:, 1], -expected)


def test_every_pass_is_a_new_permutation_over_the_borders_of_batches_and_blocks():
    passes = 1000
    found = np.concatenate(taken(batches(), -(-10 * passes // 3)))[: 10 * passes, 0]
    found = found.reshape(passes, 10)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(10), (passes, 1)))
    # TensorFlow's operation knows only a part of the 10! orders, so that a few come again.
    assert len(set(map(tuple, found))) >= 0.98 * passes


@pytest.mark.parametrize("start", [1, 3, 4, 57, 10**12])
def test_a_stream_starts_at_any_step(start):
    if start < 10**6:
        expected = taken(batches(), start + 5)[start:]
    else:
        expected = taken(batches(start_step=start - 1), 6)[1:]
    np.testing.assert_array_equal(taken(batches(start_step=start), 5), expected)


def test_seeds_have_orders_of_their_own():
    # 0 and 256: the operation alone would give both one order.
    orders = {tuple(taken(batches(100, 100, seed), 1)[0][:, 0]) for seed in (0, 1, 2, 256, 512)}
    assert len(orders) == 5


@pytest.mark.parametrize("batch_size", [1, 64, 100_000])
def test_batches_have_their_shape(batch_size):
    data = opened(batch_size=batch_size)
    stream = data.batches(0)
    assert stream.element_spec == tf.TensorSpec((batch_size, 2), tf.float32)
    assert taken(stream, 1)[0].shape == (batch_size, 2)
    assert data.steps_per_epoch == 100_000 // batch_size
    assert data.images_per_step == batch_size


@pytest.mark.parametrize(("name", "modes"), [("ring8", 8), ("grid25", 25)])
def test_labels_go_with_their_points(name, modes):
    data = opened(name, labelled=True)
    centres, sigma = points.mixture(name)
    for drawn, labels in taken(data.batches(17), 3):
        assert labels.shape == (100, modes)
        assert labels.dtype == drawn.dtype == np.float32
        np.testing.assert_array_equal(np.sort(labels, axis=1), [[0] * (modes - 1) + [1]] * 100)
        assert np.linalg.norm(drawn - labels @ centres, axis=1).max() < 6 * sigma
    unlabelled = opened(name)
    np.testing.assert_array_equal(
        taken(unlabelled.batches(17), 3), [drawn for drawn, _ in taken(data.batches(17), 3)]
    )


def test_batches_are_in_the_units_of_the_networks_and_all_else_in_those_of_the_data():
    data, scaled = (opened("grid25", labelled=True, scale=scale) for scale in (1.0, 4.0))
    for (drawn, labels), (small, same) in zip(
        taken(data.batches(5), 3), taken(scaled.batches(5), 3), strict=True
    ):
        # A power of two: no digit is lost.
        np.testing.assert_array_equal(drawn, 4 * small)
        np.testing.assert_array_equal(labels, same)
    assert data.settings == scaled.settings
    np.testing.assert_array_equal(data.preview, scaled.preview)


# What a run learns of it.


def test_the_settings_are_completed_by_what_config_json_can_hold():
    data = opened("grid25", labelled=True)
    found = data.settings
    assert found.label_names == tuple(f"mode {mode}" for mode in range(25))
    assert found.mixture["sigma"] == 0.05
    np.testing.assert_array_equal(found.mixture["centres"], points.mixture("grid25").centres)
    assert DataSettings(**json.loads(json.dumps(dataclasses.asdict(found)))) == found
    assert data.fingerprint == {"grid25": 100_000}
    with data.naming_damage():
        pass


def test_settings_are_left_alone_where_there_is_nothing_to_say():
    for name in ("swissroll", "ring8"):
        plain = DataSettings(kind="points", dataset=name, labelled=False)
        assert dataclasses.replace(opened(name).settings, mixture=None) == plain
    assert opened("swissroll").settings.mixture is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dataset": "swissroll", "labelled": True}, "swissroll"),
        ({"dataset": "ring9"}, "ring9"),
        ({"batch_size": 100_001}, "100001"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(options, told):
    with pytest.raises(DataError, match=f"Received: {told}$") as error:
        opened(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "limit"), [("ring8", 1.5), ("grid25", 5.5), ("swissroll", 2.5)])
def test_the_raster_covers_the_set_row_by_row_from_the_top(name, limit):
    grid = points.raster(name, 4)
    middles = np.array([-0.75, -0.25, 0.25, 0.75]) * limit
    np.testing.assert_allclose(grid[:4], np.stack([middles, [0.75 * limit] * 4], axis=1), rtol=1e-6)
    np.testing.assert_allclose(grid[::4, 1], -middles, rtol=1e-6)
    assert grid.dtype == np.float32
    assert np.abs(points.draw_points(name, 0)[0]).max() < limit
