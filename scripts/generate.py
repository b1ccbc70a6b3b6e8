"""Makes pictures with a trained GAN that begins with noise, and shows what it has learned.

    python scripts/generate.py --run_dir=runs/dcgan --output=out                    # samples
    python scripts/generate.py --run_dir=runs/cgan --output=out --classes=red,blue
    python scripts/generate.py --run_dir=runs/matching_cgan --output=out \\
        --tags "red hair, green eyes; blue hair"
    python scripts/generate.py ... --mode=interpolate             # from one sample to another
    python scripts/generate.py ... --arithmetic "0+3+7 - 1+4+9 + 2+5+6"
    python scripts/generate.py ... --mode=probe                   # a linear classifier on D
    python scripts/generate.py ... --mode=filters                 # what D looks for
    python scripts/generate.py --run_dir=runs/infogan --output=out --mode=codes

Needs only the run folder, `probe` also the data of the run. What each mode writes:

    samples      NAME_NUMBER.png each, and samples.png with all of them and their numbers: equal
                 numbers are equal noise, in every label and whatever --count. Of points samples.png
                 over the true density, and samples.npy.
    interpolate  interpolation.png: pairs in rows (DCGAN, figure 4), and interpolation.gif
    arithmetic   arithmetic.png: three or more samples and their mean for each group of numbers, and
                 what the noise makes that is mean - mean + mean, amid eight pictures of noise close
                 to it (DCGAN, figure 7); result.png: it alone
    probe        probe.json: how much of the held-out images a linear classifier gets right from the
                 features of D, of D untrained, and from pixels (DCGAN, section 5.1)
    filters      filters.png: D's first layer; responses.png: what its last convolution answers to,
                 by guided backpropagation (DCGAN, figure 5); both beside those of D untrained
    codes        categorical.png: a category in each column; code_1.png, ...: a continuous code from
                 -2 to 2 (InfoGAN, figure 2), and code_1.gif, ...

A few seconds after TensorFlow's import; the probe of MNIST takes about two minutes on 2 cores.
"""

import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gans.command_line import cli, command
from gans.command_line.errors import UsageError, check_at_least, usage_errors
from gans.command_line.files import check_folder, write_text
from gans.data import requests
from gans.data.datasets import POINT_SETS, TOY_FASHION
from gans.data.images import DataError, save_array, save_png, to_float
from gans.metrics import probe as probes
from gans.nn import walks
from gans.pictures.animation import save_there_and_back
from gans.pictures.image_grid import full_contrast, image_blocks, image_grid, square_grid
from gans.pictures.point_picture import point_picture
from gans.training.restore import (
    calls_of,
    gan_module,
    generates,
    methods_of,
    open_run,
    read_settings,
)

Mode = Literal["samples", "interpolate", "arithmetic", "probe", "filters", "codes"]

# The flags of each mode, beside those of all.
FLAGS_OF = {
    "samples": ("count", "classes", "tags", "seed"),
    "interpolate": ("count", "steps", "pairs", "classes", "tags", "seed"),
    "arithmetic": ("arithmetic", "classes", "tags", "seed"),
    "probe": ("train_count", "data_dir", "tfds_dir"),
    "filters": ("seed",),
    "codes": ("count", "steps", "seed"),
}
# GANs that learn of one label an image; what others make of several nobody can say.
ONE_LABEL_EACH = ("CGAN",)
COLUMNS, STEPS = 8, 10
POINTS = 2500  # PacGAN's number.
SHOWN = (1, 3)  # Channels of a picture that can be looked at.
SMALLEST_FILTER = 40  # Pixels of a filter in a picture.
AROUND = 0.25  # The noise of DCGAN's figure 7.
CODE_LIMIT = 2.0  # InfoGAN's figure 2; in training codes reach 1.
FILTERS, STRONGEST, FILTER_SAMPLES = 6, 4, 256
# Of more features, a probe takes fewer images: it has to hold them.
MANY_FEATURES, FEW_IMAGES = 8192, 10_000


