"""The outcome of a search: α, the logits, and one operation for every edge."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from autoreg_jax.search_space._candidates import (
    CANDIDATES,
    Candidate,
    check_names,
    searched_names,
)

NUM_SCALES = 2
NUM_EDGES = 3


class ArchitectureLogits(NamedTuple):
    """α_F and α_D, one logit for each (scale, edge, operation).

    Scale 0 works at 1/2 and scale 1 at 1/4 of the resolution of the images; operations
    are in the order of the table, by default that of `OPERATIONS`.

    Attributes:
        feature: α_F, `(2, 3, operation)`.
        deformation: α_D, `(2, 3, operation)`.
    """

    feature: Any
    deformation: Any

    @classmethod
    def zeros(
        cls, candidates: Sequence[Candidate] = CANDIDATES
    ) -> "ArchitectureLogits":
        """Start of the search: every searched operation has the same weight."""
        shape = (NUM_SCALES, NUM_EDGES, len(searched_names(candidates)))
        return cls(jnp.zeros(shape), jnp.zeros(shape))

    def check(self, candidates: Sequence[Candidate]) -> None:
        """Refuse logits that do not fit a table of operations.

        Args:
            candidates: Table of operations.

        Raises:
            ValueError: If a shape is not `(2, 3, operation)`.
        """
        wanted = NUM_SCALES, NUM_EDGES, len(searched_names(candidates))
        for kind, logits in self._asdict().items():
            if logits.shape != wanted:
                raise ValueError(
                    f"alpha.{kind} has shape {logits.shape}; the table of candidates "
                    f"needs {wanted}."
                )


Cells = tuple[tuple[str, ...], ...]
_SCALES = ("half", "quarter")
_FORMAT = 1


@dataclass(frozen=True)
class Genotype:
    """A discrete architecture, hashable, readable and writable as JSON.

    Names are compared with a table of operations where there is one: by `from_json` and
    by the network that is built.

    Attributes:
        feature: Operations of the feature cells, `feature[scale][edge]`; scale 0 works
            at 1/2 of the resolution, scale 1 at 1/4.
        deformation: Operations of the deformation cells, in the same order.

    Raises:
        ValueError: If the shape is not 2 scales of 3 edges.

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

    @classmethod
    def uniform(cls, operation: str) -> "Genotype":
        """The same operation on every edge."""
        cells = ((operation,) * NUM_EDGES,) * NUM_SCALES
        return cls(cells, cells)

    @classmethod
    def random(
        cls,
        seed: int | tuple[int, ...],
        candidates: Sequence[Candidate] = CANDIDATES,
    ) -> "Genotype":
        """Any searched operation on any edge, all equally likely."""
        rng, operations = np.random.default_rng(seed), searched_names(candidates)
        names = rng.choice(operations, (2, NUM_SCALES, NUM_EDGES)).tolist()
        feature, deformation = (tuple(map(tuple, kind)) for kind in names)
        return cls(feature, deformation)

    def to_json(self) -> str:
        """Text of `genotype.json`."""
        content: dict[str, Any] = {"format": _FORMAT}
        for kind in ("feature", "deformation"):
            cells = getattr(self, kind)
            content[kind] = dict(zip(_SCALES, map(list, cells), strict=True))
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(
        cls, text: str, candidates: Sequence[Candidate] = CANDIDATES
    ) -> "Genotype":
        """Read the text of `genotype.json`.

        Args:
            text: As written by `to_json`.
            candidates: Table of operations, which must have each name.

        Returns:
            The genotype.

        Raises:
            ValueError: If the text is not a genotype of this format, or names an
                operation that the table does not have.
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
        genotype = cls(*cells)
        check_names(
            [name for kind in cells for cell in kind for name in cell], candidates
        )
        return genotype


def decode(
    alpha: ArchitectureLogits, candidates: Sequence[Candidate] = CANDIDATES
) -> Genotype:
    """The operation of the largest logit on every edge; the first one of equals.

    Args:
        alpha: Logits, each `(scale, edge, operation)`.
        candidates: Table of operations that the logits weigh.

    Returns:
        The discrete architecture.

    Raises:
        ValueError: If there is not one logit for each searched operation.
    """
    names = searched_names(candidates)
    alpha.check(candidates)
    return Genotype(
        *(
            tuple(
                tuple(names[int(best)] for best in scale)
                for scale in np.argmax(np.asarray(logits), axis=-1)
            )
            for logits in alpha
        )
    )


# layers.py, FeatureExtraction_16_search: fixed, their code never searches it.
_FEATURES = (
    ("conv_3", "sep_conv_5", "conv_5"),
    ("sep_conv_5", "dil_conv_3_8", "dil_conv_3_8"),
)

PUBLISHED_GENOTYPES = {
    # src_archi/genotypes.py, Search_ABIDE.
    "abide": Genotype(
        _FEATURES,
        (
            ("sep_conv_3", "dil_conv_3", "sep_conv_5"),
            ("sep_conv_3", "dil_conv_3", "sep_conv_3"),
        ),
    ),
    # layers.py, genotype.
    "ppmi": Genotype(
        _FEATURES,
        (
            ("sep_conv_3", "conv_5", "conv_3"),
            ("dil_conv_7", "dil_conv_7", "sep_conv_5"),
        ),
    ),
}
