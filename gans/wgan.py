"""WGAN: a critic that measures how far apart real and generated samples are.

Paper: Arjovsky et al. 2017, "Wasserstein GAN", arXiv:1701.07875; algorithm 1.
Official code: martinarjovsky/WassersteinGAN. Article: the survey "GAN in depth".

    python scripts/train_wgan.py    # toy fashion, minutes on 2 cores

The networks are those of DCGAN. The loss of the critic is E[f(G(z))] - E[f(x)], that of the
generator -E[f(G(z))], means over the batch. The critic is clipped, and RMSprop replaces Adam, whose
momentum made the training unstable (section 4). `wasserstein`, E[f(x)] - E[f(G(z))], estimates the
distance, in units of the Lipschitz constant that the clipping leaves: it falls as samples improve.
**A step is one update of the critic**; every fifth, and at first every hundredth, also updates G.

Differences from the paper
- Weights are clipped after each critic step (algorithm 1); the official code clips before, and has
  all signs turned. In steps without an update of G, `g_loss` is that of the last one.
"""

from dataclasses import dataclass

import tensorflow as tf

from gans.nn import critic_gan, dcgan_networks, gan_toy_networks, optimizers
from gans.nn.layers import keeping_statistics
from gans.nn.settings import CriticSettings, setting

CAN = {
    "starts_from": "noise",
    "networks": ("generator", "critic"),
    "shows": ("samples", "interpolate", "arithmetic", "probe", "filters"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(CriticSettings):
    """The defaults are the numbers of the article."""

    clip: float = setting(0.01, "Bound of every weight of the critic.", above=0)
    n_critic: int = 5
    warm_up: bool = setting(True, "100 updates before each of the first 25 of G and each 500th.")
    learning_rate: float = setting(5e-5, "Learning rate of RMSprop.", least=0)


class WGAN(critic_gan.CriticGAN):
    """Two networks, trained in turn."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        points = s.data == "points"
        networks = gan_toy_networks if points else dcgan_networks
        self.generator = networks.build_generator(s)
        self.critic = networks.build_clipped_critic(s) if points else networks.build_critic(s)
        self.built = True

    def train_step(self, images):
        """One update of the critic, and where it is due one of G (algorithm 1).

        Args:
            images: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`.
        """
        z = self.sample_latent(images)
        with keeping_statistics(self.generator):
            fakes = self.generator(z, training=True)

        # Real and fake samples are two batches: normalised as one, they would be told apart by it.
        with tf.GradientTape() as tape_c:
            real_value = tf.reduce_mean(self.critic(images, training=True))
            fake_value = tf.reduce_mean(self.critic(fakes, training=True))
            wasserstein = real_value - fake_value
            critic_loss = -wasserstein
        gradients_c = tape_c.gradient(critic_loss, self.critic.trainable_variables)
        self.optimizer_critic.apply(gradients_c, self.critic.trainable_variables)
        for weight in self.critic.trainable_variables:
            weight.assign(tf.clip_by_value(weight, -self.settings.clip, self.settings.clip))

        tf.cond(self.generator_is_due(), lambda: self.update_generator(images), lambda: None)
        g_loss = self.last_g_loss + 0.0
        return {"critic_loss": critic_loss, "wasserstein": wasserstein, "g_loss": g_loss}

    def update_generator(self, images):
        """One update of the generator: -E[f(G(z))], with noise of its own."""
        z = self.sample_latent(images, stream=1)
        with tf.GradientTape() as tape_g, keeping_statistics(self.critic):
            fakes = self.generator(z, training=True)
            g_loss = -tf.reduce_mean(self.critic(fakes, training=True))
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        self.last_g_loss.assign(g_loss)

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        s = self.settings
        make = optimizers.rmsprop(s)
        super().compile(
            optimizer_generator=make(self.generator),
            optimizer_critic=make(self.critic),
            run_eagerly=run_eagerly,
        )


PRESETS = {
    "toy": {
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 5e-4,
        "warm_up": False,
    },
    "article": {},
    "paper": {},
    "mnist": {
        "image_size": 28,
        "image_channels": 1,
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 2e-4,
    },
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_filters": 512,
        "critic_filters": 512,
        "learning_rate": 2e-4,
    },
}
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    "article": {"batch_size": 64, "epochs": 125},
    "paper": {"batch_size": 64, "epochs": 25},
    "mnist": {"batch_size": 64, "epochs": 20},
    "points": {"batch_size": 256, "epochs": 100, "steps_per_call": 100},
}
