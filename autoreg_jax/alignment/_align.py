"""Rigid and affine alignment of two images, and whether it can be trusted."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment._pyramid import make_pyramid
from autoreg_jax.alignment._search import Estimate, search
from autoreg_jax.alignment._similarity import information, quality
from autoreg_jax.errors import ConfigError, GeometryError
from autoreg_jax.geometry import Volume, check_axes, check_field_of_view
from autoreg_jax.runtime import in_single_precision

# With fewer points a joint histogram is mostly noise.
_POINTS_FOR_INFORMATION = 1000
# What an alignment must reach to be trusted. Measured on brains, knees, lungs and
# hippocampi: the information inside the object is 0.55 to 0.97 for right ones, up to
# 0.37 for noise and for pairs of different anatomies; the best wrong answer has up to
# 0.83 of the information of a right one, and above 0.93 of that of another wrong one.
_LEAST_INFORMATION, _LARGEST_RIVAL = 0.42, 0.9
_LEAST_OVERLAP, _LARGEST_STRETCH = 0.5, 1.5
# Headers that reach this fraction of the information of the best map are good enough.
# Brains that were aligned beforehand reach 0.84 and more, 4 mm beside that 0.69; up to
# there registration alone ends at the same Dice or a better one, since an alignment
# costs an interpolation.
_GOOD_HEADER = 0.7

Masks = tuple[Volume | None, Volume | None]


@dataclass(frozen=True, eq=False)
class Alignment:
    """A linear map from one image to another.

    Attributes:
        matrix: World position in the fixed image to world position in the moving one,
            mm, RAS+, `(4, 4)`.
        score: Similarity after it, in [0, 1]: the correlation for "ncc", and for "mi"
            the correlation of Gaussian intensities with the same mutual information.
        score_before: Similarity if the headers alone place the images.
        is_trusted: Whether it passed all plausibility checks.
        reason: The first check that failed, a sentence; empty if none did.
        metric: "ncc" or "mi".
        overlap: Fraction of the fixed object inside the moving image, in [0, 1].
    """

    matrix: Float[np.ndarray, "4 4"]
    score: float
    score_before: float
    is_trusted: bool
    reason: str
    metric: str
    overlap: float

    @property
    def is_needed(self) -> bool:
        """Whether the images agree measurably worse without it."""
        before, after = (
            -0.5 * math.log(1 - min(score, 0.9999) ** 2)
            for score in (self.score_before, self.score)
        )
        return before < _GOOD_HEADER * after

    def summary(self) -> dict[str, Any]:
        """The fields as values for JSON."""
        return {**asdict(self), "matrix": self.matrix.tolist()}


@dataclass(frozen=True, eq=False)
class Prealignment:
    """How the moving image is placed before a deformable registration.

    Attributes:
        alignment: The alignment that was found; None if none was sought.
        is_used: Whether it places the moving image; otherwise the headers do.
        warnings: Warnings for the user, sentences.
    """

    alignment: Alignment | None = None
    is_used: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def turn(self) -> float:
        """Angle of the rotation by which the moving image is turned, degrees."""
        if self.alignment is None or not self.is_used:
            return 0.0
        left, _, right = np.linalg.svd(self.alignment.matrix[:3, :3])
        cosine = (np.trace(left @ right) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def place(self, volume: Volume) -> Volume:
        """A volume in the world of the moving image, moved into that of the fixed."""
        if self.alignment is None or not self.is_used:
            return volume
        matrix = np.linalg.inv(self.alignment.matrix)
        return Volume(volume.array, matrix @ volume.affine, volume.path)

    def place_points(
        self, points: Float[np.ndarray, "n 3"]
    ) -> Float[np.ndarray, "n 3"]:
        """Points in the world of the moving image, mm, moved into the fixed one."""
        if self.alignment is None or not self.is_used:
            return points
        matrix = np.linalg.inv(self.alignment.matrix)
        return points @ matrix[:3, :3].T + matrix[:3, 3]


@in_single_precision
def align(
    fixed: Volume,
    moving: Volume,
    *,
    kind: Literal["affine", "rigid"] = "affine",
    metric: Literal["auto", "mi", "ncc"] = "auto",
    masks: Masks = (None, None),
    is_near: bool = False,
) -> Alignment:
    """Find the rigid or affine map that aligns two images of one anatomy.

    About a thousand rotations around the centres of mass, and the headers, are compared
    at a coarse resolution; the best are optimised from coarse to fine by
    Levenberg-Marquardt steps, first rigidly, then affinely. The images may differ in
    orientation, spacing and world. Few programs are compiled for two and for three
    axes, once for all shapes.

    Args:
        fixed: The fixed image, 2-D or 3-D.
        moving: The moving image, with the same number of axes.
        kind: "rigid" (rotation and translation) or "affine" (with scales and shears).
        metric: "mi", mutual information, for any contrasts; "ncc", correlation, for one
            contrast; "auto" is "mi" unless the images have too few voxels for it.
        masks: Of the fixed and the moving image, on any grid: compare only where they
            are above 0; None compares everywhere.
        is_near: The headers are nearly right, as for the images of a time series: the
            map is sought from there alone, in a fraction of the time, and another one
            that is almost as good is not noticed.

    Returns:
        The map and a verdict. A doubtful map is returned as well: check `is_trusted`.

    Raises:
        ConfigError: If an option has an unknown value.
        GeometryError: If one image is 2-D and the other 3-D, or two slices lie in
            different planes.
    """
    if kind not in ("affine", "rigid"):
        raise ConfigError(f'kind: must be "affine" or "rigid", got {kind!r}.')
    if metric not in ("auto", "mi", "ncc"):
        raise ConfigError(f'metric: must be "auto", "mi" or "ncc", got {metric!r}.')
    check_axes(fixed, moving)
    pyramid = make_pyramid(fixed, moving, *masks)
    finest = pyramid.levels[-1]
    if metric == "auto":
        is_small = np.sum(finest.weights) < _POINTS_FOR_INFORMATION
        metric = "ncc" if is_small else "mi"
    found = search(pyramid, metric, is_rigid=kind == "rigid", is_near=is_near)
    inside, overlap = jax.device_get(quality(finest, found.matrix.astype(np.float32)))
    reason = _failed_check(found, float(inside), float(overlap))
    return Alignment(
        matrix=pyramid.world_matrix(found.matrix),
        score=_score(found.loss, metric),
        score_before=_score(found.header_loss, metric),
        is_trusted=not reason,
        reason=reason,
        metric=metric,
        overlap=float(overlap),
    )


def prealign(
    fixed: Volume,
    moving: Volume,
    affine: Literal["auto", "rigid", "affine", "none"],
    masks: Masks = (None, None),
) -> Prealignment:
    """Align a pair if that is requested, or if it is measurably better.

    Args:
        fixed: The fixed image.
        moving: The moving image.
        affine: "rigid" and "affine" always use the alignment, "none" never seeks one;
            "auto" uses an affine alignment if it is measurably better and trusted, or
            if by the headers the images share too little to compare.
        masks: Of the fixed and the moving image, as for `align`.

    Returns:
        How the moving image is placed.

    Raises:
        GeometryError: If one image is 2-D and the other 3-D, if two slices lie in
            different planes, or if the placed images share too little to compare.
    """
    if affine == "none":
        check_axes(fixed, moving)
        return Prealignment(warnings=check_field_of_view(fixed, moving))
    kind = "rigid" if affine == "rigid" else "affine"
    found = align(fixed, moving, kind=kind, masks=masks)
    if affine != "auto":
        doubt = f"the {affine} alignment is not trusted: {found.reason}."
        return _aligned(fixed, moving, found, doubt)
    doubt = (
        "the images may be misaligned, but the alignment that was found is not "
        f"trusted: {found.reason}; "
    )
    try:
        few = check_field_of_view(fixed, moving)
    except GeometryError:
        # Where the headers leave nothing to compare, any alignment is better.
        doubt += "it was used, since by the headers the images lie apart."
        return _aligned(fixed, moving, found, doubt)
    if found.is_needed and found.is_trusted:
        return _aligned(fixed, moving, found)
    if found.is_needed:
        few = (f"{doubt}the positions in the headers were used.", *few)
    return Prealignment(found, warnings=few)


def _aligned(
    fixed: Volume, moving: Volume, found: Alignment, doubt: str = ""
) -> Prealignment:
    """An alignment that is used, with its doubt if it is not trusted."""
    result = Prealignment(found, is_used=True)
    few = check_field_of_view(fixed, result.place(moving), is_aligned=True)
    return replace(result, warnings=few if found.is_trusted else (doubt, *few))


def _score(loss: float, metric: str) -> float:
    """A loss as a correlation in [0, 1]; 0 for a map that is rejected."""
    if not math.isfinite(loss):
        return 0.0
    return math.sqrt(1 - math.exp(-2 * information(loss, metric)))


def _failed_check(found: Estimate, information_inside: float, overlap: float) -> str:
    """The first plausibility check that a map fails; empty if it passes all."""
    size = len(found.matrix) - 1
    linear = found.matrix[:size, :size]
    if not np.isfinite(found.matrix).all() or np.linalg.det(linear) <= 0:
        return "no invertible map was found"
    stretches = np.linalg.svd(linear)[1]
    if overlap < _LEAST_OVERLAP:
        return (
            f"only {overlap:.0%} of the fixed object lies in the field of view of the "
            "moving image"
        )
    if max(stretches[0], 1 / stretches[-1]) > _LARGEST_STRETCH:
        return (
            f"it scales by {stretches[-1]:.2f} to {stretches[0]:.2f}, more than images "
            "of one anatomy differ"
        )
    if information_inside < _LEAST_INFORMATION:
        return (
            f"the images agree little inside the object ({information_inside:.2f}, "
            f"below {_LEAST_INFORMATION})"
        )
    if found.rival_ratio > _LARGEST_RIVAL:
        return "another, quite different map is almost as good"
    return ""
