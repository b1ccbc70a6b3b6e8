"""Pictures of GANs that begin with noise: what is asked for is what the generator makes of it.

Runs are of narrow networks that were not trained, but have weights large enough for samples that
differ: the pictures must be the right ones, not good ones.
"""

import json
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion
from gans.bicyclegan import BicycleGAN
from gans.cgan import CGAN
from gans.command_line import cli, command
from gans.data import points
from gans.data.held_out import classifier_images
from gans.data.images import to_float, to_uint8
from gans.dcgan import DCGAN
from gans.gan import GAN
from gans.infogan import InfoGAN
from gans.matching_cgan import MatchingCGAN
from gans.metrics import probe
from gans.nn import guided, walks
from gans.pictures.image_grid import full_contrast, image_blocks, image_grid
from gans.training.checkpoints import Checkpoints
from gans.training.restore import open_run
from gans.training.run_folder import RunFolder
from gans.wgan import WGAN
from gans.wgan_gp import WGANGP

FILTERS = {"generator_filters": 2, "discriminator_filters": 2}
CRITIC = {"generator_filters": 2, "critic_filters": 2}
SMALL = {"image_size": 8, "image_channels": 3}
COLOURS = ["red", "blue", "dark green"]
TAGS = ["red hair", "blue hair", "green eyes", "red eyes"]
# A run by name: its GAN, arguments of the constructor, other settings.
RUNS = {
    "gan": (GAN, {**SMALL, "generator_units": (4,), "discriminator_units": (4,)}, {}),
    "dcgan": (DCGAN, {**SMALL, **FILTERS, "packing": 2}, {}),
    "wgan": (WGAN, {**SMALL, **CRITIC, "latent": "uniform"}, {}),
    "wgan_gp": (WGANGP, {**SMALL, **CRITIC}, {}),
    "cgan": (
        CGAN,
        {**SMALL, **FILTERS, "network": "convolutional", "label_dim": 3},
        {"label_names": COLOURS},
    ),
    "mlp": (CGAN, {**SMALL, "network": "mlp", "label_dim": 3}, {"label_names": COLOURS}),
    "tags": (MatchingCGAN, {**SMALL, **FILTERS, "label_dim": 4}, {"label_names": TAGS}),
    "infogan": (InfoGAN, {**SMALL, **FILTERS, "dense_units": 4, "categories": 3}, {}),
    "grey": (DCGAN, {**FILTERS, "image_size": 8, "image_channels": 1}, {}),
    "five channels": (DCGAN, {**FILTERS, "image_size": 8, "image_channels": 5}, {}),
    "points": (DCGAN, {**FILTERS, "data": "points", "latent_dim": 2}, {"dataset": "ring8"}),
    "spiral": (GAN, {"data": "points", "latent_dim": 2}, {"dataset": "swissroll"}),
    "modes": (
        CGAN,
        {**FILTERS, "data": "points", "latent_dim": 2, "label_dim": 8},
        {"dataset": "ring8", "label_names": [f"mode {mode}" for mode in range(8)]},
    ),
    "translation": (BicycleGAN, {"image_size": 32, "encoder_filters": 2, **FILTERS}, {}),
}


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """The folder of a run of `RUNS`, not to be changed, and its GAN as it comes back."""
    made = {}

    def make(name):
        if name not in made:
            made[name] = begin(tmp_path_factory.mktemp("runs") / "run", *RUNS[name])
        return made[name]

    return make


def begin(path, kind, constructor, settings):
    description = cli.describe_class(kind.__module__, kind.__name__)
    constructor = {p.name: p.default for p in description.parameters} | constructor
    gan = kind(**constructor)
    random = np.random.default_rng(0)
    for variable in gan.trainable_variables:
        variable.assign(random.standard_normal(variable.shape) / max(1, variable.shape[0]) ** 0.5)
    run = RunFolder(path)
    with run.locked():
        run.begin(
            {
                "model": kind.__name__,
                "module": kind.__module__,
                "constructor": constructor,
                **settings,
            }
        )
        Checkpoints(run.checkpoints, gan).save(1)
    return path, open_run(path)[2]


@pytest.fixture
def generate(run_script, run_of, tmp_path):
    """Runs generate.py on a run of `RUNS` into the folder `out`; returns the status."""

    def run(name, *flags, output=tmp_path / "out"):
        return run_script("generate", f"--run_dir={run_of(name)[0]}", f"--output={output}", *flags)

    return run


