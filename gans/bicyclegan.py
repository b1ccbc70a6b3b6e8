"""BicycleGAN: one sketch, many different photos.

Paper: Zhu et al. 2017, "Toward Multimodal Image-to-Image Translation", arXiv:1711.11586; sections
and equations below are its. Official code: junyanz/BicycleGAN, as of June 2020 (HEAD). Article:
"BicycleGAN in detail and in TensorFlow 2" (AIGC series), whose names for networks, losses and tapes
are kept.

    python scripts/train_bicyclegan.py    # toy fashion, minutes on 2 cores
    python scripts/train_bicyclegan.py --data_dir=data/edges2handbags    # the article's numbers

A generator that gets noise beside the image learns to ignore it. BicycleGAN ties the noise to the
photo in both directions: cVAE-GAN encodes a photo into z and must paint that photo again (B -> z ->
B); cLR-GAN paints with a random z and must find that z again in what it painted (z -> B -> z).

Differences from the paper
- `article`: z enters at the image only, one discriminator scale, plain convolutions as encoder, no
  dropout, constant learning rate; A2, not A1, is painted with the random z.
- `paper`: none known in the mathematics of a step. Biases before a normalisation, which cancels
  them, are never moved; those of the official code walk at random by rounding noise. Dropout is on,
  as in the official training scripts.
- All: the official code sums KL over the batch; at its one encoded image per step that is the mean
  used here.
"""

import math
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import losses, networks, optimizers
from gans.nn.initializers import xavier_normal
from gans.nn.layers import HalveImage, TileLatent
from gans.nn.model import GANModel
from gans.nn.random import draw, reseed_dropout, seed_of
from gans.nn.settings import UNetSettings, setting

CAN = {
    "starts_from": "pairs",
    "networks": ("generator", "encoder"),
    "varies_by": "style",
    "draws": 2,
}


@dataclass(frozen=True, kw_only=True)
class Settings(UNetSettings):
    """The defaults are the numbers of the article."""

    latent_dim: int = setting(8, "Length of the latent code z.", least=1)
    encoder_filters: int = setting(64, "Channels of the encoder's first layer.", least=1)
    latent_injection: Literal["input", "all"] = setting(
        "input", "Where z enters the generator: beside the input image, or in all down layers."
    )
    encoder_network: Literal["conv", "resnet"] = setting(
        "conv", "conv, or resnet, which the paper found better."
    )
    discriminator_scales: int = setting(
        1, "1: a 70x70 PatchGAN; 2 adds one that sees 140x140; losses add up.", least=1, below=4
    )
    norm: Literal["instance", "batch", "none"] = setting(
        "instance", "Normalisation. With batch, the two flows of the generator are one batch."
    )
    dropout: float = setting(0.0, "Rate in the generator's inner up layers.", least=0, below=1)
    objective: Literal["bicycle", "cvae", "clr"] = setting(
        "bicycle", "bicycle, or one half of it alone: cvae (B -> z -> B) or clr (z -> B -> z)."
    )
    clr_images: Literal["first", "second"] = setting(
        "second", "Which A is painted with the random z: A1 (official code) or A2 (article)."
    )
    lambda_image: float = setting(10.0, "Weight of the L1 image loss (equation 6).", least=0)
    lambda_latent: float = setting(0.5, "Weight of the L1 loss of the recovered z.", least=0)
    lambda_kl: float = setting(0.01, "Weight of KL, which is in nats per image.", least=0)
    init_gain: float = setting(0.02, "Xavier gain of the initial weights.", least=0)

    def check(self):
        factor = 2 ** (self.discriminator_scales - 1)
        if self.image_size < 32 * factor or self.image_size % 32:
            raise ValueError(
                f"`image_size` must be a multiple of 32, from {32 * factor} on with "
                f"discriminator_scales={self.discriminator_scales}. Received: {self.image_size}"
            )
        if self.discriminator_filters % factor:
            raise ValueError(
                f"`discriminator_filters` must be a multiple of {factor} with discriminator_scales="
                f"{self.discriminator_scales}. Received: {self.discriminator_filters}"
            )


