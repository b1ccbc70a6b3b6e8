"""The `A|B` data sets of pix2pix for TensorFlow Datasets; needs `pip install gans[tfds]`.

    tfds build gans/data/paired_images.py --config=facades                          downloads it
    tfds build gans/data/paired_images.py --config=facades --manual_dir=data        data/facades
    tfds build gans/data/paired_images.py --config=custom --manual_dir=data/mine    data/mine

The folder holds train/, val/ and test/, or trainA/ and trainB/ and so on, as `gans.data.pairs`
describes; what is there becomes a split. Pixels are stored without loss, as PNG, which takes two or
three times the room of the JPEGs. `gans.data.prepared` reads the result.

The command `tfds` of TensorFlow Datasets 4.9.10 starts only with `pip install apache-beam
mlcroissant`, which it does not declare. Without them the same is done by

    from gans.data.paired_images import PairedImages
    PairedImages(config="facades").download_and_prepare()
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from gans.data.images import DataError, open_image
from gans.data.pairs import PairFiles, find_pairs

HOMEPAGE = "https://phillipi.github.io/pix2pix/"
CITATION = """@inproceedings{isola2017image,
  title={Image-to-Image Translation with Conditional Adversarial Networks},
  author={Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A},
  booktitle={CVPR},
  year={2017}
}"""
# Cityscapes may not be passed on, says its licence: no address.
SETS = {
    "edges2handbags": "137K edges | handbag photos",
    "edges2shoes": "50K edges | shoe photos",
    "facades": "400 building photos | labels",
    "maps": "1096 aerial photos | maps",
    "night2day": "20K scenes by night and by day",
    "cityscapes": "2975 street photos | labels",
}
URL = "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/{name}.tar.gz"
WITHHELD = ("cityscapes",)


class PairedImages(tfds.core.GeneratorBasedBuilder):
    """Pairs of images: one file with A in the left half and B in the right, or two files."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        *(tfds.core.BuilderConfig(name=name, description=about) for name, about in SETS.items()),
        tfds.core.BuilderConfig(name="custom", description="The pairs in --manual_dir."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Optional but for custom and cityscapes: give --manual_dir. It holds a folder of the set's "
        "name, or for custom itself, train/ (and val/, test/) of images with A and B side by side, "
        "or trainA/ and trainB/."
    )

    def _info(self) -> tfds.core.DatasetInfo:
        image = {"shape": (None, None, 3), "dtype": np.uint8, "encoding_format": "png"}
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"Pairs of images. {self.builder_config.description}",
            features=tfds.features.FeaturesDict(
                {
                    "image_a": tfds.features.Image(**image),
                    "image_b": tfds.features.Image(**image),
                    # Relative path of the pair, the key of the example.
                    "name": tfds.features.Text(),
                }
            ),
            supervised_keys=("image_a", "image_b"),
            homepage=HOMEPAGE,
            citation=CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        folder = self._folder(dl_manager)
        return {
            split: self._generate_examples(find_pairs(folder, split))
            for split in ("train", "val", "test")
            if split == "train" or any((folder / f"{split}{end}").is_dir() for end in ("", "A"))
        }

    def _folder(self, dl_manager: tfds.download.DownloadManager) -> Path:
        name = self.builder_config.name
        if name == "custom":
            return Path(dl_manager.manual_dir)
        try:
            folder = Path(dl_manager.manual_dir) / name
        except AssertionError:  # No --manual_dir was given.
            folder = None
        if folder and folder.is_dir():
            return folder
        if name in WITHHELD:
            raise DataError(
                f"the authors may not pass {name} on: expected --manual_dir with a folder {name}. "
                f"Received: {'no such folder' if folder else 'no --manual_dir'}"
            )
        return Path(dl_manager.download_and_extract(URL.format(name=name))) / name

    def _generate_examples(self, files: PairFiles) -> Iterator[tuple[str, dict]]:
        if files.channels != (3, 3) or not all(files.luma):
            raise DataError("expected JPEG and PNG images. Received: .npy arrays")
        for index, name in enumerate(files.names):
            image_a = _pixels(files.paths_a[index])
            if files.paths_b:
                image_b = _pixels(files.paths_b[index])
            else:
                image_a, image_b = np.hsplit(image_a, 2)
            yield name, {"image_a": image_a, "image_b": image_b, "name": name}


def _pixels(path: str) -> np.ndarray:
    with open_image(Path(path)) as image:
        return np.asarray(image.convert("RGB"))
