"""What a GAN file says about its GAN, read without TensorFlow, whose import takes seconds.

So `--help`, and the report of a wrong flag, come at once; and a config.json, which may come from
anywhere, can name nothing but a GAN of this library.
"""

import ast
import dataclasses
import functools
import importlib
from pathlib import Path
from typing import Any, Literal

from gans.command_line.errors import UsageError
from gans.nn.settings import Settings, check_types, described

# What the class `Settings` of a GAN file may import.
LIGHT = {"dataclasses", "math", "typing", "gans.nn.settings"}

Shows = Literal["samples", "interpolate", "arithmetic", "probe", "filters", "codes"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Abilities:
    """The literal `CAN` of a GAN file.

    Attributes:
        starts_from: what a sample is made of: noise, the images of pairs, or those of two domains.
        networks: attributes of the GAN that a finished run keeps as `NAME.weights.h5`.
        labels: whether it takes labels, and how many of them hold for an image.
        shows: modes of the command `generate`.
        varies_by: what a GAN that translates takes beside the image: a style z, the seed of its
            noise, or the direction.
        draws: independent batches of pairs that a step takes.
        epoch: the domain of which an epoch takes each image once.
        toy_domains: domains of toy fashion that it trains on where no data is named.
        toy_labels: columns of toy fashion that are its labels where nothing else is said.
    """

    starts_from: Literal["noise", "pairs", "domains"]
    networks: tuple[str, ...] = ("generator", "discriminator")
    labels: Literal["none", "one", "many"] = "none"
    shows: tuple[Shows, ...] | tuple[()] = ()
    varies_by: Literal["style", "noise", "direction"] | None = None
    draws: int = 1
    epoch: Literal["larger", "smaller"] = "larger"
    toy_domains: Literal["sketch2bag", "bag2shoe"] = "sketch2bag"
    toy_labels: tuple[str, ...] | tuple[()] = ()

    def __post_init__(self):
        check_types(self)


@dataclasses.dataclass(frozen=True)
class GanFile:
    """A GAN file.

    Attributes:
        name: of the module below `gans`, e.g. "wgan_gp".
        class_name: of the GAN, e.g. "WGANGP".
        settings: its class `Settings`.
        presets: arguments of the constructor by the name of the preset.
        training: what the training command takes beside them, by preset: batch_size, epochs, ...
        can: see `Abilities`.
    """

    name: str
    class_name: str
    settings: type[Settings]
    presets: dict[str, dict[str, Any]]
    training: dict[str, dict[str, Any]]
    can: Abilities

    @property
    def meanings(self) -> dict[str, str]:
        """What `--help` says about each setting."""
        return {name: facts["meaning"] for name, facts in described(self.settings).items()}

    def load(self) -> type:
        """The class of the GAN; imports TensorFlow."""
        return getattr(importlib.import_module(f"gans.{self.name}"), self.class_name)


def names() -> list[str]:
    """Modules of all GANs, sorted."""
    folder = Path(__file__).parents[1]
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


@functools.cache
def read(name: str) -> GanFile:
    """Reads a GAN file. Only its literals and its class `Settings` are executed.

    Args:
        name: of the module below `gans`.

    Raises `UsageError` where there is none of that name.
    """
    if name not in names():
        raise UsageError(f"expected the name of a GAN: {', '.join(names())}. Received: {name!r}")
    source = Path(__file__).parents[1] / f"{name}.py"
    tree = ast.parse(source.read_text(encoding="utf-8"), str(source))
    kept = [node for node in tree.body if _is_light(node)]
    # Names in annotations are looked up in the module of a class: that of the GAN is not imported.
    values: dict[str, Any] = {"__name__": __name__}
    exec(compile(ast.Module(kept, []), source, "exec"), values)
    (class_name,) = (
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name != "Settings"
    )
    return GanFile(
        name,
        class_name,
        values["Settings"],
        values["PRESETS"],
        values["TRAINING"],
        Abilities(**values["CAN"]),
    )


def _is_light(node: ast.stmt) -> bool:
    """Whether a statement can be executed without TensorFlow: an import, a literal, `Settings`."""
    if isinstance(node, ast.ImportFrom):
        return node.module in LIGHT
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names} <= LIGHT
    if isinstance(node, ast.Assign):
        return not any(isinstance(part, ast.Call) for part in ast.walk(node.value))
    return isinstance(node, ast.ClassDef) and node.name == "Settings"
