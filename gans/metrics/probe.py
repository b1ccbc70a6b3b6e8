"""A linear classifier on features: how much of what a picture shows is in a weighted sum of them
(Radford et al. 2016, section 5.1).

The paper's classifier is a linear SVM with L2 regularisation, one per class against all others.
Here the squared error stands in for its squared hinge, the mean over n images:

    mean (w . x + b - y)^2 + strength |w|^2        y = 1 of the class, 0 of all others

Its minimum has a closed form. It needs the sums of the products of features, into which images go
a part at a time, or, where there are fewer images than features, the products of images; either way
the same weights. Features are brought to mean 0 and deviation 1; b is not regularised.

The strength is the one that is best on every tenth image of those that are given; the weights are
then those of all of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
TENTH = 10
CHUNK = 1000  # Images whose features are taken at a time.

Features = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class LinearClassifier:
    """The largest of `features @ weights + bias` is the class.

    Attributes:
        weights: `(d, k)`.
        bias: `(k,)`.
        strength: of the regularisation.
    """

    weights: np.ndarray
    bias: np.ndarray
    strength: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Classes, int `(n,)`, of features `(n, d)`."""
        return np.argmax(features @ self.weights + self.bias, axis=1)

    def accuracy(self, features: Features, images: np.ndarray, labels: np.ndarray) -> float:
        """Share of the images that are put into their class; the arguments are those of `fit`."""
        right = [
            self.predict(features(images[part])) == labels[part] for part in _parts(len(images))
        ]
        return float(np.mean(np.concatenate(right)))


def fit(
    features: Features,
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearClassifier:
    """A linear classifier on the features of images.

    Args:
        features: of images `(m, ...)` gives `(m, d)`; is called once for each thousand.
        images: `(n, ...)`.
        labels: int `(n,)`, from 0 to `classes` - 1.
        classes: how many there are.
        strengths: to choose from; of those that are equally good the largest is taken.

    Raises `ValueError` for fewer than 10 images, of which none would be the tenth.
    """
    if len(images) < TENTH:
        raise ValueError(f"expected at least {TENTH} images. Received: {len(images)}")
    tenth = np.arange(len(images)) % TENTH == TENTH - 1
    fitted, held, kept = None, None, []
    for part in _parts(len(images)):
        values = np.asarray(features(images[part]), np.float32)
        if fitted is None:
            # Far from 0, products of float32 would keep few digits of what differs.
            shift = values.mean(axis=0)
            room = Products if values.shape[1] < len(images) else Rows
            fitted, held = (room(shift, classes) for _ in range(2))
        values = values - shift
        choose = tenth[part]
        fitted.add(values[~choose], labels[part][~choose])
        held.add(values[choose], labels[part][choose])
        kept.append(values[choose])
    kept = np.concatenate(kept)
    candidates = fitted.solve(sorted(strengths, reverse=True))
    scores = [np.mean(one.predict(kept) == labels[tenth]) for one in candidates]
    fitted.merge(held)
    (chosen,) = fitted.solve([candidates[int(np.argmax(scores))].strength])
    return LinearClassifier(chosen.weights, chosen.bias - shift @ chosen.weights, chosen.strength)


class Products:
    """The sums over images that a ridge regression is made of, for few features.

    Args:
        shift: what was taken off the features, `(d,)`.
        classes: number of them.
    """

    def __init__(self, shift: np.ndarray, classes: int):
        size = len(shift)
        self.count = 0
        self.total = np.zeros(size)
        self.squares = np.zeros((size, size))
        self.classes = np.zeros(classes)
        self.by_class = np.zeros((size, classes))

    def add(self, values: np.ndarray, labels: np.ndarray):
        """Features float32 `(m, d)` and labels `(m,)`."""
        one_hot = np.eye(len(self.classes), dtype=np.float32)[labels]
        self.count += len(values)
        self.total += values.sum(axis=0, dtype=np.float64)
        # Of a thousand images float32 is exact enough, and twice as fast.
        self.squares += values.T @ values
        self.classes += one_hot.sum(axis=0)
        self.by_class += values.T @ one_hot

    def merge(self, other: "Products"):
        """Takes in the images of another."""
        for name in ("count", "total", "squares", "classes", "by_class"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def solve(self, strengths: Sequence[float]) -> list[LinearClassifier]:
        """The regression of each strength. A feature that never varies gets no weight."""
        mean, share = self.total / self.count, self.classes / self.count
        scale = _inverse_deviation(np.diagonal(self.squares) / self.count - mean**2)
        correlation = self.squares / self.count
        correlation -= np.outer(mean, mean)
        correlation *= scale
        correlation *= scale[:, np.newaxis]
        towards = (self.by_class / self.count - np.outer(mean, share)) * scale[:, np.newaxis]
        diagonal = np.diagonal(correlation).copy()
        found = []
        for strength in strengths:
            np.fill_diagonal(correlation, diagonal + strength)
            weights = scale[:, np.newaxis] * np.linalg.solve(correlation, towards)
            found.append(LinearClassifier(weights, share - mean @ weights, strength))
        return found


class Rows:
    """As `Products`, for fewer images than features: these are kept, and images multiplied."""

    def __init__(self, shift: np.ndarray, classes: int):
        self.number = classes
        self.values, self.labels = [np.zeros((0, len(shift)), np.float32)], [np.zeros(0, int)]

    def add(self, values: np.ndarray, labels: np.ndarray):
        """Features float32 `(m, d)` and labels `(m,)`."""
        self.values.append(values)
        self.labels.append(labels)

    def merge(self, other: "Rows"):
        """Takes in the images of another."""
        self.values += other.values
        self.labels += other.labels

    def solve(self, strengths: Sequence[float]) -> list[LinearClassifier]:
        """As `Products.solve`."""
        values = np.concatenate(self.values)
        one_hot = np.eye(self.number)[np.concatenate(self.labels)]
        count, share = len(values), one_hot.mean(axis=0)
        mean = values.mean(axis=0, dtype=np.float64)
        scale = _inverse_deviation(values.var(axis=0, dtype=np.float64))
        values -= mean.astype(np.float32)
        values *= scale.astype(np.float32)
        products = (values @ values.T).astype(np.float64) / count
        diagonal = np.diagonal(products).copy()
        found = []
        for strength in strengths:
            np.fill_diagonal(products, diagonal + strength)
            of_images = np.linalg.solve(products, one_hot - share) / count
            weights = scale[:, np.newaxis] * (values.T @ of_images)
            found.append(LinearClassifier(weights, share - mean @ weights, strength))
        return found


def _inverse_deviation(variance: np.ndarray) -> np.ndarray:
    # What is left below this is what float32 makes of a constant.
    varies = variance > 1e-9 * max(float(np.max(variance)), 1e-30)
    return np.where(varies, 1 / np.sqrt(np.where(varies, variance, 1.0)), 0.0)


def _parts(count: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
