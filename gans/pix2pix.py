"""pix2pix: one sketch, one photo, learned from pairs.

Paper: Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
arXiv:1611.07004; sections and equations below are its. Official code: phillipi/pix2pix (Lua), and
junyanz/pytorch-CycleGAN-and-pix2pix where it says PyTorch. Article: "From pix2pix to CycleGAN".

    python scripts/train_pix2pix.py    # toy fashion, minutes on 2 cores
    python scripts/train_pix2pix.py --data_dir=data/facades --preset=paper

A loss that compares pixels paints the mean of all photos that fit a sketch, which is blurred. The
discriminator is a loss that is learned: it looks at patches of sketch and photo side by side and
asks whether they are real. L1 answers for the coarse, the patches for the fine.

At test nothing changes from training (section 3.3): dropout drops, batch normalisation takes the
statistics of the picture at hand. `dropout_at_test` and `norm_at_test` are settings here, since in
the official code this is what surprises most: there its `--eval` gives blurred or black pictures.

What to expect. One picture per sketch. Other dropout masks change it hardly, and so does a z
(`latent_dim`): nothing pays the generator for listening to its noise. BicycleGAN does.

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
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import initializers, losses, networks, optimizers
from gans.nn.layers import TileLatent, reseed
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {
        "image_size": 64,
        "generator_filters": 16,
        "discriminator_filters": 16,
        "learning_rate": 1e-3,
        "decay_epochs": 8,
    },
    # The constructor's defaults are the article's numbers.
    "article": {},
    "paper": {"norm": "batch"},
    "paper_pytorch": {
        "norm": "batch",
        "dropout_levels": "outer",
        "lambda_d": 0.5,
        "decay_epochs": 100,
    },
}

# What the training script takes where no flag says otherwise; 286 leaves room for a random crop.
TRAINING = {
    "toy": {"batch_size": 2, "epochs": 16},
    "article": {"batch_size": 1, "epochs": 200},
    "paper": {"batch_size": 1, "epochs": 200, "load_size": 286},
    "paper_pytorch": {"batch_size": 1, "epochs": 200, "load_size": 286},
}

# Convolutions of stride 2 in the discriminator, by the side in pixels of the patch that it judges.
PATCH_LAYERS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}


def build_generator(
    image_size: int = 256,
    image_channels: int = 3,
    photo_channels: int = 3,
    filters: int = 64,
    skips: bool = True,
    norm: Literal["instance", "batch", "none"] = "instance",
    norm_at_test: Literal["batch", "moving"] = "batch",
    dropout: float = 0.5,
    dropout_levels: Literal["inner", "outer"] = "inner",
    dropout_at_test: bool = True,
    latent_dim: int = 0,
    latent_injection: Literal["input", "all"] = "input",
    upsample: Literal["transpose", "resize"] = "transpose",
    init_stddev: float = 0.02,
) -> keras.Model:
    """U-Net, or without `skips` the encoder-decoder of figure 5, that paints B from A (appendix
    6.1.1).

    `[(batch, size, size, image_channels) in [-1, 1]]`, with `latent_dim` also `(batch,
    latent_dim)`, to `(batch, size, size, photo_channels)` in [-1, 1].
    """
    image_a = layers.Input((image_size, image_size, image_channels), name="image_a")
    inputs, image, z = [image_a], image_a, None
    if latent_dim:
        z = layers.Input((latent_dim,), name="z")
        inputs.append(z)
        if latent_injection == "input":
            image, z = TileLatent()([image_a, z]), None
    fake_b = networks.unet(
        image,
        z=z,
        depth=networks.unet_depth(image_size),
        filters=filters,
        output_channels=photo_channels,
        norm=norm,
        norm_at_test=norm_at_test,
        dropout=dropout,
        dropout_levels=dropout_levels,
        dropout_at_test=dropout_at_test,
        skips=skips,
        upsample=upsample,
        # Batch normalisation has an offset of its own.
        use_bias=norm != "batch",
        kernel_initializer=initializers.normal(init_stddev),
    )
    return keras.Model(inputs, fake_b, name="generator")


def build_discriminator(
    image_size: int = 256,
    image_channels: int = 3,
    photo_channels: int = 3,
    filters: int = 64,
    patch: Literal[1, 16, 34, 70, 142, 286] = 70,
    conditional: bool = True,
    norm: Literal["instance", "batch", "none"] = "instance",
    init_stddev: float = 0.02,
) -> keras.Model:
    """PatchGAN: each number of its output judges a patch of `patch` x `patch` pixels (section
    3.2.2).

    `[A, B]`, each `(batch, size, size, channels)` in [-1, 1], to logits `(batch, p, p, 1)`; p is
    256, 126, 62, 30, 14, 6 at 256, from the smallest patch to the largest. Not `conditional`:
    `[B]`.
    """
    image_a = layers.Input((image_size, image_size, image_channels), name="image_a")
    image_b = layers.Input((image_size, image_size, photo_channels), name="image_b")
    logits = networks.patchgan(
        layers.Concatenate()([image_a, image_b]) if conditional else image_b,
        filters=filters,
        n_layers=PATCH_LAYERS[patch],
        norm=norm,
        use_bias=norm != "batch",
        kernel_initializer=initializers.normal(init_stddev),
    )
    inputs = [image_a, image_b] if conditional else [image_b]
    return keras.Model(inputs, logits, name="discriminator")


class Pix2Pix(keras.Model):
    """Generator and discriminator, trained in turn (equation 4).

    Args:
        image_size: Side of the images in pixels, a multiple of 32.
        image_channels: Channels of A, the sketch.
        photo_channels: Channels of B, the photo.
        generator_filters: Channels of the generator's first layer; up to 8 times as many further
            in.
        discriminator_filters: Channels of the discriminator's first layer; likewise.
        generator: unet, or encoder_decoder: the same without skips.
        patch: Side in pixels of what each judgement of the discriminator sees: 1 (PixelGAN), 70 and
            others (PatchGAN), 286 (at 256x256 the whole image, ImageGAN).
        loss: l1 (no discriminator), gan (it sees B alone), cgan (it sees A beside B), or one of
            these plus L1.
        gan_loss: cross_entropy (of the sigmoid; the paper), or least_squares (BicycleGAN's).
        norm: instance, batch or none.
        norm_at_test: What batch normalisation takes at test: the statistics of the image at hand
            (batch, the paper) or those gathered while training (moving).
        dropout: Rate in inner up layers of the generator: three at 256x256.
        dropout_levels: inner (the three innermost, Lua) or outer (one level further out, PyTorch).
        dropout_at_test: Drop values at test too, as the paper.
        latent_dim: Length of a random code z beside the sketch; 0: dropout is the only noise.
        latent_injection: Where z enters: input (tiled beside the image) or all (beside the input of
            every down layer).
        upsample: transpose, or resize (bilinear, then convolution), which leaves no checkerboard.
        lambda_l1: Weight of the L1 loss, where `loss` has one.
        lambda_d: Factor of the discriminator's loss; 0.5 in PyTorch.
        learning_rate: Of Adam, for both networks.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it.
        init_stddev: Deviation of the normal distribution of the initial weights.
        seed: Of every random draw.

    Raises `ValueError` for a size that cannot be built or an unknown name.
    """

    def __init__(
        self,
        *,
        image_size: int = 256,
        image_channels: int = 3,
        photo_channels: int = 3,
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        generator: Literal["unet", "encoder_decoder"] = "unet",
        patch: Literal[1, 16, 34, 70, 142, 286] = 70,
        loss: Literal["l1", "gan", "cgan", "l1+gan", "l1+cgan"] = "l1+cgan",
        gan_loss: Literal["cross_entropy", "least_squares"] = "cross_entropy",
        norm: Literal["instance", "batch", "none"] = "instance",
        norm_at_test: Literal["batch", "moving"] = "batch",
        dropout: float = 0.5,
        dropout_levels: Literal["inner", "outer"] = "inner",
        dropout_at_test: bool = True,
        latent_dim: int = 0,
        latent_injection: Literal["input", "all"] = "input",
        upsample: Literal["transpose", "resize"] = "transpose",
        lambda_l1: float = 100.0,
        lambda_d: float = 1.0,
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        init_stddev: float = 0.02,
        seed: int = 0,
    ):
        super().__init__(name="pix2pix")
        check_settings(locals())
        self.image_size = image_size
        self.image_channels = image_channels
        self.photo_channels = photo_channels
        self.size_multiple = 2 ** networks.unet_depth(image_size)
        self.latent_dim = latent_dim
        self.varies_at_test = bool(latent_dim or (dropout and dropout_at_test))
        self.lambda_l1 = lambda_l1 if "l1" in loss else 0.0
        self.lambda_d = lambda_d
        self.gan_loss = {
            "cross_entropy": losses.cross_entropy,
            "least_squares": losses.least_squares,
        }[gan_loss]
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        common = {
            "image_channels": image_channels,
            "photo_channels": photo_channels,
            "norm": norm,
            "init_stddev": init_stddev,
        }
        self.generator = build_generator(
            image_size,
            filters=generator_filters,
            skips=generator == "unet",
            norm_at_test=norm_at_test,
            dropout=dropout,
            dropout_levels=dropout_levels,
            dropout_at_test=dropout_at_test,
            latent_dim=latent_dim,
            latent_injection=latent_injection,
            upsample=upsample,
            **common,
        )
        self.conditional = "cgan" in loss
        self.discriminator = None
        self.train_step = self.train_l1
        if loss != "l1":
            self.discriminator = build_discriminator(
                image_size,
                filters=discriminator_filters,
                patch=patch,
                conditional=self.conditional,
                **common,
            )
            self.train_step = self.train_gan
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
        if self.discriminator is not None:
            self.optimizer_discriminator = adam(self.discriminator)
        # Without an optimizer Keras makes one of its own and saves it along. XLA makes convolutions
        # on a CPU slower.
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    def generator_inputs(self, images_a, stream: int, step) -> list[tf.Tensor]:
        """What G gets: `[images_a]`, or `[images_a, z]` with a standard normal z; sets its dropout
        masks too.

        z is a function of (stream, step), the masks are of the three streams after it.
        """
        reseed(self.generator, stream + 1, step)
        images_a = tf.convert_to_tensor(images_a)
        if not self.latent_dim:
            return [images_a]
        shape = (tf.shape(images_a)[0], self.latent_dim)
        seed = tf.stack([stream, tf.cast(step, tf.int32)])
        return [images_a, tf.random.stateless_normal(shape, seed)]

    def training_inputs(self, images_a) -> list[tf.Tensor]:
        """`generator_inputs` of this step: a function of (seed, step)."""
        # Four streams per seed in training, the next four at test.
        return self.generator_inputs(images_a, 8 * self.seed, self.optimizer_generator.iterations)

    def discriminate(self, images_a, images_b):
        """D's logits of B, seen beside A or alone."""
        inputs = [images_a, images_b] if self.conditional else [images_b]
        return self.discriminator(inputs, training=True)

    def train_gan(self, pairs):
        """One step of D, then one of G against the updated D (equation 4, section 3.3).

        Args:
            pairs: sketches and photos, each `(batch, image_size, image_size, channels)`.
        """
        images_a, images_b = pairs
        with tf.GradientTape() as tape_g:
            fake_b = self.generator(self.training_inputs(images_a), training=True)

        # Real and fake go through D apart: a batch normalisation over both would tell them apart.
        with tf.GradientTape() as tape_d:
            d_loss = self.lambda_d * (
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
        """One step of G on the L1 loss alone (equation 3): there is no D."""
        images_a, images_b = pairs
        with tf.GradientTape() as tape_g:
            fake_b = self.generator(self.training_inputs(images_a), training=True)
            l1_loss = self.lambda_l1 * losses.mean_absolute(images_b, fake_b)
        gradients_g = tape_g.gradient(l1_loss, self.generator.trainable_variables)
        self.optimizer_generator.apply(gradients_g, self.generator.trainable_variables)
        return {"l1_loss": l1_loss}

    def generator_for(self, height: int, width: int) -> keras.Model:
        """The generator for images of another size, multiples of `size_multiple`; same weights."""
        if height % self.size_multiple or width % self.size_multiple:
            raise ValueError(
                f"`height` and `width` must be multiples of {self.size_multiple}. "
                f"Received: {height} and {width}"
            )
        if height == width == self.image_size:
            return self.generator
        inputs = [layers.Input((height, width, self.image_channels), name="image_a")]
        if self.latent_dim:
            inputs.append(layers.Input((self.latent_dim,), name="z"))
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
            inputs = self.generator_inputs(images_a[index : index + 1], 8 * seed + 4, index)
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
        if self.optimizer_generator.iterations < 1000:
            return warnings  # Nothing is learned yet.
        d_loss = losses.get("d_loss", math.inf) / self.lambda_d
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


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(Pix2Pix.__init__, settings)
    counts = ("image_channels", "photo_channels", "generator_filters", "discriminator_filters")
    weights = ("lambda_l1", "lambda_d", "learning_rate", "init_stddev")
    check_range(settings, counts, 1)
    check_range(settings, (*weights, "latent_dim", "decay_epochs"), 0)
    check_range(settings, ("dropout", "beta_1"), 0, below=1)
    size, patch = settings["image_size"], settings["patch"]
    if settings["dropout"] and settings["dropout_levels"] == "outer" and size % 64:
        raise ValueError(
            '`image_size` must be a multiple of 64 for dropout in the "outer" levels. '
            f"Received: {size}"
        )
    # The last two convolutions, of stride 1, take a pixel each.
    smallest = 32 * math.ceil(3 * 2 ** PATCH_LAYERS[patch] / 32)
    if size < smallest or size % 32:
        raise ValueError(
            f"`image_size` must be a multiple of 32, from {smallest} on with patch={patch}. "
            f"Received: {size}"
        )
    if settings["loss"] == "l1" and not settings["lambda_l1"]:
        raise ValueError("`lambda_l1` must be above 0 with loss='l1'. Received: 0")
    if settings["loss"] != "l1" and not settings["lambda_d"]:
        raise ValueError(f"`lambda_d` must be above 0 with loss={settings['loss']!r}. Received: 0")
