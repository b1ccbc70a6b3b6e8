"""The train step of cGAN: its losses in numbers, the order of its updates, its draws, its runs."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.cgan import CGAN, PRESETS
from gans.nn.layers import Dropout
from gans.training.checkpoints import Checkpoints

SIZE, BATCH, CLASSES = 16, 4, 5
NARROW = {
    "image_size": SIZE,
    "latent_dim": 3,
    "label_dim": CLASSES,
    "network": "convolutional",
    "generator_filters": 2,
    "discriminator_filters": 2,
    "learning_rate": 0.01,
}


def narrow(**settings):
    keras.utils.set_random_seed(0)
    gan = CGAN(**NARROW | settings)
    # Large enough weights that what a test changes shows.
    for variable in gan.trainable_variables:
        if variable.name == "kernel":
            variable.assign(4 * variable)
    gan.compile(epochs=5, steps_per_epoch=2)
    return gan


def batch(seed=1):
    """Images and labels: a class twice, and some that are not there."""
    uniform = np.random.default_rng(seed).uniform(-1, 1, (BATCH, SIZE, SIZE, 1))
    labels = np.eye(CLASSES)[[1, 3, 3, 0]]
    return tf.constant(uniform, tf.float32), tf.constant(labels, tf.float32)


def widths_of_dropout(network):
    return [layer.input.shape[1] for layer in network.layers if isinstance(layer, Dropout)]


class StandIn:
    """A network without weights, by a function; keeps what it is given."""

    trainable_variables, layers = (), ()

    def __init__(self, function):
        self.function, self.given = function, []

    def __call__(self, inputs, training):
        assert training is True
        self.given.append([np.array(value) for value in inputs])
        return self.function(*inputs)


def softplus(x):
    return np.log1p(np.exp(x))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_of_known_networks_in_numbers(smoothing):
    gan = narrow(label_smoothing=smoothing)
    x, y = (value.numpy().astype("float64") for value in batch())
    z = gan.sample_latent(batch()[0]).numpy().astype("float64")
    strengths = np.arange(1.0, CLASSES + 1)

    def draw(z, labels):
        return tf.ones((1, SIZE, SIZE, 1)) * (
            z[:, :1, None, None] + tf.reduce_sum(labels * strengths, 1)[:, None, None, None]
        )

    gan.generator = StandIn(draw)
    gan.discriminator = StandIn(lambda x, y: 0.5 * x[:, 0, 0] + y[:, 1:2] - 0.7 * y[:, 3:4])
    with contextlib.ExitStack() as stack:
        for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
            stack.enter_context(mock.patch.object(optimizer, "apply"))
        found = {name: float(value) for name, value in gan.train_step(batch()).items()}

    of_label = y[:, 1] - 0.7 * y[:, 3]
    real = 0.5 * x[:, 0, 0, 0] + of_label
    fake = 0.5 * (z[:, 0] + y @ strengths) + of_label
    # Smoothing is of real samples alone: neither are fakes asked for less than 0, nor G for less.
    real_loss = (1 - smoothing) * softplus(-real).mean() + smoothing * softplus(real).mean()
    expected = {"real_loss": real_loss, "fake_loss": softplus(fake).mean()}
    expected |= {"d_loss": sum(expected.values()), "g_loss": softplus(-fake).mean()}
    assert found == pytest.approx(expected, rel=1e-5)
    # Fakes are made of the labels of the batch, and judged with them; G learns from the same ones.
    ((_, asked),) = gan.generator.given
    assert np.array_equal(asked, y)
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


def test_draws_are_functions_of_seed_and_step():
    gan, other = narrow(), narrow(seed=1)
    x = tf.zeros((20_000, 1))
    draws = [gan.sample_latent(x).numpy()]
    gan.optimizer_generator.iterations.assign(1)
    draws += [gan.sample_latent(x).numpy(), other.sample_latent(x).numpy()]
    # 60,000 standard normal numbers each: five deviations of mean, variance and correlation.
    draws = np.reshape(draws, (3, -1))
    assert np.abs(draws.mean(1)).max() < 5 / 240
    assert np.abs(draws.var(1) - 1).max() < 5 * np.sqrt(2) / 240
    assert np.abs(np.corrcoef(draws) - np.eye(3)).max() < 5 / 240
    uniform = narrow(latent="uniform").sample_latent(x).numpy()
    assert -1 <= uniform.min() < -0.99 < 0.99 < uniform.max() < 1
    first = gan.draw_latents(3, 7)
    assert np.array_equal(first, gan.draw_latents(8, 7)[:3])
    assert not np.array_equal(first, gan.draw_latents(3, 8))


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
    assert gan.latent == "uniform"
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


# Runs


def train(gan, start, steps):
    data = tf.data.Dataset.from_generator(
        lambda: (batch(step) for step in range(start, start + steps)),
        output_signature=(
            tf.TensorSpec((BATCH, SIZE, SIZE, 1)),
            tf.TensorSpec((BATCH, CLASSES)),
        ),
    )
    gan.fit(data, steps_per_epoch=steps, shuffle=False, verbose=0)


@pytest.mark.parametrize(
    "settings",
    [{"decay_epochs": 2}, {"network": "paper", "optimizer": "sgd", "dropout": 0.5}],
    ids=["convolutional", "paper"],
)
def test_a_run_in_two_parts_ends_with_the_bytes_of_a_whole_one(tmp_path, settings):
    whole, traces = narrow(**settings), []
    step = whole.train_step
    whole.train_step = lambda batch: traces.append(1) or step(batch)
    train(whole, 0, 6)
    assert traces == [1]

    first = narrow(**settings)
    train(first, 0, 3)
    first.preview(batch())  # Leaves nothing behind that the second part would see.
    Checkpoints(tmp_path, first).save(3)
    second = narrow(**settings)
    second.set_weights([0 * value + 1 for value in second.get_weights()])
    assert Checkpoints(tmp_path, second).restore() == 3
    train(second, 3, 3)
    for name in (None, "optimizer_generator", "optimizer_discriminator"):
        pair = [getattr(gan, name) if name else gan for gan in (whole, second)]
        for one, other in zip(*(owner.variables for owner in pair), strict=True):
            assert np.array_equal(one, other), one.path
