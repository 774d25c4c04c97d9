"""Instance optimisation: the velocity of one pair, improved from where it started."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.losses import Weights, by_name, registration_loss
from autoreg_jax.networks import Wiring
from autoreg_jax.spatial import Pyramid, half_shape, integrate, jacobian_determinant

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
    """Minimise L_reg of one pair over its velocity field with Adam.

    The field at half resolution is the variable; its displacement is compared at full,
    half and quarter resolution with the weights that the model was trained with. Beside
    them folding costs, 15 Σλ · mean max(0, 0.1 − det ∇φ): a free velocity folds where
    that brings two contours closer, however smooth it is on the whole.

    Args:
        moving: `(1, *space, 1)` in [0, 1].
        fixed: The same shape.
        velocity: Start `(1, *half, d)`, voxels of half resolution.
        lam: Weights of Eq. (4), and of further terms.
        num_iterations: Steps, ≥ 1.
        learning_rate: Of Adam, voxels of half resolution a step.
        similarity: "ncc" or "mind".
        windows: Windows of the local correlation at the three resolutions.
        num_steps: Squarings of the velocity field.
        wiring: That of the network, which says how a field reaches full resolution.
        is_dimmed: See `registration_loss`.

    Returns:
        The best iterate, the start included.
    """
    space = fixed.shape[1:-1]
    coarse = half_shape(velocity.shape[1:-1])
    # A cosine to zero ends the oscillation that a constant step leaves behind.
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, num_iterations))
    folding = _FOLDING * sum(by_name(lam).values())

    def loss(velocity: Array) -> Array:
        half = integrate(velocity, num_steps)
        full = wiring.full_displacement(half, space, num_steps)
        fields = Pyramid(full, half, wiring.resized(half, coarse))
        value, _ = registration_loss(
            fixed,
            moving,
            fields,
            lam,
            similarity=similarity,
            windows=windows,
            is_dimmed=is_dimmed,
        )
        missing = jax.nn.relu(_NEARLY_FOLDED - jacobian_determinant(full))
        return value + folding * jnp.mean(missing)

    def step(carry, _):
        velocity, state, best, best_loss = carry
        value, gradient = jax.value_and_grad(loss)(velocity)
        is_better = value < best_loss
        best = jnp.where(is_better, velocity, best)
        updates, state = optimizer.update(gradient, state, velocity)
        carry = (
            optax.apply_updates(velocity, updates),
            state,
            best,
            jnp.minimum(best_loss, value),
        )
        return carry, value

    start = (
        velocity,
        optimizer.init(velocity),
        velocity,
        jnp.asarray(jnp.inf, fixed.dtype),
    )
    (_, _, best, best_loss), values = jax.lax.scan(step, start, length=num_iterations)
    half = integrate(best, num_steps)
    displacement = wiring.full_displacement(half, space, num_steps)
    return Refined(best, displacement, values[0], best_loss)
