"""What every training script does between its flags and its training loop."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gans.training import cli

# Settings that may change when a run goes on: they decide where it reads and writes and how fast it
# is, not what it computes.
FREE = frozenset(
    [
        "data_dir",
        "cache",
        "parallel_calls",
        "log_every",
        "sample_every",
        "checkpoint_every",
        "keep_checkpoints",
        "profile",
    ]
)


def resolve(
    preset: str,
    defaults: Mapping[str, Any],
    presets: Mapping[str, Mapping[str, Any]],
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """The value of each setting: the one given, or else the preset's, or else the default."""
    chosen = {name: value for name, value in given.items() if value is not None}
    return {**defaults, **presets[preset], **chosen}


def check_at_least(minimum: int, **values: int | None):
    """Raises `UsageError` for the first value below `minimum`; None passes."""
    for name, value in values.items():
        if value is not None and value < minimum:
            raise cli.UsageError(f"--{name} expects at least {minimum}. Received: {value}")


@contextlib.contextmanager
def usage_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Makes errors of these kinds (default `ValueError`) one line with exit status 2."""
    try:
        yield
    except kinds or (ValueError,) as error:
        raise cli.UsageError(str(error)) from error


def show(settings: Mapping[str, Any]):
    """Prints the resolved settings, for `--dry_run`."""
    print(json.dumps(settings, indent=2))
