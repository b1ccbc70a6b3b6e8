"""The flags that training scripts share, with their meaning."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

from gans.command_line.errors import UsageError, check_at_least, usage_errors
from gans.data import datasets
from gans.data.images import DataError


@dataclasses.dataclass(frozen=True)
class Flags:
    """What every training script can be told.

    Args:
        run_dir: Folder of the run: settings, checkpoints, logs, samples, weights. Default: runs/,
            the GAN's name and, but for toy fashion, that of the data.
        preset: Whose numbers are taken where no flag says otherwise. Default: toy without data of
            yours, article with it; of a --dataset as it implies.
        epochs: Passes over the data; a preset's decay_epochs, not its epoch_step, grow and shrink
            with them. Default: the preset's.
        steps_per_epoch: Default: as many as use each image once.
        steps_per_call: Steps that TensorFlow makes before Python sees them, of which it divides
            those of an epoch; for networks whose step takes about a millisecond. Changes nothing
            but the speed, and that logs, pictures and checkpoints come after the last of them.
            Default: the preset's, or 1.
        batch_size: Images of each kind in a batch. Default: the preset's.
        seed: Of initial weights, order, crops and every random draw; the same seed gives the same
            bytes.
        precision: bfloat16 computes the layers in half the bits; weights and losses stay float32.
        log_every: Steps between two points of the loss curves.
        sample_every: Steps between two sample pictures. Default: an epoch.
        checkpoint_every: Steps between two checkpoints. Default: an epoch.
        keep_checkpoints: Checkpoints that are left; the oldest go first.
        evaluate_every: Epochs between two evaluations by features, as scripts/evaluate.py makes
            them, of images; see evaluation/ in TensorBoard. Default: none.
        extractor: What makes these features: own (a classifier of the data, trained first if there
            is none), inception, or the folder of a classifier. Default: own.
        profile: First and last step of this process that TensorFlow's profiler records, e.g. 20,30.
        dry_run: Print the resolved settings and stop.
        debug: Show the traceback of an error.
    """

    run_dir: str | None = None
    preset: str | None = None
    epochs: int | None = None
    steps_per_epoch: int | None = None
    steps_per_call: int | None = None
    batch_size: int | None = None
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"
    log_every: int = 10
    sample_every: int | None = None
    checkpoint_every: int | None = None
    keep_checkpoints: int = 3
    evaluate_every: int | None = None
    extractor: str | None = None
    profile: tuple[int, int] | None = None
    dry_run: bool = False
    debug: bool = False

    def check(self):
        """Raises `UsageError` for the first value that is out of range."""
        names = (
            "epochs",
            "steps_per_epoch",
            "steps_per_call",
            "batch_size",
            "log_every",
            "sample_every",
            "checkpoint_every",
            "keep_checkpoints",
            "evaluate_every",
        )
        check_at_least(1, **{name: getattr(self, name) for name in names})
        if self.extractor and not self.evaluate_every:
            raise UsageError(
                f"--extractor={self.extractor} expects --evaluate_every. Received: none"
            )
        if not 0 <= self.seed < 2**24:
            # Each seed has some streams of 32-bit random numbers.
            raise UsageError(f"--seed expects 0 to 16777215. Received: {self.seed}")
        if self.profile and not 1 <= self.profile[0] <= self.profile[1]:
            raise UsageError(f"--profile expects first,last from 1 on. Received: {self.profile}")


@dataclasses.dataclass(frozen=True)
class ImageFlags:
    """What the scripts of image translation can be told about their data.

    Args:
        data_dir: Folder with train/ and val/ (A and B side by side in one image) or trainA/,
            trainB/, valA/, valB/. Default: toy fashion, drawn into data/ at the first use.
        tfds: Name of a data set prepared by TensorFlow Datasets, instead of --data_dir.
        tfds_dir: Folder of the prepared data sets. Default: that of TensorFlow Datasets.
        direction: b_to_a swaps the two sides of the data: the GAN maps B to A.
        load_size: Side in pixels that images are resized to before the random crop. Default: the
            preset's, or image_size, which leaves nothing to crop.
        flip: Mirror half of the images.
        cache: Where decoded images are kept; auto takes memory if they fit into a quarter of what
            is free.
        parallel_calls: Threads that prepare images; changes nothing but the speed. Default:
            automatic.
    """

    data_dir: str | None = None
    tfds: str | None = None
    tfds_dir: str | None = None
    direction: Literal["a_to_b", "b_to_a"] = "a_to_b"
    load_size: int | None = None
    flip: bool = True
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    parallel_calls: int | None = None

    def settings(self) -> dict[str, Any]:
        """What of these belongs to the settings of a run: what decides its result."""
        names = ("tfds", "direction", "load_size", "flip")
        return {
            "data_dir": absolute(self.data_dir),
            "tfds_dir": absolute(self.tfds_dir),
            **{name: getattr(self, name) for name in names},
        }

    def check(self):
        """Raises `UsageError` for the first value that is out of range or contradicts another."""
        check_at_least(1, load_size=self.load_size, parallel_calls=self.parallel_calls)
        if self.data_dir and self.tfds:
            raise UsageError(
                "expected --data_dir or --tfds. "
                f"Received: --data_dir={self.data_dir} --tfds={self.tfds}"
            )
        if self.tfds_dir and not self.tfds:
            raise UsageError("--tfds_dir expects --tfds. Received: no --tfds")


@dataclasses.dataclass(frozen=True)
class DomainFlags:
    """What the scripts of translation without pairs can be told about their two domains.

    Args:
        domains: Which domains of toy fashion, where no data is named. Default: the script's.
        data_dir_b: A second folder: A are then the photos of --data_dir and B those of this one,
            for example edges2handbags and edges2shoes.
        tfds_b: A second prepared data set, likewise, beside --tfds.
        disjoint: Of pairs, take A from the first half and B from the second, so that no image has
            its partner in the data. Default: the preset's.
    """

    domains: Literal["sketch2bag", "bag2shoe"] | None = None
    data_dir_b: str | None = None
    tfds_b: str | None = None
    disjoint: bool | None = None

    def settings(self) -> dict[str, Any]:
        """What of these belongs to the settings of a run."""
        return {
            "data_dir_b": absolute(self.data_dir_b),
            "tfds_b": self.tfds_b,
            "disjoint": self.disjoint,
        }

    def check(self, images: ImageFlags):
        """Raises `UsageError` for a flag that the named data has no use for."""
        named = images.data_dir or images.tfds
        if self.data_dir_b and not images.data_dir:
            raise UsageError("--data_dir_b expects --data_dir. Received: no --data_dir")
        if self.tfds_b and not images.tfds:
            raise UsageError("--tfds_b expects --tfds. Received: no --tfds")
        if self.disjoint and (self.data_dir_b or self.tfds_b):
            raise UsageError("--disjoint expects pairs. Received: two sources")
        if self.domains and named:
            raise UsageError(f"--domains is for toy fashion. Received: --domains and {named}")


@dataclasses.dataclass(frozen=True)
class SetFlags:
    """What the scripts of GANs that start from noise can be told about their data.

    Args:
        dataset: toy_fashion, drawn into data/ at the first use; ring8, grid25, swissroll: points in
            the plane; mnist, fashion_mnist, stacked_mnist, cifar10, celeb_a or any other set of
            images that TensorFlow Datasets has prepared. It implies sizes, channels and preset.
        data_dir: Folder of images of yours, or a .npz of arrays, in place of --dataset. Labels are
            those of tags.csv, labels.csv or factors.csv in the folder, or the folders in it.
        tfds_dir: Folder of the prepared data sets. Default: that of TensorFlow Datasets.
        labels: Columns of factors.csv that are the labels, e.g. hue,kind, of toy fashion or of a
            --data_dir with that file. Default: hue, of a matching-aware GAN hue,kind.
        tags_csv: File of lines like "16,blonde hair blue eyes" that says the tags of the images of
            --data_dir.
        load_size: Side in pixels that images are resized to before the random crop. Default: the
            preset's, or image_size, which leaves nothing to crop.
        flip: Mirror half of the images. Default: yes, but for grey images, digits and points.
        cache: Where decoded images are kept; auto takes memory if they fit into a quarter of what
            is free.
        parallel_calls: Threads that prepare images; changes nothing but the speed. Default:
            automatic.
    """

    dataset: str = datasets.TOY_FASHION
    data_dir: str | None = None
    tfds_dir: str | None = None
    labels: tuple[str, ...] | None = None
    tags_csv: str | None = None
    load_size: int | None = None
    flip: bool | None = None
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    parallel_calls: int | None = None

    def implied(self) -> datasets.Dataset:
        """What the data implies: a preset, and arguments of the constructor."""
        return datasets.Dataset("article") if self.data_dir else datasets.resolve(self.dataset)

    def settings(self, toy_labels: tuple[str, ...] = ()) -> dict[str, Any]:
        """What of these belongs to the settings of a run: what decides its result.

        Args:
            toy_labels: columns that are the labels of toy fashion where no flag says so.
        """
        toy = self.dataset == datasets.TOY_FASHION and not self.data_dir
        labels = self.labels or (toy and toy_labels)
        return {
            "dataset": None if self.data_dir else self.dataset,
            "data_dir": absolute(self.data_dir),
            "tfds_dir": absolute(self.tfds_dir),
            # As a config.json gives it back.
            "labels": list(labels) if labels else None,
            "tags_csv": absolute(self.tags_csv),
            "load_size": self.load_size,
            "flip": self.flip,
        }

    def check(self):
        """Raises `UsageError` for the first value that is out of range or contradicts another."""
        check_at_least(1, load_size=self.load_size, parallel_calls=self.parallel_calls)
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
            raise UsageError(f"--{name} expects images. Received: --dataset={self.dataset}")


def absolute(folder: str | None) -> str | None:
    """The folder as later commands find it, wherever they are run."""
    return folder and str(Path(folder).resolve())
