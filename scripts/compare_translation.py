"""Trains the variants that a paper compares, measures them, and writes one table and one picture.

    python scripts/compare_translation.py                          # why BicycleGAN exists
    python scripts/compare_translation.py --family=pix2pix_losses  # or one of the others below

    bicyclegan         pix2pix+noise (twice), cVAE-GAN, cLR-GAN, BicycleGAN: who listens to z
    pix2pix_losses     L1, GAN, cGAN, L1+GAN, L1+cGAN: what each loss gives the picture
    patch_sizes        discriminators that see 1, 16, 34 and 70 pixels, the last the whole image
    cycle_ablation     CycleGAN with both cycles, one of them, none
    discogan_ablation  GAN, GAN with reconstruction, DiscoGAN, DiscoGAN with identity loss

A family's variants have the same data, networks, seeds and numbers of steps. Each run is a plain
command of `scripts/train_*.py` in a folder of its own below --out, so that it goes on where it was
stopped; what is finished and measured is not done again. `table.md` and `table.csv` have the mean
and deviation over the seeds, `picture.png` the same inputs translated by every variant. On 2 cores
a family takes 9 to 18 minutes with 3 seeds; `docs/experiments.md` shows what comes of it.
"""

import shlex
import sys
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from data_prep import toy_fashion
from gans.command_line import cli, command, gan_files
from gans.command_line.comparison import Run, begin, check
from gans.command_line.errors import UsageError, check_at_least, usage_errors
from gans.command_line.files import write_text
from gans.command_line.jobs import count_cores, run_jobs
from gans.data.images import save_png
from gans.evaluation.tables import csv_table, markdown_table
from gans.metrics import hues
from gans.metrics.diversity import pairwise_distance, random_pair_distance
from gans.metrics.items import mask_iou
from gans.metrics.pixels import gradient_energy, mean_absolute
from gans.metrics.realism import sliced_wasserstein
from gans.pictures.image_grid import image_blocks
from gans.training.pace import training_seconds

# Each family: the length of a run, its script's flags that all variants share, and those of each.
# "half" names the flag that takes half the epochs: the learning rate falls over the second half.
FAMILIES = {
    "bicyclegan": {
        "epochs": 14,
        "steps_per_epoch": 250,
        "batch_size": 2,
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
    },
    "pix2pix_losses": {
        "epochs": 10,
        "steps_per_epoch": 250,
        "batch_size": 2,
        "half": "decay_epochs",
        "shared": {},
        "variants": {
            "L1": ("pix2pix", {"loss": "l1"}),
            "GAN": ("pix2pix", {"loss": "gan"}),
            "cGAN": ("pix2pix", {"loss": "cgan"}),
            "L1+GAN": ("pix2pix", {"loss": "l1+gan"}),
            "L1+cGAN": ("pix2pix", {"loss": "l1+cgan"}),
        },
    },
    "patch_sizes": {
        "epochs": 10,
        "steps_per_epoch": 250,
        "batch_size": 2,
        "half": "decay_epochs",
        "shared": {},
        "variants": {
            "1x1": ("pix2pix", {"patch": 1}),
            "16x16": ("pix2pix", {"patch": 16}),
            "34x34": ("pix2pix", {"patch": 34}),
            "70x70": ("pix2pix", {"patch": 70}),
        },
    },
    "cycle_ablation": {
        "epochs": 6,
        "steps_per_epoch": 250,
        "batch_size": 1,
        "half": "decay_epochs",
        # The identity loss would stand in for the cycle that is left out.
        "shared": {"lambda_identity": 0.0},
        "variants": {
            "GAN alone": ("cyclegan", {"cycle": "none"}),
            "GAN + forward": ("cyclegan", {"cycle": "forward"}),
            "GAN + backward": ("cyclegan", {"cycle": "backward"}),
            "CycleGAN": ("cyclegan", {"cycle": "both"}),
        },
    },
    "discogan_ablation": {
        "epochs": 16,
        "steps_per_epoch": 60,
        "batch_size": 16,
        "half": "epoch_step",
        # The paper's three have no identity loss; a fourth shows what it adds.
        "shared": {},
        "variants": {
            "GAN": ("discogan", {"objective": "gan", "lambda_identity": 0.0}),
            "GAN + reconstruction": ("discogan", {"objective": "recongan", "lambda_identity": 0.0}),
            "DiscoGAN": ("discogan", {"objective": "discogan", "lambda_identity": 0.0}),
            "DiscoGAN + identity": ("discogan", {"objective": "discogan"}),
        },
    },
}

