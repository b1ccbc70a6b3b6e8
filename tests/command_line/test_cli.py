"""The command line: what is accepted, what is refused, in which words, with which status."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, Optional

import pytest

from gans.command_line import cli
from gans.command_line.errors import Failure, UsageError


def run(command, *words):
    """The exit status of a line."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(command, list(words), prog="prog")
    return exit_.value.code


def refused(capsys, command, *words):
    """The error of a line that is refused: one line on stderr, status 2, nothing else."""
    assert run(command, *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.endswith("\n") and err.count("\n") == 1
    return err.removeprefix("error: ").removesuffix("\n")


def one(annotation, calls):
    """A command with the one parameter `x`, which records what it gets."""

    def command(x) -> None:
        calls.append(x)

    command.__annotations__["x"] = annotation
    return command


def train(
    data_dir: str,
    epochs: int = 1,
    *,
    learning_rate: float = 2e-4,
    augment: bool = True,
    preset: Literal["toy", "article", "paper"] = "toy",
) -> None:
    """Trains a GAN
    on images.

    More about it, which the help leaves out.

    Args:
        data_dir: Folder of the images: `train/` and
            `val/`, see: the README.
        epochs (int): How often each image is seen.
        learning_rate: Of Adam.
        preset: Whose numbers.

    Raises:
        ValueError: not an argument.
    """
    calls.append((data_dir, epochs, learning_rate, augment, preset))


calls: list[tuple] = []


@pytest.fixture(autouse=True)
def _no_calls():
    calls.clear()


# Values.


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "-1", -1),
        (int, "+7", 7),
        (float, "1e-4", 1e-4),
        (float, "-.5", -0.5),
        (float, "3", 3.0),
        (bool, "true", True),
        (bool, "True", True),
        (bool, "1", True),
        (bool, "yes", True),
        (bool, "false", False),
        (bool, "False", False),
        (bool, "0", False),
        (bool, "no", False),
        (str, "123", "123"),
        (str, "1,2", "1,2"),
        (str, "[x]", "[x]"),
        (str, "None", "None"),
        (str, "true", "true"),
        (str, "'quoted'", "'quoted'"),
        (str, '"a b"', '"a b"'),
        (str, "a=b", "a=b"),
        (str, "{'a': 1}", "{'a': 1}"),
        (str, "-", "-"),
        (str, " x ", " x "),
        (Path, "a/b", Path("a/b")),
        (str | None, "none", None),
        (str | None, "None", None),
        (str | None, "NONE", "NONE"),
        (Optional[int], "3", 3),  # noqa: UP045
        (int | None, "none", None),
        (bool | None, "no", False),
        (bool | None, "none", None),
        (int | float, "3", 3),
        (int | float, "3.5", 3.5),
        (Literal["auto"] | int, "auto", "auto"),
        (Literal["auto"] | int, "64", 64),
        (Literal[32, 64], "64", 64),
        (Literal["32", "64"], "64", "64"),
        (tuple[int, ...], "1,2,3", (1, 2, 3)),
        (tuple[int, ...], "-4", (-4,)),
        (tuple[int, ...], "-4,-5", (-4, -5)),
        (tuple[int, ...], "1, 2", (1, 2)),
        (tuple[str, ...], "1,None", ("1", "None")),
        (tuple[str, ...], "bags", ("bags",)),
        (tuple[float, float], "0.5,0.999", (0.5, 0.999)),
        (tuple[int, ...] | None, "none", None),
    ],
)
def test_value_arrives_with_the_type_of_the_annotation(annotation, text, value):
    got = []
    for words in [f"--x={text}"], ["--x", text], [text]:
        assert run(one(annotation, got), *words) == 0
    assert got == [value] * 3
    assert {type(item) for item in got} == {type(value)}


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (int, "2.5", "an int"),
        (int, "1e3", "an int"),
        (int, "", "an int"),
        (int, "1_000", "an int"),
        (int, "none", "an int"),
        (float, "1e-4x", "a float"),
        (float, "nan", "a float"),
        (float, "inf", "a float"),
        (float, "1e999", "a float"),
        (bool, "maybe", "true or false"),
        (bool, "2", "true or false"),
        (Path, "", "a path"),
        (str, "", "a string"),
        (str | None, "", "a string or none"),
        (int | None, "two", "an int or none"),
        (Literal[32, 64], "48", "one of 32, 64"),
        (Literal["toy"] | None, "x", "one of 'toy' or none"),
        (tuple[int, ...], "1,,2", "a comma list, each an int"),
        (tuple[int, ...], "", "a comma list, each an int"),
        (tuple[int, ...], "(1,2)", "a comma list, each an int"),
        (tuple[str, ...], "a,", "a comma list, each a string"),
        (tuple[float, float], "0.5", "a comma list of 2: a float, a float"),
        (tuple[float, float], "1,2,3", "a comma list of 2: a float, a float"),
    ],
)
def test_wrong_value_is_refused(capsys, annotation, text, expected):
    got = []
    message = f"--x expects {expected}. Received: {text!r}"
    assert refused(capsys, one(annotation, got), f"--x={text}") == message
    assert refused(capsys, one(annotation, got), text) == message
    assert got == []


