"""The runs behind a table: each a folder, finished once and read from then on."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax

from autoreg_jax.config import RunConfig, dump
from autoreg_jax.config import load as load_config
from autoreg_jax.data import Cohort
from autoreg_jax.errors import ConfigError
from autoreg_jax.files import write_text
from autoreg_jax.runtime import RunFolder
from autoreg_jax.search_space import Genotype
from autoreg_jax.studies.reproduce._experiment import Experiment
from autoreg_jax.workflows import SearchResult, search
from autoreg_jax.workflows._train import train
from autoreg_jax.workflows.evaluation import Evaluation, evaluate, read_evaluation

logger = logging.getLogger(__name__)


class TrainedModel(NamedTuple):
    """A finished model of a table.

    Attributes:
        seed: Of its training.
        name: Of its run.
        genotype: Its architecture.
        lam: The weights of the loss that trained it.
        parameters: How many numbers ω is.
        seconds: Of its training, compilation included.
        evaluation: On the test subjects; the same pairs for every model.
    """

    seed: int
    name: str
    genotype: Genotype
    lam: Mapping[str, float]
    parameters: int
    seconds: float
    evaluation: Evaluation

    def score(self, key: str) -> tuple[float, float]:
        """Mean and standard deviation over the pairs, NaN where unknown."""
        found = self.evaluation.summary.get(key) or {}
        values = found.get("mean"), found.get("sd")
        mean, sd = (float("nan") if value is None else value for value in values)
        return mean, sd


def searched(
    experiment: Experiment, seed: int, genotype: Genotype | None = None
) -> SearchResult:
    """The search of α_F, then α_D, then λ; of λ alone where a genotype is given.

    Raises:
        ConfigError: If the folder holds another search.
        OutOfTimeError: If it is not finished and the time is over.
        NonFiniteError: If a number became NaN or infinite.
    """
    run = experiment.run(seed, "search" if genotype is None else "search_lam")
    config = experiment.config(seed)
    _begin(experiment, run, config, RunFolder(run).objective)
    return search(
        experiment.train,
        experiment.validation,
        config,
        genotype=genotype,
        run=run,
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
    """Train a network and evaluate it, or read what an earlier call has done.

    Args:
        experiment: Its subjects.
        seed: Of the weights and of the order of the pairs.
        name: Of the folder.
        genotype: The architecture.
        lam: The weights of the loss.
        elsewhere: CSV file and subjects to train on, if not those of the experiment.

    Returns:
        The finished model.

    Raises:
        ConfigError: If the folder holds another model.
        OutOfTimeError: If it is not finished and the time is over.
        NonFiniteError: If a number became NaN or infinite.
    """
    run = experiment.run(seed, name)
    config = experiment.config(seed)
    source, subjects = elsewhere or (experiment.dataset, experiment.train)
    _begin(experiment, run, config, RunFolder(run).evaluation, source)
    model = train(
        subjects,
        config,
        genotype,
        lam,
        run=run,
        resume=True,
        programs=experiment.programs,
    )
    if model.description.genotype != genotype:
        raise ConfigError(
            f"{run}: holds a model of another genotype; name another folder."
        )
    write_text(RunFolder(run).genotype, genotype.to_json())
    if RunFolder(run).evaluation.is_file():
        evaluation = read_evaluation(run)
    else:
        # The first seed draws the pairs, so that all models register the same ones.
        evaluation = evaluate(
            experiment.test, model, experiment.protocol.config, run=run
        )
    return TrainedModel(
        seed,
        name,
        genotype,
        dict(lam),
        sum(leaf.size for leaf in jax.tree.leaves(model.params)),
        RunFolder(run).seconds().get("train", float("nan")),
        evaluation,
    )


def _begin(
    experiment: Experiment,
    run: Path,
    config: RunConfig,
    last_file: Path,
    source: Path | None = None,
) -> None:
    """Make the folder of a run, or see that what it holds is of the same run."""
    folder, dataset = RunFolder(run), experiment.dataset
    sources = {"dataset": dataset, "trained_on": source or dataset}
    if kept := folder.read_provenance():  # it is written last
        same = all(kept.get(n) == folder.relative(p) for n, p in sources.items())
        if not same or load_config(folder.config) != config:
            raise ConfigError(
                f"{run}: was started with other settings or data; repeat the command "
                "with these, or name another folder."
            )
    if last_file.is_file():
        return
    experiment.check_time()
    name = f"{run.parent.name}/{run.name}"
    if kept:
        logger.info("Going on with %s.", name)
        return
    logger.info("Beginning %s.", name)
    write_text(folder.config, dump(config))
    folder.write_provenance(config.seed, dataset, trained_on=sources["trained_on"])
