"""Follows a pickle of tensors without running it.

A pickle is a program: to load one is to call whatever it names. Here the opcodes are walked through
one by one. Those that build numbers, texts, tuples, lists and dicts are followed, and of all that a
pickle may name only what `torch.save` writes for tensors is known. None of it is looked up or
called: each name stands for a description. Anything else ends the reading with one line that says
what was found.

Sources: Lib/pickletools.py of CPython; torch/_utils.py (`_rebuild_tensor_v2`, `_rebuild_parameter`)
and `persistent_load` in torch/serialization.py of pytorch/pytorch.
"""

import math
import pickletools
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

# Some ten times what the largest of the networks here need: 570 tensors are 18,000 operations.
MOST_OPERATIONS = 200_000
MOST_DIMENSIONS = 16
_WORD = 1 << 63


class WeightsError(Exception):
    """A file of weights cannot be read or used; the message is one line."""


@dataclass(frozen=True)
class _Global:
    """A name out of a module, of those that are known. It is never looked up."""

    name: str


@dataclass(frozen=True)
class Storage:
    """Numbers in a row, somewhere in the file: their kind, the key of the place, how many."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A storage seen with an offset, a shape and strides, all in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Mark:
    pass


class _Ordered(dict):
    """What `collections.OrderedDict()` stands for: the only thing that may be given a state."""


# Storages by name, with the type of their elements in little-endian order. NumPy has no bfloat16.
KINDS = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<u2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "|i1",
    "torch.ByteStorage": "|u1",
    "torch.BoolStorage": "|b1",
}
_CALLS = (
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",  # Before PyTorch 0.4.
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
)


def require(condition: bool, expected: str, received: str) -> None:
    """Raises `WeightsError` unless the condition holds."""
    if not condition:
        raise WeightsError(f"expected {expected}. Received: {received}")


def show(value: Any) -> str:
    """A value for a message: one short line, whatever it is."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str | bytes):
        return repr(value[:80])
    if isinstance(value, int):
        return str(value) if abs(value) < _WORD else "an integer of more than 64 bits"
    if isinstance(value, _Global):
        return value.name
    return {Tensor: "a tensor", Storage: "a storage", _Ordered: "a dict"}.get(
        type(value), f"a {type(value).__name__}"
    )


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < _WORD


def run(stream: BinaryIO) -> Any:
    """What a pickle describes. The stream, of bounded size, is left behind its end.

    Values are None, bool, int, float, str, tuple, list, dict, `Storage` and `Tensor`. What is
    remembered and recalled is the same object, so that nothing can multiply; keys are texts, since
    the hash of a tuple of tuples of one and the same can take for ever.

    Raises `WeightsError`.
    """
    try:
        # The texts of some operations that are refused have escapes that Python warns of.
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return _follow(stream)
    except WeightsError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError):
        # An argument cut off, a stack too short, a memo never filled, a value of another kind.
        pass
    raise WeightsError("expected a whole pickle. Received: a damaged one")


def _follow(stream: BinaryIO) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        name = opcode.name
        require(count < MOST_OPERATIONS, f"at most {MOST_OPERATIONS:,} operations", "more")
        if name == "STOP":
            require(len(stack) == 1, "a pickle of one value", f"{len(stack)} values")
            return stack[0]
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in _CONSTANTS:
            stack.append(argument)
        elif name in _BUILDERS:
            _BUILDERS[name](stack, argument)
        elif name not in ("PROTO", "FRAME"):
            raise WeightsError(f"expected tensors only. Received: the operation {name}; not run")
    raise ValueError


def _above_mark(stack: list) -> list:
    at = len(stack)
    while stack[at - 1] is not _Mark:
        at -= 1
        if not at:
            raise IndexError
    values = stack[at:]
    del stack[at - 1 :]
    return values


def _pop(stack: list, count: int) -> list:
    values = stack[len(stack) - count :]
    if len(values) < count or any(value is _Mark for value in values):
        raise IndexError
    del stack[len(stack) - count :]
    return values


def _push_global(stack: list, argument: str) -> None:
    name = ".".join(argument.split(" ", 1))
    if name not in KINDS and name not in _CALLS:
        raise WeightsError(f"expected tensors only. Received: the name {show(name)}; not run")
    stack.append(_Global(name))


def _push_stack_global(stack: list, _: Any) -> None:
    module, name = _pop(stack, 2)
    require(isinstance(module, str) and isinstance(name, str), "names as texts", f"{show(module)}")
    _push_global(stack, f"{module} {name}")


def _append(stack: list, values: list) -> None:
    require(type(stack[-1]) is list, "a list to append to", show(stack[-1]))
    stack[-1].extend(values)


def _set_items(stack: list, values: list) -> None:
    target = stack[-1]
    require(type(target) in (dict, _Ordered), "a dict to add to", show(target))
    for key, value in zip(values[::2], values[1::2], strict=True):
        require(isinstance(key, str), "names as keys", show(key))
        target[key] = value


