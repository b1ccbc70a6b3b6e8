"""Trains DiscoGAN: shoes in the style of a bag, bags in the style of a shoe, without pairs.

    python scripts/train_discogan.py
    python scripts/train_discogan.py --data_dir=data/edges2handbags --data_dir_b=data/edges2shoes
    python scripts/train_discogan.py process_main --dataset_dir data/edges2handbags --epochs 100

The first needs nothing: it draws toy fashion's bags and shoes, and ends after about 4 minutes on 2
cores with a picture: a bag, its shoe, the bag again, and the same for shoes. The last is the
command of the article, sketch to bag, with its progress line. The same command given again goes on
where the run stopped.
"""

from gans.command_line import cli
from gans.commands import train

if __name__ == "__main__":
    cli.run(train.command_of("discogan"))
