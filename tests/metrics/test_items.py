import numpy as np
import pytest
from PIL import Image

from gans.metrics import items
from gans.metrics.hues import ITEM_BRIGHTNESS
from gans.metrics.items import item_brightness, item_hue, item_size, slant, thickness


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


GLYPHS = {" ": 1.0, "#": -1.0}


def picture(*rows):
    """Black where there is a `#`: `(1, height, width, 3)`."""
    levels = np.array([[GLYPHS[glyph] for glyph in row] for row in rows])
    return np.repeat(levels[np.newaxis, ..., np.newaxis], 3, axis=-1)


def mask(*rows):
    return [
        "".join("#" if pixel else " " for pixel in row)
        for row in items.item_mask(picture(*rows))[0]
    ]


def test_an_outline_counts_with_all_that_it_encloses():
    assert mask(
        "        ",
        "  ####  ",
        "  #  #  ",
        "  #  #  ",
        "  ####  ",
    ) == ["        ", *["  ####  "] * 4]


def test_a_gap_lets_the_ground_in():
    rows = ("        ", "  ####  ", "  #     ", "  #  #  ", "  ####  ")
    assert mask(*rows) == list(rows)


def test_pixels_that_touch_at_their_corners_enclose():
    assert mask("  #  ", " # # ", "#   #", " # # ", "  #  ") == [
        "  #  ",
        " ### ",
        "#####",
        " ### ",
        "  #  ",
    ]


def test_an_item_may_touch_the_border():
    assert mask("####", "#  #", "#  #", "####") == ["####"] * 4
    assert mask("#  #", "#  #", "#  #", "####") == ["#  #", "#  #", "#  #", "####"]


def test_the_ground_goes_around_every_corner():
    spiral = (
        "#########",
        "        #",
        "####### #",
        "#     # #",
        "# ### # #",
        "# #   # #",
        "# ##### #",
        "#       #",
        "#########",
    )
    assert mask(*spiral) == list(spiral)


def test_an_island_in_a_lake_belongs_to_the_item():
    assert mask("#####", "#   #", "# # #", "#   #", "#####") == ["#####"] * 5


def test_nothing_drawn_is_an_empty_mask():
    assert not items.item_mask(np.ones((2, 8, 8, 3))).any()


@pytest.mark.parametrize(("level", "inside"), [(216, True), (218, False)])
def test_a_pixel_is_an_items_by_its_darkest_channel(level, inside):
    image = np.ones((1, 3, 3, 3), np.float32)
    image[0, 1, 1, 2] = level / 127.5 - 1
    assert items.item_mask(image).sum() == inside


def test_iou_is_that_of_the_filled_outlines():
    frame = picture("      ", " #### ", " #  # ", " #### ", "      ")
    solid = picture("      ", " #### ", " #### ", " #### ", "      ")
    half = picture("      ", " ##   ", " ##   ", " ##   ", "      ")
    apart = picture("######", "      ", "      ", "      ", "      ")
    assert items.mask_iou(frame, solid) == 1.0
    assert items.mask_iou(solid, half) == items.mask_iou(half, frame) == 6 / 12
    assert items.mask_iou(half, apart) == 0.0
    assert items.mask_iou(solid, np.ones_like(solid)) == 0.0
    both = items.mask_iou(np.concatenate([frame, half]), np.concatenate([half, apart]))
    assert both == (0.5 + 0.0) / 2


def test_two_empty_pictures_agree():
    assert items.mask_iou(np.ones((1, 4, 4, 3)), np.ones((1, 4, 4, 1))) == 1.0


def test_the_sketch_of_a_drawn_bag_has_the_outline_of_its_photo(toy_bags):
    pairs = np.stack(
        [np.asarray(Image.open(path)) for path in sorted((toy_bags / "train").iterdir())]
    )
    sketches, photos = np.split(pairs / np.float32(127.5) - 1, 2, axis=2)
    others = max(items.mask_iou(sketches, np.roll(photos, shift, axis=0)) for shift in (1, 2, 3))
    assert items.mask_iou(sketches, photos) > 0.85 > 0.75 > others
    drawn = items.item_mask(photos)
    dark = (photos.min(axis=-1) + 1) / 2 < ITEM_BRIGHTNESS
    assert (drawn >= dark).all() and 0.1 < drawn.mean() < 0.8
