"""Makes the golden checkpoints: of every GAN a narrow run folder, zipped, with samples of it.

    python tests/golden/make.py            # those that are missing
    python tests/golden/make.py dcgan      # this one anew

`tests/test_golden.py` loads what is here. A change after which it does not load, or shows something
else, also breaks the runs of users: make one anew only where that is meant, and say so in
CHANGELOG.md.
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from gans.command_line import gan_files
from gans.data.data_settings import DataSettings
from gans.training.checkpoints import Checkpoints
from gans.training.restore import build
from gans.training.run_folder import RunFolder
from gans.training.run_settings import RunSettings

FOLDER = Path(__file__).parent
STEP = 4
DOMAINS = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
IMAGES = {"image_size": 16, "image_channels": 3, "generator_filters": 4}
ADVERSARIES = {**IMAGES, "discriminator_filters": 2, "latent_dim": 4}
CRITICS = {**IMAGES, "critic_filters": 2, "latent_dim": 4}
# With all kinds of layers that a GAN has: normalisations, dropout, embedded labels.
SETTINGS = {
    "bicyclegan": {**DOMAINS, "encoder_filters": 2, "latent_dim": 2, "dropout": 0.5},
    "pix2pix": {**DOMAINS, "norm": "batch"},
    "cyclegan": {**DOMAINS, "generator": "resnet", "blocks": 1, "pool_size": 2},
    "discogan": {**DOMAINS, "pool_size": 2, "latent_dim": 8},
    "gan": {
        "image_size": 8,
        "image_channels": 1,
        "latent_dim": 3,
        "generator_units": (4,),
        "discriminator_units": (4,),
        "maxout": 2,
    },
    "dcgan": {**ADVERSARIES, "packing": 2},
    "wgan": CRITICS,
    "wgan_gp": CRITICS,
    "cgan": {**ADVERSARIES, "network": "convolutional", "label_dim": 3},
    "matching_cgan": {**ADVERSARIES, "label_dim": 3},
    "infogan": {
        **IMAGES,
        "discriminator_filters": 2,
        "dense_units": 16,
        "noise_dim": 2,
        "categories": 3,
    },
}


def settings_of(name: str) -> RunSettings:
    """Those of the golden run of a GAN."""
    file = gan_files.read(name)
    kind = {"noise": "images"}.get(file.can.starts_from, file.can.starts_from)
    return RunSettings(
        gan=name,
        preset="toy",
        settings=file.settings(**SETTINGS[name]),
        data=DataSettings(kind=kind, load_size=SETTINGS[name]["image_size"]),
        batch_size=2,
        epochs=2,
        steps_per_epoch=STEP,
    )


def fill(gan):
    """Gives every weight one of few values, so that they compress, large enough for samples that
    differ.
    """
    random = np.random.default_rng(0)
    for variable in gan.trainable_variables:
        scale = 2.0 ** -np.round(np.log2(np.prod(variable.shape[:-1]) + 1) / 2)
        variable.assign(scale * np.round(2 * random.standard_normal(variable.shape)))


def show(gan) -> np.ndarray:
    """Samples or translations of fixed inputs, uint8 `(n, size, size, channels)`."""
    from gans.data.images import to_uint8

    can, s = gan_files.read(gan.name).can, gan.settings
    if can.starts_from == "noise":
        labels = () if can.labels == "none" else (np.eye(3, dtype=np.float32),)
        return to_uint8(gan.generate(gan.draw_latents(3, seed=1), *labels))
    random = np.random.default_rng(1)
    images = random.uniform(-1, 1, (2, s.image_size, s.image_size, 3)).astype(np.float32)
    if gan.name == "bicyclegan":
        z = random.standard_normal((2, s.latent_dim)).astype(np.float32)
        shown = [gan.translate(images, z), gan.translate(images, gan.encode(images))]
    elif can.starts_from == "pairs":
        shown = [gan.translate(images)]
    else:
        shown = [gan.translate(images, direction) for direction in ("a_to_b", "b_to_a")]
    return to_uint8(np.concatenate(shown))


def make(name: str, folder: Path) -> Path:
    """Writes `NAME.zip` with the run folder and `samples.npy`."""
    run = settings_of(name)
    gan = build(run)
    fill(gan)
    gan.compile(run.epochs, run.steps_per_epoch)
    for optimizer in vars(gan).values():
        if hasattr(optimizer, "iterations") and hasattr(optimizer, "build"):
            optimizer.iterations.assign(STEP)
    with tempfile.TemporaryDirectory() as temporary:
        of_run = RunFolder(Path(temporary) / "run")
        with of_run.locked():
            of_run.begin(run, f"python scripts/train_{name}.py")
            Checkpoints(of_run.checkpoints, gan).save(STEP)
        np.save(of_run.path / "samples.npy", show(gan))
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for file in sorted(of_run.path.rglob("*")):
                if file.is_file() and not file.name.startswith("lock"):
                    archive.write(file, file.relative_to(of_run.path))
    return path


if __name__ == "__main__":
    missing = [name for name in SETTINGS if not (FOLDER / f"{name}.zip").exists()]
    for name in sys.argv[1:] or missing:
        path = make(name, FOLDER)
        print(f"{path}: {path.stat().st_size} bytes")
