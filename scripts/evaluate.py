"""Measures a trained run on held-out images, best on toy fashion, whose colours are known.

    python scripts/evaluate.py --run_dir=runs/bicyclegan
    python scripts/evaluate.py --run_dir=runs/cyclegan --direction=a_to_b

Prints a line per metric, with what it is for real photos or by chance, and adds it to
`evaluation.jsonl` in the run folder. What fits the GAN and the data is measured:

    photo_error       mean |painted - photo|, over the samples of a sketch             paired
    sharpness         gradient energy of what is painted, as a part of that of photos  all
    realism           sliced Wasserstein distance to real images, x 1000; 0 is best    all
    diversity         mean |difference| between consecutive samples of one sketch      paired
    diversity_ratio   the same as a part of that between random real photos            paired
    hues_per_sketch   of the 8 hues, how many appear among the samples of one sketch   paired, toy
    hue_kept          share of photos whose hue survives the encoder and the generator encoder, toy
    latent_error      mean |E(G(A, z)) - z|: 0 is perfect, 0.80 is no information      encoder
    cycle_error       mean |image - what comes back of it|                             unpaired
    outline_iou       overlap of the painted item's outline with its partner's         unpaired, toy
    hue_carried       share of the coloured photos painted in the same or the next hue bag <-> shoe
    hue_carried_same  the same hue only                                                bag <-> shoe
    hues_used         how many hues the painted images use, by entropy: 1 is collapse  bag <-> shoe

Takes less than a minute on 2 cores at 64x64.
"""

import functools
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from gans.metrics.diversity import pairwise_distance, random_pair_distance
from gans.metrics.errors import mean_absolute
from gans.metrics.hues import (
    effective_hues,
    hue_carried,
    hue_kept,
    hues_per_sketch,
    read_palette,
)
from gans.metrics.latents import NO_INFORMATION, recovery_error
from gans.metrics.masks import mask_iou
from gans.metrics.realism import sliced_wasserstein
from gans.metrics.sharpness import gradient_energy
from gans.training import cli, command
from gans.training.restore import gan_module, open_run, translate_takes
from gans.training.run_folder import RunFolder

Direction = Literal["a_to_b", "b_to_a"]
OPPOSITE = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}


