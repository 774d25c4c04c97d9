"""`autoreg apply`."""

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from autoreg_jax.cli._show import show_json, show_line
from autoreg_jax.errors import ConfigError, GeometryError

if TYPE_CHECKING:
    from autoreg_jax.geometry import Volume
    from autoreg_jax.transforms import Transform

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Apply:
    """Apply transforms to an image, a label map or points.

    Transforms are ITK's (.tfm, .txt, .mat, .h5), displacements in NIfTI (of autoreg,
    ANTs, ITK and Slicer) and Learn2Reg's (.npz), in the order of antsApplyTransforms:
    the last one is the first that the image goes through. Points of the moving image
    (CSV with columns x, y, z, mm, RAS) take the same -t as the image and move with it.

    Examples:
      autoreg apply -i moving.nii.gz -r fixed.nii.gz -t out_displacement.nii.gz -o a.nii
      autoreg apply -i labels.nii.gz -r fixed.nii.gz -n label -o moved_labels.nii.gz \
-t 1Warp.nii.gz 0GenericAffine.mat
      autoreg apply -i fixed.nii.gz -r moving.nii.gz -t [0GenericAffine.mat,1] \
1InverseWarp.nii.gz -o back.nii.gz
      autoreg apply -i points.csv -t 1Warp.nii.gz 0GenericAffine.mat -o moved.csv
    """

    input: Annotated[Path, tyro.conf.arg(aliases=["-i"], metavar="IMAGE|LABELS|CSV")]
    """Image or label map (NIfTI) or points (CSV) of the moving subject."""

    transform: Annotated[
        tyro.conf.UseAppendAction[tuple[tuple[str, ...], ...]],
        tyro.conf.arg(aliases=["-t"], metavar="FILE|[FILE,1] ..."),
    ] = ()
    """Transforms; [FILE,1] is the inverse of one."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="PATH")]
    """Name of the result."""

    reference: Annotated[
        Path | None, tyro.conf.arg(aliases=["-r"], metavar="IMAGE")
    ] = None
    """Image on whose grid the result lies; points need none."""

    interpolation: Annotated[
        Literal["linear", "nearest", "label"], tyro.conf.arg(aliases=["-n"])
    ] = "linear"
    """label: the label with the largest linear share."""

    inverse: bool = False
    """Apply the inverse of all transforms together."""

    layout: Annotated[
        Literal["ants", "ras", "learn2reg"] | None,
        tyro.conf.arg(metavar="ants|ras|learn2reg"),
    ] = None
    """Of displacements in NIfTI whose header is wrong: mm LPS, mm RAS or voxels."""

    json: bool = False
    """Print JSON instead of a line."""

    after_interrupt = "Nothing was written."

    def run(self) -> int:
        """Read, apply, write."""
        words = [word for group in self.transform for word in group]
        is_table = self.input.name.lower().endswith(".csv")
        self._check(words, is_table)
        from autoreg_jax import data, transforms

        reference = data.read_image(self.reference) if self.reference else None
        grid = reference.grid if reference else None
        whole = transforms.read_chain(words, layout=self.layout, grid=grid)
        if self.inverse:
            whole = whole.inverse()
        if is_table:
            points = transforms.read_points(self.input)
            if points.positions.shape[1] < whole.ndim:
                raise GeometryError(
                    f"{self.input}: has no column z, which a transform of space needs."
                )
            moved = whole.points_to_fixed(points.positions)
            transforms.write_points(
                self.output, dataclasses.replace(points, positions=moved)
            )
        elif reference is not None:
            data.write_volume(self.output, self._resampled(whole, reference))
        if self.json:
            show_json({"output": self.output, "transforms": words})
        else:
            show_line("written", self.output)
        return 0

    def _check(self, words: list[str], is_table: bool) -> None:
        """Refuse a command that cannot be carried out."""
        from autoreg_jax.transforms import split_word

        if not words:
            raise ConfigError("no transform is given; name one or more with -t.")
        if not is_table and self.reference is None:
            raise ConfigError("an image needs a grid to lie on; name one with -r.")
        allowed = (".csv",) if is_table else (".nii", ".nii.gz")
        if not self.output.name.lower().endswith(allowed):
            raise ConfigError(
                f"{self.output}: the name of the output must end in "
                f"{' or '.join(allowed)}."
            )
        inputs = [self.input, self.reference, *(split_word(word)[0] for word in words)]
        taken = {path.resolve() for path in inputs if path is not None}
        if self.output.resolve() in taken:
            raise ConfigError(f"{self.output}: is an input; choose another name.")

    def _resampled(self, whole: "Transform", reference: "Volume") -> "Volume":
        """The image on the grid of the reference."""
        from autoreg_jax import data, geometry

        read = data.read_image if self.interpolation == "linear" else data.read_labels
        image = read(self.input)
        if image.ndim != reference.ndim:
            raise GeometryError(
                f"{self.input} has {image.ndim} axes and {self.reference} has "
                f"{reference.ndim}; give two slices or two volumes."
            )
        if whole.ndim < image.ndim:
            raise GeometryError(
                f"{self.input} is a volume, and the transforms are of a plane; give "
                "transforms of space."
            )
        array = whole.apply(image.array, image.grid, reference.grid, self.interpolation)
        if image.array.any() and not array.any():
            _LOGGER.warning(
                "%s: nothing of it lies on the grid of %s; is the order or the "
                "direction of the transforms wrong?",
                self.input,
                self.reference,
            )
        return geometry.Volume(array, reference.affine)
