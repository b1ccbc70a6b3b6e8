"""LPIPS: how different two pictures look, by what trained networks see in them; and one of our own.

Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
arXiv:1801.03924, section 3, equation 1; lpips/lpips.py of richzhang/PerceptualSimilarity. At some
layers of a network (`gans/features/lpips_networks.py`) the features of both pictures are scaled to
length 1 over the channels, their squared differences weighted by channel (the "linear heads",
fitted to what people find similar; never negative), averaged over the places and added up over the
layers.

    lpips = load("alexnet-owt-7be5be79.pth", net="alex", heads="lpips/weights/v0.1/alex.pth")
    lpips.distance(images_a, images_b)        # float32 (n,)
    consecutive_distances(samples, lpips)     # of gans.metrics.diversity

Version 0.1, in which images are scaled as the networks were trained on them. Version 0.0, by which
BicycleGAN's paper measured diversity, left that out and had other heads: its .262 of random real
photos is .609 here, and a number of one version cannot be compared with one of the other. The ratio
of two numbers of one version is what compares: see `gans.metrics.diversity`.

A score is called `lpips_alex`, `lpips_vgg` or `lpips_squeeze` only where both files are those that
were published; by any other weights the name ends in eight digits of the backbone's sha256.

Without these files there is `FeatureDistance`: the same idea on the features of a classifier of our
own. It is called by its extractor, `pd_toy`, and is never LPIPS.

TensorFlow is imported by what computes, not by this module.
"""

import hashlib
import zipfile
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from gans.data.images import to_float, to_uint8
from gans.features import lpips_networks as networks
from gans.features.torch_weights import WeightsError, read, sha256

Net = Literal["alex", "vgg", "squeeze"]
NETS: tuple[str, ...] = get_args(Net)
VERSION = "0.1"
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # `ScalingLayer`.
EPSILON = 1e-10  # `normalize_tensor`: added to the length, which of no feature is 0.
PIXELS = 2**19  # In one call of the network.
# How the published files begin. Of the backbones it is part of torchvision's file names; of the
# heads it is the sha256 of their numbers, since they also travel in other files than .pth.
BACKBONES = {
    "alex": ("7be5be79", "alexnet-owt-7be5be79.pth"),
    "vgg": ("397923af", "vgg16-397923af.pth"),
    "squeeze": ("b8a52dc0", "squeezenet1_1-b8a52dc0.pth"),
}
HEADS = {
    "alex": "718a8b40b0d22f96192d34ab93c0db5c7943558ff6c2407f44812dce2f29b5f4",
    "vgg": "9153a2043dccf3b525d4f13db916e93ef040548ea923b6f2100de5ebac141a78",
    "squeeze": "68f1b1752260e0335c6394983132e210e3ed5c2540e78d239be07671a77130e4",
}


