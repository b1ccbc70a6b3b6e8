"""Trainings that are compared: which runs there are, what of them is done, and that a folder holds
one comparison.

Each run is a plain command of a training script in a folder of its own, so that it goes on where it
was stopped; what is finished and measured is not done again.
"""

import dataclasses
import json
from pathlib import Path

from gans.command_line.errors import UsageError
from gans.command_line.files import write_text
from gans.command_line.jobs import Job

SETTINGS = "compare.json"  # In the folder of the comparison.
RECORD = "comparison.json"  # In the folder of a run.


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: a variant with a seed, in a folder of its own."""

    variant: str
    seed: int
    folder: Path
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the run, in words."""
        return f"{self.variant}, seed {self.seed}"

    @property
    def is_measured(self) -> bool:
        """Whether there is nothing left to do."""
        return (self.folder / RECORD).exists()

    @property
    def job(self) -> Job:
        """The command, for `run_jobs`."""
        return Job(self.name, self.words, Path(f"{self.folder}.log"))

    def keep(self, record: dict):
        """Writes what was measured, which tells that it is."""
        write_text(self.folder / RECORD, json.dumps(record, indent=2) + "\n")

    def record(self) -> dict:
        """What was measured."""
        return json.loads((self.folder / RECORD).read_text(encoding="utf-8"))


def begin(folder: Path, settings: dict):
    """Makes the folder of a comparison and records its settings."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / SETTINGS, json.dumps(settings, indent=2) + "\n")
    except OSError as error:
        raise UsageError(
            f"--out expects a folder that can be written. Received: {folder} ({error.strerror})"
        ) from None


def check(folder: Path, settings: dict):
    """Refuses a folder with other files, or with runs of other settings."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out expects a folder. Received: the file {folder}")
    try:
        begun = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"--out expects a new folder or that of a comparison. Received: {folder}, which "
                "holds other files"
            ) from None
        return
    before, now = flat(begun), flat(settings)
    differing = [
        f"{key} {before.get(key)!r} -> {now.get(key)!r}"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise UsageError(
            f"{folder} holds a comparison with other settings: {', '.join(differing[:3])}{more}; "
            "give the same ones, or another --out"
        )


def flat(settings: dict) -> dict:
    """Settings by one name each: `BicycleGAN epochs`."""
    names = {name: value for name, value in settings.items() if name != "variants"}
    for variant, flags in settings["variants"].items():
        names |= {f"{variant} {name}": value for name, value in flags.items()}
    return names
