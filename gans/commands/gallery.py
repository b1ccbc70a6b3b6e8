"""The command that writes pages of finished runs: what they look like, and how they score."""

import ast
import importlib.util
import io
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from gans.command_line import command
from gans.command_line.errors import Failure, UsageError
from gans.command_line.files import check_folder, replacing, write_text
from gans.data.datasets import TOY_FASHION
from gans.data.images import no_folder, open_image
from gans.evaluation.tables import show
from gans.results.training_time import training_seconds
from gans.training.restore import open_run
from gans.training.run_folder import RunFolder, saved_steps
from gans.training.run_settings import RunSettings

JPEG_QUALITY, LARGEST_JPEG = 85, 60_000  # Bytes.
LARGEST_GIF = 300_000
# Of features, without the name of the extractor; FID and KID are fd and kd of Inception.
COLUMNS = ("fd", "kd", "is", "precision", "density", "recall", "coverage", "spacing")
INCEPTION_NAMES = {"fid": "fd", "kid": "kd", "inception_score": "is"}
MADE_BY = "gallery.py` made this page"  # In all pages of this command.
GALLERY = """# Gallery

What runs of this library look like at their end, each with the command that trained it.
`python scripts/gallery.py` made this page; DATA, DATA_B and TFDS stand for your folders, and times
are those of the machine that trained, whatever else it did.
"""
RESULTS = """# Results

How finished runs of this library score, mean ± deviation between the seeds of their samples; of kd
and is, where there is one seed, between subsets and splits. `python scripts/evaluate.py
--run_dir=RUN --seeds=3` measured it, and `python scripts/gallery.py` made this page. `evaluate.py
--list_metrics` explains the columns; the row *real* is one half of the real images against the
other, so of half the counts, which makes fd larger. Numbers by different extractors, or of
different counts, cannot be compared, and none of another extractor than Inception is an FID.
"""

Line = dict[str, Any]  # Of `evaluation.jsonl`.


@dataclass(frozen=True)
class Entry:
    """A finished run.

    Attributes:
        name: what its pictures are called: its folder below that of all runs.
        folder: of it.
        run: its settings.
        steps: of its newest checkpoint.
    """

    name: str
    folder: RunFolder
    run: RunSettings
    steps: int

    @property
    def picture(self) -> Path:
        """The sample picture of the last step."""
        return self.folder.samples / f"step-{self.steps:08d}.png"

    @property
    def command(self) -> str:
        """The line that trained it."""
        return self.folder.read_record()["command"]

    @property
    def title(self) -> str:
        """The name of its GAN."""
        return self._about[0]

    @property
    def meaning(self) -> str:
        """What its GAN is, in a sentence."""
        return self._about[1]

    @property
    def _about(self) -> tuple[str, str]:
        packing = getattr(self.run.settings, "packing", 1)
        if packing > 1:
            return f"PacGAN {packing}", (
                f"{self.run.name} whose discriminator judges {packing} samples at once, and "
                "so sees it where they repeat each other."
            )
        module = f"gans.{self.run.gan}"
        source = importlib.util.find_spec(module).loader.get_source(module)
        first = ast.get_docstring(ast.parse(source)).partition("\n\n")[0]
        name, _, meaning = " ".join(first.split()).partition(": ")
        return name, meaning[:1].upper() + meaning[1:]

    @property
    def data(self) -> str:
        """Its data in words."""
        data = self.run.data
        if data.dataset == TOY_FASHION:
            return "toy fashion, bags and shoes" if data.data_dir_b else "toy fashion"
        return " and ".join(filter(None, (data.dataset, data.dataset_b))) or "images of your own"

    @property
    def evaluation(self) -> list[Line]:
        """What was measured of the last step of which something was; of a metric that was measured
        twice, the last time.
        """
        path = self.folder.path / "evaluation.jsonl"
        if not path.is_file():
            return []
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        last = max(line["step"] for line in lines)
        newest = [line for line in lines if line["step"] == last]
        return list({(line["metric"], line.get("direction")): line for line in newest}.values())


