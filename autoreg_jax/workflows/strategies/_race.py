"""Real short trainings of candidates, which the better ones continue."""

import logging
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from autoreg_jax.errors import ConfigError, NonFiniteError
from autoreg_jax.programs import Stream
from autoreg_jax.spaces import read_space
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows.trials import (
    START,
    USUAL,
    Outcome,
    Trial,
    Tried,
    affordable,
    choose_judge,
    combined,
    finish,
    gains_of,
    proposals,
    seed_noise,
    start_of,
    train_together,
    trials_folder,
    verdicts,
    workers,
)

logger = logging.getLogger(__name__)

# Parts of the training after which trials are compared, and the least steps: before
# that the seed decides more than the settings.
_PARTS, _FEWEST = (1 / 8, 1 / 4), 50
# Trials that continue behind the first comparison, beside a combination of two.
_KEPT = 3


class Plan(NamedTuple):
    """How a budget is spent.

    Attributes:
        steps: After which trials are compared.
        trials: Number of trials beside the start.
    """

    steps: tuple[int, ...]
    trials: int


def plan_race(num_steps: int, log_every: int, trainings: float) -> Plan:
    """How many trials a budget allows.

    One training, of the start or of the winner, is that of the run and costs nothing.
    Beyond it there are the rest of the finalist, a combination of two trials, three
    that continue behind the first comparison, and for what remains all other trials up
    to the first comparison.

    Args:
        num_steps: Steps of the training.
        log_every: Steps between two records; comparisons come with records.
        trainings: The budget.

    Raises:
        ConfigError: If not even one trial can be trained.

    Examples:
        >>> plan_race(400, 10, 3.0)
        Plan(steps=(50, 100, 400), trials=13)
    """
    first, second, _ = steps = comparisons(num_steps, log_every)
    fixed = num_steps - second + second + _KEPT * (second - first)
    count = math.floor((trainings * num_steps - fixed) / first)
    if count < 1:
        raise ConfigError(
            f"search.trainings: a race needs {(fixed + first) / num_steps:.3g} at "
            f"least, got {trainings:.3g} (also by the time of search.minutes)."
        )
    return Plan(steps, count)


def comparisons(num_steps: int, log_every: int) -> tuple[int, int, int]:
    """The steps after which trials are compared: early, a little later, at the end."""

    def record(steps: float, most: int) -> int:
        return min(most, log_every * math.ceil(steps / log_every))

    first = record(max(_PARTS[0] * num_steps, _FEWEST), -(-num_steps // 4))
    second = record(max(_PARTS[1] * num_steps, 2 * first), -(-num_steps // 2))
    return first, second, num_steps


def race(job: SearchJob) -> SearchResult:
    """Train candidates for a while on the same pairs, and continue the better ones.

    The start is always among them. Candidates are the usual settings, neighbours of the
    start in `config.search.space` and combinations; after an eighth of the training the
    best three continue, with a combination of the best two; after a quarter the best
    one does, to the end. It replaces the start only if its gain on validation pairs is
    more than noise, or if the start diverges. The model of the winner is that of the
    run.

    Raises:
        ConfigError: If the space or the budget is wrong.
        NonFiniteError: If all trials diverge.
    """
    search, train = job.config.search, job.config.train
    space, early = read_space(search.space), comparisons(train.steps, train.log_every)
    with trials_folder(job) as folder, workers(search.workers) as executor:
        trainer = start_of(job, folder)
        rng = np.random.default_rng((job.config.seed, Stream.ALPHA))
        start, rest = Trial(START), trainer.judging.unregistered
        budget = affordable(job, trainer, early[0])
        plan = plan_race(train.steps, train.log_every, budget)
        field = proposals(trainer.reduced(space), trainer, plan.trials, rng)
        seen: list[Outcome] = []

        def run(trials: list[Trial], steps: int) -> list[Outcome]:
            found = train_together(trainer, trials, steps, job.devices, executor)
            seen.extend(found)
            return found

        judge, said = None, []
        for place, steps in enumerate(plan.steps[:-1]):
            first, *others = run([start, *field], steps)
            if first.diverged:
                first = _instead(first, others, search.judge)
                start = first.trial
                others = [one for one in others if one is not first]
            if judge is None:
                smoother = _smoother(others, job.config.objective.smooth)
                said = verdicts(rest, first, others, smoother)
                judge = choose_judge(search.judge, said)
            order = _ranked(rest, judge or said[0].name, first, others)
            field = _next(order, is_last=place == len(plan.steps) - 2)
            if not field:
                break
        last, *finals = run([start, *field], plan.steps[-1])
        best = finals[0] if finals else None
        if last.diverged:
            sound = [outcome for outcome in finals if not outcome.diverged]
            for trial in _spare(seen, judge):
                if sound and trial.name != USUAL:
                    break
                found = run([trial], plan.steps[-1])
                sound += [outcome for outcome in found if not outcome.diverged]
            best = max(sound, key=lambda one: one.mean(judge), default=None)
        if judge is None and not last.diverged:
            said = verdicts(rest, last, finals)
            judge = choose_judge(search.judge, said)
        tried = Tried(judge, said, last, seen, best)
        return finish(job, trainer, tried)


def _spare(seen: list[Outcome], judge: str | None) -> list[Trial]:
    """The trials that were left behind in good order.

    The usual settings first, since a rate that is too large may look best until it
    diverges; then the best of those that were trained longest.
    """
    last = {outcome.trial.name: outcome for outcome in seen}
    sound = [outcome for outcome in last.values() if not outcome.diverged]

    def rank(outcome: Outcome) -> tuple[bool, int, float]:
        return outcome.trial.name != USUAL, -outcome.steps, -outcome.mean(judge)

    return [outcome.trial for outcome in sorted(sound, key=rank)]


def _ranked(
    rest: Mapping[str, np.ndarray],
    judge: str,
    start: Outcome,
    others: list[Outcome],
) -> list[Trial]:
    """The trials that may be better than the start, the best first."""
    noise = seed_noise(start.scores[judge], rest[judge])
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
            rows.append((found.mean, outcome.trial))
    return [trial for _, trial in sorted(rows, key=lambda row: -row[0])]


def _next(order: list[Trial], *, is_last: bool) -> list[Trial]:
    """The trials that continue, with a combination of the best two."""
    if is_last:
        return order[:1]
    kept = order[:_KEPT]
    child = combined(kept[0], kept[1], "combination") if len(kept) > 1 else None
    return kept if child is None else [*kept, child]


def _smoother(others: list[Outcome], smooth: float) -> Outcome | None:
    """The trial that differs from the start in more smoothness alone."""
    for outcome in others:
        changes = dict(outcome.trial.changes)
        if (
            set(changes) == {"objective.smooth"}
            and changes["objective.smooth"] > smooth
        ):
            return outcome
    return None


def _instead(start: Outcome, others: list[Outcome], judge: str) -> Outcome:
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
