"""What is said of numbers: quality and diversity apart, and mode drop told from mode collapse."""

import math

import pytest

from gans.evaluation.summary import describe

REAL = {"precision": 0.8, "density": 1.0, "recall": 0.5, "coverage": 0.9, "spacing": 1.0}


def test_quality_and_diversity_are_said_apart_with_what_real_pictures_get():
    # 0.76 of 0.8 is 95 %; 0.2 of 0.5 is 40 %.
    values = REAL | {"precision": 0.76, "density": 0.95, "recall": 0.2}
    quality, diversity, losses = describe(values, REAL)
    assert quality == (
        "Quality: 76% (real: 80%) of the samples lie where real images do (precision), with a "
        "density of 0.95 (real: 1.00): good."
    )
    assert diversity == (
        "Diversity: 20% (real: 50%) of the real images lie where samples do (recall), 90% (real: "
        "90%) have a sample near by (coverage): poor."
    )
    assert losses == "Neither mode drop nor mode collapse shows."


@pytest.mark.parametrize(
    ("precision", "density", "grade"),
    [(0.73, 0.91, "good"), (0.73, 0.89, "fair"), (0.49, 2.0, "fair"), (0.47, 2.0, "poor")],
)
def test_the_grade_is_that_of_the_lower_of_two(precision, density, grade):
    sentences = describe(REAL | {"precision": precision, "density": density}, REAL)
    assert sentences[0].endswith(f": {grade}.")


@pytest.mark.parametrize(
    ("coverage", "spacing", "said"),
    [
        (0.73, 0.61, "Neither mode drop nor mode collapse shows."),
        (
            0.45,
            0.9,
            "Mode drop: 50% of what other real images are near is near no sample; the samples do "
            "not repeat each other.",
        ),
        (
            0.9,
            0.25,
            "Mode collapse: samples lie 0.25 times as far from each other as real images; yet "
            "all kinds have samples.",
        ),
        (
            0.09,
            0.1,
            "Mode drop and mode collapse: 90% of what other real images are near is near no "
            "sample, and samples lie 0.10 times as far from each other as real images.",
        ),
    ],
)
def test_mode_drop_and_mode_collapse_are_told_apart(coverage, spacing, said):
    values = {"coverage": coverage, "spacing": spacing}
    assert describe(values, REAL) == [said]


@pytest.mark.parametrize(
    ("spacing", "also"),
    [
        (1.3, ""),
        (
            0.2,
            " Mode collapse: samples lie 0.20 times as far from each other as real images.",
        ),
    ],
)
def test_what_is_near_nothing_may_be_dropped_or_badly_drawn(spacing, also):
    values = REAL | {"precision": 0.4, "coverage": 0.36, "spacing": spacing}
    assert describe(values, REAL)[2] == (
        "Mode drop cannot be told from poor quality here: 60% of what other real images are near "
        f"is near no sample.{also}"
    )


def test_of_classes_it_is_said_how_many():
    values = {"class_entropy": math.log(4), "sample_entropy": math.log(1.5)}
    real = {"class_entropy": math.log(10), "sample_entropy": 0.0}
    assert describe(values, real) == [
        "Classes: the samples spread over 4.0 (real: 10.0) classes (diversity), and each could be "
        "one of 1.5 (real: 1.0) (quality)."
    ]


def test_without_real_pictures_the_numbers_stand_alone():
    quality, *_ = describe({"precision": 0.95, "density": 0.92}, {})
    assert quality == (
        "Quality: 95% of the samples lie where real images do (precision), with a density of "
        "0.92: good."
    )


def test_what_was_not_measured_is_not_spoken_of():
    assert describe({"precision": 0.5, "recall": 0.5, "coverage": 0.5}, REAL) != []
    assert describe({"precision": 0.5}, REAL) == []
    assert describe({}, {}) == []
