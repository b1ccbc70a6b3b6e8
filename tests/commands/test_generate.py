"""The command generate: which files it writes, that they hold what the results are, and what it
refuses before TensorFlow is imported.
"""

import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image

from gans.commands.generate import ShowFlags, generate, parse, samples_files
from gans.data import points
from gans.data.images import to_uint8
from gans.evaluation.networks import LabelledImages
from gans.pictures.point_picture import point_picture
from gans.results import arithmetic, codes, filters, interpolation, probe, samples
from gans.training.run_folder import RunFolder

FILTERS = {"generator_filters": 2, "discriminator_filters": 2}
SMALL = {**FILTERS, "image_size": 8, "image_channels": 3}
COLOURS = ["red", "blue", "dark green"]
TAGS = ["red hair", "blue hair", "green eyes", "red eyes"]
# A run by name: its GAN, settings, and what is said of its data.
RUNS = {
    "dcgan": ("dcgan", {**SMALL, "packing": 2}, {}),
    "gan": (
        "gan",
        {
            "image_size": 8,
            "image_channels": 3,
            "generator_units": (4,),
            "discriminator_units": (4,),
        },
        {},
    ),
    "cgan": (
        "cgan",
        {**SMALL, "network": "convolutional", "label_dim": 3},
        {"label_names": COLOURS},
    ),
    "mlp": (
        "cgan",
        {"image_size": 8, "image_channels": 3, "network": "mlp", "label_dim": 3},
        {"label_names": COLOURS},
    ),
    "tags": ("matching_cgan", {**SMALL, "label_dim": 4}, {"label_names": TAGS}),
    "infogan": ("infogan", {**SMALL, "dense_units": 4, "categories": 3}, {}),
    "five channels": ("dcgan", {**SMALL, "image_channels": 5}, {}),
    "points": (
        "dcgan",
        {**FILTERS, "data": "points", "latent_dim": 2},
        {
            "dataset": "ring8",
            "mixture": {"centres": points.mixture("ring8").centres.tolist(), "sigma": 0.01},
        },
    ),
    "spiral": ("gan", {"data": "points", "latent_dim": 2}, {"dataset": "swissroll"}),
    "modes": (
        "cgan",
        {**FILTERS, "data": "points", "latent_dim": 2, "label_dim": 8},
        {"dataset": "ring8", "label_names": [f"mode {mode}" for mode in range(8)]},
    ),
    "translation": ("bicyclegan", {**FILTERS, "image_size": 32, "encoder_filters": 2}, {}),
}


