"""Terms that a loss may have beside those of Eq. (4), each with a name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jax import Array

from autoreg_jax.losses._agreement import (
    common_dice_loss,
    known_landmark_loss,
    soft_folding_fraction,
)
from autoreg_jax.losses._consistency import inverse_consistency_loss
from autoreg_jax.losses._mind import mind_loss
from autoreg_jax.losses._ncc import local_ncc_loss
from autoreg_jax.losses._smoothness import bending_loss
from autoreg_jax.spatial import Pyramid


class TermInputs(NamedTuple):
    """The inputs of a term.

    Attributes:
        fixed: Fixed images at full, half and quarter resolution, `(b, *space, c)`.
        moved: Moving images, warped at each of them.
        displacements: `(b, *space, d)` in voxels of each grid.
        windows: Edges of the NCC windows at each of them, voxels.
        fixed_labels: One-hot labels of the fixed images, `(b, *space, k)`, if given.
        moving_labels: Those of the moving images, not warped, if given.
        opposite: Displacements of the swapped pairs at full resolution, if given.
        similarity: ℓ_sim of the objective at a level below a quarter, by its name.
        fixed_landmarks: Points of the fixed images, `(b, k, d)`, voxels, if given; NaN
            where there is none.
        moving_landmarks: The same places in the moving images, if given.
    """

    fixed: Pyramid
    moved: Pyramid
    displacements: Pyramid
    windows: tuple[int, int, int]
    fixed_labels: Array | None = None
    moving_labels: Array | None = None
    opposite: Array | None = None
    similarity: Callable[[str], Array] | None = None
    fixed_landmarks: Array | None = None
    moving_landmarks: Array | None = None


Term = Callable[[TermInputs], Array]


def _ncc(scale: int) -> Term:
    def term(given: TermInputs) -> Array:
        return local_ncc_loss(
            given.fixed[scale], given.moved[scale], given.windows[scale]
        )

    return term


def _mind(scale: int) -> Term:
    return lambda given: mind_loss(given.fixed[scale], given.moved[scale])


def _similarity(level: str) -> Term:
    def term(given: TermInputs) -> Array:
        assert given.similarity is not None
        return given.similarity(level)

    return term


def _dice(given: TermInputs) -> Array:
    if given.fixed_labels is None or given.moving_labels is None:
        raise ValueError("the term dice needs the label maps of both images.")
    return common_dice_loss(
        given.fixed_labels, given.moving_labels, given.displacements.full
    )


def _landmarks(given: TermInputs) -> Array:
    if given.fixed_landmarks is None or given.moving_landmarks is None:
        raise ValueError("the term landmarks needs the landmarks of both images.")
    return known_landmark_loss(
        given.fixed_landmarks, given.moving_landmarks, given.displacements.full
    )


def _inverse_consistency(given: TermInputs) -> Array:
    if given.opposite is None:
        raise ValueError("the term inverse_consistency needs both directions.")
    return inverse_consistency_loss(given.displacements.full, given.opposite)


TERMS: Mapping[str, Term] = MappingProxyType(
    {
        "bending": lambda given: bending_loss(given.displacements.full),
        "dice": _dice,
        "eighth": _similarity("eighth"),
        "folding": lambda given: soft_folding_fraction(given.displacements.full),
        "inverse_consistency": _inverse_consistency,
        "landmarks": _landmarks,
        "mind_full": _mind(0),
        "mind_half": _mind(1),
        "mind_quarter": _mind(2),
        "ncc_full": _ncc(0),
        "ncc_half": _ncc(1),
        "ncc_quarter": _ncc(2),
        "sixteenth": _similarity("sixteenth"),
    }
)

_MORE_THAN_IMAGES = ("dice", "inverse_consistency", "landmarks")


def image_terms(lam: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of the terms that two images and a displacement suffice for.

    Args:
        lam: Weights by the names of their terms.

    Returns:
        Those that need labels, landmarks or both directions are left out.

    Examples:
        >>> image_terms({"full": 10.0, "dice": 5.0})
        {'full': 10.0}
    """
    return {name: lam[name] for name in lam if name not in _MORE_THAN_IMAGES}
