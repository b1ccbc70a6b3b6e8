"""DCGAN: the first GAN of convolutions that trained reliably.

Paper: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative
Adversarial Networks", arXiv:1511.06434. Official code: Newmu/dcgan_code. Packing: Lin et al. 2018,
"PacGAN", arXiv:1712.04086. Article: the survey "GAN in depth", chapter DCGAN.

    python scripts/train_dcgan.py    # toy fashion, minutes on 2 cores
    python scripts/train_dcgan.py --dataset=mnist
    python scripts/train_dcgan.py --dataset=grid25 --packing=4 --batch_size=400

The paper's rules: strided convolutions instead of pooling, batch normalisation in both networks but
for G's last and D's first layer, no hidden dense layers, ReLU in G and tanh at its end, leaky ReLU
in D, initial weights N(0, 0.02), Adam with beta_1 0.5.

Losses are those of the first GAN, non-saturating, in nats, means over the batch: D minimises
-E[log D(x)] - E[log(1 - D(G(z)))], G minimises -E[log D(G(z))], D being the sigmoid of its logit.
With a label smoothing s the first term asks for 1 - s instead of 1 (Salimans et al. 2016, section
3.4: real images only, one-sided).

What to expect. d_loss is 2 log 2 = 1.39 where D cannot tell, and falls below as D gets ahead;
g_loss then rises. Neither says how good the pictures are: look at the grid. Samples that repeat
each other are the known failing; `packing` cures it most cheaply.

Differences from the paper
- `article`: kernel 4 and 64 filters, as the ports that people read; z is normal.
- `paper`: the official code's L2 penalty of 1e-5 on the weights is left out.
- All: G learns against the D that was just updated, on the same fakes; the official code gives G
  batches of its own in turn with D's. In G's turn D's moving statistics stay as they are.
- On points of the plane both networks are fully connected: G with the paper's activation, D with
  PacGAN's maxout; with the preset `points` both are PacGAN's.
"""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import initializers, losses, optimizers, sampling, synthesis
from gans.nn.batching import in_chunks
from gans.nn.layers import keeping_statistics
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {
        "generator_filters": 32,
        "discriminator_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 30,
    },
    # The constructor's defaults are the article's numbers.
    "article": {},
    "paper": {
        "generator_filters": 128,
        "discriminator_filters": 128,
        "kernel_size": 5,
        "latent": "uniform",
    },
    "mnist": {"image_size": 28, "image_channels": 1, "decay_epochs": 3},
    # PacGAN's networks, and what lets a discriminator of packs learn in a thirteenth of its 400,000
    # steps: there, both rates are a constant 1e-4, weights 0.02. See scripts/compare_modes.py.
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_filters": 400,
        "discriminator_filters": 200,
        "learning_rate": 3e-4,
        "discriminator_learning_rate": 1e-3,
        "beta_1": 0.8,
        "decay_epochs": 25,
        "init_stddev": 0.1,
    },
}

# What the training script takes where no flag says otherwise.
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 60},
    "article": {"batch_size": 64, "epochs": 25},
    "paper": {"batch_size": 128, "epochs": 25},
    "mnist": {"batch_size": 64, "epochs": 6},
    "points": {"batch_size": 100, "epochs": 30, "steps_per_call": 100},
}


def build_generator(
    data: Literal["images", "points"] = "images",
    image_size: int = 64,
    image_channels: int = 3,
    latent_dim: int = 100,
    filters: int = 64,
    kernel_size: Literal[4, 5] = 4,
    activation: Literal["relu", "leaky_relu"] = "relu",
    init_stddev: float = 0.02,
    upsample: Literal["transpose", "resize"] = "transpose",
) -> keras.Model:
    """The generator: from noise to an image (figure 1), or to a point.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1], or to
    `(batch, 2)`.
    """
    z = layers.Input((latent_dim,), name="z")
    if data == "points":
        options = {
            "norm": "batch",
            "activation": activation,
            "initializer": initializers.normal(init_stddev),
        }
        x = synthesis.mlp(z, (filters,) * 4, **options)
        # The first points are close together, whatever `init_stddev`.
        return keras.Model(z, synthesis.points_of(x), name="generator")
    image = synthesis.dcgan_generator(
        z,
        image_size=image_size,
        filters=filters,
        output_channels=image_channels,
        kernel_size=kernel_size,
        activation=activation,
        init_stddev=init_stddev,
        upsample=upsample,
    )
    return keras.Model(z, image, name="generator")


