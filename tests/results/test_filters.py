"""Guided backpropagation on networks small enough to do by hand, and the filters of GANs."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gans.nn.layers import Conv2D
from gans.pictures.image_grid import full_contrast, image_blocks
from gans.results import filters
from gans.results.probe import untrained


def network(*activations):
    """Two 2x2 convolutions of stride 2 with given activations, then a number; 4x4 grey images."""
    x = image = layers.Input((4, 4, 1))
    for activation in activations:
        x = activation(Conv2D(2, 2, strides=2, use_bias=False)(x))
    return keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))


def test_values_are_those_of_the_activation():
    x = tf.constant([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(
        filters.Guided(layers.LeakyReLU(negative_slope=0.25))(x), [-0.5, 0, 3]
    )


def test_only_what_is_positive_on_both_ways_goes_back():
    x = tf.constant([-1.0, 2.0, 3.0, -4.0])
    upstream = tf.constant([5.0, -6.0, 7.0, -8.0])
    layer = filters.Guided(layers.LeakyReLU(negative_slope=0.25))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    np.testing.assert_array_equal(tape.gradient(y, x, output_gradients=upstream), [0, 0, 7, 0])


def test_the_response_is_the_weights_of_the_strongest_place_that_speak_for_it():
    one = network(layers.LeakyReLU(), layers.ReLU())
    first, last = (layer for layer in one.layers if isinstance(layer, Conv2D))
    # Filter 0 of the first layer is the sum of a field, filter 1 its negative.
    first.kernel.assign(np.stack([np.ones((2, 2, 1)), -np.ones((2, 2, 1))], axis=-1))
    kernel = np.zeros((2, 2, 2, 2), np.float32)
    kernel[0, 0, 0, 1], kernel[1, 1, 0, 1], kernel[0, 1, 0, 1] = 9.0, -3.0, 5.0
    last.kernel.assign(kernel)
    image = np.zeros((1, 4, 4, 1), np.float32)
    image[0, :2, :2] = 1.0  # Active, and speaks for map 1.
    image[0, 2:, 2:] = 0.5  # Active, but speaks against it.
    image[0, :2, 2:] = -1.0  # Would speak for it, but is not active.
    maps = filters.last_maps(one)
    found = filters.strongest(maps, [image], 2)
    np.testing.assert_allclose(found, [[0.0, 9 * 4 - 3 * 2 - 5 * 4 * 0.3]], rtol=1e-6)
    expected = np.zeros((4, 4))
    expected[:2, :2] = 9.0
    answer = filters.responses(maps, [image], feature=1)
    np.testing.assert_array_equal(answer[0, ..., 0], expected)


def test_the_network_itself_is_left_as_it_was():
    one = network(layers.LeakyReLU(), layers.LeakyReLU())
    image = tf.random.stateless_normal((3, 4, 4, 1), [0, 0])
    with tf.GradientTape() as tape:
        tape.watch(image)
        before = one(image)
    gradient = tape.gradient(before, image)
    filters.responses(filters.last_maps(one), [image], 0)
    with tf.GradientTape() as tape:
        tape.watch(image)
        after = one(image)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(gradient, tape.gradient(after, image))


def test_first_filters_are_those_that_see_the_image(gan_of):
    gan = gan_of("cgan")
    found = filters.first_filters(gan.discriminator, 3)
    kernel = next(x for x in gan.discriminator.layers if isinstance(x, Conv2D)).kernel.numpy()
    assert found.shape == (2, 4, 4, 3)
    assert kernel.shape == (4, 4, 3 + 3, 2)  # The image, then the planes of the label.
    np.testing.assert_array_equal(found[1], kernel[:, :, :3, 1])


def test_a_pack_is_a_sample_repeated(gan_of):
    gan = gan_of("dcgan")
    images = np.random.default_rng(0).uniform(-1, 1, (70, 8, 8, 3)).astype(np.float32)
    maps = filters.last_maps(gan.discriminator)
    values = filters.strongest(maps, [images], 2, packing=2)
    assert values.shape == (70, 2)
    one = gan.discriminator.get_layer("features_0").output
    expected = keras.Model(gan.discriminator.input, one)(np.repeat(images, 2, 0))
    np.testing.assert_allclose(values, np.max(expected, axis=(1, 2))[:, :2], rtol=1e-6)
    assert filters.responses(maps, [images[:5]], 0, packing=2).shape == (5, 8, 8, 3)


@pytest.mark.parametrize("name", ["dcgan", "grey", "wgan_gp", "cgan", "tags", "infogan"])
def test_filters_are_those_of_the_strongest_samples_compared_with_random_ones(gan_of, name):
    gan = gan_of(name)
    labels = np.eye(gan.label_dim, dtype=np.float32) if gan.label_dim else None
    found = filters.compare(gan, labels, seed=1)
    assert list(found) == ["trained", "random"]
    z = gan.draw_latents(256, 1)
    inputs = [gan.generate(z)] if labels is None else []
    if labels is not None:
        labels = np.resize(labels, (256, gan.label_dim))
        inputs = [gan.generate(z, labels), labels]
    channels = gan.settings.image_channels
    for one, of_one in zip((gan, untrained(gan)), found.values(), strict=True):
        network = one.discriminating_network
        kernels = full_contrast(filters.first_filters(network, channels))
        np.testing.assert_array_equal(of_one.kernels, kernels)
        maps = filters.last_maps(network)
        strength = filters.strongest(maps, inputs, 6, gan.packing)
        for feature in range(strength.shape[1]):
            best = sorted(range(256), key=lambda row, f=feature: -strength[row, f])[:4]
            np.testing.assert_array_equal(of_one.samples[feature], inputs[0][best])
            gradients = filters.responses(maps, [x[best] for x in inputs], feature, gan.packing)
            np.testing.assert_array_equal(of_one.responses[feature], full_contrast(gradients))
    assert not np.array_equal(found["trained"].kernels, found["random"].kernels)


def test_pictures_have_a_block_for_each_network():
    random = np.random.default_rng(0)

    def drawn(*shape):
        return random.uniform(-1, 1, (*shape, 3)).astype(np.float32)

    found = {
        name: filters.Filters(drawn(10, 4, 4), drawn(2, 4, 8, 8), drawn(2, 4, 8, 8))
        for name in ("trained", "random")
    }
    white = np.ones((6, 4, 4, 3), np.float32)
    kernels = [
        (name, np.concatenate([one.kernels, white]).reshape(2, 8, 4, 4, 3))
        for name, one in found.items()
    ]
    np.testing.assert_array_equal(filters.kernels_picture(found), image_blocks(kernels, 40))
    blocks = [
        ("samples, trained", found["trained"].samples),
        ("their responses", found["trained"].responses),
        ("samples, random", found["random"].samples),
        ("their responses", found["random"].responses),
    ]
    np.testing.assert_array_equal(filters.responses_picture(found), image_blocks(blocks))
