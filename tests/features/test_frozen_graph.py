import io
import os
import tarfile

import numpy as np
import pytest
from tensorflow.core.framework import graph_pb2, types_pb2

from gans.features import frozen_graph
from gans.features.frozen_graph import Normalization, read, read_graph
from gans.features.torch_weights import WeightsError

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def constant(graph, name, array=None, shape=None, **values):
    """Adds a Const of an array's bytes, or of numbers written one by one."""
    node = graph.node.add(name=name, op="Const")
    tensor = node.attr["value"].tensor
    tensor.dtype = types_pb2.DT_FLOAT
    for size in array.shape if shape is None else shape:
        tensor.tensor_shape.dim.add(size=size)
    if array is not None:
        tensor.tensor_content = array.tobytes()
        kinds = {"f4": types_pb2.DT_FLOAT, "f8": types_pb2.DT_DOUBLE}
        kinds |= {"i4": types_pb2.DT_INT32, "i8": types_pb2.DT_INT64}
        tensor.dtype = kinds[array.dtype.str[1:]]
    for field, numbers in values.items():
        getattr(tensor, field).extend(numbers)
    return tensor


@pytest.fixture
def graph():
    graph = graph_pb2.GraphDef()
    graph.versions.producer = 8
    graph.node.add(name="input", op="Placeholder")
    constant(graph, "conv/conv2d_params", KERNEL)
    return graph


