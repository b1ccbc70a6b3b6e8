"""Sliced Wasserstein distance: the official pyramid, closed forms, order of merit."""

import numpy as np
import pytest
from scipy import ndimage

from gans.metrics import realism
from gans.metrics.realism import laplacian_pyramid, sliced_wasserstein


def noise(seed, count=4, size=32, channels=3):
    return np.random.default_rng(seed).uniform(-1, 1, (count, size, size, channels)).astype("f4")


def official_pyramid(images, levels):
    """pyr_down and pyr_up of tkarras/progressive_growing_of_gans, restated; channels last."""
    kernel = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]).astype("f4")[np.newaxis, ..., np.newaxis]
    pyramid = [np.float32(images)]
    for _ in range(levels - 1):
        smaller = ndimage.convolve(pyramid[-1], kernel / 256, mode="mirror")[:, ::2, ::2]
        wide = np.zeros_like(pyramid[-1])
        wide[:, ::2, ::2] = smaller
        pyramid[-1] = pyramid[-1] - ndimage.convolve(wide, kernel / 64, mode="mirror")
        pyramid.append(smaller)
    return pyramid


@pytest.mark.parametrize(("size", "levels"), [(64, 3), (32, 2), (16, 1), (48, 2)])
def test_the_pyramid_is_the_official_one(size, levels):
    images = noise(0, size=size)
    pyramid = laplacian_pyramid(images)
    assert len(pyramid) == levels
    for level, expected in zip(pyramid, official_pyramid(images, levels), strict=True):
        np.testing.assert_allclose(level, expected, rtol=0, atol=2e-6)


def test_the_levels_are_named_by_their_size_and_averaged():
    distances = sliced_wasserstein(noise(0, size=64), noise(1, size=64))
    assert list(distances) == ["64", "32", "16", "mean"]
    *levels, mean = distances.values()
    assert mean == pytest.approx(np.mean(levels), rel=1e-12) and min(levels) > 0


def test_equal_sets_are_at_no_distance():
    assert set(sliced_wasserstein(noise(0), noise(0)).values()) == {0.0}


def test_the_seed_is_all_the_chance_there_is():
    first, second, other = (sliced_wasserstein(noise(0), noise(1), seed) for seed in (0, 0, 1))
    assert first == second
    assert first["32"] != other["32"]


def directions(seed, size, channels):
    """The directions that are used, in the order of the draws."""
    random = np.random.default_rng([seed, size])
    for _ in range(2):
        random.integers(0, size - 6, (4, 128))
    drawn = random.standard_normal((49 * channels, 512), np.float32)
    return drawn / np.linalg.norm(drawn, axis=0)


def test_a_tint_costs_its_length_along_each_direction():
    """All patches move by one vector: each projection by its product with the direction."""
    images = noise(0, size=16)
    tint = np.float32([0.3, -0.1, 0.2])
    distances = sliced_wasserstein(images, images + tint, seed=5)
    # Patches are a sample of the pixels: their deviation, not that of the images.
    random = np.random.default_rng([5, 16])
    tops, lefts = (random.integers(0, 10, (4, 128)) for _ in range(2))
    patches = np.stack(
        [
            images[n, top : top + 7, left : left + 7]
            for n in range(4)
            for top, left in zip(tops[n], lefts[n], strict=True)
        ]
    )
    shift = np.repeat(tint / patches.std(axis=(0, 1, 2)), 49)
    expected = 1e3 * np.abs(shift @ directions(5, 16, 3)).mean()
    assert distances["16"] == pytest.approx(expected, rel=1e-4)


def test_a_tint_is_seen_at_the_coarsest_level_only():
    distances = sliced_wasserstein(noise(0), noise(0) + np.float32(0.25))
    assert distances["32"] < 1e-2 < 100 < distances["16"]


def test_half_the_contrast_is_seen_at_every_level():
    """Sorted projections shrink by half, so the distance is half the mean |projection|."""
    images = noise(0)
    distances = sliced_wasserstein(images, images / 2)
    against_flat = sliced_wasserstein(images, np.zeros_like(images))
    # Of a level without a mean, up to the little that its patches have.
    assert distances["32"] == pytest.approx(against_flat["32"] / 2, rel=0.02)
    assert min(distances.values()) > 100


def test_the_places_of_the_images_do_not_matter():
    """A set against itself in another order is as near as chance has it, others are not."""
    images = noise(0, count=16)
    shuffled = sliced_wasserstein(images, images[::-1])["mean"]
    assert 0 < shuffled < 50 < sliced_wasserstein(images, images * 0.8)["mean"]


def test_the_finest_level_sees_blur_and_the_coarsest_does_not(toy_photos):
    blurred = ndimage.gaussian_filter(toy_photos, (0, 0.7, 0.7, 0))
    distances = sliced_wasserstein(toy_photos, blurred)
    assert distances["32"] > 4 * distances["16"]


@pytest.fixture
def toy_photos(toy_bags):
    from PIL import Image

    pairs = [np.asarray(Image.open(path)) for path in sorted((toy_bags / "train").iterdir())]
    return np.stack(pairs)[:, :, 32:] / np.float32(127.5) - 1


def test_sketches_are_further_from_photos_than_photos_are(toy_photos, toy_bags):
    half = len(toy_photos) // 2
    floor = sliced_wasserstein(toy_photos[:half], toy_photos[half:])["mean"]
    sketches = np.where(toy_photos.min(axis=-1, keepdims=True) > 0.7, 1.0, -1.0)
    sketches = np.repeat(sketches, 3, axis=-1).astype("f4")
    assert sliced_wasserstein(toy_photos[:half], sketches[:half])["mean"] > 2 * floor


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_channels(channels):
    one, two = noise(0, channels=channels), noise(1, channels=channels)
    assert sliced_wasserstein(one, two)["mean"] > 0


def test_a_flat_real_channel_is_no_division_by_zero():
    real = noise(0)
    real[..., 2] = 1.0
    assert np.isfinite(list(sliced_wasserstein(real, noise(1)).values())).all()


def test_sets_of_different_counts_are_refused():
    with pytest.raises(ValueError, match=r"one shape. Received: \(4, .* and \(3, "):
        sliced_wasserstein(noise(0), noise(1, count=3))


def test_the_numbers_are_the_papers():
    assert (realism.PATCH, realism.PATCHES, realism.DIRECTIONS) == (7, 128, 512)
