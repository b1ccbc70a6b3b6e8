"""Trains DiscoGAN: shoes in the style of a bag, bags in the style of a shoe, without pairs.

    python scripts/train_discogan.py
    python scripts/train_discogan.py --data_dir=data/edges2handbags --data_dir_b=data/edges2shoes
    python scripts/train_discogan.py process_main --dataset_dir data/edges2handbags --epochs 100

The first needs nothing: it draws toy fashion's bags and shoes, and ends after about 4 minutes on 2
cores with a picture: a bag, its shoe, the bag again, and the same for shoes. The last is the
command of the article, sketch to bag, with its progress line. The same command given again goes on
where the run stopped.
"""

import dataclasses
import time

from data_prep import toy_fashion
from gans.command_line import cli
from gans.command_line.errors import UsageError
from gans.command_line.flags import DomainFlags, Flags, ImageFlags
from gans.evaluation import monitor
from gans.training import start

DESCRIPTION = cli.describe_class("gans.discogan", "DiscoGAN")


def train(flags: Flags, images: ImageFlags, domains: DomainFlags, constructor: dict) -> None:
    """Trains DiscoGAN on two domains, and goes on where the run folder's last checkpoint is.

    Args:
        domains: Which domains of toy fashion, where no data is named. Default: bag2shoe.
    """
    start_training(flags, images, domains, constructor)


def process_main(
    dataset_dir: str, flags: Flags, images: ImageFlags, domains: DomainFlags, constructor: dict
) -> None:
    """The article's command: `train` on this folder, with the article's line for every step.

    Args:
        dataset_dir: Folder of the two domains, as --data_dir.
    """
    if images.data_dir or images.tfds:
        raise UsageError("expected the data as --dataset_dir. Received: --data_dir or --tfds")
    images = dataclasses.replace(images, data_dir=dataset_dir)
    start_training(flags, images, domains, constructor, progress=article_progress)


def start_training(flags, images, domains, constructor, progress=None):
    """Finds the data and trains."""
    images.check()
    domains.check(images)

    def open_data(settings, cache_dir):
        from gans.data.training_data import two_domains

        if not (images.data_dir or images.tfds):
            size = settings["constructor"]["image_size"]
            settings |= toy_fashion.default_domains(size, domains.domains or "bag2shoe")
        return two_domains(
            settings, cache_dir, images.cache, images.parallel_calls, epoch="smaller"
        )

    start.train(
        DESCRIPTION,
        flags,
        constructor,
        {**images.settings(), **domains.settings()},
        open_data,
        networks=("generator_ab", "generator_ba"),
        watch=monitor.watch,
        progress=progress,
    )


def article_progress():
    """A callback that prints `Epoch: [ 0] [  12/ 156] time: 10.1256`, as the article's code."""
    import keras

    class Progress(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.begin = time.time()

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            seconds = time.time() - self.begin
            steps = self.params["steps"]
            print(f"Epoch: [{self.epoch:2d}] [{batch:4d}/{steps:4d}] time: {seconds:4.4f}")

    return Progress()


if __name__ == "__main__":
    cli.run(
        {
            None: cli.compose(train, DESCRIPTION),
            "process_main": cli.compose(process_main, DESCRIPTION),
        }
    )
