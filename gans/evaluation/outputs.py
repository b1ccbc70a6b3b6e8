"""What a GAN makes and the real images it is compared with: what every metric is a function of.

`Generated` and `Translated` are the two kinds, in files of their own; two folders are a third.
"""

import copy
import functools
from typing import Any

from gans.evaluation import image_sets
from gans.evaluation.feature_comparison import Comparison, Reference
from gans.evaluation.image_sets import ImageSet
from gans.evaluation.networks import LabelledImages, Networks
from gans.evaluation.options import OFF, OWN, Options


class Outputs:
    """Images, and what is known about them; each part is made when a metric first needs it. As it
    is, of two folders.

    Attributes:
        kind: noise, pairs, domains or folders.
        networks: finds networks; None: without any.
        options: of the evaluation.
        record: what the lines of all metrics hold, such as the step.
        counts: what else those of metrics of single images hold.
        makes_images: and not points.
    """

    kind = "folders"
    makes_images = True

    def __init__(self, networks: Networks | None, record: dict[str, Any], **counts: int):
        self.networks, self.record, self.counts = networks, record, counts
        self.options = networks.options if networks else Options()

    @property
    def uses_networks(self) -> bool:
        """Whether images are seen by networks."""
        return self.networks is not None and self.options.extractor != OFF

    @property
    def labelled_images(self) -> LabelledImages | None:
        """The data that the images imitate; None where no classifier knows such."""

    @property
    def is_known(self) -> bool:
        """Whether the extractor knows such images."""
        return self.options.extractor != OWN or self.labelled_images is not None

    def make(self, seed: int) -> ImageSet:
        """The images that a seed gives."""
        return image_sets.of_folder(self.options.fake, self.options.num_fake)

    def real_images(self) -> ImageSet:
        """Real images for features."""
        return image_sets.of_folder(self.options.real, self.options.num_real)

    @functools.cached_property
    def reference(self) -> Reference | None:
        """The real images by their features; None where there is no extractor."""
        extractor = self.networks.find_extractor(self.labelled_images)
        if extractor is None:
            return None
        real = Outputs.real_images(self) if self.options.real else self.real_images()
        return Reference(extractor, real, self.options.features_dir)

    @functools.cached_property
    def features(self) -> Comparison | None:
        """The images against the real ones by the features of both."""
        if self.reference is None:
            return None
        return Comparison(self.reference, self.make, self.options.all_seeds)

    def again(self, step: int) -> "Outputs":
        """The same of a GAN that was trained since; real images are not looked at again."""
        other = copy.copy(self)
        other.record = self.record | {"step": step}
        for name in set(vars(self)) - {"reference", "_chosen"}:
            if isinstance(getattr(type(self), name, None), functools.cached_property):
                del other.__dict__[name]
        return other


def part(value: float, whole: float) -> float:
    """NaN where the real images are flat, or all the same."""
    return value / whole if whole else float("nan")
