"""Going back: to which state a task returns, with which rate, and how often."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from autoreg_jax.config import DivergenceConfig
from autoreg_jax.errors import NonFiniteError
from autoreg_jax.programs import copied
from autoreg_jax.training import lowered

# Steps between two anchors: a part of all, and as many as a tripwire looks at.
_PART, _FEWEST = 20, 20

logger = logging.getLogger(__name__)

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Rollback:
    """How a task goes back.

    Attributes:
        most: How often.
        factor: On its learning rates, each time.
    """

    most: int
    factor: float

    def is_anchor(self, step: int, before: int, steps: int) -> bool:
        """Whether the state after a record is kept.

        It depends on steps alone, so a run that is resumed goes back to the same state.

        Args:
            step: Of the record.
            before: Of the record before.
            steps: Of the task.
        """
        every = max(_FEWEST, steps // _PART)
        return step // every > before // every


class Anchor(NamedTuple):
    """A state and the number of steps before it, int32."""

    step: Any
    state: Any


class Anchors(NamedTuple):
    """What a task can go back to.

    What has diverged looked well for a while, so a state counts as sound when the steps
    up to the next anchor went well, too.

    Attributes:
        sound: A state that does.
        recent: The latest anchor.
    """

    sound: Anchor
    recent: Anchor


def rollback_of(settings: DivergenceConfig) -> Rollback | None:
    """How tasks go back; None if the policy is another one."""
    if settings.policy != "rollback":
        return None
    return Rollback(settings.rollbacks, settings.factor)


def first_anchors(state: Any, step: int = 0) -> Anchors:
    """Both of them are one state, which the next steps may use up."""
    sound, recent = (Anchor(np.int32(step), copied(state)) for _ in range(2))
    return Anchors(sound, recent)


def next_anchors(anchors: Anchors, state: Any, step: int) -> Anchors:
    """The recent one has proved sound."""
    return Anchors(anchors.recent, Anchor(np.int32(step), copied(state)))


def gone_back(
    rollback: Rollback,
    anchors: Anchors,
    events: Sequence[Event],
    error: NonFiniteError,
) -> tuple[int, Any, Event]:
    """The state to go on from, with lower learning rates.

    Args:
        rollback: How to.
        anchors: Of the task, which stay as they are.
        events: All rollbacks of the task so far.
        error: What has happened.

    Returns:
        The step of the state, the state, and what a record says: the step, the factor
        on the rates by now, and why.

    Raises:
        NonFiniteError: If the task went back often enough.
    """
    if len(events) >= rollback.most:
        raise NonFiniteError(
            f"{error} It went back {len(events)} times before "
            f"(divergence.rollbacks), at last to step {events[-1]['to']} with "
            f"{events[-1]['factor']:.3g} of the rates that are set."
        ) from error
    step = int(jax.device_get(anchors.sound.step))
    state = lowered(copied(anchors.sound.state), rollback.factor)
    factor = rollback.factor ** (len(events) + 1)
    logger.warning(
        "%s It goes back to step %d, with %.3g of the learning rates that are set.",
        error,
        step,
        factor,
    )
    return step, state, {"to": step, "factor": factor, "why": str(error)}


def told_rollbacks(records: Sequence[Mapping[str, Any]]) -> tuple[Event, ...]:
    """The rollbacks that records tell of."""
    return tuple(event for r in records for event in r.get("rolled_back", ()))
