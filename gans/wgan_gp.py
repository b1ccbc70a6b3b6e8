"""WGAN-GP: the critic's slope is held at 1 by a penalty instead of clipped weights.

Paper: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, algorithm
1. Official code: igul222/improved_wgan_training. Article: the survey "GAN in depth", chapter
WGAN-GP.

    python scripts/train_wgan_gp.py    # toy fashion, minutes on 2 cores
    python scripts/train_wgan_gp.py --dataset=mnist
    python scripts/train_wgan_gp.py --dataset=swissroll

Against WGAN: no clipping, but lambda (|grad f(x^)| - 1)^2 for points x^ between real and generated
samples, each at a place of its own, uniform between the two; Adam; and layer normalisation in the
critic, since batch normalisation would make the gradient at one sample depend on the others.

The critic's loss is E[f(G(z))] - E[f(x)] + lambda E[(|grad f(x^)| - 1)^2], the generator's
-E[f(G(z))], means over the batch. The norm is over all values of a sample, the penalty two-sided.
`wasserstein` is E[f(x)] - E[f(G(z))], without the penalty.

**A step is one critic step**, on a real batch of its own; every fifth also updates the generator.

What to expect. A `wasserstein` that falls after the first hundred steps, and samples that cover the
data. The penalty's second derivatives make a step twice as long as WGAN's.

Differences from the paper
- `article`: betas (0.5, 0.9), as the official code for MNIST; `paper`: (0, 0.9), as algorithm 1 and
  the official ResNets, with DCGAN's networks for those.
- All: 1e-12 below the root of the norm, whose derivative is not finite at 0.
- Where the generator has no turn, `g_loss` is that of its last one.
"""

from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from gans.nn import initializers, optimizers, sampling, synthesis
from gans.nn.layers import keeping_statistics
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 100,
    },
    # The constructor's defaults are the article's numbers.
    "article": {},
    "paper": {"latent_dim": 128, "beta_1": 0.0, "learning_rate": 2e-4, "decay_epochs": 640},
    "mnist": {
        "image_size": 28,
        "image_channels": 1,
        "latent_dim": 128,
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 5e-4,
        "decay_epochs": 6,
    },
    # gan_toy.py.
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_filters": 512,
        "critic_filters": 512,
        "lambda_gp": 0.1,
    },
}

# What the training script takes where no flag says otherwise.
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    "article": {"batch_size": 64, "epochs": 50},
    # 100,000 updates of the generator on CIFAR-10, as `gan_cifar_resnet.py`.
    "paper": {"batch_size": 64, "epochs": 640},
    "mnist": {"batch_size": 64, "epochs": 12},
    "points": {"batch_size": 256, "epochs": 100, "steps_per_call": 100},
}


def build_generator(
    data: Literal["images", "points"] = "images",
    image_size: int = 64,
    image_channels: int = 3,
    latent_dim: int = 100,
    filters: int = 64,
    init_stddev: float = 0.02,
    upsample: Literal["transpose", "resize"] = "transpose",
) -> keras.Model:
    """The generator: from noise to an image, as DCGAN's, or to a point.

    `(batch, latent_dim)` to `(batch, image_size, image_size, image_channels)` in [-1, 1], or to
    `(batch, 2)`.
    """
    z = layers.Input((latent_dim,), name="z")
    if data == "points":
        x = synthesis.mlp(z, (filters,) * 3, initializer="he_uniform")
        return keras.Model(z, synthesis.points_of(x, "glorot_uniform"), name="generator")
    image = synthesis.dcgan_generator(
        z,
        image_size=image_size,
        filters=filters,
        output_channels=image_channels,
        init_stddev=init_stddev,
        upsample=upsample,
    )
    return keras.Model(z, image, name="generator")


def build_critic(
    data: Literal["images", "points"] = "images",
    image_size: int = 64,
    image_channels: int = 3,
    filters: int = 64,
    norm: Literal["layer", "none"] = "layer",
    init_stddev: float = 0.02,
) -> keras.Model:
    """The critic: from a sample to a number without bounds. DCGAN's discriminator without sigmoid.

    `(batch, image_size, image_size, image_channels)` in [-1, 1], or `(batch, 2)`, to `(batch, 1)`.
    """
    shape = (2,) if data == "points" else (image_size, image_size, image_channels)
    sample = layers.Input(shape, name="sample")
    if data == "points":
        x = synthesis.mlp(sample, (filters,) * 3, initializer="he_uniform")
        return keras.Model(sample, synthesis.score(x, "glorot_uniform"), name="critic")
    x = synthesis.dcgan_features(sample, filters=filters, norm=norm, init_stddev=init_stddev)
    value = synthesis.score(x, initializers.normal(init_stddev))
    return keras.Model(sample, value, name="critic")


