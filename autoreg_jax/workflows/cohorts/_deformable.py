"""One deformable round: every image to the template, and the mean of the velocities."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from autoreg_jax.files import plain_json, read_arrays, write_file
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.inference import register
from autoreg_jax.runtime import progress
from autoreg_jax.spatial import compose, integrate, logarithm
from autoreg_jax.transforms import Displacement, Transform
from autoreg_jax.workflows.cohorts._linear import Matrices
from autoreg_jax.workflows.cohorts._members import Member

__all__ = ["Found", "linear_map", "mean_velocity", "register_members", "updated"]

Found = Mapping[str, tuple[Path, dict[str, Any]]]
"""By name the file with the displacement of a subject, and the numbers of it."""


def register_members(
    template: Volume,
    members: Sequence[Member],
    matrices: Matrices,
    folder: Path,
    **options: Any,
) -> Found:
    """Register the images to the template; those that were are read instead.

    Args:
        template: The fixed image of all.
        members: The subjects.
        matrices: World of the template to that of each image, mm; where they begin.
        folder: Gets a file for each subject.
        **options: Of `register`.
    """
    found = {}
    with progress("registration", len(members)) as advance:
        for member in members:
            path = folder / f"{member.name}.npz"
            if not path.is_file():
                _register(template, member, matrices[member.name], path, options)
            about = json.loads(str(read_arrays(path)["about"]))
            found[member.name] = path, about
            advance(similarity=about["similarity"])
    return found


def _register(
    template: Volume,
    member: Member,
    matrix: Float[np.ndarray, "4 4"],
    path: Path,
    options: Mapping[str, Any],
) -> None:
    begin = None if np.array_equal(matrix, np.eye(4)) else linear_map(matrix, template)
    result = register(template, member.image, init=begin, affine="none", **options)
    # What was found comes before the start.
    link = result.transform.links[-1]
    assert isinstance(link, Displacement)
    voxels = template.grid.vectors_to_voxels(link.vectors).astype(np.float32)
    about = {
        "similarity_before": result.similarity_before,
        "similarity": result.similarity,
        "folding_fraction": result.folding_fraction,
        "warnings": result.warnings,
        **(result.trust.summary() if result.trust else {}),
    }
    text = json.dumps(plain_json(about))
    write_file(path, lambda file: np.savez(file, displacement=voxels, about=text))


def linear_map(matrix: Float[np.ndarray, "4 4"], template: Volume) -> Transform:
    """A linear map, of the plane if it leaves one of axial slices as it is."""
    is_level = np.allclose(matrix[2], [0, 0, 1, 0], rtol=0, atol=1e-6)
    if template.ndim == 2 and is_level:
        return Transform.affine(matrix[np.ix_([0, 1, 3], [0, 1, 3])])
    return Transform.affine(matrix)


def mean_velocity(found: Found) -> Float[np.ndarray, "*space d"]:
    """Mean of the velocities whose flows the displacements are, voxels."""
    total = None
    for path, _ in found.values():
        velocity = np.asarray(_velocity(_displacement(path)))
        total = velocity if total is None else total + velocity
    assert total is not None
    return total / len(found)


def updated(
    grid: Grid, velocity: Float[np.ndarray, "*space d"], path: Path | None = None
) -> Float[np.ndarray, "*space 3"]:
    """A displacement after the template has moved by the inverse of a mean velocity.

    Args:
        grid: Of the template.
        velocity: v̄, voxels.
        path: File of the displacement φ of a subject; None for the identity.

    Returns:
        φ ∘ exp(-v̄) as vectors in mm along R, A, S.
    """
    back = _inverse_flow(jnp.asarray(velocity))
    if path is not None:
        back = _composed(_displacement(path), back)
    return grid.vectors_to_world(np.asarray(back))


def _displacement(path: Path) -> Array:
    return jnp.asarray(read_arrays(path)["displacement"])


@jax.jit
def _velocity(displacement: Array) -> Array:
    return logarithm(displacement[None])[0]


@jax.jit
def _inverse_flow(velocity: Array) -> Array:
    return integrate(-velocity[None], boundary="edge")[0]


@jax.jit
def _composed(outer: Array, inner: Array) -> Array:
    return compose(outer[None], inner[None])[0]
