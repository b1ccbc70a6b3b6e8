"""When WGAN and WGAN-GP update the generator: after several updates of the critic."""

import tensorflow as tf

from gans.nn.noise_gan import NoiseGAN

MANY_CRITIC_STEPS = 100
EARLY_ITERATIONS = 25
RARE_ITERATIONS = 500


class CriticGAN(NoiseGAN):
    """Generator and critic. A step is an update of the critic; its settings are `CriticSettings`.

    Attributes:
        waited: Updates of the critic since the last one of the generator, int64.
        last_g_loss: Loss of the generator in that update, shown in the steps without one.
    """

    def __init__(self, settings):
        super().__init__(settings)
        options = {"initializer": "zeros", "trainable": False}
        self.waited = self.add_weight(name="waited", shape=(), dtype="int64", **options)
        self.last_g_loss = self.add_weight(name="last_g_loss", shape=(), **options)

    @property
    def step(self):
        return self.optimizer_critic.iterations

    def generator_is_due(self) -> tf.Tensor:
        """Counts an update of the critic; true where one of the generator is to follow."""
        waited = self.waited.value + 1
        is_due = waited >= tf.cast(self.critic_steps(), tf.int64)
        self.waited.assign(tf.where(is_due, tf.zeros_like(waited), waited))
        return is_due

    def critic_steps(self) -> tf.Tensor:
        """Updates of the critic before the next one of the generator: `n_critic`; with `warm_up`,
        100 before each of the first 25 and before each 500th (`main.py: Diters` of
        martinarjovsky/WassersteinGAN).
        """
        iteration = self.optimizer_generator.iterations
        many = (iteration < EARLY_ITERATIONS) | (iteration % RARE_ITERATIONS == 0)
        return tf.where(many & self.settings.warm_up, MANY_CRITIC_STEPS, self.settings.n_critic)