def generate(
    run_dir: str,
    output: str,
    mode: Mode | None = None,
    count: int | None = None,
    steps: int | None = None,
    classes: tuple[str, ...] | None = None,
    tags: str | None = None,
    pairs: tuple[str, ...] | None = None,
    arithmetic: str | None = None,
    train_count: int | None = None,
    data_dir: str | None = None,
    tfds_dir: str | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    debug: bool = False,
) -> None:
    """Makes pictures with the newest checkpoint of a run.

    Args:
        run_dir: Folder of the run.
        output: Folder for the pictures.
        mode: What is made: samples, interpolate, arithmetic, probe, filters or codes. Default:
            samples, or arithmetic with --arithmetic.
        count: Samples, with labels of each; pairs of an interpolation; rows of a picture of codes.
            Default: 64 samples, or 8 of each label, or 2500 points; 8 rows. At most 100000 pictures
            are made.
        steps: Pictures from one end to the other. Default: 10.
        classes: Of a GAN with labels, a row each: names, or numbers from 0 on. Of InfoGAN,
            categories. Default: all.
        tags: Of a GAN with labels, several at once, e.g. "red hair, green eyes", where it
            learned of several an image; a row for each request, with semicolons between them.
        pairs: Numbers of samples to go between, e.g. 0-5,3-7. Default: 0-1, 2-3 and so on.
        arithmetic: Groups of numbers of samples, joined by +, with " + " and " - " between the
            groups, e.g. "0+3+7 - 1+4+9 + 2+5+6". Of several --classes or --tags each group has its
            own, and the result that of the last.
        train_count: Images that the probe is trained on. Default: all, or 10000 of more than 8192
            features each.
        data_dir: Folder of the probe's images, where they have moved. Default: the one trained on.
        tfds_dir: Folder of its prepared data sets, likewise.
        seed: Of the noise. Default: 0.
        overwrite: Replace pictures of the same names in the output folder.
        debug: Show the traceback of an error.
    """
    flags = {name for names in FLAGS_OF.values() for name in names}
    given = {name: value for name, value in locals().items() if name in flags}
    settings = read_settings(run_dir)
    mode = mode or ("arithmetic" if arithmetic else "samples")
    check_mode(mode, settings)
    check_flags(mode, settings, given)
    with usage_errors():
        names, labels = asked_labels(settings, classes, tags)
        ways = requests.pairs(pairs) if pairs else None
        groups = requests.groups(arithmetic) if arithmetic else None
    if groups and classes_or_tags(given) and len(names) not in (1, len(groups)):
        raise UsageError(
            f"--{classes_or_tags(given)} expects 1 or {len(groups)}, one for each group. "
            f"Received: {len(names)}"
        )
    # Of labels that nobody asked for, InfoGAN draws categories by itself.
    if not classes and "split_codes" in methods_of(gan_module(settings)):
        names, labels = [], None
    check_amount(mode, settings, given, len(names), len(ways or ()))
    maker = {
        "samples": lambda: Samples(settings, count, names, labels),
        "interpolate": lambda: Interpolation(count or COLUMNS, steps or STEPS, ways, names, labels),
        "arithmetic": lambda: Arithmetic(groups, names, labels),
        "probe": lambda: Probe(settings, train_count, data_dir, tfds_dir),
        "filters": lambda: Filters(settings, labels),
        "codes": lambda: Codes(settings, count or COLUMNS, steps or STEPS),
    }[mode]()
    folder = check_folder("output", output)
    present = [folder / name for name in maker.files if (folder / name).exists()]
    if present and not overwrite:
        raise UsageError(
            f"--output holds {len(present)} files of these names already, e.g. {present[0]}; "
            "name another folder, or give --overwrite"
        )

    command.import_tensorflow(debug)
    _, _, gan, _ = open_run(run_dir)
    maker.make(gan, folder, seed or 0)
    print(folder / maker.files[-1])


# What can be asked, before TensorFlow is imported.


def check_mode(mode: Mode, settings: dict[str, Any]):
    """Raises `UsageError` where the GAN of a run cannot do what a mode shows."""
    module, constructor = gan_module(settings), settings["constructor"]

    def refuse(expected):
        raise UsageError(
            f"--mode={mode} expects {expected}. Received: a run of {settings['model']}"
            f"{' on points' if constructor.get('data') == 'points' else ''}"
        )

    if not generates(module):
        raise UsageError(
            "expected a GAN that begins with noise; scripts/translate.py is for the others. "
            f"Received: a run of {settings['model']}"
        )
    if mode != "samples" and constructor["data"] == "points":
        refuse("a GAN of images")
    if mode == "probe" and "features" not in methods_of(module):
        refuse("a GAN that gives features, DCGAN")
    if mode == "codes" and "split_codes" not in methods_of(module):
        refuse("a GAN with codes, InfoGAN")
    fully_connected = constructor.get("network") in ("mlp", "paper")
    if mode == "filters" and (fully_connected or not calls_of(module) & {"dcgan_features"}):
        refuse("a discriminator of convolutions")


