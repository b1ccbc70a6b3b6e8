"""Sheets: every image at its place with its own pixels, names and numbers beside them."""

import numpy as np
import pytest
from PIL import Image

from gans.data import sheets


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
    pixels = sheets.to_uint8(image).repeat(zoom, 0).repeat(zoom, 1)
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


def test_a_film_goes_there_and_back(tmp_path):
    frames = [np.full((6, 6, 3), value, np.uint8) for value in (0, 100, 200, 255)]
    sheets.save_film(tmp_path / "film.gif", frames)
    with Image.open(tmp_path / "film.gif") as film:
        shades = []
        for number in range(film.n_frames):
            film.seek(number)
            shades.append(int(np.asarray(film.convert("L"))[0, 0]))
    assert shades == [0, 100, 200, 255, 200, 100]
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]
