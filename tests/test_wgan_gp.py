"""WGAN-GP: the penalty in closed form, where it looks, its step against plain tapes, its turns."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn.dcgan_networks import build_critic, build_generator
from gans.nn.layers import BatchNormalization
from gans.nn.optimizers import Adam
from gans.wgan_gp import PRESETS, WGANGP, Settings

BATCH = 4


def narrow(**settings):
    options = {
        "image_size": 16,
        "latent_dim": 3,
        "generator_filters": 2,
        "critic_filters": 2,
        "init_stddev": 0.3,
        "learning_rate": 0.01,
        "n_critic": 3,
    }
    keras.utils.set_random_seed(0)
    gan = WGANGP(**options | settings)
    gan.compile(epochs=5, steps_per_epoch=4)
    return gan


def samples(gan, seed=0, count=BATCH):
    shape = (count, 16, 16, 3) if gan.settings.data == "images" else (count, 2)
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, shape), tf.float32)


# Networks


def test_critic_is_dcgans_with_scale_and_offset_per_channel():
    counts = [
        sum(int(np.prod(x.shape)) for x in network.trainable_variables)
        for network in (build_generator(Settings()), build_critic(Settings()))
    ]
    assert counts == [3_576_704 + 3, 2_765_568 + 64 + 1]
    assert not build_critic(
        Settings(critic_filters=2)
    ).non_trainable_variables  # No moving statistics.
    gan = WGANGP(**PRESETS["points"])
    assert gan.critic.count_params() == 3 * 512 + 2 * 513 * 512 + 513
    assert gan.generator.count_params() == 3 * 512 + 2 * 513 * 512 + 513 * 2


def test_networks_of_points_begin_as_those_of_gan_toy():
    # Uniform within sqrt(6 / inputs) before a ReLU (He), sqrt(6 / (inputs + outputs)) at the end.
    gan = WGANGP(**PRESETS["points"])
    for network in (gan.generator, gan.critic):
        *hidden, last = [x.numpy() for x in network.trainable_variables if x.name == "kernel"]
        for kernel in hidden:
            limit = np.sqrt(6 / kernel.shape[0])
            assert 0.99 * limit < np.abs(kernel).max() <= limit
            assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
        limit = np.sqrt(6 / sum(last.shape))
        assert 0.95 * limit < np.abs(last).max() <= limit
    # So that the critic has a slope to begin with.
    points = tf.constant(np.random.default_rng(0).uniform(-1, 1, (500, 2)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = gan.critic(points)
    assert 0.3 < np.linalg.norm(tape.gradient(values, points), axis=1).mean() < 3


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_a_value_and_its_slope_do_not_depend_on_the_other_samples(norm):
    gan = narrow(norm=norm)
    one, other = samples(gan), tf.concat([samples(gan)[:1], 5 * samples(gan, 1)[1:]], 0)
    found = []
    for batch in (one, other):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            values = gan.critic(batch, training=True)
        found.append((values.numpy(), tape.gradient(values, batch).numpy()))
    for of_one, of_other in zip(*found, strict=True):
        assert np.allclose(of_one[0], of_other[0], atol=1e-5)
        assert not np.allclose(of_one[1:], of_other[1:], atol=1e-2)
    # A value's slope at another sample is exactly zero.
    with tf.GradientTape() as tape:
        tape.watch(one)
        value = gan.critic(one, training=True)[0, 0]
    slopes = tape.gradient(value, one).numpy()
    assert slopes[0].any() and not slopes[1:].any()


# The penalty


@pytest.mark.parametrize("data", ["images", "points"])
@pytest.mark.parametrize("length", [0.25, 1.0, 3.0])
def test_penalty_of_a_linear_critic_in_closed_form(stand_in, data, length):
    gan = narrow(data=data)
    real, fakes = samples(gan), samples(gan, 1)
    direction = np.random.default_rng(2).normal(size=real.shape[1:]).astype("float32")
    direction *= length / np.linalg.norm(direction)
    gan.critic = stand_in(
        lambda x: tf.reduce_sum(tf.reshape(x * direction, [BATCH, -1]), 1)[:, None]
    )
    # The norm is over all values of a sample, and both sides of 1 are penalised.
    found = float(gan.gradient_penalty(real, fakes))
    assert found == pytest.approx((length - 1) ** 2, abs=1e-5)


def test_penalty_is_at_places_between_each_real_sample_and_its_own_fake(stand_in):
    gan = narrow(data="points")
    real, fakes = samples(gan), samples(gan, 1)
    # Of |x|^2 / 2 the gradient is x itself.
    gan.critic = stand_in(lambda x: tf.reduce_sum(x**2, 1, keepdims=True) / 2)
    places = gan.sample_places(real)
    between = (1 - places) * real + places * fakes
    expected = np.mean((np.linalg.norm(between, axis=1) - 1) ** 2)
    assert float(gan.gradient_penalty(real, fakes)) == pytest.approx(expected, rel=1e-5)
    assert gan.critic.given[-1] == pytest.approx(between.numpy(), abs=1e-6)


def test_each_critic_step_sees_a_real_batch_of_its_own(stand_in):
    gan = narrow(data="points", n_critic=3)
    critic = gan.critic
    gan.critic = stand_in(critic)
    gan.critic.trainable_variables = critic.trainable_variables
    for step in range(4):
        gan.train_step(samples(gan, step))
    # Three a step: real, generated, between; after the third step the generator's own.
    seen = gan.critic.given
    assert len(seen) == 4 * 3 + 1
    for step, place in enumerate((0, 3, 6, 10)):
        assert np.array_equal(seen[place], samples(gan, step))


def test_places_are_uniform_and_one_per_sample():
    gan = narrow()
    assert gan.sample_places(samples(gan)).shape == (BATCH, 1, 1, 1)
    points = tf.zeros((20_000, 2))
    places = gan.sample_places(points).numpy()
    assert places.shape == (20_000, 1)
    assert 0 <= places.min() < 0.001 and 0.999 < places.max() < 1
    # Five deviations of the share below each tenth.
    below = [(places < tenth / 10).mean() for tenth in range(1, 10)]
    assert np.abs(below - np.arange(1, 10) / 10).max() < 2.5 / np.sqrt(20_000)
    assert np.array_equal(places, gan.sample_places(points))
    gan.optimizer_critic.iterations.assign(1)
    assert abs(np.corrcoef(places[:, 0], gan.sample_places(points)[:, 0])[0, 1]) < 5 / 141
    assert not np.array_equal(places, narrow(seed=1).sample_places(points))


def test_a_constant_critic_has_the_penalty_1_and_finite_gradients():
    gan = narrow()
    gan.critic.set_weights([0 * w for w in gan.critic.get_weights()])
    with tf.GradientTape() as tape:
        penalty = gan.gradient_penalty(samples(gan), samples(gan, 1))
    assert float(penalty) == pytest.approx(1, abs=1e-5)
    gradients = tape.gradient(penalty, gan.critic.trainable_variables)
    assert all(gradient is None or np.isfinite(gradient).all() for gradient in gradients)
    losses = gan.train_step(samples(gan))
    assert all(np.isfinite(float(loss)) for loss in losses.values())
    assert all(np.isfinite(w).all() for w in gan.get_weights())


# The step


def test_losses_in_numbers_and_their_signs(stand_in):
    gan = narrow(data="points", n_critic=1, lambda_gp=7.0)
    real = samples(gan).numpy()
    fakes = iter([2 * real + 1, 5 * real - 2])
    gan.generator = stand_in(lambda z: tf.constant(next(fakes)))
    gan.critic = stand_in(lambda x: 3 * x[:, :1] - 4 * x[:, 1:])
    with (
        mock.patch.object(gan.optimizer_critic, "apply"),
        mock.patch.object(gan.optimizer_generator, "apply"),
    ):
        losses = {name: float(loss) for name, loss in gan.train_step(tf.constant(real)).items()}
    value = 3 * real[:, 0].mean() - 4 * real[:, 1].mean()
    wasserstein = value - (2 * value - 1)  # 3 - 4 = -1 is the value of (1, 1).
    expected = {"wasserstein": wasserstein, "gradient_penalty": 16.0}  # (5 - 1)^2
    expected["critic_loss"] = -wasserstein + 7 * 16
    expected["g_loss"] = -(5 * value + 2)
    assert losses == pytest.approx(expected, rel=1e-5)


@contextlib.contextmanager
def recorded(gan):
    """The gradients that each optimizer is given during a step, and passes on."""
    given = {}
    with contextlib.ExitStack() as stack:
        for name in ("generator", "critic"):
            optimizer = getattr(gan, f"optimizer_{name}")

            def apply(gradients, variables, name=name, real=optimizer.apply):
                expected = getattr(gan, name).trainable_variables
                assert list(map(id, variables)) == list(map(id, expected)) and name not in given
                given[name] = [np.asarray(gradient) for gradient in gradients]
                real(gradients, variables)

            stack.enter_context(mock.patch.object(optimizer, "apply", apply))
        yield given


@pytest.mark.parametrize("settings", [{}, {"norm": "none"}, {"data": "points"}])
def test_a_step_is_the_critics_then_the_generators_against_it(settings):
    wide = {"generator_filters": 8, "critic_filters": 8} if settings.get("data") else {}
    gan, twin = (narrow(n_critic=1, lambda_gp=3.0, **wide, **settings) for _ in range(2))
    if wide:
        for one in (gan, twin):
            one.critic.set_weights([20 * w for w in one.critic.get_weights()])
    twin.set_weights(gan.get_weights())
    real, state = samples(gan), twin.generator.get_weights()
    with recorded(gan) as given:
        losses = gan.train_step(real)

    c, g = twin.critic, twin.generator
    with tf.GradientTape() as tape:
        fakes = g(twin.sample_latent(real), training=True)
        wasserstein = tf.reduce_mean(c(real)) - tf.reduce_mean(c(fakes))
        terms = []
        for index, place in enumerate(np.ravel(twin.sample_places(real))):
            # Sample by sample: no norm over the batch.
            with tf.GradientTape() as inner:
                x = (1 - place) * real[index : index + 1] + place * fakes[index : index + 1]
                inner.watch(x)
                value = c(x)
            terms.append((tf.norm(tf.reshape(inner.gradient(value, x), [-1])) - 1) ** 2)
        penalty = tf.add_n(terms) / BATCH
        loss = 3.0 * penalty - wasserstein
    gradients = {"critic": tape.gradient(loss, c.trainable_variables)}
    twin.optimizer_critic.apply(gradients["critic"], c.trainable_variables)
    g.set_weights(state)
    with tf.GradientTape() as tape:
        g_loss = -tf.reduce_mean(c(g(twin.sample_latent(real, stream=1), training=True)))
    gradients["generator"] = tape.gradient(g_loss, g.trainable_variables)

    expected = {"critic_loss": loss, "wasserstein": wasserstein, "gradient_penalty": penalty}
    found = {name: float(losses[name]) for name in expected}
    assert found == pytest.approx({name: float(x) for name, x in expected.items()}, rel=1e-3)
    # The generator met a critic whose smallest weights had gone the way of rounding noise.
    assert float(losses["g_loss"]) == pytest.approx(float(g_loss), rel=0.02)
    for name, tolerance in (("critic", 1e-3), ("generator", 0.02)):
        largest = max(np.abs(gradient).max() for gradient in gradients[name])
        for one, other in zip(given[name], gradients[name], strict=True):
            assert np.abs(one - other).max() < tolerance * largest


def test_what_is_not_in_turn_stays_as_it_is():
    gan = narrow(n_critic=2)
    before, norms = gan.generator.get_weights(), []
    gan.train_step(samples(gan))
    for one, other in zip(gan.generator.get_weights(), before, strict=True):
        assert np.array_equal(one, other)
    critic = gan.critic.get_weights()
    gan.update_generator(samples(gan))
    for one, other in zip(gan.critic.get_weights(), critic, strict=True):
        assert np.array_equal(one, other)
    norms = [x for x in gan.generator.layers if isinstance(x, BatchNormalization)]
    assert all(x.momentum == 0.9 and x.moving_mean.numpy().any() for x in norms)


@pytest.mark.parametrize(("n_critic", "expected"), [(1, [1, 2, 3, 4]), (2, [2, 4]), (3, [3])])
def test_every_nth_step_is_the_generators_too_with_draws_of_its_own(n_critic, expected):
    gan, noise, turns = narrow(n_critic=n_critic), [], []
    draw, update = gan.sample_latent, gan.update_generator
    gan.sample_latent = lambda *a, **b: noise.append(draw(*a, **b)) or noise[-1]
    for step in range(1, 5):
        gan.update_generator = lambda x, step=step: turns.append(step) or update(x)
        losses = gan.train_step(samples(gan, step))
        assert (float(losses["g_loss"]) == 0) == (step < n_critic)
    assert turns == expected
    assert gan.optimizer_generator.iterations == len(expected)
    assert len({z.numpy().tobytes() for z in noise}) == 4 + len(expected)
    assert not any(np.isclose(gan.draw_latents(BATCH), z).any() for z in noise)


# Settings


def test_both_adams_have_the_betas_and_the_rate_of_the_training_step():
    gan = narrow(learning_rate=0.1, beta_1=0.0, beta_2=0.7, decay_epochs=4)
    rates = {}
    for name, count in [("critic", 20), ("generator", 6)]:
        optimizer = getattr(gan, f"optimizer_{name}")
        assert isinstance(optimizer, Adam)
        assert (optimizer.beta_1, optimizer.beta_2) == (0.0, 0.7)
        rates[name] = [float(optimizer._learning_rate(step)) for step in range(count)]
    assert rates["critic"] == pytest.approx(np.repeat([0.1, 0.08, 0.06, 0.04, 0.02], 4))
    # Every third: the steps 2, 5, 8, 11, 14 and 17 of 20.
    assert rates["generator"] == rates["critic"][2::3]
