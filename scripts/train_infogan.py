"""Trains InfoGAN: noise and codes that come to mean something.

    python scripts/train_infogan.py
    python scripts/train_infogan.py --dataset=mnist
    python scripts/train_infogan.py --dataset=ring8

The first needs nothing: it draws toy fashion, and ends with a picture of samples. The same command
given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("infogan"))
