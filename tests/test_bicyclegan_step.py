"""The train step of BicycleGAN: its losses in numbers, and the gradients of each network."""

import contextlib
import dataclasses
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans import bicyclegan
from gans.bicyclegan import BicycleGAN
from gans.nn.layers import Dropout
from gans.nn.random import reseed_dropout

SIZE, BATCH = 64, 2
CVAE_LOSSES = {"d1_loss", "gan_1_loss", "image_loss", "kl_loss"}
CLR_LOSSES = {"d2_loss", "gan_2_loss", "latent_loss"}


def narrow(**settings):
    """The paper's arrangement in the smallest width, with weights large enough to matter."""
    options = {
        "image_size": SIZE,
        "generator_filters": 2,
        "encoder_filters": 2,
        "discriminator_filters": 2,
        "latent_injection": "all",
        "encoder_network": "resnet",
        "discriminator_scales": 2,
        "init_gain": 1.0,
    }
    keras.utils.set_random_seed(0)
    gan = BicycleGAN(**options | settings)
    gan.compile()
    return gan


def change(monkeypatch, gan, **settings):
    """Gives the GAN other settings for the rest of a test."""
    monkeypatch.setattr(gan, "settings", dataclasses.replace(gan.settings, **settings))


def images(seed):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (BATCH, SIZE, SIZE, 3))
    return tf.constant(uniform, tf.float32)


PAIRS = ((images(1), images(2)), (images(3), images(4)))


@pytest.fixture(scope="module")
def gan():
    return narrow()


def networks(gan):
    """Each network that the objective has, and its optimizer."""
    pairs = {
        "generator": (gan.generator, gan.optimizer_generator),
        "encoder": (gan.encoder, gan.optimizer_encoder),
    }
    if gan.discriminator_1 is not None:
        pairs["discriminator_1"] = (gan.discriminator_1, gan.optimizer_d1)
    if gan.discriminator_2 is not None:
        pairs["discriminator_2"] = (gan.discriminator_2, gan.optimizer_d2)
    return pairs


def try_step(gan, pairs=PAIRS):
    """A step that moves no weight: its losses, and the gradients that each optimizer was given."""
    given = {}
    with contextlib.ExitStack() as stack:
        for name, (network, optimizer) in networks(gan).items():

            def apply(gradients, variables, name=name, network=network):
                assert list(map(id, variables)) == list(map(id, network.trainable_variables))
                assert name not in given  # One update per network and step.
                given[name] = [gradient.numpy() for gradient in gradients]

            stack.enter_context(mock.patch.object(optimizer, "apply", apply))
        losses = gan.train_step(pairs)
    assert given.keys() == networks(gan).keys()
    return {name: loss.numpy() for name, loss in losses.items()}, given


def assert_same(found, expected, tolerance=1e-5):
    """Each gradient to `tolerance` of the largest number of its network."""
    largest = max(np.abs(gradient).max() for gradient in expected)
    assert largest > 1e-4
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() <= tolerance * largest


def differ(found, expected):
    largest = max(np.abs(gradient).max() for gradient in expected)
    pairs = zip(found, expected, strict=True)
    return max(np.abs(one - other).max() for one, other in pairs) > 0.01 * largest


def copy_weights(source, target):
    """Of every network that both have."""
    others = networks(source)
    for name, (network, _) in networks(target).items():
        network.set_weights(others[name][0].get_weights())


# Who learns from what


def test_encoder_learns_nothing_from_the_latent_loss(gan, monkeypatch):
    given = []
    for weight in (0.0, 100.0):
        change(monkeypatch, gan, lambda_latent=weight)
        given.append(try_step(gan)[1])
    assert_same(given[1]["encoder"], given[0]["encoder"])
    assert differ(given[1]["generator"], given[0]["generator"])


