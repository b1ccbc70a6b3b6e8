"""Pixels of toy fashion: the edges of an item's outlines, and a photo with form, light and shadow.

A surface rises from its rim like a cushion; its slopes decide how it takes the light. Parts are
painted from back to front, in coordinates from -1 to 1 across the image.
"""

import colorsys
import math

import numpy as np
from PIL import Image, ImageDraw

from data_prep.toy_factors import (
    CONTRASTS,
    HUES,
    LINING,
    NEUTRALS,
    PATTERN_COLOURS,
    TRIMS,
    Factors,
    expect,
)
from data_prep.toy_outlines import Part, arc, assemble, mix

SUPERSAMPLING = 4

Window = tuple[slice, slice]


def expect_size(size: int) -> None:
    good = type(size) is int and 32 <= size <= 512 and size % 4 == 0
    expect("size", size, good, "a multiple of 4 from 32 to 512")


def draw(factors: Factors, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws an item.

    Args:
        factors: What to draw.
        size: Height and width in pixels, 32 to 512, a multiple of 4.

    Returns:
        Edges and photo, each uint8 (size, size, 3), RGB. The edges depend on the outline factors
        alone.

    Raises:
        UsageError: The size is not of these.
    """
    expect_size(size)
    parts = assemble(factors)
    edges = np.repeat(_edges(parts, size)[..., None], 3, axis=2)
    return edges, _photo(factors, parts, size)


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


def _photo(factors: Factors, parts: list[Part], size: int) -> np.ndarray:
    axis = (np.arange(size, dtype=np.float32) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(axis, axis)
    colours = _colours(factors)
    photo = np.ones((size, size, 3), np.float32)
    _shade_ground(photo, parts)
    item = np.zeros((size, size), np.float32)  # Share of each pixel that the item covers so far.
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
        colour = colours[part.material]
        if part.material == "body" and factors.pattern != "plain":
            # The pattern follows the form: it closes up where the surface turns away.
            share = _pattern(factors, x[window] + dx * 0.05, y[window] + dy * 0.05, size)[..., None]
            colour = colour * (1 - share) + colours["pattern"] * share
        lit = _lit(factors, colour, dy, dx, metal=part.material == "trim")
        view += (lit - view) * coverage[..., None]
        item[window] = np.maximum(item[window], coverage)
    grain = np.random.default_rng(factors.grain).standard_normal((size, size), np.float32)
    tone = 0.93 - 0.06 * y - 0.03 * x + 0.015 * grain
    photo *= 1 + (item * (tone - 1))[..., None]
    return (np.clip(photo, 0, 1) * 255 + 0.5).astype(np.uint8)


def _colours(factors: Factors) -> dict[str, np.ndarray]:
    """Colour of each material and of the pattern."""
    if factors.hue in HUES:
        value = mix(0.6, 0.95, factors.lightness)
        body = np.array(colorsys.hsv_to_rgb(factors.hue_degrees / 360, factors.saturation, value))
    else:
        body = np.array(NEUTRALS[factors.hue]) * mix(0.85, 1.05, factors.lightness)
    contrast = CONTRASTS[factors.contrast]
    return {
        "body": body,
        "pattern": np.array(PATTERN_COLOURS[factors.pattern_colour]),
        "contrast": body * 0.8 if contrast is None else np.array(contrast),
        "trim": np.array(TRIMS[factors.trim]),
        "lining": np.array(LINING),
    }


def _shade_ground(photo: np.ndarray, parts: list[Part]) -> None:
    """Puts a soft shadow below the item."""
    size = len(photo)
    points = np.concatenate([part.outline for part in parts])
    low, high = points.min(0), points.max(0)
    ground = arc((low[0] + high[0]) / 2, high[1] - 0.02, (high[0] - low[0]) * 0.46, 0.045)
    shadow, window = _coverage(Part(ground, "lining"), size)
    photo[window] -= 0.45 * _blur(shadow, max(1, size // 50))[..., None]


def _coverage(part: Part, size: int) -> tuple[np.ndarray, Window]:
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
    period, angle = factors.pattern_period, math.radians(factors.pattern_angle)
    cos, sin = math.cos(angle), math.sin(angle)
    u = ((cos * x + sin * y) / period) % 1 - 0.5
    v = ((cos * y - sin * x) / period) % 1 - 0.5

    def inside(distance: np.ndarray) -> np.ndarray:
        return np.clip(0.5 - distance * period * size / 2, 0, 1)

    if factors.pattern == "stripes":
        return inside(np.abs(u) - 0.22)
    if factors.pattern == "checks":
        return (inside(np.abs(u) - 0.22) + inside(np.abs(v) - 0.22)) / 2
    return inside(np.hypot(u, v) - 0.27)


def _lit(
    factors: Factors, colour: np.ndarray, dy: np.ndarray, dx: np.ndarray, metal: bool
) -> np.ndarray:
    """Colour of a surface of these slopes in the light, which comes from above on the left."""
    light = np.array([-0.45 + 0.25 * factors.light, -0.6, 0.85])
    light /= np.linalg.norm(light)
    halfway = light + (0, 0, 1)  # Between the light and the eye, as in Blinn's highlight.
    halfway /= np.linalg.norm(halfway)
    steepness = np.sqrt(dx * dx + dy * dy + 1)
    diffuse = np.maximum(light[2] - dx * light[0] - dy * light[1], 0) / steepness
    shine = np.maximum(halfway[2] - dx * halfway[0] - dy * halfway[1], 0) / steepness
    shade = (0.4 + 0.6 * diffuse / light[2]) * (0.7 + 0.3 / steepness)
    glow = 0.45 * shine**30 if metal else mix(0.05, 0.35, factors.gloss) * shine**14
    glow = np.minimum(glow + 0.2 * np.maximum(shade - 1, 0), 0.7)[..., None]
    # Towards white, not beyond it: a channel that is cut off would turn the hue.
    lit = colour * np.minimum(shade, 1)[..., None]
    return lit + (1 - lit) * glow
