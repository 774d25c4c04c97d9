"""Say in plain words, and in a table, what the numbers of a run mean."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoreg_jax.report._run import Run
from autoreg_jax.report._words import duration

# Smaller changes of the mean Dice or of a distance in mm vanish in the shown digits.
_NO_CHANGE = 5e-4


@dataclass(frozen=True)
class Score:
    """Mean and spread of one measure at one step; `sd` is NaN where unknown."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Measure:
    """One row of the summary table.

    Attributes:
        label: What is measured, with its unit.
        note: What is good and what is bad, for a reader new to it.
        digits: Digits after the point.
        scores: Before, network, refined; None where it was not measured.
    """

    label: str
    note: str
    digits: int
    scores: tuple[Score | None, Score | None, Score | None]


def is_simulated(run: Run) -> bool:
    """Tell whether the subjects were generated: only then the truth is known."""
    evaluation = run.evaluation or {}
    known = any(key.startswith("displacement_error") for key in evaluation)
    return bool(evaluation.get("simulated", known))


def score(
    evaluation: Mapping[str, Any], key: str, *, scale: float = 1.0
) -> Score | None:
    """Read one entry of `evaluation.json`, a number or `{"mean", "sd"}`.

    Examples:
        >>> score({"dice": {"mean": 0.8, "sd": 0.1}}, "dice")
        Score(mean=0.8, sd=0.1)
        >>> score({}, "dice") is None
        True
    """
    value = evaluation.get(key)
    mean, sd = (
        (value.get("mean"), value.get("sd"))
        if isinstance(value, Mapping)
        else (value, None)
    )
    if mean is None or not math.isfinite(mean):
        return None
    return Score(scale * mean, math.nan if sd is None else scale * sd)


def summary_table(evaluation: Mapping[str, Any]) -> list[Measure]:
    """List the measures that `evaluation.json` holds."""
    rows = (
        (
            "Dice overlap of structures",
            "0 to 1, higher is better",
            3,
            1.0,
            ("dice_before", "dice", "dice_refined"),
        ),
        (
            "Distance from the true position, mm",
            "lower is better; known for simulated subjects only",
            2,
            1.0,
            (
                "displacement_error_before",
                "displacement_error",
                "displacement_error_refined",
            ),
        ),
        (
            "Distance of surfaces (HD95), mm",
            "lower is better; 95 of 100 points of a surface are closer",
            2,
            1.0,
            ("hd95_before", "hd95", "hd95_refined"),
        ),
        (
            "Mean distance of surfaces (ASSD), mm",
            "lower is better",
            2,
            1.0,
            ("assd_before", "assd", "assd_refined"),
        ),
        (
            "Distance of landmarks (TRE), mm",
            "lower is better",
            2,
            1.0,
            ("tre_before", "tre", "tre_refined"),
        ),
        (
            "Spread of volume change (SDlogJ)",
            "lower is smoother; folded voxels are left out",
            3,
            1.0,
            (None, "log_jacobian_std", "log_jacobian_std_refined"),
        ),
        (
            "There and back, mm",
            "0 if registration of the swapped pair undoes this one",
            2,
            1.0,
            (None, "inverse_consistency_error", None),
        ),
        (
            "Folded voxels, %",
            "lower is better; folding is anatomically impossible",
            4,
            100.0,
            (None, "folding_fraction", "folding_fraction_refined"),
        ),
        (
            "Seconds per pair",
            "on the device named under Provenance",
            2,
            1.0,
            (None, "seconds_per_pair", "seconds_per_pair_refined"),
        ),
    )
    measures = []
    for label, note, digits, scale, keys in rows:
        before, network, refined = (
            None if key is None else score(evaluation, key, scale=scale) for key in keys
        )
        if before or network or refined:
            measures.append(Measure(label, note, digits, (before, network, refined)))
    return measures


