"""Measures a trained run, or any folder of images against another.

    python scripts/evaluate.py --run_dir=runs/bicyclegan
    python scripts/evaluate.py --run_dir=runs/cgan --seeds=3
    python scripts/evaluate.py --run_dir=runs/dcgan --metrics=fid,kid,prdc --num_fake=10000
    python scripts/evaluate.py --run_dir=runs/dcgan --metrics=fd,prdc --all_checkpoints
    python scripts/evaluate.py --real=photos --fake=samples --metrics=fid,prdc

Prints a line per metric, with what it is for real photos or by chance, adds it with all that
decides it to `evaluation.jsonl` in the run folder, and writes `evaluation.md`. What fits the GAN
and the data is measured: `gans/metrics/translation.py` and `generation.py` say what there is of
single images, `distribution.py` beside them of features, and `gans/evaluation/of_paintings.py` of
painted photos.

fid, kid and inception_score are by the Inception network, whose weights
`python data_prep/download.py inception` gets, or --weights names. Where nothing is said, features
are those of a classifier of the run's own data, and the names say so: fd_mnist is no FID.

Where a classifier is needed and none is named, one is trained on the labels of the run's data and
kept beside the run, e.g. in runs/classifier_mnist; `scripts/train_classifier.py` is the same alone.

Takes a minute or two on 2 cores at 64x64, a classifier of MNIST two minutes, once, and Inception
30 ms an image.
"""

import difflib
from pathlib import Path
from typing import Any

from gans.data.held_out import HeldOut
from gans.evaluation.request import Request, evaluate_folders
from gans.metrics.translation import Direction

from data_prep import toy_labels
from gans.command_line import cli
from gans.command_line.errors import UsageError, check_at_least, usage_errors
from gans.command_line.files import check_folder
from gans.data.images import DataError
from gans.evaluation import judges, of_noise, of_paintings, of_translation, pictures, report
from gans.features.classifier import ClassifierError
from gans.features.extractors import INCEPTION
from gans.features.inception import Resize, find
from gans.features.lpips import Net
from gans.features.torch_weights import WeightsError
from gans.metrics import distribution, generation, translation
from gans.training.restore import gan_module, generates, read_settings
from gans.training.run_folder import RunFolder, saved_steps

SKETCHES, SAMPLES = 50, 20
NO_EXTRACTOR = "off"
# What only Inception has by these names, and what it is of features.
BY_INCEPTION = {"fid": "fd", "kid": "kd", "inception_score": "is"}


