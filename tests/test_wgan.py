"""WGAN: signs, clipping, RMSprop, and the schedule of the generator's turns."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn.dcgan_networks import build_critic, build_generator
from gans.nn.layers import BatchNormalization
from gans.training.checkpoints import Checkpoints
from gans.wgan import PRESETS, WGAN, Settings

BATCH = 4


def narrow(**settings):
    options = {
        "image_size": 16,
        "latent_dim": 3,
        "generator_filters": 2,
        "critic_filters": 2,
        "init_stddev": 0.3,
        "learning_rate": 0.01,
        "clip": 0.2,
        "n_critic": 3,
        "warm_up": False,
    }
    keras.utils.set_random_seed(0)
    gan = WGAN(**options | settings)
    gan.compile()
    return gan


def samples(gan, seed=0):
    shape = (BATCH, 16, 16, 3) if gan.settings.data == "images" else (BATCH, 2)
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, shape), tf.float32)


def weights(network):
    return [x.numpy() for x in network.trainable_variables]


# Networks


def test_networks_are_dcgans_without_the_sigmoid():
    # The PyTorch port's kernels and normalisations, and the biases of ours.
    counts = [
        sum(int(np.prod(x.shape)) for x in network.trainable_variables)
        for network in (build_generator(Settings()), build_critic(Settings()))
    ]
    assert counts == [3_576_704 + 3, 2_765_568 + 64 + 1]
    gan = narrow()
    values = gan.critic(samples(gan))
    gan.critic.layers[-2].kernel.assign(1e4 * gan.critic.layers[-2].kernel)
    assert np.allclose(gan.critic(samples(gan)), 1e4 * values, rtol=1e-4)


def test_networks_of_points_are_three_hidden_layers_of_relu():
    gan = WGAN(**PRESETS["points"])
    for network, inputs, outputs in [(gan.generator, 2, 2), (gan.critic, 2, 1)]:
        names = [type(x).__name__ for x in network.layers[1:]]
        assert names == 3 * ["Dense", "ReLU"] + ["Dense", "Activation"]
        expected = (inputs + 1) * 512 + 2 * 513 * 512 + 513 * outputs
        assert network.count_params() == expected
    assert gan.generator.layers[3].kernel.numpy().std() == pytest.approx(1 / 16, rel=0.02)


# Losses and updates


def test_losses_in_numbers_and_their_signs(stand_in):
    gan = narrow(data="points", n_critic=1)
    real = samples(gan).numpy()
    fakes = iter([2 * real + 1, 5 * real - 2])
    gan.generator = stand_in(lambda z: tf.constant(next(fakes)))
    gan.critic = stand_in(lambda x: 3 * x[:, :1] - x[:, 1:])
    with (
        mock.patch.object(gan.optimizer_critic, "apply"),
        mock.patch.object(gan.optimizer_generator, "apply"),
    ):
        losses = {name: float(loss) for name, loss in gan.train_step(tf.constant(real)).items()}
    value = 3 * real[:, 0].mean() - real[:, 1].mean()
    expected = value - (2 * value + 2)  # 3 - 1 = 2 is the value of (1, 1).
    assert losses == pytest.approx(
        {"wasserstein": expected, "critic_loss": -expected, "g_loss": -(5 * value - 4)}, rel=1e-5
    )


def test_the_critic_learns_to_value_real_samples_above_generated_ones():
    wide = {"generator_filters": 16, "critic_filters": 16, "learning_rate": 5e-3}
    gan = narrow(data="points", n_critic=10_000, clip=0.5, **wide)
    real = samples(gan) + 3.0
    step = tf.function(gan.train_step)
    for _ in range(15):
        losses = step(real)
    assert float(losses["wasserstein"]) == -float(losses["critic_loss"]) > 0.05
    fakes = gan.generate(gan.draw_latents(20))
    assert gan.score(real).min() > gan.score(fakes).max()
    # And the generator's turn then moves its samples to where the critic's values are higher.
    for _ in range(5):
        gan.update_generator(real)
    assert gan.score(gan.generate(gan.draw_latents(20))).mean() > gan.score(fakes).mean()


def rmsprop(weight, velocity, gradient, rate):
    """PyTorch's, with the official code's defaults, in float64."""
    velocity = 0.99 * velocity + 0.01 * gradient**2
    return weight - rate * gradient / (np.sqrt(velocity) + 1e-8), velocity


def test_rmsprop_takes_whole_steps_along_small_gradients_as_pytorchs_does():
    rate = 1e-3
    gan = narrow(data="points", clip=1.0, learning_rate=rate)
    for optimizer, network in [
        (gan.optimizer_generator, gan.generator),
        (gan.optimizer_critic, gan.critic),
    ]:
        variable = network.trainable_variables[0]
        scales = np.resize([1.0, 1e-2, 1e-4], variable.shape)
        weight, velocity = variable.numpy().astype("float64"), 0.0
        for seed in range(4):
            gradient = scales * np.random.default_rng(seed).uniform(0.5, 1, variable.shape)
            others = [tf.zeros(x.shape) for x in network.trainable_variables[1:]]
            given = [tf.constant(gradient, tf.float32), *others]
            optimizer.apply(given, network.trainable_variables)
            weight, velocity = rmsprop(weight, velocity, gradient, rate)
        # The first step is ten times the rate, whatever the gradient: 1 / sqrt(0.01).
        assert np.abs(variable.numpy() - weight).max() < 0.05 * rate


@pytest.mark.parametrize("data", ["images", "points"])
def test_a_step_is_the_critics_clipped_then_the_generators_against_it(data):
    gan, twin = (narrow(data=data, n_critic=1) for _ in range(2))
    twin.set_weights(gan.get_weights())
    real, state = samples(gan), twin.generator.get_weights()
    losses = gan.train_step(real)

    c, g = twin.critic, twin.generator
    with tf.GradientTape() as tape:
        fakes = g(twin.sample_latent(real), training=True)
        wasserstein = tf.reduce_mean(c(real, training=True)) - tf.reduce_mean(
            c(fakes, training=True)
        )
        loss = -wasserstein
    gradients = tape.gradient(loss, c.trainable_variables)
    clipped = []
    for variable, gradient in zip(c.trainable_variables, gradients, strict=True):
        weight, _ = rmsprop(variable.numpy(), 0.0, np.asarray(gradient, "float64"), 0.01)
        clipped.append(np.clip(weight, -0.2, 0.2))
        variable.assign(clipped[-1])
    g.set_weights(state)
    twin.optimizer_critic.iterations.assign(1)
    with tf.GradientTape() as tape:
        fakes = g(twin.sample_latent(real, stream=1), training=True)
        g_loss = -tf.reduce_mean(c(fakes, training=True))
    of_g = tape.gradient(g_loss, g.trainable_variables)

    assert float(losses["wasserstein"]) == pytest.approx(float(wasserstein), rel=1e-4)
    assert float(losses["critic_loss"]) == -float(losses["wasserstein"])
    assert float(losses["g_loss"]) == pytest.approx(float(g_loss), rel=1e-3)
    # RMSprop's first step is as good as a sign: only where the gradient is no rounding noise.
    for found, wanted, slopes in [
        (weights(gan.critic), clipped, gradients),
        (
            weights(gan.generator),
            [
                rmsprop(v.numpy(), 0.0, np.asarray(x, "float64"), 0.01)[0]
                for v, x in zip(g.trainable_variables, of_g, strict=True)
            ],
            of_g,
        ),
    ]:
        largest = max(np.abs(x).max() for x in slopes)
        for one, other, slope in zip(found, wanted, slopes, strict=True):
            sure = np.abs(slope) > 1e-3 * largest
            assert np.allclose(one[sure], other[sure], atol=2e-4)
    assert max(np.abs(w).max() for w in weights(gan.critic)) == np.float32(0.2)


def test_every_weight_of_the_critic_is_clipped_after_every_step():
    gan = narrow(clip=0.05)
    assert max(np.abs(w).max() for w in weights(gan.critic)) > 0.5
    outside = []
    for step in range(4):
        gan.train_step(samples(gan, step))
        assert max(np.abs(w).max() for w in weights(gan.critic)) <= np.float32(0.05)
        outside.append(max(np.abs(w).max() for w in weights(gan.generator)))
    assert min(outside) > 0.5
    # Statistics are none: their variances stay about 1.
    variances = [x for x in gan.critic.non_trainable_variables if "variance" in x.name]
    assert min(x.numpy().max() for x in variances) > 0.05


def test_what_is_not_in_turn_stays_as_it_is():
    gan = narrow(n_critic=2)
    generator = gan.generator.get_weights()
    gan.train_step(samples(gan))
    # Neither G's weights nor its moving statistics: what the critic is shown is not its turn.
    for one, other in zip(gan.generator.get_weights(), generator, strict=True):
        assert np.array_equal(one, other)
    critic = gan.critic.get_weights()
    gan.update_generator(samples(gan))
    for one, other in zip(gan.critic.get_weights(), critic, strict=True):
        assert np.array_equal(one, other)
    norm = next(x for x in gan.generator.layers if isinstance(x, BatchNormalization))
    assert norm.momentum == 0.9 and norm.moving_mean.numpy().any()


# The schedule


def turns(gan, steps, start=0):
    """After which critic steps the generator is due; the updates themselves are left out."""

    @tf.function
    def count():
        found = tf.TensorArray(tf.bool, steps)
        for index in tf.range(steps):
            is_due = gan.generator_is_due()
            gan.optimizer_generator.iterations.assign_add(tf.cast(is_due, tf.int64))
            found = found.write(index, is_due)
        return found.stack()

    return (np.flatnonzero(count()) + start + 1).tolist()


def test_the_generator_waits_a_hundred_steps_at_first_and_five_later():
    gan = narrow(data="points", warm_up=True, n_critic=5)
    assert turns(gan, 2600) == [*range(100, 2501, 100), *range(2505, 2601, 5)]
    # Iterations 25 to 499 have five steps each; the 500th has 100 again.
    for iteration in (100, 250):
        gan.optimizer_generator.iterations.assign(iteration - 1)
        assert turns(gan, 15) == [5, 10, 15]
    gan.optimizer_generator.iterations.assign(498)
    assert turns(gan, 220) == [5, 10, 110, *range(115, 221, 5)]


def test_without_warm_up_every_turn_comes_after_n_critic_steps():
    assert turns(narrow(data="points", n_critic=3), 10) == [3, 6, 9]
    assert turns(narrow(data="points", n_critic=1), 3) == [1, 2, 3]


def test_the_wait_goes_on_where_a_checkpoint_left_it(tmp_path):
    first = narrow(data="points", warm_up=True, n_critic=5)
    assert turns(first, 130) == [100]
    Checkpoints(tmp_path, first).save(130)
    second = narrow(data="points", warm_up=True, n_critic=5)
    Checkpoints(tmp_path, second).restore()
    assert second.waited.numpy() == 30
    assert turns(second, 100, start=130) == [200]


def test_g_loss_is_that_of_the_last_turn():
    gan = narrow(n_critic=2)
    losses = [float(gan.train_step(samples(gan, step))["g_loss"]) for step in range(5)]
    assert losses[0] == 0
    assert losses[1] == losses[2] != losses[3] == losses[4]


def test_each_critic_step_sees_a_real_batch_of_its_own_and_noise_of_its_own(stand_in):
    gan, noise = narrow(data="points", n_critic=2), []
    critic, draw = gan.critic, gan.sample_latent
    gan.critic = stand_in(critic)
    gan.critic.trainable_variables = critic.trainable_variables
    gan.sample_latent = lambda *a, **b: noise.append(draw(*a, **b)) or noise[-1]
    for step in range(4):
        gan.train_step(samples(gan, step))
    # Real, generated; and at each second step the generator's own.
    seen = gan.critic.given
    assert len(seen) == 4 * 2 + 2 and len(noise) == 4 + 2
    for step, place in enumerate((0, 2, 5, 7)):
        assert np.array_equal(seen[place], samples(gan, step))
    assert len({x.numpy().tobytes() for x in noise}) == 6
