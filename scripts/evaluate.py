"""Measures a trained run on held-out images, best on toy fashion, whose colours are known.

    python scripts/evaluate.py --run_dir=runs/bicyclegan
    python scripts/evaluate.py --run_dir=runs/cyclegan --direction=a_to_b
    python scripts/evaluate.py --run_dir=runs/cgan
    python scripts/evaluate.py --run_dir=runs/infogan --classifier=runs/classifier_mnist

Prints a line per metric, with what it is for real photos or by chance, and adds it to
`evaluation.jsonl` in the run folder. What fits the GAN and the data is measured:
`gans/metrics/translation.py` and `gans/metrics/generation.py` say what there is.

Where a classifier is needed and none is named, one is trained on the labels of the run's data and
kept beside the run, e.g. in runs/classifier_mnist; `scripts/train_classifier.py` is the same alone.

Takes less than a minute on 2 cores at 64x64 for a GAN that translates, and a classifier of MNIST
two minutes, once.
"""

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gans.data.held_out import HeldOut, classifier_images, load_singles
from gans.data.images import DataError
from gans.metrics import classifier as classifiers
from gans.metrics import generation, translation
from gans.metrics.hues import read_palette
from gans.metrics.metric import Metric, missing
from gans.metrics.translation import Direction
from gans.training import cli, command
from gans.training.restore import gan_module, generates, open_run, translate_takes
from gans.training.run_folder import RunFolder

SKETCHES, SAMPLES = 50, 20
REAL_IMAGES = 1000  # That samples are compared with as pictures.


