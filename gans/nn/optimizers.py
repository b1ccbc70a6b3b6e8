"""Adam as one kernel per variable, the first GAN's gradient descent, and the learning-rate schedule
of the image-to-image papers.
"""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from gans.nn.settings import AdamOrSGDSettings, OptimizerSettings


@keras.saving.register_keras_serializable("gans")
class Adam(keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015, algorithm 1) by TensorFlow's fused kernel.

    Keras writes the update as a dozen operations, each a pass over the memory of the weights, which
    for 54 M parameters takes 3 times as long. Differs from `keras.optimizers.Adam` in epsilon only:
    here it is added to the bias-corrected root, as in the paper's algorithm and in PyTorch.

    Args:
        learning_rate: a float or a `LearningRateSchedule`.
        beta_1, beta_2: decay of the first and second moment.
        epsilon: keeps the division finite.
        l2: what is added to the gradient, times the weight: `weight_decay` of PyTorch's Adam. That
            of Keras is AdamW's, which is not divided by the second moment.

    Raises `ValueError` for `amsgrad=True`.
    """

    def __init__(
        self, learning_rate=2e-4, beta_1=0.5, beta_2=0.999, epsilon=1e-8, l2=0.0, **kwargs
    ):
        super().__init__(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, **kwargs)
        self.l2 = l2
        if self.amsgrad:
            raise ValueError("Expected `amsgrad=False`: the kernel has none. Received: True")

    def update_step(self, gradient, variable, learning_rate):
        momentum, velocity = (
            moments[self._get_variable_index(variable)]
            for moments in (self._momentums, self._velocities)
        )
        if self.l2:
            gradient += self.l2 * variable
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1_power, beta_2_power = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.value.handle,
            v=velocity.value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            # The kernel adds epsilon to the uncorrected root.
            epsilon=self.epsilon * tf.sqrt(1.0 - beta_2_power),
            grad=gradient,
        )

    def get_config(self):
        return super().get_config() | {"l2": self.l2}


@keras.saving.register_keras_serializable("gans")
class AnnealedRate(keras.optimizers.schedules.LearningRateSchedule):
    """Divided by `decay` after each step, down to `minimum`: `ExponentialDecay` of pylearn2."""

    def __init__(self, initial_learning_rate: float, decay: float, minimum: float):
        self.initial_learning_rate = initial_learning_rate
        self.decay = decay
        self.minimum = minimum

    def __call__(self, step):
        # 1.000004 is no float32 that could be raised to a high power.
        shrunk = tf.exp(-tf.cast(step, tf.float32) * math.log(self.decay))
        return tf.maximum(self.initial_learning_rate * shrunk, self.minimum)

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay": self.decay,
            "minimum": self.minimum,
        }


@keras.saving.register_keras_serializable("gans")
class AnnealedSGD(keras.optimizers.SGD):
    """Stochastic gradient descent of the first GAN: the rate shrinks with each update, the momentum
    grows (`mnist.yaml` of goodfeli/adversarial; Mirza & Osindero 2014, section 4.1).

    velocity <- momentum * velocity - rate * gradient; weight <- weight + velocity.

    Args:
        learning_rate: at first; divided by `decay` after each update, down to `minimum`.
        decay, minimum: of the rate.
        momentum: at first; grows linearly to `final_momentum` over `saturate` updates.
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        decay: float = 1.000004,
        minimum: float = 1e-6,
        momentum: float = 0.5,
        final_momentum: float = 0.7,
        saturate: int = 125_000,
        **kwargs,
    ):
        schedule = AnnealedRate(learning_rate, decay, minimum)
        super().__init__(schedule, momentum=momentum, **kwargs)
        self.final_momentum, self.saturate = final_momentum, saturate

    def build(self, variables):
        if self.built:
            return
        # Keras' own keeps no velocities where the momentum begins at 0.
        keras.optimizers.Optimizer.build(self, variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        velocity = self.momentums[self._get_variable_index(variable)]
        grown = tf.minimum(tf.cast(self.iterations, tf.float32) / self.saturate, 1.0)
        momentum = self.momentum + grown * (self.final_momentum - self.momentum)
        velocity.assign(momentum * velocity - learning_rate * gradient)
        variable.assign_add(velocity)

    def get_config(self):
        schedule = self._learning_rate
        return super().get_config() | {
            "learning_rate": schedule.initial_learning_rate,
            "decay": schedule.decay,
            "minimum": schedule.minimum,
            "final_momentum": self.final_momentum,
            "saturate": self.saturate,
        }


@keras.saving.register_keras_serializable("gans")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant for `constant_epochs`, then in equal steps, one per epoch, down to 1 / (decay_epochs
    + 1).

    `models/networks.py: get_scheduler` of the official BicycleGAN and CycleGAN code: with 100 + 100
    epochs, epochs 1 to 100 have the full rate, epoch 101 has 100/101 of it and epoch 200 has 1/101.

    Args:
        initial_learning_rate: the rate of the first epoch.
        constant_epochs, decay_epochs: lengths of the two parts.
        steps_per_epoch: training steps in an epoch.
        every: training steps for one of the optimizer, which it takes in the last of them.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        constant_epochs: int,
        decay_epochs: int,
        steps_per_epoch: int,
        every: int = 1,
    ):
        self.initial_learning_rate = initial_learning_rate
        self.constant_epochs = constant_epochs
        self.decay_epochs = decay_epochs
        self.steps_per_epoch = steps_per_epoch
        self.every = every

    def __call__(self, step):
        training_step = (tf.cast(step, tf.int64) + 1) * self.every - 1
        epoch = training_step // self.steps_per_epoch
        late = tf.cast(tf.maximum(epoch + 1 - self.constant_epochs, 0), tf.float32)
        return self.initial_learning_rate * tf.maximum(1.0 - late / (self.decay_epochs + 1), 0.0)

    def get_config(self):
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "constant_epochs": self.constant_epochs,
            "decay_epochs": self.decay_epochs,
            "steps_per_epoch": self.steps_per_epoch,
            "every": self.every,
        }


