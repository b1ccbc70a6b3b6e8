"""Sums of samples: means by hand, and what a GAN makes of them."""

import numpy as np
import pytest

from gans.pictures.image_grid import image_grid
from gans.results import arithmetic

GROUPS = [(1, [0, 3, 7]), (-1, [1, 4, 9]), (1, [2, 5])]


def test_groups_are_averaged_then_added_with_their_signs():
    z = np.float32([[2, 0], [4, 2], [1, 1], [3, 5], [10, 20]])
    means, result = arithmetic.combine(z, [(1, [0, 1]), (-1, [2, 3]), (1, [4])])
    np.testing.assert_array_equal(means, [[3, 1], [2, 3], [10, 20]])
    np.testing.assert_array_equal(result, [3 - 2 + 10, 1 - 3 + 20])
    assert result.dtype == np.float32


def test_a_sample_may_be_in_a_group_twice():
    means, _ = arithmetic.combine(np.float32([[0.0], [3.0]]), [(1, [0, 1, 1]), (1, [0])])
    np.testing.assert_array_equal(means, [[2.0], [0.0]])


def test_around_the_result_is_noise_and_in_the_middle_none():
    z = np.float32([1.0, -2.0, 0.5] * 100)
    square = arithmetic.around(z, 0.25, seed=3)
    assert (square.shape, square.dtype) == ((9, 300), np.float32)
    assert square[4].tobytes() == z.tobytes()
    noise = np.delete(square, 4, axis=0) - z
    assert 0.24 < np.abs(noise).max() <= 0.25 + 1e-6
    # The mean of 2400 uniform numbers.
    assert abs(noise.mean()) < 4 * 0.5 / 12**0.5 / 2400**0.5
    assert arithmetic.around(z, 0.25, seed=3).tobytes() == square.tobytes()
    assert arithmetic.around(z, 0.25, seed=4).tobytes() != square.tobytes()


def test_the_result_is_a_minus_b_plus_c(gan_of):
    gan = gan_of("dcgan")
    found = arithmetic.calculate(gan, GROUPS, seed=1)
    z = gan.draw_latents(10, 1)
    means = [z[rows].mean(axis=0) for _, rows in GROUPS]
    expected = gan.generate((means[0] - means[1] + means[2])[np.newaxis])[0]
    np.testing.assert_allclose(found.result, expected, atol=1e-4)
    assert found.square.shape == (3, 3, 8, 8, 3)
    assert not np.allclose(found.square[0, 0], found.result, atol=1e-2)
    for images, (_, rows), mean in zip(found.groups, GROUPS, means, strict=True):
        np.testing.assert_allclose(images, gan.generate(np.stack([*z[rows], mean])), atol=1e-6)


@pytest.mark.parametrize("chosen", [[0, 2], [2]])
def test_each_group_may_have_a_label_and_the_result_has_the_last(gan_of, chosen):
    gan, labels = gan_of("cgan"), np.eye(3, dtype=np.float32)[chosen]
    found = arithmetic.calculate(gan, [(1, [0, 1]), (1, [2])], labels)
    z = gan.draw_latents(3, 0)
    square = arithmetic.around(z[:2].mean(axis=0) + z[2], 0.25, 0)
    expected = gan.generate(square, np.tile(labels[-1], (9, 1)))
    np.testing.assert_allclose(found.square.reshape(9, 8, 8, 3), expected, atol=1e-4)
    first = gan.generate(z[:2], np.tile(labels[0], (2, 1)))
    np.testing.assert_allclose(found.groups[0][:2], first, atol=1e-6)


def test_the_picture_has_groups_their_means_and_the_square():
    images = np.random.default_rng(0).uniform(-1, 1, (4 + 3 + 9, 8, 8, 3)).astype(np.float32)
    groups = [(1, [0, 3, 7]), (-1, [1, 4])]
    square = images[7:].reshape(3, 3, 8, 8, 3)
    found = arithmetic.Arithmetic([images[:4], images[4:7]], square)
    np.testing.assert_array_equal(found.result, images[7 + 4])
    nothing = [None] * 3
    rows = [
        [images[0], images[4], None, *square[0]],
        [images[1], images[5], None, *square[1]],
        [images[2], None, None, *square[2]],
        [images[3], images[6], None, *nothing],
    ]
    captions = [
        ["0", "1", *[""] * 4],
        ["3", "4", *[""] * 4],
        ["7", "", *[""] * 4],
        ["mean", "mean", *[""] * 4],
    ]
    expected = image_grid(rows, (), ["red", "- red", "=", "", "result", ""], captions)
    np.testing.assert_array_equal(arithmetic.picture(found, groups, ["red"]), expected)
