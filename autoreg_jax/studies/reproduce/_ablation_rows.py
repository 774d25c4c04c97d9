"""Table II: its numbers, over pairs and over models."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._ablation import COLUMNS, column_of
from autoreg_jax.studies.reproduce._runs import TrainedModel
from autoreg_jax.studies.reproduce._table import Table, mean_sd
from autoreg_jax.workflows.evaluation import mean_and_sd


class AblationRow(NamedTuple):
    """One column of Table II over all seeds.

    Attributes:
        column: Key in `COLUMNS`, or `before`: no registration.
        models: How many were trained.
        dice: Mean over the models of their mean over the pairs.
        dice_pairs_sd: Standard deviation over the pairs, mean over the models.
        dice_models_sd: Standard deviation over the models of their mean.
        dice_lowest, dice_highest: Over the models.
        dice_gain: Over the hand-made network of the same seed, mean over the models.
        ncc, ncc_pairs_sd: Local correlation, likewise.
        displacement_error, displacement_error_pairs_sd: Likewise, mm; NaN where the
            truth is not known.
        folding_fraction: Of all voxels.
        parameters: Of the network, in millions, mean over the models.
        paper_dice, paper_dice_sd: The paper's own, NaN where there are none.
    """

    column: str
    models: int
    dice: float
    dice_pairs_sd: float
    dice_models_sd: float
    dice_lowest: float
    dice_highest: float
    dice_gain: float
    ncc: float
    ncc_pairs_sd: float
    displacement_error: float
    displacement_error_pairs_sd: float
    folding_fraction: float
    parameters: float
    paper_dice: float
    paper_dice_sd: float


class ModelRow(NamedTuple):
    """One model: its scores, its architecture and its λ, `extra` its further terms."""

    seed: int
    model: str
    dice: float
    dice_pairs_sd: float
    ncc: float
    ncc_pairs_sd: float
    displacement_error: float
    displacement_error_pairs_sd: float
    folding_fraction: float
    parameters: float
    train_seconds: float
    feature: str
    deformation: str
    extra: str
    full: float
    smooth: float
    half: float
    quarter: float


def ablation_rows(
    models: Sequence[TrainedModel], paper: Mapping[str, tuple[float, float]]
) -> list[AblationRow]:
    """Mean and spread of each column.

    Args:
        models: Of all seeds.
        paper: Dice of the paper by column.

    Returns:
        A row for `before` and for each column that has models.
    """
    omega = {m.seed: m.score("dice")[0] for m in models if m.name == "omega"}
    rows = [_row("before", models, "_before", omega, paper)]
    for column in COLUMNS:
        members = [model for model in models if column_of(model) == column]
        if members:
            rows.append(_row(column, members, "", omega, paper))
    return rows


def _row(
    column: str,
    models: Sequence[TrainedModel],
    suffix: str,
    omega: Mapping[int, float],
    paper: Mapping[str, tuple[float, float]],
) -> AblationRow:
    def over_models(key: str) -> tuple[float, float]:
        scores = [model.score(key + suffix) for model in models]
        return _mean(mean for mean, _ in scores), _mean(sd for _, sd in scores)

    dice = [model.score("dice" + suffix)[0] for model in models]
    spread = mean_and_sd(dice)["sd"]
    is_network = column != "before"
    return AblationRow(
        column,
        len(models) if is_network else 0,
        *over_models("dice"),
        math.nan if spread is None or not is_network else spread,
        min(dice),
        max(dice),
        _mean(one - omega[m.seed] for one, m in zip(dice, models, strict=True)),
        *over_models("ncc"),
        *over_models("displacement_error"),
        over_models("folding_fraction")[0] if is_network else math.nan,
        _mean(m.parameters / 1e6 for m in models) if is_network else math.nan,
        *paper.get(column, (math.nan, math.nan)),
    )


def _mean(values: Iterable[float]) -> float:
    """Of the known ones; NaN where none is known."""
    known = mean_and_sd(list(values))["mean"]
    return math.nan if known is None else known


def model_rows(models: Sequence[TrainedModel]) -> list[ModelRow]:
    """A row for each model."""
    return [
        ModelRow(
            model.seed,
            model.name,
            *model.score("dice"),
            *model.score("ncc"),
            *model.score("displacement_error"),
            model.score("folding_fraction")[0],
            model.parameters / 1e6,
            model.seconds,
            _in_words(model.genotype.feature),
            _in_words(model.genotype.deformation),
            _further(model.lam),
            *(model.lam[name] for name in _paper.WEIGHTS),
        )
        for model in models
    ]


def _further(lam: Mapping[str, float]) -> str:
    return " ".join(f"{k}={v:.4g}" for k, v in lam.items() if k not in _paper.WEIGHTS)


def _in_words(cells: Iterable[Iterable[str]]) -> str:
    return "; ".join(" ".join(cell) for cell in cells)


def ablation_table(rows: Sequence[AblationRow], scenario: str | None) -> Table:
    """Table II for people; the paper's column where there is a scenario."""
    header = (
        "",
        "Dice",
        "gain",
        "± models",
        "NCC",
        "error, mm",
        "folding, %",
        "parameters, M",
    )
    if scenario:
        header = (*header, f"paper, {scenario}")
    cells = []
    for row in rows:
        cell = (
            COLUMNS.get(row.column, row.column),
            mean_sd(row.dice, row.dice_pairs_sd),
            mean_sd(row.dice_gain, math.nan, "{:+.4f}"),
            mean_sd(row.dice_models_sd, math.nan, "{:.4f}"),
            mean_sd(row.ncc, row.ncc_pairs_sd),
            mean_sd(row.displacement_error, row.displacement_error_pairs_sd, "{:.2f}"),
            mean_sd(100 * row.folding_fraction, math.nan),
            mean_sd(row.parameters, math.nan),
        )
        paper = (mean_sd(row.paper_dice, row.paper_dice_sd),)
        cells.append(cell + paper if scenario else cell)
    return Table(rows, header, cells)
