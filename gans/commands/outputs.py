"""Files that a command writes into a folder of the user's."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from gans.command_line.errors import UsageError
from gans.command_line.files import write_text
from gans.data.images import save_array, save_png
from gans.pictures.animation import save_there_and_back

# Channels of an image that can be shown; others are written as .npy.
SHOWN = (1, 3)


def check_new(paths: Iterable[Path], overwrite: bool, inputs: Collection[Path] = ()):
    """Raises `UsageError` where a file would be replaced that may not be.

    Args:
        paths: files that will be written.
        overwrite: whether files that are there may be replaced.
        inputs: resolved paths that are never replaced.
    """
    present = [
        path for path in paths if path.resolve() in inputs or (path.exists() and not overwrite)
    ]
    if present:
        raise UsageError(
            f"--output holds {len(present)} files of these names already, e.g. {present[0]}; "
            f"name another folder{'' if overwrite else ', or give --overwrite'}"
        )


def write(path: Path, content: Any):
    """Writes a file, whole or not at all, and makes its folder.

    Args:
        path: its ending says what the content is: of .png an image, uint8 or in [-1, 1]; of .gif
            uint8 frames; of .npy an array; of .json any value.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        save_png(path, content)
    elif path.suffix == ".gif":
        save_there_and_back(content, path)
    elif path.suffix == ".npy":
        save_array(path, content)
    else:
        write_text(path, json.dumps(content, indent=2) + "\n")
