"""What the training scripts of pix2pix, CycleGAN and DiscoGAN have in common, each crossed with
each: presets, data, resume to the byte, and what is left behind.
"""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion
from gans.command_line import command
from gans.training import callbacks, loop

SCRIPTS = ("train_pix2pix", "train_cyclegan", "train_discogan")
SHORT = (
    "--preset=toy",
    "--image_size=32",
    "--generator_filters=2",
    "--discriminator_filters=2",
    "--batch_size=4",
    "--epochs=2",
    "--steps_per_epoch=3",
    "--log_every=1",
    "--checkpoint_every=2",
)
NARROW = {
    "train_pix2pix": ("--latent_dim=2", "--norm=batch"),
    "train_cyclegan": ("--pool_size=3", "--decay_epochs=1"),
    "train_discogan": ("--pool_size=3", "--epoch_step=1"),
}
NETWORKS = {
    "train_pix2pix": {"generator"},
    "train_cyclegan": {"generator_ab", "generator_ba"},
    "train_discogan": {"generator_ab", "generator_ba"},
}


@pytest.fixture
def no_tensorflow(monkeypatch):
    """Fails where TensorFlow would be imported: the seconds before that are the user's."""
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))


@pytest.fixture
def train(run_script, toy_bags, tmp_path):
    """Trains a narrow run of 2 epochs of 3 steps, or goes on with it; returns the status."""

    def run(script, *flags, run_dir=tmp_path / "run"):
        given = {flag.split("=")[0] for flag in flags}
        rest = [flag for flag in (*SHORT, *NARROW[script]) if flag.split("=")[0] not in given]
        return run_script(script, f"--data_dir={toy_bags}", f"--run_dir={run_dir}", *rest, *flags)

    return run


def results(run):
    """Every byte that a run is for: checkpoints, networks, pictures and metrics."""
    patterns = ("checkpoints/*/*", "samples/*", "*.weights.h5", "metrics.jsonl")
    paths = [path for pattern in patterns for path in run.glob(pattern)]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_preset_is_what_the_gans_file_says(
    run_script, load_script, capsys, no_tensorflow, monkeypatch, tmp_path, script
):
    monkeypatch.chdir(tmp_path)
    about = load_script(script).DESCRIPTION
    training = command.read_literal(about.module, "TRAINING")
    for preset, arguments in about.presets.items():
        assert run_script(script, "--dry_run", f"--preset={preset}") == 0
        settings = json.loads(capsys.readouterr().out)
        expected = {p.name: p.default for p in about.parameters} | arguments
        assert settings["constructor"] == expected
        assert settings.items() >= training[preset].items()
        assert (settings["model"], settings["module"]) == (about.name, about.module)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_run_stopped_in_an_epoch_ends_with_the_bytes_of_one_that_was_not(
    train, monkeypatch, tmp_path, capsys, script
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert train(script, run_dir=whole) == 0

    on_step = callbacks.StopOnSignal.on_step

    def stop_at_4(callback, step, losses):
        callback.received = signal.SIGTERM if step == 4 else None
        on_step(callback, step, losses)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.StopOnSignal, "on_step", stop_at_4)
        assert train(script, run_dir=stopped) == 143
    assert train(script, run_dir=stopped) == 0
    assert "going on after step 4 of 6" in capsys.readouterr().err
    assert results(stopped) == results(whole)
    assert {path.name.split(".")[0] for path in whole.glob("*.weights.h5")} == NETWORKS[script]
    assert len((whole / "metrics.jsonl").read_text().splitlines()) == 6
    with Image.open(whole / "samples" / "step-00000006.png") as picture:
        # A row for each held-out pair.
        assert picture.size == (6 * 34 + 2, 4 * 34 + 2)

    before = results(whole)
    assert train(script, run_dir=whole) == 0
    assert "is complete: 6 steps of 6" in capsys.readouterr().err
    assert results(whole) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_other_direction_exchanges_the_two_sides(train, monkeypatch, toy_bags, script):
    previews = []
    monkeypatch.setattr(
        loop, "train", lambda *_, preview_batch, **__: previews.append(preview_batch)
    )
    assert train(script) == 0
    assert train(script, "--direction=b_to_a") == 2  # The run is of the other direction.
    assert train(script, "--direction=b_to_a", run_dir=toy_bags.parent / f"b-{script}") == 0
    (images_a, images_b), (swapped_a, swapped_b) = previews
    np.testing.assert_array_equal(images_a, swapped_b)
    np.testing.assert_array_equal(images_b, swapped_a)
    assert not np.array_equal(images_a, images_b)


