"""What the training scripts of the GANs that begin with noise have in common, each crossed with
each: presets, data, resume to the byte, and what is left behind.

Runs of images are 2 epochs of 3 steps at 8x8, those of points 2 epochs of 4 calls of 2 steps.
"""

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
from gans.command_line import cli, command
from gans.data import points
from gans.training import callbacks, loop

# Flags that make the networks narrow: of all, of images, of points.
ADVERSARIES = "--generator_filters=2 --discriminator_filters=2"
CRITICS = "--generator_filters=2 --critic_filters=2 --n_critic=5"
NARROW = {
    "train_gan": ("--generator_units=4 --discriminator_units=4", "", ""),
    "train_dcgan": (ADVERSARIES, "", "--packing=2"),
    # Without the warm-up the generator has its turn at step 5, between the stop and the end; of
    # points it moves so far in a few turns that the two pictures differ.
    "train_wgan": (
        "--n_critic=5 --warm_up=false",
        "--generator_filters=2 --critic_filters=2",
        "--generator_filters=16 --critic_filters=16 --learning_rate=0.02 --clip=0.5",
    ),
    "train_wgan_gp": (CRITICS, "", ""),
    "train_cgan": (ADVERSARIES, "", ""),
    "train_matching_cgan": (ADVERSARIES, "", ""),
    "train_infogan": (f"{ADVERSARIES} --continuous=2", "--dense_units=4 --categories=3", ""),
}
SCRIPTS = tuple(NARROW)
LABELLED = ("train_cgan", "train_matching_cgan")
WITHOUT_LABELS = tuple(script for script in SCRIPTS if script not in (*LABELLED, "train_infogan"))
OF_IMAGES = (
    "--preset=toy --image_size=8 --image_channels=3 --latent_dim=3 --batch_size=4 --epochs=2 "
    "--decay_epochs=1 --log_every=1 --checkpoint_every=2"
)
OF_POINTS = (
    "--dataset=ring8 --batch_size=20 --epochs=2 --steps_per_epoch=8 --steps_per_call=2 "
    "--decay_epochs=1 --log_every=1 --checkpoint_every=6"
)
LACKING = {"train_wgan": ["--decay_epochs"], "train_infogan": ["--latent_dim"]}
NETWORKS = {script: {"generator", "discriminator"} for script in SCRIPTS} | {
    "train_wgan": {"generator", "critic"},
    "train_wgan_gp": {"generator", "critic"},
    "train_infogan": {"generator", "discriminator", "recognizer"},
}


@pytest.fixture
def no_tensorflow(monkeypatch):
    """Fails where TensorFlow would be imported: the seconds before that are the user's."""
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))


def narrow(script, data_dir=None):
    """Flags of a narrow run of images, or without a folder of points."""
    common = f"--data_dir={data_dir} {OF_IMAGES}" if data_dir else OF_POINTS
    if data_dir and script == "train_cgan":
        common += " --labels=hue"
    if data_dir and script == "train_matching_cgan":
        common += " --labels=hue,kind"
    of_all, of_images, of_points = NARROW[script]
    flags = f"{common} {of_all} {of_images if data_dir else of_points}".split()
    return [flag for flag in flags if flag.split("=")[0] not in LACKING.get(script, ())]


@pytest.fixture(scope="module")
def train(run_script):
    """Trains a narrow run, or goes on with it; returns the status."""

    def run(script, run_dir, *flags, data_dir=None):
        given = {flag.split("=")[0] for flag in flags}
        rest = [x for x in narrow(script, data_dir) if x.split("=")[0] not in given]
        return run_script(script, f"--run_dir={run_dir}", *rest, *flags)

    return run


@pytest.fixture(scope="module", params=SCRIPTS)
def of_images(request, train, toy_bags, tmp_path_factory):
    """A script, and its finished run of images, which is not to be changed."""
    run = tmp_path_factory.mktemp(request.param) / "run"
    assert train(request.param, run, data_dir=toy_bags) == 0
    return request.param, run


