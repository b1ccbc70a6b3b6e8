import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from checkpoints import checkpoint
from scipy.signal import correlate

from gans.features.inception import load, preprocess
from gans.features.inception_network import NORMALIZATION, connect, fold, kernel_shapes
from gans.features.inception_weights import read_weights

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

IMAGES = np.random.default_rng(1).integers(0, 256, (3, 40, 48, 3), np.uint8)


# Kernels (rows, columns, inputs, outputs) of the blocks, from the paper's figures 5, 6 and 7 and
# the layer table of pytorch-fid.


def block_a(c, pool):
    return [(1, 1, c, 64), (1, 1, c, 48), (5, 5, 48, 64), (1, 1, c, 64), (3, 3, 64, 96)] + [
        *((3, 3, 96, 96), (1, 1, c, pool))
    ]


def block_c(k):
    down = [(1, 1, 768, k), (1, 7, k, k), (7, 1, k, 192)]
    twice = [(1, 1, 768, k), (7, 1, k, k), (1, 7, k, k), (7, 1, k, k), (1, 7, k, 192)]
    return [(1, 1, 768, 192), *down, *twice, (1, 1, 768, 192)]


def block_e(c):
    threes = [(1, 1, c, 384), (1, 3, 384, 384), (3, 1, 384, 384)]
    twice = [(1, 1, c, 448), (3, 3, 448, 384), (1, 3, 384, 384), (3, 1, 384, 384)]
    return [(1, 1, c, 320), *threes, *twice, (1, 1, c, 192)]


STEM = [(3, 3, 3, 32), (3, 3, 32, 32), (3, 3, 32, 64), (1, 1, 64, 80), (3, 3, 80, 192)]
BLOCK_B = [(3, 3, 288, 384), (1, 1, 288, 64), (3, 3, 64, 96), (3, 3, 96, 96)]
BLOCK_D = [(1, 1, 768, 192), (3, 3, 192, 320)] + [
    *((1, 1, 768, 192), (1, 7, 192, 192), (7, 1, 192, 192), (3, 3, 192, 192))
]
TABLE = {
    "Conv2d": STEM,
    "Mixed_5b": block_a(192, 32),
    "Mixed_5c": block_a(256, 64),
    "Mixed_5d": block_a(288, 64),
    "Mixed_6a": BLOCK_B,
    "Mixed_6b": block_c(128),
    "Mixed_6c": block_c(160),
    "Mixed_6d": block_c(160),
    "Mixed_6e": block_c(192),
    "Mixed_7a": BLOCK_D,
    "Mixed_7b": block_e(1280),
    "Mixed_7c": block_e(2048),
}


@pytest.fixture(scope="module")
def tensors():
    """Random weights as the PyTorch file has them: its names, its layout."""
    random = np.random.default_rng(0)
    tensors = {}
    for unit, (rows, columns, inputs, outputs) in kernel_shapes().items():
        kernel = random.standard_normal((outputs, inputs, rows, columns), np.float32)
        tensors[f"{unit}.conv.weight"] = kernel * np.float32((2 / (rows * columns * inputs)) ** 0.5)
        tensors[f"{unit}.bn.weight"] = random.uniform(0.7, 1.3, outputs).astype(np.float32)
        tensors[f"{unit}.bn.bias"] = random.normal(0, 0.1, outputs).astype(np.float32)
        tensors[f"{unit}.bn.running_mean"] = random.normal(0, 0.1, outputs).astype(np.float32)
        tensors[f"{unit}.bn.running_var"] = random.uniform(0.5, 1.5, outputs).astype(np.float32)
        tensors[f"{unit}.bn.num_batches_tracked"] = np.array(0, np.int64)
    tensors["fc.weight"] = 0.05 * random.standard_normal((1008, 2048), np.float32)
    tensors["fc.bias"] = random.standard_normal(1008, np.float32)
    return tensors


