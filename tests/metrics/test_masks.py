"""Masks: constructed outlines, SciPy's filling, and the outlines of drawn bags."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from gans.metrics import masks
from gans.metrics.hues import ITEM_BRIGHTNESS

GLYPHS = {" ": 1.0, "#": -1.0}


def picture(*rows):
    """Black where there is a `#`: `(1, height, width, 3)`."""
    levels = np.array([[GLYPHS[glyph] for glyph in row] for row in rows])
    return np.repeat(levels[np.newaxis, ..., np.newaxis], 3, axis=-1)


def mask(*rows):
    return [
        "".join("#" if pixel else " " for pixel in row)
        for row in masks.item_mask(picture(*rows))[0]
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
    assert not masks.item_mask(np.ones((2, 8, 8, 3))).any()


@pytest.mark.parametrize(("level", "inside"), [(216, True), (218, False)])
def test_a_pixel_is_an_items_by_its_darkest_channel(level, inside):
    image = np.ones((1, 3, 3, 3), np.float32)
    image[0, 1, 1, 2] = level / 127.5 - 1
    assert masks.item_mask(image).sum() == inside


@pytest.mark.parametrize("density", [0.3, 0.45, 0.6])
def test_random_pictures_are_filled_as_scipy_fills_them(density):
    dark = np.random.default_rng(0).random((20, 24, 31)) < density
    images = np.where(dark, -1.0, 1.0)[..., np.newaxis]
    expected = np.stack([ndimage.binary_fill_holes(item) for item in dark])
    assert (expected != dark).any()
    np.testing.assert_array_equal(masks.item_mask(images), expected)


def test_iou_is_that_of_the_filled_outlines():
    frame = picture("      ", " #### ", " #  # ", " #### ", "      ")
    solid = picture("      ", " #### ", " #### ", " #### ", "      ")
    half = picture("      ", " ##   ", " ##   ", " ##   ", "      ")
    apart = picture("######", "      ", "      ", "      ", "      ")
    assert masks.mask_iou(frame, solid) == 1.0
    assert masks.mask_iou(solid, half) == masks.mask_iou(half, frame) == 6 / 12
    assert masks.mask_iou(half, apart) == 0.0
    assert masks.mask_iou(solid, np.ones_like(solid)) == 0.0
    both = masks.mask_iou(np.concatenate([frame, half]), np.concatenate([half, apart]))
    assert both == (0.5 + 0.0) / 2


def test_two_empty_pictures_agree():
    assert masks.mask_iou(np.ones((1, 4, 4, 3)), np.ones((1, 4, 4, 1))) == 1.0


def test_the_sketch_of_a_drawn_bag_has_the_outline_of_its_photo(toy_bags):
    pairs = np.stack(
        [np.asarray(Image.open(path)) for path in sorted((toy_bags / "train").iterdir())]
    )
    sketches, photos = np.split(pairs / np.float32(127.5) - 1, 2, axis=2)
    others = max(masks.mask_iou(sketches, np.roll(photos, shift, axis=0)) for shift in (1, 2, 3))
    assert masks.mask_iou(sketches, photos) > 0.85 > 0.75 > others
    drawn = masks.item_mask(photos)
    dark = (photos.min(axis=-1) + 1) / 2 < ITEM_BRIGHTNESS
    assert (drawn >= dark).all() and 0.1 < drawn.mean() < 0.8