class PairDistance:
    """A distance between two images, by what a network sees in each.

    Attributes:
        channels: how many an image may have; empty where any number will do.
    """

    channels: tuple[int, ...] = ()

    def consecutive(self, images: np.ndarray) -> np.ndarray:
        """Of each image and the next, float32 `(n - 1,)`; the network sees each image once.

        Args:
            images: as in `distance`.
        """
        raise NotImplementedError

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Of each pair, float32 `(n,)`; 0 for equal images, and the same either way.

        Args:
            a, b: `(n, height, width, channels)`, of one shape, uint8, or float in [-1, 1].

        Raises `ValueError` for images that are not of these.
        """
        _check(a, self.channels)
        _check(b, self.channels)
        if np.shape(a) != np.shape(b):
            raise ValueError(
                f"expected images of one shape. Received: {np.shape(a)} and {np.shape(b)}"
            )
        pairs = np.stack([to_float(a), to_float(b)], axis=1)
        return self.consecutive(pairs.reshape(-1, *np.shape(a)[1:]))[::2]

    __call__ = distance


class LPIPS(PairDistance):
    """A network with its heads; see the module. Made by `load`.

    Images have 1 or 3 channels; height and width are at least 31 for "alex", 16 for "vgg", 17 for
    "squeeze".

    Attributes:
        name: "lpips_alex", and so on.
        net: "alex", "vgg" or "squeeze".

    Args:
        model: of `lpips_networks.build`, filled.
        heads: weights of the channels at each layer that is compared, float32 `(channels,)`.
        sources: facts of the files that both come from.
        published: whether these are the published ones.
    """

    channels = (1, 3)

    def __init__(
        self, model: Any, heads: list[np.ndarray], sources: dict[str, Any], published: bool
    ):
        import tensorflow as tf

        self.net, self.published = model.name, published
        self.name = f"lpips_{self.net}"
        if not published:
            self.name += f"_{sources['backbone_sha256'][:8]}"
        self._sources = sources

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
        def compare(images):
            distances, taps = 0.0, model((images - SHIFT) / SCALE, training=False)
            for tap, head in zip(taps, heads, strict=True):
                tap /= tf.norm(tap, axis=-1, keepdims=True) + EPSILON
                squares = tf.math.squared_difference(tap[:-1], tap[1:])
                distances += tf.reduce_mean(tf.linalg.matvec(squares, tf.constant(head)), (1, 2))
            return distances

        self._compare = compare

    def consecutive(self, images: np.ndarray) -> np.ndarray:
        """See `PairDistance`."""
        smallest = networks.SMALLEST[self.net]
        _check(images, self.channels)
        if min(images.shape[1:3]) < smallest:
            raise ValueError(
                f"expected images of {smallest}x{smallest} or more for LPIPS of {self.net}. "
                f"Received: {images.shape[1]}x{images.shape[2]}"
            )
        count = max(2, PIXELS // (images.shape[1] * images.shape[2]))
        # The last image of a part is the first of the next.
        parts = [
            self._compare(_rgb(images[start : start + count]))
            for start in range(0, len(images) - 1, count - 1)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def facts(self) -> dict[str, Any]:
        """All that decides a number: name, net, version, files with their sha256, whether these
        are the published ones, dtype.
        """
        return {
            "distance": self.name,
            "net": self.net,
            "version": VERSION,
            "published": self.published,
            **self._sources,
            "dtype": "float32",
        }


def load(backbone: str | Path, net: Net = "alex", heads: str | Path | None = None) -> LPIPS:
    """LPIPS from files.

    Args:
        backbone: torchvision's `.pth` of the network, or an `.npz` of the same names; of "squeeze"
            also the HDF5 of keras-squeezenet, with which the distance is not the published one.
        net: "alex", "vgg" or "squeeze".
        heads: `lpips/weights/v0.1/NET.pth` of richzhang/PerceptualSimilarity, or an `.npz` of the
            same names.

    Raises `WeightsError` where a file is missing, which says what to fetch, or is not of this
    network.
    """
    if net not in NETS:
        raise ValueError(f"expected net alex, vgg or squeeze. Received: {net!r}")
    backbone = _existing(
        backbone, f"{BACKBONES[net][1]} of torchvision (download.pytorch.org/models)"
    )
    heads = _existing(
        heads, f"lpips/weights/v{VERSION}/{net}.pth of github.com/richzhang/PerceptualSimilarity"
    )
    found = read_heads(heads, net)
    if backbone.suffix in (".h5", ".hdf5"):
        if net != "squeeze":
            raise WeightsError(f"expected a .pth of torchvision for {net}. Received: {backbone}")
        arrays = networks.read_keras_squeezenet(backbone)
    else:
        arrays = _read_arrays(backbone)
    model = networks.build(net)
    networks.fill(model, arrays, backbone)
    sources = {
        "backbone": backbone.name,
        "backbone_sha256": sha256(backbone),
        "heads": heads.name,
        "heads_sha256": sha256(heads),
    }
    published = (
        sources["backbone_sha256"].startswith(BACKBONES[net][0]) and digest(found) == HEADS[net]
    )
    return LPIPS(model, found, sources, published)


def read_heads(path: str | Path, net: Net) -> list[np.ndarray]:
    """Weights of the channels at each layer that is compared, float32 `(channels,)`, not negative.

    Args:
        path: `.pth` of the repository, or an `.npz`, with arrays "lin0.model.1.weight", ... of
            `(1, channels, 1, 1)`.

    Raises `WeightsError` for a file that is not of this network.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    wanted = {
        f"lin{index}.model.1.weight": (1, channels, 1, 1)
        for index, channels in enumerate(networks.CHANNELS[net])
    }
    found = networks.checked(arrays, wanted, path)
    for name, head in found.items():
        if head.min() < 0:
            raise WeightsError(
                f"expected heads of 0 or more in {path}. Received: {head.min():.3g} in {name}"
            )
    return [head.ravel() for head in found.values()]


