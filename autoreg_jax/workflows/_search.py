"""Search of architecture and objective: the three stages of Algorithm 1 in order."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.losses import ObjectiveWeights
from autoreg_jax.runtime import write_json, write_text
from autoreg_jax.search import STAGES
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._build import (
    chosen_genotype,
    make_stage,
    on_device,
    shrunk,
    start_of_lambda,
)
from autoreg_jax.workflows._initial import initial_alpha
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._loop import Task, repeat
from autoreg_jax.workflows._stage import as_lists, from_lists, search_task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search has found.

    Attributes:
        genotype: The chosen operation on every edge.
        alpha: α after the search, NumPy arrays.
        lam: λ after the search: full, smooth, half, quarter.
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
    run: Path | str | None = None,
    resume: bool = False,
) -> SearchResult:
    """Search feature cells, deformation cells and loss weights, Algorithm 1.

    While α is searched the images are smaller by `config.search.shrink`: the mixture
    costs several times what one architecture costs, and eight times less at half the
    resolution. The network weights ω are drawn anew for every stage. Labels are read in
    the stage of λ alone, those of the validation subjects alone, and never by the loss
    of ω; without them that stage is left out.

    Args:
        train: Subjects from which ω learns.
        validation: Other subjects, which judge α and λ.
        config: The run.
        run: Folder for metrics.jsonl, checkpoints, genotype.json and objective.json.
        resume: Go on with the search that the folder holds; what is finished is kept.

    Returns:
        Genotype, λ and how they came about.

    Raises:
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
        ArtifactError: If the folder holds a search and `resume` is not given, or if
            what it holds is damaged or of other settings.
        ValueError: If `resume` is given without `run`.
    """
    run = None if run is None else Path(run)
    journal = Journal(run, resume=resume)
    train_images = on_device(train, with_labels=False)
    small, judges = (
        shrunk(images, config.search.shrink)
        for images in (train_images, on_device(validation, with_labels=False))
    )
    alpha = initial_alpha(config.quirks.alpha_spread, (config.seed, len(STAGES) + 1))
    searched = ("feature", "deformation")
    for name in searched[1:] if config.quirks.deformation_only else searched:
        task = search_task(name, config, small, judges, alpha)
        alpha = _outcome(task, journal, alpha)
    genotype = chosen_genotype(config, alpha)
    if run is not None:
        write_text(run / "genotype.json", genotype.to_json())

    start = lam = jax.device_get(start_of_lambda(config))
    if validation.labels is not None:
        labelled = on_device(validation, with_labels=True)
        task = search_task(
            "lam",
            config,
            train_images,
            labelled,
            lam,
            genotype=genotype,
            num_structures=len(validation.structures),
        )
        lam = _outcome(task, journal, lam)
    elif make_stage(config, "lam").steps:
        logger.warning(
            "The validation subjects have no label maps, which are needed to judge the "
            "loss weights: their search is left out and they keep their start values."
        )
    result = SearchResult(
        genotype, alpha, as_lists(lam), as_lists(start), journal.records
    )
    if run is not None:
        _write_objective(run, config, result)
    return result


def _outcome(task: Task, journal: Journal, outer: Any) -> Any:
    """α or λ after a stage, as NumPy arrays; a finished stage is read from records."""
    if task.steps == 0:
        logger.info("Stage %s has no steps and is left out.", task.stage)
        return outer
    last = journal.last(task.stage) if journal.resume else None
    if last is not None and last["step"] == task.steps:
        part = "lam" if isinstance(outer, ObjectiveWeights) else "alpha"
        return from_lists(outer, last[part])
    return jax.device_get(repeat(task, journal).outer)


def _write_objective(run: Path, config: RunConfig, result: SearchResult) -> None:
    content = {
        "format": 1,
        "similarity": config.objective.similarity,
        "lam": result.lam,
        "lam_start": result.lam_start,
    }
    write_json(run / "objective.json", content)
