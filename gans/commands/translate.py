"""The command that translates images with a trained GAN."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from gans.command_line import command
from gans.command_line.errors import UsageError, check_at_least
from gans.command_line.files import check_folder
from gans.commands.outputs import SHOWN, check_new, write
from gans.data.images import is_array, list_images, open_array, open_image, to_uint8
from gans.pictures.image_grid import image_grid
from gans.training.restore import open_run
from gans.training.run_folder import RunFolder

# The flags that only some GANs have a use for, by what their translations vary by.
FLAGS_OF = {
    "style": ("samples", "style", "interpolate", "seed"),
    "noise": ("samples", "seed"),
    "direction": ("direction", "reconstruct"),
}


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
            pictures from one style to the other; pix2pix, pictures per image, each with other
            noise. Default: 8 styles, or 1 picture.
        style: BicycleGAN, a photo whose style is taken instead of random ones; several by commas.
        interpolate: BicycleGAN, go from one style to another: from --style to the next --style, or
            to or between random ones where fewer than two are given.
        direction: CycleGAN and DiscoGAN, a_to_b or b_to_a. Default: a_to_b.
        reconstruct: CycleGAN and DiscoGAN, also show in NAME_all.png what the generator of the
            other direction makes of the picture.
        fit: Paint at the size of training, and resize to the image's: right for a sketch whose
            objects are larger or smaller than those the run was trained on. A DiscoGAN with a
            bottleneck always paints so.
        seed: Of the random styles or the noise. Default: 0.
        overwrite: Replace pictures of the same names in the output folder.
        debug: Show the traceback of an error.
    """
    run = RunFolder(run_dir).read_settings()
    varies_by = run.gan_file.can.varies_by
    if varies_by is None:
        raise UsageError(
            "expected a GAN that translates; the command generate is for the others. "
            f"Received: a run of {run.name}"
        )
    given = {
        "samples": samples is not None,
        "style": bool(style),
        "interpolate": interpolate,
        "direction": direction is not None,
        "reconstruct": reconstruct,
        "seed": seed is not None,
    }
    for name in given:
        if given[name] and name not in FLAGS_OF[varies_by]:
            raise UsageError(f"--{name} is of no use to {run.name}. Received: --{name}")
    if samples is None:
        samples = 8 if varies_by == "style" else 1
    seed = seed or 0
    check_at_least(2 if interpolate else 1, samples=samples)
    check_at_least(0, seed=seed)
    if interpolate and style and len(style) > 2:
        raise UsageError(f"--interpolate expects at most 2 styles. Received: {len(style)}")
    channels = run.settings.image_channels, run.settings.photo_channels
    if direction == "b_to_a":
        channels = channels[::-1]
    sources = find_sources(Path(input), arrays=channels[0] not in SHOWN)
    count = samples if interpolate or not style else len(style)
    targets = {
        source: Targets.of(Path(output) / name, count, channels, interpolate)
        for source, name in sources.items()
    }
    check_folder("output", output)
    paths = [path for group in targets.values() for path in group.all]
    check_new(paths, overwrite, inputs={source.resolve() for source in sources})

    command.import_tensorflow(debug)
    from tqdm import tqdm

    from gans.results import translation

    size = run.settings.image_size
    photos = [read_image(Path(path), channels[1], size) for path in style or ()]
    for source in sources:
        # Before anything is painted; not kept, since a folder may be larger than the memory.
        read_image(source, channels[0])
    _, _, gan, _ = open_run(run_dir)
    if varies_by == "style":
        z = translation.choose_styles(gan, photos, samples, seed, interpolate)
        paint, padding = translation.in_styles(gan, z), translation.WHITE
    elif varies_by == "noise":
        if samples > 1 and not gan.varies_at_test:
            raise UsageError(
                f"--samples expects 1: this run has no noise at test. Received: {samples}"
            )
        paint, padding = translation.with_noise(gan, samples, seed), translation.BORDER
    else:
        there, back = ("b_to_a", "a_to_b") if direction == "b_to_a" else ("a_to_b", "b_to_a")
        directions = (there, back) if reconstruct else (there,)
        if "b_to_a" in directions and gan.generator_ba is None:
            flag = "--reconstruct" if reconstruct else "--direction=b_to_a"
            raise UsageError(f"{flag} expects a run with a generator of B to A. Received: none")
        paint, padding = translation.in_directions(gan, directions), translation.BORDER
    at_training_size = fit or gan.size_multiple is None
    of_size = translation.at_training_size if at_training_size else translation.at_own_size
    for source in tqdm(sources, desc="images", disable=len(sources) == 1):
        image = read_image(source, channels[0])
        save(targets[source], image, of_size(gan, image, paint, padding))
        print(targets[source].all[-1])


@dataclass(frozen=True)
class Targets:
    """The files that one image becomes.

    Attributes:
        singles: one per picture.
        together: all of them side by side; None where there are channels that cannot be shown.
        gif: there and back; None where none is wanted, or it could not be shown.
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


def save(targets: Targets, image: np.ndarray, painted: list[np.ndarray]):
    """Writes the pictures; those beyond the single ones are shown with them only."""
    for path, picture in zip(targets.singles, painted, strict=False):
        write(path, to_uint8(picture))
    if targets.together:
        write(targets.together, image_grid([[image, *painted]]))
    if targets.gif:
        write(targets.gif, [to_uint8(picture) for picture in painted])
