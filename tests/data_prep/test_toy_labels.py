"""Maps of labels: they lie where the photo's parts lie, and only the outline moves them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from data_prep import toy_labels
from data_prep.toy_factors import DOMAINS, KINDS, sample_factors
from data_prep.toy_fashion import generate
from data_prep.toy_labels import CLASSES, PALETTE, draw_labels, main, read_labels
from data_prep.toy_outlines import Part
from data_prep.toy_render import draw
from gans.command_line.errors import UsageError

GROUND, BODY, CONTRAST, TRIM, LINING = range(5)


def example(**changes):
    base = sample_factors("bags", 0, 0)
    plain = {"kind": "tote", "handle": "long handles", "fitting": "none", "tilt": 0.0}
    plain |= {"hue": "red", "hue_degrees": 0.0, "saturation": 0.9, "pattern": "plain"}
    return dataclasses.replace(base, **plain | changes)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("toy") / "bags", 32, 6, 3, "bags", progress=False)


def test_classes_are_the_materials_of_the_parts():
    materials = {
        part.material
        for domain in DOMAINS
        for index in range(60)
        for part in toy_labels.assemble(sample_factors(domain, 0, index))
    }
    assert materials - {"seam"} == set(CLASSES[1:])
    assert len(PALETTE) == len(set(PALETTE)) == len(CLASSES)


def test_only_what_moves_the_edges_moves_the_labels():
    labels = draw_labels(example(), 64)
    assert labels.dtype == np.uint8 and labels.shape == (64, 64)
    photo_only = {"hue": "blue", "hue_degrees": 225.0, "lightness": 0.9, "pattern": "checks"}
    photo_only |= {"trim": "silver", "contrast": "black", "gloss": 0.9, "light": 0.9, "grain": 2}
    np.testing.assert_array_equal(draw_labels(example(**photo_only), 64), labels)
    for name, value in {"handle": "short handles", "width": 0.0, "tilt": 4.0}.items():
        assert (draw_labels(example(**{name: value}), 64) != labels).any(), name


def test_each_part_is_where_its_colour_is():
    """A red body, handles of cream, a lining near black, and a trim of gold."""
    factors = example(kind="bucket", handle="top handle", fitting="drawstring", contrast="cream")
    factors = dataclasses.replace(factors, trim="gold", gloss=0.0)
    photo = draw(factors, 256)[1].astype(int)
    labels = draw_labels(factors, 256)
    assert set(np.unique(labels)) == set(range(5))

    def mean(label):
        return photo[labels == label].mean(axis=0)

    red, cream, gold, dark = (mean(label) for label in (BODY, CONTRAST, TRIM, LINING))
    assert red[0] > 3 * red[1] and red[0] > 3 * red[2]
    assert cream.min() > 120 and np.ptp(cream) < 40
    assert gold[0] > gold[1] > gold[2] + 30
    assert dark.max() < 80
    # The ground is white but for the shadow below.
    assert np.median(photo[labels == GROUND]) == 255


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_item_is_what_is_not_ground(domain):
    for index in range(20):
        factors = dataclasses.replace(
            sample_factors(domain, 1, index), hue="black", pattern="plain", contrast="black"
        )
        labels, photo = draw_labels(factors, 128), draw(factors, 128)[1]
        # All dark, except the trim.
        dark = photo.max(axis=2) < 140
        item = (labels != GROUND) & (labels != TRIM)
        # A pixel at the rim is a mixture; the shadow below is ground.
        assert (dark & (labels == GROUND)).mean() < 0.02, index
        assert (~dark & item).sum() < 0.1 * item.sum(), index


def test_the_part_that_covers_most_of_a_pixel_names_it(monkeypatch):
    """A square from the left border to 10 of 32 pixels and a quarter, and below that three
    quarters; another in front of its upper half.
    """

    def square(left, top, right, bottom, material):
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return Part(corners / 16 - 1, material)

    # PIL paints the pixels of both ends of a side: less half of one of the four to a pixel.
    parts = [
        square(0, 0, 10.25 - 0.13, 15.9, "body"),
        square(0, 16, 10.75 - 0.13, 31.9, "body"),
        square(0, 0, 4 - 0.13, 31.9, "trim"),
    ]
    monkeypatch.setattr(toy_labels, "assemble", lambda factors: parts)
    labels = draw_labels(example(), 32)
    for rows, width in ((slice(0, 16), 10), (slice(16, 32), 11)):
        assert (labels[rows, :4] == TRIM).all()
        assert (labels[rows, 4:width] == BODY).all()
        assert (labels[rows, width:] == GROUND).all()


@pytest.mark.parametrize(("domain", "kind"), [(d, k) for d in KINDS for k in KINDS[d]])
def test_parts_of_each_kind(domain, kind):
    end = KINDS[domain][kind].ends[-1]
    factors = dataclasses.replace(
        sample_factors(domain, 0, 0),
        kind=kind,
        handle=end if domain == "bags" else "none",
        heel=end if domain == "shoes" else "none",
        fitting=KINDS[domain][kind].fittings[-1],
    )
    shares = np.bincount(draw_labels(factors, 64).ravel(), minlength=5) / 64**2
    assert shares[GROUND] > 0.2 and shares[BODY] > 0.04
    assert shares[CONTRAST] + shares[TRIM] > 0.003


def test_labels_of_a_set_come_from_its_rows(tiny):
    found = read_labels(tiny, "val", 32)
    expected = [draw_labels(sample_factors("bags", 0, index, "val"), 32) for index in range(3)]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8
    # By name, in another order and at another size.
    chosen = read_labels(tiny, "train", 64, ["train/00004.png", "00001.jpg"])
    expected = [draw_labels(sample_factors("bags", 0, index), 64) for index in (4, 1)]
    np.testing.assert_array_equal(chosen, expected)
    assert read_labels(tiny, "train", 64, []).shape == (0, 64, 64)


def test_files_are_the_labels_with_a_palette_to_see_them_by(tiny, tmp_path):
    before = {path: path.read_bytes() for path in tiny.rglob("*.*")}
    main(str(tiny), str(tmp_path / "labels"))
    files = sorted(path.relative_to(tmp_path / "labels") for path in tmp_path.rglob("*.png"))
    names = [f"train/{i:05d}.png" for i in range(6)] + [f"val/{i:05d}.png" for i in range(3)]
    assert list(map(str, files)) == names
    expected = read_labels(tiny, "val", 32)
    for index, labels in enumerate(expected):
        with Image.open(tmp_path / "labels" / "val" / f"{index:05d}.png") as image:
            assert (image.mode, image.size) == ("P", (32, 32))
            np.testing.assert_array_equal(np.asarray(image), labels)
            seen = np.asarray(image.convert("RGB"))
        np.testing.assert_array_equal(seen, np.array(PALETTE)[labels])
    # The set is left as it was.
    assert {path: path.read_bytes() for path in tiny.rglob("*.*")} == before


def test_what_is_refused(tiny, tmp_path):
    with pytest.raises(UsageError, match=r"set of toy fashion. Received: .* without factors.csv"):
        read_labels(tmp_path, "val", 32)
    with pytest.raises(UsageError, match=r"a row val/00007 in .*factors.csv. Received: none"):
        read_labels(tiny, "val", 32, ["val/00007.png"])
    with pytest.raises(UsageError, match="size expects a multiple of 4 from 32 to 512"):
        read_labels(tiny, "val", 33)
    with pytest.raises(UsageError, match="new or empty folder to write into"):
        main(str(tiny), str(tiny))
    for text in ("file,split,kind\nval/00000.png,val,tote\n", "file,split\nval/00000.png,val\n"):
        (tmp_path / "factors.csv").write_text(text)
        with pytest.raises(UsageError, match=r"factors of toy fashion in .*factors.csv") as error:
            read_labels(tmp_path, "val", 32)
        assert "\n" not in str(error.value)
    (tmp_path / "factors.csv").write_bytes((tiny / "factors.csv").read_bytes())
    with pytest.raises(UsageError, match="expected pairs in .* Received: none"):
        main(str(tmp_path), str(tmp_path / "out"))
