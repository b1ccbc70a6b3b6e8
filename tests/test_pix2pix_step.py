"""The train step of pix2pix: its losses in numbers, the order of its updates, its draws."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn.layers import BatchNormalization, Dropout
from gans.nn.random import reseed_dropout
from gans.pix2pix import Pix2Pix
from gans.training.checkpoints import Checkpoints

SIZE, BATCH = 32, 2
LOSSES = {
    "l1": {"l1_loss"},
    "gan": {"d_loss", "gan_loss"},
    "cgan": {"d_loss", "gan_loss"},
    "l1+gan": {"d_loss", "gan_loss", "l1_loss"},
    "l1+cgan": {"d_loss", "gan_loss", "l1_loss"},
}


def narrow(**settings):
    """The paper's arrangement in the smallest width, with weights large enough to matter."""
    options = {
        "image_size": SIZE,
        "generator_filters": 2,
        "discriminator_filters": 2,
        "norm": "batch",
        "init_stddev": 0.2,
        "learning_rate": 0.01,
    }
    keras.utils.set_random_seed(0)
    gan = Pix2Pix(**options | settings)
    gan.compile(epochs=5, steps_per_epoch=2)
    return gan


def images(seed):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (BATCH, SIZE, SIZE, 3))
    return tf.constant(uniform, tf.float32)


PAIRS = (images(1), images(2))


@contextlib.contextmanager
def recorded(gan):
    """The gradients that each optimizer is given during a step, and passes on."""
    given = {}
    with contextlib.ExitStack() as stack:
        for name in ("generator", "discriminator"):
            network = getattr(gan, name)
            if network is None:
                continue
            optimizer = getattr(gan, f"optimizer_{name}")

            def apply(gradients, variables, name=name, network=network, real=optimizer.apply):
                assert list(map(id, variables)) == list(map(id, network.trainable_variables))
                assert name not in given  # One update per network and step.
                given[name] = [gradient.numpy() for gradient in gradients]
                real(gradients, variables)

            stack.enter_context(mock.patch.object(optimizer, "apply", apply))
        yield given


def step(gan, pairs=PAIRS):
    """A step's losses, and the gradients that each optimizer was given."""
    with recorded(gan) as given:
        losses = gan.train_step(pairs)
    return {name: loss.numpy() for name, loss in losses.items()}, given


def assert_same(found, expected, tolerance=1e-5):
    """Each gradient to `tolerance` of the largest number of its network."""
    largest = max(np.abs(gradient).max() for gradient in expected)
    assert largest > 1e-4
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() <= tolerance * largest


def cross_entropy(logits, target):
    """By the definition, in float64: -target log p - (1 - target) log(1 - p)."""
    p = 1 / (1 + tf.exp(-tf.cast(logits, tf.float64)))
    return tf.reduce_mean(-target * tf.math.log(p) - (1 - target) * tf.math.log(1 - p))


def seen(gan, images_a, images_b):
    return [images_a, images_b] if gan.settings.conditional else [images_b]


def reference_step(gan, lambda_l1, lambda_d):
    """D's step, then G's, written once more: each fake painted anew, each tape around all of it.

    Changes `gan` as its own step should.
    """
    images_a, images_b = PAIRS
    state = [variable.numpy() for variable in gan.generator.non_trainable_variables]

    def paint():
        for variable, value in zip(gan.generator.non_trainable_variables, state, strict=True):
            variable.assign(value)
        reseed_dropout(0, 0, gan.generator)
        return gan.generator([images_a], training=True)

    fake = paint()
    with tf.GradientTape() as tape:
        real_logits = gan.discriminator(seen(gan, images_a, images_b), training=True)
        fake_logits = gan.discriminator(seen(gan, images_a, fake), training=True)
        d_loss = lambda_d * (cross_entropy(real_logits, 1.0) + cross_entropy(fake_logits, 0.0))
    variables = gan.discriminator.trainable_variables
    gradients_d = tape.gradient(d_loss, variables)
    old_gan_loss = cross_entropy(fake_logits, 1.0)
    gan.optimizer_discriminator.apply(gradients_d, variables)

    with tf.GradientTape() as tape:
        fake = paint()
        logits = gan.discriminator(seen(gan, images_a, fake), training=True)
        gan_loss = cross_entropy(logits, 1.0)
        l1_loss = lambda_l1 * tf.reduce_mean(tf.cast(tf.abs(images_b - fake), tf.float64))
        loss = gan_loss + l1_loss
    variables = gan.generator.trainable_variables
    gradients_g = tape.gradient(loss, variables)
    gan.optimizer_generator.apply(gradients_g, variables)
    losses = {"d_loss": d_loss, "gan_loss": gan_loss}
    if lambda_l1:
        losses["l1_loss"] = l1_loss
    numbers = {name: float(value) for name, value in losses.items()}
    gradients = {"generator": gradients_g, "discriminator": gradients_d}
    return numbers, gradients, float(old_gan_loss)


