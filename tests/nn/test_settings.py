"""Settings of a GAN: what is admitted, what an error names, what a class inherits."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from gans.nn import settings
from gans.nn.settings import described, doublings, setting


@dataclass(frozen=True, kw_only=True)
class Example(settings.Settings):
    width: int = setting(4, "Of a layer.", least=1)
    rate: float = setting(0.5, "Of a draw.", least=0, below=1)
    clip: float | None = setting(None, "Of a weight.", above=0)
    norm: Literal["batch", "none"] = setting("batch", "Of a layer.")
    kernel: Literal[4, 5] = setting(4, "Of a convolution.")
    flag: bool = setting(False, "Whether.")
    units: tuple[int, ...] = setting((8, 8), "Of layers.", least=1)
    crop: tuple[int, int] | None = setting(None, "First and last.")
    name: str = setting("a", "Of a thing.")

    def check(self):
        if self.flag and self.width == 13:
            raise ValueError(f"`width` must not be 13 with flag. Received: {self.width}")


ADMITTED = [
    {"width": 1},
    {"width": np.int64(3)},
    {"rate": 0},
    {"rate": np.float32(0.25)},
    {"clip": 1e-9},
    {"clip": None},
    {"kernel": 5},
    {"flag": True},
    {"units": (3,)},
    {"crop": (1, 2)},
    {"width": 13},
    {"seed": 2**24 - 1},
]


@pytest.mark.parametrize("values", ADMITTED, ids=str)
def test_values_are_kept(values):
    made = Example(**values)
    ((name, value),) = values.items()
    assert getattr(made, name) is value
    others = {field.name for field in dataclasses.fields(Example)} - {name}
    assert all(getattr(made, other) == getattr(Example(), other) for other in others)


REFUSED = [
    ("width", 0),
    ("width", 2.0),
    ("width", "4"),
    ("width", True),
    ("width", None),
    ("rate", -0.1),
    ("rate", 1),
    ("rate", float("nan")),
    ("rate", "0.5"),
    ("clip", 0),
    ("clip", float("nan")),
    ("clip", False),
    ("norm", "Batch"),
    ("norm", None),
    ("kernel", 3),
    ("kernel", 4.0),
    ("flag", 1),
    ("units", ()),
    ("units", (3, 0)),
    ("units", (3, 2.5)),
    ("units", 8),
    ("crop", (1,)),
    ("crop", (1, 2, 3)),
    ("name", 5),
    ("seed", -1),
    ("seed", 2**24),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_an_error_names_the_field_and_the_received_value(name, value):
    with pytest.raises(ValueError) as error:
        Example(**{name: value})
    message = str(error.value)
    received = [repr(value), *([repr(x) for x in value] if isinstance(value, tuple) else [])]
    assert message.startswith(f"`{name}` must be ")
    assert message.rpartition("Received: ")[2] in received and "\n" not in message


def test_an_error_says_what_is_admitted():
    for values, admitted in [
        ({"width": 0}, "at least 1"),
        ({"rate": 1}, "below 1"),
        ({"clip": 0}, "above 0"),
        ({"kernel": 3}, "4, 5"),
        ({"norm": "x"}, "'batch', 'none'"),
        ({"clip": "x"}, "a number or None"),
        ({"units": 8}, "an int"),
    ]:
        with pytest.raises(ValueError) as error:
            Example(**values)
        assert admitted in str(error.value).partition("Received")[0]


def test_combinations_are_checked_after_the_fields():
    with pytest.raises(ValueError, match="13"):
        Example(width=13, flag=True)
    with pytest.raises(ValueError, match="`flag`"):
        Example(width=13, flag=1)


@pytest.mark.parametrize(
    ("misspelt", "nearest"),
    [("widht", "width"), ("Width", "width"), ("kernel_size", "kernel"), ("klip", "clip")],
)
def test_a_misspelt_name_is_refused_with_the_nearest_one(misspelt, nearest):
    with pytest.raises(TypeError) as error:
        Example(**{"rate": 0.1, misspelt: 1})
    expected, _, received = str(error.value).partition("Received: ")
    assert f"`{nearest}`" in expected and received == f"`{misspelt}`"


def test_settings_are_frozen_copied_and_compared_by_value():
    made = Example(units=[3, 4], width=2)
    assert made.units == (3, 4)  # As config.json gives a tuple back.
    assert made == Example(units=(3, 4), width=2) != Example(width=2)
    assert made == copy.deepcopy(made) == pickle.loads(pickle.dumps(made))
    assert dataclasses.replace(made, width=7) == Example(units=(3, 4), width=7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.width = 3
    with pytest.raises(ValueError, match="`width`.*0"):
        dataclasses.replace(made, width=0)


def test_another_default_keeps_meaning_and_limits():
    @dataclass(frozen=True, kw_only=True)
    class Wide(Example):
        width: int = 64
        extra: int = setting(0, "Of its own.")

    assert Wide().width == 64 and Example().width == 4
    assert described(Wide)["width"] == described(Example)["width"]
    assert described(Wide)["width"]["meaning"] == "Of a layer."
    assert list(described(Wide)) == [field.name for field in dataclasses.fields(Wide)]
    with pytest.raises(ValueError, match="`width`.*0"):
        Wide(width=0)


def test_a_field_without_a_meaning_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Silent(settings.Settings):
        width: int = 4

    with pytest.raises(TypeError, match="width"):
        described(Silent)


def test_doublings_is_defined_for_four_to_seven_times_a_power_of_two():
    sizes = {smallest * 2**count: count for smallest in (4, 5, 6, 7) for count in range(1, 10)}
    assert (sizes[28], sizes[32], sizes[64], sizes[96], max(sizes)) == (2, 3, 4, 4, 3584)
    for size in range(-1, 7200):
        if size in sizes:
            assert doublings(size) == sizes[size]
        else:
            with pytest.raises(ValueError, match=f"`image_size`.*: {size}$"):
                doublings(size)


def test_settings_are_checked_without_tensorflow():
    code = "import sys, gans.nn.settings; print({'tensorflow', 'keras'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
