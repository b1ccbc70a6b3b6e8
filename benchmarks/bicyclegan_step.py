"""Where the time of a BicycleGAN step goes.

    python benchmarks/bicyclegan_step.py
    python benchmarks/bicyclegan_step.py --precision=bfloat16
    python benchmarks/bicyclegan_step.py --choices        # what each choice of speed is worth

Prints the median milliseconds of a step, images per second, the share of a step spent waiting for
data, peak memory, and the GFLOP/s that a step reaches beside what its convolutions reach alone.
With `--choices` every choice that ARCHITECTURE.md lists is switched off in turn and timed side by
side with the step as it is, step by step in one process, so that a noisy machine disturbs both
alike. The last line is one JSON object. About a minute at 256x256 on 2 cores, 8 with `--choices`.
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
from gans.training import cli, command

# Forward, input-gradient and weight-gradient passes of each network in a step, per image of a flow:
# both flows through G; E on the photo, and forward and backward on a fake; each D on real and fake.
PASSES = {"generator": (2, 2, 2), "encoder": (2, 2, 1), "discriminator_1": (2, 3, 2)}
PASSES["discriminator_2"] = PASSES["discriminator_1"]


def measure(
    preset: Literal["toy", "article", "paper"] = "paper",
    image_size: int | None = None,
    batch_size: int = 1,
    precision: Literal["float32", "bfloat16"] = "float32",
    data_dir: str | None = None,
    steps: int = 20,
    warmup: int = 3,
    choices: bool = False,
    debug: bool = False,
) -> None:
    """Measures a training step.

    Args:
        preset: Of BicycleGAN.
        image_size: Side of the images. Default: the preset's.
        batch_size: Pairs of each of the two flows.
        precision: As in training.
        data_dir: Pairs to read. Default: toy fashion of that size, drawn into a temporary folder.
        steps: Steps that count.
        warmup: Steps before them.
        choices: Time the step with each choice of speed switched off, too.
        debug: Show the traceback of an error.
    """
    command.check_at_least(1, batch_size=batch_size, steps=steps, warmup=warmup)
    command.import_tensorflow(debug)
    import keras

    from gans.bicyclegan import PRESETS
    from gans.data.pairs import find_pairs, pair_batches
    from gans.training import loop

    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    loop.make_deterministic(0)
    settings = {**PRESETS[preset], **({"image_size": image_size} if image_size else {})}
    size = settings.get("image_size", 256)
    with tempfile.TemporaryDirectory() as folder:
        if data_dir is None:
            data_dir = toy_fashion.generate(
                Path(folder) / "toy", size=size, train=16 * batch_size, val=0, progress=False
            )
        batches = iter(pair_batches(find_pairs(data_dir), batch_size=batch_size, image_size=size))
        gan, step = make_step(settings)
        waits, times = [], []
        for count in range(warmup + steps):
            start = time.perf_counter()
            batch = next(batches)
            ready = time.perf_counter()
            step(batch)
            if count >= warmup:
                waits.append(ready - start)
                times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6
    )
    median = statistics.median(times)
    alone = time_convolutions(gan, batch_size)
    gflop = sum(work for work, _ in alone.values())
    seconds_alone = sum(seconds for _, seconds in alone.values())
    result = {
        "preset": preset,
        "image_size": size,
        "batch_size": batch_size,
        "precision": precision,
        "median_seconds": median,
        "images_per_second": 2 * batch_size / median,
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
        result["choices"] = compare_choices(settings, (gan, step), batch, steps)
    print(json.dumps(result))


def make_step(settings: dict):
    """A compiled GAN and a function that runs one of its steps to the end."""
    import tensorflow as tf

    from gans.bicyclegan import BicycleGAN

    gan = BicycleGAN(**settings)
    gan.compile(epochs=2 * gan.decay_epochs, steps_per_epoch=1000)
    train = tf.function(gan.train_step)
    return gan, lambda batch: [float(value) for value in train(batch).values()]


def time_convolutions(gan, batch_size: int) -> dict[str, tuple[float, float]]:
    """(GFLOP, seconds) by network of all its convolutions in a step, each timed alone."""
    import tensorflow as tf

    from gans.nn.layers import Conv2D, Conv2DTranspose

    results, cache = {}, {}
    for name, passes in PASSES.items():
        network = getattr(gan, name)
        work = seconds = 0.0
        for layer in network.layers:
            if not isinstance(layer, Conv2D | Conv2DTranspose):
                continue
            transpose = isinstance(layer, Conv2DTranspose)
            small, large = sorted((layer.input.shape, layer.output.shape), key=lambda s: s[1])
            if not transpose:
                small, large = layer.output.shape, layer.input.shape
            kernel = tuple(layer.kernel.shape)
            if getattr(layer, "average_pool", False):
                kernel = (kernel[0] + 1, kernel[1] + 1, *kernel[2:])
            strides = max(1, round(large[1] / small[1]))
            key = (*large[1:], *small[1:], *kernel)
            if key not in cache:
                shape = (batch_size, *large[1:3], kernel[2])
                x = tf.cast(tf.random.normal(shape), network.layers[-1].compute_dtype)
                x = tf.cast(x, layer.compute_dtype)
                w = tf.cast(tf.random.normal(kernel), x.dtype)
                padding = "SAME" if large[1] % small[1] == 0 else "VALID"
                if padding == "VALID":
                    x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
                y = tf.nn.conv2d(x, w, strides, padding)
                flop = 2e-9 * y.shape.num_elements() * w.shape[0] * w.shape[1] * w.shape[2]
                calls = [
                    lambda x=x, w=w, s=strides, p=padding: tf.nn.conv2d(x, w, s, p),
                    lambda x=x, w=w, y=y, s=strides, p=padding: tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=x.shape,
                        filter=w,
                        out_backprop=y,
                        strides=[1, s, s, 1],
                        padding=p,
                    ),
                    lambda x=x, w=w, y=y, s=strides, p=padding: tf.raw_ops.Conv2DBackpropFilter(
                        input=x,
                        filter_sizes=w.shape,
                        out_backprop=y,
                        strides=[1, s, s, 1],
                        padding=p,
                    ),
                ]
                cache[key] = flop, [fastest(tf.function(call)) for call in calls]
            flop, costs = cache[key]
            # Forward of a transposed convolution is the input gradient of a convolution.
            counts = (passes[1], passes[0], passes[2]) if transpose else passes
            work += flop * sum(counts)
            seconds += sum(count * cost for count, cost in zip(counts, costs, strict=True))
        results[name] = (work, seconds)
    return results


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
        return tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))

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


def compare_choices(settings: dict, as_it_is: tuple, batch, steps: int) -> dict[str, float]:
    """Time of a step without each choice, over that of the step as it is: medians, in turn."""
    ratios = {}
    for choice in CHOICES:
        with switched_off(choice):
            gan, step = make_step(settings)
            if choice == "both flows in one call":
                object.__setattr__(gan, "generator", OneFlowAtATime(gan.generator))
            step(batch)
            step(batch)
        pairs = []
        for _ in range(steps):
            times = []
            for run in (step, as_it_is[1]):
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
