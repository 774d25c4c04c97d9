"""Inner steps of ω: updates, their derivatives through an optimizer, their trees."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from autoreg_jax.hypergrad._base import (
    AnyUpdate,
    Batch,
    BilevelProblem,
    Inner,
    InnerUpdate,
    Loss,
    Outer,
    State,
)
from autoreg_jax.hypergrad._checks import Number, check_positive
from autoreg_jax.hypergrad._given import check_same
from autoreg_jax.hypergrad._trees import (
    add_scale,
    finite_or_zero,
    flat_kind,
    inner_product,
    split_floats,
    unflattened,
)


def gradient_descent(
    learning_rate: Number | Callable[[Outer], Number],
    *,
    start: Callable[[Outer], Inner] | None = None,
) -> InnerUpdate:
    """ω′ = ω − ξ g, the virtual step of Algorithm 1.

    Args:
        learning_rate: ξ > 0. The paper writes the step without a factor (ξ = 1), its
            published code uses the learning rate of the optimizer of ω. A function of
            the outer variable makes ξ an outer variable.
        start: `outer -> inner`, initial weights that are outer variables.

    Returns:
        The update, callable as `(inner, gradient) -> inner`.

    Raises:
        ValueError: If `learning_rate` is a number that is not positive.

    Examples:
        >>> float(gradient_descent(0.5)(2.0, 1.0))
        1.5
        >>> float(gradient_descent(lambda outer: outer["rate"])(2.0, 1.0, {"rate": 1}))
        1.0
    """
    if callable(learning_rate):
        rate: Callable[[Outer], Number] = learning_rate

        def step_at(inner: Inner, gradient: Inner, state: State, outer: Outer) -> Any:
            return add_scale(inner, -rate(outer), gradient), state

        return InnerUpdate((), step_at, takes_outer=True, start=start)
    check_positive(learning_rate=learning_rate)

    def step(inner: Inner, gradient: Inner, state: State) -> tuple[Inner, State]:
        return add_scale(inner, -learning_rate, gradient), state

    return InnerUpdate((), step, start=start)


def from_optax(
    optimizer: optax.GradientTransformation
    | Callable[[Outer], optax.GradientTransformation],
    state: optax.OptState,
    *,
    start: Callable[[Outer], Inner] | None = None,
) -> InnerUpdate:
    """ω′ = one step of an Optax optimizer from the given state.

    The first step of Adam is almost insensitive to its gradient (∂U/∂g ≈ 0), so the
    indirect part nearly vanishes; the diagnostic `sensitivity` shows it. The square
    root in Adam has an infinite slope where a gradient is exactly zero: these entries
    of the adjoint are set to zero and counted by the diagnostic `nonfinite`. With
    `eps_root > 0`, e.g. 1e-8, they are finite.

    Args:
        optimizer: Any Optax transformation that returns updates of ω, or a function of
            the outer variable that returns one, whose learning rate, weight decay or
            momentum are then outer variables.
        state: Its state before the step.
        start: `outer -> inner`, initial weights that are outer variables.

    Returns:
        The update with its state, for any number of steps. A step raises `ValueError`
        if the state is not like that of `optimizer.init`.

    Examples:
        >>> def optimizer(outer):
        ...     return optax.sgd(outer["rate"], momentum=0.9)
        >>> update = from_optax(optimizer, optimizer({"rate": 1.0}).init(2.0))
        >>> float(update(2.0, 1.0, {"rate": 0.5}))
        1.5
    """

    def stepped(of: optax.GradientTransformation, *args: Any) -> tuple[Inner, State]:
        inner, gradient, state = args
        if not hasattr(of, "init"):
            raise ValueError(f"from_optax needs an Optax transformation, found {of!r}.")
        expected = jax.eval_shape(of.init, inner)
        remedy = "Begin with `optimizer.init(inner)`: from_optax(optimizer, its state)."
        check_same("The state of the inner optimizer", state, expected, remedy)
        updates, state = of.update(gradient, state, inner)
        return optax.apply_updates(inner, updates), state

    if callable(optimizer):
        return InnerUpdate(
            state,
            lambda *args: stepped(optimizer(args[-1]), *args[:-1]),
            takes_outer=True,
            start=start,
        )
    return InnerUpdate(state, lambda *args: stepped(optimizer, *args), start=start)


def as_inner_update(update: AnyUpdate) -> InnerUpdate:
    """The update itself; a plain `(inner, gradient) -> inner` gets an empty state.

    Args:
        update: What `estimate` has been given as `inner_update`.

    Returns:
        The same with `step`, `begin` and `advance`.

    Raises:
        ValueError: If it is neither, such as an Optax transformation without its state.
    """
    if isinstance(update, InnerUpdate):
        return update
    if not callable(update):
        raise ValueError(
            "inner_update must be an InnerUpdate, as gradient_descent(rate) or "
            "from_optax(optimizer, optimizer.init(inner)) makes it, or a function "
            f"(inner, gradient) -> inner, found a {type(update).__name__}."
        )
    return InnerUpdate(
        (), lambda inner, gradient, state: (update(inner, gradient), state)
    )


def without_start(update: AnyUpdate, name: str) -> InnerUpdate:
    """The update, of which the estimator of this name cannot use a start."""
    found = as_inner_update(update)
    if found.start is not None:
        raise ValueError(
            f"{name} goes on from the ω that it is given, so that initial weights that "
            "are outer variables (InnerUpdate.start) have no part in it. Use unroll or "
            "forward_mode over the steps from these weights."
        )
    return found


def without_outer(update: AnyUpdate) -> InnerUpdate:
    """The update, for an estimator that does not differentiate what it has of a."""
    found = as_inner_update(update)
    if found.takes_outer or found.start is not None:
        raise ValueError(
            "This estimate does not depend on how ω was reached: learning rates and "
            "initial weights that are outer variables would have no gradient. Use "
            "unroll, forward_mode or one_step_unroll for them."
        )
    return found


def step_batches(batch: Batch, steps: int, stacked: bool) -> Batch:
    """The batches of the steps, stacked, or None if all steps share one batch."""
    if not stacked:
        return None
    for path, leaf in jax.tree_util.tree_leaves_with_path(batch):
        if jnp.ndim(leaf) < 1 or jnp.shape(leaf)[0] != steps:
            raise ValueError(
                f"train_batch{jax.tree_util.keystr(path)} must hold {steps} batches on "
                f"its leading axis (stacked=True), got shape {jnp.shape(leaf)}."
            )
    return batch


def descend(
    loss: Loss,
    update: InnerUpdate,
    start: tuple[Inner, State],
    outer: Outer,
    batch: Batch,
    steps: int,
    stacked: bool = False,
) -> tuple[Inner, State]:
    """Take inner steps on a loss.

    Args:
        loss: `(inner, outer, batch) -> scalar`.
        update: The inner update.
        start: (ω, s) before the first step, as `update.begin` makes it.
        outer: a.
        batch: Data of the loss, of all steps or stacked.
        steps: K, the number of steps.
        stacked: Whether the batch holds K batches on its leading axis.

    Returns:
        (ω, s) after the last step.

    Raises:
        ValueError: If a stacked batch does not hold K batches.
    """
    batches = step_batches(batch, steps, stacked)

    def body(carry: Any, own: Batch) -> tuple[Any, None]:
        inner, state = carry
        gradient = jax.grad(loss)(inner, outer, own if stacked else batch)
        return update.advance(inner, gradient, state, outer), None

    return jax.lax.scan(body, start, batches, length=steps)[0]


def tangent_step(
    problem: BilevelProblem,
    update: InnerUpdate,
    carry: tuple[Inner, State],
    tangents: tuple[Inner, list[Any]],
    outer: Outer,
    basis: Outer,
    batch: Batch,
) -> tuple[tuple[Inner, State], tuple[Inner, list[Any]], Array]:
    """One step of (ω, s) and of its derivatives along the unit vectors of a.

    Tangents and basis have a leading axis, one entry for each unit vector. Returned
    last is the number of non-finite slopes.
    """
    inner, state = carry
    floats, merge = split_floats(state)

    def gradient_at(omega: Inner, a: Outer) -> Inner:
        return jax.grad(problem.inner_loss)(omega, a, batch)

    def phi(g: Inner, moments: list[Any], o: Inner, a: Outer) -> Any:
        new, after = update.advance(o, g, merge(moments), a)
        return new, split_floats(after)[0]

    gradient = gradient_at(inner, outer)
    new, after = update.advance(inner, gradient, state, outer)

    def push(tangent: tuple[Inner, list[Any]], along: Outer) -> Any:
        omega, moments = tangent
        _, slope = jax.jvp(gradient_at, (inner, outer), (omega, along))
        at = gradient, floats, inner, outer
        _, out = jax.jvp(phi, at, (slope, moments, omega, along))
        return finite_or_zero(out, (new, omega, slope))

    moved, missing = jax.vmap(push)(tangents, basis)
    return (new, after), moved, jnp.sum(missing)


def no_tangents(start: tuple[Inner, State], outer: Outer) -> tuple[Inner, list[Any]]:
    """Tangents of (ω, s) before the first step, which do not depend on a."""
    size, _ = flat_kind(outer)
    inner, state = start
    return jax.tree.map(
        lambda x: jnp.broadcast_to(jnp.zeros_like(x), (size, *jnp.shape(x))),
        (inner, split_floats(state)[0]),
    )


def first_tangents(
    update: InnerUpdate, inner: Inner, outer: Outer, basis: Outer
) -> tuple[Inner, list[Any]]:
    """Tangents of (ω, s) before the first step: those of ω_0(a), if it has a start."""
    start = update.start
    tangents, moments = no_tangents((inner, update.state), outer)
    if start is None:
        return tangents, moments
    push = jax.vmap(lambda along: jax.jvp(start, (outer,), (along,))[1])
    return push(basis), moments


def through_start(
    update: InnerUpdate, outer: Outer, adjoint: Inner, indirect: Outer
) -> Outer:
    """The indirect part with (dω_0/da)ᵀ p_0 added, if the update has a start."""
    if update.start is None:
        return indirect
    _, pullback = jax.vjp(update.start, outer)
    return optax.tree.add(indirect, *pullback(adjoint))


def contract(cotangent: Inner, tangents: Inner, outer: Outer) -> Outer:
    """Zᵀ v, a tree like a."""
    products = jax.vmap(lambda z: inner_product(cotangent, z))(tangents)
    return unflattened(jnp.asarray(products), outer)
