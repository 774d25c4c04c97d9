"""Choice by perturbation: on each edge the operation that the mixture misses most."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from autoreg_jax.errors import ConfigError
from autoreg_jax.programs import Stage, chosen_genotype, schedule
from autoreg_jax.search_space import ArchitectureLogits, Genotype
from autoreg_jax.workflows._job import SearchJob, SearchResult
from autoreg_jax.workflows._loop import repeat
from autoreg_jax.workflows._pairs import scored_pairs
from autoreg_jax.workflows._stage import StageRun, stage_task
from autoreg_jax.workflows._task import Task
from autoreg_jax.workflows.divergence import check_finite
from autoreg_jax.workflows.strategies._darts import Trained, run_stages
from autoreg_jax.workflows.strategies._removal import (
    Edge,
    edges_of,
    most_missed,
    only,
    without,
)

# Use of the stream of a stage, beside its training and validation pairs.
_ORDER = 2


def perturbation(job: SearchJob) -> SearchResult:
    """Train the mixture as `darts` does, then choose by what each operation is worth.

    The size of a logit of α says little about what its operation contributes. So, in a
    random order of the edges, the validation loss L_reg of the mixture is measured
    without each operation of an edge, on the same pairs; the operation without which it
    is largest stays, and ω learns for some steps before the next edge
    (`config.search.perturbation`). It is the last mixture of a round that is measured,
    the one of the deformation cells or of both. λ follows as in `darts`.

    The stage "perturbation" has a record for each edge: the loss without each
    operation, and the margin of the choice with its standard error over the pairs. That
    error is of one mixture: another seed trains another one. `config.search.minutes`
    does not end this stage; λ has what it leaves.

    Raises:
        NonFiniteError, ArtifactError, DataError: As `search`.
        ConfigError: If no stage of α has steps.

    References:
        Wang et al., "Rethinking architecture selection in differentiable NAS", ICLR
        2021.
    """
    rounds = None
    if not job.config.search.perturbation.alpha:
        rounds = schedule(job.config, with_cells=job.genotype is None)
        rounds = [[*_still(cells), weights] for *cells, weights in rounds]
    return run_stages(job, rounds, partial(_choose, job))


def _still(cells: Sequence[Stage]) -> list[Stage]:
    """The stages of α as one in which ω learns alone."""
    if not cells:
        return []
    last = cells[-1]
    _, *turn = last.name.split("-")
    steps = sum(stage.settings.steps for stage in cells)
    warm_up = min(last.settings.warm_up, max(0, steps - 1))
    return [
        replace(
            last,
            name="-".join(["mixture", *turn]),
            parts=tuple(part for stage in cells for part in stage.parts),
            settings=replace(last.settings, steps=steps, warm_up=warm_up),
            is_still=True,
        )
    ]


def _choose(job: SearchJob, alpha: ArchitectureLogits, trained: Trained) -> Genotype:
    """The genotype of a round, read from the journal if it is there."""
    run, omega = trained
    if run is None:
        raise ConfigError(
            "search: the strategy perturbation measures a mixture that has been "
            "trained, and no stage of α has steps; set search.deformation.steps, or "
            "choose another strategy."
        )
    journal, config = job.journal, job.config
    kinds = ["deformation"] if config.quirks.deformation_only else alpha._fields
    edges = edges_of(alpha.cells, kinds)
    order = np.random.default_rng((config.seed, run.stage.stream, _ORDER))
    edges = [edges[place] for place in order.permutation(len(edges))]
    _, *turn = run.stage.name.split("-")
    name = "-".join(["perturbation", *turn])
    last = journal.last(name) if journal.resume else None
    if last is None or last["step"] < len(edges):
        if omega is None:  # the records of the stage are complete, its checkpoint not
            omega = repeat(stage_task(job, run), journal).omega
        repeat(_task(job, name, run, edges, alpha, omega), journal)
    names = _operations(job)
    for record in journal.of_stage(name):
        chosen = names.index(record["operation"])
        alpha = only(alpha, Edge.of_record(record), chosen)
    return chosen_genotype(config, alpha, job.programs.candidates)


def _task(
    job: SearchJob,
    name: str,
    run: StageRun,
    edges: Sequence[Edge],
    alpha: ArchitectureLogits,
    omega: Any,
) -> Task:
    """The loop over the edges of a mixture, in their order.

    The mixtures without an operation are one program, since α is its argument; the
    steps of ω are those of the stage, with the pairs that would have come next.
    """
    stage, names, tune = run.stage, _operations(job), job.config.search.perturbation
    begin, length = stage.settings.steps, tune.fine_tune_steps
    settings = replace(stage.settings, steps=begin + length * (len(edges) - 1))
    still = replace(stage, is_still=True, settings=settings)
    tuning = stage_task(job, replace(run, stage=still))
    terms = job.programs.problem(None, stage.search).inner_terms
    pairs = scored_pairs(job.validation, job.config, tune.pairs)

    def start() -> Any:
        outer = jax.tree.map(jnp.asarray, alpha)
        return job.programs.search(stage).init(jnp.asarray(omega), outer)

    def losses(omega: Any, mixtures: Sequence[ArchitectureLogits]) -> np.ndarray:
        """`(mixture, pair)`; nothing is fetched before all are begun."""
        found = []
        for pair in pairs:
            batch = run.data.valid_batch([np.array([side]) for side in pair], run.lam)
            found.append([terms(omega, mixture, batch)[0] for mixture in mixtures])
        return np.asarray(jax.device_get(found), np.float64).T

    def advance(state: Any, steps: range, seconds: float) -> tuple[Any, Any]:
        (place,) = steps
        here, edge = jax.device_get(state.outer), edges[place]
        each = [without(here, edge, number) for number in range(len(names))]
        measured = losses(state.omega, [here, *each])
        chosen = only(here, edge, most_missed(measured[1:]).best)
        outer = job.devices.everywhere(jax.tree.map(jnp.asarray, chosen))
        state = replace(state, outer=outer)
        first = begin + place * length
        last = first + (length if place + 1 < len(edges) else 0)
        for step in range(first, last, tuning.chunk):
            some = range(step, min(step + tuning.chunk, last))
            state, _ = tuning.advance(state, some, seconds)
        return state, [measured]

    def describe(state: Any, infos: list[Any], step: int) -> dict[str, Any]:
        del state
        whole, *each = infos[-1]
        means = dict(zip(names, (float(np.mean(one)) for one in each), strict=True))
        is_finite = bool(np.isfinite(infos[-1]).all())
        check_finite(
            name, step, is_finite, {f"loss without {k}": means[k] for k in names}
        )
        choice = most_missed(each)
        return edges[step - 1].words | {
            "operation": names[choice.best],
            "second": names[choice.second],
            "margin": choice.margin,
            "standard_error": choice.standard_error,
            "pairs": len(pairs),
            "mixture_loss": float(np.mean(whole)),
            "losses": means,
        }

    def show(fields: dict[str, Any]) -> dict[str, Any]:
        return {"validation": fields["mixture_loss"], "margin": fields["margin"]}

    return Task(name, len(edges), start, advance, describe, show, devices=job.devices)


def _operations(job: SearchJob) -> list[str]:
    """The names of the operations, in the order of the last axis of α."""
    return [row.name for row in job.programs.candidates if row.is_searched]
