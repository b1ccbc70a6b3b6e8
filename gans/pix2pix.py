"""pix2pix: one sketch, one photo, learned from pairs.

Paper: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
arXiv:1611.07004; sections and equations below are its. Official code: phillipi/pix2pix (Lua), and
junyanz/pytorch-CycleGAN-and-pix2pix where it says PyTorch. Article: "From pix2pix to CycleGAN".

    python scripts/train_pix2pix.py    # toy fashion, minutes on 2 cores
    python scripts/train_pix2pix.py --data_dir=data/facades --preset=paper

A loss that compares pixels paints the mean of all photos that fit a sketch, which is blurred. The
discriminator is a loss that is learned: it looks at patches of sketch and photo side by side and
decides whether they are real. L1 takes care of the coarse, the patches of the fine.

At test nothing changes from training (section 3.3): dropout drops, and batch normalisation takes
the statistics of the picture at hand. `dropout_at_test` and `norm_at_test` change that.

Differences from the paper
- `article`: instance normalisation, which is the same in training and at test.
- `paper` (Lua): G is judged by the D that was just updated, as section 3.3 has it. The Lua code
  compares D's output from before its update and sends the gradient through the D from after it, an
  artefact of its buffers. It holds the biases of all convolutions at zero; here, as in PyTorch, G
  has one in its last convolution only, and D in its first and last.
- `paper_pytorch`: none known. It and the paper's text halve D's loss, the Lua code only the figure
  that it prints. Adam divides such a factor out again, but for its epsilon.
"""

import math
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import losses, networks, optimizers
from gans.nn.initializers import normal
from gans.nn.layers import TileLatent
from gans.nn.model import GANModel
from gans.nn.random import draw, reseed_dropout, seed_of
from gans.nn.settings import UNetSettings, setting

CAN = {"starts_from": "pairs", "networks": ("generator",), "varies_by": "noise"}
# Convolutions of stride 2 in the discriminator, by the side in pixels of the patch that it judges.
PATCH_LAYERS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}


@dataclass(frozen=True, kw_only=True)
class Settings(UNetSettings):
    """The defaults are the numbers of the article."""

    generator: Literal["unet", "encoder_decoder"] = setting(
        "unet", "unet, or encoder_decoder: the same without skips."
    )
    patch: Literal[1, 16, 34, 70, 142, 286] = setting(
        70,
        "Side in pixels of what each output of the discriminator sees: 1 (PixelGAN), 70 and others "
        "(PatchGAN), 286 (at 256x256 the whole image, ImageGAN).",
    )
    loss: Literal["l1", "gan", "cgan", "l1+gan", "l1+cgan"] = setting(
        "l1+cgan",
        "l1 (no discriminator), gan (it sees B alone), cgan (it sees A beside B), or one of these "
        "plus L1.",
    )
    gan_loss: Literal["cross_entropy", "least_squares"] = setting(
        "cross_entropy", "cross_entropy (of the sigmoid; the paper) or least_squares."
    )
    norm: Literal["instance", "batch", "none"] = setting("instance", "Normalisation.")
    norm_at_test: Literal["batch", "moving"] = setting(
        "batch",
        "Statistics of batch normalisation at test: those of the image at hand (batch, the paper) "
        "or those gathered while training (moving).",
    )
    dropout: float = setting(0.5, "Rate in inner up layers of the generator.", least=0, below=1)
    dropout_levels: Literal["inner", "outer"] = setting(
        "inner", "Its layers: the three innermost (Lua), or one level further out (PyTorch)."
    )
    dropout_at_test: bool = setting(True, "Drop values at test too, as the paper.")
    latent_dim: int = setting(
        0, "Length of a random code z beside the sketch; 0: dropout is the only noise.", least=0
    )
    latent_injection: Literal["input", "all"] = setting(
        "input", "Where z enters the generator: beside the input image, or in all down layers."
    )
    lambda_l1: float = setting(100.0, "Weight of the L1 loss, where `loss` has one.", least=0)
    lambda_d: float = setting(1.0, "Factor of the discriminator's loss; 0.5 in PyTorch.", least=0)
    init_stddev: float = setting(0.02, "Standard deviation of the initial weights.", least=0)

    @property
    def conditional(self) -> bool:
        """Whether the discriminator sees A."""
        return "cgan" in self.loss

    def check(self):
        size = self.image_size
        if self.dropout and self.dropout_levels == "outer" and size % 64:
            raise ValueError(
                '`image_size` must be a multiple of 64 for dropout in the "outer" levels. '
                f"Received: {size}"
            )
        # The last two convolutions, of stride 1, take a pixel each.
        smallest = 32 * math.ceil(3 * 2 ** PATCH_LAYERS[self.patch] / 32)
        if size < smallest or size % 32:
            raise ValueError(
                f"`image_size` must be a multiple of 32, from {smallest} on with patch="
                f"{self.patch}. Received: {size}"
            )
        if self.loss == "l1" and not self.lambda_l1:
            raise ValueError("`lambda_l1` must be above 0 with loss='l1'. Received: 0")
        if self.loss != "l1" and not self.lambda_d:
            raise ValueError(f"`lambda_d` must be above 0 with loss={self.loss!r}. Received: 0")


