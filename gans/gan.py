"""The first GAN: two multilayer perceptrons that play against each other.

Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661; equations, algorithm
and propositions are its. Official code: goodfeli/adversarial. Article: the survey "GAN in depth",
chapter GAN.

    python scripts/train_gan.py    # toy fashion, minutes on 2 cores
    python scripts/train_gan.py --dataset=mnist
    python scripts/train_gan.py --dataset=ring8
    python scripts/gan_theory.py   # the chapter's theory as numbers and figures

D(x) is the probability that x is real, the sigmoid of the network's logit. D maximises the value
V = E[log D(x)] + E[log(1 - D(G(z)))] (equation 1): `d_loss` is -V. With `loss="minimax"` G
minimises V: `g_loss` is E[log(1 - D(G(z)))], which is negative; with "non_saturating" it minimises
-E[log D(G(z))] (section 3). Both pull in the same direction, but the first has no slope where D is
sure that a sample is generated. All are in nats, means over the batch. With a label smoothing s, D
is asked for 1 - s instead of 1 on real samples (Salimans et al. 2016, section 3.4).

What to expect. d_loss near 2 log 2 = 1.39, its value where G has matched the data (theorem 1:
V = -log 4). Digits that can be read, bags as blurs of colour. On `ring8`, modes are dropped.

Differences from the paper
- `article`: the MLPs of the survey's listing for its conditional GAN, without the label; Adam.
- `paper`: as the official code trains it, not saturating. That halves D's loss, but not G's: here
  D's rate is half of G's, which is the same to gradient descent. The images are in [-1, 1], not
  [0, 1], with tanh for the sigmoid; the last bias begins at zero, not at the mean picture; initial
  weights are N(0, 0.02), there uniform within 0.05 (G) and 0.005 (D).
- `points`: PacGAN's networks, but without normalisation of the first layer.
- G learns against the D that was just updated (algorithm 1), on the same noise, not on new.
"""

from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from gans.nn import losses, optimizers, sampling, synthesis
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {"image_size": 32, "image_channels": 3, "learning_rate": 5e-4, "decay_epochs": 50},
    # The constructor's defaults are the article's numbers.
    "article": {},
    "paper": {
        "generator_units": (1200, 1200),
        "discriminator_units": (240, 240),
        "norm": "none",
        "activation": "relu",
        "maxout": 5,
        "dropout": 0.5,
        "input_dropout": 0.2,
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "discriminator_learning_rate": 0.05,
    },
    "mnist": {"decay_epochs": 10},
    # The widths of PacGAN's networks (Lin et al. 2018, section 4.1), without the dropout that its
    # `pacgan_task.py: create_models` can add. Its rate is a constant 1e-4, over 400 epochs.
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_units": (400, 400, 400, 400),
        "discriminator_units": (200, 200, 200),
        "activation": "relu",
        "maxout": 5,
        "learning_rate": 3e-4,
        "beta_1": 0.8,
        "decay_epochs": 20,
    },
}

# What the training script takes where no flag says otherwise.
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 100},
    "article": {"batch_size": 64, "epochs": 50},
    "paper": {"batch_size": 100, "epochs": 500},
    "mnist": {"batch_size": 64, "epochs": 30},
    "points": {"batch_size": 100, "epochs": 40, "steps_per_call": 100},
}


def build_generator(
    data: Literal["images", "points"] = "images",
    image_size: int = 28,
    image_channels: int = 1,
    latent_dim: int = 100,
    units: tuple[int, ...] = (128, 256, 512, 1024),
    norm: Literal["batch", "none"] = "batch",
    activation: Literal["relu", "leaky_relu"] = "leaky_relu",
) -> keras.Model:
    """The generator: from noise to an image, or to a point.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1], or to
    `(batch, 2)`. The first layer has no normalisation.
    """
    z = layers.Input((latent_dim,), name="z")
    x = synthesis.mlp(z, units, norm=norm, normalize_first=False, activation=activation)
    if data == "points":
        return keras.Model(z, synthesis.points_of(x), name="generator")
    return keras.Model(z, synthesis.images_of(x, image_size, image_channels), name="generator")


