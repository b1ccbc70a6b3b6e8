"""What an evaluation leaves behind."""

import json

import numpy as np
from PIL import Image

from gans.evaluation import report
from gans.pictures.image_grid import image_blocks

OF_FEATURES = {
    "metric": "fd_toy",
    "value": 12.345,
    "deviation": 0.5,
    "reference": 1.5,
    "reference_is": "real",
    "n_real": 1000,
    "n_fake": 500,
    "split": "train",
    "extractor": "toy",
    "extractor_sha256": "ab" * 32,
    "resize": "none",
    "dtype": "float32",
    "seeds": [0, 1, 2],
    "step": 7,
}
OWN = {"metric": "diversity", "value": 0.25, "reference": None, "reference_is": "real", "step": 7}
ONE_WAY = {**OWN, "direction": "a_to_b", "reference": 1.0}


def test_rows_of_the_table_on_stdout():
    assert report.describe(OF_FEATURES) == "fd_toy              12.345  ± 0.500  (real 1.500)"
    assert report.describe(OWN) == "diversity            0.250"
    assert report.describe(ONE_WAY) == "diversity        a_to_b     0.250  (real 1.000)"


def test_the_markdown_has_the_numbers_the_words_and_what_decided_them():
    assert report.markdown([OWN, ONE_WAY, OF_FEATURES], ["Quality: good."]) == (
        "| measure | value | for comparison |\n"
        "|---|---|---|\n"
        "| diversity | 0.250 |  |\n"
        "| diversity a_to_b | 0.250 | real: 1.00 |\n"
        "| fd_toy | 12.3 ± 0.5 | real: 1.50 |\n"
        "\n"
        "Quality: good.\n"
        "\n"
        f"Measured with: real images 1000, samples 500, split train, extractor toy, its sha256 "
        f"{'ab' * 32}, resize none, dtype float32, seeds [0, 1, 2], step 7.\n"
    )


def test_lines_are_added_and_the_table_is_written_anew(tmp_path):
    report.save(tmp_path / "run", [OWN], [])
    report.save(tmp_path / "run", [OF_FEATURES], ["Said."])
    lines = (tmp_path / "run" / "evaluation.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [line["metric"] for line in found] == ["diversity", "fd_toy"]
    assert set(found[1]["versions"]) == {"gans", "tensorflow", "keras", "numpy"}
    assert {k: v for k, v in found[1].items() if k != "versions"} == OF_FEATURES
    text = (tmp_path / "run" / "evaluation.md").read_text()
    assert text == report.markdown([OF_FEATURES], ["Said."])


def test_a_number_that_is_none_is_a_dash():
    line = OWN | {"value": float("nan")}
    assert "| diversity | - |  |" in report.markdown([line], [])


def test_the_best_is_the_highest_the_lowest_or_the_one_nearest_to_the_reference():
    lines = [OF_FEATURES | {"value": value, "step": step} for step, value in enumerate((3, 1, 2))]
    found = [report.best(lines, better)["step"] for better in ("higher", "lower", "near")]
    assert found == [0, 1, 1]  # 1 and 2 are as near to 1.5: the first.


def test_a_curve_over_checkpoints_for_each_direction_with_its_reference(tmp_path):
    def measured(direction, reference, *values):
        line = OF_FEATURES | {"direction": direction, "reference": reference}
        return [line | {"step": 10 * i, "value": value} for i, value in enumerate(values, 1)]

    lines = measured("a_to_b", 1.5, 9.0, 3.0) + measured("b_to_a", None, 8.0, 4.0)
    (axes,) = report.checkpoint_curves(lines, "CycleGAN").axes
    shown = [
        (line.get_label(), line.get_linestyle(), line.get_xydata().tolist()) for line in axes.lines
    ]
    assert shown == [
        ("fd_toy a_to_b", "-", [[10, 9], [20, 3]]),
        ("real", "--", [[10, 1.5], [20, 1.5]]),
        ("fd_toy b_to_a", "-", [[10, 8], [20, 4]]),
    ]
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == (
        "CycleGAN",
        "step",
        "fd_toy",
    )
    report.plot(tmp_path / "evaluation.png", lines, "CycleGAN")
    with Image.open(tmp_path / "evaluation.png") as picture:
        assert picture.width == 640


def test_samples_are_shown_next_to_their_neighbours():
    images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1).repeat(8, 1).repeat(8, 2) * 40
    picture = report.neighbours_picture(images[:2], [images[2:4], images[4:6]])
    values = (images / 127.5 - 1.0).reshape(6, 1, 8, 8, 1)
    blocks = [
        ("sample", values[:2]),
        ("nearest real images", values[2:].reshape(2, 2, 8, 8, 1)),
    ]
    np.testing.assert_array_equal(picture, image_blocks(blocks))
