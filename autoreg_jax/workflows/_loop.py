"""The loop of every stage: steps, records, checkpoints and a progress line."""

import contextlib
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.runtime import Checkpointer, RunFolder, progress
from autoreg_jax.workflows._journal import Journal

# The time between two checkpoints is at least so many times what saving took: an
# interruption costs little and saving costs less.
_SAVES_COST_ONE_IN = 30

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What is to be repeated.

    Attributes:
        stage: Name of the stage in records and of its folder of checkpoints.
        steps: How often.
        start: Makes the first state.
        advance: `(state, step) -> (state, info)`, step from 0; nothing is fetched.
        describe: `(state, infos, step) -> fields` of a record that follows `step`
            steps, from the infos since the last one.
        show: `fields -> fields` of the progress line.
        log_every: Steps between two records.
        stop: `records -> fields` of the last of them that say why the stage ends with
            it, from the records of the stage so far; empty while it goes on.
    """

    stage: str
    steps: int
    start: Callable[[], Any]
    advance: Callable[[Any, int], tuple[Any, Any]]
    describe: Callable[[Any, list[Any], int], dict[str, Any]]
    show: Callable[[dict[str, Any]], dict[str, Any]]
    log_every: int = 1
    stop: Callable[[list[dict[str, Any]]], dict[str, Any]] = lambda records: {}


def repeat(task: Task, journal: Journal) -> Any:
    """Run a task from its start, or from its last checkpoint where a run is resumed.

    A resumed task goes through the same states as one that was never interrupted, and
    one that its rule has stopped is finished: its last record says so. The journal
    takes the records, its folder the checkpoints. Returns the last state.
    """
    with contextlib.ExitStack() as stack:
        saves = None
        if journal.run is not None:
            folder = RunFolder(journal.run).checkpoints / task.stage
            saves = stack.enter_context(Checkpointer(folder))
        done, before, state = _begin(task, journal, saves)
        advance = stack.enter_context(progress(task.stage, task.steps, completed=done))
        begin = saved_at = journal.clock()
        patience = journal.save_every
        infos: list[Any] = []
        records = journal.of_stage(task.stage)
        shown: dict[str, Any] = {}
        journal.observe(task.stage, done, state)
        for step in range(done + 1, task.steps + 1):
            state, info = task.advance(state, step - 1)
            infos.append(info)
            if step % task.log_every == 0 or step == task.steps:
                fields = task.describe(state, infos, step)
                infos = []
                now = journal.clock()
                seconds = before + now - begin
                record = {"stage": task.stage, "step": step, "seconds": seconds}
                records.append(record | fields)
                stopped = task.stop(records)
                journal.add(record | fields | stopped)
                journal.observe(task.stage, step, state)
                shown = task.show(fields)
                if stopped:
                    _say_stopped(task, step, stopped)
                    return state
                if saves and (step == task.steps or now - saved_at >= patience):
                    saves.save(step, state, {"seconds": seconds})
                    saved_at = journal.clock()
                    if journal.save_every:
                        cost = _SAVES_COST_ONE_IN * (saved_at - now)
                        patience = max(journal.save_every, cost)
            advance(**shown)
    return state


def _begin(
    task: Task, journal: Journal, saves: Checkpointer | None
) -> tuple[int, float, Any]:
    """Steps done, seconds that they took and the state after them."""
    done = saves.latest_step() if saves and journal.resume else None
    journal.begin(task.stage, done or 0)
    if saves is None or done is None:
        return 0, 0.0, task.start()
    state, metadata = saves.restore(jax.eval_shape(task.start), done)
    # What is restored is bound to its device, which would be compiled for once more.
    state = jax.tree.map(jnp.array, jax.device_get(state))
    logger.info("Resuming stage %s after step %d.", task.stage, done)
    return done, metadata["seconds"], state


def _say_stopped(task: Task, step: int, stopped: dict[str, Any]) -> None:
    logger.info(
        "Stage %s ends after %d of %d steps: %s.",
        task.stage,
        step,
        task.steps,
        stopped["stopped"],
    )


def check_finite(
    stage: str, step: int, is_finite: bool, values: Mapping[str, Any]
) -> None:
    """Stop a stage whose numbers have become useless.

    The error names the first of the values that is NaN or infinite, or the weights.
    """
    if is_finite:
        return
    bad = (name for name, value in values.items() if not math.isfinite(value))
    raise NonFiniteError(
        f"stage {stage!r}, step {step}: {next(bad, 'the network weights')} became NaN "
        "or infinite; lower the learning rates of this stage and start it again."
    )