# One with dropout, one with a schedule, one with labels, one with codes.
@pytest.fixture(
    scope="module", params=["train_gan", "train_wgan", "train_matching_cgan", "train_infogan"]
)
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


def settings_of(run):
    return json.loads((run / "config.json").read_text())["settings"]


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
def dry_run(load_script, capsys, no_tensorflow):
    """What a script prints with `--dry_run`; as `run_script`, which has more to clear away."""

    def run(script, *flags):
        module = load_script(script)
        with pytest.raises(SystemExit) as exit_:
            composed = cli.compose(module.train, module.DESCRIPTION)
            cli.run(composed, ["--dry_run", *flags], prog=f"{script}.py")
        assert exit_.value.code == 0
        return json.loads(capsys.readouterr().out)

    return run


def constructor_of(about, preset, implied=()):
    """Every argument of a run that is not begun, as JSON knows it; the labels are the data's."""
    arguments = {p.name: p.default for p in about.parameters}
    arguments |= about.presets[preset] | dict(implied)
    if about.module in ("gans.cgan", "gans.matching_cgan"):
        arguments["label_dim"] = None
    return json.loads(json.dumps(arguments))


# Presets, and what the data implies.


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_preset_is_what_the_gans_file_says(
    dry_run, load_script, monkeypatch, tmp_path, script
):
    monkeypatch.chdir(tmp_path)
    about = load_script(script).DESCRIPTION
    training = command.read_literal(about.module, "TRAINING")
    assert list(about.presets) == ["toy", "article", "paper", "mnist", "points"]
    for preset in about.presets:
        points = ("--dataset=ring8",) * (preset == "points")
        settings = dry_run(script, f"--preset={preset}", *points)
        assert settings["constructor"] == constructor_of(about, preset)
        assert settings.items() >= json.loads(json.dumps(training[preset])).items()
        assert settings["steps_per_call"] == (100 if preset == "points" else 1)
        assert (settings["model"], settings["module"]) == (about.name, about.module)
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


@pytest.mark.parametrize("script", SCRIPTS)
def test_preset_and_sizes_are_those_of_the_data(dry_run, load_script, script):
    about = load_script(script).DESCRIPTION
    for flags, (preset, implied) in IMPLIED.items():
        settings = dry_run(script, *flags)
        assert settings["preset"] == preset
        assert settings["constructor"] == constructor_of(about, preset, implied)


