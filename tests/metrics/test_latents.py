"""The latent error: 0 for a perfect reading, the mean of |N(0, 1)| for no reading at all."""

import math

import numpy as np
import pytest

from gans.metrics import latents


def test_the_error_is_the_mean_distance_of_all_coordinates():
    z = np.float32([[1.0, -2.0], [0.5, 0.0]])
    recovered = np.float32([[1.5, 2.0], [0.5, -0.5]])
    assert latents.recovery_error(z, recovered) == (0.5 + 4.0 + 0.0 + 0.5) / 4
    assert latents.recovery_error(recovered, z) == latents.recovery_error(z, recovered)


def test_a_perfect_reading_has_no_error():
    z = np.random.default_rng(0).standard_normal((100, 8))
    assert latents.recovery_error(z, z.copy()) == 0.0


def test_reading_nothing_costs_the_mean_of_a_half_normal():
    assert pytest.approx(math.sqrt(2 / math.pi), abs=1e-15) == latents.NO_INFORMATION
    count = 1_000_000
    z = np.random.default_rng(0).standard_normal((count // 8, 8))
    deviation = math.sqrt((1 - 2 / math.pi) / count)
    error = latents.recovery_error(z, np.zeros_like(z))
    assert abs(error - latents.NO_INFORMATION) < 4 * deviation
    # Zero is the best blind guess: any other constant is further off.
    assert latents.recovery_error(z, np.full_like(z, 0.1)) > error


def test_a_reading_with_noise_costs_the_mean_of_the_noise():
    z, noise = np.random.default_rng(0).standard_normal((2, 100_000, 8))
    error = latents.recovery_error(z, z + 0.1 * noise)
    assert error == pytest.approx(0.1 * latents.NO_INFORMATION, rel=5e-3)
