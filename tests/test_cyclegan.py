"""CycleGAN as a whole: networks in numbers, settings, and `fit` as for any Keras model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.cyclegan import (
    PRESETS,
    TRAINING,
    CycleGAN,
    Settings,
    build_discriminator,
    build_generator,
)
from gans.nn.layers import Conv2D

NARROW = {"generator_filters": 2, "discriminator_filters": 2, "blocks": 1}
LOSSES = {
    "d_a_loss",
    "d_b_loss",
    "gan_ab_loss",
    "gan_ba_loss",
    "cycle_a_loss",
    "cycle_b_loss",
    "identity_a_loss",
    "identity_b_loss",
}


def narrow(**settings):
    """The article's arrangement at 32x32, with weights large enough to matter."""
    keras.utils.set_random_seed(0)
    return CycleGAN(**NARROW | {"image_size": 32, "init_stddev": 0.2} | settings)


def images(count, size=32, channels=3, seed=0):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, size, size, channels))
    return uniform.astype("float32")


def batch(count=2, size=32, channels=(3, 3)):
    """Images of both domains: what a train step takes."""
    return tuple(tf.constant(images(count, size, channels[i], seed=i)) for i in (0, 1))


@pytest.fixture(scope="module")
def gan():
    gan = narrow()
    gan.compile()
    return gan


# Networks


def test_parameters_of_the_generators():
    assert build_generator(Settings(generator="resnet"), 3, 3).count_params() == 11_378_179
    assert (
        build_generator(Settings(image_size=128, generator="resnet", blocks=6), 3, 3).count_params()
        == 7_837_699
    )
    # BicycleGAN's, 54,417,795, without the 8 channels of z at the image.
    assert build_generator(Settings(), 3, 3).count_params() == 54_417_795 - 8 * 64 * 4 * 4


def test_parameters_and_map_of_the_discriminator():
    discriminator = build_discriminator(Settings(), 3)
    assert discriminator.count_params() == 2_764_737
    assert discriminator.output_shape == (None, 30, 30, 1)
    assert discriminator.input_shape == (None, 256, 256, 3)


def test_each_domain_has_networks_of_its_own_channels():
    gan = narrow(image_channels=1, photo_channels=5, lambda_identity=0.0)
    assert (gan.settings.image_size, gan.settings.image_channels, gan.settings.photo_channels) == (
        32,
        1,
        5,
    )
    shapes = {
        "generator_ab": (1, 5),
        "generator_ba": (5, 1),
        "discriminator_a": (1, 1),
        "discriminator_b": (5, 1),
    }
    for name, (into, out) in shapes.items():
        network = getattr(gan, name)
        assert network.name == name
        assert (network.input_shape[-1], network.output_shape[-1]) == (into, out)
    gan.compile()
    losses = gan.train_step(batch(1, channels=(1, 5)))
    assert losses.keys() == LOSSES - {"identity_a_loss", "identity_b_loss"}
    assert gan.translate(images(1, channels=1)).shape == (1, 32, 32, 5)
    assert gan.translate(images(1, channels=5), "b_to_a").shape == (1, 32, 32, 1)


def test_no_two_kernels_begin_with_the_same_numbers():
    gan = narrow()
    kernels = [x.numpy().ravel() for x in gan.trainable_variables if x.name == "kernel"]
    starts = [tuple(np.sign(kernel[:32])) for kernel in kernels if kernel.size >= 32]
    assert len(set(starts)) == len(starts) > 20


def test_initial_weights_have_the_deviation_of_the_settings():
    for gan, stddev in [(narrow(), 0.2), (narrow(init_stddev=0.02, generator="resnet"), 0.02)]:
        for network in (gan.generator_ab, gan.generator_ba, gan.discriminator_a):
            kernels = [x.numpy().ravel() for x in network.weights if x.name == "kernel"]
            kernels = np.concatenate(kernels)
            assert kernels.std() == pytest.approx(stddev, rel=5 / np.sqrt(2 * kernels.size))
            assert abs(kernels.mean()) < 5 * stddev / np.sqrt(kernels.size)


# Training


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_trains_at_its_real_size(preset):
    gan = CycleGAN(**PRESETS[preset])
    gan.compile(epochs=TRAINING[preset]["epochs"], steps_per_epoch=10)
    names = ("generator_ab", "generator_ba", "discriminator_a", "discriminator_b")
    before = {name: getattr(gan, name).trainable_weights[0].numpy() for name in names}
    losses = gan.train_step(batch(1, gan.settings.image_size))
    assert losses.keys() == LOSSES
    assert all(np.isfinite(loss) and loss.dtype == tf.float32 for loss in losses.values())
    for name, old in before.items():
        weights = getattr(gan, name).trainable_weights
        assert not np.array_equal(old, weights[0])
        assert all(np.isfinite(x).all() for x in weights)


