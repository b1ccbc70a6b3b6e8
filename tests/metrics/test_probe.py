"""The linear probe: both ways of solving against the closed form, and labels that can be known."""

import numpy as np
import pytest

from gans.metrics import probe


def random_data(count, size, classes=3, seed=0):
    random = np.random.default_rng(seed)
    features = random.standard_normal((count, size)) * random.uniform(0.1, 10, size) + 100
    return features.astype(np.float32), random.integers(0, classes, count)


def closed_form(features, labels, classes, strength):
    """Ridge regression of the standardised features, by the normal equations of the whole."""
    features = features.astype(np.float64)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    x = (features - mean) / deviation
    y = np.eye(classes)[labels]
    share = y.mean(axis=0)
    left = x.T @ x / len(x) + strength * np.eye(x.shape[1])
    weights = np.linalg.solve(left, x.T @ (y - share) / len(x)) / deviation[:, None]
    return weights, share - mean @ weights


def identity(x):
    return x


@pytest.mark.parametrize("count, size", [(60, 7), (20, 35), (2500, 7), (35, 35)])
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_the_weights_are_those_of_the_closed_form(count, size, strength):
    features, labels = random_data(count, size)
    found = probe.fit(identity, features, labels, 3, [strength])
    weights, bias = closed_form(features, labels, 3, strength)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-3, atol=1e-5 * np.abs(weights).max())
    np.testing.assert_allclose(found.bias, bias, rtol=1e-3, atol=1e-3)


def test_two_points_by_hand():
    """Ten images at -1 and ten at 1: the correlation is 1, so w = 0.5 / (1 + strength)."""
    features = np.float32([[-1.0], [1.0]] * 10)
    found = probe.fit(identity, features, np.array([0, 1] * 10), 2, [0.25])
    np.testing.assert_allclose(found.weights, [[-0.4, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(found.bias, [0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("size", [4, 300])
def test_separable_classes_are_told_apart(size):
    random = np.random.default_rng(0)
    centres = 5 * random.standard_normal((4, size))
    labels = np.arange(200) % 4
    features = (centres[labels] + 0.1 * random.standard_normal((200, size))).astype(np.float32)
    found = probe.fit(identity, features[:100], labels[:100], 4)
    assert found.accuracy(identity, features[100:], labels[100:]) == 1.0
    # One wrong label of 100.
    wrong = labels[100:].copy()
    wrong[7] = (wrong[7] + 1) % 4
    assert found.accuracy(identity, features[100:], wrong) == 0.99


def test_labels_of_chance_are_known_by_chance():
    features, labels = random_data(4000, 5, classes=4)
    found = probe.fit(identity, features[:2000], labels[:2000], 4)
    share = found.accuracy(identity, features[2000:], labels[2000:])
    assert abs(share - 0.25) < 4 * (0.25 * 0.75 / 2000) ** 0.5


@pytest.mark.parametrize("size", [3, 60])
def test_features_that_never_vary_have_no_weight(size):
    features, labels = random_data(40, size)
    features[:, 1] = 1234.5
    found = probe.fit(identity, features, labels, 3)
    assert not found.weights[1].any()
    assert np.isfinite(found.weights).all()


@pytest.mark.parametrize("size", [12, 400])
def test_the_strength_is_the_best_one_on_every_tenth_image(size):
    features, labels = random_data(300, size, classes=2)
    labels[features[:, 0] > features[:, 0].mean()] = 1
    tenth = np.arange(300) % 10 == 9
    scores = {}
    for strength in (1e-3, 0.1, 1.0, 10.0, 1000.0):
        weights, bias = closed_form(features[~tenth], labels[~tenth], 2, strength)
        scores[strength] = np.mean((features[tenth] @ weights + bias).argmax(1) == labels[tenth])
    # Of those that are equally good the largest.
    best = max(scores, key=lambda strength: (scores[strength], strength))
    assert len(set(scores.values())) > 1
    found = probe.fit(identity, features, labels, 2, tuple(scores))
    assert found.strength == best
    # The weights are those of all images.
    weights, _ = closed_form(features, labels, 2, best)
    np.testing.assert_allclose(found.weights, weights, rtol=1e-3, atol=1e-5 * np.abs(weights).max())


def test_each_image_is_looked_at_once_a_thousand_at_a_time():
    seen = []

    def features(images):
        seen.append(images.ravel().tolist())
        return np.stack([images.ravel(), images.ravel() ** 2], axis=1)

    images = np.arange(2300.0)[:, None]
    probe.fit(features, images, np.arange(2300) % 2, 2)
    assert list(map(len, seen)) == [1000, 1000, 300]
    assert sum(seen, []) == images.ravel().tolist()


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="expected at least 10 images. Received: 9"):
        probe.fit(identity, np.zeros((9, 2), np.float32), np.zeros(9, int), 2)
