"""The loop of every stage: steps, records, checkpoints and a progress line."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from autoreg_jax.programs import copied, one_each
from autoreg_jax.runtime import ONE_DEVICE, Checkpointer, Placement, RunFolder, progress
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._origin import check_origin, origin

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
        advance: `(state, steps, seconds) -> (state, infos)`, a range of steps from 0
            and the seconds before it; the state is used up, nothing is fetched.
        describe: `(state, infos, step) -> fields` of a record that follows `step`
            steps, from the infos since the last one, which are on the host. The state
            is the one after the chunk: of the same step where a chunk has to end.
        show: `fields -> fields` of the progress line.
        log_every: Steps between two records.
        chunk: Most steps of one call of `advance`.
        is_end: Whether a chunk has to end after so many steps, since somebody looks at
            the state.
        devices: Those of its state.
        judge: `state -> (state, fields)` where a chunk has to end, after `describe`:
            or a rule ends the task: a state that remembers what was measured, and
            more fields of the record.
        stop: `records -> fields` of the last of them that say why the stage ends with
            it, from the records of the stage so far; empty while it goes on. None if
            nothing ends it.
        check: `records -> None`, raises if the records of the stage so far show that to
            go on is useless.
        inputs: What the states depend on, by name, values of JSON: a checkpoint of
            other inputs is refused. None: nothing is compared.
    """

    stage: str
    steps: int
    start: Callable[[], Any]
    advance: Callable[[Any, range, float], tuple[Any, Any]]
    describe: Callable[[Any, list[Any], int], dict[str, Any]]
    show: Callable[[dict[str, Any]], dict[str, Any]]
    log_every: int = 1
    chunk: int = 1
    is_end: Callable[[int], bool] = lambda step: False
    devices: Placement = ONE_DEVICE
    judge: Callable[[Any], tuple[Any, dict[str, Any]]] | None = None
    stop: Callable[[list[dict[str, Any]]], dict[str, Any]] | None = None
    check: Callable[[Sequence[Mapping[str, Any]]], None] | None = None
    inputs: Callable[[], Mapping[str, Any]] | None = None

    def has_record(self, step: int) -> bool:
        """Whether a record follows so many steps."""
        return step % self.log_every == 0 or step == self.steps

    def next_end(self, done: int, *, is_observed: bool = False) -> int:
        """The step after which the next chunk ends: with a record, or before one."""
        last = min(done + self.chunk, self.steps)
        records = [s for s in range(done + 1, last + 1) if self.has_record(s)]
        if is_observed:
            return min([*records, last])
        looks = [step for step in records if self.is_end(step)]
        return min([*looks, max([*records, done]) if records else last])


class Progress(NamedTuple):
    """How far a task is.

    Attributes:
        state: After the last step.
        step: Steps done.
        seconds: Time that they took.
        records: Of the stage so far.
        rest: Number of steps and their infos, on the device, since the last record.
        is_over: Whether the task is finished or stopped.
    """

    state: Any
    step: int = 0
    seconds: float = 0.0
    records: tuple[dict[str, Any], ...] = ()
    rest: tuple[tuple[int, Any], ...] = ()
    is_over: bool = False


def run_chunk(
    task: Task,
    before: Progress,
    end: int,
    elapsed: Callable[[], float],
    keep: Callable[[dict[str, Any]], None],
) -> Progress:
    """Run the steps up to `end` and fetch their infos at once.

    A rule that ends the stage inside of the chunk is obeyed to the step: the steps
    before it are run again. The state in `before` is used up.

    Args:
        task: The task.
        before: Where the chunk begins.
        end: One of `task.next_end`.
        elapsed: Seconds since the begin of the stage.
        keep: Takes each record.
    """
    count, state = end - before.step, before.state
    spare = copied(state) if task.stop and count > 1 else None
    state, infos = task.advance(state, range(before.step, end), before.seconds)
    rest = (*before.rest, (count, infos))
    if not task.has_record(end):
        return before._replace(state=state, step=end, rest=rest)
    fetched = jax.device_get([some for _, some in rest])
    each = [
        one_each(some, count) for (count, _), some in zip(rest, fetched, strict=True)
    ]
    infos = [info for chunk in each for info in chunk]
    now, last = elapsed(), end - len(infos)
    records = before.records
    for step in filter(task.has_record, range(before.step + 1, end + 1)):
        share = (step - before.step) / count
        seconds = before.seconds + share * (now - before.seconds)
        fields = task.describe(state, infos[: step - last], step)
        infos, last = infos[step - last :], step
        if task.judge and step == end and task.is_end(step):
            state, judged = task.judge(state)
            fields |= judged
        record = {"stage": task.stage, "step": step, "seconds": seconds} | fields
        stopped = task.stop([*records, record]) if task.stop else {}
        if stopped and step < end:
            again = range(before.step, step)
            state, _ = task.advance(spare, again, before.seconds)
        if stopped and task.judge and not task.is_end(step):
            state, judged = task.judge(state)
            record |= judged
        records = (*records, record | stopped)
        keep(records[-1])
        if task.check:
            task.check(records)
        if stopped:
            return Progress(state, step, seconds, records, (), is_over=True)
    return Progress(state, end, now, records, (), is_over=end == task.steps)


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
        done, before, state = _begin(task, journal, saves)
        records = tuple(journal.of_stage(task.stage))
        is_over = done == task.steps or _is_stopped(task, records)
        place = Progress(state, done, before, records, is_over=is_over)
        advance = stack.enter_context(progress(task.stage, task.steps, completed=done))
        begin = saved_at = journal.clock()
        patience = journal.save_every

        def elapsed() -> float:
            return before + journal.clock() - begin

        _observe(journal, task, place)
        while not place.is_over:
            count = -place.step
            end = task.next_end(place.step, is_observed=journal.is_observed)
            place = run_chunk(task, place, end, elapsed, journal.add)
            last = place.records[-1] if place.records else {}
            if not place.rest:
                _observe(journal, task, place)
            if "stopped" in last:
                _say_stopped(task, place.step, last)
            is_due = place.is_over or journal.clock() - saved_at >= patience
            if saves and is_due and not place.rest:
                now = journal.clock()
                facts = origin(place.step, place.records, task.inputs)
                journal.flush()
                saves.save(place.step, place.state, facts)
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
        template, place = jax.eval_shape(task.start), task.devices.sharding()
        return saves.restore(template, sharding=place)[0]


def _observe(journal: Journal, task: Task, place: Progress) -> None:
    """Show a copy of the state, which the next steps use up."""
    if journal.is_observed:
        journal.observe(task.stage, place.step, copied(place.state))


def _begin(
    task: Task, journal: Journal, saves: Checkpointer | None
) -> tuple[int, float, Any]:
    """Steps done, seconds that they took and the state after them."""
    done = saves.latest_step() if saves and journal.resume else None
    if saves and done is not None:
        _check(task, journal, saves)
    journal.begin(task.stage, done or 0)
    if saves is None or done is None:
        return 0, 0.0, task.devices.everywhere(task.start())
    place = task.devices.sharding()
    state, metadata = saves.restore(jax.eval_shape(task.start), done, sharding=place)
    if place is None:
        # What is restored is bound to its device: programs would be compiled again.
        state = jax.tree.map(jnp.array, jax.device_get(state))
    logger.info("Resuming stage %s after step %d.", task.stage, done)
    return done, metadata["seconds"], state


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
