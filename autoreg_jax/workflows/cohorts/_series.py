"""Motion correction: the images of a time series brought to one position."""

import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from autoreg_jax.data import (
    Image,
    Series,
    normalize_intensity,
    read_series,
)
from autoreg_jax.errors import ConfigError, DataError
from autoreg_jax.geometry import Volume
from autoreg_jax.inference import RegistrationModel, load_model
from autoreg_jax.losses import SIMILARITIES
from autoreg_jax.runtime import in_single_precision, owns
from autoreg_jax.transforms import Transform
from autoreg_jax.workflows.cohorts._deformable import (
    Found,
    linear_map,
    mean_velocity,
    register_members,
    updated,
)
from autoreg_jax.workflows.cohorts._linear import align_members
from autoreg_jax.workflows.cohorts._members import Member
from autoreg_jax.workflows.cohorts._motion import mean_map
from autoreg_jax.workflows.cohorts._rounds import UNFINISHED
from autoreg_jax.workflows.cohorts._series_outputs import (
    CorrectedSeries,
    write_corrected,
)

__all__ = ["register_series"]

# Width of the Gaussian that smooths what is aligned, voxels.
_WIDTH = 1.0


@in_single_precision
@owns("folder")
def register_series(  # noqa: PLR0913
    series: Image,
    folder: Path | str,
    *,
    affine: Literal["rigid", "affine"] = "rigid",
    deformable: bool = False,
    reference: int | None = None,
    rounds: int = 2,
    model: RegistrationModel | Path | str | None = None,
    refine: int | None = None,
    similarity: str | None = None,
    smoothness: float | None = None,
    max_memory: str | float | None = None,
) -> CorrectedSeries:
    """Bring the images of a time series to one position.

    Each image is aligned to the mean of all, from where it is. The position that all
    are brought to is the mean of theirs, by the logarithms of their maps, so that no
    time point is favoured; the mean in this position is what the next round aligns to.
    With a reference, that image is what the others are aligned to, and stays as it is.

    The folder gets, all at once:

    - `corrected.nii.gz`, each image interpolated once, and `mean.nii.gz`;
    - `motion.tsv`: for each image `trans_x`, `trans_y`, `trans_z` (mm), `rot_x`,
      `rot_y`, `rot_z` (degrees; the columns have the names of fMRIPrep, which gives
      radians) and `framewise_displacement` (mm; n/a for the first); `motion.json` says
      the units. What lies at x in the common position lies at c + R (x - c) + t in the
      image, R = R_z R_y R_x, c the centre of the grid, along R, A, S of the world;
    - `transforms/volume_NNNN_affine.mat` and `volume_NNNN_displacement.nii.gz`, for
      `autoreg apply`; the latter if it is deformable;
    - `summary.json`.

    Args:
        series: Four axes, the last of them time, see `data.read_series`.
        folder: For the results; those of an earlier call are replaced.
        affine: "rigid" for the motion of a head, "affine" with scales and shears.
        deformable: Also register deformably, after the alignment.
        reference: Index of an image, from 0, or from the end if negative: the others
            are brought to its position; default: to the mean position.
        rounds: Number of alignments to the mean, ≥ 1; a reference needs one.
        model: Trained network of the deformable registration, as for `register`.
        refine: As for `register`.
        similarity: Of the deformable registration, as for `register`. The alignment
            compares by correlation: all images have one contrast.
        smoothness: As for `register`.
        max_memory: As for `register`.

    Returns:
        The corrected series, and the motion.

    Raises:
        ArtifactError: If the model cannot be read, or another process owns the folder.
        ConfigError: If an option is out of its range, or one of the deformable
            registration is given without it.
        DataError: If it is no time series, or one of its images is constant.
        GeometryError: If the images share too little to compare.
        MemoryNeededError: If there is too little memory.
        NonFiniteError: If a displacement is not finite.
    """
    folder = Path(folder)
    given = {"model": model, "refine": refine, "similarity": similarity}
    given |= {"smoothness": smoothness}
    _check(affine, rounds, given, deformable=deformable)
    begin = time.perf_counter()
    read = read_series(series)
    members = _members(read)
    if reference is not None and not -len(read) <= reference < len(read):
        raise ConfigError(
            f"reference: the series has {len(read)} images, 0 to {len(read) - 1}; got "
            f"{reference}."
        )
    if isinstance(model, Path | str):
        given["model"] = load_model(model)
    at = None if reference is None else reference % len(read)
    matrices, doubts = _aligned(read, members, affine, at, rounds)
    found, velocity = None, None
    if deformable:
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        fixed = _mean(read, members, matrices) if at is None else read.at(at)
        moving = [m for place, m in enumerate(members) if place != at]
        options = {**given, "max_memory": max_memory}
        found = register_members(
            fixed, moving, matrices, folder / UNFINISHED, **options
        )
        velocity = mean_velocity(found) if at is None else None
    transforms = _transforms(read, members, matrices, found, velocity)
    summary = {
        "series": read.path,
        "images": len(read),
        "affine": affine,
        "deformable": deformable,
        "reference": at,
        "warnings": doubts,
        "seconds": time.perf_counter() - begin,
    }
    result = write_corrected(folder, read, transforms, matrices, summary)
    shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    return result


