"""Scores on the device: overlap, similarity, distances in millimetres, regularity."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from autoreg_jax.ops import sample_linear
from autoreg_jax.spatial import compose, jacobian_determinant


def dice(
    fixed_labels: Int[Array, "*space"],
    moved_labels: Int[Array, "*space"],
    num_classes: int,
) -> Float[Array, " structure"]:
    """Dice coefficient 2 |A ∩ B| / (|A| + |B|) of every foreground class.

    Args:
        fixed_labels: Class index of every voxel, 0 is background.
        moved_labels: The same for the moved labels, same shape.
        num_classes: Number of classes, background included.

    Returns:
        Between 0 and 1, entry i for class i + 1; NaN where the structure is absent
        from both maps, so that means must be taken with `nanmean`.

    Examples:
        >>> dice(jnp.array([0, 1, 1, 2]), jnp.array([0, 1, 2, 2]), 4)
        Array([0.6666667, 0.6666667,       nan], dtype=float32)
    """
    classes = jnp.arange(1, num_classes, dtype=fixed_labels.dtype).reshape(-1, 1)
    fixed = fixed_labels.reshape(1, -1) == classes
    moved = moved_labels.reshape(1, -1) == classes
    overlap = jnp.sum(fixed & moved, axis=1)
    volume = jnp.sum(fixed, axis=1) + jnp.sum(moved, axis=1)
    both, total = (n.astype(jnp.float32) for n in (2 * overlap, volume))
    return jnp.where(volume > 0, both / jnp.maximum(total, 1), jnp.nan)


def correlation(
    fixed: Float[Array, "*any"],
    moved: Float[Array, "*any"],
    mask: Bool[Array, "*any"] | None = None,
) -> Float[Array, ""]:
    """Normalised cross-correlation over the whole image: Pearson's coefficient.

    Unlike `losses.local_ncc` it is signed and has no window.

    Args:
        fixed: Intensities of any scale.
        moved: The same shape.
        mask: Voxels that count, same shape; all of them by default.

    Returns:
        Between -1 and 1; NaN where one of the two is constant or the mask is empty.

    Examples:
        >>> ramp = jnp.arange(4.0)
        >>> float(correlation(ramp, 5 - 2 * ramp))
        -1.0
    """
    first, second = (x - jnp.mean(x, where=mask) for x in (fixed, moved))
    spread = jnp.mean(first**2, where=mask) * jnp.mean(second**2, where=mask)
    return jnp.mean(first * second, where=mask) / jnp.sqrt(spread)


def displacement_error(
    displacement: Float[Array, "b *space d"],
    truth: Float[Array, "b *space d"],
    spacing: Sequence[float] | Float[Array, " d"],
    mask: Bool[Array, "b *space"] | None = None,
) -> Float[Array, ""]:
    """Mean Euclidean distance between two displacements, in millimetres.

    Args:
        displacement: u in voxels.
        truth: The true displacement in voxels.
        spacing: Size of a voxel along each axis, mm.
        mask: Voxels that count; all of them by default.

    Returns:
        A scalar in mm; NaN where the mask is empty.
    """
    scale = jnp.asarray(spacing, displacement.dtype)
    scale = scale.reshape((1,) * (displacement.ndim - 1) + (-1,))
    distance = jnp.linalg.norm((displacement - truth) * scale, axis=-1)
    return jnp.mean(distance, where=mask)


def inverse_consistency_error(
    forward: Float[Array, "b *space d"],
    backward: Float[Array, "b *space d"],
    spacing: Sequence[float] | Float[Array, " d"],
    mask: Bool[Array, "b *space"] | None = None,
) -> Float[Array, ""]:
    """Mean distance of φ_backward(φ_forward(x)) from x, in millimetres.

    Args:
        forward: u of the moving onto the fixed image, in voxels.
        backward: u of the fixed onto the moving image, on the same grid.
        spacing: Size of a voxel along each axis, mm.
        mask: Voxels x that count; all of them by default.

    Returns:
        A scalar in mm, 0 for exact inverses; NaN where the mask is empty.

    References:
        Christensen and Johnson, IEEE Transactions on Medical Imaging 2001.
    """
    scale = jnp.asarray(spacing, forward.dtype)
    scale = scale.reshape((1,) * (forward.ndim - 1) + (-1,))
    distance = jnp.linalg.norm(compose(backward, forward) * scale, axis=-1)
    return jnp.mean(distance, where=mask)


def target_registration_error(
    displacement: Float[Array, "b *space d"],
    fixed_points: Float[Array, "b k d"],
    moving_points: Float[Array, "b k d"],
    spacing: Sequence[float] | Float[Array, " d"],
) -> Float[Array, "b k"]:
    """Distance of x + u(x) from the corresponding landmark, for each landmark x.

    Landmarks of the fixed image are carried into the moving one, where the
    displacement points; u is interpolated linearly and repeats its edge outside.

    Args:
        displacement: u in voxels.
        fixed_points: Landmarks of the fixed image, voxels.
        moving_points: The same landmarks in the moving image, voxels.
        spacing: Size of a voxel along each axis, mm.

    Returns:
        Distances in mm, NaN for a point that is NaN; take their mean for the usual TRE.
    """
    vectors = sample_linear(displacement, fixed_points, boundary="edge")
    scale = jnp.asarray(spacing, displacement.dtype).reshape(1, 1, -1)
    return jnp.linalg.norm((fixed_points + vectors - moving_points) * scale, axis=-1)


# As in the evaluation code of the Learn2Reg challenge, which says no more about them.
_SHIFT, _SMALLEST, _LARGEST, _BORDER = 3.0, 1e-9, 1e9, 2


def folding_fraction(
    displacement: Float[Array, "b *space d"],
    mask: Bool[Array, "b *space"] | None = None,
) -> Float[Array, ""]:
    """Fraction of the voxels where the Jacobian determinant is zero or negative.

    Args:
        displacement: u in voxels.
        mask: Voxels that count; all of them by default.

    Returns:
        A scalar between 0 and 1; NaN where the mask is empty.
    """
    folded = jacobian_determinant(displacement) <= 0
    return jnp.mean(folded.astype(jnp.float32), where=mask)


def log_jacobian_std(
    displacement: Float[Array, "b *space d"],
    mask: Bool[Array, "b *space"] | None = None,
) -> Float[Array, ""]:
    """Standard deviation of the logarithm of the Jacobian determinant (SDlogJ).

    Over the voxels where the determinant is positive: a fold has no logarithm, and
    `folding_fraction` counts it.

    Args:
        displacement: u in voxels.
        mask: Voxels that count; all of them by default.

    Returns:
        A scalar, 0 for any affine map; NaN where nothing is left.
    """
    determinant = jacobian_determinant(displacement)
    is_positive = determinant > 0
    logarithm = jnp.log(jnp.where(is_positive, determinant, 1.0))
    return jnp.std(logarithm, where=is_positive if mask is None else is_positive & mask)


def learn2reg_log_jacobian_std(
    displacement: Float[Array, "b *space d"],
    mask: Bool[Array, "b *space"] | None = None,
) -> Float[Array, ""]:
    """SDlogJ as the Learn2Reg challenge computes it, for comparison with its tables.

    The standard deviation of log(clip(det + 3, 1e-9, 1e9)) without two voxels at each
    border. Because of the 3 it is about a quarter of `log_jacobian_std` for a small
    deformation, and folds hardly count.

    Args:
        displacement: u in voxels.
        mask: Voxels that count; all of them by default.

    Returns:
        A scalar, 0 for any affine map; NaN where nothing is left.

    References:
        Hering et al., IEEE Transactions on Medical Imaging 2023; `evaluation/utils.py`
        of github.com/MDL-UzL/L2R.
    """
    inside = (slice(None), *(slice(_BORDER, -_BORDER),) * displacement.shape[-1])
    determinant = jacobian_determinant(displacement)[inside] + _SHIFT
    logarithm = jnp.log(jnp.clip(determinant, _SMALLEST, _LARGEST))
    return jnp.std(logarithm, where=None if mask is None else mask[inside])
