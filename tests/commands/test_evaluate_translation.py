"""The evaluation of GANs that translate: its numbers are those of a computation from the networks.

The networks are narrow and untrained: the numbers must be right, not good.
"""

import json
import shutil
from unittest.mock import create_autospec

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_prep import toy_fashion
from gans.commands.evaluate import evaluate as command
from gans.data import pairs, prepared, unpaired
from gans.metrics.diversity import random_pair_distance
from gans.metrics.hues import dominant_hues, effective_hues, hue_carried
from gans.metrics.items import mask_iou
from gans.metrics.pixels import gradient_energy
from gans.metrics.realism import sliced_wasserstein

NARROW = {"image_size": 32, "generator_filters": 2, "discriminator_filters": 2}
STYLE = {"encoder_filters": 2, "latent_dim": 3}
OF_PAIRS = ("photo_error", "sharpness", "realism", "diversity", "diversity_ratio")
OF_HUES = ("hues_per_sketch", "hue_kept")
OF_STYLE = ("hues_per_sketch", "hue_kept", "reconstruction", "latent_error")


@pytest.fixture(scope="module")
def toy_shoes(tmp_path_factory):
    """As `toy_bags`."""
    out = tmp_path_factory.mktemp("toy_shoes") / "shoes"
    toy_fashion.generate(out, size=32, train=12, val=5, domain="shoes", workers=1, progress=False)
    return out


@pytest.fixture(scope="module")
def begun(begin_run, toy_bags, toy_shoes, tmp_path_factory):
    """Makes a run of a GAN on toy fashion, once for the same settings; its folder, which is not to
    be changed, and the GAN.
    """
    made = {}

    def begin(name, direction="a_to_b", shoes=False, **settings):
        key = name, direction, shoes, *settings.items()
        if key not in made:
            folder = tmp_path_factory.mktemp("runs") / "run"
            data = {"data_dir": str(toy_bags), "direction": direction}
            data |= {"data_dir_b": str(toy_shoes)} if shoes else {}
            settings = NARROW | (STYLE if name == "bicyclegan" else {}) | settings
            made[key] = folder, begin_run(folder, name, data, **settings)
        return made[key]

    return begin


@pytest.fixture
def evaluate(run_command, capsys, tmp_path):
    """Evaluates without networks; lines by metric, or metric and direction."""

    def run(folder, *flags):
        out = tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        flags = (f"--run_dir={folder}", f"--output={out}", "--extractor=off", *flags)
        assert run_command(command, *flags) == 0
        run.out, run.err = capsys.readouterr()
        lines = map(json.loads, (out / "evaluation.jsonl").read_text().splitlines())
        return {
            (line["metric"], line["direction"]) if "direction" in line else line["metric"]: line
            for line in lines
        }

    return run


def halves(data, split="val", count=4):
    """Sketches and photos, in [-1, 1]."""
    files = sorted((data / split).iterdir())[:count]
    images = np.stack([np.asarray(Image.open(path), np.float32) for path in files]) / 127.5 - 1
    return np.split(images, 2, axis=2)


def check(lines, expected):
    assert lines.keys() == expected.keys()
    for name, (value, reference) in expected.items():
        assert lines[name]["value"] == pytest.approx(value, rel=1e-4), name
        assert lines[name]["reference"] == pytest.approx(reference, rel=1e-6), name


