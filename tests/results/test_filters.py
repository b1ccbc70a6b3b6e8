"""Guided backpropagation on networks small enough to do by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gans.cgan import CGAN
from gans.dcgan import DCGAN
from gans.nn import guided
from gans.nn.layers import Conv2D


def network(*activations):
    """Two 2x2 convolutions of stride 2 with given activations, then a number; 4x4 grey images."""
    x = image = layers.Input((4, 4, 1))
    for activation in activations:
        x = activation(Conv2D(2, 2, strides=2, use_bias=False)(x))
    return keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))


def test_values_are_those_of_the_activation():
    x = tf.constant([-2.0, 0.0, 3.0])
    np.testing.assert_allclose(
        guided.Guided(layers.LeakyReLU(negative_slope=0.25))(x), [-0.5, 0, 3]
    )


def test_only_what_is_positive_on_both_ways_goes_back():
    x = tf.constant([-1.0, 2.0, 3.0, -4.0])
    upstream = tf.constant([5.0, -6.0, 7.0, -8.0])
    layer = guided.Guided(layers.LeakyReLU(negative_slope=0.25))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    np.testing.assert_array_equal(tape.gradient(y, x, output_gradients=upstream), [0, 0, 7, 0])


def test_the_layer_comes_back_from_its_config():
    layer = guided.Guided(layers.LeakyReLU(negative_slope=0.25))
    again = guided.Guided.from_config(layer.get_config())
    assert again.activation.negative_slope == 0.25


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
    maps = guided.last_maps(one)
    found = guided.strongest(maps, [image], 2)
    np.testing.assert_allclose(found, [[0.0, 9 * 4 - 3 * 2 - 5 * 4 * 0.3]], rtol=1e-6)
    expected = np.zeros((4, 4))
    expected[:2, :2] = 9.0
    answer = guided.responses(maps, [image], feature=1)
    np.testing.assert_array_equal(answer[0, ..., 0], expected)


def test_the_network_itself_is_left_as_it_was():
    one = network(layers.LeakyReLU(), layers.LeakyReLU())
    image = tf.random.stateless_normal((3, 4, 4, 1), [0, 0])
    with tf.GradientTape() as tape:
        tape.watch(image)
        before = one(image)
    gradient = tape.gradient(before, image)
    guided.responses(guided.last_maps(one), [image], 0)
    with tf.GradientTape() as tape:
        tape.watch(image)
        after = one(image)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(gradient, tape.gradient(after, image))


def test_first_filters_are_those_that_see_the_image():
    gan = CGAN(network="convolutional", generator_filters=2, discriminator_filters=3)
    filters = guided.first_filters(gan.discriminator, 1)
    kernel = next(x for x in gan.discriminator.layers if isinstance(x, Conv2D)).kernel.numpy()
    assert filters.shape == (3, 4, 4, 1)
    assert kernel.shape == (4, 4, 1 + 10, 3)  # The image, then the planes of the label.
    np.testing.assert_array_equal(filters[2, ..., 0], kernel[:, :, 0, 2])


@pytest.mark.parametrize("packing", [1, 3])
def test_a_pack_is_a_sample_repeated(packing):
    gan = DCGAN(image_size=8, generator_filters=2, discriminator_filters=2, packing=packing)
    images = np.random.default_rng(0).uniform(-1, 1, (70, 8, 8, 3)).astype(np.float32)
    maps = guided.last_maps(gan.discriminator)
    values = guided.strongest(maps, [images], 2, packing)
    assert values.shape == (70, 2)
    one = gan.discriminator.get_layer("features_0").output
    expected = keras.Model(gan.discriminator.input, one)(np.repeat(images, packing, 0))
    np.testing.assert_allclose(values, np.max(expected, axis=(1, 2))[:, :2], rtol=1e-6)
    assert guided.responses(maps, [images[:5]], 0, packing).shape == (5, 8, 8, 3)
