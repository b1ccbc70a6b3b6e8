"""Outlines of toy fashion: from an item's factors to the surfaces that it consists of.

Coordinates are x to the right and y down, in units of about half an item: `assemble` fits it into
the image at the end. The numbers are a matter of taste, tuned by eye.
"""

import math
from typing import NamedTuple

import numpy as np

from data_prep.toy_factors import Factors

# x, y and the radius to which the corner is rounded; without it, as far as its sides allow.
Point = tuple[float, float] | tuple[float, float, float]


class Part(NamedTuple):
    """A surface, painted over the parts before it, or a seam on the surface below."""

    outline: np.ndarray  # (points, 2): a closed polygon, or the open line of a seam.
    material: str  # "body", "contrast", "trim", "lining" or "seam".
    dome: float = 0.05  # How far the surface goes on rising from its rim.


def mix(low: float, high: float, t: float) -> float:
    return low + (high - low) * t


def path(*points: Point, closed: bool = True) -> np.ndarray:
    """Polygon with rounded corners."""
    corners = np.array([point[:2] for point in points])
    pieces = []
    for i, (corner, (_, _, *radius)) in enumerate(zip(corners, points, strict=True)):
        if radius == [0] or (not closed and i in (0, len(points) - 1)):
            pieces.append(corner[None])
            continue
        before, after = corners[i - 1] - corner, corners[(i + 1) % len(points)] - corner
        length_before, length_after = math.hypot(*before), math.hypot(*after)
        reach = min(*radius, length_before / 2, length_after / 2)
        start, end = corner + before * reach / length_before, corner + after * reach / length_after
        t = np.linspace(0, 1, 9)[:, None]
        pieces.append((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * end)
    return np.concatenate(pieces)


def line(*points: Point) -> np.ndarray:
    return path(*points, closed=False)


def mirrored(*right: Point) -> np.ndarray:
    """Closed outline from its right half, top to bottom."""
    return path(*right, *((-x, y, *radius) for x, y, *radius in reversed(right) if x))


def arch(x: float, y: float, top: float) -> np.ndarray:
    """Centre line of a handle from (-x, y) up to `top` and down to (x, y)."""
    return line((-x, y), (-x * 0.88, top), (x * 0.88, top), (x, y))


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


def strap(centre: np.ndarray, width: float, material: str, dome: float) -> Part:
    """A band along a centre line."""
    along = np.gradient(centre, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across *= width / 2 / np.maximum(np.hypot(*across.T), 1e-9)[:, None]
    return Part(np.concatenate([centre + across, (centre - across)[::-1]]), material, dome)


def moved(parts: list[Part], x: float, y: float) -> list[Part]:
    return [part._replace(outline=part.outline + (x, y)) for part in parts]


def _buckle(x: float, y: float, size: float) -> list[Part]:
    frame = Part(box(x, y, size, size * 1.15, size / 3), "trim", 0.03)
    return [frame, Part(box(x, y, size * 0.45, size * 0.55, 0.01), "contrast", 0.02)]


def _tab(y: float, length: float, size: float) -> list[Part]:
    """A vertical strap in the middle that ends in a buckle."""
    return [Part(box(0, y, size * 0.75, length), "contrast", 0.03), *_buckle(0, y + length, size)]


# Bags: y = 0 is the top of the body.


def _tote(f: Factors) -> list[Part]:
    top, bottom = mix(0.5, 0.72, f.width), mix(0.36, 0.78, f.taper)
    height, sag, x = mix(0.75, 1.1, f.height), 0.12 * f.curve, top * mix(0.35, 0.55, f.detail)
    rise = -0.4 if f.handle == "short handles" else -0.75
    side = ((top + bottom) / 2 + 0.05 * f.curve, height / 2)
    body = mirrored((0, sag), (top, 0, 0.05), side, (bottom, height, 0.03 + 0.2 * f.curve))
    hem = line((-top * 0.98, 0.1), (0, 0.1 + sag), (top * 0.98, 0.1))
    parts = [
        strap(arch(x, 0.1, rise) + (0.05, 0), 0.075, "contrast", 0.04),
        Part(body, "body", 0.3),
        Part(hem, "seam"),
        strap(arch(x, 0.26 + sag / 2, rise), 0.075, "contrast", 0.04),
    ]
    if f.fitting == "buckle":
        parts += _tab(0.14 + sag, 0.14, 0.08)
    if f.fitting == "studs":
        parts += [Part(arc(s * x, 0.2 + sag / 2, 0.045, 0.045), "trim", 0.03) for s in (-1, 1)]
    return parts


def _satchel(f: Factors) -> list[Part]:
    width, height = mix(0.68, 0.9, f.width), mix(0.8, 1.1, f.height)
    bottom, flap = width * mix(0.95, 1.08, f.taper), height * mix(0.45, 0.68, f.detail)
    over, short = width + 0.02, f.handle == "top handle"
    handle = arch(0.32, 0.08, -0.32) if short else arch(width * 0.92, 0.08, -0.8)
    parts = [
        strap(handle, 0.075, "contrast", 0.04),
        Part(mirrored((width, 0, 0.05), (bottom, height, 0.1)), "body", 0.25),
        Part(mirrored((over, -0.01, 0.08), (over, flap, 0.06 + 0.3 * f.curve)), "body", 0.08),
    ]
    if f.fitting == "clasp":
        return [*parts, Part(box(0, flap, 0.11, 0.08, 0.03), "trim", 0.04)]
    for x in (-width / 2, width / 2) if f.fitting == "buckles" else (0,):
        parts += moved(_tab(flap * 0.75, flap * 0.25 + 0.04, 0.075), x, 0)
    return parts


def _clutch(f: Factors) -> list[Part]:
    width, height = mix(0.75, 0.95, f.width), mix(0.65, 1.0, f.height)
    top, tip = width * mix(0.9, 1, f.taper), height * mix(0.5, 0.72, f.detail)
    parts = []
    if f.handle == "wrist strap":
        x = width * 0.85
        hanging = ((x + 0.4, 0.2), (x + 0.35, height + 0.1), (x, height * 0.8))
        parts += [strap(line((x, 0.1), *hanging, (x, 0.14)), 0.06, "contrast", 0.03)]
    if f.handle == "chain":
        parts += [strap(arch(width * 0.9, 0.05, -0.7), 0.05, "trim", 0.02)]
    side = (width * 0.98, tip * 0.9 * f.curve, 0.08)
    parts += [
        Part(mirrored((top, 0, 0.07), (width, height, 0.07)), "body", 0.18),
        Part(mirrored((top + 0.02, -0.02, 0.05), side, (0, tip, 0.12)), "body", 0.06),
    ]
    if f.fitting == "clasp":
        parts += [Part(arc(0, tip - 0.09, 0.08, 0.08), "trim", 0.05)]
    if f.fitting == "buckle":
        parts += _buckle(0, tip - 0.06, 0.09)
    return parts


def _backpack(f: Factors) -> list[Part]:
    width, height = mix(0.5, 0.66, f.width), mix(1.2, 1.45, f.height)
    top, radius = width * mix(0.62, 0.95, f.taper), mix(0.25, 0.6, f.curve)
    pocket = height * mix(0.5, 0.62, f.detail)
    side = ((width + 0.22, 0.3), (width + 0.2, height * 0.8))
    worn = line((top * 0.7, 0.12), *side, (width * 0.9, height * 0.9))
    parts = [strap(worn * (s, 1), 0.13, "contrast", 0.06) for s in (-1, 1)]
    if f.handle == "top loop":
        parts += [strap(arch(0.16, 0.06, -0.2), 0.06, "contrast", 0.03)]
    body = mirrored((top, 0, radius), (width, height / 2), (width, height, 0.16))
    front = mirrored((width * 0.78, pocket, 0.12), (width * 0.82, height - 0.06, 0.14))
    parts += [Part(body, "body", 0.35), Part(front, "body", 0.16)]
    if f.fitting == "buckle":
        flap = mirrored((top, -0.01, radius), (width + 0.01, height * 0.42, 0.18))
        return [*parts, Part(flap, "body", 0.12), *_tab(height * 0.42, 0.12, 0.08)]
    straight = line((-width * 0.66, pocket + 0.12), (width * 0.66, pocket + 0.12))
    zips = (straight, arch(width * 0.78, height * 0.36, 0.12))
    return parts + [strap(zip_line, 0.05, "trim", 0.02) for zip_line in zips]


def _hobo(f: Factors) -> list[Part]:
    width, height = mix(0.72, 0.92, f.width), mix(0.75, 1.0, f.height)
    horn, dip = width * mix(0.72, 0.95, f.taper), height * mix(0.2, 0.42, f.curve)
    rise = -0.36 if f.handle == "short strap" else -0.7
    belly = ((width * 1.08, height * 0.6), (width * 0.75, height))
    body = mirrored((horn * 0.5, dip), (horn, -0.05, 0.06), *belly)
    low = dip + 0.09
    mouth = line((0.1 - horn, 0.1), (-horn / 2, low), (horn / 2, low), (horn - 0.1, 0.1))
    fold_end = (width * 0.5, height * mix(0.55, 0.75, f.detail))
    fold = line((horn * 0.75, dip * 0.95 + 0.08), (horn * 0.72, height * 0.45), fold_end)
    parts = [strap(arch(horn, 0.06, rise), 0.1, "contrast", 0.05), Part(body, "body", 0.4)]
    parts += [Part(fold * (s, 1), "seam") for s in (-1, 1)]
    parts += [strap(mouth, 0.05, "trim", 0.02) if f.fitting == "zip" else Part(mouth, "seam")]
    return parts + [Part(arc(s * horn, 0.03, 0.075, 0.085), "trim", 0.04) for s in (-1, 1)]


def _bucket(f: Factors) -> list[Part]:
    top, height = mix(0.5, 0.68, f.width), mix(0.9, 1.2, f.height)
    bottom, lip = top * mix(0.68, 1.0, f.taper), mix(0.06, 0.16, f.curve)
    base = height * mix(0.72, 0.84, f.detail)
    girth = mix(top, bottom, base / height)
    handle = arch(top * 0.95, 0.14, -0.45 if f.handle == "top handle" else -0.85)
    rim, floor = arc(0, 0, top, lip, 180, 0), arc(0, height, bottom, lip, 0, 180)
    parts = [
        Part(arc(0, 0, top, lip), "lining", 0.02),
        Part(np.concatenate([rim, floor]), "body", 0.4),
        Part(np.concatenate([arc(0, base, girth, lip, 180, 0), floor]), "contrast", 0.25),
        strap(handle, 0.07, "contrast", 0.04),
    ]
    parts += [Part(arc(s * top * 0.93, 0.14, 0.06, 0.06), "trim", 0.03) for s in (-1, 1)]
    if f.fitting == "drawstring":
        knot = 0.2 + lip
        end = line((0, knot), (0.13, knot + 0.15), (0.1, knot + 0.4))
        cords = (arc(0, 0.2, top * 0.96, lip, 180, 0), end * (-1, 1), end)
        parts += [strap(cord, 0.045, "trim", 0.02) for cord in cords]
    return parts + _tab(lip + 0.14, 0.14, 0.085) if f.fitting == "buckle" else parts


# Shoes: y = 0 is the ground, the toe points to the right.


def _sole(rise: float, thick: float, toe: float, heel: float = -0.85) -> np.ndarray:
    """Sole from a heel `rise` above the ground to a toe that springs slightly from it."""
    above = ((heel, -rise - thick, 0.03), (-0.3, -rise - thick), (0.15, -thick), (0.5, -thick))
    tip = ((toe, -thick - 0.05, 0.03), (toe + 0.02, -0.05, 0.08))
    return path(*above, *tip, (0.5, 0), (0.15, 0), (-0.3, -rise), (heel, -rise, 0.03))


def _lacing(start: tuple[float, float], end: tuple[float, float], count: int) -> list[Part]:
    laces = []
    for t in np.linspace(0, 1, count):
        x, y = mix(start[0], end[0], t), mix(start[1], end[1], t)
        laces += [strap(line((x - 0.02, y - 0.03), (x - 0.13, y + 0.15)), 0.055, "trim", 0.02)]
    return laces


def _bow(x: float, y: float, size: float) -> list[Part]:
    wing = path((0, 0, 0.02), (size, -size * 0.6, 0.05), (size, size * 0.55, 0.05))
    wings = [Part(wing * (side, 1) + (x, y), "trim", 0.04) for side in (-1, 1)]
    return [*wings, Part(arc(x, y, size * 0.28, size * 0.34), "trim", 0.03)]


def _ankle_strap(y: float, back: float) -> list[Part]:
    """A strap around the ankle at height y, held from the heel's rim at height `back`."""
    loop = Part(ring(-0.5, y, 0.3, 0.1, 0.085), "body", 0.04)
    holder = strap(line((-0.78, back + 0.08), (-0.8, y - 0.04)), 0.11, "body", 0.04)
    return [loop, holder, *_buckle(-0.4, y + 0.1, 0.075)]


def _court(f: Factors, rise: float, toe: float, back: float, toe_height: float) -> list[Part]:
    """Upper of a low-cut shoe over a raised heel: the lining seen inside, and the wall."""
    throat, wall = mix(0.22, 0.42, f.detail), mix(0.32, 0.2, f.curve)
    top = -toe_height - 0.14
    side = ((-0.4, -rise - wall), (throat - 0.35, -wall - 0.1 - rise * 0.1))
    rim = ((-0.8, back, 0.06), *side, (throat, top, 0.08))
    vamp = ((throat + 0.22, -toe_height - 0.06), (toe - 0.04, -toe_height * 0.8, 0.14))
    below = ((0.5, -0.01), (0.15, -0.01), (-0.3, -rise - 0.01), (-0.8, -rise - 0.01, 0.06))
    inside = path(*rim, (throat - 0.25, top - 0.04), (-0.45, back - 0.02))
    upper = path(*rim, *vamp, (toe, -0.04, 0.04), *below, (-0.88, (back - rise) / 2))
    return [Part(inside, "lining", 0.04), Part(upper, "body", 0.25)]


def _sneaker(f: Factors) -> list[Part]:
    thick = 0.2 if f.heel == "thick sole" else 0.12
    toe, collar = mix(0.85, 1.0, f.width), mix(0.62, 0.85, f.height)
    box_height = mix(0.28, 0.4, f.taper)
    tongue_x, tongue_y = -0.12, -collar - 0.12
    vamp_x, vamp_y = 0.42, -thick - box_height
    floor = 0.03 - thick
    back = ((-0.86, floor, 0.05), (-0.9, -collar * 0.6), (-0.84, -collar - 0.04, 0.08))
    opening = ((-0.5, -collar + mix(0.04, 0.16, f.curve)), (tongue_x - 0.12, -collar, 0.04))
    tongue = ((tongue_x - 0.1, tongue_y, 0.05), (tongue_x + 0.04, tongue_y + 0.02, 0.05))
    front = ((vamp_x - 0.05, vamp_y), (toe - 0.02, vamp_y + 0.04, 0.3), (toe, floor, 0.05))
    cap = mix(0.5, 0.68, f.detail)
    tip = ((toe - 0.03, -thick - box_height * 0.85, 0.28), (toe, floor, 0.05))
    toe_cap = path((cap, -thick - box_height * 0.92, 0.05), *tip, (cap - 0.08, floor, 0.02))
    quarter = line((-0.42, -thick), (-0.4, -collar * 0.5), (tongue_x - 0.16, -collar * 0.98))
    parts = [
        Part(path(*back, *opening, *tongue, *front), "body", 0.3),
        Part(toe_cap, "contrast", 0.2),
        Part(quarter, "seam"),
    ]
    if f.fitting == "laces":
        parts += _lacing((tongue_x + 0.08, tongue_y + 0.1), (vamp_x - 0.08, vamp_y + 0.04), 4)
    else:
        for t in (0.2, 0.65):
            x, y = mix(tongue_x, vamp_x, t), mix(tongue_y, vamp_y, t)
            closure = line((x + 0.06, y + 0.02), (x - 0.22, y + 0.26))
            parts += [strap(closure, 0.13, "trim", 0.04)]
    return [*parts, Part(_sole(0, thick, toe, -0.92), "contrast", 0.06)]


def _boot(f: Factors) -> list[Part]:
    rise = {"flat heel": 0.08, "block heel": 0.24, "stiletto heel": 0.42}[f.heel]
    toe, shaft = mix(0.72, 0.95, f.width), -rise - mix(1.15, 1.6, f.height)
    calf, ankle = mix(-0.22, 0.0, f.taper), -rise - 0.42
    back = ((-0.82, -rise - 0.02, 0.05), (-0.8, ankle), (-0.86, shaft, 0.03))
    shin = ((calf, shaft + mix(-0.08, 0.1, f.curve), 0.03), (-0.2, ankle - 0.15, 0.4))
    foot = ((0.3, -0.38), (toe, -0.3, 0.22), (toe, -0.03, 0.05))
    upper = path(*back, *shin, *foot, (0.15, -0.03), (-0.3, -rise - 0.02))
    top = ((-0.85, -rise - 0.05, 0.03), (-0.42, -rise - 0.05, 0.02))
    heel = path(*top, (mix(-0.48, -0.76, rise / 0.42), 0, 0.02), (-0.84, 0, 0.02))
    cuff = shaft + mix(0.12, 0.3, f.detail)
    parts = [
        Part(heel, "contrast", 0.1),
        Part(upper, "body", 0.35),
        Part(line((-0.85, cuff), (calf - 0.01, cuff + 0.08 * f.curve)), "seam"),
    ]
    if f.fitting == "zip":
        parts += [strap(line((-0.56, cuff + 0.06), (-0.5, -rise - 0.15)), 0.055, "trim", 0.02)]
    if f.fitting == "buckle":
        around = line((-0.84, ankle + 0.06), (-0.4, ankle + 0.1), (-0.08, ankle - 0.06))
        parts += [strap(around, 0.11, "contrast", 0.04), *_buckle(-0.42, ankle + 0.05, 0.09)]
    if f.fitting == "laces":
        parts += _lacing((calf - 0.07, cuff + 0.12), (-0.02, -rise * 0.6 - 0.52), 4)
    return [*parts, Part(_sole(rise, 0.07, toe), "contrast", 0.03)]


def _pump(f: Factors) -> list[Part]:
    rise = {"kitten heel": 0.34, "block heel": 0.5, "stiletto heel": 0.66}[f.heel]
    toe, back = mix(0.88, 1.08, f.width), -rise - mix(0.36, 0.48, f.height)
    tip = 0.26 if f.heel == "block heel" else 0.07
    top = ((-0.81, -rise - 0.06, 0.04), (-0.42, -rise - 0.02, 0.05))
    heel = path(*top, (-0.72 + tip, -rise * 0.65), (-0.76 + tip, 0, 0.01), (-0.76, 0, 0.01))
    parts = [Part(heel, "contrast", 0.08), *_court(f, rise, toe, back, mix(0.14, 0.2, f.taper))]
    if f.fitting == "ankle strap":
        parts = [*_ankle_strap(back - 0.2, back), *parts]
    if f.fitting == "bow":
        parts += _bow(mix(0.3, 0.5, f.detail), -0.32, 0.18)
    return [*parts, Part(_sole(rise, 0.035, toe), "contrast", 0.02)]


def _loafer(f: Factors) -> list[Part]:
    rise = 0.06 if f.heel == "flat heel" else 0.2
    toe, back = mix(0.9, 1.04, f.width), -rise - mix(0.38, 0.48, f.height)
    throat, high = mix(-0.1, 0.1, f.detail), -mix(0.5, 0.6, f.taper) - rise / 2
    dip = back + mix(0.16, 0.28, f.curve)
    rim = ((-0.82, back, 0.06), (-0.6, dip), (throat - 0.3, dip))
    vamp = ((throat - 0.06, high, 0.06), (throat + 0.12, high + 0.06), (toe - 0.3, -0.34))
    front = ((toe, -0.32, 0.25), (toe, -0.05, 0.05))
    below = ((0.15, -0.05), (-0.3, -rise - 0.03), (-0.82, -rise - 0.03, 0.05))
    upper = path(*rim, *vamp, *front, *below, (-0.9, (back - rise) / 2))
    inside = path(*rim, (throat - 0.06, high, 0.02), (-0.45, back - 0.12))
    tip = ((toe - 0.14, -0.22), (toe - 0.16, -0.33))
    apron = line((throat + 0.02, high + 0.2), (0.4, -0.26), *tip)
    saddle_top = ((throat + 0.2, high + 0.06), (throat + 0.1, high + 0.2))
    saddle = line(*saddle_top, (throat - 0.1, -0.08 - rise / 2))
    parts = [
        Part(inside, "lining", 0.03),
        Part(box(-0.66, -rise / 2, 0.2, rise / 2 + 0.02, 0.01), "contrast", 0.05),
        Part(upper, "body", 0.28),
        Part(apron, "seam"),
        strap(saddle, 0.15, "contrast", 0.05),
    ]
    if f.fitting == "buckle":
        parts += _buckle(throat + 0.07, high + 0.24, 0.09)
    if f.fitting == "tassels":
        tassel = Part(mirrored((0.03, 0, 0.02), (0.065, 0.24, 0.02)), "trim", 0.03)
        for x in (0.06, 0.2):
            parts += moved([tassel], throat + x, high + 0.15)
    return [*parts, Part(_sole(rise, 0.075, toe, -0.87), "contrast", 0.03)]


def _sandal(f: Factors) -> list[Part]:
    thick = 0.12 if f.heel == "flat sole" else 0.3
    toe, ankle = mix(0.9, 1.04, f.width), -thick - mix(0.52, 0.7, f.height)
    wide = mix(0.13, 0.2, f.taper)
    middle = ((0.45, -thick - 0.3 - 0.08 * f.curve), (0.05, -thick - 0.38 - 0.12 * f.curve))
    instep = line((0.85, -thick - 0.1), *middle, (-0.24, ankle + 0.02))
    rear, front = mix(-0.2, -0.05, f.detail), mix(0.3, 0.42, f.detail)
    parts = []
    for foot, lean, share in ((rear, 0.12, 0.62), (front, 0.06, 0.3), (front + 0.3, -0.02, 0.12)):
        top = instep[round(share * (len(instep) - 1))]
        rising = line((foot, 0.02 - thick), (foot + lean, top[1] / 2 - thick / 2), tuple(top))
        parts += [strap(rising, wide, "body", 0.08)]
        if f.fitting == "buckles":
            parts += _buckle(*rising[len(rising) // 2], 0.085)
    top = ((-0.9, ankle - 0.05, 0.04), (-0.77, ankle - 0.03, 0.04), (-0.68, ankle + 0.22, 0.2))
    counter = path((-0.84, -thick, 0), *top, (-0.45, -thick, 0))
    parts += [
        strap(instep, wide, "body", 0.08),
        Part(ring(-0.52, ankle, 0.32, 0.1, 0.1), "body", 0.05),
        Part(counter, "body", 0.1),
    ]
    if f.fitting == "buckle":
        parts += _buckle(-0.42, ankle + 0.1, 0.085)
    welt = line((-0.9, -thick * 0.55), (0, -thick * 0.5), (toe, -thick * 0.5 - 0.04))
    return [*parts, Part(_sole(0.03, thick, toe, -0.9), "contrast", 0.08), Part(welt, "seam")]


def _wedge(f: Factors) -> list[Part]:
    rise = 0.36 if f.heel == "low wedge heel" else 0.58
    toe, back = mix(0.84, 1.0, f.width), -rise - mix(0.4, 0.5, f.height)
    parts = moved(_court(f, rise - 0.06, toe, back, mix(0.3, 0.38, f.taper)), 0, -0.05)
    if f.fitting == "ankle strap":
        parts = [*_ankle_strap(back - 0.22, back), *parts]
    if f.fitting == "bow":
        parts += _bow(mix(0.32, 0.52, f.detail), -0.52, 0.2)
    above = ((-0.86, -rise - 0.04, 0.04), (-0.3, -rise - 0.04), (0.2, -0.14), (0.5, -0.12))
    tip = ((toe, -0.14, 0.03), (toe + 0.02, -0.04, 0.06))
    parts += [Part(path(*above, *tip, (0.5, 0, 0.2), (-0.8, 0, 0.04)), "contrast", 0.1)]
    for t in (0.33, 0.66):
        parts += [Part(line((-0.83, -rise * t), (mix(0.2, -0.25, t), -rise * t)), "seam")]
    return parts


_BAGS = (_tote, _satchel, _clutch, _backpack, _hobo, _bucket)
_SHOES = (_sneaker, _boot, _pump, _loafer, _sandal, _wedge)
BUILDERS = {build.__name__.removeprefix("_"): build for build in (*_BAGS, *_SHOES)}


def assemble(factors: Factors) -> list[Part]:
    """The item's parts from back to front, tilted, centred and fitted into [-0.9, 0.9]."""
    parts = BUILDERS[factors.kind](factors)
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