@pytest.fixture(scope="module")
def file(tensors, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    path.write_bytes(checkpoint(tensors))
    return path


@pytest.fixture(scope="module")
def weights(file):
    return read_weights(file)[0]


@pytest.fixture(scope="module")
def extractor(file):
    """Made in a run of bfloat16, which is measured as any other."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return load(file, batch_size=2)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def values(weights):
    """Of one picture what goes into and comes out of each unit, float32 (rows, columns, c)."""
    found = {}

    def unit(x, name, filters, kernel, strides=1, padding="same"):
        weight = weights[f"{name}.conv.weight"]
        assert weight.shape == (*kernel, x.shape[-1], filters)
        found[f"{name} in"] = x.numpy()[0]
        gamma, beta, mean, variance = (weights[f"{name}.bn.{part}"] for part in NORMALIZATION)
        x = tf.nn.conv2d(x, weight, strides, padding.upper())
        x = tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, gamma, 0.001))
        found[name] = x.numpy()[0]
        return x

    features = connect(preprocess(IMAGES[:1]), unit)
    return found | {"features": features.numpy()[0]}


# The network.


def test_layers_are_those_of_the_table():
    shapes = kernel_shapes()
    for block, kernels in TABLE.items():
        found = [shape for name, shape in shapes.items() if name.startswith(block)]
        assert sorted(found) == sorted(kernels), block
    assert len(shapes) == sum(map(len, TABLE.values())) == 94


def test_parameters_are_those_of_the_file(tensors):
    kernels = [shape for shapes in TABLE.values() for shape in shapes]
    counted = sum(a * b * c * d for a, b, c, d in kernels) + sum(4 * k[3] for k in kernels)
    assert counted + 2048 * 1008 == 23_884_384
    # The published file has 566 tensors, with a counter for each normalisation and a bias.
    assert len(tensors) == 566
    assert sum(array.size for array in tensors.values()) == 23_884_384 + 94 + 1008


def normalized(tensors, name, x):
    """The rest of a unit, as pytorch-fid has it: BatchNorm2d(eps=0.001) and ReLU."""
    gamma, beta, mean, variance = (
        tensors[f"{name}.bn.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return np.maximum(gamma * (x - mean) / np.sqrt(variance + 0.001) + beta, 0)


def convolved(tensors, name, x, stride=1, padding=(0, 0)):
    """Of all outputs the first three, by SciPy, out of the weights in PyTorch's layout."""
    kernels = tensors[f"{name}.conv.weight"][:3].astype(np.float64)
    x = np.pad(x, [(padding[0],) * 2, (padding[1],) * 2, (0, 0)])
    outputs = [correlate(x, kernel.transpose(1, 2, 0), "valid", "direct") for kernel in kernels]
    return np.concatenate(outputs, axis=-1)[::stride, ::stride]


def narrow(tensors, name):
    """The tensors of a unit for its first three outputs only."""
    return {
        key: value[:3]
        for key, value in tensors.items()
        if key.startswith(f"{name}.bn.") and value.ndim
    }


@pytest.mark.parametrize(
    ("name", "stride", "padding"),
    [
        ("Conv2d_1a_3x3", 2, (0, 0)),
        ("Conv2d_2a_3x3", 1, (0, 0)),
        ("Conv2d_2b_3x3", 1, (1, 1)),
        ("Conv2d_3b_1x1", 1, (0, 0)),
        ("Conv2d_4a_3x3", 1, (0, 0)),
        ("Mixed_5b.branch5x5_2", 1, (2, 2)),
        ("Mixed_6a.branch3x3", 2, (0, 0)),
        ("Mixed_6b.branch7x7_2", 1, (0, 3)),
        ("Mixed_6b.branch7x7_3", 1, (3, 0)),
        ("Mixed_6e.branch7x7dbl_2", 1, (3, 0)),
        ("Mixed_6e.branch7x7dbl_5", 1, (0, 3)),
        ("Mixed_7a.branch7x7x3_4", 2, (0, 0)),
        ("Mixed_7b.branch3x3dbl_3b", 1, (1, 0)),
        ("Mixed_7c.branch3x3_2a", 1, (0, 1)),
    ],
)
def test_units_equal_a_recomputation(tensors, values, name, stride, padding):
    x = values[f"{name} in"].astype(np.float64)
    if x.shape[0] > 100:  # The corner behind the padding is as good as the whole.
        x = x[:41, :41] if padding == (0, 0) else x
    found = normalized(narrow(tensors, name), name, convolved(tensors, name, x, stride, padding))
    rows, columns = found.shape[:2]
    assert found.any()
    np.testing.assert_allclose(found, values[name][:rows, :columns, :3], rtol=1e-4, atol=1e-4)


def windows(x, fill):
    """(rows, columns, c, 3, 3): what a 3x3 window with a border sees of each place."""
    x = np.pad(x, [(1, 1), (1, 1), (0, 0)], constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))


