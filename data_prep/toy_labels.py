"""Which part of the item each pixel of toy fashion shows, known from the factors it is drawn from.

    python data_prep/toy_labels.py --data_dir=data/toy_fashion_64 --out=data/toy_labels_64

writes a map of labels for each pair, `{train,val}/00000.png`, one byte a pixel and a palette to see
it by. They go into a folder of their own: a set of toy fashion is complete as it is, and its row in
factors.csv is all there is to know. So `read_labels` makes the maps from the row, without any file.

    ground     what is not the item, its shadow included
    body       the item's main surfaces, with whatever pattern
    contrast   handle, straps, heel and sole, whatever their colour
    trim       fitting, chain and rings
    lining     the inside, where it is seen

The maps depend on the outline factors alone, as the edges do: what a photo that was painted from
edges should show where does not depend on colour, pattern or light. Takes 2 ms a pair.
"""

import csv
import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from data_prep.toy_factors import SPLITS, Factors
from data_prep.toy_outlines import assemble
from data_prep.toy_render import SUPERSAMPLING, expect_size
from gans.command_line import cli
from gans.command_line.errors import UsageError

CLASSES = ("ground", "body", "contrast", "trim", "lining")
# White, and four that a reader tells apart whatever their eyes (Okabe and Ito 2008).
PALETTE = ((255, 255, 255), (0, 114, 178), (230, 159, 0), (213, 94, 0), (86, 180, 233))


def draw_labels(factors: Factors, size: int) -> np.ndarray:
    """The part that covers most of each pixel; of two that cover as much, the first in `CLASSES`.

    Args:
        factors: of the item.
        size: height and width in pixels, 32 to 512, a multiple of 4; also other than the photo's.

    Returns:
        Indices in `CLASSES`, uint8 (size, size).

    Raises:
        UsageError: The size is not of these.
    """
    expect_size(size)
    fine = size * SUPERSAMPLING
    image = Image.new("L", (fine, fine), 0)
    pen = ImageDraw.Draw(image)
    for part in assemble(factors):
        # A seam is a line on the surface below, not a part.
        if part.material != "seam":
            points = [tuple(point) for point in (part.outline + 1) * (fine / 2)]
            pen.polygon(points, fill=CLASSES.index(part.material))
    blocks = np.asarray(image).reshape(size, SUPERSAMPLING, size, SUPERSAMPLING)
    counts = [np.count_nonzero(blocks == index, axis=(1, 3)) for index in range(len(CLASSES))]
    return np.argmax(counts, axis=0).astype(np.uint8)


def read_labels(
    data_dir: str | Path, split: str, size: int, names: list[str] | None = None
) -> np.ndarray:
    """Maps of labels of a split, in the order of factors.csv, uint8 `(n, size, size)`.

    Args:
        data_dir: folder of a set of toy fashion.
        split: "train" or "val".
        size: as in `draw_labels`; that of the photos they are to be compared with.
        names: only these files, in this order: "val/00000.png", or "00000.png", with any extension.

    Raises:
        UsageError: The folder has no readable factors.csv, or no row of such a name.
    """
    rows = _read_factors(Path(data_dir), split)
    stems = list(rows) if names is None else [Path(name).stem for name in names]
    missing = [stem for stem in stems if stem not in rows]
    if missing:
        raise UsageError(
            f"expected a row {split}/{missing[0]} in {data_dir}/factors.csv. Received: none"
        )
    maps = [draw_labels(rows[stem], size) for stem in stems]
    return np.stack(maps) if maps else np.zeros((0, size, size), np.uint8)


def _read_factors(folder: Path, split: str) -> dict[str, Factors]:
    """Factors of a split by the stem of the file's name."""
    path, fields = folder / "factors.csv", dataclasses.fields(Factors)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return {
                Path(row["file"]).stem: Factors(*(f.type(row[f.name]) for f in fields))
                for row in csv.DictReader(file)
                if row["split"] == split
            }
    except FileNotFoundError:
        raise UsageError(
            f"expected the folder of a set of toy fashion. Received: {folder} without factors.csv"
        ) from None
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UsageError(
            f"expected factors of toy fashion in {path}. Received: {str(error).splitlines()[0]}"
        ) from None


def main(data_dir: str, out: str, size: int | None = None) -> None:
    """Writes the map of labels of each pair of a set of toy fashion.

    Args:
        data_dir: Folder of the set, with factors.csv.
        out: Folder to write, new or empty.
        size: Height and width in pixels, 32 to 512, a multiple of 4; none takes that of the pairs.
    """
    folder, target = Path(data_dir), Path(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"expected a new or empty folder to write into. Received: {out}")
    found = {split: _read_factors(folder, split) for split in SPLITS}
    if size is None:
        first = next(iter(sorted(folder.glob("*/00000.*"))), None)
        if first is None:
            raise UsageError(f"expected pairs in {folder}. Received: none")
        with Image.open(first) as image:
            size = image.height
    expect_size(size)
    palette = [value for colour in PALETTE for value in colour]
    for split, items in found.items():
        (target / split).mkdir(parents=True, exist_ok=True)
        for stem, factors in tqdm(items.items(), desc=split, unit="map", disable=None):
            image = Image.fromarray(draw_labels(factors, size))
            image.putpalette(palette)
            image.save(target / split / f"{stem}.png")


if __name__ == "__main__":
    cli.run(main)