@pytest.fixture
def failure(generate, capsys, tmp_path):
    """The one line of what is refused, after which there is nothing new."""

    def run(*arguments, **options):
        before = contents(tmp_path)
        capsys.readouterr()
        assert generate(*arguments, **options) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
        assert contents(tmp_path) == before
        return err[7:-1]

    return run


@pytest.fixture
def no_tensorflow(monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def one_hot(column, size=3):
    return np.eye(size, dtype=np.float32)[column]


def repeated(label, count):
    return np.repeat(label[np.newaxis], count, axis=0)


# Samples.


@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan", "wgan_gp", "infogan"])
def test_samples_are_those_of_the_fixed_noise(generate, run_of, tmp_path, capsys, name):
    assert generate(name, "--count=10", "--seed=3") == 0
    gan, out = run_of(name)[1], tmp_path / "out"
    images = gan.generate(gan.draw_latents(10, 3))
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["samples.png", *(f"sample_{number}.png" for number in range(10))]
    )
    for number, image in enumerate(to_uint8(images)):
        np.testing.assert_array_equal(read(out / f"sample_{number}.png"), image)
    numbers = [list("01234567"), list("89")]
    expected = image_grid([images[:8], images[8:]], captions=numbers)
    np.testing.assert_array_equal(read(out / "samples.png"), expected)
    assert len({path.read_bytes() for path in out.glob("sample_*")}) >= 5
    assert capsys.readouterr().out == f"{out / 'samples.png'}\n"


def test_the_same_seed_gives_the_same_bytes_and_another_others(generate, tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert generate("dcgan", "--count=4", f"--seed={seed}", output=tmp_path / folder) == 0
    files = [
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in "abc"
    ]
    assert files[0] == files[1]
    assert not set(files[0].values()) & set(files[2].values())


def test_a_run_from_before_an_argument_was_there_has_its_default(run_script, run_of, tmp_path):
    copied = RunFolder(shutil.copytree(run_of("grey")[0], tmp_path / "run"))
    record = json.loads(copied.config_file.read_text())
    del record["settings"]["constructor"]["data"]
    copied.config_file.write_text(json.dumps(record))
    flags = (f"--run_dir={copied.path}", f"--output={tmp_path / 'out'}", "--count=2")
    assert run_script("generate", *flags) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "sample_0.png",
        "sample_1.png",
        "samples.png",
    }


def test_a_number_is_the_same_sample_whatever_the_count(generate, tmp_path):
    assert generate("dcgan", "--count=3", output=tmp_path / "few") == 0
    assert generate("dcgan", "--count=9", output=tmp_path / "more") == 0
    for number in range(3):
        few, more = (read(tmp_path / f / f"sample_{number}.png") for f in ("few", "more"))
        np.testing.assert_array_equal(few, more)


def test_a_row_of_a_class_is_generated_of_its_label(generate, run_of, tmp_path):
    assert generate("cgan", "--classes=dark green,0", "--count=4") == 0
    gan, out = run_of("cgan")[1], tmp_path / "out"
    z = gan.draw_latents(4, 0)
    rows = [gan.generate(z, repeated(one_hot(column), 4)) for column in (2, 0)]
    for stem, images in zip(("dark_green", "red"), rows, strict=True):
        for number, image in enumerate(to_uint8(images)):
            np.testing.assert_array_equal(read(out / f"{stem}_{number}.png"), image)
    expected = image_grid(rows, ["dark green", "red"], list("0123"))
    np.testing.assert_array_equal(read(out / "samples.png"), expected)
    assert not np.array_equal(*map(to_uint8, rows))


def test_without_a_choice_each_class_has_a_row(generate, tmp_path):
    assert generate("mlp") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    stems = ("red", "blue", "dark_green")
    assert names == {"samples.png", *(f"{s}_{i}.png" for s in stems for i in range(8))}


def test_tags_are_asked_for_together(generate, run_of, tmp_path):
    text = "red hair, green eyes; blue hair,red hair"
    assert generate("tags", "--tags", text, "--count=2") == 0
    gan, out = run_of("tags")[1], tmp_path / "out"
    z = gan.draw_latents(2, 0)
    for stem, label in (
        ("red_hair_green_eyes", np.float32([1, 0, 1, 0])),
        ("blue_hair_red_hair", np.float32([1, 1, 0, 0])),
    ):
        for number, image in enumerate(to_uint8(gan.generate(z, repeated(label, 2)))):
            np.testing.assert_array_equal(read(out / f"{stem}_{number}.png"), image)


