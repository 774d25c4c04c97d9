"""Search of architecture and objective, by a strategy."""

import itertools
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from autoreg_jax.config import LamSearchConfig, RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import write_json
from autoreg_jax.hypergrad import HypergradientEstimator
from autoreg_jax.losses import Objective, in_order
from autoreg_jax.programs import (
    NetworkFamily,
    Programs,
    Stage,
    cells_of,
    check_guidance,
    check_space,
    initial_lambda,
    make_lambda,
    schedule,
    set_genotype,
    with_judge,
)
from autoreg_jax.runtime import RunFolder, in_single_precision, owns, placement
from autoreg_jax.search_space import Genotype
from autoreg_jax.spaces import changed
from autoreg_jax.workflows._artifacts import genotype_digest
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._train import programs_for
from autoreg_jax.workflows.strategies import (
    BY_TRIALS,
    STRATEGIES,
    SearchJob,
    SearchResult,
    Strategy,
)

# Needs both directions of a pair, and the search has one.
_CONSTANT = "inverse_consistency"

logger = logging.getLogger(__name__)


@in_single_precision
@owns()
def search(  # noqa: PLR0913
    train: Cohort,
    validation: Cohort,
    config: RunConfig,
    *,
    genotype: Genotype | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    journal: Journal | None = None,
    strategy: Strategy | None = None,
    network: NetworkFamily | None = None,
    objective: Objective | None = None,
    estimator: HypergradientEstimator | None = None,
    programs: Programs | None = None,
    lam: Mapping[str, float] | None = None,
) -> SearchResult:
    """Search feature cells, deformation cells and loss weights.

    The strategy of the configuration does it (`auto` chooses `race` or `darts`, see
    `config.SearchConfig.strategy`): `race` trains candidates for a while and
    continues the better ones, `random` trains random ones, `darts` is Algorithm 1 of
    the paper, `perturbation` chooses otherwise from the same mixture. Labels of the
    validation subjects judge λ; without labels, landmarks or the agreement of the
    images do. Those of the training subjects are read if λ is searched with the term
    `dice`. The weight of `inverse_consistency` is not searched.

    Args:
        train: Subjects from which ω learns.
        validation: Other subjects, by which α and λ are chosen.
        config: The run.
        genotype: An architecture that is not to be searched; λ alone is. So it is with
            one operation in `config.network.operations`.
        run: Folder for metrics.jsonl, checkpoints, genotype.json and objective.json.
        resume: Resume the search in this folder; finished stages are kept.
        journal: Takes the records instead of one made from `run` and `resume`: to
            observe the states, for example.
        strategy: A strategy of your own instead of `config.search.strategy`.
        network: A network family of your own: `genotype -> network`, where None asks
            for the mixed network. Networks are hashable Flax modules that are called
            as `networks.RegistrationNetwork` is.
        objective: An objective of your own; `config.objective` then only gives λ.
        estimator: A hypergradient estimator of your own, for all stages.
        programs: Compiled programs of an earlier search or training with the same
            network and objective, to be reused.
        lam: λ before its search, by the names of the terms of `objective`, instead of
            that of the settings. Only with a `genotype`: the loss of the mixture and
            of candidates has the weights of the settings.

    Returns:
        Genotype, λ and the records of the search.

    Raises:
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
        ArtifactError: If the folder holds a search and `resume` is not given, or if
            its contents are damaged or of other settings.
        ConfigError: If the strategy or the similarity is unknown, if there is no
            mixture that `perturbation` could measure, if the estimator of
            your own does not return what one has to, or if there is the term `dice`
            and the training subjects have no label maps, or if the devices of
            `mesh.space` cannot share the images of every stage.
        DataError: If labels or landmarks are to judge λ and the validation subjects
            have none, or if no pair of the subjects is as `config.pairs` asks.
        ValueError: If `resume` is given without `run`, or `programs` of another run.
    """
    own = {"network": network, "objective": objective, "estimator": estimator}
    job = search_job(
        train,
        validation,
        config,
        journal or Journal(run, resume=resume),
        genotype=genotype,
        programs=programs,
        has_members=strategy is not None,
        lam=lam,
        **own,
    )
    result = (strategy or _find_strategy(job.config.search.strategy))(job)
    result = _with_constant(config, result)
    if job.journal.run is not None:
        _write_objective(job.journal.run, changed(job.config, result.settings), result)
    return result


