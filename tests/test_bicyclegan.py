"""BicycleGAN as a whole: networks in numbers, settings, and `fit` as for any Keras model."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.bicyclegan import (
    PRESETS,
    TRAINING,
    BicycleGAN,
    Settings,
    build_discriminator,
    build_encoder,
    build_generator,
)
from gans.nn.layers import Conv2D

NARROW = {"generator_filters": 2, "encoder_filters": 2, "discriminator_filters": 2}
LOSSES = {
    "d1_loss",
    "d2_loss",
    "gan_1_loss",
    "gan_2_loss",
    "image_loss",
    "kl_loss",
    "latent_loss",
}


def narrow(**settings):
    """The article's arrangement at 32x32, with weights large enough to matter."""
    keras.utils.set_random_seed(0)
    return BicycleGAN(**NARROW | {"image_size": 32, "init_gain": 1.0} | settings)


def images(count, size=32, channels=3, seed=0):
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, size, size, channels))
    return uniform.astype("float32")


def pairs(count=2, size=32, channels=3):
    """Two independent draws of sketches and photos: what a train step takes."""
    return tuple(
        (
            tf.constant(images(count, size, channels, seed)),
            tf.constant(images(count, size, seed=seed + 1)),
        )
        for seed in (0, 2)
    )


@pytest.fixture(scope="module")
def generators():
    return {where: build_generator(Settings(latent_injection=where)) for where in ("all", "input")}


# Networks


def test_parameters_of_the_generator(generators):
    assert generators["all"].count_params() == 54_794_627
    assert generators["input"].count_params() == 54_417_795


def test_parameters_of_the_encoder():
    assert build_encoder(Settings(encoder_network="resnet")).count_params() == 2_590_032
    assert (
        build_encoder(Settings(image_size=128, encoder_network="resnet")).count_params()
        == 1_344_080
    )


@pytest.mark.parametrize(
    ("scales", "parameters", "sides"), [(1, 2_764_737, [30]), (2, 3_458_978, [30, 14])]
)
def test_parameters_and_maps_of_the_discriminator(scales, parameters, sides):
    discriminator = build_discriminator(Settings(discriminator_scales=scales), "discriminator")
    assert discriminator.count_params() == parameters
    assert [x.shape for x in discriminator.outputs] == [(None, side, side, 1) for side in sides]


@pytest.mark.parametrize(("where", "reached"), [("all", 8), ("input", 1)])
def test_z_enters_as_many_convolutions_as_the_paper_says(generators, where, reached):
    convolutions = [x for x in generators[where].layers if isinstance(x, Conv2D)]
    widths = [3, 64, 128, 256, 512, 512, 512, 512]
    extra = [
        layer.kernel.shape[2] - width for layer, width in zip(convolutions, widths, strict=True)
    ]
    assert extra == [8] * reached + [0] * (8 - reached)


@pytest.mark.parametrize("where", ["all", "input"])
def test_each_number_of_z_changes_the_picture(where):
    gan = narrow(latent_injection=where)
    image = images(1)
    plain = gan.translate(image, np.zeros((1, 8)))
    for index in range(8):
        other = gan.translate(image, 3 * np.eye(8)[index : index + 1])
        assert np.abs(other - plain).mean() > 1e-3
    generator = build_generator(
        Settings(image_size=64, image_channels=1, generator_filters=2), height=64, width=128
    )
    assert [x.shape for x in generator.inputs] == [(None, 64, 128, 1), (None, 8)]
    assert generator.output.shape == (None, 64, 128, 3)
    assert sum(isinstance(x, Conv2D) for x in generator.layers) == 6


def test_encoder_draws_from_the_gaussian_that_it_names():
    gan = narrow(encoder_network="resnet")
    noise = np.random.default_rng(0).standard_normal((2, 8)).astype("float32")
    z, mean, log_variance = (x.numpy() for x in gan.encoder([images(2), noise]))
    assert np.allclose(z, mean + noise * np.exp(log_variance / 2), atol=1e-6)
    assert np.abs(mean).max() > 0.01
    assert not np.allclose(mean, log_variance)


def test_official_weights_start_with_a_standard_normal_code():
    # What gain 0.02 is for: Keras' own Glorot normal, 50 times as large, is far from it.
    gan = narrow(init_gain=0.02, encoder_network="resnet")
    _, mean, log_variance = gan.encoder([images(2), np.zeros((2, 8))])
    assert np.abs(mean).max() < 1e-3
    assert np.abs(log_variance).max() < 1e-3


