"""DCGAN: the paper's rules and numbers, its step against plain tapes, packs, features."""

import contextlib
import dataclasses
import math
from itertools import pairwise
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.dcgan import DCGAN, PRESETS, Settings
from gans.nn.dcgan_networks import build_discriminator, build_generator
from gans.nn.layers import BatchNormalization, Conv2D, Conv2DTranspose

SIZE, BATCH = 16, 4


def narrow(**settings):
    options = {
        "image_size": SIZE,
        "latent_dim": 3,
        "generator_filters": 2,
        "discriminator_filters": 2,
        "init_stddev": 0.3,
        "learning_rate": 0.01,
    }
    keras.utils.set_random_seed(0)
    gan = DCGAN(**options | settings)
    gan.compile(epochs=5, steps_per_epoch=4)
    return gan


def images(seed=0, count=BATCH, size=SIZE):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, size, size, 3))
    return tf.constant(uniform, tf.float32)


def trainable(network):
    return sum(int(np.prod(x.shape)) for x in network.trainable_variables)


def softplus(x):
    """-log(1 - sigmoid(x)); of -x, -log sigmoid(x). In float64."""
    return tf.reduce_mean(tf.math.softplus(tf.cast(x, tf.float64)))


# The paper's networks


def test_parameters_of_the_pytorch_port():
    # Its 3,576,704 and 2,765,568 are of kernels and normalisations alone. Ours has besides: the
    # bias of the image; of the discriminator, those of the first layer and of the logit.
    generator, discriminator = build_generator(Settings()), build_discriminator(Settings())
    kernels = 100 * 512 * 16 + 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    assert kernels + 2 * (512 + 256 + 128 + 64) == 3_576_704
    # Its first normalisation is of the 512 channels of the 4x4 map, and so is ours.
    assert trainable(generator) == 3_576_704 + 3
    assert trainable(discriminator) == 2_765_568 + 64 + 1
    assert generator.count_params() - trainable(generator) == 2 * (512 + 256 + 128 + 64)


def test_parameters_of_the_papers_figure_1():
    def generator_of(filters):
        widths = [8 * filters, 4 * filters, 2 * filters, filters]
        kernels = 100 * 16 * widths[0] + 25 * sum(map(math.prod, pairwise([*widths, 3])))
        return kernels + 2 * sum(widths) + 3

    def discriminator_of(filters):
        widths = [filters, 2 * filters, 4 * filters, 8 * filters]
        kernels = 25 * sum(map(math.prod, pairwise([3, *widths]))) + 16 * widths[-1]
        return kernels + filters + 2 * sum(widths[1:]) + 1

    assert generator_of(128) == 18_855_043
    settings = Settings(**PRESETS["paper"])
    assert (settings.generator_filters, settings.discriminator_filters) == (128, 128)
    narrow = dataclasses.replace(settings, generator_filters=4, discriminator_filters=4)
    generator = build_generator(narrow)
    assert trainable(generator) == generator_of(4)
    maps = {x.output.shape[1:] for x in generator.layers if len(x.output.shape) == 4}
    assert maps == {(4, 4, 32), (8, 8, 16), (16, 16, 8), (32, 32, 4), (64, 64, 3)}
    assert trainable(build_discriminator(narrow)) == discriminator_of(4)


@pytest.mark.parametrize("packing", [1, 4])
def test_parameters_of_pacgans_ring_networks(packing):
    gan = DCGAN(**PRESETS["points"] | {"packing": packing})
    assert trainable(gan.generator) == 2 * 400 + 3 * 400 * 400 + 4 * 800 + 401 * 2
    # A pack is a wider input, and nothing else.
    expected = (2 * packing + 1) * 1000 + 2 * 201 * 1000 + 201
    assert trainable(gan.discriminator) == expected
    assert gan.discriminator.input.shape == (None, 2)


def test_initial_weights_of_pacgans_networks_have_the_given_deviation():
    gan = DCGAN(**PRESETS["points"] | {"init_stddev": 0.3})

    def deviations(network):
        return [x.numpy().std() for x in network.trainable_variables if x.name == "kernel"]

    # Of 200 numbers at the least.
    assert deviations(gan.discriminator) == pytest.approx(4 * [0.3], rel=0.2)
    # The first points are close together.
    assert deviations(gan.generator) == pytest.approx(4 * [0.3] + [0.02], rel=0.2)


