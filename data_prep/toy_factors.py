"""What a toy fashion item is drawn from: palette, kinds, factors and how they are sampled."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from gans.command_line.errors import UsageError

DOMAINS = ("bags", "shoes")
SPLITS = ("train", "val")
HUES = {
    "red": 0,
    "amber": 45,
    "lime": 90,
    "green": 135,
    "cyan": 180,
    "blue": 225,
    "violet": 270,
    "magenta": 315,
}
# All but gold have an HSV saturation below 0.25, so that they are no hue.
BLACK, WHITE, TAUPE = (0.13, 0.13, 0.14), (0.93, 0.93, 0.92), (0.53, 0.47, 0.43)
NEUTRALS = {"black": BLACK, "grey": (0.52, 0.52, 0.53), "cream": (0.94, 0.91, 0.82), "taupe": TAUPE}
PATTERNS = ("plain", "stripes", "dots", "checks")
PATTERN_COLOURS = {"white": WHITE, "black": BLACK}
TRIMS = {"gold": (0.86, 0.68, 0.32), "silver": (0.76, 0.77, 0.8), "black": BLACK, "white": WHITE}
CONTRASTS = {"matching": None, "black": BLACK, "cream": (0.88, 0.84, 0.74), "taupe": TAUPE}
LINING = (0.27, 0.26, 0.25)


def expect(name: str, value: object, good: bool, expected: str) -> None:
    """Raises `UsageError`, in the words common to all arguments, unless `good`."""
    if not good:
        raise UsageError(f"{name} expects {expected}. Received: {value!r}")


def expect_int(name: str, value: object, low: int, high: float = math.inf) -> None:
    expected = f"an int from {low} to {high}" if high < math.inf else f"an int of {low} or more"
    expect(name, value, type(value) is int and low <= value <= high, expected)


class Kind(NamedTuple):
    noun: str
    ends: tuple[str, ...]  # Handles of a bag, heels or soles of a shoe.
    fittings: tuple[str, ...]


_CARRIED = ("top handle", "shoulder strap")
_DRESSY = ("none", "ankle strap", "bow")
KINDS = {
    "bags": {
        "tote": Kind("tote bag", ("short handles", "long handles"), ("none", "buckle", "studs")),
        "satchel": Kind("satchel", _CARRIED, ("buckle", "buckles", "clasp")),
        "clutch": Kind("clutch bag", ("none", "wrist strap", "chain"), ("none", "buckle", "clasp")),
        "backpack": Kind("backpack", ("none", "top loop"), ("zip", "buckle")),
        "hobo": Kind("hobo bag", ("short strap", "shoulder strap"), ("none", "zip")),
        "bucket": Kind("bucket bag", _CARRIED, ("none", "buckle", "drawstring")),
    },
    "shoes": {
        "sneaker": Kind("sneaker", ("flat sole", "thick sole"), ("laces", "straps")),
        "boot": Kind(
            "boot", ("flat heel", "block heel", "stiletto heel"), ("none", "zip", "buckle", "laces")
        ),
        "pump": Kind("pump", ("kitten heel", "block heel", "stiletto heel"), _DRESSY),
        "loafer": Kind("loafer", ("flat heel", "block heel"), ("none", "buckle", "tassels")),
        "sandal": Kind("sandal", ("flat sole", "platform sole"), ("none", "buckle", "buckles")),
        "wedge": Kind("wedge shoe", ("low wedge heel", "high wedge heel"), _DRESSY),
    },
}


@dataclasses.dataclass(frozen=True)
class Factors:
    """All that an item is drawn from; the row of `factors.csv`."""

    domain: str  # "bags" or "shoes".
    kind: str  # A key of `KINDS[domain]`, uniform.
    handle: str  # The bag's handle or strap; "none" for shoes and for bags without.
    heel: str  # The shoe's heel or sole; "none" for bags.
    fitting: str  # Buckle, zip, laces, ...; "none" for an item without.
    # Measures of the outline in [0, 1], uniform: overall width and height, how far it widens, how
    # round it is, where flap, seam or throat sits.
    width: float
    height: float
    taper: float
    curve: float
    detail: float
    tilt: float  # Rotation of the whole item in degrees, [-4, 4].
    hue: str  # A name of `HUES` (8 of 10 items) or of `NEUTRALS`.
    hue_degrees: float  # Angle in HSV, the palette's within 7 degrees; 0 for neutrals.
    saturation: float  # In HSV, [0.65, 0.95]; 0 for neutrals, which have a fixed one below 0.25.
    lightness: float  # [0, 1], from the darkest to the lightest variant of the colour.
    pattern: str  # One of `PATTERNS`, uniform.
    pattern_colour: str  # Also drawn for a plain item, which shows none.
    pattern_period: float  # As a share of half the image.
    pattern_angle: float  # 0, 45 or 90 degrees.
    trim: str  # Colour of fitting, chain and rings where the item has them, a name of `TRIMS`.
    # Colour of handle, straps, heel and sole likewise, a name of `CONTRASTS`; "matching" is a
    # darker variant of the item's own.
    contrast: str
    gloss: float  # [0, 1], from matt to shiny.
    light: float  # [-1, 1], light from further left or further right.
    grain: int  # Seed of the surface's grain.

    @property
    def caption(self) -> str:
        """The item in plain English: "a red tote bag with white dots and a gold buckle"."""
        kind = KINDS[self.domain][self.kind]
        colour = "" if self.contrast == "matching" else f"{self.contrast} "
        end = self.handle if self.heel == "none" else self.heel
        extras = [] if self.pattern == "plain" else [f"{self.pattern_colour} {self.pattern}"]
        if end == "chain":
            extras.append(f"a {self.trim} chain")
        elif end != "none":
            extras.append(f"{colour}{end}" if end.endswith("handles") else f"a {colour}{end}")
        if self.fitting == "ankle strap":
            extras.append(f"an ankle strap with a {self.trim} buckle")
        elif self.fitting != "none":
            plural = self.fitting.endswith("s")
            extras.append(f"{'' if plural else 'a '}{self.trim} {self.fitting}")
        listed = ", ".join(extras[:-1]) + " and " * (len(extras) > 1) + "".join(extras[-1:])
        article = "an" if self.hue[0] in "aeiou" else "a"
        return f"{article} {self.hue} {kind.noun}" + (f" with {listed}" if listed else "")


def _pick(rng: np.random.Generator, options, share=None) -> str:
    options = list(options)
    return options[rng.choice(len(options), p=share)]


def _uniform(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> float:
    # Four decimals, so that factors.csv says exactly what was drawn.
    return round(float(rng.uniform(low, high)), 4)


def sample_factors(domain: str, seed: int, index: int, split: str = "train") -> Factors:
    """Draws the factors of one item, a pure function of the arguments.

    Args:
        domain: "bags" or "shoes".
        seed: The set's seed, 0 or more.
        index: The item's number within its split, 0 or more.
        split: "train" or "val".

    Returns:
        The factors, drawn from five independent streams: outline, colour, pattern, trim and light.

    Raises:
        UsageError: An argument is not of these.
    """
    expect("domain", domain, domain in DOMAINS, "'bags' or 'shoes'")
    expect("split", split, split in SPLITS, "'train' or 'val'")
    expect_int("seed", seed, 0)
    expect_int("index", index, 0)
    key = [seed, DOMAINS.index(domain), SPLITS.index(split), index]
    outline, colour, pattern, trim, light = (np.random.default_rng([*key, i]) for i in range(5))
    name = _pick(outline, KINDS[domain])
    kind = KINDS[domain][name]
    end = _pick(outline, kind.ends)
    hue = _pick(colour, HUES if colour.random() < 0.8 else NEUTRALS)
    offset, saturation = _uniform(colour, -7, 7), _uniform(colour, 0.65, 0.95)
    second = _pick(pattern, PATTERN_COLOURS)
    # White on cream and black on black cannot be seen.
    second = {"cream": "black", "black": "white"}.get(hue, second)
    return Factors(
        domain=domain,
        kind=name,
        handle=end if domain == "bags" else "none",
        heel=end if domain == "shoes" else "none",
        fitting=_pick(outline, kind.fittings),
        **{name: _uniform(outline) for name in ("width", "height", "taper", "curve", "detail")},
        tilt=_uniform(outline, -4, 4),
        hue=hue,
        hue_degrees=round((HUES[hue] + offset) % 360, 4) if hue in HUES else 0.0,
        saturation=saturation if hue in HUES else 0.0,
        lightness=_uniform(colour),
        pattern=_pick(pattern, PATTERNS),
        pattern_colour=second,
        pattern_period=_uniform(pattern, 0.2, 0.3),
        pattern_angle=float(_pick(pattern, (0, 45, 90))),
        trim=_pick(trim, TRIMS),
        contrast=_pick(trim, CONTRASTS, (0.4, 0.2, 0.2, 0.2)),
        gloss=_uniform(light),
        light=_uniform(light, -1, 1),
        grain=int(light.integers(2**31)),
    )
