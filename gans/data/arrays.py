"""Images that are held as one array: `.npz` files, and digits stacked to RGB.

    x_train, y_train, x_test, y_test    as in Keras' mnist.npz, with or without y_* and x_test
    images, labels                      likewise
    classes                             names of the classes, where there are any

Images are uint8 `(n, height, width)` or `(n, height, width, channels)`; labels are class numbers
`(n,)`, names `(n,)`, or rows of zeros and ones `(n, k)`.
"""

import dataclasses
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from gans.data.files import decoded_by_index
from gans.data.images import DataError
from gans.data.labels import one_hot, rows
from gans.data.stream import available_memory, cached, central_square, resize

LAYOUTS = (("x_train", "y_train", "x_test", "y_test"), ("images", "labels", None, None))

# Of class numbers; a row of labels has as many columns.
MOST_CLASSES = 10_000


@dataclasses.dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images of one array.

    Attributes:
        held: uint8 `(n, height, width, channels)`.
        names: one per image.
        origin: file that they are from, for its fingerprint.
        labels: float32 `(n, k)`, or None.
        label_names: k names.
    """

    held: np.ndarray
    names: tuple[str, ...]
    origin: Path
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()

    random_access = True

    def __len__(self) -> int:
        return len(self.names)

    @property
    def channels(self) -> tuple[int]:
        """Of an image."""
        return (self.held.shape[-1],)

    @property
    def luma(self) -> tuple[bool]:
        """Whether it is RGB that may be asked for as grey."""
        return (self.held.shape[-1] == 3,)

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes of the file."""
        return {self.origin.name: os.path.getsize(self.origin)}

    def identity(self) -> list:
        """What tells two caches apart, beside the size of the images."""
        times = os.stat(self.origin).st_mtime_ns
        return ["array", str(self.origin), self.fingerprint(), times, self.names[0]]

    def decode(self, index, size: int) -> tf.Tensor:
        """The image at `index`, an int or a scalar tensor, as uint8 `(size, size, channels)`."""
        image = tf.numpy_function(lambda i: self.held[i], [index], tf.uint8, stateful=False)
        return resize(central_square(tf.ensure_shape(image, self.held.shape[1:])), size)

    def decoded(self, indices: Iterable[int], size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Chosen elements, each with its index."""
        yield from decoded_by_index(self, indices, size)

    def damage_report(self) -> None:
        """The array is whole, or was refused when it was read."""


def read_npz(path: str | Path, labelled: bool = False) -> tuple[ArrayImages, ArrayImages]:
    """The training and the held-out images of a `.npz`; the same twice where it has one set only.

    Args:
        path: of the file, whose arrays are named as this module says. Nothing is unpickled.
        labelled: labels are needed. Without, they are not read.

    Raises `DataError`, one line, for a file that is none, that is damaged, or whose arrays are not
    as this module says.
    """
    path = Path(path)
    # Named by what is read: the file may hold more.
    arrays = _load(path)
    layout = next((names for names in LAYOUTS if names[0] in arrays), None)
    if layout is None:
        raise DataError(
            f"expected an array x_train or images in {path}. "
            f"Received: {', '.join(arrays) or 'no arrays'}"
        )
    sets = {"train": layout[:2]}
    if layout[2] in arrays:
        sets["test"] = layout[2:]
    held = {split: _images(path, name, arrays[name]) for split, (name, _) in sets.items()}
    names, labels = (), {}
    if labelled:
        missing = [name for _, name in sets.values() if name not in arrays]
        if missing:
            raise DataError(
                f"expected labels, an array {missing[0]}, in {path}. Received: {', '.join(arrays)}"
            )
        raw = {split: arrays[name] for split, (_, name) in sets.items()}
        names, labels = _labels(path, raw, arrays.get("classes"), held)
    sources = [
        ArrayImages(
            images,
            tuple(f"{split}/{place:08}" for place in range(len(images))),
            path,
            labels.get(split),
            names,
        )
        for split, images in held.items()
    ]
    return sources[0], sources[-1]


def _load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` that have a meaning here."""
    wanted = {name for layout in LAYOUTS for name in layout} | {"classes"}
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        size = sum(info.file_size for name, info in sizes.items() if name in wanted)
        if size > available_memory():
            raise DataError(
                f"expected arrays that fit into memory in {path}. Received: {size} bytes"
            )
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in sizes if name in wanted}
    except (
        OSError,
        ValueError,
        LookupError,
        EOFError,
        MemoryError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(
            f"expected a whole .npz of plain arrays, {path}. "
            f"Received: {reason or type(error).__name__}"
        ) from None


def _images(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype != np.uint8 or array.ndim not in (3, 4) or not array.size:
        raise DataError(
            f"expected uint8 images (n, height, width[, channels]) as {name} in {path}. "
            f"Received: {array.dtype} of shape {array.shape}"
        )
    return array if array.ndim == 4 else array[..., np.newaxis]


def _labels(path, raw, classes, held) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Names of the labels, and the rows of each split."""
    raw = {
        split: array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        for split, array in raw.items()
    }

    def refuse(received):
        raise DataError(
            f"expected class numbers (n,), names (n,) or rows of zeros and ones (n, k) as the "
            f"labels of {path}. Received: {received}"
        )

    for split, array in raw.items():
        if array.ndim not in (1, 2) or len(array) != len(held[split]):
            refuse(f"shape {array.shape} for {len(held[split])} images")
    every = np.concatenate(list(raw.values())) if _one_form(raw.values()) else None
    if every is None:
        refuse(" and ".join(f"{array.dtype} {array.shape}" for array in raw.values()))
    if classes is not None and (classes.ndim != 1 or len(set(map(str, classes))) < len(classes)):
        refuse(f"classes {classes.dtype} of shape {classes.shape}, not a name each")
    names = None if classes is None else tuple(map(str, classes))
    if every.ndim == 2:
        if every.dtype.kind not in "biuf" or not np.isin(every, (0, 1)).all():
            refuse(f"{every.dtype} of shape {every.shape} with other values")
        names = names or tuple(map(str, range(every.shape[1])))
        made = {split: array.astype(np.float32) for split, array in raw.items()}
    elif every.dtype.kind == "U":
        found = tuple(sorted({name for array in raw.values() for name in array.tolist()}))
        names = names or found
        if set(found) - set(names):
            refuse(f"{min(set(found) - set(names))!r}, which is none of the classes")
        made = {split: rows([(name,) for name in array], names) for split, array in raw.items()}
    elif every.dtype.kind in "iu" and every.min() >= 0 and every.max() < MOST_CLASSES:
        names = names or tuple(map(str, range(int(every.max()) + 1)))
        if every.max() >= len(names):
            refuse(f"class {every.max()} of {len(names)}")
        made = {split: one_hot(array, len(names)) for split, array in raw.items()}
    else:
        refuse(f"{every.dtype} from {every.min()} to {every.max()}")
    if len(names) != next(iter(made.values())).shape[1]:
        refuse(f"{len(names)} classes for rows of {every.shape[1]}")
    return names, made


def _one_form(arrays) -> bool:
    return len({(array.shape[1:], array.dtype.kind) for array in arrays}) == 1


class StackedDigits:
    """An array of RGB images, the channels of each being three grey ones.

    Which three is a function of (seed, index): the same for any number of images.

    Args:
        digits: uint8 `(m, height, width, 1)`.
        count: images.
        seed: of the choice.
    """

    dtype = np.uint8

    def __init__(self, digits: np.ndarray, count: int, seed: int):
        self.digits = digits[..., 0]
        self.shape = (count, *digits.shape[1:3], 3)
        places = np.arange(3 * count, dtype=np.uint64).reshape(count, 3)
        self.chosen = _hashed(seed, places) % np.uint64(len(digits))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index) -> np.ndarray:
        """One image `(height, width, 3)`, or of n indices `(n, height, width, 3)`: a copy."""
        return np.stack([self.digits[self.chosen[index, c]] for c in range(3)], axis=-1)


def _hashed(seed: int, places: np.ndarray) -> np.ndarray:
    """SplitMix64 at places of the sequence that `seed` begins: uint64 of the same shape."""
    golden = 0x9E3779B97F4A7C15
    start = np.uint64((seed + 1) * golden * golden & 2**64 - 1)
    state = start + places * np.uint64(golden)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


@dataclasses.dataclass(frozen=True, eq=False)
class StackedImages(ArrayImages):
    """Stacked digits, which have no labels: their 1,000 modes are told by a classifier.

    Attributes:
        digits: source that the digits are from.
    """

    digits: object = None

    def fingerprint(self) -> dict[str, int]:
        """Size in bytes by name, of what the digits are from."""
        return self.digits.fingerprint()

    def identity(self) -> list:
        """What tells two caches apart, beside the size of the images."""
        return ["stacked", self.digits.identity(), self.held.chosen[:8].tolist()]


def stacked(digits, count: int, seed: int, side: int = 28) -> StackedImages:
    """Random triples of the grey images of a source, as the channels of `count` RGB images.

    Args:
        digits: source of grey images, from `gans.data.prepared.prepared_images`.
        count: of images.
        seed: which three is a function of (seed, index).
        side: of the digits in pixels.
    """
    held = StackedDigits(cached(digits, side, "memory", None), count, seed)
    names = tuple(f"stacked/{place:08}" for place in range(count))
    return StackedImages(held, names, Path(), digits=digits)
