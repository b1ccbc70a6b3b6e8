"""PacGAN's fully connected networks for points in the plane (Lin et al. 2018, arXiv:1712.04086,
section 4.1), as its code trains them: without the dropout that `pacgan_task.py: create_models` can
add. The builders stand for those of `gans.nn.dcgan_networks`.
"""

import keras
from keras import layers

from gans.nn.dcgan_networks import Pack, mlp, points_of, score
from gans.nn.initializers import normal
from gans.nn.settings import DCGANSettings


def build_generator(s: DCGANSettings) -> keras.Model:
    """`(batch, latent_dim)` to `(batch, 2)`: four layers with batch normalisation."""
    z = layers.Input((s.latent_dim,), name="z")
    options = {"norm": "batch", "activation": s.generator_activation}
    x = mlp(z, (s.generator_filters,) * 4, initializer=normal(s.init_stddev), **options)
    # The first points are close together, whatever `init_stddev`.
    return keras.Model(z, points_of(x), name="generator")


def build_discriminator(s: DCGANSettings, packing: int = 1) -> keras.Model:
    """`(packing * batch, 2)` to logits `(batch, 1)`: three layers of maxout."""
    sample = layers.Input((2,), name="sample")
    x = Pack(packing)(sample)
    width = s.discriminator_filters
    x = mlp(x, (width,) * 3, activation="maxout", initializer=normal(s.init_stddev))
    return keras.Model(sample, score(x, normal(s.init_stddev)), name="discriminator")
