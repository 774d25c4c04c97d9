"""The linear part of a cohort: alignment to a template, and its mean shape."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy import linalg

from autoreg_jax.alignment import Alignment, align
from autoreg_jax.data import read_image
from autoreg_jax.geometry import Volume
from autoreg_jax.runtime import progress
from autoreg_jax.workflows.cohorts._members import Member

__all__ = ["align_members", "mean_stretch"]

Matrices = Mapping[str, Float[np.ndarray, "4 4"]]

# The mean of stretches that do not commute is found by repeating; a hundredth of this
# is less than a voxel of any image.
_ROUNDS, _SMALL = 20, 1e-9


def align_members(
    template: Volume,
    members: Sequence[Member],
    matrices: Matrices,
    kind: Literal["rigid", "affine"],
    **options: Any,
) -> dict[str, Alignment]:
    """Align the images to the template, from where they are.

    Args:
        template: The fixed image of all.
        members: The subjects.
        matrices: World of the template to that of each image, mm.
        kind: As for `align`.
        **options: Of `align`.

    Returns:
        For each subject its whole map, from the template to the image.
    """
    found = {}
    with progress(f"{kind} alignment", len(members)) as advance:
        for member in members:
            image, matrix = read_image(member.image), matrices[member.name]
            affine = np.linalg.inv(matrix) @ image.affine
            placed = Volume(image.array, affine, image.path)
            one = align(template, placed, kind=kind, **options)
            whole = {**vars(one), "matrix": matrix @ one.matrix}
            found[member.name] = Alignment(**whole)
            advance()
    return found


def mean_stretch(
    matrices: Sequence[Float[np.ndarray, "4 4"]], centre: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "4 4"]:
    """The mean change of size and shape of maps from a template.

    Each linear part is a rotation after a stretch, A = R S with S symmetric (polar
    decomposition). The pose R and the translation say where an image lies in its
    scanner, S how large and what shape the subject is. The stretches are averaged by
    their logarithms (Arsigny et al., SIAM J. Matrix Anal. Appl. 2007), about a point.

    Args:
        matrices: Maps from the world of the template to those of the images, mm.
        centre: What stays where it is, mm.

    Returns:
        S̄ such that the maps A S̄⁻¹ have no mean stretch: what lies at S̄⁻¹ x in the
        template belongs to x.

    Examples:
        >>> wide, tall = np.diag([4.0, 1, 1, 1]), np.diag([1.0, 4, 1, 1])
        >>> mean_stretch([wide, tall], np.zeros(3)).round(6).tolist()[:2]
        [[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]]
    """
    mean = np.eye(3)
    for _ in range(_ROUNDS):
        inverse = np.linalg.inv(mean)
        stretches = (linalg.polar(m[:3, :3] @ inverse)[1] for m in matrices)
        log = np.mean([_log(stretch) for stretch in stretches], 0)
        mean = linalg.expm(log) @ mean
        if np.abs(log).max() < _SMALL:
            break
    found = np.eye(4)
    found[:3, :3] = mean
    found[:3, 3] = centre - mean @ centre
    return found


def _log(stretch: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Logarithm of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(stretch)
    return (vectors * np.log(values)) @ vectors.T
