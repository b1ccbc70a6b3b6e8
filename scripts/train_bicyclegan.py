"""Trains BicycleGAN: from one sketch to many different photos.

    python scripts/train_bicyclegan.py
    python scripts/train_bicyclegan.py --data_dir=data/edges2handbags --preset=paper

The first needs nothing: it draws toy fashion and ends after about 3.5 minutes on 2 cores with a
picture of sketches in rows; columns the sketch, the photo, its reconstruction, and eight samples
that differ. The same command given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("bicyclegan"))
