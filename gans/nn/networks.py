"""Networks that two or more GANs share, as functions of a Keras tensor: U-Net, PatchGAN, ResNet
encoder.

Activations are layers of their own, in the place where the official code has them.
"""

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
    dropout: float = 0.0,
    upsample: str = "transpose",
    kernel_initializer="glorot_normal",
):
    """U-Net of pix2pix (Isola et al. 2017, appendix 6.1.1) in the official BicycleGAN's
    arrangement.

    Args:
        image: `(batch, size, size, channels)`, `size` a multiple of `2 ** depth`.
        z: optional latent code `(batch, latent_dim)`, appended to the input of every down layer,
            before its activation; the skips carry the maps without it.
        depth: halvings. Level i has `filters * min(2 ** i, 8)` channels.
        filters: channels of the first level.
        output_channels: channels of the result.
        norm: `"instance"`, `"batch"` or `"none"`; never on the image layers nor on the innermost
            map, which is 1x1 where `size == 2 ** depth` and would be normalised to zero.
        dropout: rate on the `depth - 5` up layers of full width after the innermost.
        upsample: `"transpose"` (kernel 4, stride 2) or `"resize"` (bilinear, then kernel 3), which
            cannot make a checkerboard.
        kernel_initializer: of every convolution.

    Returns `(batch, size, size, output_channels)` in [-1, 1], float32.
    """

    if upsample not in ("transpose", "resize"):
        raise ValueError(f'`upsample` must be "transpose" or "resize". Received: {upsample!r}')
    widths = [filters * min(2**level, 8) for level in range(depth)]
    normalized = norm != "none"

    x, skips = image, []
    for level, width in enumerate(widths):
        if z is not None:
            x = TileLatent()([x, z])
        if level > 0:
            x = leaky_relu(x)
        inner = 0 < level < depth - 1
        x = Conv2D(
            width,
            4,
            strides=2,
            padding=1,
            normalized=normalized and inner,
            kernel_initializer=kernel_initializer,
        )(x)
        if inner:
            x = normalization(norm)(x)
        skips.append(x)

    for level in reversed(range(depth - 1)):
        x = double(layers.ReLU()(x), widths[level], upsample, normalized, kernel_initializer)
        x = normalization(norm)(x)
        if dropout and 3 <= level <= depth - 3:
            x = Dropout(dropout)(x)
        x = layers.Concatenate()([x, skips[level]])
    x = double(layers.ReLU()(x), output_channels, upsample, False, kernel_initializer)
    return layers.Activation("tanh", dtype="float32")(x)


def double(x, channels, upsample, normalized, kernel_initializer):
    """Twice the height and width, by the two ways that `unet` names."""
    options = {"normalized": normalized, "kernel_initializer": kernel_initializer}
    if upsample == "transpose":
        return Conv2DTranspose(channels, **options)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    return Conv2D(channels, 3, **options)(ReflectionPadding(1)(x))


def patchgan(
    image,
    *,
    filters: int = 64,
    n_layers: int = 3,
    norm: str = "instance",
    kernel_initializer="glorot_normal",
):
    """PatchGAN of pix2pix (Isola et al. 2017, appendix 6.1.2): a map of judgements, one per patch.

    Args:
        image: `(batch, size, size, channels)`.
        filters: channels of the first layer; they double per layer up to 8 times.
        n_layers: layers of stride 2; the receptive field is 16, 34, 70, 142, 286 for 1 to 5.
        norm: `"instance"`, `"batch"` or `"none"`; never on the first and last layer.
        kernel_initializer: of every convolution.

    Returns a map without activation, `(batch, p, p, 1)` float32; `p` is 30 at size 256 with 3
    layers.
    """
    x = image
    for level in range(n_layers + 1):
        normalized = norm != "none" and level > 0
        x = Conv2D(
            filters * min(2**level, 8),
            4,
            strides=2 if level < n_layers else 1,
            padding=1,
            normalized=normalized,
            kernel_initializer=kernel_initializer,
        )(x)
        if normalized:
            x = normalization(norm)(x)
        x = leaky_relu(x)
    x = Conv2D(1, 4, padding=1, kernel_initializer=kernel_initializer)(x)
    return layers.Activation("linear", dtype="float32")(x)


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
        activation
    before convolution, so that the shortcuts carry colour and brightness past every normalisation.

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
