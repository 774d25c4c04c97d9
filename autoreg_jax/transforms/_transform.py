"""A transform of the world: made, combined, inverted, applied, read and written."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num

from autoreg_jax.geometry import Grid, Interpolation, sample
from autoreg_jax.transforms._shown import ShownTransform
from autoreg_jax.transforms.formats import (
    FORMATS,
    Format,
    ImagePair,
    Layout,
    read_links,
    write_links,
)
from autoreg_jax.transforms.links import (
    Affine,
    Displacement,
    Link,
    Velocity,
    as_displacement,
    determinant,
    inverted,
    map_points,
    over_grid,
)

__all__ = ["Transform"]


@dataclass(frozen=True, eq=False, repr=False)
class Transform(ShownTransform):
    """A map φ of the world, millimetres RAS+, from the fixed image to the moving one.

    It pulls back: `moved(p) = moving(φ(p))` for every p of the fixed image. So an image
    of the moving subject is brought to the fixed one by φ itself, and a point of the
    moving subject by the inverse of φ: `apply` and `points_to_fixed` both go from
    moving to fixed, `points_to_moving` goes from fixed to moving. What happens at a
    border is said in `autoreg_jax.geometry.sample`.

    `a @ b` is a after b, `(a @ b)(p) = a(b(p))`: if b maps fixed points to a middle
    image and a maps those to the moving image, a @ b maps fixed to moving.

    Attributes:
        links: Maps, the last is applied first, as in ITK; none for the identity.

    Examples:
        >>> shift = Transform.affine(np.array([[1.0, 0, 3], [0, 1, 0], [0, 0, 1]]))
        >>> double = Transform.affine(np.diag([2.0, 2.0, 1.0]))
        >>> (shift @ double)([[1.0, 1.0]]).tolist()
        [[5.0, 2.0]]
        >>> (shift @ double).points_to_fixed([[5.0, 2.0]]).tolist()
        [[1.0, 1.0]]
    """

    links: tuple[Link, ...] = ()

    @classmethod
    def affine(cls, matrix: Float[np.ndarray, "d+1 d+1"]) -> "Transform":
        """φ(p) = M p.

        Args:
            matrix: Homogeneous, `(4, 4)`, or `(3, 3)` for the plane of x and y.

        Raises:
            ValueError: If it is not a finite, invertible homogeneous matrix.
        """
        return cls((Affine(matrix),))

    @classmethod
    def displacement(
        cls, vectors: Float[np.ndarray, "*space d"], grid: Grid, *, voxels: bool = False
    ) -> "Transform":
        """φ(p) = p + u(p), the identity outside of the grid.

        Args:
            vectors: u at the voxels, in mm along R, A, S; on a plane with two
                components or three.
            grid: Where the voxels lie.
            voxels: The vectors count voxels along the axes of the grid instead.

        Raises:
            ValueError: If the shapes do not agree or a vector is not finite.
        """
        return cls((Displacement(_millimetres(vectors, grid, voxels), grid),))

    @classmethod
    def velocity(
        cls, vectors: Float[np.ndarray, "*space d"], grid: Grid, *, voxels: bool = False
    ) -> "Transform":
        """φ = exp(v), the flow of a stationary velocity; else as `displacement`."""
        return cls((Velocity(_millimetres(vectors, grid, voxels), grid),))

    @classmethod
    def read(
        cls,
        path: Path | str,
        *,
        layout: Layout | None = None,
        grid: Grid | None = None,
        formats: Sequence[Format] = FORMATS,
        images: ImagePair | None = None,
    ) -> "Transform":
        """Read a transform of this package or another program, see CONVENTIONS.md.

        Args:
            path: The file.
            layout: Of a vector field in NIfTI, instead of what its header says: "ants"
                (mm, LPS), "ras" (mm, RAS), "positions" (mm, RAS, in the moving image),
                "learn2reg" (voxels) or "fsl".
            grid: Of the fixed image, for a displacement in voxels.
            formats: File formats that are known, as `(*FORMATS, mine)`.
            images: The images that a file of FSL or AFNI maps between.

        Warns:
            ImageWarning: If the file can be read in several ways.

        Raises:
            TransformError: If the file is missing, damaged, of an unknown kind or does
                not fit the grid.
        """
        return cls(read_links(Path(path), layout, grid, formats, images))

    @property
    def ndim(self) -> int:
        """2 if everything happens in the plane of the world's x and y, otherwise 3."""
        return max((link.ndim for link in self.links), default=2)

    def __matmul__(self, other: "Transform") -> "Transform":
        return Transform(self.links + other.links)

    def points_to_moving(
        self, points: Float[np.ndarray, "*n d"]
    ) -> Float[np.ndarray, "*n d"]:
        """φ(p): where points of the fixed image lie in the moving one.

        This is `TransformPoint` of ITK and `antsApplyTransformsToPoints`: the direction
        in which an image is looked up. Calling the transform does the same.

        Args:
            points: World positions in the fixed image, mm, RAS+, with three components;
                with two for a transform of the plane of x and y.

        Returns:
            World positions in the moving image, with as many components.

        Raises:
            TransformError: If an inverse displacement cannot be solved for.
            ValueError: If the points have another number of components.
        """
        given = np.asarray(points, np.float64)
        d = given.shape[-1] if given.ndim else 0
        if not self.ndim <= d <= 3:
            raise ValueError(
                f"points have 3 components, or 2 in a plane; a transform in "
                f"{self.ndim}-D got the shape {given.shape}."
            )
        flat = np.pad(given.reshape(-1, d), ((0, 0), (0, 3 - d)))
        return map_points(self.links, flat)[:, :d].reshape(given.shape)

    def __call__(self, points: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n d"]:
        """φ(p), see `points_to_moving`."""
        return self.points_to_moving(points)

    def points_to_fixed(
        self, points: Float[np.ndarray, "*n d"]
    ) -> Float[np.ndarray, "*n d"]:
        """Bring points of the moving subject to the fixed image, by the inverse of φ.

        This is the direction in which `apply` and the command `autoreg apply` move an
        image.

        Args:
            points: World positions in the moving image, mm, RAS+.

        Raises:
            TransformError: If a displacement folds there or is too steep.
            ValueError: If the points have another number of components.
        """
        return self.inverse().points_to_moving(points)

    def inverse(self, *, exact: bool = True) -> "Transform":
        """The map from moving to fixed.

        Affine maps are inverted exactly, velocities by exp(-v), displacements to 1e-4
        of a voxel; where those fold that fails or, unless `exact`, gives the nearest
        point that is found.
        """
        return Transform(inverted(self.links, exact=exact))

    def apply(
        self,
        image: Num[np.ndarray, "*space"],
        grid: Grid,
        reference: Grid,
        interpolation: Interpolation = "linear",
        *,
        fill: float = 0,
    ) -> Num[np.ndarray, "*reference"]:
        """Bring an image or a label map of the moving subject to a fixed grid.

        The image is interpolated once, at φ of each voxel, by the rule of
        `geometry.sample`. The memory does not grow with the number of labels.

        Args:
            image: Values of the moving image; channels may follow the axes of space.
            grid: Where its voxels lie.
            reference: Grid of the result.
            interpolation: "linear" for images; for label maps "label" (the label with
                the largest linear share) or "nearest".
            fill: Value outside of the image.

        Returns:
            Values on the reference grid, in the type of the image.

        Raises:
            TransformError: If an inverse displacement cannot be solved for.
            ValueError: If the image is not on its grid, one grid is 2-D and the other
                3-D, or the interpolation is unknown.
        """
        array = np.asarray(image)
        if array.shape[: grid.ndim] != grid.shape or array.ndim > grid.ndim + 1:
            raise ValueError(
                f"the shape {array.shape} does not fit the grid {grid.shape}."
            )
        if grid.ndim != reference.ndim:
            raise ValueError(
                f"an image with {grid.ndim} axes cannot be resampled to a grid with "
                f"{reference.ndim}."
            )
        channels = array.reshape(*grid.shape, -1)

        def values(_: np.ndarray, mapped: np.ndarray) -> np.ndarray:
            index = grid.to_voxels(mapped)
            at = partial(sample, index=index, interpolation=interpolation, fill=fill)
            return np.stack([at(part) for part in np.moveaxis(channels, -1, 0)], -1)

        found = over_grid(values, self.links, reference)
        return found.reshape(*reference.shape, *array.shape[grid.ndim :])

    def displacement_on(
        self, grid: Grid, dtype: type[np.floating] | None = None
    ) -> Float[np.ndarray, "*space 3"]:
        """u(p) = φ(p) - p at the voxels of a grid, in mm along R, A, S.

        Vectors that have to be computed are of `dtype`, by default float64.

        Raises:
            TransformError: If an inverse displacement cannot be solved for.
        """
        return as_displacement(self.links, grid, dtype).vectors

    def jacobian_determinant(self, grid: Grid) -> Float[np.ndarray, "*space"]:
        """Determinant of ∂φ/∂x at the voxels of a grid: local change of volume.

        Dimensionless, by central differences, one-sided at the border. Above one where
        the moving image is locally larger, zero or negative where φ folds.

        Raises:
            TransformError: If an inverse displacement cannot be solved for.
        """
        return determinant(over_grid(lambda _, q: q, self.links, grid), grid)

    def write(
        self,
        path: Path | str,
        *,
        layout: Layout | None = None,
        grid: Grid | None = None,
        formats: Sequence[Format] = FORMATS,
    ) -> Path:
        """Write a transform, whole or not at all.

        Args:
            path: `.mat` (ITK, an affine map), `.tfm`, `.txt` or `.h5` (ITK, any),
                `.nii`, `.nii.gz` (a displacement) or `.npz` (Learn2Reg).
            layout: Of a NIfTI file: "ras" (mm along R, A, S, as `autoreg register`
                writes it, the default), "ants" (mm along L, P, S) or "learn2reg"
                (voxels).
            grid: Of the displacement; default: that of the transform, if it has one.
            formats: File formats that are known, as for `read`.

        Raises:
            TransformError: If the format cannot hold the transform, or needs a grid.
        """
        return write_links(Path(path), self.links, layout, grid, formats)


def _millimetres(
    vectors: Float[np.ndarray, "*space d"], grid: Grid, voxels: bool
) -> Float[np.ndarray, "*space d"]:
    """Vectors of a field in the world; the field itself refuses a wrong shape."""
    given = np.asarray(vectors)
    has_components = given.shape[-1:] == (grid.ndim,)
    return grid.vectors_to_world(given) if voxels and has_components else given
