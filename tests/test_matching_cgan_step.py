"""The train step of the matching-aware cGAN: its three terms, and samples without tags."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.matching_cgan import MatchingCGAN

SIZE, BATCH, TAGS = 16, 5, 4
NARROW = {
    "image_size": SIZE,
    "latent_dim": 3,
    "label_dim": TAGS,
    "generator_filters": 2,
    "discriminator_filters": 2,
    "learning_rate": 0.01,
}
ARTICLE = {
    "network": "article",
    "tags_enter": "plane",
    "lambda_fake": 1.0,
    "lambda_mismatched": 1.0,
}
# Two sets twice, and one sample without tags in `SOME`.
ALL = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]], "float32")
SOME = ALL * np.array([[1], [1], [1], [0], [1]], "float32")
SAME = np.repeat(ALL[:1], BATCH, 0)
SAME_OR_NONE = SAME * np.array([[1], [0], [1], [1], [0]], "float32")


def narrow(**settings):
    keras.utils.set_random_seed(0)
    gan = MatchingCGAN(**NARROW | settings)
    # Large enough weights that what a test changes shows; the article's are.
    for variable in gan.trainable_variables:
        if variable.name == "kernel" and settings.get("network") != "article":
            variable.assign(4 * variable)
    gan.compile(epochs=5, steps_per_epoch=2)
    return gan


def images(seed=1):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (BATCH, SIZE, SIZE, 3))
    return tf.constant(uniform, tf.float32)


def mismatched(gan, tags):
    """The tags of others, one sample after the other, and whether there are any."""
    order = gan.sample_order(tags).numpy()
    others = tags.copy()
    found = np.zeros(len(tags), bool)
    for row, own in enumerate(tags):
        candidates = [j for j in range(len(tags)) if tags[j].any() and (tags[j] != own).any()]
        if candidates:
            others[row], found[row] = tags[max(candidates, key=lambda j: order[row, j])], True
    return others, found


def step(gan, tags, of=None):
    losses = gan.train_step((images() if of is None else of, tf.constant(tags)))
    return {name: float(value) for name, value in losses.items()}


@contextlib.contextmanager
def replaced(gan, generator, discriminator):
    """Networks without weights in the place of the GAN's."""
    gan.generator, gan.discriminator = generator, discriminator
    with (
        mock.patch.object(gan.optimizer_generator, "apply"),
        mock.patch.object(gan.optimizer_discriminator, "apply"),
    ):
        yield


def softplus(x):
    return np.log1p(np.exp(x))


def mean(values, where):
    return values[where].mean() if where.any() else 0.0


@pytest.mark.parametrize("tags", [ALL, SOME, SAME, SAME_OR_NONE, 0 * ALL])
@pytest.mark.parametrize(
    "settings",
    [{}, {"lambda_fake": 1.0, "lambda_mismatched": 1.0}, {"label_smoothing": 0.1}],
    ids=["paper", "article", "smooth"],
)
def test_losses_of_known_networks_in_numbers(stand_in, tags, settings):
    gan = narrow(**settings)
    strengths = np.array([0.3, -1.0, 0.5, 2.0], "float32")

    def draw(inputs):
        z, tags = inputs
        number = z[:, 0] + tf.linalg.matvec(tags, strengths)
        return number[:, None, None, None] * tf.ones((1, SIZE, SIZE, 3))

    def score(inputs):
        x, tags = inputs
        return 0.7 * x[:, 0, 0, :1] - tf.linalg.matvec(tags, strengths)[:, None]

    with replaced(gan, stand_in(draw), stand_in(score)):
        found = step(gan, tags)

    x, z = images().numpy()[:, 0, 0, 0], gan.sample_latent(images()).numpy()[:, 0]
    others, has_others = mismatched(gan, tags)
    tagged = tags.any(1)
    wanted = np.where(tagged[:, None], tags, others)
    real = 0.7 * x - tags @ strengths
    wrong = 0.7 * x - others @ strengths
    fake = 0.7 * (z + wanted @ strengths) - wanted @ strengths
    smoothing = settings.get("label_smoothing", 0.0)
    has_fake = tagged | has_others
    expected = {
        "real_matched_loss": (1 - smoothing) * mean(softplus(-real), tagged)
        + smoothing * mean(softplus(real), tagged),
        "fake_matched_loss": mean(softplus(fake), has_fake),
        "mismatched_loss": mean(softplus(wrong), has_others),
        "g_loss": mean(softplus(-fake), has_fake),
    }
    weight = settings.get("lambda_fake", 0.5)
    expected["d_loss"] = expected["real_matched_loss"] + weight * (
        expected["fake_matched_loss"] + expected["mismatched_loss"]
    )
    assert found == pytest.approx(expected, rel=1e-5, abs=0)
    if not has_others.any():
        assert found["mismatched_loss"] == 0
    assert np.array_equal(gan.generator.given[0][1][has_fake], wanted[has_fake])


