"""What is asked for on a command line: exact columns, and one line about what is not there."""

import numpy as np
import pytest

from gans.commands import parsing

NAMES = ["red hair", "blue hair", "green eyes", "10"]


def test_classes_are_one_hot_by_name_or_by_number():
    names, labels = parsing.classes(["green eyes", "0", "10"], NAMES)
    assert names == ["green eyes", "red hair", "10"]  # A name goes before a number.
    np.testing.assert_array_equal(labels, [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    assert labels.dtype == np.float32


def test_tags_of_a_request_are_together_and_each_once():
    asked, labels = parsing.tags(" red hair,green eyes ; blue hair, red hair, red hair", NAMES)
    assert asked == ["red hair, green eyes", "blue hair, red hair"]
    np.testing.assert_array_equal(labels, [[1, 0, 1, 0], [1, 1, 0, 0]])


@pytest.mark.parametrize("text", ["", " ", "red hair;", ";red hair", ","])
def test_a_request_of_nothing_is_refused(text):
    with pytest.raises(ValueError, match="expected labels with commas between them. Received"):
        parsing.tags(text, NAMES)


@pytest.mark.parametrize("word", ["Red hair", "4", "-1", "red  hair"])
def test_names_are_matched_exactly_and_close_ones_are_named(word):
    with pytest.raises(ValueError) as caught:
        parsing.classes([word], NAMES)
    message = str(caught.value)
    assert message.startswith("expected labels of this run: red hair, blue hair, green eyes, 10. ")
    assert f"Received: {word!r}" in message
    assert ("(closest: red hair" in message) == ("hair" in word)
    assert "\n" not in message


def test_of_very_many_labels_some_are_listed():
    with pytest.raises(ValueError, match=r"l0, l1, .*, l59 and 40 more. Received: 'x'$"):
        parsing.tags("x", [f"l{number}" for number in range(100)])


def test_pairs_are_two_numbers():
    assert parsing.pairs(["0-5", "3 - 7"]) == [(0, 5), (3, 7)]


@pytest.mark.parametrize("text", ["1", "1-", "-1-2", "1-2-3", "a-b", ""])
def test_other_pairs_are_refused(text):
    with pytest.raises(ValueError, match="--pairs expects numbers of samples"):
        parsing.pairs(["0-1", text])


@pytest.mark.parametrize(
    "text, groups",
    [
        ("0+3+7 - 1+4+9 + 2+5+6", [(1, [0, 3, 7]), (-1, [1, 4, 9]), (1, [2, 5, 6])]),
        (" 1  +  2 ", [(1, [1]), (1, [2])]),
        ("12 - 3 - 4 - 4", [(1, [12]), (-1, [3]), (-1, [4]), (-1, [4])]),
    ],
)
def test_groups_have_signs_and_numbers(text, groups):
    assert parsing.groups(text) == groups


@pytest.mark.parametrize("text", ["", "1", "1+2", "1 -2", "1- 2", "1 - ", "- 1 + 2", "a - b"])
def test_other_groups_are_refused(text):
    with pytest.raises(ValueError, match="--arithmetic expects groups of numbers"):
        parsing.groups(text)


@pytest.mark.parametrize(
    "function", [lambda t: parsing.pairs([f"0-{t}"]), lambda t: parsing.groups(f"0 - {t}")]
)
def test_numbers_have_a_limit(function):
    function("99999")
    with pytest.raises(ValueError, match="below 100000. Received: 100000"):
        function("100000")
