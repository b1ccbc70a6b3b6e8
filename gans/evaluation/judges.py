"""The networks that pictures are judged by, found or trained: classifiers, and Inception."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from gans.command_line.errors import UsageError
from gans.data.held_out import HeldOut, classifier_images
from gans.data.images import DataError
from gans.features import classifier as classifiers
from gans.features import extractors, inception

# Beside a folder: the FID network, or the classifier that knows the run's own data.
INCEPTION, OWN = extractors.INCEPTION, "own"


def find_extractor(
    chosen: str,
    beside: Path,
    settings: dict[str, Any] | None,
    *,
    weights: str | None = None,
    resize: inception.Resize = "tf1",
    debug: bool = False,
) -> extractors.Extractor | None:
    """What turns pictures into features; None where a classifier would need labels that are not.

    Args:
        chosen: inception; own: a classifier of the run's data, trained if there is none; or the
            folder of a classifier.
        beside: folder in which classifiers of data sets are kept.
        settings: of the run; None: there is no run.
        weights: file of Inception's. Default: where `data_prep/download.py inception` leaves it.
        resize: of Inception: how pictures become 299 wide.
        debug: show the loss of each epoch.

    Raises `WeightsError` or `ClassifierError` for files that cannot be used.
    """
    if chosen == INCEPTION:
        return inception.load(inception.find(weights), resize)
    if chosen != OWN:
        return extractors.of_classifier(chosen)
    if settings is None:
        raise UsageError(
            "--extractor expects inception or the folder of a classifier where there is no run. "
            "Received: own"
        )
    if not (settings.get("data_dir") or settings.get("dataset")):
        return None
    of_toy = extractors.short_name(data_name(settings)).startswith("toy")
    labels = extractors.TOY_LABELS if of_toy else tuple(settings.get("labels") or ()) or None
    folder = classifier_folder(beside, settings | {"labels": labels})
    found = find_classifier(folder, settings | {"labels": labels}, debug)
    return found and extractors.of_classifier(folder)


def check_extractor(chosen: str, weights: str | None):
    """Reads the files that `find_extractor` will, as far as that goes without TensorFlow, so that
    nothing is measured before wrong ones are refused.

    Raises `WeightsError` or `ClassifierError`.
    """
    if chosen == INCEPTION:
        inception.read_weights(inception.find(weights))
    elif chosen != OWN:
        classifiers.read_facts(chosen)


def extractor_names(chosen: str, data: Iterable[dict[str, Any]]) -> list[str]:
    """What the extractors will be called that `find_extractor` gives; TensorFlow is not imported.

    Args:
        chosen: as there.
        data: settings of each set of pictures that are to be judged.

    Raises `ClassifierError` for a folder that is not that of a classifier.
    """
    if chosen == INCEPTION:
        return [INCEPTION]
    if chosen != OWN:
        return [extractors.short_name(classifiers.read_facts(chosen)[0].dataset)]
    known = (settings for settings in data if settings.get("data_dir") or settings.get("dataset"))
    return [extractors.short_name(data_name(settings)) for settings in known]


def painted_photos(
    data: HeldOut, gan: Any, direction: Literal["a_to_b", "b_to_a"]
) -> dict[str, Any] | None:
    """Settings of the photos that a GAN which translates paints, for `find_extractor`; None where
    it paints sketches, of which no classifier knows anything.

    Args:
        data: where the images of its run are.
        gan: with `image_size`, `image_channels`, `photo_channels`.
        direction: of the GAN; its A and B are those of the data, or exchanged by --direction.
    """
    paints_b = (direction == "a_to_b") == (data.settings.get("direction") != "b_to_a")
    if not (paints_b or data.second):
        return None
    second = data.settings.get("data_dir_b") if paints_b else None
    channels = gan.photo_channels if direction == "a_to_b" else gan.image_channels
    return data.settings | {
        "data_dir": second or data.settings.get("data_dir"),
        "constructor": {"image_size": gan.image_size, "image_channels": channels},
        "labels": None,
    }


def data_name(settings: dict[str, Any]) -> str:
    """Of a run's pictures, e.g. "mnist", "toy_fashion", whatever script drew them."""
    dataset = settings.get("dataset") or settings.get("tfds")
    if dataset:
        return dataset.partition(":")[0]
    return re.sub(r"^(toy_fashion(_shoes)?)_\d+$", r"\1", Path(settings["data_dir"]).stem)


def classifier_folder(beside: Path, settings: dict[str, Any]) -> Path:
    """Where the classifier of a run's data is kept: beside one of pictures of another size, under
    a name with its own.
    """
    name = data_name(settings).replace("/", "_")
    folder = beside / "_".join(["classifier", name, *(settings.get("labels") or ())])
    size, channels = (settings["constructor"][f"image_{part}"] for part in ("size", "channels"))
    try:
        facts, _ = classifiers.read_facts(folder)
    except classifiers.ClassifierError:
        return folder
    if (facts.image_size, facts.image_channels) == (size, channels):
        return folder
    return folder.with_name(f"{folder.name}_{size}x{size}x{channels}")


def find_classifier(
    folder: Path, settings: dict[str, Any], debug: bool = False
) -> classifiers.Classifier | None:
    """The classifier of a folder, which is trained on the run's data if there is none; None where
    the data has no labels.

    Args:
        folder: see `classifier_folder`.
        settings: of the run: constructor, dataset or data_dir, labels, flip.
        debug: show the loss of each epoch.

    Raises `ClassifierError` where the folder holds something else.
    """
    name, labels = data_name(settings), tuple(settings.get("labels") or ()) or None
    size, channels = (settings["constructor"][f"image_{part}"] for part in ("size", "channels"))
    wanted = {"image_size": size, "image_channels": channels, "dataset": name, "labels": labels}
    if classifiers.existing(folder, **wanted):
        print(f"classifier: {folder}", file=sys.stderr)
        return classifiers.load(folder)
    try:
        (images, of_images), held_out, names = classifier_images(settings, size, channels)
    except DataError as error:
        print(f"no classifier: {error}", file=sys.stderr)
        return None
    print(f"training a classifier of {name}, kept in {folder}", file=sys.stderr)
    trained = classifiers.train(
        images,
        of_images,
        names,
        held_out,
        name,
        labels=labels,
        flip=bool(settings.get("flip")),
        verbose=2 if debug else 0,
    )
    trained.save(folder)
    print(f"right for {trained.facts.accuracy:.2%} of the held-out images", file=sys.stderr)
    return trained
