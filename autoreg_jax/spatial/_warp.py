"""Moving an image along a displacement; composing, integrating, inverting it."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
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


def integrate(
    velocity: Float[Array, "b *space d"],
    num_steps: int = 7,
    *,
    boundary: str = "zeros",
) -> Float[Array, "b *space d"]:
    """Displacement of φ = exp(v) by scaling and squaring.

    φ starts as id + v / 2^n and is composed with itself n times (Arsigny et al.,
    MICCAI 2006; the paper takes n = 7).

    Args:
        velocity: Stationary velocity v, in voxels.
        num_steps: n, the number of squarings.
        boundary: Displacement met outside the grid: "zeros" (the published code) lets
            the flow stop there, "edge" continues it.

    Returns:
        The displacement u with φ(x) = x + u(x), in voxels.

    Raises:
        ValueError: If `num_steps` is negative or `boundary` is unknown.

    Examples:
        >>> velocity = jnp.full((1, 4, 4, 2), 0.5)
        >>> bool(jnp.allclose(integrate(velocity, boundary="edge"), 0.5))
        True
    """
    if num_steps < 0:
        raise ValueError(f"num_steps must not be negative, got {num_steps}.")

    def square(displacement, _):
        return compose(displacement, displacement, boundary=boundary), None

    # A gradient that keeps corners and weights of every step spends its time on memory:
    # to compute them again takes a third less time and a sixth of the memory.
    again = jax.checkpoint(square, prevent_cse=False)
    return lax.scan(again, velocity / 2**num_steps, length=num_steps)[0]


def invert(
    displacement: Float[Array, "b *space d"], num_iterations: int = 20
) -> Float[Array, "b *space d"]:
    """Displacement of φ⁻¹ by fixed-point iteration.

    w ← -u(x + w) converges where u is a contraction (Chen et al., Medical Physics
    2008), which smooth fields without folds mostly are; the error shrinks by the
    Lipschitz constant of u at each iteration. Outside the grid u repeats its edge.

    Args:
        displacement: u in voxels.
        num_iterations: Number of iterations.

    Returns:
        w with φ(x + w(x)) ≈ x, in voxels.
    """

    def improve(inverse, _):
        return -warp(displacement, inverse, boundary="edge"), None

    start = jnp.zeros_like(displacement)
    return lax.scan(improve, start, length=num_iterations)[0]
