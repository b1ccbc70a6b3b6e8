"""Seconds of training, from event files whose times are known."""

import pytest
import tensorflow as tf

from gans.results.training_time import training_seconds


@pytest.fixture
def logs(tmp_path):
    """Writes an event file of (step, time, tag) points."""

    def write(name, *points):
        with tf.io.TFRecordWriter(str(tmp_path / f"events.out.tfevents.{name}")) as writer:
            writer.write(tf.compat.v1.Event(wall_time=0.0, file_version="2").SerializeToString())
            for step, time, tag in points:
                value = tf.compat.v1.Summary.Value(tag=tag)
                event = tf.compat.v1.Event(
                    step=step, wall_time=time, summary=tf.compat.v1.Summary(value=[value])
                )
                writer.write(event.SerializeToString())
        return tmp_path

    return write


def losses(*points):
    return [(*point, "loss/d_loss") for point in points]


def test_the_median_step_times_the_steps(logs):
    # 0.1, 0.2 and, where a checkpoint was written, 5 s a step.
    folder = logs("a", *losses((10, 100.0), (20, 101.0), (30, 103.0), (40, 153.0)))
    assert training_seconds(folder, 1000) == pytest.approx(200.0)


def test_the_time_between_two_processes_does_not_count(logs):
    logs("a", *losses((10, 100.0), (20, 101.0)))
    folder = logs("b", *losses((30, 900.0), (40, 903.0)))
    assert training_seconds(folder, 100) == pytest.approx(20.0)  # Of 0.1 and 0.3.


def test_two_losses_at_a_step_are_one_point(logs):
    folder = logs("a", *losses((10, 100.0), (10, 100.5), (20, 101.0), (20, 101.5)))
    assert training_seconds(folder, 10) == pytest.approx(1.0)


def test_what_is_no_loss_is_no_point(logs):
    folder = logs("a", (0, 1.0, "settings"), *losses((10, 100.0), (20, 101.0)))
    logs("a2", (5, 1.0, "samples/fixed_z"), (6, 90.0, "samples/fixed_z"))
    assert training_seconds(folder, 10) == pytest.approx(1.0)


def test_too_few_points_are_no_measurement(logs, tmp_path):
    assert training_seconds(tmp_path, 10) is None
    assert training_seconds(logs("a", *losses((10, 100.0))), 10) is None
