"""The train step of CycleGAN: losses in numbers, who learns from what, the history of images."""

import contextlib
import dataclasses
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.cyclegan import CycleGAN
from gans.nn.layers import Dropout
from gans.nn.random import reseed_dropout
from gans.training.checkpoints import Checkpoints

SIZE, BATCH = 32, 2
NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
LOSSES = {
    "d_a_loss",
    "d_b_loss",
    "gan_ab_loss",
    "gan_ba_loss",
    "cycle_a_loss",
    "cycle_b_loss",
    "identity_a_loss",
    "identity_b_loss",
}


def change(monkeypatch, gan, **settings):
    """Gives the GAN other settings for the rest of a test."""
    monkeypatch.setattr(gan, "settings", dataclasses.replace(gan.settings, **settings))


def narrow(**settings):
    """The smallest networks, with weights large enough to matter."""
    options = {
        "image_size": SIZE,
        "blocks": 1,
        "generator_filters": 2,
        "discriminator_filters": 2,
        "init_stddev": 0.2,
    }
    keras.utils.set_random_seed(0)
    gan = CycleGAN(**options | settings)
    gan.compile()
    return gan


def images(seed, count=BATCH, channels=3):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, SIZE, SIZE, channels))
    return tf.constant(uniform, tf.float32)


A, B = images(1), images(2)


@pytest.fixture(scope="module")
def gan():
    return narrow()


def try_step(gan, images_a=A, images_b=B):
    """A step that moves no weight: its losses, and the gradient that each network was given."""
    given = {}
    with contextlib.ExitStack() as stack:
        for optimizer, names in [
            (gan.optimizer_generators, NETWORKS[:2]),
            (gan.optimizer_discriminators, NETWORKS[2:]),
        ]:

            def apply(gradients, variables, names=names):
                gradients, variables = list(gradients), list(variables)
                for name in names:
                    assert name not in given  # One update per network and step.
                    count = len(getattr(gan, name).trainable_variables)
                    expected = map(id, getattr(gan, name).trainable_variables)
                    assert list(map(id, variables[:count])) == list(expected)
                    given[name] = [gradient.numpy() for gradient in gradients[:count]]
                    del gradients[:count], variables[:count]
                assert gradients == variables == []

            stack.enter_context(mock.patch.object(optimizer, "apply", apply))
        losses = gan.train_step((images_a, images_b))
    assert given.keys() == set(NETWORKS)
    return {name: loss.numpy() for name, loss in losses.items()}, given


def fill(pool, image):
    """Makes the history full of one image."""
    pool.images.assign(tf.broadcast_to(image, pool.images.shape))
    pool.count.assign(pool.size)


def equal(found, expected):
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def assert_same(found, expected, tolerance=1e-5):
    """Each gradient to `tolerance` of the largest number of its network."""
    largest = max(np.abs(gradient).max() for gradient in expected)
    assert largest > 1e-4
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() <= tolerance * largest


# Losses and gradients beside the official code


def official_step(gan, lambda_a=10.0, lambda_identity=0.5):
    """`models/cycle_gan_model.py`, line by line, on an empty history: losses and gradients."""

    def criterion_gan(prediction, target):
        return tf.reduce_mean(tf.square(prediction - target))

    def l1(x, y):
        return tf.reduce_mean(tf.abs(x - y))

    def call(network, x):
        return network(x, training=True)

    g_a, g_b, d_a, d_b = (
        gan.generator_ab,
        gan.generator_ba,
        gan.discriminator_b,
        gan.discriminator_a,
    )
    with tf.GradientTape(persistent=True) as tape:
        fake_b = call(g_a, A)
        rec_a = call(g_b, fake_b)
        fake_a = call(g_b, B)
        rec_b = call(g_a, fake_a)
        losses = {
            "identity_b_loss": l1(call(g_a, B), B) * lambda_a * lambda_identity,
            "identity_a_loss": l1(call(g_b, A), A) * lambda_a * lambda_identity,
            "gan_ab_loss": criterion_gan(call(d_a, fake_b), 1.0),
            "gan_ba_loss": criterion_gan(call(d_b, fake_a), 1.0),
            "cycle_a_loss": l1(rec_a, A) * lambda_a,
            "cycle_b_loss": l1(rec_b, B) * lambda_a,
        }
        loss_g = sum(losses.values())
        for name, network, real, fake in [("d_b", d_a, B, fake_b), ("d_a", d_b, A, fake_a)]:
            on_real = criterion_gan(call(network, real), 1.0)
            on_fake = criterion_gan(call(network, tf.stop_gradient(fake)), 0.0)
            losses[f"{name}_loss"] = (on_real + on_fake) * 0.5
    gradients = {
        "generator_ab": tape.gradient(loss_g, g_a.trainable_variables),
        "generator_ba": tape.gradient(loss_g, g_b.trainable_variables),
        "discriminator_a": tape.gradient(losses["d_a_loss"], d_b.trainable_variables),
        "discriminator_b": tape.gradient(losses["d_b_loss"], d_a.trainable_variables),
    }
    return losses, gradients


