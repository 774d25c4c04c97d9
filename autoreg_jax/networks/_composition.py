"""A transformation as exponentials of velocities, one after the other."""

from collections.abc import Sequence
from typing import NamedTuple

from jax import Array

from autoreg_jax.networks._wiring import Wiring
from autoreg_jax.search_space import SCALES
from autoreg_jax.spatial import Pyramid, compose, half_shape, integrate


class Registration(NamedTuple):
    """Prediction of the network for a batch of pairs.

    Attributes:
        velocity: Stationary velocity of the final field, `(b, *half, d)` in voxels of
            half resolution; of full resolution if `Structure.resolution` is "full".
            φ = exp(velocity), unless the wiring integrates twice.
        displacements: Displacements at full, half and quarter resolution, each
            `(b, *shape, d)` in voxels of its own grid.
        coarser: Velocities v₁, v₂, ... of the exponentials with which that of the final
            velocity is composed, the coarsest first, each in voxels of its own grid:
            φ = exp(v₁) ∘ exp(v₂) ∘ ... ∘ exp(velocity). Empty if velocities are not
            composed.
        further: Displacements of the scales below a quarter, at an eighth first, each
            in voxels of its own grid, as far as the network has them.
    """

    velocity: Array
    displacements: Pyramid
    coarser: tuple[Array, ...] = ()
    further: tuple[Array, ...] = ()

    @property
    def levels(self) -> dict[str, Array]:
        """All displacements by the names of their levels, for a loss."""
        levels = *self.displacements, *self.further
        return dict(zip(("full", *SCALES), levels, strict=False))


def composed(velocities: Sequence[Array], num_steps: int, wiring: Wiring) -> Array:
    """Displacement of exp(v₁) ∘ exp(v₂) ∘ ...

    Args:
        velocities: v₁, v₂, ..., one at least, each `(b, *space, d)` in voxels of its
            own grid, none coarser than that before it.
        num_steps: Squarings of each.
        wiring: Says how displacements are resized.

    Returns:
        On the grid of the last one, in its voxels.
    """
    displacement = integrate(velocities[0], num_steps)
    for velocity in velocities[1:]:
        resized = wiring.resized(displacement, velocity.shape[1:-1])
        displacement = compose(resized, integrate(velocity, num_steps))
    return displacement


def inverse_displacements(
    found: Registration, space: tuple[int, ...], num_steps: int, wiring: Wiring
) -> Pyramid:
    """Displacements of φ⁻¹: exp(−v) of all velocities, composed in reverse order.

    Exact but for interpolation inside of the image. Within a few voxels of its border
    it is not: `integrate` sees no velocity outside, `compose` the last displacement.

    Args:
        found: Of a network that predicts velocities.
        space: Shape of the images.
        num_steps: Squarings of a velocity field.
        wiring: Of the network.

    Returns:
        At full, half and quarter resolution, in voxels of each grid.
    """
    first, *others = (*found.coarser, found.velocity)
    last = integrate(-first, num_steps)
    for velocity in others:
        resized = wiring.resized(last, velocity.shape[1:-1])
        last = compose(integrate(-velocity, num_steps), resized)
    full, half = last, wiring.resized(last, half_shape(space))
    if last.shape[1:-1] != space:
        full = wiring.full_displacement(half, space, num_steps)
    quarter = wiring.resized(half, half_shape(half.shape[1:-1]))
    return Pyramid(full, half, quarter)
