import io
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from checkpoints import (
    KINDS,
    MAGIC,
    NUMBERS,
    ORDERED,
    archive,
    call,
    checkpoint,
    dict_of,
    legacy,
    list_of,
    machine,
    name,
    number,
    of_tensor,
    one,
    parameter,
    pickled,
    refusal,
    storage,
    tensor,
    text,
    tuple_of,
    whole,
    zipped,
)

from gans.features import torch_weights
from gans.features.torch_weights import WeightsError, read

PKL = ("data.pkl", pickled(dict_of([("x", one())])))
DATA = ("data/0", NUMBERS.tobytes())
GOOD = {"zip": archive([PKL, DATA]), "legacy": legacy([("x", one())], [("0", NUMBERS)])}


@pytest.fixture
def file(tmp_path):
    """file(bytes): the path of a file of them."""

    def write(data, name="weights.pth"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


# What is read.


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_number(file, kind):
    random = np.random.default_rng(0)
    arrays = {
        "matrix": random.integers(0, 2, (2, 3)).astype(kind),
        "layers.0.weight": (random.normal(size=(2, 3, 4, 5)) * 50).astype(kind),
        "scalar": np.array(1, kind),
        "none": np.zeros((0, 3), kind),
    }
    found = read(file(checkpoint(arrays)))
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype == np.dtype(kind) and found[key].shape == array.shape
        assert not found[key].flags.writeable


def test_offsets_and_strides_of_one_storage(file):
    values = [
        ("rows", one()),
        ("columns", one(1, (6, 2), (1, 12))),
        ("tail", one(20, (4,), (1,))),
        ("every other", one(0, (12,), (2,))),
        ("parameter", parameter(one(5, (2,), (1,)))),
        ("behind the end", one(24, (0, 2), (2, 1))),
    ]
    found = read(file(zipped(dict_of(values))))
    np.testing.assert_array_equal(found["rows"], NUMBERS.reshape(4, 6))
    np.testing.assert_array_equal(found["columns"], [[1 + i, 13 + i] for i in range(6)])
    np.testing.assert_array_equal(found["tail"], [20, 21, 22, 23])
    np.testing.assert_array_equal(found["every other"], NUMBERS[::2])
    np.testing.assert_array_equal(found["parameter"], [5, 6])
    assert found["behind the end"].shape == (0, 2)
    assert np.shares_memory(found["rows"], found["tail"])


def test_state_dict_of_a_module_with_its_versions(file):
    # collections.OrderedDict(), filled, remembered, and given the state `_metadata`.
    filled = ORDERED + b"q\x07(" + text("x") + one() + b"u"
    state = dict_of([("_metadata", ORDERED)])
    found = read(file(zipped(filled + state + b"b")))
    assert list(found) == ["x"]


def test_older_form(file):
    other = np.array([[1, 2], [3, 4]], np.int64)
    values = [("x", whole(NUMBERS.reshape(4, 6), "94", b"N")), ("n", whole(other, "95", b"N"))]
    found = read(file(legacy(values, [("95", other), ("94", NUMBERS)])))
    np.testing.assert_array_equal(found["x"], NUMBERS.reshape(4, 6))
    np.testing.assert_array_equal(found["n"], other)


@pytest.mark.parametrize("function", ["_rebuild_tensor_v2", "_rebuild_tensor"])
def test_the_form_of_python_2(file, function):
    """All items of the dict given to it at once, as lists, and short texts: the heads of LPIPS."""

    def short(value):
        return b"U" + bytes([len(value)]) + value.encode()

    arrays = {"lin0": np.arange(6, dtype=np.float32).reshape(2, 3), "lin1": np.ones(4, np.float32)}
    items = []
    for key, (label, array) in enumerate(arrays.items()):
        value = whole(array, str(key), b"N")
        if function == "_rebuild_tensor":
            value = value.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor")
            value = value.replace(b"\x89" + ORDERED, b"")
        items.append(list_of(short(label), value))
    data = MAGIC + machine()
    data += pickled(call(name("collections", "OrderedDict"), list_of(*items)))
    data += pickled(list_of(text("0"), text("1")))
    for array in arrays.values():
        data += struct.pack("<q", array.size) + array.tobytes()
    found = read(file(data))
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)


def test_forms_are_told_by_their_first_bytes():
    assert all(torch_weights.is_torch(data[:16]) for data in GOOD.values())
    assert not torch_weights.is_torch(b"\n\x15\n\x04conv" * 4)


def test_a_published_name_needs_the_published_bytes(file, monkeypatch):
    path = file(GOOD["zip"], "vgg16-397923af.pth")
    assert "397923af" in refusal(path) and torch_weights.sha256(path) in refusal(path)
    own = file(GOOD["zip"], f"vgg16-{torch_weights.sha256(path)[:8]}.pth")
    assert list(read(own)) == list(read(file(GOOD["zip"], "mine-20240101.pth"))) == ["x"]


