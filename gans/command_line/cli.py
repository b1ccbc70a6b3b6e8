"""The command line of every script: Fire, behind a check of the whole line before anything runs.

Fire alone reads every value as a Python literal whatever the annotation says, takes `--flag=false`
for a true value, and notices a misspelt flag only after the function has run. Here the line is
checked against the function's signature first, and Fire converts each value by its annotation:

    def train(data_dir: str, epochs: int = 1, preset: Literal["toy", "paper"] = "toy") -> None:
        \"\"\"Trains it.

        Args:
            data_dir: Folder of the images.
            ...
        \"\"\"

    if __name__ == "__main__":
        cli.run(train)

An annotation is `str`, `int`, `float`, `bool`, `pathlib.Path`, a `Literal` of strings or ints, a
`tuple` of those, or a union of them, `None` included. This module imports neither TensorFlow nor a
GAN: `--help` and the report of a typing error take a fraction of a second.

A flag is `--name=value` or `--name value`, for a bool also `--name` and `--noname`; dashes and
underscores are equal in names. Values without a name go to the parameters in their order. A value
that begins with a dash and is no number needs the form with `=`.
"""

import dataclasses
import difflib
import functools
import inspect
import os
import re
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import fire
from fire.decorators import SetParseFns

from gans.command_line.errors import Failure, UsageError
from gans.command_line.gan_files import GanFile
from gans.command_line.signatures import (
    EMPTY,
    compose,
    convert,
    expected,
    literal_choices,
    parameters_of,
    parse_docstring,
    takes_bool,
    type_name,
)

__all__ = ["Later", "compose", "run"]

_DEBUG = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=bool)
_DEBUG_HELP = "Show the traceback of an error."


@dataclasses.dataclass(frozen=True)
class Later:
    """A command that is imported only when it is run or explained.

    Attributes:
        summary: one line about it.
        load: imports it; returns the function, or a dict of commands.
    """

    summary: str
    load: Callable[[], "Command"]


# A function, or several commands by their names, see `run`.
Command = Callable | Mapping[str | None, Any] | Later


