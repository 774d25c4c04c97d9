"""Trains a trial up to a step, from where it was left."""

import contextlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import numpy as np

from autoreg_jax.config import RunConfig
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ArtifactError, ConfigError, NonFiniteError
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.losses import in_order
from autoreg_jax.programs import (
    Network,
    Programs,
    cells_of,
    conditioned,
    initial_lambda,
    make_conditions,
    programs_part,
    set_genotype,
)
from autoreg_jax.runtime import ONE_DEVICE, Placement, in_single_precision
from autoreg_jax.search_space import Genotype
from autoreg_jax.spaces import Choice, Space, changed
from autoreg_jax.workflows._journal import Journal
from autoreg_jax.workflows._loop import last_state, repeat
from autoreg_jax.workflows._train import training_task
from autoreg_jax.workflows.training import trained_model, with_usual
from autoreg_jax.workflows.trials._judging import Judging
from autoreg_jax.workflows.trials._memory import LACKING, is_out_of_memory
from autoreg_jax.workflows.trials._trial import Outcome, Trial, outcome_of

logger = logging.getLogger(__name__)

# Seconds that show how long a step takes; before it is not worth leaving a trial.
_TELLING = 2.0
# Needs label maps of the training subjects.
_OVERLAP = "objective.extra.dice"


