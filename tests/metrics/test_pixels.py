"""The error of pictures: closed forms."""

import numpy as np
import pytest

from gans.metrics.pixels import gradient_energy, mean_absolute


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


def ramp(step_x, step_y, channels=3, size=8):
    y, x = np.mgrid[:size, :size]
    return np.repeat((step_x * x + step_y * y - 0.5)[np.newaxis, ..., np.newaxis], channels, -1)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_slope_costs_the_square_of_its_steps(channels):
    energy = gradient_energy(ramp(0.125, -0.0625, channels))
    assert energy == pytest.approx(0.125**2 + 0.0625**2, rel=1e-6)


def test_a_flat_picture_has_none():
    assert gradient_energy(np.full((2, 4, 4, 3), 0.3, np.float32)) == 0.0


def test_one_edge_is_counted_where_it_is():
    images = np.full((1, 4, 5, 1), -1.0)
    images[:, :, 2:] = 1.0  # 4 of 16 horizontal neighbours differ by 2, no vertical ones.
    assert gradient_energy(images) == 4 * 2.0**2 / 16
    assert gradient_energy(images.swapaxes(1, 2)) == 1.0


def test_colours_weigh_as_their_luma():
    for channel, weight in enumerate((0.299, 0.587, 0.114)):
        images = np.zeros((1, 8, 8, 3))
        images[..., channel] = ramp(0.1, 0.0)[..., 0]
        assert gradient_energy(images) == pytest.approx((0.1 * weight) ** 2, rel=1e-5)


def test_it_is_the_mean_over_the_images():
    one, two = ramp(0.1, 0.0), ramp(0.0, 0.3)
    both = gradient_energy(np.concatenate([one, two]))
    assert both == pytest.approx((gradient_energy(one) + gradient_energy(two)) / 2, rel=1e-6)


def test_blur_lowers_it_and_noise_raises_it():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 3))
    blurred = (images + np.roll(images, 1, axis=1)) / 2
    # Independent values: neighbours differ by twice the variance, averaged ones by half of that.
    assert gradient_energy(blurred) < 0.8 * gradient_energy(images)
    noisy = images + np.random.default_rng(1).normal(0, 0.2, images.shape)
    assert gradient_energy(noisy) > gradient_energy(images)
