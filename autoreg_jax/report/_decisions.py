"""How sure the choice of each operation is, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from autoreg_jax.report._words import CELLS, SCALES

# Standard errors over the pairs by which a choice leads if it is clear.
_CLEAR = 2.0

Cells = Mapping[str, Mapping[str, Sequence[str]]]
Choices = Mapping[tuple[str, str, int], Mapping[str, Any]]


def removals(records: Sequence[Mapping[str, Any]]) -> Choices:
    """The records of the choices by perturbation, the last one of each edge.

    Edges are named by kind, scale and number.
    """
    return {
        (record["kind"], record["scale"], record["edge"]): record
        for record in records
        if record.get("stage") == "perturbation"
    }


def is_clear(choice: Mapping[str, Any]) -> bool:
    """Whether a choice leads by more than two standard errors over the pairs.

    Examples:
        >>> is_clear({"margin": 0.3, "standard_error": 0.1})
        True
        >>> is_clear({"margin": 0.3, "standard_error": None})
        False
    """
    error = choice["standard_error"]
    return error is not None and choice["margin"] > _CLEAR * error


def removal_note(choice: Mapping[str, Any]) -> str:
    """The margin of a choice by perturbation, for a cell of the table.

    Examples:
        >>> removal_note({"margin": 0.31, "standard_error": 0.1})
        '+0.31 ± 0.1'
        >>> removal_note({"margin": 0.1, "standard_error": 0.1})
        '+0.1 ± 0.1, not decided'
    """
    error = choice["standard_error"]
    note = f"+{choice['margin']:.2g}" + ("" if error is None else f" ± {error:.2g}")
    return note if is_clear(choice) else f"{note}, not decided"


def removal_sentence(choices: Choices) -> str:
    """How many of the choices by perturbation are clear, and what that means."""
    count = sum(map(is_clear, choices.values()))
    pairs = max(choice["pairs"] for choice in choices.values())
    return (
        "On each edge the operation was chosen without which the loss of the mixture "
        f"is largest on {pairs} validation pairs. On {count} of {len(choices)} edges "
        f"it leads the second one by more than {_CLEAR:g} standard errors over the "
        "pairs; on the others the choice is not decided. The error is that of this one "
        "mixture. Mixtures that are trained with other seeds often choose otherwise, "
        "also where each is clear, so a choice counts as decided only if another seed "
        "repeats it."
    )


def lead(logits: ArrayLike, chosen: int) -> float:
    """Probability of an operation minus the largest of the others, in percent.

    Examples:
        >>> lead([0.0, 0.0, 0.0], 1)
        0.0
    """
    values = np.asarray(logits, dtype=float)
    shares = np.exp(values - values.max())
    shares /= shares.sum()
    return float(100 * (shares[chosen] - np.max(np.delete(shares, chosen))))


def leads(
    genotype: Cells, alpha: Mapping[str, ArrayLike], operations: Sequence[str]
) -> dict[tuple[str, str, int], float]:
    """The lead of the chosen operation on each edge on which α chooses."""
    names = list(operations)
    return {
        (kind, scale, edge): lead(
            np.asarray(alpha[kind])[place, edge], names.index(name)
        )
        for kind in CELLS
        for place, scale in enumerate(s for s in SCALES if s in genotype[kind])
        for edge, name in enumerate(genotype[kind][scale])
        if name in names and len(names) > 1
    }


def lead_notes(found: Mapping[tuple[str, str, int], float]) -> dict[Any, str]:
    """The leads, for the cells of the table."""
    return {edge: f"({value:+.2g})" for edge, value in found.items()}


def lead_sentence(found: Mapping[tuple[str, str, int], float]) -> str:
    """How far the chosen operations lead, and what that does not say."""
    if not found:
        return ""
    return (
        f"The chosen operation leads the second one by {min(found.values()):.2g} to "
        f"{max(found.values()):.2g} percentage points. The error of such a lead is not "
        "known: where it is small, another seed or another machine may well choose "
        "another operation."
    )