# Tensors that do not fit.


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (one(1), "25 elements"),
        (one(0, (4, 6), (7, 1)), "27 elements"),
        (one(24, (1,), (1,)), "25 elements"),
        (one(0, (2,), (2**62,)), "4611686018427387905 elements"),
        (one(0, (25,), (0,)), "25 elements"),
        (one(0, (5, 5), (1, 1)), "25 elements"),
        (one(-1), "strides of a tensor. Received: others"),
        (one(0, (4, 6), (-6, 1)), "strides of a tensor. Received: others"),
        (one(0, (-4, 6), (6, 1)), "strides of a tensor. Received: others"),
        (one(0, (4, 6), (1,)), "strides of a tensor. Received: others"),
        (one(2**63), "strides of a tensor. Received: others"),
        (one(0, (1,) * 17, (1,) * 17), "16 dimensions. Received: 17"),
        (one(count=-24), "a storage by its key. Received: ('storage'"),
        (one(count=12, shape=(12,), strides=(1,)), "data/0 of 48 bytes. Received: 96"),
        (one(kind="DoubleStorage"), "data/0 of 192 bytes. Received: 96"),
        (tensor(storage("FloatStorage", "1", 4), 0, (4,), (1,)), "data/1 of 16 bytes. Received"),
        (tensor(storage("FloatStorage", "../0", 4), 0, (4,), (1,)), "'../0'"),
        (tensor(storage("UntypedStorage", "0", 4), 0, (4,), (1,)), "'torch.UntypedStorage'"),
    ],
)
def test_a_tensor_lies_within_its_storage(file, value, received):
    assert received in refusal(file(of_tensor(value)))


def test_a_storage_is_one_thing(file):
    values = [("x", one()), ("y", one(shape=(12,), strides=(1,), kind="DoubleStorage", count=12))]
    message = "storage 0 of 24 float32. Received: of 12 float64"
    assert message in refusal(file(zipped(dict_of(values))))


# Files that are not what they should be.


@pytest.mark.parametrize(
    ("records", "received"),
    [
        ([DATA], "one data.pkl in the archive. Received: 0"),
        ([PKL, DATA, ("data/1/data.pkl", b"")], "one data.pkl in the archive. Received: 2"),
        ([PKL], "data/0 of 96 bytes. Received: None"),
        ([PKL, DATA, ("byteorder", b"big")], "Received: b'big'"),
        ([("data.pkl", pickled(text("a" * 2**20))), DATA], "at most 1,048,576 bytes"),
    ],
)
def test_records_are_those_of_torch_save(file, records, received):
    assert received in refusal(file(archive(records)))


def patched(data, at, form, *values):
    end = at + struct.calcsize(form)
    return data[:at] + struct.pack(form, *values) + data[end:]


def test_sizes_that_are_claimed_are_compared_with_the_file(file):
    data = GOOD["zip"]
    entry = data.rindex(b"PK\1\2")  # Of data/0: both its sizes in the directory.
    message = f"records of {len(data):,} bytes at most"
    assert message in refusal(file(patched(data, entry + 20, "<LL", 2**31, 2**31)))
    for size in (97, 200):
        claimed = patched(data, entry + 20, "<LL", size, size)
        assert f"data/0 of 96 bytes. Received: {size}" in refusal(file(claimed))
    bomb = archive([PKL, ("data/0", b"\0" * 2**22)], compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**16 and "at most. Received: more" in refusal(file(bomb))
    # A directory that is read at once.
    many = archive([PKL, *((f"data/{i}", b"") for i in range(20_000))])
    assert "at most 1,048,576 bytes at once. Received: more" in refusal(file(many))


@pytest.mark.parametrize("form", GOOD)
def test_damage_is_noticed(file, form):
    good = GOOD[form]
    assert list(read(file(good))) == ["x"]
    for length in range(0, len(good), 3):
        assert "Received: " in refusal(file(good[:length]))
    if form == "legacy":
        refusal(file(good + b"\0"))
    else:
        at = good.index(DATA[1])
        refusal(file(good[: at + 5] + bytes([good[at + 5] ^ 1]) + good[at + 6 :]))


def test_noise_ends_in_one_line_or_in_tensors(file):
    random = np.random.default_rng(1)
    for turn in range(300):
        data = bytearray(GOOD["zip" if turn % 2 else "legacy"])
        for at in random.integers(0, len(data), 1 + turn % 3):
            data[at] = random.integers(256)
        try:
            found = read(file(bytes(data)))
        except WeightsError as error:
            assert "\n" not in str(error)
        else:
            assert all(isinstance(array, np.ndarray) for array in found.values())


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (legacy([("x", one())], []), "storages of the tensors"),
        (legacy([("x", one())], [("0", NUMBERS), ("0", NUMBERS)]), "storages of the tensors"),
        (legacy([("x", one())], [("1", NUMBERS)]), "storages of the tensors"),
        (legacy([("x", one())], [("0", NUMBERS[:20])]), "as the tensors need. Received: "),
        (legacy([], [], machine(b"\x89")), "little-endian machine. Received: another"),
        (legacy([], [], machine(protocol=1002)), "protocol 1001. Received: 1002"),
        (MAGIC, "Received: a damaged one"),
        (MAGIC + machine() + PKL[1] + pickled(number(1)), "Received: a damaged one"),
        (patched(GOOD["legacy"], len(GOOD["legacy"]) - 104, "<q", 2**60), "1152921504606846976"),
    ],
)
def test_older_form_is_as_it_should_be(file, data, received):
    assert received in refusal(file(data))