def test_near_choice_is_named(capsys):
    assert refused(capsys, train, "d", "--preset=papr") == (
        "--preset expects one of 'toy', 'article', 'paper'. Received: 'papr'; did you mean 'paper'?"
    )


# Flags.


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("d", ("d", 1, 2e-4, True, "toy")),
        ("d 3", ("d", 3, 2e-4, True, "toy")),
        ("--epochs 3 --data_dir d", ("d", 3, 2e-4, True, "toy")),
        ("--data-dir=d --learning-rate -1", ("d", 1, -1.0, True, "toy")),
        ("d --noaugment", ("d", 1, 2e-4, False, "toy")),
        ("--no-augment d", ("d", 1, 2e-4, False, "toy")),
        ("--augment=false d", ("d", 1, 2e-4, False, "toy")),
        ("--augment false d", ("d", 1, 2e-4, False, "toy")),
        ("d --augment --preset paper", ("d", 1, 2e-4, True, "paper")),
        ("d --augment", ("d", 1, 2e-4, True, "toy")),
        ("help_me --debug", ("help_me", 1, 2e-4, True, "toy")),
        ("--data_dir help", ("help", 1, 2e-4, True, "toy")),
    ],
)
def test_line_is_given_to_the_parameters(line, call):
    assert run(train, *line.split()) == 0
    assert calls == [call]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("d --leraning_rate 1", "unknown flag --leraning_rate; did you mean --learning_rate?"),
        ("d --leraning-rate=1", "unknown flag --leraning-rate; did you mean --learning_rate?"),
        ("d --noaugmnt", "unknown flag --noaugmnt; did you mean --noaugment?"),
        ("d --noepochs", "unknown flag --noepochs; did you mean --epochs?"),
        ("d --debgu", "unknown flag --debgu; did you mean --debug?"),
        ("--hepl", "unknown flag --hepl; did you mean --help?"),
        ("d -epochs 3", "unknown flag -epochs; did you mean --epochs?"),
        ("d --zzz", "unknown flag --zzz"),
        ("d -e", "unknown flag -e"),
        ("d -- 3", "unknown flag --"),
        ("d --epochs", "--epochs expects an int. Received: nothing"),
        ("--data_dir --epochs 3", "--data_dir expects a string. Received: nothing"),
        ("d --noaugment=true", "--noaugment expects no value. Received: 'true'"),
        ("--augment d --data_dir=e", "--augment expects true or false. Received: 'd'"),
        ("d --epochs 1 --epochs=2", "--epochs is given twice. Received: '1' and '2'"),
        ("d --augment --noaugment", "--augment is given twice. Received: 'true' and 'false'"),
        ("d --data-dir e", "--data_dir is given twice. Received: 'd' and 'e'"),
        ("--epochs 3", "missing required argument --data_dir"),
        ("d 3 4", "unexpected argument '4'"),
        ("d 3 presett=toy", "unexpected argument 'presett=toy'; did you mean --preset?"),
    ],
)
def test_wrong_line_is_refused(capsys, line, message):
    assert refused(capsys, train, *line.split()) == message
    assert calls == []


def test_every_missing_argument_is_named(capsys):
    def command(a: int, b: int = 1, *, c: str) -> None:
        raise AssertionError

    assert refused(capsys, command) == "missing required argument --a, --c"


def test_articles_split_command_line():
    got = []

    def split(path: str, _dir_: str = "val") -> None:
        got.append((path, _dir_))

    assert run(split, "--path", "P", "--_dir_", "train") == 0
    assert got == [("P", "train")]


