"""DiscoGAN as a whole: networks in numbers, presets, schedules, pictures and settings."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.discogan import PRESETS, TRAINING, DiscoGAN, Settings
from gans.nn.discogan_networks import build_discriminator, build_generator
from gans.nn.layers import BatchNormalization

SIZE = 32
NARROW = {"image_size": SIZE, "generator_filters": 2, "discriminator_filters": 2, "latent_dim": 5}


def narrow(**settings):
    """A small DiscoGAN with weights large enough that what a test changes shows in the picture."""
    keras.utils.set_random_seed(0)
    options = dict(NARROW)
    if settings.get("recipe") == "official":
        del options["latent_dim"]
    gan = DiscoGAN(**options | settings)
    for variable in gan.trainable_variables:
        if variable.name == "kernel":
            variable.assign(3.0 * variable)
    return gan


def images(count, size=SIZE, channels=3, seed=0):
    height, width = (size, size) if isinstance(size, int) else size
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, height, width, channels))
    return uniform.astype("float32")


def trainable(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


# Networks


def test_parameters_of_the_official_networks():
    generator = build_generator(Settings(recipe="official"), 3, 3)
    discriminator = build_discriminator(Settings(recipe="official"), 3)
    assert trainable(generator) == 5_513_856
    assert trainable(discriminator) == 2_765_568
    # Statistics of batch normalisation, mean and variance: as many as its scales and offsets.
    assert generator.count_params() - trainable(generator) == 2 * 1_344
    assert discriminator.count_params() - trainable(discriminator) == 2 * 896


def test_parameters_of_the_articles_networks():
    # Kernels of 4x4: as the official ones, and to 100 numbers and back between 512 channels.
    kernels = 5_511_168 + 16 * 2 * 512 * 100
    # Scale and offset of all but the first and last; those two have a bias.
    assert (
        trainable(build_generator(Settings(), 3, 3)) == kernels + 2 * (1_344 + 100 + 512) + 64 + 3
    )
    assert trainable(build_discriminator(Settings(), 3)) == 2_763_776 + 2 * 896 + 64 + 1


def test_maps_of_the_articles_generator_are_those_of_the_listing():
    convolutions = [
        layer.output.shape[1:]
        for layer in build_generator(Settings(), 3, 3).layers
        if "conv" in layer.name and "norm" not in layer.name
    ]
    assert convolutions == [
        (32, 32, 64),
        (16, 16, 128),
        (8, 8, 256),
        (4, 4, 512),
        (1, 1, 100),
        (4, 4, 512),
        (8, 8, 256),
        (16, 16, 128),
        (32, 32, 64),
        (64, 64, 3),
    ]


@pytest.mark.parametrize("size", [32, 64, 96])
def test_discriminator_judges_the_whole_image_by_one_number(size):
    article = build_discriminator(Settings(image_size=size, discriminator_filters=2), 3)
    assert article.output.shape == (None, 1, 1, 1)
    official = build_discriminator(
        Settings(image_size=size, recipe="official", discriminator_filters=2), 3
    )
    sides = [size // 4, size // 8, size // 16]
    maps = [(None, side, side, width) for side, width in zip(sides, (4, 8, 16), strict=True)]
    assert [output.shape for output in official.outputs] == [(None, 1, 1, 1), *maps]
    image = tf.Variable(images(1, size))
    with tf.GradientTape() as tape:
        logit = article(image, training=False)
    gradient = tape.gradient(logit, image)
    assert np.abs(gradient).max(axis=(0, 3)).min() > 0  # Every pixel has a say.


@pytest.mark.parametrize("network", [build_generator, build_discriminator])
def test_official_weights_begin_as_those_of_pytorch(network):
    channels = (3, 3) if network is build_generator else (3,)
    built = network(Settings(recipe="official"), *channels)
    layers = [x for x in built.layers if hasattr(x, "kernel")]
    assert len(layers) in (8, 5)
    for layer in layers:
        kernel = layer.kernel.numpy()
        # (k, k, in, out); (k, k, out, in) of a transposed one, where PyTorch takes the outputs.
        bound = 1 / np.sqrt(np.prod(kernel.shape[:3]))
        assert np.abs(kernel).max() <= bound
        assert np.abs(kernel).max() > 0.99 * bound
        assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.03)


def test_no_two_kernels_begin_with_the_same_numbers():
    kernels = [x.numpy().ravel() for x in narrow().trainable_variables if x.name == "kernel"]
    starts = [tuple(np.sign(kernel[:32])) for kernel in kernels if kernel.size >= 32]
    assert len(set(starts)) == len(starts) > 20


def test_official_networks_work_on_values_from_0_to_1():
    generator = build_generator(
        Settings(image_size=SIZE, recipe="official", generator_filters=2), 3, 3
    )
    inner = keras.Model(generator.layers[2].input, generator.layers[-2].output)
    image = images(2)
    painted = inner((image + 1) / 2, training=False).numpy()
    assert generator.layers[-2].activation is keras.activations.sigmoid
    assert np.allclose(generator(image, training=False), 2 * painted - 1, atol=1e-6)
    discriminator = build_discriminator(
        Settings(image_size=SIZE, recipe="official", discriminator_filters=2), 3
    )
    inner = keras.Model(discriminator.layers[2].input, discriminator.outputs)
    for one, other in zip(
        inner((image + 1) / 2, training=False), discriminator(image, training=False), strict=True
    ):
        assert np.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("recipe", ["article", "official"])
@pytest.mark.parametrize(("norm", "count"), [("batch", 1), ("instance", 0), ("none", 0)])
def test_biases_are_only_where_no_normalisation_follows(recipe, norm, count):
    generator = build_generator(
        Settings(image_size=SIZE, recipe=recipe, generator_filters=2, norm=norm), 3, 3
    )
    layers = [x for x in generator.layers if hasattr(x, "kernel")]
    biased = [getattr(layer, "bias", None) is not None for layer in layers]
    if recipe == "official":
        assert not any(biased)
    else:
        # With instance norm the vector of the bottleneck is not normalised.
        free = {"batch": (0, 9), "instance": (0, 4, 9), "none": range(10)}[norm]
        assert [index for index, has in enumerate(biased) if has] == list(free)
    assert any(isinstance(x, BatchNormalization) for x in generator.layers) == count


def test_instance_norm_leaves_the_bottleneck_alive():
    gan = narrow(norm="instance")
    one, other = gan.translate(images(2))
    assert np.abs(one - other).mean() > 1e-3


@pytest.mark.parametrize("recipe", ["article", "official"])
def test_channels_of_both_domains(recipe):
    gan = narrow(recipe=recipe, image_channels=1, photo_channels=4)
    gan.compile(1, 1)
    a, b = images(2, channels=1), images(2, channels=4)
    assert all(np.isfinite(loss) for loss in gan.train_step((a, b)).values())
    assert gan.translate(a).shape == b.shape
    assert gan.translate(b, "b_to_a").shape == a.shape
    assert [image.shape[2] for image in gan.preview((a, b))[0]] == [1, 4, 1, 4, 1, 4]


# Presets and schedules


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_build_and_train_a_step_at_their_real_size(preset):
    gan = DiscoGAN(**PRESETS[preset])
    gan.compile(TRAINING[preset]["epochs"], 10)
    before = [variable.numpy() for variable in gan.trainable_variables]
    for _ in range(2):  # The official recipe moves one side at a time.
        losses = gan.train_step((images(2, 64), images(2, 64, seed=1)))
        assert all(np.isfinite(loss) and loss.dtype == tf.float32 for loss in losses.values())
    for variable, old in zip(gan.trainable_variables, before, strict=True):
        assert not np.array_equal(variable, old)
        assert np.isfinite(variable).all()


def test_presets_are_the_papers_and_the_articles_numbers():
    assert list(PRESETS) == list(TRAINING) == ["toy", "article", "paper"]
    assert PRESETS["article"] == {"epoch_step": 10}
    article, paper = (DiscoGAN(**PRESETS[name]) for name in ("article", "paper"))
    assert (
        article.settings.lambda_l2,
        article.settings.lambda_identity,
        article.settings.epoch_step,
    ) == (
        1.0,
        0.0,
        10,
    )
    assert article.pool_a.size == article.pool_b.size == 50
    for gan, numbers in ((article, (0.5, 0.99, 0.0)), (paper, (0.5, 0.999, 1e-5))):
        gan.compile(epochs=200, steps_per_epoch=1)
        for adam in (gan.optimizer_generator, gan.optimizer_discriminator):
            assert (adam.beta_1, adam.beta_2, adam.l2) == numbers
    assert article.settings.learning_rate == paper.settings.learning_rate == 2e-4
    assert (
        paper.settings.starting_rate,
        paper.settings.default_rate,
        paper.settings.gan_curriculum,
    ) == (0.01, 0.5, 10_000)
    assert (
        paper.settings.feature_matching,
        paper.settings.update_interval,
        paper.settings.epoch_step,
    ) == (0.9, 3, None)
    assert (article.size_multiple, paper.size_multiple) == (None, 16)
    assert {name: x["disjoint"] for name, x in TRAINING.items()} == {
        "toy": False,
        "article": False,
        "paper": True,
    }
    assert TRAINING["article"]["batch_size"] == TRAINING["paper"]["batch_size"] == 64


@pytest.fixture(scope="module")
def compiled():
    """One for the tests that compile it anew, by settings of their own."""
    return narrow(learning_rate=0.1)


def rates(gan, epochs, epoch_step=10, steps=3):
    """The learning rate of each epoch, which all of its steps have."""
    gan.settings = dataclasses.replace(gan.settings, epoch_step=epoch_step)
    gan.compile(epochs, steps)
    found = []
    for optimizer in (gan.optimizer_generator, gan.optimizer_discriminator):
        for step in range(epochs * steps):
            optimizer.iterations.assign(step)
            found.append(float(optimizer.learning_rate))
    found = np.reshape(found, (2, epochs, steps))
    assert (found == found[:1, :, :1]).all()
    return found[0, :, 0]


def test_learning_rate_of_the_chapters_200_epochs(compiled):
    found = rates(compiled, 200, steps=1)
    # The chapter's formula, whose epochs count from 0.
    expected = [0.1 if e < 10 else 0.1 * (200 - e) / (200 - 10) for e in range(200)]
    assert found == pytest.approx(expected, rel=1e-5)
    by_epoch = {epoch: found[epoch - 1] for epoch in (1, 10, 11, 12, 100, 200)}
    shares = {1: 1, 10: 1, 11: 1, 12: 189 / 190, 100: 101 / 190, 200: 1 / 190}
    assert by_epoch == pytest.approx({epoch: 0.1 * x for epoch, x in shares.items()}, rel=1e-5)


@pytest.mark.parametrize(
    ("epochs", "epoch_step", "shares"),
    [
        (4, 10, [1, 1, 1, 1]),
        (4, 4, [1, 1, 1, 1]),
        (4, 3, [1, 1, 1, 1]),
        (4, 2, [1, 1, 1, 1 / 2]),
        (4, 0, [1, 3 / 4, 2 / 4, 1 / 4]),
        (4, None, [1, 1, 1, 1]),
    ],
)
def test_learning_rate_of_short_runs(compiled, epochs, epoch_step, shares):
    expected = [0.1 * share for share in shares]
    assert rates(compiled, epochs, epoch_step) == pytest.approx(expected, rel=1e-6)


def test_decay_needs_the_length_of_the_run():
    with pytest.raises(ValueError) as error:
        narrow(epoch_step=1).compile(epochs=4)
    assert str(error.value) == (
        "`decay_epochs` needs `epochs` and `steps_per_epoch` in `compile`. "
        "Received: epochs=4, steps_per_epoch=None"
    )
    for gan in (narrow(), narrow(recipe="official")):
        gan.compile()
        assert float(gan.optimizer_discriminator.learning_rate) == pytest.approx(2e-4)


# Use of a trained model


@pytest.fixture(scope="module")
def gan():
    return narrow()


def test_translate_goes_the_way_that_it_is_told(gan):
    photos = images(3)
    ab, ba = (gan.translate(photos, direction) for direction in ("a_to_b", "b_to_a"))
    assert np.allclose(ab, gan.generator_ab(photos, training=False), atol=1e-6)
    assert np.allclose(ba, gan.generator_ba(photos, training=False), atol=1e-6)
    assert np.abs(ab - ba).mean() > 1e-3
    assert np.array_equal(gan.translate(photos), ab)
    assert ab.dtype == np.float32
    assert np.abs(ab).max() <= 1


@pytest.mark.parametrize(("norm_at_test", "alone"), [("moving", True), ("batch", False)])
def test_whether_a_picture_depends_on_its_company_at_test(norm_at_test, alone):
    gan = narrow(norm_at_test=norm_at_test)
    photos = images(3)
    photos[1] = -1.0
    together, by_itself = gan.translate(photos)[0], gan.translate(photos[:1])[0]
    assert (np.abs(together - by_itself).max() < 1e-5) == alone


@pytest.mark.parametrize(("objective", "columns"), [("discogan", 6), ("recongan", 3), ("gan", 2)])
def test_preview_shows_both_ways_and_what_comes_back(objective, columns):
    gan = narrow(objective=objective)
    a, b = images(2), images(2, seed=1)
    rows = gan.preview((a, b))
    expected = [a, gan.translate(a)]
    if columns > 2:
        expected.append(gan.generator_ba(expected[1], training=False))
    if columns == 6:
        fake_a = gan.generator_ba(b, training=False)
        expected += [b, fake_a, gan.generator_ab(fake_a, training=False)]
    assert [len(row) for row in rows] == [columns] * 2
    for index, row in enumerate(rows):
        for picture, column in zip(row, expected, strict=True):
            assert np.allclose(picture, column[index], atol=1e-5)


@pytest.mark.parametrize("wrong", ["b_to_a", "a_to_a"])
def test_directions_that_the_objective_has_no_generator_for(wrong):
    gan = narrow(objective="gan")
    for use in (lambda: gan.translate(images(1), wrong), lambda: gan.generator_for(64, 64, wrong)):
        with pytest.raises(ValueError) as error:
            use()
        assert str(error.value) == f"`direction` must be one of ['a_to_b']. Received: '{wrong}'"
    assert narrow(objective="recongan").translate(images(1), "b_to_a").shape == (1, SIZE, SIZE, 3)


def test_official_generator_for_another_size():
    gan = narrow(recipe="official", photo_channels=1)
    for direction, own in (("a_to_b", gan.generator_ab), ("b_to_a", gan.generator_ba)):
        assert gan.generator_for(SIZE, SIZE, direction) is own
        other = gan.generator_for(48, 80, direction)
        assert other.output.shape == (None, 48, 80, own.output.shape[3])
        for one, two in zip(own.get_weights(), other.get_weights(), strict=True):
            assert np.array_equal(one, two)


def test_articles_generator_has_one_size(gan):
    assert gan.generator_for(SIZE, SIZE, "b_to_a") is gan.generator_ba
    with pytest.raises(ValueError) as error:
        gan.generator_for(64, 32)
    assert str(error.value) == (
        "expected 32x32, the one size of the article's bottleneck, or for the official one "
        "multiples of 16. Received: 64x32"
    )


# Warnings


def rows_of(columns, given=0.5, painted=0.5):
    """Two rows of a sample grid: fakes in columns 1 and 4, the rest with the given deviation."""
    deviations = [painted if column in (1, 4) else given for column in range(columns)]
    channels = [1, 3, 1, 3, 1, 3]  # The domains need not have as many.
    return [
        [np.full((4, 4, n), sign * x) for x, n in zip(deviations, channels, strict=False)]
        for sign in (-1, 1)
    ]


@pytest.mark.parametrize(
    ("losses", "rows", "words"),
    [
        ({"da_loss": 0.5, "db_loss": 0.5}, rows_of(6), []),
        ({"da_loss": 0.5, "db_loss": 0.011}, rows_of(6, painted=0.011), []),
        ({"da_loss": 0.5}, rows_of(6, given=0.0, painted=0.0), []),
        ({"da_loss": 0.009}, rows_of(6), ["da_loss is 0.0090"]),
        ({"dis_loss_b": 0.009}, rows_of(3), ["dis_loss_b is 0.0090"]),
        ({}, rows_of(2, painted=0.001), ["pictures of A -> B differ by 0.0010"]),
        (
            {},
            rows_of(6, painted=0.001),
            ["pictures of A -> B differ by 0.0010", "pictures of B -> A differ by 0.0010"],
        ),
    ],
)
def test_diagnose_names_one_picture_for_all_and_a_discriminator_that_won(
    compiled, losses, rows, words
):
    compiled.compile(1, 1)
    assert compiled.diagnose(losses, rows) == []  # Too early.
    compiled.optimizer_generator.iterations.assign(1000)
    found = compiled.diagnose(losses, rows)
    assert len(found) == len(words)
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence


# Settings


SIZES = "`image_size` must be a multiple of 16, from 32 on. Received: "


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 16}, SIZES + "16"),
        ({"image_size": 40}, SIZES + "40"),
        ({"image_size": -64}, SIZES + "-64"),
        ({"image_channels": 0}, "`image_channels` must be at least 1. Received: 0"),
        ({"photo_channels": 0}, "`photo_channels` must be at least 1. Received: 0"),
        ({"generator_filters": 0}, "`generator_filters` must be at least 1. Received: 0"),
        ({"discriminator_filters": 0}, "`discriminator_filters` must be at least 1. Received: 0"),
        ({"latent_dim": 0}, "`latent_dim` must be at least 1. Received: 0"),
        ({"lambda_l2": -1.0}, "`lambda_l2` must be at least 0. Received: -1.0"),
        ({"lambda_identity": -1.0}, "`lambda_identity` must be at least 0. Received: -1.0"),
        ({"pool_size": -1}, "`pool_size` must be at least 0. Received: -1"),
        ({"learning_rate": -1.0}, "`learning_rate` must be at least 0. Received: -1.0"),
        ({"weight_decay": -1.0}, "`weight_decay` must be at least 0. Received: -1.0"),
        ({"epoch_step": -1}, "`epoch_step` must be at least 0. Received: -1"),
        ({"beta_1": 1.0}, "`beta_1` must be in [0, 1). Received: 1.0"),
        ({"beta_2": -0.1}, "`beta_2` must be in [0, 1). Received: -0.1"),
        (
            {"recipe": "official", "update_interval": 1},
            "`update_interval` must be at least 2. Received: 1",
        ),
        (
            {"recipe": "official", "gan_curriculum": -1},
            "`gan_curriculum` must be at least 0. Received: -1",
        ),
        (
            {"recipe": "official", "feature_matching": 1.1},
            "`feature_matching` must be in [0, 1]. Received: 1.1",
        ),
        (
            {"recipe": "official", "starting_rate": -0.1},
            "`starting_rate` must be in [0, 1]. Received: -0.1",
        ),
        (
            {"recipe": "official", "default_rate": 2.0},
            "`default_rate` must be in [0, 1]. Received: 2.0",
        ),
        ({"recipe": "paper"}, "`recipe` must be one of ('article', 'official'). Received: 'paper'"),
        (
            {"objective": "cycle"},
            "`objective` must be one of ('discogan', 'recongan', 'gan'). Received: 'cycle'",
        ),
        (
            {"norm": "layer"},
            "`norm` must be one of ('batch', 'instance', 'none'). Received: 'layer'",
        ),
        (
            {"norm_at_test": "none"},
            "`norm_at_test` must be one of ('moving', 'batch'). Received: 'none'",
        ),
        (
            {"feature_matching": 0.5},
            '`feature_matching` is for recipe="official". Received: 0.5',
        ),
        (
            {"recipe": "official", "pool_size": 0},
            '`pool_size` is for recipe="article". Received: 0',
        ),
        (
            {"objective": "recongan", "lambda_l2": 0.0},
            '`lambda_l2` must not be 0 with objective="recongan". Received: 0',
        ),
        (
            {"lambda_identity": 1.0, "image_channels": 1},
            "`lambda_identity` needs as many image_channels as photo_channels. Received: 1 and 3",
        ),
    ],
)
def test_settings_that_cannot_be_built_are_refused(settings, message):
    with pytest.raises(ValueError) as error:
        narrow(**settings)
    field, received = message.split("`")[1], message.rpartition("Received: ")[2]
    assert f"`{field}`" in str(error.value)
    assert received in str(error.value)
