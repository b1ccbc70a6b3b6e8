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
from gans.features.trained import float32_layers

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


TAP = "tap"  # The output of the layer before it is compared.


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
    list of outputs that are compared, each `(n, h, w, channels)`, not negative; float32 throughout.

    Args:
        net: "alex", "vgg" or "squeeze".
    """
    import keras
    from keras import layers

    def convolve(x, name, filters, kernel, stride=1, padding=0):
        # An odd kernel at stride 1 has as much on each side by "same", and faster.
        same = padding and stride == 1
        if padding and not same:
            x = layers.ZeroPadding2D(padding)(x)
        mode = "same" if same else "valid"
        return layers.Conv2D(filters, kernel, stride, mode, activation="relu", name=name)(x)

    with float32_layers():
        x = inputs = keras.Input((None, None, 3))
        taps = []
        for layer in LAYERS[net]:
            if layer is TAP:
                taps.append(x)
            elif isinstance(layer, Pool):
                if layer.ceil:
                    # One more row and column: a window begins there only where the last one would
                    # reach over the border. A zero is no maximum of what a rectifier left.
                    x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
                x = layers.MaxPooling2D(layer.window, 2)(x)
            elif isinstance(layer, Fire):
                name, expand = f"features.{layer.index}", layer.expand
                x = convolve(x, f"{name}.squeeze", layer.squeeze, 1)
                ones = convolve(x, f"{name}.expand1x1", expand, 1)
                x = layers.Concatenate()([ones, convolve(x, f"{name}.expand3x3", expand, 3, 1, 1)])
            else:
                x = convolve(x, f"features.{layer.index}", *layer[1:])
        return keras.Model(inputs, taps, name=net)


def shapes(model) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the arrays in torchvision's state dict that `fill` takes."""
    found = {}
    for layer in model.layers:
        if layer.weights:
            rows, columns, inputs, outputs = layer.kernel.shape
            found[f"{layer.name}.weight"] = (outputs, inputs, rows, columns)
            found[f"{layer.name}.bias"] = (outputs,)
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
    wanted = checked(arrays, shapes(model), source)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = (wanted[f"{layer.name}.{kind}"] for kind in ("weight", "bias"))
            layer.set_weights([kernel.transpose(2, 3, 1, 0), bias])


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

    wanted = shapes(build("squeeze"))
    parts = ("squeeze1x1", "expand1x1", "expand3x3")
    names = ["conv1", *(f"fire{number}/{part}" for number in range(2, 10) for part in parts)]
    found = {}
    try:
        with h5py.File(path, "r") as file:
            for place, name in zip(list(wanted)[::2], names, strict=True):
                kernel, bias = (file[name][key][()] for key in file[name].attrs["weight_names"])
                found[place] = kernel.transpose(3, 2, 0, 1)
                found[place.replace("weight", "bias")] = bias
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(
            f"expected SqueezeNet of keras-squeezenet, without top, in {path}. Received: {reason}"
        ) from None
    found = checked(found, wanted, path)
    first = found["features.0.weight"][:, ::-1].astype(np.float64)
    shift = np.einsum("oirc,i->o", first, 255 * MEAN - CAFFE_MEAN[::-1])
    found["features.0.weight"] = np.float32(first * (255 * DEVIATION)[:, None, None])
    found["features.0.bias"] = np.float32(found["features.0.bias"] + shift)
    return found
