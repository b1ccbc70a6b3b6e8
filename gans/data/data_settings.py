"""Which data a run trains on, and how its images are prepared. Nothing here needs TensorFlow."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from gans.nn.settings import check_types

Kind = Literal["pairs", "domains", "images", "points"]
Direction = Literal["a_to_b", "b_to_a"]
Part = Literal["train", "held_out"]
Cache = Literal["auto", "memory", "disk", "none"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings:
    """All of the data's settings that decide the result of a run.

    Attributes:
        kind: what an element is: a pair of images, two images of unpaired domains, one image, or a
            point in the plane.
        dataset: name of the set: toy_fashion, a set of points, or one prepared by TensorFlow
            Datasets; None for a folder or file of the user.
        dataset_b: name of a second prepared set, whose photos are the second domain.
        data_dir: folder of images, or `.npz` file; of toy fashion where it was drawn.
        data_dir_b: folder whose photos are the second domain.
        tfds_dir: folder of the prepared sets. None: that of TensorFlow Datasets.
        direction: b_to_a exchanges the two sides of pairs and domains.
        disjoint: of pairs as domains, A comes from the first half and B from the second.
        images_per_epoch: the most that an epoch takes of a domain.
        load_size: side in pixels that images are resized to before the random crop.
        flip: whether half of the images are mirrored. None: as the data implies.
        labelled: whether elements come with labels.
        labels: columns of `factors.csv` that are the labels.
        tags_csv: file of the tags of the images.
        use_unlabelled: whether images without labels are taken.
        label_names: of the labels, once the data was opened.
        mixture: `centres` and `sigma` of a mixture of Gaussians, once the data was opened.
    """

    kind: Kind
    dataset: str | None = None
    dataset_b: str | None = None
    data_dir: str | None = None
    data_dir_b: str | None = None
    tfds_dir: str | None = None
    direction: Direction = "a_to_b"
    disjoint: bool | None = None
    images_per_epoch: int | None = None
    load_size: int | None = None
    flip: bool | None = None
    labelled: bool | None = None
    labels: tuple[str, ...] | None = None
    tags_csv: str | None = None
    use_unlabelled: bool = False
    label_names: tuple[str, ...] | None = None
    mixture: dict[str, Any] | None = None

    def __post_init__(self):
        check_types(self)

    @property
    def folders(self) -> list[Path]:
        """Folders of the images, one or two; none of a prepared set."""
        return [Path(folder) for folder in (self.data_dir, self.data_dir_b) if folder]

    @property
    def two_sources(self) -> bool:
        """Whether the second domain comes from a folder or set of its own."""
        return bool(self.data_dir_b or self.dataset_b)

    def moved(self, data_dir: str | None = None, data_dir_b: str | None = None) -> "DataSettings":
        """The same with images from other folders: the user's, not a set by name."""
        changes: dict[str, Any] = {}
        if data_dir:
            changes |= {"data_dir": str(Path(data_dir).resolve()), "dataset": None}
            changes |= {"dataset_b": None}
        if data_dir_b:
            changes |= {"data_dir_b": str(Path(data_dir_b).resolve()), "dataset_b": None}
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preparation:
    """How the images of a source become batches.

    Attributes:
        image_size: side of the images in pixels.
        channels: of each image of an element.
        batch_size: elements of a batch.
        load_size: side that images are resized to before a random crop; None: `image_size`.
        flip: whether half of the elements are mirrored.
        seed: of order, crops and flips.
        cache: where decoded images are kept; auto takes memory if they fit into a quarter of what
            is free.
        cache_dir: folder of a cache on the disk.
        parallel_calls: threads that prepare images. None: automatic.
    """

    image_size: int
    channels: tuple[int, ...]
    batch_size: int
    load_size: int | None = None
    flip: bool = False
    seed: int = 0
    cache: Cache = "auto"
    cache_dir: Path | None = None
    parallel_calls: int | None = None
