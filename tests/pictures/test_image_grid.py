"""Image grids: every image at its place with its own pixels, names and captions beside them."""

import numpy as np
import pytest

from gans.data.images import to_uint8
from gans.pictures.image_grid import (
    BLOCK_GAP,
    FONT_SIZE,
    GAP,
    WIDEST_ROW_NAME,
    full_contrast,
    image_blocks,
    image_grid,
    square_grid,
)

LINE = FONT_SIZE + 4  # Pixels of a line of text.


def images(count, size=64, channels=3):
    """Images each of one colour of its own."""
    values = np.linspace(-1, 1, count, dtype=np.float32)
    return np.tile(values[:, None, None, None], (1, size, size, channels))


def noise(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def is_written_on(part):
    return part.min() < 128


def test_images_are_at_even_places_on_white_with_gaps_all_around():
    black = np.full((2, 3, 3), -1.0)
    grey = np.zeros((2, 3, 1))  # One channel, shown as three equal ones.
    red = np.broadcast_to([1.0, -1.0, -1.0], (1, 2, 3))  # Smaller than its place.
    picture = image_grid([[black, grey], [red, None]], smallest_side=1)
    expected = np.full((2 * (2 + GAP) + GAP, 2 * (3 + GAP) + GAP, 3), 255, np.uint8)
    expected[2:4, 2:5] = 0
    expected[2:4, 7:10] = 128
    expected[6:7, 2:4] = [255, 0, 0]
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (4, [0, 1, 2])])
def test_the_first_channels_are_shown_of_images_with_others(channels, shown):
    image = np.stack([np.full((3, 3), -1.0 + 0.5 * c) for c in range(channels)], axis=-1)
    picture = image_grid([[image]], smallest_side=1)
    assert picture.shape == (3 + 2 * GAP, 3 + 2 * GAP, 3)
    assert picture[3, 3].tolist() == [round((0.5 * c) * 127.5) for c in shown]


@pytest.mark.parametrize("size, zoom", [(28, 3), (32, 2), (63, 2), (64, 1), (96, 1), (8, 8)])
def test_small_images_are_enlarged_by_a_whole_number(size, zoom):
    image = noise(size, size, 1)
    pixels = to_uint8(image).repeat(zoom, 0).repeat(zoom, 1)
    np.testing.assert_array_equal(
        image_grid([[image]])[GAP:-GAP, GAP:-GAP], np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    )


def test_names_and_captions_have_space_of_their_own():
    rows = images(4).reshape(2, 2, 64, 64, 3)
    plain = image_grid(rows)
    height, width = plain.shape[0] - GAP, plain.shape[1] - GAP
    named = image_grid(rows, ["one", "a longer name"], ["left", "right"])
    np.testing.assert_array_equal(named[-height:, -width:], plain[GAP:, GAP:])
    left, top = named.shape[1] - plain.shape[1], named.shape[0] - plain.shape[0]
    assert top == LINE
    middle = top + 64 + GAP
    for part in (named[top:middle, :left], named[middle:, :left], named[:top, left:]):
        assert is_written_on(part)

    captioned = image_grid([[rows[0, 0], None], rows[1]], captions=[["1", ""], ["2", "3"]])
    step = 64 + LINE + GAP
    assert captioned.shape[0] == GAP + 2 * step
    assert is_written_on(captioned[GAP + 64 : step, : GAP + 64])
    assert captioned[:step, GAP + 64 :].min() == 255
    assert is_written_on(captioned[step + GAP + 64 :, GAP + 64 :])


def test_long_names_are_shortened():
    rows = images(2).reshape(2, 1, 64, 64, 3)
    widths = {image_grid(rows, ["x", "w" * count]).shape[1] for count in (100, 1000)}
    assert len(widths) == 1
    assert widths.pop() <= GAP + WIDEST_ROW_NAME + 1 + 2 * GAP + 64 + GAP


@pytest.mark.parametrize("count, columns", [(1, 1), (3, 2), (9, 3), (7, 3)])
def test_a_square_grid_is_about_as_wide_as_high(count, columns):
    given = images(count)
    rows = [given[start : start + columns] for start in range(0, count, columns)]
    np.testing.assert_array_equal(square_grid(given), image_grid(rows))


def test_the_largest_magnitude_gets_full_contrast_and_zero_stays_grey():
    values = np.float32([[1, -4, 0, 2], [0, 0, 0, 0]]).reshape(2, 2, 2, 1)
    expected = np.float32([[0.25, -1, 0, 0.5], [0, 0, 0, 0]]).reshape(2, 2, 2, 1)
    np.testing.assert_array_equal(full_contrast(values), expected)


def test_each_block_is_the_grid_of_its_images_below_its_name():
    given = [(name, noise(2, count, 16, 16, 3)) for name, count in (("a", 1), ("bcd", 3))]
    picture = image_blocks(given)
    grids = [image_grid(block) for _, block in given]
    header = len(picture) - len(grids[0])
    left = 0
    for expected in grids:
        right = left + expected.shape[1]
        np.testing.assert_array_equal(picture[header:, left:right], expected)
        dark = np.flatnonzero((picture[:header, left:right] < 128).any(axis=(0, 2)))
        assert (dark[0] + dark[-1]) / 2 == pytest.approx(expected.shape[1] / 2, abs=2)
        left = right + BLOCK_GAP
    assert (picture.shape[1], picture.dtype) == (left - BLOCK_GAP, np.uint8)


def test_names_of_blocks_grow_with_the_picture_and_shrink_to_fit():
    def height_of_name(name, columns):
        picture = image_blocks([(name, np.ones((1, columns, 64, 64, 1)))])
        return len(np.flatnonzero((picture < 128).any(axis=(1, 2))))

    assert height_of_name("H", 40) > 2 * height_of_name("H", 1)
    assert height_of_name("H" * 8, 1) < height_of_name("H", 1)
