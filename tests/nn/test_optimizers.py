"""Adam and the first GAN's gradient descent against NumPy, and the learning rate by epoch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn.optimizers import Adam, AnnealedSGD, LinearDecay, decaying_rate

STEPS = 5
GRADIENTS = np.random.default_rng(0).standard_normal((STEPS, 6)).astype("float32")
GRADIENTS *= [1, 1e-3, 1e-6, 1e-8, 1e3, 1]  # Epsilon, 1e-8, must count in some of them.


def adam_numpy(weights, gradients, rate, beta_1, beta_2, epsilon):
    """Algorithm 1, line by line, in float64."""
    m = v = np.zeros_like(weights)
    path = []
    for t, g in enumerate(gradients.astype("float64"), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        corrected_m, corrected_v = m / (1 - beta_1**t), v / (1 - beta_2**t)
        weights = weights - rate * corrected_m / (np.sqrt(corrected_v) + epsilon)
        path.append(weights)
    return np.array(path)


def adam_path(optimizer, gradients, graph=False):
    weights = keras.Variable(np.zeros(gradients.shape[1], "float32"))
    optimizer.build([weights])

    def step(gradient):
        optimizer.apply([gradient], [weights])

    step = tf.function(step) if graph else step
    path = []
    for gradient in gradients:
        step(tf.constant(gradient))
        path.append(weights.numpy())
    return np.array(path)


@pytest.mark.parametrize("graph", [False, True])
def test_adam_equals_algorithm_1(graph):
    rate = 0.01
    optimizer = Adam(rate, beta_1=0.5, beta_2=0.999, epsilon=1e-8)
    found = adam_path(optimizer, GRADIENTS, graph)
    expected = adam_numpy(np.zeros(6), GRADIENTS, rate, 0.5, 0.999, 1e-8)
    # float32 has 1 - 0.999 ** t to five digits.
    assert np.abs(found - expected).max() < 1e-5 * rate
    assert optimizer.iterations.numpy() == STEPS


def test_epsilon_is_added_to_the_corrected_root():
    # |g| = epsilon halves the first step. Added to the uncorrected root, it would leave 3 %.
    optimizer = Adam(1.0, beta_1=0.5, beta_2=0.999, epsilon=1e-8)
    assert adam_path(optimizer, np.full((1, 1), 1e-8, "float32")) == pytest.approx(-0.5, rel=1e-4)


def test_adam_defaults_are_those_of_the_image_to_image_papers():
    config = Adam().get_config()
    found = [config[name] for name in ("learning_rate", "beta_1", "beta_2", "epsilon")]
    assert found == pytest.approx([2e-4, 0.5, 0.999, 1e-8])


def test_amsgrad_is_refused_rather_than_ignored():
    with pytest.raises(ValueError, match="Expected `amsgrad=False`: .* Received: True"):
        Adam(amsgrad=True)


def test_gradients_count_as_they_were_before_the_first_update():
    # The gradient of one weight is read from another that the same call updates first.
    first, second = keras.Variable([1.0]), keras.Variable([1.0])
    optimizer = Adam(0.1)
    optimizer.build([first, second])

    @tf.function
    def step():
        optimizer.apply([first.value * 1.0, first.value - 1.0], [first, second])

    step()
    assert first.numpy() == pytest.approx(0.9)
    assert second.numpy() == 1.0


def test_saved_moments_and_count_continue_the_run_byte_for_byte():
    def make():
        weights = keras.Variable(np.ones(6, "float32"))
        optimizer = Adam(0.01)
        optimizer.build([weights])
        return optimizer, weights

    def step(optimizer, weights, gradient):
        optimizer.apply([tf.constant(gradient)], [weights])

    whole, whole_weights = make()
    first, first_weights = make()
    for gradient in GRADIENTS[:3]:
        step(whole, whole_weights, gradient)
        step(first, first_weights, gradient)
    store = {}
    first.save_own_variables(store)
    second, second_weights = make()
    second.load_own_variables(store)
    second_weights.assign(first_weights)
    for gradient in GRADIENTS[3:]:
        step(whole, whole_weights, gradient)
        step(second, second_weights, gradient)
    assert np.array_equal(whole_weights.numpy(), second_weights.numpy())
    for one, other in zip(whole.variables, second.variables, strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_adam_made_from_its_config_has_the_same_schedule():
    optimizer = Adam(LinearDecay(0.1, 2, 3, steps_per_epoch=4), beta_1=0.3)
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is Adam
    assert copy.get_config() == optimizer.get_config()
    assert np.array_equal(adam_path(copy, GRADIENTS), adam_path(optimizer, GRADIENTS))


@pytest.mark.parametrize(
    ("epoch", "factor"),
    [
        (1, 1),
        (99, 1),
        (100, 1),
        (101, 100 / 101),
        (102, 99 / 101),
        (200, 1 / 101),
        (201, 0),
        (300, 0),
    ],
)
def test_rate_by_epoch_of_100_plus_100(epoch, factor):
    schedule = LinearDecay(1.0, 100, 100, steps_per_epoch=7)
    for step in (7 * (epoch - 1), 7 * epoch - 1):  # The first and the last step of the epoch.
        assert float(schedule(tf.constant(step, tf.int64))) == pytest.approx(factor, abs=1e-7)


def test_rate_falls_from_the_first_epoch_without_a_constant_part():
    schedule = LinearDecay(3.0, 0, 2, steps_per_epoch=1)
    assert [float(schedule(step)) for step in range(4)] == pytest.approx([2, 1, 0, 0])


@pytest.mark.parametrize("steps_per_epoch", [3, 5, 7, 10, 12])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_rate_of_an_optimizer_that_steps_now_and_then_is_that_of_the_epoch(steps_per_epoch, every):
    schedule = LinearDecay(1.0, 2, 3, steps_per_epoch, every)
    by_epoch = [1.0, 1.0, 0.75, 0.5, 0.25]
    steps = [step for step in range(5 * steps_per_epoch) if (step + 1) % every == 0]
    expected = [by_epoch[step // steps_per_epoch] for step in steps]
    assert [float(schedule(count)) for count in range(len(steps))] == pytest.approx(expected)
    assert LinearDecay.from_config(schedule.get_config()).every == every


def test_adam_takes_the_rate_of_the_epoch_that_the_step_is_in():
    # With a constant gradient every step of Adam has the length of the rate: here 1, 1, 1/2, 1/2.
    optimizer = Adam(LinearDecay(1.0, 1, 1, steps_per_epoch=2))
    path = adam_path(optimizer, np.ones((4, 1), "float32"))
    assert path[:, 0] == pytest.approx([-1, -2, -2.5, -3], rel=1e-5)


def test_l2_is_added_to_the_gradient_before_the_moments():
    weights = [keras.Variable([2.0, -3.0]), keras.Variable([2.0, -3.0])]
    plain, decayed = Adam(0.1), Adam(0.1, l2=0.5)
    gradient = np.array([0.3, 0.4], "float32")
    plain.apply([tf.constant(gradient + 0.5 * weights[0].numpy())], [weights[0]])
    decayed.apply([tf.constant(gradient)], [weights[1]])
    np.testing.assert_allclose(weights[1].numpy(), weights[0].numpy(), rtol=1e-6)
    assert decayed.get_config()["l2"] == 0.5


def annealed_numpy(gradients, rate, decay, minimum, momentum, final_momentum, saturate):
    """`mnist.yaml` of goodfeli/adversarial, update by update, in float64."""
    weights = velocity = np.zeros(gradients.shape[1])
    path = []
    for done, gradient in enumerate(gradients.astype("float64")):
        now = momentum + min(done / saturate, 1) * (final_momentum - momentum)
        velocity = now * velocity - max(rate / decay**done, minimum) * gradient
        weights = weights + velocity
        path.append(weights)
    return np.array(path)


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        # The momentum saturates after two updates, and the rate reaches its floor after three.
        {"decay": 2.0, "minimum": 0.02, "momentum": 0.5, "final_momentum": 0.9, "saturate": 2},
        {"decay": 1.1, "minimum": 1e-6, "momentum": 0.2, "final_momentum": 0.7, "saturate": 100},
        {"decay": 1.0, "minimum": 0.0, "momentum": 0.0, "final_momentum": 0.6, "saturate": 3},
    ],
)
def test_annealed_descent_equals_its_recursion(settings, graph):
    optimizer = AnnealedSGD(0.1, **settings)
    found = adam_path(optimizer, GRADIENTS, graph)
    expected = annealed_numpy(GRADIENTS, 0.1, **settings)
    assert np.allclose(found, expected, rtol=1e-5, atol=0)
    assert optimizer.iterations.numpy() == STEPS


def test_annealed_descent_begins_with_the_papers_numbers_and_ends_with_them():
    # One update from rest is the rate; the second, without a gradient, is the momentum times that.
    for done, rate, momentum in [
        (0, 0.1, 0.5 + 0.2 / 125_000),
        (50_000, 0.1 / 1.000004**50_000, 0.5 + 0.2 * 50_001 / 125_000),
        (1_000_000, 0.1 / 1.000004**1_000_000, 0.7),
        (5_000_000, 1e-6, 0.7),
    ]:
        optimizer, weights = AnnealedSGD(), keras.Variable([0.0])
        optimizer.build([weights])
        optimizer.iterations.assign(done)
        optimizer.apply([tf.constant([1.0])], [weights])
        first = weights.numpy().item()
        assert first == pytest.approx(-rate, rel=1e-3)
        optimizer.apply([tf.constant([0.0])], [weights])
        assert weights.numpy().item() / first - 1 == pytest.approx(momentum, rel=1e-4)


def test_annealed_rate_is_that_of_the_next_update():
    # What TensorBoard shows.
    optimizer, weights = AnnealedSGD(0.1, decay=2.0), keras.Variable([0.0])
    optimizer.build([weights])
    for rate in (0.1, 0.05, 0.025):
        assert float(optimizer.learning_rate) == pytest.approx(rate)
        optimizer.apply([tf.constant([1.0])], [weights])


def test_annealed_descent_made_from_its_config_goes_the_same_way():
    optimizer = AnnealedSGD(
        0.2, decay=1.5, minimum=0.01, momentum=0.1, final_momentum=0.8, saturate=3
    )
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(copy) is AnnealedSGD
    assert copy.get_config() == optimizer.get_config()
    assert np.array_equal(adam_path(copy, GRADIENTS), adam_path(optimizer, GRADIENTS))


def test_rate_of_a_run_that_decays_at_its_end():
    assert decaying_rate(0.3, 0, None, None) == 0.3
    schedule = decaying_rate(0.3, 2, 5, 4)
    rates = [float(schedule(step)) for step in range(0, 20, 4)]
    assert rates == pytest.approx([0.3, 0.3, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ((3, None, 4), "`decay_epochs` needs `epochs` and `steps_per_epoch` in `compile`. "),
        ((3, 5, None), "`decay_epochs` needs `epochs` and `steps_per_epoch` in `compile`. "),
        ((3, 2, 4), "`decay_epochs` must be at most the 2 epochs of the run. Received: 3"),
    ],
)
def test_a_run_without_length_or_too_short_for_its_decay_is_refused(run, message):
    with pytest.raises(ValueError) as error:
        decaying_rate(0.3, *run)
    assert str(error.value).startswith(message)
