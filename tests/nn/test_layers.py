"""Each layer against a textbook operation in NumPy, its gradients against plain TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import signal

from gans.nn import convolution, layers


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def randomized(layer, inputs_shape):
    """The layer with a random kernel and a bias that is not zero."""
    layer.build(inputs_shape)
    layer.kernel.assign(normal(*layer.kernel.shape, seed=1) / 10)
    layer.bias.assign(normal(*layer.bias.shape, seed=2))
    return layer


def convolve_numpy(x, kernel, strides, padding):
    """Cross-correlation of float64 numbers by SciPy, channel by channel."""
    x = np.pad(x.astype("float64"), [[0, 0], [padding] * 2, [padding] * 2, [0, 0]])
    maps = [
        [
            sum(
                signal.correlate(image[..., c], kernel[..., c, f], mode="valid")
                for c in range(x.shape[-1])
            )
            for f in range(kernel.shape[-1])
        ]
        for image in x
    ]
    return np.transpose(maps, [0, 2, 3, 1])[:, ::strides, ::strides]


def transpose_numpy(x, kernel):
    """Each pixel paints its 4x4 patch, two pixels further than the last; one pixel is cropped."""
    batch, height, width, _ = x.shape
    out = np.zeros((batch, 2 * height + 2, 2 * width + 2, kernel.shape[2]))
    for k in range(4):
        for m in range(4):
            out[:, k : k + 2 * height : 2, m : m + 2 * width : 2] += x @ kernel[k, m].T
    return out[:, 1:-1, 1:-1]


def normalize_numpy(x):
    x = np.asarray(x, "float64")
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5)


def halve_numpy(x):
    """The mean of each 3x3 window over those of its pixels that are in the image."""
    batch, height, width, channels = x.shape
    out = np.empty((batch, (height + 1) // 2, (width + 1) // 2, channels))
    for i in range(out.shape[1]):
        for j in range(out.shape[2]):
            rows, columns = slice(max(0, 2 * i - 1), 2 * i + 2), slice(max(0, 2 * j - 1), 2 * j + 2)
            out[:, i, j] = x[:, rows, columns].mean((1, 2))
    return out


def gradients(function, *sources):
    """The output, and the gradients of a fixed random weighting of it to `sources`.

    `sources` are the arguments of `function`, arrays, and then variables that it uses by itself.
    """
    arguments = [tf.constant(x) for x in sources if isinstance(x, np.ndarray)]
    variables = [x for x in sources if not isinstance(x, np.ndarray)]
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        outputs = function(*arguments)
        total = tf.reduce_sum(outputs * normal(*outputs.shape, seed=9))
    return [outputs, *tape.gradient(total, [*arguments, *variables])]


def assert_close(found, expected, tolerance=1e-5):
    """Relative to the largest expected value."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


# Image, kernel size, strides, padding, and the form that `convolve` must choose.
FORMS = [
    ((40, 36), 4, 2, 1, "SAME"),
    ((34, 20), 3, 1, 1, "SAME"),
    ((8, 10), 1, 1, 0, "SAME"),
    ((41, 37), 4, 2, 1, "VALID"),
    ((40, 37), 4, 2, 1, "VALID"),
    ((37, 40), 4, 2, 1, "VALID"),
    ((9, 8), 4, 1, 1, "VALID"),
    ((8, 8), 3, 1, 0, "VALID"),
    ((8, 8), 3, 2, 1, "VALID"),
    ((2, 2), 4, 2, 1, "matrices"),
    ((6, 10), 4, 2, 1, "matrices"),
    ((32, 32), 4, 2, 1, "matrices"),
    ((32, 34), 4, 2, 1, "SAME"),  # One row of positions too many.
]


@pytest.fixture
def form(monkeypatch):
    """The forms that `convolve` has used, in a list. Narrow kernels count as large ones here."""
    used, conv2d, patches = [], tf.nn.conv2d, tf.image.extract_patches

    def recording_conv2d(inputs, kernel, strides, padding):
        used.append(padding)
        return conv2d(inputs, kernel, strides, padding)

    def recording_patches(*args, **options):
        used.append("matrices")
        return patches(*args, **options)

    monkeypatch.setattr(tf.nn, "conv2d", recording_conv2d)
    monkeypatch.setattr(tf.image, "extract_patches", recording_patches)
    monkeypatch.setattr(convolution, "MATMUL_KERNEL", 0)
    return used


