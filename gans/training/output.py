"""Where a command writes: checked before any work."""

import os
from pathlib import Path

from gans.training import cli


def check_folder(flag: str, path: str | Path) -> Path:
    """The path of a folder that is there or can be made.

    Raises `UsageError` where it, or one that it would be in, is a file.
    """
    path = Path(path)
    for place in (path, *path.parents):
        if place.is_dir():
            break
        # Not `exists`: neither can a folder be made where a link leads nowhere.
        if os.path.lexists(place):
            where = "" if place == path else f", in which {path} cannot be"
            raise cli.UsageError(f"--{flag} expects a folder. Received: the file {place}{where}")
    return path
