"""The result of a registration: the map, and what can be done with it."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment import Alignment
from autoreg_jax.data import read_image, read_labels, write_volume
from autoreg_jax.errors import GeometryError, ImageWarning
from autoreg_jax.files import together, write_json
from autoreg_jax.geometry import Interpolation, Volume
from autoreg_jax.inference._fill import Fill, moved_image
from autoreg_jax.inference._outputs import output_paths
from autoreg_jax.transforms import Affine, Displacement, Transform

_LOGGER = logging.getLogger(__name__)
# Fraction of the volume of moved labels below which something may be wrong.
_LITTLE = 0.25


@dataclass(frozen=True, eq=False)
class Registered:
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
        seconds: Time of the computation, including compilation, without files and the
            moved image.
        refined_steps: Steps of the optimisation on this pair.
        smoothness: Factor on the usual weight of the smoothness.
        model: Folder of the model; None without one, or if it never was on disk.
        alignment: The linear map that was found beforehand; None if none was sought.
        is_aligned: Whether the alignment was used.
        warnings: Reasons to doubt the result, sentences.
        fill: Value of `moved` where the moving image has no voxels, see `apply`.
    """

    fixed: Volume
    moving: Volume
    transform: Transform
    folding_fraction: float
    similarity_before: float
    similarity: float
    seconds: float
    refined_steps: int = 0
    smoothness: float = 1.0
    model: Path | None = None
    alignment: Alignment | None = None
    is_aligned: bool = False
    warnings: tuple[str, ...] = ()
    fill: Fill = None

    @cached_property
    def displacement_mm(self) -> Float[np.ndarray, "*space 3"]:
        """u(x) = φ(x) - x at every voxel of the fixed image, float32.

        In mm along R, A, S: what lies at x in the fixed image lies at x + u(x) in the
        moving one. It holds the whole map, an alignment too, and says nothing about
        places beyond the fixed grid; for those use `transform`. A 2-D image has three
        components, too: its plane has a place in the world.
        """
        vectors = self.transform.displacement_on(self.fixed.grid)
        return vectors.astype(np.float32, copy=False)

    @cached_property
    def moved(self) -> Volume:
        """The moving image on the fixed grid, interpolated once, its own intensities.

        Where the moving image has no voxels it is `fill`, 0 by default.
        """
        return self.apply(self.moving, fill=self.fill)

    def apply(
        self,
        volume: Volume | Path | str,
        interpolation: Interpolation = "linear",
        *,
        fill: Fill = None,
    ) -> Volume:
        """Bring another image or label map of the moving subject to the fixed grid.

        Args:
            volume: On any grid, in the world of the moving image.
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
        if not isinstance(volume, Volume):
            is_image = interpolation == "linear"
            volume = read_image(volume) if is_image else read_labels(volume)
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
        length = np.linalg.norm(self.displacement_mm, axis=-1)
        return {
            "fixed": self.fixed.path,
            "moving": self.moving.path,
            "model": self.model,
            "refined_steps": self.refined_steps,
            "smoothness": self.smoothness,
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
        one_field: bool = False,
    ) -> tuple[Path, ...]:
        """Write the results, each file whole or not at all.

        Args:
            prefix: Prefix of the file names: "out_" writes `out_moved.nii.gz`,
                `out_displacement.nii.gz` and `out_summary.json`, and after an alignment
                `out_affine.mat`, the ITK affine map that follows the displacement. A
                prefix that ends in "/", or an existing folder, is a folder.
            moved: Another name for the moved image; without a prefix it is written
                alone.
            displacement: One file for the whole map instead: `.h5`, `.tfm` or `.txt`
                (ITK) hold the displacement and the affine map; `.nii.gz` and `.npz`
                (Learn2Reg) one displacement, which ends with the fixed grid.
            labels: Label map of the moving image; with a prefix it is moved and written
                as `out_moved_labels.nii.gz`.
            one_field: `out_displacement.nii.gz` holds the whole map and there is no
                `out_affine.mat`.

        Returns:
            The files.

        Raises:
            ConfigError: If a name has an unknown ending or is an input, or no output
                is named.
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
        one_field = one_field or displacement is not None
        return self.write(paths, labels, one_field=one_field)

    def write(
        self,
        paths: Mapping[str, Path],
        labels: Volume | None = None,
        *,
        one_field: bool = False,
        summary: Mapping[str, Any] | None = None,
    ) -> tuple[Path, ...]:
        """Write the results to the paths of `output_paths`, all or none, see `save`.

        An affine map that an earlier run has left under the name of this one's is
        removed if this run has none.

        Args:
            paths: From `output_paths`.
            labels: Label map of the moving image.
            one_field: As for `save`.
            summary: Numbers for `summary.json`; default: `summary()`.

        Returns:
            The files that were written.
        """
        written = []
        with together():
            if "moved" in paths:
                written.append(write_volume(paths["moved"], self.moved))
            if "displacement" in paths:
                written += self._write_map(paths, one_field=one_field)
            if labels is not None and "labels" in paths:
                moved_labels = self.apply(labels, "label")
                _say_what_is_lost(labels, moved_labels, self.fixed)
                written.append(write_volume(paths["labels"], moved_labels))
            if "summary" in paths:
                write_json(paths["summary"], summary or self.summary())
                written.append(paths["summary"])
        if "displacement" in paths:
            _remove_earlier(paths.get("affine"), written)
        return tuple(written)

    def _write_map(self, paths: Mapping[str, Path], *, one_field: bool) -> list[Path]:
        """Write the map as one file, or as a displacement and what follows it."""
        path, follows = paths["displacement"], paths.get("affine")
        match self.transform.links:
            case (Affine() as affine, *rest) if follows and not one_field:
                # In space, as the vectors of the displacement are, also for a plane.
                Transform.affine(affine.full).write(follows)
                before = Transform(tuple(rest)).displacement_on(self.fixed.grid)
                field = Displacement(before, self.fixed.grid, followed_by=follows.name)
                return [Transform((field,)).write(path), follows]
        return [self.transform.write(path, grid=self.fixed.grid)]


def _remove_earlier(affine: Path | None, written: Sequence[Path]) -> None:
    """Remove the affine map of an earlier run, if this one has none."""
    if affine and affine not in written and affine.is_file():
        affine.unlink()
        _LOGGER.warning(
            "%s: of an earlier run, removed: this run has no affine map beside the "
            "displacement.",
            affine,
        )


def _say_what_is_lost(labels: Volume, moved: Volume, fixed: Volume) -> None:
    """Warn if little of a label map is left on the fixed grid."""
    before, after = (
        np.count_nonzero(v.array) * np.prod(v.spacing) / 1000 for v in (labels, moved)
    )
    if after < _LITTLE * before:
        warnings.warn(
            f"{labels.path or 'the moving labels'}: {after:.3g} of {before:.3g} ml are "
            f"left on the grid of {fixed.path or 'the fixed image'}; the rest lies "
            "outside of it. Check the headers.",
            ImageWarning,
            stacklevel=3,
        )
