"""Single images and their labels: which folders are accepted, and what a stream of them is."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.data import labelled, stream
from gans.data.arrays import ArrayImages
from gans.data.data_settings import Preparation
from gans.data.files import ImageFiles
from gans.data.images import DataError

COUNT, BATCH, LOAD, CROP = 10, 4, 12, 8


def save(path: Path, pixels: np.ndarray | None = None, size=(8, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.new("RGB", size) if pixels is None else Image.fromarray(pixels)).save(path)
    return path


def numbered(number: int, side: int = LOAD) -> np.ndarray:
    """Pixels are (y, x, number)."""
    y, x = np.mgrid[:side, :side]
    return np.stack([y, x, np.full_like(y, number)], axis=-1).astype(np.uint8)


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(DataError) as error:
        function(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """10 images whose number is in their pixels, each tagged with its number modulo 3."""
    root = tmp_path_factory.mktemp("numbered")
    for index in range(COUNT):
        save(root / "images" / f"{index}.png", numbered(index))
    lines = [f"{index},number {index % 3}\n" for index in range(COUNT)]
    (root / "tags.csv").write_text("".join(lines))
    return root


@pytest.fixture(scope="module")
def source(folder) -> ImageFiles:
    return labelled.find_images(folder, labelled=True)[0]


# Which images.


def test_all_images_below_a_folder_sorted_and_none_held_out(tmp_path):
    for name in ("b/2.png", "a.jpg", "b/1.jpeg"):
        save(tmp_path / name)
    files, held_out = labelled.find_images(tmp_path)
    assert files is held_out
    assert files.names == ("a.jpg", "b/1.jpeg", "b/2.png")
    assert files.paths[1] == str(tmp_path / "b/1.jpeg")
    assert files.labels is None and (files.part, files.square) == ("whole", True)
    assert files.fingerprint() == {n: (tmp_path / n).stat().st_size for n in files.names}


@pytest.mark.parametrize("domain", ["", "B"])
def test_held_out_images_are_those_of_val_else_of_test_else_the_same(tmp_path, domain):
    for split in ("train", "test", "val"):
        save(tmp_path / f"{split}{domain}" / f"{split}.png")
        if split != "train":
            files, held_out = labelled.find_images(tmp_path)
            assert (files.names, held_out.names) == (("train.png",), (f"{split}.png",))


def test_of_combined_images_the_photo_is_taken(tmp_path):
    half = numbered(1)
    save(tmp_path / "train" / "1.png", np.hstack([half, half + 100]))
    files, _ = labelled.find_images(tmp_path)
    assert np.array_equal(files.decode(0, LOAD), half + 100)
    # Photos of many shapes, of which one happens to be twice as wide as high.
    save(tmp_path / "train" / "2.png", half)
    files, _ = labelled.find_images(tmp_path)
    assert np.array_equal(files.decode(0, LOAD), np.hstack([half[:, 6:], half[:, :6] + 100]))


@pytest.mark.parametrize("height, width", [(5, 9), (9, 5), (6, 9), (7, 7)])
def test_of_other_images_the_largest_square_in_the_middle(tmp_path, height, width):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    files, _ = labelled.find_images(save(tmp_path / "1.png", pixels).parent)
    cut = pixels[top : top + side, left : left + side]
    assert np.array_equal(files.decode(0, side), cut)


def test_arrays_of_any_number_of_channels(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4 * 4 * 5, dtype=np.uint8).reshape(4, 4, 5))
    files, _ = labelled.find_images(tmp_path)
    assert (files.channels, files.luma) == ((5,), (False,))
    ((_, decoded),) = files.decoded([0], 4)
    assert np.array_equal(decoded, np.load(tmp_path / "a.npy"))


def test_folders_without_images_are_refused(tmp_path):
    gone = tmp_path / "gone"
    assert refusal(labelled.find_images, gone) == (
        f"expected images in {gone}. Received: no such folder"
    )
    (tmp_path / "train").mkdir()
    assert refusal(labelled.find_images, tmp_path) == (
        f"expected images in {tmp_path}/train. Received: an empty folder"
    )


def test_an_image_in_place_of_their_folder_is_called_a_file(tmp_path):
    image = save(tmp_path / "a.jpg")
    assert refusal(labelled.find_images, image) == (
        f"expected images in {image}. Received: the file {image}"
    )


# Which labels.


def test_class_folders(tmp_path):
    for name in ("train/dog/1.png", "train/cat/x/2.png", "train/cat/1.png", "val/dog/9.png"):
        save(tmp_path / name)
    files, held_out = labelled.find_images(tmp_path, labelled=True)
    assert files.label_names == held_out.label_names == ("cat", "dog")
    assert dict(zip(files.names, files.labels.tolist(), strict=True)) == {
        "cat/1.png": [1, 0],
        "cat/x/2.png": [1, 0],
        "dog/1.png": [0, 1],
    }
    assert held_out.labels.tolist() == [[0, 1]] and files.labels.dtype == np.float32
    save(tmp_path / "val" / "bird" / "1.png")
    assert refusal(labelled.find_images, tmp_path, labelled=True) == (
        f"expected in {tmp_path}/val the classes of {tmp_path}/train. Received: bird"
    )


def test_class_folders_without_a_split(tmp_path):
    for name in ("dog/1.png", "cat/1.png"):
        save(tmp_path / name)
    files, held_out = labelled.find_images(tmp_path, labelled=True)
    assert files.labels.tolist() == held_out.labels.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("name", ["1.png", "cat/1.png"])
def test_images_without_labels_are_refused_in_words_that_say_what_was_expected(tmp_path, name):
    save(tmp_path / name)
    assert refusal(labelled.find_images, tmp_path, labelled=True) == (
        f"expected labels of the images in {tmp_path}: a file tags.csv or labels.csv, --tags_csv, "
        "or a folder for each of two classes or more. Received: 1 images without"
    )


@pytest.mark.parametrize("name", ["tags.csv", "labels.csv", "elsewhere/mine.csv"])
def test_tags_stand_before_class_folders(tmp_path, name):
    for image in ("a/1.png", "b/2.png"):
        save(tmp_path / "set" / image)
    path = tmp_path / ("set" if "/" not in name else ".") / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("1,red hair\n2,red hair, blue eyes\n")
    named = path if "/" in name else None
    files, _ = labelled.find_images(tmp_path / "set", labelled=True, tags_csv=named)
    assert files.label_names == ("blue eyes", "red hair")
    assert files.labels.tolist() == [[0, 1], [1, 1]]


def test_one_file_of_tags_for_both_splits_has_one_set_of_columns(tmp_path):
    for name in ("train/1.png", "val/2.png"):
        save(tmp_path / name)
    (tmp_path / "tags.csv").write_text("1,a b\n2,c d\n3,e f\n")
    files, held_out = labelled.find_images(tmp_path, labelled=True)
    assert files.label_names == held_out.label_names == ("a b", "c d")
    assert (files.labels.tolist(), held_out.labels.tolist()) == ([[1, 0]], [[0, 1]])
    (tmp_path / "tags.csv").write_text("2,c d\n")
    assert refusal(labelled.find_images, tmp_path, labelled=True) == (
        f"expected labels of the images in {tmp_path}/train. Received: none has any"
    )


def test_images_without_tags_are_counted_and_left_out_or_used_with_no_label(tmp_path):
    for name in ("1.png", "2.png", "3.png", "4.png"):
        save(tmp_path / name)
    (tmp_path / "tags.csv").write_text("3,a b\n2,c d\n4,\n")
    files, held_out = labelled.find_images(tmp_path, labelled=True)
    assert files.names == held_out.names == ("2.png", "3.png")
    assert files.paths == tuple(str(tmp_path / name) for name in files.names)
    assert files.labels.tolist() == [[0, 1], [1, 0]]
    assert labelled.report_unlabelled(files) == (
        "2 of 4 images have no tags, left out; train_matching_cgan.py --use_unlabelled uses them "
        "as unmatched reals"
    )
    files, held_out = labelled.find_images(tmp_path, labelled=True, use_unlabelled=True)
    assert files.names == ("1.png", "2.png", "3.png", "4.png")
    assert files.labels.tolist() == [[0, 0], [0, 1], [1, 0], [0, 0]]
    assert held_out.names == ("2.png", "3.png")
    assert labelled.report_unlabelled(files) is None


def test_where_all_have_labels_there_is_nothing_to_report(source):
    assert labelled.report_unlabelled(source) is None
    assert labelled.report_unlabelled(ArrayImages(None, (), Path())) is None


def test_factors_of_toy_fashion(toy_bags):
    with open(toy_bags / "factors.csv") as file:
        table = list(csv.DictReader(file))
    files, held_out = labelled.find_images(toy_bags, labelled=True)
    assert files.label_names == (
        *("red", "amber", "lime", "green", "cyan", "blue", "violet", "magenta"),
        *("black", "grey", "cream", "taupe"),
    )
    assert (len(files), len(held_out)) == (12, 4)
    names = [files.label_names[row.argmax()] for row in (*files.labels, *held_out.labels)]
    assert names == [row["hue"] for row in table]
    assert set(files.labels.sum(axis=1)) == {1}
    files, _ = labelled.find_images(toy_bags, labelled=True, factors=("hue", "kind"))
    kinds = ("backpack", "bucket", "clutch", "hobo", "satchel", "tote")
    for row, factors in zip(files.labels, table, strict=False):
        expected = {factors["hue"], factors["kind"]}
        assert {files.label_names[place] for place in np.flatnonzero(row)} == expected
    assert set(kinds) >= set(files.label_names[12:])
    told = refusal(labelled.find_images, toy_bags, labelled=True, factors=("colour",))
    assert told.startswith(f"expected a column colour in {toy_bags}/factors.csv. Received: file,")


# The stream.


def dataset(source, with_labels=True, start_step=0, **options) -> tf.data.Dataset:
    options = {"batch_size": BATCH, "image_size": LOAD, "channels": (3,), **options}
    preparation = Preparation(**options)
    return labelled.labelled_batches(
        source, preparation, labelled=with_labels, start_step=start_step
    )


def batches(source, steps: int, **options) -> list:
    return list(dataset(source, **options).take(steps).as_numpy_iterator())


def content(steps: list) -> bytes:
    return b"".join(np.ascontiguousarray(array).tobytes() for array in tf.nest.flatten(steps))


def pixels(steps: list) -> np.ndarray:
    images = np.concatenate([step[0] for step in steps])
    return np.rint((images + 1.0) * 127.5).astype(int)


def test_every_pass_is_a_permutation_and_another_one(source):
    order = pixels(batches(source, 15))[:, 0, 0, 2].reshape(6, COUNT)
    assert np.array_equal(np.sort(order), np.tile(np.arange(COUNT), (6, 1)))
    assert len({tuple(row) for row in order}) == 6
    other = pixels(batches(source, 5, seed=1))[:, 0, 0, 2].reshape(2, COUNT)
    assert not np.array_equal(order[:2], other)


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_labels_go_with_their_images(source, cache):
    steps = batches(source, 10, cache=cache, flip=True, load_size=LOAD, image_size=CROP)
    numbers = pixels(steps)[:, 0, 0, 2]
    labels = np.concatenate([labels for _, labels in steps])
    assert np.array_equal(labels, np.eye(3, dtype=np.float32)[numbers % 3])
    assert labels.dtype == np.float32


def test_without_labels_the_images_are_the_same_and_alone(source):
    alone = batches(source, 4, with_labels=False)
    assert content(alone) == content([images for images, _ in batches(source, 4)])
    assert alone[0].shape == (BATCH, LOAD, LOAD, 3)


def test_shapes_are_known_before_the_first_batch(source):
    for cache in ("memory", "none"):
        images, labels = dataset(source, image_size=8, load_size=12, cache=cache).element_spec
        assert (images.shape, labels.shape) == ((4, 8, 8, 3), (4, 3))


@pytest.mark.parametrize("image_channels", [3, 1])
@pytest.mark.parametrize("image_size, load_size", [(CROP, LOAD), (LOAD, None), (CROP, CROP)])
@pytest.mark.parametrize("flip", [False, True])
def test_a_batch_made_as_one_is_that_of_the_elementwise_stream(
    source, tmp_path, image_channels, image_size, load_size, flip
):
    options = {
        "image_size": image_size,
        "channels": (image_channels,),
        # Of 10 images: nearly each batch reaches over the end of a pass.
        "batch_size": 9,
        "load_size": load_size,
        "flip": flip,
        "seed": 5,
        "cache_dir": tmp_path,
    }
    channels = {"image_channels": image_channels}
    # Without a cache they are prepared one by one.
    elements = stream.augmented(source, Preparation(cache="none", **options), channels, first=8)
    expected = [images for (images,), _ in elements.take(8).as_numpy_iterator()]
    for cache in ("none", "memory", "disk"):
        preparation = Preparation(cache=cache, **options)
        made = stream.augmented(source, preparation, channels, first=8)
        steps = list(made.take(8).as_numpy_iterator())
        assert content([images for (images,), _ in steps]) == content(expected)
        order = np.concatenate([indices for _, indices in steps])[2:]
        assert np.array_equal(np.sort(order[:COUNT]), np.arange(COUNT))


def test_crops_and_flips_take_every_value_and_mirror_the_whole_image(source):
    images = pixels(batches(source, 60, image_size=CROP, load_size=LOAD, flip=True))
    mirrored = images[:, 0, 0, 1] > images[:, 0, -1, 1]
    assert 0.4 < mirrored.mean() < 0.6
    upright = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    corners = upright[:, 0, 0, :2]
    assert {tuple(corner) for corner in corners} == {(y, x) for y in range(5) for x in range(5)}
    assert np.array_equal(
        upright[..., :2] - corners[:, None, None],
        numbered(0, CROP)[None][..., :2].repeat(len(upright), axis=0),
    )


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_a_stream_that_starts_later_is_the_rest_of_it(source, cache):
    options = {"cache": cache, "flip": True, "image_size": CROP, "load_size": LOAD, "seed": 2}
    every = batches(source, 12, **options)
    assert content(batches(source, 5, start_step=7, **options)) == content(every[7:])
    assert content(batches(source, 12, parallel_calls=1, **options)) == content(every)


def test_grey_is_the_luma_and_other_channels_are_refused(source, tmp_path):
    grey = batches(source, 1, channels=(1,))[0][0]
    colour = batches(source, 1)[0][0]
    assert np.allclose(grey[..., 0], colour @ np.float32([0.299, 0.587, 0.114]), atol=1e-6)
    digits = ArrayImages(np.zeros((8, 12, 12, 1), np.uint8), ("0",) * 8, Path())
    assert refusal(batches, digits, 1, channels=(3,), with_labels=False) == (
        "expected images of 3 channels, as --image_channels says. Received: images of 1 channels"
    )


def test_what_does_not_fill_a_batch_is_refused(source):
    told = refusal(batches, source, 1, batch_size=11)
    assert "at least 11 images" in told and "Received: 10; lower --batch_size" in told
    with pytest.raises(ValueError, match="expected a source with labels"):
        batches(ArrayImages(np.zeros((8, 12, 12, 3), np.uint8), ("0",) * 8, Path()), 1)
    with pytest.raises(ValueError, match="`load_size` must be at least `image_size`, 12"):
        batches(source, 1, load_size=8)


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_a_damaged_file_is_named(tmp_path, cache):
    for index in range(4):
        noise = np.random.default_rng(index).integers(0, 256, (64, 64, 3), np.uint8)
        save(tmp_path / f"{index}.jpg", noise)
    data = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(data[: len(data) // 2])
    files, _ = labelled.find_images(tmp_path)

    def run():
        with stream.naming_damage(files):
            batches(files, 1, cache=cache, with_labels=False)

    assert refusal(run) == (
        f"expected images that decode. Received 1 damaged: {tmp_path / '2.jpg'}"
    )


def test_the_first_images_are_loaded_as_they_are_with_their_labels(source):
    images, labels = labelled.load_images(source, 4, LOAD, 3, labelled=True)
    assert np.array_equal(pixels([(images,)]), [numbered(index) for index in range(4)])
    assert labels.tolist() == source.labels[:4].tolist()
    (images,) = labelled.load_images(source, 64, LOAD, 3)
    assert len(images) == COUNT


# Real data.


def sample(name: str) -> Path:
    root = os.environ.get("GANS_SAMPLE_DATA", "")
    if not (Path(root) / name).exists() or not root:
        pytest.skip("needs GANS_SAMPLE_DATA")
    return Path(root) / name


def test_anime_faces_have_12_hair_and_11_eye_colours():
    files, _ = labelled.find_images(sample("anime_faces"), labelled=True)
    parts = [name.split()[-1] for name in files.label_names]
    assert (parts.count("hair"), parts.count("eyes"), len(parts)) == (12, 11, 23)
    assert len(files) == 1000 and files.without == 0
    place = files.names.index("images/1026.jpg")
    with open(sample("anime_faces") / "tags.csv") as file:
        (line,) = [text for text in file if text.startswith("1026,")]
    tags = {files.label_names[i] for i in np.flatnonzero(files.labels[place])}
    assert line.split(",")[1].split() == " ".join(sorted(tags, key=lambda t: "eyes" in t)).split()
    assert set(files.labels.sum(axis=1)) == {2}


def test_photos_of_edges2handbags_are_the_right_halves():
    files, held_out = labelled.find_images(sample("edges2handbags"))
    assert (len(files), len(held_out), files.part) == (500, 50, "right")
    photo = Image.open(files.paths[3]).crop((256, 0, 512, 256))
    difference = np.abs(np.asarray(photo, int) - files.decode(3, 256).numpy())
    assert difference.mean() < 1
