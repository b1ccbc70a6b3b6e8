import io
import tarfile

import numpy as np
import pytest
from checkpoints import checkpoint
from tensorflow.core.framework import graph_pb2, types_pb2

from gans.features import inception, inception_weights
from gans.features.inception_network import kernel_shapes
from gans.features.inception_weights import WeightsError, find, graph_name, read_weights

RANDOM = np.random.default_rng(0)
PARTS = ("weight", "bias", "running_mean", "running_var")


@pytest.fixture(scope="module")
def tensors():
    """Numbers as the PyTorch file has them, cheap ones: each kernel is one row, repeated."""
    tensors = {}
    for unit, (rows, columns, inputs, outputs) in kernel_shapes().items():
        row = RANDOM.standard_normal((outputs, 1, rows, columns), np.float32)
        tensors[f"{unit}.conv.weight"] = np.repeat(row, inputs, axis=1)
        for part in PARTS:
            tensors[f"{unit}.bn.{part}"] = RANDOM.random(outputs, np.float32)
        tensors[f"{unit}.bn.num_batches_tracked"] = np.array(7, np.int64)
    tensors["fc.weight"] = RANDOM.standard_normal((1008, 2048), np.float32)
    tensors["fc.bias"] = np.ones(1008, np.float32)
    return tensors


@pytest.fixture
def read(monkeypatch, tmp_path):
    """read(tensors): of a file that is said to hold them."""

    def read(tensors):
        monkeypatch.setattr(inception_weights.torch_weights, "read", lambda path: tensors)
        (tmp_path / "a.pth").write_bytes(b"PK\3\4" + bytes(16))
        return read_weights(tmp_path / "a.pth")

    return read


def frozen(tensors, scales=True, epsilon=0.001):
    """The same weights as the frozen graph has them, between other nodes."""
    graph = graph_pb2.GraphDef()

    def constant(name, array, dtype=types_pb2.DT_FLOAT):
        tensor = graph.node.add(name=name, op="Const").attr["value"].tensor
        tensor.dtype = dtype
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = np.ascontiguousarray(array).tobytes()

    constant("ResizeBilinear/size", np.array([299, 299], np.int32), types_pb2.DT_INT32)
    constant("Sub/y", np.array(128, np.float32))
    names = dict(zip(PARTS, ("gamma", "beta", "moving_mean", "moving_variance"), strict=True))
    for unit in kernel_shapes():
        name = graph_name(unit)
        kernel = tensors[f"{unit}.conv.weight"].transpose(2, 3, 1, 0)
        constant(f"{name}/conv2d_params", kernel)
        for theirs, ours in names.items():
            constant(f"{name}/batchnorm/{ours}", tensors[f"{unit}.bn.{theirs}"])
        node = graph.node.add(name=f"{name}/batchnorm", op="BatchNormWithGlobalNormalization")
        node.input.extend([f"{name}/Conv2D"])
        node.input.extend(f"{name}/batchnorm/{names[part]}" for part in (*PARTS[2:], *PARTS[1::-1]))
        node.attr["variance_epsilon"].f = epsilon
        node.attr["scale_after_normalization"].b = scales
    constant("softmax/weights", tensors["fc.weight"].T)
    constant("softmax/biases", tensors["fc.bias"])
    return graph


# Reading.


def test_checkpoint(tensors, tmp_path):
    (tmp_path / "a.pth").write_bytes(checkpoint(tensors))
    weights, kind = read_weights(tmp_path / "a.pth")
    assert kind == "PyTorch checkpoint" and len(weights) == 5 * 94 + 1
    for name, value in weights.items():
        stored = tensors[name]
        if stored.ndim > 1:
            stored = stored.transpose((2, 3, 1, 0) if stored.ndim == 4 else (1, 0))
        np.testing.assert_array_equal(value, stored)
        assert value.dtype == np.float32 and value.flags.c_contiguous


def test_frozen_graph_and_its_archive_have_the_same_weights(tensors, tmp_path, read):
    expected, _ = read(tensors)
    (tmp_path / "graph.pb").write_bytes(frozen(tensors).SerializeToString())
    with tarfile.open(tmp_path / "graph.tgz", "w:gz", compresslevel=1) as archive:
        archive.add(tmp_path / "graph.pb", "classify_image_graph_def.pb")
    for file in ("graph.pb", "graph.tgz"):
        weights, kind = read_weights(tmp_path / file)
        assert kind == "frozen graph" and list(weights) == list(expected)
        for name, value in weights.items():
            np.testing.assert_array_equal(value, expected[name])


