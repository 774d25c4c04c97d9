"""What judges λ without labels: agreement of the images, and folds above a budget."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.losses._mind import mind_loss
from autoreg_jax.spatial import jacobian_determinant, warp

# Width of the step from unfolded to folded, in units of the determinant: at rest (1) a
# voxel counts as 5e-5 of a fold, so a smooth field is free of charge.
_SOFTNESS = 0.1

# A percent of folded voxels above the budget costs as much as a MIND loss of 0.1, more
# than any registration gains.
_PENALTY = 10.0


def soft_folding_fraction(
    displacement: Float[Array, "b *space d"],
) -> Float[Array, ""]:
    """Fraction of folded voxels with a gradient: the mean of σ(−det ∇φ / 0.1).

    A voxel counts as a whole fold where its determinant is well below zero, as half a
    one where it is zero, and hardly at all near one.

    Args:
        displacement: u of φ(x) = x + u(x), in voxels.

    Returns:
        A scalar between 0 and 1, the mean over the batch.

    Examples:
        >>> bool(soft_folding_fraction(jnp.zeros((1, 4, 4, 2))) < 1e-4)
        True
    """
    return jnp.mean(jax.nn.sigmoid(-jacobian_determinant(displacement) / _SOFTNESS))


def agreement_loss(
    fixed: Float[Array, "b *space 1"],
    moving: Float[Array, "b *space 1"],
    displacement: Float[Array, "b *space d"],
    folding_budget: float = 0.005,
) -> Float[Array, ""]:
    """How badly a registration explains two images, by a measure it does not minimise.

        mind_loss(fixed, moving ∘ φ) + 10 · max(0, soft_folding_fraction(u) − budget)

    MIND compares structure, not intensity, so that a loss built on NCC cannot flatter
    itself; and since any similarity can be bought with folds, those above the budget
    are dearer than what they can gain.

    Args:
        fixed: Intensities in [0, 1].
        moving: The same for the moving image.
        displacement: At full resolution, in voxels.
        folding_budget: Fraction of folded voxels that is free of charge.

    Returns:
        A non-negative scalar.
    """
    excess = jax.nn.relu(soft_folding_fraction(displacement) - folding_budget)
    return mind_loss(fixed, warp(moving, displacement)) + _PENALTY * excess