def test_bicyclegan_equals_a_direct_computation(evaluate, begun, toy_bags):
    folder, gan = begun("bicyclegan")
    lines = evaluate(folder, "--samples=3", "--seed=2")
    assert tuple(lines) == OF_PAIRS + OF_STYLE
    images_a, photos = halves(toy_bags)
    z = [tf.random.stateless_normal((4, 3), [2, draw]).numpy() for draw in range(3)]
    made = np.stack([gan.generator([images_a, one], training=False) for one in z], axis=1)
    between, others = np.abs(np.diff(made, axis=1)).mean(), random_pair_distance(photos, 2)
    first, trained = made[:, 0], halves(toy_bags, "train")[1]
    palette = list(json.loads((toy_bags / "palette.json").read_text())["hues"].values())
    counts = [len(set(dominant_hues(row, palette)) - {-1}) for row in made]
    zeros = np.zeros((4, 3), np.float32)
    styles = gan.encoder([photos, zeros], training=False)[1].numpy()
    again = gan.generator([images_a, styles], training=False).numpy()
    wanted = dominant_hues(photos, palette)
    kept = (dominant_hues(again, palette) == wanted)[wanted >= 0].mean()
    found = [gan.encoder([one, zeros], training=False)[1].numpy() for one in made.swapaxes(0, 1)]
    error = np.mean([np.abs(one - truth).mean() for one, truth in zip(found, z, strict=True)])
    expected = {
        "photo_error": (np.abs(made - photos[:, None]).mean(), others),
        "sharpness": (gradient_energy(first) / gradient_energy(photos), 1.0),
        "realism": tuple(
            sliced_wasserstein(photos, images, seed=2)["mean"] for images in (first, trained)
        ),
        "diversity": (between, others),
        "diversity_ratio": (between / others, 1.0),
        "hues_per_sketch": (np.mean(counts), 8),
        "hue_kept": (kept, 1 / 8),
        "reconstruction": (np.abs(again - photos).mean(), others),
        "latent_error": (error, np.sqrt(2 / np.pi)),
    }
    check(lines, expected)
    line = lines["latent_error"]
    assert (line["step"], line["sketches"], line["samples"], line["seed"]) == (8, 4, 3, 2)
    assert f"latent_error     {line['value']:9.3f}  (no information 0.798)\n" in evaluate.out


def test_the_same_seed_gives_the_same_lines(evaluate, begun):
    folder, _ = begun("bicyclegan")
    flags = ("--samples=2", "--metrics=diversity,latent_error")
    first, second, other = (evaluate(folder, *flags, f"--seed={seed}") for seed in (0, 0, 1))
    assert first == second
    assert first["diversity"]["value"] != other["diversity"]["value"]


def test_evaluations_are_added_up(begun, run_command, tmp_path):
    folder, _ = begun("bicyclegan")
    given = (f"--run_dir={folder}", f"--output={tmp_path}", "--metrics=sharpness")
    for sketches in (2, 100):
        assert run_command(command, *given, f"--sketches={sketches}") == 0
    lines = [json.loads(line) for line in (tmp_path / "evaluation.jsonl").read_text().splitlines()]
    assert [line["sketches"] for line in lines] == [2, 4]  # All that there are.
    assert all(line["versions"] for line in lines)


def test_the_chosen_metrics_come_in_their_order_and_once(evaluate, begun):
    folder, _ = begun("bicyclegan")
    assert list(evaluate(folder, "--metrics=sharpness,latent_error,sharpness")) == [
        "sharpness",
        "latent_error",
    ]


def test_pix2pix_is_measured_on_images_that_differ_in_their_noise(evaluate, begun, toy_bags):
    folder, gan = begun("pix2pix")
    lines = evaluate(folder, "--samples=3", "--seed=4")
    assert tuple(lines) == (*OF_PAIRS, "hues_per_sketch")
    images_a, images_b = halves(toy_bags)
    made = np.stack([gan.translate(np.repeat(image[None], 3, axis=0), 4) for image in images_a])
    between = np.abs(np.diff(made, axis=1)).mean()
    assert between > 1e-3
    assert lines["diversity"]["value"] == pytest.approx(between, rel=1e-4)
    error = np.abs(made - images_b[:, None]).mean()
    assert lines["photo_error"]["value"] == pytest.approx(error, rel=1e-4)


def test_without_noise_every_sample_is_the_same(evaluate, begun):
    folder, _ = begun("pix2pix", dropout_at_test=False)
    lines = evaluate(folder, "--samples=3", "--metrics=diversity,hues_per_sketch")
    assert lines["diversity"]["value"] == 0.0
    assert lines["hues_per_sketch"]["value"] <= 1.0


def test_cyclegan_is_measured_in_both_directions_against_partners(evaluate, begun, toy_bags):
    folder, gan = begun("cyclegan")
    lines = evaluate(folder)
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
    check(lines, expected)
    assert lines["outline_iou", "a_to_b"]["reference"] > 0.85
    assert list(evaluate(folder, "--direction=b_to_a", "--metrics=sharpness")) == [
        ("sharpness", "b_to_a")
    ]


