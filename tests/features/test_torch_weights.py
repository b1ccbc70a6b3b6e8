import struct
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

RANDOM = np.random.default_rng(0)


@pytest.fixture
def file(tmp_path):
    """file(bytes): the path of a file of them."""

    def write(data):
        (tmp_path / "weights.pth").write_bytes(data)
        return tmp_path / "weights.pth"

    return write


# What is read.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_kind_of_number_in_either_order(file, kind, order):
    arrays = {
        "matrix": RANDOM.integers(0, 2, (2, 3)).astype(kind),
        "layers.0.weight": (RANDOM.normal(size=(2, 3, 4, 5)) * 50).astype(kind),
        "scalar": np.array(1, kind),
        "none": np.zeros((0, 3), kind),
    }
    found = read(file(checkpoint(arrays, order)))
    assert list(found) == list(arrays)
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype == np.dtype(kind) and found[key].shape == array.shape
        assert not found[key].flags.writeable


def test_bfloat16_is_the_upper_half_of_a_float32(file):
    exact = np.array([1.0, -2.5, 3.140625, 2.0**100, np.inf, -0.0], np.float32)
    halves = (exact.view(np.uint32) >> 16).astype(np.uint16)
    value = dict_of([("x", tensor(storage("BFloat16Storage", "0", 6), 0, (6,), (1,)))])
    for order, data in (("little", halves.tobytes()), ("big", halves.byteswap().tobytes())):
        found = read(file(zipped(value, [("data/0", data), ("byteorder", order)])))["x"]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.view(np.uint32), exact.view(np.uint32))


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


def test_forms_are_told_by_their_first_bytes(file):
    assert torch_weights.is_torch(checkpoint({"x": NUMBERS})[:16])
    assert torch_weights.is_torch(legacy([], [])[:16])
    assert not torch_weights.is_torch(b"\n\x15\n\x04conv" * 4)


# Tensors that do not fit.


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (one(1), "within its storage of 24 elements. Received: one that reaches 25"),
        (one(0, (4, 6), (7, 1)), "Received: one that reaches 27"),
        (one(24, (1,), (1,)), "Received: one that reaches 25"),
        (one(0, (2,), (2**62,)), "Received: one that reaches 4611686018427387905"),
        (one(0, (25,), (0,)), "at most the 24 elements of the storage. Received: shape 25"),
        (one(0, (5, 5), (1, 1)), "Received: shape 5x5"),
        (one(-1), "offset, shape and strides of a tensor. Received: others"),
        (one(0, (4, 6), (-6, 1)), "offset, shape and strides"),
        (one(0, (-4, 6), (6, 1)), "offset, shape and strides"),
        (one(0, (4, 6), (1,)), "offset, shape and strides"),
        (one(2**63), "offset, shape and strides"),
        (one(0, (1,) * 17, (1,) * 17), "expected at most 16 dimensions. Received: 17"),
        (one(count=-24), "another persistent identity"),
        (one(count=12, shape=(12,), strides=(1,)), "data/0 of 48 bytes. Received: 96"),
        (one(kind="DoubleStorage"), "data/0 of 192 bytes. Received: 96"),
        (tensor(storage("FloatStorage", "1", 4), 0, (4,), (1,)), "record data/1. Received"),
        (
            tensor(storage("FloatStorage", "../0", 4), 0, (4,), (1,)),
            "as storage key. Received: '..",
        ),
        (tensor(storage("UntypedStorage", "0", 4), 0, (4,), (1,)), "'torch.UntypedStorage'"),
    ],
)
def test_a_tensor_lies_within_its_storage(file, value, message):
    assert message in refusal(file(of_tensor(value)))


def test_a_storage_is_one_thing(file):
    values = [("x", one()), ("y", one(shape=(12,), strides=(1,), kind="DoubleStorage", count=12))]
    message = "expected storage 0 to be one thing. Received: two"
    assert message in refusal(file(zipped(dict_of(values))))


def test_booleans_are_0_or_1(file):
    value = dict_of([("x", tensor(storage("BoolStorage", "0", 2), 0, (2,), (1,)))])
    assert "booleans" in refusal(file(zipped(value, [("data/0", b"\x01\x02")])))


# Archives.

