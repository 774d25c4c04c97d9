"""The outside rival: TPE and Hyperband of Optuna, on the same trials."""

from collections.abc import Callable
from typing import Any

import numpy as np

from autoreg_jax.errors import AutoRegError
from autoreg_jax.programs import Stream
from autoreg_jax.spaces import read_space
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows.strategies._race import comparisons
from autoreg_jax.workflows.trials import (
    SCORES,
    START,
    Trial,
    Tried,
    affordable,
    choose_judge,
    chosen_by,
    finish,
    is_possible,
    price,
    start_of,
    trials_folder,
    verdicts,
)

# Of a trial whose settings are not allowed, in trainings: so that the search ends.
_REFUSED = 0.01


def optuna_search(job: SearchJob) -> SearchResult:
    """Let Optuna choose the trials of `config.search.space`, and when they end.

    Its TPE sampler proposes settings, and its Hyperband pruner compares them after an
    eighth, a quarter and the whole of the training, until `config.search.trainings`
    are spent beside the start; a step counts as much as it takes longer than one of the
    start. The best trial that was trained to the end replaces the
    start only if its gain on validation pairs is more than noise.

    Raises:
        AutoRegError: If Optuna is not installed.
        ConfigError: If the space is wrong.
        NonFiniteError: If the start diverges, and with it all trials.
    """
    try:
        import optuna  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise AutoRegError(
            "search.strategy=optuna needs the package optuna, which is not installed; "
            'run: pip install "autoreg_jax[optuna]"'
        ) from None
    search, train = job.config.search, job.config.train
    space, steps = read_space(search.space), comparisons(train.steps, train.log_every)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    origin = np.random.SeedSequence((job.config.seed, Stream.ALPHA))
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=int(origin.generate_state(1)[0])),
        pruner=optuna.pruners.HyperbandPruner(steps[0], steps[-1], reduction_factor=2),
    )
    name = search.judge if search.judge in SCORES else SCORES[0]
    with trials_folder(job) as folder:
        trainer = start_of(job, folder)
        space = trainer.reduced(space)
        left = train.steps * affordable(job, trainer, steps[0])
        start = trainer.advance(Trial(START), steps[-1])
        seen, count = [start], 0
        while left > 0:
            asked, count = study.ask(), count + 1
            trial = chosen_by(_suggest(asked), space, trainer, str(count))
            if not is_possible(trainer, trial):
                study.tell(asked, state=optuna.trial.TrialState.FAIL)
                left -= _REFUSED * train.steps
                continue
            done = 0
            for end in steps:
                seen.append(trainer.advance(trial, end))
                dear = max(1.0, price(seen[-1], start))
                left, done = left - dear * (end - done), end
                if seen[-1].diverged:
                    break
                asked.report(seen[-1].mean(name), end)
                if end < steps[-1] and (asked.should_prune() or left <= 0):
                    break
            if seen[-1].diverged or done < steps[-1]:
                study.tell(asked, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(asked, seen[-1].mean(name))
        whole = [o for o in seen[1:] if o.steps == steps[-1] and not o.diverged]
        judge, said = None, []
        if reference := next((o for o in (start, *whole) if not o.diverged), None):
            said = verdicts(trainer.judging.unregistered, reference, whole)
            judge = choose_judge(search.judge, said)
        best = max(whole, key=lambda one: one.mean(judge or name), default=None)
        return finish(job, trainer, Tried(judge, said, start, seen, best))


def _suggest(asked: Any) -> Callable[[str, int], int]:
    """The place of an option among so many, as Optuna suggests it."""

    def choose(name: str, count: int) -> int:
        # Of each number of options a parameter of its own: they may depend on others.
        places = list(range(count))
        return asked.suggest_categorical(f"{name} ({count})", places)

    return choose