@pytest.mark.parametrize(
    ("script", "columns"),
    [
        *((script, None) for script in WITHOUT_LABELS),
        ("train_cgan", ["hue"]),
        ("train_matching_cgan", ["hue", "kind"]),
        ("train_infogan", ["hue"]),
    ],
)
def test_the_labels_of_toy_fashion_are_no_other_datas(dry_run, script, columns):
    assert dry_run(script)["labels"] == columns
    assert dry_run(script, "--labels=kind")["labels"] == ["kind"]
    for flag in ("--dataset=mnist", "--dataset=ring8", "--data_dir=somewhere"):
        assert dry_run(script, flag)["labels"] is None


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_every_flag_of_the_gan(run_script, load_script, capsys, no_tensorflow, script):
    assert run_script(script, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: {script}.py ")
    for parameter in load_script(script).DESCRIPTION.parameters:
        assert f"--{parameter.name}" in shown
    for flag in ("--dataset", "--data_dir", "--labels", "--tags_csv", "--steps_per_call"):
        assert flag in shown
    assert ("--use_unlabelled" in shown) == (script == "train_matching_cgan")


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_data_toy_fashion_of_the_size_is_drawn(
    train, monkeypatch, tmp_path, toy_bags, script
):
    asked = []

    def default_set(size):
        asked.append(size)
        return str(toy_bags)

    monkeypatch.setattr(toy_fashion, "default_set", default_set)
    monkeypatch.setattr(loop, "train", lambda *_, **__: tmp_path)
    flags = [x for x in narrow(script, toy_bags) if not x.startswith(("--data_dir", "--labels"))]
    assert train(script, tmp_path / "run", "--dataset=toy_fashion", *flags) == 0
    assert asked == [8]
    assert settings_of(tmp_path / "run")["data_dir"] == str(toy_bags)


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
    script, whole = of_images
    with monkeypatch.context() as patch:
        stop_at(patch, 4)
        assert train(script, tmp_path / "run", data_dir=toy_bags) == 143
    assert not list((tmp_path / "run").glob("*.weights.h5"))
    assert train(script, tmp_path / "run", data_dir=toy_bags) == 0
    assert "going on after step 4 of 6" in capsys.readouterr().err
    assert results(tmp_path / "run") == results(whole)


def test_a_run_of_images_leaves_networks_grids_and_losses(of_images):
    script, run = of_images
    assert {path.name.split(".")[0] for path in run.glob("*.weights.h5")} == NETWORKS[script]
    assert not (run / "samples.gif").exists()
    # Labels in rows; real images with what is drawn of their tags; categories.
    rows = {"train_cgan": 12, "train_matching_cgan": 4, "train_infogan": 3}.get(script, 8)
    assert sorted(os.listdir(run / "samples")) == ["step-00000003.png", "step-00000006.png"]
    for path in (run / "samples").iterdir():
        with Image.open(path) as picture:
            assert picture.size == (8 * 10 + 2, rows * 10 + 2)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(np.isfinite(list(line.values())).all() for line in lines)
    if script in ("train_wgan", "train_wgan_gp"):
        # The generator's turn is after 5 steps of the critic; before, it has no loss.
        assert [line["g_loss"] != 0.0 for line in lines] == [False] * 4 + [True] * 2
        assert lines[4]["g_loss"] == lines[5]["g_loss"]


def test_the_settings_of_a_run_of_images_have_its_labels(of_images, toy_bags):
    script, run = of_images
    settings = settings_of(run)
    assert settings["data_dir"] == str(toy_bags)
    assert (settings["steps_per_epoch"], settings["steps_per_call"]) == (3, 1)
    assert "mixture" not in settings
    if script not in LABELLED:
        assert settings["constructor"].get("label_dim", 0) == 0
        assert "label_names" not in settings
        return
    names = settings["label_names"]
    assert settings["constructor"]["label_dim"] == len(names)
    assert names[:3] == ["red", "amber", "lime"]
    kinds = {"backpack", "bucket", "clutch", "hobo", "satchel", "tote"}
    assert set(names[12:]) <= kinds and bool(names[12:]) == (script == "train_matching_cgan")


def test_what_is_measured_of_images_is_in_tensorboard_with_each_grid(of_images):
    script, run = of_images
    names = {"realism", "sharpness", "diversity"}
    names |= {"colour_accuracy", "colour_far"} if script in LABELLED else set()
    if script == "train_infogan":
        names |= {"code_purity", "code_classes", "code_size", "code_brightness", "code_hue"}
    found = measured(run)
    assert sorted(found) == [3, 6]
    for numbers in found.values():
        assert numbers.keys() == names
        assert np.isfinite(list(numbers.values())).all()


def test_a_complete_run_says_so_and_changes_nothing(of_images, train, toy_bags, tmp_path, capsys):
    script, run = of_images
    if script != "train_gan":
        pytest.skip("the same code for all")
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    before = results(copy)
    assert train(script, copy, data_dir=toy_bags) == 0
    out, err = capsys.readouterr()
    assert f"{copy} is complete: 6 steps of 6" in err
    assert out == f"samples: {copy}/samples/step-00000006.png\n"
    assert results(copy) == before


# Runs of points.


def test_points_stopped_between_two_calls_end_with_the_bytes_of_a_whole_run(
    of_points, train, monkeypatch, tmp_path, capsys
):
    script, whole = of_points
    if script == "train_infogan":
        pytest.skip("nothing in it that images do not have")
    with monkeypatch.context() as patch:
        stop_at(patch, 12)
        assert train(script, tmp_path / "run") == 143
    assert not (tmp_path / "run" / "samples.gif").exists()
    assert train(script, tmp_path / "run") == 0
    out, err = capsys.readouterr()
    assert "going on after step 12 of 16" in err
    assert out.endswith(f"samples: {tmp_path}/run/samples.gif\n")
    assert results(tmp_path / "run") == results(whole)


def test_a_run_of_points_leaves_networks_pictures_and_a_film(of_points):
    script, run = of_points
    assert {path.name.split(".")[0] for path in run.glob("*.weights.h5")} == NETWORKS[script]
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
    script, run = of_points
    settings = settings_of(run)
    assert (settings["preset"], settings["constructor"]["data"]) == ("points", "points")
    assert (settings["steps_per_epoch"], settings["steps_per_call"]) == (8, 2)
    ring = points.mixture("ring8")
    assert settings["mixture"] == {"centres": ring.centres.tolist(), "sigma": 0.01}
    if script in LABELLED:
        assert settings["label_names"] == [f"mode {mode}" for mode in range(8)]
        assert settings["constructor"]["label_dim"] == 8


def test_what_is_measured_of_points_is_in_tensorboard_with_each_picture(of_points):
    script, run = of_points
    names = {"modes", "high_quality", "reverse_kl"}
    names |= {"label_accuracy"} if script in LABELLED else set()
    names |= {"code_purity", "code_classes"} if script == "train_infogan" else set()
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
    assert train("train_matching_cgan", run, "--labels=none", data_dir=faces) == 0
    assert capsys.readouterr().err == (
        "2 of 12 images have no tags, left out; "
        "train_matching_cgan.py --use_unlabelled uses them as unmatched reals\n"
    )
    settings = settings_of(run)
    assert (settings["label_names"], settings["steps_per_epoch"]) == (TAGS, 2)
    assert settings["use_unlabelled"] is False


def test_images_without_tags_may_be_used(train, faces, tmp_path, capsys):
    run = tmp_path / "run"
    flags = ("--labels=none", "--use_unlabelled", "--epochs=1", "--decay_epochs=0")
    assert train("train_matching_cgan", run, *flags, data_dir=faces) == 0
    assert capsys.readouterr().err == ""
    settings = settings_of(run)
    assert (settings["label_names"], settings["constructor"]["label_dim"]) == (TAGS, 5)
    assert (settings["steps_per_epoch"], settings["use_unlabelled"]) == (3, True)
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert all(np.isfinite(list(json.loads(line).values())).all() for line in lines)
    # 8 real images, each with 7 of its tags.
    with Image.open(run / "samples" / "step-00000003.png") as picture:
        assert picture.size == (82, 82)
    (numbers,) = measured(run).values()
    assert numbers.keys() == {"realism", "sharpness", "diversity"}


def test_tags_may_be_in_another_file(train, faces, monkeypatch, tmp_path):
    monkeypatch.setattr(loop, "train", lambda *_, **__: tmp_path)
    (faces / "tags.csv").rename(tmp_path / "words.csv")
    run = tmp_path / "run"
    flags = ("--labels=none", f"--tags_csv={tmp_path}/words.csv")
    assert train("train_matching_cgan", run, *flags, data_dir=faces) == 0
    assert settings_of(run)["tags_csv"] == f"{tmp_path}/words.csv"
    assert len(settings_of(run)["label_names"]) == 5


def test_supervised_infogan_learns_the_labels_of_the_data(train, toy_bags, tmp_path):
    run = tmp_path / "run"
    flags = ("--supervised", "--categories=12", "--epochs=1", "--decay_epochs=0")
    assert train("train_infogan", run, *flags, "--labels=hue", data_dir=toy_bags) == 0
    settings = settings_of(run)
    assert (settings["constructor"]["label_dim"], len(settings["label_names"])) == (12, 12)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < line["supervised_loss"] < 10 for line in lines)


