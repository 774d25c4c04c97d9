"""The tables of a bench: methods with their differences, and methods by tasks."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from autoreg_jax.errors import ArtifactError
from autoreg_jax.studies._table import Column, Table, mean_sd, summarised
from autoreg_jax.studies.bench._methods import OURS, in_order
from autoreg_jax.studies.bench._results import Pair, Results

_RESAMPLES = 10_000
_LEVEL = 0.95


class PairedDifference(NamedTuple):
    """A method minus another over the same pairs.

    Attributes:
        mean: Of the differences.
        low, high: Bootstrap interval of that mean, 95 %.
        p_value: Of Wilcoxon's signed-rank test, two-sided.
    """

    mean: float
    low: float
    high: float
    p_value: float


UNKNOWN = PairedDifference(math.nan, math.nan, math.nan, math.nan)


def paired_difference(
    scores: Sequence[float], others: Sequence[float], *, seed: int = 0
) -> PairedDifference:
    """Compare the scores of two methods, pair by pair.

    The interval holds the middle 95 % of the means of 10,000 resamples of the
    differences; it takes the pairs for independent, which pairs that share a subject
    are not quite.

    Args:
        scores: The scores of one method, one per pair; NaN is ignored.
        others: Of the other, in the same order.
        seed: Of the resamples.

    Returns:
        The difference; NaN where it needs more pairs: all of it without any, the
        interval with one. A test of differences that are all zero says 1.
    """
    differences = np.asarray(scores, float) - np.asarray(others, float)
    differences = differences[np.isfinite(differences)]
    if not differences.size:
        return UNKNOWN
    mean = float(differences.mean())
    if differences.size == 1:
        return UNKNOWN._replace(mean=mean)
    rng = np.random.default_rng(seed)
    draws = rng.integers(differences.size, size=(_RESAMPLES, differences.size))
    tails = ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)
    low, high = np.quantile(differences[draws].mean(axis=1), tails).tolist()
    p_value = 1.0
    if np.any(differences):
        tested: Any = stats.wilcoxon(differences[differences != 0])
        p_value = float(tested.pvalue)
    return PairedDifference(mean, low, high, p_value)


_COLUMNS = (
    Column("", "method"),
    Column("pairs", "pairs", "{:.0f}"),
    Column("Dice", "dice", sd="dice_sd"),
    Column("HD95, mm", "hd95", "{:.2f}", sd="hd95_sd"),
    Column("NCC", "ncc", sd="ncc_sd"),
    Column("error, mm", "displacement_error", "{:.2f}", sd="displacement_error_sd"),
    Column("folding, %", "folding_fraction", factor=100),
    Column("SD log J", "log_jacobian_std"),
    Column("to AutoReg", "difference", "{:+.4f}"),
    Column("95 %", "interval"),
    Column("p", "wilcoxon_p", "{:.2g}"),
    Column("first, s", "seconds_first", ""),
    Column("later, s", "seconds", "", sd="seconds_sd"),
    Column("memory, MB", "peak_memory_bytes", "{:.0f}", 1e-6),
    Column("parameters, M", "parameters", factor=1e-6),
    Column("threads", "threads", "{:.0f}"),
    Column("not finished because", "failure"),
)
_TASK_FIELDS = (
    "dice",
    "dice_sd",
    "displacement_error",
    "displacement_error_sd",
    "folding_fraction",
)


def bench_table(
    results: Mapping[str, Results], pairs: Sequence[Pair], seed: int
) -> Table:
    """The table of the bench: means and standard deviations over the pairs.

    Structures are averaged first. `hd95` and `displacement_error` are mm,
    `folding_fraction` is of all voxels, `log_jacobian_std` in the body; `difference` of
    Dice (without labels: of NCC) is to AutoReg; `seconds_first` includes start and
    compilation; unknown values are NaN.
    """
    records = [
        _record(results[name], results.get(OURS), pairs, seed)
        for name in in_order(results)
    ]
    return Table(records, _COLUMNS, [one | _interval(**one) for one in records])


def _record(
    results: Results, ours: Results | None, pairs: Sequence[Pair], seed: int
) -> dict[str, Any]:
    found = [results.of_pair[pair] for pair in pairs if pair in results.of_pair]
    record: dict[str, Any] = {"method": results.name, "pairs": len(found)}
    for name in ("dice", "hd95", "ncc", "displacement_error"):
        record |= summarised(name, _scores(results, pairs, name))
    for name in ("folding_fraction", "log_jacobian_std"):
        record[name], _ = mean_sd(_scores(results, pairs, name))
    difference = UNKNOWN
    if ours is not None and ours is not results:
        judged = "dice" if math.isfinite(record["dice"]) else "ncc"
        scores = (_scores(one, pairs, judged) for one in (results, ours))
        difference = paired_difference(*scores, seed=seed)
    names = ("difference", "difference_low", "difference_high", "wilcoxon_p")
    record |= zip(names, difference, strict=True)
    first = [_number(one["elapsed"]) for one in found if one["is_first"]]
    later = [_number(one["seconds"]) for one in found if not one["is_first"]]
    memory = [_number(one["peak_memory_bytes"] or None) for one in found]
    record["seconds_first"], _ = mean_sd(first)
    return record | {
        **summarised("seconds", later),
        "peak_memory_bytes": max(memory, default=math.nan),
        "parameters": _number(results.header.get("parameters")),
        "threads": _number(results.header.get("threads")),
        "failure": results.failure,
    }


def _scores(results: Results, pairs: Iterable[Pair], name: str) -> list[float]:
    """A score of each pair, structures averaged; NaN where it is not known."""
    records = [results.of_pair.get(pair, {"scores": {}}) for pair in pairs]
    return [_mean(record["scores"].get(name)) for record in records]


def _mean(value: Any) -> float:
    return math.nan if value is None else mean_sd(np.array(value, float).ravel())[0]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _interval(
    difference_low: float, difference_high: float, **_: Any
) -> dict[str, str]:
    if not math.isfinite(difference_low):
        return {}
    return {"interval": f"{difference_low:+.4f} to {difference_high:+.4f}"}


def task_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """Table V of the paper: a row for each method, a column for each task.

    A cell is the Dice, or the error in mm where no pair of the task has labels.
    """
    columns, lines = [Column("", "")], {}
    for task in dict.fromkeys(record["task"] for record in records):
        of_task = [record for record in records if record["task"] == task]
        is_error = all(math.isnan(record["dice"]) for record in of_task)
        field = "displacement_error" if is_error else "dice"
        title, form = f"{task}, {'mm' if is_error else 'Dice'}", "{:.3f}"
        form = "{:.2f}" if is_error else form
        columns.append(Column(title, task, form, sd=f"{task}_sd"))
        for one in of_task:
            line = lines.setdefault(one["method"], {"": one["method"]})
            line |= {task: one[field], f"{task}_sd": one[f"{field}_sd"]}
    return Table(records, columns, [lines[name] for name in in_order(lines)])


def read_bench(task: str, folder: Path) -> list[dict[str, Any]]:
    """The scores of each method in a finished bench, under the name `task`.

    Raises ArtifactError if the folder contains no complete bench.csv.
    """
    path = folder / "bench.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                {"task": task, "method": row["method"], "pairs": int(row["pairs"])}
                | {name: float(row[name]) for name in _TASK_FIELDS}
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path}: no result of `autoreg bench` ({error!r}); name the folder of a "
            "bench."
        ) from error
