"""The outcome of an architecture search: one operation for every edge."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoreg_jax.search_space._architecture import (
    FIXED_OPERATIONS,
    NUM_EDGES,
    NUM_SCALES,
    OPERATIONS,
    ArchitectureLogits,
)

Cells = tuple[tuple[str, ...], ...]
_SCALES = ("half", "quarter")
_FORMAT = 1


@dataclass(frozen=True)
class Genotype:
    """A discrete architecture, hashable, readable and writable as JSON.

    Attributes:
        feature: Operations of the feature cells, `feature[scale][edge]`; scale 0 works
            at 1/2 of the resolution, scale 1 at 1/4.
        deformation: Operations of the deformation cells, in the same order.

    Raises:
        ValueError: If the shape is not 2 scales of 3 edges or a name is unknown.

    Examples:
        >>> genotype = Genotype.uniform("conv_3")
        >>> Genotype.from_json(genotype.to_json()) == genotype
        True
    """

    feature: Cells
    deformation: Cells

    def __post_init__(self) -> None:
        for kind in ("feature", "deformation"):
            cells = getattr(self, kind)
            if [len(cell) for cell in cells] != [NUM_EDGES] * NUM_SCALES:
                raise ValueError(
                    f"{kind} needs {NUM_SCALES} scales of {NUM_EDGES} operations, got "
                    f"{cells!r}."
                )
            known = OPERATIONS + FIXED_OPERATIONS
            unknown = [name for cell in cells for name in cell if name not in known]
            if unknown:
                raise ValueError(
                    f"unknown operations {unknown} in {kind}; known are {known}."
                )

    @classmethod
    def uniform(cls, operation: str) -> "Genotype":
        """The same operation on every edge."""
        cells = ((operation,) * NUM_EDGES,) * NUM_SCALES
        return cls(cells, cells)

    def to_json(self) -> str:
        """Text of `genotype.json`."""
        content: dict[str, Any] = {"format": _FORMAT}
        for kind in ("feature", "deformation"):
            cells = getattr(self, kind)
            content[kind] = dict(zip(_SCALES, map(list, cells), strict=True))
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Genotype":
        """Read the text of `genotype.json`.

        Args:
            text: As written by `to_json`.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is no genotype of this format.
        """
        try:
            content = json.loads(text)
            if content["format"] != _FORMAT:
                raise ValueError(
                    f"genotype format {content['format']!r}, "
                    f"this version reads {_FORMAT}."
                )
            cells = [
                tuple(tuple(content[kind][scale]) for scale in _SCALES)
                for kind in ("feature", "deformation")
            ]
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a genotype: {error!r}.") from error
        return cls(*cells)


def decode(alpha: ArchitectureLogits) -> Genotype:
    """The operation of the largest logit on every edge; the first one of equals.

    Args:
        alpha: Logits, each `(scale, edge, operation)`.

    Returns:
        The discrete architecture.
    """
    return Genotype(
        *(
            tuple(
                tuple(OPERATIONS[int(best)] for best in scale)
                for scale in np.argmax(np.asarray(logits), axis=-1)
            )
            for logits in alpha
        )
    )
