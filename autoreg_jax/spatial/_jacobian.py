"""How a deformation changes volume, locally."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def jacobian_determinant(
    displacement: Float[Array, "b *space d"],
) -> Float[Array, "b *space"]:
    """Determinant of the Jacobian of φ(x) = x + u(x) at every voxel.

    Central differences inside, one-sided ones on the border; an axis of one voxel
    has no derivative. 1 keeps volume, less shrinks, 0 or less is a fold. A ratio of
    volumes: voxel size cancels.

    Args:
        displacement: u in voxels.

    Returns:
        The determinant, on the same grid.

    Examples:
        >>> stretched = 0.5 * jnp.arange(4.0).reshape(1, 4, 1)
        >>> jacobian_determinant(stretched)
        Array([[1.5, 1.5, 1.5, 1.5]], dtype=float32)
    """
    dimensions = displacement.shape[-1]
    columns = [_difference(displacement, axis + 1) for axis in range(dimensions)]
    rows = [
        [columns[j][..., i] + (1.0 if i == j else 0.0) for j in range(dimensions)]
        for i in range(dimensions)
    ]
    return _determinant(rows)


def _difference(field: Array, axis: int) -> Array:
    """Derivative along `axis`, as `numpy.gradient` takes it."""
    size = field.shape[axis]
    if size == 1:
        return jnp.zeros_like(field)

    def part(start, stop):
        return lax.slice_in_dim(field, start, stop, axis=axis)

    steps = part(1, size) - part(0, size - 1)
    first = lax.slice_in_dim(steps, 0, 1, axis=axis)
    last = lax.slice_in_dim(steps, size - 2, size - 1, axis=axis)
    inside = 0.5 * (part(2, size) - part(0, size - 2))
    return jnp.concatenate([first, inside, last], axis=axis)


def _determinant(rows: list[list[Array]]) -> Array:
    """Determinant by expansion along the first row; entries are whole grids."""
    if len(rows) == 1:
        return rows[0][0]
    total = jnp.zeros_like(rows[0][0])
    for j, entry in enumerate(rows[0]):
        minor = [row[:j] + row[j + 1 :] for row in rows[1:]]
        total = total + (-1) ** j * entry * _determinant(minor)
    return total
