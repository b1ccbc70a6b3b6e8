"""The Inception network by which FID, Inception Score and KID are defined: that of December 2015.

    inception = load("data/pt_inception-2015-12-05-6726825d.pth")
    features, logits = inception.extract(images)        uint8 (n, h, w, c) -> (n, 2048), (n, 1008)

It is Szegedy et al. 2016 (arXiv:1512.00567) as Google published it before the paper's checkpoint,
and as Heusel et al. 2017 (arXiv:1706.08500) took it for FID. keras.applications has another one,
with other weights, whose scores cannot be compared with anybody's. The network is in
inception_network.py, where its weights come from in inception_weights.py.

A resize to 299x299 belongs to the measure, and three are in use:

- "tf1": bilinear as TensorFlow 1 has it, without antialiasing and with pixels at their corners,
  then (x - 128) / 128: in the graph itself, so of TTUR (fid.py) and torch-fidelity;
- "pytorch": bilinear with pixels at their centres, then 2 x / 255 - 1: pytorch-fid;
- "clean": Pillow's bicubic, which antialiases, then (x - 128) / 128: clean-fid (Parmar et al. 2022,
  arXiv:2104.11222).

Sources: TTUR:fid.py, torch-fidelity:torch_fidelity/feature_extractor_inceptionv3.py,
pytorch-fid:src/pytorch_fid/inception.py, clean-fid:cleanfid/{resize,inception_torchscript}.py.
"""

from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from gans.features.inception_network import CLASSES, FEATURES, SIZE, connect, fold
from gans.features.inception_weights import find, read_weights
from gans.features.torch_weights import sha256

Resize = Literal["tf1", "pytorch", "clean"]
BATCH = 32  # Images in one call.


def preprocess(images: np.ndarray, resize: Resize = "tf1") -> Any:
    """What the network is given: a float32 tensor (n, 299, 299, 3), about [-1, 1].

    Args:
        images: uint8 (n, height, width, 1 or 3); grey ones become red, green and blue alike.
        resize: see above.
    """
    import tensorflow as tf

    if resize == "clean":
        x = tf.constant(_resize_by_pillow(images))
    else:
        x = tf.raw_ops.ResizeBilinear(
            images=images, size=[SIZE, SIZE], half_pixel_centers=resize == "pytorch"
        )
    x = x / 127.5 - 1 if resize == "pytorch" else (x - 128) / 128
    return tf.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x


def _resize_by_pillow(images: np.ndarray) -> np.ndarray:
    """float32 (n, 299, 299, c) in [0, 255]: each channel as floats, by cleanfid/resize.py."""
    from PIL import Image

    resized = np.empty((len(images), SIZE, SIZE, images.shape[-1]), np.float32)
    for image, result in zip(images, resized, strict=True):
        for channel in range(images.shape[-1]):
            floats = Image.fromarray(image[..., channel].astype(np.float32))
            result[..., channel] = floats.resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    # Bicubic weights are negative too.
    return resized.clip(0, 255, out=resized)


class Inception:
    """The network as an extractor of features (`gans/features/extractors.py`).

    Args:
        weights: from `read_weights`.
        sha256: of the file that they are from.
        kind: of that file.
        resize: see above.
        batch_size: images in one call.
    """

    name = "inception"

    def __init__(
        self,
        weights: dict[str, np.ndarray],
        sha256: str,
        kind: str,
        resize: Resize = "tf1",
        batch_size: int = BATCH,
    ):
        self.sha256, self.kind, self.resize = sha256, kind, _check_resize(resize)
        self.batch_size = batch_size
        self._forward = compile_network(weights, batch_size)

    def extract(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features float32 (n, 2048) and logits float32 (n, 1008), these without their bias.

        Args:
            images: uint8 (n, height, width, 1 or 3), of any size.
        """
        array = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4
        if not array or images.shape[-1] not in (1, 3):
            raise ValueError(
                "expected uint8 images (n, height, width, 1 or 3). "
                f"Received: {getattr(images, 'dtype', type(images).__name__)} {np.shape(images)}"
            )
        features = np.empty((len(images), FEATURES), np.float32)
        logits = np.empty((len(images), CLASSES), np.float32)
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            # In calls of one shape, so that one graph does.
            padded = np.zeros((self.batch_size, *batch.shape[1:]), np.uint8)
            padded[: len(batch)] = batch
            results = self._forward(preprocess(padded, self.resize))
            for whole, part in zip((features, logits), results, strict=True):
                whole[start : start + len(batch)] = part.numpy()[: len(batch)]
        return features, logits

    def facts(self) -> dict[str, Any]:
        """All that decides a number: extractor, sha256 and kind of its file, resize, dtype."""
        return {
            "extractor": self.name,
            "extractor_sha256": self.sha256,
            "extractor_file": self.kind,
            "classes": CLASSES,
            "resize": self.resize,
            "dtype": "float32",
        }


def compile_network(weights: dict[str, np.ndarray], batch: int) -> Any:
    """The network as a function of float32 (batch, 299, 299, 3) to (features, logits).

    The weights are constants of its graph: so oneDNN brings each kernel into its own order once,
    and not in every call.
    """
    import tensorflow as tf

    folded = fold(weights)

    def unit(x, name, filters, kernel, strides=1, padding="same"):
        kernel, bias = folded[name]
        x = tf.nn.conv2d(x, tf.constant(kernel), strides, padding.upper())
        return tf.nn.relu(tf.nn.bias_add(x, tf.constant(bias)))

    @tf.function(autograph=False)
    def forward(x):
        features = connect(x, unit)
        return features, tf.matmul(features, tf.constant(weights["fc.weight"]))

    return forward.get_concrete_function(tf.TensorSpec((batch, SIZE, SIZE, 3), tf.float32))


def load(
    path: str | Path | None = None, resize: Resize = "tf1", batch_size: int = BATCH
) -> Inception:
    """The network with the weights of a file, see `find` and `read_weights`, ready to extract.

    Raises:
        ValueError: `resize` is none of the three.
        WeightsError: There is no such file, or it is not to be used; in one line.
    """
    _check_resize(resize)
    path = find(path)
    weights, kind = read_weights(path)
    return Inception(weights, sha256(path), kind, resize, batch_size)


def _check_resize(resize: str) -> Resize:
    if resize not in get_args(Resize):
        raise ValueError(f"expected resize {', '.join(get_args(Resize))}. Received: {resize!r}")
    return resize
