"""Trains the classifier that conditional GANs, InfoGAN and stacked MNIST are judged by.

    python scripts/train_classifier.py --dataset=mnist --tfds_dir=data/tfds
    python scripts/train_classifier.py --data_dir=data/toy_fashion_64 --labels=kind

Writes `classifier.weights.h5` and `classifier.json` and prints its accuracy on held-out images: of
MNIST 99 % after about two minutes on one core. `scripts/evaluate.py --classifier=...` reads it.
Given again, the command finds that it is done; with other settings it refuses.
"""

from pathlib import Path

from data_prep import toy_fashion
from gans.command_line import cli, command
from gans.command_line.errors import UsageError, check_at_least, usage_errors
from gans.command_line.flags import SetFlags
from gans.data import datasets
from gans.data.held_out import classifier_images
from gans.data.images import DataError
from gans.features import classifier as classifiers


def train(
    out: str | None = None,
    dataset: str = datasets.TOY_FASHION,
    data_dir: str | None = None,
    tfds_dir: str | None = None,
    labels: tuple[str, ...] | None = None,
    tags_csv: str | None = None,
    image_size: int | None = None,
    image_channels: int | None = None,
    epochs: int | None = None,
    flip: bool | None = None,
    seed: int = 0,
    debug: bool = False,
) -> None:
    """Trains a small classifier on the labels of a data set.

    Args:
        out: Folder of the classifier. Default: runs/classifier_ and the name of the data.
        dataset: toy_fashion, mnist, fashion_mnist, cifar10, celeb_a or any other set of images with
            labels that TensorFlow Datasets has prepared.
        data_dir: Folder of images of yours, or a .npz of arrays, in place of --dataset.
        tfds_dir: Folder of the prepared data sets. Default: that of TensorFlow Datasets.
        labels: Columns of factors.csv that are the labels, e.g. hue,kind. Default: hue.
        tags_csv: File of lines like "16,blonde hair blue eyes" that says the tags of the images of
            --data_dir.
        image_size: Side of the images in pixels, 28 or more. Default: that of the data set, or 64.
        image_channels: 3, or 1 for grey. Default: that of the data set, or 3.
        epochs: Passes over the images. Default: 3 of MNIST, more of fewer images.
        flip: Mirror half of the images. Default: yes, but for digits and grey images.
        seed: Of weights, order and dropout.
        debug: Show the traceback of an error, and the loss of each epoch.
    """
    check_at_least(1, epochs=epochs, image_channels=image_channels)
    check_at_least(0, seed=seed)
    check_at_least(classifiers.SMALLEST, image_size=image_size)
    given = SetFlags(
        dataset=dataset, data_dir=data_dir, tfds_dir=tfds_dir, labels=labels, tags_csv=tags_csv
    )
    given.check()
    if dataset in datasets.POINT_SETS or dataset == datasets.STACKED_MNIST:
        raise UsageError(f"--dataset expects images with labels. Received: {dataset}")
    implied = datasets.resolve(dataset)
    size = image_size or implied.constructor.get("image_size", 64)
    channels = image_channels or implied.constructor.get("image_channels", 3)
    flip = (implied.flip is not False and channels != 1) if flip is None else flip
    name = Path(data_dir).resolve().stem if data_dir else dataset.partition(":")[0]
    wanted = {
        "image_size": size,
        "image_channels": channels,
        "seed": seed,
        "dataset": name,
        "labels": labels,
        **({"epochs": epochs} if epochs else {}),
    }
    folder = Path(out or "_".join(["runs/classifier", name.replace("/", "_"), *(labels or ())]))
    with usage_errors(classifiers.ClassifierError):
        if found := classifiers.existing(folder, **wanted):
            print(f"{folder} is complete: right for {found.accuracy:.2%} of the held-out images")
            return

    command.import_tensorflow(debug)
    settings = given.settings() | {"constructor": {"seed": seed}}
    if not data_dir and dataset == datasets.TOY_FASHION:
        settings["data_dir"] = toy_fashion.default_set(size)
    with usage_errors(DataError), usage_errors(classifiers.ClassifierError):
        (images, of_images), held_out, names = classifier_images(settings, size, channels)
        trained = classifiers.train(
            images,
            of_images,
            names,
            held_out,
            name,
            labels=labels,
            epochs=epochs,
            flip=flip,
            seed=seed,
            verbose=2 if debug else 0,
        )
    trained.save(folder)
    print(f"{folder}: right for {trained.facts.accuracy:.2%} of {len(held_out[0])} held-out images")


if __name__ == "__main__":
    cli.run(train)
