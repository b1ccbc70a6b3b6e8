"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without running anything in it.

    read("pt_inception-2015-12-05-6726825d.pth")        {"fc.weight": float32 (1008, 2048), ...}

A checkpoint is a pickle that describes tensors, and the storages that hold their numbers. A pickle
is a program that may call anything. So the unpickler here knows only the operations that
`torch.save` writes for tensors, and only the names that it writes. None of these names is imported:
each stands for a description or for a function of this module. Sizes are compared with the file
before anything is allocated.

Both forms of `torch.save` are read: the zip archive since PyTorch 1.6, and the stream of pickles
before it, which the published Inception weights of 2019 have. A file that has the name of a
published one must have its SHA-256 as well.

Sources: torch/serialization.py (`_save`, `_legacy_save`, `_load`, `_legacy_load`),
torch/_utils.py (`_rebuild_tensor_v2`) and torch/_weights_only_unpickler.py of pytorch/pytorch.
"""

import hashlib
import io
import math
import pickle
import re
import reprlib
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

# The first bytes of the two forms; those of the second are a pickle of PyTorch's magic number.
ZIP, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
MOST_FILE_BYTES = 2 << 30
MOST_PICKLE_BYTES = 1 << 20  # The pickle of Inception has 80 kB.
MOST_DIMENSIONS = 16
# As torchvision names its files: the digits are the first of the file's SHA-256.
PUBLISHED = re.compile(
    r"(?:pt_inception-2015-12-05|alexnet-owt|vgg16|squeezenet1_1)-([0-9a-f]{8})\.pth"
)

_short = reprlib.Repr()
_short.maxstring, _short.maxother, _short.maxlevel = 80, 80, 2


class WeightsError(Exception):
    """A file of weights cannot be read or used; the message is one line."""


def require(condition: bool, expected: str, received: Any) -> None:
    """Raises `WeightsError` unless the condition holds."""
    if not condition:
        raise WeightsError(f"expected {expected}. Received: {received}")


def show(value: Any) -> str:
    """One short line for an error, whatever the value is."""
    return "an array" if isinstance(value, np.ndarray) else _short.repr(value)


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_torch(start: bytes) -> bool:
    """Whether a file that begins with these bytes, 16 or more, is a checkpoint of either form."""
    return start.startswith((ZIP, LEGACY))


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, in the order of the file.

    Args:
        path: of a file that `torch.save` wrote of a dict (or OrderedDict) from names to tensors or
            parameters.

    Returns:
        Read-only arrays: float16, float32, float64, uint8, int8 to int64. Tensors that share a
        storage share memory.

    Raises:
        WeightsError: The file cannot be read, is damaged, is no such checkpoint, or holds anything
            but tensors; in one line. Nothing in it was run.
    """
    path = Path(path)
    try:
        if published := PUBLISHED.fullmatch(path.name):
            digest = sha256(path)
            require(digest.startswith(published[1]), f"a SHA-256 of {published[1]}...", digest)
        with _BoundedReader(open(path, "rb", buffering=0)) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            start = file.read(len(LEGACY))
            require(size <= MOST_FILE_BYTES, f"at most {MOST_FILE_BYTES:,} bytes", f"{size:,}")
            require(is_torch(start), "a checkpoint of torch.save", f"a file that begins {start!r}")
            file.seek(0)
            return (_read_zip if start.startswith(ZIP) else _read_legacy)(file, size)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except OSError as error:
        raise WeightsError(f"expected {path}. Received: {error.strerror or error}") from None
    except Exception:
        # A hostile file makes zipfile, pickle and NumPy raise almost anything.
        raise WeightsError(f"{path}: expected a whole file. Received: a damaged one") from None


class _BoundedReader(io.BufferedReader):
    """Reads no more than `most` bytes at once: the directory of an archive, which zipfile reads
    whole, can be as large as the file.
    """

    most = MOST_PICKLE_BYTES

    def read(self, size: int = -1) -> bytes:
        data = super().read(min(size, self.most + 1) if size >= 0 else self.most + 1)
        require(len(data) <= self.most, f"at most {self.most:,} bytes at once", "more")
        return data


# The two forms of files.


def _read_zip(file: _BoundedReader, size: int) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        file.most = size
        lengths = {info.filename: info.file_size for info in archive.infolist()}
        require(sum(lengths.values()) <= size, f"records of {size:,} bytes at most", "more")
        pickles = [name for name in lengths if name.endswith("data.pkl")]
        require(len(pickles) == 1, "one data.pkl in the archive", len(pickles))
        folder, length = pickles[0].removesuffix("data.pkl"), lengths[pickles[0]]
        require(length <= MOST_PICKLE_BYTES, f"at most {MOST_PICKLE_BYTES:,} bytes", f"{length:,}")
        if f"{folder}byteorder" in lengths:
            order = archive.read(f"{folder}byteorder")
            require(order == b"little", "byteorder little", show(order))

        def find(dtype: np.dtype, key: str, count: int) -> np.ndarray:
            name, needed = f"data/{key}", count * dtype.itemsize
            length = lengths.get(folder + name)
            require(length == needed, f"{name} of {needed:,} bytes", length)
            return np.frombuffer(archive.read(folder + name), dtype)

        stream = io.BytesIO(archive.read(pickles[0]))
        return _check_tensors(_TensorUnpickler(stream, find).load())


