"""Paints sketches with a trained BicycleGAN: many bags of one sketch, or the style of a photo.

    python scripts/translate.py --run_dir=runs/bicyclegan --input=sketch.png --output=out
    python scripts/translate.py ... --style=photo.png                 # the style of that photo
    python scripts/translate.py ... --interpolate --samples=16        # from one style to another
    python scripts/translate.py ... --fit                             # a sketch of another scale

Needs only the run folder. For every sketch NAME the folder `out` gets NAME_1.png, NAME_2.png, ...
of the sketch's own size, NAME_all.png with the sketch and all of them side by side, and with
`--interpolate` NAME.gif, there and back. A second or two per sketch at 256x256 on 2 cores, after
TensorFlow's import.
"""

from pathlib import Path

from gans.training import cli, command
from gans.training.run_folder import RunFolder

GIF_MILLISECONDS = 120


def translate(
    run_dir: str,
    input: str,
    output: str,
    samples: int = 8,
    style: tuple[str, ...] | None = None,
    interpolate: bool = False,
    fit: bool = False,
    seed: int = 0,
    overwrite: bool = False,
    debug: bool = False,
) -> None:
    """Translates a sketch, or every sketch of a folder.

    Args:
        run_dir: Folder of the run.
        input: A JPEG or PNG, dark lines on white, of any size; or a folder of them.
        output: Folder for the pictures.
        samples: Random styles per sketch, the same ones for all; with --interpolate, pictures on
            the way.
        style: A photo whose style is taken instead of random ones; several by commas.
        interpolate: Go from one style to another: from --style to the next --style, or to or
            between random ones where fewer than two are given.
        fit: Paint at the size of training, and resize to the sketch's: right for a sketch whose
            objects are larger or smaller than those the run was trained on.
        seed: Of the random styles.
        overwrite: Replace pictures of the same names in the output folder.
        debug: Show the traceback of an error.
    """
    command.check_at_least(2 if interpolate else 1, samples=samples)
    command.check_at_least(0, seed=seed)
    if interpolate and style and len(style) > 2:
        raise cli.UsageError(f"--interpolate expects at most 2 styles. Received: {len(style)}")
    run = RunFolder(run_dir)
    settings = run.read_config()
    sketches = find_sketches(Path(input))
    count = samples if interpolate or not style else len(style)
    targets = {
        source: [Path(output) / f"{name}_{part}.png" for part in (*range(1, count + 1), "all")]
        + ([Path(output) / f"{name}.gif"] if interpolate else [])
        for source, name in sketches.items()
    }
    if Path(output).exists() and not Path(output).is_dir():
        raise cli.UsageError(f"--output expects a folder. Received: the file {output}")
    check_targets(targets, overwrite)

    command.import_tensorflow(debug)
    import numpy as np
    from PIL import Image
    from tqdm import tqdm

    from gans.bicyclegan import BicycleGAN
    from gans.data.images import grid, save_png
    from gans.training.checkpoints import Checkpoints

    gan = BicycleGAN(**settings["constructor"])
    photos = [
        read_image(Path(path), settings["constructor"]["photo_channels"], gan.image_size)
        for path in style or ()
    ]
    images = {
        source: read_image(source, settings["constructor"]["image_channels"]) for source in sketches
    }
    if not Checkpoints(run.checkpoints, gan).restore():
        raise cli.UsageError(f"expected a run with a checkpoint. Received: {run.path} without one")
    z = np.random.default_rng(seed).standard_normal((samples, gan.latent_dim))
    if photos:
        styles = gan.encode(np.stack(photos))
        z = np.concatenate([styles, z]) if interpolate else styles
    if interpolate:
        z = np.stack([spherical(z[0], z[1], t) for t in np.linspace(0.0, 1.0, samples)])
    z = z[:count].astype(np.float32)

    for source, image in tqdm(images.items(), desc="sketches", disable=len(images) == 1):
        painted = paint_fitted(gan, image, z) if fit else paint(gan, image, z)
        *singles, together = [path for path in targets[source] if path.suffix == ".png"]
        together.parent.mkdir(parents=True, exist_ok=True)
        for path, picture in zip(singles, painted, strict=True):
            save_png(path, picture)
        save_png(together, grid([[image, *painted]]))
        if interpolate:
            frames = [Image.open(path) for path in singles]
            frames += frames[-2:0:-1]
            frames[0].save(
                targets[source][-1],
                save_all=True,
                append_images=frames[1:],
                duration=GIF_MILLISECONDS,
                loop=0,
            )
        print(together)


