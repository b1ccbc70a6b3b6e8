"""Images of one array: which `.npz` files are read, what is refused, and stacked digits."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gans.data import arrays
from gans.data.images import DataError
from gans.data.stream import cached


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


TRAIN, TEST = noise(5, 6, 6), noise(3, 6, 6, seed=1)


@pytest.fixture
def npz(tmp_path):
    def make(**content) -> Path:
        np.savez_compressed(tmp_path / "a.npz", **content)
        return tmp_path / "a.npz"

    return make


def refusal(path: Path, labelled: bool = True) -> str:
    with pytest.raises(DataError) as error:
        arrays.read_npz(path, labelled)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_training_and_test_images_of_keras_layout_with_class_numbers(npz):
    path = npz(x_train=TRAIN, y_train=[0, 2, 1, 1, 0], x_test=TEST, y_test=[3, 0, 0], other=1)
    train, test = arrays.read_npz(path, labelled=True)
    assert np.array_equal(train.held, TRAIN[..., np.newaxis])
    assert np.array_equal(test.held, TEST[..., np.newaxis])
    assert train.label_names == test.label_names == ("0", "1", "2", "3")
    assert np.array_equal(train.labels, np.eye(4, dtype=np.float32)[[0, 2, 1, 1, 0]])
    assert np.array_equal(test.labels, np.eye(4, dtype=np.float32)[[3, 0, 0]])
    assert train.labels.dtype == np.float32
    assert (train.channels, train.luma, len(train)) == ((1,), (False,), 5)
    assert train.names[-1] == "train/00000004" and test.names[0] == "test/00000000"
    assert train.fingerprint() == {"a.npz": path.stat().st_size}
    assert train.identity() != test.identity()


@pytest.mark.parametrize("column", [False, True])
def test_classes_name_the_numbers(npz, column):
    numbers = np.array([0, 1, 1, 0, 1])
    path = npz(
        images=noise(5, 4, 6, 3), labels=numbers[:, None] if column else numbers, classes=["x", "y"]
    )
    train, held_out = arrays.read_npz(path, labelled=True)
    assert train is held_out
    assert train.label_names == ("x", "y")
    assert train.labels[:, 1].tolist() == numbers.tolist()
    assert (train.channels, train.luma) == ((3,), (True,))


def test_labels_may_be_names_or_rows(npz):
    train, _ = arrays.read_npz(npz(images=TRAIN, labels=["b", "a", "b", "c", "a"]), True)
    assert train.label_names == ("a", "b", "c")
    assert train.labels.argmax(axis=1).tolist() == [1, 0, 1, 2, 0]
    rows = np.array([[1, 1], [0, 1], [0, 0], [1, 0], [1, 1]])
    for kind in (bool, np.uint8, np.float64):
        train, _ = arrays.read_npz(npz(images=TRAIN, labels=rows.astype(kind)), True)
        assert train.labels.tolist() == rows.tolist()
        assert train.label_names == ("0", "1")


def test_without_need_of_labels_none_are_read(npz):
    train, held_out = arrays.read_npz(npz(x_train=TRAIN, x_test=TEST))
    assert train.labels is None and held_out.labels is None
    assert (len(train), len(held_out)) == (5, 3)
    train, _ = arrays.read_npz(npz(x_train=TRAIN, y_train="anything"))
    assert train.labels is None


def test_images_at_their_size_are_not_copied_and_others_are_cut_square_and_resized(npz):
    train, _ = arrays.read_npz(npz(images=noise(5, 6, 6, 3)))
    assert cached(train, 6, "auto", None) is train.held
    assert cached(train, 3, "memory", None).shape == (5, 3, 3, 3)
    wide, _ = arrays.read_npz(npz(images=noise(2, 6, 9, 3)))
    assert np.array_equal(wide.decode(1, 6), wide.held[1][:, 1:7])
    assert [i for i, _ in wide.decoded([1, 0], 6)] == [1, 0]


LABELS = (
    "expected class numbers (n,), names (n,) or rows of zeros and ones (n, k) as the labels of "
    "{}. Received: {}"
)


@pytest.mark.parametrize(
    "content, received",
    [
        ({"labels": [0, 1]}, "shape (2,) for 5 images"),
        ({"labels": np.zeros((5, 2, 2))}, "shape (5, 2, 2) for 5 images"),
        ({"labels": [0, 1, -1, 0, 0]}, "int64 from -1 to 1"),
        # A row would have as many columns.
        ({"labels": [0, 1, 2**40, 0, 0]}, "int64 from 0 to 1099511627776"),
        ({"labels": [0.0, 0.5, 1, 0, 0]}, "float64 from 0.0 to 1.0"),
        ({"labels": np.full((5, 2), 2)}, "int64 of shape (5, 2) with other values"),
        ({"labels": [0, 1, 2, 0, 0], "classes": ["a", "b"]}, "class 2 of 2"),
        ({"labels": [*"abcab"], "classes": ["a", "b"]}, "'c', which is none of the classes"),
        ({"labels": np.eye(5), "classes": ["a", "b"]}, "2 classes for rows of 5"),
        (
            {"labels": [0, 1, 0, 0, 0], "classes": ["a", "a"]},
            "classes <U1 of shape (2,), not a name each",
        ),
    ],
)
def test_labels_of_no_form_are_refused(npz, content, received):
    path = npz(images=TRAIN, **content)
    assert refusal(path) == LABELS.format(path, received)


def test_labels_of_two_forms_are_refused(npz):
    path = npz(x_train=TRAIN, y_train=[0, 1, 0, 0, 0], x_test=TEST, y_test=["a", "b", "a"])
    assert refusal(path) == LABELS.format(path, "int64 (5,) and <U1 (3,)")


def test_what_is_missing_is_named(npz):
    path = npz(x_train=TRAIN, x_test=TEST, y_test=[0, 1, 1])
    assert refusal(path) == (
        f"expected labels, an array y_train, in {path}. Received: x_train, x_test, y_test"
    )
    path = npz(pictures=TRAIN)
    expected = f"expected an array x_train or images in {path}. Received: no arrays"
    assert refusal(path) == expected


@pytest.mark.parametrize(
    "images, received",
    [
        (TRAIN.astype(np.float32), "float32 of shape (5, 6, 6)"),
        (TRAIN[0], "uint8 of shape (6, 6)"),
        (TRAIN[:0], "uint8 of shape (0, 6, 6)"),
    ],
)
def test_images_of_no_form_are_refused(npz, images, received):
    path = npz(images=images)
    assert refusal(path) == (
        f"expected uint8 images (n, height, width[, channels]) as images in {path}. "
        f"Received: {received}"
    )


class Trap:
    def __reduce__(self):
        return pytest.fail, ("expected nothing to be unpickled",)


def test_nothing_is_unpickled(npz, tmp_path):
    array = np.empty(5, object)
    array[:] = [Trap() for _ in range(5)]
    for path in (npz(images=TRAIN, labels=array), npz(images=array)):
        assert refusal(path).startswith(f"expected a whole .npz of plain arrays, {path}. Received:")
    path = tmp_path / "pickle.npz"
    path.write_bytes(pickle.dumps(Trap()))
    assert refusal(path) == (
        f"expected a whole .npz of plain arrays, {path}. Received: File is not a zip file"
    )


def test_a_damaged_file_is_named(npz, tmp_path):
    path = npz(images=noise(50, 8, 8), labels=[0, 1] * 25)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", whole[:400] + bytes(200) + whole[600:]):
        path.write_bytes(content)
        assert refusal(path).startswith(f"expected a whole .npz of plain arrays, {path}. Received:")
    missing = tmp_path / "none.npz"
    assert refusal(missing).endswith("none.npz. Received: No such file or directory")


def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "bomb.npz"
    for shape in ((10**9, 10**5, 10**5), (10**4, 8, 8)):
        with zipfile.ZipFile(path, "w") as archive, archive.open("images.npy", "w") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.write(bytes(100))
        assert refusal(path).startswith(f"expected a whole .npz of plain arrays, {path}. Received:")


def test_arrays_that_do_not_fit_into_memory_are_refused_unread(npz, monkeypatch):
    path = npz(images=TRAIN)
    monkeypatch.setattr(arrays, "available_memory", lambda: 100)
    assert refusal(path) == (
        f"expected arrays that fit into memory in {path}. Received: {TRAIN.size + 128} bytes"
    )


# Stacked digits.


@pytest.fixture
def digits() -> arrays.ArrayImages:
    held = np.stack([np.full((4, 4, 1), n, np.uint8) for n in range(200)])
    return arrays.ArrayImages(held, tuple(map(str, range(200))), Path(__file__))


def test_each_channel_is_one_digit_and_the_triples_are_a_function_of_seed_and_index(digits):
    source = arrays.stacked(digits, 1000, seed=3, side=4)
    assert (len(source), source.channels, source.luma) == (1000, (3,), (True,))
    chosen = source.held.chosen.astype(int)
    every = source.held[np.arange(1000)]
    assert every.shape == (1000, 4, 4, 3) and every.dtype == np.uint8
    assert np.array_equal(every, np.broadcast_to(chosen[:, None, None, :], every.shape))
    assert np.array_equal(source.held[7], every[7])
    assert np.array_equal(source.decode(7, 4), every[7])
    fewer = arrays.stacked(digits, 10, seed=3, side=4)
    assert np.array_equal(fewer.held.chosen, chosen[:10])
    other = arrays.stacked(digits, 1000, seed=4, side=4).held.chosen
    assert np.mean(chosen == other) < 0.02
    assert source.fingerprint() == digits.fingerprint()
    assert source.labels is None


def test_the_choice_is_that_of_splitmix64():
    """The published outputs of the generator whose state begins at 0."""
    golden = 0x9E3779B97F4A7C15
    # `_hashed` begins at (seed + 1) * golden ** 2: places before it lead back to state golden.
    start = golden * golden % 2**64
    inverse = pow(golden, -1, 2**64)
    places = [((1 + i) - start * inverse) % 2**64 for i in range(3)]
    outputs = arrays._hashed(0, np.array(places, np.uint64))
    assert [hex(value) for value in outputs] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_the_choice_is_even_and_its_channels_do_not_depend_on_each_other(digits):
    chosen = arrays.stacked(digits, 40_000, seed=0, side=4).held.chosen.astype(int) % 10
    counts = np.bincount(chosen @ [100, 10, 1], minlength=1000)
    # Chi-square of 999 degrees of freedom: mean 999, standard deviation 44.7.
    assert abs(np.sum((counts - 40) ** 2 / 40) - 999) < 4 * 44.7
