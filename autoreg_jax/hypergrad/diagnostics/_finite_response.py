"""Does a gradient predict the effect of a finite step of the outer variable?"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import Batch, Inner, Loss, MixedProduct, Outer
from autoreg_jax.hypergrad._checks import Number, check_positive
from autoreg_jax.hypergrad._trees import add_scale, inner_product, scale


class FiniteResponse(NamedTuple):
    """Predicted and actual slopes along several directions.

    Attributes:
        predicted: ⟨gradient, e⟩ for each direction e, `(n,)`.
        actual: [q(a + t e) − q(a − t e)] / 2t, `(n,)`.
        error: ‖predicted − actual‖ / ‖actual‖, scalar; infinite if only the actual
            slopes are zero. Above about ½ the gradient is unreliable.
    """

    predicted: Array
    actual: Array
    error: Array


def finite_response(
    response: Callable[[Outer], Array],
    gradient: Outer,
    outer: Outer,
    directions: Sequence[Outer],
    step: Number,
) -> FiniteResponse:
    """Compare a gradient with central differences of finite size.

    Near kinks the derivative exists almost everywhere but predicts no step of practical
    size; this function detects that. Directions are a Python loop, so a compiled
    response is called as it is.

    Args:
        response: q(a): `gradient_response` to check the mixed product, or the outer
            loss after some inner steps to check a whole hypergradient.
        gradient: The gradient to check, ∂q/∂a, a tree like a.
        outer: a.
        directions: Trees like a.
        step: t > 0.

    Returns:
        See `FiniteResponse`.

    Raises:
        ValueError: If `step` is not positive.
    """
    check_positive(step=step)
    predicted = jnp.stack([inner_product(gradient, e) for e in directions])

    def slope(direction: Outer) -> Array:
        ahead, behind = (
            response(add_scale(outer, t, direction)) for t in (step, -step)
        )
        return (ahead - behind) / (2 * step)

    actual = jnp.stack([slope(e) for e in directions])
    size, miss = jnp.linalg.norm(actual), jnp.linalg.norm(predicted - actual)
    unanswered = jnp.where(miss > 0, jnp.inf, 0.0)
    error = jnp.where(size > 0, miss / jnp.where(size > 0, size, 1.0), unanswered)
    return FiniteResponse(predicted, actual, error)


def gradient_response(
    loss: Loss, inner: Inner, batch: Batch, direction: Inner
) -> Callable[[Outer], Array]:
    """q(a) = ⟨∇_ω L_t(ω, a), u⟩, whose derivative is the mixed product with u.

    Args:
        loss: L_t.
        inner: ω.
        batch: Data of the loss.
        direction: u, a tree like ω.

    Returns:
        `outer -> scalar`.
    """

    def response(outer: Outer) -> Array:
        gradient = jax.grad(loss)(inner, outer, batch)
        return inner_product(gradient, direction)

    return response


def smoothed_product(
    product: MixedProduct, key: Array, *, sigma: Number, samples: int
) -> MixedProduct:
    """The mixed product averaged over Gaussian samples around ω.

    This is the mixed product of the smoothed loss E L(ω + σ z, a), whose kinks are
    smoothed on the scale σ. Samples come in antithetic pairs ±z, which cancel the odd
    terms. They are a Python loop, so a compiled product is called as it is.

    Args:
        product: The exact mixed product.
        key: Random key; every call uses the same samples.
        sigma: σ > 0, in the unit of ω.
        samples: Number of samples, even and positive.

    Returns:
        A mixed product that costs `samples` times as much.

    Raises:
        ValueError: If `sigma` is not positive or `samples` not even and positive.
    """
    check_positive(sigma=sigma)
    if samples < 2 or samples % 2:
        raise ValueError(f"samples must be even and positive, got {samples}.")

    def averaged(inner: Inner, outer: Outer, batch: Batch, direction: Inner) -> Outer:
        total = optax.tree.zeros_like(outer)
        for number in range(samples // 2):
            drawn = jax.random.fold_in(key, number)
            noise = optax.tree.random_like(drawn, inner)
            for sign in (sigma, -sigma):
                near = add_scale(inner, sign, noise)
                part = product(near, outer, batch, direction)
                total = optax.tree.add(total, part)
        return scale(1 / samples, total)

    return averaged
