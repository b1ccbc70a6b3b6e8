"""From a run folder back to the trained GAN, for the commands that come after training.

A GAN is known by the module that `config.json` names. Only a module of this library can be named
there: the file is data, and data must not choose what code is run.
"""

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

from gans.command_line import cli, command
from gans.command_line.errors import UsageError
from gans.training.run_folder import RunFolder


def open_run(run_dir: str | Path, step: int | None = None) -> tuple[RunFolder, dict, Any, int]:
    """Builds the GAN of a run and fills it from the checkpoint of a step, or by default from the
    newest sound one.

    Returns the run folder, its settings, the GAN (a `keras.Model`, not compiled) and the step.
    Raises `UsageError` for a folder without a run or without a checkpoint, for one of a GAN that is
    not here, and for settings that this version cannot build.
    """
    from gans.training.checkpoints import Checkpoints

    run = RunFolder(run_dir)
    settings = run.read_config()
    name = gan_module(settings)
    try:
        gan = command.load_class(name, settings["model"])(**settings["constructor"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"expected settings of {name}. Received: {run.config_file} ({error})"
        ) from error
    step = Checkpoints(run.checkpoints, gan).restore(step)
    if not step:
        raise UsageError(f"expected a run with a checkpoint. Received: {run.path} without one")
    return run, settings, gan, step


def read_settings(run_dir: str | Path) -> dict[str, Any]:
    """The settings of a run, of the constructor's arguments also those that it left to the class.

    Nothing is imported. Raises `UsageError` for a folder without a run, and for the run of a GAN
    that is not here.
    """
    settings = RunFolder(run_dir).read_config()
    module = gan_module(settings)
    try:
        parameters = cli.describe_class(module, settings["model"]).parameters
    except ValueError:
        raise UsageError(
            f"expected the run of a GAN of {module}. Received: {settings['model']!r}"
        ) from None
    defaults = {parameter.name: parameter.default for parameter in parameters}
    return settings | {"constructor": defaults | settings["constructor"]}


def gan_module(settings: dict) -> str:
    """The module of the run's GAN, e.g. "gans.pix2pix"; nothing is imported.

    Runs begun before there was a second GAN name only its class.
    """
    name = settings.get("module", f"gans.{str(settings.get('model')).lower()}")
    plain = isinstance(name, str) and re.fullmatch(r"gans\.[a-z][a-z0-9_]*", name)
    spec = importlib.util.find_spec(name) if plain else None
    if spec is None or spec.submodule_search_locations is not None:
        raise UsageError(f"expected the run of a GAN of this library. Received: {name!r}")
    return name


def generates(module: str) -> bool:
    """Whether the GAN begins with noise, read from its source: its class, or one that it derives
    from, has a method `generate`. Nothing is imported.
    """
    return "generate" in methods_of(module)


def methods_of(module: str) -> set[str]:
    """Names of the methods of the classes of a module, and of those of this library that they
    derive from. Nothing is imported.
    """
    tree = ast.parse(importlib.util.find_spec(module).loader.get_source(module))
    origin = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    found = set()
    for class_ in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        found |= {node.name for node in class_.body if isinstance(node, ast.FunctionDef)}
        for base in class_.bases:
            # `sampling.NoiseGAN` after `from gans.nn import sampling`, or NoiseGAN by itself.
            name, _, attribute = ast.unparse(base).partition(".")
            parent, imported = origin.get(name, ("", ""))
            if parent.split(".")[0] == "gans":
                found |= methods_of(f"{parent}.{imported}" if attribute else parent)
    return found


def calls_of(module: str) -> set[str]:
    """Names of all functions and classes that a module calls, without what is before the last dot.
    Nothing is imported.
    """
    tree = ast.parse(importlib.util.find_spec(module).loader.get_source(module))
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {call.rpartition(".")[2] for call in calls}


def translate_takes(module: str) -> str:
    """What the GAN's `translate` takes beside the images, read from its source: "z" (styles),
    "seed" (noise) or "direction" (two domains).

    It tells what can be asked of the GAN, before TensorFlow is imported.
    """
    spec = importlib.util.find_spec(module)
    for node in ast.walk(ast.parse(spec.loader.get_source(module))):
        if isinstance(node, ast.FunctionDef) and node.name == "translate":
            return node.args.args[2].arg
    raise ValueError(f"expected a method `translate` in {module}. Received: none")
