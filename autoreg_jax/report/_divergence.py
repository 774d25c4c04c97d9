"""What was done where search and training diverged, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_PAIRS = 5


def divergence_sentence(records: Sequence[Mapping[str, Any]]) -> str:
    """Which updates were left out, and from where a stage went back; empty if nothing.

    Args:
        records: Lines of metrics.jsonl.

    Examples:
        >>> event = {"to": 20, "factor": 0.3, "why": "the loss became NaN."}
        >>> divergence_sentence([{"stage": "train", "rolled_back": [event]}])[:57]
        'The stage train diverged: it went back once, to step 20, '
    """
    sentences = []
    for stage in dict.fromkeys(record.get("stage", "") for record in records):
        here = [record for record in records if record.get("stage") == stage]
        skipped = [one for record in here for one in record.get("skipped", ())]
        events = [one for record in here for one in record.get("rolled_back", ())]
        if events:
            sentences.append(_of_rollbacks(stage, events))
        if skipped:
            sentences.append(_of_skips(stage, skipped))
    return " ".join(sentences)


def _of_rollbacks(stage: str, events: Sequence[Mapping[str, Any]]) -> str:
    times = "once" if len(events) == 1 else f"{len(events)} times"
    last = events[-1]
    place = f"step {last['to']}" if last["to"] else "its begin"
    at_last = "" if len(events) == 1 else "at last "
    return (
        f"The stage {stage} diverged: it went back {times}, {at_last}to {place}, and "
        f"ended with {last['factor']:.3g} of the learning rate that is set."
    )


def _of_skips(stage: str, skipped: Sequence[Mapping[str, Any]]) -> str:
    count = len(skipped)
    pairs = list(dict.fromkeys(str(one["pairs"]) for one in skipped))
    more = f" and {len(pairs) - _MOST_PAIRS} more" if len(pairs) > _MOST_PAIRS else ""
    updates = "1 update was" if count == 1 else f"{count} updates were"
    return (
        f"In the stage {stage} {updates} left out, since the numbers were useless "
        f"({skipped[0]['why']}): {'; '.join(pairs[:_MOST_PAIRS])}{more}. Look at these "
        "images."
    )
