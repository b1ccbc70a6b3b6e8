"""Trains pix2pix: from a sketch to the photo, from pairs.

    python scripts/train_pix2pix.py
    python scripts/train_pix2pix.py --data_dir=data/facades --direction=b_to_a --preset=paper

The first needs nothing: it draws toy fashion and ends after about 2 minutes on 2 cores with a
picture of sketches in rows; columns the sketch, the photo, and samples that differ in the noise
alone. The same command given again goes on where the run stopped.
"""

from data_prep import toy_fashion
from gans.command_line import cli
from gans.command_line.flags import Flags, ImageFlags
from gans.evaluation import monitor
from gans.training import start

DESCRIPTION = cli.describe_class("gans.pix2pix", "Pix2Pix")


def train(flags: Flags, images: ImageFlags, constructor: dict) -> None:
    """Trains pix2pix on pairs of images, and goes on where the run folder's last checkpoint is."""
    images.check()

    def open_data(settings, cache_dir):
        from gans.data.training_data import paired

        if not (images.data_dir or images.tfds):
            settings["data_dir"] = toy_fashion.default_set(settings["constructor"]["image_size"])
        return paired(settings, cache_dir, images.cache, images.parallel_calls, draws=1)

    start.train(
        DESCRIPTION,
        flags,
        constructor,
        images.settings(),
        open_data,
        networks=("generator",),
        watch=monitor.watch,
    )


if __name__ == "__main__":
    cli.run(cli.compose(train, DESCRIPTION))
