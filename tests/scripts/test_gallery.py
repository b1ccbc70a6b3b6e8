"""The gallery: a page of runs in their order, of their own records, with pictures of their own."""

import inspect
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gans.command_line import command
from gans.evaluation.tables import show
from gans.metrics import generation
from gans.training.restore import open_run


@pytest.fixture(scope="session")
def runs(run_script, trained, tmp_path_factory):
    """Finished runs: of translation, and of points; not to be changed."""
    folder = tmp_path_factory.mktemp("gallery") / "runs"
    shutil.copytree(trained, folder / "b" / "bicycle")
    flags = "--dataset=ring8 --epochs=2 --steps_per_epoch=4 --steps_per_call=2 --log_every=1"
    narrow = "--generator_filters=4 --discriminator_filters=4 --packing=2"
    run = f"--run_dir={folder / 'ring'}"
    assert run_script("train_dcgan", run, *flags.split(), *narrow.split()) == 0
    return folder


@pytest.fixture
def copied(runs, tmp_path):
    return shutil.copytree(runs, tmp_path / "runs")


@pytest.fixture
def gallery(run_script, tmp_path):
    """Makes the gallery in `docs`; returns the page's lines."""

    def make(folder, *flags):
        assert run_script("gallery", f"--runs={folder}", f"--out={tmp_path / 'docs'}", *flags) == 0
        return (tmp_path / "docs" / "gallery.md").read_text().splitlines()

    return make


@pytest.fixture
def failure(run_script, capsys, tmp_path):
    """The one line of what is refused, after which there is nothing new."""

    def run(folder):
        before = contents(tmp_path)
        capsys.readouterr()
        assert run_script("gallery", f"--runs={folder}", f"--out={tmp_path / 'docs'}") == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), err[:7]) == ("", 1, "error: ")
        assert contents(tmp_path) == before
        return err[7:-1]

    return run


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_runs_are_in_the_order_of_their_folders_with_their_commands(gallery, runs, tmp_path):
    lines = gallery(runs)
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == ["## BicycleGAN on images of your own", "## PacGAN 2 on ring8"]
    assert [line for line in lines if line.startswith("python scripts/")] == [
        "python scripts/train_bicyclegan.py --data_dir=DATA --epochs=3 --batch_size=2 "
        "--steps_per_epoch=3 "
        "--image_size=32 --generator_filters=2 --encoder_filters=2 --discriminator_filters=2 "
        "--init_gain=1.0",
        "python scripts/train_dcgan.py --dataset=ring8 --epochs=2 --steps_per_epoch=4 "
        "--generator_filters=4 --discriminator_filters=4 --packing=2",
    ]
    assert "One sketch, many different photos." in lines
    assert any(line.startswith("DCGAN whose discriminator judges 2 samples") for line in lines)
    assert any(line.startswith("9 steps of batch 2, 32x32 pixels, ") for line in lines)
    assert any(line.startswith("8 steps of batch 100, ") for line in lines)
    assert str(tmp_path) not in "\n".join(lines)
    assert str(runs.parent) not in "\n".join(lines)


def test_pictures_are_the_last_samples_as_small_jpegs(gallery, runs, tmp_path):
    lines = gallery(runs)
    folder = tmp_path / "docs" / "gallery"
    assert {path.name for path in folder.iterdir()} == {"b-bicycle.jpg", "ring.jpg", "ring.gif"}
    assert "![Samples of PacGAN 2 on ring8](gallery/ring.jpg)" in lines
    assert "[The same over the training](gallery/ring.gif)" in lines
    for name, run, step in (("b-bicycle", "b/bicycle", 9), ("ring", "ring", 8)):
        path = folder / f"{name}.jpg"
        assert path.stat().st_size <= 60_000
        with Image.open(runs / run / "samples" / f"step-{step:08d}.png") as image:
            file = io.BytesIO()
            image.convert("RGB").save(file, "JPEG", quality=85)
        assert path.read_bytes() == file.getvalue()
    assert (folder / "ring.gif").read_bytes() == (runs / "ring" / "samples.gif").read_bytes()


def test_the_same_runs_give_the_same_bytes(gallery, runs, tmp_path):
    gallery(runs)
    first = contents(tmp_path / "docs")
    gallery(runs)
    assert contents(tmp_path / "docs") == first


