"""DiscoGAN: the shoe in the style of a bag, and the bag in the style of a shoe, without pairs.

Paper: Kim et al. 2017, "Learning to Discover Cross-Domain Relations with Generative Adversarial
Networks", arXiv:1703.05192. Official code: SKTBrain/DiscoGAN. Article: "Style transfer in the
fashion industry with GANs", chapter 4 of a book on GAN projects; equations below are the chapter's,
as are the names of the losses.

    python scripts/train_discogan.py    # toy fashion, bag <-> shoe
    python scripts/train_discogan.py --data_dir=data/edges2handbags    # sketch <-> bag

Two generators, A -> B and B -> A. It is not enough to please a discriminator: all bags might become
one shoe. An image that passes through both generators must come out as it was (A -> B -> A, B -> A
-> B), so that each bag needs a shoe of its own, and what the two have in common, such as the
colour, carries over. Nothing says *which* relation is discovered: one that exchanges red and blue
in both directions is as good. `lambda_identity`, the identity loss of CycleGAN, excludes it.

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

import math
from dataclasses import dataclass, fields
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from gans.nn import discogan_networks, losses, optimizers
from gans.nn.domain_gan import Direction, DomainGAN
from gans.nn.image_pool import ImagePool
from gans.nn.layers import keeping_statistics
from gans.nn.random import seed_of
from gans.nn.settings import TranslationSettings, setting

CAN = {
    "starts_from": "domains",
    "networks": ("generator_ab", "generator_ba"),
    "varies_by": "direction",
    "epoch": "smaller",
    "toy_domains": "bag2shoe",
}
# Settings that only one recipe uses.
OF_ARTICLE = ("latent_dim", "lambda_l2", "lambda_identity", "pool_size", "epoch_step")
OF_OFFICIAL = (
    "feature_matching",
    "starting_rate",
    "default_rate",
    "gan_curriculum",
    "update_interval",
)


@dataclass(frozen=True, kw_only=True)
class Settings(TranslationSettings):
    """The defaults are the numbers of the article, but for the rate, which is kept."""

    image_size: int = 64
    recipe: Literal["article", "official"] = setting(
        "article",
        "article (bottleneck, cross entropy, image history) or official (feature matching, growing "
        "reconstruction, discriminators and generators in turn).",
    )
    objective: Literal["discogan", "recongan", "gan"] = setting(
        "discogan", "discogan (both directions), recongan (A -> B -> A) or gan (A -> B)."
    )
    latent_dim: int = setting(100, "Numbers in the bottleneck of the article's generator.", least=1)
    norm: Literal["batch", "instance", "none"] = setting(
        "batch", "Normalisation; instance takes out the mean colour of an image."
    )
    norm_at_test: Literal["moving", "batch"] = setting(
        "moving", "Statistics of batch normalisation at test: moving, or those of the batch."
    )
    lambda_l2: float = setting(1.0, "Weight of the article's reconstruction.", least=0)
    lambda_identity: float = setting(
        0.0, "Weight of CycleGAN's identity loss, as a mean squared error.", least=0
    )
    pool_size: int = setting(50, "Fakes kept for each of the article's discriminators.", least=0)
    feature_matching: float = setting(
        0.9, "Part of feature matching in the official generator loss.", least=0, most=1
    )
    starting_rate: float = setting(
        0.01, "Part of reconstruction in the official generator loss, at first.", least=0, most=1
    )
    default_rate: float = setting(0.5, "The same later.", least=0, most=1)
    gan_curriculum: int = setting(10_000, "Steps until then.", least=0)
    update_interval: int = setting(
        3,
        "Official discriminators learn in every so many steps, generators in the others.",
        least=2,
    )
    learning_rate: float = setting(2e-4, "Learning rate of Adam, for all networks.", least=0)
    beta_1: float = setting(0.5, "Decay of Adam's first moment.", least=0, below=1)
    beta_2: float = setting(0.99, "Decay of Adam's second moment.", least=0, below=1)
    weight_decay: float = setting(0.0, "Times the weight, added to each gradient.", least=0)
    epoch_step: int | None = setting(
        None, "Epochs with the full rate, which then falls linearly to the end of the run.", least=0
    )

    def check(self):
        if self.image_size < 32 or self.image_size % 16:
            raise ValueError(
                f"`image_size` must be a multiple of 16, from 32 on. Received: {self.image_size}"
            )
        unused = OF_OFFICIAL if self.recipe == "article" else OF_ARTICLE
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in unused and value != field.default:
                raise ValueError(
                    f"`{field.name}` must be left out with recipe={self.recipe}. Received: {value}"
                )
        if self.objective == "recongan" and self.recipe == "article" and not self.lambda_l2:
            raise ValueError('`lambda_l2` must not be 0 with objective="recongan". Received: 0')
        if self.lambda_identity and self.image_channels != self.photo_channels:
            raise ValueError(
                "`lambda_identity` needs as many image_channels as photo_channels. "
                f"Received: {self.image_channels} and {self.photo_channels}"
            )


class DiscoGAN(DomainGAN):
    """Two generators and two discriminators, trained together (equations 7 and 10).

    Without a second direction (`objective`), `discriminator_a` is None; without reconstruction
    `generator_ba` too.
    """

    def __init__(self, **settings):
        super().__init__(Settings(**settings))
        s = self.settings
        a, b, size = s.image_channels, s.photo_channels, s.image_size
        # The article's bottleneck is a matrix for maps of one size.
        self.size_multiple = None if s.recipe == "article" else 16
        self.generator_ab = discogan_networks.build_generator(s, a, b, "generator_ab")
        self.discriminator_b = discogan_networks.build_discriminator(s, b, "discriminator_b")
        self.generator_ba = self.discriminator_a = self.pool_a = self.pool_b = None
        if s.objective != "gan":
            self.generator_ba = discogan_networks.build_generator(s, b, a, "generator_ba")
        if s.objective == "discogan":
            self.discriminator_a = discogan_networks.build_discriminator(s, a, "discriminator_a")
        if s.recipe == "article":
            self.train_step = self.train_article
            self.pool_b = ImagePool(s.pool_size, (size, size, b))
            if s.objective == "discogan":
                self.pool_a = ImagePool(s.pool_size, (size, size, a))
        else:
            self.train_step = self.train_official
            # The two optimizers count their own steps only.
            options = {"initializer": "zeros", "trainable": False}
            self.iteration = self.add_weight(name="iteration", shape=(), dtype="int64", **options)
            # Shown in the steps of the discriminators.
            self.last_recon_losses = {
                source: self.add_weight(name=f"last_recon_loss_{source}", shape=(), **options)
                for source in {"discogan": "ab", "recongan": "a", "gan": ""}[s.objective]
            }
        self.built = True

    def train_article(self, batch):
        """One update of the generators, then one of the discriminators, on the same fakes.

        Batch normalisation sees the images of one flow at a time, as in the listing.
        """
        images_a, images_b = batch
        draws_b = self.sample_draws(images_a, stream=0)
        draws_a = self.sample_draws(images_b, stream=1)
        logs = {}

        with tf.GradientTape() as tape_g:
            fake_b = self.generator_ab(images_a, training=True)
            g_loss = g_loss_a2b = self.article_loss(  # Equation 5.
                self.generator_ab,
                self.generator_ba,
                self.discriminator_b,
                images_a,
                images_b,
                fake_b,
            )
            logs["g_loss_a2b"] = g_loss_a2b
            if self.discriminator_a is not None:
                fake_a = self.generator_ba(images_b, training=True)
                g_loss_b2a = self.article_loss(  # Equation 6.
                    self.generator_ba,
                    self.generator_ab,
                    self.discriminator_a,
                    images_b,
                    images_a,
                    fake_a,
                )
                g_loss = g_loss_a2b + g_loss_b2a  # Equation 7.
                logs["g_loss_b2a"] = g_loss_b2a
        gradients = tape_g.gradient(g_loss, self.generator_variables)
        self.optimizer_generator.apply(gradients, self.generator_variables)

        with tf.GradientTape() as tape_d:
            past_b = self.pool_b(fake_b, draws_b)
            # Equation 8, halved as in the listing.
            db_loss_real = losses.cross_entropy(self.discriminator_b(images_b, training=True), 1.0)
            db_loss_fake = losses.cross_entropy(self.discriminator_b(past_b, training=True), 0.0)
            d_loss = db_loss = (db_loss_real + db_loss_fake) / 2.0
            logs |= {"db_loss": db_loss, "db_loss_real": db_loss_real, "db_loss_fake": db_loss_fake}
            if self.discriminator_a is not None:
                past_a = self.pool_a(fake_a, draws_a)
                # Equation 9.
                da_loss_real = losses.cross_entropy(
                    self.discriminator_a(images_a, training=True), 1.0
                )
                da_loss_fake = losses.cross_entropy(
                    self.discriminator_a(past_a, training=True), 0.0
                )
                da_loss = (da_loss_real + da_loss_fake) / 2.0
                d_loss = db_loss + da_loss  # Equation 10.
                logs |= {
                    "da_loss": da_loss,
                    "da_loss_real": da_loss_real,
                    "da_loss_fake": da_loss_fake,
                }
        gradients = tape_d.gradient(d_loss, self.discriminator_variables)
        self.optimizer_discriminator.apply(gradients, self.discriminator_variables)
        return logs | {"g_loss": g_loss, "d_loss": d_loss}

    def article_loss(self, generator, inverse, discriminator, images, real, fake) -> tf.Tensor:
        """What one direction adds to the loss of the generators: the fake must be taken for real,
        and lead back to the image; with `lambda_identity`, a real image must stay as it is.
        """
        s = self.settings
        loss = losses.cross_entropy(discriminator(fake, training=True), 1.0)
        if inverse is not None and s.lambda_l2:
            reconstruction = self.reconstruct(inverse, fake)
            loss += s.lambda_l2 * losses.mean_squared(reconstruction, images)
        if s.lambda_identity:
            with keeping_statistics(generator):
                same = generator(real, training=True)
            loss += s.lambda_identity * losses.mean_squared(same, real)
        return loss

    def reconstruct(self, inverse, fake) -> tf.Tensor:
        """The reconstruction from a fake. At test both generators get real images: their moving
        statistics are of these alone, unless they see no others.
        """
        with keeping_statistics(*[inverse] * (self.discriminator_a is not None)):
            return inverse(fake, training=True)

    def train_official(self, batch):
        """One update of the discriminators or of the generators, never of both."""
        logs = tf.cond(
            self.iteration.value % self.settings.update_interval == 0,
            lambda: self.update_discriminators(*batch),
            lambda: self.update_generators(*batch),
        )
        self.iteration.assign_add(1)
        return logs

    def update_discriminators(self, images_a, images_b):
        """One update of the official discriminators; no reconstruction is made."""
        fake_b = self.generator_ab(images_a, training=True)
        fake_a = None
        if self.discriminator_a is not None:
            fake_a = self.generator_ba(images_b, training=True)
        logs = {f"recon_loss_{name}": x.value for name, x in self.last_recon_losses.items()}
        with tf.GradientTape() as tape_d:
            gen_loss_b, fm_loss_b, dis_loss_b = official_losses(
                self.discriminator_b, images_b, fake_b
            )
            dis_loss = dis_loss_b
            logs |= {"gen_loss_b": gen_loss_b, "fm_loss_b": fm_loss_b, "dis_loss_b": dis_loss_b}
            if self.discriminator_a is not None:
                gen_loss_a, fm_loss_a, dis_loss_a = official_losses(
                    self.discriminator_a, images_a, fake_a
                )
                dis_loss = dis_loss_b + dis_loss_a
                logs |= {"gen_loss_a": gen_loss_a, "fm_loss_a": fm_loss_a, "dis_loss_a": dis_loss_a}
        gradients = tape_d.gradient(dis_loss, self.discriminator_variables)
        self.optimizer_discriminator.apply(gradients, self.discriminator_variables)
        return logs

    def update_generators(self, images_a, images_b):
        """One update of the official generators, by more reconstruction after `gan_curriculum`."""
        s = self.settings
        early = self.iteration.value < s.gan_curriculum
        rates = (s.starting_rate, s.default_rate)
        rate = tf.where(early, *(tf.constant(x, keras.config.floatx()) for x in rates))
        logs = {}
        with tf.GradientTape() as tape_g:
            fake_b = self.generator_ab(images_a, training=True)
            gen_loss_b, fm_loss_b, dis_loss_b = official_losses(
                self.discriminator_b, images_b, fake_b
            )
            logs |= {"gen_loss_b": gen_loss_b, "fm_loss_b": fm_loss_b, "dis_loss_b": dis_loss_b}
            gen_loss = self.matched(gen_loss_b, fm_loss_b)
            if self.generator_ba is not None:
                recon_loss_a = self.official_reconstruction(self.generator_ba, fake_b, images_a)
                gen_loss = (1.0 - rate) * gen_loss + rate * recon_loss_a
                logs["recon_loss_a"] = recon_loss_a
            if self.discriminator_a is not None:
                fake_a = self.generator_ba(images_b, training=True)
                gen_loss_a, fm_loss_a, dis_loss_a = official_losses(
                    self.discriminator_a, images_a, fake_a
                )
                logs |= {"gen_loss_a": gen_loss_a, "fm_loss_a": fm_loss_a, "dis_loss_a": dis_loss_a}
                recon_loss_b = self.official_reconstruction(self.generator_ab, fake_a, images_b)
                matched_loss = self.matched(gen_loss_a, fm_loss_a)
                gen_loss += (1.0 - rate) * matched_loss + rate * recon_loss_b
                logs["recon_loss_b"] = recon_loss_b
        gradients = tape_g.gradient(gen_loss, self.generator_variables)
        self.optimizer_generator.apply(gradients, self.generator_variables)
        for source, last in self.last_recon_losses.items():
            last.assign(logs[f"recon_loss_{source}"])
        return logs

    def matched(self, gen_loss, fm_loss) -> tf.Tensor:
        """The official GAN loss, most of which matches features."""
        share = self.settings.feature_matching
        return (1.0 - share) * gen_loss + share * fm_loss

    def official_reconstruction(self, inverse, fake, images) -> tf.Tensor:
        """Of values in [0, 1], where a squared error is a quarter of that in [-1, 1]."""
        return losses.mean_squared(self.reconstruct(inverse, fake), images) / 4.0

    def sample_draws(self, images, stream: int):
        """Uniform draws in [0, 1) for a pool, `(batch, 2)`: a function of (seed, stream, step)."""
        seed = seed_of(self.settings.seed, stream, self.step)
        return tf.random.stateless_uniform((tf.shape(images)[0], 2), seed)

    def compile(self, epochs=None, steps_per_epoch=None, run_eagerly: bool = False):
        """One optimizer for the generators and one for the discriminators."""
        s = self.settings
        decay_epochs = 0
        if s.epoch_step is not None:
            # rate * (epochs - e) / (epochs - epoch_step) after e epochs: all of it at epoch_step.
            decay_epochs = max(0, (epochs or math.inf) - s.epoch_step - 1)
        rate = optimizers.decaying_rate(s.learning_rate, decay_epochs, epochs, steps_per_epoch)
        options = {"beta_1": s.beta_1, "beta_2": s.beta_2, "l2": s.weight_decay}
        of_generators, of_discriminators = (optimizers.Adam(rate, **options) for _ in range(2))
        super().compile(
            optimizer_generator=optimizers.built(of_generators, self.generator_variables),
            optimizer_discriminator=optimizers.built(
                of_discriminators, self.discriminator_variables
            ),
            run_eagerly=run_eagerly,
        )

    def generator_for(
        self, height: int, width: int, direction: Direction = "a_to_b"
    ) -> keras.Model:
        """The generator for images of another size, multiples of `size_multiple`; same weights.

        Raises `ValueError` for a direction that the objective has no generator for, and where
        `size_multiple` is None for any size but its own.
        """
        own, size = self.generator_of(direction), self.settings.image_size
        if height == width == size:
            return own
        if self.size_multiple is None or height % 16 or width % 16:
            raise ValueError(
                f"expected {size}x{size}, the one size of the article's bottleneck, or for the "
                f"official one multiples of 16. Received: {height}x{width}"
            )
        channels = own.input_shape[-1], own.output_shape[-1]
        generator = discogan_networks.build_generator(
            self.settings, *channels, own.name, height, width
        )
        generator.set_weights(own.get_weights())
        return generator

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
        """Warnings where a generator paints one picture for all, or a discriminator has won."""
        warnings = []
        if self.step < 1000:
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


def official_losses(discriminator, real, fake) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Three scalars of the official code for one domain: the GAN loss of the generator, its feature
    matching, and the loss of the discriminator.
    """
    real_logit, *real_features = discriminator(real, training=True)
    fake_logit, *fake_features = discriminator(fake, training=True)
    real_loss = losses.cross_entropy(real_logit, 1.0)
    fake_loss = losses.cross_entropy(fake_logit, 0.0)
    gen_loss = losses.cross_entropy(fake_logit, 1.0)
    fm_loss = losses.feature_matching(real_features, fake_features)
    return gen_loss, fm_loss, 0.5 * real_loss + 0.5 * fake_loss


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
    "article": {"epoch_step": 10},
    "paper": {"recipe": "official", "beta_2": 0.999, "weight_decay": 1e-5},
}
# `disjoint`: A from one half of the A|B pairs and B from the other.
TRAINING = {
    "toy": {"batch_size": 16, "epochs": 40, "disjoint": False},
    "article": {"batch_size": 64, "epochs": 200, "disjoint": False, "images_per_epoch": 10_000},
    "paper": {"batch_size": 64, "epochs": 5000, "disjoint": True},
}
