"""Inner updates ω → ω′ that an estimator differentiates through."""

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
    """ω′ = one step of an Optax optimizer from the given state.

    The first step of Adam is almost insensitive to its gradient (∂U/∂g ≈ 0), so the
    indirect part nearly vanishes; the diagnostic `sensitivity` shows it. The square
    root in Adam has an infinite slope where a gradient is exactly zero: these entries
    of the adjoint are set to zero and counted by the diagnostic `nonfinite`. With
    `eps_root > 0`, e.g. 1e-8, they are finite.

    Args:
        optimizer: Any Optax transformation that returns updates of ω.
        state: Its state before the step.

    Returns:
        The update with its state, for any number of steps.
    """

    def step(inner: Inner, gradient: Inner, state: State) -> tuple[Inner, State]:
        updates, state = optimizer.update(gradient, state, inner)
        return optax.apply_updates(inner, updates), state

    return InnerUpdate(state, step)


def as_inner_update(update: InnerUpdate | UpdateFn) -> InnerUpdate:
    """The update itself; a plain `(inner, gradient) -> inner` gets an empty state."""
    if isinstance(update, InnerUpdate):
        return update
    return InnerUpdate(
        (), lambda inner, gradient, state: (update(inner, gradient), state)
    )