def test_encoder_learns_nothing_from_the_second_discriminator(gan):
    before = try_step(gan)[1]
    weights = gan.discriminator_2.get_weights()
    gan.discriminator_2.set_weights([3 * weight + 0.1 for weight in weights])
    after = try_step(gan)[1]
    gan.discriminator_2.set_weights(weights)
    assert_same(after["encoder"], before["encoder"])
    assert differ(after["generator"], before["generator"])


def test_generator_learns_nothing_from_kl(gan, monkeypatch):
    before = try_step(gan)[1]
    change(monkeypatch, gan, lambda_kl=100.0)
    after = try_step(gan)[1]
    assert_same(after["generator"], before["generator"])
    assert differ(after["encoder"], before["encoder"])


def test_each_discriminator_learns_from_its_own_loss_alone(gan):
    (images_a_1, images_b_1), (images_a_2, images_b_2) = PAIRS
    noise, z = gan.sample_latent(images_b_1, stream=0), gan.sample_latent(images_b_2, stream=1)
    fake_1 = gan.generator([images_a_1, gan.encoder([images_b_1, noise])[0]])
    fake_2 = gan.generator([images_a_2, z])
    losses, given = try_step(gan)
    for name, real, fake, loss_name in [
        ("discriminator_1", images_b_1, fake_1, "d1_loss"),
        ("discriminator_2", images_b_2, fake_2, "d2_loss"),
    ]:
        discriminator = getattr(gan, name)
        with tf.GradientTape() as tape:
            loss = sum(
                tf.reduce_mean((of_real - 1) ** 2) + tf.reduce_mean(of_fake**2)
                for of_real, of_fake in zip(discriminator(real), discriminator(fake), strict=True)
            )
        assert losses[loss_name] == pytest.approx(float(loss), rel=1e-5)
        assert_same(given[name], tape.gradient(loss, discriminator.trainable_variables))


def article_step(gan, pairs):
    """The article's listing, four tapes around everything: its losses and gradients.

    Its mean squared error goes over the two scales here, and its KL is divided by the batch.
    """
    (images_a_1, images_b_1), (images_a_2, images_b_2) = pairs
    noise, z = gan.sample_latent(images_b_1, stream=0), gan.sample_latent(images_b_2, stream=1)

    def mse(label, maps):
        return sum(tf.reduce_mean(tf.square(label - x)) for x in maps)

    def mae(a, b):
        return tf.reduce_mean(tf.abs(a - b))

    with (
        tf.GradientTape() as tape_e,
        tf.GradientTape() as tape_g,
        tf.GradientTape() as tape_d1,
        tf.GradientTape() as tape_d2,
    ):
        z_encode, mean_encode, logvar_encode = gan.encoder([images_b_1, noise], training=True)
        fake_b_encode = gan.generator([images_a_1, z_encode], training=True)
        encode_fake = gan.discriminator_1(fake_b_encode, training=True)
        encode_real = gan.discriminator_1(images_b_1, training=True)
        kl_loss = -0.5 * tf.reduce_sum(
            1 + logvar_encode - tf.square(mean_encode) - tf.exp(logvar_encode)
        )
        fake_b_random = gan.generator([images_a_2, z], training=True)
        _, mean_random, _ = gan.encoder([fake_b_random, noise], training=True)
        random_fake = gan.discriminator_2(fake_b_random, training=True)
        random_real = gan.discriminator_2(images_b_2, training=True)

        d1_loss = mse(1.0, encode_real) + mse(0.0, encode_fake)
        d2_loss = mse(1.0, random_real) + mse(0.0, random_fake)
        gan_1_loss = mse(1.0, encode_fake)
        gan_2_loss = mse(1.0, random_fake)
        image_loss = 10 * mae(images_b_1, fake_b_encode)
        kl_loss = 0.01 * kl_loss / BATCH
        latent_loss = 0.5 * mae(z, mean_random)
        encoder_loss = gan_1_loss + gan_2_loss + image_loss + kl_loss
        generator_loss = encoder_loss + latent_loss

    losses = {
        "d1_loss": d1_loss,
        "d2_loss": d2_loss,
        "gan_1_loss": gan_1_loss,
        "gan_2_loss": gan_2_loss,
        "image_loss": image_loss,
        "kl_loss": kl_loss,
        "latent_loss": latent_loss,
    }
    gradients = {
        "discriminator_1": tape_d1.gradient(d1_loss, gan.discriminator_1.trainable_variables),
        "discriminator_2": tape_d2.gradient(d2_loss, gan.discriminator_2.trainable_variables),
        "generator": tape_g.gradient(generator_loss, gan.generator.trainable_variables),
        "encoder": tape_e.gradient(encoder_loss, gan.encoder.trainable_variables),
    }
    return losses, gradients


