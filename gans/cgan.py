"""Conditional GAN: of noise and a label, a sample of that label.

Paper: Mirza & Osindero 2014, "Conditional Generative Adversarial Nets", arXiv:1411.1784. Labels at
every convolution: mnist/train_cond_dcgan.py of Newmu/dcgan_code. Article: the survey "GAN in
depth", chapter Conditional GAN, whose listing the preset `article` follows.

    python scripts/train_cgan.py    # toy fashion by colour, minutes on 2 cores
    python scripts/train_cgan.py --dataset=mnist
    python scripts/train_cgan.py --dataset=ring8
    python scripts/generate.py --run_dir=runs/cgan --output=out --classes=red,blue

Both networks get the label, one-hot: D no longer asks whether a sample is real, but whether it is a
real sample of this label (equation 2). In fully connected networks the label is concatenated to the
vector; in convolutions class c is a plane, channel c, that is 1 all over and 0 in the others.

D minimises -E[log D(x|y)] - E[log(1 - D(G(z|y)|y))], G minimises -E[log D(G(z|y)|y)]; nats, means
over the batch. Fakes are made of the labels of the real batch, so they are as frequent. With a
label smoothing s, D is asked for 1 - s instead of 1 on real samples.

What to expect. The label asked for is the one that is drawn; within a label samples differ by z.

Differences from the paper
- `article`: Adam with the learning rate and beta_1 of DCGAN, and its initial weights; the listing
  does not say. Its D keeps the logit, whose sigmoid is in the loss.
- `paper`: images in [-1, 1] and tanh, not [0, 1] and sigmoid; z in [-1, 1], not in the unit
  hypercube; initial weights N(0, 0.02). Over how many updates the momentum grows it does not say.
- `toy` and `mnist`: DCGAN's networks, with the label at every layer.
- G learns against the D that was just updated, on the same noise and labels.
"""

from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import losses, optimizers, sampling, synthesis
from gans.nn.layers import keeping_statistics
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {
        "image_size": 64,
        "image_channels": 3,
        "network": "convolutional",
        "generator_filters": 24,
        "discriminator_filters": 24,
        "learning_rate": 5e-4,
        "decay_epochs": 100,
    },
    # The constructor's defaults are the article's numbers.
    "article": {},
    "paper": {
        "network": "paper",
        "latent": "uniform",
        "dropout": 0.5,
        "optimizer": "sgd",
        "learning_rate": 0.1,
    },
    "mnist": {
        "network": "convolutional",
        "generator_filters": 32,
        "discriminator_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 5,
    },
    "points": {"data": "points", "latent_dim": 2, "learning_rate": 1e-3, "decay_epochs": 20},
}

# What the training script takes where no flag says otherwise.
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    "article": {"batch_size": 64, "epochs": 50},
    "paper": {"batch_size": 100, "epochs": 500},
    "mnist": {"batch_size": 64, "epochs": 10},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}


def build_generator(
    data: Literal["images", "points"] = "images",
    image_size: int = 28,
    image_channels: int = 1,
    latent_dim: int = 100,
    label_dim: int = 10,
    network: Literal["mlp", "paper", "convolutional"] = "mlp",
    filters: int = 64,
    dropout: float = 0.0,
    upsample: Literal["transpose", "resize"] = "transpose",
) -> keras.Model:
    """The generator: of noise and a label an image, or a point.

    `[(batch, latent_dim), (batch, label_dim)]` to `(batch, image_size, image_size, image_channels)`
    in [-1, 1], or to `(batch, 2)`.
    """
    z = layers.Input((latent_dim,), name="z")
    label = layers.Input((label_dim,), name="label")
    if network == "convolutional":
        sample = synthesis.dcgan_generator(
            z,
            label=label,
            image_size=image_size,
            filters=filters,
            output_channels=image_channels,
            upsample=upsample,
        )
        return keras.Model([z, label], sample, name="generator")
    if network == "paper":
        # Section 4.1: each input has a layer of its own before they meet.
        x = synthesis.mlp(z, (200,), dropout=dropout)
        y = synthesis.mlp(label, (1000,), dropout=dropout)
        x = synthesis.mlp(layers.Concatenate()([x, y]), (1200,), dropout=dropout)
    else:
        x = layers.Concatenate()([z, label])
        x = synthesis.mlp(
            x,
            (128, 256, 512, 1024),
            norm="batch",
            normalize_first=False,
            activation="leaky_relu",
        )
    if data == "points":
        return keras.Model([z, label], synthesis.points_of(x), name="generator")
    image = synthesis.images_of(x, image_size, image_channels)
    return keras.Model([z, label], image, name="generator")