# Every measure: whether more or less of it is better ("" where it is neither), and what it is.
MEASURES = {
    "realism": ("lower", "sliced Wasserstein distance x 1000 to the real photos"),
    "diversity": ("higher", "mean |difference| of consecutive samples of one sketch"),
    "diversity ratio": ("higher", "diversity / that of random pairs of real photos"),
    "hues": ("higher", "of the 8 hues, how many appear among the samples of one sketch"),
    "reconstruction": ("lower", "L1 between a photo and its painting in its own encoded style"),
    "photo error": ("lower", "L1 between the photo and one sample"),
    "sharpness": ("near 1", "gradient energy / that of the real photos"),
    "sketch->photo IoU": ("higher", "overlap of the painted bag's outline with the true one"),
    "photo->sketch IoU": ("higher", "overlap of the drawn sketch's outline with the true one"),
    "photo realism": ("lower", "sliced Wasserstein distance x 1000 of the painted photos"),
    "sketch realism": ("lower", "sliced Wasserstein distance x 1000 of the drawn sketches"),
    "sketch cycle": ("lower", "L1 between a sketch and what comes back of it"),
    "photo cycle": ("lower", "L1 between a photo and what comes back of it"),
    "bag->shoe same hue": ("higher", "share of the coloured bags whose shoe has their hue"),
    "bag->shoe near hue": ("higher", "the same, or one of the two hues next to it"),
    "bag->shoe hues": ("higher", "effective number of hues of all shoes; few: mode collapse"),
    "shoe realism": ("lower", "sliced Wasserstein distance x 1000 of the painted shoes"),
    "shoe->bag same hue": ("higher", "share of the coloured shoes whose bag has their hue"),
    "shoe->bag near hue": ("higher", "the same, or one of the two hues next to it"),
    "shoe->bag hues": ("higher", "effective number of hues of all bags; few: mode collapse"),
    "bag realism": ("lower", "sliced Wasserstein distance x 1000 of the painted bags"),
    "seconds": ("lower", "of training: median step x steps, beside the runs of other workers"),
}

TOY_SIZE = 64
DOMAINS = ("bags", "shoes")
HELD_OUT = 100  # Pairs that are measured on, at most.
SKETCHES = 50  # Those of them that get several samples.
SAMPLES = {"bicyclegan": 20, "pix2pix_losses": 5, "patch_sizes": 5}
ROWS, COLUMNS = 6, 4  # Of the picture: inputs, and samples of each where there are several.
IMAGES = "comparison.npz"  # In the folder of a run.


def compare(
    family: Literal[
        "bicyclegan", "pix2pix_losses", "patch_sizes", "cycle_ablation", "discogan_ablation"
    ] = "bicyclegan",
    data_dir: str | None = None,
    out: str | None = None,
    seeds: int = 3,
    epochs: int | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    debug: bool = False,
) -> None:
    """Trains, measures and shows the variants of a family side by side.

    Args:
        family: Which variants.
        data_dir: Folder of pairs, as the training scripts take it; for discogan_ablation one with
            such folders bags/ and shoes/. Default: toy fashion, drawn into data/ at the first use.
        out: Folder for the runs, the table and the picture. Default: runs/compare/ and the family.
        seeds: Runs of each variant, with seeds 0, 1, ...
        epochs: Of each run. Default: the family's.
        workers: Runs at the same time, each with its share of the cores. Default: as many as cores.
        dry_run: Print the commands that are left to do and stop.
        debug: Show the traceback of an error.
    """
    check_at_least(1, seeds=seeds, epochs=epochs, workers=workers)
    if data_dir and not Path(data_dir).is_dir():
        raise UsageError(f"--data_dir expects a folder. Received: {data_dir}")
    folder = Path(out or f"runs/compare/{family}")
    settings = resolve(family, data_dir, epochs)
    check(folder, settings)
    runs = plan(folder, settings, seeds)
    left = [run for run in runs if not run.is_measured]
    if dry_run:
        print("\n".join(shlex.join(run.words) for run in left))
        return
    if not data_dir and left:
        # Here, not by the runs: two at a time would draw into one folder.
        for domain in DOMAINS[: 1 + (family == "discogan_ablation")]:
            toy_fashion.default_set(TOY_SIZE, domain)
    begin(folder, settings)
    run_jobs([run.job for run in left], workers or count_cores())
    measure_all(left, family, debug)

    values = {variant: [] for variant in settings["variants"]}
    for run in runs:
        values[run.variant].append(run.record()["values"])
    write_text(folder / "table.csv", csv_table(values, MEASURES))
    table = describe(settings, seeds)
    table += markdown_table(values, MEASURES, runs[0].record()["reference"])
    write_text(folder / "table.md", table)
    save_png(folder / "picture.png", picture([run for run in runs if run.seed == 0]))
    print(table)
    print(f"{folder}/table.csv, table.md, picture.png")


