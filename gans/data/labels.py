"""Labels of images: words in a CSV, class folders or known factors, as rows of zeros and ones.

Nothing here decodes an image or needs TensorFlow. A row is float32 `(k,)`, with a 1 for each label
that holds; `names` says which column is which.
"""

import csv
import dataclasses
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gans.data.images import DataError

FACTORS, PALETTE = "factors.csv", "palette.json"
TAG_FILES = ("tags.csv", "labels.csv")
# A factor of more values is a measure and no class.
MOST_VALUES = 64


@dataclasses.dataclass(frozen=True)
class Labelling:
    """Which labels hold for which images.

    Attributes:
        names: of the k labels, in the order of the columns.
        of: by the image's path relative to the folder, with forward slashes, its labels; one that
            is missing here has none.
    """

    names: tuple[str, ...]
    of: dict[str, tuple[str, ...]]

    def rows(self, images: Sequence[str]) -> np.ndarray:
        """Float32 `(n, k)`; all zeros for an image without labels."""
        return rows([self.of.get(image, ()) for image in images], self.names)


def rows(labels: Sequence[Iterable[str]], names: Sequence[str]) -> np.ndarray:
    """Float32 `(n, k)` with a 1 for each label of each of n images."""
    column = {name: place for place, name in enumerate(names)}
    array = np.zeros((len(labels), len(names)), np.float32)
    for row, of_one in zip(array, labels, strict=True):
        row[[column[label] for label in of_one]] = 1.0
    return array


def one_hot(classes: np.ndarray, count: int) -> np.ndarray:
    """Float32 `(n, count)` from ints `(n,)`."""
    return np.eye(count, dtype=np.float32)[classes]


def split_tags(text: str) -> tuple[str, ...]:
    """Tags of a text, in lower case, each once.

    They are separated by commas or semicolons; a text without them is taken two words at a time,
    with "and" left out ("blonde hair blue eyes": "blonde hair", "blue eyes"), or is one word.
    Raises `ValueError` for an odd number of words.
    """
    text = " ".join(text.lower().split())
    if re.search("[,;]", text):
        tags = [tag.strip() for tag in re.split("[,;]", text)]
    else:
        words = [word for word in text.split() if word != "and"]
        if len(words) == 1:
            return tuple(words)
        if len(words) % 2:
            raise ValueError("an odd number of words without commas")
        tags = [" ".join(words[i : i + 2]) for i in range(0, len(words), 2)]
    return tuple(dict.fromkeys(filter(None, tags)))


def read_tags(path: Path, images: Sequence[str]) -> Labelling:
    """Tags of images from the lines `NAME,TAGS` of a CSV, as `split_tags` takes them apart.

    Args:
        path: of the CSV. A first line that names no image and holds no digit is a header.
        images: relative paths. A line names one by its path or its file name, with or without the
            extension.

    The tags are those of the lines that have an image, sorted. Raises `DataError` for a line that
    cannot be read, that means more than one image or one that an earlier line had, and where no
    line has an image.
    """
    found = _by_name(images)
    of, line_of, single, several = {}, {}, None, False
    for number, fields in _lines(path):
        place = f"line {number} of {path}"
        name, text = fields[0].strip(), ",".join(fields[1:])
        meant = found.get(name, ())
        if not meant and not line_of and number == 1 and not re.search(r"\d", name):
            continue
        try:
            if len(fields) < 2:
                raise ValueError("no comma")
            tags = split_tags(text)
        except ValueError as error:
            raise DataError(
                "expected NAME,TAGS with tags of two words each or separated by commas or "
                f"semicolons in {place}. Received: {','.join(fields)!r} ({error})"
            ) from None
        if len(meant) > 1:
            raise DataError(
                f"expected the name of one image in {place}. Received: {name!r}, which means "
                f"{' and '.join(meant[:2])}; give the path"
            )
        if len(tags) == 1 and " " not in tags[0] and not re.search("[,;]", text):
            single = single or (place, tags[0])
        elif not re.search("[,;]", text):
            several = several or bool(tags)
        if not meant:
            continue
        if meant[0] in line_of:
            raise DataError(
                f"expected one line an image in {path}. "
                f"Received: {meant[0]} in the lines {line_of[meant[0]]} and {number}"
            )
        line_of[meant[0]] = number
        if tags:
            of[meant[0]] = tags
    if single and several:
        raise DataError(
            f"expected tags of two words each, as in the other lines, in {single[0]}. "
            f"Received: {single[1]!r}"
        )
    if not of:
        raise DataError(
            f"expected lines NAME,TAGS that name images of the data in {path}. "
            f"Received: none that names one of {len(images)} images"
        )
    return Labelling(tuple(sorted({tag for tags in of.values() for tag in tags})), of)


