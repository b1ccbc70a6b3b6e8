"""The theory of the first GAN against closed forms."""

import math

import numpy as np
import pytest

from gans.metrics.divergences import (
    box,
    cells,
    gaussian,
    generator_gradients,
    jensen_shannon,
    kl,
    optimal_discriminator,
    value,
    wasserstein,
)

X, WIDTH = cells(-12.0, 16.0, 14000)


def optimal_logit(shift):
    """f = log p - log q and its derivative, p = N(0, 1) and q = N(shift, 1)."""
    return shift * (shift - 2 * X) / 2, np.full_like(X, -shift)


def test_cells_fill_their_range():
    x, width = cells(-1.0, 2.0, 6)
    assert width == 0.5
    np.testing.assert_array_equal(x, [-0.75, -0.25, 0.25, 0.75, 1.25, 1.75])


@pytest.mark.parametrize(("mean", "sigma"), [(0.0, 1.0), (1.5, 0.2), (-2.0, 1.3)])
def test_gaussians_have_their_moments(mean, sigma):
    density = gaussian(X, mean, sigma)
    assert np.sum(density) * WIDTH == pytest.approx(1, abs=1e-12)
    assert np.sum(density * X) * WIDTH == pytest.approx(mean, abs=1e-12)
    assert np.sum(density * (X - mean) ** 2) * WIDTH == pytest.approx(sigma**2, abs=1e-12)


def test_the_optimal_discriminator_is_the_share_of_p():
    found = optimal_discriminator(np.array([3.0, 1.0, 0.0, 2.0, 0.0]), np.array([1.0, 1, 2, 0, 0]))
    np.testing.assert_array_equal(found, [0.75, 0.5, 0, 1, 0.5])


def test_no_discriminator_has_a_higher_value():
    p, q = gaussian(X), gaussian(X, 1.0, 1.5)
    best = optimal_discriminator(p, q)
    highest = value(p, q, best, WIDTH)
    assert highest == pytest.approx(2 * jensen_shannon(p, q, WIDTH) - math.log(4), abs=1e-12)
    for wave in (np.sin(X), np.cos(3 * X), np.ones_like(X)):
        for step in (-1e-3, 1e-3):
            assert value(p, q, best + step * wave * best * (1 - best), WIDTH) < highest


def test_equal_densities_have_value_minus_log_4_and_no_divergence():
    p = gaussian(X)
    assert value(p, p, optimal_discriminator(p, p), WIDTH) == pytest.approx(-math.log(4), abs=1e-12)
    assert jensen_shannon(p, p, WIDTH) == 0.0
    assert kl(p, p, WIDTH) == pytest.approx(0, abs=1e-12)
    assert wasserstein(p, p, WIDTH) == 0.0


@pytest.mark.parametrize("distance", [1.0, 1.5, 9.0])
def test_disjoint_supports_are_log_2_apart_however_far(distance):
    p, q = box(X, 0, 1), box(X, distance, distance + 1)
    assert jensen_shannon(p, q, WIDTH) == pytest.approx(math.log(2), abs=1e-12)
    assert value(p, q, optimal_discriminator(p, q), WIDTH) == pytest.approx(0, abs=1e-12)
    assert kl(p, q, WIDTH) == math.inf
    assert wasserstein(p, q, WIDTH) == pytest.approx(distance, abs=1e-9)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_overlapping_boxes(share):
    p, q = box(X, 0, 1), box(X, share, 1 + share)
    assert jensen_shannon(p, q, WIDTH) == pytest.approx(share * math.log(2), abs=1e-12)
    assert wasserstein(p, q, WIDTH) == pytest.approx(share, abs=1e-9)


@pytest.mark.parametrize("shift", [0.5, -1.25, 4.0])
def test_shifted_gaussians(shift):
    p, q = gaussian(X), gaussian(X, shift)
    assert wasserstein(p, q, WIDTH) == pytest.approx(abs(shift), abs=1e-9)
    assert kl(q, p, WIDTH) == pytest.approx(shift**2 / 2, abs=1e-9)


def test_kl_of_gaussians_of_two_widths_knows_its_direction():
    p, q = gaussian(X, 0.0, 0.5), gaussian(X, 1.0, 1.0)
    assert kl(p, q, WIDTH) == pytest.approx(math.log(2) + (0.25 + 1) / 2 - 0.5, abs=1e-9)
    assert kl(q, p, WIDTH) == pytest.approx(-math.log(2) + (1 + 1) / 0.5 - 0.5, abs=1e-9)


def test_gradients_of_a_point_by_hand():
    found = generator_gradients(np.array([0.0, math.log(3), -math.log(3)]), np.array([2.0, 4, 4]))
    np.testing.assert_allclose(found["minimax"], [-1.0, -3.0, -1.0])
    np.testing.assert_allclose(found["non_saturating"], [-1.0, -1.0, -3.0])


def test_a_sure_discriminator_ends_one_gradient_and_not_the_other():
    found = generator_gradients(np.array([-800.0, 800.0]), np.array([5.0, 5.0]))
    np.testing.assert_array_equal(found["minimax"], [0.0, -5.0])
    np.testing.assert_array_equal(found["non_saturating"], [-5.0, 0.0])


@pytest.mark.parametrize("shift", [0.5, 2.0, 5.0])
def test_the_gradients_are_those_of_the_divergences(shift):
    """Arjovsky and Bottou's theorem 2.5, and the same for the minimax loss."""

    def measures(at):
        q = gaussian(X, at)
        return 2 * jensen_shannon(gaussian(X), q, WIDTH), kl(q, gaussian(X), WIDTH)

    step = 1e-4
    slopes = [
        (above - below) / (2 * step)
        for above, below in zip(measures(shift + step), measures(shift - step), strict=True)
    ]
    means = {
        loss: np.sum(gaussian(X, shift) * pull) * WIDTH
        for loss, pull in generator_gradients(*optimal_logit(shift)).items()
    }
    assert means["minimax"] == pytest.approx(slopes[0], abs=1e-7)
    assert means["non_saturating"] == pytest.approx(slopes[1] - slopes[0], abs=1e-7)
