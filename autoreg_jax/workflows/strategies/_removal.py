"""Operations that are taken out of a mixture, and which of them is missed most."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autoreg_jax.search_space import SCALES, ArchitectureLogits, CellShapes

# Its exponential is 0 in any precision, beside any logit that was learnt. It is finite,
# so that nothing becomes NaN where it is multiplied.
_NEVER = -1e9


class Edge(NamedTuple):
    """One edge of the mixed network: kind and scale of its cell, and its place there.

    Attributes:
        kind: "feature" or "deformation".
        scale: Index in `SCALES`.
        number: From 0.
    """

    kind: str
    scale: int
    number: int

    @property
    def words(self) -> dict[str, Any]:
        """As in a record."""
        return {"kind": self.kind, "scale": SCALES[self.scale], "edge": self.number}

    @classmethod
    def of_record(cls, record: Any) -> "Edge":
        """Read `words`."""
        return cls(record["kind"], SCALES.index(record["scale"]), record["edge"])


def edges_of(cells: CellShapes, kinds: Sequence[str]) -> list[Edge]:
    """The edges of some kinds of cells."""
    return [
        Edge(kind, scale, number)
        for kind in kinds
        for scale in range(getattr(cells, kind)[0])
        for number in range(getattr(cells, kind)[1])
    ]


def without(
    alpha: ArchitectureLogits, edge: Edge, operation: int
) -> ArchitectureLogits:
    """α with which an operation has no weight; the others share its weight."""
    logits = np.array(getattr(alpha, edge.kind))
    logits[edge.scale, edge.number, operation] = _NEVER
    return alpha._replace(**{edge.kind: logits})


def only(alpha: ArchitectureLogits, edge: Edge, operation: int) -> ArchitectureLogits:
    """α with which no other operation of the edge has a weight."""
    logits = np.array(getattr(alpha, edge.kind))
    chosen = logits[edge.scale, edge.number, operation]
    logits[edge.scale, edge.number] = _NEVER
    logits[edge.scale, edge.number, operation] = chosen
    return alpha._replace(**{edge.kind: logits})


class Choice(NamedTuple):
    """Which operation of an edge is missed most, and by how much.

    Attributes:
        best: The operation without which the mean loss is largest; the first of equals.
        second: The one that is missed most after it.
        margin: Mean loss without `best` minus that without `second`, >= 0.
        standard_error: Of that mean, from the differences of the single pairs; None if
            there is one pair.
    """

    best: int
    second: int
    margin: float
    standard_error: float | None


def most_missed(losses: Any) -> Choice:
    """Compare the losses of the same pairs without each operation.

    Args:
        losses: `(operation, pair)`, at least two operations.

    Returns:
        The choice.

    Examples:
        >>> most_missed([[1.0, 1.2], [3.0, 3.4], [1.5, 1.5]])[:3]
        (1, 2, 1.7)
    """
    losses = np.asarray(losses, np.float64)
    best, second = np.argsort(-losses.mean(1), kind="stable")[:2]
    differences = losses[best] - losses[second]
    count, error = len(differences), None
    if count > 1:
        error = float(differences.std(ddof=1)) / math.sqrt(count)
    return Choice(int(best), int(second), float(differences.mean()), error)
