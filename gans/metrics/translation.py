"""What is measured of GANs that translate images, against the held-out images of the other domain.

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

The GAN is known by what it can be asked for; see `gans.training.restore.translate_takes`.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from tqdm import tqdm

from gans.metrics.codes import NO_INFORMATION, recovery_error
from gans.metrics.diversity import pairwise_distance, random_pair_distance
from gans.metrics.hues import effective_hues, hue_carried, hue_kept, hues_per_sketch
from gans.metrics.items import mask_iou
from gans.metrics.metric import Metric
from gans.metrics.pixels import gradient_energy, mean_absolute
from gans.metrics.realism import sliced_wasserstein

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
