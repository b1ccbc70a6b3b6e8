"""Diversity: closed forms, and what is compared with what."""

import numpy as np
import pytest

from gans.metrics.diversity import pairwise_distance, random_pair_distance


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