def test_the_third_term_is_of_real_images(stand_in):
    # The article's listing gives D generated ones in it: for this D they cost nothing.
    gan = narrow()
    with replaced(
        gan,
        stand_in(lambda inputs: -tf.ones((BATCH, SIZE, SIZE, 3))),
        stand_in(lambda inputs: 20 * tf.reduce_mean(inputs[0], axis=[1, 2, 3])[:, None]),
    ):
        found = step(gan, ALL, tf.ones((BATCH, SIZE, SIZE, 3)))
    assert found["mismatched_loss"] == pytest.approx(20)
    assert found["fake_matched_loss"] < 1e-8 and found["real_matched_loss"] < 1e-8
    others, _ = mismatched(gan, ALL)
    real, fake, wrong, of_g = gan.discriminator.given
    assert np.array_equal(real[0], wrong[0]) and np.array_equal(fake[0], of_g[0])
    assert not np.array_equal(real[0], fake[0])
    assert all(np.array_equal(given[1], ALL) for given in (real, fake, of_g))
    assert np.array_equal(wrong[1], others)
    assert (others != ALL).any(1).all()


def cross_entropy(logits, target, where):
    """By the definition, in float64, over some of the samples."""
    p = 1 / (1 + tf.exp(-tf.cast(tf.boolean_mask(logits, where), tf.float64)))
    return tf.reduce_mean(-target * tf.math.log(p) - (1 - target) * tf.math.log(1 - p))


def adam(weight, gradient, rate=0.01, epsilon=0.01):
    """The first step of Adam, where both moments are those of one gradient."""
    return weight - rate * gradient / (np.abs(gradient) + epsilon)


@pytest.mark.parametrize("tags", [ALL, SOME], ids=["tagged", "some without tags"])
@pytest.mark.parametrize(
    "settings",
    [{}, ARTICLE, {"lambda_fake": 0.2, "lambda_mismatched": 0.0, "tags_enter": "plane"}],
    ids=["paper", "article", "plain"],
)
def test_the_step_is_that_of_plain_tapes(tags, settings):
    gan, plain = (narrow(**settings) for _ in range(2))
    plain.set_weights(gan.get_weights())
    for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
        optimizer.epsilon = 0.01  # Or the step is the sign of a gradient, however small that is.
    z, (others, _) = gan.sample_latent(images()), mismatched(gan, tags)
    generator, discriminator = plain.generator, plain.discriminator
    found = step(gan, tags)

    tagged, everyone = tags.any(1), np.ones(BATCH, bool)
    x, wanted = images(), tf.constant(np.where(tagged[:, None], tags, others))
    statistics = [variable.numpy() for variable in generator.non_trainable_variables]
    with tf.GradientTape() as tape:
        fakes = generator([z, wanted], training=True)
        real = cross_entropy(discriminator([x, tf.constant(tags)], training=True), 1.0, tagged)
        fake = cross_entropy(discriminator([fakes, wanted], training=True), 0.0, everyone)
        wrong = discriminator([x, tf.constant(others)], training=True)
        wrong = cross_entropy(wrong, 0.0, everyone)
        loss = real + plain.settings.lambda_fake * fake
        loss += plain.settings.lambda_mismatched * wrong
    variables = discriminator.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        variable.assign(adam(variable.numpy(), gradient.numpy()))
    after = [variable.numpy() for variable in discriminator.weights]

    for variable, value in zip(generator.non_trainable_variables, statistics, strict=True):
        variable.assign(value)
    with tf.GradientTape() as tape:
        fakes = generator([z, wanted], training=True)
        g_loss = cross_entropy(discriminator([fakes, wanted], training=True), 1.0, everyone)
    variables = generator.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(g_loss, variables), strict=True):
        variable.assign(adam(variable.numpy(), gradient.numpy()))

    terms = {"real_matched_loss": real, "fake_matched_loss": fake, "mismatched_loss": wrong}
    expected = terms | {"d_loss": loss, "g_loss": g_loss}
    assert found == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-4)
    # D's statistics are those of its own step.
    for one, value in zip(gan.discriminator.weights, after, strict=True):
        assert np.allclose(one, value, atol=1e-4), one.path
    for one, other in zip(gan.generator.weights, generator.weights, strict=True):
        assert np.allclose(one, other, atol=1e-4), one.path


def test_a_batch_of_one_set_of_tags_has_no_third_term():
    ends = []
    for weight in (0.0, 1000.0):
        gan = narrow(lambda_mismatched=weight)
        losses = step(gan, SAME)
        assert losses["mismatched_loss"] == 0
        assert losses["d_loss"] > 0 and losses["g_loss"] > 0
        ends.append(gan.get_weights())
    for one, other in zip(*ends, strict=True):
        assert np.isfinite(one).all() and np.array_equal(one, other)


def test_a_batch_without_tags_teaches_nothing():
    gan = narrow()
    before = [variable.numpy() for variable in gan.trainable_variables]
    assert set(step(gan, 0 * ALL).values()) == {0.0}
    assert all(np.array_equal(*pair) for pair in zip(before, gan.trainable_variables, strict=True))
    assert all(np.isfinite(value).all() for value in gan.get_weights())


def test_an_image_without_tags_is_in_the_third_term_only():
    changed = images().numpy()
    changed[3] = -0.5 * changed[3]
    found = []
    for x in (images(), tf.constant(changed)):
        # Its D has no normalisation: images do not see each other. And it learns nothing for G.
        gan = narrow(**ARTICLE, learning_rate=0.0)
        found.append(step(gan, SOME, x))
    one, other = found
    same = {name for name in one if one[name] == other[name]}
    assert same == {"real_matched_loss", "fake_matched_loss", "g_loss"}