@pytest.fixture
def file(tmp_path):
    """file(bytes, name): the path of a file of them."""

    def write(data, name="graph.pb"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def packed(*members, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def refusal(path):
    with pytest.raises(WeightsError) as error:
        read(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    return str(error.value)


def test_constants_by_name(file, graph):
    constant(graph, "wide", np.array([1e300, -1]))
    constant(graph, "sizes", np.array([299, 299], np.int32))
    constant(graph, "long", np.array(2**40))
    constant(graph, "single", shape=(), float_val=[128.0])
    constant(graph, "listed", shape=(3,), float_val=[1.0, 2.0, 3.0])
    constant(graph, "repeated", shape=(2, 2), float_val=[1.0, 2.0])
    constant(graph, "zeros", shape=(2, 2))
    constant(graph, "empty", shape=(0, 2))
    text = constant(graph, "text", shape=())
    text.dtype = types_pb2.DT_STRING
    found = read(file(graph.SerializeToString()))
    assert list(found) == ["conv/conv2d_params", "wide", "sizes", "long", "single"] + [
        *("listed", "repeated", "zeros", "empty")
    ]
    np.testing.assert_array_equal(found["conv/conv2d_params"], KERNEL)
    assert found["conv/conv2d_params"].dtype == np.float32
    np.testing.assert_array_equal(found["wide"], [1e300, -1])
    np.testing.assert_array_equal(found["sizes"], [299, 299])
    assert found["long"] == 2**40 and found["single"] == 128 and found["single"].shape == ()
    np.testing.assert_array_equal(found["listed"], [1, 2, 3])
    np.testing.assert_array_equal(found["repeated"], [[1, 2], [2, 2]])
    np.testing.assert_array_equal(found["zeros"], np.zeros((2, 2)))
    assert found["empty"].shape == (0, 2)


def test_constants_are_those_of_tensorflow(file, graph):
    from tensorflow.python.framework.tensor_util import MakeNdarray

    constant(graph, "repeated", shape=(2, 2), float_val=[1.0, 2.0])
    for name, array in read(file(graph.SerializeToString())).items():
        (node,) = (node for node in graph.node if node.name == name)
        np.testing.assert_array_equal(array, MakeNdarray(node.attr["value"].tensor))


def test_normalisations_by_their_gamma(file, graph):
    node = graph.node.add(name="conv/batchnorm", op="BatchNormWithGlobalNormalization")
    node.input.extend(["conv/Conv2D", "mean", "variance", "beta", "conv/batchnorm/gamma"])
    node.attr["variance_epsilon"].f = 0.001
    found = read_graph(file(graph.SerializeToString()))
    expected = Normalization(float(np.float32(0.001)), scales=False)
    assert found.normalizations == {"conv/batchnorm/gamma": expected}
    node.attr["scale_after_normalization"].b = True
    found = read_graph(file(graph.SerializeToString()))
    assert found.normalizations["conv/batchnorm/gamma"].scales


def test_archive(file, graph, tmp_path):
    data = graph.SerializeToString()
    members = [("README", b"text"), ("./classify_image_graph_def.pb", data), ("panda.jpg", b"x")]
    before = sorted(os.listdir(tmp_path))
    found = read(file(packed(*members), "inception.tgz"))
    np.testing.assert_array_equal(found["conv/conv2d_params"], KERNEL)
    # A member is read wherever it claims to lie, and written nowhere.
    read(file(packed(("../../escaped.pb", data)), "inception.tgz"))
    assert sorted(os.listdir(tmp_path)) == sorted([*before, "inception.tgz"])


@pytest.mark.parametrize("step", [1, 7])
def test_no_part_of_a_graph_is_taken_for_the_whole(file, graph, step):
    graph.ClearField("versions")
    data = graph.SerializeToString()
    whole = read(file(data))
    for length in range(0, len(data), step):
        refusal(file(data[:length]))
    refusal(file(data[step:]))
    assert list(whole) == list(read(file(data)))


def test_no_part_of_an_archive_is_taken_for_the_whole(file, graph):
    data = packed(("graph.pb", graph.SerializeToString() + b"\x12\x80\x01" + os.urandom(128)))
    for length in range(2, len(data), 5):
        assert "expected a whole .tgz archive" in refusal(file(data[:length], "a.tgz"))
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 255
    assert "Received: " in refusal(file(bytes(damaged), "a.tgz"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a frozen graph with constants. Received: one without"),
        (b"\x89PNG\r\n", "expected a frozen graph (GraphDef). Received: no whole one"),
        (b"\x80" * 20, "expected a frozen graph (GraphDef)"),
        (b"\x0a\xff\xff\xff\xff\x0fabc", "expected a frozen graph (GraphDef)"),
        (b"\x0a\x02\xff\xff", "expected a frozen graph (GraphDef)"),
        (b"\x0b\x0c", "expected a frozen graph (GraphDef)"),
    ],
)
def test_what_is_no_graph(file, data, message):
    assert message in refusal(file(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.tensor_shape.dim.add(size=2**40), "bytes. Received: "),
        (lambda t: t.tensor_shape.dim.add(size=-1), "a shape of 'x'. Received: none or a negative"),
        (lambda t: [t.tensor_shape.dim.add(size=1) for _ in range(20)], "a shape of 'x'"),
        (lambda t: setattr(t.tensor_shape, "unknown_rank", True), "a shape of 'x'"),
        (lambda t: t.float_val.extend([1.0] * 5), "at most 4 numbers as 'x'. Received: 6"),
        (lambda t: setattr(t, "tensor_content", b"abc"), "4 numbers of float32. Received: 3 bytes"),
    ],
)
def test_constants_that_do_not_fit(file, graph, change, message):
    change(constant(graph, "x", shape=(2, 2), float_val=[1.0]))
    assert message in refusal(file(graph.SerializeToString()))


def test_a_name_occurs_once(file, graph):
    constant(graph, "conv/conv2d_params", KERNEL)
    message = "one node of a name. Received: 'conv/conv2d_params'"
    assert message in refusal(file(graph.SerializeToString()))


def test_bombs(file, graph, monkeypatch):
    data = graph.SerializeToString()
    monkeypatch.setattr(frozen_graph, "MOST_GRAPH_BYTES", 20_000)
    read(file(packed(("graph.pb", data)), "a.tgz"))
    # Zeros that shrink to nothing, before, in and behind the graph.
    for members in (
        [("a", bytes(30_000)), ("graph.pb", data)],
        [("graph.pb", bytes(30_000))],
        [("graph.pb", data), ("z", bytes(30_000))],
    ):
        path = file(packed(*members), "a.tgz")
        assert path.stat().st_size < 1000
        assert "expected at most 20,000 bytes. Received: " in refusal(path)
    assert "expected at most 20,000 bytes" in refusal(file(data + bytes(20_000)))
    # One number that stands for many, again and again.
    for i in range(3):
        constant(graph, f"x{i}", shape=(2000,), float_val=[1.0])
    assert "at most 3,904 bytes. Received: 8000" in refusal(file(graph.SerializeToString()))


def test_counts_are_limited(file, graph, monkeypatch):
    monkeypatch.setattr(frozen_graph, "MOST_NODE_BYTES", 30)
    assert "expected nodes of at most 30 bytes" in refusal(file(graph.SerializeToString()))
    monkeypatch.setattr(frozen_graph, "MOST_NODES", 1)
    two = graph_pb2.GraphDef(node=[{}, {}]).SerializeToString()
    assert "expected at most 1 nodes. Received: more" in refusal(file(two))
    monkeypatch.setattr(frozen_graph, "MOST_MEMBERS", 1)
    assert "expected at most 1 files" in refusal(file(packed(("a", b""), ("b", b"")), "a.tgz"))


@pytest.mark.parametrize("members", [[], ["a.pb", "b.pb"], ["a.txt"]])
def test_one_graph_in_an_archive(file, graph, members):
    data = graph.SerializeToString()
    path = file(packed(*((name, data) for name in members)), "a.tgz")
    count = sum(name.endswith(".pb") for name in members)
    assert f"one .pb in the archive. Received: {count}" in refusal(path)


def test_links_are_not_followed(file, graph, tmp_path):
    secret = file(graph.SerializeToString(), "secret")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("graph.pb")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    assert "one .pb in the archive. Received: 0" in refusal(file(buffer.getvalue(), "a.tgz"))


def test_files_that_cannot_be_read(tmp_path):
    assert "Received: No such file or directory" in refusal(tmp_path / "none.pb")
    assert "Received: Is a directory" in refusal(tmp_path)


def test_noise_ends_in_one_line_or_in_arrays(file, graph):
    random = np.random.default_rng(0)
    goods = [graph.SerializeToString(), packed(("graph.pb", graph.SerializeToString()))]
    for turn in range(300):
        data = bytearray(goods[turn % 2])
        for at in random.integers(0, len(data), 1 + turn % 3):
            data[at] = random.integers(256)
        try:
            read(file(bytes(data)))
        except WeightsError as error:
            assert "\n" not in str(error)
