"""DiscoGAN: the shoe in the style of a bag, and the bag in the style of a shoe, without pairs.

Paper: Kim et al. 2017, "Learning to Discover Cross-Domain Relations with Generative Adversarial
Networks", arXiv:1703.05192. Official code: SKTBrain/DiscoGAN. Article: "Style transfer in the
fashion industry with GANs", chapter 4 of a book on GAN projects; equations below are the chapter's,
as are the names of the losses.

    python scripts/train_discogan.py    # toy fashion, bag <-> shoe
    python scripts/train_discogan.py --data_dir=data/edges2handbags    # sketch <-> bag

Two generators, A -> B and B -> A. What a discriminator likes is not enough: all bags might become
one shoe. What went to the other domain must come back as it was (A -> B -> A, B -> A -> B), so each
bag needs a shoe of its own, and what the two have in common, such as the colour, carries over.

What to expect. Nothing says *which* relation is discovered: one that exchanges red and blue on both
ways comes back as well. `lambda_identity`, CycleGAN's identity loss, says it; it is on in `toy`
only: after its 2,480 steps 92 % of the shoes have the hue of their bag or the one next to it;
without it 45 %, chance being 38 %. Shapes are soft. `article` takes 1.5 s a step on 2 cores.

Differences from the paper
- `article`: the chapter's listing as it is meant: no ReLU after every convolution (a default of
  contrib layers that it forgot to switch off), and the discriminators learn from the image history
  that it fills and never feeds. Batch normalisation has a scale, and epsilon 1e-5, not 1e-3.
  TensorBoard has the chapter's names below `loss/`.
- `paper`: the official code in today's PyTorch; in that of 2017 the initial scale of the batch
  normalisation was uniform in [0, 1] and transposed convolutions began with other weights. Edges
  are taken as they are; the official code dilates them by a 3x3 square.
- Both: at test the moving statistics normalise, those of the images that a generator paints at
  test; the chapter and the official code take those of the batch (`norm_at_test="batch"`).
- Both: biases before a normalisation, which cancels them, are left out.
"""

import inspect
import math
from typing import Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gans.nn import losses, optimizers
from gans.nn.batching import in_chunks
from gans.nn.image_pool import ImagePool
from gans.nn.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    keeping_statistics,
    normalization,
)
from gans.nn.networks import leaky_relu
from gans.nn.settings import check_choices, check_range

PRESETS = {
    "toy": {
        "generator_filters": 16,
        "discriminator_filters": 16,
        # A squared error of colours is small against the cross entropy: with 10 the pictures that
        # come back are grey after 1000 steps.
        "lambda_l2": 100.0,
        # Without it hues are exchanged as often as not.
        "lambda_identity": 50.0,
        "pool_size": 0,
        "learning_rate": 1e-3,
        "epoch_step": 20,
    },
    # The constructor's defaults are the article's numbers, but for the rate, which they keep.
    "article": {"epoch_step": 10},
    "paper": {"recipe": "official", "beta_2": 0.999, "weight_decay": 1e-5},
}

# What the training script takes where no flag says otherwise. `disjoint`: A from one half of the
# A|B pairs and B from the other. The official scripts take 500 a batch, and are stopped by hand.
TRAINING = {
    "toy": {"batch_size": 16, "epochs": 40, "disjoint": False},
    "article": {"batch_size": 64, "epochs": 200, "disjoint": False, "images_per_epoch": 10_000},
    "paper": {"batch_size": 64, "epochs": 5000, "disjoint": True},
}

# Settings that only one recipe has a use for.
SETTINGS_OF = {
    "article": "latent_dim lambda_l2 lambda_identity pool_size epoch_step",
    "official": "feature_matching starting_rate default_rate gan_curriculum update_interval",
}


