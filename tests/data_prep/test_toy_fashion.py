"""The toy fashion set: what its factors promise, and that no run of it harms or mixes files."""

import colorsys
import csv
import dataclasses
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import stats

from data_prep import toy_factors, toy_fashion
from data_prep.toy_factors import DOMAINS, HUES, KINDS, NEUTRALS, Factors, sample_factors
from data_prep.toy_render import draw
from gans.command_line.errors import UsageError

SCRIPT = Path(toy_fashion.__file__)
ALL_KINDS = [(domain, kind) for domain in DOMAINS for kind in KINDS[domain]]
PHOTO_FACTORS = {
    "hue": "blue",
    "hue_degrees": 225.0,
    "saturation": 0.9,
    "lightness": 0.9,
    "pattern": "checks",
    "pattern_colour": "black",
    "pattern_period": 0.3,
    "pattern_angle": 45.0,
    "trim": "silver",
    "contrast": "black",
    "gloss": 0.9,
    "light": 0.9,
    "grain": 2,
}


def make(domain: str, kind: str, **changes) -> Factors:
    end = KINDS[domain][kind].ends[0]
    values = {
        "handle": end if domain == "bags" else "none",
        "heel": end if domain == "shoes" else "none",
        "fitting": KINDS[domain][kind].fittings[-1],
        **dict.fromkeys(("width", "height", "taper", "curve", "detail"), 0.5),
        "tilt": 0.0,
        "hue": "red",
        "hue_degrees": 0.0,
        "saturation": 0.7,
        "lightness": 0.2,
        "pattern": "dots",
        "pattern_colour": "white",
        "pattern_period": 0.2,
        "pattern_angle": 0.0,
        "trim": "gold",
        "contrast": "taupe",
        "gloss": 0.1,
        "light": -0.9,
        "grain": 1,
    }
    return Factors(domain, kind, **values | changes)


def generate(out: Path, size: int, train: int, val: int, domain: str = "bags", **options) -> Path:
    return toy_fashion.generate(out, size, train, val, domain, **{"progress": False} | options)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read_hue(photo: np.ndarray) -> str:
    """The rule of the module's docstring."""
    item = photo[photo.min(axis=2) < 217]
    # colorsys would do; Pillow's HSV is the same in 8 bits and faster.
    hue, saturation, _ = np.asarray(Image.fromarray(item[None]).convert("HSV"))[0].T / 255
    saturated = saturation > 0.25
    if saturated.mean() < 0.15:
        return "neutral"
    distance = np.subtract.outer(hue[saturated] * 360, list(HUES.values()))
    nearest = np.abs((distance + 180) % 360 - 180).argmin(axis=1)
    return list(HUES)[np.bincount(nearest, weights=saturation[saturated]).argmax()]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return generate(tmp_path_factory.mktemp("toy") / "bags", 32, 6, 2)


def test_palette_is_unambiguous():
    assert len(HUES) == 8
    assert sorted(HUES.values()) == list(range(0, 360, 45))
    named = {**NEUTRALS, **toy_factors.PATTERN_COLOURS, "lining": toy_factors.LINING}
    named |= {k: v for k, v in toy_factors.CONTRASTS.items() if v}
    assert all(colorsys.rgb_to_hsv(*colour)[1] < 0.25 for colour in named.values())


@pytest.mark.parametrize("domain", DOMAINS)
def test_photo_tells_the_hue(domain):
    right = []
    for index in range(100):
        factors = sample_factors(domain, 3, index)
        expected = factors.hue if factors.hue in HUES else "neutral"
        right.append(read_hue(draw(factors, 32)[1]) == expected)
    assert np.mean(right) >= 0.99


def test_factors_are_uniform_and_independent():
    drawn = [sample_factors("bags", 0, index) for index in range(3000)]
    coloured = [factors for factors in drawn if factors.hue in HUES]
    assert stats.binomtest(len(coloured), len(drawn), 0.8).pvalue > 0.01
    for name, items in {"hue": coloured, "pattern": drawn, "kind": drawn}.items():
        _, counts = np.unique([getattr(factors, name) for factors in items], return_counts=True)
        assert len(counts) == {"hue": 8, "pattern": 4, "kind": 6}[name]
        assert stats.chisquare(counts).pvalue > 0.01, name
    for first, second in (("hue", "kind"), ("hue", "pattern"), ("pattern", "kind")):
        names = [(getattr(f, first), getattr(f, second)) for f in coloured]
        rows, row = np.unique([a for a, _ in names], return_inverse=True)
        columns, column = np.unique([b for _, b in names], return_inverse=True)
        table = np.zeros((len(rows), len(columns)))
        np.add.at(table, (row, column), 1)
        assert stats.chi2_contingency(table).pvalue > 0.01, (first, second)
    for factors in coloured:
        away = (factors.hue_degrees - HUES[factors.hue] + 180) % 360 - 180
        assert abs(away) <= 7.001
        assert 0.65 <= factors.saturation <= 0.95


