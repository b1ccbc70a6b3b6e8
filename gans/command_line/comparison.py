"""Trainings that are compared: which runs there are, what of them is done, and that a folder holds
one comparison.

Each run is a plain command of a training script in a folder of its own, so that it goes on where it
was stopped; what is finished and measured is not done again.
"""

import dataclasses
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from gans.command_line import gan_files
from gans.command_line.command import import_tensorflow
from gans.command_line.errors import UsageError
from gans.command_line.files import write_text
from gans.command_line.jobs import Job, count_cores, run_jobs
from gans.nn.settings import Checked, setting

SETTINGS = "compare.json"  # In the folder of the comparison.
RECORD = "comparison.json"  # In the folder of a run.


@dataclass(frozen=True, kw_only=True)
class ComparisonFlags(Checked):
    """What every comparison can be told."""

    out: str | None = setting(None, "Folder for the runs, the tables and the picture.")
    seeds: int | None = setting(None, "Runs of each variant, with seeds 0, 1, ...", least=1)
    epochs: int | None = setting(None, "Of each run. Default: that of the comparison.", least=1)
    workers: int | None = setting(
        None,
        "Runs at the same time, each with its share of the cores. Default: as many as cores.",
        least=1,
    )
    dry_run: bool = setting(False, "Print the commands that are left to do and stop.")
    debug: bool = setting(False, "Show the traceback of an error.")


@dataclasses.dataclass(frozen=True)
class Run:
    """One training: a variant with a seed, in a folder of its own."""

    variant: str
    seed: int
    folder: Path
    words: tuple[str, ...]

    @classmethod
    def of(cls, variant: str, seed: int, folder: Path, gan: str, flags: Mapping[str, Any]) -> "Run":
        """The training of a GAN, by its module, with flags by name."""
        given = {**flags, "run_dir": folder, "seed": seed}
        words = (f"--{name}={value}" for name, value in given.items())
        return cls(variant, seed, folder, (sys.executable, "-m", "gans", "train", gan, *words))

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


def presets(gans: Sequence[str], name: str) -> dict[str, dict[str, Any]]:
    """The preset of GANs, for the settings of a comparison: one that was tuned meanwhile would make
    other runs of the same flags.
    """
    return {gan: gan_files.read(gan).presets[name] for gan in sorted(set(gans))}


def carry_out(
    folder: Path,
    settings: dict,
    runs: Sequence[Run],
    flags: ComparisonFlags,
    measure: Callable[[Run], dict],
    prepare: Callable[[], None] = lambda: None,
) -> bool:
    """Trains and measures what is left to do; only prints the commands in a dry run.

    Args:
        folder, settings: of the comparison.
        runs: all of them.
        measure: the record of a run that is trained.
        prepare: what is to be done before any training.

    Returns whether all is measured. Raises `UsageError` for a folder of something else.
    """
    check(folder, settings)
    left = [run for run in runs if not run.is_measured]
    if flags.dry_run:
        print("\n".join(shlex.join(run.words) for run in left))
        return False
    if left:
        prepare()
    begin(folder, settings)
    run_jobs([run.job for run in left], flags.workers or count_cores())
    if left:
        import_tensorflow(flags.debug)
        import keras

        for run in tqdm(left, desc="measured", unit="run", disable=None):
            keras.backend.clear_session()
            run.keep(measure(run))  # Last: it tells that the run is measured.
    return True


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