def test_parameters_named_like_the_words_of_the_wrapper():
    got = []

    def command(h: int, noise: bool = False, x: bool = True, no_x: bool = False) -> None:
        got.append((h, noise, x, no_x))

    assert run(command, "--h=1", "--noise", "--no_x") == 0
    assert run(command, "--h", "2", "--nonoise", "--nox", "--nono_x") == 0
    assert got == [(1, True, True, True), (2, False, False, False)]
    assert run(command, "-h") == 0
    assert len(got) == 2


def test_signature_that_cannot_be_checked_is_refused(capsys):
    def loose(**options) -> None:
        raise AssertionError

    def bare(x) -> None:
        raise AssertionError

    assert run(loose, "--anything=1") == 1
    assert run(bare, "1") == 1
    assert run(one(list[int], [])) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: TypeError: a command takes no *args and no **kwargs. Received: **options",
        "error: TypeError: expected an annotation of every parameter. Received: x",
        "error: TypeError: expected a type that a command line can hold. Received: list[int]",
    ]


def test_composed_signature_is_obeyed(capsys):
    got = {}

    def command(**options) -> None:
        got.update(options)

    parameter = inspect.Parameter("x", inspect.Parameter.KEYWORD_ONLY, default=1, annotation=int)
    command.__signature__ = inspect.Signature([parameter])
    assert run(command, "--x=2") == 0
    assert got == {"x": 2}
    assert refused(capsys, command, "--y=2").startswith("unknown flag --y")


# Several commands.


def process_main(dataset_dir: str) -> None:
    """Trains as the article says."""
    calls.append(("process_main", dataset_dir))


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("process_main --dataset_dir D", ("process_main", "D")),
        ("process-main D", ("process_main", "D")),
        ("--data_dir d", ("d", 1, 2e-4, True, "toy")),
    ],
)
def test_command_is_chosen_by_the_first_word(line, call):
    assert run({None: train, "process_main": process_main}, *line.split()) == 0
    assert calls == [call]


def test_default_command_is_used_without_words(capsys):
    assert refused(capsys, {None: train, "process_main": process_main}) == (
        "missing required argument --data_dir"
    )


@pytest.mark.parametrize(
    ("line", "received"),
    [
        ("proces_main d", "'proces_main'; did you mean 'process_main'?"),
        ("--dataset_dir d", "'--dataset_dir'"),
        ("zzz", "'zzz'"),
    ],
)
def test_unknown_command_is_refused(capsys, line, received):
    commands = {"process_main": process_main, "train": train}
    assert refused(capsys, commands, *line.split()) == (
        f"expected one of the commands process_main, train. Received: {received}"
    )
    assert calls == []


# Help.


@pytest.fixture
def columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")


HELP = """\
usage: prog --data_dir=DATA_DIR [--flag=value ...]

Trains a GAN on images.

flags:
  --data_dir str
      Folder of the images: `train/` and `val/`, see: the
      README. Required.
  --epochs int
      How often each image is seen. Default: 1.
  --learning_rate float
      Of Adam. Default: 0.0002.
  --augment, --noaugment
      Default: true.
  --preset toy | article | paper
      Whose numbers. Default: toy.
  --debug, --nodebug
      Show the traceback of an error. Default: false.
"""


@pytest.mark.parametrize("line", ["--help", "-h", "help", "d --epochs 3 --help", "--zzz -h"])
def test_help(capsys, columns, line):
    assert run(train, *line.split()) == 0
    assert capsys.readouterr() == (HELP, "")
    assert calls == []


def test_help_shows_defaults_as_they_are_typed(capsys, columns):
    def command(
        a: tuple[int, ...] = (1, 2),
        b: str = "",
        c: int | None = None,
        d: Path = Path("x"),
        e: int | None = None,
        f: int = 3,
    ) -> None:
        """Does it.

        Args:
            e: Default: as many as there are.
            f: Default: wrong.
        """

    assert run(command, "--help") == 0
    assert capsys.readouterr().out.split("flags:\n")[1].splitlines()[:12] == [
        "  --a int,...",
        "      Default: 1,2.",
        "  --b str",
        "      Default: ''.",
        "  --c int | none",
        "      Default: none.",
        "  --d Path",
        "      Default: x.",
        "  --e int | none",
        "      Default: as many as there are.",
        "  --f int",
        "      Default: wrong. Default: 3.",
    ]


