"""Networks from noise to samples and from samples to features that two or more GANs share: those of
DCGAN, for images, and fully connected ones, for points and flattened images.

All are functions of Keras tensors; activations are layers of their own.
"""

import math
from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from gans.nn import initializers
from gans.nn.layers import Conv2D, Dropout, TileLatent, normalization
from gans.nn.networks import double
from gans.nn.settings import ConvolutionalSettings, DCGANSettings, NoiseSettings, doublings

Norm = Literal["batch", "layer", "none"]


def activate(x, activation: Literal["relu", "leaky_relu"]):
    """ReLU, or leaky ReLU with slope 0.2."""
    return layers.ReLU()(x) if activation == "relu" else layers.LeakyReLU(negative_slope=0.2)(x)


def build_generator(s: DCGANSettings) -> keras.Model:
    """The generator of DCGAN (figure 1): from noise to an image.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1].
    """
    z = layers.Input((s.latent_dim,), name="z")
    options = {"activation": s.generator_activation, "init_stddev": s.init_stddev}
    image = generator(z, s, kernel_size=s.kernel_size, **options)
    return keras.Model(z, image, name="generator")


def build_discriminator(s: DCGANSettings, packing: int = 1) -> keras.Model:
    """The discriminator of DCGAN: from an image to the logit of its being real.

    `(packing * batch, image_size, image_size, image_channels)` in [-1, 1] to `(batch, 1)`: one
    logit for every `packing` images that follow each other.
    """
    sample = layers.Input(s.sample_shape, name="sample")
    logit = _judgement(s, Pack(packing)(sample), s.discriminator_filters)
    return keras.Model(sample, logit, name="discriminator")


def build_critic(s: DCGANSettings) -> keras.Model:
    """The same network as a critic, without a meaning as a logit: `(batch, image_size, image_size,
    image_channels)` in [-1, 1] to a number without bounds `(batch, 1)`.
    """
    sample = layers.Input(s.sample_shape, name="sample")
    return keras.Model(sample, _judgement(s, sample, s.critic_filters), name="critic")


def _judgement(s: DCGANSettings, image, filters: int):
    options = {"kernel_size": s.kernel_size, "norm": s.norm, "init_stddev": s.init_stddev}
    x = features(image, filters=filters, **options)
    return score(x, initializers.normal(s.init_stddev))


def generator(
    z,
    s: ConvolutionalSettings,
    *,
    label=None,
    kernel_size: Literal[4, 5] = 4,
    dense_units: int = 0,
    activation: Literal["relu", "leaky_relu"] = "relu",
    init_stddev: float = 0.02,
):
    """The generator of DCGAN (Radford et al. 2016, figure 1): z is projected to a map of 4 to 7
    pixels, which transposed convolutions of stride 2 double up to the image. There is a batch
    normalisation after every layer but the last.

    Args:
        z: `(batch, n)`.
        s: The size and channels of the image, the width, and how a map is doubled.
        label: Optional `(batch, k)`, given to every layer: joined to z, and as constant planes to
            every map (`mnist/train_cond_dcgan.py` of Newmu/dcgan_code).
        kernel_size: 5 (the paper), or 4, whose halves overlap evenly.
        dense_units: Width of a layer before the projection; 0: none. InfoGAN has one of 1024.
        activation: Of every layer but the last.
        init_stddev: Standard deviation of the initial weights, around 0.

    Returns `(batch, image_size, image_size, image_channels)` in [-1, 1], float32.
    """

    def with_label(x):
        if label is None:
            return x
        return layers.Concatenate()([x, label]) if len(x.shape) == 2 else TileLatent()([x, label])

    def normalized(x):
        return activate(normalization("batch")(x), activation)

    # A normalisation takes the bias before it out again.
    options = {"use_bias": False, "kernel_initializer": initializers.normal(init_stddev)}
    levels = doublings(s.image_size)
    side = s.image_size // 2**levels
    x = z
    if dense_units:
        x = normalized(layers.Dense(dense_units, **options)(with_label(x)))
    width = s.generator_filters * 2 ** (levels - 1)
    x = layers.Dense(side * side * width, **options)(with_label(x))
    x = normalized(layers.Reshape((side, side, width))(x))
    for level in range(levels - 2, -1, -1):
        width = s.generator_filters * 2**level
        x = normalized(double(with_label(x), width, s.upsample, False, kernel_size, **options))
    options["use_bias"] = True
    x = double(with_label(x), s.image_channels, s.upsample, False, kernel_size, **options)
    return layers.Activation("tanh", dtype=keras.config.floatx(), name="image")(x)


def features(
    image,
    *,
    filters: int,
    label=None,
    kernel_size: Literal[4, 5] = 4,
    norm: Norm = "batch",
    slope: float = 0.2,
    init_stddev: float = 0.02,
):
    """The discriminator of DCGAN up to its last map: convolutions of stride 2 with leaky ReLU, down
    to 4 to 7 pixels.

    Args:
        image: `(batch, size, size, channels)`.
        filters: Channels of the first layer; twice as many on each smaller map.
        label: Optional `(batch, k)`, joined to the image and to every map as constant planes.
        kernel_size, init_stddev: As in `generator`.
        norm: Of every layer but the first, which sees the statistics of the pictures as they are.
        slope: Of the leaky ReLU.

    Returns `(batch, side, side, filters * 2 ** (doublings - 1))`. The activations are the layers
    named "features_0", "features_1", ...
    """
    x = image
    for level in range(doublings(image.shape[1])):
        normalized = norm != "none" and level > 0
        x = Conv2D(
            filters * 2**level,
            kernel_size,
            strides=2,
            padding=(kernel_size - 1) // 2,
            use_bias=not normalized,
            kernel_initializer=initializers.normal(init_stddev),
        )(x if label is None else TileLatent()([x, label]))
        if normalized:
            x = normalization(norm)(x)
        x = layers.LeakyReLU(negative_slope=slope, name=f"features_{level}")(x)
    return x