def evaluate(
    run_dir: str | None = None,
    real: str | None = None,
    fake: str | None = None,
    metrics: tuple[str, ...] | None = None,
    extractor: str | None = None,
    weights: str | None = None,
    resize: Resize = "tf1",
    lpips: str | None = None,
    lpips_net: Net = "alex",
    lpips_heads: str | None = None,
    num_real: int | None = None,
    num_fake: int | None = None,
    seeds: int = 1,
    split: pictures.Split | None = None,
    all_checkpoints: bool = False,
    data_dir: str | None = None,
    data_dir_b: str | None = None,
    direction: Direction | None = None,
    sketches: int | None = None,
    samples: int | None = None,
    classifier: str | None = None,
    output: str | None = None,
    cache_dir: str | None = None,
    seed: int = 0,
    debug: bool = False,
) -> None:
    """Measures the newest checkpoint of a run, or a folder of images.

    Args:
        run_dir: Folder of the run.
        real: Folder of real images, of any sizes for Inception. Default: those of the run.
        fake: Folder of generated images, whoever made them, in place of --run_dir.
        metrics: Which to measure, by commas; prdc is precision, density, recall and coverage.
            Default: all that fit the GAN and the data.
        extractor: What makes features of images: inception, own (a classifier of the run's data,
            trained if there is none), the folder of a classifier, or off. Default: inception
            where fid, kid, inception_score, --weights or --fake ask for it, own else.
        weights: File of Inception's weights: pt_inception-2015-12-05-6726825d.pth or the frozen
            graph of 2015. Default: where data_prep/download.py puts it.
        resize: Of Inception, how images become 299 wide: tf1 as the first FID, pytorch as
            pytorch-fid, clean as clean-fid.
        lpips: Of a GAN that translates: file of the network by which LPIPS measures the diversity
            of samples, e.g. alexnet-owt-7be5be79.pth of torchvision. Default: a distance of the
            features of a classifier, which is no LPIPS.
        lpips_net: Which network that is.
        lpips_heads: File of its linear heads, lpips/weights/v0.1/alex.pth of PerceptualSimilarity.
        num_real: The most real images that features are taken of. Default: all.
        num_fake: How many images a GAN makes. Default: of a GAN that begins with noise 26000 of
            stacked MNIST, 2500 points, 10000 else; one for each source of a GAN that translates.
        seeds: Sets of images made, each with a seed of its own; the deviation between them is
            shown.
        split: train or val: which real images features are compared with, and what a GAN that
            translates is given for it. Default: train; val of a GAN that translates.
        all_checkpoints: Measure every checkpoint that there is, name the best, and draw a curve.
        data_dir: Folder with the held-out images, for hues with palette.json. Default: the one
            trained on.
        data_dir_b: Folder whose photos are the second domain, as in training. Default: the one
            trained on, if any.
        direction: Of a GAN that translates both ways: a_to_b or b_to_a. Default: both.
        sketches: Of a GAN that translates: how many of the held-out images are used for what is
            measured of single images. Default: 50.
        samples: Of a GAN that translates: random z, or other noise, per sketch. Default: 20.
        classifier: Of a GAN that begins with noise: folder of the classifier that says what a
            picture shows. Default: one beside the run, trained if there is none.
        output: Folder for evaluation.jsonl, evaluation.md and pictures. Default: the run's; of
            --fake none are written.
        cache_dir: Folder where features of real images are kept, by the hash of their content.
            Default: references beside the run.
        seed: Of all that is random; of several, the first.
        debug: Show the traceback of an error.
    """
    check_at_least(
        1, sketches=sketches, samples=samples, num_fake=num_fake, num_real=num_real, seeds=seeds
    )
    check_at_least(0, seed=seed)
    if bool(run_dir) == bool(fake):
        received = f"--run_dir={run_dir} --fake={fake}" if fake else "neither"
        raise UsageError(f"expected --run_dir or --fake. Received: {received}")
    if fake and not real:
        raise UsageError("--fake expects --real. Received: no --real")
    if fake:
        for_runs = {"data_dir": data_dir, "data_dir_b": data_dir_b, "direction": direction}
        for_runs |= {"sketches": sketches, "samples": samples, "classifier": classifier}
        for_runs |= {"lpips": lpips, "lpips_heads": lpips_heads}
        for name, value in (for_runs | {"split": split}).items():
            if value is not None:
                raise UsageError(f"--{name} expects --run_dir. Received: --fake={fake}")
        if seeds > 1 or all_checkpoints:
            name = "seeds" if seeds > 1 else "all_checkpoints"
            raise UsageError(f"--{name} expects --run_dir. Received: --fake={fake}")
    for name, path in {"output": output, "cache_dir": cache_dir}.items():
        if path:
            check_folder(name, path)
    beside = RunFolder(run_dir).path.resolve().parent if run_dir else Path("runs")
    table, settings = {}, None
    if run_dir:
        settings = read_settings(run_dir)
        from_noise = generates(gan_module(settings))
        table = generation.METRICS if from_noise else translation.METRICS
    translates = table is translation.METRICS
    own, features, paintings, by_inception = parse(metrics, table, translates)
    if by_inception and extractor not in (None, INCEPTION):
        raise UsageError(
            f"--metrics={by_inception} is by Inception. Received: --extractor={extractor}"
        )
    if extractor == NO_EXTRACTOR:
        if fake or (metrics is not None and (features or paintings)):
            name = (features or paintings)[0]
            raise UsageError(f"--metrics: {name} needs networks. Received: --extractor=off")
        features = paintings = ()
    chosen = extractor or (INCEPTION if by_inception or weights or fake else judges.OWN)
    if chosen == INCEPTION and features:
        with usage_errors(WeightsError):
            weights = str(find(weights))
    elif weights and chosen != INCEPTION:
        raise UsageError(f"--weights is for Inception. Received: --extractor={chosen}")
    # Before anything is measured, or a classifier trained.
    if features:
        with usage_errors(DataError):
            for folder, most in ((fake, num_fake), (real, num_real)):
                if folder:
                    pictures.of_folder(folder, most)
        with usage_errors(WeightsError), usage_errors(ClassifierError):
            judges.check_extractor(chosen, weights)
            check_suffixes(metrics, chosen, data_of(settings, data_dir, data_dir_b))
    request = Request(
        own=own,
        features=features,
        paintings=paintings,
        asked=metrics is not None,
        extractor=chosen,
        weights=weights,
        resize=resize,
        real=real,
        split=split,
        num_real=num_real,
        num_fake=num_fake,
        seeds=tuple(range(seed, seed + seeds)),
        cache_dir=Path(cache_dir) if cache_dir else beside / "references",
        lpips=(lpips, lpips_net, lpips_heads) if lpips else None,
        label_maps=of_paintings.LabelMaps(toy_labels.CLASSES, toy_labels.read_labels),
        debug=debug,
    )
    if fake:
        lines, sentences = evaluate_folders(request, fake, output and Path(output))
        if output:
            report.save(Path(output), lines, sentences)
        return
    folder = Path(output) if output else RunFolder(run_dir).path

    def at(step: int | None) -> tuple[list[dict], list[str]]:
        if from_noise:
            return of_noise.evaluate_generation(
                request, run_dir, step, settings, data_dir, classifier, folder
            )
        return of_translation.evaluate_translation(
            request,
            run_dir,
            step,
            settings,
            (data_dir, data_dir_b),
            direction,
            (sketches or SKETCHES, samples or SAMPLES),
            folder,
        )

    if from_noise:
        of_others = {"data_dir_b": data_dir_b, "direction": direction}
        of_others |= {"sketches": sketches, "samples": samples}
        of_others |= {"lpips": lpips, "lpips_heads": lpips_heads}
        _refuse("translates", settings, **of_others)
    else:
        _refuse("begins with noise", settings, classifier=classifier)
    if not all_checkpoints:
        report.save(folder, *at(None))
        return
    lines = []
    # Without any, the newest is asked for, and missed in the usual words.
    for step in saved_steps(RunFolder(run_dir).checkpoints) or [None]:
        print(f"step {step}")
        found, sentences = at(step)
        report.save(folder, found, sentences)
        lines += found
    # By a distance where there is one, since it falls with quality and with diversity.
    names = [line["metric"] for line in lines]
    main = next((name for name in names if name.startswith(("fd_", "fid"))), names[0])
    of_main = [line for line in lines if line["metric"] == main]
    report.plot(folder / "evaluation.png", of_main, settings["model"])
    best = report.best(of_main)
    print(f"best by {best['metric']}: step {best['step']}, {best['value']:.3f}")


