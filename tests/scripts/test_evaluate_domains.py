"""The evaluation of the other GANs: pix2pix's noise, and both directions of two domains.

Runs are of untrained narrow networks: the numbers must be right, not good.
"""

import json
import shutil
from unittest.mock import create_autospec

import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion
from gans.cyclegan import CycleGAN
from gans.data import pairs, prepared, unpaired
from gans.discogan import DiscoGAN
from gans.metrics.diversity import random_pair_distance
from gans.metrics.hues import effective_hues, hue_carried
from gans.metrics.items import mask_iou
from gans.metrics.pixels import gradient_energy
from gans.metrics.realism import sliced_wasserstein
from gans.pix2pix import Pix2Pix
from gans.training.checkpoints import Checkpoints
from gans.training.run_folder import RunFolder

NARROW = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}


@pytest.fixture(scope="session")
def toy_shoes(tmp_path_factory):
    """As `toy_bags`."""
    out = tmp_path_factory.mktemp("toy_shoes") / "shoes"
    toy_fashion.generate(out, size=32, train=12, val=5, domain="shoes", workers=1, progress=False)
    return out


@pytest.fixture
def begun(tmp_path):
    """Saves a new GAN as a run of 3 steps; returns the folder and the GAN."""

    def begin(kind, data_dir, data_dir_b=None, direction="a_to_b", **constructor):
        constructor = NARROW | constructor
        gan = kind(**constructor)
        for index, variable in enumerate(gan.variables):
            if variable.path.endswith("kernel"):  # Far from the ground, so that pictures differ.
                drawn = np.random.default_rng(index).normal(0, 0.3, variable.shape)
                variable.assign(drawn.astype(np.float32))
        run = RunFolder(tmp_path / "run")
        with run.locked():
            run.begin(
                {
                    "model": kind.__name__,
                    "module": kind.__module__,
                    "data_dir": str(data_dir),
                    "data_dir_b": data_dir_b and str(data_dir_b),
                    "tfds": None,
                    "direction": direction,
                    "constructor": constructor,
                }
            )
            Checkpoints(run.checkpoints, gan).save(3)
        return run.path, gan

    return begin


@pytest.fixture
def evaluate(run_script, capsys):
    def run(folder, *flags):
        capsys.readouterr()
        status = run_script("evaluate", f"--run_dir={folder}", "--extractor=off", *flags)
        out, err = capsys.readouterr()
        if status:
            return status, out, err
        lines = (folder / "evaluation.jsonl").read_text().splitlines()[-out.count("\n") :]
        return {
            tuple(filter(None, (row["metric"], row.get("direction")))): row
            for row in map(json.loads, lines)
        }

    return run


def halves(data, split="val", count=4):
    """Sketches and photos, in [-1, 1]."""
    files = sorted((data / split).iterdir())[:count]
    images = np.stack([np.asarray(Image.open(path), np.float32) for path in files]) / 127.5 - 1
    return np.split(images, 2, axis=2)


def check(rows, expected):
    assert rows.keys() == expected.keys()
    for name, (value, reference) in expected.items():
        assert rows[name]["value"] == pytest.approx(value, rel=1e-4), name
        assert rows[name]["reference"] == pytest.approx(reference, rel=1e-6), name


def test_pix2pix_is_measured_on_pictures_that_differ_in_their_noise(evaluate, begun, toy_bags):
    folder, gan = begun(Pix2Pix, toy_bags)
    rows = evaluate(folder, "--samples=3", "--seed=4")
    assert [name for (name,) in rows] == [
        *("photo_error", "sharpness", "realism", "diversity", "diversity_ratio"),
        "hues_per_sketch",
    ]
    images_a, images_b = halves(toy_bags)
    painted = np.stack(
        [gan.translate(np.repeat(image[np.newaxis], 3, axis=0), 4) for image in images_a]
    )
    between = np.abs(np.diff(painted, axis=1)).mean()
    assert between > 1e-3
    assert rows["diversity",]["value"] == pytest.approx(between, rel=1e-4)
    error = np.abs(painted - images_b[:, np.newaxis]).mean()
    assert rows["photo_error",]["value"] == pytest.approx(error, rel=1e-4)


