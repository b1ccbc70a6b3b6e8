"""What every training script does between its flags and its training loop."""

import ast
import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from gans.command_line.errors import UsageError, usage_errors

# Settings that may differ when a run goes on: the data may move, data.json tells whether it is the
# same; how many steps one call makes changes no result; a mixture is what its name stands for.
FREE = frozenset({"data_dir", "data_dir_b", "tfds_dir", "tags_csv", "steps_per_call", "mixture"})


def import_tensorflow(debug: bool):
    """Imports TensorFlow without the page that it logs about itself at every start.

    The lines come from C++ before any log level is read, so the stream itself is closed meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        if not debug:
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 2)
        importlib.import_module("keras")
        # The device list is what logs that there is no GPU.
        importlib.import_module("tensorflow").config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def load_class(module: str, name: str) -> type:
    """The class of a GAN, by the names that a run's settings hold.

    Raises `UsageError` for a module that is not a GAN's file: a config.json may come from anywhere.
    """
    if not re.fullmatch(r"gans\.[a-z0-9_]+", module) or not name.isidentifier():
        raise UsageError(f"expected the name of a GAN. Received: {module}.{name}")
    with usage_errors(ImportError), usage_errors(AttributeError):
        return getattr(importlib.import_module(module), name)


def read_literal(module: str, name: str) -> Any:
    """The literal assigned to a module-level name, from the source: nothing is imported."""
    spec = importlib.util.find_spec(module)
    for node in ast.parse(spec.loader.get_source(module)).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return ast.literal_eval(node.value)
    raise ValueError(f"expected a literal {name} in {module}. Received: none")


def show(settings: Mapping[str, Any]):
    """Prints the resolved settings, for `--dry_run`."""
    print(json.dumps(settings, indent=2))