@pytest.mark.parametrize(
    ("block", "pool"),
    [("Mixed_5b", "mean"), ("Mixed_6e", "mean"), ("Mixed_7b", "mean"), ("Mixed_7c", "max")],
)
def test_pooling_branches(values, tensors, block, pool):
    x = values[f"{block}.branch1x1 in"].astype(np.float64)
    if pool == "mean":
        expected = np.nanmean(windows(x, np.nan), axis=(3, 4))  # The border is not counted.
    else:
        expected = windows(x, -np.inf).max(axis=(3, 4))
    name = f"{block}.branch_pool"
    np.testing.assert_allclose(values[f"{name} in"], expected, rtol=1e-4, atol=1e-5)
    # Of 4 places in a corner.
    assert values[f"{name} in"][0, 0] == pytest.approx(getattr(x[:2, :2], pool)((0, 1)), rel=1e-4)


def test_poolings_between_blocks(values):
    for before, after in (
        ("Conv2d_2b_3x3", "Conv2d_3b_1x1 in"),
        ("Conv2d_4a_3x3", "Mixed_5b.branch1x1 in"),
    ):
        seen = np.lib.stride_tricks.sliding_window_view(values[before], (3, 3), (0, 1))[::2, ::2]
        np.testing.assert_array_equal(values[after], seen.max(axis=(3, 4)))
    x = values["Mixed_6a.branch3x3 in"]
    seen = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))[::2, ::2].max(axis=(3, 4))
    np.testing.assert_array_equal(values["Mixed_6b.branch1x1 in"][..., 480:], seen)


def test_branches_stand_side_by_side_as_in_pytorch(values):
    orders = {
        "Mixed_5c": "branch1x1 branch5x5_2 branch3x3dbl_3 branch_pool",
        "Mixed_6c": "branch1x1 branch7x7_3 branch7x7dbl_5 branch_pool",
        "Mixed_7b": "branch1x1 branch3x3_2a branch3x3_2b branch3x3dbl_3a branch3x3dbl_3b "
        "branch_pool",
    }
    after = {"Mixed_5c": "Mixed_5d", "Mixed_6c": "Mixed_6d", "Mixed_7b": "Mixed_7c"}
    for block, order in orders.items():
        parts = [values[f"{block}.{branch}"] for branch in order.split()]
        np.testing.assert_array_equal(
            np.concatenate(parts, axis=-1), values[f"{after[block]}.branch1x1 in"]
        )
    for block, parts in (("6a", "branch3x3 branch3x3dbl_3"), ("7a", "branch3x3_2 branch7x7x3_4")):
        following = {"6a": "Mixed_6b", "7a": "Mixed_7b"}[block]
        parts = [values[f"Mixed_{block}.{branch}"] for branch in parts.split()]
        both = np.concatenate(parts, axis=-1)
        np.testing.assert_array_equal(
            both, values[f"{following}.branch1x1 in"][..., : both.shape[-1]]
        )


