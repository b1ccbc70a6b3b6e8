"""What in an image a feature of a convolutional network answers to: guided backpropagation
(Springenberg et al. 2015, arXiv:1412.6806), as in figure 5 of DCGAN's paper.
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn.layers import Conv2D

ACTIVATIONS = (layers.ReLU, layers.LeakyReLU)
CHUNK = 64  # Samples at a time.


@keras.saving.register_keras_serializable("gans")
class Guided(layers.Layer):
    """An activation whose gradient is that of ReLU, and only as far as it is positive: what speaks
    for a feature goes back, what speaks against it does not. Any shape; the values are those of the
    activation.

    Args:
        activation: the layer.
    """

    def __init__(self, activation: layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, inputs):
        @tf.custom_gradient
        def guided(x):
            return self.activation(x), lambda upstream: tf.where(x > 0, tf.nn.relu(upstream), 0.0)

        return guided(inputs)

    def get_config(self):
        return super().get_config() | {
            "activation": keras.saving.serialize_keras_object(self.activation)
        }

    @classmethod
    def from_config(cls, config):
        config["activation"] = keras.saving.deserialize_keras_object(config["activation"])
        return cls(**config)


def first_filters(network: keras.Model, image_channels: int) -> np.ndarray:
    """The kernels of the first convolution, float32 `(filters, side, side, image_channels)`.

    What the layer sees beside one image (planes of a label, the other images of a pack) is left
    out.
    """
    kernel = np.asarray(_convolutions(network)[0].kernel)
    return np.moveaxis(kernel[:, :, :image_channels], -1, 0)


def last_maps(network: keras.Model) -> keras.Model:
    """The network up to the activation after its last convolution of more than one pixel, with all
    activations `Guided`; the weights are the network's own.
    """
    convolution = _convolutions(network)[-1]
    after = network.layers[network.layers.index(convolution) :]
    end = next(layer for layer in after if isinstance(layer, ACTIVATIONS))
    trunk = keras.Model(network.inputs, end.output)
    return keras.models.clone_model(
        trunk,
        clone_function=lambda layer: Guided(layer) if isinstance(layer, ACTIVATIONS) else layer,
    )


def strongest(
    maps: keras.Model, inputs: Sequence[np.ndarray], count: int, packing: int = 1
) -> np.ndarray:
    """The largest value of each of the first `count` maps in each sample, `(n, count)`.

    Args:
        maps: from `last_maps`.
        inputs: of the network, each `(n, ...)`.
        packing: samples that the network sees together: as many times the same one.
    """
    found = []
    for start in range(0, len(inputs[0]), CHUNK):
        chunk = [tf.repeat(x[start : start + CHUNK], packing, axis=0) for x in inputs]
        found.append(tf.reduce_max(maps(chunk, training=False)[..., :count], axis=(1, 2)))
    return np.concatenate(found)


def responses(
    maps: keras.Model, inputs: Sequence[np.ndarray], feature: int, packing: int = 1
) -> np.ndarray:
    """The guided gradient of the largest value of a map by the image, `(n, size, size, channels)`.

    Args:
        maps: from `last_maps`.
        inputs: of the network, each `(n, ...)`, the image first.
        feature: number of the map.
        packing: as in `strongest`.
    """
    image, *others = (tf.convert_to_tensor(x) for x in inputs)
    with tf.GradientTape() as tape:
        tape.watch(image)
        packs = [tf.repeat(x, packing, axis=0) for x in (image, *others)]
        values = maps(packs, training=False)
        largest = tf.reduce_max(values[..., feature], axis=(1, 2))
    return tape.gradient(largest, image).numpy()


def _convolutions(network: keras.Model) -> list[layers.Layer]:
    found = [layer for layer in network.layers if isinstance(layer, Conv2D)]
    return [layer for layer in found if layer.kernel_size > 1] or found
