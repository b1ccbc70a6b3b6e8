"""The two errors that a command ends with, as one line on stderr, and no traceback."""

import contextlib
import re
from collections.abc import Iterator


class UsageError(Exception):
    """Bad input found before any work; exit status 2."""


class Failure(Exception):
    """A failure while working; exit status `exit_code`."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@contextlib.contextmanager
def usage_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Makes errors of these kinds (default: `ValueError`) a `UsageError`: they are about what the
    user gave.
    """
    kinds = kinds or (ValueError,)
    try:
        yield
    except kinds as error:
        raise UsageError(str(error)) from error


@contextlib.contextmanager
def flag_errors() -> Iterator[None]:
    """Makes a `ValueError` about a setting a `UsageError` about the flag of its name."""
    try:
        yield
    except ValueError as error:
        raise UsageError(re.sub(r"^`(\w+)` must be", r"--\1 expects", str(error))) from error


def check_at_least(minimum: int, **values: int | None):
    """Raises `UsageError` for the first value below `minimum`; None passes."""
    for name, value in values.items():
        if value is not None and value < minimum:
            raise UsageError(f"--{name} expects at least {minimum}. Received: {value}")