def test_bag_to_shoe_is_measured_by_hues(evaluate, begun, toy_bags, toy_shoes):
    folder, gan = begun("discogan", shoes=True)
    lines = evaluate(folder, "--metrics=hue_carried,hue_carried_same,hues_used")
    hues = list(json.loads((toy_bags / "palette.json").read_text())["hues"].values())
    photos = {"a_to_b": halves(toy_bags)[1], "b_to_a": halves(toy_shoes)[1]}
    expected = {}
    for way, others in (("a_to_b", "b_to_a"), ("b_to_a", "a_to_b")):
        fakes = gan.translate(photos[way], way)
        carried = hue_carried(photos[way], fakes, hues)
        used = effective_hues(fakes, hues), effective_hues(photos[others], hues)
        expected |= {
            ("hue_carried", way): (carried["same_or_next"], 3 / 8),
            ("hue_carried_same", way): (carried["same"], 1 / 8),
            ("hues_used", way): used,
        }
    check(lines, expected)
    names = {name for name, _ in evaluate(folder, "--direction=a_to_b")}
    assert names == {
        *("sharpness", "realism", "cycle_error"),
        *("hue_carried", "hue_carried_same", "hues_used"),
    }


def test_of_exchanged_domains_photos_are_a(evaluate, begun, toy_bags):
    folder, gan = begun("cyclegan", "b_to_a")
    lines = evaluate(folder, "--direction=a_to_b", "--metrics=outline_iou")
    sketches, photos = halves(toy_bags)
    iou = mask_iou(gan.translate(photos, "a_to_b"), sketches)
    assert lines["outline_iou", "a_to_b"]["value"] == pytest.approx(iou, rel=1e-6)
    # Sketches have no hues.
    folder, _ = begun("pix2pix", "b_to_a")
    assert "hues_per_sketch" not in evaluate(folder, "--samples=2")
    assert "hues_per_sketch" in evaluate.err


def test_without_a_generator_from_b_to_a_there_is_one_direction(evaluate, begun, failure):
    folder, _ = begun("discogan", objective="gan")
    assert list(evaluate(folder)) == [
        ("sharpness", "a_to_b"),
        ("realism", "a_to_b"),
        ("outline_iou", "a_to_b"),
    ]
    given = (command, f"--run_dir={folder}", "--extractor=off")
    error = failure(*given, "--direction=b_to_a")
    assert "--direction" in error and error.endswith("Received: b_to_a")
    error = failure(*given, "--metrics=cycle_error")
    assert "--metrics" in error and "cycle_error" in error and "generator_ba" in error


@pytest.mark.parametrize(
    ("channels", "has_hues"), [({"image_channels": 1}, True), ({"photo_channels": 1}, False)]
)
def test_photos_of_colour_have_hues_to_count(evaluate, begun, channels, has_hues):
    folder, _ = begun("pix2pix", **channels)
    lines = evaluate(folder, "--samples=2")
    assert ("hues_per_sketch" in lines) == has_hues and "realism" in lines


def test_without_a_palette_hues_are_left_out_and_told(evaluate, begun, failure, toy_bags, tmp_path):
    data = tmp_path / "photos"
    for split in ("train", "val"):
        shutil.copytree(toy_bags / split, data / split)
    folder, _ = begun("bicyclegan")
    lines = evaluate(folder, "--samples=2", f"--data_dir={data}")
    assert set(lines) == {*OF_PAIRS, *OF_STYLE} - set(OF_HUES)
    assert evaluate.err.endswith(f"palette.json: {', '.join(OF_HUES)}\n")
    given = (f"--run_dir={folder}", f"--data_dir={data}", "--metrics=latent_error,hue_kept")
    assert "hue_kept" in failure(command, *given)


def test_other_photos_have_neither_hues_nor_outlines(evaluate, begun, toy_bags, tmp_path):
    data = tmp_path / "photos"
    for name, images in zip("AB", halves(toy_bags, "train", 6), strict=True):
        for split, part in (("train", slice(4)), ("test", slice(3, 6))):
            (data / f"{split}{name}").mkdir(parents=True)
            for index, image in enumerate(images[part]):
                pixels = ((image + 1) * 127.5).round().astype(np.uint8)
                Image.fromarray(pixels).save(data / f"{split}{name}" / f"{name}{index}.png")
    folder, _ = begun("cyclegan")
    lines = evaluate(folder, f"--data_dir={data}", "--direction=a_to_b")
    assert {name for name, _ in lines} == {"sharpness", "realism", "cycle_error"}
    assert {line["sketches"] for line in lines.values()} == {3}


