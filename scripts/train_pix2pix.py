"""Trains pix2pix: from a sketch to the photo, from pairs.

    python scripts/train_pix2pix.py
    python scripts/train_pix2pix.py --data_dir=data/facades --direction=b_to_a --preset=paper

The first needs nothing: it draws toy fashion and ends after about 2 minutes on 2 cores with a
picture of sketches in rows; columns the sketch, the photo, and samples that differ in the noise
alone. The same command given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("pix2pix"))
