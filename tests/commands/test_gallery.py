"""The gallery: a page of runs in their order, of their own records, with pictures of their own."""

import dataclasses
import inspect
import io
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from gans.commands.gallery import Entry, gallery
from gans.data import points
from gans.data.data_settings import DataSettings
from gans.evaluation import monitor
from gans.evaluation.tables import show
from gans.training.restore import open_run
from gans.training.run_folder import RunFolder

NARROW = {"generator_filters": 2, "discriminator_filters": 2}
STEP = "step-00000008"


@pytest.fixture(scope="session")
def runs(begin_run, tmp_path_factory):
    """Finished runs: of translation, and of points; not to be changed."""
    folder = tmp_path_factory.mktemp("gallery") / "runs"
    bags = {"data_dir": "/home/me/bags"}
    begin_run(folder / "b" / "bicycle", "bicyclegan", bags, image_size=32, **NARROW)
    ring = {"centres": points.mixture("ring8").centres.tolist(), "sigma": 0.01}
    ring = {"dataset": "ring8", "mixture": ring}
    begin_run(folder / "ring", "dcgan", ring, data="points", latent_dim=2, packing=2, **NARROW)
    for run in ("b/bicycle", "ring"):
        Image.effect_noise((40, 30), 50).save(folder / run / "samples" / f"{STEP}.png")
        with tf.summary.create_file_writer(str(folder / run / "logs")).as_default():
            for step in (1, 2):
                tf.summary.scalar("loss/d", 0.0, step)
    (folder / "ring" / "samples.gif").write_bytes(b"an animation")
    return folder


@pytest.fixture
def copied(runs, tmp_path):
    return shutil.copytree(runs, tmp_path / "runs")


@pytest.fixture
def written(run_command, tmp_path):
    """Writes the gallery into `docs`; returns the page's lines."""

    def write(folder):
        assert run_command(gallery, f"--runs={folder}", f"--out={tmp_path / 'docs'}") == 0
        return (tmp_path / "docs" / "gallery.md").read_text().splitlines()

    return write


@pytest.fixture
def refused(failure, tmp_path):
    """The one line of what is refused, after which there is nothing new."""
    return lambda folder: failure(gallery, f"--runs={folder}", f"--out={tmp_path / 'docs'}")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def evaluate(run, *lines):
    """Adds lines to what was measured of a run."""
    shared = {"reference": None, "reference_is": "real", "step": 8}
    with open(run / "evaluation.jsonl", "a") as file:
        file.writelines(json.dumps(shared | line) + "\n" for line in lines)


def test_runs_are_in_the_order_of_their_folders_with_their_commands(written, runs, tmp_path):
    lines = written(runs)
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == ["## BicycleGAN on images of your own", "## PacGAN 2 on ring8"]
    assert [line for line in lines if line.startswith("python scripts/")] == [
        "python scripts/train_bicyclegan.py",
        "python scripts/train_dcgan.py",
    ]
    assert "One sketch, many different photos." in lines
    assert any(line.startswith("DCGAN whose discriminator judges 2 samples") for line in lines)
    assert "8 steps of batch 2, 32x32 pixels, 0 seconds of training." in lines
    assert "8 steps of batch 2, 0 seconds of training." in lines
    page = "\n".join(lines)
    assert not [place for place in (tmp_path, runs.parent, "/home/me") if str(place) in page]


def test_pictures_are_the_last_samples_as_small_jpegs(written, runs, tmp_path):
    lines = written(runs)
    folder = tmp_path / "docs" / "gallery"
    assert {path.name for path in folder.iterdir()} == {"b-bicycle.jpg", "ring.jpg", "ring.gif"}
    assert "![Samples of PacGAN 2 on ring8](gallery/ring.jpg)" in lines
    assert "[The same over the training](gallery/ring.gif)" in lines
    for name, run in (("b-bicycle", "b/bicycle"), ("ring", "ring")):
        with Image.open(runs / run / "samples" / f"{STEP}.png") as image:
            file = io.BytesIO()
            image.convert("RGB").save(file, "JPEG", quality=85)
        assert (folder / f"{name}.jpg").read_bytes() == file.getvalue()
    assert (folder / "ring.gif").read_bytes() == b"an animation"