@dataclass(eq=False)
class Trainer:
    """Trains trials, each in a folder of its own, and judges them.

    A trial is trained as the run would be: the schedule is that of the whole training,
    and a trial that goes on is the one that was never interrupted. It can be sent to
    another process, which needs the same folder.

    Attributes:
        train: Subjects from which ω learns.
        validation: Subjects by which trials are judged.
        config: The settings of the run.
        folder: A folder for each trial is made in it.
        genotype: The operation of each edge where a trial has none.
        programs: Those of the run, for trials with the same network and objective.
    """

    train: Cohort
    validation: Cohort
    config: RunConfig
    folder: Path
    genotype: Genotype
    programs: Programs | None = None

    def __post_init__(self) -> None:
        self._compiled: dict[RunConfig, Programs] = {}
        self.judging = Judging(self.validation, self.config)
        self._is_own = self.programs is not None and self.programs.is_own

    def __getstate__(self) -> dict[str, Any]:
        """Without what cannot be sent: compiled programs."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return fields | {"programs": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def settings(self, trial: Trial) -> RunConfig:
        """The settings of a trial.

        Raises:
            ConfigError: If they are not allowed.
        """
        seed = {} if trial.seed is None else {"seed": trial.seed}
        return changed(self.config, {**trial.changes, **seed})

    def reduced(self, space: Space) -> Space:
        """The space without choices that have no effect here.

        Those on which a network or an objective of the caller's does not depend, and
        the overlap of label maps where training subjects have none.
        """
        kept = space.choices
        if self._is_own:
            kept = tuple(c for c in kept if not self._compiles(c))
        if self.train.labels is None:
            kept = tuple(c for c in kept if c.name != _OVERLAP)
        return replace(space, choices=kept)

    def _compiles(self, choice: Choice) -> bool:
        """Whether an option of a choice asks for other programs."""
        part = programs_part(self.config)
        for option in choice.options(self.config):
            with contextlib.suppress(ConfigError):  # which is never proposed
                run = changed(self.config, {choice.name: option})
                if programs_part(run) != part:
                    return True
        return False

    def network(self, trial: Trial) -> tuple[Genotype, Network, Programs]:
        """The architecture of a trial, its network and the programs for it.

        Raises:
            ConfigError: If the genotype does not fit the settings.
        """
        config = self.settings(trial)
        programs = self._programs(config)
        cells = cells_of(programs.mixed)
        genotype = trial.genotype or set_genotype(config, cells) or self.genotype
        if genotype.cells != cells and len(names := genotype.names) == 1:
            genotype = Genotype.uniform(*names, cells)
        network = programs.make_network(genotype)
        network = conditioned(network, make_conditions(config), _lam(config))
        return genotype, network, programs

    @in_single_precision
    def advance(
        self,
        trial: Trial,
        steps: int,
        devices: Placement = ONE_DEVICE,
        most_seconds: float = math.inf,
    ) -> Outcome:
        """Train a trial until it has so many steps, and judge it.

        What was done before is not done again. A training that diverges or does not fit
        into the memory is an outcome, and so is one whose steps take longer than
        `most_seconds`: it is left.
        """
        journal = self._journal(trial)
        for record in journal.of_stage("scores"):
            if record["step"] == steps:
                return outcome_of(trial, record)
        config = self.settings(trial)
        record = {"stage": "scores", "step": steps, "scores": {}, "folding": 0.0}
        try:
            _, network, programs = self.network(trial)
            state = self._trained(
                journal, config, network, programs, steps, devices, most_seconds
            )
        except NonFiniteError as error:
            record["diverged"] = str(error)
        except jax.errors.JaxRuntimeError as error:
            if not is_out_of_memory(error):
                raise
            record["diverged"] = LACKING
        else:
            if (done := _steps_done(journal)) < steps:
                record |= {"is_too_dear": True, "done": done}
            else:
                scores, folding, why = self.judging(
                    programs,
                    network,
                    state.chosen,
                    _lam(config),
                    is_over=steps == config.train.steps,
                )
                scores = {name: values.tolist() for name, values in scores.items()}
                record |= {"scores": scores, "folding": folding, "diverged": why}
        record["seconds"] = _seconds(journal.of_stage("train"))
        journal.add(record)
        return outcome_of(trial, record)

    def model(self, trial: Trial) -> RegistrationModel:
        """The model of a trial that has all of its steps."""
        config = self.settings(trial)
        genotype, network, programs = self.network(trial)
        state = self._trained(
            self._journal(trial),
            config,
            network,
            programs,
            config.train.steps,
            ONE_DEVICE,
        )
        omega = np.asarray(state.chosen)
        model = trained_model(
            self.train, config, genotype, network, _lam(config), programs, omega
        )
        return with_usual(model, self.validation, config)

    def _trained(
        self,
        journal: Journal,
        config: RunConfig,
        network: Network,
        programs: Programs,
        steps: int,
        devices: Placement,
        most_seconds: float = math.inf,
    ) -> Any:
        is_judged = config.train.keep == "best"
        task = training_task(
            self.train,
            config,
            network,
            _lam(config),
            programs,
            validation=self.validation if is_judged else None,
            devices=devices,
        )

        def stop(records: list[dict[str, Any]]) -> dict[str, Any]:
            is_enough = records[-1]["step"] >= steps
            is_enough |= _is_too_dear(records, most_seconds)
            return {"paused": True} if is_enough else {}

        if steps < task.steps:
            task = replace(task, stop=stop)
        try:
            if _steps_done(journal) >= steps:
                state = last_state(task, journal)
                if state is not None:
                    return state
                logger.warning(
                    "%s: its last checkpoint is missing; it is trained again.",
                    journal.run,
                )
            return repeat(task, journal)
        except ArtifactError as error:
            raise ArtifactError(
                f"{error} To train this trial alone again, delete {journal.run} and "
                "resume."
            ) from error

    def _journal(self, trial: Trial) -> Journal:
        return Journal(self.folder / trial.name, resume=True)

    def _programs(self, config: RunConfig) -> Programs:
        """Compiled pieces, shared by the trials that differ in numbers alone.

        Raises:
            ConfigError: If the network or objective is one of the caller's own, which
                does not know the settings.
        """
        ndim, channels = self.train.images.ndim - 2, self.train.images.shape[-1]
        if self.programs and self.programs.fits(config, ndim, channels):
            return self.programs
        if self._is_own:
            raise ConfigError(
                "search.space: changes settings of the network or the loss, but yours "
                "do not depend on them; search among settings of train alone."
            )
        part = programs_part(config)
        if part not in self._compiled:
            self._compiled[part] = Programs(config, ndim, channels=channels)
        return self._compiled[part]


def _lam(config: RunConfig) -> dict[str, float]:
    return in_order({k: float(v) for k, v in initial_lambda(config).items()})


def _steps_done(journal: Journal) -> int:
    return (journal.last("train") or {}).get("step", 0)


def _is_too_dear(records: Sequence[dict[str, Any]], most_seconds: float) -> bool:
    """Whether a step takes longer than it may, as soon as that can be told."""
    if len(records) < 3:
        return False
    spent = records[-1]["seconds"] - records[1]["seconds"]
    return spent > _TELLING and _seconds(records) > most_seconds


def _seconds(records: Sequence[dict[str, Any]]) -> float:
    """The fewest of a step between two records from the second on; 0 if not known.

    The first one contains compilation, and a busy machine only makes steps longer.
    """
    return min(
        (
            (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])
            for first, last in pairwise(records[1:])
        ),
        default=0.0,
    )
