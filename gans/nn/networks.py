"""Networks that two or more GANs share, as functions of a Keras tensor: U-Net, ResNet generator,
PatchGAN, encoders.

Activations are layers of their own, in the place where the official code has them.
"""

import math

import keras
from keras import layers

from gans.nn.layers import (
    Conv2D,
    Conv2DTranspose,
    Dropout,
    ReflectionPadding,
    TileLatent,
    normalization,
)


def leaky_relu(x):
    """Leaky ReLU of slope 0.2, on a Keras tensor."""
    # Keras' own default slope is 0.3; every paper here has 0.2.
    return layers.LeakyReLU(negative_slope=0.2)(x)


def unet(
    image,
    *,
    z=None,
    depth: int,
    filters: int = 64,
    output_channels: int = 3,
    norm: str = "instance",
    norm_at_test: str = "moving",
    dropout: float = 0.0,
    dropout_levels: str = "outer",
    dropout_at_test: bool = False,
    skips: bool = True,
    upsample: str = "transpose",
    use_bias: bool = True,
    kernel_initializer="glorot_normal",
):
    """U-Net of pix2pix (Isola et al. 2017, appendix 6.1.1).

    Args:
        image: `(batch, size, size, channels)`, `size` a multiple of `2 ** depth`.
        z: optional latent code `(batch, latent_dim)`, appended to the input of every down layer,
            before its activation; the skips carry the maps without it.
        depth: halvings. Level i has `filters * min(2 ** i, 8)` channels.
        filters: channels of the first level.
        output_channels: channels of the result.
        norm: `"instance"`, `"batch"` or `"none"`; never on the image layers nor on the innermost
            map, which is 1x1 where `size == 2 ** depth` and would be normalised to zero, nor with
            `"resize"` on the next one.
        norm_at_test: statistics of batch normalisation at test, `"moving"` or `"batch"`.
        dropout: rate on some of the up layers of full width.
        dropout_levels: `"outer"`: the `depth - 5` after the innermost (`models/networks.py` of the
            official PyTorch code), or `"inner"`: the three innermost (`models.lua`, the original).
        dropout_at_test: drop values at test too.
        skips: False makes a plain encoder-decoder.
        upsample: `"transpose"` (kernel 4, stride 2) or `"resize"` (bilinear, then kernel 3), which
            cannot make a checkerboard.
        use_bias: False leaves biases out of all convolutions but the last, as the official pix2pix
            where its normalisation has an offset.
        kernel_initializer: of every convolution.

    Returns `(batch, size, size, output_channels)` in [-1, 1], float32.
    """

    if dropout_levels not in ("outer", "inner"):
        raise ValueError(
            f'`dropout_levels` must be "outer" or "inner". Received: {dropout_levels!r}'
        )
    widths = [filters * min(2**level, 8) for level in range(depth)]
    dropped = range(3, depth - 2) if dropout_levels == "outer" else range(depth - 4, depth - 1)
    options = {"use_bias": use_bias, "kernel_initializer": kernel_initializer}

    x, maps = image, []
    for level, width in enumerate(widths):
        if z is not None:
            x = TileLatent()([x, z])
        if level > 0:
            x = leaky_relu(x)
        normalized = norm != "none" and 0 < level < depth - 1
        x = Conv2D(width, 4, strides=2, padding=1, normalized=normalized, **options)(x)
        if normalized:
            x = normalization(norm, norm_at_test)(x)
        maps.append(x)

    for level in reversed(range(depth - 1)):
        # A 1x1 map resized is constant, which a normalisation would make zero.
        flat = upsample == "resize" and level == depth - 2
        normalized = norm != "none" and not flat
        up = options | {"use_bias": use_bias or flat}
        x = double(layers.ReLU()(x), widths[level], upsample, normalized, **up)
        if normalized:
            x = normalization(norm, norm_at_test)(x)
        if dropout and level in dropped:
            x = Dropout(dropout, at_test=dropout_at_test)(x)
        if skips:
            x = layers.Concatenate()([x, maps[level]])
    options["use_bias"] = True
    x = double(layers.ReLU()(x), output_channels, upsample, False, **options)
    return layers.Activation("tanh", dtype=keras.config.floatx())(x)


def unet_depth(size: int) -> int:
    """Halvings that a side in pixels admits, at most 8: 8 for 256, 6 for 64, 5 for 96."""
    return min(8, int(math.log2(size & -size)))


def double(x, channels, upsample, normalized, kernel_size=4, **options):
    """Twice the height and width, by the two ways that `unet` names; `kernel_size` of the first."""
    options["normalized"] = normalized
    if upsample == "transpose":
        return Conv2DTranspose(channels, kernel_size, **options)(x)
    if upsample != "resize":
        raise ValueError(f'`upsample` must be "transpose" or "resize". Received: {upsample!r}')
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    return Conv2D(channels, 3, **options)(ReflectionPadding(1)(x))