def test_losses_and_gradients_are_those_of_the_articles_four_tapes(gan):
    losses, given = try_step(gan)
    expected_losses, expected = article_step(gan, PAIRS)
    assert losses == pytest.approx({k: float(v) for k, v in expected_losses.items()}, rel=1e-5)
    for name, gradients in expected.items():
        assert_same(given[name], gradients)


def test_each_optimizer_moves_its_network_by_the_gradients_of_the_weights_before_the_step():
    gan = narrow()
    _, given = try_step(gan)
    before = {name: network.get_weights() for name, (network, _) in networks(gan).items()}
    gan.train_step(PAIRS)
    for name, (network, optimizer) in networks(gan).items():
        assert optimizer.iterations == 1
        for old, variable, gradient in zip(
            before[name], network.trainable_variables, given[name], strict=True
        ):
            # The first step of Adam: the rate against the sign, epsilon aside.
            expected = -2e-4 * gradient / (np.abs(gradient) + 1e-8)
            sure = (np.abs(gradient) > 1e-5) | (gradient == 0)
            assert np.allclose((variable.numpy() - old)[sure], expected[sure], atol=2e-6)


# The losses in numbers


class StandIn:
    """A network without weights, by a function."""

    trainable_variables = ()

    def __init__(self, function):
        self.function = function

    def __call__(self, inputs, training):
        assert training is True
        return self.function(inputs)

    def _flatten_layers(self, **_):
        return ()


@pytest.mark.parametrize("clr_images", ["first", "second"])
def test_losses_of_known_networks_in_numbers(clr_images):
    gan = narrow(clr_images=clr_images, lambda_image=3.0, lambda_latent=0.7, lambda_kl=0.2)

    def encode(inputs):
        photo, noise = inputs
        mean = tf.reduce_mean(photo, axis=[1, 2, 3])[:, tf.newaxis] * np.arange(
            8.0, dtype="float32"
        )
        return mean + noise * tf.exp(0.5 * (mean - 1)), mean, mean - 1

    def paint(inputs):
        image, z = inputs
        return 0.5 * image + 0.1 * z[:, :3][:, tf.newaxis, tf.newaxis]

    gan.encoder, gan.generator = StandIn(encode), StandIn(paint)
    gan.discriminator_1 = StandIn(lambda image: [image[..., :1], 2 * image[:, ::2, ::2, 1:2]])
    gan.discriminator_2 = StandIn(lambda image: [3 * image[..., 2:], image[:, :4, :4, :1] + 1])
    noise, z = np.random.default_rng(5).standard_normal((2, BATCH, 8)).astype("float32")
    gan.sample_latent = lambda images, stream: tf.constant((noise, z)[stream])
    losses, _ = try_step(gan)

    a_1, b_1, a_2, b_2 = (x.numpy().astype("float64") for pair in PAIRS for x in pair)
    mean = b_1.mean((1, 2, 3))[:, None] * np.arange(8)
    encoded = mean + noise * np.exp((mean - 1) / 2)
    fake_1 = 0.5 * a_1 + 0.1 * encoded[:, None, None, :3]
    fake_2 = 0.5 * (a_1 if clr_images == "first" else a_2) + 0.1 * z[:, None, None, :3]
    recovered = fake_2.mean((1, 2, 3))[:, None] * np.arange(8)

    def d1(x, target):
        return ((x[..., 0] - target) ** 2).mean() + ((2 * x[:, ::2, ::2, 1] - target) ** 2).mean()

    def d2(x, target):
        return ((3 * x[..., 2] - target) ** 2).mean() + ((x[:, :4, :4, 0] + 1 - target) ** 2).mean()

    assert losses == pytest.approx(
        {
            "d1_loss": d1(b_1, 1) + d1(fake_1, 0),
            "d2_loss": d2(b_2, 1) + d2(fake_2, 0),
            "gan_1_loss": d1(fake_1, 1),
            "gan_2_loss": d2(fake_2, 1),
            "image_loss": 3.0 * np.abs(b_1 - fake_1).mean(),
            "kl_loss": 0.2 * 0.5 * (mean**2 + np.exp(mean - 1) - 1 - (mean - 1)).sum(1).mean(),
            "latent_loss": 0.7 * np.abs(z - recovered).mean(),
        },
        rel=1e-5,
    )


