"""The first GAN: two multilayer perceptrons that play against each other.

Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661; equations, algorithm
and propositions are its. Official code: goodfeli/adversarial. Article: the survey "GAN in depth",
chapter GAN.

    python scripts/train_gan.py    # toy fashion, minutes on 2 cores
    python scripts/train_gan.py --dataset=ring8
    python scripts/gan_theory.py   # the theory of the chapter as numbers and figures

D(x) is the probability that x is real, the sigmoid of the logit of the network. D maximises the
value V = E[log D(x)] + E[log(1 - D(G(z)))] (equation 1): `d_loss` is -V. With `loss="minimax"` G
minimises V: `g_loss` is E[log(1 - D(G(z)))], which is negative; with "non_saturating" it minimises
-E[log D(G(z))] (section 3). Both pull in the same direction, but the first has no slope where D is
sure that a sample is generated. All are in nats, means over the batch. With a label smoothing s,
the target of real samples is 1 - s (Salimans et al. 2016, section 3.4).

Differences from the paper
- `article`: the MLPs of the survey's listing for its conditional GAN, without the label; Adam.
- `paper`: non-saturating, as the official code trains it. That code halves the loss of D, but not
  that of G: here the rate of D is half of that of G, which is the same to gradient descent. The
  images are in [-1, 1], not [0, 1], with tanh for the sigmoid; the last bias begins at zero, not at
  the mean picture; initial weights are N(0, 0.02), there uniform within 0.05 (G) and 0.005 (D).
- `points`: PacGAN's networks, but without a normalisation of the first layer.
- G learns from the D that was just updated (algorithm 1), on the same noise, not on new noise.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from gans.nn import dcgan_networks, losses, noise_gan, optimizers
from gans.nn.random import reseed_dropout
from gans.nn.settings import AdamOrSGDSettings, LatentSettings, setting

CAN = {
    "starts_from": "noise",
    "shows": ("samples", "interpolate", "arithmetic"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOrSGDSettings, LatentSettings):
    """The defaults are the numbers of the article."""

    image_size: int = 28
    image_channels: int = 1
    loss: Literal["minimax", "non_saturating"] = setting("non_saturating", "Of the generator.")
    generator_units: tuple[int, ...] = setting(
        (128, 256, 512, 1024), "Widths of the generator's hidden layers.", least=1
    )
    discriminator_units: tuple[int, ...] = setting(
        (512, 256), "Widths of the discriminator's hidden layers.", least=1
    )
    norm: Literal["batch", "none"] = setting(
        "batch", "Of the generator's hidden layers but the first."
    )
    activation: Literal["relu", "leaky_relu"] = setting(
        "leaky_relu", "Of the generator's hidden layers."
    )
    maxout: int = setting(
        0,
        "Pieces of which each hidden unit of the discriminator takes the largest; 0: leaky ReLU.",
        least=0,
    )
    dropout: float = setting(0.0, "Rate in the discriminator's hidden layers.", least=0, below=1)
    input_dropout: float = setting(0.0, "Rate at the discriminator's input.", least=0, below=1)
    label_smoothing: float = setting(0.0, "1 minus the target of real samples.", least=0, below=1)
    learning_rate: float = 2e-4
    discriminator_learning_rate: float | None = setting(
        None, "Of the discriminator, where it differs.", least=0
    )
    beta_1: float = 0.5


def build_generator(s: Settings) -> keras.Model:
    """The generator: from noise to an image, or to a point.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1], or to
    `(batch, 2)`. The first layer has no normalisation.
    """
    z = layers.Input((s.latent_dim,), name="z")
    x = dcgan_networks.mlp(
        z, s.generator_units, norm=s.norm, normalize_first=False, activation=s.activation
    )
    return keras.Model(z, dcgan_networks.sample_of(x, s), name="generator")


def build_discriminator(s: Settings) -> keras.Model:
    """The discriminator: from a sample to the logit of its being real.

    `(batch, image_size, image_size, image_channels)` in [-1, 1], or `(batch, 2)`, to `(batch, 1)`.
    """
    sample = layers.Input(s.sample_shape, name="sample")
    x = dcgan_networks.mlp(
        layers.Flatten()(sample),
        s.discriminator_units,
        activation="maxout" if s.maxout else "leaky_relu",
        pieces=s.maxout,
        dropout=s.dropout,
        input_dropout=s.input_dropout,
    )
    return keras.Model(sample, dcgan_networks.score(x), name="discriminator")


class GAN(noise_gan.NoiseGAN):
    """Generator and discriminator, trained in turn."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        self.generator = build_generator(self.settings)
        self.discriminator = build_discriminator(self.settings)
        self.generator_loss = getattr(self, self.settings.loss)  # One of the two below.
        self.built = True

    def train_step(self, images):
        """One update of D, then one of G against the updated D.

        Args:
            images: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`.
        """
        z = self.sample_latent(images)
        reseed_dropout(self.settings.seed, self.step, self.discriminator)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)

        with tf.GradientTape() as tape_d:
            real_loss = losses.cross_entropy(
                self.discriminator(images, training=True), 1.0 - self.settings.label_smoothing
            )
            fake_loss = losses.cross_entropy(self.discriminator(fakes, training=True), 0.0)
            d_loss = real_loss + fake_loss
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g:
            g_loss = self.generator_loss(self.discriminator(fakes, training=True))
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d_loss": d_loss, "real_loss": real_loss, "fake_loss": fake_loss, "g_loss": g_loss}

    @staticmethod
    def minimax(logits) -> tf.Tensor:
        """E[log(1 - D(G(z)))], what G minimises in equation 1. It is 0 and without slope where D is
        sure that the samples are generated, and without bound below.
        """
        return -losses.cross_entropy(logits, 0.0)

    @staticmethod
    def non_saturating(logits) -> tf.Tensor:
        """-E[log D(G(z))] (section 3): steepest where D is sure that the samples are generated."""
        return losses.cross_entropy(logits, 1.0)

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        s = self.settings
        make = optimizers.adam_or_sgd(s, epochs, steps_per_epoch)
        super().compile(
            optimizer_generator=make(self.generator),
            optimizer_discriminator=make(self.discriminator, s.discriminator_learning_rate),
            run_eagerly=run_eagerly,
        )


PRESETS = {
    "toy": {"image_size": 32, "image_channels": 3, "learning_rate": 5e-4, "decay_epochs": 50},
    "article": {},
    "paper": {
        "generator_units": (1200, 1200),
        "discriminator_units": (240, 240),
        "norm": "none",
        "activation": "relu",
        "maxout": 5,
        "dropout": 0.5,
        "input_dropout": 0.2,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "discriminator_learning_rate": 0.05,
    },
    "mnist": {"decay_epochs": 10},
    # The widths of PacGAN's networks (Lin et al. 2018, section 4.1), without the dropout that its
    # `pacgan_task.py: create_models` can add. Its rate is a constant 1e-4, over 400 epochs.
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_units": (400, 400, 400, 400),
        "discriminator_units": (200, 200, 200),
        "activation": "relu",
        "maxout": 5,
        "learning_rate": 3e-4,
        "beta_1": 0.8,
        "decay_epochs": 20,
    },
}
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 100},
    "article": {"batch_size": 64, "epochs": 50},
    "paper": {"batch_size": 100, "epochs": 500},
    "mnist": {"batch_size": 64, "epochs": 30},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}
