"""Features of sets of pictures: moments of all, rows of some, kept by what the pictures are."""

import numpy as np
import pytest

from gans.features.features import batched, collect, reference
from gans.metrics.feature_sets import Moments


class Means:
    """The mean of each channel and a constant, and two logits; counts what it sees."""

    name, sha256, seen = "means", "0" * 64, 0

    def extract(self, images):
        self.seen += len(images)
        means = images.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
        return means, means[:, :2]

    def facts(self):
        return {"extractor": self.name, "extractor_sha256": self.sha256}


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (23, 4, 5, 3), np.uint8)


def cut(pictures, size):
    return [pictures[start : start + size] for start in range(0, len(pictures), size)]


def test_moments_are_of_all_and_rows_of_some_at_even_distances(pictures):
    found = collect(cut(pictures, 7), 23, Means(), kept=5)
    rows = pictures.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    assert len(found) == 23
    assert found.indices.tolist() == [0, 4, 9, 13, 18]
    np.testing.assert_array_equal(found.kept, rows[found.indices])
    np.testing.assert_array_equal(found.logits, rows[found.indices, :2])
    np.testing.assert_allclose(found.moments.sums().mean, rows.mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(found.moments.sums().covariance, np.cov(rows.T.astype(np.float64)))


def test_the_cut_into_batches_changes_nothing(pictures):
    a, b = (collect(cut(pictures, size), 23, Means(), kept=6) for size in (1, 23))
    assert a.digest == b.digest
    np.testing.assert_array_equal(a.kept, b.kept)
    np.testing.assert_array_equal(a.moments.sums().covariance, b.moments.sums().covariance)


def test_the_digest_tells_pictures_and_shapes_apart(pictures):
    of = lambda images: collect([images], len(images), Means()).digest  # noqa: E731
    other = pictures.copy()
    other[22, 3, 4, 2] ^= 1
    assert of(pictures) != of(other)
    assert of(pictures) != of(pictures.reshape(23, 5, 4, 3))


@pytest.mark.parametrize(("count", "expected"), [(24, 24), (22, 22)])
def test_another_number_of_pictures_is_refused(pictures, count, expected):
    with pytest.raises(ValueError, match=f"^expected {expected} pictures. Received: 23$"):
        collect(cut(pictures, 7), count, Means())


def test_a_set_that_was_seen_is_not_looked_at_again(tmp_path, pictures):
    first, again = Means(), Means()
    made = reference(lambda: cut(pictures, 7), 23, first, tmp_path, kept=5)
    found = reference(lambda: cut(pictures, 10), 23, again, tmp_path, kept=5)
    assert (first.seen, again.seen) == (23, 0)
    assert found.digest == made.digest
    for a, b in ((made.kept, found.kept), (made.logits, found.logits)):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(found.moments.sums().covariance, made.moments.sums().covariance)
    assert len(found) == 23


def test_other_pictures_or_another_extractor_are_looked_at(tmp_path, pictures):
    reference(lambda: [pictures], 23, Means(), tmp_path)
    other, another = pictures.copy(), Means()
    other[0, 0, 0, 0] ^= 1
    another.sha256 = "1" * 64
    for images, extractor, kept in (
        (other, Means(), 10),
        (pictures, another, 10),
        (pictures, Means(), 3),
    ):
        reference(lambda images=images: [images], 23, extractor, tmp_path, kept=kept)
        assert extractor.seen == 23
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"no zip", b"cut"])
def test_a_damaged_file_is_made_anew(tmp_path, pictures, capsys, damage):
    made = reference(lambda: [pictures], 23, Means(), tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:900] if damage == b"cut" else damage)
    extractor = Means()
    found = reference(lambda: [pictures], 23, extractor, tmp_path)
    assert extractor.seen == 23
    assert capsys.readouterr().err.startswith(f"made anew: {path} is damaged (")
    np.testing.assert_array_equal(found.kept, made.kept)
    assert reference(lambda: [pictures], 23, Means(), tmp_path).digest == made.digest


def test_features_without_logits_are_kept_too(tmp_path, pictures):
    class Without(Means):
        def extract(self, images):
            return super().extract(images)[0], None

    for _ in range(2):
        assert reference(lambda: [pictures], 23, Without(), tmp_path).logits is None


def test_the_moments_of_what_is_kept_are_those_of_the_rows(pictures):
    found = collect([pictures], 23, Means())
    np.testing.assert_allclose(Moments.of(found.kept).sums().mean, found.moments.sums().mean)


def test_batches_hold_one_shape_and_keep_the_order():
    images = [np.full((size, size, 1), n, np.uint8) for n, size in enumerate((2, 2, 2, 3, 2, 2))]
    parts = list(batched(images, 2))
    assert [part.shape for part in parts] == [
        (2, 2, 2, 1),
        (1, 2, 2, 1),
        (1, 3, 3, 1),
        (2, 2, 2, 1),
    ]
    assert [int(image[0, 0, 0]) for part in parts for image in part] == list(range(6))
