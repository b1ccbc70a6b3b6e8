"""The command that shows what a GAN that starts from noise makes, and what it has learned.

What each mode writes:

    samples      NAME_NUMBER.png each, and samples.png with all of them and their numbers: equal
                 numbers are equal noise, for every label and whatever --count. Of points,
                 samples.png over the true density, and samples.npy.
    interpolate  interpolation.png: a pair in each row (DCGAN, figure 4), and interpolation.gif
    arithmetic   arithmetic.png: the samples of each group of numbers and what the mean of their
                 noise makes, then what mean - mean + mean makes, in the middle of eight samples of
                 noise close to it (DCGAN, figure 7); result.png: it alone
    probe        probe.json: how much of the held-out images a linear classifier gets right from the
                 features of D, of D untrained, and from pixels (DCGAN, section 5.1)
    filters      filters.png: D's first layer; responses.png: what its last convolution responds to,
                 by guided backpropagation (DCGAN, figure 5); both beside those of D untrained
    codes        categorical.png: a category in each column; code_1.png, ...: a continuous code from
                 -2 to 2 (InfoGAN, figure 2), and code_1.gif, ...
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gans.command_line import command, gan_files
from gans.command_line.errors import UsageError, usage_errors
from gans.command_line.files import check_folder
from gans.command_line.flags import absolute
from gans.command_line.gan_files import Shows
from gans.command_line.signatures import compose
from gans.commands import parsing
from gans.commands.outputs import SHOWN, check_new, write
from gans.data.datasets import POINT_SETS, TOY_FASHION
from gans.data.images import DataError
from gans.metrics.probe import TENTH
from gans.nn.settings import Checked, setting
from gans.results import arithmetic as arithmetics
from gans.results import codes, interpolation, samples
from gans.training import start
from gans.training.restore import open_run
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings

# The flags of each mode, in addition to those of all.
FLAGS_OF = {
    "samples": ("count", "classes", "tags", "seed"),
    "interpolate": ("count", "steps", "pairs", "classes", "tags", "seed"),
    "arithmetic": ("arithmetic", "classes", "tags", "seed"),
    "probe": ("train_count", "data_dir", "tfds_dir"),
    "filters": ("seed",),
    "codes": ("count", "steps", "seed"),
}
ROWS, STEPS = 8, 10
POINTS = 2500  # PacGAN's number.


@dataclass(frozen=True, kw_only=True)
class ShowFlags(Checked):
    """What the command can be told about what it shows."""

    mode: Shows | None = setting(
        None,
        "What is made: samples, interpolate, arithmetic, probe, filters or codes. Default: "
        "samples, or arithmetic with --arithmetic.",
    )
    count: int | None = setting(
        None,
        "Samples, with labels of each; pairs of an interpolation; rows of a picture of codes. "
        "Default: 64 samples, or 8 of each label, or 2500 points; 8 rows. At most 100000 pictures "
        "are made.",
        least=1,
    )
    steps: int | None = setting(None, "Pictures from one end to the other. Default: 10.", least=2)
    classes: tuple[str, ...] | None = setting(
        None,
        "Of a GAN with labels, a row each: names, or numbers from 0 on. Of InfoGAN, categories. "
        "Default: all.",
    )
    tags: str | None = setting(
        None,
        'Of a GAN with labels, several at once, e.g. "red hair, green eyes", where it was trained '
        "on images with several; a row for each request, with semicolons between them.",
    )
    pairs: tuple[str, ...] | None = setting(
        None, "Numbers of samples to go between, e.g. 0-5,3-7. Default: 0-1, 2-3 and so on."
    )
    arithmetic: str | None = setting(
        None,
        'Groups of numbers of samples, joined by +, with " + " and " - " between the groups, e.g. '
        '"0+3+7 - 1+4+9 + 2+5+6". Of several --classes or --tags each group has its own, and the '
        "result that of the last.",
    )
    train_count: int | None = setting(
        None,
        "Images that the probe is trained on. Default: all, or 10000 of more than 8192 features "
        "each.",
        least=TENTH,
    )
    data_dir: str | None = setting(
        None, "Folder of the probe's images, where they have moved. Default: the one trained on."
    )
    tfds_dir: str | None = setting(None, "Folder of its prepared data sets, likewise.")
    seed: int | None = setting(None, "Of the noise. Default: 0.", least=0, below=2**31)

    def check(self):
        if self.pairs and self.count:
            raise UsageError("expected --pairs or --count. Received: both")
        if self.classes and self.tags:
            raise UsageError("expected --classes or --tags. Received: both")


@compose
def generate(
    run_dir: str,
    output: str,
    flags: ShowFlags,
    overwrite: bool = False,
    debug: bool = False,
) -> None:
    """Makes samples with the newest checkpoint of a run, or shows what its GAN has learned.

    Args:
        run_dir: Folder of the run.
        output: Folder for the pictures.
        overwrite: Replace pictures of the same names in the output folder.
        debug: Show the traceback of an error.
    """
    run = RunFolder(run_dir).read_settings()
    mode = flags.mode or ("arithmetic" if flags.arithmetic else "samples")
    check_mode(mode, run)
    check_flags(mode, run, flags)
    request = parse(mode, run, flags)
    files = FILES[mode](request)
    folder = check_folder("output", output)
    check_new([folder / name for name in files], overwrite)

    command.import_tensorflow(debug)
    _, _, gan, _ = open_run(run_dir)
    contents = list(MAKE[mode](gan, request))
    for name, content in zip(files, contents, strict=True):
        write(folder / name, content)
    print(folder / files[-1])


# What is checked before TensorFlow is imported.


def check_mode(mode: Shows, run: RunSettings):
    """Raises `UsageError` where the GAN of a run cannot show what a mode shows."""
    can = run.gan_file.can
    if can.starts_from != "noise":
        raise UsageError(
            "expected a GAN that starts from noise; the command translate is for the others. "
            f"Received: a run of {run.name}"
        )
    points = run.data.kind == "points"
    expected = None
    if mode not in can.shows:
        files = map(gan_files.read, gan_files.names())
        expected = ", ".join(file.class_name for file in files if mode in file.can.shows)
    elif points and mode != "samples":
        expected = "a GAN of images"
    elif mode == "filters" and not run.settings.is_convolutional:
        expected = "a discriminator of convolutions"
    if expected:
        raise UsageError(
            f"--mode={mode} expects a run of {expected}. Received: a run of {run.name}"
            f"{' on points' if points else ''}"
        )


def check_flags(mode: Shows, run: RunSettings, flags: ShowFlags):
    """Raises `UsageError` for a flag that the mode or the GAN has no use for, and where one is
    missing.
    """
    given = {name for name, value in vars(flags).items() if value is not None} - {"mode"}
    for name in sorted(given - set(FLAGS_OF[mode])):
        raise UsageError(f"--{name} is of no use to --mode={mode}. Received: --{name}")
    can = run.gan_file.can
    if can.labels == "none":
        useless = {"tags"} if "codes" in can.shows else {"tags", "classes"}
        for name in sorted(given & useless):
            raise UsageError(f"--{name} is of no use to {run.name}. Received: --{name}")
    if mode == "arithmetic" and not flags.arithmetic:
        raise UsageError(
            "--mode=arithmetic expects --arithmetic with numbers of samples.png, e.g. "
            '--arithmetic "0+3+7 - 1+4+9 + 2+5+6". Received: none'
        )
    dataset = run.data.dataset
    prepared = dataset not in (None, TOY_FASHION, *POINT_SETS)
    if flags.tfds_dir and (not prepared or flags.data_dir):
        received = flags.data_dir or dataset or "a folder of images"
        raise UsageError(f"--tfds_dir expects a run on a prepared data set. Received: {received}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is shown of a run.

    Attributes:
        run: its settings.
        flags: of the command.
        names, labels: of the rows, labels `(n, k)`; no names and None of a GAN without labels.
        pairs, groups: numbers of samples; see `gans.commands.parsing`.
        count: samples in a row.
    """

    run: RunSettings
    flags: ShowFlags
    names: list[str]
    labels: np.ndarray | None
    pairs: list[tuple[int, int]]
    groups: list[arithmetics.Group]
    count: int
    steps: int
    seed: int


