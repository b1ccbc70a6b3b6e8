"""Networks from noise and to features: their maps, their layers, and each layer against NumPy."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn import dcgan_networks, gan_toy_networks, initializers, layers, pacgan_networks
from gans.nn.settings import ConvolutionalSettings, CriticSettings, doublings, setting


@dataclass(frozen=True, kw_only=True)
class Settings(CriticSettings):
    latent_dim: int = 3
    init_stddev: float = 0.3
    generator_filters: int = 2
    critic_filters: int = 2
    discriminator_filters: int = setting(2, "Width of the discriminator.")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def generator(label_dim=0, size=16, filters=2, channels=3, **options):
    z, label = keras.Input((5,)), keras.Input((label_dim,))
    settings = ConvolutionalSettings(
        image_size=size, generator_filters=filters, image_channels=channels
    )
    options = {"init_stddev": 0.5} | options
    image = dcgan_networks.generator(z, settings, label=label if label_dim else None, **options)
    return keras.Model([z, label] if label_dim else z, image)


def features(label_dim=0, size=16, **options):
    image, label = keras.Input((size, size, 3)), keras.Input((label_dim,))
    options = {"filters": 2, "init_stddev": 0.5} | options
    x = dcgan_networks.features(image, label=label if label_dim else None, **options)
    return keras.Model([image, label] if label_dim else image, x)


def kinds(network):
    """What the network is made of, in order, without the plumbing."""
    plumbing = (keras.layers.InputLayer, keras.layers.Reshape, keras.layers.Identity)
    return [type(x).__name__ for x in network.layers if not isinstance(x, plumbing)]


def weighted(network):
    return [x for x in network.layers if hasattr(x, "kernel")]


# Sizes


@pytest.mark.parametrize(
    ("size", "sides"),
    [(8, [4, 8]), (28, [7, 14, 28]), (40, [5, 10, 20, 40]), (96, [6, 12, 24, 48, 96])],
)
@pytest.mark.parametrize("kernel_size", [4, 5])
def test_maps_double_and_channels_halve(size, sides, kernel_size):
    painter = generator(size=size, filters=3, channels=1, kernel_size=kernel_size)
    maps = [x.output.shape[1:] for x in painter.layers if len(x.output.shape) == 4]
    assert sorted({x[0] for x in maps}) == sides
    count = doublings(size)
    assert {x[0]: x[2] for x in maps} == {
        size // 2**level: 3 * 2 ** (level - 1) if level else 1 for level in range(count + 1)
    }
    seen = features(size=size, filters=3, kernel_size=kernel_size)
    maps = {x.output.shape[1]: x.output.shape[3] for x in seen.layers[1:]}
    assert maps == {size // 2 ** (level + 1): 3 * 2**level for level in range(count)}
    names = [x.name for x in seen.layers if x.name.startswith("features_")]
    assert names == [f"features_{level}" for level in range(count)]


# The generator's and the discriminator's layers


def test_generator_is_projection_then_transposed_convolutions():
    block = ["Conv2DTranspose", "BatchNormalization", "ReLU"]
    first = ["Dense", "BatchNormalization", "ReLU"]
    assert kinds(generator(size=32)) == [*first, *block, *block, block[0], "Activation"]
    assert kinds(generator(size=32, dense_units=9))[:6] == first + first
    leaky = generator(activation="leaky_relu")
    first[2] = block[2] = "LeakyReLU"
    assert kinds(leaky) == [*first, *block, block[0], "Activation"]
    assert [x.negative_slope for x in leaky.layers if "leaky" in x.name] == [0.2, 0.2]


def test_features_are_convolutions_whose_first_has_no_normalization():
    first, block = ["Conv2D", "LeakyReLU"], ["Conv2D", "BatchNormalization", "LeakyReLU"]
    assert kinds(features(size=32)) == first + block + block
    assert kinds(features(size=32, norm="none")) == first * 3
    layer = features(size=16, norm="layer", slope=0.01)
    assert kinds(layer) == [*first, "Conv2D", "GroupNormalization", "LeakyReLU"]
    assert [x.negative_slope for x in layer.layers if "features" in x.name] == [0.01, 0.01]


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_a_bias_is_where_no_normalization_takes_it_out(norm):
    made = [x.bias is not None for x in weighted(generator(size=32))]
    assert made == [False] * 3 + [True]
    seen = [x.bias is not None for x in weighted(features(size=32, norm=norm))]
    assert seen == [True, norm == "none", norm == "none"]


@pytest.mark.parametrize("kernel_size", [4, 5])
def test_discriminator_map_is_pytorchs(kernel_size):
    # The first layer: zeros of (kernel_size - 1) // 2 on every side, stride 2.
    network = features(size=8, kernel_size=kernel_size)
    x, padding = normal(2, 8, 8, 3), (kernel_size - 1) // 2
    padded = np.pad(x, [[0, 0], [padding] * 2, [padding] * 2, [0, 0]])
    kernel = network.layers[1].kernel.numpy()
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel_size,) * 2, (1, 2))
    expected = np.einsum("nhwcij,ijcf->nhwf", windows[:, ::2, ::2], kernel)
    expected = expected[:, :4, :4]
    assert np.allclose(network(x), np.where(expected > 0, expected, 0.2 * expected), atol=1e-5)


def test_the_label_reaches_every_layer_by_channels_of_its_own():
    for plain, labelled, inputs in [
        (generator(dense_units=4), generator(3, dense_units=4), normal(1, 5)),
        (features(), features(3), normal(1, 16, 16, 3)),
    ]:
        labelled.set_weights([w if w.ndim < 2 else 0.3 * w for w in labelled.get_weights()])
        one, other = np.eye(3, dtype="float32")[:1], np.eye(3, dtype="float32")[1:2]
        for layer, twin in zip(weighted(labelled), weighted(plain), strict=True):
            axis = 3 if isinstance(layer, layers.Conv2DTranspose) else layer.kernel.ndim - 2
            assert layer.kernel.shape[axis] == twin.kernel.shape[axis] + 3
        assert not np.allclose(labelled([inputs, one]), labelled([inputs, other]))
        # With the label's weights at 0 in all layers but one, it still matters; in none, no more.
        kernels = [layer.kernel.numpy() for layer in weighted(labelled)]
        for kept in (*range(len(kernels)), None):
            for index, layer in enumerate(weighted(labelled)):
                axis = 3 if isinstance(layer, layers.Conv2DTranspose) else layer.kernel.ndim - 2
                places = [slice(None)] * layer.kernel.ndim
                places[axis] = slice(-3, None)
                kernel = kernels[index].copy()
                if index != kept:
                    kernel[tuple(places)] = 0
                layer.kernel.assign(kernel)
            same = np.array_equal(labelled([inputs, one]), labelled([inputs, other]))
            assert same == (kept is None)


def test_score_of_a_map_is_a_convolution_of_the_whole_map():
    x = keras.Input((4, 4, 3))
    network = keras.Model(x, dcgan_networks.score(x, initializers.normal(0.3)))
    kernel, bias = network.get_weights()
    network.set_weights([kernel, bias + 0.7])
    maps = normal(2, 4, 4, 3)
    expected = np.einsum("nijc,ijc->n", maps, kernel.reshape(4, 4, 3)) + 0.7
    assert np.allclose(network(maps)[:, 0], expected, atol=1e-5)
    assert 0.15 < kernel.std() < 0.5 and not bias.any()


# Fully connected


def mlp(*arguments, width=6, **options):
    x = keras.Input((width,))
    return keras.Model(x, dcgan_networks.mlp(x, *arguments, **options))


def test_order_of_fully_connected_layers():
    plain = mlp((4, 3), norm="batch", dropout=0.5, input_dropout=0.2)
    block = ["Dense", "BatchNormalization", "ReLU", "Dropout"]
    assert kinds(plain) == ["Dropout", *block, *block]
    assert [x.rate for x in plain.layers if isinstance(x, layers.Dropout)] == [0.2, 0.5, 0.5]
    first = mlp((4, 3), norm="batch", normalize_first=False, activation="leaky_relu")
    assert kinds(first) == ["Dense", "LeakyReLU", "Dense", "BatchNormalization", "LeakyReLU"]
    assert [x.bias is not None for x in weighted(first)] == [True, False]
    widest = mlp((4, 3), activation="maxout", pieces=5)
    assert [x.units for x in weighted(widest)] == [20, 15]
    assert [x.bias is not None for x in weighted(widest)] == [True, True]
    assert widest.output.shape == (None, 3)


def test_weights_of_fully_connected_layers():
    assert weighted(mlp((300,), width=300))[0].kernel.numpy().std() == pytest.approx(0.02, rel=0.02)
    he = weighted(mlp((300,), width=300, initializer="he_normal"))[0].kernel.numpy()
    assert he.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)


def test_maxout_is_the_largest_of_numbers_that_are_units_apart():
    x = normal(3, 12)
    expected = np.array([[max(row[u], row[u + 4], row[u + 8]) for u in range(4)] for row in x])
    layer = dcgan_networks.Maxout(3)
    assert np.array_equal(layer(x), expected)
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch(inputs)
        total = tf.reduce_sum(layer(inputs))
    assert np.array_equal(tape.gradient(total, inputs), np.tile(expected, 3) == x)
    assert layer.compute_output_shape((None, 12)) == (None, 4)


# Packs


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pack_joins_neighbours_along_the_channels(size):
    images = normal(6, 2, 2, 3)
    packs = dcgan_networks.Pack(size)(images).numpy()
    assert packs.shape == (6 // size, 2, 2, 3 * size)
    for pack in range(6 // size):
        for place in range(size):
            channels = slice(3 * place, 3 * place + 3)
            assert np.array_equal(packs[pack, ..., channels], images[size * pack + place])
    points = normal(6, 2)
    assert np.array_equal(dcgan_networks.Pack(size)(points), points.reshape(6 // size, 2 * size))
    assert dcgan_networks.Pack(size).compute_output_shape((None, 5, 2))[1:] == (5, 2 * size)


@pytest.mark.parametrize("layer", [dcgan_networks.Maxout(3), dcgan_networks.Pack(2)])
def test_layer_made_from_its_config_computes_the_same(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()
    x = normal(4, 6)
    assert np.array_equal(copy(x), layer(x))


# Ends


def test_ends_are_images_in_range_and_points_without_bounds():
    x = keras.Input((7,))
    sizes = {"image_size": 12, "image_channels": 2}
    image, point = (
        keras.Model(x, dcgan_networks.sample_of(x, ConvolutionalSettings(data=data, **sizes)))
        for data in ("images", "points")
    )
    assert image.count_params() == (7 + 1) * 12 * 12 * 2
    painted = image(1e4 * normal(3, 7)).numpy()
    assert painted.shape == (3, 12, 12, 2)
    assert (painted.min(), painted.max()) == (-1, 1)
    kernel, bias = point.get_weights()
    values = normal(3, 7)
    assert np.allclose(point(1e6 * values), 1e6 * values @ kernel + bias, rtol=1e-4)


@pytest.fixture
def mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_ends_are_float32_whatever_the_layers_compute_in(mixed_bfloat16):
    x = keras.Input((7,))
    ends = [dcgan_networks.images_of(x, 8, 1), dcgan_networks.points_of(x), dcgan_networks.score(x)]
    assert [end.dtype for end in ends] == ["float32"] * 3
    image = keras.Input((8, 8, 1))
    assert dcgan_networks.generator(x, ConvolutionalSettings(image_size=8)).dtype == "float32"
    assert dcgan_networks.features(image, filters=2).dtype == "bfloat16"


# Whole networks


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (96, 1)])
@pytest.mark.parametrize(("kernel_size", "upsample"), [(4, "transpose"), (5, "resize")])
def test_images_of_every_size_are_in_range(size, channels, kernel_size, upsample):
    settings = Settings(
        image_size=size, image_channels=channels, kernel_size=kernel_size, upsample=upsample
    )
    painted = dcgan_networks.build_generator(settings)(30 * normal(2, 3)).numpy()
    assert painted.shape == (2, size, size, channels)
    assert painted.dtype == np.float32 and 0.1 < np.abs(painted).max() <= 1
    assert dcgan_networks.build_critic(settings)(painted).shape == (2, 1)
    assert dcgan_networks.build_discriminator(settings, packing=2)(painted).shape == (1, 1)


@pytest.mark.parametrize(("norm", "layer"), [("layer", "GroupNormalization"), ("none", None)])
def test_norm_is_that_of_discriminator_and_critic(norm, layer):
    settings = Settings(image_size=32, norm=norm)
    for build in (dcgan_networks.build_critic, dcgan_networks.build_discriminator):
        names = kinds(build(settings))
        assert "BatchNormalization" not in names
        assert names.count(layer) == (2 if layer else 0)


@pytest.mark.parametrize("networks", [gan_toy_networks, pacgan_networks])
def test_generators_of_points_have_the_given_width_and_activation(networks):
    for activation, name in (("relu", "ReLU"), ("leaky_relu", "LeakyReLU")):
        settings = Settings(data="points", generator_activation=activation, generator_filters=7)
        generator = networks.build_generator(settings)
        assert generator.output.shape == (None, 2)
        dense = [x for x in generator.layers if isinstance(x, keras.layers.Dense)]
        assert {x.units for x in dense[:-1]} == {7}
        assert kinds(generator).count(name) == len(dense) - 1


def test_a_clipped_critic_of_points_begins_normal():
    settings = Settings(data="points", critic_filters=100, init_stddev=0.3)
    kernels = [x.kernel.numpy() for x in weighted(gan_toy_networks.build_clipped_critic(settings))]
    assert [x.std() for x in kernels] == pytest.approx([0.3] * 4, rel=0.2)


# Fields


@pytest.mark.parametrize("side", [4, 5, 6, 7, 8, 14, 16, 28])
def test_pooled_fields_are_equal_parts_that_leave_nothing_out(side):
    size = -(-side // 4)
    # One picture for each pixel, and which of the fields it lies in.
    spots = np.eye(side * side, dtype="float32").reshape(-1, side, side, 1)
    hits = dcgan_networks.pooled_fields(tf.constant(spots), 4).numpy().reshape(-1, 4, 4)
    pixels, rows, columns = np.nonzero(hits)
    for places, fields in ((pixels // side, rows), (pixels % side, columns)):
        starts = fields * (side - size) / 3
        assert np.all(starts - 0.5 <= places) and np.all(places <= starts + size - 0.5)
    counts = hits.sum((1, 2))
    assert counts.min() == 1
    if side % 4 == 0:
        assert counts.max() == 1
    # The parts are equal: 16 fields of size x size pixels were hit in all.
    assert counts.sum() == 16 * size**2


def test_pooled_fields_take_the_largest_and_keep_channels_together():
    maps = normal(2, 8, 8, 3)
    expected = maps.reshape(2, 4, 2, 4, 2, 3).max((2, 4)).reshape(2, 48)
    assert np.array_equal(dcgan_networks.pooled_fields(tf.constant(maps), 4), expected)