@in_single_precision
def search_job(
    train: Cohort,
    validation: Cohort,
    config: RunConfig,
    journal: Journal,
    *,
    genotype: Genotype | None = None,
    programs: Programs | None = None,
    has_members: bool = False,
    lam: Mapping[str, float] | None = None,
    **own: Any,
) -> SearchJob:
    """What a strategy is given; the arguments are those of `search`.

    With `has_members` there are groups of devices though no setting asks for a
    population.
    """
    if config.search.judge == "auto" and validation.labels is None:
        logger.info("There are no label maps: λ is judged by the images themselves.")
    config = with_judge(config, validation)
    programs = programs_for(config, train, programs, **own)
    is_given = genotype is not None or has_members
    config = _with_strategy(config, programs, is_given=is_given)
    if lam is not None and (
        genotype is None or config.search.strategy in (*BY_TRIALS, "perturbation")
    ):
        raise ConfigError(
            f"lam: found weights for a search with the strategy "
            f"{config.search.strategy!r}, whose candidates have those of the settings; "
            "give a genotype and search.strategy=darts, or set objective.* instead."
        )
    if genotype is None:
        genotype = _set_genotype(config, programs)
    start = initial_lambda(config) if lam is None else make_lambda(lam)
    lam = dict(jax.device_get(start))
    check_guidance(train, lam)
    lam.pop(_CONSTANT, None)
    check_space(train.images.shape[1:-1], config.mesh.space, _shrinks(config, genotype))
    devices = placement(
        config.mesh.pairs,
        config.mesh.members,
        _batches(config, genotype),
        has_members=has_members or _has_members(config, genotype),
        space=config.mesh.space,
    )
    return SearchJob(
        train, validation, config, programs, journal, lam, genotype, devices
    )


def _with_strategy(
    config: RunConfig, programs: Programs, *, is_given: bool
) -> RunConfig:
    """The settings with the strategy that `auto` stands for.

    That is Algorithm 1 where it has operations to choose, where an architecture, a
    strategy, an estimator or a longer horizon for λ is given, and where nothing is to
    be searched.
    """
    search = config.search
    if search.strategy != "auto":
        return config
    has_choice = set_genotype(config, cells_of(programs.mixed)) is None
    is_off = search.judge == "none" or search.lam.steps == 0
    is_given |= programs.estimator is not None
    is_given |= search.lam_search != LamSearchConfig()
    name = "darts" if has_choice or is_given or is_off else "race"
    return replace(config, search=replace(search, strategy=name))


def _with_constant(config: RunConfig, result: SearchResult) -> SearchResult:
    """λ with the weight that is not searched, if there is one."""
    weight = getattr(config.objective.extra, _CONSTANT)
    if weight is None:
        return result
    weights = {_CONSTANT: weight}
    return replace(
        result,
        lam=in_order(result.lam | weights),
        lam_start=in_order(result.lam_start | weights),
    )


def _set_genotype(config: RunConfig, programs: Programs) -> Genotype | None:
    """The architecture if there is nothing to choose, which the log then says."""
    genotype = set_genotype(config, cells_of(programs.mixed))
    if genotype is not None:
        (name,) = config.network.operations
        where = "of the deformation cells " if config.quirks.deformation_only else ""
        logger.info("Every edge %sis %s, as set; not searched.", where, name)
    return genotype


def _stages(config: RunConfig, genotype: Genotype | None) -> list[Stage]:
    """The stages that have steps."""
    rounds = schedule(config, with_cells=genotype is None)
    return [s for s in itertools.chain(*rounds) if s.settings.steps]


def _batches(config: RunConfig, genotype: Genotype | None) -> list[int]:
    """The sizes of the batches of a search."""
    if config.search.strategy in BY_TRIALS:
        return [config.train.batch_size]
    return [
        size
        for stage in _stages(config, genotype)
        for size in (stage.settings.train_pairs, stage.settings.valid_pairs)
    ]


def _shrinks(config: RunConfig, genotype: Genotype | None) -> list[int]:
    """Factors by which the images of a search are smaller than the working grid."""
    if config.search.strategy in BY_TRIALS:
        return [1]
    return [
        1 if stage.is_of_lambda else config.search.shrink
        for stage in _stages(config, genotype)
    ]


def _has_members(config: RunConfig, genotype: Genotype | None) -> bool:
    """Whether there is a population: candidates, or particles."""
    names = [stage.hypergradient.name for stage in _stages(config, genotype)]
    return config.search.strategy in BY_TRIALS or any(
        name.endswith("evolution_strategies") for name in names
    )


def _find_strategy(name: str) -> Callable[[SearchJob], SearchResult]:
    if name not in STRATEGIES:
        raise ConfigError(
            f"search.strategy: must be one of {', '.join(STRATEGIES)}, got {name!r}."
        )
    return STRATEGIES[name]


def _write_objective(run: Path, config: RunConfig, result: SearchResult) -> None:
    content = {
        "format": 1,
        "similarity": config.objective.similarity,
        "lam": result.lam,
        "lam_start": result.lam_start,
        "judge": config.search.judge,
        "genotype": genotype_digest(result.genotype),
    }
    write_json(RunFolder(run).objective, content, is_sealed=True)