@pytest.fixture(scope="session")
def run_of(tmp_path_factory, begin_run):
    """The folder of a run of `RUNS`, not to be changed, and its GAN."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("runs") / "run"
            kind, settings, data = RUNS[name]
            made[name] = folder, begin_run(folder, kind, data, **settings)
        return made[name]

    return make


@pytest.fixture
def made(run_command, run_of, tmp_path):
    """Runs the command on a run of `RUNS`; returns its GAN and the folder of the pictures."""

    def run(name, *flags, output=tmp_path / "out"):
        folder, gan = run_of(name)
        assert run_command(generate, f"--run_dir={folder}", f"--output={output}", *flags) == 0
        return gan, output

    return run


@pytest.fixture
def refused(failure, run_of, tmp_path):
    """The one line of what is refused of a run of `RUNS`."""

    def run(name, *flags):
        return failure(
            generate, f"--run_dir={run_of(name)[0]}", f"--output={tmp_path / 'out'}", *flags
        )

    return run


def names(folder):
    return {path.name for path in folder.iterdir()}


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def frames(path):
    with Image.open(path) as image:
        return image.n_frames


def one_hot(*columns, size=3):
    return np.eye(size, dtype=np.float32)[list(columns)]


# Samples.


@pytest.mark.parametrize("name", ["dcgan", "gan", "infogan"])
def test_samples_are_files_by_their_numbers(made, capsys, name):
    gan, out = made(name, "--count=10", "--seed=3")
    expected = samples.rows(gan, 10, seed=3)
    assert names(out) == {"samples.png", *(f"sample_{number}.png" for number in range(10))}
    for number, image in enumerate(to_uint8(expected[0])):
        np.testing.assert_array_equal(read(out / f"sample_{number}.png"), image)
    np.testing.assert_array_equal(read(out / "samples.png"), samples.picture(expected))
    assert capsys.readouterr().out == f"{out / 'samples.png'}\n"


def test_the_same_command_gives_the_same_bytes(made, tmp_path):
    files = []
    for folder in "ab":
        _, out = made("dcgan", "--count=2", output=tmp_path / folder)
        files.append([path.read_bytes() for path in sorted(out.iterdir())])
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("name", "flags", "stems", "labels"),
    [
        ("cgan", ["--classes=dark green,0"], ["dark_green", "red"], one_hot(2, 0)),
        ("cgan", ["--tags=red; blue"], ["red", "blue"], one_hot(0, 1)),
        (
            "tags",
            ["--tags=red hair, green eyes; blue hair,red hair"],
            ["red_hair_green_eyes", "blue_hair_red_hair"],
            np.float32([[1, 0, 1, 0], [1, 1, 0, 0]]),
        ),
        ("infogan", ["--classes=2"], ["2"], one_hot(2)),
    ],
)
def test_rows_are_of_the_labels_that_are_named(made, name, flags, stems, labels):
    gan, out = made(name, *flags, "--count=2")
    expected = samples.rows(gan, 2, labels)
    assert names(out) == {"samples.png", *(f"{stem}_{i}.png" for stem in stems for i in range(2))}
    for stem, row in zip(stems, to_uint8(expected), strict=True):
        for number, image in enumerate(row):
            np.testing.assert_array_equal(read(out / f"{stem}_{number}.png"), image)


def test_without_a_choice_there_are_64_samples_or_8_of_each_label(run_of):
    def files(name):
        run = RunFolder(run_of(name)[0]).read_settings()
        return samples_files(parse("samples", run, ShowFlags()))

    assert files("gan") == [*(f"sample_{i}.png" for i in range(64)), "samples.png"]
    stems = ("red", "blue", "dark_green")
    assert files("mlp") == [*(f"{s}_{i}.png" for s in stems for i in range(8)), "samples.png"]
    assert files("five channels")[0] == "sample_0.npy"


def test_labels_that_would_have_the_same_files_are_numbered(begin_run, run_command, tmp_path):
    settings = {"image_size": 8, "label_dim": 2}
    begin_run(tmp_path / "run", "cgan", {"label_names": ["a b", "a/b"]}, **settings)
    flags = (f"--run_dir={tmp_path / 'run'}", f"--output={tmp_path / 'out'}", "--count=1")
    assert run_command(generate, *flags) == 0
    assert names(tmp_path / "out") == {"0_a_b_0.png", "1_a_b_0.png", "samples.png"}


def test_images_of_other_channels_are_arrays(made):
    gan, out = made("five channels", "--count=2")
    expected = samples.rows(gan, 2)
    for number in range(2):
        saved = np.load(out / f"sample_{number}.npy")
        np.testing.assert_array_equal(saved, expected[0, number])
    np.testing.assert_array_equal(read(out / "samples.png"), samples.picture(expected))


@pytest.mark.parametrize(("name", "dataset"), [("points", "ring8"), ("spiral", "swissroll")])
def test_points_are_saved_and_drawn_over_the_true_density(made, name, dataset):
    gan, out = made(name, "--seed=2")
    drawn = np.load(out / "samples.npy")
    np.testing.assert_array_equal(drawn, gan.generate(gan.draw_latents(2500, 2)))
    raster = points.raster(dataset)
    density = {"real": points.draw_points(dataset, 0)[0][:2000]}
    if mixture := points.mixture(dataset):
        density = mixture._asdict()
    expected = point_picture(drawn, gan.score(raster), raster, **density)
    np.testing.assert_array_equal(read(out / "samples.png"), expected)


@pytest.mark.parametrize("flags, columns", [((), range(8)), (("--classes=mode 3,5",), (3, 5))])
def test_points_are_of_the_labels_in_turn(made, flags, columns):
    gan, out = made("modes", "--count=20", *flags)
    labels = np.resize(one_hot(*columns, size=8), (20, 8))
    expected = gan.generate(gan.draw_latents(20, 0), labels)
    np.testing.assert_array_equal(np.load(out / "samples.npy"), expected)


# The other modes.


def test_an_interpolation_is_a_picture_and_an_animation(made):
    gan, out = made("dcgan", "--mode=interpolate", "--pairs=0-5,3-1", "--steps=4", "--seed=1")
    assert names(out) == {"interpolation.gif", "interpolation.png"}
    images = interpolation.interpolate(gan, [(0, 5), (3, 1)], 4, seed=1)
    expected = interpolation.picture(images, [(0, 5), (3, 1)])
    np.testing.assert_array_equal(read(out / "interpolation.png"), expected)
    assert frames(out / "interpolation.gif") == 6  # There and back, the ends once.


def test_pairs_are_neighbours_where_none_are_named(made):
    flags = ("--mode=interpolate", "--count=3", "--steps=3", "--classes=blue,red")
    gan, out = made("cgan", *flags)
    pairs = [(0, 1), (2, 3), (4, 5)]
    images = interpolation.interpolate(gan, pairs, 3, one_hot(1, 0))
    expected = interpolation.picture(images, pairs, ["blue", "red"])
    np.testing.assert_array_equal(read(out / "interpolation.png"), expected)


@pytest.mark.parametrize(
    ("name", "flags", "labels", "label_names"),
    [
        ("dcgan", ["--mode=arithmetic"], None, ()),
        ("cgan", ["--classes=blue,dark green"], one_hot(1, 2), ["blue", "dark green"]),
        ("cgan", ["--classes=blue"], one_hot(1), ["blue"]),
        # Of labels that nobody named, the first.
        ("cgan", [], one_hot(0), ["red"]),
    ],
)
def test_arithmetic_is_a_picture_and_its_result(made, name, flags, labels, label_names):
    gan, out = made(name, *flags, "--arithmetic", "0+3 - 1+4", "--seed=1")
    groups = [(1, [0, 3]), (-1, [1, 4])]
    found = arithmetic.calculate(gan, groups, labels, seed=1)
    assert names(out) == {"arithmetic.png", "result.png"}
    np.testing.assert_array_equal(read(out / "result.png"), to_uint8(found.result))
    expected = arithmetic.picture(found, groups, label_names)
    np.testing.assert_array_equal(read(out / "arithmetic.png"), expected)


@pytest.mark.parametrize(("name", "labels"), [("dcgan", None), ("cgan", one_hot(0, 1, 2))])
def test_filters_and_what_they_respond_to_are_pictures(made, name, labels):
    gan, out = made(name, "--mode=filters", "--seed=1")
    assert names(out) == {"filters.png", "responses.png"}
    found = filters.compare(gan, labels, seed=1)
    expected = filters.kernels_picture(found)
    np.testing.assert_array_equal(read(out / "filters.png"), expected)
    expected = filters.responses_picture(found)
    np.testing.assert_array_equal(read(out / "responses.png"), expected)


def test_each_code_has_a_picture_and_an_animation(made):
    gan, out = made("infogan", "--mode=codes", "--count=2", "--steps=5")
    of_codes = {f"code_{number}.{kind}" for number in (1, 2) for kind in ("png", "gif")}
    assert names(out) == {"categorical.png", *of_codes}
    expected = codes.categorical_picture(codes.categorical(gan, 2))
    np.testing.assert_array_equal(read(out / "categorical.png"), expected)
    for code in range(2):
        expected = codes.continuous_picture(codes.continuous(gan, code, 5))
        np.testing.assert_array_equal(read(out / f"code_{code + 1}.png"), expected)
        assert frames(out / f"code_{code + 1}.gif") == 8


# The probe.


@pytest.fixture
def begin_probed(begin_run, tmp_path):
    """Makes the run `tmp_path/run` of DCGAN on a folder of labelled images; returns the GAN."""

    def begin(data_dir, labels=("kind",)):
        data = {"dataset": "toy_fashion", "data_dir": str(data_dir), "labels": labels}
        return begin_run(tmp_path / "run", "dcgan", data, **{**FILTERS, "image_size": 16})

    return begin


def probe_flags(tmp_path, *flags):
    return (
        f"--run_dir={tmp_path / 'run'}",
        f"--output={tmp_path / 'out'}",
        "--mode=probe",
        *flags,
    )


@pytest.mark.parametrize("moved", [False, True])
def test_a_probe_is_printed_and_kept(run_command, begin_probed, toy_bags, tmp_path, capsys, moved):
    gan = begin_probed(tmp_path / "gone" if moved else toy_bags)
    flags = [f"--data_dir={toy_bags}"] * moved
    flags = probe_flags(tmp_path, "--train_count=11", *flags)
    assert run_command(generate, *flags) == 0
    run = RunFolder(tmp_path / "run").read_settings()
    training, held_out, _ = LabelledImages(run.data.moved(toy_bags), 16, 3).load()
    expected = [dataclasses.asdict(one) for one in probe.compare(gan, training, held_out, 11)]
    assert json.loads((tmp_path / "out" / "probe.json").read_text()) == expected
    assert (expected[0]["train_count"], expected[0]["held_out_count"]) == (11, 4)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:2] == ["discriminator", f"{expected[0]['accuracy']:.2%}"]


@pytest.mark.parametrize(
    ("folder", "labels", "message"),
    [
        ("bags", ("hue", "kind"), "--mode=probe expects images with one label each"),
        ("gone", ("kind",), "gone"),
    ],
)
def test_a_probe_needs_images_with_one_label_each(
    failure, begin_probed, toy_bags, tmp_path, folder, labels, message
):
    begin_probed(toy_bags if folder == "bags" else tmp_path / folder, labels)
    assert message in failure(generate, *probe_flags(tmp_path))


# What is refused.


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("translation", [], "starts from noise"),
        ("gan", ["--mode=probe"], "--mode=probe expects a run of DCGAN, "),
        ("cgan", ["--mode=codes"], "--mode=codes expects a run of InfoGAN. Received"),
        ("gan", ["--mode=filters"], "--mode=filters expects a run of CGAN, DCGAN, "),
        ("mlp", ["--mode=filters"], "--mode=filters expects a run of a discriminator of conv"),
        ("points", ["--mode=interpolate"], "--mode=interpolate expects a run of a GAN of images"),
        ("points", ["--arithmetic=0 - 1"], "--mode=arithmetic expects a run of a GAN of images"),
        ("dcgan", ["--classes=red"], "--classes is of no use to DCGAN"),
        ("dcgan", ["--tags=red"], "--tags is of no use to DCGAN"),
        ("infogan", ["--tags=1"], "--tags is of no use to InfoGAN"),
        ("dcgan", ["--steps=3"], "--steps is of no use to --mode=samples"),
        ("dcgan", ["--arithmetic=0 - 1", "--count=3"], "--count is of no use to --mode=arithmetic"),
        ("dcgan", ["--mode=probe", "--seed=1"], "--seed is of no use to --mode=probe"),
        ("dcgan", ["--count=0"], "--count expects at least 1. Received: 0"),
        ("dcgan", ["--mode=interpolate", "--steps=1"], "--steps expects at least 2. Received: 1"),
        ("dcgan", ["--count=100001"], "--count, with labels or --steps, .* Received: 100001"),
        ("points", ["--count=100001"], "--count, with labels or --steps, .* Received: 100001"),
        ("cgan", ["--count=33334"], "--count, with labels or --steps, .* Received: 100002"),
        ("dcgan", ["--mode=interpolate", "--steps=12501"], "--steps, .* Received: 100008"),
        (
            "dcgan",
            ["--mode=interpolate", "--count=50001", "--steps=2"],
            "--steps, .* Received: 100002",
        ),
        (
            "dcgan",
            ["--mode=interpolate", "--pairs=0-1,2-3", "--steps=50001"],
            "--steps, .* Received: 100002",
        ),
        ("infogan", ["--mode=codes", "--count=99999"], "--count, .* Received: 300057"),
        ("dcgan", ["--mode=probe", "--train_count=9"], "--train_count expects at least 10"),
        ("dcgan", ["--seed=-1"], "--seed expects at least 0. Received: -1"),
        ("dcgan", ["--seed=2147483648"], "--seed expects .* 2147483648. Received: 2147483648"),
        ("dcgan", ["--mode=arithmetic"], "--arithmetic .* Received: none"),
        ("dcgan", ["--arithmetic=0+1"], r"--arithmetic expects .* Received: '0\+1'"),
        ("dcgan", ["--arithmetic=0 - 100000"], "Received: 100000"),
        ("dcgan", ["--mode=interpolate", "--pairs=1"], "--pairs expects .* Received: 1"),
        ("dcgan", ["--mode=interpolate", "--pairs=0-1", "--count=2"], "--pairs or --count"),
        ("cgan", ["--classes=red", "--tags=red"], "--classes or --tags"),
        ("cgan", ["--classes=blu"], r"red, blue, dark green. Received: 'blu' \(closest: blue\)"),
        ("cgan", ["--classes=3"], "Received: '3'"),
        ("cgan", ["--arithmetic=0 - 1 + 2", "--classes=0,1"], "--classes expects 1 or 3, "),
        ("cgan", ["--arithmetic=0 - 1 + 2", "--tags=red;blue"], "--tags expects 1 or 3, "),
        ("tags", ["--tags=red hair, grene eyes"], "'grene eyes' .closest: green eyes"),
        ("tags", ["--tags=red hair;"], "Received: 'red hair;'"),
        ("cgan", ["--tags=dark green; red, blue"], "--tags expects one label .*: red, blue$"),
        ("dcgan", ["--mode=probe", "--tfds_dir=x"], "--tfds_dir expects .* a folder of images$"),
    ],
)
@pytest.mark.usefixtures("no_tensorflow")
def test_what_cannot_be_is_refused_before_tensorflow(refused, name, flags, message):
    assert re.search(message, refused(name, *flags))


@pytest.mark.usefixtures("no_tensorflow")
def test_a_folder_without_a_run_is_refused_before_tensorflow(failure, tmp_path):
    missing, out = tmp_path / "none", tmp_path / "out"
    assert str(missing) in failure(generate, f"--run_dir={missing}", f"--output={out}")


@pytest.mark.usefixtures("no_tensorflow")
def test_an_output_that_is_a_file_is_refused(refused, tmp_path):
    (tmp_path / "out").write_text("a file")
    assert "--output" in refused("dcgan")


def test_pictures_are_not_replaced_without_overwrite(made, refused, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sample_1.png").write_bytes(b"mine")
    (out / "other.png").write_bytes(b"mine")
    assert f"--output holds 1 files of these names already, e.g. {out / 'sample_1.png'}" in refused(
        "dcgan", "--count=2"
    )
    made("dcgan", "--count=2", "--overwrite")
    assert (out / "sample_1.png").read_bytes() != b"mine"
    assert (out / "other.png").read_bytes() == b"mine"