PKL = ("data.pkl", pickled(dict_of([("x", one())])))
DATA = ("data/0", NUMBERS.tobytes())


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([DATA], "expected one data.pkl in the archive. Received: 0"),
        (
            [PKL, DATA, ("data/1/data.pkl", b"")],
            "expected one data.pkl in the archive. Received: 2",
        ),
        ([PKL], "expected the record data/0. Received: an archive without it"),
        ([PKL, DATA, ("../x", b"")], "Received: 'archive/../x'"),
        ([PKL, DATA, (".data/../../x", b"")], "Received: 'archive/.data/../../x'"),
        ([PKL, DATA, ("data/a", b"")], "Received: 'archive/data/a'"),
        (
            [PKL, DATA, ("code/m.py", b"")],
            "expected the records of torch.save. Received: 'archive/c",
        ),
        ([PKL, DATA, ("byteorder", b"middle")], "little or big as byteorder. Received: b'middle'"),
    ],
)
def test_records_are_those_of_torch_save(file, records, message):
    assert message in refusal(file(archive(records)))


@pytest.mark.parametrize("prefix", ["/", "", "a/b/", "../"])
def test_one_folder_and_no_way_out_of_it(file, prefix):
    message = refusal(file(archive([PKL, DATA], prefix)))
    assert "expected one data.pkl" in message or "expected the records of torch.save" in message
    two = archive([("a/data.pkl", PKL[1]), ("b/data/0", DATA[1])], "")
    assert "Received: 'b/data/0'" in refusal(file(two))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_name_occurs_once(file):
    assert "one record of each name. Received: two 'data/0'" in refusal(
        file(archive([PKL, DATA, DATA]))
    )


def test_compressed_records_are_refused(file):
    bomb = archive([PKL, ("data/0", b"\0" * 2**22)], compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**16
    assert "records stored as they are. Received: data.pkl compressed" in refusal(file(bomb))


def patched(data, at, form, *values):
    end = at + struct.calcsize(form)
    return data[:at] + struct.pack(form, *values) + data[end:]


def test_sizes_that_are_claimed_are_held_against_the_file(file):
    data = archive([PKL, DATA])
    entry = data.rindex(b"PK\1\2")  # Of data/0: both its sizes in the directory.
    claimed = patched(data, entry + 20, "<LL", 2**31, 2**31)
    message = f"expected records of at most {len(data):,} bytes. Received: 2147483"
    assert message in refusal(file(claimed))
    for size in (97, 200):
        claimed = patched(data, entry + 20, "<LL", size, size)
        assert "data/0 of 96 bytes. Received: " in refusal(file(claimed))
    flags = patched(data, entry + 8, "<H", 1)
    assert "stored as they are" in refusal(file(flags))


def test_the_directory_is_small(file, monkeypatch):
    data = archive([PKL, DATA])
    assert "expected at most 20,000 entries. Received: 20,001" in refusal(
        file(patched(data, len(data) - 12, "<H", 20_001))
    )
    for claim, message in (
        (len(data) + 1, "a directory of at most 4,194,304 bytes. Received: "),
        (2**32 - 1, "a directory of at most 4,194,304 bytes. Received: 4,294,967,295"),
    ):
        assert message in refusal(file(patched(data, len(data) - 10, "<L", claim)))
    monkeypatch.setattr(torch_weights, "MOST_ENTRIES", 20)
    many = archive([PKL, DATA, *((f"data/{i}", b"") for i in range(1, 30))])
    many = patched(many, len(many) - 12, "<H", 2)  # Few, by its own account.
    assert "expected at most 20 entries. Received: 31" in refusal(file(many))


def test_damage_is_noticed(file):
    good = archive([PKL, DATA])
    at = good.index(DATA[1])
    flipped = good[: at + 5] + bytes([good[at + 5] ^ 1]) + good[at + 6 :]
    assert "expected a whole data/0. Received: a damaged one" in refusal(file(flipped))
    assert "expected a whole zip archive" in refusal(file(good + b"\0"))


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_no_part_of_a_file_is_taken_for_the_whole(file, form):
    good = archive([PKL, DATA])
    if form == "legacy":
        good = legacy([("x", one())], [("0", NUMBERS)])
    assert list(read(file(good))) == ["x"]
    for length in range(0, len(good), 3):
        assert "Received: " in refusal(file(good[:length]))


def test_noise_ends_in_one_line_or_in_tensors(file):
    random = np.random.default_rng(1)
    goods = [archive([PKL, DATA]), legacy([("x", one())], [("0", NUMBERS)])]
    for turn in range(300):
        data = bytearray(goods[turn % 2])
        for at in random.integers(0, len(data), 1 + turn % 3):
            data[at] = random.integers(256)
        try:
            found = read(file(bytes(data)))
        except WeightsError as error:
            assert "\n" not in str(error)
        else:
            assert all(isinstance(array, np.ndarray) for array in found.values())


# The older form.


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (legacy([("x", one())], []), "expected the storages of the tensors, once each"),
        (legacy([("x", one())], [("0", NUMBERS), ("0", NUMBERS)]), "once each. Received: others"),
        (legacy([("x", one())], [("1", NUMBERS)]), "once each. Received: others"),
        (legacy([("x", one())], [("0", NUMBERS[:20])]), "as the tensors need. Received: "),
        (legacy([("x", one())], [("0", NUMBERS)]) + b"\0", "as the tensors need. Received: "),
        (legacy([], [], machine(b"\x89")), "a file of a little-endian machine. Received: another"),
        (legacy([], [], machine(protocol=1002)), "expected protocol 1001. Received: 1002"),
        (MAGIC, "expected a whole pickle. Received: a damaged one"),
        (MAGIC + machine() + PKL[1] + pickled(number(1)), "expected a list of keys"),
    ],
)
def test_older_form_is_as_it_should_be(file, data, message):
    assert message in refusal(file(data))