@pytest.mark.parametrize(
    ("script", "flags"),
    [("train_cgan", ()), ("train_infogan", ("--supervised", "--categories=5"))],
)
def test_several_labels_of_an_image_are_refused_where_it_must_have_one(
    train, faces, tmp_path, capsys, script, flags
):
    flags = (*flags, "--labels=none", "--epochs=1", "--decay_epochs=0")
    assert train(script, tmp_path / "run", *flags, data_dir=faces) == 2
    assert "expected one label for each image; train_matching_cgan.py takes several. " in (
        error := capsys.readouterr().err
    )
    assert "Received: of 00002.png blue eyes, red hair" in error
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
    assert dry_run("train_dcgan", *flags)["run_dir"] == folder


def test_a_word_without_a_flag_is_no_folder(run_script, no_tensorflow, tmp_path, capsys):
    for word, hint in [("ring8", ""), ("dataset=ring8", "; did you mean --dataset?")]:
        assert run_script("train_gan", word) == 2
        assert capsys.readouterr().err == f"error: unexpected argument {word!r}{hint}\n"


# What no run can be made of.


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        (
            "train_gan",
            ("--steps_per_epoch=8", "--steps_per_call=3"),
            "--steps_per_call expects a divisor of the 8 steps of an epoch. Received: 3",
        ),
        ("train_wgan", ("--steps_per_call=0",), "--steps_per_call expects at least 1. Received: 0"),
        (
            "train_cgan",
            ("--dataset=swissroll",),
            "expected a data set with modes as labels. Received: swissroll",
        ),
        (
            "train_infogan",
            ("--supervised", "--categories=3"),
            "`categories` must be the 8 classes of the data with `supervised`. Received: 3",
        ),
        (
            "train_cgan",
            ("--network=convolutional",),
            "`network` must be 'mlp' or 'paper' on points. Received: convolutional",
        ),
        ("train_wgan_gp", ("--flip",), "--flip expects images. Received: --dataset=ring8"),
        (
            "train_wgan",
            ("--data=images",),
            "expected a GAN of points, which the data holds. Received: --data=images",
        ),
        (
            "train_dcgan",
            ("--evaluate_every=1",),
            "--evaluate_every expects images. Received: points",
        ),
        (
            "train_dcgan",
            ("--extractor=inception",),
            "--extractor=inception expects --evaluate_every. Received: none",
        ),
        (
            "train_dcgan",
            ("--packing=3",),
            "--batch_size expects a multiple of --packing=3. Received: 20",
        ),
        (
            "train_gan",
            ("--optimizer=sgd", "--decay_epochs=1"),
            "`decay_epochs` must be 0 with optimizer='sgd', whose rate shrinks by itself. "
            "Received: 1",
        ),
    ],
)
def test_what_contradicts_is_one_line_and_makes_no_folder(
    train, tmp_path, capsys, script, flags, message
):
    assert train(script, tmp_path / "run", *flags) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        (
            "train_dcgan",
            ("--image_size=30",),
            "`image_size` must be 4, 5, 6 or 7 times a power of two, from 8 to 3584. Received: 30",
        ),
        (
            "train_infogan",
            ("--supervised",),
            "`categories` must be the 12 classes of the data with `supervised`. Received: 3",
        ),
        (
            "train_cgan",
            ("--label_dim=7",),
            "expected --label_dim=12, which the data has labels for, or none. Received: 7",
        ),
        (
            "train_gan",
            ("--batch_size=13",),
            "expected at least 13 images, the batch size. Received: 12; lower --batch_size",
        ),
        (
            "train_infogan",
            ("--preset=points",),
            "expected a GAN of images, which the data holds. Received: --preset=points",
        ),
    ],
)
def test_images_that_do_not_fit_are_one_line_and_make_no_folder(
    train, toy_bags, tmp_path, capsys, script, flags, message
):
    assert train(script, tmp_path / "run", *flags, data_dir=toy_bags) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert os.listdir(tmp_path) == []