@pytest.mark.parametrize(("size", "kernel_size", "strides", "padding", "expected_form"), FORMS)
def test_convolution_equals_scipy_in_every_form(
    form, size, kernel_size, strides, padding, expected_form
):
    x = normal(2, *size, 3)
    layer = randomized(layers.Conv2D(5, kernel_size, strides, padding), x.shape)
    found = layer(x)
    assert form == [expected_form]
    expected = convolve_numpy(x, layer.kernel.numpy(), strides, padding) + layer.bias.numpy()
    assert_close(found, expected)


@pytest.mark.parametrize(("size", "kernel_size", "strides", "padding", "expected_form"), FORMS)
def test_convolution_has_the_gradients_of_plain_conv2d(
    form, size, kernel_size, strides, padding, expected_form
):
    x, kernel = normal(2, *size, 3), normal(kernel_size, kernel_size, 3, 5, seed=1)
    sides = [[0, 0], [padding] * 2, [padding] * 2, [0, 0]]

    def plain(x, kernel):
        return tf.nn.conv2d(tf.pad(x, sides), kernel, strides, "VALID")

    expected = gradients(plain, x, kernel)
    form.clear()
    found = gradients(
        lambda x, kernel: convolution.convolve(x, kernel, strides, padding), x, kernel
    )
    assert form[0] == expected_form
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize(("channels", "expected_form"), [(255, "SAME"), (256, "matrices")])
def test_only_large_kernels_are_multiplied_as_matrices(form, monkeypatch, channels, expected_form):
    monkeypatch.setattr(convolution, "MATMUL_KERNEL", 2**20)
    convolution.convolve(tf.zeros((1, 4, 4, channels)), tf.zeros((4, 4, channels, 256)), 2, 1)
    assert form == [expected_form]


def test_convolution_of_images_of_unknown_size():
    x = normal(2, 13, 10, 3)
    layer = randomized(layers.Conv2D(5, 4, 2, 1), x.shape)
    unknown = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    expected = convolve_numpy(x, layer.kernel.numpy(), 2, 1) + layer.bias.numpy()
    assert_close(unknown(x), expected)


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (40, 40), (41, 40)])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_average_pool_equals_convolution_then_mean_of_squares(kernel_size, size):
    x, padding = normal(2, *size, 3), kernel_size // 2
    pooled = layers.Conv2D(5, kernel_size, padding=padding, average_pool=True)
    randomized(pooled, x.shape)

    def two_operations(x):
        kernel, bias = tf.convert_to_tensor(pooled.kernel), tf.convert_to_tensor(pooled.bias)
        outputs = tf.nn.bias_add(convolution.convolve(x, kernel, 1, padding), bias)
        return tf.nn.avg_pool2d(outputs, 2, 2, "VALID")

    weights = [pooled.kernel.value, pooled.bias.value]
    found, expected = gradients(pooled, x, *weights), gradients(two_operations, x, *weights)
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)


def test_average_pool_refuses_strides():
    with pytest.raises(ValueError, match=r"`average_pool` needs `strides=1`. Received: strides=2"):
        layers.Conv2D(4, 3, strides=2, average_pool=True)


# Image, and the form that `convolve_transpose` must choose.
TRANSPOSE_FORMS = [
    ((1, 1), "matrices"),
    ((3, 5), "matrices"),
    ((16, 16), "matrices"),
    ((16, 17), "conv2d_transpose"),
]


@pytest.fixture
def transpose_form(monkeypatch):
    """The form that `convolve_transpose` has used last, in a list."""
    used, conv2d_transpose = ["matrices"], tf.nn.conv2d_transpose

    def recording(*args):
        used[:] = ["conv2d_transpose"]
        return conv2d_transpose(*args)

    monkeypatch.setattr(tf.nn, "conv2d_transpose", recording)
    monkeypatch.setattr(convolution, "MATMUL_KERNEL", 0)
    return used


@pytest.mark.parametrize(("size", "expected_form"), TRANSPOSE_FORMS)
def test_transposed_convolution_equals_numpy(transpose_form, size, expected_form):
    x = normal(2, *size, 3)
    layer = randomized(layers.Conv2DTranspose(5), x.shape)
    found = layer(x)
    assert transpose_form == [expected_form]
    assert_close(found, transpose_numpy(x, layer.kernel.numpy()) + layer.bias.numpy())