def read_factors(root: Path, columns: tuple[str, ...]) -> Labelling:
    """Factors that images were drawn from, as `data_prep/toy_fashion.py` writes them.

    Args:
        root: folder of `factors.csv` and `palette.json`.
        columns: of the table; each adds one label per value that it has, hues and neutrals in the
            order of the palette and all else sorted. Of one column a row is one-hot. A value of two
            columns is named with the column, "trim black".

    Raises `DataError` for a column that is not there or has one value only, or too many.
    """
    path = root / FACTORS
    lines = [fields for _, fields in _lines(path)]
    header = lines[0] if lines else []
    missing = [column for column in ("file", *columns) if column not in header]
    if missing:
        raise DataError(
            f"expected a column {missing[0]} in {path}. Received: {', '.join(header) or 'nothing'}"
        )
    short = next((i for i, fields in enumerate(lines, 1) if len(fields) != len(header)), None)
    if short:
        raise DataError(
            f"expected {len(header)} columns in line {short} of {path}. "
            f"Received: {len(lines[short - 1])}"
        )
    table = [dict(zip(header, fields, strict=True)) for fields in lines[1:]]
    values = {}
    for column in columns:
        found = {row[column] for row in table}
        values[column] = _palette(root, found) if column == "hue" else sorted(found)
        if not 2 <= len(values[column]) <= MOST_VALUES:
            raise DataError(
                f"expected a column of 2 to {MOST_VALUES} values in {path}. "
                f"Received: {column}, which has {len(values[column])}"
            )
    shared = Counter(value for of_one in values.values() for value in of_one)
    name = {
        (column, value): value if shared[value] == 1 else f"{column} {value}"
        for column, of_one in values.items()
        for value in of_one
    }
    of = {row["file"]: tuple(name[column, row[column]] for column in columns) for row in table}
    return Labelling(tuple(name.values()), of)


def class_folders(images: Sequence[str]) -> Labelling | None:
    """The first folder of each image's path as its class, or None unless there are two."""
    of = {image: (image.partition("/")[0],) for image in images if "/" in image}
    names = tuple(sorted({folder for (folder,) in of.values()}))
    return Labelling(names, of) if len(names) > 1 else None


def _by_name(images: Sequence[str]) -> dict[str, list[str]]:
    """The images that each path or file name, with or without extension, may mean."""
    found: dict[str, list[str]] = {}
    for image in images:
        names = {image, os.path.splitext(image)[0]}
        names |= {name.rpartition("/")[2] for name in names}
        for name in names:
            found.setdefault(name, []).append(image)
    # A path means itself, though another image may have its name in another folder.
    return found | {image: [image] for image in images}


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a CSV that are not empty, each with its number from 1 on."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            return [(reader.line_num, fields) for fields in reader if any(map(str.strip, fields))]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"expected a CSV in UTF-8, {path}. Received: {reason}") from None


def _palette(root: Path, found: set[str]) -> list[str]:
    path = root / PALETTE
    try:
        palette = json.loads(path.read_text(encoding="utf-8"))
        names = [*palette["hues"], *palette["neutrals"]]
    except (OSError, ValueError, LookupError, TypeError):
        raise DataError(
            f"expected the hues and neutrals of {root / FACTORS} in {path}. "
            f"Received: {'another file' if path.is_file() else 'no such file'}"
        ) from None
    if not found <= set(names):
        raise DataError(
            f"expected the hues of {root / FACTORS} in {path}. "
            f"Received: none named {min(found - set(names))}"
        )
    return names
