"""The command that measures: from a run folder, or two folders of images, to numbers."""

import dataclasses
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_prep import toy_labels
from gans.command_line import cli, command
from gans.command_line.errors import UsageError, usage_errors
from gans.command_line.files import check_folder
from gans.data.images import save_png
from gans.evaluation import image_sets, report, summary, table
from gans.evaluation.generated import Generated
from gans.evaluation.networks import ERRORS, LabelledImages, Networks, Parts
from gans.evaluation.options import OFF, OWN, Options
from gans.evaluation.outputs import Outputs
from gans.evaluation.table import Metric
from gans.evaluation.translated import Translated
from gans.features.extractors import INCEPTION
from gans.training.restore import open_run
from gans.training.run_folder import RunFolder, saved_steps
from gans.training.run_settings import RunSettings

Line = dict[str, Any]


@cli.compose
def evaluate(options: Options) -> None:
    """Measures the newest checkpoint of a run, or a folder of images."""
    if options.list_metrics:
        print(list_metrics())
        return
    options.check_line()
    for name in ("output", "cache_dir"):
        if path := getattr(options, name):
            check_folder(name, path)
    run = RunFolder(options.run_dir).read_settings() if options.run_dir else None
    with usage_errors(*ERRORS):
        if run:
            options.check_gan(run.name, run.gan_file.can.starts_from)
            run = moved(run, options)
        kind = run.gan_file.can.starts_from if run else "folders"
        wanted = None if options.metrics is None else table.resolve(options.metrics, kind)
        options = with_extractor(options)
        networks = Networks(options, Parts(toy_labels.CLASSES, toy_labels.read_labels))
        check_networks(networks, run, wanted)

        command.import_tensorflow(options.debug)
        if run is None:
            folder = Path(options.output) if options.output else None
            lines, sentences = measure(Outputs(networks, {}), wanted, folder)
            if folder:
                report.save(folder, lines, sentences)
        else:
            evaluate_run(networks, run, wanted, kind)


def list_metrics() -> str:
    """All that can be measured: an entry for each metric, with what it is a metric of, what it is
    compared with and which way is better.
    """
    return "\n".join(
        f"{metric.name}: {metric.meaning}\n"
        f"    of {', '.join(metric.of)}; {metric.better} is better; next to: {metric.compared_with}"
        for metric in table.METRICS
    )


# Before TensorFlow is imported.


def moved(run: RunSettings, options: Options) -> RunSettings:
    """The settings with the data where the options say that it is.

    Raises `UsageError` for folders that do not fit the run.
    """
    data, first, second = run.data, options.data_dir, options.data_dir_b
    if first and data.dataset_b and not second:
        raise UsageError("--data_dir of this run expects --data_dir_b. Received: none")
    if second and not data.two_sources:
        raise UsageError(
            f"--data_dir_b is for a run of two folders. Received: {second} with a run of "
            f"{data.data_dir or data.dataset}"
        )
    return dataclasses.replace(run, data=data.moved(first, second))


def with_extractor(options: Options) -> Options:
    """The options with the extractor that they imply, and the file of Inception's weights."""
    names = [name for name in options.metrics or () if name in table.BY_INCEPTION]
    if names and options.extractor not in (None, INCEPTION):
        raise UsageError(
            f"--metrics={names[0]} is by Inception. Received: --extractor={options.extractor}"
        )
    implied = INCEPTION if names or options.weights or options.fake else OWN
    chosen = options.extractor or implied
    if options.weights and chosen != INCEPTION:
        raise UsageError(f"--weights is for Inception. Received: --extractor={chosen}")
    return dataclasses.replace(options, extractor=chosen)


