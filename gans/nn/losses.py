"""Losses that two or more GANs share. Tensors in, a scalar of the precision of the weights out:
float32, unless `keras.config.set_floatx` says otherwise.
"""

import keras
import tensorflow as tf


def least_squares(outputs: tf.Tensor | list[tf.Tensor], target: float) -> tf.Tensor:
    """Mean squared distance of a discriminator's output from `target` (LSGAN, Mao et al. 2017).

    Args:
        outputs: one map `(batch, height, width, 1)`, or a list of maps, one per scale. The mean is
            over batch and map; scales are summed, not averaged, as in the official BicycleGAN.
        target: 1 for real, 0 for fake.
    """
    return tf.add_n(
        [tf.reduce_mean(tf.square(_full(output) - target)) for output in tf.nest.flatten(outputs)]
    )


def least_squares_discriminator(
    real: tf.Tensor | list[tf.Tensor], fake: tf.Tensor | list[tf.Tensor]
) -> tf.Tensor:
    """E[(D(x) - 1)^2] + E[D(G(z))^2], what a discriminator minimises (LSGAN, equation 2, without
    its factors of 1/2); arguments as in `least_squares`.
    """
    return least_squares(real, 1.0) + least_squares(fake, 0.0)


def cross_entropy(logits: tf.Tensor | list[tf.Tensor], target: float) -> tf.Tensor:
    """Sigmoid cross entropy of a discriminator's logits with `target` (Goodfellow et al. 2014).

    Args:
        logits: one map of any shape, or a list of maps, one per scale. The mean is over batch and
            map; scales are summed.
        target: 1 for real, 0 for fake. The generator's loss with target 1 is the non-saturating
            one.
    """
    return tf.add_n(
        [
            tf.reduce_mean(
                tf.nn.sigmoid_cross_entropy_with_logits(
                    tf.fill(tf.shape(output), _full(target)),
                    _full(output),
                )
            )
            for output in tf.nest.flatten(logits)
        ]
    )


def weighted_cross_entropy(logits: tf.Tensor, target: float, weights: tf.Tensor) -> tf.Tensor:
    """`cross_entropy`, its mean taken over samples of these weights; 0 where all are 0.

    Args:
        logits: `(batch, 1)`.
        target: 1 for real, 0 for fake.
        weights: `(batch,)`, at least 0.
    """
    logits = _full(logits[:, 0])
    terms = tf.nn.sigmoid_cross_entropy_with_logits(
        tf.fill(tf.shape(logits), _full(target)), logits
    )
    return tf.math.divide_no_nan(tf.reduce_sum(weights * terms), tf.reduce_sum(weights))


def mean_absolute(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Mean over all elements of |a - b|: the L1 loss."""
    return tf.reduce_mean(tf.abs(_full(a) - _full(b)))


def mean_squared(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Mean over all elements of (a - b)^2: the L2 loss."""
    return tf.reduce_mean(tf.square(_full(a) - _full(b)))


def kl_from_standard_normal(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) in nats: summed over the code, averaged over the
    batch.

    Args:
        mean, log_variance: `(batch, latent_dim)`.

    Kingma & Welling 2014, appendix B. The articles write the sum over the whole batch; at one image
    per step, which is theirs and the official code's, the two are one number, and this one keeps
    the weight of KL against the other losses, all of them means, when the batch grows.
    """
    terms = 1.0 + log_variance - tf.square(mean) - tf.exp(log_variance)
    return tf.reduce_mean(-0.5 * tf.reduce_sum(terms, axis=-1))


def feature_matching(real: list[tf.Tensor], fake: list[tf.Tensor]) -> tf.Tensor:
    """Squared difference between the batch means of a discriminator's features (Salimans et al.
    2016, section 3.1), as DiscoGAN's official code has it: mean over the map, sum over the layers.

    Args:
        real, fake: per layer `(batch, height, width, channels)`.
    """
    real, fake = ([tf.reduce_mean(_full(x), 0) for x in maps] for maps in (real, fake))
    return tf.add_n([mean_squared(*pair) for pair in zip(real, fake, strict=True)])


def _full(x) -> tf.Tensor:
    """In the precision of the weights: bfloat16 has too few digits to add up a map in."""
    return tf.cast(x, keras.config.floatx())
