"""Trains several trials, one after the other or side by side."""

import logging
import math
import os
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context

from autoreg_jax.runtime import Placement
from autoreg_jax.workflows._members import side_by_side
from autoreg_jax.workflows.trials._trainer import Trainer
from autoreg_jax.workflows.trials._trial import Outcome, Trial

logger = logging.getLogger(__name__)


def train_together(
    trainer: Trainer,
    trials: Sequence[Trial],
    steps: int,
    devices: Placement,
    executor: Executor | None = None,
    most_seconds: float = math.inf,
) -> list[Outcome]:
    """Train each trial until it has so many steps.

    With an executor each trial is a task of it: a process of this machine, a job of
    Slurm (`submitit`), a worker of Dask. All need to reach the trainer's folder.
    Without one, groups of devices (`mesh.members`) take a trial each. No result
    depends on who computed it, but for rounding.

    Args:
        trainer: Trains them.
        trials: What to train.
        steps: Steps that each trial has afterwards.
        devices: Those of the run.
        executor: Anything with the interface of `concurrent.futures.Executor`.
        most_seconds: Of a step; a trial whose steps take longer is left.
    """
    for trial in trials:
        logger.info("Trial %s to step %d: %s.", trial.name, steps, trial.describe())
    if executor is not None:
        tasks: list[Future[Outcome]] = [
            executor.submit(_advance, trainer, trial, steps, most_seconds)
            for trial in trials
        ]
        return [task.result() for task in tasks]

    def advance(place: int, group: Placement) -> Outcome:
        return trainer.advance(trials[place], steps, group, most_seconds)

    return side_by_side(advance, len(trials), devices)


def workers(count: int) -> AbstractContextManager[Executor | None]:
    """Processes of this machine that train trials; None for one, this one.

    They share the processors: XLA would otherwise start as many threads in each.
    """
    if count == 1:
        return nullcontext()
    return ProcessPoolExecutor(
        count,
        mp_context=get_context("spawn"),
        initializer=_share_processors,
        initargs=(count,),
    )


def _share_processors(count: int) -> None:
    """Leave a share of the processors to each of so many processes."""
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        size = max(1, len(mine) // count)
        number = os.getpid() % max(1, len(mine) // size)
        os.sched_setaffinity(0, mine[number * size : (number + 1) * size])


def _advance(
    trainer: Trainer, trial: Trial, steps: int, most_seconds: float
) -> Outcome:
    return trainer.advance(trial, steps, most_seconds=most_seconds)
