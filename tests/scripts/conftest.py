"""The scripts, called in this process, and one small trained run that they share."""

import importlib.util
import shutil
import warnings
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from gans.bicyclegan import BicycleGAN
from gans.command_line import cli

ROOT = Path(__file__).parents[2]
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
def load_script():
    """Imports a script by name."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def run_script(load_script):
    """Runs a script with flags in this process, as if it were a new one; returns its status."""

    def run(name, *flags):
        module = load_script(name)
        named_alike = ("translate", "evaluate", "generate", "gallery")
        command = getattr(module, name if name in named_alike else "train")
        if hasattr(module, "DESCRIPTION"):
            command = cli.compose(command, module.DESCRIPTION)
        if hasattr(module, "process_main"):
            own = cli.compose(module.process_main, module.DESCRIPTION)
            command = {None: command, "process_main": own}
        # Layers are numbered over the life of a process, and the numbers are saved.
        keras.backend.clear_session()
        with pytest.raises(SystemExit) as exit_, warnings.catch_warnings():
            # Keras hands its variables to NumPy in a way that NumPy will not take for ever.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            cli.run(command, list(map(str, flags)), prog=f"{name}.py")
        return exit_.value.code

    return run


@pytest.fixture(autouse=True)
def other_tests_unchanged():
    """Undoes what training sets for the whole process, but the seeds."""
    from tensorflow.python.framework import config

    remapping = tf.config.optimizer.get_experimental_options().get("remapping", True)
    yield
    keras.config.set_dtype_policy("float32")
    config.disable_op_determinism()
    tf.config.optimizer.set_experimental_options({"remapping": remapping})


@pytest.fixture(scope="session")
def narrow():
    """Flags of a run of 3 epochs of 3 steps, with a checkpoint every 2."""
    return NARROW


@pytest.fixture(scope="session")
def trained(run_script, toy_bags, tmp_path_factory):
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
        assert run_script("train_bicyclegan", *flags) == 0
    shutil.rmtree(data)
    (run.parent / "traces").write_text(str(len(traces)))
    return run
