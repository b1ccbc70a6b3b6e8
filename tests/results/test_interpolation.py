"""Ways between latents: exact ends, the arc of a right angle, sums of means by hand."""

import numpy as np
import pytest

from gans.nn import walks


def random_pair(size=6):
    return np.random.default_rng(0).standard_normal((2, size)).astype(np.float32)


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_a_walk_begins_and_ends_with_the_very_vectors(latent):
    start, end = random_pair()
    way = walks.walk(start, end, 7, latent)
    assert (way.shape, way.dtype) == ((7, 6), np.float32)
    assert way[0].tobytes() == start.tobytes()
    assert way[-1].tobytes() == end.tobytes()


def test_normal_noise_goes_along_the_arc():
    way = walks.walk(np.float32([2, 0]), np.float32([0, 2]), 3, "normal")
    np.testing.assert_allclose(way[1], [2**0.5, 2**0.5], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2, rtol=1e-6)


def test_the_arc_is_walked_in_equal_angles():
    way = walks.walk(np.float32([1, 0]), np.float32([0, 1]), 10, "normal")
    angles = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    np.testing.assert_allclose(angles, np.linspace(0, 90, 10), atol=1e-4)


def test_uniform_noise_goes_along_the_line():
    way = walks.walk(np.float32([2, 0]), np.float32([0, 2]), 5, "uniform")
    np.testing.assert_array_equal(way, [[2, 0], [1.5, 0.5], [1, 1], [0.5, 1.5], [0, 2]])


def test_codes_after_the_noise_go_along_the_line():
    start, end = np.float32([2, 0, 1, 0]), np.float32([0, 2, 0, 1])
    middle = walks.walk(start, end, 3, "normal", noise_dim=2)[1]
    np.testing.assert_allclose(middle, [2**0.5, 2**0.5, 0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("end", [[3.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_where_there_is_no_arc_the_line_is_taken(end):
    middle = walks.walk(np.float32([1, 0]), np.float32(end), 3, "normal")[1]
    np.testing.assert_allclose(middle, [(1 + end[0]) / 2, 0])


def test_groups_are_averaged_then_added_with_their_signs():
    z = np.float32([[2, 0], [4, 2], [1, 1], [3, 5], [10, 20]])
    means, result = walks.combine(z, [(1, [0, 1]), (-1, [2, 3]), (1, [4])])
    np.testing.assert_array_equal(means, [[3, 1], [2, 3], [10, 20]])
    np.testing.assert_array_equal(result, [3 - 2 + 10, 1 - 3 + 20])
    assert result.dtype == np.float32


def test_a_sample_may_be_in_a_group_twice():
    means, _ = walks.combine(np.float32([[0.0], [3.0]]), [(1, [0, 1, 1]), (1, [0])])
    np.testing.assert_array_equal(means, [[2.0], [0.0]])


def test_around_the_result_is_noise_and_in_the_middle_none():
    z = np.float32([1.0, -2.0, 0.5] * 100)
    square = walks.around(z, 0.25, seed=3)
    assert (square.shape, square.dtype) == ((9, 300), np.float32)
    assert square[4].tobytes() == z.tobytes()
    noise = np.delete(square, 4, axis=0) - z
    assert 0.24 < np.abs(noise).max() <= 0.25 + 1e-6
    # The mean of 2400 uniform numbers.
    assert abs(noise.mean()) < 4 * 0.5 / 12**0.5 / 2400**0.5
    assert walks.around(z, 0.25, seed=3).tobytes() == square.tobytes()
    assert walks.around(z, 0.25, seed=4).tobytes() != square.tobytes()
