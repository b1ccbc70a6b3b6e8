"""The error of pictures: closed forms."""

import numpy as np
import pytest

from gans.metrics.errors import mean_absolute


def test_a_shift_costs_its_size_whatever_its_sign():
    images = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 8, 8, 3)).astype(np.float32)
    assert mean_absolute(images, images) == 0.0
    for shift in (-0.25, 0.25):
        assert mean_absolute(images, images + shift) == pytest.approx(0.25, rel=1e-6)


def test_it_is_the_mean_over_everything():
    black, white = -np.ones((2, 2, 2, 1)), np.ones((2, 2, 2, 1))
    half = black.copy()
    half[0] = 1.0
    assert mean_absolute(black, white) == 2.0
    assert mean_absolute(half, white) == 1.0


def test_what_would_only_fit_after_broadcasting_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        mean_absolute(np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4, 1)))
