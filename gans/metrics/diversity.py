"""How much the pictures of one input differ from each other.

The protocol of BicycleGAN's section 5.2 (consecutive samples of one input, the mean over inputs)
with the mean absolute difference of pixels in place of LPIPS, which needs a learned network. For
reference, `random_pair_distance` is the distance between random real photos, outlines included.
"""

import numpy as np


def pairwise_distance(samples: np.ndarray) -> float:
    """Mean over inputs of the mean |difference| between consecutive samples of one input.

    Args:
        samples: `(inputs, n, height, width, channels)` in [-1, 1], n at least 2: n - 1 distances
            per input.
    """
    if samples.shape[1] < 2:
        raise ValueError(f"expected at least 2 samples per input. Received: {samples.shape[1]}")
    # Input by input: all differences at once would be as large as all samples.
    return float(np.mean([np.mean(np.abs(np.diff(row, axis=0))) for row in samples]))


def random_pair_distance(photos: np.ndarray, seed: int = 0) -> float:
    """Mean |difference| between photos `(n, height, width, channels)` next to each other in a
    random circle: n pairs of different photos, each photo in two of them.
    """
    if len(photos) < 2:
        raise ValueError(f"expected at least 2 photos. Received: {len(photos)}")
    order = np.random.default_rng(seed).permutation(len(photos))
    following = np.roll(order, -1)
    pairs = zip(order, following, strict=True)
    return float(np.mean([np.mean(np.abs(photos[i] - photos[j])) for i, j in pairs]))
