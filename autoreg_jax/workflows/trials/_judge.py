"""The judge of a search is checked before it is believed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autoreg_jax.workflows.trials._trial import SCORES, Outcome

logger = logging.getLogger(__name__)

# Two-sided 95 % of a normal distribution.
_ENOUGH = 1.96


@dataclass(frozen=True)
class Verdict:
    """What a judge says of no registration, of the start and of a smoother one.

    Attributes:
        name: One of `SCORES`.
        unregistered: Mean score without motion.
        start: Mean score of the start.
        smoother: Mean score of the start with more smoothness; None if there was none.
        best: Mean score of the best trial.
        prefers_motion: Whether some trial scores better than no motion.
        sees_smoothness: Whether the judge can tell the two trainings apart, pair by
            pair; None if there was none.
    """

    name: str
    unregistered: float
    start: float
    smoother: float | None
    best: float
    prefers_motion: bool
    sees_smoothness: bool | None


def verdicts(
    unregistered: Mapping[str, np.ndarray],
    start: Outcome,
    others: Sequence[Outcome] = (),
    smoother: Outcome | None = None,
) -> list[Verdict]:
    """What every judge says that the subjects allow, the most trusted first.

    Args:
        unregistered: Scores of each pair without motion.
        start: The start, which has not diverged.
        others: Other trials after as many steps.
        smoother: The one of them with more smoothness.
    """
    found = []
    sound = [start, *(one for one in others if not one.diverged)]
    for name in SCORES:
        if name not in unregistered:
            continue
        rest, now = unregistered[name], start.scores[name]
        other = None
        if smoother is not None and not smoother.diverged:
            other = smoother.scores[name]
        found.append(
            Verdict(
                name,
                float(np.nanmean(rest)),
                float(np.nanmean(now)),
                None if other is None else float(np.nanmean(other)),
                best := max(float(np.nanmean(one.scores[name])) for one in sound),
                best > float(np.nanmean(rest)),
                None if other is None else _differs(now - other),
            )
        )
    return found


def early_judges(asked: str, found: list[Verdict]) -> list[str]:
    """By whom trials are compared that have only begun.

    The judge that is asked for; and, if by that one no registration is better than any
    trial, the next that sees motion. It may be a wrong judge, or the trials have
    learned too little: which one it is shows at the end.

    Args:
        asked: A score; any other word takes the most trusted one.
        found: What each judge says.
    """
    first = _in_order(asked, found)[0]
    others = [one.name for one in found if one.prefers_motion]
    return [first.name] if first.prefers_motion else [first.name, *others[:1]]


def at_the_end(early: list[Verdict], late: list[Verdict]) -> list[Verdict]:
    """What each judge says in the end, and what it has seen of smoothness before."""
    seen = {one.name: one.sees_smoothness for one in early}
    return [replace(one, sees_smoothness=seen.get(one.name)) for one in late]


def choose_judge(asked: str, found: list[Verdict]) -> str | None:
    """The judge that is asked for, or the next one if that one asks for no motion.

    None if all of them prefer no registration. To be asked at the end: after a few
    steps networks still carry the random motion of their first weights.

    Args:
        asked: A score; any other word takes the most trusted one.
        found: What each judge says.
    """
    order = _in_order(asked, found)
    wanted = order[0].name
    for one in order:
        logger.info("%s", _words(one))
    chosen = next((one for one in order if one.prefers_motion), None)
    if chosen is None:
        return None
    if chosen.name != wanted:
        logger.warning(
            "The judge %s prefers no registration to all trials; %s judges instead.",
            wanted,
            chosen.name,
        )
    if chosen.sees_smoothness is False:
        logger.warning(
            "The judge %s cannot tell the start from one with more smoothness: do not "
            "expect it to choose the smoothness.",
            chosen.name,
        )
    return chosen.name


def _in_order(asked: str, found: list[Verdict]) -> list[Verdict]:
    """The judge that is asked for, then the others, the most trusted first."""
    wanted = asked if asked in SCORES else found[0].name
    return sorted(found, key=lambda one: one.name != wanted)


def _words(one: Verdict) -> str:
    smoother = "" if one.smoother is None else f", smoother {one.smoother:.4f}"
    return (
        f"Judge {one.name}: without registration {one.unregistered:.4f}, start "
        f"{one.start:.4f}{smoother}."
    )


def _differs(difference: np.ndarray) -> bool:
    """Whether the mean of paired differences is more than chance."""
    known = difference[np.isfinite(difference)]
    if len(known) < 2:
        return bool(np.any(known))
    error = float(np.std(known, ddof=1)) / len(known) ** 0.5
    return abs(float(np.mean(known))) > _ENOUGH * error
