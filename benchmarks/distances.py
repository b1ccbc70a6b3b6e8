"""Measures what the distances between two sets of features cost, the features being there.

    python benchmarks/distances.py
    python benchmarks/distances.py --cases=frechet --pictures=10000

Each case runs in a process of its own on random float32 features, so that its peak of memory is its
own: NumPy, the features as far as they are held, and all that is computed.

- frechet: moments of twice 50,000 pictures with 2,048 features, which come 500 at a time and are
  not held, and the distance. Making the features does not count.
- score: Inception Score of 50,000 pictures and 1,008 classes.
- kernel: KID of twice 50,000 pictures: 100 subsets of 1,000.
- prdc: precision, recall, density and coverage of twice 10,000 pictures.

The CPU seconds are those of all threads, waiting ones too. Where other programs are running, only
the memory can be relied on. The last line is one JSON object. A minute or two on 2 cores.
"""

import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gans.command_line import cli
from gans.command_line.errors import UsageError
from gans.metrics.feature_sets import Moments
from gans.metrics.frechet import frechet_distance
from gans.metrics.inception_score import inception_score
from gans.metrics.kernel_distance import kernel_distance
from gans.metrics.neighbours import prdc

FEATURES, CLASSES = 2048, 1008
BATCH = 500
PICTURES = {"frechet": 50_000, "score": 50_000, "kernel": 50_000, "prdc": 10_000}


def measure(
    cases: tuple[str, ...] = tuple(PICTURES), pictures: int | None = None, features: int = FEATURES
) -> None:
    """Prints seconds and peak memory of each distance.

    Args:
        cases: Which of frechet, score, kernel, prdc.
        pictures: In each set. Default: 50,000, of prdc 10,000.
        features: Of a picture.
    """
    cases = (cases,) if isinstance(cases, str) else tuple(cases)
    unknown = [case for case in cases if case not in PICTURES]
    if unknown:
        raise UsageError(f"--cases expects {', '.join(PICTURES)}. Received: {unknown[0]}")
    if features < 1 or (pictures is not None and pictures < 10):
        raise UsageError(
            f"expected --features >= 1, --pictures >= 10. Received: {features}, {pictures}"
        )
    results = {}
    print(f"{'':10}{'pictures':>10}{'seconds':>10}{'CPU s':>10}{'peak GB':>10}")
    # A process that is forked would begin with this one's memory.
    context = multiprocessing.get_context("spawn")
    for case in cases:
        count = pictures or PICTURES[case]
        with context.Pool(1) as pool:
            result = pool.apply(run, (case, count, features))
        results[case] = {"pictures": count, **result}
        seconds, cpu, peak = result["seconds"], result["cpu_seconds"], result["peak_gigabytes"]
        print(f"{case:10}{count:10,}{seconds:10.1f}{cpu:10.1f}{peak:10.2f}")
    print(json.dumps(results))


def run(case: str, count: int, features: int) -> dict[str, float]:
    """Seconds, CPU seconds and peak memory of one case, in a process that does nothing else."""
    clock = Clock()
    if case == "frechet":
        sets = [Moments(), Moments()]
        for seed, moments in enumerate(sets):
            for rows in random_rows(count, features, seed):
                clock(moments.add, rows)
        clock(frechet_distance, *sets)
    elif case == "score":
        clock(inception_score, held(count, CLASSES, 0))
    else:
        compare = prdc if case == "prdc" else kernel_distance
        clock(compare, held(count, features, 0), held(count, features, 1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "seconds": clock.seconds,
        "cpu_seconds": clock.cpu_seconds,
        "peak_gigabytes": peak / (1e9 if sys.platform == "darwin" else 1e6),
    }


class Clock:
    """Calls functions, and adds up how long they took."""

    def __init__(self):
        self.seconds = self.cpu_seconds = 0.0

    def __call__(self, function: Callable, *arguments) -> Any:
        start, cpu_start = time.perf_counter(), time.process_time()
        result = function(*arguments)
        self.seconds += time.perf_counter() - start
        self.cpu_seconds += time.process_time() - cpu_start
        return result


def random_rows(count: int, width: int, seed: int) -> Iterator[np.ndarray]:
    """Features float32, a batch at a time; half of them 0, as behind a ReLU."""
    random = np.random.default_rng(seed)
    for start in range(0, count, BATCH):
        rows = random.standard_normal((min(BATCH, count - start), width), np.float32)
        yield np.maximum(rows, 0, out=rows)


def held(count: int, width: int, seed: int) -> np.ndarray:
    """The same, all of them, `(count, width)`."""
    features = np.empty((count, width), np.float32)
    for index, rows in enumerate(random_rows(count, width, seed)):
        features[index * BATCH : index * BATCH + len(rows)] = rows
    return features


if __name__ == "__main__":
    cli.run(measure)
