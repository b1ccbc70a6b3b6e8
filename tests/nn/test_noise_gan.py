"""What GANs that start from noise do outside of training: latents, samples, grids, warnings."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import tensorflow as tf

from gans.nn import model, noise_gan, random
from gans.nn.settings import LatentSettings, setting


@dataclass(frozen=True, kw_only=True)
class Settings(LatentSettings):
    image_size: int = 8
    latent_dim: int = 3
    label_dim: int = setting(0, "Numbers of a label.", least=0)
    packing: int = setting(1, "Samples that D sees together.", least=1)
    label_smoothing: float = setting(0.0, "Of real samples.", least=0, below=1)


class Fixed(noise_gan.NoiseGAN):
    """Networks that can be computed by hand: G scales the noise, D adds all values up."""

    def __init__(self, data: Literal["images", "points"] = "images", **settings):
        super().__init__(Settings(data=data, **settings))
        self.calls, self.optimizer_generator = [], SimpleNamespace(iterations=1000)

    def generator(self, values, training):
        assert training is False
        z, *labels = values if isinstance(values, tuple | list) else (values,)
        self.calls.append(len(z))
        shift = sum(tf.reduce_sum(x * [1.0, 10.0], 1) for x in labels) if labels else 0.0
        if self.settings.data == "points":
            return z[:, :2] + tf.reshape(shift, [-1, 1])
        side = self.settings.image_size
        return tf.tile((z[:, 0] + shift)[:, None, None, None], [1, side, side, 1])

    def discriminator(self, values, training):
        assert training is False
        x, *labels = values if isinstance(values, tuple | list) else (values,)
        self.calls.append(len(x))
        x = tf.reshape(x, [len(x) // self.packing, -1])
        total = tf.reduce_sum(x, 1, keepdims=True)
        for label in labels:
            total += tf.reduce_sum(tf.reshape(label * [1.0, 10.0], [len(x), -1]), 1, keepdims=True)
        return total


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


# Latents


def test_fixed_latents_are_a_function_of_the_seed():
    one, other = Fixed(), Fixed()
    tf.random.set_seed(1)
    first = one.draw_latents(5, seed=3)
    tf.random.set_seed(2)
    assert first.dtype == np.float32 and first.shape == (5, 3)
    assert np.array_equal(first, other.draw_latents(5, seed=3))
    assert not np.isclose(first, one.draw_latents(5, seed=4)).any()
    assert np.array_equal(one.draw_latents(5), one.draw_latents(5, seed=0))


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_the_first_latents_of_more_are_those_of_fewer(latent):
    gan = Fixed(latent=latent)
    many = gan.draw_latents(20_000)
    for count in (1, 2, 7, 64, 2500):
        assert np.array_equal(gan.draw_latents(count), many[:count])


def test_fixed_latents_have_the_distribution_of_the_noise():
    # 6,000 numbers: five deviations.
    z = Fixed().draw_latents(2000)
    assert abs(z.mean()) < 5 / np.sqrt(z.size) and abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)
    z = Fixed(latent="uniform").draw_latents(2000)
    assert -1 <= z.min() < -0.99 < 0.99 < z.max() < 1


def test_the_noise_of_a_step_is_a_function_of_seed_stream_and_step():
    samples, draws = tf.zeros((2000, 5)), []
    for seed, stream, step in [(0, 0, 7), (1, 0, 7), (0, 1, 7), (0, 0, 8)]:
        gan, same = Fixed(seed=seed), Fixed(seed=seed)
        gan.optimizer_generator.iterations = same.optimizer_generator.iterations = step
        draws.append(gan.sample_latent(samples, stream).numpy())
        assert np.array_equal(draws[-1], same.sample_latent(samples, stream))
        seed = random.seed_of(seed, stream, step)
        assert np.array_equal(draws[-1], random.draw("normal", (2000, 3), seed))
    draws.append(gan.draw_latents(2000))  # Nor do samples of a run show the noise that it saw.
    draws = np.reshape(draws, (5, -1))
    assert np.abs(np.corrcoef(draws) - np.eye(5)).max() < 5 / np.sqrt(draws.shape[1])
    uniform = Fixed(latent="uniform").sample_latent(samples).numpy()
    assert -1 <= uniform.min() < -0.99 < 0.99 < uniform.max() < 1


# Samples and scores


def test_samples_are_made_in_chunks_and_equal_those_made_at_once():
    gan = Fixed(image_size=256)
    z = gan.draw_latents(5)
    images = gan.generate(z)
    assert gan.calls == [2, 2, 1] and model.PIXELS == 2 * 256**2
    assert images.shape == (5, 256, 256, 1)
    assert np.array_equal(images[:, 3, 4, 0], z[:, 0])
    points = Fixed("points")
    z = points.draw_latents(2500)
    assert np.array_equal(points.generate(z), z[:, :2])
    assert points.calls == [2048, 452]


def test_labels_stay_beside_their_noise_in_every_chunk():
    gan, z = Fixed("points", label_dim=2), normal(2500, 3)
    labels = normal(2500, 2, seed=1)
    shift = (labels * [1, 10]).sum(1, keepdims=True)
    assert np.allclose(gan.generate(z, labels), z[:, :2] + shift, atol=1e-5)
    expected = z[:, :2].sum(1) + shift[:, 0]
    assert np.allclose(gan.score(z[:, :2], labels), expected, atol=1e-4)
    assert gan.calls == 2 * [2048, 452]


def test_score_repeats_a_sample_within_its_pack():
    # Each of the four places counts by itself.
    gan, points = Fixed("points", packing=4), normal(2500, 2)
    gan.discriminator = lambda x, training: (
        tf.reshape(x, [-1, 4, 2])[:, :, 0] @ tf.constant([[1.0], [10.0], [100.0], [1000.0]])
    )
    scores = gan.score(points)
    assert scores.shape == (2500,)
    assert np.allclose(scores, 1111 * points[:, 0], rtol=1e-4)


def test_the_values_of_a_critic_are_scores():
    class Critical(noise_gan.NoiseGAN):
        critic = staticmethod(lambda x, training: 3 * x[:, :1])

    points = normal(4, 2)
    assert np.array_equal(Critical(Settings(data="points")).score(points), 3 * points[:, 0])


# Sample grids


def test_preview_is_eight_rows_at_fixed_latents():
    gan = Fixed()
    rows = gan.preview(None)
    assert [len(row) for row in rows] == [8] * 8
    assert np.array_equal([x[0, 0, 0] for row in rows for x in row], gan.draw_latents(64)[:, 0])


def test_points_are_generated_and_scored_in_the_units_of_the_data():
    gan, z, points = Fixed("points", point_scale=4.0), normal(5, 3), normal(5, 2)
    assert np.array_equal(gan.generate(z), 4 * z[:, :2])
    assert np.allclose(gan.score(points), points.sum(axis=1) / 4)
    # Images have no such unit.
    images = Fixed("images", point_scale=4.0)
    assert np.array_equal(images.generate(z)[:, 0, 0, 0], z[:, 0])


def test_preview_of_points_is_samples_and_scores():
    raster = normal(10, 2)
    samples, scores = Fixed("points").preview(raster)
    assert np.array_equal(samples, Fixed().draw_latents(2500)[:, :2])
    assert np.allclose(scores, raster.sum(1), atol=1e-6)


def test_preview_of_labelled_points_has_labels_in_turn_and_the_highest_score():
    gan, raster = Fixed("points", label_dim=2), normal(10, 2)
    samples, scores = gan.preview(raster)
    shifts = samples - gan.draw_latents(2500)[:, :2]
    assert np.allclose(shifts, np.tile([[1], [10]], (1250, 2)), atol=1e-5)
    assert np.allclose(scores, raster.sum(1) + 10, atol=1e-5)


# Warnings


def grid_that_differs_by(deviation):
    image = np.zeros((8, 8, 1))
    # Rows may be of different labels: what is equal within all of them is equal.
    return [[row + image - deviation, row + image + deviation] for row in range(4)]


WON = "the discriminator's loss is 0.0100"
SAME = "the samples differ by 0.0050"


@pytest.mark.parametrize(
    ("losses", "deviation", "words"),
    [
        ({"d_loss": 1.386, "g_loss": 0.7}, 0.5, []),
        ({"d_loss": 0.021}, 0.011, []),
        ({"d_loss": 0.01}, 0.5, [WON]),
        ({"d_loss": 1.0}, 0.005, [SAME]),
        ({"d_loss": 0.01}, 0.005, [WON, SAME]),
        ({"wasserstein": 0.0}, 0.5, []),
        ({"wasserstein": 0.0}, 0.005, [SAME]),
    ],
)
def test_diagnose_names_a_won_discriminator_and_a_collapsed_generator(losses, deviation, words):
    found = Fixed().diagnose(losses, grid_that_differs_by(deviation))
    assert len(found) == len(words)
    for sentence, word in zip(found, words, strict=True):
        assert sentence.startswith(word)
    points = [np.array([[0.0, 0.0], [2 * deviation, 2 * deviation]]), np.zeros(3)]
    assert len(Fixed("points").diagnose(losses, points)) == len(words)


def test_diagnose_of_labelled_points_looks_at_each_label():
    gan = Fixed("points", label_dim=2)
    for apart, words in [(0.0, 1), (0.5, 0)]:
        # Labels in turn: 0 and 1, then the same again.
        samples = np.array([[0.0, 0.0], [5.0, 5.0], [apart, apart], [5.0 + apart, 5.0 + apart]])
        assert len(gan.diagnose({}, [samples, np.zeros(3)])) == words


def test_a_discriminator_that_won_is_told_from_one_that_must_doubt():
    gan = Fixed(label_smoothing=0.1)
    # -0.9 log 0.9 - 0.1 log 0.1 is 0.3251.
    for d_loss, words in [(0.344, 1), (0.346, 0)]:
        assert len(gan.diagnose({"d_loss": d_loss}, grid_that_differs_by(0.5))) == words


def test_diagnose_says_nothing_early():
    gan = Fixed()
    for count in (499, 500):
        gan.optimizer_generator.iterations = count
        found = gan.diagnose({"d_loss": 0.0}, grid_that_differs_by(0.0))
        assert len(found) == (0 if count < 500 else 2)
