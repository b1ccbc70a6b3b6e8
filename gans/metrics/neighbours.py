"""Whether fakes lie where real pictures do, and real ones where fakes do: quality and diversity as
two numbers each. And which real pictures a picture is nearest to, by which copies are found.

Around each picture is a ball as wide as the distance to its k-th nearest neighbour of its own set.

- precision: share of the fakes that lie in a ball of a real picture. recall: share of the real
  pictures that lie in a ball of a fake. Kynkaanniemi et al. 2019, "Improved Precision and Recall
  Metric for Assessing Generative Models", arXiv:1904.06991, equations 1 to 3; k = 3 there and in
  StyleGAN's pr50k3. A ball has its edge, as in kynkaat/improved-precision-and-recall-metric.
- density: in how many balls of real pictures a fake lies, divided by k: 1 on average where both
  sets are of one distribution, more where fakes crowd in its middle. coverage: share of the real
  pictures in whose ball a fake lies. Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics
  for Generative Models", arXiv:2002.09797, equations 4 and 5; k = 5 there. A ball is without its
  edge, as in clovaai/generative-evaluation-prdc, which has all four so: it differs from this
  module in precision and recall where a distance is exactly a radius, as among copies.

One junk picture far away from all others makes a huge ball, which precision and recall take at its
word; density and coverage use the balls of real pictures only, and count them. All four depend on
the numbers of pictures: compare values of the same counts.

Distances are float64 products of blocks of centred rows, |x|^2 + |y|^2 - 2 x . y, and no more than
one block is held. That is off by a rounding of up to about d * 1e-16 * (|x|^2 + |y|^2); two squared
distances that differ by no more than their roundings are taken for equal. So copies and ties are
decided as the definitions have it, and never by chance.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gans.metrics.feature_sets import check_pair

PRECISION_K, DENSITY_K = 3, 5
BLOCK = 2**24  # Distances in one block: 128 MiB.
ROWS = 2048  # Rows that are brought to float64 at a time.


def prdc(
    real: np.ndarray, fake: np.ndarray, k: int = DENSITY_K, precision_k: int | None = None
) -> dict[str, float]:
    """`precision`, `recall`, `density`, `coverage`; all but density at most 1.

    Args:
        real, fake: float `(n, d)` and `(m, d)`, both more than k rows.
        k: neighbours of density and coverage, and of precision and recall if nothing else is said.
        precision_k: neighbours of precision and recall: `PRECISION_K`, 3, is the paper's.

    Raises `ValueError` for too few rows.
    """
    real, fake = check_pair(real, fake)
    precision_k = k if precision_k is None else precision_k
    if min(k, precision_k) < 1 or max(k, precision_k) >= min(len(real), len(fake)):
        raise ValueError(
            "expected 1 neighbour or more, and fewer than pictures. "
            f"Received: {k} and {precision_k}, of {len(real)} real and {len(fake)} fake pictures"
        )
    slack = _slack(real.shape[1])
    real_radii = _radii(real, (precision_k, k), slack)
    (fake_radius,) = _radii(fake, (precision_k,), slack)
    real_edge, real_inside = real_radii[0][1], real_radii[1][0]
    fake_edge = fake_radius[1]

    precise, dense = np.zeros(len(fake), bool), np.zeros(len(fake), int)
    recalled, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    centre = real.mean(axis=0, dtype=np.float64)
    fakes, reals = _Points(fake, centre), _Points(real, centre)
    for rows, squared in _blocks(fakes, reals):
        off = np.add.outer(slack * fakes.norms[rows], slack * reals.norms)
        inside = squared + off < real_inside
        dense[rows] = np.count_nonzero(inside, axis=1)
        covered |= inside.any(axis=0)
        squared -= off
        precise[rows] = (squared <= real_edge).any(axis=1)
        recalled |= (squared <= fake_edge[rows, np.newaxis]).any(axis=0)
    return {
        "precision": float(precise.mean()),
        "recall": float(recalled.mean()),
        "density": float(dense.mean() / k),
        "coverage": float(covered.mean()),
    }


def nearest(
    queries: np.ndarray, references: np.ndarray, count: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest rows of `references` to each of `queries`, nearest first.

    A copy is at distance 0. Of equally near ones the first in `references` comes first.

    Args:
        queries: float `(n, d)`.
        references: float `(m, d)`.
        count: of neighbours, at most m.

    Returns indices, int `(n, count)`, and Euclidean distances, float64 `(n, count)`.
    """
    references, queries = check_pair(references, queries)
    if not 1 <= count <= len(references):
        raise ValueError(f"expected 1 to {len(references)} neighbours. Received: {count}")
    slack = _slack(references.shape[1])
    centre = references.mean(axis=0, dtype=np.float64)
    points, others = _Points(queries, centre), _Points(references, centre)
    originals = _originals(references)
    indices = np.zeros((len(queries), count), int)
    distances = np.zeros((len(queries), count))
    for rows, squared in _blocks(points, others):
        off = np.add.outer(slack * points.norms[rows], slack * others.norms)
        furthest = np.partition(squared + off, count - 1, axis=1)[:, count - 1 : count]
        candidates = squared - off <= furthest
        for row, near in zip(range(rows.start, rows.stop), candidates, strict=True):
            # Mostly `count` of them, whose distances are taken again without cancellation.
            found = np.flatnonzero(near)
            different, copy_of = np.unique(originals[found], return_inverse=True)
            difference = references[different].astype(np.float64) - queries[row]
            exact = np.sqrt(np.einsum("ij,ij->i", difference, difference))[copy_of]
            order = np.argsort(exact, kind="stable")[:count]
            indices[row], distances[row] = found[order], exact[order]
    return indices, distances


