"""Trains CycleGAN: from one domain to another and back, without pairs.

    python scripts/train_cyclegan.py
    python scripts/train_cyclegan.py --data_dir=data/monet2photo --preset=paper

The first needs nothing: it draws toy fashion, whose sketches and bags it takes in different orders,
and ends after 5 to 10 minutes on 2 cores with a picture: A, its translation, its reconstruction,
and the same for B. The same command given again goes on where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("cyclegan"))