def summary_paragraph(run: Run) -> str:
    """Describe the result of the evaluation in one paragraph.

    Every sentence follows from a number of the run, also where a number got worse.
    """
    evaluation = run.evaluation
    if evaluation is None:
        return (
            "The result has not been evaluated yet, so nothing can be said about its "
            "quality."
        )
    kind = "simulated " if is_simulated(run) else ""
    count = evaluation.get("pairs")
    pairs = "1 pair" if count == 1 else f"{count or 'Several'} pairs"
    was = "was" if count == 1 else "were"
    sentences = [f"{pairs} of {kind}subjects {was} registered for this evaluation."]
    sentences += _dice_sentences(evaluation)
    sentences += _worse_pairs(run.rows)
    sentences += _error_sentences(evaluation)
    sentences += _folding_sentences(evaluation)
    sentences += _time_sentences(evaluation)
    return " ".join(sentences)


def _dice_sentences(evaluation: Mapping[str, Any]) -> list[str]:
    before, network, refined = (
        score(evaluation, key) for key in ("dice_before", "dice", "dice_refined")
    )
    if network is None:
        return [
            "There are no label maps, so it is not known how well corresponding "
            "structures overlap."
        ]
    if before is None:
        sentences = [f"After the network the mean Dice was {network.mean:.3f}."]
    else:
        change = _change(
            before.mean,
            network.mean,
            better="raised it to {:.3f}",
            worse="lowered it to {:.3f}: registration made the overlap worse",
        )
        sentences = [
            "Before registration, corresponding structures overlapped with a mean "
            f"Dice of {before.mean:.3f} (1 is perfect); the trained network {change}."
        ]
    if refined is not None:
        change = _change(
            network.mean,
            refined.mean,
            better="raised this further to {:.3f}",
            worse="lowered this to {:.3f}, so refinement did not help",
        )
        sentences.append(f"Refining each pair on its own {change}.")
    return sentences


def _change(before: float, after: float, *, better: str, worse: str) -> str:
    if abs(after - before) < _NO_CHANGE:
        return "left it unchanged"
    return (better if after > before else worse).format(after)


def _worse_pairs(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Count the pairs whose mean Dice fell, from the first to the last step."""
    changes: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        before = row.get("dice_before", math.nan)
        after = row.get("dice_refined", math.nan)
        after = row["dice"] if math.isnan(after) else after
        if math.isfinite(after - before):
            changes.setdefault((row["fixed"], row["moving"]), []).append(after - before)
    if not changes:
        return []
    worse = sum(np.mean(change) < 0 for change in changes.values())
    if not worse:
        return ["The overlap fell in none of the pairs."]
    return [f"The overlap fell in {worse} of {len(changes)} pairs."]


def _error_sentences(evaluation: Mapping[str, Any]) -> list[str]:
    before, network, refined = (
        score(evaluation, f"displacement_error{suffix}")
        for suffix in ("_before", "", "_refined")
    )
    last = refined or network
    if last is None:
        return []
    if before is None:
        return [f"Positions were found to {last.mean:.2f} mm on average."]
    verb = "fell" if last.mean < before.mean else "rose"
    if abs(last.mean - before.mean) < _NO_CHANGE:
        return [f"The mean distance from the true position stayed {last.mean:.2f} mm."]
    warning = "" if verb == "fell" else ", so the true deformation was missed"
    return [
        "The mean distance from the true position, known because the subjects are "
        f"simulated, {verb} from {before.mean:.2f} to {last.mean:.2f} mm{warning}."
    ]


def _folding_sentences(evaluation: Mapping[str, Any]) -> list[str]:
    last = score(evaluation, "folding_fraction_refined", scale=100) or score(
        evaluation, "folding_fraction", scale=100
    )
    if last is None:
        return []
    if last.mean == 0:
        return ["No voxel was folded, so every deformation can be undone."]
    return [
        f"On average {last.mean:.2g} % of the voxels were folded, that is, deformed "
        "in a way that tissue cannot be."
    ]


def _time_sentences(evaluation: Mapping[str, Any]) -> list[str]:
    network = score(evaluation, "seconds_per_pair")
    refined = score(evaluation, "seconds_per_pair_refined")
    if network is None:
        return []
    text = f"A pair took {duration(network.mean)}"
    if refined is not None:
        text += f", with refinement {duration(refined.mean)}"
    return [text + "."]
