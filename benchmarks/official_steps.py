"""Train steps of official code in PyTorch, written anew and as short as they can be: BicycleGAN
(junyanz/BicycleGAN, June 2020), pix2pix and CycleGAN (junyanz/pytorch-CycleGAN-and-pix2pix),
DiscoGAN (SKTBrain/DiscoGAN) and DCGAN (pytorch/examples).

`tests/parity` compares them with the GANs of this library, `against_pytorch.py` times both. Each
takes the settings of the GAN, of the preset that follows its code, has its networks and optimizers
under the names that the GAN gives them, and is called with a batch and, in a test, with the random
numbers of the step. Images are `(batch, channels, height, width)` in [-1, 1]. Losses have the names
that the GAN gives them.
"""

import torch
from official_networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    DiscoDiscriminator,
    DiscoGenerator,
    MultiScale,
    PatchGAN,
    ResNetEncoder,
    ResNetGenerator,
    UNet,
)
from torch import nn
from torch.nn import functional


def adam(s, *networks: nn.Module, **options):
    """Adam of all weights of some networks."""
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(
        weights, s.learning_rate, (s.beta_1, options.pop("beta_2", 0.999)), **options
    )


def update(optimizer, loss) -> None:
    """One update by the gradients of a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def set_requires_grad(networks, requires_grad: bool) -> None:
    """Whether a backward pass makes gradients of the weights."""
    for network in networks:
        network.requires_grad_(requires_grad)


def least_squares(maps, target: float):
    """`GANLoss("lsgan")`, summed over the scales."""
    maps = maps if isinstance(maps, list) else [maps]
    return sum(((outputs - target) ** 2).mean() for outputs in maps)


def cross_entropy(logits, target: float):
    """`BCEWithLogitsLoss` with one target."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


class BicycleGAN:
    """`BiCycleGANModel.optimize_parameters`."""

    def __init__(self, s):
        self.settings = s
        self.generator, self.encoder = UNet(s, "instance", s.latent_dim), ResNetEncoder(s)
        self.discriminator_1, self.discriminator_2 = (
            MultiScale(s.photo_channels, s.discriminator_filters, s.discriminator_scales)
            for _ in range(2)
        )
        self.optimizer_generator, self.optimizer_encoder = (
            adam(s, network) for network in (self.generator, self.encoder)
        )
        self.optimizer_d1, self.optimizer_d2 = (
            adam(s, network) for network in (self.discriminator_1, self.discriminator_2)
        )

    def __call__(self, pairs, draws=None):
        """One step. `draws`: noise of the encoder, and the random z."""
        s = self.settings
        (real_a_encoded, real_b_encoded), (_, real_b_random) = pairs
        shape = (len(real_b_encoded), s.latent_dim)
        noise, z_random = draws or (torch.randn(shape), torch.randn(shape))
        discriminators = (self.discriminator_1, self.discriminator_2)

        # forward: both fakes are of the first A.
        mu, logvar = self.encoder(real_b_encoded)
        z_encoded = noise * torch.exp(0.5 * logvar) + mu
        fake_b_encoded = self.generator(real_a_encoded, z_encoded)
        fake_b_random = self.generator(real_a_encoded, z_random)
        mu2, _ = self.encoder(fake_b_random)

        # update_G_and_E: the latent loss adds to the gradients of G alone.
        set_requires_grad(discriminators, False)
        self.optimizer_encoder.zero_grad()
        self.optimizer_generator.zero_grad()
        gan_1_loss = least_squares(self.discriminator_1(fake_b_encoded), 1.0)
        gan_2_loss = least_squares(self.discriminator_2(fake_b_random), 1.0)
        kl_loss = -0.5 * s.lambda_kl * torch.sum(1 + logvar - mu**2 - torch.exp(logvar))
        image_loss = s.lambda_image * functional.l1_loss(fake_b_encoded, real_b_encoded)
        (gan_1_loss + gan_2_loss + kl_loss + image_loss).backward(retain_graph=True)
        set_requires_grad([self.encoder], False)
        latent_loss = s.lambda_latent * torch.mean(torch.abs(mu2 - z_random))
        latent_loss.backward()
        set_requires_grad([self.encoder], True)
        self.optimizer_encoder.step()
        self.optimizer_generator.step()

        # update_D.
        set_requires_grad(discriminators, True)
        d1_loss, d2_loss = (
            least_squares(network(fake.detach()), 0.0) + least_squares(network(real), 1.0)
            for network, fake, real in (
                (self.discriminator_1, fake_b_encoded, real_b_encoded),
                (self.discriminator_2, fake_b_random, real_b_random),
            )
        )
        update(self.optimizer_d1, d1_loss)
        update(self.optimizer_d2, d2_loss)
        return {
            "d1_loss": d1_loss,
            "d2_loss": d2_loss,
            "gan_1_loss": gan_1_loss,
            "gan_2_loss": gan_2_loss,
            "image_loss": image_loss,
            "kl_loss": kl_loss,
            "latent_loss": latent_loss,
        }


