"""Coverage of modes: hand-counted samples, and the bounds of each measure."""

import math

import numpy as np
import pytest

from gans.metrics.modes import class_coverage, mode_coverage

CENTRES = np.array([(8.0 * i, 0.0) for i in range(8)])


def at_modes(*counts, offset=(0.0, 0.0)):
    """So many samples at each of the 8 centres, moved by `offset`."""
    return CENTRES.repeat(counts, axis=0) + offset


def test_samples_of_all_modes_alike_are_perfect():
    assert mode_coverage(at_modes(*[5] * 8), CENTRES, 0.5) == {
        "modes": 8,
        "high_quality": 1.0,
        "reverse_kl": 0.0,
    }


@pytest.mark.parametrize("dropped", range(1, 8))
def test_dropped_modes_cost_the_logarithm_of_the_ratio(dropped):
    found = mode_coverage(at_modes(*[0] * dropped, *[3] * (8 - dropped)), CENTRES, 0.5)
    assert found["modes"] == 8 - dropped
    assert found["high_quality"] == 1.0
    assert found["reverse_kl"] == pytest.approx(math.log(8 / (8 - dropped)), abs=1e-12)


def test_reverse_kl_is_of_generated_to_true_modes():
    # Shares 3/4 and 1/4 of two modes: KL((3/4, 1/4) || (1/2, 1/2)), and not the other way round.
    found = mode_coverage(np.array([(0.0, 0.0)] * 3 + [(8.0, 0.0)]), CENTRES[:2], 0.5)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert found["reverse_kl"] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("offset", [(0.75, 0.0), (0.0, -0.75), (0.45, 0.6)])
def test_the_edge_is_3_sigma_in_every_direction_and_outside(offset):
    # 0.75 is 3 sigma exactly; 0.45 and 0.6 are the legs of the right triangle over it.
    for scale, good in ((1 - 1e-9, 1.0), (1 + 1e-9, 0.0)):
        samples = at_modes(*[1] * 8, offset=np.array(offset) * scale)
        assert mode_coverage(samples, CENTRES, 0.25)["high_quality"] == good
    samples = np.array([(0.75, 0.0), (0.0, 0.0)])
    assert mode_coverage(samples, CENTRES, 0.25)["high_quality"] == 0.5


def test_bad_samples_lower_the_quality_and_count_for_no_mode():
    bad = at_modes(0, 0, 0, 0, 0, 0, 0, 6, offset=(0.0, 4.0))
    found = mode_coverage(np.concatenate([at_modes(1, 1, 1, 1, 1, 1, 0, 0), bad]), CENTRES, 0.5)
    assert found == {
        "modes": 6,
        "high_quality": 0.5,
        "reverse_kl": pytest.approx(math.log(8 / 6), abs=1e-12),
    }


def test_a_sample_counts_for_the_nearest_of_overlapping_modes_only():
    found = mode_coverage(np.array([(0.9, 0.0)]), np.array([(0.0, 0.0), (1.0, 0.0)]), 1.0)
    assert found["modes"] == 1
    assert found["reverse_kl"] == pytest.approx(math.log(2), abs=1e-12)


@pytest.mark.parametrize("nothing", [100.0, np.nan, np.inf])
def test_no_good_sample_at_all_is_the_worst_and_still_a_number(nothing):
    samples = np.full((4, 2), nothing, np.float32)
    assert mode_coverage(samples, CENTRES, 0.01) == {
        "modes": 0,
        "high_quality": 0.0,
        "reverse_kl": math.log(8),
    }


@pytest.mark.parametrize("shape", [(0, 2), (4, 3), (4,)])
def test_samples_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected samples \(n, 2\).* Received: \("):
        mode_coverage(np.zeros(shape), CENTRES, 0.01)


def test_true_samples_of_a_mixture_are_nearly_perfect():
    random = np.random.default_rng(0)
    samples = CENTRES[random.integers(0, 8, 2500)] + 0.05 * random.standard_normal((2500, 2))
    found = mode_coverage(samples, CENTRES, 0.05)
    assert found["modes"] == 8
    # In two dimensions exp(-9 / 2) lies beyond 3 sigma; the tolerance is 4 deviations.
    assert found["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.0084)
    # (modes - 1) / (2 n) is what chance makes of it.
    assert found["reverse_kl"] < 5 * 7 / 5000


def test_class_coverage_counts_classes():
    assert class_coverage(np.arange(1000).repeat(3), 1000) == {"modes": 1000, "reverse_kl": 0.0}
    found = class_coverage(np.arange(100), 1000)
    assert found["modes"] == 100
    assert found["reverse_kl"] == pytest.approx(math.log(10), abs=1e-12)
    assert class_coverage(np.zeros(7, np.int32), 1000) == {
        "modes": 1,
        "reverse_kl": pytest.approx(math.log(1000), abs=1e-12),
    }


@pytest.mark.parametrize(
    ("classes", "received"),
    [
        ([0, 10], "from 0 to 10"),
        ([-1, 3], "from -1 to 3"),
        ([0.5], "float64"),
        (np.empty(0, int), r"int64 \(0,\)"),
        (np.zeros((2, 10), int), r"int64 \(2, 10\)"),
    ],
)
def test_what_are_no_classes_is_refused(classes, received):
    with pytest.raises(ValueError, match=f"expected .* Received: {received}"):
        class_coverage(np.array(classes), 10)
