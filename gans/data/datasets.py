"""The data sets that scripts know by name, and what each of them implies.

Neither TensorFlow nor TensorFlow Datasets is imported: a command line is answered at once.
"""

import dataclasses
import re
from typing import Any

from gans.data.images import DataError

TOY_FASHION = "toy_fashion"
STACKED_MNIST = "stacked_mnist"
POINT_SETS = ("ring8", "grid25", "swissroll")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What the name of a data set implies where no flag says otherwise.

    Attributes:
        preset: whose numbers are taken.
        constructor: arguments of the GAN, over the preset's and under the user's.
        flip: whether half of the images are mirrored, or None: those that are not grey, since a
            mirrored digit or letter is another one.
    """

    preset: str
    constructor: dict[str, Any] = dataclasses.field(default_factory=dict)
    flip: bool | None = True


def _images(size: int, channels: int) -> dict[str, int]:
    return {"image_size": size, "image_channels": channels}


DATASETS = {
    TOY_FASHION: Dataset("toy"),
    "mnist": Dataset("mnist", _images(28, 1), flip=False),
    "fashion_mnist": Dataset("mnist", _images(28, 1), flip=False),
    STACKED_MNIST: Dataset("mnist", _images(28, 3), flip=False),
    "cifar10": Dataset("article", _images(32, 3)),
    "celeb_a": Dataset("article", _images(64, 3)),
    **{name: Dataset("points", {"data": "points"}, flip=False) for name in POINT_SETS},
    # Its outermost modes are at 4.
    "grid25": Dataset("points", {"data": "points", "point_scale": 4.0}, flip=False),
}


def resolve(name: str) -> Dataset:
    """What the `--dataset` of this name implies; other names are those of TensorFlow Datasets.

    Raises `DataError`, one line, for what can be no name: `NAME[/CONFIG][:VERSION]`.
    """
    if name in DATASETS:
        return DATASETS[name]
    if not re.fullmatch(r"[a-z]\w*(/[\w.+-]*\w)*(:[\w.*]+)?", name):
        raise DataError(
            f"expected one of {', '.join(DATASETS)}, or the name of a prepared data set, "
            f"NAME[/CONFIG][:VERSION]. Received: {name!r}"
        )
    return dataclasses.replace(DATASETS.get(name.partition(":")[0], Dataset("article", flip=None)))
