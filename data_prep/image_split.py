"""Splits combined `A|B` images (pix2pix: edges left, photo right) into the folders of two domains.

    python data_prep/image_split.py --path data/edges2handbags --_dir_ train

reads data/edges2handbags/train and writes .../trainA/<name> and .../trainB/<name>: both halves of
a pair have the same path below their folder, so A and B pair by relative path. Sub-folders are
kept. The only change to a name is the suffix, `.jpg` or `.png` by what the halves are.

Nothing is lost: a half decodes to exactly the pixels of its source, converted to RGB uint8.

- A JPEG is cut by moving its coefficients, if the cut is on the border of a minimum coded unit.
  Where chroma has half the width (4:2:0 and 4:2:2; edges2handbags has it) decoders interpolate it
  across the cut, and the columns on either side of it may decode differently. That is checked, and
  the pair becomes PNG if a pixel differs: a fifth of edges2handbags, half of edges2shoes. With
  `--format=jpeg` those stay JPEG too, and these two columns differ, by up to 18 of 255.
- All else becomes PNG: grey, palette, opaque RGBA, EXIF-turned (the turn is carried out).
- Rejected by name, on the screen and in <_dir_>.image_split_bad.txt: what is damaged, not twice as
  wide as high, CMYK, 16 bits deep, transparent, over 64 megapixels, neither JPEG nor PNG, or whose
  halves would have the names of another's. The others are done; the exit status is 1.
- Metadata (EXIF, ICC profile, comments) is not carried over.

The command given again goes on where it was interrupted, in whatever way: all that is there is
verified by its SHA-256 in <_dir_>.image_split.jsonl, and kept. If there are files that this tool
did not write, or that were changed since, it refuses to start. It never deletes them.

Cutting JPEGs needs PyTurboJPEG and the system's libjpeg-turbo, and isal makes PNGs faster
(`pip install 'gans[split]'`); without the former all becomes PNG. data_prep/split_images.py cuts,
data_prep/split_outputs.py writes and remembers.

Measured by benchmarks/image_split.py, 500 images of edges2handbags, images in a second of CPU time
with one worker, on an AMD EPYC. The loop is the article's (imread, slice, imsave, one by one), with
Pillow as in scipy.misc, and with its successor imageio:

                          images/s   to Pillow   to imageio   largest difference (of 255)
    loop, Pillow             1,275       1.0          1.5        52
    loop, imageio              875       0.7          1.0        52
    --format=jpeg            2,255       1.8          2.6        14
    --format=auto            1,289       1.0          1.5         0
    --format=png             1,256       1.0          1.4         0

So exact halves cost what the loop costs, and are no faster. The aim of 2.9 times the loop is not
reached in any format; writing the finished JPEGs, and nothing else, would be 35,700. Workers are
threads, and change no byte. The 138,567 images of edges2handbags take two minutes of CPU time.
"""

import os
import sys
import time
import unicodedata
from collections import Counter
from pathlib import Path, PurePosixPath

from PIL import Image
from tqdm import tqdm

from data_prep import split_images, split_outputs
from gans.command_line import cli
from gans.command_line.errors import Failure, UsageError

PROGRESS_EVERY = 10_000  # Images, where stderr is no terminal; as in the article.


