"""Aligns two images rigidly or affinely, however they lie in the world."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from autoreg_jax.alignment._levels import Scene, make_scene, world_matrix
from autoreg_jax.alignment._search import Found, information, search_map
from autoreg_jax.alignment._similarity import Quality, quality
from autoreg_jax.data import Volume
from autoreg_jax.errors import ConfigError
from autoreg_jax.geometry._field_of_view import check_axes

# With fewer points a joint histogram is mostly noise.
_POINTS_FOR_INFORMATION = 1000
# What an alignment must reach to be trusted. Measured on brains, knees, lungs and
# hippocampi: right ones tell 0.55 to 0.97 inside, images that do not belong together
# and noise up to 0.37; the best wrong answer has up to 0.83 of the information of a
# right one, and above 0.93 of that of another wrong one.
_LEAST_INFORMATION, _LARGEST_RIVAL = 0.42, 0.9
_LEAST_OVERLAP, _LARGEST_STRETCH = 0.5, 1.5
# Headers that reach this part of the information of the best map are good enough.
# Brains that were aligned beforehand tell 0.84 and more, 4 mm beside that 0.69; up to
# there registration alone ends at the same Dice or a better one, since an alignment
# costs an interpolation.
_GOOD_HEADER = 0.7


@dataclass(frozen=True, eq=False)
class Alignment:
    """A linear map from one image to another.

    Attributes:
        matrix: World position in the fixed image to world position in the moving one,
            mm, RAS+, `(4, 4)`.
        score: Similarity after it, in [0, 1]: the correlation, or the correlation that
            Gaussian intensities of the same mutual information would have.
        score_before: The same where the headers alone put the images.
        is_trusted: Whether nothing speaks against it.
        reason: What speaks against it, a sentence; empty if nothing does.
        metric: "ncc" or "mi".
        overlap: Part of the fixed object that lies inside the moving image, in [0, 1].
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
        """Its fields as JSON knows them."""
        return {**asdict(self), "matrix": self.matrix.tolist()}


def align(
    fixed: Volume,
    moving: Volume,
    *,
    kind: Literal["affine", "rigid"] = "affine",
    metric: Literal["auto", "mi", "ncc"] = "auto",
    masks: tuple[Volume | None, Volume | None] | None = None,
) -> Alignment:
    """Find the rigid or affine map that brings two images of one anatomy together.

    Some thousand rotations around the centres of mass, and the headers, are compared on
    a coarse level; the best are followed to finer ones by Levenberg-Marquardt steps,
    first rigid, then affine. Neither orientation nor spacing nor a common world is
    needed. A few programs are compiled for two and for three axes, once for all shapes.

    Args:
        fixed: The image that stays, 2-D or 3-D.
        moving: The image that is sought for, of as many axes.
        kind: "rigid" (turn and shift) or "affine" (with scales and shears).
        metric: "mi", mutual information, for any contrasts; "ncc", correlation, for one
            contrast; "auto" is "mi" unless the images have too few voxels for it.
        masks: Where each image counts (above 0), on any grid; None counts everywhere.

    Returns:
        The map, with a verdict. It is never withheld: look at `is_trusted`.

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
    scene = make_scene(fixed, moving, *(masks or (None, None)))
    if metric == "auto":
        is_small = np.sum(scene.levels[-1].weights) < _POINTS_FOR_INFORMATION
        metric = "ncc" if is_small else "mi"
    found = search_map(scene, metric, is_rigid=kind == "rigid")
    judged = jax.device_get(quality(scene.levels[-1], found.matrix.astype(np.float32)))
    reason = _doubt(scene, found, judged)
    return Alignment(
        matrix=world_matrix(scene, found.matrix),
        score=_score(found.loss, metric),
        score_before=_score(found.header_loss, metric),
        is_trusted=not reason,
        reason=reason,
        metric=metric,
        overlap=float(judged.overlap),
    )


def _score(loss: float, metric: str) -> float:
    """A loss as a correlation in [0, 1]; 0 where a map is not admissible."""
    if not math.isfinite(loss):
        return 0.0
    return math.sqrt(1 - math.exp(-2 * information(loss, metric)))


def _doubt(scene: Scene, found: Found, judged: Quality) -> str:
    """The first thing that speaks against a map."""
    size = len(found.matrix) - 1
    linear = found.matrix[:size, :size]
    if not np.isfinite(found.matrix).all() or np.linalg.det(linear) <= 0:
        return "no invertible map was found"
    stretches = np.linalg.svd(linear)[1]
    if judged.overlap < _LEAST_OVERLAP:
        return (
            f"only {judged.overlap:.0%} of the fixed object lies in the field of view "
            "of the moving image"
        )
    if max(stretches[0], 1 / stretches[-1]) > _LARGEST_STRETCH:
        return (
            f"it scales by {stretches[-1]:.2f} to {stretches[0]:.2f}, more than images "
            "of one anatomy differ"
        )
    if judged.information_inside < _LEAST_INFORMATION:
        return (
            f"the images agree little inside of the object "
            f"({judged.information_inside:.2f}, where {_LEAST_INFORMATION} is needed)"
        )
    if found.rival_ratio > _LARGEST_RIVAL:
        return "another, quite different map is almost as good"
    return ""
