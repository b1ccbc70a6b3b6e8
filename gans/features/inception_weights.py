"""The weights of the Inception network of 2015: finding, reading and checking them.

Three files have been published, and each is told by its content: the checkpoint that pytorch-fid,
clean-fid and torch-fidelity use, the frozen graph `classify_image_graph_def.pb` that it was made
from, and the archive that Google published the graph in.

Sources: torch-fidelity:utils/util_convert_inception_weights.py (the names in the graph).
"""

import re
from pathlib import Path

import numpy as np

from gans.features import frozen_graph, torch_weights
from gans.features.inception_network import CLASSES, EPSILON, FEATURES, NORMALIZATION, kernel_shapes
from gans.features.torch_pickle import WeightsError, require, show

WEIGHTS, GRAPH = "pt_inception-2015-12-05-6726825d.pth", "inception-2015-12-05.tgz"
FOLDER = "data"  # Where the command puts them.
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
    """All weights of the network, out of any of the published files, told by their content.

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
            start = file.read(16)
    except OSError as error:
        raise WeightsError(f"expected {path}. Received: {error.strerror}") from None
    if torch_weights.is_torch(start):
        kind, read, convert = "PyTorch checkpoint", torch_weights.read, _of_torch
    else:
        kind, read, convert = "frozen graph", frozen_graph.read_graph, _of_graph
    contents = read(path)
    try:
        return _checked(convert(contents)), kind
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


def _of_torch(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without what no feature depends on: counters, the bias of the classes, a second head."""
    unused = re.compile(r"fc\.bias|.*\.num_batches_tracked|AuxLogits\..*")
    # (outputs, inputs, rows, columns) and (outputs, inputs).
    order = {4: (2, 3, 1, 0), 2: (1, 0)}
    return {
        name: tensor.transpose(order.get(tensor.ndim))
        for name, tensor in tensors.items()
        if not unused.fullmatch(name)
    }


def _of_graph(graph: frozen_graph.Graph) -> dict[str, np.ndarray]:
    """By the names of the PyTorch file. What is not one keeps its name, and is found out."""
    names = {"softmax/weights": "fc.weight"}
    for unit in kernel_shapes():
        names[f"{graph_name(unit)}/conv2d_params"] = f"{unit}.conv.weight"
        for theirs, ours in NORMALIZATION.items():
            names[f"{graph_name(unit)}/batchnorm/{ours}"] = f"{unit}.bn.{theirs}"
    weight = re.compile(
        r"softmax/weights|.*/(conv2d_params|gamma|beta|moving_mean|moving_variance)"
    )
    found = {
        names.get(name, name): constant
        for name, constant in graph.constants.items()
        if weight.fullmatch(name)
    }
    for name, normalization in graph.normalizations.items():
        require(
            np.float32(normalization.epsilon) == np.float32(EPSILON),
            f"an epsilon of {EPSILON} at {show(name)}",
            f"{normalization.epsilon:g}",
        )
        if not normalization.scales and names.get(name) in found:
            found[names[name]] = np.ones_like(found[names[name]])
    return found


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


def _checked(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights as float32, all of them there, of the right shapes, finite."""
    expected: dict[str, tuple[int, ...]] = {}
    for unit, shape in kernel_shapes().items():
        expected[f"{unit}.conv.weight"] = shape
        expected |= {f"{unit}.bn.{name}": shape[3:] for name in NORMALIZATION}
    expected["fc.weight"] = (FEATURES, CLASSES)
    for kind, names in (("no", expected.keys() - found), ("an unknown", found.keys() - expected)):
        if names:
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(
                f"expected the {len(expected)} tensors of Inception. Received: {kind} "
                f"{show(min(names))}{others}"
            )
    for name, shape in expected.items():
        require(
            found[name].shape == shape and found[name].dtype.kind == "f",
            f"{name} of floats {shape}, kernels as rows, columns, inputs, outputs",
            f"{found[name].dtype} {found[name].shape}",
        )
    weights = {name: np.ascontiguousarray(found[name], np.float32) for name in expected}
    for name, values in weights.items():
        require(bool(np.isfinite(values).all()), f"finite {name}", "others too")
        variance = name.endswith("running_var")
        require(not variance or values.min() >= 0, f"{name} of at least 0", "negative ones")
    return weights
