"""Animations: every picture, in its order and for its time."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gans.data.images import save_png
from gans.pictures.animation import save_film, save_gif


def pictures(folder, count, size=24):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"step-{index:04d}.png" for index in range(count)]
    for index, path in enumerate(paths):
        pixels = np.full((size, size, 3), (index % 250, 255 - index % 250, 40), np.uint8)
        pixels[index % size] = 0
        save_png(path, pixels)
    return paths


def frames(path):
    with Image.open(path) as gif:
        assert gif.format == "GIF"
        return [
            (np.asarray(frame.convert("RGB")), frame.info["duration"])
            for frame in ImageSequence.Iterator(gif)
        ]


def test_a_gif_has_every_picture_and_holds_the_last(tmp_path):
    paths = pictures(tmp_path / "samples", 7)
    save_gif(paths, tmp_path / "samples.gif", frame_milliseconds=50, hold_milliseconds=900)
    found = frames(tmp_path / "samples.gif")
    assert [duration for _, duration in found] == [50] * 6 + [900]
    for path, (pixels, _) in zip(paths, found, strict=True):
        original = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert np.abs(original - pixels).max() <= 8
    with Image.open(tmp_path / "samples.gif") as gif:
        assert gif.info["loop"] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples", "samples.gif"]


def test_of_many_pictures_200_are_taken_the_first_and_last_among_them(tmp_path):
    paths = pictures(tmp_path / "samples", 231, size=8)
    save_gif(paths, tmp_path / "samples.gif")
    found = frames(tmp_path / "samples.gif")
    assert len(found) == 200
    for path, (pixels, _) in ((paths[0], found[0]), (paths[-1], found[-1])):
        original = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert np.abs(original - pixels).max() <= 12


def test_a_gif_is_a_function_of_its_pictures(tmp_path):
    paths = pictures(tmp_path / "samples", 5)
    for name in ("a.gif", "b.gif"):
        save_gif(paths, tmp_path / name)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_one_picture_is_an_animation_too(tmp_path):
    save_gif(pictures(tmp_path / "samples", 1), tmp_path / "samples.gif")
    assert len(frames(tmp_path / "samples.gif")) == 1


def test_pictures_that_make_no_film_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="expected at least 1 picture. Received: 0"):
        save_gif([], tmp_path / "samples.gif")
    mixed = pictures(tmp_path / "a", 1, size=8) + pictures(tmp_path / "b", 1, size=9)
    with pytest.raises(ValueError, match="expected pictures of one size. Received: 8x8, 9x9"):
        save_gif(mixed, tmp_path / "samples.gif")
    assert not list(tmp_path.glob("*.gif*"))


def test_a_film_goes_there_and_back(tmp_path):
    frames = [np.full((6, 6, 3), value, np.uint8) for value in (0, 100, 200, 255)]
    save_film(tmp_path / "film.gif", frames)
    with Image.open(tmp_path / "film.gif") as film:
        shades = []
        for number in range(film.n_frames):
            film.seek(number)
            shades.append(int(np.asarray(film.convert("L"))[0, 0]))
    assert shades == [0, 100, 200, 255, 200, 100]
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]