def test_what_was_measured_last_is_shown(gallery, copied):
    shared = {"reference": None, "reference_is": "best"}
    lines = [
        {"metric": "modes", "value": 3.0, "step": 4, **shared},
        {"metric": "high_quality", "value": 0.5, "step": 4, **shared},
        {"metric": "modes", "value": 5.0, "step": 8, **shared},
        {"metric": "reverse_kl", "value": 0.1234, "step": 8, **shared, "reference": 0.0},
        {"metric": "modes", "value": 6.0, "step": 8, **shared, "direction": "a_to_b"},
        {"metric": "modes", "value": 7.0, "step": 8, **shared},
    ]
    file = copied / "ring" / "evaluation.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = gallery(copied)
    start = page.index("| measure | value | for reference |")
    assert page[start + 2 : start + 6] == [
        "| modes | 7.00 |  |",
        "| reverse_kl | 0.123 | 0.000 (best) |",
        "| modes (a_to_b) | 6.00 |  |",
        "",
    ]


def test_what_was_measured_of_an_earlier_step_says_so(gallery, copied):
    line = {"metric": "realism", "value": 3.0, "step": 6, "reference": None, "reference_is": "real"}
    (copied / "b" / "bicycle" / "evaluation.jsonl").write_text(json.dumps(line) + "\n")
    page = gallery(copied)
    start = page.index("Measured after step 6.")
    assert page[start + 1 : start + 5] == [
        "",
        "| measure | value | for reference |",
        "|---|---|---|",
        "| realism | 3.00 |  |",
    ]


@pytest.mark.parametrize("earlier", [False, True])
def test_points_that_were_not_measured_are(gallery, copied, earlier):
    if earlier:
        shared = {"reference": None, "reference_is": "best"}
        line = {"metric": "modes", "value": 3.0, "step": 4, **shared}
        (copied / "ring" / "evaluation.jsonl").write_text(json.dumps(line) + "\n")
    before = contents(copied)
    page = gallery(copied)
    assert contents(copied) == before
    _, settings, gan, _ = open_run(copied / "ring")
    found = generation.measure(gan, settings)
    start = page.index("| measure | value | for reference |")
    assert page[start - 2].startswith("8 steps of batch 100")
    assert page[start + 2 : start + 6] == [
        f"| modes | {show(found['modes'])} | 8.00 (all) |",
        f"| high_quality | {show(found['high_quality'])} | 0.989 (real) |",
        f"| reverse_kl | {show(found['reverse_kl'])} | 0.000 (even) |",
        "",
    ]


def test_points_whose_checkpoint_is_damaged_are_shown_unmeasured(gallery, copied, capsys):
    (copied / "ring" / "checkpoints" / "step-00000008" / "manifest.json").write_text("{")
    page = gallery(copied)
    assert "| measure | value | for reference |" not in page
    assert "![Samples of PacGAN 2 on ring8](gallery/ring.jpg)" in page
    assert f"not measured: {copied / 'ring'} (expected a sound" in capsys.readouterr().err


def test_a_run_that_was_made_longer_is_shown_as_it_is_now(gallery, run_script, tmp_path, capsys):
    run = tmp_path / "runs" / "run"
    flags = [f"--run_dir={run}", "--dataset=ring8", "--steps_per_epoch=3", "--steps_per_call=3"]
    flags += ["--generator_units=4", "--discriminator_units=4", "--decay_epochs=0", "--log_every=1"]
    for epochs in (2, 4):
        assert run_script("train_gan", *flags, f"--epochs={epochs}") == 0
    # As earlier versions left it.
    config = json.loads((run / "config.json").read_text())
    config["settings"]["epochs"] = 2
    (run / "config.json").write_text(json.dumps(config))
    page = gallery(run.parent)
    (line,) = (line for line in page if line.startswith("python scripts/train_gan.py"))
    assert "--epochs=4 " in line
    assert any(line.startswith("12 steps of batch ") for line in page)
    with Image.open(run / "samples" / "step-00000012.png") as image:
        file = io.BytesIO()
        image.convert("RGB").save(file, "JPEG", quality=85)
    assert (tmp_path / "docs" / "gallery" / "run.jpg").read_bytes() == file.getvalue()
    # Longer settings than the newest checkpoint: it is still training.
    config["settings"]["epochs"] = 5
    (run / "config.json").write_text(json.dumps(config))
    assert run_script("gallery", f"--runs={run.parent}", f"--out={tmp_path / 'other'}") == 2
    assert f"left out, since it is not finished: {run}" in capsys.readouterr().err


def test_the_meaning_of_a_gan_is_true_of_any_data(load_script):
    titles = load_script("gallery").titles
    settings = {"model": "MatchingCGAN", "module": "gans.matching_cgan", "constructor": {}}
    name, meaning = titles(settings)
    assert name == "Matching-aware conditional GAN"
    assert meaning == "Of noise and one label or several, a sample that matches all."
    settings = {"model": "DCGAN", "module": "gans.dcgan", "constructor": {"packing": 1}}
    assert titles(settings)[0] == "DCGAN"


