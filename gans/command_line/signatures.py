"""What a command accepts and what it means, read from signatures, docstrings and class sources.

Importing a GAN costs the seconds of importing TensorFlow. So a training script describes the
constructor of its GAN from the source (`describe_class`) and adds its parameters to its own
(`compose`): `--help` and the report of a misspelt flag come before TensorFlow is imported.
"""

import ast
import contextlib
import dataclasses
import functools
import importlib.util
import inspect
import math
import re
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

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


@dataclasses.dataclass(frozen=True)
class ClassDescription:
    """What the source of a class says of its constructor; see `describe_class`."""

    name: str
    parameters: tuple[inspect.Parameter, ...]
    help: dict[str, str]
    presets: dict[str, dict[str, Any]] | None
    module: str


def describe_class(module: str, name: str) -> ClassDescription:
    """Reads the constructor of a class from the source of its module, which is not imported.

    Args:
        module: Dotted name of the module. Its parent packages are imported.
        name: Name of the class, which defines `__init__` itself.

    Returns:
        The keyword-only parameters of `__init__` with their annotations (`int`, `float`, `bool`,
        `str`, `None`, `Literal`, `tuple` and unions of them) and literal defaults; their meanings,
        from the `Args:` of `__init__` or of the class; the literal `PRESETS` of the module.

    Raises:
        ValueError: if the source holds no such class, or says one of these by other means.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.loader is None:
        raise ValueError(f"expected the name of a module. Received: {module!r}")
    tree = ast.parse(spec.loader.get_source(module))
    class_ = _find(tree.body, ast.ClassDef, name)
    init = class_ and _find(class_.body, ast.FunctionDef, "__init__")
    if init is None:
        raise ValueError(f"{module} has no class {name} with an __init__")
    parameters = tuple(
        inspect.Parameter(
            argument.arg,
            inspect.Parameter.KEYWORD_ONLY,
            default=EMPTY if default is None else _literal(default, f"{name}({argument.arg}=...)"),
            annotation=_annotation(argument.annotation, f"{name}({argument.arg}: ...)"),
        )
        for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
    )
    meanings = {}
    for node in (class_, init):
        meanings |= parse_docstring(ast.get_docstring(node))[1]
    presets = None
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="PRESETS")], value=value)
                | ast.AnnAssign(target=ast.Name(id="PRESETS"), value=value)
            ):
                presets = _literal(value, f"{module}.PRESETS")
    return ClassDescription(name, parameters, meanings, presets, module)


def _find(body: list[ast.stmt], kind: type, name: str) -> Any:
    return next((node for node in body if isinstance(node, kind) and node.name == name), None)


def _literal(node: ast.expr, place: str) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"{place} must be a literal. Received: {ast.unparse(node)}") from None


def _annotation(node: ast.expr | None, place: str) -> Any:
    names = {"int": int, "float": float, "bool": bool, "str": str, "tuple": tuple}
    names["Literal"] = Literal
    allowed = (ast.Name, ast.Constant, ast.Subscript, ast.Tuple, ast.BinOp, ast.BitOr, ast.Load)
    received = ast.unparse(node) if node else "nothing"
    if node is not None and all(
        isinstance(part, allowed) and getattr(part, "id", "int") in names for part in ast.walk(node)
    ):
        return eval(received, {"__builtins__": {}}, names)
    raise ValueError(
        f"{place} needs an annotation of {', '.join(names)} and None. Received: {received}"
    )


def compose(function: Callable, extra: ClassDescription) -> Callable:
    """Gives a command the flags of a constructor, and those of dataclasses, besides its own.

    Args:
        function: Command with a parameter `constructor`, a dict, which is no flag, and any number
            whose annotation is a dataclass, whose fields are flags instead of it.
        extra: The class. A parameter that the function has too stays the function's only. A flag
            `preset: str | None` takes the names of its presets.

    Returns:
        A command that calls `function(..., constructor={only the flags that were given})`. The
        default of such a flag is None, whatever its annotation: not given, so that a preset can
        say. A given `none` is a value, and admitted only where the constructor admits it.
    """
    given = dict(inspect.signature(function, eval_str=True).parameters)
    if given.pop("constructor", None) is None:
        raise TypeError(f"expected a parameter `constructor`. Received: {function.__name__}")
    groups = {
        name: inspect.signature(parameter.annotation, eval_str=True).parameters
        for name, parameter in given.items()
        if dataclasses.is_dataclass(parameter.annotation)
    }
    meanings, own = {}, {}
    for documented in (*(given[name].annotation for name in groups), function):
        meanings |= parse_docstring(documented.__doc__)[1]
    for name, parameter in given.items():
        own |= groups.get(name, {name: parameter})
    if "preset" in own and own["preset"].annotation == str | None:
        names = Literal[tuple(extra.presets)]
        own["preset"] = own["preset"].replace(annotation=names | None)
    theirs = {p.name: p.replace(default=None) for p in extra.parameters if p.name not in own}

    @functools.wraps(function)
    def composed(*args: Any, **kwargs: Any) -> Any:
        values = composed.__signature__.bind(*args, **kwargs).arguments
        constructor = {name: values.pop(name) for name in theirs if name in values}
        for group, fields in groups.items():
            chosen = {name: values.pop(name) for name in fields if name in values}
            values[group] = given[group].annotation(**chosen)
        return function(**values, constructor=constructor)

    # By name only but for the function's own: a word without a flag is a slip and no --run_dir.
    named = [p for name, p in own.items() if name not in given] + list(theirs.values())
    composed.__signature__ = inspect.Signature(
        [p for name, p in own.items() if name in given]
        + [p.replace(kind=p.KEYWORD_ONLY) for p in named]
    )
    composed.described_class = extra
    composed.own_flags = {name: (extra.help | meanings).get(name, "") for name in own}
    return composed
