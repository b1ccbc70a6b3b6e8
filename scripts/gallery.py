"""Makes gallery.md and results.md: what finished runs look like, and how they score, each with the
command that trained it.

    python scripts/gallery.py
    python scripts/gallery.py --runs=runs --out=docs    # the pages of this project

Looks below `runs` for run folders of all GANs. A run is in the gallery when the sample picture of
its newest checkpoint is there, and no epoch is left to train. Of each: the command, with
placeholders for folders; data, steps, seconds of training; what `evaluate.py` measured last, if it
did, and of points else what it would of the newest checkpoint; and that picture, as
`gallery/NAME.jpg` of at most 60 kB. Of points also the film of the run, where it has less than
300 kB. The same runs give the same bytes. An earlier page that shows other runs too is replaced
only with --overwrite, and its pictures are removed then; pages and pictures of another origin never
are.

`results.md` sets side by side what `evaluate.py` last measured of features: a table for each
extractor, since only numbers by the same one can be compared.
"""

import ast
import dataclasses
import importlib.util
import io
import json
import math
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from gans.metrics.metric import missing
from gans.training.recall import count_images, data_name, training_command
from PIL import Image

from gans.command_line import cli, command
from gans.command_line.errors import Failure, UsageError
from gans.command_line.files import check_folder, write_text
from gans.data.images import no_folder, open_image
from gans.evaluation.tables import show
from gans.metrics import generation
from gans.training.pace import training_seconds
from gans.training.restore import gan_module, open_run
from gans.training.run_folder import RunFolder, saved_steps

NAMED = 5  # Runs that an error names.
QUALITY, LARGEST_PICTURE = 85, 60_000
LARGEST_FILM = 300_000
# Of features, by the names without the extractor's; FID and KID are fd and kd of Inception.
COLUMNS = ("fd", "kd", "is", "precision", "density", "recall", "coverage", "spacing")
HEAD = """# Gallery

What runs of this library look like at their end, each with the command that trained it.
`python scripts/gallery.py` made this page; DATA, DATA_B and TFDS stand for your folders, and times
are those of the machine that trained, whatever else it did.
"""


