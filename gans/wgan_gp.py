"""WGAN-GP: a penalty, instead of clipped weights, holds the slope of the critic at 1.

Paper: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, algorithm
1. Official code: igul222/improved_wgan_training. Article: the survey "GAN in depth", chapter
WGAN-GP.

    python scripts/train_wgan_gp.py    # toy fashion, minutes on 2 cores
    python scripts/train_wgan_gp.py --dataset=swissroll

Compared with WGAN there is no clipping, but lambda (|grad f(x^)| - 1)^2 for points x^ between real
and generated samples, each at a place of its own, uniform between the two; Adam; and layer
normalisation in the critic, since batch normalisation would make the gradient at one sample depend
on the others.

The loss of the critic is E[f(G(z))] - E[f(x)] + lambda E[(|grad f(x^)| - 1)^2], that of the
generator -E[f(G(z))], means over the batch. The norm is over all values of a sample, the penalty
two-sided. `wasserstein` is E[f(x)] - E[f(G(z))], without the penalty.

**A step is one update of the critic**, on a real batch of its own; every fifth also updates the
generator.

Differences from the paper
- `article`: betas (0.5, 0.9), as the official code for MNIST; `paper`: (0, 0.9), as algorithm 1 and
  the official ResNets, but with the networks of DCGAN.
- All: 1e-12 below the root of the norm, whose derivative is not finite at 0.
- In steps without an update of the generator, `g_loss` is that of its last update.
"""

from dataclasses import dataclass
from typing import Literal

import tensorflow as tf

from gans.nn import critic_gan, dcgan_networks, gan_toy_networks, optimizers
from gans.nn.layers import keeping_statistics
from gans.nn.random import seed_of
from gans.nn.settings import AdamSettings, CriticSettings, setting

CAN = {
    "starts_from": "noise",
    "networks": ("generator", "critic"),
    "shows": ("samples", "interpolate", "arithmetic", "probe", "filters"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(AdamSettings, CriticSettings):
    """The defaults are the numbers of the article."""

    norm: Literal["layer", "none"] = "layer"
    lambda_gp: float = setting(10.0, "Weight of the gradient penalty.", least=0)
    n_critic: int = 5
    learning_rate: float = 1e-4
    beta_1: float = 0.5
    beta_2: float = setting(0.9, "Decay of Adam's second moment.", least=0, below=1)


class WGANGP(critic_gan.CriticGAN):
    """Two networks, trained in turn."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        networks = gan_toy_networks if s.data == "points" else dcgan_networks
        self.generator = networks.build_generator(s)
        self.critic = networks.build_critic(s)
        self.built = True

    def train_step(self, images):
        """One update of the critic, and every `n_critic` steps one of the generator (algorithm 1).

        Args:
            images: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`.
        """
        with keeping_statistics(self.generator):
            fakes = self.generator(self.sample_latent(images), training=True)
        with tf.GradientTape() as tape_c:
            real_value = tf.reduce_mean(self.critic(images, training=True))
            fake_value = tf.reduce_mean(self.critic(fakes, training=True))
            wasserstein = real_value - fake_value
            penalty = self.gradient_penalty(images, fakes)
            critic_loss = -wasserstein + self.settings.lambda_gp * penalty
        gradients_c = tape_c.gradient(critic_loss, self.critic.trainable_variables)
        self.optimizer_critic.apply(gradients_c, self.critic.trainable_variables)

        tf.cond(self.generator_is_due(), lambda: self.update_generator(images), lambda: None)
        return {
            "critic_loss": critic_loss,
            "wasserstein": wasserstein,
            "gradient_penalty": penalty,
            "g_loss": self.last_g_loss.value + 0.0,
        }

    def gradient_penalty(self, images, fakes) -> tf.Tensor:
        """E[(|grad f(x^)| - 1)^2], x^ anywhere between a real and a generated sample."""
        places = self.sample_places(images)
        between = images + places * (fakes - images)
        with tf.GradientTape() as tape:
            tape.watch(between)
            values = self.critic(between, training=True)
        # Samples do not see each other in the critic: the gradient of the sum is one per sample.
        gradients = tape.gradient(values, between)
        axes = list(range(1, len(gradients.shape)))
        norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=axes) + 1e-12)
        return tf.reduce_mean(tf.square(norms - 1.0))

    def update_generator(self, images):
        """One update of the generator: -E[f(G(z))], with noise of its own."""
        z = self.sample_latent(images, stream=1)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)
            g_loss = -tf.reduce_mean(self.critic(fakes, training=True))
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        self.last_g_loss.assign(g_loss)

    def sample_places(self, samples) -> tf.Tensor:
        """Uniform in [0, 1), one per sample `(batch, 1, ...)`: a function of (seed, step)."""
        shape = [tf.shape(samples)[0], *[1] * (len(samples.shape) - 1)]
        return tf.random.stateless_uniform(shape, seed_of(self.settings.seed, 2, self.step))

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        s = self.settings
        adam = optimizers.adam(s, epochs, steps_per_epoch)
        super().compile(
            # An optimizer counts its own steps only.
            optimizer_generator=adam(self.generator, every=s.n_critic, beta_2=s.beta_2),
            optimizer_critic=adam(self.critic, beta_2=s.beta_2),
            run_eagerly=run_eagerly,
        )


PRESETS = {
    "toy": {
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 100,
    },
    "article": {},
    "paper": {"latent_dim": 128, "beta_1": 0.0, "learning_rate": 2e-4, "decay_epochs": 640},
    "mnist": {
        "image_size": 28,
        "image_channels": 1,
        "latent_dim": 128,
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 6,
    },
    # gan_toy.py.
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_filters": 512,
        "critic_filters": 512,
        "lambda_gp": 0.1,
    },
}
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    "article": {"batch_size": 64, "epochs": 50},
    # 100,000 updates of the generator on CIFAR-10, as `gan_cifar_resnet.py`.
    "paper": {"batch_size": 64, "epochs": 640},
    "mnist": {"batch_size": 64, "epochs": 12},
    "points": {"batch_size": 256, "epochs": 100, "steps_per_call": 100},
}
