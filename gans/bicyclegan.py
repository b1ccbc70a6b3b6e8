"""BicycleGAN: one sketch, many different photos.

Paper: Zhu et al. 2017, "Toward Multimodal Image-to-Image Translation", arXiv:1711.11586; sections
and equations below are its. Official code: junyanz/BicycleGAN, as of June 2020 (HEAD). Article:
"BicycleGAN in detail and in TensorFlow 2" (AIGC series), whose names for networks, losses and tapes
are kept.

    python scripts/train_bicyclegan.py    # toy fashion, 3.5 minutes on 2 cores
    python scripts/train_bicyclegan.py --data_dir=data/edges2handbags    # the article's numbers

A generator that gets noise beside the image learns to ignore it. BicycleGAN ties the noise to the
photo in both directions: cVAE-GAN encodes a photo into z and must paint that photo again (B -> z ->
B); cLR-GAN paints with a random z and must find that z again in what it painted (z -> B -> z).

What to expect. `toy`: after 3.5 minutes one outline in clearly different colours. At 128x128, half
the width, 500 real pairs: bags in different colours after 20 minutes. `article` and `paper` at full
size are days of work on a CPU; the official authors report 2 to 3 days on one GPU.

Differences from the paper
- `article`: z enters at the image only, one discriminator scale, plain convolutions as encoder, no
  dropout, constant learning rate; A2, not A1, is painted with the random z.
- `paper`: none known in the mathematics of a step. Biases before a normalisation, which it cancels,
  are never moved; the official code's random-walk by rounding noise. Dropout is on as in the
  official training scripts.
- All: the official code sums KL over the batch; at its one encoded image per step that is the mean
  used here.
"""

import functools
import math
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import initializers, losses, networks, optimizers
from gans.nn.batching import in_chunks
from gans.nn.layers import HalveImage, TileLatent, reseed
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {
        "image_size": 64,
        # A hue, a brightness and a pattern: of 8 numbers half would say nothing.
        "latent_dim": 4,
        "latent_injection": "all",
        "encoder_network": "resnet",
        "generator_filters": 16,
        "encoder_filters": 32,
        "discriminator_filters": 16,
        # In so few steps the encoder cannot grow out of the official code's tiny weights.
        "init_gain": 1.0,
        "learning_rate": 1e-3,
        "decay_epochs": 18,
        # With 0.01 a number of z that says nothing drifts away from its prior.
        "lambda_kl": 0.03,
    },
    # The constructor's defaults are the article's numbers.
    "article": {},
    "paper": {
        "latent_injection": "all",
        "encoder_network": "resnet",
        "discriminator_scales": 2,
        "dropout": 0.5,
        "clr_images": "first",
        "decay_epochs": 15,
    },
}

# What the training script takes where no flag says otherwise: scripts/train.sh of the official
# code, for edges2handbags (15 + 15 epochs, no cropping, one image per flow).
TRAINING = {
    "toy": {"batch_size": 2, "epochs": 36},
    "article": {"batch_size": 1, "epochs": 30},
    "paper": {"batch_size": 1, "epochs": 30},
}


