"""Which of the evaluated pairs look doubtful, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoreg_jax.report._run import Run


@dataclass(frozen=True)
class TrustRow:
    """One evaluated pair: its trust, NaN if it cannot be told, and what is unusual."""

    pair: str
    value: float
    flags: tuple[str, ...]


def trust_rows(run: Run) -> list[TrustRow]:
    """The pairs of an evaluation, the least trusted first; none without the numbers."""
    flags = {
        (row["fixed"], row["moving"]): tuple(row["flags"])
        for row in (run.evaluation or {}).get("trust_flags", ())
    }
    rows = [
        TrustRow(
            f"{row['moving']} to {row['fixed']}",
            row["trust"],
            flags.get((row["fixed"], row["moving"]), ()),
        )
        for row in run.cases
        if "trust" in row
    ]
    return sorted(rows, key=lambda row: -1 if math.isnan(row.value) else row.value)


def trust_sentence(rows: Sequence[TrustRow]) -> str:
    """How many of the pairs are doubtful.

    Examples:
        >>> trust_sentence([TrustRow("a to b", 0.9, ())])
        'Nothing is unusual about the pair.'
        >>> trust_sentence([TrustRow("a to b", 0.9, ())] * 3)
        'Nothing is unusual about any of the 3 pairs.'
        >>> trust_sentence([TrustRow("a to b", 0.1, ("it folds",))])
        'Something is unusual about 1 of 1 pairs. Look at it before you use it.'
    """
    count, doubtful = len(rows), sum(bool(row.flags) for row in rows)
    if doubtful:
        them = "it" if doubtful == 1 else "them"
        return (
            f"Something is unusual about {doubtful} of {count} pairs. Look at {them} "
            f"before you use {them}."
        )
    which = "the pair" if count == 1 else f"any of the {count} pairs"
    return f"Nothing is unusual about {which}."
