"""Several estimators on one problem: how right they are, and what that costs."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from autoreg_jax import hypergrad
from autoreg_jax.hypergrad.problems import Example
from autoreg_jax.runtime import write_text
from autoreg_jax.workflows._measure import measure


class ComparisonRow(NamedTuple):
    """One estimator at one point.

    Attributes:
        estimator: Its name and settings.
        cosine: To the reference, in [−1, 1].
        relative_error: ‖estimate − reference‖ / ‖reference‖.
        sign_agreement: Share of coordinates of the right sign.
        seconds: Of one call, compilation excluded.
        compile_seconds: Of tracing and compiling it.
        flops: As XLA counts them; the body of a loop counts once.
        temporary_bytes: Memory besides arguments and results.
    """

    estimator: str
    cosine: float
    relative_error: float
    sign_agreement: float
    seconds: float
    compile_seconds: float
    flops: float
    temporary_bytes: float


def compare_on(
    example: Example,
    estimators: Mapping[str, hypergrad.HypergradientEstimator],
    inner_update: Any,
    *,
    inner: Any = None,
) -> list[ComparisonRow]:
    """Hold estimators against the exact hypergradient of an example.

    Args:
        example: One of `hypergrad.problems`.
        estimators: By name.
        inner_update: The inner step for those that look through one.
        inner: ω; the solution ω*(a) unless given.

    Returns:
        A row for each estimator, in their order.
    """
    outer = example.outer
    reference = jax.jit(example.reference)(outer)
    omega = jax.jit(example.solution)(outer) if inner is None else inner
    batches = example.train_batch, example.valid_batch
    rows = []
    for name, estimator in estimators.items():

        def run(
            omega: Any, outer: Any, batches: Any, estimator: Any = estimator
        ) -> Any:
            state = estimator.init(omega, outer)
            return estimator.estimate(
                example.problem,
                state,
                omega,
                outer,
                *batches,
                inner_update=inner_update,
            )[0].grad

        grad, cost = measure(run, omega, outer, batches)
        found = jax.device_get(hypergrad.agreement(grad, reference))
        rows.append(ComparisonRow(name, *map(float, found), *cost))
    return rows


def write_rows(folder: Path, name: str, rows: Sequence[Any]) -> None:
    """Write named tuples of one kind as `name.csv` and `name.md`."""
    header = rows[0]._fields
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    write_text(folder / f"{name}.csv", text.getvalue())
    lines = [" | ".join(header), " | ".join("---" for _ in header)]
    lines += [" | ".join(map(as_text, row)) for row in rows]
    write_text(folder / f"{name}.md", "".join(f"| {line} |\n" for line in lines))


def as_text(value: Any) -> str:
    """A cell of a table; numbers with three significant digits."""
    return value if isinstance(value, str) else f"{value:.3g}"
