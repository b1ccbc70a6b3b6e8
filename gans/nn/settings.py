"""What can be chosen of a GAN: each setting once, with its type, default, limits and meaning.

A GAN file has a frozen dataclass `Settings` that derives from one of the classes here. The
constructor, the presets, the command line with its help, and config.json all read its fields. This
module, like the class, needs no TensorFlow: a command line is checked before that is imported.
"""

import dataclasses
import difflib
import numbers
import operator
import types
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

SEEDS = 2**24  # Each seed has streams of 32-bit numbers of its own; see `gans.nn.random`.


def setting(
    default: Any,
    meaning: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """A field of a `Settings` class.

    Args:
        default: Its default.
        meaning: What `--help` says about it.
        least, most, above, below: Limits of a number; None as a value passes.
    """
    limits = {"least": least, "most": most, "above": above, "below": below}
    return dataclasses.field(default=default, metadata={"meaning": meaning, **limits})


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A dataclass of fields made by `setting`: types, choices and limits are checked, then `check`.

    A class that derives from this may give a field another default, `latent_dim: int = 2`; meaning
    and limits stay. The limits of a tuple are those of its members; a list becomes a tuple.

    Raises `ValueError`, which names the field, what is admitted and the received value, and
    `TypeError` for a name that no field has, with the nearest that one has.
    """

    def __new__(cls, **values):
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                (nearest,) = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
                raise TypeError(f"expected a setting, such as `{nearest}`. Received: `{name}`")
        return super().__new__(cls)

    def __post_init__(self):
        check_types(self)
        for name, facts in described(type(self)).items():
            value = getattr(self, name)
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, numbers.Real) and not isinstance(number, bool):
                    _check_limits(name, number, facts)
        self.check()

    def check(self):
        """Raises `ValueError` for a combination of values that is not admitted."""


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of all GANs."""

    seed: int = setting(0, "Seed of every random draw.", least=0, below=SEEDS)


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """Of GANs that are trained by Adam, whatever their learning rates are called."""

    beta_1: float = setting(0.5, "Decay of Adam's first moment.", least=0, below=1)
    decay_epochs: int = setting(
        0, "Last epochs of the run, over which the learning rate falls linearly; 0: none.", least=0
    )


@dataclass(frozen=True, kw_only=True)
class AdamSettings(OptimizerSettings):
    """Of GANs that are trained by Adam."""

    learning_rate: float = setting(2e-4, "Learning rate of Adam.", least=0)


@dataclass(frozen=True, kw_only=True)
class AdamOrSGDSettings(AdamSettings):
    """Of the GANs whose papers used stochastic gradient descent."""

    optimizer: Literal["adam", "sgd"] = setting(
        "adam", "adam; or sgd, that of the paper, whose rate shrinks and whose momentum grows."
    )

    def check(self):
        super().check()
        if self.optimizer == "sgd" and self.decay_epochs:
            raise ValueError(
                "`decay_epochs` must be 0 with optimizer='sgd', whose rate shrinks by itself. "
                f"Received: {self.decay_epochs}"
            )


@dataclass(frozen=True, kw_only=True)
class NoiseSettings(Settings):
    """Of all GANs that start from noise."""

    data: Literal["images", "points"] = setting("images", "Images, or points in the plane.")
    point_scale: float = setting(
        1.0,
        "Divisor of points on their way to the networks, which should see numbers of about 1; "
        "samples are given in the units of the data.",
        least=1e-6,
    )
    image_size: int = setting(
        64, "Side of the images in pixels; with convolutions 4 to 7 times a power of two.", least=1
    )
    image_channels: int = setting(3, "3, or 1 for grey.", least=1)
    latent: Literal["normal", "uniform"] = setting(
        "normal", "Distribution of z: standard normal, or uniform in [-1, 1]."
    )

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one sample: an image, or a point."""
        if self.data == "points":
            return (2,)
        return (self.image_size, self.image_size, self.image_channels)


@dataclass(frozen=True, kw_only=True)
class LatentSettings(NoiseSettings):
    """Of GANs whose noise is one vector without parts."""

    latent_dim: int = setting(100, "Length of the noise vector z.", least=1)


@dataclass(frozen=True, kw_only=True)
class ConvolutionalSettings(NoiseSettings):
    """Of GANs from noise with the networks of DCGAN; on points they are fully connected."""

    generator_filters: int = setting(
        64,
        "Channels of the generator's last hidden map, doubled on each smaller one; on points, the "
        "width of its layers.",
        least=1,
    )
    upsample: Literal["transpose", "resize"] = setting(
        "transpose",
        "How the generator of images doubles its maps: by transposed convolutions, or by bilinear "
        "resizing and a convolution, which leaves no checkerboard.",
    )

    @property
    def is_convolutional(self) -> bool:
        """Whether the networks are convolutions."""
        return self.data == "images"

    def check(self):
        super().check()
        if self.is_convolutional:
            doublings(self.image_size)


@dataclass(frozen=True, kw_only=True)
class DCGANSettings(LatentSettings, ConvolutionalSettings):
    """Of the networks in `gans.nn.dcgan_networks`, and of those that replace them on points."""

    kernel_size: Literal[4, 5] = setting(4, "Side of all kernels; 5 in the DCGAN paper.")
    generator_activation: Literal["relu", "leaky_relu"] = setting(
        "relu", "Of the generator: relu in the DCGAN paper; its article tries leaky_relu."
    )
    norm: Literal["batch", "layer", "none"] = setting(
        "batch", "Normalisation in the discriminator, or critic, of images."
    )
    init_stddev: float = setting(
        0.02, "Standard deviation of the initial weights, where they are normal.", least=0
    )


@dataclass(frozen=True, kw_only=True)
class CriticSettings(DCGANSettings):
    """Of GANs with a critic, whose step is an update of it."""

    warm_up: ClassVar[bool] = False  # WGAN has a setting of this name.
    critic_filters: int = setting(64, "Those of the critic's first layer.", least=1)
    n_critic: int = setting(5, "Updates of the critic for each of the generator.", least=1)


@dataclass(frozen=True, kw_only=True)
class TranslationSettings(Settings):
    """Of all GANs that translate images."""

    image_size: int = setting(256, "Side of the images in pixels.", least=1)
    image_channels: int = setting(
        3, "Channels of A, such as the sketch: 3, 1 for grey, or those of .npy files.", least=1
    )
    photo_channels: int = setting(3, "Channels of B, such as the photo.", least=1)
    generator_filters: int = setting(
        64, "Channels of the generator's first layer; up to 8 times as many further in.", least=1
    )
    discriminator_filters: int = setting(
        64,
        "Channels of the discriminator's first layer; up to 8 times as many further in.",
        least=1,
    )


@dataclass(frozen=True, kw_only=True)
class UNetSettings(AdamSettings, TranslationSettings):
    """Of those with the generators of pix2pix or CycleGAN (`gans.nn.networks`)."""

    upsample: Literal["transpose", "resize"] = setting(
        "transpose",
        "How the generator doubles its maps: by transposed convolutions, or by bilinear resizing "
        "and a convolution, which leaves no checkerboard.",
    )


def check_types(values: Any):
    """Checks that an annotation admits the value of each field of a dataclass; makes tuples of
    lists, which is what JSON has in their place.

    Raises `ValueError`, which names the field, what is admitted and the received value.
    """
    hints = get_type_hints(type(values))
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if isinstance(value, list):
            value = tuple(value)
            object.__setattr__(values, field.name, value)
        members = _members(hints[field.name])
        if not any(_admits(kind, value) for kind in members):
            expected = " or ".join(map(_describe, members))
            raise ValueError(f"`{field.name}` must be {expected}. Received: {value!r}")


def described(settings: type) -> dict[str, dict[str, Any]]:
    """By name, the meaning and the limits of every field of a `Checked` class.

    Raises `TypeError` for a field that neither the class nor one that it derives from describes.
    """
    found = {}
    for class_ in settings.__mro__:
        for field in dataclasses.fields(class_) if dataclasses.is_dataclass(class_) else ():
            if field.metadata:
                found.setdefault(field.name, dict(field.metadata))
    names = [field.name for field in dataclasses.fields(settings)]
    if missing := [name for name in names if name not in found]:
        raise TypeError(f"expected `setting(...)` for every field. Received: {missing[0]} without")
    return {name: found[name] for name in names}


def doublings(image_size: int) -> int:
    """How often DCGAN's smallest map, of 4 to 7 pixels, is doubled: 4 for 64 and 96, 2 for 28.

    Raises `ValueError` for a side that is not 4, 5, 6 or 7 times a power of two, from 8 on.
    """
    for count in range(1, 10):
        side, rest = divmod(image_size, 2**count)
        if rest == 0 and 4 <= side <= 7:
            return count
    raise ValueError(
        "`image_size` must be 4, 5, 6 or 7 times a power of two, from 8 to 3584. "
        f"Received: {image_size}"
    )


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _admits(kind: Any, value: Any) -> bool:
    if get_origin(kind) is Literal:
        return any(value == choice and type(value) is type(choice) for choice in get_args(kind))
    if kind == tuple[()]:
        return value == ()
    if get_origin(kind) is tuple:
        first, *others = get_args(kind)  # The members of all tuples here are of one type.
        fits = isinstance(value, tuple) and len(value) in (
            range(1, 2**31) if others == [...] else [1 + len(others)]
        )
        return fits and all(_admits(first, member) for member in value)
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    kind = {int: numbers.Integral, float: numbers.Real}.get(kind, get_origin(kind) or kind)
    return isinstance(value, kind)


def _check_limits(name: str, number: float, facts: dict[str, Any]):
    for words, limit, is_inside in (
        ("at least", facts["least"], operator.ge),
        ("at most", facts["most"], operator.le),
        ("above", facts["above"], operator.gt),
        ("below", facts["below"], operator.lt),
    ):
        # NaN is inside of nothing.
        if limit is not None and not is_inside(number, limit):
            raise ValueError(f"`{name}` must be {words} {limit}. Received: {number}")


def _describe(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if kind == tuple[()]:
        return "()"
    if get_origin(kind) is tuple:
        return f"a tuple, each member of which is {_describe(get_args(kind)[0])}"
    names = {int: "an int", float: "a number", bool: "True or False", str: "a string"}
    return names.get(kind, "None" if kind is types.NoneType else str(kind))
