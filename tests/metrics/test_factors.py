import numpy as np
import pytest

from gans.metrics.factors import item_brightness, item_hue, item_size, slant, thickness


def stroke(lean, width=3, size=28):
    """A bright bar on black whose middle is `lean` columns further right a row up."""
    y, x = np.mgrid[:size, :size]
    middle = size / 2 - 0.5 + lean * (size / 2 - 0.5 - y)
    image = np.where((np.abs(x - middle) <= width / 2) & (abs(y - size / 2 + 0.5) < 8), 1.0, -1.0)
    return image[None, ..., None].astype(np.float32)


def square(side, colour, size=32):
    """A square of one colour on white."""
    image = np.ones((1, size, size, 3), np.float32)
    image[:, 4 : 4 + side, 4 : 4 + side] = 2 * np.float32(colour) - 1
    return image


@pytest.mark.parametrize("lean", [-1.0, 0.0, 1.0])
def test_the_slant_is_the_columns_that_a_stroke_moves_for_a_row(lean):
    assert slant(stroke(lean))[0] == pytest.approx(lean, abs=1e-9)


def test_the_slant_of_half_a_column_in_whole_pixels():
    assert slant(stroke(0.5))[0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_thickness_of_a_bar(width):
    image = -np.ones((1, 64, 64, 1), np.float32)
    image[:, :50, 20 : 20 + width] = 1
    # The perimeter, of which each corner is cut short.
    edges = 2 * (50 - 1) + 2 * (width - 1) + 4 / np.sqrt(2)
    assert thickness(image)[0] == pytest.approx(2 * 50 * width / edges)


def test_the_thickness_of_a_diagonal_stroke():
    y, x = np.mgrid[:200, :200]
    image = np.where(abs(x - y) <= 3, 1.0, -1.0)[None, ..., None]
    # Seven pixels of a row.
    assert thickness(image)[0] == pytest.approx(7 / np.sqrt(2), rel=0.04)


def test_half_the_ink_is_the_same_stroke():
    assert thickness((stroke(0) - 1) / 2)[0] == pytest.approx(thickness(stroke(0))[0])


def test_a_picture_without_ink_has_neither():
    black = -np.ones((2, 28, 28, 1), np.float32)
    assert np.isnan(slant(black)).all() and np.isnan(thickness(black)).all()


def test_an_items_size_brightness_and_hue():
    image = square(16, (0.8, 0.4, 0.0))  # HSV hue 30.
    assert item_size(image)[0] == (16 / 32) ** 2
    assert item_brightness(image)[0] == pytest.approx(0.299 * 0.8 + 0.587 * 0.4)
    assert item_hue(image)[0] == pytest.approx(30.0, abs=1e-3)


def test_hues_around_0_have_their_mean_there():
    image = square(16, (0.8, 0.0, 0.1))
    image[:, 4:12, 4:20] = 2 * np.float32([0.8, 0.1, 0.0]) - 1
    distance = (item_hue(image)[0] + 180) % 360 - 180
    assert distance == pytest.approx(0.0, abs=1e-3)


def test_grey_has_no_hue_and_white_no_item():
    assert np.isnan(item_hue(square(16, (0.4, 0.4, 0.4))))[0]
    white = np.ones((1, 32, 32, 3), np.float32)
    assert item_size(white)[0] == 0.0
    assert np.isnan(item_brightness(white))[0] and np.isnan(item_hue(white))[0]
