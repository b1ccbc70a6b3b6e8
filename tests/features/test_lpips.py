"""LPIPS: against a computation in NumPy, and files that are not what they should be.

The networks' layers are computed anew here, by torchvision's definitions. The distances were also
compared with those of the package lpips 0.1.4, random backbones and published heads, at six sizes:
the greatest difference was 3e-8.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from checkpoints import checkpoint

from gans.features import lpips, lpips_networks
from gans.features.lpips import FeatureDistance, digest, load, read_heads
from gans.features.lpips_networks import build, fill, read_keras_squeezenet, shapes
from gans.features.torch_weights import WeightsError
from gans.metrics.diversity import consecutive_distances

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NETS = ("alex", "vgg", "squeeze")
PARAMETERS = {"alex": 2_469_696, "vgg": 14_714_688, "squeeze": 722_496}


def random_state(net, seed=0):
    """Arrays of torchvision's names and shapes, of about unit gain."""
    random = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes(build(net)).items():
        deviation = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        found[name] = (deviation * random.standard_normal(shape)).astype(np.float32)
    return found


def random_heads(net, seed=1):
    random = np.random.default_rng(seed)
    return {
        f"lin{i}.model.1.weight": random.random((1, channels, 1, 1), np.float32)
        for i, channels in enumerate(lpips_networks.CHANNELS[net])
    }