def test_no_two_kernels_begin_with_the_same_numbers():
    # One initializer with a fixed seed would tie the heads of the encoder, and the 512-wide layers.
    gan = narrow(encoder_network="resnet")
    kernels = [x.numpy().ravel() for x in gan.trainable_variables if x.name == "kernel"]
    starts = [tuple(np.sign(kernel[:32])) for kernel in kernels if kernel.size >= 32]
    assert len(set(starts)) == len(starts) > 20
    mean, log_variance = (gan.encoder.get_layer(x).kernel for x in ("mean", "log_variance"))
    assert not np.allclose(mean, log_variance)


def test_grey_images():
    gan = narrow(image_channels=1)
    gan.compile()
    gan.train_step(pairs(channels=1))
    assert gan.translate(images(1, channels=1), np.zeros((1, 8))).shape == (1, 32, 32, 3)


# Training


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_trains_at_its_real_size(preset):
    gan = BicycleGAN(**PRESETS[preset])
    gan.compile(epochs=TRAINING[preset]["epochs"], steps_per_epoch=10)
    before = {
        network.name: network.get_weights()
        for network in (gan.generator, gan.encoder, gan.discriminator_1, gan.discriminator_2)
    }
    losses = gan.train_step(pairs(1, gan.settings.image_size))
    assert losses.keys() == LOSSES
    assert all(np.isfinite(loss) and loss.dtype == tf.float32 for loss in losses.values())
    for name, old in before.items():
        new = next(x for x in gan.layers if x.name == name).get_weights()
        assert any(not np.array_equal(x, y) for x, y in zip(old, new, strict=True))
        assert all(np.isfinite(x).all() for x in new)


def test_presets_are_the_papers_and_the_articles_numbers():
    paper, article = BicycleGAN(**NARROW | PRESETS["paper"]), BicycleGAN(**NARROW)
    assert PRESETS["article"] == {}
    assert (paper.clr_pair, article.clr_pair) == (0, 1)
    assert [len(x.discriminator_1.outputs) for x in (paper, article)] == [2, 1]
    for gan in (paper, article):
        weights = (
            gan.settings.lambda_image,
            gan.settings.lambda_latent,
            gan.settings.lambda_kl,
            gan.settings.learning_rate,
        )
        assert weights == (10.0, 0.5, 0.01, 2e-4)
        assert (gan.settings.beta_1, gan.settings.latent_dim, gan.settings.image_size) == (
            0.5,
            8,
            256,
        )
    assert (paper.settings.decay_epochs, article.settings.decay_epochs) == (15, 0)
    assert (paper.settings.dropout, article.settings.dropout) == (0.5, 0)


@pytest.mark.parametrize(
    ("objective", "names"),
    [
        ("bicycle", LOSSES),
        ("cvae", {"d1_loss", "gan_1_loss", "image_loss", "kl_loss"}),
        ("clr", {"d2_loss", "gan_2_loss", "latent_loss"}),
    ],
)
def test_fit_is_traced_once_and_its_steps_are_those_of_eager_mode(objective, names):
    eager, gan = narrow(objective=objective), narrow(objective=objective)
    eager.compile()
    gan.compile()
    expected = {name: float(loss) for name, loss in eager.train_step(pairs()).items()}
    assert expected.keys() == names

    traces, steps, train_step = [], [], gan.train_step

    def counting(batch):
        traces.append(1)
        return train_step(batch)

    gan.train_step = counting
    dataset = tf.data.Dataset.from_tensors(pairs()).repeat()
    log = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: steps.append(logs))
    gan.fit(dataset, epochs=3, steps_per_epoch=3, shuffle=False, verbose=0, callbacks=[log])
    assert traces == [1]
    assert gan.optimizer_generator.iterations == len(steps) == 9
    assert steps[0] == pytest.approx(expected, rel=1e-4)
    assert all(logs.keys() == names for logs in steps)
    assert all(np.isfinite(list(logs.values())).all() for logs in steps)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_other_normalizations_train(norm):
    gan = narrow(norm=norm, encoder_network="resnet", upsample="resize")
    gan.compile()
    assert all(np.isfinite(loss) for loss in gan.train_step(pairs()).values())


def test_each_network_has_an_adam_of_its_own():
    gan = narrow(learning_rate=3e-4, beta_1=0.3)
    gan.compile()
    optimizers = [
        gan.optimizer_generator,
        gan.optimizer_encoder,
        gan.optimizer_d1,
        gan.optimizer_d2,
    ]
    assert len({id(optimizer) for optimizer in optimizers}) == 4
    for optimizer in optimizers:
        assert float(optimizer.learning_rate) == pytest.approx(3e-4)
        assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.3, 0.999, 1e-8)


def test_learning_rate_falls_over_the_last_epochs_of_the_run():
    gan = narrow(decay_epochs=3, learning_rate=0.1)
    gan.compile(epochs=5, steps_per_epoch=2)
    for optimizer in (
        gan.optimizer_generator,
        gan.optimizer_encoder,
        gan.optimizer_d1,
        gan.optimizer_d2,
    ):
        rates = []
        for step in range(10):
            optimizer.iterations.assign(step)
            rates.append(float(optimizer.learning_rate))
        expected = np.repeat([0.1, 0.1, 0.075, 0.05, 0.025], 2)
        assert rates == pytest.approx(expected, rel=1e-6)


