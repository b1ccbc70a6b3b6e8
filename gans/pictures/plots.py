"""Plots, drawn by matplotlib through its object-oriented interface alone: no state of pyplot is
touched and no window opened.

The functions return a `matplotlib.figure.Figure`; `save_figure` writes it. matplotlib is imported
inside the functions, so that a command line which draws nothing does not wait for it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gans.command_line.files import replacing

DPI = 100
WIDTH = 6.4  # Inches: 640 pixels, which a page shows without making them smaller.
PANEL_HEIGHT = 2.1  # Inches, of one panel of losses.
# The colours of Okabe and Ito, which people tell apart however they see colours.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
MARKED = 40  # Curves of fewer points than this have a dot at each.

# Losses are drawn in panels by the first word of their names, digits left out: `d2_loss` is one of
# the discriminator. A word that is not here is a panel of its own.
PANELS = {
    **dict.fromkeys(("d", "da", "db", "dis", "real", "fake", "mismatched"), "discriminator"),
    **dict.fromkeys(("critic", "wasserstein", "gradient"), "critic"),
    **dict.fromkeys(("g", "gan", "gen"), "generator"),
    "fm": "feature matching",
    "recon": "reconstruction",
    "kl": "KL divergence",
}
SMOOTHED_OVER = 0.02  # Standard deviation of the smoothing Gaussian, as a share of the curve.
# The axis of a panel holds this share of the raw values, without the largest and smallest ones.
SHOWN_SHARE = 0.98


class Line(NamedTuple):
    """A curve of `curves`: its name in the legend, x and y `(n,)`, and whether it is dashed.

    Values that are not finite, and on a logarithmic axis those that are not positive, are gaps.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


def curves(
    lines: Sequence[Line],
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
    log_y: bool = False,
):
    """Curves in one plot with a legend below it, as a `Figure`. A dashed line takes the colour of
    the line before it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 4.2), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    number = -1
    for line in lines:
        number += not line.dashed
        axes.plot(
            line.x,
            line.y,
            "--" if line.dashed else "-",
            color=COLOURS[max(number, 0) % len(COLOURS)],
            marker="." if len(line.x) < MARKED and not line.dashed else None,
            label=line.name,
        )
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    if log_x:
        axes.set_xscale("log", nonpositive="mask")
    if log_y:
        axes.set_yscale("log", nonpositive="mask")
    axes.grid(color="#dddddd")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def losses(steps: np.ndarray, values: Mapping[str, np.ndarray], title: str):
    """Losses over the steps of a run as a `Figure`: a panel for each of `PANELS`, in which each
    loss is a pale curve and, over it, a smoothed one.

    A panel leaves out the few most extreme raw values; its smoothed curves are whole.

    Args:
        steps: at which the losses were logged, `(n,)`.
        values: of each loss by name, `(n,)`; NaN where it was not logged.
        title: above all panels.
    """
    from matplotlib.figure import Figure

    panels = {}
    for name in values:
        word = name.partition("_")[0].rstrip("0123456789")
        panels.setdefault(PANELS.get(word, word), []).append(name)
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    size = (WIDTH, PANEL_HEIGHT * rows + 0.6)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize="medium")
    figure.supxlabel("step", fontsize="small")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (panel, names) in zip(grid, panels.items(), strict=False):
        ranges = []
        for number, name in enumerate(names):
            colour = COLOURS[number % len(COLOURS)]
            smoothed = smooth(values[name])
            axes.plot(steps, values[name], color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(steps, smoothed, color=colour, linewidth=1.5, label=name)
            tails = (1 - SHOWN_SHARE) / 2
            ranges += [*np.nanquantile(values[name], (tails, 1 - tails)), *smoothed]
        low, high = np.nanmin(ranges), np.nanmax(ranges)
        margin = 0.05 * (high - low) or 0.5
        axes.set_ylim(low - margin, high + margin)
        axes.set_ylabel(panel, fontsize="small")
        axes.tick_params(labelsize="x-small")
        axes.grid(color="#dddddd")
        axes.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=3,
            fontsize="x-small",
            frameon=False,
            handlelength=1,
            columnspacing=1,
        )
    for axes in grid[len(panels) :]:
        axes.remove()
    return figure


def smooth(values: np.ndarray) -> np.ndarray:
    """Means of the values `(n,)` near each one, weighted by a Gaussian that is cut off at the ends
    of the curve; NaN has no weight.
    """
    from scipy.ndimage import gaussian_filter1d

    sigma = SMOOTHED_OVER * len(values)
    present = np.isfinite(values)
    weights, sums = (
        gaussian_filter1d(part, sigma, mode="constant")
        for part in (present.astype(float), np.where(present, values, 0.0))
    )
    return np.divide(sums, weights, out=np.full(len(values), np.nan), where=weights > 0)


def to_pixels(figure) -> np.ndarray:
    """A figure as a picture, uint8 RGB `(height, width, 3)`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def save_figure(figure, path: Path, pdf: bool = False, software: str | None = None):
    """Writes a figure as PNG, whole or not at all; the same figure gives the same bytes.

    Args:
        figure: a `Figure`.
        path: of the PNG.
        pdf: also write the figure as a PDF of the same name.
        software: a name that the files bear as what made them.
    """
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": software})
    if pdf:
        metadata = {"Creator": software, "CreationDate": None}
        with replacing(path.with_suffix(".pdf")) as temporary:
            figure.savefig(temporary, format="pdf", metadata=metadata)