def check_networks(networks: Networks, run: RunSettings | None, wanted: Sequence[Metric] | None):
    """Reads what features are made of, as far as that goes without TensorFlow, so that nothing is
    measured or trained before wrong files and names are refused.
    """
    options = networks.options
    of_features = [metric for metric in wanted or () if "networks" in metric.needs]
    if options.extractor == OFF:
        if of_features or options.fake:
            name = of_features[0].name if of_features else "fd"
            raise UsageError(f"--metrics: {name} needs networks. Received: --extractor=off")
        return
    if wanted is not None and not of_features:
        return
    for folder, most in ((options.fake, options.num_fake), (options.real, options.num_real)):
        if folder:
            image_sets.of_folder(folder, most)
    networks.check_files()
    known = []
    if run:
        size, channels = run.settings.image_size, run.settings.image_channels
        for folder in run.data.folders or [None]:
            data = dataclasses.replace(run.data, data_dir=folder and str(folder))
            known.append(LabelledImages(data, size, channels))
    for name in options.metrics or ():
        plain, underscore, _ = name.partition("_")
        if not underscore or plain not in table.FEATURES:
            continue
        names = networks.extractor_names(known)
        usual = {plain: name for name, plain in table.BY_INCEPTION.items()}.get(plain, plain)
        right = [usual if found == INCEPTION else f"{plain}_{found}" for found in names]
        if name not in right:
            (nearest,) = difflib.get_close_matches(name, right or [plain], n=1, cutoff=0)
            raise UsageError(
                f"--metrics expects names by the extractor, {' or '.join(names) or 'none'}. "
                f"Received: {name}; did you mean {nearest}?"
            )


# Measuring.


def evaluate_run(networks: Networks, run: RunSettings, wanted: Sequence[Metric] | None, kind: str):
    """Measures one checkpoint of a run or all, and leaves what `report` says in its folder."""
    options = networks.options
    folder = Path(options.output or options.run_dir)
    if not options.all_checkpoints:
        report.save(folder, *measure_run(networks, run, None, wanted, folder))
        return
    lines = []
    # Without any, the newest is asked for, and missed in the usual words.
    for step in saved_steps(RunFolder(options.run_dir).checkpoints) or [None]:
        print(f"step {step}")
        found, sentences = measure_run(networks, run, step, wanted, folder)
        report.save(folder, found, sentences)
        lines += found
    # By a distance where there is one, since it falls with quality and with diversity.
    names = [line["metric"] for line in lines]
    main = next((name for name in names if name.startswith(("fd_", "fid"))), names[0])
    lines = [line for line in lines if line["metric"] == main]
    report.plot(folder / "evaluation.png", lines, run.name)
    best = report.best(lines, table.find(main, kind).better)
    print(f"best by {best['metric']}: step {best['step']}, {best['value']:.3f}")


def measure_run(
    networks: Networks,
    run: RunSettings,
    step: int | None,
    wanted: Sequence[Metric] | None,
    folder: Path,
) -> tuple[list[Line], list[str]]:
    """Lines and sentences of a checkpoint; of a GAN that translates both ways, for each direction.

    Args:
        run: settings, with the data where it is now.
    """
    _, _, gan, step = open_run(networks.options.run_dir, step)
    kind = Generated if run.gan_file.can.starts_from == "noise" else Translated
    lines, sentences = [], []
    for outputs in kind.load(gan, run, networks, step):
        found, said = measure(outputs, wanted, folder)
        direction = outputs.record.get("direction")
        sentences += [f"{direction}: {sentence}" if direction else sentence for sentence in said]
        lines += found
    return lines, sentences


def measure(
    outputs: Outputs, wanted: Sequence[Metric] | None, folder: Path | None
) -> tuple[list[Line], list[str]]:
    """Lines and sentences of all metrics that are wanted; prints them, and leaves a picture of
    neighbours in the folder where features were taken.
    """
    lines, of_features = [], {}
    for metric in table.choose(outputs, wanted):
        line = table.measure(metric, outputs)
        print(report.describe(line))
        if line.get("warning"):
            print(f"{line['metric']}: {line['warning']}", file=sys.stderr)
        lines.append(line)
        if metric.name in table.FEATURES:
            of_features[metric.name] = line
    if not of_features:
        return lines, []
    sentences = summary.describe(*outputs.features.summarised(of_features))
    print("\n".join(sentences))
    if folder and (found := outputs.features.neighbours()):
        name = "_".join(filter(None, ["neighbours", outputs.record.get("direction")]))
        folder.mkdir(parents=True, exist_ok=True)
        save_png(folder / f"{name}.png", report.neighbours_picture(*found))
    return lines, sentences
