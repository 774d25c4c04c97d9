"""Tables I, III, IV and V, Figures 3 to 5: a search and the network that it found."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from autoreg_jax.report._pairs import read_pairs
from autoreg_jax.runtime import RunFolder
from autoreg_jax.studies._table import Column, Table, mean_sd
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._experiment import Experiment
from autoreg_jax.studies.reproduce._runs import (
    TrainedModel,
    searched,
    trained,
)
from autoreg_jax.workflows import SearchResult, as_lists

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COSTS = (
    Column("seed", "seed", "{:.0f}"),
    Column("α_F, s", "feature_seconds", "{:.0f}"),
    Column("α_D, s", "deformation_seconds", "{:.0f}"),
    Column("λ, s", "lam_seconds", "{:.0f}"),
    Column("search, s", "search_seconds", "{:.0f}"),
    Column("training, s", "train_seconds", "{:.0f}"),
    Column("ratio", "ratio", "{:.2f}"),
)
_DICE = (
    Column("", "method"),
    Column("Dice", "dice", sd="dice_pairs_sd"),
    Column("± seeds", "dice_models_sd", "{:.4f}"),
)
_EXAMPLES = ("best", "median", "worst")


class Whole(NamedTuple):
    """A search for one seed and the network that it found, trained with its λ."""

    seed: int
    found: SearchResult
    trained: TrainedModel
    search_run: RunFolder
    train_run: RunFolder


def whole(experiment: Experiment, seed: int) -> Whole:
    """Search, and train the network that was found."""
    found = searched(experiment, seed)
    model = trained(experiment, seed, "all", found.genotype, found.lam)
    search_run, train_run = (experiment.run(seed, name) for name in ("search", "all"))
    return Whole(seed, found, model, search_run, train_run)


def cost_table(wholes: Sequence[Whole], scenario: str | None) -> Table:
    """Table I: seconds of a search and of one training, compilation included.

    The training uses a program that the search of λ has already compiled.
    """
    del scenario  # the paper has one such table
    records, lines = [], []
    for one in wholes:
        stages = one.search_run.seconds()
        record: dict[str, Any] = {"seed": one.seed}
        for name in ("feature", "deformation", "lam"):
            parts = (s for stage, s in stages.items() if stage.split("-")[0] == name)
            record[f"{name}_seconds"] = sum(parts)
        record["search_seconds"] = sum(stages.values())
        record["train_seconds"] = one.trained.seconds
        ratio = record["search_seconds"] / record["train_seconds"]
        records.append(record)
        lines.append(record | {"ratio": ratio})
    search, train = _paper.HOURS
    hours = {"search_seconds": f"{search:.0f} h", "train_seconds": f"{train:.0f} h"}
    paper = {"seed": "paper", "ratio": search / train, **hours}
    return Table(records, _COSTS, [*lines, paper])


def lambda_table(wholes: Sequence[Whole], scenario: str | None) -> Table:
    """Table III: λ before and after its search, and in the paper."""
    found = {"start": wholes[0].found.lam_start}
    found |= {f"seed {one.seed}": one.found.lam for one in wholes}
    if scenario:
        weights = zip(_paper.WEIGHTS, _paper.LAMBDA[scenario], strict=True)
        found[f"paper, {_paper.SCENARIOS[scenario]}"] = dict(weights)
    records = [
        {"source": source, "term": term, "weight": weight}
        for source, lam in found.items()
        for term, weight in lam.items()
    ]
    extra = (term for term in found["start"] if term not in _paper.WEIGHTS)
    columns = [Column("", "")] + [
        Column(f"λ{i}, {term}", term, "{:.2f}")
        for i, term in enumerate((*_paper.WEIGHTS, *extra), start=1)
    ]
    return Table(records, columns, [{"": name, **lam} for name, lam in found.items()])


def dice_table(wholes: Sequence[Whole], scenario: str | None) -> Table:
    """Our own rows of Tables IV and V: before, network, refined on the pair."""
    unknown = (math.nan, math.nan)
    before, ours = _paper.DICE[scenario] if scenario else (unknown, unknown)
    records = []
    for method, key, paper in (
        ("before", "dice_before", before),
        ("network", "dice", ours),
        ("refined", "dice_refined", unknown),
    ):
        means, sds = zip(*(one.trained.score(key) for one in wholes), strict=True)
        dice, models_sd = mean_sd(means)
        record = {"method": method, "dice": dice, "dice_pairs_sd": mean_sd(sds)[0]}
        record |= {"dice_models_sd": models_sd}
        record |= zip(("paper_dice", "paper_dice_sd"), paper, strict=True)
        if math.isfinite(dice):
            records.append(record)
    return Table(records, (*_DICE, *_paper.dice_column(scenario)))


def figures(name: str, one: Whole) -> Iterator[tuple[str, "Figure"]]:
    """Name and figure of each image of Figure 3, 4 or 5 for one seed."""
    from autoreg_jax import report

    place = f"{name}_seed{one.seed}"
    if name == "figure3":
        genotype = json.loads(one.found.genotype.to_json())
        yield place, report.alpha_heatmap(as_lists(one.found.alpha), genotype)
    elif name == "figure4":
        yield place, report.dice_by_structure(one.trained.evaluation.rows)
    else:
        pairs, spacing, affine = read_pairs(one.train_run.panels)
        for example, pair in zip(_EXAMPLES, pairs, strict=False):
            grid = {"spacing": spacing, "affine": affine}
            yield f"{place}_{example}", report.registration_panel(**pair.arrays, **grid)
