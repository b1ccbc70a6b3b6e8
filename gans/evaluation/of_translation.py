"""The evaluation of a GAN that translates: of single images, of features, of painted photos."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gans.command_line import command
from gans.command_line.errors import UsageError, usage_errors
from gans.data.held_out import HeldOut
from gans.data.images import DataError
from gans.evaluation import judges, of_paintings, pictures
from gans.evaluation.request import (
    Request,
    by_features,
    choose,
    find_extractor,
    measured,
    shown,
    without,
)
from gans.features import lpips, segmentation
from gans.features.torch_weights import WeightsError
from gans.metrics import translation
from gans.metrics.hues import read_palette
from gans.metrics.translation import Direction
from gans.training.restore import gan_module, open_run, translate_takes


def evaluate_translation(
    request: Request,
    run_dir: str,
    step: int | None,
    settings: dict[str, Any],
    folders: tuple[str | None, str | None],
    direction: Direction | None,
    counts: tuple[int, int],
    folder: Path,
) -> tuple[list[dict], list[str]]:
    """A GAN that translates: lines and sentences of its measures, for each direction."""
    takes = translate_takes(gan_module(settings))
    two_ways = takes == "direction"
    if direction and not two_ways:
        raise UsageError(
            f"--direction is for a GAN that translates both ways. Received: {direction} with a run "
            f"of {settings['model']}"
        )
    with usage_errors(DataError):
        data = HeldOut.of(settings, *folders)
    palettes = [read_palette(folder) for folder in data.folders]
    known = bool(palettes) and all(palette == palettes[0] for palette in palettes)
    palette = palettes[0] if known else []

    command.import_tensorflow(request.debug)
    distance = None
    if request.lpips and "perceptual" in request.paintings:
        # Before anything is measured: its files may be wrong.
        backbone, net, heads = request.lpips
        with usage_errors(WeightsError):
            distance = lpips.load(backbone, net, heads)
    run, _, gan, step = open_run(run_dir, step)
    has_way_back = two_ways and gan.generator_ba is not None
    if direction == "b_to_a" and not has_way_back:
        raise UsageError("--direction expects a_to_b: this run has no generator of the way back")
    ways = (direction,) if direction else ("a_to_b", "b_to_a") if has_way_back else ("a_to_b",)
    sketches, samples = counts
    with usage_errors(DataError):
        images = data.load(gan, two_ways, sketches)
    count = len(images["a_to_b"][0])
    facts = {
        "paired": not two_ways,
        "unpaired": two_ways,
        "encoder": takes == "z",
        "way back": has_way_back,
        "several images": count > 1,
        "several samples": samples > 1,
        "palette": bool(palette),
        "colour": gan.photo_channels == 3
        and (gan.image_channels == 3 or not two_ways)
        and data.paints_photos,
        "partners": data.second is None,
        "two photos": data.second is not None,
    }
    chosen = choose(request.own, facts, translation)
    record = {"step": step, "sketches": count, "samples": samples, "seed": request.seed}
    lines, sentences = [], []
    for way in ways:
        names = {"direction": way} if two_ways else {}
        evidence = translation.Evidence(
            gan, takes, way, *images[way], palette, samples, request.seed
        )
        for name in chosen:
            lines.append(measured(name, translation.METRICS[name], evidence, names, record))
        where = Way(request, run.path.resolve().parent, settings, data, gan, takes, way, distance)
        of_way = names | {"step": step}
        found, said = painted_features(where, of_way, folder)
        lines += found
        sentences += [f"{way}: {sentence}" if names else sentence for sentence in said]
        lines += perceptual(where, evidence, of_way)
        lines += label_scores(where, of_way)
    return lines, sentences


@dataclass(frozen=True)
class Way:
    """One direction of a GAN that translates, and where everything is.

    Attributes:
        request: what was asked for.
        beside: folder in which what judges is kept.
        settings: of the run.
        data: where its images are.
        gan, takes, way: as `translation.Evidence` has them.
        distance: LPIPS, where it was asked for.
    """

    request: Request
    beside: Path
    settings: dict[str, Any]
    data: HeldOut
    gan: Any
    takes: str
    way: Direction
    distance: lpips.LPIPS | None

    @property
    def photos(self) -> dict[str, Any] | None:
        """Settings of the photos that are painted, or None: sketches are."""
        return judges.painted_photos(self.data, self.gan, self.way)

    @property
    def varies(self) -> bool:
        """Whether noise makes several pictures of one source."""
        return self.takes == "z" or (self.takes == "seed" and self.gan.varies_at_test)

    def domains(self, split: str, limit: int | None) -> tuple[pictures.Pictures, pictures.Pictures]:
        """Sources, and real pictures of the other domain."""
        direction = self.way if self.takes == "direction" else None
        with usage_errors(DataError):
            return pictures.real_domains(self.data, self.gan, direction, split, limit)

    def painted(self, sources: pictures.Pictures, count: int) -> Callable[[int], pictures.Pictures]:
        """What is painted with the noise of a seed."""
        return lambda seed: pictures.translated(
            self.gan, self.takes, self.way, sources, count, seed
        )


def painted_features(
    where: Way, record: dict[str, Any], folder: Path
) -> tuple[list[dict], list[str]]:
    """Lines and sentences of `gans.metrics.distribution`."""
    request = where.request
    if not request.features:
        return [], []
    if request.extractor == judges.OWN and where.photos is None:
        return without(request, "own is a classifier of photos, and here sketches are painted")
    judge = find_extractor(request, where.beside, where.photos)
    if judge is None:
        return [], []
    sources, real = where.domains(request.split or "val", request.num_real)
    if request.real:
        with usage_errors(DataError):
            real = pictures.of_folder(request.real, request.num_real)
    if (request.num_fake or 0) > sources.count and not where.varies:
        raise UsageError(
            f"--num_fake expects at most the {sources.count} sources of a GAN without noise. "
            f"Received: {request.num_fake}"
        )
    fakes = where.painted(sources, request.num_fake or sources.count)
    return by_features(request, judge, real, fakes, record, folder)


def perceptual(
    where: Way, evidence: translation.Evidence, record: dict[str, Any]
) -> list[dict[str, Any]]:
    """Lines of the diversity of samples by LPIPS, or else by features of our own."""
    request = where.request
    reason = None
    if "perceptual" not in request.paintings:
        return []
    if not where.varies or evidence.samples < 2:
        reason = "the GAN, or --samples, gives one picture for a sketch"
    elif len(evidence.targets) < 2:
        reason = "there is only one held-out image"
    elif where.distance:
        distance = where.distance
    elif where.photos is None:
        reason = "sketches are painted; --lpips sees them too"
    else:
        judge = find_extractor(request, where.beside, where.photos)
        if judge is None:
            return []
        distance = lpips.FeatureDistance(judge)
    if reason:
        return without(request, reason, "perceptual")[0]
    more = {"sketches": len(evidence.sources), "samples": evidence.samples, "seed": request.seed}
    with usage_errors():
        lines = of_paintings.perceptual(
            evidence.painted, evidence.targets, distance, request.seed, record | more
        )
    return shown(lines)


def label_scores(where: Way, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines of what a segmenter finds in photos painted of sketches of toy fashion."""
    request, maps = where.request, where.request.label_maps
    if "label_scores" not in request.paintings:
        return []
    if where.photos is None or where.data.second:
        return without(request, "no photos of sketches are painted", "label_scores")[0]
    folder = where.photos.get("data_dir")
    if not folder or not (Path(folder) / "factors.csv").is_file():
        return without(request, "the parts of the photos are not known", "label_scores")[0]
    name, size = judges.data_name(where.photos), where.gan.image_size
    kept = where.beside / f"segmenter_{name}"
    with usage_errors(segmentation.SegmentationError):
        segmenter = of_paintings.find_segmenter(
            kept, maps, folder, name, lambda split: where.domains(split, None)[1], size,
            request.debug,
        )  # fmt: skip
    sources, _ = where.domains("val", None)
    truth = maps.read(folder, "val", size, list(sources.names))
    fakes = where.painted(sources, sources.count)(request.seed)
    digest = segmentation.read_facts(kept)[1]
    more = {"segmenter_sha256": digest, "seed": request.seed}
    return shown(of_paintings.label_scores(segmenter, fakes, truth, record | more))