def test_head_is_a_mean(values):
    branches = ["1x1", "3x3_2a", "3x3_2b", "3x3dbl_3a", "3x3dbl_3b", "_pool"]
    last = np.concatenate([values[f"Mixed_7c.branch{branch}"] for branch in branches], axis=-1)
    assert last.shape == (8, 8, 2048)
    np.testing.assert_allclose(values["features"], last.mean(axis=(0, 1)), rtol=1e-4)


# The extractor.


def test_features_are_those_of_the_network_and_logits_have_no_bias(extractor, values, tensors):
    features, logits = extractor.extract(IMAGES)
    assert (features.shape, features.dtype) == ((3, 2048), np.float32)
    assert (logits.shape, logits.dtype) == ((3, 1008), np.float32)
    np.testing.assert_allclose(features[0], values["features"], atol=1e-4)
    np.testing.assert_allclose(logits, features @ tensors["fc.weight"].T, rtol=1e-3, atol=1e-4)
    assert np.abs(features - features[0])[1:].max() > 0.01


def test_pictures_do_not_depend_on_their_company(extractor):
    features, logits = extractor.extract(IMAGES)
    alone = extractor.extract(IMAGES[2:])
    np.testing.assert_array_equal(alone[0], features[2:])
    np.testing.assert_array_equal(alone[1], logits[2:])
    assert [part.shape for part in extractor.extract(IMAGES[:0])] == [(0, 2048), (0, 1008)]


def test_grey_pictures_are_red_green_and_blue_alike(extractor):
    grey = IMAGES[:1, ..., :1]
    found, expected = extractor.extract(grey), extractor.extract(np.repeat(grey, 3, axis=-1))
    np.testing.assert_array_equal(found[0], expected[0])


def test_facts(extractor, file):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert extractor.name == "inception" and extractor.sha256 == digest
    assert extractor.facts() == {
        "extractor": "inception",
        "extractor_sha256": digest,
        "extractor_file": "PyTorch checkpoint",
        "classes": 1008,
        "resize": "tf1",
        "dtype": "float32",
    }


@pytest.mark.parametrize(
    "images",
    [IMAGES[0], IMAGES.astype(np.float32), IMAGES[..., :2], IMAGES.tolist()],
)
def test_images_of_another_kind_are_refused(extractor, images):
    with pytest.raises(ValueError, match=r"expected uint8 images \(n, height, width, 1 or 3\)"):
        extractor.extract(images)


def test_resize_is_one_of_three(file):
    with pytest.raises(ValueError, match="resize tf1, pytorch, clean. Received: 'bilinear'"):
        load(file, "bilinear")


def test_folding():
    """gamma (k x - mean) / sqrt(variance + 0.001) + beta, of numbers whose root is known."""
    weights = {}
    for unit, shape in kernel_shapes().items():
        weights[f"{unit}.conv.weight"] = np.full(shape, 3, np.float32)
        for name, value in zip(
            ("weight", "bias", "running_mean", "running_var"), (2, 5, 7, 0.25 - 0.001), strict=True
        ):
            weights[f"{unit}.bn.{name}"] = np.full(shape[3], value, np.float64)
    for kernel, bias in fold(weights).values():
        np.testing.assert_allclose(kernel, 2 * 3 / 0.5)
        np.testing.assert_allclose(bias, 5 - 2 * 7 / 0.5)


# The resize.

TINY = {
    "square": np.array([[0, 255], [100, 7]], np.uint8),
    "wide": np.random.default_rng(2).integers(0, 256, (3, 5), np.uint8),
    "large": np.random.default_rng(3).integers(0, 256, (431, 300), np.uint8),
}


def bilinear(image, places):
    """Of a matrix at the places (rows, columns), which may lie outside."""
    for axis, place in enumerate(places):
        last = image.shape[axis] - 1
        place = np.clip(place, 0, last)
        low = np.floor(place).astype(int)
        share = np.expand_dims(place - low, 1 - axis)
        image = (
            image.take(low, axis) * (1 - share)
            + image.take(np.minimum(low + 1, last), axis) * share
        )
    return image


