"""What the trainings of the GANs that start from noise have in common, each crossed with each:
presets, data, resume to the byte, and what is left behind.

Runs of images are 2 epochs of 3 steps at 8x8, those of points 2 epochs of 4 calls of 2 steps.
"""

import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep import toy_fashion
from gans.command_line import gan_files
from gans.commands import train as train_command
from gans.data import points
from gans.training import callbacks, loop

pytestmark = pytest.mark.usefixtures("other_tests_unchanged")

# Flags that make the networks narrow: of all, of images, of points.
ADVERSARIES = "--generator_filters=2 --discriminator_filters=2"
CRITICS = "--generator_filters=2 --critic_filters=2 --n_critic=5"
NARROW = {
    "gan": ("--generator_units=4 --discriminator_units=4", "", ""),
    "dcgan": (ADVERSARIES, "", "--packing=2"),
    # Without the warm-up the generator has its turn at step 5, between the stop and the end; of
    # points it moves so far in a few turns that the two pictures differ.
    "wgan": (
        "--n_critic=5 --warm_up=false",
        "--generator_filters=2 --critic_filters=2",
        "--generator_filters=16 --critic_filters=16 --learning_rate=0.02 --clip=0.5",
    ),
    "wgan_gp": (CRITICS, "", ""),
    "cgan": (ADVERSARIES, "", ""),
    "matching_cgan": (ADVERSARIES, "", ""),
    "infogan": (f"{ADVERSARIES} --continuous=2", "--dense_units=4 --categories=3", ""),
}
GANS = tuple(NARROW)
LABELLED = ("cgan", "matching_cgan")
OF_IMAGES = (
    "--preset=toy --image_size=8 --image_channels=3 --latent_dim=3 --batch_size=4 --epochs=2 "
    "--decay_epochs=1 --log_every=1 --checkpoint_every=2"
)
OF_POINTS = (
    "--dataset=ring8 --batch_size=20 --epochs=2 --steps_per_epoch=8 --steps_per_call=2 "
    "--decay_epochs=1 --log_every=1 --checkpoint_every=6"
)
LACKING = {"wgan": ["--decay_epochs"], "infogan": ["--latent_dim"]}
NETWORKS = {gan: {"generator", "discriminator"} for gan in GANS} | {
    "wgan": {"generator", "critic"},
    "wgan_gp": {"generator", "critic"},
    "infogan": {"generator", "discriminator", "recognizer"},
}


def narrow(gan, data_dir=None):
    """Flags of a narrow run of images, or without a folder of points."""
    common = f"--data_dir={data_dir} {OF_IMAGES}" if data_dir else OF_POINTS
    if data_dir and gan == "cgan":
        common += " --labels=hue"
    if data_dir and gan == "matching_cgan":
        common += " --labels=hue,kind"
    of_all, of_images, of_points = NARROW[gan]
    flags = f"{common} {of_all} {of_images if data_dir else of_points}".split()
    return [flag for flag in flags if flag.split("=")[0] not in LACKING.get(gan, ())]


@pytest.fixture(scope="module")
def train(run_training):
    """Trains a narrow run, or goes on with it; returns the status."""

    def run(gan, run_dir, *flags, data_dir=None):
        given = {flag.split("=")[0] for flag in flags}
        rest = [x for x in narrow(gan, data_dir) if x.split("=")[0] not in given]
        return run_training(gan, f"--run_dir={run_dir}", *rest, *flags)

    return run


@pytest.fixture(scope="module", params=GANS)
def of_images(request, train, toy_bags, tmp_path_factory):
    """A gan, and its finished run of images, which is not to be changed."""
    run = tmp_path_factory.mktemp(request.param) / "run"
    assert train(request.param, run, data_dir=toy_bags) == 0
    return request.param, run


# One with dropout, one with a schedule, one with labels, one with codes.
@pytest.fixture(scope="module", params=["gan", "wgan", "matching_cgan", "infogan"])
def of_points(request, train, tmp_path_factory):
    """The same of points."""
    run = tmp_path_factory.mktemp(request.param) / "run"
    assert train(request.param, run) == 0
    return request.param, run