# What is to be run.


def resolve(family: str, data_dir: str | None, epochs: int | None) -> dict:
    """What the runs of a family are made with, whatever their seeds; and the preset below that."""
    settings = FAMILIES[family]
    length = {"epochs": epochs or settings["epochs"]}
    length |= {name: settings[name] for name in ("steps_per_epoch", "batch_size")}
    half = {settings["half"]: length["epochs"] // 2}
    variants = {
        variant: {"gan": gan, **length, **half, **settings["shared"], **flags}
        for variant, (gan, flags) in settings["variants"].items()
    }
    gans = sorted({gan for gan, _ in settings["variants"].values()})
    return {
        "family": family,
        "data_dir": data_dir and str(Path(data_dir).resolve()),
        "variants": variants,
        # A preset that was tuned meanwhile would make other runs of the same flags.
        "presets": {gan: gan_files.read(gan).presets["toy"] for gan in gans},
    }


def plan(folder: Path, settings: dict, seeds: int) -> list[Run]:
    """Every run of the table, the first seed of all variants first."""
    data = {}
    if settings["data_dir"]:
        data["data_dir"] = settings["data_dir"]
    if settings["data_dir"] and settings["family"] == "discogan_ablation":
        data = {"data_dir": f"{data['data_dir']}/bags", "data_dir_b": f"{data['data_dir']}/shoes"}
    runs = []
    for seed in range(seeds):
        for variant, flags in settings["variants"].items():
            path = folder / f"{variant.replace(' ', '')}-seed-{seed}"
            given = {name: value for name, value in flags.items() if name != "gan"}
            given |= {"preset": "toy", **data, "run_dir": path, "seed": seed}
            # Of a dozen runs one picture and one checkpoint each are enough on the disk.
            given["sample_every"] = flags["epochs"] * flags["steps_per_epoch"]
            given |= {"checkpoint_every": 1000, "keep_checkpoints": 1}
            script = Path(__file__).with_name(f"train_{flags['gan']}.py")
            words = (sys.executable, str(script), *(f"--{name}={v}" for name, v in given.items()))
            runs.append(Run(variant, seed, path, words))
    return runs


# What is measured.


def measure_all(runs: list[Run], family: str, debug: bool):
    """Measures each run; its numbers and its part of the picture stay in its folder."""
    if not runs:
        return
    command.import_tensorflow(debug)
    import keras

    from gans.data.images import DataError
    from gans.data.pairs import find_pairs, find_validation
    from gans.training.restore import open_run

    measure, refer = MEASURED_BY[family]
    for run in tqdm(runs, desc="measured", unit="run", disable=None):
        keras.backend.clear_session()
        folder, settings, gan, step = open_run(run.folder)
        sources = list(filter(None, [settings["data_dir"], settings.get("data_dir_b")]))
        with usage_errors(DataError):
            held_out = [load_some(find_validation(source), gan) for source in sources]
            trained = [load_some(find_pairs(source), gan) for source in sources]
        palette = hues.read_palette(sources[0])
        values, cells = measure(gan, held_out, palette, SAMPLES.get(family, 1))
        seconds = training_seconds(folder.logs, step)
        values |= {} if seconds is None else {"seconds": seconds}
        record = {"values": values, "reference": refer(held_out, trained, palette)}
        np.savez(run.folder / IMAGES, **cells)
        run.keep(record)  # Last: it tells that the run is measured.


def load_some(files, gan) -> tuple[np.ndarray, np.ndarray]:
    """The first `HELD_OUT` pairs, A and B `(n, size, size, channels)` in [-1, 1]."""
    from gans.data.pairs import load_pairs

    indices = list(range(min(HELD_OUT, len(files))))
    return load_pairs(files, indices, gan.image_size, gan.image_channels, gan.photo_channels)


def measure_pairs(gan, held_out, palette, samples: int) -> tuple[dict, dict]:
    """BicycleGAN or pix2pix: values by measure, and columns of the picture by label."""
    ((images_a, images_b),) = held_out
    first = paint(gan, images_a, 0)
    others = [paint(gan, images_a[:SKETCHES], draw) for draw in range(1, samples)]
    painted = np.stack([first[:SKETCHES], *others], axis=1)
    values = {
        "realism": realism(images_b, first),
        "photo error": mean_absolute(first, images_b),
        "sharpness": gradient_energy(first) / gradient_energy(images_b),
        "diversity": pairwise_distance(painted),
        "diversity ratio": pairwise_distance(painted) / random_pair_distance(images_b),
    }
    if hasattr(gan, "encode"):
        again = gan.translate(images_a, gan.encode(images_b))
        values["reconstruction"] = mean_absolute(again, images_b)
    if palette:
        values["hues"] = hues.hues_per_sketch(painted, palette)
    cells = {"sketch": images_a[:ROWS, None], "photo": images_b[:ROWS, None]}
    return values, {**cells, "variant": painted[:ROWS, :COLUMNS]}


def paint(gan, images_a: np.ndarray, draw: int) -> np.ndarray:
    """The sketches, each with noise of its own that is a function of `draw`."""
    if not hasattr(gan, "encode"):
        return gan.translate(images_a, seed=draw)
    z = np.random.default_rng(draw).standard_normal((len(images_a), gan.latent_dim))
    return gan.translate(images_a, z.astype(np.float32))


def refer_pairs(held_out, trained, palette) -> dict:
    """What other real photos reach."""
    ((_, images_b),), ((_, others),) = held_out, trained
    return {
        "realism": realism(images_b, others),
        "sharpness": gradient_energy(others) / gradient_energy(images_b),
        "diversity": random_pair_distance(images_b),
        "diversity ratio": 1.0,
    }


def measure_cycle(gan, held_out, palette, samples: int) -> tuple[dict, dict]:
    """CycleGAN, on pairs that it was not told of."""
    ((images_a, images_b),) = held_out
    fake_b, fake_a = gan.translate(images_a, "a_to_b"), gan.translate(images_b, "b_to_a")
    values = {
        "sketch->photo IoU": mask_iou(fake_b, images_b),
        "photo->sketch IoU": mask_iou(fake_a, images_a),
        "photo realism": realism(images_b, fake_b),
        "sketch realism": realism(images_a, fake_a),
        "sketch cycle": mean_absolute(gan.translate(fake_b, "b_to_a"), images_a),
        "photo cycle": mean_absolute(gan.translate(fake_a, "a_to_b"), images_b),
    }
    cells = {
        "sketch": images_a,
        "variant to photo": fake_b,
        "photo": images_b,
        "variant to sketch": fake_a,
    }
    return values, {name: images[:ROWS, None] for name, images in cells.items()}


def refer_cycle(held_out, trained, palette) -> dict:
    """What the truth and other real images reach."""
    ((images_a, images_b),), ((others_a, others_b),) = held_out, trained
    return {
        "sketch->photo IoU": mask_iou(images_a, images_b),
        "photo->sketch IoU": mask_iou(images_a, images_b),
        "photo realism": realism(images_b, others_b),
        "sketch realism": realism(images_a, others_a),
    }


def measure_domains(gan, held_out, palette, samples: int) -> tuple[dict, dict]:
    """DiscoGAN, from bags to shoes and, where the objective trains that way too, back."""
    (_, bags), (_, shoes) = held_out
    ways = [("bag", "shoe", bags, shoes, "a_to_b")]
    if gan.discriminator_a is not None:
        ways.append(("shoe", "bag", shoes, bags, "b_to_a"))
    values, cells = {}, {}
    for source, target, images, real, direction in ways:
        fakes = gan.translate(images, direction)
        values[f"{target} realism"] = realism(real, fakes)
        if palette:
            carried = hues.hue_carried(images, fakes, palette)
            values[f"{source}->{target} same hue"] = carried["same"]
            values[f"{source}->{target} near hue"] = carried["same_or_next"]
            values[f"{source}->{target} hues"] = hues.effective_hues(fakes, palette)
        cells[source] = images[:ROWS, None]
        cells[f"variant to {target}"] = fakes[:ROWS, None]
    return values, cells


def refer_domains(held_out, trained, palette) -> dict:
    """Chance, for the hues carried, and what other real images reach."""
    values = {}
    ways = (("shoe", "bag"), ("bag", "shoe"))
    for (source, target), (_, real), (_, others) in zip(ways, held_out, trained, strict=True):
        values[f"{target} realism"] = realism(real, others)
        if palette:
            values[f"{source}->{target} same hue"] = 1 / len(palette)
            values[f"{source}->{target} near hue"] = 3 / len(palette)
            values[f"{source}->{target} hues"] = hues.effective_hues(real, palette)
    return values


def realism(real: np.ndarray, others: np.ndarray) -> float:
    """Sliced Wasserstein distance x 1000 of as many images of both."""
    count = min(len(real), len(others))
    return sliced_wasserstein(real[:count], others[:count])["mean"]


MEASURED_BY = {
    "bicyclegan": (measure_pairs, refer_pairs),
    "pix2pix_losses": (measure_pairs, refer_pairs),
    "patch_sizes": (measure_pairs, refer_pairs),
    "cycle_ablation": (measure_cycle, refer_cycle),
    "discogan_ablation": (measure_domains, refer_domains),
}


# What is written.


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


if __name__ == "__main__":
    cli.run(compare)