def evaluate(
    run_dir: str,
    data_dir: str | None = None,
    data_dir_b: str | None = None,
    direction: Direction | None = None,
    metrics: tuple[str, ...] | None = None,
    sketches: int | None = None,
    samples: int | None = None,
    num_samples: int | None = None,
    classifier: str | None = None,
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
        sketches: Of a GAN that translates: how many of the held-out images are used. Default: 50.
        samples: Of a GAN that translates: random z, or other noise, per sketch. Default: 20.
        num_samples: Of a GAN that begins with noise: how many it makes. Default: 26000 of stacked
            MNIST, 2500 points, 10000 else.
        classifier: Of such a GAN: folder of the classifier that says what a picture shows. Default:
            one beside the run, trained if there is none.
        seed: Of all that is random.
        debug: Show the traceback of an error.
    """
    command.check_at_least(1, sketches=sketches, samples=samples, num_samples=num_samples)
    command.check_at_least(0, seed=seed)
    settings = RunFolder(run_dir).read_config()
    module = gan_module(settings)
    from_noise = generates(module)
    table = generation.METRICS if from_noise else translation.METRICS
    unknown = [name for name in metrics or () if name not in table]
    if unknown:
        raise cli.UsageError(
            f"--metrics expects some of {', '.join(table)}. Received: {unknown[0]}"
        )
    if from_noise:
        of_others = {"data_dir_b": data_dir_b, "direction": direction}
        _refuse("translates", settings, **of_others, sketches=sketches, samples=samples)
        lines = _evaluate_generation(
            run_dir, settings, data_dir, metrics, num_samples, classifier, seed, debug
        )
    else:
        _refuse("begins with noise", settings, num_samples=num_samples, classifier=classifier)
        folders = data_dir, data_dir_b
        counts = sketches or SKETCHES, samples or SAMPLES
        lines = _evaluate_translation(
            run_dir, settings, folders, direction, metrics, *counts, seed, debug
        )
    with open(RunFolder(run_dir).path / "evaluation.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def _refuse(kind: str, settings: dict[str, Any], **flags: Any):
    """Raises `UsageError` for the first flag given that is for GANs of another kind."""
    for name, value in flags.items():
        if value is not None:
            raise cli.UsageError(
                f"--{name} is for a GAN that {kind}. Received: {value} with a run of "
                f"{settings['model']}"
            )


def _evaluate_translation(
    run_dir, settings, folders, direction, metrics, sketches, samples, seed, debug
) -> list[dict]:
    takes = translate_takes(gan_module(settings))
    two_ways = takes == "direction"
    if direction and not two_ways:
        raise cli.UsageError(
            f"--direction is for a GAN that translates both ways. Received: {direction} with a run "
            f"of {settings['model']}"
        )
    with command.usage_errors(DataError):
        data = HeldOut.of(settings, *folders)
    palettes = [read_palette(folder) for folder in data.folders]
    known = bool(palettes) and all(palette == palettes[0] for palette in palettes)
    palette = palettes[0] if known else []

    command.import_tensorflow(debug)
    _, _, gan, step = open_run(run_dir)
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
        "palette": bool(palette),
        "colour": gan.photo_channels == 3
        and (gan.image_channels == 3 or not two_ways)
        and data.paints_photos,
        "partners": data.second is None,
        "two photos": data.second is not None,
    }
    chosen = choose(metrics, facts, translation)
    record = {"step": step, "sketches": count, "samples": samples, "seed": seed}
    lines = []
    for way in ways:
        evidence = translation.Evidence(gan, takes, way, *images[way], palette, samples, seed)
        names = {"direction": way} if two_ways else {}
        for name in chosen:
            lines.append(measured(name, translation.METRICS[name], evidence, names, record))
    return lines


def _evaluate_generation(
    run_dir, settings, data_dir, metrics, samples, classifier, seed, debug
) -> list[dict]:
    if data_dir:
        settings = settings | {"data_dir": str(Path(data_dir).resolve()), "dataset": None}
    if classifier:
        with command.usage_errors(classifiers.ClassifierError):
            classifiers.read_facts(classifier)

    command.import_tensorflow(debug)
    run, _, gan, step = open_run(run_dir)
    real = others = asked = None
    if gan.data == "images":
        with command.usage_errors(DataError):
            real, others, asked = load_singles(settings, REAL_IMAGES, bool(gan.label_dim))
    generated = generation.Generated(
        gan, settings, samples, asked=asked, real=real, others=others, seed=seed
    )
    lacks = missing(generation.METRICS, generated.facts())
    wanted = [name for name in metrics or lacks if lacks[name] in ("recognised", "classes")]
    if classifier or wanted:
        with command.usage_errors(), command.usage_errors(classifiers.ClassifierError):
            judge = _find_classifier(run.path, settings, generated.stacked, classifier, debug)
            generated = dataclasses.replace(generated, classifier=judge)
    chosen = choose(metrics, generated.facts(), generation)
    record = {"step": step, "samples": generated.samples, "seed": seed}
    return [measured(name, generation.METRICS[name], generated, {}, record) for name in chosen]


def _find_classifier(
    run: Path, settings: dict[str, Any], stacked: bool, folder: str | None, debug: bool
) -> classifiers.Classifier | None:
    """The classifier of a folder, or the one beside the run, which is trained if there is none;
    None where the data has no labels.
    """
    if folder:
        return classifiers.load(folder)
    if stacked:
        settings = settings | {"dataset": "mnist", "labels": None}
    constructor = settings["constructor"]
    size, channels = constructor["image_size"], 1 if stacked else constructor["image_channels"]
    dataset, labels = settings.get("dataset"), tuple(settings.get("labels") or ()) or None
    name = dataset.partition(":")[0] if dataset else Path(settings["data_dir"]).stem
    path = run.resolve().parent / "_".join(["classifier", name.replace("/", "_"), *(labels or ())])
    wanted = {"image_size": size, "image_channels": channels, "dataset": name, "labels": labels}
    if classifiers.existing(path, **wanted):
        print(f"classifier: {path}", file=sys.stderr)
        return classifiers.load(path)
    try:
        *sets, names = classifier_images(settings, size, channels)
    except DataError as error:
        print(f"no classifier: {error}", file=sys.stderr)
        return None
    print(f"training a classifier of {name}, kept in {path}", file=sys.stderr)
    (images, of_images), held_out = sets
    trained = classifiers.train(
        images,
        of_images,
        names,
        held_out,
        name,
        labels,
        flip=bool(settings.get("flip")) and not stacked,
        verbose=2 if debug else 0,
    )
    trained.save(path)
    print(f"right for {trained.facts.accuracy:.2%} of the held-out images", file=sys.stderr)
    return trained


def measured(
    name: str, metric: Metric, evidence: Any, names: Mapping[str, str], record: Mapping[str, Any]
) -> dict[str, Any]:
    """A metric's line of `evaluation.jsonl`; prints its row of the table."""
    reference = float(metric.reference(evidence))
    line = {
        "metric": name,
        **names,
        "value": metric.value(evidence),
        "reference": None if np.isnan(reference) else reference,
        "reference_is": metric.compared_with,
        **record,
    }
    print(describe(line))
    return line


def choose(asked: tuple[str, ...] | None, facts: dict[str, bool], room) -> list[str]:
    """The metrics that can be measured. Says which the data stands in the way of, and why.

    Args:
        asked: names, or None for all.
        facts: what there is of all that a metric may need.
        room: the module whose METRICS these are, with ABSENCES and TOLD.

    Raises `UsageError` where one was asked for that cannot be measured.
    """
    chosen, left_out = [], {}
    lacks = missing(room.METRICS, facts)
    for name in room.METRICS if asked is None else dict.fromkeys(asked):
        if not lacks[name]:
            chosen.append(name)
        elif asked is not None:
            raise cli.UsageError(
                f"--metrics: {name} cannot be measured, since {room.ABSENCES[lacks[name]]}"
            )
        elif lacks[name] in room.TOLD:
            left_out.setdefault(lacks[name], []).append(name)
    for fact, names in left_out.items():
        print(f"left out, since {room.ABSENCES[fact]}: {', '.join(names)}", file=sys.stderr)
    return chosen


def describe(line: dict) -> str:
    """A row of the table on stdout."""
    words = [f"{line['metric']:16}", f"{line['value']:9.3f}"]
    if "direction" in line:
        words.insert(1, line["direction"])
    if line["reference"] is not None:
        words.append(f" ({line['reference_is']} {line['reference']:.3f})")
    return " ".join(words)


if __name__ == "__main__":
    cli.run(evaluate)
