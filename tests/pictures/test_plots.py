"""Plots: what their artists hold, and how they are written."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gans.pictures.plots import COLOURS, Line, curves, losses, save_figure, smooth, to_pixels


def texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def test_curves_have_their_data_colours_names_and_labels():
    x, y = np.arange(50.0), np.arange(50.0) ** 2
    lines = [
        Line("first", x, y),
        Line("its limit", x[:2], y[:2], dashed=True),
        Line("second", x[:5], y[:5]),
    ]
    figure = curves(lines, "the title", "time (s)", "speed (m/s)")
    (axes,) = figure.axes
    for line, drawn in zip(lines, axes.lines, strict=True):
        np.testing.assert_array_equal(drawn.get_xydata(), np.stack([line.x, line.y], axis=1))
        assert drawn.get_label() == line.name
    shown = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines]
    assert shown == [
        (COLOURS[0], "-", "None"),
        (COLOURS[0], "--", "None"),  # Of the line before it.
        (COLOURS[1], "-", "."),  # Of few points, each is marked.
    ]
    assert texts(figure.legends[0]) == ["first", "its limit", "second"]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == (
        "the title",
        "time (s)",
        "speed (m/s)",
    )
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")
    assert to_pixels(figure).shape == (420, 640, 3)


def test_a_logarithmic_axis_leaves_out_what_has_no_logarithm():
    figure = curves([Line("a", [1, 2, 3], [0.0, 10.0, 100.0])], "", "", "", log_x=True, log_y=True)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    low, high = axes.get_ylim()
    assert 1 < low < 10 and high > 100


NAMES = ("d_loss", "real_loss", "g_loss", "cycle_a_loss", "d2_loss", "kl_loss")


def test_losses_have_a_panel_for_each_family_with_raw_and_smoothed_curves():
    steps = np.arange(10, 1010, 10)
    noise = np.random.default_rng(0).standard_normal((len(NAMES), len(steps)))
    values = dict(zip(NAMES, noise, strict=True))
    values["g_loss"][7] = 1e6  # Would hide all others.
    figure = losses(steps, values, "Losses of a GAN")
    panels = {axes.get_ylabel(): axes for axes in figure.axes}
    assert {name: texts(axes.get_legend()) for name, axes in panels.items()} == {
        "discriminator": ["d_loss", "real_loss", "d2_loss"],
        "generator": ["g_loss"],
        "cycle": ["cycle_a_loss"],
        "KL divergence": ["kl_loss"],
    }
    for axes in panels.values():
        for raw, smoothed in zip(axes.lines[::2], axes.lines[1::2], strict=True):
            expected = values[smoothed.get_label()]
            np.testing.assert_array_equal(raw.get_xydata(), np.stack([steps, expected], axis=1))
            np.testing.assert_array_equal(smoothed.get_ydata(), smooth(expected))
            assert raw.get_color() == smoothed.get_color()
            assert raw.get_alpha() < 0.5
    assert panels["generator"].get_ylim()[1] < 1e6
    assert panels["generator"].get_ylim()[1] > panels["generator"].lines[1].get_ydata().max()
    assert (figure.get_suptitle(), figure.get_supxlabel()) == ("Losses of a GAN", "step")
    assert to_pixels(figure).shape[1] == 640


def test_one_constant_loss_has_one_panel_with_the_value_in_its_middle():
    (axes,) = losses(np.array([5]), {"latent_loss": np.array([3.0])}, "").axes
    assert axes.get_ylabel() == "latent"
    assert sum(axes.get_ylim()) / 2 == pytest.approx(3.0)


def test_smoothing_keeps_a_constant_and_the_places_of_what_is_missing():
    np.testing.assert_allclose(smooth(np.full(200, 2.5)), 2.5, rtol=1e-12)
    gap = np.where(np.arange(200) % 3, 2.5, np.nan)  # Logged in two of three steps.
    np.testing.assert_allclose(smooth(gap), 2.5, rtol=1e-12)
    noise = np.random.default_rng(0).standard_normal(1000)
    assert smooth(noise).std() < 0.2
    # The weights of a Gaussian of standard deviation 0.02 n, by hand.
    peak = np.zeros(101)
    peak[50] = 1.0
    kernel = np.exp(-0.5 * (np.arange(-8, 9) / (0.02 * 101)) ** 2)
    np.testing.assert_allclose(smooth(peak)[42:59], kernel / kernel.sum(), rtol=1e-9)


def test_figures_are_written_as_png_and_pdf_with_the_same_bytes_each_time(tmp_path):
    def draw():
        return curves([Line("a", [0, 1], [0, 1])], "", "x", "y")

    save_figure(draw(), tmp_path / "a.png")
    for name in ("b.png", "c.png"):
        save_figure(draw(), tmp_path / name, pdf=True, software="the command")
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.png",
        "b.png",
        "b.pdf",
        "c.png",
        "c.pdf",
    }
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.png") as b:
        assert a.size == (640, 420)
        assert (a.info.get("Software"), b.info["Software"]) == (None, "the command")
    for suffix in ("png", "pdf"):
        content = (tmp_path / f"b.{suffix}").read_bytes()
        assert content == (tmp_path / f"c.{suffix}").read_bytes()
        assert b"the command" in content
    assert content.startswith(b"%PDF")


def test_matplotlib_is_imported_to_draw_only_and_pyplot_never():
    code = (
        "import sys\nfrom gans.pictures import plots, point_picture\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plots.to_pixels(plots.curves([plots.Line('a', [0], [0])], '', '', ''))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
