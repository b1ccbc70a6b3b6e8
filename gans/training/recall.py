"""From a run's settings back to the command that trained it, without a path of any machine."""

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gans.command_line import cli, command
from gans.command_line.flags import DomainFlags, Flags, ImageFlags, SetFlags
from gans.data import datasets
from gans.training.restore import gan_module, generates
from gans.training.start import resolve

# What stands for a folder, by the setting that names it.
PLACEHOLDERS = {
    "data_dir": "DATA",
    "data_dir_b": "DATA_B",
    "tfds_dir": "TFDS",
    "tags_csv": "TAGS.csv",
}
TOY = re.compile(r"toy_fashion_(shoes_)?\d+")
TOY_IMAGES = 1000  # Of toy fashion as scripts draw it.
# Of toy fashion, what the scripts take as labels where no flag says so.
TOY_LABELS = {"CGAN": ["hue"], "InfoGAN": ["hue"], "MatchingCGAN": ["hue", "kind"]}
DRAWS = {"BicycleGAN": 2}  # Batches of pairs that a step takes; 1 of all others.
# What decides nothing, or is not for flags to say.
NO_FLAGS = {
    "model",
    "module",
    "preset",
    "constructor",
    "label_names",
    "mixture",
    "constant_rate",
    "steps_per_call",
    "steps_per_epoch",
    "dataset",
    *PLACEHOLDERS,
}


def training_command(settings: Mapping[str, Any], images: int | None = None) -> str:
    """A line such as `python scripts/train_cgan.py --dataset=mnist --epochs=5`, with the flags that
    differ from what the preset and the data imply. Folders are placeholders.

    Args:
        settings: of the run.
        images: of the training set, where that is known; otherwise --steps_per_epoch is given.
    """
    module, constructor = gan_module(settings), settings["constructor"]
    description = cli.describe_class(module, settings["model"])
    implied, flags = _implied(settings)
    preset = settings["preset"]
    if preset != implied.preset:
        flags["preset"] = preset
    usual = command.read_literal(module, "TRAINING").get(preset, {})
    if settings["epochs"] != usual.get("epochs"):
        flags["epochs"] = settings["epochs"]
    chosen = Flags(preset=preset, epochs=flags.get("epochs"), seed=constructor["seed"])
    # As a config.json gives it back: tuples are lists.
    base = json.loads(json.dumps(resolve(description, chosen, {}, {}, implied=implied.constructor)))
    defaults = _flag_defaults(settings, constructor, implied)
    if constructor["seed"]:
        flags["seed"] = constructor["seed"]
    for name, value in settings.items():
        usual_value = base.get(name, defaults.get(name))
        if name == "load_size":
            # It follows the image size, which may be a flag.
            ratio = base["load_size"] / base["constructor"]["image_size"]
            usual_value = round(ratio * constructor["image_size"])
        if name not in NO_FLAGS | {"epochs"} and value != usual_value and value is not None:
            flags[name] = value
    steps = images and images // (settings["batch_size"] * DRAWS.get(settings["model"], 1))
    if settings["steps_per_epoch"] != steps:
        flags["steps_per_epoch"] = settings["steps_per_epoch"]
    for name, value in constructor.items():
        completed = name == "label_dim" and settings.get("label_names")
        if not completed and value != base["constructor"].get(name):
            flags[name] = value
    line = " ".join(f"--{name}={_shown(value)}" for name, value in flags.items())
    return f"python scripts/train_{module.removeprefix('gans.')}.py {line}".rstrip()


def count_images(settings: Mapping[str, Any], fingerprint: Mapping[str, int]) -> int | None:
    """Images of a run's training set, or None where its records do not say.

    Args:
        settings: of the run.
        fingerprint: its data.json.
    """
    name = None if TOY.fullmatch(_stem(settings)) else settings.get("dataset")
    if TOY.fullmatch(_stem(settings)):
        return TOY_IMAGES
    if name in datasets.POINT_SETS:
        return fingerprint[name]
    if name:
        # What TensorFlow Datasets writes beside a set.
        folder = Path(settings.get("tfds_dir") or "~/tensorflow_datasets").expanduser()
        return _prepared_count(folder / name.partition(":")[0])
    if generates(gan_module(settings)) and Path(settings["data_dir"]).suffix != ".npz":
        return len(fingerprint.keys() - {"labels"})
    return None


def data_name(settings: Mapping[str, Any]) -> str:
    """The data in words, e.g. "toy fashion", "mnist", "images of your own"."""
    if TOY.fullmatch(_stem(settings)):
        shoes = settings.get("data_dir_b")
        return "toy fashion, bags and shoes" if shoes else "toy fashion"
    sets = [settings.get(name) for name in ("dataset", "tfds", "tfds_b")]
    return " and ".join(filter(None, sets)) or "images of your own"


def _implied(settings: Mapping[str, Any]) -> tuple[datasets.Dataset, dict[str, Any]]:
    """What the data of a run implies, and the flags that name it."""
    toy = bool(TOY.fullmatch(_stem(settings)))
    flags = {}
    if generates(gan_module(settings)):
        if toy:
            return datasets.resolve(datasets.TOY_FASHION), flags
        if settings.get("dataset"):
            flags["dataset"] = settings["dataset"]
        flags |= {key: word for key, word in PLACEHOLDERS.items() if settings.get(key)}
        chosen = {"data_dir": settings.get("data_dir")}
        if settings.get("dataset"):
            chosen = {"dataset": settings["dataset"]}
        return SetFlags(**chosen).implied(), flags
    if toy:
        usual = settings["model"] == "DiscoGAN"
        if bool(settings.get("data_dir_b")) != usual and "disjoint" in settings:
            flags["domains"] = "sketch2bag" if usual else "bag2shoe"
        return datasets.Dataset("toy"), flags
    flags |= {key: word for key, word in PLACEHOLDERS.items() if settings.get(key)}
    return datasets.Dataset("article"), flags


def _flag_defaults(settings, constructor, implied: datasets.Dataset) -> dict[str, Any]:
    """What settings of the data are where no flag says otherwise."""
    if not generates(gan_module(settings)):
        return ImageFlags().settings() | DomainFlags().settings() | {"disjoint": False}
    grey = constructor.get("image_channels") == 1
    flip = not grey if implied.flip is None else implied.flip
    toy = settings.get("dataset") == datasets.TOY_FASHION
    labels = TOY_LABELS.get(settings["model"]) if toy else None
    return SetFlags().settings() | {"flip": flip, "use_unlabelled": False, "labels": labels}


def _stem(settings: Mapping[str, Any]) -> str:
    """The last part of the run's folder of images, or nothing."""
    return Path(settings.get("data_dir") or "").name


def _prepared_count(folder: Path) -> int | None:
    for path in sorted(folder.glob("**/dataset_info.json")):
        try:
            splits = json.loads(path.read_text(encoding="utf-8"))["splits"]
            return next(
                sum(map(int, split["shardLengths"])) for split in splits if split["name"] == "train"
            )
        except (OSError, ValueError, LookupError, StopIteration, TypeError):
            continue
    return None


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_shown, value))
    return str(value).lower() if isinstance(value, bool) else shlex.quote(str(value))