def parse(mode: Shows, run: RunSettings, flags: ShowFlags) -> Request:
    """What the flags say.

    Raises `UsageError` for labels and samples that there are not, and for more pictures than can
    be held at a time.
    """
    with usage_errors():
        names, labels = choose_labels(run, flags)
        pairs = parsing.pairs(flags.pairs or ())
        groups = parsing.groups(flags.arithmetic) if flags.arithmetic else []
    if groups and names:
        if not (flags.classes or flags.tags):
            names, labels = names[:1], labels[:1]
        if len(names) not in (1, len(groups)):
            raise UsageError(
                f"--{'tags' if flags.tags else 'classes'} expects 1 or {len(groups)}, one for each "
                f"group. Received: {len(names)}"
            )
    s, points = run.settings, run.data.kind == "points"
    usual = POINTS if points else ROWS if mode != "samples" or names else ROWS * samples.COLUMNS
    count, steps = flags.count or usual, flags.steps or STEPS
    pairs = pairs or [(2 * row, 2 * row + 1) for row in range(count)]
    amount = {"samples": count if points else count * max(1, len(names))}
    amount["interpolate"] = len(pairs) * steps
    if mode == "codes":
        amount["codes"] = s.categories * (count + s.continuous * steps)
    if amount.get(mode, 0) > parsing.MOST_SAMPLES:
        raise UsageError(
            f"--count, with labels or --steps, expects at most {parsing.MOST_SAMPLES} pictures. "
            f"Received: {amount[mode]}"
        )
    return Request(
        run=run,
        flags=flags,
        names=names,
        labels=labels,
        pairs=pairs,
        groups=groups,
        count=count,
        steps=steps,
        seed=flags.seed or 0,
    )