def build_generator(
    image_size: int | tuple[int, int] = 256,
    image_channels: int = 3,
    photo_channels: int = 3,
    latent_dim: int = 8,
    filters: int = 64,
    latent_injection: Literal["input", "all"] = "input",
    depth: int | None = None,
    norm: Literal["instance", "batch", "none"] = "instance",
    upsample: Literal["transpose", "resize"] = "transpose",
    dropout: float = 0.0,
    init_gain: float = 0.02,
) -> keras.Model:
    """U-Net that paints A in the style z (section 3.3, figure 3).

    `[(batch, h, w, image_channels) in [-1, 1], (batch, latent_dim)]` to `(batch, h, w,
    photo_channels)` in [-1, 1]. `image_size` is the side, or (height, width); both are multiples of
    `2 ** depth`. `depth` is by default what takes the shorter side down to 1x1, at most 8 halvings.
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    image_a = layers.Input((height, width, image_channels), name="image_a")
    z = layers.Input((latent_dim,), name="z")
    fake_b = networks.unet(
        TileLatent()([image_a, z]) if latent_injection == "input" else image_a,
        z=z if latent_injection == "all" else None,
        depth=depth or networks.unet_depth(min(height, width)),
        filters=filters,
        output_channels=photo_channels,
        norm=norm,
        upsample=upsample,
        dropout=dropout,
        kernel_initializer=initializers.xavier_normal(init_gain),
    )
    return keras.Model([image_a, z], fake_b, name="generator")


def build_encoder(
    image_size: int = 256,
    photo_channels: int = 3,
    latent_dim: int = 8,
    filters: int = 64,
    network: Literal["conv", "resnet"] = "conv",
    norm: Literal["instance", "batch", "none"] = "instance",
    init_gain: float = 0.02,
) -> keras.Model:
    """Photo to the Gaussian that its style z is drawn from. It sees B only, never A.

    `[(batch, size, size, photo_channels) in [-1, 1], noise (batch, latent_dim)]` to `[z, mean,
    log_variance]`, each `(batch, latent_dim)`, with z = mean + noise * exp(log_variance / 2): the
    noise comes from outside, so that the network is a function. Nothing bounds `log_variance`, as
    in the official code.
    """
    initializer = initializers.xavier_normal(init_gain)
    image_b = layers.Input((image_size, image_size, photo_channels), name="image_b")
    noise = layers.Input((latent_dim,), name="noise")
    if network == "resnet":
        # 4 blocks at 256, 3 at 128: the last map is 8x8.
        blocks = max(1, int(math.log2(image_size)) - 4)
        features = networks.resnet_features(
            image_b, blocks=blocks, filters=filters, norm=norm, kernel_initializer=initializer
        )
    else:
        # More layers, and more channels, for larger images: the last map is 4x4.
        depth = max(1, int(math.log2(image_size)) - 2)
        features = networks.conv_features(
            image_b, depth=depth, filters=filters, kernel_initializer=initializer
        )
    options = {"kernel_initializer": initializer, "dtype": "float32"}
    mean = layers.Dense(latent_dim, **options, name="mean")(features)
    log_variance = layers.Dense(latent_dim, **options, name="log_variance")(features)
    z = mean + noise * keras.ops.exp(0.5 * log_variance)
    return keras.Model([image_b, noise], [z, mean, log_variance], name="encoder")


def build_discriminator(
    image_size: int = 256,
    photo_channels: int = 3,
    filters: int = 64,
    scales: int = 1,
    norm: Literal["instance", "batch", "none"] = "instance",
    init_gain: float = 0.02,
    name: str = "discriminator",
) -> keras.Model:
    """70x70 PatchGAN; with `scales=2` a second, half as wide, on the half-size image ("140x140").

    `(batch, size, size, photo_channels)` to a list of maps `(batch, p, p, 1)`, one per scale,
    without activation: p is 30 and 14 at 256. It judges B alone: correspondence to A is kept by the
    image loss, and the official code leaves A out by default.
    """
    image_b = layers.Input((image_size, image_size, photo_channels), name="image_b")
    maps, image = [], image_b
    for scale in range(scales):
        image = HalveImage()(image) if scale else image
        maps.append(
            networks.patchgan(
                image,
                filters=filters // 2**scale,
                norm=norm,
                kernel_initializer=initializers.xavier_normal(init_gain),
            )
        )
    return keras.Model(image_b, maps, name=name)


class BicycleGAN(keras.Model):
    """Generator, encoder and two discriminators, trained together (equation 6).

    Args:
        image_size: Side of the images in pixels, at least 32.
        image_channels: Channels of A, the sketch: 3, 1 for grey, or those of .npy files.
        photo_channels: Channels of B, the photo.
        latent_dim: Length of the latent code z.
        generator_filters: Channels of the generator's first layer; up to 8 times as many further
            in.
        encoder_filters: Channels of the encoder's first layer.
        discriminator_filters: Channels of each discriminator's first layer.
        latent_injection: Where z enters the generator: input (tiled beside the image) or all
            (beside the input of every down layer; never in the up path).
        encoder_network: conv, or resnet, which the paper found better.
        discriminator_scales: 1, a 70x70 PatchGAN; 2 adds one that sees 140x140; losses add up.
        norm: instance, batch or none. With batch, the generator's two flows are one batch.
        upsample: transpose, or resize (bilinear, then convolution), which leaves no checkerboard.
        dropout: Rate in the generator's inner up layers while training; the official scripts use
            0.5.
        objective: bicycle, or one half of it alone: cvae (B -> z -> B) or clr (z -> B -> z).
        clr_images: Which A is painted with the random z: first (A1, as the official code; its fake
            is still judged against B2) or second (A2, as the article).
        lambda_image: Weight of the L1 image loss; lambda in equation 6.
        lambda_latent: Weight of the L1 loss between z and its recovery.
        lambda_kl: Weight of KL in nats, summed over the code and averaged over the batch.
        learning_rate: Of Adam, for all four networks.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it.
        init_gain: Xavier gain of the initial weights.
        seed: Of every random draw.

    Raises `ValueError` for a size that cannot be built or an unknown name.
    """

    def __init__(
        self,
        *,
        image_size: int = 256,
        image_channels: int = 3,
        photo_channels: int = 3,
        latent_dim: int = 8,
        generator_filters: int = 64,
        encoder_filters: int = 64,
        discriminator_filters: int = 64,
        latent_injection: Literal["input", "all"] = "input",
        encoder_network: Literal["conv", "resnet"] = "conv",
        discriminator_scales: int = 1,
        norm: Literal["instance", "batch", "none"] = "instance",
        upsample: Literal["transpose", "resize"] = "transpose",
        dropout: float = 0.0,
        objective: Literal["bicycle", "cvae", "clr"] = "bicycle",
        clr_images: Literal["first", "second"] = "second",
        lambda_image: float = 10.0,
        lambda_latent: float = 0.5,
        lambda_kl: float = 0.01,
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        init_gain: float = 0.02,
        seed: int = 0,
    ):
        super().__init__(name="bicyclegan")
        check_settings(locals())
        self.image_size = image_size
        self.image_channels = image_channels
        self.photo_channels = photo_channels
        self.latent_dim = latent_dim
        self.clr_pair = {"first": 0, "second": 1}[clr_images]
        self.lambda_image = lambda_image
        self.lambda_latent = lambda_latent
        self.lambda_kl = lambda_kl
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        common = {"photo_channels": photo_channels, "norm": norm, "init_gain": init_gain}
        self.generator_options = common | {
            "image_channels": image_channels,
            "latent_dim": latent_dim,
            "filters": generator_filters,
            "latent_injection": latent_injection,
            "depth": networks.unet_depth(image_size),
            "upsample": upsample,
            "dropout": dropout,
        }
        self.size_multiple = 2 ** networks.unet_depth(image_size)
        self.generator = build_generator(image_size, **self.generator_options)
        self.encoder = build_encoder(
            image_size,
            latent_dim=latent_dim,
            filters=encoder_filters,
            network=encoder_network,
            **common,
        )
        # Separate discriminators for the two flows give better pictures than a shared one
        # (section 4).
        discriminator = functools.partial(
            build_discriminator,
            image_size,
            filters=discriminator_filters,
            scales=discriminator_scales,
            **common,
        )
        self.discriminator_1 = self.discriminator_2 = None
        if objective != "clr":
            self.discriminator_1 = discriminator(name="discriminator_1")
        if objective != "cvae":
            self.discriminator_2 = discriminator(name="discriminator_2")
        self.train_step = {
            "bicycle": self.train_bicycle,
            "cvae": self.train_cvae,
            "clr": self.train_clr,
        }[objective]
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
        self.optimizer_encoder = adam(self.encoder)
        if self.discriminator_1 is not None:
            self.optimizer_d1 = adam(self.discriminator_1)
        if self.discriminator_2 is not None:
            self.optimizer_d2 = adam(self.discriminator_2)
        # Without an optimizer Keras makes one of its own and saves it along. XLA makes convolutions
        # on a CPU slower, the whole step 1.7 times.
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    def sample_latent(self, images, stream: int):
        """Standard normal codes `(batch, latent_dim)`: a function of (seed, step, stream)."""
        step = tf.cast(self.optimizer_generator.iterations, tf.int32)
        shape = (tf.shape(images)[0], self.latent_dim)
        return tf.random.stateless_normal(shape, tf.stack([8 * self.seed + stream, step]))

    def reseed_dropout(self):
        """Makes the dropout masks of this step a function of (seed, step)."""
        # After the two streams of `sample_latent`: one seed would tie the masks to z.
        reseed(self.generator, 8 * self.seed + 2, self.optimizer_generator.iterations)

    def train_bicycle(self, pairs):
        """One step on two independent draws of pairs: equation 6, one update of each network.

        Every gradient is that of the weights before the step, whatever the order of the four
        updates; the official code (HEAD) updates E and G, then D and D2, on one forward pass. The
        official code of 2017 made a second update of G for the latent loss.
        """
        (images_a_1, images_b_1), (images_a_2, images_b_2) = pairs
        images_a_random = (images_a_1, images_a_2)[self.clr_pair]
        noise = self.sample_latent(images_b_1, stream=0)
        z = self.sample_latent(images_b_2, stream=1)
        self.reseed_dropout()

        # cVAE-GAN, B -> z: its own tape, so that no backward pass through G and D is made twice.
        with tf.GradientTape() as tape_e:
            z_encode, mean_encode, log_variance_encode = self.encoder(
                [images_b_1, noise], training=True
            )
            kl_loss = self.lambda_kl * losses.kl_from_standard_normal(  # equation 3
                mean_encode, log_variance_encode
            )

        with (
            tf.GradientTape() as tape_g,
            tf.GradientTape() as tape_d1,
            tf.GradientTape() as tape_d2,
        ):
            tape_g.watch(z_encode)
            # Both flows in one call read the weights once; instance norm keeps the images apart.
            fake_b = self.generator(
                [
                    tf.concat([images_a_1, images_a_random], axis=0),
                    tf.concat([z_encode, z], axis=0),
                ],
                training=True,
            )
            fake_b_encode, fake_b_random = tf.split(fake_b, 2)

            # cVAE-GAN, z -> B
            encode_real = self.discriminator_1(images_b_1, training=True)
            encode_fake = self.discriminator_1(fake_b_encode, training=True)
            d1_loss = losses.least_squares(encode_real, 1.0) + losses.least_squares(
                encode_fake, 0.0
            )
            gan_1_loss = losses.least_squares(encode_fake, 1.0)
            image_loss = self.lambda_image * losses.mean_absolute(images_b_1, fake_b_encode)

            # cLR-GAN, z -> B -> z: the mean, not a sample, is compared with z.
            random_real = self.discriminator_2(images_b_2, training=True)
            random_fake = self.discriminator_2(fake_b_random, training=True)
            d2_loss = losses.least_squares(random_real, 1.0) + losses.least_squares(
                random_fake, 0.0
            )
            gan_2_loss = losses.least_squares(random_fake, 1.0)
            _, mean_random, _ = self.encoder([fake_b_random, tf.zeros_like(z)], training=True)
            latent_loss = self.lambda_latent * losses.mean_absolute(z, mean_random)  # equation 5

            generator_loss = gan_1_loss + gan_2_loss + image_loss + latent_loss

        gradients_d1 = tape_d1.gradient(d1_loss, self.discriminator_1.trainable_variables)
        gradients_d2 = tape_d2.gradient(d2_loss, self.discriminator_2.trainable_variables)
        *gradients_g, gradient_z = tape_g.gradient(
            generator_loss, [*self.generator.trainable_variables, z_encode]
        )
        # The encoder learns from what comes back through z_encode, and from KL. The latent loss
        # cannot reach it: trained on it too, E and G would agree to hide the code instead of
        # painting it.
        gradients_e = tape_e.gradient(
            [z_encode, kl_loss],
            self.encoder.trainable_variables,
            output_gradients=[gradient_z, tf.ones_like(kl_loss)],
        )
        self.optimizer_d1.apply(gradients_d1, self.discriminator_1.trainable_variables)
        self.optimizer_d2.apply(gradients_d2, self.discriminator_2.trainable_variables)
        self.optimizer_encoder.apply(gradients_e, self.encoder.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {
            "d1_loss": d1_loss,
            "d2_loss": d2_loss,
            "gan_1_loss": gan_1_loss,
            "gan_2_loss": gan_2_loss,
            "image_loss": image_loss,
            "kl_loss": kl_loss,
            "latent_loss": latent_loss,
        }

    def train_cvae(self, pairs):
        """One step of cVAE-GAN alone, B -> z -> B (equation 4), on the first draw of pairs."""
        (images_a_1, images_b_1), _ = pairs
        noise = self.sample_latent(images_b_1, stream=0)
        self.reseed_dropout()

        with tf.GradientTape() as tape_e, tf.GradientTape() as tape_g, tf.GradientTape() as tape_d1:
            z_encode, mean_encode, log_variance_encode = self.encoder(
                [images_b_1, noise], training=True
            )
            fake_b_encode = self.generator([images_a_1, z_encode], training=True)
            encode_real = self.discriminator_1(images_b_1, training=True)
            encode_fake = self.discriminator_1(fake_b_encode, training=True)
            d1_loss = losses.least_squares(encode_real, 1.0) + losses.least_squares(
                encode_fake, 0.0
            )
            gan_1_loss = losses.least_squares(encode_fake, 1.0)
            image_loss = self.lambda_image * losses.mean_absolute(images_b_1, fake_b_encode)
            kl_loss = self.lambda_kl * losses.kl_from_standard_normal(
                mean_encode, log_variance_encode
            )
            generator_loss = gan_1_loss + image_loss
            encoder_loss = generator_loss + kl_loss

        gradients_d1 = tape_d1.gradient(d1_loss, self.discriminator_1.trainable_variables)
        gradients_g = tape_g.gradient(generator_loss, self.generator.trainable_variables)
        gradients_e = tape_e.gradient(encoder_loss, self.encoder.trainable_variables)
        self.optimizer_d1.apply(gradients_d1, self.discriminator_1.trainable_variables)
        self.optimizer_encoder.apply(gradients_e, self.encoder.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {
            "d1_loss": d1_loss,
            "gan_1_loss": gan_1_loss,
            "image_loss": image_loss,
            "kl_loss": kl_loss,
        }

    def train_clr(self, pairs):
        """One step of cLR-GAN alone, z -> B -> z (section 3.2).

        Here the latent loss trains the encoder too: without the other flow it has no other teacher.
        """
        images_a_random, (_, images_b_2) = pairs[self.clr_pair][0], pairs[1]
        z = self.sample_latent(images_b_2, stream=1)
        self.reseed_dropout()

        with tf.GradientTape() as tape_e, tf.GradientTape() as tape_g, tf.GradientTape() as tape_d2:
            fake_b_random = self.generator([images_a_random, z], training=True)
            random_real = self.discriminator_2(images_b_2, training=True)
            random_fake = self.discriminator_2(fake_b_random, training=True)
            d2_loss = losses.least_squares(random_real, 1.0) + losses.least_squares(
                random_fake, 0.0
            )
            gan_2_loss = losses.least_squares(random_fake, 1.0)
            _, mean_random, _ = self.encoder([fake_b_random, tf.zeros_like(z)], training=True)
            latent_loss = self.lambda_latent * losses.mean_absolute(z, mean_random)
            generator_loss = gan_2_loss + latent_loss

        gradients_d2 = tape_d2.gradient(d2_loss, self.discriminator_2.trainable_variables)
        gradients_g = tape_g.gradient(generator_loss, self.generator.trainable_variables)
        # The head of the log-variance has no part in this loss. TensorFlow makes the zeros for its
        # own variables only, not for the Keras ones around them.
        gradients_e = tape_e.gradient(
            latent_loss,
            [variable.value for variable in self.encoder.trainable_variables],
            unconnected_gradients="zero",
        )
        self.optimizer_d2.apply(gradients_d2, self.discriminator_2.trainable_variables)
        self.optimizer_encoder.apply(gradients_e, self.encoder.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d2_loss": d2_loss, "gan_2_loss": gan_2_loss, "latent_loss": latent_loss}

    def encode(self, images_b) -> np.ndarray:
        """The style of photos, `(n, latent_dim)`: the mean of the Gaussian, not a sample."""

        def mean(photos):
            noise = tf.zeros((len(photos), self.latent_dim))
            return self.encoder([photos, noise], training=False)[1]

        return in_chunks(mean, images_b, image_size=self.image_size)

    def translate(self, images_a, z) -> np.ndarray:
        """Paints A `(n, size, size, channels)` in the styles z `(n, latent_dim)`; no dropout."""

        def paint(*inputs):
            return self.generator(inputs, training=False)

        return in_chunks(paint, images_a, z, image_size=self.image_size)

    def generator_for(self, height: int, width: int) -> keras.Model:
        """The generator for images of another size, multiples of `size_multiple`; same weights."""
        if (height, width) == (self.image_size, self.image_size):
            return self.generator
        generator = build_generator((height, width), **self.generator_options)
        generator.set_weights(self.generator.get_weights())
        return generator

    def preview(self, batch: tuple[np.ndarray, np.ndarray], samples: int = 8) -> list[list]:
        """Rows of a sample grid: the sketch, the photo, its reconstruction, and the sketch in fixed
        styles.

        Args:
            batch: sketches and photos, each `(n, image_size, image_size, channels)`.
            samples: styles; the same for every sketch and every call.
        """
        images_a, images_b = batch
        count = len(images_a)
        z = tf.random.stateless_normal((samples, self.latent_dim), [self.seed, -1])
        reconstructions = self.translate(images_a, self.encode(images_b))
        fakes = self.translate(np.repeat(images_a, samples, axis=0), tf.tile(z, [count, 1]))
        fakes = fakes.reshape(count, samples, *fakes.shape[1:])
        return [
            [images_a[row], images_b[row], reconstructions[row], *fakes[row]]
            for row in range(count)
        ]

    def diagnose(self, losses: dict[str, float], rows: list[list]) -> list[str]:
        """Sentences about z being ignored, the fault that this GAN is prone to; none while all is
        well.

        Args:
            losses: of the last step.
            rows: from `preview`.
        """
        warnings = []
        if self.optimizer_generator.iterations < 1000:
            return warnings  # Nothing is learned yet.
        kl = losses.get("kl_loss", math.inf) / self.lambda_kl if self.lambda_kl else math.inf
        if kl < 0.1:
            warnings.append(
                f"the encoder's KL is {kl:.3f} nats: z says nothing about the photo. "
                "If that lasts, lower lambda_kl or raise lambda_image"
            )
        difference = float(np.mean([np.std(row[3:], axis=0).mean() for row in rows]))
        if difference < 0.01:
            warnings.append(
                f"samples of one sketch differ by {difference:.4f} of a range of 2: the generator "
                "ignores z. If that lasts, raise lambda_latent"
            )
        return warnings


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(BicycleGAN.__init__, settings)
    filters = ("generator_filters", "encoder_filters", "discriminator_filters")
    counts = ("image_channels", "photo_channels", "latent_dim", *filters)
    weights = ("lambda_image", "lambda_latent", "lambda_kl", "learning_rate", "init_gain")
    check_range(settings, counts, 1)
    check_range(settings, (*weights, "decay_epochs"), 0)
    check_range(settings, ("dropout", "beta_1"), 0, below=1)
    check_range(settings, ("discriminator_scales",), 1, below=4)
    size, scales = settings["image_size"], settings["discriminator_scales"]
    smallest = 32 * 2 ** (scales - 1)
    if size < smallest or size % 32:
        raise ValueError(
            f"`image_size` must be a multiple of 32, from {smallest} on with discriminator_scales="
            f"{scales}. Received: {size}"
        )
    if settings["discriminator_filters"] % 2 ** (scales - 1):
        raise ValueError(
            f"`discriminator_filters` must be a multiple of {2 ** (scales - 1)} with "
            f"discriminator_scales={scales}. Received: {settings['discriminator_filters']}"
        )
