"""Random search: train random architectures for a while and keep the best one."""

import logging

import jax
import numpy as np

from autoreg_jax.programs import Stream, initial_alpha
from autoreg_jax.search_space import Genotype
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows._loop import repeat
from autoreg_jax.workflows._pairs import pair_sampler, search_data
from autoreg_jax.workflows._stage import as_lists
from autoreg_jax.workflows._train import training_task

logger = logging.getLogger(__name__)

_NUM_PAIRS = 8


def random_search(job: SearchJob) -> SearchResult:
    """Train `config.search.trials` random genotypes and keep the best.

    Each is trained for `config.train.steps`; the best has the lowest L_reg, averaged
    over the same validation pairs. λ and α keep their start.

    Raises:
        NonFiniteError, ArtifactError, DataError: As `search`.
    """
    config, programs, journal = job.config, job.programs, job.journal
    _, data = search_data(job.train, job.validation, config)
    origin = (config.seed, Stream.LAM, 1)
    pairs = pair_sampler(data.valid.shape[0], data.valid_roles, origin)
    trials = config.search.trials if job.genotype is None else 0
    best = job.genotype or Genotype.random(config.seed, programs.candidates)
    omega, lowest = None, np.inf
    for trial in range(trials):
        genotype = Genotype.random((config.seed, trial), programs.candidates)
        network = programs.make_network(genotype)
        name = f"trial-{trial + 1}"
        task = training_task(job.train, config, network, job.lam, programs, name=name)
        state = repeat(task, journal)
        terms = programs.problem(network, config.search).inner_terms
        losses = [
            terms(state.params, job.lam, data.valid_batch(pairs[number]))[0]
            for number in range(_NUM_PAIRS)
        ]
        loss = float(np.mean(jax.device_get(losses)))
        logger.info("Trial %d of %d: validation loss %.4f.", trial + 1, trials, loss)
        if loss < lowest:
            best, lowest = genotype, loss
            omega = programs.layout(network).to_tree(np.asarray(state.params))
    job.keep(best)
    lam = as_lists(job.lam)
    alpha = initial_alpha(0.0, (config.seed, Stream.ALPHA), programs.candidates)
    return SearchResult(best, alpha, lam, lam, journal.records, omega)
