"""InfoGAN's codes: in each row or column of a picture one of them changes, and nothing else."""

import numpy as np

from gans.pictures.image_grid import image_grid
from gans.results import codes


def of_codes(gan, noise, category, continuous):
    """What a GAN makes of noise, a category for all and continuous codes."""
    category = np.tile(np.eye(3, dtype=np.float32)[category], (len(noise), 1))
    return gan.generate(np.concatenate([noise, category, continuous], axis=1))


def test_each_category_has_a_column_of_the_same_noise(gan_of):
    gan = gan_of("infogan")
    images = codes.categorical(gan, 2, seed=1)
    noise, _, continuous = gan.split_codes(gan.draw_latents(2, 1))
    for category in range(3):
        expected = of_codes(gan, noise, category, continuous)
        np.testing.assert_array_equal(images[:, category], expected)
    expected = image_grid(images, (), ["0", "1", "2"])
    np.testing.assert_array_equal(codes.categorical_picture(images), expected)


def test_a_continuous_code_goes_from_minus_2_to_2_while_the_others_are_0(gan_of):
    gan = gan_of("infogan")
    noise = np.tile(gan.split_codes(gan.draw_latents(1, 1))[0], (5, 1))
    for code in range(2):
        images = codes.continuous(gan, code, 5, seed=1)
        moved = np.zeros((5, 2), np.float32)
        moved[:, code] = [-2, -1, 0, 1, 2]
        for category in range(3):
            expected = of_codes(gan, noise, category, moved)
            np.testing.assert_array_equal(images[category], expected)
    heads = ["-2.00", "-1.00", "0.00", "1.00", "2.00"]
    expected = image_grid(images, ["0", "1", "2"], heads)
    np.testing.assert_array_equal(codes.continuous_picture(images), expected)
