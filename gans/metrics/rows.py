"""Rows of features: what every distance between two sets of pictures is measured on."""

import numpy as np


def check(features: np.ndarray, what: str = "features") -> np.ndarray:
    """The array itself, where it is one row of finite numbers for each picture, float `(n, d)`.

    Raises `ValueError` otherwise: of one row with NaN every distance would be NaN, and of one with
    infinity some distances would be numbers, and wrong.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1] or features.dtype.kind != "f":
        raise ValueError(
            f"expected {what}, float (n, d). Received: {features.dtype} {features.shape}"
        )
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"expected finite {what}. Received: NaN or infinity in {np.count_nonzero(~finite)} of "
            f"{len(features)} rows, the first of them row {np.argmin(finite)}"
        )
    return features


def check_pair(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of rows of one width, each as `check` has it."""
    real, fake = check(real, "features of real pictures"), check(fake, "features of fakes")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"expected features of one width. Received: {real.shape[1]} and {fake.shape[1]}"
        )
    return real, fake