def test_views_of_storages_are_refused(file):
    view = tuple_of(text("1"), number(0), number(24))
    value = tensor(storage("FloatStorage", "0", 24, view), 0, (24,), (1,))
    assert "('1', 0, 24)" in refusal(file(legacy([("x", value)], [("0", NUMBERS)])))


@pytest.mark.parametrize("data", [b"", b"PK", b"\x80\x04\x95", b"ustar", b"\n\x0c\n\x04conv"])
def test_other_files_are_named_by_how_they_begin(file, data):
    assert f"Received: a file that begins {data!r}" in refusal(file(data))


def test_files_that_cannot_be_read(tmp_path, file, monkeypatch):
    assert "Received: No such file or directory" in refusal(tmp_path / "none.pth")
    assert "Received: Is a directory" in refusal(tmp_path)
    monkeypatch.setattr(torch_weights, "MOST_FILE_BYTES", 100)
    path = file(GOOD["zip"])
    assert f"at most 100 bytes. Received: {path.stat().st_size}" in refusal(path)


def test_claims_are_checked_before_anything_is_allocated(file):
    claims = [
        of_tensor(one(shape=(2**40,), strides=(1,), count=2**40)),
        of_tensor(one(shape=(2**40,), strides=(0,))),
        of_tensor(one(shape=(2**62, 2**62), strides=(0, 0), count=2**62)),
        legacy([("x", one(shape=(2**40,), strides=(1,), count=2**40))], [("0", NUMBERS)]),
        # What is remembered under a large number: the unpickler of C makes room for all below it.
        zipped(b"Nr\xff\xff\xff\x7f" + b"0"),
    ]
    tracemalloc.start()
    try:
        for data in claims:
            refusal(file(data))
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


# Code in the pickle.


def system(command):
    return call(name("os", "system"), text(command))


V2 = name("torch._utils", "_rebuild_tensor_v2")
# Each puts `run`, a call that writes a file, somewhere.
TRAPS = {
    "the whole": lambda run: run,
    "a value": lambda run: dict_of([("x", one()), ("y", run)]),
    "a value of a value": lambda run: dict_of([("x", dict_of([("y", run)]))]),
    "a list": lambda run: dict_of([("x", list_of(run))]),
    "a key": lambda run: b"}" + run + one() + b"s",
    "a shape": lambda run: dict_of([("x", call(V2, storage("FloatStorage", "0", 24), run))]),
    "a storage": lambda run: dict_of([("x", tensor(run, 0, (1,), (1,)))]),
    "hooks": lambda run: call(name("torch._utils", "_rebuild_parameter"), one(), b"\x88", run),
    "a state": lambda run: ORDERED + dict_of([("_metadata", run)]) + b"b",
    "what is dropped": lambda run: run + b"0" + dict_of([("x", one())]),
}


@pytest.mark.parametrize("place", TRAPS)
def test_a_call_is_refused_wherever_it_is(file, tmp_path, monkeypatch, place):
    marker = tmp_path / "it ran"
    value = TRAPS[place](system(f"touch '{marker}'"))
    monkeypatch.setattr(os, "system", lambda command: marker.touch())
    assert "'os.system'; not run" in refusal(file(zipped(value)))
    assert "'os.system'; not run" in refusal(file(MAGIC + machine() + pickled(value)))
    assert not marker.exists()


def test_the_trap_is_one(file, tmp_path):
    """What `pickle` does with the same bytes."""
    marker = tmp_path / "it ran"
    value = TRAPS["a value of a value"](system(f"touch '{marker}'"))
    refusal(file(zipped(value)))
    assert not marker.exists()
    pickle.loads(pickled(value))
    assert marker.exists()


