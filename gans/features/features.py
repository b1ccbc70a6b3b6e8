"""The features of a set of pictures, in memory that does not grow with the set.

Mean and covariance are of all pictures; of the features themselves, which kernels and neighbours
need, at most `KEPT` are held, at even distances, and so are logits.
"""

import hashlib
import io
import itertools
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gans.command_line.files import replacing
from gans.features.extractors import Extractor
from gans.metrics.feature_sets import Features, Moments

KEPT = 10_000
# Of the file format, and of what is kept: another version is another key.
VERSION = 1


def collect(
    batches: Iterable[np.ndarray],
    count: int,
    extractor: Extractor,
    *,
    kept: int = KEPT,
    describe: str = "images",
) -> Features:
    """Extracts the features of `count` pictures, with a progress bar on a terminal.

    Args:
        batches: uint8 `(n, height, width, channels)`, together `count` pictures.
        count: 2 or more.
        extractor: see `gans.features.extractors`.
        kept: the most features that are held.
        describe: word before the progress bar.

    Raises `ValueError` where there are not as many pictures.
    """
    places = np.arange(min(kept, count)) * count // min(kept, count)
    moments, features, logits, digest, seen = Moments(), [], [], hashlib.sha256(), 0
    bar = tqdm(total=count, desc=describe, unit="image", disable=not sys.stderr.isatty())
    with bar:
        for images in batches:
            _feed(digest, images)
            found, scores = extractor.extract(images)
            moments.add(found)
            here = places[(places >= seen) & (places < seen + len(images))] - seen
            features.append(found[here])
            logits.append(None if scores is None else scores[here])
            seen += len(images)
            bar.update(len(images))
    if seen != count or count < 2:
        raise ValueError(f"expected {max(count, 2)} pictures. Received: {seen}")
    scores = None if any(part is None for part in logits) else np.concatenate(logits)
    return Features(moments, np.concatenate(features), scores, places, digest.hexdigest())


def reference(
    batches: Callable[[], Iterable[np.ndarray]],
    count: int,
    extractor: Extractor,
    cache_dir: str | Path,
    *,
    kept: int = KEPT,
    describe: str = "real images",
) -> Features:
    """As `collect`, for pictures that are needed again: kept under the hash of their content.

    Args:
        batches: gives the pictures. It is called twice where they are new: their hash comes first.
        cache_dir: folder of the kept features; made if need be. A damaged file is made anew.
        count, extractor, kept, describe: as in `collect`.
    """
    digest = hashlib.sha256()
    for images in batches():
        _feed(digest, images)
    facts = extractor.facts() | {"kept": kept, "count": count, "version": VERSION}
    text = json.dumps(facts, sort_keys=True) + digest.hexdigest()
    key = hashlib.sha256(text.encode()).hexdigest()
    path = Path(cache_dir) / f"{extractor.name}_{key[:16]}.npz"
    if (found := _load(path, key)) is not None:
        return found
    made = collect(batches(), count, extractor, kept=kept, describe=describe)
    _save(made, path, key)
    return made


def batched(images: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Pictures `(height, width, channels)` in batches of at most `size` of one shape, in order."""
    for _, same in itertools.groupby(images, key=lambda image: image.shape):
        while part := list(itertools.islice(same, size)):
            yield np.stack(part)


def _feed(digest: Any, images: np.ndarray):
    """Feeds pictures to a hash, each with its shape: however they are cut into batches."""
    for image in images:
        digest.update(repr(image.shape).encode())
        digest.update(np.ascontiguousarray(image))


def _save(features: Features, path: Path, key: str):
    arrays = {f"moments_{name}": value for name, value in features.moments.to_arrays().items()}
    arrays |= {"kept": features.kept, "indices": features.indices}
    if features.logits is not None:
        arrays["logits"] = features.logits
    texts = {"digest": np.array(features.digest), "key": np.array(key)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        np.savez(temporary, **arrays, **texts)


def _load(path: Path, key: str) -> Features | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = dict(file)
        if str(arrays["key"]) != key:
            return None
        moments = {
            name.removeprefix("moments_"): value
            for name, value in arrays.items()
            if name.startswith("moments_")
        }
        return Features(
            Moments.from_arrays(moments),
            arrays["kept"],
            arrays.get("logits"),
            arrays["indices"],
            str(arrays["digest"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        print(f"made anew: {path} is damaged ({reason})", file=sys.stderr)
        return None
