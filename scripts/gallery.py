"""Makes docs/gallery.md and docs/results.md: what finished runs look like, and how they score, each
with the command that trained it.

    python scripts/gallery.py
    python scripts/gallery.py --runs=runs --out=docs

Looks below `runs` for run folders of all GANs. A run is in the gallery when its last sample
picture is there. Of each: the command, with placeholders for folders; data, steps, seconds of
training; what `evaluate.py` measured last, if it did; and that picture, as `docs/gallery/NAME.jpg`
of at most 60 kB. Of points also the film of the run, where it has less than 300 kB. The same runs
give the same bytes; what an earlier page showed and this one does not is removed.

`results.md` sets side by side what `evaluate.py` last measured of features: a table for each
extractor, since only numbers by the same one can be compared.
"""

import ast
import importlib.util
import io
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from gans.data.images import open_image
from gans.metrics.tables import show
from gans.training import cli, command
from gans.training.pace import training_seconds
from gans.training.recall import count_images, data_name, training_command
from gans.training.restore import gan_module
from gans.training.run_folder import RunFolder, write_atomically

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


def gallery(runs: str = "runs", out: str = "docs", debug: bool = False) -> None:
    """Makes gallery.md, its pictures, and results.md from finished runs.

    Args:
        runs: Folder below which the runs are.
        out: Folder for gallery.md and the folder gallery of its pictures.
        debug: Show the traceback of an error.
    """
    root, folder = Path(runs), Path(out)
    found = find_runs(root)
    if not found:
        raise cli.UsageError(
            f"--runs expects a folder with finished runs below it. Received: {root} "
            f"({'none in it' if root.is_dir() else 'no such folder'})"
        )
    if folder.exists() and not folder.is_dir():
        raise cli.UsageError(f"--out expects a folder. Received: the file {out}")
    page, pictures = folder / "gallery.md", folder / "gallery"
    earlier = shown_by(page)
    names = [name_of(run, root) for run, _ in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise cli.UsageError(f"expected runs of different names. Received: two of {twice}")
    foreign = [
        pictures / f"{name}{suffix}"
        for name in names
        for suffix in (".jpg", ".gif")
        if f"{name}{suffix}" not in earlier and (pictures / f"{name}{suffix}").exists()
    ]
    if foreign:
        raise cli.UsageError(
            f"--out holds pictures of these names that are none of this gallery, e.g. {foreign[0]}"
        )

    command.import_tensorflow(debug)
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [section(*run, name, pictures) for run, name in zip(found, names, strict=True)]
    write_atomically(page, "\n".join([HEAD, *parts]))
    for name in earlier - shown_by(page):
        (pictures / name).unlink(missing_ok=True)
    print(page)
    if text := results(found, names):
        write_atomically(folder / "results.md", text)
        print(folder / "results.md")


def results(found: list[tuple[RunFolder, dict[str, Any]]], names: list[str]) -> str | None:
    """The page of scores; None where no run was evaluated by features."""
    tables, commands = {}, []
    for (run, settings), name in zip(found, names, strict=True):
        title, _ = titles(gan_module(settings))
        fingerprint = json.loads(run.data_file.read_text(encoding="utf-8"))
        steps = settings["epochs"] * settings["steps_per_epoch"]
        seconds = training_seconds(run.logs, steps)
        lines = [line for line in newest(run.path / "evaluation.jsonl") if "extractor" in line]
        of = {}
        for line in lines:
            by = line["extractor"], line["extractor_sha256"], line["resize"]
            of.setdefault((by, line.get("direction")), {})[bare(line)] = line
        for (by, way), row in of.items():
            heading = f"[{title}](gallery.md), {name}" + (f", {way}" if way else "")
            tables.setdefault(by, []).append((heading, seconds, row))
        if lines:
            command_line = training_command(settings, count_images(settings, fingerprint))
            commands += [f"{name}, on {data_name(settings)}:", "", f"    {command_line}", ""]
    parts = [RESULTS]
    for (extractor, digest, resize), rows in tables.items():
        accuracy = next(iter(rows[0][2].values())).get("extractor_accuracy")
        right = "" if accuracy is None else f", right for {accuracy:.1%} of held-out images"
        parts += [
            f"## By {extractor}",
            "",
            f"Weights {digest[:16]}, resize {resize}{right}.",
            "",
            *score_table(rows),
            "",
        ]
    return "\n".join([*parts, "## Commands", "", *commands]) if tables else None


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
    if not page.exists():
        return set()
    text = page.read_text(encoding="utf-8", errors="replace")
    if not text.startswith(HEAD):
        raise cli.UsageError(f"expected a gallery.md of this script, or none. Received: {page}")
    return set(re.findall(r"\]\(gallery/([^/)]+\.(?:jpg|gif))\)", text))


def find_runs(root: Path) -> list[tuple[RunFolder, dict[str, Any]]]:
    """Run folders with their last picture, by name; says which have none yet."""
    found = []
    for path in sorted(root.rglob("config.json")):
        run = RunFolder(path.parent)
        try:
            settings = run.read_config()
            gan_module(settings)
            picture = last_picture(run, settings)
        except (cli.UsageError, KeyError, TypeError):
            continue  # The config.json of something else.
        if picture.is_file():
            found.append((run, settings))
        else:
            print(f"left out, since it is not finished: {run.path}", file=sys.stderr)
    return found


def last_picture(run: RunFolder, settings: dict[str, Any]) -> Path:
    """The sample picture of a run's last step."""
    return run.samples / f"step-{settings['epochs'] * settings['steps_per_epoch']:08d}.png"


def section(run: RunFolder, settings: dict[str, Any], name: str, pictures: Path) -> str:
    """A run's part of the page; writes its pictures."""
    steps = settings["epochs"] * settings["steps_per_epoch"]
    fingerprint = json.loads(run.data_file.read_text(encoding="utf-8"))
    data = data_name(settings)
    title, meaning = titles(gan_module(settings))
    seconds = training_seconds(run.logs, steps)
    facts = [f"{steps} steps of batch {settings['batch_size']}"]
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
        training_command(settings, count_images(settings, fingerprint)),
        "```",
        "",
        f"{', '.join(facts)}.",
        "",
        *measured(run.path / "evaluation.jsonl"),
        f"![Samples of {title} on {data}](gallery/{name}.jpg)",
        "",
    ]
    save_jpeg(last_picture(run, settings), pictures / f"{name}.jpg")
    film = run.path / "samples.gif"
    if film.is_file() and film.stat().st_size < LARGEST_FILM:
        shutil.copyfile(film, pictures / f"{name}.gif")
        lines += [f"[The same over the training](gallery/{name}.gif)", ""]
    return "\n".join(lines)


def titles(module: str) -> tuple[str, str]:
    """Name and meaning of a GAN, from the first paragraph of its file."""
    source = importlib.util.find_spec(module).loader.get_source(module)
    text = ast.get_docstring(ast.parse(source)).partition("\n\n")[0]
    name, _, meaning = " ".join(text.split()).partition(": ")
    return name, meaning[:1].upper() + meaning[1:]


def describe_seconds(seconds: float) -> str:
    """`45 seconds`, `12 minutes`, `3.1 hours`."""
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def measured(path: Path) -> list[str]:
    """A table of what was measured last, as `newest` says. Nothing where nothing was."""
    rows = []
    for line in newest(path):
        way = f" ({line['direction']})" if line.get("direction") else ""
        reference = ""
        if line["reference"] is not None:
            reference = f"{show(line['reference'])} ({line['reference_is']})"
        value = show(line["value"], line.get("deviation"))
        rows.append(f"| {line['metric']}{way} | {value} | {reference} |")
    return ["| measure | value | for reference |", "|---|---|---|", *rows, ""] if rows else []


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
