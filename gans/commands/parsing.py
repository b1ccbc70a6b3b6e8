"""What a person asks for on a command line: labels, as "red,blue" or "red hair, green eyes", and
samples by their numbers.
"""

import difflib
import re
from collections.abc import Sequence

import numpy as np

MOST_LISTED = 60
MOST_SAMPLES = 100_000  # All samples up to the one of a number are drawn.


def classes(asked: Sequence[str], names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """One-hot labels float32 `(n, k)` of names, or of numbers of columns, and their names.

    Args:
        asked: each the name of a label, or where no label is called so its number, from 0 on.
        names: of the k labels.

    Raises `ValueError`, one line, for what is neither.
    """
    columns = [_column(word, names) for word in asked]
    return [names[column] for column in columns], _rows([[column] for column in columns], names)


def tags(text: str, names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Multi-hot labels float32 `(n, k)` of the requests of a text, and these as they are read.

    Args:
        text: requests with semicolons between them, each of names with commas between them.
        names: of the k labels.

    Raises `ValueError`, one line, for a name that is no label, and for a request of none.
    """
    requests = [
        list(dict.fromkeys(filter(None, (word.strip() for word in request.split(",")))))
        for request in text.split(";")
    ]
    if not all(requests):
        raise ValueError(f"expected labels with commas between them. Received: {text!r}")
    columns = [[_named(word, names) for word in request] for request in requests]
    return [", ".join(request) for request in requests], _rows(columns, names)


def pairs(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Two numbers of each of the texts, such as `0-5`.

    Raises `ValueError`, one line, for another text.
    """
    if wrong := [text for text in texts if not re.fullmatch(r"\d+\s*-\s*\d+", text)]:
        raise ValueError(f"--pairs expects numbers of samples, e.g. 0-5,3-7. Received: {wrong[0]}")
    return [tuple(_numbers(text.split("-"))) for text in texts]


def groups(text: str) -> list[tuple[int, list[int]]]:
    """Sign, 1 or -1, and numbers of each group of a text such as `0+3+7 - 1+4+9 + 2+5+6`.

    Raises `ValueError`, one line, for another text.
    """
    first, *others = re.split(r"\s+([+-])\s+", text.strip())
    found = [("+", first), *zip(others[::2], others[1::2], strict=True)]
    if len(found) < 2 or not all(re.fullmatch(r"\d+(\+\d+)*", group) for _, group in found):
        raise ValueError(
            "--arithmetic expects groups of numbers with blanks around the signs between them, "
            f'e.g. "0+3+7 - 1+4+9 + 2+5+6". Received: {text!r}'
        )
    return [(1 if sign == "+" else -1, _numbers(group.split("+"))) for sign, group in found]


def _numbers(texts: Sequence[str]) -> list[int]:
    numbers = list(map(int, texts))
    if max(numbers) >= MOST_SAMPLES:
        raise ValueError(
            f"expected numbers of samples below {MOST_SAMPLES}. Received: {max(numbers)}"
        )
    return numbers


def _rows(columns: Sequence[Sequence[int]], names: Sequence[str]) -> np.ndarray:
    labels = np.zeros((len(columns), len(names)), np.float32)
    for row, of_one in zip(labels, columns, strict=True):
        row[of_one] = 1.0
    return labels


def _column(word: str, names: Sequence[str]) -> int:
    if word not in names and word.isascii() and word.isdigit() and int(word) < len(names):
        return int(word)
    return _named(word, names)


def _named(word: str, names: Sequence[str]) -> int:
    if word in names:
        return list(names).index(word)
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    hint = f" (closest: {', '.join(close)})" if close else ""
    listed = ", ".join(names[:MOST_LISTED])
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    raise ValueError(f"expected labels of this run: {listed}{more}. Received: {word!r}{hint}")
