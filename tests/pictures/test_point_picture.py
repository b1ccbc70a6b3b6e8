"""Points over a field: what the artists hold, and where they lie in the picture."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb, to_rgba

from gans.pictures.point_picture import (
    DENSITY_COLOUR,
    EDGE,
    FIELD_COLOURS,
    OUTSIDE_COLOUR,
    SAMPLE_COLOUR,
    point_figure,
    point_picture,
)

SIDE = 16
AXIS = (2 * np.arange(SIDE) + 1 - SIDE) / SIDE  # Of [-1, 1].
RASTER = np.stack(np.meshgrid(AXIS, -AXIS), axis=-1).reshape(-1, 2).astype(np.float32)
FLAT = np.zeros(SIDE * SIDE, np.float32)
NONE = np.zeros((0, 2), np.float32)


def parts(*args, **kwargs):
    """The image, the dots (real points, samples, samples beyond the raster) and the circles."""
    (axes,) = point_figure(*args, **kwargs).axes
    return axes.images[0], axes.collections[:3], axes.collections[3:]


@pytest.mark.parametrize("level", [-3.0, 0.0, 7.0])
def test_a_flat_field_is_white_and_fills_the_picture(level):
    picture = point_picture(NONE, FLAT + level, RASTER)
    assert picture.dtype == np.uint8
    assert picture.shape == (384, 384, 3)
    np.testing.assert_allclose(picture, 247, atol=1)  # A colour map has 256 colours.


def test_the_field_lies_as_the_raster_does():
    values = (RASTER[:, 0] > 0.5).astype(np.float32) + (RASTER[:, 1] > 0.5)
    picture = point_picture(NONE, values, RASTER).astype(int)
    orange = picture[..., 0] - picture[..., 2] > 20
    assert orange[:80].all() and orange[:, 304:].all()
    assert not orange[110:, :270].any()


def test_the_median_is_white_and_colours_reach_the_98th_percentile():
    values = np.repeat(np.where(np.arange(SIDE) < 10, 1.0, 9.0), SIDE)
    values[0] = np.inf  # Shown as the median is.
    image, _, _ = parts(NONE, values, RASTER)
    assert image.get_clim() == (-8.0, 8.0)
    shown = image.get_array()
    assert shown.shape == (SIDE, SIDE)
    np.testing.assert_array_equal(np.unique(shown), [0.0, 8.0])
    for place, colour in zip((0.0, 0.5, 1.0), FIELD_COLOURS, strict=True):
        assert image.cmap(place)[:3] == pytest.approx(to_rgb(colour), abs=1 / 255)
    few = FLAT.copy()
    few[3] = 4.0  # Less than 2 % of the raster.
    assert parts(NONE, few, RASTER)[0].get_clim() == (-4.0, 4.0)


@pytest.mark.parametrize(("x", "y"), [(100, 40), (7, 380), (383, 383)])
def test_a_sample_is_dark_at_its_pixel_and_nowhere_far_from_it(x, y):
    point = np.array([((x + 0.5) / 192 - 1, 1 - (y + 0.5) / 192)])
    darker = (point_picture(point, FLAT, RASTER) < 240).any(axis=-1)
    rows, columns = np.nonzero(darker)
    assert darker[y, x]
    assert max(abs(rows - y).max(), abs(columns - x).max()) <= 2


def test_samples_beyond_the_raster_are_at_the_edge_and_those_not_finite_are_left_out():
    samples = np.array([(0.5, -0.5), (1e30, 0.25), (np.nan, 0), (0, np.inf)])
    _, (real, inside, outside), circles = parts(samples, FLAT, RASTER)
    assert len(real.get_offsets()) == len(circles) == 0
    np.testing.assert_array_equal(inside.get_offsets(), samples[:1])
    np.testing.assert_allclose(outside.get_offsets(), [(1 - 2 * EDGE, 0.25)], rtol=1e-6)
    for dots, colour in ((inside, SAMPLE_COLOUR), (outside, OUTSIDE_COLOUR)):
        np.testing.assert_array_equal(dots.get_facecolor(), [to_rgba(colour, 0.5)])


def test_real_points_lie_under_the_samples():
    real = np.array([(0.1, 0.2), (0.3, 0.4)])
    _, (density, samples, _), _ = parts(real[:1], FLAT, RASTER, real=real)
    np.testing.assert_array_equal(density.get_offsets(), real)
    np.testing.assert_array_equal(density.get_facecolor(), [to_rgba(DENSITY_COLOUR, 0.3)])
    assert density.axes.collections.index(density) < density.axes.collections.index(samples)


@pytest.mark.parametrize(("sigma", "multiples"), [(0.01, [3]), (0.05, [1, 2, 3])])
def test_modes_have_circles_of_some_sigma(sigma, multiples):
    centres = np.array([(0.0, 0.0), (-0.5, 0.5)])
    _, _, circles = parts(NONE, FLAT, RASTER, centres, sigma)
    for circle, multiple in zip(circles, multiples, strict=True):
        np.testing.assert_array_equal(circle.get_offsets(), centres)
        np.testing.assert_allclose(circle.get_widths(), 2 * multiple * sigma)
        np.testing.assert_allclose(circle.get_heights(), 2 * multiple * sigma)
    # 3 sigma to the right of the middle, in pixels.
    radius = 3 * sigma * 192
    row = point_picture(NONE, FLAT, RASTER, centres, sigma)[192, 193:, 0]
    assert row[round(radius) - 2 : round(radius) + 2].min() < 150
    assert row[round(radius) + 3 :].min() > 240


@pytest.mark.parametrize(("raster", "field"), [(RASTER[:-1], FLAT[:-1]), (RASTER, FLAT[:-1])])
def test_a_raster_that_is_no_square_with_a_value_of_each_point_is_refused(raster, field):
    with pytest.raises(ValueError, match="Received: "):
        point_picture(NONE, field, raster)