@pytest.mark.parametrize("clr_images", ["first", "second"])
def test_which_images_reach_which_losses(gan, monkeypatch, clr_images):
    monkeypatch.setattr(gan, "clr_pair", {"first": 0, "second": 1}[clr_images])
    random_a = {"a_1": CLR_LOSSES, "a_2": set()} if clr_images == "first" else {"a_2": CLR_LOSSES}
    reached = {
        "a_1": CVAE_LOSSES - {"kl_loss"} | random_a.get("a_1", set()),
        "b_1": CVAE_LOSSES,
        "a_2": random_a["a_2"],
        "b_2": {"d2_loss"},
    }
    before, _ = try_step(gan)
    (a_1, b_1), (a_2, b_2) = PAIRS
    for changed, names in reached.items():
        new = {"a_1": a_1, "b_1": b_1, "a_2": a_2, "b_2": b_2} | {changed: 0.5 * images(9) + 0.5}
        after, _ = try_step(gan, ((new["a_1"], new["b_1"]), (new["a_2"], new["b_2"])))
        assert {name for name in after if abs(after[name] / before[name] - 1) > 1e-4} == names


# Random draws


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    gans = [narrow(dropout=0.5, seed=seed) for seed in (3, 3, 4)]
    copy_weights(gans[0], gans[1])
    copy_weights(gans[0], gans[2])
    losses, weights = [], []
    for index, gan in enumerate(gans):
        tf.random.set_seed(index)
        losses.append([{k: v.numpy() for k, v in gan.train_step(PAIRS).items()} for _ in range(2)])
        weights.append(gan.get_weights())
    assert losses[0] == losses[1]
    assert all(np.array_equal(x, y) for x, y in zip(*weights[:2], strict=True))
    for name in ("gan_1_loss", "gan_2_loss", "latent_loss"):
        assert losses[0][0][name] != losses[2][0][name]


def test_no_draw_goes_past_sample_latent_and_reseed_dropout(monkeypatch):
    gans = [narrow(dropout=0.5, seed=seed) for seed in (0, 99)]
    copy_weights(*gans)
    results = []
    for gan in gans:
        gan.sample_latent = lambda images, stream: tf.fill((BATCH, 8), 0.5 + stream)
        monkeypatch.setattr(
            bicyclegan, "reseed_dropout", lambda seed, step, network: reseed_dropout(0, 0, network)
        )
        results.append(try_step(gan)[0])
    assert results[0] == results[1]


def test_latent_codes_are_standard_normal_and_differ_by_step_stream_and_seed():
    gan, other = narrow(), narrow(seed=1)
    images = tf.zeros((20_000, 1))
    codes = [gan.sample_latent(images, 0), gan.sample_latent(images, 1)]
    codes.append(other.sample_latent(images, 0))
    gan.optimizer_generator.iterations.assign(1)
    codes.append(gan.sample_latent(images, 0))
    codes = np.array(codes)
    assert codes.shape == (4, 20_000, 8)
    # 160,000 numbers each: five deviations of the mean, of the variance and of the correlation.
    assert np.abs(codes.mean((1, 2))).max() < 5 / 400
    assert np.abs(codes.var((1, 2)) - 1).max() < 5 * np.sqrt(2) / 400
    correlation = np.corrcoef(codes.reshape(4, -1)) - np.eye(4)
    assert np.abs(correlation).max() < 5 / 400


