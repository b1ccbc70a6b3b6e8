"""DCGAN: the first GAN of convolutions that trained reliably.

Paper: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", arXiv:1511.06434. Official code: Newmu/dcgan_code. Packing: Lin et al. 2018,
"PacGAN", arXiv:1712.04086. Article: the survey "GAN in depth", chapter DCGAN.

    python scripts/train_dcgan.py    # toy fashion, minutes on 2 cores
    python scripts/train_dcgan.py --dataset=grid25 --packing=4 --batch_size=400

The rules of the paper: strided convolutions instead of pooling, batch normalisation everywhere but
in the last layer of G and the first of D, no hidden dense layers, ReLU in G and tanh at its end,
leaky ReLU in D, initial weights N(0, 0.02), Adam with beta_1 0.5.

The losses are those of the first GAN, non-saturating, in nats, means over the batch: D minimises
-E[log D(x)] - E[log(1 - D(G(z)))], G minimises -E[log D(G(z))], D being the sigmoid of its logit.
With a label smoothing s, the target of real samples is 1 - s (Salimans et al. 2016, section 3.4).

Differences from the paper
- `article`: kernel 4 and 64 filters, as in the ports that people read; z is normal.
- `paper`: the L2 penalty of 1e-5 of the official code is left out.
- All: G learns from the D that was just updated, on the same fakes; the official code gives G
  batches of its own. In G's update the moving statistics of D stay as they are.
- On points both networks are fully connected: G with the activation of the paper, D with PacGAN's
  maxout, without the dropout that its code leaves off; with the preset `points` both are PacGAN's.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import dcgan_networks, losses, noise_gan, optimizers, random
from gans.nn.initializers import normal
from gans.nn.layers import keeping_statistics
from gans.nn.settings import AdamSettings, NoiseSettings, doublings, setting

CAN = {
    "starts_from": "noise",
    "networks": ("generator", "discriminator"),
    "shows": ("samples", "interpolate", "arithmetic", "probe", "filters"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(AdamSettings, NoiseSettings):
    """The defaults are the numbers of the article."""

    image_size: int = 64
    latent_dim: int = 100
    generator_filters: int = 64
    discriminator_filters: int = setting(64, "Those of the discriminator's first layer.", least=1)
    kernel_size: Literal[4, 5] = setting(4, "Side of all kernels: 5 in the paper. Images only.")
    generator_activation: Literal["relu", "leaky_relu"] = setting(
        "relu", "Activation of the generator: relu in the paper; the article tries leaky_relu."
    )
    packing: int = setting(
        1, "Samples that the discriminator sees together (PacGAN); divides the batch size.", least=1
    )
    label_smoothing: float = setting(0.0, "1 minus the target of real samples.", least=0, below=1)
    learning_rate: float = 2e-4
    discriminator_learning_rate: float | None = setting(
        None, "Of the discriminator, where it differs (two time scales, arXiv:1706.08500).", least=0
    )
    beta_1: float = 0.5
    init_stddev: float = setting(0.02, "Standard deviation of the initial weights.", least=0)

    def check(self):
        if self.data == "images":
            doublings(self.image_size)


def build_generator(s: Settings) -> keras.Model:
    """The generator: from noise to an image (figure 1), or to a point.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1], or to
    `(batch, 2)`.
    """
    z = layers.Input((s.latent_dim,), name="z")
    if s.data == "points":
        x = dcgan_networks.mlp(
            z,
            (s.generator_filters,) * 4,
            norm="batch",
            activation=s.generator_activation,
            initializer=normal(s.init_stddev),
        )
        # The first points are close together, whatever `init_stddev`.
        return keras.Model(z, dcgan_networks.points_of(x), name="generator")
    image = dcgan_networks.generator(
        z,
        image_size=s.image_size,
        filters=s.generator_filters,
        output_channels=s.image_channels,
        kernel_size=s.kernel_size,
        activation=s.generator_activation,
        init_stddev=s.init_stddev,
        upsample=s.upsample,
    )
    return keras.Model(z, image, name="generator")


def build_discriminator(s: Settings) -> keras.Model:
    """The discriminator: from a sample to the logit of its being real.

    `(packing * batch, image_size, image_size, image_channels)` in [-1, 1], or `(packing * batch,
    2)`, to `(batch, 1)`: one logit for every `packing` samples that follow each other.
    """
    sample = layers.Input(s.sample_shape, name="sample")
    x = dcgan_networks.Pack(s.packing)(sample)
    if s.data == "points":
        width = s.discriminator_filters
        x = dcgan_networks.mlp(
            x, (width,) * 3, activation="maxout", initializer=normal(s.init_stddev)
        )
    else:
        x = dcgan_networks.features(
            x,
            filters=s.discriminator_filters,
            kernel_size=s.kernel_size,
            init_stddev=s.init_stddev,
        )
    logit = dcgan_networks.score(x, normal(s.init_stddev))
    return keras.Model(sample, logit, name="discriminator")


class DCGAN(noise_gan.NoiseGAN):
    """Generator and discriminator, trained in turn."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        self.generator = build_generator(self.settings)
        self.discriminator = build_discriminator(self.settings)
        self.built = True

    def train_step(self, images):
        """One update of D, then one of G against the updated D.

        Args:
            images: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`.
        """
        z = self.sample_latent(images)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)

        # Real and fake go through D apart: a batch normalisation over both would tell them apart.
        with tf.GradientTape() as tape_d:
            real_loss = losses.cross_entropy(
                self.discriminator(images, training=True), 1.0 - self.settings.label_smoothing
            )
            fake_loss = losses.cross_entropy(self.discriminator(fakes, training=True), 0.0)
            d_loss = real_loss + fake_loss
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g, keeping_statistics(self.discriminator):
            g_loss = losses.cross_entropy(self.discriminator(fakes, training=True), 1.0)
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d_loss": d_loss, "real_loss": real_loss, "fake_loss": fake_loss, "g_loss": g_loss}

    def sample_latent(self, samples) -> tf.Tensor:
        """The noise of this step, one z per sample: a function of (seed, step)."""
        seed = random.seed_of(self.settings.seed, 0, self.optimizer_generator.iterations)
        return random.draw(
            self.settings.latent, (tf.shape(samples)[0], self.settings.latent_dim), seed
        )

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One Adam per network; `decay_epochs` needs the length of the run."""
        s = self.settings
        rates = [s.learning_rate, s.discriminator_learning_rate]
        rates[1] = rates[0] if rates[1] is None else rates[1]
        rate_g, rate_d = (
            optimizers.decaying_rate(rate, s.decay_epochs, epochs, steps_per_epoch)
            for rate in rates
        )
        super().compile(
            optimizer_generator=optimizers.adam(self.generator, rate_g, s.beta_1),
            optimizer_discriminator=optimizers.adam(self.discriminator, rate_d, s.beta_1),
            run_eagerly=run_eagerly,
        )

    def features(self, images) -> np.ndarray:
        """What the linear classifiers of the paper see (section 5.1), `(n, features)`: the maps of
        all layers of the discriminator, the largest value in each of 4x4 fields, in one row.

        Args:
            images: `(n, image_size, image_size, image_channels)` in [-1, 1].
        """
        maps = [
            layer.output
            for layer in self.discriminator.layers
            if layer.name.startswith("features_")
        ]
        trunk = keras.Model(self.discriminator.input, maps)

        def pooled(chunk):
            # Of a pack, the sample repeated.
            maps = trunk(tf.repeat(chunk, self.settings.packing, axis=0), training=False)
            fields = [dcgan_networks.pooled_fields(x, 4) for x in tf.nest.flatten(maps)]
            return tf.concat(fields, axis=-1)

        return self.in_chunks(pooled, images)


PRESETS = {
    "toy": {
        "generator_filters": 32,
        "discriminator_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 30,
    },
    "article": {},
    "paper": {
        "generator_filters": 128,
        "discriminator_filters": 128,
        "kernel_size": 5,
        "latent": "uniform",
    },
    "mnist": {"image_size": 28, "image_channels": 1, "decay_epochs": 3},
    # PacGAN's networks, and what lets a discriminator of packs learn in a thirteenth of its 400,000
    # steps: there, both rates are a constant 1e-4, weights 0.02. See `gans compare-modes`.
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_filters": 400,
        "discriminator_filters": 200,
        "learning_rate": 3e-4,
        "discriminator_learning_rate": 1e-3,
        "beta_1": 0.8,
        "decay_epochs": 25,
        "init_stddev": 0.1,
    },
}
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 60},
    "article": {"batch_size": 64, "epochs": 25},
    "paper": {"batch_size": 128, "epochs": 25},
    "mnist": {"batch_size": 64, "epochs": 6},
    "points": {"batch_size": 100, "epochs": 30, "steps_per_call": 100},
}
