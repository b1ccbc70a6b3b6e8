"""InfoGAN: a part of the noise that learns to mean something, without labels.

Paper: Chen et al. 2016, "InfoGAN: Interpretable Representation Learning by Information Maximizing
Generative Adversarial Nets", arXiv:1606.03657. Official code: openai/InfoGAN. Article: the survey
"GAN in depth", chapter InfoGAN, whose listing the preset `article` follows.

    python scripts/train_infogan.py --dataset=mnist
    python scripts/train_infogan.py    # toy fashion
    python scripts/generate.py --run_dir=runs/infogan --output=out --mode=codes

G gets noise and codes c: categorical ones, one of 10 equally likely classes, and continuous ones,
uniform in [-1, 1]. A third network Q, which shares all but its last layers with D, reads the codes
back from G's pictures; its likelihood bounds the mutual information I(c; G(z, c)) from below:

    L_I = E[log Q(c | G(z, c))] + H(c)                                            (equations 4, 5)

`categorical_loss` is -E[log Q] of the categorical code, in nats: log 10 = 2.30 of a blind Q.
`continuous_loss` is that of the continuous codes, summed over them, under a Gaussian with the mean
that Q says and, with `variance="learned"`, also its variance; with "fixed" the deviation is 1. G
minimises -E[log D(G(z, c))] + lambda_categorical categorical_loss + lambda_continuous
continuous_loss (equation 6, not saturating). D's losses are those of DCGAN. Means over the batch.

What to expect. On MNIST most of the ten classes become a digit each, and the continuous codes slant
and width. Which code takes which meaning is chance: look at `--mode=codes`. On toy fashion a
category becomes one kind of bag, which the rest of the vector hardly changes.

Differences from the paper
- `paper`: as the official code, L_I is added to D's objective too: Q is trained with D, by D's
  optimizer, and the layers that they share learn from both. Its weight 1 is for all codes; the
  paper's text has a smaller one for continuous codes. Equal codes in D's and in G's step. Images in
  [-1, 1] and tanh, not [0, 1] and sigmoid; G's 7x7 map is normalised by channel, not by number.
- `article`: Q is trained with G, as the listing; D learns to discriminate only. The noise is
  normal, the variance learned, lambda_continuous 0.1; networks and rates it does not say. In the
  listing "supervised" makes the codes equal to the labels of the real batch, whose pictures Q never
  sees, so nothing ties the two together. Here Q also learns the labels of real pictures
  (`supervised`), which is what it is meant to do.
- Not on MNIST: DCGAN's networks at any size, with the dense layers of the paper's for MNIST.
"""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import initializers, losses, optimizers, sampling, synthesis
from gans.nn.layers import keeping_statistics, normalization
from gans.nn.settings import check_choices, check_range

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
    # The constructor's defaults are the paper's numbers.
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

# What the training script takes where no flag says otherwise.
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 60},
    "article": {"batch_size": 128, "epochs": 50},
    # The official 5,000 steps, 50 "epochs" of 100, on MNIST.
    "paper": {"batch_size": 128, "epochs": 11},
    "mnist": {"batch_size": 128, "epochs": 6},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}

SLOPE = 0.01  # Of the leaky ReLU (`misc/custom_ops.py`).


def build_generator(
    data: Literal["images", "points"] = "images",
    image_size: int = 28,
    image_channels: int = 1,
    latent_dim: int = 74,
    filters: int = 64,
    dense_units: int = 1024,
    upsample: Literal["transpose", "resize"] = "transpose",
) -> keras.Model:
    """The generator: of noise and codes, in one vector, an image (appendix C.1), or a point.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1], or to
    `(batch, 2)`.
    """
    z = layers.Input((latent_dim,), name="z")
    if data == "points":
        x = synthesis.mlp(z, (filters,) * 3, norm="batch")
        return keras.Model(z, synthesis.points_of(x), name="generator")
    image = synthesis.dcgan_generator(
        z,
        image_size=image_size,
        filters=filters,
        output_channels=image_channels,
        dense_units=dense_units,
        upsample=upsample,
    )
    return keras.Model(z, image, name="generator")