def test_no_two_draws_share_a_seed(monkeypatch):
    settings = {"image_size": 256, "dropout": 0.5, "discriminator_scales": 1}
    gans = [narrow(**settings, seed=seed) for seed in range(3)]
    seeds = []
    monkeypatch.setattr(
        tf.random, "stateless_normal", lambda _, seed, **__: seeds.append(tuple(seed.numpy()))
    )
    for gan in gans:
        dropouts = [layer for layer in gan.generator.layers if isinstance(layer, Dropout)]
        assert len(dropouts) == 3
        for step in range(2):
            gan.optimizer_generator.iterations.assign(step)
            gan.sample_latent(PAIRS[0][1], stream=0)
            gan.sample_latent(PAIRS[0][1], stream=1)
            reseed_dropout(gan.settings.seed, gan.step, gan.generator)
            seeds += [tuple(layer.seed_generator.state.numpy()) for layer in dropouts]
    assert len(seeds) == 3 * 2 * (2 + 3)
    assert len(set(seeds)) == len(seeds)


# The two halves alone


def test_cvae_alone_is_the_first_half_of_bicycle(gan):
    cvae = narrow(objective="cvae")
    assert cvae.discriminator_2 is None
    copy_weights(gan, cvae)
    losses, given = try_step(cvae)
    whole_losses, whole = try_step(gan)
    assert losses == pytest.approx({k: whole_losses[k] for k in CVAE_LOSSES}, rel=1e-5)
    assert_same(given["encoder"], whole["encoder"])
    assert_same(given["discriminator_1"], whole["discriminator_1"])


def test_clr_alone_is_the_second_half_of_bicycle(gan):
    clr, cvae = narrow(objective="clr"), narrow(objective="cvae")
    assert clr.discriminator_1 is None
    copy_weights(gan, clr)
    copy_weights(gan, cvae)
    losses, given = try_step(clr)
    whole_losses, whole = try_step(gan)
    assert losses == pytest.approx({k: whole_losses[k] for k in CLR_LOSSES}, rel=1e-5)
    assert_same(given["discriminator_2"], whole["discriminator_2"])
    halves = zip(given["generator"], try_step(cvae)[1]["generator"], strict=True)
    assert_same([one + other for one, other in halves], whole["generator"])


def test_encoder_of_clr_alone_learns_from_the_latent_loss():
    clr = narrow(objective="clr")
    losses, given = try_step(clr)
    z = clr.sample_latent(PAIRS[1][1], stream=1)
    with tf.GradientTape() as tape:
        mean = clr.encoder([clr.generator([PAIRS[1][0], z]), z])[1]
        loss = 0.5 * tf.reduce_mean(tf.abs(z - mean))
    assert losses["latent_loss"] == pytest.approx(float(loss), rel=1e-5)
    variables = clr.encoder.trainable_variables
    expected = tape.gradient(loss, variables)
    # The head of the log-variance is not used: zero, not None, which an optimizer refuses.
    unused = [gradient is None for gradient in expected]
    assert ["log_variance" in variable.path for variable in variables] == unused
    zeros = [np.zeros(variable.shape) for variable in variables]
    assert_same(
        given["encoder"], [z if x is None else x for x, z in zip(expected, zeros, strict=True)]
    )


def test_clr_alone_paints_the_images_that_clr_images_names():
    for clr_images, index in [("first", 0), ("second", 1)]:
        clr = narrow(objective="clr", clr_images=clr_images)
        before, _ = try_step(clr)
        pairs = [list(pair) for pair in PAIRS]
        pairs[1 - index][0] = images(9)
        assert try_step(clr, pairs)[0] == before
        pairs[index][0] = images(9)
        assert try_step(clr, pairs)[0] != before
