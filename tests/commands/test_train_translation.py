"""What the trainings of pix2pix, CycleGAN and DiscoGAN have in common, each crossed with each:
presets, data, resume to the byte, and what is left behind.
"""

import dataclasses
import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion
from gans.command_line import gan_files
from gans.training import callbacks, loop

pytestmark = pytest.mark.usefixtures("other_tests_unchanged")

GANS = ("pix2pix", "cyclegan", "discogan")
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
    "pix2pix": ("--latent_dim=2", "--norm=batch"),
    "cyclegan": ("--pool_size=3", "--decay_epochs=1"),
    "discogan": ("--pool_size=3", "--epoch_step=1"),
}
NETWORKS = {
    "pix2pix": {"generator"},
    "cyclegan": {"generator_ab", "generator_ba"},
    "discogan": {"generator_ab", "generator_ba"},
}


@pytest.fixture
def train(run_training, toy_bags, tmp_path):
    """Trains a narrow run of 2 epochs of 3 steps, or goes on with it; returns the status."""

    def run(gan, *flags, run_dir=tmp_path / "run"):
        given = {flag.split("=")[0] for flag in flags}
        rest = [flag for flag in (*SHORT, *NARROW[gan]) if flag.split("=")[0] not in given]
        return run_training(gan, f"--data_dir={toy_bags}", f"--run_dir={run_dir}", *rest, *flags)

    return run


def results(run):
    """Every byte that a run is for: checkpoints, networks, pictures and metrics."""
    patterns = ("checkpoints/*/*", "samples/*", "*.weights.h5", "metrics.jsonl")
    paths = [path for pattern in patterns for path in run.glob(pattern)]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("gan", GANS)
def test_every_preset_is_what_the_gans_file_says(
    run_training, capsys, no_tensorflow, monkeypatch, tmp_path, gan
):
    monkeypatch.chdir(tmp_path)
    file = gan_files.read(gan)
    for preset, chosen in file.presets.items():
        assert run_training(gan, "--dry_run", f"--preset={preset}") == 0
        run = json.loads(capsys.readouterr().out)
        assert run["settings"] == dataclasses.asdict(file.settings(**chosen))
        given = {**run, **run["data"]}
        assert given.items() >= file.training[preset].items()
        assert run["gan"] == gan
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("gan", GANS)
def test_a_run_stopped_in_an_epoch_ends_with_the_bytes_of_one_that_was_not(
    train, monkeypatch, tmp_path, capsys, gan
):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert train(gan, run_dir=whole) == 0

    on_step = callbacks.StopOnSignal.on_step

    def stop_at_4(callback, step, losses):
        callback.received = signal.SIGTERM if step == 4 else None
        on_step(callback, step, losses)

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.StopOnSignal, "on_step", stop_at_4)
        assert train(gan, run_dir=stopped) == 143
    assert train(gan, run_dir=stopped) == 0
    assert "going on after step 4 of 6" in capsys.readouterr().err
    assert results(stopped) == results(whole)
    assert {path.name.split(".")[0] for path in whole.glob("*.weights.h5")} == NETWORKS[gan]
    assert len((whole / "metrics.jsonl").read_text().splitlines()) == 6
    with Image.open(whole / "samples" / "step-00000006.png") as picture:
        # A row for each held-out pair; images of 32 pixels are shown at twice their size.
        assert picture.size == (6 * 66 + 2, 4 * 66 + 2)

    before = results(whole)
    assert train(gan, run_dir=whole) == 0
    assert "is complete: 6 steps of 6" in capsys.readouterr().err
    assert results(whole) == before


@pytest.mark.parametrize("gan", GANS)
def test_the_other_direction_exchanges_the_two_sides(train, monkeypatch, toy_bags, gan):
    previews = []
    monkeypatch.setattr(
        loop, "train", lambda *_, preview_batch, **__: previews.append(preview_batch)
    )
    assert train(gan) == 0
    assert train(gan, "--direction=b_to_a") == 2  # The run is of the other direction.
    assert train(gan, "--direction=b_to_a", run_dir=toy_bags.parent / f"b-{gan}") == 0
    (images_a, images_b), (swapped_a, swapped_b) = previews
    np.testing.assert_array_equal(images_a, swapped_b)
    np.testing.assert_array_equal(images_b, swapped_a)
    assert not np.array_equal(images_a, images_b)