@dataclass
class Evidence:
    """What one direction of a GAN makes of held-out images; each part is made when it is asked for.

    Attributes:
        gan: as `open_run` gives it.
        takes: "z", "seed" or "direction", as `translate_takes` says.
        direction: of an unpaired GAN.
        sources, targets: images of the domain that is translated and of the other, by pairs where
            there are pairs.
        others: more of the target domain, from the training split; empty where it has too few.
        palette: hues in degrees, or empty.
    """

    gan: object
    takes: str
    direction: Direction
    sources: np.ndarray
    targets: np.ndarray
    others: np.ndarray
    palette: list[float]
    samples: int
    seed: int

    def z(self, draw: int):
        import tensorflow as tf

        return tf.random.stateless_normal(
            (len(self.sources), self.gan.latent_dim), [self.seed, draw]
        )

    @functools.cached_property
    def painted(self) -> np.ndarray:
        """`(n, samples, height, width, channels)` of a paired GAN."""
        draws = functools.partial(
            tqdm, desc="samples", unit="draw", disable=not sys.stderr.isatty()
        )
        if self.takes == "z":
            painted = [
                self.gan.translate(self.sources, self.z(draw))
                for draw in draws(range(self.samples))
            ]
            return np.stack(painted, axis=1)
        # Image i of a call has noise of its own.
        samples = self.samples if self.gan.varies_at_test else 1
        painted = [
            self.gan.translate(np.repeat(image[np.newaxis], samples, axis=0), self.seed)
            for image in draws(self.sources)
        ]
        return np.repeat(np.stack(painted), self.samples // samples, axis=1)

    @functools.cached_property
    def fakes(self) -> np.ndarray:
        """One translation of each source."""
        if self.takes == "direction":
            return self.gan.translate(self.sources, self.direction)
        return self.painted[:, 0]

    @functools.cached_property
    def reconstructions(self) -> np.ndarray:
        """Targets through the encoder; of an unpaired GAN, sources there and back."""
        if self.takes == "direction":
            return self.gan.translate(self.fakes, OPPOSITE[self.direction])
        return self.gan.translate(self.sources, self.gan.encode(self.targets))

    def photo_error(self) -> float:
        return self._mean(lambda draw: mean_absolute(self.painted[:, draw], self.targets))

    def latent_error(self) -> float:
        return self._mean(
            lambda draw: recovery_error(self.z(draw), self.gan.encode(self.painted[:, draw]))
        )

    def _mean(self, error: Callable[[int], float]) -> float:
        return float(np.mean([error(draw) for draw in range(self.samples)]))

    def random_distance(self) -> float:
        return random_pair_distance(self.targets, self.seed)

    def realism(self, images: np.ndarray) -> float:
        return sliced_wasserstein(self.targets, images, self.seed)["mean"]


@dataclass(frozen=True)
class Metric:
    """A number, what it needs, and what to hold it against.

    Attributes:
        value: from the evidence.
        needs: facts about the run, all of which must be there; see `ABSENCES`.
        compared_with: what `reference` is, in a word or two.
        reference: the value of real photos, of chance, or the best one; NaN where there is none.
    """

    value: Callable[[Evidence], float]
    needs: tuple[str, ...]
    compared_with: str
    reference: Callable[[Evidence], float]


# What a metric may need, in the words for its absence.
ABSENCES = {
    "paired": "the GAN is trained without pairs",
    "unpaired": "the GAN is trained on pairs",
    "encoder": "the GAN has no encoder",
    "way back": "the GAN has no generator of the way back",
    "palette": "the data has no readable palette.json",
    "colour": "what is painted are no colour photos",
    "several images": "there is only one held-out image",
    "several samples": "--samples=1 leaves nothing to compare",
    "partners": "the images of the two domains are no pairs",
    "two photos": "the domains are not both photos",
}
# Those that the data or a flag could mend; the others belong to the GAN.
TOLD = ("palette", "colour", "several images", "several samples")

METRICS = {
    "photo_error": Metric(
        Evidence.photo_error,
        ("paired", "several images"),
        "another photo",
        Evidence.random_distance,
    ),
    "sharpness": Metric(
        lambda e: gradient_energy(e.fakes) / gradient_energy(e.targets), (), "real", lambda e: 1.0
    ),
    "realism": Metric(
        lambda e: e.realism(e.fakes),
        (),
        "real",
        lambda e: e.realism(e.others) if len(e.others) else float("nan"),
    ),
    "diversity": Metric(
        lambda e: pairwise_distance(e.painted),
        ("paired", "several samples", "several images"),
        "random photos",
        Evidence.random_distance,
    ),
    "diversity_ratio": Metric(
        lambda e: pairwise_distance(e.painted) / e.random_distance(),
        ("paired", "several samples", "several images"),
        "random photos",
        lambda e: 1.0,
    ),
    "hues_per_sketch": Metric(
        lambda e: hues_per_sketch(e.painted, e.palette),
        ("paired", "palette", "colour"),
        "all",
        lambda e: len(e.palette),
    ),
    "hue_kept": Metric(
        lambda e: hue_kept(e.targets, e.reconstructions, e.palette),
        ("paired", "encoder", "palette", "colour"),
        "chance",
        lambda e: 1 / len(e.palette),
    ),
    "latent_error": Metric(
        Evidence.latent_error, ("paired", "encoder"), "no information", lambda e: NO_INFORMATION
    ),
    "cycle_error": Metric(
        lambda e: mean_absolute(e.sources, e.reconstructions),
        ("unpaired", "way back", "several images"),
        "another image",
        lambda e: random_pair_distance(e.sources, e.seed),
    ),
    "outline_iou": Metric(
        lambda e: mask_iou(e.fakes, e.targets),
        ("unpaired", "palette", "partners"),
        "sketch and photo",
        lambda e: mask_iou(e.sources, e.targets),
    ),
    "hue_carried": Metric(
        lambda e: hue_carried(e.sources, e.fakes, e.palette)["same_or_next"],
        ("unpaired", "palette", "two photos", "colour"),
        "chance",
        lambda e: 3 / len(e.palette),
    ),
    "hue_carried_same": Metric(
        lambda e: hue_carried(e.sources, e.fakes, e.palette)["same"],
        ("unpaired", "palette", "two photos", "colour"),
        "chance",
        lambda e: 1 / len(e.palette),
    ),
    "hues_used": Metric(
        lambda e: effective_hues(e.fakes, e.palette),
        ("unpaired", "palette", "two photos", "colour"),
        "real",
        lambda e: effective_hues(e.targets, e.palette),
    ),
}


def evaluate(
    run_dir: str,
    data_dir: str | None = None,
    data_dir_b: str | None = None,
    direction: Direction | None = None,
    metrics: tuple[str, ...] | None = None,
    sketches: int = 50,
    samples: int = 20,
    seed: int = 0,
    debug: bool = False,
) -> None:
    """Measures the newest checkpoint of a run.

    Args:
        run_dir: Folder of the run.
        data_dir: Folder with the held-out images, for hues with palette.json. Default: the one
            trained on.
        data_dir_b: Folder whose photos are the second domain, as in training. Default: the one
            trained on, if any.
        direction: Of a GAN that translates both ways: a_to_b or b_to_a. Default: both.
        metrics: Which to measure, by commas. Default: all that fit the GAN and the data.
        sketches: How many of the held-out images are used.
        samples: Random z, or other noise, per sketch.
        seed: Of all that is random.
        debug: Show the traceback of an error.
    """
    command.check_at_least(1, sketches=sketches, samples=samples)
    command.check_at_least(0, seed=seed)
    unknown = [name for name in metrics or () if name not in METRICS]
    if unknown:
        raise cli.UsageError(
            f"--metrics expects some of {', '.join(METRICS)}. Received: {unknown[0]}"
        )
    settings = RunFolder(run_dir).read_config()
    takes = translate_takes(gan_module(settings))
    two_ways = takes == "direction"
    if direction and not two_ways:
        raise cli.UsageError(
            f"--direction is for a GAN that translates both ways. Received: {direction} with a run "
            f"of {settings['model']}"
        )
    data = HeldOut.of(settings, data_dir, data_dir_b)

    command.import_tensorflow(debug)
    from gans.data.images import DataError

    run, _, gan, step = open_run(run_dir)
    has_way_back = two_ways and gan.generator_ba is not None
    if direction == "b_to_a" and not has_way_back:
        raise cli.UsageError(
            "--direction expects a_to_b: this run has no generator of the way back"
        )
    ways = (direction,) if direction else ("a_to_b", "b_to_a") if has_way_back else ("a_to_b",)
    with command.usage_errors(DataError):
        images = data.load(gan, two_ways, sketches)
    count = len(images["a_to_b"][0])
    facts = {
        "paired": not two_ways,
        "unpaired": two_ways,
        "encoder": takes == "z",
        "way back": has_way_back,
        "several images": count > 1,
        "several samples": samples > 1,
        "palette": bool(data.palette),
        "colour": gan.photo_channels == 3
        and (gan.image_channels == 3 or not two_ways)
        and data.paints_photos,
        "partners": data.second is None,
        "two photos": data.second is not None,
    }
    chosen = choose(metrics, facts)

    lines = []
    for way in ways:
        evidence = Evidence(gan, takes, way, *images[way], data.palette, samples, seed)
        for name in chosen:
            reference = float(METRICS[name].reference(evidence))
            line = {
                "metric": name,
                **({"direction": way} if two_ways else {}),
                "value": METRICS[name].value(evidence),
                "reference": None if np.isnan(reference) else reference,
                "reference_is": METRICS[name].compared_with,
                "step": step,
                "sketches": count,
                "samples": samples,
                "seed": seed,
            }
            print(describe(line))
            lines.append(json.dumps(line) + "\n")
    with open(run.path / "evaluation.jsonl", "a", encoding="utf-8") as file:
        file.writelines(lines)


def choose(asked: tuple[str, ...] | None, facts: dict[str, bool]) -> list[str]:
    """The metrics that can be measured. Says which the data stands in the way of, and why.

    Raises `UsageError` where one was asked for that cannot be measured.
    """
    chosen, left_out = [], {}
    for name in METRICS if asked is None else dict.fromkeys(asked):
        missing = [fact for fact in METRICS[name].needs if not facts[fact]]
        if not missing:
            chosen.append(name)
        elif asked is not None:
            raise cli.UsageError(
                f"--metrics: {name} cannot be measured, since {ABSENCES[missing[0]]}"
            )
        elif missing[0] in TOLD:
            left_out.setdefault(missing[0], []).append(name)
    for fact, names in left_out.items():
        print(f"left out, since {ABSENCES[fact]}: {', '.join(names)}", file=sys.stderr)
    return chosen


def describe(line: dict) -> str:
    """A row of the table on stdout."""
    words = [f"{line['metric']:16}", f"{line['value']:9.3f}"]
    if "direction" in line:
        words.insert(1, line["direction"])
    if line["reference"] is not None:
        words.append(f" ({line['reference_is']} {line['reference']:.3f})")
    return " ".join(words)


@dataclass(frozen=True)
class HeldOut:
    """Where the images of a run are, and what is known about them.

    Attributes:
        settings: of the run, with `data_dir` and `data_dir_b` as the flags have them.
        palette: the hues of toy fashion, or empty.
    """

    settings: dict
    palette: list[float]

    @classmethod
    def of(cls, settings: dict, data_dir: str | None, data_dir_b: str | None) -> "HeldOut":
        """Of the images that the run was trained on, or of other folders; reads the palette."""
        second = settings.get("data_dir_b") or settings.get("tfds_b")
        if data_dir and settings.get("tfds_b") and not data_dir_b:
            raise cli.UsageError("--data_dir of this run expects --data_dir_b. Received: none")
        if data_dir_b and not second:
            raise cli.UsageError(
                f"--data_dir_b is for a run of two folders. Received: {data_dir_b} with a run of "
                f"{settings.get('data_dir') or settings.get('tfds')}"
            )
        settings = dict(settings)
        if data_dir:
            settings |= {"data_dir": data_dir, "tfds": None, "tfds_b": None}
        if data_dir_b:
            settings |= {"data_dir_b": data_dir_b}
        folders = (settings.get("data_dir"), settings.get("data_dir_b"))
        palettes = [read_palette(Path(folder)) for folder in folders if folder]
        known = bool(palettes) and all(palette == palettes[0] for palette in palettes)
        return cls(settings, palettes[0] if known else [])

    @property
    def second(self) -> str | None:
        """Where the second domain's photos are, or None: A and B are in one place."""
        return self.settings.get("data_dir_b") or self.settings.get("tfds_b")

    @property
    def paints_photos(self) -> bool:
        """Whether B is a photo: not so where photos are made into sketches."""
        return bool(self.second) or self.settings.get("direction") != "b_to_a"

    def load(self, gan, two_ways: bool, count: int) -> dict[str, tuple[np.ndarray, ...]]:
        """By direction: at most `count` sources, the targets, and as many training images of the
        target domain, or none where there are fewer.

        Raises `DataError` for data that cannot be used.
        """
        from gans.data.pairs import load_pairs
        from gans.data.unpaired import load_unpaired

        find = self.find_domains if two_ways else self.find_pairs
        held_out, training = find("held_out"), find("train")
        options = (gan.image_size, gan.image_channels, gan.photo_channels)
        if two_ways:
            images_a, images_b = load_unpaired(*held_out, count, *options)
            enough = min(map(len, training)) >= len(images_a)
            others = load_unpaired(*training, len(images_a), *options) if enough else ((), ())
        else:
            indices = list(range(min(count, len(held_out))))
            images_a, images_b = load_pairs(held_out, indices, *options)
            enough = len(training) >= len(indices)
            others = load_pairs(training, indices, *options) if enough else ((), ())
        return {
            "a_to_b": (images_a, images_b, others[1]),
            "b_to_a": (images_b, images_a, others[0]),
        }

    def find_pairs(self, split: Literal["train", "held_out"]):
        """The source of pairs of a split."""
        from gans.data import pairs, prepared

        where, direction = self.settings, self.settings.get("direction") or "a_to_b"
        if where.get("tfds"):
            return prepared.prepared_pairs(where["tfds"], where["tfds_dir"], split, direction)
        if split == "train":
            return pairs.find_pairs(where["data_dir"], split, direction)
        return pairs.find_validation(where["data_dir"], direction)

    def find_domains(self, split: Literal["train", "held_out"]):
        """The sources of both domains of a split."""
        from gans.data import prepared, unpaired

        where, direction = self.settings, self.settings.get("direction") or "a_to_b"
        if where.get("tfds"):
            names = (where["tfds"], where["tfds_dir"], where["tfds_b"])
            return prepared.prepared_domains(*names, split, direction)
        folders = (where["data_dir"], where["data_dir_b"])
        if split == "train":
            return unpaired.find_domains(*folders, split, direction)
        return unpaired.find_validation(*folders, direction)


if __name__ == "__main__":
    cli.run(evaluate)