def check_flags(mode: Mode, settings: dict[str, Any], given: dict[str, Any]):
    """Raises `UsageError` for a flag that the mode or the GAN has no use for, for a value out of
    range, and where a flag is missing.
    """
    for name, value in given.items():
        if value is not None and name not in FLAGS_OF[mode]:
            raise UsageError(f"--{name} is of no use to --mode={mode}. Received: --{name}")
    least = {"count": 1, "steps": 2, "train_count": probes.TENTH}
    for name, minimum in least.items():
        check_at_least(minimum, **{name: given[name]})
    for name in ("count", "steps"):
        if (given[name] or 0) > requests.MOST_SAMPLES:
            raise UsageError(
                f"--{name} expects at most {requests.MOST_SAMPLES}. Received: {given[name]}"
            )
    if not 0 <= (given["seed"] or 0) < 2**31:
        raise UsageError(f"--seed expects 0 to {2**31 - 1}. Received: {given['seed']}")
    if mode == "arithmetic" and not given["arithmetic"]:
        raise UsageError(
            "--mode=arithmetic expects --arithmetic with numbers of samples.png, e.g. "
            '--arithmetic "0+3+7 - 1+4+9 + 2+5+6". Received: none'
        )
    if given["pairs"] and given["count"]:
        raise UsageError("expected --pairs or --count. Received: both")
    if given["classes"] and given["tags"]:
        raise UsageError("expected --classes or --tags. Received: both")
    codes = "split_codes" in methods_of(gan_module(settings))
    takes = () if not settings["constructor"].get("label_dim") else ("classes", "tags")
    takes = ("classes",) if codes else takes
    flag = classes_or_tags(given)
    if flag and flag not in takes:
        raise UsageError(f"--{flag} is of no use to {settings['model']}. Received: --{flag}")
    prepared = settings.get("dataset") not in (None, TOY_FASHION, *POINT_SETS)
    if given["tfds_dir"] and (not prepared or given["data_dir"]):
        raise UsageError(
            "--tfds_dir expects a run on a prepared data set. "
            f"Received: {given['data_dir'] or settings.get('dataset') or 'a folder of images'}"
        )


def check_amount(
    mode: Mode, settings: dict[str, Any], given: dict[str, Any], labels: int, pairs: int
):
    """Raises `UsageError` where more pictures are asked for than can be held at a time.

    Args:
        labels: rows of samples, 0 of a GAN without.
        pairs: of an interpolation, that are named.
    """
    constructor = settings["constructor"]
    rows, steps = pairs or given["count"] or COLUMNS, given["steps"] or STEPS
    amount = 0
    if mode == "samples" and constructor["data"] != "points":
        amount = (given["count"] or COLUMNS) * (labels or 1)
    elif mode == "interpolate":
        amount = rows * steps
    elif mode == "codes":
        amount = constructor["categories"] * (rows + constructor["continuous"] * steps)
    if amount > requests.MOST_SAMPLES:
        raise UsageError(
            f"--count, with labels or --steps, expects at most {requests.MOST_SAMPLES} pictures. "
            f"Received: {amount}"
        )


def classes_or_tags(given: dict[str, Any]) -> str | None:
    """Which of the two flags is given."""
    return next((name for name in ("classes", "tags") if given[name]), None)


def asked_labels(
    settings: dict[str, Any], classes: tuple[str, ...] | None, tags: str | None
) -> tuple[list[str], np.ndarray | None]:
    """Names and rows `(n, k)` of the labels that are asked for, or of all; none of a GAN without.

    Raises `ValueError` for a label that the run does not have, and for several at once of a GAN
    that has seen one of each image.
    """
    constructor = settings["constructor"]
    size = constructor.get("categories") or constructor.get("label_dim") or 0
    names = settings.get("label_names") or [str(number) for number in range(size)]
    if tags:
        asked, labels = requests.tags(tags, names)
        several = [name for name, row in zip(asked, labels, strict=True) if row.sum() > 1]
        if several and settings["model"] in ONE_LABEL_EACH:
            raise ValueError(
                f"--tags expects one label in each request to {settings['model']}, and semicolons "
                f"between requests. Received: {several[0]}"
            )
        return asked, labels
    return requests.classes(classes or names, names) if size else ([], None)