def test_a_gan_of_one_label_each_takes_one_tag_a_request(generate, tmp_path):
    assert generate("cgan", "--tags=red; blue", "--count=2") == 0
    for label in ("red", "blue"):
        assert generate("cgan", f"--classes={label}", "--count=2", output=tmp_path / label) == 0
        for name in (f"{label}_0.png", f"{label}_1.png"):
            assert (tmp_path / "out" / name).read_bytes() == (tmp_path / label / name).read_bytes()


def test_the_class_of_infogan_is_its_category(generate, run_of, tmp_path):
    assert generate("infogan", "--classes=2", "--count=3") == 0
    gan = run_of("infogan")[1]
    noise, _, codes = gan.split_codes(gan.draw_latents(3, 0))
    images = gan.generate(np.concatenate([noise, repeated(one_hot(2), 3), codes], axis=1))
    for number, image in enumerate(to_uint8(images)):
        np.testing.assert_array_equal(read(tmp_path / "out" / f"2_{number}.png"), image)


def test_images_of_other_channels_are_arrays(generate, run_of, tmp_path):
    assert generate("five channels", "--count=2") == 0
    gan = run_of("five channels")[1]
    images = gan.generate(gan.draw_latents(2, 0))
    for number in range(2):
        saved = np.load(tmp_path / "out" / f"sample_{number}.npy")
        np.testing.assert_array_equal(saved, images[number])
    expected = image_grid([images[..., :3]], captions=[["0", "1"]])
    np.testing.assert_array_equal(read(tmp_path / "out" / "samples.png"), expected)


def test_points_are_saved_and_drawn(generate, run_of, tmp_path):
    assert generate("points", "--count=50", "--seed=2") == 0
    gan = run_of("points")[1]
    samples = np.load(tmp_path / "out" / "samples.npy")
    np.testing.assert_array_equal(samples, gan.generate(gan.draw_latents(50, 2)))
    assert read(tmp_path / "out" / "samples.png").shape == (384, 384, 3)


def test_points_of_a_run_are_drawn_as_its_samples(generate, run_of, tmp_path):
    assert generate("spiral") == 0
    gan, raster = run_of("spiral")[1], points.raster("swissroll")
    samples, judged = gan.preview(raster)
    real = points.draw_points("swissroll", 0)[0][: points.SHOWN]
    expected = points.point_picture(samples, judged, raster, real=real)
    np.testing.assert_array_equal(read(tmp_path / "out" / "samples.png"), expected)


@pytest.mark.parametrize("flags, columns", [((), range(8)), (("--classes=mode 3,5",), (3, 5))])
def test_points_are_of_the_labels_in_turn(generate, run_of, tmp_path, flags, columns):
    assert generate("modes", "--count=20", *flags) == 0
    gan = run_of("modes")[1]
    labels = np.resize(np.eye(8, dtype=np.float32)[list(columns)], (20, 8))
    expected = gan.generate(gan.draw_latents(20, 0), labels)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "samples.npy"), expected)


# Between samples.


@pytest.mark.parametrize("name", ["dcgan", "wgan", "infogan"])
def test_an_interpolation_goes_from_sample_to_sample(generate, run_of, tmp_path, name):
    flags = ("--mode=interpolate", "--pairs=0-5,3-1", "--steps=4")
    assert generate(name, *flags) == 0
    gan = run_of(name)[1]
    z = gan.draw_latents(6, 0)
    noise_dim = 62 if name == "infogan" else None
    ways = [walks.walk(z[a], z[b], 4, gan.latent, noise_dim) for a, b in ((0, 5), (3, 1))]
    rows = [gan.generate(way) for way in ways]
    picture = read(tmp_path / "out" / "interpolation.png")
    np.testing.assert_array_equal(picture, image_grid(rows, ["0 - 5", "3 - 1"]))
    # The ends are the samples themselves.
    for row, ends in zip(rows, ((0, 5), (3, 1)), strict=True):
        np.testing.assert_array_equal(to_uint8(row[[0, -1]]), to_uint8(gan.generate(z[[*ends]])))
    with Image.open(tmp_path / "out" / "interpolation.gif") as film:
        assert film.n_frames == 6  # There and back, the ends once.