def test_a_large_picture_is_shown_smaller(written, copied, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    Image.fromarray(noise).save(copied / "ring" / "samples" / f"{STEP}.png")
    (copied / "ring" / "samples.gif").write_bytes(b"x" * 300_000)
    written(copied)
    path = tmp_path / "docs" / "gallery" / "ring.jpg"
    assert path.stat().st_size <= 60_000
    with Image.open(path) as image:
        width, height = image.size
    assert (width, height) in [(round(s * 300), round(s * 400)) for s in (0.85, 0.7, 0.6, 0.5)]
    assert not path.with_suffix(".gif").exists()


def test_what_was_measured_last_is_shown(written, copied):
    evaluate(
        copied / "ring",
        {"metric": "modes", "value": 3.0, "step": 4},
        {"metric": "modes", "value": 5.0},
        {"metric": "reverse_kl", "value": 0.1234, "reference": 0.0, "reference_is": "even"},
        {"metric": "modes", "value": 6.0, "direction": "a_to_b"},
        {"metric": "modes", "value": 7.0},
    )
    evaluate(copied / "b" / "bicycle", {"metric": "realism", "value": 3.0, "step": 6})
    page = written(copied)
    first = page.index("Measured after step 6.")
    head = ["| measure | value | for reference |", "|---|---|---|"]
    assert page[first + 1 : first + 6] == ["", *head, "| realism | 3.00 |  |", ""]
    second = page.index(head[0], first + 6)
    assert page[second + 2 : second + 6] == [
        "| modes | 7.00 |  |",
        "| reverse_kl | 0.123 | 0.000 (even) |",
        "| modes (a_to_b) | 6.00 |  |",
        "",
    ]


@pytest.mark.parametrize("earlier", [False, True])
def test_points_that_were_not_measured_are(written, copied, earlier):
    if earlier:
        evaluate(copied / "ring", {"metric": "modes", "value": 3.0, "step": 4})
    before = contents(copied)
    page = written(copied)
    assert contents(copied) == before
    _, run, gan, _ = open_run(copied / "ring")
    found = monitor.measure(gan, run, None)
    start = page.index("| measure | value | for reference |")
    assert page[start + 2 : start + 6] == [
        f"| modes | {show(found['modes'])} | 8.00 (all) |",
        f"| high_quality | {show(found['high_quality'])} | 0.989 (real) |",
        f"| reverse_kl | {show(found['reverse_kl'])} | 0.000 (even) |",
        "",
    ]


def test_points_whose_checkpoint_is_damaged_are_shown_unmeasured(written, copied, capsys):
    (copied / "ring" / "checkpoints" / STEP / "manifest.json").write_text("{")
    page = written(copied)
    assert "| measure | value | for reference |" not in page
    assert "![Samples of PacGAN 2 on ring8](gallery/ring.jpg)" in page
    assert f"not measured: {copied / 'ring'}" in capsys.readouterr().err


def test_what_is_not_finished_or_no_run_is_left_out(written, refused, copied, capsys):
    record = json.loads((copied / "ring" / "config.json").read_text())
    (copied / "classifier").mkdir()
    (copied / "classifier" / "config.json").write_text('{"classes": ["a"]}')
    # Settings of more steps than the newest checkpoint has: it is still training.
    record["run"]["epochs"] = 3
    (copied / "ring" / "config.json").write_text(json.dumps(record))
    page = "\n".join(written(copied))
    assert "ring8" not in page and "BicycleGAN" in page
    err = capsys.readouterr().err
    assert f"left out, since it is not finished: {copied / 'ring'}" in err
    assert f"Received: {copied / 'classifier'}" in err
    shutil.rmtree(copied / "b")
    record["run"]["epochs"] = 2
    (copied / "ring" / "config.json").write_text(json.dumps(record))
    (copied / "ring" / "samples" / f"{STEP}.png").unlink()
    with pytest.raises(AssertionError):
        written(copied)


def test_pages_are_written_anew_and_keep_nothing_of_runs_that_are_gone(written, copied, tmp_path):
    evaluate(copied / "ring", of_features("fd_toy", 12.0))
    written(copied)
    first = contents(tmp_path / "docs")
    written(copied)
    assert contents(tmp_path / "docs") == first
    folder = tmp_path / "docs" / "gallery"
    (folder / "mine.jpg").write_bytes(b"mine")
    shutil.rmtree(copied / "ring")
    assert "ring8" not in "\n".join(written(copied))
    assert {path.name for path in folder.iterdir()} == {"b-bicycle.jpg", "mine.jpg"}
    assert not (tmp_path / "docs" / "results.md").exists()


@pytest.mark.usefixtures("no_tensorflow")
def test_a_page_or_a_picture_of_another_origin_is_not_replaced(refused, runs, tmp_path):
    for name in ("gallery.md", "results.md"):
        page = tmp_path / "docs" / name
        page.parent.mkdir(exist_ok=True)
        page.write_text("# My pictures\n")
        assert refused(runs).endswith(f"Received: {page}")
        page.unlink()
        page.mkdir()
        assert refused(runs).endswith(f"Received: {page}")
        page.rmdir()
    picture = tmp_path / "docs" / "gallery" / "ring.jpg"
    picture.parent.mkdir()
    picture.write_bytes(b"mine")
    assert refused(runs).endswith(f"Received: {picture}")
    shutil.rmtree(picture.parent)
    picture.parent.write_text("mine")
    assert refused(runs).endswith(f"Received: the file {picture.parent}")


@pytest.mark.usefixtures("no_tensorflow")
def test_a_folder_without_runs_and_two_runs_of_one_name_are_refused(refused, copied, tmp_path):
    folder = tmp_path / "nothing"
    assert refused(folder).endswith(
        f"--runs expects a folder with finished runs below it. Received: {folder} (no such folder)"
    )
    folder.mkdir()
    assert refused(folder).endswith(f"Received: {folder} (none in it)")
    shutil.copytree(copied / "ring", copied / "b-bicycle")
    assert refused(copied).endswith("Received: two of b-bicycle")


def test_the_default_is_not_the_folder_of_the_pages_of_this_project():
    assert inspect.signature(gallery).parameters["out"].default == "runs/gallery"


def test_gans_and_data_have_names_and_a_meaning_that_is_true_of_any_data(begin_run, tmp_path):
    begin_run(tmp_path / "tags", "matching_cgan", image_size=8, **NARROW)
    folder = RunFolder(tmp_path / "tags")
    entry = Entry("tags", folder, folder.read_settings(), 8)
    assert entry.title == "Matching-aware conditional GAN"
    assert entry.meaning == "From noise and one label or several, a sample that matches all."
    names = {
        "toy fashion": DataSettings(kind="images", dataset="toy_fashion", data_dir="data/toy"),
        "toy fashion, bags and shoes": DataSettings(
            kind="domains", dataset="toy_fashion", data_dir="data/toy", data_dir_b="data/shoes"
        ),
        "mnist": DataSettings(kind="images", dataset="mnist"),
        "maps and horse2zebra": DataSettings(
            kind="domains", dataset="maps", dataset_b="horse2zebra"
        ),
        "images of your own": DataSettings(kind="pairs", data_dir="bags"),
    }
    for name, data in names.items():
        run = dataclasses.replace(entry.run, data=data)
        assert dataclasses.replace(entry, run=run).data == name


# Scores.


def of_features(metric, value, **others):
    """A line of `evaluation.jsonl` by features."""
    return {
        "metric": metric,
        "value": value,
        "deviation": None,
        "reference": 1.5,
        "n_real": 1000,
        "n_fake": 500,
        "split": "train",
        "extractor": "toy",
        "extractor_sha256": "ab" * 32,
        "extractor_accuracy": 0.914,
        "resize": "none",
        **others,
    }


def test_scores_are_set_side_by_side_for_each_extractor(written, copied, tmp_path):
    inception = {"extractor": "inception", "extractor_sha256": "cd" * 32, "resize": "tf1"}
    del (line := of_features("fid", 30.0, **inception))["extractor_accuracy"]
    evaluate(
        copied / "b" / "bicycle",
        of_features("fd_toy", 99.0),  # Measured again below.
        of_features("fd_toy", 12.345, deviation=0.5),
        of_features("kd_toy", 0.0012345, deviation=0.0001, reference=0.0),
        {"metric": "diversity", "value": 0.2},
        line,
    )
    written(copied)
    text = (tmp_path / "docs" / "results.md").read_text()
    assert "## By toy\n\nWeights abababababababab, resize none, right for 91.4% of held-out" in text
    table = text.partition("## By toy")[2].partition("## By")[0].splitlines()
    assert table[4:] == [
        "| | seconds | real, samples | fd | kd |",
        "|---|---|---|---|---|",
        "| [BicycleGAN](gallery.md), b-bicycle | 0 | 1000 train, 500 | 12.3 ± 0.5 | "
        "0.00123 ± 0.00010 |",
        "| *real* | | | 1.50 | 0.000 |",
        "",
    ]
    of_inception = text.partition("## By inception")[2]
    assert "Weights cdcdcdcdcdcdcdcd, resize tf1.\n" in of_inception
    assert "| 1000 train, 500 | 30.0 |" in of_inception
    assert "b-bicycle, on images of your own:\n\n    python scripts/train_bicyclegan.py" in text
    assert "ring" not in text and "diversity" not in text.partition("## By")[2]


def test_two_classifiers_of_one_name_are_told_apart(written, copied, tmp_path):
    lines = [
        of_features("fd_toy", 9.0, direction=direction, extractor_sha256=digest * 32)
        for direction, digest in {"a_to_b": "ab", "b_to_a": "cd"}.items()
    ]
    evaluate(copied / "b" / "bicycle", *lines)
    written(copied)
    text = (tmp_path / "docs" / "results.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## By")]
    assert headings == ["## By toy (abababab)", "## By toy (cdcdcdcd)"]
    assert "| [BicycleGAN](gallery.md), b-bicycle, a_to_b | " in text


def test_runs_of_the_same_data_share_the_row_of_real_images(written, copied, tmp_path):
    # Their scores were added up in another order, so that they differ in a digit nobody sees.
    for run, reference in (("b/bicycle", 1.5), ("ring", 1.5 + 1e-9)):
        evaluate(copied / run, of_features("fd_toy", 12.0, reference=reference))
    written(copied)
    assert (tmp_path / "docs" / "results.md").read_text().count("| *real* |") == 1
