"""The one table of metrics: every row is whole, names lead to rows, and what cannot be measured is
said.
"""

from types import SimpleNamespace

import pytest

from gans.command_line.errors import UsageError
from gans.commands.evaluate import list_metrics
from gans.evaluation import table
from gans.evaluation.feature_comparison import Measured
from gans.evaluation.table import METRICS, NEEDS, Metric


def test_every_row_is_whole_and_has_a_name_of_its_own_for_each_kind():
    names = [(kind, metric.name) for metric in METRICS for kind in metric.of]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert set(metric.needs) <= NEEDS.keys(), metric.name
        assert metric.meaning and metric.compared_with, metric.name
    assert {need for metric in METRICS for need in metric.needs} == NEEDS.keys()


def test_the_metrics_of_each_kind():
    def names(kind):
        return {metric.name for metric in METRICS if kind in metric.of}

    features = {"fd", "kd", "is", "precision", "density", "recall", "coverage", "spacing"}
    assert names("folders") == set(table.FEATURES) == features
    assert {"modes", "label_accuracy", "code_hue", "realism", "diversity"} <= names("noise")
    assert {"photo_error", "latent_error", "diversity_ratio", "seg_class_iou"} <= names("pairs")
    assert {"cycle_error", "outline_iou", "hues_used", "realism"} <= names("domains")


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("fd", "noise", "fd"),
        ("fid", "noise", "fd"),
        ("inception_score", "folders", "is"),
        ("fd_toy", "pairs", "fd"),
        ("is_mnist", "noise", "is"),
        ("diversity_ratio", "pairs", "diversity_ratio"),
        ("diversity_lpips_alex", "pairs", "perceptual_diversity"),
        ("ratio_pd_toy", "pairs", "perceptual_ratio"),
        ("realism", "folders", None),
        ("outline_iou", "pairs", None),
        ("beauty", "noise", None),
    ],
)
def test_names_of_results_lead_to_their_rows(name, kind, found):
    metric = table.find(name, kind)
    assert (metric and metric.name) == found


def test_groups_stand_for_their_metrics_and_each_is_measured_once():
    found = table.resolve(["recall", "prdc", "fid", "fd"], "noise")
    assert [metric.name for metric in found] == ["recall", "precision", "density", "coverage", "fd"]
    with pytest.raises(UsageError, match=r"--metrics .*realism.*prdc.* Received: outline_iou$"):
        table.resolve(["outline_iou"], "noise")
    with pytest.raises(UsageError, match="Received: perceptual$"):
        table.resolve(["perceptual"], "noise")


@pytest.fixture
def two_rows(monkeypatch):
    """Two metrics of points, one of which needs what is not there, and their outputs."""
    rows = tuple(
        Metric(name, ("noise",), needs, "higher", "all", lambda g: g.number, lambda g: 4.0, "")
        for name, needs in (("there", ("images",)), ("gone", ("images", "real", "codes")))
    )
    monkeypatch.setattr(table, "METRICS", rows)
    record, counts = {"step": 7}, {"samples": 5}
    outputs = SimpleNamespace(
        kind="noise", makes_images=True, has_real=False, number=2.0, record=record, counts=counts
    )
    return rows, outputs


def test_what_is_not_there_is_left_out_and_told_or_refused(two_rows, capsys):
    (there, gone), outputs = two_rows
    assert table.choose(outputs, None) == [there]
    assert capsys.readouterr().err == f"left out, since {NEEDS['real'].absence}: gone\n"
    # What belongs to the GAN is not told.
    outputs.has_real, outputs.codes = True, None
    assert table.choose(outputs, None) == [there]
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match=f"gone .*{NEEDS['codes'].absence}"):
        table.choose(outputs, [there, gone])


def test_a_line_has_the_number_what_it_is_compared_with_and_all_that_decides_it(two_rows):
    (there, _), outputs = two_rows
    line = {"metric": "there", "value": 2.0, "reference": 4.0, "reference_is": "all"}
    assert table.measure(there, outputs) == {**line, "samples": 5, "step": 7}
    outputs.number = Measured(3.0, {"pairs": 9})
    assert table.measure(there, outputs) == {**line, "value": 3.0, "pairs": 9, "step": 7}


def test_the_command_lists_all_metrics():
    text = list_metrics()
    for metric in METRICS:
        assert f"{metric.name}: {metric.meaning}\n" in text
