"""Toy fashion: bags and shoes drawn from known factors, as pairs of edges (left) and photo (right).

    python data_prep/toy_fashion.py --out data/toy_fashion --size 64 --train 1000 --val 100

writes what edges2handbags and edges2shoes look like on disk: `bags/{train,val}/00000.png` and the
same for `shoes`, every image 2 * size wide and size high. With `--domain bags` the folders `train`
and `val` stand directly in `--out`. Beside them:

    factors.csv    one row an image: every factor it was drawn from, and a caption
    palette.json   {"hues": {"red": 0, ...}, "neutrals": ["black", ...]}, hues in degrees of HSV
    manifest.json  the settings and a digest; written last, so a set without it is not complete

The command above takes about 20 s on one core: 9 ms a pair; a pair of 256x256 takes 40 ms. An item
is a pure function of (seed, domain, split, index) and the size: a run that was interrupted goes on
where it stopped and ends with the same bytes.

The outline factors (kind, handle or heel, fitting, continuous measures) decide the edges; colour,
pattern, trim, contrast and light decide only the photo, and are drawn independently of the outline.
Eight of ten items have one of 8 hues, 45 degrees apart in HSV and met within 7, the others one of
4 neutrals. Second colours are neutral and metal is small, so the hues of the pixels with an HSV
saturation above 0.25, weighted by saturation, tell an item's hue. Such pixels are more than 0.15 of
a coloured item and less of a neutral one (the item: all pixels whose darkest channel is below 217).
"""

from __future__ import annotations

import colorsys
import contextlib
import csv
import dataclasses
import functools
import hashlib
import io
import json
import math
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from gans.training import cli

VERSION = 1  # Goes up whenever the bytes of an item change.
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
SUPERSAMPLING = 4
MANIFEST, PARTIAL_MANIFEST = "manifest.json", "manifest.partial.json"


def _expect(name: str, value: object, good: bool, expected: str) -> None:
    if not good:
        raise cli.UsageError(f"{name} expects {expected}. Received: {value!r}")


def _expect_int(name: str, value: object, low: int, high: float = math.inf) -> None:
    expected = f"an int from {low} to {high}" if high < math.inf else f"an int of {low} or more"
    _expect(name, value, type(value) is int and low <= value <= high, expected)


def _expect_size(size: int) -> None:
    good = type(size) is int and 32 <= size <= 512 and size % 4 == 0
    _expect("size", size, good, "a multiple of 4 from 32 to 512")


# Geometry. Coordinates are x to the right and y down; an object's size is normalised afterwards.


Point = tuple[float, float, float]  # x, y and the radius to which the corner is rounded.


class Part(NamedTuple):
    """A surface, painted over the parts before it, or a seam on the surface below."""

    outline: np.ndarray  # (points, 2): a closed polygon, or the open line of a seam.
    material: str  # "body", "contrast", "trim", "lining" or "seam".
    dome: float = 0.05  # How far the surface goes on rising from its rim.


