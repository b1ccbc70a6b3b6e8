"""Matching-aware conditional GAN: from noise and one label or several, a sample that matches all.

Paper: Reed et al. 2016, "Generative Adversarial Text to Image Synthesis", arXiv:1605.05396, section
4.2 (GAN-CLS). Official code: reedscot/icml2016. Article: "Anime characters with a cGAN", whose code
the preset `article` follows.

    python scripts/train_matching_cgan.py    # toy fashion by colour and kind, minutes on 2 cores
    python scripts/train_matching_cgan.py --data_dir=data/anime_faces    # images and tags.csv

For a long time a plain conditional D can decide by the picture alone: each of its fakes comes with
the tags it was made for. Here D also gets real pictures with tags that are not theirs, and has to
reject them, so that it must look at the tags from the first step on:

    d_loss = real_matched_loss                      -E[log D(x, t)]
           + lambda_fake fake_matched_loss          -E[log(1 - D(G(z, t), t))]
           + lambda_mismatched mismatched_loss      -E[log(1 - D(x, t'))],  t' of another sample

and G minimises -E[log D(G(z, t), t)]; nats, means over the samples that a term is about. Tags are
multi-hot. t' is drawn among the tags of the batch that differ from t; a sample without any has no
such term. A sample without tags (all zeros, `--use_unlabelled`) is a real one that matches nothing:
it has the third term only, and its fake is made for the tags of another.

Differences from the paper
- `article`: the three terms count alike; tags enter D as a plane that a dense layer draws beside
  the image. Its listing feeds D generated pictures for the third term where its text and the paper
  say real ones, which it gets here, and draws t' from all tags, also where they are the same. It
  does not say the length of z, the batch, the numbers of Adam and the epochs: those of DCGAN here.
- `paper`: for tags instead of sentences, so without the text encoder and its layer; DCGAN's
  networks, without the residual blocks at 4x4 and 8x8. The tags are replicated over the last map of
  D, with a 1x1 convolution after it. The rate stays; the official code halves it every 100 epochs.
  Biases of convolutions are not set to 0 before each update, as they are there.
- G learns from the D that was just updated, on the same noise.
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import dcgan_networks, losses, networks, noise_gan, optimizers
from gans.nn.initializers import normal
from gans.nn.layers import Conv2D, TileLatent, keeping_statistics, normalization
from gans.nn.random import seed_of
from gans.nn.settings import AdamSettings, ConvolutionalSettings, LatentSettings, setting

CAN = {
    "starts_from": "noise",
    "labels": "many",
    "shows": ("samples", "interpolate", "arithmetic", "filters"),
    "toy_labels": ("hue", "kind"),
}


@dataclass(frozen=True, kw_only=True)
class Settings(AdamSettings, LatentSettings, ConvolutionalSettings):
    """The defaults are the numbers of the paper."""

    image_size: int = 96
    label_dim: int = setting(23, "Number of tags; the training takes that of the data.", least=1)
    network: Literal["dcgan", "article"] = setting(
        "dcgan", "Of images; that of the article has 69 M weights at 96x96 with 23 tags."
    )
    tags_enter: Literal["replicated", "plane"] = setting(
        "replicated",
        "How tags enter the discriminator of images: replicated over its last map (the paper), or "
        "as a plane that a dense layer draws beside the image (the article).",
    )
    discriminator_filters: int = setting(64, "Those of the discriminator's first layer.", least=1)
    lambda_fake: float = setting(0.5, "Weight of D's loss on generated samples.", least=0)
    lambda_mismatched: float = setting(
        0.5, "Weight of D's loss on real samples with the tags of others.", least=0
    )
    label_smoothing: float = setting(0.0, "1 minus the target of real samples.", least=0, below=1)

    @property
    def is_convolutional(self) -> bool:
        return self.data == "images" and self.network == "dcgan"

    def check(self):
        super().check()
        if self.data == "images" and self.image_size < 4:
            raise ValueError(f"`image_size` must be at least 4. Received: {self.image_size}")


def build_generator(s: Settings) -> keras.Model:
    """The generator: of noise and tags an image, or a point.

    `[(batch, latent_dim), (batch, label_dim)]` to `(batch, image_size, image_size, image_channels)`
    in [-1, 1], or to `(batch, 2)`.
    """
    z = layers.Input((s.latent_dim,), name="z")
    tags = layers.Input((s.label_dim,), name="tags")
    x = layers.Concatenate()([z, tags])
    if s.data == "points":
        x = dcgan_networks.mlp(x, (s.generator_filters,) * 3, norm="batch", normalize_first=False)
        sample = dcgan_networks.points_of(x)
    elif s.network == "article":
        # A map of twice the size, and convolutions that bring it down. Biases as in the listing.
        x = layers.Dense(15 * (2 * s.image_size) ** 2)(x)
        x = layers.Reshape((2 * s.image_size, 2 * s.image_size, 15))(x)
        x = layers.ReLU()(normalization("batch")(x))
        for channels in (50, 25):
            x = Conv2D(channels, 3, padding=1, normalized=True)(x)
            x = layers.ReLU()(normalization("batch")(x))
        x = Conv2D(s.image_channels, 2, strides=2)(x)
        sample = layers.Activation("tanh", dtype=keras.config.floatx(), name="image")(x)
    else:
        sample = dcgan_networks.generator(x, s)
    return keras.Model([z, tags], sample, name="generator")


def build_discriminator(s: Settings) -> keras.Model:
    """The discriminator: of a sample and tags, the logit of its being a real one with these tags.

    `[(batch, image_size, image_size, image_channels) in [-1, 1] or (batch, 2), (batch, label_dim)]`
    to `(batch, 1)`.
    """
    sample = layers.Input(s.sample_shape, name="sample")
    tags = layers.Input((s.label_dim,), name="tags")
    if s.data == "points":
        x = dcgan_networks.mlp(
            layers.Concatenate()([sample, tags]),
            (s.discriminator_filters,) * 3,
            activation="leaky_relu",
        )
        return keras.Model([sample, tags], dcgan_networks.score(x), name="discriminator")
    x = sample
    if s.tags_enter == "plane":
        plane = layers.Dense(s.image_size**2)(tags)
        x = layers.Concatenate()([x, layers.Reshape((s.image_size, s.image_size, 1))(plane)])
    if s.network == "article":
        for channels, stride in ((32, 2), (64, 3)):
            x = networks.leaky_relu(Conv2D(channels, 5, padding=2)(x))
            x = layers.AveragePooling2D(2, stride)(x)
    else:
        x = dcgan_networks.features(x, filters=s.discriminator_filters)
    if s.tags_enter == "replicated":
        # 6x6 at 96x96 (section 4.1, there 4x4 at 64x64).
        x = Conv2D(x.shape[-1], 1, use_bias=False, kernel_initializer=normal())(
            TileLatent()([x, tags])
        )
        x = networks.leaky_relu(normalization("batch")(x))
    if s.network == "article":
        x = networks.leaky_relu(layers.Dense(1024)(layers.Flatten()(x)))
    return keras.Model([sample, tags], dcgan_networks.score(x), name="discriminator")


class MatchingCGAN(noise_gan.NoiseGAN):
    """Generator and discriminator, trained in turn."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        self.generator = build_generator(self.settings)
        self.discriminator = build_discriminator(self.settings)
        self.built = True

    def train_step(self, batch):
        """One update of D on its three terms, then one of G against the updated D.

        Args:
            batch: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`,
                and their tags, `(batch, label_dim)` float32, multi-hot; all zeros: unknown.
        """
        s = self.settings
        images, tags = batch
        z = self.sample_latent(images)
        other_tags, has_others = self.mismatch(tags, self.sample_order(images))
        tagged = tf.reduce_any(tags > 0, axis=-1)
        tags_or_others = tf.where(tagged[:, tf.newaxis], tags, other_tags)
        tagged = tf.cast(tagged, keras.config.floatx())
        has_fake = tf.maximum(tagged, has_others)
        with tf.GradientTape() as tape_g:
            fakes = self.generator([z, tags_or_others], training=True)

        with tf.GradientTape() as tape_d:
            real_matched_loss = losses.weighted_cross_entropy(
                self.discriminator([images, tags], training=True),
                1.0 - s.label_smoothing,
                tagged,
            )
            fake_matched_loss = losses.weighted_cross_entropy(
                self.discriminator([fakes, tags_or_others], training=True), 0.0, has_fake
            )
            mismatched_loss = losses.weighted_cross_entropy(
                self.discriminator([images, other_tags], training=True), 0.0, has_others
            )
            d_loss = (
                real_matched_loss
                + s.lambda_fake * fake_matched_loss
                + s.lambda_mismatched * mismatched_loss
            )
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g, keeping_statistics(self.discriminator):
            g_loss = losses.weighted_cross_entropy(
                self.discriminator([fakes, tags_or_others], training=True), 1.0, has_fake
            )
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {
            "d_loss": d_loss,
            "real_matched_loss": real_matched_loss,
            "fake_matched_loss": fake_matched_loss,
            "mismatched_loss": mismatched_loss,
            "g_loss": g_loss,
        }

    def sample_order(self, samples) -> tf.Tensor:
        """Uniform numbers `(batch, batch)` that order the candidates for the tags of others: a
        function of (seed, step).
        """
        seed = seed_of(self.settings.seed, 1, self.step)
        count = tf.shape(samples)[0]
        return tf.random.stateless_uniform([count, count], seed)

    def mismatch(self, tags, order) -> tuple[tf.Tensor, tf.Tensor]:
        """For each sample the tags of another that differ from its own, and 1, or 0 where the batch
        has none.

        Args:
            tags: `(batch, label_dim)`; samples of zeros only have no tags, and lend none.
            order: `(batch, batch)`; of the candidates of row i the one with the largest is taken.
        """
        differ = tf.reduce_any(tags[:, tf.newaxis] != tags[tf.newaxis], axis=-1)
        candidates = differ & tf.reduce_any(tags > 0, axis=-1)[tf.newaxis]
        chosen = tf.argmax(tf.where(candidates, order, -1.0), axis=1)
        return tf.gather(tags, chosen), tf.cast(
            tf.reduce_any(candidates, axis=1), keras.config.floatx()
        )

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        adam = optimizers.adam(self.settings, epochs, steps_per_epoch)
        super().compile(
            optimizer_generator=adam(self.generator),
            optimizer_discriminator=adam(self.discriminator),
            run_eagerly=run_eagerly,
        )

    def preview(self, batch: tuple[np.ndarray, ...] | np.ndarray) -> list:
        """Rows of a sample grid: a real image, then what is drawn of its tags with the same noise
        down each column; of points as `preview_points`, with one tag each, in turn.

        Args:
            batch: images and their tags.
        """
        if self.settings.data == "points":
            return self.preview_points(batch)
        images, tags = map(np.asarray, batch)
        # G never gets empty tags: an image without any shows nothing.
        tagged = np.flatnonzero(np.any(tags > 0, axis=1))[: noise_gan.GRID]
        images, tags = images[tagged], tags[tagged]
        z = self.draw_latents(noise_gan.GRID - 1)
        drawn = [self.generate(z, np.repeat(row[None], len(z), 0)) for row in tags]
        return [[image, *row] for image, row in zip(images, drawn, strict=True)]

    def diagnose(self, losses: dict[str, float], rows: list) -> list[str]:
        """As of all that begin with noise, of the drawn images of the rows."""
        if self.settings.data == "images":
            rows = [drawn for _, *drawn in rows]
        return super().diagnose(losses, rows)


PRESETS = {
    "toy": {
        "image_size": 64,
        "generator_filters": 24,
        "discriminator_filters": 24,
        "learning_rate": 5e-4,
        "decay_epochs": 100,
    },
    "article": {
        "network": "article",
        "tags_enter": "plane",
        "lambda_fake": 1.0,
        "lambda_mismatched": 1.0,
    },
    "paper": {"generator_filters": 128},
    "mnist": {
        "image_size": 28,
        "image_channels": 1,
        "generator_filters": 32,
        "discriminator_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 3,
    },
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_filters": 256,
        "discriminator_filters": 256,
        "learning_rate": 1e-3,
        "decay_epochs": 20,
    },
}
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    "article": {"batch_size": 64, "epochs": 200},
    "paper": {"batch_size": 64, "epochs": 600},
    "mnist": {"batch_size": 64, "epochs": 6},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}