# The step as the paper has it


@pytest.mark.parametrize("loss", ["gan", "cgan", "l1+gan", "l1+cgan"])
def test_d_steps_first_and_g_against_the_updated_d(loss):
    gan, reference = (narrow(loss=loss, lambda_l1=7.0, lambda_d=0.3) for _ in range(2))
    reference.set_weights(gan.get_weights())
    losses, given = step(gan)
    lambda_l1 = 7.0 if "l1" in loss else 0.0
    expected, gradients, old_gan_loss = reference_step(reference, lambda_l1, 0.3)
    assert losses == pytest.approx(expected, rel=1e-4)
    # D's step was large enough to tell: G would have had another loss before it.
    assert abs(losses["gan_loss"] / old_gan_loss - 1) > 0.01
    for name in ("generator", "discriminator"):
        assert_same(given[name], gradients[name], tolerance=1e-3)
        assert getattr(gan, f"optimizer_{name}").iterations == 1
        trained, wanted = getattr(gan, name), getattr(reference, name)
        # The first step of Adam is the sign of the gradient, however small that is.
        for one, other, gradient in zip(
            trained.trainable_variables, wanted.trainable_variables, gradients[name], strict=True
        ):
            sure = np.abs(gradient) > 1e-3 * max(np.abs(x).max() for x in gradients[name])
            assert np.allclose(one.numpy()[sure], other.numpy()[sure], atol=1e-4)


def test_d_is_not_moved_by_the_losses_of_g():
    ends = []
    for weight in (1.0, 1000.0):
        gan = narrow(lambda_l1=weight)
        gan.train_step(PAIRS)
        ends.append([x.numpy() for x in gan.discriminator.trainable_variables])
    assert all(np.array_equal(one, other) for one, other in zip(*ends, strict=True))


def test_moving_statistics_move_once_per_step():
    gan = narrow(dropout=0.0)
    means = [x for x in gan.generator.non_trainable_variables if x.name == "moving_mean"]
    first = next(x for x in gan.generator.layers if isinstance(x, BatchNormalization))
    batch = keras.Model(gan.generator.inputs, first.input)([PAIRS[0]])
    gan.train_step(PAIRS)
    expected = 0.1 * tf.reduce_mean(batch, axis=[0, 1, 2])
    assert len(means) == 7
    assert np.allclose(means[0], expected, atol=1e-6)


def test_l1_alone_has_no_discriminator():
    gan = narrow(loss="l1", lambda_l1=3.0)
    assert gan.discriminator is None
    assert not hasattr(gan, "optimizer_discriminator")
    variables = gan.generator.trainable_variables
    assert len(gan.trainable_variables) == len(variables)
    with tf.GradientTape() as tape:
        fake = gan.generator(gan.training_inputs(PAIRS[0]), training=True)
        loss = 3.0 * tf.reduce_mean(tf.abs(PAIRS[1] - fake))
    expected = tape.gradient(loss, variables)
    losses, given = step(gan)
    assert losses == pytest.approx({"l1_loss": float(loss)}, rel=1e-6)
    assert_same(given["generator"], expected)


