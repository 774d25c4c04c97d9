"""The result of a run as a table and as a paragraph."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autoreg_jax.report._divergence import divergence_sentence
from autoreg_jax.report._run import Run
from autoreg_jax.report._words import duration

# Smaller changes of the mean Dice or of a distance in mm vanish in the shown digits.
_NO_CHANGE = 5e-4
_OF_ANOTHER = (
    "These are the results of another model than the one in this folder, which was "
    "trained since; evaluate it with `autoreg evaluate`."
)


@dataclass(frozen=True)
class Score:
    """Mean and standard deviation of a measure; `sd` is NaN where unknown."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Measure:
    """One row of the summary table.

    Attributes:
        key: Name in `evaluation.json`, of the value after the network.
        label: What is measured, with its unit.
        note: What is good and what is bad, for a reader new to it.
        digits: Digits after the point.
        scale: Factor from the file to the table.
        scores: Before, network, refined; None where it was not measured.
    """

    key: str
    label: str
    note: str
    digits: int
    scale: float = 1.0
    scores: tuple[Score | None, ...] = ()


_MEASURES = (
    Measure("dice", "Dice overlap of structures", "0 to 1, higher is better", 3),
    Measure(
        "displacement_error",
        "Distance from the true position, mm",
        "lower is better; known for simulated subjects only",
        2,
    ),
    Measure(
        "hd95",
        "Distance of surfaces (HD95), mm",
        "lower is better; 95 % of the points of a surface are closer",
        2,
    ),
    Measure("assd", "Mean distance of surfaces (ASSD), mm", "lower is better", 2),
    Measure("tre", "Distance of landmarks (TRE), mm", "lower is better", 2),
    Measure(
        "log_jacobian_std",
        "Spread of volume change (SDlogJ)",
        "lower is smoother; without folded voxels",
        3,
    ),
    Measure(
        "inverse_consistency_error",
        "Inverse consistency error, mm",
        "0 if registration of the swapped pair is the exact inverse",
        2,
    ),
    Measure(
        "folding_fraction",
        "Folded voxels, %",
        "lower is better; folding is anatomically impossible",
        4,
        100.0,
    ),
    Measure(
        "seconds_per_pair",
        "Seconds per pair",
        "on the device listed under Provenance",
        2,
    ),
)


def is_simulated(run: Run) -> bool:
    """Whether the subjects were generated; only then is the true deformation known."""
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
    entry = value if isinstance(value, Mapping) else {"mean": value}
    mean, sd = entry.get("mean"), entry.get("sd")
    if mean is None or not math.isfinite(mean):
        return None
    return Score(scale * mean, math.nan if sd is None else scale * sd)


def steps(
    evaluation: Mapping[str, Any], key: str, scale: float = 1.0
) -> list[Score | None]:
    """A measure before registration, after the network and after refinement."""
    suffixes = ("_before", "", "_refined")
    return [score(evaluation, key + suffix, scale=scale) for suffix in suffixes]


def summary_table(evaluation: Mapping[str, Any]) -> list[Measure]:
    """List the measures that `evaluation.json` contains."""
    rows = [
        replace(row, scores=tuple(steps(evaluation, row.key, row.scale)))
        for row in _MEASURES
    ]
    return [row for row in rows if any(row.scores)]


def summary_paragraph(run: Run) -> str:
    """Describe the result of the evaluation in one paragraph.

    Every sentence follows from a number of the run, also where a number got worse.
    """
    evaluation, diverged = run.evaluation, divergence_sentence(run.records)
    if evaluation is None:
        unknown = "The result has not been evaluated yet, so its quality is unknown."
        return " ".join(filter(None, [unknown, diverged]))
    kind = "simulated " if is_simulated(run) else ""
    count = evaluation.get("pairs")
    pairs = "1 pair" if count == 1 else f"{count or 'Several'} pairs"
    was = "was" if count == 1 else "were"
    sentences = [
        _OF_ANOTHER if run.is_of_model is False else "",
        f"{pairs} of {kind}subjects {was} registered for this evaluation.",
        _listed_sentence(evaluation),
        *_dice_sentences(evaluation),
        _worse_pairs(run.rows),
        _labels_sentence(run.records),
        diverged,
        _error_sentence(evaluation),
        _folding_sentence(evaluation),
        _time_sentence(evaluation),
    ]
    return " ".join(filter(None, sentences))


def _listed_sentence(evaluation: Mapping[str, Any]) -> str:
    """Whether pairs were listed, and whether all of them were registered."""
    listed, count = evaluation.get("listed_pairs"), evaluation.get("pairs")
    if listed is None:
        return ""
    which = "all of the pairs" if count == listed else f"{count} of the {listed} pairs"
    return f"These are {which} that are listed for it, and no others."


def _dice_sentences(evaluation: Mapping[str, Any]) -> list[str]:
    before, network, refined = steps(evaluation, "dice")
    if network is None:
        return ["There are no label maps, so the overlap of structures is unknown."]
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


def _worse_pairs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Count the pairs whose mean Dice decreased, from the first to the last step."""
    changes: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        before, after, refined = (
            row.get(key, math.nan) for key in ("dice_before", "dice", "dice_refined")
        )
        change = (after if math.isnan(refined) else refined) - before
        if math.isfinite(change):
            changes.setdefault((row["fixed"], row["moving"]), []).append(change)
    if not changes:
        return ""
    worse = sum(np.mean(change) < 0 for change in changes.values())
    where = f"{worse} of {len(changes)}" if worse else "none of the"
    return f"The overlap decreased in {where} pairs."


def _labels_sentence(records: Sequence[Mapping[str, Any]]) -> str:
    """Whether the network has learned from labels or landmarks."""
    trained = [r.get("terms") or {} for r in records if r.get("stage") == "train"]
    kinds = {"dice": "label maps", "landmarks": "landmarks"}
    used = [
        words
        for name, words in kinds.items()
        if any(name in terms for terms in trained)
    ]
    if not used:
        return ""
    what = " and the ".join(used)
    return f"The network was trained with the {what} of the training subjects."


def _error_sentence(evaluation: Mapping[str, Any]) -> str:
    before, network, refined = steps(evaluation, "displacement_error")
    last = refined or network
    if last is None:
        return ""
    if before is None:
        return f"The mean distance from the true position was {last.mean:.2f} mm."
    if abs(last.mean - before.mean) < _NO_CHANGE:
        return f"The mean distance from the true position stayed {last.mean:.2f} mm."
    verb, comment = "fell", ""
    if last.mean > before.mean:
        verb, comment = "rose", ", so the true deformation was not recovered"
    return (
        "The mean distance from the true position, known because the subjects are "
        f"simulated, {verb} from {before.mean:.2f} to {last.mean:.2f} mm{comment}."
    )


def _folding_sentence(evaluation: Mapping[str, Any]) -> str:
    _, network, refined = steps(evaluation, "folding_fraction", 100)
    last = refined or network
    if last is None:
        return ""
    if last.mean == 0:
        return (
            "No voxel was folded: the Jacobian determinant, by differences of "
            "neighbouring voxels, was positive at each voxel of each pair."
        )
    return (
        f"On average {last.mean:.2g} % of the voxels were folded, a deformation that "
        "is impossible for tissue."
    )


def _time_sentence(evaluation: Mapping[str, Any]) -> str:
    _, network, refined = steps(evaluation, "seconds_per_pair")
    if network is None:
        return ""
    more = "" if refined is None else f", with refinement {duration(refined.mean)}"
    return f"One pair took {duration(network.mean)}{more}."