@pytest.mark.parametrize(
    "settings",
    [{}, {"generator": "resnet"}, {"norm": "batch"}, {"norm": "none", "upsample": "resize"}],
    ids=str,
)
def test_losses_and_gradients_are_those_of_the_official_code(settings):
    gan = narrow(**settings)
    losses, given = try_step(gan)
    expected_losses, expected = official_step(gan)
    assert losses.keys() == LOSSES
    assert losses == pytest.approx({k: float(v) for k, v in expected_losses.items()}, rel=1e-5)
    for name, gradients in expected.items():
        assert_same(given[name], gradients)


def test_each_optimizer_moves_its_networks_by_the_gradients_of_the_weights_before_the_step():
    gan = narrow()
    _, given = try_step(gan)
    for pool in (gan.pool_a, gan.pool_b):
        pool.count.assign(0)
    before = {name: getattr(gan, name).get_weights() for name in NETWORKS}
    gan.train_step((A, B))
    assert gan.optimizer_generators.iterations == gan.optimizer_discriminators.iterations == 1
    for name in NETWORKS:
        variables = getattr(gan, name).trainable_variables
        for old, variable, gradient in zip(before[name], variables, given[name], strict=True):
            # The first step of Adam: the rate against the sign, epsilon aside.
            expected = -2e-4 * gradient / (np.abs(gradient) + 1e-8)
            sure = (np.abs(gradient) > 1e-5) | (gradient == 0)
            assert np.allclose((variable.numpy() - old)[sure], expected[sure], atol=2e-6)


class StandIn:
    """A network without weights, by a function; keeps how many images it got at each call."""

    trainable_variables = layers = ()

    def __init__(self, function):
        self.function, self.counts = function, []

    def __call__(self, inputs, training):
        assert training is True
        self.counts.append(len(inputs))
        return self.function(inputs)

    def _flatten_layers(self, **_):
        return ()


def with_stand_ins(**settings):
    gan = narrow(**settings)
    gan.generator_ab, gan.generator_ba = (
        StandIn(lambda x: 0.5 * x + 0.1),
        StandIn(lambda x: 0.3 - x),
    )
    gan.discriminator_a = StandIn(lambda x: 2 * x[:, ::2, ::2, :1])
    gan.discriminator_b = StandIn(lambda x: 3 * x[:, 1:, 1:, 2:] - 1)
    for optimizer in (gan.optimizer_generators, gan.optimizer_discriminators):
        optimizer.apply = lambda gradients, variables: None
    return gan


CYCLES = [
    ("both", {"cycle_a_loss", "cycle_b_loss"}),
    ("forward", {"cycle_a_loss"}),
    ("backward", {"cycle_b_loss"}),
    ("none", set()),
]


