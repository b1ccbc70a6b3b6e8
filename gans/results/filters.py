"""What the convolutions of a discriminator respond to, beside those of an untrained one.

Its first layer is shown as it is, its last by guided backpropagation (Springenberg et al. 2015,
arXiv:1412.6806), as in figure 5 of the DCGAN paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn.layers import Conv2D
from gans.pictures.image_grid import full_contrast, image_blocks
from gans.results.probe import untrained
from gans.results.samples import COLUMNS, in_turn, of_label

ACTIVATIONS = (layers.ReLU, layers.LeakyReLU)
CHUNK = 64  # Samples at a time.
FEATURES, STRONGEST, SAMPLES = 6, 4, 256
SMALLEST_KERNEL = 40  # Pixels of a kernel in a picture.


@dataclass(frozen=True)
class Filters:
    """What one network looks for.

    Attributes:
        kernels: of the first convolution, `(filters, side, side, channels)`, in full contrast.
        samples: those that each feature of the last convolution responds to most strongly,
            `(features, STRONGEST, size, size, channels)`.
        responses: what in each of them it responds to, likewise.
    """

    kernels: np.ndarray
    samples: np.ndarray
    responses: np.ndarray


def compare(gan, labels: np.ndarray | None = None, seed: int = 0) -> dict[str, Filters]:
    """The filters of a trained discriminator, `trained`, and of one with `random` weights.

    Args:
        labels: that the samples have in turn, `(n, k)`, or None for a GAN without labels.
        seed: of the noise.
    """
    z = gan.draw_latents(SAMPLES, seed)
    labels = in_turn(labels, len(z))
    inputs = [of_label(gan, z, labels), *([] if labels is None else [labels])]
    return {
        name: find(one.discriminating_network, inputs, gan.settings.image_channels, gan.packing)
        for name, one in (("trained", gan), ("random", untrained(gan)))
    }


def find(
    network: keras.Model, inputs: Sequence[np.ndarray], image_channels: int, packing: int
) -> Filters:
    """The filters of a network, by samples that it is given.

    Args:
        inputs: of the network, each `(n, ...)`, the image first.
        image_channels: of an image.
        packing: samples that the network sees together.
    """
    maps = last_maps(network)
    strength = strongest(maps, inputs, FEATURES, packing)
    best = np.argsort(-strength, axis=0, kind="stable")[:STRONGEST].T
    found = [
        full_contrast(responses(maps, [x[rows] for x in inputs], feature, packing))
        for feature, rows in enumerate(best)
    ]
    kernels = full_contrast(first_filters(network, image_channels))
    return Filters(kernels, inputs[0][best], np.stack(found))


def kernels_picture(found: dict[str, Filters]) -> np.ndarray:
    """The kernels of each network in a block of `COLUMNS` columns, uint8."""
    blocks = []
    for name, filters in found.items():
        kernels = filters.kernels
        # White where a row is not full.
        empty = np.ones((-len(kernels) % COLUMNS, *kernels.shape[1:]), np.float32)
        kernels = np.concatenate([kernels, empty])
        blocks.append((name, kernels.reshape(-1, COLUMNS, *kernels.shape[1:])))
    return image_blocks(blocks, SMALLEST_KERNEL)


def responses_picture(found: dict[str, Filters]) -> np.ndarray:
    """Samples and responses of each network in two blocks, uint8, a feature in each row."""
    blocks = []
    for name, filters in found.items():
        blocks.append((f"samples, {name}", filters.samples))
        blocks.append(("their responses", filters.responses))
    return image_blocks(blocks)


class Guided(layers.Layer):
    """An activation whose gradient is that of ReLU, and only where it is positive: what speaks for
    a feature goes back, what speaks against it does not. Any shape; the values are those of the
    activation.
    """

    def __init__(self, activation: layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, inputs):
        @tf.custom_gradient
        def guided(x):
            return self.activation(x), lambda upstream: tf.where(x > 0, tf.nn.relu(upstream), 0.0)

        return guided(inputs)


def first_filters(network: keras.Model, image_channels: int) -> np.ndarray:
    """The kernels of the first convolution, float32 `(filters, side, side, image_channels)`.

    What the layer sees in addition to one image (planes of a label, other images of a pack) is left
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
        packing: samples that the network sees together; all of them are the same one.
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