def test_without_noise_every_sample_is_the_same(evaluate, begun, toy_bags):
    folder, _ = begun(Pix2Pix, toy_bags, dropout_at_test=False)
    rows = evaluate(folder, "--samples=3", "--metrics=diversity,photo_error,hues_per_sketch")
    assert rows["diversity",]["value"] == 0.0
    assert rows["hues_per_sketch",]["value"] <= 1.0


def test_cyclegan_is_measured_in_both_directions_against_partners(evaluate, begun, toy_bags):
    folder, gan = begun(CycleGAN, toy_bags)
    rows = evaluate(folder)
    expected = {}
    held_out, trained = halves(toy_bags), halves(toy_bags, "train")
    for index, (way, back) in enumerate([("a_to_b", "b_to_a"), ("b_to_a", "a_to_b")]):
        sources, targets, others = held_out[index], held_out[1 - index], trained[1 - index]
        fakes = gan.translate(sources, way)
        cycled = gan.translate(fakes, back)
        expected |= {
            ("sharpness", way): (gradient_energy(fakes) / gradient_energy(targets), 1.0),
            ("realism", way): tuple(
                sliced_wasserstein(targets, images)["mean"] for images in (fakes, others)
            ),
            ("cycle_error", way): (np.abs(sources - cycled).mean(), random_pair_distance(sources)),
            ("outline_iou", way): (mask_iou(fakes, targets), mask_iou(sources, targets)),
        }
    check(rows, expected)
    assert rows["outline_iou", "a_to_b"]["reference"] > 0.85


def test_bag_to_shoe_is_measured_by_hues(evaluate, begun, toy_bags, toy_shoes):
    folder, gan = begun(DiscoGAN, toy_bags, toy_shoes)
    rows = evaluate(folder, "--metrics=hue_carried,hue_carried_same,hues_used")
    hues = list(json.loads((toy_bags / "palette.json").read_text())["hues"].values())
    photos = {"a_to_b": halves(toy_bags)[1], "b_to_a": halves(toy_shoes)[1]}
    expected = {}
    for way, others in (("a_to_b", "b_to_a"), ("b_to_a", "a_to_b")):
        fakes = gan.translate(photos[way], way)
        carried = hue_carried(photos[way], fakes, hues)
        expected |= {
            ("hue_carried", way): (carried["same_or_next"], 3 / 8),
            ("hue_carried_same", way): (carried["same"], 1 / 8),
            ("hues_used", way): (
                effective_hues(fakes, hues),
                effective_hues(photos[others], hues),
            ),
        }
    check(rows, expected)
    assert {name for name, _ in evaluate(folder, "--direction=a_to_b")} == {
        *("sharpness", "realism", "cycle_error"),
        *("hue_carried", "hue_carried_same", "hues_used"),
    }


def test_one_direction_alone(evaluate, begun, toy_bags):
    folder, _ = begun(CycleGAN, toy_bags)
    rows = evaluate(folder, "--direction=b_to_a", "--metrics=sharpness")
    assert list(rows) == [("sharpness", "b_to_a")]


def test_a_run_of_exchanged_domains_takes_the_photos_as_a(evaluate, begun, toy_bags):
    folder, gan = begun(CycleGAN, toy_bags, direction="b_to_a")
    rows = evaluate(folder, "--direction=a_to_b", "--metrics=outline_iou")
    sketches, photos = halves(toy_bags)
    assert rows["outline_iou", "a_to_b"]["value"] == pytest.approx(
        mask_iou(gan.translate(photos, "a_to_b"), sketches), rel=1e-6
    )