def resnet_generator(
    image,
    *,
    blocks: int = 9,
    filters: int = 64,
    output_channels: int = 3,
    norm: str = "instance",
    dropout: float = 0.0,
    upsample: str = "transpose",
    kernel_initializer="glorot_normal",
):
    """Generator of CycleGAN (Zhu et al. 2017, appendix 7.2, after Johnson et al. 2016):
    c7s1-64, d128, d256, R256 times `blocks`, u128, u64, c7s1-3.

    Args:
        image: `(batch, height, width, channels)`, sides multiples of 4.
        blocks: residual blocks at a quarter of the size: 9 for 256x256, 6 for 128x128.
        filters: channels of the first layer.
        output_channels: channels of the result.
        norm: `"instance"`, `"batch"` or `"none"`.
        dropout: rate inside each block.
        upsample: as in `unet`; the transposed convolution has kernel 3.
        kernel_initializer: of every convolution.

    Returns `(batch, height, width, output_channels)` in [-1, 1], float32.
    """
    options = {"kernel_initializer": kernel_initializer}
    inner = options | {"normalized": norm != "none"}
    x = Conv2D(filters, 7, **inner)(ReflectionPadding(3)(image))
    x = layers.ReLU()(normalization(norm)(x))
    for level in (1, 2):
        x = Conv2D(filters * 2**level, 3, strides=2, padding=1, **inner)(x)
        x = layers.ReLU()(normalization(norm)(x))
    for _ in range(blocks):
        branch = Conv2D(filters * 4, 3, **inner)(ReflectionPadding(1)(x))
        branch = layers.ReLU()(normalization(norm)(branch))
        if dropout:
            branch = Dropout(dropout)(branch)
        branch = Conv2D(filters * 4, 3, **inner)(ReflectionPadding(1)(branch))
        x = layers.Add()([x, normalization(norm)(branch)])
    for level in (1, 0):
        x = double(x, filters * 2**level, upsample, kernel_size=3, **inner)
        x = layers.ReLU()(normalization(norm)(x))
    x = Conv2D(output_channels, 7, **options)(ReflectionPadding(3)(x))
    return layers.Activation("tanh", dtype=keras.config.floatx())(x)


def patchgan(
    image,
    *,
    filters: int = 64,
    n_layers: int = 3,
    norm: str = "instance",
    use_bias: bool = True,
    kernel_initializer="glorot_normal",
):
    """PatchGAN of pix2pix (Isola et al. 2017, appendix 6.1.2): a map of judgements, one per patch.

    Args:
        image: `(batch, size, size, channels)`.
        filters: channels of the first layer; they double per layer up to 8 times.
        n_layers: layers of stride 2; the receptive field is 16, 34, 70, 142, 286 for 1 to 5, and 1
            for 0: three 1x1 convolutions, a PixelGAN.
        norm: `"instance"`, `"batch"` or `"none"`; never on the first and last layer.
        use_bias: False leaves the bias out where a normalisation follows.
        kernel_initializer: of every convolution.

    Returns a map without activation, `(batch, p, p, 1)` float32; `p` is 30 at size 256 with 3
    layers, and 256 with none.
    """
    kernel_size, padding = (4, 1) if n_layers else (1, 0)
    options = {"padding": padding, "kernel_initializer": kernel_initializer}
    x = image
    for level in range(max(n_layers, 1) + 1):
        normalized = norm != "none" and level > 0
        x = Conv2D(
            filters * min(2**level, 8),
            kernel_size,
            strides=2 if level < n_layers else 1,
            normalized=normalized,
            use_bias=use_bias or not normalized,
            **options,
        )(x)
        if normalized:
            x = normalization(norm)(x)
        x = leaky_relu(x)
    x = Conv2D(1, kernel_size, **options)(x)
    return layers.Activation("linear", dtype=keras.config.floatx())(x)


def resnet_features(
    image,
    *,
    blocks: int,
    filters: int = 64,
    norm: str = "instance",
    kernel_initializer="glorot_normal",
):
    """The residual encoder of BicycleGAN (Zhu et al. 2017, appendix; `models/networks.py:
    E_ResNet`).

    A convolution of stride 2, then residual blocks that halve the map: normalisation before
    activation before convolution, so that the shortcuts carry colour and brightness past every
    normalisation.

    Args:
        image: `(batch, size, size, channels)`.
        blocks: residual blocks; block i has `filters * min(i + 1, 4)` channels.
        filters: channels of the first layer.
        norm: `"instance"`, `"batch"` or `"none"`.
        kernel_initializer: of every convolution.

    Returns `(batch, filters * min(blocks + 1, 4))`: the mean over the last map.
    """
    options = {"kernel_initializer": kernel_initializer}
    normalized = norm != "none"
    x = Conv2D(filters, 4, strides=2, padding=1, **options)(image)
    for block in range(1, blocks + 1):
        width = filters * min(block + 1, 4)
        branch = leaky_relu(normalization(norm)(x))
        branch = Conv2D(x.shape[-1], 3, padding=1, normalized=normalized, **options)(branch)
        branch = leaky_relu(normalization(norm)(branch))
        branch = Conv2D(width, 3, padding=1, average_pool=True, **options)(branch)
        shortcut = Conv2D(width, 1, **options)(layers.AveragePooling2D(2)(x))
        x = layers.Add()([branch, shortcut])
    return layers.GlobalAveragePooling2D()(leaky_relu(x))


def conv_features(image, *, depth: int, filters: int = 64, kernel_initializer="glorot_normal"):
    """Convolutions of stride 2, as many as the image size asks for, and the mean over the last map.

    Without normalisation: it would subtract each channel's mean, which is the colour to be encoded.

    Args:
        image: `(batch, size, size, channels)`.
        depth: halvings; layer i has `filters * min(2 ** i, 8)` channels.
        filters: channels of the first layer.
        kernel_initializer: of every convolution.

    Returns `(batch, filters * min(2 ** (depth - 1), 8))`.
    """
    x = image
    for level in range(depth):
        width = filters * min(2**level, 8)
        x = Conv2D(width, 4, strides=2, padding=1, kernel_initializer=kernel_initializer)(x)
        x = leaky_relu(x)
    return layers.GlobalAveragePooling2D()(x)