@pytest.mark.parametrize(("cycle", "names"), CYCLES)
def test_losses_of_known_networks_in_numbers(cycle, names):
    gan = with_stand_ins(cycle=cycle, lambda_cycle=3.0, lambda_identity=0.25)
    losses = gan.train_step((A, B))
    a, b = A.numpy().astype("float64"), B.numpy().astype("float64")
    fake_b, fake_a = 0.5 * a + 0.1, 0.3 - b

    def d_a(x, target):
        return ((2 * x[:, ::2, ::2, 0] - target) ** 2).mean()

    def d_b(x, target):
        return ((3 * x[:, 1:, 1:, 2] - 1 - target) ** 2).mean()

    expected = {
        "d_a_loss": (d_a(a, 1) + d_a(fake_a, 0)) / 2,
        "d_b_loss": (d_b(b, 1) + d_b(fake_b, 0)) / 2,
        "gan_ab_loss": d_b(fake_b, 1),
        "gan_ba_loss": d_a(fake_a, 1),
        "cycle_a_loss": 3 * np.abs(a - (0.3 - fake_b)).mean(),
        "cycle_b_loss": 3 * np.abs(b - (0.5 * fake_a + 0.1)).mean(),
        "identity_a_loss": 0.75 * np.abs(a - (0.3 - a)).mean(),
        "identity_b_loss": 0.75 * np.abs(b - (0.5 * b + 0.1)).mean(),
    }
    absent = {"cycle_a_loss", "cycle_b_loss"} - names
    expected = {name: value for name, value in expected.items() if name not in absent}
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(expected, rel=1e-5)


