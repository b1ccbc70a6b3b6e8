"""Trains a matching-aware conditional GAN: noise and tags to a picture with these tags.

    python scripts/train_matching_cgan.py
    python scripts/train_matching_cgan.py --dataset=mnist
    python scripts/train_matching_cgan.py --dataset=ring8
    python scripts/train_matching_cgan.py --data_dir=data/anime_faces

The first needs nothing: it draws toy fashion, and ends with a picture of samples. The same command
given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("matching_cgan"))
