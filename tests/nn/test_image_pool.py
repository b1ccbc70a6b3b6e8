"""The image history: its rule beside the same rule in NumPy, and that it is kept."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn.image_pool import ImagePool
from gans.training.checkpoints import Checkpoints

SHAPE = (2, 3, 1)


class Restatement:
    """`util/image_pool.py` of the official code, with the draws from outside."""

    def __init__(self, size):
        self.size, self.images = size, []

    def __call__(self, images, draws):
        shown = []
        for image, (swap, which) in zip(images, draws, strict=True):
            if len(self.images) < self.size:
                self.images.append(image)
                shown.append(image)
            elif swap > 0.5:
                slot = int(which * self.size)
                shown.append(self.images[slot])
                self.images[slot] = image
            else:
                shown.append(image)
        return np.stack(shown)


def numbered(*numbers):
    """Images that are told apart by their number."""
    return np.stack([np.full(SHAPE, number, np.float32) for number in numbers])


def numbers_of(images):
    return np.asarray(images)[:, 0, 0, 0].tolist()


def uniform(steps, batch, seed=0):
    return np.random.default_rng(seed).random((steps, batch, 2), dtype=np.float32)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("size", [1, 6])
def test_swaps_as_the_official_code(batch, size):
    pool, restatement = ImagePool(size, SHAPE), Restatement(size)
    images = np.random.default_rng(1).standard_normal((60, batch, *SHAPE)).astype("float32")
    for new, draws in zip(images, uniform(60, batch), strict=True):
        expected = restatement(new, draws)
        assert np.array_equal(pool(new, draws), expected)
        stored = np.stack(restatement.images)
        assert pool.count == len(stored)
        assert np.array_equal(pool.images[: len(stored)], stored)


def test_while_it_fills_all_that_is_new_is_stored_and_shown():
    pool = ImagePool(5, SHAPE)
    certain = np.full((2, 2), 0.999, np.float32)  # Would swap, were the pool full.
    assert numbers_of(pool(numbered(1, 2), certain)) == [1, 2]
    assert numbers_of(pool(numbered(3, 4), certain)) == [3, 4]
    # The fifth fills it: the sixth already meets an old one.
    assert numbers_of(pool(numbered(5, 6), certain)) == [5, 5]
    assert numbers_of(pool.images) == [1, 2, 3, 4, 6]


def test_images_of_a_batch_go_one_after_the_other():
    pool = ImagePool(1, SHAPE)
    pool(numbered(1), uniform(1, 1)[0])
    swap, keep = [0.51, 0.0], [0.49, 0.0]
    assert numbers_of(pool(numbered(2, 3, 4), np.float32([swap, keep, swap]))) == [1, 3, 2]
    assert numbers_of(pool.images) == [4]


def test_which_draws_swap_and_with_which():
    pool = ImagePool(4, SHAPE)
    pool(numbered(0, 1, 2, 3), uniform(1, 4)[0])
    last = np.nextafter(np.float32(1), np.float32(0))
    for draw, slot in [(0.0, 0), (0.2499, 0), (0.25, 1), (0.5, 2), (0.75, 3), (last, 3)]:
        old = numbers_of(pool.images)
        assert numbers_of(pool(numbered(9), np.float32([[0.5, draw]]))) == [9]
        assert numbers_of(pool.images) == old
        new = 10 + draw
        assert numbers_of(pool(numbered(new), np.float32([[0.5001, draw]]))) == [old[slot]]
        assert numbers_of(pool.images) == [*old[:slot], np.float32(new), *old[slot + 1 :]]


def test_half_of_what_is_shown_is_from_the_past_and_nothing_is_shown_from_it_twice():
    size, steps = 50, 4000
    pool = ImagePool(size, SHAPE)
    show = tf.function(pool)
    shown = []
    for step, draws in enumerate(uniform(steps, 1)):
        shown += numbers_of(show(tf.constant(numbered(step)), tf.constant(draws)))
    assert shown[:size] == list(range(size))
    ages = np.arange(size, steps) - shown[size:]
    assert ages.min() == 0
    old = ages > 0
    # Five deviations of 3950 throws of a coin.
    assert abs(old.mean() - 0.5) < 5 * 0.5 / np.sqrt(len(old))
    # An image stays for 100 steps on average: half of the 50 slots are asked for in 50 steps.
    assert ages[old].mean() == pytest.approx(2 * size, rel=0.2)
    # Each was shown once as new while filling, or went in unseen: never given back twice.
    from_the_past = np.array(shown[size:])[old]
    assert len(set(from_the_past)) == len(from_the_past)


def test_in_a_graph_it_is_traced_once_and_equal():
    eager, pool = ImagePool(3, SHAPE), ImagePool(3, SHAPE)
    traces = []

    @tf.function
    def show(images, draws):
        traces.append(1)
        return pool(images, draws)

    images = np.random.default_rng(1).standard_normal((20, 2, *SHAPE)).astype("float32")
    for new, draws in zip(images, uniform(20, 2), strict=True):
        found = show(tf.constant(new), tf.constant(draws))
        assert np.array_equal(found, eager(new, draws))
        assert np.array_equal(pool.images, eager.images)
    assert traces == [1]


class Holder(keras.Model):
    """A model of nothing but a pool."""

    def __init__(self):
        super().__init__()
        self.pool = ImagePool(3, SHAPE)
        self.built = True


@pytest.mark.parametrize("steps", [1, 7])
def test_a_checkpoint_brings_it_back_half_full_and_full(tmp_path, steps):
    model, other = Holder(), Holder()
    draws = uniform(2 * steps, 2)
    for step in range(steps):
        model.pool(numbered(step, step + 0.5), draws[step])
    checkpoints = Checkpoints(tmp_path, model)
    checkpoints.save(steps)
    assert Checkpoints(tmp_path, other).restore() == steps
    assert other.pool.count == min(2 * steps, 3)
    for step in range(steps, 2 * steps):
        new = numbered(step, step + 0.5)
        assert np.array_equal(model.pool(new, draws[step]), other.pool(new, draws[step]))
        assert np.array_equal(model.pool.images, other.pool.images)


def test_size_zero_shows_what_it_gets():
    pool = ImagePool(0, SHAPE)
    for step, draws in enumerate(uniform(5, 2)):
        assert numbers_of(pool(numbered(step, -step), draws)) == [step, -step]


@pytest.mark.parametrize("size", [0, 2])
def test_no_gradient_passes(size):
    pool = ImagePool(size, SHAPE)
    images = tf.constant(numbered(1, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(images)
        shown = tf.reduce_sum(pool(images, uniform(1, 3)[0]))
    assert tape.gradient(shown, images) is None


def test_it_is_no_trainable_weight():
    pool = ImagePool(3, SHAPE)
    assert pool.trainable_variables == []
    assert {variable.name for variable in pool.variables} == {"images", "count"}


def test_under_mixed_precision_images_keep_their_digits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        pool = ImagePool(1, SHAPE)
    finally:
        keras.config.set_dtype_policy("float32")
    image = numbered(1 + 2**-20)
    swap = np.float32([[0.9, 0.0]])
    assert np.array_equal(pool(image, swap), image)
    assert np.array_equal(pool(numbered(0), swap), image)


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError) as error:
        ImagePool(-1, SHAPE)
    assert str(error.value) == "`size` must be at least 0. Received: -1"