def decaying_rate(
    learning_rate: float,
    decay_epochs: int,
    epochs: int | None,
    steps_per_epoch: int | None,
    every: int = 1,
) -> float | LinearDecay:
    """The rate that falls over the last `decay_epochs` of a run; constant where they are 0. `every`
    is that of `LinearDecay`.

    Raises `ValueError` where the length of the run is not given, or is less than that.
    """
    if not decay_epochs:
        return learning_rate
    if epochs is None or steps_per_epoch is None:
        raise ValueError(
            "`decay_epochs` needs `epochs` and `steps_per_epoch` in `compile`. "
            f"Received: epochs={epochs}, steps_per_epoch={steps_per_epoch}"
        )
    if epochs < decay_epochs:
        raise ValueError(
            f"`decay_epochs` must be at most the {epochs} epochs of the run. "
            f"Received: {decay_epochs}"
        )
    return LinearDecay(learning_rate, epochs - decay_epochs, decay_epochs, steps_per_epoch, every)


def adam(
    settings: OptimizerSettings, epochs: int | None, steps_per_epoch: int | None
) -> Callable[..., Adam]:
    """What makes the optimizer of a network, `adam(...)(network)`: Adam by the settings of a GAN.

    It takes the network and, where they differ from the settings, `learning_rate`; `every`, as
    `LinearDecay`; `beta_2` and `l2`, as `Adam`.

    Args:
        settings: beta_1, decay_epochs and, unless each call has its own, learning_rate.
        epochs, steps_per_epoch: length of the run; None will do where decay_epochs is 0.
    """

    def make(network, learning_rate: float | None = None, every: int = 1, **options) -> Adam:
        rate = settings.learning_rate if learning_rate is None else learning_rate
        rate = decaying_rate(rate, settings.decay_epochs, epochs, steps_per_epoch, every)
        return built(Adam(rate, beta_1=settings.beta_1, **options), network)

    return make


def adam_or_sgd(
    settings: AdamOrSGDSettings, epochs: int | None, steps_per_epoch: int | None, **options
) -> Callable[..., keras.optimizers.Optimizer]:
    """As `adam`; with `optimizer="sgd"` in the settings what is made is `AnnealedSGD`, with these
    options.
    """
    if settings.optimizer == "adam":
        return adam(settings, epochs, steps_per_epoch)

    def make(network, learning_rate: float | None = None) -> AnnealedSGD:
        rate = settings.learning_rate if learning_rate is None else learning_rate
        return built(AnnealedSGD(rate, **options), network)

    return make


def rmsprop(settings) -> Callable[[keras.Model], keras.optimizers.RMSprop]:
    """What makes the optimizer of a network, as `adam` does: RMSprop as PyTorch has it, whose
    average forgets by 0.99 (the official code of WGAN), with the `learning_rate` of the settings.
    """

    def make(network: keras.Model) -> keras.optimizers.RMSprop:
        # Keras adds epsilon below the root, PyTorch adds 1e-8 to the root. 1e-8 below would be 1e-4
        # outside, and a critic of weights up to 0.01 hands down gradients of 1e-6 to 1e-5.
        optimizer = keras.optimizers.RMSprop(settings.learning_rate, rho=0.99, epsilon=1e-16)
        return built(optimizer, network)

    return make


def built(
    optimizer: keras.optimizers.Optimizer, network: keras.Model | list[keras.Variable]
) -> keras.optimizers.Optimizer:
    """The optimizer with its variables for a network, or for a list of weights: a checkpoint can be
    read before the first step.
    """
    optimizer.build(network if isinstance(network, list) else network.trainable_variables)
    return optimizer
