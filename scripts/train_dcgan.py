"""Trains DCGAN, or with --packing PacGAN.

    python scripts/train_dcgan.py
    python scripts/train_dcgan.py --dataset=mnist
    python scripts/train_dcgan.py --dataset=grid25 --packing=4

The first needs nothing: it draws toy fashion, and ends with a picture of samples. The same command
given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("dcgan"))
