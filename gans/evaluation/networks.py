"""The networks that images are measured by, found or trained: Inception, classifiers, segmenters.

A network that is trained here is kept next to the run, e.g. in runs/classifier_mnist.
"""

import dataclasses
import functools
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gans.command_line.errors import UsageError
from gans.data.data_settings import DataSettings
from gans.data.datasets import TOY_FASHION
from gans.data.images import DataError, to_uint8
from gans.evaluation.image_sets import ImageSet
from gans.evaluation.options import OWN, Options
from gans.features import classifier as classifiers
from gans.features import extractors, inception, lpips, segmentation
from gans.features.torch_weights import WeightsError

# Numbers that the images of a classifier may amount to: 1 GB as float32, all of MNIST.
MOST_NUMBERS = 2**28
# What the user gave that cannot be used.
ERRORS = (WeightsError, classifiers.ClassifierError, segmentation.SegmentationError, DataError)


@dataclass(frozen=True)
class LabelledImages:
    """What a classifier learns from.

    Attributes:
        data: which data; of single images, with `labels` where there is a choice.
        image_size: side in pixels.
        image_channels: 3, or 1 for grey.
    """

    data: DataSettings
    image_size: int
    image_channels: int

    @property
    def name(self) -> str:
        """Of the data, e.g. "mnist", "toy_fashion", "toy_fashion_shoes", or of a folder."""
        if self.data.dataset not in (None, TOY_FASHION):
            return self.data.dataset.partition(":")[0]
        stem = Path(self.data.data_dir).stem
        return re.sub(rf"^({TOY_FASHION}(_shoes)?)_\d+$", r"\1", stem)

    @property
    def of_toy(self) -> "LabelledImages":
        """With all labels of toy fashion, where it is that."""
        if not self.name.startswith(TOY_FASHION):
            return self
        return dataclasses.replace(
            self, data=dataclasses.replace(self.data, labels=extractors.TOY_LABELS)
        )

    def load(self) -> tuple:
        """`(images, labels)`, the same of held-out images, and names of the labels.

        Images are uint8 `(n, size, size, channels)`, labels float32 `(n, k)`; of very many images
        some at even distances. Where nothing is held out, every tenth image is.

        Raises `DataError` for data that cannot be used, or that has no labels.
        """
        from gans.data import sources
        from gans.data.stream import check_channels, naming_damage

        data = dataclasses.replace(self.data, kind="images", labelled=True)
        (training,), (held_out,) = (sources.find(data, part) for part in ("train", "held_out"))
        most = max(1, MOST_NUMBERS // (self.image_size**2 * self.image_channels))
        sets = []
        with naming_damage(training, held_out):
            for source in (training, held_out):
                check_channels(source, {"image_channels": self.image_channels})
                indices = np.arange(0, len(source), -(-len(source) // most))
                sets.append((self._pixels(source, indices), source.labels[indices]))
        if training.identity() == held_out.identity():
            images, labels = sets[0]
            tenth = np.arange(len(images)) % 10 == 0
            sets = [(images[~tenth], labels[~tenth]), (images[tenth], labels[tenth])]
        if not len(sets[0][0]):
            raise DataError("expected at least 2 images with labels. Received: 1")
        return (*sets, tuple(training.label_names))

    def _pixels(self, source, indices: np.ndarray) -> np.ndarray:
        from gans.data.stream import normalize

        size, channels = self.image_size, self.image_channels
        pixels = np.empty((len(indices), size, size, channels), np.uint8)
        place_of = {int(index): place for place, index in enumerate(indices)}
        for index, image in source.decoded(list(place_of), size):
            same = image.shape[-1] == channels
            pixels[place_of[int(index)]] = image if same else to_uint8(normalize(image, channels))
        return pixels


@dataclass(frozen=True)
class Parts:
    """The parts that images of a data set should show, where they are known.

    Attributes:
        classes: names of the parts.
        read: of a folder, a split, a size and names of files the maps uint8 `(n, size, size)`.
    """

    classes: tuple[str, ...]
    read: Callable[[str, str, int, list[str] | None], np.ndarray]


@dataclass(frozen=True)
class Networks:
    """Finds networks as the options say.

    Attributes:
        options: which networks, and where they are kept.
        parts: of toy fashion, which a segmenter finds.
    """

    options: Options
    parts: Parts | None = None

    def find_extractor(self, known: LabelledImages | None) -> extractors.Extractor | None:
        """What turns images into features; None where it would be a classifier, and there are no
        labels that it could learn.

        Args:
            known: the data that the images imitate; None where no classifier knows such.

        Raises `WeightsError` or `ClassifierError` for files that cannot be used.
        """
        chosen = self.options.extractor
        if self.options.by_inception:
            return inception.load(inception.find(self.options.weights), self.options.resize)
        if chosen != OWN:
            return extractors.of_classifier(chosen)
        if known is None:
            return None
        folder = self.classifier_folder(known.of_toy)
        found = self.find_classifier(known.of_toy, folder)
        return found and extractors.of_classifier(folder)

    def check_files(self):
        """Reads the files of the extractor, as far as that goes without TensorFlow, so that nothing
        is measured before wrong ones are refused.

        Raises `WeightsError` or `ClassifierError`.
        """
        if self.options.by_inception:
            inception.read_weights(inception.find(self.options.weights))
        elif self.options.extractor != OWN:
            classifiers.read_facts(self.options.extractor)
        elif self.options.fake:
            raise UsageError(
                "--extractor expects inception or the folder of a classifier where there is no "
                "run. Received: own"
            )

    def extractor_names(self, known: Iterable[LabelledImages]) -> list[str]:
        """What the extractors of these images will be called; TensorFlow is not imported.

        Raises `ClassifierError` for a folder that is not that of a classifier.
        """
        if self.options.by_inception:
            return [extractors.INCEPTION]
        if self.options.extractor != OWN:
            facts, _ = classifiers.read_facts(self.options.extractor)
            return [extractors.short_name(facts.dataset)]
        return [extractors.short_name(images.name) for images in known]

    def classifier_folder(self, images: LabelledImages) -> Path:
        """Where the classifier of these images is kept: next to one of images of another size,
        under a name with its own.
        """
        name, size = images.name.replace("/", "_"), images.image_size
        folder = "_".join(["classifier", name, *(images.data.labels or ())])
        folder = self.options.networks_dir / folder
        try:
            facts, _ = classifiers.read_facts(folder)
        except classifiers.ClassifierError:
            return folder
        if (facts.image_size, facts.image_channels) == (size, images.image_channels):
            return folder
        return folder.with_name(f"{folder.name}_{size}x{size}x{images.image_channels}")

    def find_classifier(
        self, images: LabelledImages, folder: Path | None = None
    ) -> classifiers.Classifier | None:
        """The classifier of these images, which is trained if there is none; None where the data
        has no labels.

        Args:
            images: with their labels.
            folder: of the classifier. Default: `classifier_folder`.

        Raises `ClassifierError` where the folder holds something else.
        """
        folder, data = folder or self.classifier_folder(images), images.data
        wanted = {"image_size": images.image_size, "image_channels": images.image_channels}
        if classifiers.existing(folder, dataset=images.name, labels=data.labels, **wanted):
            print(f"classifier: {folder}", file=sys.stderr)
            return classifiers.load(folder)
        try:
            (pixels, labels), held_out, names = images.load()
        except DataError as error:
            print(f"no classifier: {error}", file=sys.stderr)
            return None
        print(f"training a classifier of {images.name}, kept in {folder}", file=sys.stderr)
        trained = classifiers.train(
            pixels,
            labels,
            names,
            held_out,
            images.name,
            labels=data.labels,
            flip=bool(data.flip),
            verbose=2 if self.options.debug else 0,
        )
        trained.save(folder)
        print(f"right for {trained.facts.accuracy:.2%} of the held-out images", file=sys.stderr)
        return trained

    def find_segmenter(
        self, images: LabelledImages, photos: Callable[[str], ImageSet]
    ) -> tuple[segmentation.Segmenter, str]:
        """The segmenter of toy fashion and the sha256 of its weights; it is trained if there is
        none.

        Args:
            images: of toy fashion.
            photos: real ones of a split, with names.

        Raises `SegmentationError` where its folder holds something else.
        """
        folder = self.options.networks_dir / f"segmenter_{images.name}"
        wanted = {"image_size": images.image_size, "image_channels": images.image_channels}
        if segmentation.existing(folder, dataset=images.name, **wanted):
            print(f"segmenter: {folder}", file=sys.stderr)
            return segmentation.load(folder), segmentation.read_facts(folder)[1]
        print(f"training a segmenter of {images.name}, kept in {folder}", file=sys.stderr)
        (train, of_train), (val, of_val) = (
            (photos(split).array(), self.read_parts(images, split, photos(split)))
            for split in ("train", "val")
        )
        trained = segmentation.train(
            train,
            of_train,
            self.parts.classes,
            (val, of_val),
            images.name,
            verbose=2 if self.options.debug else 0,
        )
        trained.save(folder)
        share = trained.facts.pixel_accuracy
        print(f"right for {share:.2%} of the pixels of held-out photos", file=sys.stderr)
        return trained, segmentation.read_facts(folder)[1]

    def read_parts(self, images: LabelledImages, split: str, shown: ImageSet) -> np.ndarray:
        """The maps of the parts that the images of a split should show, uint8 `(n, size, size)`."""
        names = list(shown.names)
        return self.parts.read(images.data.data_dir, split, images.image_size, names)

    @functools.cached_property
    def lpips(self) -> lpips.LPIPS | None:
        """LPIPS, where its files are given. Raises `WeightsError` for wrong ones."""
        given = self.options
        return lpips.load(given.lpips, given.lpips_net, given.lpips_heads) if given.lpips else None
