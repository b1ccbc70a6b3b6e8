"""The train step of InfoGAN: which network learns what, with which optimizer."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.infogan import InfoGAN

SIZE, BATCH, CATEGORIES = 16, 6, 4
NARROW = {
    "image_size": SIZE,
    "noise_dim": 3,
    "categories": CATEGORIES,
    "continuous": 2,
    "generator_filters": 2,
    "discriminator_filters": 2,
    "dense_units": 8,
    "generator_learning_rate": 0.01,
    "discriminator_learning_rate": 0.02,
}
PAPER = {"recognizer_learns_with": "discriminator"}
ARTICLE = {"recognizer_learns_with": "generator", "variance": "learned", "latent": "normal"}
SUPERVISED = {"supervised": True, "label_dim": CATEGORIES}
VARIANTS = pytest.mark.parametrize("variant", [PAPER, ARTICLE], ids=["paper", "article"])


def narrow(**settings):
    keras.utils.set_random_seed(0)
    gan = InfoGAN(**NARROW | settings)
    # Large enough weights that what a test changes shows.
    for variable in gan.trainable_variables:
        if variable.name == "kernel":
            variable.assign(4 * variable)
    gan.compile(epochs=5, steps_per_epoch=2)
    return gan


def images(seed=1):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (BATCH, SIZE, SIZE, 1))
    return tf.constant(uniform, tf.float32)


def labels(classes=(0, 1, 2, 3, 3, 0)):
    return tf.one_hot(classes, CATEGORIES)


def batch_for(gan, seed=1):
    return (images(seed), labels()) if gan.settings.supervised else images(seed)


def step(gan, batch=None):
    """A step's losses, the gradients that each optimizer got by path, and D and Q before G's."""
    given, between = {}, []
    with contextlib.ExitStack() as stack:
        for name in ("discriminator", "generator"):
            optimizer = getattr(gan, f"optimizer_{name}")

            def apply(gradients, variables, name=name, real=optimizer.apply):
                assert name not in given  # One update per optimizer and step.
                given[name] = {
                    variable.path: gradient.numpy()
                    for gradient, variable in zip(gradients, variables, strict=True)
                }
                real(gradients, variables)
                if name == "discriminator":
                    weights = [*gan.discriminator.weights, *gan.recognizer.weights]
                    between.extend(value.numpy() for value in weights)

            stack.enter_context(mock.patch.object(optimizer, "apply", apply))
        losses = gan.train_step(batch_for(gan) if batch is None else batch)
    return {name: float(value) for name, value in losses.items()}, given, between


# Who learns


@VARIANTS
@pytest.mark.parametrize("data", ["images", "points"])
def test_every_variable_belongs_to_one_optimizer(variant, data):
    gan = narrow(**variant, data=data)
    sets = [gan.generator_variables, gan.discriminator_variables]
    owned = [id(variable) for variables in sets for variable in variables]
    assert len(set(owned)) == len(owned)
    assert set(owned) == set(map(id, gan.trainable_variables))
    others = sets[0] if variant is ARTICLE else sets[1]
    assert set(map(id, gan.recognizer.trainable_variables)) <= set(map(id, others))
    optimizers = (gan.optimizer_generator, gan.optimizer_discriminator)
    for optimizer, variables, rate in zip(optimizers, sets, (0.01, 0.02), strict=True):
        # Two moments of each, the rate and the step.
        assert len(optimizer.variables) == 2 * len(variables) + 2
        assert float(optimizer.learning_rate) == pytest.approx(rate)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.999)


@VARIANTS
@pytest.mark.parametrize("supervised", [{}, SUPERVISED], ids=["alone", "supervised"])
def test_who_learns_from_the_information(variant, supervised):
    points = tf.constant(np.random.default_rng(0).normal(size=(BATCH, 2)), tf.float32)
    names = ("lambda_categorical", "lambda_continuous", "lambda_supervised")

    def gradients(**weights):
        """Of D's optimizer and of G's, when these terms have weights."""
        settings = dict.fromkeys(names, 0.0) | weights
        gan = narrow(**variant, **supervised, **settings, data="points")
        given = step(gan, (points, labels()) if supervised else points)[1]
        return gan, *([*given[name].values()] for name in ("discriminator", "generator"))

    _, *plain = gradients()
    for name in names if supervised else names[:2]:
        gan, *found = gradients(**{name: 50.0})
        of_d, of_g = (
            [not np.array_equal(*pair) for pair in zip(*both, strict=True)]
            for both in zip(found, plain, strict=True)
        )
        trunk, own = (
            len(network.trainable_variables) for network in (gan.discriminator, gan.generator)
        )
        if variant is PAPER:
            # Layers that D shares with Q learn, and so do Q's; Q does not go through the score.
            assert of_d[:trunk] == [True] * (trunk - 2) + [False] * 2
            assert any(of_d[trunk:])
        else:
            # D gets exactly nothing of it.
            assert len(of_d) == trunk and not any(of_d)
        if name == "lambda_supervised":
            # Labels are of real images; but where Q is with D, G meets another D.
            assert any(of_g[own:]) == (variant is ARTICLE)
            assert variant is PAPER or not any(of_g[:own])
        else:
            assert all(of_g[:own])
            assert len(of_g[own:]) == 0 or any(of_g[own:])


@VARIANTS
def test_the_information_reaches_g_through_q_and_d(variant):
    gan = narrow(**variant)
    z = gan.sample_latent(images())
    for name in ("categorical_loss", "continuous_loss"):
        with tf.GradientTape() as tape:
            features = gan.discriminator(gan.generator(z, training=True), training=True)[1]
            loss = gan.information_losses(features, z)[name]
        for gradient in tape.gradient(loss, gan.generator.trainable_variables):
            assert np.abs(gradient).max() > 1e-6


# The step


def cross_entropy(logits, target):
    """By the definition, in float64."""
    p = 1 / (1 + tf.exp(-tf.cast(logits, tf.float64)))
    return tf.reduce_mean(-target * tf.math.log(p) - (1 - target) * tf.math.log(1 - p))


def of_category(logits, one_hot):
    """-log of the probability of the right one, in float64."""
    p = tf.nn.softmax(tf.cast(logits, tf.float64))
    return -tf.reduce_mean(tf.math.log(tf.boolean_mask(p, one_hot > 0)))


def of_codes(codes, mean, log_variance):
    """-log of the normal density, summed over the codes, in float64."""
    codes, mean, log_variance = (tf.cast(x, tf.float64) for x in (codes, mean, log_variance))
    deviation = tf.exp(0.5 * log_variance)
    density = tf.exp(-0.5 * ((codes - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    return -tf.reduce_mean(tf.reduce_sum(tf.math.log(density), axis=1))


def adam(variables, gradients, rate, epsilon=0.01):
    """The first step of Adam, where both moments are those of one gradient."""
    for variable, gradient in zip(variables, gradients, strict=True):
        gradient = gradient.numpy()
        variable.assign(variable.numpy() - rate * gradient / (np.abs(gradient) + epsilon))


@VARIANTS
@pytest.mark.parametrize("supervised", [{}, SUPERVISED], ids=["alone", "supervised"])
def test_the_step_is_that_of_plain_tapes(variant, supervised):
    weights = {"lambda_categorical": 0.7, "lambda_continuous": 0.3, "lambda_supervised": 1.7}
    gan, plain = (narrow(**variant, **supervised, **weights) for _ in range(2))
    plain.set_weights(gan.get_weights())
    for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
        optimizer.epsilon = 0.01  # Or the step is the sign of a gradient, however small that is.
    z = gan.sample_latent(images())
    found, _, between = step(gan)
    generator, discriminator, recognizer = plain.generator, plain.discriminator, plain.recognizer
    with_d = variant is PAPER

    def information(features):
        logits, mean, *learned = recognizer(features, training=True)
        log_variance = learned[0] if learned else tf.zeros_like(mean)
        categorical = of_category(logits, z[:, 3:7])
        return categorical, of_codes(z[:, 7:], mean, log_variance)

    def supervision(features):
        return of_category(recognizer(features, training=True)[0], labels())

    statistics = [variable.numpy() for variable in generator.non_trainable_variables]
    with tf.GradientTape() as tape:
        real_logits, real_features = discriminator(images(), training=True)
        fake_logits, features = discriminator(generator(z, training=True), training=True)
        real, fake = cross_entropy(real_logits, 1.0), cross_entropy(fake_logits, 0.0)
        loss = real + fake
        if with_d:
            categorical, continuous = information(features)
            loss += 0.7 * categorical + 0.3 * continuous
            if supervised:
                labelled = supervision(real_features)
                loss += 1.7 * labelled
    variables = discriminator.trainable_variables
    variables = variables + recognizer.trainable_variables if with_d else variables
    adam(variables, tape.gradient(loss, variables), 0.02)
    after_d = [variable.numpy() for variable in [*discriminator.weights, *recognizer.weights]]

    for variable, value in zip(generator.non_trainable_variables, statistics, strict=True):
        variable.assign(value)
    with tf.GradientTape() as tape:
        logits, features = discriminator(generator(z, training=True), training=True)
        g_loss = cross_entropy(logits, 1.0)
        terms = information(features)
        loss = g_loss + 0.7 * terms[0] + 0.3 * terms[1]
        if not with_d:
            categorical, continuous = terms
            if supervised:
                labelled = supervision(real_features)
                loss += 1.7 * labelled
    variables = generator.trainable_variables
    variables = variables if with_d else variables + recognizer.trainable_variables
    adam(variables, tape.gradient(loss, variables), 0.01)

    expected = {"real_loss": real, "fake_loss": fake, "d_loss": real + fake, "g_loss": g_loss}
    expected |= {"categorical_loss": categorical, "continuous_loss": continuous}
    if supervised:
        expected["supervised_loss"] = labelled
    assert found == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-4)
    # What G's step changes: G, and Q where it learns with G.
    pairs = [(gan.generator, generator), *([] if with_d else [(gan.recognizer, recognizer)])]
    for network, reference in pairs:
        for one, other in zip(network.weights, reference.weights, strict=True):
            assert np.allclose(one, other, atol=2e-4), one.path
    # What it leaves, with the moving statistics: D, and Q where it learns with D.
    kept = [*gan.discriminator.weights, *(gan.recognizer.weights if with_d else [])]
    for one, same, value in zip(kept, between, after_d, strict=False):
        assert np.array_equal(one, same), one.path
        assert np.allclose(one, value, atol=2e-4), one.path


@VARIANTS
def test_labels_teach_q_and_are_no_codes(variant):
    gans = [narrow(**variant, **SUPERVISED) for _ in range(2)]
    drawn = []
    for gan in gans:
        real = gan.generator.call

        def call(z, *arguments, real=real, **options):
            drawn.append(np.array(z))
            return real(z, *arguments, **options)

        gan.generator.call = call
    one, other = (
        step(gan, (images(), labels(classes)))[0]
        for gan, classes in zip(gans, ((0, 1, 2, 3, 3, 0), (2, 2, 1, 0, 0, 3)), strict=True)
    )
    # The codes are drawn, whatever the labels are.
    assert len(drawn) == 2 and np.array_equal(*drawn)
    assert np.array_equal(drawn[0], gans[0].draw_codes(BATCH, lambda k: (k, 0)).numpy())
    assert not np.array_equal(drawn[0][:, 3:7], labels())
    assert one["supervised_loss"] != other["supervised_loss"]
    same = {"d_loss", "real_loss", "fake_loss", "categorical_loss", "continuous_loss"}
    assert {name: one[name] for name in same} == {name: other[name] for name in same}
    # Q moved, by the labels alone.
    moved = [x.recognizer.trainable_variables[0].numpy() for x in gans]
    assert not np.array_equal(*moved)


def test_without_supervision_there_are_no_labels():
    losses, _, _ = step(narrow())
    assert "supervised_loss" not in losses
    assert list(losses)[:4] == ["d_loss", "real_loss", "fake_loss", "g_loss"]
