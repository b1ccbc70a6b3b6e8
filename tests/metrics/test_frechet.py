"""Moments against NumPy's own, the Frechet distance against closed forms and SciPy's root."""

import numpy as np
import pytest
from scipy import linalg

from gans.metrics import frechet
from gans.metrics.feature_sets import Moments
from gans.metrics.frechet import frechet_distance


def gaussians(count, size, seed=0, mean=0.0):
    """Rows of a Gaussian whose covariance has no pattern."""
    random = np.random.default_rng(seed)
    return random.standard_normal((count, size)) @ random.standard_normal((size, size)) + mean


def exact_rows(mean, covariance):
    """Few rows with exactly these moments, up to rounding."""
    size = len(mean)
    corners = np.concatenate([np.eye(size), -np.eye(size)]) * np.sqrt((2 * size - 1) / 2)
    return corners @ linalg.sqrtm(np.asarray(covariance, float)).real + mean


def by_the_reference(a, b):
    """fid.py of TTUR: one pass, sqrtm of the product."""
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    root = linalg.sqrtm(cov_a @ cov_b).real
    return np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root)


@pytest.mark.parametrize(("count", "size"), [(5000, 8), (40, 64), (2, 3), (65, 64)])
def test_identical_sets_are_at_no_distance(count, size):
    moments = Moments.of(gaussians(count, size, mean=10.0))
    again = Moments.of(gaussians(count, size, mean=10.0))
    assert 0 <= frechet_distance(moments, again) < 1e-13 * np.trace(moments.sums().covariance)


def test_a_shift_costs_its_square():
    rows, shift = gaussians(500, 4), np.array([3.0, 0.0, -4.0, 12.0])
    moved = frechet_distance(Moments.of(rows), Moments.of(rows + shift))
    assert moved == pytest.approx(169.0, rel=1e-12)


def test_diagonal_covariances_have_a_closed_form():
    a, b = np.array([4.0, 9.0, 1.0, 0.25]), np.array([1.0, 16.0, 1.0, 6.25])
    zero = np.zeros(4)
    found = frechet_distance(
        Moments.of(exact_rows(zero, np.diag(a))), Moments.of(exact_rows(zero, np.diag(b)))
    )
    # (2 - 1)^2 + (3 - 4)^2 + 0 + (0.5 - 2.5)^2.
    assert found == pytest.approx(6.0, rel=1e-12)


def test_a_turned_gaussian_by_hand():
    """[[5, 4], [4, 5]] has the eigenvalues 9 and 1 along the diagonals, the identity 1 and 1."""
    turned = Moments.of(exact_rows([1.0, 0.0], [[5.0, 4.0], [4.0, 5.0]]))
    round_ = Moments.of(exact_rows([0.0, 0.0], np.eye(2)))
    assert frechet_distance(turned, round_) == pytest.approx(1 + (3 - 1) ** 2, rel=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5, 30, 100])
def test_full_rank_agrees_with_sqrtm(size):
    a = gaussians(4 * size + 10, size, seed=1)
    b = gaussians(3 * size + 10, size, seed=2, mean=0.5)
    found = frechet_distance(Moments.of(a), Moments.of(b))
    expected = (
        by_the_reference(a, b)
        if size > 1
        else ((a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2)
    )
    assert found == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(Moments.of(b), Moments.of(a)) == pytest.approx(found, rel=1e-12)


def test_it_scales_with_the_square_of_the_features():
    a, b = gaussians(90, 6, seed=1), gaussians(70, 6, seed=2, mean=1.0)
    once = frechet_distance(Moments.of(a), Moments.of(b))
    for scale in (1e-12, 1e12):
        scaled = frechet_distance(Moments.of(scale * a), Moments.of(scale * b))
        assert scaled == pytest.approx(scale**2 * once, rel=1e-9)


def test_without_full_rank_what_is_missing_counts_for_nothing():
    """Rows in the first 3 of 40 dimensions: the distance is that of 3."""
    a, b = gaussians(20, 3, seed=1), gaussians(25, 3, seed=2)
    expected = by_the_reference(a, b)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((40, 40)))[0]
    wide = [np.pad(rows, [(0, 0), (0, 37)]) @ turn for rows in (a, b)]
    assert frechet_distance(*map(Moments.of, wide)) == pytest.approx(expected, rel=1e-12)
    # More rows than dimensions are no help where the rows do not leave a plane.
    many = [np.tile(rows, (3, 1)) for rows in wide]
    expected = by_the_reference(*(np.tile(rows, (3, 1)) for rows in (a, b)))
    assert frechet_distance(*map(Moments.of, many)) == pytest.approx(expected, rel=1e-12)


def test_one_dimension_that_is_missing_is_none():
    """Of a singular matrix Cholesky may by chance make a root, with 1e-8 where there is nothing."""
    for seed in range(20):
        flat = gaussians(30, 3, seed) @ np.random.default_rng([seed, 1]).standard_normal((3, 4))
        root = frechet._root(Moments.of(flat).sums())
        assert root.shape == (4, 3)
        np.testing.assert_allclose(root @ root.T, np.cov(flat, rowvar=False), rtol=0, atol=1e-12)


def test_fewer_rows_than_features_have_a_closed_form():
    """R1^T R2 by the rows themselves: the nuclear norm of the products of centred rows."""
    a, b = gaussians(12, 50, seed=1), gaussians(9, 50, seed=2)
    centred = [(rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1) for rows in (a, b)]
    overlap = np.linalg.norm(centred[0] @ centred[1].T, "nuc")
    shift = a.mean(axis=0) - b.mean(axis=0)
    expected = shift @ shift + sum(np.sum(rows**2) for rows in centred) - 2 * overlap
    assert frechet_distance(Moments.of(a), Moments.of(b)) == pytest.approx(expected, rel=1e-12)


def test_constant_features_are_no_error():
    """A dead unit; all of them dead; a collapsed generator."""
    rows = gaussians(50, 4)
    rows[:, 2] = 7.0
    other = gaussians(60, 4, seed=1)
    other[:, 2] = 5.0
    expected = by_the_reference(np.delete(rows, 2, 1), np.delete(other, 2, 1)) + 4.0
    assert frechet_distance(Moments.of(rows), Moments.of(other)) == pytest.approx(expected)
    collapsed = Moments.of(np.repeat(rows[:1], 9, axis=0))
    assert frechet_distance(collapsed, collapsed) < 1e-30
    spread = Moments.of(rows)
    expected = np.sum((spread.sums().mean - rows[0]) ** 2) + np.trace(spread.sums().covariance)
    assert frechet_distance(spread, collapsed) == pytest.approx(expected, rel=1e-12)


def test_few_rows_are_too_far_by_chance():
    """Two samples of one Gaussian: the distance falls with the number of rows, to 0."""
    found = []
    for count in (50, 500, 5000):
        a, b = (
            np.random.default_rng([count, seed]).standard_normal((count, 10)) for seed in (1, 2)
        )
        found.append(frechet_distance(Moments.of(a), Moments.of(b)))
    assert found[0] > 5 * found[1] > 25 * found[2] > 0


def test_different_widths_are_refused():
    with pytest.raises(ValueError, match="moments of one width. Received: 2 and 3 features"):
        frechet_distance(Moments.of(gaussians(5, 2)), Moments.of(gaussians(5, 3)))
