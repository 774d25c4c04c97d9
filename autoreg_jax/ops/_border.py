"""Grids that go on beyond their border."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def repeat_border(
    x: Float[Array, "b *space c"], widths: Sequence[int]
) -> Float[Array, "b *wider c"]:
    """More voxels on both sides of each space axis, those of the border repeated.

    `jnp.pad(x, ..., mode="edge")` also cuts and joins the axes that do not grow; of a
    batch that is divided over devices that moves images.

    Args:
        x: Any number of space axes, of any size ≥ 1.
        widths: Voxels to add on each side, ≥ 0, one number for each space axis.

    Returns:
        `x` in the middle of a larger grid.

    Examples:
        >>> repeat_border(jnp.arange(3.0).reshape(1, 3, 1), (2,))[0, :, 0]
        Array([0., 0., 0., 1., 2., 2., 2.], dtype=float32)
    """
    around = [*((width, width) for width in widths), (0, 0)]
    return jax.vmap(lambda image: jnp.pad(image, around, mode="edge"))(x)
