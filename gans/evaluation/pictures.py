"""Sets of pictures to be measured, real and generated: uint8, a batch at a time, as often as asked.

Generated pictures are rounded to 8 bits, as a file would hold them.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from gans.data.held_out import HeldOut
from gans.data.images import (
    DataError,
    is_array,
    list_images,
    no_folder,
    open_array,
    open_image,
    to_uint8,
)
from gans.features.features import batched

BATCH = 100
Split = Literal["train", "val"]


@dataclass(frozen=True)
class Pictures:
    """A set of pictures.

    Attributes:
        count: how many there are.
        batches: makes an iterator over them in their order, uint8 `(n, height, width, channels)`.
        split: train, val, or None where that is not known.
        names: of the files, in the order of the pictures; None of what has none.
    """

    count: int
    batches: Callable[[], Iterator[np.ndarray]]
    split: Split | None = None
    names: tuple[str, ...] | None = None

    def take(self, indices: Iterable[int]) -> list[np.ndarray]:
        """Single pictures `(height, width, channels)` by their places in the order."""
        indices = list(indices)
        wanted, found, seen = set(indices), {}, 0
        for images in self.batches():
            found |= {seen + i: image for i, image in enumerate(images) if seen + i in wanted}
            seen += len(images)
            if len(found) == len(wanted):
                break
        return [found[index] for index in indices]


def of_folder(folder: str | Path, limit: int | None = None) -> Pictures:
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

    return Pictures(len(names), lambda: batched((read(root / name) for name in names), BATCH))


def real_singles(settings: dict[str, Any], split: Split, limit: int | None = None) -> Pictures:
    """The pictures that a GAN which begins with noise imitates.

    Args:
        settings: of its run, with `data_dir` as the flags have it.
        split: train, or val: what was held out.
        limit: the most that are taken, at even distances.

    Raises `DataError` for data that cannot be used, and where nothing was held out.
    """
    from gans.data.training_data import single_sources

    training, held_out = single_sources(settings, labelled=False)
    if split == "val" and training.identity() == held_out.identity():
        raise DataError("expected held-out images. Received: data with none; --split=train")
    size, channels = (settings["constructor"][f"image_{name}"] for name in ("size", "channels"))
    return _of_source(training if split == "train" else held_out, 0, size, channels, split, limit)


def real_domains(
    held_out: HeldOut,
    gan: Any,
    direction: Literal["a_to_b", "b_to_a"] | None,
    split: Split,
    limit: int | None = None,
) -> tuple[Pictures, Pictures]:
    """What a GAN that translates is given, and the real pictures of the other domain.

    Args:
        held_out: where the images of its run are.
        gan: with `image_size`, `image_channels`, `photo_channels`.
        direction: of one trained on two domains; None of one trained on pairs.
        split: train, or val: what was held out.
        limit: the most that are taken of each, at even distances.

    Raises `DataError` for data that cannot be used.
    """
    where = "train" if split == "train" else "held_out"
    channels = gan.image_channels, gan.photo_channels
    if direction is None:
        source = held_out.find_pairs(where)
        sources = (source, 0), (source, 1)
    else:
        sources = tuple((source, 0) for source in held_out.find_domains(where))
    both = tuple(
        _of_source(source, place, gan.image_size, depth, split, limit)
        for (source, place), depth in zip(sources, channels, strict=True)
    )
    return both[::-1] if direction == "b_to_a" else both


def _of_source(source, place: int, size: int, channels: int, split, limit) -> Pictures:
    """One image of each element of a source."""
    from gans.data.stream import check_channels, normalize

    names = [f"channels_{index}" for index in range(len(source.channels))]
    asked = dict(zip(names, source.channels, strict=True)) | {names[place]: channels}
    check_channels(source, asked)
    first = sum(source.channels[:place])
    part = slice(first, first + source.channels[place])
    count = min(limit or len(source), len(source))
    indices = (np.arange(count) * len(source) // count).tolist()

    def images():
        for _, element in source.decoded(indices, size):
            image = element[..., part]
            grey = channels != image.shape[-1]
            yield to_uint8(normalize(image, channels)) if grey else image

    # What is read in one go comes in an order of its own.
    names = tuple(source.names[index] for index in indices) if source.random_access else None
    return Pictures(count, lambda: batched(images(), BATCH), split, names)


def generated(make: Callable[[slice], np.ndarray], count: int) -> Pictures:
    """What a GAN makes of noise.

    Args:
        make: pictures uint8 of a part of the noise, as `gans.metrics.generation.Generated` does.
        count: of the pictures.
    """

    def batches():
        for start in range(0, count, BATCH):
            yield make(slice(start, min(start + BATCH, count)))

    return Pictures(count, batches)


def translated(
    gan: Any, takes: str, direction: str, sources: Pictures, count: int, seed: int
) -> Pictures:
    """What a GAN that translates makes of the sources, each as often as the count asks for.

    Args:
        gan: as `gans.training.restore.open_run` gives it.
        takes: "z", "seed" or "direction", as `translate_takes` says.
        direction: of one trained on two domains.
        sources: what it is given.
        count: of the pictures; more than there are sources makes sense only where noise varies.
        seed: of the noise.
    """

    def batches():
        left, drawn = count, 0
        for again in range(math.ceil(count / sources.count)):
            for images in sources.batches():
                images = images[:left].astype(np.float32) / 127.5 - 1.0
                if not len(images):
                    return
                left, drawn = left - len(images), drawn + 1
                random = np.random.default_rng([seed, again, drawn])
                if takes == "z":
                    z = random.standard_normal((len(images), gan.latent_dim), np.float32)
                    fakes = gan.translate(images, z)
                elif takes == "seed":
                    fakes = gan.translate(images, int(random.integers(2**24)))
                else:
                    fakes = gan.translate(images, direction)
                yield to_uint8(np.asarray(fakes))

    return Pictures(count, batches)