def build_discriminator(
    data: Literal["images", "points"] = "images",
    image_size: int = 28,
    image_channels: int = 1,
    units: tuple[int, ...] = (512, 256),
    maxout: int = 0,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> keras.Model:
    """The discriminator: from a sample to the logit of its being real.

    `(batch, image_size, image_size, image_channels)` in [-1, 1], or `(batch, 2)`, to `(batch, 1)`.
    """
    shape = (2,) if data == "points" else (image_size, image_size, image_channels)
    sample = layers.Input(shape, name="sample")
    x = synthesis.mlp(
        layers.Flatten()(sample),
        units,
        activation="maxout" if maxout else "leaky_relu",
        pieces=maxout,
        dropout=dropout,
        input_dropout=input_dropout,
    )
    return keras.Model(sample, synthesis.score(x), name="discriminator")


class GAN(sampling.NoiseGAN):
    """Generator and discriminator, trained in turn.

    Args:
        data: images, or points of the plane.
        point_scale: What points are divided by on their way to the networks, which see numbers of
            about 1; samples are in the units of the data again.
        image_size: Side of the images in pixels.
        image_channels: 3, or 1 for grey.
        latent_dim: Length of the noise z.
        latent: Distribution of z: normal, or uniform in [-1, 1].
        loss: Of the generator: minimax, or non_saturating.
        generator_units: Width of each of the generator's hidden layers.
        discriminator_units: Width of each of the discriminator's.
        norm: Of the generator's hidden layers but the first: batch or none.
        activation: Of the generator's hidden layers: relu, or leaky_relu.
        maxout: Pieces of which each hidden unit of the discriminator takes the largest; 0: leaky
            ReLU.
        dropout: Rate in the discriminator's hidden layers.
        input_dropout: Rate at its input.
        label_smoothing: Real samples are to be judged real with probability 1 minus this.
        optimizer: adam; or sgd, the paper's, whose rate shrinks and whose momentum grows.
        learning_rate: For both networks.
        discriminator_learning_rate: The discriminator's, where it is another one.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it. Of Adam.
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
        loss: Literal["minimax", "non_saturating"] = "non_saturating",
        generator_units: tuple[int, ...] = (128, 256, 512, 1024),
        discriminator_units: tuple[int, ...] = (512, 256),
        norm: Literal["batch", "none"] = "batch",
        activation: Literal["relu", "leaky_relu"] = "leaky_relu",
        maxout: int = 0,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        label_smoothing: float = 0.0,
        optimizer: Literal["adam", "sgd"] = "adam",
        learning_rate: float = 2e-4,
        discriminator_learning_rate: float | None = None,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        seed: int = 0,
    ):
        super().__init__(name="gan")
        check_settings(locals())
        self.data = data
        self.point_scale = point_scale
        self.image_size = image_size
        self.image_channels = image_channels
        self.latent_dim = latent_dim
        self.latent = latent
        self.label_dim = 0
        self.generator_loss = {
            "minimax": self.minimax,
            "non_saturating": self.non_saturating,
        }[loss]
        self.label_smoothing = label_smoothing
        self.optimizer_name = optimizer
        self.learning_rate = learning_rate
        self.discriminator_learning_rate = discriminator_learning_rate
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        sizes = {"data": data, "image_size": image_size, "image_channels": image_channels}
        self.generator = build_generator(
            **sizes, latent_dim=latent_dim, units=generator_units, norm=norm, activation=activation
        )
        self.discriminator = build_discriminator(
            **sizes,
            units=discriminator_units,
            maxout=maxout,
            dropout=dropout,
            input_dropout=input_dropout,
        )
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

        def optimizer(network, learning_rate):
            if self.optimizer_name == "sgd":
                made = optimizers.AnnealedSGD(learning_rate)
            else:
                rate = optimizers.decaying_rate(
                    learning_rate, self.decay_epochs, epochs, steps_per_epoch
                )
                made = optimizers.Adam(rate, beta_1=self.beta_1)
            made.build(network.trainable_variables)
            return made

        rate, rate_d = self.learning_rate, self.discriminator_learning_rate
        self.optimizer_generator = optimizer(self.generator, rate)
        self.optimizer_discriminator = optimizer(
            self.discriminator, rate if rate_d is None else rate_d
        )
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
        sampling.reseed_dropout(self.discriminator, self.seed, self.optimizer_generator.iterations)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)

        with tf.GradientTape() as tape_d:
            real_loss = losses.cross_entropy(
                self.discriminator(images, training=True), 1.0 - self.label_smoothing
            )
            fake_loss = losses.cross_entropy(self.discriminator(fakes, training=True), 0.0)
            d_loss = real_loss + fake_loss
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g:
            g_loss = self.generator_loss(self.discriminator(fakes, training=True))
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d_loss": d_loss, "real_loss": real_loss, "fake_loss": fake_loss, "g_loss": g_loss}

    @staticmethod
    def minimax(logits) -> tf.Tensor:
        """E[log(1 - D(G(z)))], what G minimises in equation 1. 0 and without slope where D is sure
        that the samples are generated; without bound below.
        """
        return -losses.cross_entropy(logits, 0.0)

    @staticmethod
    def non_saturating(logits) -> tf.Tensor:
        """-E[log D(G(z))] (section 3): steepest where D is sure that the samples are generated."""
        return losses.cross_entropy(logits, 1.0)


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(GAN.__init__, settings)
    check_range(settings, ("point_scale",), 1e-6)
    check_range(settings, ("image_size", "image_channels", "latent_dim"), 1)
    check_range(settings, ("maxout", "learning_rate", "decay_epochs"), 0)
    if settings["discriminator_learning_rate"] is not None:
        check_range(settings, ("discriminator_learning_rate",), 0)
    check_range(settings, ("label_smoothing", "beta_1", "dropout", "input_dropout"), 0, below=1)
    for name in ("generator_units", "discriminator_units"):
        if not settings[name] or min(settings[name]) < 1:
            raise ValueError(f"`{name}` must be widths of at least 1. Received: {settings[name]}")
    if settings["optimizer"] == "sgd" and settings["decay_epochs"]:
        raise ValueError(
            "`decay_epochs` must be 0 with optimizer='sgd', whose rate shrinks by itself. "
            f"Received: {settings['decay_epochs']}"
        )
