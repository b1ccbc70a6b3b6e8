"""cGAN: its networks in numbers, where the label goes, its step against plain tapes."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gans.cgan import CGAN, PRESETS, Settings, build_discriminator, build_generator
from gans.nn.layers import BatchNormalization, Conv2D, Conv2DTranspose, Dropout, TileLatent

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
    norms = [256, 512, 1024]
    linear = [(110, 128), (128, 256), (256, 512), (512, 1024), (1024, 784)]
    listing = sum(n * m + m for n, m in linear) + 2 * sum(norms)
    generator, discriminator = build_generator(Settings()), build_discriminator(Settings())
    # The biases before a batch normalisation, which takes them out, are the only ones missing.
    assert trainable(generator) == listing - sum(norms) == 1_509_520
    linear = [(794, 512), (512, 256), (256, 1)]
    assert trainable(discriminator) == sum(n * m + m for n, m in linear) == 538_625
    assert [x.negative_slope for x in kinds(generator, layers.LeakyReLU)] == [0.2] * 4
    assert [x.negative_slope for x in kinds(discriminator, layers.LeakyReLU)] == [0.2] * 2
    assert [x.input.shape[1] for x in kinds(generator, BatchNormalization)] == norms


def test_parameters_of_the_papers_networks():
    # z to 200, y to 1000, both to 1200, to 784; all with biases.
    expected = 100 * 200 + 200 + 10 * 1000 + 1000 + 1200 * 1200 + 1200 + 1200 * 784 + 784
    assert trainable(build_generator(Settings(network="paper"))) == expected
    # x to 240 of 5 pieces, y to 50 of 5, both to 240 of 4, to 1.
    expected = 785 * 240 * 5 + 11 * 50 * 5 + 291 * 240 * 4 + 241
    assert trainable(build_discriminator(Settings(network="paper"))) == expected


def test_parameters_of_the_convolutions():
    settings = Settings(image_size=28, network="convolutional")
    generator, discriminator = build_generator(settings), build_discriminator(settings)
    # 7x7x128, 14x14x64, 28x28x1; the ten planes beside both maps.
    assert trainable(generator) == 110 * 6272 + 2 * 128 + 16 * 138 * 64 + 2 * 64 + 16 * 74 + 1
    # 14x14x64, 7x7x128, and the label once more beside the last map.
    expected = 16 * 11 * 64 + 64 + 16 * 74 * 128 + 2 * 128 + 6272 + 10 + 1
    assert trainable(discriminator) == expected


@pytest.mark.parametrize(
    ("network", "size", "sides"),
    [
        ("mlp", 28, []),
        ("paper", 33, []),
        ("convolutional", 28, [14, 28]),
        ("convolutional", 96, [12, 24, 48, 96]),
    ],
)
def test_shapes_and_ranges(network, size, sides):
    settings = Settings(**NARROW | {"image_size": size, "network": network})
    generator, discriminator = build_generator(settings), build_discriminator(settings)
    z, labels = tf.random.stateless_normal((3, 3), [0, 0]), tf.constant(one_hot([0, 4, 2]))
    drawn = generator([1e8 * z, labels])
    assert drawn.shape == (3, size, size, 1) and drawn.dtype == tf.float32
    assert 0.9 < np.abs(drawn).max() <= 1
    judged = discriminator([drawn, labels])
    assert judged.shape == (3, 1) and judged.dtype == tf.float32
    assert [x.output.shape[1] for x in kinds(generator, Conv2DTranspose)] == sides
    assert [x.input.shape[1] for x in kinds(discriminator, Conv2D)] == sides[::-1]


# Where the label goes


def test_planes_are_constant_and_not_rows_as_in_the_keras_example():
    settings = Settings(**NARROW | {"image_size": 28, "network": "convolutional", "label_dim": 10})
    networks = build_generator(settings), build_discriminator(settings)
    labels = one_hot(np.arange(10), 10)
    inputs = {"z": np.ones((10, 3)), "sample": np.ones((10, 28, 28, 1))}
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
    settings, labels = Settings(**NARROW), one_hot([2, 0])
    for network, first in (
        (build_generator(settings), np.arange(6.0).reshape(2, 3)),
        (build_discriminator(settings), np.arange(512.0).reshape(2, SIZE, SIZE, 1)),
    ):
        (joined,) = kinds(network, layers.Concatenate)
        vector = keras.Model(network.inputs, joined.output)([first.astype("float32"), labels])
        assert np.array_equal(vector, np.concatenate([first.reshape(2, -1), labels], 1))


@pytest.mark.parametrize(
    ("network", "data"),
    [*((network, "images") for network in NETWORKS), ("mlp", "points"), ("paper", "points")],
)
def test_both_networks_answer_differently_for_another_label(network, data):
    gan = narrow(network=network, data=data)
    one, other = one_hot([1]), one_hot([2])
    same = images(0, 1) if data == "images" else np.ones((1, 2), "float32")
    assert abs(gan.score(same, one) - gan.score(same, other)) > 1e-4
    z = gan.draw_latents(1)
    samples = gan.generate(z, one), gan.generate(z, other)
    assert samples[0].shape == same.shape
    assert np.abs(samples[0] - samples[1]).max() > 1e-4


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


# The step


def widths_of_dropout(network):
    return [layer.input.shape[1] for layer in network.layers if isinstance(layer, Dropout)]


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_of_known_networks_in_numbers(stand_in, smoothing):
    gan = narrow(label_smoothing=smoothing)
    x, y = (value.numpy().astype("float64") for value in batch())
    z = gan.sample_latent(batch()[0]).numpy().astype("float64")
    strengths = np.arange(1.0, CLASSES + 1)

    def draw(inputs):
        z, labels = inputs
        return tf.ones((1, SIZE, SIZE, 1)) * (
            z[:, :1, None, None] + tf.reduce_sum(labels * strengths, 1)[:, None, None, None]
        )

    gan.generator = stand_in(draw)
    gan.discriminator = stand_in(
        lambda given: 0.5 * given[0][:, 0, 0] + given[1][:, 1:2] - 0.7 * given[1][:, 3:4]
    )
    with contextlib.ExitStack() as stack:
        for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
            stack.enter_context(mock.patch.object(optimizer, "apply"))
        found = {name: float(value) for name, value in gan.train_step(batch()).items()}

    of_label = y[:, 1] - 0.7 * y[:, 3]
    real = 0.5 * x[:, 0, 0, 0] + of_label
    fake = 0.5 * (z[:, 0] + y @ strengths) + of_label
    # Smoothing is of real samples alone: the targets of fakes and of G stay.
    real_loss = (1 - smoothing) * softplus(-real).mean() + smoothing * softplus(real).mean()
    expected = {"real_loss": real_loss, "fake_loss": softplus(fake).mean()}
    expected |= {"d_loss": sum(expected.values()), "g_loss": softplus(-fake).mean()}
    assert found == pytest.approx(expected, rel=1e-5)
    # Fakes are made of the labels of the batch, and judged with them; G learns from the same ones.
    ((_, labels),) = gan.generator.given
    assert np.array_equal(labels, y)
    assert len(gan.discriminator.given) == 3
    assert all(np.array_equal(labels, y) for _, labels in gan.discriminator.given)
    assert np.array_equal(gan.discriminator.given[0][0], batch()[0])
    assert np.array_equal(gan.discriminator.given[1][0], gan.discriminator.given[2][0])


def cross_entropy(logits, target):
    """By the definition, in float64: -target log p - (1 - target) log(1 - p)."""
    p = 1 / (1 + tf.exp(-tf.cast(logits, tf.float64)))
    return tf.reduce_mean(-target * tf.math.log(p) - (1 - target) * tf.math.log(1 - p))


def adam(weight, gradient, rate=0.01, epsilon=0.01):
    """The first step of Adam, where both moments are those of one gradient."""
    return weight - rate * gradient / (np.abs(gradient) + epsilon)


@pytest.mark.parametrize("network", ["mlp", "paper", "convolutional"])
def test_the_step_is_that_of_plain_tapes(network):
    gan, plain = (narrow(network=network, label_smoothing=0.1) for _ in range(2))
    plain.set_weights(gan.get_weights())
    for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
        optimizer.epsilon = 0.01  # Or the step is the sign of a gradient, however small that is.
    (x, y), z = batch(), gan.sample_latent(batch()[0])
    generator, discriminator = plain.generator, plain.discriminator
    found = {name: float(value) for name, value in gan.train_step(batch()).items()}

    statistics = [variable.numpy() for variable in generator.non_trainable_variables]
    with tf.GradientTape() as tape:
        real = cross_entropy(discriminator([x, y], training=True), 0.9)
        fakes = generator([z, y], training=True)
        fake = cross_entropy(discriminator([fakes, y], training=True), 0.0)
        loss = real + fake
    variables = discriminator.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign(adam(variable.numpy(), gradient.numpy()))
    after = [variable.numpy() for variable in discriminator.weights]

    for variable, value in zip(generator.non_trainable_variables, statistics, strict=True):
        variable.assign(value)
    with tf.GradientTape() as tape:
        fakes = generator([z, y], training=True)
        g_loss = cross_entropy(discriminator([fakes, y], training=True), 1.0)
    variables = generator.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(g_loss, variables), strict=True):
        variable.assign(adam(variable.numpy(), gradient.numpy()))

    expected = {"d_loss": loss, "real_loss": real, "fake_loss": fake, "g_loss": g_loss}
    assert found == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-4)
    for one, value in zip(gan.discriminator.weights, after, strict=True):
        assert np.allclose(one, value, atol=1e-4), one.path
    for one, other in zip(gan.generator.weights, generator.weights, strict=True):
        assert np.allclose(one, other, atol=1e-4), one.path


def test_the_step_of_g_leaves_d_and_its_statistics():
    gan = narrow()
    kept, real = [], gan.optimizer_discriminator.apply

    def apply(gradients, variables):
        assert list(map(id, variables)) == list(map(id, gan.discriminator.trainable_variables))
        real(gradients, variables)
        kept.extend(variable.numpy() for variable in gan.discriminator.weights)

    before = gan.discriminator.get_weights()
    with mock.patch.object(gan.optimizer_discriminator, "apply", apply):
        gan.train_step(batch())
    assert not any(np.array_equal(*pair) for pair in zip(before, kept, strict=True))
    assert all(np.array_equal(*pair) for pair in zip(gan.discriminator.weights, kept, strict=True))


def test_dropout_of_the_paper_is_in_both_networks_and_new_in_each_step():
    gan = narrow(network="paper", dropout=0.5)
    assert widths_of_dropout(gan.generator) == [200, 1000, 1200]
    assert widths_of_dropout(gan.discriminator) == [240, 50, 240]
    seeds, real = [], Dropout.call

    def call(self, inputs, training=False):
        seeds.append(tuple(self.seed_generator.state.numpy()))
        return real(self, inputs, training)

    with mock.patch.object(Dropout, "call", call):
        for _ in range(2):
            gan.train_step(batch())
    # G is called once, D three times.
    assert len(seeds) == 2 * (3 + 3 * 3)
    assert len(set(seeds)) == len(seeds)
    plain = narrow(network="mlp", dropout=0.5)
    assert widths_of_dropout(plain.generator) == []
    assert widths_of_dropout(plain.discriminator) == [512, 256]


def test_the_papers_descent():
    gan = narrow(**PRESETS["paper"] | {"dropout": 0.0})
    assert gan.settings.latent == "uniform"
    optimizer = gan.optimizer_generator
    assert (optimizer.momentum, optimizer.final_momentum) == (0.5, 0.7)
    assert optimizer.get_config()["minimum"] == 1e-6
    variable = gan.generator.trainable_variables[0]
    before = variable.numpy()
    optimizer.iterations.assign(100_000)
    gradients = [tf.ones_like(x) for x in gan.generator.trainable_variables]
    optimizer.apply(gradients, gan.generator.trainable_variables)
    # The decay factor is that of this paper, not that of the first GAN.
    assert np.allclose(before - variable, 0.1 / 1.00004**100_000, rtol=1e-2)
