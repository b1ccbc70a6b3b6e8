import os
import pickle
import sys

import pytest
from checkpoints import (
    MAGIC,
    ORDERED,
    archive,
    call,
    dict_of,
    list_of,
    machine,
    name,
    number,
    of_tensor,
    one,
    pickled,
    refusal,
    storage,
    tensor,
    text,
    tuple_of,
    zipped,
)

from gans.features import torch_pickle, torch_weights


@pytest.fixture
def file(tmp_path):
    """file(bytes): the path of a file of them."""

    def write(data):
        (tmp_path / "weights.pth").write_bytes(data)
        return tmp_path / "weights.pth"

    return write


# Code in the pickle.


def system(command):
    return call(name("os", "system"), text(command))


# Each puts `system`, which writes a file, somewhere.
TRAPS = {
    "the whole": lambda run: run,
    "a value": lambda run: dict_of([("x", one()), ("y", run)]),
    "a value of a value": lambda run: dict_of([("x", dict_of([("y", run)]))]),
    "a list": lambda run: dict_of([("x", list_of(run))]),
    "a key": lambda run: b"}" + run + one() + b"s",
    "a shape": lambda run: dict_of(
        [
            (
                "x",
                call(
                    name("torch._utils", "_rebuild_tensor_v2"), storage("FloatStorage", "0", 4), run
                ),
            )
        ]
    ),
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
    message = refusal(file(zipped(value)))
    assert "expected tensors only. Received: the name 'os.system'; not run" in message
    assert "not run" in refusal(file(MAGIC + machine() + pickled(value)))
    assert not marker.exists()


def test_the_trap_is_one(file, tmp_path):
    """What `pickle` does with the same bytes."""
    marker = tmp_path / "it ran"
    value = TRAPS["a value of a value"](system(f"touch '{marker}'"))
    value = value.replace(one(), b"N")
    refusal(file(zipped(value)))
    assert not marker.exists()
    pickle.loads(pickled(value))
    assert marker.exists()


def test_no_module_is_imported_for_its_name(file, tmp_path, monkeypatch):
    (tmp_path / "trap_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    message = refusal(file(zipped(dict_of([("x", name("trap_module", "Weights"))]))))
    assert "the name 'trap_module.Weights'; not run" in message
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (call(name("builtins", "eval"), text("1")), "the name 'builtins.eval'"),
        (text("os") + text("system") + b"\x93" + tuple_of(text("x")) + b"R", "'os.system'"),
        (name("torch._utils", "_rebuild_tensor_v2.__globals__"), "__globals__'; not run"),
        (name("torch", "FloatStorage.os\x00"), "the name 'torch.FloatStorage.os"),
        (b"(" + text("x") + b"ios\nsystem\n", "the operation INST; not run"),
        (b"(" + name("collections", "OrderedDict") + b"o", "the operation OBJ; not run"),
        (name("collections", "OrderedDict") + b")\x81", "the operation NEWOBJ; not run"),
        (name("collections", "OrderedDict") + b")}\x92", "the operation NEWOBJ_EX; not run"),
        (b"Pos.system\n", "the operation PERSID; not run"),
        (b"\x82\x01", "the operation EXT1; not run"),
        (b"C\x01a", "the operation SHORT_BINBYTES; not run"),
        (b"\x97", "the operation NEXT_BUFFER; not run"),
        (b"]\x85Q", "another persistent identity"),
        (text("os") + b"Q", "another persistent identity"),
        (text("os") + b")R", "a call of 'os'; not run"),
        (one() + b")R", "a call of a tensor; not run"),
        (name("torch", "FloatStorage") + b")R", "a call of torch.FloatStorage; not run"),
        (name("collections", "OrderedDict") + b"]R", "a call of collections.OrderedDict; not run"),
        (call(name("collections", "OrderedDict"), list_of()), "one with arguments"),
        (b"}" + dict_of([("x", b"N")]) + b"b", "a state of a dict; not run"),
        (ORDERED + dict_of([("__class__", b"N")]) + b"b", "a state of a dict; not run"),
        (one() + dict_of([("_metadata", b"N")]) + b"b", "a state of a tensor; not run"),
        (name("collections", "OrderedDict") + dict_of([("_metadata", b"N")]) + b"b", "a state of"),
    ],
)
def test_no_other_way_to_a_call(file, value, found):
    assert found in refusal(file(zipped(dict_of([("x", value)]))))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (list_of(one()), "expected a dict of tensors. Received: a list"),
        (one(), "expected a dict of tensors. Received: a tensor"),
        (b"N", "expected a dict of tensors. Received: None"),
        (dict_of([("epoch", number(3))]), "expected a tensor as 'epoch'. Received: 3"),
        (dict_of([("a\nb", dict_of([]))]), r"expected a tensor as 'a\nb'. Received: a dict"),
        (dict_of([("x", storage("FloatStorage", "0", 24))]), "as 'x'. Received: a storage"),
        (b"}" + number(1) + one() + b"s", "expected names as keys. Received: 1"),
        (b"}" + number(2**70) + one() + b"s", "Received: an integer of more than 64 bits"),
        (b"]" + text("x") + one() + b"s", "expected a dict to add to. Received: a list"),
        (b"}" + one() + b"a", "expected a list to append to. Received: a dict"),
        (b"", "expected a pickle of one value. Received: 0 values"),
        (dict_of([]) + b"N", "expected a pickle of one value. Received: 2 values"),
        (call(name("torch._utils", "_rebuild_parameter"), b"N", b"N", b"N"), "Received: None"),
    ],
)
def test_anything_but_tensors_is_refused(file, value, message):
    assert message in refusal(file(zipped(value)))