class WGANGP(sampling.NoiseGAN):
    """Generator and critic.

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
        critic_filters: Channels of the critic's first layer, likewise.
        norm: Of the critic of images: layer or none.
        lambda_gp: Weight of the gradient penalty.
        n_critic: Critic steps for one of the generator.
        learning_rate: Of Adam, for both networks.
        beta_1: Of Adam.
        beta_2: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it.
        init_stddev: Deviation of the normal distribution of the initial weights; of images only.
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
        critic_filters: int = 64,
        norm: Literal["layer", "none"] = "layer",
        lambda_gp: float = 10.0,
        n_critic: int = 5,
        learning_rate: float = 1e-4,
        beta_1: float = 0.5,
        beta_2: float = 0.9,
        decay_epochs: int = 0,
        init_stddev: float = 0.02,
        upsample: Literal["transpose", "resize"] = "transpose",
        seed: int = 0,
    ):
        super().__init__(name="wgan_gp")
        check_settings(locals())
        self.data = data
        self.point_scale = point_scale
        self.image_size = image_size
        self.image_channels = image_channels
        self.latent_dim = latent_dim
        self.latent = latent
        self.label_dim = 0
        self.lambda_gp = lambda_gp
        self.n_critic = n_critic
        self.learning_rate = learning_rate
        self.betas = {"beta_1": beta_1, "beta_2": beta_2}
        self.decay_epochs = decay_epochs
        self.seed = seed
        sizes = {"data": data, "image_size": image_size, "image_channels": image_channels}
        sizes["init_stddev"] = init_stddev
        self.generator = build_generator(
            upsample=upsample, **sizes, latent_dim=latent_dim, filters=generator_filters
        )
        self.critic = build_critic(**sizes, filters=critic_filters, norm=norm)
        # Shown where the generator has no turn.
        self.last_g_loss = self.add_weight(
            name="last_g_loss", shape=(), initializer="zeros", trainable=False
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

        def adam(network, every):
            # An optimizer counts its own steps only.
            learning_rate = optimizers.decaying_rate(
                self.learning_rate, self.decay_epochs, epochs, steps_per_epoch, every
            )
            optimizer = optimizers.Adam(learning_rate, **self.betas)
            optimizer.build(network.trainable_variables)
            return optimizer

        self.optimizer_generator = adam(self.generator, self.n_critic)
        self.optimizer_critic = adam(self.critic, 1)
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    def sample_latent(self, samples, stream: int = 0) -> tf.Tensor:
        """The noise of this step, one z per sample: a function of (seed, step, stream)."""
        seed = sampling.seed_of(self.seed, stream, self.optimizer_critic.iterations)
        return sampling.draw(self.latent, (tf.shape(samples)[0], self.latent_dim), seed)

    def sample_places(self, samples) -> tf.Tensor:
        """Uniform in [0, 1), one per sample `(batch, 1, ...)`: a function of (seed, step)."""
        shape = [tf.shape(samples)[0], *[1] * (len(samples.shape) - 1)]
        return tf.random.stateless_uniform(
            shape, sampling.seed_of(self.seed, 2, self.optimizer_critic.iterations)
        )

    def train_step(self, images):
        """One step of the critic, and one of the generator where it is its turn (algorithm 1).

        Args:
            images: real samples, `(batch, image_size, image_size, image_channels)` or `(batch, 2)`.
        """
        with keeping_statistics(self.generator):
            fakes = self.generator(self.sample_latent(images), training=True)
        with tf.GradientTape() as tape_c:
            real_value = tf.reduce_mean(self.critic(images, training=True))
            fake_value = tf.reduce_mean(self.critic(fakes, training=True))
            wasserstein = real_value - fake_value
            penalty = self.gradient_penalty(images, fakes)
            critic_loss = -wasserstein + self.lambda_gp * penalty
        gradients_c = tape_c.gradient(critic_loss, self.critic.trainable_variables)
        self.optimizer_critic.apply(gradients_c, self.critic.trainable_variables)

        turn = self.optimizer_critic.iterations % self.n_critic == 0
        tf.cond(turn, lambda: self.update_generator(images), lambda: None)
        return {
            "critic_loss": critic_loss,
            "wasserstein": wasserstein,
            "gradient_penalty": penalty,
            "g_loss": self.last_g_loss.value + 0.0,
        }

    def gradient_penalty(self, images, fakes) -> tf.Tensor:
        """E[(|grad f(x^)| - 1)^2], x^ anywhere between a real and a generated sample."""
        places = self.sample_places(images)
        between = images + places * (fakes - images)
        with tf.GradientTape() as tape:
            tape.watch(between)
            values = self.critic(between, training=True)
        # Samples do not see each other in the critic: the gradient of the sum is one per sample.
        gradients = tape.gradient(values, between)
        axes = list(range(1, len(gradients.shape)))
        norms = tf.sqrt(tf.reduce_sum(tf.square(gradients), axis=axes) + 1e-12)
        return tf.reduce_mean(tf.square(norms - 1.0))

    def update_generator(self, images):
        """One step of the generator: -E[f(G(z))], with noise of its own."""
        z = self.sample_latent(images, stream=1)
        with tf.GradientTape() as tape_g:
            fakes = self.generator(z, training=True)
            g_loss = -tf.reduce_mean(self.critic(fakes, training=True))
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        self.last_g_loss.assign(g_loss)


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(WGANGP.__init__, settings)
    check_range(settings, ("point_scale",), 1e-6)
    counts = ("image_channels", "latent_dim", "generator_filters", "critic_filters", "n_critic")
    check_range(settings, counts, 1)
    check_range(settings, ("lambda_gp", "learning_rate", "decay_epochs", "init_stddev"), 0)
    check_range(settings, ("beta_1", "beta_2"), 0, below=1)
    if settings["data"] == "images":
        synthesis.doublings(settings["image_size"])
