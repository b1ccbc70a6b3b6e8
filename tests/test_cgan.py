"""cGAN: its networks in numbers, where the label goes, points, settings."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gans.cgan import CGAN, build_discriminator, build_generator
from gans.nn.layers import BatchNormalization, Conv2D, Conv2DTranspose, TileLatent

SIZE, BATCH, CLASSES = 16, 4, 5
NARROW = {
    "image_size": SIZE,
    "latent_dim": 3,
    "label_dim": CLASSES,
    "generator_filters": 2,
    "discriminator_filters": 2,
    "learning_rate": 0.01,
}
NETWORKS = ("mlp", "paper", "convolutional")


def narrow(**settings):
    keras.utils.set_random_seed(0)
    gan = CGAN(**{"network": "convolutional"} | NARROW | settings)
    # Large enough weights that what a test changes shows.
    for variable in gan.trainable_variables:
        if variable.name == "kernel":
            variable.assign(4 * variable)
    gan.compile(epochs=5, steps_per_epoch=2)
    return gan


def one_hot(classes, count=CLASSES):
    return np.eye(count, dtype=np.float32)[classes]


def images(seed, count=BATCH, size=SIZE, channels=1):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, size, size, channels))
    return tf.constant(uniform, tf.float32)


def batch(seed=1):
    # A class twice, and one that the batch does not have.
    return images(seed), tf.constant(one_hot([1, 3, 3, 0]))


def trainable(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def kinds(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


# Networks


def test_parameters_of_the_articles_listing():
    norms = (256, 512, 1024)
    linear = [(110, 128), (128, 256), (256, 512), (512, 1024), (1024, 784)]
    listing = sum(n * m + m for n, m in linear) + 2 * sum(norms)
    # The biases before a batch normalisation, which takes them out, are the only ones missing.
    assert trainable(build_generator()) == listing - sum(norms) == 1_509_520
    linear = [(794, 512), (512, 256), (256, 1)]
    assert trainable(build_discriminator()) == sum(n * m + m for n, m in linear) == 538_625
    assert [x.negative_slope for x in kinds(build_generator(), layers.LeakyReLU)] == [0.2] * 4
    assert [x.negative_slope for x in kinds(build_discriminator(), layers.LeakyReLU)] == [0.2] * 2
    assert [x.input.shape[1] for x in kinds(build_generator(), BatchNormalization)] == [*norms]


def test_parameters_of_the_papers_networks():
    # z to 200, y to 1000, both to 1200, to 784; all with biases.
    expected = 100 * 200 + 200 + 10 * 1000 + 1000 + 1200 * 1200 + 1200 + 1200 * 784 + 784
    assert trainable(build_generator(network="paper")) == expected
    # x to 240 of 5 pieces, y to 50 of 5, both to 240 of 4, to 1.
    expected = 785 * 240 * 5 + 11 * 50 * 5 + 291 * 240 * 4 + 241
    assert trainable(build_discriminator(network="paper")) == expected


def test_parameters_of_the_convolutions():
    generator, discriminator = (
        build(image_size=28, network="convolutional")
        for build in (build_generator, build_discriminator)
    )
    # 7x7x128, 14x14x64, 28x28x1; the ten planes beside both maps.
    assert trainable(generator) == 110 * 6272 + 2 * 128 + 16 * 138 * 64 + 2 * 64 + 16 * 74 + 1
    # 14x14x64, 7x7x128, and the label once more beside the last map.
    expected = 16 * 11 * 64 + 64 + 16 * 74 * 128 + 2 * 128 + 6272 + 10 + 1
    assert trainable(discriminator) == expected


@pytest.mark.parametrize(
    ("network", "size", "sides"),
    [
        ("mlp", 28, []),
        ("paper", 28, []),
        ("mlp", 64, []),
        ("convolutional", 28, [14, 28]),
        ("convolutional", 64, [8, 16, 32, 64]),
        ("convolutional", 96, [12, 24, 48, 96]),
    ],
)
def test_shapes_and_ranges(network, size, sides):
    options = {"image_size": size, "label_dim": CLASSES, "network": network, "filters": 2}
    generator, discriminator = build_generator(**options), build_discriminator(**options)
    z, labels = tf.random.stateless_normal((3, 100), [0, 0]), tf.constant(one_hot([0, 4, 2]))
    drawn = generator([1e8 * z, labels])
    assert drawn.shape == (3, size, size, 1) and drawn.dtype == tf.float32
    assert 0.9 < np.abs(drawn).max() <= 1
    judged = discriminator([drawn, labels])
    assert judged.shape == (3, 1) and judged.dtype == tf.float32
    assert [x.output.shape[1] for x in kinds(generator, Conv2DTranspose)] == sides
    assert [x.input.shape[1] for x in kinds(discriminator, Conv2D)] == sides[::-1]


# Where the label goes


def test_planes_are_constant_and_not_rows_as_in_the_keras_example():
    networks = [
        build(image_size=28, network="convolutional", filters=2)
        for build in (build_generator, build_discriminator)
    ]
    labels = one_hot(np.arange(10), 10)
    inputs = {"z": np.ones((10, 100)), "sample": np.ones((10, 28, 28, 1))}
    seen = 0
    for network in networks:
        for tile in kinds(network, TileLatent):
            first = inputs[network.inputs[0].name]
            planes = keras.Model(network.inputs, tile.output)([first, labels])[..., -10:].numpy()
            side = planes.shape[1]
            right = np.zeros((10, side, side, 10), np.float32)
            for kind in range(10):
                right[kind, :, :, kind] = 1
            assert np.array_equal(planes, right)
            # keras-io's conditional_gan.py: `repeat` without an axis, then a reshape.
            wrong = np.repeat(labels, side * side).reshape(10, side, side, 10)
            assert not np.array_equal(planes, wrong)
            if side == 28:
                rows = np.flatnonzero(wrong[3].any(axis=(1, 2)))
                assert rows.tolist() == [8, 9, 10, 11]
                assert wrong[3, 9].all() and not right[3, 9, :, :3].any()
            seen += 1
    assert seen == 4


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_the_label_reaches_every_layer(name):
    gan = narrow(image_size=32)
    network = getattr(gan, name)
    other = tf.ones((2, 3)) if name == "generator" else images(0, 2, 32)
    labels = tf.constant(one_hot([0, 3]))

    def differ():
        one, two = network([other[:1], labels[:1]]), network([other[:1], labels[1:]])
        return float(tf.reduce_max(tf.abs(one - two)))

    # The label is behind the channels of the map and behind the numbers of the vector: the last
    # columns of each kernel's input axis.
    axes = {Conv2D: 2, Conv2DTranspose: 3, layers.Dense: 0}
    fed = [(layer, axes[type(layer)]) for layer in network.layers if type(layer) in axes]
    widths = [layer.kernel.shape[axis] - CLASSES for layer, axis in fed]
    dense = 4 * 4 * 8
    assert widths == ([3, 8, 4, 2] if name == "generator" else [1, 2, 4, dense])
    assert differ() > 1e-3
    kernels = [layer.kernel.numpy() for layer, _ in fed]
    for (layer, axis), kernel in zip(fed, kernels, strict=True):
        blind = np.moveaxis(kernel.copy(), axis, 0)
        blind[-CLASSES:] = 0
        layer.kernel.assign(np.moveaxis(blind, 0, axis))
    assert differ() == 0
    for (layer, _), kernel in zip(fed, kernels, strict=True):
        blind = layer.kernel.numpy()
        layer.kernel.assign(kernel)
        assert differ() > 1e-6
        layer.kernel.assign(blind)


def test_vectors_are_followed_by_the_label():
    labels = one_hot([2, 0])
    for network, first in (
        (build_generator(label_dim=CLASSES), np.arange(200.0).reshape(2, 100)),
        (build_discriminator(label_dim=CLASSES), np.arange(1568.0).reshape(2, 28, 28, 1)),
    ):
        (joined,) = kinds(network, layers.Concatenate)
        vector = keras.Model(network.inputs, joined.output)([first.astype("float32"), labels])
        assert np.array_equal(vector, np.concatenate([first.reshape(2, -1), labels], 1))


@pytest.mark.parametrize("network", NETWORKS)
def test_both_networks_answer_differently_for_another_label(network):
    gan = narrow(network=network)
    same, one, other = images(0, 1), one_hot([1]), one_hot([2])
    assert abs(gan.judge(same, one) - gan.judge(same, other)) > 1e-4
    z = gan.draw_latents(1)
    assert np.abs(gan.generate(z, one) - gan.generate(z, other)).max() > 1e-4


def test_preview_has_a_class_per_row_and_the_same_noise_down_a_column():
    for classes, rows in ((CLASSES, CLASSES), (20, 16)):
        gan = narrow(label_dim=classes)
        grid = np.array(gan.preview(batch()))
        assert grid.shape == (rows, 8, SIZE, SIZE, 1)
        for row, column in ((0, 0), (2, 5), (rows - 1, 7)):
            z = gan.draw_latents(8)[column : column + 1]
            expected = gan.generate(z, one_hot([row], classes))[0]
            assert np.allclose(grid[row, column], expected, atol=1e-6)
    assert np.abs(np.diff(grid, axis=0)).max() > 1e-3


# Points, and what is refused


@pytest.mark.parametrize("network", ["mlp", "paper"])
def test_points(network):
    gan = narrow(data="points", network=network, latent_dim=2)
    points = tf.constant(np.random.default_rng(0).normal(size=(BATCH, 2)), tf.float32)
    before = gan.get_weights()
    data = tf.data.Dataset.from_tensors((points, batch()[1]))
    gan.fit(data, shuffle=False, verbose=0)
    assert not any(np.array_equal(*pair) for pair in zip(before, gan.get_weights(), strict=True))
    raster = np.random.default_rng(1).normal(size=(9, 2)).astype("float32")
    samples, judged = gan.preview(raster)
    assert samples.shape == (2500, 2) and judged.shape == (9,)
    # Labels in turn, and of all labels the best judgement.
    z = gan.draw_latents(2500)
    assert np.allclose(samples[CLASSES + 1], gan.generate(z[6:7], one_hot([1])), atol=1e-5)
    each = [gan.judge(raster, np.repeat(one_hot([k]), 9, 0)) for k in range(CLASSES)]
    assert np.array_equal(judged, np.max(each, axis=0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "dcgan"}, "`network` must be one of .*Received: 'dcgan'"),
        ({"image_size": 30}, "`image_size` must be 4, 5, 6 or 7 times a power of two.*: 30"),
        ({"data": "points"}, "`network` must be 'mlp' or 'paper' on points. Rec.*convolutional"),
        ({"dropout": 0.5}, "`dropout` must be 0 with network='convolutional'. Received: 0.5"),
        ({"label_dim": 0}, "`label_dim` must be at least 1. Received: 0"),
        ({"label_smoothing": 1.0}, r"`label_smoothing` must be in \[0, 1\). Received: 1.0"),
        ({"optimizer": "sgd", "decay_epochs": 1}, "`decay_epochs` must be 0 with optimizer='sgd'"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        narrow(**settings)
