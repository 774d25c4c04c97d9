"""Random search: whole trainings of random candidates."""

import numpy as np

from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import Stream
from autoreg_jax.spaces import read_space
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows.strategies._race import comparisons
from autoreg_jax.workflows.trials import (
    START,
    Outcome,
    Trial,
    Tried,
    affordable,
    choose_judge,
    drawn,
    finish,
    is_affordable,
    start_of,
    train_together,
    trials_folder,
    verdicts,
    workers,
)


def random_search(job: SearchJob) -> SearchResult:
    """Train random candidates of the space as long as the run, and compare the best.

    `config.search.trainings` of them are drawn, and fewer are trained where their steps
    take longer than those of the start. The best replaces the start only if its
    gain on validation pairs is more than noise.

    Raises:
        ConfigError: If the space is wrong, or the budget is below one training.
        NonFiniteError: If all of them diverge.
    """
    search, train = job.config.search, job.config.train
    space, steps = read_space(search.space), train.steps
    with trials_folder(job) as folder, workers(search.workers) as executor:
        trainer = start_of(job, folder)
        early = comparisons(steps, train.log_every)
        count = int(budget := affordable(job, trainer, early[0]))
        if count < 1:
            raise ConfigError(
                f"search.trainings: random search needs 1 at least, got {budget:.3g} "
                "(also by the time of search.minutes)."
            )
        rng = np.random.default_rng((job.config.seed, Stream.ALPHA))
        space = trainer.reduced(space)
        every = [drawn(space, trainer, rng, str(n + 1)) for n in range(count)]
        trials = [trial for trial in every if trial is not None]
        at_once = max(search.workers, len(job.devices.groups()))

        def run(some: list[Trial]) -> list[Outcome]:
            return train_together(trainer, some, steps, job.devices, executor)

        start, *others = run([Trial(START), *trials[: at_once - 1]])
        while len(others) < len(trials) and is_affordable(others, start, steps, budget):
            others += run(trials[len(others) :][:at_once])
        rest, said, judge = trainer.judging.unregistered, [], None
        sound = [outcome for outcome in others if not outcome.diverged]
        if reference := next((o for o in (start, *sound) if not o.diverged), None):
            said = verdicts(rest, reference, sound)
            judge = choose_judge(search.judge, said)
        best = max(sound, key=lambda outcome: outcome.mean(judge), default=None)
        return finish(job, trainer, Tried(judge, said, start, [start, *others], best))