def path(*points: Point, closed: bool = True) -> np.ndarray:
    """Polygon, every corner rounded as far as its radius and its sides allow."""
    corners = np.array([point[:2] for point in points])
    pieces = []
    for i, (corner, (_, _, radius)) in enumerate(zip(corners, points, strict=True)):
        if radius == 0 or (not closed and i in (0, len(points) - 1)):
            pieces.append(corner[None])
            continue
        before, after = corners[i - 1] - corner, corners[(i + 1) % len(points)] - corner
        length_before, length_after = math.hypot(*before), math.hypot(*after)
        reach = min(radius, length_before / 2, length_after / 2)
        start, end = corner + before * reach / length_before, corner + after * reach / length_after
        t = np.linspace(0, 1, 9)[:, None]
        pieces.append((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * end)
    return np.concatenate(pieces)


def line(*points: Point) -> np.ndarray:
    return path(*points, closed=False)


def mirrored(*right: Point) -> np.ndarray:
    """Closed outline from its right half, top to bottom."""
    return path(*right, *((-x, y, radius) for x, y, radius in reversed(right) if x))


def band(centre: np.ndarray, width: float) -> np.ndarray:
    """Outline of a strap along a centre line."""
    along = np.gradient(centre, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across *= width / 2 / np.maximum(np.hypot(*across.T), 1e-9)[:, None]
    return np.concatenate([centre + across, (centre - across)[::-1]])


def arch(x: float, y: float, top: float) -> np.ndarray:
    """Centre line of a handle from (-x, y) up to `top` and down to (x, y)."""
    return line((-x, y, 0), (-x * 0.88, top, 9), (x * 0.88, top, 9), (x, y, 0))


def arc(x: float, y: float, across: float, down: float, begin=0.0, end=360.0) -> np.ndarray:
    """Part of an ellipse, angles in degrees clockwise from the right."""
    angles = np.radians(np.linspace(begin, end, 33))
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)


def ring(x: float, y: float, across: float, down: float, width: float) -> np.ndarray:
    """A strap seen as a flat loop, cut open at the left: what is drawn there hides the cut."""
    outer = arc(x, y, across + width / 2, down + width / 2, 180, 540)
    return np.concatenate([outer, arc(x, y, across - width / 2, down - width / 2, 540, 180)])


def box(x: float, y: float, across: float, down: float, radius: float = 0.02) -> np.ndarray:
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return path(*((x + i * across, y + j * down, radius) for i, j in corners))


def _mix(low: float, high: float, t: float) -> float:
    return low + (high - low) * t


# Laid out by hand: points share lines, as in a table.
# fmt: off
def _buckle(x: float, y: float, size: float) -> list[Part]:
    frame = Part(box(x, y, size, size * 1.15, size / 3), "trim", 0.03)
    return [frame, Part(box(x, y, size * 0.45, size * 0.55, 0.01), "contrast", 0.02)]


def _tab(y: float, length: float, size: float) -> list[Part]:
    """A vertical strap in the middle that ends in a buckle."""
    return [Part(box(0, y, size * 0.75, length), "contrast", 0.03), *_buckle(0, y + length, size)]


# Bags: y = 0 is the top of the body.


def _tote(f: Factors) -> list[Part]:
    top, bottom = _mix(0.5, 0.72, f.width), _mix(0.36, 0.78, f.taper)
    height, sag, x = _mix(0.75, 1.1, f.height), 0.12 * f.curve, top * _mix(0.35, 0.55, f.detail)
    rise = -0.4 if f.handle == "short handles" else -0.75
    side = (top + bottom) / 2 + 0.05 * f.curve
    body = mirrored(
        (0, sag, 9), (top, 0, 0.05), (side, height / 2, 9), (bottom, height, 0.03 + 0.2 * f.curve),
    )
    parts = [
        Part(band(arch(x, 0.1, rise) + (0.05, 0), 0.075), "contrast", 0.04),
        Part(body, "body", 0.3),
        Part(line((-top * 0.98, 0.1, 0), (0, 0.1 + sag, 9), (top * 0.98, 0.1, 0)), "seam"),
        Part(band(arch(x, 0.26 + sag / 2, rise), 0.075), "contrast", 0.04),
    ]
    if f.fitting == "buckle":
        parts += _tab(0.14 + sag, 0.14, 0.08)
    if f.fitting == "studs":
        parts += [Part(arc(s * x, 0.2 + sag / 2, 0.045, 0.045), "trim", 0.03) for s in (-1, 1)]
    return parts


def _satchel(f: Factors) -> list[Part]:
    width, height = _mix(0.68, 0.9, f.width), _mix(0.8, 1.1, f.height)
    bottom, flap = width * _mix(0.95, 1.08, f.taper), height * _mix(0.45, 0.68, f.detail)
    over, short = width + 0.02, f.handle == "top handle"
    handle = arch(0.32, 0.08, -0.32) if short else arch(width * 0.92, 0.08, -0.8)
    parts = [
        Part(band(handle, 0.075), "contrast", 0.04),
        Part(mirrored((width, 0, 0.05), (bottom, height, 0.1)), "body", 0.25),
        Part(mirrored((over, -0.01, 0.08), (over, flap, 0.06 + 0.3 * f.curve)), "body", 0.08),
    ]
    if f.fitting == "clasp":
        return [*parts, Part(box(0, flap, 0.11, 0.08, 0.03), "trim", 0.04)]
    for x in (-width / 2, width / 2) if f.fitting == "buckles" else (0,):
        tab = _tab(flap * 0.75, flap * 0.25 + 0.04, 0.075)
        parts += [part._replace(outline=part.outline + (x, 0)) for part in tab]
    return parts


def _clutch(f: Factors) -> list[Part]:
    width, height = _mix(0.75, 0.95, f.width), _mix(0.65, 1.0, f.height)
    top, tip = width * _mix(0.9, 1, f.taper), height * _mix(0.5, 0.72, f.detail)
    parts = []
    if f.handle == "wrist strap":
        x = width * 0.85
        loop = line(
            (x, 0.1, 0), (x + 0.4, 0.2, 9), (x + 0.35, height + 0.1, 9), (x, height * 0.8, 9),
            (x, 0.14, 0),
        )
        parts += [Part(band(loop, 0.06), "contrast", 0.03)]
    if f.handle == "chain":
        parts += [Part(band(arch(width * 0.9, 0.05, -0.7), 0.05), "trim", 0.02)]
    flap = mirrored(
        (top + 0.02, -0.02, 0.05), (width * 0.98, tip * 0.9 * f.curve, 0.08), (0, tip, 0.12),
    )
    parts += [
        Part(mirrored((top, 0, 0.07), (width, height, 0.07)), "body", 0.18),
        Part(flap, "body", 0.06),
    ]
    if f.fitting == "clasp":
        parts += [Part(arc(0, tip - 0.09, 0.08, 0.08), "trim", 0.05)]
    if f.fitting == "buckle":
        parts += _buckle(0, tip - 0.06, 0.09)
    return parts


def _backpack(f: Factors) -> list[Part]:
    width, height = _mix(0.5, 0.66, f.width), _mix(1.2, 1.45, f.height)
    top, radius = width * _mix(0.62, 0.95, f.taper), _mix(0.25, 0.6, f.curve)
    pocket = height * _mix(0.5, 0.62, f.detail)
    strap = line(
        (top * 0.7, 0.12, 0), (width + 0.22, 0.3, 9), (width + 0.2, height * 0.8, 9),
        (width * 0.9, height * 0.9, 0),
    )
    parts = [Part(band(strap * (s, 1), 0.13), "contrast", 0.06) for s in (-1, 1)]
    if f.handle == "top loop":
        parts += [Part(band(arch(0.16, 0.06, -0.2), 0.06), "contrast", 0.03)]
    body = mirrored((top, 0, radius), (width, height / 2, 9), (width, height, 0.16))
    front = mirrored((width * 0.78, pocket, 0.12), (width * 0.82, height - 0.06, 0.14))
    parts += [Part(body, "body", 0.35), Part(front, "body", 0.16)]
    if f.fitting == "buckle":
        flap = mirrored((top, -0.01, radius), (width + 0.01, height * 0.42, 0.18))
        return [*parts, Part(flap, "body", 0.12), *_tab(height * 0.42, 0.12, 0.08)]
    straight = line((-width * 0.66, pocket + 0.12, 0), (width * 0.66, pocket + 0.12, 0))
    zips = (straight, arch(width * 0.78, height * 0.36, 0.12))
    return parts + [Part(band(zip_line, 0.05), "trim", 0.02) for zip_line in zips]


def _hobo(f: Factors) -> list[Part]:
    width, height = _mix(0.72, 0.92, f.width), _mix(0.75, 1.0, f.height)
    horn, dip = width * _mix(0.72, 0.95, f.taper), height * _mix(0.2, 0.42, f.curve)
    rise = -0.36 if f.handle == "short strap" else -0.7
    body = mirrored(
        (horn * 0.5, dip, 9), (horn, -0.05, 0.06), (width * 1.08, height * 0.6, 9),
        (width * 0.75, height, 9),
    )
    low = dip + 0.09
    mouth = line(
        (0.1 - horn, 0.1, 0), (-horn / 2, low, 9), (horn / 2, low, 9), (horn - 0.1, 0.1, 0),
    )
    fold = line(
        (horn * 0.75, dip * 0.95 + 0.08, 0), (horn * 0.72, height * 0.45, 9),
        (width * 0.5, height * _mix(0.55, 0.75, f.detail), 0),
    )
    parts = [
        Part(band(arch(horn, 0.06, rise), 0.1), "contrast", 0.05), Part(body, "body", 0.4),
        *(Part(fold * (s, 1), "seam") for s in (-1, 1)),
        Part(band(mouth, 0.05), "trim", 0.02) if f.fitting == "zip" else Part(mouth, "seam"),
    ]
    return parts + [Part(arc(s * horn, 0.03, 0.075, 0.085), "trim", 0.04) for s in (-1, 1)]


def _bucket(f: Factors) -> list[Part]:
    top, height = _mix(0.5, 0.68, f.width), _mix(0.9, 1.2, f.height)
    bottom, lip = top * _mix(0.68, 1.0, f.taper), _mix(0.06, 0.16, f.curve)
    base = height * _mix(0.72, 0.84, f.detail)
    girth = _mix(top, bottom, base / height)
    handle = arch(top * 0.95, 0.14, -0.45 if f.handle == "top handle" else -0.85)
    rim, floor = arc(0, 0, top, lip, 180, 0), arc(0, height, bottom, lip, 0, 180)
    parts = [
        Part(arc(0, 0, top, lip), "lining", 0.02), Part(np.concatenate([rim, floor]), "body", 0.4),
        Part(np.concatenate([arc(0, base, girth, lip, 180, 0), floor]), "contrast", 0.25),
        Part(band(handle, 0.07), "contrast", 0.04),
        *(Part(arc(s * top * 0.93, 0.14, 0.06, 0.06), "trim", 0.03) for s in (-1, 1)),
    ]
    if f.fitting == "drawstring":
        knot = 0.2 + lip
        ends = line((0, knot, 0), (0.13, knot + 0.15, 9), (0.1, knot + 0.4, 0))
        cords = [arc(0, 0.2, top * 0.96, lip, 180, 0), ends * (-1, 1), ends]
        parts += [Part(band(cord, 0.045), "trim", 0.02) for cord in cords]
    return parts + _tab(lip + 0.14, 0.14, 0.085) if f.fitting == "buckle" else parts


# Shoes: y = 0 is the ground, the toe points to the right.


def _sole(rise: float, thick: float, toe: float, heel: float = -0.85) -> np.ndarray:
    """Sole from a heel `rise` above the ground to a toe that springs slightly from it."""
    return path(
        (heel, -rise - thick, 0.03), (-0.3, -rise - thick, 9), (0.15, -thick, 9), (0.5, -thick, 9),
        (toe, -thick - 0.05, 0.03), (toe + 0.02, -0.05, 0.08), (0.5, 0, 9), (0.15, 0, 9),
        (-0.3, -rise, 9), (heel, -rise, 0.03),
    )


def _lacing(start: tuple[float, float], end: tuple[float, float], count: int) -> list[Part]:
    laces = []
    for t in np.linspace(0, 1, count):
        x, y = _mix(start[0], end[0], t), _mix(start[1], end[1], t)
        lace = line((x - 0.02, y - 0.03, 0), (x - 0.13, y + 0.15, 0))
        laces.append(Part(band(lace, 0.055), "trim", 0.02))
    return laces


def _sneaker(f: Factors) -> list[Part]:
    thick = 0.2 if f.heel == "thick sole" else 0.12
    toe, collar = _mix(0.85, 1.0, f.width), _mix(0.62, 0.85, f.height)
    box_height = _mix(0.28, 0.4, f.taper)
    tongue, vamp = (-0.12, -collar - 0.12), (0.42, -thick - box_height)
    upper = path(
        (-0.86, -thick + 0.03, 0.05), (-0.9, -collar * 0.6, 9), (-0.84, -collar - 0.04, 0.08),
        (-0.5, -collar + _mix(0.04, 0.16, f.curve), 9), (tongue[0] - 0.12, -collar, 0.04),
        (tongue[0] - 0.1, tongue[1], 0.05), (tongue[0] + 0.04, tongue[1] + 0.02, 0.05),
        (vamp[0] - 0.05, vamp[1], 9), (toe - 0.02, vamp[1] + 0.04, 0.3), (toe, -thick + 0.03, 0.05),
    )
    cap = _mix(0.5, 0.68, f.detail)
    toe_cap = path(
        (cap, -thick - box_height * 0.92, 0.05), (toe - 0.03, -thick - box_height * 0.85, 0.28),
        (toe, -thick + 0.03, 0.05), (cap - 0.08, -thick + 0.03, 0.02),
    )
    quarter = line(
        (-0.42, -thick, 0), (-0.4, -collar * 0.5, 9), (tongue[0] - 0.16, -collar * 0.98, 0),
    )
    parts = [Part(upper, "body", 0.3), Part(toe_cap, "contrast", 0.2), Part(quarter, "seam")]
    if f.fitting == "laces":
        parts += _lacing((tongue[0] + 0.08, tongue[1] + 0.1), (vamp[0] - 0.08, vamp[1] + 0.04), 4)
    else:
        for t in (0.2, 0.65):
            x, y = _mix(tongue[0], vamp[0], t), _mix(tongue[1], vamp[1], t)
            strap = line((x + 0.06, y + 0.02, 0), (x - 0.22, y + 0.26, 0))
            parts += [Part(band(strap, 0.13), "trim", 0.04)]
    return [*parts, Part(_sole(0, thick, toe, -0.92), "contrast", 0.06)]


def _boot(f: Factors) -> list[Part]:
    rise = {"flat heel": 0.08, "block heel": 0.24, "stiletto heel": 0.42}[f.heel]
    toe, shaft = _mix(0.72, 0.95, f.width), -rise - _mix(1.15, 1.6, f.height)
    calf, ankle = _mix(-0.22, 0.0, f.taper), -rise - 0.42
    upper = path(
        (-0.82, -rise - 0.02, 0.05), (-0.8, ankle, 9), (-0.86, shaft, 0.03),
        (calf, shaft + _mix(-0.08, 0.1, f.curve), 0.03), (-0.2, ankle - 0.15, 0.4), (0.3, -0.38, 9),
        (toe, -0.3, 0.22), (toe, -0.03, 0.05), (0.15, -0.03, 9), (-0.3, -rise - 0.02, 9),
    )
    front = _mix(-0.48, -0.76, rise / 0.42)
    heel = path(
        (-0.85, -rise - 0.05, 0.03), (-0.42, -rise - 0.05, 0.02), (front, 0, 0.02),
        (-0.84, 0, 0.02),
    )
    cuff = shaft + _mix(0.12, 0.3, f.detail)
    parts = [Part(heel, "contrast", 0.1), Part(upper, "body", 0.35)]
    parts += [Part(line((-0.85, cuff, 0), (calf - 0.01, cuff + 0.08 * f.curve, 0)), "seam")]
    if f.fitting == "zip":
        closed = line((-0.56, cuff + 0.06, 0), (-0.5, -rise - 0.15, 0))
        parts += [Part(band(closed, 0.055), "trim", 0.02)]
    if f.fitting == "buckle":
        strap = line((-0.84, ankle + 0.06, 0), (-0.4, ankle + 0.1, 9), (-0.08, ankle - 0.06, 0))
        parts += [Part(band(strap, 0.11), "contrast", 0.04), *_buckle(-0.42, ankle + 0.05, 0.09)]
    if f.fitting == "laces":
        parts += _lacing((calf - 0.07, cuff + 0.12), (-0.02, -rise * 0.6 - 0.52), 4)
    return [*parts, Part(_sole(rise, 0.07, toe), "contrast", 0.03)]


def _bow(x: float, y: float, size: float) -> list[Part]:
    wing = path((0, 0, 0.02), (size, -size * 0.6, 0.05), (size, size * 0.55, 0.05))
    knot = arc(x, y, size * 0.28, size * 0.34)
    wings = [Part(wing * (side, 1) + (x, y), "trim", 0.04) for side in (-1, 1)]
    return [*wings, Part(knot, "trim", 0.03)]


def _ankle_strap(y: float, back: float) -> list[Part]:
    """A strap around the ankle at height y, held from the heel's rim at height `back`."""
    loop = Part(ring(-0.5, y, 0.3, 0.1, 0.085), "body", 0.04)
    holder = Part(band(line((-0.78, back + 0.08, 0), (-0.8, y - 0.04, 0)), 0.11), "body", 0.04)
    return [loop, holder, *_buckle(-0.4, y + 0.1, 0.075)]


def _court(f: Factors, rise: float, toe: float, back: float, toe_height: float) -> list[Part]:
    """Upper of a low-cut shoe over a raised heel: the lining seen inside, and the wall."""
    throat, wall = _mix(0.22, 0.42, f.detail), _mix(0.32, 0.2, f.curve)
    rim = (
        (-0.8, back, 0.06), (-0.4, -rise - wall, 9), (throat - 0.35, -wall - 0.1 - rise * 0.1, 9),
        (throat, -toe_height - 0.14, 0.08),
    )
    below = ((0.5, -0.01, 9), (0.15, -0.01, 9), (-0.3, -rise - 0.01, 9), (-0.8, -rise - 0.01, 0.06))
    front = (
        (throat + 0.22, -toe_height - 0.06, 9), (toe - 0.04, -toe_height * 0.8, 0.14),
        (toe, -0.04, 0.04),
    )
    far_rim = ((throat - 0.25, rim[-1][1] - 0.04, 9), (-0.45, back - 0.02, 9))
    inside = path(*rim, *far_rim)
    upper = path(*rim, *front, *below, (-0.88, (back - rise) / 2, 9))
    return [Part(inside, "lining", 0.04), Part(upper, "body", 0.25)]


def _pump(f: Factors) -> list[Part]:
    rise = {"kitten heel": 0.34, "block heel": 0.5, "stiletto heel": 0.66}[f.heel]
    toe, back = _mix(0.88, 1.08, f.width), -rise - _mix(0.36, 0.48, f.height)
    tip = 0.26 if f.heel == "block heel" else 0.07
    heel = path(
        (-0.81, -rise - 0.06, 0.04), (-0.42, -rise - 0.02, 0.05), (-0.72 + tip, -rise * 0.65, 9),
        (-0.76 + tip, 0, 0.01), (-0.76, 0, 0.01),
    )
    parts = [Part(heel, "contrast", 0.08), *_court(f, rise, toe, back, _mix(0.14, 0.2, f.taper))]
    if f.fitting == "ankle strap":
        parts = [*_ankle_strap(back - 0.2, back), *parts]
    if f.fitting == "bow":
        parts += _bow(_mix(0.3, 0.5, f.detail), -0.32, 0.18)
    return [*parts, Part(_sole(rise, 0.035, toe), "contrast", 0.02)]


def _loafer(f: Factors) -> list[Part]:
    rise = 0.06 if f.heel == "flat heel" else 0.2
    toe, back = _mix(0.9, 1.04, f.width), -rise - _mix(0.38, 0.48, f.height)
    throat, high = _mix(-0.1, 0.1, f.detail), -_mix(0.5, 0.6, f.taper) - rise / 2
    dip = _mix(0.16, 0.28, f.curve)
    rim = ((-0.82, back, 0.06), (-0.6, back + dip, 9), (throat - 0.3, back + dip, 9))
    upper = path(
        *rim, (throat - 0.06, high, 0.06), (throat + 0.12, high + 0.06, 9), (toe - 0.3, -0.34, 9),
        (toe, -0.32, 0.25), (toe, -0.05, 0.05), (0.15, -0.05, 9), (-0.3, -rise - 0.03, 9),
        (-0.82, -rise - 0.03, 0.05), (-0.9, (back - rise) / 2, 9),
    )
    inside = path(*rim, (throat - 0.06, high, 0.02), (-0.45, back - 0.12, 9))
    apron = line(
        (throat + 0.02, high + 0.2, 0), (0.4, -0.26, 9), (toe - 0.14, -0.22, 9),
        (toe - 0.16, -0.33, 0),
    )
    strap = line(
        (throat + 0.2, high + 0.06, 0), (throat + 0.1, high + 0.2, 9),
        (throat - 0.1, -0.08 - rise / 2, 0),
    )
    parts = [
        Part(inside, "lining", 0.03),
        Part(box(-0.66, -rise / 2, 0.2, rise / 2 + 0.02, 0.01), "contrast", 0.05),
        Part(upper, "body", 0.28), Part(apron, "seam"), Part(band(strap, 0.15), "contrast", 0.05),
    ]
    if f.fitting == "buckle":
        parts += _buckle(throat + 0.07, high + 0.24, 0.09)
    for x in (0.06, 0.2) if f.fitting == "tassels" else ():
        tassel = mirrored((0.03, 0, 0.02), (0.065, 0.24, 0.02)) + (throat + x, high + 0.15)
        parts += [Part(tassel, "trim", 0.03)]
    return [*parts, Part(_sole(rise, 0.075, toe, -0.87), "contrast", 0.03)]


def _sandal(f: Factors) -> list[Part]:
    thick = 0.12 if f.heel == "flat sole" else 0.3
    toe, ankle = _mix(0.9, 1.04, f.width), -thick - _mix(0.52, 0.7, f.height)
    wide = _mix(0.13, 0.2, f.taper)
    instep = line(
        (0.85, -thick - 0.1, 0), (0.45, -thick - 0.3 - 0.08 * f.curve, 9),
        (0.05, -thick - 0.38 - 0.12 * f.curve, 9), (-0.24, ankle + 0.02, 0),
    )
    rear, front = _mix(-0.2, -0.05, f.detail), _mix(0.3, 0.42, f.detail)
    parts = []
    for foot, lean, share in ((rear, 0.12, 0.62), (front, 0.06, 0.3), (front + 0.3, -0.02, 0.12)):
        top = instep[round(share * (len(instep) - 1))]
        strap = line((foot, 0.02 - thick, 0), (foot + lean, top[1] / 2 - thick / 2, 9), (*top, 0))
        parts += [Part(band(strap, wide), "body", 0.08)]
        if f.fitting == "buckles":
            parts += _buckle(*strap[len(strap) // 2], 0.085)
    counter = path(
        (-0.84, -thick, 0), (-0.9, ankle - 0.05, 0.04), (-0.77, ankle - 0.03, 0.04),
        (-0.68, ankle + 0.22, 0.2), (-0.45, -thick, 0),
    )
    parts += [
        Part(band(instep, wide), "body", 0.08),
        Part(ring(-0.52, ankle, 0.32, 0.1, 0.1), "body", 0.05), Part(counter, "body", 0.1),
    ]
    if f.fitting == "buckle":
        parts += _buckle(-0.42, ankle + 0.1, 0.085)
    welt = line((-0.9, -thick * 0.55, 0), (0, -thick * 0.5, 9), (toe, -thick * 0.5 - 0.04, 0))
    return [*parts, Part(_sole(0.03, thick, toe, -0.9), "contrast", 0.08), Part(welt, "seam")]


def _wedge(f: Factors) -> list[Part]:
    rise = 0.36 if f.heel == "low wedge heel" else 0.58
    toe, back = _mix(0.84, 1.0, f.width), -rise - _mix(0.4, 0.5, f.height)
    sole = path(
        (-0.86, -rise - 0.04, 0.04), (-0.3, -rise - 0.04, 9), (0.2, -0.14, 9), (0.5, -0.12, 9),
        (toe, -0.14, 0.03), (toe + 0.02, -0.04, 0.06), (0.5, 0, 0.2), (-0.8, 0, 0.04),
    )
    upper = _court(f, rise - 0.06, toe, back, _mix(0.3, 0.38, f.taper))
    parts = [part._replace(outline=part.outline - (0, 0.05)) for part in upper]
    if f.fitting == "ankle strap":
        parts = [*_ankle_strap(back - 0.22, back), *parts]
    if f.fitting == "bow":
        parts += _bow(_mix(0.32, 0.52, f.detail), -0.52, 0.2)
    parts += [Part(sole, "contrast", 0.1)]
    for t in (0.33, 0.66):
        parts += [Part(line((-0.83, -rise * t, 0), (_mix(0.2, -0.25, t), -rise * t, 0)), "seam")]
    return parts


class Kind(NamedTuple):
    build: Callable[[Factors], list[Part]]
    noun: str
    ends: tuple[str, ...]  # Handles of a bag, heels or soles of a shoe.
    fittings: tuple[str, ...]


_STRAPS = ("top handle", "shoulder strap")
_HEELS = ("flat heel", "block heel", "stiletto heel")
KINDS = {
    "bags": {
        "tote": Kind(
            _tote, "tote bag", ("short handles", "long handles"), ("none", "buckle", "studs"),
        ),
        "satchel": Kind(_satchel, "satchel", _STRAPS, ("buckle", "buckles", "clasp")),
        "clutch": Kind(
            _clutch, "clutch bag", ("none", "wrist strap", "chain"), ("none", "buckle", "clasp"),
        ),
        "backpack": Kind(_backpack, "backpack", ("none", "top loop"), ("zip", "buckle")),
        "hobo": Kind(_hobo, "hobo bag", ("short strap", "shoulder strap"), ("none", "zip")),
        "bucket": Kind(_bucket, "bucket bag", _STRAPS, ("none", "buckle", "drawstring")),
    },
    "shoes": {
        "sneaker": Kind(_sneaker, "sneaker", ("flat sole", "thick sole"), ("laces", "straps")),
        "boot": Kind(_boot, "boot", _HEELS, ("none", "zip", "buckle", "laces")),
        "pump": Kind(_pump, "pump", ("kitten heel", *_HEELS[1:]), ("none", "ankle strap", "bow")),
        "loafer": Kind(_loafer, "loafer", _HEELS[:2], ("none", "buckle", "tassels")),
        "sandal": Kind(
            _sandal, "sandal", ("flat sole", "platform sole"), ("none", "buckle", "buckles"),
        ),
        "wedge": Kind(
            _wedge, "wedge shoe", ("low wedge heel", "high wedge heel"),
            ("none", "ankle strap", "bow"),
        ),
    },
}
# fmt: on


# Factors.


@dataclasses.dataclass(frozen=True)
class Factors:
    """All that an item is drawn from; the row of `factors.csv`.

    Args:
        domain: "bags" or "shoes".
        kind: A key of `KINDS[domain]`, uniform.
        handle: The bag's handle or strap; "none" for shoes and for bags without.
        heel: The shoe's heel or sole; "none" for bags.
        fitting: Buckle, zip, laces, ...; "none" for an item without.
        width, height, taper, curve, detail: Measures of the outline in [0, 1], uniform: overall
            width and height, how far it widens, how round it is, where flap, seam or throat sits.
        tilt: Rotation of the whole item in degrees, [-4, 4].
        hue: A name of `HUES` (8 of 10 items) or of `NEUTRALS`.
        hue_degrees: Angle in HSV, the palette's within 7 degrees; 0 for neutrals.
        saturation: HSV saturation, [0.65, 0.95]; 0 for neutrals, which have a fixed one below 0.25.
        lightness: [0, 1], from the darkest to the lightest variant of the colour.
        pattern: One of `PATTERNS`, uniform.
        pattern_colour: Second colour; also drawn for a plain item, which shows none.
        pattern_period: Period as a share of half the image.
        pattern_angle: 0, 45 or 90 degrees.
        trim: Colour of fitting, chain and rings where the item has them, a name of `TRIMS`.
        contrast: Colour of handle, straps, heel and sole likewise, a name of `CONTRASTS`;
            "matching" is a darker variant of the item's own.
        gloss: [0, 1], from matt to shiny.
        light: [-1, 1], light from further left or further right.
        grain: Seed of the surface's grain.
    """

    domain: str
    kind: str
    handle: str
    heel: str
    fitting: str
    width: float
    height: float
    taper: float
    curve: float
    detail: float
    tilt: float
    hue: str
    hue_degrees: float
    saturation: float
    lightness: float
    pattern: str
    pattern_colour: str
    pattern_period: float
    pattern_angle: float
    trim: str
    contrast: str
    gloss: float
    light: float
    grain: int

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
        cli.UsageError: An argument is not of these.
    """
    _expect("domain", domain, domain in DOMAINS, "'bags' or 'shoes'")
    _expect("split", split, split in SPLITS, "'train' or 'val'")
    _expect_int("seed", seed, 0)
    _expect_int("index", index, 0)
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
        width=_uniform(outline),
        height=_uniform(outline),
        taper=_uniform(outline),
        curve=_uniform(outline),
        detail=_uniform(outline),
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


# Drawing.


def _parts(factors: Factors) -> list[Part]:
    """The item's parts from back to front, tilted, centred and fitted into [-0.9, 0.9]."""
    parts = KINDS[factors.domain][factors.kind].build(factors)
    cos, sin = math.cos(math.radians(factors.tilt)), math.sin(math.radians(factors.tilt))
    turned = [
        part.outline[:, :1] * (cos, sin) + part.outline[:, 1:] * (-sin, cos) for part in parts
    ]
    low, high = np.concatenate(turned).min(0), np.concatenate(turned).max(0)
    scale = 1.8 / (high - low).max()
    return [
        part._replace(outline=(outline - (low + high) / 2) * scale)
        for part, outline in zip(parts, turned, strict=True)
    ]


def _edges(parts: list[Part], size: int) -> np.ndarray:
    image = Image.new("L", (size * SUPERSAMPLING,) * 2, 255)
    pen = ImageDraw.Draw(image)
    width = round(SUPERSAMPLING * max(1.0, size / 200))
    for part in parts:
        points = [tuple(point) for point in (part.outline + 1) * (size * SUPERSAMPLING / 2)]
        if part.material != "seam":
            pen.polygon(points, fill=255)
            points += points[:2]
        pen.line(points, fill=0, width=width, joint="curve")
    return np.asarray(image.reduce(SUPERSAMPLING))


def _coverage(part: Part, size: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """Share of each pixel that a part covers, and the window of the image that this is about."""
    points = (part.outline + 1) * (size / 2)
    margin = max(3, size // 12)
    left, top = (int(v) for v in np.clip(np.floor(points.min(0)) - margin, 0, size))
    right, bottom = (int(v) for v in np.clip(np.ceil(points.max(0)) + margin, 0, size))
    image = Image.new("L", ((right - left) * SUPERSAMPLING, (bottom - top) * SUPERSAMPLING), 0)
    pen = ImageDraw.Draw(image)
    points = [tuple(point) for point in (points - (left, top)) * SUPERSAMPLING]
    if part.material == "seam":
        pen.line(points, fill=255, width=round(SUPERSAMPLING * max(1.0, size / 110)), joint="curve")
    else:
        pen.polygon(points, fill=255)
    coverage = np.asarray(image.reduce(SUPERSAMPLING), np.float32) / 255
    return coverage, (slice(top, bottom), slice(left, right))


def _blur(image: np.ndarray, radius: int) -> np.ndarray:
    """Three box filters, close to a Gaussian. Cumulative sums add in one order on any core."""
    length = 2 * radius + 1
    for axis in (0, 1) * 3:
        padding = [(0, 0), (0, 0)]
        padding[axis] = (radius + 1, radius)
        total = np.moveaxis(np.cumsum(np.pad(image, padding), axis, dtype=np.float64), axis, 0)
        image = np.moveaxis((total[length:] - total[:-length]) / length, 0, axis)
    return np.maximum(image, 0).astype(np.float32)


def _slopes(coverage: np.ndarray, dome: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Slopes (dy, dx) of a surface that swells from its rim: a wide dome and a rounded edge."""
    height = np.zeros_like(coverage)
    for reach, weight in ((dome, 1.0), (0.03, 0.5)):
        radius = max(1, round(reach * size / 4))
        # Blurred twice, and cut in between: the rim stays low even where two rims meet.
        swell = _blur(coverage * _blur(coverage, radius), radius)
        height += weight * 2 * radius * np.sqrt(swell)
    return tuple(np.gradient(height))


def _pattern(factors: Factors, x: np.ndarray, y: np.ndarray, size: int) -> np.ndarray:
    """Share of the second colour at the points (x, y), anti-aliased over a pixel."""
    period = factors.pattern_period
    cos, sin = (fun(math.radians(factors.pattern_angle)) for fun in (math.cos, math.sin))
    u = ((cos * x + sin * y) / period) % 1 - 0.5
    v = ((cos * y - sin * x) / period) % 1 - 0.5

    def inside(distance: np.ndarray) -> np.ndarray:
        return np.clip(0.5 - distance * period * size / 2, 0, 1)

    if factors.pattern == "stripes":
        return inside(np.abs(u) - 0.22)
    if factors.pattern == "checks":
        return (inside(np.abs(u) - 0.22) + inside(np.abs(v) - 0.22)) / 2
    return inside(np.hypot(u, v) - 0.27)


def _photo(factors: Factors, parts: list[Part], size: int) -> np.ndarray:
    axis = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(axis, axis)
    if factors.hue in HUES:
        value = _mix(0.6, 0.95, factors.lightness)
        body = np.array(colorsys.hsv_to_rgb(factors.hue_degrees / 360, factors.saturation, value))
    else:
        body = np.array(NEUTRALS[factors.hue]) * _mix(0.85, 1.05, factors.lightness)
    contrast = CONTRASTS[factors.contrast]
    colours = {
        "body": body,
        "contrast": body * 0.8 if contrast is None else np.array(contrast),
        "trim": np.array(TRIMS[factors.trim]),
        "lining": np.array(LINING),
    }
    light = np.array([-0.45 + 0.25 * factors.light, -0.6, 0.85])
    light /= np.linalg.norm(light)
    halfway = light + (0, 0, 1)  # Between the light and the eye, as in Blinn's highlight.
    halfway /= np.linalg.norm(halfway)

    low, high = (
        limit(np.concatenate([p.outline for p in parts]), axis=0) for limit in (np.min, np.max)
    )
    ground = arc((low[0] + high[0]) / 2, high[1] - 0.02, (high[0] - low[0]) * 0.46, 0.045)
    shadow, window = _coverage(Part(ground, "lining"), size)
    photo = np.ones((size, size, 3), np.float32)
    photo[window] -= 0.45 * _blur(shadow, max(1, size // 50))[..., None]
    item = np.zeros((size, size), np.float32)
    for part in parts:
        coverage, window = _coverage(part, size)
        view = photo[window]
        if part.material == "seam":
            view *= 1 - 0.4 * (coverage * item[window])[..., None]
            continue
        # What lies in front throws a shadow on the item behind it, not on the white far behind.
        step = max(1, size // 64)
        shadow = np.roll(_blur(coverage, step), (step, step // 2), axis=(0, 1))
        view *= 1 - 0.45 * (shadow * item[window])[..., None]

        dy, dx = _slopes(coverage, part.dome, size)
        steepness = np.sqrt(dx * dx + dy * dy + 1)
        diffuse = np.maximum(light[2] - dx * light[0] - dy * light[1], 0) / steepness
        shine = np.maximum(halfway[2] - dx * halfway[0] - dy * halfway[1], 0) / steepness
        metal = part.material == "trim"
        colour = np.broadcast_to(colours[part.material], (*coverage.shape, 3))
        if part.material == "body" and factors.pattern != "plain":
            # The pattern follows the form: it closes up where the surface turns away.
            share = _pattern(factors, x[window] + dx * 0.05, y[window] + dy * 0.05, size)[..., None]
            colour = (
                colour * (1 - share) + np.array(PATTERN_COLOURS[factors.pattern_colour]) * share
            )
        shade = (0.4 + 0.6 * diffuse / light[2]) * (0.7 + 0.3 / steepness)
        glow = (0.45 * shine**30) if metal else _mix(0.05, 0.35, factors.gloss) * shine**14
        glow = np.minimum(glow + 0.2 * np.maximum(shade - 1, 0), 0.7)[..., None]
        # Towards white, not beyond it: a channel that is cut off would turn the hue.
        lit = colour * np.minimum(shade, 1)[..., None]
        view += (lit + (1 - lit) * glow - view) * coverage[..., None]
        item[window] = np.maximum(item[window], coverage)
    grain = np.random.default_rng(factors.grain).standard_normal((size, size), np.float32)
    tone = 0.93 - 0.06 * y - 0.03 * x + 0.015 * grain
    photo *= 1 + (item * (tone - 1))[..., None]
    return (np.clip(photo, 0, 1) * 255 + 0.5).astype(np.uint8)


def draw(factors: Factors, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws an item.

    Args:
        factors: What to draw.
        size: Height and width in pixels, 32 to 512, a multiple of 4.

    Returns:
        Edges and photo, each uint8 (size, size, 3), RGB. The edges depend on the outline factors
        alone.

    Raises:
        cli.UsageError: The size is not of these.
    """
    _expect_size(size)
    parts = _parts(factors)
    edges = np.repeat(_edges(parts, size)[..., None], 3, axis=2)
    return edges, _photo(factors, parts, size)


# The set on disk.


def _encode(factors: Factors, size: int, format: str) -> bytes:
    buffer = io.BytesIO()
    pair = Image.fromarray(np.concatenate(draw(factors, size), axis=1))
    if format == "png":
        pair.save(buffer, "PNG")
    else:
        # Without chroma subsampling: it would grey the colour of thin parts.
        pair.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _write(path: Path, data: bytes) -> None:
    """Writes a whole file or none."""
    _part(path).write_bytes(data)
    os.replace(_part(path), path)


def _write_json(path: Path, value: dict) -> None:
    _write(path, (json.dumps(value, indent=2) + "\n").encode())


def _items(settings: dict) -> list[tuple[str, int, str]]:
    """(split, index, file name relative to the set) of every image."""
    return [
        (split, index, f"{split}/{index:05d}.{settings['format']}")
        for split in SPLITS
        for index in range(settings[split])
    ]


def _is_whole(path: Path, size: int) -> bool:
    """Whether an image of an interrupted run survived, even the loss of power."""
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            image.load()
            return image.size == (2 * size, size)
    except (OSError, SyntaxError):
        return False


def _draw_items(folder: Path, settings: dict, items: list[tuple[str, int, str]]) -> int:
    for split, index, name in items:
        if not _is_whole(folder / name, settings["size"]):
            factors = sample_factors(settings["domain"], settings["seed"], index, split)
            _write(folder / name, _encode(factors, settings["size"], settings["format"]))
    return len(items)


def _digest(folder: Path, names: list[str]) -> str:
    """SHA-256 over the lines that `sha256sum` prints for the files in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(names):
        line = f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        total.update(line.encode())
    return total.hexdigest()


def _is_complete(folder: Path, settings: dict) -> bool:
    """Whether the set is there already; raises unless it may be written or gone on with here."""
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise cli.UsageError(f"expected a folder to write into. Received: {folder} (a file)")
    manifests = [folder / name for name in (MANIFEST, PARTIAL_MANIFEST) if (folder / name).exists()]
    names = [name for _, _, name in _items(settings)] + ["factors.csv", "palette.json"]
    if manifests:
        manifest = _read_manifest(manifests[0])
        differing = [
            f"{key} {manifest.get(key)} (asked for: {value})"
            for key, value in settings.items()
            if manifest.get(key) != value
        ]
        if differing:
            raise cli.UsageError(
                f"{folder} holds a set of other settings: {', '.join(differing)}; "
                "name another folder"
            )
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {*SPLITS}
        expected = [MANIFEST, PARTIAL_MANIFEST, *names]
    else:
        found = {path.name for path in folder.iterdir()}
        expected = [PARTIAL_MANIFEST]
    foreign = found.difference(expected, (_part(Path(name)).as_posix() for name in expected))
    if foreign:
        raise cli.UsageError(
            "expected a new or empty folder, or an unfinished set of the same settings. "
            f"Received: {folder}, which holds {min(foreign)}"
        )
    if MANIFEST not in found:
        return False
    if not found.issuperset(names) or _digest(folder, names) != manifest.get("sha256"):
        raise cli.UsageError(
            f"{folder} was complete, but its files have changed since; name another folder"
        )
    return True


def _read_manifest(path: Path) -> dict:
    try:
        manifest = json.loads(path.read_text())
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise cli.UsageError(f"expected a manifest of toy fashion. Received: {path}")
    return manifest


def _generate_domain(folder: Path, settings: dict, workers: int, progress: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Before all else: it tells an unfinished set from somebody's files.
        _write_json(folder / PARTIAL_MANIFEST, settings)
        for split in SPLITS:
            (folder / split).mkdir(exist_ok=True)
    except OSError as error:
        raise cli.UsageError(f"cannot write into {folder}: {error.strerror}") from error
    items = _items(settings)
    chunks = [items[i : i + 50] for i in range(0, len(items), 50)]
    draw_chunk = functools.partial(_draw_items, folder, settings)
    with contextlib.ExitStack() as stack:
        run = map
        if workers > 1:
            # Not forked: a fork of a process that runs TensorFlow's threads may hang.
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            run = stack.enter_context(pool).map
        bar = stack.enter_context(
            tqdm(
                total=len(items),
                desc=settings["domain"],
                unit="pair",
                disable=None if progress else True,
            )
        )
        for count in run(draw_chunk, chunks):
            bar.update(count)
    rows = []
    for split, index, name in items:
        factors = sample_factors(settings["domain"], settings["seed"], index, split)
        row = {"file": name, "split": split, **dataclasses.asdict(factors)}
        rows.append(row | {"caption": factors.caption})
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(folder / "factors.csv", table.getvalue().encode())
    _write_json(folder / "palette.json", {"hues": HUES, "neutrals": list(NEUTRALS)})
    digest = _digest(folder, [row["file"] for row in rows] + ["factors.csv", "palette.json"])
    _write_json(folder / PARTIAL_MANIFEST, settings | {"sha256": digest})
    os.replace(folder / PARTIAL_MANIFEST, folder / MANIFEST)


def generate(
    out: str | os.PathLike,
    size: int = 64,
    train: int = 1000,
    val: int = 100,
    domain: str = "bags",
    seed: int = 0,
    format: str = "png",
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Writes a set, goes on with an unfinished one, or leaves a complete one of these settings.

    Args:
        out: Folder, new, empty, or holding a set of the same settings. With `domain="both"` it
            holds one set in `bags` and one in `shoes`.
        size: Height and width of edges and of photo in pixels, 32 to 512, a multiple of 4.
        train: Pairs in `train`, 0 to 100000 (of each domain).
        val: Pairs in `val`, likewise.
        domain: "bags", "shoes" or "both".
        seed: 0 or more; another seed draws other items.
        format: "png" or "jpg" (quality 95, full chroma).
        workers: Processes that draw. None: one per core, but one for every 500 pairs at most.
        progress: Show a bar, and say so when there is nothing to do, on stderr.

    Returns:
        The folder `out`.

    Raises:
        cli.UsageError: Before anything is written: an argument is wrong, or `out` holds other
            files, a set of other settings, or a complete one that was changed.
    """
    _expect_size(size)
    _expect_int("train", train, 0, 100_000)
    _expect_int("val", val, 0, 100_000)
    _expect("train + val", train + val, train + val > 0, "at least one pair")
    _expect_int("seed", seed, 0)
    _expect("domain", domain, domain in ("both", *DOMAINS), "'both', 'bags' or 'shoes'")
    _expect("format", format, format in ("png", "jpg"), "'png' or 'jpg'")
    if workers is not None:
        _expect_int("workers", workers, 1)
    out = Path(out)
    if workers is None:
        workers = max(1, min(os.cpu_count() or 1, (train + val) // 500))
    folders = {name: out / name for name in DOMAINS} if domain == "both" else {domain: out}
    other = [p.name for p in out.iterdir() if p.name not in DOMAINS] if out.is_dir() else []
    if domain == "both" and other:
        raise cli.UsageError(
            f"expected a folder for bags and shoes only. Received: {out}, which holds {min(other)}"
        )
    todo = []
    for name, folder in folders.items():
        settings = {"generator": "toy_fashion", "version": VERSION, "domain": name, "seed": seed}
        settings |= {"size": size, "train": train, "val": val, "format": format}
        if not _is_complete(folder, settings):
            todo.append((folder, settings))
        elif progress:
            print(f"{folder} is complete: {train} train and {val} val pairs", file=sys.stderr)
    for folder, settings in todo:
        _generate_domain(folder, settings, workers, progress)
    return out


def main(
    out: str,
    size: int = 64,
    train: int = 1000,
    val: int = 100,
    domain: Literal["both", "bags", "shoes"] = "both",
    seed: int = 0,
    format: Literal["png", "jpg"] = "png",
    workers: int | None = None,
) -> None:
    """Draws the toy fashion data set.

    Args:
        out: Folder to write, new or empty; an unfinished set of the same settings is gone on with.
        size: Height and width of edges and of photo in pixels, 32 to 512, a multiple of 4.
        train: Pairs in train, of each domain.
        val: Pairs in val, of each domain.
        domain: What to draw; both makes the folders bags and shoes inside out.
        seed: Another seed draws other items.
        format: Format of the images; jpg has quality 95 and full chroma.
        workers: Processes that draw; none takes one per core, for every 500 pairs at most one.
    """
    generate(out, size, train, val, domain, seed, format, workers)


if __name__ == "__main__":
    cli.run(main)
