"""The flags that training commands share, with their meaning."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gans.command_line.errors import UsageError, usage_errors
from gans.data import datasets
from gans.data.data_settings import Cache, DataSettings, Direction
from gans.data.images import DataError
from gans.nn.settings import SEEDS, Checked, setting


@dataclass(frozen=True, kw_only=True)
class TrainingFlags(Checked):
    """What every training command can be told."""

    run_dir: str | None = setting(
        None,
        "Folder of the run: settings, checkpoints, logs, samples, weights. Default: runs/, the "
        "name of the GAN and, but for toy fashion, that of the data.",
    )
    preset: str | None = setting(
        None,
        "Whose numbers are taken where no flag says otherwise. Default: toy without data of yours, "
        "article with it, or what a --dataset implies.",
    )
    epochs: int | None = setting(
        None,
        "Passes over the data. The decay_epochs of a preset, not its epoch_step, grow and shrink "
        "with them. Default: that of the preset.",
        least=1,
    )
    steps_per_epoch: int | None = setting(
        None, "Steps of an epoch. Default: as many as use each image once.", least=1
    )
    steps_per_call: int | None = setting(
        None,
        "Steps that TensorFlow makes before Python sees them, a divisor of those of an epoch; for "
        "networks whose step takes about a millisecond. It changes nothing but the speed, and that "
        "logs, pictures and checkpoints come after the last of them. Default: that of the preset, "
        "or 1.",
        least=1,
    )
    batch_size: int | None = setting(
        None, "Images of each kind in a batch. Default: that of the preset.", least=1
    )
    seed: int = setting(
        0,
        "Seed of initial weights, order, crops and every random draw; the same seed gives the same "
        "bytes.",
        least=0,
        below=SEEDS,
    )
    precision: Literal["float32", "bfloat16"] = setting(
        "float32",
        "bfloat16 computes the layers in half the bits; weights and losses stay float32.",
    )
    log_every: int = setting(10, "Steps between two points of the loss curves.", least=1)
    sample_every: int | None = setting(
        None, "Steps between two sample pictures. Default: an epoch.", least=1
    )
    checkpoint_every: int | None = setting(
        None, "Steps between two checkpoints. Default: an epoch.", least=1
    )
    keep_checkpoints: int = setting(
        3, "Checkpoints that are kept; the oldest are deleted first.", least=1
    )
    evaluate_every: int | None = setting(
        None,
        "Epochs between two evaluations by features, of images, as the command evaluate makes "
        "them; see evaluation/ in TensorBoard. Default: none.",
        least=1,
    )
    extractor: str | None = setting(
        None,
        "What makes these features: own (a classifier of the data, trained first if there is "
        "none), inception, or the folder of a classifier. Default: own.",
    )
    profile: tuple[int, int] | None = setting(
        None, "First and last step of this process that TensorFlow's profiler records, as in 20,30."
    )
    dry_run: bool = setting(False, "Print the resolved settings and stop.")
    debug: bool = setting(False, "Show the traceback of an error.")

    def check(self):
        if self.extractor and not self.evaluate_every:
            raise UsageError(
                f"--extractor={self.extractor} expects --evaluate_every. Received: none"
            )
        if self.profile and not 1 <= self.profile[0] <= self.profile[1]:
            raise UsageError(f"--profile expects first,last from 1 on. Received: {self.profile}")


@dataclass(frozen=True, kw_only=True)
class DataFlags(Checked):
    """What every training command can be told about its images."""

    data_dir: str | None = setting(None, "Folder of images. Default: toy fashion.")
    tfds_dir: str | None = setting(
        None, "Folder of the prepared data sets. Default: that of TensorFlow Datasets."
    )
    load_size: int | None = setting(
        None,
        "Side in pixels that images are resized to before the random crop. Default: that of the "
        "preset, or image_size, which leaves nothing to crop.",
        least=1,
    )
    flip: bool | None = setting(None, "Mirror half of the images. Default: as the data implies.")
    cache: Cache = setting(
        "auto",
        "Where decoded images are kept; auto takes memory if they fit into a quarter of what is "
        "free.",
    )
    parallel_calls: int | None = setting(
        None,
        "Threads that prepare images; changes nothing but the speed. Default: automatic.",
        least=1,
    )


@dataclass(frozen=True, kw_only=True)
class PairFlags(DataFlags):
    """What the training commands of image translation can be told about their data."""

    data_dir: str | None = setting(
        None,
        "Folder with train/ and val/ (A and B side by side in one image) or trainA/, trainB/, "
        "valA/, valB/. Default: toy fashion, drawn into data/ at the first use.",
    )
    tfds: str | None = setting(
        None, "Name of a data set prepared by TensorFlow Datasets, instead of --data_dir."
    )
    direction: Direction = setting(
        "a_to_b", "b_to_a exchanges the two sides of the data: the GAN maps B to A."
    )
    flip: bool = setting(True, "Mirror half of the images.")

    def check(self):
        if self.data_dir and self.tfds:
            raise UsageError(
                "expected --data_dir or --tfds. "
                f"Received: --data_dir={self.data_dir} --tfds={self.tfds}"
            )
        if self.tfds_dir and not self.tfds:
            raise UsageError("--tfds_dir expects --tfds. Received: no --tfds")

    @property
    def implied(self) -> datasets.Dataset:
        """What the data implies: a preset, and settings of the GAN."""
        return datasets.Dataset("article" if self.data_dir or self.tfds else "toy")

    def data(self) -> DataSettings:
        """What of these decides the result of a run."""
        named = self.data_dir or self.tfds
        return DataSettings(
            kind="pairs",
            dataset=self.tfds if named else datasets.TOY_FASHION,
            data_dir=absolute(self.data_dir),
            tfds_dir=absolute(self.tfds_dir),
            direction=self.direction,
            load_size=self.load_size,
            flip=self.flip,
        )


@dataclass(frozen=True, kw_only=True)
class DomainFlags(PairFlags):
    """What the training commands of translation without pairs can be told about two domains."""

    domains: Literal["sketch2bag", "bag2shoe"] | None = setting(
        None,
        "Which domains of toy fashion, where no data is named. Default: bag2shoe of DiscoGAN, else "
        "sketch2bag.",
    )
    data_dir_b: str | None = setting(
        None,
        "A second folder: A are then the photos of --data_dir and B those of this one, for example "
        "edges2handbags and edges2shoes.",
    )
    tfds_b: str | None = setting(None, "A second prepared data set, likewise, with --tfds.")
    disjoint: bool | None = setting(
        None,
        "Of pairs, take A from the first half and B from the second, so that no image has its "
        "partner in the data. Default: that of the preset.",
    )

    def check(self):
        super().check()
        if self.data_dir_b and not self.data_dir:
            raise UsageError("--data_dir_b expects --data_dir. Received: no --data_dir")
        if self.tfds_b and not self.tfds:
            raise UsageError("--tfds_b expects --tfds. Received: no --tfds")
        if self.disjoint and (self.data_dir_b or self.tfds_b):
            raise UsageError("--disjoint expects pairs. Received: two sources")
        if self.domains and (self.data_dir or self.tfds):
            named = self.data_dir or self.tfds
            raise UsageError(f"--domains is for toy fashion. Received: --domains and {named}")

    def data(self) -> DataSettings:
        """As of pairs."""
        return dataclasses.replace(
            super().data(),
            kind="domains",
            data_dir_b=absolute(self.data_dir_b),
            dataset_b=self.tfds_b,
            disjoint=self.disjoint,
        )


@dataclass(frozen=True, kw_only=True)
class SetFlags(DataFlags):
    """What the training commands of GANs that start from noise can be told about their data."""

    dataset: str = setting(
        datasets.TOY_FASHION,
        "toy_fashion, drawn into data/ at the first use; ring8, grid25, swissroll: points in the "
        "plane; mnist, fashion_mnist, stacked_mnist, cifar10, celeb_a or any other set of images "
        "that TensorFlow Datasets has prepared. It implies sizes, channels and preset.",
    )
    data_dir: str | None = setting(
        None,
        "Folder of images of yours, or a .npz of arrays, instead of --dataset. Labels are those of "
        "tags.csv, labels.csv or factors.csv in the folder, or the folders in it.",
    )
    labels: tuple[str, ...] | None = setting(
        None,
        "Columns of factors.csv that are the labels, as in hue,kind, of toy fashion or of a "
        "--data_dir with that file. Default: hue, of a matching-aware GAN hue,kind.",
    )
    tags_csv: str | None = setting(
        None,
        'File of lines like "16,blonde hair blue eyes" that says the tags of the images of '
        "--data_dir.",
    )
    flip: bool | None = setting(
        None, "Mirror half of the images. Default: yes, but for grey images, digits and points."
    )

    @property
    def implied(self) -> datasets.Dataset:
        """What the data implies: a preset, and settings of the GAN."""
        return datasets.Dataset("article") if self.data_dir else datasets.resolve(self.dataset)

    def data(self) -> DataSettings:
        """What of these decides the result of a run."""
        return DataSettings(
            kind="points" if self.dataset in datasets.POINT_SETS else "images",
            dataset=None if self.data_dir else self.dataset,
            data_dir=absolute(self.data_dir),
            tfds_dir=absolute(self.tfds_dir),
            labels=self.labels,
            tags_csv=absolute(self.tags_csv),
            load_size=self.load_size,
            flip=self.flip,
        )

    def check(self):
        with usage_errors(DataError):
            datasets.resolve(self.dataset)
        points = self.dataset in datasets.POINT_SETS
        toy = self.dataset == datasets.TOY_FASHION
        is_file = bool(self.data_dir) and self.data_dir.endswith(".npz")
        if self.data_dir and not toy:
            raise UsageError(
                "expected --data_dir or --dataset. "
                f"Received: --data_dir={self.data_dir} --dataset={self.dataset}"
            )
        if self.tfds_dir and (toy or points):
            named = f"--data_dir={self.data_dir}" if self.data_dir else f"--dataset={self.dataset}"
            raise UsageError(
                f"--tfds_dir expects the --dataset of a prepared data set. Received: {named}"
            )
        if self.tags_csv and (not self.data_dir or is_file):
            received = f"--data_dir={self.data_dir}" if is_file else "no --data_dir"
            raise UsageError(
                f"--tags_csv expects the --data_dir of a folder of images. Received: {received}"
            )
        if self.labels and (not toy or is_file):
            named = self.data_dir or f"--dataset={self.dataset}"
            raise UsageError(
                "--labels expects toy fashion, or a --data_dir with a factors.csv. "
                f"Received: {named}"
            )
        if self.labels and self.tags_csv:
            raise UsageError(
                "expected --labels or --tags_csv. "
                f"Received: --labels={','.join(self.labels)} --tags_csv={self.tags_csv}"
            )
        if self.labels and len(set(self.labels)) < len(self.labels):
            raise UsageError(
                f"--labels expects columns each once. Received: {','.join(self.labels)}"
            )
        if points and (self.load_size or self.flip):
            name = "load_size" if self.load_size else "flip"
            raise UsageError(
                f"--{name} is for images. Received: --{name} and --dataset={self.dataset}"
            )


@dataclass(frozen=True, kw_only=True)
class TagFlags(SetFlags):
    """As `SetFlags`, for a GAN that takes several labels of an image."""

    use_unlabelled: bool = setting(
        False,
        "Take images without tags as real ones that match no tags. Otherwise they are left out.",
    )

    def data(self) -> DataSettings:
        """As of other sets."""
        return dataclasses.replace(super().data(), use_unlabelled=self.use_unlabelled)


def absolute(path: str | None) -> str | None:
    """The path from the root on: a run knows its data wherever it is started from."""
    return str(Path(path).resolve()) if path else None
