"""Whether a latent code can be read back from the picture that was painted with it."""

import numpy as np

# Mean |N(0, 1)|: what the best blind guess, zero, is off by.
NO_INFORMATION = float(np.sqrt(2.0 / np.pi))


def recovery_error(z: np.ndarray, recovered: np.ndarray) -> float:
    """Mean |recovered - z|, over codes `(n, latent_dim)` drawn from N(0, 1).

    0 is a perfect reading; `NO_INFORMATION`, 0.80, is what a reader reaches that knows nothing.
    """
    return float(np.mean(np.abs(np.asarray(recovered) - np.asarray(z))))
