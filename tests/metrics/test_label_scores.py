"""The FCN-score's three numbers, computed by hand."""

import numpy as np
import pytest

from gans.metrics.label_scores import label_scores

TRUTH = np.array([[[0, 0, 0, 0], [0, 0, 1, 1]], [[1, 1, 2, 2], [0, 0, 0, 0]]], np.uint8)
PREDICTED = np.array([[[0, 0, 0, 1], [0, 0, 1, 1]], [[1, 0, 2, 0], [0, 0, 0, 0]]], np.uint8)


def test_by_hand():
    # Of 10 pixels of class 0, one is taken for 1; of 4 of class 1, one for 0; of 2 of 2, one for 0.
    assert label_scores(PREDICTED, TRUTH, 3) == {
        "pixel_accuracy": pytest.approx(13 / 16),
        "class_accuracy": pytest.approx((9 / 10 + 3 / 4 + 1 / 2) / 3),
        "class_iou": pytest.approx((9 / 12 + 3 / 5 + 1 / 2) / 3),
    }


def test_the_pixels_of_all_photos_count_at_once():
    """Not the mean over the photos: the class of the second one is in no other."""
    truth = np.array([[[0, 0, 0, 0]], [[1, 0, 0, 0]]])
    predicted = np.array([[[0, 0, 0, 1]], [[1, 0, 0, 0]]])
    found = label_scores(predicted, truth, 2)
    assert found["class_iou"] == pytest.approx((6 / 7 + 1 / 2) / 2)


def test_equal_maps_are_perfect_and_swapped_ones_are_all_wrong():
    perfect = {"pixel_accuracy": 1, "class_accuracy": 1, "class_iou": 1}
    assert label_scores(TRUTH, TRUTH, 3) == perfect
    two = np.minimum(TRUTH, 1)
    assert label_scores(1 - two, two, 2) == dict.fromkeys(perfect, 0)


def test_classes_that_are_nowhere_are_left_out():
    assert label_scores(PREDICTED, TRUTH, 9) == label_scores(PREDICTED, TRUTH, 3)


def test_a_class_that_is_predicted_only_has_no_accuracy_and_no_overlap():
    truth, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    found = label_scores(predicted, truth, 3)
    assert found["class_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["class_iou"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_one_class_everywhere_gets_its_share():
    found = label_scores(np.zeros_like(TRUTH), TRUTH, 3)
    assert found == {
        "pixel_accuracy": pytest.approx(10 / 16),
        "class_accuracy": pytest.approx(1 / 3),
        "class_iou": pytest.approx(10 / 16 / 3),
    }


def test_pixels_of_no_class_are_left_out():
    truth = np.where(TRUTH == 2, 255, TRUTH).astype(np.uint8)
    # Of the 14 that are left 9 and 3 are right; one is taken for class 2, which has no accuracy.
    found = label_scores(PREDICTED, truth, 3)
    assert found["pixel_accuracy"] == pytest.approx(12 / 14)
    assert found["class_accuracy"] == pytest.approx((9 / 10 + 3 / 4) / 2)
    signed = np.where(TRUTH == 2, -1, TRUTH.astype(np.int64))
    assert label_scores(PREDICTED, signed, 3) == label_scores(PREDICTED, truth, 3)
    with pytest.raises(ValueError, match="pixels of a known class. Received: none"):
        label_scores(PREDICTED, np.full_like(TRUTH, 255), 3)


def test_many_classes_do_not_overflow_their_bytes():
    labels = np.arange(200, dtype=np.uint8)
    assert set(label_scores(labels, labels, 200).values()) == {1.0}


@pytest.mark.parametrize(
    ("predicted", "truth", "message"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), r"integers of one shape. Received: int64 "),
        (np.zeros((2, 2)), np.zeros((2, 2), int), "integers of one shape. Received: float64"),
        (np.full((2, 2), 3), np.zeros((2, 2), int), "classes from 0 to 2. Received: from 3 to 3"),
        (np.full((2, 2), -1), np.zeros((2, 2), int), "classes from 0 to 2. Received: from -1"),
    ],
)
def test_what_is_no_pair_of_maps(predicted, truth, message):
    with pytest.raises(ValueError, match=message):
        label_scores(predicted, truth, 3)
