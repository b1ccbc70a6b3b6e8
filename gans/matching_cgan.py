"""Matching-aware conditional GAN: of noise and one label or several, a sample that matches all.

Paper: Reed et al. 2016, "Generative Adversarial Text to Image Synthesis", arXiv:1605.05396, section
4.2 (GAN-CLS). Official code: reedscot/icml2016. Article: "Anime characters with a cGAN", whose code
the preset `article` follows.

    python scripts/train_matching_cgan.py    # toy fashion by colour and kind, minutes on 2 cores
    python scripts/train_matching_cgan.py --data_dir=data/anime_faces    # images and tags.csv
    python scripts/generate.py --run_dir=runs/matching_cgan --output=out --tags "red, tote"

A plain conditional D could give its answer by the picture alone for long: all its fakes come with
tags that they were made for. Here it also gets real pictures with tags that are not theirs, and has
to call them wrong, so that it must look at the tags from the first step on.

    d_loss = real_matched_loss                      -E[log D(x, t)]
           + lambda_fake fake_matched_loss          -E[log(1 - D(G(z, t), t))]
           + lambda_mismatched mismatched_loss      -E[log(1 - D(x, t'))],  t' of another sample

and G minimises -E[log D(G(z, t), t)]; nats, means over the samples that a term is about. Tags are
multi-hot. t' is drawn among the tags of the batch that differ from t; a sample of which there are
none has no such term. A sample without tags (all zeros, `--use_unlabelled`) is a real one that
matches nothing: it has the third term only, and its fake is made for the tags of another.

What to expect. The tags asked for are those that are drawn, first the colours of large areas.

Differences from the paper
- `article`: the three terms count alike; tags enter D as a plane that a dense layer draws beside
  the image. Its listing feeds D generated pictures for the third term where its text, and the
  paper, say real ones: real ones here. It draws t' from all tags, also where they are the same.
  The length of z, batch, Adam's numbers and the epochs it does not say: those of DCGAN here.
- `paper`: for tags instead of sentences, so without the text encoder and its layer; DCGAN's
  networks, without the residual blocks at 4x4 and 8x8. The tags are replicated over D's last map,
  with a 1x1 convolution after it. The rate stays; the official code halves it every 100 epochs.
  Nor are the biases of convolutions set to 0 before each update, as there.
- G learns against the D that was just updated, on the same noise.
"""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import initializers, losses, networks, optimizers, sampling, synthesis
from gans.nn.layers import Conv2D, TileLatent, keeping_statistics, normalization
from gans.nn.settings import check_choices, check_range

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
    # The constructor's defaults are the paper's numbers.
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

# What the training script takes where no flag says otherwise.
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    "article": {"batch_size": 64, "epochs": 200},
    "paper": {"batch_size": 64, "epochs": 600},
    "mnist": {"batch_size": 64, "epochs": 6},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}


def build_generator(
    data: Literal["images", "points"] = "images",
    image_size: int = 96,
    image_channels: int = 3,
    latent_dim: int = 100,
    label_dim: int = 23,
    network: Literal["dcgan", "article"] = "dcgan",
    filters: int = 64,
    upsample: Literal["transpose", "resize"] = "transpose",
) -> keras.Model:
    """The generator: of noise and tags an image, or a point.

    `[(batch, latent_dim), (batch, label_dim)]` to `(batch, image_size, image_size, image_channels)`
    in [-1, 1], or to `(batch, 2)`.
    """
    z = layers.Input((latent_dim,), name="z")
    tags = layers.Input((label_dim,), name="tags")
    x = layers.Concatenate()([z, tags])
    if data == "points":
        x = synthesis.mlp(x, (filters,) * 3, norm="batch", normalize_first=False)
        sample = synthesis.points_of(x)
    elif network == "article":
        # A map of twice the size, and convolutions that bring it down. Biases as in the listing.
        x = layers.Dense(15 * (2 * image_size) ** 2)(x)
        x = layers.Reshape((2 * image_size, 2 * image_size, 15))(x)
        x = layers.ReLU()(normalization("batch")(x))
        for channels in (50, 25):
            x = Conv2D(channels, 3, padding=1, normalized=True)(x)
            x = layers.ReLU()(normalization("batch")(x))
        x = Conv2D(image_channels, 2, strides=2)(x)
        sample = layers.Activation("tanh", dtype="float32", name="image")(x)
    else:
        sample = synthesis.dcgan_generator(
            x,
            image_size=image_size,
            filters=filters,
            output_channels=image_channels,
            upsample=upsample,
        )
    return keras.Model([z, tags], sample, name="generator")


