"""Trains WGAN-GP: a critic with a gradient penalty.

    python scripts/train_wgan_gp.py
    python scripts/train_wgan_gp.py --dataset=mnist
    python scripts/train_wgan_gp.py --dataset=swissroll

The first needs nothing: it draws toy fashion, and ends with a picture of samples. The same command
given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("wgan_gp"))
