"""Several estimators at some points: which ones, their error and their cost."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import optax

from autoreg_jax import hypergrad
from autoreg_jax.errors import ConfigError
from autoreg_jax.hypergrad import HypergradientEstimator
from autoreg_jax.programs import quick_compilation

_ON_SUPERNET = (
    "one step",
    "difference of the code",
    "difference of the paper",
    "first order",
    "T1-T2",
    "Neumann 5",
    "conjugate gradient 5",
    "unroll 5",
)
_CLEANING = (
    "one step",
    "difference of the code",
    "T1-T2",
    "Neumann 20",
    "conjugate gradient 10",
)


def all_estimators(rate: float, damping: float) -> dict[str, HypergradientEstimator]:
    """Estimators for a problem with a solution.

    `rate` is 1/L of the inner loss, `damping` about the smallest eigenvalue of its
    Hessian.
    """
    return {
        "one step": hypergrad.one_step_unroll(),
        "difference of the code": hypergrad.finite_difference(),
        "difference of the paper": hypergrad.finite_difference(1e-4, normalise=False),
        "T1-T2": hypergrad.t1t2(rate),
        **{f"Neumann {k}": hypergrad.neumann(k, rate) for k in (5, 20, 100)},
        **{
            f"conjugate gradient {k}": hypergrad.conjugate_gradient(k)
            for k in (5, 10, 20)
        },
        "Nyström 20": hypergrad.nystrom(20, damping),
        "warm start 20": hypergrad.warm_started_linear_system(20, rate),
        **{f"unroll {k}": hypergrad.unroll(k) for k in (5, 20, 100)},
        "unroll 100, last 5": hypergrad.unroll(100, truncate=5),
        "value function 100": hypergrad.value_function(100, 100.0),
        "evolution strategies": hypergrad.evolution_strategies(64, 0.01, 5),
    }


def few_outer_estimators() -> dict[str, HypergradientEstimator]:
    """Estimators whose cost grows with the number of outer variables."""
    return {
        "forward mode 20": hypergrad.forward_mode(20),
        "full Hessian": hypergrad.full_hessian(),
    }


def supernet_estimators(rate: float) -> dict[str, HypergradientEstimator]:
    """Estimators that are affordable for a network, with inner steps ξ = `rate`."""
    damped = hypergrad.conjugate_gradient(5, 1.0)
    known = all_estimators(rate, 1.0) | {"first order": hypergrad.first_order()}
    known["conjugate gradient 5"] = damped
    return {name: known[name] for name in _ON_SUPERNET}


def cleaning_estimators(rate: float) -> dict[str, HypergradientEstimator | None]:
    """Estimators for cleaning from start to end; None leaves all weights equal."""
    known = all_estimators(rate, 1.0)
    return {"equal weights": None} | {name: known[name] for name in _CLEANING}


def chosen(estimators: Mapping[str, Any], only: Sequence[str]) -> dict[str, Any]:
    """Estimators whose names start with one of the prefixes; all without prefixes.

    Examples:
        >>> chosen({"Neumann 5": 1, "unroll 5": 2}, ["unroll"])
        {'unroll 5': 2}
    """
    words = tuple(only) or ("",)
    return {name: e for name, e in estimators.items() if name.startswith(words)}


_REPEATS = 5

logger = logging.getLogger(__name__)


class Cost(NamedTuple):
    """Cost of one call; 0 where the platform does not report it.

    `seconds` is the least of several calls, `compile_seconds` with tracing. `flops` are
    as XLA counts them, a loop's body once; `temporary_bytes` without arguments and
    results.
    """

    seconds: float
    compile_seconds: float
    flops: float
    temporary_bytes: float


def measure(
    function: Callable[..., Any],
    calls: list[tuple[Any, ...]],
    *,
    patience: float = 1.0,
) -> tuple[list[Any], Cost]:
    """Compile a function, call it on several arguments, and time it on the first.

    It is timed one to five times, for `patience` seconds.
    """
    begin = time.perf_counter()
    compiler = jax.jit(function, compiler_options=quick_compilation())
    program = compiler.lower(*calls[0]).compile()
    compile_seconds = time.perf_counter() - begin
    results = [jax.block_until_ready(program(*arguments)) for arguments in calls]
    times: list[float] = []
    while not times or (len(times) < _REPEATS and sum(times) < patience):
        begin = time.perf_counter()
        jax.block_until_ready(program(*calls[0]))
        times.append(time.perf_counter() - begin)
    analysis: Any = program.cost_analysis() or {}
    memory = program.memory_analysis()
    return results, Cost(
        min(times),
        compile_seconds,
        float(analysis.get("flops", 0.0)),
        float(getattr(memory, "temp_size_in_bytes", 0)),
    )


def first_estimate(
    estimator: hypergrad.HypergradientEstimator,
    problem: hypergrad.BilevelProblem,
    inner_update: Any,
) -> Callable[..., Any]:
    """The estimate from a new state, as a function of the point."""

    def run(point: hypergrad.Point) -> Any:
        state = estimator.init(point.inner, point.outer)
        hyper, _ = estimator.estimate(problem, state, point, inner_update=inner_update)
        return hyper._replace(diagnostics={})

    return run


def estimate_records(
    points: Mapping[str, hypergrad.Point],
    estimators: Mapping[str, hypergrad.HypergradientEstimator],
    problem: hypergrad.BilevelProblem,
    inner_update: Any,
    reference: Any = None,
) -> list[dict[str, Any]]:
    """Compare estimators with a reference, each compiled once for all points.

    Without a reference the last estimator is that of each point. The problem has no
    compiled derivatives. A record has `weights`, the name of the point, `estimator`,
    the fields of `hypergrad.Agreement` and of `Cost`, and `direct_norm` and
    `indirect_norm` of the parts that do not and do come through ω.
    """
    if not estimators:
        raise ConfigError(
            "only: no estimator matches; names start for example with one step, "
            "Neumann or unroll."
        )
    calls = [(point,) for point in points.values()]
    results = {}
    for name, estimator in estimators.items():
        logger.info("Estimating with %s.", name)
        run = first_estimate(estimator, problem, inner_update)
        results[name] = measure(run, calls)
    last, _ = results[list(estimators)[-1]]
    records = []
    for index, weights in enumerate(points):
        wanted = last[index].grad if reference is None else reference
        for name, (found, cost) in results.items():
            agreement = hypergrad.agreement(found[index].grad, wanted)
            norms = map(optax.tree.norm, (found[index].direct, found[index].indirect))
            fields = (*agreement._fields, "direct_norm", "indirect_norm")
            numbers = map(float, jax.device_get((*agreement, *norms)))
            record = {"weights": weights, "estimator": name}
            record |= zip(fields, numbers, strict=True)
            records.append(record | cost._asdict())
    return records
