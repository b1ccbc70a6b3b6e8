"""How fast the Inception network turns pictures into features.

    python benchmarks/feature_extraction.py
    python benchmarks/feature_extraction.py --batch_size=8 --image_size=256 --resize=clean
    python benchmarks/feature_extraction.py --weights data/pt_inception-2015-12-05-6726825d.pth

Prints the median milliseconds of an image from uint8 to features, images per second, the share of
the resize, peak memory, and the GFLOP/s beside those that its 94 convolutions reach alone,
each by itself with a constant kernel. The same for a Keras model of the network, with its
normalisations and variables: the two take turns, batch by batch, so that a noisy machine disturbs
both alike. Where other programs are running too, only the images a CPU second can be relied on.
Weights are random unless named, which changes no time. The last line is one JSON object. About two
minutes on 2 cores.
"""

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gans.command_line import cli, command
from gans.command_line.errors import check_at_least, usage_errors
from gans.features.inception import BATCH, Resize
from gans.features.torch_weights import WeightsError


def measure(
    weights: str | None = None,
    batch_size: int = BATCH,
    image_size: int = 64,
    resize: Resize = "tf1",
    batches: int = 10,
    warmup: int = 2,
    debug: bool = False,
) -> None:
    """Measures the extraction of features.

    Args:
        weights: File of weights. Default: random ones.
        batch_size: Images in a call.
        image_size: Side of the images that are given.
        resize: How they become 299x299.
        batches: Calls that count.
        warmup: Calls before them.
        debug: Show the traceback of an error.
    """
    check_at_least(1, batch_size=batch_size, image_size=image_size, batches=batches, warmup=warmup)
    command.import_tensorflow(debug)
    import tensorflow as tf

    from gans.features import inception
    from gans.features.inception_weights import read_weights

    if weights:
        with usage_errors(WeightsError):
            values, _ = read_weights(Path(weights))
    else:
        values = random_weights()
    model = keras_model(values)
    as_built = tf.function(lambda x: model(x, training=False))
    extractor = inception.Inception(values, "", "", resize, batch_size)
    images = np.random.default_rng(0).integers(
        0, 256, (batch_size, image_size, image_size, 3), np.uint8
    )

    def plainly():
        return [part.numpy() for part in as_built(inception.preprocess(images, resize))]

    runs = {
        "extract": lambda: extractor.extract(images),
        "as built": plainly,
        "resize": lambda: inception.preprocess(images, resize).numpy(),
    }
    first = timed(runs["extract"])
    times, cpu = {name: [] for name in runs}, {name: [] for name in runs}
    for _ in range(warmup + batches):
        for name, run in runs.items():
            start = time.process_time()
            times[name].append(timed(run))
            cpu[name].append(time.process_time() - start)
    median = {name: statistics.median(kept[warmup:]) for name, kept in times.items()}
    cpu_seconds = statistics.median(cpu["extract"][warmup:]) / batch_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6
    )
    gflop, alone = time_convolutions(batch_size)
    result = {
        "batch_size": batch_size,
        "image_size": image_size,
        "resize": resize,
        "median_seconds": median["extract"],
        "images_per_second": batch_size / median["extract"],
        "images_per_cpu_second": 1 / cpu_seconds,
        "images_per_second_as_built": batch_size / median["as built"],
        "resize_share": median["resize"] / median["extract"],
        "first_call_seconds": first,
        "peak_gigabytes": peak,
        "gflop_per_image": gflop / batch_size,
        "gflops": gflop / median["extract"],
        "gflops_of_convolutions_alone": gflop / alone,
    }
    fastest_image = 1e3 * min(times["extract"][warmup:]) / batch_size
    print(
        f"an image               {1e3 * median['extract'] / batch_size:8.1f} ms "
        f"(fastest {fastest_image:.1f})"
    )
    print(f"images                 {result['images_per_second']:8.2f} /s")
    print(f"                       {1 / cpu_seconds:8.2f} a CPU second")
    print(f"as built, not folded   {result['images_per_second_as_built']:8.2f} /s")
    print(f"resize                 {100 * result['resize_share']:8.2f} % of it")
    print(f"first call             {first:8.1f} s")
    print(f"peak memory            {peak:8.2f} GB, both networks")
    print(f"convolutions           {result['gflop_per_image']:8.2f} GFLOP an image")
    print(f"reached                {result['gflops']:8.1f} GFLOP/s")
    print(f"convolutions alone     {result['gflops_of_convolutions_alone']:8.1f} GFLOP/s")
    print(json.dumps(result))