def test_without_a_way_back_there_is_one_direction(evaluate, begun, toy_bags):
    folder, _ = begun(DiscoGAN, toy_bags, objective="gan")
    assert list(evaluate(folder)) == [
        ("sharpness", "a_to_b"),
        ("realism", "a_to_b"),
        ("outline_iou", "a_to_b"),
    ]
    assert evaluate(folder, "--direction=b_to_a") == (
        2,
        "",
        "error: --direction expects a_to_b: this run has no generator of the way back\n",
    )
    status, _, err = evaluate(folder, "--metrics=cycle_error")
    assert (status, err.count("\n")) == (2, 1)
    assert "cycle_error cannot be measured, since the GAN has no generator of the way back" in err


def test_other_photos_are_measured_without_hues_and_outlines(
    evaluate, begun, toy_bags, tmp_path, capsys
):
    data = tmp_path / "photos"
    for name, images in zip("AB", halves(toy_bags, "train", 6), strict=True):
        for split, part in (("train", slice(4)), ("test", slice(3, 6))):
            (data / f"{split}{name}").mkdir(parents=True)
            for index, image in enumerate(images[part]):
                pixels = ((image + 1) * 127.5).round().astype(np.uint8)
                Image.fromarray(pixels).save(data / f"{split}{name}" / f"{name}{index}.png")
    folder, _ = begun(CycleGAN, data)
    rows = evaluate(folder, "--direction=a_to_b")
    assert {name for name, _ in rows} == {"sharpness", "realism", "cycle_error"}
    assert {row["sketches"] for row in rows.values()} == {3}
    assert evaluate(folder, "--metrics=outline_iou")[0] == 2


def test_grey_sketches_of_colour_photos_have_hues_to_count(evaluate, begun, toy_bags):
    folder, _ = begun(Pix2Pix, toy_bags, image_channels=1)
    rows = evaluate(folder, "--samples=2", "--metrics=hues_per_sketch,realism")
    assert len(rows) == 2


def test_grey_photos_have_none(evaluate, begun, toy_bags):
    folder, _ = begun(Pix2Pix, toy_bags, photo_channels=1)
    assert ("hues_per_sketch",) not in evaluate(folder, "--samples=2")


def test_a_prepared_data_set_takes_the_place_of_folders(evaluate, begun, toy_bags, monkeypatch):
    """With the true signatures, and what they would find, from the folder."""

    def find_pairs(name, tfds_dir, split, direction):
        assert (name, tfds_dir) == ("paired_images/custom", "/prepared")
        if split == "held_out":
            return pairs.find_validation(toy_bags, direction)
        return pairs.find_pairs(toy_bags, split, direction)

    def find_domains(name, tfds_dir, name_b, split, direction):
        assert (name, tfds_dir, name_b) == ("paired_images/custom", "/prepared", None)
        if split == "held_out":
            return unpaired.find_validation(toy_bags, None, direction)
        return unpaired.find_domains(toy_bags, None, split, direction)

    for name, find in (("prepared_pairs", find_pairs), ("prepared_domains", find_domains)):
        original = getattr(prepared, name)
        monkeypatch.setattr(prepared, name, create_autospec(original, side_effect=find))
    for kind in (Pix2Pix, CycleGAN):
        folder, _ = begun(kind, toy_bags)
        named = evaluate(folder, "--samples=2", "--metrics=sharpness,realism")
        record = json.loads((folder / "config.json").read_text())
        record["settings"] |= {"data_dir": None, "tfds": "paired_images/custom"}
        record["settings"] |= {"tfds_dir": "/prepared", "tfds_b": None}
        (folder / "config.json").write_text(json.dumps(record))
        assert evaluate(folder, "--samples=2", "--metrics=sharpness,realism") == named
        flags = ("--samples=2", f"--data_dir={toy_bags}", "--metrics=sharpness,realism")
        assert evaluate(folder, *flags) == named
        used = prepared.prepared_pairs if kind is Pix2Pix else prepared.prepared_domains
        assert used.call_count == 2  # Held out and training, and not for the folder.
        shutil.rmtree(folder)
