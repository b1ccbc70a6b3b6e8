"""Convolutions as functions of tensors, each equal to a textbook operation and computed in a faster
way.
"""

import keras
import tensorflow as tf

# A kernel of this many weights, at this many positions of the smaller map or fewer, is multiplied
# as a matrix: oneDNN's convolution reorders the whole kernel at each call
# (benchmarks/translation_step.py).
MATMUL_KERNEL = 2**20
MATMUL_POSITIONS = 256


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, strides: int, padding: int) -> tf.Tensor:
    """`tf.nn.conv2d` with symmetric padding; a product of matrices where that is faster."""
    size, filters = kernel.shape[0], kernel.shape[3]
    sides = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    height, width = inputs.shape[1:3]
    if height is None or width is None or height % strides or width % strides:
        return tf.nn.conv2d(tf.pad(inputs, sides), kernel, strides, "VALID")
    positions = (height // 2) * (width // 2)
    if (size, strides, padding) == (4, 2, 1) and multiplies_matrices(positions, kernel):
        rows = tf.reshape(gather_patches(inputs), [-1, kernel.shape.num_elements() // filters])
        outputs = tf.matmul(rows, tf.reshape(kernel, [-1, filters]))
        return tf.reshape(outputs, [-1, height // 2, width // 2, filters])
    # oneDNN has the gradients of "SAME" and "VALID", not those of explicit paddings.
    if 2 * padding == size - strides:
        return tf.nn.conv2d(inputs, kernel, strides, "SAME")
    return tf.nn.conv2d(tf.pad(inputs, sides), kernel, strides, "VALID")


def convolve_transpose(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """`tf.nn.conv2d_transpose` with stride 2 that doubles the size, likewise."""
    height, width, channels = inputs.shape[1:]
    size, _, filters, _ = kernel.shape
    if size % 2:
        # "SAME" cuts the last row off, not the first: mirrored it does. Cutting the result of
        # "VALID" takes 1.3 times as long.
        shape = tf.shape(inputs)
        doubled = [shape[0], 2 * shape[1], 2 * shape[2], filters]
        mirrored = tf.reverse(inputs, [1, 2]), tf.reverse(kernel, [0, 1])
        return tf.reverse(tf.nn.conv2d_transpose(*mirrored, doubled, 2, "SAME"), [1, 2])
    if height is None or width is None or not multiplies_matrices(height * width, kernel):
        shape = tf.shape(inputs)
        doubled = [shape[0], 2 * shape[1], 2 * shape[2], filters]
        return tf.nn.conv2d_transpose(inputs, kernel, doubled, 2, "SAME")
    rows = tf.reshape(inputs, [-1, channels])
    patches = tf.matmul(rows, tf.reshape(kernel, [-1, channels]), transpose_b=True)
    return add_patches(tf.reshape(patches, [-1, height, width, 16 * filters]))


def multiplies_matrices(positions: int, kernel: tf.Tensor) -> bool:
    """Whether the kernel is large against the map of the shorter side."""
    return positions <= MATMUL_POSITIONS and kernel.shape.num_elements() >= MATMUL_KERNEL


@tf.custom_gradient
def gather_patches(inputs):
    """The 4x4 patch at every second pixel: `(n, 2 h, 2 w, c)` to `(n, h, w, 16 c)`."""
    padded = tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]])
    patches = tf.image.extract_patches(
        padded, [1, 4, 4, 1], [1, 2, 2, 1], [1, 1, 1, 1], padding="VALID"
    )
    return patches, add_patches


@tf.custom_gradient
def add_patches(patches):
    """The sum of overlapping 4x4 patches, the transpose of `gather_patches`.

    Output row 2 i + k - 1 gets row k = 2 p + q of patch i: a patch is 2x2 blocks (p) of 2x2 pixels
    (q), and block p of patch i lies on block i + p.
    """
    _, height, width, size = patches.shape
    blocks = tf.reshape(patches, [-1, height, width, 2, 2, 2, size // 8])
    shifted = []
    for p in range(2):
        for r in range(2):
            block = tf.reshape(blocks[:, :, :, p, :, r], [-1, height, width, size // 4])
            shifted.append(tf.pad(block, [[0, 0], [p, 1 - p], [r, 1 - r], [0, 0]]))
    return tf.nn.depth_to_space(tf.add_n(shifted), 2)[:, 1:-1, 1:-1], gather_patches


def average_shifts(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel `(k + 1, k + 1, ...)` of "convolve by `kernel`, then average over 2x2 squares"."""
    shifts = [
        tf.pad(kernel, [[p, 1 - p], [q, 1 - q], [0, 0], [0, 0]]) for p in (0, 1) for q in (0, 1)
    ]
    return tf.add_n(shifts) / 4


def add_bias(outputs: tf.Tensor, bias: keras.Variable | None, normalized: bool) -> tf.Tensor:
    """Adds the bias, if there is one and no normalisation takes it out again."""
    if bias is None:
        return outputs
    add = add_cancelled_bias if normalized else tf.nn.bias_add
    return add(outputs, tf.convert_to_tensor(bias))


@tf.custom_gradient
def add_cancelled_bias(outputs, bias):
    """A bias that the following normalisation subtracts again: no effect, gradient exactly zero."""
    return tf.identity(outputs), lambda upstream: (upstream, tf.zeros_like(bias))
