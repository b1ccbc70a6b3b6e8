"""Reads the constants of a frozen TensorFlow 1 graph, of which nothing is imported or run.

    read("classify_image_graph_def.pb")       {"conv/conv2d_params": float32 (3, 3, 3, 32), ...}
    read("inception-2015-12-05.tgz")          the same, out of the archive

The graph is taken apart node by node: the outermost level of its protocol buffer by hand, which is
tags and lengths only, and each node by TensorFlow's own class. So a damaged file, or one that asks
for far more memory than it has bytes, is noticed before there is anything to hold.

Sources: tensorflow/core/framework/{graph,node_def,tensor}.proto and
tensorflow/python/framework/tensor_util.py (`MakeNdarray`) of tensorflow/tensorflow; the encoding of
protocol buffers, protobuf.dev/programming-guides/encoding.
"""

import gzip
import io
import math
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gans.features.torch_pickle import WeightsError, require, show

GZIP = b"\x1f\x8b"
# The graph of 2015 has 95,673,916 bytes and 1,000 nodes, the largest of 8 MB.
MOST_GRAPH_BYTES = 256 << 20
MOST_NODE_BYTES = 64 << 20
MOST_NODES = 50_000
MOST_MEMBERS = 100
_NODE_FIELD = 1


@dataclass(frozen=True)
class Normalization:
    """What a `BatchNormWithGlobalNormalization` does beside its four constants.

    Attributes:
        epsilon: added to the variance.
        scales: whether gamma is applied at all.
    """

    epsilon: float
    scales: bool


@dataclass(frozen=True)
class Graph:
    """What a frozen graph knows.

    Attributes:
        constants: by the name of the node, float32, float64, int32 or int64; others are left out.
        normalizations: by the name of the node that is their gamma.
    """

    constants: dict[str, np.ndarray] = field(default_factory=dict)
    normalizations: dict[str, Normalization] = field(default_factory=dict)


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The constants of a graph by name; see `read_graph`."""
    return read_graph(path).constants


def read_graph(path: str | Path) -> Graph:
    """The constants and normalisations of a frozen graph.

    Args:
        path: of a GraphDef (`.pb`), or of a gzipped tar archive that holds one file `.pb`.

    Raises:
        WeightsError: The file cannot be read, is damaged, too large, or no such graph; in one line.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(len(GZIP))
            file.seek(0)
            data = _out_of_archive(file) if start == GZIP else _read_bounded(file)
        return _parse(data)
    except OSError as error:
        raise WeightsError(f"expected {path}. Received: {error.strerror or error}") from None
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


class _Bounded(io.RawIOBase):
    """A stream that ends with an error where it goes on for too long: no archive is a bomb."""

    def __init__(self, stream: BinaryIO):
        self.stream, self.left = stream, MOST_GRAPH_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(data)
        require(self.left >= 0, f"at most {MOST_GRAPH_BYTES:,} bytes", "more")
        return data


def _read_bounded(file: BinaryIO) -> bytes:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    require(size <= MOST_GRAPH_BYTES, f"at most {MOST_GRAPH_BYTES:,} bytes", f"{size:,}")
    return file.read()


def _out_of_archive(file: BinaryIO) -> bytes:
    """The bytes of the one `.pb` in a gzipped tar archive. Nothing is unpacked to the disk."""
    found = []
    try:
        with (
            gzip.open(file) as unzipped,
            _Bounded(unzipped) as stream,
            tarfile.open(fileobj=stream, mode="r|") as archive,
        ):
            for count, member in enumerate(archive):
                require(count < MOST_MEMBERS, f"at most {MOST_MEMBERS} files", "more")
                if not member.isfile() or not member.name.endswith(".pb"):
                    continue
                require(
                    member.size <= MOST_GRAPH_BYTES,
                    f"at most {MOST_GRAPH_BYTES:,} bytes",
                    f"{member.size:,}",
                )
                found.append(archive.extractfile(member).read())
            # To the very end, where gzip's checksum is.
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError):
        raise WeightsError("expected a whole .tgz archive. Received: a damaged one") from None
    require(len(found) == 1, "one .pb in the archive", f"{len(found)}")
    return found[0]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of the encoding, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise IndexError


def _nodes(data: memoryview) -> Iterator[memoryview]:
    """The bytes of each node of a GraphDef. Raises IndexError where it is damaged."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:  # A number: the version.
            _, at = _varint(data, at)
            continue
        if kind != 2:
            raise IndexError
        length, at = _varint(data, at)
        if length > len(data) - at:
            raise IndexError
        if tag >> 3 == _NODE_FIELD:
            yield data[at : at + length]
        at += length


def _parse(data: bytes) -> Graph:
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework.node_def_pb2 import NodeDef

    graph = Graph()
    room = MOST_GRAPH_BYTES
    try:
        for count, piece in enumerate(_nodes(memoryview(data))):
            require(count < MOST_NODES, f"at most {MOST_NODES:,} nodes", "more")
            require(
                len(piece) <= MOST_NODE_BYTES,
                f"nodes of at most {MOST_NODE_BYTES:,} bytes",
                f"{len(piece):,}",
            )
            node = NodeDef.FromString(piece.tobytes())
            if node.op == "Const":
                array = _constant(node, room)
                if array is not None:
                    require(node.name not in graph.constants, "one node of a name", show(node.name))
                    graph.constants[node.name] = array
                    room -= array.nbytes
            elif node.op == "BatchNormWithGlobalNormalization" and len(node.input) == 5:
                graph.normalizations[node.input[4]] = Normalization(
                    node.attr["variance_epsilon"].f, node.attr["scale_after_normalization"].b
                )
    except (IndexError, DecodeError):
        raise WeightsError("expected a frozen graph (GraphDef). Received: no whole one") from None
    require(bool(graph.constants), "a frozen graph with constants", "one without")
    return graph


def _constant(node, room: int) -> np.ndarray | None:
    """The value of a Const node; None for a type that no weight has.

    Args:
        node: NodeDef.
        room: bytes that it may have at most: a single number may stand for an array of any size.
    """
    from tensorflow.core.framework import types_pb2

    tensor = node.attr["value"].tensor
    kinds = {
        types_pb2.DT_FLOAT: ("<f4", tensor.float_val),
        types_pb2.DT_DOUBLE: ("<f8", tensor.double_val),
        types_pb2.DT_INT32: ("<i4", tensor.int_val),
        types_pb2.DT_INT64: ("<i8", tensor.int64_val),
    }
    if tensor.dtype not in kinds:
        return None
    kind, values = kinds[tensor.dtype]
    dtype = np.dtype(kind)
    shape = tuple(dimension.size for dimension in tensor.tensor_shape.dim)
    good = not tensor.tensor_shape.unknown_rank and len(shape) <= 16 and min(shape, default=0) >= 0
    require(good, f"a shape of {show(node.name)}", "none or a negative one")
    count = math.prod(shape)
    require(count * dtype.itemsize <= room, f"at most {room:,} bytes", show(count * dtype.itemsize))
    if tensor.tensor_content:
        found = len(tensor.tensor_content)
        require(found == count * dtype.itemsize, f"{count} numbers of {dtype}", f"{found} bytes")
        array = np.frombuffer(tensor.tensor_content, dtype).astype(dtype.newbyteorder("="))
    else:
        require(
            len(values) <= count, f"at most {count} numbers as {show(node.name)}", f"{len(values)}"
        )
        # As TensorFlow has it: the last one is repeated, and zeros need not be written.
        array = np.full(count, values[-1] if values else 0, dtype.newbyteorder("="))
        array[: len(values)] = values
    return array.reshape(shape)
