"""What is measured of features: the right sets go to the right measures, with their counts."""

import numpy as np
import pytest
from gans.metrics.distribution import entropies, measure, measure_real, spacing, spread

from gans.metrics import distribution
from gans.metrics.feature_sets import Features, Moments
from gans.metrics.frechet import frechet_distance
from gans.metrics.inception_score import inception_score
from gans.metrics.kernel_distance import kernel_distance
from gans.metrics.neighbours import prdc


def features(rows, kept=None, logits=None):
    rows = np.asarray(rows, np.float32)
    indices = np.arange(len(rows)) if kept is None else np.asarray(kept)
    return Features(Moments.of(rows), rows[indices], logits, indices, "digest")


@pytest.fixture
def sets():
    random = np.random.default_rng(0)
    return random.standard_normal((60, 4)), random.standard_normal((40, 4)) + 0.5


def test_each_measure_is_of_its_own_sets_with_their_counts(sets):
    real, fake = features(sets[0], range(0, 60, 2)), features(sets[1], range(0, 40, 2))
    fake = Features(fake.moments, fake.kept, fake.kept[:, :3], fake.indices, "")
    found = measure(real, fake)
    assert tuple(found) == distribution.NAMES

    fd = found["fd"]
    assert fd.value == frechet_distance(Moments.of(sets[0].astype(np.float32)), fake.moments)
    assert (fd.facts, fd.deviation, fd.warning) == ({"n_real": 60, "n_fake": 40}, None, None)

    kernel = kernel_distance(real.kept, fake.kept)
    assert (found["kd"].value, found["kd"].deviation) == (kernel.mean, kernel.deviation)
    assert found["kd"].facts == {"n_real": 30, "n_fake": 20, "subsets": 100, "subset_size": 20}

    score = inception_score(fake.logits)
    assert (found["is"].value, found["is"].deviation) == (score.mean, score.deviation)
    assert found["is"].facts["splits"] == 10

    # As many of each: 20 of the 30 kept real rows, at even distances.
    a = real.kept[np.arange(20) * 30 // 20]
    for name, value in prdc(a, fake.kept, 5, 3).items():
        k = 3 if name in ("precision", "recall") else 5
        assert found[name].value == value
        assert found[name].facts == {"n_real": 20, "n_fake": 20, "k": k}
    assert found["spacing"].value == spacing(a, fake.kept)


def test_only_what_is_asked_for_is_measured(sets):
    real, fake = map(features, sets)
    assert tuple(measure(real, fake, ["recall", "fd"])) == ("fd", "recall")
    assert tuple(measure(real, fake, ["is"])) == ()  # There are no logits.
    assert distribution.GROUPS["prdc"] == ("precision", "density", "recall", "coverage")


def test_of_very_few_pictures_neighbours_are_left_out(sets):
    few = features(sets[0][:5])
    assert set(measure(few, few)) == {"fd", "kd", "spacing"}


def test_too_few_pictures_for_the_covariance_are_warned_of():
    rows = np.random.default_rng(0).standard_normal((6, 8))
    warning = measure(features(rows), features(rows), ["fd"])["fd"].warning
    assert "9" in warning  # What full rank in 8 dimensions needs.


def test_a_dropped_mode_costs_coverage_and_recall_and_no_precision():
    random = np.random.default_rng(0)
    modes = np.repeat(np.eye(4) * 100, 50, axis=0)
    real = modes + random.standard_normal(modes.shape)
    # Three of four modes, each met as often as by real ones.
    fake = np.repeat(np.eye(4)[:3] * 100, 50, axis=0) + random.standard_normal((150, 4))
    found = measure(features(real), features(fake))
    assert found["precision"].value > 0.8
    assert found["recall"].value == pytest.approx(0.75, abs=0.06)
    assert found["coverage"].value == pytest.approx(0.75, abs=0.06)
    assert found["spacing"].value == pytest.approx(1, abs=0.2)


def test_repeated_samples_show_in_the_spacing_alone():
    random = np.random.default_rng(0)
    real = random.standard_normal((200, 4))
    # Each of 100 places twice, nearly.
    fake = np.repeat(random.standard_normal((100, 4)), 2, axis=0)
    fake += 1e-3 * random.standard_normal(fake.shape)
    found = measure(features(real), features(fake))
    assert found["spacing"].value < 0.01
    assert found["precision"].value > 0.8
    assert found["coverage"].value > 0.8


def test_spacing_by_hand():
    line = np.array([[0.0], [1], [3], [7]])  # To the nearest: 1, 1, 2, 4; median 1.5.
    other = np.array([[0.0], [0.5], [1], [9]])  # 0.5, 0.5, 0.5, 8; median 0.5.
    assert spacing(line, other) == pytest.approx(1 / 3)
    assert np.isnan(spacing(np.zeros((4, 1)), line))


def test_spread_rows():
    assert spread(np.arange(10), 4).tolist() == [0, 2, 5, 7]
    assert spread(np.arange(3), 3).tolist() == [0, 1, 2]


def test_real_pictures_are_measured_half_against_half(sets):
    logits = np.random.default_rng(1).standard_normal((60, 3))
    real = features(sets[0], None, logits)
    found = measure_real(real)
    even, odd = features(sets[0][::2]), features(sets[0][1::2])
    expected = {name: part.value for name, part in measure(even, odd).items()}
    score = inception_score(logits)
    expected |= {
        "is": score.mean,
        "class_entropy": score.marginal_entropy,
        "sample_entropy": score.conditional_entropy,
    }
    assert found == expected


def test_entropies_are_those_of_the_score(sets):
    certain = np.log(np.eye(4)[np.arange(40) % 4] * (1 - 4e-9) + 1e-9)
    fake = features(sets[1], None, certain)
    found = entropies(measure(features(sets[0]), fake))
    assert found["class_entropy"] == pytest.approx(np.log(4))
    assert found["sample_entropy"] == pytest.approx(0, abs=1e-6)
    assert entropies(measure(features(sets[0]), features(sets[1]))) == {}
