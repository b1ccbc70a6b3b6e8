"""The evaluation by features: of runs, of folders, over checkpoints. Networks are untrained: the
numbers must be right, not good.
"""

import json
import shutil
import warnings

import numpy as np
import pytest
from gans.data.held_out import load_singles
from gans.metrics.generation import Generated
from PIL import Image

from gans.command_line import command
from gans.dcgan import DCGAN
from gans.evaluation import of_features, pictures
from gans.features import classifier as classifiers
from gans.features import extractors, inception
from gans.features.features import collect
from gans.metrics import distribution
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder

OWN = ("realism", "sharpness", "diversity")
BY_MNIST = tuple(f"{name}_mnist" for name in distribution.NAMES)


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A classifier of 28x28 digits that has learnt nothing, saved."""
    folder = tmp_path_factory.mktemp("judge") / "classifier"
    names = tuple("0123456789")
    facts = classifiers.Facts(
        classes=names,
        exclusive=True,
        image_size=28,
        image_channels=1,
        accuracy=0.5,
        images=60,
        epochs=1,
        seed=0,
        dataset="mnist",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        classifiers.Classifier(classifiers.Classifier.build(facts), facts).save(folder)
    return folder


@pytest.fixture
def digits(tmp_path):
    """A `.npz` of 60 training and 20 test pictures, with classes by their brightness."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 60), ("test", 20)):
        classes = np.arange(count) % 10
        noise = random.integers(0, 10, (count, 28, 28, 1))
        arrays[f"x_{split}"] = (noise + 24 * classes[:, None, None, None]).astype(np.uint8)
        arrays[f"y_{split}"] = classes
    np.savez(tmp_path / "greys.npz", **arrays)
    return {"data_dir": str(tmp_path / "greys.npz"), "dataset": None}


@pytest.fixture
def run(tmp_path, digits):
    """A run of DCGAN with two checkpoints, of two states: the folder, the last GAN, settings."""
    constructor = {"generator_filters": 2, "discriminator_filters": 2, "image_size": 28}
    constructor |= {"image_channels": 1, "seed": 0}
    settings = {"model": "DCGAN", "module": "gans.dcgan", "constructor": constructor, **digits}
    folder = RunFolder(tmp_path / "runs" / "run")
    gan = DCGAN(**constructor)
    with folder.locked():
        folder.begin(settings)
        checkpoints = Checkpoints(folder.checkpoints, gan)
        checkpoints.save(3)
        for weight in gan.generator.trainable_variables:
            weight.assign(weight * 1.5)
        checkpoints.save(7)
    return folder.path, gan, settings


@pytest.fixture
def no_tensorflow(monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))


@pytest.fixture
def evaluate(run_script, capsys):
    """Returns status, stdout and stderr of the command."""

    def call(*flags):
        capsys.readouterr()
        status = run_script("evaluate", *flags)
        return status, *capsys.readouterr()

    return call


