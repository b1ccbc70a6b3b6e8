"""Random draws of a train step, each a function of (seed, stream, step) and of nothing else.

No generator state is ever saved: a run that was killed and started again draws the same numbers.
"""

from typing import Literal

import keras
import tensorflow as tf

from gans.nn.layers import Dropout, all_layers

# A seed has this many streams: the draws of the GAN itself, then one for each dropout layer.
STREAMS = 64
DROPOUT_STREAM = 16
# A network is called up to four times in a step. Each call moves the state of its dropout layers on
# by one.
CALLS = 4


def seed_of(seed: int, stream: int, step) -> tf.Tensor:
    """The seed of a stateless draw, int32 `(2,)`: another one for each seed, stream and step.

    Args:
        seed: of the run, from 0 to 2^24 - 1.
        stream: 0 to 15, one for each kind of draw in a step.
        step: an int or a scalar tensor.

    Under `tf.distribute` with several replicas, each replica has seeds of its own.
    """
    pair = tf.stack([tf.constant(STREAMS * seed + stream), tf.cast(step, tf.int32)])
    replica = tf.distribute.get_replica_context()
    if replica is not None and replica.num_replicas_in_sync > 1:
        pair = tf.random.experimental.stateless_fold_in(pair, replica.replica_id_in_sync_group)
    return pair


def draw(latent: Literal["normal", "uniform"], shape, seed) -> tf.Tensor:
    """Noise: standard normal, or uniform in [-1, 1); float32, or `keras.config.floatx()`."""
    if latent == "normal":
        return tf.random.stateless_normal(shape, seed, dtype=keras.config.floatx())
    return tf.random.stateless_uniform(shape, seed, -1.0, 1.0, keras.config.floatx())


def reseed_dropout(seed: int, step, *networks: keras.Model):
    """Makes all dropout masks of the networks, nested ones included, a function of (seed, step)."""
    layers = [
        layer for network in networks for layer in all_layers(network) if isinstance(layer, Dropout)
    ]
    if len(layers) > STREAMS - DROPOUT_STREAM:
        raise ValueError(
            f"expected at most {STREAMS - DROPOUT_STREAM} dropout layers in all networks. "
            f"Received: {len(layers)}"
        )
    for index, layer in enumerate(layers):
        layer.reseed(seed_of(seed, DROPOUT_STREAM + index, CALLS * tf.cast(step, tf.int32)))
