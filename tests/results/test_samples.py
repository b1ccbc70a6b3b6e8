"""Samples: those of the fixed noise, of the labels that are named, in the places that are drawn."""

import numpy as np
import pytest

from gans.pictures.image_grid import image_grid
from gans.results import samples


@pytest.mark.parametrize("name", ["dcgan", "uniform", "wgan_gp", "infogan"])
def test_samples_are_those_of_the_fixed_noise(gan_of, name):
    gan = gan_of(name)
    images = samples.rows(gan, 10, seed=3)
    assert images.shape == (1, 10, 8, 8, 3)
    np.testing.assert_array_equal(images[0], gan.generate(gan.draw_latents(10, 3)))
    assert len({image.tobytes() for image in images[0]}) == 10
    assert not np.array_equal(images, samples.rows(gan, 10, seed=4))
    # A number is the same sample whatever the count.
    np.testing.assert_allclose(samples.rows(gan, 4, seed=3)[0], images[0, :4], atol=1e-6)


@pytest.mark.parametrize("name, size", [("cgan", 3), ("tags", 4)])
def test_each_label_has_a_row_of_the_same_noise(gan_of, name, size):
    gan = gan_of(name)
    labels = np.eye(size, dtype=np.float32)[[2, 0]] + np.eye(size, dtype=np.float32)[1] * (
        name == "tags"
    )
    images = samples.rows(gan, 4, labels)
    z = gan.draw_latents(4, 0)
    for row, label in zip(images, labels, strict=True):
        np.testing.assert_array_equal(row, gan.generate(z, np.repeat(label[None], 4, axis=0)))
    assert not np.array_equal(*images)


def test_a_label_of_infogan_is_its_category(gan_of):
    gan = gan_of("infogan")
    z = gan.draw_latents(3, 0)
    noise, _, codes = gan.split_codes(z)
    category = np.eye(3, dtype=np.float32)[2]
    expected = gan.generate(np.concatenate([noise, np.tile(category, (3, 1)), codes], axis=1))
    np.testing.assert_array_equal(samples.of_label(gan, z, category), expected)
    of_each = samples.of_label(gan, z, np.eye(3))
    np.testing.assert_allclose(of_each[2], expected[2], atol=1e-6)
    assert not np.allclose(of_each[0], expected[0])


def test_labels_are_taken_in_turn():
    labels = np.eye(2)
    np.testing.assert_array_equal(samples.in_turn(labels, 5), labels[[0, 1, 0, 1, 0]])
    assert samples.in_turn(None, 5) is None


def test_the_picture_has_names_and_numbers():
    images = np.random.default_rng(0).uniform(-1, 1, (2, 10, 8, 8, 5)).astype(np.float32)
    expected = image_grid(images, ["red", "blue"], [str(number) for number in range(10)])
    np.testing.assert_array_equal(samples.picture(images, ["red", "blue"]), expected)
    rows = [images[0, :8], images[0, 8:]]
    expected = image_grid(rows, captions=[list("01234567"), list("89")])
    np.testing.assert_array_equal(samples.picture(images[:1]), expected)
