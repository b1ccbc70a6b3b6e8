"""Flags of dataclasses and of a GAN file, composed into one command; docstrings."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import pytest

from gans.command_line import cli, signatures
from gans.command_line.gan_files import Abilities, GanFile
from gans.nn.settings import Checked, Settings, setting


@dataclass(frozen=True, kw_only=True)
class Toy(Settings):
    image_size: int = setting(256, "Side in pixels.", least=1)
    learning_rate: float = setting(2e-4, "Of Adam.", least=0)
    betas: tuple[float, float] = setting((0.5, 0.999), "Of Adam.")
    norm: Literal["batch", "instance"] | None = setting("instance", "Kind, or none.")
    shift: int = setting(-1, "Of the mean.")
    augment: bool = setting(True, "Mirror.")
    data: Literal["images", "points"] = setting("images", "Kind of the data.")


TOY = GanFile(
    "toy",
    "ToyGAN",
    Toy,
    {"toy": {"image_size": 64, "betas": (0.5, 0.9), "norm": None}, "paper": {"image_size": 128}},
    {"toy": {}, "paper": {}},
    Abilities(starts_from="noise"),
)


@dataclass(frozen=True, kw_only=True)
class Flags(Checked):
    preset: str | None = setting(None, "Whose numbers. Default: by the data.")
    epochs: int | None = setting(None, "Passes. Default: that of the preset.", least=1)
    seed: int = setting(0, "Of all draws.")
    dry_run: bool = setting(False, "Only print.")

    def check(self):
        if self.dry_run and self.epochs:
            raise ValueError("`dry_run` must be alone. Received: True")


@dataclass(frozen=True, kw_only=True)
class Where(Checked):
    data_dir: str | None = setting(None, "Folder.")


calls: list[tuple] = []


def train(out: str, flags: Flags, data: Where, given: dict) -> None:
    """Trains.

    Args:
        out: Where to.
        epochs: Passes over all.
    """
    calls.append((out, flags, data, given))


@pytest.fixture
def run(capsys):
    """Runs a line of the composed command: status, stdout, stderr and what was called."""
    calls.clear()

    def run_line(line, command=train, gan_file=TOY):
        with pytest.raises(SystemExit) as exit_:
            cli.run(cli.compose(command, gan_file), line.split(), prog="prog")
        out, err = capsys.readouterr()
        return exit_.value.code, out, err, list(calls)

    return run_line


@pytest.mark.parametrize(
    ("line", "flags", "where", "given"),
    [
        ("d", {}, {}, {}),
        ("--out d --epochs 3 --shift -2", {"epochs": 3}, {}, {"shift": -2}),
        ("d --noaugment --betas 0,.9", {}, {}, {"augment": False, "betas": (0.0, 0.9)}),
        ("d --norm=none --preset paper", {"preset": "paper"}, {}, {"norm": None}),
        ("d --epochs=none --preset none", {}, {}, {}),
        # A given value is given, though it is the default.
        ("d --shift=-1 --dry-run", {"dry_run": True}, {}, {"shift": -1}),
        (
            "d --data=points --data_dir=x --seed 4",
            {"seed": 4},
            {"data_dir": "x"},
            {"data": "points"},
        ),
    ],
)
def test_flags_fill_their_dataclasses_and_only_given_settings_are_given(
    run, line, flags, where, given
):
    assert run(line) == (0, "", "", [("d", Flags(**flags), Where(**where), given)])


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("d --shitf=1", "--shitf; did you mean --shift?"),
        ("d --given=1", "--given"),
        ("d --flags=1", "--flags"),
        ("d --shift=none", "--shift expects an int. Received: 'none'"),
        ("d --norm=bach", "Received: 'bach'; did you mean 'batch'?"),
        ("d --preset=papr", "'toy', 'paper' or none. Received: 'papr'; did you mean 'paper'?"),
        ("d 64", "unexpected argument '64'"),
        ("d --epochs=0", "--epochs expects at least 1. Received: 0"),
        ("d --epochs=1 --dry_run", "--dry_run expects alone"),
        ("--shift=1", "missing required argument --out"),
    ],
)
def test_a_wrong_line_is_refused_by_the_name_of_the_flag(run, line, told):
    status, out, err, called = run(line)
    assert (status, out, called) == (2, "", []) and err.count("\n") == 1 and told in err


def test_the_help_has_two_groups_defaults_and_presets(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    status, out, _, _ = run("--help")
    assert status == 0
    assert (
        out
        == """\
usage: prog --out=OUT [--flag=value ...]

Trains.

flags:
  --out str
      Where to. Required.
  --preset toy | paper | none
      Whose numbers. Default: by the data.
  --epochs int | none
      Passes over all. Default: none.
  --seed int
      Of all draws. Default: 0.
  --dry_run, --nodry_run
      Only print. Default: false.
  --data_dir str | none
      Folder. Default: none.
  --debug, --nodebug
      Show the traceback of an error. Default: false.

settings of ToyGAN:
  --image_size int
      Side in pixels. Default: 256, toy: 64, paper: 128.
  --learning_rate float
      Of Adam. Default: 0.0002.
  --betas float,float
      Of Adam. Default: 0.5,0.999, toy: 0.5,0.9.
  --norm batch | instance | none
      Kind, or none. Default: instance, toy: none.
  --shift int
      Of the mean. Default: -1.
  --augment, --noaugment
      Mirror. Default: true.
  --data images | points
      Kind of the data. Default: images.
"""
    )


def test_a_command_without_a_gan_has_the_flags_of_its_dataclasses(run):
    def show(where: Where, count: int = 1) -> None:
        calls.append((where, count))

    assert run("--data_dir=a --count=2", show, None)[3] == [(Where(data_dir="a"), 2)]
    status, _, err, _ = run("--shift=2", show, None)
    assert status == 2 and "--shift" in err


def test_a_composed_command_can_be_called():
    calls.clear()
    cli.compose(train, TOY)("d", shift=3, epochs=2)
    assert calls == [("d", Flags(epochs=2), Where(), {"shift": 3})]
    with pytest.raises(TypeError):
        cli.compose(train, TOY)("d", shitf=3)


def test_a_field_without_a_meaning_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Bare:
        width: int = 3

    def command(bare: Bare) -> None: ...

    assert dataclasses.is_dataclass(Bare)
    with pytest.raises(TypeError, match="Received: width"):
        cli.compose(command)


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