def build_discriminator(
    data: Literal["images", "points"] = "images",
    image_size: int = 64,
    image_channels: int = 3,
    filters: int = 64,
    kernel_size: Literal[4, 5] = 4,
    packing: int = 1,
    init_stddev: float = 0.02,
) -> keras.Model:
    """The discriminator: from a sample to the logit of its being real.

    `(packing * batch, image_size, image_size, image_channels)` in [-1, 1], or `(packing * batch,
    2)`, to `(batch, 1)`: one judgement for every `packing` samples that follow each other.
    """
    shape = (2,) if data == "points" else (image_size, image_size, image_channels)
    sample = layers.Input(shape, name="sample")
    x = synthesis.Pack(packing)(sample)
    if data == "points":
        # PacGAN's, as its code trains it: the dropout that `pacgan_task.py: create_models` can add
        # is left off there.
        options = {"activation": "maxout", "initializer": initializers.normal(init_stddev)}
        x = synthesis.mlp(x, (filters,) * 3, **options)
    else:
        x = synthesis.dcgan_features(
            x, filters=filters, kernel_size=kernel_size, init_stddev=init_stddev
        )
    logit = synthesis.score(x, initializers.normal(init_stddev))
    return keras.Model(sample, logit, name="discriminator")


class DCGAN(sampling.NoiseGAN):
    """Generator and discriminator, trained in turn.

    Args:
        data: images, or points of the plane.
        point_scale: What points are divided by on their way to the networks, which see numbers of
            about 1; samples are in the units of the data again.
        image_size: Side of the images in pixels: 4 to 7 times a power of two, such as 28, 32, 64,
            96.
        image_channels: 3, or 1 for grey.
        latent_dim: Length of the noise z.
        latent: Distribution of z: normal, or uniform in [-1, 1].
        generator_filters: Channels of the generator's last hidden map, doubled on each smaller one;
            of points, width of its layers.
        discriminator_filters: Channels of the discriminator's first layer, likewise.
        kernel_size: Side of all kernels: 5 (the paper) or 4; of images only.
        generator_activation: Of the generator's hidden layers: relu (the paper), or leaky_relu,
            which the article tries.
        packing: Samples that the discriminator judges together; divides the batch size. 1 is DCGAN,
            2 to 4 are PacGAN.
        label_smoothing: Real samples are to be judged real with probability 1 minus this.
        learning_rate: Of Adam, for both networks.
        discriminator_learning_rate: The discriminator's, where it is another one: the two time
            scales of Heusel et al. 2017, arXiv:1706.08500.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it.
        init_stddev: Deviation of the normal distribution of the initial weights.
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
        image_size: int = 64,
        image_channels: int = 3,
        latent_dim: int = 100,
        latent: Literal["normal", "uniform"] = "normal",
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        kernel_size: Literal[4, 5] = 4,
        generator_activation: Literal["relu", "leaky_relu"] = "relu",
        packing: int = 1,
        label_smoothing: float = 0.0,
        learning_rate: float = 2e-4,
        discriminator_learning_rate: float | None = None,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        init_stddev: float = 0.02,
        upsample: Literal["transpose", "resize"] = "transpose",
        seed: int = 0,
    ):
        super().__init__(name="dcgan")
        check_settings(locals())
        self.data = data
        self.point_scale = point_scale
        self.image_size = image_size
        self.image_channels = image_channels
        self.latent_dim = latent_dim
        self.latent = latent
        self.label_dim = 0
        self.packing = packing
        self.label_smoothing = label_smoothing
        self.learning_rate = learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        sizes = {"data": data, "image_size": image_size, "image_channels": image_channels}
        self.generator = build_generator(
            upsample=upsample,
            **sizes,
            latent_dim=latent_dim,
            filters=generator_filters,
            kernel_size=kernel_size,
            activation=generator_activation,
            init_stddev=init_stddev,
        )
        self.discriminator = build_discriminator(
            **sizes,
            filters=discriminator_filters,
            kernel_size=kernel_size,
            packing=packing,
            init_stddev=init_stddev,
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

        def adam(network, learning_rate):
            rate = optimizers.decaying_rate(
                learning_rate, self.decay_epochs, epochs, steps_per_epoch
            )
            optimizer = optimizers.Adam(rate, beta_1=self.beta_1)
            optimizer.build(network.trainable_variables)
            return optimizer

        rate, rate_d = self.learning_rate, self.discriminator_learning_rate
        self.optimizer_generator = adam(self.generator, rate)
        self.optimizer_discriminator = adam(self.discriminator, rate if rate_d is None else rate_d)
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    def sample_latent(self, samples) -> tf.Tensor:
        """The noise of this step, one z per sample: a function of (seed, step)."""
        seed = sampling.seed_of(self.seed, 0, self.optimizer_generator.iterations)
        return sampling.draw(self.latent, (tf.shape(samples)[0], self.latent_dim), seed)

    def train_step(self, images):
        """One step of D, then one of G against the updated D.

        Args:
            images: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`.
        """
        z = self.sample_latent(images)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)

        # Real and fake go through D apart: a batch normalisation over both would tell them apart.
        with tf.GradientTape() as tape_d:
            real_loss = losses.cross_entropy(
                self.discriminator(images, training=True), 1.0 - self.label_smoothing
            )
            fake_loss = losses.cross_entropy(self.discriminator(fakes, training=True), 0.0)
            d_loss = real_loss + fake_loss
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g, keeping_statistics(self.discriminator):
            g_loss = losses.cross_entropy(self.discriminator(fakes, training=True), 1.0)
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d_loss": d_loss, "real_loss": real_loss, "fake_loss": fake_loss, "g_loss": g_loss}

    def features(self, images) -> np.ndarray:
        """What the paper's linear classifiers see (section 5.1), `(n, features)`: the maps of all
        of the discriminator's layers, the largest value in each of 4x4 fields, in one row.

        Args:
            images: `(n, image_size, image_size, image_channels)` in [-1, 1].

        Raises `ValueError` on points.
        """
        if self.data == "points":
            raise ValueError("expected a GAN of images: that of points has no maps")
        maps = [
            layer.output
            for layer in self.discriminator.layers
            if layer.name.startswith("features_")
        ]
        trunk = keras.Model(self.discriminator.input, maps)

        def pooled(chunk):
            # Of a pack, the sample repeated.
            maps = tf.nest.flatten(trunk(tf.repeat(chunk, self.packing, axis=0), training=False))
            return tf.concat([synthesis.pooled_fields(x, 4) for x in maps], axis=-1)

        return in_chunks(pooled, images, image_size=self.image_size)


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(DCGAN.__init__, settings)
    check_range(settings, ("point_scale",), 1e-6)
    counts = ("image_channels", "latent_dim", "generator_filters", "discriminator_filters")
    check_range(settings, (*counts, "packing"), 1)
    check_range(settings, ("learning_rate", "decay_epochs", "init_stddev"), 0)
    if settings["discriminator_learning_rate"] is not None:
        check_range(settings, ("discriminator_learning_rate",), 0)
    check_range(settings, ("label_smoothing", "beta_1"), 0, below=1)
    if settings["data"] == "images":
        synthesis.doublings(settings["image_size"])
