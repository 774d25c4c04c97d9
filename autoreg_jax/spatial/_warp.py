"""Moving an image along a displacement, and following one displacement by another."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from autoreg_jax.ops import sample_cubic, sample_linear, sample_nearest


def identity_grid(shape: Sequence[int]) -> Float[Array, "*space d"]:
    """Coordinates of every voxel, in voxels: the map φ(x) = x.

    Args:
        shape: Number of voxels of each axis.

    Returns:
        Component i is the index along axis i.

    Examples:
        >>> identity_grid((2, 3))[1, 2]
        Array([1., 2.], dtype=float32)
    """
    axes = [jnp.arange(size, dtype=jnp.float32) for size in shape]
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)


def warp(
    image: Shaped[Array, "b *in_space c"],
    displacement: Float[Array, "b *space d"],
    *,
    interpolation: str = "linear",
    boundary: str = "zeros",
) -> Shaped[Array, "b *space c"]:
    """Pull `image` back along a displacement: moved(x) = image(x + u(x)).

    Args:
        image: The moving image, or one-hot or integer labels.
        displacement: u in voxels of `image`, on the grid of the result.
        interpolation: "linear"; "cubic" without its kinks at the voxels, several
            times dearer; or "nearest" for label maps (zeros outside, dtype kept, no
            derivative with respect to the displacement).
        boundary: What "linear" and "cubic" meet outside: "zeros" or "edge", see
            `ops.sample_linear`.

    Returns:
        The moved image on the grid of `displacement`.

    Raises:
        ValueError: If `interpolation` or `boundary` is unknown.
        ValueError: If "nearest" is asked with a boundary other than "zeros".
    """
    grid = identity_grid(displacement.shape[1:-1])[None]
    coordinates = grid.astype(displacement.dtype) + displacement
    if interpolation == "linear":
        return sample_linear(image, coordinates, boundary=boundary)
    if interpolation == "cubic":
        return sample_cubic(image, coordinates, boundary=boundary)
    if interpolation != "nearest":
        raise ValueError(
            'interpolation must be "linear", "cubic" or "nearest", got '
            f"{interpolation!r}."
        )
    if boundary != "zeros":
        raise ValueError(
            f'interpolation "nearest" has zeros outside, got boundary {boundary!r}.'
        )
    return sample_nearest(image, coordinates)


def compose(
    outer: Float[Array, "b *space d"],
    inner: Float[Array, "b *space d"],
    *,
    boundary: str = "edge",
) -> Float[Array, "b *space d"]:
    """Displacement of φ_outer ∘ φ_inner, that is x ↦ φ_outer(φ_inner(x)).

    With φ(x) = x + u(x) it is u(x) = inner(x) + outer(x + inner(x)). For images,
    which pull back, the *outer* map acts first: `warp(image, compose(outer, inner))`
    is `warp(warp(image, outer), inner)` without the second interpolation.

    Args:
        outer: Displacement in voxels, sampled at φ_inner(x).
        inner: Displacement in voxels, on the same grid.
        boundary: Values of `outer` outside the grid: "edge" or "zeros".

    Returns:
        The displacement of the composition, in voxels.

    Raises:
        ValueError: If `boundary` is unknown.
    """
    return inner + warp(outer, inner, boundary=boundary)
