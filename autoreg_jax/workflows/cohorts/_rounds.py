"""The rounds of a template: aligned, registered, averaged."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from autoreg_jax.data import content_of, normalize_intensity
from autoreg_jax.geometry import Grid, Volume
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows.cohorts._deformable import (
    linear_map,
    mean_velocity,
    register_members,
    updated,
)
from autoreg_jax.workflows.cohorts._linear import align_members, mean_stretch
from autoreg_jax.workflows.cohorts._members import Member
from autoreg_jax.workflows.cohorts._motion import mean_map, moved_grid
from autoreg_jax.workflows.cohorts._outputs import State, write_round

__all__ = ["UNFINISHED", "deformable_round", "linear_round", "start"]

# Folder of the registrations of a round that is not finished. It is removed, so that no
# folder of a user may have this name.
UNFINISHED = ".autoreg_unfinished"
# Fraction of the range of an image below which a change of shape is not seen.
_DARK = 0.1


def start(
    folder: Path,
    reference: Volume,
    grid: Grid,
    members: Sequence[Member],
    settings: dict[str, Any],
) -> State:
    """The average of the images after their alignment to the reference."""
    state = State(
        Volume(np.zeros(grid.shape, np.float32), grid.affine, space=grid.space),
        {member.name: np.eye(4) for member in members},
    )
    if settings["affine"] == "none":
        numbers = {"round": 0, "kind": "headers", "shape_change_mm": 0.0}
        return write_round(
            folder, state, members, lambda _: Transform(), numbers, {}, settings
        )
    return linear_round(folder, state, members, settings, fixed=reference)


def linear_round(
    folder: Path,
    state: State,
    members: Sequence[Member],
    settings: dict[str, Any],
    fixed: Volume | None = None,
) -> State:
    """Align to the template, or to another image, and take out what maps share."""
    begin = time.perf_counter()
    is_first, kind = fixed is not None, settings["affine"]
    fixed = fixed or state.template
    found = align_members(fixed, members, state.matrices, kind)
    matrices = {name: alignment.matrix for name, alignment in found.items()}
    stretch = np.eye(4)
    if settings["position"] == "mean":
        stretch = mean_map([*matrices.values()])
    elif kind == "affine":
        centre = content_of(fixed).centre
        stretch = mean_stretch(list(matrices.values()), centre)
    inverse = np.linalg.inv(stretch)
    matrices = {name: matrix @ inverse for name, matrix in matrices.items()}
    if is_first and settings["position"] == "mean":
        # What the reference shows is elsewhere now, and is to be seen.
        grid = moved_grid(state.template.grid, stretch)
        template = replace(state.template, affine=grid.affine)
        state = replace(state, template=template)
    points = fixed.grid.points()
    shift = points @ inverse[:3, :3].T + inverse[:3, 3] - points
    numbers = {
        "round": len(state.rounds),
        "kind": kind,
        "shape_change_mm": _mean_inside(fixed, shift),
        "similarity": float(np.mean([one.score for one in found.values()])),
        "seconds": time.perf_counter() - begin,
    }
    about = {
        name: {
            "similarity": one.score,
            "warnings": ()
            if one.is_trusted
            else (f"the {kind} alignment is not trusted: {one.reason}.",),
        }
        for name, one in found.items()
    }

    def transform_of(member: Member) -> Transform:
        return linear_map(matrices[member.name], state.template)

    return write_round(
        folder,
        replace(state, matrices=matrices),
        members,
        transform_of,
        numbers,
        about,
        settings,
    )


def deformable_round(
    folder: Path,
    state: State,
    members: Sequence[Member],
    settings: dict[str, Any],
    options: dict[str, Any],
) -> State:
    """Register to the template, and move it by the inverse of the mean velocity."""
    begin, grid = time.perf_counter(), state.template.grid
    number = len(state.rounds)
    work = folder / UNFINISHED / f"round_{number}"
    found = register_members(state.template, members, state.matrices, work, **options)
    velocity = mean_velocity(found)
    shift = updated(grid, velocity)
    about = {name: numbers for name, (_, numbers) in found.items()}
    numbers = {
        "round": number,
        "kind": "deformable",
        "shape_change_mm": _mean_inside(state.template, shift),
        "similarity": float(np.mean([one["similarity"] for one in about.values()])),
        "seconds": time.perf_counter() - begin,
    }

    def transform_of(member: Member) -> Transform:
        vectors = updated(grid, velocity, found[member.name][0])
        field = Transform.displacement(vectors, grid)
        matrix = state.matrices[member.name]
        if settings["affine"] == "none":
            return field
        return linear_map(matrix, state.template) @ field

    state = write_round(folder, state, members, transform_of, numbers, about, settings)
    shutil.rmtree(work)
    return state


def _mean_inside(image: Volume, vectors: Float[np.ndarray, "*space 3"]) -> float:
    """Mean length of vectors where an image is not dark, mm."""
    lengths = np.linalg.norm(vectors, axis=-1)
    return float(lengths[normalize_intensity(image.array) > _DARK].mean())
