"""Precision, recall, density, coverage and neighbours: by hand, by the whole matrix, by design."""

import itertools
import re

import numpy as np
import pytest

from gans.metrics import neighbours
from gans.metrics.neighbours import nearest, prdc


def line(*places):
    return np.float32(places)[:, np.newaxis]


def gaussians(count, size, seed=0, mean=0.0):
    random = np.random.default_rng([count, size, seed])
    return (random.standard_normal((count, size)) + mean).astype(np.float32)


def naive(real, fake, k, precision_k):
    """The definitions on whole matrices of differences."""

    def squared(a, b):
        difference = a[:, np.newaxis].astype(np.float64) - b
        return np.sum(difference**2, axis=-1)

    def radius(rows, k):
        # The first of the sorted distances is that to itself.
        return np.sort(squared(rows, rows), axis=1)[:, k]

    across = squared(real, fake)
    precise = (across <= radius(real, precision_k)[:, np.newaxis]).any(axis=0)
    recalled = (across <= radius(fake, precision_k)).any(axis=1)
    inside = across < radius(real, k)[:, np.newaxis]
    return {
        "precision": precise.mean(),
        "recall": recalled.mean(),
        "density": inside.sum() / (k * len(fake)),
        "coverage": inside.any(axis=1).mean(),
    }


# Precision, recall, density, coverage.


def test_by_hand_on_a_line():
    """k = 1. Radii of the real ones at 0, 1, 3, 7: 1, 1, 2, 4; of the fakes at 2, 2.5, 20: 0.5,
    0.5, 17.5.

    2 lies in the balls of 1 (at its edge), 3; 2.5 in that of 3; 20 in none.
    0, 1, 3, 7 lie 2, 1, 0.5 (at the edge of 2.5's), 4.5 from the near fakes; all but 0 and 1 lie
    in the ball of 20, 3 and 7, where 3 is 17 away and 7 is 13.
    """
    real, fake = line(0, 1, 3, 7), line(2, 2.5, 20)
    found = prdc(real, fake, k=1)
    assert found == {
        "precision": pytest.approx(2 / 3),
        "recall": 2 / 4,
        # Without edges: 2 in that of 3; 2.5 in that of 3. 7 is 4.5 from 2.5 and has radius 4.
        "density": pytest.approx(2 / 3),
        "coverage": 1 / 4,
    }


def test_each_pair_of_measures_has_its_k():
    """Real at 0, 1, 3, 7. k = 2: radii 3, 2, 3, 6; k = 3: 7, 6, 4, 7."""
    real, fake = line(0, 1, 3, 7), line(2, 2.5, 2.75, 13.5)
    # 13.5 is 6.5 from 7: within 7, not within 6.
    assert prdc(real, fake, k=2)["precision"] == 3 / 4
    assert prdc(real, fake, k=3)["precision"] == 1.0
    mixed = prdc(real, fake, k=2, precision_k=3)
    assert mixed["precision"] == 1.0
    # In balls of k = 2: 2 in 0's, 1's, 3's and 7's, 2.5 in all four, 2.75 in all four.
    assert mixed["density"] == pytest.approx((4 + 4 + 4) / (2 * 4))
    assert mixed == prdc(real, fake, 3) | {
        name: prdc(real, fake, 2)[name] for name in ("density", "coverage")
    }


@pytest.mark.parametrize(("k", "precision_k"), [(5, None), (5, 3), (1, 7)])
@pytest.mark.parametrize(("n", "m", "size"), [(60, 60, 2), (40, 90, 5), (90, 40, 64)])
@pytest.mark.parametrize("block", [1, 200, 2**24])
def test_it_is_the_whole_matrix(monkeypatch, n, m, size, k, precision_k, block):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    monkeypatch.setattr(neighbours, "ROWS", 33)
    real, fake = gaussians(n, size), gaussians(m, size, mean=0.5)
    expected = naive(real, fake, k, precision_k or k)
    assert min(expected.values()) > 0
    found = prdc(real, fake, k, precision_k)
    assert found == {name: pytest.approx(value, abs=1e-15) for name, value in expected.items()}


@pytest.mark.parametrize("offset", [0, 1000, 123456])
@pytest.mark.parametrize("seed", range(4))
def test_ties_are_decided_by_the_definitions(seed, offset):
    """Points of a small grid: hardly a distance that is not a radius, and copies everywhere.

    A mean that float64 does not have makes roundings of all these.
    """
    random = np.random.default_rng(seed)
    real, fake = (random.integers(0, 4, (n, 3)).astype(np.float32) for n in (70, 50))
    expected = naive(real, fake, 5, 3)
    assert prdc(real + offset, fake + offset, 5, 3) == {
        name: pytest.approx(value, abs=1e-15) for name, value in expected.items()
    }


def test_copies_have_balls_without_inside():
    """All 10 the same: a radius of 0. With its edge the ball has the copies, without it nothing."""
    copies = np.tile(gaussians(1, 300), (10, 1))
    assert prdc(copies, copies, k=5) == {
        "precision": 1.0,
        "recall": 1.0,
        "density": 0.0,
        "coverage": 0.0,
    }
    # The nearest float32 is no copy.
    other = copies.copy()
    other[:, 7] = np.nextafter(other[:, 7], np.float32(np.inf))
    assert set(prdc(copies, other, k=5).values()) == {0.0}


