"""From "which data, which part" to a source: the only place that knows where images come from."""

from pathlib import Path

from gans.data import arrays, datasets, labelled, pairs, prepared, unpaired
from gans.data.data_settings import DataSettings, Part
from gans.data.images import DataError
from gans.data.stream import Source

# Of stacked digits, as many as PacGAN (arXiv:1712.04086, section 4.2) trains on.
STACKED_IMAGES = 128_000


def find(data: DataSettings, part: Part, seed: int = 0) -> tuple[Source, ...]:
    """The source of pairs, the sources of the two domains, or the source of single images.

    Args:
        data: which data.
        part: what is trained on, or what is held out; the same where nothing is held out.
        seed: of stacked digits, which are drawn.

    Raises `DataError` for data that cannot be used.
    """
    if data.kind == "pairs":
        return (_pairs(data, part),)
    if data.kind == "domains":
        return tuple(_domains(data, part))
    return find_both(data, seed)[part != "train"]


def find_both(data: DataSettings, seed: int = 0) -> tuple[tuple[Source, ...], tuple[Source, ...]]:
    """What `find` gives of both parts; of single images, which share their labels, read once."""
    if data.kind in ("pairs", "domains"):
        return find(data, "train"), find(data, "held_out")
    training, held_out = _images(data, seed)
    return (training,), (held_out,)


def _pairs(data: DataSettings, part: Part) -> Source:
    if data.data_dir is None:
        split = "train" if part == "train" else prepared.HELD_OUT
        return prepared.prepared_pairs(data.dataset, data.tfds_dir, split, data.direction)
    if part == "train":
        return pairs.find_pairs(data.data_dir, "train", data.direction)
    return pairs.find_validation(data.data_dir, data.direction)


def _domains(data: DataSettings, part: Part) -> tuple[Source, Source]:
    # What is held out has its partners, whatever was trained on.
    disjoint = bool(data.disjoint) and part == "train"
    if data.data_dir is None:
        split = "train" if part == "train" else prepared.HELD_OUT
        names = (data.dataset, data.tfds_dir, data.dataset_b)
        return prepared.prepared_domains(*names, split, data.direction, disjoint)
    folders = (data.data_dir, data.data_dir_b)
    if part == "train":
        return unpaired.find_domains(*folders, "train", data.direction, disjoint)
    return unpaired.find_validation(*folders, data.direction)


def _images(data: DataSettings, seed: int) -> tuple[Source, Source]:
    """The images that are trained on, and those that are held out."""
    wanted = bool(data.labelled)
    if data.data_dir and Path(data.data_dir).suffix == ".npz":
        return arrays.read_npz(data.data_dir, wanted)
    if data.data_dir:
        return labelled.find_images(
            data.data_dir,
            labelled=wanted,
            factors=data.labels,
            tags_csv=data.tags_csv,
            use_unlabelled=data.use_unlabelled,
        )
    if data.dataset in (None, datasets.TOY_FASHION):
        raise ValueError("expected settings with the folder of toy fashion. Received: no data_dir")
    datasets.resolve(data.dataset)
    splits = "train", prepared.HELD_OUT
    if data.dataset != datasets.STACKED_MNIST:
        return tuple(
            prepared.prepared_images(data.dataset, data.tfds_dir, split, wanted) for split in splits
        )
    if wanted:
        raise DataError(
            "expected data with labels. Received: stacked_mnist, whose 1,000 modes have none"
        )
    digits, held_out = (prepared.prepared_images("mnist", data.tfds_dir, split) for split in splits)
    return (
        arrays.stacked(digits, STACKED_IMAGES, seed),
        arrays.stacked(held_out, len(held_out), seed),
    )