def _read_legacy(file: _BoundedReader, size: int) -> dict[str, np.ndarray]:
    """Magic number, protocol, machine, tensors, keys, then each storage: its length and bytes."""
    stream = io.BytesIO(file.read(MOST_PICKLE_BYTES))
    storages: dict[str, np.ndarray] = {}

    def reserve(dtype: np.dtype, key: str, count: int) -> np.ndarray:
        needed = count * dtype.itemsize + sum(array.nbytes for array in storages.values())
        require(needed <= size, f"storages of {size:,} bytes at most", f"{needed:,}")
        return storages.setdefault(key, np.empty(count, dtype))

    _, protocol, machine, tensors, keys = (
        _TensorUnpickler(stream, reserve).load() for _ in range(5)
    )
    require(protocol == 1001, "protocol 1001", show(protocol))
    require(machine["little_endian"] is True, "a file of a little-endian machine", "another")
    require(sorted(keys) == sorted(storages), "the storages of the tensors", "others")
    end = stream.tell() + sum(8 + array.nbytes for array in storages.values())
    require(size == end, f"{end:,} bytes, as the tensors need", f"{size:,}")
    file.seek(stream.tell())
    for array in map(storages.get, keys):
        (count,) = struct.unpack("<q", file.read(8))
        require(count == len(array), f"a storage of {len(array)} elements", count)
        file.readinto(array)
    return _check_tensors(tensors)


def _check_tensors(value: Any) -> dict[str, np.ndarray]:
    require(isinstance(value, dict), "a dict of tensors", show(value))
    for name, tensor in value.items():
        require(isinstance(tensor, np.ndarray), f"a tensor as {show(name)}", show(tensor))
    return dict(value)


# What a pickle may be made of: None, bool, int, float, str, tuple, list, and these.


class _Storage(NamedTuple):
    """Numbers in a row, which tensors are views of."""

    array: np.ndarray

    def __repr__(self):
        return "a storage"


class _Dict(dict):
    """Names are its only keys: the hash of a tuple of tuples of one and the same never ends."""

    def __setitem__(self, key, value):
        require(isinstance(key, str), "names as keys", show(key))
        super().__setitem__(key, value)

    def __repr__(self):
        return "a dict"


def _ordered_dict(pairs: Any = ()) -> _Dict:
    """`OrderedDict()`, or of a list of [name, value], as in the published heads of LPIPS."""
    found = _Dict()
    for name, value in pairs:
        found[name] = value
    if pairs:
        # A list makes one dict only: a pickle could name it many times, and have as many copies.
        pairs.clear()
    return found


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> np.ndarray:
    """`_rebuild_tensor_v2`, or `_rebuild_tensor` before PyTorch 0.4; all in elements."""
    require(isinstance(storage, _Storage), "a tensor of a storage", show(storage))
    require(len(shape) <= MOST_DIMENSIONS, f"at most {MOST_DIMENSIONS} dimensions", len(shape))
    good = type(shape) is type(strides) is tuple and len(shape) == len(strides)
    good = good and all(map(_is_size, (offset, *shape, *strides)))
    require(good, "offset, shape and strides of a tensor", "others")
    array, count = storage.array, math.prod(shape)
    reach = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1
    # Strides of 0 would make any number of elements out of one.
    fits = not count or max(reach, count) <= len(array)
    require(fits, f"a tensor within its {len(array)} elements", f"{max(reach, count)} elements")
    # A tensor of no elements may begin behind the end.
    begin = array[offset:] if count else array[:0]
    steps = [step * array.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(begin, shape, steps, writeable=False)


def _parameter(tensor: Any, *_: Any) -> np.ndarray:
    require(isinstance(tensor, np.ndarray), "a parameter of a tensor", show(tensor))
    return tensor


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


_NAMES = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
}
_OPERATIONS = (
    "PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE "
    "SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT "
    "SETITEM SETITEMS GLOBAL REDUCE BUILD BINPERSID BINPUT LONG_BINPUT BINGET LONG_BINGET"
)


# Not `pickle.Unpickler`: that of C has operations that cannot be taken away from it, and allocates
# as much memory as a pickle names for what it remembers.
class _TensorUnpickler(pickle._Unpickler):
    """Loads a pickle and leaves the stream behind its end.

    Args:
        stream: of pickles.
        find: gives the numbers of a storage, by their type, key and count; called once for a key.
    """

    dispatch = {
        code: pickle._Unpickler.dispatch[code]
        for (code,) in (getattr(pickle, name) for name in _OPERATIONS.split())
    }

    def __init__(self, stream: BinaryIO, find: Callable[[np.dtype, str, int], np.ndarray]):
        super().__init__(stream)
        self.find, self.storages = find, {}

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        require(full in _NAMES, "tensors only", f"the name {show(full)}; not run")
        return _NAMES[full]

    def persistent_load(self, identity: Any) -> _Storage:
        kind, dtype, key, _, count, *view = identity
        good = kind == "storage" and isinstance(dtype, np.dtype) and _is_size(count)
        # Before PyTorch 0.4 there were views of storages too.
        good = good and re.fullmatch(r"[0-9]{1,20}", key) and view in ([], [None])
        require(bool(good), "a storage by its key", show(identity))
        if key not in self.storages:
            self.storages[key] = _Storage(self.find(dtype, key, count))
        known = self.storages[key].array
        same = known.dtype == dtype and len(known) == count
        require(same, f"storage {key} of {len(known)} {known.dtype}", f"of {count} {dtype}")
        return self.storages[key]

    def load_empty_dictionary(self):
        self.append(_Dict())

    def load_build(self):
        """The only state that a checkpoint has is `_metadata`, versions of modules: left out."""
        state, target = self.stack.pop(), self.stack[-1]
        good = type(target) is type(state) is _Dict and state.keys() == {"_metadata"}
        require(good, "tensors only", f"a state of {show(target)}; not run")

    dispatch[pickle.EMPTY_DICT[0]] = load_empty_dictionary
    dispatch[pickle.BUILD[0]] = load_build
