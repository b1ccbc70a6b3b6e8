"""Kernel distance: by hand, by a naive loop, by the reference, and without bias."""

import re

import numpy as np
import pytest

from gans.metrics.kernel_distance import kernel_distance, polynomial_kernel, squared_mmd


def gaussians(count, size, seed=0, mean=0.0):
    return np.random.default_rng(seed).standard_normal((count, size)) + mean


def naive(x, y):
    """The definition, pair by pair."""

    def kernel(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(rows):
        pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        return sum(kernel(rows[i], rows[j]) for i, j in pairs) / len(pairs)

    across = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * across


def test_the_kernel_by_hand():
    x, y = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[3.0, -1.0], [2.0, 2.0], [-2.0, 0.0]])
    # x . y / 2 + 1 is 1.5, 4, 0 for the first row.
    np.testing.assert_array_equal(polynomial_kernel(x, y), [[3.375, 64, 0], [1, 1, 1]])


def test_numbers_by_hand():
    """Pairs: 1 * 0 -> 1 within x; 1 * 2 -> 27 within y; across 8, 27, 1, 1 -> 9.25."""
    x, y = np.array([[1.0], [0.0]]), np.array([[1.0], [2.0]])
    assert squared_mmd(x, y) == 1 + 27 - 2 * 9.25
    found = kernel_distance(x, y)
    assert found.mean == 9.5
    assert (found.deviation, found.subsets, found.subset_size) == (0.0, 1, 2)


@pytest.mark.parametrize(("n", "m", "size"), [(2, 2, 1), (7, 7, 3), (5, 9, 4)])
def test_it_is_the_double_loop(n, m, size):
    x, y = gaussians(n, size), gaussians(m, size, seed=1, mean=0.7)
    assert squared_mmd(x, y) == pytest.approx(naive(x, y), rel=1e-12)


def test_it_is_the_same_either_way_round():
    x, y = gaussians(30, 5), gaussians(30, 5, seed=1, mean=0.5)
    assert squared_mmd(x, y) == pytest.approx(squared_mmd(y, x), rel=1e-12)
    forth, back = kernel_distance(x, y), kernel_distance(y, x)
    assert forth.mean == pytest.approx(back.mean, rel=1e-12)


def test_the_subsets_are_torch_fidelitys():
    """NumPy's old generator, real and fake in turn from one stream, np.std of the results."""
    real, fake = gaussians(50, 4).astype("f4"), gaussians(40, 4, seed=1, mean=0.3).astype("f4")
    random, expected = np.random.RandomState(2020), []
    for _ in range(8):
        a = real[random.choice(50, 12, replace=False)]
        b = fake[random.choice(40, 12, replace=False)]
        expected.append(naive(a.astype(float).tolist(), b.astype(float).tolist()))
    found = kernel_distance(real, fake, subsets=8, subset_size=12)
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-11)
    assert found.deviation == pytest.approx(np.std(expected), rel=1e-11)


def test_it_is_not_biased():
    """200 draws of two samples of one distribution: the mean is 0 within 3 standard errors."""
    random = np.random.default_rng(0)
    draws = [squared_mmd(*random.standard_normal((2, 12, 3))) for _ in range(200)]
    error = np.std(draws, ddof=1) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 3 * error
    # The biased estimate, which takes each row with itself, would not pass.
    x = random.standard_normal((12, 3))
    diagonal = np.mean(np.diagonal(polynomial_kernel(x, x)) - polynomial_kernel(x, x).mean())
    assert diagonal / 12 > 3 * error


def test_it_estimates_the_distance_of_the_distributions():
    """Points at 1 and points at -1, d = 1: 8 + 8 - 2 * 0, whatever their number."""
    ones = np.ones((5, 1))
    assert squared_mmd(ones, -ones) == 16.0
    # In two dimensions x . y / 2 is 1 within and 0 across.
    assert squared_mmd(np.sqrt(2) * np.eye(2)[[0, 0]], np.sqrt(2) * np.eye(2)[[1, 1]]) == (
        pytest.approx(8 + 8 - 2)
    )


def test_rows_of_float32_are_multiplied_in_float64():
    """Features of 4096.0 and 4097.0: cubes of 1e7 have no digits of float32 left for 1."""
    x = np.float32([[4096.0], [4097.0], [4098.0]])
    y = x + np.float32(0.5)
    assert squared_mmd(x, y) == pytest.approx(naive(x.astype(float), y.astype(float)), rel=1e-6)


def test_a_thousand_of_each_is_the_default():
    real, fake = gaussians(1500, 2), gaussians(1200, 2, seed=1)
    found = kernel_distance(real, fake, subsets=3)
    assert (found.subsets, found.subset_size) == (3, 1000)
    assert found.deviation > 0


@pytest.mark.parametrize(("n", "m", "subsets", "size"), [(30, 30, 1, 30), (40, 30, 6, 30)])
def test_of_few_pictures_a_subset_is_all_of_the_smaller_set(n, m, subsets, size):
    found = kernel_distance(gaussians(n, 2), gaussians(m, 2, seed=1), subsets=6)
    assert (found.subsets, found.subset_size) == (subsets, size)
    assert (found.deviation > 0) == (subsets > 1)


def test_the_seed_is_all_the_chance_there_is():
    real, fake = gaussians(40, 3), gaussians(50, 3, seed=1)
    first, again, other = (
        kernel_distance(real, fake, subsets=4, subset_size=20, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again and first.mean != other.mean


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"subset_size": 31}, "100 of 31"),
        ({"subset_size": 1}, "100 of 1"),
        ({"subsets": 0}, "0 of 30"),
    ],
)
def test_subsets_that_cannot_be_drawn_are_refused(options, received):
    with pytest.raises(ValueError, match=f"of 2 to 30 pictures. Received: {received}$"):
        kernel_distance(gaussians(30, 2), gaussians(40, 2), **options)


def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="of one width. Received: 2 and 3"):
        kernel_distance(gaussians(9, 2), gaussians(9, 3))
    with pytest.raises(ValueError, match=re.escape("2 to 1 pictures. Received: 100 of 1")):
        kernel_distance(gaussians(1, 2), gaussians(9, 2))
    with pytest.raises(ValueError, match="finite features of fakes"):
        kernel_distance(gaussians(9, 2), gaussians(9, 2) * np.inf)
