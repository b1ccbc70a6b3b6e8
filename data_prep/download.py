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
  people.eecs.berkeley.edu answer 404 (tensorflow/datasets#5134), so they are no mirrors;
- sha256 and size of the zips: tensorflow_datasets/url_checksums/cycle_gan.txt of
  tensorflow/datasets. No sha256 of the pix2pix archives is published; sizes are the server's;
- weights: mseitzer/pytorch-fid:src/pytorch_fid/inception.py and toshas/torch-fidelity (one file
  under two names, which bear the first 8 digits of its sha256), TTUR:fid.py (the frozen graph);
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
from data_prep.running import only_run, say
from data_prep.transfer import Checksum, Partial
from gans.command_line import cli
from gans.command_line.errors import Failure, UsageError, check_at_least
from gans.command_line.files import check_folder, replacing, write_text

_HOST = "efrosgans.eecs.berkeley.edu"
_CITYSCAPES = (
    "the authors may not pass Cityscapes on (licence): get gtFine_trainvaltest.zip and "
    "leftImg8bit_trainvaltest.zip from https://www.cityscapes-dataset.com, or give --archive"
)
# Bytes of the disk for each of an archive and its content: JPEGs hardly shrink in an archive, and a
# file fills up its last block.
_ROOM = 2.25


@dataclass(frozen=True)
class Published:
    """One published archive of a set, or file of weights.

    Attributes:
        urls: Addresses in the order in which they are tried.
        size: Bytes, exact where `sha256` is known; 0 if withheld.
        about: What it is.
        sha256: Published checksum, 64 hex digits, or None.
        folders: Folders that the unpacked set must hold, each with at least one file; None for
            weights, which stay the file that they are.
        withheld: Why it cannot be downloaded, or None.
    """

    urls: tuple[str, ...]
    size: int
    about: str
    sha256: str | None
    folders: tuple[str, ...] | None
    withheld: str | None = None

    @property
    def file(self) -> str:
        """Name of the published file."""
        return self.urls[0].rpartition("/")[2]


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


def _pairs(name: str, size: int, about: str, withheld: str | None = None) -> Published:
    url = f"{_HOST}/pix2pix/datasets/{name}.tar.gz"
    return Published((f"https://{url}", f"http://{url}"), size, about, None, ("train",), withheld)


def _unpaired(
    name: str, size: int, about: str, folders=("trainA", "trainB"), withheld: str | None = None
) -> Published:
    url, sha256 = f"{_HOST}/cyclegan/datasets/{name}.zip", _SHA256.get(name)
    return Published((f"https://{url}", f"http://{url}"), size, about, sha256, folders, withheld)


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

_RELEASES = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception",
)
_GRAPH = "download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
WEIGHTS = {
    "inception": Published(
        tuple(f"{release}-2015-12-05-6726825d.pth" for release in _RELEASES),
        95_628_359,
        "Inception of 2015, for FID, IS, KID",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        folders=None,
    ),
    "inception_graph": Published(
        (f"https://{_GRAPH}", f"https://storage.googleapis.com/{_GRAPH}"),
        88_931_400,
        "the same as TensorFlow 1's frozen graph",
        sha256=None,
        folders=None,
    ),
}


def _find(name: str, archive: str | None, url: str | None, sha256: str | None) -> Published:
    """Returns what has that name; raises `UsageError` if an argument is wrong."""
    known = DATASETS | WEIGHTS
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"expected a name that --list shows. Received: {name!r}{hint}")
    if archive and url:
        raise UsageError("expected --archive or --url. Received: both")
    if archive and not Path(archive).is_file():
        raise UsageError(f"--archive expects a file. Received: {archive!r}")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise UsageError(f"--url expects an http or https address. Received: {url!r}")
    if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 expects 64 hex digits. Received: {sha256!r}")
    if known[name].withheld and not (archive or url):
        raise UsageError(f"{name} cannot be downloaded: {known[name].withheld}")
    return known[name]


def _checksum(published: Published, sha256: str | None, record: Path) -> Checksum:
    """Returns what the file must be: as the user says, as published, or as it was first."""
    if sha256:
        return Checksum(sha256.lower(), "--sha256")
    if published.sha256:
        return Checksum(published.sha256, "published; --sha256 accepts another")
    if record.exists():
        noted = "".join(record.read_text(encoding="utf-8").split()[:1])
        return Checksum(noted, f"noted in {record}; --sha256 accepts another")
    return Checksum(None)


