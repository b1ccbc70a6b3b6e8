"""What the classifier and the segmenter share: training, the folder, and what is refused."""

import json
import shutil

import keras
import numpy as np
import pytest
from drawn import PARTS, SIDES, halves, scenes

from gans.features.classifier import Classifier
from gans.features.classifier import Facts as ClassifierFacts
from gans.features.segmentation import Facts as SegmenterFacts
from gans.features.segmentation import Segmenter

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

KNOWN = {"images": 9, "epochs": 1, "seed": 5, "dataset": "drawn"}
FACTS = {
    Classifier: ClassifierFacts(
        classes=SIDES, image_size=28, image_channels=1, exclusive=True, **KNOWN
    ),
    Segmenter: SegmenterFacts(classes=PARTS, image_size=32, image_channels=3, **KNOWN),
}
IMAGES = {Classifier: halves(9, 3)[0], Segmenter: scenes(9, 3)[0]}


@pytest.fixture(scope="module", params=[Classifier, Segmenter], ids=lambda kind: kind.kind)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def network(kind):
    return kind(kind.build(FACTS[kind], seed=1), FACTS[kind])


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    """Not to be changed."""
    path = tmp_path_factory.mktemp("networks") / network.kind
    network.save(path)
    return path


@pytest.fixture
def saved(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "folder")


# The network.


def test_weights_are_those_of_the_seed(kind):
    networks = [kind.build(FACTS[kind], seed) for seed in (0, 0, 1)]
    kernels = [
        [layer.kernel.numpy() for layer in n.layers if hasattr(layer, "kernel")] for n in networks
    ]
    assert len(kernels[0]) > 3
    for a, b, c in zip(*kernels, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 0.01


def test_it_is_float32_in_a_run_of_bfloat16(kind, network):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = kind.build(FACTS[kind], seed=1)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        found = kind(model, FACTS[kind]).predict(IMAGES[kind])
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    np.testing.assert_array_equal(found, network.predict(IMAGES[kind]))


def test_an_image_does_not_depend_on_its_company(kind, network, monkeypatch):
    """Nor on whether it is of 8 bits or of floats."""
    images = IMAGES[kind]
    together = network.predict(images)
    np.testing.assert_array_equal(network.predict(images / np.float32(127.5) - 1), together)
    monkeypatch.setattr("gans.features.classifier.CHUNK", 4)
    monkeypatch.setattr("gans.features.segmentation.CHUNK_PIXELS", 4 * 32 * 32)
    np.testing.assert_allclose(network.predict(images), together, atol=1e-5)
    np.testing.assert_allclose(network.predict(images[7:8]), together[7:8], atol=1e-5)
    assert network.predict(images[:0]).shape == (0, *together.shape[1:])


@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 64, 64, 1), (2, 28, 28, 3), (2, 32, 32, 1)])
def test_images_of_another_shape_are_refused(network, shape):
    with pytest.raises(ValueError, match=r"Received: \(2, "):
        network.predict(np.zeros(shape, np.float32))


# Training.


@pytest.mark.parametrize("kind", [Classifier, Segmenter])
def test_the_same_seed_gives_the_same_network(kind, request):
    """Whatever other draws there were, which are left alone; and of 8 bits or of floats."""
    first = request.getfixturevalue(kind.kind)
    draw, tolerance = (halves, 1e-3) if kind is Classifier else (scenes, 0.05)
    images, labels = draw(256, 0)
    keras.utils.set_random_seed(99)
    before = np.random.get_state()[1].copy()
    floats, facts = images.astype(np.float32) / 127.5 - 1, first.facts
    options = {"epochs": facts.epochs, "seed": facts.seed}
    again = kind.train(floats, labels, facts.classes, draw(8, 1), facts.dataset, **options)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert (again.facts.images, again.facts.epochs, again.facts.seed) == (256, facts.epochs, 5)
    # Of other orders the segmenter's logits differ by one half and more.
    np.testing.assert_allclose(again.model(floats[:8]), first.model(floats[:8]), atol=tolerance)