def test_decay_needs_the_length_of_the_run():
    message = (
        "`decay_epochs` needs `epochs` and `steps_per_epoch` in `compile`. "
        "Received: epochs=4, steps_per_epoch=None"
    )
    with pytest.raises(ValueError) as error:
        narrow(decay_epochs=2).compile(epochs=4)
    assert str(error.value) == message


def test_decay_longer_than_the_run_is_refused():
    with pytest.raises(ValueError) as error:
        narrow(decay_epochs=5).compile(epochs=4, steps_per_epoch=1)
    assert str(error.value) == "`decay_epochs` must be at most the 4 epochs of the run. Received: 5"
    narrow(decay_epochs=4).compile(epochs=4, steps_per_epoch=1)


@pytest.fixture
def mixed_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_step_in_bfloat16(mixed_bfloat16):
    settings = {
        "image_size": 64,
        "latent_injection": "all",
        "encoder_network": "resnet",
        "discriminator_scales": 2,
    }
    gan = narrow(**settings)
    assert all(x.compute_dtype == "bfloat16" for x in gan.generator.layers if isinstance(x, Conv2D))
    assert gan.translate(images(1, 64), np.zeros((1, 8))).dtype == np.float32
    keras.config.set_dtype_policy("float32")
    exact = narrow(**settings)
    exact.set_weights(gan.get_weights())
    losses = []
    for one in (gan, exact):
        one.compile()
        losses.append(one.train_step(pairs(size=64)))
        assert all(loss.dtype == tf.float32 for loss in losses[-1].values())
        assert {x.dtype for x in one.trainable_variables} == {"float32"}
    half, full = ({name: float(loss) for name, loss in x.items()} for x in losses)
    assert half != full
    assert half == pytest.approx(full, rel=0.02)


# Use of a trained model


def test_encode_gives_the_mean_of_any_number_of_photos():
    gan = narrow(encoder_network="resnet")
    photos = images(3)
    expected = gan.encoder([photos, np.ones((3, 8))])[1]
    assert np.allclose(gan.encode(photos), expected, atol=1e-6)


def test_many_images_are_worked_through_in_small_batches(monkeypatch):
    gan = narrow(image_size=256)
    sketches, z = images(5, 256), np.random.default_rng(0).standard_normal((5, 8))
    one_by_one = [
        gan.translate(sketches[i : i + 1], z[i : i + 1].astype("float32"))[0] for i in range(5)
    ]
    sizes, generator = [], gan.generator

    class Recording:
        def __call__(self, inputs, training):
            sizes.append(len(inputs[0]))
            return generator(inputs, training=training)

    object.__setattr__(gan, "generator", Recording())
    together = gan.translate(sketches, z.astype("float32"))
    assert sizes == [2, 2, 1]
    assert np.allclose(together, one_by_one, atol=1e-5)


def test_translate_has_no_dropout():
    gan = narrow(image_size=64, dropout=0.5)
    image, z = images(1, 64), np.zeros((1, 8), "float32")
    assert np.array_equal(gan.translate(image, z), gan.translate(image, z))


def test_preview_shows_sketch_photo_reconstruction_and_fixed_styles():
    gan = narrow()
    sketches, photos = images(3), images(3, seed=1)
    sketches[1] = sketches[0]
    rows = gan.preview((sketches, photos), samples=4)
    assert [len(row) for row in rows] == [3 + 4] * 3
    assert {image.shape for row in rows for image in row} == {(32, 32, 3)}
    reconstructions = gan.translate(sketches, gan.encode(photos))
    for index, row in enumerate(rows):
        assert np.array_equal(row[0], sketches[index])
        assert np.array_equal(row[1], photos[index])
        assert np.allclose(row[2], reconstructions[index], atol=1e-5)
    # The same styles for every sketch, and at every call; styles that differ.
    assert np.allclose(rows[0][3:], rows[1][3:], atol=1e-5)
    assert np.allclose(rows[2], gan.preview((sketches, photos), samples=4)[2], atol=1e-5)
    assert np.abs(rows[0][3] - rows[0][4]).mean() > 1e-3


def rows_that_differ_by(deviation):
    """Two rows of a sample grid whose eight samples have this standard deviation."""
    image = np.zeros((4, 4, 3))
    return [[image] * 3 + [image - deviation, image + deviation] * 4] * 2