def test_presets_are_the_papers_and_the_articles_numbers():
    assert PRESETS["article"] == {}
    assert list(PRESETS) == list(TRAINING) == ["toy", "article", "paper"]
    # What the numbers of `article` and `paper` are is in the constructor's defaults.
    gan = CycleGAN(**NARROW | PRESETS["article"])
    assert (gan.settings.lambda_cycle, gan.lambda_identity) == (10.0, 5.0)
    assert (gan.has_cycle_a, gan.has_cycle_b) == (True, True)
    assert (gan.pool_a.size, gan.pool_b.size, gan.settings.image_size) == (50, 50, 256)
    assert (gan.settings.learning_rate, gan.settings.beta_1, gan.settings.decay_epochs) == (
        2e-4,
        0.5,
        0,
    )
    convolutions = [x for x in gan.generator_ab.layers if isinstance(x, Conv2D)]
    assert [x.kernel_size for x in convolutions] == [4] * 8  # A U-Net.
    assert PRESETS["paper"] == {"generator": "resnet", "decay_epochs": 100}
    assert TRAINING["paper"] == {"batch_size": 1, "epochs": 200, "load_size": 286}


def test_learning_rates_of_the_paper():
    gan = narrow(**PRESETS["paper"])
    gan.compile(epochs=TRAINING["paper"]["epochs"], steps_per_epoch=7)
    expected = {1: 2e-4, 100: 2e-4, 101: 2e-4 * 100 / 101, 200: 2e-4 / 101}
    for optimizer in (gan.optimizer_generators, gan.optimizer_discriminators):
        for epoch, rate in expected.items():
            for step in (7 * epoch - 7, 7 * epoch - 1):  # The first and the last of the epoch.
                optimizer.iterations.assign(step)
                assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-6)


def test_decay_needs_the_length_of_the_run():
    with pytest.raises(ValueError) as error:
        narrow(decay_epochs=2).compile(epochs=4)
    assert str(error.value) == (
        "`decay_epochs` needs `epochs` and `steps_per_epoch` in `compile`. "
        "Received: epochs=4, steps_per_epoch=None"
    )


def test_one_adam_for_both_generators_and_one_for_both_discriminators():
    gan = narrow(learning_rate=3e-4, beta_1=0.3)
    gan.compile()
    generators, discriminators = gan.optimizer_generators, gan.optimizer_discriminators
    assert generators is not discriminators
    for optimizer in (generators, discriminators):
        assert float(optimizer.learning_rate) == pytest.approx(3e-4)
        assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.3, 0.999, 1e-8)
    # Two moments per weight, the step and the rate: nothing is left for a later build.
    counts = [len(x) for x in (gan.generator_variables, gan.discriminator_variables)]
    assert [len(x.variables) for x in (generators, discriminators)] == [2 * n + 2 for n in counts]
    assert sum(counts) == len(gan.trainable_variables)


def test_fit_is_traced_once_and_its_steps_are_those_of_eager_mode():
    eager, gan = narrow(pool_size=3), narrow(pool_size=3)
    eager.compile()
    gan.compile()
    expected = [{k: float(v) for k, v in eager.train_step(batch()).items()} for _ in range(2)]
    assert expected[0].keys() == LOSSES
    traces, steps, train_step = [], [], gan.train_step

    def counting(images):
        traces.append(1)
        return train_step(images)

    gan.train_step = counting
    dataset = tf.data.Dataset.from_tensors(batch()).repeat()
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: steps.append(logs))
    gan.fit(dataset, epochs=2, steps_per_epoch=2, shuffle=False, verbose=0, callbacks=[log])
    assert traces == [1]
    assert gan.optimizer_generators.iterations == len(steps) == 4
    assert gan.pool_a.count == 3
    for found, wanted in zip(steps[:2], expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-3)
    assert all(np.isfinite(list(logs.values())).all() for logs in steps)


@pytest.fixture
def mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_step_in_bfloat16(mixed_bfloat16):
    gan = narrow(generator="resnet", pool_size=1)
    keras.config.set_dtype_policy("float32")
    exact = narrow(generator="resnet", pool_size=1)
    losses = []
    for one in (gan, exact):
        one.compile()
        losses.append(one.train_step(batch()))
        assert all(loss.dtype == tf.float32 for loss in losses[-1].values())
        assert {x.dtype for x in one.trainable_variables} == {"float32"}
    half, full = ({name: float(loss) for name, loss in x.items()} for x in losses)
    assert half != full
    assert half == pytest.approx(full, rel=0.05)