def test_pacgans_discriminator_drops_nothing():
    # Its code could, and its training does not; with dropout, packs are hardly ever told apart.
    discriminator = DCGAN(**PRESETS["points"]).discriminator
    points = tf.random.stateless_normal((50, 2), (0, 0))
    trained, tested = (discriminator(points, training=training) for training in (True, False))
    np.testing.assert_array_equal(trained, tested)


def test_rules_of_the_paper():
    generator, discriminator = build_generator(Settings()), build_discriminator(Settings())
    names = {type(x).__name__ for x in generator.layers + discriminator.layers}
    assert not any("Pool" in name or "Dropout" in name or "UpSampling" in name for name in names)
    for network, kind, count in [(generator, Conv2DTranspose, 4), (discriminator, Conv2D, 4)]:
        convolutions = [x for x in network.layers if isinstance(x, kind)]
        assert len(convolutions) == count
        sides = [x.output.shape[1] / x.input.shape[1] for x in convolutions]
        assert set(sides) == {2.0 if kind is Conv2DTranspose else 0.5}
        norms = [x for x in network.layers if isinstance(x, BatchNormalization)]
        # All layers but G's last and D's first; no bias before them.
        assert [x.output.shape[-1] for x in norms] == (
            [512, 256, 128, 64] if network is generator else [128, 256, 512]
        )
        biases = [x.bias is not None for x in network.layers if hasattr(x, "kernel")]
        assert biases == (
            4 * [False] + [True] if network is generator else [True, *3 * [False], True]
        )
    assert {type(x).__name__ for x in generator.layers if "lu" in x.name} == {"ReLU"}
    slopes = [x.negative_slope for x in discriminator.layers if "features" in x.name]
    assert slopes == [0.2] * 4
    leaky = build_generator(Settings(generator_filters=2, generator_activation="leaky_relu"))
    assert [x.negative_slope for x in leaky.layers if "lu" in x.name] == [0.2] * 4


def test_weights_begin_as_the_paper_says_and_no_two_layers_alike():
    gan = DCGAN(generator_filters=8, discriminator_filters=8)
    weights = {"kernel": [], "gamma": [], "beta": [], "bias": []}
    for variable in gan.trainable_variables:
        weights[variable.name].append(variable.numpy().ravel())
    starts = [tuple(np.sign(kernel[:64])) for kernel in weights["kernel"]]
    assert len(set(starts)) == len(starts) == 10
    weights = {name: np.concatenate(values) for name, values in weights.items()}
    for name, mean in (("kernel", 0.0), ("gamma", 1.0)):
        error = 5 * 0.02 / np.sqrt(weights[name].size)
        assert weights[name].mean() == pytest.approx(mean, abs=error)
        assert weights[name].std() == pytest.approx(0.02, abs=error)
    assert not weights["beta"].any() and not weights["bias"].any()


# The step


@contextlib.contextmanager
def recorded(gan):
    """The gradients that each optimizer is given during a step, and passes on."""
    given = {}
    with contextlib.ExitStack() as stack:
        for name in ("generator", "discriminator"):
            optimizer = getattr(gan, f"optimizer_{name}")

            def apply(gradients, variables, name=name, real=optimizer.apply):
                expected = getattr(gan, name).trainable_variables
                assert list(map(id, variables)) == list(map(id, expected)) and name not in given
                given[name] = [gradient.numpy() for gradient in gradients]
                real(gradients, variables)

            stack.enter_context(mock.patch.object(optimizer, "apply", apply))
        yield given