def build_generator(
    s: Settings, height: int | None = None, width: int | None = None
) -> keras.Model:
    """U-Net that paints A in the style z (section 3.3, figure 3).

    `[(batch, h, w, image_channels) in [-1, 1], (batch, latent_dim)]` to `(batch, h, w,
    photo_channels)` in [-1, 1]. h and w are `image_size`, which the U-Net takes down to 1x1, or
    other multiples of `2 ** unet_depth(image_size)`.
    """
    shape = (height or s.image_size, width or s.image_size, s.image_channels)
    image_a = layers.Input(shape, name="image_a")
    z = layers.Input((s.latent_dim,), name="z")
    fake_b = networks.unet(
        TileLatent()([image_a, z]) if s.latent_injection == "input" else image_a,
        z=z if s.latent_injection == "all" else None,
        depth=networks.unet_depth(s.image_size),
        filters=s.generator_filters,
        output_channels=s.photo_channels,
        norm=s.norm,
        upsample=s.upsample,
        dropout=s.dropout,
        kernel_initializer=xavier_normal(s.init_gain),
    )
    return keras.Model([image_a, z], fake_b, name="generator")


def build_encoder(s: Settings) -> keras.Model:
    """Photo to the Gaussian that its style z is drawn from. It sees B only, never A.

    `[(batch, size, size, photo_channels) in [-1, 1], noise (batch, latent_dim)]` to `[z, mean,
    log_variance]`, each `(batch, latent_dim)`, with z = mean + noise * exp(log_variance / 2): the
    noise comes from outside, so that the network is a function. Nothing bounds `log_variance`, as
    in the official code.
    """
    options = {"filters": s.encoder_filters, "kernel_initializer": xavier_normal(s.init_gain)}
    image_b = layers.Input((s.image_size, s.image_size, s.photo_channels), name="image_b")
    noise = layers.Input((s.latent_dim,), name="noise")
    halvings = int(math.log2(s.image_size))
    if s.encoder_network == "resnet":
        # 4 blocks at 256, 3 at 128: the last map is 8x8.
        blocks = max(1, halvings - 4)
        features = networks.resnet_features(image_b, blocks=blocks, norm=s.norm, **options)
    else:
        # More layers, and more channels, for larger images: the last map is 4x4.
        features = networks.conv_features(image_b, depth=max(1, halvings - 2), **options)
    head = {"kernel_initializer": options["kernel_initializer"], "dtype": keras.config.floatx()}
    mean = layers.Dense(s.latent_dim, **head, name="mean")(features)
    log_variance = layers.Dense(s.latent_dim, **head, name="log_variance")(features)
    z = mean + noise * keras.ops.exp(0.5 * log_variance)
    return keras.Model([image_b, noise], [z, mean, log_variance], name="encoder")


def build_discriminator(s: Settings, name: str) -> keras.Model:
    """70x70 PatchGAN; with 2 scales a second, half as wide, on the half-size image ("140x140").

    `(batch, size, size, photo_channels)` to a list of maps `(batch, p, p, 1)`, one per scale,
    without activation: p is 30 and 14 at 256. It judges B alone: correspondence to A is kept by the
    image loss, and the official code leaves A out by default.
    """
    image_b = layers.Input((s.image_size, s.image_size, s.photo_channels), name="image_b")
    maps, image = [], image_b
    for scale in range(s.discriminator_scales):
        image = HalveImage()(image) if scale else image
        maps.append(
            networks.patchgan(
                image,
                filters=s.discriminator_filters // 2**scale,
                norm=s.norm,
                kernel_initializer=xavier_normal(s.init_gain),
            )
        )
    return keras.Model(image_b, maps, name=name)