def digest(heads: list[np.ndarray]) -> str:
    """sha256 of the heads' numbers, float32 in the order of bytes of most machines."""
    return hashlib.sha256(b"".join(head.astype("<f4").tobytes() for head in heads)).hexdigest()


class FeatureDistance(PairDistance):
    """Squared distance of the features of two pictures, each scaled to length 1: twice one minus
    the cosine between them, from 0 to 2 of features that are not negative, as our classifiers' are,
    and to 4 of others. It is LPIPS' equation 1 for one layer of one place and heads of 1.

    What the extractor was not trained to tell it may not see: compare only values of the same
    extractor.

    Attributes:
        name: "pd_" and the extractor's name.

    Args:
        extractor: see `gans.features.extractors.Extractor`. It is given the 8 bits of a file.
    """

    def __init__(self, extractor: Any):
        self.extractor, self.name = extractor, f"pd_{extractor.name}"

    def consecutive(self, images: np.ndarray) -> np.ndarray:
        """See `PairDistance`."""
        _check(images, self.channels)
        pixels = images if images.dtype == np.uint8 else to_uint8(images)
        seen = np.asarray(self.extractor.extract(pixels)[0], np.float64)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True) + EPSILON
        return np.square(seen[:-1] - seen[1:]).sum(axis=1).astype(np.float32)

    def facts(self) -> dict[str, Any]:
        """All that decides a number: name, and the extractor's facts."""
        return {"distance": self.name, **self.extractor.facts()}


def _check(images: np.ndarray, channels: tuple[int, ...]):
    if np.ndim(images) != 4 or (channels and images.shape[-1] not in channels):
        raise ValueError(
            f"expected images (n, height, width, {' or '.join(map(str, channels)) or 'channels'}). "
            f"Received: {np.shape(images)}"
        )
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise ValueError(f"expected uint8, or float in [-1, 1]. Received: {images.dtype}")
    # Written so that NaN is refused too.
    if images.dtype.kind == "f" and images.size and not np.abs(images).max() <= 1.001:
        raise ValueError(
            "expected float images in [-1, 1]. "
            f"Received: from {images.min():.4g} to {images.max():.4g}"
        )


def _rgb(images: np.ndarray) -> np.ndarray:
    """float32 in [-1, 1] of three channels; a grey one is three alike."""
    floats = to_float(images)
    return np.repeat(floats, 3, axis=-1) if floats.shape[-1] == 1 else floats


def _existing(path: str | Path | None, what: str) -> Path:
    if path is None or not Path(path).is_file():
        raise WeightsError(f"expected {what}. Received: {path or 'none'}, which is no file")
    return Path(path)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Of an `.npz`, and of any other file as a checkpoint of PyTorch."""
    if path.suffix != ".npz":
        return read(path)
    try:
        # Opened here: of a file that is no zip, NumPy leaves it open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    # An .npy by this name is an array, which is no context.
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"expected an .npz of arrays in {path}. Received: {reason}") from None