def build_discriminator(
    data: Literal["images", "points"] = "images",
    image_size: int = 96,
    image_channels: int = 3,
    label_dim: int = 23,
    network: Literal["dcgan", "article"] = "dcgan",
    tags_enter: Literal["replicated", "plane"] = "replicated",
    filters: int = 64,
) -> keras.Model:
    """The discriminator: of a sample and tags, the logit of its being a real one with these tags.

    `[(batch, image_size, image_size, image_channels) in [-1, 1] or (batch, 2), (batch, label_dim)]`
    to `(batch, 1)`.
    """
    shape = (2,) if data == "points" else (image_size, image_size, image_channels)
    sample = layers.Input(shape, name="sample")
    tags = layers.Input((label_dim,), name="tags")
    if data == "points":
        x = synthesis.mlp(
            layers.Concatenate()([sample, tags]), (filters,) * 3, activation="leaky_relu"
        )
        return keras.Model([sample, tags], synthesis.score(x), name="discriminator")
    x = sample
    if tags_enter == "plane":
        plane = layers.Dense(image_size**2)(tags)
        x = layers.Concatenate()([x, layers.Reshape((image_size, image_size, 1))(plane)])
    if network == "article":
        for channels, stride in ((32, 2), (64, 3)):
            x = networks.leaky_relu(Conv2D(channels, 5, padding=2)(x))
            x = layers.AveragePooling2D(2, stride)(x)
    else:
        x = synthesis.dcgan_features(x, filters=filters)
    if tags_enter == "replicated":
        # 6x6 at 96x96 (section 4.1, there 4x4 at 64x64).
        x = Conv2D(x.shape[-1], 1, use_bias=False, kernel_initializer=initializers.normal())(
            TileLatent()([x, tags])
        )
        x = networks.leaky_relu(normalization("batch")(x))
    if network == "article":
        x = networks.leaky_relu(layers.Dense(1024)(layers.Flatten()(x)))
    return keras.Model([sample, tags], synthesis.score(x), name="discriminator")


