"""Layers that two or more GANs share. Images are NHWC; each layer equals a textbook operation, some
are computed in a faster way."""

import contextlib
import math
from collections.abc import Iterator
from typing import Literal

import keras
import tensorflow as tf

from gans.nn.convolution import add_bias, average_shifts, convolve, convolve_transpose
from gans.nn.initializers import normal

# From this many values per image on, oneDNN's fused batch normalisation, image by image, beats
# moments.
FUSED_NORM_SIZE = 2**16


@keras.saving.register_keras_serializable("gans")
class Conv2D(keras.layers.Layer):
    """Convolution with symmetric zero padding, as PyTorch and Caffe define it.

    Keras' `padding="same"` pads only at the right and bottom for an odd total (kernel 4, stride 1),
    so the 30x30 output of a PatchGAN at 256x256 cannot be had from it.

    Args:
        filters: output channels.
        kernel_size: side of the square kernel, in pixels.
        strides: step in both directions, in pixels.
        padding: zeros on each of the four sides, in pixels.
        normalized: a normalisation follows that subtracts the mean of each channel. It takes the
            bias out again, so the bias is not added, and gets the exact gradient, zero, rather than
            the rounding noise that Adam would turn into steps of full size.
        use_bias: False leaves the bias out, as the official code before a batch normalisation.
        average_pool: the result is averaged over 2x2 squares, computed as one convolution of stride
            2 with the kernel averaged over its four shifts: the same numbers with 4/9 of the
            multiplications at kernel 3. Needs `strides=1`.
        kernel_initializer: a Keras initializer or its name.

    Input `(batch, height, width, channels)`, output `(batch, height', width', filters)` with
    `height' = (height + 2 padding - kernel_size) // strides + 1`, halved by `average_pool`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: int = 0,
        *,
        normalized: bool = False,
        use_bias: bool = True,
        average_pool: bool = False,
        kernel_initializer="glorot_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if average_pool and strides != 1:
            raise ValueError(f"`average_pool` needs `strides=1`. Received: strides={strides}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.normalized = normalized
        self.use_bias = use_bias
        self.average_pool = average_pool
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=self.kernel_initializer
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs):
        kernel, strides = tf.convert_to_tensor(self.kernel), self.strides
        if self.average_pool:
            kernel, strides = average_shifts(kernel), 2
        outputs = convolve(inputs, kernel, strides, self.padding)
        return add_bias(outputs, self.bias, self.normalized)

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        sides = [
            side and (side + 2 * self.padding - self.kernel_size) // self.strides + 1
            for side in sides
        ]
        if self.average_pool:
            sides = [side and side // 2 for side in sides]
        return (batch, *sides, self.filters)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "normalized": self.normalized,
            "use_bias": self.use_bias,
            "average_pool": self.average_pool,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("gans")
class Conv2DTranspose(keras.layers.Layer):
    """Transposed convolution with stride 2: doubles height and width.

    Args:
        filters: output channels.
        kernel_size: 4; or 3 or 5 with an output padding of 1, as PyTorch's `ConvTranspose2d(3,
            stride=2, padding=1, output_padding=1)`; 5 has padding 2.
        normalized, use_bias: as in `Conv2D`.
        kernel_initializer: a Keras initializer or its name.

    Input `(batch, height, width, channels)`, output `(batch, 2 height, 2 width, filters)`. The
    kernel is `(kernel_size, kernel_size, filters, channels)`, as in `keras.layers.Conv2DTranspose`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Literal[3, 4, 5] = 4,
        *,
        normalized: bool = False,
        use_bias: bool = True,
        kernel_initializer="glorot_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if kernel_size not in (3, 4, 5):
            raise ValueError(f"`kernel_size` must be 3, 4 or 5. Received: {kernel_size}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.normalized = normalized
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        shape = (self.kernel_size, self.kernel_size, self.filters, input_shape[-1])
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=self.kernel_initializer
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs):
        outputs = convolve_transpose(inputs, tf.convert_to_tensor(self.kernel))
        return add_bias(outputs, self.bias, self.normalized)

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        return (batch, *(side and 2 * side for side in sides), self.filters)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "normalized": self.normalized,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("gans")
class InstanceNormalization(keras.layers.Layer):
    """Subtracts each channel's mean and divides by its deviation, per image (Ulyanov et al. 2016).

    Without scale and offset and with epsilon 1e-5, as `InstanceNorm2d` in the official pix2pix,
    CycleGAN and BicycleGAN code. It keeps no statistics: training and inference are the same.
    """

    epsilon = 1e-5

    def call(self, inputs):
        batch, size = inputs.shape[0], math.prod(side or 0 for side in inputs.shape[1:])
        if batch is None or size < FUSED_NORM_SIZE or inputs.dtype == tf.float64:
            # bfloat16 has too few digits to add up a map in.
            x = tf.cast(inputs, keras.config.floatx())
            mean, variance = tf.nn.moments(x, axes=[1, 2], keepdims=True)
            return tf.cast((x - mean) * tf.math.rsqrt(variance + self.epsilon), inputs.dtype)
        # The batch statistics of one image are the image's own.
        scale, offset = tf.ones(inputs.shape[-1]), tf.zeros(inputs.shape[-1])
        images = [
            tf.compat.v1.nn.fused_batch_norm(image, scale, offset, epsilon=self.epsilon)[0]
            for image in tf.split(inputs, batch)
        ]
        return tf.concat(images, axis=0)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("gans")
class TileLatent(keras.layers.Layer):
    """Appends a latent code to every pixel: `[(batch, h, w, c), (batch, n)]` to `(batch, h, w, c +
    n)`.

    Each of the n new channels is constant over the image (BicycleGAN, section 3.3).
    """

    def call(self, inputs):
        image, z = inputs
        shape = tf.shape(image)
        # The last multiple is 1: any other repeats the code itself, which changes its length.
        tiled = tf.tile(z[:, tf.newaxis, tf.newaxis, :], [1, shape[1], shape[2], 1])
        return tf.concat([image, tiled], axis=-1)

    def compute_output_shape(self, input_shape):
        image, z = input_shape
        return (*image[:-1], image[-1] + z[-1])


@keras.saving.register_keras_serializable("gans")
class HalveImage(keras.layers.Layer):
    """Average pooling with kernel 3, stride 2, padding 1 that leaves the padding out of the mean.

    `AvgPool2d(3, stride=2, padding=1, count_include_pad=False)` of the official multi-scale
    discriminators. Input `(batch, height, width, channels)`, output half of both, rounded up.
    """

    def call(self, inputs):
        def pool(x):
            return tf.nn.avg_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID")

        return pool(inputs) / pool(tf.ones_like(inputs[:1, :, :, :1]))

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = input_shape
        return (batch, *(side and -(-side // 2) for side in sides), channels)


@keras.saving.register_keras_serializable("gans")
class ReflectionPadding(keras.layers.Layer):
    """Mirrors `size` pixels at each side, without repeating the edge pixel."""

    def __init__(self, size: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs):
        return tf.pad(inputs, [[0, 0], *[[self.size, self.size]] * 2, [0, 0]], mode="REFLECT")

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = input_shape
        return (batch, *(side and side + 2 * self.size for side in sides), channels)

    def get_config(self):
        return super().get_config() | {"size": self.size}


@keras.saving.register_keras_serializable("gans")
class Dropout(keras.layers.Dropout):
    """Dropout whose mask is a function of a seed that `reseed` sets at the start of each train
    step.

    `keras.layers.Dropout` draws from a state that no checkpoint restores: a run that was
    interrupted would end with other weights than one that was not.

    Args:
        rate: share of the values that become 0.
        at_test: drop values with `training=False` too: pix2pix's only noise.
    """

    def __init__(self, rate: float, at_test: bool = False, **kwargs):
        super().__init__(rate, **kwargs)
        self.at_test = at_test

    def call(self, inputs, training=False):
        return super().call(inputs, training=training or self.at_test)

    def get_config(self):
        return super().get_config() | {"at_test": self.at_test}

    def reseed(self, seed):
        """Sets the state that the next call draws from: int32 `(2,)`."""
        self.seed_generator.state.assign(tf.cast(seed, self.seed_generator.state.dtype))


def all_layers(network: keras.Model) -> list[keras.layers.Layer]:
    """The layers of a network in their order, also those inside nested models and wrappers."""
    return list(network._flatten_layers(include_self=False, recursive=True))


@keras.saving.register_keras_serializable("gans")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation with PyTorch's numbers: epsilon 1e-5, momentum 0.9 (0.1 in its sense).

    The moving variance is Keras', that of the batch itself; PyTorch's is n / (n - 1) times that.

    Args:
        at_test: what `training=False` normalises by: `"moving"` statistics, or those of the
            `"batch"` at hand, as pix2pix does at test; no call with `training=False` changes the
            moving ones.
        gamma_initializer: of the scale; the official pix2pix draws it from N(1, 0.02).
    """

    def __init__(
        self,
        at_test: Literal["moving", "batch"] = "moving",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        **kwargs,
    ):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)
        if at_test not in ("moving", "batch"):
            raise ValueError(f'`at_test` must be "moving" or "batch". Received: {at_test!r}')
        self.at_test = at_test

    def call(self, inputs, training=False):
        if training or self.at_test == "moving":
            return super().call(inputs, training=training)
        x = tf.cast(inputs, keras.config.floatx())
        mean, variance = tf.nn.moments(x, axes=[0, 1, 2])
        normalized = tf.nn.batch_normalization(
            x, mean, variance, self.beta, self.gamma, self.epsilon
        )
        return tf.cast(normalized, inputs.dtype)

    def get_config(self):
        return super().get_config() | {"at_test": self.at_test}


@contextlib.contextmanager
def keeping_statistics(*networks: keras.Model) -> Iterator[None]:
    """Calls inside train on the statistics of their batch and leave the moving ones as they are.

    For images that a network gets in training only: what it is to paint at test is other images,
    and a mean over both would fit neither.
    """
    layers = [
        layer
        for network in networks
        for layer in all_layers(network)
        if isinstance(layer, BatchNormalization)
    ]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 1.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


def normalization(
    norm: Literal["instance", "batch", "layer", "none"],
    at_test: Literal["moving", "batch"] = "moving",
) -> keras.layers.Layer:
    """A new normalisation layer by name; `at_test` is that of `BatchNormalization`.

    "layer" is that of WGAN-GP: one mean and deviation per sample, over all positions and channels,
    scale and offset per channel (`tflib/ops/layernorm.py` of igul222/improved_wgan_training).
    """
    if norm == "instance":
        return InstanceNormalization()
    if norm == "batch":
        return BatchNormalization(at_test, gamma_initializer=normal(mean=1.0))
    if norm == "layer":
        return keras.layers.GroupNormalization(groups=1, epsilon=1e-5)
    if norm == "none":
        return keras.layers.Identity()
    raise ValueError(f'`norm` must be "instance", "batch", "layer" or "none". Received: {norm!r}')