def test_one_sample_and_one_sketch_leave_out_what_they_cannot_tell(evaluate, begun):
    folder, _ = begun("bicyclegan")
    lines = evaluate(folder, "--samples=1", "--sketches=1")
    lost = {"diversity", "diversity_ratio", "photo_error", "reconstruction"}
    assert set(lines) == {*OF_PAIRS, *OF_STYLE} - lost
    assert "--samples=1" in evaluate.err


@pytest.mark.parametrize("split", ["train", "val"])
def test_too_few_training_images_leave_realism_without_a_reference(
    evaluate, begun, toy_bags, tmp_path, split
):
    data = tmp_path / "few"
    for folder in ("train", "val"):
        shutil.copytree(toy_bags / folder, data / folder)
    for path in sorted((data / split).iterdir())[2:]:
        path.unlink()
    folder, _ = begun("pix2pix")
    line = evaluate(folder, f"--data_dir={data}", "--samples=1", "--metrics=realism")["realism"]
    assert (line["reference"] is None) == (split == "train")


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_a_prepared_data_set_takes_the_place_of_folders(
    evaluate, begun, begin_run, toy_bags, tmp_path, monkeypatch, name
):
    """With the true signatures, and what they would find, from the folder."""

    def find_pairs(name, tfds_dir, split, direction):
        assert (name, tfds_dir) == ("paired_images/custom", "/prepared")
        if split != "train":
            return pairs.find_validation(toy_bags, direction)
        return pairs.find_pairs(toy_bags, split, direction)

    def find_domains(name, tfds_dir, name_b, split, direction, disjoint):
        assert (name, tfds_dir, name_b, disjoint) == (
            "paired_images/custom",
            "/prepared",
            None,
            False,
        )
        if split != "train":
            return unpaired.find_validation(toy_bags, None, direction)
        return unpaired.find_domains(toy_bags, None, split, direction)

    for function, find in (("prepared_pairs", find_pairs), ("prepared_domains", find_domains)):
        original = getattr(prepared, function)
        monkeypatch.setattr(prepared, function, create_autospec(original, side_effect=find))
    flags = ("--samples=2", "--metrics=sharpness,realism")
    expected = evaluate(begun(name)[0], *flags)
    data = {"dataset": "paired_images/custom", "tfds_dir": "/prepared"}
    begin_run(tmp_path / "prepared", name, data, **NARROW)
    assert evaluate(tmp_path / "prepared", *flags) == expected
    used = prepared.prepared_pairs if name == "pix2pix" else prepared.prepared_domains
    calls = used.call_count
    assert calls
    assert evaluate(tmp_path / "prepared", *flags, f"--data_dir={toy_bags}") == expected
    assert used.call_count == calls


def test_data_that_is_gone_and_a_run_without_checkpoints_are_refused(
    begin_run, failure, toy_bags, tmp_path
):
    begin_run(tmp_path / "run", "pix2pix", {"data_dir": str(tmp_path / "gone")}, **NARROW)
    given = (command, f"--run_dir={tmp_path / 'run'}", "--extractor=off")
    assert f"{tmp_path / 'gone'}" in failure(*given)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert f"Received: {tmp_path / 'run'}" in failure(*given, f"--data_dir={toy_bags}")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--samples=0"], ["--samples", "0"]),
        (["--sketches=0"], ["--sketches", "0"]),
        (["--seed=-1"], ["--seed", "-1"]),
        (["--sample=1"], ["--sample;", "--samples"]),
        (["--direction=b_to_a"], ["--direction", "Received: b_to_a", "BicycleGAN"]),
        (["--classifier=x"], ["--classifier", "Received: x", "BicycleGAN"]),
        (["--metrics=realism,beauty"], ["--metrics", "photo_error", "Received: beauty"]),
        (["--metrics=outline_iou"], ["--metrics", "Received: outline_iou"]),
        (["--data_dir_b=b"], ["--data_dir_b", "Received: b"]),
        (["--run_dir=nowhere"], ["nowhere"]),
    ],
)
def test_a_wrong_line_is_refused_before_any_work(begun, failure, no_tensorflow, flags, words):
    folder, _ = begun("bicyclegan")
    given = [] if "--run_dir=nowhere" in flags else [f"--run_dir={folder}"]
    error = failure(command, *given, *flags)
    assert all(word in error for word in words)
