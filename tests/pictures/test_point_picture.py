"""Points over a field: where everything in them lies, to the pixel where that can be told."""

import numpy as np
import pytest

from gans.pictures.point_picture import (
    DOT_RADIUS,
    FIELD_COLOURS,
    SAMPLE_COLOUR,
    SAMPLE_OPACITY,
    point_picture,
)

SIDE = 96
AXIS = (2 * np.arange(SIDE) + 1 - SIDE) / SIDE  # Of [-1, 1].
RASTER = np.stack(np.meshgrid(AXIS, -AXIS), axis=-1).reshape(-1, 2).astype(np.float32)
FLAT = np.zeros(SIDE * SIDE, np.float32)
NONE = np.zeros((0, 2), np.float32)


def to_point(x, y):
    """The point in the middle of a pixel."""
    return ((x + 0.5) / 192 - 1, 1 - (y + 0.5) / 192)


def test_a_flat_field_is_white_at_every_value():
    for level in (-3.0, 0.0, 7.0):
        picture = point_picture(NONE, FLAT + level, RASTER)
        assert picture.shape == (384, 384, 3)
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, np.full((384, 384, 3), 247))


@pytest.mark.parametrize(("x", "y"), [(100, 40), (0, 0), (383, 383), (7, 380)])
def test_a_sample_is_dark_at_its_pixel_and_nowhere_else(x, y):
    picture = point_picture(np.array([to_point(x, y)]), FLAT, RASTER).astype(float)
    half = np.array([247 + SAMPLE_OPACITY * (shade - 247) for shade in SAMPLE_COLOUR])
    np.testing.assert_allclose(picture[y, x], half, atol=0.5)
    darker = (picture < 246).any(axis=-1)
    distance = np.hypot(*(np.indices((384, 384)) - np.array([y, x])[:, None, None]))
    np.testing.assert_array_equal(darker, distance < DOT_RADIUS + 0.5 - 0.01)


def test_samples_at_one_place_are_darker_than_one():
    point = np.array([to_point(50, 60)])
    shades = [
        int(point_picture(np.repeat(point, count, axis=0), FLAT, RASTER)[60, 50, 0])
        for count in (0, 1, 2, 50)
    ]
    once, colour = SAMPLE_OPACITY, SAMPLE_COLOUR[0]
    expected = [247, 247 + once * (colour - 247), colour + (1 - once) ** 2 * (247 - colour), colour]
    assert shades == pytest.approx(expected, abs=0.5)


def test_samples_beyond_the_raster_are_shown_at_the_edge_and_broken_ones_not_at_all():
    nowhere = point_picture(NONE, FLAT, RASTER)
    broken = np.array([(np.nan, 0), (0, np.inf)])
    np.testing.assert_array_equal(point_picture(broken, FLAT, RASTER), nowhere)
    picture = point_picture(np.array([(1e30, to_point(0, 99)[1])]), FLAT, RASTER)
    rows, columns = np.nonzero((picture != nowhere).any(axis=-1))
    assert rows.min() >= 97
    assert rows.max() <= 101
    assert columns.min() >= 380
    assert picture[99, 382, 0] > picture[99, 382, 1] + 50


def test_field_colours_go_from_blue_by_white_to_orange():
    judged = np.repeat(np.linspace(-2, 4, SIDE), SIDE).astype(np.float32)
    shades = point_picture(NONE, judged, RASTER)[:, 200].astype(int)
    red_over_blue = shades[:, 0] - shades[:, 2]
    assert (np.diff(shades[:192, 0]) >= 0).all()
    assert (np.diff(shades[192:, 2]) <= 0).all()
    assert red_over_blue[0] < -80
    assert red_over_blue[-1] > 80
    # The median, 1 and not 0, is white.
    assert (shades[190:194] > 240).all()
    np.testing.assert_array_equal(shades[0], FIELD_COLOURS[0])
    np.testing.assert_array_equal(shades[-1], FIELD_COLOURS[2])


def test_white_is_the_median_and_not_the_mean():
    judged = np.repeat(np.where(np.arange(SIDE) < 60, 1.0, 9.0), SIDE)
    picture = point_picture(NONE, judged, RASTER)
    np.testing.assert_array_equal(picture[:236], np.full((236, 384, 3), 247))
    np.testing.assert_array_equal(picture[300, 7], FIELD_COLOURS[2])


def test_the_field_lies_as_the_raster_does():
    judged = (RASTER[:, 0] > 0.5).astype(np.float32) + (RASTER[:, 1] > 0.5)
    picture = point_picture(NONE, judged, RASTER).astype(int)
    orange = picture[..., 0] - picture[..., 2] > 20
    assert orange[:90].all()
    assert orange[:, 294:].all()
    assert not orange[100:, :280].any()


def test_the_outline_of_a_mode_is_3_sigma_wide():
    centre = to_point(192, 192)
    one = point_picture(NONE, FLAT, RASTER, np.array([centre]), 4 / 192 * 0.9)
    three = point_picture(NONE, FLAT, RASTER, np.array([centre]), 20 / 192)
    for picture, radii in ((one, [11]), (three, [20, 40, 60])):
        row = (picture[192, 193:] < 150).any(axis=-1)
        edges = np.flatnonzero(row) + 1
        assert edges.tolist() == radii


def test_real_points_lie_under_the_samples():
    point = np.array([to_point(30, 40)])
    real = point_picture(NONE, FLAT, RASTER, real=point)[40, 30].astype(int)
    assert real[1] > real[0] + 40
    both = point_picture(np.repeat(point, 50, axis=0), FLAT, RASTER, real=point)
    np.testing.assert_array_equal(both[40, 30], SAMPLE_COLOUR)


@pytest.mark.parametrize(("raster", "judged"), [(RASTER[:-1], FLAT[:-1]), (RASTER, FLAT[:-1])])
def test_a_raster_that_is_no_square_of_judged_points_is_refused(raster, judged):
    with pytest.raises(ValueError, match="expected a square raster .* Received: "):
        point_picture(NONE, judged, raster)
