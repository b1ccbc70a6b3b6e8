"""Narrow GANs that start from noise, untrained but with samples that differ."""

import pytest

from gans.cgan import CGAN
from gans.dcgan import DCGAN
from gans.infogan import InfoGAN
from gans.matching_cgan import MatchingCGAN
from gans.wgan_gp import WGANGP

FILTERS = {"image_size": 8, "image_channels": 3, "generator_filters": 2}
NARROW = {**FILTERS, "discriminator_filters": 2}
GANS = {
    "dcgan": (DCGAN, {**NARROW, "packing": 2}),
    "uniform": (DCGAN, {**NARROW, "latent": "uniform"}),
    "grey": (DCGAN, {**NARROW, "image_channels": 1}),
    "wgan_gp": (WGANGP, {**FILTERS, "critic_filters": 2}),
    "cgan": (CGAN, {**NARROW, "network": "convolutional", "label_dim": 3}),
    "tags": (MatchingCGAN, {**NARROW, "label_dim": 4}),
    "infogan": (
        InfoGAN,
        {**NARROW, "dense_units": 4, "noise_dim": 6, "latent": "normal", "categories": 3},
    ),
}


@pytest.fixture(scope="session")
def gan_of(randomised):
    """A GAN by name, not to be changed."""
    made = {}

    def make(name):
        if name not in made:
            kind, settings = GANS[name]
            made[name] = randomised(kind(**settings))
        return made[name]

    return make