@pytest.mark.parametrize(
    ("gan", "flags", "drawn"),
    [
        ("pix2pix", (), ["bags"]),
        ("cyclegan", (), ["bags"]),
        ("cyclegan", ("--domains=bag2shoe",), ["bags", "shoes"]),
        ("discogan", (), ["bags", "shoes"]),
        ("discogan", ("--domains=sketch2bag",), ["bags"]),
    ],
)
def test_without_data_toy_fashion_is_drawn(
    run_training, monkeypatch, tmp_path, toy_bags, gan, flags, drawn
):
    monkeypatch.chdir(tmp_path)
    asked, folders = [], []

    def default_set(size, domain="bags"):
        asked.append(domain)
        return str(shutil.copytree(toy_bags, tmp_path / f"{domain}{len(asked)}"))

    monkeypatch.setattr(toy_fashion, "default_set", default_set)
    monkeypatch.setattr(
        loop, "train", lambda *_, settings, **__: folders.append(settings.get("data data_dir_b"))
    )
    narrow = ("--image_size=32", "--generator_filters=2", "--discriminator_filters=2")
    assert run_training(gan, *narrow, "--batch_size=4", *flags) == 0
    assert asked == drawn
    assert bool(folders[0]) == (len(drawn) == 2)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--domains=bag2shoe",), "--domains"),
        (("--tfds=a",), "--tfds=a"),
        (("--tfds_b=a",), "no --tfds"),
        (("--generator=resnet", "--blocks=0"), "--blocks expects at least 1. Received: 0"),
        (("--seed=16777216",), "--seed expects below 16777216. Received: 16777216"),
        (("--load_size=16",), "--load_size expects at least the image size of 32. Received: 16"),
        (("--image_channels=4",), "4"),
    ],
)
def test_what_contradicts_is_one_line_before_anything_is_made(train, capsys, tmp_path, flags, told):
    assert train("cyclegan", *flags) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and told in err
    assert os.listdir(tmp_path) == []


def test_two_sources_have_no_partners_to_keep_apart(run_training, capsys, toy_bags):
    folders = (f"--data_dir={toy_bags}", f"--data_dir_b={toy_bags}")
    assert run_training("discogan", *folders, "--disjoint") == 2
    expected = "error: --disjoint expects pairs. Received: two sources\n"
    assert capsys.readouterr().err == expected


def test_a_second_folder_needs_the_first(run_training, capsys, toy_bags):
    assert run_training("discogan", f"--data_dir_b={toy_bags}") == 2
    expected = "error: --data_dir_b expects --data_dir. Received: no --data_dir\n"
    assert capsys.readouterr().err == expected


def test_a_gan_without_a_way_back_keeps_one_generator(train, tmp_path):
    assert train("discogan", "--objective=gan", "--lambda_identity=0") == 0
    assert [path.name for path in (tmp_path / "run").glob("*.weights.h5")] == [
        "generator_ab.weights.h5"
    ]


def test_the_articles_command_prints_the_articles_progress(
    run_training, toy_bags, tmp_path, capsys
):
    narrow = ("--image_size=32", "--generator_filters=2", "--discriminator_filters=2")
    line = f"process_main --dataset_dir {toy_bags}/ --epochs 2 --batch_size=4".split()
    assert run_training("discogan", *line, f"--run_dir={tmp_path}/run", *narrow) == 0
    lines = [text for text in capsys.readouterr().out.splitlines() if text.startswith("Epoch")]
    # 12 pairs make 3 batches of 4.
    form = re.compile(r"Epoch: \[ (\d)\] \[   (\d)/   3\] time: \d+\.\d{4}")
    places = [form.fullmatch(line) for line in lines]
    assert [place.groups() for place in places] == [(e, s) for e in "01" for s in "012"]
    run = json.loads((tmp_path / "run" / "config.json").read_text())["run"]
    assert (run["preset"], run["epochs"]) == ("article", 2)


def test_the_longer_run_of_a_constant_rate_goes_on(train, capsys):
    assert train("pix2pix", "--decay_epochs=0") == 0
    assert train("pix2pix", "--decay_epochs=0", "--epochs=3") == 0
    assert "going on after step 6 of 9" in capsys.readouterr().err
    assert train("pix2pix", "--decay_epochs=1", "--epochs=3") == 2


def test_a_prepared_data_set_gives_the_run_of_its_files(train, run_training, toy_bags, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    from gans.data.paired_images import PairedImages

    builder = PairedImages(config="custom", data_dir=tmp_path / "tfds")
    manual = tfds.download.DownloadConfig(manual_dir=toy_bags)
    builder.download_and_prepare(download_config=manual)
    assert train("pix2pix") == 0
    run = tmp_path / "prepared"
    data = ("--tfds=paired_images/custom", f"--tfds_dir={tmp_path / 'tfds'}")
    flags = (*data, f"--run_dir={run}", *SHORT, *NARROW["pix2pix"])
    assert run_training("pix2pix", *flags) == 0
    metrics = (run / "metrics.jsonl").read_text()
    assert metrics == (tmp_path / "run" / "metrics.jsonl").read_text()


@pytest.mark.parametrize("gan", ["bicyclegan", *GANS])
def test_images_of_four_channels_are_trained_on_and_shown(run_training, tmp_path, gan):
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
        "cyclegan": ("--lambda_identity=0",),
        "bicyclegan": ("--encoder_filters=2",),
    }
    data = (f"--data_dir={tmp_path / 'data'}", f"--run_dir={tmp_path / 'run'}")
    assert run_training(gan, *data, *flags, *extra.get(gan, ())) == 0
    assert len(list((tmp_path / "run" / "samples").glob("*.png"))) == 1


def test_the_size_before_the_crop_goes_with_the_size(run_training, capsys):
    assert run_training("pix2pix", "--dry_run", "--preset=paper", "--image_size=128") == 0
    assert json.loads(capsys.readouterr().out)["data"]["load_size"] == 143


def test_a_falling_rate_does_not_become_a_constant_one(train, capsys):
    assert train("pix2pix", "--decay_epochs=1") == 0
    assert train("pix2pix", "--decay_epochs=0", "--epochs=3") == 2
    assert "constant_rate False -> True" in capsys.readouterr().err