RESULTS = """# Results

How finished runs of this library score, mean ± deviation between the seeds of their samples; of kd
and is, where there is one seed, between subsets and splits. `python scripts/evaluate.py
--run_dir=RUN --seeds=3` measured it, and `python scripts/gallery.py` made this page. A column is
explained in `gans/metrics/distribution.py`; the row *real* is one half of the real images against
the other, so of half the counts, which makes fd larger. Numbers by different extractors, or of
different counts, cannot be compared, and none of another extractor than Inception is an FID.
"""


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: of it.
        settings: with the epochs that it has trained.
        steps: of its newest checkpoint.
        name: what its pictures are called.
    """

    folder: RunFolder
    settings: dict[str, Any]
    steps: int
    name: str

    @property
    def picture(self) -> Path:
        """The sample picture of the last step."""
        return self.folder.samples / f"step-{self.steps:08d}.png"

    @property
    def evaluation(self) -> list[dict[str, Any]]:
        """What `newest` says of it."""
        return newest(self.folder.path / "evaluation.jsonl")

    @property
    def command(self) -> str:
        """That trained it."""
        fingerprint = json.loads(self.folder.data_file.read_text(encoding="utf-8"))
        return training_command(self.settings, count_images(self.settings, fingerprint))


def gallery(
    runs: str = "runs", out: str = "runs/gallery", overwrite: bool = False, debug: bool = False
) -> None:
    """Makes gallery.md, its pictures, and results.md from finished runs.

    Args:
        runs: Folder below which the runs are.
        out: Folder for the pages, and the folder gallery of their pictures.
        overwrite: Replace earlier pages that show runs which are not found now, and remove the
            pictures of these.
        debug: Show the traceback of an error.
    """
    root, folder = Path(runs), check_folder("out", out)
    found = find_runs(root)
    if not found:
        raise UsageError(
            f"--runs expects a folder with finished runs below it. Received: {root} "
            f"({'none in it' if root.is_dir() else no_folder(root)})"
        )
    page, pictures = folder / "gallery.md", check_folder("out", folder / "gallery")
    scores = folder / "results.md"
    earlier, scored = shown_by(page), scored_by(scores)
    names = [run.name for run in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"expected runs of different names. Received: two of {twice}")
    foreign = [
        pictures / f"{name}{suffix}"
        for name in names
        for suffix in (".jpg", ".gif")
        if f"{name}{suffix}" not in earlier and (pictures / f"{name}{suffix}").exists()
    ]
    if foreign:
        raise UsageError(
            f"--out holds pictures of these names that are none of this gallery, e.g. {foreign[0]}"
        )
    if not overwrite:
        check_kept(page, {Path(picture).stem for picture in earlier} - set(names), "found")
        measured = {run.name for run in found if of_features(run.evaluation)}
        check_kept(scores, scored - measured, "evaluated by features")

    command.import_tensorflow(debug)
    # Before anything is written.
    lines = [measures(run) for run in found]
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [section(run, rows, pictures) for run, rows in zip(found, lines, strict=True)]
    write_text(page, "\n".join([HEAD, *parts]))
    for name in earlier - shown_by(page):
        (pictures / name).unlink(missing_ok=True)
    print(page)
    if text := results(found):
        write_text(scores, text)
        print(scores)
    else:
        scores.unlink(missing_ok=True)


def results(found: list[Run]) -> str | None:
    """The page of scores; None where no run was evaluated by features."""
    tables, commands = {}, []
    for run in found:
        title, _ = titles(run.settings)
        lines = of_features(run.evaluation)
        of = {}
        for line in lines:
            by = line["extractor"], line["extractor_sha256"], line["resize"]
            of.setdefault((by, line.get("direction")), {})[bare(line)] = line
        for (by, way), row in of.items():
            heading = f"[{title}](gallery.md), {run.name}" + (f", {way}" if way else "")
            # Of what was measured, which may not be the newest checkpoint.
            seconds = training_seconds(run.folder.logs, next(iter(row.values()))["step"])
            tables.setdefault(by, []).append((heading, seconds, row))
        if lines:
            on = data_name(run.settings)
            commands += [f"{run.name}, on {on}:", "", f"    {run.command}", ""]
    parts, names = [RESULTS], [extractor for extractor, _, _ in tables]
    for (extractor, digest, resize), rows in tables.items():
        # A classifier trained anew has other weights, and its numbers are not those of the first.
        which = f" ({digest[:8]})" if names.count(extractor) > 1 else ""
        accuracy = next(iter(rows[0][2].values())).get("extractor_accuracy")
        right = "" if accuracy is None else f", right for {accuracy:.1%} of held-out images"
        parts += [
            f"## By {extractor}{which}",
            "",
            f"Weights {digest[:16]}, resize {resize}{right}.",
            "",
            *score_table(rows),
            "",
        ]
    return "\n".join([*parts, "## Commands", "", *commands]) if tables else None


def of_features(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those lines of an evaluation that are by an extractor."""
    return [line for line in lines if "extractor" in line]


def score_table(rows: list[tuple[str, float | None, dict[str, dict]]]) -> list[str]:
    """Of one extractor: a row for each run, and what real images get."""
    columns = [name for name in COLUMNS if any(name in row for _, _, row in rows)]
    table = [
        f"| | seconds | real, samples | {' | '.join(columns)} |",
        "|---|" + "---|" * (2 + len(columns)),
    ]
    for heading, seconds, row in rows:
        line = next(iter(row.values()))
        cells = [
            show(row[name]["value"], row[name].get("deviation")) if name in row else "-"
            for name in columns
        ]
        time = "-" if seconds is None else f"{seconds:.0f}"
        counts = f"{line['n_real']} {line['split'] or ''}, {line['n_fake']}".replace(" ,", ",")
        table.append(f"| {heading} | {time} | {counts} | {' | '.join(cells)} |")
    # Runs of the same data share this row; that they do shows in what is printed of it.
    references = (
        [
            show(row[name]["reference"])
            if name in row and row[name]["reference"] is not None
            else "-"
            for name in columns
        ]
        for _, _, row in rows
    )
    for cells in dict.fromkeys(map(tuple, references)):
        if any(cell != "-" for cell in cells):
            table.append(f"| *real* | | | {' | '.join(cells)} |")
    return table


