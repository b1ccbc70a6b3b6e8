"""What is measured of GANs that begin with noise: modes, labels, codes, and how real it looks.

    modes            modes of the mixture that are met, or of stacked MNIST's 1,000    modes
    high_quality     share of the points within 3 sigma of a mode                      mixture
    reverse_kl       how unevenly the modes are met, in nats: 0 is evenly              modes
    colour_accuracy  share of the items that have the colour that was asked for        labels, toy
    colour_far       the same of what is seen from afar: tinted single pixels are gone labels, toy
    label_accuracy   share of the other labels asked for that are found                labels
    code_purity      share of the samples of the class that their code stands for      codes
    code_classes     the same where no two codes may stand for one class               codes
    code_slant       rank correlation with the slant of a digit's stroke, of the       codes, grey
                     continuous code that has the highest
    code_thickness   the same with its thickness                                       codes, grey
    code_size        the same with the size of an item                                 codes, toy
    code_brightness  the same with its brightness                                      codes, toy
    code_hue         multiple correlation with its hue, an angle                       codes, toy
    realism          sliced Wasserstein distance to real images, x 1000; 0 is best     images
    sharpness        gradient energy, as a part of that of real images                 images
    diversity        mean |difference| of samples, as a part of that of real images    images

`measure` is what TensorBoard shows while training; `scripts/evaluate.py` prints the same of more
samples. The GAN is known by what it can be asked for: `generate(z[, labels])`, `draw_latents(count,
seed)`, `data`, `label_dim`, and of InfoGAN `split_codes(z)`. Pictures are measured as a file would
hold them, in 8 bits.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gans.data.images import to_float, to_uint8
from gans.metrics import items
from gans.metrics.codes import (
    angle_correlation,
    code_correlation,
    code_purity,
    conditional_accuracy,
)
from gans.metrics.diversity import random_pair_distance
from gans.metrics.hues import NEUTRAL, at_a_distance, dominant_hues, read_colours, read_palette
from gans.metrics.metric import Metric, missing
from gans.metrics.modes import SAMPLES, WITHIN, class_coverage, mode_coverage
from gans.metrics.pixels import gradient_energy
from gans.metrics.realism import sliced_wasserstein

STACKED = "stacked_mnist"
STACKED_MODES = 1000
# PacGAN's numbers for points and for stacked MNIST; of others as many as MNIST's test set has.
STACKED_SAMPLES, IMAGE_SAMPLES = 26_000, 10_000
TRAINING_SAMPLES = 500
CHUNK = 250  # Pictures that are looked at in one go.


def default_samples(gan: Any, settings: dict[str, Any]) -> int:
    """How many samples a measurement takes where nothing else is said."""
    if gan.data == "points":
        return SAMPLES
    return STACKED_SAMPLES if settings.get("dataset") == STACKED else IMAGE_SAMPLES


def measure(
    gan: Any,
    settings: dict[str, Any],
    samples: int | None = None,
    classifier: Any = None,
    *,
    asked: np.ndarray | None = None,
    real: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, float]:
    """All that can be measured of the GAN, by the names of this module's docstring.

    Args:
        gan: see above.
        settings: of its run: dataset, data_dir, label_names and mixture, where they are there.
        samples: how many are drawn. Default: `default_samples`.
        classifier: of single pictures with the labels of the run, or of the digits of which three
            are stacked. Without, what needs one is left out.
        asked: rows of labels `(m, label_dim)` of the data, taken in turn where they are multi-hot;
            one-hot labels are asked for equally often. Default: labels are one-hot.
        real: held-out images `(m, size, size, channels)` in [-1, 1]. Without, what needs them is
            left out.
        seed: of the noise.

    Raises `ValueError` for a classifier of other pictures or labels.
    """
    generated = Generated(gan, settings, samples, classifier, asked, real, seed=seed)
    lacks = missing(METRICS, generated.facts())
    return {name: float(METRICS[name].value(generated)) for name in METRICS if not lacks[name]}


def measure_while_training(
    gan: Any, settings: dict[str, Any], preview: tuple[np.ndarray, ...]
) -> dict[str, float]:
    """What `measure` says of few samples and without a classifier: seconds at the most.

    Args:
        gan, settings: as in `measure`.
        preview: held-out images and, where there are some, their labels, as sample grids are made
            of; of points anything.
    """
    if gan.data == "points":
        return measure(gan, settings)
    real, *labels = preview
    asked = labels[0] if labels else None
    return measure(gan, settings, TRAINING_SAMPLES, asked=asked, real=real)


@dataclass
class Generated:
    """What a GAN makes of noise; each part is made when it is asked for.

    Attributes:
        gan, settings, samples, classifier, asked, real, seed: as in `measure`.
        others: as many real images again, from the training split, to compare `real` with.
    """

    gan: Any
    settings: dict[str, Any]
    samples: int | None = None
    classifier: Any = None
    asked: np.ndarray | None = None
    real: np.ndarray | None = None
    others: np.ndarray | None = None
    seed: int = 0

    def __post_init__(self):
        self.samples = self.samples or default_samples(self.gan, self.settings)
        self.label_names = list(self.settings.get("label_names") or ())
        folder = Path(self.settings.get("data_dir") or "no folder")
        coloured = self.gan.data == "images" and self.gan.image_channels == 3
        self.palette = read_palette(folder) if coloured else []
        hues, neutrals = read_colours(folder) if coloured else ([], [])
        self.neutrals = len(neutrals)
        self.colour_columns = self._columns_of([*hues, *neutrals])
        self.stacked = self.settings.get("dataset") == STACKED and self.gan.data == "images"
        self._check_classifier()

    def _columns_of(self, colours: list[str]) -> list[int]:
        """Where the colours are among the labels, in the order of the palette; none unless all are.

        A colour that another factor has too is named with "hue" before it.
        """
        names = [f"hue {name}" if f"hue {name}" in self.label_names else name for name in colours]
        known = bool(names) and set(names) <= set(self.label_names)
        return [self.label_names.index(name) for name in names] if known else []

    def _check_classifier(self):
        if self.classifier is None:
            return
        facts = self.classifier.facts
        channels = 1 if self.stacked else self.gan.image_channels
        if self.gan.data != "images" or (facts.image_size, facts.image_channels) != (
            self.gan.image_size,
            channels,
        ):
            made = (
                f"{self.gan.image_size} pixels and {channels} channels"
                if self.gan.data == "images"
                else "no pictures but points"
            )
            raise ValueError(
                f"expected a classifier of pictures as the GAN makes them, {made}. Received: one "
                f"of {facts.image_size} pixels and {facts.image_channels} channels"
            )
        if self.stacked and len(facts.classes) != 10:
            raise ValueError(
                f"expected a classifier of 10 digits. Received: one of {len(facts.classes)} classes"
            )
        lacking = [
            name
            for index, name in enumerate(self.label_names)
            if name not in facts.classes and index not in self.colour_columns
        ]
        if lacking:
            raise ValueError(
                "expected a classifier of the run's labels. Received: one that does not know "
                f"{', '.join(map(repr, lacking[:3]))}"
            )

    def facts(self) -> dict[str, bool]:
        """What there is of all that a metric may need; see `ABSENCES`."""
        images, mixture = self.gan.data == "images", bool(self.settings.get("mixture"))
        recognised = self.classifier is not None or (mixture and not images)
        return {
            "images": images,
            "mixture": mixture and not images,
            "modes": self.stacked or (mixture and not images),
            "labels": self.wanted is not None,
            "colours": bool(self.colour_columns),
            "other labels": bool(self.other_columns),
            "recognised": recognised,
            "codes": self.codes is not None,
            "classes": recognised or bool(self.palette),
            "strokes": images and self.gan.image_channels == 1,
            "palette": bool(self.palette),
            "real": images and self.real is not None and min(len(self.real), self.samples) > 1,
        }

    @functools.cached_property
    def z(self) -> np.ndarray:
        """`(samples, latent_dim)`."""
        return self.gan.draw_latents(self.samples, self.seed)

    @functools.cached_property
    def codes(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Categorical codes `(samples,)` and continuous ones `(samples, k)`, or None."""
        if not hasattr(self.gan, "split_codes"):
            return None
        _, categorical, continuous = self.gan.split_codes(self.z)
        return np.argmax(categorical, axis=1), np.asarray(continuous)

    @functools.cached_property
    def wanted(self) -> np.ndarray | None:
        """Labels that are asked for, `(samples, label_dim)`, or None where the GAN takes none.

        Of an InfoGAN that was shown labels (`supervised`) the categorical code is one.
        """
        if self.codes is not None:
            _, categorical, _ = self.gan.split_codes(self.z)
            return np.asarray(categorical) if getattr(self.gan, "supervised", False) else None
        if not self.gan.label_dim:
            return None
        rows = self.asked
        if rows is None or np.all(np.sum(rows, axis=1) == 1):
            rows = np.eye(self.gan.label_dim)
        return np.asarray(rows, np.float32)[np.arange(self.samples) % len(rows)]

    @functools.cached_property
    def made(self) -> np.ndarray:
        """Points `(samples, 2)`, or images uint8 `(samples, size, size, channels)`."""
        if self.gan.data == "points":
            return self._generate(slice(None))
        return np.concatenate([self.pictures(part) for part in self._parts()])

    def pictures(self, part: slice) -> np.ndarray:
        """Images uint8 `(n, size, size, channels)` of a part of the noise."""
        return to_uint8(self._generate(part))

    def _generate(self, part: slice) -> np.ndarray:
        if self.wanted is None or self.codes is not None:
            return np.asarray(self.gan.generate(self.z[part]))
        return np.asarray(self.gan.generate(self.z[part], self.wanted[part]))

    def _parts(self) -> list[slice]:
        return [slice(start, start + CHUNK) for start in range(0, self.samples, CHUNK)]

    def _of_each(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """`function` of all images in [-1, 1], in parts."""
        return np.concatenate([function(to_float(self.made[part])) for part in self._parts()])

    @functools.cached_property
    def found(self) -> np.ndarray:
        """How probable each label is in each sample, `(samples, classes)`: by the classifier, or of
        a point 1 for the mode that it is within 3 sigma of.
        """
        if self.gan.data == "images":
            return self._of_each(self.classifier.predict)
        centres, sigma = (np.asarray(self.settings["mixture"][k]) for k in ("centres", "sigma"))
        distances = np.linalg.norm(self.made[:, None] - centres, axis=-1) / sigma
        nearest = distances == distances.min(axis=1, keepdims=True)
        return (nearest & (distances < WITHIN)).astype(np.float32)

    @functools.cached_property
    def hues(self) -> np.ndarray:
        """Index of the hue of each item, `(samples,)`; `NEUTRAL` where it has none."""
        return self._of_each(lambda images: dominant_hues(images, self.palette))

    @functools.cached_property
    def hues_at_a_distance(self) -> np.ndarray:
        """The same of the pictures as they are seen from afar."""
        return self._of_each(lambda images: dominant_hues(at_a_distance(images), self.palette))

    @functools.cached_property
    def coverage(self) -> dict[str, float]:
        """Of modes; see `gans.metrics.modes`."""
        if self.stacked:
            digits = [
                self._of_each(lambda images, c=c: self.classifier.predict(images[..., c : c + 1]))
                for c in range(3)
            ]
            red, green, blue = (np.argmax(digit, axis=1) for digit in digits)
            return class_coverage(100 * red + 10 * green + blue, STACKED_MODES)
        mixture = self.settings["mixture"]
        return mode_coverage(self.made, np.asarray(mixture["centres"]), mixture["sigma"])

    @property
    def mode_count(self) -> int:
        """Of the data."""
        return STACKED_MODES if self.stacked else len(self.settings["mixture"]["centres"])

    @property
    def other_columns(self) -> list[int]:
        """Labels that are no colours of the palette."""
        count = 0 if self.wanted is None else self.wanted.shape[1]
        return sorted(set(range(count)) - set(self.colour_columns))

    def colour_accuracy(self, hues: np.ndarray) -> float:
        """Share of the items that have the hue asked for, or none where a neutral colour was."""
        asked = self.wanted[:, self.colour_columns]
        some = asked.any(axis=1)
        hue = asked.argmax(axis=1)
        hue[hue >= len(self.palette)] = NEUTRAL
        return float(np.mean(hue[some] == hues[some])) if some.any() else float("nan")

    def label_accuracy(self) -> float:
        """By `conditional_accuracy`, of the labels that are no colours."""
        columns = self.other_columns
        if self.classifier is None or not self.label_names:
            return conditional_accuracy(self.wanted[:, columns], self.found[:, columns])
        classes = self.classifier.facts.classes
        known = [classes.index(self.label_names[column]) for column in columns]
        return conditional_accuracy(self.wanted[:, columns], self.found[:, known])

    def purity(self, one_to_one: bool) -> float:
        """Of the categorical code: by the classifier, the mode of a point, or else the hue."""
        if self.classifier is not None:
            classes = self.found.argmax(axis=1)
        elif self.gan.data == "points":
            # The class after the last is that of points that are in no mode.
            none = ~self.found.any(axis=1, keepdims=True)
            classes = np.concatenate([self.found, none], axis=1).argmax(axis=1)
        else:
            classes = np.where(self.hues == NEUTRAL, len(self.palette), self.hues)
        return code_purity(self.codes[0], classes, one_to_one)

    def class_count(self) -> int:
        """How many classes `purity` knows."""
        if self.classifier is not None or self.gan.data == "points":
            return self.found.shape[1]
        return len(self.palette) + 1

    def correlation(self, factor: Callable[[np.ndarray], np.ndarray]) -> float:
        """The largest over the continuous codes."""
        return self.code_correlations(factor).max(initial=0.0)

    def code_correlations(self, factor: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Of each continuous code with a factor, `(k,)`."""
        values = self._of_each(factor)
        if factor is items.item_hue:
            return angle_correlation(self.codes[1], values)
        return code_correlation(self.codes[1], values[:, np.newaxis])[:, 0]

    def compared(self) -> np.ndarray:
        """As many of the images as there are real ones, in [-1, 1]."""
        return to_float(self.made[: len(self.real)])

    def realism(self, images: np.ndarray | None) -> float:
        """Distance of the images to as many real ones; NaN where there are fewer than two."""
        count = min(len(self.real), 0 if images is None else len(images))
        if count < 2:
            return float("nan")
        return sliced_wasserstein(self.real[:count], images[:count], self.seed)["mean"]


# What a metric may need, in the words for its absence.
ABSENCES = {
    "images": "the GAN makes points",
    "mixture": "the data is no mixture of Gaussians",
    "modes": "the data has no known modes",
    "labels": "the GAN takes no labels",
    "colours": "the labels are no colours of a palette.json",
    "other labels": "the labels are colours",
    "recognised": "there is no classifier of these pictures",
    "codes": "the GAN has no codes",
    "classes": "there is no classifier of these pictures",
    "strokes": "the pictures are not grey",
    "palette": "the data has no readable palette.json",
    "real": "there are no held-out images",
}
# Those that the data or a flag could mend; the others belong to the GAN.
TOLD = ("recognised", "classes", "real")


def _part(value: float, whole: float) -> float:
    """NaN where the real images are flat, or all the same."""
    return value / whole if whole else float("nan")


def _correlated(factor: Callable[[np.ndarray], np.ndarray], kind: str) -> Metric:
    return Metric(lambda g: g.correlation(factor), ("codes", kind), "chance", lambda g: 0.0)


METRICS = {
    "modes": Metric(
        lambda g: g.coverage["modes"], ("modes", "recognised"), "all", lambda g: g.mode_count
    ),
    "high_quality": Metric(
        # Of a Gaussian in the plane: 1 - exp(-r^2 / 2).
        lambda g: g.coverage["high_quality"],
        ("mixture",),
        "real",
        lambda g: 1 - np.exp(-(WITHIN**2) / 2),
    ),
    "reverse_kl": Metric(
        lambda g: g.coverage["reverse_kl"], ("modes", "recognised"), "even", lambda g: 0.0
    ),
    "colour_accuracy": Metric(
        lambda g: g.colour_accuracy(g.hues),
        ("labels", "colours"),
        "chance",
        lambda g: 1 / len(g.colour_columns),
    ),
    "colour_far": Metric(
        lambda g: g.colour_accuracy(g.hues_at_a_distance),
        ("labels", "colours"),
        "chance",
        lambda g: 1 / len(g.colour_columns),
    ),
    "label_accuracy": Metric(
        Generated.label_accuracy,
        ("labels", "other labels", "recognised"),
        "real",
        lambda g: g.classifier.facts.accuracy if g.classifier else 1 - np.exp(-(WITHIN**2) / 2),
    ),
    "code_purity": Metric(
        lambda g: g.purity(one_to_one=False),
        ("codes", "classes"),
        "chance",
        lambda g: 1 / g.class_count(),
    ),
    "code_classes": Metric(
        lambda g: g.purity(one_to_one=True),
        ("codes", "classes"),
        "chance",
        lambda g: 1 / g.class_count(),
    ),
    "code_slant": _correlated(items.slant, "strokes"),
    "code_thickness": _correlated(items.thickness, "strokes"),
    "code_size": _correlated(items.item_size, "palette"),
    "code_brightness": _correlated(items.item_brightness, "palette"),
    "code_hue": _correlated(items.item_hue, "palette"),
    "realism": Metric(
        lambda g: g.realism(g.compared()), ("images", "real"), "real", lambda g: g.realism(g.others)
    ),
    "sharpness": Metric(
        lambda g: _part(gradient_energy(g.compared()), gradient_energy(g.real)),
        ("images", "real"),
        "real",
        lambda g: 1.0,
    ),
    "diversity": Metric(
        lambda g: _part(
            random_pair_distance(g.compared(), g.seed), random_pair_distance(g.real, g.seed)
        ),
        ("images", "real"),
        "real",
        lambda g: 1.0,
    ),
}
