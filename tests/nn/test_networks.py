"""Shapes, receptive fields and arrangement of the shared networks, read off the built models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn import networks
from gans.nn.layers import Conv2D, Conv2DTranspose, Dropout, InstanceNormalization, TileLatent


def model(function, size, channels=3, latent_dim=0, **options):
    shape = (size, size) if isinstance(size, int) else size
    image = keras.Input((*shape, channels))
    if not latent_dim:
        return keras.Model(image, function(image, **options))
    z = keras.Input((latent_dim,))
    return keras.Model([image, z], function(image, z=z, **options))


def of_type(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


def next_layers(network, layer):
    """The layers that take the output of `layer`."""
    return [other for other in network.layers if any(x is layer.output for x in inputs(other))]


def inputs(layer):
    return [] if isinstance(layer, keras.layers.InputLayer) else tf.nest.flatten(layer.input)


@pytest.mark.parametrize(
    ("size", "depth"), [(32, 5), (64, 6), (256, 8), (96, 5), ((64, 128), 6), (64, 5)]
)
@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_unet_gives_an_image_of_the_size_that_it_took(size, depth, upsample):
    unet = model(networks.unet, size, depth=depth, filters=2, output_channels=4, upsample=upsample)
    assert unet.output.shape == (None, *unet.input.shape[1:3], 4)


def test_unet_halves_to_one_pixel_and_widens_to_eight_times():
    unet = model(networks.unet, 256, depth=8, filters=2)
    down = [layer.output.shape[1:] for layer in of_type(unet, Conv2D)]
    widths = [2, 4, 8, 16, 16, 16, 16, 16]
    assert down == [(256 // 2**i, 256 // 2**i, w) for i, w in enumerate(widths, start=1)]
    up = [layer.output.shape[1:] for layer in of_type(unet, Conv2DTranspose)]
    assert up == [(side, side, w) for side, _, w in down[-2::-1]] + [(256, 256, 3)]


def test_unet_output_is_in_the_range_of_images():
    unet = model(networks.unet, 32, depth=5, filters=2, kernel_initializer="he_normal")
    found = unet(np.random.default_rng(0).uniform(-9, 9, (2, 32, 32, 3)).astype("float32"))
    assert np.abs(found).max() <= 1
    assert np.std(found) > 0.1


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_unet_normalizes_all_but_the_image_layers_and_the_innermost_map(norm):
    unet = model(networks.unet, 64, depth=6, filters=2, norm=norm)
    kind = {"instance": InstanceNormalization, "batch": keras.layers.BatchNormalization}[norm]
    for layers, expected in [
        (of_type(unet, Conv2D), [False, True, True, True, True, False]),
        (of_type(unet, Conv2DTranspose), [True, True, True, True, True, False]),
    ]:
        followed = [any(isinstance(x, kind) for x in next_layers(unet, layer)) for layer in layers]
        assert followed == expected
        # The bias is left out exactly where a normalisation takes it out again.
        assert [layer.normalized for layer in layers] == expected


def test_unet_without_normalization_has_all_its_biases():
    unet = model(networks.unet, 32, depth=5, filters=2, norm="none")
    assert not of_type(unet, (InstanceNormalization, keras.layers.BatchNormalization))
    assert not any(layer.normalized for layer in of_type(unet, (Conv2D, Conv2DTranspose)))


def test_innermost_pixel_of_the_unet_is_alive():
    # A normalisation of a 1x1 map would make it zero whatever the image is.
    unet = model(networks.unet, 32, depth=5, filters=2, kernel_initializer="he_normal")
    innermost = of_type(unet, Conv2D)[-1]
    assert innermost.output.shape[1:3] == (1, 1)
    with tf.GradientTape() as tape:
        x = np.random.default_rng(0).standard_normal((1, 32, 32, 3)).astype("float32")
        total = tf.reduce_sum(unet(x)[:, :16])
    assert np.abs(tape.gradient(total, innermost.kernel.value)).max() > 1e-4


@pytest.mark.parametrize(("depth", "sides"), [(5, []), (6, [4]), (7, [4, 8]), (8, [4, 8, 16])])
def test_dropout_is_on_the_full_width_up_layers_after_the_innermost(depth, sides):
    unet = model(networks.unet, 2**depth, depth=depth, filters=2, dropout=0.3)
    dropouts = of_type(unet, Dropout)
    assert len(dropouts) == depth - 5
    assert [layer.output.shape[1:] for layer in dropouts] == [(side, side, 16) for side in sides]
    for layer in dropouts:
        assert layer.rate == 0.3
        assert isinstance(next_layers(unet, layer)[0], keras.layers.Concatenate)
        source = [x for x in unet.layers if x.output is layer.input]
        assert isinstance(source[0], InstanceNormalization)


def test_z_joins_every_down_layer_before_its_activation_and_no_skip():
    unet = model(networks.unet, 32, latent_dim=8, depth=5, filters=2)
    tiles = of_type(unet, TileLatent)
    widths = [2, 4, 8, 16]
    assert [layer.output.shape[-1] for layer in tiles] == [width + 8 for width in [3, *widths]]
    after = [next_layers(unet, layer)[0] for layer in tiles]
    assert isinstance(after[0], Conv2D)
    assert all(isinstance(layer, keras.layers.LeakyReLU) for layer in after[1:])
    # The up layers take twice the width of their level: the map from below, and a skip without z.
    joined = [layer.output.shape[-1] for layer in of_type(unet, keras.layers.Concatenate)]
    assert joined == [2 * width for width in reversed(widths)]


@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_only_resize_doubles_a_constant_map_without_a_checkerboard(upsample):
    x = keras.Input((8, 8, 3))
    double = networks.double(x, 4, upsample, False, kernel_initializer="glorot_normal")
    found = keras.Model(x, double)(np.ones((1, 8, 8, 3), "float32")).numpy()
    assert found.shape == (1, 16, 16, 4)
    difference = np.abs(found - found[:, 8:9, 8:9]).max()
    assert difference < 1e-6 if upsample == "resize" else difference > 0.1


def test_unet_refuses_an_unknown_upsampling():
    message = r'`upsample` must be "transpose" or "resize". Received: \'nearest\''
    with pytest.raises(ValueError, match=message):
        model(networks.unet, 32, depth=5, upsample="nearest")


@pytest.mark.parametrize(
    ("n_layers", "side", "field"),
    [(1, 126, 16), (2, 62, 34), (3, 30, 70), (4, 14, 142), (5, 6, 286)],
)
def test_patchgan_map_and_receptive_field(n_layers, side, field):
    assert model(networks.patchgan, 256, filters=1, n_layers=n_layers).output.shape == (
        None,
        side,
        side,
        1,
    )
    # With ones as kernels no two paths cancel: the gradient of one judgement is not zero exactly on
    # the pixels that it sees.
    size = 2 * field
    options = {"filters": 1, "n_layers": n_layers, "norm": "none", "kernel_initializer": "ones"}
    network = model(networks.patchgan, size, channels=1, **options)
    image = tf.ones((1, size, size, 1))
    with tf.GradientTape() as tape:
        tape.watch(image)
        judgements = network(image)
        middle = judgements[0, judgements.shape[1] // 2, judgements.shape[2] // 2, 0]
    seen = tape.gradient(middle, image).numpy()[0, :, :, 0] != 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert len(rows) == len(columns) == field
    assert rows[-1] - rows[0] == columns[-1] - columns[0] == field - 1
    assert seen.sum() == field**2
    assert rows[0] > 0 and rows[-1] < size - 1  # Not cut off by the border.


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_patchgan_normalizes_all_but_the_first_and_last_layer(norm):
    patchgan = model(networks.patchgan, 64, filters=2, norm=norm)
    convolutions = of_type(patchgan, Conv2D)
    assert [layer.filters for layer in convolutions] == [2, 4, 8, 16, 1]
    assert [layer.strides for layer in convolutions] == [2, 2, 2, 1, 1]
    expected = [False, *[norm != "none"] * 3, False]
    assert [layer.normalized for layer in convolutions] == expected
    kinds = {"instance": InstanceNormalization, "batch": keras.layers.BatchNormalization}
    assert len(of_type(patchgan, tuple(kinds.values()))) == sum(expected)
    for layer, normalized in zip(convolutions, expected, strict=True):
        if normalized:
            assert isinstance(next_layers(patchgan, layer)[0], kinds[norm])


def test_patchgan_widens_to_eight_times_at_most():
    patchgan = model(networks.patchgan, 256, filters=2, n_layers=5)
    assert [layer.filters for layer in of_type(patchgan, Conv2D)] == [2, 4, 8, 16, 16, 16, 1]


def test_patchgan_judgements_are_not_bounded():
    network = model(networks.patchgan, 32, filters=2, norm="none", kernel_initializer="ones")
    assert network(np.ones((1, 32, 32, 3), "float32")).numpy().min() > 1e3
    assert network(-np.ones((1, 32, 32, 3), "float32")).numpy().max() < -10


@pytest.mark.parametrize(("size", "blocks", "width"), [(256, 4, 8), (128, 3, 8), (64, 2, 6)])
def test_resnet_features_halve_once_and_then_per_block(size, blocks, width):
    resnet = model(networks.resnet_features, size, blocks=blocks, filters=2)
    assert resnet.output.shape == (None, width)
    last = of_type(resnet, keras.layers.Add)[-1]
    assert last.output.shape[1:] == (8, 8, width)
    assert len(of_type(resnet, InstanceNormalization)) == 2 * blocks


def test_resnet_biases_are_left_out_only_between_two_normalizations():
    resnet = model(networks.resnet_features, 64, blocks=2, filters=2)
    convolutions = sorted(of_type(resnet, Conv2D), key=lambda layer: layer.path)
    followed = [
        any(isinstance(x, InstanceNormalization) for x in next_layers(resnet, layer))
        and len(next_layers(resnet, layer)) == 1
        for layer in convolutions
    ]
    # The first convolution also feeds a shortcut, which nothing normalises.
    assert [layer.normalized for layer in convolutions] == followed
    assert sum(followed) == 2


@pytest.mark.parametrize(("depth", "width"), [(6, 16), (4, 16), (3, 8)])
def test_conv_features_widen_with_depth(depth, width):
    network = model(networks.conv_features, 4 * 2**depth, depth=depth, filters=2)
    assert network.output.shape == (None, width)
    last = of_type(network, Conv2D)[-1]
    assert last.output.shape[1:] == (4, 4, width)


@pytest.mark.parametrize(
    ("function", "options"),
    [(networks.resnet_features, {"blocks": 2}), (networks.conv_features, {"depth": 4})],
)
def test_encoders_see_the_brightness_of_an_even_photo(function, options):
    # What normalises every path makes all even photos one.
    network = model(function, 64, filters=2, **options)
    dark, bright = np.full((2, 64, 64, 3), [[[[-0.5]]], [[[0.5]]]], "float32")
    features = network(np.stack([dark, bright])).numpy()
    assert np.abs(features[0] - features[1]).max() > 0.01


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (networks.unet, {"depth": 6}),
        (networks.patchgan, {}),
        (networks.resnet_features, {"blocks": 2}),
        (networks.conv_features, {"depth": 4}),
    ],
)
def test_every_leak_is_a_fifth(function, options):
    leaks = of_type(model(function, 64, filters=2, **options), keras.layers.LeakyReLU)
    assert leaks
    x = np.array([-1.0, 2.0], "float32")
    assert all(np.allclose(leak(x), [-0.2, 2.0]) for leak in leaks)


def test_depth_is_what_takes_the_side_to_one_pixel():
    expected = {256: 8, 128: 7, 64: 6, 32: 5, 96: 5, 512: 8, 160: 5}
    assert {size: networks.unet_depth(size) for size in expected} == expected


@pytest.mark.parametrize("upsample", ["transpose", "resize"])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_the_bottleneck_of_a_single_image_is_alive(norm, upsample):
    image = keras.layers.Input((32, 32, 3))
    unet = networks.unet(image, depth=5, filters=2, norm=norm, upsample=upsample)
    network = keras.Model(image, unet)
    innermost = [weight for weight in network.trainable_variables if "kernel" in weight.path][4]
    with tf.GradientTape() as tape:
        output = network(np.random.default_rng(0).normal(size=(1, 32, 32, 3)), training=True)
        loss = tf.reduce_sum(output**2)
    assert np.abs(tape.gradient(loss, innermost)).max() > 0
