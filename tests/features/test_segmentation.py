"""The segmenter: it finds parts that it can know, at any place."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from drawn import PARTS, scenes

from gans.features.segmentation import Facts, SegmentationError, Segmenter
from gans.metrics.label_scores import label_scores

# Keras hands its variables to NumPy in a way that NumPy will not take for ever.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def build(size, channels, classes):
    facts = Facts(
        classes=tuple(map(str, range(classes))),
        image_size=size,
        image_channels=channels,
        images=0,
        epochs=0,
        seed=0,
        dataset="",
    )
    return Segmenter.build(facts)


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


def test_it_finds_the_parts_and_knows_how_well(segmenter):
    images, labels = scenes(40, 1)
    facts = segmenter.facts
    kept = {name: getattr(facts, name) for name in ("pixel_accuracy", "class_accuracy")}
    kept["class_iou"] = facts.class_iou
    found = segmenter.predict(images)
    assert found.dtype == np.uint8 and found.shape == labels.shape
    assert label_scores(found, labels, 3) == segmenter.scores(images, labels) == kept
    assert min(kept.values()) > 0.9
    assert (facts.images, facts.epochs, facts.classes) == (256, 4, PARTS)


def test_the_score_falls_with_what_is_painted(segmenter):
    """Below that of real photos: blocks without their bars, and photos of other labels."""
    images, labels = scenes(40, 1)
    real = segmenter.scores(images, labels)
    without = images.copy()
    without[labels == 2] = 200
    barless = segmenter.scores(without, labels)
    assert barless["class_accuracy"] < real["class_accuracy"] - 0.25
    others = segmenter.scores(np.roll(images, 1, axis=0), labels)
    assert others["class_iou"] < 0.5 * real["class_iou"]


def test_pixels_of_no_class_are_not_learned_from(segmenter):
    """Whatever is predicted there, the loss is the mean over the others, by their logits alone."""
    logits = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 4, 3)), tf.float32)
    labels = np.random.default_rng(1).integers(0, 3, (2, 4, 4))
    labels[:, :2] = 255
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = segmenter.loss()(labels, logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert not gradient[:, :2].any() and gradient[:, 2:].all()
    odds = np.log(np.exp(logits).sum(axis=-1))
    right = np.take_along_axis(logits.numpy(), np.minimum(labels, 2)[..., None], -1)[..., 0]
    assert float(loss) == pytest.approx((odds - right)[:, 2:].mean(), rel=1e-5)


def test_labels_and_sizes_that_are_refused():
    images, labels = good = scenes(8, 0)
    for bad, received in ((labels.astype(float), "float64"), (labels + 1, "Received: 3")):
        with pytest.raises(SegmentationError, match=received):
            Segmenter.train(images, bad, PARTS, good, "scenes")
        with pytest.raises(SegmentationError, match=received):
            Segmenter.train(*good, PARTS, (images, bad), "scenes")
    for size in (28, 36 * 2, 100):
        with pytest.raises(SegmentationError, match=f"Received: {size}"):
            build(size, 3, 2)
