"""Draws of a train step: functions of (seed, stream, step), and other ones in each replica."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn import layers, random

# Draws


def test_each_seed_stream_and_step_has_a_seed_of_its_own():
    draws = [(seed, stream, step) for seed in range(4) for stream in range(16) for step in range(4)]
    seeds = {tuple(random.seed_of(*draw).numpy()) for draw in draws}
    assert len(seeds) == len(draws)
    assert all(step >= 0 for _, step in seeds)  # Fixed latents have step -1.
    last = random.seed_of(2**24 - 1, 15, tf.constant(2**31 - 1, tf.int64))
    assert last.dtype == tf.int32
    assert last.numpy().tolist() == [64 * (2**24 - 1) + 15, 2**31 - 1]


def test_distributions_of_the_noise():
    # 60,000 numbers: five deviations of each estimate.
    z = random.draw("normal", (20_000, 3), random.seed_of(0, 0, 0)).numpy()
    assert z.dtype == np.float32
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)
    assert abs((np.abs(z) > 2).mean() - 0.0455) < 5 * np.sqrt(0.0455 / z.size)
    z = random.draw("uniform", (20_000, 3), random.seed_of(0, 0, 0)).numpy()
    assert z.dtype == np.float32
    assert -1 <= z.min() < -0.999 and 0.999 < z.max() < 1
    assert abs(z.mean()) < 5 * np.sqrt(1 / 3 / z.size)
    assert abs((np.abs(z) < 0.5).mean() - 0.5) < 2.5 / np.sqrt(z.size)


# Replicas

REPLICAS = """
import json
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from gans.dcgan import DCGAN

def draws(devices):
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        gan = DCGAN(data="points", latent_dim=2, generator_filters=1, discriminator_filters=1)
        gan.compile()
    z = strategy.run(lambda: gan.sample_latent(tf.zeros((3, 2))))
    return [x.numpy().tolist() for x in strategy.experimental_local_results(z)]

print(json.dumps([draws(["CPU:0", "CPU:1"]), draws(["CPU:0"])]))
"""


def test_replicas_draw_different_noise_and_one_alone_what_it_draws_without_a_strategy():
    # Logical devices are made before TensorFlow starts.
    path = os.pathsep.join(filter(None, sys.path))
    finished = subprocess.run(
        [sys.executable, "-c", REPLICAS],
        env=os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    (one, other), (alone,) = json.loads(finished.stdout.splitlines()[-1])
    assert np.shape(one) == np.shape(other) == (3, 2)
    assert not np.isclose(one, other).any()
    expected = random.draw("normal", (3, 2), random.seed_of(0, 0, 0))
    np.testing.assert_array_equal(np.float32(alone), expected)


# Dropout


def plain():
    """Two dropout layers, one after the other."""
    x = keras.Input((200,))
    return keras.Model(x, layers.Dropout(0.5)(layers.Dropout(0.5)(x)))


def nested():
    """The same, one of them inside a model inside another."""
    x = keras.Input((200,))
    inner = keras.Model(x, layers.Dropout(0.5)(x))
    middle = keras.Model(x, inner(x))
    return keras.Model(x, layers.Dropout(0.5)(middle(x)))


@pytest.mark.parametrize("network", [plain, nested])
def test_dropout_masks_are_a_function_of_seed_and_step(network):
    ones = np.ones((1, 200), "float32")

    def masks(seed, step, network):
        random.reseed_dropout(seed, step, network)
        return [network(ones, training=True).numpy().tobytes() for _ in range(4)]

    used, fresh = network(), network()
    expected = masks(3, 5, used)
    assert masks(3, 5, fresh) == expected == masks(3, tf.constant(5, tf.int64), used)
    draws = ((3, 5), (3, 6), (3, 4), (4, 5), (2, 5))
    every = [mask for seed, step in draws for mask in masks(seed, step, used)]
    # Four calls in a step each have masks of their own, and none returns in another step.
    assert len(set(every)) == len(every) == 20


def test_no_two_layers_of_several_networks_share_a_seed_nor_one_with_noise():
    networks, states = [plain(), nested()], []
    dropouts = [
        layer
        for network in networks
        for layer in layers.all_layers(network)
        if isinstance(layer, layers.Dropout)
    ]
    for seed in range(3):
        for step in range(3):
            random.reseed_dropout(seed, step, *networks)
            states += [tuple(x.seed_generator.state.numpy()) for x in dropouts]
    noise = {
        tuple(random.seed_of(seed, stream, step).numpy())
        for seed in range(3)
        for stream in range(16)
        for step in range(40)
    }
    assert len(set(states)) == len(states) == 3 * 3 * 4
    assert not noise & set(states)


def test_more_dropout_layers_than_streams_are_refused():
    x = y = keras.Input((2,))
    for _ in range(25):
        y = layers.Dropout(0.5)(y)
    network = keras.Model(x, y)
    random.reseed_dropout(0, 0, network)
    with pytest.raises(ValueError, match="50"):
        random.reseed_dropout(0, 0, network, keras.models.clone_model(network))