def test_lambda_l1_weighs_the_loss_and_nothing_else():
    runs = {weight: step(narrow(lambda_l1=weight)) for weight in (0.0, 50.0, 100.0)}
    l1 = {weight: losses.pop("l1_loss", 0) for weight, (losses, _) in runs.items()}
    assert l1[0.0] == 0 and l1[100.0] == 2 * l1[50.0] > 0
    assert runs[0.0][0] == runs[50.0][0] == runs[100.0][0]
    none, half, whole = (given["generator"] for _, given in runs.values())
    assert_same(
        [one - other for one, other in zip(whole, half, strict=True)],
        [one - other for one, other in zip(half, none, strict=True)],
        tolerance=1e-4,
    )


def test_lambda_d_weighs_the_loss_of_d_and_nothing_else():
    (whole, one), (half, other) = (step(narrow(lambda_d=weight)) for weight in (1.0, 0.5))
    assert half["d_loss"] == 0.5 * whole["d_loss"] > 0
    for of_whole, of_half in zip(one["discriminator"], other["discriminator"], strict=True):
        assert np.array_equal(0.5 * of_whole, of_half)
    # Adam divides the factor out, but for its epsilon.
    assert half["gan_loss"] == pytest.approx(whole["gan_loss"], rel=1e-3)
    assert half["l1_loss"] == whole["l1_loss"]


# The losses in numbers, and what each of them sees


class StandIn:
    """A network without weights, by a function."""

    trainable_variables = ()

    def __init__(self, function):
        self.function = function

    def __call__(self, inputs, training):
        assert training is True
        return self.function(*inputs)

    def _flatten_layers(self, **_):
        return ()


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_of_known_networks_in_numbers(loss):
    gan = narrow(loss=loss, lambda_l1=30.0, lambda_d=0.25, latent_dim=2)
    z = np.random.default_rng(5).standard_normal((BATCH, 2)).astype("float32")
    gan.training_inputs = lambda images_a: [images_a, tf.constant(z)]
    gan.generator = StandIn(lambda a, z: 0.5 * a + 0.1 * z[:, :1, tf.newaxis, tf.newaxis])
    if loss != "l1":
        gan.discriminator = StandIn(
            lambda *images: 3 * images[-1][..., :1] + 2 * images[0][:, :, :, 1:2]
        )
    with contextlib.ExitStack() as stack:
        for name in ("optimizer_generator", "optimizer_discriminator"):
            if hasattr(gan, name):
                stack.enter_context(mock.patch.object(getattr(gan, name), "apply"))
        losses = {name: float(value) for name, value in gan.train_step(PAIRS).items()}

    a, b = (x.numpy().astype("float64") for x in PAIRS)
    fake = 0.5 * a + 0.1 * z[:, 0, None, None, None]

    def logits(image):
        beside = a if loss.endswith("cgan") else image
        return 3 * image[..., 0] + 2 * beside[..., 1]

    def softplus(x):
        return np.log1p(np.exp(x)).mean()

    expected = {
        "d_loss": 0.25 * (softplus(-logits(b)) + softplus(logits(fake))),
        "gan_loss": softplus(-logits(fake)),
        "l1_loss": 30 * np.abs(b - fake).mean(),
    }
    assert losses == pytest.approx({name: expected[name] for name in LOSSES[loss]}, rel=1e-5)


@pytest.mark.parametrize("loss", ["gan", "cgan", "l1+gan", "l1+cgan"])
def test_d_sees_the_sketch_only_where_it_is_conditional(loss):
    gan = narrow(loss=loss)
    with tf.GradientTape() as tape:
        tape.watch(PAIRS)
        judgement = tf.reduce_sum(gan.discriminate(*PAIRS))
    of_a, of_b = tape.gradient(judgement, PAIRS)
    assert np.abs(of_b).max() > 1e-3
    if "cgan" in loss:
        assert np.abs(of_a).max() > 1e-3
    else:
        assert of_a is None
    assert [x.shape[-1] for x in gan.discriminator.inputs] == ([3, 3] if "cgan" in loss else [3])