def test_a_set_against_itself():
    """Each fake lies on its real one, which k - 1 others of its ball join: density 1."""
    rows = gaussians(200, 8)
    assert prdc(rows, rows) == {
        "precision": 1.0,
        "recall": 1.0,
        "density": pytest.approx(1.0, abs=1e-15),
        "coverage": 1.0,
    }


def test_far_from_the_origin_nothing_changes():
    """A mean of 1e4 in each of 50 dimensions: |x|^2 has 5e9, distances 1e2."""
    random = np.random.default_rng(0)
    # Multiples of 1/64: exact in float32 with the mean and without it.
    real, fake = (np.round(64 * random.standard_normal((80, 50))) / 64 for _ in range(2))
    near = prdc(real, fake)
    assert prdc(real + 1e4, fake + 1e4) == near
    assert prdc((real + 1e4).astype("f4"), (fake + 1e4).astype("f4")) == near
    # Fakes far away are as near to each other as before.
    radii = [neighbours._radii(rows, (3,), 1e-15)[0][0] for rows in (fake, fake + 1e9)]
    np.testing.assert_allclose(*radii, rtol=1e-6)


def expected_coverage(real: int, fake: int, k: int = 5) -> float:
    """Coverage on average where both sets are of one continuous distribution, whichever that is.

    A ball is empty where the k pictures nearest to its centre, of n - 1 real ones and m fakes, are
    all real (Naeem et al., section 3.3). Of many of each it is 1 - 1 / 2^k. The density is then 1.
    """
    places = np.arange(k)
    return float(1 - np.prod((real - 1 - places) / (real + fake - 1 - places)))


def test_both_sets_of_one_distribution():
    """Coverage and density on average are known, whatever the distribution."""
    found = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        real, fake = random.standard_exponential((40, 3)), random.standard_exponential((30, 3))
        found.append(prdc(real, fake, k=4))
    for name, expected in (("coverage", expected_coverage(40, 30, 4)), ("density", 1.0)):
        values = [one[name] for one in found]
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - expected) < 3 * error
        assert error < 0.02


def test_expected_coverage_by_hand():
    # One other real picture, two fakes: the nearest of three is real once in three times.
    assert expected_coverage(2, 2, 1) == pytest.approx(2 / 3)
    # 2 of 4 are real: both of the nearest two once in six times.
    assert expected_coverage(3, 2, 2) == pytest.approx(5 / 6)
    assert expected_coverage(10**6, 10**6) == pytest.approx(1 - 2**-5, abs=1e-5)


MODES = 20.0 * np.array(list(itertools.product((0, 1), repeat=3)), np.float32)


def mixture(modes, each, seed):
    """So many of each of these corners of a cube."""
    corners = MODES[list(modes)].repeat(each, axis=0)
    return corners + gaussians(len(corners), 3, seed)


@pytest.mark.parametrize("dropped", [1, 2, 4, 7])
def test_dropped_modes_are_missed_by_recall_and_coverage_only(dropped):
    real, fake = mixture(range(8), 100, seed=1), mixture(range(8 - dropped), 100, seed=2)
    found, whole = prdc(real, fake), prdc(real, mixture(range(8), 100, seed=2))
    kept = 1 - dropped / 8
    assert found["precision"] > 0.95
    assert found["recall"] == pytest.approx(kept * whole["recall"], abs=0.01)
    assert found["coverage"] == pytest.approx(kept * whole["coverage"], abs=0.01)
    assert found["density"] == pytest.approx(1.0, abs=0.1)


def test_a_dropped_mode_of_exact_copies_is_its_share():
    real = mixture(range(8), 50, seed=1)
    found = prdc(real, real[: 6 * 50])
    assert found["precision"] == 1.0
    assert found["recall"] == found["coverage"] == 6 / 8


@pytest.mark.parametrize("junk", [1, 2, 4])
def test_modes_of_junk_are_missed_by_precision_and_density_only(junk):
    real, fake = mixture(range(8), 100, seed=1), mixture(range(8), 100, seed=2)
    # In the middle of the cube, where nothing real is.
    middle = gaussians(100 * junk, 3, mean=10)
    found, whole = prdc(real, np.concatenate([fake, middle])), prdc(real, fake)
    good = 8 / (8 + junk)
    assert found["precision"] == pytest.approx(good * whole["precision"], rel=1e-12)
    assert found["density"] == pytest.approx(good * whole["density"], rel=1e-12)
    assert found["coverage"] == whole["coverage"]
    assert found["recall"] >= whole["recall"]


