"""Matching-aware cGAN: its networks in numbers, where the tags go, which tags are mismatched, its
pictures.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gans.matching_cgan import (
    PRESETS,
    MatchingCGAN,
    Settings,
    build_discriminator,
    build_generator,
)
from gans.nn.layers import BatchNormalization, Conv2D, Conv2DTranspose, TileLatent

SIZE, TAGS = 16, 4
NARROW = {
    "image_size": SIZE,
    "latent_dim": 3,
    "label_dim": TAGS,
    "generator_filters": 2,
    "discriminator_filters": 2,
}
NETWORKS = ("dcgan", "article")
ARTICLE = {"network": "article", "tags_enter": "plane"}


def narrow(**settings):
    keras.utils.set_random_seed(0)
    gan = MatchingCGAN(**NARROW | settings)
    # Large enough weights that what a test changes shows.
    for variable in gan.trainable_variables:
        if variable.name == "kernel":
            variable.assign(4 * variable)
    gan.compile()
    return gan


def images(count, size=SIZE, seed=0):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, size, size, 3))
    return tf.constant(uniform, tf.float32)


def trainable(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def kinds(network, kind):
    return [layer for layer in network.layers if isinstance(layer, kind)]


# Networks


def test_parameters_of_the_articles_generator():
    def listing(inputs):
        dense = (inputs + 1) * 15 * 192 * 192 + 2 * 15
        convolutions = (15 * 9 + 1) * 50 + 2 * 50 + (50 * 9 + 1) * 25 + 2 * 25
        return dense + convolutions + (25 * 4 + 1) * 3

    # One number of z and one tag: with all 123 it is the 69 M that the docstring says.
    generator = build_generator(Settings(network="article", latent_dim=1, label_dim=1))
    assert trainable(generator) == listing(2)
    assert 68.5e6 < listing(100 + 23) < 69.5e6
    first, *rest = kinds(generator, BatchNormalization)
    assert first.output.shape == (None, 192, 192, 15)
    assert [x.output.shape[1:] for x in rest] == [(192, 192, 50), (192, 192, 25)]
    assert generator.output.shape == (None, 96, 96, 3)


def test_parameters_and_maps_of_the_articles_discriminator():
    discriminator = build_discriminator(Settings(**ARTICLE, label_dim=32))
    expected = 33 * 96 * 96  # The plane.
    expected += (4 * 25 + 1) * 32 + (32 * 25 + 1) * 64
    expected += (64 * 16 * 16 + 1) * 1024 + 1025
    assert trainable(discriminator) == expected
    assert [x.output.shape[1] for x in kinds(discriminator, Conv2D)] == [96, 48]
    assert [x.output.shape[1] for x in kinds(discriminator, layers.AveragePooling2D)] == [48, 16]
    slopes = [x.negative_slope for x in kinds(discriminator, layers.LeakyReLU)]
    assert slopes == [0.2] * 3 and not kinds(discriminator, BatchNormalization)


def test_parameters_of_the_papers_networks():
    settings = Settings(**PRESETS["paper"] | {"image_size": 64})
    generator = build_generator(settings)
    # 4x4x1024, and 512, 256 and 128 channels; no bias before a normalisation.
    expected = 123 * 16 * 1024 + 16 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) + 3
    assert trainable(generator) == expected + 2 * (1024 + 512 + 256 + 128)
    expected = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 64 + 2 * (128 + 256 + 512)
    expected += (512 + 23) * 512 + 2 * 512  # 1x1 over map and tags.
    assert trainable(build_discriminator(settings)) == expected + 4 * 4 * 512 + 1


@pytest.mark.parametrize(
    ("network", "size", "sides", "last"),
    [
        ("dcgan", 28, [14, 28], 7),
        ("dcgan", 96, [12, 24, 48, 96], 6),
        ("article", 28, [], 5),
        ("article", 4, [], 1),
    ],
)
@pytest.mark.parametrize("tags_enter", ["replicated", "plane"])
def test_shapes_ranges_and_where_the_tags_enter(network, size, sides, last, tags_enter):
    options = {"image_size": size, "network": network, "tags_enter": tags_enter, "latent_dim": 2}
    settings = Settings(**NARROW | options)
    generator, discriminator = build_generator(settings), build_discriminator(settings)
    z, tags = tf.constant([[1.0, 2], [3, 4], [0, 1]]), tf.eye(3, TAGS)
    drawn = generator([1e9 * z, tags])
    assert drawn.shape == (3, size, size, 3) and drawn.dtype == tf.float32
    assert 0.9 < np.abs(drawn).max() <= 1
    logits = discriminator([drawn, tags])
    assert logits.shape == (3, 1) and logits.dtype == tf.float32
    assert [x.output.shape[1] for x in kinds(generator, Conv2DTranspose)] == sides

    joined = keras.Model(generator.inputs, kinds(generator, layers.Concatenate)[0].output)
    assert np.array_equal(joined([z, tags]), tf.concat([z, tags], 1))
    if tags_enter == "replicated":
        (tile,) = kinds(discriminator, TileLatent)
        planes = keras.Model(discriminator.inputs, tile.output)([drawn, tags])[..., -TAGS:]
        assert planes.shape == (3, last, last, TAGS)
        assert np.array_equal(planes, tags[:, None, None] * tf.ones((1, last, last, 1)))
    else:
        (dense,) = (x for x in kinds(discriminator, layers.Dense) if x.kernel.shape[0] == TAGS)
        dense.bias.assign(tf.range(size**2, dtype=tf.float32))
        first = kinds(discriminator, Conv2D)[0]
        seen = keras.Model(discriminator.inputs, first.input)([drawn, tags])
        assert np.array_equal(seen[..., :3], drawn)
        plane = (tags @ dense.kernel + dense.bias).numpy().reshape(3, size, size)
        assert np.allclose(seen[..., 3], plane, rtol=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        *({"network": n, "tags_enter": t} for n in NETWORKS for t in ("replicated", "plane")),
        {"data": "points", "generator_filters": 16, "discriminator_filters": 16},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_both_networks_answer_differently_for_each_tag(settings):
    gan = narrow(**settings)
    sets = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [0] * 4], "float32")
    points = gan.settings.data == "points"
    same = np.ones((1, 2), "float32") if points else images(1)
    scores = gan.score(np.repeat(same, len(sets), 0), sets)
    assert np.abs(np.diff(np.sort(scores))).min() > (1e-8 if points else 1e-6)
    z = np.repeat(gan.draw_latents(1), len(sets), 0)
    drawn = gan.generate(z, sets)
    assert drawn.shape[1:] == same.shape[1:]
    least = min(np.abs(drawn[i] - drawn[j]).max() for i in range(5) for j in range(i))
    assert least > (1e-6 if points else 1e-4)


def test_settings_of_paper_and_article():
    paper, article = (Settings(**PRESETS[name]) for name in ("paper", "article"))
    assert (paper.lambda_fake, paper.lambda_mismatched) == (0.5, 0.5)
    assert (article.lambda_fake, article.lambda_mismatched) == (1.0, 1.0)
    assert (paper.network, paper.tags_enter) == ("dcgan", "replicated")
    assert (article.network, article.tags_enter) == ("article", "plane")


# Which tags are mismatched


def expected_mismatch(tags, order):
    """One sample after the other."""
    chosen, found = [], []
    for own, numbers in zip(tags, order, strict=True):
        candidates = [j for j in range(len(tags)) if tags[j].any() and (tags[j] != own).any()]
        found.append(float(bool(candidates)))
        chosen.append(tags[max(candidates, key=lambda j: numbers[j])] if candidates else None)
    return chosen, found


@pytest.mark.parametrize("seed", range(40))
def test_mismatched_tags_are_those_of_another_and_never_the_same(seed):
    random = np.random.default_rng(seed)
    count = random.integers(1, 9)
    # From batches without any tags to such where nearly all sets differ.
    tags = (random.uniform(size=(count, TAGS)) < seed / 40).astype("float32")
    tags[random.uniform(size=count) < 0.2] = 0
    order = random.uniform(size=(count, count)).astype("float32")
    found_tags, has_others = MatchingCGAN.mismatch(None, tf.constant(tags), tf.constant(order))
    chosen, expected = expected_mismatch(tags, order)
    assert has_others.numpy().tolist() == expected
    for own, other, wanted in zip(tags, found_tags.numpy(), chosen, strict=True):
        if wanted is not None:
            assert np.array_equal(other, wanted)
            assert other.any() and not np.array_equal(other, own)


def test_mismatched_tags_are_uniform_among_the_candidates():
    gan = narrow()
    a, b, c, none = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0] * 4], "float32")
    tags = tf.constant([a, a, a, b, b, c, none])
    draws = 1000

    def chosen(step):
        gan.optimizer_generator.iterations.assign(step)
        return gan.mismatch(tags, gan.sample_order(tags))

    steps, signature = tf.range(draws, dtype=tf.int64), (tf.float32, tf.float32)
    others, has_others = tf.function(lambda: tf.map_fn(chosen, steps, signature))()
    others = np.array(others)
    assert np.all(has_others)

    def share(row, of):
        return (others[:, row] == of).all(1).mean()

    error = 5 * 0.5 / np.sqrt(draws)
    for row, wanted in ((0, (0, 2, 1)), (3, (3, 0, 1)), (5, (3, 2, 0)), (6, (3, 2, 1))):
        shares = [share(row, of) for of in (a, b, c)]
        assert shares == pytest.approx(np.array(wanted) / sum(wanted), abs=error)
    # Rows draw for themselves.
    together = (others[:, 0] == others[:, 1]).all(1).mean()
    assert together == pytest.approx((2 / 3) ** 2 + (1 / 3) ** 2, abs=error)


def test_orders_are_uniform_and_functions_of_seed_and_step():
    gan, other = narrow(), narrow(seed=1)
    samples = tf.zeros((300, 1))
    orders, noise = [gan.sample_order(samples)], gan.sample_latent(samples).numpy().ravel()
    gan.optimizer_generator.iterations.assign(1)
    orders += [gan.sample_order(samples), other.sample_order(samples)]
    # 90,000 uniform numbers each: five deviations.
    orders = np.reshape(orders, (3, -1))
    assert orders.min() >= 0 and orders.max() < 1
    assert np.abs(orders.mean(1) - 0.5).max() < 5 * np.sqrt(1 / 12) / 300
    assert np.abs(np.corrcoef(orders) - np.eye(3)).max() < 5 / 300
    # Nor are they the numbers of the noise.
    together = np.corrcoef([orders[0, : len(noise)], noise])[0, 1]
    assert abs(together) < 5 / np.sqrt(len(noise))


# Pictures


def test_preview_shows_an_image_and_what_is_drawn_of_its_tags():
    gan = narrow()
    tags = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0]] * 4, "float32")
    rows = gan.preview((images(12).numpy(), tags))
    assert len(rows) == 8 and all(len(row) == 8 for row in rows)
    z = gan.draw_latents(7)
    for row, column in ((0, 1), (4, 4), (7, 7)):
        assert np.array_equal(rows[row][0], images(12)[row])
        drawn = gan.generate(z[column - 1 : column], tags[row : row + 1])[0]
        assert np.allclose(rows[row][column], drawn, atol=1e-6)
    assert np.array_equal(rows[0][1], rows[3][1])  # The same tags, the same noise.


def test_a_real_image_in_each_row_does_not_hide_that_all_samples_are_the_same():
    gan = narrow()
    for variable in gan.generator.trainable_variables:
        variable.assign(10 * variable if variable.name == "kernel" else variable)
    tags = np.eye(TAGS, dtype="float32")
    gan.optimizer_generator.iterations.assign(1000)
    assert gan.diagnose({}, gan.preview((images(TAGS).numpy(), tags))) == []
    # Without weights for z: a picture for each row of tags, another one for each.
    dense = kinds(gan.generator, keras.layers.Dense)[0]
    dense.kernel.assign(tf.concat([0 * dense.kernel[:-TAGS], dense.kernel[-TAGS:]], 0))
    rows = gan.preview((images(TAGS).numpy(), tags))
    assert np.abs(rows[0][1] - rows[1][1]).max() > 0.05
    [sentence] = gan.diagnose({}, rows)
    assert sentence.startswith("the samples differ by 0.0000 on average")
