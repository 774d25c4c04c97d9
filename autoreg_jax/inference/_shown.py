"""How a registration shows itself: in a line of text, in a notebook with pictures."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np

from autoreg_jax.display import (
    block,
    by,
    grey_values,
    number,
    paragraph,
    pictures,
    table,
)
from autoreg_jax.errors import TransformError
from autoreg_jax.geometry import fullest_slice, slice_axis, slice_grid
from autoreg_jax.transforms import Transform

if TYPE_CHECKING:
    from autoreg_jax.inference._registered import Registered

# Squares along a side of the checkerboards.
_SQUARES = 6


class ShownPair:
    """The part of `Registered` by which it shows itself."""

    def __repr__(self) -> str:
        found = cast("Registered", self)
        grid, before = found.fixed.grid, number(found.similarity_before)
        parts = [
            " to ".join(_names(found)),
            f"{by(grid.shape)} voxels of {by(grid.spacing)} mm",
            f"local correlation {before} → {number(found.similarity)}",
            f"{number(100 * found.folding_fraction)} % of the voxels folded",
        ]
        if found.trust is not None:
            parts.append(f"trust {number(found.trust.value, 2)}")
        if found.warnings:
            parts.append(f"warnings: {len(found.warnings)}")
        return f"Registered({', '.join(parts)}, {number(found.seconds)} s)"

    def _repr_html_(self) -> str:
        """Pictures of one slice before and after, and numbers, for notebooks."""
        found = cast("Registered", self)
        flags = () if found.trust is None else found.trust.flags
        doubts = [*found.warnings, *(f"Doubtful: {flag}." for flag in flags)]
        return block(
            " registered to ".join(_names(found)),
            slice_html(found, fullest_slice(found.fixed.array, found.fixed.grid)),
            *map(paragraph, doubts),
            table(_rows(found)),
        )


def slice_html(found: "Registered", index: int) -> str:
    """Pictures of one slice of the fixed image, before and after.

    Args:
        found: A registered pair.
        index: Slice across the axis that is nearest to up and down, from 0; of no
            meaning for one plane. `report.slice_slider` chooses it by hand.

    Returns:
        HTML that holds the pictures itself.

    Raises:
        ValueError: If there is no such slice.
    """
    plane, placed = slice_grid(found.fixed.grid, index), Transform()
    volumes = (
        (placed, found.fixed),
        (placed, found.moving),
        (found.transform, found.moving),
    )
    try:
        still, before, after = (
            grey_values(
                transform.apply(volume.array, volume.grid, plane), volume.array
            ).reshape(plane.shape[:2])
            for transform, volume in volumes
        )
    except TransformError as error:
        return paragraph(str(error))
    rows, columns = (
        np.arange(size) * _SQUARES // max(still.shape) for size in still.shape
    )
    is_still = np.add.outer(rows, columns) % 2 == 0
    shown = {
        "fixed": still,
        "moving, as its header places it": before,
        "moved": after,
        "fixed and moving in turn": np.where(is_still, still, before),
        "fixed and moved in turn": np.where(is_still, still, after),
    }
    axis = slice_axis(found.fixed.grid)
    if axis is None:
        return pictures(shown)
    where = f"Slice {index + 1} of {found.fixed.shape[axis]} along {'xyz'[axis]}"
    words = f"{where}; as in radiology, right is on the left."
    return pictures(shown) + paragraph(words)


def _names(found: "Registered") -> tuple[str, str]:
    """What was moved, and to what."""
    moving, fixed = found.moving.path, found.fixed.path
    return str(moving or "moving image"), str(fixed or "fixed image")


def _rows(found: "Registered") -> Iterator[tuple[str, str]]:
    yield "fixed image", found.fixed.grid.description
    yield "moving image", found.moving.grid.description
    agreement = f"{number(found.similarity_before)} → {number(found.similarity)}"
    yield "local correlation, 0 to 1", agreement
    yield "folded voxels", f"{number(100 * found.folding_fraction)} %"
    if found.trust is not None:
        yield "trust, 0 to 1", number(found.trust.value, 2)
        repeated = found.trust.repeated
        for label, one in (
            ("difference if the images are swapped, mean", repeated.swapped),
            ("difference of network and result, mean", repeated.network),
        ):
            if one is not None:
                yield label, f"{number(one.mean_mm)} mm"
    for place, link in enumerate(reversed(found.transform.links), 1):
        yield f"map {place}", link.description
    yield "time, with compilation", f"{number(found.seconds)} s"
