"""How plausible a deformation is: folds and the spread of local volume change."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from autoreg_jax.spatial import jacobian_determinant

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