def build_generator(s: Settings) -> keras.Model:
    """U-Net, or the encoder-decoder of figure 5, that paints B from A (appendix 6.1.1).

    `[(batch, size, size, image_channels) in [-1, 1]]`, with `latent_dim` also `(batch,
    latent_dim)`, to `(batch, size, size, photo_channels)` in [-1, 1].
    """
    image_a = layers.Input((s.image_size, s.image_size, s.image_channels), name="image_a")
    inputs, image, z = [image_a], image_a, None
    if s.latent_dim:
        z = layers.Input((s.latent_dim,), name="z")
        inputs.append(z)
        if s.latent_injection == "input":
            image, z = TileLatent()([image_a, z]), None
    fake_b = networks.unet(
        image,
        z=z,
        depth=networks.unet_depth(s.image_size),
        filters=s.generator_filters,
        output_channels=s.photo_channels,
        norm=s.norm,
        norm_at_test=s.norm_at_test,
        dropout=s.dropout,
        dropout_levels=s.dropout_levels,
        dropout_at_test=s.dropout_at_test,
        skips=s.generator == "unet",
        upsample=s.upsample,
        # Batch normalisation has an offset of its own.
        use_bias=s.norm != "batch",
        kernel_initializer=normal(s.init_stddev),
    )
    return keras.Model(inputs, fake_b, name="generator")


def build_discriminator(s: Settings) -> keras.Model:
    """PatchGAN: each number of its output judges a patch of `patch` x `patch` pixels (section
    3.2.2).

    `[A, B]`, each `(batch, size, size, channels)` in [-1, 1], to logits `(batch, p, p, 1)`; p is
    256, 126, 62, 30, 14, 6 at 256, from the smallest patch to the largest. Not `conditional`:
    `[B]`.
    """
    image_a = layers.Input((s.image_size, s.image_size, s.image_channels), name="image_a")
    image_b = layers.Input((s.image_size, s.image_size, s.photo_channels), name="image_b")
    logits = networks.patchgan(
        layers.Concatenate()([image_a, image_b]) if s.conditional else image_b,
        filters=s.discriminator_filters,
        n_layers=PATCH_LAYERS[s.patch],
        norm=s.norm,
        use_bias=s.norm != "batch",
        kernel_initializer=normal(s.init_stddev),
    )
    inputs = [image_a, image_b] if s.conditional else [image_b]
    return keras.Model(inputs, logits, name="discriminator")