@pytest.mark.parametrize("packing", [1, 2])
def test_a_step_is_d_then_g_against_the_updated_d_on_the_same_fakes(packing):
    gan, twin = (narrow(packing=packing, label_smoothing=0.1) for _ in range(2))
    twin.set_weights(gan.get_weights())
    with recorded(gan) as given:
        losses = gan.train_step(images())

    # Once more: each fake painted anew, each tape around all of it.
    d, g, z = twin.discriminator, twin.generator, twin.sample_latent(images())
    with tf.GradientTape() as tape:
        real_logits = d(images(), training=True)
        fake_logits = d(g(z, training=True), training=True)
        assert real_logits.shape == fake_logits.shape == (BATCH // packing, 1)
        real_loss = 0.9 * softplus(-real_logits) + 0.1 * softplus(real_logits)
        d_loss = real_loss + softplus(fake_logits)
    gradients = {"discriminator": tape.gradient(d_loss, d.trainable_variables)}
    twin.optimizer_discriminator.apply(gradients["discriminator"], d.trainable_variables)
    with tf.GradientTape() as tape:
        g_loss = softplus(-d(g(z, training=True), training=True))
    gradients["generator"] = tape.gradient(g_loss, g.trainable_variables)

    expected = {"d_loss": d_loss, "real_loss": real_loss, "g_loss": g_loss}
    expected["fake_loss"] = softplus(fake_logits)
    found = {name: float(loss) for name, loss in losses.items()}
    assert found == pytest.approx({name: float(x) for name, x in expected.items()}, rel=1e-4)
    assert abs(float(g_loss) / float(softplus(-fake_logits)) - 1) > 0.01  # D's step tells.
    for name, wanted in gradients.items():
        largest = max(np.abs(gradient).max() for gradient in wanted)
        for one, other in zip(given[name], wanted, strict=True):
            assert np.abs(one - other).max() < 1e-3 * largest


def test_each_step_moves_its_own_network_and_statistics_only():
    for held in ("generator", "discriminator"):
        gan = narrow()
        before = {name: getattr(gan, name).get_weights() for name in ("generator", "discriminator")}
        with mock.patch.object(getattr(gan, f"optimizer_{held}"), "apply"):
            gan.train_step(images())
        for name, old in before.items():
            variables = getattr(gan, name).weights
            for variable, weights in zip(variables, old, strict=True):
                if variable.trainable and (name == held or variable.name == "kernel"):
                    assert np.array_equal(variable, weights) == (name == held), variable.path


def test_moving_statistics_are_those_of_ds_turn_and_of_one_painting():
    gan = narrow(learning_rate=0.0)
    of_d, of_g = (
        next(x for x in network.layers if isinstance(x, BatchNormalization))
        for network in (gan.discriminator, gan.generator)
    )
    z = gan.sample_latent(images())
    fakes = keras.Model(gan.generator.inputs, [of_g.input, gan.generator.output])
    projected = fakes(z, training=False)[0]
    trunk = keras.Model(gan.discriminator.inputs, of_d.input)
    seen = [trunk(images()), trunk(batch_painted(gan, z))]
    gan.train_step(images())
    means = [tf.reduce_mean(x, [0, 1, 2]).numpy() for x in seen]
    assert np.allclose(of_d.moving_mean, 0.9 * 0.1 * means[0] + 0.1 * means[1], atol=1e-6)
    assert np.allclose(of_g.moving_mean, 0.1 * tf.reduce_mean(projected, [0, 1, 2]), atol=1e-6)


def batch_painted(gan, z):
    """What G paints in training, its moving statistics put back."""
    weights = gan.get_weights()
    fakes = gan.generator(z, training=True)
    gan.set_weights(weights)
    return fakes


def test_real_and_generated_samples_are_normalised_apart():
    gan = narrow(learning_rate=0.0)
    expected = softplus(-gan.discriminator(images(), training=True))
    assert float(gan.train_step(images())["real_loss"]) == pytest.approx(float(expected), rel=1e-5)


# Packs


def test_d_scores_packs_of_neighbours():
    gan = narrow(packing=2)
    before, changed = images().numpy(), images().numpy()
    changed[2] = images(1)[0]
    one, other = (gan.discriminator(x, training=False)[:, 0].numpy() for x in (before, changed))
    assert one.shape == (2,)
    assert one[0] == other[0] and one[1] != other[1]
    copies = np.repeat(before[:1], 2, axis=0)
    expected = gan.discriminator(copies, training=False)[0, 0]
    assert gan.score(before)[0] == pytest.approx(float(expected), rel=1e-5)
    assert gan.score(before).shape == gan.features(before)[:, 0].shape == (4,)


def test_features_are_the_largest_of_fields_of_all_maps_whatever_the_company():
    gan = narrow(image_size=32)
    seen = gan.features(images(size=32))
    # Sides 16, 8 and 4: 4x4 fields of each, of 2, 4 and 8 channels.
    assert seen.shape == (BATCH, 16 * (2 + 4 + 8))
    maps = keras.Model(gan.discriminator.input, gan.discriminator.get_layer("features_0").output)
    first = maps(images(size=32)).numpy().reshape(BATCH, 4, 4, 4, 4, 2).max((2, 4))
    assert np.allclose(seen[:, :32], first.reshape(BATCH, 32), atol=1e-5)
    assert np.allclose(gan.features(images(size=32)[:1]), seen[:1], atol=1e-5)
    with pytest.raises(ValueError, match="dcgan on points"):
        narrow(data="points").features(np.zeros((2, 2)))
