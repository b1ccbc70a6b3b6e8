"""Fully connected networks for points in the plane, of `gan_toy.py` in
igul222/improved_wgan_training (Gulrajani et al. 2017, arXiv:1704.00028). The builders stand for
those of `gans.nn.dcgan_networks`.
"""

import keras
from keras import layers

from gans.nn.dcgan_networks import mlp, points_of, score
from gans.nn.initializers import normal
from gans.nn.settings import DCGANSettings


def build_generator(s: DCGANSettings) -> keras.Model:
    """`(batch, latent_dim)` to `(batch, 2)`: three hidden layers."""
    z = layers.Input((s.latent_dim,), name="z")
    widths = (s.generator_filters,) * 3
    x = mlp(z, widths, activation=s.generator_activation, initializer="he_uniform")
    return keras.Model(z, points_of(x, "glorot_uniform"), name="generator")


def build_critic(s: DCGANSettings, hidden="he_uniform", last="glorot_uniform") -> keras.Model:
    """`(batch, 2)` to a number without bounds `(batch, 1)`: three layers of ReLU.

    Args:
        hidden, last: initializers of the hidden layers and of the last one.
    """
    sample = layers.Input((2,), name="sample")
    x = mlp(sample, (s.critic_filters,) * 3, initializer=hidden)
    return keras.Model(sample, score(x, last), name="critic")


def build_clipped_critic(s: DCGANSettings) -> keras.Model:
    """The same with initial weights N(0, init_stddev): clipping holds them small from then on."""
    return build_critic(s, normal(s.init_stddev), normal(s.init_stddev))
