"""Where the time of a step of BicycleGAN, pix2pix, CycleGAN or DiscoGAN goes.

    python benchmarks/translation_step.py
    python benchmarks/translation_step.py --gan=cyclegan --precision=bfloat16
    python benchmarks/translation_step.py --choices       # what each choice of speed is worth

Prints the median milliseconds of a step, images per second, the share of a step spent waiting for
data, peak memory, and the GFLOP/s that a step reaches beside what its convolutions reach alone.
With `--choices` every choice that ARCHITECTURE.md lists is switched off in turn and timed side by
side with BicycleGAN's step as it is, step by step in one process, so that a noisy machine disturbs
both alike. The last line is one JSON object. About a minute at 256x256 on 2 cores, 8 with
`--choices`.
"""

import contextlib
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from unittest import mock

from data_prep import toy_fashion
from gans.command_line import cli, command, gan_files
from gans.command_line.errors import UsageError, check_at_least

# Of each GAN its networks with their forward, input-gradient and weight-gradient passes
# in a step, per image of a batch, and the steps after which these repeat.
GANS = {
    # Both flows through G; E on the photo, and both ways on a fake; each D on real and fake.
    "bicyclegan": (
        {
            "generator": (2, 2, 2),
            "encoder": (2, 2, 1),
            "discriminator_1": (2, 3, 2),
            "discriminator_2": (2, 3, 2),
        },
        1,
    ),
    # D on real and fake for its own step, and on the fake again for G's.
    "pix2pix": ({"generator": (1, 1, 1), "discriminator": (3, 3, 2)}, 1),
    # Each G translates, keeps (identity) and leads back; each D on fake, real, and one of the pool.
    "cyclegan": (
        {
            "generator_ab": (3, 3, 3),
            "generator_ba": (3, 3, 3),
            "discriminator_a": (3, 3, 2),
            "discriminator_b": (3, 3, 2),
        },
        1,
    ),
    # The paper's: of three steps one is the discriminators', on fakes, two are the generators'.
    "discogan": (
        {
            "generator_ab": (5 / 3, 4 / 3, 4 / 3),
            "generator_ba": (5 / 3, 4 / 3, 4 / 3),
            "discriminator_a": (2, 4 / 3, 2 / 3),
            "discriminator_b": (2, 4 / 3, 2 / 3),
        },
        3,
    ),
}


