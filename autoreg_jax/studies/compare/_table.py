"""Several estimators at some points: how right they are, and what that costs."""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import optax

from autoreg_jax import hypergrad
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import write_text
from autoreg_jax.studies.compare._measure import measure

logger = logging.getLogger(__name__)


class ComparisonRow(NamedTuple):
    """One estimator at one ω.

    Attributes:
        weights: Which ω.
        estimator: Its name and settings.
        cosine: To the reference, in [−1, 1].
        relative_error: ‖estimate − reference‖ / ‖reference‖.
        sign_agreement: Share of coordinates of the right sign.
        direct_norm: Of the part that does not come through ω.
        indirect_norm: Of the part that does.
        seconds: Of one call, compilation excluded.
        compile_seconds: Of tracing and compiling it.
        flops: As XLA counts them; the body of a loop counts once.
        temporary_bytes: Memory besides arguments and results.
    """

    weights: str
    estimator: str
    cosine: float
    relative_error: float
    sign_agreement: float
    direct_norm: float
    indirect_norm: float
    seconds: float
    compile_seconds: float
    flops: float
    temporary_bytes: float


def compare_at(
    points: Mapping[str, Any],
    estimators: Mapping[str, hypergrad.HypergradientEstimator],
    problem: hypergrad.BilevelProblem,
    outer: Any,
    batches: tuple[Any, Any],
    inner_update: Any,
    reference: Any = None,
) -> list[ComparisonRow]:
    """Hold estimators against a reference, each compiled once for all points.

    Args:
        points: ω by name.
        estimators: By name.
        problem: Whose derivatives are not compiled yet.
        outer: a.
        batches: Training and validation batch.
        inner_update: The inner step for those that look through one.
        reference: The hypergradient as it should be at each point; the estimate of the
            last estimator there unless given.

    Returns:
        A row for each point and estimator, in their order.

    Raises:
        ConfigError: If there are no estimators.
    """
    if not estimators:
        raise ConfigError(
            "only: no estimator is left; names begin as in one step, Neumann, unroll."
        )
    calls = [(hypergrad.Point(omega, outer, *batches),) for omega in points.values()]
    results = {}
    for name, estimator in estimators.items():
        logger.info("Estimating with %s.", name)

        def run(point: hypergrad.Point, estimator: Any = estimator) -> Any:
            state = estimator.init(point.inner, point.outer)
            hyper, _ = estimator.estimate(
                problem, state, point, inner_update=inner_update
            )
            return hyper._replace(diagnostics={})

        results[name] = measure(run, calls)
    last, _ = results[list(estimators)[-1]]
    rows = []
    for index, weights in enumerate(points):
        wanted = last[index].grad if reference is None else reference
        for name, (found, cost) in results.items():
            agreement = hypergrad.agreement(found[index].grad, wanted)
            norms = map(optax.tree.norm, (found[index].direct, found[index].indirect))
            numbers = map(float, jax.device_get((*agreement, *norms)))
            rows.append(ComparisonRow(weights, name, *numbers, *cost))
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
    lines += [" | ".join(map(_cell, row)) for row in rows]
    write_text(folder / f"{name}.md", "".join(f"| {line} |\n" for line in lines))


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
