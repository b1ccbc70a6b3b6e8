"""The networks of DiscoGAN, by two recipes: that of the book chapter (`article`) and that of the
official code, SKTBrain/DiscoGAN (Kim et al. 2017, arXiv:1703.05192).

`s`, the settings of the GAN, says recipe, image_size, norm, norm_at_test, latent_dim,
generator_filters and discriminator_filters.
"""

import keras
from keras import layers

from gans.nn.layers import BatchNormalization, Conv2D, Conv2DTranspose, normalization
from gans.nn.networks import leaky_relu


def build_generator(
    s,
    input_channels: int,
    output_channels: int,
    name: str = "generator",
    height: int | None = None,
    width: int | None = None,
) -> keras.Model:
    """Encoder and decoder of four halvings and doublings, without skips.

    `(batch, h, w, input_channels)` to `(batch, h, w, output_channels)`, both in [-1, 1], float32;
    h and w are `image_size`, or of the official network other multiples of 16. The network of the
    article takes the whole last map to a vector of `latent_dim` numbers and back, and ends in a
    tanh; the official one is convolutional throughout, works on values in [0, 1] and ends in a
    sigmoid. It is rescaled at both ends here.
    """
    height, width = height or s.image_size, width or s.image_size
    official, filters = s.recipe == "official", s.generator_filters
    image = layers.Input((height, width, input_channels), name="image")
    x = halvings(s, image, filters, s.norm_at_test)[-1]
    if not official:
        side = height // 16
        # A 1x1 map minus its own mean is nothing.
        vector_norm = "none" if s.norm == "instance" else s.norm
        x = block(s, x, Conv2D, s.latent_dim, leaky_relu, vector_norm, kernel_size=side)
        transpose = layers.Conv2DTranspose
        x = block(s, x, transpose, filters * 8, layers.ReLU(), s.norm, kernel_size=side)
    for level in (2, 1, 0):
        x = block(s, x, Conv2DTranspose, filters * 2**level, layers.ReLU(), s.norm)
    last = layers.Activation("sigmoid" if official else "tanh", dtype=keras.config.floatx())
    fake = block(s, x, Conv2DTranspose, output_channels, last, "none")
    fake = layers.Rescaling(2.0, -1.0, dtype=keras.config.floatx())(fake) if official else fake
    return keras.Model(image, fake, name=name)


def build_discriminator(s, channels: int, name: str = "discriminator") -> keras.Model:
    """One judgement of the whole image: four halvings, and the last map to one number.

    `(batch, size, size, channels)` in [-1, 1] to a logit `(batch, 1, 1, 1)` float32; with the
    official recipe to `[logit, features, features, features]`, the outputs of the second to fourth
    layer, for feature matching.
    """
    image = layers.Input((s.image_size, s.image_size, channels), name="image")
    features = halvings(s, image, s.discriminator_filters)
    last = layers.Activation("linear", dtype=keras.config.floatx())
    logit = block(s, features[-1], Conv2D, 1, last, "none", kernel_size=s.image_size // 16)
    outputs = [logit, *features[1:]] if s.recipe == "official" else logit
    return keras.Model(image, outputs, name=name)


def halvings(s, image, filters: int, norm_at_test: str = "moving") -> list:
    """The maps after each of the four convolutions of stride 2 with which both networks begin."""
    x = layers.Rescaling(0.5, 0.5)(image) if s.recipe == "official" else image
    sizes = {"kernel_size": 4, "strides": 2, "padding": 1}
    maps = []
    for level in range(4):
        norm = s.norm if level > 0 else "none"
        x = block(s, x, Conv2D, filters * 2**level, leaky_relu, norm, norm_at_test, **sizes)
        maps.append(x)
    return maps


def block(s, x, layer, filters, activation, norm, norm_at_test=None, **sizes):
    """A convolution of the class `layer`, a normalisation by name and an activation."""
    # PyTorch's default weights are uniform in +-1/sqrt(fan_in), those of contrib layers Xavier's.
    # PyTorch takes the outputs of a transposed convolution for its fan-in; so does Keras, in whose
    # transposed kernels they have the place of the inputs.
    scale, mode = (1 / 3, "fan_in") if s.recipe == "official" else (1.0, "fan_avg")
    x = layer(
        filters,
        **sizes,
        use_bias=s.recipe == "article" and norm == "none",
        kernel_initializer=keras.initializers.VarianceScaling(
            scale, mode, "uniform", seed=keras.random.SeedGenerator()
        ),
    )(x)
    # Not pix2pix's random scale: here it begins as 1.
    batch = BatchNormalization(norm_at_test or s.norm_at_test)
    return activation(batch(x) if norm == "batch" else normalization(norm)(x))
