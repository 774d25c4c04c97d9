"""Values of an image between its voxels by cubic convolution."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from autoreg_jax.ops._sample import interpolate


def sample_cubic(
    image: Float[Array, "b *space c"],
    coordinates: Float[Array, "b *out d"],
    *,
    boundary: str = "zeros",
) -> Float[Array, "b *out c"]:
    """Cubic convolution of `image` at `coordinates`: no kinks at the voxel centres.

    The values at voxel centres are those of the image, quadratic images are met exactly
    away from the border, and the derivative is continuous, where that of linear
    interpolation jumps at every voxel. 4^d voxels are read instead of 2^d.

    Args:
        image: Channels last, d space axes of any size.
        coordinates: Voxels of `image`; the centre of the first voxel is 0. A place
            that is not a number is outside and reads 0.
        boundary: "zeros" or "edge": what stands outside the grid.

    Returns:
        The values; the output axes are those of `coordinates`.

    Raises:
        ValueError: If `boundary` is unknown.
        ValueError: If the batch or the number of axes of the two differ.

    Examples:
        >>> image = (jnp.arange(6.0) ** 2).reshape(1, 6, 1)
        >>> float(sample_cubic(image, jnp.array([[[2.5]]]))[0, 0, 0])
        6.25

    References:
        Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP
        1981, with a = -1/2.
    """
    return interpolate(image, coordinates, boundary, _axis_taps)


def _axis_taps(place: Array, size: int, boundary: str) -> list[tuple[Array, Array]]:
    """The four voxels of an axis around each place, and their weights."""
    is_number = ~jnp.isnan(place)
    # Further out nothing changes, and the cell must fit into an integer.
    place = jnp.clip(jnp.where(is_number, place, 0.0), -3.0, size + 2.0)
    cell = jnp.floor(place)
    t = place - cell
    kernel = (
        t * (-0.5 + t * (1.0 - 0.5 * t)),
        1.0 + t * t * (1.5 * t - 2.5),
        t * (0.5 + t * (2.0 - 1.5 * t)),
        t * t * (0.5 * t - 0.5),
    )
    taps = []
    for offset, weight in enumerate(kernel):
        voxel = cell + (offset - 1)
        counts = is_number
        if boundary == "zeros":
            counts &= (voxel >= 0) & (voxel <= size - 1)
        weight = jnp.where(counts, weight, jnp.zeros_like(weight))
        taps.append((jnp.clip(voxel, 0, size - 1).astype(jnp.int32), weight))
    return taps
