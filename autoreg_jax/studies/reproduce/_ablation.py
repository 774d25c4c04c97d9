"""Table II: what searching each part of the network adds, in numbers and sentences."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from autoreg_jax.programs import operations_table
from autoreg_jax.search_space import (
    CANDIDATES,
    PAPER_CELLS,
    Candidate,
    CellShapes,
    Genotype,
)
from autoreg_jax.studies._table import Column, Table, mean_sd
from autoreg_jax.studies.reproduce import _paper
from autoreg_jax.studies.reproduce._experiment import Experiment, images_elsewhere
from autoreg_jax.studies.reproduce._runs import TrainedModel, searched, trained

SEARCHED = ("feature", "deformation", "lam", "architecture", "all")

# Column of the ablation -> Dice by seed; of random genotypes, one for each draw.
Scores = Mapping[str, Mapping[int, Sequence[float]]]


def ablation_findings(
    scores: Scores, labels: Mapping[str, str], searched: Sequence[str] = SEARCHED
) -> list[str]:
    """How much each searched column helps, and whether chance helps as much.

    `scores` is the mean Dice of each model; `omega` is the baseline of the other
    columns, `random` may be missing. A sentence about the random genotypes comes first.

    Examples:
        >>> scores = {"omega": {0: [0.7]}, "lam": {0: [0.75]},
        ...           "random": {0: [0.69, 0.71]}}
        >>> for line in ablation_findings(scores, {"lam": "ω, λ"}, ["lam"]):
        ...     print(line)
        Random genotypes: Dice 0.7000, standard deviation 0.0141 over 2 draws, from \
0.6900 to 0.7100; the hand-made one: 0.7000.
        ω, λ: +0.0500 Dice, more than one standard deviation (0.0141) of random \
