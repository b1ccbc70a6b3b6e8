"""What a GAN that starts from noise makes, next to held-out images.

Images are measured as a file would hold them, in 8 bits.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from gans.data.datasets import STACKED_MNIST
from gans.data.images import DataError, to_float, to_uint8
from gans.evaluation.image_sets import BATCH, ImageSet, holds_out, real_images
from gans.evaluation.networks import LabelledImages, Networks
from gans.evaluation.outputs import Outputs
from gans.features.classifier import Classifier, ClassifierError
from gans.metrics.codes import (
    angle_correlation,
    code_correlation,
    code_purity,
    conditional_accuracy,
)
from gans.metrics.hues import NEUTRAL, at_a_distance, dominant_hues, read_colours, read_palette
from gans.metrics.items import item_hue
from gans.metrics.modes import SAMPLES, WITHIN, class_coverage, mode_coverage
from gans.training.run_settings import RunSettings

STACKED_MODES = 1000
# PacGAN's number for stacked MNIST; of other images as many as MNIST's test set has.
STACKED_SAMPLES, IMAGE_SAMPLES = 26_000, 10_000
REAL_IMAGES = 1000  # That samples are compared with as images.


class Generated(Outputs):
    """Samples of a GAN.

    Args:
        gan: as `open_run` gives it.
        run: its settings; the data may have moved.
        networks: finds networks; None: without any.
        record: see `Outputs`.
        samples: how many are drawn. None: as many as the protocol of the data has.
        seed: of the noise.
        real: held-out images `(m, size, size, channels)` in [-1, 1], or None.
        others: as many real images again, from the training split, or None.
        labels: rows of labels of the data `(m, label_dim)`, which are taken in turn where they are
            multi-hot; of one-hot labels all are taken equally often. None: labels are one-hot.
    """

    kind = "noise"

    def __init__(
        self,
        gan: Any,
        run: RunSettings,
        networks: Networks | None = None,
        record: dict[str, Any] | None = None,
        *,
        samples: int | None = None,
        seed: int = 0,
        real: np.ndarray | None = None,
        others: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ):
        data, self.makes_images = run.data, run.data.kind == "images"
        self.stacked = data.dataset == STACKED_MNIST
        protocol = STACKED_SAMPLES if self.stacked else IMAGE_SAMPLES
        samples = samples or (protocol if self.makes_images else SAMPLES)
        super().__init__(networks, record or {}, samples=samples, seed=seed)
        self.gan, self.run, self.samples, self.seed = gan, run, samples, seed
        self.real, self.others, self.labels = real, others, labels
        mixture = (not self.makes_images and data.mixture) or {"centres": (), "sigma": 1.0}
        self.centres, self.sigma = np.asarray(mixture["centres"]), mixture["sigma"]
        self.mode_count = STACKED_MODES if self.stacked else len(self.centres)
        self.channels = run.settings.image_channels
        self.label_names = list(data.label_names or ())
        coloured = self.makes_images and self.channels == 3 and data.folders
        self.palette = read_palette(data.folders[0]) if coloured else []
        hues, neutrals = read_colours(data.folders[0]) if coloured else ([], [])
        self.colour_columns = self._columns_of([*hues, *neutrals])

    def _columns_of(self, colours: list[str]) -> list[int]:
        """Where the colours are among the labels, in the order of the palette; none unless all are.

        A colour that another factor has too is named with "hue" before it.
        """
        names = [f"hue {name}" if f"hue {name}" in self.label_names else name for name in colours]
        known = bool(names) and set(names) <= set(self.label_names)
        return [self.label_names.index(name) for name in names] if known else []

    @classmethod
    def load(cls, gan: Any, run: RunSettings, networks: Networks, step: int) -> list["Generated"]:
        """One, with held-out images, and labels where the GAN takes some.

        Raises `DataError` for data that cannot be used.
        """
        from gans.data import sources

        options, arrays = networks.options, {}
        if run.data.kind == "images":
            arrays["real"] = _first(run, "val", REAL_IMAGES)
            count = len(arrays["real"])
            others = _first(run, "train", count) if holds_out(run.data, run.settings.seed) else ()
            arrays["others"] = others if len(others) == count else None
            if gan.label_dim:
                arrays["labels"] = sources.find(run.data, "held_out")[0].labels
        samples, seed = options.num_fake, options.seed
        made = cls(gan, run, networks, {"step": step}, samples=samples, seed=seed, **arrays)
        if options.classifier:
            # Whether or not a metric needs it.
            made._check(made.classifier.facts)
        return [made]

    @property
    def has_real(self) -> bool:
        """Whether there are images to compare samples with."""
        return self.real is not None and min(len(self.real), self.samples) > 1

    def real_images(self) -> ImageSet:
        """See `Outputs`. Raises `DataError` for held-out ones where none are."""
        split, seed = self.options.split or "train", self.run.settings.seed
        if split == "val" and not holds_out(self.run.data, seed):
            raise DataError("expected held-out images. Received: data with none; --split=train")
        return _real(self.run, split, self.options.num_real)

    # The networks that know the images.

    @property
    def labelled_images(self) -> LabelledImages:
        """See `Outputs`."""
        return LabelledImages(self.run.data, self.run.settings.image_size, self.channels)

    @functools.cached_property
    def classifier(self) -> Classifier | None:
        """Says what an image shows, or which digit is in one channel of stacked ones.

        Raises `ClassifierError` for one of other images or labels.
        """
        if self.options.classifier:
            found = Classifier.load(self.options.classifier)
        elif self.networks is None or not self.makes_images:
            return None
        else:
            images = self.labelled_images
            if self.stacked:
                data = dataclasses.replace(images.data, dataset="mnist", labels=None, flip=False)
                images = dataclasses.replace(images, data=data, image_channels=1)
            found = self.networks.find_classifier(images)
        if found:
            self._check(found.facts)
        return found

    def _check(self, facts: Any):
        size, channels = self.run.settings.image_size, 1 if self.stacked else self.channels
        if not self.makes_images or (facts.image_size, facts.image_channels) != (size, channels):
            made = f"{size} pixels and {channels} channels" if self.makes_images else "points"
            raise ClassifierError(
                f"expected a classifier of what the GAN makes, {made}. Received: one of "
                f"{facts.image_size} pixels and {facts.image_channels} channels"
            )
        if self.stacked and len(facts.classes) != 10:
            raise ClassifierError(
                f"expected a classifier of 10 digits. Received: one of {len(facts.classes)} classes"
            )
        names = enumerate(self.label_names)
        names = [name for index, name in names if index not in self.colour_columns]
        if unknown := [name for name in names if name not in facts.classes]:
            raise ClassifierError(
                "expected a classifier of the run's labels. Received: one that does not know "
                f"{', '.join(map(repr, unknown[:3]))}"
            )

    @property
    def recognises(self) -> bool:
        """Whether it is known what a sample shows."""
        return len(self.centres) > 0 or self.classifier is not None

    @property
    def by_hue(self) -> bool:
        """Whether codes are taken for hues, and not for what a classifier knows."""
        others = bool(self.other_columns) and self.recognises
        return bool(self.palette) and not others and not self.options.classifier

    # What is generated.

    @functools.cached_property
    def z(self) -> np.ndarray:
        """`(samples, latent_dim)`."""
        return self.gan.draw_latents(self.samples, self.seed)

    @functools.cached_property
    def codes(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Categorical codes, one-hot `(samples, k)`, and continuous `(samples, m)`, or None."""
        if not hasattr(self.gan, "split_codes"):
            return None
        _, categorical, continuous = self.gan.split_codes(self.z)
        return np.asarray(categorical), np.asarray(continuous)

    @functools.cached_property
    def wanted(self) -> np.ndarray | None:
        """Labels that samples are made of, `(samples, label_dim)`, or None where there are none.

        Of an InfoGAN that was shown labels (`supervised`) the categorical code is one.
        """
        if self.codes is not None:
            return self.codes[0] if getattr(self.run.settings, "supervised", False) else None
        if not self.gan.label_dim:
            return None
        rows = self.labels
        if rows is None or np.all(np.sum(rows, axis=1) == 1):
            rows = np.eye(self.gan.label_dim)
        return np.asarray(rows, np.float32)[np.arange(self.samples) % len(rows)]

    def _generate(self, z: np.ndarray, part: slice) -> np.ndarray:
        if self.wanted is None or self.codes is not None:
            return np.asarray(self.gan.generate(z[part]))
        return np.asarray(self.gan.generate(z[part], self.wanted[part]))

    def make(self, seed: int) -> ImageSet:
        """See `Outputs`."""
        z = self.z if seed == self.seed else self.gan.draw_latents(self.samples, seed)
        parts = [slice(start, start + BATCH) for start in range(0, self.samples, BATCH)]
        return ImageSet(self.samples, lambda: (to_uint8(self._generate(z, part)) for part in parts))

    @functools.cached_property
    def made(self) -> np.ndarray:
        """Points `(samples, 2)`, or images uint8 `(samples, size, size, channels)`."""
        if self.makes_images:
            return self.make(self.seed).array()
        return self._generate(self.z, slice(None))

    @property
    def compared(self) -> np.ndarray:
        """As many of the images as there are real ones, in [-1, 1]."""
        return to_float(self.made[: len(self.real)])

    # What is found in it.

    def of_each(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """`function` of all images in [-1, 1], a batch at a time."""
        starts = range(0, self.samples, BATCH)
        parts = (to_float(self.made[start : start + BATCH]) for start in starts)
        return np.concatenate([function(part) for part in parts])

    @functools.cached_property
    def found(self) -> np.ndarray:
        """How probable each label is in each sample, `(samples, classes)`: by the classifier, or of
        a point 1 for the mode that it is within 3 sigma of.
        """
        if self.makes_images:
            return self.of_each(self.classifier.predict)
        distances = np.linalg.norm(self.made[:, None] - self.centres, axis=-1) / self.sigma
        nearest = distances == distances.min(axis=1, keepdims=True)
        return (nearest & (distances < WITHIN)).astype(np.float32)

    @functools.cached_property
    def coverage(self) -> dict[str, float]:
        """Of modes; see `gans.metrics.modes`."""
        if not self.stacked:
            return mode_coverage(self.made, self.centres, self.sigma)
        red, green, blue = (
            self.of_each(lambda images, c=c: self.classifier.predict(images[..., c : c + 1]))
            for c in range(3)
        )
        digits = 100 * red.argmax(axis=1) + 10 * green.argmax(axis=1) + blue.argmax(axis=1)
        return class_coverage(digits, STACKED_MODES)

    @functools.cached_property
    def hues(self) -> np.ndarray:
        """Index of the hue of each item, `(samples,)`; `NEUTRAL` where it has none."""
        return self.of_each(lambda images: dominant_hues(images, self.palette))

    @property
    def hues_at_a_distance(self) -> np.ndarray:
        """The same of the images as they are seen from afar."""
        return self.of_each(lambda images: dominant_hues(at_a_distance(images), self.palette))

    @property
    def other_columns(self) -> list[int]:
        """Labels that are no colours of the palette."""
        count = 0 if self.wanted is None else self.wanted.shape[1]
        return sorted(set(range(count)) - set(self.colour_columns))

    def colour_accuracy(self, hues: np.ndarray) -> float:
        """Share of the items that have the hue of their label, or none where it is a neutral.

        Args:
            hues: of the items.
        """
        wanted = self.wanted[:, self.colour_columns]
        some, hue = wanted.any(axis=1), wanted.argmax(axis=1)
        hue[hue >= len(self.palette)] = NEUTRAL
        return float(np.mean(hue[some] == hues[some])) if some.any() else float("nan")

    def label_accuracy(self) -> float:
        """By `conditional_accuracy`, of the labels that are no colours."""
        columns = known = self.other_columns
        if self.makes_images and self.label_names:
            classes = self.classifier.facts.classes
            known = [classes.index(self.label_names[column]) for column in columns]
        return conditional_accuracy(self.wanted[:, columns], self.found[:, known])

    def code_purity(self, one_to_one: bool) -> float:
        """Of the categorical code: by the hue, by the classifier, or by the mode of a point."""
        if self.by_hue:
            classes = np.where(self.hues == NEUTRAL, len(self.palette), self.hues)
        else:
            # Points that are in no mode are of the class after the last.
            none = [] if self.makes_images else [~self.found.any(axis=1, keepdims=True)]
            classes = np.concatenate([self.found, *none], axis=1).argmax(axis=1)
        return code_purity(self.codes[0].argmax(axis=1), classes, one_to_one)

    def class_count(self) -> int:
        """How many classes `code_purity` knows."""
        return len(self.palette) + 1 if self.by_hue else self.found.shape[1]

    def code_correlations(self, factor: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Of each continuous code with what `factor` measures of images, `(m,)`."""
        values = self.of_each(factor)
        if factor is item_hue:
            return angle_correlation(self.codes[1], values)
        return code_correlation(self.codes[1], values[:, np.newaxis])[:, 0]


def _real(run: RunSettings, split: str, limit: int | None) -> ImageSet:
    s = run.settings
    return real_images(run.data, split, s.image_size, (s.image_channels,), limit, seed=s.seed)[0]


def _first(run: RunSettings, split: str, limit: int) -> np.ndarray:
    return to_float(_real(run, split, limit).array())