def test_every_argument_of_a_draw_counts():
    drawn = [
        sample_factors(domain, seed, index, split)
        for domain in DOMAINS
        for seed in range(3)
        for index in range(5)
        for split in toy_factors.SPLITS
    ]
    assert len({factors.grain for factors in drawn}) == len({f.width for f in drawn}) == 60
    assert drawn[0] == sample_factors("bags", 0, 0)


@pytest.mark.parametrize(("domain", "kind"), ALL_KINDS)
def test_edges_depend_on_the_outline_factors_alone(domain, kind):
    # The clutch's other ends have nothing of the contrasting colour.
    base = make(domain, kind, **({"handle": "wrist strap"} if kind == "clutch" else {}))
    edges, photo = draw(base, 32)
    for name, value in PHOTO_FACTORS.items():
        other_edges, other_photo = draw(dataclasses.replace(base, **{name: value}), 32)
        np.testing.assert_array_equal(other_edges, edges, err_msg=name)
        # The angle in HSV is what colours a photo; the name says only which palette it is from.
        if name != "hue":
            assert (other_photo != photo).any(), name
    changes = [(n, 0.1) for n in ("width", "height", "taper", "curve", "detail")] + [("tilt", 3.0)]
    changes += [("fitting", value) for value in KINDS[domain][kind].fittings[:-1]]
    end = "handle" if domain == "bags" else "heel"
    changes += [(end, v) for v in KINDS[domain][kind].ends if v != getattr(base, end)]
    for name, value in changes:
        other_edges, other_photo = draw(dataclasses.replace(base, **{name: value}), 32)
        assert (other_edges != edges).any(), name
        assert (other_photo != photo).any(), name


@pytest.mark.parametrize("size", [32, 64, 256])
def test_edges_are_thin_dark_lines_on_white_that_touch_no_border(size):
    for domain, kind in ALL_KINDS:
        edges, photo = draw(make(domain, kind), size)
        assert edges.shape == photo.shape == (size, size, 3)
        assert edges.dtype == photo.dtype == np.uint8
        assert (edges == edges[..., :1]).all()
        assert edges.min() < 40
        # The photo's border may lie in the end of the soft shadow.
        for image, least in ((edges, 255), (photo, 220)):
            border = [image[0], image[-1], image[:, 0], image[:, -1]]
            assert np.min(border) >= least, (kind, size)
        dark = edges[..., 0] < 128
        assert 1.4 / size < dark.mean() < 10 / size, (kind, size)
        # A pixel whose 3x3 neighbourhood is all dark lies in a blot: only where lines meet.
        blots = np.asarray(Image.fromarray(edges[..., 0]).filter(ImageFilter.MaxFilter(3))) < 128
        assert blots.sum() <= (30 if size == 32 else 4), (kind, size)
        # The photo lies where the edges are: within the outline's box, and fills it.
        for axis in (0, 1):
            lines, item = (
                np.flatnonzero((image.min(axis=2) < limit).any(axis=axis))
                for image, limit in ((edges, 128), (photo, 160))
            )
            assert abs(int(lines[0]) - int(item[0])) <= 2 + size / 16, (kind, size)


def test_captions():
    def caption(kind, domain="bags", **changes):
        return make(domain, kind, **changes).caption

    assert caption("tote", fitting="buckle", contrast="matching") == (
        "a red tote bag with white dots, short handles and a gold buckle"
    )
    assert caption("clutch", hue="amber", pattern="plain", fitting="none") == "an amber clutch bag"
    assert caption("clutch", handle="chain", fitting="none", trim="silver") == (
        "a red clutch bag with white dots and a silver chain"
    )
    assert caption("satchel", fitting="buckles", pattern="plain") == (
        "a red satchel with a taupe top handle and gold buckles"
    )
    assert caption("pump", "shoes", fitting="ankle strap", heel="stiletto heel", hue="black") == (
        "a black pump with white dots, a taupe stiletto heel and an ankle strap with a gold buckle"
    )


