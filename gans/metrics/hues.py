"""Hues of toy fashion: what a translator does with colour, counted against the known palette.

The palette and the rule are those of `data_prep/toy_fashion.py`, which finds the hue of every one
of its own pictures by it. Images are `(n, height, width, 3)` in [-1, 1].
"""

import json
from pathlib import Path

import numpy as np

ITEM_BRIGHTNESS = 217 / 255  # A pixel whose darkest channel is brighter belongs to the background.
SATURATED = 0.25  # HSV saturation above which a pixel shows a hue.
COLOURED_SHARE = 0.15  # An item with a smaller share of such pixels is neutral.
NEUTRAL = -1


def read_palette(data_dir: str | Path) -> list[float]:
    """The hues in degrees that `data_prep/toy_fashion.py` wrote beside its pictures; of other data
    none.
    """
    try:
        palette = json.loads((Path(data_dir) / "palette.json").read_text(encoding="utf-8"))
        return [float(degrees) for degrees in palette["hues"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def read_colours(data_dir: str | Path) -> tuple[list[str], list[str]]:
    """Names of the hues, in the order of `read_palette`, and of the neutrals; of other data none
    of either.
    """
    try:
        palette = json.loads((Path(data_dir) / "palette.json").read_text(encoding="utf-8"))
        return list(map(str, palette["hues"])), list(map(str, palette["neutrals"]))
    except (OSError, ValueError, KeyError, TypeError):
        return [], []


def dominant_hues(images: np.ndarray, hues: list[float]) -> np.ndarray:
    """Index into `hues` of each image's hue, or `NEUTRAL`: int `(n,)`.

    Each pixel of the item votes, by its saturation, for the nearest hue.

    Args:
        images: `(n, height, width, 3)` in [-1, 1].
        hues: the palette, in degrees of HSV.
    """
    degrees, weights, coloured = hue_votes(images)
    distances = np.abs((degrees[..., None] - np.asarray(hues) + 180.0) % 360.0 - 180.0)
    nearest = distances.argmin(axis=-1)
    votes = np.stack(
        [(weights * (nearest == index)).sum(axis=(1, 2)) for index in range(len(hues))]
    )
    return np.where(coloured, votes.argmax(axis=0), NEUTRAL)


def hue_votes(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each pixel the hue in degrees of HSV and its vote, and whether the item is coloured.

    `(n, height, width)` twice and bool `(n,)`. The vote is the saturation of a pixel of the item
    that shows a hue, and 0 of all others.

    Args:
        images: `(n, height, width, 3)` in [-1, 1].
    """
    rgb = (np.asarray(images, dtype=np.float32) + 1.0) / 2.0
    brightest, darkest = rgb.max(axis=-1), rgb.min(axis=-1)
    chroma = brightest - darkest
    saturation = chroma / np.maximum(brightest, 1e-6)
    red, green, blue = np.moveaxis(rgb, -1, 0)
    safe = np.maximum(chroma, 1e-6)
    sextant = np.select(
        [brightest == red, brightest == green],
        [(green - blue) / safe, (blue - red) / safe + 2.0],
        (red - green) / safe + 4.0,
    )
    item = darkest < ITEM_BRIGHTNESS
    shown = item & (saturation > SATURATED)
    share = shown.sum(axis=(1, 2)) / np.maximum(item.sum(axis=(1, 2)), 1)
    votes = np.where(shown, saturation, 0.0)
    return sextant * 60.0 % 360.0, votes, share >= COLOURED_SHARE


def at_a_distance(images: np.ndarray, fields: int = 8) -> np.ndarray:
    """Images averaged over `fields` x `fields` equal parts: what is left of them from afar.

    The colour of an item is that of its surfaces; single pixels that a generator tints, most of all
    dark ones, whose saturation is high for a trace of colour, are gone. The items of toy fashion
    itself keep theirs (998 of 1,000).

    Args:
        images: `(n, height, width, channels)`; parts of sides that do not divide evenly differ by a
            pixel.
        fields: parts along each side.
    """
    for axis in (1, 2):
        edges = np.linspace(0, images.shape[axis], fields + 1).astype(int)
        parts = np.split(images, edges[1:-1], axis=axis)
        images = np.concatenate([part.mean(axis=axis, keepdims=True) for part in parts], axis=axis)
    return images


def hues_per_sketch(samples: np.ndarray, hues: list[float]) -> float:
    """Mean number of different hues among the samples of one sketch; neutrals count for none.

    Args:
        samples: `(sketches, samples, height, width, 3)` in [-1, 1].
        hues: the palette, in degrees of HSV.
    """
    counts = [len(set(dominant_hues(row, hues)) - {NEUTRAL}) for row in samples]
    return float(np.mean(counts))


def hue_kept(photos: np.ndarray, reconstructions: np.ndarray, hues: list[float]) -> float:
    """Share of the coloured photos whose reconstruction has the same hue; NaN if none is."""
    wanted = dominant_hues(photos, hues)
    received = dominant_hues(reconstructions, hues)
    coloured = wanted != NEUTRAL
    if not coloured.any():
        return float("nan")
    return float(np.mean(received[coloured] == wanted[coloured]))


def hue_carried(sources: np.ndarray, targets: np.ndarray, hues: list[float]) -> dict[str, float]:
    """Share of the coloured sources whose translation has the "same" hue, and the "same_or_next".

    A translation without colour carries nothing. By chance 1 and 3 of `len(hues)`. NaN where no
    source is coloured.

    Args:
        sources, targets: `(n, height, width, 3)` in [-1, 1], by pairs.
        hues: the palette, in degrees of HSV, in order around the circle.
    """
    wanted, received = dominant_hues(sources, hues), dominant_hues(targets, hues)
    wanted, received = wanted[wanted != NEUTRAL], received[wanted != NEUTRAL]
    if not len(wanted):
        return {"same": float("nan"), "same_or_next": float("nan")}
    apart = (received - wanted) % len(hues)
    near = np.isin(apart, [0, 1, len(hues) - 1]) & (received != NEUTRAL)
    return {"same": float(np.mean(received == wanted)), "same_or_next": float(np.mean(near))}


def effective_hues(images: np.ndarray, hues: list[float]) -> float:
    """How many hues a set makes use of: the exponential of the entropy of their frequencies.

    `len(hues)` where all are as frequent, 1 where there is only one, 0 where nothing is coloured.

    Args:
        images: `(n, height, width, 3)` in [-1, 1].
        hues: the palette, in degrees of HSV.
    """
    found = dominant_hues(images, hues)
    counts = np.bincount(found[found != NEUTRAL], minlength=len(hues))
    shares = counts[counts > 0] / max(counts.sum(), 1)
    return float(np.exp(-np.sum(shares * np.log(shares)))) if len(shares) else 0.0