@pytest.mark.parametrize("line", ["--help", "-h", "help"])
def test_help_of_several_commands(capsys, columns, line):
    assert run({None: train, "process_main": process_main}, *line.split()) == 0
    head = (
        "usage: prog COMMAND [--flag=value ...]\n\n"
        "commands:\n  process_main  Trains as the article says.\n\n"
        "prog COMMAND --help lists the flags of a command.\n\n"
        "Without a command:\n\n"
    )
    assert capsys.readouterr() == (head + HELP, "")


def test_help_of_one_of_several_commands(capsys):
    assert run({"process_main": process_main}, "process_main", "--help") == 0
    assert capsys.readouterr().out.startswith(
        "usage: prog process_main --dataset_dir=DATASET_DIR [--flag=value ...]\n"
    )


# Errors of the command.


def raising(error, debug_flag=False):
    def command(x: int = 0) -> None:
        raise error

    def command_with_debug(debug: bool = False) -> None:
        calls.append(debug)
        raise error

    return command_with_debug if debug_flag else command


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UsageError("expected a. Received: b"), 2, "error: expected a. Received: b"),
        (Failure("no space"), 1, "error: no space"),
        (Failure("NaN", exit_code=3), 3, "error: NaN"),
        (ValueError("two\n\n  lines"), 1, "error: ValueError: two lines"),
        (ValueError(), 1, "error: ValueError"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_error_is_one_line(capsys, error, status, line):
    assert run(raising(error)) == status
    assert capsys.readouterr() == ("", line + "\n")


def test_broken_pipe_that_is_not_stdout_is_told(capsys):
    assert run(raising(BrokenPipeError("a worker"))) == 1
    assert capsys.readouterr().err == "error: BrokenPipeError: a worker\n"


def test_exit_status_of_the_command_is_kept():
    assert run(raising(SystemExit(143))) == 143


@pytest.mark.parametrize("words", [["--debug"], ["--debug=yes"], ["--x", "1", "--debug", "true"]])
def test_traceback_with_debug(capsys, words):
    assert run(raising(ValueError("why")), *words) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == ["ValueError: why", "error: ValueError: why"]


@pytest.mark.parametrize("words", [["--nodebug"], ["--debug=false"], ["--debug", "false"]])
def test_no_traceback_without_debug(capsys, words):
    assert run(raising(ValueError("why")), *words) == 1
    assert capsys.readouterr().err == "error: ValueError: why\n"


def test_debug_of_the_command_is_passed_and_used(capsys):
    assert run(raising(ValueError("why"), debug_flag=True), "--debug") == 1
    assert capsys.readouterr().err.startswith("Traceback")
    assert run(raising(ValueError("why"), debug_flag=True)) == 1
    assert capsys.readouterr().err == "error: ValueError: why\n"
    assert run(raising(ValueError("why"), debug_flag=True), "yes") == 1
    assert capsys.readouterr().err.startswith("Traceback")
    assert calls == [True, False, True]


# As a process.

SCRIPT = """\
import sys
from pathlib import Path
from gans.command_line import cli

def main(out: str, lines: int = 1) -> None:
    Path(out).write_text("done")
    for _ in range(lines):
        print("line")

if __name__ == "__main__":
    cli.run(main)
"""


def process(folder, *words, stdout=subprocess.PIPE, **environment):
    (folder / "script.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "script.py", *words],
        cwd=folder,
        env={**os.environ, **environment},
        text=True,
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


def test_process_runs(tmp_path):
    result = process(tmp_path, "--out", "done")
    assert (result.returncode, result.stdout, result.stderr) == (0, "line\n", "")
    assert (tmp_path / "done").read_text() == "done"


def test_process_with_a_wrong_flag_does_nothing(tmp_path):
    result = process(tmp_path, "--out", "done", "--linse=3")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: unknown flag --linse; did you mean --lines?\n"
    assert [path.name for path in tmp_path.iterdir()] == ["script.py"]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["--lines=1"], ["--lines=9999"], ["--help"]])
def test_process_whose_reader_is_gone_ends_quietly(tmp_path, words, unbuffered):
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = process(
        tmp_path, "--out", "done", *words, stdout=write_end, PYTHONUNBUFFERED=unbuffered
    )
    os.close(write_end)
    assert (result.returncode, result.stderr) == (141, "")


def test_import_is_light():
    code = (
        "import sys; import gans.command_line.cli; "
        "print(sorted({'tensorflow', 'keras', 'numpy', 'PIL'} & {*sys.modules}))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
