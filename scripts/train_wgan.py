"""Trains WGAN: a critic with clipped weights.

    python scripts/train_wgan.py
    python scripts/train_wgan.py --dataset=mnist
    python scripts/train_wgan.py --dataset=ring8

The first needs nothing: it draws toy fashion, and ends with a picture of samples. The same command
given again goes on where the run stopped.
"""

from data_prep import toy_fashion
from gans.command_line import cli
from gans.command_line.flags import Flags, SetFlags
from gans.data.datasets import TOY_FASHION
from gans.evaluation import monitor
from gans.metrics import generation
from gans.training import start

DESCRIPTION = cli.describe_class("gans.wgan", "WGAN")


def train(flags: Flags, sets: SetFlags, constructor: dict) -> None:
    """Trains WGAN on images or points; goes on where the run stopped."""
    sets.check()

    def open_data(settings, cache_dir):
        from gans.data.training_data import singles

        if settings["dataset"] == TOY_FASHION:
            settings["data_dir"] = toy_fashion.default_set(settings["constructor"]["image_size"])
        return singles(settings, cache_dir, sets.cache, sets.parallel_calls, labelled=False)

    start.train(
        DESCRIPTION,
        flags,
        constructor,
        sets.settings(),
        open_data,
        networks=("generator", "critic"),
        watch=monitor.watch,
        preset=sets.implied().preset,
        implied=sets.implied().constructor,
        measure=generation.measure_while_training,
    )


if __name__ == "__main__":
    cli.run(cli.compose(train, DESCRIPTION))