@pytest.mark.parametrize(
    "value",
    [b"t", b"}u", b"R", b"h\x09", b"}(" + text("x") + b"u", b"(s", b"(\x85", b"\xff"]
    + [b"X\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8, b"Ix\n", b"I" + b"9" * 5000 + b"\n"]
    + [call(name("torch._utils", "_rebuild_tensor_v2"), storage("FloatStorage", "0", 1))],
)
def test_a_pickle_that_makes_no_sense_is_damaged(file, value):
    assert "expected a whole pickle. Received: a damaged one" in refusal(file(zipped(value)))


# Bombs.


def test_what_is_recalled_is_not_multiplied(file):
    """Two of two of two ..., a hundred times: 2^100 values where they were taken apart."""
    twice = (b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(100))
    doubling = tuple_of(b")q\x00", *twice)
    assert "expected a tensor as 'x'. Received: a tuple" in refusal(file(of_tensor(doubling)))
    # As a key its hash would never end.
    key = b"}q\xc8" + doubling + one() + b"s"
    assert "expected names as keys. Received: a tuple" in refusal(file(zipped(key)))


def test_a_list_makes_one_dict(file):
    """Otherwise 20,000 names, recalled 30,000 times, were 40 GB."""
    pairs = list_of(list_of(text("x"), b"N"))
    first = call(name("collections", "OrderedDict"), pairs + b"q\xc8")
    again = call(name("collections", "OrderedDict"), b"h\xc8")
    assert "expected a tensor as 'a'. Received: a dict" in refusal(file(of_pairs(("a", first))))
    assert "an OrderedDict() of pairs" in refusal(file(of_pairs(("a", first), ("b", again))))


def of_pairs(*pairs):
    return zipped(dict_of(pairs))


def test_deep_nesting_and_many_operations_end(file):
    most = torch_pickle.MOST_OPERATIONS
    assert "a dict of tensors. Received: a tuple" in refusal(
        file(zipped(b")" + b"\x85" * (most // 2)))
    )
    assert f"at most {most:,} operations" in refusal(file(zipped(b")" + b"\x85" * most)))
    # Marks at the bottom, so that every tuple is looked for from the top.
    assert "damaged" in refusal(file(zipped(b"(" + b"N" * 50_000 + b"(t" * 50_000 + b"tt")))
    large = pickled(text("a" * (torch_weights.MOST_PICKLE_BYTES + 1)))
    assert "expected at most 4,194,304 bytes of data.pkl" in refusal(
        file(archive([("data.pkl", large)]))
    )