class Pix2Pix:
    """`Pix2PixModel.optimize_parameters`."""

    def __init__(self, s):
        self.settings = s
        self.generator = UNet(s, "batch")
        channels = s.image_channels + s.photo_channels
        self.discriminator = PatchGAN(channels, s.discriminator_filters, "batch")
        self.optimizer_generator = adam(s, self.generator)
        self.optimizer_discriminator = adam(s, self.discriminator)

    def __call__(self, pairs, draws=None):
        """One step."""
        s = self.settings
        real_a, real_b = pairs
        fake_b = self.generator(real_a)

        set_requires_grad([self.discriminator], True)
        outputs_fake = self.discriminator(torch.cat([real_a, fake_b.detach()], 1))
        outputs_real = self.discriminator(torch.cat([real_a, real_b], 1))
        d_loss = 0.5 * (cross_entropy(outputs_fake, 0.0) + cross_entropy(outputs_real, 1.0))
        update(self.optimizer_discriminator, d_loss)

        set_requires_grad([self.discriminator], False)
        outputs_fake = self.discriminator(torch.cat([real_a, fake_b], 1))
        gan_loss = cross_entropy(outputs_fake, 1.0)
        l1_loss = s.lambda_l1 * functional.l1_loss(fake_b, real_b)
        update(self.optimizer_generator, gan_loss + l1_loss)
        return {"d_loss": d_loss, "gan_loss": gan_loss, "l1_loss": l1_loss}


class ImagePool:
    """`ImagePool` of images: old ones are shown instead of half of the new ones."""

    def __init__(self, size: int):
        self.size, self.images = size, []

    def __call__(self, images, draws):
        """`draws`, `(batch, 2)`: for each image whether to swap, and with which."""
        shown = []
        for image, (swap, place) in zip(images.detach(), draws, strict=True):
            if len(self.images) < self.size:
                self.images.append(image)
            elif swap > 0.5:
                place = int(place * self.size)
                self.images[place], image = image, self.images[place]
            shown.append(image)
        return torch.stack(shown)


class CycleGAN:
    """`CycleGANModel.optimize_parameters`."""

    def __init__(self, s):
        self.settings = s
        a, b, filters = s.image_channels, s.photo_channels, s.discriminator_filters
        self.generator_ab, self.generator_ba = ResNetGenerator(a, b, s), ResNetGenerator(b, a, s)
        self.discriminator_a = PatchGAN(a, filters, "instance")
        self.discriminator_b = PatchGAN(b, filters, "instance")
        self.pool_a, self.pool_b = ImagePool(s.pool_size), ImagePool(s.pool_size)
        self.optimizer_generators = adam(s, self.generator_ab, self.generator_ba)
        self.optimizer_discriminators = adam(s, self.discriminator_a, self.discriminator_b)

    def __call__(self, images, draws=None):
        """One step. `draws`: those of the pools of A and B."""
        s = self.settings
        real_a, real_b = images
        draws = draws or [torch.rand(len(real_a), 2) for _ in range(2)]
        discriminators = [self.discriminator_a, self.discriminator_b]
        fake_b, fake_a = self.generator_ab(real_a), self.generator_ba(real_b)
        rec_a, rec_b = self.generator_ba(fake_b), self.generator_ab(fake_a)

        set_requires_grad(discriminators, False)
        weight = s.lambda_cycle * s.lambda_identity
        losses = {
            "identity_a_loss": weight * functional.l1_loss(self.generator_ba(real_a), real_a),
            "identity_b_loss": weight * functional.l1_loss(self.generator_ab(real_b), real_b),
            "gan_ab_loss": least_squares(self.discriminator_b(fake_b), 1.0),
            "gan_ba_loss": least_squares(self.discriminator_a(fake_a), 1.0),
            "cycle_a_loss": s.lambda_cycle * functional.l1_loss(rec_a, real_a),
            "cycle_b_loss": s.lambda_cycle * functional.l1_loss(rec_b, real_b),
        }
        update(self.optimizer_generators, sum(losses.values()))

        set_requires_grad(discriminators, True)
        self.optimizer_discriminators.zero_grad()
        for name, network, real, shown in (
            ("d_a_loss", self.discriminator_a, real_a, self.pool_a(fake_a, draws[0])),
            ("d_b_loss", self.discriminator_b, real_b, self.pool_b(fake_b, draws[1])),
        ):
            losses[name] = 0.5 * (
                least_squares(network(real), 1.0) + least_squares(network(shown), 0.0)
            )
            losses[name].backward()
        self.optimizer_discriminators.step()
        return losses


