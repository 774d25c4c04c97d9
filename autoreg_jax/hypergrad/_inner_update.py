"""The inner update ω → ω′ through which a hypergradient looks."""

import optax

from autoreg_jax.hypergrad._base import Inner, InnerUpdate, State, UpdateFn


def gradient_descent(learning_rate: float) -> InnerUpdate:
    """ω′ = ω − ξ g, the virtual step of Algorithm 1.

    Args:
        learning_rate: ξ > 0. The paper writes the step without a factor (ξ = 1), its
            published code uses the learning rate of the optimizer of ω.

    Returns:
        The update, callable as `(inner, gradient) -> inner`.

    Raises:
        ValueError: If `learning_rate` is not positive.

    Examples:
        >>> float(gradient_descent(0.5)(2.0, 1.0))
        1.5
    """
    if learning_rate <= 0:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}.")

    def step(inner: Inner, gradient: Inner, state: State) -> tuple[Inner, State]:
        return optax.tree.add_scale(inner, -learning_rate, gradient), state

    return InnerUpdate((), step)


def from_optax(
    optimizer: optax.GradientTransformation, state: optax.OptState
) -> InnerUpdate:
    """ω′ by one step of an Optax optimizer from the given state.

    A fresh Adam state is almost insensitive to its gradient (∂U/∂g ≈ 0), so the
    indirect part nearly vanishes (the diagnostic `sensitivity` says so). Adam's
    square root has an infinite slope at a gradient of exactly zero: such entries of
    the adjoint are taken as zero and counted by the diagnostic `nonfinite`; give
    `eps_root > 0` (1e-8, say) to have them.

    Args:
        optimizer: Any Optax transformation that yields updates of ω.
        state: Its state before the step.

    Returns:
        The update with its state, so that any number of steps run through it.
    """

    def step(inner: Inner, gradient: Inner, state: State) -> tuple[Inner, State]:
        updates, state = optimizer.update(gradient, state, inner)
        return optax.apply_updates(inner, updates), state

    return InnerUpdate(state, step)


def as_inner_update(update: InnerUpdate | UpdateFn) -> InnerUpdate:
    """The update with its state; a plain `(inner, gradient) -> inner` has none."""
    if isinstance(update, InnerUpdate):
        return update
    return InnerUpdate(
        (), lambda inner, gradient, state: (update(inner, gradient), state)
    )
