"""What is measured of features: the right sets go to the right measures, with their counts."""

import numpy as np
import pytest

from gans.evaluation import table
from gans.evaluation.feature_comparison import PRDC, Comparison, FeaturePair, Reference, spacing
from gans.evaluation.image_sets import ImageSet
from gans.metrics.feature_sets import Features, Moments
from gans.metrics.frechet import frechet_distance
from gans.metrics.inception_score import inception_score
from gans.metrics.kernel_distance import kernel_distance
from gans.metrics.neighbours import prdc


class Pixels:
    """Features are the first pixels themselves; the first ten of them are logits too."""

    name, sha256 = "pixels", "none"

    def extract(self, images):
        rows = images.reshape(len(images), -1).astype(np.float32)
        return rows, rows[:, :10]

    def facts(self):
        return {"extractor": self.name, "extractor_sha256": self.sha256}


def image_set(images, split=None):
    return ImageSet(len(images), lambda: iter([images]), split)


def measure(real, fake, names=table.FEATURES):
    pair = FeaturePair(real, fake)
    return {name: pair.measure(name) for name in names if pair.can_measure(name)}


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
    assert tuple(found) == table.FEATURES

    fd = found["fd"]
    assert fd.value == frechet_distance(Moments.of(sets[0].astype(np.float32)), fake.moments)
    assert (fd.facts, fd.deviation) == ({"n_real": 60, "n_fake": 40, "warning": None}, None)

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
    assert tuple(measure(real, fake, ["recall", "fd"])) == ("recall", "fd")
    assert tuple(measure(real, fake, ["is"])) == ()  # There are no logits.


def test_of_very_few_pictures_neighbours_are_left_out(sets):
    few = features(sets[0][:5])
    assert set(measure(few, few)) == {"fd", "kd", "spacing"}


def test_too_few_pictures_for_the_covariance_are_warned_of():
    rows = np.random.default_rng(0).standard_normal((6, 8))
    warning = measure(features(rows), features(rows), ["fd"])["fd"].facts["warning"]
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


@pytest.fixture
def comparison(tmp_path):
    """Real images, and samples of seeds 3 and 4: `images` of each, and the comparison of both."""
    random = np.random.default_rng(0)
    images = {
        seed: random.integers(0, 256, (count, 4, 4, 1), np.uint8)
        for seed, count in (("real", 60), (3, 40), (4, 40))
    }
    real = Reference(Pixels(), image_set(images["real"], "train"), tmp_path)
    return images, Comparison(real, lambda seed: image_set(images[seed]), [3, 4])


def rows_of(images):
    return images.reshape(len(images), -1).astype(np.float32)


def test_real_images_are_measured_half_against_half(comparison):
    images, compared = comparison
    rows = rows_of(images["real"])
    halves = measure(features(rows[::2]), features(rows[1::2]))
    for name, half in halves.items():
        assert compared.reference(name) == half.value
    assert set(halves) == set(table.FEATURES) - {"is"}
    score = inception_score(rows[:, :10])
    assert compared.reference("is") == score.mean
    assert compared.real.measure("is").facts["class_entropy"] == score.marginal_entropy


def test_of_several_seeds_it_is_the_mean_and_the_deviation_between_them(comparison):
    images, compared = comparison
    real = features(rows_of(images["real"]))
    values = [measure(real, features(rows_of(images[seed])), ["fd"])["fd"].value for seed in (3, 4)]
    found = compared.measure("fd")
    assert found.value == pytest.approx(np.mean(values))
    assert found.facts["values"] == pytest.approx(values)
    assert found.facts["deviation"] == pytest.approx(np.std(values, ddof=1))
    assert (found.facts["deviation_between"], found.facts["seeds"]) == ("seeds", [3, 4])
    assert (found.facts["split"], found.facts["reference_n"]) == ("train", 30)
    assert found.facts["extractor"] == "pixels"
    alone = Comparison(compared.real, compared.make, [3]).measure("is").facts
    assert (alone["deviation_between"], alone["reference_n"]) == ("splits", 60)


def test_what_a_summary_reads(comparison):
    _, compared = comparison
    facts = compared.measure("is").facts
    lines = {"recall": {"value": 0.5, "reference": None}, "is": {"value": 2.0, "reference": 3.0}}
    lines["is"] |= facts
    values, real = compared.summarised(lines)
    names = {"class_entropy", "sample_entropy"}
    assert values.keys() == {"recall", "is"} | names
    assert real.keys() == {"is"} | names
    assert values["class_entropy"] == facts["class_entropy"]


def test_neighbours_are_the_nearest_real_images(comparison):
    images, compared = comparison
    images[3][:] = images["real"][:40]
    samples, nearest = compared.neighbours()
    assert len(samples) == 8 and all(len(row) == 5 for row in nearest)
    for sample, row in zip(samples, nearest, strict=True):
        np.testing.assert_array_equal(sample, row[0])
    compared = Comparison(compared.real, compared.make, [3])
    compared.pairs, images[3] = compared.pairs, np.zeros((40, 2, 8, 1), np.uint8)
    compared.make = lambda seed: ImageSet(40, lambda: iter([images[4][:1], images[3][1:]]))
    assert compared.neighbours() is None


def test_the_groups_names():
    assert table.GROUPS["prdc"] == PRDC == ("precision", "density", "recall", "coverage")
