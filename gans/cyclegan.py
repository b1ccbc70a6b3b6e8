"""CycleGAN: two folders of images without correspondence, each translated into the other.

Paper: Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", arXiv:1703.10593; sections and equations below are its. Official code:
junyanz/pytorch-CycleGAN-and-pix2pix, and junyanz/CycleGAN (Lua), the paper's own. Article: "From
pix2pix to CycleGAN" (AIGC series).

    python scripts/train_cyclegan.py    # toy fashion, sketch <-> bag
    python scripts/train_cyclegan.py --data_dir=data/monet2photo --preset=paper

Without pairs nothing says which photo belongs to which sketch: a generator may paint any photo. So
there is a second generator for the way back, and what went there and back must be what it was
(A -> B -> A and B -> A -> B). The discriminators see old fakes beside new ones, or a generator
would go round in circles; and a generator that gets an image of the domain it paints is to leave it
alone (identity loss), or it may exchange colours as long as the other exchanges them back.

What to expect. Outlines stay where they are and colours and textures change; shapes do not. There
is one result per image: no noise goes in. A step at 256x256 takes 1 s (`article`) and 5 s (`paper`)
on 2 cores: days on a CPU.

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
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import initializers, losses, networks, optimizers
from gans.nn.batching import in_chunks
from gans.nn.image_pool import ImagePool
from gans.nn.layers import keeping_statistics, reseed
from gans.nn.settings import check_choices, check_range

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
    # The constructor's defaults are the article's numbers.
    "article": {},
    # 128x128 has 6 blocks: --image_size=128 --blocks=6 --load_size=143.
    "paper": {"generator": "resnet", "decay_epochs": 100},
}

# What the training script takes where no flag says otherwise. An epoch is the larger domain.
TRAINING = {
    "toy": {"batch_size": 1, "epochs": 8},
    "article": {"batch_size": 1, "epochs": 200},
    "paper": {"batch_size": 1, "epochs": 200, "load_size": 286},
}

# More would run out of the random streams that a seed has.
MAX_BLOCKS = 31


def build_generator(
    image_size: int = 256,
    input_channels: int = 3,
    output_channels: int = 3,
    network: Literal["unet", "resnet"] = "unet",
    blocks: int = 9,
    filters: int = 64,
    norm: Literal["instance", "batch", "none"] = "instance",
    dropout: float = 0.0,
    upsample: Literal["transpose", "resize"] = "transpose",
    init_stddev: float = 0.02,
    name: str = "generator",
) -> keras.Model:
    """Paints an image of one domain as one of the other (appendix 7.2).

    `(batch, size, size, input_channels)` to `(batch, size, size, output_channels)`, both in [-1,
    1]. The ResNet halves the sides twice, the U-Net as often as `networks.unet_depth` says.
    """
    image = layers.Input((image_size, image_size, input_channels), name="image")
    options = {
        "filters": filters,
        "output_channels": output_channels,
        "norm": norm,
        "dropout": dropout,
        "upsample": upsample,
        "kernel_initializer": initializers.normal(init_stddev),
    }
    if network == "resnet":
        fake = networks.resnet_generator(image, blocks=blocks, **options)
    else:
        fake = networks.unet(image, depth=networks.unet_depth(image_size), **options)
    return keras.Model(image, fake, name=name)


def build_discriminator(
    image_size: int = 256,
    channels: int = 3,
    filters: int = 64,
    norm: Literal["instance", "batch", "none"] = "instance",
    init_stddev: float = 0.02,
    name: str = "discriminator",
) -> keras.Model:
    """70x70 PatchGAN of one domain; it sees one image, never a pair.

    `(batch, size, size, channels)` to a map `(batch, p, p, 1)` without activation: p is 30 at 256.
    """
    image = layers.Input((image_size, image_size, channels), name="image")
    initializer = initializers.normal(init_stddev)
    judgement = networks.patchgan(image, filters=filters, norm=norm, kernel_initializer=initializer)
    return keras.Model(image, judgement, name=name)


class CycleGAN(keras.Model):
    """Two generators and two discriminators, trained together (equation 3).

    Args:
        image_size: Side of the images in pixels, at least 32.
        image_channels: Channels of A.
        photo_channels: Channels of B.
        generator: unet, pix2pix's, or resnet, the paper's.
        blocks: Residual blocks of the resnet: 9 for 256x256, 6 for 128x128.
        generator_filters: Channels of each generator's first layer.
        discriminator_filters: Channels of each discriminator's first layer.
        norm: instance, batch or none.
        dropout: Rate in the generators' inner layers while training.
        upsample: transpose, or resize (bilinear, then convolution), which leaves no checkerboard.
        cycle: Which way must lead back: forward (A -> B -> A), backward (B -> A -> B), both or
            none. The identity loss has its own weight.
        lambda_cycle: Weight of the L1 cycle losses; lambda in equation 3.
        lambda_identity: Weight of the L1 identity losses (section 5.2), as a part of lambda_cycle.
        pool_size: Generated images kept per domain for its discriminator; 0 keeps none.
        learning_rate: Of Adam, for all four networks.
        beta_1: Of Adam.
        decay_epochs: Last epochs of the run, over which the learning rate falls linearly; 0 keeps
            it.
        init_stddev: Deviation of the initial weights.
        seed: Of every random draw.

    Raises `ValueError` for a size that cannot be built or an unknown name.
    """

    def __init__(
        self,
        *,
        image_size: int = 256,
        image_channels: int = 3,
        photo_channels: int = 3,
        generator: Literal["unet", "resnet"] = "unet",
        blocks: int = 9,
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        norm: Literal["instance", "batch", "none"] = "instance",
        dropout: float = 0.0,
        upsample: Literal["transpose", "resize"] = "transpose",
        cycle: Literal["both", "forward", "backward", "none"] = "both",
        lambda_cycle: float = 10.0,
        lambda_identity: float = 0.5,
        pool_size: int = 50,
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        decay_epochs: int = 0,
        init_stddev: float = 0.02,
        seed: int = 0,
    ):
        super().__init__(name="cyclegan")
        check_settings(locals())
        self.image_size = image_size
        self.image_channels = image_channels
        self.photo_channels = photo_channels
        self.norm = norm
        self.lambda_cycle = lambda_cycle
        self.lambda_identity = lambda_cycle * lambda_identity
        # Nothing is computed for a weight of 0.
        self.has_cycle_a = cycle in ("both", "forward") and lambda_cycle > 0
        self.has_cycle_b = cycle in ("both", "backward") and lambda_cycle > 0
        self.learning_rate = learning_rate
        self.beta_1 = beta_1
        self.decay_epochs = decay_epochs
        self.seed = seed
        # A seed has 64 streams of random draws; TensorFlow takes 32 bits.
        self.first_stream = 64 * seed % 2**31
        self.size_multiple = 4 if generator == "resnet" else 2 ** networks.unet_depth(image_size)
        options = {
            "network": generator,
            "blocks": blocks,
            "filters": generator_filters,
            "norm": norm,
            "dropout": dropout,
            "upsample": upsample,
            "init_stddev": init_stddev,
        }
        self.generator_ab = build_generator(
            image_size, image_channels, photo_channels, **options, name="generator_ab"
        )
        self.generator_ba = build_generator(
            image_size, photo_channels, image_channels, **options, name="generator_ba"
        )
        options = {"filters": discriminator_filters, "norm": norm, "init_stddev": init_stddev}
        self.discriminator_a = build_discriminator(
            image_size, image_channels, **options, name="discriminator_a"
        )
        self.discriminator_b = build_discriminator(
            image_size, photo_channels, **options, name="discriminator_b"
        )
        self.pool_a = ImagePool(pool_size, (image_size, image_size, image_channels))
        self.pool_b = ImagePool(pool_size, (image_size, image_size, photo_channels))
        self.built = True

    def compile(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        run_eagerly: bool = False,
    ):
        """Makes one Adam for both generators and one for both discriminators.

        Args:
            epochs, steps_per_epoch: length of the run; needed where `decay_epochs` is not 0.
            run_eagerly: run each step without a graph, to debug it.
        """
        learning_rate = optimizers.decaying_rate(
            self.learning_rate, self.decay_epochs, epochs, steps_per_epoch
        )

        def adam(variables):
            optimizer = optimizers.Adam(learning_rate, beta_1=self.beta_1)
            optimizer.build(variables)
            return optimizer

        self.optimizer_generators = adam(self.generator_variables)
        self.optimizer_discriminators = adam(self.discriminator_variables)
        # Without an optimizer Keras makes one of its own and saves it along. XLA makes convolutions
        # on a CPU slower.
        super().compile(
            optimizer=self.optimizer_generators, run_eagerly=run_eagerly, jit_compile=False
        )

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """Trainable weights of both generators."""
        return [*self.generator_ab.trainable_variables, *self.generator_ba.trainable_variables]

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """Trainable weights of both discriminators."""
        return [
            *self.discriminator_a.trainable_variables,
            *self.discriminator_b.trainable_variables,
        ]

    def sample_draws(self, images, stream: int):
        """Uniform numbers `(batch, 2)` for a pool: a function of (seed, step, stream)."""
        step = tf.cast(self.optimizer_generators.iterations, tf.int32)
        seed = tf.stack([self.first_stream + stream, step])
        return tf.random.stateless_uniform((tf.shape(images)[0], 2), seed)

    def reseed_dropout(self):
        """Makes the dropout masks of this step a function of (seed, step)."""
        # After the two streams of `sample_draws`. A generator is called up to three times in a
        # step, and each call moves its state on by one.
        step = 4 * self.optimizer_generators.iterations
        reseed(self.generator_ab, self.first_stream + 2, step)
        reseed(self.generator_ba, self.first_stream + 2 + MAX_BLOCKS, step)

    def paint(self, generator, *flows) -> list[tf.Tensor]:
        """What the generator makes of each of several batches, in training."""
        if self.norm == "batch":
            first = generator(flows[0], training=True)
            with keeping_statistics(generator):
                return [first, *(generator(images, training=True) for images in flows[1:])]
        # In one call, which reads the weights once: a step with U-Nets at 256x256 takes 9 % longer
        # without, one with ResNets as long. Nothing but batch norm ties the images together.
        return tf.split(generator(tf.concat(flows, axis=0), training=True), len(flows))

    def train_step(self, images):
        """One step on images of both domains: equation 3, one update of each network.

        Every gradient is that of the weights before the step: the official code updates the
        generators, then the discriminators on the fakes painted before.
        """
        images_a, images_b = images
        self.reseed_dropout()

        with tf.GradientTape() as tape_g:
            if self.lambda_identity:
                fake_b, same_b = self.paint(self.generator_ab, images_a, images_b)
                fake_a, same_a = self.paint(self.generator_ba, images_b, images_a)
            else:
                [fake_b] = self.paint(self.generator_ab, images_a)
                [fake_a] = self.paint(self.generator_ba, images_b)

            # Equation 1, by least squares (section 4).
            judged_b = self.discriminator_b(fake_b, training=True)
            judged_a = self.discriminator_a(fake_a, training=True)
            losses_g = {
                "gan_ab_loss": losses.least_squares(judged_b, 1.0),
                "gan_ba_loss": losses.least_squares(judged_a, 1.0),
            }
            # Equation 2, A -> B -> A and B -> A -> B.
            if self.has_cycle_a:
                with keeping_statistics(self.generator_ba):
                    [cycled_a] = self.paint(self.generator_ba, fake_b)
                losses_g["cycle_a_loss"] = self.lambda_cycle * losses.mean_absolute(
                    images_a, cycled_a
                )
            if self.has_cycle_b:
                with keeping_statistics(self.generator_ab):
                    [cycled_b] = self.paint(self.generator_ab, fake_a)
                losses_g["cycle_b_loss"] = self.lambda_cycle * losses.mean_absolute(
                    images_b, cycled_b
                )
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
            d_a_loss = 0.5 * (losses.least_squares(real_a, 1.0) + losses.least_squares(past_a, 0.0))
            d_b_loss = 0.5 * (losses.least_squares(real_b, 1.0) + losses.least_squares(past_b, 0.0))
            discriminator_loss = d_a_loss + d_b_loss

        gradients_g = tape_g.gradient(generator_loss, self.generator_variables)
        gradients_d = tape_d.gradient(discriminator_loss, self.discriminator_variables)
        self.optimizer_generators.apply(gradients_g, self.generator_variables)
        self.optimizer_discriminators.apply(gradients_d, self.discriminator_variables)
        return {"d_a_loss": d_a_loss, "d_b_loss": d_b_loss, **losses_g}

    def translate(self, images, direction: Literal["a_to_b", "b_to_a"] = "a_to_b") -> np.ndarray:
        """Paints images `(n, size, size, channels)` in [-1, 1] as the other domain; no dropout."""
        generator = self._generator(direction)
        return in_chunks(
            lambda chunk: generator(chunk, training=False), images, image_size=self.image_size
        )

    def generator_for(
        self, height: int, width: int, direction: Literal["a_to_b", "b_to_a"] = "a_to_b"
    ) -> keras.Model:
        """The generator of that direction for images of another size, with the same weights.

        Raises `ValueError` for a side that is not a multiple of `size_multiple`.
        """
        generator = self._generator(direction)
        if height % self.size_multiple or width % self.size_multiple or min(height, width) < 8:
            raise ValueError(
                f"expected sides that are multiples of {self.size_multiple}, from 8 on. "
                f"Received: {height}x{width}"
            )
        if height == width == self.image_size:
            return generator
        image = layers.Input((height, width, generator.input_shape[-1]), name="image")
        # The same layers, not copies of them.
        return keras.models.clone_model(
            generator, input_tensors=image, clone_function=lambda layer: layer
        )

    def _generator(self, direction: str) -> keras.Model:
        if direction not in ("a_to_b", "b_to_a"):
            raise ValueError(f'`direction` must be "a_to_b" or "b_to_a". Received: {direction!r}')
        return self.generator_ab if direction == "a_to_b" else self.generator_ba

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
        if self.optimizer_generators.iterations < 1000:
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


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from."""
    check_choices(CycleGAN.__init__, settings)
    counts = ("image_channels", "photo_channels", "generator_filters", "discriminator_filters")
    weights = ("lambda_cycle", "lambda_identity", "pool_size", "learning_rate", "init_stddev")
    check_range(settings, counts, 1)
    check_range(settings, ("blocks",), 1, below=MAX_BLOCKS + 1)
    check_range(settings, (*weights, "decay_epochs"), 0)
    check_range(settings, ("dropout", "beta_1"), 0, below=1)
    size, generator = settings["image_size"], settings["generator"]
    multiple = 4 if generator == "resnet" else 64 if settings["dropout"] else 32
    if size < 32 or size % multiple:
        raise ValueError(
            f"`image_size` must be a multiple of {multiple}, from 32 on, with generator="
            f"{generator!r}. Received: {size}"
        )
    channels = settings["image_channels"], settings["photo_channels"]
    if settings["lambda_identity"] and channels[0] != channels[1]:
        raise ValueError(
            "`lambda_identity` must be 0 where A and B differ in channels: each generator gets "
            f"images of both. Received: {settings['lambda_identity']} with image_channels="
            f"{channels[0]}, photo_channels={channels[1]}"
        )