@dataclass
class _Points:
    """Rows that are centred part by part, in float64, so that no copy of all is held."""

    features: np.ndarray
    centre: np.ndarray

    def __post_init__(self):
        parts = [np.einsum("ij,ij->i", part, part) for _, part in self.parts()]
        self.norms = np.concatenate([np.zeros(0), *parts])

    def parts(self, size: int = ROWS) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(self.features), size):
            rows = slice(start, min(start + size, len(self.features)))
            yield rows, self.features[rows] - self.centre


def _blocks(points: _Points, others: _Points) -> Iterator[tuple[slice, np.ndarray]]:
    """Some rows of `points`, and their squared distances to all of `others`, 0 or more."""
    height = max(1, min(ROWS, BLOCK // len(others.features)))
    for rows, part in points.parts(height):
        squared = np.empty((len(part), len(others.features)))
        part *= -2
        for columns, other in others.parts():
            squared[:, columns] = part @ other.T
        squared += others.norms
        squared += points.norms[rows, np.newaxis]
        yield rows, np.maximum(squared, 0, out=squared)


def _radii(
    features: np.ndarray, ks: tuple[int, ...], slack: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each k the squared distance of each row to its k-th neighbour: at the least, and at the
    most, by rounding; float64 `(n,)` each.
    """
    # At its own centre, however far away that is from the other set's.
    points = _Points(features, features.mean(axis=0, dtype=np.float64))
    squared_radii = np.empty((len(ks), len(features)))
    for rows, squared in _blocks(points, points):
        np.fill_diagonal(squared[:, rows], np.inf)  # A row is no neighbour of itself.
        squared.partition([k - 1 for k in ks], axis=1)
        squared_radii[:, rows] = squared[:, [k - 1 for k in ks]].T
    # The neighbour's norm is not known, but |y|^2 <= 2 |x|^2 + 2 |x - y|^2.
    off = slack * (3 * points.norms + 2 * squared_radii)
    return list(zip(squared_radii - off, squared_radii + off, strict=True))


def _originals(rows: np.ndarray) -> np.ndarray:
    """Of each row the first that has the same bytes, int `(n,)`: of a collapsed generator's fakes
    all are near to all, and no distance need be taken twice.
    """
    first = {}
    digests = (hashlib.sha256(row.tobytes()).digest() for row in rows)
    return np.array([first.setdefault(digest, index) for index, digest in enumerate(digests)])


def _slack(dimensions: int) -> float:
    """By how much a squared distance may be off, in units of |x|^2 + |y|^2: the bound of a product
    of d terms, twice, and of what is done to it after that (Higham 2002, section 3.1).
    """
    return (2 * dimensions + 16) * np.finfo(np.float64).eps / 2
