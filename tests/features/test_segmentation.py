"""The segmenter: it finds parts that it can know, at any place, and keeps what it learned."""

import json

import keras
import numpy as np
import pytest

from gans.features import segmentation
from gans.features.segmentation import (
    SegmentationError,
    build,
    default_epochs,
    existing,
    load,
    train,
)
from gans.metrics.label_scores import label_scores

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("ground", "block", "bar")


def scenes(count, seed, size=32):
    """A red block and a green bar of two pixels on noise, each anywhere, and the labels."""
    random = np.random.default_rng(seed)
    images = random.integers(150, 256, (count, size, size, 3), np.uint8)
    labels = np.zeros((count, size, size), np.uint8)
    for image, truth in zip(images, labels, strict=True):
        top, left = random.integers(0, size - 12, 2)
        row = random.integers(0, size - 2)
        truth[top : top + 12, left : left + 12] = 1
        truth[row : row + 2] = 2
        image[truth == 1] = (200, 20, 20)
        image[truth == 2] = (20, 160, 20)
    return images, labels


@pytest.fixture(scope="module")
def trained():
    return train(*scenes(256, 0), NAMES, scenes(40, 1), "scenes", epochs=4, seed=5)


@pytest.fixture
def saved(trained, tmp_path):
    trained.save(tmp_path / "segmenter")
    return tmp_path / "segmenter"


def test_parameters_by_hand():
    model = build(64, 3, 5)
    convolutions = 9 * (3 * 16 + 16 * 32 + 32 * 64 + 64 * 64 + 64 * 64)
    # The scores of four levels, what a normalisation has, and the classes with their biases.
    scores = (16 + 32 + 64 + 64) * 16
    normalised = 4 * (16 + 32 + 64 + 64 + 64 + 16)
    assert model.count_params() == convolutions + scores + normalised + 9 * 16 * 5 + 5
    assert model.output_shape == (None, 64, 64, 5)


@pytest.mark.parametrize(("size", "poolings"), [(32, 2), (48, 3), (64, 3), (128, 4), (256, 5)])
def test_larger_photos_are_halved_more_often(size, poolings):
    model = build(size, 3, 2)
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert len(found) == poolings and model.output_shape == (None, size, size, 2)


def test_it_finds_the_parts_and_knows_how_well(trained):
    images, labels = scenes(40, 1)
    facts = trained.facts
    kept = {name: getattr(facts, name) for name in ("pixel_accuracy", "class_accuracy")}
    kept["class_iou"] = facts.class_iou
    found = trained.predict(images)
    assert found.dtype == np.uint8 and found.shape == labels.shape
    assert label_scores(found, labels, 3) == trained.scores(images, labels) == kept
    assert min(kept.values()) > 0.9
    assert (facts.images, facts.epochs, facts.classes) == (256, 4, NAMES)


def test_the_score_falls_with_what_is_painted(trained):
    """Below that of real photos: blocks without their bars, and photos of other labels."""
    images, labels = scenes(40, 1)
    real = trained.scores(images, labels)
    without = images.copy()
    without[labels == 2] = 200
    barless = trained.scores(without, labels)
    assert barless["class_accuracy"] < real["class_accuracy"] - 0.25
    others = trained.scores(np.roll(images, 1, axis=0), labels)
    assert others["class_iou"] < 0.5 * real["class_iou"]


def test_the_same_seed_gives_the_same_segmenter(trained):
    """Whatever other draws there were, which are left alone; and of 8 bits or of floats."""
    images, labels = scenes(256, 0)
    keras.utils.set_random_seed(99)
    before = np.random.get_state()[1].copy()
    floats = images.astype(np.float32) / 127.5 - 1
    again = train(floats, labels, NAMES, scenes(40, 1), "scenes", epochs=4, seed=5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    held_out = scenes(8, 2)[0] / np.float32(127.5) - 1
    # Of other orders the logits differ by one half and more.
    np.testing.assert_allclose(again.model(held_out), trained.model(held_out), atol=0.05)


def test_another_seed_gives_other_weights():
    networks = [build(32, 3, 2, seed=seed) for seed in (0, 0, 1)]
    kernels = [
        [layer.kernel.numpy() for layer in network.layers if hasattr(layer, "kernel")]
        for network in networks
    ]
    assert len(kernels[0]) == 8
    for a, b, c in zip(*kernels, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 0.01


def test_pixels_of_no_class_are_not_learned_from():
    """The upper half of each map says nothing, the lower all that there is to know."""
    images, labels = scenes(128, 0)
    labels[:, :16] = 255
    segmenter = train(images, labels, NAMES, scenes(20, 1), "scenes", epochs=5)
    assert segmenter.facts.pixel_accuracy > 0.9


def test_a_photo_does_not_depend_on_its_company(trained, monkeypatch):
    images = scenes(9, 3)[0]
    together = trained.predict(images)
    monkeypatch.setattr(segmentation, "CHUNK_PIXELS", 4 * 32 * 32)
    np.testing.assert_array_equal(trained.predict(images), together)
    np.testing.assert_array_equal(trained.predict(images[7:8]), together[7:8])
    np.testing.assert_array_equal(
        trained.predict(images / np.float32(127.5) - 1), trained.predict(images)
    )
    assert trained.predict(images[:0]).shape == (0, 32, 32)


def test_it_is_float32_in_a_run_of_bfloat16():
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = build(32, 3, 2)(images)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = build(32, 3, 2)(images)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(2, 32, 32), (2, 64, 64, 3), (2, 32, 32, 1)])
def test_photos_of_another_shape_are_refused(trained, shape):
    with pytest.raises(ValueError, match=r"expected images \(n, 32, 32, 3\). Received: \(2, "):
        trained.predict(np.zeros(shape, np.float32))


