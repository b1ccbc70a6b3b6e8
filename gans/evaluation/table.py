"""Every metric in one table: what it needs, what its value is, what that is compared with, and what
is better. The command `evaluate`, the numbers that are shown while a GAN trains, and the
comparisons of variants all measure by it.

A metric is a function of what a GAN makes and of real images: `Generated` (g) of a GAN that starts
from noise, `Translated` (t) of one that translates, `Outputs` (o) of any, two folders among them.
The real images are held out; those that features are compared with are the ones that `split` says.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gans.command_line.errors import UsageError
from gans.evaluation.feature_comparison import PRDC, Measured
from gans.evaluation.outputs import Outputs, part
from gans.features.extractors import metric_name
from gans.metrics import items
from gans.metrics.codes import NO_INFORMATION, recovery_error
from gans.metrics.diversity import pairwise_distance, random_pair_distance
from gans.metrics.hues import effective_hues, hue_carried, hue_kept, hues_per_sketch
from gans.metrics.items import mask_iou
from gans.metrics.modes import WITHIN
from gans.metrics.pixels import gradient_energy, mean_absolute
from gans.metrics.realism import sliced_wasserstein

# Kinds of outputs: of a GAN from noise, of one trained on pairs or on two domains, or two folders.
NOISE, PAIRS, DOMAINS = ("noise",), ("pairs",), ("domains",)
TRANSLATION = PAIRS + DOMAINS
GANS = NOISE + TRANSLATION
ALL = (*GANS, "folders")

# Words that stand for several metrics.
GROUPS = {
    "prdc": PRDC,
    "perceptual": ("perceptual_diversity", "perceptual_ratio"),
    "label_scores": ("seg_pixel_accuracy", "seg_class_accuracy", "seg_class_iou"),
}
# What has another name by Inception's features.
BY_INCEPTION = {"fid": "fd", "kid": "kd", "inception_score": "is"}


@dataclass(frozen=True)
class Metric:
    """A row of the table.

    Attributes:
        name: of the metric; without the network by whose features it is measured.
        of: kinds of outputs that have it.
        needs: keys of `NEEDS`, all of which must hold, checked in this order.
        better: higher, lower, or near the reference.
        compared_with: what the reference is, in a word or two.
        value: of the outputs; `Measured` where it has facts of its own.
        reference: of the outputs; NaN where there is none.
        meaning: what it is.
    """

    name: str
    of: tuple[str, ...]
    needs: tuple[str, ...]
    better: Literal["higher", "lower", "near"]
    compared_with: str
    value: Callable[[Any], float | Measured]
    reference: Callable[[Any], float]
    meaning: str


@dataclass(frozen=True)
class Need:
    """What a metric may need.

    Attributes:
        holds: whether the outputs have it.
        absence: the words for its absence.
        told: whether its absence is told where all metrics are measured: the data or a flag could
            mend it. The others belong to the GAN.
    """

    holds: Callable[[Any], bool]
    absence: str
    told: bool = False


NO_CLASSIFIER = "there is no classifier of these images"
NO_PALETTE = "the data has no readable palette.json"
# fmt: off
NEEDS = {
    "images": Need(lambda o: o.makes_images, "the GAN makes points"),
    "real": Need(lambda o: o.has_real, "there are no held-out images", told=True),
    # Of GANs that start from noise.
    "mixture": Need(lambda g: len(g.centres) > 0, "the data is no mixture of Gaussians"),
    "modes": Need(lambda g: g.mode_count > 0, "the data has no known modes"),
    "labels": Need(lambda g: g.wanted is not None, "the GAN takes no labels"),
    "colours": Need(lambda g: bool(g.colour_columns), "the labels are no colours of a palette"),
    "other labels": Need(lambda g: bool(g.other_columns), "the labels are colours"),
    "codes": Need(lambda g: g.codes is not None, "the GAN has no codes"),
    "strokes": Need(lambda g: g.makes_images and g.channels == 1, "the images are not grey"),
    "items": Need(lambda g: bool(g.palette), NO_PALETTE),
    "recognised": Need(lambda g: g.recognises, NO_CLASSIFIER, told=True),
    "classes": Need(lambda g: g.by_hue or g.recognises, NO_CLASSIFIER, told=True),
    # Of GANs that translate.
    "palette": Need(lambda t: bool(t.palette), NO_PALETTE, told=True),
    "colour": Need(lambda t: t.has_colour, "what is made are no colour photos", told=True),
    "encoder": Need(lambda t: hasattr(t.gan, "encode"), "the GAN has no encoder"),
    "both ways": Need(lambda t: t.gan.generator_ba is not None, "the GAN has no generator_ba"),
    "several images": Need(lambda t: len(t.sources) > 1, "there is only one held-out image", True),
    "several samples": Need(lambda t: t.samples > 1, "--samples=1 leaves nothing to compare", True),
    "partners": Need(lambda t: not t.run.data.two_sources, "images of the domains are no pairs"),
    "two photos": Need(lambda t: t.run.data.two_sources, "the domains are not both photos"),
    "noise": Need(lambda t: t.varies, "the GAN makes one image of each sketch", told=True),
    "distance": Need(lambda t: t.distance is not None, "there is neither --lpips nor a classifier "
                     "of what is made", told=True),
    "known parts": Need(lambda t: t.has_known_parts, "the parts of what is made are not known",
                        told=True),
    # Of features.
    "networks": Need(lambda o: o.uses_networks, "networks are left out. Received: --extractor=off"),
    "photos": Need(lambda o: o.is_known, "own is a classifier of photos, and sketches are made; "
                   "see --extractor", told=True),
    "features": Need(lambda o: o.features is not None, "the data has no labels for a classifier to "
                     "learn from; see --extractor", told=True),
    "enough": Need(lambda o: o.features.can_measure("recall"), "there are too few images"),
    "exclusive": Need(lambda o: o.features.can_measure("is"), "there are too few samples, or the "
                      "classes do not exclude each other"),
}


def _of_features(name: str, better: str, meaning: str, *more: str) -> Metric:
    needs = ("images", "networks", "photos", "features", *more)
    return Metric(name, ALL, needs, better, "real", lambda o: o.features.measure(name),
                  lambda o: o.features.reference(name), meaning)


def _of_code(name: str, kind: str, factor: Callable, meaning: str) -> Metric:
    return Metric(name, NOISE, ("codes", kind), "higher", "chance",
                  lambda g: g.code_correlations(factor).max(initial=0.0), lambda g: 0.0, meaning)


def _of_parts(name: str, meaning: str) -> Metric:
    needs = ("networks", "partners", "photos", "known parts")
    return Metric(f"seg_{name}", TRANSLATION, needs, "higher", "real",
                  lambda t: t.label_score(name), lambda t: t.label_score_of_real(name), meaning)


def _realism(o: Outputs, images: np.ndarray | None) -> float:
    """Distance of images to as many real ones; NaN where there are none."""
    count = min(len(o.real), 0 if images is None else len(images))
    if not count:
        return float("nan")
    return sliced_wasserstein(o.real[:count], images[:count], o.seed)["mean"]


# Of a Gaussian in the plane.
_HIGH_QUALITY = 1 - np.exp(-(WITHIN**2) / 2)

METRICS = (
    # Of points and of labels.
    Metric("modes", NOISE, ("modes", "recognised"), "higher", "all",
           lambda g: g.coverage["modes"], lambda g: g.mode_count,
           "modes of the mixture, or of stacked MNIST's 1,000, that have a sample"),
    Metric("high_quality", NOISE, ("mixture",), "higher", "real",
           lambda g: g.coverage["high_quality"], lambda g: _HIGH_QUALITY,
           "share of the points within 3 sigma of a mode"),
    Metric("reverse_kl", NOISE, ("modes", "recognised"), "lower", "even",
           lambda g: g.coverage["reverse_kl"], lambda g: 0.0,
           "how unevenly samples fall on the modes, in nats: 0 is evenly"),
    Metric("colour_accuracy", NOISE, ("labels", "colours"), "higher", "chance",
           lambda g: g.colour_accuracy(g.hues), lambda g: 1 / len(g.colour_columns),
           "share of the items of toy fashion that have the colour of their label"),
    Metric("colour_far", NOISE, ("labels", "colours"), "higher", "chance",
           lambda g: g.colour_accuracy(g.hues_at_a_distance), lambda g: 1 / len(g.colour_columns),
           "the same of what is seen from afar, where tinted single pixels are gone"),
    Metric("label_accuracy", NOISE, ("labels", "other labels", "recognised"), "higher", "real",
           lambda g: g.label_accuracy(),
           lambda g: g.classifier.facts.accuracy if g.makes_images else _HIGH_QUALITY,
           "share of the other labels that a classifier finds in the samples"),
    # Of InfoGAN's codes.
    Metric("code_purity", NOISE, ("codes", "classes"), "higher", "chance",
           lambda g: g.code_purity(one_to_one=False), lambda g: 1 / g.class_count(),
           "share of the samples of the class that their code stands for"),
    Metric("code_classes", NOISE, ("codes", "classes"), "higher", "chance",
           lambda g: g.code_purity(one_to_one=True), lambda g: 1 / g.class_count(),
           "the same where no two codes may stand for one class"),
    _of_code("code_slant", "strokes", items.slant, "rank correlation with the slant of a digit's "
             "stroke, of the continuous code that has the highest"),
    _of_code("code_thickness", "strokes", items.thickness, "the same with its thickness"),
    _of_code("code_size", "items", items.item_size, "the same with the size of an item"),
    _of_code("code_brightness", "items", items.item_brightness, "the same with its brightness"),
    _of_code("code_hue", "items", items.item_hue, "multiple correlation with its hue, an angle"),
    # Of images next to real ones.
    Metric("photo_error", PAIRS, ("several images",), "lower", "another photo",
           lambda t: t.mean(lambda draw: mean_absolute(t.made[:, draw], t.targets)),
           lambda t: random_pair_distance(t.targets, t.seed),
           "mean |made - photo| over the samples of each sketch"),
    Metric("sharpness", GANS, ("images", "real"), "near", "real",
           lambda o: part(gradient_energy(o.compared), gradient_energy(o.real)), lambda o: 1.0,
           "gradient energy, as a part of that of real images"),
    Metric("realism", GANS, ("images", "real"), "lower", "real",
           lambda o: _realism(o, o.compared), lambda o: _realism(o, o.others),
           "sliced Wasserstein distance to real images, x 1000; 0 is best"),
    Metric("diversity", NOISE, ("images", "real"), "near", "real",
           lambda g: part(random_pair_distance(g.compared, g.seed),
                          random_pair_distance(g.real, g.seed)), lambda g: 1.0,
           "mean |difference| of samples, as a part of that of real images"),
    Metric("diversity", PAIRS, ("several samples", "several images"), "higher", "random photos",
           lambda t: pairwise_distance(t.made), lambda t: random_pair_distance(t.targets, t.seed),
           "mean |difference| between consecutive samples of one sketch"),
    Metric("diversity_ratio", PAIRS, ("several samples", "several images"), "higher",
           "random photos", lambda t: part(pairwise_distance(t.made),
                                           random_pair_distance(t.targets, t.seed)), lambda t: 1.0,
           "the same as a part of that between random real photos"),
    Metric("hues_per_sketch", PAIRS, ("palette", "colour"), "higher", "all",
           lambda t: hues_per_sketch(t.made, t.palette), lambda t: len(t.palette),
           "of the hues of toy fashion, how many appear among the samples of one sketch"),
    Metric("hue_kept", PAIRS, ("encoder", "palette", "colour"), "higher", "chance",
           lambda t: hue_kept(t.targets, t.reconstructions, t.palette),
           lambda t: 1 / len(t.palette),
           "share of the photos whose hue survives the encoder and the generator"),
    Metric("reconstruction", PAIRS, ("encoder", "several images"), "lower", "another photo",
           lambda t: mean_absolute(t.reconstructions, t.targets),
           lambda t: random_pair_distance(t.targets, t.seed),
           "mean |photo - what the generator makes of its own encoded style|"),
    Metric("latent_error", PAIRS, ("encoder",), "lower", "no information",
           lambda t: t.mean(lambda draw: recovery_error(t.z(draw), t.gan.encode(t.made[:, draw]))),
           lambda t: NO_INFORMATION,
           "mean |E(G(A, z)) - z|: 0 is perfect, 0.80 is no information"),
    Metric("cycle_error", DOMAINS, ("both ways", "several images"), "lower", "another image",
           lambda t: mean_absolute(t.sources, t.reconstructions),
           lambda t: random_pair_distance(t.sources, t.seed),
           "mean |image - what comes back of it|"),
    Metric("outline_iou", DOMAINS, ("palette", "partners"), "higher", "sketch and photo",
           lambda t: mask_iou(t.compared, t.targets), lambda t: mask_iou(t.sources, t.targets),
           "overlap of the outline of what is made with that of the image's partner"),
    Metric("hue_carried", DOMAINS, ("palette", "two photos", "colour"), "higher", "chance",
           lambda t: hue_carried(t.sources, t.compared, t.palette)["same_or_next"],
           lambda t: 3 / len(t.palette),
           "share of the coloured photos whose translation has the same or the next hue"),
    Metric("hue_carried_same", DOMAINS, ("palette", "two photos", "colour"), "higher", "chance",
           lambda t: hue_carried(t.sources, t.compared, t.palette)["same"],
           lambda t: 1 / len(t.palette), "the same hue only"),
    Metric("hues_used", DOMAINS, ("palette", "two photos", "colour"), "higher", "real",
           lambda t: effective_hues(t.compared, t.palette),
           lambda t: effective_hues(t.targets, t.palette),
           "how many hues the translations use, by entropy: 1 is collapse"),
    # Of features.
    _of_features("fd", "lower", "Frechet distance: FID by Inception's features; 0 is best"),
    _of_features("kd", "lower", "kernel distance: KID by Inception's; 0 is best, less is chance"),
    _of_features("is", "higher", "Inception Score by the classes of the network: quality and "
                 "diversity in one number", "exclusive"),
    _of_features("precision", "higher", "share of the samples that lie where real images do: "
                 "quality", "enough"),
    _of_features("density", "higher", "how closely real images lie about the samples: quality; of "
                 "real ones it is 1", "enough"),
    _of_features("recall", "higher", "share of the real images that lie where samples do: "
                 "diversity", "enough"),
    _of_features("coverage", "higher", "share of the real images that have a sample near by: "
                 "diversity", "enough"),
    _of_features("spacing", "higher", "how far a sample lies from its nearest, as a part of the "
                 "same of as many real images: far below 1 samples repeat"),
    # Of what networks find in translations.
    Metric("perceptual_diversity", TRANSLATION,
           ("networks", "noise", "several samples", "several images", "distance"),
           "higher", "random photos", lambda t: t.learned_diversity("diversity"),
           lambda t: t.learned_diversity("random_real").value,
           "mean distance between consecutive samples of one sketch (Zhu et al. 2017, section 5.2),"
           " as diversity_lpips_alex, or by the features of a classifier as diversity_pd_toy"),
    Metric("perceptual_ratio", TRANSLATION,
           ("networks", "noise", "several samples", "several images", "distance"),
           "higher", "random photos", lambda t: t.learned_diversity("ratio"), lambda t: 1.0,
           "the same as a part of that between random real photos, as ratio_lpips_alex"),
    _of_parts("pixel_accuracy", "share of the pixels that a segmenter of toy fashion finds to show "
              "what the sketch says, as pix2pix's FCN-score (Isola et al. 2017, section 4.1)"),
    _of_parts("class_accuracy", "mean share of the pixels of each part"),
    _of_parts("class_iou", "mean intersection over union of the parts"),
)
# fmt: on
FEATURES = tuple(metric.name for metric in METRICS if "features" in metric.needs)


def find(name: str, kind: str) -> Metric | None:
    """The metric of a kind of outputs by its name, also by the one that it has in the results:
    fid, fd_toy, diversity_lpips_alex.
    """
    first = name.partition("_")[0]
    others = {"diversity": "perceptual_diversity", "ratio": "perceptual_ratio"}
    others |= {name: name for name in FEATURES}
    rows = {metric.name: metric for metric in METRICS if kind in metric.of}
    names = (name, BY_INCEPTION.get(name), others.get(first))
    return next((rows[name] for name in names if name in rows), None)


def resolve(names: Sequence[str], kind: str) -> list[Metric]:
    """The metrics of the names, each once; a group stands for all of its own.

    Raises `UsageError` for a name that is none of the kind's.
    """
    found = {}
    for name in names:
        for one in GROUPS.get(name, (name,)):
            metric = find(one, kind)
            if metric is None:
                known = [metric.name for metric in METRICS if kind in metric.of]
                groups = [group for group, of in GROUPS.items() if find(of[0], kind)]
                raise UsageError(
                    f"--metrics expects some of {', '.join([*known, *groups, *BY_INCEPTION])}. "
                    f"Received: {name}"
                )
            found[metric.name] = metric
    return list(found.values())


def lacking(metric: Metric, outputs: Outputs) -> Need | None:
    """The first need of a metric that the outputs do not meet; None: it can be measured."""
    return next((NEEDS[need] for need in metric.needs if not NEEDS[need].holds(outputs)), None)


def choose(outputs: Outputs, wanted: Sequence[Metric] | None) -> list[Metric]:
    """The metrics that can be measured. Says on stderr which the data stands in the way of, and
    why.

    Args:
        outputs: what is measured.
        wanted: metrics of its kind, or None for all.

    Raises `UsageError` where one of `wanted` cannot be measured.
    """
    chosen, left_out = [], {}
    everything = [metric for metric in METRICS if outputs.kind in metric.of]
    for metric in everything if wanted is None else wanted:
        need = lacking(metric, outputs)
        if need is None:
            chosen.append(metric)
        elif wanted is not None:
            raise UsageError(f"--metrics: {metric.name} cannot be measured, since {need.absence}")
        elif need.told:
            left_out.setdefault(need.absence, []).append(metric.name)
    for absence, names in left_out.items():
        print(f"left out, since {absence}: {', '.join(names)}", file=sys.stderr)
    return chosen


def measure(metric: Metric, outputs: Outputs) -> dict[str, Any]:
    """A line of `evaluation.jsonl`: a number, what it is compared with, and all that decides it."""
    value = metric.value(outputs)
    measured = value if isinstance(value, Measured) else Measured(value, outputs.counts)
    reference = float(metric.reference(outputs))
    return {
        "metric": _name(metric, outputs),
        "value": measured.value,
        "reference": None if np.isnan(reference) else reference,
        "reference_is": metric.compared_with,
        **measured.facts,
        **outputs.record,
    }


def _name(metric: Metric, outputs: Outputs) -> str:
    """With that of the network by which it is measured."""
    if metric.name in FEATURES:
        return metric_name(metric.name, outputs.features.real.extractor)
    if metric.name in GROUPS["perceptual"]:
        return f"{metric.name.removeprefix('perceptual_')}_{outputs.distance.name}"
    return metric.name
