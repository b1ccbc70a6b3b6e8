import math

import numpy as np
import pytest

from gans.metrics.codes import (
    NO_INFORMATION,
    angle_correlation,
    code_correlation,
    code_purity,
    conditional_accuracy,
    recovery_error,
)


def test_of_one_hot_labels_it_is_the_share_of_right_classes():
    asked = np.eye(3)[[0, 1, 2, 2]]
    found = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6]]
    assert conditional_accuracy(asked, found) == 3 / 4


def test_of_several_tags_as_many_are_taken_as_were_asked_for():
    asked = [[1, 1, 0, 0], [1, 0, 1, 0]]
    # The two most probable of the first are its first and third: one of two. Of the second both.
    found = [[0.9, 0.3, 0.8, 0.1], [0.3, 0.1, 0.2, 0.1]]
    assert conditional_accuracy(asked, found) == (1 / 2 + 1) / 2


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_picture_that_shows_all_tags_alike_shows_none(level):
    assert conditional_accuracy(np.eye(4), np.full((4, 4), level)) == 0.0


def test_what_was_not_asked_for_anything_is_left_out():
    assert conditional_accuracy([[0, 0], [0, 1]], [[0.9, 0.1], [0.2, 0.8]]) == 1.0
    assert np.isnan(conditional_accuracy([[0, 0]], [[0.9, 0.1]]))


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (2,)])
def test_shapes_must_agree(shape):
    with pytest.raises(ValueError, match=r"expected wanted and found .* Received: \(2, 2\) and"):
        conditional_accuracy(np.eye(2), np.zeros(shape))


def test_purity_by_hand():
    # Code 0: classes 1, 1, 2; code 1: 1, 1; code 2: 0, 2.
    codes, classes = [0, 0, 0, 1, 1, 2, 2], [1, 1, 2, 1, 1, 0, 2]
    assert code_purity(codes, classes) == (2 + 2 + 1) / 7
    # Code 1 takes class 1, so that code 0 is left with class 2 and code 2 with class 0: 1 + 2 + 1;
    # code 0 with 1, code 1 with none, code 2 with 0 or 2 is 3 only.
    assert code_purity(codes, classes, one_to_one=True) == 4 / 7


def test_codes_that_all_stand_for_one_class_are_pure_but_know_one_class_only():
    codes, classes = np.arange(10), np.full(10, 3)
    assert code_purity(codes, classes) == 1.0
    assert code_purity(codes, classes, one_to_one=True) == 1 / 10


def test_names_of_codes_do_not_matter():
    classes = np.arange(40) % 10
    codes = np.random.default_rng(0).permutation(10)[classes]
    assert code_purity(codes, classes) == code_purity(codes, classes, one_to_one=True) == 1.0


@pytest.mark.parametrize("codes", [[], [[0]], [0, 1]])
def test_purity_expects_a_class_for_each_code(codes):
    with pytest.raises(ValueError, match="expected codes and classes"):
        code_purity(codes, [] if not codes else [0])


def test_correlations_by_hand():
    codes = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]])
    factors = np.array([[-1.0, 1.0], [-8.0, 3.0], [-27.0, 2.0], [-64.0, 4.0]])
    # A falling cube is monotone; the second is out of order in one place: 1 - 6 * 2 / (4 * 15).
    ranks = code_correlation(codes, factors)
    np.testing.assert_allclose(ranks, [[1.0, 0.8], [0.0, 0.0]], atol=1e-12)
    # x: -1.5 .. 1.5, squares 5; y - mean: 24, 17, -2, -39; squares 2390; products -104.
    linear = code_correlation(codes, factors, ranks=False)
    assert linear[0, 0] == pytest.approx(104 / np.sqrt(5 * 2390))


def test_equal_values_share_a_rank():
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: 1.5 / sqrt(1.5 * 2).
    found = code_correlation([[0.0], [0.0], [1.0]], [[1.0], [2.0], [3.0]])
    assert found[0, 0] == pytest.approx(np.sqrt(0.75))


def test_what_could_not_be_measured_is_left_out():
    codes = np.array([[1.0], [2.0], [9.0], [3.0]])
    assert code_correlation(codes, [[1.0], [2.0], [np.nan], [3.0]])[0, 0] == pytest.approx(1.0)
    assert code_correlation(codes, np.full((4, 1), np.nan))[0, 0] == 0.0
    degrees = np.array([10.0, 100.0, np.nan, 250.0])
    assert angle_correlation(np.ones((4, 1)), degrees)[0] == 0.0


def test_an_angle_has_no_beginning():
    degrees = np.arange(0.0, 360.0, 10.0)
    waves = np.stack(
        [np.cos(np.radians(degrees + 77)), np.cos(2 * np.radians(degrees)), degrees], axis=1
    )
    found = angle_correlation(waves, degrees)
    assert found[0] == pytest.approx(1.0)
    assert found[1] == pytest.approx(0.0, abs=1e-9)
    # Of a ramp around the circle sqrt(6) / pi, were the steps not 10 but infinitely small.
    assert found[2] == pytest.approx(np.sqrt(6) / np.pi, rel=0.01)
    turned = angle_correlation(waves, degrees + 123)
    np.testing.assert_allclose(turned, found, atol=1e-9)


def test_of_opposite_angles_the_cosine_says_all():
    # The sine is a multiple of the cosine.
    found = angle_correlation(np.array([[1.0], [1.0], [2.0]]), np.array([30.0, 30.0, 210.0]))
    assert found[0] == pytest.approx(1.0)


def test_the_error_is_the_mean_distance_of_all_coordinates():
    z = np.float32([[1.0, -2.0], [0.5, 0.0]])
    recovered = np.float32([[1.5, 2.0], [0.5, -0.5]])
    assert recovery_error(z, recovered) == (0.5 + 4.0 + 0.0 + 0.5) / 4
    assert recovery_error(recovered, z) == recovery_error(z, recovered)


def test_a_perfect_reading_has_no_error():
    z = np.random.default_rng(0).standard_normal((100, 8))
    assert recovery_error(z, z.copy()) == 0.0


def test_reading_nothing_costs_the_mean_of_a_half_normal():
    assert pytest.approx(math.sqrt(2 / math.pi), abs=1e-15) == NO_INFORMATION
    count = 1_000_000
    z = np.random.default_rng(0).standard_normal((count // 8, 8))
    deviation = math.sqrt((1 - 2 / math.pi) / count)
    error = recovery_error(z, np.zeros_like(z))
    assert abs(error - NO_INFORMATION) < 4 * deviation
    # Zero is the best blind guess: any other constant is further off.
    assert recovery_error(z, np.full_like(z, 0.1)) > error


def test_a_reading_with_noise_costs_the_mean_of_the_noise():
    z, noise = np.random.default_rng(0).standard_normal((2, 100_000, 8))
    error = recovery_error(z, z + 0.1 * noise)
    assert error == pytest.approx(0.1 * NO_INFORMATION, rel=5e-3)
