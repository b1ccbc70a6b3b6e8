"""What a command accepts and what it means, read from signatures, docstrings and dataclasses."""

import contextlib
import dataclasses
import functools
import inspect
import math
import re
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from gans.command_line.errors import flag_errors
from gans.command_line.gan_files import GanFile
from gans.nn.settings import described

EMPTY = inspect.Parameter.empty
_BOOL_WORDS = ("false", "true", "no", "yes", "0", "1")
_EXPECTED = {
    str: "a string",
    int: "an int",
    float: "a float",
    bool: "true or false",
    Path: "a path",
    types.NoneType: "none",
}


# The values that an annotation admits.


def parameters_of(function: Callable) -> dict[str, inspect.Parameter]:
    """Parameters by name, annotations evaluated.

    Raises:
        TypeError: if one takes whatever comes (`*args`, `**kwargs`, no annotation) or values that
            cannot be written on a command line.
    """
    parameters = dict(inspect.signature(function, eval_str=True).parameters)
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"a command takes no *args and no **kwargs. Received: {parameter}")
        if parameter.annotation is EMPTY:
            raise TypeError(f"expected an annotation of every parameter. Received: {name}")
        expected(parameter.annotation)
    return parameters


def _members(annotation: Any) -> tuple[Any, ...]:
    union = get_origin(annotation) in (Union, types.UnionType)
    return get_args(annotation) if union else (annotation,)


def takes_bool(annotation: Any) -> bool:
    """Whether a flag of this annotation needs no value."""
    return bool in _members(annotation)


def literal_choices(annotation: Any) -> list[str]:
    """The words that the `Literal`s of an annotation list."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for member in get_args(annotation) for choice in literal_choices(member)]


def convert(text: str, annotation: Any) -> Any:
    """The value that a text stands for; of a union, of the first member that admits it.

    Raises:
        ValueError: if the annotation admits no such text.
    """
    # None first: in `str | None` the word `none` is no string.
    for member in sorted(_members(annotation), key=lambda member: member is not types.NoneType):
        with contextlib.suppress(ValueError):
            return _convert_member(text, member)
    raise ValueError(text)


def _convert_member(text: str, annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal and text in literal_choices(annotation):
        return arguments[literal_choices(annotation).index(text)]
    if origin is tuple:
        items = [item.strip() for item in text.split(",")]
        kinds = [arguments[0]] * len(items) if arguments[-1] is Ellipsis else arguments
        # `--channels=$UNSET` and `1,,2` are slips, not tuples with nothing in them.
        if all(items):
            return tuple(convert(item, kind) for item, kind in zip(items, kinds, strict=True))
    # `--run_dir=$UNSET` likewise: the default is asked for by leaving the flag out.
    if annotation in (str, Path) and text:
        return annotation(text)
    if annotation is int and re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    if annotation is float and math.isfinite(float(text)):
        return float(text)
    if annotation is bool:
        return _BOOL_WORDS.index(text.lower()) % 2 == 1
    if annotation is types.NoneType and text in ("none", "None"):
        return None
    raise ValueError(text)


def expected(annotation: Any) -> str:
    """What the error message says of an annotation.

    Raises:
        TypeError: if a command line cannot hold such values.
    """
    return " or ".join(map(_expected_member, _members(annotation)))


def _expected_member(annotation: Any) -> str:
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if get_origin(annotation) is tuple and arguments[-1] is Ellipsis:
        return f"a comma list, each {expected(arguments[0])}"
    if get_origin(annotation) is tuple:
        return f"a comma list of {len(arguments)}: {', '.join(map(expected, arguments))}"
    if annotation in _EXPECTED:
        return _EXPECTED[annotation]
    raise TypeError(f"expected a type that a command line can hold. Received: {annotation}")


def type_name(annotation: Any) -> str:
    """What the help says of an annotation: `int`, `toy | paper`, `float,float`, `int,...`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin is tuple:
        return ",".join("..." if item is Ellipsis else type_name(item) for item in arguments)
    if arguments:
        return " | ".join(map(type_name, arguments))
    return {bool: "true | false", types.NoneType: "none"}.get(annotation, annotation.__name__)


# What the source says.


def parse_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The first paragraph of a Google-style docstring, and the entries of its `Args:` section."""
    lines = inspect.cleandoc(text or "").splitlines()
    summary = " ".join(lines[: lines.index("") if "" in lines else len(lines)])
    entries: dict[str, str] = {}
    if "Args:" in lines:
        section = lines[lines.index("Args:") + 1 :]
        end = next((i for i, line in enumerate(section) if line and line[0] != " "), len(section))
        block = textwrap.dedent("\n".join(section[:end]))
        # Fire's own parser takes every continuation line with a colon for a new argument.
        for entry in re.split(r"\n(?=\S)", block):
            names, _, meaning = entry.partition(":")
            for name in re.sub(r"\(.*\)", "", names).split(","):
                entries[name.strip()] = " ".join(meaning.split())
    return summary, entries


def compose(function: Callable, gan_file: GanFile | None = None) -> Callable:
    """Gives a command the fields of dataclasses, and the settings of a GAN, as flags.

    Args:
        function: Command with any number of parameters whose annotation is a dataclass with
            fields made by `setting`; the fields are flags instead of it. With `gan_file` it has a
            parameter `given`, a dict, which is no flag.
        gan_file: The GAN whose settings are flags, but for those that are flags already. A flag
            `preset: str | None` takes the names of its presets.

    Returns:
        A command that calls `function(..., given={only the settings that were given})`. The default
        of such a flag is None: not given, so that a preset can say. A given `none` is a value, and
        admitted only where the setting admits it.
    """
    parameters = dict(inspect.signature(function, eval_str=True).parameters)
    groups = {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if dataclasses.is_dataclass(parameter.annotation)
    }
    flags, meanings = {}, parse_docstring(function.__doc__)[1]
    for name, parameter in parameters.items():
        if name in groups:
            flags |= _fields(groups[name])
            of_group = described(groups[name]).items()
            meanings = {field: facts["meaning"] for field, facts in of_group} | meanings
        elif not (gan_file and name == "given"):
            flags[name] = parameter
    settings = {}
    if gan_file:
        if "preset" in flags:
            presets = Literal[tuple(gan_file.presets)]
            flags["preset"] = flags["preset"].replace(annotation=presets | None)
        settings = {
            name: field.replace(default=None)
            for name, field in _fields(gan_file.settings).items()
            if name not in flags
        }

    @functools.wraps(function)
    def composed(*args: Any, **kwargs: Any) -> Any:
        values = composed.__signature__.bind(*args, **kwargs).arguments
        if gan_file:
            values["given"] = {name: values.pop(name) for name in settings if name in values}
        for name, group in groups.items():
            chosen = {field: values.pop(field) for field in _fields(group) if field in values}
            with flag_errors():
                values[name] = group(**chosen)
        return function(**values)

    # By name only but for the function's own: a word without a flag is a slip and no --run_dir.
    composed.__signature__ = inspect.Signature(
        [flag for name, flag in flags.items() if name in parameters]
        + [flag for name, flag in flags.items() if name not in parameters]
        + list(settings.values())
    )
    composed.meanings = meanings
    composed.gan_file, composed.gan_flags = gan_file, set(settings)
    return composed


def _fields(group: type) -> dict[str, inspect.Parameter]:
    """The fields of a dataclass as keyword-only parameters."""
    signature = inspect.signature(group, eval_str=True)
    return {
        name: parameter.replace(kind=parameter.KEYWORD_ONLY)
        for name, parameter in signature.parameters.items()
    }