def results(run):
    """Every byte that a run is for: checkpoints, networks, pictures and metrics."""
    patterns = ("checkpoints/*/*", "samples/*", "*.weights.h5", "metrics.jsonl", "samples.gif")
    paths = [path for pattern in patterns for path in run.glob(pattern)]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def assert_one_line(capsys, *told):
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    assert all(words in err for words in told), err


def settings_of(run):
    return json.loads((run / "config.json").read_text())["run"]


def measured(run):
    """Numbers of the TensorBoard events by step and name."""
    found = {}
    for path in (run / "logs").glob("events.out.tfevents.*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                if value.tag.startswith("measured/"):
                    numbers = found.setdefault(event.step, {})
                    numbers[value.tag.partition("/")[2]] = float(tf.make_ndarray(value.tensor))
    return found


@pytest.fixture
def dry_run(run_command, capsys, no_tensorflow):
    """What a training prints with `--dry_run`; as `run_training`, which has more to clear away."""

    def run(gan, *flags):
        assert run_command(train_command.command_of(gan), "--dry_run", *flags) == 0
        return json.loads(capsys.readouterr().out)

    return run


def settings_by(gan, preset, implied=()):
    """Every setting of a run that is not begun, as JSON knows it."""
    file = gan_files.read(gan)
    settings = file.settings(**file.presets[preset] | dict(implied))
    return json.loads(json.dumps(dataclasses.asdict(settings)))


# Presets, and what the data implies.


@pytest.mark.parametrize("gan", GANS)
def test_every_preset_is_what_the_gans_file_says(dry_run, monkeypatch, tmp_path, gan):
    monkeypatch.chdir(tmp_path)
    file = gan_files.read(gan)
    assert list(file.presets) == ["toy", "article", "paper", "mnist", "points"]
    for preset in file.presets:
        points = ("--dataset=ring8",) * (preset == "points")
        run = dry_run(gan, f"--preset={preset}", *points)
        assert run["settings"] == settings_by(gan, preset)
        assert run.items() >= file.training[preset].items()
        assert run["steps_per_call"] == (100 if preset == "points" else 1)
        assert run["gan"] == gan
    assert os.listdir(tmp_path) == []


IMPLIED = {
    (): ("toy", {}),
    ("--dataset=toy_fashion",): ("toy", {}),
    ("--data_dir=somewhere",): ("article", {}),
    ("--data_dir=a.npz", "--preset=mnist"): ("mnist", {}),
    ("--dataset=mnist",): ("mnist", {"image_size": 28, "image_channels": 1}),
    ("--dataset=fashion_mnist",): ("mnist", {"image_size": 28, "image_channels": 1}),
    ("--dataset=stacked_mnist",): ("mnist", {"image_size": 28, "image_channels": 3}),
    ("--dataset=cifar10",): ("article", {"image_size": 32, "image_channels": 3}),
    ("--dataset=celeb_a",): ("article", {"image_size": 64, "image_channels": 3}),
    ("--dataset=svhn_cropped",): ("article", {}),
    ("--dataset=ring8",): ("points", {"data": "points"}),
    ("--dataset=swissroll", "--preset=article"): ("article", {"data": "points"}),
    # What the user says is over what the data implies.
    ("--dataset=mnist", "--image_size=32", "--preset=paper"): (
        "paper",
        {"image_size": 32, "image_channels": 1},
    ),
}


@pytest.mark.parametrize("gan", GANS)
def test_preset_and_sizes_are_those_of_the_data(dry_run, gan):
    for flags, (preset, implied) in IMPLIED.items():
        run = dry_run(gan, *flags)
        assert run["preset"] == preset
        assert run["settings"] == settings_by(gan, preset, implied)


@pytest.mark.parametrize("gan", GANS)
def test_the_labels_of_toy_fashion_are_no_other_datas(dry_run, gan):
    columns = {"cgan": ["hue"], "matching_cgan": ["hue", "kind"], "infogan": ["hue"]}
    assert dry_run(gan)["data"].get("labels") == columns.get(gan)
    assert dry_run(gan, "--labels=kind")["data"]["labels"] == ["kind"]
    for flag in ("--dataset=mnist", "--dataset=ring8", "--data_dir=somewhere"):
        assert "labels" not in dry_run(gan, flag)["data"]


@pytest.mark.parametrize("gan", GANS)
def test_help_names_every_flag_of_the_gan(run_training, capsys, no_tensorflow, gan):
    assert run_training(gan, "--help") == 0
    shown = capsys.readouterr().out
    for name, meaning in gan_files.read(gan).meanings.items():
        assert f"--{name}" in shown and meaning.split()[0] in shown
    for flag in ("--dataset", "--data_dir", "--labels", "--tags_csv", "--steps_per_call"):
        assert flag in shown
    assert ("--use_unlabelled" in shown) == (gan == "matching_cgan")


@pytest.mark.parametrize("gan", GANS)
def test_without_data_toy_fashion_of_the_size_is_drawn(train, monkeypatch, tmp_path, toy_bags, gan):
    asked = []

    def default_set(size):
        asked.append(size)
        return str(toy_bags)

    monkeypatch.setattr(toy_fashion, "default_set", default_set)
    monkeypatch.setattr(loop, "train", lambda *_, **__: tmp_path)
    flags = [x for x in narrow(gan, toy_bags) if not x.startswith(("--data_dir", "--labels"))]
    assert train(gan, tmp_path / "run", "--dataset=toy_fashion", *flags) == 0
    assert asked == [8]
    assert settings_of(tmp_path / "run")["data"]["data_dir"] == str(toy_bags)


# Runs of images.


def stop_at(monkeypatch, step):
    on_step = callbacks.StopOnSignal.on_step

    def stop(callback, now, losses):
        callback.received = signal.SIGTERM if now == step else None
        on_step(callback, now, losses)

    monkeypatch.setattr(callbacks.StopOnSignal, "on_step", stop)


def test_images_stopped_in_an_epoch_end_with_the_bytes_of_a_whole_run(
    of_images, train, toy_bags, monkeypatch, tmp_path, capsys
):
    gan, whole = of_images
    with monkeypatch.context() as patch:
        stop_at(patch, 4)
        assert train(gan, tmp_path / "run", data_dir=toy_bags) == 143
    assert not list((tmp_path / "run").glob("*.weights.h5"))
    assert train(gan, tmp_path / "run", data_dir=toy_bags) == 0
    assert "going on after step 4 of 6" in capsys.readouterr().err
    assert results(tmp_path / "run") == results(whole)


def test_a_run_of_images_leaves_networks_grids_and_losses(of_images):
    gan, run = of_images
    assert {path.name.split(".")[0] for path in run.glob("*.weights.h5")} == NETWORKS[gan]
    assert not (run / "samples.gif").exists()
    # Labels in rows; real images with what is drawn of their tags; categories.
    rows = {"cgan": 12, "matching_cgan": 4, "infogan": 3}.get(gan, 8)
    assert sorted(os.listdir(run / "samples")) == ["step-00000003.png", "step-00000006.png"]
    for path in (run / "samples").iterdir():
        # Images of 8 pixels are shown at eight times their size.
        with Image.open(path) as picture:
            assert picture.size == (8 * 66 + 2, rows * 66 + 2)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(np.isfinite(list(line.values())).all() for line in lines)
    if gan in ("wgan", "wgan_gp"):
        # The generator's turn is after 5 steps of the critic; before, it has no loss.
        assert [line["g_loss"] != 0.0 for line in lines] == [False] * 4 + [True] * 2
        assert lines[4]["g_loss"] == lines[5]["g_loss"]


def test_the_settings_of_a_run_of_images_have_its_labels(of_images, toy_bags):
    gan, run = of_images
    begun = settings_of(run)
    data = begun["data"]
    assert data["data_dir"] == str(toy_bags)
    assert (begun["steps_per_epoch"], begun["steps_per_call"]) == (3, 1)
    assert "mixture" not in data
    if gan not in LABELLED:
        assert begun["settings"].get("label_dim", 0) == 0 and "label_names" not in data
        return
    names = data["label_names"]
    assert begun["settings"]["label_dim"] == len(names)
    assert names[:3] == ["red", "amber", "lime"]
    kinds = {"backpack", "bucket", "clutch", "hobo", "satchel", "tote"}
    assert set(names[12:]) <= kinds and bool(names[12:]) == (gan == "matching_cgan")


def test_what_is_measured_of_images_is_in_tensorboard_with_each_grid(of_images):
    gan, run = of_images
    names = {"realism", "sharpness", "diversity"}
    names |= {"colour_accuracy", "colour_far"} if gan in LABELLED else set()
    if gan == "infogan":
        names |= {"code_purity", "code_classes", "code_size", "code_brightness", "code_hue"}
    found = measured(run)
    assert sorted(found) == [3, 6]
    for numbers in found.values():
        assert numbers.keys() == names
        assert np.isfinite(list(numbers.values())).all()


def test_a_complete_run_says_so_and_changes_nothing(of_images, train, toy_bags, tmp_path, capsys):
    gan, run = of_images
    if gan != "gan":
        pytest.skip("the same code for all")
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    before = results(copy)
    assert train(gan, copy, data_dir=toy_bags) == 0
    out, err = capsys.readouterr()
    assert f"{copy} is complete: 6 steps of 6" in err
    assert out == f"samples: {copy}/samples/step-00000006.png\n"
    assert results(copy) == before


# Runs of points.


def test_points_stopped_between_two_calls_end_with_the_bytes_of_a_whole_run(
    of_points, train, monkeypatch, tmp_path, capsys
):
    gan, whole = of_points
    if gan == "infogan":
        pytest.skip("nothing in it that images do not have")
    with monkeypatch.context() as patch:
        stop_at(patch, 12)
        assert train(gan, tmp_path / "run") == 143
    assert not (tmp_path / "run" / "samples.gif").exists()
    assert train(gan, tmp_path / "run") == 0
    out, err = capsys.readouterr()
    assert "going on after step 12 of 16" in err
    assert out.endswith(f"samples: {tmp_path}/run/samples.gif\n")
    assert results(tmp_path / "run") == results(whole)


def test_a_run_of_points_leaves_networks_pictures_and_a_film(of_points):
    gan, run = of_points
    assert {path.name.split(".")[0] for path in run.glob("*.weights.h5")} == NETWORKS[gan]
    assert sorted(os.listdir(run / "samples")) == ["step-00000008.png", "step-00000016.png"]
    frames = []
    with Image.open(run / "samples.gif") as film:
        for index in range(film.n_frames):
            film.seek(index)
            frames.append(np.asarray(film.convert("RGB"), np.int16))
    assert [frame.shape for frame in frames] == [(384, 384, 3)] * 2
    for name, frame in zip(sorted(os.listdir(run / "samples")), frames, strict=True):
        with Image.open(run / "samples" / name) as picture:
            assert np.abs(np.asarray(picture, np.int16) - frame).mean() < 6  # Of 256 colours.
    steps = [json.loads(x)["step"] for x in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6, 8, 10, 12, 14, 16]
    assert sorted(os.listdir(run / "checkpoints")) == [f"step-{s:08}" for s in (6, 12, 16)]


def test_the_settings_of_a_run_of_points_have_its_mixture(of_points):
    gan, run = of_points
    begun = settings_of(run)
    assert (begun["preset"], begun["settings"]["data"]) == ("points", "points")
    assert (begun["steps_per_epoch"], begun["steps_per_call"]) == (8, 2)
    ring = points.mixture("ring8")
    assert begun["data"]["mixture"] == {"centres": ring.centres.tolist(), "sigma": 0.01}
    if gan in LABELLED:
        assert begun["data"]["label_names"] == [f"mode {mode}" for mode in range(8)]
        assert begun["settings"]["label_dim"] == 8


def test_what_is_measured_of_points_is_in_tensorboard_with_each_picture(of_points):
    gan, run = of_points
    names = {"modes", "high_quality", "reverse_kl"}
    names |= {"label_accuracy"} if gan in LABELLED else set()
    names |= {"code_purity", "code_classes"} if gan == "infogan" else set()
    found = measured(run)
    assert sorted(found) == [8, 16]
    for numbers in found.values():
        assert numbers.keys() >= {"modes", "high_quality", "reverse_kl"}
        assert numbers.keys() <= names
        assert 0 <= numbers["modes"] <= 8 and 0 <= numbers["high_quality"] <= 1


# Labels of one's own.


@pytest.fixture
def faces(toy_bags, tmp_path):
    """12 images, 10 of which have tags."""
    folder = Path(shutil.copytree(toy_bags / "train", tmp_path / "faces"))
    tags = ["red hair blue eyes", "red hair green eyes", "blonde hair, smile"]
    # Toy fashion counts its images from 0 on.
    names = sorted(path.stem for path in folder.iterdir())[2:]
    lines = [f'{name},"{tags[index % 3]}"\n' for index, name in enumerate(names)]
    (folder / "tags.csv").write_text("".join(lines))
    return folder


TAGS = ["blonde hair", "blue eyes", "green eyes", "red hair", "smile"]


def test_images_without_tags_are_left_out_and_counted(train, faces, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(loop, "train", lambda *_, **__: tmp_path)
    run = tmp_path / "run"
    assert train("matching_cgan", run, "--labels=none", data_dir=faces) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "2 of 12 images have no tags" in error
    assert "--use_unlabelled" in error
    begun = settings_of(run)
    assert (begun["data"]["label_names"], begun["steps_per_epoch"]) == (TAGS, 2)
    assert begun["data"]["use_unlabelled"] is False


def test_images_without_tags_may_be_used(train, faces, tmp_path, capsys):
    run = tmp_path / "run"
    flags = ("--labels=none", "--use_unlabelled", "--epochs=1", "--decay_epochs=0")
    assert train("matching_cgan", run, *flags, data_dir=faces) == 0
    assert capsys.readouterr().err == ""
    begun = settings_of(run)
    assert (begun["data"]["label_names"], begun["settings"]["label_dim"]) == (TAGS, 5)
    assert (begun["steps_per_epoch"], begun["data"]["use_unlabelled"]) == (3, True)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert all(np.isfinite(list(json.loads(line).values())).all() for line in lines)
    # 8 real images, each with 7 of its tags.
    with Image.open(run / "samples" / "step-00000003.png") as picture:
        assert picture.size == (8 * 66 + 2, 8 * 66 + 2)
    (numbers,) = measured(run).values()
    assert numbers.keys() == {"realism", "sharpness", "diversity"}


def test_tags_may_be_in_another_file(train, faces, monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "train", lambda *_, **__: tmp_path)
    (faces / "tags.csv").rename(tmp_path / "words.csv")
    run = tmp_path / "run"
    flags = ("--labels=none", f"--tags_csv={tmp_path}/words.csv")
    assert train("matching_cgan", run, *flags, data_dir=faces) == 0
    data = settings_of(run)["data"]
    assert data["tags_csv"] == f"{tmp_path}/words.csv" and len(data["label_names"]) == 5


def test_supervised_infogan_learns_the_labels_of_the_data(train, toy_bags, tmp_path):
    run = tmp_path / "run"
    flags = ("--supervised", "--categories=12", "--epochs=1", "--decay_epochs=0")
    assert train("infogan", run, *flags, "--labels=hue", data_dir=toy_bags) == 0
    begun = settings_of(run)
    assert (begun["settings"]["label_dim"], len(begun["data"]["label_names"])) == (12, 12)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < line["supervised_loss"] < 10 for line in lines)


@pytest.mark.parametrize(
    ("gan", "flags"),
    [("cgan", ()), ("infogan", ("--supervised", "--categories=5"))],
)
def test_several_labels_of_an_image_are_refused_where_it_must_have_one(
    train, faces, tmp_path, capsys, gan, flags
):
    flags = (*flags, "--labels=none", "--epochs=1", "--decay_epochs=0")
    assert train(gan, tmp_path / "run", *flags, data_dir=faces) == 2
    error = capsys.readouterr().err
    assert "one label" in error and "00002.png blue eyes, red hair" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "folder"),
    [
        ((), "runs/dcgan"),
        (("--preset=paper", "--seed=3"), "runs/dcgan"),
        (("--dataset=ring8",), "runs/dcgan_ring8"),
        (("--dataset=lsun/church:0.1.0",), "runs/dcgan_church"),
        (("--data_dir=my/cats.v2/",), "runs/dcgan_cats.v2"),
        (("--data_dir=my/digits.npz",), "runs/dcgan_digits"),
        (("--dataset=ring8", "--run_dir=mine"), "mine"),
    ],
)
def test_runs_on_different_data_have_folders_of_their_own(dry_run, flags, folder):
    assert dry_run("dcgan", *flags)["run_dir"] == folder


