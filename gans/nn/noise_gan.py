"""What all GANs that start from noise do outside of training: fixed latents, samples, judgements,
sample grids, warnings. No loss and no step is here.
"""

import math

import keras
import numpy as np
import scipy.special
import tensorflow as tf

from gans.nn.dcgan_networks import pooled_fields
from gans.nn.model import GANModel
from gans.nn.random import draw, seed_of

GRID = 8  # Rows and columns of a sample grid.
ROWS = 16  # Rows at most of a grid with a label each.
POINTS = 2500  # Samples of a picture of points, PacGAN's number.


class NoiseGAN(GANModel):
    """Samples from noise, and of labels where the GAN takes some.

    A GAN that derives from this has `generator`, and `discriminator` or `critic`. Its settings are
    `NoiseSettings`; they may have `label_dim`, `packing` and `label_smoothing`.
    """

    @property
    def label_dim(self) -> int:
        """Length of a label; 0 of a GAN that takes none."""
        return getattr(self.settings, "label_dim", 0)

    @property
    def packing(self) -> int:
        """Samples that the discriminator judges together."""
        return getattr(self.settings, "packing", 1)

    @property
    def discriminating_network(self) -> keras.Model:
        """The discriminator, or the critic."""
        return self.discriminator if hasattr(self, "discriminator") else self.critic

    def sample_latent(self, samples, stream: int = 0) -> tf.Tensor:
        """The noise of this step, one z per sample: a function of (seed, stream, step)."""
        s = self.settings
        seed = seed_of(s.seed, stream, self.step)
        return draw(s.latent, (tf.shape(samples)[0], s.latent_dim), seed)

    def draw_latents(self, count: int, seed: int = 0) -> np.ndarray:
        """Fixed noise outside training, `(count, latent_dim)` float32: a function of the seed.

        The first n of more are the n of fewer.
        """
        # Steps count from 0 on.
        return draw(
            self.settings.latent, (count, self.settings.latent_dim), tf.constant([seed, -1])
        ).numpy()

    def generate(self, z, labels=None) -> np.ndarray:
        """Samples of noise `(n, latent_dim)`, and of labels `(n, label_dim)` where there are some.

        Returns images `(n, image_size, image_size, channels)` in [-1, 1], or points `(n, 2)` in the
        units of the data, `point_scale` times what the generator makes.
        Batch normalisation takes its moving statistics: a sample does not depend on its company.
        """
        values = (z,) if labels is None else (z, labels)
        samples = self.in_chunks(
            lambda *chunk: self.generator(chunk if len(chunk) > 1 else chunk[0], training=False),
            *values,
        )
        return (
            samples * np.float32(self.settings.point_scale)
            if self.settings.data == "points"
            else samples
        )

    def score(self, samples, labels=None) -> np.ndarray:
        """The discriminator's logits, or the critic's values, `(n,)`, of what `generate` gives.

        With packing, of packs that hold a sample several times.
        """

        def values(*chunk):
            chunk = [tf.repeat(value, self.packing, axis=0) for value in chunk]
            chunk = chunk if len(chunk) > 1 else chunk[0]
            return self.discriminating_network(chunk, training=False)[:, 0]

        if self.settings.data == "points":
            samples = np.asarray(samples, np.float32) / np.float32(self.settings.point_scale)
        return self.in_chunks(values, *((samples,) if labels is None else (samples, labels)))

    def features(self, images) -> np.ndarray:
        """What the linear classifiers of DCGAN's paper see (section 5.1), `(n, features)`: the maps
        of all convolutions of the discriminator, the largest value in each of 4x4 fields.

        Args:
            images: `(n, image_size, image_size, image_channels)` in [-1, 1].

        Raises `ValueError` for a discriminator without these convolutions, or with a label.
        """
        network = self.discriminating_network
        maps = [layer.output for layer in network.layers if layer.name.startswith("features_")]
        if not maps or len(network.inputs) > 1:
            raise ValueError(
                "expected a discriminator as that of DCGAN, of images alone. "
                f"Received: that of {self.name} on {self.settings.data}"
            )
        trunk = keras.Model(network.input, maps)

        def pooled(chunk):
            # Of a pack, the sample repeated.
            maps = trunk(tf.repeat(chunk, self.packing, axis=0), training=False)
            return tf.concat([pooled_fields(x, 4) for x in tf.nest.flatten(maps)], axis=-1)

        return self.in_chunks(pooled, images)

    def preview(self, batch: tuple[np.ndarray, ...] | np.ndarray) -> list:
        """Rows of a sample grid at fixed latents; of points as `preview_points`, of the raster that
        `batch` is.
        """
        if self.settings.data == "points":
            return self.preview_points(batch)
        images = self.generate(self.draw_latents(GRID * GRID))
        return [list(row) for row in np.split(images, GRID)]

    def preview_points(self, raster: np.ndarray) -> list[np.ndarray]:
        """2500 samples `(n, 2)`, of all labels in turn, and judgements `(m,)` of the raster
        `(m, 2)`: of several labels the highest, real as any.
        """
        z = self.draw_latents(POINTS)
        if not self.label_dim:
            return [self.generate(z), self.score(raster)]
        classes = np.eye(self.label_dim, dtype=np.float32)
        scores = [self.score(raster, np.repeat(row[None], len(raster), 0)) for row in classes]
        labels = np.resize(classes, (len(z), self.label_dim))
        return [self.generate(z, labels), np.max(scores, axis=0)]

    def diagnose(self, losses: dict[str, float], rows: list) -> list[str]:
        """Sentences about what all GANs are prone to: a discriminator that has won, samples that
        are all the same; none while all is well.

        Args:
            losses: of the last step.
            rows: from `preview`; images of a row differ in their noise, and in it alone.
        """
        warnings = []
        if self.optimizer_generator.iterations < 500:
            return warnings  # Nothing is learned yet.
        d_loss = losses.get("d_loss", math.inf)
        # With smoothed targets the loss does not fall below their entropy.
        smoothing = getattr(self.settings, "label_smoothing", 0.0)
        if d_loss - np.sum(scipy.special.entr((smoothing, 1.0 - smoothing))) < 0.02:
            warnings.append(
                f"the discriminator's loss is {d_loss:.4f}: it tells real from fake at once, and "
                "its gradient leads the generator nowhere. If that lasts, make the discriminator "
                "narrower, lower learning_rate, or train WGAN-GP"
            )
        if self.settings.data == "points":
            # Labels are in turn.
            labels = self.label_dim or 1
            rows = [rows[0][label::labels] for label in range(labels)]
        rows = [np.stack(row) for row in rows if len(row) > 1]
        spread = float(np.mean([np.std(row, axis=0).mean() for row in rows])) if rows else math.inf
        if spread < 0.01:
            warnings.append(
                f"the samples differ by {spread:.4f} on average: the generator makes one picture "
                "of all noise. If that lasts, lower learning_rate, or train DCGAN with packing, "
                "or WGAN-GP"
            )
        return warnings
