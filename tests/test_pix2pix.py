"""pix2pix as a whole: networks in numbers, what changes at test, settings, and its pictures."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn import networks
from gans.nn.layers import (
    BatchNormalization,
    Conv2D,
    Dropout,
    InstanceNormalization,
    TileLatent,
)
from gans.pix2pix import (
    PATCH_LAYERS,
    PRESETS,
    TRAINING,
    Pix2Pix,
    Settings,
    build_discriminator,
    build_generator,
)

NARROW = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
# Large enough weights that what a test changes shows in the picture.
NARROW["init_stddev"] = 0.3


def narrow(**settings):
    keras.utils.set_random_seed(0)
    return Pix2Pix(**NARROW | settings)


def images(count, size=32, channels=3, seed=0):
    height, width = (size, size) if isinstance(size, int) else size
    uniform = np.random.default_rng(seed).uniform(-1, 1, (count, height, width, channels))
    return uniform.astype("float32")


def trainable(network):
    return sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)


def sides(network, kind):
    """Heights of the maps that layers of this kind give, in their order."""
    return [layer.output.shape[1] for layer in network.layers if isinstance(layer, kind)]


# Networks


def test_parameters_of_the_official_networks():
    generator = build_generator(Settings(norm="batch"))
    assert trainable(generator) == 54_413_955
    assert trainable(build_discriminator(Settings(norm="batch"))) == 2_768_705
    # Batch normalisation alone keeps statistics beside them: mean and variance of 4,928 channels.
    assert generator.count_params() - trainable(generator) == 2 * 4_928


def test_parameters_with_instance_normalization():
    # 54,404,096 in the kernels, and a bias per channel: 3,008 down, 2,496 up, 3 of the picture.
    assert build_generator(Settings()).count_params() == 54_404_096 + 3_008 + 2_496 + 3
    # 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512) and 64 + 128 + 256 + 512 + 1 biases.
    assert build_discriminator(Settings()).count_params() == 2_766_848 + 961


def test_parameters_of_the_encoder_decoder():
    # Up layers get what comes from below alone: as many weights as the down layers, mirrored.
    mirrored = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 4 * 512 * 512)
    assert (
        trainable(build_generator(Settings(generator="encoder_decoder", norm="batch")))
        == 2 * mirrored + 2 * 4_928 + 3
    )


@pytest.mark.parametrize(
    ("patch", "side", "kernels", "normalized"),
    [
        (1, 256, 6 * 64 + 64 * 128 + 128, [128]),
        (16, 126, 16 * (6 * 64 + 64 * 128 + 128), [128]),
        (34, 62, 16 * (6 * 64 + 64 * 128 + 128 * 256 + 256), [128, 256]),
        (70, 30, 2_766_848, [128, 256, 512]),
        (142, 14, 2_766_848 + 16 * 512 * 512, [128, 256, 512, 512]),
        (286, 6, 2_766_848 + 2 * 16 * 512 * 512, [128, 256, 512, 512, 512]),
    ],
)
def test_discriminator_of_each_patch(patch, side, kernels, normalized):
    discriminator = build_discriminator(Settings(patch=patch, norm="batch"))
    assert discriminator.output.shape == (None, side, side, 1)
    # Scale and offset of what is normalised, and the biases of the first and the last layer.
    assert trainable(discriminator) == kernels + 2 * sum(normalized) + 64 + 1
    norms = [x for x in discriminator.layers if isinstance(x, BatchNormalization)]
    assert [x.output.shape[-1] for x in norms] == normalized


@pytest.mark.parametrize("patch", PATCH_LAYERS)
def test_a_judgement_sees_exactly_a_patch(patch):
    size = 384 if patch == 286 else 256
    options = {"patch": patch, "discriminator_filters": 2, "norm": "none", "loss": "gan"}
    keras.utils.set_random_seed(0)
    discriminator = build_discriminator(Settings(image_size=size, **options, init_stddev=1.0))
    middle = discriminator.output.shape[1] // 2

    def judge(image):
        return float(discriminator([image[np.newaxis]])[0, middle, middle, 0])

    image = images(1, size)[0]
    with tf.GradientTape() as tape:
        pixels = tf.constant(image[np.newaxis])
        tape.watch(pixels)
        judgement = discriminator([pixels])[0, middle, middle, 0]
    influence = np.abs(tape.gradient(judgement, pixels)[0]).sum(-1) > 0
    rows, columns = np.flatnonzero(influence.any(1)), np.flatnonzero(influence.any(0))
    assert len(rows) == len(columns) == patch
    assert influence[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    assert rows[0] > 0 and rows[-1] < size - 1  # Not cut off by the edge of the image.

    other = images(1, size, seed=1)[0]
    assert judge(np.where(influence[..., None], image, other)) == judge(image)
    for row in (rows[0], rows[-1]):
        for column in (columns[0], columns[-1]):
            changed = image.copy()
            # A corner is reached by one path of millions.
            changed[row, column] += 1e9
            assert judge(changed) != judge(image)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_no_normalization_of_the_first_map_nor_of_the_innermost(norm):
    kind = {"batch": BatchNormalization, "instance": InstanceNormalization}[norm]
    generator = build_generator(Settings(generator_filters=2, norm=norm))
    assert sides(generator, kind) == [64, 32, 16, 8, 4, 2, 2, 4, 8, 16, 32, 64, 128]
    assert sides(build_discriminator(Settings(discriminator_filters=2, norm=norm)), kind) == [
        64,
        32,
        31,
    ]


def test_the_innermost_map_lives_at_one_image_per_batch():
    # Batch normalisation of a 1x1 map of one image would leave nothing of the image in it.
    gan = narrow(norm="batch", dropout=0.0, generator="encoder_decoder")
    one, other = gan.translate(images(2))
    assert np.abs(one - other).mean() > 1e-3


@pytest.mark.parametrize(
    ("where", "expected"), [("inner", [2, 4, 8]), ("outer", [4, 8, 16])], ids=["lua", "pytorch"]
)
def test_dropout_is_where_the_official_code_has_it(where, expected):
    generator = build_generator(Settings(generator_filters=2, dropout_levels=where))
    assert sides(generator, Dropout) == expected
    assert all(x.rate == 0.5 for x in generator.layers if isinstance(x, Dropout))
    assert not sides(build_generator(Settings(generator_filters=2, dropout=0.0)), Dropout)


def test_encoder_decoder_has_no_way_past_the_innermost_map():
    encoder_decoder, unet = (narrow(generator=x, dropout=0) for x in ("encoder_decoder", "unet"))
    for gan, passes in ((encoder_decoder, False), (unet, True)):
        innermost = [x for x in gan.generator.layers if isinstance(x, Conv2D)][-1]
        assert innermost.output.shape[1] == 1
        innermost.kernel.assign(0 * innermost.kernel)
        one, other = gan.translate(images(2))
        assert np.array_equal(one, other) != passes


def test_weights_begin_as_the_paper_says():
    gan = Pix2Pix(**NARROW | {"generator_filters": 16, "norm": "batch", "init_stddev": 0.02})
    weights = {"kernel": [], "gamma": [], "beta": [], "bias": []}
    for variable in gan.trainable_variables:
        weights[variable.name].append(variable.numpy().ravel())
    weights = {name: np.concatenate(values) for name, values in weights.items()}
    for name, mean in (("kernel", 0.0), ("gamma", 1.0)):
        error = 5 * 0.02 / np.sqrt(weights[name].size)
        assert weights[name].mean() == pytest.approx(mean, abs=error)
        assert weights[name].std() == pytest.approx(0.02, abs=error)
    assert not weights["beta"].any() and not weights["bias"].any()


def test_no_two_kernels_begin_with_the_same_numbers():
    kernels = [x.numpy().ravel() for x in narrow().trainable_variables if x.name == "kernel"]
    starts = [tuple(np.sign(kernel[:32])) for kernel in kernels if kernel.size >= 32]
    assert len(set(starts)) == len(starts) > 10


@pytest.mark.parametrize(("where", "reached"), [("all", 5), ("input", 1)])
def test_z_enters_the_down_layers_and_changes_the_picture(where, reached):
    gan = narrow(latent_dim=3, latent_injection=where, dropout=0.0)
    convolutions = [x for x in gan.generator.layers if isinstance(x, Conv2D)]
    widths = [3, 2, 4, 8, 16]
    extra = [x.kernel.shape[2] - width for x, width in zip(convolutions, widths, strict=True)]
    assert extra == [3] * reached + [0] * (5 - reached)
    plain = gan.generator([images(1), np.zeros((1, 3))])
    for index in range(3):
        other = gan.generator([images(1), 3 * np.eye(3)[index : index + 1]])
        assert np.abs(other - plain).mean() > 1e-3


@pytest.mark.parametrize("upsample", ["transpose", "resize"])
def test_any_number_of_channels(upsample):
    gan = narrow(image_channels=1, photo_channels=5, upsample=upsample)
    gan.compile()
    gan.train_step((tf.constant(images(2, channels=1)), tf.constant(images(2, channels=5))))
    painted = gan.translate(images(2, channels=1))
    assert painted.shape == (2, 32, 32, 5)
    assert np.abs(painted).max() <= 1


# What changes at test


MODES = [(norm, dropout) for norm in ("batch", "moving") for dropout in (True, False)]


@pytest.fixture(scope="module")
def modes():
    """The same weights in each of the four ways to run at test, trained a little."""
    gans = {
        mode: narrow(norm="batch", norm_at_test=mode[0], dropout_at_test=mode[1]) for mode in MODES
    }
    trained = gans[MODES[0]]
    trained.compile()
    for _ in range(3):
        trained.train_step((tf.constant(images(2)), tf.constant(images(2, seed=1))))
    for gan in gans.values():
        gan.set_weights(trained.get_weights())
    return gans


def test_training_is_the_same_in_every_mode(modes):
    painted = []
    for gan in modes.values():
        weights = gan.get_weights()
        painted.append(gan.generator(gan.generator_inputs(images(2), 0), training=True))
        gan.set_weights(weights)
    assert all(np.array_equal(picture, painted[0]) for picture in painted)


def test_the_papers_test_is_training_on_a_batch_of_one(modes):
    gan, photos = modes["batch", True], images(3)
    translated = gan.translate(photos, seed=5)
    weights = gan.get_weights()
    for index in range(3):
        inputs = gan.generator_inputs(photos[index : index + 1], -1 - index, 5)
        expected = gan.generator(inputs, training=True)[0]
        assert np.allclose(translated[index], expected, atol=1e-5)
    gan.set_weights(weights)


@pytest.mark.parametrize("mode", MODES)
def test_seeds_differ_where_dropout_is_on_at_test_and_nowhere_else(modes, mode):
    gan = modes[mode]
    photos = np.repeat(images(1), 2, axis=0)
    one, other = gan.translate(photos, seed=0), gan.translate(photos, seed=1)
    assert np.array_equal(one, gan.translate(photos, seed=0))
    varies = mode[1]
    assert np.array_equal(one, other) != varies
    assert np.array_equal(one[0], one[1]) != varies
    assert gan.varies_at_test == varies


@pytest.mark.parametrize("mode", MODES)
def test_moving_statistics_matter_in_one_mode_and_move_in_none(modes, mode):
    gan = modes[mode]
    weights = gan.get_weights()
    before = gan.translate(images(2))
    assert all(np.array_equal(x, y) for x, y in zip(weights, gan.get_weights(), strict=True))
    for variable in gan.generator.non_trainable_variables:
        if "moving" in variable.name:
            variable.assign(2 * variable + 1)
    after = gan.translate(images(2))
    gan.set_weights(weights)
    assert np.array_equal(before, after) != (mode[0] == "moving")


def test_moving_statistics_of_one_image_paint_it_as_its_own_do(modes):
    batch, moving = modes["batch", False], modes["moving", False]
    weights = moving.get_weights()
    dropouts = [x for x in moving.generator.layers if isinstance(x, Dropout)]
    assert len(dropouts) == 3
    for layer in dropouts:
        layer.rate = 0.0
    expected = batch.translate(images(1))
    before = moving.translate(images(1))
    # Each call in training takes nine tenths of the moving statistics and a tenth of the image's.
    for _ in range(200):
        moving.generator([images(1)], training=True)
    after = moving.translate(images(1))
    for layer in dropouts:
        layer.rate = 0.5
    moving.set_weights(weights)
    assert np.abs(before - expected).mean() > 0.01
    assert np.abs(after - expected).max() < 1e-3


def test_an_image_is_painted_without_regard_to_the_others(modes):
    for mode in (("batch", False), ("moving", False)):
        both = modes[mode].translate(images(2))
        assert np.array_equal(both[:1], modes[mode].translate(images(2)[:1]))
        assert np.array_equal(both[1:], modes[mode].translate(images(2)[1:]))


def test_z_alone_varies_at_test():
    gan = narrow(latent_dim=2, dropout_at_test=False)
    photos = np.repeat(images(1), 2, axis=0)
    one, other = gan.translate(photos), gan.translate(photos, seed=1)
    assert np.array_equal(one, gan.translate(photos))
    assert not np.array_equal(one, other) and not np.array_equal(one[0], one[1])
    assert gan.varies_at_test


# Other sizes


@pytest.mark.parametrize("settings", [{}, {"latent_dim": 2}, {"generator": "encoder_decoder"}])
def test_another_size_is_painted_with_the_same_weights(settings):
    gan = narrow(**settings, norm_at_test="moving", norm="batch", dropout_at_test=False)
    assert gan.size_multiple == 32
    assert gan.generator_for(32, 32) is gan.generator
    weights = gan.get_weights()
    sketches = images(2, (32, 96))
    painted = gan.translate(sketches)
    assert len(gan.get_weights()) == len(weights)

    image, z = keras.Input((32, 96, 3)), keras.Input((2,))
    fake = networks.unet(
        TileLatent()([image, z]) if gan.settings.latent_dim else image,
        depth=5,
        filters=2,
        norm="batch",
        dropout=0.5,
        skips=settings.get("generator") != "encoder_decoder",
        use_bias=False,
    )
    reference = keras.Model([image, z] if gan.settings.latent_dim else [image], fake)
    reference.set_weights(gan.generator.get_weights())
    for index in range(2):
        inputs = gan.generator_inputs(sketches[index : index + 1], -1 - index, 0)
        assert np.allclose(painted[index], reference(inputs)[0], atol=1e-6)

    # Not a copy: what is learned later shows too.
    wide = gan.generator_for(32, 96)
    assert list(map(id, wide.weights)) == list(map(id, gan.generator.weights))


def test_a_size_that_does_not_halve_evenly_is_refused():
    with pytest.raises(ValueError) as error:
        narrow().generator_for(32, 40)
    message = "`height` and `width` must be multiples of 32. Received: 32 and 40"
    assert str(error.value) == message


# Pictures and warnings


@pytest.mark.parametrize(
    ("settings", "samples"),
    [({}, 4), ({"dropout": 0.0}, 1), ({"dropout_at_test": False}, 1), ({"latent_dim": 2}, 4)],
)
def test_preview_shows_sketch_photo_and_what_the_noise_changes(settings, samples):
    gan = narrow(**settings)
    sketches, photos = images(3), images(3, seed=1)
    rows = gan.preview((sketches, photos))
    assert [len(row) for row in rows] == [2 + samples] * 3
    for index, (sketch, photo, *fakes) in enumerate(rows):
        assert np.array_equal(sketch, sketches[index])
        assert np.array_equal(photo, photos[index])
        for draw, fake in enumerate(fakes):
            assert np.array_equal(fake, gan.translate(sketches, draw)[index])
    again = gan.preview((sketches, photos))
    assert all(np.array_equal(one, other) for one, other in zip(rows, again, strict=True))


def rows_that_differ_by(deviation):
    """Two rows of a sample grid; photos differ by 0.5, what is painted by `deviation`."""
    image = np.zeros((4, 4, 3))
    return [[image, image + 0.5 * sign, image + deviation * sign] for sign in (-1, 1)]


@pytest.mark.parametrize(
    ("d_loss", "deviation", "words"),
    [
        (1.386, 0.4, []),
        (0.06, 0.051, []),
        (0.04, 0.4, ["the discriminator's loss is 0.040"]),
        (1.0, 0.04, ["pictures of different sketches differ by 0.0400, their photos by 0.5000"]),
        (0.0, 0.0, ["the discriminator's loss is 0.000", "differ by 0.0000"]),
    ],
)
def test_diagnose_names_a_lost_game_and_a_sketch_that_is_ignored(d_loss, deviation, words):
    gan = narrow(lambda_d=0.5)
    gan.compile()
    gan.optimizer_generator.iterations.assign(1000)
    found = gan.diagnose({"d_loss": 0.5 * d_loss}, rows_that_differ_by(deviation))
    assert len(found) == len(words)
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence


def test_diagnose_says_nothing_early_nor_of_a_discriminator_that_is_not_there():
    gan = narrow(loss="l1")
    gan.compile()
    assert gan.diagnose({"l1_loss": 1.0}, rows_that_differ_by(0.0)) == []
    gan.optimizer_generator.iterations.assign(1000)
    assert gan.diagnose({"l1_loss": 1.0}, rows_that_differ_by(0.4)) == []


# Presets and settings


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_trains_at_its_real_size(preset):
    gan = Pix2Pix(**PRESETS[preset])
    gan.compile(epochs=TRAINING[preset]["epochs"], steps_per_epoch=10)
    before = gan.get_weights()
    pair = [tf.constant(images(1, gan.settings.image_size, seed=seed)) for seed in (0, 1)]
    losses = gan.train_step(pair)
    assert losses.keys() == {"d_loss", "gan_loss", "l1_loss"}
    assert all(np.isfinite(loss) and loss.dtype == tf.float32 for loss in losses.values())
    after = gan.get_weights()
    assert all(np.isfinite(x).all() for x in after)
    moved = [not np.array_equal(x, y) for x, y in zip(before, after, strict=True)]
    names = [variable.name for variable in gan.weights]
    assert all(moves for name, moves in zip(names, moved, strict=True) if name == "kernel")


def test_presets_are_the_numbers_of_their_sources():
    assert list(PRESETS) == list(TRAINING) == ["toy", "article", "paper", "paper_pytorch"]
    assert PRESETS["article"] == {}
    small = {"generator_filters": 2, "discriminator_filters": 2}
    article, paper, pytorch = (
        Pix2Pix(**PRESETS[name] | small) for name in ("article", "paper", "paper_pytorch")
    )
    for gan in (article, paper, pytorch):
        assert (gan.lambda_l1, gan.settings.learning_rate, gan.settings.beta_1) == (
            100.0,
            2e-4,
            0.5,
        )
        assert (gan.settings.image_size, gan.settings.latent_dim, gan.settings.conditional) == (
            256,
            0,
            True,
        )
        assert gan.discriminator.output.shape == (None, 30, 30, 1)
        assert gan.varies_at_test
    assert (article.settings.lambda_d, paper.settings.lambda_d, pytorch.settings.lambda_d) == (
        1.0,
        1.0,
        0.5,
    )
    assert (
        article.settings.decay_epochs,
        paper.settings.decay_epochs,
        pytorch.settings.decay_epochs,
    ) == (
        0,
        0,
        100,
    )
    assert sides(paper.generator, Dropout) == sides(article.generator, Dropout) == [2, 4, 8]
    assert sides(pytorch.generator, Dropout) == [4, 8, 16]
    for gan, kind in [
        (article, InstanceNormalization),
        (paper, BatchNormalization),
        (pytorch, BatchNormalization),
    ]:
        assert len(sides(gan.generator, kind)) == 13
        assert len(sides(gan.discriminator, kind)) == 3
    for name in ("paper", "paper_pytorch"):
        assert TRAINING[name] == {"batch_size": 1, "epochs": 200, "load_size": 286}


SIZES = "`image_size` must be a multiple of 32,"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 0}, SIZES + " from 32 on with patch=70. Received: 0"),
        ({"image_size": 48}, SIZES + " from 32 on with patch=70. Received: 48"),
        ({"patch": 142}, SIZES + " from 64 on with patch=142. Received: 32"),
        ({"image_size": 64, "patch": 286}, SIZES + " from 96 on with patch=286. Received: 64"),
        ({"image_channels": 0}, "`image_channels` must be at least 1. Received: 0"),
        ({"photo_channels": -3}, "`photo_channels` must be at least 1. Received: -3"),
        ({"generator_filters": 0}, "`generator_filters` must be at least 1. Received: 0"),
        ({"discriminator_filters": 0}, "`discriminator_filters` must be at least 1. Received: 0"),
        ({"latent_dim": -1}, "`latent_dim` must be at least 0. Received: -1"),
        ({"lambda_l1": -1.0}, "`lambda_l1` must be at least 0. Received: -1.0"),
        ({"lambda_d": -0.5}, "`lambda_d` must be at least 0. Received: -0.5"),
        ({"learning_rate": -1e-4}, "`learning_rate` must be at least 0. Received: -0.0001"),
        ({"init_stddev": -1.0}, "`init_stddev` must be at least 0. Received: -1.0"),
        ({"dropout": 1.0}, "`dropout` must be in [0, 1). Received: 1.0"),
        ({"beta_1": -0.1}, "`beta_1` must be in [0, 1). Received: -0.1"),
        ({"decay_epochs": -1}, "`decay_epochs` must be at least 0. Received: -1"),
        ({"patch": 140}, "`patch` must be one of (1, 16, 34, 70, 142, 286). Received: 140"),
        (
            {"loss": "cgan+l1"},
            "`loss` must be one of ('l1', 'gan', 'cgan', 'l1+gan', 'l1+cgan'). Received: 'cgan+l1'",
        ),
        (
            {"generator": "resnet"},
            "`generator` must be one of ('unet', 'encoder_decoder'). Received: 'resnet'",
        ),
        (
            {"norm": "layer"},
            "`norm` must be one of ('instance', 'batch', 'none'). Received: 'layer'",
        ),
        (
            {"norm_at_test": "eval"},
            "`norm_at_test` must be one of ('batch', 'moving'). Received: 'eval'",
        ),
        (
            {"dropout_levels": "all"},
            "`dropout_levels` must be one of ('inner', 'outer'). Received: 'all'",
        ),
        (
            {"loss": "l1", "lambda_l1": 0.0},
            "`lambda_l1` must be above 0 with loss='l1'. Received: 0",
        ),
        ({"lambda_d": 0.0}, "`lambda_d` must be above 0 with loss='l1+cgan'. Received: 0"),
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
        {"image_size": 96, "patch": 286},
        {"image_size": 64, "patch": 142},
        {"patch": 1},
        {"lambda_l1": 0.0},
        {"latent_dim": 1, "latent_injection": "all", "loss": "gan"},
        {"loss": "l1", "lambda_d": 0.0},
    ],
)
def test_settings_at_the_edge_train(settings):
    gan = narrow(**settings)
    gan.compile()
    pair = [tf.constant(images(1, gan.settings.image_size, seed=seed)) for seed in (0, 1)]
    assert all(np.isfinite(loss) for loss in gan.train_step(pair).values())
