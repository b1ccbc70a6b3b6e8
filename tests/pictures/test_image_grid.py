"""Sheets: every image at its place with its own pixels, names and numbers beside them."""

import numpy as np
import pytest

from gans.data.images import to_uint8
from gans.pictures import image_grid as sheets
from gans.pictures.image_grid import BLOCK_GAP, BLOCK_HEADER, grid, labelled_blocks


def images(count, size=64, channels=3):
    """Each of one colour of its own."""
    values = np.linspace(-1, 1, count, dtype=np.float32)
    return np.tile(values[:, None, None, None], (1, size, size, channels))


def test_without_names_there_are_images_and_gaps():
    a, b, c = images(3)
    picture = sheets.sheet([[a, b], [c]])
    assert (picture.shape, picture.dtype) == ((4 + 2 * 68, 4 + 2 * 68, 3), np.uint8)
    expected = np.full(picture.shape, 255, np.uint8)
    expected[4:68, 4:68], expected[4:68, 72:136], expected[72:136, 4:68] = 0, 128, 255
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("size, zoom", [(28, 3), (32, 2), (63, 2), (64, 1), (96, 1), (8, 8)])
def test_small_images_are_drawn_larger_by_a_whole_number(size, zoom):
    image = np.random.default_rng(0).uniform(-1, 1, (size, size, 1)).astype(np.float32)
    picture = sheets.sheet([[image]])
    pixels = to_uint8(image).repeat(zoom, 0).repeat(zoom, 1)
    np.testing.assert_array_equal(
        picture[4:-4, 4:-4], np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    )


def test_names_have_room_of_their_own():
    rows = images(4).reshape(2, 2, 64, 64, 3)
    plain = sheets.sheet(rows)
    named = sheets.sheet(rows, ["one", "a longer name"], ["left", "right"])
    height, width = plain.shape[0] - 4, plain.shape[1] - 4
    np.testing.assert_array_equal(named[-height:, -width:], plain[4:, 4:])
    left, top = named.shape[1] - plain.shape[1], named.shape[0] - plain.shape[0]
    for part in (named[top : top + 68, :left], named[top + 68 :, :left], named[:top, left:]):
        assert part.min() < 128


def test_long_names_are_shortened():
    rows = images(2).reshape(2, 1, 64, 64, 3)
    widths = {sheets.sheet(rows, ["x", "w" * count]).shape[1] for count in (100, 1000)}
    assert len(widths) == 1
    assert widths.pop() <= 4 + 180 + 4 + 1 + 68


def test_captions_are_below_the_images_and_none_below_a_gap():
    a, b = images(2)
    picture = sheets.sheet([[a, None], [b, b]], captions=[["1", ""], ["2", "3"]])
    step = 64 + 17 + 4
    assert picture.shape[0] == 4 + 2 * step
    assert picture[68:85, 4:68].min() < 128
    assert picture[4:85, 72:].min() == 255
    assert picture[step + 68 : step + 85, 72:].min() < 128


def test_a_block_is_about_as_wide_as_high():
    assert sheets.block(images(9)).shape == sheets.sheet(images(9).reshape(3, 3, 64, 64, 3)).shape
    assert sheets.block(images(3)).shape == (4 + 2 * 68, 4 + 2 * 68, 3)
    assert sheets.block(images(1)).shape == (72, 72, 3)


def test_the_strongest_value_is_the_brightest_and_zero_is_grey():
    values = np.float32([[1, -4, 0, 2], [0, 0, 0, 0]]).reshape(2, 2, 2, 1)
    expected = np.float32([[0.25, -1, 0, 0.5], [0, 0, 0, 0]]).reshape(2, 2, 2, 1)
    np.testing.assert_array_equal(sheets.brightest(values), expected)


@pytest.mark.parametrize("channels, left", [(1, 1), (2, 1), (3, 3), (7, 3)])
def test_channels_that_a_picture_has(channels, left):
    assert sheets.shown(images(2, 4, channels)).shape == (2, 4, 4, left)


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
        np.testing.assert_array_equal(picture[BLOCK_HEADER:, left : left + width], expected)
        left += width + BLOCK_GAP
    assert picture.shape == (BLOCK_HEADER + height, left - BLOCK_GAP, 3)
    assert picture.dtype == np.uint8


def test_zoom_makes_squares_of_pixels():
    small, large = (labelled_blocks(blocks(2), zoom)[BLOCK_HEADER:] for zoom in (1, 3))
    np.testing.assert_array_equal(large, small.repeat(3, axis=0).repeat(3, axis=1))


def test_grey_images_are_shown_as_grey():
    grey = np.full((1, 1, 16, 16, 1), -1.0, np.float32)
    picture = labelled_blocks([("grey", grey)])
    np.testing.assert_array_equal(picture[BLOCK_HEADER + 2 : -2, 2:-2], np.zeros((16, 16, 3)))


def dark_columns(picture):
    return np.flatnonzero((picture[:BLOCK_HEADER] < 128).any(axis=(0, 2)))


def test_a_name_is_written_in_the_middle_above_its_block():
    picture = labelled_blocks([("wide name", blocks(8)[0][1]), ("", blocks(8)[0][1])])
    width = (picture.shape[1] - BLOCK_GAP) // 2
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


def test_a_grid_has_its_cells_at_even_places_on_white_with_gaps_all_around():
    black = np.full((2, 3, 3), -1.0)
    grey = np.zeros((2, 3, 1))  # One channel, shown as three equal ones.
    red = np.broadcast_to([1.0, -1.0, -1.0], (1, 2, 3))  # Smaller than its cell.
    picture = grid([[black, grey], [red]], gap=1)
    expected = np.full((2 * (2 + 1) + 1, 2 * (3 + 1) + 1, 3), 255, np.uint8)
    expected[1:3, 1:4] = 0
    expected[1:3, 5:8] = 128
    expected[4:5, 1:3] = [255, 0, 0]
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, expected)


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (4, [0, 1, 2])])
def test_a_picture_shows_the_first_channels_of_images_with_others(channels, shown):
    image = np.stack([np.full((3, 3), -1.0 + 0.5 * c) for c in range(channels)], axis=-1)
    picture = grid([[image]], gap=0)
    assert picture.shape == (3, 3, 3)
    assert picture[1, 1].tolist() == [round((0.5 * c) * 127.5) for c in shown]
