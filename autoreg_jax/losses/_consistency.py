"""Whether the two directions of a pair undo each other."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.spatial import compose


def inverse_consistency_loss(
    displacement: Float[Array, "b *space d"], opposite: Float[Array, "b *space d"]
) -> Float[Array, ""]:
    """Mean squared length of the way there and back (Christensen and Johnson, 2001).

    Args:
        displacement: u in voxels, from fixed to moving.
        opposite: w in voxels, of the swapped pair. At the border u repeats its edge.

    Returns:
        The mean of ‖w(x) + u(x + w(x))‖² in voxels², 0 for inverse maps.

    Examples:
        >>> shift = jnp.ones((1, 4, 4, 2))
        >>> float(inverse_consistency_loss(shift, -shift))
        0.0
        >>> float(inverse_consistency_loss(shift, 0 * shift))
        2.0
    """
    both = compose(displacement, opposite)
    return jnp.mean(jnp.sum(both**2, axis=-1))
