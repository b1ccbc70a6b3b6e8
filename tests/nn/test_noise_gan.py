"""What GANs that begin with noise do outside of training: draws, chunks, grids, warnings."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn import batching, layers, sampling


class Fixed(sampling.NoiseGAN):
    """Networks that can be computed by hand: G scales the noise, D adds all values up."""

    def __init__(self, data="images", label_dim=0, packing=1, latent="normal", size=8):
        super().__init__()
        self.data, self.image_size, self.label_dim, self.latent = data, size, label_dim, latent
        self.packing, self.latent_dim, self.calls = packing, 3, []
        self.optimizer_generator = SimpleNamespace(iterations=1000)

    def generator(self, values, training):
        assert training is False
        z, *labels = values if isinstance(values, tuple | list) else (values,)
        self.calls.append(len(z))
        shift = sum(tf.reduce_sum(x * [1.0, 10.0], 1) for x in labels) if labels else 0.0
        if self.data == "points":
            return z[:, :2] + tf.reshape(shift, [-1, 1])
        side = self.image_size
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


# Draws


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


def test_distributions_of_the_noise():
    # 60,000 numbers: five deviations of each estimate.
    z = Fixed().draw_latents(20_000)
    assert abs(z.mean()) < 5 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / z.size)
    assert abs((np.abs(z) > 2).mean() - 0.0455) < 5 * np.sqrt(0.0455 / z.size)
    z = Fixed(latent="uniform").draw_latents(20_000)
    assert -1 <= z.min() < -0.999 and 0.999 < z.max() < 1
    assert abs(z.mean()) < 5 * np.sqrt(1 / 3 / z.size)
    assert abs((np.abs(z) < 0.5).mean() - 0.5) < 2.5 / np.sqrt(z.size)


def test_each_seed_stream_and_step_has_a_seed_of_its_own():
    draws = [(seed, stream, step) for seed in range(4) for stream in range(16) for step in range(4)]
    seeds = {tuple(sampling.seed_of(*draw).numpy()) for draw in draws}
    assert len(seeds) == len(draws)
    assert all(step >= 0 for _, step in seeds)  # Fixed latents have step -1.
    assert sampling.seed_of(2**24 - 1, 15, tf.constant(2**31 - 1, tf.int64)).dtype == tf.int32
    assert sampling.seed_of(2**24 - 1, 15, 0)[0] == 64 * (2**24 - 1) + 15


def dropout_network():
    x = keras.Input((200,))
    return keras.Model(x, layers.Dropout(0.5)(layers.Dropout(0.5)(x)))


def test_dropout_masks_are_a_function_of_seed_and_step():
    network, ones = dropout_network(), np.ones((1, 200), "float32")

    def masks(seed, step, network=network):
        sampling.reseed_dropout(network, seed, step)
        return [network(ones, training=True).numpy().tobytes() for _ in range(4)]

    expected = masks(3, 5)
    assert masks(3, 5, dropout_network()) == expected == masks(3, tf.constant(5, tf.int64))
    every = [mask for draw in ((3, 5), (3, 6), (3, 4), (4, 5), (2, 5)) for mask in masks(*draw)]
    # Four calls of a step each have masks of their own, and none returns in another step.
    assert len(set(every)) == len(every) == 20


def test_dropout_draws_from_seeds_that_no_noise_has():
    network, states = dropout_network(), []
    dropouts = [x for x in network.layers if isinstance(x, layers.Dropout)]
    for seed in range(3):
        for step in range(3):
            sampling.reseed_dropout(network, seed, step)
            states += [tuple(x.seed_generator.state.numpy()) for x in dropouts]
    noise = {
        tuple(sampling.seed_of(seed, stream, step).numpy())
        for seed in range(3)
        for stream in range(16)
        for step in range(40)
    }
    assert len(set(states)) == len(states) == 18
    assert not noise & set(states)


# Samples and judgements


def test_samples_are_made_in_chunks_and_equal_those_made_at_once():
    gan = Fixed(size=256)
    z = gan.draw_latents(5)
    images = gan.generate(z)
    assert gan.calls == [2, 2, 1] and batching.PIXELS == 2 * 256**2
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
    assert np.allclose(gan.judge(z[:, :2], labels), expected, atol=1e-4)
    assert gan.calls == 2 * [2048, 452]


def test_judge_repeats_a_sample_within_its_pack():
    # Each of the four places counts by itself.
    gan, points = Fixed("points", packing=4), normal(2500, 2)
    gan.discriminator = lambda x, training: (
        tf.reshape(x, [-1, 4, 2])[:, :, 0] @ tf.constant([[1.0], [10.0], [100.0], [1000.0]])
    )
    judged = gan.judge(points)
    assert judged.shape == (2500,)
    assert np.allclose(judged, 1111 * points[:, 0], rtol=1e-4)


def test_a_critic_judges_where_there_is_one():
    class Critical(sampling.NoiseGAN):
        data, critic = "points", staticmethod(lambda x, training: 3 * x[:, :1])

    points = normal(4, 2)
    assert np.array_equal(Critical().judge(points), 3 * points[:, 0])


# Sample grids


def test_preview_is_eight_rows_at_fixed_latents():
    gan = Fixed()
    rows = gan.preview(None)
    assert [len(row) for row in rows] == [8] * 8
    assert np.array_equal([x[0, 0, 0] for row in rows for x in row], gan.draw_latents(64)[:, 0])


def test_points_are_generated_and_judged_in_the_units_of_the_data():
    gan, z, points = Fixed("points"), normal(5, 3), normal(5, 2)
    gan.point_scale = 4.0
    assert np.array_equal(gan.generate(z), 4 * z[:, :2])
    assert np.allclose(gan.judge(points), points.sum(axis=1) / 4)
    # Images have no such unit.
    images = Fixed("images")
    images.point_scale = 4.0
    assert np.array_equal(images.generate(z)[:, 0, 0, 0], z[:, 0])


def test_preview_of_points_is_samples_and_judgements():
    raster = normal(10, 2)
    samples, judged = Fixed("points").preview(raster)
    assert np.array_equal(samples, Fixed().draw_latents(2500)[:, :2])
    assert np.allclose(judged, raster.sum(1), atol=1e-6)


def test_preview_of_labelled_points_has_labels_in_turn_and_the_highest_judgement():
    gan, raster = Fixed("points", label_dim=2), normal(10, 2)
    samples, judged = gan.preview(raster)
    shifts = samples - gan.draw_latents(2500)[:, :2]
    assert np.allclose(shifts, np.tile([[1], [10]], (1250, 2)), atol=1e-5)
    assert np.allclose(judged, raster.sum(1) + 10, atol=1e-5)


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
    gan = Fixed()
    gan.label_smoothing = 0.1
    # -0.9 log 0.9 - 0.1 log 0.1 is 0.3251.
    for d_loss, words in [(0.344, 1), (0.346, 0)]:
        assert len(gan.diagnose({"d_loss": d_loss}, grid_that_differs_by(0.5))) == words


def test_diagnose_says_nothing_early():
    gan = Fixed()
    for count in (499, 500):
        gan.optimizer_generator.iterations = count
        found = gan.diagnose({"d_loss": 0.0}, grid_that_differs_by(0.0))
        assert len(found) == (0 if count < 500 else 2)