class DiscoGAN:
    """The loop of `image_translation.py`: discriminators in every third step, else generators."""

    def __init__(self, s):
        self.settings, self.iteration = s, 0
        a, b = s.image_channels, s.photo_channels
        self.generator_ab, self.generator_ba = (
            DiscoGenerator(*pair, s.generator_filters) for pair in ((a, b), (b, a))
        )
        self.discriminator_a, self.discriminator_b = (
            DiscoDiscriminator(n, s.discriminator_filters, s.image_size) for n in (a, b)
        )
        options = {"beta_2": s.beta_2, "weight_decay": s.weight_decay}
        self.optimizer_generator = adam(s, self.generator_ab, self.generator_ba, **options)
        self.optimizer_discriminator = adam(
            s, self.discriminator_a, self.discriminator_b, **options
        )

    def __call__(self, images, draws=None):
        """One step."""
        s = self.settings
        a, b = (0.5 * x + 0.5 for x in images)
        ab, ba = self.generator_ab(a), self.generator_ba(b)
        aba, bab = self.generator_ba(ab), self.generator_ab(ba)
        losses = {
            "recon_loss_a": functional.mse_loss(aba, a),
            "recon_loss_b": functional.mse_loss(bab, b),
        }
        rate = s.starting_rate if self.iteration < s.gan_curriculum else s.default_rate
        dis_loss = gen_loss = 0.0
        for name, network, real, fake in (
            ("a", self.discriminator_a, a, ba),
            ("b", self.discriminator_b, b, ab),
        ):
            real_logit, real_maps = network(real)
            fake_logit, fake_maps = network(fake)
            of_dis = 0.5 * cross_entropy(real_logit, 1.0) + 0.5 * cross_entropy(fake_logit, 0.0)
            of_gen, of_maps = cross_entropy(fake_logit, 1.0), 0.0
            for one, other in zip(real_maps, fake_maps, strict=True):
                of_maps += ((one.mean(0) - other.mean(0)) ** 2).mean()
            matched = (1 - s.feature_matching) * of_gen + s.feature_matching * of_maps
            reconstructed = losses[{"a": "recon_loss_b", "b": "recon_loss_a"}[name]]
            dis_loss += of_dis
            gen_loss += (1 - rate) * matched + rate * reconstructed
            losses |= {f"dis_loss_{name}": of_dis, f"gen_loss_{name}": of_gen}
            losses[f"fm_loss_{name}"] = of_maps
        if self.iteration % s.update_interval == 0:
            update(self.optimizer_discriminator, dis_loss)
        else:
            update(self.optimizer_generator, gen_loss)
        self.iteration += 1
        return losses


class DCGAN:
    """The loop of the example: D on real and fake images, then G against the D just updated."""

    def __init__(self, s):
        self.settings = s
        self.generator, self.discriminator = DCGANGenerator(s), DCGANDiscriminator(s)
        self.optimizer_generator = adam(s, self.generator)
        self.optimizer_discriminator = adam(s, self.discriminator)

    def __call__(self, images, draws=None):
        """One step. `draws`: z."""
        z = torch.randn(len(images), self.settings.latent_dim) if draws is None else draws
        real_loss = cross_entropy(self.discriminator(images), 1.0)
        fakes = self.generator(z)
        fake_loss = cross_entropy(self.discriminator(fakes.detach()), 0.0)
        update(self.optimizer_discriminator, real_loss + fake_loss)
        g_loss = cross_entropy(self.discriminator(fakes), 1.0)
        update(self.optimizer_generator, g_loss)
        return {
            "d_loss": real_loss + fake_loss,
            "real_loss": real_loss,
            "fake_loss": fake_loss,
            "g_loss": g_loss,
        }


STEPS = {
    "bicyclegan": BicycleGAN,
    "pix2pix": Pix2Pix,
    "cyclegan": CycleGAN,
    "discogan": DiscoGAN,
    "dcgan": DCGAN,
}
