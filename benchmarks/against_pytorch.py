"""How long a train step takes beside that of the official code in PyTorch.

    python benchmarks/against_pytorch.py
    python benchmarks/against_pytorch.py --gan=cyclegan --steps=5

Needs PyTorch: `pip install -e ".[parity]"`. Each has a process of its own; steps of the two come
in turn, so that a noisy machine disturbs both, if not alike: where other programs are running, no
figure can be relied on. PyTorch is eager, as the official code runs. `tests/parity` shows that both
compute the same. Prints the processor, the median milliseconds of each, how many times as long the
step of PyTorch takes (the median over pairs of steps), and the peak memory of each process. The
last line is one JSON object. About a minute for BicycleGAN at 256x256 on 2 quiet cores.
"""

import importlib.util
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Literal

import numpy as np

from gans.command_line import cli, gan_files
from gans.command_line.errors import Failure, check_at_least

# The preset that follows the official code.
PRESETS = {
    "bicyclegan": "paper",
    "pix2pix": "paper_pytorch",
    "cyclegan": "paper",
    "discogan": "paper",
    "dcgan": "article",
}


def measure(
    gan: Literal["bicyclegan", "pix2pix", "cyclegan", "discogan", "dcgan"] = "bicyclegan",
    precision: Literal["float32", "bfloat16"] = "float32",
    image_size: int | None = None,
    batch_size: int | None = None,
    steps: int = 15,
    warmup: int = 3,
) -> None:
    """Times a train step of a GAN here and in PyTorch.

    Args:
        gan: Whose step, of the preset that follows the official code.
        precision: Of the step here; PyTorch's is float32.
        image_size: Side of the images. Default: the preset's.
        batch_size: Images of each kind in a batch. Default: the preset's.
        steps: Steps of each that count.
        warmup: Steps of each before them.
    """
    check_at_least(1, steps=steps, warmup=warmup)
    if importlib.util.find_spec("torch") is None:
        raise Failure('expected PyTorch: pip install -e ".[parity]". Received: not installed')
    file = gan_files.read(gan)
    settings = dict(file.presets[PRESETS[gan]])
    if image_size is not None:
        settings["image_size"] = image_size
    if batch_size is None:
        batch_size = file.training[PRESETS[gan]]["batch_size"]
    check_at_least(1, batch_size=batch_size)
    arrays = make_batch(gan, file.settings(**settings), batch_size)
    context = multiprocessing.get_context("spawn")
    runs = {}
    for name, worker in (("here", run_here), ("pytorch", run_pytorch)):
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, worker, gan, settings, precision, arrays), daemon=True
        )
        process.start()
        theirs.close()
        runs[name] = ours
    seconds = {name: [] for name in runs}
    try:
        for step in range(warmup + steps):
            # Now one comes first, now the other.
            for name in sorted(runs, reverse=bool(step % 2)):
                runs[name].send("step")
                seconds[name].append(runs[name].recv())
        peaks = {}
        for name, pipe in runs.items():
            pipe.send("peak")
            peaks[name] = pipe.recv()
    except EOFError as error:
        raise Failure("expected both processes to run their steps. Received: one ended") from error
    here, pytorch = (seconds[name][warmup:] for name in ("here", "pytorch"))
    result = {
        "gan": gan,
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "precision": precision,
        "image_size": arrays[0].shape[2],
        "batch_size": batch_size,
        "median_seconds": statistics.median(here),
        "median_seconds_pytorch": statistics.median(pytorch),
        "ratio": statistics.median(b / a for a, b in zip(here, pytorch, strict=True)),
        "peak_gigabytes": peaks["here"],
        "peak_gigabytes_pytorch": peaks["pytorch"],
    }
    print(f"{result['processor']}, {result['cores']} cores")
    print(f"here      {1e3 * result['median_seconds']:9.1f} ms {peaks['here']:6.2f} GB")
    print(f"PyTorch   {1e3 * result['median_seconds_pytorch']:9.1f} ms {peaks['pytorch']:6.2f} GB")
    print(f"PyTorch takes {result['ratio']:.2f} times as long")
    print(json.dumps(result))


def make_batch(gan: str, settings, batch_size: int) -> list[np.ndarray]:
    """The images of a step, each `(batch, height, width, channels)` float32."""
    random, size = np.random.default_rng(0), settings.image_size
    channels = [settings.image_channels]
    if gan != "dcgan":
        channels += [settings.photo_channels]
    if gan == "bicyclegan":
        channels *= 2
    return [random.uniform(-1, 1, (batch_size, size, size, n)).astype("float32") for n in channels]


def as_batch(gan: str, images: list):
    """The images in the form that a train step takes."""
    if gan == "dcgan":
        return images[0]
    return (images[:2], images[2:]) if gan == "bicyclegan" else images


def serve(pipe, worker, *arguments):
    """Runs a step, or gives the peak of memory, for each word that comes."""
    step = worker(*arguments)
    while True:
        try:
            word = pipe.recv()
        except EOFError:
            return
        if word == "step":
            start = time.perf_counter()
            step()
            pipe.send(time.perf_counter() - start)
        else:
            scale = 1e9 if sys.platform == "darwin" else 1e6
            pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)


def run_here(gan: str, settings: dict, precision: str, arrays: list[np.ndarray]):
    """A function that makes one step and waits for its end."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    model = gan_files.read(gan).load()(**settings)
    model.compile(epochs=1000, steps_per_epoch=1000)
    train = tf.function(model.train_step)
    batch = as_batch(gan, [tf.constant(x) for x in arrays])
    return lambda: [float(loss) for loss in train(batch).values()]


def run_pytorch(gan: str, settings: dict, precision: str, arrays: list[np.ndarray]):
    """Likewise; `precision` is that of the other."""
    import torch

    sys.path.append(str(Path(__file__).parent))
    from official_steps import STEPS

    official = STEPS[gan](gan_files.read(gan).settings(**settings))
    batch = as_batch(gan, [torch.tensor(np.moveaxis(x, -1, 1).copy()) for x in arrays])
    return lambda: [loss.item() for loss in official(batch).values()]


def processor() -> str:
    """The name of the processor, as far as the system says it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    cli.run(measure)