def lines_of(folder):
    lines = (folder / "evaluation.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def by_hand(gan, settings, judge, count, seed=0):
    """Features of real pictures and of samples, past everything that the command does."""
    extractor = extractors.of_classifier(judge)
    made = Generated(gan, settings, count, seed=seed).made
    with np.load(settings["data_dir"]) as arrays:
        real = arrays["x_train"]
    return (
        collect([real], len(real), extractor),
        collect([made], count, extractor),
    )


def test_a_run_is_measured_by_its_features_with_all_that_decides_them(run, judge, evaluate):
    folder, gan, settings = run
    status, out, err = evaluate(f"--run_dir={folder}", f"--extractor={judge}", "--num_fake=40")
    # 60 pictures are too few for 128 features.
    assert (status, err.count("\n")) == (0, 1)
    assert "129 or more are needed" in err
    found = {line["metric"]: line for line in lines_of(folder)}
    assert tuple(found) == OWN + BY_MNIST

    real, fake = by_hand(gan, settings, judge, 40)
    expected = distribution.measure(real, fake)
    for name, measured in expected.items():
        assert found[f"{name}_mnist"]["value"] == pytest.approx(measured.value, rel=1e-6)
    beside = distribution.measure_real(real)
    fd = found["fd_mnist"]
    del fd["versions"]
    assert fd == {
        "metric": "fd_mnist",
        "value": pytest.approx(expected["fd"].value),
        "values": [fd["value"]],
        "deviation": None,
        "deviation_between": None,
        "reference": pytest.approx(beside["fd"]),
        "reference_is": "real",
        "reference_n": 30,
        "n_real": 60,
        "n_fake": 40,
        "split": "train",
        "extractor": "mnist",
        "extractor_sha256": classifiers.read_facts(judge)[1],
        "extractor_accuracy": 0.5,
        "resize": "none",
        "dtype": "float32",
        "real_sha256": real.digest,
        "seeds": [0],
        "warning": expected["fd"].warning,
        "step": 7,
    }
    assert found["recall_mnist"]["n_real"] == found["recall_mnist"]["n_fake"] == 40
    assert found["is_mnist"]["deviation_between"] == "splits"
    assert "Quality: " in out and "Diversity: " in out and "Classes: " in out
    assert (folder / "evaluation.md").read_text().count("\n| ") == len(found)
    with Image.open(folder / "neighbours.png") as picture:
        assert picture.height > 8 * 28


def test_several_seeds_have_a_deviation_between_them(run, judge, evaluate):
    folder, gan, settings = run
    flags = ("--num_fake=30", "--metrics=fd,coverage", "--seeds=3", "--seed=5")
    assert evaluate(f"--run_dir={folder}", f"--extractor={judge}", *flags)[0] == 0
    fd, coverage = lines_of(folder)
    assert (fd["metric"], coverage["metric"]) == ("fd_mnist", "coverage_mnist")
    values = [
        distribution.measure(*by_hand(gan, settings, judge, 30, seed), ["fd"])["fd"].value
        for seed in (5, 6, 7)
    ]
    assert fd["values"] == pytest.approx(values, rel=1e-6)
    assert fd["value"] == pytest.approx(np.mean(values))
    assert fd["deviation"] == pytest.approx(np.std(values, ddof=1), rel=1e-4)
    assert (fd["deviation_between"], fd["seeds"]) == ("seeds", [5, 6, 7])


def test_the_held_out_split_and_fewer_real_images(run, judge, evaluate):
    folder, gan, settings = run
    given = (f"--run_dir={folder}", f"--extractor={judge}", "--num_fake=30", "--metrics=fd")
    assert evaluate(*given, "--split=val", "--num_real=10")[0] == 0
    (line,) = lines_of(folder)
    assert (line["n_real"], line["split"]) == (10, "val")
    held_out = load_singles(settings, 10, labelled=False)[0]
    pixels = np.rint((held_out + 1) * 127.5).astype(np.uint8)
    assert line["real_sha256"] == collect([pixels], 10, extractors.of_classifier(judge)).digest


def test_features_of_real_images_are_kept_beside_the_run(run, judge, evaluate, monkeypatch):
    folder, *_ = run
    given = (f"--run_dir={folder}", f"--extractor={judge}", "--num_fake=30", "--metrics=prdc")
    assert evaluate(*given)[0] == 0
    (kept,) = (folder.parent / "references").iterdir()
    before = kept.stat().st_mtime_ns
    counts = []
    look = classifiers.Classifier.look

    def counted(classifier, images):
        counts.append(len(images))
        return look(classifier, images)

    monkeypatch.setattr(classifiers.Classifier, "look", counted)
    assert evaluate(*given)[0] == 0
    assert sum(counts) == 30  # The samples only.
    assert kept.stat().st_mtime_ns == before
    first, again = np.split(np.array([line["value"] for line in lines_of(folder)]), 2)
    np.testing.assert_array_equal(first, again)


def test_all_checkpoints_are_measured_and_the_best_is_named(run, judge, evaluate):
    folder, *_ = run
    given = (f"--run_dir={folder}", f"--extractor={judge}", "--num_fake=30")
    status, out, _ = evaluate(*given, "--metrics=fd,precision", "--all_checkpoints")
    assert status == 0
    lines = lines_of(folder)
    assert [(line["metric"], line["step"]) for line in lines] == [
        ("fd_mnist", 3),
        ("precision_mnist", 3),
        ("fd_mnist", 7),
        ("precision_mnist", 7),
    ]
    best = min(lines[::2], key=lambda line: line["value"])
    assert f"best by fd_mnist: step {best['step']}, {best['value']:.3f}\n" in out
    assert (folder / "evaluation.png").exists()
    assert lines[0]["value"] != lines[2]["value"]


def test_a_classifier_of_the_runs_own_data_is_trained_and_kept(run, evaluate):
    folder, *_ = run
    status, _, err = evaluate(f"--run_dir={folder}", "--num_fake=30", "--metrics=fd")
    assert status == 0
    kept = folder.parent / "classifier_greys"
    assert f"training a classifier of greys, kept in {kept}\n" in err
    (line,) = lines_of(folder)
    assert line["metric"] == "fd_greys"
    assert line["extractor_sha256"] == classifiers.read_facts(kept)[1]
    status, _, err = evaluate(f"--run_dir={folder}", "--num_fake=30", "--metrics=fd_greys")
    assert f"classifier: {kept}\n" in err
    assert lines_of(folder)[1]["value"] == line["value"]


@pytest.fixture
def folders(tmp_path):
    """Two folders of 28x28 pictures: 30 real ones, and 20 of another brightness."""
    random = np.random.default_rng(0)
    for name, count, least in (("real", 30, 0), ("fake", 20, 100)):
        (tmp_path / name).mkdir()
        for n in range(count):
            pixels = random.integers(least, 256, (28, 28), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{n:02}.png")
    return tmp_path / "real", tmp_path / "fake"


def test_two_folders_whoever_made_them(folders, judge, evaluate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real, fake = folders
    given = (f"--real={real}", f"--fake={fake}", f"--extractor={judge}")
    status, out, _ = evaluate(*given)
    assert status == 0
    assert [row.split()[0] for row in out.splitlines()[:8]] == list(BY_MNIST)
    # Only what is kept of the real ones was written.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake", "real", "runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["references"]

    assert evaluate(*given, f"--output={tmp_path / 'out'}", "--metrics=fd", "--num_fake=10")[0] == 0
    (line,) = lines_of(tmp_path / "out")
    extractor = extractors.of_classifier(judge)
    a, b = (pictures.of_folder(path, limit) for path, limit in ((real, None), (fake, 10)))
    expected = of_features.measure(
        extractor, a, lambda seed: b, ["fd"], [0], tmp_path / "elsewhere", {}
    )
    assert line["value"] == expected.lines[0]["value"]
    assert (line["n_real"], line["n_fake"], line["split"]) == (30, 10, None)


def test_the_same_folder_twice_is_at_distance_0(folders, judge, evaluate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real, _ = folders
    given = (f"--real={real}", f"--fake={real}", f"--extractor={judge}")
    _, out, _ = evaluate(*given, "--metrics=fd,kd,prdc,spacing")
    values = {row.split()[0]: float(row.split()[1]) for row in out.splitlines()[:7]}
    assert values["fd_mnist"] == 0
    # Without bias: below 0 where all are alike.
    assert -0.01 < values["kd_mnist"] <= 0
    assert {values[f"{name}_mnist"] for name in ("precision", "recall", "coverage")} == {1}
    assert values["spacing_mnist"] == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "expected --run_dir or --fake. Received: neither"),
        (
            ["--fake=b", "--run_dir=a"],
            "expected --run_dir or --fake. Received: --run_dir=a --fake=b",
        ),
        (["--fake=b", "--extractor=c"], "--fake expects --real. Received: no --real"),
        (["--fake=b", "--real=a", "--extractor=c"], "expected 2 images or more in b. Received: no"),
        (["--fake=b", "--real=a", "--seeds=2", "--extractor=c"], "--seeds expects --run_dir"),
        (["--fake=b", "--real=a", "--split=val", "--extractor=c"], "--split expects --run_dir"),
        (
            ["--fake=b", "--real=a", "--direction=a_to_b", "--extractor=c"],
            "--direction expects --r",
        ),
        (
            ["--fake=b", "--real=a", "--metrics=realism", "--extractor=c"],
            "--metrics expects some of",
        ),
        (
            ["--fake=b", "--real=a", "--metrics=fid", "--extractor=c"],
            "--metrics=fid is by Inception",
        ),
        (["--fake=b", "--real=a", "--weights=w", "--extractor=c"], "--weights is for Inception"),
        (["--fake=b", "--real=a"], "data_prep/download.py inception"),
        (["--fake=b", "--real=a", "--metrics=fid", "--weights=none.pth"], "none.pth"),
        (["--fake=b", "--real=a", "--metrics=fd", "--extractor=off"], "fd needs networks"),
    ],
)
def test_a_wrong_line_is_one_line(evaluate, monkeypatch, tmp_path, flags, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = evaluate(*flags)
    assert (status, out) == (2, "")
    assert message in err and err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["output", "cache_dir"])
def test_a_file_in_place_of_a_folder_is_one_line(run, judge, evaluate, no_tensorflow, flag):
    folder, *_ = run
    file = folder.parent / "mine"
    file.write_text("mine")
    message = f"error: --{flag} expects a folder. Received: the file {file}\n"
    of_folders = (f"--real={folder}", f"--fake={folder}", f"--extractor={judge}")
    for given in ((f"--run_dir={folder}",), of_folders):
        assert evaluate(*given, f"--{flag}={file}") == (2, "", message)
    assert file.read_text() == "mine"


def test_wrong_files_are_refused_before_anything_is_measured(run, evaluate, no_tensorflow):
    folder, *_ = run
    wrong = folder.parent / "wrong.pth"
    wrong.write_text("no weights")
    for flag, message in (
        (f"--weights={wrong}", f"error: {wrong}: expected a frozen graph"),
        (f"--extractor={wrong.parent}", "error: expected the folder of a classifier"),
        (f"--real={wrong}", f"error: expected 2 images or more in {wrong}. Received: the file"),
    ):
        status, out, err = evaluate(f"--run_dir={folder}", flag)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(message)
    assert not (folder / "evaluation.jsonl").exists()


def test_wrong_files_of_lpips_are_refused_before_anything_is_measured(
    trained, evaluate, toy_bags, tmp_path
):
    (tmp_path / "alex.pth").write_text("no weights")
    given = (f"--run_dir={trained}", f"--data_dir={toy_bags}", f"--output={tmp_path / 'out'}")
    status, out, err = evaluate(*given, f"--lpips={tmp_path / 'alex.pth'}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: expected lpips/weights/v0.1/alex.pth")


@pytest.mark.parametrize(
    ("extractor", "name", "right"),
    [
        ("own", "fd_greyss", "fd_greys"),
        ("own", "precision_", "precision_greys"),
        ("own", "fd_inception", "fd_greys"),
        ("judge", "fd_greys", "fd_mnist"),
        ("inception", "fd_inception", "fid"),
        ("inception", "recall_mnist", "recall"),
    ],
)
def test_a_metric_by_the_name_of_another_extractor_is_one_line(
    run, judge, evaluate, no_tensorflow, monkeypatch, extractor, name, right
):
    monkeypatch.setattr(inception, "find", lambda path: "found.pth")
    monkeypatch.setattr(inception, "read_weights", lambda path: None)
    called = {"own": "greys", "judge": "mnist"}.get(extractor, extractor)
    chosen = judge if extractor == "judge" else extractor
    assert evaluate(f"--run_dir={run[0]}", f"--extractor={chosen}", f"--metrics=is,{name}") == (
        2,
        "",
        f"error: --metrics expects names by the extractor, {called}. Received: {name}; did you "
        f"mean {right}?\n",
    )
    assert not (run[0].parent / "classifier_greys").exists()


def test_of_two_domains_each_has_an_extractor_of_its_own(evaluate, no_tensorflow, tmp_path):
    settings = {"model": "DiscoGAN", "module": "gans.discogan", "constructor": {}}
    settings |= {"data_dir": "toy_fashion_64", "data_dir_b": "toy_fashion_shoes_64"}
    run = RunFolder(tmp_path / "run")
    with run.locked():
        run.begin(settings)
    status, out, err = evaluate(f"--run_dir={run.path}", "--metrics=fd_toy,fd_toy_shoe")
    assert (status, out) == (2, "")
    assert err.endswith(
        "extractor, toy or toy_shoes. Received: fd_toy_shoe; did you mean fd_toy_shoes?\n"
    )


def test_pictures_of_another_size_than_the_classifier_takes(judge, evaluate, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for n in range(2):
            Image.fromarray(np.zeros((30, 28), np.uint8)).save(tmp_path / name / f"{n}.png")
    status, _, err = evaluate("--real=a", "--fake=b", f"--extractor={judge}")
    assert status == 2
    assert err == (
        "error: expected images of 28x28 and 1 channels, as the classifier of mnist takes them. "
        "Received: 30x28 and 1\n"
    )


def test_data_without_labels_has_no_classifier_of_its_own(run, evaluate, tmp_path):
    folder, _, settings = run
    np.savez(tmp_path / "plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    given = (f"--run_dir={folder}", f"--data_dir={tmp_path / 'plain.npz'}", "--num_fake=20")
    status, _, err = evaluate(*given)
    assert status == 0
    assert "left out, since the data has no labels for a classifier to learn from: fd, kd" in err
    status, _, err = evaluate(*given, "--metrics=fd")
    assert status == 2
    assert "fd cannot be measured: the data has no labels for a classifier to learn from" in err


def test_a_gan_that_translates_is_measured_by_what_it_paints(trained, evaluate, toy_bags, tmp_path):
    names = ("red", "blue")
    facts = classifiers.Facts(
        classes=names,
        exclusive=False,
        image_size=32,
        image_channels=3,
        accuracy=0.5,
        images=12,
        epochs=1,
        seed=0,
        dataset="toy_fashion",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        classifiers.Classifier(classifiers.Classifier.build(facts), facts).save(tmp_path / "judge")
    folder = tmp_path / "out"
    given = (
        f"--run_dir={trained}",
        f"--data_dir={toy_bags}",
        f"--extractor={tmp_path / 'judge'}",
        f"--output={folder}",
    )
    status, out, err = evaluate(*given, "--metrics=fd,spacing", "--split=train", "--num_fake=30")
    assert status == 0
    fd, spacing = lines_of(folder)
    assert (fd["metric"], fd["n_real"], fd["n_fake"]) == ("fd_toy", 12, 30)
    assert spacing["n_fake"] == 12
    # Of paintings: samples of one sketch, and whether their parts are where they should be.
    copied = shutil.copytree(trained, tmp_path / "runs" / "run")
    given = (f"--run_dir={copied}", *given[1:])
    counts = ("--sketches=4", "--samples=3")
    assert evaluate(*given, "--metrics=perceptual,label_scores", *counts)[0] == 0
    lines = {line["metric"]: line for line in lines_of(folder)[2:]}
    assert list(lines) == [
        "diversity_pd_toy",
        "ratio_pd_toy",
        "seg_pixel_accuracy",
        "seg_class_accuracy",
        "seg_class_iou",
    ]
    assert lines["diversity_pd_toy"]["pairs"] == 8
    assert lines["ratio_pd_toy"]["value"] == pytest.approx(
        lines["diversity_pd_toy"]["value"] / lines["diversity_pd_toy"]["reference"]
    )
    assert (tmp_path / "runs" / "segmenter_bags").is_dir()
    # Classes that do not exclude each other have no score.
    status, _, err = evaluate(*given, "--metrics=is")
    assert status == 2
    assert "is cannot be measured: its classes do not exclude each other" in err


def test_by_inception_the_numbers_have_their_usual_names(
    folders, judge, evaluate, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    real, fake = folders
    asked = []

    ours = extractors.of_classifier(judge)
    ours.name = extractors.INCEPTION

    def load(path, resize):
        asked.append((str(path), resize))
        return ours

    monkeypatch.setattr(inception, "find", lambda path: path or "data/found.pth")
    monkeypatch.setattr(inception, "read_weights", lambda path: None)
    monkeypatch.setattr(inception, "load", load)
    given = (f"--real={real}", f"--fake={fake}", "--metrics=fid,kid,inception_score,prdc")
    status, out, _ = evaluate(*given, "--resize=clean")
    assert status == 0
    assert [row.split()[0] for row in out.splitlines()[:7]] == [
        "fid",
        "kid",
        "inception_score",
        "precision",
        "density",
        "recall",
        "coverage",
    ]
    # Without --metrics two folders are compared by Inception too.
    assert evaluate(*given[:2], "--weights=mine.pth")[1].startswith("fid ")
    assert asked == [("data/found.pth", "clean"), ("mine.pth", "tf1")]