def build_discriminator(
    data: Literal["images", "points"] = "images",
    image_size: int = 28,
    image_channels: int = 1,
    label_dim: int = 10,
    network: Literal["mlp", "paper", "convolutional"] = "mlp",
    filters: int = 64,
    dropout: float = 0.0,
) -> keras.Model:
    """The discriminator: of a sample and a label, the logit of its being a real one of that label.

    `[(batch, image_size, image_size, image_channels) in [-1, 1] or (batch, 2), (batch, label_dim)]`
    to `(batch, 1)`.
    """
    shape = (2,) if data == "points" else (image_size, image_size, image_channels)
    sample = layers.Input(shape, name="sample")
    label = layers.Input((label_dim,), name="label")
    if network == "convolutional":
        x = synthesis.dcgan_features(sample, label=label, filters=filters)
        x = layers.Concatenate()([layers.Flatten()(x), label])
    elif network == "paper":
        options = {"activation": "maxout", "dropout": dropout}
        x = synthesis.mlp(layers.Flatten()(sample), (240,), pieces=5, **options)
        y = synthesis.mlp(label, (50,), pieces=5, **options)
        x = synthesis.mlp(layers.Concatenate()([x, y]), (240,), pieces=4, **options)
    else:
        x = layers.Concatenate()([layers.Flatten()(sample), label])
        x = synthesis.mlp(x, (512, 256), activation="leaky_relu", dropout=dropout)
    return keras.Model([sample, label], synthesis.score(x), name="discriminator")


