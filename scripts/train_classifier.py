"""Trains the classifier that evaluations of conditional GANs, InfoGAN and stacked MNIST use.

    python scripts/train_classifier.py --dataset=mnist --tfds_dir=data/tfds
    python scripts/train_classifier.py --data_dir=data/toy_fashion_64 --labels=kind

Writes `classifier.weights.h5` and `classifier.json` and prints its accuracy on held-out images: of
MNIST 99 % after about two minutes on one core. `scripts/evaluate.py --classifier=...` reads it.
Given again, the command finds that it is done; with other settings it refuses.
"""

from gans.command_line import cli
from gans.commands.train_classifier import train

if __name__ == "__main__":
    cli.run(train)
