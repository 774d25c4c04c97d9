"""How plausible a deformation is: folds and the spread of local volume change."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from autoreg_jax.spatial import jacobian_determinant

# Bounds of the determinant before its logarithm, as in the Learn2Reg challenge: a fold
# counts as an extreme shrinkage instead of making the measure undefined.
_SMALLEST, _LARGEST = 1e-9, 1e9


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

    The determinant is clipped to [1e-9, 1e9] first, so folds make the measure large
    and never undefined.

    Args:
        displacement: u in voxels.
        mask: Voxels that count; all of them by default.

    Returns:
        A scalar, 0 for any affine map; NaN where the mask is empty.
    """
    determinant = jacobian_determinant(displacement)
    return jnp.std(jnp.log(jnp.clip(determinant, _SMALLEST, _LARGEST)), where=mask)
