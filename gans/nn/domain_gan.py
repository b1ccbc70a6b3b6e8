"""What GANs between two domains do outside of training. No loss and no step is here."""

from typing import Literal

import keras
import numpy as np

from gans.nn.model import GANModel

Direction = Literal["a_to_b", "b_to_a"]


class DomainGAN(GANModel):
    """A GAN with `generator_ab`, `generator_ba`, `discriminator_a` and `discriminator_b`, of which
    one that is not trained may be None.
    """

    @property
    def generator_variables(self) -> list[keras.Variable]:
        """Trainable weights of the generators."""
        networks = (self.generator_ab, self.generator_ba)
        return [x for network in networks if network for x in network.trainable_variables]

    @property
    def discriminator_variables(self) -> list[keras.Variable]:
        """Trainable weights of the discriminators."""
        networks = (self.discriminator_a, self.discriminator_b)
        return [x for network in networks if network for x in network.trainable_variables]

    def generator_of(self, direction: Direction) -> keras.Model:
        """The generator of a direction. Raises `ValueError` where there is none."""
        generators = {"a_to_b": self.generator_ab, "b_to_a": self.generator_ba}
        known = [name for name, network in generators.items() if network is not None]
        if direction not in known:
            raise ValueError(f"`direction` must be one of {known}. Received: {direction!r}")
        return generators[direction]

    def translate(self, images, direction: Direction = "a_to_b") -> np.ndarray:
        """Images `(n, size, size, channels)` of one domain as images of the other, both in [-1, 1];
        no dropout.
        """
        generator = self.generator_of(direction)
        return self.in_chunks(lambda chunk: generator(chunk, training=False), images)
