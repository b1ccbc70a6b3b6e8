"""Downloads the public image-to-image data sets by name and unpacks them safely; weights too.

    python data_prep/download.py --list
    python data_prep/download.py edges2handbags --out data
    python data_prep/download.py facades --archive facades.tar.gz      a copy at hand, no network
    python data_prep/download.py inception --out data    the weights that FID and its like are by

The pairs of pix2pix arrive as data/NAME/{train,val}, one image with input and output side by side;
the unpaired sets of CycleGAN as data/NAME/{trainA,trainB,testA,testB}; weights stay the one file
that they are published as, which gans/features/ reads without running it. The command given again
resumes a download that was cut off and says so when there is nothing left to do. It takes as long
as the line needs for the size that --list shows, then minutes at most for unpacking.

The sha256 is compared with the published one, or, where none is known, with the one that the first
download left in NAME.tar.gz.sha256 (which `sha256sum -c` reads too). What else is not trusted of
the server is in data_prep/transfer.py, and what not of the archive in data_prep/unpack.py.

Sources:
- names and addresses: datasets/download_*_dataset.sh of junyanz/pytorch-CycleGAN-and-pix2pix,
  junyanz/BicycleGAN and taesungp/contrastive-unpaired-translation. The older addresses below
  people.eecs.berkeley.edu answer 404 (tensorflow/datasets#5134, eriklindernoren/PyTorch-GAN#192 and
  #202), so they are no mirrors;
- sha256 and size of the zips: tensorflow_datasets/url_checksums/cycle_gan.txt of
  tensorflow/datasets. No sha256 of the pix2pix archives is published; their sizes are the server's
  listing and Content-Length, quoted in public notebooks;
- weights: mseitzer/pytorch-fid:src/pytorch_fid/inception.py and toshas/torch-fidelity:
  torch_fidelity/feature_extractor_inceptionv3.py (the same file under two names, which bear the
  first 8 digits of its sha256), TTUR:fid.py (the frozen graph). The whole sha256 of the first is in
  the reports of several projects that used it; none of the graph is known, and its size is what
  TensorFlow's classify_image.py prints;
- Cityscapes: withheld by the authors of both projects "due to license issue" (the same scripts).
"""

import difflib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from data_prep import transfer, unpack
from data_prep.transfer import Form
from gans.command_line import cli
from gans.command_line.errors import Failure, UsageError

_HOST = "efrosgans.eecs.berkeley.edu"
_CITYSCAPES = (
    "the authors may not pass Cityscapes on (licence): get gtFine_trainvaltest.zip and "
    "leftImg8bit_trainvaltest.zip from https://www.cityscapes-dataset.com, or give --archive"
)


@dataclass(frozen=True)
class Dataset:
    """One published archive.

    Attributes:
        file: Path of the archive below the server's root.
        size: Bytes of the archive, exact where `sha256` is known; 0 if withheld.
        about: What the images are.
        sha256: Published checksum, 64 hex digits, or None.
        folders: Folders that the unpacked set must hold, each with at least one file.
        withheld: Why the set cannot be downloaded, or None.
    """

    file: str
    size: int
    about: str
    sha256: str | None
    folders: tuple[str, ...]
    withheld: str | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses in the order in which they are tried."""
        return tuple(f"{scheme}://{_HOST}/{self.file}" for scheme in ("https", "http"))

    @property
    def suffix(self) -> str:
        """Ending of the archive's name: `.tar.gz` or `.zip`."""
        return ".zip" if self.file.endswith(".zip") else ".tar.gz"


# Of the zips, as tensorflow/datasets publishes them.
_SHA256 = {
    "apple2orange": "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8",
    "cezanne2photo": "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff",
    "facades": "9a31ebf3a31b9b5cd195dd5bf62e9308e00cb94604d1019e3889ac84248695c0",
    "horse2zebra": "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1",
    "iphone2dslr_flower": "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113",
    "maps": "639534f69dbf9f36bef8d6292a7698006361221f83f0285d7c9ca78afe6e8a9e",
    "monet2photo": "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04",
    "summer2winter_yosemite": "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9",
    "ukiyoe2photo": "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08",
    "vangogh2photo": "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff",
}


def _pairs(name: str, size: int, about: str, withheld: str | None = None) -> Dataset:
    return Dataset(f"pix2pix/datasets/{name}.tar.gz", size, about, None, ("train",), withheld)


