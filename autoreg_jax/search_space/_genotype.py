"""The outcome of a search: α, the logits, and one operation for every edge."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from autoreg_jax.display import block, table
from autoreg_jax.search_space._candidates import (
    CANDIDATES,
    Candidate,
    check_names,
    searched_names,
)

SCALES = ("half", "quarter", "eighth", "sixteenth", "thirty_second", "sixty_fourth")
"""Names of the scales at which cells work, the finest first."""


class CellShapes(NamedTuple):
    """How many cells of each kind there are, and how many edges each has.

    Attributes:
        feature: Scales and edges of the feature cells.
        deformation: Scales and edges of the deformation cells.
    """

    feature: tuple[int, int] = (2, 3)
    deformation: tuple[int, int] = (2, 3)


PAPER_CELLS = CellShapes()
"""Two scales of three edges, the search space of the paper."""


class ArchitectureLogits(NamedTuple):
    """α_F and α_D, one logit for each (scale, edge, operation).

    Scale 0 works at 1/2 of the resolution of the images, scale 1 at 1/4, and so on, see
    `SCALES`; operations are in the order of the table, by default that of `OPERATIONS`.

    Attributes:
        feature: α_F, `(scale, edge, operation)`; `(2, 3, operation)` in the paper.
        deformation: α_D, in the same order.
    """

    feature: Any
    deformation: Any

    @classmethod
    def zeros(
        cls,
        candidates: Sequence[Candidate] = CANDIDATES,
        cells: CellShapes = PAPER_CELLS,
    ) -> "ArchitectureLogits":
        """Start of the search: every searched operation has the same weight."""
        count = len(searched_names(candidates))
        return cls(*(jnp.zeros((*shape, count), jnp.float32) for shape in cells))

    @property
    def cells(self) -> CellShapes:
        """Scales and edges of both kinds."""
        return CellShapes(self.feature.shape[:2], self.deformation.shape[:2])

    def check(
        self, candidates: Sequence[Candidate], cells: CellShapes = PAPER_CELLS
    ) -> None:
        """Refuse logits that do not fit a table of operations.

        Args:
            candidates: Table of operations.
            cells: Scales and edges of both kinds.

        Raises:
            ValueError: If a shape is not `(scale, edge, operation)`.
        """
        for kind, logits in self._asdict().items():
            wanted = *getattr(cells, kind), len(searched_names(candidates))
            if logits.shape != wanted:
                raise ValueError(
                    f"alpha.{kind} has shape {logits.shape}; the cells and the table "
                    f"of candidates need {wanted}."
                )


Cells = tuple[tuple[str, ...], ...]
# Format 1 has two scales of three edges; else it is the same.
_FORMAT = 2
_READABLE = (1, _FORMAT)


@dataclass(frozen=True)
class Genotype:
    """A discrete architecture, hashable, readable and writable as JSON.

    Names are compared with a table of operations where there is one: by `from_json` and
    by the network that is built.

    Attributes:
        feature: Operations of the feature cells, `feature[scale][edge]`; scale 0 works
            at 1/2 of the resolution, scale 1 at 1/4, and so on, see `SCALES`.
        deformation: Operations of the deformation cells, in the same order; the number
            of scales and edges may be another.

    Raises:
        ValueError: If a kind has no scales, more than `SCALES`, or cells of different
            length.

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
            lengths = {len(cell) for cell in cells}
            if not 1 <= len(cells) <= len(SCALES) or len(lengths) != 1 or 0 in lengths:
                raise ValueError(
                    f"{kind} needs 1 to {len(SCALES)} scales with equal numbers of "
                    f"operations, got {cells!r}."
                )

    def __str__(self) -> str:
        return "\n".join(f"{cell:22} {', '.join(names)}" for cell, names in self._named)

    def _repr_html_(self) -> str:
        """One row for each cell, for notebooks."""
        edges = max(len(names) for _, names in self._named)
        rows = [(c, *n, *[""] * (edges - len(n))) for c, n in self._named]
        header = ("cell", *(f"edge {edge}" for edge in range(1, edges + 1)))
        return block("Genotype", table(rows, header))

    @property
    def _named(self) -> list[tuple[str, tuple[str, ...]]]:
        """The name of each cell and its operations."""
        return [
            (f"{kind} {scale.replace('_', ' ')}", names)
            for kind in ("feature", "deformation")
            for scale, names in zip(SCALES, getattr(self, kind), strict=False)
        ]

    @property
    def cells(self) -> CellShapes:
        """Scales and edges of both kinds."""
        kinds = self.feature, self.deformation
        return CellShapes(*((len(cells), len(cells[0])) for cells in kinds))

    @property
    def names(self) -> tuple[str, ...]:
        """The operations that occur, sorted."""
        kinds = self.feature, self.deformation
        return tuple(
            sorted({name for cells in kinds for cell in cells for name in cell})
        )

    @classmethod
    def uniform(cls, operation: str, cells: CellShapes = PAPER_CELLS) -> "Genotype":
        """The same operation on every edge."""
        return cls(*(((operation,) * edges,) * scales for scales, edges in cells))

    @classmethod
    def random(
        cls,
        seed: int | tuple[int, ...],
        candidates: Sequence[Candidate] = CANDIDATES,
        cells: CellShapes = PAPER_CELLS,
    ) -> "Genotype":
        """Any searched operation on any edge, all equally likely."""
        rng, operations = np.random.default_rng(seed), searched_names(candidates)
        names = (rng.choice(operations, shape).tolist() for shape in cells)
        return cls(*(tuple(map(tuple, kind)) for kind in names))

    def to_json(self) -> str:
        """Text of `genotype.json`."""
        content: dict[str, Any] = {"format": _FORMAT}
        for kind in ("feature", "deformation"):
            cells = getattr(self, kind)
            content[kind] = dict(zip(SCALES, map(list, cells), strict=False))
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
            if content["format"] not in _READABLE:
                raise ValueError(
                    f"genotype format {content['format']!r}, "
                    f"this version reads {_FORMAT} and older."
                )
            cells = [
                tuple(
                    tuple(content[kind][scale])
                    for scale in SCALES[: max(1, len(content[kind]))]
                )
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
    alpha.check(candidates, alpha.cells)
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