def test_what_cannot_be_trained_on():
    images, labels = scenes(8, 0)
    good = (images, labels)
    for bad, message in (
        ((images[:, :, :20], labels), r"expected square images .* Received: \(8, 32, 20, 3\)"),
        ((images[:0], labels[:0]), "expected square images"),
        ((images, labels[:4]), r"integers \(8, 32, 32\). Received: uint8 \(4, 32, 32\)"),
        ((images, labels.astype(float)), "Received: float64"),
        ((images, labels + 1), "labels from 0 to 2, or 255. Received: 3"),
    ):
        with pytest.raises(SegmentationError, match=message):
            train(*bad, NAMES, good, "scenes")
        with pytest.raises(SegmentationError, match=message):
            train(*good, NAMES, bad, "scenes")
    for size in (28, 36 * 2):
        with pytest.raises(SegmentationError, match=f"halved down to 8 .* Received: {size}"):
            train(*scenes(8, 0, size), NAMES, scenes(8, 0, size), "scenes")


def test_back_from_the_folder(trained, saved):
    assert sorted(path.name for path in saved.iterdir()) == [
        "segmenter.json",
        "segmenter.weights.h5",
    ]
    again = load(saved)
    assert again.facts == trained.facts
    images = scenes(4, 4)[0]
    np.testing.assert_array_equal(again.predict(images), trained.predict(images))
    again.save(saved)
    assert load(saved).facts == trained.facts


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "segmenter.json").unlink(), "segmenter without segmenter.json"),
        (lambda f: (f / "segmenter.json").write_text("{}"), "expected facts of a segmenter"),
        (lambda f: (f / "segmenter.json").write_text("[1]"), "expected facts of a segmenter"),
        (lambda f: (f / "segmenter.json").write_bytes(b"\xff"), "expected facts of a segmenter"),
        (lambda f: (f / "segmenter.weights.h5").unlink(), "No such file or directory"),
        (
            lambda f: (f / "segmenter.weights.h5").write_bytes(b"x"),
            "with the sha256 that segmenter.json names. Received: 2d711642",
        ),
    ],
)
def test_damage_is_one_line(saved, damage, message):
    damage(saved)
    with pytest.raises(SegmentationError, match=message) as error:
        load(saved)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": []},
        {"image_size": 8},
        {"image_size": 100},
        {"image_size": "x"},
        {"image_channels": 0},
        {"surprise": 1},
        {"classes": None},
    ],
)
def test_facts_that_make_no_sense_are_refused(saved, change):
    path = saved / "segmenter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SegmentationError, match="expected facts of a segmenter. Received: "):
        load(saved)


def test_weights_of_another_network_are_one_line(saved):
    path = saved / "segmenter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": ["a", "b"]}))
    with pytest.raises(SegmentationError, match="expected weights of ") as error:
        load(saved)
    assert "\n" not in str(error.value)


def test_what_a_folder_holds(saved, tmp_path):
    assert existing(tmp_path / "new", seed=3) is None
    assert existing(saved, seed=5, dataset="scenes", classes=NAMES).class_iou > 0.5
    with pytest.raises(SegmentationError, match="other settings: seed 5 -> 3, image_size 32 -> 64"):
        existing(saved, seed=3, image_size=64, dataset="scenes")
    (tmp_path / "mine").mkdir()
    assert existing(tmp_path / "mine") is None
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(SegmentationError, match="mine, which holds photo.jpg"):
        existing(tmp_path / "mine")
    with pytest.raises(SegmentationError, match="Received: the file .*photo.jpg"):
        existing(tmp_path / "mine" / "photo.jpg")
    # What a process leaves that was killed while it saved.
    (saved / "segmenter.json").unlink()
    (saved / ".segmenter.tmp.weights.h5").touch()
    assert existing(saved) is None


def test_few_photos_are_looked_at_more_often():
    counts = (1000, 10_000, 10**7, 100)
    assert [default_epochs(count) for count in counts] == [15, 2, 2, 40]
