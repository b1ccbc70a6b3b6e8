"""What every GAN has: its settings as its signature, built optimizers, images in chunks."""

import inspect
from dataclasses import dataclass, fields

import keras
import numpy as np
import pytest
import tensorflow as tf

from gans.nn import model, optimizers, settings


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    image_size: int = settings.setting(256, "Side.", least=1)
    data: str = settings.setting("images", "Images, or points.")


class Tiny(model.GANModel):
    """A GAN of one weight."""

    def __init__(self, **values):
        super().__init__(Settings(**values))
        x = keras.Input((1,))
        self.generator = keras.Model(x, keras.layers.Dense(1, use_bias=False)(x))
        self.built = True

    def compile(self, run_eagerly=False):
        optimizer = optimizers.built(optimizers.Adam(0.1), self.generator)
        super().compile(optimizer_generator=optimizer, run_eagerly=run_eagerly)


def test_a_class_shows_its_settings_where_it_would_show_none():
    parameters = inspect.signature(Tiny).parameters
    assert list(parameters) == [field.name for field in fields(Settings)]
    assert {name: x.default for name, x in parameters.items()} == vars(Settings())
    assert {x.kind for x in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert Tiny(seed=3).settings == Settings(seed=3)
    with pytest.raises(TypeError, match="image_size.*image_siz`"):
        Tiny(image_siz=3)


@pytest.mark.parametrize("eagerly", [False, True])
def test_optimizers_are_kept_under_their_names_and_are_part_of_a_checkpoint(eagerly):
    gan = Tiny()
    gan.compile(run_eagerly=eagerly)
    assert gan.optimizer is gan.optimizer_generator and gan.run_eagerly is eagerly
    assert gan.jit_compile is False
    held = {id(item) for item in tf.train.TrackableView(gan).descendants()}
    # Two moments of the weight, the rate and the step.
    assert len(gan.optimizer_generator.variables) == 4
    assert {id(x) for x in gan.optimizer_generator.variables} <= held


@pytest.mark.parametrize(
    ("values", "chunks"),
    [({}, [2, 2, 1]), ({"image_size": 181}, [4, 1]), ({"data": "points"}, [5])],
)
def test_chunks_are_of_two_images_at_256_pixels_and_end_with_the_rest(values, chunks):
    seen = []

    def add(one, other):
        seen.append(len(one))
        return one + other

    one, other = np.arange(10.0).reshape(5, 2), np.ones((5, 2))
    found = Tiny(**values).in_chunks(add, one, other)
    assert seen == chunks and isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, one + 1)