def test_rows_of_an_interpolation_have_classes_in_turn(generate, run_of, tmp_path):
    flags = ("--mode=interpolate", "--count=3", "--steps=3", "--classes=blue,red")
    assert generate("cgan", *flags) == 0
    gan = run_of("cgan")[1]
    z = gan.draw_latents(6, 0)
    rows = [
        gan.generate(walks.walk(z[a], z[a + 1], 3, "normal"), repeated(one_hot(column), 3))
        for a, column in ((0, 1), (2, 0), (4, 1))
    ]
    expected = image_grid(rows, ["blue: 0 - 1", "red: 2 - 3", "blue: 4 - 5"])
    np.testing.assert_array_equal(read(tmp_path / "out" / "interpolation.png"), expected)


@pytest.mark.parametrize("mode", [(), ("--mode=arithmetic",)])
def test_the_centre_of_arithmetic_is_a_minus_b_plus_c(generate, run_of, tmp_path, mode):
    assert generate("dcgan", *mode, "--arithmetic", "0+3+7 - 1+4+9 + 2+5", "--seed=1") == 0
    gan = run_of("dcgan")[1]
    z = gan.draw_latents(10, 1)
    result = z[[0, 3, 7]].mean(axis=0) - z[[1, 4, 9]].mean(axis=0) + z[[2, 5]].mean(axis=0)
    expected = to_uint8(gan.generate(result[np.newaxis])[0])
    found = read(tmp_path / "out" / "result.png")
    # As exact as a sum in another order.
    assert np.abs(found.astype(int) - expected).max() <= 1
    # The picture has it in the middle of the last three columns, its names above.
    picture = read(tmp_path / "out" / "arithmetic.png")
    side = 64
    rows, columns = 4, 7
    width, height = (picture.shape[1] - 2) // columns, (picture.shape[0] - 2 - 17) // rows
    top, left = 2 + 17 + height, 2 + 5 * width
    cell = picture[top : top + side, left : left + side]
    np.testing.assert_array_equal(cell, found.repeat(8, axis=0).repeat(8, axis=1))


def test_each_group_of_arithmetic_may_have_a_class(generate, run_of, tmp_path):
    flags = ("--arithmetic", "0+1 + 2", "--classes=red,dark green")
    assert generate("cgan", *flags) == 0
    gan = run_of("cgan")[1]
    z = gan.draw_latents(3, 0)
    result = z[[0, 1]].mean(axis=0) + z[2]
    square = walks.around(result, 0.25, 0)
    expected = to_uint8(gan.generate(square, repeated(one_hot(2), 9))[4])
    np.testing.assert_array_equal(read(tmp_path / "out" / "result.png"), expected)


def test_64_samples_by_default(generate, tmp_path):
    assert generate("gan") == 0
    assert len(list((tmp_path / "out").glob("sample_*.png"))) == 64


def test_points_of_a_mixture_are_drawn_over_its_density(generate, run_of, tmp_path):
    assert generate("points") == 0
    gan, raster = run_of("points")[1], points.raster("ring8")
    expected = points.point_picture(*gan.preview(raster), raster, *points.mixture("ring8"))
    np.testing.assert_array_equal(read(tmp_path / "out" / "samples.png"), expected)


# The discriminator.


@pytest.mark.parametrize("name", ["dcgan", "grey", "wgan_gp", "cgan", "tags", "infogan"])
def test_filters_are_shown_beside_random_ones(generate, run_of, tmp_path, name):
    assert generate(name, "--mode=filters") == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"filters.png", "responses.png"}
    run, gan = run_of(name)
    constructor = RunFolder(run).read_config()["constructor"]
    keras.utils.set_random_seed(constructor["seed"])
    blocks = []
    for title, one in (("trained", gan), ("random", type(gan)(**constructor))):
        judge = one.critic if hasattr(one, "critic") else one.discriminator
        filters = full_contrast(guided.first_filters(judge, gan.image_channels))
        empty = np.full((-len(filters) % 8, *filters.shape[1:]), 1.0, np.float32)
        filters = np.concatenate([filters, empty])
        blocks.append((title, filters.reshape(-1, 8, *filters.shape[1:])))
    assert not np.array_equal(blocks[0][1], blocks[1][1])
    found = read(tmp_path / "out" / "filters.png")
    np.testing.assert_array_equal(found, image_blocks(blocks, 40))
    again = tmp_path / "again"
    assert generate(name, "--mode=filters", output=again) == 0
    for file in names:
        assert (again / file).read_bytes() == (tmp_path / "out" / file).read_bytes()