@pytest.mark.parametrize(("size", "_"), TRANSPOSE_FORMS)
def test_transposed_convolution_has_the_gradients_of_conv2d_transpose(monkeypatch, size, _):
    monkeypatch.setattr(convolution, "MATMUL_KERNEL", 0)
    x, kernel = normal(2, *size, 3), normal(4, 4, 5, 3, seed=1)
    doubled = [2, 2 * size[0], 2 * size[1], 5]

    def plain(x, kernel):
        return tf.nn.conv2d_transpose(x, kernel, doubled, 2, "SAME")

    found = gradients(convolution.convolve_transpose, x, kernel)
    for one, other in zip(found, gradients(plain, x, kernel), strict=True):
        assert_close(one, other)


def test_gradients_of_the_matrix_forms_can_be_differentiated_again(monkeypatch):
    monkeypatch.setattr(convolution, "MATMUL_KERNEL", 0)
    x, down, up = tf.constant(normal(2, 6, 6, 3)), normal(4, 4, 3, 5), normal(4, 4, 3, 5, seed=1)

    def second_order(convolve, convolve_transpose):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(convolve_transpose(tf.tanh(convolve(x))) ** 3)
            penalty = tf.reduce_sum(tf.square(inner.gradient(total, x)))
        return outer.gradient(penalty, x)

    found = second_order(
        lambda x: convolution.convolve(x, tf.constant(down), 2, 1),
        lambda x: convolution.convolve_transpose(x, tf.constant(up)),
    )
    expected = second_order(
        lambda x: tf.nn.conv2d(x, down, 2, "SAME"),
        lambda x: tf.nn.conv2d_transpose(x, up, [2, 6, 6, 3], 2, "SAME"),
    )
    assert_close(found, expected)


def test_transposed_convolution_of_images_of_unknown_size():
    x = normal(2, 3, 5, 3)
    layer = randomized(layers.Conv2DTranspose(5), x.shape)
    unknown = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 3))])
    assert_close(unknown(x), layer(x))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(5, 3, padding=1, normalized=True),
        layers.Conv2D(5, 3, padding=1, average_pool=True, normalized=True),
        layers.Conv2DTranspose(5, normalized=True),
    ],
    ids=["plain", "average_pool", "transpose"],
)
def test_bias_before_a_normalization_has_gradient_zero_and_no_effect(layer):
    x = normal(2, 8, 8, 3)
    randomized(layer, x.shape)
    normalize = layers.InstanceNormalization()
    outputs, _, kernel_gradient, bias_gradient = gradients(
        lambda x: normalize(layer(x)), x, layer.kernel.value, layer.bias.value
    )
    assert np.array_equal(bias_gradient, np.zeros(5))
    assert np.abs(kernel_gradient).min() > 0

    layer.bias.assign(np.full(5, 7.0))
    assert np.array_equal(normalize(layer(x)), outputs)
    # And leaving it out is right: with the bias added, the normalisation gives the same.
    layer.normalized = False
    assert np.abs(normalize(layer(x)) - outputs).max() < 1e-4


def test_bias_without_a_normalization_is_added_and_trained():
    x = normal(2, 8, 8, 3)
    layer = randomized(layers.Conv2D(5, 3, padding=1), x.shape)
    before = layer(x)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x))
    assert_close(tape.gradient(total, layer.bias.value), np.full(5, 2 * 8 * 8))
    layer.bias.assign(layer.bias.numpy() + 1)
    assert_close(layer(x), before + 1)


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (2, 128, 128, 4)], ids=["moments", "fused"])
def test_instance_normalization_equals_numpy(shape):
    x = 3 + 2 * normal(*shape)
    assert_close(layers.InstanceNormalization()(x), normalize_numpy(x))


def test_large_maps_are_normalized_by_the_fused_kernel(monkeypatch):
    calls, fused = [], tf.compat.v1.nn.fused_batch_norm
    monkeypatch.setattr(
        tf.compat.v1.nn,
        "fused_batch_norm",
        lambda *args, **options: calls.append(1) or fused(*args, **options),
    )
    layers.InstanceNormalization()(normal(3, 128, 128, 4))
    assert len(calls) == 3
    layers.InstanceNormalization()(normal(3, 128, 128, 3))
    assert len(calls) == 3