@pytest.mark.parametrize("loss", LOSSES)
def test_which_images_reach_which_losses(loss):
    gan = narrow(loss=loss, learning_rate=0.0, dropout=0.0)
    # At once, so that no moving average nor step counter tells the calls apart.
    before, _ = step(gan)
    new_a, _ = step(gan, (images(9), PAIRS[1]))
    new_b, _ = step(gan, (PAIRS[0], images(9)))
    changed = [
        {name for name in before if abs(after[name] / before[name] - 1) > 1e-4}
        for after in (new_a, new_b)
    ]
    # The real photo reaches G through L1 alone: D does not learn at this rate.
    assert changed == [LOSSES[loss], LOSSES[loss] - {"gan_loss"}]


# Random draws


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    gans = [narrow(latent_dim=2, seed=seed) for seed in (3, 3, 4)]
    losses, weights = [], []
    for index, gan in enumerate(gans):
        tf.random.set_seed(index)
        losses.append([step(gan)[0] for _ in range(2)])
        weights.append(gan.get_weights())
    assert losses[0] == losses[1]
    assert all(np.array_equal(x, y) for x, y in zip(*weights[:2], strict=True))
    assert losses[0][0]["gan_loss"] != losses[2][0]["gan_loss"]


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"dropout": 0.0, "latent_dim": 2}])
def test_the_draws_of_a_step_differ_from_the_next_steps(settings):
    gan = narrow(learning_rate=0.0, **settings)
    assert step(gan)[0]["l1_loss"] != step(gan)[0]["l1_loss"]
    gan = narrow(learning_rate=0.0, **settings | {"latent_dim": 0, "dropout": 0.0})
    assert step(gan)[0]["l1_loss"] == step(gan)[0]["l1_loss"]


def test_no_draw_goes_past_training_inputs():
    results = []
    for seed in (0, 99):
        gan = narrow(latent_dim=2, seed=seed)
        draw = gan.generator_inputs
        gan.training_inputs = lambda images_a, draw=draw: draw(images_a, 0, seed=0)
        results.append(step(gan)[0])
    assert results[0] == results[1]


def test_latent_codes_are_standard_normal_and_differ_by_step_and_stream():
    gan = narrow(latent_dim=8)
    images = tf.zeros((20_000, 1))
    codes = [gan.generator_inputs(images, *draw)[1] for draw in ((0, 0), (1, 0), (-1, 0), (0, 1))]
    codes = np.array(codes)
    assert codes.shape == (4, 20_000, 8)
    # 160,000 numbers each: five deviations of the mean, of the variance and of the correlation.
    assert np.abs(codes.mean((1, 2))).max() < 5 / 400
    assert np.abs(codes.var((1, 2)) - 1).max() < 5 * np.sqrt(2) / 400
    assert np.abs(np.corrcoef(codes.reshape(4, -1)) - np.eye(4)).max() < 5 / 400


def test_no_two_draws_share_a_seed(monkeypatch):
    gans = [narrow(image_size=256, latent_dim=1, seed=seed) for seed in range(2)]
    seeds = []
    normal = tf.random.stateless_normal
    monkeypatch.setattr(
        tf.random,
        "stateless_normal",
        lambda *args, **options: seeds.append(tuple(args[1].numpy())) or normal(*args, **options),
    )
    sketches = tf.zeros((2, 256, 256, 3))
    for seed, gan in enumerate(gans):
        dropouts = [layer for layer in gan.generator.layers if isinstance(layer, Dropout)]
        assert len(dropouts) == 3
        draw = gan.generator_inputs

        def recording(*arguments, draw=draw, dropouts=dropouts):
            inputs = draw(*arguments)
            seeds.extend(tuple(layer.seed_generator.state.numpy()) for layer in dropouts)
            return inputs

        gan.generator_inputs = recording
        for count in range(2):
            gan.optimizer_generator.iterations.assign(count)
            gan.training_inputs(sketches)
        gan.translate(sketches, seed)
    assert len(seeds) == 2 * (2 + 2) * (1 + 3)
    assert len(set(seeds)) == len(seeds)


# Runs


def batches(start):
    """The batch of each step, from a given one on."""
    while True:
        yield images(2 * start), images(2 * start + 1)
        start += 1


def train(gan, start, steps):
    dataset = tf.data.Dataset.from_generator(
        lambda: batches(start), output_signature=(tf.TensorSpec((BATCH, SIZE, SIZE, 3)),) * 2
    )
    gan.fit(dataset, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0)


