"""Tables I, III and V, Figures 3 to 5: of a search and the network that it found."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autoreg_jax.runtime import RunFolder
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._experiment import Experiment
from autoreg_jax.studies.reproduce._runs import (
    TrainedModel,
    searched,
    trained,
)
from autoreg_jax.studies.reproduce._table import Table, mean_sd
from autoreg_jax.workflows import SearchResult, as_lists
from autoreg_jax.workflows.evaluation import mean_and_sd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STAGES = ("feature", "deformation", "lam")
_ARRAYS = (
    "fixed",
    "moving",
    "displacement",
    "fixed_labels",
    "moving_labels",
    "moved_labels",
)
_EXAMPLES = ("best", "median", "worst")


class Whole(NamedTuple):
    """What the whole job made of one seed.

    Attributes:
        seed: The seed.
        found: The search.
        model: The network that it found, trained with the λ that it found.
        search_run, train_run: Their folders.
    """

    seed: int
    found: SearchResult
    model: TrainedModel
    search_run: Path
    train_run: Path


class CostRow(NamedTuple):
    """Table I: seconds of one seed, compilation included.

    The training uses the program of the search of λ, which has compiled it.
    """

    seed: int
    feature_seconds: float
    deformation_seconds: float
    lam_seconds: float
    search_seconds: float
    train_seconds: float


class LambdaRow(NamedTuple):
    """Table III: one weight of one λ, and whose it is."""

    source: str
    term: str
    weight: float


class DiceRow(NamedTuple):
    """Table V: Dice over the pairs of all seeds, and the paper's."""

    method: str
    dice: float
    dice_pairs_sd: float
    dice_models_sd: float
    paper_dice: float
    paper_dice_sd: float


def whole(experiment: Experiment, seed: int) -> Whole:
    """Search, and train what was found.

    Raises:
        ConfigError: If the folder holds other runs.
        OutOfTimeError: If the time is over before both are finished.
        NonFiniteError: If a number became NaN or infinite.
    """
    found = searched(experiment, seed)
    model = trained(experiment, seed, "all", found.genotype, found.lam)
    search_run, train_run = (experiment.run(seed, name) for name in ("search", "all"))
    return Whole(seed, found, model, search_run, train_run)


def cost_table(wholes: Sequence[Whole]) -> Table:
    """Table I: what a search costs against one training."""
    rows = []
    for one in wholes:
        stages = RunFolder(one.search_run).seconds()
        feature, deformation, lam = (
            sum(s for stage, s in stages.items() if stage.partition("-")[0] == name)
            for name in _STAGES
        )
        total = sum(stages.values())
        seconds = one.model.seconds
        rows.append(CostRow(one.seed, feature, deformation, lam, total, seconds))
    header = ("seed", "α_F, s", "α_D, s", "λ, s", "search, s", "training, s", "ratio")
    cells = [
        (
            str(row.seed),
            *(f"{seconds:.0f}" for seconds in row[1:]),
            f"{row.search_seconds / row.train_seconds:.2f}",
        )
        for row in rows
    ]
    search, train = _paper.HOURS
    paper = ("paper", "", "", "", f"{search:.0f} h", f"{train:.0f} h")
    cells.append((*paper, f"{search / train:.2f}"))
    return Table(rows, header, cells)


def lambda_table(wholes: Sequence[Whole], scenario: str | None) -> Table:
    """Table III: λ before and after its search, and the paper's."""
    found = {"start": wholes[0].found.lam_start}
    found |= {f"seed {one.seed}": one.found.lam for one in wholes}
    if scenario:
        name = f"paper, {_paper.SCENARIOS[scenario]}"
        weights = zip(_paper.WEIGHTS, _paper.LAMBDA[scenario], strict=True)
        found[name] = dict(weights)
    rows = [
        LambdaRow(source, term, weight)
        for source, lam in found.items()
        for term, weight in lam.items()
    ]
    extra = (term for term in found["start"] if term not in _paper.WEIGHTS)
    terms = (*_paper.WEIGHTS, *extra)
    titles = [f"λ{i}, {term}" for i, term in enumerate(terms, start=1)]
    cells = [
        (source, *(_weight(lam.get(term)) for term in terms))
        for source, lam in found.items()
    ]
    return Table(rows, ("", *titles), cells)


def _weight(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def dice_table(wholes: Sequence[Whole], scenario: str | None) -> Table:
    """Our own rows of Table V: before, the network, refined on the pair."""
    unknown = (math.nan, math.nan)
    before, ours = _paper.DICE[scenario] if scenario else (unknown, unknown)
    rows = []
    for method, key, paper in (
        ("before", "dice_before", before),
        ("network", "dice", ours),
        ("refined", "dice_refined", unknown),
    ):
        scores = [one.model.score(key) for one in wholes]
        means, sds = zip(*scores, strict=True)
        dice = mean_and_sd(means)
        if dice["mean"] is None:
            continue
        spread = math.nan if dice["sd"] is None else dice["sd"]
        pairs = mean_and_sd(sds)["mean"]
        pairs_sd = math.nan if pairs is None else pairs
        rows.append(DiceRow(method, dice["mean"], pairs_sd, spread, *paper))
    header = ("", "Dice", "± seeds")
    cells = []
    for row in rows:
        cell = (
            row.method,
            mean_sd(row.dice, row.dice_pairs_sd),
            mean_sd(row.dice_models_sd, math.nan, "{:.4f}"),
        )
        paper = (mean_sd(row.paper_dice, row.paper_dice_sd),)
        cells.append(cell + paper if scenario else cell)
    if scenario:
        header = (*header, f"paper, {_paper.SCENARIOS[scenario]}")
    return Table(rows, header, cells)


def figures(name: str, one: Whole) -> Iterator[tuple[str, "Figure"]]:
    """Name and figure of each picture that Figure 3, 4 or 5 has of a seed.

    Raises:
        AutoRegError: If matplotlib is not installed.
    """
    from autoreg_jax import report

    place = f"{name}_seed{one.seed}"
    if name == "figure3":
        alpha = as_lists(one.found.alpha)
        genotype = json.loads(one.found.genotype.to_json())
        yield place, report.alpha_heatmap(alpha, genotype)
    elif name == "figure4":
        yield place, report.dice_by_structure(one.model.evaluation.rows)
    else:
        with np.load(RunFolder(one.train_run).panels, allow_pickle=False) as file:
            stored: dict[str, Any] = {key: file[key] for key in file.files}
        for number, _ in enumerate(stored["names"]):
            arrays: dict[str, Any] = {
                kind: stored.get(f"{kind}_{number}") for kind in _ARRAYS
            }
            moved = f"moved_refined_{number}"
            arrays["moved"] = stored.get(moved, stored[f"moved_{number}"])
            spacing = stored["spacing"].tolist()
            yield (
                f"{place}_{_EXAMPLES[number]}",
                report.registration_panel(
                    **arrays, spacing=spacing, affine=stored["affine"]
                ),
            )