def test_both_forms_of_instance_normalization_have_the_same_gradients(monkeypatch):
    x = 3 + 2 * normal(2, 9, 8, 3)
    moments = gradients(layers.InstanceNormalization(), x)
    monkeypatch.setattr(layers, "FUSED_NORM_SIZE", 1)
    for one, other in zip(gradients(layers.InstanceNormalization(), x), moments, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("fused_norm_size", [1, 2**60], ids=["fused", "moments"])
def test_instance_normalization_adds_bfloat16_up_in_float32(monkeypatch, fused_norm_size):
    monkeypatch.setattr(layers, "FUSED_NORM_SIZE", fused_norm_size)
    # Around 8.03, which bfloat16 rounds to 8: the mean must not be kept in it.
    x = tf.cast(8.03 + normal(2, 64, 64, 3), tf.bfloat16)
    found = layers.InstanceNormalization(dtype="bfloat16")(x)
    assert found.dtype == tf.bfloat16
    found, expected = tf.cast(found, tf.float32).numpy(), normalize_numpy(tf.cast(x, tf.float32))
    assert np.abs(found - expected).max() < 2**-8 * np.abs(expected).max()
    assert np.abs(found.mean((1, 2))).max() < 1e-3


@pytest.mark.parametrize("fused_norm_size", [1, 2**60], ids=["fused", "moments"])
def test_instance_normalization_keeps_images_apart(monkeypatch, fused_norm_size):
    monkeypatch.setattr(layers, "FUSED_NORM_SIZE", fused_norm_size)
    x, other = normal(2, 8, 8, 3), normal(2, 8, 8, 3)
    other[1] = 5
    normalize = layers.InstanceNormalization()
    assert np.array_equal(normalize(x)[0], normalize(other)[0])


def test_instance_normalization_of_a_batch_of_unknown_size():
    x = normal(2, 128, 128, 4)
    unknown = tf.function(
        layers.InstanceNormalization(), input_signature=[tf.TensorSpec((None, 128, 128, 4))]
    )
    assert_close(unknown(x), normalize_numpy(x))


def test_tiled_latent_is_constant_over_the_image_and_equal_to_z():
    image, z = normal(2, 5, 7, 3), normal(2, 8, seed=1)
    found = layers.TileLatent()([image, z]).numpy()
    assert found.shape == (2, 5, 7, 3 + 8)
    assert np.array_equal(found[..., :3], image)
    for row in range(5):
        for column in range(7):
            assert np.array_equal(found[:, row, column, 3:], z)
    assert layers.TileLatent().compute_output_shape([image.shape, z.shape]) == found.shape


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (8, 7), (1, 2)])
def test_halved_image_leaves_the_padding_out_of_the_mean(size):
    x = normal(2, *size, 3)
    assert_close(layers.HalveImage()(x), halve_numpy(x))


def test_halved_image_keeps_a_constant_image():
    image = np.full((1, 8, 8, 3), 0.7, "float32")
    assert_close(layers.HalveImage()(image), image[:, ::2, ::2])


@pytest.mark.parametrize("size", [1, 3])
def test_reflection_padding_mirrors_without_the_edge(size):
    x = normal(2, 5, 6, 3)
    expected = np.pad(x, [[0, 0], [size] * 2, [size] * 2, [0, 0]], mode="reflect")
    assert np.array_equal(layers.ReflectionPadding(size)(x), expected)


def mask(layer, seed, step):
    layer.reseed(tf.constant([seed, step]))
    return layer(np.ones((1, 1000), "float32"), training=True).numpy()


def test_dropout_mask_is_a_function_of_seed_and_step():
    used, fresh = layers.Dropout(0.5, seed=1), layers.Dropout(0.5, seed=2)
    for _ in range(3):
        used(np.ones((1, 1000), "float32"), training=True)
    first = mask(used, 5, 7)
    assert np.array_equal(first, mask(fresh, 5, 7))
    assert np.array_equal(first, mask(used, 5, 7))
    assert not np.array_equal(first, mask(used, 5, 8))
    assert not np.array_equal(first, mask(used, 6, 7))


def test_dropout_keeps_half_and_doubles_it():
    kept = mask(layers.Dropout(0.5), 0, 0)
    assert set(np.unique(kept)) == {0.0, 2.0}
    assert abs((kept > 0).mean() - 0.5) < 0.05  # 3 deviations


def test_dropout_does_nothing_outside_of_training():
    x = normal(1, 10)
    assert np.array_equal(layers.Dropout(0.5)(x, training=False), x)


def test_normalization_by_name():
    assert isinstance(layers.normalization("instance"), layers.InstanceNormalization)
    batch = layers.normalization("batch")
    assert isinstance(batch, keras.layers.BatchNormalization)
    assert (batch.momentum, batch.epsilon) == (0.9, 1e-5)
    x = normal(1, 2, 2, 3)
    assert np.array_equal(layers.normalization("none")(x), x)
    message = r'`norm` must be "instance", "batch", "layer" or "none". Received: \'group\''
    with pytest.raises(ValueError, match=message):
        layers.normalization("group")


