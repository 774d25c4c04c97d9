"""What a search by trials has tried, and how it was decided."""

from collections.abc import Mapping
from typing import Any, NamedTuple

JUDGES = {
    "dice": "mean Dice",
    "soft_dice": "Dice of softly warped labels",
    "landmarks": "distance of landmarks in mm, negative",
    "mind": "similarity of structure (MIND), negative",
}

_OVERLAP = "objective.extra.dice"


class TrialRow(NamedTuple):
    """One trial after its last comparison, in words.

    Attributes:
        changes: What it changes.
        steps: Steps that it was trained.
        score: Mean score, or why there is none.
        gain: Gain over the start after as many steps, with its interval.
        price: Time of a step as a multiple of that of the start.
    """

    changes: str
    steps: str
    score: str
    gain: str
    price: str


def trial_rows(search: Mapping[str, Any]) -> list[TrialRow]:
    """Each trial once, after the most steps; those that went furthest first."""
    last: dict[str, Mapping[str, Any]] = {}
    for row in search["trials"]:
        known = last.get(row["trial"])
        if known is None or row["steps"] > known["steps"]:
            last[row["trial"]] = row
    judge = search["judge"] or "dice"

    def rank(row: Mapping[str, Any]) -> tuple[float, float]:
        return -row["steps"], -row.get("scores", {}).get(judge, float("-inf"))

    return [_row(row, judge) for row in sorted(last.values(), key=rank)]


def trials_sentence(search: Mapping[str, Any]) -> str:
    """What was decided, and what it has cost."""
    count = len({row["trial"] for row in search["trials"]}) - 1
    judge = JUDGES.get(search["judge"] or "", "no judge")
    sentences = [
        f"Besides the start {count} other settings were trained, for "
        f"{search['cost_in_trainings']:.1f} trainings beyond the one that the run "
        f"needs anyway, and judged by {judge} on {search['pairs']} validation pairs."
    ]
    gain = search["gain"]
    if search["judge"] is None:
        sentences.append(
            "By every judge the pairs are best without registration, so nothing could "
            "be chosen."
        )
    elif gain is None and search["is_decided"]:
        sentences.append("The start diverged and was replaced.")
    elif gain is None:
        sentences.append("No other setting was better than the start, which stays.")
    else:
        interval = f"{gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
        verdict = (
            "the whole interval is above zero, so it was chosen"
            if search["is_decided"]
            else "not decided: the interval contains zero, so the start stays"
        )
        sentences.append(
            f"The best one gains {interval} after the whole training, "
            f"{search['margin']:.1f} times its standard error; {verdict}."
        )
    if search["mean_gain_of_trials"] is not None:
        mean = search["mean_gain_of_trials"]
        sentences.append(f"All other settings gain {mean:+.4f} on average.")
    if search["is_decided"] and search["settings"].get(_OVERLAP):
        sentences.append(
            "It learns from the overlap of the same structures that judge it: do not "
            "expect as much of structures without labels. A refinement knows no labels "
            "and may lose what they have taught."
        )
    return " ".join(sentences)


TRIALS_HINT = (
    "Gains are over the start after as many steps on the same pairs, with 95 % "
    "intervals that include the usual noise of random seeds. Price: time of a step as "
    "a multiple of that of the start."
)


def describe_changes(changes: Mapping[str, Any]) -> str:
    """Settings in words.

    Examples:
        >>> describe_changes({"objective.smooth": 4.995, "network.width": 2.0})
        'objective.smooth 5, network.width 2'
    """
    words = []
    for name, value in changes.items():
        is_number = isinstance(value, float)
        words.append(f"{name} {value:.3g}" if is_number else f"{name} {value}")
    return ", ".join(words)


def _row(row: Mapping[str, Any], judge: str) -> TrialRow:
    words = describe_changes(row["changes"])
    if "operations" in row:
        words = f"{words}, other operations" if words else "other operations"
    steps = str(row["steps"])
    if "diverged" in row:
        return TrialRow(words or "start", steps, "diverged", "–", "–")
    if "too_dear" in row:
        return TrialRow(words, steps, "too dear", "–", f"{row['too_dear']:.2f}")
    gain = row.get("gain")
    text = "–"
    if gain is not None:
        text = f"{gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
    score = row["scores"][judge]
    return TrialRow(
        words or "start", steps, f"{score:.4f}", text, f"{row['price']:.2f}"
    )
