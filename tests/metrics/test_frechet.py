"""Moments against NumPy's own, the Frechet distance against closed forms and SciPy's root."""

import io
import re

import numpy as np
import pytest
from scipy import linalg

from gans.metrics import frechet
from gans.metrics.frechet import Moments, frechet_distance


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


# Moments.


@pytest.mark.parametrize("count", [2, 3, 100, 2048, 2049, 5000])
def test_mean_and_covariance_are_numpys(count):
    rows = gaussians(count, 4, mean=3.0)
    moments = Moments.of(rows)
    assert (moments.count, moments.dimensions) == (count, 4)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), rtol=1e-13)
    expected = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(moments.covariance, expected, rtol=1e-11, atol=1e-12)
    assert moments.covariance.dtype == np.float64
    np.testing.assert_array_equal(moments.covariance, moments.covariance.T)


def test_a_large_mean_costs_no_digits():
    """E[x^2] - E[x]^2 in float64 would be off by 1e12 * 1e-16 = 1e-4, and is, below."""
    rows = gaussians(6000, 3, mean=1e6)
    expected = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(Moments.of(rows).covariance, expected, rtol=1e-9)
    naive = rows.T @ rows / len(rows) - np.outer(rows.mean(axis=0), rows.mean(axis=0))
    assert np.abs(naive / expected - 1).max() > 1e-5


def test_blocks_with_different_means_are_joined():
    """Half of the rows at -5, half at 5: the spread is between the blocks, not in them."""
    rows = np.repeat([[-5.0, 1.0], [5.0, 1.0]], 2048, axis=0)
    moments = Moments.of(rows)
    np.testing.assert_array_equal(moments.mean, [0.0, 1.0])
    np.testing.assert_allclose(moments.covariance, [[25 * 4096 / 4095, 0], [0, 0]], rtol=1e-14)


@pytest.mark.parametrize("sizes", [[1] * 5000, [50] * 100, [4999, 1], [2048, 0, 2952]])
def test_the_bytes_do_not_depend_on_the_batches(sizes):
    rows = gaussians(5000, 3).astype(np.float32)
    whole, parts = Moments.of(rows), Moments()
    batch = np.empty((5000, 3), np.float32)
    for part in np.split(rows, np.cumsum(sizes)[:-1]):
        # The caller may use its array again.
        batch[: len(part)] = part
        parts.add(batch[: len(part)])
    assert parts.covariance.tobytes() == whole.covariance.tobytes()
    assert parts.mean.tobytes() == whole.mean.tobytes()


def test_asking_changes_nothing():
    rows = gaussians(3000, 3)
    asked, unasked = Moments(), Moments()
    for part in np.array_split(rows, 7):
        asked.add(part)
        unasked.add(part)
        asked.mean, asked.covariance, asked.to_arrays()
    assert asked.covariance.tobytes() == unasked.covariance.tobytes()