def random_weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights as `read_weights` gives them, that keep the size of what goes through."""
    from gans.features.inception_network import CLASSES, FEATURES, kernel_shapes

    random = np.random.default_rng(seed)
    weights = {}
    for unit, shape in kernel_shapes().items():
        scale = np.float32((2 / np.prod(shape[:3])) ** 0.5)
        weights[f"{unit}.conv.weight"] = random.standard_normal(shape, np.float32) * scale
        for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            weights[f"{unit}.bn.{name}"] = np.full(shape[3], value, np.float32)
    weights["fc.weight"] = random.standard_normal((FEATURES, CLASSES), np.float32) * 0.05
    return weights


def keras_model(weights: dict[str, np.ndarray]):
    """`keras.Model` of the network, with a layer for each convolution and each normalisation."""
    import keras
    from keras import layers

    from gans.features.inception_network import CLASSES, EPSILON, NORMALIZATION, SIZE, connect

    filled = {}

    def unit(x, name, filters, kernel, strides=1, padding="same"):
        convolution = layers.Conv2D(filters, kernel, strides, padding, use_bias=False)
        normalization = layers.BatchNormalization(epsilon=EPSILON)
        filled[convolution] = [weights[f"{name}.conv.weight"]]
        filled[normalization] = [weights[f"{name}.bn.{part}"] for part in NORMALIZATION]
        return layers.ReLU()(normalization(convolution(x)))

    inputs = keras.Input((SIZE, SIZE, 3))
    features = connect(inputs, unit)
    dense = layers.Dense(CLASSES, use_bias=False)
    filled[dense] = [weights["fc.weight"]]
    model = keras.Model(inputs, [features, dense(features)])
    for layer, values in filled.items():
        layer.set_weights(values)
    return model


def time_convolutions(batch_size: int) -> tuple[float, float]:
    """GFLOP of a batch, and the seconds of all its convolutions, each timed alone."""
    import keras

    from gans.features.inception_network import SIZE, connect

    calls = []

    def unit(x, name, filters, kernel, strides=1, padding="same"):
        calls.append((x.shape[1:], (*kernel, x.shape[-1], filters), strides, padding.upper()))
        layer = keras.layers.Conv2D(filters, kernel, strides, padding, use_bias=False)
        return keras.KerasTensor(layer.compute_output_shape(x.shape))

    connect(keras.KerasTensor((batch_size, SIZE, SIZE, 3)), unit)
    cache = {call: time_convolution(batch_size, *call) for call in set(calls)}
    work, seconds = zip(*(cache[call] for call in calls), strict=True)
    return sum(work), sum(seconds)


def time_convolution(batch_size, shape, kernel, strides, padding) -> tuple[float, float]:
    """GFLOP of a convolution, and its seconds."""
    import tensorflow as tf

    x, w = tf.random.normal((batch_size, *shape)), np.ones(kernel, np.float32)
    call = tf.function(lambda x: tf.nn.conv2d(x, tf.constant(w), strides, padding))
    outputs = call(x).shape.num_elements()
    return 2e-9 * outputs * np.prod(kernel[:3]), min(timed(lambda: call(x)) for _ in range(4))


def timed(call: Callable) -> float:
    """Seconds of a call. What is eager on a CPU is done when it returns."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    cli.run(measure)