@pytest.mark.parametrize(
    ("script", "flags", "drawn"),
    [
        ("train_pix2pix", (), ["bags"]),
        ("train_cyclegan", (), ["bags"]),
        ("train_cyclegan", ("--domains=bag2shoe",), ["bags", "shoes"]),
        ("train_discogan", (), ["bags", "shoes"]),
        ("train_discogan", ("--domains=sketch2bag",), ["bags"]),
    ],
)
def test_without_data_toy_fashion_is_drawn(
    run_script, monkeypatch, tmp_path, toy_bags, script, flags, drawn
):
    monkeypatch.chdir(tmp_path)
    asked, folders = [], []

    def default_set(size, domain="bags"):
        asked.append(domain)
        return str(shutil.copytree(toy_bags, tmp_path / f"{domain}{len(asked)}"))

    monkeypatch.setattr(toy_fashion, "default_set", default_set)
    monkeypatch.setattr(
        loop, "train", lambda *_, settings, **__: folders.append(settings.get("data_dir_b"))
    )
    narrow = ("--image_size=32", "--generator_filters=2", "--discriminator_filters=2")
    assert run_script(script, *narrow, "--batch_size=4", *flags) == 0
    assert asked == drawn
    assert bool(folders[0]) == (len(drawn) == 2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--domains=bag2shoe",), "--domains is for toy fashion. Received: --domains and {data}"),
        (("--tfds=a",), "expected --data_dir or --tfds. Received: --data_dir={data} --tfds=a"),
        (("--tfds_b=a",), "--tfds_b expects --tfds. Received: no --tfds"),
        (("--generator=resnet", "--blocks=0"), "`blocks` must be in [1, 32). Received: 0"),
        (("--seed=16777216",), "--seed expects 0 to 16777215. Received: 16777216"),
        (("--load_size=16",), "--load_size expects at least the image size of 32. Received: 16"),
        (("--image_channels=4",), None),
    ],
)
def test_what_contradicts_is_one_line_before_anything_is_made(
    train, capsys, tmp_path, toy_bags, flags, message
):
    assert train("train_cyclegan", *flags) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    if message:
        assert err == f"error: {message.format(data=toy_bags)}\n"
    assert os.listdir(tmp_path) == []


def test_two_sources_have_no_partners_to_keep_apart(run_script, capsys, toy_bags):
    folders = (f"--data_dir={toy_bags}", f"--data_dir_b={toy_bags}")
    assert run_script("train_discogan", *folders, "--disjoint") == 2
    expected = "error: --disjoint expects pairs. Received: two sources\n"
    assert capsys.readouterr().err == expected


def test_a_second_folder_needs_the_first(run_script, capsys, toy_bags):
    assert run_script("train_discogan", f"--data_dir_b={toy_bags}") == 2
    expected = "error: --data_dir_b expects --data_dir. Received: no --data_dir\n"
    assert capsys.readouterr().err == expected


def test_a_gan_without_a_way_back_keeps_one_generator(train, tmp_path):
    assert train("train_discogan", "--objective=gan", "--lambda_identity=0") == 0
    assert [path.name for path in (tmp_path / "run").glob("*.weights.h5")] == [
        "generator_ab.weights.h5"
    ]


def test_the_articles_command_prints_the_articles_progress(run_script, toy_bags, tmp_path, capsys):
    narrow = ("--image_size=32", "--generator_filters=2", "--discriminator_filters=2")
    line = f"process_main --dataset_dir {toy_bags}/ --epochs 2 --batch_size=4".split()
    assert run_script("train_discogan", *line, f"--run_dir={tmp_path}/run", *narrow) == 0
    lines = [text for text in capsys.readouterr().out.splitlines() if text.startswith("Epoch")]
    # 12 pairs make 3 batches of 4.
    places = [re.fullmatch(r"Epoch: \[ (\d)\] \[   (\d)/   3\] time: \d+\.\d{4}", x) for x in lines]
    assert [place.groups() for place in places] == [(e, s) for e in "01" for s in "012"]
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    assert (settings["preset"], settings["epochs"]) == ("article", 2)


