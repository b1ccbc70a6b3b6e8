"""Diversity: closed forms, and what is compared with what."""

import numpy as np
import pytest

from gans.metrics.diversity import (
    consecutive_distances,
    diversity,
    pairwise_distance,
    pixel_distance,
    random_pair_distance,
)


def flat(*levels):
    """Pictures of one grey each."""
    return np.array(levels, np.float32)[:, np.newaxis, np.newaxis, np.newaxis] * np.ones((4, 4, 3))


def test_equal_samples_have_none_whatever_differs_between_inputs():
    assert pairwise_distance(np.stack([flat(0.1, 0.1, 0.1), flat(0.9, 0.9, 0.9)])) == 0.0


def test_consecutive_samples_are_compared():
    rows = np.stack([flat(0.0, 0.5, 0.0, 0.5), flat(-0.5, -0.25, 0.0, 0.25)])
    assert pairwise_distance(rows) == pytest.approx((0.5 + 0.25) / 2)
    # The same pictures the other way round: 0 | 0.5.
    assert pairwise_distance(flat(0.0, 0.0, 0.5, 0.5)[np.newaxis]) == pytest.approx(0.5 / 3)


def test_twenty_samples_give_nineteen_distances():
    samples = flat(*[0.0] * 19, 1.9)[np.newaxis]
    assert pairwise_distance(samples) == pytest.approx(1.9 / 19)


def test_one_sample_is_too_few():
    with pytest.raises(ValueError, match="at least 2 samples"):
        pairwise_distance(flat(0.0)[np.newaxis])


def test_photos_are_compared_with_others_and_never_with_themselves():
    assert random_pair_distance(flat(-0.5, 0.25)) == pytest.approx(0.75)
    levels = np.eye(6, dtype=np.float32)
    photos = levels[:, :, np.newaxis, np.newaxis]  # Any two differ in 2 of 6 pixels by 1.
    for seed in range(20):
        assert random_pair_distance(photos, seed) == pytest.approx(2 / 6)


def test_the_pairs_are_a_function_of_the_seed():
    photos = np.random.default_rng(0).uniform(-1, 1, (9, 2, 2, 3))
    distances = [random_pair_distance(photos, seed) for seed in (0, 0, 1)]
    assert distances[0] == distances[1] != distances[2]


def test_independent_photos_differ_by_two_thirds():
    photos = np.random.default_rng(0).uniform(-1, 1, (50, 16, 16, 3))  # E|u - v| on [-1, 1].
    assert random_pair_distance(photos) == pytest.approx(2 / 3, rel=0.01)
    assert pairwise_distance(photos[np.newaxis]) == pytest.approx(2 / 3, rel=0.01)


def test_one_photo_is_too_few():
    with pytest.raises(ValueError, match="at least 2 photos"):
        random_pair_distance(flat(0.0))


def test_nineteen_hundred_distances_of_the_papers_protocol():
    levels = np.random.default_rng(0).uniform(-1, 1, (100, 20)).astype(np.float32)
    samples = levels[..., np.newaxis, np.newaxis, np.newaxis] * np.ones((2, 2, 3), np.float32)
    found = consecutive_distances(samples)
    assert found.shape == (100, 19) and found.size == 1900 and found.dtype == np.float64
    np.testing.assert_allclose(found, np.abs(np.diff(levels, axis=1)), rtol=1e-5)
    assert pairwise_distance(samples) == found.mean()


def test_a_distance_is_asked_once_an_input_for_its_consecutive_pairs():
    asked = []

    def distance(a, b):
        asked.append((a[:, 0, 0, 0].tolist(), b[:, 0, 0, 0].tolist()))
        return np.array([10.0, 20.0])

    rows = np.stack([flat(0, 1, 2), flat(3, 4, 5)])
    np.testing.assert_array_equal(consecutive_distances(rows, distance), [[10, 20], [10, 20]])
    assert asked == [([0, 1], [1, 2]), ([3, 4], [4, 5])]
    assert pairwise_distance(rows, distance) == 15


def test_a_distance_that_looks_at_each_sample_once_is_asked_for_that():
    class Distance:
        def __call__(self, a, b):
            raise AssertionError

        def consecutive(self, images):
            return np.diff(images[:, 0, 0, 0])

    rows = np.stack([flat(0, 1, 3), flat(3, 7, 5)])
    np.testing.assert_array_equal(consecutive_distances(rows, Distance()), [[1, 2], [4, -2]])


def test_bits_are_compared_as_floats_are():
    bits = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 6, 3), np.uint8)
    floats = bits / np.float32(127.5) - 1
    np.testing.assert_allclose(
        consecutive_distances(bits), consecutive_distances(floats), rtol=1e-5
    )
    black, white = np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 255, np.uint8)
    assert pixel_distance(white, black).tolist() == [2, 2]


def test_each_photo_is_in_two_pairs_of_a_circle():
    circles = []
    for seed in (3, 4):
        pairs = []

        def distance(a, b, pairs=pairs):
            pairs += zip(a[:, 0, 0, 0].tolist(), b[:, 0, 0, 0].tolist(), strict=True)
            return np.arange(len(a), dtype=np.float32)

        expected = (sum(range(20)) * 2 + sum(range(5))) / 45
        assert random_pair_distance(flat(*range(45)), seed, distance) == expected
        first, second = zip(*pairs, strict=True)
        assert sorted(first) == sorted(second) == list(range(45))
        # The second of a pair is the first of the next: one circle.
        assert list(second) == [*first[1:], first[0]]
        circles.append(first)
    assert circles[0] != circles[1]


def test_the_ratio_is_that_to_random_photos():
    samples = np.stack([flat(0.0, 0.5), flat(0.0, 0.25)])
    found = diversity(samples, flat(0.0, 1.0, 0.0, 1.0), seed=4)
    expected = random_pair_distance(flat(0.0, 1.0, 0.0, 1.0), seed=4)
    assert found == {
        "diversity": 0.375,
        "random_real": expected,
        "ratio": pytest.approx(0.375 / expected),
        "pairs": 2,
    }
    assert np.isnan(diversity(samples, flat(0.5, 0.5))["ratio"])


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (0, 3, 4, 4, 3)])
def test_what_are_no_samples(shape):
    with pytest.raises(ValueError, match=r"at least 2 samples .* Received: \("):
        consecutive_distances(np.zeros(shape))
