"""Real short trainings of candidates, which the better ones continue."""

import math
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import Stream, has_constant_rate
from autoreg_jax.spaces import read_space
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows.strategies._ranking import (
    base_of,
    instead_of,
    ranked_by,
    spare,
)
from autoreg_jax.workflows.trials import (
    START,
    USUAL,
    Outcome,
    Trainer,
    Trial,
    Tried,
    affordable,
    at_the_end,
    choose_judge,
    combined,
    early_judges,
    finalists_of,
    finish,
    is_possible,
    parents_of,
    proposals,
    start_of,
    train_together,
    trials_folder,
    usual_trial,
    verdicts,
    workers,
)

# Parts of the training after which trials are compared, and the least steps: before
# that the seed decides more than the settings.
_PARTS, _FEWEST = (1 / 8, 1 / 4), 50
# Trials that are combined, and trials that are trained to the end: after a quarter the
# seed still decides much.
_PARENTS, _FINALISTS = 4, 2


class Plan(NamedTuple):
    """How a budget is spent.

    Attributes:
        early: Steps after which trials are compared for the first time.
        trials: Number of trials beside the start.
        finalists: How many of them are trained to the end.
    """

    early: int
    trials: int
    finalists: int


def plan_race(num_steps: int, log_every: int, trainings: float) -> Plan:
    """How many trials a budget allows.

    The training of the start costs nothing: the run needs one. Beyond it there are a
    combination of trials, the rest of two finalists, or of one where the budget is
    small, and for what remains all other trials up to a quarter of the training. With
    two finalists another quarter is kept for steps that take longer.

    Args:
        num_steps: Steps of the training.
        log_every: Steps between two records; comparisons come with records.
        trainings: The budget.

    Raises:
        ConfigError: If not even one trial can be trained.

    Examples:
        >>> plan_race(400, 10, 3.0)
        Plan(early=100, trials=4, finalists=2)
    """
    early = _record(max(_PARTS[1] * num_steps, _FEWEST), -(-num_steps // 2), log_every)
    for finalists in range(_FINALISTS, 0, -1):
        fixed = finalists * early + finalists * (num_steps - early)
        count = math.floor((trainings * num_steps - fixed) / early)
        if count >= 1:
            return Plan(early, count, finalists)
    least = (num_steps + early) / num_steps
    raise ConfigError(
        f"search.trainings: a race needs {least:.3g} at least, got {trainings:.3g} "
        "(also by the time of search.minutes)."
    )


def _record(steps: float, most: int, log_every: int) -> int:
    """The first step with a record from there on, or the largest that is allowed."""
    return min(most, log_every * math.ceil(steps / log_every))


def comparisons(num_steps: int, log_every: int) -> tuple[int, int, int]:
    """The steps after which trials are compared: early, a little later, at the end."""
    quarter, half = -(-num_steps // 4), -(-num_steps // 2)
    first = _record(max(_PARTS[0] * num_steps, _FEWEST), quarter, log_every)
    second = _record(max(_PARTS[1] * num_steps, 2 * first), half, log_every)
    return first, second, num_steps


def race(job: SearchJob) -> SearchResult:
    """Train candidates for a while on the same pairs, and continue the better ones.

    The start is always among them. Where the run has unusual settings the usual ones
    are trained next, and unless they are worse for certain all candidates are
    neighbours of those in `config.search.space`, else of the start. One whose steps
    take so long that a whole training costs more than the budget is left at once. After
    a quarter of the training those that may be better are combined, and the
    combination, if it may be better, and the best other one are trained to the end: by
    then the seed decides more than most single settings. It is one trial where two
    would cost too much. The better one replaces the start only if its gain on
    validation pairs is more than noise, or if the start diverges. The model of the
    winner is that of the run.

    While the trials have only begun and the judge prefers no registration to all of
    them, the best by the next judge is a finalist, too; who decides shows at the end.

    Raises:
        ConfigError: If the space or the budget is wrong.
        NonFiniteError: If all trials diverge.
    """
    search, train = job.config.search, job.config.train
    with trials_folder(job) as folder, workers(search.workers) as executor:
        trainer = start_of(job, folder)
        rng = np.random.default_rng((job.config.seed, Stream.ALPHA))
        rest = trainer.judging.unregistered
        rank = partial(ranked_by, has_constant_rate=has_constant_rate(train))
        space = trainer.reduced(read_space(search.space))
        first_look = comparisons(train.steps, train.log_every)[0]
        budget = affordable(job, trainer, first_look)
        plan = plan_race(train.steps, train.log_every, budget)
        seen: list[Outcome] = []

        def run(trials: list[Trial], steps: int, most: float) -> list[Outcome]:
            found = train_together(trainer, trials, steps, job.devices, executor, most)
            seen.extend(found)
            return [outcome for outcome in found if not outcome.is_too_dear]

        (first,) = run([Trial(START)], plan.early, math.inf)
        most = budget * first.seconds or math.inf
        known = usual_trial(space, trainer)
        usual = run([known], plan.early, most) if known is not None else []
        sound = [outcome for outcome in usual if not outcome.diverged]
        base = base_of(search.judge, rest, first, sound)
        count = plan.trials - (known is not None)
        field = proposals(space, trainer, count, rng, base.trial)
        others = run(field, plan.early, most)
        if first.diverged:
            first = instead_of(first, [*sound, *others], search.judge)
            base = first if base.diverged else base
        others = [one for one in others if one is not first]
        smoother = _smoother(others, job.config.objective.smooth)
        said = verdicts(rest, first, [*sound, *others], smoother)
        judges = early_judges(search.judge, said)
        ranked = rank(judges, rest, base, others)
        # Twice the smoothness only checks the judge.
        better = [outcome for outcome in ranked if outcome is not smoother]
        parents = parents_of(better, _PARENTS, first, budget)
        # Where two judges compete, each needs a finalist of its own.
        if len(judges) == 1 and (child := _child(base.trial, parents, trainer)):
            found = rank(judges, rest, base, run([child], plan.early, most))
            ranked = found + ranked
        ranked += [base] if base is not first else []
        ranked = finalists_of(ranked, plan.finalists, seen, first, train.steps, budget)
        start, finalists = first.trial, [outcome.trial for outcome in ranked]
        last, *finals = run([start, *finalists], train.steps, math.inf)
        sound = [outcome for outcome in finals if not outcome.diverged]
        if last.diverged:
            for trial in spare(seen, judges[0]):
                if sound and trial.name != USUAL:
                    break
                found = run([trial], train.steps, math.inf)
                sound += [outcome for outcome in found if not outcome.diverged]
        if reference := next((o for o in (last, *sound) if not o.diverged), None):
            said = at_the_end(said, verdicts(rest, reference, sound))
        judge = choose_judge(search.judge, said)
        best = max(sound, key=lambda one: one.mean(judge), default=None)
        return finish(job, trainer, Tried(judge, said, last, seen, best))


def _child(base: Trial, parents: list[Outcome], trainer: Trainer) -> Trial | None:
    """What the trials that can be combined change of the base, all together.

    None if there are not two of them.
    """
    if not parents:
        return None
    first, *others = [_beside(base, outcome.trial) for outcome in parents]
    child = None
    for other in others:
        both = combined(child or first, other, "combination")
        if both is None:
            continue
        whole = replace(both, changes={**base.changes, **both.changes})
        if is_possible(trainer, whole):
            child = both
    return child and replace(child, changes={**base.changes, **child.changes})


def _beside(base: Trial, trial: Trial) -> Trial:
    """A trial with what it changes of the base alone."""
    same = base.changes.items()
    own = {
        name: value
        for name, value in trial.changes.items()
        if (name, value) not in same
    }
    return replace(trial, changes=own)


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