def _unpaired(
    name: str,
    size: int,
    about: str,
    folders: tuple[str, ...] = ("trainA", "trainB"),
    withheld: str | None = None,
) -> Dataset:
    file = f"cyclegan/datasets/{name}.zip"
    return Dataset(file, size, about, _SHA256.get(name), folders, withheld)


DATASETS = {
    "edges2handbags": _pairs("edges2handbags", 8_600_000_000, "137K edges | handbag photos"),
    "edges2shoes": _pairs("edges2shoes", 2_200_000_000, "50K edges | shoe photos"),
    "facades": _pairs("facades", 30_168_306, "400 building photos | labels"),
    "maps": _pairs("maps", 250_242_400, "1096 aerial photos | maps"),
    "night2day": _pairs("night2day", 2_100_000_000, "20K scenes by night and by day"),
    "cityscapes": _pairs("cityscapes", 0, "2975 street photos | labels", withheld=_CITYSCAPES),
    "apple2orange": _unpaired("apple2orange", 78_456_409, "996 apples, 1020 oranges"),
    "summer2winter_yosemite": _unpaired(
        "summer2winter_yosemite", 132_640_856, "1273 summer, 854 winter photos of Yosemite"
    ),
    "horse2zebra": _unpaired("horse2zebra", 116_867_962, "939 horses, 1177 zebras"),
    "monet2photo": _unpaired("monet2photo", 305_231_073, "1074 Monets, 6853 photos"),
    "cezanne2photo": _unpaired("cezanne2photo", 279_885_071, "584 Cezannes, 6853 photos"),
    "ukiyoe2photo": _unpaired("ukiyoe2photo", 292_946_532, "1433 ukiyo-e prints, 6853 photos"),
    "vangogh2photo": _unpaired("vangogh2photo", 306_590_349, "401 Van Goghs, 6853 photos"),
    "iphone2dslr_flower": _unpaired(
        "iphone2dslr_flower", 339_964_458, "1813 iPhone, 3316 DSLR photos of flowers"
    ),
    "grumpifycat": _unpaired("grumpifycat", 20_000_000, "Russian Blue cats, Grumpy Cat"),
    # No trainA and trainB in it (tensorflow/datasets, image_classification/cycle_gan.py).
    "ae_photos": _unpaired("ae_photos", 10_500_000, "photos, not for training", folders=()),
    # The unpaired editions of three pix2pix sets; the server has them under the same names.
    "facades_unpaired": _unpaired("facades", 35_135_868, "400 building photos, 400 labels"),
    "maps_unpaired": _unpaired("maps", 1_476_754_427, "1096 aerial photos, 1096 maps"),
    "cityscapes_unpaired": _unpaired(
        "cityscapes", 0, "2975 street photos, 2975 labels", withheld=_CITYSCAPES
    ),
}


@dataclass(frozen=True)
class Weights:
    """One published file of weights, which stays as it is.

    Attributes:
        file: Name that it gets.
        urls: Addresses in the order in which they are tried.
        size: Bytes.
        about: What it is.
        sha256: Published checksum, 64 hex digits, or None.
        form: By what it is told from something else.
    """

    file: str
    urls: tuple[str, ...]
    size: int
    about: str
    sha256: str | None
    form: Form


_RELEASES = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception",
)
_GRAPH = "download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
WEIGHTS = {
    "inception": Weights(
        "pt_inception-2015-12-05-6726825d.pth",
        tuple(f"{release}-2015-12-05-6726825d.pth" for release in _RELEASES),
        95_628_359,
        "Inception of 2015, for FID, IS, KID",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        # A zip archive, or a pickle of PyTorch before 1.6.
        Form("PyTorch checkpoint", (b"PK\3\4", b"\x80\2\x8a\n")),
    ),
    "inception_graph": Weights(
        "inception-2015-12-05.tgz",
        (f"https://{_GRAPH}", f"https://storage.googleapis.com/{_GRAPH}"),
        88_931_400,
        "the same as TensorFlow 1's frozen graph",
        None,
        Form(".tgz", (b"\x1f\x8b",)),
    ),
}