def test_a_single_outlier_is_believed_by_recall_and_not_by_coverage():
    real, fake = gaussians(100, 2), gaussians(100, 2, mean=30.0)
    assert set(prdc(real, fake).values()) == {0.0}
    # Its neighbours are further away than the real pictures are.
    fake[0] = -1e4, 0
    found = prdc(real, fake)
    assert found["recall"] == 1.0
    assert found["coverage"] == found["precision"] == found["density"] == 0.0


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"k": 0}, "0 and 0, of 9 real and 6 fake pictures"),
        ({"k": 6}, "6 and 6, of 9 real and 6 fake pictures"),
        ({"k": 5, "precision_k": 6}, "5 and 6, of 9"),
        ({"k": 3, "precision_k": 0}, "3 and 0, of 9"),
    ],
)
def test_more_neighbours_than_there_are_is_refused(options, received):
    assert prdc(gaussians(9, 2), gaussians(6, 2), k=5)["precision"] > 0
    with pytest.raises(ValueError, match=f"fewer than pictures. Received: {received}"):
        prdc(gaussians(9, 2), gaussians(6, 2), **options)


def test_sets_that_do_not_fit_are_refused():
    for compare in (prdc, nearest):
        with pytest.raises(ValueError, match="features of one width"):
            compare(gaussians(9, 2), gaussians(9, 3))
        with pytest.raises(ValueError, match="finite features"):
            compare(gaussians(9, 2), gaussians(9, 2) * np.nan)


# Nearest neighbours.


def test_neighbours_by_hand():
    indices, distances = nearest(line(5, 0), line(1, 9, 4, 7), 3)
    np.testing.assert_array_equal(indices, [[2, 3, 0], [0, 2, 3]])
    np.testing.assert_array_equal(distances, [[1, 2, 4], [1, 4, 7]])


@pytest.mark.parametrize("block", [1, 100, 2**24])
@pytest.mark.parametrize("count", [1, 4, 50])
def test_neighbours_are_those_of_the_whole_matrix(monkeypatch, block, count):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    monkeypatch.setattr(neighbours, "ROWS", 7)
    queries, references = gaussians(20, 6, mean=100), gaussians(50, 6, seed=1, mean=100)
    whole = np.linalg.norm(queries[:, None].astype(np.float64) - references, axis=-1)
    indices, distances = nearest(queries, references, count)
    assert indices.dtype == int and distances.dtype == np.float64
    np.testing.assert_array_equal(indices, np.argsort(whole, axis=1)[:, :count])
    np.testing.assert_allclose(distances, np.sort(whole, axis=1)[:, :count], rtol=1e-14)


def test_a_copy_is_at_no_distance_and_the_first_of_equals_comes_first():
    references = np.tile(gaussians(5, 300, mean=50), (4, 1))
    indices, distances = nearest(references[[3, 0]], references, 5)
    np.testing.assert_array_equal(indices[:, :4], [[3, 8, 13, 18], [0, 5, 10, 15]])
    assert not distances[:, :4].any() and (distances[:, 4] > 1).all()
    # Fewer than there are copies: the first of them.
    np.testing.assert_array_equal(nearest(references[[3]], references, 2)[0], [[3, 8]])
    # A float32 beside a copy is told from it.
    query = references[[3]].copy()
    query[0, 0] = np.nextafter(query[0, 0], np.float32(np.inf))
    exact = float(query[0, 0]) - float(references[3, 0])
    assert nearest(query, references)[1][0, 0] == pytest.approx(exact, rel=1e-14)


def test_copies_cost_no_more_than_one(monkeypatch):
    """A collapsed generator: without this every one of n rows would take n distances again."""
    taken = []
    einsum = np.einsum

    def count(equation, rows, *others):
        taken.append(len(rows))
        return einsum(equation, rows, *others)

    rows = np.concatenate([np.tile(gaussians(1, 9), (50, 1)), gaussians(1, 9, seed=1)])
    monkeypatch.setattr(np, "einsum", count)
    indices, distances = nearest(rows, rows, 2)
    monkeypatch.undo()
    # The norms of both; of 50 rows the one that is there 50 times; of the last all that there are.
    assert taken == [51, 51, *[1] * 50, 2]
    np.testing.assert_array_equal(indices[:50], [[0, 1]] * 50)
    np.testing.assert_array_equal(indices[50], [50, 0])
    assert not distances[:50].any() and distances[50, 1] > 0


def test_rounding_does_not_choose_among_equals():
    """Integers in any order are equally far from 0; around their mean they are only nearly so."""
    random = np.random.default_rng(0)
    references = np.stack([random.permutation(100) for _ in range(40)]).astype(np.float32)
    indices, distances = nearest(np.zeros((1, 100), np.float32), references, 10)
    np.testing.assert_array_equal(indices[0], np.arange(10))
    assert set(distances[0]) == {np.sqrt(np.sum(np.arange(100.0) ** 2))}


def test_no_queries_have_no_neighbours():
    indices, distances = nearest(np.zeros((0, 2)), gaussians(5, 2), 3)
    assert indices.shape == distances.shape == (0, 3)


@pytest.mark.parametrize("count", [0, 6])
def test_more_neighbours_than_references_are_refused(count):
    with pytest.raises(ValueError, match=re.escape(f"1 to 5 neighbours. Received: {count}")):
        nearest(gaussians(3, 2), gaussians(5, 2), count)