def _reduce(stack: list, _: Any) -> None:
    function, arguments = _pop(stack, 2)
    name = function.name if isinstance(function, _Global) else ""
    if name not in _CALLS or type(arguments) is not tuple:
        raise WeightsError(f"expected tensors only. Received: a call of {show(function)}; not run")
    if name == "collections.OrderedDict":
        stack.append(_ordered(*arguments))
    elif name == "torch._utils._rebuild_parameter":
        require(
            len(arguments) == 3 and isinstance(arguments[0], Tensor),
            "a parameter of a tensor",
            show(arguments[0] if arguments else None),
        )
        stack.append(arguments[0])
    else:
        stack.append(_tensor(*arguments))


def _ordered(pairs: Any = (), *rest: Any) -> _Ordered:
    """Empty; or with a list of lists of name and value, as Python 2 wrote it, by which the
    published heads of LPIPS are.
    """
    good = not rest and (pairs == () or (type(pairs) is list and pairs))
    if not good or not all(type(pair) is list and len(pair) == 2 for pair in pairs):
        raise WeightsError("expected an OrderedDict() of pairs. Received: one with arguments")
    found = _Ordered()
    for name, value in pairs:
        require(isinstance(name, str), "names as keys", show(name))
        found[name] = value
    if pairs:
        # Once only: a list that is recalled would be copied as often as a pickle likes.
        pairs.clear()
    return found


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any) -> Tensor:
    """Checks what `_rebuild_tensor_v2` was to be called with, against the storage's claim."""
    require(isinstance(storage, Storage), "a tensor of a storage", show(storage))
    sizes = all(type(part) is tuple and all(map(_is_size, part)) for part in (shape, strides))
    if not sizes or not _is_size(offset) or len(shape) != len(strides):
        raise WeightsError("expected offset, shape and strides of a tensor. Received: others")
    require(len(shape) <= MOST_DIMENSIONS, f"at most {MOST_DIMENSIONS} dimensions", f"{len(shape)}")
    count = math.prod(shape)
    reach = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1
    if count and reach > storage.count:
        raise WeightsError(
            f"expected a tensor within its storage of {storage.count} elements. "
            f"Received: one that reaches {show(reach)}"
        )
    # Strides of 0 make any number of elements out of one.
    if count > storage.count:
        raise WeightsError(
            f"expected at most the {storage.count} elements of the storage. Received: shape "
            f"{'x'.join(map(str, shape))}"
        )
    return Tensor(storage, offset, shape, strides)


def _build(stack: list, _: Any) -> None:
    """The only state that a checkpoint has is `_metadata`, versions of modules: it is dropped."""
    target, state = _pop(stack, 2)
    if type(target) is not _Ordered or type(state) is not dict or set(state) != {"_metadata"}:
        raise WeightsError(f"expected tensors only. Received: a state of {show(target)}; not run")
    stack.append(target)


def _persistent(stack: list, _: Any) -> None:
    (identity,) = _pop(stack, 1)
    good = type(identity) is tuple and len(identity) in (5, 6) and identity[0] == "storage"
    kind, key, _, count = identity[1:5] if good else (None,) * 4
    good = isinstance(kind, _Global) and kind.name in KINDS and isinstance(key, str)
    # The older form has views of storages too, which no PyTorch since 0.4 writes.
    if not good or not _is_size(count) or identity[5:] not in ((), (None,)):
        raise WeightsError("expected a storage by its key. Received: another persistent identity")
    require(re.fullmatch(r"[0-9]{1,20}", key) is not None, "a number as storage key", show(key))
    stack.append(Storage(kind.name, key, count))


_CONSTANTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING"),
}
_BUILDERS: dict[str, Callable[[list, Any], None]] = {
    "MARK": lambda stack, _: stack.append(_Mark),
    "NONE": lambda stack, _: stack.append(None),
    "NEWTRUE": lambda stack, _: stack.append(True),
    "NEWFALSE": lambda stack, _: stack.append(False),
    "EMPTY_TUPLE": lambda stack, _: stack.append(()),
    "EMPTY_LIST": lambda stack, _: stack.append([]),
    "EMPTY_DICT": lambda stack, _: stack.append({}),
    "TUPLE": lambda stack, _: stack.append(tuple(_above_mark(stack))),
    "TUPLE1": lambda stack, _: stack.append(tuple(_pop(stack, 1))),
    "TUPLE2": lambda stack, _: stack.append(tuple(_pop(stack, 2))),
    "TUPLE3": lambda stack, _: stack.append(tuple(_pop(stack, 3))),
    "APPEND": lambda stack, _: _append(stack, _pop(stack, 1)),
    "APPENDS": lambda stack, _: _append(stack, _above_mark(stack)),
    "SETITEM": lambda stack, _: _set_items(stack, _pop(stack, 2)),
    "SETITEMS": lambda stack, _: _set_items(stack, _above_mark(stack)),
    "GLOBAL": _push_global,
    "STACK_GLOBAL": _push_stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
    "BINPERSID": _persistent,
}
