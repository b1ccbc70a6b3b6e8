"""Trains BicycleGAN: from one sketch to many different photos.

    python scripts/train_bicyclegan.py
    python scripts/train_bicyclegan.py --data_dir=data/edges2handbags --preset=paper

The first needs nothing: it draws toy fashion and ends after about 3.5 minutes on 2 cores with a
picture of sketches in rows; columns the sketch, the photo, its reconstruction, and eight samples
that differ. The same command given again goes on where the run stopped.
"""

from data_prep import toy_fashion
from gans.command_line import cli
from gans.command_line.flags import Flags, ImageFlags
from gans.evaluation import monitor
from gans.training import start

DESCRIPTION = cli.describe_class("gans.bicyclegan", "BicycleGAN")


def train(flags: Flags, images: ImageFlags, constructor: dict) -> None:
    """Trains BicycleGAN on pairs of images, and goes on where the run folder's last checkpoint is.

    Args:
        batch_size: Pairs of each of the two flows; a step takes twice as many. Default: the
            preset's.
    """
    images.check()

    def open_data(settings, cache_dir):
        from gans.data.training_data import paired

        if not (images.data_dir or images.tfds):
            settings["data_dir"] = toy_fashion.default_set(settings["constructor"]["image_size"])
        return paired(settings, cache_dir, images.cache, images.parallel_calls, draws=2)

    start.train(
        DESCRIPTION,
        flags,
        constructor,
        images.settings(),
        open_data,
        networks=("generator", "encoder"),
        watch=monitor.watch,
    )


if __name__ == "__main__":
    cli.run(cli.compose(train, DESCRIPTION))
