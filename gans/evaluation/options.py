"""What an evaluation can be told; the fields are flags of the command `evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gans.command_line.errors import UsageError
from gans.data.data_settings import Direction
from gans.features.extractors import INCEPTION
from gans.features.inception import Resize
from gans.features.lpips import Net
from gans.nn.settings import Checked, setting

Split = Literal["train", "val"]
OWN, OFF = "own", "off"  # Values of --extractor, beside inception and a folder.
# Flags that say something about a run, and not about two folders of images.
OF_RUNS = (
    *("data_dir", "data_dir_b", "direction", "sketches", "samples", "classifier"),
    *("lpips", "lpips_heads", "split", "all_checkpoints"),
)
OF_TRANSLATION = ("data_dir_b", "direction", "sketches", "samples", "lpips", "lpips_heads")
OF_NOISE = ("classifier",)


@dataclass(frozen=True, kw_only=True)
class Options(Checked):
    """The flags of `evaluate`; the metrics are those of `gans.evaluation.table`."""

    run_dir: str | None = setting(None, "Folder of the run.")
    real: str | None = setting(
        None,
        "Folder of real images, of any sizes for Inception. Default: those of the run.",
    )
    fake: str | None = setting(
        None, "Folder of generated images, whoever made them, in place of --run_dir."
    )
    metrics: tuple[str, ...] | None = setting(
        None,
        "Which to measure, by commas; --list_metrics shows them all. prdc is precision, density, "
        "recall and coverage. Default: all that fit the GAN and the data.",
    )
    list_metrics: bool = setting(False, "Print what can be measured, and stop.")
    extractor: str | None = setting(
        None,
        "What makes features of images: inception, own (a classifier of the run's data, trained if "
        "there is none), the folder of a classifier, or off. Default: inception where fid, kid, "
        "inception_score, --weights or --fake ask for it, own else.",
    )
    weights: str | None = setting(
        None,
        "File of Inception's weights: pt_inception-2015-12-05-6726825d.pth or the frozen graph of "
        "2015. Default: where data_prep/download.py puts it.",
    )
    resize: Resize = setting(
        "tf1",
        "Of Inception, how images become 299 wide: tf1 as the first FID, pytorch as pytorch-fid, "
        "clean as clean-fid.",
    )
    lpips: str | None = setting(
        None,
        "Of a GAN that translates: file of the network by which LPIPS measures the diversity of "
        "samples, e.g. alexnet-owt-7be5be79.pth of torchvision. Default: a distance of the "
        "features of a classifier, which is no LPIPS.",
    )
    lpips_net: Net = setting("alex", "Which network that is.")
    lpips_heads: str | None = setting(
        None, "File of its linear heads, lpips/weights/v0.1/alex.pth of PerceptualSimilarity."
    )
    num_real: int | None = setting(
        None, "The most real images that features are taken of. Default: all.", least=1
    )
    num_fake: int | None = setting(
        None,
        "How many images a GAN makes. Default: of a GAN that starts from noise 26000 of stacked "
        "MNIST, 2500 points, 10000 else; one for each source of a GAN that translates.",
        least=1,
    )
    seeds: int = setting(
        1,
        "Sets of images made, each with a seed of its own; the deviation between them is shown.",
        least=1,
    )
    split: Split | None = setting(
        None,
        "train or val: which real images features are compared with, and what a GAN that "
        "translates is given for it. Default: train; val of a GAN that translates.",
    )
    all_checkpoints: bool = setting(
        False, "Measure every checkpoint that there is, name the best, and draw a curve."
    )
    data_dir: str | None = setting(
        None,
        "Folder with the held-out images, for hues with palette.json. Default: the one trained on.",
    )
    data_dir_b: str | None = setting(
        None,
        "Folder whose photos are the second domain, as in training. Default: the one trained on, "
        "if any.",
    )
    direction: Direction | None = setting(
        None, "Of a GAN that translates both ways: a_to_b or b_to_a. Default: both."
    )
    sketches: int | None = setting(
        None,
        "Of a GAN that translates: how many of the held-out images are used for what is measured "
        "of single images. Default: 50.",
        least=1,
    )
    samples: int | None = setting(
        None,
        "Of a GAN that translates: random z, or other noise, per sketch. Default: 20.",
        least=1,
    )
    classifier: str | None = setting(
        None,
        "Of a GAN that starts from noise: folder of the classifier that says what an image shows. "
        "Default: one next to the run, trained if there is none.",
    )
    output: str | None = setting(
        None,
        "Folder for evaluation.jsonl, evaluation.md and pictures. Default: the run's; of --fake "
        "none are written.",
    )
    cache_dir: str | None = setting(
        None,
        "Folder where features of real images are kept, by the hash of their content. Default: "
        "references next to the run.",
    )
    seed: int = setting(0, "Of all that is random; of several, the first.", least=0)
    debug: bool = setting(False, "Show the traceback of an error.")

    def check_line(self):
        """Raises `UsageError` unless there is one thing to measure, and flags that fit it."""
        if bool(self.run_dir) == bool(self.fake):
            given = f"--run_dir={self.run_dir} --fake={self.fake}" if self.fake else "neither"
            raise UsageError(f"expected --run_dir or --fake. Received: {given}")
        if self.fake:
            if not self.real:
                raise UsageError("--fake expects --real. Received: no --real")
            names = [*OF_RUNS, *["seeds"] * (self.seeds > 1)]
            if name := next((name for name in names if getattr(self, name)), None):
                raise UsageError(f"--{name} expects --run_dir. Received: --fake={self.fake}")

    def check_gan(self, gan: str, starts_from: str):
        """Raises `UsageError` for a flag that is for GANs of another kind.

        Args:
            gan: its name.
            starts_from: as its abilities say.
        """
        from_noise = starts_from == "noise"
        kind = "translates" if from_noise else "starts from noise"
        for name in OF_TRANSLATION if from_noise else OF_NOISE:
            if (value := getattr(self, name)) is not None:
                raise UsageError(
                    f"--{name} is for a GAN that {kind}. Received: {value} with a run of {gan}"
                )
        if self.direction and starts_from == "pairs":
            raise UsageError(
                "--direction is for a GAN that translates both ways. "
                f"Received: {self.direction} with a run of {gan}"
            )

    @property
    def networks_dir(self) -> Path:
        """Folder in which networks and features of data sets are kept: that of the run."""
        return Path(self.run_dir).resolve().parent if self.run_dir else Path("runs")

    @property
    def features_dir(self) -> Path:
        """Folder in which features of real images are kept."""
        return Path(self.cache_dir) if self.cache_dir else self.networks_dir / "references"

    @property
    def all_seeds(self) -> list[int]:
        """A seed for each set of images."""
        return list(range(self.seed, self.seed + self.seeds))

    @property
    def by_inception(self) -> bool:
        """Whether the extractor is Inception."""
        return self.extractor == INCEPTION