def pairs(height, width, count=2, channels=3, seed=0):
    random = np.random.default_rng(seed)
    shape = (2, count, height, width, channels)
    return random.uniform(-1, 1, shape).astype(np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder of backbones and heads of each net."""
    folder = tmp_path_factory.mktemp("weights")
    for net in NETS:
        np.savez(folder / f"{net}.npz", **random_state(net))
        np.savez(folder / f"heads_{net}.npz", **random_heads(net))
    return folder


@pytest.fixture(scope="module")
def alex(files):
    return load(files / "alex.npz", "alex", files / "heads_alex.npz")


# torchvision's layers, for one image (channels, height, width), in float64.


def convolved(x, state, name, stride=1, padding=0):
    kernel, bias = (state[f"{name}.{kind}"].astype(np.float64) for kind in ("weight", "bias"))
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(1, 2))
    found = np.einsum("ihwrc,oirc->ohw", windows[:, ::stride, ::stride], kernel, optimize=True)
    return np.maximum(found + bias[:, None, None], 0)


def pooled(x, window, ceil=False):
    """Windows of stride 2, written out; with `ceil` the last may reach over the border, but must
    begin inside.
    """
    counts = []
    for side in x.shape[1:]:
        over = (side - window) / 2
        counts.append(int(np.ceil(over) if ceil else np.floor(over)) + 1)
    found = np.zeros((len(x), *counts))
    for i in range(counts[0]):
        for j in range(counts[1]):
            found[:, i, j] = x[:, 2 * i : 2 * i + window, 2 * j : 2 * j + window].max(axis=(1, 2))
    return found


def fired(x, state, name):
    x = convolved(x, state, f"{name}.squeeze")
    expanded = (convolved(x, state, f"{name}.expand{n}x{n}", padding=n // 2) for n in (1, 3))
    return np.concatenate(list(expanded))


def taps_of_alex(x, state):
    first = convolved(x, state, "features.0", stride=4, padding=2)
    second = convolved(pooled(first, 3), state, "features.3", padding=2)
    third = convolved(pooled(second, 3), state, "features.6", padding=1)
    fourth = convolved(third, state, "features.8", padding=1)
    return [first, second, third, fourth, convolved(fourth, state, "features.10", padding=1)]


def taps_of_vgg(x, state):
    taps = []
    for stage in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
        if taps:
            x = pooled(x, 2)
        for index in stage:
            x = convolved(x, state, f"features.{index}", padding=1)
        taps.append(x)
    return taps


def taps_of_squeeze(x, state):
    taps = [convolved(x, state, "features.0", stride=2)]
    for fires, tapped in (((3, 4), (4,)), ((6, 7), (7,)), ((9, 10, 11, 12), (9, 10, 11, 12))):
        x = pooled(taps[-1], 3, ceil=True)
        for index in fires:
            x = fired(x, state, f"features.{index}")
            if index in tapped:
                taps.append(x)
    return taps


TAPS = {"alex": taps_of_alex, "vgg": taps_of_vgg, "squeeze": taps_of_squeeze}


def expected_distance(net, state, heads, a, b):
    """Equation 1, with `ScalingLayer` and `normalize_tensor`; images (height, width, 3)."""
    total = 0.0
    sides = []
    for image in (a, b):
        scaled = image.astype(np.float64) - [-0.030, -0.088, -0.188]
        scaled = np.moveaxis(scaled / [0.458, 0.448, 0.450], -1, 0)
        taps = TAPS[net](scaled, state)
        sides.append([tap / (np.sqrt(np.sum(tap**2, axis=0)) + 1e-10) for tap in taps])
    for x, y, head in zip(*sides, heads.values(), strict=True):
        total += np.mean(np.sum(head[0] * (x - y) ** 2, axis=0))
    return total


@pytest.mark.parametrize(
    ("net", "size"),
    [("alex", (39, 47)), ("alex", (36, 34))]
    + [(net, size) for net in ("vgg", "squeeze") for size in ((23, 27), (20, 18))],
)
def test_equation_1_in_numpy(files, net, size):
    """Sides that leave a rest in each pooling, and such as do not."""
    found = load(files / f"{net}.npz", net, files / f"heads_{net}.npz")
    a, b = pairs(*size)
    expected = [
        expected_distance(net, random_state(net), random_heads(net), *pair)
        for pair in zip(a, b, strict=True)
    ]
    distances = found.distance(a, b)
    assert distances.dtype == np.float32 and distances.shape == (2,)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


@pytest.mark.parametrize("net", NETS)
def test_each_layer_that_is_looked_at(net):
    state, model = random_state(net), build(net)
    fill(model, state, "weights")
    assert model.count_params() == PARAMETERS[net]
    image = pairs(41, 35, 1)[0]
    expected = TAPS[net](np.moveaxis(image[0], -1, 0), state)
    found = model(image)
    assert [tap.shape[-1] for tap in found] == list(lpips_networks.CHANNELS[net])
    for tap, array in zip(found, expected, strict=True):
        np.testing.assert_allclose(np.moveaxis(tap[0], -1, 0), array, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("size", "sides"), [(224, (111, 55, 27, 13)), (65, (32, 16, 8, 4))])
def test_windows_over_the_border_of_squeezenet(size, sides):
    """As torchvision's `ceil_mode` has it; of "valid" poolings 32 would leave 15, and 8 only 3."""
    taps = build("squeeze")(np.zeros((1, size, size, 3), np.float32))
    assert [tap.shape[1] for tap in taps] == [*sides, *sides[-1:] * 3]


def test_equal_images_are_at_no_distance_and_either_way_is_as_far(alex):
    a, b = pairs(40, 40, 3)
    np.testing.assert_array_equal(alex.distance(a, a), np.zeros(3))
    np.testing.assert_array_equal(alex.distance(a, b), alex.distance(b, a))
    assert (alex.distance(a, b) > 0.01).all()


def test_a_pair_does_not_depend_on_its_company(alex, monkeypatch):
    a, b = pairs(33, 31, 7)
    together = alex.distance(a, b)
    monkeypatch.setattr(lpips, "PIXELS", 5 * 33 * 31)
    np.testing.assert_allclose(alex.distance(a, b), together, rtol=1e-5)
    np.testing.assert_allclose(alex.distance(a[4:5], b[4:5]), together[4:5], rtol=1e-5)
    assert alex.distance(a[:0], b[:0]).shape == (0,)


def test_in_a_row_as_in_pairs(alex, monkeypatch):
    """In one part, in several, and in parts of less than two images."""
    images = pairs(32, 35, 7)[0]
    expected = alex.distance(images[:-1], images[1:])
    for count in (100, 3, 2, 1):
        monkeypatch.setattr(lpips, "PIXELS", count * 32 * 35)
        np.testing.assert_allclose(alex.consecutive(images), expected, rtol=1e-5)
    samples = images[:6].reshape(2, 3, 32, 35, 3)
    found = consecutive_distances(samples, alex)
    np.testing.assert_allclose(found, [expected[0:2], expected[3:5]], rtol=1e-5)
    for few in (images[:1], images[:0]):
        assert alex.consecutive(few).shape == (0,)
    with pytest.raises(ValueError, match="31x31 or more for LPIPS of alex. Received: 30x35"):
        alex.consecutive(images[:, :30])


def test_bits_floats_and_grey(alex):
    a, b = np.random.default_rng(0).integers(0, 256, (2, 2, 32, 32, 3), np.uint8)
    floats = [images / np.float32(127.5) - 1 for images in (a, b)]
    np.testing.assert_allclose(alex.distance(a, b), alex.distance(*floats), rtol=1e-5)
    grey = a[..., :1]
    three = np.repeat(grey, 3, axis=-1)
    np.testing.assert_array_equal(
        alex.distance(grey, b[..., :1]), alex.distance(three, np.repeat(b[..., :1], 3, axis=-1))
    )


def test_it_is_float32_in_a_run_of_bfloat16():
    net = "squeeze"  # It has every kind of layer.
    images = pairs(32, 32)[0]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        models = [build(net)]
    finally:
        keras.config.set_dtype_policy("float32")
    models.append(build(net))
    for model in models:
        fill(model, random_state(net), "weights")
    for found, expected in zip(*(model(images) for model in models), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("net", NETS)
def test_the_smallest_image(files, net):
    """As torchvision's networks have it."""
    found = load(files / f"{net}.npz", net, files / f"heads_{net}.npz")
    side = {"alex": 31, "vgg": 16, "squeeze": 17}[net]
    assert np.isfinite(found.distance(*pairs(side, side))).all()
    message = rf"images of {side}x{side} or more for LPIPS of {net}. Received: 64x{side - 1}"
    with pytest.raises(ValueError, match=message):
        found.distance(*pairs(64, side - 1))


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((1, 32, 32, 3)), np.zeros((2, 32, 32, 3)), "images of one shape"),
        (np.zeros((32, 32, 3)), np.zeros((32, 32, 3)), r"1 or 3\). Received: \(32, 32, 3\)"),
        (np.zeros((1, 32, 32, 4)), np.zeros((1, 32, 32, 4)), r"Received: \(1, 32, 32, 4\)"),
        (np.zeros((1, 32, 32, 3), int), np.zeros((1, 32, 32, 3), int), "Received: int64"),
        (np.full((1, 32, 32, 3), 255.0), np.zeros((1, 32, 32, 3)), "from 255 to 255"),
        (np.zeros((1, 32, 32, 3)), np.full((1, 32, 32, 3), np.nan), "from nan to nan"),
    ],
)
def test_what_are_no_images(alex, a, b, message):
    with pytest.raises(ValueError, match=message) as error:
        alex.distance(a, b)
    assert "\n" not in str(error.value)