def bare(line: dict[str, Any]) -> str:
    """The name of a measure of features without that of its extractor."""
    usual = {"fid": "fd", "kid": "kd", "inception_score": "is"}
    return usual.get(line["metric"], line["metric"].removesuffix(f"_{line['extractor']}"))


def newest(path: Path) -> list[dict[str, Any]]:
    """What was measured of the last step that was; of a metric measured twice, the last time."""
    if not path.is_file():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    last = max(line["step"] for line in lines)
    kept = {(line["metric"], line.get("direction")): line for line in lines if line["step"] == last}
    return list(kept.values())


def name_of(run: RunFolder, root: Path) -> str:
    """What a run's pictures are called: its folder below `root`."""
    parts = run.path.relative_to(root).parts
    return "-".join(parts) or root.resolve().name


def shown_by(page: Path) -> set[str]:
    """Names of the pictures of a page that this script made; none where there is no page.

    Raises `UsageError` for a page that it did not make.
    """
    return set(re.findall(r"\]\(gallery/([^/)]+\.(?:jpg|gif))\)", own_text(page, HEAD)))


def scored_by(page: Path) -> set[str]:
    """Names of the runs of a page of scores; none where there is no page.

    Raises `UsageError` for a page that this script did not make.
    """
    return set(re.findall(r"^(\S.*?), on .*:$", own_text(page, RESULTS), re.MULTILINE))


def own_text(page: Path, head: str) -> str:
    """Text of a page that this script made, or nothing where there is no page.

    Raises `UsageError` for anything else of this name.
    """
    if not os.path.lexists(page):
        return ""
    text = page.read_text(encoding="utf-8", errors="replace") if page.is_file() else ""
    if not text.startswith(head):
        raise UsageError(f"expected a {page.name} of this script, or none. Received: {page}")
    return text


def check_kept(page: Path, gone: set[str], how: str):
    """Raises `UsageError` where runs of an earlier page would be lost.

    Args:
        gone: their names.
        how: what the runs of the new page are.
    """
    if gone:
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        raise UsageError(
            f"--out expects a {page.name} of runs that are {how} now, or --overwrite. "
            f"Received: {page}, which also shows {', '.join(sorted(gone)[:NAMED])}{more}"
        )