# What a mode makes: `files`, known before any work, the one that is looked at first as the last.


class Samples:
    """Pictures in rows, of each label the same noise; or points."""

    def __init__(self, settings, count: int | None, names: list[str], labels: np.ndarray | None):
        self.settings, self.names, self.labels = settings, names, labels
        self.points = settings["constructor"]["data"] == "points"
        if self.points:
            self.count = count or POINTS
            self.files = ["samples.npy", "samples.png"]
            return
        self.count = count or (COLUMNS if names else COLUMNS**2)
        suffix = ".png" if settings["constructor"]["image_channels"] in SHOWN else ".npy"
        stems = [re.sub(r"[^\w-]+", "_", name) for name in names] or ["sample"]
        if len(set(stems)) < len(stems):
            stems = [f"{place}_{stem}" for place, stem in enumerate(stems)]
        self.singles = [[f"{stem}_{i}{suffix}" for i in range(self.count)] for stem in stems]
        self.files = [*sum(self.singles, []), "samples.png"]

    def make(self, gan, folder: Path, seed: int):
        """Writes the files."""
        if self.points:
            self.make_points(gan, folder, seed)
            return
        z = gan.draw_latents(self.count, seed)
        rows = [paint(gan, z, label) for label in (self.labels if self.names else [None])]
        folder.mkdir(parents=True, exist_ok=True)
        for files, row in zip(self.singles, rows, strict=True):
            for file, image in zip(files, row, strict=True):
                save_image(folder / file, image)
        numbers = [str(number) for number in range(self.count)]
        if self.names:
            picture = image_grid(rows, self.names, numbers)
        else:
            parts = [slice(i, i + COLUMNS) for i in range(0, self.count, COLUMNS)]
            picture = image_grid(
                [rows[0][part] for part in parts],
                captions=[numbers[part] for part in parts],
            )
        save_png(folder / self.files[-1], picture)

    def make_points(self, gan, folder: Path, seed: int):
        """Samples of all labels in turn, over the true density."""
        from gans.data import points

        name = self.settings["dataset"]
        raster = points.raster(name)
        _, judged = gan.preview(raster)
        z = gan.draw_latents(self.count, seed)
        samples = paint(gan, z, in_turn(self.labels, len(z)))
        if mixture := points.mixture(name):
            density = mixture._asdict()
        else:
            real, _ = points.draw_points(name, self.settings["constructor"]["seed"])
            density = {"real": real[: points.SHOWN]}
        folder.mkdir(parents=True, exist_ok=True)
        save_array(folder / self.files[0], samples)
        save_png(folder / self.files[1], point_picture(samples, judged, raster, **density))


class Interpolation:
    """Pairs of samples in rows, with what is between them."""

    files = ("interpolation.gif", "interpolation.png")

    def __init__(self, count: int, steps: int, pairs, names: list[str], labels: np.ndarray | None):
        self.pairs = pairs or [(2 * row, 2 * row + 1) for row in range(count)]
        self.steps, self.names, self.labels = steps, names, labels

    def make(self, gan, folder: Path, seed: int):
        """Writes the files."""
        z = gan.draw_latents(1 + max(map(max, self.pairs)), seed)
        # Codes go the straight way, whatever the noise is.
        noise_dim = getattr(gan, "noise_dim", None)
        rows, names = [], []
        for place, (start, end) in enumerate(self.pairs):
            way = walks.walk(z[start], z[end], self.steps, gan.latent, noise_dim)
            name, label = f"{start} - {end}", None
            if self.names:
                number = place % len(self.names)
                name, label = f"{self.names[number]}: {name}", self.labels[number]
            rows.append(paint(gan, way, label))
            names.append(name)
        folder.mkdir(parents=True, exist_ok=True)
        frames = [square_grid(frame) for frame in zip(*rows, strict=True)]
        save_there_and_back(frames, folder / self.files[0])
        save_png(folder / self.files[1], image_grid(rows, names))


