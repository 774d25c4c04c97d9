"""One table or figure of the paper, from runs on the data at hand."""

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from autoreg_jax.errors import ConfigError
from autoreg_jax.runtime import owns
from autoreg_jax.studies._table import Table, plain_table, save_figures
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._ablation import (
    COLUMNS,
    Scores,
    ablation_findings,
    ablation_models,
    ablation_table,
    column_of,
    model_records,
)
from autoreg_jax.studies.reproduce._experiment import (
    Experiment,
    OutOfTimeError,
    Protocol,
    open_experiment,
)
from autoreg_jax.studies.reproduce._runs import TrainedModel
from autoreg_jax.studies.reproduce._search_study import (
    search_study,
    study_notes,
    study_table,
)
from autoreg_jax.studies.reproduce._speed import speed_table
from autoreg_jax.studies.reproduce._whole import (
    Whole,
    cost_table,
    dice_table,
    figures,
    lambda_table,
    whole,
)

_TABLES: Mapping[str, Callable[[Sequence[Whole], str | None], Table]] = {
    "table1": cost_table,
    "table3": lambda_table,
    "table4": dice_table,
    "table5": dice_table,
    "table6": speed_table,
}
_STUDY = "search-study"
EXPERIMENTS = tuple(
    sorted(("figure3", "figure4", "figure5", _STUDY, "table2", *_TABLES))
)

_OF_THE_PAPER = (
    "The paper's figures are of its own data and networks: compare differences between "
    "rows, not the rows themselves."
)

logger = logging.getLogger(__name__)


class Reproduction(NamedTuple):
    """Result of an experiment.

    Attributes:
        tables: By the name of their files; none while no seed is finished.
        notes: Sentences that follow from the numbers.
        figures: Image files.
    """

    tables: Mapping[str, Table]
    notes: Sequence[str]
    figures: Sequence[Path]


@owns("folder")
def reproduce(name: str, folder: Path | str, protocol: Protocol) -> Reproduction:
    """Make a table or figure of the paper, or a study, from runs on the data at hand.

    Each model is a run in FOLDER/seedN, shared by all experiments except Table IV,
    whose runs have an atlas and are in FOLDER/atlas. A repeated call reads the finished
    runs and continues with the others; the results depend on seed and data alone.

    Args:
        name: One of `EXPERIMENTS`.
        folder: For runs, simulated data, tables (CSV, Markdown) and figures.
        protocol: Settings of the experiment.

    Returns:
        Tables, notes and figures of the seeds that are finished.

    Raises:
        ValueError: If there is no such experiment.
        DataError, GeometryError: If a dataset cannot be used.
        ConfigError: If the folder contains runs of other settings or data, or the paper
            has no such table for the scenario.
        ArtifactError: If a run in the folder is damaged.
        NonFiniteError: If a loss, gradient or weight became NaN or infinite.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"name must be one of {EXPERIMENTS}, got {name!r}.")
    has_atlas = name == "table4"
    folder = Path(folder) / "atlas" if has_atlas else Path(folder)
    scenario = protocol.scenario
    if protocol.dataset is None and scenario is None:
        scenario = "adni" if has_atlas else "t1-t1"
    if name in ("table2", "table3") and scenario not in (None, *_paper.ABLATION):
        raise ConfigError(
            f"scenario: the paper has no {name} of {scenario!r}; it has those of "
            f"{', '.join(_paper.ABLATION)}."
        )
    experiment = open_experiment(folder, protocol, has_atlas=has_atlas)
    makers: Mapping[str, Callable[..., Any]]
    makers = {"table2": ablation_models, _STUDY: search_study}
    make = makers.get(name, whole)
    finished, notes = _each_seed(experiment, make)
    if experiment.test.velocity is not None:
        notes = ["The subjects are simulated.", *notes]
    if has_atlas:
        fixed = experiment.protocol.config.pairs.fixed
        notes = [f"The fixed image of every pair, the atlas, is {fixed}.", *notes]
    if scenario and name in ("table2", "table4", "table5"):
        notes = [*notes, _OF_THE_PAPER]
    if not finished:
        return Reproduction({}, notes, [])
    if name == "table2":
        models = [model for of_seed in finished for model in of_seed]
        return _ablation(folder, models, notes, scenario)
    if name not in (*_TABLES, _STUDY):
        pictures = (pair for one in finished for pair in figures(name, one))
        return Reproduction({}, notes, save_figures(folder, pictures))
    is_study = name == _STUDY
    table = study_table(finished) if is_study else _TABLES[name](finished, scenario)
    notes = [*study_notes(finished), *notes] if is_study else notes
    table.write(folder, name, notes)
    return Reproduction({name: table}, notes, [])


def _each_seed(
    experiment: Experiment, make: Callable[[Experiment, int], Any]
) -> tuple[list[Any], list[str]]:
    """The results of the finished seeds, and a note on one that is not finished."""
    finished: list[Any] = []
    for seed in experiment.seeds():
        try:
            finished.append(make(experiment, seed))
        except OutOfTimeError:
            minutes = experiment.protocol.minutes
            note = f"Seed {seed} is not finished after {minutes:g} minutes and left out"
            return finished, [f"{note}; repeat the command to continue."]
    return finished, []


def _ablation(
    folder: Path,
    models: Sequence[TrainedModel],
    notes: Sequence[str],
    scenario: str | None,
) -> Reproduction:
    """Table II, its sentences and its figure."""
    table = ablation_table(models, scenario)
    scores: dict[str, dict[int, list[float]]] = {}
    for model in models:
        by_seed = scores.setdefault(column_of(model), {})
        by_seed.setdefault(model.seed, []).append(model.score("dice")[0])
    notes = [*ablation_findings(scores, COLUMNS), *notes]
    table.write(folder, "table2", notes)
    plain_table(model_records(models)).write(folder, "table2_models")
    return Reproduction({"table2": table}, notes, _draw_ablation(folder, scores))


def _draw_ablation(folder: Path, scores: Scores) -> list[Path]:
    """The figure of Table II, where matplotlib is installed."""
    if find_spec("matplotlib") is None:
        logger.info("No figure: matplotlib is not installed.")
        return []
    from autoreg_jax import report

    flat = {
        column: [dice for some in of_seed.values() for dice in some]
        for column, of_seed in scores.items()
    }
    random = flat.pop("random", [])
    named = {COLUMNS[column]: flat[column] for column in COLUMNS if column in flat}
    return save_figures(folder, [("table2", report.ablation_means(named, random))])
