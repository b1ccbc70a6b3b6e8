"""Commands, called in this process, small runs that were not trained, and one that was."""

import shutil
import warnings

import keras
import pytest
import tensorflow as tf
from tensorflow.python.framework import config

from gans.bicyclegan import BicycleGAN
from gans.command_line import cli, command, gan_files
from gans.commands import train
from gans.data.data_settings import DataSettings
from gans.features import classifier as classifiers
from gans.training.checkpoints import Checkpoints
from gans.training.restore import build
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings

KINDS = {"noise": "images"}
# The real architecture, narrow. With such a gain a few steps are enough for styles that differ.
NARROW = (
    "--image_size=32",
    "--generator_filters=2",
    "--encoder_filters=2",
    "--discriminator_filters=2",
    "--batch_size=2",
    "--epochs=3",
    "--init_gain=1.0",
    "--log_every=1",
    "--checkpoint_every=2",
)


@pytest.fixture(scope="session")
def run_command():
    """Runs a command with flags in this process; returns its status."""

    def run(command, *flags):
        with pytest.raises(SystemExit) as exit_, warnings.catch_warnings():
            # Keras hands its variables to NumPy in a way that NumPy will not take for ever.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            cli.run(command, list(map(str, flags)), prog="gans")
        return exit_.value.code

    return run


@pytest.fixture(scope="session")
def run_training(run_command):
    """Trains a GAN, by its name, in this process as if it were a new one; returns the status."""

    def run(gan, *flags):
        # Layers are numbered over the life of a process, and the numbers are saved.
        keras.backend.clear_session()
        return run_command(train.command_of(gan), *flags)

    return run


@pytest.fixture
def other_tests_unchanged():
    """Undoes what training sets for the whole process, but the seeds."""
    remapping = tf.config.optimizer.get_experimental_options().get("remapping", True)
    yield
    keras.config.set_dtype_policy("float32")
    config.disable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": remapping})


@pytest.fixture(scope="session")
def narrow():
    """Flags of a run of BicycleGAN of 3 epochs of 3 steps, with a checkpoint every 2."""
    return NARROW


@pytest.fixture(scope="session")
def trained(run_training, toy_bags, tmp_path_factory):
    """A finished run, whose data is gone; not to be changed. How often its step was traced is
    beside it.
    """
    data, run = tmp_path_factory.mktemp("data") / "bags", tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(toy_bags, data)
    step, traces = BicycleGAN.train_bicycle, []

    def traced(gan, pairs):
        traces.append(pairs)
        return step(gan, pairs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BicycleGAN, "train_bicycle", traced)
        flags = (f"--data_dir={data}", f"--run_dir={run}", *NARROW)
        assert run_training("bicyclegan", *flags) == 0
    shutil.rmtree(data)
    (run.parent / "traces").write_text(str(len(traces)))
    return run


@pytest.fixture
def failure(run_command, capsys, tmp_path):
    """The one line of what is refused, after which there is nothing new."""

    def run(*line):
        before = contents(tmp_path)
        capsys.readouterr()
        assert run_command(*line) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
        assert contents(tmp_path) == before
        return err[7:-1]

    return run


@pytest.fixture
def no_tensorflow(monkeypatch):
    """TensorFlow is not to be imported."""
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))


@pytest.fixture(scope="session")
def begin_run(randomised):
    """Makes a run of a GAN with the checkpoint of its last step, 8; returns the GAN.

    Args:
        path: of its folder.
        name: module of the GAN.
        data: of its data settings, what is not usual.
        settings: of the GAN.
    """

    def begin(path, name, data=None, /, **settings):
        file = gan_files.read(name)
        kind = KINDS.get(file.can.starts_from, file.can.starts_from)
        kind = "points" if settings.get("data") == "points" else kind
        run = RunSettings(
            gan=name,
            preset="toy",
            settings=file.settings(**settings),
            data=DataSettings(kind=kind, **(data or {})),
            batch_size=2,
            epochs=2,
            steps_per_epoch=4,
        )
        gan, folder = randomised(build(run)), RunFolder(path)
        with folder.locked():
            folder.begin(run, f"python scripts/train_{name}.py")
            Checkpoints(folder.checkpoints, gan).save(8)
        return gan

    return begin


@pytest.fixture(scope="session")
def save_classifier():
    """Saves a classifier of ten classes that has learnt nothing; returns the folder."""

    def save(folder, size, channels, dataset, exclusive=True):
        facts = classifiers.Facts(
            classes=tuple("0123456789"),
            exclusive=exclusive,
            image_size=size,
            image_channels=channels,
            accuracy=0.5,
            images=60,
            epochs=1,
            seed=0,
            dataset=dataset,
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            classifiers.Classifier(classifiers.Classifier.build(facts), facts).save(folder)
        return folder

    return save


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
