"""Measures data_prep/image_split.py against the article's loop.

    python benchmarks/image_split.py
    python benchmarks/image_split.py --path data/edges2handbags --_dir_ train

The article's loop decodes, slices and encodes both halves, one image after the other: with Pillow,
which is all that `scipy.misc.imread` and `imsave` did, and, where it is installed, with imageio,
which SciPy named as their successor. `only write` writes the bytes of the JPEG halves and does
nothing else. Every round runs all contenders in turn on the same images, each into a new folder.
The table shows the medians over the rounds, also of the ratio to each loop in the same round, and
the largest difference of a decoded value (0 to 255) between the halves and their sources. Where
other programs are running too, only the images a CPU second can be relied on. About half a minute;
TMPDIR decides where it writes.
"""

import contextlib
import io
import operator
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data_prep import image_split, split_images
from gans.command_line import cli
from gans.command_line.errors import UsageError

try:
    import imageio.v2 as imageio
except ImportError:
    imageio = None


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
    if images < 1 or rounds < 1:
        raise UsageError(f"expected --images and --rounds >= 1. Received: {images}, {rounds}")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        if path is None:
            path, _dir_ = str(work), "generated"
            generate(work / _dir_, images, subsampling, seed)
        if split_images.load_turbojpeg() is None:
            raise UsageError(
                "expected the extra `split` and libjpeg-turbo. Received: neither or one"
            )
        sources = sorted((Path(path) / _dir_).glob("*.jpg"))
        if not sources:
            raise UsageError(f"expected JPEGs in {Path(path) / _dir_}. Received: none")

        def split(output: Path, workers: int, format: str) -> None:
            with contextlib.redirect_stdout(io.StringIO()):
                image_split.main(path, _dir_, str(output), format=format, workers=workers)

        jpegs = [split_images.cut(file.read_bytes(), "jpeg", any_aspect=True) for file in sources]

        def only_write(output: Path) -> None:
            for (file, folder_a, folder_b), pair in zip(
                _files(sources, output, _dir_), jpegs, strict=True
            ):
                (folder_a / file.name).write_bytes(pair.a)
                (folder_b / file.name).write_bytes(pair.b)

        loops: dict[str, Callable[[Path], None]] = {
            "loop, Pillow": lambda output: article(sources, output, _dir_)
        }
        if imageio is not None:
            loops["loop, imageio"] = lambda output: article_imageio(sources, output, _dir_)
        contenders = {**loops, "only write": only_write}
        for workers in sorted({1, image_split.cores()}):
            for format in ("jpeg", "auto", "png"):
                contenders[f"{format}, {workers} worker{'s' * (workers > 1)}"] = (
                    lambda output, workers=workers, format=format: split(output, workers, format)
                )
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        cpu_seconds: dict[str, list[float]] = {name: [] for name in contenders}
        differences = {}
        for number in range(rounds):
            for name, run in contenders.items():
                output = work / f"{number} {name}"
                start, cpu_start = time.perf_counter(), time.process_time()
                run(output)
                seconds[name].append(time.perf_counter() - start)
                cpu_seconds[name].append(time.process_time() - cpu_start)
                if name not in differences:
                    differences[name] = difference(sources, output, _dir_)

        print(f"{len(sources)} images, {rounds} rounds")
        heads = "".join(f"{'/ ' + loop:>17}" for loop in loops)
        print(f"{'':18}{'images/s':>10}{'/CPU s':>8}{heads}{'difference':>12}")
        for name, times in seconds.items():
            rate = len(sources) / statistics.median(times)
            cpu_rate = len(sources) / statistics.median(cpu_seconds[name])
            ratios = "".join(
                f"{statistics.median(map(operator.truediv, seconds[loop], times)):17.2f}"
                for loop in loops
            )
            print(f"{name:18}{rate:10,.0f}{cpu_rate:8,.0f}{ratios}{differences[name]:12}")


def article(sources: list[Path], output: Path, split: str) -> None:
    """The article's loop, with its halves in the right folders."""
    for file, folder_a, folder_b in _files(sources, output, split):
        pixels = np.asarray(Image.open(file))
        half = pixels.shape[1] // 2
        Image.fromarray(pixels[:, :half]).save(folder_a / file.name)
        Image.fromarray(pixels[:, half:]).save(folder_b / file.name)


def article_imageio(sources: list[Path], output: Path, split: str) -> None:
    """The same with imageio."""
    for file, folder_a, folder_b in _files(sources, output, split):
        pixels = imageio.imread(file)
        half = pixels.shape[1] // 2
        imageio.imwrite(folder_a / file.name, pixels[:, :half])
        imageio.imwrite(folder_b / file.name, pixels[:, half:])


def _files(sources: list[Path], output: Path, split: str) -> Iterator[tuple[Path, Path, Path]]:
    folders = output / f"{split}A", output / f"{split}B"
    for folder in folders:
        folder.mkdir(parents=True)
    for file in sources:
        yield file, *folders


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
