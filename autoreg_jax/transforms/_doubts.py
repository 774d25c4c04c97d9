"""What a chain of maps leaves out: places beyond its fields, a part that is missing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from autoreg_jax.errors import TransformError
from autoreg_jax.geometry import Grid, is_inside
from autoreg_jax.transforms._transform import Transform
from autoreg_jax.transforms.links import (
    Affine,
    Displacement,
    InverseDisplacement,
    Link,
    Velocity,
)

__all__ = ["check_whole", "doubts"]

# A field that moves its border by less than this many voxels ends without a step.
_STEP = 0.01


def doubts(
    transform: Transform, slabs: Iterable[Float[np.ndarray, "*slab 3"]], what: str
) -> list[str]:
    """Say where a transform may be less than the user expects.

    Args:
        transform: The map, which is going to be applied.
        slabs: Where to: world positions of the fixed image, mm, in portions.
        what: Their name, as "voxels of fixed.nii.gz".

    Returns:
        A sentence for each field that ends with a step and does not reach all places,
        with their number, and one for a displacement without the affine map that the
        registration has written beside it.
    """
    missing = _missing_part(transform.links)
    sentences = [f"{missing}: {_MISSING}"] if missing else []
    return sentences + _outside(transform.links, slabs, what)


def check_whole(transform: Transform, path: Path | str) -> None:
    """Refuse a displacement that an affine map in another file has to follow.

    Args:
        transform: What was read.
        path: From which file.

    Raises:
        TransformError: If the affine map is missing.
    """
    if missing := _missing_part(transform.links):
        raise TransformError(
            f"{path}: is only a part of a map, without the affine map {missing} that "
            "follows it; give one file of both, as `autoreg register --one-field` or "
            "`--warp OUT.h5` writes it."
        )


_MISSING = (
    "this affine map follows the displacement that is applied, and is missing; without "
    "it the alignment is lost, inside of the displacement and outside. Give both, in "
    "the order -t OUT_displacement.nii.gz OUT_affine.mat."
)


def _missing_part(links: Sequence[Link]) -> str:
    """Name of the affine map that should follow a displacement and does not."""
    for number, link in enumerate(links):
        field, beside = _field(link), links[max(number - 1, 0) : number]
        if isinstance(link, InverseDisplacement):
            beside = links[number + 1 : number + 2]
        if field is None or not field.followed_by:
            continue
        if not any(isinstance(other, Affine) for other in beside):
            return field.followed_by
    return ""


def _outside(links: Sequence[Link], slabs: Iterable[np.ndarray], what: str) -> list:
    """Count the places beyond the fields that end with a step."""
    steps = {
        number: (field, _step_mm(field))
        for number in reversed(range(len(links)))
        if (field := _field(links[number])) is not None and _step_mm(field) > 0
    }
    beyond, total = dict.fromkeys(steps, 0), 0
    for slab in slabs if steps else ():
        points = slab
        total += points[..., 0].size
        for number in range(len(links) - 1, min(steps) - 1, -1):
            if number in steps:
                field, step = steps[number]
                if not isinstance(links[number], InverseDisplacement):
                    step = 0.0  # else a place up to here may come from inside
                beyond[number] += _count_beyond(points, field.grid, step)
            if number > min(steps):
                points = links[number].map(points)
    return [
        f"{beyond[number]} of {total} {what} ({100 * beyond[number] / total:.3g} %) "
        f"lie outside of the displacement on {_box(field.grid)}, which ends there: it "
        f"moves its border by up to {step:.3g} mm and nothing beyond it."
        for number, (field, step) in steps.items()
        if beyond[number]
    ]


def _count_beyond(points: np.ndarray, grid: Grid, margin_mm: float) -> int:
    """How many points lie beyond a grid and a margin."""
    index = grid.to_voxels(points)
    margin = margin_mm / np.asarray(grid.spacing)
    nearest = np.clip(index, -margin, np.asarray(grid.shape) - 1 + margin)
    return int(np.count_nonzero(~is_inside(index - nearest, (1,) * grid.ndim)))


def _field(link: Link) -> Displacement | None:
    """The displacement of a link at voxels; None for an affine map."""
    if isinstance(link, Affine):
        return None
    if isinstance(link, InverseDisplacement | Velocity):
        link = link.displacement
    return link.sampled


def _step_mm(field: Displacement) -> float:
    """How far a field moves its border, mm; 0 if it ends without a step."""
    faces = [
        np.take(field.vectors, end, axis)
        for axis in range(field.grid.ndim)
        for end in (0, -1)
    ]
    largest = max(float(np.linalg.norm(face, axis=-1).max()) for face in faces)
    return largest if largest > _STEP * min(field.grid.spacing) else 0.0


def _box(grid: Grid) -> str:
    """Extent of a grid along the axes of the world."""
    ends = np.meshgrid(*[(-0.5, size - 0.5) for size in grid.shape], indexing="ij")
    corners = grid.to_world(np.stack(ends, -1)).reshape(-1, 3)
    sides = zip("xyz", corners.min(0), corners.max(0), strict=True)
    return ", ".join(f"{axis} {low:.0f} to {high:.0f}" for axis, low, high in sides)