def build_generator(
    image_size: int | tuple[int, int] = 64,
    input_channels: int = 3,
    output_channels: int = 3,
    recipe: Literal["article", "official"] = "article",
    filters: int = 64,
    latent_dim: int = 100,
    norm: Literal["batch", "instance", "none"] = "batch",
    norm_at_test: Literal["moving", "batch"] = "moving",
    name: str = "generator",
) -> keras.Model:
    """Encoder and decoder of four halvings and doublings, without skips.

    `(batch, h, w, input_channels)` to `(batch, h, w, output_channels)`, both in [-1, 1], float32.
    `image_size` is the side, or (height, width), multiples of 16. The article's network takes the
    whole last map to a vector of `latent_dim` numbers and back, and ends in a tanh; the official
    one is convolutional throughout, works on values in [0, 1] and ends in a sigmoid. It is rescaled
    at both ends here.
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    official = recipe == "official"
    options = {"recipe": recipe, "norm_at_test": norm_at_test}
    image = layers.Input((height, width, input_channels), name="image")
    x = halvings(image, filters, norm, **options)[-1]
    if not official:
        side = height // 16
        # A 1x1 map minus its own mean is nothing.
        vector_norm = "none" if norm == "instance" else norm
        x = block(x, Conv2D, latent_dim, leaky_relu, vector_norm, kernel_size=side, **options)
        transpose = layers.Conv2DTranspose
        x = block(x, transpose, filters * 8, layers.ReLU(), norm, kernel_size=side, **options)
    for level in (2, 1, 0):
        x = block(x, Conv2DTranspose, filters * 2**level, layers.ReLU(), norm, **options)
    last = layers.Activation("sigmoid" if official else "tanh", dtype="float32")
    fake = block(x, Conv2DTranspose, output_channels, last, "none", **options)
    fake = layers.Rescaling(2.0, -1.0, dtype="float32")(fake) if official else fake
    return keras.Model(image, fake, name=name)


def build_discriminator(
    image_size: int = 64,
    channels: int = 3,
    recipe: Literal["article", "official"] = "article",
    filters: int = 64,
    norm: Literal["batch", "instance", "none"] = "batch",
    name: str = "discriminator",
) -> keras.Model:
    """One judgement of the whole image: four halvings, and the last map to one number.

    `(batch, size, size, channels)` in [-1, 1] to a logit `(batch, 1, 1, 1)` float32; with the
    official recipe to `[logit, features, features, features]`, the outputs of the second to fourth
    layer, for feature matching.
    """
    image = layers.Input((image_size, image_size, channels), name="image")
    features = halvings(image, filters, norm, recipe)
    last = layers.Activation("linear", dtype="float32")
    logit = block(features[-1], Conv2D, 1, last, "none", recipe, kernel_size=image_size // 16)
    outputs = [logit, *features[1:]] if recipe == "official" else logit
    return keras.Model(image, outputs, name=name)


def halvings(image, filters, norm, recipe, norm_at_test="moving") -> list:
    """The maps after each of the four convolutions of stride 2 with which both networks begin."""
    x = layers.Rescaling(0.5, 0.5)(image) if recipe == "official" else image
    sizes = {"kernel_size": 4, "strides": 2, "padding": 1}
    maps = []
    for level in range(4):
        norms = (norm if level > 0 else "none", recipe, norm_at_test)
        x = block(x, Conv2D, filters * 2**level, leaky_relu, *norms, **sizes)
        maps.append(x)
    return maps


def block(x, layer, filters, activation, norm, recipe, norm_at_test="moving", **sizes):
    """A convolution of the class `layer`, a normalisation by name and an activation."""
    # PyTorch's default weights are uniform in +-1/sqrt(fan_in), those of contrib layers Xavier's.
    # PyTorch takes the outputs of a transposed convolution for its fan-in; so does Keras, in whose
    # transposed kernels they have the place of the inputs.
    scale, mode = (1 / 3, "fan_in") if recipe == "official" else (1.0, "fan_avg")
    x = layer(
        filters,
        **sizes,
        use_bias=recipe == "article" and norm == "none",
        kernel_initializer=keras.initializers.VarianceScaling(
            scale, mode, "uniform", seed=keras.random.SeedGenerator()
        ),
    )(x)
    # Not pix2pix's random scale: here it begins as 1.
    normalize = BatchNormalization(norm_at_test) if norm == "batch" else normalization(norm)
    return activation(normalize(x))


class Direction(NamedTuple):
    """One of the two ways: images of one domain, their fakes in the other, and the way back."""

    source: str
    target: str
    images: tf.Tensor
    real: tf.Tensor  # Images of the target domain.
    generator: keras.Model
    inverse: keras.Model | None
    discriminator: keras.Model
    pool: ImagePool


class DiscoGAN(keras.Model):
    """Two generators and two discriminators, trained together (equations 7 and 10).

    Args:
        image_size: Side of the images in pixels, a multiple of 16 from 32 on.
        image_channels: Channels of A.
        photo_channels: Channels of B.
        recipe: article (bottleneck, cross entropy, image history) or official (feature matching,
            growing reconstruction, discriminators and generators in turn).
        objective: discogan (both ways), recongan (A -> B -> A) or gan (A -> B, nothing leads back).
        generator_filters: Channels of each generator's first layer; up to 8 times as many inside.
        discriminator_filters: Channels of each discriminator's first layer.
        latent_dim: Numbers in the bottleneck of the article's generator.
        norm: batch, instance (which takes out an image's mean colour) or none.
        norm_at_test: What batch normalisation uses at test: moving statistics, or those of the
            batch, by which a picture depends on its company.
        lambda_l2: Weight of the article's reconstruction, a mean squared error, beside a GAN loss
            of weight 1.
        lambda_identity: Weight of a mean squared error between an image and what the generator that
            paints its domain makes of it; CycleGAN's, not the article's. Needs equal channels.
        pool_size: Generated images kept per domain for the article's discriminators; 0 keeps none.
        feature_matching: Part of the official generator loss that matches features, the rest being
            the GAN loss.
        starting_rate: Part of the official generator loss that is reconstruction, at first.
        default_rate: The same later.
        gan_curriculum: Steps until then.
        update_interval: Every so many steps, and at the first, the official discriminators are
            updated, in all others the generators.
        learning_rate: Of Adam, for all networks.
        beta_1: Of Adam.
        beta_2: Of Adam.
        weight_decay: Times the weight, added to each gradient.
        epoch_step: Epochs with the article's full learning rate, which then falls linearly to the
            end of the run; none keeps it.
        seed: Of every random draw.

    Raises `ValueError` for a size that cannot be built, an unknown name, or a setting that the
    recipe has no use for.
    """

    def __init__(
        self,
        *,
        image_size: int = 64,
        image_channels: int = 3,
        photo_channels: int = 3,
        recipe: Literal["article", "official"] = "article",
        objective: Literal["discogan", "recongan", "gan"] = "discogan",
        generator_filters: int = 64,
        discriminator_filters: int = 64,
        latent_dim: int = 100,
        norm: Literal["batch", "instance", "none"] = "batch",
        norm_at_test: Literal["moving", "batch"] = "moving",
        lambda_l2: float = 1.0,
        lambda_identity: float = 0.0,
        pool_size: int = 50,
        feature_matching: float = 0.9,
        starting_rate: float = 0.01,
        default_rate: float = 0.5,
        gan_curriculum: int = 10_000,
        update_interval: int = 3,
        learning_rate: float = 2e-4,
        beta_1: float = 0.5,
        beta_2: float = 0.99,
        weight_decay: float = 0.0,
        epoch_step: int | None = None,
        seed: int = 0,
    ):
        super().__init__(name="discogan")
        check_settings(locals())
        self.image_size = image_size
        self.image_channels = image_channels
        self.photo_channels = photo_channels
        # The article's bottleneck is a matrix for maps of one size.
        self.size_multiple = None if recipe == "article" else 16
        self.lambda_l2 = lambda_l2
        self.lambda_identity = lambda_identity
        self.feature_matching = feature_matching
        self.starting_rate = starting_rate
        self.default_rate = default_rate
        self.gan_curriculum = gan_curriculum
        self.update_interval = update_interval
        self.learning_rate = learning_rate
        self.adam_options = {"beta_1": beta_1, "beta_2": beta_2, "l2": weight_decay}
        self.epoch_step = epoch_step if recipe == "article" else None
        self.seed = seed
        common = {"recipe": recipe, "norm": norm}
        sizes = {"filters": generator_filters, "latent_dim": latent_dim}
        self.generator_options = common | sizes | {"norm_at_test": norm_at_test}
        common["filters"] = discriminator_filters
        self.generator_ab = self._build_generator(image_size, "a_to_b")
        self.discriminator_b = build_discriminator(
            image_size, photo_channels, **common, name="discriminator_b"
        )
        self.generator_ba = self.discriminator_a = None
        if objective != "gan":
            self.generator_ba = self._build_generator(image_size, "b_to_a")
        if objective == "discogan":
            self.discriminator_a = build_discriminator(
                image_size, image_channels, **common, name="discriminator_a"
            )
        self.pool_a = self.pool_b = None
        if recipe == "article":
            self.pool_b = ImagePool(pool_size, (image_size, image_size, photo_channels))
            if objective == "discogan":
                self.pool_a = ImagePool(pool_size, (image_size, image_size, image_channels))
        else:
            # The two optimizers count their own steps only.
            options = {"initializer": "zeros", "trainable": False}
            self.iteration = self.add_weight(name="iteration", shape=(), dtype="int64", **options)
            # Shown while the discriminators have their turn.
            self.last_recon_losses = {
                source: self.add_weight(name=f"last_recon_loss_{source}", shape=(), **options)
                for source in {"discogan": "ab", "recongan": "a", "gan": ""}[objective]
            }
        self.train_step = {"article": self.train_article, "official": self.train_official}[recipe]
        self.built = True

    def _build_generator(self, image_size: int | tuple[int, int], direction: str) -> keras.Model:
        channels = (self.image_channels, self.photo_channels)
        from_, to = channels if direction == "a_to_b" else channels[::-1]
        name = {"a_to_b": "generator_ab", "b_to_a": "generator_ba"}[direction]
        return build_generator(image_size, from_, to, **self.generator_options, name=name)

    def compile(
        self,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        run_eagerly: bool = False,
    ):
        """Makes one Adam for the generators and one for the discriminators.

        Args:
            epochs, steps_per_epoch: length of the run; needed where `epoch_step` is not None.
            run_eagerly: run each step without a graph, to debug it.
        """
        decay_epochs = 0
        if self.epoch_step is not None:
            # rate * (epochs - e) / (epochs - epoch_step) after e epochs: all of it at epoch_step.
            decay_epochs = max(0, (epochs or math.inf) - self.epoch_step - 1)
        learning_rate = optimizers.decaying_rate(
            self.learning_rate, decay_epochs, epochs, steps_per_epoch
        )

        def adam(variables):
            optimizer = optimizers.Adam(learning_rate, **self.adam_options)
            optimizer.build(variables)
            return optimizer

        self.optimizer_generator = adam(self.generator_variables)
        self.optimizer_discriminator = adam(self.discriminator_variables)
        super().compile(
            optimizer=self.optimizer_generator, run_eagerly=run_eagerly, jit_compile=False
        )

    @property
    def generator_variables(self) -> list[keras.Variable]:
        networks = (self.generator_ab, self.generator_ba)
        return [x for network in networks if network for x in network.trainable_variables]

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        networks = (self.discriminator_a, self.discriminator_b)
        return [x for network in networks if network for x in network.trainable_variables]

    def directions(self, images_a, images_b) -> list[Direction]:
        """The ways that the objective trains: A -> B, and with discogan B -> A."""
        ab, ba = self.generator_ab, self.generator_ba
        a_to_b = Direction("a", "b", images_a, images_b, ab, ba, self.discriminator_b, self.pool_b)
        b_to_a = Direction("b", "a", images_b, images_a, ba, ab, self.discriminator_a, self.pool_a)
        return [a_to_b] if self.discriminator_a is None else [a_to_b, b_to_a]

    def sample_draws(self, images, stream: int):
        """Uniform draws in [0, 1) for a pool, `(batch, 2)`: a function of (seed, step, stream)."""
        step = tf.cast(self.optimizer_generator.iterations, tf.int32)
        return tf.random.stateless_uniform(
            (tf.shape(images)[0], 2), tf.stack([2 * self.seed + stream, step])
        )

    def lead_back(self, way: Direction, fake) -> tf.Tensor:
        """The reconstruction from a fake. At test both generators get real images: their moving
        statistics are of these alone, but for one that has no others to see.
        """
        with keeping_statistics(*[way.inverse] * (self.discriminator_a is not None)):
            return way.inverse(fake, training=True)

    def train_article(self, batch):
        """One step of the generators, then one of the discriminators, on the same fakes.

        Batch normalisation sees the images of one flow at a time, as in the listing.
        """
        ways = self.directions(*batch)
        draws = [self.sample_draws(way.images, stream) for stream, way in enumerate(ways)]
        fakes, logs = [], {}

        with tf.GradientTape() as tape_g:
            g_loss = 0.0
            for way in ways:
                fake = way.generator(way.images, training=True)
                # Equations 5 and 6: to be taken for real, and to lead back.
                loss = losses.cross_entropy(way.discriminator(fake, training=True), 1.0)
                if way.inverse is not None and self.lambda_l2:
                    reconstruction = self.lead_back(way, fake)
                    loss += self.lambda_l2 * losses.mean_squared(reconstruction, way.images)
                if self.lambda_identity:
                    with keeping_statistics(way.generator):
                        same = way.generator(way.real, training=True)
                    loss += self.lambda_identity * losses.mean_squared(same, way.real)
                g_loss += loss  # Equation 7.
                logs[f"g_loss_{way.source}2{way.target}"] = loss
                fakes.append(fake)
        gradients = tape_g.gradient(g_loss, self.generator_variables)
        self.optimizer_generator.apply(gradients, self.generator_variables)

        with tf.GradientTape() as tape_d:
            d_loss = 0.0
            for way, fake, draw in zip(ways, fakes, draws, strict=True):
                shown = way.pool(fake, draw)
                # Equations 8 and 9, halved as in the listing.
                loss_real = losses.cross_entropy(way.discriminator(way.real, training=True), 1.0)
                loss_fake = losses.cross_entropy(way.discriminator(shown, training=True), 0.0)
                loss = (loss_real + loss_fake) / 2.0
                d_loss += loss  # Equation 10.
                name = f"d{way.target}_loss"
                logs |= {name: loss, f"{name}_real": loss_real, f"{name}_fake": loss_fake}
        gradients = tape_d.gradient(d_loss, self.discriminator_variables)
        self.optimizer_discriminator.apply(gradients, self.discriminator_variables)
        return logs | {"g_loss": g_loss, "d_loss": d_loss}

    def train_official(self, batch):
        """One update of the discriminators or of the generators, never of both."""
        logs = tf.cond(
            self.iteration.value % self.update_interval == 0,
            lambda: self.update_discriminators(*batch),
            lambda: self.update_generators(*batch),
        )
        self.iteration.assign_add(1)
        return logs

    def update_discriminators(self, images_a, images_b):
        """One update of the official discriminators; reconstructions are not made."""
        ways = self.directions(images_a, images_b)
        fakes = [way.generator(way.images, training=True) for way in ways]
        logs = {f"recon_loss_{name}": x.value for name, x in self.last_recon_losses.items()}
        with tf.GradientTape() as tape_d:
            dis_loss = 0.0
            for way, fake in zip(ways, fakes, strict=True):
                judgement = judge(way, fake)
                dis_loss += judgement["dis_loss"]
                logs |= {f"{name}_{way.target}": x for name, x in judgement.items()}
        gradients = tape_d.gradient(dis_loss, self.discriminator_variables)
        self.optimizer_discriminator.apply(gradients, self.discriminator_variables)
        return logs

    def update_generators(self, images_a, images_b):
        """One update of the official generators."""
        ways = self.directions(images_a, images_b)
        early = self.iteration.value < self.gan_curriculum
        rate = tf.where(early, self.starting_rate, self.default_rate)
        logs = {}
        with tf.GradientTape() as tape_g:
            gen_loss = 0.0
            for way in ways:
                fake = way.generator(way.images, training=True)
                judgement = judge(way, fake)
                logs |= {f"{name}_{way.target}": x for name, x in judgement.items()}
                loss = (1.0 - self.feature_matching) * judgement["gen_loss"]
                loss += self.feature_matching * judgement["fm_loss"]
                if way.inverse is not None:
                    reconstruction = self.lead_back(way, fake)
                    # Of values in [0, 1], where a squared error is a quarter of that in [-1, 1].
                    recon_loss = losses.mean_squared(reconstruction, way.images) / 4.0
                    loss = (1.0 - rate) * loss + rate * recon_loss
                    logs[f"recon_loss_{way.source}"] = recon_loss
                gen_loss += loss
        gradients = tape_g.gradient(gen_loss, self.generator_variables)
        self.optimizer_generator.apply(gradients, self.generator_variables)
        for source, last in self.last_recon_losses.items():
            last.assign(logs[f"recon_loss_{source}"])
        return logs

    def _generator(self, direction: str) -> keras.Model:
        generators = {"a_to_b": self.generator_ab, "b_to_a": self.generator_ba}
        known = [name for name, network in generators.items() if network is not None]
        if direction not in known:
            raise ValueError(f"`direction` must be one of {known}. Received: {direction!r}")
        return generators[direction]

    def generator_for(
        self, height: int, width: int, direction: Literal["a_to_b", "b_to_a"] = "a_to_b"
    ) -> keras.Model:
        """The generator for images of another size, multiples of `size_multiple`; same weights.

        Raises `ValueError` for a direction that the objective has no generator for, and where
        `size_multiple` is None for any size but its own.
        """
        own = self._generator(direction)
        if (height, width) == (self.image_size, self.image_size):
            return own
        if self.size_multiple is None or height % 16 or width % 16:
            raise ValueError(
                f"expected {self.image_size}x{self.image_size}, the one size of the article's "
                f"bottleneck, or for the official one multiples of 16. Received: {height}x{width}"
            )
        generator = self._build_generator((height, width), direction)
        generator.set_weights(own.get_weights())
        return generator

    def translate(self, images, direction: Literal["a_to_b", "b_to_a"] = "a_to_b") -> np.ndarray:
        """Images `(n, size, size, channels)` of one domain as images of the other, in [-1, 1]."""
        generator = self._generator(direction)
        return in_chunks(
            lambda chunk: generator(chunk, training=False), images, image_size=self.image_size
        )

    def preview(self, batch: tuple[np.ndarray, np.ndarray]) -> list[list]:
        """Rows of a sample grid: A, fake B, reconstructed A, B, fake A, reconstructed B; without
        what the objective does not train.

        Args:
            batch: images of A and of B, each `(n, image_size, image_size, channels)`.
        """
        images_a, images_b = batch
        columns = [images_a, self.translate(images_a)]
        if self.generator_ba is not None:
            columns.append(self.translate(columns[-1], "b_to_a"))
        if self.discriminator_a is not None:
            fake_a = self.translate(images_b, "b_to_a")
            columns += [images_b, fake_a, self.translate(fake_a)]
        return [list(row) for row in zip(*columns, strict=True)]

    def diagnose(self, losses: dict[str, float], rows: list[list]) -> list[str]:
        """Sentences about a generator that paints one picture, and about a discriminator that has
        won; none while all is well.

        Args:
            losses: of the last step.
            rows: from `preview`.
        """
        warnings = []
        if self.optimizer_generator.iterations < 1000:
            return warnings  # Nothing is learned yet.
        for name, source in {"A -> B": 0, "B -> A": 3}.items():
            # The images and what they became.
            columns = list(zip(*rows, strict=True))[source : source + 2]
            given, painted = [np.std(column, axis=0).mean() for column in columns] or (0.0, 0.0)
            if painted < 0.01 < given:
                warnings.append(
                    f"pictures of {name} differ by {painted:.4f} of a range of 2, their inputs by "
                    f"{given:.4f}: one picture for all. If that lasts, raise the weight of the "
                    "reconstruction"
                )
        for name in ("da_loss", "db_loss", "dis_loss_a", "dis_loss_b"):
            if losses.get(name, 1.0) < 0.01:
                warnings.append(
                    f"{name} is {losses[name]:.4f}: the discriminator knows every fake, and the "
                    "generator learns nothing from it. If that lasts, lower discriminator_filters"
                )
        return warnings


def judge(way: Direction, fake) -> dict[str, tf.Tensor]:
    """What the official discriminator of one domain makes of real and fake images: scalars."""
    real_logit, *real_features = way.discriminator(way.real, training=True)
    fake_logit, *fake_features = way.discriminator(fake, training=True)
    real_loss = losses.cross_entropy(real_logit, 1.0)
    fake_loss = losses.cross_entropy(fake_logit, 0.0)
    return {
        "gen_loss": losses.cross_entropy(fake_logit, 1.0),
        "fm_loss": losses.feature_matching(real_features, fake_features),
        "dis_loss": 0.5 * real_loss + 0.5 * fake_loss,
    }


def check_settings(settings: dict):
    """Raises `ValueError` for the first setting that no network can be built from, or unused."""
    check_choices(DiscoGAN.__init__, settings)
    filters = ("generator_filters", "discriminator_filters")
    counts = ("image_channels", "photo_channels", *filters, "latent_dim")
    weights = ("lambda_l2", "lambda_identity", "learning_rate", "weight_decay")
    check_range(settings, counts, 1)
    check_range(settings, (*weights, "pool_size", "gan_curriculum"), 0)
    check_range(settings, ("beta_1", "beta_2"), 0, below=1)
    check_range(settings, ("update_interval",), 2)
    for name in ("feature_matching", "starting_rate", "default_rate"):
        if not 0 <= settings[name] <= 1:
            raise ValueError(f"`{name}` must be in [0, 1]. Received: {settings[name]}")
    if settings["epoch_step"] is not None:
        check_range(settings, ("epoch_step",), 0)
    size = settings["image_size"]
    if size < 32 or size % 16:
        raise ValueError(f"`image_size` must be a multiple of 16, from 32 on. Received: {size}")
    recipe = settings["recipe"]
    (other,) = SETTINGS_OF.keys() - {recipe}
    for name in SETTINGS_OF[other].split():
        default = inspect.signature(DiscoGAN.__init__).parameters[name].default
        if settings[name] != default:
            raise ValueError(
                f'`{name}` is for recipe="{other}". Received: {settings[name]} with "{recipe}"'
            )
    if settings["objective"] == "recongan" and recipe == "article" and not settings["lambda_l2"]:
        raise ValueError('`lambda_l2` must not be 0 with objective="recongan". Received: 0')
    channels = [settings[name] for name in ("image_channels", "photo_channels")]
    if settings["lambda_identity"] and channels[0] != channels[1]:
        raise ValueError(
            "`lambda_identity` needs as many image_channels as photo_channels. "
            f"Received: {channels[0]} and {channels[1]}"
        )
