"""Instance optimisation: the velocity of one pair, improved from where it started."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from autoreg_jax.inference._optimise import descend
from autoreg_jax.losses import Weights, in_order, registration_loss
from autoreg_jax.networks import Wiring
from autoreg_jax.spatial import (
    Pyramid,
    coarser_shape,
    downsample,
    half_shape,
    integrate,
    jacobian_determinant,
    resize_displacement,
)

_WIRING = Wiring()
# Below this determinant a voxel is nearly folded, and what is missing costs so many Σλ.
# A softer or an earlier penalty takes honest compression, and overlap, away as well.
_NEARLY_FOLDED, _FOLDING = 0.1, 15.0


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
    jax.jit,
    static_argnames=(
        "num_iterations",
        "similarity",
        "windows",
        "num_steps",
        "wiring",
        "is_dimmed",
    ),
)
def refine(  # noqa: PLR0913
    moving: Array,
    fixed: Array,
    velocity: Array,
    lam: Weights,
    *,
    num_iterations: int,
    learning_rate: float,
    similarity: str = "ncc",
    windows: tuple[int, int, int] = (9, 7, 5),
    num_steps: int = 7,
    wiring: Wiring = _WIRING,
    is_dimmed: bool = False,
) -> Refined:
    """Minimise L_reg of one pair over its velocity field, from coarse to fine.

    The field at half resolution is the variable; its displacement is compared at full,
    half and quarter resolution with the weights that the model was trained with. Beside
    them folding costs, 15 Σλ · mean max(0, 0.1 − det ∇φ): a free velocity folds where
    that brings two contours closer, however smooth it is on the whole.

    Adam moves it first where the images have half of their voxels along each axis that
    is long enough; what is gained there is added to the start, from which Adam goes on
    with all voxels.

    Args:
        moving: `(1, *space, 1)` in [0, 1].
        fixed: The same shape.
        velocity: Start `(1, *half, d)`, voxels of half resolution.
        lam: Weights of Eq. (4), and of further terms.
        num_iterations: Steps at each of the two resolutions, ≥ 1.
        learning_rate: Of Adam, voxels of the velocity field a step; falls to zero.
        similarity: "ncc" or "mind".
        windows: Windows of the local correlation at the three resolutions.
        num_steps: Squarings of the velocity field.
        wiring: That of the network, which says how a field reaches full resolution.
        is_dimmed: See `registration_loss`.

    Returns:
        The best iterate at full resolution, the start included.
    """
    folding = _FOLDING * sum(in_order(lam).values())

    def fields(velocity: Array, space: tuple[int, ...]) -> Pyramid:
        half = integrate(velocity, num_steps)
        full = wiring.full_displacement(half, space, num_steps)
        return Pyramid(full, half, wiring.resized(half, half_shape(half.shape[1:-1])))

    def loss(moving: Array, fixed: Array, velocity: Array) -> Array:
        displacements = fields(velocity, fixed.shape[1:-1])
        value, _ = registration_loss(
            fixed,
            moving,
            displacements,
            lam,
            similarity=similarity,
            windows=windows,
            is_dimmed=is_dimmed,
        )
        determinant = jacobian_determinant(displacements.full)
        return value + folding * jnp.mean(jax.nn.relu(_NEARLY_FOLDED - determinant))

    def improve(moving: Array, fixed: Array, gain: Array) -> tuple[Array, ...]:
        half = half_shape(fixed.shape[1:-1])
        start = resize_displacement(velocity, half)
        found = descend(
            partial(loss, moving, fixed),
            start,
            start + resize_displacement(gain, half),
            num_iterations=num_iterations,
            learning_rate=learning_rate,
        )
        return found.best, found.best - start, found.first_loss, found.loss

    gain = jnp.zeros_like(velocity)
    space = fixed.shape[1:-1]
    coarser = coarser_shape(space)
    if coarser != space:
        _, gain, *_ = improve(
            downsample(moving, coarser), downsample(fixed, coarser), gain
        )
    best, _, loss_before, best_loss = improve(moving, fixed, gain)
    return Refined(best, fields(best, space).full, loss_before, best_loss)
