"""Translations: of the asked style, noise and direction, at the size of the image.

The expected pictures are the GAN's own, of narrow networks that were not trained.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.bicyclegan import BicycleGAN
from gans.cyclegan import CycleGAN
from gans.discogan import DiscoGAN
from gans.pix2pix import Pix2Pix
from gans.results import translation
from gans.results.interpolation import spherical

NARROW = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
GANS = {
    "bicyclegan": (BicycleGAN, {"encoder_filters": 2}),
    "pix2pix": (Pix2Pix, {}),
    "latent": (Pix2Pix, {"dropout": 0.0, "latent_dim": 3}),
    "cyclegan": (CycleGAN, {}),
    "resnet": (CycleGAN, {"generator": "resnet", "blocks": 1}),
    "discogan": (DiscoGAN, {}),
}


@pytest.fixture(scope="module")
def gan_of(randomised):
    """A GAN by name, not to be changed."""
    made = {}

    def make(name):
        if name not in made:
            kind, settings = GANS[name]
            made[name] = randomised(kind(**NARROW, **settings))
        return made[name]

    return make


def photo(height=32, width=32, seed=0):
    """Noise in [-1, 1], float32 `(height, width, 3)`."""
    return np.random.default_rng(seed).uniform(-1, 1, (height, width, 3)).astype(np.float32)


def padded(image, height, width, padding):
    """In the middle of a canvas; and where it is there."""
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    rows, columns = np.arange(height) - top, np.arange(width) - left
    inside = np.isin(rows, range(image.shape[0]))[:, None] & np.isin(columns, range(image.shape[1]))
    rows, columns = (
        np.clip(i, 0, n - 1) for i, n in zip((rows, columns), image.shape, strict=False)
    )
    canvas = image[rows][:, columns]
    if padding is translation.WHITE:
        canvas = np.where(inside[..., None], canvas, np.float32(1))
    return canvas, np.s_[top : top + image.shape[0], left : left + image.shape[1]]


def test_each_style_has_a_picture(gan_of):
    gan = gan_of("bicyclegan")
    z = translation.choose_styles(gan, [], 3, seed=2)
    assert (z.shape, z.dtype) == ((3, 8), np.float32)
    draws = np.random.default_rng(2).standard_normal((3, 8))
    np.testing.assert_array_equal(z, draws.astype(np.float32))
    pictures = translation.in_styles(gan, z)(photo())
    expected = gan.translate(np.stack([photo()] * 3), z)
    np.testing.assert_allclose(pictures, expected, atol=1e-5)
    assert np.abs(pictures[0] - pictures[1]).mean() > 0.01


def test_photos_lend_their_styles(gan_of):
    gan, photos = gan_of("bicyclegan"), [photo(seed=1), photo(seed=2)]
    z = translation.choose_styles(gan, photos, 5)
    np.testing.assert_array_equal(z, gan.encode(np.stack(photos)))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_an_interpolation_begins_with_photos_and_ends_with_random_styles(gan_of, count):
    gan, photos = gan_of("bicyclegan"), [photo(seed=1), photo(seed=2)][:count]
    encoded = gan.encode(np.stack(photos)) if photos else np.zeros((0, 8))
    start, end = np.concatenate([encoded, np.random.default_rng(4).standard_normal((4, 8))])[:2]
    z = translation.choose_styles(gan, photos, 4, seed=4, interpolate=True)
    arc = [spherical(start, end, share) for share in (0, 1 / 3, 2 / 3, 1)]
    np.testing.assert_array_equal(z, np.float32(arc))


@pytest.mark.parametrize("name", ["pix2pix", "latent"])
def test_pictures_of_pix2pix_differ_in_their_noise(gan_of, name):
    gan = gan_of(name)
    pictures = translation.with_noise(gan, 3, seed=5)(photo())
    np.testing.assert_array_equal(pictures, gan.translate(np.stack([photo()] * 3), 5))
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures, gan.translate(np.stack([photo()] * 3), 0))


@pytest.mark.parametrize("name", ["cyclegan", "discogan"])
def test_each_direction_has_its_generator_and_the_next_one_gets_its_picture(gan_of, name):
    gan = gan_of(name)
    fake, cycled = translation.in_directions(gan, ["b_to_a", "a_to_b"])(photo())
    np.testing.assert_allclose(fake, gan.translate(photo()[None], "b_to_a")[0], atol=1e-5)
    np.testing.assert_allclose(cycled, gan.translate(fake[None], "a_to_b")[0], atol=1e-5)
    (other,) = translation.in_directions(gan, ["a_to_b"])(photo())
    assert not np.allclose(fake, other, atol=1e-2)


@pytest.mark.parametrize(
    ("name", "padding", "size", "full"),
    [
        ("bicyclegan", translation.WHITE, (37, 50), (64, 64)),
        ("bicyclegan", translation.WHITE, (64, 96), (64, 96)),
        ("bicyclegan", translation.WHITE, (1, 1), (32, 32)),
        ("cyclegan", translation.BORDER, (32, 33), (32, 64)),
        ("resnet", translation.BORDER, (37, 50), (40, 52)),
        ("resnet", translation.BORDER, (5, 1), (32, 32)),
    ],
)
def test_an_odd_size_is_padded_and_cut_back(gan_of, name, padding, size, full):
    gan, image = gan_of(name), photo(*size)
    canvas, place = padded(image, *full, padding)
    if name == "bicyclegan":
        z = translation.choose_styles(gan, [], 1)
        paint, inputs, names = translation.in_styles(gan, z), [canvas[None], z], ()
    else:
        paint, inputs = translation.in_directions(gan, ["a_to_b"]), canvas[None]
        names = ("a_to_b",)
    expected = gan.generator_for(*full, *names)(inputs, training=False)[0].numpy()
    (found,) = translation.at_own_size(gan, image, paint, padding)
    assert found.shape == (*size, 3)
    np.testing.assert_array_equal(found, expected[place])


@pytest.mark.parametrize("size", [(32, 32), (40, 56)])
def test_at_the_training_size_it_is_resized_and_back(gan_of, size):
    gan, image = gan_of("discogan"), photo(*size)

    def resized(image, side):
        resize = tf.image.resize(image, (side, side), "bicubic", antialias=True)
        return np.clip(resize, -1.0, 1.0)

    paint = translation.in_directions(gan, ["a_to_b"])
    (found,) = translation.at_training_size(gan, image, paint, translation.BORDER)
    side = max(size)
    canvas, place = padded(image, side, side, translation.BORDER)
    expected = resized(gan.translate(resized(canvas, 32)[None])[0], side)[place]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if size == (32, 32):  # Nothing was to be resized.
        np.testing.assert_array_equal(found, paint(image)[0])


def test_generators_of_a_size_are_made_once_for_all_images(gan_of, monkeypatch):
    gan, sizes = gan_of("resnet"), []
    made = CycleGAN.generator_for

    def count(self, *size):
        sizes.append(size)
        return made(self, *size)

    monkeypatch.setattr(CycleGAN, "generator_for", count)
    paint = translation.in_directions(gan, ["a_to_b", "b_to_a"])
    for _ in range(3):
        paint(photo())
    assert sizes == [(32, 32, "a_to_b"), (32, 32, "b_to_a")]
    assert isinstance(made(gan, 32, 32, "a_to_b"), keras.Model)