def test_no_module_is_imported_for_its_name(file, tmp_path, monkeypatch):
    (tmp_path / "trap_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    message = refusal(file(zipped(dict_of([("x", name("trap_module", "Weights"))]))))
    assert "'trap_module.Weights'; not run" in message
    assert set(sys.modules) == before


ORDERED_NAME = name("collections", "OrderedDict")
STATE = dict_of([("_metadata", b"N")])


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (call(name("builtins", "eval"), text("1")), "'builtins.eval'; not run"),
        (name("torch._utils", "_rebuild_tensor_v2.__globals__"), "__globals__'; not run"),
        (name("torch", "FloatStorage.os\x00"), "'torch.FloatStorage.os"),
        (text("os") + text("system") + b"\x93" + tuple_of(text("x")) + b"R", "damaged"),
        (b"(" + text("x") + b"ios\nsystem\n", "damaged"),
        (b"(" + ORDERED_NAME + b"o", "damaged"),
        (ORDERED_NAME + b")\x81", "damaged"),
        (ORDERED_NAME + b")}\x92", "damaged"),
        (b"Pos.system\n", "damaged"),
        (b"\x82\x01", "damaged"),
        (b"C\x01a", "damaged"),
        (b"\x97", "damaged"),
        (b"]\x85Q", "damaged"),
        (text("os") + b"Q", "damaged"),
        (text("os") + b")R", "damaged"),
        (one() + b")R", "damaged"),
        (name("torch", "FloatStorage") + b")R", "damaged"),
        (call(ORDERED_NAME, tuple_of(list_of(text("x"), b"N"))), "damaged"),
        (b"}" + dict_of([("x", b"N")]) + b"b", "a state of a dict; not run"),
        (ORDERED + dict_of([("__class__", b"N")]) + b"b", "a state of a dict; not run"),
        (one() + STATE + b"b", "a state of an array"),
        (ORDERED_NAME + STATE + b"b", "a state of <function"),
        (V2 + b"N" + dict_of([("__defaults__", b"N")]) + b"\x86b", "a state of <function"),
    ],
)
def test_no_other_way_to_a_call(file, value, received):
    assert received in refusal(file(zipped(dict_of([("x", value)]))))


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (list_of(one()), "a dict of tensors. Received: [array("),
        (one(), "a dict of tensors. Received: an array"),
        (b"N", "a dict of tensors. Received: None"),
        (dict_of([("epoch", number(3))]), "a tensor as 'epoch'. Received: 3"),
        (dict_of([("a\nb", dict_of([]))]), r"a tensor as 'a\nb'. Received: a dict"),
        (dict_of([("x", storage("FloatStorage", "0", 24))]), "'x'. Received: a storage"),
        (b"}" + number(1) + one() + b"s", "names as keys. Received: 1"),
        (b"}" + number(2**70) + one() + b"s", f"Received: {2**70}"),
        (call(name("torch._utils", "_rebuild_parameter"), b"N", b"N", b"N"), "Received: None"),
    ]
    + [
        (value, "Received: a damaged one")
        for value in [b"", b"t", b"}u", b"R", b"h\x09", b"}(" + text("x") + b"u", b"(s", b"(\x85"]
        + [b"\xff", b"X\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8, b"Ix\n", b"I" + b"9" * 5000]
        + [b"]" + text("x") + one() + b"s", b"}" + one() + b"a"]
        + [call(V2, storage("FloatStorage", "0", 24))]
    ],
)
def test_anything_but_tensors_is_refused(file, value, received):
    assert received in refusal(file(zipped(value)))


# Bombs.


def test_what_is_recalled_is_not_multiplied(file):
    """Two of two of two ..., a hundred times: 2^100 values where they were taken apart."""
    twice = (b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(100))
    doubling = tuple_of(b")q\x00", *twice)
    assert "a tensor as 'x'. Received: ((" in refusal(file(of_tensor(doubling)))
    # As a key its hash would never end.
    key = b"}q\xc8" + doubling + one() + b"s"
    assert "names as keys. Received: ((" in refusal(file(zipped(key)))
    pairs = call(ORDERED_NAME, list_of(list_of(doubling, b"N")))
    assert "names as keys. Received: ((" in refusal(file(zipped(pairs)))


def test_a_list_makes_one_dict(file):
    """Otherwise 20,000 names, recalled 30,000 times, were 40 GB."""
    pairs = list_of(list_of(text("x"), b"N"))
    first = call(ORDERED_NAME, pairs + b"q\xc8")
    again = call(ORDERED_NAME, b"h\xc8")
    values = torch_weights._TensorUnpickler(
        io.BytesIO(pickled(tuple_of(first, again))), None
    ).load()
    assert values == ({"x": None}, {})


def test_deep_nesting_and_many_operations_end(file):
    most = torch_weights.MOST_PICKLE_BYTES // 2
    assert "a dict of tensors. Received: ((" in refusal(file(zipped(b")" + b"\x85" * most)))
    # Marks at the bottom, so that every tuple is looked for from the top.
    refusal(file(zipped(b"(" + b"N" * 20_000 + b"(t" * 20_000 + b"tt")))
