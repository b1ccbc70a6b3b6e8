"""The first GAN: networks and losses in numbers, its step against one worked out in NumPy."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.gan import GAN, PRESETS, Settings, build_discriminator, build_generator
from gans.nn.layers import BatchNormalization, Dropout
from gans.nn.optimizers import AnnealedSGD

BATCH = 6


def narrow(**settings):
    options = {
        "data": "points",
        "latent_dim": 2,
        "generator_units": (3, 4),
        "discriminator_units": (5,),
        "norm": "none",
        "learning_rate": 0.1,
    }
    keras.utils.set_random_seed(0)
    gan = GAN(**options | settings)
    # Large enough weights that each of them matters.
    gan.set_weights([40 * w if w.ndim > 1 else w for w in gan.get_weights()])
    gan.compile(epochs=5, steps_per_epoch=4)
    return gan


def points(seed=0, count=BATCH):
    return tf.constant(np.random.default_rng(seed).normal(size=(count, 2)), tf.float32)


def kinds(network):
    return [type(x).__name__ for x in network.layers]


def entropy(logits, target):
    """By the definition, in float64: -target log p - (1 - target) log(1 - p)."""
    p = 1 / (1 + np.exp(-np.asarray(logits, "float64")))
    return np.mean(-target * np.log(p) - (1 - target) * np.log(1 - p))


# Networks


def test_parameters_of_the_articles_networks():
    # PyTorch-GAN's gan.py has 1,510,032 with biases before its normalisations of 256 + 512 + 1024.
    generator = build_generator(Settings())
    trainable = sum(int(np.prod(x.shape)) for x in generator.trainable_variables)
    assert trainable == 1_510_032 - (256 + 512 + 1024)
    assert trainable == 12_928 + (32_768 + 512) + (131_072 + 1024) + (524_288 + 2048) + 803_600
    assert generator.count_params() == trainable + 2 * (256 + 512 + 1024)
    assert build_discriminator(Settings()).count_params() == 401_920 + 131_328 + 257


def test_parameters_of_the_papers_networks():
    gan = GAN(**PRESETS["paper"])
    assert gan.generator.count_params() == 101 * 1200 + 1201 * 1200 + 1201 * 784
    # Maxout: five linear pieces for each of 240 units.
    assert gan.discriminator.count_params() == 785 * 1200 + 241 * 1200 + 241


def test_parameters_of_the_networks_of_points():
    gan = GAN(**PRESETS["points"])
    trainable = sum(int(np.prod(x.shape)) for x in gan.generator.trainable_variables)
    # Scale and offset for all hidden layers but the first, which has a bias.
    assert trainable == 3 * 400 + 3 * (400 * 400 + 800) + 401 * 2
    assert gan.discriminator.count_params() == 3 * 1000 + 2 * 201 * 1000 + 201


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (33, 2)])
def test_images_of_any_size_are_in_range(size, channels):
    sizes = {"image_size": size, "image_channels": channels}
    gan = GAN(**sizes, generator_units=(3,), discriminator_units=(3,))
    images = gan.generate(100 * gan.draw_latents(3))
    assert images.shape == (3, size, size, channels)
    assert images.dtype == np.float32 and 0 < np.abs(images).max() <= 1
    assert gan.score(images).shape == (3,)


def test_layers_are_those_of_the_paper():
    gan = GAN(**PRESETS["paper"] | {"generator_units": (3, 4), "discriminator_units": (3, 4)})
    assert kinds(gan.generator)[1:6] == ["Dense", "ReLU", "Dense", "ReLU", "Dense"]
    assert kinds(gan.discriminator)[2:] == ["Dropout"] + 2 * ["Dense", "Maxout", "Dropout"] + [
        "Dense",
        "Activation",
    ]
    assert [x.rate for x in gan.discriminator.layers if isinstance(x, Dropout)] == [0.2, 0.5, 0.5]
    article = GAN(generator_units=(3, 4, 5), discriminator_units=(3, 4))
    norms = [x for x in article.generator.layers if isinstance(x, BatchNormalization)]
    assert [x.output.shape[-1] for x in norms] == [4, 5]
    assert not any(
        isinstance(x, BatchNormalization | Dropout) for x in article.discriminator.layers
    )


# Losses in numbers


@pytest.fixture
def train_step_of(stand_in):
    """The losses of a step of networks that are given functions."""

    def train_step_of(gan, generator, discriminator, samples):
        gan.generator, gan.discriminator = stand_in(generator), stand_in(discriminator)
        with (
            mock.patch.object(gan.optimizer_generator, "apply"),
            mock.patch.object(gan.optimizer_discriminator, "apply"),
        ):
            return {name: float(loss) for name, loss in gan.train_step(samples).items()}

    return train_step_of


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_of_known_networks_in_numbers(train_step_of, loss, smoothing):
    gan, real = narrow(loss=loss, label_smoothing=smoothing), points()
    fake = np.arange(2 * BATCH).reshape(BATCH, 2).astype("float32") / 4 - 2
    losses = train_step_of(
        gan,
        lambda z: tf.constant(fake),
        lambda x: 2 * x[:, :1] - x[:, 1:] + 0.5,
        real,
    )
    real_logits, fake_logits = (2 * x[:, 0] - x[:, 1] + 0.5 for x in (real.numpy(), fake))
    # One-sided: fakes are judged against 0 however real samples are smoothed.
    expected = {
        "real_loss": entropy(real_logits, 1 - smoothing),
        "fake_loss": entropy(fake_logits, 0.0),
        "g_loss": entropy(fake_logits, 1.0),
    }
    expected["d_loss"] = expected["real_loss"] + expected["fake_loss"]
    if loss == "minimax":
        expected["g_loss"] = np.mean(np.log(1 - 1 / (1 + np.exp(-fake_logits))))
        assert losses["g_loss"] == -losses["fake_loss"] < 0
    assert losses == pytest.approx(expected, rel=1e-5)
    # Both are in training wherever they are called: dropout acts in G's turn too, as in
    # `get_samples_and_objectives` of the official code. D gets real, fake, and the same fake.
    assert len(gan.generator.given) == 1
    assert [x.tolist() for x in gan.discriminator.given] == [
        x.tolist() for x in (real.numpy(), fake, fake)
    ]


def test_a_discriminator_that_only_guesses_has_the_loss_of_theorem_1(train_step_of):
    losses = train_step_of(narrow(), lambda z: z, lambda x: 0 * x[:, :1], points())
    assert losses["d_loss"] == pytest.approx(np.log(4))
    assert losses["g_loss"] == pytest.approx(np.log(2))


@pytest.mark.parametrize("logit", [-30.0, -5.0, 0.0, 5.0])
def test_only_the_minimax_gradient_vanishes_where_d_is_sure(logit):
    judged = 1 / (1 + np.exp(-logit))
    for loss, expected in [(GAN.minimax, -judged), (GAN.non_saturating, judged - 1)]:
        logits = tf.constant([[logit]])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(logits)
        assert float(tape.gradient(value, logits)[0, 0]) == pytest.approx(expected, rel=1e-4)


# The step


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def backward(layers, inputs, upstream):
    """Gradients of a leaky MLP by hand: of each kernel and bias, and of its input."""
    hidden = [inputs]
    for kernel, bias in layers:
        hidden.append((leaky(hidden[-1]) if len(hidden) > 1 else hidden[-1]) @ kernel + bias)
    gradients = []
    for index in range(len(layers) - 1, -1, -1):
        entered = leaky(hidden[index]) if index else inputs
        gradients = [entered.T @ upstream, upstream.sum(0), *gradients]
        upstream = upstream @ layers[index][0].T
        if index:
            upstream = upstream * np.where(hidden[index] > 0, 1.0, 0.2)
    return gradients, upstream


def forward(layers, x):
    for index, (kernel, bias) in enumerate(layers):
        x = (leaky(x) if index else x) @ kernel + bias
    return x


def pairs(network):
    weights = [w.astype("float64") for w in network.get_weights()]
    return list(zip(weights[::2], weights[1::2], strict=True))


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_a_step_is_d_then_g_against_the_updated_d_on_the_same_fakes(loss):
    # AnnealedSGD: an update is as large as its gradient, which Adam's first would hide.
    rate, rate_d = 0.3, 0.5
    rates = {"learning_rate": rate, "discriminator_learning_rate": rate_d}
    gan = narrow(loss=loss, optimizer="sgd", **rates, label_smoothing=0.1)
    real, z = points().numpy().astype("float64"), gan.sample_latent(points()).numpy()
    g, d = pairs(gan.generator), pairs(gan.discriminator)
    losses = {name: float(value) for name, value in gan.train_step(points()).items()}

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    fake = forward(g, z.astype("float64"))
    real_logits, fake_logits = forward(d, real), forward(d, fake)
    of_real, _ = backward(d, real, (sigmoid(real_logits) - 0.9) / BATCH)
    of_fake, _ = backward(d, fake, sigmoid(fake_logits) / BATCH)
    updated = [w - rate_d * (a + b) for w, a, b in zip(sum(d, ()), of_real, of_fake, strict=True)]
    new = list(zip(updated[::2], updated[1::2], strict=True))
    judged = forward(new, fake)
    slope = sigmoid(judged) - 1 if loss == "non_saturating" else -sigmoid(judged)
    _, of_sample = backward(new, fake, slope / BATCH)
    of_g, _ = backward(g, z, of_sample)
    expected = [w - rate * gradient for w, gradient in zip(sum(g, ()), of_g, strict=True)]

    sign, target = (1, 1.0) if loss == "non_saturating" else (-1, 0.0)
    assert losses == pytest.approx(
        {
            "real_loss": entropy(real_logits, 0.9),
            "fake_loss": entropy(fake_logits, 0.0),
            "d_loss": entropy(real_logits, 0.9) + entropy(fake_logits, 0.0),
            "g_loss": sign * entropy(judged, target),
        },
        rel=1e-5,
    )
    # D's step was large enough to tell.
    assert abs(entropy(judged, target) / entropy(fake_logits, target) - 1) > 0.01
    for network, wanted in ((gan.generator, expected), (gan.discriminator, updated)):
        for one, other in zip(network.get_weights(), wanted, strict=True):
            assert np.abs(one - other).max() < 1e-6


def test_each_step_moves_its_own_network_only():
    for held in ("generator", "discriminator"):
        gan = narrow(norm="batch", maxout=2, dropout=0.5)
        optimizer = getattr(gan, f"optimizer_{held}")
        before = {name: getattr(gan, name).get_weights() for name in ("generator", "discriminator")}
        with mock.patch.object(optimizer, "apply"):
            gan.train_step(points())
        for name, weights in before.items():
            variables = getattr(gan, name).trainable_variables
            now = {id(v): v.numpy() for v in variables}
            moved = any(
                not np.array_equal(now[id(variable)], old)
                for variable, old in zip(getattr(gan, name).weights, weights, strict=True)
                if id(variable) in now
            )
            assert moved == (name != held)


def test_moving_statistics_move_once_in_a_step():
    gan = narrow(norm="batch")
    norm = next(x for x in gan.generator.layers if isinstance(x, BatchNormalization))
    batch = keras.Model(gan.generator.inputs, norm.input)(gan.sample_latent(points()))
    gan.train_step(points())
    assert np.allclose(norm.moving_mean, 0.1 * tf.reduce_mean(batch, 0), atol=1e-6)


def test_dropout_is_a_function_of_seed_and_step():
    gans = [narrow(seed=seed, dropout=0.5, maxout=2) for seed in (3, 3, 4)]
    losses = []
    for index, gan in enumerate(gans):
        tf.random.set_seed(index)
        losses.append([float(gan.train_step(points())["g_loss"]) for _ in range(3)])
    assert losses[0] == losses[1] != losses[2]


# Settings


def test_optimizers_are_as_named():
    gan = narrow(optimizer="sgd", learning_rate=0.2)
    found = (gan.optimizer_generator, gan.optimizer_discriminator)
    assert [type(x) for x in found] == 2 * [AnnealedSGD]
    assert [float(x.learning_rate) for x in found] == pytest.approx([0.2, 0.2])
    # `get_samples_and_objectives` of the official code has half of D's sum, and all of G's.
    gan = GAN(**PRESETS["paper"] | {"generator_units": (1,), "discriminator_units": (1,)})
    gan.compile()
    found = (gan.optimizer_generator, gan.optimizer_discriminator)
    assert [float(x.learning_rate) for x in found] == pytest.approx([0.1, 0.05])
    assert [x.get_config()["decay"] for x in found] == [1.000004] * 2
