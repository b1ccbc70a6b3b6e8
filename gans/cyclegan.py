"""CycleGAN: two folders of images without correspondence, each translated into the other.

Paper: Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", arXiv:1703.10593; sections and equations below are its. Official code:
junyanz/pytorch-CycleGAN-and-pix2pix, and junyanz/CycleGAN (Lua), the paper's own. Article: "From
pix2pix to CycleGAN" (AIGC series).

    python scripts/train_cyclegan.py    # toy fashion, sketch <-> bag
    python scripts/train_cyclegan.py --data_dir=data/monet2photo --preset=paper

Without pairs nothing says which photo belongs to which sketch: a generator may paint any photo. So
a second generator paints in the other direction, and an image that passes through both must come
out as it was (A -> B -> A and B -> A -> B). The discriminators see old fakes beside new ones, or a
generator would go round in circles. A generator that gets an image of the domain it paints must
leave it alone (identity loss), or it may exchange colours as long as the other exchanges them back.

Differences from the paper
- `article`: U-Net instead of ResNet, constant learning rate, no cropping; no dropout, which a cycle
  could not undo.
- `paper`: the PyTorch code where it differs from the Lua code: one optimizer for both generators
  and one for both discriminators, both generators before both discriminators, instance
  normalisation without scale and offset, load size 286. Biases before a normalisation, which it
  cancels, are never moved.
- All: the identity loss is on, as in both codes; the paper has it for paintings only. Each domain
  goes through permutations of its own; the official code draws B at random, with replacement.
"""

import math
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import losses, networks, optimizers
from gans.nn.domain_gan import Direction, DomainGAN
from gans.nn.image_pool import ImagePool
from gans.nn.initializers import normal
from gans.nn.layers import keeping_statistics
from gans.nn.random import reseed_dropout, seed_of
from gans.nn.settings import UNetSettings, setting

CAN = {
    "starts_from": "domains",
    "networks": ("generator_ab", "generator_ba"),
    "varies_by": "direction",
}


@dataclass(frozen=True, kw_only=True)
class Settings(UNetSettings):
    """The defaults are the numbers of the article."""

    generator: Literal["unet", "resnet"] = setting(
        "unet", "unet, that of pix2pix, or resnet, that of the paper."
    )
    blocks: int = setting(
        9, "Residual blocks of the resnet: 9 for 256x256, 6 for 128x128.", least=1, below=32
    )
    norm: Literal["instance", "batch", "none"] = setting("instance", "Normalisation.")
    dropout: float = setting(0.0, "Rate in inner layers of the generators.", least=0, below=1)
    cycle: Literal["both", "forward", "backward", "none"] = setting(
        "both", "Cycles that must close: forward (A -> B -> A), backward (B -> A -> B), both, none."
    )
    lambda_cycle: float = setting(10.0, "Weight of the L1 cycle losses (equation 3).", least=0)
    lambda_identity: float = setting(
        0.5, "Weight of the L1 identity losses (section 5.2), as a part of lambda_cycle.", least=0
    )
    pool_size: int = setting(
        50, "Generated images kept per domain for its discriminator; 0 keeps none.", least=0
    )
    init_stddev: float = setting(0.02, "Standard deviation of the initial weights.", least=0)

    def check(self):
        multiple = 4 if self.generator == "resnet" else 64 if self.dropout else 32
        if self.image_size < 32 or self.image_size % multiple:
            raise ValueError(
                f"`image_size` must be a multiple of {multiple}, from 32 on, with generator="
                f"{self.generator!r}. Received: {self.image_size}"
            )
        # Each dropout layer has a random stream of its own.
        if self.dropout and self.generator == "resnet" and self.blocks > 24:
            raise ValueError(f"`blocks` must be at most 24 with dropout. Received: {self.blocks}")
        if self.lambda_identity and self.image_channels != self.photo_channels:
            raise ValueError(
                "`lambda_identity` must be 0 where A and B differ in channels: each generator gets "
                f"images of both. Received: {self.lambda_identity} with image_channels="
                f"{self.image_channels}, photo_channels={self.photo_channels}"
            )


def build_generator(
    s: Settings, input_channels: int, output_channels: int, name: str = "generator"
) -> keras.Model:
    """Paints an image of one domain as one of the other (appendix 7.2).

    `(batch, size, size, input_channels)` to `(batch, size, size, output_channels)`, both in [-1,
    1]. The ResNet halves the sides twice, the U-Net as often as `networks.unet_depth` says.
    """
    image = layers.Input((s.image_size, s.image_size, input_channels), name="image")
    options = {
        "filters": s.generator_filters,
        "output_channels": output_channels,
        "norm": s.norm,
        "dropout": s.dropout,
        "upsample": s.upsample,
        "kernel_initializer": normal(s.init_stddev),
    }
    if s.generator == "resnet":
        fake = networks.resnet_generator(image, blocks=s.blocks, **options)
    else:
        fake = networks.unet(image, depth=networks.unet_depth(s.image_size), **options)
    return keras.Model(image, fake, name=name)