# Images that each generator gets, call by call: n of its own domain, of the other, fakes.
@pytest.mark.parametrize(
    ("settings", "ab", "ba", "names"),
    [
        ({}, [2 * BATCH, BATCH], [2 * BATCH, BATCH], LOSSES),
        ({"norm": "batch"}, [BATCH] * 3, [BATCH] * 3, LOSSES),
        (
            {"lambda_identity": 0.0},
            [BATCH] * 2,
            [BATCH] * 2,
            LOSSES - {"identity_a_loss", "identity_b_loss"},
        ),
        (
            {"lambda_identity": 0.0, "cycle": "forward"},
            [BATCH],
            [BATCH] * 2,
            LOSSES - {"identity_a_loss", "identity_b_loss", "cycle_b_loss"},
        ),
        (
            {"lambda_identity": 0.0, "cycle": "backward"},
            [BATCH] * 2,
            [BATCH],
            LOSSES - {"identity_a_loss", "identity_b_loss", "cycle_a_loss"},
        ),
        (
            {"cycle": "none"},
            [2 * BATCH],
            [2 * BATCH],
            LOSSES - {"cycle_a_loss", "cycle_b_loss"},
        ),
        (
            {"lambda_cycle": 0.0},
            [BATCH],
            [BATCH],
            {"d_a_loss", "d_b_loss", "gan_ab_loss", "gan_ba_loss"},
        ),
    ],
    # The same names in every process, which the order of a set has not.
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_nothing_is_painted_that_no_loss_asks_for(settings, ab, ba, names):
    gan = with_stand_ins(**settings)
    assert gan.train_step((A, B)).keys() == names
    assert (gan.generator_ab.counts, gan.generator_ba.counts) == (ab, ba)
    # Each discriminator: fakes for the generator, real ones, fakes of the history.
    assert gan.discriminator_a.counts == gan.discriminator_b.counts == [BATCH] * 3


# Who learns from what


def test_which_images_reach_which_losses():
    gan = narrow()
    before, _ = try_step(gan)
    for domain, own in [("a", "gan_ab_loss"), ("b", "gan_ba_loss")]:
        for pool in (gan.pool_a, gan.pool_b):
            pool.count.assign(0)
        other = 0.5 * images(9) + 0.5
        after, _ = try_step(gan, *((other, B) if domain == "a" else (A, other)))
        changed = {name for name in after if abs(after[name] / before[name] - 1) > 1e-4}
        # What is painted of one domain is judged by the discriminator of the other.
        cycles = {f"cycle_{domain}_loss", f"identity_{domain}_loss"}
        assert changed == {"d_a_loss", "d_b_loss", own} | cycles


@pytest.mark.parametrize(
    ("cycle", "ab", "ba"),
    [("both", "ab", "ab"), ("forward", "a", "ab"), ("backward", "ab", "b"), ("none", "a", "b")],
)
def test_which_images_each_generator_learns_from(cycle, ab, ba):
    gan = narrow(cycle=cycle, lambda_identity=0.0)
    _, before = try_step(gan)
    for domain, batch in [("a", (images(9), B)), ("b", (A, images(9)))]:
        _, after = try_step(gan, *batch)
        for name, learns in [("generator_ab", ab), ("generator_ba", ba)]:
            assert equal(after[name], before[name]) == (domain not in learns)


def test_discriminators_learn_nothing_from_the_generators_losses(gan, monkeypatch):
    for pool in (gan.pool_a, gan.pool_b):
        pool.count.assign(0)
    _, before = try_step(gan)
    change(monkeypatch, gan, lambda_cycle=100.0)
    monkeypatch.setattr(gan, "lambda_identity", 100.0)
    for pool in (gan.pool_a, gan.pool_b):
        pool.count.assign(0)
    _, after = try_step(gan)
    for name in NETWORKS:
        assert equal(after[name], before[name]) == name.startswith("discriminator")


@pytest.mark.parametrize(
    ("other", "reached"),
    [("discriminator_a", "generator_ba"), ("discriminator_b", "generator_ab")],
)
def test_each_discriminator_teaches_one_generator_and_not_the_other_discriminator(other, reached):
    gan = narrow(cycle="none", lambda_identity=0.0)
    _, before = try_step(gan)
    network = getattr(gan, other)
    network.set_weights([3 * weight + 0.1 for weight in network.get_weights()])
    for pool in (gan.pool_a, gan.pool_b):
        pool.count.assign(0)
    _, after = try_step(gan)
    changed = {name for name in NETWORKS if not equal(after[name], before[name])}
    assert changed == {other, reached}


# The history of images


@pytest.mark.parametrize("swap", [True, False])
def test_discriminators_learn_from_the_history_and_generators_from_what_is_new(swap):
    gan = narrow(pool_size=3)
    _, fresh = try_step(gan)
    losses, _ = try_step(gan)  # Fills the rest.
    old_a, old_b = images(5, 1)[0], images(6, 1)[0]
    fill(gan.pool_a, old_a)
    fill(gan.pool_b, old_b)
    draws = np.float32([[0.9, 0.0], [0.9, 0.4]]) if swap else np.full((2, 2), 0.2, np.float32)
    gan.sample_draws = lambda images, stream: tf.constant(draws)
    losses, given = try_step(gan)
    assert all(equal(given[name], fresh[name]) for name in NETWORKS[:2])
    assert [equal(given[name], fresh[name]) for name in NETWORKS[2:]] == [not swap] * 2
    fakes = {"a": gan.generator_ba(B).numpy(), "b": gan.generator_ab(A).numpy()}
    for domain, real, old in [("a", A, old_a), ("b", B, old_b)]:
        discriminator = getattr(gan, f"discriminator_{domain}")
        seen = np.stack([old, old]) if swap else fakes[domain]
        with tf.GradientTape() as tape:
            loss = 0.5 * tf.reduce_mean((discriminator(real) - 1) ** 2)
            loss += 0.5 * tf.reduce_mean(discriminator(seen) ** 2)
        assert losses[f"d_{domain}_loss"] == pytest.approx(float(loss), rel=1e-5)
        expected = tape.gradient(loss, discriminator.trainable_variables)
        assert_same(given[f"discriminator_{domain}"], expected)
        stored = getattr(gan, f"pool_{domain}").images.numpy()
        expected = [*fakes[domain], old] if swap else [old] * 3
        assert np.allclose(stored, expected, atol=1e-6)


def test_each_domain_has_a_history_and_draws_of_its_own():
    gan = narrow(pool_size=4, photo_channels=1, lambda_identity=0.0)
    seen = []
    sample_draws = gan.sample_draws
    gan.sample_draws = lambda images, stream: seen.append(stream) or sample_draws(images, stream)
    gan.train_step((A, images(2, channels=1)))
    assert seen == [0, 1]
    assert gan.pool_a.images.shape == (4, SIZE, SIZE, 3)
    assert gan.pool_b.images.shape == (4, SIZE, SIZE, 1)
    assert gan.pool_a.count == gan.pool_b.count == BATCH


def test_draws_are_uniform_and_differ_by_step_stream_and_seed():
    gan, other = narrow(), narrow(seed=1)
    many = tf.zeros((50_000, 1))
    draws = [gan.sample_draws(many, 0), gan.sample_draws(many, 1), other.sample_draws(many, 0)]
    assert np.array_equal(gan.sample_draws(many, 0), draws[0])
    gan.optimizer_generators.iterations.assign(1)
    draws.append(gan.sample_draws(many, 0))
    draws = np.array(draws).reshape(4, -1)
    assert draws.min() >= 0
    assert draws.max() < 1
    # 100,000 numbers each, of deviation 1 / sqrt(12): five deviations of mean and correlation.
    assert np.abs(draws.mean(1) - 0.5).max() < 5 / np.sqrt(12 * 100_000)
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 5 / np.sqrt(100_000)


# Random draws


def test_no_two_draws_share_a_seed(monkeypatch):
    gan = narrow(generator="resnet", blocks=24, dropout=0.5)
    generators = (gan.generator_ab, gan.generator_ba)
    dropouts = [x for network in generators for x in network.layers if isinstance(x, Dropout)]
    assert len(dropouts) == 2 * 24
    seeds = []
    monkeypatch.setattr(
        tf.random, "stateless_uniform", lambda shape, seed: seeds.append(tuple(seed.numpy()))
    )
    for seed in range(2):
        gan.settings = dataclasses.replace(gan.settings, seed=seed)
        for step in range(2):
            gan.optimizer_generators.iterations.assign(step)
            gan.sample_draws(A, stream=0)
            gan.sample_draws(A, stream=1)
            reseed_dropout(gan.settings.seed, gan.step, gan.generator_ab, gan.generator_ba)
            # A generator is called up to three times in a step.
            for _ in range(3):
                seeds += [tuple(np.array(layer.seed_generator.next())) for layer in dropouts]
    assert len(seeds) == 2 * 2 * (2 + 3 * 2 * 24)
    assert len(set(seeds)) == len(seeds)


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    results = []
    for index, seed in enumerate((3, 3, 4)):
        gan = narrow(generator="resnet", dropout=0.5, seed=seed)
        tf.random.set_seed(index)
        losses = [gan.train_step((A, B)) for _ in range(2)]
        losses = [{name: float(loss) for name, loss in step.items()} for step in losses]
        results.append((losses, [x.numpy().tobytes() for x in gan.variables]))
    assert results[0] == results[1]
    assert results[0][0][0]["cycle_a_loss"] != results[2][0][0]["cycle_a_loss"]


def test_the_largest_seed_trains():
    gan = narrow(generator="resnet", dropout=0.5, seed=2**24 - 1)
    assert all(np.isfinite(loss) for loss in gan.train_step((A, B)).values())


# Going on


def state(gan):
    optimizers = (gan.optimizer_generators, gan.optimizer_discriminators)
    variables = [*gan.variables, *(x for optimizer in optimizers for x in optimizer.variables)]
    return [variable.numpy().tobytes() for variable in variables]


def run(gan, numbers):
    """Steps on the batches of these numbers; the bytes of the last losses."""
    for number in numbers:
        losses = gan.train_step((images(10 + number), images(50 + number)))
    return {name: loss.numpy().tobytes() for name, loss in losses.items()}


def test_a_run_that_goes_on_ends_with_the_bytes_of_one_that_was_not_stopped(tmp_path):
    # All that a run can hold: a history that is full after 2 steps, moving statistics, dropout.
    options = {"generator": "resnet", "dropout": 0.5, "norm": "batch", "pool_size": 3}
    whole, other = narrow(**options), narrow(**options)
    run(whole, range(3))
    Checkpoints(tmp_path, whole).save(3)
    expected = run(whole, range(3, 6)), state(whole)

    for variable in other.variables:
        variable.assign(tf.zeros_like(variable))
    assert Checkpoints(tmp_path, other).restore() == 3
    assert other.pool_a.count == other.pool_b.count == 3
    assert (run(other, range(3, 6)), state(other)) == expected

    assert Checkpoints(tmp_path, other).restore() == 3
    fill(other.pool_a, tf.zeros((SIZE, SIZE, 3)))
    run(other, range(3, 6))
    assert state(other) != expected[1]


def test_moving_statistics_are_of_what_a_generator_gets_at_test():
    stepped, alone = narrow(norm="batch"), narrow(norm="batch")
    stepped.train_step((A, B))
    for name, real in (("generator_ab", A), ("generator_ba", B)):
        network = getattr(alone, name)
        network(real, training=True)
        found = getattr(stepped, name).non_trainable_variables
        assert found
        for variable, expected in zip(found, network.non_trainable_variables, strict=True):
            np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-6)