def _check(
    affine: str, rounds: int, given: Mapping[str, Any], *, deformable: bool
) -> None:
    """Refuse options that are out of their range."""
    if affine not in ("rigid", "affine"):
        raise ConfigError(f"affine: must be rigid or affine, got {affine!r}.")
    if rounds < 1:
        raise ConfigError(f"rounds: must be at least 1, got {rounds}.")
    unused = [name for name, value in given.items() if value is not None]
    if unused and not deformable:
        raise ConfigError(
            f"{', '.join(unused)}: of a deformable registration; ask for one "
            "(deformable, --deformable), or leave it out."
        )
    if deformable and given["refine"] == 0 and given["model"] is None:
        raise ConfigError("refine: 0 steps and no model register nothing; give one.")
    known = (None, "auto", *SIMILARITIES)
    if given["similarity"] not in known:
        raise ConfigError(
            f"similarity: must be one of {', '.join(known[1:])}, got "
            f"{given['similarity']!r}."
        )


def _members(series: Series) -> list[Member]:
    """The images, each of which shows something."""
    found = []
    for index in range(len(series)):
        image = series.at(index)
        if image.array.min() == image.array.max():
            raise DataError(
                f"{series.path or 'the series'}: all voxels of image {index} are "
                f"{image.array.flat[0]:g}; leave it out."
            )
        found.append(Member(f"volume_{index:04d}", image))
    return found


def _aligned(
    series: Series,
    members: Sequence[Member],
    kind: Literal["rigid", "affine"],
    reference: int | None,
    rounds: int,
) -> tuple[dict[str, Float[np.ndarray, "4 4"]], list[str]]:
    """Maps from the common position to the images, and what is doubtful."""
    matrices = {member.name: np.eye(4) for member in members}
    members = [Member(m.name, _smoothed(m.image)) for m in members]
    found = {}
    for _ in range(rounds if reference is None else 1):
        if reference is None:
            fixed, moving = _mean(series, members, matrices), members
        else:
            fixed = members[reference].image
            moving = [m for place, m in enumerate(members) if place != reference]
        found = align_members(fixed, moving, matrices, kind, metric="ncc", is_near=True)
        matrices |= {name: one.matrix for name, one in found.items()}
        if reference is None:
            inverse = np.linalg.inv(mean_map([*matrices.values()]))
            matrices = {name: matrix @ inverse for name, matrix in matrices.items()}
    doubts = [
        f"{name}: the {kind} alignment is not trusted: {one.reason}."
        for name, one in found.items()
        if not one.is_trusted
    ]
    return matrices, doubts


def _smoothed(image: Volume) -> Volume:
    """An image whose noise is as strong between the voxels as at them.

    Linear interpolation averages noise away between voxels, so that maps which avoid
    the voxels would look better than they are: 0.4 instead of 0.1 degrees are lost in
    the phantom of the tests.
    """
    array = ndimage.gaussian_filter(image.array, _WIDTH, mode="nearest")
    return Volume(array, image.affine, image.path, image.space)


def _mean(
    series: Series,
    members: Sequence[Member],
    matrices: Mapping[str, Float[np.ndarray, "4 4"]],
) -> Volume:
    """The mean of the images along their maps, where all of them show something."""
    grid, total = series.grid, np.zeros(series.grid.shape)
    for member in members:
        transform = linear_map(matrices[member.name], member.image)
        image = normalize_intensity(member.image.array)
        total += transform.apply(image, grid, grid)
    array = (total / len(members)).astype(np.float32)
    return Volume(array, series.affine, space=series.space)


def _transforms(
    series: Series,
    members: Sequence[Member],
    matrices: Mapping[str, Float[np.ndarray, "4 4"]],
    found: Found | None,
    velocity: Float[np.ndarray, "*space d"] | None,
) -> list[Transform]:
    """From the common position to each image; the displacements lie on the grid."""
    back = velocity
    if back is None:
        back = np.zeros((*series.grid.shape, series.grid.ndim), np.float32)
    transforms = []
    for member in members:
        transform = linear_map(matrices[member.name], member.image)
        if found is not None:
            # The reference of the others was not registered to itself.
            path = found[member.name][0] if member.name in found else None
            vectors = updated(series.grid, back, path)
            transform = transform @ Transform.displacement(vectors, series.grid)
        transforms.append(transform)
    return transforms