def build_discriminator(s: Settings, channels: int, name: str = "discriminator") -> keras.Model:
    """70x70 PatchGAN of one domain; it sees one image, never a pair.

    `(batch, size, size, channels)` to a map `(batch, p, p, 1)` without activation: p is 30 at 256.
    """
    image = layers.Input((s.image_size, s.image_size, channels), name="image")
    outputs = networks.patchgan(
        image,
        filters=s.discriminator_filters,
        norm=s.norm,
        kernel_initializer=normal(s.init_stddev),
    )
    return keras.Model(image, outputs, name=name)


class CycleGAN(DomainGAN):
    """Two generators and two discriminators, trained together (equation 3)."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        self.lambda_identity = s.lambda_cycle * s.lambda_identity
        # Nothing is computed for a weight of 0.
        self.has_cycle_a = s.cycle in ("both", "forward") and s.lambda_cycle > 0
        self.has_cycle_b = s.cycle in ("both", "backward") and s.lambda_cycle > 0
        resnet = s.generator == "resnet"
        self.size_multiple = 4 if resnet else 2 ** networks.unet_depth(s.image_size)
        a, b = s.image_channels, s.photo_channels
        self.generator_ab = build_generator(s, a, b, "generator_ab")
        self.generator_ba = build_generator(s, b, a, "generator_ba")
        self.discriminator_a = build_discriminator(s, a, "discriminator_a")
        self.discriminator_b = build_discriminator(s, b, "discriminator_b")
        self.pool_a = ImagePool(s.pool_size, (s.image_size, s.image_size, a))
        self.pool_b = ImagePool(s.pool_size, (s.image_size, s.image_size, b))
        self.built = True

    def train_step(self, images):
        """One step on images of both domains: equation 3, one update of each network.

        Every gradient is that of the weights before the step: the official code updates the
        generators, then the discriminators on the fakes painted before.
        """
        images_a, images_b = images
        s = self.settings
        reseed_dropout(s.seed, self.step, self.generator_ab, self.generator_ba)

        with tf.GradientTape() as tape_g:
            if self.lambda_identity:
                fake_b, same_b = self.paint(self.generator_ab, images_a, images_b)
                fake_a, same_a = self.paint(self.generator_ba, images_b, images_a)
            else:
                [fake_b] = self.paint(self.generator_ab, images_a)
                [fake_a] = self.paint(self.generator_ba, images_b)

            # Equation 1, by least squares (section 4).
            outputs_b = self.discriminator_b(fake_b, training=True)
            outputs_a = self.discriminator_a(fake_a, training=True)
            losses_g = {
                "gan_ab_loss": losses.least_squares(outputs_b, 1.0),
                "gan_ba_loss": losses.least_squares(outputs_a, 1.0),
            }
            # Equation 2, A -> B -> A and B -> A -> B.
            if self.has_cycle_a:
                with keeping_statistics(self.generator_ba):
                    [cycled_a] = self.paint(self.generator_ba, fake_b)
                losses_g["cycle_a_loss"] = s.lambda_cycle * losses.mean_absolute(images_a, cycled_a)
            if self.has_cycle_b:
                with keeping_statistics(self.generator_ab):
                    [cycled_b] = self.paint(self.generator_ab, fake_a)
                losses_g["cycle_b_loss"] = s.lambda_cycle * losses.mean_absolute(images_b, cycled_b)
            if self.lambda_identity:
                losses_g["identity_a_loss"] = self.lambda_identity * losses.mean_absolute(
                    images_a, same_a
                )
                losses_g["identity_b_loss"] = self.lambda_identity * losses.mean_absolute(
                    images_b, same_b
                )
            generator_loss = tf.add_n(list(losses_g.values()))

        # What the discriminators see of the fakes is half from the past.
        shown_a = self.pool_a(fake_a, self.sample_draws(fake_a, stream=0))
        shown_b = self.pool_b(fake_b, self.sample_draws(fake_b, stream=1))
        with tf.GradientTape() as tape_d:
            real_a = self.discriminator_a(images_a, training=True)
            past_a = self.discriminator_a(shown_a, training=True)
            real_b = self.discriminator_b(images_b, training=True)
            past_b = self.discriminator_b(shown_b, training=True)
            # Halved, which slows the discriminators (section 7.1).
            d_a_loss = 0.5 * losses.least_squares_discriminator(real_a, past_a)
            d_b_loss = 0.5 * losses.least_squares_discriminator(real_b, past_b)
            discriminator_loss = d_a_loss + d_b_loss

        gradients_g = tape_g.gradient(generator_loss, self.generator_variables)
        gradients_d = tape_d.gradient(discriminator_loss, self.discriminator_variables)
        self.optimizer_generators.apply(gradients_g, self.generator_variables)
        self.optimizer_discriminators.apply(gradients_d, self.discriminator_variables)
        return {"d_a_loss": d_a_loss, "d_b_loss": d_b_loss, **losses_g}

    def paint(self, generator, *flows) -> list[tf.Tensor]:
        """What the generator makes of each of several batches, in training."""
        if self.settings.norm == "batch":
            first = generator(flows[0], training=True)
            with keeping_statistics(generator):
                return [first, *(generator(images, training=True) for images in flows[1:])]
        # In one call, which reads the weights once: a step with U-Nets at 256x256 takes 9 % longer
        # without, one with ResNets as long. Nothing but batch norm ties the images together.
        return tf.split(generator(tf.concat(flows, axis=0), training=True), len(flows))

    def sample_draws(self, images, stream: int):
        """Uniform numbers `(batch, 2)` for a pool: a function of (seed, stream, step)."""
        seed = seed_of(self.settings.seed, stream, self.step)
        return tf.random.stateless_uniform((tf.shape(images)[0], 2), seed)

    @property
    def step(self):
        """Steps done."""
        return self.optimizer_generators.iterations

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer for both generators and one for both discriminators."""
        adam = optimizers.adam(self.settings, epochs, steps_per_epoch)
        super().compile(
            optimizer_generators=adam(self.generator_variables),
            optimizer_discriminators=adam(self.discriminator_variables),
            run_eagerly=run_eagerly,
        )

    def generator_for(
        self, height: int, width: int, direction: Direction = "a_to_b"
    ) -> keras.Model:
        """The generator of that direction for images of another size, with the same weights.

        Raises `ValueError` for a side that is not a multiple of `size_multiple`.
        """
        generator = self.generator_of(direction)
        if height % self.size_multiple or width % self.size_multiple or min(height, width) < 8:
            raise ValueError(
                f"expected sides that are multiples of {self.size_multiple}, from 8 on. "
                f"Received: {height}x{width}"
            )
        if height == width == self.settings.image_size:
            return generator
        image = layers.Input((height, width, generator.input_shape[-1]), name="image")
        # The same layers, not copies of them.
        return keras.models.clone_model(
            generator, input_tensors=image, clone_function=lambda layer: layer
        )

    def preview(self, batch: tuple[np.ndarray, np.ndarray]) -> list[list]:
        """Rows of a sample grid: A, painted as B, and back; B, painted as A, and back.

        Args:
            batch: images of A and of B, `(n, image_size, image_size, channels)` each.
        """
        images_a, images_b = batch
        fake_b, fake_a = self.translate(images_a, "a_to_b"), self.translate(images_b, "b_to_a")
        cycled_a, cycled_b = self.translate(fake_b, "b_to_a"), self.translate(fake_a, "a_to_b")
        columns = (images_a, fake_b, cycled_a, images_b, fake_a, cycled_b)
        return [list(row) for row in zip(*columns, strict=True)]

    def diagnose(self, losses: dict[str, float], rows: list[list]) -> list[str]:
        """Sentences about a generator that paints what it got, or the same whatever it got; none
        while all is well.

        Args:
            losses: of the last step. None of this shows in them: the cycle of a generator that
                changes nothing is perfect.
            rows: from `preview`.
        """
        warnings = []
        if self.step < 1000:
            return warnings  # Nothing is learned yet.
        images_a, fake_b, _, images_b, fake_a, _ = map(np.stack, zip(*rows, strict=True))
        for name, images, fakes in [
            ("generator_ab", images_a, fake_b),
            ("generator_ba", images_b, fake_a),
        ]:
            change = np.abs(fakes - images).mean() if fakes.shape == images.shape else math.inf
            if change < 0.02:
                warnings.append(
                    f"{name} changes its images by {change:.4f} of a range of 2: it paints what it "
                    "gets. If that lasts, lower lambda_identity or lambda_cycle"
                )
            spread = fakes.std(axis=0).mean()
            if len(rows) > 1 and spread < 0.01 and images.std(axis=0).mean() > 0.01:
                warnings.append(
                    f"the images that {name} paints differ by {spread:.4f} of a range of 2: it "
                    "paints the same for all. If that lasts, raise lambda_cycle"
                )
        return warnings


PRESETS = {
    "toy": {
        "image_size": 64,
        "generator": "resnet",
        "blocks": 3,
        "generator_filters": 16,
        "discriminator_filters": 16,
        # A transposed convolution leaves a checkerboard in so few steps.
        "upsample": "resize",
        "init_stddev": 0.05,
        "learning_rate": 5e-4,
        "decay_epochs": 4,
    },
    "article": {},
    # 128x128 has 6 blocks: --image_size=128 --blocks=6 --load_size=143.
    "paper": {"generator": "resnet", "decay_epochs": 100},
}
# An epoch takes each image of the larger domain once.
TRAINING = {
    "toy": {"batch_size": 1, "epochs": 8},
    "article": {"batch_size": 1, "epochs": 200},
    "paper": {"batch_size": 1, "epochs": 200, "load_size": 286},
}
