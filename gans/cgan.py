"""Conditional GAN: from noise and a label, a sample of that label.

Paper: Mirza & Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784. Labels at
every convolution: mnist/train_cond_dcgan.py of Newmu/dcgan_code. Article: the survey "GAN in
depth", chapter Conditional GAN, whose listing the preset `article` follows.

    python scripts/train_cgan.py    # toy fashion by colour, minutes on 2 cores
    python scripts/generate.py --run_dir=runs/cgan --output=out --classes=red,blue

Both networks get the label, one-hot: D no longer decides whether a sample is real, but whether it
is a real sample of this label (equation 2). In fully connected networks the label is concatenated
to the vector; in convolutions class c is channel c of planes that are 1 all over, or 0.

D minimises -E[log D(x|y)] - E[log(1 - D(G(z|y)|y))], G minimises -E[log D(G(z|y)|y)]; nats, means
over the batch. Fakes have the labels of the real batch.

Differences from the paper
- `article`: Adam with the learning rate and beta_1 of DCGAN, and its initial weights; the listing
  does not say. Its D keeps the logit, whose sigmoid is in the loss.
- `paper`: images in [-1, 1] and tanh, not [0, 1] and sigmoid; z in [-1, 1], not in the unit
  hypercube; initial weights N(0, 0.02). It does not say over how many updates the momentum grows.
- `toy` and `mnist`: the networks of DCGAN, with the label at every layer.
- G learns from the D that was just updated, on the same noise and labels.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import dcgan_networks, losses, noise_gan, optimizers
from gans.nn.layers import keeping_statistics
from gans.nn.random import reseed_dropout
from gans.nn.settings import AdamOrSGDSettings, ConvolutionalSettings, LatentSettings, setting

CAN = {
    "starts_from": "noise",
    "labels": "one",
    "shows": ("samples", "interpolate", "arithmetic", "filters"),
    "toy_labels": ("hue",),
}


@dataclass(frozen=True, kw_only=True)
class Settings(AdamOrSGDSettings, LatentSettings, ConvolutionalSettings):
    """The defaults are the numbers of the article."""

    image_size: int = 28
    image_channels: int = 1
    label_dim: int = setting(10, "Number of classes; the training takes that of the data.", least=1)
    network: Literal["mlp", "paper", "convolutional"] = setting(
        "mlp", "Fully connected, of the article or the paper; or those of DCGAN, of images only."
    )
    discriminator_filters: int = setting(64, "Those of the discriminator's first layer.", least=1)
    dropout: float = setting(0.0, "Rate in fully connected layers.", least=0, below=1)
    label_smoothing: float = setting(0.0, "1 minus the target of real samples.", least=0, below=1)
    learning_rate: float = 2e-4
    beta_1: float = 0.5

    @property
    def is_convolutional(self) -> bool:
        return self.network == "convolutional"

    def check(self):
        super().check()
        if self.is_convolutional and self.data == "points":
            raise ValueError(f"`network` must be mlp or paper on points. Received: {self.network}")
        if self.is_convolutional and self.dropout:
            raise ValueError(f"`dropout` must be 0 with convolutions. Received: {self.dropout}")


def build_generator(s: Settings) -> keras.Model:
    """The generator: of noise and a label an image, or a point.

    `[(batch, latent_dim), (batch, label_dim)]` to `(batch, image_size, image_size, image_channels)`
    in [-1, 1], or to `(batch, 2)`.
    """
    z = layers.Input((s.latent_dim,), name="z")
    label = layers.Input((s.label_dim,), name="label")
    if s.network == "convolutional":
        image = dcgan_networks.generator(z, s, label=label)
        return keras.Model([z, label], image, name="generator")
    if s.network == "paper":
        # Section 4.1: each input has a layer of its own before they meet.
        x = dcgan_networks.mlp(z, (200,), dropout=s.dropout)
        y = dcgan_networks.mlp(label, (1000,), dropout=s.dropout)
        x = dcgan_networks.mlp(layers.Concatenate()([x, y]), (1200,), dropout=s.dropout)
    else:
        x = layers.Concatenate()([z, label])
        options = {"norm": "batch", "normalize_first": False, "activation": "leaky_relu"}
        x = dcgan_networks.mlp(x, (128, 256, 512, 1024), **options)
    return keras.Model([z, label], dcgan_networks.sample_of(x, s), name="generator")


def build_discriminator(s: Settings) -> keras.Model:
    """The discriminator: of a sample and a label, the logit of its being a real one of that label.

    `[(batch, image_size, image_size, image_channels) in [-1, 1] or (batch, 2), (batch, label_dim)]`
    to `(batch, 1)`.
    """
    sample = layers.Input(s.sample_shape, name="sample")
    label = layers.Input((s.label_dim,), name="label")
    if s.network == "convolutional":
        x = dcgan_networks.features(sample, label=label, filters=s.discriminator_filters)
        x = layers.Concatenate()([layers.Flatten()(x), label])
    elif s.network == "paper":
        options = {"activation": "maxout", "dropout": s.dropout}
        x = dcgan_networks.mlp(layers.Flatten()(sample), (240,), pieces=5, **options)
        y = dcgan_networks.mlp(label, (50,), pieces=5, **options)
        x = dcgan_networks.mlp(layers.Concatenate()([x, y]), (240,), pieces=4, **options)
    else:
        x = layers.Concatenate()([layers.Flatten()(sample), label])
        x = dcgan_networks.mlp(x, (512, 256), activation="leaky_relu", dropout=s.dropout)
    return keras.Model([sample, label], dcgan_networks.score(x), name="discriminator")


class CGAN(noise_gan.NoiseGAN):
    """Generator and discriminator, trained in turn."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        self.generator = build_generator(self.settings)
        self.discriminator = build_discriminator(self.settings)
        self.built = True

    def train_step(self, batch):
        """One update of D, then one of G against the updated D.

        Args:
            batch: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`,
                and their labels, `(batch, label_dim)` float32, one-hot.
        """
        images, labels = batch
        z = self.sample_latent(images)
        reseed_dropout(self.settings.seed, self.step, self.discriminator, self.generator)
        with tf.GradientTape() as tape_g:
            fakes = self.generator([z, labels], training=True)

        with tf.GradientTape() as tape_d:
            real_loss = losses.cross_entropy(
                self.discriminator([images, labels], training=True),
                1.0 - self.settings.label_smoothing,
            )
            fake_loss = losses.cross_entropy(
                self.discriminator([fakes, labels], training=True), 0.0
            )
            d_loss = real_loss + fake_loss
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g, keeping_statistics(self.discriminator):
            g_loss = losses.cross_entropy(self.discriminator([fakes, labels], training=True), 1.0)
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d_loss": d_loss, "real_loss": real_loss, "fake_loss": fake_loss, "g_loss": g_loss}

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        # Section 4.1: ten times the decay of the first GAN.
        make = optimizers.adam_or_sgd(self.settings, epochs, steps_per_epoch, decay=1.00004)
        super().compile(
            optimizer_generator=make(self.generator),
            optimizer_discriminator=make(self.discriminator),
            run_eagerly=run_eagerly,
        )

    def preview(self, batch: tuple[np.ndarray, ...] | np.ndarray) -> list:
        """Rows of a sample grid: a label in each, and the same noise down each column; of points as
        `preview_points`, with labels in turn.
        """
        if self.settings.data == "points":
            return self.preview_points(batch)
        rows = min(self.label_dim, noise_gan.ROWS)
        z = self.draw_latents(noise_gan.GRID)
        labels = np.eye(rows, self.label_dim, dtype=np.float32)
        return [list(self.generate(z, np.repeat(row[None], len(z), 0))) for row in labels]


PRESETS = {
    "toy": {
        "image_size": 64,
        "image_channels": 3,
        "network": "convolutional",
        "generator_filters": 24,
        "discriminator_filters": 24,
        "learning_rate": 5e-4,
        "decay_epochs": 100,
    },
    "article": {},
    "paper": {
        "network": "paper",
        "latent": "uniform",
        "dropout": 0.5,
        "optimizer": "sgd",
        "learning_rate": 0.1,
    },
    "mnist": {
        "network": "convolutional",
        "generator_filters": 32,
        "discriminator_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 5,
    },
    "points": {"data": "points", "latent_dim": 2, "learning_rate": 1e-3, "decay_epochs": 20},
}
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    "article": {"batch_size": 64, "epochs": 50},
    "paper": {"batch_size": 100, "epochs": 500},
    "mnist": {"batch_size": 64, "epochs": 10},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}
