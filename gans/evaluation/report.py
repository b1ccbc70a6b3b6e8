"""What an evaluation leaves behind: a line of JSON per number, a table, a curve over checkpoints.

evaluation.jsonl   every number ever measured, with all that decides it; only added to
evaluation.md      the newest evaluation as a table, and in words
evaluation.png     measures over the checkpoints, after --all_checkpoints
neighbours.png     samples, each next to the real images that are nearest to it
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gans.command_line.files import write_text
from gans.data.images import to_float
from gans.evaluation.tables import show
from gans.pictures.image_grid import image_blocks
from gans.pictures.plots import Line, curves, save_figure
from gans.training.run_folder import versions

# What decides a number, in the order in which the table names it.
FACTS = {
    "n_real": "real images",
    "n_fake": "samples",
    "split": "split",
    "extractor": "extractor",
    "extractor_sha256": "its sha256",
    "extractor_accuracy": "its accuracy",
    "resize": "resize",
    "dtype": "dtype",
    "seeds": "seeds",
    "step": "step",
}


def describe(line: dict[str, Any]) -> str:
    """A row of the table on stdout."""
    value = line["value"]
    # A kernel distance is a thousandth or less.
    places = 5 if 0 < abs(value) < 0.01 else 3
    words = [f"{line['metric']:16}", f"{value:9.{places}f}"]
    if "direction" in line:
        words.insert(1, line["direction"])
    if line.get("deviation") is not None:
        words.append(f" ± {line['deviation']:.{places}f}")
    if line["reference"] is not None:
        words.append(f" ({line['reference_is']} {line['reference']:.{places}f})")
    return " ".join(words)


def add(folder: Path, lines: Sequence[dict[str, Any]]):
    """Adds to `evaluation.jsonl`, with the versions of the libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "evaluation.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(line | {"versions": versions()}) + "\n" for line in lines)


def save(folder: Path, lines: Sequence[dict[str, Any]], sentences: Sequence[str]):
    """Adds to `evaluation.jsonl`, and writes `evaluation.md` anew."""
    add(folder, lines)
    write_text(folder / "evaluation.md", markdown(lines, sentences))


def markdown(lines: Sequence[dict[str, Any]], sentences: Sequence[str]) -> str:
    """A table of the numbers, what they mean in words, and below what decided them."""
    rows = ["| measure | value | for comparison |", "|---|---|---|"]
    for line in lines:
        compared = ""
        if line["reference"] is not None:
            compared = f"{line['reference_is']}: {show(line['reference'])}"
        value = line["value"]
        shown = show(value, line.get("deviation")) if math.isfinite(value) else "-"
        rows.append(f"| {_name(line)} | {shown} | {compared} |")
    text = ["\n".join(rows), *sentences]
    if lines:
        line = next((line for line in lines if "n_real" in line), lines[0])
        facts = [f"{words} {line[name]}" for name, words in FACTS.items() if name in line]
        text.append("Measured with: " + ", ".join(facts) + ".")
    return "\n\n".join(text) + "\n"


def _name(line: dict[str, Any]) -> str:
    return " ".join(filter(None, [line["metric"], line.get("direction")]))


def plot(path: Path, lines: Sequence[dict[str, Any]], title: str):
    """Writes `checkpoint_curves` as PNG."""
    save_figure(checkpoint_curves(lines, title), path)


def checkpoint_curves(lines: Sequence[dict[str, Any]], title: str):
    """One metric over the steps of checkpoints as a `Figure`, a curve for each direction; what it
    is compared with is dashed.

    Args:
        lines: of one metric, as in `evaluation.jsonl`.
    """
    drawn = []
    for name in dict.fromkeys(map(_name, lines)):
        own = [line for line in lines if _name(line) == name]
        steps, values = (np.array([line[key] for line in own]) for key in ("step", "value"))
        drawn.append(Line(name, steps, values))
        references = [line["reference"] for line in own]
        if None not in references:
            drawn.append(Line(own[0]["reference_is"], steps, np.array(references), True))
    return curves(drawn, title, "step", lines[0]["metric"])


def best(lines: Sequence[dict[str, Any]], better: str) -> dict[str, Any]:
    """Of one metric at several checkpoints, the best.

    Args:
        better: higher, lower, or near the reference.
    """
    signs = {
        "higher": lambda line: -line["value"],
        "lower": lambda line: line["value"],
        "near": lambda line: abs(line["value"] - line["reference"]),
    }
    return min(lines, key=signs[better])


def neighbours_picture(
    samples: Sequence[np.ndarray], nearest: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """A picture of rows: a sample, then the real images that are nearest to it.

    Args:
        samples: uint8 `(height, width, channels)`, all of one shape.
        nearest: for each sample as many images of one shape.
    """
    blocks = {"sample": [[image] for image in samples], "nearest real images": nearest}
    return image_blocks([(name, to_float(np.array(rows))) for name, rows in blocks.items()])