def test_the_articles_epoch_is_at_most_10000_images(load_script):
    from gans.data import training_data

    class Files:
        names = ("a",)

        def __len__(self):
            return 138_567

    with pytest.MonkeyPatch.context() as patch:
        files = Files()
        patch.setattr(training_data.unpaired, "find_domains", lambda *_: (files, files))
        patch.setattr(training_data.unpaired, "find_validation", lambda *_: (files, files))
        patch.setattr(training_data.unpaired, "load_unpaired", lambda *_: ())
        patch.setattr(training_data.unpaired, "fingerprint", lambda *_: {})
        settings = {"tfds": None, "data_dir": "d", "data_dir_b": None, "direction": "a_to_b"}
        settings |= {"disjoint": False, "batch_size": 64, "images_per_epoch": 10_000}
        settings |= {"load_size": 64, "flip": True}
        constructor = {"image_size": 64, "image_channels": 3, "photo_channels": 3, "seed": 0}
        data = training_data.two_domains(
            settings | {"constructor": constructor}, Path(), "none", None, "smaller"
        )
    # The article's log: `Epoch: [ 0] [   0/ 156]`.
    assert data.steps_per_epoch == 156


def test_the_longer_run_of_a_constant_rate_goes_on(train, capsys):
    assert train("train_pix2pix", "--decay_epochs=0") == 0
    assert train("train_pix2pix", "--decay_epochs=0", "--epochs=3") == 0
    assert "going on after step 6 of 9" in capsys.readouterr().err
    assert train("train_pix2pix", "--decay_epochs=1", "--epochs=3") == 2


def test_a_prepared_data_set_gives_the_run_of_its_files(train, run_script, toy_bags, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    from gans.data.paired_images import PairedImages

    builder = PairedImages(config="custom", data_dir=tmp_path / "tfds")
    manual = tfds.download.DownloadConfig(manual_dir=toy_bags)
    builder.download_and_prepare(download_config=manual)
    assert train("train_pix2pix") == 0
    run = tmp_path / "prepared"
    data = ("--tfds=paired_images/custom", f"--tfds_dir={tmp_path / 'tfds'}")
    flags = (*data, f"--run_dir={run}", *SHORT, *NARROW["train_pix2pix"])
    assert run_script("train_pix2pix", *flags) == 0
    metrics = (run / "metrics.jsonl").read_text()
    assert metrics == (tmp_path / "run" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("script", ["train_bicyclegan", *SCRIPTS])
def test_images_of_four_channels_are_trained_on_and_shown(run_script, tmp_path, script):
    random = np.random.default_rng(0)
    for domain, channels in (("A", 4), ("B", 3)):
        for split in ("train", "val"):
            folder = tmp_path / "data" / f"{split}{domain}"
            folder.mkdir(parents=True)
            for name in "abcd":
                pixels = random.integers(0, 256, (32, 32, channels), np.uint8)
                np.save(folder / f"{name}.npy", pixels)
    flags = (*SHORT[1:4], "--batch_size=2", "--epochs=1", "--image_channels=4")
    extra = {
        "train_cyclegan": ("--lambda_identity=0",),
        "train_bicyclegan": ("--encoder_filters=2",),
    }
    data = (f"--data_dir={tmp_path / 'data'}", f"--run_dir={tmp_path / 'run'}")
    assert run_script(script, *data, *flags, *extra.get(script, ())) == 0
    assert len(list((tmp_path / "run" / "samples").glob("*.png"))) == 1


def test_the_size_before_the_crop_goes_with_the_size(run_script, capsys):
    assert run_script("train_pix2pix", "--dry_run", "--preset=paper", "--image_size=128") == 0
    assert json.loads(capsys.readouterr().out)["load_size"] == 143


def test_a_falling_rate_does_not_become_a_constant_one(train, capsys):
    assert train("train_pix2pix", "--decay_epochs=1") == 0
    assert train("train_pix2pix", "--decay_epochs=0", "--epochs=3") == 2
    assert "constant_rate False -> True" in capsys.readouterr().err
