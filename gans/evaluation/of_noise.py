"""The evaluation of a GAN that begins with noise."""

import dataclasses
from pathlib import Path
from typing import Any

from gans.command_line import command
from gans.command_line.errors import UsageError, usage_errors
from gans.data.held_out import load_singles
from gans.data.images import DataError
from gans.evaluation import judges, pictures
from gans.evaluation.request import Request, by_features, choose, find_extractor, measured
from gans.features import classifier as classifiers
from gans.metrics import generation
from gans.metrics.metric import missing
from gans.training.restore import open_run

REAL_IMAGES = 1000  # That samples are compared with as pictures.


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
        with usage_errors(classifiers.ClassifierError):
            classifiers.read_facts(classifier)

    command.import_tensorflow(request.debug)
    run, _, gan, step = open_run(run_dir, step)
    real = others = asked = None
    if gan.data == "images":
        with usage_errors(DataError):
            real, others, asked = load_singles(settings, REAL_IMAGES, bool(gan.label_dim))
    generated = generation.Generated(
        gan, settings, request.num_fake, asked=asked, real=real, others=others, seed=request.seed
    )
    lacks = missing(generation.METRICS, generated.facts())
    names = lacks if request.own is None else request.own
    if classifier or any(lacks[name] in ("recognised", "classes") for name in names):
        with usage_errors(), usage_errors(classifiers.ClassifierError):
            judge = _classifier(run.path, settings, generated.stacked, classifier, request.debug)
            generated = dataclasses.replace(generated, classifier=judge)
    chosen = choose(request.own, generated.facts(), generation)
    record = {"step": step, "samples": generated.samples, "seed": request.seed}
    lines = [measured(name, generation.METRICS[name], generated, {}, record) for name in chosen]
    if not request.features or gan.data != "images":
        if request.asked and request.features:
            raise UsageError(
                f"--metrics: {request.features[0]} cannot be measured, since the GAN makes points"
            )
        return lines, []
    judge = find_extractor(request, run.path.resolve().parent, settings)
    if judge is None:
        return lines, []
    with usage_errors(DataError):
        if request.real:
            source = pictures.of_folder(request.real, request.num_real)
        else:
            source = pictures.real_singles(settings, request.split or "train", request.num_real)

    def fakes(seed: int) -> pictures.Pictures:
        of_seed = dataclasses.replace(generated, seed=seed)
        return pictures.generated(of_seed.pictures, of_seed.samples)

    found, sentences = by_features(request, judge, source, fakes, {"step": step}, folder)
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
