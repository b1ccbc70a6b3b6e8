"""DCGAN: the first GAN of convolutions that trained reliably.

Paper: Radford et al. 2016, arXiv:1511.06434. Packing: Lin et al. 2018, arXiv:1712.04086.
Official code: Newmu/dcgan_code. Article: the survey "GAN in depth".

    python scripts/train_dcgan.py    # toy fashion, minutes on 2 cores

The networks are the idea: `gans/nn/dcgan_networks.py`. The losses are those of the first GAN, not
saturating, in nats, means over the batch: D minimises -E[log D(x)] - E[log(1 - D(G(z)))], G
minimises -E[log D(G(z))], where D is the sigmoid of its logit.

Differences from the paper
- `article`: kernel 4 and 64 filters, z is normal. `paper`: without the official L2 penalty of 1e-5.
- G learns from the D that was just updated, on the same fakes; the official code gives G batches of
  its own. In G's update the moving statistics of D stay as they are.
"""

from dataclasses import dataclass

import tensorflow as tf

from gans.nn import dcgan_networks, losses, noise_gan, optimizers, pacgan_networks
from gans.nn.layers import keeping_statistics
from gans.nn.settings import AdamSettings, DCGANSettings, setting

CAN = {
    "starts_from": "noise",
    "shows": ("samples", "interpolate", "arithmetic", "probe", "filters"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(AdamSettings, DCGANSettings):
    """The defaults are the numbers of the article."""

    discriminator_filters: int = setting(64, "Those of the discriminator's first layer.", least=1)
    packing: int = setting(1, "Samples that D sees together (PacGAN, arXiv:1712.04086).", least=1)
    label_smoothing: float = setting(0.0, "1 minus the target of real samples.", least=0, below=1)
    discriminator_learning_rate: float | None = setting(None, "Of D, if it differs.", least=0)


class DCGAN(noise_gan.NoiseGAN):
    """Two networks, trained in turn."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        points = s.data == "points"
        networks = pacgan_networks if points else dcgan_networks
        self.generator = networks.build_generator(s)
        self.discriminator = networks.build_discriminator(s, s.packing)
        self.built = True

    def train_step(self, images):
        """One update of D, then one of G against the updated D.

        Args:
            images: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`.
        """
        z = self.sample_latent(images)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)

        # Real and fake samples are two batches: normalised as one, they would be told apart by it.
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

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        s = self.settings
        make = optimizers.adam(s, epochs, steps_per_epoch)
        super().compile(
            optimizer_generator=make(self.generator),
            optimizer_discriminator=make(self.discriminator, s.discriminator_learning_rate),
            run_eagerly=run_eagerly,
        )


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
    "mnist": {
        "image_size": 28,
        "image_channels": 1,
        "decay_epochs": 3,
    },
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