def run(
    command: Command,
    argv: list[str] | None = None,
    prog: str | None = None,
) -> NoReturn:
    """Runs a function, or one of several, with the arguments of the command line, and exits.

    Nothing is called unless the whole line is right. The exit status is 0, or 2 for a wrong line
    and for `UsageError`, 130 for Ctrl-C, 141 when the reader of stdout is gone, and otherwise 1 or
    the `exit_code` of a `Failure`; an error is one line on stderr. `--debug` adds the traceback.

    Args:
        command: Function with annotated parameters, or a dict of them by the name that is the
            first word of the line. The one under `None`, if any, is used when the first word is a
            flag or there is none; without it, a line without words lists the commands. A command
            may be a dict of commands in its turn, or `Later`.
        argv: Words of the line, without the program's. Default: those of the process.
        prog: Name of the program in the help. Default: the file name of the script.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    prog = prog or os.path.basename(sys.argv[0])
    try:
        status = _run(command, words, prog)
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, and must find a stdout that it can write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status)


def _run(command: Command, words: list[str], prog: str) -> int:
    debug = "--debug" in words
    try:
        while not callable(command):
            if isinstance(command, Later):
                command = command.load()
            elif _asks_help(words[:1]) or not (words or None in command):
                print(_commands_help(command, prog))
                return 0
            else:
                command, words, prog = _select(command, words, prog)
        if _asks_help(words):
            print(_help(command, prog))
            return 0
        own = parameters_of(command)
        parameters = {**own, "debug": own.get("debug", _DEBUG)}
        texts = _parse(words, parameters)
        values = {name: _convert(text, parameters[name]) for name, text in texts.items()}
        debug = bool(values.get("debug", parameters["debug"].default))
        _call(command, own, {name: text for name, text in texts.items() if name in own}, prog)
        return 0
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError):
            # Raises again if the pipe is stdout. Any other pipe that broke is an error like others;
            # an unbuffered stdout has nothing left to flush that would tell.
            print()
        sys.stdout.flush()
        if debug:
            traceback.print_exc()
        message = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        if not isinstance(error, UsageError | Failure):
            message = ": ".join(filter(None, [type(error).__name__, message]))
        print(f"error: {message}", file=sys.stderr)
        if isinstance(error, Failure):
            return error.exit_code
        return 2 if isinstance(error, UsageError) else 1


def _select(
    commands: Mapping[str | None, Command], words: list[str], prog: str
) -> tuple[Command, list[str], str]:
    if None in commands and (not words or _is_flag(words[0])):
        return commands[None], words, prog
    names = [name for name in commands if name is not None]
    for name in names:
        if words and name.replace("-", "_") == words[0].replace("-", "_"):
            return commands[name], words[1:], f"{prog} {name}"
    received = f"{words[0]!r}{_nearest(words[0], names)}"
    raise UsageError(f"expected one of the commands {', '.join(names)}. Received: {received}")


def _call(
    function: Callable,
    parameters: Mapping[str, inspect.Parameter],
    texts: dict[str, str],
    prog: str,
) -> None:
    @SetParseFns(
        **{
            name: functools.partial(_convert, parameter=parameter)
            for name, parameter in parameters.items()
        }
    )
    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        function(*args, **kwargs)

    fire.Fire(command, command=[f"--{name}={text}" for name, text in texts.items()], name=prog)


def _asks_help(words: list[str]) -> bool:
    return words[:1] == ["help"] or not {"-h", "--help"}.isdisjoint(words)


def _is_flag(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not re.match(r"-\.?[0-9]", word)


def _parse(words: list[str], parameters: Mapping[str, inspect.Parameter]) -> dict[str, str]:
    """Gives each word of the line to a parameter: name to text, as typed."""
    positional = [p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
    negations = {
        prefix + name: name
        for name, parameter in parameters.items()
        if takes_bool(parameter.annotation)
        for prefix in ("no", "no_")
        if prefix + name not in parameters
    }
    texts: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not _is_flag(word):
            if not positional:
                raise UsageError(
                    f"unexpected argument {word!r}{_nearest(word.split('=')[0], parameters, '--')}"
                )
            name, text = positional.pop(0), word
        else:
            flag, equals, text = word.partition("=")
            name = flag.lstrip("-").replace("-", "_")
            if not flag.startswith("--") or name not in {**parameters, **negations}:
                hint = _nearest(name, [*parameters, *negations, "help"], "--")
                raise UsageError(f"unknown flag {flag}{hint}")
            if name in negations:
                if equals:
                    raise UsageError(f"{flag} expects no value. Received: {text!r}")
                name, text = negations[name], "false"
            elif not equals:
                if rest and not _is_flag(rest[0]):
                    text = rest.pop(0)
                elif takes_bool(parameters[name].annotation):
                    text = "true"
                else:
                    kind = expected(parameters[name].annotation)
                    raise UsageError(f"--{name} expects {kind}. Received: nothing")
        if name in texts:
            raise UsageError(f"--{name} is given twice. Received: {texts[name]!r} and {text!r}")
        texts[name] = text
    missing = [
        f"--{name}" for name, p in parameters.items() if p.default is EMPTY and name not in texts
    ]
    if missing:
        raise UsageError(f"missing required argument {', '.join(missing)}")
    return texts


def _convert(text: str, parameter: inspect.Parameter) -> Any:
    try:
        return convert(text, parameter.annotation)
    except ValueError:
        hint = _nearest(text, literal_choices(parameter.annotation))
        raise UsageError(
            f"--{parameter.name} expects {expected(parameter.annotation)}. Received: {text!r}{hint}"
        ) from None


def _nearest(word: str, names: Iterable[str], prefix: str = "") -> str:
    matches = difflib.get_close_matches(word, list(names), n=1)
    if not matches:
        return ""
    return f"; did you mean {prefix}{matches[0]}?" if prefix else f"; did you mean {matches[0]!r}?"


def _show(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(map(_show, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | Path) and value != "" else repr(value)


def _default(parameter: inspect.Parameter, gan_file: GanFile | None) -> str:
    """What the help says of the default; of a setting of a GAN also those of its presets."""
    if not gan_file:
        required = parameter.default is EMPTY
        return "Required." if required else f"Default: {_show(parameter.default)}."
    name = parameter.name
    default = _show(getattr(gan_file.settings, name))
    values = [
        f"{preset}: {_show(arguments[name])}"
        for preset, arguments in gan_file.presets.items()
        if name in arguments
    ]
    return f"Default: {', '.join([default, *values])}."


def _wrap(text: str, indent: int = 0, hanging: int = 0) -> str:
    return textwrap.fill(
        text,
        width=max(40, shutil.get_terminal_size().columns),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _commands_help(commands: Mapping[str | None, Command], prog: str) -> str:
    lines = [f"usage: {prog} COMMAND [--flag=value ...]", "", "commands:"]
    names = [name for name in commands if name is not None]
    width = max(map(len, names)) + 2
    for name in names:
        later = isinstance(commands[name], Later)
        summary = commands[name].summary if later else parse_docstring(commands[name].__doc__)[0]
        lines.append(_wrap(f"{name:{width}}{summary}", indent=2, hanging=width))
    lines += ["", _wrap(f"{prog} COMMAND --help lists the flags of a command.")]
    if None in commands:
        lines += ["", "Without a command:", "", _help(commands[None], prog)]
    return "\n".join(lines)


def _help(function: Callable, prog: str) -> str:
    parameters = parameters_of(function)
    parameters.setdefault("debug", _DEBUG)
    summary, meanings = parse_docstring(function.__doc__)
    meanings = getattr(function, "meanings", meanings)
    gan_file: GanFile | None = getattr(function, "gan_file", None)
    gan_flags = getattr(function, "gan_flags", set())
    if gan_file:
        meanings = gan_file.meanings | meanings
    required = [f"--{p.name}={p.name.upper()}" for p in parameters.values() if p.default is EMPTY]
    usage = " ".join(["usage:", prog, *required, "[--flag=value ...]"])
    groups: dict[str, list[str]] = {}
    for name, parameter in parameters.items():
        title = f"settings of {gan_file.class_name}:" if name in gan_flags else "flags:"
        kind = type_name(parameter.annotation)
        head = f"--{name}, --no{name}" if parameter.annotation is bool else f"--{name} {kind}"
        meaning = meanings.get(name, _DEBUG_HELP if name == "debug" else "").rstrip(".")
        # What None stands for is for the meaning to say: "Default: that of the preset."
        told = parameter.default is None and "Default: " in meaning
        default = "" if told else _default(parameter, gan_file if name in gan_flags else None)
        body = f"{meaning}. {default}".strip() if meaning else default
        groups.setdefault(title, []).extend([_wrap(head, 2, hanging=8), _wrap(body, 6)])
    flags = ["\n".join([title, *lines]) for title, lines in groups.items()]
    return "\n\n".join(filter(None, [_wrap(usage, hanging=7), _wrap(summary), *flags]))