class Arithmetic:
    """What is common to some samples, less what is common to others."""

    files = ("result.png", "arithmetic.png")

    def __init__(self, groups, names: list[str], labels: np.ndarray | None):
        self.groups, self.names, self.labels = groups, names, labels

    def make(self, gan, folder: Path, seed: int):
        """Writes the files."""
        z = gan.draw_latents(1 + max(max(rows) for _, rows in self.groups), seed)
        means, result = walks.combine(z, self.groups)
        of_group = self.labels_of_groups()
        columns, captions, heads = [], [], []
        height = max(3, *(len(rows) + 1 for _, rows in self.groups))
        for place, (sign, rows) in enumerate(self.groups):
            images = paint(gan, np.stack([*z[rows], means[place]]), of_group[place])
            empty = height - len(images)
            columns.append([*images[:-1], *[None] * empty, images[-1]])
            captions.append([*map(str, rows), *[""] * empty, "mean"])
            name = self.names[place % len(self.names)] if self.names else ""
            heads.append(f"{'+' if sign > 0 else '-'} {name}".strip() if place else name)
        around = paint(gan, walks.around(result, AROUND, seed), of_group[-1])
        square = around.reshape(3, 3, *around.shape[1:])
        rest = [None] * (height - 3)
        columns += [[None] * height, *([*square[:, x], *rest] for x in range(3))]
        captions += [[""] * height] * 4
        folder.mkdir(parents=True, exist_ok=True)
        save_image(folder / self.files[0], around[4])
        picture = image_grid(
            list(zip(*columns, strict=True)),
            column_names=[*heads, "=", "", "result", ""],
            captions=list(zip(*captions, strict=True)),
        )
        save_png(folder / self.files[1], picture)

    def labels_of_groups(self) -> list:
        """Of each group; the first label where nobody asked for some."""
        if self.labels is None:
            return [None] * len(self.groups)
        rows = self.labels if len(self.labels) == len(self.groups) else self.labels[:1]
        return list(np.resize(rows, (len(self.groups), rows.shape[1])))


class Probe:
    """A linear classifier on the discriminator's features, and on what they are compared with."""

    files = ("probe.json",)

    def __init__(self, settings, train_count: int | None, data_dir, tfds_dir):
        self.count, self.settings = train_count, dict(settings)
        if data_dir:
            self.settings |= {"data_dir": str(Path(data_dir).resolve()), "dataset": None}
        if tfds_dir:
            self.settings["tfds_dir"] = str(Path(tfds_dir).resolve())

    def make(self, gan, folder: Path, seed: int):
        """Prints a row for each kind of features, and writes the files."""
        from gans.data.held_out import classifier_images

        size, channels = gan.image_size, gan.image_channels
        with usage_errors(DataError):
            training, held_out, names = classifier_images(self.settings, size, channels)
        if any(np.any(rows.sum(axis=1) != 1) for _, rows in (training, held_out)):
            raise UsageError(
                "--mode=probe expects images with one label each. Received: several of "
                f"{', '.join(names[:5])}"
            )
        kinds = {
            "discriminator": gan.features,
            "untrained": untrained(gan, self.settings).features,
            "pixels": lambda images: images.reshape(len(images), -1),
        }
        width = gan.features(to_float(training[0][:1])).shape[1]
        most = len(training[0]) if width <= MANY_FEATURES else FEW_IMAGES
        chosen = np.arange(len(training[0]))
        count = min(self.count or most, len(chosen))
        # At even distances: folders come class by class.
        chosen = chosen[np.arange(count) * len(chosen) // count]
        (images, labels), (test_images, test_labels) = (
            (images, rows.argmax(axis=1)) for images, rows in (training, held_out)
        )
        lines = []
        for kind, features in kinds.items():

            def values(pixels, features=features):
                return features(to_float(pixels))

            with usage_errors():
                fitted = probes.fit(values, images[chosen], labels[chosen], len(names))
            accuracy = fitted.accuracy(values, test_images, test_labels)
            print(f"{kind:13} {accuracy:7.2%} of {len(test_labels)} held-out images")
            lines.append(
                {
                    "features": kind,
                    "accuracy": accuracy,
                    "numbers": len(fitted.weights),
                    "strength": fitted.strength,
                    "train_count": count,
                    "held_out_count": len(test_labels),
                }
            )
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / self.files[0], json.dumps(lines, indent=2) + "\n")


