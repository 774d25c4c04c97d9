"""The result of a registration: the map, and what can be done with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment import Alignment
from autoreg_jax.data import Image, read_image, read_labels
from autoreg_jax.errors import GeometryError
from autoreg_jax.geometry import Interpolation, Volume
from autoreg_jax.inference._fill import Fill, moved_image
from autoreg_jax.inference._shown import ShownPair
from autoreg_jax.inference.channels import Channel
from autoreg_jax.inference.optimisation import ComparedBy
from autoreg_jax.inference.trust import Trust
from autoreg_jax.inference.writing import (
    Extra,
    InverseError,
    Page,
    grid_image,
    inverse_error,
    output_paths,
    summary_of,
    write_results,
)
from autoreg_jax.transforms import Transform


@dataclass(frozen=True, eq=False, repr=False)
class Registered(ShownPair):
    """A pair of images after registration.

    Everything that is moved goes through `transform`, so that images, label maps,
    points and files agree with `autoreg apply` and with ITK.

    Attributes:
        fixed: The fixed image as it was given.
        moving: The moving image as it was given.
        transform: φ, the map from fixed to moving, which also writes files for other
            programs. After an alignment it is a chain: a displacement on the fixed
            grid, then the affine map, which goes on where the displacement ends.
        folding_fraction: Fraction of the voxels where φ folds space, in [0, 1].
        similarity_before: Mean local correlation of fixed and moving image, in [0, 1].
        similarity: Mean local correlation of fixed and moved image.
        seconds: Time of the computation, with compilation, without files.
        refined_steps: Steps of the optimisation on this pair.
        compared_by: The similarity of the optimisation, and why.
        coarsening: How often the grid of the optimisation was halved for the memory.
        smoothness: Factor on the usual weight of the smoothness.
        model: Folder of the model; None without one, or if it never was on disk.
        alignment: The linear map that was found beforehand; None if none was sought.
        is_aligned: Whether the alignment was used.
        warnings: Reasons to doubt the result, sentences.
        fill: Value of `moved` where the moving image has no voxels, see `apply`.
        trust: Whether it looks like a registration that succeeded; None for an
            alignment alone, after which other subjects still differ.
        more_channels: Further images of both subjects as they were given. Unless it
            says otherwise, what is told of the images is told of the first ones.
        uncertainty: How far several registrations of the pair are apart, mm, on the
            fixed grid, see `register`; None if it was not asked for.
    """

    fixed: Volume
    moving: Volume
    transform: Transform
    folding_fraction: float
    similarity_before: float
    similarity: float
    seconds: float
    refined_steps: int = 0
    compared_by: ComparedBy | None = None
    coarsening: int = 0
    smoothness: float = 1.0
    model: Path | None = None
    alignment: Alignment | None = None
    is_aligned: bool = False
    warnings: tuple[str, ...] = ()
    fill: Fill = None
    trust: Trust | None = None
    more_channels: tuple[Channel, ...] = ()
    uncertainty: Volume | None = None

    @cached_property
    def displacement_mm(self) -> Float[np.ndarray, "*space 3"]:
        """u(x) = φ(x) - x at every voxel of the fixed image, float32.

        In mm along R, A, S: what lies at x in the fixed image lies at x + u(x) in the
        moving one. It holds the whole map, an alignment too, and says nothing about
        places beyond the fixed grid; for those use `transform`. A 2-D image has three
        components, too: its plane has a place in the world.
        """
        vectors = self.transform.displacement_on(self.fixed.grid, np.float32)
        return vectors.astype(np.float32, copy=False)

    @cached_property
    def moved(self) -> Volume:
        """The moving image on the fixed grid, interpolated once, its own intensities.

        Where the moving image has no voxels it is `fill`, 0 by default.
        """
        return self.apply(self.moving, fill=self.fill)

    @property
    def moved_channels(self) -> tuple[Volume, ...]:
        """`moved`, and the further moving images on the fixed grid."""
        more = (self.apply(c.moving, fill=self.fill) for c in self.more_channels)
        return self.moved, *more

    @cached_property
    def inverse_displacement_mm(self) -> Float[np.ndarray, "*space 3"]:
        """v(y) = φ⁻¹(y) - y at every voxel of the moving image, float32.

        In mm along R, A, S, of the whole map, an alignment and `init` too: what lies at
        y in the moving image lies at y + v(y) in the fixed one. Where φ folds or is too
        steep, the nearest point that was found; `inverse_error` measures it.
        """
        inverse = self.transform.inverse(exact=False)
        vectors = inverse.displacement_on(self.moving.grid, np.float32)
        return vectors.astype(np.float32, copy=False)

    @cached_property
    def inverse_moved(self) -> Volume:
        """The fixed image on the moving grid, interpolated once, filled as `moved`."""
        grid = self.moving.grid
        inverse = Transform.displacement(self.inverse_displacement_mm, grid)
        array = moved_image(inverse, self.fixed, grid, self.fill)
        return Volume(array, self.moving.affine, space=self.moving.space)

    def inverse_error(self) -> InverseError:
        """How well `inverse_displacement_mm` inverts the map, see `InverseError`."""
        return inverse_error(
            self.displacement_mm,
            self.fixed.grid,
            self.inverse_displacement_mm,
            self.moving.grid,
        )

    def grid_image(self) -> Volume:
        """A regular grid, drawn on the moving image and deformed with it.

        As the deformed grids of ITK and ANTs: 0 on its lines (in 3-D planes), 255 far
        from them, uint8 on the fixed grid. The lines follow the axes of the moving
        image, one through its first voxel, and are 8 voxels apart, of the coarser of
        the two images along each axis. They have no end.
        """
        fixed, moving = self.fixed, self.moving
        array = grid_image(self.displacement_mm, fixed.grid, moving.grid)
        return Volume(array, fixed.affine, space=fixed.space)

    def apply(
        self,
        volume: Image,
        interpolation: Interpolation = "linear",
        *,
        fill: Fill = None,
    ) -> Volume:
        """Bring another image or label map of the moving subject to the fixed grid.

        Args:
            volume: A file or an image in memory, see `data.read_image`, on any grid,
                in the world of the moving image.
            interpolation: "linear" for images; for label maps "label" (the label with
                the largest linear share, smoother) or "nearest".
            fill: Value of an image where the given one has no voxels: a number, or
                "auto" for its smallest value if that is below 0, as in CT; default: 0,
                with a warning if it has values below. Label maps get 0.

        Returns:
            The volume on the fixed grid, as `Transform.apply` returns it.

        Warns:
            ImageWarning: If no `fill` is given and the image has values below 0.

        Raises:
            DataError: If the file cannot be used.
            GeometryError: If its number of axes is another.
            ValueError: If `interpolation` is unknown.
        """
        volume = (read_image if interpolation == "linear" else read_labels)(volume)
        if volume.ndim != self.fixed.ndim:
            raise GeometryError(
                f"{volume.path or 'the volume'} has {volume.ndim} axes, the registered "
                f"images have {self.fixed.ndim}."
            )
        grid = self.fixed.grid
        if interpolation == "linear":
            array = moved_image(self.transform, volume, grid, fill)
        else:
            array = self.transform.apply(volume.array, volume.grid, grid, interpolation)
        return Volume(array, self.fixed.affine, space=self.fixed.space)

    def points_to_moving(
        self, points: Float[np.ndarray, "*n 3"]
    ) -> Float[np.ndarray, "*n 3"]:
        """`Transform.points_to_moving`: where points of the fixed image went."""
        return self.transform.points_to_moving(points)

    def points_to_fixed(
        self, points: Float[np.ndarray, "*n 3"]
    ) -> Float[np.ndarray, "*n 3"]:
        """`Transform.points_to_fixed`: where points of the moving image came from."""
        return self.transform.points_to_fixed(points)

    def jacobian_determinant(self) -> Float[np.ndarray, "*space"]:
        """`Transform.jacobian_determinant` at the voxels of the fixed image."""
        return self.transform.jacobian_determinant(self.fixed.grid)

    def summary(self) -> dict[str, Any]:
        """The numbers of this registration, as `summary.json` holds them."""
        return summary_of(self)

    def save(
        self,
        prefix: Path | str | None = None,
        *,
        moved: Path | str | None = None,
        displacement: Path | str | None = None,
        labels: Volume | None = None,
        one_field: bool = False,
        extra: Sequence[Extra] = (),
    ) -> tuple[Path, ...]:
        """Write the results, each file whole or not at all.

        Args:
            prefix: Prefix of the file names: "out_" writes `out_moved.nii.gz`,
                `out_displacement.nii.gz` and `out_summary.json`, and after an alignment
                `out_affine.mat`, the ITK affine map that follows the displacement. A
                prefix that ends in "/", or an existing folder, is a folder.
            moved: Another name for the moved image; without a prefix it is written
                alone. The second channel is `out_moved_2.nii.gz`, and so on.
            displacement: One file for the whole map instead: `.h5`, `.tfm` or `.txt`
                (ITK) hold the displacement and the affine map; `.nii.gz` and `.npz`
                (Learn2Reg) one displacement, which ends with the fixed grid.
            labels: Label map of the moving image; with a prefix it is moved and written
                as `out_moved_labels.nii.gz`.
            one_field: `out_displacement.nii.gz` holds the whole map and there is no
                `out_affine.mat`.
            extra: With a prefix, what else is written: "inverse" writes
                `out_inverse_displacement.nii.gz` and `out_inverse_moved.nii.gz` on the
                grid of the moving image, "jacobian" `out_jacobian.nii.gz`, the
                determinant of the whole map on the fixed grid, "grid"
                `out_grid.nii.gz`, see `grid_image`, and "uncertainty"
                `out_uncertainty.nii.gz`, if the pair was registered with it.

        Returns:
            The files.

        Raises:
            ConfigError: If a name has an unknown ending or is an input, no output is
                named, or `extra` is unknown, has no prefix, or was not computed.
        """
        more = [image for channel in self.more_channels for image in channel]
        given = (self.fixed, self.moving, labels, *more)
        inputs = [v.path for v in given if v is not None and v.path is not None]
        paths = output_paths(
            prefix,
            moved=moved,
            displacement=displacement,
            with_labels=labels is not None,
            extra=extra,
            inputs=inputs,
            channels=1 + len(self.more_channels),
        )
        one_field = one_field or displacement is not None
        return self.write(paths, labels, one_field=one_field)

    def write(
        self,
        paths: Mapping[str, Path],
        labels: Volume | None = None,
        *,
        one_field: bool = False,
        summary: Mapping[str, Any] | None = None,
        page: Page | None = None,
    ) -> tuple[Path, ...]:
        """Write the results to the paths of `output_paths`, all or none, see `save`.

        An affine map that an earlier run has left under the name of this one's is
        removed if this run has none.

        Args:
            paths: From `output_paths`.
            labels: Label map of the moving image.
            one_field: As for `save`.
            summary: Numbers for `summary.json`; default: `summary()`, with an inverse
                also the numbers of `inverse_error`.
            page: Makes the page, for "report"; `report.pair_page` is one.

        Returns:
            The files that were written.
        """
        return write_results(self, paths, labels, one_field, summary, page)