def test_a_large_picture_is_shown_smaller(gallery, copied, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    Image.fromarray(noise).save(copied / "ring" / "samples" / "step-00000008.png")
    (copied / "ring" / "samples.gif").write_bytes(b"x" * 300_000)
    gallery(copied)
    path = tmp_path / "docs" / "gallery" / "ring.jpg"
    assert path.stat().st_size <= 60_000
    with Image.open(path) as image:
        width, height = image.size
    assert (width, height) in [(round(s * 300), round(s * 400)) for s in (0.85, 0.7, 0.6, 0.5)]
    assert not path.with_suffix(".gif").exists()


def test_what_is_not_finished_or_no_run_is_left_out(gallery, copied, capsys):
    (copied / "ring" / "samples" / "step-00000008.png").unlink()
    (copied / "classifier").mkdir()
    (copied / "classifier" / "config.json").write_text('{"classes": ["a"]}')
    page = "\n".join(gallery(copied))
    assert "ring8" not in page and "BicycleGAN" in page
    assert f"not finished: {copied / 'ring'}" in capsys.readouterr().err


def test_pictures_of_runs_that_are_gone_are_removed_and_no_others(gallery, copied, tmp_path):
    gallery(copied)
    folder = tmp_path / "docs" / "gallery"
    (folder / "mine.jpg").write_bytes(b"mine")
    shutil.rmtree(copied / "ring")
    gallery(copied, "--overwrite")
    assert {path.name for path in folder.iterdir()} == {"b-bicycle.jpg", "mine.jpg"}


def test_pages_of_runs_that_are_gone_are_kept(gallery, failure, copied, tmp_path, monkeypatch):
    docs = tmp_path / "docs"
    for run in ("b/bicycle", "ring"):
        line = of_features("fd_toy", 12.0)
        (copied / run / "evaluation.jsonl").write_text(json.dumps(line) + "\n")
    gallery(copied)
    others = [f"run.{letter}" for letter in "abcdef"]
    page = docs / "gallery.md"
    pictures = "".join(f"![Samples](gallery/{name}.jpg)\n" for name in others)
    page.write_text(page.read_text() + pictures)
    expected = "--out expects a {0} of runs that are {1} now, or --overwrite. Received: {2}/{0}, "
    of_gallery = expected.format("gallery.md", "found", docs)
    with monkeypatch.context() as patch:
        patch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
        assert failure(copied) == (
            f"{of_gallery}which also shows run.a, run.b, run.c, run.d, run.e and 1 more"
        )
        page.write_text(page.read_text().replace(pictures, ""))
        (copied / "ring" / "evaluation.jsonl").unlink()
        of_scores = expected.format("results.md", "evaluated by features", docs)
        assert failure(copied) == f"{of_scores}which also shows ring"
        shutil.rmtree(copied / "ring")
        assert failure(copied) == f"{of_gallery}which also shows ring"
    gallery(copied, "--overwrite")
    text = (docs / "results.md").read_text()
    assert "ring" not in text and "b-bicycle, on images of your own:" in text
    (copied / "b" / "bicycle" / "evaluation.jsonl").unlink()
    gallery(copied, "--overwrite")
    assert not (docs / "results.md").exists()


def test_the_pages_of_this_project_are_none_of_the_default(load_script):
    default = inspect.signature(load_script("gallery").gallery).parameters["out"].default
    assert default == "runs/gallery"


def test_the_pages_of_this_project_are_known_by_their_runs(load_script):
    module, docs = load_script("gallery"), Path(__file__).parents[2] / "docs"
    shown = {Path(name).stem for name in module.shown_by(docs / "gallery.md")}
    scored = module.scored_by(docs / "results.md")
    assert {"ring8_pacgan4", "toy_wgan_gp"} <= shown
    assert {"mnist_cgan", "toy_wgan_gp"} <= scored <= shown


def test_a_page_or_a_picture_of_somebody_else_is_not_replaced(failure, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "import_tensorflow", lambda debug: pytest.fail("imported"))
    page = tmp_path / "docs" / "gallery.md"
    page.parent.mkdir()
    page.write_text("# My pictures\n")
    assert failure(runs) == f"expected a gallery.md of this script, or none. Received: {page}"
    page.unlink()
    page.mkdir()
    assert failure(runs) == f"expected a gallery.md of this script, or none. Received: {page}"
    page.rmdir()
    scores = page.with_name("results.md")
    scores.write_text("# My results\n")
    assert failure(runs) == f"expected a results.md of this script, or none. Received: {scores}"
    scores.unlink()
    picture = page.parent / "gallery" / "ring.jpg"
    picture.parent.mkdir()
    picture.write_bytes(b"mine")
    assert f"that are none of this gallery, e.g. {picture}" in failure(runs)
    shutil.rmtree(picture.parent)
    picture.parent.write_text("mine")
    assert failure(runs) == f"--out expects a folder. Received: the file {picture.parent}"


@pytest.mark.parametrize("kind", ["none", "empty"])
def test_a_folder_without_runs_is_refused(failure, tmp_path, kind):
    folder = tmp_path / "nothing"
    if kind == "empty":
        folder.mkdir()
    received = "none in it" if kind == "empty" else "no such folder"
    expected = "--runs expects a folder with finished runs below it. Received: "
    assert failure(folder) == f"{expected}{folder} ({received})"


def test_two_runs_of_one_name_are_refused(failure, copied):
    shutil.copytree(copied / "ring", copied / "b-bicycle")
    assert failure(copied) == "expected runs of different names. Received: two of b-bicycle"


def of_features(metric, value, **others):
    """A line of `evaluation.jsonl` by features."""
    return {
        "metric": metric,
        "value": value,
        "deviation": None,
        "reference": 1.5,
        "reference_is": "real",
        "n_real": 1000,
        "n_fake": 500,
        "split": "train",
        "extractor": "toy",
        "extractor_sha256": "ab" * 32,
        "extractor_accuracy": 0.914,
        "resize": "none",
        "step": 9,
        **others,
    }


def test_scores_are_set_side_by_side_for_each_extractor(gallery, copied, tmp_path):
    inception = {"extractor": "inception", "extractor_sha256": "cd" * 32, "resize": "tf1"}
    del (line := of_features("fid", 30.0, **inception))["extractor_accuracy"]
    lines = [
        of_features("fd_toy", 99.0),  # Measured again below.
        of_features("fd_toy", 12.345, deviation=0.5),
        of_features("kd_toy", 0.0012345, deviation=0.0001, reference=0.0),
        {"metric": "diversity", "value": 0.2, "reference": None, "reference_is": "", "step": 9},
        line,
    ]
    path = copied / "b" / "bicycle" / "evaluation.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    gallery(copied)
    text = (tmp_path / "docs" / "results.md").read_text()
    assert "## By toy\n\nWeights abababababababab, resize none, right for 91.4% of held-out" in text
    table = text.partition("## By toy")[2].partition("## By")[0].splitlines()
    assert table[4] == "| | seconds | real, samples | fd | kd |"
    heading, seconds, counts, *scores = table[6].strip("| ").split(" | ")
    assert heading == "[BicycleGAN](gallery.md), b-bicycle"
    assert float(seconds) >= 0
    assert [counts, *scores] == ["1000 train, 500", "12.3 ± 0.5", "0.00123 ± 0.00010"]
    assert table[7] == "| *real* | | | 1.50 | 0.000 |"
    of_inception = text.partition("## By inception")[2]
    assert "Weights cdcdcdcdcdcdcdcd, resize tf1.\n" in of_inception
    assert "| 1000 train, 500 | 30.0 |" in of_inception
    assert "b-bicycle, on images of your own:\n\n    python scripts/train_bicyclegan.py" in text
    assert "ring" not in text and "diversity" not in text.partition("## By")[2]
    assert str(tmp_path) not in text


def test_two_classifiers_of_one_name_are_told_apart(gallery, copied, tmp_path):
    others = {"a_to_b": "ab", "b_to_a": "cd"}
    lines = [
        of_features("fd_toy", 9.0, direction=way, extractor_sha256=digest * 32)
        for way, digest in others.items()
    ]
    path = copied / "b" / "bicycle" / "evaluation.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    gallery(copied)
    text = (tmp_path / "docs" / "results.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## By")]
    assert headings == ["## By toy (abababab)", "## By toy (cdcdcdcd)"]


def test_runs_of_the_same_data_share_the_row_of_real_images(gallery, copied, tmp_path):
    # Their scores were added up in another order, so that they differ in a digit nobody sees.
    for run, reference in (("b/bicycle", 1.5), ("ring", 1.5 + 1e-9)):
        line = of_features("fd_toy", 12.0, reference=reference)
        (copied / run / "evaluation.jsonl").write_text(json.dumps(line) + "\n")
    gallery(copied)
    assert (tmp_path / "docs" / "results.md").read_text().count("| *real* |") == 1


def test_without_scores_there_is_no_page_of_them(gallery, runs, tmp_path):
    gallery(runs)
    assert not (tmp_path / "docs" / "results.md").exists()
