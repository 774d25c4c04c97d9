"""The runs of a table, each in a folder; finished runs are read again."""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax

from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import write_text
from autoreg_jax.inference import RegistrationModel
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype
from autoreg_jax.studies.reproduce._experiment import Experiment
from autoreg_jax.workflows import (
    Evaluation,
    SearchResult,
    evaluate,
    read_evaluation,
    search,
    train,
)

logger = logging.getLogger(__name__)


class TrainedModel(NamedTuple):
    """A trained model, evaluated on the same pairs as every other one.

    `seconds` is the training time, compilation included.
    """

    seed: int
    name: str
    model: RegistrationModel
    seconds: float
    evaluation: Evaluation

    @property
    def parameters(self) -> int:
        """Number of weights ω."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.model.params))

    def score(self, key: str) -> tuple[float, float]:
        """Mean and standard deviation over the pairs, NaN where unknown."""
        found = self.evaluation.summary.get(key) or {}
        mean, sd = (found.get(name) for name in ("mean", "sd"))
        return math.nan if mean is None else mean, math.nan if sd is None else sd


def searched(
    experiment: Experiment, seed: int, genotype: Genotype | None = None
) -> SearchResult:
    """Search α_F, then α_D, then λ; λ alone if a genotype is given."""
    run = experiment.run(seed, "search" if genotype is None else "search_lam")
    config = experiment.config(seed)
    _begin(experiment, run, config, run.objective)
    return search(
        experiment.train,
        experiment.validation,
        config,
        genotype=genotype,
        run=run.path,
        resume=True,
        programs=experiment.programs,
    )


def trained(
    experiment: Experiment,
    seed: int,
    name: str,
    genotype: Genotype,
    lam: Mapping[str, float],
    *,
    elsewhere: tuple[Path, Cohort] | None = None,
) -> TrainedModel:
    """Train a network and evaluate it, or read the results of an earlier call.

    `elsewhere` are the CSV file and subjects to train on, if not the experiment's.
    """
    run = experiment.run(seed, name)
    config = experiment.config(seed)
    source, subjects = elsewhere or (experiment.dataset, experiment.train)
    _begin(experiment, run, config, run.evaluation, source)
    programs = experiment.programs
    model = train(
        subjects, config, genotype, lam, run=run.path, resume=True, programs=programs
    )
    if model.description.genotype != genotype:
        raise ConfigError(
            f"{run}: contains a model of another genotype; name another folder."
        )
    write_text(run.genotype, genotype.to_json())
    if run.evaluation.is_file():
        evaluation = read_evaluation(run.path)
    else:
        # The pairs depend on the first seed: all models register the same ones.
        evaluation = evaluate(
            experiment.test, model, experiment.protocol.config, run=run.path
        )
    return TrainedModel(
        seed,
        name,
        model,
        run.seconds().get("train", math.nan),
        evaluation,
    )


def _begin(
    experiment: Experiment,
    run: RunFolder,
    config: RunConfig,
    last_file: Path,
    source: Path | None = None,
) -> None:
    """Create the folder of a run, or check that it belongs to the same run."""
    dataset, trained_on = experiment.dataset, source or experiment.dataset
    stored = run.read_provenance()  # it is written last
    if stored:
        origin = {"dataset": dataset, "trained_on": trained_on}
        same = all(stored.get(k) == run.relative(path) for k, path in origin.items())
        if not same or load_config(run.config) != config:
            raise ConfigError(
                f"{run}: was started with other settings or data; repeat the command "
                "with these, or name another folder."
            )
    if last_file.is_file():
        return
    experiment.check_time()
    verb = "Resuming" if stored else "Starting"
    logger.info("%s %s.", verb, f"{run.path.parent.name}/{run.path.name}")
    if not stored:
        write_text(run.config, dump(config))
        run.write_provenance(config.seed, dataset, trained_on=trained_on)
