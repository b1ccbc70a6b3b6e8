"""Checkpoints that are whole or not there: everything of a run in one folder per saved step.

    checkpoints/step-00000400/variables.index, variables.data-00000-of-00001, manifest.json

A checkpoint is written under another name, synced to the disk, and renamed. The manifest holds the
size and sha256 of each file; the newest checkpoint that agrees with its own is the one to go on
from.
"""

import errno
import hashlib
import json
import math
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gans.command_line.errors import Failure
from gans.command_line.files import sync
from gans.training.run_folder import saved_steps


class Checkpoints:
    """The checkpoints of one model.

    Args:
        folder: where they are.
        model: a built and compiled Keras model; all its networks and optimizers are saved.
        keep: how many are left; the oldest go first.
    """

    def __init__(self, folder: Path, model: keras.Model, keep: int = 3):
        self.folder = folder
        self.keep = keep
        self.model = model
        self._checkpoint = tf.train.Checkpoint(model=model)

    def steps(self) -> list[int]:
        """Saved steps, oldest first, whether or not they are sound."""
        return saved_steps(self.folder)

    def save(self, step: int):
        """Saves the model as it is after `step` steps.

        Raises `Failure` where a weight is not finite (status 3), or the disk is full (status 4). In
        both cases the earlier checkpoints are untouched.
        """
        for variable in self.model.variables:
            if not np.all(np.isfinite(np.asarray(variable, dtype=np.float32))):
                raise Failure(
                    f"{variable.path} is not finite at step {step}; not saved", exit_code=3
                )
        temporary = self.folder / f"tmp-{step}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            self._checkpoint.write(str(temporary / "variables"))
            manifest = {
                "step": step,
                "files": {path.name: describe(path) for path in sorted(temporary.iterdir())},
            }
            (temporary / "manifest.json").write_text(json.dumps(manifest, indent=2))
            for path in (*temporary.iterdir(), temporary):
                sync(path)
            final = self.folder / f"step-{step:08d}"
            if final.exists():
                final.rename(self.folder / f"replaced-{final.name}")
            temporary.rename(final)
            sync(self.folder)
        except (OSError, tf.errors.ResourceExhaustedError) as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, OSError) and error.errno != errno.ENOSPC:
                raise
            objects = tf.train.TrackableView(self._checkpoint).descendants()
            size = sum(
                math.prod(variable.shape) * tf.as_dtype(variable.dtype).size
                for variable in objects
                if isinstance(variable, keras.Variable)
            )
            raise Failure(
                f"no space for a checkpoint of {size / 1e6:.0f} MB in {self.folder}; "
                "the earlier ones are untouched",
                exit_code=4,
            ) from None
        self._prune(step)

    def restore(self, step: int | None = None) -> int:
        """Fills the model from a checkpoint and returns its step; 0 where none was saved.

        Args:
            step: of the checkpoint. Default: the newest sound one; a damaged one is named on stderr
                and passed over.

        Raises `Failure` where the one asked for, or all, are damaged: to begin again from nothing
        is for the user to decide.
        """
        steps = self.steps() if step is None else [step]
        for step in reversed(steps):
            path = self.folder / f"step-{step:08d}"
            fault = find_fault(path)
            if fault is None:
                status = self._checkpoint.read(str(path / "variables"))
                # A model that is not compiled takes the networks and leaves the optimizers.
                status.expect_partial().assert_existing_objects_matched()
                return step
            print(f"checkpoint {path.name} is damaged ({fault}), passed over", file=sys.stderr)
        if steps:
            raise Failure(
                f"expected a sound checkpoint in {self.folder}. Received: {len(steps)}, all damaged"
            )
        return 0

    def remove_strays(self):
        """Removes what a killed process left; only for the process that holds the run."""
        for path in (*self.folder.glob("tmp-*"), *self.folder.glob("replaced-*")):
            shutil.rmtree(path)

    def _prune(self, newest: int):
        self.remove_strays()
        # A later one is damaged, or the run would have gone on from it: it must push nothing out.
        for step in [step for step in self.steps() if step <= newest][: -self.keep]:
            shutil.rmtree(self.folder / f"step-{step:08d}")


def describe(path: Path) -> dict[str, int | str]:
    """Size in bytes and sha256 of a file, as the manifest holds them."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def find_fault(path: Path) -> str | None:
    """What is wrong with a checkpoint, in words, or None."""
    try:
        files = json.loads((path / "manifest.json").read_text())["files"]
        if not files:
            return "no files in manifest"
        for name, expected in files.items():
            if describe(path / name) != expected:
                return f"sha256 of {name} differs"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{type(error).__name__} in manifest"
    return None
