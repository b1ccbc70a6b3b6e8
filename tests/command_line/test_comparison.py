"""Trainings that are compared: one comparison in a folder, nothing measured twice."""

import json

import pytest

from gans.command_line import comparison
from gans.command_line.errors import UsageError

SETTINGS = {"seeds": 2, "variants": {"GAN": {"epochs": 3, "norm": None}}}


def refusal(folder, settings=SETTINGS) -> str:
    with pytest.raises(UsageError) as error:
        comparison.check(folder, settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_new_folder_begins_a_comparison_that_goes_on_with_the_same_settings(tmp_path):
    folder = tmp_path / "a" / "b"
    comparison.check(folder, SETTINGS)
    assert not folder.parent.exists()
    comparison.begin(folder, SETTINGS)
    (folder / "table.csv").touch()
    comparison.check(folder, SETTINGS)
    assert json.loads((folder / comparison.SETTINGS).read_text()) == SETTINGS


def test_other_settings_are_named_old_and_new(tmp_path):
    comparison.begin(tmp_path, SETTINGS)
    told = refusal(tmp_path, {"seeds": 2, "variants": {"GAN": {"epochs": 4, "rate": 1}}})
    assert str(tmp_path) in told and "--out" in told
    # A flag that is not given is one of None.
    assert "GAN epochs 3 -> 4" in told and "GAN rate None -> 1" in told and "norm" not in told
    many = {"seeds": 1, "variants": {str(n): {"epochs": n} for n in range(4)}}
    assert "and 3 more" in refusal(tmp_path, many)


@pytest.mark.parametrize("text", [None, "no JSON"])
def test_files_of_others_are_no_comparison_and_stay(tmp_path, text):
    path = tmp_path / ("thesis.tex" if text is None else comparison.SETTINGS)
    path.write_text(text or "mine")
    assert "--out" in refusal(tmp_path) and str(tmp_path) in refusal(tmp_path)
    if text is None:
        assert "--out" in refusal(path) and str(path) in refusal(path)
        with pytest.raises(UsageError, match="--out"):
            comparison.begin(path / "below", SETTINGS)
    assert path.read_text() == (text or "mine")


def test_a_run_is_measured_once_its_record_is_kept(tmp_path):
    run = comparison.Run("GAN", 1, tmp_path, ("python", "train.py"))
    assert not run.is_measured and run.name == "GAN, seed 1"
    assert run.job.command == ("python", "train.py") and run.job.log == tmp_path.with_suffix(".log")
    run.keep({"modes": 8})
    assert run.is_measured and run.record() == {"modes": 8}
