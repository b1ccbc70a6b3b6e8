"""Which modes of a known distribution are generated: PacGAN's protocol (1712.04086, section 4).

Of 2,500 samples of a mixture of Gaussians: how many modes have a sample of high quality, what share
of all samples is of high quality, and how evenly these fall on the modes. Of 26,000 samples of
stacked MNIST, a classifier tells the modes.
"""

import numpy as np

SAMPLES = 2500
WITHIN = 3.0  # Standard deviations.


def mode_coverage(samples: np.ndarray, centres: np.ndarray, sigma: float) -> dict[str, float]:
    """Coverage of a mixture of isotropic Gaussians of equal weight.

    A sample is of high quality where it is closer than 3 sigma to the centre nearest to it, in any
    direction (Mahalanobis); one that is exactly 3 sigma away is not, as in the official code.

    `modes` is the number of centres that have a sample of high quality, `high_quality` the share of
    these among all samples. `reverse_kl` is KL(generated || true) over the modes, in nats: each
    sample of high quality counts for its centre, the others for none, and the true distribution is
    uniform, so that it is log(modes of the mixture) minus the entropy of the counts, which is what
    the official code logs (`MetricLogger` in `pacgan/extensions.py`). It is 0 where all modes are
    equally frequent and log(K) at the most; so it is given as log(K) where no sample counts.

    Args:
        samples: `(n, d)`; 2,500 in the protocol. Ones that are not finite are not of high quality.
        centres: `(K, d)`.
        sigma: standard deviation of each coordinate.
    """
    samples, centres = (np.asarray(array, np.float64) for array in (samples, centres))
    if samples.ndim != 2 or not len(samples) or samples.shape[1:] != centres.shape[1:]:
        raise ValueError(
            f"expected samples (n, {centres.shape[1]}), n at least 1. Received: {samples.shape}"
        )
    distances = np.linalg.norm(samples[:, np.newaxis] - centres, axis=-1) / sigma
    nearest = np.argmin(distances, axis=1)
    good = distances[np.arange(len(samples)), nearest] < WITHIN
    counts = np.bincount(nearest[good], minlength=len(centres))
    return {
        "modes": int(np.count_nonzero(counts)),
        "high_quality": float(np.mean(good)),
        "reverse_kl": _from_uniform(counts),
    }


def class_coverage(classes: np.ndarray, count: int) -> dict[str, float]:
    """Coverage of `count` equally frequent classes, such as the 1,000 of stacked MNIST.

    `modes` is the number of classes that occur, `reverse_kl` KL(generated || uniform) in nats, over
    all samples.

    Args:
        classes: predicted class of each sample, integers `(n,)` in [0, count).
        count: number of classes.
    """
    classes = np.asarray(classes)
    if classes.ndim != 1 or not len(classes) or not np.issubdtype(classes.dtype, np.integer):
        raise ValueError(
            f"expected integers (n,), n at least 1. Received: {classes.dtype} {classes.shape}"
        )
    if classes.min() < 0 or classes.max() >= count:
        raise ValueError(
            f"expected classes from 0 to {count - 1}. "
            f"Received: from {classes.min()} to {classes.max()}"
        )
    counts = np.bincount(classes, minlength=count)
    return {"modes": int(np.count_nonzero(counts)), "reverse_kl": _from_uniform(counts)}


def _from_uniform(counts: np.ndarray) -> float:
    """KL(counts || uniform) in nats; of no counts at all its largest value."""
    if not counts.sum():
        return float(np.log(len(counts)))
    shares = counts[counts > 0] / counts.sum()
    # Rounding may leave a uniform distribution a little below 0.
    return max(0.0, float(np.sum(shares * np.log(shares * len(counts)))))
