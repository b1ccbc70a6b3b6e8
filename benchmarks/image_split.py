"""Measures data_prep/image_split.py against the article's loop.

    python benchmarks/image_split.py
    python benchmarks/image_split.py --path data/edges2handbags --_dir_ train

The article's loop decodes, slices and encodes both halves, one image after the other, with Pillow,
as `scipy.misc.imread` and `imsave` did. Every round runs all contenders in turn on the same
images, each into a new folder. The table shows the medians over the rounds, also of the ratio to
the loop in the same round, and the largest difference of a decoded value (0 to 255) between the
halves and their sources. Where other programs are running too, only the images a CPU second can be
relied on. About half a minute; TMPDIR decides where it writes.
"""

import contextlib
import functools
import io
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data_prep import image_split
from gans.command_line import cli
from gans.command_line.errors import UsageError, check_at_least
from gans.command_line.jobs import count_cores


def main(
    path: str | None = None,
    _dir_: str = "train",
    images: int = 300,
    rounds: int = 5,
    subsampling: Literal["4:2:0", "4:4:4"] = "4:2:0",
    seed: int = 0,
) -> None:
    """Prints images/s, ratios and pixel difference of the article's loop and of image_split.

    Args:
        path: Folder of a data set; none generates images.
        _dir_: Its sub-folder with combined images.
        images: Number of images to generate, 512x256 JPEGs.
        rounds: Number of rounds.
        subsampling: Chroma of the generated JPEGs.
        seed: Of the generated images.
    """
    check_at_least(1, images=images, rounds=rounds)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if path is None:
            path = temporary
            generate(work / _dir_, images, subsampling, seed)
        sources = sorted((Path(path) / _dir_).glob("*.jpg"))
        if not sources:
            raise UsageError(f"expected JPEGs in {Path(path) / _dir_}. Received: none")

        def split(output: Path, workers: int, format: str) -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                image_split.main(path, _dir_, str(output), format=format, workers=workers)

        contenders = {"the article's loop": lambda output: article(sources, output, _dir_)}
        for workers in sorted({1, count_cores()}):
            for format in ("png", "jpeg") if image_split.load_turbojpeg() else ("png",):
                name = f"{format}, {workers} worker{'s' * (workers > 1)}"
                contenders[name] = functools.partial(split, workers=workers, format=format)
        seconds, cpu_seconds, differences = defaultdict(list), defaultdict(list), {}
        for number in range(rounds):
            for name, run in contenders.items():
                output = work / f"{number} {name}"
                start, cpu_start = time.perf_counter(), time.process_time()
                run(output)
                seconds[name].append(time.perf_counter() - start)
                cpu_seconds[name].append(time.process_time() - cpu_start)
                differences[name] = difference(sources, output, _dir_)

        print(f"{len(sources)} images, {rounds} rounds")
        print(f"{'':20}{'images/s':>10}{'/CPU s':>8}{'/ loop':>8}{'difference':>12}")
        for name, times in seconds.items():
            rate = len(sources) / statistics.median(times)
            cpu_rate = len(sources) / statistics.median(cpu_seconds[name])
            loop = seconds["the article's loop"]
            ratio = statistics.median(a / b for a, b in zip(loop, times, strict=True))
            print(f"{name:20}{rate:10,.0f}{cpu_rate:8,.0f}{ratio:8.2f}{differences[name]:12}")


def article(sources: list[Path], output: Path, split: str) -> None:
    """The article's loop, with its halves in the right folders."""
    for side in "AB":
        (output / f"{split}{side}").mkdir(parents=True)
    for file in sources:
        pixels = np.asarray(Image.open(file))
        for side, half in zip("AB", np.split(pixels, 2, axis=1), strict=True):
            Image.fromarray(half).save(output / f"{split}{side}" / file.name)


def difference(sources: list[Path], output: Path, split: str) -> int:
    """Largest difference of a decoded value between the halves and their sources."""
    largest = 0
    for source in sources:
        halves = []
        for side in "AB":
            (half,) = (output / f"{split}{side}").glob(f"{source.stem}.*")
            halves.append(np.asarray(Image.open(half).convert("RGB"), np.int16))
        pixels = np.asarray(Image.open(source).convert("RGB"), np.int16)
        largest = max(largest, int(np.abs(np.hstack(halves) - pixels).max()))
    return largest


def generate(folder: Path, images: int, subsampling: str, seed: int) -> None:
    """Draws outlines (left) and textured shapes (right) on white, as 512x256 JPEGs."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for index in range(images):
        corners = [tuple(corner) for corner in random.integers(16, 240, (6, 2)).tolist()]
        mask = Image.new("L", (256, 256))
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        edges = mask.filter(ImageFilter.FIND_EDGES).point(lambda value: 255 - value)
        noise = random.normal(0, 12, (256, 256, 1)) + random.integers(0, 256, 3)
        texture = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
        combined = Image.new("RGB", (512, 256), "white")
        combined.paste(edges, (0, 0))
        combined.paste(texture, (256, 0), mask)
        combined.save(folder / f"{index:05}.jpg", quality=95, subsampling=subsampling)


if __name__ == "__main__":
    cli.run(main)
