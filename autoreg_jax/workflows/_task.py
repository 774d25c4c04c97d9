"""A task and how far it is: steps in chunks, their records, and back again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.programs import copied, one_each
from autoreg_jax.runtime import ONE_DEVICE, Placement
from autoreg_jax.workflows.divergence import (
    Anchors,
    Rollback,
    first_anchors,
    gone_back,
    next_anchors,
    told_rollbacks,
)


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
        rollback: How it goes back where it diverges. None: the error ends it.
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
    rollback: Rollback | None = None

    def has_record(self, step: int) -> bool:
        """Whether a record follows so many steps."""
        return step % self.log_every == 0 or step == self.steps

    def next_end(self, done: int, *, is_observed: bool = False) -> int:
        """The step after which the next chunk ends: with a record, or before one."""
        last = min(done + self.chunk, self.steps)
        records = [s for s in range(done + 1, last + 1) if self.has_record(s)]
        if is_observed:
            return min([*records, last])
        looks = [s for s in records if self.is_end(s) or self.is_anchor(s)]
        return min([*looks, max([*records, done]) if records else last])

    def is_anchor(self, step: int) -> bool:
        """Whether the task may go back to the state after a record."""
        if self.rollback is None:
            return False
        before = (step - 1) // self.log_every * self.log_every
        return self.rollback.is_anchor(step, before, self.steps)


class Progress(NamedTuple):
    """How far a task is.

    Attributes:
        state: After the last step.
        step: Steps done.
        seconds: Time that they took.
        records: Of the stage so far.
        rest: Number of steps and their infos, on the device, since the last record.
        is_over: Whether the task is finished or stopped.
        anchors: What it can go back to, if it may.
        pending: Rollbacks of which no record tells: the next one does.
    """

    state: Any
    step: int = 0
    seconds: float = 0.0
    records: tuple[dict[str, Any], ...] = ()
    rest: tuple[tuple[int, Any], ...] = ()
    is_over: bool = False
    anchors: Anchors | None = None
    pending: tuple[Mapping[str, Any], ...] = ()


def begun(task: Task, state: Any) -> Progress:
    """The progress of a task before its first step."""
    return Progress(state, anchors=first_anchors(state) if task.rollback else None)


def next_place(
    task: Task,
    before: Progress,
    end: int,
    elapsed: Callable[[], float],
    keep: Callable[[dict[str, Any]], None],
    rewind: Callable[[int], None],
) -> Progress:
    """Run the steps up to `end`, or go back where the task diverges and may.

    Args:
        task: The task.
        before: Where the chunk begins.
        end: One of `task.next_end`.
        elapsed: Seconds since the begin of the stage.
        keep: Takes each record.
        rewind: Drops the records of the stage beyond a step.

    Raises:
        NonFiniteError: If it diverges, and may not go back or not once more.
    """
    try:
        return run_chunk(task, before, end, elapsed, keep)
    except NonFiniteError as error:
        if task.rollback is None or before.anchors is None:
            raise
        told = told_rollbacks(before.records)
        events = (*told, *before.pending)
        step, state, event = gone_back(task.rollback, before.anchors, events, error)
    rewind(step)
    records = tuple(r for r in before.records if r["step"] <= step)
    return Progress(
        state,
        step,
        elapsed(),
        records,
        anchors=first_anchors(state, step),
        pending=(*events, event)[len(told_rollbacks(records)) :],
    )


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
    records, stopped = before.records, {}
    for step in filter(task.has_record, range(before.step + 1, end + 1)):
        share = (step - before.step) / count
        seconds = before.seconds + share * (now - before.seconds)
        told = before.pending if len(records) == len(before.records) else ()
        fields = {"rolled_back": list(told)} if told else {}
        fields |= task.describe(state, infos[: step - last], step)
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
            end, now = step, seconds
            break
    is_over = end == task.steps or bool(stopped)
    anchors = before.anchors
    if anchors and task.is_anchor(end):
        anchors = next_anchors(anchors, state, end)
    return Progress(state, end, now, records, (), is_over, anchors)