def test_responses_are_those_of_the_strongest_samples_with_their_labels(generate, run_of, tmp_path):
    assert generate("cgan", "--mode=filters", "--seed=1") == 0
    gan = run_of("cgan")[1]
    labels = np.resize(np.eye(3, dtype=np.float32), (256, 3))
    images = gan.generate(gan.draw_latents(256, 1), labels)
    maps = guided.last_maps(gan.discriminator)
    strength = guided.strongest(maps, [images, labels], 6)
    samples, answers = [], []
    for feature in range(strength.shape[1]):
        best = sorted(range(256), key=lambda row: -strength[row, feature])[:4]
        samples.append(images[best])
        gradients = guided.responses(maps, [images[best], labels[best]], feature)
        answers.append(gradients / np.abs(gradients).max(axis=(1, 2, 3), keepdims=True))
    blocks = [("samples, trained", np.stack(samples)), ("their responses", np.stack(answers))]
    expected = image_blocks(blocks)
    found = read(tmp_path / "out" / "responses.png")
    # Two blocks of a random network follow, so that the names are larger.
    height, width = len(image_grid(blocks[0][1])), expected.shape[1]
    np.testing.assert_array_equal(found[-height:, :width], expected[-height:])


@pytest.fixture
def probed(tmp_path, toy_bags):
    """A run on toy bags, and its GAN."""
    settings = {"dataset": "toy_fashion", "data_dir": str(toy_bags), "labels": ["kind"]}
    constructor = {**FILTERS, "image_size": 16, "packing": 2}
    return begin(tmp_path / "runs" / "run", DCGAN, constructor, settings)


def test_a_probe_is_a_linear_classifier_on_features(run_script, tmp_path, capsys, probed):
    run, gan = probed
    out = tmp_path / "out"
    assert run_script("generate", f"--run_dir={run}", f"--output={out}", "--mode=probe") == 0
    lines = {line["features"]: line for line in json.loads((out / "probe.json").read_text())}
    assert list(lines) == ["discriminator", "untrained", "pixels"]
    settings = RunFolder(run).read_config()
    (images, labels), (others, of_others), names = classifier_images(settings, 16, 3)

    def features(pixels):
        return gan.features(to_float(pixels))

    fitted = probe.fit(features, images, labels.argmax(axis=1), len(names))
    accuracy = fitted.accuracy(features, others, of_others.argmax(axis=1))
    expected = {
        "accuracy": accuracy,
        "train_count": 12,
        "held_out_count": 4,
        "numbers": 16 * (2 + 4),
    }
    assert lines["discriminator"].items() >= expected.items()
    assert lines["pixels"]["numbers"] == 16 * 16 * 3
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:2] == ["discriminator", f"{accuracy:.2%}"]


