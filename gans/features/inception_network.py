"""The Inception network of December 2015, block by block.

Szegedy et al. 2016 (arXiv:1512.00567), figures 5 to 7, with what is the published graph's own:

- 1,008 classes, and logits without their bias, which is what the official Inception Score takes
  (`softmax/logits/MatMul` in openai/improved-gan:inception_score/model.py);
- average pooling that counts no padding, and in the very last block a max pooling in its place;
- batch normalisation with epsilon 0.001 and gamma, no bias of convolutions.

Units are named as in PyTorch's files. Sources: pytorch-fid:src/pytorch_fid/inception.py and
torch-fidelity:torch_fidelity/feature_extractor_inceptionv3.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

SIZE, FEATURES, CLASSES = 299, 2048, 1008
EPSILON = 1e-3
# What a normalisation has, by PyTorch's name, in Keras' order.
NORMALIZATION = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}

# A unit is a convolution, its normalisation and a ReLU. Connecting needs no more of it than
# unit(inputs, name, filters, kernel (rows, columns), strides, padding), so that the same lines list
# the kernels' shapes and make the graph that is run.
Unit = Callable[..., Any]


def connect(x: Any, unit: Unit) -> Any:
    """The network from images (n, 299, 299, 3) to features (n, 2048). Shapes as (rows, channels).

    Args:
        x: float32 in [-1, 1].
        unit: makes a unit; see above.
    """
    from keras import ops

    def pooled(x):
        return ops.max_pool(x, 3, 2)

    def averaged(x):
        return ops.average_pool(x, 3, 1, "same")

    def peaked(x):
        return ops.max_pool(x, 3, 1, "same")

    x = unit(x, "Conv2d_1a_3x3", 32, (3, 3), 2, "valid")  # 149, 32
    x = unit(x, "Conv2d_2a_3x3", 32, (3, 3), 1, "valid")  # 147, 32
    x = pooled(unit(x, "Conv2d_2b_3x3", 64, (3, 3)))  # 73, 64
    x = unit(x, "Conv2d_3b_1x1", 80, (1, 1))  # 73, 80
    x = pooled(unit(x, "Conv2d_4a_3x3", 192, (3, 3), 1, "valid"))  # 35, 192

    for name, filters in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):  # 35, 288
        fives = unit(x, f"{name}.branch5x5_1", 48, (1, 1))
        threes = unit(x, f"{name}.branch3x3dbl_1", 64, (1, 1))
        threes = unit(threes, f"{name}.branch3x3dbl_2", 96, (3, 3))
        x = ops.concatenate(
            [
                unit(x, f"{name}.branch1x1", 64, (1, 1)),
                unit(fives, f"{name}.branch5x5_2", 64, (5, 5)),
                unit(threes, f"{name}.branch3x3dbl_3", 96, (3, 3)),
                unit(averaged(x), f"{name}.branch_pool", filters, (1, 1)),
            ],
            axis=-1,
        )

    threes = unit(x, "Mixed_6a.branch3x3dbl_1", 64, (1, 1))
    threes = unit(threes, "Mixed_6a.branch3x3dbl_2", 96, (3, 3))
    x = ops.concatenate(
        [
            unit(x, "Mixed_6a.branch3x3", 384, (3, 3), 2, "valid"),
            unit(threes, "Mixed_6a.branch3x3dbl_3", 96, (3, 3), 2, "valid"),
            pooled(x),
        ],
        axis=-1,
    )  # 17, 768

    for name, filters in zip("bcde", (128, 160, 160, 192), strict=True):
        name = f"Mixed_6{name}"
        sevens = unit(x, f"{name}.branch7x7_1", filters, (1, 1))
        sevens = unit(sevens, f"{name}.branch7x7_2", filters, (1, 7))
        twice = unit(x, f"{name}.branch7x7dbl_1", filters, (1, 1))
        for place, kernel in ((2, (7, 1)), (3, (1, 7)), (4, (7, 1))):
            twice = unit(twice, f"{name}.branch7x7dbl_{place}", filters, kernel)
        x = ops.concatenate(
            [
                unit(x, f"{name}.branch1x1", 192, (1, 1)),
                unit(sevens, f"{name}.branch7x7_3", 192, (7, 1)),
                unit(twice, f"{name}.branch7x7dbl_5", 192, (1, 7)),
                unit(averaged(x), f"{name}.branch_pool", 192, (1, 1)),
            ],
            axis=-1,
        )

    threes = unit(x, "Mixed_7a.branch3x3_1", 192, (1, 1))
    sevens = unit(x, "Mixed_7a.branch7x7x3_1", 192, (1, 1))
    sevens = unit(sevens, "Mixed_7a.branch7x7x3_2", 192, (1, 7))
    sevens = unit(sevens, "Mixed_7a.branch7x7x3_3", 192, (7, 1))
    x = ops.concatenate(
        [
            unit(threes, "Mixed_7a.branch3x3_2", 320, (3, 3), 2, "valid"),
            unit(sevens, "Mixed_7a.branch7x7x3_4", 192, (3, 3), 2, "valid"),
            pooled(x),
        ],
        axis=-1,
    )  # 8, 1280

    # The max pooling may have been meant as an average; the published network has it so.
    for name, pool in (("Mixed_7b", averaged), ("Mixed_7c", peaked)):
        threes = unit(x, f"{name}.branch3x3_1", 384, (1, 1))
        twice = unit(x, f"{name}.branch3x3dbl_1", 448, (1, 1))
        twice = unit(twice, f"{name}.branch3x3dbl_2", 384, (3, 3))
        x = ops.concatenate(
            [
                unit(x, f"{name}.branch1x1", 320, (1, 1)),
                unit(threes, f"{name}.branch3x3_2a", 384, (1, 3)),
                unit(threes, f"{name}.branch3x3_2b", 384, (3, 1)),
                unit(twice, f"{name}.branch3x3dbl_3a", 384, (1, 3)),
                unit(twice, f"{name}.branch3x3dbl_3b", 384, (3, 1)),
                unit(pool(x), f"{name}.branch_pool", 192, (1, 1)),
            ],
            axis=-1,
        )  # 8, 2048
    return ops.mean(x, axis=(1, 2))


def kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Of each of the 94 units its kernel (rows, columns, inputs, outputs), in order."""
    import keras

    shapes = {}

    def unit(x, name, filters, kernel, strides=1, padding="same"):
        shapes[name] = (*kernel, x.shape[-1], filters)
        less = (0, 0) if padding == "same" else (kernel[0] - 1, kernel[1] - 1)
        rows, columns = (-(-(x.shape[1 + i] - less[i]) // strides) for i in (0, 1))
        return keras.KerasTensor((None, rows, columns, filters))

    connect(keras.KerasTensor((None, SIZE, SIZE, 3)), unit)
    return shapes


def fold(weights: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each unit, into which its normalisation is multiplied.

    gamma (k * x - mean) / sqrt(variance + epsilon) + beta is a convolution again: one pass over the
    outputs less, of which 94 layers have 45 million values for each image.
    """
    folded = {}
    for unit in kernel_shapes():
        gamma, beta, mean, variance = (
            weights[f"{unit}.bn.{name}"].astype(np.float64) for name in NORMALIZATION
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        kernel = weights[f"{unit}.conv.weight"] * scale
        folded[unit] = (kernel.astype(np.float32), (beta - mean * scale).astype(np.float32))
    return folded
