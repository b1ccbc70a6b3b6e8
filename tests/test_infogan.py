"""InfoGAN: its networks in numbers, its codes, what Q says of them, pictures."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gans.infogan import (
    PRESETS,
    InfoGAN,
    Settings,
    build_discriminator,
    build_generator,
    build_recognizer,
)
from gans.nn.layers import Conv2D, Conv2DTranspose

SIZE, NOISE, CATEGORIES, CONTINUOUS = 16, 3, 4, 2
NARROW = {
    "image_size": SIZE,
    "noise_dim": NOISE,
    "categories": CATEGORIES,
    "continuous": CONTINUOUS,
    "generator_filters": 2,
    "discriminator_filters": 2,
    "dense_units": 8,
}
NO_FEATURES = tf.zeros((0,))


def narrow(**settings):
    keras.utils.set_random_seed(0)
    gan = InfoGAN(**NARROW | settings)
    # Large enough weights that what a test changes shows.
    for variable in gan.trainable_variables:
        if variable.name == "kernel":
            variable.assign(4 * variable)
    gan.compile()
    return gan


def images(count, size=SIZE, seed=0):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, size, size, 1))
    return tf.constant(uniform, tf.float32)


def trainable(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def kinds(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


# Networks


def test_parameters_of_the_papers_table():
    # Table C.1, without biases before a normalisation; 74 numbers of noise and codes.
    expected = 74 * 1024 + 2 * 1024 + 1024 * 7 * 7 * 128 + 2 * 128
    expected += 16 * 128 * 64 + 2 * 64 + 16 * 64 + 1
    assert trainable(build_generator(Settings())) == expected
    expected = 16 * 64 + 64 + 16 * 64 * 128 + 2 * 128 + 7 * 7 * 128 * 1024 + 2 * 1024
    assert trainable(build_discriminator(Settings())) == expected + 1024 + 1
    own = 1024 * 128 + 2 * 128
    assert trainable(build_recognizer(Settings(), 1024)) == own + 129 * (10 + 2)
    assert trainable(build_recognizer(Settings(variance="learned"), 1024)) == own + 129 * (
        10 + 2 + 2
    )


@pytest.mark.parametrize(("size", "sides"), [(28, [14, 28]), (96, [12, 24, 48, 96])])
def test_shapes_ranges_and_activations(size, sides):
    settings = Settings(**NARROW | {"image_size": size, "variance": "learned"})
    generator, discriminator = build_generator(settings), build_discriminator(settings)
    recognizer = build_recognizer(settings, 8)
    drawn = generator(1e9 * tf.random.stateless_normal((3, settings.latent_dim), [0, 0]))
    assert drawn.shape == (3, size, size, 1) and drawn.dtype == tf.float32
    assert 0.9 < np.abs(drawn).max() <= 1
    logits, features = discriminator(drawn)
    assert logits.shape == (3, 1) and features.shape == (3, 8) and logits.dtype == tf.float32
    read = recognizer(features)
    assert [x.shape for x in read] == [(3, CATEGORIES), (3, CONTINUOUS), (3, CONTINUOUS)]
    assert all(x.dtype == tf.float32 for x in read)
    assert [x.output.shape[1] for x in kinds(generator, Conv2DTranspose)] == sides
    assert [x.input.shape[1] for x in kinds(discriminator, Conv2D)] == sides[::-1]
    for network, count in ((discriminator, len(sides) + 1), (recognizer, 1)):
        slopes = [x.negative_slope for x in kinds(network, layers.LeakyReLU)]
        assert slopes == [0.01] * count
    assert len(kinds(generator, layers.ReLU)) == len(sides) + 1


def test_settings_of_paper_and_article():
    paper, article = (InfoGAN(**PRESETS[name] | NARROW) for name in ("paper", "article"))
    assert len(paper.recognizer.outputs) == 2 and len(article.recognizer.outputs) == 3
    paper, article = paper.settings, article.settings
    assert (paper.latent, article.latent) == ("uniform", "normal")
    assert paper.recognizer_learns_with == "discriminator"
    assert article.recognizer_learns_with == "generator"
    assert (paper.generator_learning_rate, paper.discriminator_learning_rate) == (1e-3, 2e-4)
    assert (paper.lambda_categorical, article.lambda_categorical) == (1.0, 1.0)
    assert (paper.lambda_continuous, article.lambda_continuous) == (1.0, 0.1)


# Codes


def test_codes_are_one_hot_uniform_and_functions_of_seed_and_step():
    gan, other = narrow(), narrow(seed=1)
    count = 20_000
    draws = [gan.sample_latent(tf.zeros((count, 1)))]
    gan.optimizer_generator.iterations.assign(1)
    draws += [of.sample_latent(tf.zeros((count, 1))) for of in (gan, other)]
    again = narrow()
    again.optimizer_generator.iterations.assign(1)
    assert np.array_equal(again.sample_latent(tf.zeros((count, 1))), draws[1])
    draws = np.array(draws)
    assert draws.shape == (3, count, NOISE + CATEGORIES + CONTINUOUS)
    category = draws[:, :, NOISE:-CONTINUOUS]
    assert np.array_equal(np.sort(category), np.broadcast_to([0, 0, 0, 1], category.shape))
    shares = category.mean(1)
    assert shares == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / count))
    uniform = np.delete(draws, range(NOISE, NOISE + CATEGORIES), axis=2)
    assert -1 <= uniform.min() < -0.999 < 0.999 < uniform.max() < 1
    assert np.abs(uniform.mean(1)).max() < 5 * np.sqrt(1 / 3 / count)
    assert np.abs(uniform.var(1) - 1 / 3).max() < 5 * np.sqrt(4 / 45 / count)
    # All numbers of a step are independent of each other and of those of other steps and seeds.
    columns = np.concatenate([uniform, np.argmax(category, 2)[:, :, None]], 2)
    columns = columns.transpose(0, 2, 1).reshape(-1, count)
    assert np.abs(np.corrcoef(columns) - np.eye(len(columns))).max() < 5 / np.sqrt(count)
    # Nor are codes the numbers of the noise in other places, which no correlation shows: of 2^23
    # numbers some coincide.
    assert np.isin(draws[0, :, -CONTINUOUS:], draws[0, :, :NOISE]).mean() < 0.05
    normal = narrow(latent="normal").sample_latent(tf.zeros((count, 1))).numpy()
    assert np.abs(normal[:, :NOISE].var(0) - 1).max() < 5 * np.sqrt(2 / count)
    assert np.abs(normal[:, -CONTINUOUS:]).max() <= 1


def test_fixed_latents_are_noise_then_category_then_continuous():
    gan = narrow()
    z = gan.draw_latents(9, seed=3)
    assert z.shape == (9, NOISE + CATEGORIES + CONTINUOUS) and z.dtype == np.float32
    noise, category, codes = gan.split_codes(z)
    assert [x.shape[1] for x in (noise, category, codes)] == [NOISE, CATEGORIES, CONTINUOUS]
    assert np.array_equal(np.concatenate([noise, category, codes], 1), z)
    assert np.array_equal(category.sum(1), np.ones(9)) and set(category.ravel()) == {0, 1}
    assert len({tuple(row) for row in codes}) == 9
    for one, part in zip(gan.split_codes(tf.constant(z)), (noise, category, codes), strict=True):
        assert np.array_equal(one, part)
    assert np.array_equal(gan.draw_latents(9, seed=3), z)
    assert np.array_equal(gan.draw_latents(4, seed=3), z[:4])
    assert not np.array_equal(gan.draw_latents(9, seed=4), z)
    training = gan.sample_latent(tf.zeros((9, 1)))
    assert not np.isin(gan.draw_latents(9, seed=0)[:, :NOISE], training[:, :NOISE]).any()


# What Q says


@pytest.fixture
def fixed(stand_in):
    """A network of fixed outputs."""
    return lambda *outputs: stand_in(lambda _: [tf.constant(x, tf.float32) for x in outputs])


def test_information_in_numbers(fixed):
    gan, random = narrow(), np.random.default_rng(0)
    z = gan.draw_latents(6)
    _, category, codes = (x.astype("float64") for x in gan.split_codes(z))
    logits, mean, log_variance = (random.normal(size=(6, n)) for n in (4, 2, 2))
    log_softmax = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    categorical = -(category * log_softmax).sum(1).mean()

    gan.recognizer = fixed(logits, mean)
    found = {name: float(value) for name, value in gan.information_losses(NO_FEATURES, z).items()}
    # N(mean, 1): a half of the squared distance, and a half of log 2 pi for each code.
    gaussian = (0.5 * (codes - mean) ** 2 + 0.5 * np.log(2 * np.pi)).sum(1).mean()
    expected = {"categorical_loss": categorical, "continuous_loss": gaussian}
    assert found == pytest.approx(expected, rel=1e-6)

    gan.recognizer = fixed(logits, mean, log_variance)
    found = {name: float(value) for name, value in gan.information_losses(NO_FEATURES, z).items()}
    # The article's log_gaussian, with its sum over the codes.
    variance = np.exp(log_variance)
    log_gaussian = -((codes - mean) ** 2) / (2 * variance + 1e-8)
    log_gaussian -= 0.5 * np.log(2 * np.pi * variance + 1e-8)
    expected = {"categorical_loss": categorical, "continuous_loss": -log_gaussian.sum(1).mean()}
    assert found == pytest.approx(expected, rel=1e-6)

    # The constants of the docstring: a Q that only guesses, and one of a fixed variance that reads
    # all.
    gan.recognizer = fixed(0 * logits, codes)
    found = gan.information_losses(NO_FEATURES, z)
    assert float(found["categorical_loss"]) == pytest.approx(np.log(CATEGORIES), rel=1e-6)
    floor = CONTINUOUS * np.log(2 * np.pi) / 2
    assert float(found["continuous_loss"]) == pytest.approx(floor, rel=1e-6)


def test_supervision_in_numbers(fixed):
    gan = narrow(supervised=True, label_dim=CATEGORIES)
    logits = np.random.default_rng(0).normal(size=(5, CATEGORIES))
    labels = np.eye(CATEGORIES, dtype="float32")[[0, 3, 3, 1, 2]]
    gan.recognizer = fixed(logits, np.zeros((5, 2)))
    log_softmax = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    (found,) = gan.supervised_losses(NO_FEATURES, tf.constant(labels)).values()
    assert float(found) == pytest.approx(-(labels * log_softmax).sum(1).mean(), rel=1e-6)
    assert narrow().supervised_losses(None, None) == {}


@pytest.mark.parametrize("variance", ["fixed", "learned"])
def test_recognize_reads_probabilities_and_means(variance):
    gan = narrow(variance=variance)
    gan.train_step(images(6))
    samples = images(5, seed=1)
    before = gan.get_weights()
    probabilities, means = gan.recognize(samples)
    assert all(np.array_equal(*pair) for pair in zip(before, gan.get_weights(), strict=True))
    assert probabilities.shape == (5, CATEGORIES) and means.shape == (5, CONTINUOUS)
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-6)
    features = gan.discriminator(samples, training=False)[1]
    logits, mean, *_ = gan.recognizer(features, training=False)
    assert np.allclose(probabilities, tf.nn.softmax(logits), atol=1e-6)
    assert np.allclose(means, mean, atol=1e-6)
    assert np.ptp(probabilities, axis=0).max() > 1e-4


# Pictures and points


def test_preview_has_a_category_per_row_and_the_same_rest_down_a_column():
    for categories, rows in ((CATEGORIES, CATEGORIES), (20, 16)):
        gan = narrow(categories=categories)
        grid = np.array(gan.preview(images(2)))
        assert grid.shape == (rows, 8, SIZE, SIZE, 1)
        for row, column in ((0, 0), (2, 5), (rows - 1, 7)):
            z = gan.draw_latents(8)[column : column + 1]
            z[:, NOISE:-CONTINUOUS] = np.eye(categories)[row]
            assert np.allclose(grid[row, column], gan.generate(z)[0], atol=1e-6)


def test_score_is_the_logit():
    gan = narrow()
    scores = gan.score(images(3))
    assert scores.shape == (3,)
    assert np.allclose(scores, gan.discriminator(images(3))[0][:, 0], atol=1e-6)


def test_points():
    gan = narrow(data="points", generator_filters=8, discriminator_filters=8)
    points = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    # Codes are no labels: all samples of a picture are drawn at once.
    samples, scores = gan.preview(points)
    assert np.array_equal(samples, gan.generate(gan.draw_latents(2500)))
    assert np.array_equal(scores, gan.score(points))
    assert [x.shape for x in gan.recognize(points)] == [(8, CATEGORIES), (8, CONTINUOUS)]


def test_what_all_samples_share_reaches_the_features_where_nothing_normalises_them():
    # A batch of one picture, in two greys. Normalised by itself a batch of equal rows is 0.
    grey = [np.full((4, 8, 8, 1), value, "float32") for value in (0.2, 0.8)]
    for norm, seen in (("batch", False), ("none", True)):
        # So small that no layer before is normalised.
        gan = narrow(image_size=8, feature_norm=norm)
        first, second = (np.asarray(gan.discriminator(x, training=True)[1]) for x in grey)
        assert np.allclose(first, second, atol=1e-6) is not seen
