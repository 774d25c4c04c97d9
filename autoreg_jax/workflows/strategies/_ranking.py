"""Which trials of a race may be better, and what stands in for a start that fails."""

import logging
from collections.abc import Mapping
from itertools import zip_longest

import numpy as np

from autoreg_jax.errors import NonFiniteError
from autoreg_jax.workflows.trials import (
    USUAL,
    Outcome,
    Trial,
    early_judges,
    gains_of,
    seed_noise,
    verdicts,
)

logger = logging.getLogger(__name__)


def ranked_by(
    judges: list[str],
    rest: Mapping[str, np.ndarray],
    start: Outcome,
    others: list[Outcome],
    *,
    has_constant_rate: bool = False,
) -> list[Outcome]:
    """The trials that may be better by some judge, the best of each in turn."""
    orders = [
        _ranked(rest, judge, start, others, has_constant_rate=has_constant_rate)
        for judge in judges
    ]
    in_turn = (one for row in zip_longest(*orders) for one in row if one is not None)
    return list(dict.fromkeys(in_turn))


def _ranked(
    rest: Mapping[str, np.ndarray],
    judge: str,
    start: Outcome,
    others: list[Outcome],
    *,
    has_constant_rate: bool,
) -> list[Outcome]:
    """The trials that may be better than the start, the best first."""
    noise = seed_noise(
        start.scores[judge],
        rest[judge],
        start.steps,
        has_constant_rate=has_constant_rate,
    )
    gains = gains_of(others, start, judge, noise)
    rows = []
    for outcome, found in zip(others, gains, strict=True):
        if found is None:
            logger.info("Trial %s diverged: %s.", outcome.trial.name, outcome.diverged)
            continue
        logger.info(
            "Trial %s after %d steps: %+.4f (%+.4f to %+.4f) in %s.",
            outcome.trial.name,
            outcome.steps,
            found.mean,
            found.low,
            found.high,
            judge,
        )
        if found.high > 0:
            rows.append((found.mean, outcome))
    return [outcome for _, outcome in sorted(rows, key=lambda row: -row[0])]


def base_of(
    asked: str,
    rest: Mapping[str, np.ndarray],
    start: Outcome,
    usual: list[Outcome],
) -> Outcome:
    """What the candidates change: the usual settings, unless the start is better.

    After a few steps a rate that is too large may look as good as the usual one, so the
    start has to be better for certain.
    """
    if not usual or start.diverged:
        return [*usual, start][0]
    judges = early_judges(asked, verdicts(rest, start, usual))
    return [*ranked_by(judges, rest, start, usual), start][0]


def instead_of(start: Outcome, others: list[Outcome], judge: str) -> Outcome:
    """The best trial in the place of a start that diverges.

    Raises:
        NonFiniteError: If all of them diverge.
    """
    sound = [outcome for outcome in others if not outcome.diverged]
    if not sound:
        raise NonFiniteError(
            f"search: the training of the run diverges ({start.diverged}), and so do "
            f"the {len(others)} others that were tried; lower train.learning_rate."
        )
    best = max(sound, key=lambda outcome: outcome.mean(judge))
    logger.warning(
        "The training of the run itself diverges: %s. Trial %s takes its place: %s.",
        start.diverged,
        best.trial.name,
        best.trial.describe(),
    )
    return best


def spare(seen: list[Outcome], judge: str | None) -> list[Trial]:
    """The trials that were left behind in good order.

    The usual settings first, since a rate that is too large may look best until it
    diverges; then the best of those that were trained longest.
    """
    last = {outcome.trial.name: outcome for outcome in seen}
    sound = [o for o in last.values() if not (o.diverged or o.is_too_dear)]

    def rank(outcome: Outcome) -> tuple[bool, int, float]:
        return outcome.trial.name != USUAL, -outcome.steps, -outcome.mean(judge)

    return [outcome.trial for outcome in sorted(sound, key=rank)]