def main(
    path: str,
    _dir_: str = "train",
    output: str | None = None,
    overwrite: bool = False,
    format: split_images.Format = "auto",
    any_aspect: bool = False,
    workers: int | None = None,
) -> None:
    """Splits the combined A|B images of a folder into the folders of two domains.

    Args:
        path: Folder of the data set.
        _dir_: Its sub-folder to split, such as train or val.
        output: Folder to hold <_dir_>A and <_dir_>B; none is path.
        overwrite: Replace what an earlier run made from a source that has changed since, or with
            another format. Files that this tool did not write are never touched.
        format: auto writes JPEG where it decodes to the source's very pixels, PNG elsewhere; jpeg
            keeps the source's coefficients, may decode differently beside the cut, and refuses
            what cannot be cut so; png writes PNG.
        any_aspect: Accept images that are not twice as wide as high.
        workers: Number of threads; none is one for each core.
    """
    started = time.monotonic()
    if workers is not None and workers < 1:
        raise UsageError(f"--workers expects 1 or more. Received: {workers}")
    if format == "jpeg" and split_images.load_turbojpeg() is None:
        raise UsageError(
            "--format=jpeg expects PyTurboJPEG (pip install 'gans[split]') and the system's "
            "libjpeg-turbo (Debian libturbojpeg0, Ubuntu libturbojpeg, Homebrew jpeg-turbo). "
            "Received: at least one of them is missing"
        )
    workers = workers or cores()
    folder = _source_folder(path, _dir_)
    root = Path(path if output is None else output).expanduser()
    if folder in (root, *root.parents):
        raise UsageError(f"--output expects a folder outside of {folder}. Received: {root}")
    sources, bad, ignored = find_sources(folder)
    total = len(sources) + len(bad)

    with split_outputs.open_outputs(root, PurePosixPath(_dir_).as_posix()) as outputs:
        unfinished = outputs.unfinished(folder, sources, format, overwrite, workers)
        print(f"Images to process: {total}")
        if ignored:
            print(f"Ignored, not images by their names: {len(ignored)}, such as {ignored[0]!r}")
        if format == "auto" and split_images.load_turbojpeg() is None:
            print("PyTurboJPEG or libjpeg-turbo is missing: every half becomes a PNG")

        def cut_file(key: str) -> tuple[str, split_images.Pair | split_images.BadImage]:
            return split_images.cut_file(folder / sources[key], format, any_aspect)

        suffixes: Counter[str] = Counter()
        results = split_outputs.in_order(cut_file, unfinished, workers)
        with (
            split_images.hostile_input(),
            tqdm(total=len(unfinished), unit=" images", disable=None) as bar,
        ):
            pairs = zip(unfinished, results, strict=True)
            for number, (key, (digest, result)) in enumerate(pairs, 1):
                if isinstance(result, split_images.BadImage):
                    bad[sources[key]] = str(result)
                else:
                    outputs.write(key, sources[key], digest, format, result)
                    suffixes[result.suffix] += 1
                bar.update()
                if bar.disable and number % PROGRESS_EVERY == 0:
                    print(f"the number of input images processed : {number}", file=sys.stderr)

        there = len(sources) - len(unfinished)
        for half_folder in outputs.folders:
            print(f"No of images written to {half_folder} is {there + suffixes.total()}")
        print(
            f"{suffixes['.jpg']} pairs as JPEG, {suffixes['.png']} as PNG, {there} were there "
            f"already; {time.monotonic() - started:.1f} s"
        )
        if gone := len(outputs.history.keys() - sources.keys()):
            print(f"{gone} pairs of earlier runs were left in place; their sources are gone or bad")
        _report(outputs.report, bad, total)


def find_sources(folder: Path) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Finds the images of a folder and of its sub-folders.

    Returns:
        Sources: key (relative path without suffix, `/` between the parts) to relative path. Bad
        ones: relative path to the reason, here two names of which one file system would make one.
        Ignored: relative paths of hidden files, and of those whose suffix is no image format's.

    Raises:
        UsageError: There is no image.
    """
    known = Image.registered_extensions()
    same: dict[str, dict[str, str]] = {}
    ignored = []
    for name in split_outputs.files_below(folder):
        path = PurePosixPath(name)
        if path.suffix.lower() in known and not any(part.startswith(".") for part in path.parts):
            key = path.with_suffix("").as_posix()
            same.setdefault(unicodedata.normalize("NFC", key).casefold(), {})[name] = key
        else:
            ignored.append(name)
    if not same:
        raise UsageError(
            f"expected combined A|B images (.jpg, .png) in {folder}. "
            f"Received: {len(ignored)} files, none of them an image by its name"
        )
    sources, bad = {}, {}
    for names in same.values():
        for name, key in names.items():
            others = [other for other in names if other != name]
            if others:
                bad[name] = f"halves of {', '.join(map(repr, others))} would have the same name"
            else:
                sources[key] = name
    return sources, bad, ignored


def _source_folder(path: str, split: str) -> Path:
    parts = PurePosixPath(split).parts
    if not parts or ".." in parts or PurePosixPath(split).is_absolute():
        raise UsageError(
            f"--_dir_ expects the name of a folder in --path, such as train. Received: {split!r}"
        )
    root = Path(path).expanduser()
    if not (root / split).is_dir():
        found = f"{root} is no folder"
        if root.is_dir():
            names = sorted(entry.name for entry in root.iterdir())[:5]
            found = f"{root} holds {', '.join(map(repr, names)) or 'nothing'}"
        raise UsageError(f"expected combined A|B images in {root / split}. Received: {found}")
    return root / split


def _report(file: Path, bad: dict[str, str], total: int) -> None:
    """Writes which images could not be split and why; raises Failure if there are any."""
    title = f"{len(bad)} of {total} images could not be split"
    lines = [
        f"{name if name.isprintable() else ascii(name)}: {reason}"
        for name, reason in sorted(bad.items())
    ]
    file.write_text("\n".join([title, *lines, ""]), encoding="utf-8")
    if bad:
        print("\n".join(lines), file=sys.stderr)
        raise Failure(f"{title}, all others are done; their names are in {file}")


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    cli.run(main)
