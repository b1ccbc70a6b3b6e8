"""Inception Score: its bounds, the reference restated, and the identity of the two entropies."""

import math

import numpy as np
import pytest
from scipy import special

from gans.metrics.inception_score import inception_score


def random_logits(count=103, classes=7, seed=0, scale=2.0):
    random = np.random.default_rng(seed)
    return (scale * random.standard_normal((count, classes))).astype(np.float32)


def reference(logits, splits, order):
    """metric_isc.py of torch-fidelity, restated: the KL written out."""
    logits = logits[order].astype(np.float64)
    p, log_p = special.softmax(logits, axis=1), special.log_softmax(logits, axis=1)
    scores = []
    for i in range(splits):
        part = slice(i * len(p) // splits, (i + 1) * len(p) // splits)
        kl = p[part] * (log_p[part] - np.log(p[part].mean(axis=0)))
        scores.append(np.exp(kl.sum(axis=1).mean()))
    return np.mean(scores), np.std(scores)


@pytest.mark.parametrize("classes", [1, 2, 10, 1008])
def test_logits_without_opinion_score_one(classes):
    found = inception_score(np.full((20, classes), 3.5, np.float32))
    assert found.mean == pytest.approx(1.0, abs=1e-12)
    assert found.deviation == pytest.approx(0.0, abs=1e-12)
    # All in doubt: both entropies are as large as can be.
    assert found.marginal_entropy == pytest.approx(math.log(classes), abs=1e-12)
    assert found.conditional_entropy == pytest.approx(math.log(classes), abs=1e-12)


@pytest.mark.parametrize("classes", [2, 10, 1008])
def test_sure_logits_of_all_classes_score_their_number(classes):
    logits = 1e4 * np.tile(np.eye(classes, dtype=np.float32), (3, 1))
    found = inception_score(logits, splits=1)
    assert found.mean == pytest.approx(classes, rel=1e-12)
    assert found.marginal_entropy == pytest.approx(math.log(classes), rel=1e-12)
    assert found.conditional_entropy == 0.0


def test_a_single_class_scores_one_for_want_of_diversity():
    collapsed = inception_score(np.tile(np.float32([50, 0, 0]), (30, 1)))
    assert collapsed.mean == pytest.approx(1.0, abs=1e-12)
    assert collapsed.marginal_entropy < 1e-15 and collapsed.conditional_entropy < 1e-15


def test_by_hand():
    """p = (1, 0), (1/2, 1/2): H(y) of (3/4, 1/4) less half of log 2."""
    found = inception_score(np.array([[0.0, -1e4], [0.0, 0.0]]), splits=1)
    marginal = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert found.marginal_entropy == pytest.approx(marginal, rel=1e-15)
    assert found.conditional_entropy == pytest.approx(math.log(2) / 2, rel=1e-15)
    assert found.mean == pytest.approx(math.exp(marginal - math.log(2) / 2), rel=1e-15)
    assert found.deviation == 0.0


@pytest.mark.parametrize("splits", [1, 3, 10, 103])
def test_it_is_the_reference(splits):
    logits = random_logits()
    found = inception_score(logits, splits)
    order = np.random.RandomState(2020).permutation(len(logits))
    mean, deviation = reference(logits, splits, order)
    assert found.mean == pytest.approx(mean, rel=1e-12)
    assert found.deviation == pytest.approx(deviation, rel=1e-9, abs=1e-12)
    assert found.splits == splits


def test_the_seed_decides_the_parts_and_nothing_else():
    logits = random_logits()
    first, again, other = (inception_score(logits, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.mean != other.mean
    assert first.marginal_entropy == pytest.approx(other.marginal_entropy, rel=1e-14)


def test_fakes_that_come_sorted_need_the_shuffle():
    """100 of each of 10 classes: without it each part is of one class, and scores 1."""
    logits = 100 * np.eye(10, dtype=np.float32).repeat(100, axis=0)
    assert reference(logits, 10, slice(None))[0] == pytest.approx(1.0, abs=1e-12)
    assert inception_score(logits).mean > 9


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
def test_of_one_part_the_score_is_the_difference_of_the_entropies(scale):
    found = inception_score(random_logits(scale=scale), splits=1)
    difference = found.marginal_entropy - found.conditional_entropy
    assert found.mean == pytest.approx(math.exp(difference), rel=1e-14)
    assert difference >= 0 and found.marginal_entropy <= math.log(7)


def test_quality_and_diversity_are_told_apart():
    """A dropped half of the classes, and classes told with doubt, may have the same score."""
    sure = np.tile(np.eye(8)[:4], (2, 1))
    doubtful = (np.eye(8) + np.roll(np.eye(8), 1, axis=1)) / 2
    logits = (np.where(rows > 0, np.log(np.maximum(rows, 0.1)), -1e4) for rows in (sure, doubtful))
    dropped, blurred = (inception_score(rows, splits=1) for rows in logits)
    assert dropped.mean == pytest.approx(4.0) and blurred.mean == pytest.approx(4.0)
    assert (dropped.marginal_entropy, dropped.conditional_entropy) == (
        pytest.approx(math.log(4)),
        0.0,
    )
    assert blurred.marginal_entropy == pytest.approx(math.log(8))
    assert blurred.conditional_entropy == pytest.approx(math.log(2))


@pytest.mark.parametrize("shift", [-1e30, 1e30, 3e38])
def test_huge_logits_do_not_overflow(shift):
    logits = np.full((10, 3), shift, np.float32)
    logits[np.arange(10), np.arange(10) % 3] = 0.0
    found = inception_score(logits, splits=1)
    assert np.isfinite([found.mean, found.marginal_entropy, found.conditional_entropy]).all()


@pytest.mark.parametrize(("count", "splits"), [(9, 10), (0, 1), (3, 0)])
def test_fewer_pictures_than_parts_are_refused(count, splits):
    with pytest.raises(ValueError, match=f"as parts or more. Received: {count}, {splits}"):
        inception_score(np.zeros((count, 3)), splits)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="expected finite logits"):
        inception_score(np.full((10, 3), np.nan))
