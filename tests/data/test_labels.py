"""Labels from words: which tags a line holds, which image it means, which column a label is."""

import json
from pathlib import Path

import numpy as np
import pytest

from gans.data import labels
from gans.data.images import DataError

FACES = ["images/1.jpg", "images/16.jpg", "images/3.png"]


@pytest.fixture
def csv(tmp_path):
    def make(text: str | bytes, name: str = "tags.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


def refusal(function, *arguments) -> str:
    with pytest.raises(DataError) as error:
        function(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


# The tags of a text.


@pytest.mark.parametrize(
    "text, tags",
    [
        ("blonde hair blue eyes", ("blonde hair", "blue eyes")),
        ("Blonde  hair and BLUE eyes", ("blonde hair", "blue eyes")),
        ("red hair, green eyes", ("red hair", "green eyes")),
        ("red hair; smile ;very long green hair", ("red hair", "smile", "very long green hair")),
        ("salt and pepper hair, smile", ("salt and pepper hair", "smile")),
        ("red hair red hair", ("red hair",)),
        ("cat", ("cat",)),
        ("cat,", ("cat",)),
        ("", ()),
        (" ,; ", ()),
    ],
)
def test_tags_are_separated_or_two_words_each(text, tags):
    assert labels.split_tags(text) == tags


def test_an_odd_number_of_words_is_no_tags():
    with pytest.raises(ValueError, match="an odd number of words"):
        labels.split_tags("blonde hair and blue")


def test_a_row_has_a_one_for_each_label():
    made = labels.rows([("b",), (), ("c", "a")], ("a", "b", "c"))
    assert made.dtype == np.float32
    assert made.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert labels.one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


# Lines of tags.


@pytest.mark.parametrize("name", ["16", "16.jpg", "images/16", "images/16.jpg", " 16 "])
def test_a_line_names_an_image_by_path_or_name_with_or_without_extension(csv, name):
    found = labels.read_tags(csv(f"{name},blonde hair blue eyes\n"), FACES)
    assert found.of == {"images/16.jpg": ("blonde hair", "blue eyes")}
    assert found.names == ("blonde hair", "blue eyes")


def test_columns_are_the_tags_of_lines_that_have_an_image_sorted(csv):
    text = '\n16,red hair,blue eyes\n\n99,gray hair gray eyes\n1,"blue eyes; black hair"\n3,\n'
    found = labels.read_tags(csv(text), FACES)
    assert found.names == ("black hair", "blue eyes", "red hair")
    assert found.rows(FACES).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("header", ["", "name,tags\n", "file,one two three\n", "\ufeffid,tags\r\n"])
def test_a_header_is_optional(csv, header):
    found = labels.read_tags(csv(header + "16,red hair blue eyes\n"), FACES)
    assert found.names == ("blue eyes", "red hair")


def test_one_word_lines_are_classes(csv):
    found = labels.read_tags(csv("1,cat\n16,dog\n3,cat\n"), FACES)
    assert found.rows(FACES).tolist() == [[1, 0], [0, 1], [1, 0]]


def test_a_path_means_itself_though_another_image_has_its_name(csv):
    images = ["16.jpg", "more/16.jpg"]
    assert labels.read_tags(csv("16.jpg,a b\n"), images).of == {"16.jpg": ("a b",)}


LINE = (
    "expected NAME,TAGS with tags of two words each or separated by commas or semicolons in "
    "line {} of {}. Received: {!r} ({})"
)


@pytest.mark.parametrize(
    "text, number, line, reason",
    [
        ("1,a b\n16,blonde hair blue\n", 2, "16,blonde hair blue", "an odd number of words"),
        ("1,a b\n\n16 a b\n", 3, "16 a b", "no comma"),
        ("1\n16,a b\n", 1, "1", "no comma"),
        # Of an image that is not there.
        ("1,a b\n99,a b c\n", 2, "99,a b c", "an odd number of words"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(csv, text, number, line, reason):
    path = csv(text)
    reason += " without commas" if "odd" in reason else ""
    assert refusal(labels.read_tags, path, FACES) == LINE.format(number, path, line, reason)


def test_one_word_among_lines_of_two_word_tags_is_a_slip(csv):
    path = csv("1,red hair blue eyes\n16,blonde\n")
    assert refusal(labels.read_tags, path, FACES) == (
        "expected tags of two words each, as in the other lines, in line 2 of "
        f"{path}. Received: 'blonde'"
    )


def test_a_line_means_one_image_and_an_image_has_one_line(csv):
    path = csv("16,a b\n")
    images = ["train/16.jpg", "val/16.jpg"]
    assert refusal(labels.read_tags, path, images) == (
        f"expected the name of one image in line 1 of {path}. Received: '16', which means "
        "train/16.jpg and val/16.jpg; give the path"
    )
    path = csv("16,a b\n1,a b\n16.jpg,c d\n")
    assert refusal(labels.read_tags, path, FACES) == (
        f"expected one line an image in {path}. Received: images/16.jpg in the lines 1 and 3"
    )


@pytest.mark.parametrize("text", ["", "98,a b\n99,c d\n", "name,tags\n", "16,\n"])
def test_a_file_that_labels_no_image_is_refused(csv, text):
    path = csv(text)
    assert refusal(labels.read_tags, path, FACES) == (
        f"expected lines NAME,TAGS that name images of the data in {path}. "
        "Received: none that names one of 3 images"
    )


def test_what_is_no_text_is_refused(csv, tmp_path):
    told = refusal(labels.read_tags, csv(b"16,\xff\xfe"), FACES)
    assert told.startswith(f"expected a CSV in UTF-8, {tmp_path}/tags.csv. Received: ")
    missing = tmp_path / "none.csv"
    assert refusal(labels.read_tags, missing, FACES) == (
        f"expected a CSV in UTF-8, {missing}. Received: No such file or directory"
    )
    told = refusal(labels.read_tags, csv("16," + "a" * 200_000), FACES)
    assert "Received: field larger than field limit" in told


# Factors.

PALETTE = {"hues": {"red": 0, "amber": 45}, "neutrals": ["black"]}
TABLE = """file,split,kind,hue,trim,width
train/0.png,train,tote,red,gold,0.1
train/1.png,train,hobo,black,black,0.2
val/0.png,val,clutch,amber,gold,0.3
"""


@pytest.fixture
def factors(tmp_path) -> Path:
    (tmp_path / "factors.csv").write_text(TABLE)
    (tmp_path / "palette.json").write_text(json.dumps(PALETTE))
    return tmp_path


def test_hues_are_in_the_order_of_the_palette_and_other_values_sorted(factors):
    found = labels.read_factors(factors, ("hue",))
    assert found.names == ("red", "amber", "black")
    assert found.rows(["val/0.png", "train/1.png"]).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert labels.read_factors(factors, ("kind",)).names == ("clutch", "hobo", "tote")


def test_several_columns_are_multi_hot_and_a_value_of_two_is_told_with_its_column(factors):
    found = labels.read_factors(factors, ("hue", "kind", "trim"))
    assert found.names == (
        *("red", "amber", "hue black"),
        *("clutch", "hobo", "tote"),
        *("trim black", "gold"),
    )
    rows = found.rows(["train/0.png", "train/1.png"])
    assert rows.tolist() == [[1, 0, 0, 0, 0, 1, 0, 1], [0, 0, 1, 0, 1, 0, 1, 0]]


def test_columns_that_cannot_be_labels_are_refused(factors):
    path = factors / "factors.csv"
    assert refusal(labels.read_factors, factors, ("colour",)) == (
        f"expected a column colour in {path}. Received: file, split, kind, hue, trim, width"
    )
    path.write_text("file,hue,n,one\n" + "".join(f"{i}.png,red,{i},1\n" for i in range(65)))
    for column, count in (("n", 65), ("one", 1)):
        assert refusal(labels.read_factors, factors, (column,)) == (
            f"expected a column of 2 to 64 values in {path}. Received: {column}, which has {count}"
        )
    path.write_text("file,hue\n0.png,red\n1.png\n")
    assert refusal(labels.read_factors, factors, ("hue",)) == (
        f"expected 2 columns in line 3 of {path}. Received: 1"
    )
    path.write_text("")
    told = refusal(labels.read_factors, factors, ("hue",))
    assert told == f"expected a column file in {path}. Received: nothing"


def test_a_palette_that_does_not_fit_is_refused(factors):
    path = factors / "palette.json"
    path.write_text('{"hues": {"red": 0, "amber": 45}, "neutrals": []}')
    assert refusal(labels.read_factors, factors, ("hue",)) == (
        f"expected the hues of {factors}/factors.csv in {path}. Received: none named black"
    )
    for text, received in (("[]", "another file"), ("{", "another file"), (None, "no such file")):
        path.write_text(text) if text else path.unlink()
        assert refusal(labels.read_factors, factors, ("hue",)) == (
            f"expected the hues and neutrals of {factors}/factors.csv in {path}. "
            f"Received: {received}"
        )


# Class folders.


def test_the_first_folder_is_the_class():
    found = labels.class_folders(["b/x/1.png", "a/2.png", "3.png"])
    assert found.names == ("a", "b")
    assert found.rows(["a/2.png", "b/x/1.png", "3.png"]).tolist() == [[1, 0], [0, 1], [0, 0]]
    assert labels.class_folders(["a/1.png", "2.png"]) is None