# Names and files.


def test_facts_name_the_files(files, alex):
    facts = alex.facts()
    assert facts == {
        "distance": f"lpips_alex_{facts['backbone_sha256'][:8]}",
        "net": "alex",
        "version": "0.1",
        "published": False,
        "backbone": "alex.npz",
        "backbone_sha256": lpips.sha256(files / "alex.npz"),
        "heads": "heads_alex.npz",
        "heads_sha256": lpips.sha256(files / "heads_alex.npz"),
        "dtype": "float32",
    }
    assert alex.name == facts["distance"]


def test_only_the_published_files_have_the_bare_name(files, monkeypatch):
    found = read_heads(files / "heads_vgg.npz", "vgg")
    start = lpips.sha256(files / "vgg.npz")[:8]

    def name():
        loaded = load(files / "vgg.npz", "vgg", files / "heads_vgg.npz")
        assert loaded.facts()["published"] == (loaded.name == "lpips_vgg")
        return loaded.name

    monkeypatch.setitem(lpips.BACKBONES, "vgg", (start, "vgg.npz"))
    assert name() == f"lpips_vgg_{start}"
    monkeypatch.setitem(lpips.HEADS, "vgg", digest(found))
    assert name() == "lpips_vgg"
    monkeypatch.setitem(lpips.BACKBONES, "vgg", ("00000000", "vgg.npz"))
    assert name() == f"lpips_vgg_{start}"


