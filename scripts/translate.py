"""Paints images with a trained GAN: many bags of one sketch, a shoe in the style of a bag.

    python scripts/translate.py --run_dir=runs/bicyclegan --input=sketch.png --output=out
    python scripts/translate.py ... --style=photo.png                 # the style of that photo
    python scripts/translate.py ... --interpolate --samples=16        # from one style to another
    python scripts/translate.py ... --fit                             # a sketch of another scale
    python scripts/translate.py --run_dir=runs/cyclegan ... --direction=b_to_a --reconstruct

Needs only the run folder. For every image NAME the folder `out` gets NAME_1.png, NAME_2.png, ... of
the image's own size, NAME_all.png with the image and all of them side by side, and with
`--interpolate` NAME.gif, there and back. Which flags there are to choose from depends on the GAN:
BicycleGAN has styles, pix2pix noise (if the run left it on), CycleGAN and DiscoGAN two directions.
Images of other than 1 or 3 channels come and go as .npy, and have no NAME_all.png.

A side that the network cannot halve evenly is filled up and cut back: around a sketch with white,
around the image of another GAN than BicycleGAN, which may be a photo, with its border pixels; on a
white ground that is white too. A second or two per image at 256x256 on 2 cores, after TensorFlow's
import.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from gans.command_line import cli, command
from gans.command_line.errors import UsageError, check_at_least
from gans.command_line.files import check_folder
from gans.data.images import (
    is_array,
    list_images,
    open_array,
    open_image,
    save_array,
    save_png,
    to_uint8,
)
from gans.pictures.animation import save_there_and_back
from gans.pictures.image_grid import image_grid
from gans.training.restore import gan_module, generates, open_run, read_settings, translate_takes

# The flags that only some GANs have a use for, by what their `translate` takes.
FLAGS_OF = {
    "z": ("samples", "style", "interpolate", "seed"),
    "seed": ("samples", "seed"),
    "direction": ("direction", "reconstruct"),
}
# Channels of an image that can be looked at.
SHOWN = (1, 3)
# A side that every network admits: all halve by powers of two. Some padding needs 4 pixels inside.
SMALLEST = 32


def translate(
    run_dir: str,
    input: str,
    output: str,
    samples: int | None = None,
    style: tuple[str, ...] | None = None,
    interpolate: bool = False,
    direction: Literal["a_to_b", "b_to_a"] | None = None,
    reconstruct: bool = False,
    fit: bool = False,
    seed: int | None = None,
    overwrite: bool = False,
    debug: bool = False,
) -> None:
    """Translates an image, or every image of a folder.

    Args:
        run_dir: Folder of the run.
        input: A JPEG or PNG of any size, for a sketch dark lines on white; a .npy where the GAN has
            other than 1 or 3 channels; or a folder of them.
        output: Folder for the pictures.
        samples: BicycleGAN, random styles per sketch, the same ones for all, or with --interpolate
            pictures on the way; pix2pix, pictures per image, each with other noise. Default: 8
            styles, or 1 picture.
        style: BicycleGAN, a photo whose style is taken instead of random ones; several by commas.
        interpolate: BicycleGAN, go from one style to another: from --style to the next --style, or
            to or between random ones where fewer than two are given.
        direction: CycleGAN and DiscoGAN, a_to_b or b_to_a. Default: a_to_b.
        reconstruct: CycleGAN and DiscoGAN, show in NAME_all.png what the way back makes of it, too.
        fit: Paint at the size of training, and resize to the image's: right for a sketch whose
            objects are larger or smaller than those the run was trained on. A DiscoGAN with a
            bottleneck paints no other way.
        seed: Of the random styles or the noise. Default: 0.
        overwrite: Replace pictures of the same names in the output folder.
        debug: Show the traceback of an error.
    """
    settings = read_settings(run_dir)
    if generates(gan_module(settings)):
        raise UsageError(
            "expected a GAN that translates; scripts/generate.py is for the others. "
            f"Received: a run of {settings['model']}"
        )
    takes = translate_takes(gan_module(settings))
    asked = {
        "samples": samples is not None,
        "style": bool(style),
        "interpolate": interpolate,
        "direction": direction is not None,
        "reconstruct": reconstruct,
        "seed": seed is not None,
    }
    for name in (name for name, given in asked.items() if given and name not in FLAGS_OF[takes]):
        raise UsageError(f"--{name} is of no use to {settings['model']}. Received: --{name}")
    samples = samples if samples is not None else {"z": 8}.get(takes, 1)
    seed = seed or 0
    check_at_least(2 if interpolate else 1, samples=samples)
    check_at_least(0, seed=seed)
    if interpolate and style and len(style) > 2:
        raise UsageError(f"--interpolate expects at most 2 styles. Received: {len(style)}")
    sizes = settings["constructor"]
    channels = sizes["image_channels"], sizes["photo_channels"]
    if direction == "b_to_a":
        channels = channels[::-1]
    sources = find_sources(Path(input), arrays=channels[0] not in SHOWN)
    count = samples if interpolate or not style else len(style)
    targets = {
        source: Targets.of(Path(output) / name, count, channels, interpolate)
        for source, name in sources.items()
    }
    check_folder("output", output)
    check_targets(targets, overwrite)

    command.import_tensorflow(debug)
    from tqdm import tqdm

    photos = [read_image(Path(path), channels[1], sizes["image_size"]) for path in style or ()]
    for source in sources:
        # Before anything is painted; not kept, a folder may be larger than the memory.
        read_image(source, channels[0])
    _, _, gan, _ = open_run(run_dir)
    if samples > 1 and takes == "seed" and not gan.varies_at_test:
        raise UsageError(f"--samples expects 1: this run has no noise at test. Received: {samples}")
    if takes == "direction" and gan.generator_ba is None and (direction == "b_to_a" or reconstruct):
        flag = "--reconstruct" if reconstruct else "--direction=b_to_a"
        raise UsageError(f"{flag} expects a run with a generator of the way back. Received: none")
    painter = {
        "z": lambda: StylePainter(gan, choose_styles(gan, photos, samples, seed, interpolate)),
        "seed": lambda: NoisePainter(gan, samples, seed),
        "direction": lambda: DirectionPainter(gan, direction or "a_to_b", reconstruct),
    }[takes]()
    fitted = fit or gan.size_multiple is None

    for source in tqdm(sources, desc="images", disable=len(sources) == 1):
        image = read_image(source, channels[0])
        painted = paint_fitted(gan, image, painter) if fitted else paint(gan, image, painter)
        write(targets[source], image, painted)
        print(targets[source].all[-1])


@dataclass(frozen=True)
class Targets:
    """The files that one image becomes.

    Attributes:
        singles: one per picture.
        together: with all of them side by side; None where there are channels that cannot be shown.
        gif: there and back; None where none is asked for, or it could not be shown.
    """

    singles: list[Path]
    together: Path | None
    gif: Path | None

    @classmethod
    def of(cls, name: Path, count: int, channels: tuple[int, int], interpolate: bool) -> "Targets":
        """Named after the image, with `channels` of the image and of the pictures."""
        suffix = ".png" if channels[1] in SHOWN else ".npy"
        shown = set(channels) <= set(SHOWN)
        return cls(
            [name.with_name(f"{name.name}_{part}{suffix}") for part in range(1, count + 1)],
            name.with_name(f"{name.name}_all.png") if shown else None,
            name.with_name(f"{name.name}.gif") if interpolate and suffix == ".png" else None,
        )

    @property
    def all(self) -> list[Path]:
        """All files, the one that is looked at first as the last."""
        return [path for path in (self.gif, *self.singles, self.together) if path]


def find_sources(path: Path, arrays: bool) -> dict[Path, str]:
    """Name without extension, relative to the folder, of each image, or .npy, in it; of the one
    image of a file.
    """
    if path.is_file():
        return {path: path.stem}
    names = list_images(path, arrays) if path.is_dir() else []
    names = [name for name in names if is_array(name) == arrays]
    if not names:
        kind = ".npy" if arrays else "JPEG or PNG"
        raise UsageError(
            f"--input expects an image or a folder of images. Received: {path} "
            f"({f'no {kind} in it' if path.is_dir() else 'no such file'})"
        )
    by_stem = {str(Path(name).with_suffix("")): name for name in names}
    if len(by_stem) < len(names):
        raise UsageError(
            f"--input expects one image per name. Received: {len(names)} files of "
            f"{len(by_stem)} names in {path}"
        )
    return {path / name: stem for stem, name in by_stem.items()}


def check_targets(targets: dict[Path, Targets], overwrite: bool):
    """Refuses to write over anything that is there already, or over an input itself."""
    paths = [path for group in targets.values() for path in group.all]
    inputs = {source.resolve() for source in targets}
    present = [
        path for path in paths if path.resolve() in inputs or (path.exists() and not overwrite)
    ]
    if present:
        raise UsageError(
            f"--output holds {len(present)} files of these names already, e.g. {present[0]}; "
            f"name another folder{'' if overwrite else ', or give --overwrite'}"
        )


def read_image(path: Path, channels: int, size: int | None = None) -> np.ndarray:
    """An image as float32 `(height, width, channels)` in [-1, 1]; with `size`, resized to that
    side, bicubic.

    Raises `UsageError` where it is none, or has other channels.
    """
    pixels = read_array(path, channels) if is_array(path) else read_picture(path, channels)
    if size:
        bands = [Image.fromarray(band) for band in np.moveaxis(pixels, -1, 0)]
        bands = [band.resize((size, size), Image.Resampling.BICUBIC) for band in bands]
        pixels = np.stack([np.asarray(band) for band in bands], axis=-1)
    return pixels.astype(np.float32) / 127.5 - 1.0


def read_array(path: Path, channels: int) -> np.ndarray:
    """The uint8 `(height, width, channels)` of a .npy."""
    try:
        pixels = open_array(path)
        if pixels.shape[2] != channels:
            raise ValueError(f"{pixels.shape[2]} channels")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"expected a .npy of uint8 with {channels} channels. Received: {path} ({error})"
        ) from None
    return np.array(pixels)


def read_picture(path: Path, channels: int) -> np.ndarray:
    """A JPEG or PNG as uint8 `(height, width, channels)`, transparency on white, upright."""
    if channels not in SHOWN:
        raise UsageError(f"expected a .npy of uint8 with {channels} channels. Received: {path}")
    try:
        with open_image(path) as opened:
            if opened.mode.startswith(("I", "F")):
                # Pillow would cut them off at 255, which leaves white.
                raise ValueError(f"colour mode {opened.mode}, more than 8 bits")
            image = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(f"expected a JPEG or PNG image. Received: {path} ({error})") from None
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    return np.asarray(image).reshape(image.height, image.width, channels)


class StylePainter:
    """BicycleGAN's: one picture per style z; around a sketch there is white."""

    padding = {"mode": "constant", "constant_values": 1.0}

    def __init__(self, gan, z: np.ndarray):
        self.z = z
        self.generator_for = functools.lru_cache(maxsize=1)(gan.generator_for)

    def __call__(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """Pictures `(height, width, channels)` of an image of a size that the network admits."""
        generator = self.generator_for(*image.shape[:2])
        for style in self.z:
            yield generator([image[np.newaxis], style[np.newaxis]], training=False)[0].numpy()


class NoisePainter:
    """pix2pix's: some pictures that differ in their noise."""

    padding = {"mode": "edge"}

    def __init__(self, gan, samples: int, seed: int):
        self.gan, self.samples, self.seed = gan, samples, seed

    def __call__(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """As `StylePainter`'s."""
        # Each image of a call has noise of its own.
        yield from self.gan.translate(np.stack([image] * self.samples), self.seed)


class DirectionPainter:
    """CycleGAN's and DiscoGAN's: the picture, and if asked for what the way back makes of it."""

    padding = {"mode": "edge"}

    def __init__(self, gan, direction: Literal["a_to_b", "b_to_a"], reconstruct: bool):
        back = "b_to_a" if direction == "a_to_b" else "a_to_b"
        self.directions = (direction, back) if reconstruct else (direction,)
        self.generator_for = functools.lru_cache(maxsize=2)(gan.generator_for)

    def __call__(self, image: np.ndarray) -> Iterator[np.ndarray]:
        """As `StylePainter`'s."""
        for direction in self.directions:
            generator = self.generator_for(*image.shape[:2], direction)
            image = generator(image[np.newaxis], training=False)[0].numpy()
            yield image


def choose_styles(
    gan, photos: list[np.ndarray], samples: int, seed: int, interpolate: bool
) -> np.ndarray:
    """The styles z `(n, latent_dim)`: those of photos, random ones, or the way between two."""
    z = np.random.default_rng(seed).standard_normal((samples, gan.latent_dim))
    if photos:
        styles = gan.encode(np.stack(photos))
        z = np.concatenate([styles, z]) if interpolate else styles
    if interpolate:
        z = np.stack([spherical(z[0], z[1], t) for t in np.linspace(0.0, 1.0, samples)])
    return z.astype(np.float32)


def paint(gan, image: np.ndarray, painter) -> list[np.ndarray]:
    """Pictures of the image's own size `(height, width, channels)`.

    The generator is convolutional but for its need of sides that halve evenly: the image is padded
    to the next such size, painted by a generator of that size with the same weights, and cut back.
    """
    height, width = image.shape[:2]
    multiple = gan.size_multiple
    full = [max(SMALLEST, -(-side // multiple) * multiple) for side in (height, width)]
    canvas, place = pad(image, *full, painter.padding)
    return [picture[place] for picture in painter(canvas)]


def paint_fitted(gan, image: np.ndarray, painter) -> list[np.ndarray]:
    """As `paint`, but padded to a square, resized to the size of training, and back."""
    import tensorflow as tf

    def resize(picture, size):
        resized = tf.image.resize(picture, (size, size), "bicubic", antialias=True)
        return np.clip(resized, -1.0, 1.0)

    side = max(image.shape[:2])
    canvas, place = pad(image, side, side, painter.padding)
    small = resize(canvas, gan.image_size)
    return [resize(picture, side)[place] for picture in painter(small)]


def pad(image: np.ndarray, height: int, width: int, padding: dict) -> tuple[np.ndarray, tuple]:
    """The image in the middle of a larger one, and the slices where it is."""
    top, left = (
        (full - side) // 2 for full, side in zip((height, width), image.shape, strict=False)
    )
    place = slice(top, top + image.shape[0]), slice(left, left + image.shape[1])
    bottom, right = height - place[0].stop, width - place[1].stop
    return np.pad(image, ((top, bottom), (left, right), (0, 0)), **padding), place


def write(targets: Targets, image: np.ndarray, painted: list[np.ndarray]):
    """Writes the pictures; those beyond the single ones are shown with them only."""
    targets.singles[0].parent.mkdir(parents=True, exist_ok=True)
    for path, picture in zip(targets.singles, painted, strict=False):
        if path.suffix == ".png":
            save_png(path, picture)
        else:
            save_array(path, to_uint8(picture))
    if targets.together:
        save_png(targets.together, image_grid([[image, *painted]]))
    if targets.gif:
        save_there_and_back([to_uint8(picture) for picture in painted], targets.gif)


def spherical(start, end, share: float):
    """The code at `share` of the way along the arc between two, as likely as they are."""
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:
        return (1.0 - share) * start + share * end
    return (np.sin((1.0 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


if __name__ == "__main__":
    cli.run(translate)