def parse(
    asked: tuple[str, ...] | None, table: dict[str, Any], translates: bool
) -> tuple[tuple[str, ...] | None, tuple[str, ...], tuple[str, ...], str | None]:
    """The metrics of the GAN's kind (None: all), those of features, those of painted photos, and
    the first that only Inception has.

    A name may have the extractor's behind it, as in the results: fd_toy. Raises `UsageError` for
    a name that is none.
    """
    if asked is None:
        return None, distribution.NAMES, of_paintings.NAMES * translates, None
    own, features, paintings, by_inception = [], [], [], None
    for name in asked:
        plain = name if name in distribution.NAMES else name.partition("_")[0]
        if name in table:
            own.append(name)
        elif translates and name in of_paintings.NAMES:
            paintings.append(name)
        elif name in distribution.GROUPS:
            features += distribution.GROUPS[name]
        elif name in BY_INCEPTION:
            features.append(BY_INCEPTION[name])
            by_inception = by_inception or name
        elif plain in distribution.NAMES:
            features.append(plain)
        else:
            known = [
                *table,
                *of_paintings.NAMES * translates,
                *BY_INCEPTION,
                *distribution.NAMES,
                *distribution.GROUPS,
            ]
            raise UsageError(f"--metrics expects some of {', '.join(known)}. Received: {name}")
    return tuple(own), tuple(dict.fromkeys(features)), tuple(paintings), by_inception


def check_suffixes(asked: tuple[str, ...] | None, chosen: str, data: list[dict[str, Any]]):
    """Raises `UsageError` for a metric with another extractor's name behind it.

    Args:
        chosen, data: as `judges.extractor_names` takes them.
    """
    usual = {plain: name for name, plain in BY_INCEPTION.items()}
    for name in asked or ():
        plain, underscore, _ = name.partition("_")
        if not underscore or plain not in distribution.NAMES:
            continue
        extractors = judges.extractor_names(chosen, data)
        right = [
            usual.get(plain, plain) if extractor == INCEPTION else f"{plain}_{extractor}"
            for extractor in extractors
        ]
        if name not in right:
            (nearest,) = difflib.get_close_matches(name, right or [plain], n=1, cutoff=0)
            raise UsageError(
                f"--metrics expects names by the extractor, {' or '.join(extractors) or 'none'}. "
                f"Received: {name}; did you mean {nearest}?"
            )


def data_of(
    settings: dict[str, Any] | None, data_dir: str | None, data_dir_b: str | None
) -> list[dict[str, Any]]:
    """Settings of the sets of pictures that a run is judged by: of one that translates each of its
    domains; none where there is no run.

    Raises `UsageError` for folders that do not fit the run.
    """
    if settings is None:
        return []
    if generates(gan_module(settings)):
        moved = {"data_dir": str(Path(data_dir).resolve()), "dataset": None} if data_dir else {}
        return [settings | moved]
    with usage_errors(DataError):
        held_out = HeldOut.of(settings, data_dir, data_dir_b)
    return [held_out.settings | {"data_dir": str(folder)} for folder in held_out.folders]


def _refuse(kind: str, settings: dict[str, Any], **flags: Any):
    """Raises `UsageError` for the first flag given that is for GANs of another kind."""
    for name, value in flags.items():
        if value is not None:
            raise UsageError(
                f"--{name} is for a GAN that {kind}. Received: {value} with a run of "
                f"{settings['model']}"
            )


if __name__ == "__main__":
    cli.run(evaluate)
