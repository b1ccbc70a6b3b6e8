"""Tables of measured values: mean and deviation over seeds, as CSV and as Markdown.

`values` is, for each variant, the values by measure of each of its runs, in the order of the seeds;
`measures` is, by the name of each measure and in the order of the columns, whether "higher" or
"lower" is better or what else is to be reached, and what it is. A measure that no run has gets no
column; where a variant lacks one, there is a dash.
"""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence

Values = Mapping[str, Sequence[Mapping[str, float]]]
Measures = Mapping[str, tuple[str, str]]


def mean_and_deviation(numbers: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample deviation (n - 1); one number has no deviation."""
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else None
    return statistics.fmean(numbers), deviation


def csv_table(values: Values, measures: Measures) -> str:
    """A row for each variant and measure: mean, sample deviation, and the value of each seed."""
    seeds = range(max(map(len, values.values())))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["variant", "measure", "better", "mean", "deviation"]
    writer.writerow([*header, *(f"seed_{seed}" for seed in seeds)])
    for variant, runs in values.items():
        for name, (better, _) in measures.items():
            if numbers := _numbers(runs, name):
                writer.writerow([variant, name, better, *mean_and_deviation(numbers), *numbers])
    return text.getvalue()


def markdown_table(values: Values, measures: Measures, reference: Mapping[str, float]) -> str:
    """A row for each variant, a column for each measure, and below it what each measure is.

    Args:
        values, measures: see above.
        reference: values of a last row, by measure.
    """
    names = [name for name in measures if any(_numbers(runs, name) for runs in values.values())]
    better = [f"*{measures[name][0]}*" for name in names]
    rows = [["", *names], ["---"] * (1 + len(names)), ["*better*", *better]]
    for variant, runs in values.items():
        rows.append([variant])
        for name in names:
            numbers = _numbers(runs, name)
            rows[-1].append(show(*mean_and_deviation(numbers)) if numbers else "-")
    shown = [show(reference[name]) if name in reference else "-" for name in names]
    rows.append(["*for reference*", *shown])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *(f"- {name}: {measures[name][1]}" for name in names), ""])


def show(mean: float, deviation: float | None = None) -> str:
    """`12.3 ± 0.4`: three digits of the mean where it is 1 or more, else three places, and five of
    what is less than 0.01 and not 0; the deviation to the same place.
    """
    places = 0 if abs(mean) >= 100 else 1 if abs(mean) >= 10 else 2 if abs(mean) >= 1 else 3
    if 0 < abs(mean) < 0.01:
        places = 5
    text = f"{mean:.{places}f}"
    return text if deviation is None else f"{text} ± {deviation:.{places}f}"


def _numbers(runs: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [run[name] for run in runs if name in run]