def test_files_of_torch_save_are_the_same(files, tmp_path):
    top = {"classifier.1.bias": np.ones(5, np.float32)}
    backbone, heads = tmp_path / "squeezenet.pth", tmp_path / "squeeze.pth"
    backbone.write_bytes(checkpoint(random_state("squeeze") | top))
    heads.write_bytes(checkpoint(random_heads("squeeze")))
    from_torch = load(backbone, "squeeze", heads)
    from_arrays = load(files / "squeeze.npz", "squeeze", files / "heads_squeeze.npz")
    a, b = pairs(30, 30)
    np.testing.assert_array_equal(from_torch.distance(a, b), from_arrays.distance(a, b))


def test_missing_files_say_what_to_fetch(files, tmp_path):
    for net, backbone in (
        ("alex", r"alexnet-owt-7be5be79\.pth"),
        ("vgg", r"vgg16-397923af\.pth"),
        ("squeeze", r"squeezenet1_1-b8a52dc0\.pth"),
    ):
        heads = rf"lpips/weights/v0\.1/{net}\.pth of github\.com/richzhang/PerceptualSimilarity"
        with pytest.raises(
            WeightsError, match=rf"expected {backbone} of torchvision .* none, which"
        ):
            load(None, net, files / f"heads_{net}.npz")
        with pytest.raises(WeightsError, match=rf"{heads}. Received: none, which is no"):
            load(files / f"{net}.npz", net)
        with pytest.raises(
            WeightsError, match=rf"expected {backbone} .*/gone.pth, which is no file"
        ):
            load(tmp_path / "gone.pth", net, files / f"heads_{net}.npz")
        with pytest.raises(WeightsError, match=rf"expected {backbone} .*, which is no file"):
            load(tmp_path, net, files / f"heads_{net}.npz")
    with pytest.raises(ValueError, match="net alex, vgg or squeeze. Received: 'resnet'"):
        load(files / "alex.npz", "resnet", files / "heads_alex.npz")


def changed(arrays, **changes):
    return {name: changes.get(name.replace(".", "_"), array) for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"features_3_bias": np.zeros(3, np.float32)},
            r"features.3.bias of floats \(192,\) in .*bad.npz. Received: float32 \(3,\)",
        ),
        (
            {"features_0_weight": np.zeros((64, 3, 11, 11), int)},
            r"features.0.weight of floats .* Received: int64",
        ),
        (
            {"features_8_bias": np.full(256, np.inf, np.float32)},
            "finite numbers in features.8.bias",
        ),
    ],
)
def test_weights_of_another_network(files, tmp_path, change, message):
    np.savez(tmp_path / "bad.npz", **changed(random_state("alex"), **change))
    with pytest.raises(WeightsError, match=message) as error:
        load(tmp_path / "bad.npz", "alex", files / "heads_alex.npz")
    assert "\n" not in str(error.value)


def test_heads_of_another_network(files, tmp_path):
    with pytest.raises(WeightsError, match=r"lin1.model.1.weight of floats \(1, 192, 1, 1\) in "):
        load(files / "alex.npz", "alex", files / "heads_vgg.npz")
    short = list(random_heads("squeeze").items())[:5]
    np.savez(tmp_path / "short.npz", **dict(short))
    with pytest.raises(WeightsError, match=r"lin5.model.1.weight .* Received: none of that name"):
        read_heads(tmp_path / "short.npz", "squeeze")
    negative = random_heads("alex")
    negative["lin2.model.1.weight"][0, 5] = -0.25
    np.savez(tmp_path / "negative.npz", **negative)
    with pytest.raises(WeightsError, match=r"0 or more in .* Received: -0.25 in lin2.model"):
        read_heads(tmp_path / "negative.npz", "alex")


