"""How long a run trained, by its own logs."""

import statistics
from pathlib import Path


def training_seconds(logs: Path, steps: int) -> float | None:
    """Median seconds of a step, by the times of the points of the loss curves, times the steps.

    The median leaves out what tracing, samples, checkpoints and interruptions took. None where no
    process of the run left two points.

    Args:
        logs: folder of TensorBoard's events.
        steps: of the whole run.
    """
    import tensorflow as tf

    paces = []
    for path in logs.glob("events.out.tfevents.*"):
        times = {}
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            if any(value.tag.startswith("loss/") for value in event.summary.value):
                times.setdefault(event.step, event.wall_time)
        points = sorted(times.items())
        paces += [
            (after - before) / (step - previous)
            for (previous, before), (step, after) in zip(points, points[1:], strict=False)
        ]
    return statistics.median(paces) * steps if paces else None
