"""What the commands share that work for long: one run at a time, and what they say meanwhile."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from gans.command_line.errors import Failure


def say(text: str) -> None:
    """Prints a line; a stdout that is closed, or cannot show the text, does not end the work."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


@contextlib.contextmanager
def only_run(lock: Path) -> Iterator[None]:
    """Raises `Failure` where another process is within this context with the same file."""
    try:
        with filelock.FileLock(lock, timeout=0):
            try:
                yield
            finally:
                with contextlib.suppress(PermissionError):  # Windows removes it when it is free.
                    lock.unlink()
    except filelock.Timeout:
        raise Failure(f"expected no other run at the same time. Received: {lock} is held") from None
