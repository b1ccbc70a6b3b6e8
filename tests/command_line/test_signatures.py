"""Flags of a constructor that is read from its source, and its docstring."""

import inspect
import sys
from typing import Literal

import pytest

from gans.command_line import cli, signatures

SOURCE = '''\
"""A GAN whose module must not be imported."""

from __future__ import annotations

from typing import Literal

raise RuntimeError("imported")

PRESETS = {
    "toy": {"image_size": 64, "betas": (0.5, 0.9), "norm": None},
    "article": {},
    "paper": {"image_size": 128},
}


class Other:
    def __init__(self, *, wrong: list = []):
        pass


class ToyGAN(Base):
    """A GAN.

    Args:
        image_size: Height and width
            in pixels.
        learning_rate: Of the class docstring.
        norm: Kind, or none.
    """

    def helper(self, *, wrong: list = []):
        pass

    def __init__(
        self,
        networks=None,
        *,
        image_size: int = 256,
        learning_rate: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        norm: Literal["batch", "instance"] | None = "instance",
        shift: int = -1,
        augment: bool = True,
        classes: int,
        **kwargs,
    ):
        """Builds it.

        Args:
            learning_rate: Of Adam.
        """
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module `signatures_example` and gives its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source):
        (tmp_path / "signatures_example.py").write_text(source)
        return "signatures_example"

    return write


@pytest.fixture
def description(module):
    return cli.describe_class(module(SOURCE), "ToyGAN")


def test_constructor_is_read_without_import(description):
    assert "signatures_example" not in sys.modules
    assert description.name == "ToyGAN"
    assert [(p.name, p.annotation, p.default) for p in description.parameters] == [
        ("image_size", int, 256),
        ("learning_rate", float, 2e-4),
        ("betas", tuple[float, float], (0.5, 0.999)),
        ("norm", Literal["batch", "instance"] | None, "instance"),
        ("shift", int, -1),
        ("augment", bool, True),
        ("classes", int, inspect.Parameter.empty),
    ]
    assert {p.kind for p in description.parameters} == {inspect.Parameter.KEYWORD_ONLY}
    assert description.help == {
        "image_size": "Height and width in pixels.",
        "learning_rate": "Of Adam.",
        "norm": "Kind, or none.",
    }
    assert description.presets == {
        "toy": {"image_size": 64, "betas": (0.5, 0.9), "norm": None},
        "article": {},
        "paper": {"image_size": 128},
    }


CLASS = "class A:\n    def __init__(self, *, {}): pass\n"


@pytest.mark.parametrize(
    ("source", "presets"),
    [
        (CLASS.format("x: int = 1"), None),
        ("PRESETS: dict[str, dict] = {'toy': {}}\n" + CLASS.format("x: int = 1"), {"toy": {}}),
    ],
)
def test_presets_may_be_missing_or_annotated(module, source, presets):
    assert cli.describe_class(module(source), "A").presets == presets


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class B: pass\n", "signatures_example has no class A with an __init__"),
        ("class A: pass\n", "signatures_example has no class A with an __init__"),
        (CLASS.format("x: int = WIDTH"), "A(x=...) must be a literal. Received: WIDTH"),
        (CLASS.format("x: int = 2**6"), "A(x=...) must be a literal. Received: 2 ** 6"),
        (
            "PRESETS = dict(toy={})\n" + CLASS.format("x: int = 1"),
            "signatures_example.PRESETS must be a literal. Received: dict(toy={})",
        ),
        *(
            (
                CLASS.format(f"x{annotation} = 1"),
                "A(x: ...) needs an annotation of int, float, bool, str, tuple, Literal and None. "
                f"Received: {received}",
            )
            for annotation, received in [
                ("", "nothing"),
                (": keras.Model", "keras.Model"),
                (": list[int]", "list[int]"),
                (": open('x', 'w')", "open('x', 'w')"),
                (": int.__class__", "int.__class__"),
            ]
        ),
    ],
)
def test_source_that_says_too_little_is_refused(module, source, message):
    with pytest.raises(ValueError) as error:
        cli.describe_class(module(source), "A")
    assert str(error.value) == message


def test_missing_module_is_refused():
    with pytest.raises(ValueError, match="Received: 'gans.no_such_gan'"):
        cli.describe_class("gans.no_such_gan", "A")


def train(
    data_dir: str,
    constructor: dict,
    image_size: int | None = None,
    preset: Literal["toy", "article", "paper"] = "toy",
) -> None:
    """Trains.

    Args:
        data_dir: Folder.
        constructor: No flag.
        preset: Whose numbers.
    """
    calls.append((data_dir, constructor, image_size, preset))


calls: list[tuple] = []


@pytest.fixture
def run(description, capsys):
    """Runs a line of the composed command: status, stdout, stderr and what was called."""
    calls.clear()

    def run_line(line):
        with pytest.raises(SystemExit) as exit_:
            cli.run(cli.compose(train, description), line.split(), prog="prog")
        out, err = capsys.readouterr()
        return exit_.value.code, out, err, list(calls)

    return run_line


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("d", ("d", {}, None, "toy")),
        ("d 64 paper", ("d", {}, 64, "paper")),
        ("d --image-size=64 --shift -2", ("d", {"shift": -2}, 64, "toy")),
        ("d --noaugment --betas 0,.9", ("d", {"augment": False, "betas": (0.0, 0.9)}, None, "toy")),
        ("d --norm=none --preset paper", ("d", {"norm": None}, None, "paper")),
        ("d --shift=-1", ("d", {"shift": -1}, None, "toy")),
    ],
)
def test_only_given_flags_reach_the_constructor(run, line, call):
    assert run(line) == (0, "", "", [call])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("d --shitf=1", "unknown flag --shitf; did you mean --shift?"),
        ("d --constructor=1", "unknown flag --constructor"),
        ("d --networks=1", "unknown flag --networks"),
        ("d --kwargs=1", "unknown flag --kwargs"),
        ("d --shift=none", "--shift expects an int. Received: 'none'"),
        (
            "d --norm=bach",
            "--norm expects one of 'batch', 'instance' or none. Received: 'bach'; "
            "did you mean 'batch'?",
        ),
        ("d 64 paper 0.1", "unexpected argument '0.1'"),
        ("--shift=1", "missing required argument --data_dir"),
    ],
)
def test_wrong_line_is_refused(run, line, message):
    assert run(line) == (2, "", f"error: {message}\n", [])


def test_help_has_two_groups_and_the_presets(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert run("--help") == (
        0,
        """\
usage: prog --data_dir=DATA_DIR [--flag=value ...]

Trains.

flags:
  --data_dir str
      Folder. Required.
  --image_size int | none
      Height and width in pixels. Default: from the preset (toy: 64; paper: 128; constructor: 256).
  --preset toy | article | paper
      Whose numbers. Default: toy.
  --debug, --nodebug
      Show the traceback of an error. Default: false.

ToyGAN's flags:
  --learning_rate float
      Of Adam. Default: 0.0002.
  --betas float,float
      Default: from the preset (toy: 0.5,0.9; constructor: 0.5,0.999).
  --norm batch | instance | none
      Kind, or none. Default: from the preset (toy: none; constructor: instance).
  --shift int
      Default: -1.
  --augment, --noaugment
      Default: true.
  --classes int
      Default: none.
""",
        "",
        [],
    )


def test_composed_command_can_be_called(description):
    calls.clear()
    composed = cli.compose(train, description)
    composed("d", shift=3)
    assert calls == [("d", {"shift": 3}, None, "toy")]
    with pytest.raises(TypeError):
        composed("d", shitf=3)


def test_command_without_constructor_is_refused(description):
    def command(x: int) -> None: ...

    with pytest.raises(TypeError, match="expected a parameter `constructor`. Received: command"):
        cli.compose(command, description)


def test_docstring():
    assert signatures.parse_docstring(
        """Trains it,
        whole.

        Longer: text.

        Args:
            data_dir: Folder of `train/`; note: a colon
                and a second line (see: here).
            image_size (int): Pixels.

                Another paragraph.
            beta_1, beta_2: Of Adam.
            _dir_: Which.

        Raises:
            ValueError: if wrong.
        """
    ) == (
        "Trains it, whole.",
        {
            "data_dir": "Folder of `train/`; note: a colon and a second line (see: here).",
            "image_size": "Pixels. Another paragraph.",
            "beta_1": "Of Adam.",
            "beta_2": "Of Adam.",
            "_dir_": "Which.",
        },
    )
    assert signatures.parse_docstring(None) == ("", {})
    assert signatures.parse_docstring("One line.") == ("One line.", {})
