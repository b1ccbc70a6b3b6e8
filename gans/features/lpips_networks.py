"""The networks that LPIPS looks through: AlexNet, VGG16 and SqueezeNet 1.1, without their tops.

Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
arXiv:1801.03924; lpips/pretrained_networks.py of richzhang/PerceptualSimilarity, which cuts
torchvision's networks (torchvision/models/{alexnet,vgg,squeezenet}.py) after these rectifiers:

    alex      all five                                  64, 192, 384, 256, 256 channels
    vgg       the last of each of the five stages       64, 128, 256, 512, 512
    squeeze   the first, the last fire before each of   64, 128, 256, 384, 384, 512, 512
              two poolings, and each of the last four

Layers have the names of torchvision's state dict, "features.3.squeeze", and are filled from such
arrays by name. Where Keras would pad or pool differently, it is done as torchvision does:
AlexNet's first convolution, 11x11 of stride 4, is padded by 2 on each side, and SqueezeNet's
poolings have `ceil_mode`, that is, the last window may reach over the border.

SqueezeNet is also read from the HDF5 of keras-squeezenet (`read_keras_squeezenet`). These are the
weights of the Caffe model, not those that torchvision trained anew (forresti/SqueezeNet, issue 34):
the published heads were not fitted to them, so a distance by them is none of the published metric.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from gans.features.torch_weights import WeightsError

# The narrowest image of which a pixel is left after the last pooling.
SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17}
CHANNELS = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}
# Of the Caffe model, in the order of its channels, blue first.
CAFFE_MEAN = np.array([104.006, 116.669, 122.679])
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Conv(NamedTuple):
    """A convolution and its rectifier; `index` is its place in torchvision's `features`."""

    index: int
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0


class Fire(NamedTuple):
    """SqueezeNet's module: 1x1 to `squeeze` channels, then 1x1 and 3x3 to `expand` channels each,
    side by side.
    """

    index: int
    squeeze: int
    expand: int


class Pool(NamedTuple):
    """Maxima of windows of stride 2."""

    window: int
    ceil: bool = False


TAP = "tap"  # What lies before it is looked at.


def _vgg_stage(index: int, filters: int, count: int) -> list:
    return [Conv(index + 2 * i, filters, 3, padding=1) for i in range(count)] + [TAP]


LAYERS = {
    "alex": (
        *(Conv(0, 64, 11, stride=4, padding=2), TAP, Pool(3)),
        *(Conv(3, 192, 5, padding=2), TAP, Pool(3)),
        *(Conv(6, 384, 3, padding=1), TAP),
        *(Conv(8, 256, 3, padding=1), TAP),
        *(Conv(10, 256, 3, padding=1), TAP),
    ),
    "vgg": (
        *(*_vgg_stage(0, 64, 2), Pool(2)),
        *(*_vgg_stage(5, 128, 2), Pool(2)),
        *(*_vgg_stage(10, 256, 3), Pool(2)),
        *(*_vgg_stage(17, 512, 3), Pool(2)),
        *_vgg_stage(24, 512, 3),
    ),
    "squeeze": (
        *(Conv(0, 64, 3, stride=2), TAP, Pool(3, ceil=True)),
        *(Fire(3, 16, 64), Fire(4, 16, 64), TAP, Pool(3, ceil=True)),
        *(Fire(6, 32, 128), Fire(7, 32, 128), TAP, Pool(3, ceil=True)),
        *(Fire(9, 48, 192), TAP, Fire(10, 48, 192), TAP),
        *(Fire(11, 64, 256), TAP, Fire(12, 64, 256), TAP),
    ),
}


def build(net: str):
    """`keras.Model`: images `(n, height, width, 3)`, scaled as ImageNet's for torchvision, to the
    list of what is looked at, each `(n, h, w, channels)`, not negative; float32 throughout.

    Args:
        net: "alex", "vgg" or "squeeze".
    """
    import keras
    from keras import layers

    def convolve(x, name, filters, kernel, stride=1, padding=0):
        # An odd kernel at stride 1 has as much on each side by "same", and faster.
        same = padding and stride == 1
        if padding and not same:
            x = layers.ZeroPadding2D(padding, dtype="float32")(x)
        return layers.Conv2D(
            filters,
            kernel,
            stride,
            padding="same" if same else "valid",
            activation="relu",
            name=name,
            dtype="float32",
        )(x)

    def fire(x, name, squeeze, expand):
        x = convolve(x, f"{name}.squeeze", squeeze, 1)
        sides = [
            convolve(x, f"{name}.expand1x1", expand, 1),
            convolve(x, f"{name}.expand3x3", expand, 3, padding=1),
        ]
        return layers.Concatenate(dtype="float32")(sides)

    x = inputs = keras.Input((None, None, 3), dtype="float32")
    taps = []
    for layer in LAYERS[net]:
        if layer is TAP:
            taps.append(x)
        elif isinstance(layer, Pool):
            if layer.ceil:
                # One more row and column: a window begins there only where the last one would
                # reach over the border. A zero is no maximum of what a rectifier left.
                x = layers.ZeroPadding2D(((0, 1), (0, 1)), dtype="float32")(x)
            x = layers.MaxPooling2D(layer.window, 2, dtype="float32")(x)
        elif isinstance(layer, Fire):
            x = fire(x, f"features.{layer.index}", layer.squeeze, layer.expand)
        else:
            x = convolve(x, f"features.{layer.index}", *layer[1:])
    return keras.Model(inputs, taps, name=net)