def _verify(destination: Path, published: Published, checksum: Checksum) -> dict[str, int]:
    """Returns the number of files by folder of a set that is there already, {} for weights; raises
    `UsageError` or `Failure` if it is no whole download of this command.
    """
    if published.folders is None and checksum.expected and destination.is_file():
        checksum.verify(destination)
        return {}
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
    if checksum.origin == "--sha256" and checksum.expected != digest:
        raise UsageError(f"{destination}: --sha256 expects {digest}. Received: {checksum.expected}")
    return counts


def download(
    name: str | None = None,
    out: str | Path = "data",
    archive: str | None = None,
    url: str | None = None,
    sha256: str | None = None,
    timeout: float = 30.0,
    retries: int = 5,
    list: bool = False,
) -> Path | None:
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

    Returns:
        The folder of the set, `out/name`, or the file of weights, below `out`.

    Raises:
        UsageError: A wrong argument, or a folder in the way; nothing was done.
        Failure: No address gave the file, its sha256 differs, it is damaged or hostile, or the disk
            is full. What was received stays in `out/FILE.part`.
    """
    if list:
        return _print_list()
    if name is None:
        raise UsageError("expected the name of a set, see --list. Received: nothing")
    published = _find(name, archive, url, sha256)
    check_at_least(0, retries=retries)
    if not timeout > 0:
        raise UsageError(f"--timeout expects seconds above 0. Received: {timeout:g}")
    out = check_folder("out", out)
    weights = published.folders is None
    destination = out / (published.file if weights else name)
    record = out / f"{published.file}.sha256"
    checksum = _checksum(published, sha256, record)
    if os.path.lexists(destination):
        _report(destination, _verify(destination, published, checksum), "is complete")
        return destination

    out.mkdir(parents=True, exist_ok=True)
    with only_run(out / f".{name}.lock"):
        room = 1.0 if weights else _ROOM
        partial = None if archive else Partial(out / f"{published.file}.part", room)
        file = partial.path if partial else Path(archive)
        if archive:
            digest = checksum.verify(file)
            transfer.require_space(out, file.stat().st_size * (1.0 if weights else room - 1))
        else:
            if not url:
                partial.require_space(published.size)
            urls = [url] if url else published.urls
            digest = transfer.fetch(urls, partial, checksum, timeout, retries)
        try:
            if weights:
                counts = {}
                with replacing(destination) as temporary:
                    (shutil.copyfile if archive else os.replace)(file, temporary)
            else:
                marker = {"name": name, "sha256": digest}
                counts = unpack.extract(file, destination, published.folders, marker)
        except unpack.Damaged as error:
            if partial is None:
                raise
            # The server may have announced too few bytes: the next run asks for more.
            partial.note(partial.validator, None)
            raise Failure(
                f"{error}; give the command again to ask for the rest, or delete {file} to start "
                "anew"
            ) from error
        if partial:
            partial.clear()
    if checksum.expected is None:
        write_text(record, f"{digest}  {published.file}\n")
        say(
            f"No sha256 of {published.file} is published: {digest} is noted in {record}, and a "
            "later download that differs will be refused."
        )
    _report(destination, counts, "is ready")
    return destination


def _report(destination: Path, counts: dict[str, int], state: str) -> None:
    size = f"{sum(counts.values()):,} files"
    if not counts:
        size = f"{destination.stat().st_size:,} bytes"
    say(f"{destination} {state}: {size}")
    for folder, count in counts.items():
        say(f"  {folder:8} {count:9,}")
    gan = "bicyclegan" if "train" in counts else "cyclegan"
    if not {"train", "trainA"}.isdisjoint(counts):
        say(f"Next: python scripts/train_{gan}.py --data_dir {destination}")


def _print_list() -> None:
    for name, published in (DATASETS | WEIGHTS).items():
        kind = "paired" if published.folders == ("train",) else "unpaired"
        kind = "weights" if published.folders is None else kind
        size = "withheld" if published.withheld else tqdm.format_sizeof(published.size, "B")
        known = "sha256" if published.sha256 else "-"
        print(f"{name:24}{kind:10}{size:>9}  {known:8}{published.about}")


if __name__ == "__main__":
    cli.run(download)