# Use of a trained model


@pytest.mark.parametrize("direction", ["a_to_b", "b_to_a"])
def test_translate_works_through_many_images_in_small_batches(direction):
    gan = narrow(image_size=256, dropout=0.5)
    pictures = images(3, 256)
    generator = {"a_to_b": gan.generator_ab, "b_to_a": gan.generator_ba}[direction]
    sizes, call = [], generator.call

    def counting(inputs, training=None, mask=None):
        sizes.append(len(inputs))
        return call(inputs, training=training, mask=mask)

    one_by_one = np.concatenate([generator(pictures[i : i + 1]) for i in range(3)])
    generator.call = counting
    together = gan.translate(pictures, direction)
    assert sizes == [2, 1]
    assert np.abs(together).max() <= 1
    assert np.allclose(together, one_by_one, atol=1e-5)


def test_a_to_b_is_the_direction_of_translate(gan):
    assert np.array_equal(gan.translate(images(1)), gan.translate(images(1), "a_to_b"))
    assert not np.allclose(gan.translate(images(1)), gan.translate(images(1), "b_to_a"))


def test_preview_shows_each_domain_its_translation_and_the_way_back(gan):
    images_a, images_b = images(3), images(3, seed=1)
    rows = gan.preview((images_a, images_b))
    assert [len(row) for row in rows] == [6] * 3
    fake_b, fake_a = gan.translate(images_a, "a_to_b"), gan.translate(images_b, "b_to_a")
    columns = (
        images_a,
        fake_b,
        gan.translate(fake_b, "b_to_a"),
        images_b,
        fake_a,
        gan.translate(fake_a, "a_to_b"),
    )
    for row, expected in zip(rows, zip(*columns, strict=True), strict=True):
        assert all(np.allclose(x, y, atol=1e-5) for x, y in zip(row, expected, strict=True))
    assert gan.pool_a.count == gan.pool_b.count == 0


@pytest.mark.parametrize(("generator", "multiple"), [("unet", 32), ("resnet", 4)])
def test_generators_of_other_sizes_have_the_same_weights(generator, multiple):
    options = {"generator": generator, "image_channels": 1, "lambda_identity": 0.0}
    gan, larger = narrow(**options), narrow(**options, image_size=96)  # Both have 5 halvings.
    assert gan.size_multiple == larger.size_multiple == multiple
    assert gan.generator_for(32, 32) is gan.generator_ab
    assert gan.generator_for(32, 32, "b_to_a") is gan.generator_ba
    for direction, name, channels in [
        ("a_to_b", "generator_ab", (1, 3)),
        ("b_to_a", "generator_ba", (3, 1)),
    ]:
        network = getattr(gan, name)
        wide = gan.generator_for(2 * multiple, 96, direction)
        assert wide.input_shape == (None, 2 * multiple, 96, channels[0])
        assert wide.output_shape == (None, 2 * multiple, 96, channels[1])
        assert [id(x) for x in wide.variables] == [id(x) for x in network.variables]
        getattr(larger, name).set_weights(network.get_weights())
        picture = images(1, 96, channels[0])
        expected = larger.translate(picture, direction)
        assert np.allclose(gan.generator_for(96, 96, direction)(picture), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "size", "message"),
    [
        ({}, (32, 48), "multiples of 32, from 8 on. Received: 32x48"),
        ({"generator": "resnet"}, (30, 32), "multiples of 4, from 8 on. Received: 30x32"),
        ({"generator": "resnet"}, (32, 4), "multiples of 4, from 8 on. Received: 32x4"),
    ],
)
def test_a_size_that_does_not_halve_is_refused(settings, size, message):
    with pytest.raises(ValueError) as error:
        narrow(**settings).generator_for(*size)
    assert str(error.value) == "expected sides that are " + message


def test_another_direction_is_refused(gan):
    for call in (gan.translate, lambda _, direction: gan.generator_for(32, 32, direction)):
        with pytest.raises(ValueError) as error:
            call(images(1), "up")
        assert "`direction`" in str(error.value)
        assert "'up'" in str(error.value)


# Warnings