def test_set_on_disk(tiny):
    manifest = json.loads((tiny / "manifest.json").read_text())
    digest = manifest.pop("sha256")
    assert manifest == {
        "generator": "toy_fashion",
        "version": toy_fashion.VERSION,
        "domain": "bags",
        "seed": 0,
        "size": 32,
        "train": 6,
        "val": 2,
        "format": "png",
    }
    files = contents(tiny)
    del files["manifest.json"]
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    assert digest == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert json.loads(files["palette.json"]) == {"hues": HUES, "neutrals": list(NEUTRALS)}

    rows = list(csv.DictReader(files["factors.csv"].decode().splitlines()))
    images = [f"train/{i:05d}.png" for i in range(6)] + ["val/00000.png", "val/00001.png"]
    assert [row["file"] for row in rows] == images
    assert files.keys() == {*images, "factors.csv", "palette.json"}
    types = {field.name: field.type for field in dataclasses.fields(Factors)}
    for row in rows:
        assert row["split"] == row["file"].split("/")[0]
        factors = Factors(**{name: kind(row[name]) for name, kind in types.items()})
        assert row["caption"] == factors.caption
        with Image.open(tiny / row["file"]) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 32))
            pair = np.asarray(image)
        # The row is all there is to know: edges left, photo right.
        np.testing.assert_array_equal(pair, np.concatenate(draw(factors, 32), axis=1))


def test_jpg_is_close_to_the_drawing(tmp_path):
    generate(tmp_path, 64, 1, 0, format="jpg")
    with Image.open(tmp_path / "train" / "00000.jpg") as image:
        assert image.format == "JPEG"
        pair = np.asarray(image).astype(int)
    drawn = np.concatenate(draw(sample_factors("bags", 0, 0), 64), axis=1)
    assert np.abs(pair - drawn).mean() < 4
    assert json.loads((tmp_path / "manifest.json").read_text())["format"] == "jpg"


def test_both_domains_are_two_sets(tmp_path, tiny):
    generate(tmp_path / "both", 32, 6, 2, domain="both")
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["bags", "shoes"]
    assert contents(tmp_path / "both" / "bags") == contents(tiny)
    shoes = contents(tmp_path / "both" / "shoes")
    assert len([name for name in shoes if name.endswith(".png")]) == 8


def test_two_workers_write_the_same_bytes(tmp_path):
    # More than one chunk of 50, so that both have something to do.
    one = generate(tmp_path / "one", 32, 51, 1, workers=1)
    two = generate(tmp_path / "two", 32, 51, 1, workers=2)
    assert contents(one) == contents(two)


def test_interrupted_set_is_gone_on_with(tmp_path, monkeypatch, tiny):
    drawn = []

    def fail_at_fourth(*args):
        drawn.append(args)
        if len(drawn) == 4:
            raise OSError("No space left on device")
        return draw(*args)

    with monkeypatch.context() as patch:
        patch.setattr(toy_fashion, "draw", fail_at_fourth)
        with pytest.raises(OSError, match="No space left"):
            generate(tmp_path, 32, 6, 2)
    assert "sha256" not in json.loads((tmp_path / "manifest.json").read_text())
    kept = tmp_path / "train" / "00000.png"
    os.utime(kept, (1, 1))
    (tmp_path / "train" / ".tmp-00003.png").write_bytes(b"a piece, as a kill leaves it")
    generate(tmp_path, 32, 6, 2)
    assert kept.stat().st_mtime == 1
    assert contents(tmp_path) == contents(tiny)


