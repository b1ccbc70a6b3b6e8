"""What a GAN that translates images makes of held-out ones, next to those of the other domain."""

import dataclasses
import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gans.command_line.errors import UsageError, usage_errors
from gans.data.data_settings import Direction
from gans.data.images import to_float, to_uint8
from gans.evaluation.feature_comparison import Measured
from gans.evaluation.image_sets import ImageSet, real_images
from gans.evaluation.networks import LabelledImages, Networks
from gans.evaluation.outputs import Outputs
from gans.features.lpips import FeatureDistance, PairDistance
from gans.metrics.diversity import diversity
from gans.metrics.hues import read_palette
from gans.training.run_settings import RunSettings

SKETCHES, SAMPLES = 50, 20
OPPOSITE = {"a_to_b": "b_to_a", "b_to_a": "a_to_b"}


class Translated(Outputs):
    """Translations in one direction.

    Args:
        gan: as `open_run` gives it.
        run: its settings; the data may have moved.
        direction: a_to_b, or of a GAN that is trained on two domains also b_to_a.
        networks: finds networks; None: without any.
        record: see `Outputs`.
        sources, targets: images of the domain that is translated and of the other, `(n, size, size,
            channels)` in [-1, 1], by pairs where there are pairs.
        others: more of the target domain, from the training split, or None.
        samples: of each source, with noise of their own.
        seed: of the noise.
    """

    has_real = True

    def __init__(
        self,
        gan: Any,
        run: RunSettings,
        direction: Direction = "a_to_b",
        networks: Networks | None = None,
        record: dict[str, Any] | None = None,
        *,
        sources: np.ndarray,
        targets: np.ndarray,
        others: np.ndarray | None = None,
        samples: int = SAMPLES,
        seed: int = 0,
    ):
        super().__init__(networks, record or {}, sketches=len(sources), samples=samples, seed=seed)
        self.gan, self.run, self.direction = gan, run, direction
        self.sources, self.targets, self.others = sources, targets, others
        self.samples, self.seed, self.real = samples, seed, targets
        self.kind, self.varies_by = run.data.kind, run.gan_file.can.varies_by
        self.is_b = direction == "a_to_b"  # Whether the GAN's B is made.
        palettes = [read_palette(folder) for folder in run.data.folders]
        self.palette = palettes[0] if palettes and palettes == palettes[:1] * len(palettes) else []

    @classmethod
    def load(
        cls, gan: Any, run: RunSettings, networks: Networks, step: int, count: int | None = None
    ) -> list["Translated"]:
        """Of each direction that the options ask for, with held-out images.

        Args:
            count: of the images. Default: the options' sketches.

        Raises `DataError` for data that cannot be used, and `UsageError` for a direction that the
        GAN does not have.
        """
        options, count = networks.options, count or networks.options.sketches or SKETCHES
        directions = directions_of(gan, run)
        if options.direction and options.direction not in directions:
            raise UsageError(
                "--direction expects a_to_b: this run has no generator from B to A. "
                f"Received: {options.direction}"
            )
        held_out = [to_float(images.array()) for images in _real(run, "val", count, first=True)]
        training = _real(run, "train", len(held_out[0]), first=True)
        others = [
            to_float(images.array()) if images.count == len(held_out[0]) else None
            for images in training
        ]
        made = []
        for direction in [options.direction] if options.direction else directions:
            record = {"direction": direction} if run.data.kind == "domains" else {}
            source, target = (0, 1) if direction == "a_to_b" else (1, 0)
            translated = cls(
                gan,
                run,
                direction,
                networks,
                record | {"step": step},
                sources=held_out[source],
                targets=held_out[target],
                others=others[target],
                samples=options.samples or SAMPLES,
                seed=options.seed,
            )
            if networks.lpips:
                translated.distance = networks.lpips
            made.append(translated)
        return made

    # What is real.

    @property
    def has_colour(self) -> bool:
        """Whether photos with hues are made; of two domains, both must have them."""
        s, data = self.run.settings, self.run.data
        coloured = s.photo_channels == 3 and (self.kind == "pairs" or s.image_channels == 3)
        return coloured and (data.two_sources or data.direction == "a_to_b")

    @property
    def labelled_images(self) -> LabelledImages | None:
        """See `Outputs`: of photos; None where sketches are made."""
        s, data = self.run.settings, self.run.data
        # The GAN's A and B are those of the data, or exchanged.
        second = self.is_b == (data.direction == "a_to_b")
        if not (second or data.two_sources):
            return None
        if second and data.two_sources:
            dataset = data.dataset_b or data.dataset
            data = dataclasses.replace(data, data_dir=data.data_dir_b, dataset=dataset)
        channels = s.photo_channels if self.is_b else s.image_channels
        return LabelledImages(dataclasses.replace(data, labels=None), s.image_size, channels)

    def domains(self, split: str, limit: int | None = None) -> tuple[ImageSet, ImageSet]:
        """Sources, and real images of the other domain, of a split."""
        return _real(self.run, split, limit)[:: 1 if self.is_b else -1]

    def real_images(self) -> ImageSet:
        """See `Outputs`."""
        return self._chosen[1]

    @functools.cached_property
    def _chosen(self) -> tuple[ImageSet, ImageSet]:
        return self.domains(self.options.split or "val", self.options.num_real)

    # What is translated.

    @property
    def varies(self) -> bool:
        """Whether noise makes several images of one source."""
        return self.varies_by == "style" or (self.varies_by == "noise" and self.gan.varies_at_test)

    def z(self, draw: int):
        """Styles of a draw, one for each source, `(n, latent_dim)`."""
        import tensorflow as tf

        shape = (len(self.sources), self.run.settings.latent_dim)
        return tf.random.stateless_normal(shape, [self.seed, draw])

    @functools.cached_property
    def made(self) -> np.ndarray:
        """`(n, samples, size, size, channels)` of a GAN that is trained on pairs."""
        bar = functools.partial(tqdm, desc="samples", unit="draw", disable=not sys.stderr.isatty())
        if self.varies_by == "style":
            draws = bar(range(self.samples))
            made = [self.gan.translate(self.sources, self.z(draw)) for draw in draws]
            return np.stack(made, axis=1)
        # Image i of a call has noise of its own.
        samples = self.samples if self.varies else 1
        rows = (np.repeat(image[np.newaxis], samples, axis=0) for image in self.sources)
        made = [self.gan.translate(row, self.seed) for row in bar(rows, total=len(self.sources))]
        return np.repeat(np.stack(made), self.samples // samples, axis=1)

    @functools.cached_property
    def compared(self) -> np.ndarray:
        """One translation of each source."""
        if self.kind == "domains":
            return self.gan.translate(self.sources, self.direction)
        return self.made[:, 0]

    @functools.cached_property
    def reconstructions(self) -> np.ndarray:
        """Targets through the encoder; of unpaired domains, sources there and back."""
        if self.kind == "domains":
            return self.gan.translate(self.compared, OPPOSITE[self.direction])
        return self.gan.translate(self.sources, self.gan.encode(self.targets))

    def mean(self, error: Callable[[int], float]) -> float:
        """Of an error over the draws."""
        return float(np.mean([error(draw) for draw in range(self.samples)]))

    def make(self, seed: int) -> ImageSet:
        """Translations of the sources of the options' split, each as often as their count asks for.

        Raises `UsageError` where more are asked for of a GAN without noise.
        """
        sources = self._chosen[0]
        count = self.options.num_fake or sources.count
        if count > sources.count and not self.varies:
            raise UsageError(
                f"--num_fake expects at most the {sources.count} sources of a GAN without noise. "
                f"Received: {count}"
            )
        return self.translate(sources, count, seed)

    def translate(self, sources: ImageSet, count: int, seed: int) -> ImageSet:
        """Translations of images, each as often as the count asks for, with noise of its own."""

        def batches():
            left, drawn = count, 0
            for again in range(math.ceil(count / sources.count)):
                for images in sources.batches():
                    images = to_float(images[:left])
                    if not len(images):
                        return
                    left, drawn = left - len(images), drawn + 1
                    noise = self._noise(len(images), np.random.default_rng([seed, again, drawn]))
                    yield to_uint8(np.asarray(self.gan.translate(images, noise)))

        return ImageSet(count, batches)

    def _noise(self, count: int, random: np.random.Generator) -> Any:
        """The second argument of `translate`."""
        if self.varies_by == "direction":
            return self.direction
        if self.varies_by == "noise":
            return int(random.integers(2**24))
        return random.standard_normal((count, self.run.settings.latent_dim), np.float32)

    # What networks find in it.

    @functools.cached_property
    def distance(self) -> PairDistance | None:
        """By the features of the extractor, unless it is LPIPS."""
        known = self.is_known and self.networks.find_extractor(self.labelled_images)
        return FeatureDistance(known) if known else None

    def learned_diversity(self, name: str) -> Measured:
        """How much samples of one source differ by `distance`: the diversity, the ratio to that of
        random photos (`ratio`).
        """
        facts = {"pairs": self._diversity["pairs"], **self.distance.facts(), **self.counts}
        return Measured(self._diversity[name], facts)

    @functools.cached_property
    def _diversity(self) -> dict[str, float]:
        # Images may be too small for the network.
        with usage_errors():
            images = to_uint8(self.made), to_uint8(self.targets)
            return diversity(*images, self.distance, self.seed)

    @property
    def has_known_parts(self) -> bool:
        """Whether it is known which part each pixel of what is made should show."""
        if self.networks.parts is None or self.labelled_images is None:
            return False
        data = self.labelled_images.data
        return bool(data.data_dir) and (Path(data.data_dir) / "factors.csv").is_file()

    def label_score(self, name: str) -> Measured:
        """One of the scores of a segmenter, of photos that are made of sketches."""
        scores, facts = self._label_scores
        return Measured(scores[name], facts)

    def label_score_of_real(self, name: str) -> float:
        """What real held-out photos get."""
        return getattr(self._segmenter[0].facts, name)

    @functools.cached_property
    def _segmenter(self):
        photos = functools.cache(lambda split: self.domains(split)[1])
        return self.networks.find_segmenter(self.labelled_images, photos)

    @functools.cached_property
    def _label_scores(self) -> tuple[dict[str, float], dict[str, Any]]:
        sources, _ = self.domains("val")
        made = self.translate(sources, sources.count, self.seed).array()
        segmenter, digest = self._segmenter
        truth = self.networks.read_parts(self.labelled_images, "val", sources)
        name = segmenter.facts.dataset
        facts = {"n_fake": len(made), "segmenter": name, "segmenter_sha256": digest}
        return segmenter.scores(made, truth), facts | {"seed": self.seed}


def directions_of(gan: Any, run: RunSettings) -> tuple[Direction, ...]:
    """The directions in which a GAN translates."""
    both = run.gan_file.can.varies_by == "direction" and gan.generator_ba is not None
    return ("a_to_b", "b_to_a") if both else ("a_to_b",)


def _real(run: RunSettings, split: str, limit: int | None, first: bool = False):
    s = run.settings
    channels = (s.image_channels, s.photo_channels)
    return real_images(run.data, split, s.image_size, channels, limit, first=first)
