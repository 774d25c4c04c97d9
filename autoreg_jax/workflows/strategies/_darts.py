"""Algorithm 1 of the paper: α_F, α_D and λ by hypergradients, stage by stage."""

import logging
import math
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any, NamedTuple

from autoreg_jax.bilevel import ratio_names
from autoreg_jax.losses import image_terms
from autoreg_jax.programs import (
    Stage,
    Stream,
    cells_of,
    chosen_genotype,
    initial_alpha,
    schedule,
    told_network,
)
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows._pairs import SearchData, search_data
from autoreg_jax.workflows._stage import StageRun, as_lists, run_stage
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
    return run_stages(job)


class Trained(NamedTuple):
    """The last stage of α of a round that had steps, and ω after it.

    Attributes:
        run: The stage; None if there was none.
        omega: The vector ω; None if it could not be read.
    """

    run: StageRun | None = None
    omega: Any = None


def run_stages(
    job: SearchJob,
    rounds: Sequence[Sequence[Stage]] | None = None,
    choose: Callable[[ArchitectureLogits, Trained], Genotype] | None = None,
) -> SearchResult:
    """Run the stages of each round, or read the finished ones from the journal.

    Args:
        job: Of the search.
        rounds: See `stages`.
        choose: α and the mixture after the stages of α of a round -> genotype; default:
            the largest logits.

    Raises:
        NonFiniteError, ArtifactError, DataError: As `search`.
    """
    data = search_data(job.train, job.validation, job.config, job.devices)
    trained = Trained()
    choice = None if choose is None else lambda alpha: choose(alpha, trained)
    flow = stages(job, data, rounds, choice)
    outcome, omega = None, None
    while True:
        try:
            run = flow.send(outcome)
        except StopIteration as end:
            return end.value(omega)
        if run.stage.settings.steps == 0:
            logger.info("Skipping stage %s: it has no steps.", run.stage.name)
            outcome = run.outer
        else:
            outcome, omega = run_stage(job, run)
            trained = Trained() if run.stage.is_of_lambda else Trained(run, omega)
            layout = job.programs.layout(run.network or job.programs.mixed)
            omega = None if omega is None else layout.to_tree(omega)


def stages(
    job: SearchJob,
    data: tuple[SearchData, SearchData],
    rounds: Sequence[Sequence[Stage]] | None = None,
    choose: Callable[[ArchitectureLogits], Genotype] | None = None,
) -> Generator[StageRun, Any, Callable[[Any], SearchResult]]:
    """The stages of Algorithm 1, one after the other.

    Args:
        job: Of the search; its journal says how long earlier stages took.
        data: See `search_data`.
        rounds: Default: the `schedule` of the configuration.
        choose: Makes a genotype of α; default: the largest logits.

    Yields:
        A stage to be run; it is to be sent α or λ after it.

    Returns:
        ω after the last stage -> the result.
    """
    config, programs, journal = job.config, job.programs, job.journal
    small, whole = data
    spread, seed = config.quirks.alpha_spread, config.seed
    candidates = programs.candidates
    alpha = initial_alpha(
        spread, (seed, Stream.ALPHA), candidates, cells_of(programs.mixed)
    )
    genotype = job.genotype or chosen_genotype(config, alpha, candidates)
    lam = job.lam
    rounds = rounds or schedule(config, with_cells=job.genotype is None)
    choose = choose or (lambda alpha: chosen_genotype(config, alpha, candidates))
    left = [stage for turn in rounds for stage in turn]

    def seconds_of(stage: Stage) -> float:
        names = {stage.name for stage in left}
        taken = journal.seconds().items()
        spent = math.fsum(seconds for name, seconds in taken if name not in names)
        seconds = time_of(stage, left, config.search.minutes, spent)
        left.remove(stage)
        return seconds

    for *cells, weights in rounds:
        for stage in cells:
            seconds = seconds_of(stage)
            alpha = yield StageRun(stage, small, alpha, None, image_terms(lam), seconds)
        genotype = job.genotype or choose(alpha)
        job.keep(genotype)
        seconds, network = seconds_of(weights), None
        if weights.settings.steps:
            network = programs.make_network(genotype)
            if weights.far and weights.far.method == "amortised":
                setting = "search.lam_search.method: amortised"
                network = told_network(network, len(ratio_names(lam)), setting)
        lam = yield StageRun(weights, whole, lam, network, None, seconds)
    found = partial(
        SearchResult, genotype, alpha, as_lists(lam), as_lists(job.lam), journal.records
    )
    return lambda omega: found(omega=omega)