@pytest.mark.parametrize("size", [(8, 8), (9, 6), (7, 10)])
@pytest.mark.parametrize(
    "layer",
    [
        *(layers.Conv2D(5, k, s, p) for k, s, p in [(1, 1, 0), (3, 1, 1), (4, 2, 1), (4, 1, 1)]),
        layers.Conv2D(5, 5, 2, 2),
        layers.Conv2D(5, 3, padding=1, average_pool=True),
        *(layers.Conv2DTranspose(5, kernel_size) for kernel_size in (3, 4, 5)),
        layers.HalveImage(),
        layers.ReflectionPadding(2),
        layers.InstanceNormalization(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_shape_that_a_layer_says_is_that_of_its_output(layer, size):
    shape = layer(normal(2, *size, 3)).shape
    assert layer.compute_output_shape((2, *size, 3)) == tuple(shape)
    # What is unknown stays unknown: the batch, or all sides too.
    assert layer.compute_output_shape((None, *size, 3)) == (None, *shape[1:])
    assert layer.compute_output_shape((None, None, None, 3)) == (None, None, None, shape[-1])


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 4, strides=2, padding=1, use_bias=False),
        layers.Conv2DTranspose(4, use_bias=False),
    ],
    ids=lambda layer: layer.name,
)
def test_a_wrapper_around_a_convolution_builds_and_calls_it(layer):
    # Spectral normalisation: the kernel as a matrix, divided by its largest singular value.
    wrapped = keras.layers.SpectralNormalization(layer, power_iterations=30)
    image = keras.Input((8, 8, 3))
    network = keras.Model(image, wrapped(image))
    x, kernel = normal(2, 8, 8, 3), layer.kernel.numpy()
    network(x, training=True)
    largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    assert_close(layer.kernel, kernel / largest, 1e-3)
    plain = type(layer).from_config(layer.get_config())
    plain.build((None, 8, 8, 3))
    plain.kernel.assign(kernel / largest)
    assert_close(network(x), plain(x), 1e-3)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(5, 3, padding=1, average_pool=True, kernel_initializer="ones"),
        layers.Conv2D(5, 4, strides=2, padding=1, normalized=True),
        layers.Conv2DTranspose(5, normalized=True, kernel_initializer="ones"),
        layers.InstanceNormalization(),
        layers.HalveImage(),
        layers.ReflectionPadding(2),
        layers.Dropout(0.3, seed=1),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layer_made_from_its_config_computes_the_same(layer):
    x = normal(2, 8, 8, 3)
    layer.build(x.shape)
    layer.set_weights([normal(*weights.shape) for weights in layer.get_weights()])
    expected = layer(x)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    copy.set_weights(layer.get_weights())
    assert np.array_equal(copy(x), expected)
    assert tuple(copy(keras.Input((8, 8, 3), batch_size=2)).shape) == expected.shape


def test_tile_latent_made_from_its_config():
    layer = layers.TileLatent(name="tile")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is layers.TileLatent
    assert copy.get_config() == layer.get_config()


def nested(network):
    """The network inside a model inside a layer inside a model."""
    inner = keras.Input(network.input.shape[1:])
    middle = keras.Model(inner, network(inner))
    outer = keras.Input((1, *inner.shape[1:]))
    return keras.Model(outer, keras.layers.TimeDistributed(middle)(outer))


@pytest.mark.parametrize("depth", ["plain", "nested"])
def test_statistics_are_kept_inside_and_move_outside(depth):
    image = keras.layers.Input((2, 2, 3))
    network = keras.Model(image, layers.normalization("batch")(image))
    (norm,) = (x for x in network.layers if isinstance(x, layers.BatchNormalization))
    x = np.random.default_rng(0).normal(3.0, 2.0, (4, 2, 2, 3)).astype("float32")
    called, given = (network, x) if depth == "plain" else (nested(network), x[:, None])
    with layers.keeping_statistics(called):
        aside = called(given, training=True).numpy()
    assert not norm.moving_mean.numpy().any()
    np.testing.assert_array_equal(called(given, training=True).numpy(), aside)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    assert norm.momentum == 0.9