def score(x, initializer=None):
    """One number per sample without activation, `(batch, 1)` float32, from a map or a vector.

    The initial weights are N(0, 0.02) unless `initializer` says otherwise.
    """
    x = layers.Flatten()(x) if len(x.shape) > 2 else x
    x = layers.Dense(1, kernel_initializer=initializer or initializers.normal())(x)
    return layers.Activation("linear", dtype=keras.config.floatx(), name="score")(x)


def mlp(
    x,
    units: tuple[int, ...],
    *,
    norm: Norm = "none",
    normalize_first: bool = True,
    activation: Literal["relu", "leaky_relu", "maxout"] = "relu",
    pieces: int = 5,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    initializer=None,
):
    """Fully connected layers, each with its normalisation, activation and dropout.

    Args:
        x: `(batch, n)`.
        units: width of each layer.
        norm: of every layer, but for the first without `normalize_first`.
        activation: of every layer; leaky ReLU has slope 0.2.
        pieces: of maxout.
        dropout: rate after every layer.
        input_dropout: rate before the first.
        initializer: of the weights; default N(0, 0.02).

    Returns `(batch, units[-1])`.
    """
    initializer = initializer or initializers.normal(0.02)
    if input_dropout:
        x = Dropout(input_dropout)(x)
    for index, width in enumerate(units):
        normalized = norm != "none" and (normalize_first or index > 0)
        options = {"use_bias": not normalized, "kernel_initializer": initializer}
        x = layers.Dense(width * pieces if activation == "maxout" else width, **options)(x)
        if normalized:
            x = normalization(norm)(x)
        x = Maxout(pieces)(x) if activation == "maxout" else activate(x, activation)
        if dropout:
            x = Dropout(dropout)(x)
    return x


@keras.saving.register_keras_serializable("gans")
class Maxout(layers.Layer):
    """The largest of `pieces` numbers (Goodfellow et al. 2013, arXiv:1302.4389).

    `(batch, pieces * units)` to `(batch, units)`; the pieces of a unit are `units` apart.
    """

    def __init__(self, pieces: int = 5, **kwargs):
        super().__init__(**kwargs)
        self.pieces = pieces

    def call(self, inputs):
        parts = tf.split(inputs, self.pieces, axis=-1)
        largest = parts[0]
        for part in parts[1:]:
            largest = tf.maximum(largest, part)
        return largest

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // self.pieces)

    def get_config(self):
        return super().get_config() | {"pieces": self.pieces}


@keras.saving.register_keras_serializable("gans")
class Pack(layers.Layer):
    """Joins `size` samples that follow each other along their last axis, so that a discriminator
    judges them together (PacGAN, Lin et al. 2018, arXiv:1712.04086, section 2).

    `(size * n, ..., channels)` to `(n, ..., size * channels)`. A sample that repeats another is
    as real as that one; a pack full of repetitions is not.
    """

    def __init__(self, size: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs):
        if self.size == 1:
            return inputs
        packs = tf.reshape(inputs, [-1, self.size, *inputs.shape[1:]])
        return tf.concat([packs[:, place] for place in range(self.size)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:-1], input_shape[-1] * self.size)

    def get_config(self):
        return super().get_config() | {"size": self.size}


def sample_of(x, s: NoiseSettings):
    """A vector as a sample: `(batch, n)` to `images_of` it, or to `points_of` it."""
    return points_of(x) if s.data == "points" else images_of(x, s.image_size, s.image_channels)


def images_of(x, image_size: int, channels: int):
    """A vector as an image: `(batch, n)` to `(batch, image_size, image_size, channels)` in [-1, 1],
    float32, by a dense layer and tanh.
    """
    x = layers.Dense(
        math.prod((image_size, image_size, channels)), kernel_initializer=initializers.normal()
    )(x)
    x = layers.Reshape((image_size, image_size, channels))(x)
    return layers.Activation("tanh", dtype=keras.config.floatx(), name="image")(x)


def points_of(x, initializer=None):
    """A vector as a point of the plane: `(batch, n)` to `(batch, 2)`, float32.

    The initial weights are N(0, 0.02) unless `initializer` says otherwise.
    """
    x = layers.Dense(2, kernel_initializer=initializer or initializers.normal())(x)
    return layers.Activation("linear", dtype=keras.config.floatx(), name="point")(x)


def pooled_fields(maps: tf.Tensor, fields: int) -> tf.Tensor:
    """The largest value in each of `fields` x `fields` equal parts of a map, in one row.

    `(batch, side, side, channels)` to `(batch, fields * fields * channels)`. Of sides that do not
    divide evenly the parts overlap by a pixel.
    """
    side = maps.shape[1]
    size = -(-side // fields)
    starts = [round(i * (side - size) / (fields - 1)) for i in range(fields)]
    parts = [
        tf.reduce_max(maps[:, top : top + size, left : left + size], axis=[1, 2])
        for top in starts
        for left in starts
    ]
    return tf.concat(parts, axis=-1)
