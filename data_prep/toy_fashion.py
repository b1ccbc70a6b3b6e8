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

This file writes the set; an item comes from `toy_factors` (what to draw), `toy_outlines` (its
shape) and `toy_render` (its pixels).
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import functools
import hashlib
import io
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_prep.toy_factors import (
    DOMAINS,
    HUES,
    KINDS,
    NEUTRALS,
    PATTERNS,
    SPLITS,
    Factors,
    expect,
    expect_int,
    sample_factors,
)
from data_prep.toy_render import draw, expect_size
from gans.command_line import cli
from gans.command_line.errors import UsageError

__all__ = [
    "DOMAINS",
    "HUES",
    "KINDS",
    "NEUTRALS",
    "PATTERNS",
    "Factors",
    "draw",
    "generate",
    "sample_factors",
]

VERSION = 1  # Goes up whenever the bytes of an item change.
MANIFEST, PARTIAL_MANIFEST = "manifest.json", "manifest.partial.json"
TABLES = ("factors.csv", "palette.json")


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
        raise UsageError(f"expected a folder to write into. Received: {folder} (a file)")
    manifests = [folder / name for name in (MANIFEST, PARTIAL_MANIFEST) if (folder / name).exists()]
    names = [*(name for _, _, name in _items(settings)), *TABLES]
    if manifests:
        manifest = _read_manifest(manifests[0], settings)
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {*SPLITS}
        expected = [MANIFEST, PARTIAL_MANIFEST, *names]
    else:
        found = {path.name for path in folder.iterdir()}
        expected = [PARTIAL_MANIFEST]
    foreign = found.difference(expected, (_part(Path(name)).as_posix() for name in expected))
    if foreign:
        raise UsageError(
            "expected a new or empty folder, or an unfinished set of the same settings. "
            f"Received: {folder}, which holds {min(foreign)}"
        )
    if MANIFEST not in found:
        return False
    if not found.issuperset(names) or _digest(folder, names) != manifest.get("sha256"):
        raise UsageError(
            f"{folder} was complete, but its files have changed since; name another folder"
        )
    return True


def _read_manifest(path: Path, settings: dict) -> dict:
    """The manifest of a set of these settings; raises if it is another's."""
    try:
        manifest = json.loads(path.read_text())
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict):
        raise UsageError(f"expected a manifest of toy fashion. Received: {path}")
    differing = [
        f"{key} {manifest.get(key)} (asked for: {value})"
        for key, value in settings.items()
        if manifest.get(key) != value
    ]
    if differing:
        raise UsageError(
            f"{path.parent} holds a set of other settings: {', '.join(differing)}; "
            "name another folder"
        )
    return manifest


def _factors_table(settings: dict) -> bytes:
    rows = []
    for split, index, name in _items(settings):
        factors = sample_factors(settings["domain"], settings["seed"], index, split)
        row = {"file": name, "split": split, **dataclasses.asdict(factors)}
        rows.append(row | {"caption": factors.caption})
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue().encode()


def _generate_domain(folder: Path, settings: dict, workers: int, progress: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Before all else: it tells an unfinished set from somebody's files.
        _write_json(folder / PARTIAL_MANIFEST, settings)
        for split in SPLITS:
            (folder / split).mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror}") from error
    items = _items(settings)
    chunks = [items[i : i + 50] for i in range(0, len(items), 50)]
    draw_chunk = functools.partial(_draw_items, folder, settings)
    with contextlib.ExitStack() as stack:
        run = map
        if workers > 1:
            # Not forked: a fork of a process that runs TensorFlow's threads may hang.
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            run = stack.enter_context(pool).map
        hidden = None if progress else True  # None: shown on a terminal only.
        bar = tqdm(total=len(items), desc=settings["domain"], unit="pair", disable=hidden)
        stack.enter_context(bar)
        for count in run(draw_chunk, chunks):
            bar.update(count)
    _write(folder / "factors.csv", _factors_table(settings))
    _write_json(folder / "palette.json", {"hues": HUES, "neutrals": list(NEUTRALS)})
    digest = _digest(folder, [*(name for _, _, name in items), *TABLES])
    _write_json(folder / PARTIAL_MANIFEST, settings | {"sha256": digest})
    os.replace(folder / PARTIAL_MANIFEST, folder / MANIFEST)


def default_set(size: int, domain: str = "bags") -> str:
    """The folder of toy fashion that scripts take where no data is named, drawn unless it is there.

    Args:
        size: Height and width in pixels, as in `generate`.
        domain: "bags" or "shoes".
    """
    name = f"toy_fashion_{size}" if domain == "bags" else f"toy_fashion_{domain}_{size}"
    return str(generate(Path("data") / name, size=size, domain=domain).resolve())


def default_domains(size: int, domains: str) -> dict[str, str]:
    """The `data_dir` and `data_dir_b` of two domains, drawn unless they are there.

    Args:
        size: Height and width in pixels, as in `generate`.
        domains: "sketch2bag", which is one folder, or "bag2shoe".
    """
    folders = {"data_dir": default_set(size)}
    if domains == "bag2shoe":
        folders["data_dir_b"] = default_set(size, "shoes")
    return folders


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
        UsageError: Before anything is written: an argument is wrong, or `out` holds other
            files, a set of other settings, or a complete one that was changed.
    """
    expect_size(size)
    expect_int("train", train, 0, 100_000)
    expect_int("val", val, 0, 100_000)
    expect("train + val", train + val, train + val > 0, "at least one pair")
    expect_int("seed", seed, 0)
    expect("domain", domain, domain in ("both", *DOMAINS), "'both', 'bags' or 'shoes'")
    expect("format", format, format in ("png", "jpg"), "'png' or 'jpg'")
    if workers is not None:
        expect_int("workers", workers, 1)
    out = Path(out)
    if workers is None:
        workers = max(1, min(os.cpu_count() or 1, (train + val) // 500))
    folders = {name: out / name for name in DOMAINS} if domain == "both" else {domain: out}
    other = [p.name for p in out.iterdir() if p.name not in DOMAINS] if out.is_dir() else []
    if domain == "both" and other:
        raise UsageError(
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