@pytest.mark.parametrize("first", [0, 1, 10, 404, 2048, 2100])
def test_merging_is_adding(first):
    rows = gaussians(4500, 3, mean=1e3)
    left, right = Moments(), Moments.of(rows[first:])
    if first:
        left.add(rows[:first])
    before = right.covariance
    left.merge(right)
    left.add(rows[:5])
    both = np.concatenate([rows, rows[:5]])
    assert left.count == 4505
    np.testing.assert_allclose(left.mean, both.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(left.covariance, np.cov(both, rowvar=False), rtol=1e-10)
    # The other stays as it is, whatever becomes of this one (404: its rows are whole blocks).
    left.merge(left)
    assert left.count == 9010
    np.testing.assert_array_equal(right.covariance, before)


def test_an_empty_one_adds_nothing():
    moments = Moments.of(gaussians(9, 2))
    moments.merge(Moments())
    assert moments.count == 9
    np.testing.assert_array_equal(moments.mean, gaussians(9, 2).mean(axis=0))


def test_float32_rows_are_summed_in_float64():
    rows = np.full((3000, 1), 16777217.0)
    rows[::2] = 16777219.0
    # float32 has neither of these; of its neighbours the mean is even.
    narrow = rows.astype(np.float32)
    assert Moments.of(narrow).mean[0] == narrow.astype(np.float64).mean()
    assert Moments.of(narrow).covariance[0, 0] == pytest.approx(np.var(narrow, ddof=1, dtype="f8"))


def test_the_arrays_give_back_the_same_bytes(tmp_path):
    moments = Moments.of(gaussians(3000, 5))
    file = io.BytesIO()
    np.savez(file, **moments.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = Moments.from_arrays(arrays)
    assert again.count == 3000
    assert again.covariance.tobytes() == moments.covariance.tobytes()
    assert again.mean.tobytes() == moments.mean.tobytes()
    assert frechet_distance(again, moments) == frechet_distance(moments, moments)
    kept = {name: array.copy() for name, array in moments.to_arrays().items()}
    given = Moments.from_arrays(kept)
    given.add(gaussians(100, 5, seed=1))
    given.merge(given)
    assert given.count == 6200
    np.testing.assert_array_equal(kept["scatter"], moments.to_arrays()["scatter"])


GOOD = {"count": np.array(3), "mean": np.zeros(2), "scatter": np.eye(2)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"count": None}, "Received: no count"),
        ({"scatter": None}, "Received: no scatter"),
        ({"count": np.array(1)}, "count of at least 2. Received: 1"),
        ({"count": np.array(3.0)}, "count of at least 2. Received: 3.0"),
        ({"count": np.array([3])}, "Received: [3]"),
        ({"mean": np.zeros((1, 2))}, "Received: (1, 2) and (2, 2)"),
        ({"mean": np.zeros(3)}, "Received: (3,) and (2, 2)"),
        ({"mean": np.zeros(2, np.float32)}, "expected float64. Received: float32 and float64"),
        ({"mean": np.array([0.0, np.nan])}, "Received: NaN or infinity"),
        ({"scatter": np.full((2, 2), np.inf)}, "Received: NaN or infinity"),
        ({"scatter": np.array([[1.0, 0.5], [0.0, 1.0]])}, "one that cannot be"),
        ({"scatter": -np.eye(2)}, "one that cannot be"),
    ],
)
def test_arrays_that_are_no_moments_are_refused(change, words):
    arrays = {name: array for name, array in {**GOOD, **change}.items() if array is not None}
    assert Moments.from_arrays(GOOD).count == 3
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        Moments.from_arrays(arrays)
    assert "\n" not in str(error.value)


def test_bad_rows_are_refused_and_leave_no_trace():
    moments = Moments.of(gaussians(10, 2))
    before = moments.covariance
    bad = np.zeros((4, 2))
    bad[3, 0] = np.nan
    with pytest.raises(ValueError, match="expected finite features. Received: .* row 3$"):
        moments.add(bad)
    with pytest.raises(ValueError, match=re.escape("features (n, 2). Received: (4, 3)")):
        moments.add(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="moments of 2 features. Received: 3"):
        moments.merge(Moments.of(np.zeros((4, 3))))
    assert moments.count == 10
    np.testing.assert_array_equal(moments.covariance, before)


@pytest.mark.parametrize("count", [0, 1])
def test_one_row_has_no_covariance(count):
    moments = Moments.of(np.zeros((count, 2)))
    for ask in (
        lambda: moments.mean,
        lambda: moments.covariance,
        moments.to_arrays,
        lambda: frechet_distance(moments, Moments.of(np.eye(2))),
    ):
        with pytest.raises(ValueError, match=f"at least 2 rows. Received: {count}"):
            ask()


def test_too_few_rows_for_full_rank_are_warned_of():
    few, enough = Moments.of(gaussians(7, 7)), Moments.of(gaussians(8, 7))
    assert few.full_rank_needs == enough.full_rank_needs == 8
    assert few.warning().startswith("7 pictures are too few for 7 features")
    assert few.warning().endswith("8 or more are needed") and "\n" not in few.warning()
    assert enough.warning() is None
    ranks = [np.linalg.matrix_rank(moments.covariance) for moments in (few, enough)]
    assert ranks == [6, 7]


# The distance.


@pytest.mark.parametrize(("count", "size"), [(5000, 8), (40, 64), (2, 3), (65, 64)])
def test_identical_sets_are_at_no_distance(count, size):
    moments = Moments.of(gaussians(count, size, mean=10.0))
    again = Moments.of(gaussians(count, size, mean=10.0))
    assert 0 <= frechet_distance(moments, again) < 1e-13 * np.trace(moments.covariance)


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
        root = frechet._root(Moments.of(flat)._total())
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
    expected = np.sum((spread.mean - rows[0]) ** 2) + np.trace(spread.covariance)
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
