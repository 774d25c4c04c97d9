"""The result of a registration: what it moved, how far, and how to move more."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment import Alignment
from autoreg_jax.data import (
    Volume,
    read_image,
    read_labels,
    write_volume,
)
from autoreg_jax.errors import GeometryError
from autoreg_jax.files import write_json
from autoreg_jax.geometry._world import sample_world, world_coordinates
from autoreg_jax.inference._labels import sample_labels
from autoreg_jax.inference._outputs import output_paths
from autoreg_jax.transforms import Grid, Transform

Interpolation = Literal["linear", "nearest", "label"]


@dataclass(frozen=True, eq=False)
class Registered:
    """A pair of images after registration.

    Attributes:
        fixed: The fixed image as it was given.
        moving: The moving image as it was given.
        moved: The moving image on the grid of the fixed one, sampled once, in its own
            intensities, zero where it has no voxels.
        displacement_mm: u at every voxel of the fixed image, `(*space, 3)` in mm along
            R, A, S: what lies at x in the fixed image lies at x + u(x) in the moving
            one. A 2-D image has three components, too: its plane has a place in the
            world. An alignment is part of it.
        folding_fraction: Part of the voxels where u folds space, in [0, 1].
        similarity_before: Mean local correlation of fixed and moving image, in [0, 1].
        similarity: The same of fixed and moved image.
        seconds: Time of the computation, with any compilation, without files.
        refined_steps: Steps of the optimisation on this pair.
        model: Folder of the model; None without one, or if it never was on disk.
        alignment: The linear map that was found beforehand; None if none was sought.
        is_aligned: Whether it was used.
        warnings: What speaks against the result, sentences.
    """

    fixed: Volume
    moving: Volume
    moved: Volume
    displacement_mm: Float[np.ndarray, "*space 3"]
    folding_fraction: float
    similarity_before: float
    similarity: float
    seconds: float
    refined_steps: int = 0
    model: Path | None = None
    alignment: Alignment | None = None
    is_aligned: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def transform(self) -> Transform:
        """The map from fixed to moving, with files for ITK, ANTs and Learn2Reg."""
        grid = Grid(self.fixed.shape, self.fixed.affine)
        return Transform.displacement(self.displacement_mm, grid)

    def apply(
        self, volume: Volume | Path | str, interpolation: Interpolation = "linear"
    ) -> Volume:
        """Bring another image or label map of the moving subject to the fixed grid.

        Args:
            volume: On any grid, in the world of the moving image.
            interpolation: "linear" for images; for label maps "label" (the label with
                the largest linear share, smoother) or "nearest".

        Returns:
            The volume on the fixed grid, 0 where the given one has no voxels.

        Raises:
            DataError: If the file cannot be used.
            GeometryError: If its number of axes is another.
            ValueError: If `interpolation` is unknown.
        """
        if interpolation not in ("linear", "nearest", "label"):
            raise ValueError(
                'interpolation must be "linear", "nearest" or "label", got '
                f"{interpolation!r}."
            )
        if not isinstance(volume, Volume):
            is_image = interpolation == "linear"
            volume = read_image(volume) if is_image else read_labels(volume)
        if volume.ndim != self.fixed.ndim:
            raise GeometryError(
                f"{volume.path or 'the volume'} has {volume.ndim} axes, the registered "
                f"images have {self.fixed.ndim}."
            )
        points = world_coordinates(self.fixed.shape, self.fixed.affine)
        points = points + self.displacement_mm
        if interpolation == "label":
            array = sample_labels(volume, points)
        else:
            order = 1 if interpolation == "linear" else 0
            array = sample_world(volume, points, order)
        return Volume(array, self.fixed.affine)

    def apply_to_points(
        self, points: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, "n 3"]:
        """Where points of the fixed image lie in the moving one: x + u(x).

        Args:
            points: World positions in the fixed image, mm along R, A, S.

        Returns:
            World positions in the moving image. Beyond the fixed image u is that of the
            nearest voxel.

        Raises:
            ValueError: If the shape is another.
        """
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise ValueError(f"points have the shape (n, 3), got {points.shape}.")
        vectors = np.moveaxis(self.displacement_mm, -1, 0)
        moved = [
            sample_world(Volume(part, self.fixed.affine), points, boundary="edge")
            for part in vectors
        ]
        return points + np.stack(moved, -1)

    def summary(self) -> dict[str, Any]:
        """The numbers of this registration, as `summary.json` holds them."""
        length = np.linalg.norm(self.displacement_mm, axis=-1)
        return {
            "fixed": self.fixed.path,
            "moving": self.moving.path,
            "model": self.model,
            "refined_steps": self.refined_steps,
            "similarity_before": self.similarity_before,
            "similarity": self.similarity,
            "displacement_mean_mm": float(length.mean()),
            "displacement_max_mm": float(length.max()),
            "folding_fraction": self.folding_fraction,
            "seconds": self.seconds,
            "alignment": self.alignment and self.alignment.summary(),
            "is_aligned": self.is_aligned,
            "warnings": self.warnings,
        }

    def save(
        self,
        prefix: Path | str | None = None,
        *,
        moved: Path | str | None = None,
        displacement: Path | str | None = None,
        labels: Volume | None = None,
    ) -> tuple[Path, ...]:
        """Write the results, each file whole or not at all.

        Args:
            prefix: What the names begin with: "out_" writes `out_moved.nii.gz`,
                `out_displacement.nii.gz` and `out_summary.json`. One that ends in "/",
                or an existing folder, is a folder.
            moved: Another name for the moved image; without a prefix it is written
                alone.
            displacement: The same for the displacement, also in a file of ITK (`.h5`,
                `.tfm`, `.txt`) or Learn2Reg (`.npz`).
            labels: Label map of the moving image, to be moved and, with a prefix,
                written as `out_moved_labels.nii.gz`.

        Returns:
            The files.

        Raises:
            ConfigError: If a name has the ending of no such file, is that of an input,
                or nothing is to be written.
        """
        given = (self.fixed, self.moving, labels)
        inputs = [v.path for v in given if v is not None and v.path is not None]
        paths = output_paths(
            prefix,
            moved=moved,
            displacement=displacement,
            with_labels=labels is not None,
            inputs=inputs,
        )
        if "moved" in paths:
            write_volume(paths["moved"], self.moved)
        if "displacement" in paths:
            self.transform.write(paths["displacement"])
        if labels is not None and "labels" in paths:
            write_volume(paths["labels"], self.apply(labels, "label"))
        if "summary" in paths:
            write_json(paths["summary"], self.summary())
        return tuple(paths.values())
