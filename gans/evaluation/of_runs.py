"""What `scripts/evaluate.py` measures: of a run by the kind of its GAN, or of two folders.

Lines are those of `evaluation.jsonl`, sentences the same in words; both are printed as they are
found.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gans.data.held_out import HeldOut, load_singles
from gans.data.images import DataError, save_png
from gans.evaluation import judges, of_features, pictures, report
from gans.metrics import classifier as classifiers
from gans.metrics import generation, translation
from gans.metrics.extractors import metric_name
from gans.metrics.hues import read_palette
from gans.metrics.metric import Metric, missing
from gans.metrics.torch_weights import WeightsError
from gans.metrics.translation import Direction
from gans.training import cli, command
from gans.training.restore import gan_module, open_run, translate_takes

REAL_IMAGES = 1000  # That samples are compared with as pictures.


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for, checked: the flags of `evaluate`, and of the metrics two lists.

    Attributes:
        own: metrics of the GAN's kind, or None: all that fit.
        features: names of `distribution.NAMES`.
        asked: whether these were asked for by name.
    """

    own: tuple[str, ...] | None
    features: tuple[str, ...]
    asked: bool
    extractor: str
    weights: str | None
    resize: str
    real: str | None
    split: str | None
    num_real: int | None
    num_fake: int | None
    seeds: tuple[int, ...]
    cache_dir: Path
    debug: bool

    @property
    def seed(self) -> int:
        return self.seeds[0]


def evaluate_folders(
    request: Request, fake: str, folder: Path | None
) -> tuple[list[dict], list[str]]:
    """Two folders of images, by features alone."""
    with command.usage_errors(DataError):
        made = pictures.of_folder(fake, request.num_fake)
        real = pictures.of_folder(request.real, request.num_real)
    command.import_tensorflow(request.debug)
    judge = find_extractor(request, Path("runs"), None)
    return _by_features(request, judge, real, lambda seed: made, {}, folder)


def evaluate_generation(
    request: Request,
    run_dir: str,
    step: int | None,
    settings: dict[str, Any],
    data_dir: str | None,
    classifier: str | None,
    folder: Path,
) -> tuple[list[dict], list[str]]:
    """A GAN that begins with noise: lines and sentences of its measures."""
    if data_dir:
        settings = settings | {"data_dir": str(Path(data_dir).resolve()), "dataset": None}
    if classifier:
        with command.usage_errors(classifiers.ClassifierError):
            classifiers.read_facts(classifier)

    command.import_tensorflow(request.debug)
    run, _, gan, step = open_run(run_dir, step)
    real = others = asked = None
    if gan.data == "images":
        with command.usage_errors(DataError):
            real, others, asked = load_singles(settings, REAL_IMAGES, bool(gan.label_dim))
    generated = generation.Generated(
        gan, settings, request.num_fake, asked=asked, real=real, others=others, seed=request.seed
    )
    lacks = missing(generation.METRICS, generated.facts())
    names = lacks if request.own is None else request.own
    if classifier or any(lacks[name] in ("recognised", "classes") for name in names):
        with command.usage_errors(), command.usage_errors(classifiers.ClassifierError):
            judge = _classifier(run.path, settings, generated.stacked, classifier, request.debug)
            generated = dataclasses.replace(generated, classifier=judge)
    chosen = choose(request.own, generated.facts(), generation)
    record = {"step": step, "samples": generated.samples, "seed": request.seed}
    lines = [measured(name, generation.METRICS[name], generated, {}, record) for name in chosen]
    if not request.features or gan.data != "images":
        if request.asked and request.features:
            raise cli.UsageError(
                f"--metrics: {request.features[0]} cannot be measured, since the GAN makes points"
            )
        return lines, []
    judge = find_extractor(request, run.path.resolve().parent, settings)
    if judge is None:
        return lines, []
    with command.usage_errors(DataError):
        if request.real:
            source = pictures.of_folder(request.real, request.num_real)
        else:
            source = pictures.real_singles(settings, request.split or "train", request.num_real)

    def fakes(seed: int) -> pictures.Pictures:
        of_seed = dataclasses.replace(generated, seed=seed)
        return pictures.generated(of_seed.pictures, of_seed.samples)

    found, sentences = _by_features(request, judge, source, fakes, {"step": step}, folder)
    return lines + found, sentences


def _classifier(
    run: Path, settings: dict[str, Any], stacked: bool, folder: str | None, debug: bool
) -> classifiers.Classifier | None:
    """The classifier of a folder, or the one beside the run."""
    if folder:
        return classifiers.load(folder)
    if stacked:
        constructor = settings["constructor"] | {"image_channels": 1}
        settings = settings | {"dataset": "mnist", "labels": None, "constructor": constructor}
        settings |= {"flip": False}
    return judges.find_classifier(
        judges.classifier_folder(run.resolve().parent, settings), settings, debug
    )


