"""WGAN: a critic that measures how far apart real and generated samples are.

Paper: Arjovsky et al. 2017, "Wasserstein GAN", arXiv:1701.07875; algorithm 1. Official code:
martinarjovsky/WassersteinGAN. Article: the survey "GAN in depth", chapter WGAN.

    python scripts/train_wgan.py    # toy fashion, minutes on 2 cores
    python scripts/train_wgan.py --dataset=mnist
    python scripts/train_wgan.py --dataset=ring8

Against DCGAN: no sigmoid and no logarithm, the critic's weights are clipped, RMSprop instead of
Adam (momentum made it unstable, section 4), and five critic steps for one of the generator, so that
the critic is near its best when G asks it for the way.

The critic's loss is E[f(G(z))] - E[f(x)], the generator's -E[f(G(z))], means over the batch. The
official code has all signs turned, so that there real samples are those of low values.
`wasserstein`, E[f(x)] - E[f(G(z))], estimates the distance, in units of the unknown Lipschitz
constant that the clipping leaves: it falls as the samples get better (figure 3).

**A step is one critic step**, on a real batch of its own; every fifth also updates the generator.
In the generator's first 25 iterations and in each 500th, the critic gets 100 steps.

What to expect. A curve that means something, and no collapse; softer pictures and slower learning
than DCGAN's: weights of at most 0.01 make a critic of small slopes (Gulrajani et al. 2017).

Differences from the paper
- All: clipped after each critic step (algorithm 1); the official code clips before. RMSprop's
  average forgets as the official code's (0.99).
- Where the generator has no turn, `g_loss` is that of its last one.
- On points of the plane both networks are fully connected.
"""

from typing import Literal

import keras
import tensorflow as tf
from keras import layers

from gans.nn import initializers, sampling, synthesis
from gans.nn.layers import keeping_statistics
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 5e-4,
        # 2,500 critic steps for 25 of the generator are two fifths of such a run.
        "warm_up": False,
    },
    # The constructor's defaults are the article's numbers, which are those of the official code.
    "article": {},
    "paper": {},
    "mnist": {
        "image_size": 28,
        "image_channels": 1,
        "generator_filters": 32,
        "critic_filters": 32,
        "learning_rate": 2e-4,
    },
    "points": {
        "data": "points",
        "latent_dim": 2,
        "generator_filters": 512,
        "critic_filters": 512,
        "learning_rate": 2e-4,
    },
}

# What the training script takes where no flag says otherwise.
TRAINING = {
    "toy": {"batch_size": 32, "epochs": 200},
    # As many updates of the generator as DCGAN's 25 epochs have.
    "article": {"batch_size": 64, "epochs": 125},
    "paper": {"batch_size": 64, "epochs": 25},
    "mnist": {"batch_size": 64, "epochs": 20},
    "points": {"batch_size": 256, "epochs": 100, "steps_per_call": 100},
}


# The critic's steps for one of the generator, and those at the start and now and then.
MANY_CRITIC_STEPS = 100
EARLY_ITERATIONS = 25
RARE_ITERATIONS = 500


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
    norm: Literal["batch", "layer", "none"] = "batch",
    init_stddev: float = 0.02,
) -> keras.Model:
    """The critic: from a sample to a number without bounds. DCGAN's discriminator without sigmoid.

    `(batch, image_size, image_size, image_channels)` in [-1, 1], or `(batch, 2)`, to `(batch, 1)`.
    """
    shape = (2,) if data == "points" else (image_size, image_size, image_channels)
    sample = layers.Input(shape, name="sample")
    if data == "points":
        x = synthesis.mlp(sample, (filters,) * 3, initializer=initializers.normal(init_stddev))
    else:
        x = synthesis.dcgan_features(sample, filters=filters, norm=norm, init_stddev=init_stddev)
    value = synthesis.score(x, initializers.normal(init_stddev))
    return keras.Model(sample, value, name="critic")


