"""Animations: every frame, in its order and for its time."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gans.data.images import save_png
from gans.pictures.animation import MOST_FRAMES, save_gif, save_there_and_back


def pictures(count, size=8):
    """Pictures of colours that change little by little, each with a black row."""
    made = np.empty((count, size, size, 3), np.uint8)
    for number, picture in enumerate(made):
        picture[:] = (number % 250, 255 - number % 250, 40)
        picture[number % size] = 0
    return list(made)


def frames(path):
    """Pixels and milliseconds of each frame."""
    with Image.open(path) as gif:
        assert (gif.format, gif.info["loop"]) == ("GIF", 0)
        return [
            (np.asarray(frame.convert("RGB")).astype(int), frame.info["duration"])
            for frame in ImageSequence.Iterator(gif)
        ]


@pytest.mark.parametrize("kind", ["arrays", "files"])
def test_a_gif_has_every_frame_and_holds_the_last(tmp_path, kind):
    given = made = pictures(7)
    if kind == "files":
        given = [tmp_path / f"{number}.png" for number in range(7)]
        for path, picture in zip(given, made, strict=True):
            save_png(path, picture)
    (tmp_path / "out").mkdir()
    for name in ("a.gif", "b.gif"):
        save_gif(given, tmp_path / "out" / name, frame_milliseconds=50, hold_milliseconds=900)
    found = frames(tmp_path / "out" / "a.gif")
    assert [duration for _, duration in found] == [50] * 6 + [900]
    for picture, (pixels, _) in zip(made, found, strict=True):
        assert np.abs(pixels - picture).max() <= 8
    # The same frames give the same bytes, and nothing else is left.
    a, b = sorted((tmp_path / "out").iterdir())
    assert a.read_bytes() == b.read_bytes()


def test_of_many_frames_as_many_as_allowed_are_taken_the_first_and_last_among_them(tmp_path):
    made = pictures(MOST_FRAMES + 31)
    save_gif(made, tmp_path / "samples.gif")
    found = frames(tmp_path / "samples.gif")
    assert len(found) == MOST_FRAMES
    for place in (0, -1):
        assert np.abs(made[place] - found[place][0]).max() <= 12


def test_grey_frames_go_there_and_back(tmp_path):
    shades = (0, 100, 200, 255)
    save_there_and_back([np.full((6, 6, 1), shade, np.uint8) for shade in shades], tmp_path / "a")
    found = frames(tmp_path / "a")
    assert [pixels[0, 0].tolist() for pixels, _ in found] == [
        [shade] * 3 for shade in (0, 100, 200, 255, 200, 100)
    ]
    assert {duration for _, duration in found} == {120}


def test_one_picture_is_an_animation_and_none_or_different_sizes_are_not(tmp_path):
    save_gif(pictures(1), tmp_path / "one.gif")
    assert len(frames(tmp_path / "one.gif")) == 1
    with pytest.raises(ValueError, match="Received: 0"):
        save_gif([], tmp_path / "two.gif")
    with pytest.raises(ValueError, match="Received: 8x8, 9x9"):
        save_gif(pictures(1, 8) + pictures(1, 9), tmp_path / "two.gif")
    assert [path.name for path in tmp_path.iterdir()] == ["one.gif"]
