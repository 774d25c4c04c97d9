"""Rules that end a stage of the search early, as functions of its records.

Whatever a rule needs is in the records, so a stage that was interrupted ends where it
would have ended.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from autoreg_jax.config import StopConfig
from autoreg_jax.hypergrad import eigenvalue_stop
from autoreg_jax.programs import Stage
from autoreg_jax.search_space import is_ranking_stable

Record = Mapping[str, Any]
Rule = Callable[[Sequence[Record]], dict[str, Any]]


def time_of(
    stage: Stage, left: Sequence[Stage], minutes: float | None, spent: float
) -> float:
    """Seconds that the next stage may take, infinite without a limit.

    It is its share, by its steps, of the minutes that the stages before it have left.
    """
    if minutes is None:
        return math.inf
    rest = max(0.0, 60 * minutes - spent)
    return rest * stage.settings.steps / max(1, sum(s.settings.steps for s in left))


def stop_rule(stage: Stage, seconds: float) -> Rule:
    """What ends a stage before its steps are done, as a function of its records.

    It gives the fields `stopped`, "ranking", "eigenvalue" or "time", and `kept_step`,
    the step whose outer variable is the result; nothing while the stage continues. The
    time, which may be infinite, ends a stage after one move of the outer variable at
    least, without which the stage would have found nothing, if it has any.
    """
    settings = stage.stop

    def stop(records: Sequence[Record]) -> dict[str, Any]:
        last = records[-1]
        reason, kept = None, last["step"]
        if "valid_loss" in last:
            if settings.ranking and _is_stable(stage, settings, records):
                reason = "ranking"
            elif settings.eigenvalue_every and "eigenvalue" in last:
                grown = _step_before_growth(settings, records)
                reason, kept = ("eigenvalue", grown) if grown else (None, kept)
        if reason is None and last["seconds"] >= seconds:
            is_moved = stage.is_still or any("valid_loss" in r for r in records)
            reason = "time" if is_moved else None
        return {"stopped": reason, "kept_step": kept} if reason else {}

    return stop


def result_step(record: Record, steps: int) -> int | None:
    """The step whose outer variable is the result of a stage; None if it continues."""
    if record["step"] == steps:
        return record.get("kept_step", steps)
    return record.get("kept_step")


def _is_stable(stage: Stage, settings: StopConfig, records: Sequence[Record]) -> bool:
    """Whether the ranking has rested over the last moves."""
    count = settings.ranking or 0
    recent: list[Any] = []
    for record in reversed(records):
        if "valid_loss" in record:
            recent.insert(0, stage.options(record.get("alpha") or record["lam"]))
        if len(recent) == count:
            break
    stable = is_ranking_stable(
        jnp.asarray(recent, jnp.float32),
        count,
        tolerance=settings.tolerance,
        is_full=settings.full_ranking or stage.is_of_lambda,
    )
    return bool(stable)


def _step_before_growth(settings: StopConfig, records: Sequence[Record]) -> int | None:
    """The step to go back to where the eigenvalue has grown, else None."""
    measured = [record for record in records if "eigenvalue" in record]
    lag = settings.eigenvalue_lag
    found = eigenvalue_stop(
        jnp.asarray([record["eigenvalue"] for record in measured], jnp.float32),
        window=settings.eigenvalue_window,
        lag=lag,
        limit=settings.eigenvalue_limit,
    )
    return measured[-1 - lag]["step"] if bool(found.should_stop) else None
