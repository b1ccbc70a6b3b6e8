"""The command that compares variants of GANs that translate: a table, and a picture of the same
inputs translated by all of them.

A family's variants have the same data, networks, seeds and numbers of steps. Each run is a plain
training command in a folder of its own, so that it goes on where it was stopped; what is finished
and measured is not done again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from data_prep import toy_fashion
from gans.command_line import cli
from gans.command_line.comparison import ComparisonFlags, Run, carry_out, presets
from gans.command_line.errors import UsageError, usage_errors
from gans.command_line.files import write_text
from gans.data.images import save_png
from gans.evaluation import table
from gans.evaluation.networks import ERRORS, Networks
from gans.evaluation.options import Options
from gans.evaluation.tables import csv_table, markdown_table
from gans.evaluation.translated import Translated
from gans.nn.settings import setting
from gans.pictures.image_grid import image_blocks
from gans.results.training_time import training_seconds
from gans.training.restore import open_run

OF_PAIRS = (
    *("realism", "diversity", "diversity_ratio", "hues_per_sketch", "reconstruction"),
    *("photo_error", "sharpness"),
)
# Each family: the length of a run, the flags of training that all variants share, those of each
# variant, and what is measured. "half" names the flag that takes half the epochs: the learning rate
# falls over the second half.
FAMILIES = {
    "bicyclegan": {
        "length": {"epochs": 14, "steps_per_epoch": 250, "batch_size": 2},
        "half": "decay_epochs",
        "shared": {
            "generator_filters": 16,
            "discriminator_filters": 16,
            "latent_dim": 4,
            "latent_injection": "all",
            "norm": "instance",
            "upsample": "transpose",
            "dropout": 0.0,
            "learning_rate": 1e-3,
        },
        "variants": {
            # As pix2pix is, and with BicycleGAN's own weight of L1 and least squares.
            "pix2pix+noise": ("pix2pix", {"loss": "l1+cgan", "lambda_l1": 100.0}),
            "pix2pix+noise, L1 x 10": (
                "pix2pix",
                {"loss": "l1+gan", "gan_loss": "least_squares", "lambda_l1": 10.0},
            ),
            "cVAE-GAN": ("bicyclegan", {"objective": "cvae"}),
            "cLR-GAN": ("bicyclegan", {"objective": "clr"}),
            "BicycleGAN": ("bicyclegan", {"objective": "bicycle"}),
        },
        "metrics": OF_PAIRS,
        "samples": 20,
    },
    "pix2pix_losses": {
        "length": {"epochs": 10, "steps_per_epoch": 250, "batch_size": 2},
        "half": "decay_epochs",
        "shared": {},
        "variants": {
            "L1": ("pix2pix", {"loss": "l1"}),
            "GAN": ("pix2pix", {"loss": "gan"}),
            "cGAN": ("pix2pix", {"loss": "cgan"}),
            "L1+GAN": ("pix2pix", {"loss": "l1+gan"}),
            "L1+cGAN": ("pix2pix", {"loss": "l1+cgan"}),
        },
        "metrics": OF_PAIRS,
        "samples": 5,
    },
    "patch_sizes": {
        "length": {"epochs": 10, "steps_per_epoch": 250, "batch_size": 2},
        "half": "decay_epochs",
        "shared": {},
        "variants": {
            f"{patch}x{patch}": ("pix2pix", {"patch": patch}) for patch in (1, 16, 34, 70)
        },
        "metrics": OF_PAIRS,
        "samples": 5,
    },
    "cycle_ablation": {
        "length": {"epochs": 6, "steps_per_epoch": 250, "batch_size": 1},
        "half": "decay_epochs",
        # The identity loss would stand in for the cycle that is left out.
        "shared": {"lambda_identity": 0.0},
        "variants": {
            "GAN alone": ("cyclegan", {"cycle": "none"}),
            "GAN + forward": ("cyclegan", {"cycle": "forward"}),
            "GAN + backward": ("cyclegan", {"cycle": "backward"}),
            "CycleGAN": ("cyclegan", {"cycle": "both"}),
        },
        "metrics": ("outline_iou", "realism", "cycle_error"),
        "samples": 1,
    },
    "discogan_ablation": {
        "length": {"epochs": 16, "steps_per_epoch": 60, "batch_size": 16},
        "half": "epoch_step",
        # The paper's three have no identity loss; a fourth shows what it adds.
        "shared": {},
        "variants": {
            "GAN": ("discogan", {"objective": "gan", "lambda_identity": 0.0}),
            "GAN + reconstruction": ("discogan", {"objective": "recongan", "lambda_identity": 0.0}),
            "DiscoGAN": ("discogan", {"objective": "discogan", "lambda_identity": 0.0}),
            "DiscoGAN + identity": ("discogan", {"objective": "discogan"}),
        },
        "metrics": ("hue_carried_same", "hue_carried", "hues_used", "realism"),
        "samples": 1,
    },
}
SECONDS = ("lower", "of training: median step x steps, while the other runs went on")

TOY_SIZE = 64
DOMAINS = ("bags", "shoes")
HELD_OUT = 100  # Images that are measured, at most.
ROWS, COLUMNS = 6, 4  # Of the picture: inputs, and samples of each where there are several.
IMAGES = "comparison.npz"  # In the folder of a run.


@dataclass(frozen=True, kw_only=True)
class Flags(ComparisonFlags):
    """What the comparison can be told."""

    family: Literal[
        "bicyclegan", "pix2pix_losses", "patch_sizes", "cycle_ablation", "discogan_ablation"
    ] = setting("bicyclegan", "Which variants.")
    data_dir: str | None = setting(
        None,
        "Folder of pairs, as the training commands take it; for discogan_ablation one with such "
        "folders bags/ and shoes/. Default: toy fashion, drawn into data/ at the first use.",
    )
    out: str | None = setting(
        None, "Folder for the runs, the table and the picture. Default: runs/compare/ and family."
    )
    seeds: int = setting(3, "Runs of each variant, with seeds 0, 1, ...", least=1)


@cli.compose
def compare(flags: Flags) -> None:
    """Trains, measures and shows the variants of a family side by side."""
    family, folder = flags.family, Path(flags.out or f"runs/compare/{flags.family}")
    if flags.data_dir and not Path(flags.data_dir).is_dir():
        raise UsageError(f"--data_dir expects a folder. Received: {flags.data_dir}")
    settings = resolve(family, flags.data_dir, flags.epochs)
    runs = plan(folder, settings, flags.seeds)

    def draw():
        # Here, not by the runs: two at a time would draw into one folder.
        if not flags.data_dir:
            for domain in DOMAINS[: 1 + (family == "discogan_ablation")]:
                toy_fashion.default_set(TOY_SIZE, domain)

    with usage_errors(*ERRORS):
        if not carry_out(folder, settings, runs, flags, lambda run: measure(run, family), draw):
            return
    values = {variant: [] for variant in settings["variants"]}
    reference = {}
    for run in runs:
        values[run.variant].append(run.record()["values"])
        reference = run.record()["reference"] | reference
    columns = measures(family)
    write_text(folder / "table.csv", csv_table(values, columns))
    text = describe(settings, flags.seeds) + markdown_table(values, columns, reference)
    write_text(folder / "table.md", text)
    save_png(folder / "picture.png", picture([run for run in runs if run.seed == 0]))
    print(text)
    print(f"{folder}/table.csv, table.md, picture.png")


def resolve(family: str, data_dir: str | None, epochs: int | None) -> dict:
    """What the runs of a family are made with, whatever their seeds; and the preset below that."""
    settings = FAMILIES[family]
    length = settings["length"] | ({"epochs": epochs} if epochs else {})
    length |= {settings["half"]: length["epochs"] // 2}
    return {
        "family": family,
        "data_dir": data_dir and str(Path(data_dir).resolve()),
        "variants": {
            variant: {"gan": gan, **length, **settings["shared"], **flags}
            for variant, (gan, flags) in settings["variants"].items()
        },
        "presets": presets([gan for gan, _ in settings["variants"].values()], "toy"),
    }


def plan(folder: Path, settings: dict, seeds: int) -> list[Run]:
    """Every run of the table, the first seed of all variants first."""
    root = settings["data_dir"]
    data = {"data_dir": root} if root else {}
    if root and settings["family"] == "discogan_ablation":
        data = {"data_dir": f"{root}/bags", "data_dir_b": f"{root}/shoes"}
    runs = []
    for seed in range(seeds):
        for variant, flags in settings["variants"].items():
            path = folder / f"{variant.replace(' ', '')}-seed-{seed}"
            given = {name: value for name, value in flags.items() if name != "gan"}
            given |= {"preset": "toy", **data}
            # Of a dozen runs one picture and one checkpoint each are enough on the disk.
            given["sample_every"] = flags["epochs"] * flags["steps_per_epoch"]
            given |= {"checkpoint_every": 1000, "keep_checkpoints": 1}
            runs.append(Run.of(variant, seed, path, flags["gan"], given))
    return runs


def measure(run: Run, family: str) -> dict:
    """The record of a run: values and references by measure. Its part of the picture is kept."""
    folder, settings, gan, step = open_run(run.folder)
    options = Options(run_dir=str(run.folder), samples=FAMILIES[family]["samples"])
    values, reference, cells = {}, {}, {}
    for outputs in Translated.load(gan, settings, Networks(options), step, HELD_OUT):
        for name in FAMILIES[family]["metrics"]:
            metric = table.find(name, outputs.kind)
            if table.lacking(metric, outputs) is None:
                line = table.measure(metric, outputs)
                name = " ".join(filter(None, [name, line.get("direction")]))
                values[name] = line["value"]
                reference |= {} if line["reference"] is None else {name: line["reference"]}
        cells |= cells_of(outputs)
    seconds = training_seconds(folder.logs, step)
    values |= {} if seconds is None else {"seconds": seconds}
    np.savez(run.folder / IMAGES, **cells)
    return {"values": values, "reference": reference}


def cells_of(outputs: Translated) -> dict[str, np.ndarray]:
    """Columns of the picture by label, `(rows, columns, size, size, channels)`; those of labels
    that begin with "variant" are the variant's own.
    """
    if outputs.kind == "pairs":
        cells = {"sketch": outputs.sources[:, None], "photo": outputs.targets[:, None]}
        cells["variant"] = outputs.made[:, :COLUMNS]
    else:
        two_photos = outputs.run.data.two_sources
        names = [name[:-1] for name in DOMAINS] if two_photos else ["sketch", "photo"]
        source, target = names if outputs.direction == "a_to_b" else names[::-1]
        cells = {
            source: outputs.sources[:, None],
            f"variant to {target}": outputs.compared[:, None],
        }
    return {name: images[:ROWS] for name, images in cells.items()}


def measures(family: str) -> dict[str, tuple[str, str]]:
    """Which way is better and the meaning of each column of the table."""
    kind = "pairs" if FAMILIES[family]["metrics"] == OF_PAIRS else "domains"
    directions = [""] if kind == "pairs" else [" a_to_b", " b_to_a"]
    found = {}
    for direction in directions:
        for name in FAMILIES[family]["metrics"]:
            metric = table.find(name, kind)
            better = "near 1" if metric.better == "near" else metric.better
            found[name + direction] = (better, metric.meaning)
    return found | {"seconds": SECONDS}


def describe(settings: dict, seeds: int) -> str:
    """How the numbers of the table came about."""
    flags = next(iter(settings["variants"].values()))
    steps = flags["epochs"] * flags["steps_per_epoch"]
    return (
        f"`{settings['family']}` on {settings['data_dir'] or 'toy fashion'}: mean ± sample "
        f"deviation over {seeds} seed{'s' * (seeds > 1)}, {steps} steps of batch "
        f"{flags['batch_size']} each. For reference: what real images reach, or chance.\n\n"
    )


def picture(runs: list[Run]) -> np.ndarray:
    """The same inputs translated by every variant, uint8: inputs once, then a block per variant."""
    images = {run.variant: np.load(run.folder / IMAGES) for run in runs}
    blocks = []
    for name in max(images.values(), key=lambda cells: len(cells.files)).files:
        own = {variant: cells[name] for variant, cells in images.items() if name in cells.files}
        if name.startswith("variant"):
            blocks += own.items()
        else:
            blocks.append((name, next(iter(own.values()))))
    return image_blocks(blocks, smallest_side=128)
