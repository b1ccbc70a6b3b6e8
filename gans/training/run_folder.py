"""The run folder: everything that a run is, and the only thing that later commands need.

config.json          every resolved setting, and the versions of the libraries
data.json            name and size of every training file
checkpoints/         see checkpoints.py
logs/                TensorBoard
metrics.jsonl        one line of losses every few steps
losses.png           the same as curves
samples/             a picture per epoch
*.weights.h5         the finished networks
"""

import contextlib
import importlib.metadata
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from gans.command_line.errors import UsageError
from gans.command_line.files import write_text
from gans.training.run_settings import RunSettings

# Settings that an error names.
NAMED = 6
LIBRARIES = ("gans", "tensorflow", "keras", "numpy")


def versions() -> dict[str, str]:
    """Of the libraries that decide a result."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def saved_steps(checkpoints: Path) -> list[int]:
    """Steps of the checkpoints in a folder, oldest first, whether or not they are sound."""
    matches = (re.fullmatch(r"step-(\d+)", entry.name) for entry in checkpoints.glob("step-*"))
    return sorted(int(match[1]) for match in matches if match)


class RunFolder:
    """The files of one run below `path`."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"
        self.samples = self.path / "samples"
        self.config_file = self.path / "config.json"
        self.data_file = self.path / "data.json"
        self.metrics_file = self.path / "metrics.jsonl"

    def read_record(self) -> dict[str, Any]:
        """What `config.json` holds: `run`, the settings; `command`, the line that trained it;
        `versions`, of the libraries.

        Raises `UsageError` where there is no run, or one of a version with other records.
        """
        received = "no readable config.json"
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            record = json.loads(self.config_file.read_text(encoding="utf-8"))
            if isinstance(record, dict) and "settings" in record:
                received = "a run of an earlier version of gans, which has to be trained again"
            elif isinstance(record["run"]["gan"], str):
                return record
        if not self.path.is_dir():
            received = "a file" if self.path.exists() else "no such folder"
        raise UsageError(f"expected the folder of a run. Received: {self.path} ({received})")

    def read_settings(self) -> RunSettings:
        """The settings that the run was begun with. Raises `UsageError` where there is no run."""
        record = self.read_record()["run"]
        try:
            return RunSettings.of(record)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"expected settings of {record['gan']}. Received: {self.config_file} ({error})"
            ) from error

    def find_begun(self, gan: str) -> RunSettings | None:
        """The settings of the run in this folder, or None where one may begin. Writes nothing.

        Args:
            gan: module of the GAN.

        Raises `UsageError` where there is a run of another GAN or version, or what is no run.
        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--run_dir expects a folder. Received: the file {self.path}")
        if not self.config_file.exists():
            # What a process leaves that was killed before it had written its settings.
            begun = {"lock", "lock.pid", ".tmp-lock.pid", ".tmp-config.json"}
            if self.path.is_dir() and not begun.issuperset(os.listdir(self.path)):
                raise UsageError(
                    f"--run_dir expects a new folder or that of a run. Received: {self.path}, "
                    "which holds other files"
                )
            return None
        begun = self.read_settings()
        if begun.gan != gan:
            raise UsageError(
                f"--run_dir expects a folder without a run of another GAN. Received: {self.path}, "
                f"a run of {begun.gan}"
            )
        return begun

    def check(self, run: RunSettings):
        """Refuses a folder that holds another run, or files that are no run's. Writes nothing."""
        begun = self.find_begun(run.gan)
        if begun and (differing := run.differences(begun)):
            more = [f"and {len(differing) - NAMED} more"] * (len(differing) > NAMED)
            raise UsageError(
                f"{self.path} holds a run with other settings: "
                f"{', '.join([*differing[:NAMED], *more])}; "
                "give the same ones, or another --run_dir"
            )

    def begin(self, run: RunSettings, command: str):
        """Records settings, command and versions, and makes the folders, unless that is done; of a
        run that is made longer the epochs. Needs the lock.
        """
        if not self.config_file.exists():
            # Before all else: it tells a run from somebody's files.
            self._write_record({"run": run.record(), "command": command, "versions": versions()})
        record = self.read_record()
        if record["run"]["epochs"] < run.epochs:
            record["run"]["epochs"] = run.epochs
            self._write_record(record | {"command": command})
        for folder in (self.checkpoints, self.logs, self.samples):
            folder.mkdir(exist_ok=True)

    def _write_record(self, record: dict[str, Any]):
        write_text(self.config_file, json.dumps(record, indent=2) + "\n")

    def check_data(self, fingerprint: dict[str, int]):
        """Refuses to go on with other training files than the run began with; records them at
        first.

        Args:
            fingerprint: size in bytes by name.
        """
        if not self.data_file.exists():
            write_text(self.data_file, json.dumps(fingerprint))
            return
        begun = json.loads(self.data_file.read_text(encoding="utf-8"))
        if begun != fingerprint:
            added, removed = fingerprint.keys() - begun.keys(), begun.keys() - fingerprint.keys()
            changed = sum(begun[name] != fingerprint[name] for name in begun.keys() & fingerprint)
            raise UsageError(
                f"{self.path} was begun with other training data. Received: {len(added)} files "
                f"added, {len(removed)} removed, {changed} changed"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder and holds it for this process; the system lets go of it however the
        process ends.
        """
        holder_file = self.path / "lock.pid"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / "lock", timeout=0)
            lock.acquire()
            # Not in the lock file, which a second process empties before it is refused.
            write_text(holder_file, str(os.getpid()))
        except filelock.Timeout:
            holder = holder_file.read_text() if holder_file.exists() else "unknown"
            raise UsageError(f"{self.path} is in use by process {holder}") from None
        except OSError as error:
            raise UsageError(
                f"--run_dir expects a folder that can be written. Received: {self.path} "
                f"({error.strerror})"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def read_metrics(self) -> list[dict[str, float]]:
        """The step and the losses of each line of `metrics.jsonl`; none where there is no file.

        A line that a kill cut off, or that is being written, is left out.
        """
        if not self.metrics_file.exists():
            return []
        lines = []
        for line in self.metrics_file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return lines

    def drop_metrics_after(self, step: int):
        """Removes the lines of steps that will be done again, and a last line cut off by a kill."""
        kept = [json.dumps(line) + "\n" for line in self.read_metrics() if line["step"] <= step]
        if self.metrics_file.exists():
            write_text(self.metrics_file, "".join(kept))