def measure(
    gan: Literal["bicyclegan", "pix2pix", "cyclegan", "discogan"] = "bicyclegan",
    image_size: int | None = None,
    batch_size: int | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    data_dir: str | None = None,
    steps: int = 20,
    warmup: int = 3,
    choices: bool = False,
    debug: bool = False,
) -> None:
    """Measures a training step.

    Args:
        gan: Whose step, of its paper preset.
        image_size: Side of the images. Default: the preset's.
        batch_size: Images of each kind in a batch. Default: the preset's.
        precision: As in training.
        data_dir: Pairs to read. Default: toy fashion of that size, drawn into a temporary folder.
        steps: Steps that count.
        warmup: Steps before them.
        choices: Time BicycleGAN's step with each choice of speed switched off, too.
        debug: Show the traceback of an error.
    """
    check_at_least(1, batch_size=batch_size, steps=steps, warmup=warmup)
    if choices and gan != "bicyclegan":
        raise UsageError(f"--choices expects --gan=bicyclegan. Received: {gan}")
    command.import_tensorflow(debug)
    import keras

    from gans.data.data_settings import Preparation
    from gans.data.pairs import find_pairs, pair_batches
    from gans.training import loop

    file = gan_files.read(gan)
    passes, period = GANS[gan]
    batch_size = batch_size or file.training["paper"]["batch_size"]
    draws = file.can.draws
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    loop.make_deterministic(0)
    settings = dict(file.presets["paper"])
    if image_size:
        settings["image_size"] = image_size
    size = file.settings(**settings).image_size
    with tempfile.TemporaryDirectory() as folder:
        if data_dir is None:
            data_dir = toy_fashion.generate(
                Path(folder) / "toy", size=size, train=16 * batch_size, val=0, progress=False
            )
        preparation = Preparation(
            image_size=size, channels=(3, 3), batch_size=batch_size, flip=True
        )
        batches = iter(pair_batches(find_pairs(data_dir), preparation, draws=draws))
        model, step = make_step(file, settings)
        waits, times = [], []
        for _ in range(warmup + steps):
            waited, start = 0.0, time.perf_counter()
            for _ in range(period):
                asked = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - asked
                step(batch)
            waits.append(waited / period)
            times.append((time.perf_counter() - start) / period)
    waits, times = waits[warmup:], times[warmup:]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6
    )
    median = statistics.median(times)
    alone = time_convolutions(model, passes, batch_size)
    gflop = sum(work for work, _ in alone.values())
    seconds_alone = sum(seconds for _, seconds in alone.values())
    result = {
        "gan": gan,
        "image_size": size,
        "batch_size": batch_size,
        "precision": precision,
        "median_seconds": median,
        "images_per_second": draws * batch_size / median,
        "waiting_share": sum(waits) / sum(times),
        "peak_gigabytes": peak,
        "gflop_per_step": gflop,
        "gflops": gflop / median,
        "gflops_of_convolutions_alone": gflop / seconds_alone,
    }
    print(f"a step                 {1e3 * median:8.1f} ms (fastest {1e3 * min(times):.1f})")
    print(f"images                 {result['images_per_second']:8.2f} /s")
    print(f"waiting for data       {100 * result['waiting_share']:8.2f} % of a step")
    print(f"peak memory            {peak:8.2f} GB")
    print(f"convolutions           {gflop:8.1f} GFLOP a step, the least it needs")
    print(f"reached                {result['gflops']:8.1f} GFLOP/s")
    print(f"convolutions alone     {result['gflops_of_convolutions_alone']:8.1f} GFLOP/s")
    if choices:
        result["choices"] = compare_choices(settings, step, batch, steps)
    print(json.dumps(result))


def make_step(file: gan_files.GanFile, settings: dict):
    """A compiled GAN and a function that runs one of its steps to the end."""
    import tensorflow as tf

    gan = file.load()(**settings)
    gan.compile(epochs=1000, steps_per_epoch=1000)
    train = tf.function(gan.train_step)
    return gan, lambda batch: [float(value) for value in train(batch).values()]


def time_convolutions(gan, passes: dict, batch_size: int) -> dict[str, tuple[float, float]]:
    """(GFLOP, seconds) by network of all its convolutions in a step, each timed alone."""
    from gans.nn.layers import Conv2D, Conv2DTranspose

    results, cache = {}, {}
    for name, (forward, back, weight) in passes.items():
        work = seconds = 0.0
        for layer in getattr(gan, name).layers:
            if isinstance(layer, Conv2DTranspose):
                # Forward it is the input gradient of a convolution.
                large, strides, padding = layer.output, 2, 1
                counts = (back, forward, weight)
            elif isinstance(layer, Conv2D):
                large, strides = layer.input, layer.strides
                padding, counts = layer.padding, (forward, back, weight)
            else:
                continue
            kernel = tuple(layer.kernel.shape)
            if getattr(layer, "average_pool", False):
                kernel, strides = (kernel[0] + 1, kernel[1] + 1, *kernel[2:]), 2
            shape = (batch_size, *large.shape[1:3], kernel[2])
            key = (shape, kernel, strides, padding, layer.compute_dtype)
            if key not in cache:
                cache[key] = time_convolution(*key)
            flop, costs = cache[key]
            work += flop * sum(counts)
            seconds += sum(count * cost for count, cost in zip(counts, costs, strict=True))
        results[name] = (work, seconds)
    return results