class WGAN(sampling.NoiseGAN):
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
        norm: Of the critic of images: batch (the official code), layer or none.
        clip: Bound of every weight of the critic.
        n_critic: Critic steps for one of the generator, but for the 100 at the start and at every
            500th iteration of the generator.
        warm_up: Whether there are these 100.
        learning_rate: Of RMSprop, for both networks.
        init_stddev: Deviation of the normal distribution of the initial weights; of points, of the
            critic's only.
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
        norm: Literal["batch", "layer", "none"] = "batch",
        clip: float = 0.01,
        n_critic: int = 5,
        warm_up: bool = True,
        learning_rate: float = 5e-5,
        init_stddev: float = 0.02,
        upsample: Literal["transpose", "resize"] = "transpose",
        seed: int = 0,
    ):
        super().__init__(name="wgan")
        check_settings(locals())
        self.data = data
        self.point_scale = point_scale
        self.image_size = image_size
        self.image_channels = image_channels
        self.latent_dim = latent_dim
        self.latent = latent
        self.label_dim = 0
        self.clip = clip
        self.n_critic = n_critic
        self.warm_up = warm_up
        self.learning_rate = learning_rate
        self.seed = seed
        sizes = {"data": data, "image_size": image_size, "image_channels": image_channels}
        sizes["init_stddev"] = init_stddev
        self.generator = build_generator(
            upsample=upsample, **sizes, latent_dim=latent_dim, filters=generator_filters
        )
        self.critic = build_critic(**sizes, filters=critic_filters, norm=norm)
        # Critic steps since the generator's last turn, and its loss there.
        options = {"initializer": "zeros", "trainable": False}
        self.waited = self.add_weight(name="waited", shape=(), dtype="int64", **options)
        self.last_g_loss = self.add_weight(name="last_g_loss", shape=(), **options)
        self.built = True

    def compile(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        run_eagerly: bool = False,
    ):
        """Makes one RMSprop per network.

        Args:
            epochs, steps_per_epoch: length of the run; the rate is constant.
            run_eagerly: run each step without a graph, to debug it.
        """

        def rmsprop(network):
            # Below the root; that of PyTorch, 1e-8, is beside it. 1e-8 below would be 1e-4 beside,
            # and a critic of weights up to 0.01 hands down gradients of 1e-6 to 1e-5.
            optimizer = keras.optimizers.RMSprop(self.learning_rate, rho=0.99, epsilon=1e-16)
            optimizer.build(network.trainable_variables)
            return optimizer

        self.optimizer_generator = rmsprop(self.generator)
        self.optimizer_critic = rmsprop(self.critic)
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    def sample_latent(self, samples, stream: int = 0) -> tf.Tensor:
        """The noise of this step, one z per sample: a function of (seed, step, stream)."""
        seed = sampling.seed_of(self.seed, stream, self.optimizer_critic.iterations)
        return sampling.draw(self.latent, (tf.shape(samples)[0], self.latent_dim), seed)

    def critic_steps(self) -> tf.Tensor:
        """Critic steps before the generator's next turn (`main.py: Diters`)."""
        iteration = self.optimizer_generator.iterations
        many = (iteration < EARLY_ITERATIONS) | (iteration % RARE_ITERATIONS == 0)
        return tf.where(many & self.warm_up, MANY_CRITIC_STEPS, self.n_critic)

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
            critic_loss = -wasserstein
        gradients_c = tape_c.gradient(critic_loss, self.critic.trainable_variables)
        self.optimizer_critic.apply(gradients_c, self.critic.trainable_variables)
        for weight in self.critic.trainable_variables:
            weight.assign(tf.clip_by_value(weight, -self.clip, self.clip))

        self.waited.assign_add(1)
        turn = self.waited.value >= tf.cast(self.critic_steps(), tf.int64)
        tf.cond(turn, lambda: self.update_generator(images), lambda: None)
        return {
            "critic_loss": critic_loss,
            "wasserstein": wasserstein,
            "g_loss": self.last_g_loss.value + 0.0,
        }

    def update_generator(self, images):
        """One step of the generator: -E[f(G(z))], with noise of its own."""
        z = self.sample_latent(images, stream=1)
        with tf.GradientTape() as tape_g, keeping_statistics(self.critic):
            fakes = self.generator(z, training=True)
            g_loss = -tf.reduce_mean(self.critic(fakes, training=True))
        gradients_g = tape_g.gradient(g_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        self.last_g_loss.assign(g_loss)
        self.waited.assign(0)


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(WGAN.__init__, settings)
    check_range(settings, ("point_scale",), 1e-6)
    counts = ("image_channels", "latent_dim", "generator_filters", "critic_filters", "n_critic")
    check_range(settings, counts, 1)
    check_range(settings, ("learning_rate", "init_stddev"), 0)
    if not settings["clip"] > 0:
        raise ValueError(f"`clip` must be above 0. Received: {settings['clip']}")
    if settings["data"] == "images":
        synthesis.doublings(settings["image_size"])
