"""Writes files as torch.save does, opcode by opcode: good ones, and any other."""

import io
import struct
import zipfile

import numpy as np
import pytest

from gans.features.torch_weights import WeightsError, read

NUMBERS = np.arange(24, dtype=np.float32)
KINDS = {
    "f4": "FloatStorage",
    "f8": "DoubleStorage",
    "f2": "HalfStorage",
    "i8": "LongStorage",
    "i4": "IntStorage",
    "i2": "ShortStorage",
    "i1": "CharStorage",
    "u1": "ByteStorage",
}


def pickled(value):
    return b"\x80\x02" + value + b"."


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def list_of(*parts):
    return b"](" + b"".join(parts) + b"e"


def dict_of(pairs):
    return b"}(" + b"".join(text(key) + value for key, value in pairs) + b"u"


def call(function, *arguments):
    return function + tuple_of(*arguments) + b"R"


ORDERED = name("collections", "OrderedDict") + b")R"


def storage(kind, key, count, *view):
    parts = text("storage"), name("torch", kind), text(key), text("cpu"), number(count), *view
    return tuple_of(*parts) + b"Q"


def tensor(stored, offset, shape, strides):
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        stored,
        number(offset),
        tuple_of(*map(number, shape)),
        tuple_of(*map(number, strides)),
        b"\x89",
        ORDERED,
    )


def parameter(value):
    return call(name("torch._utils", "_rebuild_parameter"), value, b"\x88", ORDERED)


def archive(records, prefix="archive/", compression=zipfile.ZIP_STORED):
    """The bytes of a zip of (name, bytes); prefix goes before each name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for key, data in records:
            file.writestr(prefix + key, data)
    return buffer.getvalue()


def whole(array, key, *view):
    """A tensor that is all of a storage, row by row."""
    steps = [int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim)]
    kind = KINDS[array.dtype.str[1:]]
    return tensor(storage(kind, key, array.size, *view), 0, array.shape, steps)


def checkpoint(arrays):
    """The bytes of a zip checkpoint of arrays by name."""
    pairs = [(key, whole(array, str(i))) for i, (key, array) in enumerate(arrays.items())]
    records = [("data.pkl", pickled(dict_of(pairs))), ("byteorder", b"little")]
    for i, array in enumerate(arrays.values()):
        records.append((f"data/{i}", array.tobytes()))
    return archive([*records, ("version", "3\n")])


MAGIC = pickled(b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19")


def machine(little=b"\x88", protocol=1001):
    return pickled(number(protocol)) + pickled(dict_of([("little_endian", little)]))


def legacy(pairs, storages, head=None):
    """The bytes of the form before PyTorch 1.6, of (name, value) and (key, elements)."""
    data = MAGIC + (head or machine()) + pickled(dict_of(pairs))
    data += pickled(list_of(*(text(key) for key, _ in storages)))
    for _, elements in storages:
        data += struct.pack("<q", elements.size) + elements.tobytes()
    return data


def zipped(value, records=None):
    """A checkpoint of a pickled value, and of one storage of 24 floats."""
    records = [("data/0", NUMBERS.tobytes())] if records is None else records
    return archive([("data.pkl", pickled(value)), *records])


def of_tensor(value):
    return zipped(dict_of([("x", value)]))


def one(offset=0, shape=(4, 6), strides=(6, 1), kind="FloatStorage", count=24):
    return tensor(storage(kind, "0", count), offset, shape, strides)


def refusal(path):
    """The one line with which a file is refused; nothing else of the machine is asked meanwhile."""
    with pytest.raises(WeightsError) as error:
        read(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400 + len(str(path))
    assert str(path) in str(error.value)
    return str(error.value)
