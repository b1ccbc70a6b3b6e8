"""Trains WGAN: a critic with clipped weights.

    python scripts/train_wgan.py
    python scripts/train_wgan.py --dataset=mnist
    python scripts/train_wgan.py --dataset=ring8

The first needs nothing: it draws toy fashion, and ends with a picture of samples. The same command
given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("wgan"))