def test_all_layers_are_those_of_nested_models_and_wrappers_once_each():
    image = keras.Input((2, 2, 3))
    network = keras.Model(image, layers.Dropout(0.5)(layers.normalization("batch")(image)))
    assert layers.all_layers(network) == network.layers
    found = layers.all_layers(nested(network))
    assert {id(x) for x in network.layers} <= {id(x) for x in found}
    assert len({id(x) for x in found}) == len(found)


def test_statistics_of_the_batch_at_test_are_those_of_training_and_move_nothing():
    image = keras.layers.Input((2, 2, 3))
    network = keras.Model(image, layers.normalization("batch", at_test="batch")(image))
    x = np.random.default_rng(0).normal(3.0, 2.0, (4, 2, 2, 3)).astype("float32")
    tested = network(x, training=False).numpy()
    assert not network.layers[1].moving_mean.numpy().any()
    np.testing.assert_allclose(network(x, training=True), tested, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (5, 5), (3, 6)])
@pytest.mark.parametrize(("kernel_size", "padding"), [(3, 1), (5, 2)])
def test_odd_transposed_convolution_is_pytorchs_with_output_padding_1(kernel_size, padding, size):
    random, (height, width) = np.random.default_rng(0), size
    x = random.normal(size=(2, *size, 3))
    kernel = random.normal(size=(kernel_size, kernel_size, 2, 3))
    # Each pixel lays its patch at twice its place. `padding` is cropped at the top and left, and
    # one less, the output padding, at the bottom and right.
    whole = np.zeros((2, 2 * height + kernel_size - 2, 2 * width + kernel_size - 2, 2))
    for row in range(height):
        for column in range(width):
            patch = np.einsum("xyfc,nc->nxyf", kernel, x[:, row, column])
            rows, columns = 2 * row, 2 * column
            whole[:, rows : rows + kernel_size, columns : columns + kernel_size] += patch
    expected = whole[:, padding : padding + 2 * height, padding : padding + 2 * width]
    layer = layers.Conv2DTranspose(2, kernel_size, use_bias=False)
    layer.build((None, *size, 3))
    layer.kernel.assign(kernel)
    found = layer(x.astype("float32"))
    assert found.shape == expected.shape == (2, 2 * height, 2 * width, 2)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("kernel_size", "padding"), [(3, 1), (5, 2)])
def test_odd_transposed_convolution_is_the_transpose_of_the_convolution(kernel_size, padding):
    # <convolve(x), y> = <x, transpose(y)>, so the gradients of the one are the other.
    x, y = normal(2, 8, 12, 4), normal(2, 4, 6, 3, seed=1)
    kernel = tf.constant(normal(kernel_size, kernel_size, 4, 3, seed=2))
    one = np.sum(convolution.convolve(x, kernel, 2, padding).numpy() * y)
    other = np.sum(x * convolution.convolve_transpose(tf.constant(y), kernel).numpy())
    assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize("kernel_size", [2, 6])
def test_transposed_convolution_has_kernel_3_4_or_5(kernel_size):
    message = f"`kernel_size` must be 3, 4 or 5. Received: {kernel_size}"
    with pytest.raises(ValueError, match=message):
        layers.Conv2DTranspose(2, kernel_size)


def test_layer_normalization_is_over_all_of_a_sample_with_scale_and_offset_per_channel():
    x = 3 + 2 * normal(3, 5, 4, 6)
    layer = layers.normalization("layer")
    layer.build(x.shape)
    scale, offset = normal(6, seed=1), normal(6, seed=2)
    assert [w.shape for w in layer.get_weights()] == [(6,), (6,)]
    assert all(not w.std() for w in layer.get_weights())  # Begins as 1 and 0.
    layer.set_weights([scale, offset])
    mean, variance = x.mean((1, 2, 3), keepdims=True), x.var((1, 2, 3), keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * scale + offset
    assert_close(layer(x), expected)
    other = x.copy()
    other[1:] = 7 * normal(2, 5, 4, 6, seed=3)
    assert np.array_equal(layer(x, training=True)[0], layer(other, training=True)[0])
    assert np.array_equal(layer(x, training=True), layer(x, training=False))


@pytest.mark.parametrize(
    "layer", [layers.Conv2D(3, 4, use_bias=False), layers.Conv2DTranspose(3, use_bias=False)]
)
def test_without_a_bias_there_is_only_the_kernel(layer):
    layer.build((None, 8, 8, 2))
    assert [weight.name for weight in layer.weights] == ["kernel"]
    assert layer.get_config()["use_bias"] is False