def test_half_of_the_images_are_mirrored_and_maps_with_them(kind, network):
    draw = halves if kind is Classifier else scenes
    images, labels = draw(50, 0)
    before = images.copy()
    plain, flipped = (list(network.batches(images, labels, flip)) for flip in (False, True))
    assert len(plain) == len(flipped) == -(-50 // kind.batch_size)
    mirrored = 0
    for (a, of_a), (b, of_b) in zip(plain, flipped, strict=True):
        for one, other, label, other_label in zip(a, b, of_a, of_b, strict=True):
            turned = not np.array_equal(one, other)
            mirrored += turned
            np.testing.assert_array_equal(one[:, ::-1] if turned else one, other)
            is_map = label.ndim > 1
            np.testing.assert_array_equal(
                label[:, ::-1] if turned and is_map else label, other_label
            )
    assert 15 < mirrored < 35
    np.testing.assert_array_equal(images, before)


def test_images_that_cannot_be_trained_on(kind):
    draw, names = (halves, SIDES) if kind is Classifier else (scenes, PARTS)
    images, labels = good = draw(8, 0)
    small = draw(8, 0, size=20)
    for bad, received in (
        ((images[:, :, :20], labels), ", 20, "),
        ((images[:0], labels[:0]), "(0, "),
        ((images, labels[:4]), "(4, "),
    ):
        for sets in ((*bad, names, good), (*good, names, bad)):
            with pytest.raises(kind.error) as error:
                kind.train(*sets, "drawn")
            assert received in str(error.value)
    with pytest.raises(kind.error, match="Received: 20"):
        kind.train(*small, names, small, "drawn")


def test_few_images_are_looked_at_more_often():
    counts = (60_000, 20_000, 1000, 10, 10**7)
    assert [Classifier.default_epochs(count) for count in counts] == [3, 9, 20, 20, 3]
    counts = (1000, 10_000, 10**7, 100)
    assert [Segmenter.default_epochs(count) for count in counts] == [15, 2, 2, 40]


# The folder.


def test_back_from_the_folder(kind, network, saved):
    names = [f"{kind.kind}.json", f"{kind.kind}.weights.h5"]
    assert sorted(path.name for path in saved.iterdir()) == names
    again = kind.load(saved)
    assert again.facts == network.facts
    np.testing.assert_array_equal(again.predict(IMAGES[kind]), network.predict(IMAGES[kind]))
    again.save(saved)
    assert kind.load(saved).facts == network.facts


@pytest.mark.parametrize(
    ("file", "damage", "received"),
    [
        ("{}.json", lambda path: path.unlink(), "without {}.json"),
        ("{}.json", lambda path: path.write_text("{}"), "{}.json"),
        ("{}.json", lambda path: path.write_text("[1]"), "{}.json"),
        ("{}.json", lambda path: path.write_bytes(b"\xff"), "{}.json"),
        ("{}.weights.h5", lambda path: path.unlink(), "No such file or directory"),
        ("{}.weights.h5", lambda path: path.write_bytes(b"x"), "Received: 2d711642"),
    ],
)
def test_damage_is_one_line(kind, saved, file, damage, received):
    damage(saved / file.replace("{}", kind.kind))
    with pytest.raises(kind.error) as error:
        kind.load(saved)
    assert received.replace("{}", kind.kind) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"classes": []},
        {"classes": None},
        {"classes": "ab"},
        {"image_size": 8},
        {"image_size": "x"},
        {"image_channels": 0},
        {"surprise": 1},
    ],
)
def test_facts_that_make_no_sense_are_refused(kind, saved, change):
    path = saved / f"{kind.kind}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(kind.error, match=f"Received: .*{path.name}"):
        kind.load(saved)


def test_weights_of_another_network_are_one_line(kind, saved):
    path = saved / f"{kind.kind}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": [*"abcd"]}))
    with pytest.raises(kind.error, match="weights.h5") as error:
        kind.load(saved)
    assert "\n" not in str(error.value)


def test_what_a_folder_holds(kind, saved, tmp_path):
    assert kind.existing(tmp_path / "new", seed=3) is None
    assert kind.existing(saved, seed=5, classes=FACTS[kind].classes) == FACTS[kind]
    size = FACTS[kind].image_size
    with pytest.raises(kind.error, match=f"seed 5 -> 3, image_size {size} -> 64;"):
        kind.existing(saved, seed=3, image_size=64, dataset="drawn")
    (tmp_path / "mine").mkdir()
    assert kind.existing(tmp_path / "mine") is None
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(kind.error, match="mine, which holds photo.jpg"):
        kind.existing(tmp_path / "mine")
    with pytest.raises(kind.error, match="Received: the file .*photo.jpg"):
        kind.existing(tmp_path / "mine" / "photo.jpg")


def test_a_save_that_was_interrupted(kind, network, tmp_path, monkeypatch):
    """Nothing that is there looks whole, and the next one may begin again."""

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gans.features.trained.write_text", fail)
    with pytest.raises(KeyboardInterrupt):
        network.save(tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [f"{kind.kind}.weights.h5"]
    (tmp_path / "folder" / f".tmp-{kind.kind}.weights.h5").touch()  # As a killed process leaves.
    assert kind.existing(tmp_path / "folder") is None