def test_a_word_without_a_flag_is_no_folder(run_training, no_tensorflow, tmp_path, capsys):
    for word, hint in [("ring8", ""), ("dataset=ring8", "; did you mean --dataset?")]:
        assert run_training("gan", word) == 2
        assert capsys.readouterr().err == f"error: unexpected argument {word!r}{hint}\n"


# What no run can be made of.


@pytest.mark.parametrize(
    ("gan", "flags", "told"),
    [
        ("gan", ("--steps_per_epoch=8", "--steps_per_call=3"), ("--steps_per_call", "8", "3")),
        ("wgan", ("--steps_per_call=0",), ("--steps_per_call", "0")),
        ("cgan", ("--dataset=swissroll",), ("modes as labels", "swissroll")),
        ("infogan", ("--supervised", "--categories=3"), ("categories", "8 classes", "3")),
        ("cgan", ("--network=convolutional",), ("network", "points", "convolutional")),
        ("wgan_gp", ("--flip",), ("--flip", "ring8")),
        ("wgan", ("--data=images",), ("points", "--data=images")),
        ("dcgan", ("--evaluate_every=1",), ("--evaluate_every", "points")),
        ("dcgan", ("--extractor=inception",), ("--extractor", "--evaluate_every")),
        ("dcgan", ("--packing=3",), ("batch_size", "packing", "20")),
        ("gan", ("--optimizer=sgd", "--decay_epochs=1"), ("decay_epochs", "sgd", "1")),
    ],
)
def test_what_contradicts_is_one_line_and_makes_no_folder(
    train, tmp_path, capsys, gan, flags, told
):
    assert train(gan, tmp_path / "run", *flags) == 2
    assert_one_line(capsys, *told)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("gan", "flags", "told"),
    [
        ("dcgan", ("--image_size=30",), ("image_size", "30")),
        ("infogan", ("--supervised", "--labels=hue"), ("categories", "12 classes", "3")),
        ("cgan", ("--label_dim=7",), ("--label_dim", "12", "7")),
        ("gan", ("--batch_size=13",), ("13 images", "12", "--batch_size")),
        ("infogan", ("--preset=points",), ("images", "--preset=points")),
    ],
)
def test_images_that_do_not_fit_are_one_line_and_make_no_folder(
    train, toy_bags, tmp_path, capsys, gan, flags, told
):
    assert train(gan, tmp_path / "run", *flags, data_dir=toy_bags) == 2
    assert_one_line(capsys, *told)
    assert os.listdir(tmp_path) == []
