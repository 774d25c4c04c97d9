"""The table of the bench, from the results of each method."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from autoreg_jax.studies.bench._methods import OURS, method_names
from autoreg_jax.studies.bench._results import Pair, Results
from autoreg_jax.studies.bench._statistics import UNKNOWN, paired_difference
from autoreg_jax.studies.reproduce._table import Table, mean_sd
from autoreg_jax.workflows.evaluation import mean_and_sd


class BenchRow(NamedTuple):
    """One method, mean and standard deviation over the pairs; NaN where unknown.

    Attributes:
        method: Its name.
        pairs: How many it has registered.
        dice, dice_sd: Mean over the structures of a pair.
        hd95, hd95_sd: Mean over the structures of a pair, mm.
        ncc, ncc_sd: Mean local correlation.
        displacement_error, displacement_error_sd: In the body, mm.
        folding_fraction: Of all voxels.
        log_jacobian_std: In the body.
        difference: Of Dice (of the correlation without labels) to AutoReg, pair by
            pair.
        difference_low, difference_high: Its bootstrap interval, 95 %.
        wilcoxon_p: Of the signed-rank test.
        seconds_first: Of the first pair, start of the process and compilation included.
        seconds, seconds_sd: Of each later pair.
        peak_memory_bytes: Largest resident size of the process.
        parameters: Of the network.
        threads: Processors that it may use.
        failure: Why it is not finished; empty where it is.
    """

    method: str
    pairs: int
    dice: float
    dice_sd: float
    hd95: float
    hd95_sd: float
    ncc: float
    ncc_sd: float
    displacement_error: float
    displacement_error_sd: float
    folding_fraction: float
    log_jacobian_std: float
    difference: float
    difference_low: float
    difference_high: float
    wilcoxon_p: float
    seconds_first: float
    seconds: float
    seconds_sd: float
    peak_memory_bytes: float
    parameters: float
    threads: float
    failure: str


def bench_rows(
    results: Mapping[str, Results], pairs: Sequence[Pair], seed: int
) -> list[BenchRow]:
    """A row for each method, in the order of `method_names`.

    Args:
        results: Of each method, by name.
        pairs: Those that count.
        seed: Of the bootstrap.
    """
    ours = results.get(OURS)
    return [
        _row(results[name], ours, pairs, seed)
        for name in method_names()
        if name in results
    ]


def scores_of(results: Results, pairs: Sequence[Pair], name: str) -> list[float]:
    """A score of each pair, structures averaged; NaN where it is not known."""
    return [_score(results.of_pair.get(pair), name) for pair in pairs]


def _score(record: Mapping | None, name: str) -> float:
    value = None if record is None else record["scores"].get(name)
    if value is None:
        return math.nan
    known = [x for x in np.atleast_1d(np.asarray(value, float)) if math.isfinite(x)]
    return float(np.mean(known)) if known else math.nan


def _row(
    results: Results, ours: Results | None, pairs: Sequence[Pair], seed: int
) -> BenchRow:
    def mean(name: str) -> tuple[float, float]:
        return _mean_sd(scores_of(results, pairs, name))

    found = [results.of_pair[pair] for pair in pairs if pair in results.of_pair]
    judged = "dice" if math.isfinite(mean("dice")[0]) else "ncc"
    difference = UNKNOWN
    if ours is not None and ours is not results:
        scores = (scores_of(one, pairs, judged) for one in (results, ours))
        difference = paired_difference(*scores, seed=seed)
    first = [one["elapsed"] for one in found if one["is_first"]]
    steady = [one["seconds"] for one in found if not one["is_first"]]
    parameters = results.about.get("parameters")
    return BenchRow(
        results.name,
        len(found),
        *mean("dice"),
        *mean("hd95"),
        *mean("ncc"),
        *mean("displacement_error"),
        mean("folding_fraction")[0],
        mean("log_jacobian_std")[0],
        *difference,
        _mean_sd(first)[0],
        *_mean_sd(steady),
        max(
            (_number(one["peak_memory_bytes"] or None) for one in found),
            default=math.nan,
        ),
        _number(parameters),
        _number(results.about.get("threads")),
        results.failure,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _mean_sd(values: Sequence[float]) -> tuple[float, float]:
    known = mean_and_sd([_number(value) for value in values])
    return _number(known["mean"]), _number(known["sd"])


_HEADER = (
    "",
    "pairs",
    "Dice",
    "HD95, mm",
    "NCC",
    "error, mm",
    "folding, %",
    "SD log J",
    "to AutoReg",
    "95 %",
    "p",
    "first, s",
    "later, s",
    "memory, MB",
    "parameters, M",
    "threads",
    "not finished because",
)


def bench_table(rows: Sequence[BenchRow]) -> Table:
    """The rows for programs and for people."""
    cells = [
        (
            row.method,
            str(row.pairs),
            mean_sd(row.dice, row.dice_sd),
            mean_sd(row.hd95, row.hd95_sd, "{:.2f}"),
            mean_sd(row.ncc, row.ncc_sd),
            mean_sd(row.displacement_error, row.displacement_error_sd, "{:.2f}"),
            _text(100 * row.folding_fraction, "{:.3f}"),
            _text(row.log_jacobian_std, "{:.3f}"),
            _text(row.difference, "{:+.4f}"),
            _interval(row),
            _text(row.wilcoxon_p, "{:.2g}"),
            _text(row.seconds_first, _form(row.seconds_first)),
            mean_sd(row.seconds, row.seconds_sd, _form(row.seconds)),
            _text(row.peak_memory_bytes / 1e6, "{:.0f}"),
            _text(row.parameters / 1e6, "{:.3f}"),
            _text(row.threads, "{:.0f}"),
            row.failure.replace("|", "/"),
        )
        for row in rows
    ]
    return Table(rows, _HEADER, cells)


def _text(value: float, form: str) -> str:
    return form.format(value) if math.isfinite(value) else ""


def _form(seconds: float) -> str:
    """Three digits, and no power of ten for a program that takes long."""
    return "{:.0f}" if seconds >= 1000 else "{:.3g}"


def _interval(row: BenchRow) -> str:
    if not math.isfinite(row.difference_low):
        return ""
    return f"{row.difference_low:+.4f} to {row.difference_high:+.4f}"