class Filters:
    """What the discriminator's convolutions look for, beside random ones."""

    files = ("filters.png", "responses.png")

    def __init__(self, settings, labels: np.ndarray | None):
        self.settings, self.labels = settings, labels

    def make(self, gan, folder: Path, seed: int):
        """Writes the files."""
        from gans.nn import guided

        z = gan.draw_latents(FILTER_SAMPLES, seed)
        labels = in_turn(self.labels, len(z))
        inputs = [paint(gan, z, labels)] + ([] if labels is None else [labels])
        kernels, blocks = [], []
        for name, one in (("trained", gan), ("random", untrained(gan, self.settings))):
            network = one.discriminator if hasattr(one, "discriminator") else one.critic
            filters = guided.first_filters(network, gan.image_channels)
            empty = np.full((-len(filters) % COLUMNS, *filters.shape[1:]), 1.0, np.float32)
            filters = np.concatenate([full_contrast(filters), empty])
            kernels.append((name, filters.reshape(-1, COLUMNS, *filters.shape[1:])))
            maps = guided.last_maps(network)
            strength = guided.strongest(maps, inputs, FILTERS, gan.packing)
            best = np.argsort(-strength, axis=0, kind="stable")[:STRONGEST].T
            answers = [
                full_contrast(guided.responses(maps, [x[rows] for x in inputs], i, gan.packing))
                for i, rows in enumerate(best)
            ]
            blocks.append((f"samples, {name}", inputs[0][best]))
            blocks.append(("their responses", np.stack(answers)))
        folder.mkdir(parents=True, exist_ok=True)
        save_png(folder / self.files[0], image_blocks(kernels, SMALLEST_FILTER))
        save_png(folder / self.files[1], image_blocks(blocks))


class Codes:
    """What changes with each of InfoGAN's codes, and nothing else."""

    def __init__(self, settings, count: int, steps: int):
        self.count, self.steps = count, steps
        numbers = range(1, 1 + settings["constructor"]["continuous"])
        self.films = [f"code_{number}.gif" for number in numbers]
        self.pictures = [f"code_{number}.png" for number in numbers]
        self.files = [*self.films, *self.pictures, "categorical.png"]

    def make(self, gan, folder: Path, seed: int):
        """Writes the files."""
        z = gan.draw_latents(self.count, seed)
        categories = np.eye(gan.categories, dtype=np.float32)
        names = [str(number) for number in range(gan.categories)]
        columns = [paint(gan, z, category) for category in categories]
        folder.mkdir(parents=True, exist_ok=True)
        save_png(
            folder / self.files[-1],
            image_grid(list(zip(*columns, strict=True)), (), names),
        )
        values = np.linspace(-CODE_LIMIT, CODE_LIMIT, self.steps, dtype=np.float32)
        for code, (film, picture) in enumerate(zip(self.films, self.pictures, strict=True)):
            # One noise, and the other codes at 0, their middle.
            way = np.repeat(z[:1], self.steps, axis=0)
            way[:, gan.noise_dim + gan.categories :] = 0.0
            way[:, gan.noise_dim + gan.categories + code] = values
            rows = [paint(gan, way, category) for category in categories]
            frames = [square_grid(frame) for frame in zip(*rows, strict=True)]
            save_there_and_back(frames, folder / film)
            save_png(
                folder / picture,
                image_grid(rows, names, [f"{value:.2f}" for value in values]),
            )


# Pictures.


def paint(gan, z: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
    """Samples of noise, all of one label `(k,)` or each of its own `(n, k)`; that of InfoGAN takes
    the place of the category in z.
    """
    if labels is None:
        return gan.generate(z)
    labels = np.broadcast_to(labels, (len(z), labels.shape[-1])).astype(np.float32)
    if not hasattr(gan, "split_codes"):
        return gan.generate(z, labels)
    noise, _, codes = gan.split_codes(z)
    return gan.generate(np.concatenate([noise, labels, codes], axis=1))


def in_turn(labels: np.ndarray | None, count: int) -> np.ndarray | None:
    """Labels `(k, n)` one after the other, over and over: `(count, n)`."""
    return None if labels is None else labels[np.arange(count) % len(labels)]


def untrained(gan, settings: dict[str, Any]):
    """The GAN as it was before its first step."""
    import keras

    keras.utils.set_random_seed(settings["constructor"]["seed"])
    return type(gan)(**settings["constructor"])


def save_image(path: Path, image: np.ndarray):
    """Writes an image, as .npy float32 where it has channels that cannot be shown."""
    if path.suffix == ".png":
        save_png(path, image)
    else:
        save_array(path, image)


if __name__ == "__main__":
    cli.run(generate)
