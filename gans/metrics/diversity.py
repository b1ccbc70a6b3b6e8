"""How much the pictures of one input differ from each other: BicycleGAN's measure of diversity.

Zhu et al. 2017, "Toward Multimodal Image-to-Image Translation", arXiv:1711.11586, section 5.2: of
100 inputs 20 samples each, distances between consecutive samples of one input, 19 an input, and the
mean of the 1,900. The paper's distance is LPIPS (`gans.features.lpips`) in its version 0.0; any
distance function will do here, and by default it is the mean absolute difference of pixels, which
needs no learned network. A value cannot be compared with one of another distance or version, so it
is given with the distance between random real photos, outlines included, and as a part of it: the
ratio of the paper's .110 to .262 is what a newer version of LPIPS finds too, .261 to .609 (issue 83
of junyanz/BicycleGAN).
"""

from collections.abc import Callable

import numpy as np

from gans.data.images import to_float

# Two stacks of images of one shape, (n, height, width, channels), to n distances, by pairs.
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]
CHUNK = 20  # Pairs of photos that are compared in one call.


def pixel_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean |difference| of each pair, `(n,)`: 0 for equal images, 2 for black and white.

    Args:
        a, b: `(n, height, width, channels)`, uint8, or float in [-1, 1].
    """
    return np.abs(to_float(a) - to_float(b)).mean(axis=(1, 2, 3))


def consecutive_distances(samples: np.ndarray, distance: Distance = pixel_distance) -> np.ndarray:
    """Distances between consecutive samples of one input, float64 `(inputs, n - 1)`.

    Args:
        samples: `(inputs, n, height, width, channels)`, n at least 2, in what `distance` takes.
        distance: of pairs; called once for an input. Where it has `consecutive`, which gives the
            same for a row of images and sees each once, as those of `gans.features.lpips` do,
            that is called.
    """
    if np.ndim(samples) != 5 or not len(samples) or np.shape(samples)[1] < 2:
        raise ValueError(
            "expected at least 2 samples per input, (inputs, n, height, width, channels). "
            f"Received: {np.shape(samples)}"
        )
    in_a_row = getattr(distance, "consecutive", lambda row: distance(row[:-1], row[1:]))
    # Input by input: all differences at once would be as large as all samples.
    return np.stack([np.asarray(in_a_row(row), np.float64) for row in samples])


def pairwise_distance(samples: np.ndarray, distance: Distance = pixel_distance) -> float:
    """Mean of `consecutive_distances`, with the same arguments."""
    return float(np.mean(consecutive_distances(samples, distance)))


def random_pair_distance(
    photos: np.ndarray, seed: int = 0, distance: Distance = pixel_distance
) -> float:
    """Mean distance between photos next to each other in a random circle: n pairs of different
    photos, each photo in two of them.

    Args:
        photos: `(n, height, width, channels)`, n at least 2.
        seed: of the circle.
        distance: of pairs.
    """
    if len(photos) < 2:
        raise ValueError(f"expected at least 2 photos. Received: {len(photos)}")
    order = np.random.default_rng(seed).permutation(len(photos))
    following = np.roll(order, -1)
    # In parts: photos that are held as they lie on the disk need not be copied at once.
    parts = [slice(start, start + CHUNK) for start in range(0, len(order), CHUNK)]
    found = [distance(photos[order[part]], photos[following[part]]) for part in parts]
    return float(np.mean(np.concatenate(found), dtype=np.float64))


def diversity(
    samples: np.ndarray, photos: np.ndarray, distance: Distance = pixel_distance, seed: int = 0
) -> dict[str, float]:
    """The paper's measure and what it is to be compared with.

    `diversity` is the mean distance between consecutive samples, `random_real` that between random
    real photos, `ratio` the first as a part of the second, and `pairs` the number of distances in
    the first. `ratio` is not a number where all photos are alike.

    Args:
        samples, distance: as in `consecutive_distances`.
        photos, seed: as in `random_pair_distance`.
    """
    own = consecutive_distances(samples, distance)
    random = random_pair_distance(photos, seed, distance)
    mean = float(own.mean())
    ratio = mean / random if random > 0 else float("nan")
    return {"diversity": mean, "random_real": random, "ratio": ratio, "pairs": own.size}
