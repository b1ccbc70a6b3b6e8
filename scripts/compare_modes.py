"""Who meets all modes: GAN, PacGAN and WGAN-GP on eight and on twenty-five Gaussians, and what is
published of that.

    python scripts/compare_modes.py            # about an hour on 2 cores
    python scripts/compare_modes.py --paper    # 400,000 steps, 10 runs: days

The networks, sizes and measures are those of Lin et al. 2018, "PacGAN", arXiv:1712.04086, section
4.1: G of 4 layers of 400, D of 3 maxout layers of 200, batches of 100 packs, 2,500 samples. Such a
step is a GFLOP, 13 ms of a core for the GAN and 22 ms for packs of 4, so that an hour has a
thirteenth of the paper's steps, for two runs of each. `SHORT` says how they are used; with --paper
all is as published. WGAN-GP has the networks of its own paper's toy experiments; a step of it is a
critic step.

A run is a plain command of a training script in a folder of its own below --out: stopped, the
comparison goes on where it was, and asked for more seeds it makes only those. It writes `table.md`,
`table.csv` and `picture.png`.
"""

import itertools
import shlex
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gans.command_line import cli, command, gan_files
from gans.command_line.comparison import Run, begin, check
from gans.command_line.errors import UsageError, check_at_least
from gans.command_line.files import write_text
from gans.command_line.jobs import count_cores, run_jobs
from gans.data.images import save_png
from gans.evaluation.tables import csv_table, mean_and_deviation, show
from gans.metrics import generation
from gans.pictures.image_grid import image_blocks
from gans.training.pace import training_seconds

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
MEASURES = {
    "modes": ("higher", "modes with a sample of high quality"),
    "high quality %": ("higher", "samples closer than 3 sigma to a mode"),
    "reverse KL": ("lower", "of the modes met from evenly met ones, in nats"),
    "seconds": ("lower", "of training: median step x steps, beside the runs of other workers"),
}


def compare(
    out: str = "runs/compare/modes",
    seeds: int | None = None,
    epochs: int | None = None,
    paper: bool = False,
    sets: tuple[str, ...] = SETS,
    workers: int | None = None,
    dry_run: bool = False,
    debug: bool = False,
) -> None:
    """Trains, measures and shows GAN, PacGAN and WGAN-GP side by side.

    Args:
        out: Folder for the runs, the tables and the picture.
        seeds: Runs of each, with seeds 0, 1, ... Default: 2; with --paper 10.
        epochs: Of each run, 1,000 steps each. Default: 30; with --paper 400.
        paper: Train with the paper's constant rate of 1e-4 and points as they are, and by default
            as long as it does.
        sets: ring8, grid25, or both.
        workers: Runs at the same time, each with its share of the cores. Default: as many as cores.
        dry_run: Print the commands that are left to do and stop.
        debug: Show the traceback of an error.
    """
    check_at_least(1, seeds=seeds, epochs=epochs, workers=workers)
    for name in sets:
        if name not in SETS:
            raise UsageError(f"--sets expects some of {', '.join(SETS)}. Received: {name}")
    folder, seeds = Path(out), seeds or (10 if paper else 2)
    settings = resolve(epochs or (400 if paper else 30), paper)
    check(folder, settings)
    runs = plan(folder, settings, sets, seeds)
    left = [run for run in runs if not run.is_measured]
    if dry_run:
        print("\n".join(shlex.join(run.words) for run in left))
        return
    begin(folder, settings)
    run_jobs([run.job for run in left], workers or count_cores())
    measure_all(left, debug)

    text, values = [describe(settings, seeds)], {}
    for name in sets:
        of_set = {variant: [] for variant in VARIANTS}
        for run in runs:
            data, variant = run.variant.split(" ", 1)
            if data == name:
                of_set[variant].append(run.record()["values"])
        values |= {f"{name} {variant}": records for variant, records in of_set.items()}
        text.append(table(name, of_set))
    write_text(folder / "table.csv", csv_table(values, MEASURES))
    write_text(folder / "table.md", "\n".join(text))
    save_png(folder / "picture.png", picture(runs, sets))
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
    gans = sorted({gan for gan, _ in VARIANTS.values()})
    return {
        "variants": variants,
        # A preset that was tuned meanwhile would make other runs of the same flags.
        "presets": {gan: gan_files.read(gan).presets["points"] for gan in gans},
    }


def plan(folder: Path, settings: dict, sets: tuple[str, ...], seeds: int) -> list[Run]:
    """Every run of the tables, the first seed of all first."""
    runs = []
    for seed in range(seeds):
        for data, variant in itertools.product(sets, VARIANTS):
            flags = settings["variants"][f"{data} {variant}"]
            path = folder / f"{data}-{variant}-seed-{seed}"
            given = {name: value for name, value in flags.items() if name != "gan"}
            given |= {"dataset": data, "run_dir": path, "seed": seed, "keep_checkpoints": 1}
            given |= {"log_every": STEPS_PER_EPOCH}
            # A film of at most 20 pictures.
            every = max(1, flags["epochs"] // 20) * STEPS_PER_EPOCH
            given |= {"sample_every": every, "checkpoint_every": every}
            script = Path(__file__).with_name(f"train_{flags['gan']}.py")
            words = (sys.executable, str(script), *(f"--{k}={v}" for k, v in given.items()))
            runs.append(Run(f"{data} {variant}", seed, path, words))
    return runs


def measure_all(runs: list[Run], debug: bool):
    """Measures each run; its numbers stay in its folder."""
    if not runs:
        return
    command.import_tensorflow(debug)
    import keras

    from gans.training.restore import open_run

    for run in tqdm(runs, desc="measured", unit="run", disable=None):
        keras.backend.clear_session()
        folder, settings, gan, step = open_run(run.folder)
        # Other noise than that of the sample pictures.
        found = generation.measure(gan, settings, seed=1)
        values = {
            "modes": found["modes"],
            "high quality %": 100.0 * found["high_quality"],
            "reverse KL": found["reverse_kl"],
        }
        seconds = training_seconds(folder.logs, step)
        run.keep({"values": values | ({} if seconds is None else {"seconds": seconds})})


def describe(settings: dict, seeds: int) -> str:
    """How the numbers of the tables came about."""
    epochs = next(iter(settings["variants"].values()))["epochs"]
    return (
        f"Here: mean ± sample deviation over {seeds} seed{'s' * (seeds > 1)}, "
        f"{epochs * STEPS_PER_EPOCH:,} steps each. Published (PacGAN, table 1): mean ± standard "
        "error over 10 runs of 400 epochs.\n"
    )


def table(name: str, values: dict[str, list[dict[str, float]]]) -> str:
    """A row for each variant, its measures here and as published."""
    names = list(MEASURES)
    header = [name, *(f"{measure}, here" for measure in names)]
    header += [f"{measure}, published" for measure in names[:3]]
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
                    pixels = np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1.0
                blocks[run.variant.split(" ", 1)[1]].append([pixels])
    return image_blocks([(variant, np.stack(rows)) for variant, rows in blocks.items()])


if __name__ == "__main__":
    cli.run(compare)
