"""Algorithm 1 of the paper: α_F, α_D and λ by hypergradients, stage by stage."""

import logging
import math

from autoreg_jax.programs import Stage, Stream, chosen_genotype, initial_alpha, schedule
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows._pairs import search_data
from autoreg_jax.workflows._stage import as_lists, run_stage
from autoreg_jax.workflows._stopping import time_of

logger = logging.getLogger(__name__)


def darts(job: SearchJob) -> SearchResult:
    """Algorithm 1, for `config.search.rounds` rounds.

    While α is searched the images are smaller by `config.search.shrink`: the mixture
    costs several times what one architecture costs, and eight times less at half the
    resolution. The network weights ω are drawn anew for every stage.

    A later round starts with the α and λ that were found, and the λ of a round is the
    one under which ω learns in the α of the next. Each stage ends with its steps, or
    earlier by `config.search.stop` and `config.search.minutes`; its last record says
    so.

    Raises:
        NonFiniteError, ArtifactError, DataError: As `search`.
    """
    config, programs, journal = job.config, job.programs, job.journal
    small, whole = search_data(job.train, job.validation, config)
    spread, seed = config.quirks.alpha_spread, config.seed
    candidates = programs.candidates
    alpha = initial_alpha(spread, (seed, Stream.ALPHA), candidates)
    genotype = job.genotype or chosen_genotype(config, alpha, candidates)
    lam = job.lam
    rounds = schedule(config)
    if job.genotype is not None:
        rounds = [stages[-1:] for stages in rounds]
    left = [stage for stages in rounds for stage in stages]

    def seconds_of(stage: Stage) -> float:
        names = {stage.name for stage in left}
        taken = journal.seconds().items()
        spent = math.fsum(seconds for name, seconds in taken if name not in names)
        seconds = time_of(stage, left, config.search.minutes, spent)
        left.remove(stage)
        if stage.settings.steps == 0:
            logger.info("Skipping stage %s: it has no steps.", stage.name)
        return seconds

    for *cells, weights in rounds:
        for stage in cells:
            seconds = seconds_of(stage)
            if stage.settings.steps:
                alpha = run_stage(job, stage, small, alpha, lam=lam, seconds=seconds)
        genotype = job.genotype or chosen_genotype(config, alpha, candidates)
        job.keep(genotype)
        seconds = seconds_of(weights)
        if weights.settings.steps:
            network = programs.make_network(genotype)
            lam = run_stage(job, weights, whole, lam, network=network, seconds=seconds)
    return SearchResult(
        genotype, alpha, as_lists(lam), as_lists(job.lam), journal.records
    )
