"""A GAN of a few weights, and its runs: what the training machinery is tried on."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.command_line import gan_files
from gans.data.data_settings import DataSettings
from gans.training import loop
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings

STEPS = 4  # Of an epoch.
# The records of a run name a GAN of the library; what is trained here is `Tiny`.
RUN = RunSettings(
    gan="gan",
    preset="toy",
    settings=gan_files.read("gan").settings(image_size=8, generator_units=(3, 5)),
    data=DataSettings(kind="images", data_dir="/data", labels=("hue", "kind"), flip=True),
    batch_size=4,
    epochs=2,
    steps_per_epoch=STEPS,
)


class Tiny(keras.Model):
    """Two networks, an optimizer each, and a draw that is a function of the step, as a GAN has."""

    def __init__(self):
        super().__init__(name="tiny")

        def network(name):
            kernel = keras.initializers.RandomNormal(seed=1)
            return keras.Sequential(
                [keras.Input((2,)), keras.layers.Dense(3, kernel_initializer=kernel)], name=name
            )

        self.generator, self.discriminator = network("generator"), network("discriminator")
        self.built = True

    def compile(self):
        self.optimizer_g = keras.optimizers.Adam(0.01)
        self.optimizer_g.build(self.generator.trainable_variables)
        self.optimizer_d = keras.optimizers.Adam(0.02)
        self.optimizer_d.build(self.discriminator.trainable_variables)
        super().compile(optimizer=self.optimizer_g, jit_compile=False)

    def train_step(self, points):
        step = self.optimizer_g.iterations + 1
        z = tf.random.stateless_normal(tf.shape(points), tf.stack([0, tf.cast(step, tf.int32)]))
        with tf.GradientTape() as tape_g, tf.GradientTape() as tape_d:
            d_loss = tf.reduce_mean((self.discriminator(points) - 1.0) ** 2)
            g_loss = tf.reduce_mean((self.generator(z) - tf.reduce_mean(points)) ** 2)
        for tape, loss, network, optimizer in (
            (tape_g, g_loss, self.generator, self.optimizer_g),
            (tape_d, d_loss, self.discriminator, self.optimizer_d),
        ):
            variables = network.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return {"d_loss": d_loss, "g_loss": g_loss}

    def preview(self, batch):
        (points,) = batch
        image = tf.reshape(tf.tanh(self.generator(points)), (1, -1, 3)).numpy()
        return [[image, -image]]

    def diagnose(self, losses, rows):
        return []


def batches(start_step: int) -> tf.data.Dataset:
    """Points `(4, 2)`, a function of the step."""
    steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
    return steps.map(lambda step: tf.random.stateless_normal((4, 2), tf.stack([7, step])))


@pytest.fixture(scope="session")
def settings():
    """Of a run: MLPs on a folder of images, with two tuples among them."""
    return RUN


@pytest.fixture(scope="session")
def tiny():
    """Makes a compiled `Tiny`; the same weights each time."""

    def make(kind=Tiny):
        model = kind()
        model.compile()
        return model

    make.kind, make.batches = Tiny, batches
    return make


@pytest.fixture(scope="session")
def train(tiny):
    """Trains a `Tiny`: 2 epochs of 4 steps, a log line every step, a checkpoint every 3."""

    def run(path, model=None, epochs=2, make_batches=batches, **options):
        folder = RunFolder(path)
        model = model or tiny()
        with folder.locked():
            folder.begin(RUN, "python scripts/train_gan.py")
            loop.train(
                model,
                make_batches,
                folder,
                settings=RUN.flat(),
                epochs=epochs,
                steps_per_epoch=STEPS,
                images_per_step=4,
                preview_batch=(np.ones((2, 2), np.float32),),
                **{"log_every": 1, "checkpoint_every": 3, **options},
            )
        return model

    return run


@pytest.fixture(scope="session")
def variables():
    """Reads a saved checkpoint, networks and optimizers: bytes by name."""

    def read(path):
        reader = tf.train.load_checkpoint(str(path / "variables"))
        names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
        return {name: reader.get_tensor(name).tobytes() for name in names}

    return read
