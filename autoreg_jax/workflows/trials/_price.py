"""What trials cost, in trainings of the start."""

import logging
import math
from collections.abc import Sequence

from autoreg_jax.workflows.trials._trial import Outcome

logger = logging.getLogger(__name__)

# A trial begins if no more than this goes beyond the budget: seconds of a step vary.
_BEYOND = 0.5


def price(outcome: Outcome, start: Outcome) -> float:
    """Seconds of a step as a multiple of those of the start; 1 if not known."""
    return outcome.seconds / start.seconds if start.seconds and outcome.seconds else 1.0


def cost(outcomes: Sequence[Outcome], start: Outcome, steps: int) -> float:
    """What the trials have cost beside the start, in its trainings of so many steps.

    A step of a trial counts as much as it takes longer than one of the start.
    """
    most: dict[str, Outcome] = {}
    for outcome in outcomes:
        known = most.get(outcome.trial.name)
        if known is None or outcome.steps > known.steps:
            most[outcome.trial.name] = outcome
    most.pop(start.trial.name, None)
    return math.fsum(
        outcome.steps / steps * price(outcome, start) for outcome in most.values()
    )


def is_affordable(
    outcomes: Sequence[Outcome], start: Outcome, steps: int, budget: float
) -> bool:
    """Whether another training as dear as the start fits into a budget."""
    return cost(outcomes, start, steps) + 1 <= budget + _BEYOND


def parents_of(
    ranked: Sequence[Outcome], count: int, start: Outcome, budget: float
) -> list[Outcome]:
    """The trials that are combined: a training of each costs no more than the budget.

    Args:
        ranked: Trials that may be better, the best first.
        count: Most parents.
        start: The start, as far as it was trained.
        budget: In trainings of the start.
    """
    return [one for one in ranked if price(one, start) <= budget][:count]


def finalists_of(
    ranked: Sequence[Outcome],
    count: int,
    seen: Sequence[Outcome],
    start: Outcome,
    steps: int,
    budget: float,
) -> list[Outcome]:
    """The trials that are trained to the end, the best first.

    The first one always is, if alone it costs no more than the whole budget. Another
    one has to fit into what is left.

    Args:
        ranked: Trials that may be better than the start, the best first.
        count: Most finalists.
        seen: All trials so far, the start among them or not.
        start: The start, as far as it was trained.
        steps: Of the whole training.
        budget: In trainings of the start.
    """
    spent, kept = cost(seen, start, steps), []
    for outcome in ranked:
        rest = price(outcome, start) * (1 - outcome.steps / steps)
        if rest > budget or (kept and spent + rest > budget):
            logger.info(
                "Trial %s (%s) is not trained to the end: it would cost %.1f trainings "
                "more, %.1f are spent of %.3g (search.trainings).",
                outcome.trial.name,
                outcome.trial.describe(),
                rest,
                spent,
                budget,
            )
            continue
        kept.append(outcome)
        spent += rest
        if len(kept) == count:
            break
    return kept
