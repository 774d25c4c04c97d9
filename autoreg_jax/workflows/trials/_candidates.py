"""Trials that a search proposes: neighbours of the start, random ones, combinations."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.errors import ConfigError
from autoreg_jax.search_space import Candidate, Genotype, searched_names
from autoreg_jax.spaces import Changes, Space, changed
from autoreg_jax.workflows.trials._contrast import usual_similarity
from autoreg_jax.workflows.trials._memory import fits_memory
from autoreg_jax.workflows.trials._start import START
from autoreg_jax.workflows.trials._trainer import Trainer
from autoreg_jax.workflows.trials._trial import Trial

SMOOTHER = 2.0
"""Factor on the smoothness of the trial by which the judge is checked."""

USUAL = "usual"
"""Name of the trial with the usual settings."""

# Draws after which a space is taken to hold nothing else.
_TRIES = 100
# One of so many proposals combines two changes.
_COMBINED = 4


def usual_trial(space: Space, trainer: Trainer) -> Trial | None:
    """The usual settings of the choices of a space; None if the run has them.

    The usual similarity is the one for the contrasts of the judged pairs.
    """
    config, name = trainer.config, "objective.similarity"
    usual = space.usual(config, RunConfig())
    if any(choice.name == name for choice in space.choices):
        usual.pop(name, None)
        similarity = usual_similarity(trainer.judging)
        if similarity not in (None, config.objective.similarity):
            usual[name] = similarity
    trial = Trial(USUAL, usual)
    return trial if is_possible(trainer, trial) else None


def proposals(
    space: Space,
    trainer: Trainer,
    count: int,
    rng: np.random.Generator,
    base: Trial | None = None,
) -> list[Trial]:
    """Trials around the start or another trial, the most promising first.

    Around the start first twice the smoothness, by which the judge is checked; then one
    change each, in the order of the space, and now and then two at random.

    Args:
        space: What may be changed.
        trainer: Knows the settings and the genotype of the run.
        count: Most trials.
        rng: Random numbers.
        base: What they change; None for the start.
    """
    base = base or Trial(START)
    config = trainer.settings(base)
    names = [choice.name for choice in space.choices]
    first: list[Changes] = []
    if not base.changes and "objective.smooth" in names and config.objective.smooth:
        first.append({"objective.smooth": SMOOTHER * config.objective.smooth})
    near = list(space.neighbours(config))
    found = chain(
        ((changes, None) for changes in first),
        _mixed(near, space, trainer, rng),
    )
    trials: list[Trial] = []
    for changes, genotype in found:
        if len(trials) == count:
            break
        every = {**base.changes, **changes}
        trial = Trial(f"{len(trials) + 1}", every, genotype or base.genotype)
        if is_possible(trainer, trial) and not _is_there(trial, [base, *trials]):
            trials.append(trial)
    return trials


def combined(first: Trial, second: Trial, name: str) -> Trial | None:
    """A trial with the changes of both; None if they exclude each other.

    Where both change the same setting, that of the first is taken, and there has to be
    a change that it does not have.
    """
    changes = {**second.changes, **first.changes}
    genotype = first.genotype or second.genotype
    is_first = changes == dict(first.changes) and genotype == first.genotype
    return None if is_first else Trial(name, changes, genotype)


def drawn(
    space: Space, trainer: Trainer, rng: np.random.Generator, name: str
) -> Trial | None:
    """A random trial of the whole space; None if only the start can be drawn."""

    def place_of(_: str, count: int) -> int:
        return int(rng.integers(count))

    for _ in range(_TRIES):
        trial = chosen_by(place_of, space, trainer, name)
        if is_possible(trainer, trial):
            return trial
    return None


def chosen_by(
    place_of: Callable[[str, int], int], space: Space, trainer: Trainer, name: str
) -> Trial:
    """A trial that somebody chooses, see `Space.choose`; edges are choices, too."""
    changes = space.choose(trainer.config, place_of)
    if not space.has_operations:
        return Trial(name, changes)
    names = searched_names(_operations(trainer))
    cells = {
        kind: tuple(
            tuple(
                names[place_of(f"{kind} {scale} {edge}", len(names))]
                for edge in range(len(cell))
            )
            for scale, cell in enumerate(getattr(trainer.genotype, kind))
        )
        for kind in ("feature", "deformation")
    }
    return Trial(name, changes, Genotype(**cells))


def _mixed(
    near: list[Changes], space: Space, trainer: Trainer, rng: np.random.Generator
) -> Iterator[tuple[Changes, Genotype | None]]:
    """Neighbours, and now and then two of them at once."""
    operations = _mutations(trainer, rng) if space.has_operations else iter(())
    for place, changes in enumerate(near):
        yield changes, None
        for genotype in islice(operations, 2):
            yield {}, genotype
        if place % _COMBINED == _COMBINED - 1 and len(near) > 1:
            one, other = rng.choice(len(near), 2, replace=False)
            yield {**near[one], **near[other]}, None
    for genotype in islice(operations, 1000):
        yield {}, genotype


def _mutations(trainer: Trainer, rng: np.random.Generator) -> Iterator[Genotype]:
    """Genotypes that differ from that of the run on one edge."""
    start = trainer.genotype
    names = searched_names(_operations(trainer))
    kinds = {"feature": start.feature, "deformation": start.deformation}
    places = [
        (kind, scale, edge, name)
        for kind, cells in kinds.items()
        for scale, cell in enumerate(cells)
        for edge, present in enumerate(cell)
        for name in names
        if name != present
    ]
    for number in rng.permutation(len(places)):
        kind, scale, edge, name = places[number]
        cells = [list(cell) for cell in kinds[kind]]
        cells[scale][edge] = name
        yield Genotype(**(kinds | {kind: tuple(map(tuple, cells))}))


def _operations(trainer: Trainer) -> Sequence[Candidate]:
    """The table of operations of the run."""
    _, _, programs = trainer.network(Trial("start"))
    return programs.candidates


def is_possible(trainer: Trainer, trial: Trial) -> bool:
    """Whether the settings are allowed, the genotype fits and there is the memory.

    Where pairs are listed, a search does not turn them round.
    """
    is_listed = trainer.train.pairs is not None
    if is_listed and trial.changes.get("train.directions", "one") != "one":
        return False
    try:
        trainer.network(trial)
    except ConfigError:
        return False
    if not fits_memory(trainer.settings(trial), trainer.config, trainer.train):
        return False
    return changed(trainer.config, dict(trial.changes)) != trainer.config or (
        trial.genotype not in (None, trainer.genotype)
    )


def _is_there(trial: Trial, trials: list[Trial]) -> bool:
    return any(
        dict(trial.changes) == dict(other.changes) and trial.genotype == other.genotype
        for other in trials
    )
