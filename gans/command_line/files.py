"""How commands write: folders are checked first, and a file is there whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gans.command_line.errors import UsageError


def check_folder(flag: str, path: str | Path) -> Path:
    """The path of a folder that exists or can be made.

    Raises `UsageError`, which names the flag, where the path or one of its parents is a file.
    """
    path = Path(path)
    for place in (path, *path.parents):
        if place.is_dir():
            break
        # Not `exists`: a folder cannot be made either where a link leads nowhere.
        if os.path.lexists(place):
            where = "" if place == path else f", in which {path} cannot be"
            raise UsageError(f"--{flag} expects a folder. Received: the file {place}{where}")
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, with the same ending, which takes its place at the end.

    The file is on the disk before it is renamed, so that `path` holds the old or the new file also
    after a power cut. If the body raises, the temporary file is removed and `path` is as it was.
    """
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str):
    """Writes a text in UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path):
    """Has the system put a file, or a folder's list of names, onto the disk."""
    # Windows opens no folders, and needs none to be synced.
    if os.name == "nt" and path.is_dir():
        return
    # Windows syncs only what is open for writing.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