def test_gamma_counts_only_where_the_graph_says_so(tensors, tmp_path):
    (tmp_path / "graph.pb").write_bytes(frozen(tensors, scales=False).SerializeToString())
    weights, _ = read_weights(tmp_path / "graph.pb")
    for unit in kernel_shapes():
        np.testing.assert_array_equal(weights[f"{unit}.bn.weight"], 1)
        np.testing.assert_array_equal(weights[f"{unit}.bn.bias"], tensors[f"{unit}.bn.bias"])


def test_graph_of_another_epsilon_is_refused(tensors, tmp_path):
    (tmp_path / "graph.pb").write_bytes(frozen(tensors, epsilon=1e-5).SerializeToString())
    assert "'conv/batchnorm'. Received: 1e-05" in refusal(tmp_path / "graph.pb")


def small_graph(change=None):
    """A graph of two constants of Inception, one of them in bytes and one in a number."""
    graph = graph_pb2.GraphDef()
    for name, shape in (("conv/conv2d_params", (3, 3, 3, 32)), ("conv/batchnorm/gamma", (32,))):
        tensor = graph.node.add(name=name, op="Const").attr["value"].tensor
        tensor.dtype = types_pb2.DT_FLOAT
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
    graph.node[0].attr["value"].tensor.tensor_content = KERNEL.tobytes()
    tensor.float_val.extend([1.0, 2.0])  # As TensorFlow has it, the last number is repeated.
    if change:
        change(tensor)
    return graph


KERNEL = np.arange(864, dtype=np.float32).reshape(3, 3, 3, 32)


def packed(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def refusal(path):
    with pytest.raises(WeightsError) as error:
        read_weights(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def file(tmp_path):
    """file(bytes): the path of a file of them."""

    def write(data):
        (tmp_path / "graph").write_bytes(data)
        return tmp_path / "graph"

    return write


def test_constants_are_those_of_tensorflow():
    expected = {unit: (*shape,) for unit, shape in kernel_shapes().items()}
    shapes = {
        "Conv2d_1a_3x3.conv.weight": expected["Conv2d_1a_3x3"],
        "Conv2d_1a_3x3.bn.weight": (32,),
    }
    found = inception_weights._of_graph(small_graph(), shapes)
    np.testing.assert_array_equal(found["Conv2d_1a_3x3.conv.weight"], KERNEL)
    np.testing.assert_array_equal(found["Conv2d_1a_3x3.bn.weight"], [1.0, *[2.0] * 31])


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda t: t.tensor_shape.dim.add(size=2**40), f"(32, {2**40})"),
        (lambda t: t.tensor_shape.dim.add(size=-1), "(32, -1)"),
        (lambda t: setattr(t.tensor_shape, "unknown_rank", True), "no "),
        (lambda t: setattr(t, "tensor_content", b"abc"), "a damaged one"),
        (lambda t: setattr(t, "dtype", 99), "a damaged one"),
        (lambda t: None, "no 'Conv2d_1a_3x3.bn.bias' and 468 more"),
    ],
)
def test_constants_that_do_not_fit(file, change, received):
    assert f"Received: {received}" in refusal(file(small_graph(change).SerializeToString()))


def test_graph_of_another_network_is_refused(file):
    graph = small_graph()
    graph.node[0].name = "mixed_11/conv/conv2d_params"
    message = "an unknown 'mixed_11/conv/conv2d_params'"
    assert message in refusal(file(graph.SerializeToString()))


def test_a_member_of_an_archive_is_written_nowhere(file, tmp_path):
    data = small_graph().SerializeToString()
    assert "Received: no 'Conv2d_1a_3x3.bn.bias'" in refusal(
        file(packed(("README", b"text"), ("../../escaped.pb", data)))
    )
    assert [path.name for path in tmp_path.iterdir()] == ["graph"]


@pytest.mark.parametrize("members", [[], ["a.pb", "b.pb"], ["a.txt"], [tarfile.SYMTYPE]])
def test_one_graph_in_an_archive(file, members):
    if members == [tarfile.SYMTYPE]:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            link = tarfile.TarInfo("graph.pb")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        data, count = buffer.getvalue(), 0
    else:
        data = packed(*((name, small_graph().SerializeToString()) for name in members))
        count = sum(name.endswith(".pb") for name in members)
    assert f"Received: {count}" in refusal(file(data))


