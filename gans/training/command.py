"""What every training script does between its flags and its training loop."""

import ast
import contextlib
import importlib.util
import json
import os
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


def quiet_tensorflow(debug: bool):
    """Call before TensorFlow is imported: leaves out what it logs on every start about itself."""
    if not debug:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def read_literal(module: str, name: str) -> Any:
    """The literal assigned to a module-level name, from the source: nothing is imported."""
    spec = importlib.util.find_spec(module)
    for node in ast.parse(spec.loader.get_source(module)).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return ast.literal_eval(node.value)
    raise ValueError(f"expected a literal {name} in {module}. Received: none")


def check_at_least(minimum: int, **values: int | None):
    """Raises `UsageError` for the first value below `minimum`; None passes."""
    for name, value in values.items():
        if value is not None and value < minimum:
            raise cli.UsageError(f"--{name} expects at least {minimum}. Received: {value}")


@contextlib.contextmanager
def usage_errors(kind: type[Exception] = ValueError) -> Iterator[None]:
    """Makes errors of this kind one line with exit status 2: they are about what the user gave."""
    try:
        yield
    except kind as error:
        raise cli.UsageError(str(error)) from error


def show(settings: Mapping[str, Any]):
    """Prints the resolved settings, for `--dry_run`."""
    print(json.dumps(settings, indent=2))