class BicycleGAN(GANModel):
    """Generator, encoder and two discriminators, trained together (equation 6)."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        self.size_multiple = 2 ** networks.unet_depth(s.image_size)
        self.clr_pair = {"first": 0, "second": 1}[s.clr_images]
        self.generator = build_generator(s)
        self.encoder = build_encoder(s)
        # Separate discriminators for the two flows give better pictures than a shared one
        # (section 4).
        self.discriminator_1 = self.discriminator_2 = None
        if s.objective != "clr":
            self.discriminator_1 = build_discriminator(s, "discriminator_1")
        if s.objective != "cvae":
            self.discriminator_2 = build_discriminator(s, "discriminator_2")
        self.train_step = {
            "bicycle": self.train_bicycle,
            "cvae": self.train_cvae,
            "clr": self.train_clr,
        }[s.objective]
        self.built = True

    def train_bicycle(self, pairs):
        """One step on two independent draws of pairs: equation 6, one update of each network.

        Every gradient is that of the weights before the step, whatever the order of the four
        updates; the official code (HEAD) updates E and G, then D and D2, on one forward pass. The
        official code of 2017 made a second update of G for the latent loss.
        """
        s = self.settings
        (images_a_1, images_b_1), (images_a_2, images_b_2) = pairs
        images_a_random = (images_a_1, images_a_2)[self.clr_pair]
        noise = self.sample_latent(images_b_1, stream=0)
        z = self.sample_latent(images_b_2, stream=1)
        reseed_dropout(s.seed, self.step, self.generator)

        # cVAE-GAN, B -> z: its own tape, so that no backward pass through G and D is made twice.
        with tf.GradientTape() as tape_e:
            z_encode, mean_encode, log_variance_encode = self.encoder(
                [images_b_1, noise], training=True
            )
            # Equation 3.
            kl_loss = s.lambda_kl * losses.kl_from_standard_normal(mean_encode, log_variance_encode)

        with (
            tf.GradientTape() as tape_g,
            tf.GradientTape() as tape_d1,
            tf.GradientTape() as tape_d2,
        ):
            tape_g.watch(z_encode)
            # Both flows in one call read the weights once; instance norm keeps the images apart.
            images_a = tf.concat([images_a_1, images_a_random], axis=0)
            fake_b = self.generator([images_a, tf.concat([z_encode, z], axis=0)], training=True)
            fake_b_encode, fake_b_random = tf.split(fake_b, 2)

            # cVAE-GAN, z -> B
            encode_real = self.discriminator_1(images_b_1, training=True)
            encode_fake = self.discriminator_1(fake_b_encode, training=True)
            d1_loss = losses.least_squares_discriminator(encode_real, encode_fake)
            gan_1_loss = losses.least_squares(encode_fake, 1.0)
            image_loss = s.lambda_image * losses.mean_absolute(images_b_1, fake_b_encode)

            # cLR-GAN, z -> B -> z: the mean, not a sample, is compared with z.
            random_real = self.discriminator_2(images_b_2, training=True)
            random_fake = self.discriminator_2(fake_b_random, training=True)
            d2_loss = losses.least_squares_discriminator(random_real, random_fake)
            gan_2_loss = losses.least_squares(random_fake, 1.0)
            _, mean_random, _ = self.encoder([fake_b_random, tf.zeros_like(z)], training=True)
            # Equation 5.
            latent_loss = s.lambda_latent * losses.mean_absolute(z, mean_random)

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
        s = self.settings
        (images_a_1, images_b_1), _ = pairs
        noise = self.sample_latent(images_b_1, stream=0)
        reseed_dropout(s.seed, self.step, self.generator)

        with tf.GradientTape() as tape_e, tf.GradientTape() as tape_g, tf.GradientTape() as tape_d1:
            z_encode, mean_encode, log_variance_encode = self.encoder(
                [images_b_1, noise], training=True
            )
            fake_b_encode = self.generator([images_a_1, z_encode], training=True)
            encode_real = self.discriminator_1(images_b_1, training=True)
            encode_fake = self.discriminator_1(fake_b_encode, training=True)
            d1_loss = losses.least_squares_discriminator(encode_real, encode_fake)
            gan_1_loss = losses.least_squares(encode_fake, 1.0)
            image_loss = s.lambda_image * losses.mean_absolute(images_b_1, fake_b_encode)
            kl_loss = s.lambda_kl * losses.kl_from_standard_normal(mean_encode, log_variance_encode)
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
        s = self.settings
        images_a_random, (_, images_b_2) = pairs[self.clr_pair][0], pairs[1]
        z = self.sample_latent(images_b_2, stream=1)
        reseed_dropout(s.seed, self.step, self.generator)

        with tf.GradientTape() as tape_e, tf.GradientTape() as tape_g, tf.GradientTape() as tape_d2:
            fake_b_random = self.generator([images_a_random, z], training=True)
            random_real = self.discriminator_2(images_b_2, training=True)
            random_fake = self.discriminator_2(fake_b_random, training=True)
            d2_loss = losses.least_squares_discriminator(random_real, random_fake)
            gan_2_loss = losses.least_squares(random_fake, 1.0)
            _, mean_random, _ = self.encoder([fake_b_random, tf.zeros_like(z)], training=True)
            latent_loss = s.lambda_latent * losses.mean_absolute(z, mean_random)
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

    def sample_latent(self, images, stream: int):
        """Standard normal codes `(batch, latent_dim)`: a function of (seed, stream, step)."""
        s = self.settings
        seed = seed_of(s.seed, stream, self.step)
        return draw("normal", (tf.shape(images)[0], s.latent_dim), seed)

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        adam = optimizers.adam(self.settings, epochs, steps_per_epoch)
        networks = {"generator": self.generator, "encoder": self.encoder}
        networks |= {"d1": self.discriminator_1, "d2": self.discriminator_2}
        super().compile(
            **{f"optimizer_{name}": adam(network) for name, network in networks.items() if network},
            run_eagerly=run_eagerly,
        )

    def encode(self, images_b) -> np.ndarray:
        """The style of photos, `(n, latent_dim)`: the mean of the Gaussian, not a sample."""

        def mean(photos):
            noise = tf.zeros((len(photos), self.settings.latent_dim))
            return self.encoder([photos, noise], training=False)[1]

        return self.in_chunks(mean, images_b)

    def translate(self, images_a, z) -> np.ndarray:
        """Paints A `(n, size, size, channels)` in the styles z `(n, latent_dim)`; no dropout."""

        def paint(*inputs):
            return self.generator(inputs, training=False)

        return self.in_chunks(paint, images_a, z)

    def generator_for(self, height: int, width: int) -> keras.Model:
        """The generator for images of another size, multiples of `size_multiple`; same weights."""
        if height == width == self.settings.image_size:
            return self.generator
        generator = build_generator(self.settings, height, width)
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
        # Steps count from 0 on.
        z = draw("normal", (samples, self.settings.latent_dim), seed_of(self.settings.seed, 0, -1))
        reconstructions = self.translate(images_a, self.encode(images_b))
        fakes = self.translate(np.repeat(images_a, samples, axis=0), tf.tile(z, [count, 1]))
        columns = (images_a, images_b, reconstructions, np.split(fakes, count))
        return [[a, b, again, *styles] for a, b, again, styles in zip(*columns, strict=True)]

    def diagnose(self, losses: dict[str, float], rows: list[list]) -> list[str]:
        """Warnings where z is ignored, by the losses of the last step and the rows of `preview`."""
        warnings = []
        if self.step < 1000:
            return warnings  # Nothing is learned yet.
        weight = self.settings.lambda_kl
        kl = losses.get("kl_loss", math.inf) / weight if weight else math.inf
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
# As scripts/train.sh of the official code for edges2handbags: no cropping, one image per flow.
TRAINING = {
    "toy": {"batch_size": 2, "epochs": 36},
    "article": {"batch_size": 1, "epochs": 30},
    "paper": {"batch_size": 1, "epochs": 30},
}
