"""One table or figure of the paper, on the data at hand."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from autoreg_jax.errors import ConfigError
from autoreg_jax.studies.compare._table import write_rows
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._ablation import (
    COLUMNS,
    SEARCHED,
    ablation_models,
    column_of,
)
from autoreg_jax.studies.reproduce._ablation_rows import (
    ablation_rows,
    ablation_table,
    model_rows,
)
from autoreg_jax.studies.reproduce._experiment import (
    Experiment,
    OutOfTimeError,
    Protocol,
    open_experiment,
)
from autoreg_jax.studies.reproduce._findings import ablation_findings
from autoreg_jax.studies.reproduce._runs import TrainedModel
from autoreg_jax.studies.reproduce._speed import speed_table
from autoreg_jax.studies.reproduce._table import Table, write_table
from autoreg_jax.studies.reproduce._whole import (
    cost_table,
    dice_table,
    figures,
    lambda_table,
    whole,
)

EXPERIMENTS = (
    "figure3",
    "figure4",
    "figure5",
    "table1",
    "table2",
    "table3",
    "table4",
    "table5",
    "table6",
)

_OF_THE_PAPER = (
    "The paper's figures are of its own data and networks: compare differences between "
    "rows, not the rows themselves."
)

logger = logging.getLogger(__name__)


class Reproduction(NamedTuple):
    """What an experiment has found.

    Attributes:
        tables: By name, as in the files; none while no seed is finished.
        notes: Sentences that follow from the numbers.
        figures: The files of the figures.
    """

    tables: Mapping[str, Table]
    notes: Sequence[str]
    figures: Sequence[Path]


def reproduce(name: str, folder: Path | str, protocol: Protocol) -> Reproduction:
    """Make a table or figure of the paper from runs on the data at hand.

    Each model is a run folder below FOLDER/seedN, shared by all experiments but Table
    IV, whose runs have an atlas and lie below FOLDER/atlas. A repeated
    call takes the finished ones as they are and goes on with the others; what it finds
    is decided by the seed and the data.

    Args:
        name: One of `EXPERIMENTS`.
        folder: Gets the runs, simulated data, tables (CSV, Markdown) and figures.
        protocol: How the experiment is made.

    Returns:
        Tables, notes and figures, of the seeds that are finished.

    Raises:
        ValueError: If there is no such experiment.
        DataError, GeometryError: If a dataset cannot be used.
        ConfigError: If the folder holds runs of other settings or data, or the paper
            has no such table of the scenario.
        ArtifactError: If a run in it is damaged.
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
    make: Callable[..., Any] = ablation_models if name == "table2" else whole
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
        return _ablation(folder, finished, notes, scenario)
    if name.startswith("figure"):
        pictures = _save(
            folder, (pair for one in finished for pair in figures(name, one))
        )
        return Reproduction({}, notes, pictures)
    table = {
        "table1": lambda: cost_table(finished),
        "table3": lambda: lambda_table(finished, scenario),
        "table4": lambda: dice_table(finished, scenario),
        "table5": lambda: dice_table(finished, scenario),
        "table6": lambda: speed_table(finished[0]),
    }[name]()
    write_table(folder, name, table, notes)
    return Reproduction({name: table}, notes, [])


def _each_seed(
    experiment: Experiment, make: Callable[[Experiment, int], Any]
) -> tuple[list[Any], list[str]]:
    """What was made of each seed, and a note on the one that is not finished."""
    finished: list[Any] = []
    for seed in experiment.seeds():
        try:
            finished.append(make(experiment, seed))
        except OutOfTimeError:
            minutes = experiment.protocol.minutes
            note = f"Seed {seed} is not finished after {minutes:g} minutes and left out"
            return finished, [f"{note}; the same command goes on with it."]
    return finished, []


def _ablation(
    folder: Path,
    finished: Sequence[Sequence[TrainedModel]],
    notes: Sequence[str],
    scenario: str | None,
) -> Reproduction:
    """Table II, its sentences and its figure."""
    models = [model for some in finished for model in some]
    paper = _paper.ABLATION[scenario] if scenario else {}
    rows = ablation_rows(models, paper)
    title = _paper.SCENARIOS[scenario] if scenario else None
    table = ablation_table(rows, title)
    scores: dict[str, dict[int, list[float]]] = {}
    for model in models:
        by_seed = scores.setdefault(column_of(model), {})
        by_seed.setdefault(model.seed, []).append(model.score("dice")[0])
    notes = [*ablation_findings(scores, COLUMNS, SEARCHED), *notes]
    write_table(folder, "table2", table, notes)
    write_rows(folder, "table2_models", model_rows(models))
    return Reproduction({"table2": table}, notes, _draw_ablation(folder, scores))


def _draw_ablation(
    folder: Path, scores: Mapping[str, Mapping[int, Sequence[float]]]
) -> list[Path]:
    """The picture of Table II, where matplotlib is installed."""
    if find_spec("matplotlib") is None:
        logger.info("No figure: matplotlib is not installed.")
        return []
    from autoreg_jax import report

    flat = {
        column: [dice for some in scores[column].values() for dice in some]
        for column in scores
    }
    random = flat.pop("random", [])
    named = {COLUMNS[column]: flat[column] for column in COLUMNS if column in flat}
    return _save(folder, [("table2", report.ablation_means(named, random))])


def _save(folder: Path, pictures: Iterable[tuple[str, Any]]) -> list[Path]:
    """Write figures as PNG."""
    paths = []
    for name, figure in pictures:
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
    return paths
