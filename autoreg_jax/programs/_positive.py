"""Positive weights by reparametrisation: the optimizer moves θ, and λ = f(θ)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

# A weight that has underflowed to zero could not come back.
_SMALLEST = 1e-6


class _Form(NamedTuple):
    """λ = f(θ): the function, its inverse, and its derivative as a function of λ."""

    forward: Any
    inverse: Any
    slope: Any


def _inverse_softplus(lam: Array) -> Array:
    return lam + jnp.log(-jnp.expm1(-lam))


_FORMS = {
    "exp": _Form(jnp.exp, jnp.log, lambda lam: lam),
    "softplus": _Form(jax.nn.softplus, _inverse_softplus, lambda lam: -jnp.expm1(-lam)),
}


def reparametrised(
    optimizer: optax.GradientTransformation, form: str
) -> optax.GradientTransformation:
    """An optimizer of θ as one of the weights λ = f(θ).

    The gradient goes through f by the chain rule, ∂L/∂θ = f′(θ) ∂L/∂λ, and the update
    is f(θ + Δθ) − λ: problems, estimators and records know λ alone.

    Args:
        optimizer: Of θ.
        form: "exp" or "softplus".

    Returns:
        An optimizer of λ; weights below 1e-6 count as that.
    """
    forward, inverse, slope = _FORMS[form]

    def hidden(lam: Any) -> tuple[Any, Any]:
        lam = jax.tree.map(lambda weight: jnp.maximum(weight, _SMALLEST), lam)
        return lam, jax.tree.map(inverse, lam)

    def init(params: Any) -> Any:
        return optimizer.init(hidden(params)[1])

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        lam, theta = hidden(params)
        gradient = jax.tree.map(lambda g, weight: slope(weight) * g, updates, lam)
        moves, state = optimizer.update(gradient, state, theta)
        moved = jax.tree.map(lambda one, move: forward(one + move), theta, moves)
        return jax.tree.map(lambda new, old: new - old, moved, params), state

    return optax.GradientTransformation(init, update)
