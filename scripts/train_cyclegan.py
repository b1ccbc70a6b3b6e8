"""Trains CycleGAN: from one domain to another and back, without pairs.

    python scripts/train_cyclegan.py
    python scripts/train_cyclegan.py --data_dir=data/monet2photo --preset=paper

The first needs nothing: it draws toy fashion, whose sketches and bags it takes in different orders,
and ends after 5 to 10 minutes on 2 cores with a picture: A, its translation, its reconstruction,
and the same for B. The same command given again goes on where the run stopped.
"""

from data_prep import toy_fashion
from gans.command_line import cli
from gans.command_line.flags import DomainFlags, Flags, ImageFlags
from gans.evaluation import monitor
from gans.training import start

DESCRIPTION = cli.describe_class("gans.cyclegan", "CycleGAN")


def train(flags: Flags, images: ImageFlags, domains: DomainFlags, constructor: dict) -> None:
    """Trains CycleGAN on two domains, and goes on where the run folder's last checkpoint is.

    Args:
        domains: Which domains of toy fashion, where no data is named. Default: sketch2bag.
    """
    images.check()
    domains.check(images)

    def open_data(settings, cache_dir):
        from gans.data.training_data import two_domains

        if not (images.data_dir or images.tfds):
            size = settings["constructor"]["image_size"]
            settings |= toy_fashion.default_domains(size, domains.domains or "sketch2bag")
        return two_domains(settings, cache_dir, images.cache, images.parallel_calls)

    start.train(
        DESCRIPTION,
        flags,
        constructor,
        {**images.settings(), **domains.settings()},
        open_data,
        networks=("generator_ab", "generator_ba"),
        watch=monitor.watch,
    )


if __name__ == "__main__":
    cli.run(cli.compose(train, DESCRIPTION))
