"""What is no set of features is refused in one line that says what is wrong."""

import re

import numpy as np
import pytest

from gans.metrics.rows import check, check_pair


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_right_comes_back_as_it_is(dtype):
    features = np.zeros((3, 2), dtype)
    assert check(features) is features
    assert check(np.zeros((0, 2), dtype)).shape == (0, 2)


@pytest.mark.parametrize(
    ("features", "received"),
    [
        (np.zeros((3, 2), int), "int64 (3, 2)"),
        (np.zeros((3, 2), np.uint8), "uint8 (3, 2)"),
        (np.zeros(3), "float64 (3,)"),
        (np.zeros((3, 0)), "float64 (3, 0)"),
        (np.zeros((2, 2, 2), np.float32), "float32 (2, 2, 2)"),
    ],
)
def test_other_kinds_and_shapes_are_refused(features, received):
    with pytest.raises(ValueError, match=re.escape(f"(n, d). Received: {received}") + "$"):
        check(features)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_counted_and_placed(bad):
    features = np.zeros((5, 3), np.float32)
    features[2, 1] = features[4, 0] = features[4, 2] = bad
    with pytest.raises(ValueError, match=r"finite logits\. .* 2 of 5 rows, the first .* row 2$"):
        check(features, "logits")


def test_two_sets_have_one_width():
    real, fake = check_pair(np.zeros((3, 2)), np.ones((4, 2)))
    assert real.sum() == 0 and fake.sum() == 8
    with pytest.raises(ValueError, match=r"expected features of one width. Received: 2 and 3$"):
        check_pair(np.zeros((3, 2)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match="finite features of fakes"):
        check_pair(np.zeros((3, 2)), np.full((3, 2), np.nan))
