"""The stationary velocity whose flow is a given displacement."""

from jax import lax
from jaxtyping import Array, Float

from autoreg_jax.spatial._warp import compose, integrate


def logarithm(
    displacement: Float[Array, "b *space d"],
    num_iterations: int = 4,
    num_steps: int = 7,
) -> Float[Array, "b *space d"]:
    """The velocity v with exp(v) = φ, by fixed-point iteration.

    v ← v + (log(exp(-v) ∘ φ) + log(φ ∘ exp(-v))) / 2, where the logarithm of what is
    left is its displacement to first order (Bossa et al., MICCAI 2007). The terms of
    second order of the two sides, ± [v, ·] / 2, cancel. It converges for maps without
    folds that are not far from the identity, as registrations of one anatomy are;
    others have no logarithm. Outside of the grid the displacement repeats its edge.

    Args:
        displacement: u of φ(x) = x + u(x), voxels.
        num_iterations: Number of iterations, ≥ 1; one gives u itself. With many the
            errors of the interpolation add up.
        num_steps: Squarings of each exponential, see `integrate`.

    Returns:
        v in voxels: `integrate(v, num_steps, boundary="edge")` is close to u.

    Raises:
        ValueError: If `num_iterations` is below 1.

    Examples:
        >>> import jax.numpy as jnp
        >>> shift = jnp.full((1, 4, 4, 2), 0.5)
        >>> bool(jnp.allclose(logarithm(shift), 0.5))
        True
    """
    if num_iterations < 1:
        raise ValueError(f"num_iterations must be at least 1, got {num_iterations}.")

    def improve(velocity, _):
        back = integrate(-velocity, num_steps, boundary="edge")
        left = compose(back, displacement) + compose(displacement, back)
        return velocity + left / 2, None

    return lax.scan(improve, displacement, length=num_iterations - 1)[0]
