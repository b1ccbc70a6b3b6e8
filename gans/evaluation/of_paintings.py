"""What trained networks find in the photos that a GAN paints of sketches.

perceptual    how much the samples of one sketch differ, as the BicycleGAN paper defines it (Zhu
              et al. 2017, section 5.2): the mean distance between consecutive samples, and what
              part that is of the distance between random real photos. The distance is LPIPS
              where its weights are given, and otherwise one of our own features, and is part of
              the name: diversity_lpips_alex, diversity_pd_toy
label_scores  whether every part is where the sketch says, as pix2pix's FCN-score (Isola et al.
              2017, section 4.1) by a segmenter of toy fashion: share of the pixels, mean share
              of each class, mean intersection over union. As seg_pixel_accuracy,
              seg_class_accuracy, seg_class_iou
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gans.data.images import to_uint8
from gans.evaluation.pictures import Pictures
from gans.features import segmentation
from gans.metrics.diversity import diversity

NAMES = ("perceptual", "label_scores")


@dataclass(frozen=True)
class LabelMaps:
    """The parts that photos should show, where they are known.

    Attributes:
        classes: names of the parts.
        read: of a folder, a split, a size and names of files the maps uint8 `(n, size, size)`.
    """

    classes: tuple[str, ...]
    read: Callable[[str, str, int, list[str] | None], np.ndarray]


def perceptual(
    painted: np.ndarray, photos: np.ndarray, distance: Any, seed: int, record: dict[str, Any]
) -> list[dict[str, Any]]:
    """Lines of `evaluation.jsonl`.

    Args:
        painted: `(sketches, samples, size, size, channels)` in [-1, 1].
        photos: real ones `(n, size, size, channels)`, n at least 2.
        distance: of pairs, with `name` and `facts()`: `gans.features.lpips`.
        seed: of the pairs of real photos.
        record: what else each line is to hold.
    """
    found = diversity(to_uint8(painted), to_uint8(photos), distance, seed)
    facts = {"pairs": found["pairs"], **distance.facts(), **record}
    name = f"diversity_{distance.name}"
    own = {"metric": name, "value": found["diversity"], "reference": found["random_real"]}
    part = {"metric": f"ratio_{distance.name}", "value": found["ratio"], "reference": 1.0}
    return [line | {"reference_is": "random photos"} | facts for line in (own, part)]


def label_scores(
    segmenter: segmentation.Segmenter,
    fakes: Pictures,
    truth: np.ndarray,
    record: dict[str, Any],
) -> list[dict[str, Any]]:
    """Lines of `evaluation.jsonl`; the reference is what real held-out photos get.

    Args:
        segmenter: of the photos that are painted.
        fakes: a photo for each map.
        truth: maps uint8 `(n, size, size)`.
        record: what else each line is to hold.
    """
    painted = np.concatenate(list(fakes.batches()))
    facts = segmenter.facts
    return [
        {
            "metric": f"seg_{name}",
            "value": value,
            "reference": getattr(facts, name),
            "reference_is": "real",
            "n_fake": len(painted),
            "segmenter": facts.dataset,
            **record,
        }
        for name, value in segmenter.scores(painted, truth).items()
    ]


def find_segmenter(
    folder: Path,
    maps: LabelMaps,
    data_dir: str,
    dataset: str,
    photos: Callable[[str], Pictures],
    size: int,
    debug: bool = False,
) -> segmentation.Segmenter:
    """The segmenter of a folder, which is trained if there is none.

    Args:
        folder: where it is kept.
        maps: of the data.
        data_dir: folder of the data.
        dataset: its name.
        photos: real ones of a split, with names.
        size: of the photos.
        debug: show the loss of each epoch.

    Raises `SegmentationError` where the folder holds something else.
    """
    sets = {split: photos(split) for split in ("train", "val")}
    channels = next(sets["val"].batches()).shape[-1]
    wanted = {"image_size": size, "image_channels": channels, "dataset": dataset}
    if segmentation.existing(folder, **wanted):
        print(f"segmenter: {folder}", file=sys.stderr)
        return segmentation.load(folder)
    print(f"training a segmenter of {dataset}, kept in {folder}", file=sys.stderr)
    images = {split: np.concatenate(list(found.batches())) for split, found in sets.items()}
    labels = {
        split: maps.read(data_dir, split, size, list(found.names)) for split, found in sets.items()
    }
    trained = segmentation.train(
        images["train"],
        labels["train"],
        maps.classes,
        (images["val"], labels["val"]),
        dataset,
        verbose=2 if debug else 0,
    )
    trained.save(folder)
    share = trained.facts.pixel_accuracy
    print(f"right for {share:.2%} of the pixels of held-out photos", file=sys.stderr)
    return trained
