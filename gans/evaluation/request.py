"""What was asked of an evaluation, and the steps that all kinds of it share.

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

from gans.command_line import command
from gans.command_line.errors import UsageError, usage_errors
from gans.data.images import DataError, save_png
from gans.evaluation import judges, of_features, of_paintings, pictures, report
from gans.features import classifier as classifiers
from gans.features.extractors import metric_name
from gans.features.torch_weights import WeightsError
from gans.metrics.metric import Metric, missing


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for, checked: the flags of `evaluate`, and of the metrics two lists.

    Attributes:
        own: metrics of the GAN's kind, or None: all that fit.
        features: names of `distribution.NAMES`.
        paintings: names of `of_paintings.NAMES`, of a GAN that translates.
        asked: whether these were asked for by name.
        lpips: file of the backbone, net and file of the heads, or None: a distance of our own.
        label_maps: of toy fashion.
    """

    own: tuple[str, ...] | None
    features: tuple[str, ...]
    paintings: tuple[str, ...]
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
    lpips: tuple[str, str, str | None] | None
    label_maps: of_paintings.LabelMaps
    debug: bool

    @property
    def seed(self) -> int:
        return self.seeds[0]


def find_extractor(request: Request, beside: Path, settings: dict[str, Any] | None):
    """As `judges.find_extractor`, with the user's errors; None where there is none, and none was
    asked for.
    """
    with contextlib.ExitStack() as stack:
        for kind in (WeightsError, classifiers.ClassifierError, DataError):
            stack.enter_context(usage_errors(kind))
        judge = judges.find_extractor(
            request.extractor,
            beside,
            settings,
            weights=request.weights,
            resize=request.resize,
            debug=request.debug,
        )
    if judge is None:
        without(request, "the data has no labels for a classifier to learn from")
    return judge


def without(request: Request, reason: str, *names: str) -> tuple[list, list]:
    """Says what is not measured, by default of features, and why: no lines and no sentences.

    Raises `UsageError` where it was asked for.
    """
    names = ", ".join(names or request.features)
    if request.asked:
        raise UsageError(f"--metrics: {names} cannot be measured: {reason}")
    print(f"left out, since {reason}: {names}; see --extractor", file=sys.stderr)
    return [], []


def by_features(
    request: Request,
    judge,
    real: pictures.Pictures,
    fakes: Callable[[int], pictures.Pictures],
    record: dict[str, Any],
    folder: Path | None,
) -> tuple[list[dict], list[str]]:
    """Lines and sentences; prints them, and leaves a picture of neighbours in the folder."""
    with usage_errors(classifiers.ClassifierError), usage_errors(DataError):
        findings = of_features.measure(
            judge, real, fakes, request.features, request.seeds, request.cache_dir, record
        )
    found = {line["metric"] for line in findings.lines}
    lacking = [name for name in request.features if metric_name(name, judge) not in found]
    if lacking and request.asked:
        raise UsageError(
            f"--metrics: {lacking[0]} cannot be measured: "
            + ("its classes do not exclude each other" if lacking == ["is"] else "too few images")
        )
    shown(findings.lines)
    print("\n".join(findings.sentences))
    picture = of_features.neighbours(findings, real, fakes(request.seed)) if folder else None
    if picture is not None:
        way = "_" + record["direction"] if "direction" in record else ""
        folder.mkdir(parents=True, exist_ok=True)
        save_png(folder / f"neighbours{way}.png", picture)
    return findings.lines, findings.sentences


def shown(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines themselves, printed as rows of the table."""
    for line in lines:
        print(report.describe(line))
    return lines


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
    return shown([line])[0]


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
            raise UsageError(
                f"--metrics: {name} cannot be measured, since {room.ABSENCES[lacks[name]]}"
            )
        elif lacks[name] in room.TOLD:
            left_out.setdefault(lacks[name], []).append(name)
    for fact, names in left_out.items():
        print(f"left out, since {room.ABSENCES[fact]}: {', '.join(names)}", file=sys.stderr)
    return chosen


def evaluate_folders(
    request: Request, fake: str, folder: Path | None
) -> tuple[list[dict], list[str]]:
    """Two folders of images, by features alone."""
    with usage_errors(DataError):
        made = pictures.of_folder(fake, request.num_fake)
        real = pictures.of_folder(request.real, request.num_real)
    command.import_tensorflow(request.debug)
    judge = find_extractor(request, Path("runs"), None)
    return by_features(request, judge, real, lambda seed: made, {}, folder)