def _check_arguments(
    name: str,
    out: Path,
    archive: str | None,
    url: str | None,
    sha256: str | None,
    timeout: float,
    retries: int,
) -> Dataset | Weights:
    """Returns what has that name, or raises UsageError."""
    known = DATASETS | WEIGHTS
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"expected a name that --list shows. Received: {name!r}{hint}")
    if archive and url:
        raise UsageError("expected --archive or --url. Received: both")
    if archive and not Path(archive).is_file():
        wanted = known[name].form.name if name in WEIGHTS else transfer.ARCHIVE.name
        raise UsageError(f"--archive expects a {wanted} file. Received: {archive!r}")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise UsageError(f"--url expects an http or https address. Received: {url!r}")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 expects 64 hex digits. Received: {sha256!r}")
    if not timeout > 0 or retries < 0:
        raise UsageError(
            f"expected --timeout above 0 and --retries of at least 0. Received: {timeout:g} and "
            f"{retries}"
        )
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out expects a folder. Received: {str(out)!r}, which is a file")
    if name in DATASETS and DATASETS[name].withheld and not (archive or url):
        raise UsageError(f"{name} cannot be downloaded: {DATASETS[name].withheld}")
    return known[name]


def _existing(destination: Path, sha256: str | None) -> dict[str, int]:
    """Returns the counts of a complete download of ours, or raises UsageError."""
    try:
        marker = json.loads((destination / unpack.MARKER).read_text(encoding="utf-8"))
        counts, digest = marker["files"], marker["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{destination} exists, is no download of this command and is left alone: "
            "move it away or give another --out"
        ) from None
    found = unpack.count_files(destination)
    if found != counts:
        raise UsageError(
            f"{destination} was downloaded with the files {counts}. Received: {found}; move it "
            "away to download it again"
        )
    if sha256 not in (None, digest):
        raise UsageError(f"{destination} has sha256 {digest}. Received: --sha256 {sha256}")
    return counts


def _checksum(dataset: Dataset | Weights, sha256: str | None, record: Path) -> transfer.Checksum:
    """Returns what the file must be: as the user says, as published, or as it was first."""
    if sha256:
        return transfer.Checksum(sha256, "--sha256")
    if dataset.sha256:
        return transfer.Checksum(dataset.sha256, "published; --sha256 accepts another")
    if record.exists():
        noted = "".join(record.read_text(encoding="utf-8").split()[:1])
        return transfer.Checksum(noted, f"noted in {record}; --sha256 accepts another")
    return transfer.Checksum(None)


def download(
    name: str,
    out: str | Path = "data",
    *,
    archive: str | None = None,
    url: str | None = None,
    sha256: str | None = None,
    timeout: float = 30.0,
    retries: int = 5,
) -> Path:
    """Downloads and unpacks one set, unless it is there; see `main` for the arguments.

    Returns:
        The folder of the set, `out/name`, or the file of weights, below `out`.

    Raises:
        UsageError: A wrong argument, or a folder in the way; nothing was done.
        Failure: No address gave the archive, its sha256 differs, it is damaged
            or hostile, or the disk is full. What was received stays in `out/NAME.part`.
    """
    out = Path(out)
    dataset = _check_arguments(name, out, archive, url, sha256, timeout, retries)
    sha256 = sha256.lower() if sha256 else None
    if isinstance(dataset, Weights):
        return _download_weights(dataset, out, archive, url, sha256, timeout, retries)
    destination = out / name
    if os.path.lexists(destination):
        _report(destination, _existing(destination, sha256), "is complete")
        return destination

    out.mkdir(parents=True, exist_ok=True)
    file = f"{name}{dataset.suffix}"
    record = out / f"{file}.sha256"
    checksum = _checksum(dataset, sha256, record)
    if archive:
        digest = checksum.verify(Path(archive))
        marker = {"name": name, "sha256": digest}
        counts = unpack.extract(Path(archive), destination, dataset.folders, marker)
    else:
        with transfer.open_partial(out / f"{file}.part") as partial:
            if not url:
                transfer.require_space(out, dataset.size, partial.size)
            urls = [url] if url else dataset.urls
            digest = transfer.fetch(urls, partial, checksum, timeout, retries)
            marker = {"name": name, "sha256": digest}
            try:
                counts = unpack.extract(partial.path, destination, dataset.folders, marker)
            except unpack.Damaged as error:
                # The server may have announced too few bytes: the next run asks for more.
                partial.note(partial.validator, None)
                raise Failure(
                    f"{error}; give the command again to ask for the rest, or delete "
                    f"{partial.path} to start anew"
                ) from error
            partial.clear()
    if checksum.expected is None:
        _note(record, name, digest)
    _report(destination, counts, "is ready")
    return destination


