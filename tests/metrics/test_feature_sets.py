"""What is no set of features is refused in one line that says what is wrong."""

import io
import re

import numpy as np
import pytest

from gans.metrics.feature_sets import Moments, check, check_pair
from gans.metrics.frechet import frechet_distance


def gaussians(count, size, seed=0, mean=0.0):
    """Rows of a Gaussian whose covariance has no pattern."""
    random = np.random.default_rng(seed)
    return random.standard_normal((count, size)) @ random.standard_normal((size, size)) + mean


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_right_comes_back_as_it_is(dtype):
    features = np.zeros((3, 2), dtype)
    assert check(features) is features
    assert check(np.zeros((0, 2), dtype)).shape == (0, 2)


@pytest.mark.parametrize(
    ("features", "received"),
    [
        (np.zeros((3, 2), int), "int64 (3, 2)"),
        (np.zeros((3, 2), np.uint8), "uint8 (3, 2)"),
        (np.zeros(3), "float64 (3,)"),
        (np.zeros((3, 0)), "float64 (3, 0)"),
        (np.zeros((2, 2, 2), np.float32), "float32 (2, 2, 2)"),
    ],
)
def test_other_kinds_and_shapes_are_refused(features, received):
    with pytest.raises(ValueError, match=re.escape(f"(n, d). Received: {received}") + "$"):
        check(features)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_counted_and_placed(bad):
    features = np.zeros((5, 3), np.float32)
    features[2, 1] = features[4, 0] = features[4, 2] = bad
    with pytest.raises(ValueError, match=r"finite logits\. .* 2 of 5 rows, the first .* row 2$"):
        check(features, "logits")


def test_two_sets_have_one_width():
    real, fake = check_pair(np.zeros((3, 2)), np.ones((4, 2)))
    assert real.sum() == 0 and fake.sum() == 8
    with pytest.raises(ValueError, match=r"expected features of one width. Received: 2 and 3$"):
        check_pair(np.zeros((3, 2)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="finite features of fakes"):
        check_pair(np.zeros((3, 2)), np.full((3, 2), np.nan))


# Moments.


@pytest.mark.parametrize("count", [2, 3, 100, 2048, 2049, 5000])
def test_mean_and_covariance_are_numpys(count):
    rows = gaussians(count, 4, mean=3.0)
    moments = Moments.of(rows)
    assert (moments.count, moments.dimensions) == (count, 4)
    np.testing.assert_allclose(moments.sums().mean, rows.mean(axis=0), rtol=1e-13)
    expected = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(moments.sums().covariance, expected, rtol=1e-11, atol=1e-12)
    assert moments.sums().covariance.dtype == np.float64
    np.testing.assert_array_equal(moments.sums().covariance, moments.sums().covariance.T)


def test_a_large_mean_costs_no_digits():
    """E[x^2] - E[x]^2 in float64 would be off by 1e12 * 1e-16 = 1e-4, and is, below."""
    rows = gaussians(6000, 3, mean=1e6)
    expected = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(Moments.of(rows).sums().covariance, expected, rtol=1e-9)
    naive = rows.T @ rows / len(rows) - np.outer(rows.mean(axis=0), rows.mean(axis=0))
    assert np.abs(naive / expected - 1).max() > 1e-5


def test_blocks_with_different_means_are_joined():
    """Half of the rows at -5, half at 5: the spread is between the blocks, not in them."""
    rows = np.repeat([[-5.0, 1.0], [5.0, 1.0]], 2048, axis=0)
    moments = Moments.of(rows)
    np.testing.assert_array_equal(moments.sums().mean, [0.0, 1.0])
    np.testing.assert_allclose(
        moments.sums().covariance, [[25 * 4096 / 4095, 0], [0, 0]], rtol=1e-14
    )


@pytest.mark.parametrize("sizes", [[1] * 5000, [50] * 100, [4999, 1], [2048, 0, 2952]])
def test_the_bytes_do_not_depend_on_the_batches(sizes):
    rows = gaussians(5000, 3).astype(np.float32)
    whole, parts = Moments.of(rows), Moments()
    batch = np.empty((5000, 3), np.float32)
    for part in np.split(rows, np.cumsum(sizes)[:-1]):
        # The caller may use its array again.
        batch[: len(part)] = part
        parts.add(batch[: len(part)])
    assert parts.sums().covariance.tobytes() == whole.sums().covariance.tobytes()
    assert parts.sums().mean.tobytes() == whole.sums().mean.tobytes()


def test_asking_changes_nothing():
    rows = gaussians(3000, 3)
    asked, unasked = Moments(), Moments()
    for part in np.array_split(rows, 7):
        asked.add(part)
        unasked.add(part)
        asked.sums(), asked.to_arrays()
    assert asked.sums().covariance.tobytes() == unasked.sums().covariance.tobytes()


def test_float32_rows_are_summed_in_float64():
    rows = np.full((3000, 1), 16777217.0)
    rows[::2] = 16777219.0
    # float32 has neither of these; of its neighbours the mean is even.
    narrow = rows.astype(np.float32)
    assert Moments.of(narrow).sums().mean[0] == narrow.astype(np.float64).mean()
    assert Moments.of(narrow).sums().covariance[0, 0] == pytest.approx(
        np.var(narrow, ddof=1, dtype="f8")
    )


def test_the_arrays_give_back_the_same_bytes(tmp_path):
    moments = Moments.of(gaussians(3000, 5))
    file = io.BytesIO()
    np.savez(file, **moments.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        again = Moments.from_arrays(arrays)
    assert again.count == 3000
    assert again.sums().covariance.tobytes() == moments.sums().covariance.tobytes()
    assert again.sums().mean.tobytes() == moments.sums().mean.tobytes()
    assert frechet_distance(again, moments) == frechet_distance(moments, moments)
    kept = {name: array.copy() for name, array in moments.to_arrays().items()}
    given = Moments.from_arrays(kept)
    given.add(gaussians(100, 5, seed=1))
    assert given.count == 3100
    np.testing.assert_array_equal(kept["scatter"], moments.to_arrays()["scatter"])


def test_bad_rows_are_refused_and_leave_no_trace():
    moments = Moments.of(gaussians(10, 2))
    before = moments.sums().covariance
    bad = np.zeros((4, 2))
    bad[3, 0] = np.nan
    with pytest.raises(ValueError, match="expected finite features. Received: .* row 3$"):
        moments.add(bad)
    with pytest.raises(ValueError, match=re.escape("features (n, 2). Received: (4, 3)")):
        moments.add(np.zeros((4, 3)))
    assert moments.count == 10
    np.testing.assert_array_equal(moments.sums().covariance, before)


@pytest.mark.parametrize("count", [0, 1])
def test_one_row_has_no_covariance(count):
    moments = Moments.of(np.zeros((count, 2)))
    for ask in (
        moments.sums,
        moments.to_arrays,
        lambda: frechet_distance(moments, Moments.of(np.eye(2))),
    ):
        with pytest.raises(ValueError, match=f"at least 2 rows. Received: {count}"):
            ask()


def test_too_few_rows_for_full_rank_are_warned_of():
    few, enough = Moments.of(gaussians(7, 7)), Moments.of(gaussians(8, 7))
    assert few.warning().startswith("7 pictures are too few for 7 features")
    assert few.warning().endswith("8 or more are needed") and "\n" not in few.warning()
    assert enough.warning() is None
    ranks = [np.linalg.matrix_rank(moments.sums().covariance) for moments in (few, enough)]
    assert ranks == [6, 7]
