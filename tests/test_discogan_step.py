"""The train steps of DiscoGAN: losses in numbers, whose turn it is, what is left alone."""

import contextlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.discogan import DiscoGAN
from gans.nn import losses
from gans.training.checkpoints import Checkpoints

SIZE, BATCH = 32, 3
NETWORKS = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
ARTICLE_A2B = {"g_loss_a2b", "g_loss", "db_loss", "db_loss_real", "db_loss_fake", "d_loss"}
ARTICLE = ARTICLE_A2B | {"g_loss_b2a", "da_loss", "da_loss_real", "da_loss_fake"}
OFFICIAL_GAN = {"gen_loss_b", "fm_loss_b", "dis_loss_b"}
OFFICIAL = OFFICIAL_GAN | {"gen_loss_a", "fm_loss_a", "dis_loss_a", "recon_loss_a", "recon_loss_b"}


def narrow(**settings):
    """A small DiscoGAN with weights large enough to matter."""
    options = {"image_size": SIZE, "generator_filters": 2, "discriminator_filters": 2}
    keras.utils.set_random_seed(0)
    gan = DiscoGAN(**options | settings)
    for variable in gan.trainable_variables:
        if variable.name == "kernel":
            variable.assign(3.0 * variable)
    gan.compile(100, 100)
    return gan


def images(seed, channels=3):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (BATCH, SIZE, SIZE, channels))
    return tf.constant(uniform, tf.float32)


A, B = images(1), images(2)


def numbers(losses):
    return {name: float(loss) for name, loss in losses.items()}


def trained(gan):
    """The networks that the objective has, by name."""
    networks = {name: getattr(gan, name) for name in NETWORKS}
    return {name: network for name, network in networks.items() if network is not None}


def try_step(gan, batch=(A, B)):
    """A step that moves no weight: its losses, and the gradients that each optimizer was given."""
    given = {}
    sides = {
        "generator": (gan.optimizer_generator, gan.generator_variables),
        "discriminator": (gan.optimizer_discriminator, gan.discriminator_variables),
    }
    with contextlib.ExitStack() as stack:
        for name, (optimizer, expected) in sides.items():

            def apply(gradients, variables, name=name, expected=expected):
                assert list(map(id, variables)) == list(map(id, expected))
                assert name not in given
                given[name] = [gradient.numpy() for gradient in gradients]

            stack.enter_context(mock.patch.object(optimizer, "apply", apply))
        losses = gan.train_step(batch)
    return numbers(losses), given


def assert_same(found, expected, tolerance=1e-5):
    """Each gradient to `tolerance` of the largest number among them."""
    largest = max(np.abs(gradient).max() for gradient in expected)
    assert largest > 1e-4
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() <= tolerance * largest


def entropy(logits, target):
    """Sigmoid cross entropy, by its definition, in double precision."""
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return float(-np.mean(target * np.log(p) + (1 - target) * np.log(1 - p)))


