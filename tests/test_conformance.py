"""What every GAN owes to Keras and to the commands: each GAN, crossed with each rule.

A rule that one GAN breaks shows here whatever its own tests look at; a GAN file without a row is an
error. How a GAN trains, and what of, is the business of its own tests.
"""

import ast
import csv
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from gans.nn.random import reseed_dropout
from gans.nn.settings import described
from gans.training import loop

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GAN_FILES = sorted((Path(__file__).parents[1] / "gans").glob("[a-z]*.py"))
BATCH, STEPS, EPOCH = 2, 4, 2


@dataclass
class Row:
    """A GAN, narrow, with what it trains on.

    Attributes:
        module, name: of the class.
        arguments: of its constructor.
        losses: names, with a space between them, that a step returns.
        labels: `(STEPS, BATCH, label_dim)`, where batches have some.
        networks: attributes that are networks.
        kind: singles; or pairs, of one draw or two, or domains: translation.
    """

    module: str
    name: str
    arguments: dict[str, Any]
    losses: str
    labels: np.ndarray | None = None
    networks: str = "generator discriminator"
    kind: str = "singles"

    @property
    def id(self) -> str:
        return self.module + "-points" * (self.arguments.get("data") == "points")

    def build(self, seed: int = 0, **arguments) -> keras.Model:
        """The GAN; `seed` is that of the initial weights."""
        keras.utils.set_random_seed(seed)
        class_ = getattr(importlib.import_module(f"gans.{self.module}"), self.name)
        gan = class_(**self.arguments | arguments)
        gan.compile(epochs=STEPS // EPOCH, steps_per_epoch=EPOCH)
        return gan

    def batches(self) -> tf.data.Dataset:
        """`STEPS` batches, no two alike, the same at every call."""
        random = np.random.default_rng(1)
        size, channels = self.arguments.get("image_size"), self.arguments.get("image_channels", 3)
        shape = (size, size, channels) if size else (2,)

        def images():
            return random.uniform(-1, 1, (STEPS, BATCH, *shape)).astype("float32")

        if self.kind == "singles":
            batches = images() if self.labels is None else (images(), self.labels)
        elif self.kind == "two draws":
            batches = ((images(), images()), (images(), images()))
        else:
            batches = (images(), images())
        return tf.data.Dataset.from_tensor_slices(batches)

    def parts(self, gan) -> dict[str, keras.Model]:
        return {name: getattr(gan, name) for name in self.networks.split()}


ONE_HOT = np.eye(3, dtype="float32")[np.arange(STEPS * BATCH) % 3].reshape(STEPS, BATCH, 3)
# Also a sample without tags, and one with all of them.
MULTI_HOT = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]] * 2, "float32")
MULTI_HOT = MULTI_HOT.reshape(STEPS, BATCH, 3)
TRANSLATION = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
IMAGES = {"image_size": 16, "image_channels": 3, "generator_filters": 2}
POINTS = {"data": "points", "latent_dim": 2}
DISCOGAN_LOSSES = (
    "d_loss g_loss g_loss_a2b g_loss_b2a da_loss da_loss_real da_loss_fake db_loss db_loss_real "
    "db_loss_fake"
)
DCGAN_LOSSES = "d_loss real_loss fake_loss g_loss"
WGAN_LOSSES = "critic_loss wasserstein g_loss"
MATCHING_LOSSES = "d_loss real_matched_loss fake_matched_loss mismatched_loss g_loss"
INFOGAN_LOSSES = f"{DCGAN_LOSSES} categorical_loss continuous_loss"
CODES = {"noise_dim": 2, "categories": 3, "continuous": 2, "dense_units": 4}
# The generator's turn comes after the checkpoint, which is among the critic's steps.
TURNS = {"n_critic": 3}