def test_bombs(file, monkeypatch):
    """Zeros that shrink to nothing, before, in and behind the graph."""
    data = small_graph().SerializeToString()
    monkeypatch.setattr(inception_weights, "MOST_GRAPH_BYTES", 20_000)
    for members in (
        [("a", bytes(30_000)), ("graph.pb", data)],
        [("graph.pb", bytes(30_000))],
        [("graph.pb", data), ("z", bytes(30_000))],
    ):
        path = file(packed(*members))
        assert path.stat().st_size < 3000
        assert "20,000 bytes" in refusal(path)
    assert "20,000 bytes" in refusal(file(data + bytes(20_000)))


@pytest.mark.parametrize("data", [b"\x89PNG\r\n", b"\x80" * 20, b"\x0a\xff\xff\xff\xff\x0fabc"])
def test_what_is_no_graph(file, data):
    assert "Received: a damaged file" in refusal(file(data))


def test_no_part_of_a_graph_is_taken_for_the_whole(file):
    data = packed(("graph.pb", small_graph().SerializeToString() + b"\x12\x80\x01" + bytes(128)))
    for length in range(2, len(data), 50):
        assert "damaged file" in refusal(file(data[:length]))
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 255
    refusal(file(bytes(damaged)))


def test_noise_ends_in_one_line(file):
    random = np.random.default_rng(0)
    plain = small_graph().SerializeToString()
    for turn in range(60):
        data = bytearray(packed(("graph.pb", plain)) if turn % 2 else plain)
        for at in random.integers(0, len(data), 1 + turn % 3):
            data[at] = random.integers(256)
        refusal(file(bytes(data)))


# Of a kind of block its branches in the graph and in PyTorch, as torch-fidelity pairs them.
PAIRS = {
    ("5b", "5c", "5d"): "conv branch1x1 tower/conv branch5x5_1 tower/conv_1 branch5x5_2 "
    "tower_1/conv branch3x3dbl_1 tower_1/conv_1 branch3x3dbl_2 tower_1/conv_2 branch3x3dbl_3 "
    "tower_2/conv branch_pool",
    ("6a",): "conv branch3x3 tower/conv branch3x3dbl_1 tower/conv_1 branch3x3dbl_2 "
    "tower/conv_2 branch3x3dbl_3",
    ("6b", "6c", "6d", "6e"): "conv branch1x1 tower/conv branch7x7_1 tower/conv_1 branch7x7_2 "
    "tower/conv_2 branch7x7_3 tower_1/conv branch7x7dbl_1 tower_1/conv_1 branch7x7dbl_2 "
    "tower_1/conv_2 branch7x7dbl_3 tower_1/conv_3 branch7x7dbl_4 tower_1/conv_4 branch7x7dbl_5 "
    "tower_2/conv branch_pool",
    ("7a",): "tower/conv branch3x3_1 tower/conv_1 branch3x3_2 tower_1/conv branch7x7x3_1 "
    "tower_1/conv_1 branch7x7x3_2 tower_1/conv_2 branch7x7x3_3 tower_1/conv_3 branch7x7x3_4",
    ("7b", "7c"): "conv branch1x1 tower/conv branch3x3_1 tower/mixed/conv branch3x3_2a "
    "tower/mixed/conv_1 branch3x3_2b tower_1/conv branch3x3dbl_1 tower_1/conv_1 branch3x3dbl_2 "
    "tower_1/mixed/conv branch3x3dbl_3a tower_1/mixed/conv_1 branch3x3dbl_3b "
    "tower_2/conv branch_pool",
}


def test_names_in_the_graph():
    expected = {
        "Conv2d_1a_3x3": "conv",
        "Conv2d_2a_3x3": "conv_1",
        "Conv2d_2b_3x3": "conv_2",
        "Conv2d_3b_1x1": "conv_3",
        "Conv2d_4a_3x3": "conv_4",
    }
    blocks = [block for kind in PAIRS for block in kind]
    for kind, pairs in PAIRS.items():
        for block in kind:
            mixed = "mixed" + (f"_{blocks.index(block)}" if block != "5b" else "")
            words = pairs.split()
            for theirs, ours in zip(words[::2], words[1::2], strict=True):
                expected[f"Mixed_{block}.{ours}"] = f"{mixed}/{theirs}"
    assert {unit: graph_name(unit) for unit in kernel_shapes()} == expected
    assert len(set(expected.values())) == 94