def square(a, b):
    return float(np.mean((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2))


# The article's losses


@pytest.mark.parametrize("identity", [0.0, 0.7])
def test_article_losses_are_the_chapters(identity):
    gan = narrow(lambda_l2=3.0, lambda_identity=identity)
    fake_b, fake_a = gan.generator_ab(A, training=True), gan.generator_ba(B, training=True)
    logits = {
        name: gan.discriminator_a(x, training=True)
        if name[0] == "a"
        else gan.discriminator_b(x, training=True)
        for name, x in {"a_real": A, "a_fake": fake_a, "b_real": B, "b_fake": fake_b}.items()
    }
    g_loss_a2b = entropy(logits["b_fake"], 1) + 3 * square(
        gan.generator_ba(fake_b, training=True), A
    )
    g_loss_b2a = entropy(logits["a_fake"], 1) + 3 * square(
        gan.generator_ab(fake_a, training=True), B
    )
    if identity:
        g_loss_a2b += identity * square(gan.generator_ab(B, training=True), B)
        g_loss_b2a += identity * square(gan.generator_ba(A, training=True), A)
    expected = {"g_loss_a2b": g_loss_a2b, "g_loss_b2a": g_loss_b2a}
    expected["g_loss"] = g_loss_a2b + g_loss_b2a
    for domain in "ab":
        real, fake = entropy(logits[f"{domain}_real"], 1), entropy(logits[f"{domain}_fake"], 0)
        expected |= {f"d{domain}_loss_real": real, f"d{domain}_loss_fake": fake}
        expected[f"d{domain}_loss"] = (real + fake) / 2
    expected["d_loss"] = expected["da_loss"] + expected["db_loss"]
    assert expected.keys() == ARTICLE
    # A real step: the discriminators judge the fakes of before the generators' update.
    assert numbers(gan.train_step((A, B))) == pytest.approx(expected, rel=1e-4)


def test_article_gradients_are_those_of_the_two_sums():
    gan = narrow(lambda_l2=3.0)
    _, given = try_step(gan)
    with tf.GradientTape() as tape_g, tf.GradientTape() as tape_d:
        fake_b, fake_a = gan.generator_ab(A, training=True), gan.generator_ba(B, training=True)
        logits_b, logits_a = (
            gan.discriminator_b(fake_b, training=True),
            gan.discriminator_a(fake_a, training=True),
        )
        g_loss = tf.reduce_mean(tf.math.softplus(-logits_b) + tf.math.softplus(-logits_a))
        g_loss += 3 * tf.reduce_mean((gan.generator_ba(fake_b, training=True) - A) ** 2)
        g_loss += 3 * tf.reduce_mean((gan.generator_ab(fake_a, training=True) - B) ** 2)
        real_b = gan.discriminator_b(B, training=True)
        real_a = gan.discriminator_a(A, training=True)
        d_loss = tf.reduce_mean(tf.math.softplus(-real_b) + tf.math.softplus(-real_a)) / 2
        d_loss += tf.reduce_mean(tf.math.softplus(logits_b) + tf.math.softplus(logits_a)) / 2
    assert_same(given["generator"], tape_g.gradient(g_loss, gan.generator_variables))
    assert_same(given["discriminator"], tape_d.gradient(d_loss, gan.discriminator_variables))


def test_discriminators_of_the_article_see_the_history():
    gan = narrow(pool_size=BATCH, learning_rate=0.0)
    # Always swap, with image 0, 1, 2: from the second step on, the step before is shown.
    swap = np.stack([np.full(BATCH, 0.9), (np.arange(BATCH) + 0.5) / BATCH], axis=1)
    gan.sample_draws = lambda images, stream: tf.constant(swap, tf.float32)
    batches = [(images(seed), images(seed + 1)) for seed in (10, 20, 30)]
    shown = [numbers(gan.train_step(batch)) for batch in batches]
    for step, seen in enumerate([0, 0, 1]):
        a, b = batches[seen]
        fake_b, fake_a = gan.generator_ab(a, training=True), gan.generator_ba(b, training=True)
        of_b = entropy(gan.discriminator_b(fake_b, training=True), 0)
        of_a = entropy(gan.discriminator_a(fake_a, training=True), 0)
        assert shown[step]["db_loss_fake"] == pytest.approx(of_b, rel=1e-4)
        assert shown[step]["da_loss_fake"] == pytest.approx(of_a, rel=1e-4)
    assert abs(shown[2]["db_loss_fake"] / shown[1]["db_loss_fake"] - 1) > 1e-3
    fake_b = gan.generator_ab(batches[2][0], training=True)
    assert np.allclose(gan.pool_b.images, fake_b, atol=1e-5)


def test_draws_are_uniform_and_differ_by_step_domain_and_seed():
    gan, other = narrow(), narrow(seed=1)
    many = tf.zeros((20_000, 1))
    draws = [gan.sample_draws(many, 0), gan.sample_draws(many, 1)]
    draws += [other.sample_draws(many, 0), other.sample_draws(many, 1)]
    assert np.array_equal(draws[0], gan.sample_draws(many, 0))
    gan.optimizer_generator.iterations.assign(1)
    draws = np.array([*draws, gan.sample_draws(many, 0)]).reshape(5, -1)
    assert draws.min() >= 0
    assert draws.max() < 1
    assert np.abs(draws.mean(1) - 0.5).max() < 5 / np.sqrt(12 * 40_000)
    assert np.abs(np.corrcoef(draws) - np.eye(5)).max() < 5 / np.sqrt(40_000)


# The official losses


def match_features(real, fake):
    """Per layer the mean over the map of the squared difference of the means over the batch."""
    return sum(
        square(np.mean(one, axis=0, dtype=np.float64), np.mean(other, axis=0, dtype=np.float64))
        for one, other in zip(real, fake, strict=True)
    )


def test_feature_matching_by_hand():
    # Batch means 2 and 1 on the first map, 0 and 3, 0 and 4 on the second.
    real = [np.reshape([1.0, 3.0], (2, 1, 1, 1)), np.zeros((2, 1, 2, 1))]
    fake = [np.reshape([0.0, 2.0], (2, 1, 1, 1)), np.reshape([3.0, 4.0, 3.0, 4.0], (2, 1, 2, 1))]
    expected = (2 - 1) ** 2 + (3**2 + 4**2) / 2
    assert match_features(real, fake) == expected
    assert float(losses.feature_matching(real, fake)) == pytest.approx(expected)


def official_losses(gan):
    fakes = {"b": gan.generator_ab(A, training=True), "a": gan.generator_ba(B, training=True)}
    expected = {}
    for domain, real, discriminator in [
        ("a", A, gan.discriminator_a),
        ("b", B, gan.discriminator_b),
    ]:
        real_logit, *real_features = discriminator(real, training=True)
        fake_logit, *fake_features = discriminator(fakes[domain], training=True)
        expected[f"gen_loss_{domain}"] = entropy(fake_logit, 1)
        expected[f"fm_loss_{domain}"] = match_features(real_features, fake_features)
        expected[f"dis_loss_{domain}"] = entropy(real_logit, 1) / 2 + entropy(fake_logit, 0) / 2
    back_a = gan.generator_ba(fakes["b"], training=True)
    back_b = gan.generator_ab(fakes["a"], training=True)
    # Of values in [0, 1].
    expected["recon_loss_a"] = square((back_a + 1) / 2, (A + 1) / 2)
    expected["recon_loss_b"] = square((back_b + 1) / 2, (B + 1) / 2)
    return expected


def test_official_losses_are_those_of_the_official_code():
    gan = narrow(recipe="official")
    expected = official_losses(gan)
    assert expected.keys() == OFFICIAL
    # The discriminators' turn makes no reconstruction.
    unknown = {"recon_loss_a": 0.0, "recon_loss_b": 0.0}
    assert numbers(gan.train_step((A, B))) == pytest.approx(expected | unknown, rel=1e-4)
    expected = official_losses(gan)
    assert numbers(gan.train_step((A, B))) == pytest.approx(expected, rel=1e-4)
    last = numbers(gan.train_step((B, A)))
    # In their next turn the last ones are shown.
    shown = numbers(gan.train_step((A, B)))
    assert int(gan.optimizer_discriminator.iterations) == 2
    for name in unknown:
        assert shown[name] == last[name] > 0


@pytest.mark.parametrize(
    ("iteration", "objective", "rate"),
    [
        (1, "discogan", 0.01),
        (9_999, "discogan", 0.01),
        (10_000, "discogan", 0.5),
        (10_000, "recongan", 0.5),
        (9_999, "recongan", 0.01),
        (10_000, "gan", 0.0),
    ],
)
def test_generator_gradient_before_and_after_the_curriculum(iteration, objective, rate):
    # Steps 1, 9,999 and 10,000 all are the generators' with this interval.
    gan = narrow(recipe="official", objective=objective, update_interval=7)
    gan.iteration.assign(iteration)
    _, given = try_step(gan)
    assert given.keys() == {"generator"}

    def loss(images, real, generator, inverse, discriminator):
        fake = generator(images, training=True)
        _, *real_features = discriminator(real, training=True)
        logit, *features = discriminator(fake, training=True)
        total = 0.1 * tf.reduce_mean(tf.math.softplus(-logit))
        for one, other in zip(real_features, features, strict=True):
            means = tf.reduce_mean(one, axis=0) - tf.reduce_mean(other, axis=0)
            total += 0.9 * tf.reduce_mean(means**2)
        if inverse is None:
            return total
        back = (inverse(fake, training=True) + 1) / 2 - (images + 1) / 2
        return (1 - rate) * total + rate * tf.reduce_mean(back**2)

    with tf.GradientTape() as tape:
        total = loss(A, B, gan.generator_ab, gan.generator_ba, gan.discriminator_b)
        if objective == "discogan":
            total += loss(B, A, gan.generator_ba, gan.generator_ab, gan.discriminator_a)
    assert_same(given["generator"], tape.gradient(total, gan.generator_variables))


def test_discriminator_gradient_of_the_official_recipe():
    gan = narrow(recipe="official")
    _, given = try_step(gan)
    assert given.keys() == {"discriminator"}
    with tf.GradientTape() as tape:
        loss = 0.0
        for real, fake, discriminator in [
            (A, gan.generator_ba(B, training=True), gan.discriminator_a),
            (B, gan.generator_ab(A, training=True), gan.discriminator_b),
        ]:
            loss += tf.reduce_mean(tf.math.softplus(-discriminator(real, training=True)[0])) / 2
            loss += tf.reduce_mean(tf.math.softplus(discriminator(fake, training=True)[0])) / 2
    assert_same(given["discriminator"], tape.gradient(loss, gan.discriminator_variables))


def test_discriminators_have_their_turn_at_0_3_and_6_and_the_generators_at_all_others():
    gan = narrow(recipe="official")
    sides = (gan.discriminator_variables, gan.generator_variables)
    turns = []
    for _ in range(8):
        before = [[variable.numpy() for variable in side] for side in sides]
        gan.train_step((A, B))
        # By all of their weights, or by none of their bytes.
        moved = [
            {not np.array_equal(x, y) for x, y in zip(old, side, strict=True)}
            for old, side in zip(before, sides, strict=True)
        ]
        assert moved in ([{True}, {False}], [{False}, {True}])
        turns.append("D" if moved[0] == {True} else "G")
    assert "".join(turns) == "DGGDGGDG"
    assert int(gan.iteration) == 8
    assert int(gan.optimizer_discriminator.iterations) == 3
    assert int(gan.optimizer_generator.iterations) == 5


# What is asked for, and nothing else


@pytest.mark.parametrize(
    ("settings", "names", "networks"),
    [
        ({}, ARTICLE, NETWORKS),
        ({"objective": "recongan"}, ARTICLE_A2B, NETWORKS[:2] + NETWORKS[3:]),
        ({"objective": "gan"}, ARTICLE_A2B, ("generator_ab", "discriminator_b")),
        ({"recipe": "official"}, OFFICIAL, NETWORKS),
        (
            {"recipe": "official", "objective": "recongan"},
            OFFICIAL_GAN | {"recon_loss_a"},
            NETWORKS[:2] + NETWORKS[3:],
        ),
        (
            {"recipe": "official", "objective": "gan"},
            OFFICIAL_GAN,
            ("generator_ab", "discriminator_b"),
        ),
    ],
)
def test_objectives_have_the_losses_and_networks_they_need_and_move_them_all(
    settings, names, networks
):
    gan = narrow(**settings)
    assert tuple(trained(gan)) == networks
    before = {name: network.get_weights() for name, network in trained(gan).items()}
    for _ in range(2):
        losses = gan.train_step((A, B))
        assert losses.keys() == names
        assert all(np.isfinite(x) and x.dtype == tf.float32 for x in losses.values())
    for name, network in trained(gan).items():
        for variable, old in zip(network.get_weights(), before[name], strict=True):
            assert not np.array_equal(variable, old)


class Counting:
    """A network that counts its calls."""

    def __init__(self, network):
        self.network, self.calls = network, 0
        self.trainable_variables, self.layers = network.trainable_variables, network.layers

    def __call__(self, inputs, training):
        assert training is True
        self.calls += 1
        return self.network(inputs, training=training)

    def _flatten_layers(self, **_):
        return ()


@pytest.mark.parametrize(
    ("settings", "calls"),
    [
        ({}, [(2, 2, 3, 3)]),
        ({"lambda_l2": 0.0}, [(1, 1, 3, 3)]),
        ({"lambda_identity": 1.0}, [(3, 3, 3, 3)]),
        ({"objective": "recongan"}, [(1, 1, None, 3)]),
        ({"objective": "gan"}, [(1, None, None, 3)]),
        ({"recipe": "official"}, [(1, 1, 2, 2), (2, 2, 2, 2)]),
        ({"recipe": "official", "objective": "recongan"}, [(1, 0, None, 2), (1, 1, None, 2)]),
        ({"recipe": "official", "objective": "gan"}, [(1, None, None, 2), (1, None, None, 2)]),
    ],
)
def test_nothing_is_computed_that_no_loss_needs(settings, calls):
    gan = narrow(**settings)
    counters = {name: Counting(network) for name, network in trained(gan).items()}
    for name, counter in counters.items():
        object.__setattr__(gan, name, counter)
    for expected in calls:
        for counter in counters.values():
            counter.calls = 0
        gan.train_step((A, B))
        found = tuple(counters[name].calls if name in counters else None for name in NETWORKS)
        assert found == expected


def test_weight_decay_is_part_of_the_gradient():
    # So much of it that it alone decides the sign, and with it Adam's first step.
    gan = narrow(weight_decay=1e6)
    before = [variable.numpy() for variable in gan.trainable_variables]
    gan.train_step((A, B))
    for variable, old in zip(gan.trainable_variables, before, strict=True):
        sure = np.abs(old) > 1e-3
        assert np.allclose((variable.numpy() - old)[sure], -2e-4 * np.sign(old[sure]), atol=1e-6)


# Runs


def state(gan):
    optimizers = (gan.optimizer_generator, gan.optimizer_discriminator)
    variables = [x for optimizer in optimizers for x in optimizer.variables]
    return [np.asarray(variable) for variable in (*gan.variables, *variables)]


@pytest.mark.parametrize(
    "settings",
    [
        # Seven fakes fit: the pool is half full at the stop, and swaps after it.
        {"pool_size": 7},
        # The discriminators' turn, the generators' | the generators', the discriminators'.
        {"recipe": "official", "gan_curriculum": 2},
    ],
)
def test_a_run_that_was_stopped_ends_with_the_bytes_of_one_that_was_not(settings, tmp_path):
    batches = [(images(seed), images(seed + 1)) for seed in range(0, 8, 2)]

    def run(gan, part):
        return [numbers(gan.train_step(batch)) for batch in part]

    whole = narrow(**settings)
    expected = run(whole, batches)

    first = narrow(**settings)
    found = run(first, batches[:2])
    Checkpoints(tmp_path, first).save(2)
    second = DiscoGAN(image_size=SIZE, generator_filters=2, discriminator_filters=2, **settings)
    second.compile(100, 100)
    assert Checkpoints(tmp_path, second).restore() == 2
    found += run(second, batches[2:])

    assert found == expected
    for one, other in zip(state(second), state(whole), strict=True):
        assert one.tobytes() == other.tobytes()
    if "pool_size" in settings:
        assert int(whole.pool_a.count) == 7
    else:
        assert int(whole.iteration) == 4


@pytest.mark.parametrize("recipe", ["article", "official"])
def test_fit_is_traced_once_and_its_steps_are_those_of_eager_mode(recipe):
    eager, gan = narrow(recipe=recipe), narrow(recipe=recipe)
    expected = [numbers(eager.train_step((A, B))) for _ in range(2)]
    traces, steps, train_step = [], [], gan.train_step

    def counting(batch):
        traces.append(1)
        return train_step(batch)

    gan.train_step = counting
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: steps.append(logs))
    dataset = tf.data.Dataset.from_tensors((A, B)).repeat()
    gan.fit(dataset, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0, callbacks=[log])
    assert traces == [1]
    assert len(steps) == 6
    for found, wanted in zip(steps, expected, strict=False):
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    turns = (int(gan.optimizer_discriminator.iterations), int(gan.optimizer_generator.iterations))
    assert turns == {"article": (6, 6), "official": (2, 4)}[recipe]


@pytest.mark.parametrize("settings", [{"lambda_identity": 5.0}, {"recipe": "official"}])
def test_moving_statistics_are_of_what_a_generator_gets_at_test(settings):
    stepped, alone = narrow(**settings), narrow(**settings)
    if "recipe" in settings:
        stepped.iteration.assign(1)  # The generators' turn.
    stepped.train_step((A, B))
    for name, real in (("generator_ab", A), ("generator_ba", B)):
        network = getattr(alone, name)
        network(real, training=True)
        found = getattr(stepped, name).non_trainable_variables
        assert found
        for variable, expected in zip(found, network.non_trainable_variables, strict=True):
            np.testing.assert_array_equal(variable, expected)