def _note(record: Path, name: str, digest: str) -> None:
    record.write_text(f"{digest}  {record.stem}\n", encoding="utf-8")
    print(
        f"No sha256 of {name} is published: {digest} is noted in {record}, and a later "
        "download that differs will be refused."
    )


def _download_weights(
    weights: Weights,
    out: Path,
    archive: str | None,
    url: str | None,
    sha256: str | None,
    timeout: float,
    retries: int,
) -> Path:
    """Downloads one file of weights, or copies it; see `download`."""
    destination, record = out / weights.file, out / f"{weights.file}.sha256"
    checksum = _checksum(weights, sha256, record)
    if os.path.lexists(destination):
        if checksum.expected is None or not destination.is_file():
            raise UsageError(
                f"{destination} exists, is no download of this command and is left alone: "
                "move it away or give another --out"
            )
        checksum.verify(destination)
        print(f"{destination} is complete")
        return destination

    out.mkdir(parents=True, exist_ok=True)
    if archive:
        digest = checksum.verify(Path(archive))
        transfer.require_space(out, os.path.getsize(archive), 0, weights.form)
        temporary = out / f".{weights.file}.{os.getpid()}"
        try:
            shutil.copyfile(archive, temporary)
            os.rename(temporary, destination)
        finally:
            temporary.unlink(missing_ok=True)
    else:
        with transfer.open_partial(out / f"{weights.file}.part", weights.form) as partial:
            if not url:
                transfer.require_space(out, weights.size, partial.size, weights.form)
            urls = [url] if url else weights.urls
            digest = transfer.fetch(urls, partial, checksum, timeout, retries)
        partial.rename(destination)
    if checksum.expected is None:
        _note(record, weights.file, digest)
    print(f"{destination} is ready: {destination.stat().st_size:,} bytes")
    return destination


def _report(destination: Path, counts: dict[str, int], state: str) -> None:
    print(f"{destination} {state}: {sum(counts.values()):,} files")
    for folder, count in counts.items():
        print(f"  {folder:8} {count:9,}")
    gan = "bicyclegan" if "train" in counts else "cyclegan"
    if not {"train", "trainA"}.isdisjoint(counts):
        print(f"Next: python scripts/train_{gan}.py --data_dir {destination}")


def _print_list() -> None:
    for name, dataset in DATASETS.items():
        layout = "paired" if dataset.suffix == ".tar.gz" else "unpaired"
        size = "withheld" if dataset.withheld else tqdm.format_sizeof(dataset.size, "B")
        known = "sha256" if dataset.sha256 else "-"
        print(f"{name:24}{layout:10}{size:>9}  {known:8}{dataset.about}")
    for name, weights in WEIGHTS.items():
        size, known = tqdm.format_sizeof(weights.size, "B"), "sha256" if weights.sha256 else "-"
        print(f"{name:24}{'weights':10}{size:>9}  {known:8}{weights.about}")


def main(
    name: str | None = None,
    out: str = "data",
    archive: str | None = None,
    url: str | None = None,
    sha256: str | None = None,
    timeout: float = 30.0,
    retries: int = 5,
    list: bool = False,
) -> None:
    """Downloads a public image-to-image data set by name and unpacks it safely, or weights.

    Args:
        name: Name of the set or of the weights; --list shows them.
        out: Folder below which the set becomes a folder of its name, and weights a file.
        archive: Copy of the archive or weights at hand, to use without network. It is only read.
        url: Address of a mirror of your own, in place of the authors' server.
        sha256: Checksum that the archive must have, 64 hex digits. Default: the published one, or
            that of the first download.
        timeout: Seconds without an answer after which an attempt counts as failed.
        retries: Attempts in a row that may fail before the next address is tried.
        list: Show the names, sizes, whether a sha256 is published, and contents; nothing else.
    """
    if list:
        _print_list()
        return
    if name is None:
        raise UsageError("expected the name of a set, see --list. Received: nothing")
    download(name, out, archive=archive, url=url, sha256=sha256, timeout=timeout, retries=retries)


if __name__ == "__main__":
    cli.run(main)
