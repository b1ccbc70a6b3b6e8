"""InfoGAN: a part of the noise learns to mean something, without labels.

Paper: Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing
Generative Adversarial Nets", arXiv:1606.03657. Official code: openai/InfoGAN. Article: the survey
"GAN in depth", chapter InfoGAN, whose listing the preset `article` follows.

    python scripts/train_infogan.py --dataset=mnist
    python scripts/generate.py --run_dir=runs/infogan_mnist --output=out --mode=codes

G gets noise and codes c: categorical ones, one of 10 equally likely classes, and continuous ones,
uniform in [-1, 1]. A third network Q, which shares all but its last layers with D, reads the codes
back from G's pictures; its likelihood bounds the mutual information I(c; G(z, c)) from below:

    L_I = E[log Q(c | G(z, c))] + H(c)                                            (equations 4, 5)

`categorical_loss` is -E[log Q] of the categorical code, in nats: log 10 = 2.30 if Q only guesses.
`continuous_loss` is that of the continuous codes, summed over them, under a Gaussian with the mean
that Q says and, with `variance="learned"`, also its variance; with "fixed" it is 1. G minimises
-E[log D(G(z, c))] + lambda_categorical categorical_loss + lambda_continuous continuous_loss
(equation 6, not saturating). The losses of D are those of DCGAN. Means over the batch.

Differences from the paper
- `paper`: as the official code, L_I is added to D's objective too: Q is trained with D, by D's
  optimizer, and the layers that they share learn from both. Its weight 1 is for all codes; the
  paper's text has a smaller one for continuous codes. Equal codes in D's and in G's step. Images in
  [-1, 1] and tanh, not [0, 1] and sigmoid; G's 7x7 map is normalised by channel, not by number.
- `article`: Q is trained with G, as the listing; D learns to discriminate only. The noise is
  normal, the variance learned, lambda_continuous 0.1; it does not say networks and rates. In the
  listing "supervised" makes the codes equal to the labels of the real batch, whose pictures Q never
  sees, so nothing ties the two together. Here Q also learns the labels of real pictures
  (`supervised`), which is what it is meant to do.
- Not on MNIST: DCGAN's networks at any size, with the dense layers of the paper's for MNIST.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import dcgan_networks, losses, noise_gan, optimizers
from gans.nn.initializers import normal
from gans.nn.layers import keeping_statistics, normalization
from gans.nn.random import draw, seed_of
from gans.nn.settings import ConvolutionalSettings, OptimizerSettings, setting

CAN = {
    "starts_from": "noise",
    "networks": ("generator", "discriminator", "recognizer"),
    "shows": ("samples", "interpolate", "arithmetic", "filters", "codes"),
    "toy_labels": ("hue",),
}
SLOPE = 0.01  # Of the leaky ReLU (`misc/custom_ops.py`).


@dataclass(frozen=True, kw_only=True)
class Settings(OptimizerSettings, ConvolutionalSettings):
    """The defaults are the numbers of the paper."""

    image_size: int = 28
    image_channels: int = 1
    noise_dim: int = setting(62, "Length of the noise that has no meaning.", least=1)
    latent: Literal["normal", "uniform"] = "uniform"
    categories: int = setting(10, "Values of the categorical code.", least=1)
    continuous: int = setting(2, "Number of continuous codes.", least=1)
    label_dim: int = setting(
        0, "Number of classes of the data, which with supervised is that of categories.", least=0
    )
    discriminator_filters: int = setting(64, "Those of the discriminator's first layer.", least=1)
    dense_units: int = setting(
        1024, "Width of the dense layers between vectors and maps; of images only.", least=1
    )
    feature_norm: Literal["batch", "none"] = setting(
        "batch", "Of the discriminator's dense layer, of images only: batch in the paper."
    )
    variance: Literal["fixed", "learned"] = setting(
        "fixed", "Of Q's Gaussians: fixed at 1 in the paper, learned in the article."
    )
    recognizer_learns_with: Literal["discriminator", "generator"] = setting(
        "discriminator",
        "Network that Q is trained with: discriminator in the paper, whose layers then learn to "
        "recognize codes too; generator in the article.",
    )
    supervised: bool = setting(
        False, "Q also learns the labels of the real images, so that category i becomes class i."
    )
    lambda_categorical: float = setting(
        1.0, "Weight of the information in the categorical code.", least=0
    )
    lambda_continuous: float = setting(
        1.0, "Weight of the information in the continuous codes.", least=0
    )
    lambda_supervised: float = setting(
        1.0, "Weight of the labels of real images, with supervised.", least=0
    )
    generator_learning_rate: float = setting(1e-3, "Learning rate of G.", least=0)
    discriminator_learning_rate: float = setting(2e-4, "Learning rate of D.", least=0)

    @property
    def latent_dim(self) -> int:
        """Length of noise and codes together."""
        return self.noise_dim + self.categories + self.continuous

    def check(self):
        super().check()
        if self.supervised and self.label_dim not in (0, self.categories):
            raise ValueError(
                f"`categories` must be the {self.label_dim} classes of the data with supervised. "
                f"Received: {self.categories}"
            )


def build_generator(s: Settings) -> keras.Model:
    """The generator: of noise and codes, in one vector, an image (appendix C.1), or a point.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1], or to
    `(batch, 2)`.
    """
    z = layers.Input((s.latent_dim,), name="z")
    if s.data == "points":
        x = dcgan_networks.mlp(z, (s.generator_filters,) * 3, norm="batch")
        return keras.Model(z, dcgan_networks.points_of(x), name="generator")
    image = dcgan_networks.generator(z, s, dense_units=s.dense_units)
    return keras.Model(z, image, name="generator")


def build_discriminator(s: Settings) -> keras.Model:
    """The discriminator, and the features that Q goes on from.

    `(batch, image_size, image_size, image_channels)` in [-1, 1], or `(batch, 2)`, to `[logit
    (batch, 1), features (batch, dense_units)]`; of points the features are `filters` wide.
    """
    sample = layers.Input(s.sample_shape, name="sample")
    if s.data == "points":
        features = dcgan_networks.mlp(
            sample, (s.discriminator_filters,) * 3, activation="leaky_relu"
        )
    else:
        x = dcgan_networks.features(sample, filters=s.discriminator_filters, slope=SLOPE)
        options = {"use_bias": s.feature_norm == "none", "kernel_initializer": normal()}
        x = layers.Dense(s.dense_units, **options)(layers.Flatten()(x))
        features = layers.LeakyReLU(negative_slope=SLOPE)(normalization(s.feature_norm)(x))
    return keras.Model(sample, [dcgan_networks.score(features), features], name="discriminator")


def build_recognizer(s: Settings, features: int) -> keras.Model:
    """Q: from the discriminator's features to what it believes of the codes.

    `(batch, features)` to `[logits (batch, categories), means (batch, continuous)]`, and where the
    variance is learned its logarithm `(batch, continuous)`.
    """
    x = inputs = layers.Input((features,), name="features")
    options = {"kernel_initializer": normal()}
    x = layers.Dense(128, use_bias=False, **options)(x)
    x = layers.LeakyReLU(negative_slope=SLOPE)(normalization("batch")(x))
    heads = {"logits": s.categories, "mean": s.continuous}
    if s.variance == "learned":
        heads["log_variance"] = s.continuous
    outputs = [
        layers.Dense(width, dtype=keras.config.floatx(), name=name, **options)(x)
        for name, width in heads.items()
    ]
    return keras.Model(inputs, outputs, name="recognizer")


class InfoGAN(noise_gan.NoiseGAN):
    """Generator, discriminator, and Q, here `recognizer`."""

    # G gets codes, not labels.
    label_dim = 0

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        self.with_discriminator = s.recognizer_learns_with == "discriminator"
        self.generator = build_generator(s)
        self.discriminator = build_discriminator(s)
        self.recognizer = build_recognizer(s, self.discriminator.output[1].shape[-1])
        self.built = True

    def train_step(self, batch):
        """One update of D, then one of G against the updated D; Q learns with one of them.

        Args:
            batch: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`;
                with `supervised` also their labels, `(batch, categories)` float32, one-hot.
        """
        images, labels = batch if self.settings.supervised else (batch, None)
        z = self.sample_latent(images)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)

        with tf.GradientTape() as tape_d:
            real, real_features = self.discriminator(images, training=True)
            fake, features = self.discriminator(fakes, training=True)
            real_loss = losses.cross_entropy(real, 1.0)
            fake_loss = losses.cross_entropy(fake, 0.0)
            d_loss = d_objective = real_loss + fake_loss
            if self.with_discriminator:
                terms = self.information_losses(features, z)
                terms |= self.supervised_losses(real_features, labels)
                d_objective += self.weighted_sum(terms)
        gradients_d = tape_d.gradient(d_objective, self.discriminator_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator_variables)

        # The same tape goes on: G painted once, and D is another one now, as is Q where it is with
        # D. Moving statistics are of a network's own step.
        others = [self.recognizer] * self.with_discriminator
        with tape_g, keeping_statistics(self.discriminator, *others):
            fake, features = self.discriminator(fakes, training=True)
            g_loss = losses.cross_entropy(fake, 1.0)
            g_terms = self.information_losses(features, z)
            if not self.with_discriminator:
                # Q learns from D's features of real images; D does not.
                g_terms |= self.supervised_losses(real_features, labels)
                terms = g_terms
            g_objective = g_loss + self.weighted_sum(g_terms)
        gradients_g = tape_g.gradient(g_objective, self.generator_variables)
        self.optimizer_generator.apply(gradients_g, self.generator_variables)
        return {
            "d_loss": d_loss,
            "real_loss": real_loss,
            "fake_loss": fake_loss,
            "g_loss": g_loss,
            **terms,
        }

    def information_losses(self, features, z) -> dict[str, tf.Tensor]:
        """-E[log Q(c|x)], of the categorical code and of all continuous codes together.

        The constants stay: with a fixed variance continuous_loss is at least
        `continuous` * log(2 pi) / 2.
        """
        logits, mean, *learned = self.recognizer(features, training=True)
        log_variance = learned[0] if learned else tf.zeros_like(mean)
        _, category, codes = self.split_codes(z)
        categorical = tf.nn.softmax_cross_entropy_with_logits(category, logits)
        # log N(c; mean, exp(log_variance)).
        gaussian = -0.5 * (
            tf.square(codes - mean) * tf.exp(-log_variance) + log_variance + np.log(2.0 * np.pi)
        )
        return {
            "categorical_loss": tf.reduce_mean(categorical),
            "continuous_loss": -tf.reduce_mean(tf.reduce_sum(gaussian, axis=1)),
        }

    def supervised_losses(self, real_features, labels) -> dict[str, tf.Tensor]:
        """-E[log Q(y|x)] of real images and their labels; nothing without `supervised`."""
        if not self.settings.supervised:
            return {}
        logits = self.recognizer(real_features, training=True)[0]
        terms = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        return {"supervised_loss": tf.reduce_mean(terms)}

    def weighted_sum(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """The terms of Q, each times its lambda."""
        s = self.settings
        weights = {
            "categorical_loss": s.lambda_categorical,
            "continuous_loss": s.lambda_continuous,
            "supervised_loss": s.lambda_supervised,
        }
        return tf.add_n([weights[name] * value for name, value in terms.items()])

    def draw_codes(self, count, seed) -> tf.Tensor:
        """Noise and codes in one vector, `(count, latent_dim)` float32.

        Args:
            seed: makes the seed of a stateless draw from the number of the draw, 0 to 2.
        """
        s = self.settings
        noise = draw(s.latent, (count, s.noise_dim), seed(0))
        category = tf.random.stateless_uniform((count,), seed(1), 0, s.categories, dtype=tf.int32)
        codes = draw("uniform", (count, s.continuous), seed(2))
        return tf.concat([noise, tf.one_hot(category, s.categories), codes], axis=1)

    def split_codes(self, z) -> tuple:
        """A vector of noise and codes as noise `(n, noise_dim)`, one-hot `(n, categories)` and
        continuous codes `(n, continuous)`.
        """
        start = self.settings.noise_dim
        end = start + self.settings.categories
        return z[:, :start], z[:, start:end], z[:, end:]

    def sample_latent(self, samples) -> tf.Tensor:
        """Noise and codes of this step, a vector per sample: a function of (seed, step)."""
        return self.draw_codes(
            tf.shape(samples)[0], lambda stream: seed_of(self.settings.seed, stream, self.step)
        )

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """What G's update changes."""
        others = [] if self.with_discriminator else self.recognizer.trainable_variables
        return [*self.generator.trainable_variables, *others]

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """What D's update changes."""
        others = self.recognizer.trainable_variables if self.with_discriminator else []
        return [*self.discriminator.trainable_variables, *others]

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer for G and one for D, for a run of this length; Q is with one of them."""
        adam = optimizers.adam(self.settings, epochs, steps_per_epoch)
        rate_g = self.settings.generator_learning_rate
        rate_d = self.settings.discriminator_learning_rate
        super().compile(
            optimizer_generator=adam(self.generator_variables, rate_g),
            optimizer_discriminator=adam(self.discriminator_variables, rate_d),
            run_eagerly=run_eagerly,
        )

    @property
    def discriminating_network(self) -> keras.Model:
        """The discriminator without the features. Not kept: it would be saved a second time."""
        return keras.Model(self.discriminator.input, self.discriminator.output[0])

    def draw_latents(self, count: int, seed: int = 0) -> np.ndarray:
        """Fixed noise and codes outside training, `(count, latent_dim)` float32."""
        # Steps count from 0 on.
        return self.draw_codes(count, lambda stream: tf.constant([seed, -1 - stream])).numpy()

    def generate(self, z, labels=None) -> np.ndarray:
        """Samples of noise and codes; labels `(n, categories)`, where there are some, take the
        place of the categorical code.
        """
        if labels is not None:
            noise, _, codes = self.split_codes(z)
            z = np.concatenate([noise, labels, codes], axis=1)
        return super().generate(z)

    def recognize(self, samples) -> tuple[np.ndarray, np.ndarray]:
        """What Q reads from samples: probabilities `(n, categories)` and means `(n,
        continuous)`.
        """

        def read(chunk):
            logits, mean, *_ = self.recognizer(
                self.discriminator(chunk, training=False)[1], training=False
            )
            return tf.concat([tf.nn.softmax(logits), mean], axis=1)

        return tuple(np.split(self.in_chunks(read, samples), [self.settings.categories], axis=1))

    def preview(self, batch: tuple[np.ndarray, ...] | np.ndarray) -> list:
        """Rows of a sample grid: a category in each, and the same noise and continuous codes down
        each column; of points as `preview_points`.
        """
        if self.settings.data == "points":
            return self.preview_points(batch)
        z, categories = self.draw_latents(noise_gan.GRID), self.settings.categories
        rows = np.eye(min(categories, noise_gan.ROWS), categories, dtype=np.float32)
        return [list(self.generate(z, np.repeat(row[None], len(z), 0))) for row in rows]


PRESETS = {
    "toy": {
        "image_size": 64,
        "image_channels": 3,
        "generator_filters": 24,
        "discriminator_filters": 24,
        "dense_units": 256,
        # Normalised batch by batch, what is wrong with all samples alike would not be seen.
        "feature_norm": "none",
    },
    "article": {
        "latent": "normal",
        "recognizer_learns_with": "generator",
        "variance": "learned",
        "lambda_continuous": 0.1,
        "generator_learning_rate": 2e-4,
    },
    "paper": {},
    "mnist": {"lambda_continuous": 0.5},
    "points": {
        "data": "points",
        "noise_dim": 2,
        "categories": 8,
        "generator_filters": 256,
        "discriminator_filters": 256,
    },
}
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 60},
    "article": {"batch_size": 128, "epochs": 50},
    # The official 5,000 steps, 50 "epochs" of 100, on MNIST.
    "paper": {"batch_size": 128, "epochs": 11},
    "mnist": {"batch_size": 128, "epochs": 6},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}