# What is refused.


def test_second_head_and_counters_are_not_needed(tensors, read):
    fewer = {name: array for name, array in tensors.items() if "num_batches" not in name}
    del fewer["fc.bias"]
    more = {**tensors, "AuxLogits.fc.weight": np.ones((1008, 768), np.float32)}
    for changed in (fewer, more):
        weights, _ = read(changed)
        assert len(weights) == 471


def one_less(tensors):
    del tensors["Mixed_7c.branch_pool.conv.weight"]


def two_less(tensors):
    del tensors["fc.weight"], tensors["Mixed_5b.branch1x1.bn.weight"]


def put(**values):
    def change(tensors):
        tensors.update({name.replace("__", "."): value for name, value in values.items()})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (one_less, "the 471 tensors of Inception. Received: no 'Mixed_7c.branch_pool.conv.weight'"),
        (two_less, "Received: no 'Mixed_5b.branch1x1.bn.weight' and 1 more"),
        (put(a=np.ones(3)), "Received: an unknown 'a'"),
        (
            put(fc__weight=np.ones((1000, 2048), "f4")),
            r"fc.weight of floats \(2048, 1008\).*1000",
        ),
        (put(fc__weight=np.ones((2048, 1008), "f4")), r"Received: float32 \(1008, 2048\)"),
        (put(fc__weight=np.ones((1008, 2048), "i4")), r"Received: int32 \(2048, 1008\)"),
        (
            put(Conv2d_1a_3x3__conv__weight=np.ones((3, 3, 3, 32), "f4")),
            r"Conv2d_1a_3x3.conv.weight of floats .* float32 \(3, 32, 3, 3\)",
        ),
        (
            put(Conv2d_1a_3x3__bn__bias=np.ones((32, 1), "f4")),
            r"\(32,\). Received: float32 \(1, 32\)",
        ),
        (put(Conv2d_1a_3x3__bn__bias=np.full(32, np.nan, "f4")), "finite Conv2d_1a_3x3.bn.bias"),
        (
            put(Conv2d_1a_3x3__bn__running_var=np.full(32, -1, "f4")),
            "at least 0. Received: negative",
        ),
    ],
)
def test_tensors_that_are_not_inceptions(tensors, read, change, message):
    changed = dict(tensors)
    change(changed)
    with pytest.raises(WeightsError, match=message) as error:
        read(changed)
    assert "\n" not in str(error.value) and "a.pth: expected" in str(error.value)


def test_other_numbers_become_float32(tensors, read):
    doubled = {
        name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in tensors.items()
    }
    weights, _ = read(doubled)
    assert {value.dtype.name for value in weights.values()} == {"float32"}


def test_a_hostile_checkpoint_is_refused_before_there_is_a_network(tmp_path):
    from checkpoints import archive, call, dict_of, name, pickled, text

    value = dict_of([("fc.weight", call(name("os", "system"), text(f"touch {tmp_path}/ran")))])
    (tmp_path / "a.pth").write_bytes(archive([("data.pkl", pickled(value))]))
    with pytest.raises(WeightsError, match="tensors only. Received: the name 'os.system'; not run"):
        inception.load(tmp_path / "a.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


# Finding.


def test_what_is_missing_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = (
        "expected the Inception weights of 2015, pt_inception-2015-12-05-6726825d.pth or "
        "inception-2015-12-05.tgz. Received: {}; fetch them by `python data_prep/download.py "
        "inception --out data`, or name your copy by --weights FILE"
    )
    for path, found in ((None, "none in data"), ("my.pth", "no file my.pth")):
        for function in (find, read_weights, inception.load):
            if path is None and function is read_weights:
                continue
            with pytest.raises(WeightsError) as error:
                function(path)
            assert str(error.value) == message.format(found)


def test_what_was_downloaded_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    graph = tmp_path / "data" / "inception-2015-12-05.tgz"
    graph.touch()
    assert find() == find(None) == graph.relative_to(tmp_path)
    (tmp_path / "data" / "pt_inception-2015-12-05-6726825d.pth").touch()
    assert find().suffix == ".pth"
    assert find(graph) == graph