def time_convolution(shape, kernel, strides, padding, dtype) -> tuple[float, list[float]]:
    """GFLOP of one pass of a convolution, and the seconds of its three passes."""
    import tensorflow as tf

    x, w = tf.cast(tf.random.normal(shape), dtype), tf.cast(tf.random.normal(kernel), dtype)
    if 2 * padding == kernel[0] - strides:
        padding = "SAME"
    else:
        x = tf.pad(x, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
        padding = "VALID"
    y = tf.nn.conv2d(x, w, strides, padding)
    flop = 2e-9 * y.shape.num_elements() * w.shape[0] * w.shape[1] * w.shape[2]
    options = {"strides": [1, strides, strides, 1], "padding": padding}
    calls = [
        lambda: tf.nn.conv2d(x, w, strides, padding),
        lambda: tf.raw_ops.Conv2DBackpropInput(
            input_sizes=x.shape, filter=w, out_backprop=y, **options
        ),
        lambda: tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=w.shape, out_backprop=y, **options
        ),
    ]
    return flop, [fastest(tf.function(call)) for call in calls]


def fastest(call: Callable, repeats: int = 5) -> float:
    """Shortest of several runs, in seconds, after one that does not count."""
    import tensorflow as tf

    def run():
        start = time.perf_counter()
        tf.reshape(call(), [-1])[0].numpy()
        return time.perf_counter() - start

    run()
    return min(run() for _ in range(repeats))


@contextlib.contextmanager
def switched_off(choice: str) -> Iterator[None]:
    """A GAN made and traced inside does without one choice of speed."""
    import keras
    import tensorflow as tf

    from gans.nn import layers, optimizers

    patches = {
        "small maps as matrix products": (layers, "MATMUL_POSITIONS", 0),
        "fused instance normalisation": (layers, "FUSED_NORM_SIZE", sys.maxsize),
        "no bias before a normalisation": (layers, "add_cancelled_bias", tf.nn.bias_add),
        "one kernel for Adam": (optimizers.Adam, "update_step", keras.optimizers.Adam.update_step),
        "pooling inside the convolution": (layers.Conv2D, "call", pool_afterwards(layers)),
    }
    if choice not in patches:
        yield
        return
    with mock.patch.object(*patches[choice]):
        yield


def pool_afterwards(layers):
    """`Conv2D.call` with the average pooling as a step of its own."""
    import tensorflow as tf

    fused = layers.Conv2D.call

    def call(self, inputs):
        if not self.average_pool:
            return fused(self, inputs)
        outputs = layers.convolve(inputs, tf.convert_to_tensor(self.kernel), 1, self.padding)
        outputs = tf.nn.avg_pool2d(outputs, 2, 2, "VALID")
        return layers.add_bias(outputs, self.bias, self.normalized)

    return call


class OneFlowAtATime:
    """A generator that is called once per flow, as the article's listing does."""

    def __init__(self, generator):
        self.generator = generator
        self.layers = generator.layers
        self.trainable_variables = generator.trainable_variables

    def __call__(self, inputs, training):
        import tensorflow as tf

        halves = zip(*(tf.split(tensor, 2) for tensor in inputs), strict=True)
        return tf.concat([self.generator(list(half), training=training) for half in halves], axis=0)


CHOICES = (
    "small maps as matrix products",
    "fused instance normalisation",
    "no bias before a normalisation",
    "one kernel for Adam",
    "pooling inside the convolution",
    "both flows in one call",
)


def compare_choices(settings: dict, as_it_is: Callable, batch, steps: int) -> dict[str, float]:
    """Time of a step without each choice, over that of the step as it is: medians, in turn."""
    ratios = {}
    for choice in CHOICES:
        with switched_off(choice):
            gan, step = make_step(gan_files.read("bicyclegan"), settings)
            if choice == "both flows in one call":
                object.__setattr__(gan, "generator", OneFlowAtATime(gan.generator))
            step(batch)
            step(batch)
        pairs = []
        for _ in range(steps):
            times = []
            for run in (step, as_it_is):
                start = time.perf_counter()
                run(batch)
                times.append(time.perf_counter() - start)
            pairs.append(times[0] / times[1])
        ratios[choice] = statistics.median(pairs)
        print(f"without {choice:34} {ratios[choice]:5.2f} of the time")
        del gan, step
    return ratios


if __name__ == "__main__":
    cli.run(measure)