def bicubic(image):
    """Pillow's: Keys' kernel with a = -0.5, as wide as what one pixel becomes."""

    def kernel(x):
        x = np.abs(x)
        near = (1.5 * x - 2.5) * x * x + 1
        return np.where(x < 1, near, np.where(x < 2, ((-0.5 * x + 2.5) * x - 4) * x + 2, 0))

    for axis, size in enumerate(image.shape):
        scale = size / 299
        wide = max(scale, 1)
        centre = (np.arange(299) + 0.5) * scale
        weights = kernel((np.arange(size) + 0.5 - centre[:, None]) / wide)
        image = np.moveaxis(
            np.tensordot(weights / weights.sum(1, keepdims=True), image, (1, axis)), 0, axis
        )
    return image


@pytest.mark.parametrize("name", TINY)
def test_resizes_equal_their_closed_forms(name):
    image = TINY[name]
    steps = [np.arange(299) * size / 299 for size in image.shape]
    centres = [(np.arange(299) + 0.5) * size / 299 - 0.5 for size in image.shape]
    expected = {
        "tf1": (bilinear(image, steps) - 128) / 128,
        "pytorch": 2 * (bilinear(image, centres) / 255) - 1,
        "clean": (bicubic(image).clip(0, 255) - 128) / 128,
    }
    for resize, values in expected.items():
        found = preprocess(image[None, ..., None], resize).numpy()
        assert (found.shape, found.dtype) == ((1, 299, 299, 3), np.float32)
        for channel in range(3):
            np.testing.assert_allclose(found[0, ..., channel], values, rtol=0, atol=1e-4)


def test_tf1_is_the_graph_of_tensorflow_1_to_the_bit():
    for image in (IMAGES, IMAGES[:, :17, :9], np.repeat(IMAGES, 20, axis=1)):
        images = image.astype(np.float32)
        resized = tf.compat.v1.image.resize_bilinear(images, (299, 299), align_corners=False)
        # Sub and Mul, as the nodes of the graph are called.
        np.testing.assert_array_equal(preprocess(image), (resized - 128) * 0.0078125)


def test_pictures_of_299_are_taken_as_they_are():
    image = np.random.default_rng(4).integers(0, 256, (1, 299, 299, 3), np.uint8)
    image[0, 0, 0], image[0, 0, 1] = 0, 255
    for resize in ("tf1", "clean"):
        np.testing.assert_array_equal(preprocess(image, resize), (image - np.float32(128)) / 128)
    found = preprocess(image, "pytorch").numpy()
    np.testing.assert_allclose(found, image / 127.5 - 1, atol=1e-6)
    assert (found[0, 0, 0, 0], found[0, 0, 1, 0]) == (-1, 1)


def test_clean_does_not_leave_the_range_of_pictures():
    """The weights of bicubic are negative too."""
    edges = np.zeros((1, 8, 8, 1), np.uint8)
    edges[:, :, 4:] = 255
    assert bicubic(edges[0, ..., 0]).max() > 260
    found = preprocess(edges, "clean").numpy()
    assert (found.min(), found.max()) == (-1, 127 / 128)


def test_the_three_differ_where_it_matters():
    """An antialiased picture of fine stripes is grey; the others keep some of them."""
    stripes = np.zeros((1, 1196, 1196, 1), np.uint8)
    stripes[:, ::2] = 255
    spread = {resize: np.ptp(preprocess(stripes, resize)) for resize in ("tf1", "pytorch", "clean")}
    assert spread["tf1"] == 0 and spread["pytorch"] < 0.01 and spread["clean"] < 0.3
    assert preprocess(stripes, "tf1").numpy()[0, 0, 0, 0] == pytest.approx(127 / 128)
    assert preprocess(stripes, "pytorch").numpy()[0, 5, 5, 0] == pytest.approx(0, abs=1e-6)