def test_untrained_is_what_the_run_began_with(load_script, probed):
    run, gan = probed
    settings = RunFolder(run).read_config()
    settings["constructor"]["seed"] = 5
    found = load_script("generate").untrained(gan, settings)
    keras.utils.set_random_seed(5)
    expected = DCGAN(**settings["constructor"])
    for one, other, trained in zip(
        found.discriminator.get_weights(),
        expected.discriminator.get_weights(),
        gan.discriminator.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
        assert one.std() == 0 or not np.array_equal(one, trained)


def test_a_probe_may_take_fewer_images_and_another_folder(run_script, tmp_path, probed):
    out, data = tmp_path / "out", tmp_path / "moved"
    toy_fashion.generate(data, size=32, train=30, val=10, domain="bags", workers=1, progress=False)
    flags = ("--mode=probe", "--train_count=20", f"--data_dir={data}")
    assert run_script("generate", f"--run_dir={probed[0]}", f"--output={out}", *flags) == 0
    *_, line = json.loads((out / "probe.json").read_text())
    assert (line["train_count"], line["held_out_count"]) == (20, 10)
    settings = RunFolder(probed[0]).read_config() | {"data_dir": str(data)}
    (images, labels), (others, of_others), names = classifier_images(settings, 16, 3)
    chosen = [0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 22, 24, 25, 27, 28]

    def pixels(images):
        return to_float(images).reshape(len(images), -1)

    fitted = probe.fit(pixels, images[chosen], labels[chosen].argmax(axis=1), len(names))
    expected = fitted.accuracy(pixels, others, of_others.argmax(axis=1))
    first = probe.fit(pixels, images[:20], labels[:20].argmax(axis=1), len(names))
    assert expected != first.accuracy(pixels, others, of_others.argmax(axis=1))
    assert (line["features"], line["accuracy"]) == ("pixels", expected)


def test_a_probe_needs_one_label_an_image(run_script, tmp_path, toy_bags, capsys):
    settings = {"dataset": "toy_fashion", "data_dir": str(toy_bags), "labels": ["hue", "kind"]}
    run, _ = begin(tmp_path / "run", *RUNS["dcgan"][:2], settings)
    flags = (f"--run_dir={run}", f"--output={tmp_path / 'out'}", "--mode=probe")
    assert run_script("generate", *flags) == 2
    message = capsys.readouterr().err
    assert "--mode=probe expects images with one label each" in message
    assert not (tmp_path / "out").exists()


# InfoGAN's codes.


def test_each_code_has_a_picture_in_which_only_it_changes(generate, run_of, tmp_path):
    assert generate("infogan", "--mode=codes", "--count=2", "--steps=5") == 0
    gan, out = run_of("infogan")[1], tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "categorical.png",
        *(f"code_{number}.{kind}" for number in (1, 2) for kind in ("png", "gif")),
    }
    noise, _, codes = gan.split_codes(gan.draw_latents(2, 0))
    columns = [
        gan.generate(np.concatenate([noise, repeated(one_hot(c), 2), codes], axis=1))
        for c in range(3)
    ]
    expected = image_grid(list(zip(*columns, strict=True)), (), list("012"))
    np.testing.assert_array_equal(read(out / "categorical.png"), expected)
    values = np.float32([-2, -1, 0, 1, 2])
    for code in range(2):
        moved = np.zeros((5, 2), np.float32)
        moved[:, code] = values
        rows = [
            gan.generate(
                np.concatenate([repeated(noise[0], 5), repeated(one_hot(c), 5), moved], axis=1)
            )
            for c in range(3)
        ]
        heads = ["-2.00", "-1.00", "0.00", "1.00", "2.00"]
        expected = image_grid(rows, list("012"), heads)
        np.testing.assert_array_equal(read(out / f"code_{code + 1}.png"), expected)
        with Image.open(out / f"code_{code + 1}.gif") as film:
            assert film.n_frames == 8


# What is refused.


