"""From a run folder back to the trained GAN, for the commands that come after training."""

import dataclasses
from pathlib import Path
from typing import Any

from gans.command_line.errors import UsageError
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings


def open_run(
    run_dir: str | Path, step: int | None = None
) -> tuple[RunFolder, RunSettings, Any, int]:
    """Builds the GAN of a run and fills it from the checkpoint of a step, or by default from the
    newest sound one.

    Returns the run folder, its settings, the GAN (a `keras.Model`, not compiled) and the step.
    Raises `UsageError` for a folder without a run or without a checkpoint, for one of a GAN that is
    not here, and for settings that this version cannot build.
    """
    from gans.training.checkpoints import Checkpoints

    folder = RunFolder(run_dir)
    run = folder.read_settings()
    try:
        gan = build(run)
    except ValueError as error:
        raise UsageError(
            f"expected settings of {run.gan}. Received: {folder.config_file} ({error})"
        ) from error
    step = Checkpoints(folder.checkpoints, gan).restore(step)
    if not step:
        raise UsageError(f"expected a run with a checkpoint. Received: {folder.path} without one")
    return folder, run, gan, step


def build(run: RunSettings) -> Any:
    """The GAN of a run, not compiled, with initial weights of the moment."""
    return run.gan_file.load()(**dataclasses.asdict(run.settings))