class CGAN(sampling.NoiseGAN):
    """Generator and discriminator, trained in turn.

    Args:
        data: images, or points of the plane.
        point_scale: What points are divided by on their way to the networks, which see numbers of
            about 1; samples are in the units of the data again.
        image_size: Side of the images in pixels; for convolutions 4 to 7 times a power of two.
        image_channels: 3, or 1 for grey.
        latent_dim: Length of the noise z.
        latent: Distribution of z: normal, or uniform in [-1, 1].
        label_dim: Number of classes; the training script takes that of the data.
        network: mlp (the article), paper (its fully connected networks, where noise, image and
            label each have a layer of their own first), or convolutional (DCGAN's, images only).
        generator_filters: Of convolutions only: channels of the generator's last hidden map,
            doubled on each smaller one.
        discriminator_filters: Of convolutions only: channels of the discriminator's first layer,
            doubled on each smaller map.
        dropout: Rate in the discriminator's hidden layers, and with network=paper in the
            generator's; 0 with convolutions.
        label_smoothing: Real samples are to be judged real with probability 1 minus this.
        optimizer: adam; or sgd, the paper's, whose rate shrinks and whose momentum grows.
        learning_rate: For both networks.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it. Of Adam.
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
        latent_dim: int = 100,
        latent: Literal["normal", "uniform"] = "normal",
        label_dim: int = 10,
        network: Literal["mlp", "paper", "convolutional"] = "mlp",
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        dropout: float = 0.0,
        label_smoothing: float = 0.0,
        optimizer: Literal["adam", "sgd"] = "adam",
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        upsample: Literal["transpose", "resize"] = "transpose",
        seed: int = 0,
    ):
        super().__init__(name="cgan")
        check_settings(locals())
        self.data = data
        self.point_scale = point_scale
        self.image_size = image_size
        self.image_channels = image_channels
        self.latent_dim = latent_dim
        self.latent = latent
        self.label_dim = label_dim
        self.label_smoothing = label_smoothing
        self.optimizer_name = optimizer
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        sizes = {"data": data, "image_size": image_size, "image_channels": image_channels}
        sizes |= {"label_dim": label_dim, "network": network}
        sizes |= {"dropout": dropout}
        self.generator = build_generator(
            upsample=upsample, **sizes, latent_dim=latent_dim, filters=generator_filters
        )
        self.discriminator = build_discriminator(**sizes, filters=discriminator_filters)
        self.built = True

    def compile(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        run_eagerly: bool = False,
    ):
        """Makes one optimizer per network.

        Args:
            epochs, steps_per_epoch: length of the run; needed where `decay_epochs` is not 0.
            run_eagerly: run each step without a graph, to debug it.
        """
        learning_rate = optimizers.decaying_rate(
            self.learning_rate, self.decay_epochs, epochs, steps_per_epoch
        )

        def optimizer(network):
            if self.optimizer_name == "sgd":
                # Section 4.1: ten times the decay of the first GAN.
                made = optimizers.AnnealedSGD(self.learning_rate, decay=1.00004)
            else:
                made = optimizers.Adam(learning_rate, beta_1=self.beta_1)
            made.build(network.trainable_variables)
            return made

        self.optimizer_generator = optimizer(self.generator)
        self.optimizer_discriminator = optimizer(self.discriminator)
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    def sample_latent(self, samples) -> tf.Tensor:
        """The noise of this step, one z per sample: a function of (seed, step)."""
        seed = sampling.seed_of(self.seed, 0, self.optimizer_generator.iterations)
        return sampling.draw(self.latent, (tf.shape(samples)[0], self.latent_dim), seed)

    def train_step(self, batch):
        """One step of D, then one of G against the updated D.

        Args:
            batch: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`,
                and their labels, `(batch, label_dim)` float32, one-hot.
        """
        images, labels = batch
        z = self.sample_latent(images)
        step = self.optimizer_generator.iterations
        masks = sampling.reseed_dropout(self.discriminator, self.seed, step)
        sampling.reseed_dropout(self.generator, self.seed, step, masks)
        with tf.GradientTape() as tape_g:
            fakes = self.generator([z, labels], training=True)

        with tf.GradientTape() as tape_d:
            real_loss = losses.cross_entropy(
                self.discriminator([images, labels], training=True), 1.0 - self.label_smoothing
            )
            fake_loss = losses.cross_entropy(
                self.discriminator([fakes, labels], training=True), 0.0
            )
            d_loss = real_loss + fake_loss
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g, keeping_statistics(self.discriminator):
            g_loss = losses.cross_entropy(self.discriminator([fakes, labels], training=True), 1.0)
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d_loss": d_loss, "real_loss": real_loss, "fake_loss": fake_loss, "g_loss": g_loss}

    def preview(self, batch: tuple[np.ndarray, ...] | np.ndarray) -> list:
        """Rows of a sample grid: a label in each, and the same noise down each column; of points as
        `preview_points`, with labels in turn.
        """
        if self.data == "points":
            return self.preview_points(batch)
        rows = min(self.label_dim, sampling.ROWS)
        z = self.draw_latents(sampling.GRID)
        labels = np.eye(rows, self.label_dim, dtype=np.float32)
        return [list(self.generate(z, np.repeat(row[None], len(z), 0))) for row in labels]


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(CGAN.__init__, settings)
    check_range(settings, ("point_scale",), 1e-6)
    counts = ("image_size", "image_channels", "latent_dim", "label_dim")
    check_range(settings, (*counts, "generator_filters", "discriminator_filters"), 1)
    check_range(settings, ("learning_rate", "decay_epochs"), 0)
    check_range(settings, ("label_smoothing", "beta_1", "dropout"), 0, below=1)
    if settings["network"] == "convolutional":
        if settings["data"] == "points":
            raise ValueError(
                "`network` must be 'mlp' or 'paper' on points. Received: convolutional"
            )
        if settings["dropout"]:
            raise ValueError(
                f"`dropout` must be 0 with network='convolutional'. Received: {settings['dropout']}"
            )
        synthesis.doublings(settings["image_size"])
    if settings["optimizer"] == "sgd" and settings["decay_epochs"]:
        raise ValueError(
            "`decay_epochs` must be 0 with optimizer='sgd', whose rate shrinks by itself. "
            f"Received: {settings['decay_epochs']}"
        )
