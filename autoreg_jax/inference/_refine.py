"""Instance optimisation: descent on the velocity field of one pair."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.inference._optimise import BestSoFar, descend
from autoreg_jax.losses import Objective, Weights, in_order
from autoreg_jax.networks import Wiring, composed
from autoreg_jax.spatial import (
    Pyramid,
    coarser_shape,
    compose,
    downsample,
    half_shape,
    image_pyramid,
    integrate,
    jacobian_determinant,
    resize_displacement,
)

_OBJECTIVE, _WIRING = Objective(), Wiring()
# Below this determinant a voxel is nearly folded, and what is missing costs this many
# Σλ. A softer or an earlier penalty takes away honest compression, and overlap, too.
_NEARLY_FOLDED, _FOLDING = 0.1, 15.0


def mean_folding(displacement: Array) -> Array:
    """Mean over the voxels of what the determinant of φ lacks to 0.1."""
    return jnp.mean(jax.nn.relu(_NEARLY_FOLDED - jacobian_determinant(displacement)))


class Refined(NamedTuple):
    """The best iterate of a refinement.

    Attributes:
        velocity: `(1, *half, d)` in voxels of half resolution.
        displacement: `(1, *space, d)` in voxels.
        loss_before: Loss of the start.
        loss: Loss of the best iterate, never above `loss_before`.
    """

    velocity: Array
    displacement: Array
    loss_before: Array
    loss: Array


@partial(
    jax.jit, static_argnames=("objective", "num_iterations", "num_steps", "wiring")
)
def refine(  # noqa: PLR0913
    moving: Array,
    fixed: Array,
    velocity: Array,
    lam: Weights,
    *,
    num_iterations: int,
    learning_rate: float,
    objective: Objective = _OBJECTIVE,
    num_steps: int = 7,
    wiring: Wiring = _WIRING,
    coarser: tuple[Array, ...] = (),
) -> Refined:
    """Minimise L_reg of one pair over its velocity field, from coarse to fine.

    The variable is the field at half resolution; its displacement is compared at full,
    half and quarter resolution. A penalty on folding is added,
    15 Σλ · mean max(0, 0.1 − det ∇φ): a free velocity folds where that brings two
    contours closer, however smooth it is on the whole.

    Adam first descends on images of half the number of voxels along each axis that is
    long enough. The change that it finds there is added to the start, from which Adam
    descends on the images themselves.

    Args:
        moving: `(1, *space, 1)` in [0, 1].
        fixed: The same shape.
        velocity: Start `(1, *half, d)`, in voxels of half resolution; one on another
            grid, in its voxels, is resized.
        lam: Weights of Eq. (4), and of further terms.
        num_iterations: Steps at each of the two resolutions, ≥ 1.
        learning_rate: Initial learning rate of Adam, in voxels of half resolution per
            step; it falls to zero.
        objective: Computes the loss of Eq. (4).
        num_steps: Squarings of the velocity field.
        wiring: Wiring of the network, which defines how a field reaches full
            resolution.
        coarser: Velocities of exponentials before that of `velocity`, which stay as
            they are, see `networks.Registration`.

    Returns:
        The best iterate at full resolution, the start included.
    """
    folding = _FOLDING * sum(in_order(lam).values())

    before = composed(coarser, num_steps, wiring) if coarser else None

    def fields(velocity: Array, space: tuple[int, ...]) -> Pyramid:
        half = integrate(velocity, num_steps)
        if before is not None:
            half = compose(resize_displacement(before, half.shape[1:-1]), half)
        full = wiring.full_displacement(half, space, num_steps)
        return Pyramid(full, half, wiring.resized(half, half_shape(half.shape[1:-1])))

    def loss(moving: Pyramid, fixed: Pyramid, velocity: Array) -> Array:
        displacements = fields(velocity, fixed.full.shape[1:-1])
        value, _ = objective(fixed, moving, displacements, lam)
        return value + folding * mean_folding(displacements.full)

    def improve(moving: Array, fixed: Array, gain: Array) -> tuple[BestSoFar, Array]:
        half = half_shape(fixed.shape[1:-1])
        start = resize_displacement(velocity, half)
        found = descend(
            partial(loss, image_pyramid(moving), image_pyramid(fixed)),
            start,
            start + resize_displacement(gain, half),
            num_iterations=num_iterations,
            learning_rate=learning_rate,
        )
        return found, found.best - start

    gain = jnp.zeros_like(velocity)
    space = fixed.shape[1:-1]
    smaller = coarser_shape(space)
    if smaller != space:
        _, gain = improve(downsample(moving, smaller), downsample(fixed, smaller), gain)
    found, _ = improve(moving, fixed, gain)
    displacement = fields(found.best, space).full
    return Refined(found.best, displacement, found.first_loss, found.loss)
