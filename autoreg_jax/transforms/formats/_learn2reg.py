"""Displacements in voxels of the fixed image: Learn2Reg, VoxelMorph."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from autoreg_jax.geometry import Grid
from autoreg_jax.transforms.formats._format import Layout, damaged
from autoreg_jax.transforms.links import Displacement, Link, as_displacement

__all__ = ["from_voxels", "read_learn2reg", "to_voxels", "write_learn2reg"]


def read_learn2reg(
    content: bytes, *, grid: Grid | None, **_: object
) -> tuple[Displacement]:
    """The displacement of a Learn2Reg `disp_*.npz` file.

    Args:
        content: Of the file: one array `(x, y, z, 3)`, or `(3, x, y, z)` as in the
            first challenges, in voxels.
        grid: Of the fixed image.

    Raises:
        ValueError: If the content is another, or of another shape than the grid.
    """
    with (
        damaged("NumPy archive of one array"),
        np.load(io.BytesIO(content), allow_pickle=False) as arrays,
    ):
        (array,) = arrays.values()
    if array.shape[:1] in ((2,), (3,)) and array.shape[-1] != array.ndim - 1:
        array = np.moveaxis(array, 0, -1)
    return from_voxels(array, grid)


def write_learn2reg(
    links: Sequence[Link], *, layout: Layout | None, grid: Grid | None
) -> bytes:
    """A Learn2Reg `disp_*.npz` file: `(x, y, z, 3)` voxels, float32."""
    stream = io.BytesIO()
    np.savez_compressed(stream, to_voxels(as_displacement(links, grid)))
    return stream.getvalue()


def from_voxels(array: np.ndarray, grid: Grid | None) -> tuple[Displacement]:
    """A displacement from voxel vectors on the grid of the fixed image.

    Learn2Reg evaluates `map_coordinates(moving, identity + disp)`: component k counts
    voxels along axis k, and both images have one grid.

    Args:
        array: The vectors.
        grid: Of the fixed image.

    Raises:
        ValueError: If there is no grid or the shapes do not agree.
    """
    if grid is None:
        raise ValueError(
            "it holds voxels and does not say of which grid; give the fixed image."
        )
    if array.shape != (*grid.shape, grid.ndim):
        raise ValueError(
            f"a displacement of the fixed image has the shape "
            f"{(*grid.shape, grid.ndim)}, found {array.shape}."
        )
    vectors = grid.vectors_to_world(array.astype(np.float64))
    return (Displacement(vectors, grid),)


def to_voxels(field: Displacement) -> Float[np.ndarray, "*space d"]:
    """Vectors of a displacement in voxels of its grid, float32."""
    return field.grid.vectors_to_voxels(field.vectors).astype(np.float32)
