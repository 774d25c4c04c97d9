"""Terms that a loss may have beside those of Eq. (4), each with a name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from jax import Array

from autoreg_jax.losses._agreement import soft_folding_fraction
from autoreg_jax.losses._mind import mind_loss
from autoreg_jax.losses._ncc import local_ncc_loss
from autoreg_jax.losses._smoothness import bending_loss
from autoreg_jax.spatial import Pyramid


class TermInputs(NamedTuple):
    """The inputs of a term.

    Attributes:
        fixed: Fixed images at full, half and quarter resolution, `(b, *space, 1)`.
        moved: Moving images, warped at each of them.
        displacements: `(b, *space, d)` in voxels of each grid.
        windows: Edges of the NCC windows at each of them, voxels.
    """

    fixed: Pyramid
    moved: Pyramid
    displacements: Pyramid
    windows: tuple[int, int, int]


Term = Callable[[TermInputs], Array]


def _ncc(scale: int) -> Term:
    def term(given: TermInputs) -> Array:
        return local_ncc_loss(
            given.fixed[scale], given.moved[scale], given.windows[scale]
        )

    return term


def _mind(scale: int) -> Term:
    return lambda given: mind_loss(given.fixed[scale], given.moved[scale])


TERMS: Mapping[str, Term] = MappingProxyType(
    {
        "bending": lambda given: bending_loss(given.displacements.full),
        "folding": lambda given: soft_folding_fraction(given.displacements.full),
        "mind_full": _mind(0),
        "mind_half": _mind(1),
        "mind_quarter": _mind(2),
        "ncc_full": _ncc(0),
        "ncc_half": _ncc(1),
        "ncc_quarter": _ncc(2),
    }
)
