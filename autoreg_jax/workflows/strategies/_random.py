"""Random search: train random architectures for a while and keep the best one."""

import logging
from functools import partial
from typing import Any

import jax
import numpy as np

from autoreg_jax.losses import image_terms
from autoreg_jax.programs import Programs, Stream, cells_of, gather_pairs, initial_alpha
from autoreg_jax.runtime import Placement, in_single_precision
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._images import split_images
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows._loop import repeat
from autoreg_jax.workflows._members import side_by_side
from autoreg_jax.workflows._pairs import pair_sampler, roles_of
from autoreg_jax.workflows._stage import as_lists
from autoreg_jax.workflows._train import training_task

logger = logging.getLogger(__name__)

_NUM_PAIRS = 8


def random_search(job: SearchJob) -> SearchResult:
    """Train `config.search.trials` random genotypes and keep the best.

    Each is trained for `config.train.steps`; the best has the lowest L_reg, averaged
    over the same validation pairs. λ and α keep their start. `config.mesh.members`
    trainings run at once, each on its own devices.

    Raises:
        NonFiniteError, ArtifactError, DataError: As `search`.
    """
    config, programs = job.config, job.programs
    trials = config.search.trials if job.genotype is None else 0
    trained = side_by_side(
        in_single_precision(partial(_trial, job)), trials, job.devices
    )
    best, omega = job.genotype or _random(programs, config.seed), None
    if trials:
        number = int(np.argmin([loss for loss, _ in trained]))
        best, omega = _drawn(job, number), trained[number][1]
    job.keep(best)
    lam = as_lists(job.lam)
    seed = config.seed, Stream.ALPHA
    alpha = initial_alpha(0.0, seed, programs.candidates, cells_of(programs.mixed))
    return SearchResult(best, alpha, lam, lam, job.journal.records, omega)


def _drawn(job: SearchJob, trial: int) -> Genotype:
    return _random(job.programs, (job.config.seed, trial))


def _random(programs: Programs, seed: int | tuple[int, ...]) -> Genotype:
    return Genotype.random(seed, programs.candidates, cells_of(programs.mixed))


def _trial(job: SearchJob, trial: int, devices: Placement) -> tuple[float, Any]:
    """Train the genotype of a trial; its mean L_reg on the validation pairs, and ω."""
    config, programs, lam = job.config, job.programs, image_terms(job.lam)
    network, name = programs.make_network(_drawn(job, trial)), f"trial-{trial + 1}"
    task = training_task(
        job.train, config, network, lam, programs, name=name, devices=devices
    )
    state = repeat(task, job.journal)
    valid, roles = job.validation, roles_of(job.validation, config.pairs)
    pairs = pair_sampler(len(valid.names), roles, (config.seed, Stream.LAM, 1))
    images = split_images(valid, config, devices)
    terms = programs.problem(network, config.search).inner_terms
    losses = [
        terms(state.chosen, lam, gather_pairs(*images.of_pairs(pairs[number])))[0]
        for number in range(_NUM_PAIRS)
    ]
    loss = float(np.mean(jax.device_get(losses)))
    logger.info(
        "Trial %d of %d: validation loss %.4f.", trial + 1, config.search.trials, loss
    )
    return loss, programs.layout(network).to_tree(np.asarray(state.chosen))