def build_discriminator(
    data: Literal["images", "points"] = "images",
    image_size: int = 28,
    image_channels: int = 1,
    filters: int = 64,
    dense_units: int = 1024,
    feature_norm: Literal["batch", "none"] = "batch",
) -> keras.Model:
    """The discriminator, and the features that Q goes on from.

    `(batch, image_size, image_size, image_channels)` in [-1, 1], or `(batch, 2)`, to `[logit
    (batch, 1), features (batch, dense_units)]`; of points the features are `filters` wide.
    """
    shape = (2,) if data == "points" else (image_size, image_size, image_channels)
    sample = layers.Input(shape, name="sample")
    if data == "points":
        features = synthesis.mlp(sample, (filters,) * 3, activation="leaky_relu")
    else:
        x = synthesis.dcgan_features(sample, filters=filters, slope=SLOPE)
        options = {"use_bias": feature_norm == "none", "kernel_initializer": initializers.normal()}
        x = layers.Dense(dense_units, **options)(layers.Flatten()(x))
        features = layers.LeakyReLU(negative_slope=SLOPE)(normalization(feature_norm)(x))
    return keras.Model(sample, [synthesis.score(features), features], name="discriminator")


def build_recognizer(
    features: int = 1024,
    categories: int = 10,
    continuous: int = 2,
    variance: Literal["fixed", "learned"] = "fixed",
) -> keras.Model:
    """Q: from the discriminator's features to what it believes of the codes.

    `(batch, features)` to `[logits (batch, categories), means (batch, continuous)]`, and where the
    variance is learned its logarithm `(batch, continuous)`.
    """
    x = inputs = layers.Input((features,), name="features")
    options = {"kernel_initializer": initializers.normal()}
    x = layers.Dense(128, use_bias=False, **options)(x)
    x = layers.LeakyReLU(negative_slope=SLOPE)(normalization("batch")(x))
    heads = {"logits": categories, "mean": continuous}
    if variance == "learned":
        heads["log_variance"] = continuous
    outputs = [
        layers.Dense(width, dtype="float32", name=name, **options)(x)
        for name, width in heads.items()
    ]
    return keras.Model(inputs, outputs, name="recognizer")


