"""A grid of voxels and its place in the world."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = ["Grid"]


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels and where they lie: all that is known of an image but its values.

    The world is three-dimensional, millimetres, RAS+, also for an image of one plane,
    whose affine says in which plane it lies.

    Attributes:
        shape: `(x, y, z)`, or `(x, y)` for one plane.
        affine: Voxel indices to world, `(4, 4)` float64. For one plane `(3, 3)` is
            taken as well: a plane of the world's x and y, at z = 0.

    Raises:
        ValueError: If the shape or the affine is no such thing, or the affine is not
            finite or maps the voxels to no volume.

    Examples:
        >>> grid = Grid((4, 5), np.diag([2.0, 3.0, 1.0, 1.0]))
        >>> grid.ndim, grid.spacing, grid.points()[1, 1].tolist()
        (2, (2.0, 3.0), [2.0, 3.0, 0.0])
    """

    shape: tuple[int, ...]
    affine: Float[np.ndarray, "4 4"]

    def __post_init__(self) -> None:
        shape = tuple(int(size) for size in self.shape)
        if len(shape) not in (2, 3) or min(shape) < 1:
            raise ValueError(f"a grid has two or three axes, got the shape {shape}.")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", homogeneous(self.affine))

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance of neighbouring voxels on each axis, mm."""
        lengths = np.linalg.norm(self.affine[:3, : self.ndim], axis=0)
        return tuple(float(length) for length in lengths)

    def points(self, begin: int = 0, end: int | None = None) -> np.ndarray:
        """World positions of the voxels, or of a slab of them.

        Args:
            begin: First index of the slab on the first axis.
            end: Index after its last; that of the grid by default.

        Returns:
            `(*space, 3)` mm, float64.
        """
        ranges = [range(*slice(begin, end).indices(self.shape[0]))]
        ranges += [range(size) for size in self.shape[1:]]
        return self.to_world(np.stack(np.meshgrid(*ranges, indexing="ij"), -1))

    def to_world(self, index: np.ndarray) -> np.ndarray:
        """World positions `(*n, 3)` of voxel indices `(*n, d)`."""
        return index @ self.affine[:3, : self.ndim].T + self.affine[:3, 3]

    def to_voxels(self, points: np.ndarray) -> np.ndarray:
        """Voxel indices `(*n, d)` of world positions; 2-D: of their foot in the plane.

        Args:
            points: `(*n, 3)` mm.
        """
        inverse = np.linalg.inv(self.affine)[: self.ndim]
        return points @ inverse[:, :3].T + inverse[:, 3]

    def matches(self, other: "Grid") -> bool:
        """Whether another grid has the same voxels, to a thousandth of a voxel."""
        if self.shape != other.shape:
            return False
        corners = np.stack(np.meshgrid(*[(0, n - 1) for n in self.shape]), -1)
        apart = self.to_world(corners) - other.to_world(corners)
        return bool(np.abs(apart).max() < 1e-3 * min(self.spacing))


def homogeneous(matrix: np.ndarray) -> Float[np.ndarray, "4 4"]:
    """A matrix of the plane or of space as one of space.

    Args:
        matrix: `(3, 3)` or `(4, 4)`, the last row 0, …, 0, 1.

    Returns:
        `(4, 4)` float64; a matrix of the plane leaves z as it is.

    Raises:
        ValueError: If it is no such matrix, not finite or singular.
    """
    given = np.asarray(matrix, np.float64)
    if given.shape not in ((3, 3), (4, 4)):
        raise ValueError(f"a homogeneous matrix is 3×3 or 4×4, got {given.shape}.")
    full = np.eye(4)
    kept = [0, 1, 2, 3] if len(given) == 4 else [0, 1, 3]
    full[np.ix_(kept, kept)] = given
    if not np.isfinite(full).all() or np.any(full[3] != [0, 0, 0, 1]):
        raise ValueError(f"no homogeneous matrix of finite numbers: {given.tolist()}.")
    lengths = np.linalg.norm(full[:3, :3], axis=0)
    if abs(np.linalg.det(full)) <= 1e-9 * np.prod(lengths):
        raise ValueError(f"the matrix is singular: {given.tolist()}.")
    return full
