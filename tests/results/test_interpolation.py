"""Paths between latents: exact ends, the arc of a right angle; and the samples that lie on them."""

import numpy as np
import pytest

from gans.pictures.image_grid import image_grid, square_grid
from gans.results import interpolation


def random_pair(size=6):
    return np.random.default_rng(0).standard_normal((2, size)).astype(np.float32)


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_a_path_begins_and_ends_with_the_very_vectors(latent):
    start, end = random_pair()
    path = interpolation.path(start, end, 7, latent)
    assert (path.shape, path.dtype) == ((7, 6), np.float32)
    assert path[0].tobytes() == start.tobytes()
    assert path[-1].tobytes() == end.tobytes()


def test_normal_noise_goes_along_the_arc():
    path = interpolation.path(np.float32([2, 0]), np.float32([0, 2]), 3, "normal")
    np.testing.assert_allclose(path[1], [2**0.5, 2**0.5], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2, rtol=1e-6)


def test_the_arc_is_divided_into_equal_angles():
    path = interpolation.path(np.float32([1, 0]), np.float32([0, 1]), 10, "normal")
    angles = np.degrees(np.arctan2(path[:, 1], path[:, 0]))
    np.testing.assert_allclose(angles, np.linspace(0, 90, 10), atol=1e-4)


def test_uniform_noise_goes_along_the_line():
    path = interpolation.path(np.float32([2, 0]), np.float32([0, 2]), 5, "uniform")
    np.testing.assert_array_equal(path, [[2, 0], [1.5, 0.5], [1, 1], [0.5, 1.5], [0, 2]])


def test_codes_after_the_noise_go_along_the_line():
    start, end = np.float32([2, 0, 1, 0]), np.float32([0, 2, 0, 1])
    middle = interpolation.path(start, end, 3, "normal", noise_dim=2)[1]
    np.testing.assert_allclose(middle, [2**0.5, 2**0.5, 0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("end", [[3.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_where_there_is_no_arc_the_line_is_taken(end):
    middle = interpolation.path(np.float32([1, 0]), np.float32(end), 3, "normal")[1]
    np.testing.assert_allclose(middle, [(1 + end[0]) / 2, 0])


@pytest.mark.parametrize(
    ("start", "end", "share", "expected"),
    [
        ([1.0, 0.0], [0.0, 1.0], 1 / 3, [0.75**0.5, 0.5]),
        ([3.0, 0.0], [0.0, 4.0], 0.0, [3.0, 0.0]),
        ([3.0, 0.0], [0.0, 4.0], 1.0, [0.0, 4.0]),
        ([1.0, 1.0], [2.0, 2.0], 0.5, [1.5, 1.5]),
        ([1.0, 0.0], [-1.0, 0.0], 0.25, [0.5, 0.0]),
    ],
)
def test_a_share_of_an_arc(start, end, share, expected):
    found = interpolation.spherical(np.array(start), np.array(end), share)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["dcgan", "uniform", "infogan"])
def test_an_interpolation_goes_from_sample_to_sample(gan_of, name):
    gan = gan_of(name)
    z = gan.draw_latents(6, 1)
    images = interpolation.interpolate(gan, [(0, 5), (3, 1)], 4, seed=1)
    # Of InfoGAN the categories and continuous codes after the noise go along the line.
    s = gan.settings
    noise_dim = s.noise_dim if name == "infogan" else s.latent_dim
    for row, (start, end) in zip(images, [(0, 5), (3, 1)], strict=True):
        path = interpolation.path(z[start], z[end], 4, s.latent, noise_dim)
        np.testing.assert_array_equal(row, gan.generate(path))
        np.testing.assert_allclose(row[[0, -1]], gan.generate(z[[start, end]]), atol=1e-6)


def test_rows_have_labels_in_turn(gan_of):
    gan, pairs = gan_of("cgan"), [(0, 1), (2, 3), (4, 5)]
    labels = np.eye(3, dtype=np.float32)[[1, 0]]
    images = interpolation.interpolate(gan, pairs, 3, labels)
    z = gan.draw_latents(6, 0)
    for row, (start, end), label in zip(images, pairs, labels[[0, 1, 0]], strict=True):
        path = interpolation.path(z[start], z[end], 3, "normal")
        np.testing.assert_array_equal(row, gan.generate(path, np.tile(label, (3, 1))))
    names = ["blue: 0 - 1", "red: 2 - 3", "blue: 4 - 5"]
    picture = interpolation.picture(images, pairs, ["blue", "red"])
    np.testing.assert_array_equal(picture, image_grid(images, names))
    frames = interpolation.frames(images)
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[1], square_grid(list(images[:, 1])))