class InfoGAN(sampling.NoiseGAN):
    """Generator, discriminator, and Q, here `recognizer`.

    Args:
        data: images, or points of the plane.
        point_scale: What points are divided by on their way to the networks, which see numbers of
            about 1; samples are in the units of the data again.
        image_size: Side of the images in pixels: 4 to 7 times a power of two.
        image_channels: 3, or 1 for grey.
        noise_dim: Length of the noise that means nothing.
        latent: Distribution of that noise: uniform in [-1, 1] (the paper), or normal.
        categories: Values of the categorical code.
        continuous: Number of continuous codes.
        label_dim: Number of classes of the data; of use with supervised, and then `categories`.
        generator_filters: Channels of the generator's last hidden map, doubled on each smaller one;
            of points, width of its layers.
        discriminator_filters: Channels of the discriminator's first layer, likewise.
        dense_units: Width of the dense layers between vectors and maps; of images only.
        feature_norm: Of the discriminator's dense layer: batch (the paper), or none; of images
            only. Each batch is normalised by itself, which hides what is wrong with all samples of
            a batch alike.
        variance: Of Q's Gaussians: fixed at 1 (the paper), or learned (the article).
        recognizer_learns_with: discriminator (the paper: its layers learn to recognize too), or
            generator (the article).
        supervised: Q also learns the labels of the real images, so that category i becomes class i.
        lambda_categorical: Weight of the categorical code's information.
        lambda_continuous: Weight of the continuous codes' information.
        lambda_supervised: Weight of the labels of real images, with supervised.
        generator_learning_rate: Of Adam.
        discriminator_learning_rate: Of Adam.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rates fall linearly; 0 keeps
            them.
        upsample: How the generator doubles its maps: transpose (transposed convolutions), or resize
            (bilinear, then convolution), which leaves no checkerboard. Of DCGAN's networks only.
        seed: Of every random draw.

    Raises `ValueError` for a size that cannot be built or an unknown name.
    """

    def __init__(
        self,
        *,
        data: Literal["images", "points"] = "images",
        point_scale: float = 1.0,
        image_size: int = 28,
        image_channels: int = 1,
        noise_dim: int = 62,
        latent: Literal["uniform", "normal"] = "uniform",
        categories: int = 10,
        continuous: int = 2,
        label_dim: int = 0,
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        dense_units: int = 1024,
        feature_norm: Literal["batch", "none"] = "batch",
        variance: Literal["fixed", "learned"] = "fixed",
        recognizer_learns_with: Literal["discriminator", "generator"] = "discriminator",
        supervised: bool = False,
        lambda_categorical: float = 1.0,
        lambda_continuous: float = 1.0,
        lambda_supervised: float = 1.0,
        generator_learning_rate: float = 1e-3,
        discriminator_learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        upsample: Literal["transpose", "resize"] = "transpose",
        seed: int = 0,
    ):
        super().__init__(name="infogan")
        check_settings(locals())
        self.data = data
        self.point_scale = point_scale
        self.image_size = image_size
        self.image_channels = image_channels
        self.noise_dim = noise_dim
        self.categories = categories
        self.continuous = continuous
        self.latent_dim = noise_dim + categories + continuous
        self.latent = latent
        # What G gets are codes, not labels.
        self.label_dim = 0
        self.supervised = supervised
        self.weights_of_terms = {
            "categorical_loss": lambda_categorical,
            "continuous_loss": lambda_continuous,
            "supervised_loss": lambda_supervised,
        }
        self.with_discriminator = recognizer_learns_with == "discriminator"
        self.learning_rates = (generator_learning_rate, discriminator_learning_rate)
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        sizes = {"data": data, "image_size": image_size, "image_channels": image_channels}
        self.generator = build_generator(
            upsample=upsample,
            **sizes,
            latent_dim=self.latent_dim,
            filters=generator_filters,
            dense_units=dense_units,
        )
        self.discriminator = build_discriminator(
            **sizes,
            filters=discriminator_filters,
            dense_units=dense_units,
            feature_norm=feature_norm,
        )
        self.recognizer = build_recognizer(
            self.discriminator.output[1].shape[-1], categories, continuous, variance
        )
        self.built = True

    def compile(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        run_eagerly: bool = False,
    ):
        """Makes one Adam for the generator and one for the discriminator; Q is with one of them.

        Args:
            epochs, steps_per_epoch: length of the run; needed where `decay_epochs` is not 0.
            run_eagerly: run each step without a graph, to debug it.
        """

        def adam(learning_rate, variables):
            learning_rate = optimizers.decaying_rate(
                learning_rate, self.decay_epochs, epochs, steps_per_epoch
            )
            optimizer = optimizers.Adam(learning_rate, beta_1=self.beta_1)
            optimizer.build(variables)
            return optimizer

        self.optimizer_generator = adam(self.learning_rates[0], self.generator_variables)
        self.optimizer_discriminator = adam(self.learning_rates[1], self.discriminator_variables)
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """What G's step updates."""
        others = [] if self.with_discriminator else self.recognizer.trainable_variables
        return [*self.generator.trainable_variables, *others]

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """What D's step updates."""
        others = self.recognizer.trainable_variables if self.with_discriminator else []
        return [*self.discriminator.trainable_variables, *others]

    @property
    def judge_network(self) -> keras.Model:
        """The discriminator without the features. Not kept: it would be saved a second time."""
        return keras.Model(self.discriminator.input, self.discriminator.output[0])

    def draw_codes(self, count, seed_of) -> tf.Tensor:
        """Noise and codes in one vector, `(count, latent_dim)` float32.

        Args:
            seed_of: the seed of a stateless draw by the number of the draw, 0 to 2.
        """
        noise = sampling.draw(self.latent, (count, self.noise_dim), seed_of(0))
        category = tf.random.stateless_uniform(
            (count,), seed_of(1), 0, self.categories, dtype=tf.int32
        )
        codes = sampling.draw("uniform", (count, self.continuous), seed_of(2))
        return tf.concat([noise, tf.one_hot(category, self.categories), codes], axis=1)

    def split_codes(self, z) -> tuple:
        """A vector of noise and codes as noise `(n, noise_dim)`, one-hot `(n, categories)` and
        continuous codes `(n, continuous)`.
        """
        middle = self.noise_dim + self.categories
        return z[:, : self.noise_dim], z[:, self.noise_dim : middle], z[:, middle:]

    def sample_latent(self, samples) -> tf.Tensor:
        """Noise and codes of this step, a vector per sample: a function of (seed, step)."""
        step = self.optimizer_generator.iterations
        return self.draw_codes(
            tf.shape(samples)[0], lambda draw: sampling.seed_of(self.seed, draw, step)
        )

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
        """-E[log Q(y|x)] of real images and their labels; nothing where they are not asked for."""
        if not self.supervised:
            return {}
        logits = self.recognizer(real_features, training=True)[0]
        terms = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
        return {"supervised_loss": tf.reduce_mean(terms)}

    def weighted_sum(self, terms: dict[str, tf.Tensor]) -> tf.Tensor:
        """The terms of Q, each times its lambda."""
        return tf.add_n([self.weights_of_terms[name] * value for name, value in terms.items()])

    def train_step(self, batch):
        """One step of D, then one of G against the updated D; Q learns with one of them.

        Args:
            batch: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`;
                with `supervised` also their labels, `(batch, categories)` float32, one-hot.
        """
        images, labels = batch if self.supervised else (batch, None)
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

    def draw_latents(self, count: int, seed: int = 0) -> np.ndarray:
        """Fixed noise and codes outside training, `(count, latent_dim)` float32."""
        # Steps count from 0 on.
        return self.draw_codes(count, lambda draw: tf.constant([seed, -1 - draw])).numpy()

    def recognize(self, samples) -> tuple[np.ndarray, np.ndarray]:
        """What Q reads from samples: probabilities `(n, categories)` and means `(n,
        continuous)`.
        """

        def read(chunk):
            logits, mean, *_ = self.recognizer(
                self.discriminator(chunk, training=False)[1], training=False
            )
            return tf.concat([tf.nn.softmax(logits), mean], axis=1)

        return tuple(np.split(self._in_chunks(read, samples), [self.categories], axis=1))

    def preview(self, batch: tuple[np.ndarray, ...] | np.ndarray) -> list:
        """Rows of a sample grid: a category in each, and the same noise and continuous codes down
        each column; of points as `preview_points`.
        """
        if self.data == "points":
            return self.preview_points(batch)
        noise, _, codes = self.split_codes(self.draw_latents(sampling.GRID))
        rows = np.eye(min(self.categories, sampling.ROWS), self.categories, dtype=np.float32)
        return [
            list(
                self.generate(
                    np.concatenate([noise, np.repeat(row[None], len(noise), 0), codes], 1)
                )
            )
            for row in rows
        ]


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(InfoGAN.__init__, settings)
    check_range(settings, ("point_scale",), 1e-6)
    counts = ("image_channels", "noise_dim", "categories", "continuous", "dense_units")
    check_range(settings, (*counts, "generator_filters", "discriminator_filters"), 1)
    weights = ("lambda_categorical", "lambda_continuous", "lambda_supervised")
    rates = ("generator_learning_rate", "discriminator_learning_rate")
    check_range(settings, (*weights, *rates, "decay_epochs", "label_dim"), 0)
    check_range(settings, ("beta_1",), 0, below=1)
    if settings["data"] == "images":
        synthesis.doublings(settings["image_size"])
    if settings["supervised"] and settings["label_dim"] != settings["categories"]:
        raise ValueError(
            f"`categories` must be the {settings['label_dim']} classes of the data with "
            f"`supervised`. Received: {settings['categories']}"
        )