def test_length_of_a_storage_is_said_twice(file):
    good = legacy([("x", one())], [("0", NUMBERS)])
    data = patched(good, len(good) - 96 - 8, "<q", 2**60)
    assert "expected a storage of 24. Received: 1152921504606846976 elements" in refusal(file(data))


def test_views_of_storages_are_refused(file):
    view = tuple_of(text("1"), number(0), number(24))
    value = tensor(storage("FloatStorage", "0", 24, view), 0, (24,), (1,))
    assert "another persistent identity" in refusal(file(legacy([("x", value)], [("0", NUMBERS)])))


# Files.


@pytest.mark.parametrize("data", [b"", b"PK", b"\x80\x04\x95", b"ustar", b"\n\x0c\n\x04conv"])
def test_other_files_are_named_by_how_they_begin(file, data):
    message = f"expected a checkpoint of torch.save. Received: a file that begins {data[:8]!r}"
    assert message in refusal(file(data))


def test_files_that_cannot_be_read(tmp_path, file, monkeypatch):
    assert "Received: No such file or directory" in refusal(tmp_path / "none.pth")
    assert "Received: Is a directory" in refusal(tmp_path)
    monkeypatch.setattr(torch_weights, "MOST_FILE_BYTES", 100)
    path = file(archive([PKL, DATA]))
    assert f"expected at most 100 bytes. Received: {path.stat().st_size}" in refusal(path)


def test_claims_are_checked_before_anything_is_allocated(file):
    claims = [
        of_tensor(one(shape=(2**40,), strides=(1,), count=2**40)),
        of_tensor(one(shape=(2**40,), strides=(0,))),
        of_tensor(one(shape=(2**62, 2**62), strides=(0, 0), count=2**62)),
        legacy([("x", one(shape=(2**40,), strides=(1,), count=2**40))], [("0", NUMBERS)]),
    ]
    tracemalloc.start()
    try:
        for data in claims:
            refusal(file(data))
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_the_form_of_python_2(file):
    """All items of the dict given to it at once, as lists, and short texts: the heads of LPIPS."""

    def short(value):
        return b"U" + bytes([len(value)]) + value.encode()

    def pair(key, value):
        return list_of(short(key), value)

    arrays = {"lin0": np.arange(6, dtype=np.float32).reshape(2, 3), "lin1": np.ones(4, np.float32)}
    for function in ("_rebuild_tensor_v2", "_rebuild_tensor"):
        values = []
        for key, array in enumerate(arrays.values()):
            value = whole(array, str(key), b"N")
            if function == "_rebuild_tensor":
                value = value.replace(b"_rebuild_tensor_v2", b"_rebuild_tensor")
                value = value.replace(b"\x89" + ORDERED, b"")
            values.append(value)
        items = [pair(*item) for item in zip(arrays, values, strict=True)]
        data = MAGIC + machine()
        data += pickled(call(name("collections", "OrderedDict"), list_of(*items)))
        data += pickled(list_of(text("0"), text("1")))
        for array in arrays.values():
            data += struct.pack("<q", array.size) + array.tobytes()
        found = read(file(data))
        assert list(found) == list(arrays)
        for key, array in arrays.items():
            np.testing.assert_array_equal(found[key], array)