def rows_of(change, spread, channels=3):
    """Two rows of a sample grid: how far fakes are from their images, and from one another."""
    rows = []
    for sign in (-1, 1):
        image = np.full((4, 4, 3), 0.3 * sign)
        fake_b = np.full((4, 4, channels), sign * spread) if spread is not None else image + change
        rows.append([image, fake_b, image, image, image + 0.5, image])
    return rows


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (rows_of(0.5, None), []),
        (rows_of(0.021, None), []),
        (rows_of(0.01, None), ["generator_ab changes its images by 0.0100 of a range of 2"]),
        (rows_of(None, 0.011), []),
        (rows_of(None, 0.001), ["generator_ab paints differ by 0.0010 of a range of 2"]),
        (rows_of(None, 0.001, channels=1), ["generator_ab paints differ by 0.0010"]),
        # One row, or rows of one image, cannot tell.
        (rows_of(None, 0.001)[:1], []),
        ([rows_of(0.5, None)[0]] * 2, []),
    ],
)
def test_diagnose_names_a_generator_that_paints_the_same(gan, rows, words):
    gan.optimizer_generators.iterations.assign(999)
    assert gan.diagnose({}, rows) == []  # Nothing is learned yet.
    gan.optimizer_generators.iterations.assign(1000)
    found = gan.diagnose({}, rows)
    assert len(found) == len(words)
    assert all(word in sentence for sentence, word in zip(found, words, strict=True))


def test_diagnose_looks_at_both_directions(gan):
    gan.optimizer_generators.iterations.assign(1000)
    rows = [[*row[3:], *row[:3]] for row in rows_of(0.01, None)]
    [sentence] = gan.diagnose({}, rows)
    assert sentence.startswith("generator_ba changes its images by 0.0100")


# Settings


SIZES = "`image_size` must be a multiple of {}, from 32 on, with generator='{}'. Received: {}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 0}, SIZES.format(32, "unet", 0)),
        ({"image_size": 48}, SIZES.format(32, "unet", 48)),
        ({"image_size": 28, "generator": "resnet"}, SIZES.format(4, "resnet", 28)),
        ({"image_size": 34, "generator": "resnet"}, SIZES.format(4, "resnet", 34)),
        ({"generator": "vgg"}, "`generator` must be one of ('unet', 'resnet'). Received: 'vgg'"),
        (
            {"norm": "layer"},
            "`norm` must be one of ('instance', 'batch', 'none'). Received: 'layer'",
        ),
        (
            {"upsample": "nearest"},
            "`upsample` must be one of ('transpose', 'resize'). Received: 'nearest'",
        ),
        (
            {"cycle": "a"},
            "`cycle` must be one of ('both', 'forward', 'backward', 'none'). Received: 'a'",
        ),
        ({"blocks": 0}, "`blocks` must be in [1, 32). Received: 0"),
        ({"blocks": 32}, "`blocks` must be in [1, 32). Received: 32"),
        ({"generator_filters": 0}, "`generator_filters` must be at least 1. Received: 0"),
        ({"discriminator_filters": 0}, "`discriminator_filters` must be at least 1. Received: 0"),
        ({"image_channels": 0}, "`image_channels` must be at least 1. Received: 0"),
        ({"photo_channels": -1}, "`photo_channels` must be at least 1. Received: -1"),
        ({"lambda_cycle": -1.0}, "`lambda_cycle` must be at least 0. Received: -1.0"),
        ({"lambda_identity": -1.0}, "`lambda_identity` must be at least 0. Received: -1.0"),
        ({"pool_size": -1}, "`pool_size` must be at least 0. Received: -1"),
        ({"learning_rate": -1e-4}, "`learning_rate` must be at least 0. Received: -0.0001"),
        ({"init_stddev": -1.0}, "`init_stddev` must be at least 0. Received: -1.0"),
        ({"decay_epochs": -1}, "`decay_epochs` must be at least 0. Received: -1"),
        ({"dropout": 1.0}, "`dropout` must be in [0, 1). Received: 1.0"),
        ({"beta_1": -0.1}, "`beta_1` must be in [0, 1). Received: -0.1"),
        (
            {"image_channels": 1},
            "`lambda_identity` must be 0 where A and B differ in channels: each generator gets "
            "images of both. Received: 0.5 with image_channels=1, photo_channels=3",
        ),
    ],
)
def test_settings_that_cannot_be_built_are_refused(settings, message):
    with pytest.raises(ValueError) as error:
        narrow(**settings)
    field, received = message.split("`")[1], message.rpartition("Received: ")[2]
    assert f"`{field}`" in str(error.value)
    assert received in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"image_size": 36, "generator": "resnet", "norm": "none", "upsample": "resize"},
        {"pool_size": 0, "norm": "batch"},
        {"image_channels": 1, "photo_channels": 1},
    ],
    ids=str,
)
def test_settings_at_the_edge_train(settings):
    gan = narrow(**settings)
    gan.compile()
    channels = (gan.settings.image_channels, gan.settings.photo_channels)
    losses = gan.train_step(batch(1, gan.settings.image_size, channels))
    assert all(np.isfinite(loss) for loss in losses.values())
