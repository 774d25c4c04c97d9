"""A grid of voxels and its place in the world."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from nibabel.affines import voxel_sizes
from nibabel.orientations import aff2axcodes

from autoreg_jax.display import by

__all__ = ["Grid", "Stated", "homogeneous"]


class Stated(NamedTuple):
    """Lengths as the file of an image states them; FSL and others take them for mm.

    Attributes:
        sizes: Of the voxels along each axis, apart from the affine (`pixdim`).
        unit: Millimetres in one of its units.
    """

    sizes: tuple[float, ...]
    unit: float


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels and where they lie: all that is known of an image but its values.

    The world is three-dimensional, millimetres, RAS+, also for an image of one plane,
    whose affine says in which plane it lies.

    Attributes:
        shape: `(x, y, z)`, or `(x, y)` for one plane.
        affine: Voxel indices to world, `(4, 4)` float64. For one plane `(3, 3)` is
            accepted as well: a plane of the world's x and y, at z = 0.
        space: Which world it is, by the codes of NIfTI: 1 scanner, 2 aligned with
            another image, 3 Talairach, 4 MNI 152. It is written and never compared.
        stated: Lengths by the file of the image; None if it has none but these.

    Raises:
        ValueError: If the shape has not two or three axes, or the affine is not a
            finite, invertible homogeneous matrix.

    Examples:
        >>> grid = Grid((4, 5), np.diag([2.0, 3.0, 1.0, 1.0]))
        >>> grid.ndim, grid.spacing, grid.axcodes, grid.points()[1, 1].tolist()
        (2, (2.0, 3.0), 'RAS', [2.0, 3.0, 0.0])
        >>> grid.to_voxels(grid.centre).tolist()
        [1.5, 2.0]
    """

    shape: tuple[int, ...]
    affine: Float[np.ndarray, "4 4"]
    space: int = 2
    stated: Stated | None = None

    def __post_init__(self) -> None:
        shape = tuple(int(size) for size in self.shape)
        if len(shape) not in (2, 3) or min(shape) < 1:
            raise ValueError(f"a grid has two or three axes, got the shape {shape}.")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", homogeneous(self.affine))

    def __repr__(self) -> str:
        return f"Grid({self.description})"

    @property
    def description(self) -> str:
        """Voxels, spacing and orientation in words."""
        voxels, sizes = by(self.shape), by(self.spacing)
        return f"{voxels} voxels of {sizes} mm, {self.axcodes[: self.ndim]}"

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring voxels along each axis, mm."""
        return tuple(map(float, voxel_sizes(self.affine)[: self.ndim]))

    @property
    def axcodes(self) -> str:
        """Directions of the three axes to the nearest letter, as "RAS"."""
        return "".join(aff2axcodes(self.affine))

    @property
    def centre(self) -> Float[np.ndarray, "3"]:
        """World position of the middle of the field of view, mm."""
        middle = (np.asarray(self.shape) - 1) / 2
        return self.affine[:3, : self.ndim] @ middle + self.affine[:3, 3]

    @property
    def corners(self) -> Float[np.ndarray, "*two 3"]:
        """World positions of the outermost voxels, mm: two along each axis."""
        ends = np.meshgrid(*[(0, size - 1) for size in self.shape], indexing="ij")
        return self.to_world(np.stack(ends, -1))

    def heights(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n"]:
        """Distances of world positions from the plane of the first two axes, mm."""
        normal = np.cross(self.affine[:3, 0], self.affine[:3, 1])
        return (points - self.affine[:3, 3]) @ (normal / np.linalg.norm(normal))

    def points(
        self, begin: int = 0, end: int | None = None
    ) -> Float[np.ndarray, "*space 3"]:
        """World positions of all voxels, or of a slab of them.

        Args:
            begin: First index of the slab on the first axis.
            end: Index after its last one; default: the end of the grid.

        Returns:
            Positions, mm.
        """
        ranges = [range(*slice(begin, end).indices(self.shape[0]))]
        ranges += [range(size) for size in self.shape[1:]]
        return self.to_world(np.stack(np.meshgrid(*ranges, indexing="ij"), -1))

    def to_world(self, index: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n 3"]:
        """World positions of voxel indices, mm."""
        return index @ self.affine[:3, : self.ndim].T + self.affine[:3, 3]

    def to_voxels(self, points: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n d"]:
        """Continuous voxel indices of world positions; 2-D: projected on the plane."""
        inverse = np.linalg.inv(self.affine)[: self.ndim]
        return points @ inverse[:, :3].T + inverse[:, 3]

    def vectors_to_world(
        self, vectors: Float[np.ndarray, "*n d"]
    ) -> Float[np.ndarray, "*n 3"]:
        """Vectors that count voxels as vectors in mm along R, A, S, in their type."""
        return vectors @ self.affine[:3, : self.ndim].T.astype(vectors.dtype)

    def vectors_to_voxels(
        self, vectors: Float[np.ndarray, "*n 3"]
    ) -> Float[np.ndarray, "*n d"]:
        """Vectors in mm as vectors that count voxels along the axes, float64."""
        return vectors @ np.linalg.inv(self.affine)[: self.ndim, :3].T

    def index_matrix(self, other: "Grid") -> Float[np.ndarray, "d+1 d+1"]:
        """Homogeneous matrix from voxel indices of this grid to those of another."""
        used = [*range(self.ndim), 3]
        return (np.linalg.inv(other.affine) @ self.affine)[np.ix_(used, used)]

    def distance(self, other: "Grid") -> float:
        """Largest distance between corresponding corners of two grids of one shape.

        Args:
            other: A grid of the same shape.

        Returns:
            Distance in voxels (of the smallest spacing of this grid).

        Raises:
            ValueError: If the shapes differ.

        Examples:
            >>> one = Grid((4, 4, 4), np.diag([2.0, 2, 2, 1]))
            >>> one.distance(Grid((4, 4, 4), one.affine + np.eye(4, k=3)))
            0.5
        """
        if self.shape != other.shape:
            raise ValueError(f"shapes differ: {self.shape} and {other.shape}.")
        apart = self.corners - other.corners
        return float(np.linalg.norm(apart, axis=-1).max() / min(self.spacing))

    def matches(self, other: "Grid", tolerance: float = 0.01) -> bool:
        """Whether two grids have the same voxels: same shape, same corners.

        This is the one comparison of grids. Affines are stored as float32 and pass
        through many tools, so that a hundredth of a voxel is rounding.

        Args:
            other: Any grid.
            tolerance: Largest `distance`, in voxels.
        """
        return self.shape == other.shape and self.distance(other) <= tolerance


def homogeneous(matrix: Float[np.ndarray, "d+1 d+1"]) -> Float[np.ndarray, "4 4"]:
    """A homogeneous matrix of the plane or of space as one of space.

    Args:
        matrix: `(3, 3)` or `(4, 4)`, the last row 0, …, 0, 1.

    Returns:
        float64; a matrix of the plane leaves z as it is.

    Raises:
        ValueError: If the shape or the last row is another, or the matrix is not finite
            or singular.
    """
    given = np.asarray(matrix, np.float64)
    if given.shape not in ((3, 3), (4, 4)):
        raise ValueError(f"a homogeneous matrix is 3×3 or 4×4, got {given.shape}.")
    full = np.eye(4)
    kept = [0, 1, 2, 3] if len(given) == 4 else [0, 1, 3]
    full[np.ix_(kept, kept)] = given
    if not np.isfinite(full).all() or np.any(full[3] != [0, 0, 0, 1]):
        raise ValueError(
            "a homogeneous matrix is finite and ends with the row 0, …, 0, 1, got "
            f"{given.tolist()}."
        )
    if abs(np.linalg.det(full)) <= 1e-9 * np.prod(voxel_sizes(full)):
        raise ValueError(f"the matrix is singular: {given.tolist()}.")
    return full
