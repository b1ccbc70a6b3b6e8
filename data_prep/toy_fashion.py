"""Toy fashion: bags and shoes drawn from known factors, as pairs of edges (left) and photo (right).

    python data_prep/toy_fashion.py --out data/toy_fashion --size 64 --train 1000 --val 100

writes what edges2handbags and edges2shoes look like on disk: `bags/{train,val}/00000.png` and the
same for `shoes`, every image 2 * size wide and size high. With `--domain bags` the folders `train`
and `val` stand directly in `--out`. Beside them:

    factors.csv    one row an image: every factor it was drawn from, and a caption
    palette.json   {"hues": {"red": 0, ...}, "neutrals": ["black", ...]}, hues in degrees of HSV
    manifest.json  the settings; in a complete set, a digest of all files too

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
    NEUTRALS,
    SPLITS,
    expect,
    expect_int,
    sample_factors,
)
from data_prep.toy_render import draw, expect_size
from gans.command_line import cli
from gans.command_line.errors import UsageError
from gans.command_line.files import replacing, write_text

VERSION = 1  # Goes up whenever the bytes of an item change.
MANIFEST, TABLES = "manifest.json", ("factors.csv", "palette.json")
# Of JPEGs. Chroma of half the width would grey the colour of thin parts.
OPTIONS = {"png": {}, "jpg": {"quality": 95, "subsampling": 0}}


def _items(settings: dict) -> list[tuple[str, int, str]]:
    """(split, index, file name relative to the set) of every image."""
    return [
        (split, index, f"{split}/{index:05d}.{settings['format']}")
        for split in SPLITS
        for index in range(settings[split])
    ]


def _draw_items(folder: Path, settings: dict, items: list[tuple[str, int, str]]) -> int:
    """Draws the images that are not there; returns the number of all."""
    for split, index, name in items:
        if not (folder / name).exists():
            factors = sample_factors(settings["domain"], settings["seed"], index, split)
            pair = np.concatenate(draw(factors, settings["size"]), axis=1)
            with replacing(folder / name) as temporary:
                Image.fromarray(pair).save(temporary, **OPTIONS[settings["format"]])
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
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"expected a folder to write into. Received: {folder} (a file)")
    names = [*(name for _, _, name in _items(settings)), *TABLES]
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    manifest = _read_manifest(folder / MANIFEST, settings) if MANIFEST in found else {}
    own = {*SPLITS, *([MANIFEST, *names] if manifest else [])}
    foreign = {name for name in found - own if not Path(name).name.startswith(".tmp-")}
    if foreign:
        raise UsageError(
            "expected a new or empty folder, or an unfinished set of the same settings. "
            f"Received: {folder}, which holds {min(foreign)}"
        )
    if "sha256" not in manifest:
        return False
    if not found.issuperset(names) or _digest(folder, names) != manifest["sha256"]:
        raise UsageError(
            f"{folder} was complete, but its files have changed since; name another folder"
        )
    return True


def _read_manifest(path: Path, settings: dict) -> dict:
    """The manifest of a set of these settings; raises if it is another's."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
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


def _factors_table(settings: dict) -> str:
    rows = []
    for split, index, name in _items(settings):
        factors = sample_factors(settings["domain"], settings["seed"], index, split)
        row = {"file": name, "split": split, **dataclasses.asdict(factors)}
        rows.append(row | {"caption": factors.caption})
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def _write_json(path: Path, value: dict) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def _generate_domain(folder: Path, settings: dict, workers: int, progress: bool) -> None:
    try:
        for split in SPLITS:
            (folder / split).mkdir(parents=True, exist_ok=True)
        # Before all else: it tells an unfinished set from somebody's files.
        _write_json(folder / MANIFEST, settings)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror}") from error
    items = _items(settings)
    chunks = [items[i : i + 50] for i in range(0, len(items), 50)]
    draw_chunk = functools.partial(_draw_items, folder, settings)
    # Not forked: a fork of a process that runs TensorFlow's threads may hang.
    spawn = get_context("spawn")
    many = ProcessPoolExecutor(workers, spawn) if workers > 1 else contextlib.nullcontext()
    hidden = None if progress else True  # None: shown on a terminal only.
    bar = tqdm(total=len(items), desc=settings["domain"], unit="pair", disable=hidden)
    with many as pool, bar:
        for count in (pool.map if pool else map)(draw_chunk, chunks):
            bar.update(count)
    write_text(folder / "factors.csv", _factors_table(settings))
    _write_json(folder / "palette.json", {"hues": HUES, "neutrals": list(NEUTRALS)})
    digest = _digest(folder, [*(name for _, _, name in items), *TABLES])
    _write_json(folder / MANIFEST, settings | {"sha256": digest})


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
    out: Path,
    size: int = 64,
    train: int = 1000,
    val: int = 100,
    domain: Literal["both", "bags", "shoes"] = "both",
    seed: int = 0,
    format: Literal["png", "jpg"] = "png",
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Draws a set, goes on with an unfinished one, or leaves a complete one of these settings.

    Args:
        out: Folder, new, empty, or holding a set of the same settings.
        size: Height and width of edges and of photo in pixels, 32 to 512, a multiple of 4.
        train: Pairs in train, 0 to 100000, of each domain.
        val: Pairs in val, likewise.
        domain: What to draw; both makes one set in the folder bags inside out, and one in shoes.
        seed: 0 or more; another seed draws other items.
        format: Format of the images; jpg has quality 95 and full chroma.
        workers: Processes that draw; none takes one per core, for every 500 pairs at most one.
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
    workers = workers or max(1, min(os.cpu_count() or 1, (train + val) // 500))
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


if __name__ == "__main__":
    cli.run(generate)