class MatchingCGAN(sampling.NoiseGAN):
    """Generator and discriminator, trained in turn.

    Args:
        data: images, or points of the plane.
        point_scale: What points are divided by on their way to the networks, which see numbers of
            about 1; samples are in the units of the data again.
        image_size: Side of the images in pixels: 4 to 7 times a power of two; with the article's
            network any from 4 on.
        image_channels: 3, or 1 for grey.
        latent_dim: Length of the noise z.
        latent: Distribution of z: normal, or uniform in [-1, 1].
        label_dim: Number of tags; the training script takes that of the data.
        network: Of images: dcgan, or article: the article's own, whose generator has a wide first
            layer (69 M weights at 96x96 with 23 tags).
        tags_enter: The discriminator of images: replicated over its last map (the paper), or as a
            plane that a dense layer draws beside the image (the article).
        generator_filters: Of dcgan: channels of the generator's last hidden map, doubled on each
            smaller one; of points, width of its layers.
        discriminator_filters: Channels of the discriminator's first layer, likewise.
        lambda_fake: Weight of the discriminator's loss on generated samples.
        lambda_mismatched: Weight of its loss on real samples with tags of others; 0 is a plain
            conditional GAN.
        label_smoothing: Real samples with their tags are to be judged real with probability 1 minus
            this.
        learning_rate: Of Adam, for both networks.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it.
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
        image_size: int = 96,
        image_channels: int = 3,
        latent_dim: int = 100,
        latent: Literal["normal", "uniform"] = "normal",
        label_dim: int = 23,
        network: Literal["dcgan", "article"] = "dcgan",
        tags_enter: Literal["replicated", "plane"] = "replicated",
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        lambda_fake: float = 0.5,
        lambda_mismatched: float = 0.5,
        label_smoothing: float = 0.0,
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        upsample: Literal["transpose", "resize"] = "transpose",
        seed: int = 0,
    ):
        super().__init__(name="matching_cgan")
        check_settings(locals())
        self.data = data
        self.point_scale = point_scale
        self.image_size = image_size
        self.image_channels = image_channels
        self.latent_dim = latent_dim
        self.latent = latent
        self.label_dim = label_dim
        self.label_smoothing = label_smoothing
        self.lambda_fake = lambda_fake
        self.lambda_mismatched = lambda_mismatched
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        sizes = {"data": data, "image_size": image_size, "image_channels": image_channels}
        sizes |= {"label_dim": label_dim, "network": network}
        self.generator = build_generator(
            upsample=upsample, **sizes, latent_dim=latent_dim, filters=generator_filters
        )
        self.discriminator = build_discriminator(
            **sizes, tags_enter=tags_enter, filters=discriminator_filters
        )
        self.built = True

    def compile(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        run_eagerly: bool = False,
    ):
        """Makes one Adam per network.

        Args:
            epochs, steps_per_epoch: length of the run; needed where `decay_epochs` is not 0.
            run_eagerly: run each step without a graph, to debug it.
        """
        learning_rate = optimizers.decaying_rate(
            self.learning_rate, self.decay_epochs, epochs, steps_per_epoch
        )

        def adam(network):
            optimizer = optimizers.Adam(learning_rate, beta_1=self.beta_1)
            optimizer.build(network.trainable_variables)
            return optimizer

        self.optimizer_generator = adam(self.generator)
        self.optimizer_discriminator = adam(self.discriminator)
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    def sample_latent(self, samples) -> tf.Tensor:
        """The noise of this step, one z per sample: a function of (seed, step)."""
        seed = sampling.seed_of(self.seed, 0, self.optimizer_generator.iterations)
        return sampling.draw(self.latent, (tf.shape(samples)[0], self.latent_dim), seed)

    def sample_order(self, samples) -> tf.Tensor:
        """Uniform numbers `(batch, batch)` that order the candidates for the tags of others: a
        function of (seed, step).
        """
        seed = sampling.seed_of(self.seed, 1, self.optimizer_generator.iterations)
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
        return tf.gather(tags, chosen), tf.cast(tf.reduce_any(candidates, axis=1), tf.float32)

    def train_step(self, batch):
        """One step of D on its three terms, then one of G against the updated D.

        Args:
            batch: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`,
                and their tags, `(batch, label_dim)` float32, multi-hot; all zeros: unknown.
        """
        images, tags = batch
        z = self.sample_latent(images)
        other_tags, has_others = self.mismatch(tags, self.sample_order(images))
        tagged = tf.reduce_any(tags > 0, axis=-1)
        tags_or_others = tf.where(tagged[:, tf.newaxis], tags, other_tags)
        tagged = tf.cast(tagged, tf.float32)
        asked = tf.maximum(tagged, has_others)
        with tf.GradientTape() as tape_g:
            fakes = self.generator([z, tags_or_others], training=True)

        with tf.GradientTape() as tape_d:
            real_matched_loss = losses.weighted_cross_entropy(
                self.discriminator([images, tags], training=True),
                1.0 - self.label_smoothing,
                tagged,
            )
            fake_matched_loss = losses.weighted_cross_entropy(
                self.discriminator([fakes, tags_or_others], training=True), 0.0, asked
            )
            mismatched_loss = losses.weighted_cross_entropy(
                self.discriminator([images, other_tags], training=True), 0.0, has_others
            )
            d_loss = (
                real_matched_loss
                + self.lambda_fake * fake_matched_loss
                + self.lambda_mismatched * mismatched_loss
            )
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g, keeping_statistics(self.discriminator):
            g_loss = losses.weighted_cross_entropy(
                self.discriminator([fakes, tags_or_others], training=True), 1.0, asked
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

    def preview(self, batch: tuple[np.ndarray, ...] | np.ndarray) -> list:
        """Rows of a sample grid: a real image, then what is drawn of its tags with the same noise
        down each column; of points as `preview_points`, with one tag each, in turn.

        Args:
            batch: images and their tags.
        """
        if self.data == "points":
            return self.preview_points(batch)
        images, tags = map(np.asarray, batch)
        # G never gets empty tags: an image without any shows nothing.
        tagged = np.flatnonzero(np.any(tags > 0, axis=1))[: sampling.GRID]
        images, tags = images[tagged], tags[tagged]
        z = self.draw_latents(sampling.GRID - 1)
        drawn = [self.generate(z, np.repeat(row[None], len(z), 0)) for row in tags]
        return [[image, *row] for image, row in zip(images, drawn, strict=True)]

    def diagnose(self, losses: dict[str, float], rows: list) -> list[str]:
        """As of all that begin with noise, of the drawn images of the rows."""
        if self.data == "images":
            rows = [drawn for _, *drawn in rows]
        return super().diagnose(losses, rows)


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(MatchingCGAN.__init__, settings)
    check_range(settings, ("point_scale",), 1e-6)
    counts = ("image_size", "image_channels", "latent_dim", "label_dim")
    check_range(settings, (*counts, "generator_filters", "discriminator_filters"), 1)
    weights = ("lambda_fake", "lambda_mismatched", "learning_rate", "decay_epochs")
    check_range(settings, weights, 0)
    check_range(settings, ("label_smoothing", "beta_1"), 0, below=1)
    if settings["data"] == "images" and settings["network"] == "dcgan":
        synthesis.doublings(settings["image_size"])
    elif settings["data"] == "images":
        check_range(settings, ("image_size",), 4)
