"""The command that trains the classifier by which conditional GANs, InfoGAN and stacked MNIST are
measured.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from data_prep import toy_fashion
from gans.command_line import cli, command
from gans.command_line.errors import UsageError, usage_errors
from gans.command_line.flags import SetFlags
from gans.data import datasets
from gans.evaluation.networks import ERRORS, LabelledImages
from gans.features import classifier as classifiers
from gans.nn.settings import SEEDS, Checked, setting


@dataclass(frozen=True, kw_only=True)
class Flags(Checked):
    """What the command can be told; of the data as the training commands."""

    out: str | None = setting(
        None, "Folder of the classifier. Default: runs/classifier_ and the name of the data."
    )
    dataset: str = setting(
        datasets.TOY_FASHION,
        "toy_fashion, mnist, fashion_mnist, cifar10, celeb_a or any other set of images with "
        "labels that TensorFlow Datasets has prepared.",
    )
    data_dir: str | None = setting(
        None, "Folder of images of yours, or a .npz of arrays, in place of --dataset."
    )
    tfds_dir: str | None = setting(
        None, "Folder of the prepared data sets. Default: that of TensorFlow Datasets."
    )
    labels: tuple[str, ...] | None = setting(
        None, "Columns of factors.csv that are the labels, e.g. hue,kind. Default: hue."
    )
    tags_csv: str | None = setting(
        None,
        'File of lines like "16,blonde hair blue eyes" that says the tags of the images of '
        "--data_dir.",
    )
    image_size: int | None = setting(
        None,
        "Side of the images in pixels, 28 or more. Default: that of the data set, or 64.",
        least=classifiers.SMALLEST,
    )
    image_channels: int | None = setting(
        None, "3, or 1 for grey. Default: that of the data set, or 3.", least=1
    )
    epochs: int | None = setting(
        None, "Passes over the images. Default: 3 of MNIST, more of fewer images.", least=1
    )
    flip: bool | None = setting(
        None, "Mirror half of the images. Default: yes, but for digits and grey images."
    )
    seed: int = setting(0, "Of weights, order and dropout.", least=0, below=SEEDS)
    debug: bool = setting(False, "Show the traceback of an error, and the loss of each epoch.")

    @property
    def set_flags(self) -> SetFlags:
        """Those of the data, checked."""
        names = ("dataset", "data_dir", "tfds_dir", "labels", "tags_csv")
        return SetFlags(**{name: getattr(self, name) for name in names})


@cli.compose
def train(flags: Flags) -> None:
    """Trains a small classifier on the labels of a data set."""
    data = flags.set_flags.data()
    if flags.dataset in datasets.POINT_SETS or flags.dataset == datasets.STACKED_MNIST:
        raise UsageError(f"--dataset expects images with labels. Received: {flags.dataset}")
    implied = datasets.resolve(flags.dataset)
    size = flags.image_size or implied.constructor.get("image_size", 64)
    channels = flags.image_channels or implied.constructor.get("image_channels", 3)
    flip = flags.flip
    if flip is None:
        flip = implied.flip is not False and channels != 1
    images = LabelledImages(dataclasses.replace(data, flip=flip), size, channels)
    name = Path(data.data_dir).stem if data.data_dir else images.name
    wanted = {"image_size": size, "image_channels": channels, "seed": flags.seed, "dataset": name}
    wanted |= {"labels": flags.labels} | ({"epochs": flags.epochs} if flags.epochs else {})
    default = "_".join(["runs/classifier", name.replace("/", "_"), *(flags.labels or ())])
    folder = Path(flags.out or default)
    with usage_errors(*ERRORS):
        if found := classifiers.existing(folder, **wanted):
            print(f"{folder} is complete: right for {found.accuracy:.2%} of the held-out images")
            return
        command.import_tensorflow(flags.debug)
        if data.dataset == datasets.TOY_FASHION:
            data = dataclasses.replace(images.data, data_dir=toy_fashion.default_set(size))
            images = dataclasses.replace(images, data=data)
        (pixels, labels), held_out, names = images.load()
        trained = classifiers.train(
            pixels,
            labels,
            names,
            held_out,
            name,
            labels=flags.labels,
            epochs=flags.epochs,
            flip=flip,
            seed=flags.seed,
            verbose=2 if flags.debug else 0,
        )
    trained.save(folder)
    print(f"{folder}: right for {trained.facts.accuracy:.2%} of {len(held_out[0])} held-out images")
