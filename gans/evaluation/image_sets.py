"""Sets of images to be measured, real and generated: uint8, a batch at a time, as often as needed.

Generated images are rounded to 8 bits, as a file would hold them.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gans.data.data_settings import DataSettings
from gans.data.images import (
    DataError,
    is_array,
    list_images,
    no_folder,
    open_array,
    open_image,
    to_uint8,
)
from gans.evaluation.options import Split
from gans.features.features import batched

BATCH = 100


@dataclass(frozen=True)
class ImageSet:
    """A set of images.

    Attributes:
        count: how many there are.
        batches: makes an iterator over them in their order, uint8 `(n, height, width, channels)`.
        split: train, val, or None where that is not known.
        names: of the files, in the order of the images; None of what has none.
    """

    count: int
    batches: Callable[[], Iterator[np.ndarray]]
    split: Split | None = None
    names: tuple[str, ...] | None = None

    def take(self, indices: Iterable[int]) -> list[np.ndarray]:
        """Single images `(height, width, channels)` by their places in the order."""
        indices = list(indices)
        wanted, found, seen = set(indices), {}, 0
        for images in self.batches():
            found |= {seen + i: image for i, image in enumerate(images) if seen + i in wanted}
            seen += len(images)
            if len(found) == len(wanted):
                break
        return [found[index] for index in indices]

    def array(self) -> np.ndarray:
        """All of them, where they have one shape: `(count, height, width, channels)`."""
        return np.concatenate(list(self.batches()))


def of_folder(folder: str | Path, limit: int | None = None) -> ImageSet:
    """All images below a folder, of any sizes, sorted by name; whoever made them.

    Args:
        folder: of JPEG, PNG or uint8 `.npy` files. Grey images have 1 channel; of others the
            transparency is left out and the colours are RGB.
        limit: the most that are taken.

    Raises `DataError` where there are fewer than 2.
    """
    root = Path(folder)
    names = list_images(root, arrays=True)[:limit]
    if len(names) < 2:
        received = len(names) if root.is_dir() else no_folder(root)
        raise DataError(f"expected 2 images or more in {root}. Received: {received}")

    def read(path: Path) -> np.ndarray:
        if is_array(path):
            return np.ascontiguousarray(open_array(path))
        try:
            with open_image(path) as image:
                grey = image.mode in ("L", "1", "LA")
                pixels = np.asarray(image.convert("L" if grey else "RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"expected an image that decodes. Received: {path} ({error})") from None
        return pixels[..., np.newaxis] if grey else pixels

    return ImageSet(len(names), lambda: batched((read(root / name) for name in names), BATCH))


def real_images(
    data: DataSettings,
    split: Split,
    size: int,
    channels: tuple[int, ...],
    limit: int | None = None,
    *,
    first: bool = False,
    seed: int = 0,
) -> tuple[ImageSet, ...]:
    """The single images of a data set, or those of each of its two domains.

    All of them, whether or not labels or partners of some were left out in training.

    Args:
        data: which data.
        split: train, or val: what was held out; the same where nothing was.
        size: side in pixels.
        channels: of the images, or of each domain's.
        limit: the most that are taken of each.
        first: take the first ones, and not some at even distances.
        seed: of stacked digits, which are drawn.

    Raises `DataError` for data that cannot be used.
    """
    from gans.data import sources

    data = dataclasses.replace(data, disjoint=None, labelled=False)
    found = sources.find(data, "train" if split == "train" else "held_out", seed)
    places = [(found[0], 0), (found[0], 1)] if data.kind == "pairs" else [(x, 0) for x in found]
    count = min(limit or len(found[0]), *map(len, found)) if first else limit
    return tuple(
        _of_source(source, place, size, depth, split, count, first)
        for (source, place), depth in zip(places, channels, strict=True)
    )


def _of_source(source, place, size, channels, split, limit, first) -> ImageSet:
    """One image of each element of a source."""
    from gans.data.stream import check_channels, normalize

    names = [f"channels_{index}" for index in range(len(source.channels))]
    wanted = dict(zip(names, source.channels, strict=True)) | {names[place]: channels}
    check_channels(source, wanted)
    start = sum(source.channels[:place])
    part = slice(start, start + source.channels[place])
    count = min(limit or len(source), len(source))
    indices = np.arange(count) * (1 if first else len(source)) // (1 if first else count)

    def images():
        for _, element in source.decoded(indices.tolist(), size):
            image = element[..., part]
            yield image if channels == image.shape[-1] else to_uint8(normalize(image, channels))

    # What is read in one go comes in an order of its own.
    names = tuple(source.names[index] for index in indices) if source.random_access else None
    return ImageSet(count, lambda: batched(images(), BATCH), split, names)


def holds_out(data: DataSettings, seed: int = 0) -> bool:
    """Whether single images are held out of training."""
    from gans.data import sources

    data = dataclasses.replace(data, labelled=False)
    (training,), (held_out,) = (sources.find(data, part, seed) for part in ("train", "held_out"))
    return training.identity() != held_out.identity()
