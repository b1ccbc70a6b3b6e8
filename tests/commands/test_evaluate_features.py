"""The evaluation by features: of runs, of folders, over checkpoints. Networks are untrained: the
numbers must be right, not good.
"""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gans.commands.evaluate import evaluate as command
from gans.evaluation import image_sets, table
from gans.evaluation.feature_comparison import Comparison, Reference
from gans.features import classifier as classifiers
from gans.features import extractors, inception
from gans.features.features import collect
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder

OWN = ("sharpness", "realism", "diversity")
BY_MNIST = tuple(f"{name}_mnist" for name in table.FEATURES)
SMALL = {"generator_filters": 2, "discriminator_filters": 2, "image_size": 28, "image_channels": 1}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A `.npz` of 60 training and 20 test pictures, with classes by their brightness."""
    random, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 60), ("test", 20)):
        classes = np.arange(count) % 10
        noise = random.integers(0, 10, (count, 28, 28, 1))
        arrays[f"x_{split}"] = (noise + 24 * classes[:, None, None, None]).astype(np.uint8)
        arrays[f"y_{split}"] = classes
    path = tmp_path_factory.mktemp("digits") / "greys.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def classifier(save_classifier, tmp_path_factory):
    """A classifier of 28x28 digits that has learnt nothing."""
    return save_classifier(tmp_path_factory.mktemp("networks") / "classifier", 28, 1, "mnist")


@pytest.fixture(scope="module")
def run(begin_run, digits, tmp_path_factory):
    """A run of DCGAN with checkpoints of two states, at steps 8 and 9; its folder and last GAN."""
    path = tmp_path_factory.mktemp("runs") / "run"
    gan = begin_run(path, "dcgan", {"data_dir": str(digits)}, **SMALL)
    for weight in gan.generator.trainable_variables:
        weight.assign(weight * 1.5)
    Checkpoints(RunFolder(path).checkpoints, gan).save(9)
    return path, gan


@pytest.fixture
def evaluate(run_command, capsys, tmp_path):
    """Evaluates into a folder of its own; the lines that were added."""

    def call(*flags):
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        capsys.readouterr()
        assert run_command(command, *flags, f"--output={out}") == 0
        call.out, call.err = capsys.readouterr()
        call.folder = out
        lines = map(json.loads, (out / "evaluation.jsonl").read_text().splitlines())
        return [line for line in lines if line.pop("versions")]

    return call


def by_hand(gan, digits, classifier, count, seeds, cache):
    """Features of training images and of samples, past everything that the command does."""
    extractor = extractors.of_classifier(classifier)

    def make(seed):
        made = np.clip(np.rint((gan.generate(gan.draw_latents(count, seed)) + 1) * 127.5), 0, 255)
        made = made.astype(np.uint8)
        return image_sets.ImageSet(count, lambda: iter([made]))

    with np.load(digits) as arrays:
        real = arrays["x_train"]
    images = image_sets.ImageSet(len(real), lambda: iter([real]), "train")
    return Comparison(Reference(extractor, images, cache), make, seeds)


def test_a_run_is_measured_by_its_features_with_all_that_decides_them(
    run, digits, classifier, evaluate, tmp_path
):
    folder, gan = run
    lines = evaluate(f"--run_dir={folder}", f"--extractor={classifier}", "--num_fake=40")
    # 60 pictures are too few for 128 features.
    found = {line["metric"]: line for line in lines}
    assert tuple(found) == OWN + BY_MNIST
    compared = by_hand(gan, digits, classifier, 40, [0], tmp_path)
    for name in table.FEATURES:
        line = found[f"{name}_mnist"]
        assert line["value"] == pytest.approx(compared.measure(name).value, rel=1e-6)
        assert line["reference"] == pytest.approx(compared.reference(name), rel=1e-6)
    assert found["fd_mnist"] == {
        "metric": "fd_mnist",
        "value": found["fd_mnist"]["value"],
        "values": [found["fd_mnist"]["value"]],
        "deviation": None,
        "deviation_between": None,
        "reference": found["fd_mnist"]["reference"],
        "reference_is": "real",
        "reference_n": 30,
        "n_real": 60,
        "n_fake": 40,
        "split": "train",
        "extractor": "mnist",
        "extractor_sha256": classifiers.read_facts(classifier)[1],
        "extractor_accuracy": 0.5,
        "resize": "none",
        "dtype": "float32",
        "real_sha256": compared.real.features.digest,
        "seeds": [0],
        "warning": found["fd_mnist"]["warning"],
        "step": 9,
    }
    assert "129 or more are needed" in found["fd_mnist"]["warning"]
    assert found["fd_mnist"]["warning"] in evaluate.err
    assert found["recall_mnist"]["n_real"] == found["recall_mnist"]["n_fake"] == 40
    assert found["is_mnist"]["deviation_between"] == "splits"
    assert all(word in evaluate.out for word in ("Quality: ", "Diversity: ", "Classes: "))
    assert (evaluate.folder / "evaluation.md").read_text().count("\n| ") == len(found)
    with Image.open(evaluate.folder / "neighbours.png") as picture:
        assert picture.height > 8 * 28


def test_several_seeds_have_a_deviation_between_them(run, digits, classifier, evaluate, tmp_path):
    folder, gan = run
    flags = ("--num_fake=30", "--metrics=fd,coverage", "--seeds=3", "--seed=5")
    fd, coverage = evaluate(f"--run_dir={folder}", f"--extractor={classifier}", *flags)
    assert (fd["metric"], coverage["metric"]) == ("fd_mnist", "coverage_mnist")
    expected = by_hand(gan, digits, classifier, 30, [5, 6, 7], tmp_path).measure("fd")
    assert fd["values"] == pytest.approx(expected.facts["values"], rel=1e-6)
    assert fd["deviation"] == pytest.approx(np.std(fd["values"], ddof=1), rel=1e-4)
    assert (fd["deviation_between"], fd["seeds"]) == ("seeds", [5, 6, 7])


def test_the_held_out_split_and_fewer_real_images(run, digits, classifier, evaluate, failure):
    folder, _ = run
    given = (f"--run_dir={folder}", f"--extractor={classifier}", "--num_fake=30", "--metrics=fd")
    (line,) = evaluate(*given, "--split=val", "--num_real=10")
    assert (line["n_real"], line["split"]) == (10, "val")
    with np.load(digits) as arrays:
        pixels = arrays["x_test"][::2]
    digest = collect([pixels], 10, extractors.of_classifier(classifier)).digest
    assert line["real_sha256"] == digest
    np.savez(digits.with_name("plain.npz"), images=pixels)
    plain = f"--data_dir={digits.with_name('plain.npz')}"
    assert "--split=train" in failure(command, *given, "--split=val", plain)


def test_features_of_real_images_are_kept_next_to_the_run(
    begin_run, digits, classifier, evaluate, tmp_path, monkeypatch
):
    begin_run(tmp_path / "runs" / "run", "dcgan", {"data_dir": str(digits)}, **SMALL)
    given = (f"--run_dir={tmp_path / 'runs' / 'run'}", f"--extractor={classifier}")
    given += ("--num_fake=30", "--metrics=prdc")
    first = evaluate(*given)
    (kept,) = (tmp_path / "runs" / "references").iterdir()
    before, counts, look = kept.stat().st_mtime_ns, [], classifiers.Classifier.look

    def counted(classifier, images):
        counts.append(len(images))
        return look(classifier, images)

    monkeypatch.setattr(classifiers.Classifier, "look", counted)
    assert evaluate(*given) == first
    assert sum(counts) == 30  # The samples only.
    assert kept.stat().st_mtime_ns == before


def test_all_checkpoints_are_measured_and_the_best_is_named(run, classifier, evaluate):
    folder, _ = run
    given = (f"--run_dir={folder}", f"--extractor={classifier}", "--num_fake=30")
    lines = evaluate(*given, "--metrics=fd,precision", "--all_checkpoints")
    assert [(line["metric"], line["step"]) for line in lines] == [
        (name, step) for step in (8, 9) for name in ("fd_mnist", "precision_mnist")
    ]
    best = min(lines[::2], key=lambda line: line["value"])
    assert f"best by fd_mnist: step {best['step']}, {best['value']:.3f}\n" in evaluate.out
    assert (evaluate.folder / "evaluation.png").exists()
    assert lines[0]["value"] != lines[2]["value"]


def test_a_classifier_of_the_runs_own_data_is_trained_and_kept(run, evaluate):
    folder, _ = run
    (line,) = evaluate(f"--run_dir={folder}", "--num_fake=30", "--metrics=fd")
    kept = folder.parent / "classifier_greys"
    assert f"kept in {kept}\n" in evaluate.err
    assert line["metric"] == "fd_greys"
    assert line["extractor_sha256"] == classifiers.read_facts(kept)[1]
    (again,) = evaluate(f"--run_dir={folder}", "--num_fake=30", "--metrics=fd_greys")
    assert f"classifier: {kept}\n" in evaluate.err
    assert again == line


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


def test_two_folders_whoever_made_them(
    folders, classifier, run_command, evaluate, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    real, fake = folders
    given = (f"--real={real}", f"--fake={fake}", f"--extractor={classifier}")
    assert run_command(command, *given) == 0
    assert [row.split()[0] for row in capsys.readouterr().out.splitlines()[:8]] == list(BY_MNIST)
    # Only what is kept of the real ones was written.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake", "real", "runs"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["references"]

    (line,) = evaluate(*given, "--metrics=fd", "--num_fake=10")
    extractor = extractors.of_classifier(classifier)
    a, b = (image_sets.of_folder(path, limit) for path, limit in ((real, None), (fake, 10)))
    compared = Comparison(Reference(extractor, a, tmp_path / "elsewhere"), lambda seed: b, [0])
    assert line["value"] == compared.measure("fd").value
    assert (line["n_real"], line["n_fake"], line["split"]) == (30, 10, None)


def test_the_same_folder_twice_is_at_distance_0(folders, classifier, evaluate, tmp_path):
    real, _ = folders
    given = (f"--real={real}", f"--fake={real}", f"--extractor={classifier}")
    lines = evaluate(*given, f"--cache_dir={tmp_path / 'kept'}", "--metrics=fd,kd,prdc,spacing")
    values = {line["metric"]: line["value"] for line in lines}
    assert values["fd_mnist"] == pytest.approx(0, abs=1e-6)
    # Without bias: below 0 where all are alike.
    assert -0.01 < values["kd_mnist"] <= 0
    assert {values[f"{name}_mnist"] for name in ("precision", "recall", "coverage")} == {1}
    assert values["spacing_mnist"] == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], ["--run_dir", "--fake"]),
        (["--fake=b", "--run_dir=a"], ["--run_dir=a --fake=b"]),
        (["--fake=b", "--extractor=c"], ["--fake", "--real"]),
        (["--fake=b", "--real=a", "--extractor=c"], ["b. Received: no"]),
        (["--fake=b", "--real=a", "--seeds=2"], ["--seeds", "--fake=b"]),
        (["--fake=b", "--real=a", "--split=val"], ["--split", "--fake=b"]),
        (["--fake=b", "--real=a", "--direction=a_to_b"], ["--direction", "--fake=b"]),
        (["--fake=b", "--real=a", "--all_checkpoints"], ["--all_checkpoints", "--fake=b"]),
        (["--fake=b", "--real=a", "--metrics=realism"], ["--metrics", "Received: realism"]),
        (["--fake=b", "--real=a", "--metrics=fid", "--extractor=c"], ["fid", "--extractor=c"]),
        (["--fake=b", "--real=a", "--weights=w", "--extractor=c"], ["--weights", "--extractor=c"]),
        (["--fake=b", "--real=a", "--metrics=fid", "--extractor=own"], ["--extractor=own"]),
        (["--fake=b", "--real=a", "--metrics=fd", "--extractor=off"], ["fd", "--extractor=off"]),
    ],
)
def test_a_wrong_line_is_one_line(failure, no_tensorflow, monkeypatch, tmp_path, flags, words):
    monkeypatch.chdir(tmp_path)
    error = failure(command, *flags)
    assert all(word in error for word in words)


@pytest.mark.parametrize("flags", [[], ["--metrics=fid", "--weights=none.pth"]])
def test_weights_that_are_not_there_are_named(folders, failure, monkeypatch, tmp_path, flags):
    monkeypatch.chdir(tmp_path)
    error = failure(command, "--real=real", "--fake=fake", *flags)
    assert ("none.pth" if flags else "data_prep/download.py inception") in error


@pytest.mark.parametrize("flag", ["output", "cache_dir"])
def test_a_file_in_place_of_a_folder_is_one_line(run, failure, no_tensorflow, tmp_path, flag):
    (tmp_path / "mine").write_text("mine")
    for given in ([f"--run_dir={run[0]}"], ["--real=a", "--fake=b"]):
        error = failure(command, *given, f"--{flag}={tmp_path / 'mine'}")
        assert f"--{flag}" in error and f"{tmp_path / 'mine'}" in error


@pytest.mark.parametrize("flag", ["weights", "extractor", "real"])
def test_wrong_files_are_refused_before_anything_is_measured(
    run, failure, no_tensorflow, tmp_path, flag
):
    (tmp_path / "wrong.pth").write_text("no weights")
    assert "wrong.pth" in failure(
        command, f"--run_dir={run[0]}", f"--{flag}={tmp_path / 'wrong.pth'}"
    )


@pytest.mark.parametrize(
    ("extractor", "name", "right"),
    [
        ("own", "fd_greyss", "fd_greys"),
        ("own", "precision_", "precision_greys"),
        ("own", "fd_inception", "fd_greys"),
        ("classifier", "fd_greys", "fd_mnist"),
        ("inception", "fd_inception", "fid"),
        ("inception", "recall_mnist", "recall"),
    ],
)
def test_a_metric_by_the_name_of_another_extractor_is_one_line(
    run, classifier, failure, no_tensorflow, monkeypatch, extractor, name, right
):
    monkeypatch.setattr(inception, "find", lambda path: "found.pth")
    monkeypatch.setattr(inception, "read_weights", lambda path: None)
    chosen = classifier if extractor == "classifier" else extractor
    given = (f"--run_dir={run[0]}", f"--extractor={chosen}", f"--metrics=is,{name}")
    error = failure(command, *given)
    assert "--metrics" in error and f"Received: {name}; did you mean {right}?" in error


def test_of_two_domains_each_has_an_extractor_of_its_own(
    begin_run, failure, no_tensorflow, tmp_path
):
    data = {"data_dir": "toy_fashion_64", "data_dir_b": "toy_fashion_shoes_64"}
    small = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
    begin_run(tmp_path / "run", "discogan", data, **small)
    error = failure(command, f"--run_dir={tmp_path / 'run'}", "--metrics=fd_toy,fd_toy_shoe")
    assert "toy or toy_shoes" in error and error.endswith("did you mean fd_toy_shoes?")


def test_images_of_another_size_than_the_classifier_takes(
    classifier, run_command, capsys, tmp_path
):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for n in range(2):
            Image.fromarray(np.zeros((30, 28), np.uint8)).save(tmp_path / name / f"{n}.png")
    given = (f"--real={tmp_path / 'a'}", f"--fake={tmp_path / 'b'}", f"--extractor={classifier}")
    assert run_command(command, *given, f"--cache_dir={tmp_path / 'kept'}") == 2
    error = capsys.readouterr().err
    assert "28x28" in error and "Received: 30x28" in error and error.count("\n") == 1


def test_data_without_labels_has_no_classifier_of_its_own(
    run, evaluate, run_command, capsys, tmp_path
):
    np.savez(tmp_path / "plain.npz", images=np.zeros((4, 28, 28), np.uint8))
    given = (f"--run_dir={run[0]}", f"--data_dir={tmp_path / 'plain.npz'}", "--num_fake=20")
    assert {line["metric"] for line in evaluate(*given)} == set(OWN)
    assert ": fd, kd, is" in evaluate.err and "--extractor" in evaluate.err
    assert run_command(command, *given, "--metrics=fd") == 2
    assert "--metrics: fd cannot be measured" in capsys.readouterr().err


def test_a_gan_that_translates_is_measured_by_what_it_makes(
    begin_run, save_classifier, evaluate, run_command, capsys, toy_bags, tmp_path
):
    known = save_classifier(tmp_path / "known", 32, 3, "toy_fashion", exclusive=False)
    small = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
    run = tmp_path / "runs" / "run"
    begin_run(run, "bicyclegan", {"data_dir": str(toy_bags)}, encoder_filters=2, **small)
    given = (f"--run_dir={run}", f"--extractor={known}")
    fd, spacing = evaluate(*given, "--metrics=fd,spacing", "--split=train", "--num_fake=30")
    assert (fd["metric"], fd["n_real"], fd["n_fake"]) == ("fd_toy", 12, 30)
    assert spacing["n_fake"] == 12
    # Of networks: how samples of one sketch differ, and whether parts are where they should be.
    counts = ("--sketches=4", "--samples=3")
    lines = evaluate(*given, "--metrics=perceptual,label_scores", *counts)
    lines = {line["metric"]: line for line in lines}
    assert list(lines) == [
        "diversity_pd_toy",
        "ratio_pd_toy",
        "seg_pixel_accuracy",
        "seg_class_accuracy",
        "seg_class_iou",
    ]
    diversity = lines["diversity_pd_toy"]
    assert diversity["pairs"] == 8
    assert lines["ratio_pd_toy"]["value"] == pytest.approx(
        diversity["value"] / diversity["reference"]
    )
    assert (tmp_path / "runs" / "segmenter_bags").is_dir()
    # Classes that do not exclude each other have no score.
    assert run_command(command, *given, "--metrics=is") == 2
    assert "is cannot be measured" in capsys.readouterr().err
    # Wrong files of LPIPS are refused before anything is measured.
    (tmp_path / "alex.pth").write_text("no weights")
    assert run_command(command, *given, f"--lpips={tmp_path / 'alex.pth'}") == 2
    out, err = capsys.readouterr()
    assert out == "" and "alex.pth" in err


def test_by_inception_the_numbers_have_their_usual_names(
    folders, classifier, evaluate, tmp_path, monkeypatch
):
    real, fake = folders
    ours, loaded = extractors.of_classifier(classifier), []
    ours.name = extractors.INCEPTION

    def load(path, resize):
        loaded.append((str(path), resize))
        return ours

    monkeypatch.setattr(inception, "find", lambda path: path or "data/found.pth")
    monkeypatch.setattr(inception, "read_weights", lambda path: None)
    monkeypatch.setattr(inception, "load", load)
    given = (f"--real={real}", f"--fake={fake}", f"--cache_dir={tmp_path / 'kept'}")
    lines = evaluate(*given, "--metrics=fid,kid,inception_score,prdc", "--resize=clean")
    assert [line["metric"] for line in lines] == [
        *("fid", "kid", "inception_score"),
        *("precision", "density", "recall", "coverage"),
    ]
    # Without --metrics two folders are compared by Inception too.
    assert evaluate(*given, "--weights=mine.pth")[0]["metric"] == "fid"
    assert loaded == [("data/found.pth", "clean"), ("mine.pth", "tf1")]
