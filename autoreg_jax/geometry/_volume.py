"""A volume in memory: an array of voxels on a grid."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Num

from autoreg_jax.display import block, grey_values, number, paragraph, pictures
from autoreg_jax.geometry._grid import Grid, Stated
from autoreg_jax.geometry._slice import fullest_slice, slice_grid

__all__ = ["Volume"]


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels of an image or a label map and their place in the world.

    Attributes:
        array: `(x, y, z)`, or `(x, y)` for a 2-D image, which is a NIfTI volume of one
            plane. Images are float32, label maps int32.
        affine: Voxel indices to world millimetres, RAS+, `(4, 4)` float64. A 2-D image
            has one too: it says in which plane it lies.
        path: The file it was read from, for messages.
        space: Which world it is, see `Grid`.
        stated: Lengths by its file, see `Grid`.

    Examples:
        >>> volume = Volume(np.zeros((4, 5), np.float32), np.diag([2.0, 3, 1, 1]))
        >>> volume.shape, volume.spacing
        ((4, 5), (2.0, 3.0))
    """

    array: Num[np.ndarray, "..."]
    affine: Num[np.ndarray, "4 4"]
    path: Path | None = None
    space: int = 2
    stated: Stated | None = None

    def __repr__(self) -> str:
        name = f"{self.path}: " if self.path else ""
        return f"Volume({name}{self.description})"

    def _repr_html_(self) -> str:
        """One slice, for notebooks."""
        index = fullest_slice(self.array, self.grid)
        points = slice_grid(self.grid, index).points()
        last = np.asarray(self.shape) - 1
        nearest = np.clip(np.rint(self.grid.to_voxels(points)), 0, last).astype(int)
        values = self.array[tuple(np.moveaxis(nearest, -1, 0))]
        picture = grey_values(values, self.array).reshape(values.shape[:2])
        where = f"slice {index + 1}" if self.ndim == 3 else "the whole image"
        shown = pictures({where: picture}), paragraph(self.description)
        return block(str(self.path or "Volume"), *shown)

    @property
    def description(self) -> str:
        """Voxels, spacing, orientation and values in words."""
        known = self.array[np.isfinite(self.array)]
        low, high = (known.min(), known.max()) if known.size else (None, None)
        values = f"{self.array.dtype} from {number(low)} to {number(high)}"
        return f"{self.grid.description}, {values}"

    @cached_property
    def grid(self) -> Grid:
        """Where the voxels lie.

        Raises:
            ValueError: If the affine is not an invertible homogeneous matrix.
        """
        return Grid(self.array.shape, self.affine, self.space, self.stated)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels along each axis."""
        return self.array.shape

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return self.array.ndim

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring voxels along each axis of the array, mm."""
        return self.grid.spacing
