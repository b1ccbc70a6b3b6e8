"""Points of the plane over the field of a discriminator or a critic, drawn by matplotlib."""

import numpy as np

from gans.pictures.plots import DPI, to_pixels

SIDE = 3.84  # Inches: 384 pixels.
# Of a field from its lowest values, which are taken for generated ones, to its highest.
FIELD_COLOURS = ("#5f96d2", "#f7f7f7", "#ec9460")
DENSITY_COLOUR, SAMPLE_COLOUR, OUTSIDE_COLOUR = "#009e73", "#181424", "#c80078"
SAMPLE_AREA = 4.0  # Of a dot, in square points.
# Circles of 1, 2 and 3 sigma are drawn where they are further apart than this share of the picture;
# where they are closer, only the last is.
SMALLEST_STEP = 0.01
EDGE = 0.005  # Share of the picture between its edge and the dots of samples that lie beyond it.


def point_figure(
    samples: np.ndarray,
    field: np.ndarray,
    raster: np.ndarray,
    centres: np.ndarray | None = None,
    sigma: float | None = None,
    real: np.ndarray | None = None,
):
    """Samples as dots, the true density and, behind both, a field, as a `Figure` without axes.

    The field is white at its median, the more orange the higher it is above that and the more blue
    the lower; full colour is what 2 % of the raster exceed. The true density is green: circles
    around each centre over the samples, or the real points under them. Samples beyond the raster
    are pink dots at its edge.

    Args:
        samples: generated points `(n, 2)`; those that are not finite are left out.
        field: the logit, or the critic's value, of each point of the raster, `(side * side,)`.
        raster: middles of the cells of a square grid, row by row from the top down,
            `(side * side, 2)`.
        centres, sigma: of a mixture of Gaussians, `(modes, 2)` and a number.
        real: real points `(m, 2)`.
    """
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    side = round(len(raster) ** 0.5)
    if side < 2 or raster.shape != (side * side, 2) or np.shape(field) != (side * side,):
        raise ValueError(
            "expected a square raster (side * side, 2) with a value of each point. "
            f"Received: {raster.shape} with {np.shape(field)}"
        )
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    half = (raster[1, 0] - raster[0, 0]) / 2  # Of a cell.
    low, high = raster.min(axis=0) - half, raster.max(axis=0) + half

    values = np.asarray(field, np.float64).reshape(side, side)
    values = np.nan_to_num(values - np.median(values), nan=0.0, posinf=0.0, neginf=0.0)
    # A field that is flat but for a few cells has a 98th percentile of 0.
    reach = np.quantile(np.abs(values), 0.98) or np.abs(values).max() or 1.0
    axes.imshow(
        values,
        LinearSegmentedColormap.from_list("field", FIELD_COLOURS),
        vmin=-reach,
        vmax=reach,
        extent=(low[0], high[0], low[1], high[1]),
        interpolation="bilinear",
    )
    samples = samples[np.isfinite(samples).all(axis=1)]
    inset = EDGE * (high - low)
    inside = ((samples >= low) & (samples <= high)).all(axis=1)
    for points, colour, alpha in (
        (np.empty((0, 2)) if real is None else real, DENSITY_COLOUR, 0.3),
        (samples[inside], SAMPLE_COLOUR, 0.5),
        (np.clip(samples[~inside], low + inset, high - inset), OUTSIDE_COLOUR, 0.5),
    ):
        axes.scatter(*points.T, s=SAMPLE_AREA, color=colour, alpha=alpha, linewidths=0)
    if centres is not None:
        apart = sigma / (high - low)[0] > SMALLEST_STEP
        for radius in (1, 2, 3) if apart else (3,):
            diameters = np.full(len(centres), 2 * radius * sigma)
            circles = EllipseCollection(
                diameters,
                diameters,
                np.zeros(len(centres)),
                units="xy",
                offsets=centres,
                offset_transform=axes.transData,
                facecolors="none",
                edgecolors=DENSITY_COLOUR,
            )
            axes.add_collection(circles)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    return figure


def point_picture(*args, **kwargs) -> np.ndarray:
    """The `point_figure` of the same arguments as a picture, uint8 RGB `(384, 384, 3)`."""
    return to_pixels(point_figure(*args, **kwargs))
