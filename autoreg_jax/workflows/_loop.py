"""The loop of every stage: steps, records, checkpoints and a progress line."""

import contextlib
import logging
from typing import Any

import jax
import jax.numpy as jnp

from autoreg_jax.programs import copied
from autoreg_jax.runtime import Checkpointer, RunFolder, progress
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._origin import check_origin, origin
from autoreg_jax.workflows._task import Progress, Task, begun, next_place

# The time between two checkpoints is at least so many times what saving took: an
# interruption costs little and saving costs less.
_SAVES_COST_ONE_IN = 30

logger = logging.getLogger(__name__)


def repeat(task: Task, journal: Journal) -> Any:
    """Run a task from its start, or from its last checkpoint where a run is resumed.

    A resumed task goes through the same states as one that was never interrupted, and
    one that its rule has stopped is finished: its last record says so. The journal
    takes the records, its folder the checkpoints. Returns the last state.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(task.devices.active())
        saves = None
        if journal.run is not None:
            folder = RunFolder(journal.run).checkpoints / task.stage
            saves = stack.enter_context(Checkpointer(folder))
        place = _begin(task, journal, saves)
        done, before = place.step, place.seconds
        advance = stack.enter_context(progress(task.stage, task.steps, completed=done))
        begin = saved_at = journal.clock()
        patience = journal.save_every

        def elapsed() -> float:
            return before + journal.clock() - begin

        def rewind(step: int) -> None:
            """Drop what a run that is resumed must not go on from."""
            if saves:
                saves.discard(after=step)
            journal.rewind(task.stage, step)

        _observe(journal, task, place)
        while not place.is_over:
            count = -place.step
            end = task.next_end(place.step, is_observed=journal.is_observed)
            place = next_place(task, place, end, elapsed, journal.add, rewind)
            last = place.records[-1] if place.records else {}
            if not place.rest:
                _observe(journal, task, place)
            if "stopped" in last:
                _say_stopped(task, place.step, last)
            is_due = place.is_over or journal.clock() - saved_at >= patience
            # Where it went back it is saved, unless it went back to what is saved.
            is_due |= bool(place.pending) and place.step != _saved_step(saves)
            if saves and is_due and place.records and not place.rest:
                now = journal.clock()
                journal.flush()
                saves.save(place.step, _stored(place), _facts(task, place))
                saved_at = journal.clock()
                if journal.save_every:
                    cost = _SAVES_COST_ONE_IN * (saved_at - now)
                    patience = max(journal.save_every, cost)
            advance(count + place.step, **(task.show(last) if last else {}))
    return place.state


def last_state(task: Task, journal: Journal) -> Any:
    """The state of a finished task; None if its last checkpoint is not there."""
    last = journal.last(task.stage)
    if journal.run is None or last is None:
        return None
    with Checkpointer(RunFolder(journal.run).checkpoints / task.stage) as saves:
        if saves.latest_step() is None:
            return None
        _check(task, journal, saves)
        if saves.latest_step() != last["step"]:
            return None
        place = task.devices.sharding()
        stored = saves.restore(_template(task), sharding=place)[0]
        return stored[0] if task.rollback else stored


def _stored(place: Progress) -> Any:
    """What a checkpoint holds: the state and, where it may go back, to which ones."""
    return place.state if place.anchors is None else (place.state, place.anchors)


def _template(task: Task) -> Any:
    """The shapes of what a checkpoint holds."""
    return jax.eval_shape(lambda: _stored(begun(task, task.start())))


def _facts(task: Task, place: Progress) -> dict[str, Any]:
    """The metadata of a checkpoint."""
    facts = origin(place.step, place.records, task.inputs)
    if place.pending:
        facts |= {"seconds": place.seconds, "pending": list(place.pending)}
    return facts


def _saved_step(saves: Checkpointer | None) -> int | None:
    return None if saves is None else saves.latest_step()


def _observe(journal: Journal, task: Task, place: Progress) -> None:
    """Show a copy of the state, which the next steps use up."""
    if journal.is_observed:
        journal.observe(task.stage, place.step, copied(place.state))


def _begin(task: Task, journal: Journal, saves: Checkpointer | None) -> Progress:
    """Where the task begins, or goes on."""
    done = saves.latest_step() if saves and journal.resume else None
    if saves and done is not None:
        _check(task, journal, saves)
    journal.begin(task.stage, done or 0)
    if saves is None or done is None:
        place = begun(task, task.devices.everywhere(task.start()))
        return place._replace(is_over=task.steps == 0)
    place = task.devices.sharding()
    stored, facts = saves.restore(_template(task), done, sharding=place)
    if place is None:
        # What is restored is bound to its device: programs would be compiled again.
        stored = jax.tree.map(jnp.array, jax.device_get(stored))
    logger.info("Resuming stage %s after step %d.", task.stage, done)
    state, anchors = stored if task.rollback else (stored, None)
    records = tuple(journal.of_stage(task.stage))
    is_over = done == task.steps or _is_stopped(task, records)
    pending = tuple(facts.get("pending", ()))
    return Progress(
        state, done, facts["seconds"], records, (), is_over, anchors, pending
    )


def _check(task: Task, journal: Journal, saves: Checkpointer) -> None:
    """Refuse a checkpoint that does not belong to the records or the inputs."""
    facts, step = saves.metadata(), saves.latest_step() or 0
    records = [r for r in journal.of_stage(task.stage) if r["step"] <= step]
    folder = RunFolder(journal.run or "")
    check_origin(facts, folder, task.stage, step, records, task.inputs)


def _is_stopped(task: Task, records: tuple[dict[str, Any], ...]) -> bool:
    """Whether a rule has ended the task after its last record, and still would."""
    if task.stop is None or not records or "stopped" not in records[-1]:
        return False
    return bool(task.stop(list(records)))


def _say_stopped(task: Task, step: int, stopped: dict[str, Any]) -> None:
    logger.info(
        "Stage %s ends after %d of %d steps: %s.",
        task.stage,
        step,
        task.steps,
        stopped["stopped"],
    )
