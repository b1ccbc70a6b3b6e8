"""Curves."""

import numpy as np
import pytest

from gans.pictures.plots import LINE_COLOURS, PLOT_BOX, Line, _ticks, line_plot


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