ROWS = [
    Row(
        "bicyclegan",
        "BicycleGAN",
        TRANSLATION | {"encoder_filters": 2, "latent_dim": 2, "dropout": 0.5, "decay_epochs": 1},
        "d1_loss d2_loss gan_1_loss gan_2_loss image_loss kl_loss latent_loss",
        networks="generator encoder discriminator_1 discriminator_2",
        kind="two draws",
    ),
    Row(
        "pix2pix",
        "Pix2Pix",
        TRANSLATION | {"latent_dim": 2, "norm": "batch", "decay_epochs": 1},
        "d_loss gan_loss l1_loss",
        kind="pairs",
    ),
    Row(
        "cyclegan",
        "CycleGAN",
        TRANSLATION | {"generator": "resnet", "blocks": 1, "pool_size": 3, "decay_epochs": 1},
        "d_a_loss d_b_loss gan_ab_loss gan_ba_loss cycle_a_loss cycle_b_loss identity_a_loss "
        "identity_b_loss",
        networks="generator_ab generator_ba discriminator_a discriminator_b",
        kind="domains",
    ),
    Row(
        "discogan",
        "DiscoGAN",
        TRANSLATION | {"pool_size": 3, "epoch_step": 1, "latent_dim": 2},
        DISCOGAN_LOSSES,
        networks="generator_ab generator_ba discriminator_a discriminator_b",
        kind="domains",
    ),
    Row(
        "gan",
        "GAN",
        {
            "image_size": 8,
            "image_channels": 1,
            "latent_dim": 3,
            "generator_units": (4, 4),
            "discriminator_units": (4,),
            "maxout": 2,
            "dropout": 0.5,
            "decay_epochs": 1,
        },
        DCGAN_LOSSES,
    ),
    Row(
        "gan",
        "GAN",
        POINTS
        | {
            "generator_units": (4,),
            "discriminator_units": (4,),
            "input_dropout": 0.2,
            "optimizer": "sgd",
            "loss": "minimax",
        },
        DCGAN_LOSSES,
    ),
    Row(
        "dcgan",
        "DCGAN",
        IMAGES | {"discriminator_filters": 2, "latent_dim": 3, "packing": 2, "decay_epochs": 1},
        DCGAN_LOSSES,
    ),
    Row(
        "dcgan",
        "DCGAN",
        POINTS | {"generator_filters": 4, "discriminator_filters": 4},
        DCGAN_LOSSES,
    ),
    Row(
        "wgan",
        "WGAN",
        IMAGES | TURNS | {"critic_filters": 2, "latent_dim": 3, "warm_up": False},
        WGAN_LOSSES,
        networks="generator critic",
    ),
    Row(
        "wgan",
        "WGAN",
        POINTS
        | TURNS
        | {"generator_filters": 4, "critic_filters": 4, "warm_up": False, "clip": 0.5},
        WGAN_LOSSES,
        networks="generator critic",
    ),
    Row(
        "wgan_gp",
        "WGANGP",
        IMAGES | TURNS | {"critic_filters": 2, "latent_dim": 3, "decay_epochs": 1},
        f"{WGAN_LOSSES} gradient_penalty",
        networks="generator critic",
    ),
    Row(
        "wgan_gp",
        "WGANGP",
        POINTS | TURNS | {"generator_filters": 4, "critic_filters": 4},
        f"{WGAN_LOSSES} gradient_penalty",
        networks="generator critic",
    ),
    Row(
        "cgan",
        "CGAN",
        IMAGES
        | {
            "network": "convolutional",
            "discriminator_filters": 2,
            "latent_dim": 3,
            "label_dim": 3,
            "decay_epochs": 1,
        },
        DCGAN_LOSSES,
        labels=ONE_HOT,
    ),
    Row(
        "cgan",
        "CGAN",
        POINTS | {"network": "paper", "dropout": 0.5, "label_dim": 3},
        DCGAN_LOSSES,
        labels=ONE_HOT,
    ),
    Row(
        "matching_cgan",
        "MatchingCGAN",
        IMAGES
        | {"discriminator_filters": 2, "latent_dim": 3, "label_dim": 3, "tags_enter": "plane"},
        MATCHING_LOSSES,
        labels=MULTI_HOT,
    ),
    Row(
        "matching_cgan",
        "MatchingCGAN",
        POINTS
        | {
            "generator_filters": 4,
            "discriminator_filters": 4,
            "label_dim": 3,
            "decay_epochs": 1,
        },
        MATCHING_LOSSES,
        labels=ONE_HOT,
    ),
    Row(
        "infogan",
        "InfoGAN",
        IMAGES
        | CODES
        | {
            "discriminator_filters": 2,
            "supervised": True,
            "label_dim": 3,
            "recognizer_learns_with": "generator",
            "variance": "learned",
            "decay_epochs": 1,
        },
        f"{INFOGAN_LOSSES} supervised_loss",
        labels=ONE_HOT,
        networks="generator discriminator recognizer",
    ),
    Row(
        "infogan",
        "InfoGAN",
        CODES | {"data": "points", "generator_filters": 4, "discriminator_filters": 4},
        INFOGAN_LOSSES,
        networks="generator discriminator recognizer",
    ),
]
FROM_NOISE = [row for row in ROWS if row.kind == "singles"]