def choose_labels(run: RunSettings, flags: ShowFlags) -> tuple[list[str], np.ndarray | None]:
    """Names and rows `(n, k)` of the labels that were chosen, or of all.

    None of a GAN without, and of InfoGAN without --classes, which draws categories by itself.
    Raises `ValueError` for a label that the run does not have, and for several at once where it
    was trained on one for each image.
    """
    can, names = run.gan_file.can, run.data.label_names
    if can.labels == "none":
        if not flags.classes:
            return [], None
        names = names or [str(number) for number in range(run.settings.categories)]
    if not flags.tags:
        return parsing.classes(flags.classes or names, names)
    found, labels = parsing.tags(flags.tags, names)
    several = [name for name, row in zip(found, labels, strict=True) if row.sum() > 1]
    if several and can.labels == "one":
        raise ValueError(
            f"--tags expects one label in each request to {run.name}, and semicolons between "
            f"requests. Received: {several[0]}"
        )
    return found, labels


# What each mode makes: names of files, that of the first one to look at as the last, and contents.


def samples_files(request: Request) -> list[str]:
    """A picture for each sample, or the points, and the picture of all."""
    if request.run.data.kind == "points":
        return ["samples.npy", "samples.png"]
    suffix = ".png" if request.run.settings.image_channels in SHOWN else ".npy"
    stems = [re.sub(r"[^\w-]+", "_", name) for name in request.names] or ["sample"]
    if len(set(stems)) < len(stems):
        stems = [f"{place}_{stem}" for place, stem in enumerate(stems)]
    return [*(f"{stem}_{i}{suffix}" for stem in stems for i in range(request.count)), "samples.png"]