@pytest.mark.parametrize("loss", ["l1+cgan", "l1"])
def test_a_run_in_two_parts_ends_with_the_bytes_of_a_whole_one(tmp_path, loss):
    settings = {"loss": loss, "latent_dim": 2, "dropout": 0.5}
    whole = narrow(**settings)
    train(whole, 0, 6)

    first = narrow(**settings)
    train(first, 0, 3)
    first.preview((images(1), images(2)))  # Leaves nothing behind that the second part would see.
    Checkpoints(tmp_path, first).save(3)
    second = narrow(**settings)
    second.set_weights([0 * x + 1 for x in second.get_weights()])
    assert Checkpoints(tmp_path, second).restore() == 3
    train(second, 3, 3)

    for one, other in zip(whole.variables, second.variables, strict=True):
        assert one.name == other.name
        assert np.array_equal(one, other), one.path
    optimizers = ["optimizer_generator"] + ["optimizer_discriminator"] * (loss != "l1")
    for name in optimizers:
        for one, other in zip(
            getattr(whole, name).variables, getattr(second, name).variables, strict=True
        ):
            assert np.array_equal(one, other), one.path


@pytest.mark.parametrize("loss", ["l1", "l1+cgan"])
def test_fit_is_traced_once_and_its_steps_are_those_of_eager_mode(loss):
    eager, gan = narrow(loss=loss), narrow(loss=loss)
    expected = [step(eager)[0] for _ in range(2)]
    traces, steps, train_step = [], [], gan.train_step

    def counting(batch):
        traces.append(1)
        return train_step(batch)

    gan.train_step = counting
    dataset = tf.data.Dataset.from_tensors(PAIRS).repeat()
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: steps.append(logs))
    gan.fit(dataset, epochs=2, steps_per_epoch=2, shuffle=False, verbose=0, callbacks=[log])
    assert traces == [1]
    assert gan.optimizer_generator.iterations == len(steps) == 4
    for found, wanted in zip(steps, expected, strict=False):
        assert found == pytest.approx(wanted, rel=1e-3)
    assert all(logs.keys() == LOSSES[loss] for logs in steps)


def test_each_network_has_an_adam_of_its_own_whose_rate_falls():
    gan = narrow(learning_rate=0.1, beta_1=0.3, decay_epochs=3)
    with pytest.raises(ValueError, match="`decay_epochs` needs `epochs` and `steps_per_epoch`"):
        gan.compile()
    gan.compile(epochs=5, steps_per_epoch=2)
    assert gan.optimizer_generator is not gan.optimizer_discriminator
    for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
        assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.3, 0.999, 1e-8)
        rates = []
        for count in range(10):
            optimizer.iterations.assign(count)
            rates.append(float(optimizer.learning_rate))
        assert rates == pytest.approx(np.repeat([0.1, 0.1, 0.075, 0.05, 0.025], 2), rel=1e-6)


@pytest.fixture
def mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_step_in_bfloat16(mixed_bfloat16):
    settings = {"latent_dim": 2, "dropout": 0.0, "learning_rate": 0.0}
    half = narrow(**settings)
    keras.config.set_dtype_policy("float32")
    full = narrow(**settings)
    full.set_weights(half.get_weights())
    assert half.translate(PAIRS[0]).dtype == np.float32
    losses = [step(gan)[0] for gan in (half, full)]
    assert all(loss.dtype == np.float32 for loss in losses[0].values())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.03)


def test_least_squares_are_those_of_the_same_outputs():
    gan = narrow(gan_loss="least_squares", loss="gan", norm="none", dropout=0.0, learning_rate=0.0)
    fake = gan.generator(gan.training_inputs(PAIRS[0]), training=True)
    real_map, fake_map = (gan.discriminator([x], training=True).numpy() for x in (PAIRS[1], fake))
    found = gan.train_step(PAIRS)
    expected = np.mean((real_map - 1.0) ** 2) + np.mean(fake_map**2)
    assert float(found["d_loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(found["gan_loss"]) == pytest.approx(np.mean((fake_map - 1.0) ** 2), rel=1e-5)
