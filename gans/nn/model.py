"""What every GAN of this library has, apart from its networks and its train step.

No loss and no step is here.
"""

import inspect
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

# Pixels that go through a network at a time: less memory than a train step takes.
PIXELS = 2**17


class GANModel(keras.Model):
    """A Keras model with `settings`, an object of the `Settings` class of its GAN file."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # `help`, notebooks and editors show the settings where they would show `**settings`.
        settings = vars(sys.modules[cls.__module__]).get("Settings")
        if settings is not None:
            cls.__signature__ = inspect.signature(settings)

    def __init__(self, settings):
        super().__init__(name=type(self).__module__.rpartition(".")[2])
        self.settings = settings

    @property
    def step(self):
        """Steps done, a scalar tensor: with the seed, what every random draw is a function of."""
        return self.optimizer_generator.iterations

    def compile(self, *, run_eagerly: bool = False, **optimizers: keras.optimizers.Optimizer):
        """Takes built optimizers under their names, that of the generator first.

        Args:
            run_eagerly: Run each step without a graph, to debug it.
            optimizers: One for each network.
        """
        for name, optimizer in optimizers.items():
            setattr(self, name, optimizer)
        # Without an optimizer Keras makes one of its own and saves it along. XLA makes convolutions
        # on a CPU slower, a whole step up to 1.7 times.
        first = next(iter(optimizers.values()))
        super().compile(optimizer=first, run_eagerly=run_eagerly, jit_compile=False)

    def in_chunks(self, function: Callable[..., tf.Tensor], *values) -> np.ndarray:
        """`function(*values)` along the first axis, a few images at a time.

        Args:
            function: of tensors `(m, ...)`, one per value; returns a tensor `(m, ...)`.
            values: arrays `(n, ...)`.
        """
        size = (
            self.settings.image_size if getattr(self.settings, "data", "images") == "images" else 8
        )
        count = max(1, PIXELS // size**2)
        return np.concatenate(
            [
                function(*(tf.convert_to_tensor(value[i : i + count]) for value in values))
                for i in range(0, len(values[0]), count)
            ]
        )
