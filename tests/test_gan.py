"""The first GAN: networks and losses in numbers, its step against one worked out in NumPy."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.gan import GAN, PRESETS, TRAINING, build_discriminator, build_generator
from gans.nn.layers import BatchNormalization, Dropout
from gans.nn.optimizers import Adam, AnnealedSGD
from gans.training.checkpoints import Checkpoints

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
    generator = build_generator()
    trainable = sum(int(np.prod(x.shape)) for x in generator.trainable_variables)
    assert trainable == 1_510_032 - (256 + 512 + 1024)
    assert trainable == 12_928 + (32_768 + 512) + (131_072 + 1024) + (524_288 + 2048) + 803_600
    assert generator.count_params() == trainable + 2 * (256 + 512 + 1024)
    assert build_discriminator().count_params() == 401_920 + 131_328 + 257


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


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (64, 3), (96, 1), (33, 2)])
def test_images_of_any_size_are_in_range(size, channels):
    gan = GAN(image_size=size, image_channels=channels, generator_units=(3,))
    images = gan.generate(100 * gan.draw_latents(3))
    assert images.shape == (3, size, size, channels)
    assert images.dtype == np.float32 and 0 < np.abs(images).max() <= 1
    assert gan.judge(images).shape == (3,)


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


def train_step_of(gan, generator, discriminator, samples):
    """The losses of a step of networks that are given functions."""
    gan.generator = mock.Mock(side_effect=generator, trainable_variables=[])
    gan.discriminator = mock.Mock(side_effect=discriminator, trainable_variables=[], layers=[])
    with (
        mock.patch.object(gan.optimizer_generator, "apply"),
        mock.patch.object(gan.optimizer_discriminator, "apply"),
    ):
        return {name: float(loss) for name, loss in gan.train_step(samples).items()}


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_of_known_networks_in_numbers(loss, smoothing):
    gan, real = narrow(loss=loss, label_smoothing=smoothing), points()
    fake = np.arange(2 * BATCH).reshape(BATCH, 2).astype("float32") / 4 - 2
    losses = train_step_of(
        gan,
        lambda z, training: tf.constant(fake),
        lambda x, training: 2 * x[:, :1] - x[:, 1:] + 0.5,
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


def test_both_networks_are_in_training_wherever_they_are_called():
    # Dropout acts in G's turn too, as `get_samples_and_objectives` of the official code has it.
    gan = narrow()
    train_step_of(gan, lambda z, training: z, lambda x, training: x[:, :1], points())
    for network, calls in ((gan.generator, 1), (gan.discriminator, 3)):
        assert [call.kwargs["training"] for call in network.call_args_list] == [True] * calls


def test_a_discriminator_that_cannot_tell_has_the_loss_of_theorem_1():
    losses = train_step_of(
        narrow(), lambda z, training: z, lambda x, training: 0 * x[:, :1], points()
    )
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


def test_draws_are_a_function_of_seed_and_step():
    gans = [narrow(seed=seed, dropout=0.5, maxout=2) for seed in (3, 3, 4)]
    losses = []
    for index, gan in enumerate(gans):
        tf.random.set_seed(index)
        losses.append([float(gan.train_step(points())["g_loss"]) for _ in range(3)])
    assert losses[0] == losses[1] != losses[2]
    gan = narrow(latent="uniform", latent_dim=50)
    z = [gan.sample_latent(points(count=40)).numpy()]
    gan.optimizer_generator.iterations.assign(1)
    z += [gan.sample_latent(points(count=40)).numpy(), gan.draw_latents(40)]
    assert np.abs(np.corrcoef([x.ravel() for x in z]) - np.eye(3)).max() < 5 / np.sqrt(2000)
    assert -1 <= np.min(z) < -0.9 and 0.9 < np.max(z) < 1


# Runs


def train(gan, start, steps):
    batches = tf.data.Dataset.range(start, 2**60).map(
        lambda step: tf.random.stateless_normal((BATCH, 2), tf.stack([step, 7]))
    )
    gan.fit(batches, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0)


@pytest.mark.parametrize(
    "settings",
    [{"norm": "batch", "decay_epochs": 4}, {"optimizer": "sgd", "maxout": 3, "dropout": 0.5}],
)
def test_a_run_in_two_parts_ends_with_the_bytes_of_a_whole_one(tmp_path, settings):
    whole = narrow(**settings)
    train(whole, 0, 6)
    first = narrow(**settings)
    train(first, 0, 3)
    first.preview(points().numpy())
    Checkpoints(tmp_path, first).save(3)
    second = narrow(**settings)
    second.set_weights([0 * w + 1 for w in second.get_weights()])
    assert Checkpoints(tmp_path, second).restore() == 3
    train(second, 3, 3)
    for name in ("variables", "optimizer_generator", "optimizer_discriminator"):
        one, other = (getattr(gan, name) for gan in (whole, second))
        one, other = (getattr(x, "variables", x) for x in (one, other))
        for a, b in zip(one, other, strict=True):
            # A dropout's state is set anew by each step.
            assert np.array_equal(a, b) or "seed_generator" in a.path, a.path


@pytest.mark.parametrize("steps_per_execution", [1, 5])
def test_fit_is_traced_once_whatever_a_call_holds(steps_per_execution):
    gan, eager = narrow(maxout=2, dropout=0.5), narrow(maxout=2, dropout=0.5)
    gan.steps_per_execution = steps_per_execution
    step = gan.train_step
    gan.train_step = mock.Mock(side_effect=step)
    train(gan, 0, 10)
    assert gan.train_step.call_count == 1
    assert gan.optimizer_generator.iterations == gan.optimizer_discriminator.iterations == 10
    for index in range(10):
        eager.train_step(tf.random.stateless_normal((BATCH, 2), tf.constant([index, 7], tf.int64)))
    for one, other in zip(gan.generator.get_weights(), eager.generator.get_weights(), strict=True):
        assert np.allclose(one, other, atol=1e-3)


# Settings


def test_optimizers_are_as_named():
    gan = narrow(beta_1=0.3, learning_rate=0.1, decay_epochs=4)
    assert gan.optimizer_generator is not gan.optimizer_discriminator
    for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
        assert isinstance(optimizer, Adam) and optimizer.beta_1 == 0.3
        rates = [float(optimizer._learning_rate(step)) for step in (0, 4, 8, 19)]
        assert rates == pytest.approx([0.1, 0.08, 0.06, 0.02])
    gan = narrow(optimizer="sgd", learning_rate=0.2)
    assert {type(x) for x in (gan.optimizer_generator, gan.optimizer_discriminator)} == {
        AnnealedSGD
    }
    assert float(gan.optimizer_generator.learning_rate) == pytest.approx(0.2)
    assert float(gan.optimizer_discriminator.learning_rate) == pytest.approx(0.2)
    gan = narrow(learning_rate=0.1, discriminator_learning_rate=0.3, decay_epochs=4)
    rates = [float(gan.optimizer_discriminator._learning_rate(step)) for step in (0, 19)]
    assert rates == pytest.approx([0.3, 0.06])
    assert float(gan.optimizer_generator.learning_rate) == pytest.approx(0.1)


def test_the_papers_discriminator_is_half_as_fast():
    # `get_samples_and_objectives` of the official code has half of this sum, and all of G's.
    gan = GAN(**PRESETS["paper"])
    gan.compile()
    rates = [float(x.learning_rate) for x in (gan.optimizer_generator, gan.optimizer_discriminator)]
    assert rates == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_trains_at_its_real_size(preset):
    gan = GAN(**PRESETS[preset])
    gan.compile(epochs=TRAINING[preset]["epochs"], steps_per_epoch=10)
    images = np.random.default_rng(0).uniform(-1, 1, (4, *gan.discriminator.input.shape[1:]))
    before = gan.get_weights()
    losses = gan.train_step(tf.constant(images, tf.float32))
    assert all(np.isfinite(loss) and loss.dtype == tf.float32 for loss in losses.values())
    for variable, old in zip(gan.weights, before, strict=True):
        assert np.isfinite(variable.numpy()).all()
        assert variable.name != "kernel" or not np.array_equal(variable, old)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latent_dim": 0}, "`latent_dim` must be at least 1. Received: 0"),
        ({"label_smoothing": 1.0}, "`label_smoothing` must be in [0, 1). Received: 1.0"),
        ({"maxout": -1}, "`maxout` must be at least 0. Received: -1"),
        (
            {"loss": "hinge"},
            "`loss` must be one of ('minimax', 'non_saturating'). Received: 'hinge'",
        ),
        ({"generator_units": ()}, "`generator_units` must be widths of at least 1. Received: ()"),
        (
            {"discriminator_units": (3, 0)},
            "`discriminator_units` must be widths of at least 1. Received: (3, 0)",
        ),
        (
            {"optimizer": "sgd", "decay_epochs": 2},
            "`decay_epochs` must be 0 with optimizer='sgd', whose rate shrinks by itself. "
            "Received: 2",
        ),
    ],
)
def test_settings_that_cannot_be_built_are_refused(settings, message):
    with pytest.raises(ValueError) as error:
        narrow(**settings)
    assert str(error.value) == message