def find_runs(root: Path) -> list[Run]:
    """Finished runs with their last picture, by name; says which are not finished yet."""
    found = []
    for path in sorted(root.rglob("config.json")):
        folder = RunFolder(path.parent)
        try:
            settings = folder.read_config()
            gan_module(settings)
            per_epoch = settings["steps_per_epoch"]
            asked = settings["epochs"] * per_epoch
            # Not the settings: a run may have been made longer since.
            steps = (saved_steps(folder.checkpoints) or [asked])[-1]
            settings = settings | {"epochs": -(-steps // per_epoch)}
        except (UsageError, KeyError, TypeError, ZeroDivisionError):
            continue  # The config.json of something else.
        run = Run(folder, settings, steps, name_of(folder, root))
        if steps >= asked and run.picture.is_file():
            found.append(run)
        else:
            print(f"left out, since it is not finished: {folder.path}", file=sys.stderr)
    return found


def measures(run: Run) -> list[dict[str, Any]]:
    """What was measured of a run; of points, where the newest checkpoint was not, that is measured
    now, and nothing is kept of it.
    """
    lines = run.evaluation
    if run.settings["constructor"].get("data") != "points" or (
        lines and lines[0]["step"] == run.steps
    ):
        return lines
    try:
        _, settings, gan, _ = open_run(run.folder.path, run.steps)
    except (UsageError, Failure) as error:
        print(f"not measured: {run.folder.path} ({error})", file=sys.stderr)
        return lines
    made = generation.Generated(gan, settings)
    lacks = missing(generation.METRICS, made.facts())
    found = []
    for name, metric in generation.METRICS.items():
        if not lacks[name]:
            line = {"metric": name, "value": float(metric.value(made)), "step": run.steps}
            reference = float(metric.reference(made))
            line["reference"] = None if math.isnan(reference) else reference
            found.append(line | {"reference_is": metric.compared_with})
    return found or lines


def section(run: Run, measured: list[dict[str, Any]], pictures: Path) -> str:
    """A run's part of the page; writes its pictures."""
    settings, data = run.settings, data_name(run.settings)
    title, meaning = titles(settings)
    seconds = training_seconds(run.folder.logs, run.steps)
    facts = [f"{run.steps} steps of batch {settings['batch_size']}"]
    if settings["constructor"].get("data") != "points":
        facts.append("{0}x{0} pixels".format(settings["constructor"]["image_size"]))
    if seconds is not None:
        facts.append(f"{describe_seconds(seconds)} of training")
    lines = [
        f"## {title} on {data}",
        "",
        meaning,
        "",
        "```",
        run.command,
        "```",
        "",
        f"{', '.join(facts)}.",
        "",
        *table(measured, run.steps),
        f"![Samples of {title} on {data}](gallery/{run.name}.jpg)",
        "",
    ]
    save_jpeg(run.picture, pictures / f"{run.name}.jpg")
    film = run.folder.path / "samples.gif"
    if film.is_file() and film.stat().st_size < LARGEST_FILM:
        shutil.copyfile(film, pictures / f"{run.name}.gif")
        lines += [f"[The same over the training](gallery/{run.name}.gif)", ""]
    return "\n".join(lines)


def titles(settings: dict[str, Any]) -> tuple[str, str]:
    """Name and meaning of a run's GAN, from the first paragraph of its file."""
    packing = settings["constructor"].get("packing", 1)
    if packing > 1:
        return (
            f"PacGAN {packing}",
            f"{settings['model']} whose discriminator judges {packing} samples at once, and so "
            "sees it where they repeat each other.",
        )
    module = gan_module(settings)
    source = importlib.util.find_spec(module).loader.get_source(module)
    text = ast.get_docstring(ast.parse(source)).partition("\n\n")[0]
    name, _, meaning = " ".join(text.split()).partition(": ")
    return name, meaning[:1].upper() + meaning[1:]


def describe_seconds(seconds: float) -> str:
    """`45 seconds`, `12 minutes`, `3.1 hours`."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def table(lines: list[dict[str, Any]], steps: int) -> list[str]:
    """A table of what was measured, and when, if not at the last step. Nothing where nothing was.

    Args:
        lines: as in `evaluation.jsonl`, of one step.
        steps: of the run.
    """
    rows = []
    for line in lines:
        way = f" ({line['direction']})" if line.get("direction") else ""
        reference = ""
        if line["reference"] is not None:
            reference = f"{show(line['reference'])} ({line['reference_is']})"
        value = show(line["value"], line.get("deviation"))
        rows.append(f"| {line['metric']}{way} | {value} | {reference} |")
    if not rows:
        return []
    earlier = lines[0]["step"] != steps
    when = [f"Measured after step {lines[0]['step']}.", ""] if earlier else []
    return [*when, "| measure | value | for reference |", "|---|---|---|", *rows, ""]


def save_jpeg(picture: Path, out: Path):
    """Writes a picture as JPEG of at most `LARGEST_PICTURE` bytes, if need be at fewer pixels."""
    with open_image(picture) as opened:
        image = opened.convert("RGB")
    for share in (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2):
        size = [max(1, round(share * side)) for side in image.size]
        file = io.BytesIO()
        image.resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=QUALITY)
        if file.tell() <= LARGEST_PICTURE:
            break
    temporary = out.with_name(f".{out.name}.tmp")
    temporary.write_bytes(file.getvalue())
    temporary.replace(out)


if __name__ == "__main__":
    cli.run(gallery)