@pytest.mark.parametrize(
    "name, flags, message",
    [
        ("translation", (), "begins with noise; scripts/translate.py .* a run of BicycleGAN"),
        ("wgan", ("--mode=probe",), "expects a GAN that gives features, DCGAN. .* WGAN"),
        ("cgan", ("--mode=codes",), "expects a GAN with codes, InfoGAN. .* CGAN"),
        ("gan", ("--mode=filters",), "a discriminator of convolutions. .* a run of GAN"),
        ("mlp", ("--mode=filters",), "a discriminator of convolutions. .* a run of CGAN"),
        ("points", ("--mode=interpolate",), "a GAN of images. .* DCGAN on points"),
        ("points", ("--arithmetic=0 - 1",), "--mode=arithmetic expects a GAN of images"),
        ("dcgan", ("--classes=red",), "--classes is of no use to DCGAN"),
        ("dcgan", ("--tags=red",), "--tags is of no use to DCGAN"),
        ("infogan", ("--tags=1",), "--tags is of no use to InfoGAN"),
        ("dcgan", ("--steps=3",), "--steps is of no use to --mode=samples"),
        ("dcgan", ("--arithmetic=0 - 1", "--count=3"), "--count is of no use to --mode=arithmetic"),
        ("dcgan", ("--mode=probe", "--seed=1"), "--seed is of no use to --mode=probe"),
        ("dcgan", ("--count=0",), "--count expects at least 1. Received: 0"),
        ("dcgan", ("--mode=interpolate", "--steps=1"), "--steps expects at least 2"),
        ("dcgan", ("--count=100001",), "--count expects at most 100000. Received: 100001"),
        ("points", ("--count=100001",), "--count expects at most 100000. Received: 100001"),
        ("cgan", ("--count=33334",), "expects at most 100000 pictures. Received: 100002"),
        (
            "dcgan",
            ("--mode=interpolate", "--steps=100001"),
            "--steps expects at most 100000. Received: 100001",
        ),
        (
            "dcgan",
            ("--mode=interpolate", "--count=50001", "--steps=2"),
            "--count, with labels or --steps, expects at most 100000 pictures. Received: 100002",
        ),
        (
            "dcgan",
            ("--mode=interpolate", "--pairs=0-1,2-3", "--steps=50001"),
            "expects at most 100000 pictures. Received: 100002",
        ),
        ("infogan", ("--mode=codes", "--count=99999"), "expects at most 100000 pictures"),
        ("dcgan", ("--mode=probe", "--train_count=9"), "--train_count expects at least 10"),
        ("dcgan", ("--seed=-1",), "--seed expects 0 to 2147483647. Received: -1"),
        ("dcgan", ("--seed=2147483648",), "--seed expects 0 to 2147483647"),
        ("dcgan", ("--mode=arithmetic",), "expects --arithmetic with numbers of samples.png"),
        ("dcgan", ("--arithmetic=0+1",), "--arithmetic expects groups of numbers"),
        ("dcgan", ("--arithmetic=0 - x",), "--arithmetic expects groups of numbers"),
        ("dcgan", ("--arithmetic=0-1",), "--arithmetic expects groups of numbers"),
        ("dcgan", ("--arithmetic=0 - 100000",), "numbers of samples below 100000"),
        ("dcgan", ("--mode=interpolate", "--pairs=1"), "--pairs expects numbers of samples"),
        ("dcgan", ("--mode=interpolate", "--pairs=0-1", "--count=2"), "--pairs or --count"),
        ("cgan", ("--classes=red", "--tags=red"), "expected --classes or --tags"),
        ("cgan", ("--classes=blu",), r"of this run: red, blue, dark green. .* \(closest: blue\)"),
        ("cgan", ("--classes=3",), "expected labels of this run: .* Received: '3'"),
        ("cgan", ("--arithmetic=0 - 1 + 2", "--classes=0,1"), "expects 1 or 3, one for each group"),
        ("tags", ("--tags=red hair, grene eyes",), "'grene eyes' .closest: green eyes"),
        ("tags", ("--tags=red hair;",), "expected labels with commas between them"),
        (
            "cgan",
            ("--tags=dark green; red, blue",),
            "--tags expects one label in each request to CGAN, .*. Received: red, blue$",
        ),
        ("dcgan", ("--mode=probe", "--tfds_dir=x"), "--tfds_dir expects a run on a prepared"),
    ],
)
def test_what_cannot_be_is_refused_before_tensorflow(failure, no_tensorflow, name, flags, message):
    assert re.search(message, failure(name, *flags))


def test_no_tensorflow_is_imported_for_a_folder_without_a_run(run_script, no_tensorflow, tmp_path):
    flags = (f"--run_dir={tmp_path / 'none'}", f"--output={tmp_path / 'out'}")
    assert run_script("generate", *flags) == 2


def test_pictures_are_not_replaced_unless_that_is_asked_for(generate, failure, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sample_1.png").write_bytes(b"mine")
    assert "--output holds 1 files of these names" in failure("dcgan", "--count=2")
    assert generate("dcgan", "--count=2", "--overwrite") == 0
    assert (out / "sample_1.png").read_bytes() != b"mine"


def test_the_output_is_a_folder(failure, tmp_path):
    (tmp_path / "out").write_text("a file")
    assert "--output expects a folder" in failure("dcgan")


def test_a_probe_whose_data_is_gone_is_one_line(run_script, tmp_path, capsys):
    settings = {"dataset": None, "data_dir": str(tmp_path / "gone"), "labels": None}
    run, _ = begin(tmp_path / "run", *RUNS["dcgan"][:2], settings)
    flags = (f"--run_dir={run}", f"--output={tmp_path / 'out'}", "--mode=probe")
    assert run_script("generate", *flags) == 2
    assert capsys.readouterr().err.count("\n") == 1
