"""The settings of a run: every choice that decides its result, with its type, as config.json holds
it.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gans.command_line import gan_files
from gans.command_line.errors import UsageError
from gans.command_line.gan_files import GanFile
from gans.data.data_settings import DataSettings
from gans.data.datasets import TOY_FASHION
from gans.nn.settings import Settings, check_types

# What may differ when a run goes on. The data may have moved: data.json tells whether it is the
# same. How many steps one call makes changes no result.
FREE = frozenset(f"data {name}" for name in ("data_dir", "data_dir_b", "tfds_dir", "tags_csv")) | {
    "steps_per_call"
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of a run.

    Attributes:
        gan: module of the GAN below `gans`, e.g. "wgan_gp".
        preset: whose numbers were taken where nothing else was said.
        settings: of the GAN.
        data: which data, and how it is prepared.
        batch_size: elements of a batch.
        epochs, steps_per_epoch: their product is the length of the run; the second is None until
            the data was opened.
        steps_per_call: steps that one call of the graph makes.
        precision: of the layers: float32 or bfloat16.
        constant_rate: whether no learning rate depends on the length of the run, which may then be
            made longer.
    """

    gan: str
    preset: str
    settings: Settings
    data: DataSettings
    batch_size: int
    epochs: int
    steps_per_epoch: int | None = None
    steps_per_call: int = 1
    precision: str = "float32"
    constant_rate: bool = False

    def __post_init__(self):
        check_types(self)

    @property
    def gan_file(self) -> GanFile:
        """What the file of the GAN says about it."""
        return gan_files.read(self.gan)

    @property
    def name(self) -> str:
        """Class name of the GAN."""
        return self.gan_file.class_name

    def record(self) -> dict[str, Any]:
        """For a config.json: nested dicts, of the data without what is None."""
        record = dataclasses.asdict(self)
        record["data"] = {k: v for k, v in record["data"].items() if v is not None}
        return record

    def flat(self) -> dict[str, Any]:
        """By one name each: `epochs`, `settings image_size`, `data flip`."""
        flat = {}
        for name, value in self.record().items():
            within = value.items() if isinstance(value, dict) else ()
            flat |= {f"{name} {key}": of_key for key, of_key in within} or {name: value}
        return flat

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "RunSettings":
        """From a record.

        Raises `UsageError` for a GAN that this library does not have, and `KeyError`, `TypeError`
        or `ValueError` for other fields or values than those of this version.
        """
        file = gan_files.read(record["gan"])
        values = dict(record)
        values["settings"] = file.settings(**record["settings"])
        values["data"] = DataSettings(**record["data"])
        return cls(**values)

    def differences(self, begun: "RunSettings") -> list[str]:
        """What differs from the settings that a run was begun with, and must not."""
        before, now = begun.flat(), self.flat()
        free = FREE | ({"epochs"} if self.constant_rate else set())
        return [
            f"{name.rpartition(' ')[2]} {before.get(name)!r} -> {now.get(name)!r}"
            for name in {**before, **now}
            if name not in free and before.get(name) != now.get(name)
        ]


def resolve(
    file: GanFile,
    given: Mapping[str, Any],
    data: DataSettings,
    *,
    preset: str | None,
    seed: int,
    precision: str,
    implied: Mapping[str, Any],
    epochs: int | None,
    steps_per_epoch: int | None,
    steps_per_call: int | None,
    batch_size: int | None,
) -> RunSettings:
    """Every setting of a run: the given one, or that which the data implies, or that of the preset,
    or the default, in this order.

    Args:
        file: of the GAN.
        given: settings of the GAN that were given.
        data: as the flags say it; what is None there is filled in from the preset.
        preset: name of the preset.
        implied: settings of the GAN that the data implies.
        seed, precision, epochs, steps_per_epoch, steps_per_call, batch_size: as they were given.

    Raises `UsageError` for values that contradict each other, and `ValueError` for settings of the
    GAN that are not admitted.
    """
    numbers = file.presets[preset] | dict(implied) | dict(given) | {"seed": seed}
    training = file.training[preset]
    kind = implied.get("data", "images")
    if numbers.get("data", kind) != kind:
        received = f"--data={given['data']}" if "data" in given else f"--preset={preset}"
        raise UsageError(f"expected a GAN of {kind}, which the data holds. Received: {received}")
    if epochs and numbers.get("decay_epochs") and "decay_epochs" not in given:
        # A shorter or longer run decays over the same share of it.
        numbers["decay_epochs"] = numbers["decay_epochs"] * epochs // training["epochs"]
    settings = file.settings(**numbers)
    size = settings.image_size
    load_size = size
    if "load_size" in training:
        # The share that a crop leaves, at whatever size.
        preset_size = file.presets[preset].get("image_size", file.settings.image_size)
        load_size = training["load_size"] * size // preset_size
    filled = {
        "load_size": load_size,
        **{k: training.get(k) for k in ("disjoint", "images_per_epoch")},
    }
    filled["labelled"] = file.can.labels != "none" or getattr(settings, "supervised", False)
    data = dataclasses.replace(
        data, **{name: value for name, value in filled.items() if getattr(data, name) is None}
    )
    if data.load_size < size:
        raise UsageError(
            f"--load_size expects at least the image size of {size}. Received: {data.load_size}"
        )
    epochs = epochs or training["epochs"]
    decay_epochs = getattr(settings, "decay_epochs", 0)
    if decay_epochs > epochs:
        raise UsageError(
            f"--decay_epochs expects at most the {epochs} epochs of the run. "
            f"Received: {decay_epochs}"
        )
    batch_size = batch_size or training["batch_size"]
    if batch_size % getattr(settings, "packing", 1):
        raise UsageError(
            f"--batch_size expects a multiple of --packing={settings.packing}. "
            f"Received: {batch_size}"
        )
    return RunSettings(
        gan=file.name,
        preset=preset,
        settings=settings,
        data=data,
        batch_size=batch_size,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        steps_per_call=steps_per_call or training.get("steps_per_call", 1),
        precision=precision,
    )


def default_run_dir(run: RunSettings) -> str:
    """Below runs/ the name of the GAN, and where it does not train on toy fashion that of the data:
    of data/bags, digits.npz or cycle_gan/horse2zebra:3.0.0 it is bags, digits or horse2zebra.
    """
    names = []
    if run.data.dataset != TOY_FASHION:
        names = [folder.name.removesuffix(".npz") for folder in run.data.folders]
        prepared = filter(None, (run.data.dataset, run.data.dataset_b))
        names += [Path(name.partition(":")[0]).name for name in prepared]
    return f"runs/{'_'.join([run.gan, *names])}"
