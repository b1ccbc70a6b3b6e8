"""The weights of the Inception network of 2015: finding, reading and checking them.

Three files have been published, and each is recognised by its content: the checkpoint that
pytorch-fid, clean-fid and torch-fidelity use, the frozen graph `classify_image_graph_def.pb` that
it was made from, and the archive that Google published the graph in.

Sources: torch-fidelity:utils/util_convert_inception_weights.py (the names in the graph).
"""

import gzip
import io
import re
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from gans.features import torch_weights
from gans.features.inception_network import CLASSES, EPSILON, FEATURES, NORMALIZATION, kernel_shapes
from gans.features.torch_weights import WeightsError, require, show

WEIGHTS, GRAPH = "pt_inception-2015-12-05-6726825d.pth", "inception-2015-12-05.tgz"
FOLDER = "data"  # Where the command puts them.
MOST_GRAPH_BYTES = 256 << 20  # The published graph has 95,673,916.
COMMAND = f"python data_prep/download.py inception --out {FOLDER}"


def find(path: str | Path | None = None) -> Path:
    """The file of weights: the one that is named, or what the command left in `data`.

    Raises `WeightsError`, which says what to fetch and how, where there is none.
    """
    candidates = [Path(path)] if path else [Path(FOLDER, name) for name in (WEIGHTS, GRAPH)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    found = f"no file {candidates[0]}" if path else f"none in {FOLDER}"
    raise WeightsError(
        f"expected the Inception weights of 2015, {WEIGHTS} or {GRAPH}. Received: {found}; fetch "
        f"them by `{COMMAND}`, or name your copy by --weights FILE"
    )


def read_weights(path: str | Path) -> tuple[dict[str, np.ndarray], str]:
    """All weights of the network, from any of the published files, recognised by its content.

    Args:
        path: of a checkpoint of PyTorch, a frozen graph, or a .tgz of one.

    Returns:
        The weights, float32, by the names of the PyTorch file, `Mixed_7c.branch_pool.conv.weight`,
        `....bn.weight` (gamma), `.bias`, `.running_mean`, `.running_var` and `fc.weight`, but in
        Keras' layout: kernels (rows, columns, inputs, outputs), `fc.weight` (2048, 1008). And what
        kind of file it was.

    Raises:
        WeightsError: The file is damaged or hostile, a tensor is missing, unknown, of another shape
            or not finite; in one line.
    """
    path = find(path)
    try:
        with open(path, "rb") as file:
            is_torch = torch_weights.is_torch(file.read(16))
    except OSError as error:
        raise WeightsError(f"expected {path}. Received: {error.strerror}") from None
    kind = "PyTorch checkpoint" if is_torch else "frozen graph"
    read, convert = (torch_weights.read, _of_torch) if is_torch else (_read_graph, _of_graph)
    contents, expected = read(path), _expected_shapes()
    try:
        return _checked(convert(contents, expected), expected), kind
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


def _of_torch(tensors: dict[str, np.ndarray], _: Any) -> dict[str, np.ndarray]:
    """Without what no feature depends on: counters, the bias of the classes, a second head."""
    unused = re.compile(r"fc\.bias|.*\.num_batches_tracked|AuxLogits\..*")
    # (outputs, inputs, rows, columns) and (outputs, inputs).
    order = {4: (2, 3, 1, 0), 2: (1, 0)}
    return {
        name: tensor.transpose(order.get(tensor.ndim))
        for name, tensor in tensors.items()
        if not unused.fullmatch(name)
    }


def _read_graph(path: Path) -> Any:
    """The `GraphDef` of a file `.pb`, or of a gzipped tar archive that holds one such file."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            # One more byte than is allowed, so that no archive is a bomb.
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(MOST_GRAPH_BYTES + 1)
        require(
            len(data) <= MOST_GRAPH_BYTES, f"at most {MOST_GRAPH_BYTES:,} bytes in {path}", "more"
        )
        if packed:
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                files = [file for file in archive if file.isfile() and file.name.endswith(".pb")]
                require(len(files) == 1, f"one .pb in {path}", len(files))
                data = archive.extractfile(files[0]).read(MOST_GRAPH_BYTES)
        return tf.compat.v1.GraphDef.FromString(data)
    except (DecodeError, EOFError, zlib.error, OSError, tarfile.TarError, ValueError):
        raise WeightsError(f"expected a frozen graph in {path}. Received: a damaged file") from None


def _of_graph(graph: Any, expected: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """By the names of the PyTorch file."""
    import tensorflow as tf

    names = {"softmax/weights": "fc.weight"}
    for unit in kernel_shapes():
        names[f"{graph_name(unit)}/conv2d_params"] = f"{unit}.conv.weight"
        for theirs, ours in NORMALIZATION.items():
            names[f"{graph_name(unit)}/batchnorm/{ours}"] = f"{unit}.bn.{theirs}"
    weight = re.compile(
        r"softmax/weights|.*/(conv2d_params|gamma|beta|moving_mean|moving_variance)"
    )
    found, unscaled = {}, []
    for node in graph.node:
        if node.op == "Const" and weight.fullmatch(node.name):
            require(node.name in names, "the weights of Inception", f"an unknown {show(node.name)}")
            name, tensor = names[node.name], node.attr["value"].tensor
            # Compared before the array is made: one number may stand for an array of any size.
            shape = tuple(dimension.size for dimension in tensor.tensor_shape.dim)
            require(shape == expected[name], f"{node.name} {expected[name]}", show(shape))
            try:
                found[name] = tf.make_ndarray(tensor)
            except (TypeError, ValueError):
                raise WeightsError(f"expected {node.name}. Received: a damaged one") from None
        elif node.op == "BatchNormWithGlobalNormalization" and len(node.input) == 5:
            epsilon = node.attr["variance_epsilon"].f
            near = np.float32(epsilon) == np.float32(EPSILON)
            require(near, f"an epsilon of {EPSILON} at {show(node.name)}", f"{epsilon:g}")
            if not node.attr["scale_after_normalization"].b:
                unscaled.append(names.get(node.input[4]))
    return found | {name: np.ones_like(found[name]) for name in unscaled if name in found}


def graph_name(unit: str) -> str:
    """How the frozen graph calls a unit: `Mixed_5b.branch5x5_2` is mixed/tower/conv_1."""

    def numbered(name: str, number: int) -> str:
        return f"{name}_{number}" if number else name

    stem = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
    blocks = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
    if unit.startswith("Conv2d_"):
        return numbered("conv", stem.index(unit.removeprefix("Conv2d_")))
    block, branch = unit.removeprefix("Mixed_").split(".")
    mixed = numbered("mixed", blocks.index(block))
    kind, _, place = branch.removeprefix("branch").rpartition("_")
    if not kind:  # Branches of one unit: branch1x1, branch3x3 of 6a, branch_pool.
        return f"{mixed}/tower_2/conv" if place == "pool" else f"{mixed}/conv"
    # The longer tower is the second one, where there are two.
    second = kind in ("3x3dbl", "7x7dbl", "7x7x3") and block != "6a"
    tower = f"{mixed}/{numbered('tower', int(second))}"
    if place[1:]:  # 2a and 2b, or 3a and 3b, side by side.
        return f"{tower}/mixed/{numbered('conv', 'ab'.index(place[1]))}"
    return f"{tower}/{numbered('conv', int(place) - 1)}"


def _expected_shapes() -> dict[str, tuple[int, ...]]:
    expected: dict[str, tuple[int, ...]] = {}
    for unit, shape in kernel_shapes().items():
        expected[f"{unit}.conv.weight"] = shape
        expected |= {f"{unit}.bn.{name}": shape[3:] for name in NORMALIZATION}
    return expected | {"fc.weight": (FEATURES, CLASSES)}


def _checked(
    found: dict[str, np.ndarray], expected: dict[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The weights as float32, all of them there, of the right shapes, finite."""
    for kind, names in (("no", expected.keys() - found), ("an unknown", found.keys() - expected)):
        if names:
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(
                f"expected the {len(expected)} tensors of Inception. Received: {kind} "
                f"{show(min(names))}{others}"
            )
    weights = {}
    for name, shape in expected.items():
        values = found[name]
        good = values.shape == shape and values.dtype.kind == "f"
        require(good, f"{name} of floats {shape}", f"{values.dtype} {values.shape}")
        weights[name] = values = np.ascontiguousarray(values, np.float32)
        require(bool(np.isfinite(values).all()), f"finite {name}", "others too")
        variance = name.endswith("running_var")
        require(not variance or values.min() >= 0, f"{name} of at least 0", "negative ones")
    return weights