def test_killed_set_is_gone_on_with(tmp_path):
    command = [sys.executable, SCRIPT, "--size=64", "--train=12", "--val=2", "--domain=shoes"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = subprocess.Popen([*command, f"--out={killed}"], stderr=subprocess.DEVNULL)
    while not (killed / "train" / "00001.png").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert "sha256" not in json.loads((killed / "manifest.json").read_text())
    for out in (killed, whole):
        generate(out, 64, 12, 2, "shoes")
    assert contents(killed) == contents(whole)


def unfinish(folder: Path):
    """Makes a complete set an unfinished one, as it is before the manifest gets its digest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_complete_set_says_so_and_stays(tiny, capsys):
    before = {path: path.stat().st_mtime_ns for path in tiny.rglob("*")}
    assert generate(tiny, 32, 6, 2, progress=True) == tiny
    assert capsys.readouterr().err == f"{tiny} is complete: 6 train and 2 val pairs\n"
    assert {path: path.stat().st_mtime_ns for path in tiny.rglob("*")} == before


@pytest.mark.parametrize("finished", [True, False])
def test_set_of_other_settings_is_refused(tmp_path, finished):
    generate(tmp_path, 32, 2, 1)
    if not finished:
        unfinish(tmp_path)
    before = contents(tmp_path)
    message = (
        f"{tmp_path} holds a set of other settings: seed 0 (asked for: 7), "
        "train 2 (asked for: 3); name another folder"
    )
    with pytest.raises(UsageError, match=re.escape(message)):
        generate(tmp_path, 32, 3, 1, seed=7)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["notes.txt", "train/00002.png", "extra/a.png", "old"])
def test_foreign_file_is_refused(tmp_path, name):
    for partial in (False, True):
        folder = tmp_path / f"{partial}"
        if partial:
            generate(folder, 32, 2, 1)
            unfinish(folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"mine")
        before = contents(folder)
        with pytest.raises(UsageError, match=r"expected a new or empty folder.* Received: .*holds"):
            generate(folder, 32, 2, 1)
        assert contents(folder) == before


def test_both_refuses_before_either_is_written(tmp_path):
    (tmp_path / "shoes").mkdir()
    (tmp_path / "shoes" / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"shoes, which holds mine\.txt"):
        generate(tmp_path, 32, 1, 0, "both")
    assert contents(tmp_path) == {"shoes/mine.txt": b""}
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match=r"for bags and shoes only\. Received: .*mine\.txt"):
        generate(tmp_path, 32, 1, 0, "both")


@pytest.mark.parametrize("damage", ["missing", "changed", "manifest"])
def test_damaged_complete_set_is_refused(tmp_path, damage):
    generate(tmp_path, 32, 2, 1)
    if damage == "missing":
        (tmp_path / "val" / "00000.png").unlink()
    elif damage == "changed":
        (tmp_path / "factors.csv").write_bytes(b"")
    else:
        (tmp_path / "manifest.json").write_text("[")
    before = contents(tmp_path)
    message = "expected a manifest of toy" if damage == "manifest" else "files have changed since"
    with pytest.raises(UsageError, match=message):
        generate(tmp_path, 32, 2, 1)
    assert contents(tmp_path) == before


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match=r"expected a folder to write into\. Received: .*\(a file"):
        generate(tmp_path / "out", 32, 1, 0)
    with pytest.raises(UsageError, match=r"cannot write into .*out/set: Not a directory"):
        generate(tmp_path / "out" / "set", 32, 1, 0)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 30}, "size expects a multiple of 4 from 32 to 512. Received: 30"),
        ({"size": 28}, "size expects a multiple of 4 from 32 to 512. Received: 28"),
        ({"size": 516}, "size expects a multiple of 4 from 32 to 512. Received: 516"),
        ({"size": 64.0}, "size expects a multiple of 4 from 32 to 512. Received: 64.0"),
        ({"train": -1}, "train expects an int from 0 to 100000. Received: -1"),
        ({"val": 100_001}, "val expects an int from 0 to 100000. Received: 100001"),
        ({"train": 0, "val": 0}, "train + val expects at least one pair. Received: 0"),
        ({"seed": -1}, "seed expects an int of 0 or more. Received: -1"),
        ({"domain": "bag"}, "domain expects 'both', 'bags' or 'shoes'. Received: 'bag'"),
        ({"format": "gif"}, "format expects 'png' or 'jpg'. Received: 'gif'"),
        ({"workers": 0}, "workers expects an int of 1 or more. Received: 0"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(tmp_path, arguments, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        toy_fashion.generate(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_bad_factor_arguments_are_refused():
    for arguments, message in {
        ("bag", 0, 0): "domain expects 'bags' or 'shoes'. Received: 'bag'",
        ("bags", 0, 0, "test"): "split expects 'train' or 'val'. Received: 'test'",
        ("bags", -1, 0): "seed expects an int of 0 or more. Received: -1",
        ("bags", 0, -1): "index expects an int of 0 or more. Received: -1",
    }.items():
        with pytest.raises(UsageError, match=re.escape(message)):
            sample_factors(*arguments)
    with pytest.raises(UsageError, match="size expects"):
        draw(make("bags", "tote"), 50)


def test_command_line(tmp_path, tiny):
    def run(*flags):
        return subprocess.run([sys.executable, SCRIPT, *flags], capture_output=True, text=True)

    out = f"--out={tmp_path / 'out'}"
    refused = run(out, "--size=33")
    assert refused.returncode == 2
    assert refused.stderr == "error: size expects a multiple of 4 from 32 to 512. Received: 33\n"
    assert not (tmp_path / "out").exists()
    done = run(out, "--size=32", "--train=6", "--val=2")
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "out" / "bags") == contents(tiny)
