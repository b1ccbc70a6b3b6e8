"""Hues: solid colours, the rules at their thresholds, and the known hue of every drawn bag."""

import colorsys
import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import toy_fashion
from data_prep.toy_factors import NEUTRALS
from gans.metrics import hues
from gans.metrics.hues import NEUTRAL

PALETTE = [0, 45, 90, 135, 180, 225, 270, 315]
RED, LIME, BLUE, MAGENTA = 0, 2, 5, 7


def colour(degrees: float, saturation: float = 0.8, value: float = 0.7) -> np.ndarray:
    """A colour of HSV as floats in [-1, 1]."""
    return np.array(colorsys.hsv_to_rgb(degrees % 360 / 360, saturation, value)) * 2 - 1


def image(*bands: np.ndarray, height: int = 4) -> np.ndarray:
    """One column of pixels per band."""
    return np.tile(np.array(bands), (height, 1, 1))


def hue_of(*bands: np.ndarray) -> int:
    return int(hues.dominant_hues(image(*bands)[np.newaxis], PALETTE)[0])


def level(grey: float) -> np.ndarray:
    """A grey of 0 to 255, as the pipeline computes it."""
    return np.full(3, np.float32(grey) / np.float32(127.5) - np.float32(1))


def solid(*indices: int) -> np.ndarray:
    """Images of one colour each, by index into the palette, or white for NEUTRAL."""
    white = level(255)
    return np.stack(
        [image(white if index == NEUTRAL else colour(PALETTE[index])) for index in indices]
    )


WHITE, BLACK = level(255), level(0)


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("offset", [-22, -7, 0, 7, 22])  # 22.5 is half way to the next hue.
def test_a_colour_counts_as_the_nearest_hue_of_the_circle(index, offset):
    for saturation in (0.3, 0.95):
        for value in (0.2, 0.8):
            assert hue_of(colour(PALETTE[index] + offset, saturation, value)) == index


def test_the_index_follows_the_palette_that_is_given():
    images = np.stack([image(colour(degrees)) for degrees in (10, 100, 200, 340)])
    assert hues.dominant_hues(images, [180, 0, 90]).tolist() == [1, 2, 0, 1]


@pytest.mark.parametrize("grey", [0, 60, 128, 200, 255])
def test_greys_are_neutral(grey):
    assert hue_of(level(grey)) == NEUTRAL


def test_the_neutrals_of_toy_fashion_are_neutral():
    assert NEUTRALS
    for name, rgb in NEUTRALS.items():
        assert hue_of(np.array(rgb) * 2 - 1) == NEUTRAL, name


def test_the_background_has_no_vote_however_large():
    assert hue_of(colour(PALETTE[BLUE]), *[WHITE] * 99) == BLUE


def test_a_pixel_is_background_from_217_on():
    # A seventh of the item is too little to be coloured; without the greys it is all of the item.
    assert hue_of(colour(PALETTE[LIME]), *[level(216)] * 6) == NEUTRAL
    assert hue_of(colour(PALETTE[LIME]), *[level(217)] * 6) == LIME


def test_an_item_is_coloured_from_15_percent_of_its_pixels_on():
    coloured, black = colour(PALETTE[LIME]), BLACK
    assert hue_of(*[coloured] * 3, *[black] * 17) == LIME
    assert hue_of(*[coloured] * 2, *[black] * 12) == NEUTRAL


def test_a_pixel_is_coloured_above_a_saturation_of_a_quarter():
    assert hue_of(colour(PALETTE[BLUE], saturation=0.26)) == BLUE
    assert hue_of(colour(PALETTE[BLUE], saturation=0.24)) == NEUTRAL


def test_the_hue_with_the_most_pixels_wins():
    assert hue_of(*[colour(PALETTE[RED])] * 2, *[colour(PALETTE[BLUE])] * 3) == BLUE


def test_a_strong_colour_outvotes_more_pixels_of_a_pale_one():
    pale, strong = colour(PALETTE[RED], saturation=0.3), colour(PALETTE[BLUE], saturation=0.95)
    assert hue_of(pale, pale, pale, strong) == BLUE
    assert hue_of(pale, pale, pale, pale, strong) == RED


def test_every_image_of_a_batch_is_read_on_its_own():
    wanted = [RED, NEUTRAL, BLUE, LIME, NEUTRAL, MAGENTA]
    assert hues.dominant_hues(solid(*wanted).astype(np.float32), PALETTE).tolist() == wanted