def evaluate_translation(
    request: Request,
    run_dir: str,
    step: int | None,
    settings: dict[str, Any],
    folders: tuple[str | None, str | None],
    direction: Direction | None,
    counts: tuple[int, int],
    folder: Path,
) -> tuple[list[dict], list[str]]:
    """A GAN that translates: lines and sentences of its measures, for each direction."""
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

    command.import_tensorflow(request.debug)
    run, _, gan, step = open_run(run_dir, step)
    has_way_back = two_ways and gan.generator_ba is not None
    if direction == "b_to_a" and not has_way_back:
        raise cli.UsageError(
            "--direction expects a_to_b: this run has no generator of the way back"
        )
    ways = (direction,) if direction else ("a_to_b", "b_to_a") if has_way_back else ("a_to_b",)
    sketches, samples = counts
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
    chosen = choose(request.own, facts, translation)
    record = {"step": step, "sketches": count, "samples": samples, "seed": request.seed}
    lines, sentences = [], []
    for way in ways:
        names = {"direction": way} if two_ways else {}
        evidence = translation.Evidence(
            gan, takes, way, *images[way], palette, samples, request.seed
        )
        for name in chosen:
            lines.append(measured(name, translation.METRICS[name], evidence, names, record))
        if not request.features:
            continue
        found, said = _translated_features(
            request, run.path, settings, data, gan, takes, way, names | {"step": step}, folder
        )
        lines, sentences = lines + found, sentences + [f"{way}: {s}" if names else s for s in said]
    return lines, sentences


def _translated_features(
    request, run, settings, data, gan, takes, way, record, folder
) -> tuple[list[dict], list[str]]:
    """Of what a GAN that translates paints one way."""
    photos = judges.painted_photos(data, gan, way)
    if request.extractor == judges.OWN and photos is None:
        return _without(request, "own is a classifier of photos, and here sketches are painted")
    judge = find_extractor(request, run.resolve().parent, photos)
    if judge is None:
        return [], []
    split, direction = request.split or "val", way if takes == "direction" else None
    with command.usage_errors(DataError):
        sources, real = pictures.real_domains(data, gan, direction, split, request.num_real)
        if request.real:
            real = pictures.of_folder(request.real, request.num_real)
    varies = takes == "z" or (takes == "seed" and gan.varies_at_test)
    if (request.num_fake or 0) > sources.count and not varies:
        raise cli.UsageError(
            f"--num_fake expects at most the {sources.count} sources of a GAN without noise. "
            f"Received: {request.num_fake}"
        )
    count = request.num_fake or sources.count

    def fakes(seed: int) -> pictures.Pictures:
        return pictures.translated(gan, takes, way, sources, count, seed)

    return _by_features(request, judge, real, fakes, record, folder)


def find_extractor(request: Request, beside: Path, settings: dict[str, Any] | None):
    """As `judges.find_extractor`, with the user's errors; None where there is none, and none was
    asked for.
    """
    with contextlib.ExitStack() as stack:
        for kind in (WeightsError, classifiers.ClassifierError, DataError):
            stack.enter_context(command.usage_errors(kind))
        judge = judges.find_extractor(
            request.extractor,
            beside,
            settings,
            weights=request.weights,
            resize=request.resize,
            debug=request.debug,
        )
    if judge is None:
        _without(request, "the data has no labels for a classifier to learn from")
    return judge


def _without(request: Request, reason: str) -> tuple[list, list]:
    """Says that nothing is measured of features, and why."""
    names = ", ".join(request.features)
    if request.asked:
        raise cli.UsageError(f"--metrics: {names} cannot be measured: {reason}")
    print(f"left out, since {reason}: {names}; see --extractor", file=sys.stderr)
    return [], []


def _by_features(
    request: Request,
    judge,
    real: pictures.Pictures,
    fakes: Callable[[int], pictures.Pictures],
    record: dict[str, Any],
    folder: Path | None,
) -> tuple[list[dict], list[str]]:
    """Lines and sentences; prints them, and leaves a picture of neighbours in the folder."""
    with command.usage_errors(classifiers.ClassifierError), command.usage_errors(DataError):
        findings = of_features.measure(
            judge, real, fakes, request.features, request.seeds, request.cache_dir, record
        )
    found = {line["metric"] for line in findings.lines}
    lacking = [name for name in request.features if metric_name(name, judge) not in found]
    if lacking and request.asked:
        raise cli.UsageError(
            f"--metrics: {lacking[0]} cannot be measured: "
            + ("its classes do not exclude each other" if lacking == ["is"] else "too few images")
        )
    for text in (*map(report.describe, findings.lines), *findings.sentences):
        print(text)
    picture = of_features.neighbours(findings, real, fakes(request.seed)) if folder else None
    if picture is not None:
        way = "_" + record["direction"] if "direction" in record else ""
        folder.mkdir(parents=True, exist_ok=True)
        save_png(folder / f"neighbours{way}.png", picture)
    return findings.lines, findings.sentences


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
    print(report.describe(line))
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
