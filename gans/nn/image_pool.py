"""The history of generated images that CycleGAN's discriminators learn from."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("gans")
class ImagePool(keras.layers.Layer):
    """Keeps `size` generated images and gives back old ones instead of half of the new ones.

    Shrivastava et al. 2017, section 2.3, by way of CycleGAN (Zhu et al. 2017, section 4;
    `util/image_pool.py`). A discriminator that sees only the newest fakes forgets the faults of
    older ones, to which the generator then returns.

    Per image: while the pool is not full, the image is stored and returned. Then, with probability
    1/2, a random stored image is returned and the new one takes its place; else the new image is
    returned and not stored. The images of a batch go one after the other.

    The pool is two weights, so it is in the graph and in every checkpoint; its draws come from
    outside, so that it is a function of them.

    Args:
        size: images kept; with 0 the layer returns what it gets.
        image_shape: (height, width, channels).
    """

    def __init__(self, size: int, image_shape: tuple[int, int, int], **kwargs):
        # bfloat16 would take digits from what the discriminator compares.
        super().__init__(autocast=False, **kwargs)
        if size < 0:
            raise ValueError(f"`size` must be at least 0. Received: {size}")
        self.size = size
        self.image_shape = tuple(image_shape)
        options = {"initializer": "zeros", "trainable": False, "autocast": False}
        self.images = self.add_weight(
            name="images", shape=(size, *self.image_shape), dtype=keras.config.floatx(), **options
        )
        self.count = self.add_weight(name="count", shape=(), dtype="int32", **options)
        self.built = True

    def call(self, images, draws):
        """What the discriminator is to see.

        Args:
            images: `(batch, height, width, channels)` float32, new.
            draws: `(batch, 2)` float32, uniform in [0, 1): whether to swap, and with which.

        Returns as many images of the same shape; no gradient passes.
        """
        if self.size == 0:
            return tf.stop_gradient(images)
        # One after the other: the second image of a batch may meet the first.
        return tf.map_fn(
            self.show,
            (tf.stop_gradient(images), draws),
            fn_output_signature=images.dtype,
            parallel_iterations=1,
        )

    def show(self, new):
        """`call` for one image and its two draws."""
        image, draw = new
        stored, count = self.images.value, self.count.value
        filling = count < self.size
        swap = ~filling & (draw[0] > 0.5)
        slot = tf.where(filling, count, tf.cast(draw[1] * self.size, tf.int32))
        # By index: the pool is large, and only one image of it is read and written.
        old = tf.gather(stored, slot)
        stored.scatter_nd_update([[slot]], [tf.where(swap | filling, image, old)])
        count.assign_add(tf.cast(filling, tf.int32))
        return tf.where(swap, old, image)

    def get_config(self):
        return super().get_config() | {"size": self.size, "image_shape": self.image_shape}