@pytest.mark.parametrize(
    ("kl_nats", "deviation", "words"),
    [
        (3.0, 0.2, []),
        (0.11, 0.011, []),
        (0.05, 0.2, ["KL is 0.050 nats"]),
        (3.0, 0.002, ["samples of one sketch differ by 0.0020"]),
        (0.0, 0.0, ["KL is 0.000 nats", "samples of one sketch differ by 0.0000"]),
    ],
)
def test_diagnose_names_a_z_that_is_ignored(kl_nats, deviation, words):
    gan = narrow()
    gan.compile()
    gan.optimizer_generator.iterations.assign(1000)
    found = gan.diagnose({"kl_loss": 0.01 * kl_nats}, rows_that_differ_by(deviation))
    assert len(found) == len(words)
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence


def test_diagnose_says_nothing_early_nor_of_a_kl_that_is_not_there():
    gan = narrow(objective="clr")
    gan.compile()
    assert gan.diagnose({"latent_loss": 0.4}, rows_that_differ_by(0.0)) == []
    gan.optimizer_generator.iterations.assign(1000)
    assert gan.diagnose({"latent_loss": 0.4}, rows_that_differ_by(0.2)) == []
    without_kl = narrow(lambda_kl=0.0)
    without_kl.compile()
    without_kl.optimizer_generator.iterations.assign(1000)
    assert without_kl.diagnose({"kl_loss": 0.0}, rows_that_differ_by(0.2)) == []


# Settings


SIZES = "`image_size` must be a multiple of 32,"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 0}, SIZES + " from 32 on with discriminator_scales=1. Received: 0"),
        ({"image_size": -64}, SIZES + " from 32 on with discriminator_scales=1. Received: -64"),
        ({"image_size": 16}, SIZES + " from 32 on with discriminator_scales=1. Received: 16"),
        ({"image_size": 48}, SIZES + " from 32 on with discriminator_scales=1. Received: 48"),
        ({"latent_dim": 0}, "`latent_dim` must be at least 1. Received: 0"),
        ({"generator_filters": 0}, "`generator_filters` must be at least 1. Received: 0"),
        ({"encoder_filters": -1}, "`encoder_filters` must be at least 1. Received: -1"),
        ({"discriminator_filters": 0}, "`discriminator_filters` must be at least 1. Received: 0"),
        (
            {"discriminator_scales": 4},
            "`discriminator_scales` must be in [1, 4). Received: 4",
        ),
        (
            {"discriminator_scales": 0},
            "`discriminator_scales` must be in [1, 4). Received: 0",
        ),
        (
            {"image_size": 128, "discriminator_scales": 3, "discriminator_filters": 6},
            "`discriminator_filters` must be a multiple of 4 with discriminator_scales=3. "
            "Received: 6",
        ),
        (
            {"discriminator_scales": 2},
            SIZES + " from 64 on with discriminator_scales=2. Received: 32",
        ),
        ({"lambda_image": -1.0}, "`lambda_image` must be at least 0. Received: -1.0"),
        ({"lambda_latent": -0.5}, "`lambda_latent` must be at least 0. Received: -0.5"),
        ({"lambda_kl": -0.01}, "`lambda_kl` must be at least 0. Received: -0.01"),
        ({"learning_rate": -1e-4}, "`learning_rate` must be at least 0. Received: -0.0001"),
        ({"init_gain": -1.0}, "`init_gain` must be at least 0. Received: -1.0"),
        ({"dropout": 1.0}, "`dropout` must be in [0, 1). Received: 1.0"),
        ({"beta_1": -0.1}, "`beta_1` must be in [0, 1). Received: -0.1"),
        ({"decay_epochs": -1}, "`decay_epochs` must be at least 0. Received: -1"),
        (
            {"norm": "layer"},
            "`norm` must be one of ('instance', 'batch', 'none'). Received: 'layer'",
        ),
        (
            {"latent_injection": "middle"},
            "`latent_injection` must be one of ('input', 'all'). Received: 'middle'",
        ),
        (
            {"encoder_network": "vgg"},
            "`encoder_network` must be one of ('conv', 'resnet'). Received: 'vgg'",
        ),
        (
            {"upsample": "nearest"},
            "`upsample` must be one of ('transpose', 'resize'). Received: 'nearest'",
        ),
        (
            {"objective": "gan"},
            "`objective` must be one of ('bicycle', 'cvae', 'clr'). Received: 'gan'",
        ),
        (
            {"clr_images": "both"},
            "`clr_images` must be one of ('first', 'second'). Received: 'both'",
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
        {"image_size": 96},
        {"image_size": 128, "discriminator_scales": 3, "discriminator_filters": 4},
        {"latent_dim": 1},
        {"lambda_image": 0.0, "lambda_latent": 0.0, "lambda_kl": 0.0},
    ],
)
def test_settings_at_the_edge_train(settings):
    gan = narrow(**settings)
    gan.compile()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = gan.train_step(pairs(1, gan.settings.image_size))
    assert all(np.isfinite(loss) for loss in losses.values())
