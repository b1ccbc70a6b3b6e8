"""Losses against numbers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from gans.nn import losses


def test_least_squares_is_the_mean_over_batch_and_map():
    outputs = np.zeros((2, 2, 2, 1), "float32")
    outputs[0, 0, 0, 0], outputs[1, 1, 0, 0] = 3, -1
    assert losses.least_squares(outputs, 0.0) == (3**2 + 1) / 8
    assert losses.least_squares(outputs, 1.0) == (2**2 + 2**2 + 6) / 8


def test_least_squares_sums_scales_and_does_not_weigh_them_by_size():
    small, large = np.full((2, 3, 3, 1), 0.5, "float32"), np.full((2, 8, 8, 1), -1, "float32")
    assert losses.least_squares([large, small], 1.0) == 4 + 0.25
    assert losses.least_squares([small], 1.0) == losses.least_squares(small, 1.0) == 0.25


def test_least_squares_gradient():
    outputs = tf.constant([[[[0.5], [2.0]]]])
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = losses.least_squares(outputs, 1.0)
    assert np.array_equal(tape.gradient(loss, outputs)[0, 0, :, 0], [-0.5, 1.0])  # 2 (x - 1) / n


def test_mean_absolute_is_the_mean_over_all_elements():
    a = np.array([[1, -2], [0, 4]], "float32")
    b = np.array([[0, 2], [0, 1.5]], "float32")
    assert losses.mean_absolute(a, b) == (1 + 4 + 0 + 2.5) / 4


@pytest.mark.parametrize(
    ("mean", "variance", "nats"),
    [
        (0.0, 1.0, 0.0),
        (3.0, 1.0, 4.5),  # mean ** 2 / 2
        (0.0, np.e**2, (np.e**2 - 1 - 2) / 2),
        (0.0, np.e**-2, (np.e**-2 - 1 + 2) / 2),
        (-1.0, 4.0, (4 + 1 - 1 - np.log(4)) / 2),
    ],
)
def test_kl_of_one_gaussian_in_closed_form(mean, variance, nats):
    found = losses.kl_from_standard_normal(tf.constant([[mean]]), tf.math.log([[variance]]))
    assert float(found) == pytest.approx(nats, rel=1e-6)


def test_kl_is_the_integral_that_it_stands_for():
    mean, deviation = 0.7, 0.4
    x = np.linspace(-8, 8, 100_001)
    density = np.exp(-(((x - mean) / deviation) ** 2) / 2) / deviation / np.sqrt(2 * np.pi)
    log_ratio = -(((x - mean) / deviation) ** 2) / 2 - np.log(deviation) + x**2 / 2
    nats = np.sum(density * log_ratio) * (x[1] - x[0])
    found = losses.kl_from_standard_normal(
        tf.constant([[mean]]), tf.constant([[2 * np.log(deviation)]], tf.float32)
    )
    assert float(found) == pytest.approx(nats, rel=1e-5)


def test_kl_is_the_articles_sum_divided_by_the_batch():
    generator = np.random.default_rng(0)
    mean, log_variance = generator.standard_normal((2, 5, 8)).astype("float32")
    article = -0.5 * np.sum(1 + log_variance - mean**2 - np.exp(log_variance))
    found = losses.kl_from_standard_normal(mean, log_variance)
    assert float(found) == pytest.approx(article / 5)
    article_of_one = -0.5 * np.sum((1 + log_variance - mean**2 - np.exp(log_variance))[:1])
    found = losses.kl_from_standard_normal(mean[:1], log_variance[:1])
    assert float(found) == pytest.approx(article_of_one)


def test_losses_of_bfloat16_outputs_are_added_up_in_float32():
    # The mean of 4096 ones and one 9: bfloat16 cannot even count to 4097.
    outputs = np.ones((1, 4097, 1, 1), "float32")
    outputs[0, 0] = 9
    half = tf.cast(outputs, tf.bfloat16)
    for loss, expected in [
        (losses.least_squares([half], 0.0), (4096 + 81) / 4097),
        (losses.mean_absolute(half, tf.zeros_like(half)), (4096 + 9) / 4097),
    ]:
        assert loss.dtype == tf.float32
        assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_in_numbers():
    logits = tf.constant([[0.0, 2.0]])
    # -log sigmoid(x) for real, -log(1 - sigmoid(x)) for fake.
    real = (np.log(2.0) + np.log1p(np.exp(-2.0))) / 2
    fake = (np.log(2.0) + np.log1p(np.exp(2.0))) / 2
    assert float(losses.cross_entropy(logits, 1.0)) == pytest.approx(real)
    assert float(losses.cross_entropy(logits, 0.0)) == pytest.approx(fake)
    assert float(losses.cross_entropy([logits, logits], 1.0)) == pytest.approx(2 * real)


def test_mean_squared_in_numbers():
    assert float(losses.mean_squared(tf.constant([1.0, 4.0]), tf.constant([0.0, 2.0]))) == 2.5


def test_weighted_cross_entropy_is_the_mean_over_weights():
    logits, weights = tf.constant([[2.0], [-1.0], [5.0]]), tf.constant([1.0, 3.0, 0.0])
    real = (np.log1p(np.exp(-2.0)) + 3 * np.log1p(np.exp(1.0))) / 4
    fake = (np.log1p(np.exp(2.0)) + 3 * np.log1p(np.exp(-1.0))) / 4
    for target, expected in [(1.0, real), (0.0, fake), (0.9, 0.9 * real + 0.1 * fake)]:
        found = losses.weighted_cross_entropy(logits, target, weights)
        assert found.dtype == tf.float32
        assert float(found) == pytest.approx(expected)


def test_weighted_cross_entropy_of_equal_weights_is_the_plain_one():
    logits = tf.constant([[2.0], [-1.0], [5.0]])
    for weight in (1.0, 0.25):
        found = losses.weighted_cross_entropy(logits, 1.0, tf.fill([3], weight))
        assert float(found) == pytest.approx(float(losses.cross_entropy(logits, 1.0)))


def test_weighted_cross_entropy_of_no_weight_is_zero_and_without_slope():
    logits = tf.constant([[2.0], [-80.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.weighted_cross_entropy(logits, 1.0, tf.zeros(2))
    assert loss == 0
    assert not tape.gradient(loss, logits).numpy().any()


def test_weighted_cross_entropy_gives_a_sample_of_weight_0_no_gradient():
    logits = tf.constant([[0.0], [0.0], [3.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.weighted_cross_entropy(logits, 1.0, tf.constant([1.0, 3.0, 0.0]))
    # (sigmoid(x) - 1) w / sum w
    assert np.allclose(tape.gradient(loss, logits)[:, 0], [-0.125, -0.375, 0.0])


def test_the_two_losses_of_a_generator_where_the_discriminator_is_sure():
    # E[log(1 - D)] has the slope -D, -E[log D] the slope D - 1 (Goodfellow et al. 2014, section 3).
    logits = tf.constant([[-20.0]])
    for sign, target, slope in [(-1, 0.0, -1 / (1 + np.exp(20.0))), (1, 1.0, -1.0)]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = sign * losses.cross_entropy(logits, target)
        assert float(tape.gradient(loss, logits)[0, 0]) == pytest.approx(slope, rel=1e-4)
