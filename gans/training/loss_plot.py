"""The losses of a run as a picture."""

from pathlib import Path

import numpy as np

from gans.command_line.errors import UsageError
from gans.pictures import plots
from gans.training.run_folder import RunFolder


def write_losses(run_dir: str | Path, pdf: bool = False) -> Path:
    """Draws what `metrics.jsonl` of a run holds, and returns the path: `losses.png` in its folder.

    Args:
        run_dir: folder of the run, which may still be training.
        pdf: also write `losses.pdf`.

    Raises `UsageError` where there is no run, or none that has logged a step.
    """
    folder = RunFolder(run_dir)
    gan = folder.read_settings().name
    logged = folder.read_metrics()
    if not logged:
        raise UsageError(
            f"expected a run with losses in its {folder.metrics_file.name}. Received: {folder.path}"
        )
    names = dict.fromkeys(name for line in logged for name in line if name != "step")
    steps = np.array([line["step"] for line in logged])
    values = {name: np.array([line.get(name, np.nan) for line in logged]) for name in names}
    figure = plots.losses(steps, values, f"Losses of {gan}")
    path = folder.path / "losses.png"
    plots.save_figure(figure, path, pdf)
    return path
