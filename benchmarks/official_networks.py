"""Networks of official code in PyTorch, written anew and as short as they can be: BicycleGAN,
pix2pix, CycleGAN, DiscoGAN, and DCGAN as in pytorch/examples; see `official_steps.py`.

`s` is the settings of the GAN. Images are `(batch, channels, height, width)`.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.2  # Of leaky ReLU.
NORMS = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d}


def convolution(into: int, out: int, *sizes: int, norm: str = "none", transpose=False, bias=None):
    """A convolution, which has a bias unless batch normalisation follows, and a normalisation."""
    kind = nn.ConvTranspose2d if transpose else nn.Conv2d
    bias = norm != "batch" if bias is None else bias
    normalizations = [NORMS[norm](out)] if norm != "none" else []
    return nn.Sequential(kind(into, out, *sizes, bias=bias), *normalizations)


class UNet(nn.Module):
    """`UnetGenerator` of pix2pix; with `latent_dim` `G_Unet_add_all` of BicycleGAN, where z joins
    the input of every down layer. An up layer is joined before its skip, not after it.
    """

    def __init__(self, s, norm: str, latent_dim: int = 0):
        super().__init__()
        depth = min(8, (s.image_size & -s.image_size).bit_length() - 1)
        widths = [s.generator_filters * min(2**level, 8) for level in range(depth)]
        self.downs, self.ups, into = nn.ModuleList(), nn.ModuleList(), s.image_channels
        for level, width in enumerate(widths):
            inner = norm if 0 < level < depth - 1 else "none"
            bias = norm != "batch"
            self.downs.append(convolution(into + latent_dim, width, 4, 2, 1, norm=inner, bias=bias))
            into = width
        for level in reversed(range(depth - 1)):
            up = convolution(into, widths[level], 4, 2, 1, norm=norm, transpose=True)
            if s.dropout and 3 <= level < depth - 2:
                up.append(nn.Dropout(s.dropout))
            self.ups.append(up)
            into = 2 * widths[level]
        self.last = convolution(into, s.photo_channels, 4, 2, 1, transpose=True)

    def forward(self, x, z=None):
        maps = []
        for level, down in enumerate(self.downs):
            if z is not None:
                x = torch.cat([x, z[:, :, None, None].expand(*z.shape, *x.shape[2:])], 1)
            x = down(functional.leaky_relu(x, SLOPE) if level else x)
            maps.append(x)
        for up, skip in zip(self.ups, reversed(maps[:-1]), strict=True):
            x = torch.cat([up(functional.relu(x)), skip], 1)
        return torch.tanh(self.last(functional.relu(x)))


class ResNetGenerator(nn.Sequential):
    """`ResnetGenerator` of CycleGAN."""

    def __init__(self, into: int, out: int, s):
        width = s.generator_filters
        layers = [nn.ReflectionPad2d(3), *convolution(into, width, 7, norm="instance"), nn.ReLU()]
        for factor in (1, 2):
            shape = (width * factor, 2 * width * factor, 3, 2, 1)
            layers += [*convolution(*shape, norm="instance"), nn.ReLU()]
        layers += [ResNetBlock(4 * width) for _ in range(s.blocks)]
        for factor in (4, 2):
            shape = (width * factor, width * factor // 2, 3, 2, 1, 1)
            layers += [*convolution(*shape, norm="instance", transpose=True), nn.ReLU()]
        super().__init__(*layers, nn.ReflectionPad2d(3), *convolution(width, out, 7), nn.Tanh())


class ResNetBlock(nn.Module):
    """`ResnetBlock`, with reflection padding."""

    def __init__(self, width: int):
        super().__init__()
        first, second = (convolution(width, width, 3, norm="instance") for _ in range(2))
        pads = nn.ReflectionPad2d(1), nn.ReflectionPad2d(1)
        self.branch = nn.Sequential(pads[0], *first, nn.ReLU(), pads[1], *second)

    def forward(self, x):
        return x + self.branch(x)


class PatchGAN(nn.Sequential):
    """`NLayerDiscriminator` with three layers of stride 2."""

    def __init__(self, channels: int, filters: int, norm: str):
        layers = [*convolution(channels, filters, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        for factor, stride in ((1, 2), (2, 2), (4, 1)):
            shape = (filters * factor, 2 * filters * factor, 4, stride, 1)
            layers += [*convolution(*shape, norm=norm), nn.LeakyReLU(SLOPE)]
        super().__init__(*layers, *convolution(8 * filters, 1, 4, 1, 1))


class MultiScale(nn.Module):
    """`D_NLayersMulti` of BicycleGAN: PatchGANs, each of half the width on half the size."""

    def __init__(self, channels: int, filters: int, scales: int):
        super().__init__()
        widths = [filters // 2**scale for scale in range(scales)]
        self.scales = nn.ModuleList(PatchGAN(channels, width, "instance") for width in widths)
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, x):
        maps = []
        for scale, network in enumerate(self.scales):
            x = self.halve(x) if scale else x
            maps.append(network(x))
        return maps


class ResNetEncoder(nn.Module):
    """`E_ResNet` of BicycleGAN: mean and log-variance of the style of a photo."""

    def __init__(self, s):
        super().__init__()
        width, blocks = s.encoder_filters, max(1, s.image_size.bit_length() - 5)
        widths = [width * min(block, 4) for block in range(1, blocks + 2)]
        self.first = nn.Conv2d(s.photo_channels, width, 4, 2, 1)
        self.blocks = nn.ModuleList(EncoderBlock(*pair) for pair in itertools.pairwise(widths))
        self.mean = nn.Linear(widths[-1], s.latent_dim)
        self.log_variance = nn.Linear(widths[-1], s.latent_dim)

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        x = functional.leaky_relu(x, SLOPE).mean(dim=(2, 3))
        return self.mean(x), self.log_variance(x)


class EncoderBlock(nn.Module):
    """`BasicBlock`: normalisation, activation, convolution, twice, then half the size."""

    def __init__(self, into: int, out: int):
        super().__init__()
        self.norms = nn.InstanceNorm2d(into), nn.InstanceNorm2d(into)
        self.convolutions = nn.ModuleList(nn.Conv2d(into, n, 3, 1, 1) for n in (into, out))
        self.shortcut = nn.Conv2d(into, out, 1)

    def forward(self, x):
        branch = x
        for norm, layer in zip(self.norms, self.convolutions, strict=True):
            branch = layer(functional.leaky_relu(norm(branch), SLOPE))
        shortcut = self.shortcut(functional.avg_pool2d(x, 2))
        return functional.avg_pool2d(branch, 2) + shortcut


class DiscoGenerator(nn.Sequential):
    """`Generator` of DiscoGAN, on values in [0, 1]."""

    def __init__(self, into: int, out: int, filters: int):
        layers = [*convolution(into, filters, 4, 2, 1, bias=False), nn.LeakyReLU(SLOPE)]
        widths = [filters, 2 * filters, 4 * filters, 8 * filters]
        for pair in itertools.pairwise(widths):
            layers += [*convolution(*pair, 4, 2, 1, norm="batch"), nn.LeakyReLU(SLOPE)]
        for pair in itertools.pairwise(reversed(widths)):
            layers += [*convolution(*pair, 4, 2, 1, norm="batch", transpose=True), nn.ReLU()]
        last = convolution(filters, out, 4, 2, 1, transpose=True, bias=False)
        super().__init__(*layers, *last, nn.Sigmoid())


class DiscoDiscriminator(nn.Module):
    """`Discriminator` of DiscoGAN, on values in [0, 1]: a logit, and the maps of three layers."""

    def __init__(self, channels: int, filters: int, image_size: int):
        super().__init__()
        widths = [filters, 2 * filters, 4 * filters, 8 * filters]
        self.first = convolution(channels, filters, 4, 2, 1, bias=False)
        self.inner = nn.ModuleList(
            convolution(*pair, 4, 2, 1, norm="batch") for pair in itertools.pairwise(widths)
        )
        self.last = convolution(widths[-1], 1, image_size // 16, bias=False)

    def forward(self, x):
        x, maps = functional.leaky_relu(self.first(x), SLOPE), []
        for layer in self.inner:
            x = functional.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        return self.last(x), maps


class DCGANGenerator(nn.Module):
    """`Generator` of the DCGAN example. Its first convolution, of a map of one pixel, is a product
    of matrices here, as in the paper; its last one has a bias.
    """

    def __init__(self, s):
        super().__init__()
        self.side, self.width = s.image_size // 16, 8 * s.generator_filters
        self.project = nn.Linear(s.latent_dim, self.side**2 * self.width, bias=False)
        layers = [nn.BatchNorm2d(self.width), nn.ReLU()]
        for factor in (8, 4, 2):
            shape = (s.generator_filters * factor, s.generator_filters * factor // 2, 4, 2, 1)
            layers += [*convolution(*shape, norm="batch", transpose=True), nn.ReLU()]
        last = convolution(s.generator_filters, s.image_channels, 4, 2, 1, transpose=True)
        self.layers = nn.Sequential(*layers, *last, nn.Tanh())

    def forward(self, z):
        x = self.project(z).view(-1, self.side, self.side, self.width)
        return self.layers(x.permute(0, 3, 1, 2))


class DCGANDiscriminator(nn.Module):
    """`Discriminator` of the DCGAN example, likewise, up to the logit."""

    def __init__(self, s):
        super().__init__()
        filters = s.discriminator_filters
        layers = [*convolution(s.image_channels, filters, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        for factor in (1, 2, 4):
            shape = (filters * factor, 2 * filters * factor, 4, 2, 1)
            layers += [*convolution(*shape, norm="batch"), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(8 * filters * (s.image_size // 16) ** 2, 1)

    def forward(self, x):
        return self.score(self.layers(x).permute(0, 2, 3, 1).flatten(1))
