"""Tables: the arithmetic against numbers worked out by hand, and every cell in its place."""

import math

import pytest

from gans.evaluation.tables import csv_table, markdown_table, mean_and_deviation, show

MEASURES = {
    "error": ("lower", "how far off"),
    "unused": ("higher", "nobody has it"),
    "hues": ("higher", "how many"),
}
VALUES = {
    "one": [
        {"error": 1.0, "hues": 12.0},
        {"error": 2.0, "hues": 14.0},
        {"error": 6.0, "hues": 16.0},
    ],
    "two": [{"error": 0.5}, {"error": 0.5}, {"error": 0.5}],
}


def test_the_deviation_is_that_of_a_sample():
    # Differences from 3: -2, -1, 3; their squares add to 14; 14 / 2.
    assert mean_and_deviation([1.0, 2.0, 6.0]) == (3.0, pytest.approx(math.sqrt(7.0)))


def test_one_number_has_no_deviation():
    assert mean_and_deviation([2.5]) == (2.5, None)


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.12345,), "0.123"),
        ((0.12345, 0.0009), "0.123 ± 0.001"),
        ((1.2345, 0.5), "1.23 ± 0.50"),
        ((12.345, 0.06), "12.3 ± 0.1"),
        ((123.45, 6.7), "123 ± 7"),
        ((-12.345, 2), "-12.3 ± 2.0"),
        ((0.0, 0.0), "0.000 ± 0.000"),
        ((0.0012345, 0.00006), "0.00123 ± 0.00006"),
    ],
)
def test_numbers_are_shown_with_three_digits(numbers, text):
    assert show(*numbers) == text


def test_the_markdown_table_word_for_word():
    assert markdown_table(VALUES, MEASURES, {"hues": 8.0}) == (
        "|  | error | hues |\n"
        "| --- | --- | --- |\n"
        "| *better* | *lower* | *higher* |\n"
        "| one | 3.00 ± 2.65 | 14.0 ± 2.0 |\n"
        "| two | 0.500 ± 0.000 | - |\n"
        "| *for reference* | - | 8.00 |\n"
        "\n"
        "- error: how far off\n"
        "- hues: how many\n"
    )


def test_the_csv_table_word_for_word():
    assert csv_table(VALUES, MEASURES) == (
        "variant,measure,better,mean,deviation,seed_0,seed_1,seed_2\n"
        "one,error,lower,3.0,2.6457513110645907,1.0,2.0,6.0\n"
        "one,hues,higher,14.0,2.0,12.0,14.0,16.0\n"
        "two,error,lower,0.5,0.0,0.5,0.5,0.5\n"
    )


def test_one_seed_has_an_empty_deviation():
    values = {"one": [{"error": 1.5}]}
    assert csv_table(values, MEASURES).splitlines()[1] == "one,error,lower,1.5,,1.5"
    assert "| one | 1.50 |" in markdown_table(values, MEASURES, {})
