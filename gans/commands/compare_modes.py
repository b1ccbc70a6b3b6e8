"""The command that shows who meets all modes: GAN, PacGAN and WGAN-GP on eight and on twenty-five
Gaussians, next to what is published of that.

The networks, sizes and measures are those of Lin et al. 2018, "PacGAN", arXiv:1712.04086, section
4.1: G of 4 layers of 400, D of 3 maxout layers of 200, batches of 100 packs, 2,500 samples. Such a
step is a GFLOP, 13 ms of a core for the GAN and 22 ms for packs of 4, so that an hour has a
thirteenth of the paper's steps, for two runs of each. `SHORT` says how they are used; with --paper
all is as published. WGAN-GP has the networks of its own paper's toy experiments; a step of it is a
critic step.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gans.command_line import cli
from gans.command_line.comparison import ComparisonFlags, Run, carry_out, presets
from gans.command_line.errors import UsageError
from gans.command_line.files import write_text
from gans.data.images import save_png, to_float
from gans.evaluation import table
from gans.evaluation.generated import Generated
from gans.evaluation.tables import csv_table, mean_and_deviation, show
from gans.nn.settings import setting
from gans.pictures.image_grid import image_blocks
from gans.results.training_time import training_seconds
from gans.training.restore import open_run

SETS = ("ring8", "grid25")
STEPS_PER_EPOCH = 1000  # Batches of 100 in 100,000 points.

# By name: the script and its flags.
VARIANTS = {
    "GAN": ("dcgan", {"packing": 1, "batch_size": 100}),
    "PacGAN2": ("dcgan", {"packing": 2, "batch_size": 200}),
    "PacGAN4": ("dcgan", {"packing": 4, "batch_size": 400}),
    "WGAN-GP": ("wgan_gp", {"batch_size": 100}),
}

# What a thirteenth of the paper's steps asks for: rates above its 1e-4, which fall to 0 over the
# last `share` of the run. The GAN's two are equal, as in the paper: on the grid 1e-3 would meet 11
# modes, on the ring 3e-4 met 5 and 6. A discriminator of packs needs ten times the paper's rate,
# and larger weights and smaller points (the grid's are divided by 4) to begin with, or it learns
# nothing in that time; at that rate a generator leaves modes behind.
GAN = {"init_stddev": 0.02, "point_scale": 1.0, "share": 1 / 2}
RING_GAN = GAN | {"learning_rate": 1e-3, "discriminator_learning_rate": 1e-3}
GRID_GAN = GAN | {"learning_rate": 3e-4, "discriminator_learning_rate": 3e-4}
PACKS = {
    "learning_rate": 3e-4,
    "discriminator_learning_rate": 1e-3,
    "init_stddev": 0.1,
    "share": 5 / 6,
}
WGAN_GP = {"learning_rate": 1e-3, "share": 1 / 2}
OTHERS = {"PacGAN2": PACKS, "PacGAN4": PACKS, "WGAN-GP": WGAN_GP}
SHORT = {"ring8": {"GAN": RING_GAN, **OTHERS}, "grid25": {"GAN": GRID_GAN, **OTHERS}}
# What the paper trains with, whatever the variant; by script.
PAPER = {"learning_rate": 1e-4, "decay_epochs": 0, "point_scale": 1.0}
PAPERS = {
    "dcgan": PAPER | {"discriminator_learning_rate": 1e-4, "init_stddev": 0.02},
    "wgan_gp": PAPER,
}

# Table 1 of the paper: modes, high quality in per cent, reverse KL; 10 runs of 400 epochs, mean and
# standard error.
PUBLISHED = {
    "ring8": {
        "GAN": ((6.3, 0.5), (98.2, 0.2), (0.45, 0.09)),
        "PacGAN2": ((7.9, 0.1), (95.6, 2.0), (0.07, 0.03)),
        "PacGAN4": ((7.8, 0.1), (95.9, 1.4), (0.07, 0.02)),
    },
    "grid25": {
        "GAN": ((17.3, 0.8), (94.8, 0.7), (0.70, 0.07)),
        "PacGAN2": ((23.8, 0.7), (91.3, 0.8), (0.13, 0.04)),
        "PacGAN4": ((24.8, 0.2), (93.6, 0.6), (0.04, 0.01)),
    },
}
SECONDS = ("lower", "of training: median step x steps, while the other runs went on")
# By column of the tables: the metric, and what it is multiplied by.
COLUMNS = {
    "modes": ("modes", 1.0),
    "high quality %": ("high_quality", 100.0),
    "reverse KL": ("reverse_kl", 1.0),
}


@dataclass(frozen=True, kw_only=True)
class Flags(ComparisonFlags):
    """What the comparison can be told."""

    out: str = setting("runs/compare/modes", "Folder for the runs, the tables and the picture.")
    seeds: int | None = setting(
        None, "Runs of each, with seeds 0, 1, ... Default: 2; with --paper 10.", least=1
    )
    epochs: int | None = setting(
        None, "Of each run, 1,000 steps each. Default: 30; with --paper 400.", least=1
    )
    paper: bool = setting(
        False,
        "Train with the paper's constant rate of 1e-4 and points as they are, and by default as "
        "long as it does.",
    )
    sets: tuple[str, ...] = setting(SETS, "ring8, grid25, or both.")

    def check(self):
        if unknown := [name for name in self.sets if name not in SETS]:
            raise UsageError(f"--sets expects some of {', '.join(SETS)}. Received: {unknown[0]}")


@cli.compose
def compare(flags: Flags) -> None:
    """Trains, measures and shows GAN, PacGAN and WGAN-GP side by side."""
    folder, seeds = Path(flags.out), flags.seeds or (10 if flags.paper else 2)
    settings = resolve(flags.epochs or (400 if flags.paper else 30), flags.paper)
    runs = plan(folder, settings, flags.sets, seeds)
    if not carry_out(folder, settings, runs, flags, measure):
        return
    text, values = [describe(settings, seeds)], {}
    for name in flags.sets:
        of_set = {variant: [] for variant in VARIANTS}
        for run in runs:
            data, variant = run.variant.split(" ", 1)
            if data == name:
                of_set[variant].append(run.record()["values"])
        values |= {f"{name} {variant}": records for variant, records in of_set.items()}
        text.append(compared(name, of_set))
    write_text(folder / "table.csv", csv_table(values, measures()))
    write_text(folder / "table.md", "\n".join(text))
    save_png(folder / "picture.png", picture(runs, flags.sets))
    print("\n".join(text))
    print(f"{folder}/table.csv, table.md, picture.png")


def resolve(epochs: int, paper: bool) -> dict:
    """What the runs of each set and variant are made with, whatever their seed."""
    variants = {}
    for data, (variant, (gan, flags)) in itertools.product(SETS, VARIANTS.items()):
        if paper:
            how = PAPERS[gan]
        else:
            how = dict(SHORT[data][variant])
            how["decay_epochs"] = round(epochs * how.pop("share"))
        length = {"epochs": epochs, "steps_per_epoch": STEPS_PER_EPOCH}
        variants[f"{data} {variant}"] = {"gan": gan, **length, **how, **flags}
    return {
        "variants": variants,
        "presets": presets([gan for gan, _ in VARIANTS.values()], "points"),
    }


def plan(folder: Path, settings: dict, sets: tuple[str, ...], seeds: int) -> list[Run]:
    """Every run of the tables, the first seed of all first."""
    runs = []
    for seed, data, variant in itertools.product(range(seeds), sets, VARIANTS):
        flags = settings["variants"][f"{data} {variant}"]
        given: dict[str, Any] = {name: value for name, value in flags.items() if name != "gan"}
        given |= {"dataset": data, "keep_checkpoints": 1, "log_every": STEPS_PER_EPOCH}
        # A film of at most 20 pictures.
        every = max(1, flags["epochs"] // 20) * STEPS_PER_EPOCH
        given |= {"sample_every": every, "checkpoint_every": every}
        path = folder / f"{data}-{variant}-seed-{seed}"
        runs.append(Run.of(f"{data} {variant}", seed, path, flags["gan"], given))
    return runs


def measure(run: Run) -> dict:
    """The record of a run: its values by column."""
    folder, settings, gan, step = open_run(run.folder)
    # Other noise than that of the sample pictures.
    outputs = Generated(gan, settings, seed=1)
    values = {
        column: factor * table.find(name, outputs.kind).value(outputs)
        for column, (name, factor) in COLUMNS.items()
    }
    seconds = training_seconds(folder.logs, step)
    return {"values": values | ({} if seconds is None else {"seconds": seconds})}


def measures() -> dict[str, tuple[str, str]]:
    """Which way is better and the meaning of each column."""
    metrics = {column: table.find(name, "noise") for column, (name, _) in COLUMNS.items()}
    found = {column: (metric.better, metric.meaning) for column, metric in metrics.items()}
    return found | {"seconds": SECONDS}


def describe(settings: dict, seeds: int) -> str:
    """How the numbers of the tables came about."""
    epochs = next(iter(settings["variants"].values()))["epochs"]
    return (
        f"Here: mean ± sample deviation over {seeds} seed{'s' * (seeds > 1)}, "
        f"{epochs * STEPS_PER_EPOCH:,} steps each. Published (PacGAN, table 1): mean ± standard "
        "error over 10 runs of 400 epochs.\n"
    )


def compared(name: str, values: dict[str, list[dict[str, float]]]) -> str:
    """A row for each variant, its measures here and as published."""
    names = list(measures())
    header = [name, *(f"{measure}, here" for measure in names)]
    header += [f"{measure}, published" for measure in COLUMNS]
    rows = [header, ["---"] * len(header)]
    for variant, records in values.items():
        row = [variant]
        for measure in names:
            numbers = [record[measure] for record in records if measure in record]
            row.append(show(*mean_and_deviation(numbers)) if numbers else "-")
        published = PUBLISHED[name].get(variant)
        row += [f"{mean} ± {error}" for mean, error in published] if published else ["-"] * 3
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def picture(runs: list[Run], sets: tuple[str, ...]) -> np.ndarray:
    """The last sample picture of each variant with seed 0, a row for each set; uint8."""
    blocks = {variant: [] for variant in VARIANTS}
    for name in sets:
        for run in runs:
            if run.seed == 0 and run.variant.startswith(f"{name} "):
                path = max((run.folder / "samples").glob("step-*.png"))
                with Image.open(path, formats=["PNG"]) as image:
                    pixels = np.asarray(image.convert("RGB"))
                blocks[run.variant.split(" ", 1)[1]].append([to_float(pixels)])
    return image_blocks([(variant, np.stack(rows)) for variant, rows in blocks.items()])
