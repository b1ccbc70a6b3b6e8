"""Labelled blocks: where the images are, and that the names are above them."""

import numpy as np
import pytest

from gans.data.figures import GAP, HEADER, labelled_blocks
from gans.data.images import grid


def blocks(*columns, rows=2, size=16):
    random = np.random.default_rng(0)
    return [
        (f"name {index}", random.uniform(-1, 1, (rows, count, size, size, 3)).astype(np.float32))
        for index, count in enumerate(columns)
    ]


def test_each_block_is_the_grid_of_its_images():
    given = blocks(1, 3)
    picture = labelled_blocks(given)
    left = 0
    for _, images in given:
        expected = grid([list(row) for row in images])
        height, width = expected.shape[:2]
        np.testing.assert_array_equal(picture[HEADER:, left : left + width], expected)
        left += width + GAP
    assert picture.shape == (HEADER + height, left - GAP, 3)
    assert picture.dtype == np.uint8


def test_zoom_makes_squares_of_pixels():
    small, large = (labelled_blocks(blocks(2), zoom)[HEADER:] for zoom in (1, 3))
    np.testing.assert_array_equal(large, small.repeat(3, axis=0).repeat(3, axis=1))


def test_grey_images_are_shown_as_grey():
    grey = np.full((1, 1, 16, 16, 1), -1.0, np.float32)
    picture = labelled_blocks([("grey", grey)])
    np.testing.assert_array_equal(picture[HEADER + 2 : -2, 2:-2], np.zeros((16, 16, 3)))


def dark_columns(picture):
    return np.flatnonzero((picture[:HEADER] < 128).any(axis=(0, 2)))


def test_a_name_is_written_in_the_middle_above_its_block():
    picture = labelled_blocks([("wide name", blocks(8)[0][1]), ("", blocks(8)[0][1])])
    width = (picture.shape[1] - GAP) // 2
    dark = dark_columns(picture)
    assert len(dark) > 20
    assert (dark[0] + dark[-1]) / 2 == pytest.approx(width / 2, abs=2)


def test_a_long_name_is_written_smaller_to_fit():
    short, long = (
        dark_columns(labelled_blocks([(text, blocks(1)[0][1])], zoom=4)) for text in ("n", "n" * 12)
    )
    width = 4 * (16 + 4)
    assert long[0] >= 0
    assert 0.7 * width < long[-1] - long[0] <= width
    assert short[-1] - short[0] < 15