def shapes(net: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the arrays in torchvision's state dict that `fill` takes."""
    found, channels = {}, 3

    def add(name, filters, kernel, incoming):
        found[f"{name}.weight"] = (filters, incoming, kernel, kernel)
        found[f"{name}.bias"] = (filters,)

    for layer in LAYERS[net]:
        if isinstance(layer, Conv):
            add(f"features.{layer.index}", layer.filters, layer.kernel, channels)
            channels = layer.filters
        elif isinstance(layer, Fire):
            name = f"features.{layer.index}"
            add(f"{name}.squeeze", layer.squeeze, 1, channels)
            add(f"{name}.expand1x1", layer.expand, 1, layer.squeeze)
            add(f"{name}.expand3x3", layer.expand, 3, layer.squeeze)
            channels = 2 * layer.expand
    return found


def fill(model, arrays: dict[str, np.ndarray], source: str | Path) -> None:
    """Puts the arrays of a state dict into the network of the same name; others, such as those of
    the classifier, are left alone.

    Args:
        model: of `build`.
        arrays: by their names in torchvision, kernels `(out, in, rows, columns)`.
        source: what an error calls them, the file.

    Raises `WeightsError` where one is missing, of another shape, or not finite.
    """
    wanted = checked(arrays, shapes(model.name), source)
    for name, array in wanted.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight":
            model.get_layer(layer).set_weights(
                [array.transpose(2, 3, 1, 0), wanted[f"{layer}.bias"]]
            )


def checked(
    arrays: dict[str, np.ndarray], wanted: dict[str, tuple[int, ...]], source: str | Path
) -> dict[str, np.ndarray]:
    """Those that are wanted, as float32.

    Raises `WeightsError` where one is missing, of another shape, or not finite.
    """
    found = {}
    for name, shape in wanted.items():
        array = arrays.get(name)
        if array is None:
            raise WeightsError(f"expected {name} {shape} in {source}. Received: none of that name")
        if np.shape(array) != shape or not np.issubdtype(array.dtype, np.floating):
            raise WeightsError(
                f"expected {name} of floats {shape} in {source}. "
                f"Received: {array.dtype} {np.shape(array)}"
            )
        if not np.isfinite(array).all():
            raise WeightsError(f"expected finite numbers in {name} of {source}. Received: others")
        found[name] = np.asarray(array, np.float32)
    return found


def read_keras_squeezenet(path: str | Path) -> dict[str, np.ndarray]:
    """SqueezeNet 1.1 without top from the HDF5 of keras-squeezenet, as torchvision's state dict.

    That network takes blue first, in [0, 255] less the mean; ours red first, scaled as torchvision
    does. The one is a linear function of the other, which goes into the first convolution, without
    padding in both: the result is the same network of the same images (README.md of
    rcmalli/keras-squeezenet at its weights' release has the order and the mean).

    Raises `WeightsError` for a file that is not of this layout.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = {}
            for place, name in _keras_names().items():
                group = file[name]
                kernel, bias = (
                    np.asarray(group[weight], np.float32) for weight in group.attrs["weight_names"]
                )
                # To (out, in, rows, columns).
                found[f"{place}.weight"] = np.transpose(kernel, (3, 2, 0, 1))
                found[f"{place}.bias"] = bias
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"expected SqueezeNet of keras-squeezenet, without top, in {path}. Received: {reason}"
        ) from None
    first = checked(found, shapes("squeeze"), path)["features.0.weight"].astype(np.float64)
    first = first[:, ::-1]
    shift = 255 * MEAN - CAFFE_MEAN[::-1]
    bias = found["features.0.bias"] + np.einsum("oirc,i->o", first, shift)
    found["features.0.weight"] = (first * (255 * DEVIATION)[:, None, None]).astype(np.float32)
    found["features.0.bias"] = bias.astype(np.float32)
    return found


def _keras_names() -> dict[str, str]:
    """Name in torchvision to that in keras-squeezenet, for each convolution."""
    names = {"features.0": "conv1"}
    fires = [layer for layer in LAYERS["squeeze"] if isinstance(layer, Fire)]
    for number, layer in enumerate(fires, 2):
        for torch, keras in (
            ("squeeze", "squeeze1x1"),
            ("expand1x1", "expand1x1"),
            ("expand3x3", "expand3x3"),
        ):
            names[f"features.{layer.index}.{torch}"] = f"fire{number}/{keras}"
    return names