def gallery(runs: str = "runs", out: str = "runs/gallery", debug: bool = False) -> None:
    """Writes gallery.md, its pictures, and results.md about finished runs.

    Args:
        runs: Folder below which the runs are.
        out: Folder for the pages, and the folder gallery of their pictures. Earlier pages of this
            command are replaced.
        debug: Show the traceback of an error.
    """
    root, folder = Path(runs), check_folder("out", out)
    found = find_runs(root)
    if not found:
        raise UsageError(
            f"--runs expects a folder with finished runs below it. Received: {root} "
            f"({'none in it' if root.is_dir() else no_folder(root)})"
        )
    names = [entry.name for entry in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"expected runs of different names. Received: two of {twice}")
    page, scores = folder / "gallery.md", folder / "results.md"
    pictures = check_folder("out", folder / "gallery")
    earlier = shown_by(page, scores)
    files = (f"{name}{suffix}" for name in names for suffix in (".jpg", ".gif"))
    foreign = [name for name in files if name not in earlier and (pictures / name).exists()]
    if foreign:
        raise UsageError(
            "--out expects no pictures of another origin under the names of its own. Received: "
            f"{pictures / foreign[0]}"
        )

    command.import_tensorflow(debug)
    measured = [measure(entry) for entry in found]  # Before anything is written.
    for name in earlier:
        (pictures / name).unlink(missing_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    sections = [
        section(entry, lines, pictures) for entry, lines in zip(found, measured, strict=True)
    ]
    for path, text in ((page, "\n".join([GALLERY, *sections])), (scores, results(found))):
        if text:
            write_text(path, text)
            print(path)
        else:
            path.unlink(missing_ok=True)


def shown_by(*pages: Path) -> set[str]:
    """Names of the pictures of earlier pages.

    Raises `UsageError` for a page that this command did not write.
    """
    names = set()
    for page in pages:
        if not os.path.lexists(page):
            continue
        text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
        if MADE_BY not in text:
            raise UsageError(f"--out expects no {page.name} of another origin. Received: {page}")
        names.update(re.findall(r"\]\(gallery/([^/)]+\.(?:jpg|gif))\)", text))
    return names


def find_runs(root: Path) -> list[Entry]:
    """Finished runs with their last picture, by name; prints which are left out."""
    found = []
    for path in sorted(root.rglob("config.json")):
        folder = RunFolder(path.parent)
        try:
            run = folder.read_settings()
        except UsageError as error:
            # The config.json of something else, or of an earlier version.
            print(f"left out: {error}", file=sys.stderr)
            continue
        steps = max(saved_steps(folder.checkpoints), default=0)
        name = "-".join(folder.path.relative_to(root).parts) or root.resolve().name
        entry = Entry(name, folder, run, steps)
        if steps >= run.epochs * run.steps_per_epoch and entry.picture.is_file():
            found.append(entry)
        else:
            print(f"left out, since it is not finished: {folder.path}", file=sys.stderr)
    return found


def measure(entry: Entry) -> list[Line]:
    """What was measured of a run; of points, where the newest checkpoint was not, that is measured
    now, and nothing is kept of it.
    """
    lines = entry.evaluation
    if entry.run.data.kind != "points" or (lines and lines[0]["step"] == entry.steps):
        return lines
    from gans.evaluation import table
    from gans.evaluation.generated import Generated

    try:
        _, run, gan, step = open_run(entry.folder.path, entry.steps)
    except (UsageError, Failure) as error:
        print(f"not measured: {entry.folder.path} ({error})", file=sys.stderr)
        return lines
    outputs = Generated(gan, run, record={"step": step})
    metrics = (metric for metric in table.METRICS if outputs.kind in metric.of)
    return [
        table.measure(metric, outputs)
        for metric in metrics
        if table.lacking(metric, outputs) is None
    ] or lines


def section(entry: Entry, measured: list[Line], pictures: Path) -> str:
    """A run's part of the page; writes its pictures."""
    facts = [f"{entry.steps} steps of batch {entry.run.batch_size}"]
    if entry.run.data.kind != "points":
        size = entry.run.settings.image_size
        facts.append(f"{size}x{size} pixels")
    seconds = training_seconds(entry.folder.logs, entry.steps)
    if seconds is not None:
        facts.append(f"{describe_seconds(seconds)} of training")
    lines = [f"## {entry.title} on {entry.data}", "", entry.meaning, ""]
    lines += ["```", entry.command, "```", "", f"{', '.join(facts)}.", ""]
    if measured:
        if measured[0]["step"] != entry.steps:
            lines += [f"Measured after step {measured[0]['step']}.", ""]
        lines += ["| measure | value | for reference |", "|---|---|---|"]
        lines += [f"| {' | '.join(cells(line))} |" for line in measured] + [""]
    lines += [f"![Samples of {entry.title} on {entry.data}](gallery/{entry.name}.jpg)", ""]
    save_jpeg(entry.picture, pictures / f"{entry.name}.jpg")
    film = entry.folder.path / "samples.gif"
    if film.is_file() and film.stat().st_size < LARGEST_GIF:
        shutil.copyfile(film, pictures / f"{entry.name}.gif")
        lines += [f"[The same over the training](gallery/{entry.name}.gif)", ""]
    return "\n".join(lines)


def cells(line: Line) -> tuple[str, str, str]:
    """Name, value and reference of a metric."""
    direction = f" ({line['direction']})" if line.get("direction") else ""
    reference = ""
    if line["reference"] is not None:
        reference = f"{show(line['reference'])} ({line['reference_is']})"
    return f"{line['metric']}{direction}", show(line["value"], line.get("deviation")), reference


def describe_seconds(seconds: float) -> str:
    """`45 seconds`, `12 minutes`, `3.1 hours`."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def save_jpeg(picture: Path, out: Path):
    """Writes a picture as JPEG of at most `LARGEST_JPEG` bytes, if need be at fewer pixels."""
    with open_image(picture) as opened:
        image = opened.convert("RGB")
    for share in (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2):
        size = [max(1, round(share * side)) for side in image.size]
        file = io.BytesIO()
        image.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=JPEG_QUALITY)
        if file.tell() <= LARGEST_JPEG:
            break
    with replacing(out) as temporary:
        temporary.write_bytes(file.getvalue())


# Scores.


def results(found: list[Entry]) -> str:
    """The page of what was measured by features; nothing where no run was."""
    tables, commands = {}, []
    for entry in found:
        rows = {}
        for line in entry.evaluation:
            if "extractor" in line:
                by = line["extractor"], line["extractor_sha256"], line["resize"]
                name = line["metric"].removesuffix(f"_{line['extractor']}")
                row = rows.setdefault((by, line.get("direction")), {})
                row[INCEPTION_NAMES.get(line["metric"], name)] = line
        for (by, direction), row in rows.items():
            heading = ", ".join(
                filter(None, [f"[{entry.title}](gallery.md)", entry.name, direction])
            )
            # Of what was measured, which may not be the newest checkpoint.
            seconds = training_seconds(entry.folder.logs, next(iter(row.values()))["step"])
            tables.setdefault(by, []).append((heading, seconds, row))
        if rows:
            commands += [f"{entry.name}, on {entry.data}:", "", f"    {entry.command}", ""]
    if not tables:
        return ""
    parts, names = [RESULTS], [extractor for extractor, _, _ in tables]
    for (extractor, digest, resize), rows in tables.items():
        # A classifier trained anew has other weights, and its numbers are not those of the first.
        which = f" ({digest[:8]})" if names.count(extractor) > 1 else ""
        accuracy = next(iter(rows[0][2].values())).get("extractor_accuracy")
        right = "" if accuracy is None else f", right for {accuracy:.1%} of held-out images"
        parts += [f"## By {extractor}{which}", ""]
        parts += [f"Weights {digest[:16]}, resize {resize}{right}.", "", *score_table(rows), ""]
    return "\n".join([*parts, "## Commands", "", *commands])


def score_table(rows: list[tuple[str, float | None, dict[str, Line]]]) -> list[str]:
    """Of one extractor: a row for each run, and what real images get."""
    columns = [name for name in COLUMNS if any(name in row for _, _, row in rows)]
    table = [f"| | seconds | real, samples | {' | '.join(columns)} |"]
    table.append("|---|" + "---|" * (2 + len(columns)))
    references = []
    for heading, seconds, row in rows:
        line = next(iter(row.values()))
        of_columns = [row.get(name) for name in columns]
        values = [show(of["value"], of.get("deviation")) if of else "-" for of in of_columns]
        time = "-" if seconds is None else f"{seconds:.0f}"
        counts = f"{line['n_real']} {line['split'] or ''}, {line['n_fake']}".replace(" ,", ",")
        table.append(f"| {heading} | {time} | {counts} | {' | '.join(values)} |")
        known = [bool(of) and of["reference"] is not None for of in of_columns]
        if any(known):
            pairs = zip(of_columns, known, strict=True)
            real = [show(of["reference"]) if is_known else "-" for of, is_known in pairs]
            references.append(f"| *real* | | | {' | '.join(real)} |")
    # Runs of the same data share this row; that they do shows in what is printed of it.
    return [*table, *dict.fromkeys(references)]