def make_samples(gan, request: Request) -> Iterator[Any]:
    """Samples, of each label where there are labels."""
    if request.run.data.kind == "points":
        from gans.data import points

        labels = samples.in_turn(request.labels, request.count)
        drawn = samples.of_label(gan, gan.draw_latents(request.count, request.seed), labels)
        yield drawn
        _, scores = gan.preview(points.raster(request.run.data.dataset))
        yield start.drawing(request.run)([drawn, scores])
        return
    rows = samples.rows(gan, request.count, request.labels, request.seed)
    yield from rows.reshape(-1, *rows.shape[2:])
    yield samples.picture(rows, request.names)


def make_interpolation(gan, request: Request) -> Iterator[Any]:
    """The way from one sample to another, as an animation and as rows."""
    images = interpolation.interpolate(
        gan, request.pairs, request.steps, request.labels, request.seed
    )
    yield interpolation.frames(images)
    yield interpolation.picture(images, request.pairs, request.names)


def make_arithmetic(gan, request: Request) -> Iterator[Any]:
    """The sample of a sum of noise vectors, alone and with those that were added."""
    found = arithmetics.calculate(gan, request.groups, request.labels, request.seed)
    yield found.result
    yield arithmetics.picture(found, request.groups, request.names)


def make_codes(gan, request: Request) -> Iterator[Any]:
    """What each continuous code changes, and the samples of each category."""
    for code in range(gan.settings.continuous):
        images = codes.continuous(gan, code, request.steps, request.seed)
        yield interpolation.frames(images)
        yield codes.continuous_picture(images)
    yield codes.categorical_picture(codes.categorical(gan, request.count, request.seed))


def make_filters(gan, request: Request) -> Iterator[Any]:
    """The kernels of the discriminator and what its features respond to."""
    from gans.results import filters

    found = filters.compare(gan, request.labels, request.seed)
    yield filters.kernels_picture(found)
    yield filters.responses_picture(found)


def make_probe(gan, request: Request) -> Iterator[Any]:
    """The accuracies of linear classifiers, which are also printed.

    Raises `UsageError` for images without labels or with several.
    """
    from gans.evaluation.networks import LabelledImages
    from gans.results import probe

    s, flags = gan.settings, request.flags
    data = dataclasses.replace(request.run.data.moved(flags.data_dir), labelled=True)
    if flags.tfds_dir:
        data = dataclasses.replace(data, tfds_dir=absolute(flags.tfds_dir))
    with usage_errors(DataError):
        training, held_out, names = LabelledImages(data, s.image_size, s.image_channels).load()
    if any(np.any(rows.sum(axis=1) != 1) for _, rows in (training, held_out)):
        raise UsageError(
            "--mode=probe expects images with one label each. Received: several of "
            f"{', '.join(names[:5])}"
        )
    lines = []
    with usage_errors():
        for found in probe.compare(gan, training, held_out, flags.train_count):
            held = f"{found.accuracy:7.2%} of {found.held_out_count} held-out images"
            print(f"{found.features:13} {held}")
            lines.append(dataclasses.asdict(found))
    yield lines


def codes_files(request: Request) -> list[str]:
    """Two files for each continuous code, and one for the categories."""
    numbers = range(1, 1 + request.run.settings.continuous)
    of_codes = [f"code_{number}.{kind}" for number in numbers for kind in ("gif", "png")]
    return [*of_codes, "categorical.png"]


FILES = {
    "samples": samples_files,
    "interpolate": lambda request: ["interpolation.gif", "interpolation.png"],
    "arithmetic": lambda request: ["result.png", "arithmetic.png"],
    "probe": lambda request: ["probe.json"],
    "filters": lambda request: ["filters.png", "responses.png"],
    "codes": codes_files,
}
MAKE = {
    "samples": make_samples,
    "interpolate": make_interpolation,
    "arithmetic": make_arithmetic,
    "probe": make_probe,
    "filters": make_filters,
    "codes": make_codes,
}