class Pix2Pix(GANModel):
    """Generator and discriminator, trained in turn (equation 4)."""

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        self.size_multiple = 2 ** networks.unet_depth(s.image_size)
        self.varies_at_test = bool(s.latent_dim or (s.dropout and s.dropout_at_test))
        self.lambda_l1 = s.lambda_l1 if "l1" in s.loss else 0.0
        self.gan_loss = {
            "cross_entropy": losses.cross_entropy,
            "least_squares": losses.least_squares,
        }[s.gan_loss]
        self.generator = build_generator(s)
        self.discriminator = build_discriminator(s) if s.loss != "l1" else None
        self.train_step = self.train_l1 if s.loss == "l1" else self.train_gan
        self.built = True

    def train_gan(self, pairs):
        """One update of D, then one of G against the updated D (equation 4, section 3.3).

        Args:
            pairs: sketches and photos, each `(batch, image_size, image_size, channels)`.
        """
        images_a, images_b = pairs
        with tf.GradientTape() as tape_g:
            fake_b = self.generator(self.training_inputs(images_a), training=True)

        # Real and fake go through D apart: a batch normalisation over both would tell them apart.
        with tf.GradientTape() as tape_d:
            d_loss = self.settings.lambda_d * (
                self.gan_loss(self.discriminate(images_a, images_b), 1.0)
                + self.gan_loss(self.discriminate(images_a, fake_b), 0.0)
            )
        gradients_d = tape_d.gradient(d_loss, self.discriminator.trainable_variables)
        self.optimizer_discriminator.apply(gradients_d, self.discriminator.trainable_variables)

        # The same tape goes on: G painted once, and D is another one now.
        with tape_g:
            terms = {"gan_loss": self.gan_loss(self.discriminate(images_a, fake_b), 1.0)}
            if self.lambda_l1:
                terms["l1_loss"] = self.lambda_l1 * losses.mean_absolute(images_b, fake_b)
            generator_loss = sum(terms.values())
        gradients_g = tape_g.gradient(generator_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"d_loss": d_loss, **terms}

    def train_l1(self, pairs):
        """One update of G by the L1 loss alone (equation 3): there is no D."""
        images_a, images_b = pairs
        with tf.GradientTape() as tape_g:
            fake_b = self.generator(self.training_inputs(images_a), training=True)
            l1_loss = self.lambda_l1 * losses.mean_absolute(images_b, fake_b)
        gradients_g = tape_g.gradient(l1_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"l1_loss": l1_loss}

    def generator_inputs(self, images_a, step, seed: int | None = None) -> list[tf.Tensor]:
        """What G gets: `[images_a]`, or `[images_a, z]` with a standard normal z; sets its dropout
        masks too. Both are functions of (seed, step), by default of the seed of the run.
        """
        s = self.settings
        seed = s.seed if seed is None else seed
        reseed_dropout(seed, step, self.generator)
        images_a = tf.convert_to_tensor(images_a)
        if not s.latent_dim:
            return [images_a]
        shape = (tf.shape(images_a)[0], s.latent_dim)
        return [images_a, draw("normal", shape, seed_of(seed, 0, step))]

    def training_inputs(self, images_a) -> list[tf.Tensor]:
        """`generator_inputs` of this step."""
        return self.generator_inputs(images_a, self.step)

    def discriminate(self, images_a, images_b):
        """D's logits of B, seen beside A or alone."""
        inputs = [images_a, images_b] if self.settings.conditional else [images_b]
        return self.discriminator(inputs, training=True)

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer per network, for a run of this length."""
        adam = optimizers.adam(self.settings, epochs, steps_per_epoch)
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        super().compile(
            **{f"optimizer_{name}": adam(network) for name, network in networks.items() if network},
            run_eagerly=run_eagerly,
        )

    def generator_for(self, height: int, width: int) -> keras.Model:
        """The generator for images of another size, multiples of `size_multiple`; same weights."""
        if height % self.size_multiple or width % self.size_multiple:
            raise ValueError(
                f"`height` and `width` must be multiples of {self.size_multiple}. "
                f"Received: {height} and {width}"
            )
        if height == width == self.settings.image_size:
            return self.generator
        inputs = [layers.Input((height, width, self.settings.image_channels), name="image_a")]
        if self.settings.latent_dim:
            inputs.append(layers.Input((self.settings.latent_dim,), name="z"))
        return keras.models.clone_model(
            self.generator, input_tensors=inputs, clone_function=lambda layer: layer
        )

    def translate(self, images_a, seed: int = 0) -> np.ndarray:
        """Paints sketches `(n, height, width, image_channels)` in [-1, 1], each once.

        Args:
            images_a: sides are multiples of `size_multiple`.
            seed: image i gets the dropout masks and the z of (seed, i).

        One image at a time: the paper's batch of one, whose statistics are the image's own.
        """
        generator = self.generator_for(*images_a.shape[1:3])
        # A graph paints the same pixels in a tenth of the time.
        generator.jit_compile = False
        fakes = []
        for index in range(len(images_a)):
            # Steps of training count from 0 on.
            inputs = self.generator_inputs(images_a[index : index + 1], -1 - index, seed)
            fakes.append(generator.predict_on_batch(inputs))
        return np.concatenate(fakes)

    def preview(self, batch: tuple[np.ndarray, np.ndarray], samples: int = 4) -> list[list]:
        """Rows of a sample grid: the sketch, the photo, and what is painted of the sketch.

        Args:
            batch: sketches and photos, each `(n, image_size, image_size, channels)`.
            samples: pictures per sketch, each with other noise; one where nothing varies at test.
        """
        images_a, images_b = batch
        draws = range(samples if self.varies_at_test else 1)
        fakes = [self.translate(images_a, seed) for seed in draws]
        return [list(row) for row in zip(images_a, images_b, *fakes, strict=True)]

    def diagnose(self, losses: dict[str, float], rows: list[list]) -> list[str]:
        """Sentences about what this GAN is prone to: a discriminator that has won, a generator that
        no longer looks at the sketch; none while all is well.

        Args:
            losses: of the last step.
            rows: from `preview`.
        """
        warnings = []
        if self.step < 1000:
            return warnings  # Nothing is learned yet.
        d_loss = losses.get("d_loss", math.inf) / self.settings.lambda_d
        if d_loss < 0.05:
            warnings.append(
                f"the discriminator's loss is {d_loss:.3f}: it tells real from fake at once, and "
                "its gradient leads the generator nowhere. If that lasts, lower "
                "discriminator_filters or take a smaller patch"
            )
        photos, fakes = (np.stack([row[column] for row in rows]) for column in (1, 2))
        difference, real = (float(np.std(images, axis=0).mean()) for images in (fakes, photos))
        if difference < 0.1 * real:
            warnings.append(
                f"pictures of different sketches differ by {difference:.4f}, their photos by "
                f"{real:.4f} of a range of 2: the generator ignores the sketch. If that lasts, "
                "begin again with loss=l1+cgan"
            )
        return warnings


PRESETS = {
    "toy": {
        "image_size": 64,
        "generator_filters": 16,
        "discriminator_filters": 16,
        "learning_rate": 1e-3,
        "decay_epochs": 8,
    },
    "article": {},
    "paper": {"norm": "batch"},
    "paper_pytorch": {
        "norm": "batch",
        "dropout_levels": "outer",
        "lambda_d": 0.5,
        "decay_epochs": 100,
    },
}
# 286 leaves room for a random crop.
TRAINING = {
    "toy": {"batch_size": 2, "epochs": 16},
    "article": {"batch_size": 1, "epochs": 200},
    "paper": {"batch_size": 1, "epochs": 200, "load_size": 286},
    "paper_pytorch": {"batch_size": 1, "epochs": 200, "load_size": 286},
}
