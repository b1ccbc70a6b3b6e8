"""Trains a matching-aware conditional GAN: noise and tags to a picture with these tags.

    python scripts/train_matching_cgan.py
    python scripts/train_matching_cgan.py --dataset=mnist
    python scripts/train_matching_cgan.py --dataset=ring8
    python scripts/train_matching_cgan.py --data_dir=data/anime_faces

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

DESCRIPTION = cli.describe_class("gans.matching_cgan", "MatchingCGAN")


def train(flags: Flags, sets: SetFlags, constructor: dict, use_unlabelled: bool = False) -> None:
    """Trains a matching-aware conditional GAN on images with tags, and goes on where the run
    stopped.

    Args:
        use_unlabelled: Take images without tags as real ones that match no tags. Otherwise they are
            left out.
    """
    sets.check()

    def open_data(settings, cache_dir):
        from gans.data.training_data import singles

        if settings["dataset"] == TOY_FASHION:
            settings["data_dir"] = toy_fashion.default_set(settings["constructor"]["image_size"])
        return singles(settings, cache_dir, sets.cache, sets.parallel_calls, labelled=True)

    start.train(
        DESCRIPTION,
        flags,
        constructor,
        {**sets.settings(toy_labels=("hue", "kind")), "use_unlabelled": use_unlabelled},
        open_data,
        networks=("generator", "discriminator"),
        watch=monitor.watch,
        preset=sets.implied().preset,
        # Whatever the constructor's default: as many as the data has.
        implied={**sets.implied().constructor, "label_dim": None},
        measure=generation.measure_while_training,
    )


if __name__ == "__main__":
    cli.run(cli.compose(train, DESCRIPTION))
