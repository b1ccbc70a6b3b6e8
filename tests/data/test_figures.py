"""Pictures of results: where everything in them lies, to the pixel where that can be told."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gans.data.figures import (
    DOT_RADIUS,
    FIELD_COLOURS,
    GAP,
    HEADER,
    LINE_COLOURS,
    PLOT_BOX,
    SAMPLE_COLOUR,
    SAMPLE_OPACITY,
    Line,
    _ticks,
    labelled_blocks,
    line_plot,
    point_picture,
    save_gif,
)
from gans.data.images import grid, save_png


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


# Points over a field.

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


# Animations.


def pictures(folder, count, size=24):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"step-{index:04d}.png" for index in range(count)]
    for index, path in enumerate(paths):
        pixels = np.full((size, size, 3), (index % 250, 255 - index % 250, 40), np.uint8)
        pixels[index % size] = 0
        save_png(path, pixels)
    return paths


def frames(path):
    with Image.open(path) as gif:
        assert gif.format == "GIF"
        return [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(gif)
        ]


def test_a_gif_has_every_picture_and_holds_the_last(tmp_path):
    paths = pictures(tmp_path / "samples", 7)
    save_gif(paths, tmp_path / "samples.gif", frame_milliseconds=50, hold_milliseconds=900)
    found = frames(tmp_path / "samples.gif")
    assert [duration for _, duration in found] == [50] * 6 + [900]
    for path, (pixels, _) in zip(paths, found, strict=True):
        original = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert np.abs(original - pixels).max() <= 8
    with Image.open(tmp_path / "samples.gif") as gif:
        assert gif.info["loop"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples", "samples.gif"]


def test_of_many_pictures_200_are_taken_the_first_and_last_among_them(tmp_path):
    paths = pictures(tmp_path / "samples", 231, size=8)
    save_gif(paths, tmp_path / "samples.gif")
    found = frames(tmp_path / "samples.gif")
    assert len(found) == 200
    for path, (pixels, _) in ((paths[0], found[0]), (paths[-1], found[-1])):
        original = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert np.abs(original - pixels).max() <= 12


def test_a_gif_is_a_function_of_its_pictures(tmp_path):
    paths = pictures(tmp_path / "samples", 5)
    for name in ("a.gif", "b.gif"):
        save_gif(paths, tmp_path / name)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_one_picture_is_an_animation_too(tmp_path):
    save_gif(pictures(tmp_path / "samples", 1), tmp_path / "samples.gif")
    assert len(frames(tmp_path / "samples.gif")) == 1


def test_pictures_that_make_no_film_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="expected at least 1 picture. Received: 0"):
        save_gif([], tmp_path / "samples.gif")
    mixed = pictures(tmp_path / "a", 1, size=8) + pictures(tmp_path / "b", 1, size=9)
    with pytest.raises(ValueError, match="expected pictures of one size. Received: 8x8, 9x9"):
        save_gif(mixed, tmp_path / "samples.gif")
    assert not list(tmp_path.glob("*.gif*"))


# Curves.


def coloured(picture, index):
    """Rows and columns of the pixels that have exactly the colour of a line, within the axes."""
    left, top, right, bottom = PLOT_BOX
    inside = picture[top:bottom, left:right]
    rows, columns = np.nonzero((inside == LINE_COLOURS[index]).all(axis=-1))
    return rows + top, columns + left


def test_a_line_goes_from_corner_to_corner():
    picture = line_plot([Line("identity", np.arange(5), np.arange(5))], "title", "x", "y")
    left, top, right, bottom = PLOT_BOX
    rows, columns = coloured(picture, 0)
    # 4 % of the height stay free above and below.
    margin = (bottom - top) * 0.04 / 1.08
    expected = bottom - margin - (columns - left) / (right - left) * (bottom - top - 2 * margin)
    np.testing.assert_allclose(rows, expected, atol=2)
    assert columns.min() <= left + 3
    assert columns.max() >= right - 3
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (640, 3)


def test_an_exponential_is_straight_on_a_logarithmic_axis():
    x = np.arange(1.0, 6.0)
    straight = line_plot([Line("a", x, x)], "", "", "")
    rows, columns = coloured(straight, 0)
    found = coloured(line_plot([Line("a", x, 10**x)], "", "", "", log_y=True), 0)
    np.testing.assert_array_equal(found, (rows, columns))
    found = coloured(line_plot([Line("a", 10**x, x)], "", "", "", log_x=True), 0)
    np.testing.assert_array_equal(found, (rows, columns))


def test_what_cannot_be_drawn_is_a_gap():
    x = np.linspace(0, 1, 101)
    for hole in (np.nan, np.inf):
        y = np.where((x > 0.4) & (x < 0.6), hole, 1.0)
        _, columns = coloured(line_plot([Line("a", x, y)], "", "", ""), 0)
        left, _, right, _ = PLOT_BOX
        shares = np.unique((columns - left) / (right - left))
        assert not ((shares > 0.41) & (shares < 0.59)).any()
        assert (np.diff(shares) > 0.1).sum() == 1
    zero = line_plot([Line("a", x, np.where(x < 0.5, 0.0, 1.0))], "", "", "", log_y=True)
    assert coloured(zero, 0)[1].min() > (PLOT_BOX[0] + PLOT_BOX[2]) / 2 - 3


def test_a_dashed_line_has_the_colour_of_the_line_before_it():
    x = np.array([0.0, 1.0])
    lines = [Line("a", x, x), Line("b", x, x + 1), Line("b", x, x + 3, dashed=True)]
    picture = line_plot(lines, "", "", "")
    solid, _ = coloured(line_plot(lines[:2], "", "", ""), 1)
    both, columns = coloured(picture, 1)
    upper = both < (PLOT_BOX[1] + PLOT_BOX[3]) / 2
    assert upper.any()
    assert (np.diff(np.unique(columns[upper])) > 3).sum() > 10
    assert len(solid)
    assert not len(coloured(picture, 2)[0])


def test_a_constant_can_be_drawn_and_nothing_cannot():
    rows, _ = coloured(line_plot([Line("a", np.arange(3), np.full(3, 5.0))], "", "", ""), 0)
    assert np.mean(rows) == pytest.approx((PLOT_BOX[1] + PLOT_BOX[3]) / 2, abs=1)
    for lines in ([], [Line("a", np.arange(3), np.full(3, np.nan))]):
        with pytest.raises(ValueError, match="expected lines .* Received: none"):
            line_plot(lines, "", "", "")


@pytest.mark.parametrize(
    ("low", "high", "log", "expected"),
    [
        (0, 3, False, ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0"]),
        (-0.011, 0.031, False, ["-0.01", "0.00", "0.01", "0.02", "0.03"]),
        (0, 2048, False, ["0", "500", "1000", "1500", "2000"]),
        (-3.2, 1.1, True, ["0.001", "0.01", "0.1", "1", "10"]),
        (-12, 0, True, ["1e-12", "1e-10", "1e-08", "1e-06", "0.0001", "0.01", "1"]),
    ],
)
def test_ticks_are_round_numbers(low, high, log, expected):
    ticks = _ticks(low, high, log)
    assert [text for _, text in ticks] == expected
    for at, text in ticks:
        assert float(text) == pytest.approx(10.0**at if log else at, abs=1e-12)


def test_every_name_is_in_the_legend_and_titles_are_written():
    def ink(names, title="", x="", y=""):
        lines = [Line(name, np.arange(2), np.arange(2)) for name in names]
        picture = line_plot(lines, title, x, y)
        left, top, _, bottom = PLOT_BOX
        grey = picture.max(axis=-1) < 150
        return (
            grey[: top - 1].sum(),
            grey[bottom + 20 : bottom + 40].sum(),
            grey[:, : left - 40].sum(),
            grey[bottom + 46 :].sum(),
            len(picture),
        )

    empty = ink([""])
    assert empty[:4] == (0, 0, 0, 0)
    full = ink(["first", "second", "third"], "title", "along", "upwards")
    assert min(full[:4]) > 20
    assert full[4] == empty[4] + 20
