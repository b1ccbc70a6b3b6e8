"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without running any of it.

    read("pt_inception-2015-12-05-6726825d.pth")        {"fc.weight": float32 (1008, 2048), ...}

A checkpoint is a pickle and the storages that it describes tensors of. Nothing is loaded:
gans/features/torch_pickle.py follows the pickle, and knows nothing but tensors.

Both forms of `torch.save` are read: the zip archive of PyTorch 1.6 and later, and the stream of
pickles before it, in which the published Inception weights of 2019 are. Sizes are held against the
file before anything is allocated. What is allocated are the storages as they lie in the file, once
each; the tensors are read-only views of them.

Sources: torch/serialization.py (`_save`, `_legacy_save`, `_load`, `_legacy_load`) and
torch/csrc/serialization.cpp (the older form's storages) of pytorch/pytorch.
"""

import io
import math
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gans.features.torch_pickle import KINDS, Storage, Tensor, WeightsError, require, run, show

# The first bytes of the two forms; the second is a pickle of PyTorch's magic number.
ZIP, LEGACY = b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
MOST_FILE_BYTES = 2 << 30
MOST_PICKLE_BYTES = 4 << 20  # That of Inception has 80 kB.
MOST_ENTRIES = 20_000
MOST_DIRECTORY_BYTES = 4 << 20
_PROTOCOL = 1001  # Of the older form.


def is_torch(start: bytes) -> bool:
    """Whether a file that begins with these bytes, 16 or more, is a checkpoint of either form."""
    return start.startswith((ZIP, LEGACY))


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, in the order of the file.

    Args:
        path: of a file that `torch.save` wrote of a dict (or OrderedDict) from names to tensors or
            parameters.

    Returns:
        Read-only arrays in the machine's byte order: float16, float32, float64, int8 to int64,
        uint8, bool; bfloat16 becomes float32, which holds it exactly. Tensors that share a storage
        share memory.

    Raises:
        WeightsError: The file cannot be read, is damaged, is no such checkpoint, or holds anything
            but tensors; in one line. Nothing in it was run.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            start = file.read(len(LEGACY))
            require(size <= MOST_FILE_BYTES, f"at most {MOST_FILE_BYTES:,} bytes", f"{size:,}")
            if start.startswith(ZIP):
                return _read_zip(file, size)
            if start == LEGACY:
                return _read_legacy(file, size)
            raise WeightsError(
                f"expected a checkpoint of torch.save. Received: a file that begins {start[:8]!r}"
            )
    except OSError as error:
        raise WeightsError(f"expected {path}. Received: {error.strerror or error}") from None
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None


# From descriptions to arrays.


def _tensors_of(value: Any) -> dict[str, Tensor]:
    require(isinstance(value, dict), "a dict of tensors", show(value))
    for name, tensor in value.items():
        require(isinstance(tensor, Tensor), f"a tensor as {show(name)}", show(tensor))
    return value


def _storages_of(tensors: dict[str, Tensor]) -> dict[str, Storage]:
    """By key. One that is called two things is a trick."""
    storages: dict[str, Storage] = {}
    for tensor in tensors.values():
        known = storages.setdefault(tensor.storage.key, tensor.storage)
        if known != tensor.storage:
            raise WeightsError(f"expected storage {known.key} to be one thing. Received: two")
    return storages


def _bytes_of(storage: Storage) -> int:
    return storage.count * np.dtype(KINDS[storage.kind]).itemsize


def _array(storage: Storage, data: bytes, little: bool) -> np.ndarray:
    """The elements of a storage in the machine's order."""
    stored = np.dtype(KINDS[storage.kind])
    array = np.frombuffer(data, stored if little else stored.newbyteorder(">"))
    array = array.astype(stored.newbyteorder("="), copy=False)
    if storage.kind == "torch.BFloat16Storage":
        array = (array.astype(np.uint32) << 16).view(np.float32)  # The upper half of a float32.
    if stored.kind == "b" and np.any(array.view(np.uint8) > 1):
        raise WeightsError("expected booleans of 0 and 1. Received: others")
    return array


def _views(tensors: dict[str, Tensor], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = {}
    for name, tensor in tensors.items():
        array = arrays[tensor.storage.key]
        # One of no elements may begin behind the end.
        begin = array[tensor.offset :] if math.prod(tensor.shape) else array[:0]
        strides = [step * array.itemsize for step in tensor.strides]
        found[name] = np.lib.stride_tricks.as_strided(begin, tensor.shape, strides, writeable=False)
    return found


# The archive of PyTorch 1.6 and later.


def _read_zip(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    with _open_zip(file, size) as archive:
        entries = _check_entries(archive.infolist(), size)

        def record(name: str, most: int = MOST_PICKLE_BYTES) -> bytes:
            require(name in entries, f"the record {name}", "an archive without it")
            length = entries[name].file_size
            require(length <= most, f"at most {most:,} bytes of {name}", f"{length:,}")
            try:
                return archive.read(entries[name])
            except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, OSError):
                raise WeightsError(f"expected a whole {name}. Received: a damaged one") from None

        order = record("byteorder") if "byteorder" in entries else b"little"
        require(order in (b"little", b"big"), "little or big as byteorder", show(order))
        tensors = _tensors_of(run(io.BytesIO(record("data.pkl"))))
        arrays = {}
        for key, storage in _storages_of(tensors).items():
            name, length = f"data/{key}", _bytes_of(storage)
            require(name in entries, f"the record {name}", "an archive without it")
            found = entries[name].file_size
            require(found == length, f"{name} of {show(length)} bytes", f"{found}")
            arrays[key] = _array(storage, record(name, length), order == b"little")
    return _views(tensors, arrays)


def _open_zip(file: BinaryIO, size: int) -> zipfile.ZipFile:
    """Opens an archive after its directory, all of which is read at once, is known to be small."""
    tail_size = min(size, 98)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    end = tail[-22:]
    require(
        len(end) == 22 and end.startswith(b"PK\5\6"), "a whole zip archive", "one that is cut off"
    )
    entries, directory = struct.unpack("<H L", end[10:12] + end[12:16])[0:2]
    if tail[-42:-38] == b"PK\6\7":
        require(tail.startswith(b"PK\6\6"), "a whole zip archive", "a damaged one")
        entries, directory = struct.unpack("<QQ", tail[32:48])
    require(entries <= MOST_ENTRIES, f"at most {MOST_ENTRIES:,} entries", f"{entries:,}")
    require(
        directory <= min(MOST_DIRECTORY_BYTES, size),
        f"a directory of at most {MOST_DIRECTORY_BYTES:,} bytes",
        f"{directory:,}",
    )
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error):
        raise WeightsError("expected a whole zip archive. Received: a damaged one") from None


def _check_entries(infos: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """Entries by their name below the one folder that they are in."""
    require(len(infos) <= MOST_ENTRIES, f"at most {MOST_ENTRIES:,} entries", f"{len(infos):,}")
    tops = [info.filename for info in infos if info.filename.endswith("/data.pkl")]
    require(len(tops) == 1, "one data.pkl in the archive", f"{len(tops)}")
    prefix = tops[0].removesuffix("data.pkl")
    named = re.fullmatch(r"[^/\\\x00-\x1f]+/", prefix) and prefix not in ("./", "../")
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removeprefix(prefix)
        # As torch.save names them, with room for what a later one adds beside the tensors.
        known = re.fullmatch(r"data\.pkl|byteorder|version|data/[0-9]{1,20}|\.[a-z_./]{1,60}", name)
        if not named or info.filename == name or not known or ".." in name:
            raise WeightsError(
                f"expected the records of torch.save. Received: {show(info.filename)}"
            )
        require(name not in entries, "one record of each name", f"two {show(name)}")
        plain = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
        require(
            plain and not info.flag_bits & 1, "records stored as they are", f"{name} compressed"
        )
        entries[name] = info
    claimed = sum(info.file_size for info in infos)
    require(claimed <= size, f"records of at most {size:,} bytes", show(claimed))
    return entries


# The stream of pickles before PyTorch 1.6.


def _read_legacy(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    """Magic number, protocol, machine, tensors, keys, then each storage: its length and bytes."""
    file.seek(0)
    stream = io.BytesIO(file.read(MOST_PICKLE_BYTES))
    run(stream)  # The magic number, by which the file was told.
    protocol, machine = run(stream), run(stream)
    require(protocol == _PROTOCOL, f"protocol {_PROTOCOL}", show(protocol))
    little = isinstance(machine, dict) and machine.get("little_endian") is True
    require(little, "a file of a little-endian machine", "another")
    tensors = _tensors_of(run(stream))
    storages = _storages_of(tensors)
    keys = run(stream)
    require(
        type(keys) is list and all(isinstance(key, str) for key in keys), "a list of keys", "none"
    )
    if sorted(keys) != sorted(storages):
        raise WeightsError("expected the storages of the tensors, once each. Received: others")
    needed = sum(8 + _bytes_of(storage) for storage in storages.values())
    require(
        stream.tell() + needed == size,
        f"{stream.tell() + needed:,} bytes, as the tensors need",
        f"{size:,}",
    )
    file.seek(stream.tell())
    arrays = {}
    for key in keys:
        (count,) = struct.unpack("<q", file.read(8))
        require(
            count == storages[key].count, f"a storage of {storages[key].count}", f"{count} elements"
        )
        arrays[key] = _array(storages[key], file.read(_bytes_of(storages[key])), little=True)
    return _views(tensors, arrays)