def check_against_factors(folder: Path, split: str):
    palette = json.loads((folder / "palette.json").read_text())
    names = list(palette["hues"])
    with open(folder / "factors.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith(f"{split}/")]
    photos = np.stack([np.asarray(Image.open(folder / row["file"])) for row in rows])
    photos = photos[:, :, photos.shape[2] // 2 :] / np.float32(127.5) - 1
    found = hues.dominant_hues(photos, list(palette["hues"].values()))
    wanted = [names.index(row["hue"]) if row["hue"] in names else NEUTRAL for row in rows]
    assert found.tolist() == wanted
    return set(wanted)


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_hue_of_small_drawn_bags_is_the_one_they_were_drawn_with(toy_bags, split):
    assert check_against_factors(toy_bags, split)


@pytest.mark.parametrize("domain", ["bags", "shoes"])
def test_the_hue_of_sixty_drawn_items_is_the_one_they_were_drawn_with(tmp_path, domain):
    toy_fashion.generate(
        tmp_path / "set", size=64, train=60, val=0, domain=domain, workers=1, progress=False
    )
    met = check_against_factors(tmp_path / "set", "train")
    assert met == {NEUTRAL, *range(8)}  # Else 60 items prove too little.


# What is counted.


def test_hues_per_sketch_is_the_mean_number_of_different_hues_without_neutrals():
    samples = np.stack(
        [
            solid(RED, RED, BLUE, NEUTRAL),  # 2
            solid(NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL),  # 0
            solid(RED, LIME, BLUE, MAGENTA),  # 4
            solid(LIME, LIME, LIME, LIME),  # 1
        ]
    )
    assert hues.hues_per_sketch(samples, PALETTE) == 7 / 4


def test_hue_kept_is_the_share_of_the_coloured_photos():
    photos = solid(RED, BLUE, LIME, MAGENTA, NEUTRAL, NEUTRAL, NEUTRAL)
    reconstructions = solid(RED, LIME, NEUTRAL, MAGENTA, NEUTRAL, NEUTRAL, RED)
    assert hues.hue_kept(photos, reconstructions, PALETTE) == 2 / 4
    assert hues.hue_kept(photos, photos, PALETTE) == 1.0


def test_hue_kept_of_no_coloured_photo_is_not_a_number():
    assert math.isnan(hues.hue_kept(solid(NEUTRAL), solid(RED), PALETTE))


def test_hue_carried_is_the_share_of_the_coloured_sources():
    # In the palette's order 7 (MAGENTA) and 0 (RED) are neighbours, 0 and 2 are not.
    sources = solid(RED, RED, RED, LIME, BLUE, NEUTRAL, MAGENTA, BLUE)
    targets = solid(RED, MAGENTA, LIME, LIME, NEUTRAL, RED, RED, 4)
    assert hues.hue_carried(sources, targets, PALETTE) == {
        "same": 2 / 7,
        "same_or_next": 5 / 7,
    }
    assert set(hues.hue_carried(sources, sources, PALETTE).values()) == {1.0}


def test_a_translation_without_colour_is_not_next_to_a_hue():
    # NEUTRAL is -1, one less than the first hue and eight away from the last.
    assert hues.hue_carried(solid(RED, MAGENTA), solid(NEUTRAL, NEUTRAL), PALETTE) == {
        "same": 0.0,
        "same_or_next": 0.0,
    }


def test_hue_carried_is_one_and_three_of_eight_by_chance():
    sources = solid(*[index for index in range(8) for _ in range(8)])
    targets = solid(*list(range(8)) * 8)
    assert hues.hue_carried(sources, targets, PALETTE) == {"same": 1 / 8, "same_or_next": 3 / 8}


def test_hue_carried_of_no_coloured_source_is_not_a_number():
    carried = hues.hue_carried(solid(NEUTRAL), solid(RED), PALETTE)
    assert all(map(math.isnan, carried.values())) and len(carried) == 2


@pytest.mark.parametrize(
    ("indices", "count"),
    [
        (range(8), 8.0),
        ([RED, RED, NEUTRAL], 1.0),
        ([NEUTRAL], 0.0),
        ([RED, BLUE, RED, BLUE], 2.0),
        ([RED, RED, RED, BLUE], 4 / 3**0.75),  # exp(-3/4 ln 3/4 - 1/4 ln 1/4)
    ],
)
def test_effective_hues_counts_hues_by_how_frequent_they_are(indices, count):
    assert hues.effective_hues(solid(*indices), PALETTE) == pytest.approx(count, rel=1e-9)


def test_at_a_distance_is_the_mean_of_each_part():
    images = np.arange(2 * 10 * 6, dtype=np.float32).reshape(2, 10, 6, 1)
    far = hues.at_a_distance(images, 2)
    assert far.shape == (2, 2, 2, 1)
    np.testing.assert_allclose(far[0, 0, 0, 0], images[0, :5, :3].mean())
    np.testing.assert_allclose(far[1, 1, 1, 0], images[1, 5:, 3:].mean())
    # 10 pixels in 4 parts: 2, 3, 2 and 3.
    far = hues.at_a_distance(images, 4)
    np.testing.assert_allclose(far[0, 1, 3, 0], images[0, 2:5, 4:].mean())


def test_tinted_pixels_are_neutral_at_a_distance_and_hues_are_kept():
    palette = [0.0, 120.0, 240.0]
    images = np.full((2, 64, 64, 3), -0.8, np.float32)
    # Of three neighbours in a row one is red, one green and one blue.
    for channel in range(3):
        images[0, :, channel::3, channel] = -0.2
    images[1, ..., 1] = 0.4
    assert hues.dominant_hues(images, palette)[0] != NEUTRAL
    np.testing.assert_array_equal(
        hues.dominant_hues(hues.at_a_distance(images), palette), [NEUTRAL, 1]
    )


@pytest.mark.parametrize("text", [None, "", "[1]", '{"neutrals": []}', '{"hues": []}', "\xff"])
def test_a_palette_that_cannot_be_read_is_none(tmp_path, toy_bags, text):
    assert hues.read_palette(toy_bags) == [0, 45, 90, 135, 180, 225, 270, 315]
    if text is not None:
        (tmp_path / "palette.json").write_text(text, encoding="latin-1")
    assert hues.read_palette(tmp_path) == []