@pytest.mark.parametrize("name", ["bad.npz", "bad.pth", "bad.h5"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no zip", b"\x80\x02}."], ids=["empty", "zip", "pickle"]
)
def test_files_that_are_none(files, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError) as error:
        load(tmp_path / name, "squeeze", files / "heads_squeeze.npz")
    assert "\n" not in str(error.value) and name in str(error.value)


def test_pickles_in_an_npz_are_not_run(files, tmp_path):
    np.savez(tmp_path / "bad.npz", evil=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(WeightsError, match="expected an .npz of arrays in .*bad.npz. Received: "):
        load(tmp_path / "bad.npz", "alex", files / "heads_alex.npz")


# SqueezeNet of Keras.


def write_keras(path, arrays, **replaced):
    """The layout of the published file: a group for each layer, which names its two arrays."""
    import h5py

    with h5py.File(path, "w") as file:
        places = [name.removesuffix(".weight") for name in arrays if name.endswith("weight")]
        parts = ("squeeze1x1", "expand1x1", "expand3x3")
        names = ["conv1", *(f"fire{n}/{part}" for n in range(2, 10) for part in parts)]
        for place, name in zip(places, names, strict=True):
            group = file.create_group(name)
            kernel = arrays[f"{place}.weight"].transpose(2, 3, 1, 0)
            stored = {"uniform": kernel, f"{name}_b": arrays[f"{place}.bias"]} | replaced
            group.attrs["weight_names"] = [key.encode() for key in stored]
            for key, array in stored.items():
                group[key] = array


def test_squeezenet_of_keras_is_that_of_caffe_on_the_same_image(tmp_path):
    """Blue first, in [0, 255] less the mean; the rest as ever."""
    state = random_state("squeeze")
    write_keras(tmp_path / "squeezenet.h5", state)
    read = read_keras_squeezenet(tmp_path / "squeezenet.h5")
    image = np.random.default_rng(0).integers(0, 256, (31, 37, 3))
    caffe = np.moveaxis(image[..., ::-1] - np.array([104.006, 116.669, 122.679]), -1, 0)
    torch = np.moveaxis((image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], -1, 0)
    for ours, theirs in zip(
        taps_of_squeeze(torch, read), taps_of_squeeze(caffe, state), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_files_of_keras_that_are_not_of_this_layout(files, tmp_path):
    path = tmp_path / "squeezenet.h5"
    with pytest.raises(WeightsError, match="expected a .pth of torchvision for alex. Received: "):
        path.touch()
        load(path, "alex", files / "heads_alex.npz")
    write_keras(path, random_state("squeeze"), extra=np.zeros(3))
    with pytest.raises(WeightsError, match=r"SqueezeNet of keras-squeezenet, without top, in "):
        read_keras_squeezenet(path)
    wrong = changed(random_state("squeeze"), features_0_weight=np.zeros((64, 4, 3, 3), np.float32))
    write_keras(path, wrong)
    with pytest.raises(WeightsError, match=r"features.0.weight of floats \(64, 3, 3, 3\)"):
        read_keras_squeezenet(path)


SAMPLES = Path(os.environ.get("GANS_SAMPLE_DATA", "nowhere"))
SAMPLE_WEIGHTS = (
    SAMPLES / "weights_squeezenet_keras" / "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
SAMPLE_HEADS = SAMPLES / "lpips_linear_heads"
needs_samples = pytest.mark.skipif(
    not (SAMPLE_WEIGHTS.exists() and SAMPLE_HEADS.exists()), reason="no sample data"
)


@needs_samples
@pytest.mark.parametrize("net", NETS)
def test_the_published_heads_are_known(net):
    assert digest(read_heads(SAMPLE_HEADS / f"{net}.npz", net)) == lpips.HEADS[net]


def photos(count=12, size=96):
    from PIL import Image

    paths = sorted((SAMPLES / "monet2photo" / "trainB").iterdir())[:count]
    opened = (Image.open(path).convert("RGB").resize((size, size)) for path in paths)
    return np.stack([np.asarray(image) for image in opened])


@needs_samples
def test_trained_weights_see_what_people_see():
    """The whole distance, by the Caffe model's weights: not the published one, and it says so."""
    found = load(SAMPLE_WEIGHTS, "squeeze", SAMPLE_HEADS / "squeeze.npz")
    assert not found.published and found.name.startswith("lpips_squeeze_")
    images = photos()
    random = np.random.default_rng(0)
    others = found.distance(images, np.roll(images, 1, axis=0))
    noisy = np.clip(images + random.normal(0, 8, images.shape), 0, 255).astype(np.uint8)
    noise = found.distance(images, noisy)
    shifted = found.distance(images[:, :-1], images[:, 1:])
    # A pixel to the side is hardly seen, though it moves more than the noise does.
    moved, added = (
        np.abs(x.astype(int) - y).mean()
        for x, y in ((images[:, :-1], images[:, 1:]), (images, noisy))
    )
    assert moved > added
    assert shifted.mean() < 0.5 * others.mean()
    assert noise.mean() < 0.5 * others.mean() and others.min() > 0.2


# On features of our own.


class Corners:
    """An extractor: the first pixel's channels."""

    name = "corners"

    def __init__(self):
        self.seen = []

    def extract(self, images):
        self.seen.append(images)
        return images[:, 0, 0].astype(np.float32), None

    def facts(self):
        return {"extractor": self.name, "extractor_sha256": "0" * 64}


def test_twice_one_minus_the_cosine():
    a = np.zeros((5, 2, 2, 3), np.uint8)
    b = a.copy()
    a[:, 0, 0] = [[3, 4, 0], [3, 4, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]]
    b[:, 0, 0] = [[6, 8, 0], [4, 3, 0], [0, 9, 0], [1, 1, 0], [0, 0, 7]]
    found = FeatureDistance(Corners())
    # Of no feature at all the length stays 0: one side only is left.
    expected = [0, 2 * (1 - 24 / 25), 2, 2 * (1 - np.sqrt(0.5)), 1]
    distances = found.distance(a, b)
    assert distances.dtype == np.float32
    np.testing.assert_allclose(distances, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(distances, found.distance(b, a))


def test_features_in_a_row_are_looked_at_once():
    extractor = Corners()
    images = np.random.default_rng(0).integers(0, 256, (5, 2, 2, 3), np.uint8)
    found = FeatureDistance(extractor)
    in_a_row = found.consecutive(images)
    np.testing.assert_array_equal(consecutive_distances(images[None], found), [in_a_row])
    assert [len(seen) for seen in extractor.seen] == [5, 5]
    np.testing.assert_array_equal(in_a_row, found(images[:-1], images[1:]))


def test_it_is_called_by_its_extractor():
    found = FeatureDistance(Corners())
    assert found.name == "pd_corners"
    assert found.facts() == {
        "distance": "pd_corners",
        "extractor": "corners",
        "extractor_sha256": "0" * 64,
    }


def test_the_extractor_gets_the_bytes_of_a_file():
    extractor = Corners()
    floats = np.array([-1, -0.9961, 0, 0.0039, 1, 1.0005], np.float32).reshape(1, 2, 3, 1)
    FeatureDistance(extractor).distance(floats, floats)
    for seen in extractor.seen:
        assert seen.dtype == np.uint8
        assert seen.reshape(2, -1).tolist() == [[0, 0, 128, 128, 255, 255]] * 2
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    FeatureDistance(extractor).distance(every, every / np.float32(127.5) - 1)
    np.testing.assert_array_equal(extractor.seen[-1], [every[0]] * 2)
    with pytest.raises(ValueError, match="Received: from 0 to 200"):
        FeatureDistance(extractor).distance(*[np.array([[[[0.0]], [[200.0]]]])] * 2)
