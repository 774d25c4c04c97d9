"""Search of architecture and objective: the stages of Algorithm 1, round by round."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.runtime import write_json, write_text
from autoreg_jax.search import STAGES
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._build import chosen_genotype
from autoreg_jax.workflows._initial import initial_alpha
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._judge import with_judge
from autoreg_jax.workflows._lambda import start_of_lambda
from autoreg_jax.workflows._loop import Task, repeat
from autoreg_jax.workflows._schedule import Part, schedule, time_of
from autoreg_jax.workflows._stage import (
    Given,
    as_lists,
    from_lists,
    make_given,
    search_task,
)
from autoreg_jax.workflows._stopping import result_step

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search has found.

    Attributes:
        genotype: The chosen operation on every edge.
        alpha: α after the search, NumPy arrays.
        lam: λ after the search: full, smooth, half, quarter, and further terms.
        lam_start: λ before it.
        records: One dictionary a step, as in metrics.jsonl.
    """

    genotype: Genotype
    alpha: ArchitectureLogits
    lam: dict[str, float]
    lam_start: dict[str, float]
    records: list[dict[str, Any]]


def search(
    train: Cohort,
    validation: Cohort,
    config: RunConfig,
    *,
    genotype: Genotype | None = None,
    run: Path | str | None = None,
    resume: bool = False,
) -> SearchResult:
    """Search feature cells, deformation cells and loss weights, Algorithm 1.

    While α is searched the images are smaller by `config.search.shrink`: the mixture
    costs several times what one architecture costs, and eight times less at half the
    resolution. The network weights ω are drawn anew for every stage. Labels are read in
    the stage of λ alone, those of the validation subjects alone, and never by the loss
    of ω; without them the agreement of the images judges λ, or landmarks.

    The stages are gone through `config.search.rounds` times. A later round begins with
    the α and λ that were found, and the λ of a round is the one under which ω learns in
    the α of the next. Each stage ends with its steps, or earlier by
    `config.search.stop` and `config.search.minutes`; its last record says so.

    Args:
        train: Subjects from which ω learns.
        validation: Other subjects, which judge α and λ.
        config: The run.
        genotype: An architecture that is not to be searched: the stages of α are left
            out.
        run: Folder for metrics.jsonl, checkpoints, genotype.json and objective.json.
        resume: Go on with the search that the folder holds; what is finished is kept.

    Returns:
        Genotype, λ and how they came about.

    Raises:
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
        ArtifactError: If the folder holds a search and `resume` is not given, or if
            what it holds is damaged or of other settings.
        DataError: If labels or landmarks are to judge λ and the validation subjects
            have none, or if no pair of the subjects is as `config.pairs` asks.
        ValueError: If `resume` is given without `run`.
    """
    if config.search.judge == "auto" and validation.labels is None:
        logger.info("There are no label maps: the images themselves judge λ.")
    config = with_judge(config, validation)
    small, whole = make_given(train, validation, config)
    run = None if run is None else Path(run)
    journal = Journal(run, resume=resume)
    alpha = initial_alpha(config.quirks.alpha_spread, (config.seed, len(STAGES) + 1))
    start = lam = jax.device_get(start_of_lambda(config))
    chosen, rounds = genotype or chosen_genotype(config, alpha), schedule(config)
    if genotype is not None:
        rounds = [parts[-1:] for parts in rounds]
    left = [part for parts in rounds for part in parts]

    def find(part: Part, given: Given, outer: Any) -> Any:
        seconds = _time_of(left, config, journal)
        left.remove(part)
        if part.steps == 0:
            logger.info("Stage %s has no steps and is left out.", part.name)
            return outer
        task = search_task(part, config, given, outer, journal, seconds=seconds)
        return _outcome(task, journal, outer)

    for *cells, weights in rounds:
        for part in cells:
            alpha = find(part, small._replace(lam=lam), alpha)
        chosen = genotype or chosen_genotype(config, alpha)
        if run is not None:
            write_text(run / "genotype.json", chosen.to_json())
        lam = find(weights, whole._replace(genotype=chosen), lam)
    result = SearchResult(
        chosen, alpha, as_lists(lam), as_lists(start), journal.records
    )
    if run is not None:
        _write_objective(run, config, result)
    return result


def _time_of(left: list[Part], config: RunConfig, journal: Journal) -> float:
    """Seconds for the first of the parts that are left."""
    names = {part.name for part in left}
    spent = sum(
        seconds for name, seconds in journal.seconds().items() if name not in names
    )
    return time_of(left[0], left, config.search.minutes, spent)


def _outcome(task: Task, journal: Journal, outer: Any) -> Any:
    """α or λ after a stage, as NumPy arrays; a finished stage is read from records."""
    last = journal.last(task.stage) if journal.resume else None
    if last is None or result_step(last, task.steps) is None:
        repeat(task, journal)
        last = journal.last(task.stage)
    records = journal.of_stage(task.stage)
    step = result_step(records[-1], task.steps)
    part = "alpha" if isinstance(outer, ArchitectureLogits) else "lam"
    found = next(record for record in records if record["step"] == step)
    return from_lists(outer, found[part])


def _write_objective(run: Path, config: RunConfig, result: SearchResult) -> None:
    content = {
        "format": 1,
        "similarity": config.objective.similarity,
        "lam": result.lam,
        "lam_start": result.lam_start,
        "judge": config.search.judge,
    }
    write_json(run / "objective.json", content)