genotypes; above 2 of 2 of them.
    """
    draws = {seed: list(dice) for seed, dice in scores.get("random", {}).items()}
    pool = np.asarray([dice for some in draws.values() for dice in some])
    spread = float(pool.std(ddof=1)) if pool.size > 1 else None
    hand_made = scores["omega"]
    lines = ["Fewer than two random genotypes: the effect of chance is not known."]
    if spread is not None:
        mean = np.mean([dice[0] for dice in hand_made.values()])
        lines = [
            f"Random genotypes: Dice {pool.mean():.4f}, standard deviation "
            f"{spread:.4f} over {pool.size} draws, from {pool.min():.4f} to "
            f"{pool.max():.4f}; the hand-made one: {mean:.4f}."
        ]
    for column in searched:
        gains = [dice[0] - hand_made[seed][0] for seed, dice in scores[column].items()]
        gain = float(np.mean(gains))
        text = f"{labels[column]}: {gain:+.4f} Dice"
        if len(gains) > 1:
            text += f" (± {np.std(gains, ddof=1):.4f} over {len(gains)} seeds)"
        if spread is not None:
            beaten = sum(
                dice[0] > other
                for seed, dice in scores[column].items()
                for other in draws.get(seed, ())
            )
            text += f", {_against(gain, spread)} one standard deviation ({spread:.4f})"
            text += f" of random genotypes; above {beaten} of {pool.size} of them"
        lines.append(text + ".")
    return lines


def _against(gain: float, spread: float) -> str:
    if abs(gain) <= spread:
        return "within"
    return "more than" if gain > 0 else "a loss of more than"


# An architecture that no search has chosen, in the cells of the paper.
HAND_MADE = Genotype.uniform("conv_3")

COLUMNS = {
    "elsewhere": "trained elsewhere",
    "omega": "ω, hand-made",
    "feature": "ω, α_F",
    "deformation": "ω, α_D",
    "lam": "ω, λ",
    "architecture": "ω, α_F, α_D",
    "all": "ω, α_F, α_D, λ",
    "random": "ω, random",
}
_SHOWN = (
    Column("", "title"),
    Column("Dice", "dice", sd="dice_pairs_sd"),
    Column("gain", "dice_gain", "{:+.4f}"),
    Column("± models", "dice_models_sd", "{:.4f}"),
    Column("NCC", "ncc", sd="ncc_pairs_sd"),
    Column(
        "error, mm", "displacement_error", "{:.2f}", sd="displacement_error_pairs_sd"
    ),
    Column("folding, %", "folding_fraction", factor=100),
    Column("parameters, M", "parameters"),
)


def random_genotype(
    seed: int,
    draw: int,
    cells: CellShapes = PAPER_CELLS,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> Genotype:
    """Draw any operation for any edge, all equally likely, from two seeds."""
    return Genotype.random((seed, draw, 2), candidates, cells)


def ablation_models(experiment: Experiment, seed: int) -> list[TrainedModel]:
    """Search and train all models of one seed."""
    found = searched(experiment, seed)
    start, genotype = found.lam_start, found.genotype
    plain = Genotype.uniform("conv_3", genotype.cells)

    def make(name: str, *arguments: Any, **options: Any) -> TrainedModel:
        return trained(experiment, seed, name, *arguments, **options)

    models = [make("all", genotype, found.lam), make("architecture", genotype, start)]
    lam = searched(experiment, seed, plain).lam
    other = images_elsewhere(experiment)
    models += [
        make("elsewhere", plain, start, elsewhere=other),
        make("omega", plain, start),
        make("lam", plain, lam),
    ]
    table = operations_table(experiment.protocol.config)
    mixed = {
        "feature": Genotype(genotype.feature, plain.deformation),
        "deformation": Genotype(plain.feature, genotype.deformation),
    }
    for draw in range(experiment.protocol.draws):
        mixed[f"random{draw}"] = random_genotype(seed, draw, genotype.cells, table)
    return models + [make(name, one, start) for name, one in mixed.items()]


def column_of(model: TrainedModel) -> str:
    """The column of Table II to which a model belongs."""
    return "random" if model.name.startswith("random") else model.name


def ablation_table(models: Sequence[TrainedModel], scenario: str | None) -> Table:
    """Table II, with the paper's column if there is a scenario.

    In a record `column` is a key of `COLUMNS`, or `before` registration. `dice`, `ncc`
    and `displacement_error` (mm) are means over the models of the mean over the pairs,
    with `_pairs_sd` over the pairs; `dice_models_sd`, `dice_lowest` and `dice_highest`
    are over the models, `dice_gain` is over the hand-made network of the same seed.
    `folding_fraction` is of all voxels, `parameters` in millions; unknown values are
    NaN.
    """
    omega = {m.seed: m.score("dice")[0] for m in models if m.name == "omega"}
    paper = _paper.ABLATION[scenario] if scenario else {}
    columns = {"before": models} | {
        column: [model for model in models if column_of(model) == column]
        for column in COLUMNS
    }
    records = [
        _record(column, members, omega, paper.get(column, (math.nan, math.nan)))
        for column, members in columns.items()
        if members
    ]
    names = {"before": "before"} | COLUMNS
    lines = [record | {"title": names[record["column"]]} for record in records]
    shown = (*_SHOWN, *_paper.dice_column(scenario))
    return Table(records, shown, lines)


def _record(
    column: str,
    models: Sequence[TrainedModel],
    omega: Mapping[int, float],
    paper: tuple[float, float],
) -> dict[str, Any]:
    suffix = "_before" if column == "before" else ""

    def means(key: str) -> dict[str, float]:
        values, sds = zip(*(model.score(key + suffix) for model in models), strict=True)
        return {key: mean_sd(values)[0], f"{key}_pairs_sd": mean_sd(sds)[0]}

    dice = [model.score("dice" + suffix)[0] for model in models]
    gains = [one - omega[m.seed] for one, m in zip(dice, models, strict=True)]
    folding = means("folding_fraction")["folding_fraction"]
    millions, _ = mean_sd(model.parameters / 1e6 for model in models)
    return {
        "column": column,
        "models": 0 if suffix else len(models),
        **means("dice"),
        "dice_models_sd": math.nan if suffix else mean_sd(dice)[1],
        "dice_lowest": min(dice),
        "dice_highest": max(dice),
        "dice_gain": mean_sd(gains)[0],
        **means("ncc"),
        **means("displacement_error"),
        "folding_fraction": math.nan if suffix else folding,
        "parameters": math.nan if suffix else millions,
        "paper_dice": paper[0],
        "paper_dice_sd": paper[1],
    }


def model_records(models: Sequence[TrainedModel]) -> list[dict[str, Any]]:
    """One record for each model: scores, architecture, λ, and in `extra` more terms."""
    records = []
    for model in models:
        record: dict[str, Any] = {"seed": model.seed, "model": model.name}
        for key in ("dice", "ncc", "displacement_error"):
            record[key], record[f"{key}_pairs_sd"] = model.score(key)
        about: Any = model.model.description
        further = (x for x in about.lam.items() if x[0] not in _paper.WEIGHTS)
        record |= {
            "folding_fraction": model.score("folding_fraction")[0],
            "parameters": model.parameters / 1e6,
            "train_seconds": model.seconds,
            "feature": _in_words(about.genotype.feature),
            "deformation": _in_words(about.genotype.deformation),
            "extra": " ".join(f"{name}={weight:.4g}" for name, weight in further),
        }
        records.append(record | {name: about.lam[name] for name in _paper.WEIGHTS})
    return records


def _in_words(cells: Iterable[Iterable[str]]) -> str:
    return "; ".join(" ".join(cell) for cell in cells)