def find_sketches(path: Path) -> dict[Path, str]:
    """Name without extension, relative to the folder, of each image; of the one image of a file."""
    from gans.data.images import list_images

    if path.is_file():
        return {path: path.stem}
    names = list_images(path) if path.is_dir() else []
    if not names:
        raise cli.UsageError(
            f"--input expects an image or a folder of images. Received: {path} "
            f"({'no JPEG or PNG in it' if path.is_dir() else 'no such file'})"
        )
    by_stem = {str(Path(name).with_suffix("")): name for name in names}
    if len(by_stem) < len(names):
        raise cli.UsageError(
            f"--input expects one image per name. Received: {len(names)} files of "
            f"{len(by_stem)} names in {path}"
        )
    return {path / name: stem for stem, name in by_stem.items()}


def check_targets(targets: dict[Path, list[Path]], overwrite: bool):
    """Refuses to write over anything that is there already, or over a sketch itself."""
    paths = [path for group in targets.values() for path in group]
    inputs = {source.resolve() for source in targets}
    present = [
        path for path in paths if path.resolve() in inputs or (path.exists() and not overwrite)
    ]
    if present:
        raise cli.UsageError(
            f"--output holds {len(present)} files of these names already, e.g. {present[0]}; "
            f"name another folder{'' if overwrite else ', or give --overwrite'}"
        )


def read_image(path: Path, channels: int, size: int | None = None):
    """An image as float32 `(height, width, channels)` in [-1, 1], transparency on white, upright.

    With `size`, resized to that side, bicubic.
    """
    import numpy as np
    from PIL import Image, ImageOps

    from gans.data.images import open_image

    try:
        with open_image(path) as opened:
            if opened.mode.startswith(("I", "F")):
                # Pillow would cut them off at 255, which leaves white.
                raise ValueError(f"colour mode {opened.mode}, more than 8 bits")
            image = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise cli.UsageError(f"expected a JPEG or PNG image. Received: {path} ({error})") from None
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    if size:
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    pixels = np.asarray(image, dtype=np.float32) / 127.5 - 1.0
    return pixels.reshape(*pixels.shape[:2], channels)


def paint(gan, image, z):
    """One sketch `(height, width, channels)` in n styles: `(n, height, width, channels)`.

    The generator is convolutional but for the U-Net's need of sides that halve evenly: the sketch
    is padded with white to the next such size, painted by a generator of that size with the same
    weights, and cut back.
    """
    import numpy as np

    from gans.bicyclegan import build_generator

    multiple = 2 ** gan.generator_options["depth"]
    height, width = image.shape[:2]
    padded = [-(-side // multiple) * multiple for side in (height, width)]
    top, left = ((full - side) // 2 for full, side in zip(padded, (height, width), strict=True))
    canvas = np.ones((*padded, image.shape[2]), np.float32)
    canvas[top : top + height, left : left + width] = image
    generator = gan.generator
    if padded != [gan.image_size, gan.image_size]:
        generator = build_generator(tuple(padded), **gan.generator_options)
        generator.set_weights(gan.generator.get_weights())
    painted = [
        generator([canvas[np.newaxis], style[np.newaxis]], training=False).numpy()[0] for style in z
    ]
    return np.stack(painted)[:, top : top + height, left : left + width]


def paint_fitted(gan, image, z):
    """As `paint`, but padded to a square, resized to the size of training, and back."""
    import numpy as np
    import tensorflow as tf

    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    canvas = np.ones((side, side, image.shape[2]), np.float32)
    canvas[top : top + height, left : left + width] = image

    def resize(images, size):
        return np.clip(tf.image.resize(images, (size, size), "bicubic", antialias=True), -1.0, 1.0)

    painted = resize(paint(gan, resize(canvas, gan.image_size), z), side)
    return painted[:, top : top + height, left : left + width]


def spherical(start, end, share: float):
    """The code at `share` of the way along the arc between two, as likely as they are."""
    import numpy as np

    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:
        return (1.0 - share) * start + share * end
    return (np.sin((1.0 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)


if __name__ == "__main__":
    cli.run(translate)
