"""The console command `gans`: every command of the library as a word of one program.

    gans train bicyclegan --epochs=2
    gans translate --run_dir=runs/bicyclegan --input=sketch.png --output=out

`gans` alone lists the commands, `gans train` the GANs. The functions and their flags are those of
`python scripts/train_bicyclegan.py` and so on. A command is imported when it is run: what one of
them needs is nothing to the others.
"""

import functools
import importlib

from gans.command_line import cli, gan_files
from gans.command_line.cli import Later

IMAGES = {
    "none": "images",
    "one": "images with one label each",
    "many": "images with one or several labels each",
}
TRAINS_ON = {"pairs": "pairs of images", "domains": "two sets of images without pairs"}


def command(module: str, function: str, summary: str) -> Later:
    """A command that is a function of a module."""
    return Later(summary, lambda: getattr(importlib.import_module(module), function))


def training_commands() -> dict[str, Later]:
    """A command for each GAN."""
    return {name: training_command(name) for name in gan_files.names()}


def training_command(name: str) -> Later:
    """The command that trains a GAN."""
    file = gan_files.read(name)
    data = TRAINS_ON.get(file.can.starts_from, IMAGES[file.can.labels])

    def load():
        from gans.commands import train

        return train.command_of(name)

    return Later(f"{file.class_name}, trained on {data}", load)


COMMANDS = {
    "train": Later("Trains a GAN; `gans train` alone lists them.", training_commands),
    "translate": command(
        "gans.commands.translate", "translate", "Translates images with a trained GAN."
    ),
    "generate": command(
        "gans.commands.generate", "generate", "Makes samples, or shows what a GAN has learned."
    ),
    "evaluate": command("gans.commands.evaluate", "evaluate", "Measures a run, or two folders."),
    "report": command("gans.commands.report", "report", "Draws the losses of a run."),
    "gallery": command(
        "gans.commands.gallery", "gallery", "Writes pages of finished runs and their scores."
    ),
    "train-classifier": command(
        "gans.commands.train_classifier", "train", "Trains the classifier that evaluations use."
    ),
    "compare-modes": command(
        "gans.commands.compare_modes", "compare", "Compares GANs by the modes that they find."
    ),
    "compare-translation": command(
        "gans.commands.compare_translation", "compare", "Compares variants of translation."
    ),
    "gan-theory": command(
        "gans.commands.gan_theory", "gan_theory", "Shows the theory of GANs as numbers and figures."
    ),
    "download": command(
        "data_prep.download", "download", "Downloads a public data set by its name."
    ),
    "image-split": command("data_prep.image_split", "main", "Cuts pairs that are one image each."),
    "toy-fashion": command("data_prep.toy_fashion", "generate", "Draws the toy data set."),
}

main = functools.partial(cli.run, COMMANDS, prog="gans")