def content(gan) -> list[bytes]:
    """All that a checkpoint of the GAN holds, without the names: Keras numbers its layers."""
    checkpoint = tf.train.Checkpoint(model=gan)
    held = tf.train.TrackableView(checkpoint).descendants()
    return [np.asarray(item).tobytes() for item in held if isinstance(item, keras.Variable)]


class AfterEpoch(keras.callbacks.Callback):
    """Writes a checkpoint after the first epoch."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            tf.train.Checkpoint(model=self.model).write(str(self.path))


@dataclass
class Trained:
    """A GAN after `STEPS` steps of `fit`.

    Attributes:
        gan: it.
        scratch: another one, of other initial weights, to be filled.
        beginning: trainable weights of each network before the first step.
        history: losses of each epoch.
        log: file that Keras' CSVLogger wrote.
        checkpoint: after `EPOCH` steps.
        end: content of the GAN after the last.
    """

    row: Row
    gan: keras.Model
    scratch: keras.Model
    beginning: dict[str, list[np.ndarray]]
    history: dict[str, list[float]]
    log: Path
    checkpoint: Path
    end: list[bytes]


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.id)
def trained(request, tmp_path_factory, deterministic) -> Trained:
    row, folder = request.param, tmp_path_factory.mktemp("gan")
    gan = row.build()
    beginning = {
        name: [variable.numpy() for variable in network.trainable_variables]
        for name, network in row.parts(gan).items()
    }
    callbacks = [keras.callbacks.CSVLogger(folder / "log.csv"), AfterEpoch(folder / "saved")]
    history = gan.fit(
        row.batches(),
        epochs=STEPS // EPOCH,
        steps_per_epoch=EPOCH,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    ).history
    files = folder / "log.csv", folder / "saved"
    return Trained(row, gan, row.build(seed=1), beginning, history, *files, content(gan))


@pytest.fixture(scope="module")
def deterministic():
    remapping = tf.config.optimizer.get_experimental_options().get("remapping", True)
    loop.make_deterministic(0)
    yield
    config.disable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": remapping})


def test_every_gan_has_a_row_and_those_from_noise_one_of_points():
    modules = {
        path.stem
        for path in GAN_FILES
        if any(isinstance(node, ast.ClassDef) for node in ast.parse(path.read_text()).body)
    }
    assert len(modules) >= 11
    assert {row.module for row in ROWS} == modules
    of_points = {row.module for row in ROWS if row.id.endswith("-points")}
    assert of_points == {row.module for row in FROM_NOISE}


# Training.


@pytest.mark.parametrize("path", GAN_FILES, ids=lambda path: path.stem)
def test_every_limit_of_every_setting_is_refused_with_name_and_value(path):
    settings = importlib.import_module(f"gans.{path.stem}").Settings
    defaults, tried = settings(), 0
    for name, facts in described(settings).items():
        default = getattr(defaults, name)
        for side, direction in (("least", -1), ("above", 0), ("most", 1), ("below", 0)):
            limit = facts[side]
            if limit is None:
                continue
            wrong = limit + direction * (1e-9 if isinstance(default, float) else 1)
            given = (wrong,) if isinstance(default, tuple) else wrong
            with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {wrong}"):
                settings(**{name: given})
            tried += 1
    assert tried > 5


def test_fit_returns_every_loss_by_name_and_finite(trained):
    names = sorted(trained.row.losses.split())
    assert sorted(trained.history) == names
    assert all(len(values) == STEPS // EPOCH for values in trained.history.values())
    assert np.isfinite(list(trained.history.values())).all()
    with open(trained.log, newline="") as file:
        logged = list(csv.DictReader(file))
    # Keras has a column val_NAME of each, which is empty.
    assert {name: [float(row[name]) for row in logged] for name in names} == trained.history
    assert [int(row["epoch"]) for row in logged] == list(range(STEPS // EPOCH))


def test_every_network_learns(trained):
    for name, network in trained.row.parts(trained.gan).items():
        moved = [
            np.any(after.numpy() != before)
            for after, before in zip(
                network.trainable_variables, trained.beginning[name], strict=True
            )
        ]
        # A bias before a normalisation, and what is behind a ReLU that is shut, stay.
        assert np.mean(moved) > 0.5, name


def test_from_the_checkpoint_two_steps_in_one_call_end_with_the_same_bytes(trained):
    if trained.row.kind in ("two draws", "domains"):
        pytest.skip("a trace of many seconds; tests/scripts resumes runs of these")
    gan = trained.scratch
    tf.train.Checkpoint(model=gan).read(str(trained.checkpoint)).assert_existing_objects_matched()
    assert content(gan) != trained.end
    gan.steps_per_execution = EPOCH
    gan.fit(
        trained.row.batches().skip(EPOCH),
        initial_epoch=1,
        epochs=2,
        steps_per_epoch=EPOCH,
        shuffle=False,
        verbose=0,
    )
    assert content(gan) == trained.end


# Networks in files.


def inputs_of(network, count) -> list[np.ndarray]:
    random = np.random.default_rng(2)
    shapes = [(count, *tensor.shape[1:]) for tensor in network.inputs]
    return [random.uniform(-1, 1, shape).astype("float32") for shape in shapes]


def outputs_of(network, inputs) -> list[np.ndarray]:
    outputs = network(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(value) for value in tf.nest.flatten(outputs)]


def test_saved_weights_fill_another_network(trained, tmp_path):
    others = trained.row.parts(trained.scratch)
    for name, network in trained.row.parts(trained.gan).items():
        other = others[name]
        other.set_weights([np.full_like(value, 0.5) for value in other.get_weights()])
        network.save_weights(tmp_path / f"{name}.weights.h5")
        other.load_weights(tmp_path / f"{name}.weights.h5")
        inputs = inputs_of(network, 4)
        for expected, filled in zip(
            outputs_of(network, inputs), outputs_of(other, inputs), strict=True
        ):
            np.testing.assert_array_equal(filled, expected)


@pytest.fixture
def with_images(trained) -> Trained:
    """What images have of layers is all that points have."""
    if trained.row.arguments.get("data") == "points":
        pytest.skip("the layers of images")
    return trained


def test_an_exported_generator_draws_the_same_of_any_number(with_images, tmp_path):
    trained = with_images
    name = trained.row.networks.split()[0]
    generator = getattr(trained.gan, name)
    generator.export(tmp_path / "model", format="tf_saved_model", verbose=False)
    exported = tf.saved_model.load(tmp_path / "model")
    for count in (1, 3):
        inputs = inputs_of(generator, count)
        (expected,) = outputs_of(generator, inputs)
        assert len(expected) == count
        served = exported.serve(inputs if len(inputs) > 1 else inputs[0])
        np.testing.assert_allclose(served, expected, rtol=0, atol=1e-5)


def test_networks_are_kept_whole_in_keras_own_format(with_images, tmp_path):
    trained = with_images
    parts = trained.row.parts(trained.gan)
    # Those between are built as one of these two.
    for name in (next(iter(parts)), next(reversed(parts))):
        network = parts[name]
        network.save(tmp_path / f"{name}.keras")
        other = keras.models.load_model(tmp_path / f"{name}.keras")
        inputs = inputs_of(network, 4)
        for either in (network, other):
            reseed_dropout(0, 0, either)  # pix2pix has dropout at test.
        for expected, loaded in zip(
            outputs_of(network, inputs), outputs_of(other, inputs), strict=True
        ):
            np.testing.assert_array_equal(loaded, expected)


# Samples.


def check_range(images, *shape):
    assert images.shape == shape and images.dtype == np.float32
    assert np.isfinite(images).all()
    assert np.abs(images).max() <= 1.0


def test_samples_are_a_function_of_their_latents(trained):
    gan, row = trained.gan, trained.row
    if row.kind != "singles":
        pytest.skip("translates")
    z = gan.draw_latents(5, seed=3)
    assert len(z) == 5 and z.ndim == 2 and z.dtype == np.float32
    np.testing.assert_array_equal(gan.draw_latents(5, seed=3), z)
    assert not np.array_equal(gan.draw_latents(5, seed=4), z)
    labels = () if not gan.label_dim else (row.labels.reshape(-1, gan.label_dim)[:5],)
    samples = gan.generate(z, *labels)
    assert samples.shape == (5, *gan.settings.sample_shape) and samples.dtype == np.float32
    if gan.settings.data == "images":
        check_range(samples, *samples.shape)
    np.testing.assert_array_equal(gan.generate(z, *labels), samples)
    # One does not depend on its company, but for the order of sums in a product of matrices.
    alone = gan.generate(z[2:3], *(values[2:3] for values in labels))
    np.testing.assert_allclose(alone[0], samples[2], rtol=0, atol=1e-6)
    scores = gan.score(samples, *labels)
    assert scores.shape == (5,) and np.isfinite(scores).all()


def test_translations_are_pictures_and_the_same_again(trained):
    gan, row = trained.gan, trained.row
    if row.kind == "singles":
        pytest.skip("begins with noise")
    size = gan.settings.image_size
    images = np.random.default_rng(2).uniform(-1, 1, (3, size, size, 3)).astype("float32")
    arguments = {
        "two draws": [(np.zeros((3, 2), "float32"),)],
        "pairs": [(0,)],
        "domains": [("a_to_b",), ("b_to_a",)],
    }
    for others in arguments[row.kind]:
        translated = gan.translate(images, *others)
        check_range(translated, 3, size, size, 3)
        np.testing.assert_array_equal(gan.translate(images, *others), translated)


@pytest.mark.parametrize("row", FROM_NOISE, ids=lambda row: row.id)
def test_no_two_draws_of_a_run_share_a_seed(row, monkeypatch):
    # Noise, codes, places and orders of equal seeds would be the same numbers.
    gan, seeds = row.build(), []

    def noting_seeds(real):
        def draw(shape, seed, *rest, **options):
            seeds.append(tuple(np.array(seed)))
            return real(shape, seed, *rest, **options)

        return draw

    for name in ("stateless_normal", "stateless_uniform"):
        monkeypatch.setattr(tf.random, name, noting_seeds(getattr(tf.random, name)))
    for batch in row.batches():
        gan.train_step(batch)
    assert len(set(seeds)) == len(seeds) >= STEPS


def test_preview_and_diagnose_are_of_what_training_shows(trained):
    gan, row = trained.gan, trained.row
    losses = {name: values[-1] for name, values in trained.history.items()}
    if row.arguments.get("data") == "points":
        batch = np.random.default_rng(2).uniform(-1, 1, (9, 2)).astype("float32")
        rows = gan.preview(batch)
        assert [values.shape for values in rows] == [(2500, 2), (9,)]
    else:
        first = next(row.batches().as_numpy_iterator())
        batch = first[0] if row.kind == "two draws" else first
        batch = batch if isinstance(batch, tuple) else (batch,)
        rows = gan.preview(batch)
        assert len({len(images) for images in rows}) == 1
        for image in (image for images in rows for image in images):
            check_range(np.asarray(image), *batch[0].shape[1:])
    for one, other in zip(rows, gan.preview(batch), strict=True):
        np.testing.assert_array_equal(one, other)
    assert gan.diagnose(losses, rows) == []  # Nothing is learned yet.
