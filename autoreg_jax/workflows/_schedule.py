"""The stages of a search in their order, round by round, and the time of each."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from autoreg_jax.config import RunConfig
from autoreg_jax.search import STAGES
from autoreg_jax.workflows._build import stage_config

# Whatever draws random numbers has one of its own.
_KINDS = (*STAGES, "train", "alpha", "joint")


class Part(NamedTuple):
    """One stage of one round.

    Attributes:
        name: In records and checkpoints: "feature", in the second round "feature-2".
        kind: One of `STAGES`, or "joint".
        number: Different for every part, and from that of the training.
        steps: Iterations.
    """

    name: str
    kind: str
    number: int
    steps: int


def schedule(config: RunConfig) -> list[list[Part]]:
    """The parts of every round: α_F and α_D, or both at once, and λ.

    The first round has the names and numbers of a search of one round. λ is the last
    part of a round, and has no steps where nothing judges it.
    """
    search = config.search
    cells = ("joint",) if search.joint else STAGES[:2]
    if config.quirks.deformation_only:
        cells = ("deformation",)

    def part(kind: str, turn: int) -> Part:
        name = kind if turn == 0 else f"{kind}-{turn + 1}"
        number = turn * len(_KINDS) + _KINDS.index(kind)
        is_left_out = kind == "lam" and search.judge == "none"
        steps = 0 if is_left_out else stage_config(search, kind).steps
        return Part(name, kind, number, steps)

    return [
        [part(kind, turn) for kind in (*cells, "lam")] for turn in range(search.rounds)
    ]


def time_of(
    part: Part, left: Sequence[Part], minutes: float | None, spent: float
) -> float:
    """Seconds that a part may take, infinite without a limit.

    Args:
        part: The one that is next.
        left: It and all that follow it.
        minutes: Of the whole search.
        spent: Seconds that the parts before it took.

    Returns:
        Its share, by its steps, of what is left; 0 where nothing is.

    Examples:
        >>> parts = [Part("feature", "feature", 0, 75), Part("lam", "lam", 2, 25)]
        >>> time_of(parts[0], parts, 2.0, 40.0), time_of(parts[1], parts[1:], 2.0, 90.0)
        (60.0, 30.0)
    """
    if minutes is None:
        return math.inf
    rest = max(0.0, 60 * minutes - spent)
    return rest * part.steps / max(1, sum(one.steps for one in left))
