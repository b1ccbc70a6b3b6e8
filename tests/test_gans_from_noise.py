"""Rules of all GANs from noise: presets train, a step is traced once, bad settings are refused."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.command_line import gan_files

MODULES = ("gan", "dcgan", "wgan", "wgan_gp", "cgan", "matching_cgan", "infogan")
BATCH = 4
# What makes a GAN small, of images and of points, where it is not its size that is looked at.
NARROW = {
    "latent_dim": 3,
    "noise_dim": 2,
    "label_dim": 3,
    "categories": 3,
    "dense_units": 4,
    "generator_units": (4,),
    "discriminator_units": (4,),
    "generator_filters": 2,
    "discriminator_filters": 2,
    "critic_filters": 2,
}


def known(module, settings):
    """Those of the settings that a GAN has."""
    return {name: x for name, x in settings.items() if name in gan_files.read(module).meanings}


def batch_of(gan, seed=0):
    """Random samples of the GAN, with labels where it takes some."""
    random = np.random.default_rng(seed)
    shape = (BATCH, *gan.settings.sample_shape)
    samples = tf.constant(random.uniform(-1, 1, shape), tf.float32)
    if not gan.label_dim:
        return samples
    return samples, tf.one_hot(np.arange(BATCH) % gan.label_dim, gan.label_dim)


PRESETS = [(module, preset) for module in MODULES for preset in gan_files.read(module).presets]
# Layers of a width that is a test of its own.
WIDE = {
    ("dcgan", "paper"): {"generator_filters": 8, "discriminator_filters": 8},
    ("matching_cgan", "paper"): {"generator_filters": 8, "discriminator_filters": 8},
    ("matching_cgan", "article"): {"image_size": 24},
}


@pytest.mark.parametrize(("module", "preset"), PRESETS)
def test_a_preset_trains_at_its_size(module, preset):
    file = gan_files.read(module)
    gan = file.load()(**file.presets[preset] | WIDE.get((module, preset), {}))
    gan.compile(epochs=file.training[preset]["epochs"], steps_per_epoch=10)
    before = gan.get_weights()
    losses = gan.train_step(batch_of(gan))
    if hasattr(gan, "critic"):
        gan.update_generator(batch_of(gan))  # It would not be due yet.
    assert all(np.isfinite(loss) and loss.dtype == tf.float32 for loss in losses.values())
    for variable, old in zip(gan.weights, before, strict=True):
        assert np.isfinite(variable.numpy()).all(), variable.path
        assert variable.name != "kernel" or not np.array_equal(variable, old), variable.path
    assert file.presets.keys() == file.training.keys()


@pytest.mark.parametrize("module", MODULES)
def test_fit_traces_a_step_once_and_makes_the_steps_that_are_made_eagerly(module):
    settings = known(module, NARROW | {"data": "points", "n_critic": 2, "warm_up": False})
    gans = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        gans.append(gan_files.read(module).load()(**settings))
        gans[-1].compile()
    fitted, eager = gans
    batches = [batch_of(fitted, seed) for seed in range(4)]
    data = tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda *x: tf.stack(x), *batches)
    )
    fitted.steps_per_execution = 2
    fitted.train_step = mock.Mock(side_effect=fitted.train_step)
    fitted.fit(data, epochs=1, shuffle=False, verbose=0)
    assert fitted.train_step.call_count == 1
    for batch in batches:
        eager.train_step(batch)
    critic = hasattr(fitted, "critic")
    assert fitted.step == eager.step == 4
    assert fitted.optimizer_generator.iterations == (2 if critic else 4)
    for one, other in zip(fitted.weights, eager.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3, err_msg=one.path)


REFUSED = [
    ("gan", "latent_dim", 0, {}),
    ("gan", "label_smoothing", 1.0, {}),
    ("gan", "maxout", -1, {}),
    ("gan", "dropout", 1.0, {}),
    ("gan", "input_dropout", -0.1, {}),
    ("gan", "loss", "hinge", {}),
    ("gan", "generator_units", (), {}),
    ("gan", "discriminator_units", (3, 0), {}),
    ("gan", "discriminator_learning_rate", -1.0, {}),
    ("gan", "decay_epochs", 2, {"optimizer": "sgd"}),
    ("dcgan", "image_size", 49, {}),
    ("dcgan", "kernel_size", 3, {}),
    ("dcgan", "discriminator_learning_rate", -1.0, {}),
    ("dcgan", "packing", 0, {}),
    ("dcgan", "latent", "gauss", {}),
    ("dcgan", "label_smoothing", -0.1, {}),
    ("dcgan", "generator_filters", 0, {}),
    ("dcgan", "discriminator_filters", 0, {}),
    ("dcgan", "init_stddev", -0.1, {}),
    ("dcgan", "point_scale", 0, {}),
    ("wgan", "norm", "instance", {}),
    ("wgan", "n_critic", 0, {}),
    ("wgan", "critic_filters", 0, {}),
    ("wgan", "clip", 0.0, {}),
    ("wgan", "learning_rate", -1.0, {}),
    ("wgan", "image_size", 30, {}),
    ("wgan_gp", "norm", "batch", {}),
    ("wgan_gp", "lambda_gp", -1.0, {}),
    ("wgan_gp", "beta_2", 1.0, {}),
    ("wgan_gp", "n_critic", 0, {}),
    ("cgan", "network", "dcgan", {}),
    ("cgan", "image_size", 30, {"network": "convolutional"}),
    ("cgan", "network", "convolutional", {"data": "points"}),
    ("cgan", "dropout", 0.5, {"network": "convolutional"}),
    ("cgan", "label_dim", 0, {}),
    ("cgan", "label_smoothing", 1.0, {}),
    ("cgan", "decay_epochs", 1, {"optimizer": "sgd"}),
    ("matching_cgan", "network", "mlp", {}),
    ("matching_cgan", "tags_enter", "input", {}),
    ("matching_cgan", "image_size", 30, {}),
    ("matching_cgan", "image_size", 3, {"network": "article"}),
    ("matching_cgan", "lambda_fake", -1.0, {}),
    ("matching_cgan", "lambda_mismatched", -1.0, {}),
    ("matching_cgan", "label_smoothing", 1.0, {}),
    ("infogan", "categories", 4, {"supervised": True, "label_dim": 5, "categories": 5}),
    ("infogan", "image_size", 30, {}),
    ("infogan", "variance", "none", {}),
    ("infogan", "recognizer_learns_with", "q", {}),
    ("infogan", "categories", 0, {}),
    ("infogan", "lambda_continuous", -0.1, {}),
    ("infogan", "beta_1", 1.0, {}),
]


@pytest.mark.parametrize(("module", "name", "value", "others"), REFUSED)
def test_settings_that_no_network_can_be_built_from_are_refused(module, name, value, others):
    settings = gan_files.read(module).settings
    settings(**others)  # The rest is admitted.
    with pytest.raises(ValueError) as error:
        settings(**others | {name: value})
    message = str(error.value)
    members = value if isinstance(value, tuple) else ()
    assert f"`{name}`" in message and "\n" not in message
    received = message.partition("Received: ")[2].strip("'")
    assert received in (str(value), *map(str, members))
